//! Answers to pushes that had a key: written in the transaction of what they tell of, and read when the same push comes
//! again because its sender never heard.

use std::time::Duration;

use super::engine::{self, OptionalExtension, Transaction, params};
use super::{Store, StoreError};
use crate::model::{PushRecord, SourceId, Timestamp};

/// So long a repeat is known by its key; after that by its items alone.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// What was answered under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPush {
    /// Of the body that was answered.
    pub body_hash: Vec<u8>,
    /// The answer, as JSON.
    pub answer: String,
}

/// Keeps the answer; those that are older than a day go.
pub(super) fn write_push(tx: &Transaction<'_>, push: &PushRecord, now: Timestamp) -> engine::Result<()> {
    let Some(answer) = push.answer.get().filter(|_| push.key.is_some() || push.inbox.is_some()) else { return Ok(()) };
    let answer = serde_json::to_string(answer).expect("invariant: counts, names and text are JSON");
    #[cfg(feature = "postgres")]
    if let Some(row) = push.inbox {
        super::inbox::answer(tx, row, &answer)?;
    }
    let Some(key) = &push.key else { return Ok(()) };
    tx.prepare_cached("DELETE FROM pushes WHERE at < ?1")?.execute([now.minus(KEPT).millis()])?;
    tx.prepare_cached(
        "INSERT INTO pushes (source, key, body_hash, at, answer) VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT (source, key) DO UPDATE SET body_hash = excluded.body_hash, at = excluded.at, answer =
        excluded.answer",
    )?
    .execute(params![push.source.as_str(), key, push.body_hash.to_bytes(), now.millis(), answer])
    .map(|_| ())
}

impl Store {
    /// What was answered to a push under this key in the last day.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn answered_push(
        &self,
        source: &SourceId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<StoredPush>, StoreError> {
        let since = now.minus(KEPT).millis();
        self.read("look up a push", |c| {
            c.prepare_cached("SELECT body_hash, answer FROM pushes WHERE source = ?1 AND key = ?2 AND at >= ?3")?
                .query_row(params![source.as_str(), key, since], |row| {
                    Ok(StoredPush { body_hash: row.get(0)?, answer: row.get(1)? })
                })
                .optional()
        })
    }
}
