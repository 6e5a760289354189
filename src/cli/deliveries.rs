//! `deliveries`: what is owed to endpoints and what came of it; sending again, and calling off.

use clap::{Args, Subcommand, ValueEnum};

use super::arguments::ActionAuthor;
use super::output::{self, Output, Table};
use super::page::{Page, SeverityArg};
use super::{CliError, Context};
use crate::action::{self, ActionScene};
use crate::model::{EndpointId, Timestamp};
use crate::store::Access;
use crate::store::outbox::{self, DeliveryDetail, DeliveryFilter, DeliveryId, DeliveryRow, DeliveryState, Replay};
use crate::text::clean;

/// Lists deliveries, newest first; shows, replays or cancels them.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DeliveriesArgs {
    #[command(subcommand)]
    verb: Option<DeliveriesVerb>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only to this endpoint.
    #[arg(long)]
    endpoint: Option<String>,
    /// Only in this state.
    #[arg(long)]
    state: Option<StateArg>,
    /// Only of alerts on this topic.
    #[arg(long)]
    topic: Option<String>,
    #[command(flatten)]
    severity: SeverityArg,
    #[command(flatten)]
    page: Page,
    /// Go on with each one that comes or changes, oldest first.
    #[arg(long)]
    follow: bool,
    /// Print JSON Lines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum DeliveriesVerb {
    /// Lists deliveries, newest first; so does no verb at all.
    List(ListArgs),
    /// Shows one delivery with its attempts and the exact body.
    Show {
        /// Its id (`dlv_…`), or its number.
        id: DeliveryId,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Sends again, with the same id and body: receivers that dedupe lose nothing.
    Replay {
        /// One delivery.
        #[arg(required_unless_present_any = ["failed", "since"], conflicts_with_all = ["failed", "since"])]
        id: Option<DeliveryId>,
        /// Everything that is parked.
        #[arg(long, conflicts_with = "since")]
        failed: bool,
        /// Everything decided this long ago or since a time, delivered or not.
        #[arg(long, value_parser = super::since)]
        since: Option<super::Since>,
        /// Only to this endpoint.
        #[arg(long)]
        endpoint: Option<String>,
        #[command(flatten)]
        by: ActionAuthor,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Calls a delivery off; it stays listed.
    Cancel {
        /// Its id (`dlv_…`), or its number.
        id: DeliveryId,
        #[command(flatten)]
        by: ActionAuthor,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StateArg {
    Pending,
    Delivered,
    Parked,
    Cancelled,
    Folded,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when there is no store, no such delivery, or it cannot be read or written.
pub fn run(args: &DeliveriesArgs, context: &Context) -> Result<(), CliError> {
    match &args.verb {
        None => list(&args.list, context),
        Some(DeliveriesVerb::List(args)) => list(args, context),
        Some(DeliveriesVerb::Show { id, json }) => show(*id, Output::of(*json), context),
        Some(DeliveriesVerb::Replay { id, failed, since, endpoint, by, json }) => {
            let what = match (id, failed, since) {
                (Some(id), _, _) => Replay::One(*id),
                (None, _, Some(since)) => Replay::Since(since.at(context.clock.now())),
                (None, _, None) => Replay::Parked,
            };
            replay(&what, endpoint.as_deref(), &by.author, Output::of(*json), context)
        }
        Some(DeliveriesVerb::Cancel { id, by, json }) => cancel(*id, &by.author, Output::of(*json), context),
    }
}

fn endpoint(name: Option<&str>) -> Result<Option<EndpointId>, CliError> {
    name.map(EndpointId::new).transpose().map_err(|error| CliError::usage(error.to_string()))
}

fn list(args: &ListArgs, context: &Context) -> Result<(), CliError> {
    let filter = DeliveryFilter {
        endpoint: endpoint(args.endpoint.as_deref())?,
        state: args.state.map(|state| match state {
            StateArg::Pending => DeliveryState::Pending,
            StateArg::Delivered => DeliveryState::Delivered,
            StateArg::Parked => DeliveryState::Parked,
            StateArg::Cancelled => DeliveryState::Cancelled,
            StateArg::Folded => DeliveryState::Folded,
        }),
        topic: args.topic.clone(),
        severity_min: args.severity.severity,
        since: args.page.since(context.clock.now()),
        ..DeliveryFilter::default()
    };
    let store = context.read_store()?;
    let rows = |rows_max: usize| -> Result<Vec<DeliveryRow>, CliError> {
        let filter = DeliveryFilter { rows_max, ..filter.clone() };
        Ok(store.read("list deliveries", |c| outbox::list(c, &filter))?)
    };
    // An attempt makes a row another.
    let key = |row: &DeliveryRow| format!("{} {} {}", row.id, row.state, row.attempts);
    if args.follow {
        if args.json {
            return output::follow(args.page.limit, rows, key, |rows| output::lines(&rows));
        }
        let mut table = table();
        return output::follow(args.page.limit, rows, key, |rows| {
            for row in rows {
                add(&mut table, row, context.clock.now());
            }
            table.follow()
        });
    }
    let (rows, now) = (rows(args.page.limit)?, context.clock.now());
    if args.json {
        return Ok(output::lines(&rows)?);
    }
    let mut table = table();
    for row in rows {
        add(&mut table, row, now);
    }
    Ok(table.print("no deliveries")?)
}

fn table() -> Table {
    Table::new(&["ID", output::AGE, "ALERT", "ENDPOINT", "STATE", "TRIES", "STATUS", "DUE", "LAST ERROR"])
        .cuttable(&["ENDPOINT"])
}

fn add(table: &mut Table, row: DeliveryRow, now: Timestamp) {
    let due = if row.state == DeliveryState::Pending { output::ago(row.due_at, now) } else { String::new() };
    table.row([
        row.id.to_string(),
        output::age(row.created_at, now),
        row.sequence.to_string(),
        row.endpoint,
        row.state.to_string(),
        row.attempts.to_string(),
        row.last_status.map(|s| s.to_string()).unwrap_or_default(),
        due,
        row.last_error.unwrap_or_default(),
    ]);
}

fn show(id: DeliveryId, out: Output, context: &Context) -> Result<(), CliError> {
    let found = context.read_store()?.read("read a delivery", |c| outbox::show(c, id))?;
    let detail = found.ok_or_else(|| CliError::data(format!("find {id}: no such delivery")))?;
    if out == Output::Json {
        return Ok(output::document(&detail)?);
    }
    print(&detail);
    Ok(())
}

fn print(detail: &DeliveryDetail) {
    let row = &detail.row;
    outln!("{} of {} to {}: {}", row.id, row.alert, clean::one_line(&row.endpoint), row.state);
    for attempt in &detail.attempts {
        let status = attempt.status.map(|s| s.to_string()).unwrap_or_default();
        let excerpt = attempt.excerpt.as_deref().map(clean::one_line).unwrap_or_default();
        outln!(
            "  attempt {} at {}: {} {status} in {} ms  {excerpt}",
            attempt.attempt,
            attempt.at,
            attempt.outcome,
            attempt.latency_ms
        );
    }
    if let Some(error) = &row.last_error {
        outln!("  last failure: {}", clean::one_line(error));
    }
    match (&row.hold, row.folded_into) {
        (Some(hold), _) => outln!("  waits until {} for its {}", row.due_at, clean::one_line(hold)),
        (None, Some(into)) => outln!("  sent as part of {into}"),
        (None, None) if row.state == DeliveryState::Pending => outln!("  next attempt at {}", row.due_at),
        (None, None) => {}
    }
    let kind = if detail.content_type.is_empty() { "not written yet, from" } else { &detail.content_type };
    outln!("  {}: {}", clean::one_line(kind), clean::one_line(&detail.body));
}

fn replay(what: &Replay, name: Option<&str>, author: &str, out: Output, context: &Context) -> Result<(), CliError> {
    let (endpoint, now) = (endpoint(name)?, context.clock.now());
    let config = context.load()?.config;
    let store = context.open_store(Access::Share)?;
    let scene = ActionScene { store: &store, config: &config, now, author };
    let count = action::replay_deliveries(&scene, what, endpoint.as_ref())?;
    if out == Output::Json {
        return Ok(output::document(&serde_json::json!({"due_again": count}))?);
    }
    outln!("{count} due again; a running daemon sends them within a few seconds");
    Ok(())
}

fn cancel(id: DeliveryId, author: &str, out: Output, context: &Context) -> Result<(), CliError> {
    let (store, now) = (context.open_store(Access::Share)?, context.clock.now());
    let config = context.load()?.config;
    if !action::cancel_delivery(&ActionScene { store: &store, config: &config, now, author }, id)? {
        return Err(CliError::data(format!("cancel {id}: it is not owed, it is cancelled already")));
    }
    match out {
        Output::Json => output::document(&serde_json::json!({"id": id, "state": "cancelled"}))?,
        Output::Text => outln!("{id} is cancelled"),
    }
    Ok(())
}
