//! Calendar fields to a moment. Days are checked against the calendar; the result is clamped to the
//! years the program supports, so extreme dates are data like any other.

use super::zones::Zone;
use crate::model::Timestamp;

/// A local date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    pub year: i16,
    pub month: i8,
    pub day: i8,
    /// Hour (24 is the next midnight), minute, second.
    pub time: (i8, i8, i8),
}

impl Civil {
    /// The moment, or `None` when the calendar has no such day.
    pub fn at(self, zone: Option<Zone>) -> Option<Timestamp> {
        if !is_day(self.year, self.month, self.day) {
            return None;
        }
        let (hour, minute, second) = self.time;
        let seconds = days_from_civil(self.year, self.month, self.day) * 86_400
            + i64::from(hour) * 3600
            + i64::from(minute) * 60
            + i64::from(second);
        let east = zone.map_or(0, |zone| zone.minutes_at(self));
        Some(Timestamp::from_seconds(seconds - east * 60))
    }
}

/// Whether the calendar has this day.
pub(super) fn is_day(year: i16, month: i8, day: i8) -> bool {
    year > 0 && jiff::civil::Date::new(year, month, day).is_ok()
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar; months 1 to 12 (Howard Hinnant's
/// `days_from_civil`).
pub(super) fn days_from_civil(year: i16, month: i8, day: i8) -> i64 {
    let (month, day) = (i64::from(month), i64::from(day));
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_from_civil_agrees_with_the_calendar_library() {
        let epoch = jiff::civil::date(1970, 1, 1);
        let mut date = jiff::civil::date(1, 1, 1);
        while let Ok(next) = date.checked_add(jiff::Span::new().days(97)) {
            let days = epoch.until((jiff::Unit::Day, date)).map(|span| i64::from(span.get_days())).ok();
            assert_eq!(Some(days_from_civil(date.year(), date.month(), date.day())), days, "{date}");
            date = next;
        }
    }
}
