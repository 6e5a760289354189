//! Who is polled next: due times in a heap, feeds whose host may not be asked yet, and two lines for the
//! slots there are, so that slow and failing feeds never take those of good ones. Work per turn is that of
//! the feeds whose time has come, however many there are. Knows indexes and times only; `poller` fetches.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use crate::model::Timestamp;

/// A fetch that takes longer counts as slow from then on.
const SLOW_AFTER: Duration = Duration::from_secs(2);

/// How many may be asked, and how often.
#[derive(Debug, Clone, Copy)]
pub(super) struct PollPacing {
    /// Fetches at once.
    pub fetches_max: usize,
    /// Fetches at once from one host.
    pub per_host_max: usize,
    /// Pause between two fetches from one host.
    pub spacing: Duration,
}

impl PollPacing {
    /// Slow and failing feeds get at most half of the slots …
    fn slow_max(&self) -> usize {
        (self.fetches_max / 2).max(1)
    }

    /// … and come first while they have less than a quarter.
    fn slow_min(&self) -> usize {
        (self.fetches_max / 4).max(1)
    }
}

/// Whose time comes; by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum QueueWake {
    Host(usize),
    Feed(usize),
}

/// Which line a feed stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum PollLane {
    /// It answered well last time, or was never asked.
    #[default]
    Quick,
    /// It answered well last time, and takes long now: before those that fail, in turn with them.
    Late,
    /// It failed last time.
    Slow,
}

#[derive(Debug, Default)]
struct HostQueue {
    running: usize,
    started_at: Option<Timestamp>,
    waiting: VecDeque<usize>,
    wakes: bool,
}

#[derive(Debug, Default)]
struct FeedPlace {
    host: usize,
    lane: PollLane,
    /// Its time, while it waits for that; other times of it in the heap are old.
    due_at: Timestamp,
    armed: bool,
    /// The line it holds a slot of, and since when.
    running: Option<(PollLane, Timestamp)>,
}

/// A feed that may be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PollStart {
    pub feed: usize,
    /// How long ago its time came.
    pub lag: Duration,
}

/// The order of polls.
#[derive(Debug, Default)]
pub(super) struct PollQueue {
    heap: BinaryHeap<Reverse<(Timestamp, QueueWake)>>,
    hosts: Vec<HostQueue>,
    hosts_by_name: HashMap<String, usize>,
    places: Vec<FeedPlace>,
    quick: VecDeque<usize>,
    late: VecDeque<usize>,
    slow: VecDeque<usize>,
    /// The slot before went to one of `late`.
    late_had_its_turn: bool,
    running: usize,
    running_slow: usize,
    /// Fetches by their start, oldest first, until they ended or were found to be slow.
    young: VecDeque<(Timestamp, usize)>,
}

impl PollQueue {
    /// Gives a feed its slot and host; a host is whoever shares the name.
    pub fn place(&mut self, feed: usize, host: &str) {
        let host = *self.hosts_by_name.entry(host.to_owned()).or_insert_with(|| {
            self.hosts.push(HostQueue::default());
            self.hosts.len() - 1
        });
        if self.places.len() <= feed {
            self.places.resize_with(feed + 1, FeedPlace::default);
        }
        self.places[feed] = FeedPlace { host, ..FeedPlace::default() };
    }

    /// Somebody else asked the feed's host then.
    pub fn was_asked(&mut self, feed: usize, at: Timestamp) {
        let host = &mut self.hosts[self.places[feed].host];
        host.started_at = host.started_at.max(Some(at));
    }

    /// The feed's time comes then; its last answer decides on its line.
    pub fn wake(&mut self, feed: usize, at: Timestamp, lane: PollLane) {
        let place = &mut self.places[feed];
        (place.due_at, place.armed, place.lane) = (at, true, lane);
        self.heap.push(Reverse((at, QueueWake::Feed(feed))));
    }

    /// Another time instead, for a feed that waits for its time; one that waits for a slot keeps that.
    pub fn move_to(&mut self, feed: usize, at: Timestamp) {
        if self.places[feed].armed {
            let lane = self.places[feed].lane;
            self.wake(feed, at, lane);
        }
    }

    /// When there is something to do again, by the clock alone; `None`: only when a fetch ends.
    pub fn next_at(&self, pacing: &PollPacing) -> Option<Timestamp> {
        let due = self.heap.peek().map(|Reverse((at, _))| *at).filter(|_| self.running < pacing.fetches_max);
        let slow = self.young.front().map(|(started_at, _)| started_at.plus(SLOW_AFTER));
        [due, slow.filter(|_| !self.is_idle())].into_iter().flatten().min()
    }

    /// Nobody waits, neither for a time nor for a slot.
    pub fn is_idle(&self) -> bool {
        self.heap.is_empty() && self.quick.is_empty() && self.late.is_empty() && self.slow.is_empty()
    }

    /// How long the first of those in line has waited for a slot beyond its time; feeds that fail wait behind others
    /// and do not count.
    pub fn overdue(&self, now: Timestamp) -> Duration {
        let first = [self.quick.front(), self.late.front()].into_iter().flatten();
        first.map(|feed| now.since(self.places[*feed].due_at)).max().unwrap_or_default()
    }

    /// The next feed to ask, if any may be asked now. It holds its slot until [`PollQueue::ended`].
    pub fn start(&mut self, now: Timestamp, pacing: &PollPacing) -> Option<PollStart> {
        loop {
            self.line_up(now);
            let feed = self.front(pacing)?;
            if self.may_ask(feed, now, pacing) {
                return Some(self.begin(feed, now, pacing));
            }
        }
    }

    /// Those whose time has come take their place in line.
    fn line_up(&mut self, now: Timestamp) {
        while self.heap.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            match self.heap.pop() {
                Some(Reverse((at, QueueWake::Feed(feed)))) => {
                    let place = &mut self.places[feed];
                    if place.armed && place.due_at == at {
                        place.armed = false;
                        self.line(feed).push_back(feed);
                    }
                }
                Some(Reverse((_, QueueWake::Host(host)))) => {
                    self.hosts[host].wakes = false;
                    if let Some(feed) = self.hosts[host].waiting.pop_front() {
                        self.line(feed).push_front(feed);
                    }
                }
                None => return,
            }
        }
    }

    fn line(&mut self, feed: usize) -> &mut VecDeque<usize> {
        match self.places[feed].lane {
            PollLane::Quick => &mut self.quick,
            PollLane::Late => &mut self.late,
            PollLane::Slow => &mut self.slow,
        }
    }

    /// The next of those that share the slow slots: one that was good so far, then one that fails.
    fn next_slow(&mut self) -> Option<usize> {
        let first = if self.late_had_its_turn { self.slow.pop_front() } else { None };
        let late = first.is_none() && !self.late.is_empty();
        self.late_had_its_turn = late;
        first.or_else(|| self.late.pop_front()).or_else(|| self.slow.pop_front())
    }

    fn front(&mut self, pacing: &PollPacing) -> Option<usize> {
        if self.running >= pacing.fetches_max.max(1) {
            return None;
        }
        if self.running_slow < pacing.slow_min()
            && let Some(feed) = self.next_slow()
        {
            return Some(feed);
        }
        let slow = self.running_slow < pacing.slow_max();
        self.quick.pop_front().or_else(|| if slow { self.next_slow() } else { None })
    }

    /// Whether its host may be asked now; where not, the feed waits for it.
    fn may_ask(&mut self, feed: usize, now: Timestamp, pacing: &PollPacing) -> bool {
        let host = &mut self.hosts[self.places[feed].host];
        let ready_at = host.started_at.map_or(now, |at| at.plus(pacing.spacing));
        if host.running < pacing.per_host_max.max(1) && ready_at <= now {
            return true;
        }
        host.waiting.push_back(feed);
        self.wake_host(self.places[feed].host, now, pacing);
        false
    }

    /// Sees to it that a host with somebody waiting is looked at again.
    fn wake_host(&mut self, index: usize, now: Timestamp, pacing: &PollPacing) {
        let host = &mut self.hosts[index];
        // Where all its slots are taken, whoever ends comes here again.
        if host.waiting.is_empty() || host.wakes || host.running >= pacing.per_host_max.max(1) {
            return;
        }
        host.wakes = true;
        let ready_at = host.started_at.map_or(now, |at| at.plus(pacing.spacing)).max(now);
        self.heap.push(Reverse((ready_at, QueueWake::Host(index))));
    }

    fn begin(&mut self, feed: usize, now: Timestamp, pacing: &PollPacing) -> PollStart {
        let place = &mut self.places[feed];
        place.running = Some((place.lane, now));
        self.running += 1;
        match place.lane {
            PollLane::Late | PollLane::Slow => self.running_slow += 1,
            PollLane::Quick => self.young.push_back((now, feed)),
        }
        let (index, lag) = (place.host, now.since(place.due_at));
        self.hosts[index].running += 1;
        self.hosts[index].started_at = Some(now);
        self.wake_host(index, now, pacing);
        PollStart { feed, lag }
    }

    /// A fetch is over, whatever came of it.
    pub fn ended(&mut self, feed: usize, now: Timestamp, pacing: &PollPacing) {
        let Some((lane, _)) = self.places[feed].running.take() else { return };
        self.running -= 1;
        self.running_slow -= usize::from(lane != PollLane::Quick);
        let host = self.places[feed].host;
        self.hosts[host].running -= 1;
        self.wake_host(host, now, pacing);
    }

    /// Fetches that take long go on in the slow line's slots; where these are taken, and others wait, they
    /// are to be broken off, and wait for such a slot with those that were good so far.
    pub fn break_off(&mut self, now: Timestamp, pacing: &PollPacing) -> Vec<usize> {
        let mut broken = Vec::new();
        while let Some(&(started_at, feed)) = self.young.front().filter(|(at, _)| now.since(*at) >= SLOW_AFTER) {
            self.young.pop_front();
            if self.places[feed].running != Some((PollLane::Quick, started_at)) {
                continue;
            }
            if self.running_slow < pacing.slow_max() {
                self.places[feed].running = Some((PollLane::Slow, started_at));
                self.running_slow += 1;
            } else if self.quick.is_empty() {
                // Nobody needs its slot for now.
                self.young.push_back((now, feed));
                self.places[feed].running = Some((PollLane::Quick, now));
            } else {
                self.ended(feed, now, pacing);
                self.places[feed].lane = PollLane::Late;
                self.late.push_back(feed);
                broken.push(feed);
            }
        }
        broken
    }

    /// Nothing waits any more for these feeds.
    pub fn forget(&mut self, gone: &HashSet<usize>) {
        for feed in gone {
            self.places[*feed].armed = false;
        }
        let waiting = self.hosts.iter_mut().map(|host| &mut host.waiting);
        for line in waiting.chain([&mut self.quick, &mut self.late, &mut self.slow]) {
            line.retain(|feed| !gone.contains(feed));
        }
    }

    /// Other names for the hosts: who waited for one stands in line again.
    pub fn rehost(&mut self, names: impl Iterator<Item = String>) {
        self.heap.retain(|Reverse((_, wake))| matches!(wake, QueueWake::Feed(_)));
        let waiting: Vec<usize> = self.hosts.drain(..).flat_map(|host| host.waiting).collect();
        self.hosts_by_name.clear();
        for feed in waiting {
            self.line(feed).push_back(feed);
        }
        for (feed, name) in names.enumerate() {
            let before = std::mem::take(&mut self.places[feed]);
            self.place(feed, &name);
            let host = self.places[feed].host;
            if let Some((_, started_at)) = before.running {
                self.hosts[host].running += 1;
                self.hosts[host].started_at = self.hosts[host].started_at.max(Some(started_at));
            }
            self.places[feed] = FeedPlace { host, ..before };
        }
    }

    /// The clock went back by so much: every time moves with it.
    pub fn set_back(&mut self, back: Duration) {
        self.heap = self.heap.drain().map(|Reverse((at, wake))| Reverse((at.minus(back), wake))).collect();
        for place in &mut self.places {
            place.due_at = place.due_at.minus(back);
        }
        for host in &mut self.hosts {
            host.started_at = host.started_at.map(|at| at.minus(back));
        }
        for (started_at, feed) in &mut self.young {
            *started_at = started_at.minus(back);
            self.places[*feed].running = self.places[*feed].running.map(|(lane, at)| (lane, at.minus(back)));
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
