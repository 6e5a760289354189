//! The processes that share a store, and which of them decides.

use serde::Serialize;

use super::{Store, StoreError};
use crate::model::Timestamp;

/// A process that has a name, and is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeRecord {
    /// Its name.
    pub name: String,
    /// Whether it decides; the others stand by.
    pub decides: bool,
    /// Its version.
    pub version: String,
    /// Whether it decides by the rules of the one that does.
    pub same_rules: bool,
    /// Lines of what happened that its memory has not heard of.
    pub behind: u64,
    /// When it came.
    pub started_at: Timestamp,
    /// How long ago it said that it is there, in milliseconds of the server's clock.
    pub silent_ms: u64,
}

/// Whoever has been silent for longer is not there.
pub const NODE_SILENT_MS_MAX: u64 = 15_000;

/// Who has been silent for a day is forgotten.
const NODES: &str = "SELECT n.name, n.version, n.change_seen, n.started_at, t.now - n.seen_at AS silent,
        CASE WHEN l.node = n.name AND l.until_at > t.now THEN 1 ELSE 0 END AS decides,
        CASE WHEN l.rules = n.rules THEN 1 ELSE 0 END AS same_rules,
        (SELECT coalesce(max(seq), 0) FROM changes) AS newest
     FROM nodes n JOIN (SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS now) AS t ON 1 = 1
     LEFT JOIN lease l ON l.only_row = 1
     WHERE n.seen_at > t.now - 86400000 ORDER BY n.name";

impl Store {
    /// Every process that has a name, by its name; none where the store is a file.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        if self.is_file() {
            return Ok(Vec::new());
        }
        self.read("read who shares the store", |c| {
            let mut statement = c.prepare_cached(NODES)?;
            let nodes = statement.query_map([], |row| {
                let number = |name: &str| row.get::<_, i64>(name).map(|number| number.max(0).cast_unsigned());
                Ok(NodeRecord {
                    name: row.get("name")?,
                    decides: row.get("decides")?,
                    version: row.get("version")?,
                    same_rules: row.get("same_rules")?,
                    behind: number("newest")?.saturating_sub(number("change_seen")?),
                    started_at: Timestamp::from_millis(row.get("started_at")?),
                    silent_ms: number("silent")?,
                })
            })?;
            nodes.collect()
        })
    }
}
