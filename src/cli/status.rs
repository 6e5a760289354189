//! `status`: how things stand, on one screen: is it running, what is stored, what fails, what is owed,
//! what was not taken.

use clap::Args;

use super::output::{self, Output};
use super::{CliError, Context, failing};
use crate::model::Timestamp;
use crate::store::Access;
use crate::text::{clean, counted};
use crate::view::{Status, node_in_words};

/// Shows how things stand.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Failing feeds named; `feeds` lists all of them.
const FAILING_MAX: usize = 5;

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
    let store = config.open_store(Access::Read)?;
    let place = context.place_name();
    Ok(Status::of(&config, &store, &place, errors.as_deref(), context.clock.now())?)
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
    for node in &status.nodes {
        outln!("  node       {}: {}", node.name, node_in_words(node));
    }
    if status.inbox_waiting > 0 {
        outln!("  inbox      {} of other nodes to be decided on", counted(status.inbox_waiting, "document"));
    }
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
    if let Some(hubs) = &f.hubs {
        outln!("  hubs       {}", clean::one_line(&hubs.in_words()));
    }
    let failing = f.failing.iter().map(|feed| failing::FeedInTrouble {
        id: feed.id.clone(),
        class: feed.class,
        error: feed.error.clone(),
        gone: false,
    });
    let groups = failing::grouped(failing.collect(), f.configured);
    for group in groups.iter().take(FAILING_MAX) {
        let since = f.failing.iter().filter(|feed| group.ids.contains(&feed.id)).filter_map(|feed| feed.since).min();
        let lasted = since.map_or_else(String::new, |since| format!(" (for {})", output::lasted(since, now)));
        outln!("    {}{lasted}", clean::one_line(&group.words));
    }
    if groups.len() > FAILING_MAX {
        outln!("    … and {} more: `wirewatch feeds`", groups.len() - FAILING_MAX);
    }
    for feed in &f.gone {
        outln!("    {feed} answered 410: stopped until it is enabled again");
    }
    for feed in &f.over_quota {
        let what =
            if feed.bytes { "it has sent its bytes of today" } else { "further alerts of today wait for a digest" };
        outln!("    {} is over its quota: {what}, until {}", feed.id, feed.until);
    }
    print_endpoints(status, now);
    for silence in &status.silences {
        outln!("  silence    {}", clean::one_line(&super::silences::in_a_line(silence, now)));
    }
    for withheld in &status.withheld {
        outln!(
            "  no alert   {} × {}, last {} from {}: {}",
            withheld.count,
            withheld.reason,
            output::ago(withheld.last_at, now),
            withheld.source,
            withheld.detail
        );
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
