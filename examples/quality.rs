//! Near-duplicate and story quality on the labelled sets under `$WIREWATCH_SHARED/eval`: streams
//! them through the memory as the pipeline does and prints the scores. Skips without the sets.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use wirewatch::eval::duplicates::PairCounts;
use wirewatch::eval::stories::{b_cubed, pairwise};
use wirewatch::model::{ItemId, ItemKey, SourceId, StoryId, Timestamp};
use wirewatch::pipeline::features::Features;
use wirewatch::pipeline::memory::{Memory, MemoryConfig};
use wirewatch::text::tokens::Tokens;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(shared) = std::env::var_os("WIREWATCH_SHARED").map(PathBuf::from) else {
        println!("skipped: WIREWATCH_SHARED is not set");
        return Ok(());
    };
    duplicates(&shared)?;
    for name in ["stories-ecbplus", "stories-may2025"] {
        let mut items = read(&shared.join(format!("eval/{name}.jsonl")))?;
        items.sort_by_key(|item| item["published"].as_str().unwrap_or_default().to_owned());
        let found = stream(&items, false);
        report(name, &items, &found);
        let apart = shuffled_within(&items, 6);
        report(&format!("{name} shuffled 6 h"), &apart, &stream(&apart, false));
    }
    energy(&shared)?;
    seeds(&shared)
}

fn read(path: &Path) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    std::fs::read_to_string(path)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn features(item: &Value) -> Features {
    let (title, text) = (item["title"].as_str().unwrap_or_default(), item["text"].as_str().unwrap_or_default());
    let hours = published(item).map(|at| (at.seconds() / 3600) as i32);
    Features::of_text(title, &Tokens::of(title), text, &Tokens::of(text), hours)
}

fn published(item: &Value) -> Option<Timestamp> {
    let text = item["published"].as_str()?.replace(' ', "T");
    let text = if text.len() == 10 { format!("{text}T00:00:00") } else { text };
    let text = if text.len() == 19 { format!("{text}Z") } else { text };
    Timestamp::parse(&text).ok()
}

/// The story of each item, in order of arrival; late merges applied.
fn stream(items: &[Value], arrive_together: bool) -> Vec<StoryId> {
    let mut memory = Memory::new(MemoryConfig::default());
    let source = SourceId::new("eval").expect("a valid name");
    let mut stories: Vec<StoryId> = Vec::new();
    let mut now = Timestamp::from_seconds(1_700_000_000);
    for (number, item) in items.iter().enumerate() {
        let arrival = if arrive_together { None } else { published(item) };
        now = arrival.unwrap_or_else(|| now.plus(Duration::from_secs(1))).max(now);
        let features = features(item);
        let id = ItemId::of(&source, &ItemKey::new(&number.to_string()));
        memory.advance(now);
        if let Some(copy) = memory.nearest(&features) {
            stories.push(copy.story);
            continue;
        }
        let placement = memory.place(id, &features);
        memory.insert(id, placement.story(), &features, now);
        if let Some(gone) = placement.merged {
            memory.merge(placement.story(), gone);
            stories.iter_mut().filter(|s| **s == gone).for_each(|s| *s = placement.story());
        }
        stories.push(placement.story());
    }
    stories
}

fn report(name: &str, items: &[Value], found: &[StoryId]) {
    let labelled: Vec<(&str, StoryId)> =
        items.iter().zip(found).filter_map(|(item, story)| Some((item["cluster"].as_str()?, *story))).collect();
    let (b, p) = (b_cubed(&labelled), pairwise(&labelled));
    let mut sizes: HashMap<StoryId, usize> = HashMap::new();
    for story in found {
        *sizes.entry(*story).or_default() += 1;
    }
    println!(
        "{name}: B-cubed {:.3} (P {:.3} R {:.3}); pairwise {:.3} (P {:.3} R {:.3}); {} stories, largest {}",
        b.f1,
        b.precision,
        b.recall,
        p.f1,
        p.precision,
        p.recall,
        sizes.len(),
        sizes.values().max().unwrap_or(&0)
    );
}

/// Dated items in an order where each arrives up to so many hours late.
fn shuffled_within(items: &[Value], hours: u64) -> Vec<Value> {
    let mut state = 7u64;
    let mut keyed: Vec<(i64, Value)> = Vec::new();
    for (number, item) in items.iter().enumerate() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let late = (state >> 33) % (hours * 3600);
        // Undated items: an arrival a minute.
        let at = published(item).map_or((number.cast_signed() as i64).saturating_mul(60), Timestamp::seconds);
        keyed.push((at + late.cast_signed(), item.clone()));
    }
    keyed.sort_by_key(|(at, _)| *at);
    keyed.into_iter().map(|(_, item)| item).collect()
}

fn duplicates(shared: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut counts = PairCounts::default();
    for pair in read(&shared.join("eval/duplicates.jsonl"))? {
        let [a, b] = ["a", "b"].map(|side| features(&pair[side]));
        let source = SourceId::new("eval")?;
        let now = Timestamp::from_seconds(1_700_000_000);
        let mut said = Vec::new();
        for (first, second) in [(&a, &b), (&b, &a)] {
            let mut memory = Memory::new(MemoryConfig::default());
            let id = ItemId::of(&source, &ItemKey::new("first"));
            memory.insert(id, StoryId::opened_by(id), first, now);
            said.push(memory.nearest(second).is_some());
        }
        let truth = pair["duplicate"].as_bool().unwrap_or_default();
        counts.add(truth, said[0]);
        if truth != said[0] || said[0] != said[1] {
            println!("  pair {} ({}): said {said:?}", pair["id"], pair["label"]);
        }
    }
    let quality = counts.quality();
    println!("duplicates: F1 {:.3} (P {:.3} R {:.3}) {counts:?}", quality.f1, quality.precision, quality.recall);
    Ok(())
}

fn energy(shared: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let items = read(&shared.join("eval/stories-energy-articles.jsonl"))?;
    let found = stream(&items, false);
    let story: HashMap<&str, StoryId> = items.iter().filter_map(|i| i["id"].as_str()).zip(found).collect();
    let mut counts = PairCounts::default();
    for pair in read(&shared.join("eval/stories-energy-pairs.jsonl"))? {
        let together = story[pair["a"].as_str().unwrap_or_default()] == story[pair["b"].as_str().unwrap_or_default()];
        counts.add(pair["same_story"].as_bool().unwrap_or_default(), together);
    }
    let quality = counts.quality();
    println!("energy pairs: F1 {:.3} (P {:.3} R {:.3}) {counts:?}", quality.f1, quality.precision, quality.recall);
    Ok(())
}

/// The five seed articles in all 120 orders. Their heads are read more simply than by the real reader.
fn seeds(shared: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut items = Vec::new();
    for entry in std::fs::read_dir(shared.join("seeds"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "txt") {
            let raw = std::fs::read_to_string(&path)?;
            let mut text = raw.trim();
            let mut date = None;
            if let Some(rest) = text.strip_prefix("date ") {
                date = rest.get(..10);
                text = rest.get(10..).unwrap_or_default().trim();
            }
            let (mut title, mut body) = ("", text);
            if let Some((line, rest)) = text.split_once('\n').filter(|(line, _)| line.split_whitespace().count() < 20) {
                (title, body) = (line, rest);
            }
            let name = path.file_stem().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
            items.push((name, serde_json::json!({"title": title, "text": body, "published": date})));
        }
    }
    items.sort_by(|a, b| a.0.cmp(&b.0));
    let truth = ["a", "b", "b", "a", "c"];
    let mut right = 0;
    let mut wrong: HashMap<String, u32> = HashMap::new();
    for order in orders(&[0, 1, 2, 3, 4]) {
        let stream_items: Vec<Value> = order.iter().map(|i| items[*i].1.clone()).collect();
        let found = stream(&stream_items, true);
        let mut faults = Vec::new();
        for a in 0..5 {
            for b in 0..a {
                if (found[a] == found[b]) != (truth[order[a]] == truth[order[b]]) {
                    faults.push(format!("{}{}", order[a].min(order[b]), order[a].max(order[b])));
                }
            }
        }
        right += u32::from(faults.is_empty());
        for fault in faults {
            *wrong.entry(fault).or_default() += 1;
        }
    }
    println!("seeds: {right} of 120 orders right; wrong pairs {wrong:?}");
    Ok(())
}

fn orders(items: &[usize]) -> Vec<Vec<usize>> {
    if items.len() <= 1 {
        return vec![items.to_vec()];
    }
    let mut all = Vec::new();
    for (i, first) in items.iter().enumerate() {
        let rest: Vec<usize> = items.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, x)| *x).collect();
        all.extend(orders(&rest).into_iter().map(|mut tail| {
            tail.insert(0, *first);
            tail
        }));
    }
    all
}
