//! Pairs of items with the truth and what was said, to precision and recall.

use super::Quality;

/// Counts over pairs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct PairCounts {
    /// Said and true.
    pub true_positives: u64,
    /// Said but not true.
    pub false_positives: u64,
    /// True but not said.
    pub false_negatives: u64,
    /// Neither.
    pub true_negatives: u64,
}

impl PairCounts {
    /// Counts one pair.
    pub fn add(&mut self, truth: bool, said: bool) {
        let count = match (truth, said) {
            (true, true) => &mut self.true_positives,
            (false, true) => &mut self.false_positives,
            (true, false) => &mut self.false_negatives,
            (false, false) => &mut self.true_negatives,
        };
        *count += 1;
    }

    /// Precision, recall, F1.
    #[must_use]
    pub fn quality(&self) -> Quality {
        Quality::of_counts(self.true_positives, self.false_positives, self.false_negatives)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pair_counts_give_precision_and_recall() {
        let mut counts = PairCounts::default();
        for (truth, said) in [(true, true), (true, true), (true, false), (false, true), (false, false)] {
            counts.add(truth, said);
        }
        let quality = counts.quality();
        assert!((quality.precision - 2.0 / 3.0).abs() < 1e-9);
        assert!((quality.recall - 2.0 / 3.0).abs() < 1e-9);
        assert!((PairCounts::default().quality().f1 - 1.0).abs() < 1e-9, "nothing to find and nothing found");
    }
}
