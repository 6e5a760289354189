//! How many pages are asked of which host, and how fast: shared by all polls. Also remembers the items whose
//! pages were of no use, so that they are not asked for at each poll.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::model::{ItemId, RejectReason, Timestamp};
use crate::source::feed::PollingConfig;

/// Pages under way at once.
const PAGES_AT_ONCE_MAX: usize = 8;

/// An item without words whose page has none either is asked for again after this.
const GIVEN_UP_WAIT: Duration = Duration::from_secs(24 * 3600);

/// So many of these are remembered.
const GIVEN_UP_MAX: usize = 4096;

/// The span that `pages_per_hour_max` counts in.
const BUDGET_SPAN: Duration = Duration::from_secs(3600);

/// Hosts remembered before those without pages lately are forgotten.
const HOSTS_MAX: usize = 4096;

/// How much is asked of whom, shared by all polls.
pub(crate) struct PageBudget {
    at_once: Semaphore,
    hosts: Mutex<HashMap<String, Arc<AsyncMutex<HostPace>>>>,
    /// Items that no store knows, because nothing could be read of them, and since when.
    given_up: Mutex<HashMap<ItemId, Timestamp>>,
}

/// One host, asked by one at a time.
#[derive(Default)]
pub(super) struct HostPace {
    counted_from: Timestamp,
    taken: usize,
    started_at: Option<Timestamp>,
    pub not_before: Option<Timestamp>,
}

/// The right to ask a host for one page.
pub(super) struct PageTurn<'a> {
    pub pace: OwnedMutexGuard<HostPace>,
    _at_once: SemaphorePermit<'a>,
}

/// Why an item keeps its feed's text.
pub(super) struct PageFault {
    pub reason: RejectReason,
    pub detail: String,
}

impl PageBudget {
    pub fn new() -> Self {
        Self { at_once: Semaphore::new(PAGES_AT_ONCE_MAX), hosts: Mutex::default(), given_up: Mutex::default() }
    }

    /// Its page was of no use lately.
    pub fn gave_up(&self, id: ItemId, now: Timestamp) -> bool {
        let given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        given_up.get(&id).is_some_and(|at| now.since(*at) < GIVEN_UP_WAIT)
    }

    pub fn give_up(&self, id: ItemId, now: Timestamp) {
        let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        if given_up.len() >= GIVEN_UP_MAX {
            given_up.retain(|_, at| now.since(*at) < GIVEN_UP_WAIT);
        }
        if given_up.len() < GIVEN_UP_MAX {
            given_up.insert(id, now);
        }
    }

    fn host(&self, name: &str, now: Timestamp) -> Arc<AsyncMutex<HostPace>> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= HOSTS_MAX {
            let idle = |pace: &HostPace| {
                now.since(pace.counted_from) >= BUDGET_SPAN && pace.not_before.is_none_or(|at| at <= now)
            };
            hosts.retain(|_, pace| !pace.try_lock().is_ok_and(|pace| idle(&pace)));
        }
        hosts.entry(name.to_owned()).or_default().clone()
    }

    /// Waits for the right to ask this host for a page, as long as there is time.
    pub async fn turn(
        &self,
        host: &str,
        clock: &Clock,
        polling: &PollingConfig,
        deadline: Instant,
    ) -> Result<PageTurn<'_>, PageFault> {
        let over = |why: &str| PageFault { reason: RejectReason::PageOverBudget, detail: format!("{host}: {why}") };
        let late = || over("too many pages for the time there is");
        let mut pace = timeout_at(deadline, self.host(host, clock.now()).lock_owned()).await.map_err(|_| late())?;
        let now = clock.now();
        if pace.not_before.is_some_and(|at| at > now) {
            return Err(over("asked to be left alone for a while"));
        }
        if now.since(pace.counted_from) >= BUDGET_SPAN {
            (pace.counted_from, pace.taken) = (now, 0);
        }
        if pace.taken >= polling.pages_per_hour_max {
            return Err(over("its pages of this hour are used up"));
        }
        let ready_at = pace.started_at.map(|at| at.plus(polling.host_spacing)).filter(|at| *at > now);
        if let Some(ready_at) = ready_at {
            timeout_at(deadline, clock.sleep_until(ready_at)).await.map_err(|_| late())?;
        }
        let at_once = timeout_at(deadline, self.at_once.acquire()).await.map_err(|_| late())?;
        let at_once = at_once.expect("invariant: the semaphore is never closed");
        pace.taken += 1;
        pace.started_at = Some(clock.now());
        Ok(PageTurn { pace, _at_once: at_once })
    }
}
