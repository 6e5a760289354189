//! What delivery did since the start, as plain counters over closed sets: the source of metrics and of
//! the figures in `status`. Counting never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::retry::Outcome;
use crate::model::EndpointId;
use crate::store::outbox::Settle;
use crate::telemetry::{DurationHistogram, NamedCounts, NamedDurations, Pulse};

/// The member under which deliveries are counted that were given up.
const PARKED: &str = "parked";

/// Counters of all endpoints; a cheap handle.
#[derive(Debug, Clone, Default)]
pub struct DeliveryCounters(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    attempts: NamedCounts,
    parked: NamedCounts,
    attempt_durations: NamedDurations,
    to_delivered: NamedDurations,
    maybe_received: AtomicU64,
    pulse: Pulse,
}

/// A recorded attempt, as it is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct CountedAttempt<'a> {
    pub(super) endpoint: &'a EndpointId,
    pub(super) outcome: &'a Outcome,
    pub(super) settle: &'a Settle,
    pub(super) took: Duration,
    /// Since the decision.
    pub(super) since_alert: Duration,
}

/// The counters of one endpoint at one moment.
#[derive(Debug, Clone)]
pub struct EndpointCounts {
    /// Attempts by outcome; every name is there, zero or not.
    pub attempts: Vec<(&'static str, u64)>,
    /// Deliveries given up for now.
    pub parked: u64,
    /// How long attempts took.
    pub attempt_durations: DurationHistogram,
    /// From the decision to the success.
    pub to_delivered: DurationHistogram,
}

impl DeliveryCounters {
    /// Counts a recorded attempt.
    pub(super) fn attempt(&self, attempt: CountedAttempt<'_>) {
        let CountedAttempt { endpoint, outcome, settle, took, since_alert } = attempt;
        let (endpoint, inner) = (endpoint.as_str(), &self.0);
        inner.attempts.add(endpoint, outcome.name(), 1);
        inner.attempt_durations.observe(endpoint, took);
        match settle {
            Settle::Delivered => inner.to_delivered.observe(endpoint, since_alert),
            Settle::Park => inner.parked.add(endpoint, PARKED, 1),
            Settle::RetryAt(_) | Settle::WaitUntil(_) => {}
        }
        if outcome.may_have_been_received() {
            inner.maybe_received.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether delivery as a whole turns: it beats only while every queue does.
    #[must_use]
    pub fn pulse(&self) -> &Pulse {
        &self.0.pulse
    }

    /// Reads those of an endpoint.
    #[must_use]
    pub fn of(&self, endpoint: &EndpointId) -> EndpointCounts {
        let (endpoint, inner) = (endpoint.as_str(), &self.0);
        EndpointCounts {
            attempts: Outcome::NAMES.map(|name| (name, inner.attempts.of(endpoint, name))).into(),
            parked: inner.parked.of(endpoint, PARKED),
            attempt_durations: inner.attempt_durations.of(endpoint),
            to_delivered: inner.to_delivered.of(endpoint),
        }
    }

    /// Attempts without an answer that the receiver may have taken all the same.
    #[must_use]
    pub fn maybe_received(&self) -> u64 {
        self.0.maybe_received.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::retry::Failure;
    use super::*;

    #[test]
    fn counters_every_name_is_there_from_the_start_and_endpoints_are_apart() {
        let counters = DeliveryCounters::default();
        let [desk, phone] = ["desk", "phone"].map(|id| EndpointId::new(id).expect("an id"));
        assert_eq!(counters.of(&desk).attempts.len(), Outcome::NAMES.len());
        let (took, since_alert) = (Duration::from_millis(20), Duration::from_secs(3));
        for (outcome, settle) in [
            (Outcome::Failed(Failure::Timeout), Settle::Park),
            (Outcome::Answered { status: 204, retry_after: None }, Settle::Delivered),
        ] {
            counters.attempt(CountedAttempt { endpoint: &desk, outcome: &outcome, settle: &settle, took, since_alert });
        }
        let counts = counters.of(&desk);
        let of = |name| counts.attempts.iter().find(|(n, _)| *n == name).map(|(_, count)| *count);
        assert_eq!((of("timeout"), of("delivered"), of("reset")), (Some(1), Some(1), Some(0)));
        assert_eq!((counts.parked, counters.maybe_received()), (1, 1));
        assert_eq!((counts.attempt_durations.count(), counts.to_delivered.count()), (2, 1));
        let other = counters.of(&phone);
        assert_eq!((other.parked, other.attempts.iter().map(|(_, count)| count).sum::<u64>()), (0, 0));
    }
}
