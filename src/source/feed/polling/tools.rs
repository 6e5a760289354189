//! What all polls share, and what a poll is of: client, parser, clock, the settings in force, the room in
//! memory for documents in hand; and the feed with its address as it is stored.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::page_budget::PageBudget;
use super::schedule::PollPace;
use crate::clock::Clock;
use crate::model::{RejectReason, SourceId};
use crate::net::{Cidr, Client};
use crate::source::Limits;
use crate::source::feed::last_documents::LastDocuments;
use crate::source::feed::{FeedConfig, PollingConfig};
use crate::source::parser::Parser;
use crate::source::websub::PollHubs;

/// Documents in memory at once, by what they may grow to; the rest wait for the disk.
const IN_HAND_BYTES_MAX: usize = 16 << 20;

/// Texts of documents that wait for pages, which is long: none of the room above is held meanwhile.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// Of these, those of one document at most.
const WAITING_BYTES_PER_FEED_MAX: usize = 2 << 20;

/// Unit of these budgets.
const BUDGET_UNIT_BYTES: usize = 1 << 10;

/// A document that takes more of a processor to read is heavy, and so is the next of its feed taken to be. Not by the clock
/// on the wall: on a busy machine every document would be.
const HEAVY_AFTER: Duration = Duration::from_millis(200);

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
    /// The subscriptions at hubs; none for polls by hand.
    pub hubs: Option<PollHubs>,
    /// Filled by whoever stores the documents; empty for polls by hand, and where another process stores them.
    pub last_documents: LastDocuments,
    budget: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Feeds whose last document took long to read.
    heavy: Arc<Mutex<HashSet<SourceId>>>,
}

/// What a document takes of the memory for those that wait for pages; given back when it is durable.
#[derive(Debug)]
pub(crate) struct WaitingRoom {
    waiting: Arc<Semaphore>,
    held: OwnedSemaphorePermit,
}

impl WaitingRoom {
    /// Room for so many bytes more, if there are any left, of all and of one feed's share.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let units = bytes.div_ceil(BUDGET_UNIT_BYTES);
        if self.held.num_permits() + units > WAITING_BYTES_PER_FEED_MAX / BUDGET_UNIT_BYTES {
            return false;
        }
        let more = u32::try_from(units).ok().and_then(|units| self.waiting.clone().try_acquire_many_owned(units).ok());
        more.map(|more| self.held.merge(more)).is_some()
    }

    pub fn into_permit(self) -> OwnedSemaphorePermit {
        self.held
    }
}

impl PollTools {
    pub fn new(client: Client, polling: PollingConfig, limits: Limits, parser: Parser, clock: Clock) -> Self {
        let budget = Arc::new(Semaphore::new(IN_HAND_BYTES_MAX / BUDGET_UNIT_BYTES));
        let waiting = Arc::new(Semaphore::new(WAITING_BYTES_MAX / BUDGET_UNIT_BYTES));
        Self {
            client,
            parser,
            clock,
            polling,
            limits,
            pages: Arc::new(PageBudget::new()),
            hubs: None,
            last_documents: LastDocuments::default(),
            budget,
            waiting,
            heavy: Arc::default(),
        }
    }

    /// The same with other settings; what is in hand stays counted.
    pub fn renewed(&self, client: Client, polling: PollingConfig, limits: Limits) -> Self {
        let (parser, clock) = (self.parser.clone(), self.clock.clone());
        let (pages, budget, waiting) = (self.pages.clone(), self.budget.clone(), self.waiting.clone());
        let (heavy, hubs, last_documents) = (self.heavy.clone(), self.hubs.clone(), self.last_documents.clone());
        Self { client, parser, clock, polling, limits, pages, hubs, last_documents, budget, waiting, heavy }
    }

    /// Reads a feed's document. One whose last document took long waits in turn with its like, so that the others
    /// find a thread.
    pub async fn read<T: Send + 'static>(
        &self,
        feed: &SourceId,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RejectReason> {
        let was_heavy = self.is_heavy(feed);
        let timed = || {
            let begun = processor_time();
            (job(), processor_time().saturating_sub(begun))
        };
        let budget = self.limits.parse_time_max;
        let read =
            if was_heavy { self.parser.run_heavy(budget, timed).await } else { self.parser.run(budget, timed).await };
        let is_heavy = read.as_ref().map_or(true, |(_, took)| *took > HEAVY_AFTER);
        if is_heavy != was_heavy {
            let mut heavy = self.heavy.lock();
            if is_heavy {
                heavy.insert(feed.clone())
            } else {
                heavy.remove(feed)
            };
        }
        read.map(|(outcome, _)| outcome)
    }

    /// Room for a document that is to wait for pages; without waiting, for whoever waits for it holds what others
    /// need.
    pub fn waiting_room(&self, bytes: usize) -> Option<WaitingRoom> {
        let held = self.waiting.clone().try_acquire_many_owned(0).ok()?;
        let mut room = WaitingRoom { waiting: self.waiting.clone(), held };
        room.grow(bytes).then_some(room)
    }

    /// How fast a feed is polled now.
    pub fn pace(&self, feed: &FeedConfig) -> PollPace {
        let pace = PollPace::of(feed, &self.polling);
        let is_pushed = self.hubs.as_ref().is_some_and(|hubs| hubs.covers(&feed.id));
        if is_pushed { pace.beside_hub() } else { pace }
    }

    /// Whether this feed's last document took long to read.
    pub fn is_heavy(&self, feed: &SourceId) -> bool {
        self.heavy.lock().contains(feed)
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

/// What this thread has had of a processor.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A feed as the poller knows it.
pub(crate) struct PollTarget {
    pub config: Arc<FeedConfig>,
    pub allow_private: Arc<[Cidr]>,
}

impl PollTarget {
    pub fn new(config: Arc<FeedConfig>) -> Self {
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
