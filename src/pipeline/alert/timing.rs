//! When an endpoint hears of an alert: at once, together with what its story brings in the next seconds,
//! after its quiet hours, or in its next digest. Pure: `now` comes in, a time to wait until goes out;
//! the outbox keeps it, so no restart forgets or repeats what waits.

use std::str::FromStr;
use std::time::Duration;

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions, parse_crontab_with};
use jiff::Zoned;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use crate::model::{Severity, Timestamp};

const DAY: Duration = Duration::from_secs(86_400);

/// What is urgent waits no longer for more of its story: the outlets that come within seconds are in it.
const URGENT_GROUP_WAIT: Duration = Duration::from_secs(10);

/// What an endpoint's alerts wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// An alert waits so long for more of its story.
    pub group_wait: Duration,
    /// Times of day at which nothing is sent.
    pub quiet: Vec<QuietHours>,
    /// Everything waits for these times.
    pub digest: Option<DigestTimes>,
    /// Where those times are meant.
    pub zone: TimeZone,
    /// This severity and above waits for no quiet hours, digest or rate, and for its story ten seconds at most.
    pub urgent: Option<Severity>,
    /// At most so many alerts.
    pub rate: Option<Rate>,
}

/// A part of each day; one that ends before it starts goes over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    from: Time,
    to: Time,
}

/// A schedule in cron syntax.
#[derive(Debug, Clone)]
pub struct DigestTimes {
    written: String,
    crontab: Box<Crontab>,
}

/// At most so many alerts in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub alerts: u32,
    /// In which time.
    pub per: Duration,
}

/// What a delivery waits for; a closed set, the stored name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hold {
    /// Its story, which may grow.
    Group,
    /// The end of quiet hours.
    Quiet,
    /// The next digest.
    Digest,
    /// Too many at once: counted, named in one alert.
    Rate,
}

/// A delivery that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// For what.
    pub hold: Hold,
    /// Until when.
    pub until: Timestamp,
}

impl Hold {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Group, Self::Quiet, Self::Digest, Self::Rate];

    /// The stored and printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Quiet => "quiet",
            Self::Digest => "digest",
            Self::Rate => "rate",
        }
    }

    /// Reads the stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hold| hold.as_str() == name)
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            group_wait: Duration::ZERO,
            quiet: Vec::new(),
            digest: None,
            zone: TimeZone::UTC,
            urgent: None,
            rate: None,
        }
    }
}

impl Timing {
    /// Whether this severity waits for no quiet hours, digest or rate.
    #[must_use]
    pub fn is_urgent(&self, severity: Severity) -> bool {
        self.urgent.is_some_and(|urgent| severity >= urgent)
    }

    /// What an alert decided now waits for; `grouped`: it may wait for more of its story.
    #[must_use]
    pub fn hold(&self, severity: Severity, grouped: bool, now: Timestamp) -> Option<Held> {
        let group =
            |wait: Duration| (grouped && !wait.is_zero()).then(|| Held { hold: Hold::Group, until: now.plus(wait) });
        if self.is_urgent(severity) {
            return group(self.group_wait.min(URGENT_GROUP_WAIT));
        }
        let local = now.to_jiff().to_zoned(self.zone.clone());
        if let Some(until) = self.digest.as_ref().and_then(|digest| digest.next(&local)) {
            return Some(Held { hold: Hold::Digest, until });
        }
        if let Some(until) = self.quiet_until(now) {
            return Some(Held { hold: Hold::Quiet, until });
        }
        group(self.group_wait)
    }
}

impl Timing {
    /// What waits for the next digest; a day where there is none.
    #[must_use]
    pub fn in_digest(&self, now: Timestamp) -> Held {
        let local = now.to_jiff().to_zoned(self.zone.clone());
        let next = self.digest.as_ref().and_then(|digest| digest.next(&local));
        Held { hold: Hold::Digest, until: next.unwrap_or_else(|| now.plus(DAY)) }
    }

    /// When the quiet hours end, if it is quiet now; hours that follow one another are one.
    #[must_use]
    pub fn quiet_until(&self, now: Timestamp) -> Option<Timestamp> {
        let end = |at: Timestamp| {
            let local = at.to_jiff().to_zoned(self.zone.clone());
            self.quiet.iter().filter_map(|quiet| quiet.end(&local)).max()
        };
        let mut until = end(now)?;
        // Each step leaves one of them behind; that they cover a whole day is refused at load.
        for _ in 0..self.quiet.len() {
            match end(until) {
                Some(later) => until = later,
                None => break,
            }
        }
        Some(until)
    }

    /// Whether there is a time of day at which something may be sent.
    #[must_use]
    pub fn has_loud_hours(&self) -> bool {
        let midnight = Time::midnight();
        let mut minutes = midnight.series(jiff::Span::new().minutes(1));
        minutes.any(|time| !self.quiet.iter().any(|quiet| quiet.contains(time)))
    }
}

impl QuietHours {
    /// Whether a time of day is in it.
    fn contains(self, time: Time) -> bool {
        if self.from <= self.to { (self.from..self.to).contains(&time) } else { time >= self.from || time < self.to }
    }

    /// When it ends, if it is now.
    fn end(self, local: &Zoned) -> Option<Timestamp> {
        if !self.contains(local.time()) {
            return None;
        }
        let today = local.date();
        let day = if local.time() < self.to { today } else { today.tomorrow().ok()? };
        // A time that a change of clocks skips or repeats resolves to the one after the gap, or the first.
        let end = day.to_datetime(self.to).to_zoned(local.time_zone().clone()).ok()?;
        Some(Timestamp::from_millis(end.timestamp().as_millisecond()))
    }
}

impl FromStr for QuietHours {
    type Err = &'static str;

    /// Reads `22:00-07:00`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = |text: &str| {
            let (hours, minutes) = text.trim().split_once(':')?;
            Time::new(hours.parse().ok()?, minutes.parse().ok()?, 0, 0).ok()
        };
        let (from, to) = text.split_once('-').ok_or("no `-`")?;
        let (from, to) = time(from).zip(time(to)).ok_or("not two times of day")?;
        if from == to {
            return Err("it ends when it starts");
        }
        Ok(Self { from, to })
    }
}

/// Fields of a schedule; a sixth would be a time zone, which the endpoint names for all its times.
const SCHEDULE_FIELDS: usize = 5;
/// Times looked at where clocks are put back and the next ones have been: one a minute of that hour, and the one after.
const TIMES_LOOKED_AT: usize = 61;

impl DigestTimes {
    /// The first time after this one, on the clock of its zone.
    fn next(&self, local: &Zoned) -> Option<Timestamp> {
        let mut clock = local.datetime();
        for _ in 0..TIMES_LOOKED_AT {
            clock = self.next_on_a_clock(clock)?;
            let next = clock.to_zoned(local.time_zone().clone()).ok()?;
            if next > *local {
                return Some(Timestamp::from_millis(next.timestamp().as_millisecond()));
            }
        }
        None
    }

    /// As on a clock that is never put forward or back.
    fn next_on_a_clock(&self, clock: DateTime) -> Option<DateTime> {
        let after = clock.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(self.crontab.find_next(after).ok()?.datetime())
    }
}

impl FromStr for DigestTimes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.split_whitespace().count() > SCHEDULE_FIELDS {
            return Err(format!("more than {SCHEDULE_FIELDS} fields; the time zone is that of `time_zone`"));
        }
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let crontab = parse_crontab_with(text.trim(), options).map_err(|error| error.to_string())?;
        let digest = Self { written: text.to_owned(), crontab: Box::new(crontab) };
        let start = Timestamp::from_seconds(1_735_689_600).to_jiff().to_zoned(TimeZone::UTC);
        if digest.next(&start).is_none() {
            return Err("that never happens".to_owned());
        }
        Ok(digest)
    }
}

impl PartialEq for DigestTimes {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for DigestTimes {}

impl FromStr for Rate {
    type Err = &'static str;

    /// Reads `30/m`; s, m, h, d.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (alerts, unit) = text.split_once('/').ok_or("no `/`")?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err("not per s, m, h or d"),
        };
        match alerts.trim().parse() {
            Ok(alerts) if alerts > 0 => Ok(Self { alerts, per: Duration::from_secs(seconds) }),
            _ => Err("not a number of alerts"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    fn berlin() -> Timing {
        // A fixed rule: the test must not depend on the machine's zone files.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a rule");
        Timing { zone, ..Timing::default() }
    }

    #[test]
    fn hold_quiet_hours_go_over_midnight_and_over_a_change_of_clocks() {
        let timing = Timing { quiet: vec!["22:00-07:00".parse().expect("hours")], ..berlin() };
        let until =
            |now: &str| timing.hold(Severity::High, true, at(now)).map(|held| (held.hold, held.until.to_string()));
        assert_eq!(until("2025-01-10T20:59:59Z"), None);
        assert_eq!(until("2025-01-10T21:00:00Z"), Some((Hold::Quiet, "2025-01-11T06:00:00Z".to_owned())));
        assert_eq!(until("2025-01-11T05:59:59Z"), Some((Hold::Quiet, "2025-01-11T06:00:00Z".to_owned())));
        assert_eq!(until("2025-01-11T06:00:00Z"), None);
        // Summer time starts in that night: 07:00 is 05:00 UTC.
        assert_eq!(until("2025-03-29T23:00:00Z"), Some((Hold::Quiet, "2025-03-30T05:00:00Z".to_owned())));
    }

    #[test]
    fn quiet_hours_that_follow_one_another_end_once() {
        let hours = |list: &[&str]| Timing {
            quiet: list.iter().map(|text| text.parse().expect("hours")).collect(),
            ..Timing::default()
        };
        let timing = hours(&["22:00-06:00", "06:00-07:30", "07:00-08:00", "12:00-13:00"]);
        let until = |now: &str| timing.quiet_until(at(now)).map(|until| until.to_string());
        assert_eq!(until("2025-01-10T23:00:00Z"), Some("2025-01-11T08:00:00Z".to_owned()));
        assert_eq!(until("2025-01-10T12:59:59Z"), Some("2025-01-10T13:00:00Z".to_owned()));
        assert_eq!(until("2025-01-10T13:00:00Z"), None);
        assert!(timing.has_loud_hours());
        assert!(hours(&["00:00-23:59"]).has_loud_hours(), "one minute is enough");
        let never = hours(&["00:00-12:00", "11:00-00:00"]);
        assert!(!never.has_loud_hours());
        assert!(never.quiet_until(at("2025-01-10T13:00:00Z")).is_some(), "and it ends all the same");
    }

    #[test]
    fn hold_digest_waits_for_its_next_time_and_urgent_waits_for_nothing() {
        let digest = Some("0 8 * * mon-fri".parse().expect("a schedule"));
        let timing = Timing { digest, urgent: Some(Severity::Critical), ..berlin() };
        let friday = at("2025-01-10T07:00:00Z");
        let held = timing.hold(Severity::High, false, friday).expect("held");
        assert_eq!((held.hold, held.until), (Hold::Digest, at("2025-01-13T07:00:00Z")), "08:00 has just been");
        assert_eq!(timing.hold(Severity::Critical, true, friday), None);
    }

    #[test]
    fn digest_times_are_those_of_the_clock_on_the_wall() {
        let next = |schedule: &str, now: &str| {
            let timing = Timing { digest: Some(schedule.parse().expect("a schedule")), ..berlin() };
            timing.in_digest(at(now)).until.to_string()
        };
        assert_eq!(next("30 2 * * *", "2025-03-29T12:00:00Z"), "2025-03-30T01:30:00Z", "02:30 is skipped: 03:30");
        assert_eq!(next("30 2 * * *", "2025-10-25T12:00:00Z"), "2025-10-26T00:30:00Z", "the first of two 02:30");
        assert_eq!(next("30 2 * * *", "2025-10-26T00:30:00Z"), "2025-10-27T01:30:00Z", "and not the second");
        assert_eq!(
            next("*/20 * * * *", "2025-10-26T01:10:00Z"),
            "2025-10-26T02:00:00Z",
            "after the second 02:10: 03:00"
        );
        assert_eq!(
            next("0 8 13 * fri", "2025-06-14T12:00:00Z"),
            "2025-06-20T06:00:00Z",
            "a 13th or a Friday, as in POSIX"
        );
        assert_eq!(next("0 9 1,15 1-6/2 *", "2025-01-15T09:00:00Z"), "2025-03-01T08:00:00Z");
    }

    #[test]
    fn hold_group_waits_for_more_of_a_story_and_less_when_it_is_urgent() {
        let timing =
            Timing { group_wait: Duration::from_secs(30), urgent: Some(Severity::Critical), ..Timing::default() };
        let now = at("2025-01-10T07:00:00Z");
        let held = timing.hold(Severity::Low, true, now).expect("held");
        assert_eq!((held.hold, held.until), (Hold::Group, now.plus(Duration::from_secs(30))));
        assert_eq!(timing.hold(Severity::Low, false, now), None);
        let urgent = timing.hold(Severity::Critical, true, now).expect("held");
        assert_eq!(urgent.until, now.plus(Duration::from_secs(10)));
        let short = Timing { group_wait: Duration::from_secs(2), ..timing };
        assert_eq!(
            short.hold(Severity::Critical, true, now).map(|held| held.until),
            Some(now.plus(Duration::from_secs(2)))
        );
    }

    #[test]
    fn timing_that_means_nothing_is_refused() {
        for bad in ["22-07", "22:00", "25:00-07:00", "07:00-07:00", ""] {
            assert!(bad.parse::<QuietHours>().is_err(), "{bad}");
        }
        for bad in ["", "often", "0 8 31 2 *", "99 * * * *", "0 8 * * * Europe/Berlin"] {
            assert!(bad.parse::<DigestTimes>().is_err(), "{bad}");
        }
        for bad in ["30", "0/m", "-1/m", "3/week", "x/m"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
        assert_eq!("30/m".parse(), Ok(Rate { alerts: 30, per: Duration::from_secs(60) }));
    }
}
