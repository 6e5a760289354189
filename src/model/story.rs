//! A story: the items, from any outlet, that report the same event.

use serde::Serialize;

use super::{StoryId, Timestamp};

/// How a story stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// One outlet so far.
    New,
    /// Two or more outlets.
    Developing,
    /// Ten or more outlets.
    Broad,
}

impl Phase {
    /// The phase of a story carried by so many outlets.
    #[must_use]
    pub fn of_sources(sources: usize) -> Self {
        match sources {
            0 | 1 => Self::New,
            2..=9 => Self::Developing,
            _ => Self::Broad,
        }
    }
}

/// What an alert says about its story at the moment of the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorySummary {
    /// Stable; a merge keeps the older one.
    pub id: StoryId,
    /// Headline of the item that opened it.
    pub title: String,
    /// When its first item was seen.
    pub first_seen: Timestamp,
    /// Items, the current one included.
    pub items: u64,
    /// Outlets in order of appearance, sightings included.
    pub sources: Vec<String>,
    /// Further appearances with the same URL or text.
    pub sightings_exact: u64,
    /// Further appearances with nearly the same text.
    pub sightings_near: u64,
}
