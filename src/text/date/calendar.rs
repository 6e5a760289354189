//! The proleptic Gregorian calendar: which days there are, and which number each has.

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
