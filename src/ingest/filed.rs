//! Ids that are not believed: an item under an id that is known for something else is one of its own. What batches of the
//! same group file under their ids is not in the store yet and is looked for in what is about to be written: two exports that
//! are taken together must not pass for each other's edits.

use std::collections::HashSet;

use super::Ingest;
use super::outage::patiently;
use super::prepared::PreparedBatch;
use crate::model::{ItemId, RejectReason, Rejection, Timestamp};
use crate::pipeline::identity::{self, FiledItem};
use crate::pipeline::{Prepared, Verdict};
use crate::store::{BatchWrite, StoreError};

/// What a batch of this group files under an id, the latest of it.
fn filed_meanwhile(writes: &[BatchWrite], id: ItemId) -> Option<FiledItem> {
    let decisions = writes.iter().rev().flat_map(|write| write.decisions.iter().rev());
    let mut changes = decisions.filter(|decision| !matches!(decision.verdict, Verdict::Unchanged));
    changes.find(|decision| decision.prepared.item.id == id).map(|decision| FiledItem::of(&decision.prepared.item))
}

impl Ingest {
    /// Items whose ids are not believed get ids of their own, and what is known of these is recalled. Gives those that
    /// retention took away.
    pub(super) fn recall_unbelieved(
        &mut self,
        batch: &mut PreparedBatch,
        meanwhile: &[BatchWrite],
        now: Timestamp,
    ) -> Result<HashSet<ItemId>, StoreError> {
        let renamed = self.rename_unbelieved(batch, meanwhile)?;
        patiently(&self.links, &self.clock, &self.cancel, || self.store.recall_known(&renamed, &mut self.ledger, now))
    }

    /// Items under an id that is known for something else altogether are items of their own. Gives their ids.
    fn rename_unbelieved(
        &self,
        batch: &mut PreparedBatch,
        meanwhile: &[BatchWrite],
    ) -> Result<Vec<ItemId>, StoreError> {
        let mut renamed = Vec::new();
        let (mut example, mut unbelieved) = (String::new(), 0);
        let rules = batch.rules.clone();
        for Prepared { item, matches, .. } in batch.prepared.iter_mut().flatten() {
            if self.ledger.known(item.id).is_none_or(|known| known.text == item.version.short()) {
                continue;
            }
            let filed = match filed_meanwhile(meanwhile, item.id) {
                None => self.store.filed(item.id)?,
                filed => filed,
            };
            let Some(filed) = filed else { continue };
            // A live blog on no topic stays one item, however often its headline changes.
            let on_topic = !matches.is_empty() && rules.live_headline(&item.title).is_some();
            let live = on_topic && filed.is_earlier_entry_of(item);
            if !live && filed.agrees_with(item) {
                continue;
            }
            if !live && unbelieved == 0 {
                example = format!("id {} stood for something else; now: {}", item.key.as_str(), item.headline());
            }
            unbelieved += u64::from(!live);
            identity::rename(item);
            renamed.push(item.id);
        }
        if unbelieved > 0 {
            let count = unbelieved;
            batch.batch.rejected.push(Rejection { reason: RejectReason::IdNotBelieved, detail: example, count });
        }
        Ok(renamed)
    }
}
