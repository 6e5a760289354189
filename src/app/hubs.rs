//! What the subscriptions at hubs are connected to: the store, and the config as it stands.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::warn;

use super::stages::CoreStages;
use crate::config::Config;
use crate::net::Client;
use crate::source::websub::{SubscriptionDesk, SubscriptionKeeper, SubscriptionRules, SubscriptionTask};
use crate::store::{Store, StoreError};

/// What subscriptions go by, from the config. Without a listener nobody could push.
pub(super) fn rules(config: &Config, client: Client) -> SubscriptionRules {
    let public_url = config.http.public_url.as_deref().filter(|_| config.http.listen.is_some());
    SubscriptionRules::new(&config.websub, public_url, &config.feeds, &config.polling, config.limits, client)
}

/// The subscriptions that the store knows: a handle, the task that goes on with them, and where new rules are told.
pub(super) fn open(
    stages: &CoreStages,
    rules: SubscriptionRules,
) -> Result<(SubscriptionDesk, SubscriptionTask, watch::Sender<Arc<SubscriptionRules>>), StoreError> {
    let (told, heard) = watch::channel(Arc::new(rules));
    let known = stages.store.subscriptions()?;
    let keeper = keeper(&stages.store);
    let (desk, task) = SubscriptionDesk::new(known, heard, &stages.to_ingest, keeper, stages.clock.clone());
    Ok((desk, task, told))
}

/// Stores subscriptions, and forgets them.
fn keeper(store: &Store) -> SubscriptionKeeper {
    let store = store.clone();
    Arc::new(move |one, stays| {
        let kept = if stays { store.keep_subscription(one) } else { store.forget_subscription(&one.callback) };
        kept.map_err(|error| warn!(source = %one.source, %error, "subscription at a hub not stored")).is_ok()
    })
}
