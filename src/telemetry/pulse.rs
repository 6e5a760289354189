//! Whether a loop still turns: a heartbeat that costs one atomic store. The watchdog reads it; a loop that
//! waits for work with nothing in hand rests and counts as alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::model::Timestamp;

/// A loop that rests: no time can be older than it should.
const RESTS: i64 = i64::MAX;

/// The heartbeat of one loop; a cheap handle.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<AtomicI64>);

impl Default for Pulse {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(RESTS)))
    }
}

impl Pulse {
    /// The loop turned.
    pub fn beat(&self, now: Timestamp) {
        self.0.store(now.millis(), Ordering::Relaxed);
    }

    /// The loop waits for work and may do so for ever.
    pub fn rest(&self) {
        self.0.store(RESTS, Ordering::Relaxed);
    }

    /// How long ago it last turned; zero while it rests.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        now.since(Timestamp::from_millis(self.0.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulse_grows_old_only_between_a_beat_and_a_rest() {
        let pulse = Pulse::default();
        let at = Timestamp::from_seconds;
        assert_eq!(pulse.age(at(1_000)), Duration::ZERO);
        pulse.beat(at(1_000));
        assert_eq!(pulse.age(at(1_090)), Duration::from_secs(90));
        assert_eq!(pulse.age(at(900)), Duration::ZERO, "a clock set back is not a stuck loop");
        pulse.rest();
        assert_eq!(pulse.age(at(9_000)), Duration::ZERO);
    }
}
