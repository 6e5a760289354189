//! Alerts about sources: one that cannot be read, works again, or has fallen silent. Once per change,
//! with an id that a crash or a restart does not change. Decided where a poll's state becomes durable.

use std::time::Duration;

use serde::Serialize;

use super::envelope::{Envelope, Head};
use super::route::{AlertRules, EndpointAlert};
use crate::model::{
    AlertId, AlertKind, AlertReason, FeedFailure, FeedState, Health, Severity, SourceHealth, SourceId, Timestamp,
    UnreliableHub,
};

/// A long wait counts half for the usual period after this time.
const PERIOD_HALF_LIFE: Duration = Duration::from_secs(14 * 86_400);

/// The rate of new items is an average over about this time.
const RATE_SPAN: Duration = Duration::from_secs(7 * 86_400);

/// Before so many arrivals nobody knows what is usual.
const ARRIVALS_MIN: u64 = 5;

/// No source is called silent sooner.
const SILENT_MIN: Duration = Duration::from_secs(86_400);

/// From so many sources on, most of them failing at once is the network here, not they.
const OUTAGE_SOURCES_MIN: usize = 4;

/// When a source is worth an alert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HealthRules {
    /// Failing: so many failures in a row, in hundredths (a soft failure counts half) …
    pub failing_weighted: u32,
    /// … or failures for this long.
    pub failing_after: Duration,
    /// Silent: no news for so many usual periods; `None`: never.
    pub silent_periods: Option<f64>,
}

impl Default for HealthRules {
    /// Never.
    fn default() -> Self {
        Self { failing_weighted: u32::MAX, failing_after: Duration::MAX, silent_periods: None }
    }
}

/// An alert about a source, ready for the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceAlert {
    /// The same after a crash or restore.
    pub id: AlertId,
    /// Strictly rising, with those of all other alerts.
    pub sequence: u64,
    /// What the payload is.
    pub kind: AlertKind,
    /// Why.
    pub reason: AlertReason,
    /// How bad.
    pub severity: Severity,
    /// The source.
    pub source: SourceId,
    /// When it was decided.
    pub at: Timestamp,
    /// The standard payload, as it will be sent.
    pub payload: Vec<u8>,
    /// Who gets it.
    pub endpoints: Vec<EndpointAlert>,
}

/// Notes a poll in a source's record; says whether anything changed that must be kept.
pub fn note_poll(health: &mut SourceHealth, state: &FeedState, fresh: u64, now: Timestamp) -> bool {
    health.failing = state.failure.is_some();
    if fresh == 0 {
        return false;
    }
    if let Some(last) = health.last_new_at {
        let gap = now.since(last);
        let age = gap.as_secs_f64();
        let before = health.period.unwrap_or_default();
        let faded = before.mul_f64((-age / PERIOD_HALF_LIFE.as_secs_f64()).exp2());
        health.period = Some(gap.max(faded));
        let kept = health.rate_milli as f64 * (-age / RATE_SPAN.as_secs_f64()).exp();
        health.rate_milli = (kept + fresh as f64 * 1000.0 * 86_400.0 / RATE_SPAN.as_secs_f64()).round() as u64;
    }
    health.arrivals += 1;
    health.last_new_at = Some(now);
    true
}

/// How a source stands by these rules; what is neither good nor bad enough stays what was said.
#[must_use]
pub fn judge(health: &SourceHealth, state: &FeedState, rules: &HealthRules, now: Timestamp) -> Health {
    if state.failure.is_some() {
        let since = state.failing_since.unwrap_or(now);
        let failing =
            state.gone || state.failures_weighted >= rules.failing_weighted || now.since(since) >= rules.failing_after;
        return if failing { Health::Failing } else { health.told };
    }
    let (Some(periods), Some(period), Some(last)) = (rules.silent_periods, health.period, health.last_new_at) else {
        return Health::Ok;
    };
    let patience = period.mul_f64(periods).max(SILENT_MIN);
    if health.arrivals >= ARRIVALS_MIN && now.since(last) >= patience { Health::Silent } else { Health::Ok }
}

/// Whether most of these sources fail at once.
#[must_use]
pub fn is_outage<'a>(sources: impl Iterator<Item = &'a SourceHealth>) -> bool {
    let (mut all, mut failing) = (0, 0);
    for health in sources {
        all += 1;
        failing += usize::from(health.failing);
    }
    all >= OUTAGE_SOURCES_MIN && failing * 2 > all
}

/// What to say when a source's health changes to `now_is`; notes that it was said. From failing to silent
/// leads over recovered: the word for one ends before the other begins.
pub fn tell(health: &mut SourceHealth, state: &FeedState, now_is: Health, cause: &Cause<'_>) -> Option<SourceAlert> {
    if now_is == health.told {
        return None;
    }
    let Cause { rules, instance, sequence, now } = *cause;
    let (kind, reason, next) = match (health.told, now_is) {
        (Health::Ok | Health::Silent, Health::Failing) => {
            (AlertKind::SourceFailing, AlertReason::SourceFailing, Health::Failing)
        }
        (Health::Ok, Health::Silent) => (AlertKind::SourceSilent, AlertReason::SourceSilent, Health::Silent),
        _ => (AlertKind::SourceRecovered, AlertReason::SourceRecovered, Health::Ok),
    };
    // The moment that tells this episode from others: known before, so a repeated poll gives it again.
    let since = match next {
        Health::Failing => state.failing_since.unwrap_or(now),
        Health::Silent => health.last_new_at.unwrap_or(now),
        Health::Ok => health.told_at.unwrap_or(now),
    };
    let severity = match next {
        Health::Failing if state.gone => Severity::High,
        Health::Failing | Health::Silent => Severity::Medium,
        Health::Ok => Severity::Low,
    };
    let id = AlertId::derive(&[
        instance.as_bytes(),
        b"source",
        health.source.as_str().as_bytes(),
        reason.as_str().as_bytes(),
        &since.millis().to_le_bytes(),
    ]);
    health.told = next;
    health.told_at = Some(since);
    let head = Head { id, sequence, reason: reason.as_str(), severity };
    let payload = render(kind, head, health, state, since, now);
    let endpoints = endpoints(rules, health, severity, now);
    let source = health.source.clone();
    Some(SourceAlert { id, sequence, kind, reason, severity, source, at: now, payload, endpoints })
}

/// What to say when a feed has reached a quota of the day; told once for each quota and day.
#[must_use]
pub fn tell_quota(reached: QuotaReached, health: &SourceHealth, state: &FeedState, cause: &Cause<'_>) -> SourceAlert {
    let Cause { rules, instance, sequence, now } = *cause;
    let (kind, reason, severity) = (AlertKind::SourceOverQuota, AlertReason::SourceOverQuota, Severity::Medium);
    let id = AlertId::derive(&[
        instance.as_bytes(),
        b"source",
        health.source.as_str().as_bytes(),
        reason.as_str().as_bytes(),
        reached.key().as_bytes(),
        &state.used.day.to_le_bytes(),
    ]);
    let head = Head { id, sequence, reason: reason.as_str(), severity };
    let source = SourceView { state: "over-quota", since: now, ..SourceView::of(health, state, now) };
    let name = state.title.as_deref().unwrap_or(health.source.as_str());
    let data = Data { summary: format!("{name}: {}", reached.in_words(state)), alert: head, source };
    let payload = Envelope { r#type: kind, timestamp: now, data }.to_bytes();
    let endpoints = endpoints(rules, health, severity, now);
    let source = health.source.clone();
    SourceAlert { id, sequence, kind, reason, severity, source, at: now, payload, endpoints }
}

/// Which quota of the day a feed has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaReached {
    /// Of bytes.
    Bytes,
    /// Of alerts.
    Alerts,
}

impl QuotaReached {
    /// The key of the config.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Bytes => "bytes_per_day_max",
            Self::Alerts => "alerts_per_day_max",
        }
    }

    fn in_words(self, state: &FeedState) -> String {
        let (used, key) = (state.used, self.key());
        match self {
            Self::Bytes => {
                let sent = used.bytes >> 10;
                format!("has sent {sent} KiB today, which reaches `{key}`: polled again from {} on", used.ends())
            }
            Self::Alerts => {
                format!(
                    "has raised more alerts today than `{key}`: further ones until {} wait for a digest",
                    used.ends()
                )
            }
        }
    }
}

fn endpoints(rules: &AlertRules, health: &SourceHealth, severity: Severity, now: Timestamp) -> Vec<EndpointAlert> {
    let routes = rules.routes.iter().filter(|route| route.takes_source(&health.source));
    routes.map(|route| route.alert_alone(severity, now)).collect()
}

/// What to say when the hub of a feed does not push what it should.
#[must_use]
pub fn tell_unreliable(
    hub: &UnreliableHub,
    health: &SourceHealth,
    state: &FeedState,
    cause: &Cause<'_>,
) -> SourceAlert {
    let Cause { rules, instance, sequence, now } = *cause;
    let (kind, reason, severity) = (AlertKind::SourcePushUnreliable, AlertReason::SourcePushUnreliable, Severity::Low);
    let id = AlertId::derive(&[
        instance.as_bytes(),
        b"source",
        health.source.as_str().as_bytes(),
        reason.as_str().as_bytes(),
        &hub.since.millis().to_le_bytes(),
    ]);
    let head = Head { id, sequence, reason: reason.as_str(), severity };
    let source = SourceView::of(health, state, hub.since);
    let (name, all) = (state.title.as_deref().unwrap_or(health.source.as_str()), hub.pushed + hub.missed);
    let summary =
        format!("{name}: its hub {} pushed {} of {all} new items, so it is polled as before", hub.hub, hub.pushed);
    let payload = Envelope { r#type: kind, timestamp: now, data: Data { summary, alert: head, source } }.to_bytes();
    let endpoints = endpoints(rules, health, severity, now);
    let source = health.source.clone();
    SourceAlert { id, sequence, kind, reason, severity, source, at: now, payload, endpoints }
}

/// What an alert about a source is made with.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// Who is told.
    pub rules: &'a AlertRules,
    /// Part of every alert id.
    pub instance: &'a str,
    /// The number it gets, if there is one.
    pub sequence: u64,
    /// The time.
    pub now: Timestamp,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Data<'a> {
    /// One sentence, for receivers that only show text.
    summary: String,
    alert: Head,
    source: SourceView<'a>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SourceView<'a> {
    id: &'a str,
    /// Without its query, which may hold a key.
    url: String,
    title: Option<&'a str>,
    /// `failing`, `silent`, `ok`, `over-quota`, or `gone` for good.
    state: &'static str,
    /// The class of what is wrong.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    failure: Option<FeedFailure>,
    error: Option<&'a str>,
    #[cfg_attr(test, schemars(with = "String", extend("format" = "date-time")))]
    since: Timestamp,
    #[cfg_attr(test, schemars(with = "Option<String>", extend("format" = "date-time")))]
    last_success: Option<Timestamp>,
    #[cfg_attr(test, schemars(with = "Option<String>", extend("format" = "date-time")))]
    last_new_item: Option<Timestamp>,
    /// How far apart its news usually is, in seconds.
    usual_period_s: Option<u64>,
    #[cfg_attr(test, schemars(with = "Option<String>", extend("format" = "date-time")))]
    next_poll: Option<Timestamp>,
}

fn render(
    kind: AlertKind,
    head: Head,
    health: &SourceHealth,
    state: &FeedState,
    since: Timestamp,
    now: Timestamp,
) -> Vec<u8> {
    let data = Data { summary: summary(health, state), alert: head, source: SourceView::of(health, state, since) };
    Envelope { r#type: kind, timestamp: now, data }.to_bytes()
}

impl<'a> SourceView<'a> {
    fn of(health: &'a SourceHealth, state: &'a FeedState, since: Timestamp) -> Self {
        Self {
            id: health.source.as_str(),
            url: without_query(&state.url),
            title: state.title.as_deref(),
            state: if state.gone { "gone" } else { health.told.as_str() },
            failure: state.failure,
            error: state.error.as_deref(),
            since,
            last_success: state.last_success_at,
            last_new_item: health.last_new_at,
            usual_period_s: health.period.map(|period| period.as_secs()),
            next_poll: Some(state.next_poll_at).filter(|_| !state.gone),
        }
    }
}

fn summary(health: &SourceHealth, state: &FeedState) -> String {
    let name = state.title.as_deref().unwrap_or(health.source.as_str());
    let class = state.failure.map_or("failure", FeedFailure::as_str);
    match health.told {
        Health::Failing if state.gone => format!("{name}: gone for good (410), not polled any more"),
        Health::Failing => format!("{name}: cannot be read: {class}: {}", state.error.as_deref().unwrap_or("")),
        Health::Silent => format!("{name}: no news for longer than usual"),
        Health::Ok => format!("{name}: works again"),
    }
}

/// The JSON Schema of an alert about a source.
#[cfg(test)]
pub(super) fn schema() -> schemars::Schema {
    super::envelope::schema_of::<Data<'_>>("Source")
}

/// Keys of services stand in queries (promise P10).
fn without_query(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or("").to_owned()
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
