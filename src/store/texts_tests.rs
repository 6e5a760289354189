//! Texts are the same however they stand: in a row each or in blocks, new, edited, forgotten or brought over from the version
//! before; and what is damaged is said to be.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::engine::{self, Connection};
use super::texts::{self, NewTexts, replace_text};
use super::{Access, Ages, Store, StoreError, put_texts};
use crate::model::Timestamp;

const MINUTE: i64 = 60_000;

fn opened() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), Access::Own).expect("opens");
    (dir, store)
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute * MINUTE)
}

fn insert_items(store: &Store, seqs: std::ops::RangeInclusive<i64>, seen: i64) -> String {
    let (hash, none) = (store.literal(&[0; 16]), store.literal(&[]));
    seqs.map(|seq| item(seq, seen, &hash, &none)).collect()
}

fn item(seq: i64, seen: i64, hash: &str, none: &str) -> String {
    format!(
        "INSERT INTO items (seq, id, source, key, revision, title, headline, first_seen, summary, text_source, text_hash,
             text_bytes, quiet, story, outlet, features)
         VALUES ({seq}, {seq}, 'feed', 'key {seq}', 0, 'title', 'title', {seen}, 'in short', 'summary', {hash}, 9, 0, 1,
             'outlet', {none});"
    )
}

#[derive(Debug, Clone)]
enum Step {
    /// Items that come in one transaction, some without a text; then one of all items is edited in it.
    Arrive {
        texts: Vec<Option<String>>,
        edit: Option<(usize, String)>,
    },
    Edit(usize, String),
    /// Texts of items seen more minutes ago than this go.
    Prune(i64),
    /// The oldest items go, so many.
    Leave(usize),
}

fn text() -> impl Strategy<Value = String> {
    // Long ones fill a block by themselves.
    prop_oneof![
        4 => "[a-e ]{0,40}",
        1 => "\\PC{1,30}",
        1 => ("[a-e]{1,9}", 1usize..6000).prop_map(|(word, times)| word.repeat(times)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let edit = || (any::<usize>(), text());
    prop_oneof![
        4 => (prop::collection::vec(prop::option::weighted(0.8, text()), 1..30), prop::option::weighted(0.3, edit()))
            .prop_map(|(texts, edit)| Step::Arrive { texts, edit }),
        3 => edit().prop_map(|(item, text)| Step::Edit(item, text)),
        1 => (0i64..10).prop_map(Step::Prune),
        1 => (0usize..30).prop_map(Step::Leave),
    ]
}

type Texts = BTreeMap<i64, String>;

/// All there are, as whoever asks in this order finds them.
fn found(c: &Connection, order: &str) -> engine::Result<Texts> {
    let asked = format!("SELECT i.seq, t.body FROM items i LEFT JOIN texts t ON t.seq = i.seq ORDER BY i.seq {order}");
    let mut statement = c.prepare(&asked)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?)))?;
    rows.filter_map(|row| row.map(|(seq, text)| text.map(|text| (seq, text))).transpose()).collect()
}

/// A store, and what should be in it: a text for each item that has one, and when each item was seen.
struct Told {
    store: Store,
    texts: Texts,
    seen: BTreeMap<i64, i64>,
    minute: i64,
    last: i64,
}

impl Told {
    fn take(&mut self, step: &Step) {
        self.minute += 1;
        let now = self.minute * MINUTE;
        match step {
            Step::Arrive { texts, edit } => {
                let first = self.last + 1;
                self.last += texts.len() as i64;
                let items = insert_items(&self.store, first..=self.last, now);
                self.seen.extend((first..=self.last).map(|seq| (seq, now)));
                let edited = edit.as_ref().map(|(at, text)| (self.item(*at), text));
                let write = |tx: &engine::Transaction<'_>| {
                    tx.execute_batch(&items)?;
                    let mut new = NewTexts::default();
                    for (seq, text) in (first..).zip(texts) {
                        text.as_ref().map_or(Ok(()), |text| new.add(tx, seq, now, text))?;
                    }
                    if let Some((seq, text)) = edited {
                        new.write_if_with(tx, seq)?;
                        replace_text(tx, seq, text)?;
                    }
                    new.write(tx)
                };
                self.store.write("test", write).expect("written");
                let came = (first..).zip(texts).filter_map(|(seq, text)| Some((seq, text.clone()?)));
                self.texts.extend(came);
                self.texts.extend(edited.map(|(seq, text)| (seq, text.clone())));
            }
            Step::Edit(_, _) if self.seen.is_empty() => {}
            Step::Edit(at, text) => {
                let seq = self.item(*at);
                self.store.write("test", |tx| replace_text(tx, seq, text)).expect("written");
                self.texts.insert(seq, text.clone());
            }
            Step::Prune(minutes) => self.prune(*minutes),
            Step::Leave(count) => {
                let gone: Vec<i64> = self.seen.keys().copied().take(*count).collect();
                let leave = |tx: &engine::Transaction<'_>| {
                    for seq in &gone {
                        tx.execute("DELETE FROM items WHERE seq = ?1", [seq])?;
                        texts::forget_with_item(tx, *seq)?;
                    }
                    Ok(())
                };
                self.store.write("test", leave).expect("removed");
                for seq in gone {
                    self.seen.remove(&seq);
                    self.texts.remove(&seq);
                }
            }
        }
    }

    fn item(&self, at: usize) -> i64 {
        *self.seen.keys().nth(at % self.seen.len()).expect("an item")
    }

    fn prune(&mut self, minutes: i64) {
        let age = Duration::from_millis((minutes * MINUTE).unsigned_abs());
        let ages = Ages { texts: Some(age), ..Ages::default() };
        let kept_from = (self.minute - minutes) * MINUTE;
        let before: i64 = self.rows();
        let pruned = self.store.prune(&ages, at(self.minute)).expect("pruned");
        assert_eq!(pruned.texts, (before - self.rows()).unsigned_abs(), "as many as are gone");
        // All of a transaction are of one moment here, so a block is as old as each of its items.
        self.texts.retain(|seq, _| self.seen[seq] >= kept_from);
    }

    /// Texts that are stored, those of items that are gone among them.
    fn rows(&self) -> i64 {
        let asked = if self.store.is_file() {
            "SELECT coalesce(sum(texts), 0) FROM text_blocks"
        } else {
            "SELECT count(*) FROM texts"
        };
        self.store.read("test", |c| c.query_row(asked, [], |row| row.get(0))).expect("read")
    }

    fn check(&self) {
        for order in ["ASC", "DESC"] {
            assert_eq!(self.store.read("test", |c| found(c, order)).expect("read"), self.texts, "{order}");
        }
        if self.seen.is_empty() {
            assert_eq!(self.rows(), 0, "nothing is left of what nobody can see");
        }
        assert_eq!(self.store.integrity().expect("looked at"), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn texts_are_read_as_they_were_written_last(steps in prop::collection::vec(step(), 1..25)) {
        let (_dir, store) = opened();
        let mut told = Told { store, texts: Texts::new(), seen: BTreeMap::new(), minute: 0, last: 0 };
        for step in &steps {
            told.take(step);
            told.check();
        }
        told.take(&Step::Leave(usize::MAX));
        told.check();
    }
}

#[test]
fn block_goes_when_its_newest_item_is_old_enough_and_is_counted_whole() {
    let (_dir, store) = opened();
    if !store.is_file() {
        return;
    }
    store
        .write("test", |tx| {
            tx.execute_batch(&insert_items(&store, 1..=3, at(0).millis()))?;
            tx.execute_batch(&insert_items(&store, 4..=4, at(5).millis()))?;
            put_texts(tx, [(1, "one"), (2, "two"), (4, "four")])
        })
        .expect("written");
    let ages = Ages { texts: Some(Duration::from_mins(10)), ..Ages::default() };
    assert_eq!(store.prune(&ages, at(15)).expect("pruned").texts, 0, "four is not old enough");
    assert_eq!(store.prune(&ages, at(16)).expect("pruned").texts, 3);
    assert_eq!(store.read("test", |c| found(c, "ASC")).expect("read"), Texts::new());
    // Edited after it was forgotten: it is there again, and goes again.
    store.write("test", |tx| replace_text(tx, 2, "two again")).expect("written");
    assert_eq!(store.read("test", |c| found(c, "ASC")).expect("read"), Texts::from([(2, "two again".to_owned())]));
    assert_eq!(store.prune(&ages, at(16)).expect("pruned").texts, 1);
}

#[test]
fn block_that_is_damaged_is_damage_of_the_store_by_its_name() {
    let (_dir, store) = opened();
    if !store.is_file() {
        return;
    }
    let texts: Vec<String> = (7..40).map(|seq| format!("text {seq}")).collect();
    store
        .write("test", |tx| {
            tx.execute_batch(&insert_items(&store, 7..=39, 0))?;
            put_texts(tx, (7..).zip(texts.iter().map(String::as_str)))
        })
        .expect("written");
    assert_eq!(store.integrity().expect("looked at"), None);
    let packed: Vec<u8> =
        store.read("test", |c| c.query_row("SELECT packed FROM text_blocks", [], |row| row.get(0))).expect("read");
    let mut flipped = packed.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    for damaged in [flipped, packed[..9].to_vec(), Vec::new()] {
        store.write("test", |tx| tx.execute("UPDATE text_blocks SET packed = ?1", [&damaged])).expect("written");
        let read = store.read("read an item", |c| found(c, "ASC")).map(|_| ());
        let edited = store.write("edit", |tx| replace_text(tx, 9, "another"));
        let indexed = store.index_batch().map(|_| ());
        for failed in [read, edited, indexed] {
            let Err(StoreError::Corrupt { detail, .. }) = failed else { panic!("{failed:?}") };
            assert!(detail.contains("texts of the items from number 7 on"), "{detail}");
        }
        let told = store.integrity().expect("looked at").unwrap_or_default();
        assert!(told.contains("from number 7 on"), "{told}");
    }
    store.write("test", |tx| tx.execute("UPDATE text_blocks SET packed = ?1", [&packed])).expect("written");
    assert_eq!(store.integrity().expect("looked at"), None);
}

/// A text of each kind that was stored: short, long, empty, longer than a block, and none.
fn of_version_2(seq: i64) -> Option<String> {
    match seq % 10 {
        0 => None,
        1 => Some(String::new()),
        2 if seq % 100 == 2 => Some("a whole book ".repeat(9000)),
        _ => Some(
            format!("the harbour of quay {seq} was closed, ").repeat(usize::try_from(seq % 60).expect("small") + 1),
        ),
    }
}

#[test]
fn store_with_a_row_for_each_text_is_brought_up_to_date_and_kept_beside() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(super::DATABASE_FILE);
    let old = engine::sqlite::open(&path, true).expect("opens");
    for made in [include_str!("schema.sql"), include_str!("schema_2.sql")] {
        old.execute_batch(made).expect("made");
    }
    old.execute_batch("INSERT INTO meta (key, value) VALUES ('instance', 'second'); BEGIN").expect("named");
    old.set_schema_version(2).expect("said");
    for seq in 1..=1000 {
        old.execute_batch(&item(seq, seq * MINUTE, "zeroblob(16)", "x''")).expect("stored");
        if let Some(text) = of_version_2(seq) {
            old.execute("INSERT INTO texts (seq, body) VALUES (?1, ?2)", engine::params![seq, text]).expect("stored");
        }
    }
    old.execute_batch("COMMIT").expect("written");
    drop(old);
    let refused = Store::open(dir.path(), Access::Read).map(|_| ());
    assert!(matches!(refused, Err(StoreError::Older { found: 2, .. })), "{refused:?}");
    let store = Store::open(dir.path(), Access::Own).expect("brought up to date");
    assert!(dir.path().join("wirewatch.v2.db").exists(), "the old one is kept");
    let expected: Texts = (1..=1000).filter_map(|seq| Some((seq, of_version_2(seq)?))).collect();
    assert_eq!(store.read("test", |c| found(c, "ASC")).expect("read"), expected);
    assert_eq!(store.integrity().expect("looked at"), None);
    let bytes: i64 = store
        .read("test", |c| c.query_row("SELECT sum(length(packed)) FROM text_blocks", [], |row| row.get(0)))
        .expect("read");
    assert!(bytes * 10 < expected.values().map(|text| text.len() as i64).sum(), "{bytes} bytes");
    // Retention knows how old they are.
    let ages = Ages { texts: Some(Duration::from_mins(500)), ..Ages::default() };
    let pruned = store.prune(&ages, at(1000)).expect("pruned").texts.cast_signed();
    let old = expected.range(..500).count() as i64;
    assert!((old - 99..=old).contains(&pruned), "{pruned} of {old}");
    drop(store);
    drop(Store::open(dir.path(), Access::Own).expect("opens again"));
}

#[test]
fn text_of_an_item_is_found_by_index_and_never_among_all() {
    let (_dir, store) = opened();
    for asked in [
        "SELECT i.*, t.body FROM items i LEFT JOIN texts t ON t.seq = i.seq WHERE i.id = 1",
        "SELECT i.seq, coalesce(t.body, i.summary) FROM items i LEFT JOIN texts t ON t.seq = i.seq WHERE i.seq BETWEEN 1 AND 2",
        "SELECT i.*, t.body FROM items i LEFT JOIN texts t ON t.seq = i.seq
         WHERE i.seq > 1 AND i.first_seen >= 2 ORDER BY i.seq LIMIT 3",
        "SELECT * FROM (SELECT * FROM texts WHERE body IS NOT NULL) AS texts WHERE (seq) > (1) ORDER BY seq LIMIT 500",
    ] {
        let plan: Vec<String> = store
            .read("test", |c| {
                c.prepare(&format!("EXPLAIN QUERY PLAN {asked}"))?.query_map([], |row| row.get(3))?.collect()
            })
            .expect("a plan");
        let dear = ["SCAN", "MATERIALIZE", "CO-ROUTINE", "TEMP B-TREE"];
        assert!(!plan.iter().any(|step| dear.iter().any(|word| step.contains(word))), "{asked}: {plan:?}");
    }
}

#[test]
fn texts_are_copied_into_blocks_of_many() {
    let (from, to) = (opened(), tempfile::tempdir().expect("a directory"));
    let texts: Texts = (1..=700).filter(|seq| seq % 3 > 0).map(|seq| (seq, format!("the text of {seq}"))).collect();
    let write = |tx: &engine::Transaction<'_>| {
        tx.execute_batch(&insert_items(&from.1, 1..=700, 0))?;
        // One by one, as on a quiet day.
        texts.iter().try_for_each(|(seq, text)| put_texts(tx, [(*seq, text.as_str())]))
    };
    from.1.write("test", write).expect("written");
    let target = Store::open(to.path(), Access::Fill).expect("opens");
    from.1.copy_into(&target, |_, _| {}).expect("copied");
    assert_eq!(target.read("test", |c| found(c, "ASC")).expect("read"), texts);
    let blocks = "SELECT count(*) FROM text_blocks";
    if target.is_file() {
        let blocks: i64 = target.read("test", |c| c.query_row(blocks, [], |row| row.get(0))).expect("read");
        assert!(blocks < 10, "{blocks}");
    }
}
