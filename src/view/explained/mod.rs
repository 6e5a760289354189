//! Why an item alerts or does not: the rules that hit and what they brought, the gates, who takes it, the stories it was
//! held against. For what is stored, and for a text that is not.

mod story;

use std::collections::BTreeSet;

use serde::Serialize;

use super::hearing::{delivery_words, kept_away, refusal_words};
use crate::config::Config;
use crate::model::{
    Item, ItemId, ItemKey, Origin, RawItem, RawText, Rejection, SourceId, SourceKind, StoryId, Timestamp, TopicId,
};
use crate::pipeline::alert::{Offer, Route, Silence};
use crate::pipeline::classify::{Document, TopicExplanation};
use crate::pipeline::normalize::{NormalizeRules, normalize};
use crate::pipeline::{Prepared, Rules, Withheld};
use crate::store::outbox::{self, DeliveryFilter};
use crate::store::{ItemRecord, SilenceRecord, Store, StoreError};
use crate::text::tokens::Tokens;

pub use story::{NamedConsideration, RecalledStories, StoryExplained};

/// Deliveries of one alert that are listed.
const DELIVERIES_MAX: usize = 100;

/// Why an item raises nothing by itself.
fn withheld(why: Withheld) -> &'static str {
    match why {
        Withheld::Comment => {
            "no alert of its own: its headline or link says that it comments or explains ([alerts] commentary = \"off\")"
        }
        Withheld::RoundUp => {
            "no alert of its own: its headline says that it reports on many events at once (a live blog, a briefing, a list)"
        }
    }
}

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
    /// The key of the endpoint that keeps it away and what it sees, a silence, or the alert by which it heard before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Its own filter says so.
    #[serde(skip)]
    pub by_filter: bool,
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
        let within = record.line.story;
        let in_story = within.to_string();
        let item = item_of(record)?;
        let topics = explain(&item, rules);
        let matched = topics.iter().any(|t| t.matched);
        let mut endpoints = hearings(&item, &topics, rules);
        keep_away(&mut endpoints, &item, (within, &alerts), (rules, config), store)?;
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
            (true, true, false) => {
                let before =
                    "no alert of its own: its story was alerted on these topics before, or the rules changed since";
                rules.withholds(&item).map_or(before, withheld).to_owned()
            }
        };
        let alerts: Vec<String> = alerts.into_iter().map(|(id, _)| id).collect();
        let deliveries = told(&alerts, store)?;
        let stored = Some(StoredItem { story: in_story, quiet, alerts, deliveries });
        let hits: Vec<TopicId> = topics.iter().filter(|t| t.matched).map(|t| t.topic.clone()).collect();
        let story = story::of_stored(id, &hits, store, config)?;
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
            (true, _) if let Some(why) = rules.withholds(&prepared.item) => withheld(why),
            (true, true) if rules.live_headline(&prepared.item.title).is_some() => {
                "would alert if no other report of what the live blog has on top comes in time ([alerts] round_ups = \"alone\")"
            }
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

/// What else keeps it from endpoints whose filters take it: a silence, what they heard of the story before, a switch.
fn keep_away(
    endpoints: &mut Vec<EndpointHearing>,
    item: &Item,
    (story, alerts): (StoryId, &[(String, Option<String>)]),
    (rules, config): (&Rules, &Config),
    store: &Store,
) -> Result<(), StoreError> {
    let by_hand = store.silences(item.first_seen, true)?;
    let mut silences: Vec<Silence> = by_hand.iter().filter_map(SilenceRecord::matcher).collect();
    silences.extend(rules.alert.silences.iter().cloned());
    let mut numbers = Vec::new();
    for (id, _) in alerts {
        numbers.extend(store.alert(id)?.map(|alert| alert.sequence));
    }
    // Whoever heard of the story by an alert of this item was not kept from it.
    let mut heard = store.heard_of(story)?;
    heard.retain(|heard| heard.alert.is_none_or(|alert| !numbers.contains(&alert)));
    let title = item.headline();
    for hearing in endpoints.iter_mut().filter(|hearing| hearing.takes) {
        let Ok(topic) = TopicId::new(&hearing.topic) else { continue };
        let loud = (&item.source, story, title.as_ref());
        hearing.because = kept_away((&hearing.endpoint, &topic), loud, &silences, &heard, item.first_seen);
        hearing.takes = hearing.because.is_none();
    }
    let topics: BTreeSet<String> = endpoints.iter().map(|hearing| hearing.topic.clone()).collect();
    for endpoint in config.endpoints.iter().filter(|endpoint| !endpoint.enabled) {
        endpoints.extend(topics.iter().map(|topic| EndpointHearing {
            endpoint: endpoint.id.as_str().to_owned(),
            topic: topic.clone(),
            takes: false,
            because: Some("enabled: it is off in the config".to_owned()),
            by_filter: false,
        }));
    }
    Ok(())
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
            let state = delivery_words(store, &row)?;
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
    let item = rules.reading(item);
    let (title, text) = (Tokens::of(&item.title), Tokens::of(&item.text));
    rules.topics.explain(&Document::of(&item, &title, &text))
}

/// Who takes an alert on each topic that matches, and what keeps it from the others.
fn hearings(item: &Item, topics: &[TopicExplanation], rules: &Rules) -> Vec<EndpointHearing> {
    let heard = |topic: &TopicExplanation, route: &Route| {
        let (severity, score) = (topic.severity, topic.score);
        let offer = Offer { topic: &topic.topic, source: &item.source, lang: item.lang, severity, score };
        let because = route.refusal(&offer).map(|refusal| refusal_words(route, refusal, &offer));
        let by_filter = because.is_some();
        let (endpoint, topic) = (route.endpoint.as_str().to_owned(), topic.topic.as_str().to_owned());
        EndpointHearing { endpoint, topic, takes: because.is_none(), because, by_filter }
    };
    let matching = topics.iter().filter(|topic| topic.matched);
    matching.flat_map(|topic| rules.alert.routes.iter().map(move |route| heard(topic, route))).collect()
}
