//! Labels and predictions → precision, recall and F1 per topic, and the share of false alarms. Pure
//! counting; `eval topics` reads the file and runs the pipeline.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::TopicId;

/// One labelled item and what the rules said of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judged {
    /// Topics a person gave it.
    pub labels: Vec<TopicId>,
    /// Topics a person was in doubt about, whether or not they are among the labels.
    pub borderline: Vec<TopicId>,
    /// Topics the rules gave it.
    pub predicted: Vec<TopicId>,
}

/// What to do with pairs of item and topic that a person was in doubt about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Borderline {
    /// They count neither way; the item still counts for its other topics.
    LeftOut,
    /// They count like all others.
    Counted,
}

/// How well one topic was told.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct TopicQuality {
    /// Labelled and predicted.
    pub tp: usize,
    /// Predicted, not labelled.
    pub fp: usize,
    /// Labelled, not predicted.
    #[serde(rename = "fn")]
    pub missed: usize,
    /// tp / (tp + fp); 1 when nothing was predicted.
    pub precision: f64,
    /// tp / (tp + fn); 1 when nothing was labelled.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
}

/// The whole account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopicsQuality {
    /// By topic, named as in the labels (`_` for `-`).
    pub topics: BTreeMap<String, TopicQuality>,
    /// Mean of the topics' F1.
    pub macro_f1: f64,
    /// Share of the items without any label that match some topic.
    pub false_alarm_rate: f64,
    /// Items without any label.
    pub unlabelled: usize,
    /// Those of them that match some topic.
    pub false_alarms: usize,
}

/// The topic a label of the evaluation files means: `_` stands for `-`. `None` for no name at all.
#[must_use]
pub fn topic_of_label(label: &str) -> Option<TopicId> {
    TopicId::new(&label.replace('_', "-")).ok()
}

/// The topic an entry of `borderline` means: `topic` (a weak positive) or `topic:neg`.
#[must_use]
pub fn topic_of_borderline(entry: &str) -> Option<TopicId> {
    topic_of_label(entry.strip_suffix(":neg").unwrap_or(entry))
}

/// Counts.
#[must_use]
pub fn judge(items: &[Judged], topics: &[TopicId], borderline: Borderline) -> TopicsQuality {
    let counts: BTreeMap<String, TopicQuality> =
        topics.iter().map(|topic| (topic.as_str().replace('-', "_"), count(items, topic, borderline))).collect();
    let macro_f1 = mean(counts.values().map(|quality| quality.f1));
    let mut unlabelled = 0;
    let mut false_alarms = 0;
    for item in items.iter().filter(|item| item.labels.is_empty()) {
        unlabelled += 1;
        let alarms = |topic: &TopicId| borderline == Borderline::Counted || !item.borderline.contains(topic);
        false_alarms += usize::from(item.predicted.iter().any(alarms));
    }
    let false_alarm_rate = ratio(false_alarms, unlabelled, 0.0);
    TopicsQuality { topics: counts, macro_f1, false_alarm_rate, unlabelled, false_alarms }
}

fn count(items: &[Judged], topic: &TopicId, borderline: Borderline) -> TopicQuality {
    let (mut tp, mut fp, mut missed) = (0, 0, 0);
    for item in items {
        if borderline == Borderline::LeftOut && item.borderline.contains(topic) {
            continue;
        }
        match (item.labels.contains(topic), item.predicted.contains(topic)) {
            (true, true) => tp += 1,
            (false, true) => fp += 1,
            (true, false) => missed += 1,
            (false, false) => {}
        }
    }
    TopicQuality {
        tp,
        fp,
        missed,
        precision: ratio(tp, tp + fp, 1.0),
        recall: ratio(tp, tp + missed, 1.0),
        f1: ratio(2 * tp, 2 * tp + fp + missed, 1.0),
    }
}

fn ratio(part: usize, whole: usize, of_nothing: f64) -> f64 {
    if whole == 0 { of_nothing } else { part as f64 / whole as f64 }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len();
    if count == 0 { 0.0 } else { values.sum::<f64>() / count as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(names: &[&str]) -> Vec<TopicId> {
        names.iter().map(|name| topic_of_label(name).expect("a name")).collect()
    }

    fn judged(labels: &[&str], borderline: &[&str], predicted: &[&str]) -> Judged {
        Judged {
            labels: topics(labels),
            borderline: borderline.iter().map(|entry| topic_of_borderline(entry).expect("a name")).collect(),
            predicted: topics(predicted),
        }
    }

    #[test]
    fn judge_counts_by_topic_and_leaves_borderline_pairs_out() {
        let items = [
            judged(&["a_a"], &[], &["a_a"]),
            judged(&["a_a"], &["a_a"], &[]),
            judged(&[], &["a_a:neg"], &["a_a"]),
            judged(&[], &[], &["b"]),
            judged(&["b"], &[], &["b", "a_a"]),
        ];
        let strict = judge(&items, &topics(&["a_a", "b"]), Borderline::LeftOut);
        let a = strict.topics["a_a"];
        assert_eq!((a.tp, a.fp, a.missed), (1, 1, 0));
        assert!((a.precision - 0.5).abs() < 1e-9 && (a.recall - 1.0).abs() < 1e-9);
        assert_eq!((strict.unlabelled, strict.false_alarms), (2, 1));
        let all = judge(&items, &topics(&["a_a", "b"]), Borderline::Counted);
        let a = all.topics["a_a"];
        assert_eq!((a.tp, a.fp, a.missed), (1, 2, 1));
        assert_eq!(all.false_alarms, 2);
    }

    #[test]
    fn judge_nothing_is_no_division_by_zero() {
        let quality = judge(&[], &topics(&["a"]), Borderline::LeftOut);
        assert!((quality.macro_f1 - 1.0).abs() < 1e-9 && quality.false_alarm_rate.abs() < 1e-9);
    }

    #[test]
    fn quality_prints_the_agreed_names() {
        let quality = judge(&[judged(&["a"], &[], &["a"])], &topics(&["a"]), Borderline::LeftOut);
        let json = serde_json::to_value(&quality).expect("serializes");
        assert_eq!(json["topics"]["a"]["fn"], 0);
        assert_eq!(json["topics"]["a"]["tp"], 1);
        assert!(json["macro_f1"].is_number() && json["false_alarm_rate"].is_number());
    }
}
