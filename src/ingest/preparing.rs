//! The first half of ingest, on a thread of its own: batches are received, what stands in its feed as before is
//! set aside, and the rest is prepared on several threads where it pays.

use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::IngestLinks;
use super::prepared::PreparedBatch;
use super::ready::{ReadyEnd, ReadyQueue};
use super::unchanged::{ItemFingerprint, LastDocuments};
use crate::clock::Clock;
use crate::model::{Origin, RawItem, RejectReason, Rejection};
use crate::pipeline::{Prepared, Rules, prepare};
use crate::source::{Batch, IngestMessage};
use crate::text::work::{self, WorkBudget};

/// Items that are prepared in one go.
const ITEMS_AT_ONCE_MAX: usize = 128;

/// Counted steps that preparing an item may take: usual items take three to six a byte.
const STEPS_PER_BYTE_MAX: u64 = 100;
const STEPS_MIN: u64 = 1 << 20;

/// Below this many items threads cost more than they save.
const PARALLEL_ITEMS_MIN: usize = 16;

/// What preparing needs; nothing of it is decided upon.
#[derive(Clone)]
pub(super) struct PreparingStage {
    pub(super) rules: watch::Receiver<Arc<Rules>>,
    pub(super) unchanged: Arc<Mutex<LastDocuments>>,
    pub(super) links: IngestLinks,
    pub(super) clock: Clock,
    pub(super) threads: usize,
}

impl PreparingStage {
    /// Runs until every sender is gone, or nobody takes what is ready any more.
    pub(super) fn run(self, mut messages: mpsc::Receiver<IngestMessage>, ready: &ReadyQueue) {
        let _end = ReadyEnd(ready);
        let pulse = self.links.preparing.clone();
        while let Some(first) = messages.blocking_recv() {
            ready.expect_more();
            pulse.beat(self.clock.now());
            let (batches, woken) = gather(first, &mut messages);
            let prepared = if *self.links.hold.borrow() {
                // The receipts go with the batches: their sources keep the old cursors.
                self.links.counters.held(batches.len());
                Vec::new()
            } else {
                if woken {
                    ready.wake();
                }
                self.prepare(batches)
            };
            // It may wait there for the store, which is no fault of this loop.
            pulse.rest();
            if !ready.add(prepared, !messages.is_empty()) {
                return;
            }
        }
    }

    /// Prepares these batches together.
    pub(super) fn prepare(&self, batches: Vec<Batch>) -> Vec<PreparedBatch> {
        let rules = Arc::clone(&self.rules.borrow());
        let mut group: Vec<PreparedBatch> =
            batches.into_iter().map(|batch| self.set_aside_unchanged(batch, &rules)).collect();
        let mut prepared = prepare_all(&group, &rules, self.threads);
        for batch in &mut group {
            batch.prepared = prepared.drain(..batch.batch.items.len()).collect();
        }
        group
    }

    /// The batch before its items are prepared; those that are what they were last time need not be.
    fn set_aside_unchanged(&self, mut batch: Batch, rules: &Arc<Rules>) -> PreparedBatch {
        let (mut unchanged, mut ids) = (Vec::new(), HashSet::new());
        let (mut items, mut fingerprints) = (Vec::new(), Vec::new());
        let last = self.unchanged.lock();
        for raw in std::mem::take(&mut batch.items) {
            let fingerprint = ItemFingerprint::of(&raw, &batch.origin);
            // A text that was fetched for it counts even where the feed says what it did before.
            if raw.page.is_none() && last.contain(&batch.origin, fingerprint) && ids.insert(fingerprint.id) {
                unchanged.push(fingerprint);
            } else {
                fingerprints.push(fingerprint);
                items.push(raw);
            }
        }
        batch.items = items;
        PreparedBatch { batch, fingerprints, prepared: Vec::new(), unchanged, rules: Arc::clone(rules) }
    }
}

/// The batches of the first message and of whatever else is ready, up to a size; and whether one of them is a wake.
fn gather(first: IngestMessage, messages: &mut mpsc::Receiver<IngestMessage>) -> (Vec<Batch>, bool) {
    let (mut batches, mut items, mut woken) = (Vec::new(), 0, false);
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            IngestMessage::Batch(batch) => {
                items += batch.items.len();
                batches.push(*batch);
            }
            IngestMessage::Wake => woken = true,
        }
        next = if items < ITEMS_AT_ONCE_MAX { messages.try_recv().ok() } else { None };
    }
    (batches, woken)
}

/// Prepares every item of every batch, on several threads where it pays; in their order.
fn prepare_all(group: &[PreparedBatch], rules: &Rules, threads: usize) -> VecDeque<Result<Prepared, Rejection>> {
    let items: Vec<(&RawItem, &Origin)> =
        group.iter().flat_map(|batch| batch.batch.items.iter().map(|raw| (raw, &batch.batch.origin))).collect();
    let one = |(raw, origin): &(&RawItem, &Origin)| prepare_one(raw, origin, rules);
    if items.len() < PARALLEL_ITEMS_MIN || threads < 2 {
        return items.iter().map(one).collect();
    }
    let mut shares = items.chunks(items.len().div_ceil(threads));
    let first = shares.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            shares.map(|share| scope.spawn(move || share.iter().map(one).collect::<Vec<_>>())).collect();
        let mut prepared: VecDeque<_> = first.iter().map(one).collect();
        for worker in workers {
            prepared.extend(worker.join().expect("invariant: panics are caught per item"));
        }
        prepared
    })
}

/// A panic on one item, in a library below, costs that item and nothing else; so does one that takes more work than
/// an item of its size may.
pub(super) fn prepare_one(raw: &RawItem, origin: &Origin, rules: &Rules) -> Result<Prepared, Rejection> {
    let texts = [&raw.title, &raw.summary, &raw.content, &raw.page].into_iter().flatten();
    let bytes: usize = texts.map(|text| text.text.len()).sum();
    let steps_max = Some(STEPS_MIN + STEPS_PER_BYTE_MAX * bytes as u64);
    let prepared = catch_unwind(AssertUnwindSafe(|| {
        work::within(WorkBudget { steps_max, stop: None }, || prepare(raw, origin, rules)).unwrap_or_else(|spent| {
            let detail = format!("item {} could not be read: {spent}", raw.key.as_str());
            Err(Rejection { reason: RejectReason::TimedOut, detail, count: 1 })
        })
    }));
    prepared.unwrap_or_else(|_| {
        Err(Rejection {
            reason: RejectReason::ParserPanic,
            detail: format!("item {} could not be read", raw.key.as_str()),
            count: 1,
        })
    })
}
