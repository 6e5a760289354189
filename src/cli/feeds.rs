//! `feeds`: how every feed stands, in words; nothing about a feed is silent. `change` edits the config,
//! `check` looks at feeds and polls them by hand.

mod change;
mod check;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::output::{self, Output, Table};
use super::{CliError, Context};
use crate::config::{show_duration, show_size};
use crate::model::Timestamp;
use crate::source::feed::FeedConfig;
use crate::store::Store;
use crate::text::clean;
use crate::view::FeedLine;

/// Lists feeds with their state; adds, checks, polls, imports and exports them.
#[derive(Debug, Args)]
pub struct FeedsArgs {
    #[command(subcommand)]
    verb: Option<FeedsVerb>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum FeedsVerb {
    /// Lists every feed of the config.
    List,
    /// Shows one feed: its state, its last error, and what was not taken from it.
    Show {
        /// Its id in the config.
        id: String,
    },
    /// Adds a feed to the config, or the feed that a web page declares.
    Add(change::AddArgs),
    /// Takes a feed out of the config; its items stay.
    Remove {
        /// Its id in the config.
        id: String,
    },
    /// Polls a feed again: one that was disabled, or one that answered 410.
    Enable {
        /// Its id in the config.
        id: String,
    },
    /// Stops polling a feed.
    Disable {
        /// Its id in the config.
        id: String,
    },
    /// Fetches feeds and shows what is in them; stores nothing.
    Check(check::FeedsCheckArgs),
    /// Polls feeds now, due or not: by the running daemon, or else here.
    Poll {
        /// Their ids in the config.
        #[arg(required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        by: super::arguments::ActionAuthor,
    },
    /// Adds the feeds of an OPML list to the config.
    Import {
        /// The list.
        file: PathBuf,
        /// Only show what would be added.
        #[arg(long)]
        dry_run: bool,
    },
    /// Writes the feeds of the config as an OPML list to standard output: logins are left out, the rest of an
    /// address is kept, a token in its query as well.
    Export,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when the config or the store cannot be read, or there is no such feed.
pub fn run(args: &FeedsArgs, context: &Context) -> Result<(), CliError> {
    let out = Output::of(args.json);
    match &args.verb {
        Some(FeedsVerb::Add(add)) => return change::add(add, context, out),
        Some(FeedsVerb::Remove { id }) => return change::remove(id, context, out),
        Some(FeedsVerb::Enable { id }) => return change::enable(id, true, context, out),
        Some(FeedsVerb::Disable { id }) => return change::enable(id, false, context, out),
        Some(FeedsVerb::Import { file, dry_run }) => return change::import(file, *dry_run, context, out),
        Some(FeedsVerb::Export) => return change::export(context, out),
        Some(FeedsVerb::Check(check)) => return check::check(check, context, out),
        Some(FeedsVerb::Poll { ids, by }) => return check::poll(ids, &by.author, context, out),
        Some(FeedsVerb::List | FeedsVerb::Show { .. }) | None => {}
    }
    let config = context.load()?.config;
    // A feed that was never polled is worth listing too: no store yet is no error here.
    let store = context.read_store().ok();
    match &args.verb {
        Some(FeedsVerb::Show { id }) => show(&FeedLine::of(known(&config.feeds, id)?, store.as_ref(), true)?, out),
        _ => list(&config.feeds, store.as_ref(), out, context.clock.now()),
    }
}

/// The feed of the config with this id.
fn known<'a>(feeds: &'a [Arc<FeedConfig>], id: &str) -> Result<&'a Arc<FeedConfig>, CliError> {
    feeds.iter().find(|feed| feed.id.as_str() == id).ok_or_else(|| {
        CliError::usage(format!("find the feed `{id}`")).hint("`wirewatch feeds` lists those of the config")
    })
}

fn list(feeds: &[Arc<FeedConfig>], store: Option<&Store>, out: Output, now: Timestamp) -> Result<(), CliError> {
    let lines: Vec<FeedLine> = feeds.iter().map(|feed| FeedLine::of(feed, store, false)).collect::<Result<_, _>>()?;
    if out == Output::Json {
        return Ok(output::lines(&lines)?);
    }
    // Where no hub was ever asked, nobody needs a column for them.
    let pushes = lines.iter().any(|line| line.push.is_some());
    let mut names = vec!["ID", "STATE", "LAST SUCCESS", "NEXT POLL", "ITEMS", "ERROR"];
    if pushes {
        names.insert(5, "PUSH");
    }
    let mut table = Table::new(&names).cuttable(&["ID"]);
    let ago = |at: Option<Timestamp>| at.map(|at| output::ago(at, now)).unwrap_or_default();
    for line in lines {
        let class = line.failure.unwrap_or_default();
        let error = line.error.map(|error| format!("{class}: {error}")).unwrap_or_default();
        let mut row = vec![
            line.id,
            line.state.to_owned(),
            ago(line.last_success_at),
            ago(line.next_poll_at),
            line.items_last.to_string(),
            error,
        ];
        if pushes {
            row.insert(5, line.push.map(|push| push.in_a_word(now)).unwrap_or_default());
        }
        table.row(row);
    }
    Ok(table.print("no feeds in the config")?)
}

/// What was used on the day of the last poll, of how much.
fn quota_words(used: u64, most: Option<u64>, shown: impl Fn(u64) -> String) -> String {
    most.map_or_else(|| shown(used), |most| format!("{} of {}", shown(used), shown(most)))
}

fn show(line: &FeedLine, out: Output) -> Result<(), CliError> {
    if out == Output::Json {
        return Ok(output::document(line)?);
    }
    outln!("{}: {}", line.id, line.state);
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let over = line.used.as_ref().filter(|used| !used.over.is_empty()).map(|used| used.over.join(" and "));
    for (name, value) in [
        ("url", Some(line.url.clone())),
        ("title", line.title.clone()),
        ("last poll", time(line.last_poll_at)),
        ("last success", time(line.last_success_at)),
        ("last new item", time(line.last_new_item_at)),
        ("next poll", time(line.next_poll_at)),
        ("polls", Some(line.polls.to_string())),
        ("items", Some(line.items_last.to_string())),
        ("interval", line.interval_s.map(|seconds| show_duration(Duration::from_secs(seconds)))),
        ("usual period", line.usual_period_s.map(|seconds| show_duration(Duration::from_secs(seconds)))),
        ("new a day", line.new_items_per_day.map(|rate| format!("{rate:.1}"))),
        ("said of it", line.told.map(|told| told.as_str().to_owned())),
        ("bytes that day", line.used.as_ref().map(|used| quota_words(used.bytes, used.bytes_max, show_size))),
        ("alerts", line.used.as_ref().map(|used| quota_words(used.alerts, used.alerts_max, |n| n.to_string()))),
        ("over quota", over),
        ("seen before", line.seen_percent.map(|percent| format!("{percent} % of the last items"))),
        ("failure", line.failure.map(str::to_owned)),
        ("failing since", time(line.failing_since)),
        ("error", line.error.clone()),
        ("moved to", line.moved_to.clone()),
    ] {
        if let Some(value) = value {
            outln!("  {name:<14} {}", clean::one_line(&value));
        }
    }
    if let Some(push) = &line.push {
        for (name, value) in push.lines() {
            outln!("  {name:<14} {}", clean::one_line(&value));
        }
    }
    for failed in &line.failures {
        outln!("  failed         {} × {}, last {}", failed.count, failed.class, failed.last_at);
    }
    for rejected in &line.rejected {
        outln!(
            "  not taken      {} × {}, last {}: {}",
            rejected.count,
            rejected.reason,
            rejected.last_at,
            rejected.detail
        );
    }
    Ok(())
}
