//! `feeds`: how every feed stands, in words; nothing about a feed is silent.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{self, Output, Table};
use super::{CliError, Context};
use crate::model::{FeedState, Timestamp};
use crate::source::feed::FeedConfig;
use crate::store::{RejectionTotal, Store};
use crate::text::clean;

/// Lists feeds with their state, or shows one.
#[derive(Debug, Args)]
pub struct FeedsArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists every feed of the config.
    List,
    /// Shows one feed: its state, its last error, and what was not taken from it.
    Show {
        /// Its id in the config.
        id: String,
    },
}

/// One feed as printed.
#[derive(Debug, Serialize)]
struct FeedLine {
    id: String,
    url: String,
    state: &'static str,
    title: Option<String>,
    last_poll_at: Option<Timestamp>,
    last_success_at: Option<Timestamp>,
    last_new_item_at: Option<Timestamp>,
    next_poll_at: Option<Timestamp>,
    polls: u64,
    items_last: u64,
    failure: Option<&'static str>,
    failing_since: Option<Timestamp>,
    error: Option<String>,
    moved_to: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<RejectionTotal>,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when the config or the store cannot be read, or there is no such feed.
pub fn run(args: &FeedsArgs, context: &Context) -> Result<(), CliError> {
    let config = context.load()?.config;
    // A feed that was never polled is worth listing too: no store yet is no error here.
    let store = context.read_store().ok();
    let out = Output::of(args.json);
    match &args.verb {
        Some(Verb::Show { id }) => {
            let feed = config.feeds.iter().find(|feed| feed.id.as_str() == id);
            let feed = feed.ok_or_else(|| {
                CliError::usage(format!("find the feed `{id}`")).hint("`wirewatch feeds` lists those of the config")
            })?;
            show(&line(feed, store.as_ref(), true)?, out)
        }
        Some(Verb::List) | None => list(&config.feeds, store.as_ref(), out, context.clock.now()),
    }
}

fn list(feeds: &[FeedConfig], store: Option<&Store>, out: Output, now: Timestamp) -> Result<(), CliError> {
    let lines: Vec<FeedLine> = feeds.iter().map(|feed| line(feed, store, false)).collect::<Result<_, _>>()?;
    if out == Output::Json {
        return Ok(output::lines(&lines)?);
    }
    let mut table = Table::new(&["ID", "STATE", "LAST SUCCESS", "NEXT POLL", "ITEMS", "ERROR"]);
    let ago = |at: Option<Timestamp>| at.map(|at| output::ago(at, now)).unwrap_or_default();
    for line in lines {
        let class = line.failure.unwrap_or_default();
        let error = line.error.map(|error| format!("{class}: {error}")).unwrap_or_default();
        table.row([
            line.id,
            line.state.to_owned(),
            ago(line.last_success_at),
            ago(line.next_poll_at),
            line.items_last.to_string(),
            error,
        ]);
    }
    Ok(table.print("no feeds in the config")?)
}

fn line(feed: &FeedConfig, store: Option<&Store>, whole: bool) -> Result<FeedLine, CliError> {
    let stored = match store {
        Some(store) => store.feed(feed.id.as_str())?.filter(|state| state.url == clean_url(&feed.url)),
        None => None,
    };
    let rejected = match store {
        Some(store) if whole => store.rejections(Some(feed.id.as_str()), 20)?,
        _ => Vec::new(),
    };
    let state = stored.as_ref();
    Ok(FeedLine {
        id: feed.id.as_str().to_owned(),
        url: clean_url(&feed.url),
        state: state_name(feed, state),
        title: state.and_then(|s| s.title.clone()),
        last_poll_at: state.and_then(|s| s.last_poll_at),
        last_success_at: state.and_then(|s| s.last_success_at),
        last_new_item_at: state.and_then(|s| s.last_new_item_at),
        next_poll_at: state.filter(|s| !s.gone).map(|s| s.next_poll_at),
        polls: state.map_or(0, |s| s.polls),
        items_last: state.map_or(0, |s| s.items_last),
        failure: state.and_then(|s| s.failure).map(crate::model::FeedFailure::as_str),
        failing_since: state.and_then(|s| s.failing_since),
        error: state.and_then(|s| s.error.clone()),
        moved_to: state.and_then(|s| s.moved.as_ref()).map(|m| m.url.clone()),
        rejected,
    })
}

fn state_name(feed: &FeedConfig, state: Option<&FeedState>) -> &'static str {
    match state {
        _ if !feed.enabled => "off",
        None => "new",
        Some(state) if state.gone => "gone",
        Some(state) if state.failure.is_some() => "failing",
        Some(_) => "ok",
    }
}

/// Without what may be secret in a URL.
fn clean_url(url: &url::Url) -> String {
    let mut url = url.clone();
    // Fails only for URLs that cannot have them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

fn show(line: &FeedLine, out: Output) -> Result<(), CliError> {
    if out == Output::Json {
        return Ok(output::document(line)?);
    }
    println!("{}: {}", line.id, line.state);
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    for (name, value) in [
        ("url", Some(line.url.clone())),
        ("title", line.title.clone()),
        ("last poll", time(line.last_poll_at)),
        ("last success", time(line.last_success_at)),
        ("last new item", time(line.last_new_item_at)),
        ("next poll", time(line.next_poll_at)),
        ("polls", Some(line.polls.to_string())),
        ("items", Some(line.items_last.to_string())),
        ("failure", line.failure.map(str::to_owned)),
        ("failing since", time(line.failing_since)),
        ("error", line.error.clone()),
        ("moved to", line.moved_to.clone()),
    ] {
        if let Some(value) = value {
            println!("  {name:<14} {}", clean::one_line(&value));
        }
    }
    for rejected in &line.rejected {
        println!(
            "  not taken      {} × {}, last {}: {}",
            rejected.count, rejected.reason, rejected.last_at, rejected.detail
        );
    }
    Ok(())
}
