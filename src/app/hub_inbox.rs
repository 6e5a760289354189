//! What hubs say to a process that does not have the subscriptions: it puts that into the inbox of the database and waits for
//! the answer; the one that decides takes it from there, and does with it what it does with what comes to itself.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use super::inbox_answer::{AGAIN_AFTER, ANSWER_WAIT_MAX, answer_of};
use crate::clock::Clock;
use crate::model::Timestamp;
use crate::source::websub::{
    FeedHint, HubAnswer, HubForwarding, HubIntake, HubPush, HubRelay, HubVerification, RelayedHubRequest,
    StoreUnreachable, SubscriptionLookup,
};
use crate::store::{InboxOutcome, InboxPush, Store, StoreError};

/// A hub that asks whether it was us waits no longer for the answer: what is taken up later would count a subscription
/// that the hub takes for refused.
const VERIFY_WAIT_MAX: Duration = Duration::from_secs(10);
/// The forms of what is of hubs.
const VERIFY: &str = "hub-verify";
const PUSH: &str = "hub-push";
const DROPPED: &str = "hub-dropped";

/// Whether it is of a hub.
pub(super) fn is_of_a_hub(push: &InboxPush) -> bool {
    [VERIFY, PUSH, DROPPED].contains(&push.form.as_str())
}

/// The way in for what hubs say to a process that does not have the subscriptions.
pub(super) fn forwarding(store: &Store, clock: &Clock, hint: FeedHint, bytes_max: usize) -> HubForwarding {
    let asked = store.clone();
    let lookup: SubscriptionLookup = Arc::new(move |callback| {
        let store = asked.clone();
        Box::pin(async move {
            let known = store.blocking(move |store| store.subscription(&callback)).await;
            known.map_err(|error| {
                warn!(%error, "a subscription at a hub cannot be looked up");
                StoreUnreachable
            })
        })
    });
    let (store, of_relay) = (store.clone(), clock.clone());
    let relay: HubRelay = Arc::new(move |callback, request| {
        let (store, clock) = (store.clone(), of_relay.clone());
        Box::pin(async move {
            pass_on(&store, &clock, &callback, request).await.unwrap_or_else(|error| {
                warn!(%error, "what a hub says cannot be passed on");
                HubAnswer::Later
            })
        })
    });
    HubForwarding::new(lookup, relay, hint, clock.clone(), bytes_max)
}

async fn pass_on(
    store: &Store,
    clock: &Clock,
    callback: &str,
    request: RelayedHubRequest,
) -> Result<HubAnswer, StoreError> {
    let patience = match &request {
        RelayedHubRequest::Verify(_) => VERIFY_WAIT_MAX,
        RelayedHubRequest::Push(_) => ANSWER_WAIT_MAX,
        RelayedHubRequest::Dropped(_) => Duration::ZERO,
    };
    let now = clock.now();
    let entry = entry(callback, request, now);
    let mut others = store.heard_answered();
    let Some(row) = store.blocking(move |store| store.put_into_inbox(&entry, now)).await? else {
        warn!("what a hub says cannot be passed on: too much waits for the node that decides");
        return Ok(HubAnswer::Later);
    };
    if patience.is_zero() {
        return Ok(HubAnswer::Noted);
    }
    Ok(match answer_of(store, clock, row, &mut others, patience).await? {
        Some(InboxOutcome::Stored(answer)) => read_answer(&answer),
        Some(InboxOutcome::Refused(why)) => {
            warn!(row, why, "what a hub says was passed on and not taken");
            HubAnswer::Later
        }
        Some(InboxOutcome::Waits) | None => HubAnswer::Later,
    })
}

/// Of a push: what comes before its body, in a line of its own.
#[derive(Serialize, Deserialize)]
struct PushHead {
    signature: Option<String>,
    encoding: Option<String>,
}

/// Of a hub's question.
#[derive(Serialize, Deserialize)]
struct Verification {
    mode: String,
    topic: String,
    lease_s: Option<u64>,
    reason: Option<String>,
    at_ms: i64,
}

/// The answer to what brought nothing to store; that to what did is the receipt of its items.
#[derive(Serialize, Deserialize)]
struct Answer {
    #[serde(default)]
    outcome: Option<String>,
    #[serde(default)]
    seconds: u64,
}

fn entry(callback: &str, request: RelayedHubRequest, now: Timestamp) -> InboxPush {
    let (form, count, body) = match request {
        RelayedHubRequest::Verify(HubVerification { mode, topic, lease, reason }) => {
            let lease_s = lease.map(|lease| lease.as_secs());
            (VERIFY, 0, as_json(&Verification { mode, topic, lease_s, reason, at_ms: now.millis() }))
        }
        RelayedHubRequest::Push(HubPush { signature, encoding, body }) => {
            let head = as_json(&PushHead { signature, encoding });
            (PUSH, 0, [&head, b"\n".as_slice(), &body].concat())
        }
        RelayedHubRequest::Dropped(pushes) => (DROPPED, pushes, Vec::new()),
    };
    InboxPush { source: callback.to_owned(), form: form.to_owned(), first_line: count, key: None, body }
}

/// What was passed on, and when, where that counts; `None` where this version cannot read it.
fn relayed(push: InboxPush) -> Option<(RelayedHubRequest, Option<Timestamp>)> {
    let InboxPush { form, first_line, mut body, .. } = push;
    match form.as_str() {
        VERIFY => {
            let Verification { mode, topic, lease_s, reason, at_ms } = serde_json::from_slice(&body).ok()?;
            let asked = HubVerification { mode, topic, lease: lease_s.map(Duration::from_secs), reason };
            Some((RelayedHubRequest::Verify(asked), Some(Timestamp::from_millis(at_ms))))
        }
        PUSH => {
            let end = body.iter().position(|byte| *byte == b'\n')?;
            let rest = body.split_off(end + 1);
            let PushHead { signature, encoding } = serde_json::from_slice(&body).ok()?;
            Some((RelayedHubRequest::Push(HubPush { signature, encoding, body: rest }), None))
        }
        DROPPED => Some((RelayedHubRequest::Dropped(first_line), None)),
        _ => None,
    }
}

/// By the name of each.
const ANSWERS: [(&str, HubAnswer); 5] = [
    ("confirmed", HubAnswer::Confirmed),
    ("unknown", HubAnswer::Unknown),
    ("noted", HubAnswer::Noted),
    ("gone", HubAnswer::Gone),
    ("too-large", HubAnswer::TooLarge),
];
const TOO_MANY: &str = "too-many";

/// `None`: it is answered otherwise, or not yet.
fn written_answer(answer: HubAnswer) -> Option<String> {
    let (outcome, seconds) = match answer {
        HubAnswer::TooMany(seconds) => (TOO_MANY, seconds),
        other => (ANSWERS.iter().find(|(_, one)| *one == other)?.0, 0),
    };
    let written = serde_json::to_string(&Answer { outcome: Some(outcome.to_owned()), seconds });
    Some(written.expect("invariant: names and numbers are JSON"))
}

fn read_answer(written: &str) -> HubAnswer {
    match serde_json::from_str(written) {
        Ok(Answer { outcome: None, .. }) => HubAnswer::Stored,
        Ok(Answer { outcome: Some(outcome), seconds }) if outcome == TOO_MANY => HubAnswer::TooMany(seconds),
        Ok(Answer { outcome: Some(outcome), .. }) => {
            ANSWERS.iter().find(|(name, _)| *name == outcome).map_or(HubAnswer::Later, |(_, answer)| *answer)
        }
        Err(_) => HubAnswer::Later,
    }
}

fn as_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("invariant: texts and numbers are JSON")
}

/// Takes what hubs have said to other processes.
pub(super) struct HubInbox {
    pub(super) store: Store,
    pub(super) hubs: HubIntake,
    pub(super) clock: Clock,
}

impl HubInbox {
    /// Takes one; whether it is answered. `is_counted`: it was taken up before.
    pub(super) async fn take(&self, row: i64, push: InboxPush, is_counted: bool) -> bool {
        let callback = push.source.clone();
        let Some((request, asked_at)) = relayed(push) else {
            return self.write(move |store| store.refuse_in_inbox(row, "the node that decides cannot read it")).await;
        };
        let answer = match request {
            RelayedHubRequest::Verify(asked) => {
                if asked_at.is_some_and(|at| self.clock.now().since(at) >= VERIFY_WAIT_MAX) {
                    return self.write(move |store| store.refuse_in_inbox(row, "nobody waits for it any more")).await;
                }
                self.hubs.verify(&callback, asked).await
            }
            RelayedHubRequest::Push(push) => self.hubs.take_relayed(&callback, push, row, is_counted).await,
            RelayedHubRequest::Dropped(pushes) => {
                // Let go of first: a count that is lost is none that counts twice.
                let is_gone = self.write(move |store| store.drop_from_inbox(row)).await;
                if is_gone {
                    self.hubs.note_dropped(&callback, pushes).await;
                }
                return is_gone;
            }
        };
        if answer == HubAnswer::Later {
            debug!(row, "what a hub said waits in the inbox");
            tokio::time::sleep(AGAIN_AFTER).await;
            return false;
        }
        match written_answer(answer) {
            Some(written) => self.write(move |store| store.answer_in_inbox(row, &written)).await,
            // With the items.
            None => true,
        }
    }

    async fn write(&self, work: impl FnOnce(&Store) -> Result<(), StoreError> + Send + 'static) -> bool {
        let written = self.store.blocking(work).await;
        if let Err(error) = &written {
            debug!(%error, "what a hub said cannot be answered");
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        written.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_742_198_531);

    #[test]
    fn what_a_hub_says_comes_out_of_the_inbox_as_it_went_in() {
        let asked = HubVerification {
            mode: "subscribe".to_owned(),
            topic: "https://a.example/f?x=1&y=\u{7f}".to_owned(),
            lease: Some(Duration::from_secs(u64::MAX)),
            reason: None,
        };
        let push = |signature: Option<&str>, encoding: Option<&str>, body: &[u8]| {
            let text = |text: &str| text.to_owned();
            let (signature, encoding) = (signature.map(text), encoding.map(text));
            RelayedHubRequest::Push(HubPush { signature, encoding, body: body.to_vec() })
        };
        for (request, at) in [
            (RelayedHubRequest::Verify(asked), Some(NOW)),
            (push(Some("sha256=00\n\""), Some("gzip"), b"\n<rss/>\n\x00\xff"), None),
            (push(None, None, b""), None),
            (RelayedHubRequest::Dropped(3), None),
        ] {
            let entry = entry("callback", request.clone(), NOW);
            assert!(is_of_a_hub(&entry));
            assert_eq!(entry.source, "callback");
            assert_eq!(relayed(entry), Some((request, at)));
        }
        let of = |form: &str, body: &[u8]| InboxPush {
            form: form.to_owned(),
            body: body.to_vec(),
            ..entry("callback", RelayedHubRequest::Dropped(0), NOW)
        };
        for broken in [of(VERIFY, b"{"), of(PUSH, b"{}"), of(PUSH, b"\n"), of("hub-of-tomorrow", b"")] {
            assert_eq!(relayed(broken.clone()), None, "{broken:?}");
        }
        assert!(!is_of_a_hub(&of("json", b"")));
    }

    #[test]
    fn answer_comes_out_as_it_went_in_and_a_receipt_says_that_it_is_stored() {
        for answer in [
            HubAnswer::Confirmed,
            HubAnswer::Unknown,
            HubAnswer::Noted,
            HubAnswer::Gone,
            HubAnswer::TooMany(31),
            HubAnswer::TooLarge,
        ] {
            assert_eq!(read_answer(&written_answer(answer).expect("written")), answer);
        }
        for unwritten in [HubAnswer::Stored, HubAnswer::Later] {
            assert_eq!(written_answer(unwritten), None, "{unwritten:?}");
        }
        let receipt = serde_json::to_string(&crate::source::Receipt::default()).expect("JSON");
        assert_eq!(read_answer(&receipt), HubAnswer::Stored);
        assert_eq!(read_answer("{\"outcome\":\"of-tomorrow\"}"), HubAnswer::Later);
        assert_eq!(read_answer("{"), HubAnswer::Later);
    }
}
