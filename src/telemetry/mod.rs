//! Logs: one line per event on standard error, whatever the data holds. Under systemd each line carries
//! its priority and no time of its own; elsewhere an RFC 3339 time. JSON on request.

mod line;
mod metrics;
mod pulse;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

pub use line::LineFormat;
pub use metrics::{Exposition, Metric, MetricKind, Sample, render};
pub use pulse::Pulse;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people and the journal.
    Text,
    /// One JSON object a line.
    Json,
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
                    .with_writer(std::io::stderr)
                    .event_format(LineFormat { journal }),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
            .try_init(),
    };
    started.map(|()| LogControl(control))
}

/// Changes what is logged while the process runs.
#[derive(Debug, Clone)]
pub struct LogControl(reload::Handle<EnvFilter, tracing_subscriber::Registry>);

impl LogControl {
    /// Logs by this filter from now on.
    pub fn set_level(&self, level: &str) {
        // It fails only when logging is gone.
        let _ = self.0.reload(filter(level));
    }
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"))
}
