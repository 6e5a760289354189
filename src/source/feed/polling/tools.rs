//! What all polls share, and what a poll is of: client, parser, clock, the settings in force, the room in
//! memory for documents in hand; and the feed with its address as it is stored.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::page_budget::PageBudget;
use crate::clock::Clock;
use crate::net::{Cidr, Client};
use crate::source::Limits;
use crate::source::feed::{FeedConfig, PollingConfig};
use crate::source::parser::Parser;

/// Documents in memory at once, by what they may grow to; the rest wait for the disk.
const IN_HAND_BYTES_MAX: usize = 16 << 20;

/// Unit of that budget.
pub(super) const BUDGET_UNIT_BYTES: usize = 1 << 10;

/// Compressed text grows about so much; only the reservation rests on it, not a limit.
const GROWTH_TYPICAL: usize = 12;

/// What all polls share.
pub(crate) struct PollTools {
    pub client: Client,
    pub parser: Parser,
    pub clock: Clock,
    pub polling: PollingConfig,
    pub limits: Limits,
    pub pages: Arc<PageBudget>,
    budget: Arc<Semaphore>,
}

impl PollTools {
    pub fn new(client: Client, polling: PollingConfig, limits: Limits, parser: Parser, clock: Clock) -> Self {
        let budget = Arc::new(Semaphore::new(IN_HAND_BYTES_MAX / BUDGET_UNIT_BYTES));
        Self { client, parser, clock, polling, limits, pages: Arc::new(PageBudget::new()), budget }
    }

    /// The same with other settings; what is in hand stays counted.
    pub fn renewed(&self, client: Client, polling: PollingConfig, limits: Limits) -> Self {
        let (parser, clock) = (self.parser.clone(), self.clock.clone());
        let (pages, budget) = (self.pages.clone(), self.budget.clone());
        Self { client, parser, clock, polling, limits, pages, budget }
    }

    /// Waits until there is room for a document that may grow to its cap.
    pub async fn room(&self, wire_bytes: usize, encoded: bool) -> Option<OwnedSemaphorePermit> {
        let grown = if encoded { wire_bytes.saturating_mul(GROWTH_TYPICAL) } else { wire_bytes };
        // Once as bytes, once as items.
        let bytes = grown.min(self.limits.decoded_bytes_max).saturating_mul(2).min(IN_HAND_BYTES_MAX);
        let units = u32::try_from(bytes.div_ceil(BUDGET_UNIT_BYTES)).unwrap_or(u32::MAX);
        self.budget.clone().acquire_many_owned(units).await.ok()
    }
}

/// A feed as the poller knows it.
pub(crate) struct PollTarget {
    pub config: FeedConfig,
    pub allow_private: Arc<[Cidr]>,
}

impl PollTarget {
    pub fn new(config: FeedConfig) -> Self {
        let allow_private = config.allow_private.as_slice().into();
        Self { config, allow_private }
    }

    /// The address as it is stored and compared: without credentials.
    pub fn stored_url(&self) -> String {
        stored_url(&self.config.url)
    }
}

/// An address without userinfo.
pub(crate) fn stored_url(url: &Url) -> String {
    let mut url = url.clone();
    // Both only fail for URLs that cannot have any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}
