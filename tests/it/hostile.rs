//! Documents made to break a reader, served to a running program: each is refused by name, the program
//! lives, and the good feeds beside them are read when they are due.

use std::io::Write;
use std::time::Duration;

use wirewatch::clock::Clock;
use wirewatch::model::Timestamp;

use super::feed_server::{FeedServer, Reply, rss_articles};
use super::newsroom::{Newsroom, article, firsts, number, pending, stop, told, until};
use super::receiver::Receiver;

const START: Timestamp = Timestamp::from_seconds(1_742_198_531);
const INTERVAL: Duration = Duration::from_secs(60);

fn feed(feeds: &FeedServer, id: &str) -> String {
    format!(
        "[[feeds]]\nid = \"{id}\"\nurl = \"{}\"\ninterval = \"60s\"\nbackfill = \"all\"\nallow_private = [\"127.0.0.0/8\"]\n",
        feeds.url(&format!("/{id}"))
    )
}

fn rss(inside: &str) -> String {
    format!(
        "<rss version=\"2.0\" xmlns:media=\"http://search.yahoo.com/mrss/\"><channel><title>x</title>{inside}</channel></rss>"
    )
}

fn groups(depth: usize) -> Reply {
    let (open, close) = ("<media:group>".repeat(depth), "</media:group>".repeat(depth));
    Reply::ok(rss(&format!("<item><title>x</title>{open}{close}</item>")))
}

/// The body so many times over, each a member of its own: small on the wire.
fn gzip(body: impl AsRef<[u8]>, times: usize) -> Reply {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body.as_ref()).expect("compressed");
    Reply::ok(encoder.finish().expect("compressed").repeat(times)).with("Content-Encoding", "gzip")
}

/// Every hostile document and the words that must name what is wrong with it.
fn documents() -> Vec<(&'static str, Reply, &'static str)> {
    let attributes = (0..800_000).map(|n| format!(" a{n}=''")).collect::<Vec<_>>().concat();
    let laughs = "<!DOCTYPE rss [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let json = "{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":";
    vec![
        ("deep-1000", groups(1_000), "too_deep"),
        ("deep-20000", groups(20_000), "too_deep"),
        ("deep-20000-gzip", gzip(rss(&"<media:group>".repeat(20_000)), 1), "too_deep"),
        ("json-deep", Reply::ok(format!("{json}{}", "[".repeat(100_000))), "too_deep"),
        ("attributes", Reply::ok(rss(&format!("<item{attributes}><title>x</title></item>"))), "too_many_attributes"),
        ("bomb", gzip(vec![b' '; 1 << 20], 24), "too_large"),
        ("length", Reply::ok("<rss/>").with("Content-Length", "1000000000000"), "too_large"),
        ("laughs", Reply::ok(format!("{laughs}{}", rss("<item><title>&b;</title></item>"))), ""),
        ("page", Reply::ok("<!DOCTYPE html><html><body><form>Log in</form></body></html>"), "html_page"),
        ("empty", Reply::ok(""), "empty"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_feeds_are_refused_by_name_and_spoil_nothing() {
    let receiver = Receiver::start().await;
    let feeds = FeedServer::start().await;
    // A debug build on a crowded machine needs its time: what is refused must not be refused for that.
    let mut config = "[limits]\nparse_time_max = \"60s\"\n".to_owned();
    let documents = documents();
    for (id, reply, _) in &documents {
        let reply = reply.clone();
        feeds.on(&format!("/{id}"), move |_| reply.clone());
        config += &feed(&feeds, id);
    }
    // These two hold a connection for as long as they are let.
    feeds.on("/silent", |_| Reply::Silent);
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n\r\n<rss>".to_vec();
    let pause = Duration::from_millis(100);
    feeds.on("/drip", move |_| Reply::Endless { head: head.clone(), piece: b" ".to_vec(), pause });
    for id in ["silent", "drip", "good-1", "good-2"] {
        config += &feed(&feeds, id);
    }
    feeds.feed("/good-1", "\"1\"", &rss_articles(100..103));
    feeds.feed("/good-2", "\"1\"", &rss_articles(200..203));
    let room = Newsroom::new(&receiver, &config);
    // Room for 800,000 attributes as they are.
    room.reconfigure("host_spacing", "wire_max = \"16MiB\"\nhost_spacing");
    let clock = Clock::manual(START);
    let app = room.start(&clock).await;
    receiver.wait_for(6).await;

    until("every hostile feed has failed", || {
        documents
            .iter()
            .filter(|(id, _, expected)| *id != "laughs" && !expected.is_empty())
            .all(|(id, ..)| app.store.feed(id).expect("read").is_some_and(|state| state.polls > 0))
    })
    .await;
    for (id, _, expected) in &documents {
        let state = app.store.feed(id).expect("read");
        let refused = app.store.rejections(Some(id), 10).expect("read");
        let named: Vec<String> = refused
            .iter()
            .map(|r| r.reason.clone())
            .chain(state.iter().filter_map(|s| s.failure).map(|f| f.as_str().to_owned()))
            .chain(state.iter().filter_map(|s| s.error.clone()))
            .collect();
        let words = named.join(" | ").replace('-', "_");
        println!("{id}: {words}");
        assert!(words.contains(expected), "{id} is not refused as {expected}: {words}");
    }

    // News in a good feed, while two others are still held up.
    feeds.feed("/good-1", "\"2\"", &rss_articles(100..104));
    let before = feeds.asked("/good-1").len();
    clock.advance(INTERVAL);
    receiver.wait_for(7).await;
    assert_eq!(feeds.asked("/good-1").len(), before + 1, "asked once when it was due");
    assert_eq!(feeds.asked("/good-1")[before].header_text("if-none-match").as_deref(), Some("\"1\""));
    room.drop_file("control.txt", &article(7));
    receiver.wait_for(8).await;
    until("all recorded", || pending(&app.store) == 0).await;
    stop(app).await;
    let told = told(&receiver.received(), None);
    assert_eq!(told.alerts(), firsts((100..104).chain(200..203).chain([7])));
    assert_eq!(told.repeats, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feed_read_once_is_not_read_again_after_a_restart() {
    let receiver = Receiver::start().await;
    let feeds = FeedServer::start().await;
    feeds.feed("/wire", "\"1\"", &rss_articles(0..5));
    let room = Newsroom::new(&receiver, &feed(&feeds, "wire"));
    let clock = Clock::manual(START);
    let app = room.start(&clock).await;
    receiver.wait_for(5).await;
    let state = app.store.feed("wire").expect("read").expect("stored with its items");
    assert_eq!(state.etag.as_deref(), Some(&b"\"1\""[..]));
    assert_eq!(number(&app.store, "SELECT count(*) FROM items"), 5);
    clock.advance(INTERVAL);
    until("a second poll", || app.store.feed("wire").expect("read").expect("there").polls == 2).await;
    until("all recorded", || pending(&app.store) == 0).await;
    stop(app).await;

    // Not due yet: a restart polls nothing. Due: it asks for changes only, and knows all it sees.
    let app = room.start(&clock).await;
    room.drop_file("control.txt", &article(7));
    receiver.wait_for(6).await;
    assert_eq!(feeds.asked("/wire").len(), 2, "polled before it was due");
    feeds.feed("/wire", "\"2\"", &rss_articles((0..5).chain([9])));
    clock.advance(2 * INTERVAL);
    receiver.wait_for(7).await;
    until("all recorded", || pending(&app.store) == 0).await;
    let asked = feeds.asked("/wire");
    let conditions: Vec<_> = asked.iter().map(|a| a.header_text("if-none-match").unwrap_or_default()).collect();
    assert_eq!(conditions[..3], ["", "\"1\"", "\"1\""]);
    assert_eq!(app.store.totals().expect("read").items, 7);
    stop(app).await;
    let told = told(&receiver.received(), None);
    assert_eq!(told.alerts(), firsts((0..5).chain([7, 9])));
    assert_eq!(told.repeats, 0);
}
