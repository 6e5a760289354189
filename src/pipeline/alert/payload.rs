//! The standard payload: the Standard Webhooks envelope (`type`, `timestamp`, `data`) around an alert.
//! Rendered once, in the deciding transaction; the bytes are stored and never rendered again.

use std::borrow::Cow;

use serde::Serialize;

use super::envelope::{Envelope, Head};
use crate::model::{AlertDraft, Evidence, Item, ItemId, Lang, Phase, Score, StoryId, Timestamp};
use crate::text::clean;

/// Characters of the item's text that travel with an alert.
const EXCERPT_CHARS_MAX: usize = 280;

/// Outlets named in a payload; `sources_total` counts them all.
const SOURCES_MAX: usize = 50;

/// What a payload is made of.
#[derive(Debug, Clone, Copy)]
pub struct PayloadInput<'a> {
    /// The decision.
    pub alert: &'a AlertDraft,
    /// The item that raised it.
    pub item: &'a Item,
    /// The topic's name for people.
    pub topic_label: &'a str,
    /// Strictly rising per store.
    pub sequence: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Data<'a> {
    alert: Head,
    topic: Topic<'a>,
    story: Story<'a>,
    item: ItemView<'a>,
    #[cfg_attr(test, schemars(with = "Vec<EvidenceShape>"))]
    evidence: &'a [Evidence],
    sightings: Sightings,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Topic<'a> {
    id: &'a str,
    label: &'a str,
    #[cfg_attr(test, schemars(with = "f64"))]
    score: Score,
    #[cfg_attr(test, schemars(with = "f64"))]
    threshold: Score,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Story<'a> {
    #[cfg_attr(test, schemars(with = "String"))]
    id: StoryId,
    title: &'a str,
    #[cfg_attr(test, schemars(with = "String", extend("format" = "date-time")))]
    first_seen: Timestamp,
    items: u64,
    sources: &'a [String],
    sources_total: usize,
    #[cfg_attr(test, schemars(with = "String"))]
    phase: Phase,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ItemView<'a> {
    #[cfg_attr(test, schemars(with = "String"))]
    id: ItemId,
    title: Cow<'a, str>,
    url: Option<&'a str>,
    source: &'a str,
    publisher: Option<&'a str>,
    author: Option<&'a str>,
    #[cfg_attr(test, schemars(with = "Option<String>", extend("format" = "date-time")))]
    published: Option<Timestamp>,
    date_suspect: bool,
    #[cfg_attr(test, schemars(with = "String", extend("format" = "date-time")))]
    first_seen: Timestamp,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    lang: Option<Lang>,
    excerpt: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Sightings {
    exact: u64,
    near: u64,
}

/// Renders the bytes that are stored and sent.
#[must_use]
pub fn render(input: &PayloadInput<'_>) -> Vec<u8> {
    let PayloadInput { alert, item, topic_label, sequence } = *input;
    let story = &alert.story;
    let envelope = Envelope {
        r#type: alert.kind,
        timestamp: alert.at,
        data: Data {
            alert: Head { id: alert.id, sequence, reason: alert.reason.as_str(), severity: alert.matched.severity },
            topic: Topic {
                id: alert.matched.topic.as_str(),
                label: topic_label,
                score: alert.matched.score,
                threshold: alert.matched.threshold,
            },
            story: Story {
                id: story.id,
                title: &story.title,
                first_seen: story.first_seen,
                items: story.items,
                sources: &story.sources[..story.sources.len().min(SOURCES_MAX)],
                sources_total: story.sources.len(),
                phase: Phase::of_sources(story.sources.len()),
            },
            item: item_view(item),
            evidence: &alert.matched.evidence,
            sightings: Sightings { exact: story.sightings_exact, near: story.sightings_near },
        },
    };
    envelope.to_bytes()
}

fn item_view(item: &Item) -> ItemView<'_> {
    let body = if item.text.is_empty() { &item.summary } else { &item.text };
    ItemView {
        id: item.id,
        title: item.headline(),
        url: item.url.as_deref(),
        source: item.source.as_str(),
        publisher: item.publisher.as_deref(),
        author: item.author.as_deref(),
        published: item.published.map(|d| d.at),
        date_suspect: item.published.is_some_and(|d| d.certainty.is_suspect()),
        first_seen: item.first_seen,
        lang: item.lang,
        excerpt: clean::excerpt(body, EXCERPT_CHARS_MAX),
    }
}

/// How `model::Evidence` looks on the wire, for the schema.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[schemars(rename = "Evidence")]
#[expect(dead_code, reason = "only its shape is used")]
struct EvidenceShape {
    rule: String,
    field: String,
    text: String,
    start: u64,
    end: u64,
    weight: f64,
}

/// The JSON Schema of what [`render`] writes.
#[cfg(test)]
pub(super) fn schema() -> schemars::Schema {
    super::envelope::schema_of::<Data<'_>>("Alert")
}
