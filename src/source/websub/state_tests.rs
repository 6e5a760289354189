//! The life of a subscription as a table, and what holds whatever a hub does.

use proptest::prelude::*;

use super::super::desk::new_subscription;
use super::*;
use crate::model::SourceId;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const START: Timestamp = Timestamp::from_seconds(1_742_198_400);

fn subscription(hubs: &[&str]) -> Subscription {
    let (source, hubs) = (SourceId::new("wire").expect("a name"), hubs.iter().map(|hub| (*hub).to_owned()).collect());
    let base = "https://watch.example.org/websub/";
    new_subscription(&source, "https://a.example/feed", hubs, base, false, START).expect("random bytes")
}

/// A life with a clock.
struct Life {
    one: Subscription,
    now: Timestamp,
    last: Option<SubscriptionAction>,
}

impl Life {
    fn new(hubs: &[&str]) -> Self {
        Self { one: subscription(hubs), now: START, last: None }
    }

    fn active(lease: Duration) -> Self {
        let mut life = Self::new(&["https://hub.example/"]);
        life.on(SubscriptionEvent::Due).on(SubscriptionEvent::Taken).on(SubscriptionEvent::Verified(Some(lease)));
        life
    }

    #[expect(clippy::needless_pass_by_value, reason = "a life reads as what happens, one after the other")]
    fn on(&mut self, event: SubscriptionEvent) -> &mut Self {
        (self.one, self.last) = next(&self.one, &event, self.now);
        self
    }

    fn refused(&mut self) -> &mut Self {
        self.on(SubscriptionEvent::Refused("busy".to_owned()))
    }

    /// Until its time comes.
    fn wait(&mut self) -> Duration {
        let waited = self.one.next_at.since(self.now);
        self.now = self.now.max(self.one.next_at);
        waited
    }

    fn polled(&mut self, late: u64) -> &mut Self {
        let before = Some(self.now);
        self.now = self.now.plus(HOUR);
        self.on(SubscriptionEvent::Polled { before, late, near: 0 })
    }
}

#[test]
fn subscription_is_asked_confirmed_and_prolonged_before_its_end() {
    let mut life = Life::new(&["https://hub.example/"]);
    life.on(SubscriptionEvent::Due);
    assert_eq!((life.last, life.one.awaits), (Some(SubscriptionAction::Subscribe), true));
    life.on(SubscriptionEvent::Taken).on(SubscriptionEvent::Verified(Some(10 * DAY)));
    assert!(life.one.is_active() && life.one.covers() && !life.one.awaits);
    assert_eq!(life.one.lease_until, Some(START.plus(10 * DAY)));
    let waited = life.wait();
    assert!((DAY * 15 / 2..DAY * 17 / 2).contains(&waited), "{waited:?}");
    life.on(SubscriptionEvent::Due);
    assert_eq!((life.one.state, life.last), (SubscriptionState::Renewing, Some(SubscriptionAction::Subscribe)));
    assert!(life.one.covers(), "the old one stays active");
    life.on(SubscriptionEvent::Verified(None));
    assert_eq!(life.one.lease_until, Some(life.now.plus(DAY)), "a day where the hub says nothing");
    assert_eq!(life.one.active_since, Some(START), "without a gap");
}

#[test]
fn lease_is_believed_within_bounds() {
    for (said, taken) in [
        (Some(Duration::ZERO), HOUR),
        (Some(Duration::from_secs(60)), HOUR),
        (Some(3650 * DAY), 14 * DAY),
        (Some(Duration::from_secs(u64::MAX)), 14 * DAY),
        (None, DAY),
    ] {
        let mut life = Life::new(&["https://hub.example/"]);
        life.on(SubscriptionEvent::Due).on(SubscriptionEvent::Verified(said));
        assert_eq!(life.one.lease_until, Some(START.plus(taken)), "{said:?}");
    }
}

#[test]
fn hub_that_refuses_is_asked_ever_more_seldom_and_daily_at_least() {
    let mut life = Life::new(&["https://hub.example/"]);
    let mut waits = Vec::new();
    for _ in 0..8 {
        life.on(SubscriptionEvent::Due).refused();
        waits.push(life.wait().as_secs() / 3600);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 24, 24, 24]);
    assert_eq!((life.one.state_name(), life.one.error.as_deref()), ("asked", Some("busy")));
}

#[test]
fn hub_that_never_confirms_counts_as_one_that_refuses() {
    let mut life = Life::new(&["https://hub.example/"]);
    life.on(SubscriptionEvent::Due).on(SubscriptionEvent::Taken);
    assert_eq!(life.wait(), CONFIRM_WAIT);
    life.on(SubscriptionEvent::Due);
    assert_eq!((life.last, life.one.refusals, life.one.awaits), (None, 1, false));
    assert!(life.one.error.as_ref().is_some_and(|error| error.contains("not confirmed")));
    life.wait();
    life.on(SubscriptionEvent::Due);
    assert_eq!(life.last, Some(SubscriptionAction::Subscribe));
}

#[test]
fn other_hubs_of_the_feed_are_tried_at_once_and_all_again_later() {
    let mut life = Life::new(&["https://a.example/", "https://b.example/"]);
    life.on(SubscriptionEvent::Due).refused();
    assert_eq!((life.one.hub.as_str(), life.last), ("https://b.example/", Some(SubscriptionAction::Subscribe)));
    life.refused();
    assert_eq!((life.one.hub.as_str(), life.last), ("https://a.example/", None));
    assert_eq!(life.wait(), HOUR);
}

#[test]
fn subscription_that_cannot_be_prolonged_lapses_and_is_asked_anew_at_a_poll() {
    let mut life = Life::active(DAY);
    life.wait();
    while life.one.state != SubscriptionState::Lapsed {
        life.on(SubscriptionEvent::Due).refused();
        life.wait();
        assert!(life.now.since(START) < 4 * DAY, "{:?}", life.one);
    }
    assert!(life.now.since(START) >= DAY + LAPSE_GRACE);
    assert!(!life.one.covers());
    life.on(SubscriptionEvent::Due);
    assert_eq!(life.last, None, "it waits for a poll");
    life.now = life.now.plus(DAY);
    life.polled(0);
    assert_eq!((life.one.state, life.last), (SubscriptionState::Asked, Some(SubscriptionAction::Subscribe)));
    life.on(SubscriptionEvent::Verified(None));
    assert_eq!(life.one.active_since, Some(life.now), "there was a gap");
}

#[test]
fn denied_is_asked_again_after_a_week() {
    let mut life = Life::active(10 * DAY);
    life.on(SubscriptionEvent::Denied("not here".to_owned()));
    assert_eq!((life.one.state_name(), life.one.covers()), ("denied", false));
    assert_eq!(life.one.error.as_deref(), Some("not here"));
    assert_eq!(life.wait(), DENIED_WAIT);
    life.on(SubscriptionEvent::Due);
    assert_eq!((life.one.state, life.last), (SubscriptionState::Asked, Some(SubscriptionAction::Subscribe)));
}

#[test]
fn leaving_tells_the_hub_and_is_forgotten_within_a_day() {
    let mut life = Life::active(10 * DAY);
    life.on(SubscriptionEvent::Leave);
    assert_eq!((life.one.state, life.last), (SubscriptionState::Leaving, Some(SubscriptionAction::Unsubscribe)));
    life.on(SubscriptionEvent::Leave);
    assert_eq!(life.last, None, "once");
    for event in [SubscriptionEvent::Verified(None), SubscriptionEvent::Denied(String::new())] {
        life.on(event);
        assert_eq!(life.one.state, SubscriptionState::Leaving);
    }
    life.on(SubscriptionEvent::Left);
    while life.last != Some(SubscriptionAction::Forget) {
        life.wait();
        life.on(SubscriptionEvent::Due);
        assert_ne!(life.last, Some(SubscriptionAction::Unsubscribe), "it has confirmed");
    }
    assert_eq!(life.now.since(START), LEAVING_MAX);
    // A hub that is gone is told again, and then forgotten as well.
    let mut life = Life::active(10 * DAY);
    life.on(SubscriptionEvent::Leave);
    let mut told = 1;
    while life.last != Some(SubscriptionAction::Forget) {
        life.refused();
        life.wait();
        life.on(SubscriptionEvent::Due);
        told += u32::from(life.last == Some(SubscriptionAction::Unsubscribe));
        assert!(told < 30);
    }
    assert!(told > 2 && life.now.since(START) < 3 * DAY, "{told}");
    // One that never heard of it needs not be told.
    let mut life = Life::new(&["https://hub.example/"]);
    life.on(SubscriptionEvent::Leave);
    assert_eq!(life.last, Some(SubscriptionAction::Forget));
}

#[test]
fn hub_that_misses_what_it_should_push_is_unreliable_until_it_pushes() {
    let mut life = Life::active(14 * DAY);
    life.polled(1);
    assert_eq!((life.one.missed, life.last), (1, None), "one may happen");
    life.polled(1);
    assert_eq!((life.one.state_name(), life.last), ("unreliable", Some(SubscriptionAction::TellUnreliable)));
    assert!(life.one.is_active() && !life.one.covers());
    life.polled(1);
    assert_eq!(life.last, None, "told once");
    for _ in 0..12 {
        life.on(SubscriptionEvent::Pushed { fresh: 1, is_weak: false });
    }
    assert_eq!(life.one.state_name(), "active");
    // Two of many are well within what it may miss.
    let mut life = Life::active(14 * DAY);
    life.on(SubscriptionEvent::Pushed { fresh: 10, is_weak: true });
    life.polled(2);
    assert_eq!((life.one.state_name(), life.one.is_weak), ("active", true));
}

#[test]
fn tally_counts_only_what_the_hub_could_push() {
    let mut life = Life::active(14 * DAY);
    // The poll before was when it was not active yet.
    let before = Some(START.minus(HOUR));
    life.now = START.plus(HOUR);
    life.on(SubscriptionEvent::Polled { before, late: 5, near: 1 });
    life.on(SubscriptionEvent::Polled { before: None, late: 5, near: 1 });
    assert_eq!((life.one.missed, life.one.near), (0, 0));
    // What is old counts half.
    life.polled(1);
    life.on(SubscriptionEvent::Pushed { fresh: 100, is_weak: false });
    life.now = life.now.plus(TALLY_SPAN);
    life.on(SubscriptionEvent::Verified(None)).polled(0);
    assert_eq!((life.one.pushed, life.one.missed), (50, 0));
}

fn any_event() -> impl Strategy<Value = SubscriptionEvent> {
    prop_oneof![
        4 => Just(SubscriptionEvent::Due),
        2 => Just(SubscriptionEvent::Taken),
        2 => Just(SubscriptionEvent::Refused("no".to_owned())),
        3 => proptest::option::of(0u64..40_000_000).prop_map(|s| SubscriptionEvent::Verified(s.map(Duration::from_secs))),
        1 => Just(SubscriptionEvent::Denied("no".to_owned())),
        1 => Just(SubscriptionEvent::Leave),
        1 => Just(SubscriptionEvent::Left),
        2 => (0u64..5).prop_map(|fresh| SubscriptionEvent::Pushed { fresh, is_weak: false }),
        1 => Just(SubscriptionEvent::Dropped(1)),
        3 => (0u64..3, 0u64..3).prop_map(|(late, near)| SubscriptionEvent::Polled { before: Some(START), late, near }),
    ]
}

proptest! {
    /// Whatever a hub does: it is covered only by a hub that confirmed within its time, something is always to be done
    /// next within two weeks, and what is over is over.
    #[test]
    fn subscription_whatever_happens_ends_or_goes_on(
        events in proptest::collection::vec((any_event(), 0u64..200_000), 1..120),
    ) {
        let mut one = subscription(&["https://a.example/", "https://b.example/"]);
        let mut now = START;
        for (event, pause) in events {
            now = now.plus(Duration::from_secs(pause));
            // Its own time comes before anything else does.
            let mut turns = 0;
            while one.state != SubscriptionState::Lapsed && one.next_at <= now {
                let at = one.next_at;
                let (after, action) = next(&one, &SubscriptionEvent::Due, at);
                if action == Some(SubscriptionAction::Forget) {
                    return Ok(());
                }
                one = after;
                turns += 1;
                prop_assert!(one.state == SubscriptionState::Lapsed || one.next_at > at, "it stands still: {one:?}");
                prop_assert!(turns < 1000);
            }
            let (after, action) = next(&one, &event, now);
            if action == Some(SubscriptionAction::Forget) {
                return Ok(());
            }
            one = after;
            prop_assert!(one.next_at <= now.plus(15 * DAY), "{one:?}");
            if one.covers() {
                let until = one.lease_until.expect("a lease");
                prop_assert!(now <= until.plus(LAPSE_GRACE).plus(DAY + HOUR), "{one:?} at {now}");
            }
            prop_assert_eq!(one.active_since.is_some(), one.is_active());
        }
    }
}
