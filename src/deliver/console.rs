//! A stored payload becomes a compact block for people. Used by the `console` endpoint and by
//! `receive`. All text in a payload is somebody else's: it is cleaned before it is shown.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use jiff::tz::TimeZone;
use parking_lot::Mutex;
use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::model::Severity;
use crate::pipeline::alert::format::Message;
use crate::text::clean;

/// Columns where nothing better is known.
const COLUMNS: usize = 100;
/// Narrower terminals get lines this long all the same.
const COLUMNS_MIN: usize = 40;
/// Lines of a headline before it is cut.
const TITLE_LINES_MAX: usize = 3;
/// Lines of any other paragraph before it is cut.
const PARAGRAPH_LINES_MAX: usize = 8;
/// Every line but the first starts so.
const INDENT: &str = "  ";

/// Somewhere to print alerts to; a cheap handle.
#[derive(Clone)]
pub struct Console {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
    style: Style,
}

/// How blocks look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// Columns of a line.
    pub columns: usize,
    /// ANSI colours or none.
    pub colour: bool,
    /// The clocks that times are told by.
    pub zone: TimeZone,
}

impl Style {
    /// Lines of so many columns, without colours, in UTC.
    #[must_use]
    pub fn plain(columns: usize) -> Self {
        Self { columns, colour: false, zone: TimeZone::UTC }
    }

    /// That of the process's standard output: colours only on a terminal, and not where `NO_COLOR` is set.
    #[must_use]
    pub fn stdout() -> Self {
        let stdout = io::stdout();
        let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let columns = rustix::termios::tcgetwinsize(&stdout)
            .ok()
            .map(|size| usize::from(size.ws_col))
            .filter(|&columns| columns > 0)
            .unwrap_or(COLUMNS);
        Self { columns, colour, zone: TimeZone::UTC }
    }
}

impl Console {
    /// The process's standard output: colours only on a terminal, and not where `NO_COLOR` is set.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(Box::new(io::stdout()), Style::stdout())
    }

    /// Beside what a command prints: alerts are not mixed into JSON on standard output, they go to standard error then.
    #[must_use]
    pub fn beside(json: bool) -> Self {
        if json { Self::to(Box::new(io::stderr()), Style::plain(COLUMNS)) } else { Self::stdout() }
    }

    /// The same place, with other clocks.
    #[must_use]
    pub fn in_zone(&self, zone: &TimeZone) -> Self {
        Self { out: self.out.clone(), style: Style { zone: zone.clone(), ..self.style.clone() } }
    }

    /// Any other place.
    #[must_use]
    pub fn to(out: Box<dyn Write + Send>, style: Style) -> Self {
        Self { out: Arc::new(Mutex::new(out)), style }
    }

    /// Prints one alert, whole or not at all as far as the place allows.
    ///
    /// # Errors
    /// Those of the place: a closed pipe, a full disk.
    pub fn print(&self, payload: &[u8]) -> io::Result<()> {
        self.print_text(&block(payload, &self.style))
    }

    /// Prints text that is clean already.
    ///
    /// # Errors
    /// As for [`Console::print`].
    pub fn print_text(&self, text: &str) -> io::Result<()> {
        let mut out = self.out.lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("style", &self.style).finish_non_exhaustive()
    }
}

/// Renders a payload; one that is not ours becomes a line that says so.
#[must_use]
pub fn block(payload: &[u8], style: &Style) -> String {
    let columns = style.columns.max(COLUMNS_MIN);
    let Ok(value) = serde_json::from_slice::<Value>(payload) else {
        return format!("· {} bytes that are not JSON\n", payload.len());
    };
    let message = Message::of(&value, &style.zone);
    let width = columns - INDENT.len();
    let mut lines = headline(&message, style, width);
    let mut add = |text: &str, lines_max: usize| {
        lines.extend(wrap(&clean::one_line(text), width, lines_max).into_iter().map(|line| format!("{INDENT}{line}")));
    };
    add(&message.byline, 1);
    for paragraph in message.paragraphs() {
        add(&paragraph, PARAGRAPH_LINES_MAX);
    }
    // A link is never cut: a cut one is worth nothing.
    let linked = message.url.iter().map(|url| format!("{INDENT}{url}"));
    let headlines = message.headlines.iter().map(|other| (&other.title, &other.outlet, &other.url));
    let entries = message.entries.iter().map(|entry| (&entry.title, &entry.note, &entry.url));
    let mut listed = Vec::new();
    for (title, note, url) in headlines.chain(entries) {
        let line = clean::one_line(&format!("• {title} — {note}")).into_owned();
        listed.extend(wrap(&line, width, TITLE_LINES_MAX).into_iter().map(|line| format!("{INDENT}{line}")));
        listed.extend(url.iter().map(|url| format!("{INDENT}{INDENT}{url}")));
    }
    listed.extend(message.more(message.entries.len()).map(|more| format!("{INDENT}{more}")));
    let foot = format!("{INDENT}{}", clean::one_line(&message.foot));
    let foot = if style.colour { format!("\u{1b}[2m{foot}\u{1b}[0m") } else { foot };
    lines.extend(linked.chain(listed).chain([foot]));
    lines.join("\n") + "\n\n"
}

/// `▲ Town council approves new harbour wall`
fn headline(message: &Message, style: &Style, width: usize) -> Vec<String> {
    let (mark, colour) = match message.severity {
        Severity::Critical => ("‼", "1;31"),
        Severity::High => ("▲", "31"),
        Severity::Medium => ("●", "33"),
        Severity::Low => ("·", "2"),
    };
    let mark = if style.colour { format!("\u{1b}[{colour}m{mark}\u{1b}[0m") } else { mark.to_owned() };
    let title = clean::one_line(&message.headline).into_owned();
    let title = if title.is_empty() { "—".to_owned() } else { title };
    let mut lines = wrap(&title, width, TITLE_LINES_MAX);
    for (at, line) in lines.iter_mut().enumerate() {
        let shown = if style.colour { format!("\u{1b}[1m{line}\u{1b}[0m") } else { line.clone() };
        *line = if at == 0 { format!("{mark} {shown}") } else { format!("{INDENT}{shown}") };
    }
    lines
}

/// At most so many columns, with an ellipsis where something is missing.
fn cut(line: &str, columns: usize) -> String {
    if line.width() <= columns {
        return line.to_owned();
    }
    let mut out = prefix(line, columns.saturating_sub(1)).trim_end().to_owned();
    out.push('…');
    out
}

/// The longest beginning that fits.
fn prefix(line: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, c) in line.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return &line[..at];
        }
    }
    line
}

/// Breaks at spaces; a word longer than a line (or a script without spaces) is broken where it must.
fn wrap(text: &str, columns: usize, lines_max: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() && lines.len() < lines_max {
        if lines.len() + 1 == lines_max || rest.width() <= columns {
            lines.push(cut(rest, columns));
            break;
        }
        let fits = prefix(rest, columns);
        let at = match fits.rfind(' ') {
            Some(space) if rest[fits.len()..].chars().next().is_some_and(|c| c != ' ') && space > 0 => space,
            _ => fits.len(),
        };
        // Even a line too narrow for one character must make way.
        let at = if at == 0 { rest.chars().next().map_or(rest.len(), char::len_utf8) } else { at };
        lines.push(rest[..at].trim_end().to_owned());
        rest = rest[at..].trim_start();
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain() -> Style {
        Style::plain(80)
    }

    fn payload() -> Value {
        serde_json::json!({
            "type": "alert.matched", "timestamp": "2025-03-17T08:02:11Z",
            "data": {
                "alert": {"id": "alr_1", "sequence": 812, "reason": "first", "severity": "high"},
                "topics": [{"id": "harbour", "label": "Harbour works", "score": 8.5, "threshold": 5, "new": true}],
                "story": {"id": "sty_1", "title": "Town council approves new harbour wall", "items": 3,
                          "first_seen": "2025-03-17T07:10:00Z", "outlets": ["gazette", "herald"], "outlets_total": 2},
                "item": {"id": "itm_1", "title": "Harbour wall approved", "url": "https://example.org/harbour",
                         "outlet": "gazette", "source": "gazette", "published": "2025-03-17T08:00:00Z",
                         "excerpt": "The council voted on Monday to build a new wall around the old harbour."},
                "evidence": []
            }
        })
    }

    fn show(value: &Value, style: &Style) -> String {
        block(value.to_string().as_bytes(), style)
    }

    #[test]
    fn block_alert_reads_like_this() {
        assert_eq!(
            show(&payload(), &plain()),
            "▲ Harbour wall approved\n\
             \x20 gazette · today 08:00 UTC\n\
             \x20 The council voted on Monday to build a new wall around the old harbour.\n\
             \x20 Story: Town council approves new harbour wall · 2 outlets since today 07:10\n\
             \x20 UTC\n\
             \x20 High · Harbour works\n\
             \x20 https://example.org/harbour\n\
             \x20 wirewatch · alert 812\n\n"
        );
    }

    #[test]
    fn block_colour_only_when_asked() {
        assert!(!show(&payload(), &plain()).contains('\u{1b}'));
        assert!(
            show(&payload(), &Style { colour: true, ..plain() }).starts_with("\u{1b}[31m▲\u{1b}[0m \u{1b}[1mHarbour")
        );
    }

    #[test]
    fn block_hostile_text_cannot_move_the_cursor_or_forge_lines() {
        let mut value = payload();
        value["data"]["item"]["title"] = "a\u{1b}[2J\r\n▲ CRITICAL forged\u{202e}b".into();
        value["data"]["topics"][0]["label"] = "x\n▲ y".into();
        value["data"]["item"]["url"] = "https://example.org/\n\u{7}".into();
        let shown = show(&value, &plain());
        assert!(!shown.chars().any(|c| c != '\n' && clean::is_harmful(c)), "{shown:?}");
        assert_eq!(shown.lines().filter(|line| line.starts_with('▲')).count(), 1);
    }

    #[test]
    fn block_wide_script_is_wrapped_by_columns() {
        let mut value = payload();
        value["data"]["item"]["title"] = "港湾".repeat(80).into();
        let shown = show(&value, &Style { columns: 50, ..plain() });
        for line in shown.lines() {
            assert!(line.width() <= 50, "{} {line}", line.width());
        }
        assert!(shown.contains('…'));
    }

    #[test]
    fn block_other_types_and_damage_still_print() {
        let test = serde_json::json!({"type": "endpoint.test", "timestamp": "2025-03-17T08:02:11Z",
            "data": {"summary": "A test of endpoint desk", "alert": {"sequence": 3, "severity": "low"}}});
        assert_eq!(show(&test, &plain()), "· A test of endpoint desk\n  A test\n  wirewatch · alert 3\n\n");
        let unknown = serde_json::json!({"type": "something.new", "data": {}});
        assert!(show(&unknown, &plain()).starts_with("● something.new\n"));
        assert_eq!(block(b"\xff{", &plain()), "· 2 bytes that are not JSON\n");
        assert!(block(b"{\"data\":{\"alert\":{}}}", &plain()).starts_with("● —"));
    }

    #[test]
    fn wrap_words_stay_whole_where_they_can() {
        assert_eq!(wrap("one two three four", 9, 5), ["one two", "three", "four"]);
        assert_eq!(wrap("one two three four", 9, 2), ["one two", "three fo…"]);
        assert_eq!(wrap("abcdefghij", 4, 5), ["abcd", "efgh", "ij"]);
        assert!(wrap("", 10, 3).is_empty());
    }

    proptest! {
        #[test]
        fn block_any_title_fits_and_terminates(title in "\\PC{0,300}", columns in 1usize..200, colour: bool) {
            let mut value = payload();
            value["data"]["item"]["title"] = title.into();
            let shown = show(&value, &Style { columns, colour, zone: TimeZone::UTC });
            prop_assert!(shown.lines().count() <= 4 + TITLE_LINES_MAX + 2 * PARAGRAPH_LINES_MAX);
        }
    }
}
