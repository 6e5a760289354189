//! A reload of the feeds: the poller goes from old rules to new ones without a stop. Feeds that stay
//! keep their schedule, their state and what is under way; a removed feed ends after its current poll;
//! a feed with another address is another feed. Nothing here fails: what can fail was done before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tracing::info;

use super::poller::{Feed, Poller, spared};
use super::schedule::{self, Pace};
use super::visit::Target;
use crate::model::{FeedState, SourceId, Timestamp};
use crate::net::Client;
use crate::source::Limits;
use crate::source::feed::{FeedConfig, PollingConfig};

/// What a reload swaps: everything the poller works by, checked and ready.
pub struct PollRules {
    /// Every feed of the config; disabled ones count as removed.
    pub feeds: Vec<FeedConfig>,
    /// The section.
    pub polling: PollingConfig,
    /// Caps on documents.
    pub limits: Limits,
    /// The client for these settings; the old one where they did not change, with its connections.
    pub client: Client,
    /// What the store remembers, for feeds that come (back) in.
    pub states: Vec<FeedState>,
}

impl Poller {
    /// Takes over the newest rules.
    pub(super) fn swap(&mut self) {
        let Some(new) = self.rules.as_mut().map(|rules| rules.borrow_and_update().clone()) else { return };
        let now = self.tools.clock.now();
        let tools = self.tools.renewed(new.client.clone(), new.polling.clone(), new.limits);
        let old_polling = std::mem::replace(&mut self.tools, Arc::new(tools)).polling.clone();
        let mut states: HashMap<&SourceId, &FeedState> = new.states.iter().map(|s| (&s.source, s)).collect();
        let mut wanted: HashMap<&SourceId, &FeedConfig> =
            new.feeds.iter().filter(|feed| feed.enabled).map(|feed| (&feed.id, feed)).collect();
        let (mut changed, mut removed) = (0, 0);
        for index in 0..self.feeds.len() {
            let feed = &self.feeds[index];
            if feed.removed {
                continue;
            }
            let stays = wanted.get(&feed.target.config.id).copied();
            let stays = stays.filter(|config| same_place(config, &feed.target.config));
            let Some(config) = stays else {
                self.feeds[index].removed = true;
                removed += 1;
                continue;
            };
            wanted.remove(&config.id);
            if *config != feed.target.config || new.polling != old_polling {
                changed += usize::from(*config != feed.target.config);
                self.retarget(index, config, &old_polling, now);
            }
            self.hasten(index, states.remove(&config.id), now);
        }
        self.sweep();
        if new.polling.spacing_scope != old_polling.spacing_scope {
            self.respace();
        }
        let added = wanted.len();
        for config in new.feeds.iter().filter(|feed| feed.enabled && wanted.contains_key(&feed.id)) {
            self.add(config, states.get(&config.id).copied(), now);
        }
        if added + removed + changed > 0 || self.tools.polling != old_polling {
            info!(feeds = self.feeds_active(), added, removed, changed, "polling rules reloaded");
        }
    }

    /// Feeds that are polled.
    fn feeds_active(&self) -> usize {
        self.feeds.iter().filter(|feed| !feed.removed).count()
    }

    /// A feed with new settings at the same address. A shorter interval counts at once where the old one
    /// was what it waited for; a wait that its server asked for stays.
    fn retarget(&mut self, index: usize, config: &FeedConfig, old_polling: &PollingConfig, now: Timestamp) {
        let feed = &mut self.feeds[index];
        let before = Pace::of(&feed.target.config, old_polling);
        let after = Pace::of(config, &self.tools.polling);
        feed.target = Arc::new(Target::new(config.clone()));
        let Some(last) = feed.state.last_poll_at else { return };
        let waits_for_interval = feed.state.failure.is_none() && feed.state.next_poll_at <= last.plus(before.interval);
        if !feed.busy && !feed.state.gone && waits_for_interval && after.interval < before.interval {
            self.queue.move_to(index, last.plus(after.interval).max(now));
        }
    }

    /// A feed that an operator enabled again after a 410, or wants polled at once: the store says so of the
    /// same last poll that we know of.
    fn hasten(&mut self, index: usize, stored: Option<&FeedState>, now: Timestamp) {
        let feed = &mut self.feeds[index];
        let Some(stored) = stored.filter(|stored| !feed.busy && stored.polls == feed.state.polls) else { return };
        let revived = feed.state.gone && !stored.gone;
        if revived {
            feed.state = Arc::new(stored.clone());
            self.queue.wake(index, stored.next_poll_at.max(now), feed.lane());
        } else if stored.next_poll_at < feed.state.next_poll_at && !stored.gone {
            self.queue.move_to(index, stored.next_poll_at.max(now));
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

    fn add(&mut self, config: &FeedConfig, stored: Option<&FeedState>, now: Timestamp) {
        let target = Target::new(config.clone());
        let url = target.stored_url();
        let state = stored.filter(|state| state.url == url).cloned();
        let state = state.unwrap_or_else(|| FeedState::new(config.id.clone(), url, now));
        let (gone, due) = (state.gone, schedule::start_at(&state, now, std::time::Duration::ZERO, self.pace(config)));
        let feed = Feed::new(target, state);
        let lane = feed.lane();
        let index = if let Some(index) = self.free.pop() {
            self.feeds[index] = feed;
            index
        } else {
            self.feeds.push(feed);
            self.feeds.len() - 1
        };
        self.queue.place(index, &spared(config, self.tools.polling.spacing_scope));
        if !gone {
            self.queue.wake(index, due, lane);
        }
    }

    fn pace(&self, config: &FeedConfig) -> Pace {
        Pace::of(config, &self.tools.polling)
    }
}

/// Whether both mean the same document.
fn same_place(a: &FeedConfig, b: &FeedConfig) -> bool {
    super::visit::stored_url(&a.url) == super::visit::stored_url(&b.url)
}
