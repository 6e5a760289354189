//! What an answer is made of: the store, the config as it is now, and the time. Answers are made off the runtime's
//! threads, a few at once; those that only keep a page live one after the other, on a thread that yields to all else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::refusal::{AnswerRefusal, RefusalKind};
use crate::clock::Clock;
use crate::config::Config;
use crate::model::Timestamp;
use crate::niceness;
use crate::pipeline::Rules;
use crate::store::Store;

/// Answers made at once; each reads on a connection of its own.
const ANSWERS_MAX: usize = 4;
/// So long a request waits for its turn.
const TURN_WAIT_MAX: Duration = Duration::from_secs(5);

/// How much further than the process the thread behind yields: where it and another want a processor, it gets a tenth.
const BEHIND_NICE: i32 = 10;

type BehindJob = Box<dyn FnOnce() + Send>;

/// The thread for what nobody waits for at the hand: one job after the other, when nothing else wants the processor. It
/// starts with the first job and ends with the last handle.
#[derive(Clone, Default)]
struct ThreadBehind(Arc<Mutex<Option<SyncSender<BehindJob>>>>);

impl ThreadBehind {
    /// Runs a job there; `None` when it panicked, or there is no thread to be had.
    async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (tell, told) = oneshot::channel();
        // Whoever waited may have gone.
        self.send(Box::new(move || drop(tell.send(job()))))?;
        told.await.ok()
    }

    fn send(&self, job: BehindJob) -> Option<()> {
        let mut jobs = self.0.lock();
        if let Some(jobs) = &*jobs {
            return jobs.send(job).ok();
        }
        let (sender, waiting) = sync_channel::<BehindJob>(1);
        let thread = std::thread::Builder::new().name("page".to_owned());
        let started = thread.spawn(move || {
            niceness::yield_by(BEHIND_NICE);
            for job in waiting {
                // A panic was reported, and costs the one who waits for this job.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        });
        started.ok()?;
        sender.send(job).ok()?;
        *jobs = Some(sender);
        Some(())
    }
}

/// Where answers come from; cheap to clone.
#[derive(Clone)]
pub struct ReadSources {
    store: Store,
    config: watch::Receiver<Arc<Config>>,
    rules: watch::Receiver<Arc<Rules>>,
    place: Arc<str>,
    clock: Clock,
    turns: Arc<Semaphore>,
    behind: ThreadBehind,
    turn_behind: Arc<Semaphore>,
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
        let [turns, turn_behind] = [ANSWERS_MAX, 1].map(|most| Arc::new(Semaphore::new(most)));
        Self { store, config, rules, place: place.into(), clock, turns, behind: ThreadBehind::default(), turn_behind }
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
        let turn = turn_of(&self.turns).await?;
        let looking = self.looking();
        self.store
            .blocking(move |store| {
                let made = make(&looking(store));
                drop(turn);
                made
            })
            .await
    }

    /// Makes an answer for what is shown already and only kept live: it holds up nothing else.
    pub(super) async fn answer_behind<T: Send + 'static>(
        &self,
        make: impl FnOnce(&StoreLook) -> Result<T, AnswerRefusal> + Send + 'static,
    ) -> Result<T, AnswerRefusal> {
        let turn = turn_of(&self.turn_behind).await?;
        let (looking, store) = (self.looking(), self.store.clone());
        let made = self.behind.run(move || {
            let made = make(&looking(&store));
            drop(turn);
            made
        });
        let failed = || AnswerRefusal::new(RefusalKind::StoreFailed, "the answer could not be made");
        made.await.unwrap_or_else(|| Err(failed()))
    }

    /// What an answer is made of when it is made.
    fn looking(&self) -> impl FnOnce(&Store) -> StoreLook + Send + 'static {
        let (config, rules) = (self.config.clone(), self.rules.clone());
        let (place, clock) = (self.place.clone(), self.clock.clone());
        move |store| {
            let (config, rules) = (config.borrow().clone(), rules.borrow().clone());
            StoreLook { store: store.clone(), config, rules, place, now: clock.now() }
        }
    }
}

/// A turn, once others are done.
async fn turn_of(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, AnswerRefusal> {
    let busy = || AnswerRefusal::new(RefusalKind::Busy, "others are asking as well; ask again in a moment");
    let turn = tokio::time::timeout(TURN_WAIT_MAX, turns.clone().acquire_owned()).await;
    turn.map_err(|_late| busy())?.map_err(|_closed| busy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn thread_behind_does_one_after_the_other_and_outlives_a_panic() {
        let behind = ThreadBehind::default();
        let name = || std::thread::current().name().map(str::to_owned);
        assert_eq!(behind.run(name).await.flatten().as_deref(), Some("page"));
        assert_eq!(behind.run(|| -> u8 { panic!("planted") }).await, None);
        let id = || std::thread::current().id();
        let first = behind.run(id).await.expect("it is there again");
        assert_eq!(behind.run(id).await, Some(first), "one thread");
    }

    #[tokio::test]
    async fn thread_behind_yields_to_others() {
        let own = rustix::process::getpriority_process(None).expect("known");
        let behind = ThreadBehind::default();
        let theirs = behind.run(|| rustix::process::getpriority_process(None)).await.expect("it is there");
        assert_eq!(theirs, Ok((own + BEHIND_NICE).min(19)));
    }
}
