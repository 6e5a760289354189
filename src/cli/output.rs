//! What commands print: tables that line up for any script, or JSON. Standard output belongs to the
//! result, standard error to everything else. All text from outside is cleaned on its way out.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::config::Look;
use crate::model::Timestamp;
use crate::text::clean;

/// Width assumed where standard output is no terminal.
const WIDTH_DEFAULT: usize = 160;

/// How a read command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// For scripts.
    Json,
}

impl Output {
    /// From the `--json` flag.
    #[must_use]
    pub fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// Prints one JSON document.
///
/// # Errors
/// When standard output is closed or full.
pub fn document<T: Serialize>(value: &T) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// Prints JSON Lines.
///
/// # Errors
/// When standard output is closed or full.
pub fn lines<T: Serialize>(values: &[T]) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for value in values {
        serde_json::to_writer(&mut out, value)?;
        writeln!(out)?;
    }
    out.flush()
}

/// A progress bar on standard error; nothing where that is no terminal.
#[must_use]
pub fn progress(of: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(of);
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template(&format!(
        "{{bar:40}} {{human_pos}}/{{human_len}} {what}, {{per_sec}}, {{eta}} left"
    ));
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A table: the last column takes what width is left.
#[derive(Debug)]
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    #[must_use]
    pub fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; cells are cleaned.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| clean::one_line(&cell).into_owned()).collect());
    }

    /// Renders for a width in columns.
    #[must_use]
    pub fn render(&self, width_max: usize) -> String {
        let columns = self.head.len();
        let width_of = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width());
            cells.chain([self.head[column].width()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width_of).collect();
        let before_last: usize = widths[..columns.saturating_sub(1)].iter().map(|w| w + 2).sum();
        let last_max = width_max.saturating_sub(before_last).max(20);
        let mut out = String::new();
        let head: Vec<String> = self.head.iter().map(|h| (*h).to_owned()).collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            for (column, cell) in row.iter().enumerate().take(columns) {
                if column + 1 == columns {
                    out.push_str(&cut(cell, last_max));
                } else {
                    out.push_str(cell);
                    out.extend(std::iter::repeat_n(' ', widths[column] + 2 - cell.width()));
                }
            }
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
        }
        out
    }

    /// Prints; says so where there is nothing to print.
    ///
    /// # Errors
    /// When standard output is closed or full.
    pub fn print(&self, nothing: &str) -> io::Result<()> {
        if self.rows.is_empty() {
            errln!("{nothing}");
            return Ok(());
        }
        io::stdout().lock().write_all(self.render(terminal_width()).as_bytes())
    }
}

/// How a config report is drawn on standard error.
#[must_use]
pub fn look() -> Look {
    if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        return Look::Terminal { width: terminal_width() };
    }
    Look::Plain
}

/// Columns of the terminal; generous where output goes to a file or pipe.
#[must_use]
pub fn terminal_width() -> usize {
    if !io::stdout().is_terminal() {
        return WIDTH_DEFAULT;
    }
    rustix::termios::tcgetwinsize(io::stdout()).map_or(80, |size| usize::from(size.ws_col).max(40))
}

/// Cuts to a width in columns, with an ellipsis.
#[must_use]
pub fn cut(text: &str, width_max: usize) -> String {
    if text.width() <= width_max {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut width = 0;
    for c in text.chars() {
        width += c.width().unwrap_or(0);
        if width + 1 > width_max {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// A time for people: to the minute, UTC.
#[must_use]
pub fn minute(at: Timestamp) -> String {
    at.to_string().get(..16).unwrap_or_default().replace('T', " ")
}

/// How long ago, in the largest fitting unit.
#[must_use]
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        return format!("in {}", span(at.since(now)));
    }
    format!("{} ago", span(now.since(at)))
}

/// For how long something has lasted; a clock that was set back may leave its beginning ahead.
pub fn lasted(since: Timestamp, now: Timestamp) -> String {
    span(now.since(since))
}

fn span(span: std::time::Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_wide_scripts_line_up_and_the_last_column_is_cut() {
        let mut table = Table::new(&["SOURCE", "TITLE"]);
        table.row(["日本".to_owned(), "a title that is far too long for this".to_owned()]);
        table.row(["abc".to_owned(), "line\nbreak\u{1b}[2J".to_owned()]);
        assert_eq!(table.render(10), "SOURCE  TITLE\n日本    a title that is far…\nabc     line break [2J\n");
    }

    #[test]
    fn ago_uses_the_largest_fitting_unit() {
        let now = Timestamp::from_seconds(1_000_000);
        assert_eq!(ago(Timestamp::from_seconds(999_950), now), "50 s ago");
        assert_eq!(ago(Timestamp::from_seconds(990_000), now), "2 h ago");
        assert_eq!(ago(Timestamp::from_seconds(1_000_120), now), "in 2 min");
        assert_eq!(lasted(Timestamp::from_seconds(990_000), now), "2 h");
        assert_eq!(lasted(Timestamp::from_seconds(1_000_120), now), "0 s");
    }
}
