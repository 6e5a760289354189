//! Labelled items and what the rules brought each of them → how well a topic is told, and how sure that
//! figure is: folds, intervals, a threshold sweep. `suggest` looks for better weights, `terms` for words
//! that are missing. Everything is deterministic; nothing here changes a config: people decide.

mod suggest;
mod terms;

use serde::Serialize;

use crate::eval::Quality;
use crate::model::Score;
use crate::pipeline::classify::TopicExplanation;

pub use suggest::{Suggestion, WeightChange, suggest};
pub use terms::{MissingTerm, contradicted, missing_terms};

/// Resamples behind an interval.
const RESAMPLES: usize = 1000;

/// One labelled item as one topic's rules see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Its name in the labels.
    pub id: String,
    /// Whether a person says it is about the topic.
    pub about: bool,
    /// Whether every gate lets it through.
    pub open: bool,
    /// What each rule brings per point of weight: place × repeat, 0 where it does not hit.
    pub factors: Vec<f64>,
    /// Its words, folded, title first.
    pub words: Vec<String>,
}

impl Example {
    /// From an explanation; `rules` are the topic's rule ids in config order.
    #[must_use]
    pub fn of(id: &str, about: bool, explained: &TopicExplanation, rules: &[String], words: Vec<String>) -> Self {
        let mut factors = vec![0.0; rules.len()];
        for hit in &explained.rules {
            if let Some(at) = rules.iter().position(|rule| *rule == hit.rule) {
                factors[at] = hit.place * hit.repeat;
            }
        }
        Self { id: id.to_owned(), about, open: explained.gates.iter().all(|gate| gate.open), factors, words }
    }
}

/// The numbers of a topic that can be turned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Weight of each rule.
    pub weights: Vec<f64>,
    /// Points needed.
    pub threshold: f64,
}

impl Setting {
    /// Points of an item, as `classify` counts them.
    #[must_use]
    pub fn score(&self, example: &Example) -> Score {
        let points = self.weights.iter().zip(&example.factors).map(|(weight, factor)| Score::from_f64(weight * factor));
        points.fold(Score::ZERO, Score::plus)
    }

    /// Whether an item matches.
    #[must_use]
    pub fn matches(&self, example: &Example) -> bool {
        example.open && self.score(example) >= Score::from_f64(self.threshold)
    }

    /// How well it tells these items.
    #[must_use]
    pub fn quality<'a>(&self, examples: impl IntoIterator<Item = &'a Example>) -> Quality {
        Counts::of(examples.into_iter().map(|example| (example.about, self.matches(example)))).quality()
    }
}

/// What was right and wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    found: u64,
    false_alarms: u64,
    missed: u64,
}

impl Counts {
    fn of(pairs: impl Iterator<Item = (bool, bool)>) -> Self {
        let mut counts = Self::default();
        for (about, matched) in pairs {
            match (about, matched) {
                (true, true) => counts.found += 1,
                (false, true) => counts.false_alarms += 1,
                (true, false) => counts.missed += 1,
                (false, false) => {}
            }
        }
        counts
    }

    fn quality(self) -> Quality {
        Quality::of_counts(self.found, self.false_alarms, self.missed)
    }
}

/// One threshold and what it would tell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SweepPoint {
    /// Points needed.
    pub threshold: f64,
    /// The figures.
    #[serde(flatten)]
    pub quality: Quality,
}

/// The figures at thresholds from half of the one in force to twice as much.
#[must_use]
pub fn sweep(examples: &[Example], setting: &Setting) -> Vec<SweepPoint> {
    const STEPS: [f64; 13] = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0];
    let point = |share: f64| {
        let threshold = (setting.threshold * share * 100.0).round() / 100.0;
        let quality = Setting { threshold, ..setting.clone() }.quality(examples);
        SweepPoint { threshold, quality }
    };
    STEPS.map(point).to_vec()
}

/// Deals items into folds, those about the topic and the others each evenly; by a hash of the id, so that
/// neighbours in the file do not stay together.
#[must_use]
pub fn folds(examples: &[Example], count: usize) -> Vec<usize> {
    let count = count.max(2);
    let mut order: Vec<usize> = (0..examples.len()).collect();
    order.sort_by_key(|at| (examples[*at].about, fnv(examples[*at].id.as_bytes()), *at));
    let mut fold_of = vec![0; examples.len()];
    for (position, at) in order.into_iter().enumerate() {
        fold_of[at] = position % count;
    }
    fold_of
}

/// The figures of `fit`, each item judged by what was fitted without its fold. All folds are counted together.
pub fn cross_validate(examples: &[Example], count: usize, fit: impl Fn(&[&Example]) -> Setting) -> Quality {
    let fold_of = folds(examples, count);
    let mut pairs = Vec::with_capacity(examples.len());
    for fold in 0..count.max(2) {
        let inside = |at: usize| fold_of[at] == fold;
        let train: Vec<&Example> = examples.iter().enumerate().filter(|(at, _)| !inside(*at)).map(|(_, e)| e).collect();
        let setting = fit(&train);
        let held_out = examples.iter().enumerate().filter(|(at, _)| inside(*at));
        pairs.extend(held_out.map(|(_, example)| (example.about, setting.matches(example))));
    }
    Counts::of(pairs.into_iter()).quality()
}

/// Where F1 lies in nine of ten resamples of the items (the percentile bootstrap of Efron 1979): how much a
/// figure from so few items can be trusted.
#[must_use]
pub fn f1_interval(examples: &[Example], setting: &Setting) -> (f64, f64) {
    if examples.is_empty() {
        return (0.0, 1.0);
    }
    let outcomes: Vec<(bool, bool)> = examples.iter().map(|e| (e.about, setting.matches(e))).collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut scores: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..outcomes.len()).map(|_| outcomes[random.below(outcomes.len())]);
            Counts::of(drawn).quality().f1
        })
        .collect();
    scores.sort_by(f64::total_cmp);
    (scores[RESAMPLES / 20], scores[RESAMPLES - 1 - RESAMPLES / 20])
}

/// The same numbers every time (xorshift64*, Vigna 2016): an account must not change when it is made again.
pub(super) struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        ((u128::from(value) * bound as u128) >> 64) as usize
    }
}

/// FNV-1a, 64 bits.
pub(super) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn example(id: usize, about: bool, factors: &[f64]) -> Example {
        Example { id: format!("item {id}"), about, open: true, factors: factors.to_vec(), words: Vec::new() }
    }

    fn setting(weights: &[f64], threshold: f64) -> Setting {
        Setting { weights: weights.to_vec(), threshold }
    }

    #[test]
    fn setting_counts_points_as_the_rules_do() {
        let one = example(1, true, &[1.5, 0.0, 2.0]);
        let rules = setting(&[4.0, 9.0, -1.0], 4.0);
        assert_eq!(rules.score(&one), Score::from_f64(4.0));
        assert!(rules.matches(&one));
        assert!(!rules.matches(&Example { open: false, ..one }));
    }

    #[test]
    fn sweep_trades_precision_for_recall() {
        let examples: Vec<Example> = (0..20).map(|n| example(n, n >= 10, &[f64::from(n as u8)])).collect();
        let points = sweep(&examples, &setting(&[1.0], 10.0));
        let at =
            |threshold: f64| points.iter().find(|p| (p.threshold - threshold).abs() < 1e-9).expect("swept").quality;
        assert!((at(10.0).f1 - 1.0).abs() < 1e-9);
        assert!(at(5.0).precision < 0.7 && (at(5.0).recall - 1.0).abs() < 1e-9);
        assert!(at(14.0).recall < 0.7 && (at(14.0).precision - 1.0).abs() < 1e-9);
    }

    #[test]
    fn folds_are_even_for_both_kinds_and_always_the_same() {
        let examples: Vec<Example> = (0..53).map(|n| example(n, n % 5 == 0, &[])).collect();
        let dealt = folds(&examples, 5);
        assert_eq!(dealt, folds(&examples, 5));
        for fold in 0..5 {
            let here = || dealt.iter().zip(&examples).filter(|(at, _)| **at == fold);
            assert!((10..=11).contains(&here().count()));
            assert!((2..=3).contains(&here().filter(|(_, e)| e.about).count()));
        }
    }

    #[test]
    fn cross_validation_judges_an_item_only_by_what_was_fitted_without_it() {
        let examples: Vec<Example> = (0..40).map(|n| example(n, n % 2 == 0, &[f64::from(n as u8)])).collect();
        // A fit that learns by heart tells nothing about the rest.
        let by_heart = |train: &[&Example]| {
            assert_eq!(train.len(), 32);
            setting(&[0.0], 1.0)
        };
        assert!(cross_validate(&examples, 5, by_heart).recall.abs() < 1e-9);
    }

    #[test]
    fn interval_is_wide_for_few_items_and_holds_the_figure() {
        let few: Vec<Example> =
            (0..12).map(|n| example(n, n < 6, &[if n < 5 || n == 8 { 9.0 } else { 0.0 }])).collect();
        let many: Vec<Example> = (0..50).flat_map(|_| few.clone()).collect();
        let rules = setting(&[1.0], 5.0);
        let (low, high) = f1_interval(&few, &rules);
        let (narrow_low, narrow_high) = f1_interval(&many, &rules);
        let f1 = rules.quality(&few).f1;
        assert!(low < f1 && f1 < high && narrow_low < f1 && f1 < narrow_high);
        assert!(high - low > 3.0 * (narrow_high - narrow_low));
    }
}
