//! What the decision loop took and what became of it, since the start. The law that `metrics` rests on:
//! received = new + known + sightings + revisions + rejected. Counting never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::{RejectReason, Rejection};
use crate::source::Receipt;

/// Counters of the decision loop; a cheap handle.
#[derive(Debug, Clone, Default)]
pub struct IngestCounters(Arc<IngestTotals>);

#[derive(Debug, Default)]
struct IngestTotals {
    batches: AtomicU64,
    held_batches: AtomicU64,
    received: AtomicU64,
    new: AtomicU64,
    known: AtomicU64,
    sightings: AtomicU64,
    revisions: AtomicU64,
    rejected: AtomicU64,
    alerts: AtomicU64,
    matches: AtomicU64,
    reasons: [AtomicU64; RejectReason::ALL.len()],
}

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestCounts {
    /// Batches that are durable.
    pub batches: u64,
    /// Batches that were given back because the disk is nearly full.
    pub held_batches: u64,
    /// Items in durable batches, with those that were not taken.
    pub received: u64,
    /// What became of them.
    pub outcomes: Receipt,
    /// Matches of new and edited items.
    pub matches: u64,
    /// What was not taken or cut, by reason; every reason is there.
    pub reasons: Vec<(RejectReason, u64)>,
}

impl IngestCounters {
    /// Counts a batch that is durable.
    pub(super) fn batch(&self, received: u64, receipt: &Receipt, matches: u64, rejected: &[Rejection]) {
        let inner = &self.0;
        for (counter, count) in [
            (&inner.batches, 1),
            (&inner.received, received),
            (&inner.new, receipt.new),
            (&inner.known, receipt.known),
            (&inner.sightings, receipt.sightings),
            (&inner.revisions, receipt.revisions),
            (&inner.rejected, receipt.rejected),
            (&inner.alerts, receipt.alerts),
            (&inner.matches, matches),
        ] {
            counter.fetch_add(count, Ordering::Relaxed);
        }
        for rejection in rejected {
            if let Some(at) = RejectReason::ALL.iter().position(|reason| *reason == rejection.reason) {
                inner.reasons[at].fetch_add(rejection.count, Ordering::Relaxed);
            }
        }
    }

    /// Counts batches that were given back.
    pub(super) fn held(&self, batches: usize) {
        self.0.held_batches.fetch_add(batches as u64, Ordering::Relaxed);
    }

    /// Reads them.
    #[must_use]
    pub fn snapshot(&self) -> IngestCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let inner = &self.0;
        IngestCounts {
            batches: read(&inner.batches),
            held_batches: read(&inner.held_batches),
            received: read(&inner.received),
            outcomes: Receipt {
                new: read(&inner.new),
                known: read(&inner.known),
                sightings: read(&inner.sightings),
                revisions: read(&inner.revisions),
                rejected: read(&inner.rejected),
                alerts: read(&inner.alerts),
            },
            matches: read(&inner.matches),
            reasons: RejectReason::ALL.iter().copied().zip(inner.reasons.iter().map(read)).collect(),
        }
    }
}
