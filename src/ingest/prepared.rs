//! A batch between the two halves of ingest.

use std::sync::Arc;

use super::unchanged::ItemFingerprint;
use crate::model::Rejection;
use crate::pipeline::{Prepared, Rules};
use crate::source::Batch;

/// A batch of which everything is known that can be known without a look at any other.
pub(super) struct PreparedBatch {
    /// With the items alone that had to be prepared.
    pub(super) batch: Batch,
    /// One for each of these.
    pub(super) fingerprints: Vec<ItemFingerprint>,
    /// What each of them became.
    pub(super) prepared: Vec<Result<Prepared, Rejection>>,
    /// The items that stand in their feed's document as they did last time.
    pub(super) unchanged: Vec<ItemFingerprint>,
    /// The rules they were prepared under, by which they are judged as well.
    pub(super) rules: Arc<Rules>,
}

impl PreparedBatch {
    /// What it adds to a transaction.
    pub(super) fn weight(&self) -> usize {
        self.prepared.len() + 1
    }
}
