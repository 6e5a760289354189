//! Quality on labelled data: pure counting, used by `eval …` and by the tests. Decides nothing.

pub mod alerts;
pub mod backtest;
pub mod duplicates;
pub mod hearing;
pub mod languages;
pub mod outbox;
pub mod stories;
pub mod train;
pub mod tune;

/// Precision, recall and their harmonic mean.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Quality {
    /// Share of what was said that is right.
    pub precision: f64,
    /// Share of what is right that was said.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
}

impl Quality {
    /// From precision and recall.
    #[must_use]
    pub fn new(precision: f64, recall: f64) -> Self {
        let sum = precision + recall;
        Self { precision, recall, f1: if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 } }
    }

    /// From counts; nothing said at all counts as precise, nothing to say as complete.
    #[must_use]
    pub fn of_counts(true_positives: u64, false_positives: u64, false_negatives: u64) -> Self {
        let share = |wrong: u64| match true_positives + wrong {
            0 => 1.0,
            all => true_positives as f64 / all as f64,
        };
        Self::new(share(false_positives), share(false_negatives))
    }
}
