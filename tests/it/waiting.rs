//! The real program, killed, restarted and told to reload while alerts wait for their story, for the end of
//! quiet hours and for a digest: each endpoint hears of each alert, once. By the clock of the machine, so it
//! takes as long as the shortest quiet hours: up to two minutes, nearly all of it waiting.

use std::collections::BTreeMap;

use rustix::process::Signal;
use serde_json::Value;
use wirewatch::config::last_reload;

use super::crash::Daemon;
use super::newsroom::{Newsroom, article, integrity, number, pending, title, until};
use super::receiver::Receiver;

/// What a kill may send again.
const REPEATS_PER_KILL_MAX: usize = 4;

/// Quiet hours from before now to the next minute that is far enough away for what has to happen before it.
fn quiet_now() -> String {
    let now = wirewatch::clock::Clock::system().now().seconds();
    let minute = now.div_euclid(60);
    let end = if now.rem_euclid(60) < 25 { minute + 1 } else { minute + 2 };
    let shown = |minute: i64| format!("{:02}:{:02}", minute.div_euclid(60).rem_euclid(24), minute.rem_euclid(60));
    format!("{}-{}", shown(minute - 1), shown(end))
}

fn endpoint(id: &str, receiver: &Receiver, timing: &str) -> String {
    format!(
        "[[endpoints]]\nid = \"{id}\"\nurl = \"{}\"\nsecret_file = \"secret\"\nheaders = [\"x-endpoint: {id}\"]\n\
         allow_private = [\"127.0.0.0/8\"]\n{timing}\n",
        receiver.url()
    )
}

/// What an endpoint heard of, by itself or in a digest: headline → how often, each request counted once an id.
fn heard(receiver: &Receiver, endpoint: &str) -> BTreeMap<String, usize> {
    let mut requests: BTreeMap<String, Value> = BTreeMap::new();
    for request in receiver.received().iter().filter(|r| r.header("x-endpoint") == Some(endpoint)) {
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        let before = requests.insert(request.id.clone(), body.clone());
        assert!(before.is_none_or(|before| before == body), "{} came with two bodies", request.id);
    }
    let mut heard = BTreeMap::new();
    for body in requests.values() {
        let data = &body["data"];
        let entries = data["entries"].as_array().cloned().unwrap_or_else(|| vec![data.clone()]);
        for entry in entries {
            *heard.entry(entry["item"]["title"].as_str().expect("a headline").to_owned()).or_insert(0) += 1;
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_alerts_outlive_kill_restart_and_reload_and_come_once() {
    let receiver = Receiver::start().await;
    let endpoints = [
        endpoint("grouped", &receiver, "group_wait = \"8s\""),
        endpoint("daily", &receiver, "digest = \"* * * * *\""),
        endpoint("night", &receiver, &format!("quiet = [\"{}\"]", quiet_now())),
    ];
    let room = Newsroom::new(&receiver, &endpoints.concat());
    room.reconfigure("id = \"desk\"", "id = \"desk\"\nenabled = false");
    let stored = |alerts: i64| {
        let room = &room;
        until("the alerts are stored", move || {
            number(&room.store(), "SELECT count(*) FROM alerts WHERE item IS NOT NULL") == alerts
        })
    };
    let drop = |numbers: std::ops::Range<u64>| {
        numbers.for_each(|n| room.drop_file(&format!("{n}.txt"), &article(n)));
    };
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    drop(0..3);
    stored(3).await;
    daemon.kill().await;

    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    drop(3..5);
    stored(5).await;
    // One more endpoint, another wait for one that is there: what waits keeps its time.
    room.reconfigure("group_wait = \"8s\"", "group_wait = \"9s\"");
    room.reconfigure(
        "[[endpoints]]\nid = \"desk\"",
        &format!("{}[[endpoints]]\nid = \"desk\"", endpoint("late", &receiver, "")),
    );
    let before = last_reload(&room.path("state")).map(|record| record.begun_ms);
    daemon.signal(Signal::HUP);
    until("the reload ends", || last_reload(&room.path("state")).map(|record| record.begun_ms) != before).await;
    assert!(last_reload(&room.path("state")).expect("a record").taken);
    drop(5..6);
    stored(6).await;
    daemon.kill().await;

    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    drop(6..7);
    stored(7).await;
    assert_eq!(daemon.stop().await, Some(0));
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    let store = room.store();
    until("nothing waits any more", || pending(&store) == 0).await;
    assert_eq!(daemon.stop().await, Some(0));

    let all: BTreeMap<String, usize> = (0..7).map(|n| (title(n), 1)).collect();
    for endpoint in ["grouped", "daily", "night"] {
        assert_eq!(heard(&receiver, endpoint), all, "{endpoint}");
    }
    let late: BTreeMap<String, usize> = (5..7).map(|n| (title(n), 1)).collect();
    assert_eq!(heard(&receiver, "late"), late, "only what came after it");
    let ids: std::collections::BTreeSet<(String, String)> =
        receiver.received().iter().map(|r| (r.header("x-endpoint").unwrap_or("").to_owned(), r.id.clone())).collect();
    let repeats = receiver.count() - ids.len();
    assert!(repeats <= 2 * REPEATS_PER_KILL_MAX, "{repeats} repeats");
    assert_eq!(number(&store, "SELECT count(*) FROM deliveries WHERE state NOT IN ('delivered', 'folded')"), 0);
    assert_eq!(integrity(&room.path("state")), "ok");
}
