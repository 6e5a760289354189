//! Lists and searches over a store that grows: what they find, and that they do not read all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::engine::params;
use super::{Access, ItemFilter, SearchQuery, Store, StoryFilter};
use crate::model::{StoryId, Timestamp};

/// One item each second from here on.
const START: i64 = 1_742_000_000;
/// A progress callback comes after so many steps of SQLite's machine.
const STEPS: i32 = 50;

/// So many items: every tenth hits `common`, every 400th `rare`; ten sources, stories of five.
fn stored(items: i64) -> (tempfile::TempDir, Store) {
    let (dir, store) = unindexed(items);
    while store.index_batch().expect("indexed") {}
    (dir, store)
}

fn unindexed(items: i64) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), Access::Own).expect("opens");
    let (zero, none) = (store.literal(&[0]), store.literal(&[]));
    store
        .write("fill", |tx| {
            let rows = format!(
                "WITH RECURSIVE n(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM n WHERE n < {items})
                 INSERT INTO items (seq, id, source, key, revision, title, headline, first_seen, summary, text_source,
                                    text_hash, text_bytes, quiet, story, outlet, features)
                 SELECT n, n * 7919, 'outlet-' || (n % 10), 'k' || n, 0, 'harbour ' || n, 'harbour ' || n,
                        ({START} + n) * 1000, 'the port closed' || CASE WHEN n % 500 = 0 THEN ' narwhal' ELSE '' END, 'summary',
                        {zero}, 20, 0, n / 5, 'outlet-' || (n % 10), {none} FROM n"
            );
            tx.execute(&rows, [])?;
            tx.execute(
                "INSERT INTO stories (id, title, first_seen, last_seen, items, sightings_exact, sightings_near)
                 SELECT story, 'harbour', min(first_seen), max(first_seen), count(*), 0, 0 FROM items GROUP BY story",
                [],
            )?;
            for (topic, every) in [("common", 10), ("rare", 400)] {
                tx.execute(
                    "INSERT INTO matches SELECT id, ?1, 500, 500, 'low', '[]' FROM items WHERE seq % ?2 = 0",
                    params![topic, every],
                )?;
            }
            Ok(())
        })
        .expect("filled");
    (dir, store)
}

/// Since so many items before the last.
fn since(items: i64, last: i64) -> Timestamp {
    Timestamp::from_seconds(START + items - last + 1)
}

fn filters(items: i64) -> Vec<ItemFilter> {
    let filter = |source: Option<&str>, topic: Option<&str>, since| ItemFilter {
        source: source.map(str::to_owned),
        topic: topic.map(str::to_owned),
        since,
        severity_min: None,
        limit: 5,
        ..ItemFilter::default()
    };
    vec![
        filter(None, None, None),
        filter(Some("outlet-3"), None, None),
        filter(Some("nobody"), None, None),
        filter(None, Some("common"), None),
        filter(None, Some("rare"), Some(since(items, 1000))),
        filter(None, None, Some(since(items, 100))),
        filter(Some("outlet-0"), Some("common"), Some(since(items, 100))),
    ]
}

fn queries(items: i64) -> Vec<SearchQuery> {
    let query = |text: &str| SearchQuery { text: text.to_owned(), limit: 5, ..SearchQuery::default() };
    let (source, topic) = (Some("outlet-3".to_owned()), Some("rare".to_owned()));
    vec![
        query("port"),
        query("narwhal"),
        SearchQuery { source: source.clone(), ..query("port") },
        SearchQuery { source: Some("nobody".to_owned()), ..query("port") },
        SearchQuery { topic: topic.clone(), ..query("port") },
        SearchQuery { topic, source, ..query("port") },
        SearchQuery { since: Some(since(items, 100)), ..query("narwhal") },
        SearchQuery { story: Some(StoryId::from_i64(items / 10)), ..query("port") },
    ]
}

#[test]
fn searches_find_what_their_filters_ask_for() {
    let (_dir, store) = stored(1000);
    let found = |query: &SearchQuery| store.search(query).expect("searched").len();
    let counts: Vec<usize> = queries(1000).iter().map(found).collect();
    assert_eq!(counts, [5, 2, 5, 0, 2, 0, 1, 5]);
    let listed = |filter: &ItemFilter| store.items(filter).expect("listed").len();
    assert_eq!(filters(1000).iter().map(listed).collect::<Vec<_>>(), [5, 5, 0, 5, 2, 5, 5]);
    let facets = SearchQuery { text: "s6f75746c65742d33".to_owned(), limit: 5, ..SearchQuery::default() };
    assert_eq!(found(&facets), 0, "a facet is no word of a text");
    let newest = store.search(&queries(1000)[0]).expect("searched");
    assert_eq!(newest[0].item.title, "harbour 1000", "newest first");
}

fn stories_of(topic: &str) -> StoryFilter {
    StoryFilter { topic: Some(topic.to_owned()), limit: 5, ..StoryFilter::default() }
}

#[test]
fn stories_of_a_topic_are_the_latest_however_often_it_was_hit() {
    let (_dir, store) = unindexed(1000);
    let listed = |filter: &StoryFilter| -> Vec<i64> {
        store.stories(filter).expect("listed").iter().map(|story| story.id.to_i64()).collect()
    };
    // A hundred hits are looked for from the latest story on, two from the hits.
    assert_eq!(listed(&stories_of("common")), [200, 198, 196, 194, 192]);
    assert_eq!(listed(&stories_of("rare")), [160, 80]);
    assert_eq!(listed(&stories_of("nothing")), [] as [i64; 0]);
    let last = Some(since(1000, 300));
    assert_eq!(listed(&StoryFilter { since: last, ..stories_of("rare") }), [160]);
    let before = store.stories(&stories_of("rare")).expect("listed").first().map(|story| (story.last_seen, story.id));
    assert_eq!(listed(&StoryFilter { before, ..stories_of("rare") }), [80]);
}

/// Steps of SQLite's machine for each list and search, all on the one reader that is set up here.
fn steps(items: i64) -> Vec<(String, u64)> {
    let (_dir, store) = stored(items);
    let counted = Arc::new(AtomicU64::new(0));
    let count = counted.clone();
    let mut reader = super::open::reader(store.path()).expect("opens");
    reader
        .sqlite_mut()
        .expect("a file")
        .progress_handler(STEPS, Some(move || count.fetch_add(1, Ordering::Relaxed) == u64::MAX))
        .expect("counting");
    *store.0.readers.lock() = vec![reader];
    let mut out = Vec::new();
    let mut cost = |what: String, work: &dyn Fn()| {
        counted.store(0, Ordering::Relaxed);
        work();
        out.push((what, counted.load(Ordering::Relaxed) * STEPS as u64));
    };
    for filter in filters(items) {
        cost(format!("{filter:?}"), &|| assert!(store.items(&filter).is_ok()));
    }
    for query in queries(items) {
        cost(format!("{query:?}"), &|| assert!(store.search(&query).is_ok()));
    }
    for topic in ["common", "rare"] {
        cost(format!("stories of {topic}"), &|| assert!(store.stories(&stories_of(topic)).is_ok()));
    }
    cost("activity".to_owned(), &|| assert!(store.activity(Timestamp::from_seconds(START + items)).is_ok()));
    cost("totals".to_owned(), &|| assert!(store.totals().is_ok()));
    out
}

#[test]
fn lists_and_searches_cost_the_same_however_much_is_stored() {
    let (small, large) = (steps(6_000), steps(24_000));
    for ((what, few), (_, many)) in small.into_iter().zip(large) {
        // A scan would cost four times as much, 24,000 rows and more.
        assert!(many <= few * 2 + 2_000, "{what}: {few} steps for 6,000 items, {many} for 24,000");
    }
}

#[test]
fn batch_of_the_index_costs_the_same_however_many_wait() {
    let cost = |items: i64| {
        let (_dir, store) = unindexed(items);
        let counted = Arc::new(AtomicU64::new(0));
        let count = counted.clone();
        let mut reader = super::open::reader(store.path()).expect("opens");
        let told = move || count.fetch_add(1, Ordering::Relaxed) == u64::MAX;
        reader.sqlite_mut().expect("a file").progress_handler(STEPS, Some(told)).expect("counting");
        *store.0.readers.lock() = vec![reader];
        assert!(store.index_batch().expect("indexed"));
        counted.load(Ordering::Relaxed) * STEPS as u64
    };
    let (few, many) = (cost(6_000), cost(60_000));
    assert!(many <= few * 2, "{few} steps with 6,000 waiting, {many} with 60,000");
}
