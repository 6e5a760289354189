//! What an answer's header says about when to come again: `Cache-Control`, `Expires`, `Retry-After`.
//! A poller needs this tenth of RFC 9111 and no more. Nonsense counts as absent.

use std::time::Duration;

use reqwest::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderMap, HeaderName, RETRY_AFTER};

use crate::model::Timestamp;

/// Spans out of a header, not yet bounded by anything but their type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FreshnessHints {
    /// `max-age` less `Age`, else `Expires` less `Date`.
    pub fresh_for: Option<Duration>,
    /// `Retry-After`, as seconds or as a date.
    pub retry_after: Option<Duration>,
}

impl FreshnessHints {
    /// Reads the header of an answer that came at `now`.
    #[must_use]
    pub fn read(headers: &HeaderMap, now: Timestamp) -> Self {
        Self { fresh_for: fresh_for(headers, now), retry_after: retry_after(headers, now) }
    }
}

fn fresh_for(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let directives = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut max_age = None;
    for directive in directives.flat_map(|text| text.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            // The server wants to be asked each time: then our own interval decides.
            "no-cache" | "no-store" => return None,
            "max-age" => max_age = seconds(value.trim().trim_matches('"')).or(max_age),
            _ => {}
        }
    }
    if let Some(max_age) = max_age {
        let age = text(headers, AGE).and_then(seconds).unwrap_or_default();
        return Some(max_age.saturating_sub(age));
    }
    let expires = http_date(text(headers, EXPIRES)?)?;
    // A server's clock may be wrong, but it is wrong in both of its dates.
    let date = text(headers, DATE).and_then(http_date).unwrap_or(now);
    Some(expires.since(date))
}

fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER)?;
    seconds(value).or_else(|| Some(http_date(value)?.since(now)))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Digits only; more of them than fit are a very long time.
fn seconds(text: &str) -> Option<Duration> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX))))
}

/// IMF-fixdate (RFC 9110, section 5.6.7), and whatever else servers send.
fn http_date(text: &str) -> Option<Timestamp> {
    static PARSER: jiff::fmt::rfc2822::DateTimeParser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
    match PARSER.parse_timestamp(text) {
        Ok(at) => Some(Timestamp::from_millis(at.as_millisecond())),
        Err(_) => crate::text::date::parse(text).map(|dated| dated.at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2025-03-17T08:00:00Z";

    fn read(fields: &[(&str, &str)]) -> FreshnessHints {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name: HeaderName = name.parse().expect("name");
            headers.append(name, value.parse().expect("value"));
        }
        FreshnessHints::read(&headers, Timestamp::parse(NOW).expect("time"))
    }

    #[test]
    fn retry_after_every_variant() {
        for (value, expected) in [
            ("120", Some(120)),
            ("0", Some(0)),
            ("-5", None),
            ("1000000000000", Some(1_000_000_000_000)),
            ("99999999999999999999999999", Some(u64::from(u32::MAX))),
            ("soon", None),
            ("", None),
            ("1.5", None),
            ("Mon, 17 Mar 2025 08:02:00 GMT", Some(120)),
            ("Mon, 17 Mar 2025 07:00:00 GMT", Some(0)),
            ("Sun, 17 Mar 2025 08:02:00 GMT", Some(120)),
        ] {
            let span = read(&[("retry-after", value)]).retry_after;
            assert_eq!(span, expected.map(Duration::from_secs), "{value:?}");
        }
    }

    #[test]
    fn fresh_for_every_variant() {
        let date = ("date", "Mon, 17 Mar 2025 09:00:00 GMT");
        let cases: [(&[(&str, &str)], _); 12] = [
            (&[("cache-control", "public, max-age=900")], Some(900)),
            (&[("cache-control", "max-age=\"900\"")], Some(900)),
            (&[("cache-control", "Max-Age=900"), ("age", "300")], Some(600)),
            (&[("cache-control", "max-age=900"), ("age", "3000")], Some(0)),
            (&[("cache-control", "private"), ("cache-control", "max-age=60")], Some(60)),
            (&[("cache-control", "no-cache, max-age=900")], None),
            (&[("cache-control", "max-age=-1")], None),
            (&[("cache-control", "max-age=900"), ("expires", "Mon, 17 Mar 2025 20:00:00 GMT")], Some(900)),
            (&[("expires", "Mon, 17 Mar 2025 08:10:00 GMT")], Some(600)),
            (&[("expires", "Mon, 17 Mar 2025 09:10:00 GMT"), date], Some(600)),
            (&[("expires", "0")], None),
            (&[], None),
        ];
        for (fields, expected) in cases {
            assert_eq!(read(fields).fresh_for, expected.map(Duration::from_secs), "{fields:?}");
        }
    }
}
