//! Polling that several processes share: this one asks those hosts to which it has the right, and no other does meanwhile.
//! It takes the right to what is its share and free, and gives back what is another's share when nothing of it is under way.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::config::Config;
use crate::model::{Origin, SourceId, SourceKind};
use crate::net::Client;
use crate::source::feed::polling::counters::{PollCounters, PollTotals};
use crate::source::feed::polling::rules::{PollRules, PollRulesSlot};
use crate::source::feed::polling::share::{FetchingNode, share_of, shared_host, shared_hosts};
use crate::source::websub::HubCover;
use crate::store::{HubFeedNews, NodeMark, NodeRecord, PollLease, Store, StoreError};

/// How often it is looked who is there and what is free.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Whoever could not look for so long asks nobody any more: the others take him for gone a moment later, at the earliest so long
/// after his last word (`NODE_ENDED_MS`), which is three seconds older at most.
const UNSEEN_MAX: Duration = Duration::from_secs(4);
/// So many polls in a row that reach nobody, over so long, and it is this process that is cut off.
const UNREACHED_MIN: u64 = 3;
const UNREACHED_FOR: Duration = Duration::from_secs(15);
/// Then it leaves the hosts to the others, and tries again later, after twice as long each time.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(60);
const TRY_AGAIN_AFTER_MAX: Duration = Duration::from_secs(960);

/// By which right each feed is polled.
#[derive(Clone, Default)]
pub(super) struct PollRights(Arc<Mutex<HashMap<SourceId, PollLease>>>);

impl PollRights {
    /// That of a batch; one that has none any more brings its items alone.
    pub(super) fn of(&self, origin: &Origin) -> Option<PollLease> {
        let ended = || PollLease { host: origin.source.as_str().to_owned(), epoch: -1 };
        (origin.kind == SourceKind::Feed).then(|| self.0.lock().get(&origin.source).cloned().unwrap_or_else(ended))
    }
}

/// Keeps the poller of this process at its share.
pub(super) struct SharedPolling {
    pub(super) store: Store,
    pub(super) node: NodeMark,
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) client: Client,
    pub(super) slot: PollRulesSlot,
    pub(super) rights: PollRights,
    pub(super) counters: Arc<PollCounters>,
    /// Which feeds hubs push, where another process has the subscriptions.
    pub(super) cover: Option<HubCover>,
}

/// What was last put into force.
#[derive(Default)]
struct HeldHosts {
    active: HashMap<String, i64>,
    reach: FeedReach,
    /// The number of the last that hubs said of feeds; `None`: nothing is known of that yet.
    hubs_heard: Option<i64>,
}

impl SharedPolling {
    /// Keeps it so until cancelled. The hosts stay this process's for a moment: it may go on asking them in another part.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let mut held = HeldHosts::default();
        let mut looked_at = Instant::now();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Nothing is polled before it is known whose it is.
        self.slot.share(HashSet::new());
        let mut renewed = false;
        loop {
            let (unseen_at, asks) = (looked_at + UNSEEN_MAX, !held.active.is_empty());
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep_until(unseen_at), if asks => {
                    warn!("the store is out of reach: no host is asked until it is seen whose they are");
                    held.active.clear();
                    self.put(&HashMap::new(), Vec::new());
                    continue;
                }
                _ = look.tick() => {}
                changed = self.config.changed() => if changed.is_err() {
                    return;
                } else {
                    renewed = true;
                },
            }
            let began = Instant::now();
            // What does not answer is not waited for.
            let end = if asks { unseen_at } else { began + UNSEEN_MAX };
            let looked = tokio::select! {
                () = cancel.cancelled() => return,
                looked = tokio::time::timeout_at(end, self.look(&mut held, renewed)) => looked,
            };
            match looked {
                Ok(Ok(true)) => (looked_at, renewed) = (began, false),
                Ok(Ok(false)) | Err(_) => {}
                Ok(Err(error)) => debug!(%error, "which hosts are this node's to ask cannot be seen"),
            }
        }
    }

    /// Whether it was seen which hosts are this node's: not while it has not said itself that it is there.
    async fn look(&mut self, held: &mut HeldHosts, renewed: bool) -> Result<bool, StoreError> {
        let config = self.config.borrow_and_update().clone();
        let node = self.node.clone();
        let read = move |store: &Store| -> Result<_, StoreError> { Ok((store.nodes()?, store.poll_leases(&node)?)) };
        let (nodes, (own, hubs_said)) = self.store.blocking(read).await?;
        // Nobody else may take it for gone before it has looked again, or given up.
        if !nodes.iter().any(|node| node.name == self.node.name && node.is_there_for(UNSEEN_MAX)) {
            return Ok(false);
        }
        if held.hubs_heard.is_none_or(|heard| heard < hubs_said) {
            self.hear_of_hubs(held).await?;
        }
        let nodes = self.reaching(held, nodes).await?;
        let hosts = shared_hosts(&config.feeds, config.polling.spacing_scope);
        let wanted: HashSet<String> = share_of(&self.node.name, &hosts, &nodes).into_iter().collect();
        let (mut active, others): (HashMap<_, _>, HashMap<_, _>) =
            own.into_iter().partition(|(host, _)| wanted.contains(host));
        let missing: Vec<String> = wanted.into_iter().filter(|host| !active.contains_key(host)).collect();
        if !missing.is_empty() {
            let node = self.node.clone();
            active.extend(self.store.blocking(move |store| store.take_poll_leases(&node, &missing)).await?);
        }
        if renewed || active != held.active {
            // What hubs push is known before anything is polled.
            self.hear_of_hubs(held).await?;
            let states = self.store.blocking(Store::feed_states).await?;
            if active.len() != held.active.len() {
                info!(hosts = active.len(), of = hosts.len(), "hosts that this node asks");
            }
            self.put(&active, states);
            held.active = active;
        }
        let ended: Vec<String> = others.into_keys().filter(|host| self.slot.is_left_alone(host)).collect();
        if !ended.is_empty() {
            let node = self.node.clone();
            self.store.blocking(move |store| store.give_back_poll_leases(&node, &ended)).await?;
        }
        Ok(true)
    }

    /// Heeds what hubs have said of feeds since it was last heard. What is polled next begins with what the store knows, so
    /// of what was said before this process polled it needs to know only what is pushed.
    async fn hear_of_hubs(&self, held: &mut HeldHosts) -> Result<(), StoreError> {
        let (node, since) = (self.node.clone(), held.hubs_heard);
        let read = move |store: &Store| store.hub_feeds_since(since.unwrap_or_default(), &node);
        for HubFeedNews { source, number, is_covered, is_pushed, is_hinted } in self.store.blocking(read).await? {
            if let Some(cover) = &self.cover {
                cover.set(source.clone(), is_covered);
            }
            if since.is_some() && (is_pushed || is_hinted) {
                self.slot.hint(source, is_hinted);
            }
            held.hubs_heard = Some(number);
        }
        held.hubs_heard.get_or_insert_default();
        Ok(())
    }

    /// Has the poller ask these hosts, and no other.
    fn put(&mut self, active: &HashMap<String, i64>, states: Vec<crate::model::FeedState>) {
        let config = self.config.borrow().clone();
        let scope = config.polling.spacing_scope;
        let right = |feed: &Arc<crate::source::feed::FeedConfig>| {
            let host = shared_host(feed, scope);
            let epoch = *active.get(&host)?;
            Some((feed.id.clone(), PollLease { host, epoch }))
        };
        *self.rights.0.lock() = config.feeds.iter().filter_map(right).collect();
        self.slot.share(active.keys().cloned().collect());
        self.slot.put(PollRules {
            feeds: config.feeds.clone(),
            polling: config.polling.clone(),
            limits: config.limits,
            client: self.client.clone(),
            states,
        });
    }

    /// Those that hosts are shared out among: all that fetch, but for those that reach nobody while others do.
    async fn reaching(&self, held: &mut HeldHosts, nodes: Vec<NodeRecord>) -> Result<Vec<FetchingNode>, StoreError> {
        let fetching: Vec<NodeRecord> = nodes.into_iter().filter(|node| node.is_there() && node.fetches()).collect();
        let others = fetching.iter().any(|node| node.name != self.node.name && node.reaches);
        let said = fetching.iter().find(|node| node.name == self.node.name).is_none_or(|node| node.reaches);
        let reaches = held.reach.look(&self.counters.totals(), others, Instant::now());
        if reaches != said {
            if reaches {
                info!("this node asks hosts again, to see whether it reaches them");
            } else {
                warn!("no poll of this node reaches anybody: it leaves the hosts to the others");
            }
            let node = self.node.clone();
            self.store.blocking(move |store| store.set_reaches(&node, reaches)).await?;
        }
        let asks = fetching.into_iter().filter(|node| if node.name == self.node.name { reaches } else { node.reaches });
        Ok(asks.map(|node| FetchingNode { name: node.name, regions: node.regions }).collect())
    }
}

/// Whether polls reach anybody.
#[derive(Default)]
struct FeedReach {
    reached: u64,
    unreached: u64,
    /// Polls that had reached nobody when one last did, and when that was.
    unreached_then: u64,
    reached_at: Option<Instant>,
    /// It has given up until then, for so long.
    again_at: Option<Instant>,
    pause: Duration,
}

impl FeedReach {
    /// `others`: there are some that do reach hosts, as far as is known.
    fn look(&mut self, totals: &PollTotals, others: bool, now: Instant) -> bool {
        let unreached: u64 =
            totals.failures.iter().filter(|(class, _)| class.may_be_the_way()).map(|(_, count)| count).sum();
        let reached = totals.polls.saturating_sub(unreached);
        if reached > self.reached || self.reached_at.is_none() {
            (self.reached, self.unreached_then, self.reached_at) = (reached, unreached, Some(now));
            if self.again_at.is_none() {
                self.pause = TRY_AGAIN_AFTER;
            }
        }
        self.unreached = unreached;
        if let Some(again_at) = self.again_at {
            if now < again_at && others {
                return false;
            }
            // It tries anew.
            (self.again_at, self.unreached_then, self.reached_at) = (None, unreached, Some(now));
        }
        let silent_for = self.reached_at.map_or(Duration::ZERO, |at| now.duration_since(at));
        if others && self.unreached - self.unreached_then >= UNREACHED_MIN && silent_for >= UNREACHED_FOR {
            self.again_at = Some(now + self.pause);
            self.pause = (self.pause * 2).min(TRY_AGAIN_AFTER_MAX);
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FeedFailure;

    fn totals(reached: u64, unreached: u64) -> PollTotals {
        let mut totals = PollCounters::default().totals();
        totals.polls = reached + unreached;
        for (class, count) in &mut totals.failures {
            if *class == FeedFailure::Timeout {
                *count = unreached;
            }
        }
        totals
    }

    #[test]
    fn node_that_reaches_nobody_leaves_its_hosts_to_others_and_tries_again_ever_later() {
        let (mut reach, began) = (FeedReach::default(), Instant::now());
        let mut at = |seconds: u64, reached, unreached, others| {
            reach.look(&totals(reached, unreached), others, began + Duration::from_secs(seconds))
        };
        assert!(at(0, 0, 0, true));
        assert!(at(20, 0, 2, true), "two may be hosts that are gone");
        assert!(at(21, 1, 5, true), "one was reached");
        assert!(at(30, 1, 9, true), "not for so short a time");
        assert!(!at(37, 1, 9, true));
        assert!(!at(96, 1, 9, true), "for a minute");
        assert!(at(97, 1, 9, true), "it tries");
        assert!(at(111, 1, 12, true));
        assert!(!at(112, 1, 12, true), "in vain");
        assert!(!at(231, 1, 12, true), "for two minutes now");
        assert!(at(232, 1, 12, true));
        assert!(at(240, 2, 12, true), "one is reached");
        assert!(!at(260, 2, 15, true));
        assert!(at(320, 2, 15, true), "for a minute again");
    }

    #[test]
    fn node_whose_others_reach_nobody_either_goes_on() {
        let (mut reach, began) = (FeedReach::default(), Instant::now());
        assert!(reach.look(&totals(0, 0), false, began));
        assert!(reach.look(&totals(0, 50), false, began + Duration::from_secs(100)));
        assert!(!reach.look(&totals(0, 53), true, began + Duration::from_secs(200)));
        assert!(
            reach.look(&totals(0, 53), false, began + Duration::from_secs(201)),
            "the other one has given up as well"
        );
    }
}
