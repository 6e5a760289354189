//! What was taken, in order of arrival, page by page: for rules asked again about the past. Texts come
//! as they were normalised when they were taken, so nobody has to do that twice.

use rusqlite::{Row, Statement, params};

use super::items::{stored_item, stored_match};
use super::{Store, StoreError};
use crate::model::{Item, Match, StoryId, Timestamp};
use crate::pipeline::features::Features;

/// Items in one page.
pub const PAGE_ITEMS: usize = 256;

/// One item as it was taken.
#[derive(Debug, Clone)]
pub struct PastItem {
    /// Its place in the order of arrival.
    pub seq: i64,
    /// The item; its text is empty where retention removed it.
    pub item: Item,
    /// What it is compared by, and what it says.
    pub features: Features,
    /// Its story as of today.
    pub story: StoryId,
    /// What it hit under the rules of that time, without the passages.
    pub matches: Vec<Match>,
}

impl Store {
    /// How many items were seen since a time.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn history_len(&self, since: Timestamp) -> Result<u64, StoreError> {
        self.read("count the history", |c| {
            c.query_row("SELECT count(*) FROM items WHERE first_seen >= ?1", [since.millis()], |row| {
                row.get::<_, i64>(0).map(i64::cast_unsigned)
            })
        })
    }

    /// The next page of items seen since a time, behind a place in the order of arrival (0: from the first).
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn history(&self, since: Timestamp, behind: i64) -> Result<Vec<PastItem>, StoreError> {
        self.page("i.seq > ?1", "i.seq", since, behind)
    }

    /// The same, newest first: the page before a place in the order of arrival.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn history_newest(&self, since: Timestamp, ahead: i64) -> Result<Vec<PastItem>, StoreError> {
        self.page("i.seq < ?1", "i.seq DESC", since, ahead)
    }

    fn page(
        &self,
        condition: &'static str,
        order: &'static str,
        since: Timestamp,
        from: i64,
    ) -> Result<Vec<PastItem>, StoreError> {
        self.read("read the history", |c| {
            let mut matches = c.prepare_cached(
                "SELECT topic, score, threshold, severity, '[]' FROM matches WHERE item = ?1 ORDER BY topic",
            )?;
            c.prepare_cached(&format!(
                "SELECT i.*, t.body FROM items i LEFT JOIN texts t ON t.seq = i.seq
                 WHERE {condition} AND i.first_seen >= ?2 ORDER BY {order} LIMIT ?3"
            ))?
            .query_map(params![from, since.millis(), PAGE_ITEMS as i64], |row| past_item(row, &mut matches))?
            .collect()
        })
    }
}

fn past_item(row: &Row<'_>, matches: &mut Statement<'_>) -> rusqlite::Result<PastItem> {
    let item = stored_item(row)?;
    let hit = matches.query_map([item.id.to_i64()], stored_match)?.filter_map(Result::transpose);
    Ok(PastItem {
        seq: row.get("seq")?,
        matches: hit.collect::<rusqlite::Result<_>>()?,
        item,
        features: Features::from_bytes(&row.get::<_, Vec<u8>>("features")?).unwrap_or_default(),
        story: StoryId::from_i64(row.get("story")?),
    })
}
