//! What all polls share, and what a poll is of: client, parser, clock, the settings in force, the room in
//! memory for documents in hand; and the feed with its address as it is stored.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use url::Url;

use super::page_budget::PageBudget;
use super::rooms::DocumentRooms;
use super::schedule::PollPace;
use crate::clock::Clock;
use crate::model::{RejectReason, SourceId};
use crate::net::{Cidr, Client};
use crate::source::Limits;
use crate::source::feed::{FeedConfig, PollingConfig};
use crate::source::parser::Parser;
use crate::source::websub::SubscriptionDesk;

/// A document that takes more of a processor to read is heavy, and so is the next of its feed taken to be. Not by the clock
/// on the wall: on a busy machine every document would be.
const HEAVY_AFTER: Duration = Duration::from_millis(200);

/// What all polls share.
pub(crate) struct PollTools {
    pub client: Client,
    pub parser: Parser,
    pub clock: Clock,
    pub polling: PollingConfig,
    pub limits: Limits,
    pub pages: Arc<PageBudget>,
    /// The subscriptions at hubs; none for polls by hand.
    pub hubs: Option<SubscriptionDesk>,
    pub rooms: Arc<DocumentRooms>,
    /// Feeds whose last document took long to read.
    heavy: Arc<Mutex<HashSet<SourceId>>>,
}

impl PollTools {
    pub fn new(client: Client, polling: PollingConfig, limits: Limits, parser: Parser, clock: Clock) -> Self {
        let rooms = Arc::new(DocumentRooms::new(parser.threads()));
        Self {
            client,
            parser,
            clock,
            polling,
            limits,
            pages: Arc::new(PageBudget::new()),
            hubs: None,
            rooms,
            heavy: Arc::default(),
        }
    }

    /// The same with other settings; what is in hand stays counted.
    pub fn renewed(&self, client: Client, polling: PollingConfig, limits: Limits) -> Self {
        let (parser, clock) = (self.parser.clone(), self.clock.clone());
        let (pages, rooms) = (self.pages.clone(), self.rooms.clone());
        let (heavy, hubs) = (self.heavy.clone(), self.hubs.clone());
        Self { client, parser, clock, polling, limits, pages, hubs, rooms, heavy }
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
}

/// What this thread has had of a processor.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
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
