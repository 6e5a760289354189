//! The state of a feed after a poll, and with it when to poll again: a pure function of the state
//! before, the answer and the configured pace. Failures slow a feed down, they never silence it; only
//! 410 stops it, shown, until an operator says otherwise.

use std::time::Duration;

use super::freshness::FreshnessHints;
use crate::model::{ContentHash, FeedFailure, FeedState, MovedFeed, RejectReason, Rejection, SourceId, Timestamp};
use crate::source::feed::{FeedConfig, PollingConfig};
use crate::source::{PollHints, Receipt};
use crate::text::clean::excerpt;

/// Wait after 401, 403, 407 at least, and after a 429 that does not say how long.
const REFUSED_WAIT: Duration = Duration::from_secs(4 * 3600);

/// A name that does not resolve is looked up again so soon, and then after twice as long each time until the usual
/// wait is reached: it costs the publisher nothing, and more often than not it is our network that was not there yet.
const DNS_WAIT: Duration = Duration::from_secs(60);

/// Some servers answer 304 wrongly: a whole document is asked for after so long without one.
const FULL_FETCH_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// A permanent redirect is believed after so many polls in a row …
const MOVED_POLLS_MIN: u32 = 3;

/// … over at least this much time.
const MOVED_TIME_MIN: Duration = Duration::from_secs(24 * 3600);

/// Weights of failures in hundredths, after Media Cloud: a dead name counts in full, a busy server half.
const WEIGHT_HARD: u32 = 100;
const WEIGHT_SOFT: u32 = 50;
const WEIGHT_TEMPORARY: u32 = 25;

/// Of the items at a poll, so many of a hundred should have been seen before (after Media Cloud): more,
/// and the feed is polled too often; fewer, and too seldom.
const SEEN_PERCENT_MIN: u8 = 33;
const SEEN_PERCENT_MAX: u8 = 67;

/// Per due feed at start, of the configured spread: a handful of feeds need no minute of spreading.
const START_SPREAD_PER_FEED: Duration = Duration::from_millis(20);

/// Characters of an error kept in the state.
const ERROR_CHARS_MAX: usize = 240;

/// How fast one feed may be polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollPace {
    /// Shortest time between two polls.
    pub interval: Duration,
    /// Longest time between two good polls that we choose ourselves.
    pub interval_max: Duration,
    /// Longest time, whatever the server asks or however often it failed.
    pub ceiling: Duration,
}

impl PollPace {
    /// From the config; the floor does not hold for feeds on private addresses, which are our own.
    #[must_use]
    pub fn of(feed: &FeedConfig, polling: &PollingConfig) -> Self {
        let floor = if feed.allow_private.is_empty() { polling.interval_floor } else { Duration::ZERO };
        let interval = feed.interval.max(floor);
        let ceiling = polling.interval_ceiling.max(interval);
        Self { interval, interval_max: feed.interval_max.clamp(interval, ceiling), ceiling }
    }
}

/// A feed that a hub pushes is polled so many times more seldom, …
const PUSHED_GROWTH: u32 = 4;

/// … and never more seldom than this for it: a hub that has died costs an hour.
const PUSHED_INTERVAL_MAX: Duration = Duration::from_secs(3600);

impl PollPace {
    /// The same for a feed that a hub pushes.
    #[must_use]
    pub fn beside_hub(self) -> Self {
        let interval = self.interval.max((self.interval * PUSHED_GROWTH).min(PUSHED_INTERVAL_MAX)).min(self.ceiling);
        Self { interval, interval_max: interval, ..self }
    }
}

/// What came of one poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollAnswer {
    /// When.
    pub at: Timestamp,
    /// CacheValidators were sent.
    pub conditional: bool,
    /// What the header says about the next time.
    pub freshness: FreshnessHints,
    /// Which address was asked.
    pub via: PolledAddress,
    /// Where the configured address led by 301 or 308 alone.
    pub moved_to: Option<String>,
    /// The rest.
    pub outcome: PollOutcome,
}

/// Which of its addresses a feed was polled at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolledAddress {
    /// The one in the config.
    Configured,
    /// The one it has moved to for good.
    Moved,
}

/// The kinds of answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PollOutcome {
    /// A document that was parsed.
    Document {
        /// Its validators; none where it was cut off, so that the rest of it is asked for.
        validators: CacheValidators,
        /// Hash of its bytes; likewise.
        body_hash: Option<ContentHash>,
        /// The title it gives itself.
        title: Option<String>,
        /// Items in it.
        items: u64,
        /// What it says about polling.
        hints: PollHints,
    },
    /// A document with the bytes of the last parsed one.
    SameBody(CacheValidators),
    /// 304.
    NotModified,
    /// Anything else.
    Failed(PollFailure),
}

/// `ETag` and `Last-Modified`, byte for byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheValidators {
    /// `ETag`.
    pub etag: Option<Vec<u8>>,
    /// `Last-Modified`.
    pub last_modified: Option<Vec<u8>>,
}

/// Why a poll brought no document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollFailure {
    /// The class.
    pub class: FeedFailure,
    /// Likely to pass by itself within minutes (a resolver that says "try again").
    pub temporary: bool,
    /// For people.
    pub words: String,
}

impl PollFailure {
    /// A failure that says something about the feed.
    #[must_use]
    pub fn new(class: FeedFailure, words: impl Into<String>) -> Self {
        Self { class, temporary: false, words: words.into() }
    }

    fn weight(&self) -> u32 {
        match self.class {
            _ if self.temporary => WEIGHT_TEMPORARY,
            FeedFailure::NotFound
            | FeedFailure::RateLimited
            | FeedFailure::ServerError
            | FeedFailure::Tls
            | FeedFailure::Timeout
            | FeedFailure::Reset => WEIGHT_SOFT,
            _ => WEIGHT_HARD,
        }
    }
}

/// Whether this poll should ask for the whole document whatever is remembered of it.
#[must_use]
pub fn wants_full_fetch(state: &FeedState, now: Timestamp) -> bool {
    state.full_fetch_at.is_none_or(|at| now.since(at) >= FULL_FETCH_AFTER)
}

/// When a feed is polled first after a start: never before its stored time, and what is overdue is
/// spread evenly, at a place that depends on its name alone so that restarts do not move it. A stored
/// time further off than any wait comes from a clock that was wrong; it counts as one interval.
#[must_use]
pub fn start_at(state: &FeedState, now: Timestamp, spread: Duration, pace: PollPace) -> Timestamp {
    if state.next_poll_at > now.plus(pace.ceiling) {
        return now.plus(pace.interval);
    }
    if state.next_poll_at > now {
        return state.next_poll_at;
    }
    now.plus(spread.mul_f64(unit_hash(&state.source, 0)))
}

/// The spread that so many overdue feeds need.
#[must_use]
pub fn start_spread(configured: Duration, due: usize) -> Duration {
    configured.min(START_SPREAD_PER_FEED.saturating_mul(u32::try_from(due).unwrap_or(u32::MAX)))
}

/// What `ingest` made of a poll's items, noted in the state that is stored with them and in the one the
/// poller goes on with.
pub fn note_receipt(state: &mut FeedState, receipt: &Receipt) {
    let fresh = receipt.new + receipt.sightings;
    if fresh > 0 {
        state.last_new_item_at = state.last_poll_at;
    }
    state.used.alerts += receipt.told;
    state.used.alerts_over |= receipt.over_quota > 0;
    if state.failure.is_none() {
        let seen = receipt.known + receipt.revisions;
        // No items at all is nothing new.
        state.seen_percent = Some((seen * 100).checked_div(seen + fresh).unwrap_or(100) as u8);
    }
}

/// Holds what a poll brought against the feed's quota of bytes: once that is reached, the next poll is not before the
/// next day. Says so where it is reached by this.
pub fn spend_bytes(state: &mut FeedState, bytes: usize, quota: Option<u64>) -> Option<Rejection> {
    let used = &mut state.used;
    used.bytes = used.bytes.saturating_add(bytes as u64);
    let quota = quota.filter(|quota| used.bytes >= *quota);
    let was_over = std::mem::replace(&mut used.bytes_over, quota.is_some());
    let quota = quota?;
    state.next_poll_at = state.next_poll_at.max(state.used.ends());
    (!was_over).then(|| Rejection {
        reason: RejectReason::OverByteQuota,
        detail: format!(
            "{} bytes on one day, `bytes_per_day_max` is {quota}: polled again from {} on, or by `wirewatch feeds poll`",
            state.used.bytes,
            state.used.ends()
        ),
        count: 1,
    })
}

/// When a feed that waits for the next day would be polled under another quota, if that leaves it room.
#[must_use]
pub fn room_again(state: &FeedState, quota: Option<u64>, pace: PollPace) -> Option<Timestamp> {
    let has_room = state.used.bytes_over && quota.is_none_or(|quota| state.used.bytes < quota);
    state.last_poll_at.filter(|_| has_room).map(|last| last.plus(state.interval.unwrap_or(pace.interval)))
}

/// The interval that fits what the last good poll brought: lengthened by a quarter while nearly all was
/// known, halved while little was.
fn fitting_interval(state: &FeedState, pace: PollPace) -> Duration {
    let current = state.interval.unwrap_or(pace.interval);
    let next = match state.seen_percent {
        Some(percent) if percent > SEEN_PERCENT_MAX => current + current / 4,
        Some(percent) if percent < SEEN_PERCENT_MIN => current / 2,
        _ => current,
    };
    next.clamp(pace.interval, pace.interval_max)
}

/// The state after an answer.
#[must_use]
pub fn next_state(state: &FeedState, answer: &PollAnswer, pace: PollPace) -> FeedState {
    let mut next = state.clone();
    next.polls = next.polls.saturating_add(1);
    next.last_poll_at = Some(answer.at);
    next.used = state.used.at(answer.at);
    let interval = fitting_interval(state, pace);
    let wait = match &answer.outcome {
        PollOutcome::Document { validators, body_hash, title, items, hints } => {
            succeed(&mut next, answer);
            remember_hints(&mut next, hints);
            set_validators(&mut next, validators);
            next.body_hash = *body_hash;
            next.title = title.as_deref().map(|t| excerpt(t, ERROR_CHARS_MAX)).or(next.title);
            next.items_last = *items;
            next.baselined = true;
            interval
        }
        PollOutcome::SameBody(validators) => {
            succeed(&mut next, answer);
            set_validators(&mut next, validators);
            interval
        }
        PollOutcome::NotModified if answer.conditional => {
            not_modified(&mut next, answer);
            interval
        }
        PollOutcome::NotModified => {
            set_validators(&mut next, &CacheValidators::default());
            let failure = PollFailure::new(
                FeedFailure::ClientError,
                "the server answers 304 (not modified) although the whole document was asked for",
            );
            fail(&mut next, &failure, answer, pace)
        }
        PollOutcome::Failed(failure) => fail(&mut next, failure, answer, pace),
    };
    if next.failure.is_none() {
        next.interval = Some(interval);
    }
    // How long an error page may be cached says nothing about the feed.
    let fresh_for = answer.freshness.fresh_for.filter(|_| !matches!(answer.outcome, PollOutcome::Failed(_)));
    // A publisher who was not asked cannot be asked too often.
    let unasked = matches!(&answer.outcome, PollOutcome::Failed(failure) if failure.class == FeedFailure::Dns);
    let asked = [next.ttl.filter(|_| !unasked), fresh_for, answer.freshness.retry_after];
    let wait = asked.into_iter().flatten().fold(wait, Duration::max).min(pace.ceiling);
    let latest = answer.at.plus(pace.ceiling);
    next.next_poll_at = outside_skips(answer.at.plus(wait), next.skip_hours, next.skip_days).min(latest);
    next
}

fn succeed(next: &mut FeedState, answer: &PollAnswer) {
    next.last_success_at = Some(answer.at);
    next.full_fetch_at = Some(answer.at);
    recover(next);
    follow_move(next, answer);
}

fn recover(next: &mut FeedState) {
    next.failures_weighted = 0;
    next.failure = None;
    next.error = None;
    next.failing_since = None;
    next.gone = false;
}

/// 304 is fine, except after a failure: what the server compares with may be older than its trouble.
/// The failure then stands, the pace is normal again, and the next poll asks for the whole document.
fn not_modified(next: &mut FeedState, answer: &PollAnswer) {
    if next.failure.is_some() {
        set_validators(next, &CacheValidators::default());
    } else {
        next.last_success_at = Some(answer.at);
        follow_move(next, answer);
    }
}

fn set_validators(next: &mut FeedState, validators: &CacheValidators) {
    next.etag.clone_from(&validators.etag);
    next.last_modified.clone_from(&validators.last_modified);
}

/// Notes the failure; returns how long to wait for it.
fn fail(next: &mut FeedState, failure: &PollFailure, answer: &PollAnswer, pace: PollPace) -> Duration {
    next.failures_weighted = next.failures_weighted.saturating_add(failure.weight());
    next.failure = Some(failure.class);
    next.error = Some(excerpt(&failure.words, ERROR_CHARS_MAX));
    next.failing_since.get_or_insert(answer.at);
    let lost = failure.weight() == WEIGHT_HARD || failure.class == FeedFailure::NotFound;
    if answer.via == PolledAddress::Moved && lost {
        // The new address is no good: back to the configured one, which may be.
        next.moved = None;
    } else if failure.class == FeedFailure::Gone {
        next.gone = true;
    }
    let slower = back_off(next, failure, pace);
    match failure.class {
        FeedFailure::Unauthorized => slower.max(REFUSED_WAIT),
        FeedFailure::RateLimited if answer.freshness.retry_after.is_none() => slower.max(REFUSED_WAIT),
        _ => slower,
    }
}

/// What may heal by itself doubles the wait with each failure in a row; what needs somebody's hand makes
/// it longer by one interval each time. ±10 %, so that feeds of one dead host do not come back in step.
fn back_off(next: &FeedState, failure: &PollFailure, pace: PollPace) -> Duration {
    let wait = match failure.class {
        FeedFailure::NotFound
        | FeedFailure::ServerError
        | FeedFailure::Timeout
        | FeedFailure::Dns
        | FeedFailure::Connect
        | FeedFailure::Tls
        | FeedFailure::Reset => {
            let doublings = next.failures_weighted / failure.weight().max(WEIGHT_SOFT);
            pace.interval.saturating_mul(1 << doublings.min(31))
        }
        _ => pace.interval.saturating_mul(next.failures_weighted) / 100,
    };
    let stretched = wait.min(pace.ceiling).mul_f64(0.9 + 0.2 * unit_hash(&next.source, next.polls));
    if failure.class == FeedFailure::Dns {
        let before = (next.failures_weighted / failure.weight()).saturating_sub(1);
        return DNS_WAIT.saturating_mul(1 << before.min(31)).min(stretched);
    }
    stretched.max(pace.interval)
}

fn follow_move(next: &mut FeedState, answer: &PollAnswer) {
    match (&answer.moved_to, next.moved.take()) {
        (Some(url), Some(mut moved)) if moved.url == *url => {
            moved.polls = moved.polls.saturating_add(1);
            moved.adopted |= moved.polls >= MOVED_POLLS_MIN && answer.at.since(moved.since) >= MOVED_TIME_MIN;
            next.moved = Some(moved);
        }
        (Some(url), _) => {
            next.moved = Some(MovedFeed { url: url.clone(), polls: 1, since: answer.at, adopted: false });
        }
        // Polled at its new address, a feed does not say again that it has moved.
        (None, moved) if answer.via == PolledAddress::Moved => next.moved = moved,
        (None, _) => {}
    }
}

fn remember_hints(next: &mut FeedState, hints: &PollHints) {
    let bits = |values: &[u8], first: u8, count: u8| {
        let valid = values.iter().filter(|v| (first..first + count).contains(v));
        let mask = valid.fold(0u32, |mask, v| mask | 1 << (v - first));
        // A feed that skips every hour or every day says nothing.
        if mask.count_ones() == u32::from(count) { 0 } else { mask }
    };
    next.ttl = hints.ttl;
    next.skip_hours = bits(&hints.skip_hours, 0, 24);
    next.skip_days = bits(&hints.skip_days, 1, 7) as u8;
}

/// The first moment from `at` on that lies in no skipped hour or day (UTC); within eight days there is one.
fn outside_skips(at: Timestamp, skip_hours: u32, skip_days: u8) -> Timestamp {
    const HOUR_MS: i64 = 3_600_000;
    let mut at = at;
    for _ in 0..8 * 24 {
        let hour = at.millis().div_euclid(HOUR_MS);
        // 1970-01-01 was a Thursday; Monday is bit 0.
        let weekday = (hour.div_euclid(24) + 3).rem_euclid(7);
        if skip_hours >> hour.rem_euclid(24) & 1 == 0 && skip_days >> weekday & 1 == 0 {
            return at;
        }
        at = Timestamp::from_millis((hour + 1) * HOUR_MS);
    }
    at
}

/// A number in [0, 1) that depends on the feed's name and `salt` alone.
fn unit_hash(source: &SourceId, salt: u64) -> f64 {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(source.as_str().as_bytes(), salt);
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
