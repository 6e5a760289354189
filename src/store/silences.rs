//! Silences given by hand: added, listed, ended. Those of the config are not here. Nothing is deleted,
//! so that it can be told later who silenced what. One of a story goes along with the report that the story
//! was known by: with the older one in a merge, with that item in a split.

use std::collections::HashMap;

use serde::Serialize;

use super::actions::{ActionNote, note_action};
use super::corrections::resolve;
use super::engine::{self, Connection, Row, params};
use super::membership::IN_STORY;
use super::{Store, StoreError};
use crate::model::{ItemId, SourceId, StoryId, Timestamp, TopicId};
use crate::pipeline::alert::Silence;

/// A silence with who gave it, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SilenceRecord {
    /// `sil_3`.
    pub id: String,
    /// These topics; empty: any.
    pub topics: Vec<String>,
    /// These sources; empty: any.
    pub sources: Vec<String>,
    /// This story.
    pub story: Option<StoryId>,
    /// Words in the title.
    pub text: Option<String>,
    /// From then on.
    pub starts: Timestamp,
    /// Until then; `None`: for good.
    pub ends: Option<Timestamp>,
    /// Who.
    pub author: String,
    /// Why.
    pub comment: String,
}

/// What a silence kept from people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldBack {
    /// Alerts.
    pub alerts: u64,
    /// The last of them.
    pub last_at: Timestamp,
}

/// A stored alert about an item, as a silence looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastAlert {
    /// Its id.
    pub id: String,
    /// When it was raised.
    pub at: Timestamp,
    /// Its topics.
    pub topics: Vec<String>,
    /// Where its item came from.
    pub source: String,
    /// Its story.
    pub story: Option<StoryId>,
    /// The headline of its item.
    pub title: String,
    /// The silence it fell under.
    pub silenced_by: Option<String>,
}

impl Store {
    /// What each silence held back, by its id.
    ///
    /// # Errors
    /// [`StoreError`] when the alerts cannot be read.
    pub fn held_back(&self) -> Result<HashMap<String, HeldBack>, StoreError> {
        self.read("count what silences held back", |c| {
            c.prepare_cached(
                "SELECT silenced_by, count(*), max(at) FROM alerts WHERE silenced_by IS NOT NULL GROUP BY silenced_by",
            )?
            .query_map([], |row| {
                let alerts = row.get::<_, i64>(1)?.unsigned_abs();
                Ok((row.get(0)?, HeldBack { alerts, last_at: Timestamp::from_millis(row.get(2)?) }))
            })?
            .collect()
        })
    }

    /// The alerts about items that were raised since, newest first; with an id only those that this silence held back.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn past_alerts(
        &self,
        since: Timestamp,
        silenced_by: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PastAlert>, StoreError> {
        let sql = format!(
            "SELECT a.sequence, a.id, a.at, a.story, a.silenced_by, i.source, i.headline FROM alerts a
             JOIN items i ON i.id = a.item WHERE {} ORDER BY a.at DESC, a.sequence DESC LIMIT ?3",
            if silenced_by.is_some() { "a.silenced_by = ?2 AND a.at >= ?1" } else { "a.at >= ?1 AND ?2 IS NULL" }
        );
        self.read("read past alerts", |c| {
            let mut topics = c.prepare_cached("SELECT topic FROM alert_topics WHERE alert = ?1 ORDER BY score DESC")?;
            c.prepare_cached(&sql)?
                .query_map(params![since.millis(), silenced_by, limit as i64], |row| {
                    let sequence: i64 = row.get(0)?;
                    Ok(PastAlert {
                        id: row.get(1)?,
                        at: Timestamp::from_millis(row.get(2)?),
                        topics: topics.query_map([sequence], |row| row.get(0))?.collect::<Result<_, _>>()?,
                        source: row.get(5)?,
                        story: row.get::<_, Option<i64>>(3)?.map(StoryId::from_i64),
                        title: row.get(6)?,
                        silenced_by: row.get(4)?,
                    })
                })?
                .collect()
        })
    }

    /// Silences of the config that say no end, what they name, and when they were first read so.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn config_silences(&self) -> Result<Vec<(String, String, Timestamp)>, StoreError> {
        self.read("read silences of the config", |c| {
            c.prepare_cached("SELECT id, matchers, since FROM config_silences ORDER BY id")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, Timestamp::from_millis(row.get(2)?))))?
                .collect()
        })
    }

    /// Notes which of them there are now: one that is new, or names something else, was first read now.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be written.
    pub fn note_config_silences(&self, silences: &[(String, String)], now: Timestamp) -> Result<(), StoreError> {
        let known = self.config_silences()?;
        let is_known = |(id, matchers): &(String, String)| known.iter().any(|(i, m, _)| i == id && m == matchers);
        if silences.len() == known.len() && silences.iter().all(is_known) {
            return Ok(());
        }
        self.write("note silences of the config", |tx| {
            for (id, _, _) in known.iter().filter(|(id, _, _)| !silences.iter().any(|(there, _)| there == id)) {
                tx.execute("DELETE FROM config_silences WHERE id = ?1", [id])?;
            }
            for (id, matchers) in silences.iter().filter(|silence| !is_known(silence)) {
                tx.execute(
                    "INSERT INTO config_silences VALUES (?1, ?2, ?3)
                     ON CONFLICT (id) DO UPDATE SET matchers = excluded.matchers, since = excluded.since",
                    params![id, matchers, now.millis()],
                )?;
            }
            Ok(())
        })
    }

    /// Adds a silence; its `id` is given here.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn add_silence(&self, silence: &SilenceRecord, now: Timestamp) -> Result<String, StoreError> {
        let list = |names: &[String]| serde_json::to_string(names).expect("invariant: strings are JSON");
        self.write("add a silence", |tx| {
            let number: i64 = tx.query_row(
                "INSERT INTO silences (topics, sources, story, text, starts, ends, author, comment)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING id",
                params![
                    list(&silence.topics),
                    list(&silence.sources),
                    silence.story.map(StoryId::to_i64),
                    silence.text,
                    silence.starts.millis(),
                    silence.ends.map(Timestamp::millis),
                    silence.author,
                    silence.comment,
                ],
                |row| row.get(0),
            )?;
            let id = format!("sil_{number}");
            count_change(tx)?;
            let SilenceRecord { author, comment, .. } = silence;
            note_action(tx, &ActionNote { author, verb: "silence", about: &id, detail: comment, at: now })?;
            Ok(id)
        })
    }

    /// Silences that hold or will hold, with `all` those that have ended as well; newest first.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn silences(&self, now: Timestamp, all: bool) -> Result<Vec<SilenceRecord>, StoreError> {
        self.read("list silences", |c| {
            c.prepare_cached(
                "SELECT * FROM silences WHERE ?2 <> 0 OR ends IS NULL OR ends > ?1 ORDER BY id DESC LIMIT 10000",
            )?
            .query_map(params![now.millis(), all], record)?
            .collect()
        })
    }

    /// The silences that hold or will hold, with the count of changes they stand for; `None` where there was no
    /// change since `known`. Whoever adds or ends one, in whatever process, counts.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn silences_since(
        &self,
        known: Option<i64>,
        now: Timestamp,
    ) -> Result<Option<(i64, Vec<SilenceRecord>)>, StoreError> {
        // Counted before they are read: a change in between is read again.
        let count = self.read("count changes of silences", |c| {
            c.prepare_cached("SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = 'silences'")?
                .query_row([], |row| row.get::<_, i64>(0))
        })?;
        if known == Some(count) {
            return Ok(None);
        }
        self.silences(now, false).map(|silences| Some((count, silences)))
    }

    /// The silences given by hand that hold for a story now or will, under whatever id they named it.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn silences_of(&self, story: StoryId, now: Timestamp) -> Result<Vec<SilenceRecord>, StoreError> {
        let silences = self.silences(now, false)?;
        self.read("look up the stories of silences", |c| {
            let here = resolve(c, story.to_i64())?;
            let mut found = Vec::new();
            for silence in silences {
                let Some(named) = silence.story else { continue };
                if resolve(c, named.to_i64())? == here {
                    found.push(silence);
                }
            }
            Ok(found)
        })
    }

    /// Ends a silence now. Says whether one held or was to hold.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn expire_silence(&self, id: &str, author: &str, now: Timestamp) -> Result<bool, StoreError> {
        let number: i64 = id.strip_prefix("sil_").and_then(|n| n.parse().ok()).unwrap_or(0);
        self.write("end a silence", |tx| {
            let ended = tx.execute(
                "UPDATE silences SET ends = ?2 WHERE id = ?1 AND (ends IS NULL OR ends > ?2)",
                params![number, now.millis()],
            )?;
            count_change(tx)?;
            if ended > 0 {
                note_action(tx, &ActionNote { author, verb: "end silence", about: id, detail: "", at: now })?;
            }
            Ok(ended > 0)
        })
    }
}

impl SilenceRecord {
    /// What the decision looks at. Names that are none (a store changed by hand) match nothing.
    #[must_use]
    pub fn matcher(&self) -> Option<Silence> {
        Some(Silence {
            id: self.id.clone(),
            topics: self.topics.iter().map(|t| TopicId::new(t).ok()).collect::<Option<_>>()?,
            sources: self.sources.iter().map(|s| SourceId::new(s).ok()).collect::<Option<_>>()?,
            story: self.story,
            text: self.text.clone(),
            starts: Some(self.starts),
            ends: self.ends,
        })
    }
}

/// Before items leave a story for another: its silences that were meant for them leave as well. A silence is
/// meant for the report that opened the story it names; where that report is gone, for the first that is left.
pub(super) fn follow_split(tx: &Connection, story: StoryId, into: StoryId, moving: &[ItemId]) -> engine::Result<()> {
    let mut silences: Vec<(i64, StoryId)> = Vec::new();
    let mut statement = tx.prepare_cached("SELECT id, story FROM silences WHERE story IS NOT NULL")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let named: i64 = row.get(1)?;
        if resolve(tx, named)? == story.to_i64() {
            silences.push((row.get(0)?, StoryId::from_i64(named)));
        }
    }
    if silences.is_empty() {
        return Ok(());
    }
    let items: Vec<ItemId> = tx
        .prepare_cached(&format!("SELECT i.id FROM items i WHERE {IN_STORY} ORDER BY i.seq"))?
        .query_map([story.to_i64()], |row| row.get(0).map(ItemId::from_i64))?
        .collect::<Result<_, _>>()?;
    for (silence, named) in silences {
        let opened_it = items.iter().find(|item| StoryId::opened_by(**item) == named);
        let meant = opened_it.or_else(|| items.first().filter(|_| named == story));
        if meant.is_some_and(|item| moving.contains(item)) {
            tx.prepare_cached("UPDATE silences SET story = ?2 WHERE id = ?1")?
                .execute(params![silence, into.to_i64()])?;
            count_change(tx)?;
        }
    }
    Ok(())
}

fn count_change(connection: &Connection) -> engine::Result<()> {
    connection
        .execute(
            "INSERT INTO meta (key, value) VALUES ('silences', '1')
             ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)",
            [],
        )
        .map(|_| ())
}

fn record(row: &Row<'_>) -> engine::Result<SilenceRecord> {
    let list = |column: &str| -> engine::Result<Vec<String>> {
        Ok(serde_json::from_str(&row.get::<_, String>(column)?).unwrap_or_default())
    };
    Ok(SilenceRecord {
        id: format!("sil_{}", row.get::<_, i64>("id")?),
        topics: list("topics")?,
        sources: list("sources")?,
        story: row.get::<_, Option<i64>>("story")?.map(StoryId::from_i64),
        text: row.get("text")?,
        starts: Timestamp::from_millis(row.get("starts")?),
        ends: super::outbox::optional_time(row.get("ends")?),
        author: row.get("author")?,
        comment: row.get("comment")?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Access;
    use super::*;

    #[test]
    fn silences_are_read_again_only_after_a_change_in_any_process() {
        let dir = tempfile::tempdir().expect("a directory");
        let own = Store::open(dir.path(), Access::Own).expect("a store");
        let beside = Store::open(dir.path(), Access::Share).expect("the same");
        let now = Timestamp::from_seconds(1_742_198_531);
        let (count, none) = own.silences_since(None, now).expect("read").expect("nothing is known yet");
        assert!(none.is_empty());
        assert_eq!(own.silences_since(Some(count), now).expect("read"), None);
        let silence = SilenceRecord {
            id: String::new(),
            topics: vec!["storms".to_owned()],
            sources: Vec::new(),
            story: None,
            text: None,
            starts: now,
            ends: None,
            author: "desk".to_owned(),
            comment: String::new(),
        };
        let id = beside.add_silence(&silence, now).expect("written");
        let (added, one) = own.silences_since(Some(count), now).expect("read").expect("a change");
        assert_eq!(one.iter().map(|silence| silence.id.clone()).collect::<Vec<_>>(), std::slice::from_ref(&id));
        assert_eq!(own.silences_since(Some(added), now).expect("read"), None);
        assert!(beside.expire_silence(&id, "desk", now.plus(Duration::from_secs(1))).expect("written"));
        let later = now.plus(Duration::from_secs(2));
        let (ended, rest) = own.silences_since(Some(added), later).expect("read").expect("a change");
        assert!(rest.is_empty() && ended > added);
    }
}
