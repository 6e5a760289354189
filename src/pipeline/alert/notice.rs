//! Payloads about alerts and endpoints rather than about a story: a test, a digest of what waited, the
//! one line that stands for what a rate held back, an endpoint that stopped working.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::envelope::{Envelope, Head};
use super::payload::{AlertHead, TopicView};
use crate::model::{AlertId, AlertKind, EndpointId, Severity, Timestamp};

/// Stories that one digest names; `omitted` counts the alerts of the others, and another digest follows with them.
pub const ENTRIES_MAX: usize = 100;

/// One such payload before it has its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Its id: the same for the same cause, so that a restored copy does not send it as another.
    pub id: AlertId,
    /// Its type.
    pub kind: AlertKind,
    /// Why, as a word.
    pub reason: &'static str,
    /// How loud; for a digest that of its loudest alert.
    pub severity: Severity,
    /// When.
    pub at: Timestamp,
    /// What it says, in one line.
    pub summary: String,
    /// The rest.
    pub content: Content,
}

/// What a notice carries beside its summary.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// About an endpoint.
    Endpoint {
        /// Which.
        id: EndpointId,
        /// What happened, in words.
        detail: Option<String>,
    },
    /// Alerts that waited.
    Digest {
        /// How many.
        alerts: u64,
        /// Their stories.
        stories: ListedStories,
    },
    /// Alerts that were too many.
    Suppressed {
        /// How many.
        alerts: u64,
        /// Their stories.
        stories: ListedStories,
        /// How many of each topic, the most first.
        topics: Vec<(String, u64)>,
    },
}

/// The stories of several alerts, each once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListedStories {
    /// What was told of each last; [`ENTRIES_MAX`] at most.
    pub entries: Vec<Entry>,
    /// Alerts whose stories are not among them: another notice follows with those.
    pub omitted: u64,
}

/// What was told of a story last, or an alert that is about none: the parts of its own payload that tell what it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Entry {
    /// The alert's type.
    r#type: String,
    /// Which alert.
    alert: AlertHead,
    /// Its topics; none where it is about no story.
    topics: Vec<TopicView>,
    /// The story, as it stood.
    story: Option<EntryStory>,
    /// The item that raised it.
    item: Option<EntryItem>,
    /// What it says, where it is about no story.
    summary: Option<String>,
}

/// A story in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct EntryStory {
    /// Its id.
    id: String,
    /// The headline of the item that opened it.
    title: String,
    /// Its items, copies left out.
    items: u64,
    /// How many outlets carry it.
    outlets_total: u64,
}

/// An item in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct EntryItem {
    /// Its id.
    id: String,
    /// Its headline.
    title: String,
    /// Its link.
    url: Option<String>,
    /// Who carries it; null where nothing says who.
    outlet: Option<String>,
    /// The feed or directory that brought it.
    source: String,
    /// The publisher it names.
    publisher: Option<String>,
    /// When it says it was published.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    published: Option<String>,
    /// That date cannot be right.
    date_suspect: bool,
    /// When it was seen.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    first_seen: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Data<'a> {
    alert: Head,
    /// One line for people.
    summary: &'a str,
    /// The endpoint it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<Named<'a>>,
    /// What happened, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// How many alerts it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    alerts: Option<u64>,
    /// The stories of those alerts, each once with what was told of it last, in the order of that; alerts about
    /// no story stand by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<&'a [Entry]>,
    /// Alerts whose stories are not in `entries`: another such payload follows with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    omitted: Option<u64>,
    /// Topics of what was held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    topics: Option<Vec<Count<'a>>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Named<'a> {
    id: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Count<'a> {
    id: &'a str,
    alerts: u64,
}

impl Notice {
    /// The standard payload.
    #[must_use]
    pub fn payload(&self, sequence: u64) -> Vec<u8> {
        let mut data = Data {
            alert: Head { id: self.id, sequence, reason: self.reason, severity: self.severity },
            summary: &self.summary,
            endpoint: None,
            detail: None,
            alerts: None,
            entries: None,
            omitted: None,
            topics: None,
        };
        match &self.content {
            Content::Endpoint { id, detail } => {
                data.endpoint = Some(Named { id: id.as_str() });
                data.detail = detail.as_deref();
            }
            Content::Digest { alerts, stories } => {
                data.alerts = Some(*alerts);
                data.entries = Some(&stories.entries);
                data.omitted = Some(stories.omitted);
            }
            Content::Suppressed { alerts, stories, topics } => {
                data.alerts = Some(*alerts);
                data.entries = Some(&stories.entries);
                data.omitted = Some(stories.omitted);
                data.topics = Some(topics.iter().map(|(id, alerts)| Count { id, alerts: *alerts }).collect());
            }
        }
        Envelope { r#type: self.kind, timestamp: self.at, data }.to_bytes()
    }
}

impl Entry {
    /// From the payload of an alert; `None` for what is none.
    #[must_use]
    pub fn of(payload: &[u8]) -> Option<Self> {
        let payload: Value = serde_json::from_slice(payload).ok()?;
        let data = &payload["data"];
        Some(Self {
            r#type: payload["type"].as_str()?.to_owned(),
            alert: AlertHead::deserialize(&data["alert"]).ok()?,
            topics: Vec::deserialize(&data["topics"]).unwrap_or_default(),
            story: EntryStory::deserialize(&data["story"]).ok(),
            item: EntryItem::deserialize(&data["item"]).ok(),
            summary: data["summary"].as_str().map(str::to_owned),
        })
    }
}

/// Writes another number into a payload rendered by this program: the store gives out numbers, and
/// somebody else may have taken one since the decision.
pub fn renumber(payload: &mut Vec<u8>, from: u64, to: u64) {
    let written = format!("\"sequence\":{from},");
    // Nothing that is not ours stands before it: type, time and id.
    if let Some(at) = payload.windows(written.len()).position(|window| window == written.as_bytes()) {
        payload.splice(at..at + written.len(), format!("\"sequence\":{to},").into_bytes());
    }
}

/// The JSON Schema of a notice.
#[cfg(test)]
pub(super) fn schema() -> schemars::Schema {
    super::envelope::schema_of::<Data<'_>>("Notice")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_digest_counts_what_it_leaves_out() {
        let alert = br#"{"type":"source.silent","data":{"alert":{"id":"alr_1","sequence":3,"reason":"source_silent","severity":"high"},"summary":"no news"}}"#;
        let stories = ListedStories { entries: Entry::of(alert).into_iter().collect(), omitted: 2 };
        let notice = Notice {
            id: AlertId::derive(&[b"x"]),
            kind: AlertKind::Digest,
            reason: "quiet",
            severity: Severity::High,
            at: Timestamp::from_seconds(1_742_198_531),
            summary: "3 alerts".to_owned(),
            content: Content::Digest { alerts: 3, stories },
        };
        let value: Value = serde_json::from_slice(&notice.payload(9)).expect("JSON");
        assert_eq!(value["type"], "alerts.digest");
        assert_eq!(value["data"]["omitted"], 2);
        assert_eq!(value["data"]["entries"][0]["summary"], "no news");
        assert_eq!(value["data"]["entries"][0]["story"], Value::Null);
        assert_eq!(Entry::of(b"{}"), None);
        let mut payload = notice.payload(9);
        renumber(&mut payload, 9, 1234);
        assert_eq!(payload, notice.payload(1234));
    }
}
