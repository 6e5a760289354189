//! Tests of `schedule`: a feed's life as a table of answers.

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const PACE: PollPace =
    PollPace { interval: Duration::from_secs(900), interval_max: Duration::from_secs(900), ceiling: DAY };

fn start() -> Timestamp {
    Timestamp::parse("2025-03-17T08:00:00Z").expect("time")
}

fn fresh() -> FeedState {
    let source = SourceId::new("example").expect("name");
    FeedState::new(source, "https://example.org/feed".to_owned(), start())
}

fn answer(at: Timestamp, outcome: PollOutcome) -> PollAnswer {
    PollAnswer {
        at,
        conditional: true,
        freshness: FreshnessHints::default(),
        via: PolledAddress::Configured,
        moved_to: None,
        outcome,
    }
}

fn validators(tag: &str) -> CacheValidators {
    CacheValidators { etag: Some(tag.as_bytes().to_vec()), last_modified: None }
}

fn document(hints: PollHints) -> PollOutcome {
    PollOutcome::Document {
        validators: validators("\"a\""),
        body_hash: Some(ContentHash::of(&[b"a"])),
        title: Some("Example".to_owned()),
        items: 3,
        hints,
    }
}

fn failed(class: FeedFailure) -> PollOutcome {
    PollOutcome::Failed(PollFailure::new(class, "words"))
}

/// A feed that was polled well once.
fn healthy() -> FeedState {
    next_state(&fresh(), &answer(start(), document(PollHints::default())), PACE)
}

fn wait(state: &FeedState) -> Duration {
    state.next_poll_at.since(state.last_poll_at.expect("polled"))
}

/// Polls as often as the schedule says, with the same answer each time.
fn repeat(mut state: FeedState, outcome: &PollOutcome, times: usize) -> FeedState {
    for _ in 0..times {
        state = next_state(&state, &answer(state.next_poll_at, outcome.clone()), PACE);
    }
    state
}

#[test]
fn document_first_makes_a_baseline_and_waits_the_interval() {
    let state = healthy();
    assert!(state.baselined);
    assert_eq!(state.etag.as_deref(), Some(b"\"a\"".as_slice()));
    assert_eq!((state.polls, state.items_last, wait(&state)), (1, 3, PACE.interval));
    assert_eq!((state.last_success_at, state.full_fetch_at), (Some(start()), Some(start())));
}

#[test]
fn next_poll_is_the_latest_of_all_that_ask_up_to_the_ceiling() {
    let spans = |fresh_for: Option<Duration>, retry_after: Option<Duration>| FreshnessHints { fresh_for, retry_after };
    for (freshness, ttl, expected) in [
        (spans(None, None), None, 15 * MINUTE),
        (spans(Some(MINUTE), Some(Duration::ZERO)), Some(MINUTE), 15 * MINUTE),
        (spans(Some(HOUR), None), None, HOUR),
        (spans(None, Some(2 * HOUR)), None, 2 * HOUR),
        (spans(Some(HOUR), Some(2 * HOUR)), Some(3 * HOUR), 3 * HOUR),
        (spans(Some(400 * DAY), None), None, DAY),
        (spans(None, Some(Duration::from_secs(1_000_000_000_000))), None, DAY),
        (spans(None, None), Some(Duration::MAX), DAY),
    ] {
        let outcome = document(PollHints { ttl, ..PollHints::default() });
        let state = next_state(&fresh(), &PollAnswer { freshness, ..answer(start(), outcome) }, PACE);
        assert_eq!(wait(&state), expected, "{freshness:?} {ttl:?}");
    }
}

#[test]
fn ttl_of_the_document_still_holds_after_a_304() {
    let hints = PollHints { ttl: Some(2 * HOUR), ..PollHints::default() };
    let state = repeat(fresh(), &document(hints), 1);
    assert_eq!(wait(&repeat(state, &PollOutcome::NotModified, 1)), 2 * HOUR);
}

#[test]
fn interval_above_the_ceiling_is_kept() {
    let pace = PollPace { interval: 2 * DAY, interval_max: 2 * DAY, ceiling: 2 * DAY };
    let state = next_state(&fresh(), &answer(start(), document(PollHints::default())), pace);
    assert_eq!(wait(&state), 2 * DAY);
}

#[test]
fn skipped_hours_and_days_move_the_poll_but_not_beyond_the_ceiling() {
    // The first poll is on a Monday at 08:00; the next would be at 08:15.
    let poll = |skip_hours: Vec<u8>, skip_days: Vec<u8>| {
        let hints = PollHints { ttl: None, skip_hours, skip_days };
        next_state(&fresh(), &answer(start(), document(hints)), PACE).next_poll_at.to_string()
    };
    assert_eq!(poll(vec![8, 9], vec![]), "2025-03-17T10:00:00Z");
    assert_eq!(poll(vec![], vec![1]), "2025-03-18T00:00:00Z");
    assert_eq!(poll(vec![], vec![1, 2]), "2025-03-18T08:00:00Z");
    assert_eq!(poll((0..24).collect(), vec![1, 2, 3, 4, 5, 6, 7]), "2025-03-17T08:15:00Z");
    assert_eq!(poll(vec![200], vec![0, 99]), "2025-03-17T08:15:00Z");
}

#[test]
fn rate_limited_waits_as_told_or_four_hours() {
    for (retry_after, expected) in [
        (Some(120), 15 * MINUTE),
        (Some(7200), 2 * HOUR),
        (Some(0), 15 * MINUTE),
        (None, 4 * HOUR),
        (Some(1_000_000_000_000), DAY),
    ] {
        let freshness = FreshnessHints { fresh_for: None, retry_after: retry_after.map(Duration::from_secs) };
        let limited = answer(start(), failed(FeedFailure::RateLimited));
        let state = next_state(&fresh(), &PollAnswer { freshness, ..limited }, PACE);
        assert_eq!(wait(&state), expected, "{retry_after:?}");
        assert_eq!(state.failures_weighted, 50);
    }
}

#[test]
fn failures_weigh_by_class_and_slow_down_by_their_sum() {
    for (class, weight) in [
        (FeedFailure::Dns, 100),
        (FeedFailure::Connect, 100),
        (FeedFailure::Parse, 100),
        (FeedFailure::HtmlPage, 100),
        (FeedFailure::PrivateAddress, 100),
        (FeedFailure::Tls, 50),
        (FeedFailure::Timeout, 50),
        (FeedFailure::ServerError, 50),
        (FeedFailure::NotFound, 50),
    ] {
        assert_eq!(repeat(healthy(), &failed(class), 1).failures_weighted, weight, "{class}");
    }
    let temporary = PollOutcome::Failed(PollFailure { temporary: true, ..PollFailure::new(FeedFailure::Dns, "") });
    assert_eq!(repeat(healthy(), &temporary, 2).failures_weighted, 50);
    let eight = repeat(healthy(), &failed(FeedFailure::Parse), 8);
    let expected = 8 * PACE.interval;
    assert!(wait(&eight) >= expected.mul_f64(0.9) && wait(&eight) <= expected.mul_f64(1.1), "{:?}", wait(&eight));
}

#[test]
fn name_that_does_not_resolve_is_looked_up_again_in_a_minute() {
    let waits: Vec<_> = (1..20).map(|n| wait(&repeat(healthy(), &failed(FeedFailure::Dns), n))).collect();
    assert_eq!(waits[..3], [1, 2, 4].map(|minutes| Duration::from_secs(60 * minutes)));
    assert!(waits.windows(2).all(|w| w[1] >= w[0].mul_f64(0.8)), "{waits:?}");
    assert!(waits[18] >= DAY.mul_f64(0.8) && waits[18] <= DAY, "{waits:?}");
}

#[test]
fn fifty_failures_keep_polling_and_one_document_heals_all() {
    for class in [FeedFailure::ServerError, FeedFailure::NotFound, FeedFailure::Parse, FeedFailure::Unauthorized] {
        let failing = repeat(healthy(), &failed(class), 50);
        assert!(wait(&failing) <= DAY, "{class}");
        assert_eq!((failing.failure, failing.failing_since), (Some(class), Some(healthy().next_poll_at)));
        assert_eq!(failing.etag, healthy().etag, "validators outlive a failure");
        let healed = repeat(failing, &document(PollHints::default()), 1);
        assert_eq!((healed.failures_weighted, healed.failure, healed.failing_since), (0, None, None));
        assert_eq!(wait(&healed), PACE.interval);
    }
}

#[test]
fn what_may_heal_by_itself_doubles_the_wait_up_to_a_day() {
    for class in [
        FeedFailure::NotFound,
        FeedFailure::ServerError,
        FeedFailure::Timeout,
        FeedFailure::Connect,
        FeedFailure::Tls,
        FeedFailure::Reset,
    ] {
        let waits: Vec<_> = (1..10).map(|n| wait(&repeat(healthy(), &failed(class), n))).collect();
        assert!(waits[0] >= PACE.interval.mul_f64(1.8) && waits[0] <= PACE.interval.mul_f64(2.2), "{class}: {waits:?}");
        assert!(waits.windows(2).all(|w| w[1] >= w[0].mul_f64(1.5) || w[1] >= DAY.mul_f64(0.9)), "{class}: {waits:?}");
        assert!(waits.iter().all(|&w| w <= DAY), "{class}: {waits:?}");
    }
}

#[test]
fn unauthorized_waits_four_hours_at_least() {
    assert!(wait(&repeat(healthy(), &failed(FeedFailure::Unauthorized), 1)) >= 4 * HOUR);
}

#[test]
fn not_modified_after_a_failure_is_no_recovery_and_asks_for_all() {
    let failing = repeat(healthy(), &failed(FeedFailure::HtmlPage), 6);
    let state = repeat(failing.clone(), &PollOutcome::NotModified, 1);
    assert_eq!((state.failure, state.failures_weighted), (Some(FeedFailure::HtmlPage), failing.failures_weighted));
    assert_eq!(state.last_success_at, failing.last_success_at);
    assert_eq!((state.etag.as_deref(), wait(&state)), (None, PACE.interval));
    let healed = repeat(state, &PollOutcome::SameBody(validators("\"a\"")), 1);
    assert_eq!((healed.failure, healed.etag), (None, healthy().etag));
}

#[test]
fn not_modified_unasked_for_is_an_error_that_drops_the_validators() {
    let unasked = PollAnswer { conditional: false, ..answer(healthy().next_poll_at, PollOutcome::NotModified) };
    let state = next_state(&healthy(), &unasked, PACE);
    assert_eq!((state.failure, state.etag), (Some(FeedFailure::ClientError), None));
}

#[test]
fn whole_document_is_asked_for_once_a_week() {
    let state = repeat(healthy(), &PollOutcome::NotModified, 20);
    assert!(!wants_full_fetch(&state, start().plus(6 * DAY)));
    assert!(wants_full_fetch(&state, start().plus(7 * DAY)));
    assert!(wants_full_fetch(&fresh(), start()));
}

#[test]
fn gone_stops_and_a_document_starts_again() {
    let gone = repeat(healthy(), &failed(FeedFailure::Gone), 1);
    assert!(gone.gone);
    assert!(!repeat(gone, &document(PollHints::default()), 1).gone);
}

#[test]
fn permanent_redirect_is_adopted_after_three_polls_over_a_day() {
    let moved_poll = |state: &FeedState, hours: u32, url: &str| {
        let poll = answer(start().plus(hours * HOUR), PollOutcome::SameBody(CacheValidators::default()));
        next_state(state, &PollAnswer { moved_to: Some(url.to_owned()), ..poll }, PACE)
    };
    let adopted = |state: &FeedState| state.moved.as_ref().is_some_and(|moved| moved.adopted);
    let mut state = healthy();
    for (hours, expected) in [(1, false), (2, false), (3, false), (4, false), (25, true), (26, true)] {
        state = moved_poll(&state, hours, "https://new.example.org/feed");
        assert_eq!(adopted(&state), expected, "{hours}");
    }
    // Asked at the new address it does not say so again, and stays there …
    let at_new = PollAnswer { via: PolledAddress::Moved, ..answer(start().plus(27 * HOUR), PollOutcome::NotModified) };
    assert!(adopted(&next_state(&state, &at_new, PACE)));
    // … until the new address fails for good, or the old one no longer points there.
    let lost = PollAnswer { outcome: failed(FeedFailure::Gone), ..at_new };
    let back = next_state(&state, &lost, PACE);
    assert_eq!((back.moved, back.gone), (None, false));
    let old = answer(start().plus(27 * HOUR), PollOutcome::SameBody(CacheValidators::default()));
    assert_eq!(next_state(&state, &old, PACE).moved, None);
}

#[test]
fn permanent_redirect_once_or_to_changing_places_is_not_adopted() {
    let mut state = healthy();
    for hours in 1..60 {
        let poll = answer(start().plus(hours * HOUR), PollOutcome::SameBody(CacheValidators::default()));
        let url = format!("https://example.org/{}", hours % 2);
        state = next_state(&state, &PollAnswer { moved_to: Some(url), ..poll }, PACE);
        assert!(state.moved.as_ref().is_some_and(|moved| !moved.adopted && moved.polls == 1));
    }
}

#[test]
fn start_is_never_before_the_stored_time_and_the_same_after_each_restart() {
    let state = healthy();
    assert_eq!(start_at(&state, start(), HOUR, PACE), state.next_poll_at);
    let later = state.next_poll_at.plus(DAY);
    let at = start_at(&state, later, HOUR, PACE);
    assert!(at >= later && at < later.plus(HOUR));
    assert_eq!(at, start_at(&state, later, HOUR, PACE));
    assert_eq!(start_spread(MINUTE, 1), START_SPREAD_PER_FEED);
    assert_eq!(start_spread(MINUTE, 10_000), MINUTE);
    assert_eq!(start_spread(Duration::ZERO, 10_000), Duration::ZERO);
}

#[test]
fn start_stored_time_of_a_wrong_clock_is_not_waited_for() {
    let state = FeedState { next_poll_at: start().plus(365 * DAY), ..healthy() };
    assert_eq!(start_at(&state, start(), HOUR, PACE), start().plus(PACE.interval));
}

#[test]
fn cache_lifetime_of_an_error_page_is_not_waited_for() {
    let freshness = FreshnessHints { fresh_for: Some(DAY), retry_after: None };
    let poll = answer(start(), failed(FeedFailure::ServerError));
    assert!(wait(&next_state(&healthy(), &PollAnswer { freshness, ..poll }, PACE)) < HOUR);
}

#[test]
fn start_spreads_due_feeds_evenly() {
    let mut tenths = [0u32; 10];
    for n in 0..1000 {
        let source = SourceId::new(&format!("feed-{n}")).expect("name");
        let state = FeedState::new(source, String::new(), start());
        let after = start_at(&state, start(), 1000 * MINUTE, PACE).since(start());
        tenths[(after.as_secs() / 6000) as usize] += 1;
    }
    assert!(tenths.iter().all(|&n| (60..150).contains(&n)), "{tenths:?}");
}

fn any_outcome() -> impl Strategy<Value = PollOutcome> {
    let hints = (
        proptest::option::of(0u64..10_000_000),
        proptest::collection::vec(any::<u8>(), 0..24),
        proptest::collection::vec(any::<u8>(), 0..7),
    );
    prop_oneof![
        hints.prop_map(|(ttl, skip_hours, skip_days)| {
            document(PollHints { ttl: ttl.map(Duration::from_secs), skip_hours, skip_days })
        }),
        Just(PollOutcome::SameBody(CacheValidators::default())),
        Just(PollOutcome::NotModified),
        proptest::sample::select(vec![
            FeedFailure::Dns,
            FeedFailure::Timeout,
            FeedFailure::NotFound,
            FeedFailure::RateLimited,
            FeedFailure::Unauthorized,
            FeedFailure::Parse,
        ])
        .prop_map(failed),
    ]
}

proptest! {
    #[test]
    fn any_history_waits_at_least_the_interval_and_at_most_the_ceiling(
        outcomes in proptest::collection::vec((any_outcome(), any::<Option<u64>>(), any::<bool>()), 1..40),
    ) {
        let mut state = fresh();
        for (outcome, span, conditional) in outcomes {
            let freshness = FreshnessHints { fresh_for: span.map(Duration::from_secs), retry_after: None };
            let poll = PollAnswer { conditional, freshness, ..answer(state.next_poll_at, outcome) };
            state = next_state(&state, &poll, PACE);
            // A look-up of a name costs the publisher nothing.
            let least = if state.failure == Some(FeedFailure::Dns) { DNS_WAIT } else { PACE.interval };
            prop_assert!(wait(&state) >= least && wait(&state) <= PACE.ceiling, "{:?}", wait(&state));
            prop_assert_eq!(state.failure.is_some(), state.error.is_some());
            prop_assert_eq!(state.failure.is_some(), state.failing_since.is_some());
        }
    }
}

const ROOMY: PollPace = PollPace { interval: Duration::from_secs(900), interval_max: HOUR, ceiling: DAY };

/// A poll of a feed with `fresh` new items among `total`, and the wait after the next one.
fn after(state: &FeedState, fresh: u64, total: u64) -> FeedState {
    let mut state = next_state(state, &answer(state.next_poll_at, document(PollHints::default())), ROOMY);
    note_receipt(&mut state, &Receipt { new: fresh, known: total - fresh, ..Receipt::default() });
    state
}

#[test]
fn interval_grows_while_nearly_all_is_known_and_shrinks_when_little_is() {
    let mut state = healthy();
    let mut waits = Vec::new();
    for _ in 0..10 {
        state = after(&state, 0, 50);
        waits.push(wait(&state).as_secs());
    }
    assert_eq!(waits[..4], [900, 1125, 1406, 1757]);
    assert_eq!(waits[9], 3600, "the ceiling of its own");
    for (fresh, total, expected) in [(17, 50, 3600), (25, 50, 3600), (33, 50, 3600), (34, 50, 1800), (40, 50, 900)] {
        state = after(&state, fresh, total);
        let next = after(&state, 25, 50);
        assert_eq!(wait(&next).as_secs(), expected, "{fresh} of {total}");
    }
    let floor = (0..9).fold(state, |state, _| after(&state, 50, 50));
    assert_eq!(wait(&floor), ROOMY.interval, "never below the floor");
}

#[test]
fn interval_that_was_learned_outlives_failures() {
    let mut state = (0..10).fold(healthy(), |state, _| after(&state, 0, 50));
    state = next_state(&state, &answer(state.next_poll_at, failed(FeedFailure::Timeout)), ROOMY);
    note_receipt(&mut state, &Receipt::default());
    assert_eq!((state.seen_percent, state.interval), (Some(100), Some(HOUR)));
    assert_eq!(wait(&after(&state, 0, 50)), HOUR);
}

#[test]
fn receipt_of_an_unchanged_feed_counts_as_all_known() {
    let mut state = next_state(&healthy(), &answer(start(), PollOutcome::NotModified), PACE);
    note_receipt(&mut state, &Receipt::default());
    assert_eq!((state.seen_percent, state.last_new_item_at), (Some(100), None));
    note_receipt(&mut state, &Receipt { new: 1, sightings: 1, known: 2, ..Receipt::default() });
    assert_eq!((state.seen_percent, state.last_new_item_at), (Some(50), state.last_poll_at));
}

proptest! {
    /// The model: failures in a row, and whether a document ever came. A 304 neither fails nor heals.
    #[test]
    fn any_history_is_that_of_the_model(outcomes in proptest::collection::vec(any_outcome(), 1..40)) {
        let (mut state, mut failures, mut read) = (fresh(), 0u32, false);
        for outcome in outcomes {
            match &outcome {
                PollOutcome::Document { .. } => (failures, read) = (0, true),
                PollOutcome::SameBody(_) => failures = 0,
                PollOutcome::NotModified => {}
                PollOutcome::Failed(_) => failures += 1,
            }
            let before = state.clone();
            state = next_state(&state, &answer(state.next_poll_at, outcome), PACE);
            prop_assert_eq!(state.baselined, read);
            prop_assert_eq!(state.failure.is_some(), failures > 0);
            prop_assert_eq!(state.polls, before.polls + 1);
            prop_assert!(state.next_poll_at > before.next_poll_at);
        }
    }
}
