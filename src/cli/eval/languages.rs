//! `eval languages`: stories that hold items of several languages, and whether these report one event.

use serde_json::Value;

use super::super::labelled::raw;
use super::super::output;
use super::{CliError, arrivals, origin, story_of, take};
use crate::eval::languages::{PlacedItem, across_languages};
use crate::pipeline::memory::MemoryConfig;
use crate::pipeline::{Ledger, Rules};
use crate::text::clean;

/// Items as they are; a list of headlines is one event in as many languages, and those of one language come together.
pub(super) fn items(lines: Vec<Value>) -> Vec<Value> {
    let mut headlines: Vec<(usize, usize, String)> = Vec::new();
    let mut items = Vec::new();
    for (event, line) in lines.into_iter().enumerate() {
        match line {
            Value::Array(list) => {
                let titles = list.iter().filter_map(Value::as_str).enumerate();
                headlines.extend(titles.map(|(place, title)| (place, event, title.to_owned())));
            }
            item => items.push(item),
        }
    }
    headlines.sort();
    items.extend(headlines.into_iter().map(|(place, event, title)| {
        serde_json::json!({ "id": format!("{event}-{place}"), "title": title, "event": event.to_string(), "source": place.to_string() })
    }));
    items
}

pub(super) fn languages_quality(
    items: &[Value],
    rules: &Rules,
    memory: MemoryConfig,
    list: bool,
    json: bool,
) -> Result<(), CliError> {
    let mut ledger = Ledger::new("eval", memory);
    let bar = output::progress(items.len() as u64, "items");
    let mut placed = Vec::with_capacity(items.len());
    for (number, (item, now)) in items.iter().zip(arrivals(items)).enumerate() {
        let decision = take(&raw(item, number), &origin(item, now), rules, &mut ledger);
        placed.push(decision.and_then(|decision| {
            let event = item["event"].as_str().map(str::to_owned);
            Some(PlacedItem { lang: decision.prepared.item.lang?, story: story_of(&decision, &ledger)?, event })
        }));
        bar.inc(1);
    }
    bar.finish_and_clear();
    placed.iter_mut().flatten().for_each(|item| item.story = ledger.resolve(item.story));
    let (quality, doubtful) = across_languages(&placed);
    if list {
        let title = |at: usize| clean::excerpt(items[at]["title"].as_str().unwrap_or_default(), 90);
        for pair in &doubtful {
            let what = if pair.wrong { "two events" } else { "not labelled" };
            errln!("{what}: {} | {}", title(pair.first), title(pair.second));
        }
    }
    if json {
        return Ok(output::document(&quality)?);
    }
    outln!(
        "pairs of two languages that report one event: {}, of these in one story: {}; recall {:.3}",
        quality.same,
        quality.joined,
        quality.recall
    );
    outln!(
        "pairs in one story that report two events: {}; precision {:.3}, where both are labelled {:.3}; not labelled: {}",
        quality.wrong,
        quality.precision,
        quality.precision_labelled,
        quality.unjudged
    );
    Ok(())
}
