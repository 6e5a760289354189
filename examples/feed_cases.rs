//! Puts small documents that people met in the wild through the real readers and says what was read:
//! `WIREWATCH_SHARED=DIR cargo run --example feed_cases [--all] [ID…]` reads `DIR/cases/feeds`. Where the expectation
//! names a number of items, or a refusal, it is compared; the rest is for the eye, as are those with `--all`.

use std::path::{Path, PathBuf};

use serde_json::Value;
use wirewatch::model::{RawItem, RawText, Rejection, Timestamp};
use wirewatch::source::feed::reading::parse::parse as parse_feed;
use wirewatch::source::feed::{FeedContext, IdentifiedBy};
use wirewatch::source::seed::{self, DEFAULT_MAIL_RULES, FileContext};
use wirewatch::source::{Limits, ParsedDocument};

/// 2026-11-28, noon.
const NOW: Timestamp = Timestamp::from_seconds(1_795_867_200);

const NUMBERS: [&str; 9] = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shared = std::env::var("WIREWATCH_SHARED").map_err(|_| "set WIREWATCH_SHARED to where the cases are")?;
    let folder = PathBuf::from(shared).join("cases/feeds");
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let (all, ids) = (asked.iter().any(|a| a == "--all"), asked.iter().filter(|a| *a != "--all").collect::<Vec<_>>());
    let (mut agree, mut differ, mut looked_at) = (0, 0, 0);
    for line in std::fs::read_to_string(folder.join("cases.jsonl"))?.lines() {
        let case: Value = serde_json::from_str(line)?;
        let id = case["id"].as_str().unwrap_or_default();
        if case["kind"] != "parse" || !(ids.is_empty() || ids.iter().any(|asked| id.starts_with(asked.as_str()))) {
            continue;
        }
        let expect = case["expect"].as_str().unwrap_or_default();
        for file in case["files"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let read = read(&folder, file);
            let verdict = verdict(expect, &read);
            match verdict {
                Some(true) => agree += 1,
                Some(false) => differ += 1,
                None => looked_at += 1,
            }
            if all || !ids.is_empty() || verdict == Some(false) {
                let word = verdict.map_or("see   ", |agrees| if agrees { "agree " } else { "DIFFER" });
                println!("{word} {id} ({file}): {expect}");
                show(&read);
            }
        }
    }
    println!("{agree} agree, {differ} differ, {looked_at} have an expectation in words only");
    if differ > 0 { Err("some were not read as expected".into()) } else { Ok(()) }
}

fn read(folder: &Path, file: &str) -> Result<ParsedDocument, Rejection> {
    let bytes = std::fs::read(folder.join(file)).unwrap_or_default();
    let limits = &Limits::SHIPPED;
    if file.starts_with('p') {
        let (content_type, trust, received) = (None, IdentifiedBy::Guid, NOW);
        return parse_feed(&bytes, &FeedContext { base_url: None, content_type, trust, limits, received });
    }
    let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
    seed::parse(&bytes, &FileContext { name: &name, modified: NOW, received: NOW, limits, mail: &DEFAULT_MAIL_RULES })
}

/// Whether what was read is what is expected; `None` where that is told in words only.
fn verdict(expect: &str, read: &Result<ParsedDocument, Rejection>) -> Option<bool> {
    let refusal = expect.contains("refused") || expect.contains("refuse");
    let Ok(document) = read else { return refusal.then_some(true) };
    let words: Vec<&str> = expect.split([' ', ',', ':', ';']).collect();
    let number = words.windows(2).find_map(|pair| {
        let named = NUMBERS.iter().position(|number| *number == pair[0]).or_else(|| pair[0].parse().ok());
        named.filter(|_| pair[1].starts_with("item"))
    });
    number
        .map(|number| number == document.items.len())
        .or_else(|| (refusal && document.items.is_empty()).then_some(false))
}

fn show(read: &Result<ParsedDocument, Rejection>) {
    match read {
        Err(rejection) => println!("       refused ({}): {}", rejection.reason, rejection.detail),
        Ok(document) => {
            println!("       {} in {}, {} items", document.format.as_str(), document.encoding, document.items.len());
            document.items.iter().take(6).for_each(show_item);
            for rejection in &document.rejected {
                println!("       not taken: {} × {}: {}", rejection.count, rejection.reason, rejection.detail);
            }
            for warning in &document.warnings {
                println!("       warning: {warning}");
            }
        }
    }
}

fn show_item(item: &RawItem) {
    let short = |text: &Option<RawText>| {
        text.as_ref().map_or("-".to_owned(), |t| t.text.chars().take(400).collect::<String>().replace('\n', " / "))
    };
    let date = item.published.map(|date| format!("{} {}", date.at, date.certainty.as_str())).unwrap_or_default();
    println!("       * {} | {} | {date}", short(&item.title), item.url.as_deref().unwrap_or("-"));
    let (author, outlet) = (item.author.as_deref().unwrap_or("-"), item.publisher.as_deref().unwrap_or("-"));
    println!("         by {author}, {outlet}; key {}; {:?}; tags {:?}", item.key.as_str(), item.lang, item.tags);
    println!("         {} || {}", short(&item.summary), short(&item.content));
}
