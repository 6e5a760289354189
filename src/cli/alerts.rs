//! `alerts`: what was raised, newest first; one of them as people read it, with who was told.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::output::{self, Output, Table};
use super::page::{Page, SeverityArg};
use super::{CliError, Context, export, ids};
use crate::deliver::console::{self, Style};
use crate::model::Timestamp;
use crate::store::outbox::{self, DeliveryFilter};
use crate::store::{AlertFilter, AlertRecord};
use crate::text::counted;

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
    severity: SeverityArg,
    #[command(flatten)]
    page: Page,
    /// Go on with each one that comes, oldest first.
    #[arg(long, conflicts_with = "format")]
    follow: bool,
    /// For spreadsheets: cells are never formulas.
    #[arg(long, conflicts_with = "json")]
    format: Option<AlertsFormat>,
    /// Print JSON Lines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AlertsFormat {
    Csv,
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
    let store = context.read_store()?;
    let rows = |limit: usize| -> Result<Vec<AlertRecord>, CliError> {
        let filter = AlertFilter {
            topic: args.topic.clone(),
            severity_min: args.severity.severity,
            since: args.page.since(context.clock.now()),
            limit,
            ..AlertFilter::default()
        };
        Ok(store.alerts(&filter)?)
    };
    if args.follow {
        if args.json {
            return output::follow(args.page.limit, rows, |alert| alert.id.clone(), |alerts| output::lines(&alerts));
        }
        let mut table = table();
        return output::follow(
            args.page.limit,
            rows,
            |alert| alert.id.clone(),
            |alerts| {
                for alert in &alerts {
                    add(&mut table, alert, context.clock.now());
                }
                table.follow()
            },
        );
    }
    let (alerts, now) = (rows(args.page.limit)?, context.clock.now());
    if args.json {
        return Ok(output::lines(&alerts)?);
    }
    if args.format == Some(AlertsFormat::Csv) {
        return Ok(export::alerts_csv(&mut std::io::stdout().lock(), &alerts)?);
    }
    let mut table = table();
    for alert in &alerts {
        add(&mut table, alert, now);
    }
    Ok(table.print("no alerts")?)
}

fn table() -> Table {
    Table::new(&["#", output::AGE, "SEVERITY", "TOPICS", "WHY", "OUTLET", "SILENCED BY", "TITLE"]).cuttable(&[
        "TOPICS",
        "OUTLET",
        "SILENCED BY",
    ])
}

fn add(table: &mut Table, alert: &AlertRecord, now: Timestamp) {
    let payload: Value = serde_json::from_str(alert.payload.get()).unwrap_or_default();
    table.row([
        alert.sequence.to_string(),
        output::age(alert.at, now),
        alert.severity.clone(),
        alert.topics.join(", "),
        alert.reason.clone(),
        export::alert_outlet(alert, &payload),
        alert.silenced_by.clone().unwrap_or_default(),
        export::alert_title(alert, &payload),
    ]);
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
        let attempts = counted(u64::from(row.attempts), "attempt");
        outln!("  {} to {}: {}{held}{into}, {attempts}", row.id, row.endpoint, row.state);
    }
    Ok(())
}
