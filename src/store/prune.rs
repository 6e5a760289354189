//! Retention: what is older than its age goes, in small transactions so that nobody waits. An item
//! leaves its key behind, so that what comes back is not taken for new; what is undelivered stays.

use std::time::Duration;

use rusqlite::{Transaction, params};

use crate::model::Timestamp;

use super::{Store, StoreError};

/// Rows of one transaction.
const BATCH_ROWS: i64 = 200;
/// Free pages given back to the file system after a batch.
const VACUUM_PAGES: i64 = 500;

/// How long things are kept; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ages {
    /// Full texts, and earlier versions of edited items.
    pub texts: Option<Duration>,
    /// Items with their matches, copies and stories.
    pub items: Option<Duration>,
    /// Keys of items that are gone.
    pub keys: Option<Duration>,
    /// Deliveries that are settled, and their attempts.
    pub deliveries: Option<Duration>,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Pruned {
    /// Texts and earlier versions.
    pub texts: u64,
    /// Items; their keys are kept.
    pub items: u64,
    /// Keys.
    pub keys: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// There is more: call again.
    pub more: bool,
}

impl Store {
    /// Removes one small batch of each kind.
    ///
    /// # Errors
    /// [`StoreError`]; the batch that failed is wholly there.
    pub fn prune_batch(&self, ages: &Ages, now: Timestamp) -> Result<Pruned, StoreError> {
        let before = |age: Option<Duration>| age.map(|age| now.minus(age).millis());
        let mut pruned = Pruned::default();
        if let Some(before) = before(ages.deliveries) {
            pruned.deliveries = self.write("prune deliveries", |tx| deliveries(tx, before))?;
        }
        if let Some(before) = before(ages.texts) {
            pruned.texts = self.write("prune texts", |tx| texts(tx, before))?;
        }
        if let Some(before) = before(ages.items) {
            pruned.items = self.write("prune items", |tx| items(tx, before))?;
        }
        if let Some(before) = before(ages.keys) {
            pruned.keys = self.write("prune keys", |tx| {
                tx.prepare_cached(
                    "DELETE FROM tombstones WHERE id IN (SELECT id FROM tombstones WHERE at < ?1 ORDER BY at LIMIT ?2)",
                )?
                .execute(params![before, BATCH_ROWS])
                .map(|rows| rows as u64)
            })?;
        }
        let full = |rows: u64| rows >= BATCH_ROWS.unsigned_abs();
        pruned.more = full(pruned.texts) || full(pruned.items) || full(pruned.keys) || full(pruned.deliveries);
        if pruned.texts + pruned.items + pruned.keys + pruned.deliveries > 0 {
            self.give_back_pages()?;
        }
        Ok(pruned)
    }

    /// Shrinks the file by some of the pages that are free.
    fn give_back_pages(&self) -> Result<(), StoreError> {
        let connection = self.writer();
        let shrink = |c: &rusqlite::Connection| {
            let mut statement = c.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        };
        shrink(&connection).map_err(|error| StoreError::sql(self.path(), "give free pages back", error))
    }
}

/// Deliveries that are over, with their attempts; then alerts nobody has a delivery of, if their item is
/// gone as well: until then they are what was said about its story.
fn deliveries(tx: &Transaction<'_>, before: i64) -> rusqlite::Result<u64> {
    let ids: Vec<i64> = tx
        .prepare_cached(
            "SELECT id FROM deliveries WHERE settled_at < ?1 AND state IN ('delivered', 'cancelled') ORDER BY id LIMIT ?2",
        )?
        .query_map(params![before, BATCH_ROWS], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in &ids {
        tx.prepare_cached("DELETE FROM attempts WHERE delivery = ?1")?.execute([id])?;
        tx.prepare_cached("DELETE FROM deliveries WHERE id = ?1")?.execute([id])?;
    }
    Ok(ids.len() as u64)
}

fn texts(tx: &Transaction<'_>, before: i64) -> rusqlite::Result<u64> {
    // Arrival order is time order, but for a clock that was set back: the first row that is too young ends it.
    let rows = tx
        .prepare_cached(
            "DELETE FROM texts WHERE seq IN (
                 SELECT t.seq FROM texts t JOIN items i ON i.seq = t.seq WHERE i.first_seen < ?1 ORDER BY t.seq LIMIT ?2)",
        )?
        .execute(params![before, BATCH_ROWS])?;
    let versions = tx
        .prepare_cached(
            "DELETE FROM revisions WHERE (item, revision) IN (
                 SELECT item, revision FROM revisions WHERE at < ?1 LIMIT ?2)",
        )?
        .execute(params![before, BATCH_ROWS])?;
    Ok((rows + versions) as u64)
}

/// An item goes with its text, matches, copies and versions, unless an alert of it is still owed.
fn items(tx: &Transaction<'_>, before: i64) -> rusqlite::Result<u64> {
    let rows: Vec<(i64, i64, i64)> = tx
        .prepare_cached(
            "SELECT i.seq, i.id, i.story FROM items i WHERE i.first_seen < ?1
               AND NOT EXISTS (SELECT 1 FROM alerts a JOIN deliveries d ON d.alert = a.sequence
                               WHERE a.item = i.id AND d.state IN ('pending', 'parked'))
             ORDER BY i.first_seen LIMIT ?2",
        )?
        .query_map(params![before, BATCH_ROWS], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for &(seq, id, story) in &rows {
        for sql in [
            "INSERT OR IGNORE INTO tombstones (id, at) SELECT id, first_seen FROM items WHERE id = ?1",
            "INSERT OR IGNORE INTO tombstones (id, at) SELECT id, seen_at FROM sightings WHERE item = ?1",
            "DELETE FROM sightings WHERE item = ?1",
            "DELETE FROM matches WHERE item = ?1",
            "DELETE FROM revisions WHERE item = ?1",
            "DELETE FROM alerts WHERE item = ?1 AND NOT EXISTS
                 (SELECT 1 FROM deliveries d WHERE d.alert = alerts.sequence)",
            "DELETE FROM items WHERE id = ?1",
        ] {
            tx.prepare_cached(sql)?.execute([id])?;
        }
        tx.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([seq])?;
        forget_story(tx, story, before)?;
    }
    Ok(rows.len() as u64)
}

/// A story without items goes, with those that were merged into it.
fn forget_story(tx: &Transaction<'_>, story: i64, before: i64) -> rusqlite::Result<()> {
    let left: bool = tx
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM items WHERE story = ?1)
                 OR EXISTS (SELECT 1 FROM stories WHERE id = ?1 AND last_seen >= ?2)
                 OR EXISTS (SELECT 1 FROM alerts WHERE story = ?1)",
        )?
        .query_row([story, before], |row| row.get(0))?;
    if left {
        return Ok(());
    }
    for sql in [
        "DELETE FROM story_sources WHERE story IN (SELECT id FROM stories WHERE id = ?1 OR merged_into = ?1)",
        "DELETE FROM stories WHERE id = ?1 OR merged_into = ?1",
    ] {
        tx.prepare_cached(sql)?.execute([story])?;
    }
    Ok(())
}
