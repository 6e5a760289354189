//! Silences of both kinds together, those of the config and those given by hand: when each ends, and what it held
//! back. One that does not say when it ends does so seven days after it began; for one of the config without
//! `starts`, that is when a daemon first read it.

use serde::Serialize;

use crate::config::{Config, SilenceConfig};
use crate::model::{SourceId, Timestamp, TopicId};
use crate::pipeline::alert::{Loud, SILENCE_LASTS, Silence};
use crate::store::{PastAlert, SilenceRecord, Store, StoreError};

/// Alerts that are listed of a silence or a preview; all are counted.
const LISTED_MAX: usize = 50;
/// Alerts that a preview looks at.
const LOOKED_AT_MAX: usize = 100_000;

/// A silence, and the alerts that it kept from people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SilenceTally {
    /// The silence.
    #[serde(flatten)]
    pub silence: SilenceRecord,
    /// It holds now.
    pub active: bool,
    /// Alerts that it held back and that are still stored.
    pub held_back: u64,
    /// When it did so last.
    pub last_held_back_at: Option<Timestamp>,
}

/// Every silence that holds or will hold, those of the config first; with `all` those that have ended as well.
///
/// # Errors
/// [`StoreError`] when a table cannot be read.
pub fn silences(config: &Config, store: &Store, now: Timestamp, all: bool) -> Result<Vec<SilenceTally>, StoreError> {
    let since = store.config_silences()?;
    let of_config = config.silences.iter().map(|silence| {
        let known = since.iter().find(|(id, matchers, _)| *id == silence.id && *matchers == silence.matchers());
        record(silence, known.map_or(now, |(_, _, since)| *since))
    });
    let mut records: Vec<SilenceRecord> =
        of_config.filter(|silence| all || silence.ends.is_none_or(|ends| ends > now)).collect();
    records.extend(store.silences(now, all)?);
    let held = store.held_back()?;
    let tally = |silence: SilenceRecord| {
        let held = held.get(&silence.id);
        SilenceTally {
            active: silence.starts <= now && silence.ends.is_none_or(|ends| now < ends),
            held_back: held.map_or(0, |held| held.alerts),
            last_held_back_at: held.map(|held| held.last_at),
            silence,
        }
    };
    Ok(records.into_iter().map(tally).collect())
}

/// Those that hold now.
///
/// # Errors
/// As for [`silences`].
pub fn active_silences(config: &Config, store: &Store, now: Timestamp) -> Result<Vec<SilenceTally>, StoreError> {
    let mut found = silences(config, store, now, false)?;
    found.retain(|silence| silence.active);
    Ok(found)
}

fn record(silence: &SilenceConfig, since: Timestamp) -> SilenceRecord {
    let undated = silence.is_undated();
    SilenceRecord {
        id: silence.id.clone(),
        topics: silence.topics.iter().map(|t| t.as_str().to_owned()).collect(),
        sources: silence.sources.iter().map(|s| s.as_str().to_owned()).collect(),
        story: silence.story,
        text: silence.text.clone(),
        starts: silence.starts.unwrap_or(if undated { since } else { Timestamp::default() }),
        ends: if undated { Some(since.plus(SILENCE_LASTS)) } else { silence.ends },
        author: silence.author.clone().unwrap_or_else(|| "the config".to_owned()),
        comment: silence.comment.clone().unwrap_or_default(),
    }
}

/// One, with what it held back.
#[derive(Debug, Serialize)]
pub struct SilenceShown {
    /// The silence.
    #[serde(flatten)]
    pub tally: SilenceTally,
    /// The newest of them.
    pub alerts: Vec<PastAlert>,
}

impl SilenceShown {
    /// One by its id, ended ones included.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn find(id: &str, config: &Config, store: &Store, now: Timestamp) -> Result<Option<Self>, StoreError> {
        let found = silences(config, store, now, true)?.into_iter().find(|tally| tally.silence.id == id);
        let Some(tally) = found else { return Ok(None) };
        let alerts = store.past_alerts(Timestamp::default(), Some(id), LISTED_MAX)?;
        Ok(Some(Self { tally, alerts }))
    }
}

/// What a silence would have done.
#[derive(Debug, Serialize)]
pub struct SilencePreview {
    /// Since then.
    pub since: Timestamp,
    /// Alerts raised.
    pub alerts: usize,
    /// Those among them that it would have held back.
    pub held_back: usize,
    /// The newest of these.
    pub newest: Vec<PastAlert>,
}

impl SilencePreview {
    /// Looks at the alerts of the last seven days.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn of(silence: &SilenceRecord, store: &Store, now: Timestamp) -> Result<Self, StoreError> {
        let since = now.minus(SILENCE_LASTS);
        let mut alerts = store.past_alerts(since, None, LOOKED_AT_MAX)?;
        let all = alerts.len();
        let matcher = silence.matcher().map(|matcher| Silence { starts: None, ends: None, ..matcher });
        alerts.retain(|alert| matcher.as_ref().is_some_and(|matcher| covers(matcher, alert, now)));
        let held_back = alerts.len();
        alerts.truncate(LISTED_MAX);
        Ok(Self { since, alerts: all, held_back, newest: alerts })
    }
}

/// As the decision does: an alert is kept back where all its topics are. Stored alerts name the story that stands.
fn covers(silence: &Silence, alert: &PastAlert, now: Timestamp) -> bool {
    let (Ok(source), Some(story)) = (SourceId::new(&alert.source), alert.story) else { return false };
    let title = alert.title.as_str();
    !alert.topics.is_empty()
        && alert.topics.iter().all(|topic| {
            let topic = TopicId::new(topic);
            topic.is_ok_and(|topic| {
                silence.covers(&Loud { topic: &topic, source: &source, story, title }, |story| story, now)
            })
        })
}
