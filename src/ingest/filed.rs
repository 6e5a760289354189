//! What the batches of one group file under their ids, before the store has it: two exports that are taken together
//! must not pass for each other's edits.

use std::collections::HashMap;

use crate::model::ItemId;
use crate::pipeline::Verdict;
use crate::pipeline::identity::FiledItem;
use crate::store::BatchWrite;

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
