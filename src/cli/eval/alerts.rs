//! `eval alerts`: a labelled stream through the pipeline as the daemon runs it, and what one endpoint with the
//! defaults is told of it. The clock is moved by the dates of the items.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::super::error::IO;
use super::super::labelled::{origin, raw};
use super::super::output::{self, Table};
use super::{CliError, arrivals, take};
use crate::eval::alerts::{AlertJudge, AlertQuality, LabelledEvent, Post, PostVerdict};
use crate::model::{EndpointId, SourceId, Timestamp};
use crate::pipeline::alert::Route;
use crate::pipeline::memory::MemoryConfig;
use crate::pipeline::{Decision, Ledger, Rules};
use crate::text::clean;

/// What a source brings within this time of its first item is its baseline.
const BASELINE: Duration = Duration::from_secs(3600);

/// What was told, and how good that was.
pub(super) struct Told {
    posts: Vec<Post>,
    quality: AlertQuality,
}

/// Runs the stream.
pub(super) fn run(items: &[Value], mut rules: Rules, memory: MemoryConfig) -> Told {
    rules.alert.routes = vec![Route::everything(EndpointId::new("eval").expect("invariant: a valid name"))];
    let mut ledger = Ledger::new("eval", memory);
    let mut judge = AlertJudge::default();
    let mut posts: Vec<Post> = Vec::new();
    let mut starts: HashMap<SourceId, Timestamp> = HashMap::new();
    let bar = output::progress(items.len() as u64, "items");
    for (number, (item, now)) in items.iter().zip(arrivals(items)).enumerate() {
        bar.inc(1);
        let event = labelled_event(item);
        if let Some(event) = &event {
            judge.note(event, now);
        }
        let (mut raw, origin) = (raw(item, number), origin(item, now));
        let start = *starts.entry(origin.source.clone()).or_insert(now);
        raw.quiet = now < start.plus(BASELINE);
        if let Some(decision) = take(&raw, &origin, &rules, &mut ledger) {
            posts.extend(posts_of(&decision, item, event.as_ref(), &mut judge));
        }
    }
    bar.finish_and_clear();
    let quality = judge.quality(&posts);
    Told { posts, quality }
}

fn labelled_event(item: &Value) -> Option<LabelledEvent> {
    let event = item["event"].as_str()?.to_owned();
    Some(LabelledEvent { event, wanted: item["wanted"].as_bool().unwrap_or_default() })
}

/// What a decision makes the endpoint hear: an alert names every topic that is told with it.
fn posts_of(decision: &Decision, item: &Value, event: Option<&LabelledEvent>, judge: &mut AlertJudge) -> Vec<Post> {
    let heard = decision.alerts.iter().flat_map(|alert| alert.endpoints.iter().map(move |to| (alert, to)));
    heard
        .map(|(alert, to)| Post {
            time: alert.draft.at,
            kind: alert.draft.kind.as_str(),
            reason: alert.draft.reason.as_str(),
            endpoint: to.endpoint.to_string(),
            topics: alert.draft.topics.iter().map(|topic| topic.matched.topic.to_string()).collect(),
            severity: alert.draft.severity,
            story: alert.draft.story.id.to_string(),
            item: clean::excerpt(item["id"].as_str().unwrap_or_default(), 80),
            title: clean::excerpt(item["title"].as_str().unwrap_or_default(), 120),
            event: event.map(|event| event.event.clone()),
            verdict: judge.judge(event),
        })
        .collect()
}

pub(super) fn write_posts(out: &Path, told: &Told) -> Result<(), CliError> {
    let fail = |e: io::Error| CliError::new(IO, format!("write {}: {e}", out.display()));
    let mut file = BufWriter::new(File::create(out).map_err(fail)?);
    for post in &told.posts {
        serde_json::to_writer(&mut file, post).map_err(|e| fail(e.into()))?;
        writeln!(file).map_err(fail)?;
    }
    file.flush().map_err(fail)
}

pub(super) fn print(told: &Told, list: bool, json: bool) -> Result<(), CliError> {
    let quality = &told.quality;
    if list {
        for post in told.posts.iter().filter(|post| post.verdict != PostVerdict::Useful) {
            let event = post.event.as_deref().unwrap_or("no event");
            eprintln!(
                "{:?}: {} {} ({}): {}",
                post.verdict,
                post.item,
                post.reason,
                clean::excerpt(event, 60),
                post.title
            );
        }
        for event in &quality.missed {
            eprintln!("missed: {}", clean::excerpt(event, 80));
        }
    }
    if json {
        return Ok(output::document(quality)?);
    }
    println!(
        "{} of {} wanted events told; {} alerts, {:.2} for each event told",
        quality.events_told, quality.events_wanted, quality.posts, quality.alerts_per_told_event
    );
    println!("recall {:.3}, precision {:.3}", quality.recall, quality.precision);
    if let (Some(median), Some(p90)) = (quality.delay_median_s, quality.delay_p90_s) {
        println!("told after {} min (median), {} min (nine of ten)", median / 60, p90 / 60);
    }
    let mut table = Table::new(&["REASON", "ALERTS", "USEFUL", "REPEAT", "UNWANTED", "NOISE"]);
    let reasons: BTreeSet<&str> = told.posts.iter().map(|post| post.reason).collect();
    for reason in reasons {
        let count = |verdict: Option<PostVerdict>| {
            let of_reason = told.posts.iter().filter(|post| post.reason == reason);
            of_reason.filter(|post| verdict.is_none_or(|verdict| post.verdict == verdict)).count().to_string()
        };
        use PostVerdict::{Noise, Repeat, Unwanted, Useful};
        let counts = [None, Some(Useful), Some(Repeat), Some(Unwanted), Some(Noise)].map(count);
        table.row([reason.to_owned()].into_iter().chain(counts));
    }
    table.print("no alerts")?;
    let shares: Vec<String> =
        quality.severities.iter().map(|(severity, share)| format!("{severity} {:.1} %", share * 100.0)).collect();
    println!("{}", shares.join(", "));
    Ok(())
}
