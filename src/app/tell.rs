//! Telling of a report while no daemon runs: the store is held for that long, and a
//! daemon that starts later sends what is owed.

use super::silences;
use crate::config::Config;
use crate::ingest::tell_waiting;
use crate::model::Timestamp;
use crate::pipeline::{Ledger, Rules};
use crate::store::{SilenceRecord, Store, StoreError};

/// Tells what people asked for, with the rules of a config.
///
/// # Errors
/// [`StoreError`] when the store fails.
pub fn tell_now(store: &Store, config: &Config, mut rules: Rules, now: Timestamp) -> Result<(), StoreError> {
    silences::date(&mut rules.alert.silences, config, store, now)?;
    let mut ledger = Ledger::new(config.daemon.instance.as_deref().unwrap_or(store.instance()), config.memory);
    ledger.silences = store.silences(now, false)?.iter().filter_map(SilenceRecord::matcher).collect();
    tell_waiting(store, &mut ledger, &rules, now)?;
    Ok(())
}
