//! Feeds that a hub pushes: subscribed to, verified, prolonged and left; pushes stored before they are answered; every
//! fault of a hub costs no more than polling does.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wirewatch::clock::Clock;
use wirewatch::model::{FoundHubs, HubLinks, Timestamp};
use wirewatch::source::feed::polling::rules::PollRulesSlot;
use wirewatch::source::websub::{HubCover, PollHubs};
use wirewatch::source::{IngestMessage, Receipt};

use super::crash::Daemon;
use super::feed_server::{FeedServer, Reply, rss};
use super::hub::{Hub, HubRequest, PUBLIC, Verifying, path_of, push, push_signed, signature, speak};
use super::newsroom::{Newsroom, body, number, title, told, until};
use super::operate::Running;
use super::polling::{Bench, HANGS, TWO, feed};
use super::program;
use super::receiver::Receiver;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const TOPIC: &str = "https://wire.example/feed?a=1&b=2";

/// A feed that names a hub, with these articles; published at these times, where any is given.
fn document(hubs: &[&str], articles: &[(u64, Option<Timestamp>)]) -> String {
    let item = |(n, at): &(u64, Option<Timestamp>)| {
        let at = at.map(|at| format!("<dc:date>{at}</dc:date>")).unwrap_or_default();
        format!("<item><guid>{n}</guid><title>{}</title><description>{}</description>{at}</item>", title(*n), body(*n))
    };
    let hubs: Vec<String> = hubs.iter().map(|hub| format!("<atom:link rel=\"hub\" href=\"{hub}\"/>")).collect();
    let hubs = hubs.concat();
    let items: String = articles.iter().map(item).collect();
    format!(
        "<rss version=\"2.0\" xmlns:atom=\"http://www.w3.org/2005/Atom\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\
         <channel><title>Levee wire</title>{hubs}<atom:link rel=\"self\" href=\"{}\"/>{items}</channel></rss>",
        TOPIC.replace('&', "&amp;")
    )
}

fn of(articles: &[u64]) -> Vec<(u64, Option<Timestamp>)> {
    articles.iter().map(|n| (*n, None)).collect()
}

fn config(feeds: &FeedServer, more: &str) -> String {
    format!(
        "[websub]\nenabled = true\n[[feeds]]\nid = \"wire\"\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\n{more}",
        feeds.url("/feed")
    )
}

fn listening(room: Newsroom) -> Newsroom {
    let listen = format!("listen = \"127.0.0.1:0\"\npublic_url = \"https://{PUBLIC}\"");
    room.reconfigure("listen = \"off\"", &listen);
    room
}

/// A daemon with one feed and its hub.
struct Scene {
    feeds: FeedServer,
    hub: Hub,
    receiver: Receiver,
    room: Newsroom,
    clock: Clock,
    running: Running,
    http: SocketAddr,
}

impl Scene {
    async fn new(prepare: impl FnOnce(&FeedServer, &Hub)) -> Self {
        Self::with(Clock::manual(Timestamp::parse("2025-03-17T08:00:00Z").expect("a time")), "", prepare).await
    }

    async fn with(clock: Clock, more: &str, prepare: impl FnOnce(&FeedServer, &Hub)) -> Self {
        let feeds = FeedServer::start().await;
        let hub = Hub::at(&feeds, "/hub");
        feeds.feed("/feed", "\"a\"", &document(&[&feeds.url("/hub")], &of(&[100])));
        prepare(&feeds, &hub);
        let receiver = Receiver::start().await;
        let room = listening(Newsroom::new(&receiver, &config(&feeds, more)));
        let (running, http) = start(&room, &clock, &hub).await;
        Self { feeds, hub, receiver, room, clock, running, http }
    }

    async fn active(&self) -> HubRequest {
        let request = self.hub.was_asked(1).await;
        self.hub.heard(1).await;
        self.state("active").await;
        request
    }

    async fn state(&self, name: &str) {
        until(&format!("the subscription is {name}"), || {
            let states = self.running.store.subscriptions().expect("read");
            states.iter().any(|one| one.state_name() == name)
        })
        .await;
    }

    fn feed(&self) -> wirewatch::model::FeedState {
        self.running.store.feed("wire").expect("read").expect("it was polled")
    }

    async fn polls(&self, count: u64) {
        until(&format!("poll {count}"), || {
            self.running.store.feed("wire").expect("read").is_some_and(|state| state.polls >= count)
        })
        .await;
    }

    async fn shown(&self) -> Value {
        let shown = program::run(&self.room, &["feeds", "show", "wire", "--json"]).await;
        program::json(&shown)[0]["push"].clone()
    }

    /// Moves the clock and lets everybody have their turn.
    async fn wait(&self, span: Duration) {
        self.clock.advance(span);
        tokio::task::yield_now().await;
    }

    /// A count of the metrics.
    async fn metric(&self, name: &str) -> u64 {
        let text = super::operate::get_path(self.http, "/metrics").await;
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        let value: f64 = line
            .and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or_else(|| panic!("no {name} in {text}"));
        value.round() as u64
    }
}

async fn start(room: &Newsroom, clock: &Clock, hub: &Hub) -> (Running, SocketAddr) {
    let app = room.start(clock).await;
    let http = app.http_address.expect("it listens");
    hub.reaches(http);
    (Running::of(room, app), http)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websub_pushed_item_is_told_once_whoever_brings_it_again() {
    let scene = Scene::new(|_, hub| hub.switch(|switches| switches.lease = Some("864000".to_owned()))).await;
    let request = scene.active().await;
    assert_eq!((request.mode.as_str(), request.topic.as_str()), ("subscribe", TOPIC));
    assert_eq!(request.lease.as_deref(), Some("864000"));
    let callback = request.callback.strip_prefix("https://watch.example.org/websub/").expect("under the public name");
    assert!(callback.len() == 32 && callback.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
    assert!(request.secret.as_ref().is_some_and(|secret| secret.len() == 64));
    let heard = scene.hub.heard(1).await;
    assert_eq!((heard[0].status, heard[0].body.as_str()), (200, "chal/lenge 7&"), "as it came");
    let shown = scene.shown().await;
    assert_eq!(shown["active_until"], "2025-03-27T08:00:00Z", "{shown}");
    // A part of the feed: one article that it did not have before.
    let part = document(&[], &of(&[1]));
    assert_eq!(push_signed(scene.http, &request, part.as_bytes()).await, 200);
    scene.receiver.wait_for(1).await;
    assert_eq!(number(&scene.running.store, "SELECT count(*) FROM items"), 2, "stored before it was answered");
    assert_eq!(scene.feed().body_hash, None, "the next poll reads the document in full");
    // The hub sends it again, with the whole feed, and a poll finds it as well.
    let whole = document(&[&scene.feeds.url("/hub")], &of(&[1, 100]));
    assert_eq!(push_signed(scene.http, &request, part.as_bytes()).await, 200);
    assert_eq!(push_signed(scene.http, &request, whole.as_bytes()).await, 200);
    scene.feeds.feed("/feed", "\"b\"", &whole);
    scene.wait(2 * HOUR).await;
    scene.polls(2).await;
    assert_eq!(number(&scene.running.store, "SELECT count(*) FROM items"), 2);
    let told = told(&scene.receiver.received(), None);
    assert_eq!((told.ids.len(), told.repeats), (1, 0));
    assert_eq!(scene.metric("wirewatch_websub_pushes_total").await, 3);
    assert_eq!(scene.metric("wirewatch_websub_subscriptions{state=\"active\"}").await, 1);
    scene.running.stop().await;
    let shown = Newsroom::store(&scene.room).subscriptions().expect("read");
    assert_eq!((shown[0].pushed, shown[0].missed), (1, 0), "counts are stored at the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websub_pushes_that_cannot_be_believed_are_dropped_and_counted() {
    let scene = Scene::new(|_, _| ()).await;
    let request = scene.active().await;
    let secret = request.secret.clone().expect("a secret");
    let part = document(&[], &of(&[1]));
    let good = signature("sha256", &secret, part.as_bytes());
    let other = signature("sha256", "another", part.as_bytes());
    // The answer says nothing of why.
    for wrong in [other.as_str(), "sha256=", "md5=00", "nonsense", &good[..20]] {
        assert_eq!(push(scene.http, &request, Some(wrong), part.as_bytes()).await, 202, "{wrong}");
    }
    assert_eq!(number(&scene.running.store, "SELECT count(*) FROM items"), 1, "nothing of it is stored");
    assert_eq!(scene.metric("wirewatch_websub_rejections_total{reason=\"bad-signature\"}").await, 5);
    // One that is not signed says no more than that there is something: the feed is polled for it.
    scene.wait(2 * 60 * Duration::from_secs(1)).await;
    let polls = scene.feed().polls;
    scene.feeds.feed("/feed", "\"b\"", &document(&[&scene.feeds.url("/hub")], &of(&[2, 100])));
    assert_eq!(push(scene.http, &request, None, part.as_bytes()).await, 202);
    scene.polls(polls + 1).await;
    scene.receiver.wait_for(1).await;
    assert_eq!(number(&scene.running.store, "SELECT count(*) FROM items"), 2, "by the poll alone");
    // So does one that cannot be read.
    let polls = scene.feed().polls;
    let noise = b"<html><body>maintenance</body></html>";
    assert_eq!(push_signed(scene.http, &request, noise).await, 202);
    scene.polls(polls + 1).await;
    assert_eq!(scene.metric("wirewatch_websub_rejections_total{reason=\"unreadable\"}").await, 1);
    // Whatever its type is said to be, and however its hex is written.
    let path = path_of(&request.callback);
    let headers =
        format!("content-type: text/html\r\nx-hub-signature: {}\r\n", good.to_uppercase().replace("SHA", "sha"));
    assert_eq!(speak(scene.http, "POST", &path, &headers, part.as_bytes()).await.status, 200);
    let weak = document(&[], &of(&[3]));
    let sha1 = signature("sha1", &secret, weak.as_bytes());
    assert_eq!(push(scene.http, &request, Some(&sha1), weak.as_bytes()).await, 200);
    scene.receiver.wait_for(3).await;
    // More in a minute than any feed has news: the hub is told to wait.
    let mut last = 0;
    for _ in 0..30 {
        last = push(scene.http, &request, Some("sha256=00"), b"x").await;
    }
    assert_eq!(last, 429);
    scene.running.stop().await;
    let stored = &scene.room.store().subscriptions().expect("read")[0];
    assert!(stored.is_weak && stored.dropped > 7, "{stored:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websub_only_questions_that_fit_are_confirmed() {
    let scene = Scene::new(|_, hub| hub.switch(|switches| switches.verifying = Verifying::Never)).await;
    let request = scene.hub.was_asked(1).await;
    let path = path_of(&request.callback);
    let ask = async |path: &str, mode: &str, topic: &str, challenge: &str, more: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("hub.mode", mode).append_pair("hub.topic", topic).append_pair("hub.challenge", challenge);
        speak(scene.http, "GET", &format!("{path}?{}{more}", query.finish()), "", b"").await.status
    };
    assert_eq!(ask("/websub/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "subscribe", TOPIC, "x", "").await, 404);
    assert_eq!(ask(&path, "subscribe", "https://wire.example/feed?a=1", "x", "").await, 404);
    assert_eq!(ask(&path, "unsubscribe", TOPIC, "x", "").await, 404);
    assert_eq!(ask(&path, "", TOPIC, "x", "").await, 404);
    assert_eq!(ask(&path, "subscribe", TOPIC, &"x".repeat(4097), "").await, 404);
    assert_eq!(speak(scene.http, "GET", &path, "", b"").await.status, 404);
    // A push may come before the question: the signature says enough.
    let part = document(&[], &of(&[1]));
    assert_eq!(push_signed(scene.http, &request, part.as_bytes()).await, 200);
    // Twice is fine, and nonsense for a lease is none.
    assert_eq!(ask(&path, "subscribe", TOPIC, &"x".repeat(4096), "&hub.lease_seconds=soon").await, 200);
    assert_eq!(ask(&path, "subscribe", TOPIC, "x", "").await, 200);
    assert_eq!(scene.shown().await["active_until"], "2025-03-18T08:00:00Z");
    for (said, until) in [("0", "2025-03-17T09:00:00Z"), ("315360000", "2025-03-31T08:00:00Z")] {
        assert_eq!(ask(&path, "subscribe", TOPIC, "x", &format!("&hub.lease_seconds={said}")).await, 200);
        assert_eq!(scene.shown().await["active_until"], until);
    }
    assert_eq!(ask(&path, "denied", TOPIC, "", "&hub.reason=closed").await, 200);
    let shown = scene.shown().await;
    assert_eq!((&shown["state"], &shown["error"]), (&json!("denied"), &json!("the hub denies it: closed")));
    // Nobody else's callbacks.
    assert_eq!(speak(scene.http, "POST", "/websub/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", b"x").await.status, 410);
    assert!(matches!(speak(scene.http, "PUT", &path, "", b"").await.status, 403 | 405));
    scene.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websub_hub_that_never_or_wrongly_confirms_leaves_the_feed_polled() {
    for verifying in [Verifying::Never, Verifying::OtherTopic, Verifying::OtherMode, Verifying::Denying] {
        let scene = Scene::new(|_, hub| hub.switch(|switches| switches.verifying = verifying)).await;
        scene.hub.was_asked(1).await;
        scene.polls(1).await;
        if verifying != Verifying::Never {
            let heard = scene.hub.heard(1).await;
            assert_eq!(heard[0].status, if verifying == Verifying::Denying { 200 } else { 404 }, "{verifying:?}");
        }
        let wanted = if verifying == Verifying::Denying { "denied" } else { "asked" };
        scene.state(wanted).await;
        let (last, next) = (scene.feed().last_poll_at.expect("polled"), scene.feed().next_poll_at);
        assert_eq!(next.since(last), Duration::from_secs(900), "{verifying:?}: as if there were no hub");
        // It is asked again, and confirms this time.
        scene.hub.switch(|switches| switches.verifying = Verifying::Twice);
        let (asked, heard) = (scene.hub.asked().len(), scene.hub.verified().len());
        scene.wait(if verifying == Verifying::Denying { 7 * DAY } else { HOUR }).await;
        if verifying != Verifying::Denying {
            // After an hour it counts as refused, an hour later it is asked again.
            until("it counts as refused", || {
                scene.running.store.subscriptions().expect("read").iter().any(|one| one.refusals == 1)
            })
            .await;
            scene.wait(HOUR).await;
        }
        let again = scene.hub.was_asked(asked + 1).await;
        assert_eq!(again.callback, scene.hub.asked()[0].callback, "for its life");
        let answers = scene.hub.heard(heard + 2).await;
        assert!(answers[heard..].iter().all(|answer| answer.status == 200), "twice is fine");
        scene.state("active").await;
        scene.running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websub_hub_that_refuses_or_leads_elsewhere() {
    // The first one is broken: the other one that the feed names is asked at once.
    let scene = Scene::new(|feeds, _| {
        feeds.on("/broken", |_| Reply::Http { status: 503, headers: Vec::new(), body: b"down\x1b[31m".to_vec() });
        let hubs = [feeds.url("/broken"), feeds.url("/hub")];
        feeds.feed("/feed", "\"a\"", &document(&[&hubs[0], &hubs[1]], &of(&[100])));
    })
    .await;
    let request = scene.active().await;
    assert!(!scene.feeds.asked("/broken").is_empty());
    assert_eq!(scene.shown().await["hub"], scene.feeds.url("/hub"));
    assert!(request.secret.is_some(), "on a network of one's own");
    scene.running.stop().await;
    // Two redirects are followed, three are not.
    for hops in [2, 3] {
        let scene = Scene::new(|feeds, _| {
            for hop in 1..=hops {
                let to = if hop == 1 { feeds.url("/hub") } else { feeds.url(&format!("/hop{}", hop - 1)) };
                feeds.on(&format!("/hop{hop}"), move |_| Reply::redirect(307, &to));
            }
            let hub = feeds.url(&format!("/hop{hops}"));
            feeds.feed("/feed", "\"a\"", &document(&[&hub], &of(&[100])));
        })
        .await;
        if hops == 2 {
            scene.active().await;
        } else {
            until("it counts as refused", || {
                scene.running.store.subscriptions().expect("read").iter().any(|one| one.refusals == 1)
            })
            .await;
            assert!(scene.shown().await["error"].as_str().is_some_and(|words| words.contains("redirects")));
        }
        scene.running.stop().await;
    }
    // An answer that trickles is cut, and one that is no answer is a refusal.
    for answer in [
        Reply::Raw(b"HTTP/1.1 500 no\r\ncontent-length: 100000000\r\n\r\nbusy".to_vec()),
        Reply::Reset,
        Reply::Raw(b"nonsense\r\n\r\n".to_vec()),
    ] {
        let scene = Scene::new(|_, hub| hub.switch(|switches| switches.answer = answer.clone())).await;
        until("it counts as refused", || {
            scene.running.store.subscriptions().expect("read").iter().any(|one| one.refusals == 1)
        })
        .await;
        assert!(scene.shown().await["error"].is_string());
        scene.running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websub_hub_that_moved_is_left_and_the_new_one_asked_at_once() {
    let scene = Scene::new(|_, _| ()).await;
    let first = scene.active().await;
    let other = Hub::at(&scene.feeds, "/other");
    other.reaches(scene.http);
    scene.feeds.feed("/feed", "\"b\"", &document(&[&scene.feeds.url("/other")], &of(&[100])));
    scene.wait(HOUR).await;
    let second = other.was_asked(1).await;
    other.heard(1).await;
    assert_ne!(second.callback, first.callback);
    assert_ne!(second.secret, first.secret);
    let left = scene.hub.was_asked(2).await;
    assert_eq!((left.mode.as_str(), &left.callback), ("unsubscribe", &first.callback));
    let heard = scene.hub.heard(2).await;
    assert_eq!((heard[1].status, heard[1].body.as_str()), (200, "chal/lenge 7&"));
    let part = document(&[], &of(&[1]));
    assert_eq!(push_signed(scene.http, &first, part.as_bytes()).await, 410, "nobody wants it any more");
    assert_eq!(push_signed(scene.http, &second, part.as_bytes()).await, 200);
    assert_eq!(scene.shown().await["hub"], scene.feeds.url("/other"));
    // No hub any more: it is left, and the feed polled as before.
    scene.feeds.feed("/feed", "\"c\"", &document(&[], &of(&[100])));
    scene.wait(HOUR).await;
    assert_eq!(other.was_asked(2).await.mode, "unsubscribe");
    until("its interval is the usual one", || {
        let state = scene.feed();
        scene.clock.advance(Duration::from_secs(30));
        state.last_poll_at.is_some_and(|last| state.next_poll_at.since(last) <= Duration::from_secs(900))
    })
    .await;
    scene.wait(DAY).await;
    until("both are forgotten", || scene.running.store.subscriptions().expect("read").is_empty()).await;
    scene.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websub_subscription_outlives_a_restart_and_ends_with_the_config() {
    let scene = Scene::new(|_, _| ()).await;
    let request = scene.active().await;
    let Scene { feeds, hub, receiver, room, clock, running, http } = scene;
    running.stop().await;
    let part = document(&[], &of(&[1]));
    assert_eq!(push_signed(http, &request, part.as_bytes()).await, 0, "nobody is there: the hub comes again");
    let (running, http) = start(&room, &clock, &hub).await;
    assert_eq!(push_signed(http, &request, part.as_bytes()).await, 200);
    receiver.wait_for(1).await;
    assert_eq!(hub.asked().len(), 1, "nobody was asked again");
    // Before its time is over it is prolonged, under the same callback.
    clock.advance(DAY);
    let again = hub.was_asked(2).await;
    assert_eq!(
        (again.mode.as_str(), &again.callback, &again.secret),
        ("subscribe", &request.callback, &request.secret)
    );
    hub.heard(2).await;
    room.reconfigure("enabled = true", "enabled = false");
    assert!(running.reload(&room).await);
    let asked = hub.was_asked(3).await;
    assert_eq!((asked.mode.as_str(), &asked.callback), ("unsubscribe", &request.callback));
    assert_eq!(hub.heard(3).await[2].status, 200);
    assert_eq!(push_signed(http, &request, part.as_bytes()).await, 410);
    drop(feeds);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websub_feed_is_polled_less_often_only_while_its_hub_pushes() {
    let now = Timestamp::parse("2025-03-17T08:00:00Z").expect("a time");
    let scene = Scene::with(Clock::manual(now), "interval_max = \"15m\"\n", |_, hub| {
        hub.switch(|switches| switches.lease = Some("864000".to_owned()));
    })
    .await;
    scene.active().await;
    let hub = scene.feeds.url("/hub");
    // From the next poll on: four times the interval, an hour at most.
    scene.wait(Duration::from_secs(900)).await;
    scene.polls(2).await;
    let state = scene.feed();
    assert_eq!(state.next_poll_at.since(state.last_poll_at.expect("polled")), HOUR);
    // Two articles that it found long after they were published: the hub should have pushed them.
    let mut articles = of(&[100]);
    for (n, etag) in [(1u64, "\"b\""), (2, "\"c\"")] {
        articles.insert(0, (n, Some(scene.clock.now().plus(HOUR / 3))));
        scene.feeds.feed("/feed", etag, &document(&[&hub], &articles));
        scene.wait(HOUR).await;
        scene.polls(2 + n).await;
    }
    scene.state("unreliable").await;
    let shown = scene.shown().await;
    assert_eq!((&shown["missed"], &shown["pushed"]), (&json!(2), &json!(0)), "{shown}");
    until("it is told", || {
        scene.receiver.received().iter().any(|one| {
            let body: Value = serde_json::from_slice(&one.body).expect("JSON");
            body["type"] == "source.push_unreliable"
                && body["data"]["summary"]
                    == "Levee wire: its hub 127.0.0.1 pushed 0 of 2 new items, so it is polled as before"
        })
    })
    .await;
    scene.wait(HOUR).await;
    scene.polls(5).await;
    let state = scene.feed();
    assert_eq!(state.next_poll_at.since(state.last_poll_at.expect("polled")), Duration::from_secs(900));
    let status = program::run(&scene.room, &["status"]).await;
    let status = program::text(&status.stdout).to_owned();
    assert!(status.contains("hubs       0 feeds pushed, 1 unreliable and polled as before (wire)"), "{status}");
    assert_eq!(scene.metric("wirewatch_websub_misses_total").await, 2);
    scene.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websub_push_that_was_stored_and_not_answered_is_known_when_it_comes_again() {
    let feeds = FeedServer::start().await;
    let hub = Hub::at(&feeds, "/hub");
    feeds.feed("/feed", "\"a\"", &document(&[&feeds.url("/hub")], &of(&[100])));
    let receiver = Receiver::start().await;
    let room = listening(Newsroom::new(&receiver, &config(&feeds, "")));
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    room.reconfigure("127.0.0.1:0", &port.to_string());
    hub.reaches(port);
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    let request = hub.was_asked(1).await;
    hub.heard(1).await;
    daemon.kill().await;
    // Again, to die after the commit of the push.
    let mut daemon = Daemon::start(&room, Some("after-commit"));
    daemon.ready(&room).await;
    let part = document(&[], &of(&[1]));
    assert_eq!(push_signed(port, &request, part.as_bytes()).await, 0, "no answer");
    daemon.ended().await;
    assert_eq!(number(&room.store(), "SELECT count(*) FROM items"), 2);
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    assert_eq!(push_signed(port, &request, part.as_bytes()).await, 200);
    receiver.wait_for(1).await;
    assert_eq!(number(&room.store(), "SELECT count(*) FROM items"), 2);
    assert_eq!(number(&room.store(), "SELECT count(*) FROM alerts"), 1);
    assert_eq!(daemon.stop().await, Some(0));
    assert_eq!(told(&receiver.received(), None).ids.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websub_feeds_that_want_none_or_whose_text_is_elsewhere() {
    // A feed that says `off`, a hub that is denied: nobody is asked.
    for more in ["websub = \"off\"\n", ""] {
        let feeds = FeedServer::start().await;
        let hub = Hub::at(&feeds, "/hub");
        feeds.feed("/feed", "\"a\"", &document(&[&feeds.url("/hub")], &of(&[100])));
        let room = listening(Newsroom::silent(&config(&feeds, more)));
        if more.is_empty() {
            room.reconfigure("enabled = true", "enabled = true\nhubs_deny = [\"127.0.0.1\"]");
        }
        let (running, _) = start(&room, &Clock::system(), &hub).await;
        until("it is polled", || running.store.feed("wire").expect("read").is_some()).await;
        running.stop().await;
        assert_eq!((hub.asked().len(), room.store().subscriptions().expect("read").len()), (0, 0), "{more}");
    }
    // Whose text is on the pages behind: a push says that there is something, and the poll brings it with its pages.
    let scene = Scene::with(
        Clock::manual(Timestamp::parse("2025-03-17T08:00:00Z").expect("a time")),
        "full_text = \"on\"\n",
        |_, _| (),
    )
    .await;
    let request = scene.active().await;
    scene.wait(Duration::from_secs(120)).await;
    let polls = scene.feed().polls;
    assert_eq!(push_signed(scene.http, &request, document(&[], &of(&[1])).as_bytes()).await, 202);
    scene.polls(polls + 1).await;
    assert_eq!(number(&scene.running.store, "SELECT count(*) FROM items"), 1);
    // A body beyond what a feed may have.
    let large = vec![b'x'; 11 << 20];
    let status = push_signed(scene.http, &request, &large).await;
    assert!(matches!(status, 413 | 0), "{status}");
    assert_eq!(scene.metric("wirewatch_websub_rejections_total{reason=\"too-large\"}").await, 1);
    scene.running.stop().await;
}

#[tokio::test]
async fn websub_poll_beside_the_subscriptions_hands_over_which_hubs_its_feed_names_and_slows_for_one_that_pushes() {
    let mut bench = Bench::new().await;
    let links = "<a:link xmlns:a=\"http://www.w3.org/2005/Atom\" rel=\"hub\" href=\"https://hub.example/\"/>\
                 <a:link xmlns:a=\"http://www.w3.org/2005/Atom\" rel=\"self\" href=\"https://a.example/f\"/>";
    let body = rss(TWO).replacen("<title>", &format!("{links}<title>"), 1);
    let (wire, other) = (feed("wire", &bench.url("/feed")), feed("other", &bench.url("/other")));
    bench.server.feed("/feed", "\"a\"", &body);
    bench.server.feed("/other", "\"a\"", &body);
    let cover = HubCover::new(HashSet::from([wire.id.clone()]));
    bench.hubs = Some(PollHubs::Elsewhere(cover.clone()));
    assert_eq!(bench.poll(&other).await.batch.hubs, None, "nobody wants it pushed");
    bench.states.clear();
    let (first_at, first) = (bench.clock.now(), bench.poll(&wire).await);
    let hubs = vec!["https://hub.example/".to_owned()];
    let links = Some(HubLinks { hubs, topic: Some("https://a.example/f".to_owned()) });
    assert_eq!(first.batch.hubs, Some(FoundHubs { links, before: None }));
    let usual = bench.wait();
    bench.clock.advance(usual);
    let same = bench.poll(&wire).await;
    assert_eq!(same.batch.hubs, Some(FoundHubs { links: None, before: Some(first_at) }), "without a new document");
    assert_eq!(bench.wait(), usual);
    cover.set(wire.id.clone(), true);
    bench.poll(&wire).await;
    assert!(bench.wait() > usual, "{:?}", bench.wait());
    cover.set(wire.id.clone(), false);
    bench.poll(&wire).await;
    assert_eq!(bench.wait(), usual);
    bench.server.on("/feed", |_| Reply::status(500));
    assert_eq!(bench.poll(&wire).await.batch.hubs, None, "a poll that failed says nothing of hubs");
}

#[tokio::test]
async fn websub_word_of_a_hub_while_its_feed_is_being_polled_counts_for_the_next_poll() {
    let bench = Bench::new().await;
    bench.server.on("/feed", |_| Reply::ok(rss(TWO)));
    let wire = feed("wire", &bench.url("/feed"));
    let (to_ingest, mut batches) = mpsc::channel::<IngestMessage>(8);
    let (hints, cancel) = (PollRulesSlot::default(), CancellationToken::new());
    let poller = bench.poller(vec![wire.clone()], to_ingest).following(hints.clone());
    let task = tokio::spawn(poller.run(cancel.clone()));
    let mut polled = async || {
        let batch = tokio::time::timeout(HANGS, batches.recv()).await.expect("a poll").expect("the poller lives");
        batch.into_batch().expect("a batch")
    };
    let mut first = polled().await;
    // It is not stored yet.
    hints.hint(wire.id.clone(), true);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let told = first.receipt.take().expect("it waits").send(Receipt::default());
    assert!(told.is_ok());
    assert_eq!(polled().await.items.len(), 2, "polled again at once, and read in full");
    cancel.cancel();
    task.await.expect("no panic");
}
