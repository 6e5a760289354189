//! Many feeds at once, most of them good: fifty servers that accept and never answer, fifty that are not
//! there, and a hundred that answer at once and must not wait for the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wirewatch::clock::Clock;
use wirewatch::model::{Cursor, Timestamp};
use wirewatch::source::feed::{FeedConfig, PollingConfig, SpacingScope};
use wirewatch::source::{IngestMessage, Receipt};

use crate::feed_server::{Reply, rss};
use crate::polling::{Bench, HANGS, TWO, feed, polling};

const GOOD: usize = 100;
const BAD: usize = 50;
const SECOND: Duration = Duration::from_secs(1);
/// After the last of the slow ones was found to be slow.
const SETTLES: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(6);

/// Sixteen slots, each feed a host of its own, and servers that may take as long as they like.
fn crowded() -> PollingConfig {
    PollingConfig {
        fetches_per_host_max: 1,
        spacing_scope: SpacingScope::Feed,
        total_timeout: Duration::from_secs(600),
        idle_timeout: Duration::from_secs(600),
        ..polling()
    }
}

fn feeds(bench: &Bench) -> Vec<FeedConfig> {
    bench.server.feed("/good", "\"a\"", &rss(TWO));
    let slow = (0..BAD).map(|n| {
        bench.server.script(&format!("/slow-{n}"), [Reply::Silent]);
        feed(&format!("slow-{n}"), &bench.url(&format!("/slow-{n}")))
    });
    let dead = (0..BAD).map(|n| feed(&format!("dead-{n}"), "http://127.0.0.1:1/"));
    let good = (0..GOOD).map(|n| feed(&format!("good-{n}"), &bench.url("/good")));
    let often = |feed| FeedConfig { interval: SECOND * 2, interval_max: SECOND * 2, ..feed };
    slow.chain(dead).chain(good).map(often).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn run_fifty_slow_and_fifty_dead_feeds_leave_a_hundred_good_ones_on_time() {
    let mut bench = Bench::with(crowded()).await;
    bench.clock = Clock::system();
    let feeds = feeds(&bench);
    let (sender, mut batches) = mpsc::channel::<IngestMessage>(8);
    let cancel = CancellationToken::new();
    let running = tokio::spawn(bench.poller(feeds, sender).run(cancel.clone()));
    let stall = Arc::new(AtomicU64::new(0));
    let probe = tokio::spawn(watch_stalls(stall.clone()));
    let mut due: HashMap<String, Timestamp> = HashMap::new();
    let (mut lags, mut dead) = (Vec::new(), 0);
    let mut begun = None;
    while begun.is_none_or(|begun: Instant| begun.elapsed() < MEASURED) {
        // Nobody is known to be slow at first: each such feed takes a slot for two seconds, once.
        if begun.is_none() && (0..BAD).all(|n| !bench.server.asked(&format!("/slow-{n}")).is_empty()) {
            begun = Some(Instant::now());
            stall.store(0, Ordering::Relaxed);
        }
        let batch = tokio::time::timeout(HANGS, batches.recv()).await.expect("polls go on");
        let mut batch = batch.and_then(IngestMessage::into_batch).expect("the poller lives");
        batch.receipt.take().map(|receipt| receipt.send(Receipt::default()));
        let (name, Cursor::Feed(state)) = (batch.origin.source.to_string(), &batch.cursor) else { continue };
        dead += u32::from(name.starts_with("dead"));
        let before = due.insert(name.clone(), state.next_poll_at);
        if let Some(due) = before.filter(|due| name.starts_with("good") && begun.is_some() && *due > settled_at(begun))
        {
            lags.push(batch.origin.received.since(due));
        }
    }
    probe.abort();
    lags.sort_unstable();
    let at = |share: usize| lags[(lags.len() * share / 100).min(lags.len() - 1)];
    let stall = Duration::from_millis(stall.load(Ordering::Relaxed));
    println!(
        "{} polls of good feeds: p50 {:?}, p99 {:?}, worst {:?}; this machine stood still for {stall:?}",
        lags.len(),
        at(50),
        at(99),
        at(100)
    );
    assert!(lags.len() >= GOOD, "{}", lags.len());
    assert!(at(99) < SECOND + stall, "p99 {:?}, machine {stall:?}", at(99));
    assert!(dead >= 1, "the dead ones have their turns, too");
    cancel.cancel();
    tokio::time::timeout(HANGS, running).await.expect("an end").expect("no panic");
}

/// The wave of the first seconds is over by then.
fn settled_at(begun: Option<Instant>) -> Timestamp {
    let past = begun.map_or(Duration::ZERO, |begun| begun.elapsed());
    Clock::system().now().minus(past).plus(SETTLES)
}

/// The longest time that nothing ran here although it should have: that of a busy machine, not of polling.
async fn watch_stalls(longest_ms: Arc<AtomicU64>) {
    let pause = Duration::from_millis(20);
    loop {
        let begun = Instant::now();
        tokio::time::sleep(pause).await;
        let late = begun.elapsed().saturating_sub(pause);
        longest_ms.fetch_max(u64::try_from(late.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
