//! Tests of alerts about sources: a source's life as a table of polls.

use super::super::Route;
use super::*;
use crate::model::EndpointId;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const RULES: HealthRules =
    HealthRules { failing_weighted: 300, failing_after: Duration::from_secs(6 * 3600), silent_periods: Some(3.0) };

fn start() -> Timestamp {
    Timestamp::parse("2025-03-17T08:00:00Z").expect("a time")
}

fn source() -> SourceId {
    SourceId::new("ferry").expect("a name")
}

fn good() -> FeedState {
    let mut state = FeedState::new(source(), "https://example.org/f?key=canary".to_owned(), start());
    state.title = Some("Ferries".to_owned());
    state
}

fn failing(weighted: u32, since: Timestamp) -> FeedState {
    FeedState {
        failure: Some(FeedFailure::Timeout),
        error: Some("slow".to_owned()),
        failures_weighted: weighted,
        failing_since: Some(since),
        ..good()
    }
}

/// A source with news every four hours for a week.
fn regular() -> (SourceHealth, Timestamp) {
    let mut health = SourceHealth::new(source());
    let mut now = start();
    for _ in 0..42 {
        note_poll(&mut health, &good(), 2, now);
        now = now.plus(4 * HOUR);
    }
    (health, now.minus(4 * HOUR))
}

fn rules() -> AlertRules {
    let route = |name: &str, source_alerts| Route {
        source_alerts,
        ..Route::everything(EndpointId::new(name).expect("a name"))
    };
    AlertRules { routes: vec![route("desk", true), route("quiet", false)], health: RULES, ..AlertRules::default() }
}

fn change(health: &mut SourceHealth, state: &FeedState, now: Timestamp) -> Option<SourceAlert> {
    let judged = judge(health, state, &RULES, now);
    let rules = rules();
    tell(health, state, judged, &Cause { rules: &rules, instance: "i", sequence: 7, now })
}

#[test]
fn period_is_the_longest_wait_lately_and_rate_a_weeks_average() {
    let (mut health, last) = regular();
    assert_eq!(health.period, Some(4 * HOUR));
    assert!((6_000..13_000).contains(&health.rate_milli), "{}", health.rate_milli);
    note_poll(&mut health, &good(), 1, last.plus(2 * DAY));
    assert_eq!(health.period, Some(2 * DAY), "a weekend");
    note_poll(&mut health, &good(), 1, last.plus(2 * DAY).plus(14 * DAY));
    assert_eq!(health.period, Some(14 * DAY));
    assert!(!note_poll(&mut health, &good(), 0, last.plus(30 * DAY)), "nothing new is nothing to keep");
}

#[test]
fn failing_by_count_or_by_time_and_recovered_are_told_once_each() {
    let (mut health, now) = regular();
    assert_eq!(change(&mut health, &failing(250, now), now.plus(5 * HOUR)), None, "not yet");
    let told = change(&mut health, &failing(300, now), now.plus(5 * HOUR)).expect("by count");
    assert_eq!((told.kind, told.severity), (AlertKind::SourceFailing, Severity::Medium));
    assert_eq!(told.endpoints.iter().map(|to| to.endpoint.as_str()).collect::<Vec<_>>(), ["desk"]);
    assert_eq!(change(&mut health, &failing(900, now), now.plus(9 * HOUR)), None, "once");
    let back = change(&mut health, &good(), now.plus(10 * HOUR)).expect("recovered");
    assert_eq!((back.kind, back.reason), (AlertKind::SourceRecovered, AlertReason::SourceRecovered));
    assert_eq!(change(&mut health, &good(), now.plus(11 * HOUR)), None, "once");
    let again = now.plus(12 * HOUR);
    let told_again = change(&mut health, &failing(50, again), again.plus(6 * HOUR)).expect("by time");
    assert_ne!(told.id, told_again.id, "another episode");
}

#[test]
fn gone_is_told_at_once_and_as_worse() {
    let (mut health, now) = regular();
    let gone = FeedState { gone: true, failure: Some(FeedFailure::Gone), ..failing(100, now) };
    assert_eq!(change(&mut health, &gone, now).expect("told").severity, Severity::High);
}

#[test]
fn silent_after_three_usual_periods_but_not_within_a_day_or_unknown() {
    let (mut health, last) = regular();
    assert_eq!(change(&mut health, &good(), last.plus(23 * HOUR)), None);
    let told = change(&mut health, &good(), last.plus(24 * HOUR)).expect("silent");
    assert_eq!(told.kind, AlertKind::SourceSilent);
    note_poll(&mut health, &good(), 1, last.plus(48 * HOUR));
    assert_eq!(change(&mut health, &good(), last.plus(48 * HOUR)).expect("news").kind, AlertKind::SourceRecovered);
    assert_eq!(change(&mut health, &good(), last.plus(96 * HOUR)), None, "two days are usual now");
    let mut young = SourceHealth::new(source());
    for hour in 0..4 {
        note_poll(&mut young, &good(), 1, start().plus(hour * HOUR));
    }
    assert_eq!(change(&mut young, &good(), start().plus(365 * DAY)), None);
}

#[test]
fn silent_to_failing_and_back_says_each_change() {
    let (mut health, last) = regular();
    let mut kinds = Vec::new();
    for (state, hours) in [(good(), 30), (failing(300, last), 31), (good(), 32), (good(), 33), (good(), 34)] {
        kinds.extend(change(&mut health, &state, last.plus(hours * HOUR)).map(|alert| alert.kind.as_str()));
    }
    assert_eq!(kinds, ["source.silent", "source.failing", "source.recovered", "source.silent"]);
}

#[test]
fn outage_is_most_of_many() {
    let sources = |failing: usize, all: usize| -> Vec<SourceHealth> {
        (0..all).map(|at| SourceHealth { failing: at < failing, ..SourceHealth::new(source()) }).collect()
    };
    for (failing, all, expected) in [(3, 3, false), (2, 4, false), (3, 4, true), (50, 100, false), (51, 100, true)] {
        assert_eq!(is_outage(sources(failing, all).iter()), expected, "{failing} of {all}");
    }
}

#[test]
fn payload_and_id_are_the_same_after_a_crash_and_hold_no_query() {
    let (health, now) = regular();
    let alert = |now| change(&mut health.clone(), &failing(300, now), now).expect("told");
    let told = alert(now);
    assert_eq!(told, alert(now));
    let value: serde_json::Value = serde_json::from_slice(&told.payload).expect("JSON");
    assert_eq!(value["type"], "source.failing");
    assert_eq!(
        (&value["data"]["alert"]["sequence"], &value["data"]["alert"]["reason"]),
        (&7.into(), &"source_failing".into())
    );
    let source = &value["data"]["source"];
    assert_eq!((&source["id"], &source["url"]), (&"ferry".into(), &"https://example.org/f".into()));
    assert_eq!(
        (&source["state"], &source["failure"], &source["error"]),
        (&"failing".into(), &"timeout".into(), &"slow".into())
    );
    assert_eq!(source["usual_period_s"], 4 * 3600);
}
