//! Taking over rules: the poller goes from old ones to new ones without a stop, and a start is the first time.
//! Feeds that stay keep their schedule, their state and what is under way; a removed feed ends after its current
//! poll; a feed with another address is another feed. Nothing here fails: what can fail was done before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tracing::info;

use super::poller::{PolledFeed, Poller, spared};
use super::rules::PollRules;
use super::schedule::{self, PollPace};
use super::share::shared_host;
use super::tools::{PollTarget, stored_url};
use crate::model::{FeedFailure, FeedState, SourceId, Timestamp};
use crate::source::feed::{FeedConfig, PollingConfig, SpacingScope};

/// What taking over a list of feeds did.
pub(super) struct FeedChanges {
    /// Their indexes; nothing wakes them yet.
    pub added: Vec<usize>,
    pub removed: usize,
    pub changed: usize,
}

impl Poller {
    /// Takes over the newest rules while polls are under way.
    pub(super) fn apply_reload(&mut self) {
        let Some((rules, put)) = self.reloads.take() else { return };
        let PollRules { feeds, polling, limits, client, states } = rules;
        let now = self.tools.clock.now();
        let tools = self.tools.renewed(client, polling, limits);
        let old_polling = std::mem::replace(&mut self.tools, Arc::new(tools)).polling.clone();
        let FeedChanges { added, removed, changed } = self.take_over_feeds(feeds, states, &old_polling);
        self.reloads.has_heard(put);
        // What another process asked so far may be much, and due.
        let spread = if self.reloads.shared_hosts().is_some() {
            let due = added.iter().filter(|&&index| self.feeds[index].state.next_poll_at <= now).count();
            schedule::start_spread(self.tools.polling.start_spread, due)
        } else {
            Duration::ZERO
        };
        for &index in &added {
            self.wake_first(index, now, spread);
        }
        let added = added.len();
        if added + removed + changed > 0 || self.tools.polling != old_polling {
            info!(feeds = self.feeds_active(), added, removed, changed, "polling rules reloaded");
        }
    }

    /// Polls now what somebody wants polled now.
    pub(super) fn apply_hurry(&mut self) {
        let now = self.tools.clock.now();
        for state in self.reloads.take_hurried() {
            let of_it = |feed: &PolledFeed| !feed.removed && feed.state.source == state.source;
            if let Some(index) = self.feeds.iter().position(of_it) {
                self.hasten(index, Some(state), now);
            }
        }
    }

    /// A hub brought something of these feeds, or says that there is something. What is remembered of a document does not
    /// hold any more: the next one is read in full.
    pub(super) fn apply_hints(&mut self) {
        let now = self.tools.clock.now();
        for (source, polled) in self.reloads.take_hinted() {
            let of_it = |feed: &PolledFeed| !feed.removed && feed.state.source == source;
            let Some(index) = self.feeds.iter().position(of_it) else { continue };
            let feed = &mut self.feeds[index];
            if feed.busy {
                // What is under way may have asked before.
                *feed.hinted.get_or_insert_default() |= polled;
                continue;
            }
            Arc::make_mut(&mut feed.state).body_hash = None;
            let soonest = self.soonest(index, now);
            let state = &self.feeds[index].state;
            if polled && !state.gone && soonest < state.next_poll_at {
                self.queue.move_to(index, soonest);
            }
        }
    }

    /// Heeds what a hub said while a feed was being polled; whether it is to be polled for that.
    pub(super) fn heed_hint(&mut self, index: usize) -> Option<bool> {
        let feed = &mut self.feeds[index];
        feed.hinted.take().inspect(|_| Arc::make_mut(&mut feed.state).body_hash = None)
    }

    /// When a feed may be polled again for what a hub says: its publisher is not asked more often than anybody may be,
    /// however often that is.
    pub(super) fn soonest(&self, index: usize, now: Timestamp) -> Timestamp {
        let feed = &self.feeds[index];
        let is_public = feed.target.config.allow_private.is_empty();
        let floor = if is_public { self.tools.polling.interval_floor } else { Duration::ZERO };
        feed.state.last_poll_at.map_or(now, |last| last.plus(floor).max(now))
    }

    /// Goes over to these feeds, of which some may be polled already.
    pub(super) fn take_over_feeds(
        &mut self,
        feeds: Vec<Arc<FeedConfig>>,
        states: Vec<FeedState>,
        old_polling: &PollingConfig,
    ) -> FeedChanges {
        let now = self.tools.clock.now();
        let mut states: HashMap<SourceId, FeedState> =
            states.into_iter().map(|state| (state.source.clone(), state)).collect();
        let (share, scope) = (self.reloads.shared_hosts(), self.tools.polling.spacing_scope);
        let is_ours = |feed: &FeedConfig| share.as_ref().is_none_or(|share| share.contains(&shared_host(feed, scope)));
        let mut wanted: Vec<Option<Arc<FeedConfig>>> =
            feeds.into_iter().filter(|feed| feed.enabled && is_ours(feed)).map(Some).collect();
        let places: HashMap<SourceId, usize> =
            wanted.iter().flatten().enumerate().map(|(place, feed)| (feed.id.clone(), place)).collect();
        let (mut changed, mut removed) = (0, 0);
        for index in 0..self.feeds.len() {
            let feed = &self.feeds[index];
            if feed.removed {
                continue;
            }
            let wanted = places.get(&feed.target.config.id).and_then(|&place| wanted.get_mut(place));
            let stays = wanted.and_then(|wanted| wanted.take_if(|config| same_address(config, &feed.target.config)));
            let Some(config) = stays else {
                self.leave(index, old_polling.spacing_scope);
                removed += 1;
                continue;
            };
            let state = states.remove(&config.id);
            let differs = config != feed.target.config;
            changed += usize::from(differs);
            if differs || self.tools.polling != *old_polling {
                self.retarget(index, config, old_polling, now);
            }
            self.hasten(index, state, now);
            self.give_room(index, now);
        }
        self.sweep();
        if self.tools.polling.spacing_scope != old_polling.spacing_scope {
            self.respace();
        }
        let added = wanted.into_iter().flatten();
        let added = added.map(|config| {
            let state = states.remove(&config.id);
            self.add(config, state, now)
        });
        FeedChanges { added: added.collect(), removed, changed }
    }

    /// It is not polled any more, once what is under way has ended.
    fn leave(&mut self, index: usize, scope: SpacingScope) {
        let feed = &mut self.feeds[index];
        feed.removed = true;
        if feed.busy && self.reloads.shared_hosts().is_some() {
            let host = shared_host(&feed.target.config, scope);
            self.reloads.leaves(host.clone());
            feed.leaving = Some(host);
        }
    }

    /// A feed that was added waits for its time, or for its place in the spread where that has come.
    pub(super) fn wake_first(&mut self, index: usize, now: Timestamp, spread: Duration) {
        let feed = &self.feeds[index];
        if !feed.state.gone {
            let pace = PollPace::of(&feed.target.config, &self.tools.polling);
            self.queue.wake(index, schedule::start_at(&feed.state, now, spread, pace), feed.lane());
        }
    }

    /// Feeds that are polled.
    fn feeds_active(&self) -> usize {
        self.feeds.iter().filter(|feed| !feed.removed).count()
    }

    /// A feed with new settings at the same address. A shorter interval counts at once where the old one
    /// was what it waited for; a wait that its server asked for stays.
    fn retarget(&mut self, index: usize, config: Arc<FeedConfig>, old_polling: &PollingConfig, now: Timestamp) {
        let feed = &mut self.feeds[index];
        let before = PollPace::of(&feed.target.config, old_polling);
        let after = PollPace::of(&config, &self.tools.polling);
        feed.target = Arc::new(PollTarget::new(config));
        let Some(last) = feed.state.last_poll_at else { return };
        let waits_for_interval = feed.state.failure.is_none() && feed.state.next_poll_at <= last.plus(before.interval);
        if !feed.busy && !feed.state.gone && waits_for_interval && after.interval < before.interval {
            self.queue.move_to(index, last.plus(after.interval).max(now));
        }
    }

    /// A feed that an operator enabled again after a 410, or wants polled at once: the store says so of the
    /// same last poll that we know of.
    fn hasten(&mut self, index: usize, stored: Option<FeedState>, now: Timestamp) {
        let feed = &mut self.feeds[index];
        let Some(stored) = stored.filter(|stored| !feed.busy && stored.polls == feed.state.polls) else { return };
        let next_poll_at = stored.next_poll_at.max(now);
        let revived = feed.state.gone && !stored.gone;
        if revived {
            feed.state = Arc::new(stored);
            self.queue.wake(index, next_poll_at, feed.lane());
        } else if stored.next_poll_at < feed.state.next_poll_at && !stored.gone {
            self.queue.move_to(index, next_poll_at);
        }
    }

    /// A feed that waits for the next day goes on where its quota leaves room now.
    fn give_room(&mut self, index: usize, now: Timestamp) {
        let feed = &mut self.feeds[index];
        let pace = PollPace::of(&feed.target.config, &self.tools.polling);
        let Some(at) = schedule::room_again(&feed.state, feed.target.config.bytes_per_day_max, pace) else { return };
        if !feed.busy && !feed.state.gone {
            Arc::make_mut(&mut feed.state).used.bytes_over = false;
            self.queue.move_to(index, at.max(now));
        }
    }

    /// Nothing waits any more for a feed that was removed; its slot is free once its poll is over.
    fn sweep(&mut self) {
        let removed: HashSet<usize> = (0..self.feeds.len()).filter(|&index| self.feeds[index].removed).collect();
        self.queue.forget(&removed);
        self.free = removed.into_iter().filter(|&index| !self.feeds[index].busy).collect();
    }

    /// The hosts mean something else now.
    fn respace(&mut self) {
        let scope = self.tools.polling.spacing_scope;
        self.queue.rehost(self.feeds.iter().map(|feed| spared(&feed.target.config, scope)));
    }

    fn add(&mut self, config: Arc<FeedConfig>, stored: Option<FeedState>, now: Timestamp) -> usize {
        let host = spared(&config, self.tools.polling.spacing_scope);
        let target = PollTarget::new(config);
        let url = target.stored_url();
        // A state of another address is another feed's.
        let state = stored.filter(|state| state.url == url);
        let mut state = state.unwrap_or_else(|| FeedState::new(target.config.id.clone(), url, now));
        let pace = PollPace::of(&target.config, &self.tools.polling);
        if let Some(at) = schedule::room_again(&state, target.config.bytes_per_day_max, pace) {
            state.used.bytes_over = false;
            state.next_poll_at = at;
        }
        let (asked_last, is_shared) = (state.last_poll_at, self.reloads.shared_hosts().is_some());
        // From here it may be reached.
        if is_shared && state.failure.is_some_and(FeedFailure::may_be_the_way) {
            state.next_poll_at = state.next_poll_at.min(now);
        }
        let feed = PolledFeed::new(target, state);
        let index = if let Some(index) = self.free.pop() {
            self.feeds[index] = feed;
            index
        } else {
            self.feeds.push(feed);
            self.feeds.len() - 1
        };
        self.queue.place(index, &host);
        // Another process may have asked there a moment ago.
        if let Some(last) = asked_last.filter(|_| is_shared) {
            self.queue.was_asked(index, last.min(now));
        }
        index
    }
}

/// Whether both mean the same document.
fn same_address(a: &FeedConfig, b: &FeedConfig) -> bool {
    stored_url(&a.url) == stored_url(&b.url)
}
