//! Labels → a [`LinearModel`]: logistic regression by stochastic gradient descent, with weights that shrink
//! (L2), over the words and pairs of words of title and lead. The order is fixed, so the same labels
//! give the same model. Writing it is for `cli/tune`.

use std::collections::HashMap;

use super::Quality;
use super::tune::{Example, Random, folds};
use crate::pipeline::classify::model::{FEATURES_MAX, LinearModel, Training, features_of};

/// Passes over the items.
const EPOCHS: usize = 60;
/// First step; it falls as passes go by.
const STEP: f64 = 2.0;
/// How much weights shrink per step.
const SHRINK: f64 = 1e-4;
/// A word in fewer items says nothing about others.
const ITEMS_MIN: usize = 2;
/// Items of each kind without which there is nothing to learn.
pub const EXAMPLES_MIN: usize = 10;

/// A model with how it does on items it was not trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The model, of all items.
    pub model: LinearModel,
    /// Its kind under cross-validation, at a probability of one half.
    pub cross_validated: Quality,
}

/// Trains on labelled items; `None` with fewer than [`EXAMPLES_MIN`] of either kind.
#[must_use]
pub fn train(examples: &[Example], fold_count: usize, training: &Training) -> Option<Trained> {
    let about = examples.iter().filter(|e| e.about).count();
    if about < EXAMPLES_MIN || examples.len() - about < EXAMPLES_MIN {
        return None;
    }
    let read: Vec<Read> = examples.iter().map(Read::of).collect();
    let cross_validated = cross_validated(examples, &read, fold_count);
    let fitted = Fitted::of(&read.iter().collect::<Vec<_>>());
    let training = Training { items: examples.len(), about, f1: cross_validated.f1, ..training.clone() };
    let mut words: Vec<(String, f64)> = fitted.weights.into_iter().map(|(word, w)| (word.to_owned(), w)).collect();
    words.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then_with(|| a.0.cmp(&b.0)));
    words.truncate(FEATURES_MAX);
    Some(Trained { model: LinearModel::new(&training, fitted.bias, words), cross_validated })
}

fn cross_validated(examples: &[Example], read: &[Read], count: usize) -> Quality {
    let fold_of = folds(examples, count);
    let (mut found, mut false_alarms, mut missed) = (0, 0, 0);
    for fold in 0..count.max(2) {
        let train: Vec<&Read> = read.iter().zip(&fold_of).filter(|(_, f)| **f != fold).map(|(r, _)| r).collect();
        let fitted = Fitted::of(&train);
        for (item, _) in read.iter().zip(&fold_of).filter(|(_, f)| **f == fold) {
            match (item.about, fitted.probability(item) >= 0.5) {
                (true, true) => found += 1,
                (false, true) => false_alarms += 1,
                (true, false) => missed += 1,
                (false, false) => {}
            }
        }
    }
    Quality::of_counts(found, false_alarms, missed)
}

/// An item as words.
struct Read {
    about: bool,
    features: Vec<String>,
}

impl Read {
    fn of(example: &Example) -> Self {
        let words: Vec<&str> = example.words.iter().map(String::as_str).collect();
        Self { about: example.about, features: features_of(&words) }
    }

    fn scale(&self) -> f64 {
        1.0 / (self.features.len().max(1) as f64).sqrt()
    }
}

struct Fitted<'a> {
    bias: f64,
    weights: HashMap<&'a str, f64>,
}

impl<'a> Fitted<'a> {
    fn of(items: &[&'a Read]) -> Self {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for feature in items.iter().flat_map(|item| &item.features) {
            *counts.entry(feature).or_default() += 1;
        }
        let known = |feature: &str| counts.get(feature).is_some_and(|count| *count >= ITEMS_MIN);
        let about = items.iter().filter(|item| item.about).count().max(1);
        // Both kinds pull alike, however rare one is.
        let pull = |item: &Read| {
            let kind = if item.about { about } else { (items.len() - about).max(1) };
            items.len() as f64 / (2.0 * kind as f64)
        };
        let mut fitted = Self { bias: 0.0, weights: HashMap::new() };
        let mut order: Vec<usize> = (0..items.len()).collect();
        let mut random = Random(0x5851_f42d_4c95_7f2d);
        for epoch in 0..EPOCHS {
            let step = STEP / (1.0 + epoch as f64 / 10.0);
            for at in (1..order.len()).rev() {
                order.swap(at, random.below(at + 1));
            }
            for item in order.iter().map(|at| items[*at]) {
                let wrong = f64::from(u8::from(item.about)) - fitted.probability(item);
                let pull = step * wrong * pull(item);
                fitted.bias += 0.1 * pull;
                let scale = item.scale();
                for feature in item.features.iter().filter(|feature| known(feature)) {
                    let weight = fitted.weights.entry(feature.as_str()).or_default();
                    *weight += pull * scale - step * SHRINK * *weight;
                }
            }
        }
        fitted
    }

    fn probability(&self, item: &Read) -> f64 {
        let sum: f64 = item.features.iter().filter_map(|feature| self.weights.get(feature.as_str())).sum();
        1.0 / (1.0 + (-(self.bias + sum * item.scale())).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Timestamp, TopicId};

    fn examples(count: usize) -> Vec<Example> {
        (0..count)
            .map(|n| {
                let about = n % 3 == 0;
                let subject = if about { "tidal surge floods" } else { "brass band plays in" };
                let words = format!("{subject} town {} street {}", n % 7, n % 5);
                Example {
                    id: format!("item {n}"),
                    about,
                    open: true,
                    factors: Vec::new(),
                    words: words.split(' ').map(str::to_owned).collect(),
                }
            })
            .collect()
    }

    fn training() -> Training {
        let topic = TopicId::new("storm").expect("a name");
        Training { topic, at: Timestamp::from_seconds(1), items: 0, about: 0, f1: 0.0 }
    }

    #[test]
    fn train_learns_what_separates_and_says_how_sure_it_is() {
        let trained = train(&examples(60), 5, &training()).expect("enough items");
        assert!(trained.cross_validated.f1 > 0.95, "{:?}", trained.cross_validated);
        assert_eq!((trained.model.items, trained.model.about), (60, 20));
        assert_eq!(train(&examples(60), 5, &training()), Some(trained), "the same labels, the same model");
    }

    #[test]
    fn train_refuses_a_handful_of_items() {
        assert_eq!(train(&examples(20), 5, &training()), None);
    }
}
