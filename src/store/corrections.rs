//! What people said about stories (these are one, those are two, this is to be told): asked for by any process, carried out by
//! the one that holds the store, in one transaction each, and heeded by every memory rebuilt since. Alerts
//! that were sent are not repeated: what was told of a story counts as told of both of its halves.

use serde::{Deserialize, Serialize};

use super::actions::{ActionNote, note_action};
use super::apply::write_merge;
use super::engine::{self, Connection, OptionalExtension, Row, Transaction, params};
use super::membership::{IN_STORY, unfold_outlets};
use super::outbox::optional_time;
use super::told::split_told;
use super::{Store, StoreError};
use crate::model::{ItemId, StoryId, Timestamp};
use crate::pipeline::Ledger;

/// Corrections carried out in one turn.
const TURN_MAX: usize = 100;
/// How often silences changed, and whether anything waits that people asked for.
const ASKED_BY_HAND: &str = "SELECT (SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = 'silences'),
        EXISTS (SELECT 1 FROM corrections WHERE done_at IS NULL)";

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Correction {
    /// These items of a story report another event.
    Split {
        /// The story.
        story: StoryId,
        /// The items that leave it.
        items: Vec<ItemId>,
    },
    /// Two stories report one event.
    Merge {
        /// One of them.
        story: StoryId,
        /// The other.
        other: StoryId,
    },
    /// A report that another story took in, or that nobody heard of, is to be told.
    Tell {
        /// Its story.
        story: StoryId,
        /// The report alone; `None`: the story by its best one.
        item: Option<ItemId>,
    },
}

impl Correction {
    /// The stored and printed name.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Split { .. } => "split",
            Self::Merge { .. } => "merge",
            Self::Tell { .. } => "tell",
        }
    }
}

/// Who heard of a report that people asked to be told, and who did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellOutcome {
    /// The alerts that were raised.
    pub alerts: Vec<String>,
    /// The endpoints they are for.
    pub told: Vec<String>,
    /// Those that do not hear of it.
    pub untold: Vec<UntoldEndpoint>,
}

/// An endpoint that does not hear of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UntoldEndpoint {
    /// Which.
    pub endpoint: String,
    /// What keeps it away, by name.
    pub why: String,
}

/// A correction with who gave it, when and why, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CorrectionRecord {
    /// Counted from 1.
    pub number: i64,
    /// `split`, `merge` or `tell`.
    pub verb: String,
    /// Split and tell: the story it was about. Merge: the one that went.
    pub story: StoryId,
    /// Split: the new story. Merge: the one that stayed.
    pub into: Option<StoryId>,
    /// Split: the items that left. Merge: those that came along. Tell: the one that was told.
    pub items: Vec<ItemId>,
    /// Who.
    pub author: String,
    /// Why.
    pub comment: String,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When it was carried out, or refused.
    pub done_at: Option<Timestamp>,
    /// Why it could not be carried out.
    pub refused: Option<String>,
    /// Tell: who heard of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<TellOutcome>,
}

impl Store {
    /// The story that an id stands for now; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn standing_story(&self, id: StoryId) -> Result<Option<StoryId>, StoreError> {
        self.read("look up a story", |c| {
            let now = resolve(c, id.to_i64())?;
            let known = c.prepare_cached("SELECT 1 FROM stories WHERE id = ?1")?.exists([now])?;
            Ok(known.then(|| StoryId::from_i64(now)))
        })
    }

    /// Asks for a correction; gives its number, or why it cannot be carried out: what is refused leaves no trace.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn ask_correction(
        &self,
        what: &Correction,
        (author, comment): (&str, &str),
        now: Timestamp,
    ) -> Result<Result<i64, String>, StoreError> {
        let (story, into, items) = match what {
            Correction::Split { story, items } => (*story, None, items.as_slice()),
            Correction::Merge { story, other } => (*story, Some(*other), [].as_slice()),
            Correction::Tell { story, item } => (*story, None, item.as_slice()),
        };
        let numbers: Vec<i64> = items.iter().map(|item| item.to_i64()).collect();
        self.write("ask for a correction", |tx| {
            let possible = match what {
                Correction::Split { story, items } => leaving(tx, *story, items)?.map(|_| ()),
                Correction::Merge { story, other } => pair(tx, [*story, *other])?.map(|_| ()),
                Correction::Tell { story, item } => tellable(tx, *story, *item)?.map(|_| ()),
            };
            if let Err(why) = possible {
                return Ok(Err(why));
            }
            let number = tx.query_row(
                "INSERT INTO corrections (verb, story, into_story, items, author, comment, asked_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id",
                params![
                    what.verb(),
                    story.to_i64(),
                    into.map(StoryId::to_i64),
                    serde_json::to_string(&numbers).expect("invariant: numbers are JSON"),
                    author,
                    comment,
                    now.millis(),
                ],
                |row| row.get(0),
            )?;
            let about = story.to_string();
            note_action(tx, &ActionNote { author, verb: what.verb(), about: &about, detail: comment, at: now })?;
            Ok(Ok(number))
        })
    }

    /// Whether any correction waits to be carried out.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn corrections_waiting(&self) -> Result<bool, StoreError> {
        self.read("look for corrections", |c| {
            c.prepare_cached("SELECT 1 FROM corrections WHERE done_at IS NULL LIMIT 1")?.exists([])
        })
    }

    /// How often silences changed, and whether corrections or reports to tell wait: asked before each decision, so in one
    /// question.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn asked_by_hand(&self) -> Result<(i64, bool), StoreError> {
        self.read("look for what people asked", |c| {
            c.prepare_cached(ASKED_BY_HAND)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        })
    }

    /// Carries out the splits and merges that wait: for whoever holds the store. One that cannot be done is
    /// refused, with the reason kept. What is to be told needs the rules: see [`Store::next_tell`].
    ///
    /// # Errors
    /// [`StoreError`]; none of them was carried out then, and the same call may be made again.
    pub fn carry_out_corrections(&self, now: Timestamp) -> Result<Vec<CorrectionRecord>, StoreError> {
        if !self.corrections_waiting()? {
            return Ok(Vec::new());
        }
        self.write("correct stories", |tx| {
            let asked = waiting(tx, "verb <> 'tell'", TURN_MAX)?;
            asked.into_iter().map(|asked| carry_out(tx, asked, now)).collect()
        })
    }

    /// Brings a ledger up to the corrections that were just carried out.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn recall_corrected(&self, done: &[CorrectionRecord], ledger: &mut Ledger) -> Result<(), StoreError> {
        let made = || done.iter().filter(|c| c.refused.is_none()).filter_map(|c| Some((c, c.into?)));
        for (correction, into) in made() {
            if correction.verb == "split" {
                ledger.split(&correction.items, correction.story, into);
            } else {
                ledger.unite(correction.story, into);
            }
        }
        self.read("recall corrected stories", |c| {
            for story in made().flat_map(|(correction, into)| [correction.story, into]) {
                let story = ledger.resolve(story);
                super::recall::recall_stories(c, ledger, "s.id = ?1", story.to_i64())?;
            }
            Ok(())
        })
    }

    /// Those of these items that are in a story now.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn items_still_in(&self, story: StoryId, items: &[ItemId]) -> Result<Vec<ItemId>, StoreError> {
        self.read("look for items of a story", |c| {
            let mut still = c.prepare_cached("SELECT 1 FROM items WHERE id = ?1 AND story = ?2")?;
            let mut there = Vec::new();
            for item in items {
                if still.exists([item.to_i64(), story.to_i64()])? {
                    there.push(*item);
                }
            }
            Ok(there)
        })
    }

    /// The correction with that number.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn correction(&self, number: i64) -> Result<Option<CorrectionRecord>, StoreError> {
        self.read("read a correction", |c| {
            c.prepare_cached("SELECT * FROM corrections WHERE id = ?1")?.query_row([number], record).optional()
        })
    }
}

/// What was said about a story, oldest first; about those that went up in it as well.
pub(super) fn of_story(c: &Connection, story: i64) -> engine::Result<Vec<CorrectionRecord>> {
    c.prepare_cached(
        "SELECT * FROM corrections
         WHERE refused IS NULL AND (story IN (SELECT id FROM stories WHERE id = ?1 OR merged_into = ?1)
            OR into_story IN (SELECT id FROM stories WHERE id = ?1 OR merged_into = ?1))
         ORDER BY id LIMIT 1000",
    )?
    .query_map([story], record)?
    .collect()
}

/// Stories that were split by hand stay two, after a restart as before.
pub(super) fn recall_splits(c: &Connection, ledger: &mut Ledger) -> engine::Result<()> {
    let mut statement = c.prepare(
        "SELECT story, into_story FROM corrections
         WHERE verb = 'split' AND done_at IS NOT NULL AND refused IS NULL AND into_story IS NOT NULL ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        ledger.recall_split(StoryId::from_i64(row.get(0)?), StoryId::from_i64(row.get(1)?));
    }
    Ok(())
}

/// The story an id stands for now.
pub(super) fn resolve(c: &Connection, mut story: i64) -> engine::Result<i64> {
    // A redirect leads to an older story, so the way ends; the bound only guards a damaged store.
    for _ in 0..64 {
        let into: Option<Option<i64>> = c
            .prepare_cached("SELECT merged_into FROM stories WHERE id = ?1")?
            .query_row([story], |row| row.get(0))
            .optional()?;
        match into {
            Some(Some(into)) => story = into,
            _ => break,
        }
    }
    Ok(story)
}

/// Those that wait, oldest first.
pub(super) fn waiting(c: &Connection, which: &'static str, most: usize) -> engine::Result<Vec<CorrectionRecord>> {
    c.prepare_cached(&format!("SELECT * FROM corrections WHERE done_at IS NULL AND {which} ORDER BY id LIMIT ?1"))?
        .query_map([most as i64], record)?
        .collect()
}

/// Notes what came of one.
pub(super) fn finish(tx: &Transaction<'_>, done: &CorrectionRecord) -> engine::Result<()> {
    let json = |outcome| serde_json::to_string(outcome).expect("invariant: strings are JSON");
    tx.prepare_cached(
        "UPDATE corrections SET story = ?2, into_story = ?3, done_at = ?4, refused = ?5, outcome = ?6 WHERE id = ?1",
    )?
    .execute(params![
        done.number,
        done.story.to_i64(),
        done.into.map(StoryId::to_i64),
        done.done_at.map(Timestamp::millis),
        done.refused,
        done.outcome.as_ref().map(json),
    ])
    .map(|_| ())
}

fn record(row: &Row<'_>) -> engine::Result<CorrectionRecord> {
    let items: Vec<i64> = serde_json::from_str(&row.get::<_, String>("items")?).unwrap_or_default();
    Ok(CorrectionRecord {
        number: row.get("id")?,
        verb: row.get("verb")?,
        story: StoryId::from_i64(row.get("story")?),
        into: row.get::<_, Option<i64>>("into_story")?.map(StoryId::from_i64),
        items: items.into_iter().map(ItemId::from_i64).collect(),
        author: row.get("author")?,
        comment: row.get("comment")?,
        asked_at: Timestamp::from_millis(row.get("asked_at")?),
        done_at: optional_time(row.get("done_at")?),
        refused: row.get("refused")?,
        outcome: row.get::<_, Option<String>>("outcome")?.and_then(|outcome| serde_json::from_str(&outcome).ok()),
    })
}

fn carry_out(tx: &Transaction<'_>, asked: CorrectionRecord, now: Timestamp) -> engine::Result<CorrectionRecord> {
    let outcome = if asked.verb == "split" { split(tx, &asked)? } else { merge(tx, &asked, now)? };
    let (story, into, refused) = match outcome {
        Ok((story, into)) => (story, Some(into), None),
        Err(why) => (asked.story, asked.into, Some(why)),
    };
    let done = CorrectionRecord { story, into, refused, done_at: Some(now), ..asked };
    finish(tx, &done)?;
    Ok(done)
}

/// The story and the one that comes of it, or why not.
type Outcome = engine::Result<Result<(StoryId, StoryId), String>>;

fn merge(tx: &Transaction<'_>, asked: &CorrectionRecord, now: Timestamp) -> Outcome {
    let Some(other) = asked.into else { return Ok(Err("two stories are needed".to_owned())) };
    let found = pair(tx, [asked.story, other])?;
    if let Ok((gone, keep)) = found {
        // Those that came along, to be told apart again where the merge was a mistake.
        tx.prepare_cached(&format!(
            "UPDATE corrections SET items = (
                SELECT '[' || coalesce(string_agg(CAST(id AS TEXT), ','), '') || ']' FROM (
                    SELECT i.id FROM items i WHERE {IN_STORY} ORDER BY i.seq) AS members) WHERE id = ?2"
        ))?
        .execute(params![gone.to_i64(), asked.number])?;
        write_merge(tx, gone, keep, now)?;
    }
    Ok(found)
}

/// Of two stories that may be merged the one that goes and the one that stays, or why they may not.
fn pair(tx: &Transaction<'_>, stories: [StoryId; 2]) -> Outcome {
    let mut found = Vec::new();
    for story in stories {
        let id = resolve(tx, story.to_i64())?;
        let first_seen: Option<i64> = tx
            .prepare_cached("SELECT first_seen FROM stories WHERE id = ?1")?
            .query_row([id], |row| row.get(0))
            .optional()?;
        match first_seen {
            Some(first_seen) => found.push((first_seen, id)),
            None => return Ok(Err(format!("there is no story {story}"))),
        }
    }
    // The older one stays.
    found.sort_unstable();
    let [(_, keep), (_, gone)] = found[..] else { return Ok(Err("two stories are needed".to_owned())) };
    if keep == gone {
        return Ok(Err("they are one story already".to_owned()));
    }
    Ok(Ok((StoryId::from_i64(gone), StoryId::from_i64(keep))))
}

fn split(tx: &Transaction<'_>, asked: &CorrectionRecord) -> Outcome {
    let (story, moving) = match leaving(tx, asked.story, &asked.items)? {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let into = StoryId::from_i64(story).split_off(asked.number);
    super::silences::follow_split(tx, StoryId::from_i64(story), into, &asked.items)?;
    write_split(tx, story, into.to_i64(), &moving)?;
    Ok(Ok((StoryId::from_i64(story), into)))
}

/// Whether a story, or one of its items, can be told at all; why not, where it cannot.
pub(super) fn tellable(
    c: &Connection,
    story: StoryId,
    item: Option<ItemId>,
) -> engine::Result<Result<(StoryId, ItemId), String>> {
    let story = resolve(c, story.to_i64())?;
    if !c.prepare_cached("SELECT 1 FROM stories WHERE id = ?1")?.exists([story])? {
        return Ok(Err(format!("there is no story {}", StoryId::from_i64(story))));
    }
    let best: Option<i64> = c
        .prepare_cached(&format!(
            "SELECT i.id FROM items i JOIN matches m ON m.item = i.id
             WHERE {IN_STORY} AND (?2 IS NULL OR i.id = ?2)
             GROUP BY i.id, i.seq ORDER BY max(m.score) DESC, i.seq LIMIT 1"
        ))?
        .query_row(params![story, item.map(ItemId::to_i64)], |row| row.get(0))
        .optional()?;
    let story = StoryId::from_i64(story);
    let Some(best) = best else {
        return Ok(Err(match item {
            Some(item) => format!("{item} hits no topic, or is no item of {story}"),
            None => format!("no item of {story} hits a topic"),
        }));
    };
    Ok(Ok((story, ItemId::from_i64(best))))
}

/// The story that stands, and the numbers of the items that leave it as JSON, or why they may not.
fn leaving(tx: &Transaction<'_>, story: StoryId, items: &[ItemId]) -> engine::Result<Result<(i64, String), String>> {
    let story = resolve(tx, story.to_i64())?;
    for item in items {
        let of: Option<i64> = tx
            .prepare_cached("SELECT story FROM items WHERE id = ?1")?
            .query_row([item.to_i64()], |row| row.get(0))
            .optional()?;
        if of != Some(story) {
            return Ok(Err(format!("{item} is no item of that story")));
        }
    }
    let moving = serde_json::to_string(&items.iter().map(|i| i.to_i64()).collect::<Vec<_>>())
        .expect("invariant: numbers are JSON");
    let staying: bool = tx
        .prepare_cached(&format!(
            "SELECT 1 FROM items i WHERE {IN_STORY} AND i.id NOT IN (SELECT CAST(value AS BIGINT) FROM json_each(?2)) LIMIT 1"
        ))?
        .exists(params![story, moving])?;
    if items.is_empty() || !staying {
        return Ok(Err("a split takes some of a story's items, not none and not all".to_owned()));
    }
    Ok(Ok((story, moving)))
}

/// `moving` is a JSON array of item numbers.
fn write_split(tx: &Transaction<'_>, story: i64, into: i64, moving: &str) -> engine::Result<()> {
    let run = |sql: &str| tx.prepare_cached(sql)?.execute(params![story, into, moving]).map(|_| ());
    run("INSERT INTO stories (id, title, first_seen, last_seen, items, sightings_exact, sightings_near)
         SELECT ?2, '', 0, 0, 0, 0, 0 WHERE ?1 <> ?2 AND ?3 <> ''")?;
    unfold_outlets(tx, story)?;
    // Topics first, while the alerts of the items that leave can still be told by their story. What copies
    // brought is known by the alerts they raised only.
    run("INSERT INTO story_topics (story, topic, score, threshold, severity)
         SELECT ?2, topic, score, threshold, severity FROM (SELECT topic, score, threshold, severity,
                 row_number() OVER (PARTITION BY topic ORDER BY score DESC, threshold, severity) AS place FROM (
             SELECT topic, score, threshold, severity FROM matches WHERE item IN (SELECT CAST(value AS BIGINT) FROM json_each(?3))
             UNION ALL
             SELECT t.topic, t.score, t.score, t.severity FROM alerts a JOIN alert_topics t ON t.alert = a.sequence
             WHERE a.story = ?1 AND t.is_new <> 0 AND a.item IN (
                 SELECT CAST(value AS BIGINT) FROM json_each(?3) UNION
                 SELECT id FROM sightings WHERE item IN (SELECT CAST(value AS BIGINT) FROM json_each(?3)))
         ) AS hits) AS best WHERE place = 1")?;
    split_told(tx, story, into)?;
    run("UPDATE deliveries SET story = ?2 WHERE story = ?1 AND alert IN (SELECT sequence FROM alerts WHERE item IN (
             SELECT CAST(value AS BIGINT) FROM json_each(?3) UNION
             SELECT id FROM sightings WHERE item IN (SELECT CAST(value AS BIGINT) FROM json_each(?3))))")?;
    run("UPDATE items SET story = ?2 WHERE story = ?1 AND id IN (SELECT CAST(value AS BIGINT) FROM json_each(?3))")?;
    for (one, other) in [(into, story), (story, into)] {
        recount(tx, one, other)?;
    }
    run("INSERT INTO topic_outlets (story, topic, outlet)
         SELECT ?2, x.topic, x.outlet FROM topic_outlets x WHERE x.story = ?1 AND ?3 <> ''
           AND x.topic IN (SELECT topic FROM story_topics WHERE story = ?2)
           AND x.outlet IN (SELECT source FROM story_sources WHERE story = ?2)
     ON CONFLICT DO NOTHING")?;
    run("DELETE FROM topic_outlets WHERE story = ?1 AND ?1 <> ?2 AND ?3 <> ''
           AND outlet NOT IN (SELECT source FROM story_sources WHERE story = ?1)")?;
    run("UPDATE stories SET on_topic_at = (SELECT on_topic_at FROM stories WHERE id = ?1) WHERE id = ?2 AND ?3 <> ''")
}

/// Counts, headline, times and outlets of a story from the items that are in it. Outlets of items that
/// retention removed are kept, as long as the other half does not have them.
fn recount(tx: &Transaction<'_>, story: i64, other: i64) -> engine::Result<()> {
    let run = |sql: &str| tx.prepare_cached(sql)?.execute(params![story, other]).map(|_| ());
    let items = format!("FROM items i WHERE {IN_STORY}");
    let copies = format!("FROM sightings s JOIN items i ON i.id = s.item WHERE {IN_STORY}");
    run(&format!(
        "UPDATE stories SET
             title = (SELECT i.headline {items} ORDER BY i.seq LIMIT 1),
             first_seen = (SELECT min(i.first_seen) {items}),
             last_seen = (SELECT max(at) FROM (
                 SELECT i.first_seen AS at {items} UNION ALL SELECT s.seen_at {copies}) AS seen),
             languages = coalesce((SELECT string_agg(lang, ',') FROM (
                 SELECT i.lang, min(i.seq) AS seq {items} AND i.lang IS NOT NULL GROUP BY i.lang ORDER BY seq) AS spoken), ''),
             items = (SELECT count(*) {items}),
             sightings_exact = (SELECT count(*) {copies} AND s.level = 'exact'),
             sightings_near = (SELECT count(*) {copies} AND s.level = 'near')
         WHERE id = ?1 AND ?1 <> ?2"
    ))?;
    let carried = format!(
        "SELECT i.outlet, i.seq, i.first_seen AS at {items} UNION ALL SELECT s.outlet, s.seq, s.seen_at {copies}"
    );
    run(&format!(
        "DELETE FROM story_sources WHERE story = ?1 AND source NOT IN (SELECT outlet FROM ({carried}) AS carried WHERE outlet IS NOT NULL)
           AND source IN (SELECT source FROM story_sources WHERE story = ?2)"
    ))?;
    run(&format!(
        "INSERT INTO story_sources (story, source, position, at)
         SELECT ?1, outlet, row_number() OVER (ORDER BY min(seq)) - 1, min(at) FROM ({carried}) AS carried
         WHERE ?1 <> ?2 AND outlet IS NOT NULL GROUP BY outlet
         ON CONFLICT DO NOTHING"
    ))
}
