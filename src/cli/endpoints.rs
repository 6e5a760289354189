//! `endpoints`: who hears of alerts and whether they can be reached; a test that goes the way of every alert; switch one
//! off and on without touching the config.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::arguments::ActionAuthor;
use super::error::UNAVAILABLE;
use super::output::{self, Output, Table};
use super::{CliError, Context, ids};
use crate::action::{self, ActionScene};
use crate::config::Config;
use crate::deliver::console::Console;
use crate::deliver::{
    Delivery, DeliveryCounters, DeliveryPart, DeliveryRules, DeliveryWaker, EndpointConfig, PayloadFormat,
};
use crate::model::{EndpointId, Lang, SourceId, Timestamp, TopicId};
use crate::store::outbox::{self, DeliveryDetail, DeliveryId, DeliveryState, EndpointHealth};
use crate::store::{Access, Store, StoreError};
use crate::text::{clean, counted};
use crate::view::{EndpointLine, EndpointPreview, PreviewError};

/// How often a row is looked at while a daemon delivers it.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Looks before the answer is "still on its way".
const LOOKS_MAX: u32 = 300;

/// Lists endpoints and their state; shows, tests, enables or disables one.
#[derive(Debug, Args)]
pub struct EndpointsArgs {
    #[command(subcommand)]
    verb: Option<EndpointsVerb>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum EndpointsVerb {
    /// Lists them.
    List,
    /// Shows one with its rules and its last failure.
    Show {
        /// Its id.
        id: String,
    },
    /// Sends an `endpoint.test` the way of every alert, and says what came of it.
    Test {
        /// Its id.
        id: String,
        #[command(flatten)]
        by: ActionAuthor,
    },
    /// Prints exactly what it would be sent of an alert, and sends nothing.
    Preview {
        /// Its id.
        id: String,
        /// The alert: its id (`alr_…`), or its number from the small print.
        #[arg(long, value_name = "ID")]
        alert: String,
    },
    /// Sends to it again, at once.
    Enable {
        /// Its id.
        id: String,
        #[command(flatten)]
        by: ActionAuthor,
    },
    /// Stops sending to it; what it is owed stays.
    Disable {
        /// Its id.
        id: String,
        /// Why, for whoever looks later.
        #[arg(long, default_value = "by an operator")]
        reason: String,
        #[command(flatten)]
        by: ActionAuthor,
    },
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when there is no such endpoint, or the store cannot be read or written.
pub fn run(args: &EndpointsArgs, context: &Context) -> Result<(), CliError> {
    let config = context.load()?.config;
    let out = Output::of(args.json);
    match &args.verb {
        None | Some(EndpointsVerb::List) => list(&config, out, context.clock.now()),
        Some(EndpointsVerb::Show { id }) => show(find(&config, id)?, &config, out),
        Some(EndpointsVerb::Test { id, by }) => test(find(&config, id)?, &config, &by.author, out, context),
        Some(EndpointsVerb::Preview { id, alert }) => preview(find(&config, id)?, alert, &config, out),
        Some(EndpointsVerb::Enable { id, by }) => enable(find(&config, id)?, &config, &by.author, out, context),
        Some(EndpointsVerb::Disable { id, reason, by }) => {
            disable(find(&config, id)?, (reason, &by.author), &config, out, context)
        }
    }
}

fn find<'a>(config: &'a Config, id: &str) -> Result<&'a EndpointConfig, CliError> {
    config.endpoints.iter().find(|endpoint| endpoint.id.as_str() == id).ok_or_else(|| {
        let known: Vec<&str> = config.endpoints.iter().map(|endpoint| endpoint.id.as_str()).collect();
        CliError::data(format!("find endpoint {id}: the config has none of this name"))
            .hint(format!("it has: {}", known.join(", ")))
    })
}

fn store(config: &Config, access: Access) -> Result<Store, StoreError> {
    config.open_store(access)
}

/// Before the first run there is no store, and every endpoint is untried.
fn health(config: &Config, endpoint: &EndpointId) -> Result<EndpointHealth, CliError> {
    match store(config, Access::Read) {
        Ok(store) => Ok(store.read("read an endpoint", |c| outbox::health(c, endpoint))?),
        Err(StoreError::Missing { .. }) => Ok(EndpointHealth::default()),
        Err(error) => Err(error.into()),
    }
}

fn line(endpoint: &EndpointConfig, config: &Config) -> Result<EndpointLine, CliError> {
    Ok(EndpointLine::of(endpoint, health(config, &endpoint.id)?))
}

fn state(line: &EndpointLine, now_failing: Option<Timestamp>) -> String {
    match (&line.health.state.disabled, line.enabled, now_failing) {
        (_, false, _) => "off in the config".to_owned(),
        (Some((since, reason)), ..) => format!("disabled {}: {reason}", output::minute(*since)),
        (None, true, Some(since)) => format!("failing since {}", output::minute(since)),
        (None, true, None) if line.health.state.last_success_at.is_some() => "works".to_owned(),
        (None, true, None) => "untried".to_owned(),
    }
}

fn list(config: &Config, out: Output, now: Timestamp) -> Result<(), CliError> {
    let lines: Vec<EndpointLine> = config.endpoints.iter().map(|e| line(e, config)).collect::<Result<_, _>>()?;
    if out == Output::Json {
        return Ok(output::lines(&lines)?);
    }
    let mut table =
        Table::new(&["ENDPOINT", "FORMAT", "OWED", "PARKED", "LAST SUCCESS", "URL", "STATE"]).cuttable(&["URL"]);
    for line in &lines {
        table.row([
            line.id.clone(),
            line.format.to_owned(),
            line.health.pending.to_string(),
            line.health.parked.to_string(),
            line.health.state.last_success_at.map(|at| output::ago(at, now)).unwrap_or_default(),
            line.url.clone().unwrap_or_default(),
            state(line, line.health.state.failing_since),
        ]);
    }
    Ok(table.print("no endpoints")?)
}

fn show(endpoint: &EndpointConfig, config: &Config, out: Output) -> Result<(), CliError> {
    let line = line(endpoint, config)?;
    if out == Output::Json {
        return Ok(output::document(&line)?);
    }
    let names = |list: Vec<&str>| if list.is_empty() { "all".to_owned() } else { list.join(", ") };
    outln!("{}: {}, {}", line.id, line.format, state(&line, line.health.state.failing_since));
    if let Some(url) = &line.url {
        outln!("  to {}", clean::one_line(url));
    }
    outln!("  topics: {}", names(endpoint.topics.iter().map(TopicId::as_str).collect()));
    outln!("  sources: {}", names(endpoint.sources.iter().map(SourceId::as_str).collect()));
    outln!("  languages: {}", names(endpoint.languages.iter().map(Lang::as_str).collect()));
    outln!("  severity: {} and above, score: {} and above", endpoint.severity_min, endpoint.score_min);
    outln!("  owed: {}, parked: {}", line.health.pending, line.health.parked);
    if let Some(until) = line.health.state.not_before {
        outln!("  paused until {until}");
    }
    if let Some(error) = &line.health.state.last_error {
        outln!("  last failure: {}", clean::one_line(error));
    }
    Ok(())
}

fn disable(
    endpoint: &EndpointConfig,
    (reason, author): (&str, &str),
    config: &Config,
    out: Output,
    context: &Context,
) -> Result<(), CliError> {
    let (store, id, now) = (store(config, Access::Share)?, &endpoint.id, context.clock.now());
    action::disable_endpoint(&ActionScene { store: &store, config, now, author }, id.as_str(), reason)?;
    match out {
        Output::Json => output::document(&line(endpoint, config)?)?,
        Output::Text => outln!("{id} is disabled; what it is owed stays, `wirewatch endpoints enable {id}` sends it"),
    }
    Ok(())
}

fn enable(
    endpoint: &EndpointConfig,
    config: &Config,
    author: &str,
    out: Output,
    context: &Context,
) -> Result<(), CliError> {
    let (store, id) = (store(config, Access::Share)?, &endpoint.id);
    let scene = ActionScene { store: &store, config, now: context.clock.now(), author };
    let was_disabled = action::enable_endpoint(&scene, id.as_str())?;
    match (out, was_disabled) {
        (Output::Json, _) => output::document(&line(endpoint, config)?)?,
        (Output::Text, true) => outln!("{id} is enabled; a running daemon sends within a few seconds"),
        (Output::Text, false) => outln!("{id} was not disabled; a pause is lifted"),
    }
    Ok(())
}

fn preview(endpoint: &EndpointConfig, alert: &str, config: &Config, out: Output) -> Result<(), CliError> {
    let store = store(config, Access::Read)?;
    let found = ids::alert(&store, alert)?;
    let preview = EndpointPreview::of(endpoint, &found, &store).map_err(|error| match error {
        PreviewError::Store(error) => error.into(),
        error @ PreviewError::Render(_) => CliError::data(error.to_string()),
    })?;
    if out == Output::Json {
        return Ok(output::lines(&[preview])?);
    }
    if endpoint.format == PayloadFormat::Console {
        let console = Console::stdout().in_zone(&endpoint.timing.zone);
        return Ok(console.print(&preview.payload)?);
    }
    // Beside the body, which can be piped on as it is.
    errln!("{} to {}, {} bytes of {}:", preview.r#type, endpoint.id, preview.bytes, preview.content_type);
    let mut out = std::io::stdout().lock();
    out.write_all(preview.body.as_bytes())?;
    Ok(writeln!(out)?)
}

fn test(
    endpoint: &EndpointConfig,
    config: &Config,
    author: &str,
    out: Output,
    context: &Context,
) -> Result<(), CliError> {
    let (store, alone) = match store(config, Access::Own) {
        Ok(store) => (store, true),
        Err(StoreError::Held { .. }) => (store(config, Access::Share)?, false),
        Err(error) => return Err(error.into()),
    };
    let now = context.clock.now();
    let id = action::raise_test(&ActionScene { store: &store, config, now, author }, endpoint.id.as_str())?;
    if alone {
        deliver(&store, endpoint, config, out, context)?;
    }
    let arrived = outcome(&store, id, out);
    let scene = ActionScene { store: &store, config, now: context.clock.now(), author };
    let released = action::settle_test(&scene, &endpoint.id, id, arrived.is_ok())?;
    arrived?;
    if released > 0 {
        if alone {
            deliver(&store, endpoint, config, out, context)?;
        }
        let waited = counted(released as u64, "delivery");
        let when = if alone { "was tried now" } else { "goes out within a few seconds" };
        errln!("it works again: {waited} that waited for another try {when}");
    }
    Ok(())
}

/// No daemon runs: this process holds the store and delivers by itself.
fn deliver(
    store: &Store,
    endpoint: &EndpointConfig,
    config: &Config,
    out: Output,
    context: &Context,
) -> Result<(), CliError> {
    let rules = DeliveryRules { config: config.delivery.clone(), endpoints: config.endpoints.clone() };
    let delivery = Delivery {
        store: store.clone(),
        clock: context.clock.clone(),
        rules: watch::channel(Arc::new(rules)).1,
        waker: DeliveryWaker::new(),
        console: Console::beside(out == Output::Json),
        counters: DeliveryCounters::default(),
        part: DeliveryPart::whole(store),
    };
    let runtime = super::run::runtime(config)?;
    let delivered = runtime.block_on(delivery.deliver_due_to(&endpoint.id, CancellationToken::new()));
    delivered.map(|_| ()).map_err(|error| super::run::error(error.into()))
}

/// Waits for an attempt, by us or by the daemon, and says what came of it.
fn outcome(store: &Store, id: DeliveryId, out: Output) -> Result<(), CliError> {
    for _ in 0..LOOKS_MAX {
        let detail = store.read("read a delivery", |c| outbox::show(c, id))?;
        let Some(detail) = detail.filter(|d| !d.attempts.is_empty() || d.row.state != DeliveryState::Pending) else {
            std::thread::sleep(LOOK_EVERY);
            continue;
        };
        if out == Output::Json {
            output::document(&detail)?;
        } else {
            say(&detail);
        }
        let arrived = detail.row.state == DeliveryState::Delivered;
        return if arrived { Ok(()) } else { Err(CliError::reported(UNAVAILABLE)) };
    }
    Err(CliError::new(UNAVAILABLE, format!("see {id} delivered within half a minute; it was called off"))
        .hint("is the daemon busy with others of this endpoint? `wirewatch endpoints show` says how it stands"))
}

fn say(detail: &DeliveryDetail) {
    let row = &detail.row;
    let Some(attempt) = detail.attempts.last() else {
        outln!("{} to {}: {}, {}", row.id, row.endpoint, row.state, row.last_error.as_deref().unwrap_or_default());
        return;
    };
    let status = attempt.status.map(|status| format!(" {status}")).unwrap_or_default();
    outln!("{} to {}: {}{status} in {} ms", row.id, row.endpoint, attempt.outcome, attempt.latency_ms);
    if let Some(error) = &row.last_error {
        outln!("  {}", clean::one_line(error));
    }
}
