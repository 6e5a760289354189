//! A round of delivery: when a queue ends by itself, and what it did, in figures.

use crate::model::Timestamp;

/// When a queue ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Only when cancelled.
    Cancelled,
    /// When nothing that was due then is left.
    NothingDue(Timestamp),
}

/// What a queue did, for `run --once`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueSummary {
    /// Rows delivered.
    pub delivered: u64,
    /// Attempts that failed and will be made again.
    pub failed: u64,
    /// Rows given up for now.
    pub parked: u64,
}

impl QueueSummary {
    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            delivered: self.delivered + other.delivered,
            failed: self.failed + other.failed,
            parked: self.parked + other.parked,
        }
    }
}
