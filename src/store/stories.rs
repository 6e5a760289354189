//! Stories as people read them: the list, and the timeline of one with every item and copy in it.

use std::collections::HashSet;

use serde::Serialize;

use super::engine::{self, Connection, OptionalExtension, Row, params};
use crate::model::{ItemId, Phase, StoryId, Timestamp};
use crate::pipeline::consider::{Wording, shared_terms, shared_words};
use crate::pipeline::features::Features;

use super::corrections::{CorrectionRecord, of_story, resolve};
use super::membership::{IN_STORY, IN_STORY_S};
use super::{Store, StoreError};

/// Entries of a timeline that are read.
const TIMELINE_MAX: usize = 1000;
/// Items of a timeline whose shared words are looked up.
const WHY_MAX: usize = 200;
/// Hits of a topic of which each is looked at; tests have both ways with few.
const FEW_HITS: i64 = if cfg!(test) { 80 } else { 5000 };

/// Which stories a list holds.
#[derive(Debug, Clone, Default)]
pub struct StoryFilter {
    /// Only with an alert or match on this topic.
    pub topic: Option<String>,
    /// Only with something new at or after.
    pub since: Option<Timestamp>,
    /// Only carried by so many outlets or more.
    pub outlets_min: usize,
    /// Only those that somebody was told of, or nobody.
    pub told: Option<bool>,
    /// Only those whose latest came before this one's, by the list's order.
    pub before: Option<(Timestamp, StoryId)>,
    /// At most so many, latest first.
    pub limit: usize,
}

/// One line of `stories`.
#[derive(Debug, Serialize)]
pub struct StoryLine {
    /// Its id.
    pub id: StoryId,
    /// Headline of the item that opened it.
    pub title: String,
    /// When that was seen.
    pub first_seen: Timestamp,
    /// When the latest was seen.
    pub last_seen: Timestamp,
    /// Items.
    pub items: u64,
    /// Copies with the same link or text.
    pub sightings_exact: u64,
    /// Copies with nearly the same text.
    pub sightings_near: u64,
    /// Outlets, first one first.
    pub outlets: Vec<String>,
    /// How it stands.
    pub phase: Phase,
    /// Topics somebody was told of.
    pub alerted: Vec<String>,
}

/// One story with everything in it.
#[derive(Debug, Serialize)]
pub struct StoryRecord {
    /// The list's fields.
    #[serde(flatten)]
    pub line: StoryLine,
    /// The id that was asked for, when it went up in this story.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_from: Option<StoryId>,
    /// What people said about it, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<CorrectionRecord>,
    /// Items, copies and alerts in order of time.
    pub timeline: Vec<StoryEvent>,
}

/// One entry of a timeline.
#[derive(Debug, Serialize)]
pub struct StoryEvent {
    /// When.
    pub at: Timestamp,
    /// `opened`, `joined`, `exact copy`, `near copy` or `alert`.
    pub what: String,
    /// The item, or the item a copy is of.
    pub item: ItemId,
    /// Source, or the alert's topic and reason.
    pub by: String,
    /// Headline.
    pub title: String,
    /// Link.
    pub url: Option<String>,
    /// Outlets that carried the story by then.
    pub outlets: usize,
    /// The story that the item opened, where that went up in this one since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub came_with: Option<StoryId>,
    /// Why an item is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
}

/// What an item was nearest to when it came.
#[derive(Debug, Serialize)]
pub struct Why {
    /// That item.
    pub nearest: ItemId,
    /// Log-odds of belonging to its story; `None`: the text is the same.
    pub score: Option<f64>,
    /// Telling words that both have, as the item writes them.
    pub shared: Vec<String>,
}

impl Store {
    /// Stories, latest first.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn stories(&self, filter: &StoryFilter) -> Result<Vec<StoryLine>, StoreError> {
        self.read("list stories", |c| {
            let told = "EXISTS (SELECT 1 FROM story_told t WHERE t.story = s.id)";
            let told = match filter.told {
                Some(true) => told.to_owned(),
                Some(false) => format!("NOT {told}"),
                None => "TRUE".to_owned(),
            };
            // Where few items hit the topic, it begins with their stories; else a look from the latest story on finds some soon.
            let (first, topic) = match &filter.topic {
                Some(topic) if hits_few(c, topic)? => (
                    "(SELECT DISTINCT i.story AS story FROM matches m CROSS JOIN items i ON i.id = m.item
                      WHERE m.topic = ?2) hit CROSS JOIN stories s ON s.id = hit.story",
                    "TRUE".to_owned(),
                ),
                _ => (
                    "stories s",
                    format!(
                        "(?2 IS NULL OR EXISTS (SELECT 1 FROM items i CROSS JOIN matches m ON m.item = i.id
                          WHERE {IN_STORY_S} AND m.topic = ?2))"
                    ),
                ),
            };
            c.prepare_cached(&format!(
                "SELECT s.* FROM {first}
                 WHERE merged_into IS NULL AND last_seen >= ?1 AND last_seen <= ?5
                   AND (last_seen < ?5 OR s.id > ?6) AND {told} AND {topic}
                   AND (?3 < 2 OR CASE WHEN s.outlet IS NULL THEN 0 ELSE 1 END
                        + (SELECT count(*) FROM story_sources x WHERE x.story = s.id) >= ?3)
                 ORDER BY last_seen DESC, s.id LIMIT ?4"
            ))?
            .query_map(
                params![
                    filter.since.map_or(i64::MIN, Timestamp::millis),
                    filter.topic,
                    filter.outlets_min as i64,
                    filter.limit as i64,
                    filter.before.map_or(i64::MAX, |(at, _)| at.millis()),
                    filter.before.map_or(-1, |(_, id)| id.to_i64())
                ],
                |row| line(c, row),
            )?
            .collect()
        })
    }

    /// One story; an id that went up in another leads there.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn story(&self, id: StoryId) -> Result<Option<StoryRecord>, StoreError> {
        self.read("read a story", |c| {
            let at = resolve(c, id.to_i64())?;
            let found = c
                .prepare_cached("SELECT * FROM stories WHERE id = ?1")?
                .query_row([at], |row| line(c, row))
                .optional()?;
            let Some(line) = found else { return Ok(None) };
            let merged_from = (line.id != id).then_some(id);
            let corrections = of_story(c, at)?;
            Ok(Some(StoryRecord { timeline: timeline(c, at)?, corrections, merged_from, line }))
        })
    }
}

/// Whether a topic was hit so seldom that all its stories can be looked at.
fn hits_few(c: &Connection, topic: &str) -> engine::Result<bool> {
    let hits: i64 = c
        .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM matches WHERE topic = ?1 LIMIT ?2) AS found")?
        .query_row(params![topic, FEW_HITS + 1], |row| row.get(0))?;
    Ok(hits <= FEW_HITS)
}

fn line(c: &Connection, row: &Row<'_>) -> engine::Result<StoryLine> {
    let id: i64 = row.get("id")?;
    let names = |sql: &str| -> engine::Result<Vec<String>> {
        c.prepare_cached(sql)?.query_map([id], |row| row.get(0))?.collect()
    };
    let outlets = names("SELECT source FROM story_outlets WHERE story = ?1 ORDER BY position")?;
    let alerted = names(
        "SELECT DISTINCT topic.value FROM story_told t, json_each(t.topics) AS topic WHERE t.story = ?1 ORDER BY 1",
    )?;
    let count = |name: &str| row.get::<_, i64>(name).map(i64::cast_unsigned);
    Ok(StoryLine {
        id: StoryId::from_i64(id),
        title: row.get("title")?,
        first_seen: Timestamp::from_millis(row.get("first_seen")?),
        last_seen: Timestamp::from_millis(row.get("last_seen")?),
        items: count("items")?,
        sightings_exact: count("sightings_exact")?,
        sightings_near: count("sightings_near")?,
        phase: Phase::of_outlets(outlets.len()),
        outlets,
        alerted,
    })
}

fn timeline(c: &Connection, story: i64) -> engine::Result<Vec<StoryEvent>> {
    let mut statement = c.prepare_cached(&format!(
        "SELECT at, what, item, by, title, url, outlet, nearest, nearest_milli FROM (
            SELECT i.first_seen AS at, i.seq AS seq,
                CASE WHEN i.seq = (SELECT min(i.seq) FROM items i WHERE {IN_STORY}) THEN 'opened' ELSE 'joined' END AS what,
                i.id AS item, i.source AS by, i.headline AS title, i.url AS url, i.outlet AS outlet,
                i.nearest AS nearest, i.nearest_milli AS nearest_milli FROM items i WHERE {IN_STORY}
            UNION ALL
            SELECT s.seen_at, s.seq, s.level || ' copy', s.item, s.source, s.title, s.url, s.outlet, NULL, NULL
                FROM sightings s JOIN items i ON i.id = s.item WHERE {IN_STORY} AND s.level <> 'item'
            UNION ALL
            SELECT a.at, 9000000000000000000, 'alert', a.item, coalesce((SELECT string_agg(topic, ', ') FROM
                (SELECT topic FROM alert_topics t WHERE t.alert = a.sequence ORDER BY score DESC, topic) AS named) || ' ', '') || a.reason, a.id, NULL, NULL, NULL, NULL
                FROM alerts a WHERE a.story = ?1
         ) AS events ORDER BY at, seq LIMIT ?2"
    ))?;
    let mut rows = statement.query(params![story, TIMELINE_MAX as i64])?;
    let mut outlets: HashSet<String> = HashSet::new();
    let (mut events, mut explained) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        outlets.extend(row.get::<_, Option<String>>(6)?);
        let item = ItemId::from_i64(row.get(2)?);
        let nearest: Option<i64> = row.get(7)?;
        let why = match nearest.filter(|_| explained < WHY_MAX) {
            None => None,
            Some(nearest) => {
                explained += 1;
                let score = row.get::<_, Option<i64>>(8)?.map(|milli| milli as f64 / 1000.0);
                let nearest = ItemId::from_i64(nearest);
                Some(Why { nearest, score, shared: shared(c, item, nearest)? })
            }
        };
        let what: String = row.get(1)?;
        let came_with = if what == "joined" { merged_with(c, item)? } else { None };
        events.push(StoryEvent {
            at: Timestamp::from_millis(row.get(0)?),
            what,
            came_with,
            item,
            by: row.get(3)?,
            title: row.get(4)?,
            url: row.get(5)?,
            outlets: outlets.len(),
            why,
        });
    }
    Ok(events)
}

/// The story that an item opened, where it is no story of its own any more.
fn merged_with(c: &Connection, item: ItemId) -> engine::Result<Option<StoryId>> {
    let opened = StoryId::opened_by(item);
    let gone = c
        .prepare_cached("SELECT 1 FROM stories WHERE id = ?1 AND merged_into IS NOT NULL")?
        .exists([opened.to_i64()])?;
    Ok(gone.then_some(opened))
}

/// The telling words that two items share; none where one of them is gone.
fn shared(c: &Connection, item: ItemId, nearest: ItemId) -> engine::Result<Vec<String>> {
    let read = |id: ItemId| {
        c.prepare_cached(
            "SELECT i.features, i.title, t.body FROM items i LEFT JOIN texts t ON t.seq = i.seq WHERE i.id = ?1",
        )?
        .query_row([id.to_i64()], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?))
        })
        .optional()
    };
    let (Some(ours), Some(theirs)) = (read(item)?, read(nearest)?) else { return Ok(Vec::new()) };
    let features = |bytes: &[u8]| Features::from_bytes(bytes).unwrap_or_default();
    let terms = shared_terms(&features(&ours.0), &features(&theirs.0));
    let text = ours.2.unwrap_or_default();
    Ok(shared_words(Wording { title: &ours.1, text: &text }, &terms))
}
