//! Delivery against a real receiver on a real socket, with the time moved by hand.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::params;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wirewatch::clock::Clock;
use wirewatch::deliver::console::{Console, Style};
use wirewatch::deliver::secret::Secret;
use wirewatch::deliver::sign::{SignedHeaders, Signer};
use wirewatch::deliver::{
    Delivery, DeliveryConfig, DeliveryCounters, DeliveryError, DeliveryPart, DeliveryRules, DeliveryWaker,
    EndpointConfig, PayloadFormat,
};
use wirewatch::model::{EndpointId, Timestamp};
use wirewatch::net::Cidr;
use wirewatch::store::engine::Transaction;
use wirewatch::store::outbox::{self, DeliveryDetail, DeliveryFilter, DeliveryId, DeliveryState};
use wirewatch::store::{Access, Store};

use super::receiver::{Answer, Received, Receiver};

pub const START: Timestamp = Timestamp::from_seconds(1_742_198_531);
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A store, a clock and a delivery that can be stopped and started again.
pub struct Bed {
    pub dir: tempfile::TempDir,
    pub store: Store,
    pub clock: Clock,
    pub waker: DeliveryWaker,
    pub counters: DeliveryCounters,
    rules: watch::Sender<Arc<DeliveryRules>>,
    printed: Arc<std::sync::Mutex<Vec<u8>>>,
    running: Option<(CancellationToken, JoinHandle<Result<(), DeliveryError>>)>,
}

impl Bed {
    pub fn new(endpoints: Vec<EndpointConfig>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Access::Own).expect("a store");
        Self {
            dir,
            store,
            clock: Clock::manual(START),
            waker: DeliveryWaker::new(),
            counters: DeliveryCounters::default(),
            rules: watch::Sender::new(Arc::new(DeliveryRules { config: config(), endpoints })),
            printed: Arc::default(),
            running: None,
        }
    }

    pub fn start(endpoints: Vec<EndpointConfig>) -> Self {
        let mut bed = Self::new(endpoints);
        bed.run();
        bed
    }

    fn delivery(&self) -> Delivery {
        Delivery {
            store: self.store.clone(),
            clock: self.clock.clone(),
            rules: self.rules.subscribe(),
            waker: self.waker.clone(),
            console: Console::to(Box::new(Sink(self.printed.clone())), Style::plain(80)),
            counters: self.counters.clone(),
            part: DeliveryPart::whole(&self.store),
        }
    }

    pub fn reload(&self, endpoints: Vec<EndpointConfig>) {
        self.reload_with(config(), endpoints);
    }

    /// The same with another `[delivery]` section.
    pub fn reload_with(&self, config: DeliveryConfig, endpoints: Vec<EndpointConfig>) {
        self.rules.send_replace(Arc::new(DeliveryRules { config, endpoints }));
    }

    pub fn run(&mut self) {
        let cancel = CancellationToken::new();
        self.running = Some((cancel.clone(), tokio::spawn(self.delivery().run(cancel))));
    }

    pub async fn stop(&mut self) {
        let (cancel, task) = self.running.take().expect("running");
        cancel.cancel();
        task.await.expect("no panic").expect("an orderly end");
    }

    /// Adds alerts, each owed to every endpoint named, in one commit, and wakes delivery.
    pub fn owe(&self, sequences: std::ops::RangeInclusive<i64>, endpoints: &[&str]) -> Vec<DeliveryId> {
        let alerts = sequences.map(|n| (n, format!("alr_{n}"), payload(n)));
        self.owe_these(alerts, endpoints)
    }

    /// The same with ids and bodies of one's own.
    pub fn owe_these(
        &self,
        alerts: impl IntoIterator<Item = (i64, String, String)>,
        endpoints: &[&str],
    ) -> Vec<DeliveryId> {
        let now = self.clock.now().millis();
        let ids = self.store.write("owe", |tx| {
            let mut ids = Vec::new();
            for (n, id, payload) in alerts {
                let payload = payload.into_bytes();
                tx.prepare_cached(
                    "INSERT INTO alerts (sequence, id, kind, story, item, reason, severity, score, outlets, at, payload)
                     VALUES (?1, ?2, 'alert.matched', 1, 1, 'first', 'high', 500, 1, ?3, ?4)",
                )?
                .execute(params![n, id, now, payload])?;
                for endpoint in endpoints {
                    let mut owe = tx.prepare_cached(
                        "INSERT INTO deliveries (alert, webhook_id, endpoint, body, content_type, state, attempts, created_at, due_at)
                         VALUES (?1, ?2, ?3, NULL, 'application/json', 'pending', 0, ?4, ?4) RETURNING id",
                    )?;
                    ids.push(owe.query_row(params![n, id, endpoint, now], |row| row.get(0).map(DeliveryId::from_i64))?);
                }
            }
            Ok(ids)
        });
        self.waker.wake();
        ids.expect("written")
    }

    pub fn show(&self, id: DeliveryId) -> DeliveryDetail {
        self.store.read("show", |c| outbox::show(c, id)).expect("read").expect("there")
    }

    pub fn count(&self, endpoint: &str, state: DeliveryState) -> usize {
        let filter = DeliveryFilter {
            endpoint: Some(name(endpoint)),
            state: Some(state),
            rows_max: 100_000,
            ..DeliveryFilter::default()
        };
        self.store.read("list", |c| outbox::list(c, &filter)).expect("read").len()
    }

    /// Waits for the store to show something; recorded attempts arrive when they are on disk.
    pub async fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        for _ in 0..6000 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never: {what}");
    }

    pub async fn attempts(&self, id: DeliveryId, count: usize) -> DeliveryDetail {
        self.until(&format!("{count} attempts of {id}"), |bed| bed.show(id).attempts.len() >= count).await;
        self.show(id)
    }

    /// Moves the clock to the row's next due time.
    pub fn advance_to_due(&self, id: DeliveryId) -> Duration {
        let wait = self.show(id).row.due_at.since(self.clock.now());
        self.clock.advance(wait);
        wait
    }
}

pub struct Sink(pub Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("sound").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn name(text: &str) -> EndpointId {
    EndpointId::new(text).expect("a name")
}

fn payload(n: i64) -> String {
    format!(
        r#"{{"type":"alert.matched","timestamp":"2025-03-17T08:02:11Z","data":{{"alert":{{"sequence":{n},"reason":"first","severity":"high"}},"story":{{"title":"Harbour wall number {n}"}}}}}}"#
    )
}

fn config() -> DeliveryConfig {
    let schedule = [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
    DeliveryConfig {
        schedule: schedule.map(Duration::from_secs).to_vec(),
        jitter: 0.2,
        connect_timeout: Duration::from_secs(10),
        user_agent: "wirewatch-test".to_owned(),
        disable_after: Duration::from_secs(120 * 3600),
        operations: vec![name("operations")],
    }
}

pub fn endpoint(id: &str, url: url::Url) -> EndpointConfig {
    let allow_private = vec![Cidr::parse("127.0.0.0/8").expect("a range")];
    EndpointConfig { allow_private, ..EndpointConfig::new(name(id), url) }
}

pub fn write_secret(bed: &Bed, text: &str) -> std::path::PathBuf {
    write_secret_as(bed, "secret", text)
}

pub fn write_secret_as(bed: &Bed, name: &str, text: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = bed.dir.path().join(name);
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
    path
}

pub fn verify(request: &Received, now: Timestamp) {
    assert!(is_signed_with(request, SECRET, now), "a good signature");
}

/// Whether one of a request's signatures is by this key.
pub fn is_signed_with(request: &Received, secret: &str, now: Timestamp) -> bool {
    let signer = Signer::new(&[Secret::parse(secret).expect("valid")]).expect("keys");
    let headers = SignedHeaders {
        id: Some(&request.id),
        timestamp: Some(&request.timestamp),
        signature: Some(&request.signature),
    };
    signer.verify(headers, &request.body, now).is_ok()
}

#[tokio::test]
async fn delivery_healthy_receiver_gets_the_stored_bytes_signed() {
    let receiver = Receiver::start().await;
    let mut bed = Bed::new(Vec::new());
    let secret_file = Some(write_secret(&bed, &format!("{SECRET}\n")));
    let desk = EndpointConfig { secret_file, ..endpoint("desk", receiver.url()) };
    bed.reload(vec![desk]);
    bed.run();
    let id = bed.owe(1..=1, &["desk"])[0];
    receiver.wait_for(1).await;
    let detail = bed.attempts(id, 1).await;
    assert_eq!((detail.row.state, detail.row.last_status), (DeliveryState::Delivered, Some(200)));
    let request = &receiver.received()[0];
    assert_eq!(request.body, payload(1).as_bytes());
    assert_eq!(request.id, "alr_1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("user-agent"), Some("wirewatch-test"));
    verify(request, START);
    bed.stop().await;
}

#[tokio::test]
async fn delivery_three_500_then_200_follows_the_schedule_with_one_id_and_body() {
    let receiver = Receiver::start().await;
    receiver.script((0..3).map(|_| Answer::Status(500, Vec::new(), "oops".to_owned())));
    let mut bed = Bed::start(vec![endpoint("desk", receiver.url())]);
    let id = bed.owe(1..=1, &["desk"])[0];
    for (attempt, wait) in [(1, 5.0), (2, 300.0), (3, 1800.0)] {
        let detail = bed.attempts(id, attempt).await;
        assert_eq!(detail.attempts[attempt - 1].excerpt.as_deref(), Some("oops"));
        let waited = bed.advance_to_due(id).as_secs_f64();
        assert!((wait * 0.8..=wait * 1.2).contains(&waited), "{waited} after attempt {attempt}");
    }
    let detail = bed.attempts(id, 4).await;
    assert_eq!(detail.row.state, DeliveryState::Delivered);
    let received = receiver.received();
    assert_eq!(received.len(), 4);
    assert!(received.iter().all(|r| r.id == "alr_1" && r.body_hash() == received[0].body_hash()));
    assert_eq!(received[3].attempt, 4);
    assert!(received.windows(2).all(|pair| pair[0].timestamp < pair[1].timestamp));
    bed.stop().await;
}

#[tokio::test]
async fn delivery_503_with_retry_after_pauses_the_whole_endpoint() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::with(503, "Retry-After: 120")]);
    let mut bed = Bed::start(vec![EndpointConfig { concurrency: 1, ..endpoint("desk", receiver.url()) }]);
    let ids = bed.owe(1..=3, &["desk"]);
    bed.attempts(ids[0], 1).await;
    bed.clock.advance(Duration::from_secs(119));
    bed.owe(4..=4, &["desk"]);
    // A restart in between does not forget the pause.
    bed.stop().await;
    bed.run();
    bed.waker.wake();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(receiver.count(), 1, "nothing was sent during the pause");
    bed.clock.advance(Duration::from_secs(1));
    receiver.wait_for(5).await;
    bed.until("all delivered", |bed| bed.count("desk", DeliveryState::Delivered) == 4).await;
    bed.stop().await;
}

#[tokio::test]
async fn delivery_waits_of_a_clock_that_was_ahead_begin_anew_when_it_is_right_again() {
    let (hours, years) = (Duration::from_secs(2 * 3600), Duration::from_secs(10 * 365 * 86_400));
    let answers = [Answer::with(503, "Retry-After: 120"), Answer::with(429, "Retry-After: 90"), Answer::status(500)];
    for (ahead, restarted) in [(hours, false), (years, false), (hours, true), (years, true)] {
        for answer in &answers {
            let receiver = Receiver::start().await;
            receiver.script([answer.clone()]);
            let mut bed = Bed::new(vec![EndpointConfig { concurrency: 1, ..endpoint("desk", receiver.url()) }]);
            bed.clock.advance(ahead);
            bed.run();
            let first = bed.owe(1..=1, &["desk"])[0];
            bed.attempts(first, 1).await;
            bed.owe(2..=3, &["desk"]);
            if restarted {
                bed.stop().await;
            }
            bed.clock.set(START);
            if restarted {
                bed.run();
            }
            bed.waker.wake();
            let wait = |bed: &Bed| bed.show(first).row.due_at.since(START);
            bed.until("the wait is that of the answer again", |bed| wait(bed) <= Duration::from_secs(120)).await;
            bed.until("all delivered", |bed| {
                bed.clock.advance(Duration::from_secs(5));
                bed.waker.wake();
                bed.count("desk", DeliveryState::Delivered) == 3
            })
            .await;
            let took = bed.clock.now().since(START);
            assert!(took < Duration::from_secs(1800), "{answer:?}, {ahead:?}: {took:?}");
            assert_eq!(receiver.count(), 4, "{answer:?}: one refused, each delivered once");
            bed.stop().await;
        }
    }
}

#[tokio::test]
async fn delivery_429_without_retry_after_waits_a_minute() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::status(429)]);
    let mut bed = Bed::start(vec![endpoint("desk", receiver.url())]);
    let id = bed.owe(1..=1, &["desk"])[0];
    let detail = bed.attempts(id, 1).await;
    assert_eq!(detail.row.due_at, START.plus(Duration::from_secs(60)));
    assert!(detail.row.last_error.expect("a reason").contains("limits us"));
    bed.clock.advance(Duration::from_secs(60));
    bed.until("delivered", |bed| bed.show(id).row.state == DeliveryState::Delivered).await;
    bed.stop().await;
}

#[tokio::test]
async fn delivery_to_a_failing_endpoint_is_one_request_at_a_time() {
    let slow = |answer| Answer::After(Duration::from_millis(30), Box::new(answer));
    // A limit that is over, and failing for a minute: either way nobody knows yet whether it works again.
    for (first, wait) in [(Answer::with(429, "Retry-After: 10"), 10), (Answer::status(500), 60)] {
        let receiver = Receiver::start().await;
        receiver.script([first.clone()]);
        receiver.otherwise(slow(Answer::status(500)));
        let mut bed = Bed::start(vec![EndpointConfig { concurrency: 4, ..endpoint("desk", receiver.url()) }]);
        let failed = bed.owe(1..=1, &["desk"])[0];
        bed.attempts(failed, 1).await;
        bed.clock.advance(Duration::from_secs(wait));
        bed.owe(2..=9, &["desk"]);
        receiver.wait_for(9).await;
        assert_eq!(receiver.busy_max(), 1, "{first:?}");
        bed.stop().await;
    }
}

#[tokio::test]
async fn delivery_that_works_again_sends_at_once_what_failed_meanwhile() {
    let receiver = Receiver::start().await;
    receiver.otherwise(Answer::status(500));
    let mut bed = Bed::start(vec![endpoint("desk", receiver.url())]);
    let failed = bed.owe(1..=3, &["desk"]);
    for attempt in 1..=6 {
        for id in &failed {
            bed.attempts(*id, attempt).await;
        }
        if attempt < 6 {
            bed.clock.advance(Duration::from_secs(6 * 3600));
        }
    }
    receiver.script([Answer::status(422)]);
    let refused = bed.owe(4..=4, &["desk"])[0];
    bed.attempts(refused, 1).await;
    // Their next places in the schedule are hours away; the clock stands still from here on.
    receiver.otherwise(Answer::status(200));
    let next = bed.owe(5..=5, &["desk"])[0];
    assert_eq!(bed.attempts(next, 1).await.row.state, DeliveryState::Delivered);
    for id in &failed {
        assert_eq!(bed.attempts(*id, 7).await.row.state, DeliveryState::Delivered);
    }
    let refused = bed.attempts(refused, 1).await;
    assert_eq!((refused.row.state, refused.attempts.len()), (DeliveryState::Pending, 1), "a refusal keeps its place");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_410_that_is_not_recorded_yet_lets_nothing_more_out() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::After(Duration::from_millis(100), Box::new(Answer::status(410)))]);
    let mut bed = Bed::new(vec![EndpointConfig { concurrency: 1, ..endpoint("desk", receiver.url()) }]);
    // More than one claim holds: then many attempts may wait for the disk at once.
    bed.owe(1..=600, &["desk"]);
    bed.run();
    receiver.wait_for(1).await;
    let other = rusqlite::Connection::open(bed.store.path()).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody can write now");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(receiver.count(), 1, "nothing follows an answer that disables");
    other.execute_batch("ROLLBACK").expect("the outage ends");
    let disabled =
        |bed: &Bed| bed.store.read("h", |c| outbox::health(c, &name("desk"))).expect("read").state.disabled.is_some();
    bed.until("disabled", disabled).await;
    assert_eq!((receiver.count(), bed.count("desk", DeliveryState::Pending)), (1, 600));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_attempt_that_cannot_be_recorded_ends_delivery_and_stays_owed() {
    let receiver = Receiver::start().await;
    let mut bed = Bed::start(vec![EndpointConfig { concurrency: 1, ..endpoint("desk", receiver.url()) }]);
    // The commit itself fails, after all its statements went well.
    bed.store.write("break", super::broken_commit("attempts")).expect("written");
    let id = bed.owe(1..=1, &["desk"])[0];
    let (_, task) = bed.running.take().expect("running");
    let ended = tokio::time::timeout(Duration::from_secs(30), task).await.expect("it ends by itself");
    assert!(matches!(ended.expect("no panic"), Err(DeliveryError::Store(_))), "and says what failed");
    let row = bed.show(id).row;
    assert_eq!((row.state, row.attempts, receiver.count()), (DeliveryState::Pending, 0, 1));
}

#[tokio::test]
async fn delivery_410_disables_the_endpoint_and_keeps_every_row() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::status(410)]);
    let mut bed = Bed::start(vec![EndpointConfig { concurrency: 1, ..endpoint("desk", receiver.url()) }]);
    let ids = bed.owe(1..=3, &["desk"]);
    bed.attempts(ids[0], 1).await;
    bed.clock.advance(Duration::from_secs(1_000_000));
    bed.owe(4..=4, &["desk"]);
    bed.stop().await;
    bed.run();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(receiver.count(), 1);
    let health = bed.store.read("health", |c| outbox::health(c, &name("desk"))).expect("read");
    assert_eq!(health.pending, 4);
    assert!(health.state.disabled.expect("disabled").1.contains("410"));
    // Another process enables it; nobody wakes us, but we look now and then.
    bed.store.write("enable", |tx| outbox::enable(tx, &name("desk"))).expect("written");
    bed.clock.advance(Duration::from_secs(5));
    bed.until("all delivered", |bed| bed.count("desk", DeliveryState::Delivered) == 4).await;
    bed.stop().await;
}

#[tokio::test]
async fn delivery_redirect_is_never_followed() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    receiver.script([Answer::with(307, &format!("Location: {}", elsewhere.url()))]);
    let mut bed = Bed::start(vec![endpoint("desk", receiver.url())]);
    let id = bed.owe(1..=1, &["desk"])[0];
    let detail = bed.attempts(id, 1).await;
    assert_eq!((detail.row.state, detail.row.last_status), (DeliveryState::Pending, Some(307)));
    assert!(detail.row.last_error.expect("a reason").contains("never followed"));
    assert_eq!(elsewhere.count(), 0);
    bed.stop().await;
}

#[tokio::test]
async fn delivery_silent_receiver_times_out_and_may_have_received() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Silence]);
    let timeout = Duration::from_millis(100);
    let mut bed = Bed::start(vec![EndpointConfig { timeout, ..endpoint("desk", receiver.url()) }]);
    let id = bed.owe(1..=1, &["desk"])[0];
    assert_eq!(bed.attempts(id, 1).await.attempts[0].outcome, "timeout");
    bed.until("counted", |bed| bed.counters.maybe_received() == 1).await;
    bed.advance_to_due(id);
    assert_eq!(bed.attempts(id, 2).await.row.state, DeliveryState::Delivered);
    bed.stop().await;
}

#[tokio::test]
async fn delivery_reset_after_the_body_is_sent_again_with_the_same_id() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Reset]);
    let mut bed = Bed::start(vec![endpoint("desk", receiver.url())]);
    let id = bed.owe(1..=1, &["desk"])[0];
    assert_eq!(bed.attempts(id, 1).await.attempts[0].outcome, "reset");
    bed.advance_to_due(id);
    assert_eq!(bed.attempts(id, 2).await.row.state, DeliveryState::Delivered);
    let received = receiver.received();
    assert_eq!((received[0].id.as_str(), received[1].attempt), ("alr_1", 2));
    bed.stop().await;
}

#[tokio::test]
async fn delivery_endless_answers_are_cut_and_a_2xx_counts() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Endless(200, None), Answer::Endless(200, Some(Duration::from_millis(5)))]);
    let timeout = Duration::from_secs(4);
    let mut bed = Bed::start(vec![EndpointConfig { timeout, ..endpoint("desk", receiver.url()) }]);
    bed.owe(1..=2, &["desk"]);
    bed.until("both delivered", |bed| bed.count("desk", DeliveryState::Delivered) == 2).await;
    assert_eq!(receiver.count(), 2);
    bed.stop().await;
}

#[tokio::test]
async fn delivery_nobody_listens_until_the_schedule_ends_then_parked_and_replayed() {
    let receiver = Receiver::start().await;
    let url = receiver.url();
    let address = receiver.address;
    drop(receiver);
    let mut bed = Bed::start(vec![endpoint("desk", url)]);
    let id = bed.owe(1..=1, &["desk"])[0];
    for attempt in 1..10 {
        bed.attempts(id, attempt).await;
        bed.advance_to_due(id);
    }
    let detail = bed.attempts(id, 10).await;
    assert_eq!(detail.row.state, DeliveryState::Parked);
    assert!(detail.attempts.iter().all(|a| a.outcome == "connect"), "{:?}", detail.attempts);
    let elapsed = bed.clock.now().since(START).as_secs_f64() / 3600.0;
    assert!((60.0..=91.0).contains(&elapsed), "{elapsed} hours");
    let replayed = bed.store.write("replay", |tx| outbox::replay(tx, &outbox::Replay::Parked, None, bed.clock.now()));
    assert_eq!(replayed.expect("written"), 1);
    bed.waker.wake();
    assert_eq!(bed.attempts(id, 11).await.row.state, DeliveryState::Pending, "still nobody at {address}");
    bed.stop().await;
}

#[tokio::test]
async fn delivery_private_address_and_bad_secret_are_named_and_heal() {
    let receiver = Receiver::start().await;
    let mut bed = Bed::new(Vec::new());
    let secret = write_secret(&bed, "not a secret");
    let guarded = EndpointConfig { allow_private: Vec::new(), ..endpoint("guarded", receiver.url()) };
    let signed = EndpointConfig { secret_file: Some(secret), ..endpoint("signed", receiver.url()) };
    bed.reload(vec![guarded, signed]);
    bed.run();
    let ids = bed.owe(1..=1, &["guarded", "signed"]);
    let refused = bed.attempts(ids[0], 1).await;
    assert_eq!(refused.attempts[0].outcome, "forbidden_address");
    assert!(refused.row.last_error.expect("a reason").contains("allow_private"));
    let unsigned = bed.attempts(ids[1], 1).await;
    assert_eq!(unsigned.attempts[0].outcome, "secret");
    assert_eq!(receiver.count(), 0, "nothing leaves unsigned");
    write_secret(&bed, SECRET);
    bed.advance_to_due(ids[1]);
    bed.until("delivered", |bed| bed.show(ids[1]).row.state == DeliveryState::Delivered).await;
    verify(&receiver.received()[0], bed.clock.now());
    bed.stop().await;
}

#[tokio::test]
async fn delivery_dead_endpoint_never_delays_a_healthy_one() {
    let (dead, healthy) = (Receiver::start().await, Receiver::start().await);
    dead.otherwise(Answer::Silence);
    let mut bed = Bed::start(vec![endpoint("dead", dead.url()), endpoint("healthy", healthy.url())]);
    bed.owe(1..=500, &["dead", "healthy"]);
    // The dead one answers nothing at all meanwhile: its four requests are all still open.
    bed.until("all of the healthy one's", |bed| bed.count("healthy", DeliveryState::Delivered) == 500).await;
    assert!(dead.count() <= 4, "{} at once", dead.count());
    assert_eq!(bed.count("dead", DeliveryState::Pending), 500);
    let (cancel, task) = bed.running.take().expect("running");
    cancel.cancel();
    task.abort();
}

#[tokio::test]
async fn delivery_crash_between_receipt_and_record_sends_again_with_the_same_id() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::After(Duration::from_secs(3600), Box::new(Answer::status(200)))]);
    let mut bed = Bed::start(vec![endpoint("desk", receiver.url())]);
    let id = bed.owe(1..=1, &["desk"])[0];
    receiver.wait_for(1).await;
    // As at kill -9: the request has arrived, and everything that would record it is gone.
    bed.running.take().expect("running").1.abort();
    assert_eq!(bed.show(id).row.attempts, 0);
    bed.run();
    receiver.wait_for(2).await;
    bed.until("delivered", |bed| bed.show(id).row.state == DeliveryState::Delivered).await;
    let received = receiver.received();
    assert_eq!(received[0].id, received[1].id);
    assert_eq!(received[0].body_hash(), received[1].body_hash());
    bed.stop().await;
}

#[tokio::test]
async fn delivery_many_due_at_once_arrive_each_once_oldest_first() {
    let receiver = Receiver::start().await;
    let mut bed = Bed::start(vec![EndpointConfig { concurrency: 1, ..endpoint("desk", receiver.url()) }]);
    bed.owe(1..=1000, &["desk"]);
    bed.until("all delivered", |bed| bed.count("desk", DeliveryState::Delivered) == 1000).await;
    let ids: Vec<String> = receiver.received().into_iter().map(|r| r.id).collect();
    let expected: Vec<String> = (1..=1000).map(|n| format!("alr_{n}")).collect();
    assert_eq!(ids, expected);
    bed.stop().await;
}

#[tokio::test]
async fn delivery_five_thousand_due_after_an_outage_drain_without_repeats() {
    let receiver = Receiver::start().await;
    let mut bed = Bed::new(vec![endpoint("desk", receiver.url())]);
    bed.owe(1..=5000, &["desk"]);
    bed.run();
    bed.until("all delivered", |bed| {
        bed.store.read("h", |c| outbox::health(c, &name("desk"))).expect("read").pending == 0
    })
    .await;
    let mut ids: Vec<String> = receiver.received().into_iter().map(|r| r.id).collect();
    assert_eq!(ids.len(), 5000);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5000);
    bed.stop().await;
}

#[tokio::test]
async fn reload_removed_endpoint_parks_its_rows_and_others_go_on() {
    let (kept, removed) = (Receiver::start().await, Receiver::start().await);
    removed.otherwise(Answer::status(500));
    let endpoints = vec![endpoint("kept", kept.url()), endpoint("removed", removed.url())];
    let mut bed = Bed::start(endpoints.clone());
    let ids = bed.owe(1..=2, &["removed"]);
    bed.attempts(ids[1], 1).await;
    bed.reload(endpoints[..1].to_vec());
    bed.until("parked", |bed| bed.count("removed", DeliveryState::Parked) == 2).await;
    assert!(bed.show(ids[0]).row.last_error.expect("a reason").contains("no longer in the config"));
    bed.owe(3..=3, &["kept"]);
    kept.wait_for(1).await;
    // Back in the config: an operator replays what was parked.
    removed.otherwise(Answer::status(200));
    bed.reload(endpoints);
    let replay = |tx: &Transaction<'_>| outbox::replay(tx, &outbox::Replay::Parked, None, bed.clock.now());
    assert_eq!(bed.store.write("replay", replay).expect("written"), 2);
    bed.waker.wake();
    bed.until("delivered", |bed| bed.count("removed", DeliveryState::Delivered) == 2).await;
    bed.stop().await;
}

#[tokio::test]
async fn reload_of_the_section_alone_counts_for_every_queue() {
    let receiver = Receiver::start().await;
    let endpoints = vec![endpoint("desk", receiver.url())];
    let mut bed = Bed::start(endpoints.clone());
    bed.owe(1..=1, &["desk"]);
    receiver.wait_for(1).await;
    bed.reload_with(DeliveryConfig { user_agent: "wirewatch-test/2".to_owned(), ..config() }, endpoints);
    let agent = |receiver: &Receiver| {
        receiver.received().last().and_then(|request| request.header("user-agent").map(str::to_owned))
    };
    let mut owed = 1;
    // The old queue may take what comes before it hears of the reload, and not for long.
    while agent(&receiver).as_deref() != Some("wirewatch-test/2") {
        owed += 1;
        assert!(owed < 500, "still by the old section");
        bed.owe(owed..=owed, &["desk"]);
        receiver.wait_for(owed as usize).await;
    }
    bed.until("all delivered", |bed| bed.count("desk", DeliveryState::Delivered) == owed as usize).await;
    assert_eq!(receiver.count(), owed as usize, "no old queue sends beside the new one");
    bed.stop().await;
}

#[tokio::test]
async fn reload_of_one_endpoint_counts_for_its_queue() {
    let (before, after) = (Receiver::start().await, Receiver::start().await);
    let mut bed = Bed::start(vec![endpoint("desk", before.url())]);
    bed.owe(1..=1, &["desk"]);
    before.wait_for(1).await;
    bed.reload(vec![endpoint("desk", after.url())]);
    let mut owed = 1;
    while after.count() == 0 {
        owed += 1;
        assert!(owed < 500, "still to the old address");
        bed.owe(owed..=owed, &["desk"]);
        bed.until("one more is delivered", |bed| bed.count("desk", DeliveryState::Delivered) == owed as usize).await;
    }
    assert_eq!(before.count() + after.count(), owed as usize, "each once, to the one or to the other");
    bed.stop().await;
}

#[tokio::test]
async fn stop_lets_a_request_in_flight_finish() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::After(Duration::from_millis(200), Box::new(Answer::status(200)))]);
    let mut bed = Bed::start(vec![endpoint("desk", receiver.url())]);
    let id = bed.owe(1..=1, &["desk"])[0];
    receiver.wait_for(1).await;
    bed.stop().await;
    assert_eq!(bed.show(id).row.state, DeliveryState::Delivered);
}

#[tokio::test]
async fn once_delivers_what_is_due_and_leaves_the_rest_owed() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::status(500)]);
    let bed = Bed::new(vec![EndpointConfig { concurrency: 1, ..endpoint("desk", receiver.url()) }]);
    bed.owe(1..=600, &["desk"]);
    let summary = bed.delivery().deliver_due_once(CancellationToken::new()).await.expect("done");
    assert_eq!((summary.delivered, summary.failed, summary.parked), (599, 1, 0));
    assert_eq!(bed.count("desk", DeliveryState::Pending), 1);
}

#[tokio::test]
async fn console_endpoint_prints_each_alert_once_across_restarts() {
    let console = EndpointConfig {
        url: None,
        format: PayloadFormat::Console,
        ..endpoint("here", url::Url::parse("http://unused.invalid/").expect("a url"))
    };
    let mut bed = Bed::start(vec![console]);
    bed.owe(1..=3, &["here"]);
    bed.until("printed", |bed| bed.count("here", DeliveryState::Delivered) == 3).await;
    bed.stop().await;
    bed.run();
    bed.owe(4..=4, &["here"]);
    bed.until("printed", |bed| bed.count("here", DeliveryState::Delivered) == 4).await;
    bed.stop().await;
    let text = String::from_utf8(bed.printed.lock().expect("sound").clone()).expect("text");
    for n in 1..=4 {
        assert_eq!(text.matches(&format!("Harbour wall number {n}\n")).count(), 1, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_endpoint_prints_alerts_in_their_order() {
    let console = EndpointConfig {
        url: None,
        format: PayloadFormat::Console,
        ..endpoint("here", url::Url::parse("http://unused.invalid/").expect("a url"))
    };
    let mut bed = Bed::start(vec![console]);
    bed.owe(1..=300, &["here"]);
    bed.until("printed", |bed| bed.count("here", DeliveryState::Delivered) == 300).await;
    bed.stop().await;
    let text = String::from_utf8(bed.printed.lock().expect("sound").clone()).expect("text");
    let number = |line: &str| line.split_once("Harbour wall number ")?.1.trim().parse::<u32>().ok();
    assert!(text.lines().filter_map(number).eq(1..=300), "{text}");
}
