//! `eval topics`: the topics of labelled items against those that the rules find.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::super::labelled::{self, START, origin, published, raw};
use super::super::output::{self, Table};
use super::CliError;
use crate::model::TopicId;
use crate::pipeline::classify::quality::{Borderline, Judged, TopicsQuality, judge};
use crate::pipeline::{Rules, prepare};
use crate::text::{clean, counted};

pub(super) fn topics_quality(
    items: &[Value],
    rules: &Rules,
    topics: &[TopicId],
    how: Borderline,
    list: bool,
    json: bool,
) -> Result<(), CliError> {
    let mut judged = Vec::with_capacity(items.len());
    let mut groups: BTreeMap<Group, Vec<Judged>> = BTreeMap::new();
    for (number, item) in items.iter().enumerate() {
        let received = published(item).unwrap_or(START);
        let matches = prepare(&raw(item, number), &origin(item, received), rules).map(|p| p.matches);
        let predicted: Vec<TopicId> = matches.unwrap_or_default().into_iter().map(|m| m.topic).collect();
        let one = Judged { labels: labelled::labels(item), borderline: labelled::borderline(item, topics), predicted };
        if list {
            list_mistakes(item, &one);
        }
        for group in [Group::language(item), Group::length(item)] {
            groups.entry(group).or_default().push(one.clone());
        }
        judged.push(one);
    }
    let quality = judge(&judged, topics, how);
    let groups: Vec<(Group, usize, TopicsQuality)> =
        groups.into_iter().map(|(group, items)| (group, items.len(), judge(&items, topics, how))).collect();
    if json {
        let of = |kind: fn(&Group) -> Option<String>| -> BTreeMap<String, &TopicsQuality> {
            groups.iter().filter_map(|(group, _, quality)| Some((kind(group)?, quality))).collect()
        };
        let (languages, lengths) = (of(Group::as_language), of(Group::as_length));
        return Ok(output::document(&Account { quality: &quality, languages, lengths })?);
    }
    print_topics(&quality, items.len())?;
    print_groups(&groups)
}

/// The whole, and the same by language and by length of the items.
#[derive(Serialize)]
struct Account<'a> {
    #[serde(flatten)]
    quality: &'a TopicsQuality,
    languages: BTreeMap<String, &'a TopicsQuality>,
    lengths: BTreeMap<String, &'a TopicsQuality>,
}

/// Items that are looked at together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Language(String),
    Length(Length),
}

/// How much there is to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Length {
    /// No text, or no headline and as little.
    Headline,
    /// As a feed carries it.
    Short,
    /// An article.
    Article,
}

/// Words from which a text is more than a headline, and more than what a feed carries.
const SHORT_WORDS_MIN: usize = 8;
const ARTICLE_WORDS_MIN: usize = 80;

impl Group {
    fn language(item: &Value) -> Self {
        Self::Language(item["lang"].as_str().filter(|code| !code.is_empty()).unwrap_or("unknown").to_owned())
    }

    fn length(item: &Value) -> Self {
        let words = item["text"].as_str().unwrap_or_default().split_whitespace().count();
        Self::Length(if words < SHORT_WORDS_MIN {
            Length::Headline
        } else if words < ARTICLE_WORDS_MIN {
            Length::Short
        } else {
            Length::Article
        })
    }

    fn as_language(&self) -> Option<String> {
        match self {
            Self::Language(code) => Some(code.clone()),
            Self::Length(_) => None,
        }
    }

    fn as_length(&self) -> Option<String> {
        match self {
            Self::Language(_) => None,
            Self::Length(Length::Headline) => Some("headline".to_owned()),
            Self::Length(Length::Short) => Some("short".to_owned()),
            Self::Length(Length::Article) => Some("article".to_owned()),
        }
    }
}

/// F1 of each topic in each group, with what it was counted from.
fn print_groups(groups: &[(Group, usize, TopicsQuality)]) -> Result<(), CliError> {
    let mut table = Table::new(&["GROUP", "TOPIC", "TP", "FP", "FN", "F1"]);
    for (group, items, quality) in groups {
        let name = group.as_language().or_else(|| group.as_length()).unwrap_or_default();
        let told = quality.topics.iter().filter(|(_, q)| q.tp + q.fp + q.missed > 0);
        for (topic, q) in told {
            let counts = [q.tp, q.fp, q.missed].map(|n| n.to_string());
            let row = [format!("{name} ({items})"), topic.clone()].into_iter().chain(counts);
            table.row(row.chain([format!("{:.3}", q.f1)]));
        }
    }
    outln!("\nby language, and by length of the text:");
    Ok(table.print("no items")?)
}

fn list_mistakes(item: &Value, one: &Judged) {
    let mut line = String::new();
    for topic in one.predicted.iter().filter(|t| !one.labels.contains(t) && !one.borderline.contains(t)) {
        let _ = write!(line, " false alarm: {topic}");
    }
    for topic in one.labels.iter().filter(|t| !one.predicted.contains(t) && !one.borderline.contains(t)) {
        let _ = write!(line, " missed: {topic}");
    }
    if !line.is_empty() {
        let id = clean::excerpt(item["id"].as_str().unwrap_or_default(), 40);
        errln!("{id}{line}: {}", clean::excerpt(item["title"].as_str().unwrap_or_default(), 90));
    }
}

fn print_topics(quality: &TopicsQuality, items: usize) -> Result<(), CliError> {
    let mut table = Table::new(&["TOPIC", "TP", "FP", "FN", "PRECISION", "RECALL", "F1"]);
    for (topic, q) in &quality.topics {
        let counts = [q.tp, q.fp, q.missed].map(|n| n.to_string());
        let shares = [q.precision, q.recall, q.f1].map(|n| format!("{n:.3}"));
        table.row([topic.clone()].into_iter().chain(counts).chain(shares));
    }
    table.print("no topics")?;
    outln!(
        "{}; macro F1 {:.3}; false alarms {} of {} unlabelled ({:.1} %)",
        counted(items as u64, "item"),
        quality.macro_f1,
        quality.false_alarms,
        quality.unlabelled,
        quality.false_alarm_rate * 100.0
    );
    Ok(())
}
