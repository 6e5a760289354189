//! The standard payload: the Standard Webhooks envelope (`type`, `timestamp`, `data`) around an alert. A
//! value that is written and read again: what is not sent yet takes in what comes meanwhile.

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::passage;
use crate::model::{AlertDraft, Field, Item, Phase, Score};
use crate::text::clean;

/// Characters of the item's text that travel with an alert.
const EXCERPT_CHARS_MAX: usize = 280;

/// Outlets named in a payload; `outlets_total` counts them all.
const OUTLETS_MAX: usize = 50;

/// What a payload is made of.
#[derive(Debug, Clone, Copy)]
pub struct PayloadInput<'a> {
    /// The decision.
    pub alert: &'a AlertDraft,
    /// The item that raised it.
    pub item: &'a Item,
    /// Each topic's name for people, in the order of the alert's topics.
    pub labels: &'a [&'a str],
}

/// The whole body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AlertPayload {
    /// One of [`AlertKind`](crate::model::AlertKind).
    pub r#type: String,
    /// When it was decided.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub timestamp: String,
    /// The rest.
    pub data: AlertData,
}

/// What an alert says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AlertData {
    /// Which alert.
    pub alert: AlertHead,
    /// The topics that the story hits and the endpoint takes, the best first.
    pub topics: Vec<TopicView>,
    /// The story as it stands.
    pub story: StoryView,
    /// The item that raised the alert.
    pub item: ItemView,
    /// The passages of that item that brought points, the best first.
    pub evidence: Vec<EvidenceView>,
    /// Further appearances of the story's items.
    pub sightings: SightingsView,
    /// What is new since the alert before.
    pub new: Vec<NewsView>,
    /// The outlets that took the story up since, where they are why it was raised.
    pub growth: Option<GrowthView>,
    /// The alert of this story that the endpoint had before.
    pub previous: Option<PreviousView>,
}

/// Which alert, why, and how loud.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AlertHead {
    /// Its id, `webhook-id` on the wire.
    pub id: String,
    /// Strictly rising per store; with gaps for an endpoint that does not hear everything. The alerts of one story
    /// come to an endpoint in this order: a later one waits until the earlier was accepted, parked or cancelled.
    pub sequence: u64,
    /// One of [`AlertReason`](crate::model::AlertReason).
    pub reason: String,
    /// That of its loudest topic.
    pub severity: String,
    /// Where people read why it was raised, where the installation says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("format" = "uri")))]
    pub page: Option<String>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TopicView {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// The best score of the story.
    #[cfg_attr(test, schemars(with = "f64"))]
    pub score: Number,
    /// What it had to reach.
    #[cfg_attr(test, schemars(with = "f64"))]
    pub threshold: Number,
    /// What that score is worth.
    pub severity: String,
    /// The endpoint was not told of it before.
    pub new: bool,
}

/// A story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StoryView {
    /// Its id.
    pub id: String,
    /// The headline of the item that opened it.
    pub title: String,
    /// When that item was seen.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub first_seen: String,
    /// Its items, copies left out.
    pub items: u64,
    /// Who carries it, in order of appearance; fifty at most.
    pub outlets: Vec<String>,
    /// How many carry it.
    pub outlets_total: u64,
    /// Languages of its items.
    pub languages: Vec<String>,
    /// `new`: one outlet so far; `developing`: two or more; `broad`: ten or more.
    pub phase: String,
    /// Stories of the same saga.
    pub related: Vec<RelatedView>,
    /// Stories that turned out to be this one: whoever keeps stories moves what it knows of those ids to `id`.
    pub merged_from: Vec<String>,
}

/// A story of the same saga.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RelatedView {
    /// Its id.
    pub id: String,
    /// Its headline.
    pub title: String,
}

/// An item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ItemView {
    /// Its id.
    pub id: String,
    /// Its headline.
    pub title: String,
    /// Its link.
    pub url: Option<String>,
    /// Who carries it: a publisher; null where nothing says who.
    pub outlet: Option<String>,
    /// The feed or directory that brought it.
    pub source: String,
    /// The publisher it names.
    pub publisher: Option<String>,
    /// Its byline.
    pub author: Option<String>,
    /// When it says it was published.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub published: Option<String>,
    /// That date cannot be right.
    pub date_suspect: bool,
    /// When it was seen.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub first_seen: String,
    /// Its language.
    pub lang: Option<String>,
    /// The beginning of its text.
    pub excerpt: String,
}

/// A passage that brought points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EvidenceView {
    /// To which topic.
    pub topic: String,
    /// By which of its rules.
    pub rule: String,
    /// In which part of the item.
    pub field: String,
    /// The words.
    pub text: String,
    /// Where they begin in that part, counted in bytes of UTF-8 and not in characters.
    pub start: u64,
    /// Where they end, in bytes as well.
    pub end: u64,
    /// How many points it brought, boosts included: hundredths at the finest.
    #[cfg_attr(test, schemars(with = "f64"))]
    pub points: Number,
    /// The sentence around them, or the clauses near them where it is very long; null outside title and body.
    pub passage: Option<String>,
}

/// Further appearances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SightingsView {
    /// With the same link or text.
    pub exact: u64,
    /// With nearly the same text.
    pub near: u64,
}

/// Something new in the story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NewsView {
    /// One of [`NewsKind`](crate::model::NewsKind).
    pub kind: String,
    /// In words.
    pub text: String,
    /// What it takes the place of.
    pub was: Option<String>,
}

/// Who took the story up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GrowthView {
    /// The outlets that were not told of before.
    pub outlets: Vec<String>,
    /// How two of them put it, in other words than the item of this alert.
    pub headlines: Vec<HeadlineView>,
}

/// How an outlet puts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeadlineView {
    /// Who.
    pub outlet: String,
    /// Its headline.
    pub title: String,
    /// Its link.
    pub url: Option<String>,
}

/// The alert before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PreviousView {
    /// Its id.
    pub alert: String,
    /// Its number.
    pub sequence: u64,
}

impl AlertPayload {
    /// What is said of an alert; its number is still 0, and the store knows the alert before.
    #[must_use]
    pub fn of(input: &PayloadInput<'_>) -> Self {
        let PayloadInput { alert, item, labels } = *input;
        let topic = |(at, topic): (usize, &crate::model::AlertTopic)| TopicView {
            id: topic.matched.topic.as_str().to_owned(),
            label: labels.get(at).copied().unwrap_or_else(|| topic.matched.topic.as_str()).to_owned(),
            score: number(topic.matched.score),
            threshold: number(topic.matched.threshold),
            severity: topic.matched.severity.to_string(),
            new: topic.new,
        };
        let grown_by = Some(&alert.grown_by).filter(|outlets| !outlets.is_empty());
        Self {
            r#type: alert.kind.as_str().to_owned(),
            timestamp: alert.at.to_string(),
            data: AlertData {
                alert: AlertHead {
                    id: alert.id.to_string(),
                    sequence: 0,
                    reason: alert.reason.as_str().to_owned(),
                    severity: alert.severity.to_string(),
                    page: None,
                },
                topics: alert.topics.iter().enumerate().map(topic).collect(),
                story: story(alert),
                item: item_view(item),
                evidence: evidence(alert, item),
                sightings: SightingsView { exact: alert.story.sightings_exact, near: alert.story.sightings_near },
                new: alert
                    .news
                    .iter()
                    .map(|news| NewsView {
                        kind: news.kind.as_str().to_owned(),
                        text: news.text.clone(),
                        was: news.was.clone(),
                    })
                    .collect(),
                growth: grown_by.map(|outlets| GrowthView {
                    outlets: outlets.iter().take(OUTLETS_MAX).cloned().collect(),
                    headlines: Vec::new(),
                }),
                previous: None,
            },
        }
    }

    /// The bytes that are stored and sent.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: a payload holds only strings and numbers")
    }

    /// Reads what [`AlertPayload::to_bytes`] wrote.
    ///
    /// # Errors
    /// Those of the reader: a damaged store.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

fn story(alert: &AlertDraft) -> StoryView {
    let story = &alert.story;
    StoryView {
        id: story.id.to_string(),
        title: story.title.clone(),
        first_seen: story.first_seen.to_string(),
        items: story.items,
        outlets: story.outlets.iter().take(OUTLETS_MAX).cloned().collect(),
        outlets_total: story.outlets.len() as u64,
        languages: story.languages.iter().map(ToString::to_string).collect(),
        phase: Phase::of_outlets(story.outlets.len()).as_str().to_owned(),
        related: story
            .related
            .iter()
            .map(|related| RelatedView { id: related.id.to_string(), title: related.title.clone() })
            .collect(),
        merged_from: story.merged_from.iter().map(ToString::to_string).collect(),
    }
}

fn item_view(item: &Item) -> ItemView {
    let body = if item.text.is_empty() { &item.summary } else { &item.text };
    ItemView {
        id: item.id.to_string(),
        title: item.headline().into_owned(),
        url: item.url.clone(),
        outlet: item.outlet.as_ref().map(ToString::to_string),
        source: item.source.as_str().to_owned(),
        publisher: item.publisher.clone(),
        author: item.author.clone(),
        published: item.published.map(|d| d.at.to_string()),
        date_suspect: item.published.is_some_and(|d| d.certainty.is_suspect()),
        first_seen: item.first_seen.to_string(),
        lang: item.lang.map(|lang| lang.to_string()),
        excerpt: clean::excerpt(passage::lead(body), EXCERPT_CHARS_MAX),
    }
}

/// The best first; of two that brought as much, the one that stands first.
fn evidence(alert: &AlertDraft, item: &Item) -> Vec<EvidenceView> {
    let mut found: Vec<_> = alert
        .topics
        .iter()
        .flat_map(|topic| topic.matched.evidence.iter().map(|evidence| (&topic.matched.topic, evidence)))
        .collect();
    found.sort_by(|(_, a), (_, b)| b.weight.cmp(&a.weight).then((a.field, a.start).cmp(&(b.field, b.start))));
    let view = |(topic, evidence): (&crate::model::TopicId, &crate::model::Evidence)| EvidenceView {
        topic: topic.as_str().to_owned(),
        rule: evidence.rule.clone(),
        field: evidence.field.as_str().to_owned(),
        text: evidence.text.clone(),
        start: evidence.start as u64,
        end: evidence.end as u64,
        points: number(evidence.weight),
        passage: match evidence.field {
            Field::Title => passage::around(&item.title, evidence.start, evidence.end),
            Field::Body => passage::around(&item.text, evidence.start, evidence.end),
            Field::Url | Field::Tag | Field::Source | Field::Lang => None,
        },
    };
    found.into_iter().map(view).collect()
}

/// 5 and not 5.0, as everywhere.
fn number(score: Score) -> Number {
    let points = score.to_f64();
    if points.fract() == 0.0 { (points as i64).into() } else { Number::from_f64(points).unwrap_or_else(|| 0.into()) }
}

/// The JSON Schema of an alert.
#[cfg(test)]
pub(super) fn schema() -> schemars::Schema {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<AlertPayload>();
    schema.insert("title".to_owned(), "Alert".into());
    schema
}
