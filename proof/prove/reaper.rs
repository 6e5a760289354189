//! The reaper's plan: how and when each start of the program ends, worked out from the seed alone, so a run
//! can be played again.

use super::receiver::KillAt;
use super::truth::Dice;

/// How a start ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// `kill -9`, so long after it was ready.
    Random { after_ms: u64 },
    /// `kill -9` by the receiver, in the middle of the n-th request from now.
    Request { at: KillAt, nth: u64 },
    /// `kill -9` so long after SIGHUP; the config is broken every other time.
    Reload { after_ms: u64, broken: bool },
    /// SIGTERM, so long after it was ready; it must end in order.
    Term { after_ms: u64 },
    /// `kill -9` so long after the start, ready or not.
    Start { after_ms: u64 },
}

impl Death {
    /// Of life n of a run.
    pub fn plan(seed: u64, life: u64) -> Self {
        let mut dice = Dice::new(seed, "death", life);
        // The first five are one of each: a short run must not miss a kind.
        let drawn = dice.below(100);
        match [30, 70, 80, 90, 97].get(life as usize).copied().unwrap_or(drawn) {
            0..60 => Self::Random { after_ms: dice.below(1500) },
            60..75 => {
                // Most after the answer: that is the moment which makes duplicates.
                let at = match dice.below(10) {
                    0..2 => KillAt::Read,
                    2..5 => KillAt::Noted,
                    _ => KillAt::Answered,
                };
                Self::Request { at, nth: dice.below(6) }
            }
            75..85 => Self::Reload { after_ms: dice.below(80), broken: dice.percent(50) },
            85..95 => Self::Term { after_ms: dice.below(1500) },
            _ => Self::Start { after_ms: dice.below(300) },
        }
    }

    /// The name it is counted under.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random { .. } => "kill -9 at random",
            Self::Request { .. } => "kill -9 in a request",
            Self::Reload { .. } => "kill -9 in a reload",
            Self::Term { .. } => "SIGTERM",
            Self::Start { .. } => "kill -9 while starting",
        }
    }
}
