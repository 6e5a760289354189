//! When the memory is written down for the next start: when learning again what came since would take about a
//! second, and at the stop; not so often that a disk notices.

use std::time::Duration;

use crate::model::Timestamp;

/// Arrivals that are recalled from the database in half a second or so.
const ARRIVALS_MIN: u64 = 10_000;
/// At the stop the same for what every further start would have to recall.
const ARRIVALS_MIN_AT_STOP: u64 = 1_000;
/// Or a larger share of the memory: a snapshot of a million items is half a gigabyte.
const SHARE_MIN: u64 = 20;
/// From one to the next while it runs.
const EVERY: Duration = Duration::from_secs(600);

/// Since when, and since how many arrivals, nothing was written.
#[derive(Debug)]
pub(super) struct SnapshotSchedule {
    /// Arrivals that were not in it at the start; a memory that was learned anew is in none.
    behind: u64,
    arrivals: u64,
    at: Timestamp,
}

impl SnapshotSchedule {
    pub(super) fn begun(recalled_after: Option<u64>, now: Timestamp) -> Self {
        Self { behind: recalled_after.unwrap_or(u64::MAX), arrivals: 0, at: now }
    }

    /// Whether to write while it runs.
    pub(super) fn is_due(&self, arrivals: u64, remembered: usize, now: Timestamp) -> bool {
        now.since(self.at) >= EVERY && self.since(arrivals) >= ARRIVALS_MIN.max(remembered as u64 / SHARE_MIN)
    }

    /// Whether to write at the stop.
    pub(super) fn is_worth_it(&self, arrivals: u64, remembered: usize) -> bool {
        remembered as u64 >= ARRIVALS_MIN_AT_STOP && self.since(arrivals) >= ARRIVALS_MIN_AT_STOP
    }

    pub(super) fn kept(&mut self, arrivals: u64, now: Timestamp) {
        *self = Self { behind: 0, arrivals, at: now };
    }

    fn since(&self, arrivals: u64) -> u64 {
        self.behind.saturating_add(arrivals - self.arrivals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_after_many_arrivals_or_a_share_of_a_large_memory_and_not_too_often() {
        let start = Timestamp::from_seconds(1_000_000);
        let later = start.plus(EVERY);
        let mut schedule = SnapshotSchedule::begun(Some(0), start);
        assert!(!schedule.is_due(ARRIVALS_MIN - 1, 500, later));
        assert!(!schedule.is_due(ARRIVALS_MIN, 500, start), "too soon");
        assert!(schedule.is_due(ARRIVALS_MIN, 500, later));
        assert!(!schedule.is_due(ARRIVALS_MIN, 1_000_000, later), "a hundredth of a large memory");
        schedule.kept(ARRIVALS_MIN, later);
        assert!(!schedule.is_due(ARRIVALS_MIN + 5, 500, later.plus(EVERY)));
    }

    #[test]
    fn stop_writes_what_was_learned_anew_and_not_a_handful() {
        let now = Timestamp::from_seconds(1_000_000);
        assert!(SnapshotSchedule::begun(None, now).is_worth_it(0, 50_000), "the next start has it quicker");
        assert!(!SnapshotSchedule::begun(None, now).is_worth_it(900, 900), "few are recalled at once");
        assert!(!SnapshotSchedule::begun(Some(10), now).is_worth_it(20, 50_000));
        assert!(SnapshotSchedule::begun(Some(10), now).is_worth_it(ARRIVALS_MIN_AT_STOP, 50_000));
    }
}
