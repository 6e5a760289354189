//! A server that keeps score of its readers over a simulated day: how often it is asked, whether the
//! validators come back as it gave them, whether "later" is heard, and that restarts change nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use wirewatch::model::Timestamp;

use crate::feed_server::{Reply, rss};
use crate::polling::{Bench, INTERVAL, feed};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Default)]
struct Score {
    at: Vec<Timestamp>,
    not_before: Option<Timestamp>,
    etag: Option<String>,
    faults: Vec<String>,
    told_later: usize,
    documents: usize,
}

#[tokio::test]
async fn poller_gets_full_marks_over_a_day_of_restarts() {
    let mut bench = Bench::new().await;
    let start = bench.clock.now();
    let score = Arc::new(Mutex::new(Score::default()));
    let (clock, scored) = (bench.clock.clone(), score.clone());
    bench.server.on("/feed", move |asked| {
        let (now, mut score) = (clock.now(), scored.lock().expect("lock"));
        if let Some(last) = score.at.last().filter(|last| now.since(**last) < INTERVAL).copied() {
            score.faults.push(format!("asked at {now}, {} s after the last time", now.since(last).as_secs()));
        }
        if score.not_before.is_some_and(|at| now < at) {
            score.faults.push(format!("asked at {now} although told to come later"));
        }
        let sent = asked.header_text("if-none-match");
        if sent != score.etag {
            let fault = format!("validator {sent:?} at {now}, not {:?}", score.etag);
            score.faults.push(fault);
        }
        score.at.push(now);
        let hour = now.since(start).as_secs() / 3600;
        // Busy twice a day, and once wanting to be left alone.
        let later = match (hour, score.told_later) {
            (4, 0) => Some((429, 2 * HOUR)),
            (12, 1) => Some((503, HOUR)),
            _ => None,
        };
        if let Some((status, wait)) = later {
            score.told_later += 1;
            score.not_before = Some(now.plus(wait));
            return Reply::status(status).with("Retry-After", &wait.as_secs().to_string());
        }
        // New every third hour.
        let etag = format!("\"{}\"", hour / 3);
        if score.etag.as_ref() == Some(&etag) {
            return Reply::status(304).with("ETag", &etag);
        }
        score.etag = Some(etag.clone());
        score.documents += 1;
        Reply::ok(rss(&[(&etag, "Tide tables")])).with("ETag", &etag)
    });
    let feed = feed("wire", &bench.url("/feed"));
    for _ in 0..24 * 60 {
        // Each look is a poller of its own: a restart a minute.
        let _ = bench.poll_due(&feed).await;
        bench.clock.advance(MINUTE);
    }
    let score = score.lock().expect("lock");
    assert_eq!(score.faults, [""; 0]);
    assert_eq!((score.told_later, score.documents), (2, 8), "nothing was missed either");
    assert!(score.at.len() >= 80, "{} polls in a day of quarters", score.at.len());
}
