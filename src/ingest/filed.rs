//! Ids that are not believed: an item under an id that is known for something else is one of its own. What the batches of
//! one group file under their ids is held here until the store has it: two exports that are taken together must not pass for
//! each other's edits.

use std::collections::{HashMap, HashSet};

use super::Ingest;
use super::outage::patiently;
use super::prepared::PreparedBatch;
use crate::model::{ItemId, RejectReason, Rejection, Timestamp};
use crate::pipeline::identity::{self, FiledItem};
use crate::pipeline::{Prepared, Verdict};
use crate::store::{BatchWrite, StoreError};

/// The items of this group that were decided on, by id.
#[derive(Debug, Default)]
pub(super) struct FiledMeanwhile(HashMap<ItemId, FiledItem>);

impl FiledMeanwhile {
    /// What was decided of a batch.
    pub fn note(&mut self, write: &BatchWrite) {
        let items = write.decisions.iter().filter(|decision| !matches!(decision.verdict, Verdict::Unchanged));
        self.0.extend(items.map(|decision| (decision.prepared.item.id, FiledItem::of(&decision.prepared.item))));
    }

    /// What an item of a batch before this one files under an id.
    pub fn get(&self, id: ItemId) -> Option<&FiledItem> {
        self.0.get(&id)
    }
}

impl Ingest {
    /// Items whose ids are not believed get ids of their own, and what is known of these is recalled. Gives those that
    /// retention took away.
    pub(super) fn recall_unbelieved(
        &mut self,
        batch: &mut PreparedBatch,
        meanwhile: &FiledMeanwhile,
        now: Timestamp,
    ) -> Result<HashSet<ItemId>, StoreError> {
        let renamed = self.rename_unbelieved(batch, meanwhile)?;
        patiently(&self.links, &self.clock, &self.cancel, || self.store.recall_known(&renamed, &mut self.ledger, now))
    }

    /// Items under an id that is known for something else altogether are items of their own. Gives their ids.
    fn rename_unbelieved(
        &self,
        batch: &mut PreparedBatch,
        meanwhile: &FiledMeanwhile,
    ) -> Result<Vec<ItemId>, StoreError> {
        let mut renamed = Vec::new();
        let mut example = String::new();
        for Prepared { item, .. } in batch.prepared.iter_mut().flatten() {
            if self.ledger.known(item.id).is_none_or(|known| known.text == item.version.short()) {
                continue;
            }
            let agrees = match meanwhile.get(item.id) {
                Some(filed) => filed.agrees_with(item),
                None => self.store.filed(item.id)?.is_none_or(|filed| filed.agrees_with(item)),
            };
            if agrees {
                continue;
            }
            if renamed.is_empty() {
                example = format!("id {} stood for something else; now: {}", item.key.as_str(), item.headline());
            }
            identity::rename(item);
            renamed.push(item.id);
        }
        if !renamed.is_empty() {
            let count = renamed.len() as u64;
            batch.batch.rejected.push(Rejection { reason: RejectReason::IdNotBelieved, detail: example, count });
        }
        Ok(renamed)
    }
}
