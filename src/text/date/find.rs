//! A date in a line of running text: a dateline, an update mark, a `date …` head. What the line leaves
//! out, mostly the year, is taken from other evidence and the result says so.

use std::ops::Range;

use super::calendar::is_day;
use super::civil::CivilTime;
use super::grammar::{DateGrammar, DateSetting};
use super::lex::{DateLexeme, LexemeKind, lex};
use super::zones::ZoneName;
use crate::model::{DateCertainty, Dated, Timestamp};

/// Bytes and lexemes of a line that are looked at: a date stands near the start of its line.
const LINE_BYTES_MAX: usize = 4096;
const LINE_LEXEMES_MAX: usize = 400;
/// Years tried on each side of the evidence; eight reach the next 29 February across 1900 or 2100.
const YEARS_AROUND: i16 = 8;

/// Hour, minute, second; hour 24 is the midnight that follows.
type Clock = (i8, i8, i8);

/// A date as a line gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialDate {
    /// The year, if written.
    pub year: Option<i16>,
    /// 1 to 12.
    pub month: i8,
    /// 1 to 31, and the month has such a day.
    pub day: i8,
    /// Hour, minute, second as written; hour 24 is the midnight that follows.
    pub time: Option<(i8, i8, i8)>,
    /// The zone, if written and known.
    pub zone: Option<ZoneName>,
    /// Bytes of the line the date takes up, its time and zone included.
    pub span: Range<usize>,
}

/// The first date in a line. Numbers that might be something else are not taken for one: a day needs
/// its month by name, or a year of four digits, or the form `25.02.25`.
#[must_use]
pub fn find(line: &str) -> Option<PartialDate> {
    let line = head(line);
    if !line.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let lexemes = lex(line, LINE_LEXEMES_MAX);
    let grammar = DateGrammar { lexemes: &lexemes, setting: DateSetting::Running };
    (0..lexemes.len()).find_map(|at| read_from(&grammar, at)).map(|(partial, _)| partial)
}

/// The part of a line that is looked at.
fn head(line: &str) -> &str {
    &line[..line.floor_char_boundary(LINE_BYTES_MAX)]
}

/// The date whose day starts at a lexeme, with the time around it; and the lexemes it takes up.
pub(super) fn read_from(grammar: &DateGrammar<'_, '_>, at: usize) -> Option<(PartialDate, Range<usize>)> {
    let lexemes = grammar.lexemes;
    let (day, mut end) = grammar.day(at)?;
    let mut start = at;
    let (mut year, mut time, mut zone) = (day.year, None, None);
    if let Some((read, after)) = grammar.time_after(end) {
        (time, end) = (Some(read), after);
        if let Some((read, after)) = grammar.zone(end) {
            (zone, end) = (Some(read), after);
        }
    } else if let Some((before, read, read_zone)) = time_before(grammar, at) {
        (start, time, zone) = (before, Some(read), read_zone);
    } else if let Some((read, after)) = grammar.zone(end) {
        // A day with a zone, `2002-10-13Z`: the day is what counts.
        (zone, end) = (Some(read), after);
    }
    if year.is_none() && time.is_some() {
        // ctime: `Tue Feb 25 10:11:12 CET 2025`.
        let skipped = usize::from(zone.is_none() && lexemes.get(end).is_some_and(DateLexeme::is_word));
        if let Some(found) = written_year(grammar, end + skipped) {
            (year, end) = (Some(found), end + skipped + 1);
        }
    }
    if !year.is_none_or(|year| is_day(year, day.month, day.of_month)) {
        return None;
    }
    let span = lexemes.get(start)?.span.start..lexemes.get(end - 1)?.span.end;
    Some((PartialDate { year, month: day.month, day: day.of_month, time, zone, span }, start..end))
}

fn written_year(grammar: &DateGrammar<'_, '_>, at: usize) -> Option<i16> {
    match grammar.lexemes.get(at)?.kind {
        LexemeKind::Number(value @ 1900..=2100, 4) => i16::try_from(value).ok(),
        _ => None,
    }
}

/// `10:30 CET, 25 February`: a time that ends where the day starts.
fn time_before(grammar: &DateGrammar<'_, '_>, day: usize) -> Option<(usize, Clock, Option<ZoneName>)> {
    for start in day.saturating_sub(10)..day {
        let Some((time, mut end)) = grammar.time(start) else { continue };
        let mut zone = None;
        if let Some((read, after)) = grammar.zone(end).filter(|(_, after)| *after <= day) {
            (zone, end) = (Some(read), after);
        }
        if end <= day && (end..day).all(|at| grammar.is_gap(at)) {
            return Some((start, time, zone));
        }
    }
    None
}

impl PartialDate {
    /// The moment, in the given year.
    pub(super) fn dated(&self, year: i16) -> Option<Dated> {
        let civil = CivilTime { year, month: self.month, day: self.day, time: self.time.unwrap_or((0, 0, 0)) };
        let certainty = match (self.year, self.time, self.zone) {
            (None, ..) => DateCertainty::YearInferred,
            (_, None, _) => DateCertainty::Day,
            (_, Some(_), None) => DateCertainty::ZoneAssumed,
            (_, Some(_), Some(_)) => DateCertainty::Exact,
        };
        let zone = self.zone.filter(|_| self.time.is_some());
        Some(Dated { at: civil.at(zone)?, certainty })
    }

    /// Fills in what the line left out. A missing year becomes the one that brings the date closest to
    /// the median of `evidence` (other dates that belong to the text), or to `fallback` (the time of
    /// the file) without any, and not later than a day after `fallback`.
    #[must_use]
    pub fn resolve(&self, evidence: &[Timestamp], fallback: Timestamp) -> Dated {
        let stand_in = Dated { at: fallback, certainty: DateCertainty::FileTime };
        if let Some(year) = self.year {
            return self.dated(year).unwrap_or(stand_in);
        }
        let mut evidence = evidence.to_vec();
        evidence.sort_unstable();
        let median = evidence.get(evidence.len() / 2).copied().unwrap_or(fallback).min(fallback);
        let latest = fallback.plus(std::time::Duration::from_secs(86_400));
        let center = median.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).year();
        (center.saturating_sub(YEARS_AROUND)..=center.saturating_add(YEARS_AROUND))
            .filter_map(|year| self.dated(year))
            .filter(|dated| dated.at <= latest)
            .min_by_key(|dated| dated.at.millis().abs_diff(median.millis()))
            .unwrap_or(stand_in)
    }
}
