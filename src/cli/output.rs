//! What commands print: tables that line up for any script, or JSON. Standard output belongs to the
//! result, standard error to everything else. All text from outside is cleaned on its way out.

use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::config::Look;
use crate::model::Timestamp;
use crate::text::{clean, span};

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

/// A table: columns that are empty throughout are left out, those that may be are cut where the width asks for it, and
/// the last one takes what is left.
#[derive(Debug)]
pub struct Table {
    head: Vec<&'static str>,
    cuttable: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// Rows that were printed already, as [`Table::follow`] does.
    printed: usize,
}

/// A column that was cut is this wide at least.
const COLUMN_MIN: usize = 8;
/// The last column is, where it has so much to say.
const LAST_COLUMN_MIN: usize = 24;
/// Rows that a followed list lines up with.
const FOLLOWED_ROWS_MAX: usize = 200;

impl Table {
    /// A table with these columns.
    #[must_use]
    pub fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), cuttable: Vec::new(), rows: Vec::new(), printed: 0 }
    }

    /// Columns whose cells may be cut, with an ellipsis, before the last one suffers.
    #[must_use]
    pub fn cuttable(mut self, columns: &[&'static str]) -> Self {
        self.cuttable = columns.to_vec();
        self
    }

    /// Adds a row; cells are cleaned.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| clean::one_line(&cell).into_owned()).collect());
    }

    /// Renders for a width in columns.
    #[must_use]
    pub fn render(&self, width_max: usize) -> String {
        let widths = self.widths(width_max);
        let head: Vec<String> = self.head.iter().map(|h| (*h).to_owned()).collect();
        std::iter::once(&head).chain(&self.rows).map(|row| line_of(row, &widths)).collect()
    }

    /// The widths of the columns; none for a column that is left out.
    fn widths(&self, width_max: usize) -> Vec<Option<usize>> {
        let columns = self.head.len();
        let cells = |column: usize| self.rows.iter().filter_map(move |row| row.get(column)).map(|cell| cell.width());
        let mut widths: Vec<Option<usize>> = (0..columns)
            .map(|column| {
                let empty = column + 1 < columns && !self.rows.is_empty() && cells(column).all(|width| width == 0);
                (!empty).then(|| cells(column).chain([self.head[column].width()]).max().unwrap_or(0))
            })
            .collect();
        let Some((last, before)) = widths.split_last_mut() else { return widths };
        let natural = last.unwrap_or(0);
        let taken = |before: &[Option<usize>]| before.iter().flatten().map(|width| width + 2).sum::<usize>();
        let wanted = natural.min(LAST_COLUMN_MIN.max(width_max / 3));
        while taken(before) + wanted > width_max {
            let may = |column: &usize| self.cuttable.contains(&self.head[*column]);
            let widest = (0..before.len()).filter(may).max_by_key(|&column| before[column]);
            match widest.and_then(|column| before[column].as_mut()).filter(|width| **width > COLUMN_MIN) {
                Some(width) => *width -= 1,
                None => break,
            }
        }
        *last = Some(natural.min(width_max.saturating_sub(taken(before)).max(20)));
        widths
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

    /// Prints the rows added since the last call, lined up with those before them.
    ///
    /// # Errors
    /// When standard output is closed or full.
    pub fn follow(&mut self) -> io::Result<()> {
        let all = self.render(terminal_width());
        let from = if self.printed == 0 { 0 } else { self.printed + 1 };
        let mut out = io::stdout().lock();
        for line in all.lines().skip(from) {
            writeln!(out, "{line}")?;
        }
        let surplus = self.rows.len().saturating_sub(FOLLOWED_ROWS_MAX);
        self.rows.drain(..surplus);
        // The head was printed even where no row was.
        self.printed = self.rows.len();
        out.flush()
    }
}

/// A row at these widths.
fn line_of(row: &[String], widths: &[Option<usize>]) -> String {
    let mut out = String::new();
    for (cell, width) in row.iter().zip(widths).filter_map(|(cell, width)| Some((cell, (*width)?))) {
        let cell = cut(cell, width);
        out.push_str(&cell);
        out.extend(std::iter::repeat_n(' ', width + 2 - cell.width().min(width)));
    }
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
    out
}

/// How often a followed list is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Rows that are looked at each time: more than come within that.
const LOOKED_AT: usize = 1000;

/// Rows of a list and then each one that comes, oldest first, until the reader goes away; `rows` gives the newest first,
/// at most so many, and `key` says what makes one another.
///
/// # Errors
/// Those of the list and of standard output.
pub fn follow<T, E: From<io::Error>>(
    first: usize,
    rows: impl Fn(usize) -> Result<Vec<T>, E>,
    key: impl Fn(&T) -> String,
    mut print: impl FnMut(Vec<T>) -> io::Result<()>,
) -> Result<(), E> {
    let mut known: HashSet<String> = rows(LOOKED_AT.max(first))?.iter().map(&key).collect();
    let mut shown = rows(first)?;
    shown.reverse();
    known.extend(shown.iter().map(&key));
    print(shown)?;
    loop {
        std::thread::sleep(LOOK_EVERY);
        let mut new = rows(LOOKED_AT)?;
        let all: HashSet<String> = new.iter().map(&key).collect();
        new.retain(|row| !known.contains(&key(row)));
        new.reverse();
        known = all;
        if !new.is_empty() {
            print(new)?;
        }
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

/// The first of some names and how many more there are.
#[must_use]
pub fn first_of(all: &[String]) -> String {
    match all {
        [] => String::new(),
        [one] => one.clone(),
        [first, more @ ..] => format!("{first} +{}", more.len()),
    }
}

/// Head of a column of ages, as wide as most of them: lists of another minute look the same.
pub const AGE: &str = "AGE   ";

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

/// The same for a narrow column.
#[must_use]
pub fn age(at: Timestamp, now: Timestamp) -> String {
    if at > now { format!("in {}", span(at.since(now))) } else { span(now.since(at)) }
}

/// For how long something has lasted; a clock that was set back may leave its beginning ahead.
pub fn lasted(since: Timestamp, now: Timestamp) -> String {
    span(now.since(since))
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
    fn table_leaves_empty_columns_out_and_cuts_what_may_be() {
        let mut table = Table::new(&["ID", "NOTHING", "TOPICS", "TITLE"]).cuttable(&["TOPICS"]);
        let title = "A headline of forty characters, no less!";
        table.row(["itm_123456", "", "sanctions, troop-deployment", title].map(str::to_owned));
        let shown = table.render(60);
        assert!(!shown.contains("NOTHING"), "{shown}");
        assert!(shown.lines().all(|line| line.width() <= 60), "{shown}");
        assert!(shown.contains("sanctions, tr") && shown.contains("A headline of forty"), "{shown}");
        let wide = table.render(200);
        assert!(wide.contains("troop-deployment") && wide.contains(title), "{wide}");
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
