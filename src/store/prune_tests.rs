//! Retention over a store with a past: what goes, what stays, and that no step costs more in a large store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Access, Ages, Pruned, Pruning, Store, put_texts};
use crate::model::Timestamp;

const DAY: Duration = Duration::from_secs(86_400);
/// One item each minute from here on.
const START: i64 = 1_742_000_000;
/// A progress callback comes after so many steps of SQLite's machine.
const STEPS: i32 = 50;

fn opened() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), Access::Own).expect("opens");
    (dir, store)
}

fn run(store: &Store, sql: &str) {
    store.write("test", |tx| tx.execute_batch(sql)).expect("written");
}

fn number(store: &Store, sql: &str) -> i64 {
    store.read("test", |c| c.query_row(sql, [], |row| row.get(0))).expect("read")
}

/// Texts that come together.
const TOGETHER: i64 = 20;

/// Of so many texts those that go with whole blocks, which is all where each has a row of its own.
fn whole(store: &Store, texts: u64) -> u64 {
    if store.is_file() { texts - texts % TOGETHER.unsigned_abs() } else { texts }
}

/// Items with texts, stories of five, an alert that was delivered for every tenth, an edit of every twentieth.
fn fill(store: &Store, items: i64) {
    let (zero, none) = (store.literal(&[0]), store.literal(&[]));
    run(
        store,
        &format!(
            "CREATE TEMP TABLE n AS WITH RECURSIVE n(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM n WHERE n < {items})
                 SELECT n, n * 7919 AS id, ({START} + n * 60) * 1000 AS at FROM n;
             INSERT INTO items (seq, id, source, key, revision, title, headline, first_seen, summary, text_source,
                                text_hash, text_bytes, quiet, story, outlet, features)
                 SELECT n, id, 'outlet', 'k' || n, 0, 'harbour', 'harbour', at, '', 'summary', {zero}, 20, 0, n / 5,
                        'outlet', {none} FROM n;
             INSERT INTO stories (id, title, first_seen, last_seen, items, sightings_exact, sightings_near)
                 SELECT n / 5, 'harbour', min(at), max(at), count(*), 0, 0 FROM n GROUP BY n / 5;
             INSERT INTO story_topics SELECT n / 5, 'ports', 5, 5, 'low' FROM n GROUP BY n / 5;
             INSERT INTO story_sources SELECT n / 5, 'outlet', 1, min(at) FROM n GROUP BY n / 5;
             INSERT INTO revisions SELECT id, 1, at, 'harbour', 'open' FROM n WHERE n % 20 = 0;
             INSERT INTO alerts (sequence, id, kind, story, item, reason, severity, score, outlets, at, payload)
                 SELECT n, 'alr_' || n, 'item', n / 5, id, 'new', 'low', 5, 1, at, {zero} FROM n WHERE n % 10 = 0;
             INSERT INTO deliveries (id, alert, webhook_id, endpoint, content_type, state, attempts, created_at, due_at,
                                     settled_at)
                 SELECT n, n, 'alr_' || n, 'desk', 'json', 'delivered', 1, at, at, at FROM n WHERE n % 10 = 0;
             INSERT INTO attempts SELECT n, 1, at, 'delivered', 200, 1, NULL FROM n WHERE n % 10 = 0;
             DROP TABLE n;"
        ),
    );
    fill_texts(store, items, |_| "the port closed".to_owned());
}

fn fill_texts(store: &Store, items: i64, text: impl Fn(i64) -> String) {
    store
        .write("test", |tx| {
            (1..=items).step_by(TOGETHER as usize).try_for_each(|first| {
                let texts: Vec<_> = (first..=items.min(first + TOGETHER - 1)).map(|seq| (seq, text(seq))).collect();
                put_texts(tx, texts.iter().map(|(seq, text)| (*seq, text.as_str())))
            })
        })
        .expect("written");
}

fn ages(texts: u32, items: u32, deliveries: u32) -> Ages {
    let days = |days: u32| Some(DAY * days);
    Ages { texts: days(texts), items: days(items), keys: days(730), deliveries: days(deliveries), changes: None }
}

/// So many days after the first item.
fn after(days: u32) -> Timestamp {
    Timestamp::from_seconds(START).plus(DAY * days)
}

fn rows(store: &Store) -> Vec<(&'static str, i64)> {
    [
        "items",
        if store.is_file() { "text_blocks" } else { "texts" },
        "stories",
        "story_topics",
        "story_sources",
        "revisions",
        "alerts",
        "deliveries",
        "attempts",
        "tombstones",
    ]
    .into_iter()
    .map(|table| (table, number(store, &format!("SELECT count(*) FROM {table}"))))
    .collect()
}

#[test]
fn pass_removes_what_is_too_old_and_nothing_else() {
    let (_dir, store) = opened();
    fill(&store, 3000);
    // 3,000 minutes are two days and two hours: texts of the first day go, then items, then all of it.
    let pruned = store.prune(&ages(10, 400, 400), after(11)).expect("pruned");
    let gone = whole(&store, 1439);
    assert_eq!(pruned, Pruned { texts: gone + 71, ..Pruned::default() });
    assert_eq!(number(&store, "SELECT min(seq) FROM texts WHERE body IS NOT NULL").unsigned_abs(), gone + 1);
    let pruned = store.prune(&ages(10, 20, 400), after(21)).expect("pruned");
    assert_eq!((pruned.items, pruned.texts), (1439, 3000 - gone + 79));
    // Stories 0 to 287 have no items any more; of these every other is still what an alert was about.
    assert_eq!(number(&store, "SELECT count(*) FROM stories"), 601 - 145);
    let pruned = store.prune(&ages(10, 20, 30), after(40)).expect("pruned");
    assert_eq!((pruned.items, pruned.deliveries), (1561, 300));
    let left: Vec<_> = rows(&store).into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(left, [("tombstones", 3000)], "keys only");
    let pruned = store.prune(&ages(10, 20, 30), after(740)).expect("pruned");
    assert_eq!(pruned, Pruned { keys: 3000, ..Pruned::default() });
}

#[test]
fn pass_leaves_what_is_owed_and_the_next_takes_it_once_it_is_not() {
    let (_dir, store) = opened();
    fill(&store, 300);
    run(&store, "UPDATE deliveries SET state = 'parked' WHERE id = 100");
    let mut pruning = Pruning::default();
    while store.prune_step(&mut pruning, &ages(1, 1, 1), after(9)).expect("pruned") {}
    assert_eq!((pruning.pruned.items, pruning.pruned.deliveries), (299, 29));
    let left = "SELECT (SELECT count(*) FROM items WHERE seq = 100) + (SELECT count(*) FROM stories WHERE id = 20)";
    assert_eq!(number(&store, left), 2, "what is owed, and its story");
    run(&store, "UPDATE deliveries SET state = 'delivered' WHERE id = 100");
    let mut pruning = pruning.again();
    while store.prune_step(&mut pruning, &ages(1, 1, 1), after(9)).expect("pruned") {}
    assert_eq!((pruning.pruned.items, pruning.pruned.deliveries), (1, 1));
    assert_eq!(number(&store, "SELECT count(*) FROM stories"), 0);
}

#[test]
fn what_nothing_points_to_any_more_goes_too() {
    let (_dir, store) = opened();
    fill(&store, 10);
    let (at, zero) = (after(0).millis(), store.literal(&[0]));
    run(
        &store,
        &format!(
            // A story that a copy kept alive longer than its items; one merged into a living one, one into a dead one.
            "UPDATE stories SET last_seen = {at} + 86400000 * 5 WHERE id = 0;
             INSERT INTO stories (id, title, first_seen, last_seen, items, sightings_exact, sightings_near, merged_into)
                 VALUES (77, 'm', {at}, {at}, 1, 0, 0, 0), (78, 'm', {at}, {at}, 1, 0, 0, 999);
             INSERT INTO alerts (sequence, id, kind, source, reason, severity, score, outlets, at, payload)
                 VALUES (50, 'alr_s', 'source.failing', 'outlet', 'failing', 'low', 0, 0, {at}, {zero});
             INSERT INTO deliveries (id, alert, webhook_id, endpoint, content_type, state, attempts, created_at, due_at,
                                     settled_at, folded_into)
                 VALUES (50, 50, 'alr_s', 'desk', 'json', 'folded', 0, {at}, {at}, {at}, 10);"
        ),
    );
    store.prune(&ages(2, 2, 400), after(4)).expect("pruned");
    let ids = "SELECT string_agg(CAST(id AS TEXT), ' ') FROM (SELECT id FROM stories ORDER BY id) AS ids";
    let ids = |store: &Store| store.read("test", |c| c.query_row(ids, [], |row| row.get::<_, Option<String>>(0)));
    assert_eq!(ids(&store).expect("read").as_deref(), Some("0 2 77"), "2 by its alert, 77 by the story it leads to");
    store.prune(&ages(2, 2, 3), after(9)).expect("pruned");
    assert_eq!(ids(&store).expect("read"), None);
    assert_eq!(number(&store, "SELECT count(*) FROM alerts"), 0, "that about the source too");
    assert_eq!(number(&store, "SELECT count(*) FROM deliveries"), 0, "folded ones too");
}

#[test]
fn items_of_a_clock_that_was_wrong_hold_nobody_up() {
    let (_dir, store) = opened();
    fill(&store, 300);
    // The first of all is stamped with a year that is far away.
    run(&store, "UPDATE items SET first_seen = first_seen + 400000000000 WHERE seq = 1");
    if store.is_file() {
        run(&store, "UPDATE text_blocks SET newest = newest + 400000000000 WHERE seq = 1");
    }
    let mut pruning = Pruning::default();
    while store.prune_step(&mut pruning, &ages(1, 400, 400), after(3)).expect("pruned") {}
    let kept = if store.is_file() { TOGETHER } else { 1 };
    assert_eq!(number(&store, "SELECT count(*) FROM texts WHERE body IS NOT NULL"), kept);
}

#[test]
fn file_shrinks_but_for_what_will_be_needed_again() {
    let (_dir, store) = opened();
    fill(&store, 2000);
    run(&store, "DELETE FROM text_blocks");
    // Nothing repeats itself in them.
    let digits = |seq: i64| {
        (0..375).map(move |n| format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&[seq, n].map(i64::to_le_bytes).concat())))
    };
    fill_texts(&store, 2000, |seq| digits(seq).collect());
    let (pages, free) =
        ("SELECT page_count FROM pragma_page_count", "SELECT freelist_count FROM pragma_freelist_count");
    let before = number(&store, pages);
    let pruned = store.prune(&ages(1, 400, 400), after(1).plus(Duration::from_secs(200 * 60))).expect("pruned");
    // Two fill a block.
    assert_eq!(pruned.texts, 198 + 9, "texts, and earlier versions");
    assert_eq!(number(&store, pages), before, "a little is left for what comes");
    store.prune(&ages(1, 400, 400), after(9)).expect("pruned");
    assert!(number(&store, pages) < before / 2, "{before} pages before");
    assert!((1..1000).contains(&number(&store, free)));
}

/// The most steps of SQLite's machine in one step of a pass, by what the pass has to do.
fn dearest(items: i64) -> Vec<u64> {
    let (_dir, store) = opened();
    fill(&store, items);
    let (counted, count) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let told = |counter: Arc<AtomicU64>| Some(move || counter.fetch_add(1, Ordering::Relaxed) == u64::MAX);
    let mut reader = super::open::reader(store.path()).expect("opens");
    reader.sqlite_mut().expect("a file").progress_handler(STEPS, told(counted.clone())).expect("set");
    *store.0.readers.lock() = vec![reader];
    store.writer().sqlite_mut().expect("a file").progress_handler(STEPS, told(count.clone())).expect("set");
    let mut pruning = Pruning::default();
    // Nothing is old; some texts are; all texts are; everything is; nothing is left.
    [(400, 0), (1, 3), (1, 400), (400, 900), (400, 900)]
        .into_iter()
        .map(|(age, day)| {
            let mut most = 0;
            pruning = std::mem::take(&mut pruning).again();
            loop {
                counted.store(0, Ordering::Relaxed);
                count.store(0, Ordering::Relaxed);
                let more = store.prune_step(&mut pruning, &ages(age, 400, 400), after(day)).expect("pruned");
                most = most.max(counted.load(Ordering::Relaxed) + count.load(Ordering::Relaxed));
                if !more {
                    return most * u64::from(STEPS.unsigned_abs());
                }
            }
        })
        .collect()
}

#[test]
fn step_costs_the_same_however_much_is_stored() {
    let (small, large) = (dearest(6_000), dearest(24_000));
    for (pass, (few, many)) in small.into_iter().zip(large).enumerate() {
        // A scan would cost four times as much.
        assert!(many <= few * 2 + 2_000, "pass {pass}: {few} steps with 6,000 items, {many} with 24,000");
    }
}

#[test]
fn changes_go_when_a_pass_that_is_old_enough_had_seen_them() {
    let (_dir, store) = opened();
    fill(&store, 50);
    let week = Ages { changes: Some(DAY * 7), ..Ages::default() };
    let newest = number(&store, "SELECT max(seq) FROM changes");
    assert_eq!(store.prune(&week, after(1)).expect("pruned").changes, 0, "nobody knows yet how old they are");
    run(&store, "INSERT INTO changes (kind, name) VALUES ('feed', 'later')");
    assert_eq!(store.prune(&week, after(7)).expect("pruned").changes, 0, "a week is not over");
    let pruned = store.prune(&week, after(9)).expect("pruned");
    assert_eq!(pruned.changes, newest.unsigned_abs());
    assert_eq!(number(&store, "SELECT min(seq) FROM changes"), newest + 1, "what came later stays");
    assert_eq!(store.prune(&week, after(30)).expect("pruned").changes, 0, "the newest always stays");
    assert!(number(&store, "SELECT count(*) FROM change_marks") <= 2);
    // For ever: none goes, and none is noted.
    let marks = number(&store, "SELECT count(*) FROM change_marks");
    assert_eq!(store.prune(&Ages::default(), after(60)).expect("pruned"), Pruned::default());
    assert_eq!(number(&store, "SELECT count(*) FROM change_marks"), marks);
}
