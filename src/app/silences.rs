//! Silences of the config that do not say when they end: seven days after a daemon first read them.

use crate::config::Config;
use crate::model::Timestamp;
use crate::pipeline::alert::{SILENCE_LASTS, Silence};
use crate::store::{Store, StoreError};

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
