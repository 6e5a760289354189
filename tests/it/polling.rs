//! Feeds polled over real sockets: what is asked, what is sent on, what is remembered, and that
//! nothing is remembered before it is durable. The fake `ingest` here says when that is.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use url::Url;
use wirewatch::clock::Clock;
use wirewatch::model::{Cursor, FeedFailure, FeedState, RejectReason, SourceId, Timestamp};
use wirewatch::net::{Cidr, Client};
use wirewatch::source::feed::last_documents::{ItemFingerprint, LastDocuments};
use wirewatch::source::feed::polling::counters::PollCounters;
use wirewatch::source::feed::polling::look::FeedInspector;
use wirewatch::source::feed::polling::poller::{PollReport, PollSelection, Poller, PollerLinks};
use wirewatch::source::feed::polling::rules::{self, PollRules};
use wirewatch::source::feed::{Backfill, FeedConfig, FullText, PollingConfig, SpacingScope};
use wirewatch::source::parser::Parser;
use wirewatch::source::websub::PollHubs;
use wirewatch::source::{Batch, IngestMessage, IngestSender, Limits, Receipt};

use crate::feed_server::{Asked, FeedServer, Reply, rss};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
pub const INTERVAL: Duration = Duration::from_secs(900);
/// Nothing waits this long unless it hangs.
pub const HANGS: Duration = Duration::from_secs(180);

pub fn name(text: &str) -> SourceId {
    SourceId::new(text).expect("a name")
}

pub fn feed(id: &str, url: &str) -> FeedConfig {
    FeedConfig {
        interval: INTERVAL,
        allow_private: vec![Cidr::parse("127.0.0.0/8").expect("a range")],
        ..FeedConfig::new(name(id), Url::parse(url).expect("a URL"))
    }
}

pub fn polling() -> PollingConfig {
    PollingConfig {
        fetches_max: 16,
        fetches_per_host_max: 16,
        host_spacing: Duration::ZERO,
        spacing_scope: SpacingScope::Host,
        pages_per_hour_max: 100,
        pages_per_feed_max: 100,
        interval_floor: MINUTE,
        interval_ceiling: DAY,
        start_spread: Duration::ZERO,
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(10),
        redirects_max: 5,
        wire_bytes_max: 1 << 20,
        header_bytes_max: 64 << 10,
        user_agent: "wirewatch-test (+https://example.org)".to_owned(),
        ca_file: None,
        proxy: None,
    }
}

pub fn limits() -> Limits {
    Limits {
        decoded_bytes_max: 4 << 20,
        items_max: 2000,
        depth_max: 128,
        attributes_max: 1000,
        item_text_bytes_max: 64 << 10,
        // A debug build on a crowded machine takes long; what takes too long is tried elsewhere.
        parse_time_max: Duration::from_secs(120),
    }
}

/// A poller's surroundings: server, clock, and a store that is a list.
pub struct Bench {
    pub server: FeedServer,
    /// Shared by all pollers of a test: reading the system's root certificates takes its time.
    pub client: Client,
    pub clock: Clock,
    pub polling: PollingConfig,
    pub limits: Limits,
    pub states: Vec<FeedState>,
    pub counters: Arc<PollCounters>,
    pub hubs: Option<PollHubs>,
    pub last_documents: LastDocuments,
}

/// One poll: the report, and the batch as `ingest` got it.
pub struct Polled {
    pub report: PollReport,
    pub batch: Batch,
}

impl Polled {
    pub fn failure(&self) -> Option<FeedFailure> {
        self.report.failure.as_ref().map(|(class, _)| *class)
    }

    pub fn words(&self) -> &str {
        self.report.failure.as_ref().map_or("", |(_, words)| words.as_str())
    }

    pub fn loud(&self) -> Vec<&str> {
        self.batch.items.iter().filter(|item| !item.quiet).map(|item| item.key.as_str()).collect()
    }
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(polling()).await
    }

    pub async fn with(polling: PollingConfig) -> Self {
        Self {
            server: FeedServer::start().await,
            client: rules::client(&polling).expect("a client"),
            polling,
            clock: Clock::manual(Timestamp::parse("2025-03-17T08:00:00Z").expect("a time")),
            limits: limits(),
            states: Vec::new(),
            counters: Arc::default(),
            hubs: None,
            last_documents: LastDocuments::default(),
        }
    }

    /// What a poller of these feeds works by.
    pub fn rules(&self, feeds: Vec<FeedConfig>, states: Vec<FeedState>) -> PollRules {
        PollRules {
            feeds: feeds.into_iter().map(Arc::new).collect(),
            polling: self.polling.clone(),
            limits: self.limits,
            client: self.client.clone(),
            states,
        }
    }

    pub fn poller(&self, feeds: Vec<FeedConfig>, ingest: IngestSender) -> Poller {
        let links = PollerLinks {
            ingest,
            parser: Parser::new(2),
            clock: self.clock.clone(),
            hold: watch::channel(false).1,
            counters: self.counters.clone(),
            known: Arc::new(|_| Some(HashSet::new())),
            hubs: self.hubs.clone(),
            last_documents: self.last_documents.clone(),
        };
        Poller::new(self.rules(feeds, self.states.clone()), links)
    }

    /// Polls once with a poller of its own, as after a restart; `accept` says whether the batch becomes durable.
    pub async fn poll_once(&mut self, feed: &FeedConfig, which: PollSelection, accept: bool) -> Option<Polled> {
        let (sender, mut batches) = mpsc::channel::<IngestMessage>(8);
        let poller = self.poller(vec![feed.clone()], sender);
        let ingest = tokio::spawn(async move {
            let mut batch = batches.recv().await?.into_batch()?;
            let receipt = batch.receipt.take()?;
            if accept {
                let _ = receipt.send(Receipt { new: batch.items.len() as u64, ..Receipt::default() });
            }
            Some(batch)
        });
        let cancel = CancellationToken::new();
        let reports = tokio::time::timeout(HANGS, poller.poll_once(&which, &cancel)).await.expect("an end");
        let batch = ingest.await.expect("no panic")?;
        if let (true, Cursor::Feed(state)) = (accept, &batch.cursor) {
            self.states.retain(|known| known.source != state.source);
            self.states.push((**state).clone());
        }
        Some(Polled { report: reports.into_iter().next().expect("a report"), batch })
    }

    /// Polls whether it is due or not.
    pub async fn poll(&mut self, feed: &FeedConfig) -> Polled {
        let named = PollSelection::Named(HashSet::from([feed.id.clone()]));
        self.poll_once(feed, named, true).await.expect("a poll")
    }

    /// Polls if it is due.
    pub async fn poll_due(&mut self, feed: &FeedConfig) -> Option<Polled> {
        self.poll_once(feed, PollSelection::Due, true).await
    }

    pub fn state(&self) -> &FeedState {
        self.states.first().expect("a stored state")
    }

    pub fn wait(&self) -> Duration {
        self.state().next_poll_at.since(self.clock.now())
    }

    pub fn url(&self, path: &str) -> String {
        self.server.url(path)
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub const TWO: &[(&str, &str)] = &[("1", "Bridge reopens after repair"), ("2", "Harbour fees to rise")];

#[tokio::test]
async fn poll_first_asks_for_all_and_then_sends_the_validators_back_verbatim() {
    let mut bench = Bench::new().await;
    let etag = "W/\"odd;tag \u{e9}\"";
    let seen = "yesterday, roughly";
    let body = rss(TWO);
    bench.server.on("/feed", move |asked| {
        let same = asked.header("if-none-match") == Some(etag.as_bytes());
        if same { Reply::status(304) } else { Reply::ok(body.clone()).with("ETag", etag).with("Last-Modified", seen) }
    });
    let feed = feed("wire", &bench.url("/feed"));
    let first = bench.poll(&feed).await;
    assert_eq!((first.batch.items.len(), first.report.items, first.failure()), (2, Some(2), None));
    assert_eq!(first.batch.items[0].key.as_str(), "1");
    let second = bench.poll(&feed).await;
    assert_eq!((second.batch.items.len(), second.report.items, second.failure()), (0, None, None));
    let asked = bench.server.asked("/feed");
    assert_eq!((asked[0].header("if-none-match"), asked[0].header("if-modified-since")), (None, None));
    assert_eq!(asked[1].header("if-none-match"), Some(etag.as_bytes()));
    assert_eq!(asked[1].header("if-modified-since"), Some(seen.as_bytes()));
    assert_eq!(asked[0].header_text("user-agent"), Some("wirewatch-test (+https://example.org)".to_owned()));
    assert!(
        asked[0].header_text("accept").is_some_and(|accept| accept.contains("rss") && accept.ends_with("*/*;q=0.1"))
    );
    assert!(asked[0].header_text("accept-encoding").is_some_and(|accepted| accepted.contains("gzip")));
    assert_eq!((asked[0].header("cookie"), asked[0].header("referer")), (None, None));
    assert_eq!((bench.state().polls, bench.state().title.as_deref()), (2, Some("Example wire")));
}

#[tokio::test]
async fn poll_not_accepted_keeps_the_old_validators() {
    let mut bench = Bench::new().await;
    bench.server.feed("/feed", "\"a\"", &rss(TWO));
    let feed = feed("wire", &bench.url("/feed"));
    let refused = bench.poll_once(&feed, PollSelection::Due, false).await.expect("a poll");
    assert_eq!((refused.batch.items.len(), refused.report.receipt), (2, None));
    let again = bench.poll_due(&feed).await.expect("still due");
    assert_eq!(again.batch.items.len(), 2, "the items come again");
    assert!(bench.server.asked("/feed").iter().all(|asked| asked.header("if-none-match").is_none()));
}

#[tokio::test]
async fn poll_before_its_time_does_not_happen_even_after_a_restart() {
    let mut bench = Bench::new().await;
    bench.server.feed("/feed", "\"a\"", &rss(TWO));
    let feed = feed("wire", &bench.url("/feed"));
    assert!(bench.poll_due(&feed).await.is_some());
    bench.clock.advance(INTERVAL.saturating_sub(SECOND));
    assert!(bench.poll_due(&feed).await.is_none());
    bench.clock.advance(SECOND);
    assert!(bench.poll_due(&feed).await.is_some());
    assert_eq!(bench.server.asked("/feed").len(), 2);
}

#[tokio::test]
async fn poll_same_bytes_without_validators_are_not_parsed_again() {
    let mut bench = Bench::new().await;
    bench
        .server
        .script("/feed", [Reply::ok(rss(TWO)), Reply::ok(gzip(rss(TWO).as_bytes())).with("Content-Encoding", "gzip")]);
    let feed = feed("wire", &bench.url("/feed"));
    assert_eq!(bench.poll(&feed).await.report.items, Some(2));
    let same = bench.poll(&feed).await;
    assert_eq!((same.report.items, same.failure()), (None, None));
    let totals = bench.counters.totals();
    assert_eq!((totals.polls, totals.documents, totals.unchanged, totals.items), (2, 1, 1, 2));
}

#[tokio::test]
async fn poll_reads_what_is_new_alone_where_the_rest_is_remembered() {
    let three = [("3", "Tide tables printed"), TWO[0], TWO[1]];
    for (full_text, read) in [(FullText::Off, 1), (FullText::On, 3)] {
        let mut bench = Bench::new().await;
        bench.server.script("/feed", [Reply::ok(rss(TWO)), Reply::ok(rss(&three))]);
        let feed = FeedConfig { full_text, ..feed("wire", &bench.url("/feed")) };
        let first = bench.poll(&feed).await;
        let remembered = first.batch.items.iter().map(ItemFingerprint::of).collect();
        bench.last_documents.replace(&first.batch.origin, remembered);
        let second = bench.poll(&feed).await;
        assert_eq!((second.batch.items.len(), second.batch.unchanged.len()), (read, 3 - read), "{full_text:?}");
        assert_eq!((second.report.items, bench.state().items_last), (Some(3), 3), "it has three all the same");
        assert_eq!(bench.counters.totals().items, 5);
    }
}

#[tokio::test]
async fn poll_document_cut_off_is_asked_for_again_without_its_validators() {
    let mut bench = Bench::new().await;
    let whole = rss(TWO);
    let cut = &whole[..whole.rfind("<item>").expect("an item") + 8];
    let tagged = |body: &str| Reply::ok(body).with("ETag", "\"a\"");
    bench.server.script("/feed", [tagged(cut), tagged(cut), tagged(&whole), tagged(&whole)]);
    let feed = feed("wire", &bench.url("/feed"));
    for (items, etag) in [(1, None), (1, None), (2, Some(&b"\"a\""[..]))] {
        assert_eq!(bench.poll(&feed).await.report.items, Some(items));
        assert_eq!(bench.state().etag.as_deref(), etag);
    }
    bench.poll(&feed).await;
    let asked: Vec<_> = bench.server.asked("/feed").iter().map(|asked| asked.header_text("if-none-match")).collect();
    assert_eq!(asked, [None, None, None, Some("\"a\"".to_owned())]);
}

#[tokio::test]
async fn poll_first_document_is_quiet_as_backfill_says_and_later_ones_are_not() {
    let mut bench = Bench::new().await;
    let three: &[_] = &[TWO[0], TWO[1], ("3", "Ferry line extended")];
    for (backfill, expected) in
        [(Backfill::None, vec![]), (Backfill::Newest(1), vec!["1"]), (Backfill::All, vec!["1", "2"])]
    {
        bench.states.clear();
        bench.server.script("/feed", [Reply::ok(rss(TWO)), Reply::ok(rss(three))]);
        let feed = FeedConfig { backfill, ..feed("wire", &bench.url("/feed")) };
        assert_eq!(bench.poll(&feed).await.loud(), expected, "{backfill:?}");
        assert_eq!(bench.poll(&feed).await.loud(), ["1", "2", "3"], "{backfill:?}");
    }
}

#[tokio::test]
async fn poll_broken_first_document_is_no_baseline() {
    let mut bench = Bench::new().await;
    bench.server.script("/feed", [Reply::ok("<html><body>soon</body></html>"), Reply::ok(rss(TWO))]);
    let feed = feed("wire", &bench.url("/feed"));
    assert_eq!(bench.poll(&feed).await.failure(), Some(FeedFailure::HtmlPage));
    assert_eq!(bench.poll(&feed).await.loud(), [""; 0]);
}

#[tokio::test]
async fn poll_changed_url_starts_afresh() {
    let mut bench = Bench::new().await;
    bench.server.feed("/feed", "\"a\"", &rss(TWO));
    bench.server.feed("/other", "\"a\"", &rss(TWO));
    bench.poll(&feed("wire", &bench.url("/feed"))).await;
    let moved = bench.poll_due(&feed("wire", &bench.url("/other"))).await.expect("due at once");
    assert_eq!((moved.batch.items.len(), moved.loud().len()), (2, 0));
    assert_eq!(bench.server.asked("/other")[0].header("if-none-match"), None);
}

#[tokio::test]
async fn poll_every_bad_answer_has_its_class_and_keeps_the_validators() {
    let mut bench = Bench::new().await;
    let challenge = Reply::status(403).with("cf-mitigated", "challenge");
    let bomb = Reply::ok(gzip(&vec![b' '; 8 << 20])).with("Content-Encoding", "gzip");
    let cases = [
        (Reply::status(204), FeedFailure::ClientError),
        (Reply::status(206), FeedFailure::ClientError),
        (Reply::status(400), FeedFailure::ClientError),
        (Reply::status(401), FeedFailure::Unauthorized),
        (Reply::status(403), FeedFailure::Unauthorized),
        (Reply::status(404), FeedFailure::NotFound),
        (Reply::status(429), FeedFailure::RateLimited),
        (Reply::status(500), FeedFailure::ServerError),
        (Reply::status(503), FeedFailure::ServerError),
        (challenge, FeedFailure::Challenge),
        (Reply::ok(""), FeedFailure::Parse),
        (Reply::ok("neither this nor that"), FeedFailure::Parse),
        (Reply::ok("<html>log in</html>").with("ETag", "\"login\""), FeedFailure::HtmlPage),
        (Reply::ok(rss(TWO)).with("Content-Encoding", "br"), FeedFailure::Encoding),
        (Reply::ok(rss(TWO)).with("Content-Encoding", "compress"), FeedFailure::Encoding),
        (bomb, FeedFailure::TooLarge),
        (Reply::ok("x").with("Content-Length", "1000000000000"), FeedFailure::TooLarge),
        (Reply::ok("").with("X-Long", &"x".repeat(10 << 20)), FeedFailure::TooLarge),
        (Reply::Reset, FeedFailure::Reset),
        (Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n<rss>".to_vec()), FeedFailure::Reset),
        (Reply::redirect(302, "/bad"), FeedFailure::Redirect),
        (Reply::redirect(302, "ftp://example.org/feed"), FeedFailure::Redirect),
        (Reply::redirect(302, "file:///etc/passwd"), FeedFailure::Redirect),
        (Reply::status(302), FeedFailure::Redirect),
        (Reply::redirect(302, "http://[::1]/"), FeedFailure::PrivateAddress),
        (Reply::redirect(307, "http://0xa9fea9fe/latest/meta-data"), FeedFailure::PrivateAddress),
    ];
    for (reply, expected) in cases {
        bench.states.clear();
        bench.server.script("/bad", [Reply::ok(rss(TWO)).with("ETag", "\"good\""), reply.clone()]);
        let feed = feed("wire", &bench.url("/bad"));
        assert_eq!(bench.poll(&feed).await.failure(), None);
        let polled = bench.poll(&feed).await;
        let shown = format!("{reply:?}").chars().take(120).collect::<String>();
        assert_eq!(polled.failure(), Some(expected), "{shown}: {}", polled.words());
        assert_eq!(bench.state().etag.as_deref(), Some(b"\"good\"".as_slice()), "{shown}");
        assert_eq!((bench.state().failure, polled.batch.items.len()), (Some(expected), 0), "{shown}");
        assert!(bench.wait() >= INTERVAL, "{shown}");
    }
}

#[tokio::test]
async fn poll_endless_and_slow_bodies_end_at_the_caps() {
    let impatient = PollingConfig {
        total_timeout: Duration::from_millis(400),
        idle_timeout: Duration::from_millis(200),
        ..polling()
    };
    let mut bench = Bench::with(impatient).await;
    let endless = |piece: &[u8], pause| Reply::Endless {
        head: b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n\r\n".to_vec(),
        piece: piece.to_vec(),
        pause,
    };
    for (reply, expected) in [
        (endless(&[b'x'; 8 << 10], Duration::ZERO), FeedFailure::TooLarge),
        (endless(b"x", Duration::from_millis(20)), FeedFailure::Timeout),
        (Reply::Silent, FeedFailure::Timeout),
    ] {
        bench.server.script("/feed", [reply]);
        let polled = bench.poll(&feed("wire", &bench.url("/feed"))).await;
        assert_eq!(polled.failure(), Some(expected), "{}", polled.words());
    }
}

#[tokio::test]
async fn poll_slow_feeds_do_not_hold_up_good_ones() {
    let hurried = PollingConfig { total_timeout: Duration::from_millis(300), fetches_max: 4, ..polling() };
    let bench = Bench::with(hurried).await;
    bench.server.feed("/good", "\"a\"", &rss(TWO));
    bench.server.script("/slow", [Reply::Silent]);
    let mut feeds: Vec<_> = (0..8).map(|n| feed(&format!("slow-{n}"), &bench.url("/slow"))).collect();
    feeds.extend((0..8).map(|n| feed(&format!("good-{n}"), &bench.url("/good"))));
    let (sender, mut batches) = mpsc::channel::<IngestMessage>(8);
    let poller = bench.poller(feeds, sender);
    let ingest = tokio::spawn(async move {
        while let Some(mut batch) = batches.recv().await.and_then(IngestMessage::into_batch) {
            batch.receipt.take().map(|receipt| receipt.send(Receipt::default()));
        }
    });
    let reports = poller.poll_once(&PollSelection::Due, &CancellationToken::new()).await;
    ingest.await.expect("no panic");
    let good = reports.iter().filter(|report| report.items == Some(2)).count();
    assert_eq!((reports.len(), good), (16, 8));
    assert!(bench.server.busy_max() <= 4, "{}", bench.server.busy_max());
}

#[tokio::test]
async fn poll_rate_limited_waits_as_told() {
    let mut bench = Bench::new().await;
    for (retry_after, expected) in [
        (Some("120"), INTERVAL),
        (Some("7200"), 2 * HOUR),
        (Some("Mon, 17 Mar 2025 13:00:00 GMT"), 5 * HOUR),
        (Some("Mon, 17 Mar 2025 07:00:00 GMT"), INTERVAL),
        (Some("0"), INTERVAL),
        (Some("-5"), 4 * HOUR),
        (Some("1000000000000"), DAY),
        (Some("in a moment"), 4 * HOUR),
        (None, 4 * HOUR),
    ] {
        bench.states.clear();
        let limited = retry_after.map_or(Reply::status(429), |value| Reply::status(429).with("Retry-After", value));
        bench.server.script("/feed", [limited]);
        assert_eq!(bench.poll(&feed("wire", &bench.url("/feed"))).await.failure(), Some(FeedFailure::RateLimited));
        let wait = bench.wait();
        assert!(wait >= expected && wait <= expected.mul_f64(1.1).min(DAY), "{retry_after:?}: {wait:?}");
    }
}

#[tokio::test]
async fn poll_gone_stops_until_asked_for_by_name() {
    let mut bench = Bench::new().await;
    bench.server.script("/feed", [Reply::ok(rss(TWO)), Reply::status(410), Reply::ok(rss(TWO))]);
    let feed = feed("wire", &bench.url("/feed"));
    bench.poll(&feed).await;
    assert_eq!(bench.poll(&feed).await.failure(), Some(FeedFailure::Gone));
    bench.clock.advance(365 * DAY);
    assert!(bench.poll_due(&feed).await.is_none(), "a restart does not wake it");
    assert_eq!(bench.poll(&feed).await.failure(), None);
    bench.clock.advance(DAY);
    assert!(bench.poll_due(&feed).await.is_some());
}

#[tokio::test]
async fn poll_fifty_failures_then_healthy_recovers_at_once() {
    let mut bench = Bench::new().await;
    let mut replies = vec![Reply::status(500); 50];
    replies.push(Reply::ok(rss(TWO)));
    bench.server.script("/feed", replies);
    let feed = feed("wire", &bench.url("/feed"));
    for _ in 0..50 {
        assert_eq!(bench.poll_due(&feed).await.expect("due").failure(), Some(FeedFailure::ServerError));
        assert!(bench.wait() <= DAY);
        bench.clock.advance(bench.wait());
    }
    assert_eq!(bench.poll_due(&feed).await.expect("due").batch.items.len(), 2);
    assert_eq!((bench.state().failures_weighted, bench.wait()), (0, INTERVAL));
}

#[tokio::test]
async fn poll_304_for_ever_is_asked_for_the_whole_document_once_a_week() {
    let mut bench = Bench::new().await;
    bench.server.script("/feed", [Reply::ok(rss(TWO)).with("ETag", "\"a\""), Reply::status(304)]);
    let feed = feed("wire", &bench.url("/feed"));
    bench.poll(&feed).await;
    bench.clock.advance(6 * DAY);
    assert_eq!(bench.poll(&feed).await.failure(), None);
    bench.clock.advance(2 * DAY);
    let unasked = bench.poll(&feed).await;
    assert_eq!((unasked.failure(), bench.state().etag.clone()), (Some(FeedFailure::ClientError), None));
    let asked: Vec<_> =
        bench.server.asked("/feed").iter().map(|asked| asked.header("if-none-match").is_some()).collect();
    assert_eq!(asked, [false, true, false]);
}

#[tokio::test]
async fn poll_servers_that_choke_on_headers_are_asked_once_more_without() {
    let mut bench = Bench::new().await;
    let body = rss(TWO);
    bench.server.on("/feed", move |asked: &Asked| {
        if asked.header("accept-encoding").is_some() { Reply::status(406) } else { Reply::ok(body.clone()) }
    });
    assert_eq!(bench.poll(&feed("wire", &bench.url("/feed"))).await.batch.items.len(), 2);
    assert_eq!(bench.server.asked("/feed").len(), 2);
}

#[tokio::test]
async fn poll_broken_header_line_costs_that_line_and_odd_statuses_are_read() {
    let mut bench = Bench::new().await;
    let body = rss(TWO);
    let lines = ["X-A: a\u{7f}b", "X/A: b", "X A: b", "no colon at all", "X-A : b", "X-\u{e9}: b", "X-A: b\r\n and on"];
    for (at, line) in lines.iter().enumerate() {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n{line}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        bench.server.script(&format!("/{at}"), [Reply::Raw(answer.into_bytes())]);
        let polled = bench.poll(&feed("wire", &bench.url(&format!("/{at}")))).await;
        assert_eq!(polled.batch.items.len(), 2, "{line:?}: {:?}", polled.failure());
        bench.states.clear();
    }
    for (status, items) in [(201, 2), (202, 2), (206, 0)] {
        let path = format!("/status/{status}");
        let answer = format!("HTTP/1.1 {status} Odd\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        bench.server.script(&path, [Reply::Raw(answer.into_bytes())]);
        assert_eq!(bench.poll(&feed("wire", &bench.url(&path))).await.batch.items.len(), items, "{status}");
        bench.states.clear();
    }
}

#[tokio::test]
async fn poll_redirects_are_followed_five_hops_and_no_further() {
    let mut bench = Bench::new().await;
    for hop in 0..6 {
        bench.server.script(&format!("/{hop}"), [Reply::redirect(302, &format!("/{}", hop + 1))]);
    }
    bench.server.script("/6", [Reply::ok(rss(TWO))]);
    assert_eq!(bench.poll(&feed("five", &bench.url("/1"))).await.batch.items.len(), 2);
    bench.states.clear();
    assert_eq!(bench.poll(&feed("six", &bench.url("/0"))).await.failure(), Some(FeedFailure::Redirect));
    bench.server.script("/ping", [Reply::redirect(302, "/pong")]);
    bench.server.script("/pong", [Reply::redirect(302, "/ping")]);
    bench.states.clear();
    assert_eq!(bench.poll(&feed("loop", &bench.url("/ping"))).await.failure(), Some(FeedFailure::Redirect));
}

#[tokio::test]
async fn poll_credentials_go_to_their_own_host_only_and_into_no_message() {
    let mut bench = Bench::new().await;
    let port = bench.server.port();
    bench.server.script(
        "/feed",
        [Reply::redirect(302, "/same"), Reply::redirect(302, &format!("http://localhost:{port}/other"))],
    );
    bench.server.script("/same", [Reply::ok(rss(TWO))]);
    bench.server.script("/other", [Reply::status(401)]);
    let feed = feed("wire", &format!("http://user:canary@127.0.0.1:{port}/feed?canary=1"));
    bench.server.script(
        "/feed?canary=1",
        [Reply::redirect(302, "/same"), Reply::redirect(302, &format!("http://x:canary@localhost:{port}/other"))],
    );
    bench.poll(&feed).await;
    let refused = bench.poll(&feed).await;
    assert_eq!(refused.failure(), Some(FeedFailure::Unauthorized));
    assert!(!refused.words().contains("canary"), "{}", refused.words());
    let basic = Some("Basic dXNlcjpjYW5hcnk=".to_owned());
    assert_eq!(bench.server.asked("/feed?canary=1")[0].header_text("authorization"), basic);
    assert_eq!(bench.server.asked("/same")[0].header_text("authorization"), basic);
    assert_eq!(bench.server.asked("/other")[0].header("authorization"), None);
    assert!(!bench.state().url.contains("user"), "{}", bench.state().url);
}

#[tokio::test]
async fn poll_permanent_redirect_is_adopted_after_three_polls_over_a_day() {
    let mut bench = Bench::new().await;
    bench.server.script("/old", [Reply::redirect(301, "/new")]);
    bench.server.feed("/new", "\"a\"", &rss(TWO));
    let feed = feed("wire", &bench.url("/old"));
    for _ in 0..3 {
        bench.poll(&feed).await;
        bench.clock.advance(13 * HOUR);
    }
    assert_eq!(bench.server.asked("/old").len(), 3);
    bench.poll(&feed).await;
    assert_eq!((bench.server.asked("/old").len(), bench.server.asked("/new").len()), (3, 4));
    // The new address dies: back to the configured one.
    bench.server.script("/new", [Reply::status(404)]);
    bench.server.feed("/old", "\"b\"", &rss(TWO));
    bench.poll(&feed).await;
    bench.poll(&feed).await;
    assert_eq!((bench.server.asked("/old").len(), bench.state().failure), (4, None));
}

#[tokio::test]
async fn poll_without_allow_private_reaches_no_private_address() {
    let mut bench = Bench::new().await;
    bench.server.script("/", [Reply::ok(rss(TWO))]);
    let port = bench.server.port();
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:7f00:1]", "0"] {
        bench.states.clear();
        let feed = FeedConfig { allow_private: Vec::new(), ..feed("wire", &format!("http://{host}:{port}/")) };
        let polled = bench.poll(&feed).await;
        assert_eq!(polled.failure(), Some(FeedFailure::PrivateAddress), "{host}: {}", polled.words());
        assert!(polled.words().contains("allow_private"), "{}", polled.words());
    }
    assert_eq!(bench.server.connections(), 0);
}

#[tokio::test]
async fn run_polls_when_the_clock_says_so_one_host_at_its_pace() {
    let slow = PollingConfig { host_spacing: Duration::from_secs(2), fetches_per_host_max: 1, ..polling() };
    let bench = Bench::with(slow).await;
    bench.server.feed("/feed", "\"a\"", &rss(TWO));
    let feeds = (0..3).map(|n| feed(&format!("wire-{n}"), &bench.url("/feed"))).collect();
    let (sender, mut batches) = mpsc::channel::<IngestMessage>(8);
    let cancel = CancellationToken::new();
    let running = tokio::spawn(bench.poller(feeds, sender).run(cancel.clone()));
    let start = bench.clock.now();
    // All three, two seconds apart, then each again after its interval.
    let mut times = Vec::new();
    for poll in 0..6 {
        if poll == 3 {
            bench.clock.advance(INTERVAL.saturating_sub(10 * SECOND));
        }
        let mut batch = loop {
            match tokio::time::timeout(Duration::from_millis(50), batches.recv()).await {
                Ok(message) => break message.and_then(IngestMessage::into_batch).expect("the poller lives"),
                Err(_) => bench.clock.advance(Duration::from_secs(1)),
            }
        };
        times.push(batch.origin.received.since(start).as_secs());
        batch.receipt.take().map(|receipt| receipt.send(Receipt::default()));
    }
    // An answer is never seen before its poll began, so these hold however slow the machine is.
    let earliest = [0, 2, 4, 900, 902, 904];
    assert!(times.iter().zip(earliest).all(|(&time, earliest)| time >= earliest), "{times:?}");
    assert!(times[2] < 300 && times[5] < 1800, "{times:?}");
    assert_eq!((bench.server.asked("/feed").len(), bench.server.busy_max()), (6, 1));
    cancel.cancel();
    tokio::time::timeout(HANGS, running).await.expect("an end").expect("no panic");
}

#[tokio::test]
async fn run_unaccepted_batch_is_polled_again_with_the_old_validators() {
    let bench = Bench::new().await;
    bench.server.feed("/feed", "\"a\"", &rss(TWO));
    let (sender, mut batches) = mpsc::channel::<IngestMessage>(8);
    let cancel = CancellationToken::new();
    let running = tokio::spawn(bench.poller(vec![feed("wire", &bench.url("/feed"))], sender).run(cancel.clone()));
    drop(batches.recv().await.expect("a first batch"));
    let again = loop {
        match tokio::time::timeout(Duration::from_millis(50), batches.recv()).await {
            Ok(message) => break message.and_then(IngestMessage::into_batch).expect("the poller lives"),
            Err(_) => bench.clock.advance(Duration::from_secs(5)),
        }
    };
    assert_eq!(again.items.len(), 2);
    assert_eq!(bench.server.asked("/feed")[1].header("if-none-match"), None);
    drop(batches);
    drop(again);
    bench.clock.advance(HOUR);
    // `ingest` is gone: the task ends by itself.
    tokio::time::timeout(HANGS, async {
        while !running.is_finished() {
            bench.clock.advance(MINUTE);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("an end");
}

#[tokio::test]
async fn look_shows_the_feed_and_remembers_nothing() {
    let bench = Bench::new().await;
    bench.server.script("/old", [Reply::redirect(302, "/feed")]);
    bench.server.feed("/feed", "\"a\"", &rss(TWO));
    bench.server.script("/page", [Reply::ok("<html><link rel=alternate type=application/rss+xml href=feed></html>")]);
    let looker = FeedInspector {
        polling: bench.polling.clone(),
        limits: limits(),
        client: bench.client.clone(),
        parser: Parser::new(1),
        clock: bench.clock.clone(),
    };
    let looked = looker.look(feed("wire", &bench.url("/old")).into()).await;
    assert_eq!((looked.hops, looked.url), (1, bench.url("/feed")));
    assert_eq!(looked.document.expect("a feed").items.len(), 2);
    let looked = looker.look(feed("wire", &bench.url("/none")).into()).await;
    assert_eq!(looked.document.expect_err("no feed").0, FeedFailure::NotFound);
    let looked = looker.look(feed("wire", &bench.url("/page")).into()).await;
    assert_eq!(looked.document.expect_err("no feed").0, FeedFailure::HtmlPage);
    let declared = looker.declared(feed("wire", &bench.url("/page")).into()).await.expect("a page");
    assert_eq!(declared.iter().map(|feed| feed.url.as_str()).collect::<Vec<_>>(), [bench.url("/feed")]);
}

/// Not a limit, a figure: `cargo test --release --test it -- --ignored --nocapture poll_ten_thousand`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn poll_ten_thousand_feeds_measured() {
    let many = PollingConfig { fetches_max: 64, fetches_per_host_max: 64, ..polling() };
    let mut bench = Bench::with(many).await;
    bench.server.feed("/feed", "\"a\"", &rss(TWO));
    let feeds: Vec<_> = (0..10_000).map(|n| feed(&format!("wire-{n}"), &bench.url("/feed"))).collect();
    for round in ["first documents", "not modified"] {
        let (sender, mut batches) = mpsc::channel::<IngestMessage>(64);
        let poller = bench.poller(feeds.clone(), sender);
        let ingest = tokio::spawn(async move {
            let mut states = Vec::new();
            while let Some(mut batch) = batches.recv().await.and_then(IngestMessage::into_batch) {
                if let Cursor::Feed(state) = batch.cursor {
                    states.push(*state);
                }
                batch.receipt.take().map(|receipt| receipt.send(Receipt::default()));
            }
            states
        });
        let begun = tokio::time::Instant::now();
        let reports = poller.poll_once(&PollSelection::Due, &CancellationToken::new()).await;
        let took = begun.elapsed();
        bench.states = ingest.await.expect("no panic");
        assert_eq!(bench.states.len(), feeds.len());
        let failed = reports.iter().filter(|report| report.failure.is_some()).count();
        let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let memory = memory.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("").to_owned();
        println!("{round}: {took:?}, {failed} failed, {} connections, {memory}", bench.server.connections());
        bench.clock.advance(HOUR);
    }
}

#[tokio::test]
async fn poll_beyond_its_bytes_of_a_day_waits_for_the_next_and_says_so_once() {
    let mut bench = Bench::new().await;
    let long = "x".repeat(40_000);
    let count = std::sync::atomic::AtomicUsize::new(0);
    bench.server.on("/feed", move |_| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Reply::ok(rss(&[(&format!("{n}"), &format!("Harbour notice {n} {long}"))]))
    });
    let feed = FeedConfig { bytes_per_day_max: Some(100_000), ..feed("wire", &bench.url("/feed")) };
    let over =
        |polled: &Polled| polled.batch.rejected.iter().filter(|r| r.reason == RejectReason::OverByteQuota).count();
    for expected in [0, 0, 1] {
        let polled = bench.poll_due(&feed).await.expect("due");
        assert_eq!((over(&polled), polled.batch.items.len()), (expected, 1), "what came is taken all the same");
        bench.clock.advance(INTERVAL);
    }
    let midnight = Timestamp::parse("2025-03-18T00:00:00Z").expect("a time");
    assert_eq!((bench.state().next_poll_at, bench.state().used.bytes_over), (midnight, true));
    assert!(bench.poll_due(&feed).await.is_none(), "after a restart likewise");
    // By hand it is polled, and nothing is said twice.
    assert_eq!(over(&bench.poll(&feed).await), 0);
    assert_eq!(bench.state().next_poll_at, midnight);
    // A larger quota counts at once.
    let wider = FeedConfig { bytes_per_day_max: Some(1_000_000), ..feed.clone() };
    bench.clock.advance(INTERVAL);
    assert!(bench.poll_due(&wider).await.is_some());
    bench.poll(&feed).await;
    bench.clock.set(midnight);
    let next_day = bench.poll_due(&feed).await.expect("due");
    assert_eq!((over(&next_day), bench.state().used.bytes_over), (0, false));
    assert!(bench.state().used.bytes < 50_000);
}

#[tokio::test]
async fn poll_of_a_body_without_end_counts_as_far_as_it_was_read() {
    let mut bench = Bench::new().await;
    let endless = vec![b'x'; bench.polling.wire_bytes_max + 1];
    bench.server.on("/feed", move |_| Reply::ok(endless.clone()));
    let feed = FeedConfig { bytes_per_day_max: Some(1 << 20), ..feed("wire", &bench.url("/feed")) };
    let polled = bench.poll(&feed).await;
    assert_eq!(polled.failure(), Some(FeedFailure::TooLarge));
    assert!(bench.state().used.bytes_over);
}
