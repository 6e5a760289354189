//! ZoneName names as feeds and datelines write them. Names with several meanings take the one most common
//! in news (`BST` British, `IST` Indian, `CST` American). Nothing here knows the zone database: a
//! name is an offset, and only the US pairs (`ET`) follow the season.

use super::calendar::days_from_civil;

/// A zone as written beside a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneName {
    /// Minutes east of UTC.
    Offset(i16),
    /// US time that follows the season: minutes east of UTC in winter.
    UsSeasonal(i16),
}

const NAMES: &[(&str, ZoneName)] = &[
    ("z", ZoneName::Offset(0)),
    ("utc", ZoneName::Offset(0)),
    ("gmt", ZoneName::Offset(0)),
    ("ut", ZoneName::Offset(0)),
    ("uct", ZoneName::Offset(0)),
    ("zulu", ZoneName::Offset(0)),
    ("wet", ZoneName::Offset(0)),
    ("west", ZoneName::Offset(60)),
    ("bst", ZoneName::Offset(60)),
    ("cet", ZoneName::Offset(60)),
    ("mez", ZoneName::Offset(60)),
    ("cest", ZoneName::Offset(120)),
    ("mesz", ZoneName::Offset(120)),
    ("met", ZoneName::Offset(60)),
    ("mest", ZoneName::Offset(120)),
    ("eet", ZoneName::Offset(120)),
    ("eest", ZoneName::Offset(180)),
    ("sast", ZoneName::Offset(120)),
    ("cat", ZoneName::Offset(120)),
    ("eat", ZoneName::Offset(180)),
    ("wat", ZoneName::Offset(60)),
    ("msk", ZoneName::Offset(180)),
    ("msd", ZoneName::Offset(240)),
    ("мск", ZoneName::Offset(180)),
    ("trt", ZoneName::Offset(180)),
    ("ast", ZoneName::Offset(-240)),
    ("adt", ZoneName::Offset(-180)),
    ("idt", ZoneName::Offset(180)),
    ("gst", ZoneName::Offset(240)),
    ("irst", ZoneName::Offset(210)),
    ("pkt", ZoneName::Offset(300)),
    ("ist", ZoneName::Offset(330)),
    ("npt", ZoneName::Offset(345)),
    ("ict", ZoneName::Offset(420)),
    ("wib", ZoneName::Offset(420)),
    ("sgt", ZoneName::Offset(480)),
    ("hkt", ZoneName::Offset(480)),
    ("pht", ZoneName::Offset(480)),
    ("awst", ZoneName::Offset(480)),
    ("jst", ZoneName::Offset(540)),
    ("kst", ZoneName::Offset(540)),
    ("acst", ZoneName::Offset(570)),
    ("acdt", ZoneName::Offset(630)),
    ("aest", ZoneName::Offset(600)),
    ("aedt", ZoneName::Offset(660)),
    ("nzst", ZoneName::Offset(720)),
    ("nzdt", ZoneName::Offset(780)),
    ("nst", ZoneName::Offset(-210)),
    ("ndt", ZoneName::Offset(-150)),
    ("est", ZoneName::Offset(-300)),
    ("edt", ZoneName::Offset(-240)),
    ("et", ZoneName::UsSeasonal(-300)),
    ("cst", ZoneName::Offset(-360)),
    ("cdt", ZoneName::Offset(-300)),
    ("ct", ZoneName::UsSeasonal(-360)),
    ("mst", ZoneName::Offset(-420)),
    ("mdt", ZoneName::Offset(-360)),
    ("mt", ZoneName::UsSeasonal(-420)),
    ("pst", ZoneName::Offset(-480)),
    ("pdt", ZoneName::Offset(-420)),
    ("pt", ZoneName::UsSeasonal(-480)),
    ("akst", ZoneName::Offset(-540)),
    ("akdt", ZoneName::Offset(-480)),
    ("hst", ZoneName::Offset(-600)),
    ("brt", ZoneName::Offset(-180)),
    ("art", ZoneName::Offset(-180)),
    ("clt", ZoneName::Offset(-240)),
    ("cot", ZoneName::Offset(-300)),
    ("pet", ZoneName::Offset(-300)),
];

impl ZoneName {
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
