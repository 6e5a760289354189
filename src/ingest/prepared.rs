//! A batch between the two halves of ingest.

use std::collections::HashSet;
use std::sync::Arc;

use crate::model::{ItemId, Rejection};
use crate::pipeline::{Prepared, Rules};
use crate::source::Batch;
use crate::source::feed::last_documents::ItemFingerprint;

/// A batch of which everything is known that can be known without a look at any other.
pub(super) struct PreparedBatch {
    /// With the items alone that had to be prepared.
    pub(super) batch: Batch,
    /// One for each of these.
    pub(super) marks: Vec<ItemMark>,
    /// What each of them became.
    pub(super) prepared: Vec<Result<Prepared, Rejection>>,
    /// The items that stand in their feed's document as they did last time.
    pub(super) unchanged: Vec<ItemFingerprint>,
    /// The ids of those among them that were read again.
    pub(super) unchanged_ids: HashSet<ItemId>,
    /// The rules they were prepared under, by which they are judged as well.
    pub(super) rules: Arc<Rules>,
}

/// By which an item is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct ItemMark {
    pub(super) id: ItemId,
    pub(super) fingerprint: ItemFingerprint,
}

impl PreparedBatch {
    /// What it adds to a transaction.
    pub(super) fn weight(&self) -> usize {
        self.prepared.len() + 1
    }
}
