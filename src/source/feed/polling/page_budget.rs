//! How many pages are asked of which host, site and for which feed, and how fast: shared by all polls. Also remembers the items whose
//! pages were of no use, so that they are not asked for at each poll.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::model::{ItemId, RejectReason, SourceId, Timestamp};
use crate::source::feed::PollingConfig;
use crate::text::domain;

/// Pages under way at once, in all and for one feed: whoever links to servers that never answer must leave
/// places to the others.
const PAGES_AT_ONCE_MAX: usize = 16;
const PAGES_AT_ONCE_PER_FEED: usize = 2;

/// Pause between two hosts that one feed sends us to for the first time; a shorter `host_spacing` counts instead.
const NEW_HOST_SPACING: Duration = Duration::from_millis(250);

/// A host that did not answer is not asked for a page again for so long, nor is any for a feed after so many pages
/// in a row that did not come.
const UNANSWERED_WAIT: Duration = Duration::from_secs(600);
const UNANSWERED_IN_A_ROW_MAX: u32 = 4;

/// Longer than any server may ask to be left alone.
const LONGEST_WAIT: Duration = Duration::from_secs(31 * 24 * 3600);

/// An item without words whose page has none either is asked for again after this.
const GIVEN_UP_WAIT: Duration = Duration::from_secs(24 * 3600);

/// So many of these are remembered.
const GIVEN_UP_MAX: usize = 4096;

/// The span that `pages_per_hour_max` and `pages_per_feed_max` count in.
const BUDGET_SPAN: Duration = Duration::from_secs(3600);

/// Hosts, sites and feeds remembered before those without pages lately are forgotten.
const REMEMBERED_MAX: usize = 4096;

/// How much is asked of whom, shared by all polls.
pub(crate) struct PageBudget {
    at_once: Semaphore,
    hosts: Mutex<HashMap<String, Arc<AsyncMutex<HostPace>>>>,
    feeds: Mutex<HashMap<SourceId, Arc<FeedPace>>>,
    /// Pages of the hour by site: a domain that somebody registered, all its hosts together.
    sites: Mutex<HashMap<String, HourCount>>,
    /// Items that no store knows, because nothing could be read of them, and since when.
    given_up: Mutex<HashMap<ItemId, Timestamp>>,
}

/// One host, asked by one at a time.
#[derive(Default)]
pub(super) struct HostPace {
    started_at: Option<Timestamp>,
    pub not_before: Option<Timestamp>,
}

/// Pages within an hour.
#[derive(Debug, Default, Clone, Copy)]
struct HourCount {
    from: Timestamp,
    taken: usize,
}

impl HourCount {
    /// Takes one, if there is one left.
    fn take(&mut self, now: Timestamp, most: usize) -> bool {
        // A clock that was ahead and is right again must not keep the count for years.
        if now.since(self.from) >= BUDGET_SPAN || self.from > now {
            *self = Self { from: now, taken: 0 };
        }
        let left = self.taken < most;
        self.taken += usize::from(left);
        left
    }

    fn is_old(&self, now: Timestamp) -> bool {
        now.since(self.from) >= BUDGET_SPAN
    }
}

/// What one feed sends us to.
struct FeedPace {
    at_once: Arc<Semaphore>,
    asked: Mutex<FeedAsked>,
    /// One host that is new to us after the other, and when the last one was asked.
    new_host: AsyncMutex<Option<Timestamp>>,
}

#[derive(Default)]
struct FeedAsked {
    hour: HourCount,
    unanswered: u32,
    not_before: Option<Timestamp>,
}

impl FeedPace {
    fn new() -> Self {
        let at_once = Arc::new(Semaphore::new(PAGES_AT_ONCE_PER_FEED));
        Self { at_once, asked: Mutex::default(), new_host: AsyncMutex::default() }
    }
}

/// How much may be asked in an hour, and the pause between two pages of one host.
#[derive(Debug, Clone, Copy)]
pub(super) struct PagePacing {
    pub spacing: Duration,
    pub per_site_max: usize,
    pub per_feed_max: usize,
}

impl PagePacing {
    pub fn of(polling: &PollingConfig) -> Self {
        Self {
            spacing: polling.host_spacing,
            per_site_max: polling.pages_per_hour_max,
            per_feed_max: polling.pages_per_feed_max,
        }
    }
}

/// The right to ask a host for one page.
pub(super) struct PageTurn<'a> {
    pub pace: OwnedMutexGuard<HostPace>,
    feed: Arc<FeedPace>,
    _of_feed: OwnedSemaphorePermit,
    _at_once: SemaphorePermit<'a>,
}

impl PageTurn<'_> {
    /// The server said something, whatever it was.
    pub fn answered(&self) {
        self.feed.asked.lock().unanswered = 0;
    }

    /// Nothing came: the host is left alone for a while, and so are all for a feed whose pages never come.
    pub fn unanswered(&mut self, now: Timestamp) {
        self.pace.not_before = Some(now.plus(UNANSWERED_WAIT));
        let mut asked = self.feed.asked.lock();
        asked.unanswered += 1;
        if asked.unanswered >= UNANSWERED_IN_A_ROW_MAX {
            asked.not_before = Some(now.plus(UNANSWERED_WAIT));
        }
    }
}

/// Why an item keeps its feed's text.
pub(super) struct PageFault {
    pub reason: RejectReason,
    pub detail: String,
}

/// The domain that somebody registered, for whoever registered it answers for all its hosts.
fn site(host: &str) -> &str {
    if host.parse::<IpAddr>().is_ok() || host.starts_with('[') {
        return host;
    }
    domain::registered(host).unwrap_or(host)
}

fn waits(not_before: Option<Timestamp>, now: Timestamp) -> bool {
    // No wait is that long; a clock that was ahead set it.
    not_before.is_some_and(|at| at > now && at.since(now) <= LONGEST_WAIT)
}

impl PageBudget {
    pub fn new() -> Self {
        Self {
            at_once: Semaphore::new(PAGES_AT_ONCE_MAX),
            hosts: Mutex::default(),
            feeds: Mutex::default(),
            sites: Mutex::default(),
            given_up: Mutex::default(),
        }
    }

    /// Its page was of no use lately.
    pub fn gave_up(&self, id: ItemId, now: Timestamp) -> bool {
        let given_up = self.given_up.lock();
        given_up.get(&id).is_some_and(|at| now.since(*at) < GIVEN_UP_WAIT)
    }

    pub fn give_up(&self, id: ItemId, now: Timestamp) {
        let mut given_up = self.given_up.lock();
        if given_up.len() >= GIVEN_UP_MAX {
            given_up.retain(|_, at| now.since(*at) < GIVEN_UP_WAIT);
        }
        if given_up.len() < GIVEN_UP_MAX {
            given_up.insert(id, now);
        }
    }

    /// The pace of a host, and whether it is new to us.
    fn host(&self, name: &str, now: Timestamp) -> (Arc<AsyncMutex<HostPace>>, bool) {
        let mut hosts = self.hosts.lock();
        if hosts.len() >= REMEMBERED_MAX {
            let idle = |pace: &HostPace| {
                !waits(pace.not_before, now) && pace.started_at.is_none_or(|at| now.since(at) >= BUDGET_SPAN)
            };
            hosts.retain(|_, pace| !pace.try_lock().is_ok_and(|pace| idle(&pace)));
        }
        let is_new = !hosts.contains_key(name);
        (hosts.entry(name.to_owned()).or_default().clone(), is_new)
    }

    fn feed(&self, feed: &SourceId, now: Timestamp) -> Arc<FeedPace> {
        let mut feeds = self.feeds.lock();
        if feeds.len() >= REMEMBERED_MAX {
            feeds.retain(|_, pace| {
                let asked = pace.asked.lock();
                Arc::strong_count(pace) > 1 || waits(asked.not_before, now) || !asked.hour.is_old(now)
            });
        }
        feeds.entry(feed.clone()).or_insert_with(|| Arc::new(FeedPace::new())).clone()
    }

    /// Takes one page from what is left of the hour for this feed and this site; says whose budget is spent.
    fn spend(&self, feed: &FeedPace, host: &str, now: Timestamp, pacing: &PagePacing) -> Result<(), &'static str> {
        let mut asked = feed.asked.lock();
        if waits(asked.not_before, now) {
            return Err("the pages of this feed do not come; none are asked for, for a while");
        }
        if asked.not_before.take().is_some() {
            // One more chance, not four.
            asked.unanswered = UNANSWERED_IN_A_ROW_MAX - 1;
        }
        let mut sites = self.sites.lock();
        if sites.len() >= REMEMBERED_MAX {
            sites.retain(|_, count| !count.is_old(now));
        }
        let site_count = sites.entry(site(host).to_owned()).or_default();
        if !site_count.take(now, pacing.per_site_max) {
            return Err("its pages of this hour are used up");
        }
        if !asked.hour.take(now, pacing.per_feed_max) {
            site_count.taken -= 1;
            return Err("the feed's pages of this hour are used up");
        }
        Ok(())
    }

    /// Waits for the right to ask this host for a page of this feed, as long as there is time.
    pub async fn turn(
        &self,
        feed: &SourceId,
        host: &str,
        clock: &Clock,
        pacing: &PagePacing,
        deadline: Instant,
    ) -> Result<PageTurn<'_>, PageFault> {
        let over = |why: &str| PageFault { reason: RejectReason::PageOverBudget, detail: format!("{host}: {why}") };
        let late = || over("too many pages for the time there is");
        let feed = self.feed(feed, clock.now());
        let of_feed = timeout_at(deadline, feed.at_once.clone().acquire_owned()).await.map_err(|_| late())?;
        let of_feed = of_feed.expect("invariant: the semaphore is never closed");
        let (pace, is_new) = self.host(host, clock.now());
        let mut pace = timeout_at(deadline, pace.lock_owned()).await.map_err(|_| late())?;
        if waits(pace.not_before, clock.now()) {
            return Err(over("asked to be left alone for a while, or did not answer"));
        }
        self.spend(&feed, host, clock.now(), pacing).map_err(over)?;
        let now = clock.now();
        let ready_at = pace.started_at.map(|at| at.plus(pacing.spacing));
        if let Some(ready_at) = ready_at.filter(|at| *at > now && at.since(now) <= pacing.spacing) {
            timeout_at(deadline, clock.sleep_until(ready_at)).await.map_err(|_| late())?;
        }
        if is_new {
            let mut last = timeout_at(deadline, feed.new_host.lock()).await.map_err(|_| late())?;
            let spacing = NEW_HOST_SPACING.min(pacing.spacing);
            let ready_at = last.map(|at| at.plus(spacing)).filter(|at| *at > clock.now());
            if let Some(ready_at) = ready_at.filter(|at| at.since(clock.now()) <= spacing) {
                timeout_at(deadline, clock.sleep_until(ready_at)).await.map_err(|_| late())?;
            }
            *last = Some(clock.now());
        }
        let at_once = timeout_at(deadline, self.at_once.acquire()).await.map_err(|_| late())?;
        let at_once = at_once.expect("invariant: the semaphore is never closed");
        pace.started_at = Some(clock.now());
        Ok(PageTurn { pace, feed, _of_feed: of_feed, _at_once: at_once })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACING: PagePacing = PagePacing { spacing: Duration::ZERO, per_site_max: 3, per_feed_max: 5 };

    async fn ask(budget: &PageBudget, feed: &str, host: &str, clock: &Clock) -> Result<(), String> {
        let feed = SourceId::new(feed).expect("a name");
        let deadline = Instant::now() + Duration::from_secs(60);
        let turn = budget.turn(&feed, host, clock, &PACING, deadline).await;
        turn.map(|turn| turn.answered()).map_err(|fault| fault.detail)
    }

    #[tokio::test]
    async fn page_budget_is_of_a_site_with_all_its_hosts_and_of_a_feed() {
        let (budget, clock) = (PageBudget::new(), Clock::manual(Timestamp::from_seconds(1_000_000)));
        for host in ["a.wire.example", "b.wire.example", "wire.example"] {
            assert_eq!(ask(&budget, "one", host, &clock).await, Ok(()), "{host}");
        }
        let spent = ask(&budget, "two", "c.wire.example", &clock).await.expect_err("spent");
        assert!(spent.contains("its pages of this hour"), "{spent}");
        // Other sites are not, until the feed itself has had its share.
        assert_eq!(ask(&budget, "one", "other.example", &clock).await, Ok(()));
        assert_eq!(ask(&budget, "one", "192.0.2.7", &clock).await, Ok(()));
        let spent = ask(&budget, "one", "third.example", &clock).await.expect_err("spent");
        assert!(spent.contains("the feed's pages"), "{spent}");
        assert_eq!(ask(&budget, "two", "third.example", &clock).await, Ok(()), "another feed has its own");
        clock.advance(BUDGET_SPAN);
        assert_eq!(ask(&budget, "one", "c.wire.example", &clock).await, Ok(()));
    }

    #[tokio::test]
    async fn page_budget_leaves_alone_who_does_not_answer() {
        let (budget, clock) = (PageBudget::new(), Clock::manual(Timestamp::from_seconds(1_000_000)));
        let feed = SourceId::new("one").expect("a name");
        let deadline = Instant::now() + Duration::from_secs(60);
        for host in ["a.example", "b.example", "c.example", "d.example"] {
            let turn = budget.turn(&feed, host, &clock, &PACING, deadline).await;
            let mut turn = turn.map_err(|fault| fault.detail).expect("a turn");
            turn.unanswered(clock.now());
        }
        assert!(ask(&budget, "two", "a.example", &clock).await.expect_err("left alone").contains("did not answer"));
        assert!(ask(&budget, "one", "e.example", &clock).await.expect_err("left alone").contains("do not come"));
        assert_eq!(ask(&budget, "two", "e.example", &clock).await, Ok(()));
        clock.advance(UNANSWERED_WAIT);
        assert_eq!(ask(&budget, "one", "f.example", &clock).await, Ok(()));
    }

    #[test]
    fn site_is_what_somebody_registered() {
        for (host, expected) in [
            ("news.wire.co.uk", "wire.co.uk"),
            ("wire.example", "wire.example"),
            ("192.0.2.7", "192.0.2.7"),
            ("[::1]", "[::1]"),
            ("quay", "quay"),
        ] {
            assert_eq!(site(host), expected);
        }
    }
}
