//! What `ingest` makes of feeds over many polls: re-keyed ones, items that come back, alerts about the
//! feeds themselves; across restarts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use wirewatch::app::compile;
use wirewatch::clock::Clock;
use wirewatch::ingest::{Ingest, IngestLinks};
use wirewatch::model::{
    Cursor, DateCertainty, Dated, FeedFailure, FeedState, ItemKey, Origin, RawItem, RawText, SourceId, SourceKind,
    Timestamp,
};
use wirewatch::pipeline::Rules;
use wirewatch::pipeline::memory::MemoryConfig;
use wirewatch::source::feed::last_documents::{ItemFingerprint, LastDocuments};
use wirewatch::source::feed::reading::parse;
use wirewatch::source::feed::{FeedContext, IdentifiedBy};
use wirewatch::source::{Batch, Limits, Receipt};
use wirewatch::store::{Access, AlertFilter, AlertRecord, SearchQuery, Store, engine};

use super::newsroom::{Newsroom, body, number, title};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// `ingest` on a store of its own, with the newsroom's topics and one endpoint.
struct Desk {
    clock: Clock,
    store: Store,
    rules: Arc<Rules>,
    ingest: Ingest,
    room: Newsroom,
}

impl Desk {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Rules)) -> Self {
        let room = Newsroom::silent("");
        let mut rules = compile::rules(&room.config()).expect("sound rules");
        change(&mut rules);
        let rules = Arc::new(rules);
        let clock = Clock::manual(Timestamp::parse("2025-03-17T08:00:00Z").expect("a time"));
        let store = Store::open(&room.config().daemon.state_dir, Access::Own).expect("a store");
        let ingest = ingest(&store, &rules, &clock, room.config().memory);
        Self { clock, store, rules, ingest, room }
    }

    /// Everything rebuilt from the store.
    fn restart(&mut self) {
        let memory = self.room.config().memory;
        self.ingest = ingest(&self.store, &self.rules, &self.clock, memory);
    }

    fn poll(&mut self, state: FeedState, items: Vec<RawItem>) -> Receipt {
        self.take(state, items, Vec::new()).expect("a receipt")
    }

    /// Takes what was read of a document, without those of its items that were left out; `None`: it was given back.
    fn take(&mut self, state: FeedState, items: Vec<RawItem>, unchanged: Vec<ItemFingerprint>) -> Option<Receipt> {
        let (sender, mut receipt) = tokio::sync::oneshot::channel();
        let origin = Origin { source: state.source.clone(), kind: SourceKind::Feed, received: self.clock.now() };
        let cursor = Cursor::Feed(Box::new(state));
        let rejected = Vec::new();
        let batch =
            Batch { origin, items, unchanged, rejected, cursor, receipt: Some(sender), inbox: None, hubs: None };
        self.ingest.take(vec![batch]).expect("taken");
        receipt.try_recv().ok()
    }

    fn about_sources(&self) -> Vec<AlertRecord> {
        let mut alerts = self.store.alerts(&AlertFilter { limit: 100, ..AlertFilter::default() }).expect("read");
        alerts.retain(|alert| alert.source.is_some());
        alerts.reverse();
        alerts
    }

    fn kinds(&self) -> Vec<String> {
        self.about_sources()
            .into_iter()
            .map(|alert| format!("{} {}", alert.source.expect("one"), alert.r#type))
            .collect()
    }
}

fn ingest(store: &Store, rules: &Arc<Rules>, clock: &Clock, memory: MemoryConfig) -> Ingest {
    let window = memory.copies_window.max(memory.story_window);
    Ingest {
        store: store.clone(),
        rules: watch::channel(rules.clone()).1,
        ledger: store.recall(memory, clock.now().minus(window)).expect("recalled"),
        recalled_after: None,
        window,
        clock: clock.clone(),
        wake: Box::new(|| ()),
        threads: 1,
        cancel: tokio_util::sync::CancellationToken::new(),
        links: IngestLinks::default(),
        last_documents: LastDocuments::default(),
    }
}

fn state(name: &str, at: Timestamp) -> FeedState {
    let source = SourceId::new(name).expect("a name");
    FeedState { last_poll_at: Some(at), ..FeedState::new(source, "https://example.org/f".to_owned(), at) }
}

fn failing(name: &str, at: Timestamp, since: Timestamp) -> FeedState {
    FeedState {
        failure: Some(FeedFailure::ServerError),
        error: Some("in trouble".to_owned()),
        failing_since: Some(since),
        failures_weighted: 50,
        ..state(name, at)
    }
}

fn item(n: u64, key: &str) -> RawItem {
    let mut raw = RawItem::new(ItemKey::new(key));
    raw.title = Some(RawText::plain(title(n)));
    raw.content = Some(RawText::plain(body(n)));
    raw.url = Some(format!("https://example.org/{n}"));
    raw
}

fn items(keys: &str, numbers: impl IntoIterator<Item = u64>) -> Vec<RawItem> {
    numbers.into_iter().map(|n| item(n, &format!("{keys}{n}"))).collect()
}

#[test]
fn rekeyed_feed_after_months_is_stored_quietly_and_its_real_news_is_told() {
    let mut desk = Desk::new();
    let now = desk.clock.now();
    assert_eq!(desk.poll(state("ferry", now), items("a", 0..20)).alerts, 20);
    desk.clock.advance(90 * DAY);
    desk.restart();
    let now = desk.clock.now();
    let rekeyed = desk.poll(state("ferry", now), items("b", 0..22));
    // Noted below, but taken: every item has one outcome.
    assert_eq!((rekeyed.alerts, rekeyed.new, rekeyed.rejected), (2, 22, 0), "{rekeyed:?}");
    let shown = desk.store.rejections(Some("ferry"), 10).expect("read");
    assert!(shown.iter().any(|r| r.reason == "rekeyed" && r.count == 20), "{shown:?}");
    desk.clock.advance(90 * DAY);
    desk.restart();
    let now = desk.clock.now();
    assert_eq!(desk.poll(state("ferry", now), items("c", 0..22)).alerts, 0, "and again");
}

#[test]
fn items_published_long_ago_are_stored_counted_and_not_told() {
    let mut desk = Desk::new();
    let now = desk.clock.now();
    let dated = |n: u64, days: u32| {
        let at = now.minus(DAY * days);
        RawItem { published: Some(Dated { at, certainty: DateCertainty::Exact }), ..item(n, &format!("a{n}")) }
    };
    let undated = RawItem { published: None, ..item(4, "a4") };
    // More than ten years are a blemish of the feed, and what was changed yesterday is news.
    let changed = RawItem { updated: dated(6, 1).published, ..dated(6, 400) };
    let document = vec![dated(1, 29), dated(2, 31), dated(3, 3000), undated, dated(5, 20_000), changed];
    let receipt = desk.poll(state("ferry", now), document.clone());
    assert_eq!((receipt.new, receipt.alerts, receipt.rejected), (6, 4, 0), "{receipt:?}");
    desk.restart();
    desk.poll(state("ferry", now), document);
    let shown = desk.store.rejections(Some("ferry"), 10).expect("read");
    assert!(shown.iter().any(|r| r.reason == "too-old" && r.count == 2), "counted once: {shown:?}");
}

#[test]
fn document_mostly_as_before_counts_the_same_with_and_without_a_restart() {
    let mut desks = [Desk::new(), Desk::new()];
    for round in 0..4 {
        let receipts = desks.each_mut().map(|desk| {
            desk.clock.advance(HOUR);
            let now = desk.clock.now();
            // One more each time; in the third the first item is edited, in the last a key stands three times: over
            // another item, which is not believed, and over the same one again.
            let mut document = items("a", 0..20 + round);
            if round >= 2 {
                document[0].content = Some(RawText::plain(format!("{} The quay reopened on Friday.", body(0))));
            }
            if round == 3 {
                document.push(item(900, "a5"));
                document.push(item(5, "a5"));
            }
            desk.poll(state("ferry", now), document)
        });
        assert_eq!(receipts[0], receipts[1], "round {round}");
        let expected = [(20, 0, 0, 0), (1, 20, 0, 0), (1, 20, 1, 0), (2, 22, 0, 1)][round as usize];
        let Receipt { new, known, revisions, rejected, .. } = receipts[0];
        assert_eq!((new, known, revisions, rejected), expected, "round {round}");
        // The second has nothing in hand of the document before.
        desks[1].restart();
    }
    assert_eq!(number(&desks[0].store, "SELECT count(*) FROM items"), 24);
}

/// What is stored, in the order of decisions.
fn decided(store: &Store) -> Vec<String> {
    let rows = "SELECT 'item', seq, key, source, story FROM items
        UNION ALL SELECT 'copy', seq, key, source, item FROM sightings
        UNION ALL SELECT 'alert', sequence, (SELECT string_agg(topic, ',') FROM alert_topics WHERE alert = sequence), reason, story FROM alerts ORDER BY 1, 2";
    let read = |c: &engine::Connection| {
        let row = |row: &engine::Row<'_>| {
            let (kind, key): (String, String) = (row.get(0)?, row.get(2)?);
            let (of, at): (String, i64) = (row.get(3)?, row.get(4)?);
            Ok(format!("{kind} {} {key} {of} {at}", row.get::<_, i64>(1)?))
        };
        c.prepare(rows)?.query_map([], row)?.collect()
    };
    store.read("read what was decided", read).expect("read")
}

#[test]
fn feeds_that_wait_in_a_queue_are_decided_as_if_one_came_after_the_other() {
    // Each feed carries half of what the one before does: copies are found across groups and within them.
    let documents = || (0..40).map(|f| (format!("f{f:02}"), items(&format!("f{f}-"), f * 10..f * 10 + 20)));
    let mut one_by_one = Desk::new();
    let now = one_by_one.clock.now();
    let expected: Vec<Receipt> = documents().map(|(name, items)| one_by_one.poll(state(&name, now), items)).collect();

    let desk = Desk::new();
    let mut queued = desk.ingest;
    queued.threads = 2;
    let (sender, batches) = tokio::sync::mpsc::channel(64);
    let mut receipts = Vec::new();
    for (name, items) in documents() {
        let (reply, receipt) = tokio::sync::oneshot::channel();
        let source = SourceId::new(&name).expect("a name");
        let origin = Origin { source, kind: SourceKind::Feed, received: now };
        let cursor = Cursor::Feed(Box::new(state(&name, now)));
        let batch = Batch {
            unchanged: Vec::new(),
            origin,
            items,
            rejected: Vec::new(),
            cursor,
            receipt: Some(reply),
            inbox: None,
            hubs: None,
        };
        sender.try_send(batch.into()).expect("room for all");
        receipts.push(receipt);
    }
    drop(sender);
    queued.run(batches).expect("to the end");
    let found: Vec<Receipt> = receipts.iter_mut().map(|receipt| receipt.try_recv().expect("a receipt")).collect();
    assert_eq!(found, expected);
    assert!(expected.iter().map(|receipt| receipt.sightings).sum::<u64>() >= 390, "copies are found at all");
    assert_eq!(decided(&desk.store), decided(&one_by_one.store));
}

/// The document of a feed at its so many-th poll: an item comes at the top and one goes at the bottom, some are edited, some
/// are counted anew, one stands there twice, and once all of them get new ids.
fn document_at(poll: u64) -> String {
    let numbers = (poll..poll + 10).rev().chain((poll % 6 == 3).then_some(poll + 4));
    let items = numbers.map(|n| {
        let (edit, comments) = ((n + poll) / 7, (n + poll) / 3);
        let id = if poll < 20 { n } else { n + 1000 };
        format!(
            "<item><guid isPermaLink=\"false\">{id}</guid><link>https://ferry.example/{n}</link><title>{}</title>
             <description>{} Edition {edit}.</description><comments>https://ferry.example/{n}#{comments}</comments></item>",
            title(n),
            body(n)
        )
    });
    let items: String = items.collect();
    format!("<rss version=\"2.0\"><channel><title>Ferry</title><pubDate>{poll}</pubDate>{items}</channel></rss>")
}

const FERRY: FeedContext<'_> = FeedContext {
    base_url: Some("https://ferry.example/feed"),
    content_type: None,
    trust: IdentifiedBy::Guid,
    limits: &Limits::SHIPPED,
    received: Timestamp::MIN,
};

#[test]
fn feed_read_without_what_stood_there_before_is_decided_as_when_it_is_read_whole() {
    let (mut whole, mut rest) = (Desk::new(), Desk::new());
    let mut left_out = 0;
    for poll in 0..24 {
        let (now, text) = (whole.clock.now(), document_at(poll));
        let read = parse::parse(text.as_bytes(), &FERRY).expect("a feed");
        let last = rest.ingest.last_documents.of(&state("ferry", now).source);
        let again = parse::parse_after(text.as_bytes(), &FERRY, &last).expect("a feed");
        assert_eq!((again.item_count(), &again.rejected), (read.item_count(), &read.rejected), "poll {poll}");
        left_out += again.unchanged.len();
        let expected = whole.take(state("ferry", now), read.items, read.unchanged);
        assert_eq!(rest.take(state("ferry", now), again.items, again.unchanged), expected, "poll {poll}");
        for desk in [&mut whole, &mut rest] {
            desk.clock.advance(HOUR);
            if poll == 12 {
                desk.restart();
            }
        }
    }
    assert!(left_out > 50, "{left_out} items were left out");
    assert_eq!(decided(&rest.store), decided(&whole.store));
}

#[test]
fn document_is_given_back_where_what_was_left_out_of_it_is_not_known_any_more() {
    let mut desk = Desk::new();
    let now = desk.clock.now();
    let first = parse::parse(document_at(0).as_bytes(), &FERRY).expect("a feed");
    desk.take(state("ferry", now), first.items, Vec::new()).expect("taken");
    let last = desk.ingest.last_documents.of(&state("ferry", now).source);
    let second = || parse::parse_after(document_at(1).as_bytes(), &FERRY, &last).expect("a feed");
    assert!(!second().unchanged.is_empty());
    // Another process polls the feed in between.
    desk.poll(state("ferry", now), items("other-", 50..53));
    assert_eq!(desk.take(state("ferry", now), second().items, second().unchanged), None);
    assert_eq!(desk.ingest.links.counters.snapshot().held_batches, 1, "it is counted");
    let whole = parse::parse(document_at(1).as_bytes(), &FERRY).expect("a feed");
    let receipt = desk.take(state("ferry", now), whole.items, Vec::new()).expect("taken when it comes again");
    assert_eq!((receipt.new + receipt.sightings, receipt.known + receipt.revisions), (1, 9));
}

/// Articles of a drop directory, a file each list, taken together.
fn drop_files(desk: &mut Desk, files: Vec<Vec<RawItem>>) -> Vec<Receipt> {
    let now = desk.clock.now();
    let origin = Origin { source: SourceId::new("seeds").expect("a name"), kind: SourceKind::Seed, received: now };
    let (batches, mut receipts): (Vec<Batch>, Vec<_>) = files
        .into_iter()
        .map(|items| {
            let (sender, receipt) = tokio::sync::oneshot::channel();
            let origin = origin.clone();
            (
                Batch {
                    origin,
                    items,
                    unchanged: Vec::new(),
                    rejected: Vec::new(),
                    cursor: Cursor::None,
                    receipt: Some(sender),
                    inbox: None,
                    hubs: None,
                },
                receipt,
            )
        })
        .unzip();
    desk.ingest.take(batches).expect("taken");
    receipts.iter_mut().map(|receipt| receipt.try_recv().expect("a receipt")).collect()
}

fn export(numbers: impl IntoIterator<Item = u64>) -> Vec<RawItem> {
    let unlinked = |(at, n)| RawItem { url: None, ..item(n, &format!("{at}")) };
    numbers.into_iter().enumerate().map(unlinked).collect()
}

#[test]
fn exports_that_count_from_one_do_not_overwrite_each_other() {
    let mut desk = Desk::new();
    let taken = drop_files(&mut desk, vec![export(0..3), export(10..13)]);
    assert_eq!((taken[0].new, taken[1].new, taken[1].revisions), (3, 3, 0), "in one group");
    desk.clock.advance(DAY);
    desk.restart();
    let taken = drop_files(&mut desk, vec![export(20..23)]);
    assert_eq!((taken[0].new, taken[0].revisions, taken[0].alerts), (3, 0, 3), "and a day later");
    desk.clock.advance(DAY);
    desk.restart();
    let taken = drop_files(&mut desk, vec![export(20..23), export(10..13), export(0..3)]);
    assert!(taken.iter().all(|taken| taken.known == 3 && taken.alerts == 0), "all of them are known: {taken:?}");
    let shown = desk.store.rejections(Some("seeds"), 10).expect("read");
    assert!(shown.iter().any(|r| r.reason == "id-not-believed" && r.count >= 6), "{shown:?}");
    // An edit stays one, of the first and of those that came after it.
    for n in [1, 21] {
        let mut edited = export([n]);
        edited[0].key = ItemKey::new("1");
        edited[0].title = Some(RawText::plain(format!("{} (corrected)", title(n))));
        let taken = drop_files(&mut desk, vec![edited]);
        let outcome = (taken[0].new, taken[0].revisions, taken[0].sightings);
        assert_eq!(outcome, if n == 1 { (0, 1, 0) } else { (0, 0, 1) }, "{n}: an edit, or a copy: {taken:?}");
    }
}

#[test]
fn feed_of_one_item_whose_guid_never_changes_tells_each_event() {
    let mut desk = Desk::new();
    for n in 0..3 {
        let now = desk.clock.now();
        let latest = RawItem { key: ItemKey::new("latest"), ..item(n, "latest") };
        let receipt = desk.poll(state("ferry", now), vec![latest.clone()]);
        assert_eq!((receipt.new, receipt.revisions, receipt.alerts), (1, 0, 1), "{n}");
        let again = desk.poll(state("ferry", now), vec![latest.clone()]);
        assert_eq!((again.known, again.new), (1, 0), "{n}: nothing new");
        let edited = RawItem { title: Some(RawText::plain(format!("{}: an edit", title(n)))), ..latest };
        assert_eq!(desk.poll(state("ferry", now), vec![edited]).revisions, 1, "{n}: an edit");
        desk.clock.advance(HOUR);
    }
}

#[test]
fn item_that_was_edited_is_found_by_its_new_words_only() {
    let mut desk = Desk::new();
    let now = desk.clock.now();
    let worded = |text: &str| {
        let mut raw = item(1, "a1");
        raw.content = Some(RawText::plain(format!("{} {text}", body(1))));
        vec![raw]
    };
    let found = |desk: &Desk, word: &str| {
        while desk.store.index_batch().expect("indexed") {}
        assert_eq!(desk.store.search_lag().expect("read"), 0);
        let query = SearchQuery { text: word.to_owned(), limit: 5, ..SearchQuery::default() };
        desk.store.search(&query).expect("searched").len()
    };
    assert_eq!(desk.poll(state("ferry", now), worded("A narwhal was seen.")).new, 1);
    assert_eq!((found(&desk, "narwhal"), found(&desk, "porpoise")), (1, 0));
    assert_eq!(desk.poll(state("ferry", now), worded("A porpoise was seen.")).revisions, 1);
    assert_eq!((found(&desk, "narwhal"), found(&desk, "porpoise")), (0, 1));
    // Edited before it was indexed at all, and again at once.
    let later = |n: u64, text: &str| {
        let mut raw = item(n, &format!("a{n}"));
        raw.content = Some(RawText::plain(format!("{} {text}", body(n))));
        vec![raw]
    };
    for text in ["An osprey was seen.", "A heron was seen.", "A bittern was seen."] {
        desk.poll(state("ferry", now), later(2, text));
    }
    assert_eq!((found(&desk, "osprey"), found(&desk, "heron"), found(&desk, "bittern")), (0, 0, 1));
    desk.store.check_search().expect("the index is sound");
}

#[test]
fn batch_whose_commit_fails_is_not_receipted_and_leaves_nothing() {
    let mut desk = Desk::new();
    desk.store.write("break", super::broken_commit("items")).expect("written");
    let (sender, mut receipt) = tokio::sync::oneshot::channel();
    let now = desk.clock.now();
    let origin = Origin { source: state("ferry", now).source, kind: SourceKind::Feed, received: now };
    let cursor = Cursor::Feed(Box::new(state("ferry", now)));
    let batch = Batch {
        origin,
        items: items("a", 0..3),
        unchanged: Vec::new(),
        rejected: Vec::new(),
        cursor,
        receipt: Some(sender),
        inbox: None,
        hubs: None,
    };
    assert!(desk.ingest.take(vec![batch]).is_err(), "a store that fails so is not gone on with");
    assert!(receipt.try_recv().is_err(), "its source was told of success");
    for table in ["items", "alerts", "deliveries", "feeds"] {
        let rows = format!("SELECT count(*) FROM {table}");
        let rows: i64 = desk.store.read("count", |c| c.query_row(&rows, [], |row| row.get(0))).expect("read");
        assert_eq!(rows, 0, "{table}");
    }
}

#[test]
fn link_up_to_8_kib_is_kept_and_a_longer_one_is_counted() {
    let mut desk = Desk::new();
    let now = desk.clock.now();
    let linked = |n: u64, bytes: usize| {
        let mut raw = item(n, &format!("a{n}"));
        let start = format!("https://example.org/{n}?story=");
        raw.url = Some(format!("{start}{}", "x".repeat(bytes - start.len())));
        raw
    };
    let taken =
        desk.poll(state("ferry", now), vec![linked(1, 4_000), linked(2, 6_000), linked(3, 8_192), linked(4, 8_193)]);
    assert_eq!((taken.new, taken.rejected), (4, 0), "the items are taken: {taken:?}");
    assert_eq!(number(&desk.store, "SELECT count(*) FROM items WHERE length(url) BETWEEN 4000 AND 8192"), 3);
    assert_eq!(number(&desk.store, "SELECT count(*) FROM items WHERE url IS NULL AND url_original IS NULL"), 1);
    let shown = desk.store.rejections(Some("ferry"), 10).expect("read");
    let counted: Vec<_> = shown.iter().map(|r| (r.reason.as_str(), r.count)).collect();
    assert_eq!(counted, [("link-dropped", 1)]);
    assert!(shown[0].detail.contains("8193 bytes"), "{shown:?}");
}

#[test]
fn items_that_come_back_after_months_are_known() {
    let mut desk = Desk::new();
    let now = desk.clock.now();
    desk.poll(state("ferry", now), items("a", 0..10));
    for _ in 0..3 {
        desk.clock.advance(100 * DAY);
        desk.restart();
        let now = desk.clock.now();
        let again = desk.poll(state("ferry", now), items("a", 0..10));
        assert_eq!((again.known, again.new, again.alerts), (10, 0, 0), "{again:?}");
    }
    assert_eq!(number(&desk.store, "SELECT count(*) FROM items"), 10);
}

#[test]
fn source_failing_and_recovered_are_told_once_across_restarts() {
    let mut desk = Desk::new();
    let since = desk.clock.now();
    desk.poll(state("ferry", since), items("a", 0..2));
    for _ in 0..20 {
        desk.clock.advance(HOUR);
        desk.restart();
        let now = desk.clock.now();
        desk.poll(failing("ferry", now, since.plus(HOUR)), Vec::new());
    }
    assert_eq!(desk.kinds(), ["ferry source.failing"]);
    desk.poll(state("ferry", desk.clock.now()), Vec::new());
    desk.restart();
    desk.poll(state("ferry", desk.clock.now()), Vec::new());
    assert_eq!(desk.kinds(), ["ferry source.failing", "ferry source.recovered"]);
    let sequences: Vec<u64> = desk.about_sources().iter().map(|alert| alert.sequence).collect();
    let items_told = number(&desk.store, "SELECT count(*) FROM alerts WHERE source IS NULL");
    assert_eq!(sequences, [items_told as u64 + 1, items_told as u64 + 2]);
    let rows = number(
        &desk.store,
        "SELECT count(*) FROM deliveries d JOIN alerts a ON a.sequence = d.alert WHERE a.source IS NOT NULL",
    );
    assert_eq!(rows, 2, "one row per alert and endpoint");
}

#[test]
fn source_silent_is_told_once_and_ends_with_news() {
    let mut desk = Desk::new();
    for n in 0..12 {
        desk.poll(state("ferry", desk.clock.now()), items("a", n..=n));
        desk.clock.advance(4 * HOUR);
    }
    for _ in 0..60 {
        desk.clock.advance(HOUR);
        desk.poll(state("ferry", desk.clock.now()), Vec::new());
    }
    assert_eq!(desk.kinds(), ["ferry source.silent"]);
    desk.restart();
    desk.poll(state("ferry", desk.clock.now()), items("a", 50..=50));
    assert_eq!(desk.kinds(), ["ferry source.silent", "ferry source.recovered"]);
}

#[test]
fn source_outage_of_most_is_not_told_and_what_stays_broken_is() {
    let mut desk = Desk::new();
    let names = ["a", "b", "c", "d", "e"];
    for (at, name) in names.iter().enumerate() {
        let at = at as u64 * 100;
        desk.poll(state(name, desk.clock.now()), items(name, at..at + 2));
    }
    let since = desk.clock.now();
    for _ in 0..12 {
        desk.clock.advance(HOUR);
        for name in names {
            desk.poll(failing(name, desk.clock.now(), since), Vec::new());
        }
    }
    // The first polls fail before it shows that most do; none has failed for long enough by then.
    assert_eq!(desk.kinds(), [""; 0]);
    for name in &names[1..] {
        desk.poll(state(name, desk.clock.now()), Vec::new());
    }
    desk.poll(failing("a", desk.clock.now(), since), Vec::new());
    assert_eq!(desk.kinds(), ["a source.failing"]);
}

#[test]
fn alerts_beyond_the_quota_of_a_day_wait_for_the_digest_and_that_is_told_once() {
    let source = SourceId::new("ferry").expect("a name");
    let mut desk = Desk::with(|rules| {
        rules.alert.alerts_per_day_max.insert(source.clone(), 5);
    });
    let held = |desk: &Desk| number(&desk.store, "SELECT count(*) FROM deliveries WHERE hold = 'digest'");
    let carried = |desk: &Desk| FeedState {
        used: desk.store.feed("ferry").expect("read").expect("stored").used,
        ..state("ferry", desk.clock.now())
    };
    let first = FeedState {
        used: wirewatch::model::DailyUse::default().at(desk.clock.now()),
        ..state("ferry", desk.clock.now())
    };
    let receipt = desk.poll(first, items("a", 0..4));
    assert_eq!((receipt.alerts, receipt.told, receipt.over_quota, held(&desk)), (4, 4, 0, 0));
    desk.restart();
    let next = carried(&desk);
    let receipt = desk.poll(next, items("b", 10..14));
    assert_eq!((receipt.alerts, receipt.over_quota, held(&desk)), (4, 3, 3), "one within, three that wait");
    assert_eq!(desk.kinds(), ["ferry source.over_quota"]);
    desk.restart();
    let next = carried(&desk);
    assert!(next.used.alerts_over);
    desk.poll(next, items("c", 20..22));
    assert_eq!((held(&desk), desk.kinds().len()), (5, 1), "said once");
    let shown = desk.store.rejections(Some("ferry"), 10).expect("read");
    assert!(shown.iter().any(|r| r.reason == "over-alert-quota" && r.count == 5), "{shown:?}");
    // Another feed has its own, and the next day is another day.
    assert_eq!(desk.poll(state("harbour", desk.clock.now()), items("d", 30..38)).over_quota, 0);
    desk.clock.advance(DAY);
    let mut next = carried(&desk);
    next.used = next.used.at(desk.clock.now());
    assert_eq!(desk.poll(next, items("e", 40..44)).over_quota, 0);
}
