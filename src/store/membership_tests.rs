//! Items and outlets of a story are the same however they are written: as version 1 wrote them, all in the index and the
//! table, or with the first of them found by the story; and what they cost does not grow with the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::membership::{IN_STORY, IN_STORY_S, add_outlet, move_all};
use super::{Access, Ages, Correction, Store, StoreError, StoryFilter};
use crate::model::{ItemId, Outlet, StoryId, Timestamp};

const MINUTE: i64 = 60_000;
/// Numbers of stories and copies, apart from those of items.
const STORIES: i64 = 1_000_000;
const COPIES: i64 = 2_000_000;

fn opened() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), Access::Own).expect("opens");
    (dir, store)
}

fn at(seq: i64) -> Timestamp {
    Timestamp::from_millis(seq * MINUTE)
}

#[derive(Debug, Clone)]
enum Step {
    /// An item opens a story, written as version 1 did or as it is now.
    Open {
        outlet: Option<u8>,
        as_before: bool,
    },
    Join {
        story: usize,
        outlet: Option<u8>,
    },
    Copy {
        item: usize,
        outlet: u8,
    },
    Merge(usize, usize),
    Split(usize, usize),
    /// So many minutes after the last arrival retention looks at what is older than twenty.
    Prune(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let outlet = || prop::option::weighted(0.8, 0u8..4);
    prop_oneof![
        5 => (outlet(), any::<bool>()).prop_map(|(outlet, as_before)| Step::Open { outlet, as_before }),
        5 => (any::<usize>(), outlet()).prop_map(|(story, outlet)| Step::Join { story, outlet }),
        2 => (any::<usize>(), 0u8..4).prop_map(|(item, outlet)| Step::Copy { item, outlet }),
        2 => (any::<usize>(), any::<usize>()).prop_map(|(one, other)| Step::Merge(one, other)),
        3 => (any::<usize>(), any::<usize>()).prop_map(|(story, items)| Step::Split(story, items)),
        1 => (0u8..30).prop_map(Step::Prune),
    ]
}

fn numbers(store: &Store, sql: &str) -> Vec<i64> {
    store.read("test", |c| c.prepare(sql)?.query_map([], |row| row.get(0))?.collect()).expect("read")
}

fn pick(from: &[i64], at: usize) -> Option<i64> {
    (!from.is_empty()).then(|| from[at % from.len()])
}

fn outlet(number: u8) -> Outlet {
    Outlet::from_stored(&format!("outlet-{number}"))
}

fn insert_item(store: &Store, seq: i64, story: i64, by: Option<u8>, is_opener: bool) -> String {
    let (hash, none) = (store.literal(&[0; 16]), store.literal(&[]));
    let by = by.map_or("NULL".to_owned(), |by| format!("'{}'", outlet(by).as_str()));
    let at = at(seq).millis();
    format!(
        "INSERT INTO items (seq, id, source, key, revision, title, headline, first_seen, lang, summary, text_source,
             text_hash, text_bytes, quiet, story, outlet, features, is_opener)
         VALUES ({seq}, {seq}, 'feed', 'key {seq}', 0, 'title {seq}', 'title {seq}', {at}, 'en', '', 'summary', {hash}, 9, 0,
             {story}, {by}, {none}, {})",
        i64::from(is_opener)
    )
}

/// Does a step, with stories that are opened now written as they are now where `anew` says so.
fn take(store: &Store, step: &Step, seq: i64, anew: bool) {
    let standing = numbers(store, "SELECT id FROM stories WHERE merged_into IS NULL ORDER BY id");
    let now = at(seq);
    let written = |sql: &str| store.write("test", |tx| tx.execute_batch(sql)).expect("written");
    match *step {
        Step::Open { outlet: by, as_before } => {
            let is_opener = anew && !as_before;
            written(&insert_item(store, seq, STORIES + seq, by, is_opener));
            let first = by.map_or("NULL".to_owned(), |by| format!("'{}'", outlet(by).as_str()));
            let (opener, first) = if is_opener { (seq.to_string(), &*first) } else { ("NULL".to_owned(), "NULL") };
            written(&format!(
                "INSERT INTO stories (id, title, first_seen, last_seen, items, sightings_exact, sightings_near, languages, opener, outlet)
                 VALUES ({}, 'title {seq}', {at}, {at}, 1, 0, 0, 'en', {opener}, {first})",
                STORIES + seq,
                at = now.millis(),
            ));
            if !is_opener {
                let by = by.map(outlet);
                let story = StoryId::from_i64(STORIES + seq);
                store.write("test", |tx| add_outlet(tx, story, by.as_ref(), now)).expect("written");
            }
        }
        Step::Join { story, outlet: by } => {
            let Some(story) = pick(&standing, story) else { return };
            written(&insert_item(store, seq, story, by, false));
            written(&format!("UPDATE stories SET items = items + 1, last_seen = {} WHERE id = {story}", now.millis()));
            let by = by.map(outlet);
            store.write("test", |tx| add_outlet(tx, StoryId::from_i64(story), by.as_ref(), now)).expect("written");
        }
        Step::Copy { item, outlet: by } => {
            let Some(of) = pick(&numbers(store, "SELECT id FROM items ORDER BY id"), item) else { return };
            let story = numbers(store, &format!("SELECT story FROM items WHERE id = {of}"))[0];
            let (hash, by) = (store.literal(&[0; 16]), outlet(by));
            written(&format!(
                "INSERT INTO sightings (seq, id, item, source, key, title, level, overlap, text_hash, seen_at, outlet)
                 VALUES ({seq}, {COPIES} + {seq}, {of}, 'feed', 'copy {seq}', 'a copy', 'exact', 1000, {hash}, {at}, '{}')",
                by.as_str(),
                at = now.millis(),
            ));
            store.write("test", |tx| add_outlet(tx, StoryId::from_i64(story), Some(&by), now)).expect("written");
        }
        Step::Merge(one, other) => {
            let (Some(story), Some(other)) = (pick(&standing, one), pick(&standing, other)) else { return };
            let (story, other) = (StoryId::from_i64(story), StoryId::from_i64(other));
            correct(store, &Correction::Merge { story, other }, now);
        }
        Step::Split(story, leaving) => {
            let Some(story) = pick(&standing, story) else { return };
            let items = numbers(store, &format!("SELECT id FROM items WHERE story = {story} ORDER BY seq"));
            let leaves = |(place, _): &(usize, &i64)| leaving >> (place % 60) & 1 == 1;
            let items = items.iter().enumerate().filter(leaves).map(|(_, id)| ItemId::from_i64(*id)).collect();
            correct(store, &Correction::Split { story: StoryId::from_i64(story), items }, now);
        }
        Step::Prune(later) => {
            let ages = Ages { items: Some(Duration::from_mins(20)), ..Ages::default() };
            store.prune(&ages, at(seq + i64::from(later))).expect("pruned");
        }
    }
}

fn correct(store: &Store, what: &Correction, now: Timestamp) {
    if store.ask_correction(what, ("desk", ""), now).expect("asked").is_ok() {
        store.carry_out_corrections(now).expect("carried out");
    }
}

/// Everything that is told of stories, a line each, after what is found by indexes was held against a plain look at all rows.
fn told(store: &Store) -> Vec<String> {
    let mut told = Vec::new();
    for story in numbers(store, "SELECT id FROM stories ORDER BY id") {
        let plain = numbers(store, &format!("SELECT id FROM items WHERE story = {story} ORDER BY id"));
        let found: Vec<i64> = store
            .read("test", |c| {
                c.prepare(&format!("SELECT i.id FROM items i WHERE {IN_STORY} ORDER BY i.id"))?
                    .query_map([story], |row| row.get(0))?
                    .collect()
            })
            .expect("read");
        let beside =
            format!("SELECT i.id FROM stories s CROSS JOIN items i ON {IN_STORY_S} WHERE s.id = {story} ORDER BY i.id");
        assert_eq!((&found, &numbers(store, &beside)), (&plain, &plain), "the items of {story}");
        told.push(format!("{story} has {plain:?}"));
        let outlets =
            "SELECT source || ' ' || position || ' ' || at FROM story_outlets WHERE story = ?1 ORDER BY position";
        let outlets: Vec<String> =
            store.read("test", |c| c.prepare(outlets)?.query_map([story], |row| row.get(0))?.collect()).expect("read");
        told.push(format!("{story} is carried by {outlets:?}"));
        let shown = store.story(StoryId::from_i64(story)).expect("read").expect("there");
        told.push(serde_json::to_string(&shown).expect("JSON"));
    }
    for least in [0, 2, 3] {
        let filter = StoryFilter { outlets_min: least, limit: 100, ..StoryFilter::default() };
        let lines = store.stories(&filter).expect("read");
        told.push(format!("{least} outlets: {:?}", lines.iter().map(|line| line.id).collect::<Vec<_>>()));
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn stories_are_the_same_however_their_first_items_are_written(steps in prop::collection::vec(step(), 1..40)) {
        let ((_dir, before), (_other, now)) = (opened(), opened());
        for (seq, step) in (1..).zip(&steps) {
            take(&before, step, seq, false);
            take(&now, step, seq, true);
        }
        prop_assert_eq!(told(&now), told(&before));
    }
}

#[test]
fn opener_that_leaves_is_found_where_it_went_and_where_it_came_back_to() {
    let (_dir, store) = opened();
    let open = Step::Open { outlet: Some(0), as_before: false };
    take(&store, &open, 1, true);
    take(&store, &Step::Join { story: 0, outlet: Some(1) }, 2, true);
    take(&store, &open, 3, true);
    let (first, second) = (STORIES + 1, STORIES + 3);
    for (from, into) in [(first, second), (second, first)] {
        store.write("test", |tx| move_all(tx, from, into)).expect("moved");
        let found = |story: i64| {
            let sql = format!("SELECT i.id FROM items i WHERE {IN_STORY} ORDER BY i.id");
            let read = store.read("test", |c| c.prepare(&sql)?.query_map([story], |row| row.get(0))?.collect());
            read.map(|ids: Vec<i64>| ids).expect("read")
        };
        assert_eq!((found(from), found(into)), (vec![], vec![1, 2, 3]), "from {from} into {into}");
        let outlets = format!("SELECT count(*) FROM story_outlets WHERE story = {into}");
        assert_eq!(numbers(&store, &outlets), [2], "each once");
    }
}

/// A store of version 1 with a story of two items and outlets, as the program of that version left it.
fn fill_first_version(run: &dyn Fn(&str), hash: &str, none: &str) {
    for seq in [1, 2] {
        run(&format!(
            "INSERT INTO items (seq, id, source, key, revision, title, headline, first_seen, summary, text_source, text_hash,
                 text_bytes, quiet, story, outlet, features)
             VALUES ({seq}, {seq}, 'feed', 'key {seq}', 0, 'title', 'title', {at}, '', 'summary', {hash}, 9, 0, {STORIES},
                 'outlet-{seq}', {none})",
            at = at(seq).millis(),
        ));
        run(&format!("INSERT INTO story_sources VALUES ({STORIES}, 'outlet-{seq}', {seq} - 1, {})", at(seq).millis()));
    }
    run(&format!(
        "INSERT INTO stories (id, title, first_seen, last_seen, items, sightings_exact, sightings_near)
         VALUES ({STORIES}, 'title', {}, {}, 2, 0, 0)",
        at(1).millis(),
        at(2).millis()
    ));
}

#[test]
fn store_of_the_first_version_is_brought_up_to_date_and_kept_beside() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(super::DATABASE_FILE);
    let old = super::engine::sqlite::open(&path, true).expect("opens");
    old.execute_batch(include_str!("schema.sql")).expect("made");
    old.execute_batch("INSERT INTO meta (key, value) VALUES ('instance', 'first')").expect("named");
    old.set_schema_version(1).expect("said");
    fill_first_version(&|sql| old.execute_batch(sql).expect(sql), "zeroblob(16)", "x''");
    drop(old);
    let refused = Store::open(dir.path(), Access::Read).map(|_| ());
    assert!(matches!(refused, Err(StoreError::Older { found: 1, .. })), "{refused:?}");
    let store = Store::open(dir.path(), Access::Own).expect("brought up to date");
    assert_eq!(store.instance(), "first");
    assert!(dir.path().join("wirewatch.v1.db").exists(), "the old one is kept");
    assert!(told(&store)[0].ends_with("has [1, 2]"));
    let story = store.story(StoryId::from_i64(STORIES)).expect("read").expect("there");
    assert_eq!(story.line.outlets, ["outlet-1", "outlet-2"]);
    take(&store, &Step::Open { outlet: Some(3), as_before: false }, 3, true);
    take(&store, &Step::Merge(0, 1), 4, true);
    assert!(told(&store)[0].ends_with("has [1, 2, 3]"));
}

#[cfg(feature = "postgres")]
#[test]
fn store_of_the_first_version_on_a_server_is_brought_up_to_date() {
    let Some(place) = super::on_a_server_tests::test_place("first_version") else { return };
    let old = super::engine::Connection::to_postgres(&place, true).expect("connects");
    old.execute_batch("CREATE SCHEMA first_version; SET search_path = first_version").expect("made");
    old.execute_batch(include_str!("schema_postgres.sql")).expect("made");
    let named = "INSERT INTO meta (key, value) VALUES ('schema_version', '1'), ('instance', 'first')";
    old.execute_batch(named).expect("named");
    fill_first_version(&|sql| old.execute_batch(sql).expect(sql), r"'\x00000000000000000000000000000000'", r"'\x'");
    drop(old);
    let dir = tempfile::tempdir().expect("a directory");
    let refused = Store::open_remote(dir.path(), &place, Access::Read).map(|_| ());
    assert!(matches!(refused, Err(StoreError::Older { found: 1, .. })), "{refused:?}");
    let store = Store::open_remote(dir.path(), &place, Access::Own).expect("brought up to date");
    assert_eq!(store.instance(), "first");
    assert!(told(&store)[0].ends_with("has [1, 2]"));
}

/// What is asked, by its name.
type Question<'a> = (&'static str, Box<dyn Fn() + 'a>);

/// Steps of SQLite's machine that what is asked of one story takes, in a store of so many stories of one item.
fn dearest(stories: i64) -> Vec<(&'static str, u64)> {
    const STEPS: i32 = 10;
    let (_dir, store) = opened();
    let (zero, none) = (store.literal(&[0; 16]), store.literal(&[]));
    let filled = format!(
        "CREATE TEMP TABLE n AS WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {stories}) SELECT n FROM n;
         INSERT INTO items (seq, id, source, key, revision, title, headline, first_seen, summary, text_source, text_hash,
                 text_bytes, quiet, story, outlet, features, is_opener)
             SELECT n, n, 'feed', 'k' || n, 0, 'title', 'title', n * {MINUTE}, '', 'summary', {zero}, 9, 0, {STORIES} + n,
                 'outlet-0', {none}, 1 FROM n;
         INSERT INTO stories (id, title, first_seen, last_seen, items, sightings_exact, sightings_near, opener, outlet)
             SELECT {STORIES} + n, 'title', n * {MINUTE}, n * {MINUTE}, 1, 0, 0, n, 'outlet-0' FROM n;
         INSERT INTO sightings (seq, id, item, source, key, title, level, overlap, text_hash, seen_at)
             SELECT {COPIES} + n, {COPIES} + n, n, 'feed', 'c' || n, 'a copy', 'exact', 1000, {zero}, n * {MINUTE} FROM n;
         INSERT INTO matches SELECT n, 'ports', 5, 5, 'low', '[]' FROM n;
         DROP TABLE n;"
    );
    store.write("test", |tx| tx.execute_batch(&filled)).expect("written");
    let count = Arc::new(AtomicU64::new(0));
    let told = |count: Arc<AtomicU64>| Some(move || count.fetch_add(1, Ordering::Relaxed) == u64::MAX);
    let mut reader = super::open::reader(store.path()).expect("opens");
    reader.sqlite_mut().expect("a file").progress_handler(STEPS, told(count.clone())).expect("set");
    *store.0.readers.lock() = vec![reader];
    store.writer().sqlite_mut().expect("a file").progress_handler(STEPS, told(count.clone())).expect("set");
    let (one, other) = (StoryId::from_i64(STORIES + 7), StoryId::from_i64(STORIES + 8));
    let (now, few) = (at(stories + 1), StoryFilter { outlets_min: 1, limit: 3, ..StoryFilter::default() });
    let on_topic = StoryFilter { topic: Some("ports".to_owned()), ..few.clone() };
    let asked: Vec<Question> = vec![
        ("a story", Box::new(|| drop(store.story(one).expect("read")))),
        ("its reports", Box::new(|| drop(store.story_reports(one, true, 9).expect("read")))),
        ("stories", Box::new(|| drop(store.stories(&few).expect("read")))),
        ("stories on a topic", Box::new(|| drop(store.stories(&on_topic).expect("read")))),
        ("a merge", Box::new(|| correct(&store, &Correction::Merge { story: one, other }, now))),
        (
            "a split",
            Box::new(|| correct(&store, &Correction::Split { story: one, items: vec![ItemId::from_i64(8)] }, now)),
        ),
        (
            "a tell",
            Box::new(|| drop(store.ask_correction(&Correction::Tell { story: one, item: None }, ("desk", ""), now))),
        ),
    ];
    let cost = |(name, ask): Question<'_>| {
        count.store(0, Ordering::Relaxed);
        ask();
        (name, count.load(Ordering::Relaxed) * u64::from(STEPS.unsigned_abs()))
    };
    asked.into_iter().map(cost).collect()
}

#[test]
fn what_is_asked_of_one_story_costs_the_same_however_many_there_are() {
    for ((what, few), (_, many)) in dearest(3_000).into_iter().zip(dearest(30_000)) {
        // A scan would cost ten times as much.
        assert!(many <= few * 2 + 500, "{what}: {few} steps among 3,000 stories, {many} among 30,000");
        assert!(many > 0 && many < 20_000, "{what}: {many} steps");
    }
}
