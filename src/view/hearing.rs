//! Who was not told of an alert or an item, and what kept it away, by name: the key of a filter, a silence, a switch, or
//! that it was told before.

use crate::config::Config;
use crate::deliver::EndpointConfig;
use crate::model::{Lang, Score, Severity, SourceId, StoryId, Timestamp, TopicId};
use crate::pipeline::alert::{Loud, Offer, Refusal, Route, Silence};
use crate::store::outbox::{self, DeliveryRow, DeliveryState};
use crate::store::{AlertRecord, SilenceRecord, Store, StoreError, StoryHearing, UntoldEndpoint};

/// An item as filters look at it.
struct HeardItem {
    source: SourceId,
    lang: Option<Lang>,
}

/// What is asked of each endpoint.
struct Question<'a> {
    alert: &'a AlertRecord,
    item: Option<HeardItem>,
    /// Topics as the alert names them, with severity and score.
    topics: Vec<(TopicId, Severity, Score)>,
    /// What each endpoint was told of the story last.
    heard: Vec<StoryHearing>,
    silenced: Option<String>,
}

/// Why each endpoint of the config has no part in an alert; `told` are those that have.
///
/// # Errors
/// [`StoreError`] when a table cannot be read.
pub fn untold(
    store: &Store,
    config: &Config,
    alert: &AlertRecord,
    told: &[String],
) -> Result<Vec<UntoldEndpoint>, StoreError> {
    let item = match alert.item {
        Some(item) => store.item(item)?,
        None => None,
    };
    let item = item.and_then(|item| {
        Some(HeardItem {
            source: SourceId::new(&item.line.source).ok()?,
            lang: item.line.lang.as_deref().and_then(Lang::from_tag),
        })
    });
    let heard = match alert.story {
        Some(story) => store.heard_of(story)?,
        None => Vec::new(),
    };
    let silenced = match &alert.silenced_by {
        Some(id) => Some(silence_words(id, &store.silences(alert.at, true)?)),
        None => None,
    };
    let question = Question { alert, item, topics: topics_of(alert), heard, silenced };
    let others = config.endpoints.iter().filter(|endpoint| !told.iter().any(|id| id == endpoint.id.as_str()));
    Ok(others
        .map(|endpoint| UntoldEndpoint { endpoint: endpoint.id.as_str().to_owned(), why: question.why(endpoint) })
        .collect())
}

impl Question<'_> {
    fn why(&self, endpoint: &EndpointConfig) -> String {
        if !endpoint.enabled {
            return "enabled: it is off in the config".to_owned();
        }
        if let Some(silenced) = &self.silenced {
            return silenced.clone();
        }
        if let Some(source) = &self.alert.source {
            return match SourceId::new(source) {
                _ if !endpoint.source_alerts => "source_alerts: it wants none about sources".to_owned(),
                Ok(source) if !endpoint.route().takes_source(&source) => format!("sources: {source} is not among them"),
                _ => DIFFERENT_THEN.to_owned(),
            };
        }
        let Some(item) = &self.item else {
            return "it is about something else than this endpoint".to_owned();
        };
        if let Some(why) = filter(&endpoint.route(), item, &self.topics) {
            return why;
        }
        let heard = self.heard.iter().find(|heard| heard.endpoint == endpoint.id.as_str());
        match heard.and_then(|heard| heard.alert) {
            Some(by) if by < self.alert.sequence => format!("it heard of the story before, by alert #{by}"),
            Some(by) => format!("it heard of the story later, by alert #{by}"),
            None => DIFFERENT_THEN.to_owned(),
        }
    }
}

/// Where nothing of today says no.
const DIFFERENT_THEN: &str =
    "nothing keeps it away today: it was not there, or set otherwise, when the alert was raised";

/// What keeps the topics of an item from an endpoint; `None`: it takes one of them.
fn filter(route: &Route, item: &HeardItem, topics: &[(TopicId, Severity, Score)]) -> Option<String> {
    let mut first: Option<(Refusal, String)> = None;
    for (topic, severity, score) in topics {
        let offer = Offer { topic, source: &item.source, lang: item.lang, severity: *severity, score: *score };
        let refusal = route.refusal(&offer)?;
        // A topic that it does not want at all says less than a bar that one of its own did not reach.
        if first.as_ref().is_none_or(|(known, _)| *known == Refusal::Topic) {
            first = Some((refusal, refusal_words(route, refusal, &offer)));
        }
    }
    first.map(|(_, words)| words)
}

/// A refusal in words, with the key that says so first.
#[must_use]
pub fn refusal_words(route: &Route, refusal: Refusal, offer: &Offer<'_>) -> String {
    let key = refusal.key();
    match refusal {
        Refusal::Topic => format!("{key}: {} is not among them", offer.topic),
        Refusal::Source => format!("{key}: {} is not among them", offer.source),
        Refusal::Language => match offer.lang {
            Some(lang) => format!("{key}: {lang} is not among them"),
            None => format!("{key}: that of the item is unknown"),
        },
        Refusal::Severity => format!("{key}: {} is above {}", route.severity_min, offer.severity),
        Refusal::Score => format!("{key}: {} is above {}", route.score_min, offer.score),
    }
}

/// What keeps a topic of a stored item from an endpoint whose filters take it; `None`: nothing that is known.
#[must_use]
pub fn kept_away(
    (endpoint, topic): (&str, &TopicId),
    loud: (&SourceId, StoryId, &str),
    silences: &[Silence],
    heard: &[StoryHearing],
    at: Timestamp,
) -> Option<String> {
    let (source, story, title) = loud;
    let loud = Loud { topic, source, story, title };
    if let Some(silence) = silences.iter().find(|silence| silence.covers(&loud, |story| story, at)) {
        return Some(format!("silence {}", silence.id));
    }
    let heard =
        heard.iter().find(|heard| heard.endpoint == endpoint && heard.topics.iter().any(|t| t == topic.as_str()))?;
    heard.alert.map(|by| format!("it heard of the story and this topic, last by alert #{by}"))
}

/// A silence with who gave it and why.
fn silence_words(id: &str, silences: &[SilenceRecord]) -> String {
    match silences.iter().find(|silence| silence.id == id) {
        Some(SilenceRecord { author, comment, .. }) if comment.is_empty() => format!("silence {id} (by {author})"),
        Some(SilenceRecord { author, comment, .. }) => format!("silence {id} (by {author}: {comment})"),
        None => format!("silence {id} of the config"),
    }
}

/// How a delivery stands, in words; what it waits for, until when, and what stands in its way.
///
/// # Errors
/// [`StoreError`] when the endpoint cannot be read.
pub fn delivery_words(store: &Store, row: &DeliveryRow) -> Result<String, StoreError> {
    let disabled = match crate::model::EndpointId::new(&row.endpoint) {
        Ok(id) if row.state == DeliveryState::Pending => {
            store.read("read an endpoint", |c| outbox::state(c, &id))?.disabled
        }
        _ => None,
    };
    Ok(match (row.state, &row.hold, row.folded_into, disabled) {
        (_, _, _, Some((_, reason))) => format!("pending: the endpoint is disabled ({reason})"),
        (_, Some(hold), _, _) => format!("pending, held for its {hold} until {}", row.due_at),
        (_, None, Some(into), _) => format!("sent within {into}"),
        (state, None, None, None) => state.to_string(),
    })
}

/// The topics an alert names.
fn topics_of(alert: &AlertRecord) -> Vec<(TopicId, Severity, Score)> {
    let payload: serde_json::Value = serde_json::from_str(alert.payload.get()).unwrap_or_default();
    let topics = payload["data"]["topics"].as_array().cloned().unwrap_or_default();
    let read = |topic: &serde_json::Value| {
        let severity = topic["severity"].as_str().and_then(Severity::from_name)?;
        let score = Score::from_f64(topic["score"].as_f64()?);
        Some((TopicId::new(topic["id"].as_str()?).ok()?, severity, score))
    };
    topics.iter().filter_map(read).collect()
}
