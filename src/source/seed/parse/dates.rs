//! When a text says it was published: a `date …` head, a labelled line, a line that is nothing but a
//! date, a dateline. A missing year comes from the copyright line, else from full dates in the text,
//! else from the file's time, and is flagged. Dates told within sentences are never the article's.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::FileContext;
use crate::model::{Dated, Timestamp};
use crate::text::date;

/// Lines looked at from the top for a date of the article.
pub(super) const TOP_LINES: usize = 25;
/// Lines looked at from the end: some sites put the date there.
const TAIL_LINES: usize = 6;
/// Longer lines are sentences.
const LINE_CHARS_MAX: usize = 120;
/// Nor is a dateline's place longer than this.
const PLACE_CHARS_MAX: usize = 60;
/// Lines searched for evidence of the year.
const EVIDENCE_LINES_MAX: usize = 400;
/// Longer ones are not.
const EVIDENCE_LINE_BYTES_MAX: usize = 4000;

const PUBLISHED_LABELS: [&str; 8] =
    ["published", "first published", "posted", "date", "issued", "released", "publié le", "veröffentlicht"];
const UPDATED_LABELS: [&str; 7] =
    ["last update", "last updated", "updated", "modified", "last modified", "mis à jour", "aktualisiert"];

/// The dates a text gives itself.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct FoundDate {
    pub published: Option<Dated>,
    pub updated: Option<Dated>,
}

/// What a `date …` head on the first line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TextHead<'a> {
    /// The date; `None` when something stood there that is no date.
    pub date: Option<Dated>,
    /// The rest of the line: the title or the text.
    pub rest: &'a str,
}

/// Reads a `date 2025-03-17 Title…` head; `None` when the line has none.
pub(super) fn head<'a>(line: &'a str, file: &FileContext) -> Option<TextHead<'a>> {
    let line = line.trim();
    let after = line.get(..4).filter(|word| word.eq_ignore_ascii_case("date")).map(|_| &line[4..])?;
    let after = after.strip_prefix(':').unwrap_or(after);
    let rest = after.trim_start();
    if rest.len() == after.len() {
        return None;
    }
    if let Some(found) = date::find(rest).filter(|f| f.span.start == 0 && f.year.is_some()) {
        let tail = rest[found.span.end..].trim_start_matches([' ', '\t', '|', '-', '–', '—', ':', ',']);
        return Some(TextHead { date: Some(found.resolve(&[], file.latest())), rest: tail });
    }
    let (word, tail) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let numeric = word.len() >= 6 && word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'/' | b'.'));
    numeric.then(|| TextHead { date: None, rest: tail.trim_start() })
}

/// Finds the dates among the lines of a text.
pub(super) fn find(lines: &[&str], file: &FileContext) -> FoundDate {
    let mut candidates = DateCandidates::default();
    for (at, line) in lines.iter().enumerate() {
        let top = at < TOP_LINES;
        if top || at + TAIL_LINES >= lines.len() {
            candidates.consider(line, top);
        }
    }
    let best = candidates.labelled.or(candidates.updated.clone()).or(candidates.bare).or(candidates.dateline);
    let Some(best) = best else { return FoundDate::default() };
    let evidence = if best.year.is_some() { Vec::new() } else { evidence(lines) };
    let resolve = |partial: &date::PartialDate| partial.resolve(&evidence, file.latest());
    let published = resolve(&best);
    let updated = candidates.updated.map(|u| resolve(&u)).filter(|u| u.at > published.at);
    FoundDate { published: Some(published), updated }
}

/// Whether a line is there to say when: labelled, or hardly more than a date.
pub(super) fn is_date_line(line: &str) -> bool {
    let mut candidates = DateCandidates::default();
    candidates.consider(line, true);
    candidates.labelled.is_some() || candidates.updated.is_some() || candidates.bare.is_some()
}

/// The first date of each kind.
#[derive(Default)]
struct DateCandidates {
    labelled: Option<date::PartialDate>,
    updated: Option<date::PartialDate>,
    bare: Option<date::PartialDate>,
    dateline: Option<date::PartialDate>,
}

impl DateCandidates {
    fn consider(&mut self, line: &str, top: bool) {
        let line = line.trim();
        if line.chars().nth(LINE_CHARS_MAX).is_some() {
            if top && self.dateline.is_none() {
                self.dateline = dateline_of(line).and_then(date::find);
            }
            return;
        }
        let Some(found) = date::find(line) else { return };
        let lower = line.to_lowercase();
        let labelled = |labels: &[&str]| labels.iter().any(|label| has_label(&lower, label));
        let slot = if labelled(&UPDATED_LABELS) {
            &mut self.updated
        } else if labelled(&PUBLISHED_LABELS) {
            &mut self.labelled
        } else if top && is_bare(line, &found) {
            &mut self.bare
        } else if top && dateline_of(line).is_some_and(|place| found.span.end <= place.len()) {
            &mut self.dateline
        } else {
            return;
        };
        slot.get_or_insert(found);
    }
}

/// "Published: …", "Updated 24 Feb" — not "Updated rules for harbours of 24 Feb".
fn has_label(lower: &str, label: &str) -> bool {
    let Some(rest) = lower.strip_prefix(label) else { return false };
    let rest = rest.trim_start_matches([':', '|', '-', '–', '—', ' ', '\t']);
    let rest = ["on ", "at ", "am ", "le "].iter().find_map(|word| rest.strip_prefix(word)).unwrap_or(rest);
    date::find(rest).is_some_and(|found| rest[..found.span.start].split_whitespace().count() <= 3)
}

/// Hardly more than a date: at most three words beside it, or set off by a bar or bullet.
fn is_bare(line: &str, found: &date::PartialDate) -> bool {
    if line.ends_with(['.', '?', '!', '”', '"']) {
        return false;
    }
    let (before, after) = (&line[..found.span.start], &line[found.span.end..]);
    let words =
        before.split_whitespace().chain(after.split_whitespace()).filter(|w| w.chars().any(char::is_alphabetic));
    let set_off = before.trim_end().ends_with(['|', '•', '·']) || after.trim_start().starts_with(['|', '•', '·']);
    words.count() <= 3 || set_off
}

/// The part before the dash of "BRUSSELS, 14 May (Agency) — The council…", if there is such a part.
pub(super) fn dateline_of(line: &str) -> Option<&str> {
    // A dash further on is not looked for.
    let head = line.char_indices().nth(PLACE_CHARS_MAX + 3).map_or(line, |(end, _)| &line[..end]);
    let cut = [" — ", " – ", " - ", "— ", "- "].iter().filter_map(|dash| head.find(dash)).min()?;
    let place = &line[..cut];
    let first = place.split_whitespace().next()?;
    let shout = first.chars().filter(|c| c.is_alphabetic()).all(char::is_uppercase) && first.chars().count() > 2;
    (place.chars().count() <= PLACE_CHARS_MAX && (shout || place.ends_with(')'))).then_some(place)
}

/// Moments that tell the year: the middle of each copyright year, else full dates in the text.
fn evidence(lines: &[&str]) -> Vec<Timestamp> {
    let lines = || {
        lines
            .iter()
            .take(EVIDENCE_LINES_MAX / 2)
            .chain(lines.iter().rev().take(EVIDENCE_LINES_MAX / 2))
            .filter(|line| line.len() <= EVIDENCE_LINE_BYTES_MAX)
    };
    let copyright: Vec<_> = lines().filter_map(|line| copyright_year(line)).filter_map(mid_year).collect();
    if !copyright.is_empty() {
        return copyright;
    }
    let full = lines().filter_map(|line| date::find(line)).filter(|f| f.year.is_some());
    full.map(|f| f.resolve(&[], Timestamp::MAX).at).collect()
}

/// The last year of "© Agency 2025", "(c) 2019-2025", "Copyright 2025".
fn copyright_year(line: &str) -> Option<i16> {
    static MARKS: LazyLock<AhoCorasick> = LazyLock::new(|| {
        let search = AhoCorasick::builder().ascii_case_insensitive(true).build(["©", "(c)", "copyright"]);
        search.expect("invariant: a few constant words")
    });
    let from = &line[MARKS.find(line)?.start()..];
    let near = from.char_indices().nth(60).map_or(from, |(end, _)| &from[..end]);
    near.split(|c: char| !c.is_ascii_digit())
        .filter(|digits| digits.len() == 4)
        .filter_map(|digits| digits.parse().ok())
        .rfind(|year| (1990..=2100).contains(year))
}

/// Every day of a year is closer to its middle than to any other year's.
fn mid_year(year: i16) -> Option<Timestamp> {
    Timestamp::parse(&format!("{year:04}-07-02T12:00:00Z")).ok()
}
