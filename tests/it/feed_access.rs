//! What a feed's own settings put into its requests, and that no other host ever gets to see it; a held
//! poller, and a clock that is set back.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use wirewatch::model::FeedFailure;
use wirewatch::source::feed::last_documents::LastDocuments;
use wirewatch::source::feed::polling::poller::{Poller, PollerLinks};
use wirewatch::source::feed::polling::rules;
use wirewatch::source::feed::{Credentials, FeedConfig, FetchConfig, PollingConfig};
use wirewatch::source::parser::Parser;
use wirewatch::source::{IngestMessage, Receipt};

use crate::feed_server::{Asked, FeedServer, Reply, rss};
use crate::polling::{Bench, HANGS, INTERVAL, TWO, feed, polling};

fn secret(dir: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = dir.path().join("secret");
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("private");
    path
}

#[tokio::test]
async fn poll_own_headers_and_credentials_go_to_the_feeds_host_only() {
    let mut bench = Bench::new().await;
    let other = FeedServer::start().await;
    other.script("/there", [Reply::ok(rss(TWO))]);
    bench.server.script("/feed", [Reply::redirect(302, "/same")]);
    bench.server.script("/same", [Reply::redirect(307, &other.url("/there"))]);
    let dir = tempfile::tempdir().expect("a directory");
    let fetch = FetchConfig {
        headers: vec![("x-client".to_owned(), "canary-desk".to_owned())],
        credentials: Some(Credentials::Bearer(secret(&dir, "canary-token\n"))),
        user_agent: Some("desk/1".to_owned()),
        timeout: None,
    };
    let feed = FeedConfig { fetch, ..feed("wire", &bench.url("/feed")) };
    assert_eq!(bench.poll(&feed).await.failure(), None);
    for path in ["/feed", "/same"] {
        let asked = &bench.server.asked(path)[0];
        assert_eq!(asked.header_text("authorization").as_deref(), Some("Bearer canary-token"), "{path}");
        assert_eq!(asked.header_text("x-client").as_deref(), Some("canary-desk"), "{path}");
    }
    let there = &other.asked("/there")[0];
    let leaked = there.headers.iter().any(|(_, value)| String::from_utf8_lossy(value).contains("canary"));
    assert!(!leaked, "{there:?}");
    assert_eq!(there.header_text("user-agent").as_deref(), Some("desk/1"));
}

#[tokio::test]
async fn poll_address_adopted_elsewhere_gets_nothing_that_is_for_the_feeds_host() {
    let other = FeedServer::start().await;
    other.feed("/new", "\"a\"", &rss(TWO));
    let dir = tempfile::tempdir().expect("a directory");
    for credentials in [Some(Credentials::Bearer(secret(&dir, "canary-token\n"))), None] {
        let mut bench = Bench::new().await;
        bench.server.script("/old", [Reply::redirect(301, &other.url("/new"))]);
        let fetch = FetchConfig {
            headers: vec![("x-client".to_owned(), "canary-desk".to_owned())],
            credentials,
            user_agent: Some("desk/1".to_owned()),
            timeout: None,
        };
        // Without a file, its userinfo is what it says who it is with.
        let own = format!("http://user:canary@127.0.0.1:{}/old", bench.server.port());
        let feed = FeedConfig { fetch, ..feed("wire", &own) };
        for _ in 0..3 {
            assert_eq!(bench.poll(&feed).await.failure(), None);
            bench.clock.advance(Duration::from_secs(13 * 3600));
        }
        let before = other.asked("/new").len();
        assert_eq!(bench.poll(&feed).await.failure(), None);
        assert_eq!((bench.server.asked("/old").len(), other.asked("/new").len()), (3, before + 1), "adopted");
        let asked = other.asked("/new");
        let leaked = |asked: &Asked| asked.headers.iter().any(|(_, v)| String::from_utf8_lossy(v).contains("canary"));
        assert!(!asked.iter().any(|asked| leaked(asked) || asked.header("authorization").is_some()), "{asked:?}");
        assert_eq!(asked[before].header_text("user-agent").as_deref(), Some("desk/1"));
    }
}

#[tokio::test]
async fn poll_credentials_are_read_anew_and_a_bad_file_is_a_named_failure() {
    let mut bench = Bench::new().await;
    bench.server.script("/feed", [Reply::ok(rss(TWO))]);
    let dir = tempfile::tempdir().expect("a directory");
    let path = secret(&dir, "user:old");
    let fetch = FetchConfig { credentials: Some(Credentials::Basic(path.clone())), ..FetchConfig::default() };
    let feed = FeedConfig { fetch, ..feed("wire", &bench.url("/feed")) };
    bench.poll(&feed).await;
    std::fs::write(&path, "user:canary\r\n").expect("written");
    bench.poll(&feed).await;
    let sent: Vec<_> = bench.server.asked("/feed").iter().filter_map(|a| a.header_text("authorization")).collect();
    assert_eq!(sent, ["Basic dXNlcjpvbGQ=", "Basic dXNlcjpjYW5hcnk="]);
    for bad in ["", "no colon", "user:line\nbreak"] {
        std::fs::write(&path, bad).expect("written");
        let polled = bench.poll(&feed).await;
        assert_eq!(polled.failure(), Some(FeedFailure::Unauthorized), "{bad:?}");
        assert!(polled.words().contains("secret file") && !polled.words().contains("break"), "{}", polled.words());
    }
    assert_eq!(bench.server.asked("/feed").len(), 2, "nothing is asked without");
}

#[tokio::test]
async fn poll_own_timeout_is_shorter_than_the_sections() {
    let mut bench = Bench::new().await;
    bench.server.script("/feed", [Reply::Silent]);
    let fetch = FetchConfig { timeout: Some(Duration::from_millis(100)), ..FetchConfig::default() };
    let feed = FeedConfig { fetch, ..feed("wire", &bench.url("/feed")) };
    assert_eq!(bench.poll(&feed).await.failure(), Some(FeedFailure::Timeout));
}

#[tokio::test]
async fn poll_through_a_proxy_asks_it_for_the_whole_address() {
    let mut bench = Bench::new().await;
    let proxied = PollingConfig { proxy: bench.url("/").parse().ok(), ..polling() };
    bench.client = rules::client(&proxied).expect("a client");
    bench.server.script("http://news.example/feed", [Reply::ok(rss(TWO))]);
    let feed = FeedConfig { allow_private: Vec::new(), ..feed("wire", "http://news.example/feed") };
    let polled = bench.poll(&feed).await;
    assert_eq!((polled.failure(), polled.batch.items.len()), (None, 2), "{}", polled.words());
    let feed = FeedConfig { allow_private: Vec::new(), ..self::feed("wire", "http://10.0.0.1/feed") };
    assert_eq!(bench.poll(&feed).await.failure(), Some(FeedFailure::PrivateAddress));
}

/// A running poller with its batches accepted at once, and what was polled.
struct Running {
    polls: mpsc::UnboundedReceiver<String>,
    hold: watch::Sender<bool>,
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn run(bench: &Bench, feeds: Vec<FeedConfig>, held: bool) -> Running {
    let (batches, mut taken) = mpsc::channel::<IngestMessage>(8);
    let (hold, holds) = watch::channel(held);
    let rules = bench.rules(feeds, bench.states.clone());
    let links = PollerLinks {
        ingest: batches,
        parser: Parser::new(1),
        clock: bench.clock.clone(),
        hold: holds,
        counters: bench.counters.clone(),
        known: Arc::new(|_| None),
        hubs: None,
        last_documents: LastDocuments::default(),
    };
    let cancel = CancellationToken::new();
    let task = tokio::spawn(Poller::new(rules, links).run(cancel.clone()));
    #[expect(clippy::disallowed_methods, reason = "a test's own list, as long as the test")]
    let (sender, polls) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(mut batch) = taken.recv().await.and_then(IngestMessage::into_batch) {
            batch.receipt.take().map(|receipt| receipt.send(Receipt::default()));
            if sender.send(batch.origin.source.to_string()).is_err() {
                return;
            }
        }
    });
    Running { polls, hold, cancel, task }
}

impl Running {
    /// The next poll, the clock being moved on until it comes.
    async fn next(&mut self, bench: &Bench, step: Duration) -> String {
        let waiting = async {
            loop {
                match tokio::time::timeout(Duration::from_millis(20), self.polls.recv()).await {
                    Ok(name) => return name.expect("the poller lives"),
                    Err(_) => bench.clock.advance(step),
                }
            }
        };
        tokio::time::timeout(HANGS, waiting).await.expect("a poll")
    }

    async fn end(self) {
        self.cancel.cancel();
        tokio::time::timeout(HANGS, self.task).await.expect("an end").expect("no panic");
    }
}

#[tokio::test]
async fn run_held_polls_nothing_until_it_is_let_go() {
    let bench = Bench::new().await;
    bench.server.script("/feed", [Reply::ok(rss(TWO))]);
    let mut running = run(&bench, vec![feed("wire", &bench.url("/feed"))], true);
    for _ in 0..20 {
        bench.clock.advance(Duration::from_secs(60));
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.server.connections(), 0);
    running.hold.send(false).expect("the poller lives");
    assert_eq!(running.next(&bench, Duration::from_secs(10)).await, "wire");
    running.end().await;
}

#[tokio::test]
async fn run_clock_set_back_a_year_does_not_stop_the_polls() {
    let bench = Bench::new().await;
    bench.server.script("/feed", [Reply::ok(rss(TWO))]);
    let mut running = run(&bench, vec![feed("wire", &bench.url("/feed"))], false);
    running.next(&bench, Duration::from_secs(1)).await;
    bench.clock.set(bench.clock.now().minus(Duration::from_secs(365 * 86_400)));
    let before = bench.clock.now();
    running.next(&bench, Duration::from_secs(60)).await;
    let waited = bench.clock.now().since(before);
    assert!(waited <= INTERVAL * 2, "{waited:?}");
    running.end().await;
}
