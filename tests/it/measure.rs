//! Figures of delivery, not checks:
//! `cargo test --release --test it measure -- --ignored --nocapture --test-threads 1`.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use wirewatch::deliver::EndpointConfig;
use wirewatch::store::outbox;

use super::deliver::{Bed, SECRET, endpoint, name, write_secret};
use super::receiver::Receiver;

fn percentile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

async fn burst(concurrency: usize, count: i64) {
    let receiver = Receiver::start().await;
    let mut bed = Bed::new(Vec::new());
    let secret_file = Some(write_secret(&bed, SECRET));
    let desk = EndpointConfig { secret_file, concurrency, ..endpoint("desk", receiver.url()) };
    bed.reload(vec![desk]);
    bed.run();
    bed.owe(0..=0, &["desk"]);
    receiver.wait_for(1).await;
    let began = Instant::now();
    bed.owe(1..=count, &["desk"]);
    let committed = Instant::now();
    receiver.wait_for(count as usize + 1).await;
    bed.until("all recorded", |bed| {
        bed.store.read("h", |c| outbox::health(c, &name("desk"))).expect("read").pending == 0
    })
    .await;
    let elapsed = committed.elapsed();
    let mut waits: Vec<Duration> =
        receiver.received().iter().skip(1).map(|r| r.at.saturating_duration_since(committed)).collect();
    waits.sort_unstable();
    println!(
        "burst of {count}, concurrency {concurrency}: {:.0}/s recorded; commit {:?}; commit to receipt p50 {:?} p99 {:?}",
        count as f64 / elapsed.as_secs_f64(),
        committed - began,
        percentile(&waits, 0.5),
        percentile(&waits, 0.99),
    );
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn measure_bursts() {
    for concurrency in [4, 16, 64] {
        burst(concurrency, 10_000).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn measure_latency_at_200_per_second() {
    let receiver = Receiver::start().await;
    let mut bed = Bed::start(vec![endpoint("desk", receiver.url())]);
    let (mut began, mut committed) = (HashMap::new(), HashMap::new());
    for n in 0..1000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        began.insert(format!("alr_{n}"), Instant::now());
        bed.owe(n..=n, &["desk"]);
        committed.insert(format!("alr_{n}"), Instant::now());
    }
    receiver.wait_for(1000).await;
    let show = |what: &str, since: &HashMap<String, Instant>| {
        let mut waits: Vec<Duration> =
            receiver.received().iter().map(|r| r.at.saturating_duration_since(since[&r.id])).collect();
        waits.sort_unstable();
        println!(
            "at 200/s, {what} to receipt: p50 {:?} p99 {:?} max {:?}",
            percentile(&waits, 0.5),
            percentile(&waits, 0.99),
            waits[waits.len() - 1]
        );
    };
    show("commit begun", &began);
    show("commit done", &committed);
    bed.stop().await;
}
