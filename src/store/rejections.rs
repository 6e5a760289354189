//! What was not taken, and what raised no alert by itself, with how often each happened and when last.

use serde::Serialize;

use super::engine::{self, Row, params};
use super::{Store, StoreError};
use crate::model::{RejectReason, Timestamp};

/// Things not taken, of one source and reason.
#[derive(Debug, Serialize)]
pub struct RejectionTotal {
    /// Source.
    pub source: String,
    /// Class.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// When last.
    pub last_at: Timestamp,
    /// The last one in words.
    pub detail: String,
}

impl Store {
    /// Everything that was not taken, most recent first; of one source, also what raised no alert by itself.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn rejections(&self, source: Option<&str>, limit: usize) -> Result<Vec<RejectionTotal>, StoreError> {
        let [comment, round_up] = RejectReason::WITHHELD.map(RejectReason::as_str);
        self.read("read rejections", |c| {
            c.prepare_cached(
                "SELECT * FROM rejections WHERE source = ?1 OR ?1 IS NULL AND reason NOT IN (?3, ?4)
                 ORDER BY last_at DESC LIMIT ?2",
            )?
            .query_map(params![source, limit as i64, comment, round_up], rejection_total)?
            .collect()
        })
    }

    /// What hit a topic and raised no alert by itself, over all sources: comments, and reports on many events at
    /// once. The source and the words are those of the latest.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn withheld(&self) -> Result<Vec<RejectionTotal>, StoreError> {
        let [comment, round_up] = RejectReason::WITHHELD.map(RejectReason::as_str);
        self.read("read what raised no alert", |c| {
            c.prepare_cached(
                "SELECT r.source, r.reason, total.count, r.last_at, r.detail
                 FROM (SELECT reason, CAST(sum(count) AS BIGINT) AS count FROM rejections WHERE reason IN (?1, ?2) GROUP BY reason)
                     AS total
                 JOIN rejections r ON r.reason = total.reason AND r.source = (
                     SELECT l.source FROM rejections l WHERE l.reason = total.reason ORDER BY l.last_at DESC, l.source LIMIT 1)
                 ORDER BY r.reason",
            )?
            .query_map(params![comment, round_up], rejection_total)?
            .collect()
        })
    }
}

fn rejection_total(row: &Row<'_>) -> engine::Result<RejectionTotal> {
    Ok(RejectionTotal {
        source: row.get("source")?,
        reason: row.get("reason")?,
        count: row.get::<_, i64>("count")?.cast_unsigned(),
        last_at: Timestamp::from_millis(row.get("last_at")?),
        detail: row.get("detail")?,
    })
}
