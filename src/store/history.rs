//! What was taken, in order of arrival, page by page: for rules asked again about the past. Texts come
//! as they were normalised when they were taken, so nobody has to do that twice.

use rusqlite::{Row, params};

use super::{Store, StoreError};
use crate::model::{ItemId, Lang, SourceId, StoryId, Timestamp, TopicId};

/// Items in one page.
pub const PAGE_ITEMS: usize = 256;

/// One item as it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastItem {
    /// Its place in the order of arrival.
    pub seq: i64,
    /// Its id.
    pub id: ItemId,
    /// Its source.
    pub source: SourceId,
    /// Headline; empty where it has none.
    pub title: String,
    /// What stands for the headline.
    pub headline: String,
    /// The text; empty where retention removed it.
    pub text: String,
    /// Canonical link.
    pub url: Option<String>,
    /// Categories and keywords.
    pub tags: Vec<String>,
    /// Language.
    pub lang: Option<Lang>,
    /// When it was seen.
    pub first_seen: Timestamp,
    /// Its story as of today.
    pub story: StoryId,
    /// Part of a first-poll baseline.
    pub quiet: bool,
    /// The topics it hit under the rules of that time.
    pub topics: Vec<TopicId>,
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
        self.read("read the history", |c| {
            c.prepare_cached(
                "SELECT i.seq, i.id, i.source, i.title, i.headline, t.body, i.url, i.tags, i.lang, i.first_seen, i.story,
                    i.quiet, (SELECT group_concat(m.topic, char(10)) FROM matches m WHERE m.item = i.id) AS topics
                 FROM items i LEFT JOIN texts t ON t.seq = i.seq
                 WHERE i.seq > ?1 AND i.first_seen >= ?2 ORDER BY i.seq LIMIT ?3",
            )?
            .query_map(params![behind, since.millis(), PAGE_ITEMS as i64], past_item)?
            .collect()
        })
    }

    /// The same, newest first: the page before a place in the order of arrival.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn history_newest(&self, since: Timestamp, ahead: i64) -> Result<Vec<PastItem>, StoreError> {
        self.read("read the history", |c| {
            c.prepare_cached(
                "SELECT i.seq, i.id, i.source, i.title, i.headline, t.body, i.url, i.tags, i.lang, i.first_seen, i.story,
                    i.quiet, (SELECT group_concat(m.topic, char(10)) FROM matches m WHERE m.item = i.id) AS topics
                 FROM items i LEFT JOIN texts t ON t.seq = i.seq
                 WHERE i.seq < ?1 AND i.first_seen >= ?2 ORDER BY i.seq DESC LIMIT ?3",
            )?
            .query_map(params![ahead, since.millis(), PAGE_ITEMS as i64], past_item)?
            .collect()
        })
    }
}

fn past_item(row: &Row<'_>) -> rusqlite::Result<PastItem> {
    let source: String = row.get("source")?;
    let topics: Option<String> = row.get("topics")?;
    let tags: Option<String> = row.get("tags")?;
    Ok(PastItem {
        seq: row.get("seq")?,
        id: ItemId::from_i64(row.get("id")?),
        // A name from before the rules for names: it matches no `source:` then.
        source: SourceId::new(&source).or_else(|_| SourceId::new("unknown")).expect("invariant: a valid name"),
        title: row.get("title")?,
        headline: row.get("headline")?,
        text: row.get::<_, Option<String>>("body")?.unwrap_or_default(),
        url: row.get("url")?,
        tags: tags.and_then(|tags| serde_json::from_str(&tags).ok()).unwrap_or_default(),
        lang: row.get::<_, Option<String>>("lang")?.and_then(|lang| Lang::from_tag(&lang)),
        first_seen: Timestamp::from_millis(row.get("first_seen")?),
        story: StoryId::from_i64(row.get("story")?),
        quiet: row.get("quiet")?,
        topics: topics.iter().flat_map(|topics| topics.lines()).filter_map(|topic| TopicId::new(topic).ok()).collect(),
    })
}
