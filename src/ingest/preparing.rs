//! The first half of ingest, on a thread of its own: batches are received, what stands in its feed as before is
//! set aside, and the rest is prepared on several threads where it pays.

use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};

use super::IngestLinks;
use super::ready::{End, Ready};
use super::unchanged::{LastDocuments, Seen};
use crate::clock::Clock;
use crate::model::{Origin, RawItem, RejectReason, Rejection};
use crate::pipeline::{Prepared, Rules, prepare};
use crate::source::Batch;

/// Items that are prepared in one go.
const ITEMS_AT_ONCE_MAX: usize = 128;

/// Below this many items threads cost more than they save.
const PARALLEL_ITEMS_MIN: usize = 16;

/// A batch of which everything is known that can be known without a look at any other.
pub(super) struct Read {
    /// With the items that were read alone.
    pub(super) batch: Batch,
    /// For each of these.
    pub(super) seen: Vec<Seen>,
    /// What each of them became.
    pub(super) prepared: Vec<Result<Prepared, Rejection>>,
    /// The items that need not be read.
    pub(super) same: Vec<Seen>,
    /// The rules they were read under, by which they are judged as well.
    pub(super) rules: Arc<Rules>,
}

impl Read {
    /// What it adds to a transaction.
    pub(super) fn weight(&self) -> usize {
        self.prepared.len() + 1
    }
}

/// What preparing needs; nothing of it is decided upon.
#[derive(Clone)]
pub(super) struct Preparing {
    pub(super) rules: watch::Receiver<Arc<Rules>>,
    pub(super) unchanged: Arc<Mutex<LastDocuments>>,
    pub(super) links: IngestLinks,
    pub(super) clock: Clock,
    pub(super) threads: usize,
}

impl Preparing {
    /// Runs until every sender is gone, or nobody takes what is ready any more.
    pub(super) fn run(self, mut batches: mpsc::Receiver<Batch>, ready: &Ready) {
        let _end = End(ready);
        let pulse = self.links.preparing.clone();
        while let Some(first) = batches.blocking_recv() {
            ready.expect_more();
            pulse.beat(self.clock.now());
            let group = gather(first, &mut batches);
            let read = if *self.links.hold.borrow() {
                // The receipts go with the batches: their sources keep the old cursors.
                self.links.counters.held(group.len());
                Vec::new()
            } else {
                self.read(group)
            };
            // It may wait there for the store, which is no fault of this loop.
            pulse.rest();
            if !ready.add(read, !batches.is_empty()) {
                return;
            }
        }
    }

    /// Prepares these batches together.
    pub(super) fn read(&self, group: Vec<Batch>) -> Vec<Read> {
        let rules = Arc::clone(&self.rules.borrow());
        let group: Vec<Sifted> = group.into_iter().map(|batch| self.sift(batch)).collect();
        let prepared = prepare_all(&group, &rules, self.threads);
        let read = |(sifted, prepared)| {
            let Sifted { batch, seen, same } = sifted;
            Read { batch, seen, prepared, same, rules: Arc::clone(&rules) }
        };
        group.into_iter().zip(prepared).map(read).collect()
    }

    /// Sets aside the items that stand in their feed's document as they did last time.
    fn sift(&self, mut batch: Batch) -> Sifted {
        let (mut same, mut ids) = (Vec::new(), HashSet::new());
        let (mut read, mut seen) = (Vec::new(), Vec::new());
        let unchanged = self.unchanged.lock().unwrap_or_else(PoisonError::into_inner);
        for raw in std::mem::take(&mut batch.items) {
            let this = Seen::of(&raw, &batch.origin);
            // A text that was fetched for it counts even where the feed says what it did before.
            if raw.page.is_none() && unchanged.have(&batch.origin, this) && ids.insert(this.id) {
                same.push(this);
            } else {
                seen.push(this);
                read.push(raw);
            }
        }
        batch.items = read;
        Sifted { batch, seen, same }
    }
}

/// A batch without the items that need not be read.
struct Sifted {
    batch: Batch,
    /// For each item that is left.
    seen: Vec<Seen>,
    /// The others.
    same: Vec<Seen>,
}

/// The first batch and whatever else is ready, up to a size.
fn gather(first: Batch, batches: &mut mpsc::Receiver<Batch>) -> Vec<Batch> {
    let mut items = first.items.len();
    let mut group = vec![first];
    while items < ITEMS_AT_ONCE_MAX
        && let Ok(batch) = batches.try_recv()
    {
        items += batch.items.len();
        group.push(batch);
    }
    group
}

/// Prepares every item of every batch, on several threads where it pays.
fn prepare_all(group: &[Sifted], rules: &Rules, threads: usize) -> Vec<Vec<Result<Prepared, Rejection>>> {
    let items: Vec<(&RawItem, &Origin)> =
        group.iter().flat_map(|sifted| sifted.batch.items.iter().map(|raw| (raw, &sifted.batch.origin))).collect();
    let one = |(raw, origin): &(&RawItem, &Origin)| prepare_one(raw, origin, rules);
    let mut prepared: VecDeque<_> = if items.len() < PARALLEL_ITEMS_MIN || threads < 2 {
        items.iter().map(one).collect()
    } else {
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
    };
    group.iter().map(|sifted| prepared.drain(..sifted.batch.items.len()).collect()).collect()
}

/// A panic on one item, in a library below, costs that item and nothing else.
pub(super) fn prepare_one(raw: &RawItem, origin: &Origin, rules: &Rules) -> Result<Prepared, Rejection> {
    catch_unwind(AssertUnwindSafe(|| prepare(raw, origin, rules))).unwrap_or_else(|_| {
        Err(Rejection {
            reason: RejectReason::ParserPanic,
            detail: format!("item {} could not be read", raw.key.as_str()),
            count: 1,
        })
    })
}
