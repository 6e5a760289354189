//! A story: the items, from any outlet, that report the same event.

use serde::Serialize;

use super::{Lang, StoryId, Timestamp};

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
    pub fn of_outlets(outlets: usize) -> Self {
        match outlets {
            0 | 1 => Self::New,
            2..=9 => Self::Developing,
            _ => Self::Broad,
        }
    }

    /// The printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Developing => "developing",
            Self::Broad => "broad",
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
    pub outlets: Vec<String>,
    /// Languages of its items, in order of appearance.
    pub languages: Vec<Lang>,
    /// Further appearances with the same URL or text.
    pub sightings_exact: u64,
    /// Further appearances with nearly the same text.
    pub sightings_near: u64,
    /// Stories of the same saga.
    pub related: Vec<RelatedStory>,
    /// Stories that turned out to be this one.
    pub merged_from: Vec<StoryId>,
}

/// Another story of the same saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelatedStory {
    /// Which.
    pub id: StoryId,
    /// Its headline.
    pub title: String,
}
