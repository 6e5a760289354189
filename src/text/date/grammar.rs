//! The forms of a date over lexemes: day, month and year in every order feeds and datelines use, times
//! on both clocks, zones. Each rule takes a position and gives what it read and where it ended; none
//! looks further than a few lexemes, so a line costs linear time.

use super::lex::{DateLexeme, LexemeKind};
use super::months::{half_day, is_filler, month, needs_year};
use super::zones::ZoneName;

/// How sure the surroundings are that this is a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DateSetting {
    /// The text is a date field: rare forms are believed.
    Alone,
    /// Running text: only forms that are hardly anything else.
    Running,
}

/// MonthDay, month, perhaps the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MonthDay {
    pub year: Option<i16>,
    pub month: i8,
    pub of_month: i8,
}

/// What was read, and the lexeme after it.
pub(super) type DateReading<T> = Option<(T, usize)>;

/// Words and marks skipped between the parts of a date.
const GAP_MAX: usize = 6;

/// The grammar over one line.
pub(super) struct DateGrammar<'a, 't> {
    pub lexemes: &'a [DateLexeme<'t>],
    pub setting: DateSetting,
}

impl DateGrammar<'_, '_> {
    /// A date that starts at a position.
    pub fn day(&self, at: usize) -> DateReading<MonthDay> {
        self.year_first(at)
            .or_else(|| self.year_then_named(at))
            .or_else(|| self.numbers_day_first(at))
            .or_else(|| self.day_then_month(at))
            .or_else(|| self.month_then_day(at))
    }

    fn number(&self, at: usize, digits: std::ops::RangeInclusive<usize>) -> Option<u64> {
        match self.lexemes.get(at)?.kind {
            LexemeKind::Number(value, len) if digits.contains(&len) => Some(value),
            _ => None,
        }
    }

    fn mark(&self, at: usize, marks: &[char]) -> bool {
        self.lexemes.get(at).is_some_and(|l| l.is_mark(marks))
    }

    fn word(&self, at: usize) -> Option<String> {
        let lexeme = self.lexemes.get(at).filter(|l| l.is_word())?;
        Some(lexeme.folded())
    }

    fn glued(&self, at: usize) -> bool {
        self.lexemes.get(at).is_some_and(|l| l.glued)
    }

    /// `2025-02-25`, `2025/2/25`, `2025-feb-25`, `2025年2月25日`, `20250225`, `2025-056`.
    fn year_first(&self, at: usize) -> DateReading<MonthDay> {
        if let Some(compact) = self.number(at, 8..=8) {
            let year = self.year(compact / 10_000)?;
            return Some((Self::numbers(Some(year), compact / 100 % 100, compact % 100)?, at + 1));
        }
        let year = self.year(self.number(at, 4..=4)?)?;
        let separator = self.lexemes.get(at + 1)?;
        let dated = separator.is_mark(&['-', '/', '.', '‐', '‑', '–']) || matches!(separator.text, "年" | "년");
        if !dated {
            return None;
        }
        if self.setting == DateSetting::Alone && separator.is_mark(&['-']) && self.number(at + 2, 3..=3).is_some() {
            return Some((day_of_year(year, self.number(at + 2, 3..=3)?)?, at + 3));
        }
        let month_number = match self.number(at + 2, 1..=2) {
            Some(number) => number,
            None => month(&self.word(at + 2)?).map(|m| m.unsigned_abs().into())?,
        };
        let second = self.lexemes.get(at + 3)?;
        if second.text != separator.text && !matches!(second.text, "月" | "월") {
            return None;
        }
        let day = Self::numbers(Some(year), month_number, self.number(at + 4, 1..=2)?)?;
        let end = at + 5;
        let unit = self.lexemes.get(end).is_some_and(|l| matches!(l.text, "日" | "일"));
        Some((day, end + usize::from(unit)))
    }

    /// `2025. február 25.`, `2025 m. vasario 25 d.`, `2025. gada 25. februāris`: only in a date field.
    fn year_then_named(&self, at: usize) -> DateReading<MonthDay> {
        let year = self.number(at, 4..=4).filter(|_| self.setting == DateSetting::Alone)?;
        let between = |l: &DateLexeme<'_>| {
            l.is_mark(&['.', ','])
                || (l.is_word() && matches!(l.folded().as_str(), "m" | "gada" | "g" | "met" | "metu"))
        };
        let first = self.skip(at + 1, 3, between);
        let named = |at: usize| month(&self.word(at)?);
        let (month, day, end) = if let Some(month) = named(first) {
            let day = self.skip(first + 1, 1, |l| l.is_mark(&['.']));
            (month, self.number(day, 1..=2)?, day + 1)
        } else {
            let after = self.skip(first + 1, 1, |l| l.is_mark(&['.']));
            (named(after)?, self.number(first, 1..=2)?, after + 1)
        };
        let year = self.year(year)?;
        // The `d.` of Lithuanian.
        let end = end + usize::from(self.word(end).is_some_and(|word| word == "d"));
        Some((Self::numbers(Some(year), month.unsigned_abs().into(), day)?, end))
    }

    /// `25.02.2025`, `2/25/2025`, `25-02-25`: dots and dashes are day first; slashes are month first,
    /// as in the US, unless the numbers say otherwise.
    fn numbers_day_first(&self, at: usize) -> DateReading<MonthDay> {
        let (first, third) = (self.number(at, 1..=2)?, at + 4);
        let separator = self.lexemes.get(at + 1).filter(|l| l.is_mark(&['.', '/', '-']))?;
        let second = self.number(at + 2, 1..=2)?;
        if self.lexemes.get(at + 3)?.text != separator.text || self.part_of_a_longer_number(at, third) {
            return None;
        }
        let year = match self.lexemes.get(third)?.kind {
            LexemeKind::Number(value, 4) => self.year(value)?,
            LexemeKind::Number(value, 2) if self.short_year_is_likely(at) => short_year(value)?,
            _ => return None,
        };
        let month_first = separator.is_mark(&['/']) && first <= 12;
        let (day, month) = if month_first || second > 12 { (second, first) } else { (first, second) };
        Some((Self::numbers(Some(year), month, day)?, third + 1))
    }

    /// Versions, addresses and scores also are numbers with dots: more parts, or parts of one digit.
    fn part_of_a_longer_number(&self, at: usize, last: usize) -> bool {
        let before = at > 0 && self.glued(at) && self.mark(at - 1, &['.', '/', '-', ':']);
        let after = self.glued(last + 1)
            && self.mark(last + 1, &['.', '/', '-'])
            && self.glued(last + 2)
            && self.number(last + 2, 1..=9).is_some();
        before || after
    }

    fn short_year_is_likely(&self, at: usize) -> bool {
        self.setting == DateSetting::Alone || (self.number(at, 2..=2).is_some() && self.number(at + 2, 2..=2).is_some())
    }

    /// `25 February 2025`, `25. Februar`, `25-Feb-2025`, `25 de febrero de 2025`, `1er mars`.
    fn day_then_month(&self, at: usize) -> DateReading<MonthDay> {
        let day = self.number(at, 1..=2)?;
        let mut next = at + 1;
        if self.glued(next) && self.word(next).is_some_and(|w| is_ordinal(&w)) {
            next += 1;
        }
        let glue = self.skip(next, 2, |l| l.is_mark(&['.', ',', '-', '/', 'º', '°', 'ª']) || is_of(l));
        let name = self.lexemes.get(glue).filter(|l| l.is_word())?;
        let folded = name.folded();
        let month = month(&folded)?;
        let after = self.skip(glue + 1, 2, |l| l.is_mark(&['.', ',', '-', '/', '’', '\'']) || is_of(l));
        let year = self.year_at(after);
        if year.is_none() && !self.believable(name, &folded) {
            return None;
        }
        let day = Self::numbers(year, month.unsigned_abs().into(), day)?;
        Some((day, if year.is_some() { after + 1 } else { glue + 1 }))
    }

    /// `February 25, 2025`, `Feb. 25th`, `Feb 25 10:11:12 2025` (the year is then found later).
    fn month_then_day(&self, at: usize) -> DateReading<MonthDay> {
        let name = self.lexemes.get(at).filter(|l| l.is_word())?;
        let dot = self.skip(at + 1, 1, |l| l.is_mark(&['.', '-', '/']));
        let day = self.number(dot, 1..=2)?;
        let folded = name.folded();
        let month = month(&folded)?;
        if self.mark(dot + 1, &[':']) || self.mark(dot + 1, &['%', '°']) {
            return None;
        }
        let mut next = dot + 1;
        if self.glued(next) && self.word(next).is_some_and(|w| is_ordinal(&w)) {
            next += 1;
        }
        let after = self.skip(next, 2, |l| l.is_mark(&['.', ',', '-', '/', '’', '\'']));
        let year = self.year_at(after);
        let another = self.word(after).is_some_and(|w| super::months::month(&w).is_some());
        if year.is_none() && (another || !self.believable(name, &folded)) {
            return None;
        }
        let day = Self::numbers(year, month.unsigned_abs().into(), day)?;
        Some((day, if year.is_some() { after + 1 } else { next }))
    }

    fn believable(&self, name: &DateLexeme<'_>, folded: &str) -> bool {
        self.setting == DateSetting::Alone || !needs_year(name.text, folded)
    }

    /// A year that is not the hour of a time, the start of a range or a count.
    fn year_at(&self, at: usize) -> Option<i16> {
        let lexeme = self.lexemes.get(at)?;
        if self.mark(at + 1, &[':']) && self.glued(at + 1) {
            return None;
        }
        match lexeme.kind {
            LexemeKind::Number(value, 4) => self.year(value),
            LexemeKind::Number(value, 2) if self.setting == DateSetting::Alone => short_year(value),
            _ => None,
        }
    }

    fn year(&self, value: u64) -> Option<i16> {
        let believed = match self.setting {
            DateSetting::Alone => 1..=9999,
            DateSetting::Running => 1900..=2100,
        };
        believed.contains(&value).then(|| i16::try_from(value).ok()).flatten()
    }

    fn numbers(year: Option<i16>, month: u64, day: u64) -> Option<MonthDay> {
        let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        // Without a year, a leap year is given the benefit of the doubt.
        super::calendar::is_day(year.unwrap_or(2024), month, day).then_some(MonthDay { year, month, of_month: day })
    }

    /// `10:11`, `10:11:12.345`, `8 pm`, `8:19 p.m.`, `14h30`, `24:00`.
    pub fn time(&self, at: usize) -> DateReading<(i8, i8, i8)> {
        if let Some((offset, from)) = self.leading_half_day(at) {
            let (time, end) = self.clock(from)?;
            return Some((on_half_day(time, offset)?, end));
        }
        if let Some(((hour, minute, second), end)) = self.clock(at) {
            return match self.half_day(end) {
                Some((offset, end)) => Some((on_half_day((hour, minute, second), offset)?, end)),
                None => Some(((hour, minute, second), end)),
            };
        }
        let hour = i8::try_from(self.number(at, 1..=2)?).ok()?;
        let (offset, end) = self.half_day(at + 1)?;
        Some((on_half_day((hour, 0, 0), offset)?, end))
    }

    fn clock(&self, at: usize) -> DateReading<(i8, i8, i8)> {
        if let Some(compact) = self.number(at, 6..=6).filter(|_| self.setting == DateSetting::Alone && self.glued(at)) {
            let (hour, minute, second) = (compact / 10_000, compact / 100 % 100, compact % 100);
            let fits = hour < 24 && minute < 60 && second < 60;
            return fits.then_some(((hour as i8, minute as i8, second as i8), at + 1));
        }
        let hour = self.number(at, 1..=2)?;
        let separator = self.lexemes.get(at + 1)?;
        let colon = separator.is_mark(&[':', '：']) || matches!(separator.text, "h" | "H" | "時" | "时" | "시");
        let minute = self.number(at + 2, 2..=2).filter(|_| colon)?;
        let mut end = at + 3;
        let mut second = 0;
        if self.mark(end, &[':', '：'])
            && self.glued(end)
            && let Some(value) = self.number(end + 1, 1..=2)
        {
            (second, end) = (value, end + 2);
            if self.mark(end, &['.', ','])
                && self.glued(end)
                && self.glued(end + 1)
                && self.number(end + 1, 1..=9).is_some()
            {
                end += 2;
            }
        }
        if hour > 24 || minute > 59 || second > 60 || (hour == 24 && (minute, second) != (0, 0)) {
            return None;
        }
        Some(((hour as i8, minute as i8, second.min(59) as i8), end))
    }

    /// `오후 3:04`, `下午 3:04`: two characters before the time.
    fn leading_half_day(&self, at: usize) -> DateReading<i8> {
        let (first, second) = (self.lexemes.get(at)?, self.lexemes.get(at + 1)?);
        if first.text.is_ascii() || !first.is_word() {
            return None;
        }
        Some((half_day(&format!("{}{}", first.text, second.text))?, at + 2))
    }

    /// `am`, `p.m.` after a time.
    fn half_day(&self, at: usize) -> DateReading<i8> {
        let word = self.word(at)?;
        if let Some(offset) = half_day(&word) {
            return Some((offset, at + 1));
        }
        let offset = match word.as_str() {
            "a" => 0,
            "p" => 12,
            _ => return None,
        };
        let dotted = self.mark(at + 1, &['.']) && self.word(at + 2).is_some_and(|w| w == "m");
        dotted.then(|| (offset, at + 3 + usize::from(self.mark(at + 3, &['.']))))
    }

    /// `Z`, `+0100`, `GMT+2`, `(CEST)`, `UTC-03:30`, directly after a time.
    pub fn zone(&self, at: usize) -> DateReading<ZoneName> {
        let at = self.skip(at, 2, |l| l.is_mark(&['(', '[', ',']));
        if let Some(read) = self.offset(at) {
            return Some(read);
        }
        let lexeme = self.lexemes.get(at).filter(|l| l.is_word())?;
        let folded = lexeme.folded();
        let shouted =
            lexeme.text.chars().all(char::is_uppercase) || matches!(folded.as_str(), "z" | "utc" | "gmt" | "мск");
        let zone = ZoneName::named(&folded).filter(|_| shouted || self.setting == DateSetting::Alone)?;
        let base_is_utc = zone == ZoneName::Offset(0);
        Some(self.offset(at + 1).filter(|_| base_is_utc).unwrap_or((zone, at + 1)))
    }

    fn offset(&self, at: usize) -> DateReading<ZoneName> {
        let LexemeKind::Mark(sign @ ('+' | '-' | '−')) = self.lexemes.get(at)?.kind else { return None };
        if !self.glued(at + 1) {
            return None;
        }
        let (zone, end) = match self.lexemes.get(at + 1)?.kind {
            LexemeKind::Number(value, 4) => (ZoneName::offset(sign != '+', value / 100, value % 100), at + 2),
            LexemeKind::Number(hours, 1 | 2) if self.mark(at + 2, &[':']) && self.glued(at + 2) => {
                (ZoneName::offset(sign != '+', hours, self.number(at + 3, 2..=2)?), at + 4)
            }
            LexemeKind::Number(hours, 1 | 2) if self.glued(at) => (ZoneName::offset(sign != '+', hours, 0), at + 2),
            _ => return None,
        };
        Some((zone?, end))
    }

    /// A time after a date, past marks and little words.
    pub fn time_after(&self, from: usize) -> DateReading<(i8, i8, i8)> {
        for at in from..(from + GAP_MAX).min(self.lexemes.len()) {
            if let Some(read) = self.time(at).or_else(|| self.dotted_time(at)) {
                return Some(read);
            }
            if !self.is_gap(at) {
                return None;
            }
        }
        None
    }

    /// `kl. 14.30`, `um 14.30 Uhr`: a dotted time is believed only after its word.
    fn dotted_time(&self, at: usize) -> DateReading<(i8, i8, i8)> {
        let word = self.word(at)?;
        if !matches!(word.as_str(), "kl" | "klo" | "um" | "ore" | "alle" | "godz") {
            return None;
        }
        let at = self.skip(at + 1, 1, |l| l.is_mark(&['.']));
        let (hour, minute) = (self.number(at, 1..=2)?, self.number(at + 2, 2..=2)?);
        (self.mark(at + 1, &['.']) && hour < 24 && minute < 60).then_some(((hour as i8, minute as i8, 0), at + 3))
    }

    /// Whether a lexeme may stand between the parts of one date.
    pub fn is_gap(&self, at: usize) -> bool {
        self.lexemes.get(at).is_some_and(|l| match l.kind {
            LexemeKind::Word => {
                let word = l.folded();
                is_filler(&word) || matches!(word.as_str(), "星" | "期" | "요" | "일" | "日")
            }
            LexemeKind::Mark(c) => {
                matches!(c, ',' | '،' | '.' | '-' | '–' | '—' | '|' | '•' | '·' | '@' | '(' | ')' | '/' | ';' | ':')
            }
            LexemeKind::Number(..) => false,
        })
    }

    fn skip(&self, from: usize, count_max: usize, skipped: impl Fn(&DateLexeme<'_>) -> bool) -> usize {
        let count = self.lexemes.iter().skip(from).take(count_max).take_while(|l| skipped(l)).count();
        from + count
    }
}

fn is_ordinal(word: &str) -> bool {
    matches!(word, "st" | "nd" | "rd" | "th" | "er" | "e" | "eme" | "o" | "a" | "го" | "е" | "те")
}

fn is_of(lexeme: &DateLexeme<'_>) -> bool {
    lexeme.is_word() && matches!(lexeme.text, "de" | "del" | "of" | "do" | "DE" | "De" | "di")
}

fn on_half_day((hour, minute, second): (i8, i8, i8), offset: i8) -> Option<(i8, i8, i8)> {
    match hour {
        0 | 13..=23 => Some((hour, minute, second)),
        12 => Some((offset, minute, second)),
        1..=11 => Some((hour + offset, minute, second)),
        _ => None,
    }
}

/// RFC 2822, 4.3: two digits up to 49 are in this century.
fn short_year(value: u64) -> Option<i16> {
    i16::try_from(if value < 50 { 2000 + value } else { 1900 + value }).ok()
}

fn day_of_year(year: i16, number: u64) -> Option<MonthDay> {
    let first = jiff::civil::Date::new(year, 1, 1).ok()?;
    let days = i64::try_from(number).ok()?.checked_sub(1).filter(|n| (0..=365).contains(n))?;
    let date = first.checked_add(jiff::Span::new().days(days)).ok().filter(|d| d.year() == year)?;
    Some(MonthDay { year: Some(year), month: date.month(), of_month: date.day() })
}
