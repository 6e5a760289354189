//! Words that are missing from the rules: those that stand in items the rules missed, or hardly found, and
//! hardly anywhere else. Ranked by the log-odds of the two shares (Monroe, Colaresi and Quinn 2008, without
//! their prior), with the counts beside it: two items prove little.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::{Example, Setting};
use crate::model::Score;

/// Words of an item that are looked at: what an item is about stands in front.
const WORDS_MAX: usize = 300;
/// A word in more of all items than this says nothing.
const COMMON_SHARE: f64 = 0.2;
/// Of the items with a term so many must be about the topic.
const PRECISION_MIN: f64 = 0.75;
/// A hit this little above the threshold is as good as a miss.
const NARROW: f64 = 1.2;
/// Terms shown.
const TERMS_MAX: usize = 12;

/// A word or pair of words that may be missing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MissingTerm {
    /// One or two words, folded.
    pub term: String,
    /// Missed or narrowly found items that have it.
    pub weak: usize,
    /// Surely found items that have it: the term is of the topic.
    pub found: usize,
    /// Items of other subjects that have it.
    pub others: usize,
    /// Log-odds, higher is better.
    pub log_odds: f64,
    /// What a rule of it would have to weigh to lift half of them.
    pub weight: f64,
}

/// Terms that separate the items that are missed from those about something else.
#[must_use]
pub fn missing_terms(examples: &[Example], setting: &Setting) -> Vec<MissingTerm> {
    let sure = Score::from_f64(setting.threshold * NARROW);
    let is_weak = |e: &Example| e.about && e.open && setting.score(e) < sure;
    let weak: Vec<&Example> = examples.iter().filter(|e| is_weak(e)).collect();
    if weak.is_empty() {
        return Vec::new();
    }
    let found: Vec<&Example> = examples.iter().filter(|e| e.about && !is_weak(e)).collect();
    let others: Vec<&Example> = examples.iter().filter(|e| !e.about).collect();
    let (in_weak, in_found, in_others) = (frequencies(&weak), frequencies(&found), frequencies(&others));
    let common = (examples.len() as f64 * COMMON_SHARE).max(2.0);
    // One item is an anecdote: where there are more, a term must stand in two.
    let least = if weak.len() < 3 { 1 } else { 2 };
    let count = |of: &HashMap<String, usize>, term: &str| of.get(term).copied().unwrap_or(0);
    let mut terms: Vec<MissingTerm> = in_weak
        .iter()
        .filter_map(|(term, &weak_count)| {
            let (found_count, other_count) = (count(&in_found, term), count(&in_others, term));
            let about = weak_count + found_count;
            let total = about + other_count;
            let precise = about as f64 >= PRECISION_MIN * total as f64;
            // A term of one item only must at least be known from items that are surely about it.
            let supported = weak_count >= least && about >= 2;
            (precise && supported && (total as f64) < common).then(|| MissingTerm {
                term: term.clone(),
                weak: weak_count,
                found: found_count,
                others: other_count,
                log_odds: log_odds(about, weak.len() + found.len(), other_count, others.len()),
                weight: weight(term, &weak, setting),
            })
        })
        .collect();
    terms.sort_by(|a, b| b.weak.cmp(&a.weak).then(b.log_odds.total_cmp(&a.log_odds)).then_with(|| a.term.cmp(&b.term)));
    terms.truncate(TERMS_MAX);
    terms
}

/// Whether a rule of this term would make the labels that it comes from worse: an item of another subject would
/// match, or nothing that is missed would. `boost` is the most that a place multiplies points by.
#[must_use]
pub fn contradicted(term: &MissingTerm, examples: &[Example], setting: &Setting, boost: f64) -> bool {
    let words: Vec<&str> = term.term.split(' ').collect();
    let has = |e: &&Example| e.words.windows(words.len()).any(|row| row.iter().zip(&words).all(|(a, b)| a == b));
    let with = |e: &Example, factor: f64| setting.score(e).to_f64() + term.weight * factor >= setting.threshold;
    let mut lifts = false;
    for example in examples.iter().filter(has).filter(|example| example.open && !setting.matches(example)) {
        if !example.about && with(example, boost) {
            return true;
        }
        lifts |= example.about && with(example, boost);
    }
    !lifts
}

/// In how many items each word and pair of neighbours stands.
fn frequencies(examples: &[&Example]) -> HashMap<String, usize> {
    let mut count = HashMap::new();
    for example in examples {
        let words = &example.words[..example.words.len().min(WORDS_MAX)];
        let mut seen: HashSet<String> = words.iter().filter(|word| is_telling(word)).cloned().collect();
        let pairs = words.windows(2).filter(|pair| pair.iter().all(|word| is_telling(word)));
        seen.extend(pairs.map(|pair| pair.join(" ")));
        for term in seen {
            *count.entry(term).or_insert(0) += 1;
        }
    }
    count
}

fn is_telling(word: &str) -> bool {
    word.chars().count() > 3 && word.chars().any(char::is_alphabetic)
}

fn log_odds(with: usize, of: usize, with_other: usize, of_other: usize) -> f64 {
    let logit = |with: usize, of: usize| ((with as f64 + 0.5) / ((of - with) as f64 + 0.5)).ln();
    logit(with, of) - logit(with_other, of_other)
}

/// What the median of the items with this term lacks, in half points; never enough to match alone.
fn weight(term: &str, weak: &[&Example], setting: &Setting) -> f64 {
    let words: Vec<&str> = term.split(' ').collect();
    let has = |e: &&&Example| e.words.windows(words.len()).any(|row| row.iter().zip(&words).all(|(a, b)| a == b));
    let mut lacking: Vec<f64> =
        weak.iter().filter(has).map(|e| setting.threshold - setting.score(e).to_f64()).collect();
    lacking.sort_by(f64::total_cmp);
    let median = lacking.get(lacking.len() / 2).copied().unwrap_or(setting.threshold);
    ((median * 2.0).ceil() / 2.0).clamp(0.5, (setting.threshold * 0.8 * 2.0).round() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::*;

    fn reading(id: usize, about: bool, points: f64, text: &str) -> Example {
        Example { words: text.split(' ').map(str::to_owned).collect(), ..example(id, about, &[points]) }
    }

    #[test]
    fn missing_terms_stand_in_what_is_missed_and_nowhere_else() {
        let mut examples = vec![
            reading(1, true, 0.0, "harbour gates close before tidal surge"),
            reading(2, true, 1.0, "tidal surge reaches harbour wall"),
            reading(3, true, 0.0, "mayor speaks about tidal surge today"),
            reading(4, true, 9.0, "flood after tidal surge"),
        ];
        examples.extend((5..60).map(|n| reading(n, false, 0.0, "mayor opens harbour festival today")));
        let setting = Setting { weights: vec![1.0], threshold: 5.0 };
        let terms = missing_terms(&examples, &setting);
        let first: Vec<&str> = terms.iter().take(3).map(|t| t.term.as_str()).collect();
        assert!(first.contains(&"tidal surge") && first.contains(&"surge"), "{terms:?}");
        assert_eq!((terms[0].weak, terms[0].found, terms[0].others), (3, 1, 0));
        assert!((terms[0].weight - 4.0).abs() < 1e-9, "one hit in passing is never enough: {}", terms[0].weight);
        assert!(terms.iter().all(|t| t.term != "harbour" && t.term != "mayor"));
    }

    #[test]
    fn contradicted_is_a_term_that_would_alarm_on_an_item_judged_otherwise() {
        let term = |weight: f64| MissingTerm {
            term: "tidal surge".to_owned(),
            weak: 2,
            found: 0,
            others: 1,
            log_odds: 1.0,
            weight,
        };
        let setting = Setting { weights: vec![1.0], threshold: 5.0 };
        let missed = reading(1, true, 2.0, "tidal surge reaches harbour");
        let other = reading(2, false, 3.0, "film called tidal surge opens");
        assert!(!contradicted(&term(3.0), std::slice::from_ref(&missed), &setting, 2.0));
        assert!(contradicted(&term(3.0), &[missed.clone(), other.clone()], &setting, 2.0));
        assert!(contradicted(&term(1.0), &[missed], &setting, 2.0), "lifts nothing");
        assert!(contradicted(&term(3.0), &[other], &setting, 2.0));
    }

    #[test]
    fn missing_terms_nothing_missed_nothing_to_add() {
        let examples = vec![reading(1, true, 9.0, "tidal surge"), reading(2, false, 0.0, "calm water")];
        assert_eq!(missing_terms(&examples, &Setting { weights: vec![1.0], threshold: 5.0 }), []);
    }
}
