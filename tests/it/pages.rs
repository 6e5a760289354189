//! Full text from the pages behind new items, by a whole program: what is fetched and what is not, whose
//! text decides, and what becomes of pages that cannot be had.

use std::time::Duration;

use wirewatch::clock::Clock;
use wirewatch::model::Timestamp;

use super::feed_server::{FeedServer, Reply, rss_articles};
use super::newsroom::{Newsroom, number, pending, stop, told, until};
use super::receiver::Receiver;

const START: Timestamp = Timestamp::from_seconds(1_742_198_531);
const INTERVAL: Duration = Duration::from_secs(60);

fn feed(feeds: &FeedServer, id: &str, more: &str) -> String {
    format!(
        "[[feeds]]\nid = \"{id}\"\nurl = \"{}\"\ninterval = \"60s\"\nallow_private = [\"127.0.0.0/8\"]\n{more}\n",
        feeds.url(&format!("/{id}"))
    )
}

/// A document of items (key, link, title, description).
fn rss(items: &[(&str, String, &str, &str)]) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|(key, link, title, text)| {
            format!(
                "<item><guid isPermaLink=\"false\">{key}</guid><link>{link}</link><title>{title}</title><description>{text}</description></item>"
            )
        })
        .collect();
    format!("<rss version=\"2.0\"><channel><title>Tide desk</title>{}</channel></rss>", items.concat())
}

/// An article page about something that its feed does not mention.
fn page(word: &str, place: &str) -> Reply {
    let sentence =
        format!("The {word} of {place} went out at nine with four hundred people on board, the office said.");
    let body = format!(
        "<!doctype html><html><head><title>{place}</title></head><body><nav><a href=\"/\">Home</a></nav><article><h1>{place}</h1>{}</article></body></html>",
        format!("<p>{sentence} Two more are to follow in the afternoon, if the wind allows it.</p>").repeat(6)
    );
    Reply::ok(body).with("Content-Type", "text/html; charset=utf-8")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_new_items_are_read_once_and_decide() {
    let receiver = Receiver::start().await;
    let feeds = FeedServer::start().await;
    let room = Newsroom::new(&receiver, &feed(&feeds, "wire", "full_text = \"on\""));
    let link = |path: &str| feeds.url(path);
    let old = ("old", link("/old"), "Tables of last week", "Read on.");
    feeds.script("/old", [page("ferry", "Old Quay")]);
    feeds.script("/new", [page("ferry", "Northport")]);
    feeds.script("/pdf", [Reply::ok("%PDF-1.4").with("Content-Type", "application/pdf")]);
    feeds.feed("/wire", "\"1\"", &rss(std::slice::from_ref(&old)));
    let clock = Clock::manual(START);
    let app = room.start(&clock).await;
    until("a baseline", || app.store.feed("wire").expect("read").is_some_and(|state| state.polls == 1)).await;

    let new = ("new", link("/new"), "Tables of this week", "Read on.");
    let others = [
        ("gone", link("/gone"), "Wind over the estuary", "Read on."),
        ("pdf", link("/pdf"), "Rain over the estuary", "Read on."),
        ("inside", "http://10.0.0.1/x".to_owned(), "Sun over the estuary", "Read on."),
    ];
    let second = [&[old.clone(), new.clone()][..], &others].concat();
    feeds.feed("/wire", "\"2\"", &rss(&second));
    clock.advance(INTERVAL);
    receiver.wait_for(1).await;
    let asked = feeds.asked("/new");
    assert!(asked[0].header_text("accept").is_some_and(|accept| accept.starts_with("text/html")));
    assert_eq!(feeds.asked("/old").len(), 0, "the baseline has no pages");
    assert_eq!(number(&app.store, "SELECT count(*) FROM items WHERE text_source = 'page'"), 1);
    assert_eq!(number(&app.store, "SELECT count(*) FROM items"), 5, "those without a page are taken all the same");
    let reasons: Vec<_> = app.store.rejections(Some("wire"), 9).expect("read");
    let mut reasons: Vec<(&str, u64)> = reasons.iter().map(|r| (r.reason.as_str(), r.count)).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, [("page-missing", 1), ("page-refused", 1), ("page-without-text", 1)]);
    let shown = app.store.feed("wire").expect("read").expect("there");
    assert_eq!((shown.failure, shown.etag.as_deref()), (None, Some(&b"\"2\""[..])));
    until("all recorded", || pending(&app.store) == 0).await;
    stop(app).await;

    // After a restart the same items are known, though the feed carries only their stubs.
    let app = room.start(&clock).await;
    let third = [&second[..], &[("more", link("/more"), "Fog over the estuary", "Read on.")]].concat();
    feeds.feed("/wire", "\"3\"", &rss(&third));
    clock.advance(INTERVAL * 2);
    until("a third poll", || app.store.feed("wire").expect("read").is_some_and(|state| state.polls == 3)).await;
    assert_eq!(feeds.asked("/new").len(), 1, "a page is read once");
    assert_eq!(number(&app.store, "SELECT count(*) FROM revisions"), 0);

    // An edit keeps the text of the page.
    let mut fourth = third.clone();
    fourth[1].2 = "Tables of this week, corrected";
    feeds.feed("/wire", "\"4\"", &rss(&fourth));
    clock.advance(INTERVAL * 2);
    until("an edit", || number(&app.store, "SELECT count(*) FROM revisions") == 1).await;
    let kept = "SELECT count(*) FROM items i JOIN texts t ON t.seq = i.seq
        WHERE i.revision = 1 AND i.text_source = 'page' AND t.body LIKE '%Northport%'";
    assert_eq!(number(&app.store, kept), 1);
    assert_eq!(feeds.asked("/new").len(), 1);
    stop(app).await;
    let told = told(&receiver.received(), None);
    let expected = ("ferry".to_owned(), "Tables of this week".to_owned(), "first".to_owned());
    assert_eq!(told.alerts().into_iter().collect::<Vec<_>>(), [expected]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_have_a_budget_per_host_and_only_short_texts_need_them() {
    let receiver = Receiver::start().await;
    let feeds = FeedServer::start().await;
    let room = Newsroom::new(&receiver, &feed(&feeds, "wire", "full_text = \"if_short\"\nbackfill = \"all\""));
    room.reconfigure("host_spacing", "pages_per_hour_max = 2\nhost_spacing");
    let long = "The levee holds, said the office of works in the morning. ".repeat(30);
    let mut items = vec![("long", feeds.url("/long"), "Tables", long.as_str())];
    for key in ["a", "b", "c"] {
        feeds.script(&format!("/{key}"), [page("ferry", &format!("Port {key}"))]);
        items.push((key, feeds.url(&format!("/{key}")), "Notes", "Read on."));
    }
    feeds.feed("/wire", "\"1\"", &rss(&items));
    let app = room.start(&Clock::manual(START)).await;
    until("taken", || number(&app.store, "SELECT count(*) FROM items") > 0).await;
    let asked = ["/a", "/b", "/c"].map(|path| feeds.asked(path).len());
    assert_eq!((asked.iter().sum::<usize>(), feeds.asked("/long").len()), (2, 0), "{asked:?}");
    let over = &app.store.rejections(Some("wire"), 9).expect("read")[0];
    assert_eq!((over.reason.as_str(), over.count), ("page-over-budget", 1), "{}", over.detail);
    stop(app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_hang_hold_up_no_feed_and_are_given_up() {
    let receiver = Receiver::start().await;
    let feeds = FeedServer::start().await;
    let config = format!(
        "{}{}",
        feed(&feeds, "stub", "full_text = \"on\"\nbackfill = \"all\""),
        feed(&feeds, "good", "backfill = \"all\"")
    );
    let room = Newsroom::new(&receiver, &config);
    room.reconfigure("host_spacing", "fetches_max = 1\ntotal_timeout = \"2s\"\nhost_spacing");
    feeds.script("/hangs", [Reply::Silent]);
    feeds.feed("/stub", "\"1\"", &rss(&[("1", feeds.url("/hangs"), "The levee and the tide", "Read on.")]));
    feeds.feed("/good", "\"1\"", &rss_articles(100..102));
    let app = room.start(&Clock::manual(START)).await;
    receiver.wait_for(3).await;
    let told = told(&receiver.received(), None);
    let last = receiver.received().last().map(|request| String::from_utf8_lossy(&request.body).into_owned());
    assert!(last.is_some_and(|body| body.contains("tide")), "the good feed did not wait for it");
    assert_eq!(told.alerts().len(), 3);
    let failed = &app.store.rejections(Some("stub"), 9).expect("read")[0];
    assert_eq!((failed.reason.as_str(), failed.count), ("page-unreachable", 1), "{}", failed.detail);
    stop(app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_never_answer_take_neither_memory_nor_places_from_good_feeds() {
    let receiver = Receiver::start().await;
    let feeds = FeedServer::start().await;
    let mut config = String::new();
    // Four documents that fill the memory for documents in hand, and two of a size that may wait for its pages.
    let text = "The tide of the week, hour by hour. ";
    for (n, kib) in [2500, 2500, 2500, 2500, 700, 700].into_iter().enumerate() {
        let id = format!("stub-{n}");
        config += &feed(&feeds, &id, "full_text = \"on\"\nbackfill = \"all\"");
        let keys: Vec<String> = (0..10).map(|item| format!("{n}-{item}")).collect();
        let body = text.repeat(kib * 1024 / 10 / text.len());
        let items: Vec<_> = keys
            .iter()
            .map(|key| {
                feeds.script(&format!("/hangs-{key}"), [Reply::Silent]);
                (key.as_str(), feeds.url(&format!("/hangs-{key}")), "Tables", body.as_str())
            })
            .collect();
        feeds.feed(&format!("/{id}"), "\"1\"", &rss(&items));
    }
    for n in 0..10_u64 {
        let id = format!("good-{n}");
        config += &feed(&feeds, &id, "backfill = \"all\"");
        feeds.feed(&format!("/{id}"), "\"1\"", &rss_articles(100 + n * 10..101 + n * 10));
    }
    let room = Newsroom::new(&receiver, &config);
    room.reconfigure("host_spacing", "total_timeout = \"60s\"\nwire_max = \"16MiB\"\nhost_spacing");
    let app = room.start(&Clock::manual(START)).await;
    // Not one of the pages is ever answered: whatever waited for them would not be told in time.
    receiver.wait_for(10).await;
    assert_eq!(told(&receiver.received(), None).alerts().len(), 10);
    let noted = |n: usize| app.store.rejections(Some(&format!("stub-{n}")), 9).expect("read");
    until("the large documents went on without their pages", || (0..4).all(|n| !noted(n).is_empty())).await;
    for n in 0..4 {
        let noted = &app.store.rejections(Some(&format!("stub-{n}")), 9).expect("read")[0];
        assert_eq!((noted.reason.as_str(), noted.count), ("page-over-budget", 10), "{}", noted.detail);
    }
    let asked: usize = (0..6)
        .flat_map(|n| (0..10).map(move |item| format!("/hangs-{n}-{item}")))
        .map(|path| feeds.asked(&path).len())
        .sum();
    assert!((1..=4).contains(&asked), "two at once for each of the two that wait: {asked}");
    stop(app).await;
}

/// An item that is nothing but a link.
fn bare(key: &str, link: &str) -> String {
    format!("<item><guid isPermaLink=\"false\">{key}</guid><link>{link}</link></item>")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_items_that_are_only_links_are_fetched_and_then_judged() {
    let receiver = Receiver::start().await;
    let feeds = FeedServer::start().await;
    let room = Newsroom::new(
        &receiver,
        &[feed(&feeds, "wire", "full_text = \"if_short\""), feed(&feeds, "plain", "")].concat(),
    );
    for path in ["/old", "/new"] {
        feeds.script(path, [page("ferry", "Northport")]);
    }
    let item = |key: &str| bare(key, &feeds.url(&format!("/{key}")));
    let document = |keys: &[&str]| {
        let items: String = keys.iter().map(|key| item(key)).collect();
        format!("<rss version=\"2.0\"><channel><title>Tide desk</title>{items}</channel></rss>")
    };
    feeds.feed("/plain", "\"1\"", &document(&["old"]));
    feeds.feed("/wire", "\"1\"", &document(&["old"]));
    let clock = Clock::manual(START);
    let app = room.start(&clock).await;
    let polled = |times: u64| move |state: wirewatch::model::FeedState| state.polls >= times;
    let at = |app: &wirewatch::app::App, times| app.store.feed("wire").expect("read").is_some_and(polled(times));
    until("a baseline", || at(&app, 1)).await;
    until("the other", || !app.store.rejections(Some("plain"), 9).expect("read").is_empty()).await;
    let refused = app.store.rejections(Some("plain"), 9).expect("read");
    assert_eq!((refused[0].reason.as_str(), refused[0].count), ("empty", 1), "no page is to be read for it");
    assert_eq!(feeds.asked("/old").len(), 0, "the baseline has no pages");
    assert_eq!(
        number(&app.store, "SELECT count(*) FROM items WHERE source = 'wire'"),
        1,
        "but it is known from now on"
    );

    feeds.feed("/wire", "\"2\"", &document(&["old", "new", "gone"]));
    clock.advance(INTERVAL);
    receiver.wait_for(1).await;
    until("all recorded", || pending(&app.store) == 0).await;
    let seen = || {
        let mut reasons: Vec<(String, u64)> = app
            .store
            .rejections(Some("wire"), 9)
            .expect("read")
            .into_iter()
            .map(|r| (r.reason.as_str().to_owned(), r.count))
            .collect();
        reasons.sort_unstable();
        reasons
    };
    assert_eq!(seen(), [("empty".to_owned(), 1), ("page-missing".to_owned(), 1)]);
    assert_eq!(number(&app.store, "SELECT count(*) FROM items WHERE text_source = 'page'"), 1);
    feeds.feed("/wire", "\"3\"", &document(&["old", "gone", "new"]));
    clock.advance(INTERVAL * 2);
    until("a third poll", || at(&app, 3)).await;
    assert_eq!(["/old", "/new", "/gone"].map(|path| feeds.asked(path).len()), [0, 1, 1], "none is asked for again");
    stop(app).await;

    // After a restart the bare link of a known item is neither news nor refused, nor an edit.
    let app = room.start(&clock).await;
    feeds.feed("/wire", "\"4\"", &document(&["new", "old"]));
    clock.advance(INTERVAL * 2);
    until("a fourth poll", || at(&app, 4)).await;
    assert_eq!(["/old", "/new"].map(|path| feeds.asked(path).len()), [0, 1]);
    let empty: u64 = app
        .store
        .rejections(Some("wire"), 9)
        .expect("read")
        .iter()
        .filter(|r| r.reason.as_str() == "empty")
        .map(|r| r.count)
        .sum();
    assert_eq!((empty, number(&app.store, "SELECT count(*) FROM revisions")), (2, 0), "the two of the missing page");
    stop(app).await;
    assert_eq!(told(&receiver.received(), None).alerts().len(), 1);
}
