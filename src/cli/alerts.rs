//! `alerts`: what was raised, newest first, and the payload of one of them.

use clap::{Args, Subcommand};

use super::output::{self, Output, Table};
use super::{CliError, Context};
use crate::store::AlertRecord;

/// Lists alerts, newest first, or shows one with its payload.
#[derive(Debug, Args)]
pub struct AlertsArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Only of this topic.
    #[arg(long)]
    topic: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows one alert with its payload as sent.
    Show {
        /// Its id (`alr_…`).
        id: String,
    },
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when there is no store, no such alert, or it cannot be read.
pub fn run(args: &AlertsArgs, context: &Context) -> Result<(), CliError> {
    let store = context.read_store()?;
    if let Some(Verb::Show { id }) = &args.verb {
        let alert = store.alert(id)?.ok_or_else(|| CliError::data(format!("find {id}: no such alert")))?;
        return Ok(output::document(&alert)?);
    }
    let alerts = store.alerts(args.topic.as_deref(), args.limit)?;
    if Output::of(args.json) == Output::Json {
        return Ok(output::lines(&alerts)?);
    }
    let mut table = Table::new(&[
        "#",
        "RAISED (UTC)",
        "SEVERITY",
        "TOPIC",
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
            alert.topic.clone().unwrap_or_else(|| "-".to_owned()),
            alert.reason.clone(),
            alert.score.to_string(),
            alert.sources.to_string(),
            alert.id.clone(),
            alert.silenced_by.clone().unwrap_or_default(),
            title(alert, &payload),
        ]);
    }
    Ok(table.print("no alerts")?)
}

fn title(alert: &AlertRecord, payload: &serde_json::Value) -> String {
    let data = &payload["data"];
    match &alert.source {
        Some(source) => format!("{source}: {}", data["source"]["error"].as_str().unwrap_or("no error")),
        None => data["item"]["title"].as_str().unwrap_or_default().to_owned(),
    }
}
