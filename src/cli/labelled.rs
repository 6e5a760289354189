//! Items of the evaluation format (JSON Lines: `id`, `title`, `text`, `url`, `source`, `published`, `lang`) as
//! a source would hand them over: what `eval`, `tune` and `backtest --file` read.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use super::CliError;
use super::error::IO;
use crate::model::{ItemKey, Origin, RawItem, RawText, SourceId, SourceKind, Timestamp, TopicId};
use crate::pipeline::classify::quality::{topic_of_borderline, topic_of_label};
use crate::text::date;

/// Every line of a file; of one that is a single JSON list, every element of that.
pub(super) fn read(path: &Path) -> Result<Vec<Value>, CliError> {
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|e| CliError::new(IO, format!("read {name}: {e}")))?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Array(elements)) => Ok(elements),
        _ => lines(path)?.collect(),
    }
}

/// The lines of a file, one by one: a file may be larger than memory. Empty ones are left out.
pub(super) fn lines(path: &Path) -> Result<impl Iterator<Item = Result<Value, CliError>> + use<>, CliError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|e| CliError::new(IO, format!("read {name}: {e}")))?;
    let lines = BufReader::new(file).lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.as_ref().is_ok_and(|line| line.trim().is_empty()));
    Ok(lines.map(move |(number, line)| {
        let line = line.map_err(|e| CliError::new(IO, format!("read {name}: {e}")))?;
        serde_json::from_str(&line).map_err(|e| CliError::data(format!("read line {} of {name}: {e}", number + 1)))
    }))
}

/// How many lines a file has, for a progress bar.
pub(super) fn count(path: &Path) -> Result<u64, CliError> {
    let fail = |e: std::io::Error| CliError::new(IO, format!("read {}: {e}", path.display()));
    let mut lines = 0;
    for line in BufReader::new(File::open(path).map_err(fail)?).split(b'\n') {
        line.map_err(fail)?;
        lines += 1;
    }
    Ok(lines)
}

/// Topics a person gave an item.
pub(super) fn labels(item: &Value) -> Vec<TopicId> {
    names(item, "labels").filter_map(topic_of_label).collect()
}

/// Topics a person was in doubt about; where the item says which topics were looked at (`judged`), also
/// every other one of `topics`.
pub(super) fn borderline(item: &Value, topics: &[TopicId]) -> Vec<TopicId> {
    let mut doubtful: Vec<TopicId> = names(item, "borderline").filter_map(topic_of_borderline).collect();
    if item["judged"].is_array() {
        let judged: Vec<TopicId> = names(item, "judged").filter_map(topic_of_label).collect();
        doubtful.extend(topics.iter().filter(|topic| !judged.contains(topic)).cloned());
    }
    doubtful
}

fn names<'a>(item: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    item[field].as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_str)
}

pub(super) fn published(item: &Value) -> Option<Timestamp> {
    date::parse(item["published"].as_str()?).map(|dated| dated.at)
}

pub(super) fn text(item: &Value, name: &str) -> Option<String> {
    item[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// An item of the evaluation format as a source would hand it over.
pub(super) fn raw(item: &Value, number: usize) -> RawItem {
    let key = text(item, "id").unwrap_or_else(|| number.to_string());
    let mut raw = RawItem::new(ItemKey::new(&key));
    raw.title = text(item, "title").map(RawText::plain);
    raw.content = text(item, "text").map(RawText::plain);
    raw.summary = text(item, "summary").map(RawText::plain);
    raw.url = text(item, "url");
    raw.lang = text(item, "lang");
    raw.published = item["published"].as_str().and_then(date::parse);
    raw
}

/// Whether `source` says who published what: the same name in every item is that of the collection.
pub(super) fn names_outlets(items: &[Value]) -> bool {
    items.windows(2).any(|pair| pair[0]["source"] != pair[1]["source"])
}

pub(super) fn origin(item: &Value, received: Timestamp) -> Origin {
    let name: String = text(item, "source")
        .unwrap_or_default()
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(60)
        .collect();
    let source = SourceId::new(&name).or_else(|_| SourceId::new("eval")).expect("invariant: a valid name");
    Origin { source, kind: SourceKind::Feed, received }
}

/// When undated items arrive: one a second, from then on.
pub(super) const START: Timestamp = Timestamp::from_seconds(1_700_000_000);
