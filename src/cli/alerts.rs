//! `alerts`: what was raised, newest first; one of them as people read it, with who was told.

use clap::{Args, Subcommand};

use super::output::{self, Output, Table};
use super::page::Page;
use super::{CliError, Context, ids};
use crate::deliver::console::{self, Style};
use crate::store::outbox::{self, DeliveryFilter};
use crate::store::{AlertFilter, AlertRecord};

/// Lists alerts, newest first, or shows one and who was told.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AlertsArgs {
    #[command(subcommand)]
    verb: Option<AlertsVerb>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum AlertsVerb {
    /// Lists alerts, newest first; so does no verb at all.
    List(ListArgs),
    /// Shows one alert and its deliveries; with --json its payload as stored.
    Show {
        /// Its number, or its id (`alr_…`).
        id: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only of this topic.
    #[arg(long)]
    topic: Option<String>,
    #[command(flatten)]
    page: Page,
    /// Print JSON Lines.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when there is no store, no such alert, or it cannot be read.
pub fn run(args: &AlertsArgs, context: &Context) -> Result<(), CliError> {
    match &args.verb {
        None => list(&args.list, context),
        Some(AlertsVerb::List(args)) => list(args, context),
        Some(AlertsVerb::Show { id, json }) => show(id, Output::of(*json), context),
    }
}

fn list(args: &ListArgs, context: &Context) -> Result<(), CliError> {
    let filter = AlertFilter {
        topic: args.topic.clone(),
        since: args.page.since(context.clock.now()),
        limit: args.page.limit,
        ..AlertFilter::default()
    };
    let alerts = context.read_store()?.alerts(&filter)?;
    if args.json {
        return Ok(output::lines(&alerts)?);
    }
    let mut table = Table::new(&[
        "#",
        "RAISED (UTC)",
        "SEVERITY",
        "TOPICS",
        "REASON",
        "SCORE",
        "OUTLETS",
        "ID",
        "SILENCED BY",
        "TITLE",
    ]);
    for alert in &alerts {
        let payload: serde_json::Value = serde_json::from_str(alert.payload.get()).unwrap_or_default();
        table.row([
            alert.sequence.to_string(),
            output::minute(alert.at),
            alert.severity.clone(),
            if alert.topics.is_empty() { "-".to_owned() } else { alert.topics.join(", ") },
            alert.reason.clone(),
            alert.score.to_string(),
            alert.outlets.to_string(),
            alert.id.clone(),
            alert.silenced_by.clone().unwrap_or_default(),
            title(alert, &payload),
        ]);
    }
    Ok(table.print("no alerts")?)
}

fn show(id: &str, out: Output, context: &Context) -> Result<(), CliError> {
    let store = context.read_store()?;
    let alert = ids::alert(&store, id)?;
    if out == Output::Json {
        return Ok(output::document(&alert)?);
    }
    out!("{}", console::block(alert.payload.get().as_bytes(), &Style::stdout()));
    outln!("{}: {} of {}", alert.id, alert.r#type, output::minute(alert.at));
    if let Some(silence) = &alert.silenced_by {
        outln!("  silenced by {silence}");
    }
    let filter =
        DeliveryFilter { alert: Some(alert.sequence.cast_signed()), rows_max: 1000, ..DeliveryFilter::default() };
    let rows = store.read("list deliveries", |c| outbox::list(c, &filter))?;
    if rows.is_empty() {
        outln!("  no endpoint was told");
    }
    for row in rows {
        let held = row.hold.map(|hold| format!(", waits for its {hold}")).unwrap_or_default();
        let into = row.folded_into.map(|into| format!(" into {into}")).unwrap_or_default();
        outln!("  {} to {}: {}{held}{into}, {} attempts", row.id, row.endpoint, row.state, row.attempts);
    }
    Ok(())
}

fn title(alert: &AlertRecord, payload: &serde_json::Value) -> String {
    let data = &payload["data"];
    let text = |part: &serde_json::Value| part.as_str().map(str::to_owned);
    match &alert.source {
        Some(source) => format!("{source}: {}", data["source"]["error"].as_str().unwrap_or("no error")),
        // Digests, tests and what is told of endpoints have no item.
        None => text(&data["item"]["title"]).or_else(|| text(&data["summary"])).unwrap_or_default(),
    }
}
