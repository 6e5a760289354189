//! Signals to the decision whether an item belongs to a story: learned weights per pair of items,
//! then the story as a whole. Weights come from logistic regression over labelled pairs; see
//! docs/stories.md for the data, the cross-validation and what each signal adds.

use super::signals::SIGNALS;

/// Weight of each signal, in the order of [`super::signals::NAMES`].
const WEIGHTS: [f32; SIGNALS] = [
    2.42, 3.133, -1.162, 0.291, 1.344, 0.781, 1.421, 1.235, 0.403, 1.046, 0.841, -1.124, 0.82, -0.302, 0.33, -0.359,
    -1.167, -1.234, 0.257, -1.146,
];
/// Log-odds with all signals at zero.
const BIAS: f32 = -0.9965;
/// Log-odds from which an item joins.
pub const JOIN: f32 = -0.5;
/// Part of the nearest member in a story's score; the rest is the mean over its members, so that
/// one bridge between two stories does not make them one.
const NEAREST_SHARE: f32 = 0.15;

/// Log-odds that two items report one event.
#[must_use]
pub fn pair(signals: &[f32; SIGNALS]) -> f32 {
    BIAS + WEIGHTS.iter().zip(signals).map(|(w, s)| w * s).sum::<f32>()
}

/// Log-odds that an item belongs to a story, from its log-odds with each member compared.
#[must_use]
pub fn story(pairs: &[f32]) -> f32 {
    let nearest = pairs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mean = pairs.iter().sum::<f32>() / pairs.len().max(1) as f32;
    NEAREST_SHARE * nearest + (1.0 - NEAREST_SHARE) * mean
}

/// Log-odds as a probability-like number between 0 and 1, for people.
#[must_use]
pub fn likelihood(log_odds: f32) -> f32 {
    1.0 / (1.0 + (-log_odds).exp())
}
