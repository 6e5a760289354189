//! Words of our own around what others wrote: dates as people say them, severities, lists, and links that any
//! markup can hold. Reads payloads leniently: what is not there is empty.

use std::fmt::Write as _;

use jiff::Zoned;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::model::{Severity, Timestamp};
use crate::text::tokens::fold;

/// Longest link that is passed on; a longer one is left out whole, for a cut one is worth nothing.
const URL_BYTES_MAX: usize = 1024;
/// So many days back are counted; before that stands a date.
const DAYS_MAX: i32 = 6;

/// The time at which a payload was decided, as the clocks of its readers show it.
pub(super) struct WallClock<'a> {
    now: Option<Zoned>,
    zone: &'a TimeZone,
}

impl<'a> WallClock<'a> {
    pub fn of(payload: &Value, zone: &'a TimeZone) -> Self {
        let now = Timestamp::parse(&text_of(payload, "/timestamp")).ok();
        Self { now: now.map(|now| now.to_jiff().to_zoned(zone.clone())), zone }
    }

    /// When an item was published; where it does not say, or cannot be right, when it was seen.
    pub fn of_item(&self, item: &Value) -> String {
        let published = text_of(item, "/published");
        let suspect = item["date_suspect"].as_bool().unwrap_or(false);
        if !published.is_empty() && !suspect {
            return self.at(&published);
        }
        let seen = self.at(&text_of(item, "/first_seen"));
        if seen.is_empty() { seen } else { format!("seen {seen}") }
    }

    /// `today 09:40`, `yesterday 22:10`, `3 days ago`, `12 March`, `12 March 2024`; empty for what is no time.
    pub fn at(&self, rfc3339: &str) -> String {
        let Ok(at) = Timestamp::parse(rfc3339) else { return String::new() };
        let at = at.to_jiff().to_zoned(self.zone.clone());
        // Midnight on the dot is what a source writes that only knows the day; it means that day, not the one
        // that another zone makes of it.
        let day_only = rfc3339.ends_with("T00:00:00Z");
        let date = if day_only { at.with_time_zone(TimeZone::UTC).date() } else { at.date() };
        let Some(now) = &self.now else { return date_words(date, true) };
        let days = (now.date() - date).get_days();
        let clock = if day_only { String::new() } else { format!(" {}{}", at.strftime("%H:%M"), self.zone_name()) };
        match days {
            0 => format!("today{clock}"),
            1 => format!("yesterday{clock}"),
            2..=DAYS_MAX => format!("{days} days ago"),
            _ => date_words(date, now.date().year() != date.year()),
        }
    }

    /// Whoever set no time zone is told which clock it is.
    fn zone_name(&self) -> &'static str {
        if *self.zone == TimeZone::UTC { " UTC" } else { "" }
    }
}

fn date_words(date: jiff::civil::Date, with_year: bool) -> String {
    date.strftime(if with_year { "%-d %B %Y" } else { "%-d %B" }).to_string()
}

pub(super) fn severity(name: &str) -> Severity {
    Severity::ALL.into_iter().find(|severity| severity.as_str() == name).unwrap_or(Severity::Medium)
}

pub(super) fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    }
}

/// `a, b, c and 2 more`
pub(super) fn joined(names: &[String], most: usize) -> String {
    let named = names.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Two headlines or names that differ in nothing but case, accents and punctuation are the same to a reader.
pub(super) fn plain_name(text: &str) -> String {
    fold(text).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// A link that any markup can hold: parsed, http or https, nothing in it that could end it.
pub(super) fn link(written: &str) -> Option<String> {
    let url = url::Url::parse(written).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let mut out = String::with_capacity(url.as_str().len());
    for c in url.as_str().chars() {
        match c {
            '|' | '<' | '>' | '(' | ')' | '[' | ']' | '"' | '\'' | '\\' | '`' | '*' | '{' | '}' | '@' => {
                let _ = write!(out, "%{:02X}", c as u32);
            }
            c => out.push(c),
        }
    }
    (out.len() <= URL_BYTES_MAX).then_some(out)
}

pub(super) fn text_of(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn first(value: &Value, pointers: &[&str]) -> String {
    pointers.iter().map(|pointer| text_of(value, pointer)).find(|text| !text.trim().is_empty()).unwrap_or_default()
}

pub(super) fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

pub(super) fn list_of<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_said_as_people_say_them() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a rule");
        let payload = serde_json::json!({"timestamp": "2025-03-17T08:02:11Z"});
        let zone = TimeZone::UTC;
        let (utc, local) = (WallClock::of(&payload, &zone), WallClock::of(&payload, &berlin));
        for (written, in_utc, in_berlin) in [
            ("2025-03-17T07:58:00Z", "today 07:58 UTC", "today 08:58"),
            ("2025-03-16T23:30:00Z", "yesterday 23:30 UTC", "today 00:30"),
            ("2025-03-17T00:00:00Z", "today", "today"),
            ("2025-03-16T22:10:00Z", "yesterday 22:10 UTC", "yesterday 23:10"),
            ("2025-03-14T09:00:00Z", "3 days ago", "3 days ago"),
            ("2025-03-10T09:00:00Z", "10 March", "10 March"),
            ("2025-02-16T09:00:00Z", "16 February", "16 February"),
            ("2024-03-12T09:00:00Z", "12 March 2024", "12 March 2024"),
            ("2025-03-18T09:00:00Z", "18 March", "18 March"),
            ("never", "", ""),
        ] {
            assert_eq!((utc.at(written).as_str(), local.at(written).as_str()), (in_utc, in_berlin), "{written}");
        }
        let item = serde_json::json!({"published": "2015-01-01T00:00:00Z", "date_suspect": true, "first_seen": "2025-03-17T08:00:00Z"});
        assert_eq!(utc.of_item(&item), "seen today 08:00 UTC");
    }

    #[test]
    fn lists_name_some_and_count_the_rest() {
        let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        assert_eq!(joined(&names, 3), "a, b, c");
        assert_eq!(joined(&names, 2), "a, b and 1 more");
    }
}
