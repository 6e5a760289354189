//! Reads for people and scripts: lists and single records as they are printed by the read commands.
//! Every list is bounded; nothing here writes.

use serde::Serialize;
use serde_json::value::RawValue;

use super::engine::{self, Connection, OptionalExtension, Row, params};
use crate::model::{ItemId, Score, Severity, StoryId, Timestamp};
use crate::text::changes::{ChangePiece, changes};

use super::conditions::{first_since, severities};
use super::{Store, StoreError};

/// Edits of an item that are shown: the latest.
const REVISIONS_MAX: usize = 20;

/// Which items a list holds.
#[derive(Debug, Clone, Default)]
pub struct ItemFilter {
    /// Only of this source.
    pub source: Option<String>,
    /// Only with a match on this topic.
    pub topic: Option<String>,
    /// Only with a match of this severity or above.
    pub severity_min: Option<Severity>,
    /// Only first seen at or after.
    pub since: Option<Timestamp>,
    /// Which part of it.
    pub part: ListPart,
    /// At most so many.
    pub limit: usize,
}

/// Which part of a list in the order of arrival.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ListPart {
    /// The newest, newest first.
    #[default]
    Newest,
    /// What came before this number, newest first.
    Before(i64),
    /// What came after this number, oldest first.
    After(i64),
}

impl ListPart {
    /// The numbers it lies between, and the order.
    pub(super) fn bounds(self) -> (i64, i64, &'static str) {
        match self {
            Self::Newest => (0, i64::MAX, "DESC"),
            Self::Before(number) => (0, number.saturating_sub(1), "DESC"),
            Self::After(number) => (number.saturating_add(1), i64::MAX, "ASC"),
        }
    }
}

/// One line of `items`.
#[derive(Debug, Serialize)]
pub struct ItemLine {
    /// Its number in the order of arrival, for reading on.
    #[serde(skip)]
    pub seq: i64,
    /// Its id.
    pub id: ItemId,
    /// Its source.
    pub source: String,
    /// Who carries it; `None` where nothing says so.
    pub outlet: Option<String>,
    /// Headline.
    pub title: String,
    /// Canonical link.
    pub url: Option<String>,
    /// When it says it was published.
    pub published: Option<Timestamp>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// Language.
    pub lang: Option<String>,
    /// Its story.
    pub story: StoryId,
    /// Topics it hits, with scores.
    pub topics: Vec<TopicScore>,
    /// Further appearances.
    pub sightings: u64,
}

/// A topic and its score.
#[derive(Debug, Serialize)]
pub struct TopicScore {
    /// The topic.
    pub topic: String,
    /// Its score.
    pub score: Score,
}

/// Everything about one item.
#[derive(Debug, Serialize)]
pub struct ItemRecord {
    /// The list's fields.
    #[serde(flatten)]
    pub line: ItemLine,
    /// Identity within the source.
    pub key: String,
    /// Headline as stored; empty where the item has none.
    #[serde(skip)]
    pub title: String,
    /// Publisher's name.
    pub publisher: Option<String>,
    /// Headline as it came, where the source took something off it: the subject of an e-mail.
    pub title_original: Option<String>,
    /// The link as it came.
    pub url_original: Option<String>,
    /// Byline.
    pub author: Option<String>,
    /// How the date was found.
    pub published_certainty: Option<String>,
    /// When it says it was changed.
    pub updated: Option<Timestamp>,
    /// How often it was edited.
    pub revision: u32,
    /// Publisher's summary.
    pub summary: String,
    /// The text.
    pub text: String,
    /// Where the text came from.
    pub text_source: String,
    /// Part of a first-poll baseline: never alerted on.
    pub quiet: bool,
    /// Its matches with evidence.
    pub matches: Vec<MatchRecord>,
    /// Its further appearances.
    pub appearances: Vec<SightingRecord>,
    /// How it was edited, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<RevisionRecord>,
}

/// One edit of an item.
#[derive(Debug, Serialize)]
pub struct RevisionRecord {
    /// Counted from 1.
    pub revision: u32,
    /// When it was seen.
    pub at: Timestamp,
    /// What changed in the headline.
    pub title: Vec<ChangePiece>,
    /// What changed in the text.
    pub text: Vec<ChangePiece>,
}

/// A match as stored.
#[derive(Debug, Serialize)]
pub struct MatchRecord {
    /// The topic.
    pub topic: String,
    /// The sum.
    pub score: Score,
    /// What it had to reach.
    pub threshold: Score,
    /// Severity of this score.
    pub severity: String,
    /// Rules that hit.
    pub evidence: Box<RawValue>,
}

/// A further appearance of an item.
#[derive(Debug, Serialize)]
pub struct SightingRecord {
    /// Where.
    pub source: String,
    /// Who carries it there.
    pub outlet: Option<String>,
    /// Its headline there.
    pub title: String,
    /// Its link there.
    pub url: Option<String>,
    /// `exact` or `near`.
    pub level: String,
    /// Share of text in common, 0 to 1.
    pub overlap: f64,
    /// When.
    pub seen_at: Timestamp,
}

/// Which alerts to list; newest first.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    /// Only of this topic.
    pub topic: Option<String>,
    /// Only of this severity or above.
    pub severity_min: Option<Severity>,
    /// Only raised at this time or later.
    pub since: Option<Timestamp>,
    /// Only of this story.
    pub story: Option<StoryId>,
    /// Which part of it.
    pub part: ListPart,
    /// At most so many.
    pub limit: usize,
}

/// One alert.
#[derive(Debug, Serialize)]
pub struct AlertRecord {
    /// Strictly rising.
    pub sequence: u64,
    /// Its id, the `webhook-id` on the wire.
    pub id: String,
    /// Payload type.
    pub r#type: String,
    /// Topics, the best first; none for an alert about a source.
    pub topics: Vec<String>,
    /// The source it is about; `None` for an alert about an item.
    pub source: Option<String>,
    /// Why.
    pub reason: String,
    /// Severity.
    pub severity: String,
    /// That of its best topic.
    pub score: Score,
    /// Story.
    pub story: Option<StoryId>,
    /// Item that raised it.
    pub item: Option<ItemId>,
    /// Outlets at that moment.
    pub outlets: u64,
    /// When.
    pub at: Timestamp,
    /// The silence it fell under: nobody was told.
    pub silenced_by: Option<String>,
    /// Its payload, as sent.
    pub payload: Box<RawValue>,
}

impl Store {
    /// Items, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn items(&self, filter: &ItemFilter) -> Result<Vec<ItemLine>, StoreError> {
        self.read("list items", |c| {
            let (after, to, order) = filter.part.bounds();
            let from = match filter.since {
                Some(since) => first_since(c, since)?.unwrap_or(i64::MAX),
                None => 0,
            };
            let few = filter.topic.as_deref().map_or(Ok(false), |topic| hits_few(c, topic))?;
            // A rare topic is read from its hits, any other from the newest items on: neither looks at much
            // more than it shows.
            let hits = "EXISTS (SELECT 1 FROM matches m WHERE m.item = i.id AND m.topic = ?3)";
            let (tables, topic) = match &filter.topic {
                Some(_) if few => ("matches m CROSS JOIN items i ON i.id = m.item", "m.topic = ?3"),
                Some(_) => ("items i", hits),
                None => ("items i", "?3 IS NULL"),
            };
            let source = if filter.source.is_some() { "i.source = ?4" } else { "?4 IS NULL" };
            let mut statement = c.prepare_cached(&format!(
                "SELECT i.* FROM {tables} WHERE i.seq BETWEEN ?1 AND ?6 AND i.first_seen >= ?2 AND {topic} AND {source}
                   AND (?7 IS NULL OR EXISTS (SELECT 1 FROM matches m WHERE m.item = i.id
                        AND m.severity IN (SELECT value FROM json_each(?7))))
                 ORDER BY i.seq {order} LIMIT ?5"
            ))?;
            let since = filter.since.map_or(i64::MIN, Timestamp::millis);
            let severities = filter.severity_min.map(severities);
            let values =
                params![from.max(after), since, filter.topic, filter.source, filter.limit as i64, to, severities];
            statement.query_map(values, |row| item_line(c, row))?.collect()
        })
    }

    /// One item; a copy's id leads to the item it is a copy of.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn item(&self, id: ItemId) -> Result<Option<ItemRecord>, StoreError> {
        self.read("read an item", |c| {
            let find = |id: i64| {
                c.prepare_cached("SELECT i.*, t.body FROM items i LEFT JOIN texts t ON t.seq = i.seq WHERE i.id = ?1")?
                    .query_row([id], |row| item_record(c, row))
                    .optional()
            };
            if let Some(item) = find(id.to_i64())? {
                return Ok(Some(item));
            }
            let of: Option<i64> = c
                .prepare_cached("SELECT item FROM sightings WHERE id = ?1")?
                .query_row([id.to_i64()], |row| row.get(0))
                .optional()?;
            of.map_or(Ok(None), find)
        })
    }

    /// Whether an item was here and was removed when it was old: only its key remains.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn was_removed(&self, id: ItemId) -> Result<bool, StoreError> {
        self.read("look for what is left of an item", |c| {
            c.prepare_cached("SELECT 1 FROM tombstones WHERE id = ?1")?.exists([id.to_i64()])
        })
    }

    /// What an item is called.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn headline(&self, id: ItemId) -> Result<Option<String>, StoreError> {
        self.read("read a headline", |c| {
            c.prepare_cached("SELECT headline FROM items WHERE id = ?1")?
                .query_row([id.to_i64()], |row| row.get(0))
                .optional()
        })
    }

    /// Alerts, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertRecord>, StoreError> {
        self.read("list alerts", |c| {
            let (from, to, order) = filter.part.bounds();
            // An equality the planner can see: a story's alerts have an index.
            let story = if filter.story.is_some() { "story = ?6" } else { "?6 IS NULL" };
            c.prepare_cached(&format!(
                "SELECT * FROM alerts
                 WHERE sequence BETWEEN ?4 AND ?5 AND {story} AND (?1 IS NULL OR EXISTS (SELECT 1 FROM alert_topics t WHERE t.topic = ?1 AND t.alert = alerts.sequence))
                   AND (?2 IS NULL OR at >= ?2)
                   AND (?7 IS NULL OR severity IN (SELECT value FROM json_each(?7)))
                 ORDER BY sequence {order} LIMIT ?3"
            ))?
            .query_map(
                params![
                    filter.topic,
                    filter.since.map(Timestamp::millis),
                    filter.limit as i64,
                    from,
                    to,
                    filter.story.map(StoryId::to_i64),
                    filter.severity_min.map(severities)
                ],
                |row| alert_record(c, row),
            )?
            .collect()
        })
    }

    /// One alert by its id.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn alert(&self, id: &str) -> Result<Option<AlertRecord>, StoreError> {
        self.read("read an alert", |c| {
            // What people read names an alert by its number.
            let number = id.trim_start_matches('#').parse::<i64>().unwrap_or(-1);
            c.prepare_cached("SELECT * FROM alerts WHERE id = ?1 OR sequence = ?2")?
                .query_row(params![id, number], |row| alert_record(c, row))
                .optional()
        })
    }

    /// Ids of the alerts an item raised, each with the silence it fell under.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn alerts_of_item(&self, item: ItemId) -> Result<Vec<(String, Option<String>)>, StoreError> {
        self.read("read the alerts of an item", |c| {
            c.prepare_cached("SELECT id, silenced_by FROM alerts WHERE item = ?1 ORDER BY sequence LIMIT 100")?
                .query_map([item.to_i64()], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }
}

fn count(row: &Row<'_>, column: usize) -> engine::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn time(row: &Row<'_>, name: &str) -> engine::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(name).map(|t| t.map(Timestamp::from_millis))
}

/// Hits of a topic that are read and sorted rather than looked for among all items.
const HITS_FEW: i64 = 2000;

fn hits_few(c: &Connection, topic: &str) -> engine::Result<bool> {
    c.prepare_cached("SELECT count(*) FROM (SELECT 1 FROM matches WHERE topic = ?1 LIMIT ?2) AS hits")?
        .query_row(params![topic, HITS_FEW], |row| row.get::<_, i64>(0))
        .map(|count| count < HITS_FEW)
}

pub(super) fn item_line(c: &Connection, row: &Row<'_>) -> engine::Result<ItemLine> {
    let id: i64 = row.get("id")?;
    let topics = c
        .prepare_cached("SELECT topic, score FROM matches WHERE item = ?1 ORDER BY score DESC, topic")?
        .query_map([id], |row| Ok(TopicScore { topic: row.get(0)?, score: Score::from_hundredths(row.get(1)?) }))?
        .collect::<Result<_, _>>()?;
    let sightings = c
        .prepare_cached("SELECT count(*) FROM sightings WHERE item = ?1 AND level <> 'item'")?
        .query_row([id], |row| count(row, 0))?;
    Ok(ItemLine {
        seq: row.get("seq")?,
        id: ItemId::from_i64(id),
        source: row.get("source")?,
        outlet: row.get("outlet")?,
        title: row.get("headline")?,
        url: row.get("url")?,
        published: time(row, "published")?,
        first_seen: Timestamp::from_millis(row.get("first_seen")?),
        lang: row.get("lang")?,
        story: StoryId::from_i64(row.get("story")?),
        topics,
        sightings,
    })
}

fn item_record(c: &Connection, row: &Row<'_>) -> engine::Result<ItemRecord> {
    let line = item_line(c, row)?;
    let id = line.id.to_i64();
    let matches = c
        .prepare_cached("SELECT * FROM matches WHERE item = ?1 ORDER BY score DESC, topic")?
        .query_map([id], |row| {
            Ok(MatchRecord {
                topic: row.get("topic")?,
                score: Score::from_hundredths(row.get("score")?),
                threshold: Score::from_hundredths(row.get("threshold")?),
                severity: row.get("severity")?,
                evidence: raw_json(row.get("evidence")?),
            })
        })?
        .collect::<Result<_, _>>()?;
    let appearances = c
        .prepare_cached("SELECT * FROM sightings WHERE item = ?1 AND level <> 'item' ORDER BY seq LIMIT 1000")?
        .query_map([id], |row| {
            Ok(SightingRecord {
                source: row.get("source")?,
                outlet: row.get("outlet")?,
                title: row.get("title")?,
                url: row.get("url")?,
                level: row.get("level")?,
                overlap: row.get::<_, i64>("overlap")? as f64 / 1000.0,
                seen_at: Timestamp::from_millis(row.get("seen_at")?),
            })
        })?
        .collect::<Result<_, _>>()?;
    let title: String = row.get("title")?;
    let text: String = row.get::<_, Option<String>>("body")?.unwrap_or_default();
    Ok(ItemRecord {
        line,
        key: row.get("key")?,
        revisions: revisions(c, id, (&title, &text))?,
        publisher: row.get("publisher")?,
        title_original: row.get("title_original")?,
        url_original: row.get("url_original")?,
        author: row.get("author")?,
        published_certainty: row.get("published_certainty")?,
        updated: time(row, "updated")?,
        revision: row.get("revision")?,
        summary: row.get("summary")?,
        title,
        text,
        text_source: row.get("text_source")?,
        quiet: row.get("quiet")?,
        matches,
        appearances,
    })
}

/// Each version is kept until the next: an edit is the difference to the one after, or to what is there now.
fn revisions(c: &Connection, item: i64, now: (&str, &str)) -> engine::Result<Vec<RevisionRecord>> {
    let mut versions: Vec<(u32, Timestamp, String, String)> = c
        .prepare_cached(
            "SELECT revision, at, title, body FROM revisions WHERE item = ?1 ORDER BY revision DESC LIMIT ?2",
        )?
        .query_map(params![item, REVISIONS_MAX as i64], |row| {
            Ok((row.get(0)?, Timestamp::from_millis(row.get(1)?), row.get(2)?, row.get(3)?))
        })?
        .collect::<Result<_, _>>()?;
    versions.reverse();
    let after = |at: usize| versions.get(at + 1).map_or(now, |(_, _, title, body)| (title, body));
    let edits = versions.iter().enumerate().map(|(at, (revision, seen, title, body))| RevisionRecord {
        revision: *revision,
        at: *seen,
        title: changes(title, after(at).0),
        text: changes(body, after(at).1),
    });
    Ok(edits.collect())
}

fn alert_record(c: &Connection, row: &Row<'_>) -> engine::Result<AlertRecord> {
    let payload: Vec<u8> = row.get("payload")?;
    let topics = c
        .prepare_cached("SELECT topic FROM alert_topics WHERE alert = ?1 ORDER BY score DESC, topic")?
        .query_map([row.get::<_, i64>("sequence")?], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(AlertRecord {
        sequence: row.get::<_, i64>("sequence")?.cast_unsigned(),
        id: row.get("id")?,
        r#type: row.get("kind")?,
        topics,
        source: row.get("source")?,
        reason: row.get("reason")?,
        severity: row.get("severity")?,
        score: Score::from_hundredths(row.get("score")?),
        story: row.get::<_, Option<i64>>("story")?.map(StoryId::from_i64),
        item: row.get::<_, Option<i64>>("item")?.map(ItemId::from_i64),
        outlets: row.get::<_, i64>("outlets")?.cast_unsigned(),
        at: Timestamp::from_millis(row.get("at")?),
        silenced_by: row.get("silenced_by")?,
        payload: raw_json(String::from_utf8_lossy(&payload).into_owned()),
    })
}

/// Stored JSON passes through as it is; what is not JSON (a store changed by hand) shows as null.
fn raw_json(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
