//! The way in for what hubs say. The process that has the subscriptions takes it in hand; any other one looks them up in the
//! store, refuses what nobody asked for and what is not signed, and passes the rest on: so nobody without the secret fills
//! what waits there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::content::{FeedHint, HubAnswer, HubIntake, HubPush};
use super::counters::{HubCounters, HubDrop};
use super::desk::{HubVerification, expected};
use super::rate::PushRates;
use super::signature::{PushBelief, believe};
use crate::clock::Clock;
use crate::model::{Subscription, SubscriptionState};

/// How many pushes were dropped is passed on so often.
const DROPS_EVERY: Duration = Duration::from_secs(30);

/// What is for the process that has the subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayedHubRequest {
    /// A hub asks whether it was us.
    Verify(HubVerification),
    /// A hub has pushed something, and signed it.
    Push(HubPush),
    /// So many pushes were dropped, which nobody waits to hear of.
    Dropped(u64),
}

/// The store cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreUnreachable;

/// Looks a subscription up by its callback.
pub type SubscriptionLookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<Option<Subscription>, StoreUnreachable>> + Send + Sync>;

/// Passes on what concerns a callback, and gives the answer.
pub type HubRelay = Arc<dyn Fn(String, RelayedHubRequest) -> BoxFuture<'static, HubAnswer> + Send + Sync>;

/// The way in, cheap to clone.
#[derive(Clone)]
pub enum HubEntrance {
    /// This process has the subscriptions.
    Here(HubIntake),
    /// Another one has them.
    Elsewhere(HubForwarding),
}

impl HubEntrance {
    /// A hub asks whether it was us.
    pub async fn verify(&self, callback: &str, asked: HubVerification) -> HubAnswer {
        match self {
            Self::Here(intake) => intake.verify(callback, asked).await,
            Self::Elsewhere(forwarding) => forwarding.verify(callback, asked).await,
        }
    }

    /// The subscription of a callback, to which a push may come now; that is counted.
    ///
    /// # Errors
    /// [`HubAnswer`] where none is taken.
    pub async fn admit(&self, callback: &str) -> Result<Subscription, HubAnswer> {
        match self {
            Self::Here(intake) => intake.admit(callback).await,
            Self::Elsewhere(forwarding) => forwarding.admit(callback).await,
        }
    }

    /// How many bytes a push may have.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        match self {
            Self::Here(intake) => intake.bytes_max(),
            Self::Elsewhere(forwarding) => forwarding.bytes_max,
        }
    }

    /// A push has more.
    pub async fn drop_too_large(&self, known: &Subscription) {
        match self {
            Self::Here(intake) => intake.drop_push(known, HubDrop::TooLarge).await,
            Self::Elsewhere(forwarding) => forwarding.drop_push(known, HubDrop::TooLarge),
        }
    }

    /// Takes what was pushed.
    pub async fn take(&self, known: &Subscription, push: HubPush) -> HubAnswer {
        match self {
            Self::Here(intake) => intake.take(known, push).await,
            Self::Elsewhere(forwarding) => forwarding.take(known, push).await,
        }
    }
}

/// What hubs say to a process that does not have the subscriptions; cheap to clone.
#[derive(Clone)]
pub struct HubForwarding {
    lookup: SubscriptionLookup,
    relay: HubRelay,
    hint: FeedHint,
    clock: Clock,
    bytes_max: usize,
    rates: PushRates,
    counters: Arc<HubCounters>,
    /// Pushes that were dropped and are not passed on yet, by callback.
    dropped: Arc<Mutex<HashMap<String, u64>>>,
}

impl HubForwarding {
    /// `bytes_max`: of one push.
    #[must_use]
    pub fn new(lookup: SubscriptionLookup, relay: HubRelay, hint: FeedHint, clock: Clock, bytes_max: usize) -> Self {
        let (rates, counters, dropped) = (PushRates::default(), Arc::default(), Arc::default());
        Self { lookup, relay, hint, clock, bytes_max, rates, counters, dropped }
    }

    /// What this process did not pass on.
    #[must_use]
    pub fn counters(&self) -> &Arc<HubCounters> {
        &self.counters
    }

    async fn verify(&self, callback: &str, asked: HubVerification) -> HubAnswer {
        let known = match (self.lookup)(callback.to_owned()).await {
            Ok(known) => known,
            Err(StoreUnreachable) => return HubAnswer::Later,
        };
        // A hub hears of a subscription when that is stored, so what is not there was not asked for.
        if known.is_none_or(|known| expected(&known, &asked).is_none()) {
            return HubAnswer::Unknown;
        }
        if let Err(seconds) = self.rates.count(callback, self.clock.now()) {
            return HubAnswer::TooMany(seconds);
        }
        (self.relay)(callback.to_owned(), RelayedHubRequest::Verify(asked)).await
    }

    async fn admit(&self, callback: &str) -> Result<Subscription, HubAnswer> {
        let known = (self.lookup)(callback.to_owned()).await.map_err(|StoreUnreachable| HubAnswer::Later)?;
        let known = known.filter(|known| known.state != SubscriptionState::Leaving).ok_or(HubAnswer::Gone)?;
        if let Err(seconds) = self.rates.count(callback, self.clock.now()) {
            self.drop_push(&known, HubDrop::Rate);
            return Err(HubAnswer::TooMany(seconds));
        }
        Ok(known)
    }

    async fn take(&self, known: &Subscription, push: HubPush) -> HubAnswer {
        match believe(known.secret.as_ref(), push.signature.as_deref(), &push.body) {
            PushBelief::Signed { .. } => (self.relay)(known.callback.clone(), RelayedHubRequest::Push(push)).await,
            PushBelief::Not { dropped, is_hint } => {
                if let Some(why) = dropped {
                    self.drop_push(known, why);
                }
                if is_hint {
                    (self.hint)(known.source.clone(), true);
                }
                HubAnswer::Noted
            }
        }
    }

    /// Counted here at once, and at its subscription with the next word of that.
    fn drop_push(&self, known: &Subscription, why: HubDrop) {
        self.counters.dropped(why);
        let mut dropped = self.dropped.lock();
        let is_first = dropped.is_empty();
        *dropped.entry(known.callback.clone()).or_default() += 1;
        drop(dropped);
        if is_first {
            let (waiting, relay, clock) = (self.dropped.clone(), self.relay.clone(), self.clock.clone());
            let at = clock.now().plus(DROPS_EVERY);
            tokio::spawn(async move {
                clock.sleep_until(at).await;
                let dropped = std::mem::take(&mut *waiting.lock());
                for (callback, pushes) in dropped {
                    relay(callback, RelayedHubRequest::Dropped(pushes)).await;
                }
            });
        }
    }
}
