//! Who may do what: `guard` looks at every request, `sessions` remembers who logged in, `throttle` slows down who
//! guesses, `login` is the way in and out.

pub(super) mod guard;
#[cfg(test)]
mod guard_tests;
pub(super) mod login;
pub(super) mod sessions;
pub(super) mod throttle;

use std::sync::Arc;

use tokio::sync::Semaphore;

use sessions::SessionTable;
use throttle::LoginThrottle;

use super::trial::TrialDesk;

/// What is remembered of who asks; cheap to clone.
#[derive(Clone)]
pub(super) struct AccessDesk {
    pub sessions: Arc<SessionTable>,
    pub throttle: Arc<LoginThrottle>,
    /// Passwords are tried one at a time: each costs a good part of a second of a core.
    pub trying: Arc<Semaphore>,
    pub trials: TrialDesk,
}

impl AccessDesk {
    pub fn new() -> Self {
        Self {
            sessions: Arc::new(SessionTable::default()),
            throttle: Arc::new(LoginThrottle::default()),
            trying: Arc::new(Semaphore::new(1)),
            trials: TrialDesk::default(),
        }
    }
}
