//! `status`: how things stand, on one screen: is it running, what is stored, what fails, what is owed,
//! what was not taken.

use clap::Args;
use serde::Serialize;

use super::doctor::DISK_FULL_BYTES;
use super::output::{self, Output};
use super::{CliError, Context};
use crate::app::{SilenceTally, active_silences, last_reload};
use crate::config::Config;
use crate::model::{EndpointId, Timestamp};
use crate::store::{Access, RejectionTotal, Store, Totals, lock_holder, outbox};
use crate::text::{clean, counted};

/// Shows how things stand.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Status {
    running: bool,
    pid: Option<String>,
    config: String,
    /// What an operator should look at first.
    attention: Vec<String>,
    state_dir: String,
    seed_dir: Option<String>,
    totals: Totals,
    feeds: Feeds,
    endpoints: Vec<Endpoint>,
    /// Those that hold now.
    silences: Vec<SilenceTally>,
    rejected: Vec<RejectionTotal>,
}

#[derive(Default, Serialize)]
struct Feeds {
    configured: usize,
    ok: usize,
    failing: Vec<FailingFeed>,
    gone: Vec<String>,
    never_polled: usize,
}

#[derive(Serialize)]
struct FailingFeed {
    id: String,
    class: &'static str,
    since: Option<Timestamp>,
    error: String,
}

#[derive(Serialize)]
struct Endpoint {
    id: String,
    pending: u64,
    parked: u64,
    oldest_pending_at: Option<Timestamp>,
    last_success_at: Option<Timestamp>,
    disabled: Option<String>,
    last_error: Option<String>,
}

/// Failing feeds named; `feeds` lists all of them.
const FAILING_MAX: usize = 5;

/// Rejection rows shown.
const REJECTED_MAX: usize = 10;

/// Runs the command.
///
/// # Errors
/// [`CliError`] when the config or the store cannot be read.
pub fn run(args: &StatusArgs, context: &Context) -> Result<(), CliError> {
    let status = gather(context)?;
    if Output::of(args.json) == Output::Json {
        return Ok(output::document(&status)?);
    }
    print(&status, context.clock.now());
    Ok(())
}

fn gather(context: &Context) -> Result<Status, CliError> {
    let (config, errors) = context.load_to_look()?;
    let store = Store::open(&config.daemon.state_dir, Access::Read)?;
    let attention = attention(&config, &store, errors.as_deref());
    let pid = lock_holder(&config.daemon.state_dir);
    let mut feeds = Feeds { configured: config.feeds.iter().filter(|f| f.enabled).count(), ..Feeds::default() };
    for feed in config.feeds.iter().filter(|f| f.enabled) {
        match store.feed(feed.id.as_str())? {
            None => feeds.never_polled += 1,
            Some(state) if state.gone => feeds.gone.push(feed.id.as_str().to_owned()),
            Some(state) => match state.failure {
                None => feeds.ok += 1,
                Some(class) => feeds.failing.push(FailingFeed {
                    id: feed.id.as_str().to_owned(),
                    class: class.as_str(),
                    since: state.failing_since,
                    error: state.error.unwrap_or_default(),
                }),
            },
        }
    }
    let ids: Vec<EndpointId> = config.endpoints.iter().filter(|e| e.enabled).map(|e| e.id.clone()).collect();
    let endpoints = store.read("read endpoints", |c| {
        ids.iter()
            .map(|id| {
                let health = outbox::health(c, id)?;
                Ok(Endpoint {
                    id: id.as_str().to_owned(),
                    pending: health.pending,
                    parked: health.parked,
                    oldest_pending_at: health.oldest_pending_at,
                    last_success_at: health.state.last_success_at,
                    disabled: health.state.disabled.map(|(_, reason)| reason),
                    last_error: health.state.last_error,
                })
            })
            .collect()
    })?;
    let silences = active_silences(&config, &store, context.clock.now())?;
    Ok(Status {
        silences,
        running: pid.is_some(),
        pid,
        config: context.place_name(),
        attention,
        state_dir: config.daemon.state_dir.display().to_string(),
        seed_dir: config.seeds.dir.map(|dir| dir.display().to_string()),
        totals: store.totals()?,
        feeds,
        endpoints,
        rejected: store.rejections(None, REJECTED_MAX)?,
    })
}

/// What stands in the way of the whole service, with the way out of it.
fn attention(config: &Config, store: &Store, errors: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(errors) = errors {
        lines.push(format!(
            "the config has {errors} (`wirewatch check` shows them): a daemon keeps to what it took before, a start fails"
        ));
    } else if let Some(record) = last_reload(&config.daemon.state_dir).filter(|record| !record.taken) {
        lines.push(format!("the last reload was refused ({}): mend it, then `wirewatch reload`", record.summary));
    }
    let reserve = config.daemon.free_space_bytes_min;
    match store.free_bytes() {
        Ok(free) if free < DISK_FULL_BYTES => {
            lines.push(format!("the disk of the database is full ({} KiB free): nothing can be stored", free >> 10));
        }
        Ok(free) if free < reserve => lines.push(format!(
            "disk nearly full: {} MiB free, {} MiB are kept in reserve; nothing new is taken, deliveries go on",
            free >> 20,
            reserve >> 20
        )),
        Ok(_) => {}
        Err(error) => lines.push(error.to_string()),
    }
    if let Some(Err(error)) = config.seeds.dir.as_ref().map(std::fs::read_dir) {
        lines.push(format!("the seed directory cannot be read: {error}"));
    }
    lines
}

fn print(status: &Status, now: Timestamp) {
    let ago = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| output::ago(at, now));
    match &status.pid {
        Some(pid) => outln!("wirewatch is running (process {pid})"),
        None => outln!("wirewatch is not running"),
    }
    for line in &status.attention {
        outln!("  attention  {}", clean::one_line(line));
    }
    outln!("  config     {}", status.config);
    outln!("  state      {}", status.state_dir);
    let t = &status.totals;
    outln!(
        "  stored     {} in {}, {}, {}; last item {}",
        counted(t.items, "item"),
        counted(t.stories, "story"),
        counted(t.sightings, "copy"),
        counted(t.alerts, "alert"),
        ago(t.last_item_at)
    );
    let dir = status.seed_dir.as_deref().unwrap_or("off");
    outln!(
        "  seeds      {} taken, {} refused; {}",
        counted(t.seed_files, "file"),
        t.seed_files_refused,
        clean::one_line(dir)
    );
    let f = &status.feeds;
    outln!(
        "  feeds      {} configured: {} ok, {} failing, {} gone, {} not polled yet",
        f.configured,
        f.ok,
        f.failing.len(),
        f.gone.len(),
        f.never_polled
    );
    for feed in f.failing.iter().take(FAILING_MAX) {
        outln!(
            "    {} {} for {}: {}",
            feed.id,
            feed.class,
            feed.since.map_or_else(|| "a while".to_owned(), |since| output::lasted(since, now)),
            clean::one_line(&feed.error)
        );
    }
    if f.failing.len() > FAILING_MAX {
        outln!("    … and {} more: `wirewatch feeds`", f.failing.len() - FAILING_MAX);
    }
    for feed in &f.gone {
        outln!("    {feed} answered 410: stopped until it is enabled again");
    }
    print_endpoints(status, now);
    for silence in &status.silences {
        outln!("  silence    {}", clean::one_line(&super::silences::in_a_line(silence, now)));
    }
    for rejected in &status.rejected {
        outln!(
            "  not taken  {} × {} from {}, last {}: {}",
            rejected.count,
            rejected.reason,
            rejected.source,
            output::ago(rejected.last_at, now),
            rejected.detail
        );
    }
}

fn print_endpoints(status: &Status, now: Timestamp) {
    for endpoint in &status.endpoints {
        let oldest =
            endpoint.oldest_pending_at.map(|at| format!(", oldest {}", output::ago(at, now))).unwrap_or_default();
        outln!(
            "  endpoint   {}: {} owed{oldest}, {} parked, last success {}",
            endpoint.id,
            endpoint.pending,
            endpoint.parked,
            endpoint.last_success_at.map_or_else(|| "never".to_owned(), |at| output::ago(at, now))
        );
        if let Some(reason) = &endpoint.disabled {
            outln!("    disabled: {}", clean::one_line(reason));
        } else if let Some(error) = &endpoint.last_error {
            outln!("    last error: {}", clean::one_line(error));
        }
    }
}
