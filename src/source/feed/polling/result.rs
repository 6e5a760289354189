//! What came of one poll, on its way from `visit` past `pages` to the batch that `poller` makes of it.

use tokio::sync::OwnedSemaphorePermit;

use super::tools::BUDGET_UNIT_BYTES;
use crate::model::{FeedFailure, FeedState, RawItem, Rejection, Timestamp};
use crate::source::ParsedDocument;

/// What came of a poll.
#[derive(Debug)]
pub struct PollResult {
    /// When the answer came.
    pub received: Timestamp,
    /// The address asked last, for people: without userinfo and query.
    pub url: String,
    /// Redirects followed.
    pub hops: usize,
    /// Body bytes on the wire.
    pub wire_bytes: usize,
    /// The document, if there was a new one.
    pub document: Option<ParsedDocument>,
    /// Why there was no answer to use.
    pub failed: Option<FeedFailure>,
    /// A document that was refused, for the counters.
    pub rejected: Option<Rejection>,
    /// The state to adopt once the document is durable.
    pub next: Box<FeedState>,
    /// Room in memory, given back when the document is durable.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl PollResult {
    /// Gives back the room that its items do not take: for a poll that has to wait for its pages.
    pub(super) fn shrink(&mut self) {
        let (Some(document), Some(room)) = (&self.document, &mut self.room) else { return };
        let texts = |item: &RawItem| {
            [&item.title, &item.summary, &item.content].into_iter().flatten().map(|t| t.text.len()).sum::<usize>()
        };
        let bytes: usize = document.items.iter().map(texts).sum();
        let units = (bytes / BUDGET_UNIT_BYTES + document.items.len()).min(room.num_permits());
        if let Some(kept) = room.split(units) {
            self.room = Some(kept);
        }
    }
}
