//! What waits: groups, quiet hours, digests, rates, silences. Every step is a run of its own on the same
//! store, as after a restart; the time is moved by hand.

use std::time::Duration;

use serde_json::Value;
use wirewatch::app::{App, OnceReport, Parts};
use wirewatch::clock::Clock;
use wirewatch::deliver::console::{Console, Style};
use wirewatch::model::Timestamp;
use wirewatch::store::{Access, AlertFilter, SilenceRecord, Store, outbox};

use super::newsroom::{Newsroom, article, body, number, title};
use super::receiver::{Answer, Receiver};

/// 08:02 UTC on a Monday.
const START: Timestamp = Timestamp::from_seconds(1_742_198_531);

/// One run: what lies there is read, what is due is sent, and the process is gone.
async fn once(room: &Newsroom, clock: &Clock) -> OnceReport {
    let console = Console::to(Box::new(std::io::sink()), Style::plain(80));
    App::run_once(Parts { config: room.config(), place: String::new(), clock: clock.clone(), console })
        .await
        .expect("a round")
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
    assert_eq!((receiver.count(), states(&room)), (0, (1, 0, 0)), "the first took in what came");
    clock.advance(Duration::from_secs(29));
    once(&room, &clock).await;
    assert_eq!(receiver.count(), 0);
    clock.advance(Duration::from_secs(1));
    once(&room, &clock).await;
    once(&room, &clock).await;
    let told = received(&receiver);
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["type"], &told[0]["data"]["alert"]["reason"]), (&"alert.matched".into(), &"first".into()));
    assert!(told[0]["data"]["story"]["outlets_total"].as_u64() >= Some(3), "{}", told[0]);
    // What comes later is an update of its own.
    room.drop_file("c.json", &carried(1, 12));
    once(&room, &clock).await;
    clock.advance(Duration::from_secs(60));
    once(&room, &clock).await;
    once(&room, &clock).await;
    let update = &received(&receiver)[1];
    assert_eq!((&update["type"], &update["data"]["alert"]["reason"]), (&"story.updated".into(), &"growth".into()));
    assert_eq!(update["data"]["previous"]["alert"], told[0]["data"]["alert"]["id"]);
    assert_eq!(update["data"]["growth"]["headlines"].as_array().map(Vec::len), Some(0), "all say it in the same words");
    assert_eq!(states(&room), (0, 2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_outlets_in_one_file_are_one_alert_or_two() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let clock = Clock::manual(START);
    room.drop_file("a.json", &carried(1, 400));
    for _ in 0..4 {
        once(&room, &clock).await;
    }
    let told = received(&receiver);
    assert!((1..=2).contains(&told.len()), "{} alerts", told.len());
    assert_eq!(told[0]["type"], "alert.matched");
    let store = room.store();
    assert_eq!(number(&store, "SELECT count(*) FROM deliveries WHERE state = 'pending'"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_live_blog_has_on_top_is_told_by_the_report_of_it_or_alone() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let clock = Clock::manual(START);
    let blog = |n: u64| {
        let article = serde_json::json!({"id": "live", "title": format!("Storm live: {}", title(n)), "text": body(n),
            "source": "Gazette", "url": "https://gazette.example/live"});
        article.to_string()
    };
    let titles = || received(&receiver).iter().map(|told| told["data"]["item"]["title"].clone()).collect::<Vec<_>>();
    room.drop_file("1.json", &blog(1));
    once(&room, &clock).await;
    assert_eq!((receiver.count(), states(&room)), (0, (1, 0, 0)), "it waits for a report");
    clock.advance(Duration::from_secs(60));
    room.drop_file("2.json", &carried(1, 1));
    once(&room, &clock).await;
    once(&room, &clock).await;
    assert_eq!(titles(), [Value::from(title(1))], "the report is told, and at once");
    // The same blog with another event on top, which nobody else has.
    room.drop_file("3.json", &blog(2));
    once(&room, &clock).await;
    clock.advance(Duration::from_secs(1199));
    once(&room, &clock).await;
    assert_eq!(receiver.count(), 1);
    clock.advance(Duration::from_secs(1));
    once(&room, &clock).await;
    once(&room, &clock).await;
    assert_eq!(titles()[1..], [Value::from(format!("Storm live: {}", title(2)))]);
    let told = received(&receiver).pop().expect("told");
    assert_eq!((&told["type"], &told["data"]["alert"]["reason"]), (&"alert.matched".into(), &"first".into()));
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
    assert!(told[0]["text"].as_str().expect("text").contains("4 stories since the last digest"), "{}", told[0]);
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
    let id = share(&room).add_silence(&silence, clock.now()).expect("written");
    drop_articles(&room, 0..1);
    room.drop_file("f.txt", &article(1).replace("levee", "ferry"));
    once(&room, &clock).await;
    assert_eq!(receiver.count(), 0);
    let alerts = room.store().alerts(&AlertFilter { limit: 10, ..AlertFilter::default() }).expect("read");
    let by: Vec<Option<String>> = alerts.into_iter().map(|alert| alert.silenced_by).collect();
    assert_eq!(by.len(), 2);
    assert!(by.contains(&Some(id.clone())) && by.contains(&Some("ferries".to_owned())), "{by:?}");
    assert!(share(&room).expire_silence(&id, "desk", clock.now()).expect("written"));
    drop_articles(&room, 2..3);
    once(&room, &clock).await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_of_the_config_that_says_no_end_is_forgotten_after_seven_days() {
    const DAY: Duration = Duration::from_secs(86_400);
    let receiver = Receiver::start().await;
    let room = Newsroom::new(
        &receiver,
        "[[silences]]\nid = \"undated\"\ntopics = [\"levee\"]\n\
         [[silences]]\nid = \"kept\"\ntopics = [\"ferry\"]\nforever = true\n",
    );
    let clock = Clock::manual(START);
    let ferry = |n: u64| article(n).replace("levee", "ferry");
    // Restarts do not begin it anew.
    for (day, n) in [(0, 0), (6, 1)] {
        clock.set(START.plus(DAY * day));
        room.drop_file(&format!("{n}.txt"), &article(n));
        once(&room, &clock).await;
    }
    assert_eq!(receiver.count(), 0);
    let config = room.config();
    let tallies = |room: &Newsroom| wirewatch::view::silences(&config, &room.store(), clock.now(), true).expect("read");
    let held: Vec<_> = tallies(&room).iter().map(|t| (t.silence.id.clone(), t.active, t.held_back)).collect();
    assert_eq!(held, [("undated".to_owned(), true, 2), ("kept".to_owned(), true, 0)]);
    clock.set(START.plus(DAY * 7));
    room.drop_file("2.txt", &article(2));
    room.drop_file("f.txt", &ferry(3));
    once(&room, &clock).await;
    assert_eq!(receiver.count(), 1, "it has ended, the other has not");
    assert_eq!(tallies(&room).iter().map(|t| (t.active, t.held_back)).collect::<Vec<_>>(), [(false, 2), (true, 1)]);
    // Another thing to be silent about is another silence.
    room.reconfigure("topics = [\"levee\"]", "topics = [\"levee\", \"ferry\"]");
    room.drop_file("4.txt", &article(4));
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
    store.write("enable", |tx| outbox::enable(tx, &id)).expect("written");
    drop(store);
    once(&room, &clock).await;
    once(&room, &clock).await;
    assert_eq!(desk.count(), tried + 1);
    assert_eq!(received(&ops).last().map(|v| v["type"].clone()), Some("endpoint.recovered".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_that_ends_in_quiet_hours_waits_for_their_end() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "group_wait = \"40m\"\nquiet = [\"08:30-09:00\"]\n");
    let clock = Clock::manual(START);
    drop_articles(&room, 0..2);
    once(&room, &clock).await;
    clock.advance(Duration::from_secs(45 * 60));
    once(&room, &clock).await;
    assert_eq!((receiver.count(), states(&room)), (0, (2, 0, 0)), "08:47");
    clock.advance(Duration::from_secs(15 * 60));
    once(&room, &clock).await;
    once(&room, &clock).await;
    let told = received(&receiver);
    assert_eq!((told.len(), &told[0]["type"], &told[0]["data"]["alerts"]), (1, &"alerts.digest".into(), &2.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reload_that_changes_routing_while_alerts_wait_repeats_and_drops_nothing() {
    let (desk, late) = (Receiver::start().await, Receiver::start().await);
    let room = Newsroom::new(&desk, "group_wait = \"10m\"\n");
    let clock = Clock::manual(START);
    drop_articles(&room, 0..3);
    once(&room, &clock).await;
    // The wait is gone, only ferries are wanted, and somebody else wants what comes from now on.
    let other = format!(
        "topics = [\"ferry\"]\n[[endpoints]]\nid = \"late\"\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\n",
        late.url()
    );
    room.reconfigure("group_wait = \"10m\"\n", &other);
    drop_articles(&room, 3..4);
    once(&room, &clock).await;
    assert_eq!((desk.count(), late.count()), (0, 1), "what waits keeps its time");
    clock.advance(Duration::from_secs(600));
    once(&room, &clock).await;
    once(&room, &clock).await;
    let titles = |receiver: &Receiver| -> std::collections::BTreeSet<String> {
        received(receiver).iter().map(|v| v["data"]["item"]["title"].as_str().expect("a title").to_owned()).collect()
    };
    assert_eq!((desk.count(), titles(&desk)), (3, (0..3).map(title).collect()));
    assert_eq!((late.count(), titles(&late)), (1, [title(3)].into()));
    // What waits for an endpoint that is taken out is parked, and comes when it is back and asked for.
    room.reconfigure("topics = [\"ferry\"]\n", "quiet = [\"08:00-23:00\"]\n");
    drop_articles(&room, 4..6);
    once(&room, &clock).await;
    room.reconfigure("id = \"desk\"", "id = \"desk\"\nenabled = false");
    once(&room, &clock).await;
    let parked =
        || number(&room.store(), "SELECT count(*) FROM deliveries WHERE state = 'parked' AND endpoint = 'desk'");
    assert_eq!((parked(), desk.count()), (2, 3));
    room.reconfigure("\nenabled = false", "");
    let store = Store::open(&room.path("state"), Access::Share).expect("a store");
    let replay =
        |tx: &wirewatch::store::engine::Transaction<'_>| outbox::replay(tx, &outbox::Replay::Parked, None, clock.now());
    assert_eq!(store.write("replay", replay).expect("written"), 2);
    drop(store);
    once(&room, &clock).await;
    assert_eq!((parked(), desk.count()), (0, 5));
    assert_eq!(titles(&desk), (0..3).chain(4..6).map(title).collect());
}

/// An endpoint with a template that fails on alerts about levees.
fn templated(room: &Newsroom, receiver: &Receiver) {
    let source = "{% if 'levee' in data.story.title %}{{ 1 // 0 }}{% endif %}{\"title\": {{ data.story.title or data.summary }}}";
    std::fs::write(room.path("t.json"), source).expect("written");
    let wiki = format!(
        "[[endpoints]]\nid = \"wiki\"\nformat = \"template\"\ntemplate_file = \"t.json\"\nurl = \"{}\"\n\
         allow_private = [\"127.0.0.0/8\"]\n[[endpoints]]\nid = \"desk\"",
        receiver.url()
    );
    room.reconfigure("[[endpoints]]\nid = \"desk\"", &wiki);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn template_that_fails_on_an_alert_parks_it_is_told_of_and_replayed_once_mended() {
    let (ops, wiki) = (Receiver::start().await, Receiver::start().await);
    let room = Newsroom::new(&ops, "topics = [\"ferry\"]\n");
    templated(&room, &wiki);
    room.reconfigure("jitter = 0.0", "jitter = 0.0\noperations = [\"desk\", \"wiki\"]");
    let clock = Clock::manual(START);
    drop_articles(&room, 0..3);
    once(&room, &clock).await;
    once(&room, &clock).await;
    assert_eq!(wiki.count(), 0);
    let told = received(&ops);
    assert_eq!(told.len(), 1, "once for all of them, and not on itself");
    let data = &told[0]["data"];
    assert_eq!((&told[0]["type"], &data["alert"]["reason"]), (&"endpoint.failing".into(), &"unwritten".into()));
    assert!(data["summary"].as_str().is_some_and(|summary| summary.contains("3 alerts parked")), "{data}");
    assert!(data["detail"].as_str().is_some_and(|detail| detail.contains("line 1 of the template")), "{data}");
    let store = Store::open(&room.path("state"), Access::Share).expect("a store");
    let replay =
        |tx: &wirewatch::store::engine::Transaction<'_>| outbox::replay(tx, &outbox::Replay::Parked, None, clock.now());
    assert_eq!(store.write("replay", replay).expect("written"), 3);
    drop(store);
    once(&room, &clock).await;
    let parked = || number(&room.store(), "SELECT count(*) FROM deliveries WHERE state = 'parked'");
    assert_eq!((wiki.count(), parked()), (0, 3), "it still fails");
    std::fs::write(room.path("t.json"), "{\"about\": {{ data.story.title or data.summary }}}").expect("written");
    let store = Store::open(&room.path("state"), Access::Share).expect("a store");
    store.write("replay", replay).expect("written");
    drop(store);
    once(&room, &clock).await;
    once(&room, &clock).await;
    assert_eq!((wiki.count(), parked()), (3, 0));
    assert!(received(&wiki).iter().all(|body| body["about"].as_str().is_some_and(|title| title.contains("levee"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_endpoints_that_fail_themselves_tell_each_other_once_and_stop() {
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    for receiver in [&first, &second] {
        receiver.otherwise(Answer::status(500));
    }
    let more =
        format!("[[endpoints]]\nid = \"second\"\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\n", second.url());
    let room = Newsroom::new(&first, &more);
    room.reconfigure("jitter = 0.0", "jitter = 0.0\noperations = [\"desk\", \"second\"]\ndisable_after = \"20h\"");
    let clock = Clock::manual(START);
    drop_articles(&room, 0..2);
    let alerts = || number(&room.store(), "SELECT count(*) FROM alerts");
    let mut counts = Vec::new();
    for _ in 0..6 {
        for _ in 0..8 {
            once(&room, &clock).await;
            clock.advance(Duration::from_secs(3 * 3600));
        }
        counts.push(alerts());
    }
    // Two articles; each endpoint failing and then disabled, told once on the other, and no more for that.
    assert_eq!(counts[0], 4, "{counts:?}");
    assert!(counts[1..].iter().all(|count| *count == 6), "{counts:?}");
}
