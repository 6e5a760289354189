//! What the poller works by, at the start and after each reload: checked and ready, so that taking it over
//! cannot fail. Also the client that these rules need.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::model::{FeedState, SourceId};
use crate::net::{Client, ClientConfig, NetError};
use crate::source::Limits;
use crate::source::feed::{FeedConfig, PollingConfig};

/// An unused connection is kept so long: enough for the feeds of one host and for redirects, too short
/// to pile up sockets of ten thousand hosts.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Everything the poller works by.
pub struct PollRules {
    /// Every feed of the config; disabled ones are not polled.
    pub feeds: Vec<Arc<FeedConfig>>,
    /// The section.
    pub polling: PollingConfig,
    /// Caps on documents.
    pub limits: Limits,
    /// The client for these settings; the old one where they did not change, with its connections.
    pub client: Client,
    /// What the store remembers, of any feeds.
    pub states: Vec<FeedState>,
}

/// Where the rules of a reload are put for the poller to take. It takes them whole, so that thousands of feeds
/// are not held twice; rules that it has not taken yet are replaced.
#[derive(Clone, Default)]
pub struct PollRulesSlot {
    rules: watch::Sender<Option<PollRules>>,
    /// Feeds that somebody wants polled now, as the store knows them.
    hurried: watch::Sender<Vec<FeedState>>,
    /// Feeds that a hub says have something new; `true`: it did not bring it.
    hinted: watch::Sender<Vec<(SourceId, bool)>>,
    shared: Arc<Mutex<SharedSlot>>,
}

/// What several processes that poll have agreed on.
#[derive(Default)]
struct SharedSlot {
    /// The hosts that this one asks; `None`: it polls alone, and asks all.
    share: Option<Arc<HashSet<String>>>,
    /// Rules that were put there, and of which the poller has heard.
    put: u64,
    heard: u64,
    /// Polls under way of feeds that it is to leave alone, by their host.
    leaving: HashMap<String, usize>,
}

/// Feeds that may wait to be hurried; of more, the poller hears at the next reload or poll.
const HURRIED_MAX: usize = 1000;

impl PollRulesSlot {
    /// Puts rules there.
    pub fn put(&self, rules: PollRules) {
        self.shared.lock().put += 1;
        self.rules.send_replace(Some(rules));
    }

    /// Only feeds of these hosts are polled of the rules that are put there next.
    pub fn share(&self, hosts: HashSet<String>) {
        self.shared.lock().share = Some(Arc::new(hosts));
    }

    /// Whether nothing is asked of a host any more, since the poller has heard that it is not to be.
    #[must_use]
    pub fn is_left_alone(&self, host: &str) -> bool {
        let shared = self.shared.lock();
        let asks = shared.share.as_ref().is_none_or(|share| share.contains(host));
        !asks && shared.heard == shared.put && !shared.leaving.contains_key(host)
    }

    pub(super) fn shared_hosts(&self) -> Option<Arc<HashSet<String>>> {
        self.shared.lock().share.clone()
    }

    /// A poll of a feed is under way that is to be left alone after it.
    pub(super) fn leaves(&self, host: String) {
        *self.shared.lock().leaving.entry(host).or_default() += 1;
    }

    /// It has come to its end.
    pub(super) fn has_left(&self, host: &str) {
        let mut shared = self.shared.lock();
        if let Some(count) = shared.leaving.get_mut(host) {
            *count -= 1;
            if *count == 0 {
                shared.leaving.remove(host);
            }
        }
    }

    /// The rules that were put there last are in force.
    pub(super) fn has_heard(&self, put: u64) {
        self.shared.lock().heard = put;
    }

    /// Has a feed polled now, which the store has as due.
    pub fn hurry(&self, state: FeedState) {
        self.hurried.send_modify(|hurried| {
            hurried.retain(|known| known.source != state.source);
            if hurried.len() < HURRIED_MAX {
                hurried.push(state);
            }
        });
    }

    /// A hub pushed something of a feed; `polled`: it is to be polled for that.
    pub fn hint(&self, source: SourceId, polled: bool) {
        self.hinted.send_modify(|hinted| {
            if let Some((_, known)) = hinted.iter_mut().find(|(known, _)| *known == source) {
                *known |= polled;
            } else if hinted.len() < HURRIED_MAX {
                hinted.push((source, polled));
            }
        });
    }

    pub(super) fn take_hinted(&self) -> Vec<(SourceId, bool)> {
        let mut taken = Vec::new();
        self.hinted.send_if_modified(|hinted| {
            taken = std::mem::take(hinted);
            false
        });
        taken
    }

    pub(super) fn take_hurried(&self) -> Vec<FeedState> {
        let mut taken = Vec::new();
        self.hurried.send_if_modified(|hurried| {
            taken = std::mem::take(hurried);
            false
        });
        taken
    }

    /// The rules, and which of all that were put there they are.
    pub(super) fn take(&self) -> Option<(PollRules, u64)> {
        // Before they are looked at: those that are put there meanwhile count as not heard of.
        let put = self.shared.lock().put;
        let mut taken = None;
        self.rules.send_if_modified(|rules| {
            taken = rules.take();
            false
        });
        taken.zip(Some(put))
    }

    /// Returns when there are rules to take, or feeds to hurry.
    pub(super) async fn filled(&self) {
        // They fail only without a sender, and this is one.
        let (mut rules, mut hurried) = (self.rules.subscribe(), self.hurried.subscribe());
        let mut hinted = self.hinted.subscribe();
        tokio::select! {
            _ = rules.wait_for(Option::is_some) => {}
            _ = hurried.wait_for(|hurried| !hurried.is_empty()) => {}
            _ = hinted.wait_for(|hinted| !hinted.is_empty()) => {}
        }
    }
}

/// The client that polling needs.
///
/// # Errors
/// [`NetError`] when it cannot be set up: no root certificates, or a bad `ca_file`.
pub fn client(polling: &PollingConfig) -> Result<Client, NetError> {
    Client::new(ClientConfig {
        user_agent: polling.user_agent.clone(),
        connect_timeout: polling.connect_timeout,
        idle_timeout: polling.idle_timeout,
        header_bytes_max: polling.header_bytes_max,
        keep_alive: KEEP_ALIVE,
        idle_connections_per_host_max: polling.fetches_per_host_max,
        ca_file: polling.ca_file.clone(),
        proxy: polling.proxy.clone(),
    })
}
