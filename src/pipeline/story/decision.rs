//! Signals to the decision whether an item belongs to a story: a small learned model per pair of
//! items, then the story as a whole. See docs/development/stories.md for the data, the cross-validation and what
//! each signal adds.

use super::model::SHIPPED;
use super::signals::{SIGNALS, VIEWS};

/// Units of the pair model.
pub const UNITS: usize = 32;
/// Part of the nearest member in a story's score; the rest is the mean over its members, so that
/// one bridge between two stories does not make them one.
const NEAREST_SHARE: f32 = 0.3;
/// Log-odds that a story asks for beyond the threshold with every e-fold of items over so many.
const MASS: f32 = 0.4;
const MEMBERS_FREE: f32 = 4.0;

/// Two items to the log-odds that they report one event: a mean of small networks over scaled signals,
/// with the thresholds it was measured with.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Log-odds from which an item joins a story.
    pub join: f32,
    /// Mean log-odds over pairs of members from which two stories are one.
    pub merge: f32,
    /// Mean of each signal over the training pairs.
    pub mean: [f32; SIGNALS],
    /// One over its standard deviation; 0 leaves a signal out.
    pub scale: [f32; SIGNALS],
    /// Weights from each signal to each unit.
    pub hidden: [[f32; UNITS]; SIGNALS],
    /// Bias per unit.
    pub hidden_bias: [f32; UNITS],
    /// Output weight per unit.
    pub out: [f32; UNITS],
    /// Output bias.
    pub out_bias: f32,
}

impl Model {
    /// What decides in the daemon.
    #[must_use]
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// Log-odds that two items report one event.
    #[must_use]
    pub fn pair(&self, signals: &[f32; SIGNALS]) -> f32 {
        // Signal by signal over all units: lanes that the compiler can run side by side.
        let mut units = self.hidden_bias;
        for (signal, value) in signals.iter().enumerate() {
            let value = (value - self.mean[signal]) * self.scale[signal];
            for (unit, weight) in units.iter_mut().zip(&self.hidden[signal]) {
                *unit += weight * value;
            }
        }
        self.out_bias + units.iter().zip(&self.out).map(|(unit, weight)| weight * unit.max(0.0)).sum::<f32>()
    }

    /// What each view brought to the log-odds of two items, against an average pair: the greatest first.
    #[must_use]
    pub fn effects(&self, signals: &[f32; SIGNALS]) -> Vec<(&'static str, f32)> {
        let whole = self.pair(signals);
        let without = |view: &[usize]| {
            let mut average = *signals;
            for signal in view {
                average[*signal] = self.mean[*signal];
            }
            self.pair(&average)
        };
        let mut effects: Vec<(&str, f32)> = VIEWS.iter().map(|(name, view)| (*name, whole - without(view))).collect();
        effects.sort_by(|a, b| b.1.total_cmp(&a.1));
        effects
    }
}

/// Log-odds that an item belongs to a story of so many items, from its log-odds with each member compared.
#[must_use]
pub fn story(pairs: &[f32], members: usize) -> f32 {
    let nearest = pairs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mean = pairs.iter().sum::<f32>() / pairs.len().max(1) as f32;
    NEAREST_SHARE * nearest + (1.0 - NEAREST_SHARE) * mean - mass(members)
}

/// What a story of so many items asks for beyond the threshold: the more it holds, the more it resembles anything.
#[must_use]
pub fn mass(members: usize) -> f32 {
    MASS * (members as f32 / MEMBERS_FREE).max(1.0).ln()
}

/// Log-odds as a probability-like number between 0 and 1, for people.
#[must_use]
pub fn likelihood(log_odds: f32) -> f32 {
    1.0 / (1.0 + (-log_odds).exp())
}
