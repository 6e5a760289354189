//! The decision to tell somebody.

use std::fmt;

use serde::Serialize;

use super::{AlertId, ItemId, Match, Severity, StorySummary, Timestamp};

/// Why an alert was raised. A closed set: payload field, log field, metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertReason {
    /// The first that its receivers hear of the story.
    First,
    /// The story hits a further topic.
    Topic,
    /// The story became more severe.
    Severity,
    /// The story reached another count of outlets.
    Growth,
    /// Something new happened in the story.
    Development,
    /// An item of the story changed and now says more, or something else.
    Revision,
    /// What was told is corrected.
    Correction,
    /// What was told is taken back.
    Withdrawal,
    /// A source cannot be read.
    SourceFailing,
    /// A source works again, or has news again.
    SourceRecovered,
    /// A source has had no news for long.
    SourceSilent,
    /// A source has brought more on a day than its quota.
    SourceOverQuota,
    /// The hub of a source does not push what it should.
    SourcePushUnreliable,
}

impl AlertReason {
    /// The stored and printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Topic => "topic",
            Self::Severity => "severity",
            Self::Growth => "growth",
            Self::Development => "development",
            Self::Revision => "revision",
            Self::Correction => "correction",
            Self::Withdrawal => "withdrawal",
            Self::SourceFailing => "source_failing",
            Self::SourceRecovered => "source_recovered",
            Self::SourceSilent => "source_silent",
            Self::SourceOverQuota => "source_over_quota",
            Self::SourcePushUnreliable => "source_push_unreliable",
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
    /// The first that its receivers hear of a story.
    #[serde(rename = "alert.matched")]
    Matched,
    /// A story they were told of grew or changed.
    #[serde(rename = "story.updated")]
    StoryUpdated,
    /// A report they were told of was corrected.
    #[serde(rename = "item.corrected")]
    ItemCorrected,
    /// A report they were told of was taken back.
    #[serde(rename = "item.withdrawn")]
    ItemWithdrawn,
    /// A source cannot be read.
    #[serde(rename = "source.failing")]
    SourceFailing,
    /// A source works again, or has news again.
    #[serde(rename = "source.recovered")]
    SourceRecovered,
    /// A source has had no news for long.
    #[serde(rename = "source.silent")]
    SourceSilent,
    /// A source has brought more on a day than its quota.
    #[serde(rename = "source.over_quota")]
    SourceOverQuota,
    /// The hub of a source does not push what it should.
    #[serde(rename = "source.push_unreliable")]
    SourcePushUnreliable,
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
    pub const ALL: [Self; 15] = [
        Self::Matched,
        Self::StoryUpdated,
        Self::ItemCorrected,
        Self::ItemWithdrawn,
        Self::SourceFailing,
        Self::SourceRecovered,
        Self::SourceSilent,
        Self::SourceOverQuota,
        Self::SourcePushUnreliable,
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
            Self::ItemCorrected => "item.corrected",
            Self::ItemWithdrawn => "item.withdrawn",
            Self::SourceFailing => "source.failing",
            Self::SourceRecovered => "source.recovered",
            Self::SourceSilent => "source.silent",
            Self::SourceOverQuota => "source.over_quota",
            Self::SourcePushUnreliable => "source.push_unreliable",
            Self::Test => "endpoint.test",
            Self::Digest => "alerts.digest",
            Self::Suppressed => "alerts.suppressed",
            Self::EndpointFailing => "endpoint.failing",
            Self::EndpointDisabled => "endpoint.disabled",
            Self::EndpointRecovered => "endpoint.recovered",
        }
    }
}

/// A topic as an alert names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertTopic {
    /// The topic with the best score of its story; the evidence is that of the item that raised the alert.
    pub matched: Match,
    /// Its receivers were not told of it before.
    pub new: bool,
}

/// What kind of thing is new in a story. A closed set: payload field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NewsKind {
    /// Somebody who acts: a state, a body, a company.
    Actor,
    /// A place.
    Place,
    /// A person.
    Person,
    /// Another one of a row: the 21st package.
    Nth,
    /// A number with its unit.
    Quantity,
    /// The opposite: rejected where it said agreed.
    Polarity,
    /// A headline, where it was edited.
    Headline,
}

impl NewsKind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Actor, Self::Place, Self::Person, Self::Nth, Self::Quantity, Self::Polarity, Self::Headline];

    /// The stored and printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Place => "place",
            Self::Person => "person",
            Self::Nth => "nth",
            Self::Quantity => "quantity",
            Self::Polarity => "polarity",
            Self::Headline => "headline",
        }
    }
}

/// One thing that is new in a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertNews {
    /// What kind of thing.
    pub kind: NewsKind,
    /// In words, as the item writes it.
    pub text: String,
    /// What was told before, where it takes the place of something.
    pub was: Option<String>,
}

/// An alert as decided: everything a payload needs but sequence numbers, which the store's transaction gives.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertDraft {
    /// Derived from the instance, the item and what is told: the same after a crash or restore.
    pub id: AlertId,
    /// What the payload is.
    pub kind: AlertKind,
    /// Why.
    pub reason: AlertReason,
    /// How loud: the loudest of its topics.
    pub severity: Severity,
    /// When it was decided.
    pub at: Timestamp,
    /// The topics that the story hits and the receivers take, the best first.
    pub topics: Vec<AlertTopic>,
    /// The item that raised it.
    pub item: ItemId,
    /// The story at this moment.
    pub story: StorySummary,
    /// What is new since.
    pub news: Vec<AlertNews>,
    /// The outlets that took the story up since, where they are why it was raised.
    pub grown_by: Vec<String>,
}
