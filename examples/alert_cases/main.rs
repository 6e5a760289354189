//! Puts situations that people met with alerts through the real decision, folding and routing, and says who heard what:
//! `WIREWATCH_SHARED=DIR cargo run --example alert_cases [--all] [--at-once] [--floor N] [ID…]` reads
//! `DIR/cases/alerts`. The clock is moved by the dates of the items; with `--at-once` everything comes within minutes.
//! Where a case names events, or says who must hear, the two are compared; the rest is for the eye.

mod routing;
mod town;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use wirewatch::model::Timestamp;

use town::{Heard, Town};

/// An event is told by an alert for any of these reasons; told again by another of them.
const TELLING: [&str; 7] = ["first", "topic", "severity", "development", "revision", "correction", "withdrawal"];
/// Correcting an alert is no repeat of it.
const CORRECTING: [&str; 3] = ["revision", "correction", "withdrawal"];

/// What became of a case.
enum CaseVerdict {
    Agrees,
    Differs(String),
    /// The expectation is told in words only.
    InWords,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shared = std::env::var("WIREWATCH_SHARED").map_err(|_| "set WIREWATCH_SHARED to where the cases are")?;
    let folder = PathBuf::from(shared).join("cases/alerts");
    let mut asked: Vec<String> = std::env::args().skip(1).collect();
    let mut flag = |name: &str| asked.iter().position(|a| a == name).map(|at| asked.remove(at)).is_some();
    let (all, at_once) = (flag("--all"), flag("--at-once"));
    let floor: usize = match asked.iter().position(|a| a == "--floor") {
        Some(at) => asked.drain(at..(at + 2).min(asked.len())).nth(1).unwrap_or_default().parse()?,
        None => 0,
    };
    let config = town::config(&folder)?;
    let (mut agree, mut differ, mut in_words) = (0, 0, 0);
    for line in std::fs::read_to_string(folder.join("cases.jsonl"))?.lines() {
        let case: Value = serde_json::from_str(line)?;
        let id = case["id"].as_str().unwrap_or_default();
        if !(asked.is_empty() || asked.iter().any(|asked| asked == id)) {
            continue;
        }
        let (verdict, heard) = match events(&case) {
            Some(events) => tell_events(&folder, &case, &events, &config, at_once)?,
            None => routing::try_case(&folder, id, &config)?,
        };
        let (word, why) = match verdict {
            CaseVerdict::Agrees => ("agree ", String::new()),
            CaseVerdict::Differs(why) => ("DIFFER", why),
            CaseVerdict::InWords => ("see   ", String::new()),
        };
        match word {
            "agree " => agree += 1,
            "DIFFER" => differ += 1,
            _ => in_words += 1,
        }
        if all || !asked.is_empty() || word == "DIFFER" {
            println!("{word} {id} ({}): {} {}", text(&case, "kind"), text(&case, "situation"), text(&case, "expect"));
            if !why.is_empty() {
                println!("       {why}");
            }
            heard.iter().filter(|_| word != "see   ").for_each(|heard| println!("       * {heard}"));
        }
    }
    println!("{agree} agree, {differ} differ, {in_words} have an expectation in words only");
    if agree < floor { Err(format!("fewer than {floor} agree").into()) } else { Ok(()) }
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_default()
}

fn files(case: &Value) -> impl Iterator<Item = &str> {
    case["files"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The event that each file reports, where a case says so; where every file is an alert of its own, each is one.
fn events(case: &Value) -> Option<BTreeMap<String, Option<String>>> {
    if matches!(text(case, "id"), "chain" | "longrun-tankers") {
        return Some(files(case).map(|file| (file.to_owned(), Some(file.to_owned()))).collect());
    }
    let events = case["events"].as_object()?;
    Some(events.iter().map(|(file, event)| (file.clone(), event.as_str().map(str::to_owned))).collect())
}

/// Whether each event is told, and none twice.
fn tell_events(
    folder: &Path,
    case: &Value,
    events: &BTreeMap<String, Option<String>>,
    config: &wirewatch::config::Config,
    at_once: bool,
) -> Result<(CaseVerdict, Vec<Heard>), Box<dyn std::error::Error>> {
    let mut town = Town::new(config)?;
    for (number, file) in (0_u64..).zip(files(case)) {
        town.drop(&folder.join(file), file, at_once.then(|| START.plus(Duration::from_secs(60 * number))))?;
    }
    let heard = town.end();
    let event = |heard: &Heard| events.get(&heard.file).cloned().flatten();
    let mut complaints = Vec::new();
    let mut wanted: Vec<&String> = events.values().flatten().collect();
    wanted.sort();
    wanted.dedup();
    for wanted in wanted {
        let of_it = heard.iter().filter(|heard| event(heard).as_ref() == Some(wanted));
        let telling: Vec<&Heard> = of_it.filter(|heard| TELLING.contains(&heard.reason.as_str())).collect();
        let anew = telling.iter().filter(|heard| !CORRECTING.contains(&heard.reason.as_str())).count();
        if telling.is_empty() {
            complaints.push(format!("never told: {wanted}"));
        } else if anew > 1 {
            complaints.push(format!("told {anew} times: {wanted}"));
        }
    }
    let verdict = if complaints.is_empty() { CaseVerdict::Agrees } else { CaseVerdict::Differs(complaints.join("; ")) };
    Ok((verdict, heard))
}

/// When the first item comes, where everything comes at once: 2026-11-28, noon.
const START: Timestamp = Timestamp::from_seconds(1_795_867_200);
