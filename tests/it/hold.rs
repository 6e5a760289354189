//! What waits: groups, quiet hours, digests, rates, silences. Every step is a run of its own on the same
//! store, as after a restart; the time is moved by hand.

use std::time::Duration;

use serde_json::Value;
use wirewatch::app::{App, Once, Parts};
use wirewatch::clock::Clock;
use wirewatch::deliver::console::{Console, Style};
use wirewatch::model::Timestamp;
use wirewatch::store::{Access, SilenceRecord, Store};

use super::newsroom::{Newsroom, article, body, number, title};
use super::receiver::{Answer, Receiver};

/// 08:02 UTC on a Monday.
const START: Timestamp = Timestamp::from_seconds(1_742_198_531);

/// One run: what lies there is read, what is due is sent, and the process is gone.
async fn once(room: &Newsroom, clock: &Clock) -> Once {
    let console = Console::to(Box::new(std::io::sink()), Style { columns: 80, colour: false });
    App::run_once(Parts { config: room.config(), clock: clock.clone(), console }).await.expect("a round")
}

fn received(receiver: &Receiver) -> Vec<Value> {
    receiver.received().iter().map(|r| serde_json::from_slice(&r.body).expect("JSON")).collect()
}

fn drop_articles(room: &Newsroom, numbers: std::ops::Range<u64>) {
    for n in numbers {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
}

/// The same text from so many outlets.
fn carried(n: u64, outlets: usize) -> String {
    let copies: Vec<Value> = (0..outlets)
        .map(|o| serde_json::json!({"title": title(n), "text": body(n), "source": format!("Outlet {o}"), "url": format!("https://o{o}.example/{n}")}))
        .collect();
    Value::from(copies).to_string()
}

fn states(room: &Newsroom) -> (i64, i64, i64) {
    let store = room.store();
    (
        number(&store, "SELECT count(*) FROM deliveries WHERE state = 'pending'"),
        number(&store, "SELECT count(*) FROM deliveries WHERE state = 'delivered'"),
        number(&store, "SELECT count(*) FROM deliveries WHERE state = 'folded'"),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_growth_within_the_wait_is_one_alert_across_restarts() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "group_wait = \"60s\"\n");
    let clock = Clock::manual(START);
    room.drop_file("a.json", &carried(1, 1));
    once(&room, &clock).await;
    clock.advance(Duration::from_secs(30));
    room.drop_file("b.json", &carried(1, 4));
    once(&room, &clock).await;
    assert_eq!((receiver.count(), states(&room)), (0, (1, 0, 1)), "the second took the place of the first");
    clock.advance(Duration::from_secs(29));
    once(&room, &clock).await;
    assert_eq!(receiver.count(), 0);
    clock.advance(Duration::from_secs(1));
    once(&room, &clock).await;
    once(&room, &clock).await;
    let told = received(&receiver);
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["type"], &told[0]["data"]["alert"]["reason"]), (&"alert.matched".into(), &"first".into()));
    assert!(told[0]["data"]["story"]["sources_total"].as_u64() >= Some(3), "{}", told[0]);
    // What comes later is an update of its own.
    room.drop_file("c.json", &carried(1, 12));
    once(&room, &clock).await;
    assert_eq!(received(&receiver)[1]["type"], "story.updated");
    assert_eq!(states(&room), (0, 2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_hours_hold_then_one_digest_and_what_is_urgent_passes() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "quiet = [\"08:00-09:00\"]\nurgent = \"critical\"\n");
    let clock = Clock::manual(START);
    drop_articles(&room, 0..3);
    once(&room, &clock).await;
    drop_articles(&room, 3..5);
    clock.advance(Duration::from_secs(600));
    once(&room, &clock).await;
    assert_eq!((receiver.count(), states(&room)), (0, (5, 0, 0)));
    room.reconfigure("severity = \"high\"", "severity = \"critical\"");
    drop_articles(&room, 5..6);
    once(&room, &clock).await;
    assert_eq!(received(&receiver)[0]["type"], "alert.matched");
    // The receiver is away at the moment the quiet ends: the digest is made once all the same.
    clock.advance(Duration::from_secs(3600));
    receiver.script([Answer::status(500)]);
    once(&room, &clock).await;
    assert_eq!(states(&room), (1, 1, 5));
    clock.advance(Duration::from_secs(60));
    once(&room, &clock).await;
    once(&room, &clock).await;
    let (told, raw) = (received(&receiver), receiver.received());
    assert_eq!(told.len(), 3);
    assert_eq!(told[1], told[2], "byte for byte the same digest");
    assert_eq!(raw[1].id, raw[2].id);
    assert_eq!((&told[2]["type"], &told[2]["data"]["alerts"]), (&"alerts.digest".into(), &5.into()));
    assert_eq!(told[2]["data"]["entries"].as_array().map(Vec::len), Some(5));
    assert_eq!(states(&room), (0, 2, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn digest_comes_on_schedule_and_a_single_alert_stays_itself() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "format = \"slack\"\ndigest = \"0 * * * *\"\n");
    let clock = Clock::manual(START);
    drop_articles(&room, 0..4);
    once(&room, &clock).await;
    clock.advance(Duration::from_secs(3600));
    once(&room, &clock).await;
    drop_articles(&room, 4..5);
    once(&room, &clock).await;
    assert_eq!(receiver.count(), 1);
    clock.advance(Duration::from_secs(3600));
    once(&room, &clock).await;
    let told = received(&receiver);
    assert_eq!(told.len(), 2);
    assert!(told[0]["text"].as_str().expect("text").contains("4 alerts since the last digest"), "{}", told[0]);
    assert!(told[1].to_string().contains(&title(4)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_beyond_it_one_alert_names_how_many() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "rate = \"2/h\"\n");
    let clock = Clock::manual(START);
    drop_articles(&room, 0..3);
    once(&room, &clock).await;
    drop_articles(&room, 3..7);
    once(&room, &clock).await;
    assert_eq!((receiver.count(), states(&room)), (2, (5, 2, 0)));
    clock.advance(Duration::from_secs(3600));
    once(&room, &clock).await;
    once(&room, &clock).await;
    let told = received(&receiver);
    assert_eq!(told.len(), 3);
    assert_eq!((&told[2]["type"], &told[2]["data"]["alerts"]), (&"alerts.suppressed".into(), &5.into()));
    assert_eq!(told[2]["data"]["topics"], serde_json::json!([{"id": "levee", "alerts": 5}]));
    drop_articles(&room, 7..8);
    once(&room, &clock).await;
    assert_eq!(received(&receiver)[3]["type"], "alert.matched", "a new window");
    let store = room.store();
    assert_eq!(number(&store, "SELECT count(*) FROM alerts"), 9);
    assert_eq!(number(&store, "SELECT max(sequence) FROM alerts"), 9, "no number is given twice");
    let numbers: Vec<u64> =
        received(&receiver).iter().filter_map(|v| v["data"]["alert"]["sequence"].as_u64()).collect();
    assert_eq!(numbers.last(), Some(&9), "the payload has the number the store gave");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_by_hand_stores_the_alert_and_tells_nobody_until_it_ends() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "[[silences]]\nid = \"ferries\"\ntopics = [\"ferry\"]\n");
    let clock = Clock::manual(START);
    once(&room, &clock).await;
    let silence = SilenceRecord {
        id: String::new(),
        topics: vec!["levee".to_owned()],
        sources: Vec::new(),
        story: None,
        text: None,
        starts: START,
        ends: Some(START.plus(Duration::from_secs(3600))),
        author: "a. author".to_owned(),
        comment: "known".to_owned(),
    };
    let share = |room: &Newsroom| Store::open(&room.path("state"), Access::Share).expect("a store");
    let id = share(&room).add_silence(&silence).expect("written");
    drop_articles(&room, 0..1);
    room.drop_file("f.txt", &article(1).replace("levee", "ferry"));
    once(&room, &clock).await;
    assert_eq!(receiver.count(), 0);
    let alerts = room.store().alerts(None, 10).expect("read");
    let by: Vec<Option<String>> = alerts.into_iter().map(|alert| alert.silenced_by).collect();
    assert_eq!(by.len(), 2);
    assert!(by.contains(&Some(id.clone())) && by.contains(&Some("ferries".to_owned())), "{by:?}");
    assert!(share(&room).expire_silence(&id, clock.now()).expect("written"));
    drop_articles(&room, 2..3);
    once(&room, &clock).await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoint_that_fails_is_told_of_once_elsewhere_and_disabled_in_the_end() {
    let (desk, ops) = (Receiver::start().await, Receiver::start().await);
    desk.otherwise(Answer::status(500));
    let more = format!(
        "[[endpoints]]\nid = \"ops\"\nurl = \"{}\"\ntopics = [\"ferry\"]\nallow_private = [\"127.0.0.0/8\"]\n",
        ops.url()
    );
    let room = Newsroom::new(&desk, &more);
    room.reconfigure("jitter = 0.0", "jitter = 0.0\noperations = [\"ops\", \"desk\"]\ndisable_after = \"20h\"");
    let clock = Clock::manual(START);
    drop_articles(&room, 0..1);
    for _ in 0..8 {
        once(&room, &clock).await;
        once(&room, &clock).await;
        clock.advance(Duration::from_secs(6 * 3600));
    }
    let told: Vec<String> = received(&ops).iter().map(|v| v["type"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(told, ["endpoint.failing", "endpoint.disabled"]);
    let tried = desk.count();
    assert!(desk.received().iter().all(|r| !String::from_utf8_lossy(&r.body).contains("endpoint.")), "never on itself");
    // Enabled by hand, and well again.
    desk.otherwise(Answer::status(200));
    let store = Store::open(&room.path("state"), Access::Share).expect("a store");
    let id = super::deliver::name("desk");
    store.write("enable", |tx| wirewatch::store::outbox::enable(tx, &id)).expect("written");
    drop(store);
    once(&room, &clock).await;
    once(&room, &clock).await;
    assert_eq!(desk.count(), tried + 1);
    assert_eq!(received(&ops).last().map(|v| v["type"].clone()), Some("endpoint.recovered".into()));
}
