//! Logs: one line per event on standard error, whatever the data holds. Under systemd each line carries
//! its priority and no time of its own; elsewhere an RFC 3339 time. JSON on request.

mod family;
mod line;
mod metrics;
mod pulse;
mod screen;
mod stderr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

pub use family::{DurationHistogram, NamedCounts, NamedDurations};
pub use line::LineFormat;
pub use metrics::{Exposition, Metric, MetricKind, Sample, SampleValue, render};
pub use pulse::Pulse;
pub use screen::{ScreenRules, TAKEN};
pub use stderr::lines_dropped;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people and the journal.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It was started before.
    #[error(transparent)]
    Started(#[from] TryInitError),
    /// No thread could be started for it.
    #[error(transparent)]
    Thread(#[from] std::io::Error),
}

/// Starts logging for this process.
///
/// `level` is a filter such as `info` or `info,wirewatch::deliver=debug`.
///
/// # Errors
/// When logging was started before.
pub fn init(level: &str, format: LogFormat) -> Result<LogControl, TryInitError> {
    let (filter, control) = reload::Layer::new(filter(level));
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let registry = tracing_subscriber::registry().with(filter);
    let started = match format {
        LogFormat::Text => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_ansi(false)
                    .with_writer(|| stderr::LogStderr)
                    .event_format(LineFormat { journal }),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(|| stderr::LogStderr))
            .try_init(),
    };
    started.map(|()| LogControl { filter: control, also: None, screen: None })
}

/// Starts the screen instead: for a person at a terminal.
///
/// # Errors
/// When logging was started before, or no thread can be.
pub fn init_screen(level: &str, rules: ScreenRules) -> Result<LogControl, LogError> {
    let also = format!("{TAKEN}=debug");
    let (filter, control) = reload::Layer::new(filter(&format!("{level},{also}")));
    let layer = screen::ScreenLayer::start(rules)?;
    let flush = layer.flush();
    tracing_subscriber::registry().with(filter).with(layer).try_init()?;
    Ok(LogControl { filter: control, also: Some(also), screen: Some(flush) })
}

/// Changes what is logged while the process runs.
#[derive(Debug, Clone)]
pub struct LogControl {
    filter: reload::Handle<EnvFilter, tracing_subscriber::Registry>,
    /// What is listened to whatever the level.
    also: Option<String>,
    screen: Option<screen::ScreenFlush>,
}

impl LogControl {
    /// Waits until what happened is printed: before the process ends.
    pub fn flush(&self) {
        if let Some(screen) = &self.screen {
            screen.wait();
        }
    }

    /// Logs by this filter from now on.
    pub fn set_level(&self, level: &str) {
        // It fails only when logging is gone.
        let level = self.also.as_ref().map_or_else(|| level.to_owned(), |also| format!("{level},{also}"));
        let _ = self.filter.reload(filter(&level));
    }
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"))
}
