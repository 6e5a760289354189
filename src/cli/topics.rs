//! `topics`: how each topic of the config does, and its rules as they were read.

use clap::{Args, Subcommand};

use super::output::{self, Output, Table};
use super::{CliError, Context};
use crate::pipeline::classify::TopicConfig;
use crate::store::{Access, Store, StoreError};
use crate::text::{clean, counted};
use crate::view::{TopicLine, TopicShown};

/// Shows how each topic does: what hit it and what it raised in the last 28 days; the rules of one.
#[derive(Debug, Args)]
pub struct TopicsArgs {
    #[command(subcommand)]
    verb: Option<TopicsVerb>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum TopicsVerb {
    /// Lists them.
    List,
    /// Shows one with its rules.
    Show {
        /// Its id in the config.
        id: String,
    },
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when the config has no such topic, or the store cannot be read.
pub fn run(args: &TopicsArgs, context: &Context) -> Result<(), CliError> {
    let (config, _) = context.load_to_look()?;
    // Before the first run nothing has hit anything.
    let store = match Store::open(&config.daemon.state_dir, Access::Read) {
        Ok(store) => Some(store),
        Err(StoreError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let (topics, now, out) = (&config.topics, context.clock.now(), Output::of(args.json));
    match &args.verb {
        None | Some(TopicsVerb::List) => list(&TopicLine::all(topics, store.as_ref(), now)?, out),
        Some(TopicsVerb::Show { id }) => {
            let found = TopicShown::find(id, topics, store.as_ref(), now)?;
            show(&found.ok_or_else(|| unknown(id, topics))?, out)
        }
    }
}

fn unknown(id: &str, topics: &[TopicConfig]) -> CliError {
    let known: Vec<&str> = topics.iter().map(|topic| topic.id.as_str()).collect();
    CliError::data(format!("find topic {id}: the config has none of this name, or it is off"))
        .hint(format!("it has: {}", known.join(", ")))
}

fn list(lines: &[TopicLine], out: Output) -> Result<(), CliError> {
    if out == Output::Json {
        return Ok(output::lines(lines)?);
    }
    let mut table =
        Table::new(&["TOPIC", "SEVERITY", "NEEDS", "RULES", "HITS, 28 D", "ALERTS", "SILENCED", "RIGHT", "NAME"]);
    for line in lines {
        let (hits, rules) = (at_least(line, line.hits), line.rules.to_string());
        let (id, severity, label) = (line.id.clone(), line.severity.clone(), line.label.clone());
        let silenced = if line.silenced > 0 { stories_at_least(line, line.silenced) } else { String::new() };
        let right = line.precision_percent.map(|percent| format!("{percent} %")).unwrap_or_default();
        let (needs, alerts) = (line.threshold.to_string(), line.alerts.to_string());
        table.row([id, severity, needs, rules, hits, alerts, silenced, right, label]);
    }
    Ok(table.print("no topic is on: `enabled = true` in its file switches one on")?)
}

/// A count among the newest items, where those do not reach back so far.
fn at_least(line: &TopicLine, count: u64) -> String {
    if line.days_whole { count.to_string() } else { format!("≥ {count}") }
}

/// A count among the newest alerts, likewise.
fn stories_at_least(line: &TopicLine, count: u64) -> String {
    if line.stories_whole { count.to_string() } else { format!("≥ {count}") }
}

fn show(topic: &TopicShown, out: Output) -> Result<(), CliError> {
    if out == Output::Json {
        return Ok(output::document(topic)?);
    }
    let line = &topic.line;
    let bands = topic.severity_bands.iter().map(|band| format!(", {} from {}", band.severity, band.score));
    outln!("{}: {}", line.id, clean::one_line(&line.label));
    outln!("  {} from {} points{}", line.severity, line.threshold, bands.collect::<String>());
    for (what, only) in [("languages", &topic.languages), ("sources", &topic.sources)] {
        if !only.is_empty() {
            outln!("  only {what}: {}", only.join(", "));
        }
    }
    let (hits, alerts) = (at_least(line, line.hits), counted(line.alerts, "alert"));
    let stories = if line.stories_whole { "" } else { "≥ " };
    outln!("  in the last 28 days: {hits} hits, {alerts} of {stories}{}", counted(line.stories, "story"));
    if let Some(percent) = line.precision_percent {
        let said = counted(line.labels.about + line.labels.not_about, "label");
        outln!("  {said}: {percent} % of its labelled hits are about it");
    }
    outln!();
    let mut table = Table::new(&["POINTS", "SEVERITY", "HITS", "RULE", "LOOKS FOR"]);
    for rule in &topic.terms {
        let severity = rule.severity.clone().unwrap_or_default();
        table.row([rule.weight.to_string(), severity, rule.hits.to_string(), rule.id.clone(), rule.r#match.clone()]);
    }
    table.print("no rule")?;
    if topic.rule_hits_of > 0 {
        outln!("hits: of {} stored hits of this topic, those that the rule is a reason of", topic.rule_hits_of);
    }
    for (what, queries) in [("must hit as well", &topic.require), ("must not hit", &topic.exclude)] {
        for query in queries {
            outln!("{what}: {}", clean::one_line(query));
        }
    }
    Ok(())
}
