//! One event, one line. Every value is cleaned: a headline cannot forge a second line, move the cursor
//! or turn the text around it (tracing-subscriber escapes ESC but neither `\n` nor `\r`).

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::text::clean;

/// Characters of one value that are printed.
const VALUE_CHARS_MAX: usize = 400;

/// The text format.
#[derive(Debug, Clone, Copy)]
pub struct LineFormat {
    /// Standard error goes to the journal: priority prefix, no time.
    pub journal: bool,
}

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        if self.journal {
            write!(writer, "<{}>", priority(level))?;
        } else {
            SystemTime.format_time(&mut writer)?;
            write!(writer, " {level:>5} ")?;
        }
        let mut line = Line::default();
        event.record(&mut line);
        writeln!(writer, "{}{}", line.message, line.fields)
    }
}

/// Syslog's priorities, as systemd reads them from a line's prefix (sd-daemon(3)).
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn add(&mut self, field: &Field, value: &str) {
        let value = clean::excerpt(value, VALUE_CHARS_MAX);
        if field.name().starts_with("log.") {
            // Where a library logged from is of no use to an operator.
        } else if field.name() == "message" {
            self.message = value;
        } else if value.is_empty() || value.contains([' ', '"', '=']) {
            let _ = write!(self.fields, " {}=\"{}\"", field.name(), value.replace('"', "'"));
        } else {
            let _ = write!(self.fields, " {}={value}", field.name());
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(journal: bool, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .event_format(LineFormat { journal });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = sink.0.lock().expect("lock").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn log_line_hostile_title_stays_within_its_line() {
        let title = "quiet\r\n<3>ERROR forged \u{1b}[2J \u{202e}evil";
        let text = logged(true, || tracing::warn!(title, "item taken"));
        assert_eq!(text.lines().count(), 1);
        assert!(text.starts_with("<4>item taken title=\"quiet <3>ERROR forged [2J evil\""), "{text}");
    }

    #[test]
    fn log_line_outside_the_journal_has_a_time_and_level() {
        let text = logged(false, || tracing::info!(count = 3, "batch stored"));
        assert!(text.ends_with("  INFO batch stored count=3\n"), "{text}");
    }
}
