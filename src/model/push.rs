//! What a push brought and how it was answered. The answer is stored beside the items, under the key of the push, so
//! that a sender who did not hear it is told the same again.

use std::sync::{Arc, OnceLock};

use serde::Serialize;

use super::{AlertId, ContentHash, ItemId, RejectReason, SourceId, StoryId, TopicId};

/// What a push source must remember: the answer, if its push had a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRecord {
    /// Who pushed.
    pub source: SourceId,
    /// Under which a repeat is recognised.
    pub key: Option<String>,
    /// Of the body: another one under the same key is another push.
    pub body_hash: ContentHash,
    /// The line of each item in the order of the batch, where the body has lines.
    pub lines: Vec<Option<u64>>,
    /// What was not taken before anything was decided.
    pub rejected: Vec<PushRejection>,
    /// Filled when it is decided what becomes of the items; whoever waits reads it after the commit.
    pub answer: Arc<OnceLock<PushAnswer>>,
    /// Where in the inbox it waits for its answer, if it came by another process.
    pub inbox: Option<i64>,
}

/// What became of everything in a push.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PushAnswer {
    /// Items that came, with those that were not taken.
    pub received: u64,
    /// Items that were new.
    pub new: u64,
    /// Items that were known already, unchanged.
    pub known: u64,
    /// Known items whose text changed.
    pub revisions: u64,
    /// Items that were further appearances of known ones.
    pub sightings: u64,
    /// What was not taken, and why.
    pub rejected: Vec<PushRejection>,
    /// What was taken, but not whole.
    pub notes: Vec<PushRejection>,
    /// What was taken, in the order in which it came.
    pub items: Vec<PushedItem>,
}

/// Something in a push that was not taken, or not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PushRejection {
    /// Where, where the body has lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The class.
    pub reason: RejectReason,
    /// What exactly.
    pub detail: String,
    /// How many items it stands for.
    pub count: u64,
}

/// What an item turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PushOutcome {
    /// News.
    New,
    /// Seen before, same text.
    Known,
    /// Seen before, with another text.
    Revision,
    /// A further appearance of a known text.
    Sighting,
}

/// An item that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PushedItem {
    /// Where, where the body has lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Its id; that of the appearance itself for a sighting, which leads to the item.
    pub id: ItemId,
    /// What it turned out to be.
    pub outcome: PushOutcome,
    /// The story it is in; `None` for what is known.
    pub story: Option<StoryId>,
    /// The topics that it hits.
    pub topics: Vec<TopicId>,
    /// The alerts that it raised.
    pub alerts: Vec<AlertId>,
}

impl PushAnswer {
    /// Whether something came, and none of it was taken.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.items.is_empty() && !self.rejected.is_empty()
    }
}
