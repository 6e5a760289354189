//! The answer table, the schedule and the jitter.

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_742_198_531);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rules(jitter: f64) -> RetryRules {
    let schedule = [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400].map(secs);
    RetryRules { schedule: schedule.to_vec(), jitter, invalid_payload_attempts_max: None }
}

fn attempted(attempts: u32) -> Attempted {
    Attempted { delivery: DeliveryId::from_i64(7), attempts, now: NOW, owed_for: secs(30 * 86_400) }
}

fn answer(status: u16, retry_after: Option<&str>) -> Outcome {
    Outcome::Answered { status, retry_after: retry_after.and_then(RetryAfter::parse) }
}

fn retry(seconds: u64) -> Settle {
    Settle::RetryAt(NOW.plus(secs(seconds)))
}

fn pause(seconds: u64) -> Gate {
    Gate::PauseUntil(NOW.plus(secs(seconds)))
}

#[test]
fn judge_answer_table_first_attempt() {
    use Gate::Unchanged;
    let gone = Gate::Disable { reason: "the receiver answered 410 Gone" };
    let table: &[(u16, Option<&str>, Settle, Gate, &str)] = &[
        (200, None, Settle::Delivered, Unchanged, ""),
        (204, Some("60"), Settle::Delivered, Unchanged, ""),
        (299, None, Settle::Delivered, Unchanged, ""),
        (301, None, retry(5), Unchanged, "redirects are never followed"),
        (307, None, retry(5), Unchanged, "redirects are never followed"),
        (400, None, retry(5), Unchanged, "does not take this payload"),
        (401, None, retry(5), Unchanged, "secret or clock?"),
        (403, None, retry(5), Unchanged, "secret or clock?"),
        (404, None, retry(5), Unchanged, "path"),
        (405, None, retry(5), Unchanged, "payload"),
        (408, None, retry(5), Unchanged, ""),
        (410, None, retry(5), gone, "gone for good"),
        (413, None, retry(5), Unchanged, "payload"),
        (415, None, retry(5), Unchanged, "payload"),
        (422, None, retry(5), Unchanged, "payload"),
        (425, None, retry(5), Unchanged, ""),
        (429, None, retry(60), pause(60), "limits us"),
        (429, Some("7"), retry(7), pause(7), "limits us"),
        (429, Some("3600"), retry(3600), pause(3600), "limits us"),
        (500, None, retry(5), Unchanged, ""),
        (500, Some("120"), retry(120), Unchanged, ""),
        (501, None, retry(5), Unchanged, ""),
        (502, None, retry(60), pause(60), ""),
        (503, None, retry(60), pause(60), ""),
        (503, Some("10"), retry(60), pause(60), ""),
        (503, Some("600"), retry(600), pause(600), ""),
        (504, None, retry(60), pause(60), ""),
        (100, None, retry(5), Unchanged, ""),
        (599, None, retry(5), Unchanged, ""),
    ];
    for (status, retry_after, settle, gate, hint) in table {
        let verdict = rules(0.0).judge(&answer(*status, *retry_after), attempted(1));
        assert_eq!((&verdict.settle, &verdict.gate), (settle, gate), "{status} {retry_after:?}");
        assert!(verdict.hint.unwrap_or_default().contains(hint), "{status}: {:?}", verdict.hint);
        assert_eq!(verdict.hint.is_none(), hint.is_empty(), "{status}");
    }
}

#[test]
fn judge_every_failure_is_tried_again_by_schedule() {
    use Failure::{Connect, Dns, Endpoint, ForbiddenAddress, Output, Protocol, Reset, Secret, Timeout, Tls};
    for failure in [Dns, Connect, Tls, Timeout, Reset, Protocol, ForbiddenAddress, Secret, Endpoint, Output] {
        let outcome = Outcome::Failed(failure);
        let verdict = rules(0.0).judge(&outcome, attempted(2));
        assert_eq!((verdict.settle, verdict.gate), (retry(300), Gate::Unchanged), "{failure:?}");
        assert!(Outcome::NAMES.contains(&outcome.name()));
    }
    assert!(Outcome::Failed(Timeout).may_have_been_received());
    assert!(Outcome::Failed(Reset).may_have_been_received());
    assert!(!Outcome::Failed(Connect).may_have_been_received());
    assert!(!answer(500, None).may_have_been_received());
}

#[test]
fn judge_shortage_here_is_no_attempt_and_is_never_the_last() {
    for attempts in [1, 10, u32::MAX] {
        let verdict = rules(0.2).judge(&Outcome::Failed(Failure::Shortage), attempted(attempts));
        assert_eq!((verdict.settle, verdict.gate), (Settle::WaitUntil(NOW.plus(secs(5))), Gate::Unchanged));
    }
}

#[test]
fn judge_whole_schedule_takes_ten_attempts_and_three_days_then_parks() {
    let rules = rules(0.0);
    let mut now = NOW;
    for attempts in 1..10 {
        let Settle::RetryAt(at) = rules.judge(&answer(500, None), Attempted { now, ..attempted(attempts) }).settle
        else {
            panic!("attempt {attempts} is not the last")
        };
        now = at;
    }
    assert_eq!(now.since(NOW), secs(272_105), "75.6 hours");
    assert_eq!(rules.judge(&answer(500, None), attempted(10)).settle, Settle::Park);
    assert_eq!(rules.judge(&answer(429, Some("5")), attempted(10)).settle, Settle::Park);
    assert_eq!(rules.judge(&answer(500, None), attempted(u32::MAX)).settle, Settle::Park);
}

#[test]
fn judge_attempts_made_early_park_nothing_before_the_schedule_would_have() {
    let rules = rules(0.2);
    let after = |owed_for| rules.judge(&answer(500, None), Attempted { owed_for, ..attempted(10) }).settle;
    assert_eq!(after(secs(3600)), retry(86_400));
    // 272,105 seconds, a fifth shorter.
    assert_eq!(after(secs(217_000)), retry(684));
    assert_eq!(after(secs(217_684)), Settle::Park);
    let nothing = RetryRules { schedule: Vec::new(), ..rules };
    assert_eq!(nothing.judge(&answer(500, None), attempted(1)).settle, Settle::Park);
}

#[test]
fn judge_invalid_payload_at_a_chat_service_parks_after_three() {
    let chat = RetryRules { invalid_payload_attempts_max: Some(3), ..rules(0.0) };
    assert_eq!(chat.judge(&answer(400, None), attempted(2)).settle, retry(300));
    assert_eq!(chat.judge(&answer(400, None), attempted(3)).settle, Settle::Park);
    assert_eq!(chat.judge(&answer(401, None), attempted(3)).settle, retry(1800));
    assert_eq!(rules(0.0).judge(&answer(400, None), attempted(3)).settle, retry(1800));
}

#[test]
fn retry_after_odd_values_do_no_harm() {
    let day = 24 * 3600;
    let cases = [
        ("0", 5),
        ("-5", 5),
        ("soon", 5),
        ("", 5),
        ("1e3", 5),
        (" 90 ", 90),
        ("1000000000000", day),
        ("99999999999999999999999999", day),
        ("Mon, 17 Mar 2025 08:04:11 GMT", 120),
        ("Tue, 17 Mar 2025 08:04:11 GMT", 120),
        ("Mon, 17 Mar 2025 08:00:00 GMT", 5),
        ("Tue, 31 Dec 2999 23:59:59 GMT", day),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 5),
    ];
    for (value, seconds) in cases {
        let verdict = rules(0.0).judge(&answer(500, Some(value)), attempted(1));
        assert_eq!(verdict.settle, retry(seconds), "{value:?}");
    }
}

proptest! {
    #[test]
    fn jitter_stays_within_its_share_and_is_the_same_every_time(id: i64, attempts in 1u32..10) {
        let rules = rules(0.2);
        let attempted = Attempted { delivery: DeliveryId::from_i64(id), ..attempted(attempts) };
        let verdict = rules.judge(&answer(500, None), attempted);
        prop_assert_eq!(&verdict, &rules.judge(&answer(500, None), attempted));
        let Settle::RetryAt(at) = verdict.settle else { panic!("not the last attempt") };
        let wait = rules.schedule[attempts as usize].as_secs_f64();
        let waited = at.since(NOW).as_secs_f64();
        prop_assert!((wait * 0.8 - 0.002..=wait * 1.2 + 0.002).contains(&waited), "{waited} for {wait}");
    }

    #[test]
    fn retry_after_never_panics(value in ".{0,60}") {
        if let Some(asked) = RetryAfter::parse(&value) {
            prop_assert!(asked.until(NOW).is_none_or(|at| at.since(NOW) <= RETRY_AFTER_MAX));
        }
    }
}

#[test]
fn jitter_spreads_rows_that_failed_together() {
    let rules = rules(0.2);
    let at =
        |id| rules.judge(&answer(500, None), Attempted { delivery: DeliveryId::from_i64(id), ..attempted(3) }).settle;
    let mut times: Vec<Timestamp> =
        (1..=100).filter_map(|id| if let Settle::RetryAt(at) = at(id) { Some(at) } else { None }).collect();
    times.sort_unstable();
    times.dedup();
    assert!(times.len() > 95, "{}", times.len());
    assert!(times[99.min(times.len() - 1)].since(times[0]) > secs(500));
}
