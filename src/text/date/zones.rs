//! Zone names as feeds and datelines write them. Names with several meanings take the one most common
//! in news (`BST` British, `IST` Indian, `CST` American). Nothing here knows the zone database: a
//! name is an offset, and only the US pairs (`ET`) follow the season.

use super::calendar::days_from_civil;

/// A zone as written beside a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Minutes east of UTC.
    Offset(i16),
    /// US time that follows the season: minutes east of UTC in winter.
    UsSeasonal(i16),
}

const NAMES: &[(&str, Zone)] = &[
    ("z", Zone::Offset(0)),
    ("utc", Zone::Offset(0)),
    ("gmt", Zone::Offset(0)),
    ("ut", Zone::Offset(0)),
    ("uct", Zone::Offset(0)),
    ("zulu", Zone::Offset(0)),
    ("wet", Zone::Offset(0)),
    ("west", Zone::Offset(60)),
    ("bst", Zone::Offset(60)),
    ("cet", Zone::Offset(60)),
    ("mez", Zone::Offset(60)),
    ("cest", Zone::Offset(120)),
    ("mesz", Zone::Offset(120)),
    ("met", Zone::Offset(60)),
    ("mest", Zone::Offset(120)),
    ("eet", Zone::Offset(120)),
    ("eest", Zone::Offset(180)),
    ("sast", Zone::Offset(120)),
    ("cat", Zone::Offset(120)),
    ("eat", Zone::Offset(180)),
    ("wat", Zone::Offset(60)),
    ("msk", Zone::Offset(180)),
    ("msd", Zone::Offset(240)),
    ("мск", Zone::Offset(180)),
    ("trt", Zone::Offset(180)),
    ("ast", Zone::Offset(-240)),
    ("adt", Zone::Offset(-180)),
    ("idt", Zone::Offset(180)),
    ("gst", Zone::Offset(240)),
    ("irst", Zone::Offset(210)),
    ("pkt", Zone::Offset(300)),
    ("ist", Zone::Offset(330)),
    ("npt", Zone::Offset(345)),
    ("ict", Zone::Offset(420)),
    ("wib", Zone::Offset(420)),
    ("sgt", Zone::Offset(480)),
    ("hkt", Zone::Offset(480)),
    ("pht", Zone::Offset(480)),
    ("awst", Zone::Offset(480)),
    ("jst", Zone::Offset(540)),
    ("kst", Zone::Offset(540)),
    ("acst", Zone::Offset(570)),
    ("acdt", Zone::Offset(630)),
    ("aest", Zone::Offset(600)),
    ("aedt", Zone::Offset(660)),
    ("nzst", Zone::Offset(720)),
    ("nzdt", Zone::Offset(780)),
    ("nst", Zone::Offset(-210)),
    ("ndt", Zone::Offset(-150)),
    ("est", Zone::Offset(-300)),
    ("edt", Zone::Offset(-240)),
    ("et", Zone::UsSeasonal(-300)),
    ("cst", Zone::Offset(-360)),
    ("cdt", Zone::Offset(-300)),
    ("ct", Zone::UsSeasonal(-360)),
    ("mst", Zone::Offset(-420)),
    ("mdt", Zone::Offset(-360)),
    ("mt", Zone::UsSeasonal(-420)),
    ("pst", Zone::Offset(-480)),
    ("pdt", Zone::Offset(-420)),
    ("pt", Zone::UsSeasonal(-480)),
    ("akst", Zone::Offset(-540)),
    ("akdt", Zone::Offset(-480)),
    ("hst", Zone::Offset(-600)),
    ("brt", Zone::Offset(-180)),
    ("art", Zone::Offset(-180)),
    ("clt", Zone::Offset(-240)),
    ("cot", Zone::Offset(-300)),
    ("pet", Zone::Offset(-300)),
];

impl Zone {
    /// The zone a folded word names.
    #[must_use]
    pub(super) fn named(word: &str) -> Option<Self> {
        NAMES.iter().find(|(name, _)| *name == word).map(|(_, zone)| *zone)
    }

    /// From written hours and minutes; `None` beyond what any zone uses.
    #[must_use]
    pub(super) fn offset(negative: bool, hours: u64, minutes: u64) -> Option<Self> {
        if hours > 15 || minutes > 59 {
            return None;
        }
        let total = i16::try_from(hours * 60 + minutes).ok()?;
        Some(Self::Offset(if negative { -total } else { total }))
    }

    /// Minutes east of UTC at a local time.
    #[must_use]
    pub(super) fn minutes_at(self, year: i16, day: i64) -> i64 {
        match self {
            Self::Offset(minutes) => i64::from(minutes),
            Self::UsSeasonal(winter) if is_us_summer(year, day) => i64::from(winter) + 60,
            Self::UsSeasonal(winter) => i64::from(winter),
        }
    }
}

/// Summer time in the US since 2007: second Sunday of March to first Sunday of November, by the day.
fn is_us_summer(year: i16, day: i64) -> bool {
    let sunday_on_or_after = |month: i8, first_day: i8| {
        let first = days_from_civil(year, month, first_day);
        // 1970-01-01 was a Thursday: Sunday is day 3 modulo 7.
        first + (3 - first).rem_euclid(7)
    };
    (sunday_on_or_after(3, 8)..sunday_on_or_after(11, 1)).contains(&day)
}
