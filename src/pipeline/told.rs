//! What an endpoint was told of a story. Each endpoint has its own: what a filter or a silence kept from it
//! was not told to it, and does not use the story up.

use std::time::Duration;

use crate::model::{EndpointId, Outlet, Severity, Timestamp, TopicId};

/// Who is told: an endpoint, or the record of what was raised at all, which hears everything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Listener {
    /// Nobody in particular: `alerts` shows it whether or not an endpoint takes it.
    Record,
    /// An endpoint.
    Endpoint(EndpointId),
}

impl Listener {
    /// The stored name; that of the record is empty, as no endpoint's is.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Record => "",
            Self::Endpoint(id) => id.as_str(),
        }
    }

    /// Reads the stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name.is_empty() { Some(Self::Record) } else { EndpointId::new(name).ok().map(Self::Endpoint) }
    }
}

/// What it was told of one story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The topics, by name.
    pub topics: Vec<TopicId>,
    /// The highest severity.
    pub severity: Severity,
    /// The outlets that had hit one of those topics by then, by name.
    pub outlets: Vec<Outlet>,
    /// When it was told last.
    pub at: Timestamp,
    /// When it was last told of a development.
    pub developed_at: Option<Timestamp>,
    /// What the reports said that it was told of, as keys that have no language.
    pub facts: Vec<u64>,
}

impl Told {
    /// Whether a topic was told.
    #[must_use]
    pub fn has(&self, topic: &TopicId) -> bool {
        self.topics.binary_search(topic).is_ok()
    }

    /// Two stories turned out to be one: what was told of either was told of both.
    #[must_use]
    pub fn absorb(mut self, other: Self) -> Self {
        add(&mut self.topics, other.topics);
        add(&mut self.outlets, other.outlets);
        add(&mut self.facts, other.facts);
        self.severity = self.severity.max(other.severity);
        self.at = self.at.max(other.at);
        self.developed_at = self.developed_at.max(other.developed_at);
        self
    }

    /// Whether it was told so long ago that the next report is news again.
    #[must_use]
    pub fn is_past(&self, on_topic_at: Timestamp, window: Duration, now: Timestamp) -> bool {
        now.since(self.at.max(on_topic_at)) > window
    }
}

/// Adds to a list in order, each once.
pub(super) fn add<T: Ord>(list: &mut Vec<T>, more: impl IntoIterator<Item = T>) {
    for one in more {
        if let Err(at) = list.binary_search(&one) {
            list.insert(at, one);
        }
    }
}
