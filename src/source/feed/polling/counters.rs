//! What the poller counts, for metrics, `top` and the watchdog. Written by `poller`, read by anyone.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::result::PollResult;
use crate::model::{FeedFailure, Timestamp};
use crate::telemetry::DurationHistogram;

/// Totals since the start.
#[derive(Debug, Default)]
pub struct PollCounters {
    polls: AtomicU64,
    documents: AtomicU64,
    unchanged: AtomicU64,
    wire_bytes: AtomicU64,
    items: AtomicU64,
    failures: [AtomicU64; FeedFailure::ALL.len()],
    turned_at: AtomicI64,
    late: AtomicU64,
    lag_ms: AtomicU64,
    in_hand: AtomicU64,
    in_hand_for_ms: AtomicU64,
    unmoved_ms: AtomicU64,
    overdue_ms: AtomicU64,
    durations: [DurationHistogram; POLL_OUTCOMES.len()],
}

/// How the polls move, as last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PollFlow {
    /// Polls that are fetched, wait for pages, or are on their way to the disk.
    pub in_hand: u64,
    /// How long the oldest of these has been so.
    pub in_hand_for: Duration,
    /// For how long none of them has come to its end.
    pub unmoved: Duration,
    /// How long the first feed in line has waited for its turn.
    pub overdue: Duration,
}

/// What may come of a poll.
const POLL_OUTCOMES: [&str; 3] = ["document", "unchanged", "failed"];

/// A poll that begins later than this after its time is late.
const LATE_AFTER: Duration = Duration::from_secs(1);

/// The totals at one moment.
#[derive(Debug, Clone)]
pub struct PollTotals {
    /// Answers and failures.
    pub polls: u64,
    /// Documents that were parsed.
    pub documents: u64,
    /// 304, or the same bytes again.
    pub unchanged: u64,
    /// Body bytes on the wire.
    pub wire_bytes: u64,
    /// Items in the parsed documents.
    pub items: u64,
    /// Failures by class, every class named.
    pub failures: Vec<(FeedFailure, u64)>,
    /// When the poller's loop last turned: at most ten seconds ago while it lives.
    pub turned_at: Timestamp,
    /// Polls that began more than a second after their time.
    pub late: u64,
    /// Time between the moments polls were due and began, in all.
    pub lag: Duration,
    /// How they move.
    pub flow: PollFlow,
    /// How long polls took, by what came of them.
    pub durations: Vec<(&'static str, DurationHistogram)>,
}

impl PollCounters {
    /// Reads them all.
    #[must_use]
    pub fn totals(&self) -> PollTotals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PollTotals {
            polls: read(&self.polls),
            documents: read(&self.documents),
            unchanged: read(&self.unchanged),
            wire_bytes: read(&self.wire_bytes),
            items: read(&self.items),
            failures: FeedFailure::ALL.iter().copied().zip(self.failures.iter().map(read)).collect(),
            late: read(&self.late),
            durations: POLL_OUTCOMES.into_iter().zip(self.durations.iter().cloned()).collect(),
            lag: Duration::from_millis(read(&self.lag_ms)),
            flow: PollFlow {
                in_hand: read(&self.in_hand),
                in_hand_for: Duration::from_millis(read(&self.in_hand_for_ms)),
                unmoved: Duration::from_millis(read(&self.unmoved_ms)),
                overdue: Duration::from_millis(read(&self.overdue_ms)),
            },
            turned_at: Timestamp::from_millis(self.turned_at.load(Ordering::Relaxed)),
        }
    }

    pub(crate) fn turned(&self, now: Timestamp) {
        self.turned_at.store(now.millis(), Ordering::Relaxed);
    }

    pub(crate) fn moves(&self, flow: PollFlow) {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.in_hand.store(flow.in_hand, Ordering::Relaxed);
        self.in_hand_for_ms.store(millis(flow.in_hand_for), Ordering::Relaxed);
        self.unmoved_ms.store(millis(flow.unmoved), Ordering::Relaxed);
        self.overdue_ms.store(millis(flow.overdue), Ordering::Relaxed);
    }

    pub(crate) fn started(&self, lag: Duration) {
        self.late.fetch_add(u64::from(lag > LATE_AFTER), Ordering::Relaxed);
        self.lag_ms.fetch_add(u64::try_from(lag.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn polled(&self, result: &PollResult, took: Duration) {
        let add = |counter: &AtomicU64, count: u64| counter.fetch_add(count, Ordering::Relaxed);
        add(&self.polls, 1);
        add(&self.wire_bytes, result.wire_bytes as u64);
        let [document_in, unchanged_in, failed_in] = &self.durations;
        match (&result.document, result.failed) {
            (Some(document), _) => {
                document_in.observe(took);
                add(&self.documents, 1);
                add(&self.items, document.item_count());
            }
            (None, Some(failure)) => {
                failed_in.observe(took);
                let at = FeedFailure::ALL.iter().position(|f| *f == failure);
                at.and_then(|at| self.failures.get(at)).map(|counter| add(counter, 1));
            }
            (None, None) => {
                unchanged_in.observe(took);
                add(&self.unchanged, 1);
            }
        }
    }
}
