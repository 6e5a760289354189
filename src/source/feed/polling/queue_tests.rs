//! The order of polls, by itself and in a simulated hour of good, slow and dead feeds.

use super::*;

const PACING: PollPacing = PollPacing { fetches_max: 16, per_host_max: 1, spacing: Duration::from_secs(1) };
const SECOND: Duration = Duration::from_secs(1);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Feeds on these hosts, all due at once.
fn due(hosts: &[&str]) -> PollQueue {
    let mut queue = PollQueue::default();
    for (feed, host) in hosts.iter().enumerate() {
        queue.place(feed, host);
        queue.wake(feed, at(0), PollLane::Quick);
    }
    queue
}

fn started(queue: &mut PollQueue, now: i64, pacing: &PollPacing) -> Vec<usize> {
    std::iter::from_fn(|| queue.start(at(now), pacing)).map(|start| start.feed).collect()
}

#[test]
fn start_one_host_is_asked_one_at_a_time_and_with_pauses() {
    let mut queue = due(&["a", "a", "a", "b"]);
    assert_eq!(started(&mut queue, 0, &PACING), [0, 3]);
    assert_eq!(started(&mut queue, 1500, &PACING), [0; 0], "its first fetch is still on");
    queue.ended(0, at(1600), &PACING);
    assert_eq!(started(&mut queue, 1600, &PACING), [1]);
    queue.ended(1, at(1700), &PACING);
    assert_eq!(queue.next_at(&PACING), Some(at(2000)), "the other host's fetch is looked after");
    assert_eq!(started(&mut queue, 2599, &PACING), [0; 0]);
    assert_eq!(started(&mut queue, 2600, &PACING), [2]);
    queue.ended(2, at(2700), &PACING);
    assert!(queue.is_idle());
}

#[test]
fn start_hosts_without_pause_run_up_to_their_bound() {
    let pacing = PollPacing { per_host_max: 2, spacing: Duration::ZERO, ..PACING };
    let mut queue = due(&["a", "a", "a", "a"]);
    assert_eq!(started(&mut queue, 0, &pacing), [0, 1]);
    queue.ended(1, at(5), &pacing);
    assert_eq!(started(&mut queue, 5, &pacing), [2]);
}

#[test]
fn start_failing_feeds_get_half_of_the_slots_and_never_none() {
    let hosts: Vec<String> = (0..60).map(|n| format!("h{n}")).collect();
    let mut queue = PollQueue::default();
    for (feed, host) in hosts.iter().enumerate() {
        queue.place(feed, host);
        queue.wake(feed, at(0), if feed < 30 { PollLane::Slow } else { PollLane::Quick });
    }
    let first = started(&mut queue, 0, &PACING);
    let slow = first.iter().filter(|feed| **feed < 30).count();
    assert_eq!((first.len(), slow), (16, 4), "a quarter is theirs");
    // The good ones end and are done; the slow ones do not: half is the most they get.
    let mut done: Vec<usize> = first.into_iter().filter(|feed| *feed >= 30).collect();
    for step in 1..20 {
        for feed in std::mem::take(&mut done) {
            queue.ended(feed, at(step * 10), &PACING);
        }
        done.extend(started(&mut queue, step * 10, &PACING).into_iter().filter(|feed| *feed >= 30));
        assert!(queue.running_slow <= 8);
    }
    assert_eq!((queue.running, queue.running_slow), (8, 8));
}

#[test]
fn break_off_long_fetches_yield_to_those_who_wait() {
    let hosts: Vec<String> = (0..40).map(|n| format!("h{n}")).collect();
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let mut queue = due(&names);
    assert_eq!(started(&mut queue, 0, &PACING).len(), 16);
    assert_eq!(queue.break_off(at(1999), &PACING), [0; 0]);
    // Half of the sixteen go on as slow ones, the others make room and stand in line again.
    assert_eq!(queue.break_off(at(2000), &PACING), (8..16).collect::<Vec<_>>());
    assert_eq!(started(&mut queue, 2000, &PACING), (16..24).collect::<Vec<_>>());
    assert_eq!((queue.running, queue.running_slow), (16, 8));
    queue.ended(8, at(2001), &PACING);
    assert_eq!(queue.running, 16, "one that was broken off holds no slot");
}

#[test]
fn break_off_one_that_was_good_so_far_waits_behind_no_line_of_dead_ones() {
    let hosts: Vec<String> = (0..140).map(|n| format!("h{n}")).collect();
    let mut queue = PollQueue::default();
    for (feed, host) in hosts.iter().enumerate() {
        queue.place(feed, host);
        queue.wake(feed, at(0), if feed < 100 { PollLane::Slow } else { PollLane::Quick });
    }
    // Four dead ones hold slots; of the twelve others half a dozen answer, and dead ones fill up their half.
    let first = started(&mut queue, 0, &PACING);
    let good: Vec<usize> = first.iter().copied().filter(|feed| *feed >= 100).collect();
    assert_eq!(good.len(), 12);
    queue.break_off(at(2000), &PACING).into_iter().for_each(|feed| assert!(feed >= 104, "{feed}"));
    assert_eq!((queue.running_slow, queue.late.len()), (8, 8));
    // As slots of the slow come free they go to one that was good, one that is dead, and so on.
    let mut order = Vec::new();
    let mut now = 2000;
    for dead in first.iter().copied().filter(|feed| *feed < 100) {
        now += 100;
        queue.ended(dead, at(now), &PACING);
        let begun = started(&mut queue, now, &PACING);
        order.extend(begun.iter().copied().filter(|feed| queue.places[*feed].lane != PollLane::Quick));
        for quick in begun.into_iter().filter(|feed| *feed >= 112) {
            queue.ended(quick, at(now), &PACING);
        }
    }
    let kinds: Vec<bool> = order.iter().map(|feed| *feed >= 100).collect();
    assert_eq!(kinds[..4], [true, false, true, false], "{order:?}");
}

#[test]
fn move_to_and_forget_leave_no_second_turn() {
    let mut queue = due(&["a", "b", "c"]);
    queue.move_to(0, at(5000));
    queue.forget(&HashSet::from([1]));
    assert_eq!(started(&mut queue, 0, &PACING), [2]);
    assert_eq!(started(&mut queue, 5000, &PACING), [0]);
    queue.place(1, "d");
    queue.wake(1, at(6000), PollLane::Quick);
    queue.set_back(SECOND);
    assert_eq!(started(&mut queue, 4999, &PACING), [0; 0]);
    assert_eq!(started(&mut queue, 5000, &PACING), [1]);
}

#[test]
fn rehost_each_for_itself_frees_who_waited() {
    let mut queue = due(&["a", "a", "a"]);
    assert_eq!(started(&mut queue, 0, &PACING), [0]);
    queue.rehost(["x", "y", "z"].map(str::to_owned).into_iter());
    assert_eq!(started(&mut queue, 10, &PACING), [1, 2]);
    for feed in 0..3 {
        queue.ended(feed, at(20), &PACING);
    }
    assert!(queue.is_idle());
}

/// What a feed's server does, as long as it takes.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Good,
    Loris,
    Dead,
}

/// Runs a mix for so long; the lags of good feeds before and after the first minute.
fn simulate(kinds: &[Kind], pacing: &PollPacing, minutes: i64) -> (Vec<Duration>, Vec<Duration>) {
    let mut queue = PollQueue::default();
    let spread = 4000;
    for (feed, _) in kinds.iter().enumerate() {
        queue.place(feed, &format!("h{feed}"));
        queue.wake(feed, at((feed as i64 * 7919) % spread), PollLane::Quick);
    }
    let mut ends: BinaryHeap<Reverse<(Timestamp, usize, u32)>> = BinaryHeap::new();
    let mut tries = vec![0u32; kinds.len()];
    let (mut first, mut later) = (Vec::new(), Vec::new());
    let mut now = at(0);
    while now < at(minutes * 60_000) {
        for feed in queue.break_off(now, pacing) {
            tries[feed] += 1;
        }
        while let Some(PollStart { feed, lag }) = queue.start(now, pacing) {
            let takes = match kinds[feed] {
                Kind::Good => Duration::from_millis(60),
                Kind::Loris => Duration::from_secs(30),
                Kind::Dead => Duration::from_secs(10),
            };
            ends.push(Reverse((now.plus(takes), feed, tries[feed])));
            if kinds[feed] == Kind::Good {
                if now < at(60_000) { first.push(lag) } else { later.push(lag) }
            }
        }
        let by_clock = queue.next_at(pacing);
        let by_end = ends.peek().map(|Reverse((at, ..))| *at);
        now = [by_clock, by_end].into_iter().flatten().min().expect("something goes on").max(now);
        while let Some(&Reverse((_, feed, attempt))) = ends.peek().filter(|Reverse((at, ..))| *at <= now) {
            ends.pop();
            if attempt == tries[feed] {
                queue.ended(feed, now, pacing);
                // No back-off at all: the bad ones come back every minute, as good ones do.
                let lane = if kinds[feed] == Kind::Good { PollLane::Quick } else { PollLane::Slow };
                queue.wake(feed, now.plus(Duration::from_secs(60)), lane);
            }
        }
    }
    (first, later)
}

fn percentile(lags: &mut [Duration], share: usize) -> Duration {
    lags.sort_unstable();
    lags[(lags.len() * share / 100).min(lags.len() - 1)]
}

#[test]
fn fifty_slow_and_fifty_dead_feeds_do_not_delay_a_hundred_good_ones() {
    let kinds: Vec<Kind> = (0..200)
        .map(|feed| match feed % 4 {
            0 => Kind::Loris,
            1 => Kind::Dead,
            _ => Kind::Good,
        })
        .collect();
    let (mut first, mut later) = simulate(&kinds, &PACING, 60);
    let (first, worst, p99) = (percentile(&mut first, 100), percentile(&mut later, 100), percentile(&mut later, 99));
    println!("good feeds: first poll within {first:?}; later p99 {p99:?}, worst {worst:?}, {} polls", later.len());
    assert!(later.len() > 100 * 55);
    assert!(p99 < SECOND, "{p99:?}");
    // Nobody is known to be good or bad at the start: two seconds for each of the bad ones, eight at a time.
    assert!(first < Duration::from_secs(30), "{first:?}");
}

#[test]
fn start_host_that_somebody_else_asked_keeps_its_pause() {
    let mut queue = due(&["a", "b"]);
    queue.was_asked(0, at(-400));
    queue.was_asked(0, at(-900));
    assert_eq!(started(&mut queue, 0, &PACING), [1]);
    queue.ended(1, at(1), &PACING);
    assert_eq!(queue.next_at(&PACING), Some(at(600)));
    assert_eq!(started(&mut queue, 600, &PACING), [0]);
}
