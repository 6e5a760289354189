//! What an attempt's outcome means: deliver, try again when, park, pause the endpoint. Pure: `now` and
//! the jitter's seed come in, a [`Verdict`] goes out; `run` acts on it and `record` keeps it.

use std::time::Duration;

use crate::model::Timestamp;
use crate::store::outbox::{DeliveryId, Gate, Settle};

/// A receiver that is overloaded (502, 503, 504) or that limits us without saying for how long (429)
/// is left alone at least this long.
const OVERLOAD_PAUSE: Duration = Duration::from_secs(60);
/// No answer makes us wait longer than the longest wait of the usual schedule.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// What this machine could not try for want of descriptors or memory is tried again after this long.
const SHORTAGE_PAUSE: Duration = Duration::from_secs(5);

/// Due times are whole milliseconds: the schedule may end sooner by a few.
const SCHEDULE_SLACK: Duration = Duration::from_secs(1);

/// A mail server that says "later" is not asked again sooner.
const MAIL_PAUSE: Duration = Duration::from_secs(300);

/// When to try again, compiled from the config.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryRules {
    /// Wait before each attempt, counted from 0; after the last one the delivery is parked.
    pub schedule: Vec<Duration>,
    /// Each wait is stretched or shrunk by up to this share of it (0.2 = ±20 %).
    pub jitter: f64,
    /// Attempts after which "this payload is invalid" (400) is believed; chat services mean it.
    pub invalid_payload_attempts_max: Option<u32>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver answered.
    Answered {
        /// Its status.
        status: u16,
        /// What it asked for.
        retry_after: Option<RetryAfter>,
    },
    /// A mail server replied.
    Mail {
        /// Its reply code.
        code: u16,
        /// What it was about.
        about: MailStep,
    },
    /// There was no answer.
    Failed(Failure),
}

/// What a mail server's reply was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailStep {
    /// Whether we may speak at all: its greeting, our name, the account.
    Session,
    /// This mail: sender, recipients, text.
    Message,
}

/// What `Retry-After` said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// So long from now.
    Delay(Duration),
    /// Not before then.
    At(Timestamp),
}

/// Why there was no answer. A closed set: log field, metric label, stored name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The name has no address.
    Dns,
    /// Nobody took the connection.
    Connect,
    /// No trust, or no common ground, in the TLS handshake.
    Tls,
    /// The receiver took too long.
    Timeout,
    /// The connection broke.
    Reset,
    /// The answer is not HTTP, or too large in its head.
    Protocol,
    /// The address is not public and not allowed.
    ForbiddenAddress,
    /// The signing secret cannot be used.
    Secret,
    /// The endpoint itself cannot work as configured (URL, certificate file).
    Endpoint,
    /// The console cannot be written to.
    Output,
    /// This machine is out of descriptors or memory: nothing was sent, and it says nothing of the endpoint.
    Shortage,
}

impl Outcome {
    /// Whether this machine got through to the receiver.
    #[must_use]
    pub fn got_through(&self) -> bool {
        let on_the_way = |failure: &Failure| {
            matches!(
                failure,
                Failure::Dns
                    | Failure::Connect
                    | Failure::Timeout
                    | Failure::Reset
                    | Failure::Shortage
                    | Failure::Secret
            )
        };
        !matches!(self, Self::Failed(failure) if on_the_way(failure))
    }
}

/// What follows from an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// For this delivery.
    pub settle: Settle,
    /// For the endpoint.
    pub gate: Gate,
    /// What the operator may look at.
    pub hint: Option<&'static str>,
}

/// The attempt that was made.
#[derive(Debug, Clone, Copy)]
pub struct Attempted {
    /// The row: seeds the jitter.
    pub delivery: DeliveryId,
    /// Attempts so far, this one included.
    pub attempts: u32,
    /// When it ended.
    pub now: Timestamp,
    /// Since the alert was raised.
    pub owed_for: Duration,
}

impl RetryRules {
    /// Judges an outcome.
    #[must_use]
    pub fn judge(&self, outcome: &Outcome, attempted: Attempted) -> Verdict {
        match outcome {
            Outcome::Answered { status: 200..=299, .. } => {
                Verdict { settle: Settle::Delivered, gate: Gate::Unchanged, hint: None }
            }
            Outcome::Answered { status, retry_after } => self.refused(*status, *retry_after, attempted),
            Outcome::Mail { code, about } => self.mail(*code, *about, attempted),
            Outcome::Failed(Failure::Shortage) => Verdict {
                settle: Settle::WaitUntil(attempted.now.plus(SHORTAGE_PAUSE)),
                gate: Gate::Unchanged,
                hint: Failure::Shortage.hint(),
            },
            Outcome::Failed(failure) => {
                Verdict { settle: self.again(attempted, attempted.now), gate: Gate::Unchanged, hint: failure.hint() }
            }
        }
    }

    /// "Later" is meant in minutes (greylisting); "no" to a mail is final, "no" to us is for the operator to mend.
    fn mail(&self, code: u16, about: MailStep, attempted: Attempted) -> Verdict {
        let settle = match (code, about) {
            (200..=299, _) => Settle::Delivered,
            (500.., MailStep::Message) => Settle::Park,
            _ => self.again(attempted, attempted.now.plus(MAIL_PAUSE)),
        };
        let hint = match (code, about) {
            (500.., MailStep::Session) => Some("does the server take this account? see `user` and the secret"),
            (500.., MailStep::Message) => Some("the server does not take this mail: are sender and recipients right?"),
            (400..=499, _) => Some("the server asks to wait"),
            _ => None,
        };
        Verdict { settle, gate: Gate::Unchanged, hint }
    }

    fn refused(&self, status: u16, retry_after: Option<RetryAfter>, attempted: Attempted) -> Verdict {
        let now = attempted.now;
        let asked = retry_after.and_then(|asked| asked.until(now));
        let overloaded = matches!(status, 429 | 502..=504);
        let pause = overloaded.then(|| {
            let least = now.plus(OVERLOAD_PAUSE);
            // Who says 429 knows its limits; who is overloaded asks for less than it needs.
            asked.map_or(least, |asked| if status == 429 { asked } else { asked.max(least) })
        });
        let mut settle = self.again(attempted, pause.or(asked).unwrap_or(now));
        if status == 400 && self.invalid_payload_attempts_max.is_some_and(|max| attempted.attempts >= max) {
            settle = Settle::Park;
        }
        let gate = match (status, pause) {
            (410, _) => Gate::Disable { reason: "the receiver answered 410 Gone" },
            (_, Some(until)) => Gate::PauseUntil(until),
            (_, None) => Gate::Unchanged,
        };
        Verdict { settle, gate, hint: hint_for_status(status) }
    }

    /// The next place in the schedule, not before `floor`; or the end of it.
    fn again(&self, attempted: Attempted, floor: Timestamp) -> Settle {
        let Some(wait) = self.schedule.get(attempted.attempts as usize) else { return self.last(attempted, floor) };
        let stretched = wait.mul_f64(1.0 + self.jitter * spread(attempted));
        Settle::RetryAt(attempted.now.plus(stretched).max(floor))
    }

    /// Parks, but not before the time that the schedule takes by itself: attempts made early, when the endpoint was seen
    /// to work, shorten nothing.
    fn last(&self, attempted: Attempted, floor: Timestamp) -> Settle {
        let whole = self.schedule.iter().sum::<Duration>().mul_f64(1.0 - self.jitter);
        let left = whole.saturating_sub(attempted.owed_for);
        match self.schedule.last() {
            Some(wait) if left >= SCHEDULE_SLACK => Settle::RetryAt(attempted.now.plus(left.min(*wait)).max(floor)),
            _ => Settle::Park,
        }
    }
}

impl RetryAfter {
    /// Reads the header: seconds or an HTTP date; anything else is as if it were absent (RFC 9110, 10.2.3).
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
            // More digits than fit are a very long time, which is capped anyway.
            return Some(Self::Delay(value.parse().map_or(Duration::MAX, Duration::from_secs)));
        }
        let date = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(value).ok()?;
        Some(Self::At(Timestamp::from_millis(date.as_millisecond())))
    }

    /// The moment it names, if that is in the future; at most a day ahead.
    fn until(self, now: Timestamp) -> Option<Timestamp> {
        let delay = match self {
            Self::Delay(delay) => delay,
            Self::At(at) => at.since(now),
        };
        (!delay.is_zero()).then(|| now.plus(delay.min(RETRY_AFTER_MAX)))
    }
}

impl Outcome {
    /// Every stored name.
    pub const NAMES: [&str; 17] = [
        "delivered",
        "deferred",
        "refused",
        "redirect",
        "client_error",
        "server_error",
        "dns",
        "connect",
        "tls",
        "timeout",
        "reset",
        "protocol",
        "forbidden_address",
        "secret",
        "endpoint",
        "output",
        "shortage",
    ];

    /// The stored name; also the metric label.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Answered { status, .. } => match status {
                200..=299 => "delivered",
                300..=399 => "redirect",
                400..=499 => "client_error",
                _ => "server_error",
            },
            Self::Mail { code, .. } => match code {
                200..=299 => "delivered",
                500.. => "refused",
                _ => "deferred",
            },
            Self::Failed(failure) => failure.name(),
        }
    }

    /// The answer's status, if there was one. The console has none, but says 200 for "printed".
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            Self::Mail { code, .. } => Some(*code),
            Self::Failed(_) => None,
        }
    }

    /// Whether it fails here and not there: nothing but a change of the config mends it.
    #[must_use]
    pub fn needs_operator(&self) -> bool {
        let mail = matches!(self, Self::Mail { code: 500.., about: MailStep::Session });
        mail || matches!(self, Self::Failed(Failure::Secret | Failure::Endpoint | Failure::ForbiddenAddress))
    }

    /// Whether the receiver may have taken the alert although we do not know it.
    #[must_use]
    pub fn may_have_been_received(&self) -> bool {
        matches!(self, Self::Failed(Failure::Timeout | Failure::Reset | Failure::Protocol))
    }
}

impl Failure {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Protocol => "protocol",
            Self::ForbiddenAddress => "forbidden_address",
            Self::Secret => "secret",
            Self::Endpoint => "endpoint",
            Self::Output => "output",
            Self::Shortage => "shortage",
        }
    }

    fn hint(self) -> Option<&'static str> {
        match self {
            Self::Dns => Some("is the host name right?"),
            Self::Tls => Some("is the certificate valid for this name, and its issuer known? see `ca_file`"),
            Self::Timeout | Self::Reset => Some("the receiver may have taken it: it should dedupe by `webhook-id`"),
            Self::ForbiddenAddress => {
                Some("to allow a private address add its range to the endpoint's `allow_private`")
            }
            Self::Secret => Some("fix the secret; it is read again at the next attempt"),
            Self::Shortage => Some("nothing was sent; it is tried again in seconds until there are more"),
            Self::Connect | Self::Protocol | Self::Endpoint | Self::Output => None,
        }
    }
}

fn hint_for_status(status: u16) -> Option<&'static str> {
    match status {
        300..=399 => Some("redirects are never followed: put the final address into the config"),
        400 | 405 | 413 | 415 | 422 => {
            Some("the receiver does not take this payload: is it an endpoint for this format?")
        }
        401 | 403 => Some("secret or clock? the receiver does not believe the signature"),
        404 => Some("is the path right? the receiver knows no such address"),
        410 => Some("the receiver is gone for good: remove the endpoint, or `endpoints enable` it when it is back"),
        429 => Some("the receiver limits us: everything for this endpoint waits"),
        _ => None,
    }
}

/// A number in −1 … 1 that depends on the row and the attempt alone, so a restart changes nothing and
/// rows that failed together do not come back together. SplitMix64 (Steele, Lea, Flood 2014).
fn spread(attempted: Attempted) -> f64 {
    let mut z = attempted
        .delivery
        .to_i64()
        .cast_unsigned()
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(u64::from(attempted.attempts).wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
