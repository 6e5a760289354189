//! A stored payload becomes a compact block for people. Used by the `console` endpoint and by
//! `receive`. All text in a payload is somebody else's: it is cleaned before it is shown.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::text::{clean, counted};

/// Columns where nothing better is known.
const COLUMNS: usize = 100;
/// Narrower terminals get lines this long all the same.
const COLUMNS_MIN: usize = 40;
/// Lines of a headline before it is cut.
const TITLE_LINES_MAX: usize = 3;
/// Outlets named before the rest is counted.
const SOURCES_MAX: usize = 4;
/// Evidence named before the rest is counted.
const EVIDENCE_MAX: usize = 6;
/// Evidence looked at; `receive` prints what anybody sends.
const EVIDENCE_READ_MAX: usize = 200;
/// Every line but the first starts so.
const INDENT: &str = "  ";

/// Somewhere to print alerts to; a cheap handle.
#[derive(Clone)]
pub struct Console {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
    style: Style,
}

/// How blocks look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns of a line.
    pub columns: usize,
    /// ANSI colours or none.
    pub colour: bool,
}

impl Style {
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
        Self { columns, colour }
    }
}

impl Console {
    /// The process's standard output: colours only on a terminal, and not where `NO_COLOR` is set.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(Box::new(io::stdout()), Style::stdout())
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
        self.print_text(&block(payload, self.style))
    }

    /// Prints text that is clean already.
    ///
    /// # Errors
    /// As for [`Console::print`].
    pub fn print_text(&self, text: &str) -> io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
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
pub fn block(payload: &[u8], style: Style) -> String {
    let style = Style { columns: style.columns.max(COLUMNS_MIN), ..style };
    let Ok(value) = serde_json::from_slice::<Value>(payload) else {
        return format!("· {} bytes that are not JSON\n", payload.len());
    };
    let kind = text(&value, "/type");
    let mut lines = if value.pointer("/data/source").is_some() {
        // About a source: what is wrong with it, in one sentence.
        let head = format!("· {}  {}", clock_time(&text(&value, "/timestamp")), or_unknown(&kind));
        let summary = wrap(&text(&value, "/data/summary"), style.columns - INDENT.len(), TITLE_LINES_MAX);
        std::iter::once(head).chain(summary.into_iter().map(|line| format!("{INDENT}{line}"))).collect()
    } else if value.pointer("/data/alert").is_some() {
        alert_lines(&value, style)
    } else {
        // Operational messages: no story, just what they say.
        let data = value.pointer("/data").map(ToString::to_string).unwrap_or_default();
        let head = format!("· {}  {}", clock_time(&text(&value, "/timestamp")), or_unknown(&kind));
        vec![head, format!("{INDENT}{}", cut(&clean::one_line(&data), style.columns - INDENT.len()))]
    };
    lines.retain(|line| !line.trim().is_empty());
    lines.join("\n") + "\n\n"
}

fn alert_lines(value: &Value, style: Style) -> Vec<String> {
    let width = style.columns - INDENT.len();
    let story_title = text(value, "/data/story/title");
    let title = if story_title.is_empty() { text(value, "/data/item/title") } else { story_title };
    let mut lines = vec![headline(value, style)];
    lines.extend(wrap(&title, width, TITLE_LINES_MAX).into_iter().map(|line| {
        if style.colour { format!("{INDENT}\u{1b}[1m{line}\u{1b}[0m") } else { format!("{INDENT}{line}") }
    }));
    lines.push(format!("{INDENT}{}", cut(&coverage(value), width)));
    // A link is never cut: a cut one is worth nothing.
    lines.push(format!("{INDENT}{}", text(value, "/data/item/url")));
    let words = evidence(value);
    if !words.is_empty() {
        lines.push(format!("{INDENT}{}", cut(&format!("words: {words}"), width)));
    }
    lines
}

/// `▲ HIGH  2025-03-17 08:02 UTC  Troop deployment  8.5 of 5  first`
fn headline(value: &Value, style: Style) -> String {
    let severity = text(value, "/data/alert/severity");
    let (mark, colour) = match severity.as_str() {
        "critical" => ("‼", "1;31"),
        "high" => ("▲", "31"),
        "medium" => ("●", "33"),
        _ => ("·", "2"),
    };
    let name = or_unknown(&severity).to_uppercase();
    let badge = format!("{mark} {name}");
    let label = text(value, "/data/topics/0/label");
    let label = if label.is_empty() { text(value, "/data/topics/0/id") } else { label };
    let rest = format!(
        "  {}  {}  {} of {}  {}",
        clock_time(&text(value, "/timestamp")),
        or_unknown(&label),
        number(value, "/data/topics/0/score"),
        number(value, "/data/topics/0/threshold"),
        text(value, "/data/alert/reason"),
    );
    let rest = cut(&rest, style.columns.saturating_sub(badge.width()));
    if style.colour { format!("\u{1b}[{colour}m{badge}\u{1b}[0m{rest}") } else { format!("{badge}{rest}") }
}

/// `3 outlets: a, b, c · 4 items · 2 copies · developing`
fn coverage(value: &Value) -> String {
    let sources: Vec<String> = value
        .pointer("/data/story/outlets")
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).map(|s| clean::one_line(s).into_owned()).collect())
        .unwrap_or_default();
    let total = count(value, "/data/story/outlets_total").max(sources.len() as u64);
    let named = sources.iter().take(SOURCES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let beyond = total.saturating_sub(SOURCES_MAX as u64);
    let more = if beyond > 0 { format!(" +{beyond}") } else { String::new() };
    let mut parts = vec![format!("{}: {named}{more}", counted(total, "outlet"))];
    parts.push(counted(count(value, "/data/story/items"), "item"));
    let copies = count(value, "/data/sightings/exact").saturating_add(count(value, "/data/sightings/near"));
    if copies > 0 {
        parts.push(counted(copies, "copy"));
    }
    let phase = text(value, "/data/story/phase");
    if !phase.is_empty() {
        parts.push(phase);
    }
    parts.join(" · ")
}

/// `deployment of troops, soldiers +2`
fn evidence(value: &Value) -> String {
    let Some(list) = value.pointer("/data/evidence").and_then(Value::as_array) else { return String::new() };
    let mut words: Vec<String> = Vec::new();
    for word in list.iter().take(EVIDENCE_READ_MAX).map(|hit| text(hit, "/text")) {
        if !word.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    }
    let beyond = words.len().saturating_sub(EVIDENCE_MAX);
    words.truncate(EVIDENCE_MAX);
    let more = if beyond > 0 { format!(" +{beyond}") } else { String::new() };
    words.join(", ") + &more
}

/// A string of the payload, on one line and harmless.
fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).map(|s| clean::one_line(s).into_owned()).unwrap_or_default()
}

fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

fn number(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).filter(|v| v.is_number()).map_or_else(|| "?".to_owned(), ToString::to_string)
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

/// `2025-03-17T08:02:11Z` as `2025-03-17 08:02 UTC`; anything else as it is.
fn clock_time(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..16), rfc3339.ends_with('Z')) {
        (Some(day), Some(time), true) => format!("{day} {time} UTC"),
        _ => or_unknown(rfc3339).to_owned(),
    }
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

    const PLAIN: Style = Style { columns: 80, colour: false };

    fn payload() -> Value {
        serde_json::json!({
            "type": "alert.matched", "timestamp": "2025-03-17T08:02:11Z",
            "data": {
                "alert": {"id": "alr_1", "sequence": 812, "reason": "first", "severity": "high"},
                "topics": [{"id": "harbour", "label": "Harbour works", "score": 8.5, "threshold": 5}],
                "story": {"id": "sty_1", "title": "Town council approves new harbour wall", "items": 3,
                          "outlets": ["gazette", "herald"], "outlets_total": 2, "phase": "developing"},
                "item": {"id": "itm_1", "title": "x", "url": "https://example.org/harbour"},
                "evidence": [{"text": "harbour wall", "weight": 5}, {"text": "harbour wall", "weight": 1}, {"text": "council", "weight": 2}],
                "sightings": {"exact": 1, "near": 2}
            }
        })
    }

    fn show(value: &Value, style: Style) -> String {
        block(value.to_string().as_bytes(), style)
    }

    #[test]
    fn block_alert_reads_like_this() {
        assert_eq!(
            show(&payload(), PLAIN),
            "▲ HIGH  2025-03-17 08:02 UTC  Harbour works  8.5 of 5  first\n\
             \x20 Town council approves new harbour wall\n\
             \x20 2 outlets: gazette, herald · 3 items · 3 copies · developing\n\
             \x20 https://example.org/harbour\n\
             \x20 words: harbour wall, council\n\n"
        );
    }

    #[test]
    fn block_colour_only_when_asked() {
        assert!(!show(&payload(), PLAIN).contains('\u{1b}'));
        assert!(show(&payload(), Style { colour: true, ..PLAIN }).starts_with("\u{1b}[31m▲ HIGH\u{1b}[0m"));
    }

    #[test]
    fn block_hostile_text_cannot_move_the_cursor_or_forge_lines() {
        let mut value = payload();
        value["data"]["story"]["title"] = "a\u{1b}[2J\r\n▲ CRITICAL forged\u{202e}b".into();
        value["data"]["topics"][0]["label"] = "x\ny".into();
        value["data"]["item"]["url"] = "https://example.org/\n\u{7}".into();
        let shown = show(&value, PLAIN);
        assert!(!shown.chars().any(|c| c != '\n' && clean::is_harmful(c)), "{shown:?}");
        assert_eq!(shown.lines().filter(|line| line.starts_with('▲')).count(), 1);
    }

    #[test]
    fn block_wide_script_is_wrapped_by_columns() {
        let mut value = payload();
        value["data"]["story"]["title"] = "港湾".repeat(60).into();
        let shown = show(&value, Style { columns: 50, colour: false });
        for line in shown.lines() {
            assert!(line.width() <= 50, "{} {line}", line.width());
        }
        assert!(shown.contains('…'));
    }

    #[test]
    fn block_other_types_and_damage_still_print() {
        let test =
            serde_json::json!({"type": "endpoint.test", "timestamp": "2025-03-17T08:02:11Z", "data": {"note": "hi"}});
        assert_eq!(show(&test, PLAIN), "· 2025-03-17 08:02 UTC  endpoint.test\n  {\"note\":\"hi\"}\n\n");
        assert_eq!(block(b"\xff{", PLAIN), "· 2 bytes that are not JSON\n");
        assert!(block(b"{\"data\":{\"alert\":{}}}", PLAIN).starts_with("· UNKNOWN"));
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
            value["data"]["story"]["title"] = title.into();
            let shown = show(&value, Style { columns, colour });
            prop_assert!(shown.lines().count() <= 4 + TITLE_LINES_MAX + 1);
        }
    }
}
