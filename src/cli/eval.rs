//! `eval`: how well topics, stories and duplicates are told, on labelled data, by the very pipeline the
//! daemon runs, with this config's rules and a throw-away memory.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::error::IO;
use super::labelled::{START, origin, published, raw, read};
use super::output::{self, Table};
use super::{CliError, Context, labelled};
use crate::eval::Quality;
use crate::eval::duplicates::PairCounts;
use crate::eval::stories::{b_cubed, pairwise};
use crate::model::{Origin, RawItem, StoryId, TopicId};
use crate::pipeline::classify::TopicSet;
use crate::pipeline::classify::quality::{Borderline, Judged, TopicsQuality, judge};
use crate::pipeline::memory::MemoryConfig;
use crate::pipeline::{Decision, Ledger, Rules, Verdict, decide, prepare};
use crate::text::clean;

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
            topics_quality(&read(file)?, &rules, &topics, how, *list, args.json)
        }
        What::Stories { file, assignments, pairs } => {
            let items = in_order(read(file)?);
            let found = stream(&items, &rules, config.memory);
            if let Some(out) = assignments {
                write_assignments(out, &items, &found)?;
            }
            match pairs {
                Some(pairs) => pairs_quality(&items, &found, &read(pairs)?, args.json),
                None => stories_quality(&items, &found, args.json),
            }
        }
        What::Duplicates { file, list } => duplicates_quality(&read(file)?, &rules, config.memory, *list, args.json),
    }
}

/// Dated items in the order they were published, others where they stand.
fn in_order(mut items: Vec<Value>) -> Vec<Value> {
    if items.iter().any(|item| published(item).is_some()) {
        items.sort_by_key(published);
    }
    items
}

/// The story of each item, late merges applied; `None` for what has nothing to read.
fn stream(items: &[Value], rules: &Rules, memory: MemoryConfig) -> Vec<Option<StoryId>> {
    let mut ledger = Ledger::new("eval", memory);
    let bar = output::progress(items.len() as u64, "items");
    let mut now = START;
    let mut found = Vec::with_capacity(items.len());
    for (number, item) in items.iter().enumerate() {
        now = published(item).unwrap_or_else(|| now.plus(Duration::from_secs(1))).max(now);
        let story =
            take(&raw(item, number), &origin(item, now), rules, &mut ledger).and_then(|d| story_of(&d, &ledger));
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

fn write_assignments(out: &Path, items: &[Value], found: &[Option<StoryId>]) -> Result<(), CliError> {
    let fail = |e: io::Error| CliError::new(IO, format!("write {}: {e}", out.display()));
    let mut file = BufWriter::new(File::create(out).map_err(fail)?);
    for (item, story) in items.iter().zip(found) {
        writeln!(file, "{}", serde_json::json!({ "id": item["id"], "cluster": story })).map_err(fail)?;
    }
    file.flush().map_err(fail)
}

fn stories_quality(items: &[Value], found: &[Option<StoryId>], json: bool) -> Result<(), CliError> {
    // An item without a story stands alone.
    let nobody = |number: usize| format!("none {number}");
    let labelled: Vec<(String, String)> = items
        .iter()
        .zip(found)
        .enumerate()
        .filter_map(|(number, (item, story))| {
            let cluster = match &item["cluster"] {
                Value::Null => return None,
                Value::String(cluster) => cluster.clone(),
                other => other.to_string(),
            };
            Some((cluster, story.map_or_else(|| nobody(number), |story| story.to_string())))
        })
        .collect();
    let borrowed: Vec<(&str, &str)> = labelled.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let (b, p) = (b_cubed(&borrowed), pairwise(&borrowed));
    let mut sizes: HashMap<StoryId, usize> = HashMap::new();
    found.iter().flatten().for_each(|story| *sizes.entry(*story).or_default() += 1);
    let largest = sizes.values().max().copied().unwrap_or(0);
    if json {
        return Ok(output::document(&serde_json::json!({
            "items": items.len(), "labelled": borrowed.len(), "stories": sizes.len(), "largest": largest,
            "b_cubed": b, "pairwise": p,
        }))?);
    }
    let mut table = Table::new(&["MEASURE", "PRECISION", "RECALL", "F1"]);
    quality_row(&mut table, "B-cubed", b);
    quality_row(&mut table, "pairwise", p);
    table.print("")?;
    println!("{} items, {} labelled, {} stories, the largest of {largest}", items.len(), borrowed.len(), sizes.len());
    Ok(())
}

fn quality_row(table: &mut Table, name: &str, quality: Quality) {
    let numbers = [quality.precision, quality.recall, quality.f1].map(|n| format!("{n:.3}"));
    table.row([name.to_owned()].into_iter().chain(numbers));
}

fn pairs_quality(items: &[Value], found: &[Option<StoryId>], pairs: &[Value], json: bool) -> Result<(), CliError> {
    let story: HashMap<&str, StoryId> =
        items.iter().zip(found).filter_map(|(item, story)| Some((item["id"].as_str()?, (*story)?))).collect();
    let mut counts = PairCounts::default();
    for pair in pairs {
        let side = |name: &str| pair[name].as_str().and_then(|id| story.get(id));
        let together = side("a").is_some() && side("a") == side("b");
        counts.add(pair["same_story"].as_bool().unwrap_or_default(), together);
    }
    print_pairs("same story", &counts, json)
}

fn print_pairs(name: &str, counts: &PairCounts, json: bool) -> Result<(), CliError> {
    let quality = counts.quality();
    if json {
        return Ok(output::document(&serde_json::json!({
            "precision": quality.precision, "recall": quality.recall, "f1": quality.f1,
        }))?);
    }
    let mut table = Table::new(&["PAIRS", "PRECISION", "RECALL", "F1"]);
    quality_row(&mut table, name, quality);
    Ok(table.print("")?)
}

fn duplicates_quality(
    pairs: &[Value],
    rules: &Rules,
    memory: MemoryConfig,
    list: bool,
    json: bool,
) -> Result<(), CliError> {
    // Whether two texts are the same does not depend on what they are about.
    let plain = Rules {
        normalize: rules.normalize.clone(),
        ..Rules::of_topics(TopicSet::compile(&[], &[]).expect("invariant: no topics, no problems"))
    };
    let mut counts = PairCounts::default();
    for pair in pairs {
        let mut ledger = Ledger::new("eval", memory);
        let _ = take(&raw(&pair["a"], 1), &origin(&pair["a"], START), &plain, &mut ledger);
        let later = START.plus(Duration::from_secs(60));
        let second = take(&raw(&pair["b"], 2), &origin(&pair["b"], later), &plain, &mut ledger);
        let said = second.is_some_and(|d| matches!(d.verdict, Verdict::Sighting { .. } | Verdict::Unchanged));
        let truth = pair["duplicate"].as_bool().unwrap_or_default();
        counts.add(truth, said);
        if list && truth != said {
            let name = |side: &str| clean::excerpt(pair[side]["title"].as_str().unwrap_or_default(), 70);
            eprintln!("{}: said {said}: {} | {}", pair["id"], name("a"), name("b"));
        }
    }
    print_pairs("duplicates", &counts, json)
}

fn topics_quality(
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
