//! What is known of a source over many polls: how often it has news, and what was said about it. Kept
//! beside the stories, by whoever decides; the poller's own state is `FeedState`.

use std::time::Duration;

use serde::Serialize;

use super::{SourceId, Timestamp};

/// What people were told last of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Nothing, or that it works again.
    #[default]
    Ok,
    /// That it cannot be read.
    Failing,
    /// That it is read, but has had no news for long.
    Silent,
}

impl Health {
    /// The stored and printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failing => "failing",
            Self::Silent => "silent",
        }
    }

    /// Back from the store.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Ok, Self::Failing, Self::Silent].into_iter().find(|health| health.as_str() == name)
    }
}

/// A source's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceHealth {
    /// The source.
    pub source: SourceId,
    /// What was said last.
    pub told: Health,
    /// Since when that holds: a part of the ids of the alerts about it.
    pub told_at: Option<Timestamp>,
    /// Polls that brought something new, the first document included.
    pub arrivals: u64,
    /// The last of them.
    pub last_new_at: Option<Timestamp>,
    /// Its usual period: the longest wait between two arrivals lately, nights and weekends included.
    pub period: Option<Duration>,
    /// New items a day, in thousandths, as of the last arrival.
    pub rate_milli: u64,
    /// Its last poll failed. Not stored: known again after the first poll.
    pub failing: bool,
}

impl SourceHealth {
    /// Of a source nothing is known about.
    #[must_use]
    pub fn new(source: SourceId) -> Self {
        Self {
            source,
            told: Health::Ok,
            told_at: None,
            arrivals: 0,
            last_new_at: None,
            period: None,
            rate_milli: 0,
            failing: false,
        }
    }
}
