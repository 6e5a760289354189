//! What a feed may be promised beside a hub: whatever the hub does, every item that the feed ever showed is stored within an
//! hour, or within its interval where that is longer.

use std::time::Duration;

use proptest::prelude::*;

use super::desk::new_subscription;
use super::state::{SubscriptionAction, SubscriptionEvent, next};
use crate::model::{FeedState, SourceId, Subscription, SubscriptionState, Timestamp};
use crate::source::feed::polling::freshness::FreshnessHints;
use crate::source::feed::polling::schedule::{
    CacheValidators, PollAnswer, PollOutcome, PollPace, PolledAddress, next_state, note_receipt,
};
use crate::source::{PollHints, Receipt};

const START: Timestamp = Timestamp::from_seconds(1_742_198_400);
const HOUR: Duration = Duration::from_secs(3600);
const SLACK: Duration = Duration::from_secs(300);

/// What a hub does when it is asked, and when something is published.
#[derive(Debug, Clone, Copy)]
enum HubDeed {
    Confirms(u64),
    Refuses,
    Denies,
    Sleeps,
}

struct World {
    now: Timestamp,
    pace: PollPace,
    feed: FeedState,
    one: Subscription,
    asked: bool,
    /// Published and not stored.
    waiting: Vec<Timestamp>,
    worst: Duration,
}

impl World {
    fn new(interval: Duration) -> Self {
        let source = SourceId::new("wire").expect("a name");
        let hubs = vec!["https://hub.example/".to_owned()];
        let one = new_subscription(&source, "https://a.example/f", hubs, "https://w.example/websub/", false, START);
        Self {
            now: START,
            pace: PollPace { interval, interval_max: interval, ceiling: Duration::from_secs(86_400) },
            feed: FeedState::new(source, "https://a.example/f".to_owned(), START),
            one: one.expect("random bytes"),
            asked: false,
            waiting: Vec::new(),
            worst: Duration::ZERO,
        }
    }

    fn happens(&mut self, event: &SubscriptionEvent) {
        let (one, action) = next(&self.one, event, self.now);
        self.one = one;
        self.asked |= action == Some(SubscriptionAction::Subscribe);
    }

    fn stored(&mut self) -> u64 {
        let stored = self.waiting.len() as u64;
        for at in self.waiting.drain(..) {
            self.worst = self.worst.max(self.now.since(at));
        }
        stored
    }

    fn poll(&mut self) {
        let before = self.feed.last_poll_at;
        let quarter = Duration::from_secs(900);
        let late = self.waiting.iter().filter(|at| self.now.since(**at) > quarter).count() as u64;
        let fresh = self.stored();
        let answer = PollAnswer {
            at: self.now,
            conditional: false,
            freshness: FreshnessHints::default(),
            via: PolledAddress::Configured,
            moved_to: None,
            outcome: PollOutcome::Document {
                validators: CacheValidators::default(),
                body_hash: None,
                title: None,
                items: fresh,
                hints: PollHints::default(),
            },
        };
        let pace = if self.one.covers() { self.pace.beside_hub() } else { self.pace };
        self.feed = next_state(&self.feed, &answer, pace);
        note_receipt(&mut self.feed, &Receipt { new: fresh, known: 10, ..Receipt::default() });
        self.happens(&SubscriptionEvent::Polled { before, late, near: fresh - late });
    }

    /// Everything that comes due until then, in its order.
    fn until(&mut self, then: Timestamp) {
        for _ in 0..100_000 {
            let lapsed = self.one.state == SubscriptionState::Lapsed;
            let due = if lapsed { then.plus(HOUR) } else { self.one.next_at };
            let first = due.min(self.feed.next_poll_at);
            if first > then {
                self.now = then;
                return;
            }
            self.now = self.now.max(first);
            if self.feed.next_poll_at <= self.now {
                self.poll();
            } else {
                self.happens(&SubscriptionEvent::Due);
            }
        }
        panic!("it stands still: {:?}", self.one);
    }
}

fn deed() -> impl Strategy<Value = HubDeed> {
    prop_oneof![
        4 => (0u64..2_000_000).prop_map(HubDeed::Confirms),
        1 => Just(HubDeed::Refuses),
        1 => Just(HubDeed::Denies),
        2 => Just(HubDeed::Sleeps),
    ]
}

proptest! {
    #[test]
    fn every_item_is_stored_within_an_hour_whatever_its_hub_does(
        minutes in prop_oneof![Just(1u64), Just(15), Just(45), Just(150)],
        steps in proptest::collection::vec((1u64..7200, any::<bool>(), any::<bool>(), deed()), 1..150),
    ) {
        let interval = Duration::from_secs(minutes * 60);
        let mut world = World::new(interval);
        world.until(START);
        for (pause, publishes, pushes, deed) in steps {
            world.until(world.now.plus(Duration::from_secs(pause)));
            if std::mem::take(&mut world.asked) {
                match deed {
                    HubDeed::Confirms(lease) => {
                        world.happens(&SubscriptionEvent::Verified(Some(Duration::from_secs(lease))));
                    }
                    HubDeed::Refuses => world.happens(&SubscriptionEvent::Refused("no".to_owned())),
                    HubDeed::Denies => world.happens(&SubscriptionEvent::Denied("no".to_owned())),
                    HubDeed::Sleeps => world.happens(&SubscriptionEvent::Taken),
                }
            }
            if publishes {
                world.waiting.push(world.now);
                if pushes && world.one.is_active() {
                    let fresh = world.stored();
                    world.happens(&SubscriptionEvent::Pushed { fresh, is_weak: false });
                }
            }
        }
        let end = world.now.plus(Duration::from_secs(86_400));
        world.until(end);
        prop_assert!(world.waiting.is_empty());
        prop_assert!(world.worst <= interval.max(HOUR) + SLACK, "{:?} at {interval:?}", world.worst);
    }
}
