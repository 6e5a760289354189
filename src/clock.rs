//! The only reader of the wall clock. Pure code takes `now`; tasks ask a [`Clock`], which tests move
//! by hand. Durations of IO are tokio's business, so a paused runtime works too.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::model::Timestamp;

/// A cheap handle to the time.
#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    System,
    /// The system's, set right by how many milliseconds it was last heard to be ahead of the one that counts.
    Corrected(Arc<AtomicI64>),
    Manual(Arc<Manual>),
}

struct Manual {
    now: Mutex<Timestamp>,
    moved: Notify,
}

/// A correction that differs by less from the one before is none: what is heard on the way varies by that much.
const CORRECTION_MS_MIN: u64 = 1_000;
/// Longest single sleep: a suspended machine or a stepped clock is noticed within this.
const SLEEP_MAX: Duration = Duration::from_secs(30);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// The system's clock, which goes by another one as soon as it is heard how far it is off ([`Clock::correct`]).
    #[must_use]
    pub fn correctable(&self) -> Self {
        match &self.0 {
            Kind::System => Self(Kind::Corrected(Arc::default())),
            Kind::Corrected(_) | Kind::Manual(_) => self.clone(),
        }
    }

    /// The same without its correction.
    #[must_use]
    pub fn uncorrected(&self) -> Self {
        match &self.0 {
            Kind::Corrected(_) => Self(Kind::System),
            Kind::System | Kind::Manual(_) => self.clone(),
        }
    }

    /// Sets every handle of a correctable clock right: the system's is so many milliseconds ahead.
    pub fn correct(&self, ahead_ms: i64) {
        if let Kind::Corrected(ahead) = &self.0
            && ahead_ms.abs_diff(ahead.load(Ordering::Relaxed)) >= CORRECTION_MS_MIN
        {
            ahead.store(ahead_ms, Ordering::Relaxed);
        }
    }

    /// A clock that stands still until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual(Arc::new(Manual { now: Mutex::new(start), moved: Notify::new() })))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System => system_now(),
            Kind::Corrected(ahead) => {
                Timestamp::from_millis(system_now().millis().saturating_sub(ahead.load(Ordering::Relaxed)))
            }
            Kind::Manual(manual) => *manual.now.lock(),
        }
    }

    /// Moves a manual clock and wakes whoever sleeps on it; a system clock stays as it is.
    pub fn advance(&self, span: Duration) {
        if let Kind::Manual(manual) = &self.0 {
            let mut now = manual.now.lock();
            *now = now.plus(span);
            drop(now);
            manual.moved.notify_waiters();
        }
    }

    /// Sets a manual clock, back as well, and wakes whoever sleeps on it; a system clock stays as it is.
    pub fn set(&self, to: Timestamp) {
        if let Kind::Manual(manual) = &self.0 {
            *manual.now.lock() = to;
            manual.moved.notify_waiters();
        }
    }

    /// Returns once the time is `until` or later, or when the clock was set back: whoever sleeps then has
    /// to look again how long, or would sleep for as long as the clock was moved.
    pub async fn sleep_until(&self, until: Timestamp) {
        let mut latest = self.now();
        loop {
            let now = self.now();
            if now >= until || now < latest {
                return;
            }
            latest = now;
            match &self.0 {
                Kind::System | Kind::Corrected(_) => {
                    tokio::time::sleep(until.since(now).min(SLEEP_MAX)).await;
                }
                Kind::Manual(manual) => {
                    let moved = manual.moved.notified();
                    tokio::pin!(moved);
                    // Registered before the look at the time, or a move in between would be missed.
                    moved.as_mut().enable();
                    if self.now() == now {
                        moved.await;
                    }
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn system_now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn manual_clock_wakes_sleepers_when_moved_far_enough() {
        let clock = Clock::manual(Timestamp::from_seconds(100));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(Timestamp::from_seconds(160)).await;
                clock.now()
            }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        assert_eq!(sleeper.await.ok(), Some(Timestamp::from_seconds(160)));
    }

    #[test]
    fn clock_that_is_corrected_goes_by_the_other_one_and_its_uncorrected_self_does_not() {
        let clock = Clock::system().correctable();
        let (handle, raw) = (clock.clone(), clock.uncorrected());
        let hours = |clock: &Clock| raw.now().since(clock.now()).as_secs() / 3600;
        clock.correct(999);
        assert!(raw.now().since(handle.now()) < Duration::from_millis(900), "less than a second is left alone");
        clock.correct(3 * 3_600_000 + 500);
        assert_eq!((hours(&handle), hours(&raw)), (3, 0));
        let still = Clock::manual(Timestamp::from_seconds(100)).correctable();
        still.correct(50_000);
        assert_eq!(still.now(), Timestamp::from_seconds(100));
    }

    #[tokio::test]
    async fn manual_clock_set_back_wakes_sleepers_to_look_again() {
        let clock = Clock::manual(Timestamp::from_seconds(100));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(Timestamp::from_seconds(160)).await }
        });
        tokio::task::yield_now().await;
        clock.set(Timestamp::from_seconds(50));
        assert!(sleeper.await.is_ok());
    }
}
