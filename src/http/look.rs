//! What an answer is made of: the store, the config as it is now, and the time. Answers are made off the runtime's
//! threads, a few at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::refusal::{AnswerRefusal, RefusalKind};
use crate::clock::Clock;
use crate::config::Config;
use crate::model::Timestamp;
use crate::pipeline::Rules;
use crate::store::Store;

/// Answers made at once; each reads on a connection of its own.
const ANSWERS_MAX: usize = 4;
/// So long a request waits for its turn.
const TURN_WAIT_MAX: Duration = Duration::from_secs(5);

/// Where answers come from; cheap to clone.
#[derive(Clone)]
pub struct ReadSources {
    store: Store,
    config: watch::Receiver<Arc<Config>>,
    rules: watch::Receiver<Arc<Rules>>,
    place: Arc<str>,
    clock: Clock,
    turns: Arc<Semaphore>,
}

/// What one answer is made of.
#[derive(Clone)]
pub(super) struct StoreLook {
    pub store: Store,
    pub config: Arc<Config>,
    /// What it was compiled to.
    pub rules: Arc<Rules>,
    /// Where the config was read from.
    pub place: Arc<str>,
    pub now: Timestamp,
}

impl StoreLook {
    /// Which past a place in a list belongs to: this store's, since it was last restored.
    pub fn lineage(&self) -> String {
        format!("{} {}", self.store.instance(), self.store.epoch())
    }
}

impl ReadSources {
    /// Of a running daemon.
    #[must_use]
    pub fn new(
        store: Store,
        config: watch::Receiver<Arc<Config>>,
        rules: watch::Receiver<Arc<Rules>>,
        place: &str,
        clock: Clock,
    ) -> Self {
        Self { store, config, rules, place: place.into(), clock, turns: Arc::new(Semaphore::new(ANSWERS_MAX)) }
    }

    /// The config as it is now.
    pub(super) fn config(&self) -> Arc<Config> {
        self.config.borrow().clone()
    }

    /// The store, for a stream: it reads few rows at a time, and takes no turn.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Makes an answer when it is its turn.
    pub(super) async fn answer<T: Send + 'static>(
        &self,
        make: impl FnOnce(&StoreLook) -> Result<T, AnswerRefusal> + Send + 'static,
    ) -> Result<T, AnswerRefusal> {
        let turn = tokio::time::timeout(TURN_WAIT_MAX, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(AnswerRefusal::new(RefusalKind::Busy, "others are asking as well; ask again in a moment"));
        };
        let (config, rules) = (self.config.borrow().clone(), self.rules.borrow().clone());
        let (place, now) = (self.place.clone(), self.clock.now());
        self.store
            .blocking(move |store| {
                let look = StoreLook { store: store.clone(), config, rules, place, now };
                let made = make(&look);
                drop(turn);
                made
            })
            .await
    }
}
