//! `run`: the daemon in the foreground, until a signal or a part that fails for good. `--once`: one
//! round of everything, for cron and for trying things out.

use std::io::{self, IsTerminal, Write};

use clap::Args;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::error::{IO, UNAVAILABLE};
use super::failing::{self, FeedInTrouble};
use super::output::{self, Output};
use super::{CliError, Context};
use crate::app::{App, AppError, Daemon, DaemonRequest, Leadership, OnceReport, Parts, Signals};
#[cfg(feature = "postgres")]
use crate::app::{StoodBy, stand_by};
use crate::config::{Config, Loaded, LogFormat};
use crate::deliver::console::Console;
use crate::deliver::{EndpointConfig, PayloadFormat};
use crate::store::StoreError;
use crate::telemetry::{self, LogControl, ScreenRules};
use crate::text::{clean, counted};

/// Threads for what blocks (files, the store, look-ups of names, at most 32 per client at once): the rest waits in
/// line. With all other threads they stay below the unit's `TasksMax`, beyond which none could be started.
const BLOCKING_THREADS_MAX: usize = 128;

/// Runs the daemon in the foreground.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Scan the seeds, poll every due feed once, deliver what is due, and end.
    #[arg(long)]
    once: bool,
    /// Print the log on a terminal too, instead of what a person wants to see; files and journals get the log anyway.
    #[arg(long)]
    log: bool,
    /// Print what --once did as JSON.
    #[arg(long, requires = "once")]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when wirewatch cannot start or had to stop.
pub fn run(args: &RunArgs, context: &Context) -> Result<(), CliError> {
    // The texts of the files are not held for as long as it runs: 10,000 feeds are megabytes.
    let Loaded { config, report, .. } = context.load()?;
    let logs = if args.log || !wants_screen(&config) {
        start_logs(&config)
    } else if args.once {
        // What failed is summed up at the end.
        telemetry::init("error,wirewatch::source::seed=warn", telemetry::LogFormat::Text).ok()
    } else {
        start_screen(&config, context)
    };
    for line in report.lines() {
        warn!(problem = %clean::one_line(&line), "config warning");
    }
    drop(report);
    let runtime = runtime(&config)?;
    let parts = parts(config, context, Console::beside(args.json));
    if args.once {
        let once = runtime.block_on(App::run_once(parts)).map_err(error)?;
        return print_once(&once, Output::of(args.json));
    }
    let stopped = runtime.block_on(daemon(parts, context, logs.clone()));
    if let Some(logs) = &logs {
        logs.flush();
    }
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    stopped
}

/// Whether somebody sits before it: what they want to see is not a log.
fn wants_screen(config: &Config) -> bool {
    io::stderr().is_terminal()
        && std::env::var_os("JOURNAL_STREAM").is_none()
        && config.daemon.log_format == LogFormat::Text
}

fn start_screen(config: &Config, context: &Context) -> Option<LogControl> {
    let given = context.config.as_ref().map(|path| format!(" --config {}", path.display()));
    let takes = |endpoint: &EndpointConfig| endpoint.enabled && endpoint.format == PayloadFormat::Console;
    let rules = ScreenRules {
        program: format!("wirewatch{}", given.unwrap_or_default()),
        has_console: config.endpoints.iter().any(takes),
    };
    telemetry::init_screen(&config.daemon.log, rules).ok()
}

/// The same for a command that says at its end what it did: on a terminal only what went wrong.
pub(super) fn start_quiet_logs(config: &Config) {
    if wants_screen(config) {
        // Logging that was started before stays as it is.
        let _ = telemetry::init("warn", telemetry::LogFormat::Text);
    } else {
        start_logs(config);
    }
}

/// Logs go to standard error in the config's way; a second call in one process changes nothing.
pub(super) fn start_logs(config: &Config) -> Option<LogControl> {
    let format = match config.daemon.log_format {
        LogFormat::Text => telemetry::LogFormat::Text,
        LogFormat::Json => telemetry::LogFormat::Json,
    };
    // Logging that was started before stays as it is.
    telemetry::init(&config.daemon.log, format).ok()
}

/// The runtime for the stages that wait.
pub(super) fn runtime(config: &Config) -> Result<tokio::runtime::Runtime, CliError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = config.daemon.threads {
        builder.worker_threads(threads);
    }
    builder.max_blocking_threads(BLOCKING_THREADS_MAX);
    builder.enable_all().build().map_err(|error| CliError::new(IO, format!("start the runtime: {error}")))
}

fn parts(config: Config, context: &Context, console: Console) -> Parts {
    Parts { config, place: context.place_name(), clock: context.clock.clone(), console }
}

async fn daemon(parts: Parts, context: &Context, logs: Option<LogControl>) -> Result<(), CliError> {
    let signals = Signals::new().map_err(|e| CliError::new(IO, format!("set signal handlers: {e}")))?;
    in_turn(parts, context, logs, signals.requests()).await
}

/// One of several processes waits for its turn, and again when another one has taken its place.
#[cfg(feature = "postgres")]
async fn in_turn(
    parts: Parts,
    context: &Context,
    logs: Option<LogControl>,
    mut requests: mpsc::Receiver<DaemonRequest>,
) -> Result<(), CliError> {
    let (mut config, mut again) = (parts.config, false);
    // Several go by the clock of their server.
    let clock = parts.clock.correctable();
    loop {
        match stand_by(&config, &context.place_name(), &clock, again, &mut requests).await.map_err(error)? {
            StoodBy::Stop => return Ok(()),
            StoodBy::Reload => again = true,
            StoodBy::Turn(leadership) => {
                let is_node = leadership.is_some();
                let lead = lead(
                    Parts { clock: clock.clone(), ..self::parts(config.clone(), context, Console::stdout()) },
                    leadership,
                    context,
                    logs.clone(),
                    &mut requests,
                );
                match lead.await {
                    Err(failure) if is_node && failure.is_stepped_down() => {
                        warn!("another node decides now, this one stands by");
                        again = true;
                    }
                    ended => return ended.map_err(error),
                }
            }
        }
        match context.load() {
            Ok(loaded) => config = loaded.config,
            Err(refused) => warn!(%refused, "the config is not right, the one before counts"),
        }
    }
}

#[cfg(not(feature = "postgres"))]
async fn in_turn(
    parts: Parts,
    context: &Context,
    logs: Option<LogControl>,
    mut requests: mpsc::Receiver<DaemonRequest>,
) -> Result<(), CliError> {
    lead(parts, None, context, logs, &mut requests).await.map_err(error)
}

async fn lead(
    parts: Parts,
    leadership: Option<Leadership>,
    context: &Context,
    logs: Option<LogControl>,
    requests: &mut mpsc::Receiver<DaemonRequest>,
) -> Result<(), AppError> {
    let feeds = parts.config.feeds.iter().filter(|feed| feed.enabled).count();
    let endpoints = parts.config.endpoints.iter().filter(|endpoint| endpoint.enabled).count();
    let topics = parts.config.topics.len();
    let seeds = parts.config.seeds.dir.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default();
    let heard = parts.config.endpoints.iter().filter(|endpoint| endpoint.enabled);
    let alerts_to = heard.map(|endpoint| endpoint.id.to_string()).collect::<Vec<_>>().join(", ");
    let app = App::start_as(parts, leadership).await?;
    let http = app.http_address.map_or_else(|| "off".to_owned(), |address| address.to_string());
    let config = context.place_name();
    info!(
        version = env!("CARGO_PKG_VERSION"),
        commit = super::version::COMMIT,
        config,
        feeds,
        topics,
        endpoints,
        seeds,
        alerts_to,
        http,
        "wirewatch is ready"
    );
    let mut daemon = Daemon::new(app, context.place(), context.environment.clone());
    daemon.logs = logs;
    daemon.run(requests).await
}

/// The exit code says what an operator does: look at the disk, the config, or who else is running.
pub(super) fn error(error: AppError) -> CliError {
    match error {
        AppError::Store(error) | AppError::Ingest(crate::ingest::IngestError::Store(error)) => error.into(),
        AppError::Delivery(crate::deliver::DeliveryError::Store(error)) => StoreError::into(error),
        AppError::Rules(_) => CliError::new(super::error::CONFIG, error.to_string())
            .hint("`wirewatch check` shows each of them at its place"),
        AppError::Listen { .. } => {
            CliError::new(UNAVAILABLE, error.to_string()).hint("set another `listen` in [http], or \"off\"")
        }
        error => CliError::new(IO, error.to_string()),
    }
}

fn print_once(once: &OnceReport, out: Output) -> Result<(), CliError> {
    let failed = once.polls.iter().filter(|poll| poll.failure.is_some()).count();
    let receipts = || once.polls.iter().filter_map(|poll| poll.receipt.as_ref());
    let new: u64 = receipts().map(|r| r.new).sum();
    let seeds = once.seeds.as_ref();
    let seeds_new = seeds.map_or(0, |s| s.new_items);
    if out == Output::Json {
        let value = serde_json::json!({
            "seeds": seeds.map(|s| serde_json::json!({
                "files": s.status.taken, "refused": s.status.refused, "known": s.status.known,
                "new_items": s.new_items, "left": s.left,
            })),
            "feeds": { "polled": once.polls.len(), "failed": failed, "new_items": new },
            "deliveries": {
                "delivered": once.deliveries.delivered, "failed": once.deliveries.failed,
                "parked": once.deliveries.parked,
            },
        });
        return Ok(output::document(&value)?);
    }
    let mut err = io::stderr().lock();
    if let Some(seeds) = seeds {
        let s = &seeds.status;
        let new = counted(seeds_new, "new item");
        writeln!(err, "seeds: {} taken, {} refused, {new}", counted(s.taken, "file"), s.refused)?;
    }
    let (polled, new) = (once.polls.len(), counted(new, "new item"));
    writeln!(err, "feeds: {polled} polled, {failed} failed, {new}")?;
    let failing = once.polls.iter().filter_map(|poll| {
        let (class, words) = poll.failure.as_ref()?;
        Some(FeedInTrouble { id: poll.source.to_string(), class: *class, error: words.clone(), gone: false })
    });
    for group in failing::grouped(failing.collect(), once.polls.len()) {
        writeln!(err, "  {}", clean::one_line(&group.words))?;
    }
    let d = &once.deliveries;
    writeln!(err, "alerts: {} delivered, {} failed for now, {} parked", d.delivered, d.failed, d.parked)?;
    Ok(())
}
