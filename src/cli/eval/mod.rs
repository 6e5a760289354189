//! `eval`: how well topics, stories, duplicates and alerts are told, on labelled data, by the very pipeline the
//! daemon runs, with this config's rules and a throw-away memory.

mod alerts;
mod languages;
mod pairs;
mod stories;
mod topics;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation as _;

use super::labelled::{START, names_outlets, origin, published, raw, read};
use super::output::{self, Table};
use super::{CliError, Context};
use crate::eval::Quality;
use crate::model::{Origin, RawItem, SourceKind, StoryId, Timestamp, TopicId};
use crate::pipeline::classify::quality::Borderline;
use crate::pipeline::memory::MemoryConfig;
use crate::pipeline::{Decision, Ledger, Rules, Verdict, decide, prepare};

/// Measures quality on labelled data (JSON Lines).
#[derive(Debug, Args)]
pub struct EvalArgs {
    #[command(subcommand)]
    what: What,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Items with `labels` (topic names with `_` for `-`) and optional `borderline`.
    Topics {
        /// The file.
        file: PathBuf,
        /// Count borderline cases too; they are left out otherwise.
        #[arg(long)]
        borderline: bool,
        /// List every false alarm and miss.
        #[arg(long)]
        list: bool,
    },
    /// Items with `cluster` (null = background), read as a stream.
    Stories {
        /// The file.
        file: PathBuf,
        /// Read only the headline and the first sentence of each item, or only the headline.
        #[arg(long, value_enum)]
        cut: Option<Cut>,
        /// Write the story of every item to a file, as JSON Lines.
        #[arg(long, value_name = "OUT")]
        assignments: Option<PathBuf>,
        /// Score pairs of item ids instead: lines with `a`, `b` and `same_story`.
        #[arg(long, value_name = "FILE")]
        pairs: Option<PathBuf>,
    },
    /// Lines with items `a` and `b` and `duplicate`.
    Duplicates {
        /// The file.
        file: PathBuf,
        /// List every pair that was told wrong.
        #[arg(long)]
        list: bool,
    },
    /// Lines with items `a` and `b`, the `hours` between them and `same`: do two items on their own make one story?
    Pairs {
        /// The file.
        file: PathBuf,
        /// Read only the headline and the first sentence of each item, or only the headline.
        #[arg(long, value_enum)]
        cut: Option<Cut>,
        /// List every pair that was told wrong.
        #[arg(long)]
        list: bool,
    },
    /// Items with `event`, or lists of headlines of one event, read as a stream: do stories that hold several languages
    /// report one event?
    Languages {
        /// The file.
        file: PathBuf,
        /// List pairs of items of two languages in one story that are of two events, or that nobody labelled.
        #[arg(long)]
        list: bool,
    },
    /// Items with `event` (what deserves one alert; null = none) and `wanted`, read as a stream: what one endpoint
    /// with the defaults is told. The first hour of each source is its baseline: stored, not told.
    Alerts {
        /// The file.
        file: PathBuf,
        /// Write a line for each alert to a file, as JSON Lines; `explain` reads them.
        #[arg(long, value_name = "OUT")]
        posts: Option<PathBuf>,
        /// List every alert that was of no use, and every wanted event that was missed.
        #[arg(long)]
        list: bool,
    },
}

/// What of an item is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cut {
    /// Headline and first sentence.
    Lead,
    /// Headline.
    Title,
}

/// First sentences shorter than this are labels and place names.
const SENTENCE_BYTES_MIN: usize = 40;

impl Cut {
    /// Shortens an item of the evaluation format.
    fn apply(self, item: &mut Value) {
        let text = item["text"].as_str().unwrap_or_default();
        let kept = match self {
            Self::Lead => text.unicode_sentences().map(str::trim).find(|s| s.len() >= SENTENCE_BYTES_MIN),
            Self::Title => None,
        };
        item["text"] = Value::String(kept.unwrap_or_default().to_owned());
        item["summary"] = Value::Null;
    }
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when a file cannot be read or is no such data.
pub fn run(args: &EvalArgs, context: &Context) -> Result<(), CliError> {
    let mut loaded = context.load()?;
    let rules = super::compiled(&mut loaded, &context.place_name())?;
    let config = loaded.config;
    match &args.what {
        What::Topics { file, borderline, list } => {
            let how = if *borderline { Borderline::Counted } else { Borderline::LeftOut };
            let topics: Vec<TopicId> = config.topics.iter().map(|t| t.id.clone()).collect();
            topics::topics_quality(&read(file)?, &rules, &topics, how, *list, args.json)
        }
        What::Stories { file, cut, assignments, pairs } => {
            let mut items = in_order(read(file)?);
            if let Some(cut) = cut {
                for item in &mut items {
                    cut.apply(item);
                }
            }
            let found = stream(&items, &rules, config.memory);
            if let Some(out) = assignments {
                stories::write_assignments(out, &items, &found)?;
            }
            match pairs {
                Some(pairs) => pairs::labelled_pairs(&items, &found, &read(pairs)?, args.json),
                None => stories::stories_quality(&items, &found, args.json),
            }
        }
        What::Duplicates { file, list } => {
            pairs::duplicates_quality(&read(file)?, &rules, config.memory, *list, args.json)
        }
        What::Pairs { file, cut, list } => {
            pairs::story_pairs(read(file)?, *cut, &rules, config.memory, *list, args.json)
        }
        What::Languages { file, list } => {
            let items = in_order(languages::items(read(file)?));
            languages::languages_quality(&items, &rules, config.memory, *list, args.json)
        }
        What::Alerts { file, posts, list } => {
            let told = alerts::run(&in_order(read(file)?), rules, config.memory);
            if let Some(out) = posts {
                alerts::write_posts(out, &told)?;
            }
            alerts::print(&told, *list, args.json)
        }
    }
}

/// Dated items in the order they were published, others where they stand.
fn in_order(mut items: Vec<Value>) -> Vec<Value> {
    if items.iter().any(|item| published(item).is_some()) {
        items.sort_by_key(published);
    }
    items
}

/// When each item arrives: as it was published, never before the one ahead of it, and a second after that one where
/// there is no date.
fn arrivals(items: &[Value]) -> Vec<Timestamp> {
    let mut last: Option<Timestamp> = None;
    let mut arrive = |item| {
        let next = published(item).or_else(|| Some(last?.plus(Duration::from_secs(1)))).unwrap_or(START);
        *last.insert(last.map_or(next, |last| last.max(next)))
    };
    items.iter().map(&mut arrive).collect()
}

/// The story of each item, late merges applied; `None` for what has nothing to read.
fn stream(items: &[Value], rules: &Rules, memory: MemoryConfig) -> Vec<Option<StoryId>> {
    let mut ledger = Ledger::new("eval", memory);
    let bar = output::progress(items.len() as u64, "items");
    let mut found = Vec::with_capacity(items.len());
    let outlets = names_outlets(items);
    for (number, (item, now)) in items.iter().zip(arrivals(items)).enumerate() {
        let mut from = origin(item, now);
        // An article of a drop directory has no outlet but the one it names.
        from.kind = if outlets { from.kind } else { SourceKind::Seed };
        let story = take(&raw(item, number), &from, rules, &mut ledger).and_then(|d| story_of(&d, &ledger));
        found.push(story);
        bar.inc(1);
    }
    bar.finish_and_clear();
    found.into_iter().map(|story| story.map(|story| ledger.resolve(story))).collect()
}

fn take(raw: &RawItem, origin: &Origin, rules: &Rules, ledger: &mut Ledger) -> Option<Decision> {
    let prepared = prepare(raw, origin, rules).ok()?;
    Some(decide(prepared, ledger, rules, origin.received))
}

fn story_of(decision: &Decision, ledger: &Ledger) -> Option<StoryId> {
    match decision.verdict {
        Verdict::New { story, .. } | Verdict::Revision { story, .. } | Verdict::Sighting { story, .. } => Some(story),
        Verdict::Unchanged => ledger.known(decision.prepared.item.id).map(|known| known.story),
    }
}

fn quality_row(table: &mut Table, name: &str, quality: Quality) {
    let numbers = [quality.precision, quality.recall, quality.f1].map(|n| format!("{n:.3}"));
    table.row([name.to_owned()].into_iter().chain(numbers));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arrivals_follow_the_dates_however_old_and_never_go_back() {
        let dates =
            [json!("2019-05-01T10:00:00Z"), Value::Null, json!("2019-05-01T09:00:00Z"), json!("2019-05-02T00:00:00Z")];
        let items: Vec<Value> = dates.into_iter().map(|published| json!({ "published": published })).collect();
        let said: Vec<String> = arrivals(&items).iter().map(ToString::to_string).collect();
        let second = "2019-05-01T10:00:01Z";
        assert_eq!(said, ["2019-05-01T10:00:00Z", second, second, "2019-05-02T00:00:00Z"]);
    }
}
