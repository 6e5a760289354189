//! What a feed reader is told of stories beside their lines: the first words, who carries them and where, and when
//! anything about them changed.

use super::engine::{self, Connection, params};
use super::membership::IN_STORY;
use super::{Store, StoreError};
use crate::model::{ItemId, StoryId, Timestamp};
use crate::text::clean;

/// Reports that are named of a story.
const REPORTS_MAX: i64 = 20;
/// Characters of an excerpt.
const EXCERPT_CHARS: usize = 500;

/// What a feed entry is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoryReports {
    /// The beginning of the first text there is.
    pub excerpt: String,
    /// Its reports, oldest first.
    pub reports: Vec<StoryReport>,
    /// The last edit of any of them.
    pub edited_at: Option<Timestamp>,
    /// The last alert.
    pub alerted_at: Option<Timestamp>,
    /// Topics that it hits.
    pub topics: Vec<String>,
}

/// One report of a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryReport {
    /// The item.
    pub id: ItemId,
    /// Who carries it.
    pub outlet: String,
    /// Headline.
    pub title: String,
    /// Link.
    pub url: Option<String>,
    /// When it came.
    pub at: Timestamp,
    /// The beginning of its text.
    pub excerpt: String,
}

impl Store {
    /// What is told of a story in a feed; `newest` names the newest reports instead of the first.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn story_reports(&self, story: StoryId, newest: bool, most: usize) -> Result<StoryReports, StoreError> {
        self.read("read the reports of a story", |c| {
            let id = story.to_i64();
            let reports = reports(c, id, newest, (most as i64).min(if newest { i64::MAX } else { REPORTS_MAX }))?;
            let at = |sql: &str| -> engine::Result<Option<Timestamp>> {
                let found: Option<i64> = c.prepare_cached(sql)?.query_row([id], |row| row.get(0))?;
                Ok(found.map(Timestamp::from_millis))
            };
            Ok(StoryReports {
                excerpt: reports
                    .iter()
                    .map(|report| report.excerpt.clone())
                    .find(|text| !text.is_empty())
                    .unwrap_or_default(),
                edited_at: at(&format!(
                    "SELECT max(r.at) FROM items i JOIN revisions r ON r.item = i.id WHERE {IN_STORY}"
                ))?,
                alerted_at: at("SELECT max(at) FROM alerts WHERE story = ?1 AND silenced_by IS NULL")?,
                topics: c
                    .prepare_cached("SELECT topic FROM story_topics WHERE story = ?1 ORDER BY score DESC, topic")?
                    .query_map([id], |row| row.get(0))?
                    .collect::<Result<_, _>>()?,
                reports,
            })
        })
    }
}

fn reports(c: &Connection, story: i64, newest: bool, most: i64) -> engine::Result<Vec<StoryReport>> {
    let order = if newest { "DESC" } else { "ASC" };
    c.prepare_cached(&format!(
        "SELECT i.id, coalesce(i.outlet, i.source), i.headline, i.url, i.first_seen,
            CASE WHEN i.summary <> '' THEN i.summary ELSE coalesce(substr(t.body, 1, 2000), '') END
         FROM items i LEFT JOIN texts t ON t.seq = i.seq WHERE {IN_STORY} ORDER BY i.seq {order} LIMIT ?2"
    ))?
    .query_map(params![story, most], |row| {
        Ok(StoryReport {
            id: ItemId::from_i64(row.get(0)?),
            outlet: row.get(1)?,
            title: row.get(2)?,
            url: row.get(3)?,
            at: Timestamp::from_millis(row.get(4)?),
            excerpt: clean::excerpt(&row.get::<_, String>(5)?, EXCERPT_CHARS),
        })
    })?
    .collect()
}
