//! How a subscription goes on: from how it stands, what happened and the time to how it stands then and what is to be
//! done. Pure. Errors of a hub make it ask more seldom, never less than daily; a hub whose pushes fail to come loses
//! its say over how often the feed is polled.

use std::time::Duration;

use crate::model::{Subscription, SubscriptionState, Timestamp};

/// What a hub is asked to keep a subscription up for.
pub const LEASE_ASKED: Duration = Duration::from_secs(864_000);
/// What it is believed to keep it up for: no less, no more, and so long where it does not say.
const LEASE_MIN: Duration = Duration::from_secs(3600);
const LEASE_MAX: Duration = Duration::from_secs(14 * 86_400);
const LEASE_UNSAID: Duration = Duration::from_secs(86_400);
/// A subscription is prolonged after about so much of its time.
const RENEW_AFTER: f64 = 0.8;
/// About: so much less or more, by its callback, so that those of one hub do not come in step.
const RENEW_JITTER: f64 = 0.05;
/// It ended so long after its time, where the hub has not confirmed it again.
const LAPSE_GRACE: Duration = Duration::from_secs(6 * 3600);
/// A hub that took a request confirms it within this time.
const CONFIRM_WAIT: Duration = Duration::from_secs(3600);
/// After a request that led to nothing, twice as long each time.
const RETRY_WAIT: Duration = Duration::from_secs(3600);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(86_400);
/// A hub that said no is asked again after this time.
const DENIED_WAIT: Duration = Duration::from_secs(7 * 86_400);
/// So long it is tried to tell a hub that nobody wants a subscription any more.
const LEAVING_MAX: Duration = Duration::from_secs(86_400);
/// The tally is of this time; then the older half of it counts half.
const TALLY_SPAN: Duration = Duration::from_secs(14 * 86_400);
/// A hub is unreliable from so many missed items on …
const MISSED_MIN: u64 = 2;
/// … where it pushed fewer than so many of a hundred.
const PUSHED_PERCENT_MIN: u64 = 80;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionEvent {
    /// Its time came.
    Due,
    /// The hub took the request; it is to confirm it yet.
    Taken,
    /// The hub cannot be reached, or refused.
    Refused(String),
    /// The hub asked back whether it was us, for so long as it says.
    Verified(Option<Duration>),
    /// The hub, or the publisher, does not want it.
    Denied(String),
    /// Nobody wants it any more.
    Leave,
    /// The hub asked back whether it was us who left.
    Left,
    /// A good push, with so many new items.
    Pushed {
        /// New items in it.
        fresh: u64,
        /// It was signed with SHA-1.
        is_weak: bool,
    },
    /// So many pushes were dropped.
    Dropped(u64),
    /// A poll went well.
    Polled {
        /// When the poll before was.
        before: Option<Timestamp>,
        /// New items that were published long ago, …
        late: u64,
        /// … and just now.
        near: u64,
    },
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionAction {
    /// Ask the hub to push.
    Subscribe,
    /// Ask the hub to push no more.
    Unsubscribe,
    /// Keep nothing of it.
    Forget,
    /// Say that the hub does not push what it should.
    TellUnreliable,
}

/// How it stands after an event, and what is to be done.
#[must_use]
pub fn next(
    before: &Subscription,
    event: &SubscriptionEvent,
    now: Timestamp,
) -> (Subscription, Option<SubscriptionAction>) {
    let mut after = before.clone();
    let action = match event {
        SubscriptionEvent::Due => due(&mut after, now),
        // It has an hour from when it was asked.
        SubscriptionEvent::Taken => None,
        SubscriptionEvent::Refused(why) => refused(&mut after, why, now),
        SubscriptionEvent::Verified(lease) => {
            verified(&mut after, *lease, now);
            None
        }
        SubscriptionEvent::Denied(why) => {
            if after.state != SubscriptionState::Leaving {
                after.state = SubscriptionState::Denied;
                after.active_since = None;
                after.error = Some(why.clone());
                (after.awaits, after.next_at) = (false, now.plus(DENIED_WAIT));
            }
            None
        }
        SubscriptionEvent::Leave => leave(&mut after, now),
        SubscriptionEvent::Left => {
            let leaving = after.state == SubscriptionState::Leaving;
            // Kept for a while: hubs ask twice.
            if leaving {
                (after.awaits, after.refusals) = (false, 0);
            }
            None
        }
        SubscriptionEvent::Pushed { fresh, is_weak } => {
            after.last_push_at = Some(now);
            after.is_weak = *is_weak;
            after.pushed += fresh;
            judge(&mut after, now)
        }
        SubscriptionEvent::Dropped(pushes) => {
            after.dropped += pushes;
            None
        }
        SubscriptionEvent::Polled { before, late, near } => polled(&mut after, *before, (*late, *near), now),
    };
    (after, action)
}

fn due(after: &mut Subscription, now: Timestamp) -> Option<SubscriptionAction> {
    match after.state {
        SubscriptionState::Leaving if after.lease_until.is_none_or(|until| now >= until) => {
            Some(SubscriptionAction::Forget)
        }
        SubscriptionState::Leaving if !after.awaits && after.refusals == 0 => {
            // It has confirmed; until it is forgotten.
            after.next_at = after.lease_until.unwrap_or(now);
            None
        }
        SubscriptionState::Lapsed => None,
        _ if after.awaits => {
            let why = "the hub took the request and has not confirmed it within an hour";
            refused(after, why, now)
        }
        SubscriptionState::Renewing if is_over(after, now) => {
            lapse(after);
            None
        }
        SubscriptionState::Leaving => Some(ask(after, now)),
        SubscriptionState::Active | SubscriptionState::Renewing => {
            after.state = SubscriptionState::Renewing;
            Some(ask(after, now))
        }
        SubscriptionState::Asked | SubscriptionState::Denied => {
            after.state = SubscriptionState::Asked;
            Some(ask(after, now))
        }
    }
}

fn ask(after: &mut Subscription, now: Timestamp) -> SubscriptionAction {
    (after.awaits, after.asked_at) = (true, Some(now));
    after.next_at = now.plus(CONFIRM_WAIT);
    if after.state == SubscriptionState::Leaving {
        SubscriptionAction::Unsubscribe
    } else {
        SubscriptionAction::Subscribe
    }
}

fn refused(after: &mut Subscription, why: &str, now: Timestamp) -> Option<SubscriptionAction> {
    after.error = Some(why.to_owned());
    after.refusals = after.refusals.saturating_add(1);
    after.awaits = false;
    match after.state {
        SubscriptionState::Asked => {
            let at = after.hubs.iter().position(|hub| *hub == after.hub).unwrap_or(after.hubs.len());
            if let Some(other) = after.hubs.get(at + 1) {
                after.hub.clone_from(other);
                return Some(ask(after, now));
            }
            if let Some(first) = after.hubs.first() {
                after.hub.clone_from(first);
            }
            let rounds = after.refusals / u32::try_from(after.hubs.len().max(1)).unwrap_or(u32::MAX);
            after.next_at = now.plus(wait_after(rounds));
        }
        SubscriptionState::Renewing if is_over(after, now) => lapse(after),
        _ => after.next_at = now.plus(wait_after(after.refusals)),
    }
    None
}

fn wait_after(refusals: u32) -> Duration {
    RETRY_WAIT.saturating_mul(1 << refusals.saturating_sub(1).min(20)).min(RETRY_WAIT_MAX)
}

fn is_over(after: &Subscription, now: Timestamp) -> bool {
    after.lease_until.is_none_or(|until| now >= until.plus(LAPSE_GRACE))
}

/// Asked for anew when the feed was polled next: `next_at` is the first moment for that.
fn lapse(after: &mut Subscription) {
    after.state = SubscriptionState::Lapsed;
    (after.awaits, after.active_since) = (false, None);
}

fn verified(after: &mut Subscription, lease: Option<Duration>, now: Timestamp) {
    if after.state == SubscriptionState::Leaving {
        return;
    }
    if !after.is_active() {
        after.active_since = Some(now);
        // What was missed before it is no fault of its.
        restart_tally(after, now);
    }
    let lease = lease.unwrap_or(LEASE_UNSAID).clamp(LEASE_MIN, LEASE_MAX);
    after.state = SubscriptionState::Active;
    (after.awaits, after.refusals, after.error) = (false, 0, None);
    after.verified_at = Some(now);
    after.lease_until = Some(now.plus(lease));
    let share = RENEW_AFTER + RENEW_JITTER * (2.0 * unit_hash(&after.callback) - 1.0);
    after.next_at = now.plus(lease.mul_f64(share));
}

fn restart_tally(after: &mut Subscription, now: Timestamp) {
    (after.pushed, after.near, after.missed) = (0, 0, 0);
    after.tally_from = now;
    after.unreliable_since = None;
}

fn leave(after: &mut Subscription, now: Timestamp) -> Option<SubscriptionAction> {
    if after.state == SubscriptionState::Leaving {
        return None;
    }
    // A hub that never heard of it needs not be told.
    let unheard = after.asked_at.is_none() || (after.verified_at.is_none() && !after.awaits);
    if unheard {
        return Some(SubscriptionAction::Forget);
    }
    after.state = SubscriptionState::Leaving;
    (after.active_since, after.refusals) = (None, 0);
    after.lease_until = Some(now.plus(LEAVING_MAX));
    Some(ask(after, now))
}

fn polled(
    after: &mut Subscription,
    before: Option<Timestamp>,
    (late, near): (u64, u64),
    now: Timestamp,
) -> Option<SubscriptionAction> {
    if after.state == SubscriptionState::Lapsed && now >= after.next_at {
        after.state = SubscriptionState::Asked;
        return Some(ask(after, now));
    }
    // What is new since a poll while it was inactive, nobody could push.
    let counts = after.is_active() && after.active_since.zip(before).is_some_and(|(since, before)| since <= before);
    if !counts {
        return None;
    }
    after.missed += late;
    after.near += near;
    judge(after, now)
}

/// Looks at the tally; says so when it has become bad.
fn judge(after: &mut Subscription, now: Timestamp) -> Option<SubscriptionAction> {
    if now.since(after.tally_from) >= TALLY_SPAN {
        for count in [&mut after.pushed, &mut after.near, &mut after.missed] {
            *count /= 2;
        }
        after.tally_from = now.minus(TALLY_SPAN / 2);
    }
    let all = after.pushed + after.missed;
    let is_bad = after.missed >= MISSED_MIN && after.pushed * 100 < all * PUSHED_PERCENT_MIN;
    match (is_bad, after.unreliable_since) {
        (true, None) => {
            after.unreliable_since = Some(now);
            Some(SubscriptionAction::TellUnreliable)
        }
        (false, Some(_)) => {
            after.unreliable_since = None;
            None
        }
        _ => None,
    }
}

/// A number in [0, 1) that depends on the callback alone.
fn unit_hash(callback: &str) -> f64 {
    (xxhash_rust::xxh3::xxh3_64(callback.as_bytes()) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
