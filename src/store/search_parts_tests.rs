//! The search index in parts: found across all of them, edited in an old one, and gone with the last of its items.

use std::time::Duration;

use super::{Access, Ages, SearchQuery, Store};
use crate::model::Timestamp;

/// One item every twenty minutes from here on: 2,160 in thirty days.
const START: i64 = 1_742_000_000;
const SPACING: i64 = 1200;
const DAY: Duration = Duration::from_secs(86_400);

/// Items with a word each that no other has, and one that all have.
fn stored(items: i64) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), Access::Own).expect("opens");
    run(
        &store,
        &format!(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {items})
             INSERT INTO items (seq, id, source, key, revision, title, headline, first_seen, summary, text_source,
                                text_hash, text_bytes, quiet, story, outlet, features)
             SELECT n, n * 7919, 'outlet', 'k' || n, 0, 'word' || n, 'word' || n, ({START} + n * {SPACING}) * 1000,
                    'the port closed', 'summary', x'00', 20, 0, n, 'outlet', x'' FROM n"
        ),
    );
    while store.index_batch().expect("indexed") {}
    (dir, store)
}

fn run(store: &Store, sql: &str) {
    store.write("test", |tx| tx.execute_batch(sql)).expect("written");
}

fn number(store: &Store, sql: &str) -> i64 {
    store.read("test", |c| c.query_row(sql, [], |row| row.get(0))).expect("read")
}

/// Titles of what is found.
fn found(store: &Store, query: &SearchQuery) -> Vec<String> {
    store.search(query).expect("searched").into_iter().map(|hit| hit.item.title).collect()
}

fn query(text: &str, limit: usize) -> SearchQuery {
    SearchQuery { text: text.to_owned(), limit, ..SearchQuery::default() }
}

const PARTS: &str = "SELECT count(*) FROM search_parts WHERE is_going = 0";
const TABLES: &str = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'search\\_%\\_data' ESCAPE '\\'";

#[test]
fn search_goes_over_all_parts_newest_first() {
    let (_dir, store) = stored(4500);
    assert_eq!((number(&store, PARTS), number(&store, TABLES)), (3, 3), "a month each");
    assert_eq!(found(&store, &query("port", 3)), ["word4500", "word4499", "word4498"]);
    assert_eq!(found(&store, &query("port", 5000)).len(), 4500);
    for word in ["word1", "word2161", "word4400"] {
        assert_eq!(found(&store, &query(word, 5)), [word]);
    }
    let before = SearchQuery { before: Some(2163), ..query("port", 4) };
    assert_eq!(found(&store, &before), ["word2162", "word2161", "word2160", "word2159"], "across two of them");
    let since = SearchQuery { since: Some(Timestamp::from_seconds(START + 4498 * SPACING)), ..query("port", 9) };
    assert_eq!(found(&store, &since), ["word4500", "word4499", "word4498"]);
    store.check_search().expect("whole");
}

#[test]
fn item_edited_in_an_old_part_is_found_by_what_it_says_now() {
    let (_dir, store) = stored(4500);
    run(
        &store,
        "UPDATE items SET title = 'corrected', headline = 'corrected' WHERE seq = 7; INSERT INTO search_stale VALUES (7)",
    );
    while store.index_batch().expect("indexed") {}
    assert_eq!(found(&store, &query("corrected", 5)), ["corrected"]);
    assert!(found(&store, &query("word7", 5)).is_empty());
    assert_eq!(number(&store, PARTS), 3);
    store.check_search().expect("whole");
}

#[test]
fn part_goes_with_the_last_of_its_items() {
    let (_dir, store) = stored(4500);
    let ages = Ages { items: Some(DAY * 40), ..Ages::default() };
    let after = |days: u32| Timestamp::from_seconds(START).plus(DAY * days);
    store.prune(&ages, after(50)).expect("pruned");
    assert_eq!(number(&store, TABLES), 3, "most of the first month is still kept");
    assert!(found(&store, &query("word7", 5)).is_empty(), "what is removed is not found meanwhile");
    store.prune(&ages, after(71)).expect("pruned");
    assert_eq!((number(&store, TABLES), number(&store, PARTS)), (2, 2));
    assert_eq!(found(&store, &query("port", 5000)).len() as i64, number(&store, "SELECT count(*) FROM items"));
    store.check_search().expect("whole");
    store.prune(&ages, after(300)).expect("pruned");
    assert_eq!((number(&store, TABLES), number(&store, "SELECT count(*) FROM search_parts")), (0, 0));
    assert!(found(&store, &query("port", 5)).is_empty());
}

#[test]
fn part_that_was_going_when_the_process_ended_is_gone_after_the_next_pass() {
    let (_dir, store) = stored(2500);
    run(&store, "DELETE FROM items WHERE seq < 2200");
    let step = || store.write("test", |tx| super::search_parts::let_go(tx)).expect("a step");
    let sound =
        || assert_eq!(store.integrity().expect("looked at"), None, "whoever checks the file finds nothing wrong");
    assert!(step());
    sound();
    assert_eq!(found(&store, &query("port", 5000)).len(), 301);
    run(&store, "DELETE FROM search_gone_1 WHERE id % 2 = 0");
    sound();
    while step() {}
    sound();
    assert_eq!(number(&store, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'search%gone%'"), 0);
    assert_eq!(number(&store, TABLES), 1);
    store.check_search().expect("whole");
}

#[test]
fn numbers_go_on_where_retention_has_removed_everything() {
    let (_dir, store) = stored(300);
    let ages = Ages { items: Some(DAY), ..Ages::default() };
    store.prune(&ages, Timestamp::from_seconds(START).plus(DAY * 100)).expect("pruned");
    assert_eq!(number(&store, "SELECT count(*) FROM items"), 0);
    let last = store.read("test", super::apply::last_arrival).expect("read");
    assert_eq!(last, 300, "a number given twice would not be indexed");
}
