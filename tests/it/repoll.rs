//! A poller that is told things while it works: other rules, another idea of the store, a batch that does
//! not become durable. Whom it asks afterwards, and whom never again.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wirewatch::model::{Cursor, FeedFailure, FeedState, Timestamp};
use wirewatch::source::feed::FeedConfig;
use wirewatch::source::feed::polling::rules::PollRulesSlot;
use wirewatch::source::{Batch, IngestMessage, Receipt};

use crate::feed_server::{Reply, rss};
use crate::polling::{Bench, HANGS, INTERVAL, TWO, feed};

/// A running poller whose batches the test takes one by one.
struct Repolled {
    bench: Bench,
    batches: mpsc::Receiver<IngestMessage>,
    reloads: PollRulesSlot,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Repolled {
    fn start(bench: Bench, feeds: Vec<FeedConfig>) -> Self {
        let (sender, batches) = mpsc::channel(8);
        let reloads = PollRulesSlot::default();
        let cancel = CancellationToken::new();
        let task = tokio::spawn(bench.poller(feeds, sender).following(reloads.clone()).run(cancel.clone()));
        Self { bench, batches, reloads, cancel, task }
    }

    fn reload(&self, feeds: Vec<FeedConfig>, states: Vec<FeedState>) {
        self.reloads.put(self.bench.rules(feeds, states));
    }

    /// The next batch, the clock standing still.
    async fn at_once(&mut self) -> Batch {
        tokio::time::timeout(HANGS, self.batches.recv())
            .await
            .expect("a poll")
            .and_then(IngestMessage::into_batch)
            .expect("the poller lives")
    }

    /// The next batch, the clock being moved on until it comes.
    async fn later(&mut self, step: Duration) -> Batch {
        let waiting = async {
            loop {
                match tokio::time::timeout(Duration::from_millis(20), self.batches.recv()).await {
                    Ok(message) => return message.and_then(IngestMessage::into_batch).expect("the poller lives"),
                    Err(_) => self.bench.clock.advance(step),
                }
            }
        };
        tokio::time::timeout(HANGS, waiting).await.expect("a poll")
    }

    /// A feed that is new and due at once: when its batch is there, the rules were taken over, and whoever was
    /// due before it has been asked.
    async fn marked(&mut self, name: &str, mut feeds: Vec<FeedConfig>, states: Vec<FeedState>) {
        let path = format!("/{name}");
        self.bench.server.script(&path, [Reply::ok(rss(TWO))]);
        feeds.push(feed(name, &self.bench.url(&path)));
        self.reload(feeds, states);
        let mut batch = self.at_once().await;
        assert_eq!(batch.origin.source.as_str(), name);
        accept(&mut batch);
    }

    async fn end(self) {
        self.cancel.cancel();
        tokio::time::timeout(HANGS, self.task).await.expect("an end").expect("no panic");
    }
}

fn accept(batch: &mut Batch) {
    batch.receipt.take().map(|receipt| receipt.send(Receipt::default()));
}

fn state_of(batch: &Batch) -> FeedState {
    let Cursor::Feed(state) = &batch.cursor else { panic!("the batch of a feed") };
    (**state).clone()
}

#[tokio::test]
async fn feed_removed_while_its_poll_is_stored_is_never_asked_again() {
    let bench = Bench::new().await;
    bench.server.script("/gone", [Reply::ok(rss(TWO))]);
    let gone = feed("gone", &bench.url("/gone"));
    let mut poller = Repolled::start(bench, vec![gone]);
    let mut under_way = poller.at_once().await;
    poller.marked("stays", Vec::new(), Vec::new()).await;
    accept(&mut under_way);
    // The other one goes round and round; nobody else does.
    for _ in 0..4 {
        let mut batch = poller.later(INTERVAL / 4).await;
        assert_eq!(batch.origin.source.as_str(), "stays");
        accept(&mut batch);
    }
    assert_eq!(poller.bench.server.asked("/gone").len(), 1);
    // What it was is free for another feed, and that one has a turn of its own.
    let stays = feed("stays", &poller.bench.url("/stays"));
    poller.marked("new", vec![stays], Vec::new()).await;
    assert_eq!((poller.bench.server.asked("/gone").len(), poller.bench.server.asked("/new").len()), (1, 1));
    poller.end().await;
}

#[tokio::test]
async fn stored_state_hastens_a_feed_only_where_it_tells_of_the_same_poll() {
    let bench = Bench::new().await;
    bench.server.script("/wire", [Reply::ok(rss(TWO))]);
    let wire = feed("wire", &bench.url("/wire"));
    let mut poller = Repolled::start(bench, vec![wire.clone()]);
    let mut first = poller.at_once().await;
    let before = FeedState { polls: 0, next_poll_at: poller.bench.clock.now(), ..state_of(&first) };
    let stored = state_of(&first);
    accept(&mut first);
    assert_eq!((stored.polls, stored.next_poll_at), (1, poller.bench.clock.now().plus(INTERVAL)));
    poller.marked("one", vec![wire.clone()], Vec::new()).await;
    // Read from the store before the poll became durable: it was due then.
    poller.marked("two", vec![wire.clone()], vec![before]).await;
    poller.marked("three", vec![wire.clone()], Vec::new()).await;
    assert_eq!(poller.bench.server.asked("/wire").len(), 1, "an older state says nothing");
    // An operator wants it polled at once: the same poll, another time.
    let wanted = FeedState { next_poll_at: Timestamp::default(), ..stored };
    poller.reload(vec![wire], vec![wanted]);
    let mut again = poller.at_once().await;
    assert_eq!(again.origin.source.as_str(), "wire");
    accept(&mut again);
    poller.end().await;
}

#[tokio::test]
async fn feed_gone_is_believed_once_that_is_stored_and_asked_again_where_it_is_not() {
    let bench = Bench::new().await;
    bench.server.script("/wire", [Reply::status(410), Reply::status(410), Reply::ok(rss(TWO))]);
    bench.server.script("/stays", [Reply::ok(rss(TWO))]);
    let wire = feed("wire", &bench.url("/wire"));
    let mut poller = Repolled::start(bench, vec![wire.clone()]);
    // The store cannot take it: for whoever starts next, the feed is as it was.
    let lost = poller.at_once().await;
    assert!(state_of(&lost).gone);
    drop(lost);
    let mut again = poller.later(Duration::from_secs(5)).await;
    assert_eq!((again.origin.source.as_str(), state_of(&again).gone), ("wire", true));
    accept(&mut again);
    poller.marked("stays", vec![wire], Vec::new()).await;
    for _ in 0..3 {
        let mut batch = poller.later(INTERVAL / 4).await;
        assert_eq!(batch.origin.source.as_str(), "stays", "what is gone is not asked");
        accept(&mut batch);
    }
    assert_eq!(poller.bench.server.asked("/wire").len(), 2);
    poller.end().await;
}

#[tokio::test]
async fn host_that_another_process_is_to_ask_is_left_alone_once_what_is_under_way_has_ended() {
    let bench = Bench::new().await;
    bench.server.script("/feed", [Reply::ok(rss(TWO))]);
    let (url, host) = (bench.url("/feed"), HashSet::from(["127.0.0.1".to_owned()]));
    let mut poller = Repolled::start(bench, Vec::new());
    poller.reloads.share(host.clone());
    poller.reload(vec![feed("wire", &url)], Vec::new());
    let mut under_way = poller.at_once().await;
    assert!(!poller.reloads.is_left_alone("127.0.0.1"), "it is its own");
    poller.reloads.share(HashSet::new());
    poller.reload(vec![feed("wire", &url)], Vec::new());
    assert!(!poller.reloads.is_left_alone("127.0.0.1"), "a poll of it is under way");
    let state = state_of(&under_way);
    accept(&mut under_way);
    let left = async {
        while !poller.reloads.is_left_alone("127.0.0.1") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(HANGS, left).await.expect("left alone");
    // It comes back from the other one, whose polls reached nobody: from here it is tried at once.
    let next_poll_at = Timestamp::from_millis(state.next_poll_at.millis() + 3_600_000);
    let failed = FeedState { failure: Some(FeedFailure::Connect), next_poll_at, last_poll_at: None, ..state };
    poller.reloads.share(host);
    poller.reload(vec![feed("wire", &url)], vec![failed]);
    accept(&mut poller.at_once().await);
    assert_eq!(poller.bench.server.asked("/feed").len(), 2);
    poller.end().await;
}
