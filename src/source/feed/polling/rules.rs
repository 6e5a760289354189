//! What the poller works by, at the start and after each reload: checked and ready, so that taking it over
//! cannot fail. Also the client that these rules need.

use std::time::Duration;

use tokio::sync::watch;

use crate::model::FeedState;
use crate::net::{Client, ClientConfig, NetError};
use crate::source::Limits;
use crate::source::feed::{FeedConfig, PollingConfig};

/// An unused connection is kept so long: enough for the feeds of one host and for redirects, too short
/// to pile up sockets of ten thousand hosts.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Everything the poller works by.
pub struct PollRules {
    /// Every feed of the config; disabled ones are not polled.
    pub feeds: Vec<FeedConfig>,
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
pub struct PollRulesSlot(watch::Sender<Option<PollRules>>);

impl PollRulesSlot {
    /// Puts rules there.
    pub fn put(&self, rules: PollRules) {
        self.0.send_replace(Some(rules));
    }

    pub(super) fn take(&self) -> Option<PollRules> {
        let mut taken = None;
        self.0.send_if_modified(|rules| {
            taken = rules.take();
            false
        });
        taken
    }

    /// Returns when there are rules to take.
    pub(super) async fn filled(&self) {
        // It fails only without a sender, and this is one.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
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
