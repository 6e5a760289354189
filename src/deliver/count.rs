//! What delivery did since the start, as plain counters over closed sets: the source of metrics and of
//! the figures in `status`. Counting never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::retry::Outcome;
use crate::store::outbox::Settle;
use crate::telemetry::Pulse;

/// Counters of all endpoints together; a cheap handle.
#[derive(Debug, Clone, Default)]
pub struct DeliveryCounters(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    attempts: [AtomicU64; Outcome::NAMES.len()],
    parked: AtomicU64,
    maybe_received: AtomicU64,
    pulse: Pulse,
}

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Attempts by outcome; every name is there, zero or not.
    pub attempts: Vec<(&'static str, u64)>,
    /// Deliveries given up for now.
    pub parked: u64,
    /// Attempts without an answer that the receiver may have taken all the same.
    pub maybe_received: u64,
}

impl DeliveryCounters {
    /// Counts a recorded attempt.
    pub(super) fn attempt(&self, outcome: &Outcome, settle: &Settle) {
        let add = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        if let Some(at) = Outcome::NAMES.iter().position(|&name| name == outcome.name()) {
            add(&self.0.attempts[at]);
        }
        if *settle == Settle::Park {
            add(&self.0.parked);
        }
        if outcome.may_have_been_received() {
            add(&self.0.maybe_received);
        }
    }

    /// Whether delivery as a whole turns: it beats only while every queue does.
    #[must_use]
    pub fn pulse(&self) -> &Pulse {
        &self.0.pulse
    }

    /// Reads them.
    #[must_use]
    pub fn snapshot(&self) -> DeliveryCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DeliveryCounts {
            attempts: Outcome::NAMES.into_iter().zip(self.0.attempts.iter().map(read)).collect(),
            parked: read(&self.0.parked),
            maybe_received: read(&self.0.maybe_received),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::retry::Failure;
    use super::*;

    #[test]
    fn counters_every_name_is_there_from_the_start() {
        let counters = DeliveryCounters::default();
        assert_eq!(counters.snapshot().attempts.len(), Outcome::NAMES.len());
        counters.attempt(&Outcome::Failed(Failure::Timeout), &Settle::Park);
        counters.attempt(&Outcome::Answered { status: 204, retry_after: None }, &Settle::Delivered);
        let counts = counters.snapshot();
        let of = |name| counts.attempts.iter().find(|(n, _)| *n == name).map(|(_, count)| *count);
        assert_eq!((of("timeout"), of("delivered"), of("reset")), (Some(1), Some(1), Some(0)));
        assert_eq!((counts.parked, counts.maybe_received), (1, 1));
    }
}
