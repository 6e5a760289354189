//! `eval duplicates`, `eval pairs` and `eval stories --pairs`: two items, and whether they are the same.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::super::labelled::{START, origin, raw};
use super::super::output::{self, Table};
use super::{CliError, Cut, quality_row, story_of, take};
use crate::eval::duplicates::PairCounts;
use crate::model::StoryId;
use crate::pipeline::classify::TopicSet;
use crate::pipeline::memory::MemoryConfig;
use crate::pipeline::{Ledger, Rules, Verdict};
use crate::text::clean;

pub(super) fn labelled_pairs(
    items: &[Value],
    found: &[Option<StoryId>],
    pairs: &[Value],
    json: bool,
) -> Result<(), CliError> {
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
            "precision": quality.precision, "recall": quality.recall, "f1": quality.f1, "counts": counts,
        }))?);
    }
    let mut table = Table::new(&["PAIRS", "PRECISION", "RECALL", "F1"]);
    quality_row(&mut table, name, quality);
    Ok(table.print("")?)
}

pub(super) fn duplicates_quality(
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
            errln!("{}: said {said}: {} | {}", pair["id"], name("a"), name("b"));
        }
    }
    print_pairs("duplicates", &counts, json)
}

/// Of pairs of one sort, how many were told right.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct PairShare {
    pairs: u32,
    right: u32,
    share: f64,
}

impl PairShare {
    fn add(&mut self, right: bool) {
        self.pairs += 1;
        self.right += u32::from(right);
        self.share = f64::from(self.right) / f64::from(self.pairs);
    }
}

/// Two items that come to an empty memory, the one `hours` after the other: one story or two?
pub(super) fn story_pairs(
    pairs: Vec<Value>,
    cut: Option<Cut>,
    rules: &Rules,
    memory: MemoryConfig,
    list: bool,
    json: bool,
) -> Result<(), CliError> {
    let mut shares: BTreeMap<String, PairShare> = BTreeMap::new();
    for mut pair in pairs {
        let truth = pair["same"].as_bool().unwrap_or_default();
        let across = pair["a"]["lang"] != pair["b"]["lang"];
        let together = are_one_story(&mut pair, cut, rules, memory);
        let kind = pair["kind"].as_str().unwrap_or("other");
        let what = match (truth, across) {
            (false, _) => "different, kept apart",
            (true, false) => "same, joined, one language",
            (true, true) => "same, joined, two languages",
        };
        shares.entry(what.to_owned()).or_default().add(together == truth);
        shares.entry(format!("  {what}: {kind}")).or_default().add(together == truth);
        if list && truth != together {
            let name = |side: &str| clean::excerpt(pair[side]["title"].as_str().unwrap_or_default(), 90);
            errln!("{}: {what} expected: {} | {}", clean::excerpt(&pair["id"].to_string(), 40), name("a"), name("b"));
        }
    }
    if json {
        return Ok(output::document(&shares)?);
    }
    let mut table = Table::new(&["PAIRS", "RIGHT", "OF", "SHARE"]);
    // Kinds are indented below what they are kinds of.
    let mut rows: Vec<(&String, &PairShare)> = shares.iter().collect();
    rows.sort_by_key(|(name, _)| (name.trim_start().split(':').next().map(str::to_owned), !name.contains(": "), *name));
    for (name, share) in rows {
        table.row([
            clean::excerpt(name, 60),
            share.right.to_string(),
            share.pairs.to_string(),
            format!("{:.3}", share.share),
        ]);
    }
    Ok(table.print("no pairs")?)
}

fn are_one_story(pair: &mut Value, cut: Option<Cut>, rules: &Rules, memory: MemoryConfig) -> bool {
    let mut ledger = Ledger::new("eval", memory);
    let later = Duration::from_secs_f64(pair["hours"].as_f64().unwrap_or(1.0).max(0.0) * 3600.0);
    let mut stories = [("a", START), ("b", START.plus(later))].into_iter().enumerate().map(|(number, (side, at))| {
        let item = &mut pair[side];
        item["published"] = Value::String(at.to_string());
        if let Some(cut) = cut {
            cut.apply(item);
        }
        let decision = take(&raw(item, number), &origin(item, at), rules, &mut ledger)?;
        story_of(&decision, &ledger)
    });
    let found = (stories.next().flatten(), stories.next().flatten());
    drop(stories);
    matches!(found, (Some(a), Some(b)) if ledger.resolve(a) == ledger.resolve(b))
}
