//! Better weights and a better threshold: one number at a time, as long as F1 rises by more than a change is
//! worth (coordinate ascent). What is found counts only if it also holds for items it was not fitted on.

use serde::Serialize;

use super::{Example, Setting, cross_validate};
use crate::eval::Quality;

/// What a weight may become, as a share of what it is.
const SHARES: [f64; 7] = [0.25, 0.5, 0.75, 1.25, 1.5, 2.0, 3.0];
/// What a threshold may become.
const THRESHOLD_SHARES: [f64; 6] = [0.8, 0.9, 0.95, 1.05, 1.1, 1.25];
/// F1 that a change must bring, lest noise be fitted.
const WORTH_OF_A_CHANGE: f64 = 0.004;
/// Most changes at once: people read them.
const CHANGES_MAX: usize = 6;

/// One weight to change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WeightChange {
    /// Number of the rule.
    pub rule: usize,
    /// What it is.
    pub from: f64,
    /// What it might be.
    pub to: f64,
}

/// What could be better, and whether that is more than chance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggestion {
    /// The figures as they are: nothing is fitted, so every item counts.
    pub now: Quality,
    /// The figures on all items after the changes: flattered, they were fitted on them.
    pub fitted: Quality,
    /// The figures of such changes on items they were not fitted on.
    pub cross_validated: Quality,
    /// Whether these are better than as it is.
    pub holds: bool,
    /// The weights.
    pub weights: Vec<WeightChange>,
    /// The threshold, if it should move.
    pub threshold: Option<f64>,
}

/// Looks for better numbers.
#[must_use]
pub fn suggest(examples: &[Example], setting: &Setting, folds: usize) -> Suggestion {
    let all: Vec<&Example> = examples.iter().collect();
    let fitted = fit(&all, setting);
    let now = setting.quality(examples);
    let cross_validated = cross_validate(examples, folds, |train| fit(train, setting));
    let weights = setting.weights.iter().zip(&fitted.weights).enumerate();
    Suggestion {
        now,
        fitted: fitted.quality(examples),
        cross_validated,
        holds: cross_validated.f1 > now.f1 + WORTH_OF_A_CHANGE / 2.0,
        weights: weights
            .filter(|(_, (from, to))| from.total_cmp(to).is_ne())
            .map(|(rule, (from, to))| WeightChange { rule, from: *from, to: *to })
            .collect(),
        threshold: fitted.threshold.total_cmp(&setting.threshold).is_ne().then_some(fitted.threshold),
    }
}

/// The best single change, again and again.
fn fit(examples: &[&Example], start: &Setting) -> Setting {
    let quality = |setting: &Setting| setting.quality(examples.iter().copied()).f1;
    let mut best = start.clone();
    let mut best_f1 = quality(&best);
    for _ in 0..CHANGES_MAX {
        let step = steps(&best, start).map(|setting| (quality(&setting), setting)).max_by(|a, b| a.0.total_cmp(&b.0));
        match step {
            Some((f1, setting)) if f1 > best_f1 + WORTH_OF_A_CHANGE => (best_f1, best) = (f1, setting),
            _ => break,
        }
    }
    best
}

/// Every setting that differs from this one by one number.
fn steps<'a>(now: &'a Setting, start: &'a Setting) -> impl Iterator<Item = Setting> + 'a {
    let weights = start.weights.iter().enumerate().flat_map(move |(rule, weight)| {
        SHARES.into_iter().map(move |share| {
            let mut setting = now.clone();
            setting.weights[rule] = tidy(weight * share);
            setting
        })
    });
    let thresholds = THRESHOLD_SHARES
        .into_iter()
        .map(move |share| Setting { threshold: tidy(start.threshold * share), weights: now.weights.clone() });
    weights.chain(thresholds)
}

/// As people would write it.
fn tidy(number: f64) -> f64 {
    (number * 20.0).round() / 20.0
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::*;

    /// Rule 0 tells the topic; rule 1 hits everywhere and weighs too much.
    fn noisy(count: usize) -> Vec<Example> {
        (0..count)
            .map(|n| example(n, n % 3 == 0, &[if n % 3 == 0 { 1.0 } else { 0.0 }, if n % 2 == 0 { 1.0 } else { 0.0 }]))
            .collect()
    }

    #[test]
    fn suggest_finds_the_rule_that_weighs_too_much_and_it_holds() {
        let setting = Setting { weights: vec![4.0, 6.0], threshold: 5.0 };
        let found = suggest(&noisy(90), &setting, 5);
        assert!(found.holds, "{found:?}");
        assert!(found.cross_validated.f1 > 0.99 && found.now.f1 < 0.7, "{found:?}");
        let mut better = setting.clone();
        for change in &found.weights {
            better.weights[change.rule] = change.to;
        }
        better.threshold = found.threshold.unwrap_or(better.threshold);
        assert!((better.quality(&noisy(90)).f1 - found.fitted.f1).abs() < 1e-9);
    }

    #[test]
    fn suggest_leaves_good_rules_alone() {
        let setting = Setting { weights: vec![6.0, 1.0], threshold: 5.0 };
        let found = suggest(&noisy(60), &setting, 5);
        assert_eq!((found.weights.len(), found.threshold, found.holds), (0, None, false));
    }

    /// The lowest bits of FNV are hardly mixed; these are.
    fn chance(text: &str) -> bool {
        (super::super::fnv(text.as_bytes()) >> 41).is_multiple_of(2)
    }

    #[test]
    fn suggest_from_chance_does_not_hold() {
        // Labels that no rule can know.
        let examples: Vec<Example> = (0..40)
            .map(|n| {
                let about = chance(&format!("label {n}"));
                let factors: Vec<f64> = (0..6).map(|r| f64::from(u8::from(chance(&format!("{n} {r}"))))).collect();
                example(n, about, &factors)
            })
            .collect();
        let found = suggest(&examples, &Setting { weights: vec![2.0; 6], threshold: 5.0 }, 5);
        assert!(found.fitted.f1 > found.cross_validated.f1, "{found:?}");
    }
}
