//! Why an item alerts or does not: the rules that hit and what they brought, the gates, who takes it, the stories it was
//! held against. For what is stored, and for a text that is not.

mod story;

use serde::Serialize;

use crate::config::Config;
use crate::model::{Item, ItemId, ItemKey, Origin, RawItem, RawText, Rejection, SourceId, SourceKind, Timestamp};
use crate::pipeline::alert::{Offer, Refusal, Route};
use crate::pipeline::classify::{Document, TopicExplanation};
use crate::pipeline::normalize::{NormalizeRules, normalize};
use crate::pipeline::{Prepared, Rules};
use crate::store::outbox::{self, DeliveryFilter};
use crate::store::{ItemRecord, Store, StoreError};
use crate::text::tokens::Tokens;

pub use story::{NamedConsideration, RecalledStories, StoryExplained};

/// Deliveries of one alert that are listed.
const DELIVERIES_MAX: usize = 100;

/// Why a comment is not told.
const COMMENTARY: &str =
    "no alert of its own: its headline or link says that it comments or explains ([alerts] commentary = \"off\")";

/// The whole decision on one item.
#[derive(Debug, Serialize)]
pub struct ItemExplained {
    /// The item.
    pub id: ItemId,
    /// Its headline.
    pub title: String,
    /// Every topic, with what hit.
    pub topics: Vec<TopicExplanation>,
    /// For each topic that matches, who hears of it.
    pub endpoints: Vec<EndpointHearing>,
    /// What the store knows of it.
    pub stored: Option<StoredItem>,
    /// The stories it was held against.
    pub story: Option<StoryExplained>,
    /// In a sentence.
    pub verdict: String,
    /// The item itself, for a look at its text.
    #[serde(skip)]
    pub item: Item,
}

/// Whether an endpoint takes what an item and a topic make.
#[derive(Debug, Serialize)]
pub struct EndpointHearing {
    /// The endpoint.
    pub endpoint: String,
    /// The topic.
    pub topic: String,
    /// Whether it takes it.
    pub takes: bool,
    /// The key of the endpoint that keeps it away, and what it sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// What the store knows of an item.
#[derive(Debug, Serialize)]
pub struct StoredItem {
    /// Its story.
    pub story: String,
    /// Stored without alerting.
    pub quiet: bool,
    /// Alerts of it.
    pub alerts: Vec<String>,
    /// What became of them.
    pub deliveries: Vec<ToldEndpoint>,
}

/// A delivery of an alert of an item.
#[derive(Debug, Serialize)]
pub struct ToldEndpoint {
    /// The endpoint.
    pub endpoint: String,
    /// `delivered`, or why not.
    pub state: String,
}

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing is left of the text once it is read.
    #[error("read the stored item: {0}")]
    Unread(String),
}

impl ItemExplained {
    /// Of a stored item; `None` where there is none.
    ///
    /// # Errors
    /// [`ExplainError`] when the store cannot be read, or the item has no text any more.
    pub fn of_stored(id: ItemId, store: &Store, rules: &Rules, config: &Config) -> Result<Option<Self>, ExplainError> {
        let Some(record) = store.item(id)? else { return Ok(None) };
        let alerts = store.alerts_of_item(record.line.id)?;
        let quiet = record.quiet;
        let in_story = record.line.story.to_string();
        let item = item_of(record)?;
        let topics = explain(&item, rules);
        let matched = topics.iter().any(|t| t.matched);
        let endpoints = hearings(&item, &topics, rules);
        let verdict = match (matched, alerts.is_empty(), quiet) {
            (_, false, _) => alerted(&alerts),
            (false, ..) => "no alert: no topic reaches its threshold".to_owned(),
            (true, true, true) if rules.is_too_old(&item) => {
                "no alert: it was published long before its feed brought it (set `alerts.age_max` to change that)"
                    .to_owned()
            }
            (true, true, true) => {
                "no alert: part of its feed's first-poll baseline (set `backfill` to change that)".to_owned()
            }
            (true, true, false) if rules.leaves_to_reports(&item) => COMMENTARY.to_owned(),
            (true, true, false) => {
                "no alert of its own: its story was alerted on these topics before, or the rules changed since"
                    .to_owned()
            }
        };
        let alerts: Vec<String> = alerts.into_iter().map(|(id, _)| id).collect();
        let deliveries = told(&alerts, store)?;
        let stored = Some(StoredItem { story: in_story, quiet, alerts, deliveries });
        let story = story::of_stored(id, store, config)?;
        Ok(Some(Self { id, title: item.headline().into_owned(), topics, endpoints, stored, story, verdict, item }))
    }

    /// Of an item that is not stored: what would become of it now.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn of_prepared(
        prepared: Prepared,
        memory: Option<&mut RecalledStories>,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let topics = explain(&prepared.item, rules);
        let endpoints = hearings(&prepared.item, &topics, rules);
        let heard = endpoints.is_empty() || endpoints.iter().any(|hearing| hearing.takes);
        let verdict = match (topics.iter().any(|t| t.matched), heard) {
            (true, _) if rules.leaves_to_reports(&prepared.item) => COMMENTARY,
            (true, true) => "would alert, unless its story was alerted on these topics before",
            (true, false) => "would be stored as an alert, but no endpoint takes it",
            (false, _) => "would not alert: no topic reaches its threshold",
        };
        let story = memory.map(|memory| memory.consider(&prepared, now)).transpose()?;
        let (item, verdict) = (prepared.item, verdict.to_owned());
        let (id, title) = (item.id, item.headline().into_owned());
        Ok(Self { id, title, topics, endpoints, stored: None, story, verdict, item })
    }
}

/// Who was told, or is still to be.
fn told(alerts: &[String], store: &Store) -> Result<Vec<ToldEndpoint>, StoreError> {
    let mut told = Vec::new();
    for alert in alerts {
        let Some(alert) = store.alert(alert)? else { continue };
        let filter = DeliveryFilter {
            alert: Some(alert.sequence.cast_signed()),
            rows_max: DELIVERIES_MAX,
            ..DeliveryFilter::default()
        };
        for row in store.read("list deliveries", |c| outbox::list(c, &filter))? {
            let state = match (&row.state, &row.hold, row.folded_into) {
                (_, Some(hold), _) => format!("pending, held for its {hold}"),
                (_, None, Some(into)) => format!("sent within {into}"),
                (state, None, None) => state.to_string(),
            };
            told.push(ToldEndpoint { endpoint: row.endpoint, state });
        }
    }
    Ok(told)
}

/// Alerts by whether anybody was to hear of them.
fn alerted(alerts: &[(String, Option<String>)]) -> String {
    let one = |(id, silenced_by): &(String, Option<String>)| match silenced_by {
        Some(silence) => format!("{id} (told nobody: silenced by {silence})"),
        None => id.clone(),
    };
    format!("alerted: {}", alerts.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// The stored text, read as it was when it came.
fn item_of(record: ItemRecord) -> Result<Item, ExplainError> {
    let unread = |why: &dyn std::fmt::Display| ExplainError::Unread(why.to_string());
    let source = SourceId::new(&record.line.source).map_err(|error| unread(&error))?;
    let origin = Origin { source, kind: SourceKind::Seed, received: record.line.first_seen };
    let mut raw = RawItem::new(ItemKey::new(&record.key));
    raw.title = Some(RawText::plain(record.title));
    raw.url = record.line.url;
    raw.lang = record.line.lang;
    raw.content = Some(RawText::plain(record.text));
    normalize(&raw, &origin, &NormalizeRules::default())
        .map(|normalized| normalized.item)
        .map_err(|Rejection { detail, .. }| unread(&detail))
}

/// Every topic, with what hit.
#[must_use]
pub fn explain(item: &Item, rules: &Rules) -> Vec<TopicExplanation> {
    let (title, text) = (Tokens::of(&item.title), Tokens::of(&item.text));
    rules.topics.explain(&Document::of(item, &title, &text))
}

/// Who takes an alert on each topic that matches, and what keeps it from the others.
fn hearings(item: &Item, topics: &[TopicExplanation], rules: &Rules) -> Vec<EndpointHearing> {
    let heard = |topic: &TopicExplanation, route: &Route| {
        let (severity, score) = (topic.severity, topic.score);
        let offer = Offer { topic: &topic.topic, source: &item.source, lang: item.lang, severity, score };
        let because = route.refusal(&offer).map(|refusal| match refusal {
            Refusal::Topic => "topics: not among them".to_owned(),
            Refusal::Source => format!("sources: {} is not among them", item.source),
            Refusal::Language => match item.lang {
                Some(lang) => format!("languages: {lang} is not among them"),
                None => "languages: that of the item is unknown".to_owned(),
            },
            Refusal::Severity => format!("severity_min: {} is above {severity}", route.severity_min),
            Refusal::Score => format!("score_min: {} is above {score}", route.score_min),
        });
        let (endpoint, topic) = (route.endpoint.as_str().to_owned(), topic.topic.as_str().to_owned());
        EndpointHearing { endpoint, topic, takes: because.is_none(), because }
    };
    let matching = topics.iter().filter(|topic| topic.matched);
    matching.flat_map(|topic| rules.alert.routes.iter().map(move |route| heard(topic, route))).collect()
}
