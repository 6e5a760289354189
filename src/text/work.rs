//! Work over foreign text, counted: whoever loops over such a text says how far it came, and whoever asked for the
//! work sets how much there may be. Beyond that, or once nobody waits for it any more, the job ends where it
//! stands, however deep. Counts are the same on every machine, so that tests can hold what is linear to it.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much work a job may be.
#[derive(Debug, Clone, Default)]
pub struct WorkBudget {
    /// Steps, about one a byte that is looked at; `None` for as many as it takes.
    pub steps_max: Option<u64>,
    /// Raised when nobody waits for the result any more.
    pub stop: Option<Arc<AtomicBool>>,
}

/// A job was ended before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it took more work than it may")]
pub struct WorkSpent;

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
    static STEPS_MAX: Cell<u64> = const { Cell::new(u64::MAX) };
    static STOP: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// Counts some steps. Ends the job where there have been too many, or nobody waits for it: it unwinds without a
/// word up to [`within`], and does nothing outside of one.
pub fn spend(steps: usize) {
    let spent = STEPS.get().saturating_add(steps as u64);
    STEPS.set(spent);
    if spent > STEPS_MAX.get() || is_stopped() {
        resume_unwind(Box::new(WorkSpent));
    }
}

/// Whether nobody waits for the job that runs here any more: for loops of libraries, which can be ended by an error.
#[must_use]
pub fn is_stopped() -> bool {
    STOP.with_borrow(|stop| stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)))
}

/// Runs a job with a budget; jobs inside it count towards it as well.
///
/// # Errors
/// [`WorkSpent`] when it was ended. Other panics go on up.
pub fn within<T>(budget: WorkBudget, job: impl FnOnce() -> T) -> Result<T, WorkSpent> {
    let before = STEPS_MAX.get();
    let most = budget.steps_max.map_or(u64::MAX, |steps| STEPS.get().saturating_add(steps));
    STEPS_MAX.set(most.min(before));
    let stop_before = budget.stop.map(|stop| STOP.replace(Some(stop)));
    let outcome = catch_unwind(AssertUnwindSafe(job));
    STEPS_MAX.set(before);
    if let Some(stop) = stop_before {
        STOP.set(stop);
    }
    outcome.map_err(|panic| match panic.downcast::<WorkSpent>() {
        // The job around this one has no more left either.
        Ok(spent) if STEPS.get() > before || is_stopped() => resume_unwind(spent),
        Ok(spent) => *spent,
        Err(panic) => resume_unwind(panic),
    })
}

/// What a job gives, and the steps it took.
pub fn counted<T>(job: impl FnOnce() -> T) -> (T, u64) {
    let before = STEPS.get();
    let outcome = job();
    (outcome, STEPS.get() - before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(steps: u64) -> WorkBudget {
        WorkBudget { steps_max: Some(steps), stop: None }
    }

    fn take(steps: u64) {
        (0..steps).for_each(|_| spend(1));
    }

    #[test]
    fn work_beyond_the_budget_ends_where_it_stands() {
        assert_eq!(within(budget(10), || take(10)), Ok(()));
        assert_eq!(within(budget(10), || take(11)), Err(WorkSpent));
        // Inside another: neither may be overrun, and the outer one goes on after the inner one ended.
        assert_eq!(within(budget(5), || within(budget(10), || take(6))), Err(WorkSpent));
        assert_eq!(within(budget(20), || (within(budget(5), || take(6)), take(10)).0), Ok(Err(WorkSpent)));
        assert_eq!(counted(|| take(7)).1, 7);
        take(1000);
    }

    #[test]
    fn work_that_nobody_waits_for_ends_at_its_next_step() {
        let stop = Arc::new(AtomicBool::new(false));
        let steps = Cell::new(0);
        let outcome = within(WorkBudget { steps_max: None, stop: Some(stop.clone()) }, || {
            loop {
                spend(1);
                steps.set(steps.get() + 1);
                stop.store(steps.get() == 3, Ordering::Relaxed);
            }
        });
        assert_eq!((outcome, steps.get()), (Err::<(), _>(WorkSpent), 3));
        assert!(!is_stopped());
    }

    #[test]
    fn work_other_panics_go_on_up() {
        let outcome = catch_unwind(|| within(budget(10), || -> u8 { resume_unwind(Box::new("other")) }));
        assert!(outcome.is_err_and(|panic| panic.is::<&str>()));
    }
}
