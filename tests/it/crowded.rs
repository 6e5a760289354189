//! Many feeds at once, most of them good: fifty servers that accept and never answer, fifty that are not
//! there, and a hundred that answer at once and must not wait for the others.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wirewatch::clock::Clock;
use wirewatch::model::{Cursor, Timestamp};
use wirewatch::source::feed::{FeedConfig, PollingConfig, SpacingScope};
use wirewatch::source::{Batch, Receipt};

use crate::feed_server::{Reply, rss};
use crate::polling::{Bench, HANGS, TWO, feed, polling};

const GOOD: usize = 100;
const BAD: usize = 50;

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
    bench.server.script("/slow", [Reply::Silent]);
    let slow = (0..BAD).map(|n| feed(&format!("slow-{n}"), &bench.url("/slow")));
    let dead = (0..BAD).map(|n| feed(&format!("dead-{n}"), "http://127.0.0.1:1/"));
    let good = (0..GOOD).map(|n| feed(&format!("good-{n}"), &bench.url("/good")));
    let minute = Duration::from_secs(60);
    let each_minute = |feed| FeedConfig { interval: minute, interval_max: minute, ..feed };
    slow.chain(dead).chain(good).map(each_minute).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "its clock runs ahead of the answers on a busy machine; the order itself is tested in source/feed/turns"]
async fn run_fifty_slow_and_fifty_dead_feeds_leave_a_hundred_good_ones_on_time() {
    let bench = Bench::with(crowded()).await;
    let (sender, mut batches) = mpsc::channel::<Batch>(8);
    let cancel = CancellationToken::new();
    let running = tokio::spawn(bench.poller(feeds(&bench), sender).run(cancel.clone()));
    let mut polls: HashMap<String, u32> = HashMap::new();
    let rounds = async {
        while polls.iter().filter(|(name, count)| name.starts_with("good") && **count >= 3).count() < GOOD {
            match tokio::time::timeout(Duration::from_millis(30), batches.recv()).await {
                Ok(batch) => {
                    let mut batch = batch.expect("the poller lives");
                    *polls.entry(batch.origin.source.to_string()).or_default() += 1;
                    batch.receipt.take().map(|receipt| receipt.send(Receipt::default()));
                }
                Err(_) => bench.clock.advance(Duration::from_secs(2)),
            }
        }
    };
    tokio::time::timeout(HANGS, rounds).await.expect("three polls of each good feed, while fifty hang");
    assert!(polls.keys().all(|name| !name.starts_with("slow")), "the slow ones hang to this day");
    assert!(polls.keys().any(|name| name.starts_with("dead")), "the dead ones have their turns, too");
    assert!(bench.server.busy_max() <= 16, "{}", bench.server.busy_max());
    cancel.cancel();
    tokio::time::timeout(HANGS, running).await.expect("an end").expect("no panic");
}

/// Not a limit, a figure: `cargo test --release --test it -- --ignored --nocapture run_crowded`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of a minute"]
async fn run_crowded_lag_measured() {
    let timeouts = Duration::from_secs(10);
    let mut bench = Bench::with(PollingConfig { total_timeout: timeouts, idle_timeout: timeouts, ..crowded() }).await;
    bench.clock = Clock::system();
    let second = Duration::from_secs(1);
    let feeds = feeds(&bench).into_iter().map(|feed| FeedConfig { interval: second, interval_max: second, ..feed });
    let (sender, mut batches) = mpsc::channel::<Batch>(8);
    let cancel = CancellationToken::new();
    let running = tokio::spawn(bench.poller(feeds.collect(), sender).run(cancel.clone()));
    let begun = tokio::time::Instant::now();
    let mut due: HashMap<String, Timestamp> = HashMap::new();
    let mut lags = Vec::new();
    while begun.elapsed() < Duration::from_secs(60) {
        let Ok(batch) = tokio::time::timeout(second, batches.recv()).await else { continue };
        let mut batch = batch.expect("the poller lives");
        batch.receipt.take().map(|receipt| receipt.send(Receipt::default()));
        let (name, Cursor::Feed(state)) = (batch.origin.source.to_string(), &batch.cursor) else { continue };
        let before = due.insert(name.clone(), state.next_poll_at);
        if let Some(due) = before.filter(|_| name.starts_with("good") && begun.elapsed() > Duration::from_secs(30)) {
            lags.push(batch.origin.received.since(due));
        }
    }
    lags.sort_unstable();
    let at = |share: usize| lags[(lags.len() * share / 100).min(lags.len() - 1)];
    println!("{} polls of good feeds: p50 {:?}, p99 {:?}, worst {:?}", lags.len(), at(50), at(99), at(100));
    cancel.cancel();
    tokio::time::timeout(HANGS, running).await.expect("an end").expect("no panic");
}
