//! How hubs push feeds: one feed, and all of them together.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Subscription, SubscriptionState, Timestamp};
use crate::store::{Store, StoreError};

/// Feeds with an unreliable hub that a line names.
const NAMED_MAX: usize = 5;

/// The subscription of a feed as printed. Its callback and its secret are nobody's business.
#[derive(Debug, Clone, Serialize)]
pub struct FeedPush {
    /// `asked`, `active`, `renewing`, `lapsed`, `denied`, `leaving`, or `unreliable`: active, and misses too much.
    pub state: &'static str,
    /// Where it was asked for.
    pub hub: String,
    /// What is subscribed to.
    pub topic: String,
    /// Until when the hub keeps it up, where it does.
    pub active_until: Option<Timestamp>,
    /// The last push that was signed well.
    pub last_push_at: Option<Timestamp>,
    /// New items that were pushed,
    pub pushed: u64,
    /// that a poll found first,
    pub near: u64,
    /// and that the hub should have pushed and did not.
    pub missed: u64,
    /// Pushes that were dropped.
    pub dropped: u64,
    /// Its pushes are signed with SHA-1.
    pub weak_signature: bool,
    /// Why the hub did not take it, in words.
    pub error: Option<String>,
}

impl FeedPush {
    /// That of one feed; `None` where no hub was asked.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn of(store: &Store, source: &str) -> Result<Option<Self>, StoreError> {
        Ok(store.subscriptions_of(source)?.first().map(Self::shown))
    }

    fn shown(one: &Subscription) -> Self {
        Self {
            state: one.state_name(),
            hub: one.hub.clone(),
            topic: one.topic.clone(),
            active_until: one.lease_until.filter(|_| one.is_active()),
            last_push_at: one.last_push_at,
            pushed: one.pushed,
            near: one.near,
            missed: one.missed,
            dropped: one.dropped,
            weak_signature: one.is_weak,
            error: one.error.clone(),
        }
    }

    /// For a column.
    #[must_use]
    pub fn in_a_word(&self, now: Timestamp) -> String {
        let days = self.active_until.map(|until| until.since(now).as_secs().div_ceil(86_400));
        match days {
            Some(1) => format!("{}, 1 day left", self.state),
            Some(days) => format!("{}, {days} days left", self.state),
            None => self.state.to_owned(),
        }
    }

    /// For one feed, line by line.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let until = self.active_until.map(|until| format!(", active until {until}")).unwrap_or_default();
        let weak = if self.weak_signature { ", signed with SHA-1 only" } else { "" };
        let mut out = vec![("push", format!("{}{until}{weak}", self.state)), ("hub", self.hub.clone())];
        out.extend(self.last_push_at.map(|at| ("last push", at.to_string())));
        let dropped = if self.dropped > 0 { format!(", {} dropped", self.dropped) } else { String::new() };
        out.push((
            "new items",
            format!("{} pushed, {} polled first, {} missed by the hub{dropped}", self.pushed, self.near, self.missed),
        ));
        out.extend(self.error.clone().map(|error| ("hub says", error)));
        out
    }
}

/// How hubs push the feeds, all together.
#[derive(Debug, Clone, Serialize)]
pub struct HubsStatus {
    /// Feeds by how their subscription stands.
    pub states: BTreeMap<&'static str, usize>,
    /// Feeds whose hub is active and misses too much.
    pub unreliable: Vec<String>,
    /// The same as a sentence.
    pub words: String,
}

impl HubsStatus {
    /// `None` where no hub was asked.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn of(store: &Store) -> Result<Option<Self>, StoreError> {
        let all = store.subscriptions()?;
        let mut states: BTreeMap<&'static str, usize> = BTreeMap::new();
        let mut unreliable = Vec::new();
        for one in all.iter().filter(|one| one.state != SubscriptionState::Leaving) {
            *states.entry(one.state_name()).or_default() += 1;
            if one.state_name() == "unreliable" {
                unreliable.push(one.source.as_str().to_owned());
            }
        }
        let words = words(&states, &unreliable);
        Ok((!states.is_empty()).then_some(Self { states, unreliable, words }))
    }

    /// For people.
    #[must_use]
    pub fn in_words(&self) -> String {
        self.words.clone()
    }
}

fn words(states: &BTreeMap<&'static str, usize>, unreliable: &[String]) -> String {
    let count = |name: &str| states.get(name).copied().unwrap_or(0);
    let pushed = count("active") + count("renewing");
    let mut parts = vec![format!("{pushed} {} pushed", if pushed == 1 { "feed" } else { "feeds" })];
    for name in ["asked", "lapsed", "denied"] {
        if count(name) > 0 {
            parts.push(format!("{} {name}", count(name)));
        }
    }
    if !unreliable.is_empty() {
        let named = unreliable.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
        let more = if unreliable.len() > NAMED_MAX { ", …" } else { "" };
        parts.push(format!("{} unreliable and polled as before ({named}{more})", unreliable.len()));
    }
    parts.join(", ")
}
