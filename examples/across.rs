//! Evidence that items of different languages report one event, as numbers to fit on: `cargo run --release
//! --example across -- pairs|headlines|stream FILE` prints, for each pair of items of two languages, its
//! group, whether it is one event, whether something tells the two apart, and the views of
//! `pipeline::facts::kinship`.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use serde_json::Value;
use wirewatch::model::Lang;
use wirewatch::pipeline::facts::kinship::{kinship, prior_idf};
use wirewatch::pipeline::facts::{Fact, ItemFacts, KnownNames, Separation, differences, read};
use wirewatch::text::tokens::Tokens;

struct Told {
    event: Option<String>,
    lang: String,
    title: String,
    hour: f32,
    facts: ItemFacts,
}

fn told(event: Option<String>, lang: &str, title: &str, text: &str, hour: f32) -> Told {
    let names = KnownNames::default();
    let facts = read(title, &Tokens::of(title), text, &Tokens::of(text), Lang::from_tag(lang), &names);
    Told { event, lang: lang.to_owned(), title: title.to_owned(), hour, facts }
}

/// Hours since the year 2000, near enough, from an RFC 3339 time.
fn hour(time: &str) -> f32 {
    let number = |range: std::ops::Range<usize>| time.get(range).and_then(|t| t.parse::<f32>().ok()).unwrap_or(0.0);
    ((number(0..4) - 2000.0) * 372.0 + number(5..7) * 31.0 + number(8..10)) * 24.0 + number(11..13)
}

fn items(kind: &str, path: &str) -> Vec<Told> {
    let text = std::fs::read_to_string(path).expect("the file reads");
    let str_of = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    match kind {
        "pairs" => text
            .lines()
            .flat_map(|line| {
                let pair: Value = serde_json::from_str(line).expect("a pair");
                ["a", "b"].map(|side| {
                    let event =
                        if pair["same"] == true { str_of(&pair, "id") } else { format!("{}{side}", pair["id"]) };
                    let item = &pair[side];
                    told(Some(event), &str_of(item, "lang"), &str_of(item, "title"), &str_of(item, "text"), 0.0)
                })
            })
            .collect(),
        "headlines" => {
            let events: Vec<Vec<String>> = serde_json::from_str(&text).expect("lists of headlines");
            let langs = ["en", "de", "fr", "es", "ru", "uk"];
            let each = |(at, titles): (usize, &Vec<String>)| {
                titles
                    .iter()
                    .zip(langs)
                    .map(|(title, lang)| told(Some(at.to_string()), lang, title, "", 0.0))
                    .collect::<Vec<_>>()
            };
            events.iter().enumerate().flat_map(each).collect()
        }
        _ => text
            .lines()
            .map(|line| {
                let item: Value = serde_json::from_str(line).expect("an item");
                let event = item["event"].as_str().map(str::to_owned);
                let published = hour(item["published"].as_str().unwrap_or_default());
                told(event, &str_of(&item, "lang"), &str_of(&item, "title"), &str_of(&item, "text"), published)
            })
            .collect(),
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (kind, path) = (args.next().expect("pairs, headlines or stream"), args.next().expect("a file"));
    let items = items(&kind, &path);
    let mut counts: HashMap<u32, usize> = HashMap::new();
    for item in &items {
        let keys: HashSet<u32> = item.facts.keys().collect();
        for key in keys {
            *counts.entry(key).or_default() += 1;
        }
    }
    let total = items.len() as f32;
    let idf = |fact: Fact| {
        let prior = prior_idf(fact);
        let Some(key) = fact.key().filter(|_| prior > 0.0) else { return prior };
        let count = counts.get(&key).copied().unwrap_or(0) as f32;
        prior.min(-((count + 1500.0 * (-prior).exp()) / (total + 1500.0)).ln()).max(0.0)
    };
    let mut out = String::new();
    for (at, a) in items.iter().enumerate() {
        for b in &items[at + 1..] {
            let hours = (a.hour - b.hour).abs();
            if a.lang == b.lang
                || hours > 72.0
                || (kind == "stream" && a.facts.keys().all(|key| b.facts.keys().all(|k| k != key)))
            {
                continue;
            }
            let kin = kinship(&a.facts, &b.facts, hours, idf);
            // Of what shares nearly nothing there is no end.
            if kin.views[0] < 0.5 && kind == "stream" {
                continue;
            }
            let same = a.event.is_some() && a.event == b.event;
            let clear: Vec<String> = differences(&a.facts, &b.facts)
                .iter()
                .filter(|d| d.separation == Separation::Clear)
                .map(|d| d.aspect.as_str().to_owned())
                .collect();
            let crowd =
                kin.shared.iter().filter_map(|f| f.key()).map(|key| counts.get(&key).copied().unwrap_or(0)).min();
            let views: Vec<String> = kin.views.iter().map(|v| format!("{v:.3}")).collect();
            let group = format!("{}/{}", a.event.as_deref().unwrap_or(""), b.event.as_deref().unwrap_or(""));
            let _ = writeln!(
                out,
                "{group}\t{}\t{}\t{}\t{}\t{} | {}",
                u8::from(same),
                clear.join(","),
                views.join(" "),
                crowd.unwrap_or(0),
                a.title,
                b.title
            );
        }
    }
    print!("{out}");
}
