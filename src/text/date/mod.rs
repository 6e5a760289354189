//! Dates as the wild writes them: [`parse`] reads a field that is a date, [`find`] looks for one in a
//! line of text. Own grammar over lexemes, because no parser reads half of what feeds carry; the
//! calendar is jiff's. Nothing here panics or knows what time it is; weekdays are never believed.

mod calendar;
mod civil;
mod find;
mod grammar;
mod lex;
mod months;
mod zones;

pub use find::{PartialDate, find};
pub use zones::ZoneName;

use std::borrow::Cow;

use crate::model::{DateCertainty, Dated, Timestamp};

use find::read_from;
use grammar::{DateGrammar, DateSetting};
use lex::{DateLexeme, LexemeKind, lex};

/// A date field longer than this is no date.
const FIELD_BYTES_MAX: usize = 160;
/// Lexemes of a field that are looked at.
const FIELD_LEXEMES_MAX: usize = 48;
/// From 1990 to 2100: other years are for the grammar to judge.
const STANDARD_SECONDS: std::ops::Range<i64> = 631_152_000..4_102_444_800;
/// Words in a field that say nothing about a date before it is taken for something else.
const STRANGE_WORDS_MAX: usize = 2;

/// 1900: earlier years in other digits are not of the Gregorian calendar.
const OTHER_DIGITS_FROM: Timestamp = Timestamp::from_millis(-2_208_988_800_000);

/// The months of the Levant that have two words, as the rest of the Arabic world calls them.
const LEVANTINE_MONTHS: [(&str, &str); 4] =
    [("كانون الثاني", "يناير"), ("تشرين الأول", "أكتوبر"), ("تشرين الثاني", "نوفمبر"), ("كانون الأول", "ديسمبر")];

/// Reads one date that stands alone, as feeds carry it: RFC 822 to 3339, with named zones or none,
/// Unix seconds to nanoseconds, US, dotted and compact forms, ctime, and month names of some thirty
/// languages. `None` when there is no day in it, or it has no year.
#[must_use]
pub fn parse(text: &str) -> Option<Dated> {
    let text = text.trim();
    if text.is_empty() || text.len() > FIELD_BYTES_MAX {
        return None;
    }
    let exact = |at| Dated { at, certainty: DateCertainty::Exact };
    standard(text).map(exact).or_else(|| {
        let usual = usual(text);
        // In other digits a year so far back is one of another calendar, as that of Iran.
        let is_ours = |dated: &Dated| !has_other_digits(text) || dated.at >= OTHER_DIGITS_FROM;
        by_grammar(&usual).filter(is_ours)
    })
}

/// The text with ASCII digits, without the wrapping of .NET's JSON (`/Date(1740478272000+0100)/`, whose offset
/// is only for display) and of CDATA that was escaped, and with the month names of two words that Arabic has
/// in the Levant replaced by those of one.
fn usual(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix("<![CDATA[").map_or(text, |inner| inner.strip_suffix("]]>").unwrap_or(inner).trim());
    if let Some(millis) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        let digits = millis.len() - millis.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        return Cow::Borrowed(&millis[..digits]);
    }
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let ascii = |c: char| other_digit(c).unwrap_or(c);
    let mut usual: String = text.chars().map(ascii).collect();
    for (two_words, one) in LEVANTINE_MONTHS {
        if usual.contains(two_words) {
            usual = usual.replace(two_words, one);
        }
    }
    Cow::Owned(usual)
}

/// An Arabic, Persian or Devanagari digit as the ASCII one.
fn other_digit(c: char) -> Option<char> {
    let zero = [0x660, 0x6f0, 0x966].into_iter().find(|zero| (*zero..zero + 10).contains(&u32::from(c)))?;
    char::from_digit(u32::from(c) - zero, 10)
}

fn has_other_digits(text: &str) -> bool {
    text.chars().any(|c| other_digit(c).is_some())
}

fn by_grammar(text: &str) -> Option<Dated> {
    let lexemes = lex(text, FIELD_LEXEMES_MAX);
    if let Some(dated) = numbers_only(&lexemes) {
        return Some(dated);
    }
    let grammar = DateGrammar { lexemes: &lexemes, setting: DateSetting::Alone };
    let (partial, read) =
        (0..lexemes.len()).find_map(|at| read_from(&grammar, at).filter(|(p, _)| p.year.is_some()))?;
    let strange = |(at, lexeme): (usize, &DateLexeme<'_>)| {
        lexeme.is_word() && !read.contains(&at) && !grammar.is_gap(at) && ZoneName::named(&lexeme.folded()).is_none()
    };
    // What stands in brackets names the zone once more; after a semicolon come W3C-DTF's parameters.
    let outside = lexemes.iter().enumerate().take_while(|(_, l)| !l.is_mark(&['(', '[', ';']));
    if outside.filter(|entry| strange(*entry)).count() > STRANGE_WORDS_MAX {
        return None;
    }
    partial.dated(partial.year?)
}

/// The two forms that nearly all feeds use, RFC 3339 and RFC 2822 with a numeric zone or GMT, where nothing
/// about them is odd: a tenth of what the grammar takes. Everything else is the grammar's.
fn standard(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let at = if bytes.get(10) == Some(&b'T') && matches!(bytes.len(), 20 | 25) {
        text.parse::<jiff::Timestamp>().ok()?
    } else if bytes.get(3) == Some(&b',') && (text.ends_with(" GMT") || has_offset(bytes)) {
        jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?
    } else {
        return None;
    };
    STANDARD_SECONDS.contains(&at.as_second()).then(|| Timestamp::from_millis(at.as_millisecond()))
}

/// ` +hhmm` at the end; -0000 says that the zone is unknown.
fn has_offset(bytes: &[u8]) -> bool {
    let Some((rest, zone)) = bytes.split_last_chunk::<5>() else { return false };
    let [sign, digits @ ..] = zone;
    rest.last() == Some(&b' ')
        && matches!(sign, b'+' | b'-')
        && digits.iter().all(u8::is_ascii_digit)
        && zone != b"-0000"
}

/// Unix times, `20250225101112`, a bare year, a year and month.
fn numbers_only(lexemes: &[DateLexeme<'_>]) -> Option<Dated> {
    // Like every other form, to the second.
    let whole = |millis: i64| {
        let at = Timestamp::from_seconds(millis.div_euclid(1000));
        Some(Dated { at, certainty: DateCertainty::Exact })
    };
    let day = |year: u64, month: i8| {
        let at = civil::CivilTime { year: i16::try_from(year).ok()?, month, day: 1, time: (0, 0, 0) }.at(None)?;
        Some(Dated { at, certainty: DateCertainty::Day })
    };
    let kinds: Vec<LexemeKind> = lexemes.iter().take(4).map(|l| l.kind).collect();
    match *kinds.as_slice() {
        [LexemeKind::Number(year, 4)] => day(year, 1),
        [LexemeKind::Number(year, 4), LexemeKind::Mark('-'), LexemeKind::Number(month @ 1..=12, 2)] => {
            day(year, month as i8)
        }
        [LexemeKind::Number(value, 14)] => {
            let time = ((value / 10_000 % 100) as i8, (value / 100 % 100) as i8, (value % 100) as i8);
            let (year, date) = (value / 10_000_000_000, value / 1_000_000);
            let fits = time.0 < 24 && time.1 < 60 && time.2 < 60;
            let year = i16::try_from(year).ok().filter(|_| fits)?;
            let civil = civil::CivilTime { year, month: (date / 100 % 100) as i8, day: (date % 100) as i8, time };
            Some(Dated { at: civil.at(None)?, certainty: DateCertainty::ZoneAssumed })
        }
        [LexemeKind::Number(seconds, 9..=11)]
        | [LexemeKind::Number(seconds, 9..=11), LexemeKind::Mark('.'), LexemeKind::Number(..)] => {
            whole(i64::try_from(seconds).ok()?.checked_mul(1000)?)
        }
        [LexemeKind::Number(millis, 12 | 13)]
        | [LexemeKind::Number(millis, 13), LexemeKind::Mark('.'), LexemeKind::Number(..)] => {
            whole(i64::try_from(millis).ok()?)
        }
        [LexemeKind::Number(micros, 16)] => whole(i64::try_from(micros / 1000).ok()?),
        [LexemeKind::Number(nanos, 19)] => whole(i64::try_from(nanos / 1_000_000).ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
