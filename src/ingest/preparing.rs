//! The first half of ingest, on a thread of its own: batches are received, what stands in its feed as before is
//! set aside, and the rest is prepared on several threads where it pays, in fair turns of the sources.

use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::IngestLinks;
use super::prepared::{ItemMark, PreparedBatch};
use super::ready::{ReadyEnd, ReadyQueue};
use super::turns::FairTurns;
use crate::clock::Clock;
use crate::model::{ItemId, Origin, RawItem, RejectReason, Rejection};
use crate::pipeline::{Prepared, Rules, prepare};
use crate::source::feed::last_documents::{ItemFingerprint, LastDocuments};
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
    pub(super) last_documents: LastDocuments,
    pub(super) links: IngestLinks,
    pub(super) clock: Clock,
    pub(super) threads: usize,
}

/// Batches that wait for their turn here; further ones wait with their sources.
const WAITING_MAX: usize = 1024;

/// So many bytes of text cost as much as an item has by itself.
const BYTES_PER_COST: usize = 2048;

impl PreparingStage {
    /// Runs until every sender is gone, or nobody takes what is ready any more.
    pub(super) fn run(self, mut messages: mpsc::Receiver<IngestMessage>, ready: &ReadyQueue) {
        let _end = ReadyEnd(ready);
        let pulse = self.links.preparing.clone();
        let mut turns = FairTurns::default();
        loop {
            let first = if turns.len() == 0 { messages.blocking_recv() } else { messages.try_recv().ok() };
            if first.is_none() && turns.len() == 0 {
                return;
            }
            ready.expect_more();
            pulse.beat(self.clock.now());
            let woken = self.line_up(first, &mut messages, &mut turns);
            let prepared = if *self.links.hold.borrow() {
                // The receipts go with the batches: their sources keep the old cursors.
                self.links.counters.held(turns.len());
                turns = FairTurns::default();
                Vec::new()
            } else {
                if woken {
                    ready.wake();
                }
                self.take_turns(&mut turns)
            };
            // It may wait there for the store, which is no fault of this loop.
            pulse.rest();
            if !ready.add(prepared, turns.len() > 0 || !messages.is_empty()) {
                return;
            }
        }
    }

    /// Puts what has come in line; says whether one of the messages was a wake.
    fn line_up(
        &self,
        first: Option<IngestMessage>,
        messages: &mut mpsc::Receiver<IngestMessage>,
        turns: &mut FairTurns<PreparedBatch>,
    ) -> bool {
        let rules = Arc::clone(&self.rules.borrow());
        let mut woken = false;
        let mut next = first;
        while let Some(message) = next {
            match message {
                IngestMessage::Batch(batch) => {
                    if let Some(batch) = self.set_aside_unchanged(*batch, &rules) {
                        turns.push(&batch.batch.origin.source.clone(), batch.cost_of_next(), batch);
                    }
                }
                IngestMessage::Wake => woken = true,
            }
            next = if turns.len() < WAITING_MAX { messages.try_recv().ok() } else { None };
        }
        woken
    }

    /// Prepares as many items as are done in one go, of those whose turn it is; gives the batches that are whole then.
    fn take_turns(&self, turns: &mut FairTurns<PreparedBatch>) -> Vec<PreparedBatch> {
        let (mut room, mut taken) = (ITEMS_AT_ONCE_MAX, Vec::new());
        while room > 0
            && let Some((_, batch)) = turns.next()
        {
            // What is not more than goes in one go keeps its place among its like.
            let left = batch.left();
            let piece = if left <= ITEMS_AT_ONCE_MAX { left } else { left.min(room) };
            room = room.saturating_sub(piece);
            let is_whole = piece == batch.left();
            taken.push((batch, piece));
            if !is_whole {
                break;
            }
        }
        let pieces = taken.iter().map(|(batch, piece)| (batch, *piece));
        let mut prepared = prepare_all(pieces, self.threads);
        let mut whole = Vec::with_capacity(taken.len());
        for (mut batch, piece) in taken {
            batch.prepared.extend(prepared.drain(..piece));
            // Only the last can have more.
            if batch.left() > 0 { turns.put_back(batch.cost_of_next(), batch) } else { whole.push(batch) }
        }
        whole
    }

    /// Prepares these batches together.
    pub(super) fn prepare(&self, batches: Vec<Batch>) -> Vec<PreparedBatch> {
        let rules = Arc::clone(&self.rules.borrow());
        let mut group: Vec<PreparedBatch> =
            batches.into_iter().filter_map(|batch| self.set_aside_unchanged(batch, &rules)).collect();
        let mut prepared = prepare_all(group.iter().map(|batch| (batch, batch.left())), self.threads);
        for batch in &mut group {
            batch.prepared = prepared.drain(..batch.batch.items.len()).collect();
        }
        group
    }

    /// The batch before its items are prepared; those that are what they were last time need not be. `None`: what was left
    /// out of it is not what is remembered of its feed any more, since another document of that came in between. Then nobody
    /// can say what these items are, and its source is to bring it again, as where nothing is taken.
    fn set_aside_unchanged(&self, mut batch: Batch, rules: &Arc<Rules>) -> Option<PreparedBatch> {
        let last = self.last_documents.of(&batch.origin.source);
        let mut unchanged = std::mem::take(&mut batch.unchanged);
        if !last.has_all(&unchanged) {
            self.links.counters.held(1);
            return None;
        }
        let mut unchanged_ids = HashSet::new();
        let (mut items, mut marks) = (Vec::new(), Vec::new());
        for raw in std::mem::take(&mut batch.items) {
            let fingerprint = ItemFingerprint::of(&raw);
            let id = ItemId::of(&batch.origin.source, &raw.key);
            // A text that was fetched for it counts even where the feed says what it did before.
            if raw.page.is_none() && last.has_text_of(fingerprint) && unchanged_ids.insert(id) {
                unchanged.push(fingerprint);
            } else {
                marks.push(ItemMark { id, fingerprint });
                items.push(raw);
            }
        }
        batch.items = items;
        let (prepared, rules) = (Vec::new(), Arc::clone(rules));
        Some(PreparedBatch { batch, marks, prepared, unchanged, unchanged_ids, rules })
    }
}

impl PreparedBatch {
    /// Items that are not prepared yet.
    fn left(&self) -> usize {
        self.batch.items.len() - self.prepared.len()
    }

    /// What the next items of it cost that may be prepared in one go.
    fn cost_of_next(&self) -> u64 {
        let next = self.batch.items.iter().skip(self.prepared.len()).take(ITEMS_AT_ONCE_MAX);
        1 + next.map(|raw| 1 + (raw.text_bytes() / BYTES_PER_COST) as u64).sum::<u64>()
    }
}

/// Prepares the next so many items of each batch, on several threads where it pays; in their order.
fn prepare_all<'a>(
    pieces: impl Iterator<Item = (&'a PreparedBatch, usize)>,
    threads: usize,
) -> VecDeque<Result<Prepared, Rejection>> {
    let items: Vec<(&RawItem, &PreparedBatch)> = pieces
        .flat_map(|(batch, piece)| {
            batch.batch.items[batch.prepared.len()..].iter().take(piece).map(move |raw| (raw, batch))
        })
        .collect();
    let one = |(raw, batch): &(&RawItem, &PreparedBatch)| prepare_one(raw, &batch.batch.origin, &batch.rules);
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
    let steps_max = Some(STEPS_MIN + STEPS_PER_BYTE_MAX * raw.text_bytes() as u64);
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
