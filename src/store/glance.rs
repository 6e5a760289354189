//! What a page shows beside the lists: how a story grew and who else carries it, and tallies by hour and by day for
//! small charts. Every query starts from an index or from the newest rows, and looks at so many at most.

use std::collections::BTreeMap;

use serde::Serialize;

use super::engine::{self, Connection, params};
use super::membership::IN_STORY;
use super::{Store, StoreError};
use crate::model::{ItemId, Score, StoryId, Timestamp};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// Hours of a tally.
const HOURS: usize = 24;
/// Days of a tally.
const DAYS: usize = 28;
/// Rows that a tally counts at most.
const COUNTED_MAX: i64 = 200_000;
/// Newest items whose hits are counted by day.
const HITS_OF_MAX: i64 = 20_000;
/// Headlines of others that are shown of a story.
const ALSO_MAX: i64 = 2;

/// What a list of stories shows of each beside its line.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StoryGlance {
    /// Topics it ever hit, the best first.
    pub topics: Vec<StoryTopic>,
    /// When each of its outlets came to it.
    pub growth: Vec<Timestamp>,
    /// How others put it.
    pub also: Vec<AlsoHeadline>,
    /// Its last alert: number, id, when.
    pub alert: Option<LastAlert>,
}

/// A topic of a story.
#[derive(Debug, Clone, Serialize)]
pub struct StoryTopic {
    /// The topic.
    pub topic: String,
    /// Its best score there.
    pub score: Score,
    /// What that is worth.
    pub severity: String,
}

/// A headline of another item of a story.
#[derive(Debug, Clone, Serialize)]
pub struct AlsoHeadline {
    /// The item.
    pub item: ItemId,
    /// Who.
    pub outlet: String,
    /// Its headline.
    pub title: String,
}

/// The last alert of a story.
#[derive(Debug, Clone, Serialize)]
pub struct LastAlert {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// How loud.
    pub severity: String,
    /// Why.
    pub reason: String,
}

/// The last 24 hours, oldest hour first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HourTally {
    /// Items taken.
    pub items: Vec<u64>,
    /// Alerts raised.
    pub alerts: Vec<u64>,
    /// Deliveries that arrived.
    pub delivered: Vec<u64>,
}

/// The last 28 days of a topic, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayTally {
    /// Items that hit it.
    pub hits: Vec<u64>,
    /// Alerts that name it.
    pub alerts: Vec<u64>,
}

impl Default for DayTally {
    fn default() -> Self {
        Self { hits: vec![0; DAYS], alerts: vec![0; DAYS] }
    }
}

impl Store {
    /// What is shown of a story beside its line.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn glance(&self, story: StoryId, title: &str) -> Result<StoryGlance, StoreError> {
        self.read("look at a story", |c| glance(c, story.to_i64(), title))
    }

    /// The last 24 hours by the hour.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn hours(&self, now: Timestamp) -> Result<HourTally, StoreError> {
        // Whole hours, so that a look a minute later shows the same bars.
        let end = (now.millis() / HOUR_MS + 1) * HOUR_MS;
        let from = end - HOURS as i64 * HOUR_MS;
        self.read("count by the hour", |c| {
            let count = |sql: &str| by_slot(c, sql, from, HOUR_MS, HOURS);
            Ok(HourTally {
                items: count("SELECT first_seen AS at FROM items WHERE first_seen >= ?1 LIMIT ?2")?,
                alerts: count("SELECT at FROM alerts WHERE at >= ?1 LIMIT ?2")?,
                delivered: count(
                    "SELECT settled_at AS at FROM deliveries WHERE settled_at >= ?1 AND settled_at IS NOT NULL
                     AND state = 'delivered' LIMIT ?2",
                )?,
            })
        })
    }

    /// The last 28 days of each topic, or of one, hits among the newest items; and whether these reach back so far.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn days(&self, topic: Option<&str>, now: Timestamp) -> Result<(BTreeMap<String, DayTally>, bool), StoreError> {
        let end = (now.millis() / DAY_MS + 1) * DAY_MS;
        let from = end - DAYS as i64 * DAY_MS;
        self.read("count by the day", |c| {
            let mut topics: BTreeMap<String, DayTally> = BTreeMap::new();
            let mut add = |sql: &str, limit: i64, hits: bool| -> engine::Result<()> {
                let mut statement = c.prepare_cached(sql)?;
                let mut rows = statement.query(params![from, limit, DAY_MS, topic.unwrap_or_default()])?;
                while let Some(row) = rows.next()? {
                    let tally = topics.entry(row.get(0)?).or_default();
                    let slots = if hits { &mut tally.hits } else { &mut tally.alerts };
                    let at = usize::try_from(row.get::<_, i64>(1)?).unwrap_or(usize::MAX);
                    if let Some(slot) = slots.get_mut(at) {
                        *slot = row.get::<_, i64>(2)?.unsigned_abs();
                    }
                }
                Ok(())
            };
            add(
                "SELECT m.topic, (i.first_seen - ?1) / ?3, count(*) FROM
                     (SELECT id, first_seen FROM items ORDER BY seq DESC LIMIT ?2) i
                 JOIN matches m ON m.item = i.id WHERE i.first_seen >= ?1 AND (?4 = '' OR m.topic = ?4) GROUP BY 1, 2",
                HITS_OF_MAX,
                true,
            )?;
            add(
                "SELECT t.topic, (a.at - ?1) / ?3, count(*) FROM
                     (SELECT sequence, at FROM alerts WHERE at >= ?1 LIMIT ?2) a
                 JOIN alert_topics t ON t.alert = a.sequence WHERE (?4 = '' OR t.topic = ?4) GROUP BY 1, 2",
                HITS_OF_MAX,
                false,
            )?;
            let whole: bool = c
                .prepare_cached(
                    "SELECT NOT EXISTS (SELECT 1 FROM (SELECT first_seen FROM items ORDER BY seq DESC LIMIT 1 OFFSET ?2) AS last
                     WHERE first_seen >= ?1)",
                )?
                .query_row(params![from, HITS_OF_MAX], |row| row.get(0))?;
            Ok((topics, whole))
        })
    }
}

fn by_slot(c: &Connection, sql: &str, from: i64, width: i64, slots: usize) -> engine::Result<Vec<u64>> {
    let mut out = vec![0; slots];
    let mut statement =
        c.prepare_cached(&format!("SELECT (at - ?1) / ?3 AS slot, count(*) FROM ({sql}) AS times GROUP BY slot"))?;
    let mut rows = statement.query(params![from, COUNTED_MAX, width])?;
    while let Some(row) = rows.next()? {
        let at = usize::try_from(row.get::<_, i64>(0)?).unwrap_or(usize::MAX);
        if let Some(slot) = out.get_mut(at) {
            *slot = row.get::<_, i64>(1)?.unsigned_abs();
        }
    }
    Ok(out)
}

fn glance(c: &Connection, story: i64, title: &str) -> engine::Result<StoryGlance> {
    let topics = c
        .prepare_cached("SELECT topic, score, severity FROM story_topics WHERE story = ?1 ORDER BY score DESC, topic")?
        .query_map([story], |row| {
            Ok(StoryTopic { topic: row.get(0)?, score: Score::from_hundredths(row.get(1)?), severity: row.get(2)? })
        })?
        .collect::<Result<_, _>>()?;
    let growth = c
        .prepare_cached("SELECT at FROM story_outlets WHERE story = ?1 ORDER BY position LIMIT 1000")?
        .query_map([story], |row| row.get(0).map(Timestamp::from_millis))?
        .collect::<Result<_, _>>()?;
    let also = c
        .prepare_cached(&format!(
            "SELECT i.id, i.outlet, i.headline FROM items i
             WHERE {IN_STORY} AND i.outlet IS NOT NULL AND i.headline <> ?2 ORDER BY i.seq DESC LIMIT ?3"
        ))?
        .query_map(params![story, title, ALSO_MAX], |row| {
            Ok(AlsoHeadline { item: ItemId::from_i64(row.get(0)?), outlet: row.get(1)?, title: row.get(2)? })
        })?
        .collect::<Result<_, _>>()?;
    let alert = c
        .prepare_cached("SELECT id, at, severity, reason FROM alerts WHERE story = ?1 ORDER BY sequence DESC LIMIT 1")?
        .query_map([story], |row| {
            Ok(LastAlert {
                id: row.get(0)?,
                at: Timestamp::from_millis(row.get(1)?),
                severity: row.get(2)?,
                reason: row.get(3)?,
            })
        })?
        .next()
        .transpose()?;
    Ok(StoryGlance { topics, growth, also, alert })
}
