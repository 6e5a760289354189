//! What the subscriptions at hubs are connected to: the store, and the config as it stands.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::warn;

use super::stages::CoreStages;
use crate::config::Config;
use crate::net::Client;
use crate::source::feed::polling::rules::PollRulesSlot;
use crate::source::websub::{FeedHint, SubscriptionDesk, SubscriptionKeeper, SubscriptionRules, SubscriptionTask};
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
    #[cfg(feature = "postgres")]
    if !stages.store.is_file() {
        stages.store.note_covers()?;
    }
    let keeper = keeper(&stages.store);
    let (desk, task) = SubscriptionDesk::new(known, heard, &stages.to_ingest, keeper, stages.clock.clone());
    Ok((desk, task, told))
}

/// Tells the poller of this process what hubs say of feeds; and those of others where a feed is to be polled. That one was
/// pushed the others hear with what stores it. `mark`: by what this process is known as one that polls.
pub(super) fn hint(store: &Store, polling: PollRulesSlot, mark: Option<String>) -> FeedHint {
    #[cfg(feature = "postgres")]
    if let Some(mark) = mark {
        let store = store.clone();
        return Arc::new(move |source, polled| {
            polling.hint(source.clone(), polled);
            if polled {
                let (store, mark) = (store.clone(), mark.clone());
                tokio::spawn(async move {
                    let hinted = store.blocking(move |store| store.hint_feed(&source, &mark)).await;
                    // The feed is polled at its time.
                    hinted.unwrap_or_else(|error| warn!(%error, "what a hub says of a feed is not passed on"));
                });
            }
        });
    }
    #[cfg(not(feature = "postgres"))]
    let _ = (store, mark);
    Arc::new(move |source, polled| polling.hint(source, polled))
}

/// Stores subscriptions, and forgets them.
fn keeper(store: &Store) -> SubscriptionKeeper {
    let store = store.clone();
    Arc::new(move |one, stays| {
        let kept = if stays { store.keep_subscription(one) } else { store.forget_subscription(&one.callback) };
        kept.map_err(|error| warn!(source = %one.source, %error, "subscription at a hub not stored")).is_ok()
    })
}
