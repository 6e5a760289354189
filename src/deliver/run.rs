//! Delivery as a whole: one queue per enabled endpoint, one recorder, and the swap of rules at a
//! reload. Owns no decision: rows come from the store, verdicts from `retry`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::attempt::Shared;
use super::console::Console;
use super::count::DeliveryCounters;
use super::queue::{Queue, QueueError};
use super::record::Recorder;
use super::retry::RetryRules;
use super::summary::{QueueSummary, Until};
use super::waker::DeliveryWaker;
use super::{DeliveryConfig, EndpointConfig, PayloadFormat};
use crate::clock::Clock;
use crate::model::EndpointId;
use crate::pipeline::alert::format::Format;
use crate::store::{Store, StoreError, outbox};
use crate::telemetry::Pulse;

/// How often the queues are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A queue whose loop did not turn for so long hangs; each turns at least every ten seconds.
const QUEUE_STUCK_AFTER: Duration = Duration::from_secs(30);

/// Chat services mean it when they call a payload invalid; but they err as well.
const INVALID_PAYLOAD_ATTEMPTS_MAX: u32 = 3;

/// What a reload swaps.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRules {
    /// The `[delivery]` section.
    pub config: DeliveryConfig,
    /// Every endpoint, enabled or not.
    pub endpoints: Vec<EndpointConfig>,
}

/// Delivery, ready to run.
pub struct Delivery {
    /// Where the outbox is.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// What to deliver to; a new value is a reload.
    pub rules: watch::Receiver<Arc<DeliveryRules>>,
    /// Who says that there is something to do.
    pub waker: DeliveryWaker,
    /// Where `console` endpoints print.
    pub console: Console,
    /// What is counted.
    pub counters: DeliveryCounters,
    /// What this process does of it.
    pub part: DeliveryPart,
}

/// What a process does of delivery, where several share a store.
#[derive(Clone)]
pub enum DeliveryPart {
    /// It decides: what is owed to endpoints that are gone it parks, with the right to decide that this store has. It
    /// sends as well, or others do.
    Decider {
        /// The store of the one that decides.
        store: Store,
        /// Whether it sends.
        sends: bool,
    },
    /// Another process decides, and this one sends beside it; what is for a console is for that of the other.
    Beside,
}

impl DeliveryPart {
    /// That of a process which does everything.
    #[must_use]
    pub fn whole(store: &Store) -> Self {
        Self::Decider { store: store.clone(), sends: true }
    }

    fn is_to_send_to(&self, endpoint: &EndpointConfig) -> bool {
        match self {
            Self::Decider { sends, .. } => *sends,
            Self::Beside => endpoint.format != PayloadFormat::Console,
        }
    }
}

/// Why delivery ended unasked. The process stops in order; nothing that is owed is lost.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No thread for the recorder.
    #[error("start the recorder of deliveries: {0}")]
    Thread(#[from] std::io::Error),
    /// A queue ended without being asked.
    #[error("the queue of endpoint {endpoint} ended unasked: {detail}")]
    Queue {
        /// Whose.
        endpoint: EndpointId,
        /// Why.
        detail: String,
    },
    /// The recorder ended without being asked.
    #[error("the recorder of deliveries ended unasked")]
    Recorder,
}

struct Running {
    endpoint: Arc<EndpointConfig>,
    cancel: CancellationToken,
    pulse: Pulse,
    /// Ends with whoever owns this: a queue left behind would send beside its successor.
    task: AbortOnDropHandle<Result<QueueSummary, QueueError>>,
}

impl Delivery {
    /// Delivers until cancelled, then lets requests in flight finish within five seconds.
    ///
    /// # Errors
    /// [`DeliveryError`] when something ended that should not have: the caller stops the process.
    pub async fn run(mut self, cancel: CancellationToken) -> Result<(), DeliveryError> {
        let rules = self.rules.borrow_and_update().clone();
        let (recorder, mut recorder_end) = Recorder::start(self.store.clone(), cancel.clone())?;
        let mut queues = HashMap::new();
        let outcome = self.supervise(rules, &recorder, &mut recorder_end, &mut queues, &cancel).await;
        stop(queues.into_values().collect()).await;
        drop(recorder);
        match outcome {
            // A queue that ended may only have been the first to notice what the recorder knows.
            Ok(()) | Err(DeliveryError::Queue { .. }) => match recorder_end.await {
                Ok(Ok(())) => outcome,
                end => Err(recorder_ended(end)),
            },
            Err(_) => outcome,
        }
    }

    /// Delivers what is due now, once, and says what came of it; retries that are due later stay owed.
    ///
    /// # Errors
    /// As for [`Delivery::run`].
    pub async fn deliver_due_once(mut self, cancel: CancellationToken) -> Result<QueueSummary, DeliveryError> {
        let rules = self.rules.borrow_and_update().clone();
        self.park_orphans(&rules).await?;
        self.deliver_due(&rules, enabled(&rules), cancel).await
    }

    /// The same for one endpoint, whatever becomes of the others.
    ///
    /// # Errors
    /// As for [`Delivery::run`].
    pub async fn deliver_due_to(
        mut self,
        endpoint: &EndpointId,
        cancel: CancellationToken,
    ) -> Result<QueueSummary, DeliveryError> {
        let rules = self.rules.borrow_and_update().clone();
        let one = enabled(&rules).filter(|candidate| candidate.id == *endpoint);
        self.deliver_due(&rules, one, cancel).await
    }

    async fn deliver_due(
        &self,
        rules: &DeliveryRules,
        endpoints: impl Iterator<Item = &EndpointConfig>,
        cancel: CancellationToken,
    ) -> Result<QueueSummary, DeliveryError> {
        let (recorder, recorder_end) = Recorder::start(self.store.clone(), cancel.clone())?;
        let until = Until::NothingDue(self.clock.now());
        let queues: Vec<Running> = endpoints
            .map(|endpoint| self.start(Arc::new(endpoint.clone()), rules, &recorder, until, &cancel))
            .collect();
        drop(recorder);
        let mut outcome = Ok(QueueSummary::default());
        for queue in queues {
            let summary = queue.task.await.map_err(|error| ended(&queue.endpoint, &error));
            let summary = summary.and_then(|summary| summary.map_err(|error| ended(&queue.endpoint, &error)));
            // Every queue is waited for, even if one failed: what it delivers must be recorded.
            outcome = outcome.and_then(|total| Ok(total.plus(summary?)));
        }
        match recorder_end.await {
            Ok(Ok(())) => outcome,
            end => Err(recorder_ended(end)),
        }
    }

    async fn supervise(
        &mut self,
        mut rules: Arc<DeliveryRules>,
        recorder: &Recorder,
        recorder_end: &mut oneshot::Receiver<Result<(), StoreError>>,
        queues: &mut HashMap<EndpointId, Running>,
        cancel: &CancellationToken,
    ) -> Result<(), DeliveryError> {
        let mut reloads = true;
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.park_orphans(&rules).await?;
            let part = self.part.clone();
            let new = |e: &&EndpointConfig| part.is_to_send_to(e) && !queues.contains_key(&e.id);
            for endpoint in enabled(&rules).filter(new).collect::<Vec<_>>() {
                let queue = self.start(Arc::new(endpoint.clone()), &rules, recorder, Until::Cancelled, cancel);
                queues.insert(endpoint.id.clone(), queue);
            }
            let changed = loop {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => return Ok(()),
                    end = &mut *recorder_end => return Err(recorder_ended(end)),
                    // A queue that ends at the moment it is asked to has done nothing wrong.
                    ended = any_end(queues) => return if cancel.is_cancelled() { Ok(()) } else { Err(ended) },
                    changed = self.rules.changed(), if reloads => break changed.is_ok(),
                    _ = look.tick() => self.beat(queues),
                }
            };
            if !changed {
                reloads = false;
                continue;
            }
            let new = self.rules.borrow_and_update().clone();
            stop(outdated(queues, &rules, &new)).await;
            rules = new;
            info!(endpoints = enabled(&rules).count(), "delivery rules reloaded");
        }
    }

    /// Delivery beats while each of its queues does.
    fn beat(&self, queues: &HashMap<EndpointId, Running>) {
        let now = self.clock.now();
        if queues.values().all(|queue| queue.pulse.age(now) < QUEUE_STUCK_AFTER) {
            self.counters.pulse().beat(now);
        }
    }

    fn start(
        &self,
        endpoint: Arc<EndpointConfig>,
        rules: &DeliveryRules,
        recorder: &Recorder,
        until: Until,
        cancel: &CancellationToken,
    ) -> Running {
        let config = &rules.config;
        let retry = RetryRules {
            schedule: config.schedule.clone(),
            jitter: config.jitter,
            invalid_payload_attempts_max: endpoint.format.is_chat().then_some(INVALID_PAYLOAD_ATTEMPTS_MAX),
        };
        let shared = Shared {
            store: self.store.clone(),
            clock: self.clock.clone(),
            config: Arc::new(config.clone()),
            retry: Arc::new(retry),
            recorder: recorder.clone(),
            counters: self.counters.clone(),
            console: self.console.clone(),
            operations: operations(rules),
            waker: self.waker.clone(),
        };
        let cancel = cancel.child_token();
        let queue = Queue::new(endpoint.clone(), shared, self.waker.subscribe(), until);
        let pulse = queue.pulse();
        let task = AbortOnDropHandle::new(tokio::spawn(queue.run(cancel.clone())));
        Running { endpoint, cancel, pulse, task }
    }

    /// What is owed to endpoints that are gone or switched off is parked with the reason, not dropped.
    async fn park_orphans(&self, rules: &DeliveryRules) -> Result<(), DeliveryError> {
        let DeliveryPart::Decider { store, .. } = &self.part else { return Ok(()) };
        let now = self.clock.now();
        let active: Vec<EndpointId> = enabled(rules).map(|endpoint| endpoint.id.clone()).collect();
        let parked = store.blocking(move |store| {
            store.write("park deliveries without an endpoint", |tx| outbox::park_orphans(tx, &active, now))
        });
        match parked.await {
            Ok(parked) => {
                for (endpoint, deliveries) in parked {
                    warn!(endpoint, deliveries, "deliveries parked, their endpoint is disabled or gone");
                }
                Ok(())
            }
            // They stay pending, and nobody claims them: the next start or reload parks them.
            Err(failure) if failure.is_passing() => {
                warn!(error = %failure, "deliveries without an endpoint not parked yet");
                Ok(())
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

/// Who hears what happens to endpoints.
fn operations(rules: &DeliveryRules) -> Arc<[(EndpointId, Format)]> {
    let chosen = enabled(rules).filter(|endpoint| rules.config.operations.contains(&endpoint.id));
    chosen.map(|endpoint| (endpoint.id.clone(), endpoint.wire_format())).collect()
}

fn enabled(rules: &DeliveryRules) -> impl Iterator<Item = &EndpointConfig> {
    rules.endpoints.iter().filter(|endpoint| endpoint.enabled)
}

/// Takes out the queues whose rules changed; the others run on untouched.
fn outdated(queues: &mut HashMap<EndpointId, Running>, old: &DeliveryRules, new: &DeliveryRules) -> Vec<Running> {
    let same =
        |running: &Running| old.config == new.config && enabled(new).any(|endpoint| *endpoint == *running.endpoint);
    queues.extract_if(|_, running| !same(running)).map(|(_, running)| running).collect()
}

/// Cancels all of them at once and waits: a new queue must not start beside its predecessor, or both
/// would send the same rows.
async fn stop(queues: Vec<Running>) {
    for queue in &queues {
        queue.cancel.cancel();
    }
    for queue in queues {
        match queue.task.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => warn!(endpoint = %queue.endpoint.id, %error, "delivery queue ended with an error"),
            Err(error) => warn!(endpoint = %queue.endpoint.id, %error, "delivery queue ended with an error"),
        }
    }
}

/// Waits until any queue ends, which none should.
async fn any_end(queues: &mut HashMap<EndpointId, Running>) -> DeliveryError {
    let first = std::future::poll_fn(|context| {
        for queue in queues.values_mut() {
            if let std::task::Poll::Ready(end) = std::pin::Pin::new(&mut queue.task).poll(context) {
                let detail = match end {
                    Ok(Ok(_)) => "no reason given".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                return std::task::Poll::Ready((queue.endpoint.id.clone(), detail));
            }
        }
        std::task::Poll::Pending
    });
    let (endpoint, detail) = first.await;
    // Its handle was used up: it must not be waited for again.
    queues.remove(&endpoint);
    DeliveryError::Queue { endpoint, detail }
}

fn recorder_ended(end: Result<Result<(), StoreError>, oneshot::error::RecvError>) -> DeliveryError {
    match end {
        Ok(Err(error)) => DeliveryError::Store(error),
        Ok(Ok(())) | Err(_) => DeliveryError::Recorder,
    }
}

fn ended(endpoint: &EndpointConfig, error: &dyn std::fmt::Display) -> DeliveryError {
    DeliveryError::Queue { endpoint: endpoint.id.clone(), detail: error.to_string() }
}
