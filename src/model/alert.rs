//! The decision to tell somebody.

use std::fmt;

use serde::Serialize;

use super::{AlertId, ItemId, Match, StorySummary, Timestamp};

/// Why an alert was raised. A closed set: payload field, log field, metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertReason {
    /// The first item of its story on this topic.
    First,
    /// The story reached another count of outlets.
    Growth,
    /// A story already alerted hit a further topic.
    NewTopic,
    /// An item changed and now hits.
    Revision,
    /// A source cannot be read.
    SourceFailing,
    /// A source works again, or has news again.
    SourceRecovered,
    /// A source has had no news for long.
    SourceSilent,
}

impl AlertReason {
    /// The stored and printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Growth => "growth",
            Self::NewTopic => "new_topic",
            Self::Revision => "revision",
            Self::SourceFailing => "source_failing",
            Self::SourceRecovered => "source_recovered",
            Self::SourceSilent => "source_silent",
        }
    }
}

impl fmt::Display for AlertReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The `type` of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum AlertKind {
    /// A story hit a topic for the first time.
    #[serde(rename = "alert.matched")]
    Matched,
    /// A story already alerted grew or changed.
    #[serde(rename = "story.updated")]
    StoryUpdated,
    /// A source cannot be read.
    #[serde(rename = "source.failing")]
    SourceFailing,
    /// A source works again, or has news again.
    #[serde(rename = "source.recovered")]
    SourceRecovered,
    /// A source has had no news for long.
    #[serde(rename = "source.silent")]
    SourceSilent,
    /// A receiver is being tried out.
    #[serde(rename = "endpoint.test")]
    Test,
    /// What waited for the end of quiet hours or for its digest.
    #[serde(rename = "alerts.digest")]
    Digest,
    /// One line for what was more than an endpoint's rate.
    #[serde(rename = "alerts.suppressed")]
    Suppressed,
    /// An endpoint does not work: told on another one.
    #[serde(rename = "endpoint.failing")]
    EndpointFailing,
    /// An endpoint is not used any more until somebody enables it.
    #[serde(rename = "endpoint.disabled")]
    EndpointDisabled,
    /// An endpoint that was reported works again.
    #[serde(rename = "endpoint.recovered")]
    EndpointRecovered,
}

impl AlertKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Matched,
        Self::StoryUpdated,
        Self::SourceFailing,
        Self::SourceRecovered,
        Self::SourceSilent,
        Self::Test,
        Self::Digest,
        Self::Suppressed,
        Self::EndpointFailing,
        Self::EndpointDisabled,
        Self::EndpointRecovered,
    ];

    /// Whether it tells how an endpoint does.
    #[must_use]
    pub fn is_about_endpoint(self) -> bool {
        matches!(self, Self::EndpointFailing | Self::EndpointDisabled | Self::EndpointRecovered)
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "alert.matched",
            Self::StoryUpdated => "story.updated",
            Self::SourceFailing => "source.failing",
            Self::SourceRecovered => "source.recovered",
            Self::SourceSilent => "source.silent",
            Self::Test => "endpoint.test",
            Self::Digest => "alerts.digest",
            Self::Suppressed => "alerts.suppressed",
            Self::EndpointFailing => "endpoint.failing",
            Self::EndpointDisabled => "endpoint.disabled",
            Self::EndpointRecovered => "endpoint.recovered",
        }
    }
}

/// An alert as decided: everything a payload needs but its sequence number, which the store's
/// transaction gives.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertDraft {
    /// Derived from (instance, topic, item, revision, reason): the same after a crash or restore.
    pub id: AlertId,
    /// What the payload is.
    pub kind: AlertKind,
    /// Why.
    pub reason: AlertReason,
    /// When it was decided.
    pub at: Timestamp,
    /// The topic with its score and evidence.
    pub matched: Match,
    /// The item that triggered it.
    pub item: ItemId,
    /// The story at this moment.
    pub story: StorySummary,
}
