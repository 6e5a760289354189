//! Logs: one line per event on standard error, whatever the data holds. Under systemd each line carries
//! its priority and no time of its own; elsewhere an RFC 3339 time. JSON on request.

mod line;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

pub use line::LineFormat;

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
pub fn init(level: &str, format: LogFormat) -> Result<(), TryInitError> {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let registry = tracing_subscriber::registry().with(filter);
    match format {
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
    }
}
