//! `feeds check`: fetches feeds and shows what is in them, without a trace. `feeds poll`: polls them
//! into the store at once, by the daemon where one runs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::{StreamExt, stream};
use url::Url;

use super::super::error::{DATA, UNAVAILABLE};
use super::super::output::{self, Output, Table};
use super::super::{CliError, Context, reload, run};
use crate::action::{self, ActionScene};
use crate::app::{App, Parts};
use crate::clock::Clock;
use crate::config::Config;
use crate::deliver::console::Console;
use crate::model::{FeedFailure, SourceId};
use crate::net::Cidr;
use crate::source::feed::FeedConfig;
use crate::source::feed::polling::look::{FeedInspection, FeedInspector};
use crate::source::feed::polling::poller::PollReport;
use crate::source::feed::polling::rules;
use crate::source::feed::reading::discover::DeclaredFeed;
use crate::source::parser::Parser;
use crate::store::Access;
use crate::text::{clean, counted};
use crate::view::FeedReading;

/// Items shown for people; JSON has all.
const ITEMS_SHOWN: usize = 10;

/// The daemon's polls are looked for so often, and so long.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const DAEMON_WAIT_MAX: Duration = Duration::from_secs(60);

/// What `feeds check` is given.
#[derive(Debug, Args)]
pub struct FeedsCheckArgs {
    /// Addresses, or ids of the config [default: every enabled feed].
    feeds: Vec<String>,
    /// A range of addresses that are not public and that these may be in, such as 10.0.0.0/8.
    #[arg(long, value_name = "RANGE")]
    allow_private: Vec<String>,
}

/// Looks at feeds from the command line.
pub(super) struct FeedsProbe {
    runtime: tokio::runtime::Runtime,
    looker: FeedInspector,
    at_once: usize,
}

impl FeedsProbe {
    pub fn new(config: &Config, context: &Context) -> Result<Self, CliError> {
        let client = rules::client(&config.polling).map_err(|error| CliError::new(UNAVAILABLE, error.to_string()))?;
        let looker = FeedInspector {
            polling: config.polling.clone(),
            limits: config.limits,
            client,
            parser: Parser::new(2),
            clock: context.clock.clone(),
        };
        Ok(Self { runtime: run::runtime(config)?, looker, at_once: config.polling.fetches_max.max(1) })
    }

    pub fn look(&self, feed: Arc<FeedConfig>) -> FeedInspection {
        self.runtime.block_on(self.looker.look(feed))
    }

    pub fn declared(&self, feed: Arc<FeedConfig>) -> Result<Vec<DeclaredFeed>, (FeedFailure, String)> {
        self.runtime.block_on(self.looker.declared(feed))
    }

    /// Looks at several at once and tells of each in their order.
    fn look_all(&self, feeds: Vec<Arc<FeedConfig>>, mut tell: impl FnMut(&FeedConfig, FeedInspection)) {
        let looks = feeds.into_iter().map(|feed| {
            let looker = self.looker.clone();
            async move {
                let looked = looker.look(Arc::clone(&feed)).await;
                (feed, looked)
            }
        });
        self.runtime.block_on(async {
            let mut looks = stream::iter(looks).buffered(self.at_once);
            while let Some((feed, looked)) = looks.next().await {
                tell(&feed, looked);
            }
        });
    }
}

/// A feed of which only the address is given.
pub(super) fn unnamed(url: &Url, allow_private: &[String]) -> Result<Arc<FeedConfig>, CliError> {
    let id = SourceId::new("unnamed").expect("invariant: a valid name");
    Ok(Arc::new(FeedConfig { allow_private: ranges(allow_private)?, ..FeedConfig::new(id, url.clone()) }))
}

fn ranges(texts: &[String]) -> Result<Vec<Cidr>, CliError> {
    let read = |text: &String| Cidr::parse(text).map_err(|e| CliError::usage(format!("read the range {text}: {e}")));
    texts.iter().map(read).collect()
}

/// Fetches feeds and shows what is in them.
pub(super) fn check(args: &FeedsCheckArgs, context: &Context, out: Output) -> Result<(), CliError> {
    let config = context.load()?.config;
    let feeds = chosen(args, &config)?;
    let (total, single) = (feeds.len(), args.feeds.len() == 1);
    let probe = FeedsProbe::new(&config, context)?;
    let (mut failed, mut printed) = (0, Ok(()));
    probe.look_all(feeds, |feed, looked| {
        failed += usize::from(looked.document.is_err());
        if printed.is_ok() {
            let name = if feed.id.as_str() == "unnamed" { looked.url.clone() } else { feed.id.to_string() };
            printed = print(&name, &looked, out, single);
        }
    });
    printed?;
    match failed {
        0 => Ok(()),
        // It has been said why.
        _ if total == 1 => Err(CliError::reported(DATA)),
        failed => Err(CliError::data(format!("read {failed} of {total} feeds"))),
    }
}

fn chosen(args: &FeedsCheckArgs, config: &Config) -> Result<Vec<Arc<FeedConfig>>, CliError> {
    if args.feeds.is_empty() {
        return Ok(config.feeds.iter().filter(|feed| feed.enabled).cloned().collect());
    }
    let choose = |name: &String| match Url::parse(name) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => unnamed(&url, &args.allow_private),
        _ => super::known(&config.feeds, name).cloned(),
    };
    args.feeds.iter().map(choose).collect()
}

fn print(name: &str, looked: &FeedInspection, out: Output, whole: bool) -> std::io::Result<()> {
    let reading = FeedReading::of(name, looked);
    if out == Output::Json {
        return output::lines(&[reading]);
    }
    let took = reading.took_ms;
    let document = match &looked.document {
        Err((class, words)) => {
            outln!("{name}: {class}: {} ({took} ms)", clean::one_line(words));
            return Ok(());
        }
        Ok(document) => document,
    };
    let title = reading.title.as_deref().map(clean::one_line).unwrap_or_default();
    let (items, bytes) = (counted(reading.items.len() as u64, "item"), reading.wire_bytes);
    outln!("{name}: {items}, {:?}, {}, {bytes} bytes, {took} ms  {title}", document.format, document.encoding);
    if whole {
        for item in reading.items.iter().take(ITEMS_SHOWN) {
            let published = item.published.map(output::minute).unwrap_or_default();
            outln!("  {published:<16}  {}", clean::one_line(&item.title));
        }
        if reading.items.len() > ITEMS_SHOWN {
            outln!("  … and {} more", reading.items.len() - ITEMS_SHOWN);
        }
    }
    if looked.hops > 0 {
        outln!("  note: {} led to {}", counted(looked.hops as u64, "redirect"), clean::one_line(&looked.url));
    }
    for warning in &reading.warnings {
        outln!("  note: {}", clean::one_line(warning));
    }
    Ok(())
}

/// Polls feeds into the store, due or not.
pub(super) fn poll(ids: &[String], author: &str, context: &Context, out: Output) -> Result<(), CliError> {
    let config = context.load()?.config;
    let mut named = HashSet::new();
    for id in ids {
        let feed = super::known(&config.feeds, id)?;
        if !feed.enabled {
            return Err(CliError::usage(format!("poll `{id}`: it is disabled"))
                .hint(format!("`wirewatch feeds enable {id}`, or look at it with `wirewatch feeds check {id}`")));
        }
        named.insert(feed.id.clone());
    }
    if reload::daemon(&config.daemon.state_dir).is_some() {
        return poll_by_daemon(&named, &config, author, context, out);
    }
    run::start_logs(&config);
    let runtime = run::runtime(&config)?;
    let console = Console::beside(out == Output::Json);
    let parts = Parts { config, place: context.place_name(), clock: Clock::clone(&context.clock), console };
    let reports = runtime.block_on(App::poll_feeds(parts, named)).map_err(|error| {
        let error = run::error(error);
        match error.code() {
            UNAVAILABLE => {
                error.hint("the daemon is running and polls by itself; `wirewatch feeds check ID` looks only")
            }
            _ => error,
        }
    })?;
    report(&reports, out)?;
    match reports.iter().filter(|report| report.failure.is_some() || report.receipt.is_none()).count() {
        0 => Ok(()),
        failed => Err(CliError::data(format!("poll {failed} of {} feeds", reports.len()))),
    }
}

/// Has the running daemon poll feeds at once, and waits for what comes of it.
fn poll_by_daemon(
    named: &HashSet<SourceId>,
    config: &Config,
    author: &str,
    context: &Context,
    out: Output,
) -> Result<(), CliError> {
    let store = context.open_store(Access::Share)?;
    let polls = |id: &SourceId| store.feed(id.as_str()).map(|state| state.map_or(0, |state| state.polls));
    let mut before = Vec::with_capacity(named.len());
    for id in named {
        before.push((id, polls(id)?));
        let scene = ActionScene { store: &store, config, now: context.clock.now(), author };
        action::hurry_feed(&scene, id.as_str())?;
    }
    let record = reload::ask(context)?;
    if !record.taken {
        let why = clean::one_line(&record.summary).into_owned();
        return Err(CliError::new(UNAVAILABLE, format!("have the daemon look at its feeds: {why}"))
            .hint("`wirewatch check` shows what is wrong with the config"));
    }
    let mut waited = Duration::ZERO;
    while before.iter().any(|(id, count)| polls(id).is_ok_and(|now| now <= *count)) {
        if waited >= DAEMON_WAIT_MAX {
            return Err(CliError::new(UNAVAILABLE, "see the end of the poll within a minute")
                .hint("the daemon goes on with it: `wirewatch feeds show ID`"));
        }
        std::thread::sleep(LOOK_EVERY);
        waited += LOOK_EVERY;
    }
    let mut reports = Vec::with_capacity(before.len());
    for (id, _) in before {
        let Some(state) = store.feed(id.as_str())? else { continue };
        let failure = state.failure.map(|class| (class, state.error.clone().unwrap_or_default()));
        let new = state.last_new_item_at.is_some_and(|at| Some(at) == state.last_poll_at);
        let items = (new || state.polls == 1).then_some(state.items_last);
        let (source, next_poll_at) = (state.source, state.next_poll_at);
        reports.push(PollReport { source, items, failure, receipt: None, next_poll_at });
    }
    by_daemon(&reports, out)?;
    match reports.iter().filter(|report| report.failure.is_some()).count() {
        0 => Ok(()),
        failed => Err(CliError::data(format!("poll {failed} of {} feeds", reports.len()))),
    }
}

/// What the daemon made of its polls, as far as the states of the feeds tell it.
fn by_daemon(reports: &[PollReport], out: Output) -> std::io::Result<()> {
    if out == Output::Json {
        return report(reports, out);
    }
    let mut table = Table::new(&["FEED", "POLLED BY", "NEWS", "NEXT POLL", "ERROR"]);
    for report in reports {
        let error = report.failure.as_ref().map(|(class, words)| format!("{class}: {words}"));
        table.row([
            report.source.to_string(),
            "the daemon".to_owned(),
            if report.items.is_some() { "yes" } else { "no" }.to_owned(),
            output::minute(report.next_poll_at),
            error.unwrap_or_default(),
        ]);
    }
    table.print("nothing was polled")
}

fn report(reports: &[PollReport], out: Output) -> std::io::Result<()> {
    if out == Output::Json {
        let lines: Vec<_> = reports.iter().map(poll_line).collect();
        return output::lines(&lines);
    }
    let mut table = Table::new(&["FEED", "ITEMS", "NEW", "KNOWN", "COPIES", "ALERTS", "NEXT POLL", "ERROR"]);
    for report in reports {
        let receipt = report.receipt.unwrap_or_default();
        let error = report.failure.as_ref().map(|(class, words)| format!("{class}: {words}"));
        table.row([
            report.source.to_string(),
            report.items.map_or_else(|| "unchanged".to_owned(), |items| items.to_string()),
            receipt.new.to_string(),
            receipt.known.to_string(),
            receipt.sightings.to_string(),
            receipt.alerts.to_string(),
            output::minute(report.next_poll_at),
            error.unwrap_or_default(),
        ]);
    }
    table.print("nothing was polled")
}

fn poll_line(report: &PollReport) -> serde_json::Value {
    serde_json::json!({
        "feed": report.source, "items": report.items, "next_poll_at": report.next_poll_at,
        "failure": report.failure.as_ref().map(|(class, _)| class),
        "error": report.failure.as_ref().map(|(_, words)| words),
        "new": report.receipt.map(|r| r.new), "known": report.receipt.map(|r| r.known),
        "copies": report.receipt.map(|r| r.sightings), "alerts": report.receipt.map(|r| r.alerts),
    })
}
