//! What the decision loop took and what became of it, since the start. The law that `metrics` rests on:
//! received = new + known + sightings + revisions + rejected. Counting never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::is_news;
use crate::model::{AlertReason, DateCertainty, RejectReason, Rejection, Timestamp, TopicId};
use crate::pipeline::Decision;
use crate::source::Receipt;
use crate::telemetry::{DurationHistogram, NamedCounts, NamedDurations};

/// The members under which a topic is counted.
const MATCHES: &str = "matches";
const ALERTS: &str = "alerts";

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
    topics: NamedCounts,
    published_to_alert: NamedDurations,
    commits: DurationHistogram,
    reasons: [AtomicU64; RejectReason::ALL.len()],
}

/// The counters at one moment.
#[derive(Debug, Clone)]
pub struct IngestCounts {
    /// Batches that are durable.
    pub batches: u64,
    /// Batches that were given back because the disk is nearly full.
    pub held_batches: u64,
    /// Items in durable batches, with those that were not taken.
    pub received: u64,
    /// What became of them.
    pub outcomes: Receipt,
    /// How long the transactions took.
    pub commits: DurationHistogram,
    /// What was not taken or cut, by reason; every reason is there.
    pub reasons: Vec<(RejectReason, u64)>,
}

/// What came of one topic.
#[derive(Debug, Clone)]
pub struct TopicCounts {
    /// Matches of new and edited items.
    pub matches: u64,
    /// Alerts raised.
    pub alerts: u64,
    /// From the time an item gives as that of its publication to the first alert of its story.
    pub published_to_alert: DurationHistogram,
}

impl IngestCounters {
    /// Counts a batch that is durable.
    pub(super) fn batch(&self, received: u64, receipt: &Receipt, rejected: &[Rejection]) {
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
        ] {
            counter.fetch_add(count, Ordering::Relaxed);
        }
        for rejection in rejected {
            if let Some(at) = RejectReason::ALL.iter().position(|reason| *reason == rejection.reason) {
                inner.reasons[at].fetch_add(rejection.count, Ordering::Relaxed);
            }
        }
    }

    /// Counts what decisions that are durable said of topics.
    pub(super) fn decided(&self, decisions: &[Decision], now: Timestamp) {
        let inner = &self.0;
        for matched in decisions.iter().filter(|decision| is_news(decision)).flat_map(|d| &d.prepared.matches) {
            inner.topics.add(matched.topic.as_str(), MATCHES, 1);
        }
        for (decision, alert) in decisions.iter().flat_map(|d| d.alerts.iter().map(move |alert| (d, alert))) {
            // A mere day says too little about minutes.
            let published = decision.prepared.item.published.filter(|date| date.certainty == DateCertainty::Exact);
            for topic in alert.draft.topics.iter().map(|topic| topic.matched.topic.as_str()) {
                inner.topics.add(topic, ALERTS, 1);
                if let Some(date) = published.filter(|_| alert.draft.reason == AlertReason::First) {
                    inner.published_to_alert.observe(topic, now.since(date.at));
                }
            }
        }
    }

    /// Counts a transaction.
    pub(super) fn committed(&self, took: Duration) {
        self.0.commits.observe(took);
    }

    /// Reads those of a topic.
    #[must_use]
    pub fn topic(&self, topic: &TopicId) -> TopicCounts {
        let (topic, inner) = (topic.as_str(), &self.0);
        TopicCounts {
            matches: inner.topics.of(topic, MATCHES),
            alerts: inner.topics.of(topic, ALERTS),
            published_to_alert: inner.published_to_alert.of(topic),
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
                ..Receipt::default()
            },
            commits: inner.commits.clone(),
            reasons: RejectReason::ALL.iter().copied().zip(inner.reasons.iter().map(read)).collect(),
        }
    }
}
