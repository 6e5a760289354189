//! `items`: what was taken, newest first, everything about one of them, and what people say it is about.

use std::io::{self, Write};

use clap::{Args, Subcommand, ValueEnum};

use super::arguments::ActionAuthor;
use super::output::{self, Output, Table};
use super::page::{Page, SeverityArg};
use super::{CliError, Context, export, ids, labels};
use crate::model::Timestamp;
use crate::store::{ItemFilter, ItemLine, ItemRecord, Store};
use crate::text::changes::in_line;
use crate::text::clean;
use crate::view::FeedForm;

/// Lists items, newest first, shows one, or notes what one is about.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ItemsArgs {
    #[command(subcommand)]
    verb: Option<ItemsVerb>,
    #[command(flatten)]
    list: ListArgs,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only of this source.
    #[arg(long)]
    source: Option<String>,
    /// Only with a match on this topic.
    #[arg(long)]
    topic: Option<String>,
    #[command(flatten)]
    severity: SeverityArg,
    #[command(flatten)]
    page: Page,
    /// Go on with each one that comes, oldest first.
    #[arg(long, conflicts_with = "format")]
    follow: bool,
    /// For other programs: cells of CSV are never formulas.
    #[arg(long, conflicts_with = "json")]
    format: Option<ItemsFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ItemsFormat {
    Csv,
    Json,
    Rss,
    Atom,
}

#[derive(Debug, Subcommand)]
enum ItemsVerb {
    /// Lists items, newest first; so does no verb at all.
    List(ListArgs),
    /// Shows one item with its text, matches, further appearances, and what was edited, word by word.
    Show {
        /// Its id (`itm_…`), or the beginning of it.
        id: String,
    },
    /// Notes what an item is about (`+topic`) and is not (`-topic`), for `tune`.
    Label {
        /// Its id (`itm_…`), or the beginning of it.
        id: String,
        /// `+sanctions` says it is about it, `-sanctions` that it is not.
        #[arg(required = true, value_parser = super::arguments::word, value_name = "+TOPIC|-TOPIC")]
        labels: Vec<String>,
        #[command(flatten)]
        by: ActionAuthor,
    },
    /// Forgets labels of an item.
    Unlabel {
        /// Its id (`itm_…`), or the beginning of it.
        id: String,
        /// Which topics.
        #[arg(required = true)]
        topics: Vec<String>,
        #[command(flatten)]
        by: ActionAuthor,
    },
    /// Lists labelled items; --json prints them in the format `eval topics` and `tune` read.
    Labels {
        /// The same as --json: one item a line.
        #[arg(long)]
        jsonl: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when there is no store, no such item, or it cannot be read.
pub fn run(args: &ItemsArgs, context: &Context) -> Result<(), CliError> {
    match &args.verb {
        Some(ItemsVerb::Label { id, labels: given, by }) => {
            labels::label(id, given, &by.author, context, Output::of(args.json))
        }
        Some(ItemsVerb::Unlabel { id, topics, by }) => {
            labels::unlabel(id, topics, &by.author, context, Output::of(args.json))
        }
        Some(ItemsVerb::Labels { jsonl }) => labels::list(*jsonl || args.json, context),
        Some(ItemsVerb::Show { id }) => {
            let store = context.read_store()?;
            let item = store
                .item(ids::item(&store, id)?)?
                .ok_or_else(|| CliError::data(format!("find {id}: no such item")))?;
            match Output::of(args.json) {
                Output::Json => Ok(output::document(&item)?),
                Output::Text => Ok(show(&item)?),
            }
        }
        Some(ItemsVerb::List(list)) => run_list(list, Output::of(args.json), context),
        None => run_list(&args.list, Output::of(args.json), context),
    }
}

fn run_list(args: &ListArgs, out: Output, context: &Context) -> Result<(), CliError> {
    let store = context.read_store()?;
    let rows = |limit: usize| -> Result<Vec<ItemLine>, CliError> {
        let filter = ItemFilter {
            source: args.source.clone(),
            topic: args.topic.clone(),
            severity_min: args.severity.severity,
            since: args.page.since(context.clock.now()),
            limit,
            ..ItemFilter::default()
        };
        Ok(store.items(&filter)?)
    };
    let json = out == Output::Json || args.format == Some(ItemsFormat::Json);
    if args.follow {
        if json {
            return output::follow(args.page.limit, rows, |item| item.id.to_string(), |items| output::lines(&items));
        }
        let mut table = table();
        return output::follow(
            args.page.limit,
            rows,
            |item| item.id.to_string(),
            |items| {
                let digits = digits(&store, &items);
                for item in &items {
                    add(&mut table, item, digits, context.clock.now());
                }
                table.follow()
            },
        );
    }
    let (items, now) = (rows(args.page.limit)?, context.clock.now());
    let mut stdout = io::stdout().lock();
    match args.format {
        Some(ItemsFormat::Csv) => return Ok(export::csv(&mut stdout, &items)?),
        Some(ItemsFormat::Rss) => return Ok(export::feed(&mut stdout, &items, FeedForm::Rss, now)?),
        Some(ItemsFormat::Atom) => return Ok(export::feed(&mut stdout, &items, FeedForm::Atom, now)?),
        Some(ItemsFormat::Json) | None => drop(stdout),
    }
    if json {
        return Ok(output::lines(&items)?);
    }
    let (mut table, digits) = (table(), digits(&store, &items));
    for item in &items {
        add(&mut table, item, digits, now);
    }
    Ok(table.print("no items")?)
}

fn table() -> Table {
    Table::new(&["ID", output::AGE, "OUTLET", "TOPICS", "COPIES", "TITLE"]).cuttable(&["OUTLET", "TOPICS"])
}

/// A list is worth showing with whole ids, too.
fn digits(store: &Store, items: &[ItemLine]) -> usize {
    store.item_digits(items.iter().map(|item| item.id)).unwrap_or(usize::MAX)
}

fn add(table: &mut Table, item: &ItemLine, digits: usize, now: Timestamp) {
    let topics: Vec<&str> = item.topics.iter().map(|topic| topic.topic.as_str()).collect();
    table.row([
        item.id.short(digits),
        output::age(item.first_seen, now),
        carried(item.outlet.as_deref(), &item.source),
        topics.join(", "),
        if item.sightings == 0 { String::new() } else { item.sightings.to_string() },
        item.title.clone(),
    ]);
}

fn show(item: &ItemRecord) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let line = &item.line;
    writeln!(out, "{}", clean::one_line(&line.title))?;
    let mut field = |name: &str, value: &str| {
        if value.is_empty() { Ok(()) } else { writeln!(out, "  {name:<10} {}", clean::one_line(value)) }
    };
    field("id", &line.id.to_string())?;
    field("as it came", item.title_original.as_deref().unwrap_or_default())?;
    field("outlet", &carried(line.outlet.as_deref(), &line.source))?;
    field("publisher", item.publisher.as_deref().unwrap_or_default())?;
    field("author", item.author.as_deref().unwrap_or_default())?;
    field("url", line.url.as_deref().unwrap_or_default())?;
    field("published", &dated(line.published, item.published_certainty.as_deref()))?;
    field("first seen", &line.first_seen.to_string())?;
    field("language", line.lang.as_deref().unwrap_or_default())?;
    field("story", &line.story.to_string())?;
    field("text from", &item.text_source)?;
    if item.revision > 0 {
        field("edited", &format!("{} times", item.revision))?;
    }
    if item.quiet {
        field("quiet", "stored and not alerted on: of a first poll, of new ids, too old, or there before")?;
    }
    for matched in &item.matches {
        let verdict = format!("{} of {} points ({})", matched.score, matched.threshold, matched.severity);
        field("topic", &format!("{}: {verdict}", matched.topic))?;
        for evidence in evidence_words(matched.evidence.get()) {
            field("", &evidence)?;
        }
    }
    for copy in &item.appearances {
        field(
            "also",
            &format!(
                "{} {} {:.0} % {}",
                carried(copy.outlet.as_deref(), &copy.source),
                copy.level,
                copy.overlap * 100.0,
                copy.title
            ),
        )?;
    }
    for edit in &item.revisions {
        writeln!(out, "\nedit {}, {}", edit.revision, output::minute(edit.at))?;
        for (name, pieces) in [("title", &edit.title), ("text", &edit.text)] {
            if !pieces.is_empty() {
                writeln!(out, "  {name:<10} {}", in_line(pieces))?;
            }
        }
    }
    writeln!(out)?;
    for paragraph in item.text.lines() {
        writeln!(out, "{}", clean::one_line(paragraph))?;
    }
    Ok(())
}

/// The outlet, and the feed or folder it came through where that has another name.
pub(super) fn carried(outlet: Option<&str>, source: &str) -> String {
    match outlet {
        Some(outlet) if outlet == source => outlet.to_owned(),
        Some(outlet) => format!("{outlet} ({source})"),
        None => format!("({source})"),
    }
}

fn dated(at: Option<Timestamp>, certainty: Option<&str>) -> String {
    match (at, certainty) {
        (None, _) => String::new(),
        (Some(at), Some("exact") | None) => at.to_string(),
        (Some(at), Some("day")) => at.to_string().get(..10).unwrap_or_default().to_owned(),
        (Some(at), Some(certainty)) => format!("{at} ({certainty})"),
    }
}

/// One line per rule: what hit, where, and what it brought.
pub(super) fn evidence_words(json: &str) -> Vec<String> {
    let rules: Vec<serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
    rules
        .iter()
        .map(|rule| {
            let text = |name: &str| rule[name].as_str().unwrap_or_default().to_owned();
            format!("{:>6} {} in the {}: {}", rule["weight"].to_string(), text("rule"), text("field"), text("text"))
        })
        .collect()
}
