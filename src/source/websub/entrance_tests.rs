//! What a process that does not have the subscriptions answers a hub: refusals are its own, the rest is passed on.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use parking_lot::Mutex;

use super::desk::new_subscription;
use super::{
    HubAnswer, HubDrop, HubEntrance, HubForwarding, HubPush, HubVerification, RelayedHubRequest, StoreUnreachable,
};
use crate::clock::Clock;
use crate::model::{SourceId, Subscription, SubscriptionState, Timestamp};

const NOW: Timestamp = Timestamp::from_seconds(1_742_198_400);
const TOPIC: &str = "https://a.example/f";

/// What such a process has around it, and what reaches the others.
struct Beside {
    entrance: HubEntrance,
    forwarding: HubForwarding,
    stored: Arc<Mutex<Option<Subscription>>>,
    is_reachable: Arc<Mutex<bool>>,
    passed_on: Arc<Mutex<Vec<(String, RelayedHubRequest)>>>,
    hinted: Arc<Mutex<Vec<String>>>,
    clock: Clock,
}

impl Beside {
    fn new() -> Self {
        let source = SourceId::new("wire").expect("a name");
        let hubs = vec!["https://hub.example/".to_owned()];
        let known = new_subscription(&source, TOPIC, hubs, "https://w.example/websub/", false, NOW);
        let stored = Arc::new(Mutex::new(known));
        let is_reachable = Arc::new(Mutex::new(true));
        let (passed_on, hinted) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (table, reached, relayed, told) = (stored.clone(), is_reachable.clone(), passed_on.clone(), hinted.clone());
        let clock = Clock::manual(NOW);
        let forwarding = HubForwarding::new(
            Arc::new(move |callback| {
                let known = table.lock().clone().filter(|known: &Subscription| known.callback == callback);
                let known = if *reached.lock() { Ok(known) } else { Err(StoreUnreachable) };
                Box::pin(async move { known })
            }),
            Arc::new(move |callback, request| {
                relayed.lock().push((callback, request));
                Box::pin(async { HubAnswer::Confirmed })
            }),
            Arc::new(move |source, polled| told.lock().push(format!("{source} {polled}"))),
            clock.clone(),
            1000,
        );
        let entrance = HubEntrance::Elsewhere(forwarding.clone());
        Self { entrance, forwarding, stored, is_reachable, passed_on, hinted, clock }
    }

    fn known(&self) -> Subscription {
        self.stored.lock().clone().expect("it is stored")
    }

    fn is(&self, state: SubscriptionState) {
        self.stored.lock().as_mut().expect("it is stored").state = state;
    }

    fn dropped(&self, why: HubDrop) -> u64 {
        self.forwarding.counters().drops().into_iter().find(|(one, _)| *one == why).expect("named").1
    }

    /// Until so many words have reached the others.
    async fn passed_on(&self, count: usize) {
        let passed_on = async {
            while self.passed_on.lock().len() < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), passed_on).await.expect("it is passed on");
    }

    async fn push(&self, signature: Option<String>) -> HubAnswer {
        let push = HubPush { signature, encoding: None, body: b"<rss/>".to_vec() };
        self.entrance.take(&self.known(), push).await
    }

    fn signature(&self) -> String {
        let secret = self.known().secret.expect("over https").0;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), b"<rss/>");
        let hex: String = tag.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect();
        format!("sha256={hex}")
    }
}

fn digit(half: u8) -> char {
    char::from_digit(u32::from(half), 16).expect("half a byte")
}

fn asked(mode: &str, topic: &str) -> HubVerification {
    HubVerification { mode: mode.to_owned(), topic: topic.to_owned(), lease: None, reason: None }
}

#[tokio::test]
async fn question_of_a_hub_is_passed_on_only_where_it_is_expected() {
    let beside = Beside::new();
    let callback = beside.known().callback;
    for (callback, mode, topic) in [
        ("another", "subscribe", TOPIC),
        (&callback, "subscribe", "https://b.example/f"),
        (&callback, "unsubscribe", TOPIC),
        (&callback, "publish", TOPIC),
    ] {
        let answer = beside.entrance.verify(callback, asked(mode, topic)).await;
        assert_eq!(answer, HubAnswer::Unknown, "{callback} {mode} {topic}");
    }
    assert_eq!(beside.passed_on.lock().len(), 0);
    assert_eq!(beside.entrance.verify(&callback, asked("subscribe", TOPIC)).await, HubAnswer::Confirmed);
    beside.is(SubscriptionState::Leaving);
    assert_eq!(beside.entrance.verify(&callback, asked("subscribe", TOPIC)).await, HubAnswer::Unknown);
    assert_eq!(beside.entrance.verify(&callback, asked("unsubscribe", TOPIC)).await, HubAnswer::Confirmed);
    let modes = ["subscribe", "unsubscribe"];
    let expected = modes.map(|mode| (callback.clone(), RelayedHubRequest::Verify(asked(mode, TOPIC))));
    assert_eq!(*beside.passed_on.lock(), expected);
    *beside.is_reachable.lock() = false;
    let answer = beside.entrance.verify(&callback, asked("unsubscribe", TOPIC)).await;
    assert_eq!(answer, HubAnswer::Later, "nothing is said of what cannot be looked up");
}

#[tokio::test]
async fn push_is_passed_on_only_where_it_is_signed_and_what_is_not_may_be_a_hint() {
    let beside = Beside::new();
    assert_eq!(beside.push(Some("sha256=00".to_owned())).await, HubAnswer::Noted);
    assert_eq!(beside.hinted.lock().len(), 0, "a forger has nothing polled");
    assert_eq!(beside.push(None).await, HubAnswer::Noted);
    assert_eq!(*beside.hinted.lock(), ["wire true"]);
    assert_eq!((beside.dropped(HubDrop::BadSignature), beside.dropped(HubDrop::Unsigned)), (1, 1));
    assert_eq!(beside.passed_on.lock().len(), 0, "nobody without the secret fills the inbox");
    let signature = Some(beside.signature());
    assert_eq!(beside.push(signature.clone()).await, HubAnswer::Confirmed, "what the other one answers");
    let push = HubPush { signature, encoding: None, body: b"<rss/>".to_vec() };
    assert_eq!(*beside.passed_on.lock(), [(beside.known().callback, RelayedHubRequest::Push(push))]);
    beside.stored.lock().as_mut().expect("stored").secret = None;
    assert_eq!(beside.push(None).await, HubAnswer::Noted, "over plain http");
    assert_eq!(beside.hinted.lock().len(), 2);
    assert_eq!(beside.dropped(HubDrop::Unsigned), 1, "which is all that such a hub can do");
}

#[tokio::test]
async fn push_that_nobody_wants_or_too_many_of_them_are_refused() {
    let beside = Beside::new();
    let callback = beside.known().callback;
    assert_eq!(beside.entrance.admit("another").await, Err(HubAnswer::Gone));
    for _ in 0..30 {
        assert_eq!(beside.entrance.admit(&callback).await, Ok(beside.known()));
    }
    assert_eq!(beside.entrance.admit(&callback).await, Err(HubAnswer::TooMany(61)));
    assert_eq!(beside.dropped(HubDrop::Rate), 1);
    beside.clock.advance(Duration::from_secs(61));
    assert!(beside.entrance.admit(&callback).await.is_ok());
    beside.is(SubscriptionState::Leaving);
    assert_eq!(beside.entrance.admit(&callback).await, Err(HubAnswer::Gone));
    *beside.is_reachable.lock() = false;
    assert_eq!(beside.entrance.admit(&callback).await, Err(HubAnswer::Later));
}

#[tokio::test]
async fn dropped_pushes_are_counted_at_their_subscription_by_one_word() {
    let beside = Beside::new();
    for _ in 0..3 {
        beside.push(Some("sha256=00".to_owned())).await;
    }
    beside.entrance.drop_too_large(&beside.known()).await;
    assert_eq!(beside.passed_on.lock().len(), 0);
    let callback = beside.known().callback;
    beside.clock.advance(Duration::from_secs(31));
    beside.passed_on(1).await;
    assert_eq!(*beside.passed_on.lock(), [(callback.clone(), RelayedHubRequest::Dropped(4))]);
    beside.push(None).await;
    beside.clock.advance(Duration::from_secs(31));
    beside.passed_on(2).await;
    assert_eq!(beside.passed_on.lock()[1], (callback, RelayedHubRequest::Dropped(1)), "each is counted once");
}
