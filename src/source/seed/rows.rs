//! Tables as text: what separates the cells, whether the first line names columns that are known, and the rows one after
//! the other. RFC 4180 with what spreadsheets make of it: a semicolon or tab instead of the comma, a `sep=` line, line
//! ends within quotes. `detect` asks for the header, `parse` for the rows.

use std::borrow::Cow;

use super::fields::{ItemField, field_of};

/// Cells kept of one row.
const CELLS_MAX: usize = 300;
/// Bytes of a header line looked at.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// What the first line of a text says of it as a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableHeader {
    /// A title or a text, and something beside it.
    Known,
    /// A table, but nobody knows of what.
    Unknown,
    /// No table.
    None,
}

/// Looks at the first lines. What has no name of a table must be one beyond doubt.
pub(super) fn header_of(text: &str, extension: &str) -> TableHeader {
    let named = matches!(extension, "csv" | "tsv" | "tab");
    let body = without_separator_line(text).1;
    let line = body.lines().next().unwrap_or_default();
    let Some(separator) = separator_of(text) else { return TableHeader::None };
    let names = Rows::new(&body[..line.len()], separator).next().unwrap_or_default();
    let known = names.iter().filter(|name| field_of(name).is_some()).count();
    let is_told = names.iter().any(|name| is_text_field(name));
    if names.len() >= 2 && known >= 2 && is_told && known * 2 >= names.len().min(8) {
        return TableHeader::Known;
    }
    if named { TableHeader::Unknown } else { TableHeader::None }
}

fn is_text_field(name: &str) -> bool {
    matches!(field_of(name), Some(ItemField::Title | ItemField::Text))
}

/// `sep=;`, as one spreadsheet program writes it, and the rest.
pub(super) fn without_separator_line(text: &str) -> (Option<char>, &str) {
    let text = text.trim_start_matches('\u{feff}');
    let Some((first, rest)) = text.split_once('\n') else { return (None, text) };
    let Some(told) = first.trim_end().strip_prefix("sep=") else { return (None, text) };
    (told.chars().next(), rest)
}

/// The separator: told, or that which the first line has most of.
pub(super) fn separator_of(text: &str) -> Option<char> {
    let (told, rest) = without_separator_line(text);
    let line = rest.lines().next()?;
    let line = &line[..line.floor_char_boundary(HEADER_BYTES_MAX)];
    let count = |separator: char| line.matches(separator).count();
    let most = ['\t', ',', ';', '|'].into_iter().max_by_key(|separator| count(*separator))?;
    told.or((count(most) > 0).then_some(most))
}

/// The rows of a table, one after the other.
pub(super) struct Rows<'a> {
    rest: &'a str,
    separator: char,
    /// The text ended within quotes.
    pub is_open: bool,
}

impl<'a> Rows<'a> {
    pub(super) fn new(text: &'a str, separator: char) -> Self {
        Self { rest: text, separator, is_open: false }
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Vec<Cow<'a, str>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let mut cells: Self::Item = Vec::new();
        loop {
            // Further cells are passed over, and the row counts as one that has too many.
            cells.truncate(CELLS_MAX);
            let quoted = self.rest.strip_prefix('"');
            if let Some(inner) = quoted {
                let (cell, used) = quoted_cell(inner);
                self.is_open = used.is_none();
                cells.push(cell);
                self.rest = used.map_or("", |used| &inner[used..]);
                // What stands between the closing quote and the separator belongs to nobody.
                let end = self.rest.find([self.separator, '\n']).unwrap_or(self.rest.len());
                self.rest = &self.rest[end..];
            } else {
                let end = self.rest.find([self.separator, '\n']).unwrap_or(self.rest.len());
                cells.push(self.rest[..end].trim_end_matches('\r').into());
                self.rest = &self.rest[end..];
            }
            let Some(rest) = self.rest.strip_prefix(self.separator) else {
                self.rest = self.rest.strip_prefix('\n').unwrap_or(self.rest);
                return Some(cells);
            };
            self.rest = rest;
        }
    }
}

/// A cell up to its closing quote, and the bytes it took; none where it does not close.
fn quoted_cell(inner: &str) -> (Cow<'_, str>, Option<usize>) {
    let mut from = 0;
    while let Some(at) = inner[from..].find('"') {
        let at = from + at;
        if inner[at + 1..].starts_with('"') {
            from = at + 2;
            continue;
        }
        let cell = &inner[..at];
        return (if cell.contains('"') { cell.replace("\"\"", "\"").into() } else { cell.into() }, Some(at + 1));
    }
    (inner.into(), None)
}
