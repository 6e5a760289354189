//! Silences of both kinds together, those of the config and those given by hand: when each ends, and what it held
//! back. One that does not say when it ends does so seven days after it began; for one of the config without
//! `starts`, that is when a daemon first read it.

use serde::Serialize;

use crate::config::{Config, SilenceConfig};
use crate::model::Timestamp;
use crate::pipeline::alert::{SILENCE_LASTS, Silence};
use crate::store::{SilenceRecord, Store, StoreError};

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

/// Gives the config's silences that say no end theirs, counted from when they were first read.
///
/// # Errors
/// [`StoreError`] when that cannot be noted.
pub(super) fn date(rules: &mut [Silence], config: &Config, store: &Store, now: Timestamp) -> Result<(), StoreError> {
    let undated = config.silences.iter().filter(|silence| silence.is_undated());
    let undated: Vec<(String, String)> = undated.map(|silence| (silence.id.clone(), silence.matchers())).collect();
    store.note_config_silences(&undated, now)?;
    let since = store.config_silences()?;
    for silence in rules {
        if let Some((_, _, since)) = since.iter().find(|(id, _, _)| *id == silence.id) {
            silence.ends = Some(since.plus(SILENCE_LASTS));
        }
    }
    Ok(())
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
