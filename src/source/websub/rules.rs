//! What subscriptions go by: the config's section, the feeds that may be pushed, and where hubs reach us.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::SourceId;
use crate::net::{Cidr, Client};
use crate::source::Limits;
use crate::source::feed::{FeedConfig, PollingConfig};

/// The `[websub]` section, checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebSubConfig {
    /// Whether hubs are asked to push.
    pub enabled: bool,
    /// Hosts that are never asked.
    pub hubs_deny: Vec<String>,
}

/// A feed that may be pushed.
#[derive(Debug, Clone)]
pub(crate) struct PushedFeed {
    pub config: Arc<FeedConfig>,
}

/// What subscriptions go by, at the start and after each reload.
pub struct SubscriptionRules {
    /// What callbacks begin with; `None`: nothing is subscribed to.
    pub(crate) callback_base: Option<String>,
    pub(crate) hubs_deny: Vec<String>,
    pub(crate) feeds: HashMap<SourceId, PushedFeed>,
    /// Of every feed of the config, pushed or not: a hub that is left is told so where it was asked.
    pub(crate) private: HashMap<SourceId, Arc<[Cidr]>>,
    pub(crate) client: Client,
    pub(crate) limits: Limits,
    pub(crate) wire_bytes_max: usize,
}

impl SubscriptionRules {
    /// From the config: `public_url` is where hubs reach the listener.
    #[must_use]
    pub fn new(
        websub: &WebSubConfig,
        public_url: Option<&str>,
        feeds: &[Arc<FeedConfig>],
        polling: &PollingConfig,
        limits: Limits,
        client: Client,
    ) -> Self {
        let base = public_url.filter(|_| websub.enabled).map(|url| format!("{url}/websub/"));
        let wanted = feeds.iter().filter(|feed| base.is_some() && feed.enabled && feed.websub);
        let pushed = |feed: &Arc<FeedConfig>| PushedFeed { config: Arc::clone(feed) };
        let private = |feed: &Arc<FeedConfig>| (feed.id.clone(), feed.allow_private.as_slice().into());
        Self {
            feeds: wanted.map(|feed| (feed.id.clone(), pushed(feed))).collect(),
            private: feeds.iter().map(private).collect(),
            callback_base: base,
            hubs_deny: websub.hubs_deny.clone(),
            client,
            limits,
            wire_bytes_max: polling.wire_bytes_max,
        }
    }

    /// Feeds that are to be pushed if they name a hub.
    #[must_use]
    pub fn wanted(&self) -> HashSet<SourceId> {
        self.feeds.keys().cloned().collect()
    }
}
