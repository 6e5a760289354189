//! What came of one poll, on its way from `visit` past `pages` to the batch that `poller` makes of it.

use tokio::sync::OwnedSemaphorePermit;

use crate::model::{FeedFailure, FeedState, HubLinks, RawItem, Rejection, Timestamp};
use crate::source::ParsedDocument;

/// What an item takes beside its texts.
const ITEM_BYTES: usize = 1 << 10;

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
    /// Bytes on the wire of the pages that its items link to.
    pub page_bytes: usize,
    /// A document that was refused, and a quota that was reached: for the counters.
    pub rejected: Vec<Rejection>,
    /// The state to adopt once the document is durable.
    pub next: Box<FeedState>,
    /// Which hubs the document names, where that is of interest.
    pub(crate) links: Option<HubLinks>,
    /// Room in memory, given back when the document is durable.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl PollResult {
    /// Bytes of its items' texts, and a little for each.
    pub(super) fn text_bytes(&self) -> usize {
        let texts = |item: &RawItem| {
            [&item.title, &item.summary, &item.content].into_iter().flatten().map(|t| t.text.len()).sum::<usize>()
        };
        let items = self.document.iter().flat_map(|document| &document.items);
        items.map(|item| texts(item) + ITEM_BYTES).sum()
    }
}
