//! `eval topics`: the topics of labelled items against those that the rules find.

use std::fmt::Write as _;

use serde_json::Value;

use super::super::labelled::{self, START, origin, published, raw};
use super::super::output::{self, Table};
use super::CliError;
use crate::model::TopicId;
use crate::pipeline::classify::quality::{Borderline, Judged, TopicsQuality, judge};
use crate::pipeline::{Rules, prepare};
use crate::text::clean;

pub(super) fn topics_quality(
    items: &[Value],
    rules: &Rules,
    topics: &[TopicId],
    how: Borderline,
    list: bool,
    json: bool,
) -> Result<(), CliError> {
    let mut judged = Vec::with_capacity(items.len());
    for (number, item) in items.iter().enumerate() {
        let received = published(item).unwrap_or(START);
        let matches = prepare(&raw(item, number), &origin(item, received), rules).map(|p| p.matches);
        let predicted: Vec<TopicId> = matches.unwrap_or_default().into_iter().map(|m| m.topic).collect();
        let one = Judged { labels: labelled::labels(item), borderline: labelled::borderline(item, topics), predicted };
        if list {
            list_mistakes(item, &one);
        }
        judged.push(one);
    }
    let quality = judge(&judged, topics, how);
    if json {
        return Ok(output::document(&quality)?);
    }
    print_topics(&quality, items.len())
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
        eprintln!("{id}{line}: {}", clean::excerpt(item["title"].as_str().unwrap_or_default(), 90));
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
    println!(
        "{items} items; macro F1 {:.3}; false alarms {} of {} unlabelled ({:.1} %)",
        quality.macro_f1,
        quality.false_alarms,
        quality.unlabelled,
        quality.false_alarm_rate * 100.0
    );
    Ok(())
}
