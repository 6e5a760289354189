//! Dates as data: kept within what can be true of an item seen now, so that a clock of 1970 or 2099
//! cannot put it before or after everything else. What was moved says so. Never identity.

use std::time::Duration;

use crate::model::{DateCertainty, Dated, Timestamp};

/// Nothing is news that is older, by the item's own word.
const PAST_MAX: Duration = Duration::from_secs(3_653 * 86_400);
/// Clocks and zones are off by this much.
const FUTURE_MAX: Duration = Duration::from_secs(3_600);

/// The date, moved to the nearest possible time where it is outside
/// [`first_seen` − 10 years, `first_seen` + 1 hour].
#[must_use]
pub(super) fn clamp(dated: Dated, first_seen: Timestamp) -> Dated {
    let at = dated.at.clamp(first_seen.minus(PAST_MAX), first_seen.plus(FUTURE_MAX));
    if at == dated.at { dated } else { Dated { at, certainty: DateCertainty::Clamped } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clamp_moves_only_what_cannot_be_true() {
        let seen = Timestamp::parse("2025-03-17T08:00:00Z").expect("valid");
        for (given, expected, moved) in [
            ("2025-03-17T08:59:59Z", "2025-03-17T08:59:59Z", false),
            ("2025-03-17T09:00:01Z", "2025-03-17T09:00:00Z", true),
            ("2099-01-01T00:00:00Z", "2025-03-17T09:00:00Z", true),
            ("2016-01-01T00:00:00Z", "2016-01-01T00:00:00Z", false),
            ("1970-01-01T00:00:00Z", "2015-03-17T08:00:00Z", true),
            ("0001-01-01T00:00:00Z", "2015-03-17T08:00:00Z", true),
        ] {
            let dated = Dated { at: Timestamp::parse(given).expect("valid"), certainty: DateCertainty::Day };
            let clamped = clamp(dated, seen);
            assert_eq!(clamped.at.to_string(), expected, "{given}");
            assert_eq!(clamped.certainty == DateCertainty::Clamped, moved, "{given}");
            assert_eq!(clamp(clamped, seen), clamped);
        }
    }
}
