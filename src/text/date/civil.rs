//! Calendar fields to a moment. Days are checked against the calendar; the result is clamped to the
//! years the program supports, so extreme dates are data like any other.

use super::calendar::{days_from_civil, is_day};
use super::zones::ZoneName;
use crate::model::Timestamp;

/// A local date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CivilTime {
    pub year: i16,
    pub month: i8,
    pub day: i8,
    /// Hour (24 is the next midnight), minute, second.
    pub time: (i8, i8, i8),
}

impl CivilTime {
    /// The moment, or `None` when the calendar has no such day.
    pub fn at(self, zone: Option<ZoneName>) -> Option<Timestamp> {
        if !is_day(self.year, self.month, self.day) {
            return None;
        }
        let (hour, minute, second) = self.time;
        let day = days_from_civil(self.year, self.month, self.day);
        let seconds = day * 86_400 + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        let east = zone.map_or(0, |zone| zone.minutes_at(self.year, day));
        Some(Timestamp::from_seconds(seconds - east * 60))
    }
}
