//! What was taken, in order of arrival, page by page: for rules asked again about the past. Texts come
//! as they were normalised when they were taken, so nobody has to do that twice.

use super::engine::{self, Row, Statement, params};
use super::items::{stored_item, stored_match};
use super::{Store, StoreError};
use crate::model::{Item, ItemId, Match, Outlet, SourceId, StoryId, Timestamp};
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
    /// Where its text appeared again, in order of arrival.
    pub copies: Vec<PastCopy>,
}

/// A further appearance of an item's text. Its own text is not kept: it was nearly the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastCopy {
    /// Its id.
    pub id: ItemId,
    /// What brought it.
    pub source: SourceId,
    /// Who carries it.
    pub outlet: Option<Outlet>,
    /// Its headline.
    pub title: String,
    /// Its link.
    pub url: Option<String>,
    /// When it came.
    pub at: Timestamp,
}

impl PastCopy {
    /// The copy as an item, by what it is a copy of.
    #[must_use]
    pub fn of(&self, item: &Item) -> Item {
        let Self { id, source, outlet, title, url, at } = self.clone();
        Item { id, source, outlet, title, url, first_seen: at, ..item.clone() }
    }
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
            let mut copies = c.prepare_cached(
                "SELECT id, source, outlet, title, url, seen_at FROM sightings INDEXED BY sightings_item WHERE item = ?1
                 ORDER BY seq",
            )?;
            c.prepare_cached(&format!(
                "SELECT i.*, t.body FROM items i LEFT JOIN texts t ON t.seq = i.seq
                 WHERE {condition} AND i.first_seen >= ?2 ORDER BY {order} LIMIT ?3"
            ))?
            .query_map(params![from, since.millis(), PAGE_ITEMS as i64], |row| {
                past_item(row, &mut matches, &mut copies)
            })?
            .collect()
        })
    }
}

fn past_item(row: &Row<'_>, matches: &mut Statement<'_>, copies: &mut Statement<'_>) -> engine::Result<PastItem> {
    let item = stored_item(row)?;
    let hit = matches.query_map([item.id.to_i64()], stored_match)?.filter_map(Result::transpose);
    let copies = copies.query_map([item.id.to_i64()], past_copy)?.collect::<engine::Result<Vec<Option<_>>>>()?;
    Ok(PastItem {
        copies: copies.into_iter().flatten().collect(),
        seq: row.get("seq")?,
        matches: hit.collect::<engine::Result<_>>()?,
        item,
        features: Features::from_bytes(&row.get::<_, Vec<u8>>("features")?).unwrap_or_default(),
        story: StoryId::from_i64(row.get("story")?),
    })
}

/// `None` for a name that no source has.
fn past_copy(row: &Row<'_>) -> engine::Result<Option<PastCopy>> {
    let (source, outlet): (String, Option<String>) = (row.get("source")?, row.get("outlet")?);
    let Ok(source) = SourceId::new(&source) else { return Ok(None) };
    Ok(Some(PastCopy {
        id: ItemId::from_i64(row.get("id")?),
        source,
        outlet: outlet.map(|name| Outlet::from_stored(&name)),
        title: row.get("title")?,
        url: row.get("url")?,
        at: Timestamp::from_millis(row.get("seen_at")?),
    }))
}
