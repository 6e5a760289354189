//! The fault cases of feeds that `hostile` does not have: documents that are odd and still read, and
//! servers that change their minds. Each against a real server and a whole program; after each, control
//! items come through, the store holds what was served, and every alert has one id.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wirewatch::app::App;
use wirewatch::clock::Clock;
use wirewatch::model::Timestamp;

use super::crash::Daemon;
use super::feed_server::{FeedServer, Reply, rss, rss_articles};
use super::newsroom::{Newsroom, article, body, number, pending, stop, title, told, until};
use super::receiver::Receiver;

const START: Timestamp = Timestamp::from_seconds(1_742_198_531);
const INTERVAL: Duration = Duration::from_secs(60);

fn feed(feeds: &FeedServer, id: &str) -> String {
    format!(
        "[[feeds]]\nid = \"{id}\"\nurl = \"{}\"\ninterval = \"60s\"\nbackfill = \"all\"\nallow_private = [\"127.0.0.0/8\"]\n",
        feeds.url(&format!("/{id}"))
    )
}

/// One feed under test and a control feed, in a running program.
struct Bench {
    receiver: Receiver,
    feeds: FeedServer,
    room: Newsroom,
    clock: Clock,
    app: App,
    control: u64,
    /// Whether the first poll, which comes by itself, was waited for.
    begun: AtomicBool,
}

impl Bench {
    async fn start(serve: impl FnOnce(&FeedServer)) -> Self {
        let (receiver, feeds) = (Receiver::start().await, FeedServer::start().await);
        serve(&feeds);
        feeds.feed("/control", "\"0\"", &rss_articles(500..501));
        let quiet = "[defaults.endpoint]\nsource_alerts = false\n".to_owned();
        let config = [quiet, feed(&feeds, "case"), feed(&feeds, "control")].concat();
        let room = Newsroom::new(&receiver, &config);
        let clock = Clock::manual(START);
        let app = room.start(&clock).await;
        Self { receiver, feeds, room, clock, app, control: 500, begun: AtomicBool::new(false) }
    }

    fn polls(&self) -> u64 {
        self.app.store.feed("case").expect("read").map_or(0, |state| state.polls)
    }

    /// The next poll of the feed under test.
    async fn poll(&self) {
        if !self.begun.swap(true, Ordering::Relaxed) {
            // It may be over already.
            return until("the first poll", || self.polls() > 0).await;
        }
        let before = self.polls();
        self.clock.advance(INTERVAL.max(self.wait()));
        until("a poll", || self.polls() > before).await;
    }

    fn wait(&self) -> Duration {
        let state = self.app.store.feed("case").expect("read");
        state.map_or(Duration::ZERO, |state| state.next_poll_at.since(self.clock.now()))
    }

    fn items(&self) -> i64 {
        number(&self.app.store, "SELECT count(*) FROM items WHERE source = 'case'")
    }

    fn failure(&self) -> String {
        let state = self.app.store.feed("case").expect("read").expect("polled");
        state.failure.map_or("none", |failure| failure.as_str()).to_owned()
    }

    /// Waits for what a poll brings. Time goes on meanwhile: a poll that was under way when the clock was moved
    /// counts its interval from there.
    async fn until_polled(&self, what: &str, holds: impl Fn() -> bool) {
        let mut looks = 0;
        until(what, || {
            looks += 1;
            if looks % 100 == 0 {
                self.clock.advance(INTERVAL);
            }
            holds()
        })
        .await;
    }

    /// The standard check: a control item and a control file come through, each alert once.
    async fn check(mut self) {
        self.control += 1;
        self.feeds.feed("/control", &format!("\"{}\"", self.control), &rss_articles(500..=self.control));
        self.clock.advance(INTERVAL);
        self.room.drop_file("control.txt", &article(900));
        self.until_polled("the control items", || {
            let control = "SELECT count(*) FROM items WHERE source IN ('control', 'seeds')";
            number(&self.app.store, control) == (self.control - 500 + 2) as i64
        })
        .await;
        until("all told", || pending(&self.app.store) == 0).await;
        stop(self.app).await;
        let told = told(&self.receiver.received(), None);
        let alerts = told.alerts();
        for n in [self.control, 900] {
            assert!(alerts.contains(&("levee".to_owned(), title(n), "first".to_owned())), "{n} is missing");
        }
        assert_eq!(told.repeats, 0);
    }
}

fn item(n: u64) -> String {
    format!("<item><guid>{n}</guid><title>{}</title><description>{}</description></item>", title(n), body(n))
}

fn channel(inside: &str) -> String {
    format!("<rss version=\"2.0\"><channel><title>Case</title>{inside}</channel></rss>")
}

/// Serves one document for good; that many items of it must be stored.
async fn reads(what: &str, reply: Reply, items: i64) -> Bench {
    let bench = Bench::start(|feeds| feeds.script("/case", [reply])).await;
    bench.poll().await;
    assert_eq!(bench.failure(), "none", "{what}");
    assert_eq!(bench.items(), items, "{what}");
    bench
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_entities_and_doctypes_are_read_without_expanding_or_fetching_anything() {
    let declared = |subset: &str, n: u64| {
        format!(
            "<?xml version=\"1.0\"?><!DOCTYPE rss {subset}>{}",
            channel(&item(n).replace("The levee", "&x; The levee"))
        )
    };
    let xxe = declared("[<!ENTITY x SYSTEM \"file:///etc/passwd\">]", 1);
    let bench = reads("xxe", Reply::ok(xxe), 1).await;
    let leaked = "SELECT count(*) FROM texts WHERE body LIKE '%root:%'";
    assert_eq!(number(&bench.app.store, leaked), 0);
    // A DTD elsewhere, on a server that would tell: it is never asked.
    let dtd = bench.feeds.url("/dtd");
    bench
        .feeds
        .script("/case", [Reply::ok(declared(&format!("SYSTEM \"{dtd}\" [<!ENTITY % p SYSTEM \"{dtd}\"> %p;]"), 2))]);
    bench.poll().await;
    assert_eq!((bench.items(), bench.feeds.asked("/dtd").len()), (2, 0));
    // The DOCTYPE that RSS 0.91 asks for.
    let netscape = "PUBLIC \"-//Netscape Communications//DTD RSS 0.91//EN\" \"http://my.netscape.com/publish/formats/rss-0.91.dtd\"";
    let old = declared(netscape, 3).replace("version=\"2.0\"", "version=\"0.91\"");
    bench.feeds.script("/case", [Reply::ok(old)]);
    bench.poll().await;
    assert_eq!((bench.items(), bench.failure().as_str()), (3, "none"));
    bench.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_depth_of_a_hundred_thousand_anywhere_is_refused_by_name() {
    let deep = "<a>".repeat(100_000);
    let bench = Bench::start(|feeds| {
        let places = [
            channel(&deep),
            channel(&format!("<item><title>{deep}</title></item>")),
            format!("<rss>{deep}"),
            format!("<feed xmlns=\"http://www.w3.org/2005/Atom\"><entry><content type=\"xhtml\">{deep}</content></entry></feed>"),
            format!("{{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":[{{\"id\":\"1\",\"x\":{}", "{\"a\":".repeat(100_000)),
        ];
        feeds.script("/case", places.map(Reply::ok));
    })
    .await;
    for place in 0..5 {
        bench.poll().await;
        assert_eq!(bench.failure(), "parse", "place {place}");
    }
    let refused = &bench.app.store.rejections(Some("case"), 9).expect("read");
    let named: Vec<_> = refused.iter().map(|r| (r.reason.as_str(), r.count)).collect();
    assert_eq!(named, [("too-deep", 5)]);
    let failures = bench.app.store.feed_failures("case").expect("read");
    assert_eq!((failures[0].class.as_str(), failures[0].count), ("parse", 5));
    bench.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_document_without_items_after_fifty_is_no_failure_and_loses_nothing() {
    let fifty: String = (0..50).map(item).collect();
    let bench = Bench::start(|feeds| {
        feeds.script("/case", [Reply::ok(channel(&fifty)), Reply::ok(channel("")), Reply::ok(channel(&fifty))]);
    })
    .await;
    for _ in 0..3 {
        bench.poll().await;
        assert_eq!((bench.failure().as_str(), bench.items()), ("none", 50));
    }
    bench.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_items_without_ids_are_the_same_at_every_poll_and_after_a_restart() {
    let bare = |n: u64| item(n).replace(&format!("<guid>{n}</guid>"), "");
    let two = channel(&[bare(1), bare(2)].concat());
    let bench = Bench::start(|feeds| {
        // Other bytes each time, or the body would not be read at all.
        let next = std::sync::atomic::AtomicU32::new(0);
        feeds.on("/case", move |_| {
            let n = next.fetch_add(1, Ordering::Relaxed);
            Reply::ok(format!("{two}<!-- {n} -->"))
        });
    })
    .await;
    bench.poll().await;
    bench.poll().await;
    let Bench { receiver, feeds, room, clock, app, control, begun } = bench;
    stop(app).await;
    let app = room.start(&clock).await;
    let bench = Bench { receiver, feeds, room, clock, app, control, begun };
    bench.poll().await;
    assert_eq!(bench.items(), 2);
    bench.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_body_cut_in_each_way_fails_by_name_or_keeps_whole_items() {
    let whole = channel(&[item(1), item(2), item(3)].concat());
    let cut = &whole[..whole.find("<guid>3").expect("a third item") + 40];
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, whole.as_bytes()).expect("memory");
    let packed = encoder.finish().expect("memory");
    let packed = Reply::ok(&packed[..packed.len() - 60]).with("Content-Encoding", "gzip");
    let short = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{cut}", whole.len());
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{cut}\r\n", cut.len());
    let (short, chunked) = (Reply::Raw(short.into_bytes()), Reply::Raw(chunked.into_bytes()));
    let bench =
        Bench::start(|feeds| feeds.script("/case", [short, chunked, packed, Reply::ok(cut), Reply::ok(whole.clone())]))
            .await;
    for (way, failure, items) in [
        ("less than its Content-Length", "reset", 0),
        ("chunks without an end", "reset", 0),
        ("a gzip stream without an end", "encoding", 0),
        ("the document itself", "none", 2),
        ("not at all", "none", 3),
    ] {
        bench.poll().await;
        assert_eq!((bench.failure().as_str(), bench.items()), (failure, items), "{way}");
    }
    bench.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_one_bad_item_among_fifty_costs_one_item() {
    let bad = "<item><guid>bad</guid><title>&bogus; <b>&#0; \u{1}</title><description><![CDATA[x</description></item>";
    let items: String = (0..49).map(item).collect();
    let bench = reads("bad last", Reply::ok(channel(&format!("{items}{bad}"))), 49).await;
    let lost = &bench.app.store.rejections(Some("case"), 9).expect("read")[0];
    assert_eq!((lost.reason.as_str(), lost.count), ("malformed", 1), "{}", lost.detail);
    // In the middle, with its tags whole: nothing is lost at all.
    let (first, second): (String, String) = ((100..125).map(item).collect(), (125..149).map(item).collect());
    let odd =
        "<item><guid>odd</guid><title>Tide &bogus; < 3 & \u{1}rising</title><description>AT&T</p></description></item>";
    bench.feeds.script("/case", [Reply::ok(channel(&[first.as_str(), odd, &second].concat()))]);
    bench.poll().await;
    assert_eq!(bench.items(), 49 + 50);
    bench.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_encodings_are_read_as_they_are_and_not_as_they_are_sold() {
    let text = |n: u64| channel(&item(n).replace("levee holds", "levee holds in Çeşme, café").replace('ş', "s"));
    let latin = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).expect("latin")).collect::<Vec<u8>>();
    let prolog = |encoding: &str, text: &str| format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>{text}");
    let utf16: Vec<u8> = [0xfeffu16].into_iter().chain(text(3).encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let mut cp1252 = latin(&prolog("utf-8", &text(2)));
    cp1252.extend(b"<!-- \x93\x94\x80 -->");
    let replies = [
        Reply::ok(latin(&prolog("iso-8859-1", &text(1)))),
        Reply::ok(cp1252).with("Content-Type", "application/rss+xml; charset=utf-8"),
        Reply::ok(utf16),
        // The header knows better than the prolog.
        Reply::ok(latin(&prolog("koi8-r", &text(4)))).with("Content-Type", "text/xml; charset=iso-8859-1"),
    ];
    let bench = Bench::start(|feeds| feeds.script("/case", replies)).await;
    for n in 1..=4 {
        bench.poll().await;
        assert_eq!((bench.failure().as_str(), bench.items()), ("none", n));
    }
    let right = "SELECT count(*) FROM items WHERE source = 'case' AND title LIKE '%Çesme, café%'";
    assert_eq!(number(&bench.app.store, right), 4);
    bench.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_wrong_answers_one_after_the_other_are_named_and_the_feed_recovers() {
    let answers = |feeds: &FeedServer| {
        let here = |scheme: &str| format!("{scheme}://127.0.0.1:{}/elsewhere", feeds.port());
        vec![
            (Reply::ok(channel(&item(9))).with("Content-Encoding", "br"), "encoding"),
            (Reply::ok("").with("X-Long", &"x".repeat(10 << 20)), "too-large"),
            (Reply::redirect(302, "/case"), "redirect"),
            (Reply::redirect(302, "ftp://127.0.0.1/case"), "redirect"),
            (Reply::redirect(302, "file:///etc/hostname"), "redirect"),
            (Reply::redirect(302, "http://0x0a000001/case"), "private-address"),
            (Reply::redirect(302, &here("https")), "tls"),
            (Reply::ok("<!DOCTYPE html><html><body>Log in</body></html>"), "html-page"),
            (Reply::ok(""), "parse"),
            (Reply::status(401), "unauthorized"),
            (Reply::status(404), "not-found"),
            (Reply::status(500), "server-error"),
            (Reply::Reset, "reset"),
        ]
    };
    let bench = Bench::start(|feeds| {
        let replies = answers(feeds).into_iter().map(|(reply, _)| reply);
        feeds.script("/case", replies.chain([Reply::ok(channel(&[item(1), item(2)].concat()))]));
    })
    .await;
    for (_, named) in answers(&bench.feeds) {
        bench.poll().await;
        assert_eq!((bench.failure().as_str(), bench.items()), (named, 0));
    }
    bench.poll().await;
    assert_eq!((bench.failure().as_str(), bench.items()), ("none", 2));
    bench.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_gone_stays_gone_beside_feeds_that_go_on() {
    let bench = Bench::start(|feeds| {
        feeds.script("/case", [Reply::ok(channel(&item(1))), Reply::status(410), Reply::ok(channel(&item(2)))]);
    })
    .await;
    bench.poll().await;
    bench.poll().await;
    assert_eq!((bench.failure().as_str(), bench.items()), ("gone", 1));
    for _ in 0..3 {
        let before = bench.feeds.asked("/control").len();
        bench.clock.advance(INTERVAL * 60 * 24);
        bench.until_polled("the other feed is polled", || bench.feeds.asked("/control").len() > before).await;
    }
    assert_eq!(bench.feeds.asked("/case").len(), 2, "nobody has enabled it again");
    bench.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_moved_once_is_not_believed() {
    let bench = Bench::start(|feeds| {
        feeds.script("/case", [Reply::redirect(301, "/elsewhere"), Reply::ok(channel(&item(1)))]);
        feeds.script("/elsewhere", [Reply::ok(channel(&item(2)))]);
    })
    .await;
    bench.poll().await;
    bench.poll().await;
    let state = bench.app.store.feed("case").expect("read").expect("there");
    assert_eq!((state.moved, bench.items()), (None, 2));
    for _ in 0..3 {
        bench.poll().await;
    }
    assert_eq!((bench.feeds.asked("/case").len(), bench.feeds.asked("/elsewhere").len()), (5, 1));
    bench.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_rate_limit_of_one_host_delays_no_other() {
    let bench = Bench::start(|feeds| {
        feeds.script("/case", [Reply::status(429).with("Retry-After", "86400"), Reply::ok(channel(&item(1)))]);
    })
    .await;
    bench.poll().await;
    assert_eq!(bench.failure(), "rate-limited");
    let before = bench.feeds.asked("/control").len();
    for round in 1..=3 {
        bench.clock.advance(INTERVAL);
        let asked = || bench.feeds.asked("/control").len() >= before + round;
        bench.until_polled("the other feed is polled", asked).await;
    }
    assert_eq!(bench.feeds.asked("/case").len(), 1, "asked again before it may be");
    bench.poll().await;
    assert_eq!((bench.failure().as_str(), bench.items()), ("none", 1));
    bench.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_304_for_ever_with_a_kill_in_between_loses_no_item() {
    // 200 with an ETag once, then 304 for ever: what was read before the kill must be stored with it.
    let (receiver, feeds) = (Receiver::start().await, FeedServer::start().await);
    feeds.feed("/case", "\"only\"", &rss_articles(0..5));
    let config = feed(&feeds, "case").replace("60s", "1s");
    let room = Newsroom::new(&receiver, &config);
    let mut daemon = Daemon::start(&room, Some("feed-read"));
    daemon.ended().await;
    assert_eq!(feeds.asked("/case").len(), 1, "it was killed with the document in hand");
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    receiver.wait_for(5).await;
    until("only 304s follow", || feeds.asked("/case").len() >= 4).await;
    assert_eq!(daemon.stop().await, Some(0));
    let conditions: Vec<bool> =
        feeds.asked("/case").iter().map(|asked| asked.header("if-none-match").is_some()).collect();
    assert_eq!(conditions[..4], [false, false, true, true]);
    assert_eq!(number(&room.store(), "SELECT count(*) FROM items"), 5);
}

/// A figure from `/proc/PID/status`, in KiB.
fn status(pid: i32, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a figure");
    line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse().expect("a number")
}

fn descriptors(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_leave_memory_and_descriptors_as_they_were() {
    let (receiver, feeds) = (Receiver::start().await, FeedServer::start().await);
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n\r\n".to_vec();
    let drip = |piece: Vec<u8>, pause| Reply::Endless { head: head.clone(), piece, pause };
    let cases = [
        ("silent", Reply::Silent),
        ("drip", drip(b" ".to_vec(), Duration::from_millis(100))),
        ("flood", drip(vec![b'x'; 64 << 10], Duration::ZERO)),
        ("reset", Reply::Reset),
        ("headers", Reply::ok("").with("X-Long", &"x".repeat(10 << 20))),
        ("deep", Reply::ok(channel(&"<a>".repeat(100_000)))),
        ("big", Reply::ok(channel(&"<item><title>x</title></item>".repeat(100_000)))),
        ("loop", Reply::redirect(302, "/loop2")),
        ("loop2", Reply::redirect(302, "/loop")),
    ];
    let mut config = String::new();
    for (id, reply) in &cases {
        feeds.script(&format!("/{id}"), [reply.clone()]);
        config += &feed(&feeds, id).replace("60s", "1s");
    }
    config += &feed(&feeds, "control").replace("60s", "1s");
    feeds.feed("/control", "\"0\"", &rss_articles(500..501));
    let room = Newsroom::new(&receiver, &config);
    room.reconfigure("host_spacing", "interval_ceiling = \"1m\"\ntotal_timeout = \"1s\"\nhost_spacing");
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    receiver.wait_for(1).await;
    let pid = daemon.pid();
    until("each was tried twice", || cases.iter().all(|(id, _)| feeds.asked(&format!("/{id}")).len() >= 2)).await;
    let worst = status(pid, "VmHWM");
    // All is well again: every connection that hung is closed.
    for (id, _) in &cases {
        feeds.script(&format!("/{id}"), [Reply::ok(rss(&[]))]);
    }
    feeds.feed("/control", "\"1\"", &rss_articles(500..502));
    room.drop_file("control.txt", &article(900));
    receiver.wait_for(3).await;
    until("descriptors are given back", || descriptors(pid) < 40).await;
    println!("at most {worst} KiB, {} descriptors in the end", descriptors(pid));
    assert!(worst < 400 << 10, "{worst} KiB in a debug build");
    assert_eq!(daemon.stop().await, Some(0));
}
