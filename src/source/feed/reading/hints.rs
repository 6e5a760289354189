//! What a feed says about when to come again: RSS `ttl`, `skipHours`, `skipDays`, and the period of
//! the syndication module. Odd values are left out rather than guessed at.

use std::time::Duration;

use crate::source::PollHints;

/// No feed means more than a year.
const PERIOD_MAX: Duration = Duration::from_secs(366 * 86_400);

/// An element that carries a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HintElement {
    Ttl,
    Hour,
    Day,
    Period,
    Frequency,
}

impl HintElement {
    /// By local name.
    pub(super) fn of_element(local: &str) -> Option<Self> {
        Some(match local {
            "ttl" => Self::Ttl,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "updatePeriod" => Self::Period,
            "updateFrequency" => Self::Frequency,
            _ => return None,
        })
    }

    /// Notes one value. The longest of ttl and period counts; a frequency divides the period before it.
    pub(super) fn note(self, text: &str, hints: &mut PollHints) {
        let text = text.trim();
        match self {
            Self::Ttl => {
                // Minutes. Some write "60 minutes".
                let minutes = text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
                longest(hints, minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60))));
            }
            Self::Hour => {
                if let Ok(hour) = text.parse::<u8>()
                    && hour <= 24
                {
                    // RSS 0.91 counted from 1 to 24.
                    insert(&mut hints.skip_hours, hour % 24);
                }
            }
            Self::Day => {
                let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
                if let Some(at) = days.iter().position(|day| text.eq_ignore_ascii_case(day)) {
                    insert(&mut hints.skip_days, at as u8 + 1);
                }
            }
            Self::Period => {
                let hours = match text.to_ascii_lowercase().as_str() {
                    "hourly" => 1,
                    "daily" => 24,
                    "weekly" => 7 * 24,
                    "monthly" => 30 * 24,
                    "yearly" => 365 * 24,
                    _ => return,
                };
                longest(hints, Some(Duration::from_secs(hours * 3600)));
            }
            Self::Frequency => {
                if let Ok(times @ 1..=10_000) = text.parse::<u32>() {
                    hints.ttl = hints.ttl.map(|period| period / times);
                }
            }
        }
    }
}

fn longest(hints: &mut PollHints, period: Option<Duration>) {
    let period = period.filter(|period| !period.is_zero()).map(|period| period.min(PERIOD_MAX));
    hints.ttl = hints.ttl.max(period);
}

fn insert(values: &mut Vec<u8>, value: u8) {
    if let Err(at) = values.binary_search(&value) {
        values.insert(at, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(values: &[(&str, &str)]) -> PollHints {
        let mut hints = PollHints::default();
        for (element, text) in values {
            HintElement::of_element(element).expect("a hint").note(text, &mut hints);
        }
        hints
    }

    #[test]
    fn hints_read_minutes_hours_days_and_periods() {
        assert_eq!(hints(&[("ttl", " 90 ")]).ttl, Some(Duration::from_secs(5400)));
        assert_eq!(
            hints(&[("updatePeriod", "Daily"), ("updateFrequency", "4")]).ttl,
            Some(Duration::from_secs(21_600))
        );
        assert_eq!(hints(&[("hour", "3"), ("hour", "24"), ("hour", "3"), ("hour", "25")]).skip_hours, [0, 3]);
        assert_eq!(hints(&[("day", "Sunday"), ("day", "monday"), ("day", "Caturday")]).skip_days, [1, 7]);
    }

    #[test]
    fn hints_nonsense_is_left_out_and_huge_values_are_capped() {
        for bad in ["", "-5", "soon", "0"] {
            assert_eq!(hints(&[("ttl", bad)]).ttl, None, "{bad}");
        }
        assert_eq!(hints(&[("ttl", "18446744073709551615")]).ttl, Some(PERIOD_MAX));
        assert_eq!(hints(&[("updateFrequency", "0")]), PollHints::default());
    }
}
