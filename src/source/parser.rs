//! Where foreign documents are parsed: OS threads with a large stack, so that deep nesting costs an
//! error and not the process, with panics caught and a time budget. A job over its budget is stopped at the next
//! step that it counts (`text::work`); until then its thread is replaced, and only a few such threads are allowed at a time.
//! It knows nothing of documents; `feed::parse` and `seed` bring the jobs.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Once, Weak};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::quarantine::Quarantine;
use crate::model::RejectReason;
use crate::niceness;
use crate::text::work::{self, WorkBudget};

/// Stack of a parser thread. Committed page by page as it is touched, so idle threads cost next to
/// nothing. feed-rs overflows 2 MiB at 913 nested `<media:group>`.
const STACK_BYTES: usize = 64 << 20;

/// Jobs given up on that may still be running; beyond it, a slot stays taken until its job ends.
const ABANDONED_MAX: usize = 4;

/// Does the work and gives what is left to do: telling the result, once the thread can be found idle.
type Job = Box<dyn FnOnce() -> Telling + Send>;

type Telling = Box<dyn FnOnce() + Send>;

/// A handle to the parser threads; clones share them. They end when the last handle is gone.
#[derive(Clone)]
pub struct Parser {
    shared: Arc<ParserQueue>,
    quarantine: Quarantine,
}

struct ParserQueue {
    threads: usize,
    slots: Arc<Semaphore>,
    /// Jobs that take long have half of the slots at most.
    heavy: Semaphore,
    abandoned: Arc<Semaphore>,
    idle: Mutex<Vec<SyncSender<Job>>>,
}

/// What a running job holds on to; taken away from it when it is given up on.
type Slot = Arc<Mutex<Option<OwnedSemaphorePermit>>>;

/// Tells a job that nobody waits for it any more; one that is done does not hear it.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Parser {
    /// Up to so many jobs at a time (at least one). Threads are started when first needed.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let threads = threads.clamp(1, 256);
        let shared = ParserQueue {
            threads,
            slots: Arc::new(Semaphore::new(threads)),
            heavy: Semaphore::new((threads / 2).max(1)),
            abandoned: Arc::new(Semaphore::new(ABANDONED_MAX)),
            idle: Mutex::new(Vec::new()),
        };
        Self { shared: Arc::new(shared), quarantine: Quarantine::default() }
    }

    /// Marks what it reads, so that a document that ends the process is known by the next start.
    #[must_use]
    pub fn marking(mut self, quarantine: Quarantine) -> Self {
        self.quarantine = quarantine;
        self
    }

    /// Where documents in hand are marked.
    #[must_use]
    pub fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }

    /// Runs a job that is likely to take long: only so many at a time that others find a thread.
    ///
    /// # Errors
    /// As [`Parser::run`].
    pub async fn run_heavy<T: Send + 'static>(
        &self,
        budget: Duration,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RejectReason> {
        let _turn = self.shared.heavy.acquire().await.expect("invariant: the semaphore is never closed");
        self.run(budget, job).await
    }

    /// Runs a job on a parser thread; the budget starts once a thread is free.
    ///
    /// # Errors
    /// [`RejectReason::TimedOut`] when the job took longer than its budget (it ends at its next counted step),
    /// [`RejectReason::ParserPanic`] when it panicked or no thread could be started.
    pub async fn run<T: Send + 'static>(
        &self,
        budget: Duration,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RejectReason> {
        let slots = Arc::clone(&self.shared.slots);
        let permit = slots.acquire_owned().await.expect("invariant: the semaphore is never closed");
        // The permit travels with the job: a caller that goes away does not free a thread that is busy.
        let slot: Slot = Arc::new(Mutex::new(Some(permit)));
        let (answer, mut answered) = oneshot::channel();
        let held = Arc::clone(&slot);
        let stop = Arc::new(AtomicBool::new(false));
        let ends = WorkBudget { steps_max: None, stop: Some(Arc::clone(&stop)) };
        // Whoever goes away does not wait for it either.
        let _stop = StopOnDrop(stop);
        self.start(Box::new(move || {
            let outcome = quietly(|| work::within(ends, job)).and_then(|done| done.map_err(|_| RejectReason::TimedOut));
            Box::new(move || {
                drop(held.lock().take());
                // Nobody waits for a job that was given up on.
                drop(answer.send(outcome));
            })
        }))?;
        match tokio::time::timeout(budget, &mut answered).await {
            Ok(outcome) => outcome.unwrap_or(Err(RejectReason::ParserPanic)),
            Err(_elapsed) => match answered.try_recv() {
                Ok(outcome) => outcome,
                Err(_not_yet) => {
                    self.abandon(&slot);
                    Err(RejectReason::TimedOut)
                }
            },
        }
    }

    /// Lets another job have the slot, as long as few enough jobs are running on unattended: the
    /// job then holds one of the places for those instead.
    fn abandon(&self, slot: &Slot) {
        let mut held = slot.lock();
        if held.is_some()
            && let Ok(place) = Arc::clone(&self.shared.abandoned).try_acquire_owned()
        {
            *held = Some(place);
        }
    }

    fn start(&self, mut job: Job) -> Result<(), RejectReason> {
        loop {
            let idle = self.shared.idle.lock().pop();
            let Some(worker) = idle else { break };
            match worker.send(job) {
                Ok(()) => return Ok(()),
                Err(returned) => job = returned.0,
            }
        }
        let shared = Arc::downgrade(&self.shared);
        thread::Builder::new()
            .name("parser".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                niceness::yield_by(niceness::BEFORE_INGEST);
                work(job, &shared);
            })
            .map(drop)
            .map_err(|_| RejectReason::ParserPanic)
    }
}

/// The life of one thread: its first job, then whatever comes, until there is one idle thread per
/// slot already or the last handle is gone. It counts as idle before it tells a result, so that whoever
/// heard that finds it, and no second thread is started for the next job.
fn work(first: Job, shared: &Weak<ParserQueue>) {
    let mut job = first;
    loop {
        let tell = job();
        let next = stand_by(shared);
        tell();
        let Some(Ok(following)) = next.map(|jobs| jobs.recv()) else { return };
        job = following;
    }
}

/// Where the next job comes from; `None` where no further thread is needed.
fn stand_by(shared: &Weak<ParserQueue>) -> Option<Receiver<Job>> {
    let shared = shared.upgrade()?;
    let mut idle = shared.idle.lock();
    if idle.len() >= shared.threads {
        return None;
    }
    // One place, so that a job can be left there before the result before it was told.
    let (sender, jobs) = sync_channel::<Job>(1);
    idle.push(sender);
    Some(jobs)
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a job that reads untrusted input and may panic over it. The panic's message, which can quote
/// that input, is not printed; panics of other threads are reported as before.
///
/// # Errors
/// [`RejectReason::ParserPanic`] when the job panicked.
pub fn quietly<T>(job: impl FnOnce() -> T) -> Result<T, RejectReason> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                report(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(job));
    QUIET.set(before);
    // The payload can be dropped only after the flag is back: its destructor is foreign code too.
    outcome.map_err(|_payload| RejectReason::ParserPanic)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn run_returns_what_the_job_returns_and_reuses_the_thread() {
        let parser = Parser::new(1);
        let first = parser.run(LONG, || thread::current().id()).await;
        assert!(first.is_ok());
        for _ in 0..100 {
            assert_eq!(parser.run(LONG, || thread::current().id()).await, first);
        }
    }

    #[tokio::test]
    async fn run_yields_to_the_thread_that_all_wait_for() {
        let niceness = || rustix::process::getpriority_process(None).expect("known");
        let theirs = Parser::new(1).run(LONG, niceness).await;
        assert_eq!(theirs, Ok((niceness() + niceness::BEFORE_INGEST).min(19)));
    }

    #[tokio::test]
    async fn run_panicking_job_costs_one_job() {
        let parser = Parser::new(1);
        let outcome = parser.run(LONG, || -> u8 { panic!("\u{1b}[31m forged") }).await;
        assert_eq!(outcome, Err(RejectReason::ParserPanic));
        assert_eq!(parser.run(LONG, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn run_deep_recursion_fits_the_stack() {
        fn deep(levels: u32) -> u64 {
            let ballast = std::hint::black_box([u64::from(levels); 64]);
            if levels == 0 { 0 } else { deep(levels - 1) + u64::from(ballast[7] > 0) }
        }
        assert_eq!(Parser::new(1).run(LONG, || deep(20_000)).await, Ok(20_000));
    }

    #[tokio::test]
    async fn run_over_budget_gives_up_and_goes_on_with_another_thread() {
        let parser = Parser::new(1);
        let (release, wait) = sync_channel::<()>(0);
        let stuck = parser.run(Duration::ZERO, move || wait.recv().is_ok()).await;
        assert_eq!(stuck, Err(RejectReason::TimedOut));
        assert_eq!(parser.run(LONG, || 1).await, Ok(1));
        drop(release);
    }

    #[tokio::test]
    async fn run_over_budget_is_stopped_at_its_next_step() {
        let parser = Parser::new(1);
        let (ended, ends) = sync_channel::<()>(1);
        // Endless but for being stopped: what it holds is given back only when it ends.
        let endless = parser.run(Duration::from_millis(20), move || {
            let _ended = ended;
            loop {
                work::spend(1);
            }
        });
        assert_eq!(endless.await, Err(RejectReason::TimedOut));
        let ended = tokio::task::spawn_blocking(move || ends.recv_timeout(LONG)).await.expect("waited");
        assert_eq!(ended, Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
        // Its place comes back a moment later.
        let places = u32::try_from(ABANDONED_MAX).expect("a few");
        assert!(parser.shared.abandoned.acquire_many(places).await.is_ok());
    }

    #[tokio::test]
    async fn run_heavy_jobs_leave_threads_to_the_others() {
        let parser = Parser::new(2);
        let (release, wait) = sync_channel::<()>(0);
        let (started, begun) = oneshot::channel();
        let heavy = tokio::spawn({
            let parser = parser.clone();
            async move {
                let job = move || {
                    started.send(()).expect("somebody waits");
                    wait.recv().is_ok()
                };
                parser.run_heavy(LONG, job).await
            }
        });
        begun.await.expect("it runs");
        let second = tokio::time::timeout(Duration::from_millis(50), parser.run_heavy(LONG, || 1)).await;
        assert!(second.is_err(), "one of two threads is for them");
        assert_eq!(parser.run(LONG, || 2).await, Ok(2));
        drop(release);
        assert_eq!(heavy.await.expect("ended"), Ok(false));
        assert_eq!(parser.run_heavy(LONG, || 3).await, Ok(3));
    }

    #[tokio::test]
    async fn run_abandoned_jobs_are_bounded_and_recover() {
        let parser = Parser::new(1);
        let mut stuck = Vec::new();
        for _ in 0..=ABANDONED_MAX {
            let (release, wait) = sync_channel::<()>(0);
            let outcome = parser.run(Duration::ZERO, move || wait.recv().is_ok()).await;
            assert_eq!(outcome, Err(RejectReason::TimedOut));
            stuck.push(release);
        }
        // All places are taken and the one slot too: the next job waits for a place.
        let waiting = tokio::time::timeout(Duration::ZERO, parser.run(LONG, || 1)).await;
        assert!(waiting.is_err());
        stuck.clear();
        assert_eq!(parser.run(LONG, || 1).await, Ok(1));
    }

    #[tokio::test]
    async fn run_caller_gone_leaves_the_slot_with_the_job() {
        let parser = Parser::new(1);
        let (release, wait) = sync_channel::<()>(0);
        let caller = tokio::time::timeout(Duration::ZERO, parser.run(LONG, move || wait.recv().is_ok())).await;
        assert!(caller.is_err());
        assert_eq!(parser.shared.slots.available_permits(), 0);
        drop(release);
        assert_eq!(parser.run(LONG, || 1).await, Ok(1));
    }
}
