//! `search`: full text over everything stored, with filters and snippets, newest first.

use std::io::{self, Write};

use clap::Args;

use super::output::{self, Output};
use super::page::Page;
use super::{CliError, Context, ids};
use crate::config::Config;
use crate::store::{Access, SearchQuery, lock_holder};
use crate::text::{clean, counted};

/// Finds items by their text, newest first.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// Words, "a phrase", a prefix*, -without; OR between two words. Or the operators of topics: AND, OR, NOT,
    /// NEAR/n, parentheses, title: and body:.
    #[arg(required = true, value_parser = super::arguments::word)]
    query: Vec<String>,
    /// Only of this source.
    #[arg(long)]
    source: Option<String>,
    /// Only with a match on this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Only of this story (`sty_…`).
    #[arg(long)]
    story: Option<String>,
    #[command(flatten)]
    page: Page,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Batches indexed before a search where no daemon does it; more would keep whoever searches waiting.
const BATCHES_MAX: usize = 100;

/// Runs the command.
///
/// # Errors
/// [`CliError`] when there is no store or it cannot be read.
pub fn run(args: &SearchArgs, context: &Context) -> Result<(), CliError> {
    let config = context.load()?.config;
    let store = config.open_store(Access::Read)?;
    let story = args.story.as_deref().map(|id| ids::story(&store, id)).transpose()?;
    if lock_holder(&config.daemon.state_dir).is_none() {
        catch_up(&config);
    }
    let query = SearchQuery {
        text: args.query.join(" "),
        topic: args.topic.clone(),
        source: args.source.clone(),
        story,
        since: args.page.since(context.clock.now()),
        limit: args.page.limit,
        ..SearchQuery::default()
    };
    let loose = query.check().map_err(|problem| {
        let wrong = CliError::usage(format!("search: {problem}"));
        match problem.hint {
            Some(hint) => wrong.hint(hint),
            None => wrong,
        }
    })?;
    if loose {
        errln!("note: the index knows no order of words: `BEFORE` is read as `NEAR`");
    }
    let hits = store.search(&query)?;
    let lag = store.search_lag()?;
    if lag > 0 {
        errln!("note: {} not indexed yet; the daemon does that", are(lag));
    }
    if Output::of(args.json) == Output::Json {
        return Ok(output::lines(&hits)?);
    }
    if hits.is_empty() {
        errln!("nothing found");
    }
    let (digits, now) = (store.item_digits(hits.iter().map(|hit| hit.item.id))?, context.clock.now());
    let mut out = io::stdout().lock();
    for hit in &hits {
        let item = &hit.item;
        let topics: Vec<&str> = item.topics.iter().map(|topic| topic.topic.as_str()).collect();
        writeln!(out, "{}", clean::one_line(&item.title))?;
        let outlet = super::items::carried(item.outlet.as_deref(), &item.source);
        let parts = [item.id.short(digits), output::ago(item.first_seen, now), outlet, topics.join(", ")];
        let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        writeln!(out, "  {}", clean::one_line(&parts.join(" · ")))?;
        writeln!(out, "  {}", clean::one_line(&hit.snippet))?;
    }
    Ok(())
}

/// Indexes what came since the daemon stopped. Whoever may only read searches what is indexed.
fn catch_up(config: &Config) {
    let Ok(store) = config.open_store(Access::Share) else { return };
    for _ in 0..BATCHES_MAX {
        if !store.index_batch().unwrap_or(false) {
            return;
        }
    }
}

fn are(items: u64) -> String {
    format!("{} {}", counted(items, "item"), if items == 1 { "is" } else { "are" })
}
