//! From the store back into memory: at start the window of recent items in their order of arrival,
//! later single items that come back from before the window.

use std::collections::{HashMap, HashSet};

use super::engine::{self, Connection, OptionalExtension, Row, params};
use crate::model::{
    ContentHash, DateCertainty, Dated, ItemId, Lang, Score, Severity, StoredOutlets, StoryId, Timestamp, TopicId,
};
use crate::pipeline::features::Features;
use crate::pipeline::identity::FiledItem;
use crate::pipeline::memory::MemoryConfig;
use crate::pipeline::{Known, Ledger, Remembered, SightingLevel, StoryState};

use super::told::listener_and_told;
use super::{Store, StoreError};

impl Store {
    /// Rebuilds the memory of everything seen since `since`.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn recall(&self, config: MemoryConfig, since: Timestamp) -> Result<Ledger, StoreError> {
        let mut ledger = Ledger::new(self.instance(), config);
        self.read("rebuild the memory", |connection| recall_all(connection, &mut ledger, since))?;
        ledger.expire(since);
        Ok(ledger)
    }

    /// The memory as it was before an item came, stories as they are composed now; with what the item is
    /// compared by, and when it came. `None` for an item the store does not have.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn recall_before(
        &self,
        config: MemoryConfig,
        item: ItemId,
    ) -> Result<Option<(Ledger, Features, Timestamp)>, StoreError> {
        let mut ledger = Ledger::new(self.instance(), config);
        self.read("rebuild the memory before an item", |connection| {
            let found = connection
                .prepare_cached("SELECT seq, first_seen, features FROM items WHERE id = ?1")?
                .query_row([item.to_i64()], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?)))
                .optional()?;
            let Some((seq, first_seen, features)) = found else { return Ok(None) };
            let at = Timestamp::from_millis(first_seen);
            let since = at.minus(config.copies_window.max(config.story_window)).minus(config.story_window);
            recall_merges(connection, &mut ledger)?;
            recall_arrivals(connection, &mut ledger, &Arrivals { since, after: 0, before: seq })?;
            super::corrections::recall_splits(connection, &mut ledger)?;
            let on_topic_from = at.minus(config.story_span).millis();
            recall_stories(connection, &mut ledger, "s.on_topic_at >= ?1", on_topic_from)?;
            Ok(Some((ledger, Features::from_bytes(&features).unwrap_or_default(), at)))
        })
    }

    /// Looks for items that the memory does not know, and recalls those the store does. Tells which of
    /// them retention removed: they are known, and nothing else is known of them.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn recall_known(
        &self,
        ids: &[ItemId],
        ledger: &mut Ledger,
        now: Timestamp,
    ) -> Result<HashSet<ItemId>, StoreError> {
        // A story can leave the window before an item of it does that came back unchanged.
        let complete = |id: ItemId| ledger.known(id).is_some_and(|known| ledger.story(known.story).is_some());
        let missing: Vec<ItemId> = ids.iter().copied().filter(|id| !complete(*id)).collect();
        let mut removed = HashSet::new();
        if missing.is_empty() {
            return Ok(removed);
        }
        self.read("look up known items", |connection| {
            // One transaction: else each question takes the locks of the file anew.
            let snapshot = connection.snapshot()?;
            for id in missing {
                // Most are news: one question instead of three.
                if !is_anywhere(&snapshot, id)? {
                    continue;
                }
                let Some(known) = lookup(&snapshot, id)? else {
                    if was_removed(&snapshot, id)? {
                        removed.insert(id);
                    }
                    continue;
                };
                if ledger.known(id).is_none() {
                    ledger.recall_known(id, known, now);
                }
                if ledger.story(known.story).is_none() {
                    recall_stories(&snapshot, ledger, "s.id = ?1", known.story.to_i64())?;
                }
            }
            Ok(removed)
        })
    }

    /// What is filed under an id: an item, or a copy with the text of what it is a copy of.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn filed(&self, id: ItemId) -> Result<Option<FiledItem>, StoreError> {
        self.read("read what is filed under an id", |c| {
            c.prepare_cached(
                "SELECT i.title, i.url, i.published, i.published_certainty, substr(coalesce(t.body, ''), 1, 4000)
                 FROM items i LEFT JOIN texts t ON t.seq = i.seq WHERE i.id = ?1
                 UNION ALL
                 SELECT s.title, s.url, NULL, NULL, substr(coalesce(t.body, ''), 1, 4000)
                 FROM sightings s LEFT JOIN items i ON i.id = s.item LEFT JOIN texts t ON t.seq = i.seq WHERE s.id = ?1
                 LIMIT 1",
            )?
            .query_row([id.to_i64()], |row| {
                let certainty: Option<String> = row.get(3)?;
                let exact = certainty.as_deref() == Some(DateCertainty::Exact.as_str());
                let at: Option<i64> = row.get(2)?;
                let published = at
                    .filter(|_| exact)
                    .map(|ms| Dated { at: Timestamp::from_millis(ms), certainty: DateCertainty::Exact });
                Ok(FiledItem { title: row.get(0)?, url: row.get(1)?, published, text: row.get(4)? })
            })
            .optional()
        })
    }
}

/// Everything seen since a time, and a little before: whoever is given it lets that expire.
pub(super) fn recall_all(connection: &Connection, ledger: &mut Ledger, since: Timestamp) -> engine::Result<()> {
    recall_counts(connection, ledger)?;
    recall_merges(connection, ledger)?;
    // An item is weighed against those of the story window before it: the first ones of the
    // memory need theirs too, which are forgotten again right after.
    let story_window = ledger.memory_config().story_window;
    let arrivals = Arrivals { since: since.minus(story_window), after: 0, before: i64::MAX };
    recall_arrivals(connection, ledger, &arrivals)?;
    super::corrections::recall_splits(connection, ledger)?;
    recall_stories(connection, ledger, "s.last_seen >= ?1", since.millis())
}

fn is_anywhere(connection: &Connection, id: ItemId) -> engine::Result<bool> {
    let query = "SELECT 1 FROM items WHERE id = ?1 UNION ALL SELECT 1 FROM sightings WHERE id = ?1 \
                 UNION ALL SELECT 1 FROM tombstones WHERE id = ?1";
    connection.prepare_cached(query)?.exists([id.to_i64()])
}

fn was_removed(connection: &Connection, id: ItemId) -> engine::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM tombstones WHERE id = ?1")?.exists([id.to_i64()])
}

/// What is known of an item or a copy of one.
pub(super) fn lookup(connection: &Connection, id: ItemId) -> engine::Result<Option<Known>> {
    let item = connection
        .prepare_cached("SELECT coalesce(version_hash, text_hash), story, revision FROM items WHERE id = ?1")?
        .query_row([id.to_i64()], |row| {
            Ok(Known {
                text: hash(row, 0)?.short(),
                of: id,
                story: StoryId::from_i64(row.get(1)?),
                revision: row.get(2)?,
                copy: None,
            })
        })
        .optional()?;
    if item.is_some() {
        return Ok(item);
    }
    connection
        .prepare_cached(
            "SELECT s.text_hash, s.item, i.story, s.level FROM sightings s JOIN items i ON i.id = s.item WHERE s.id = ?1",
        )?
        .query_row([id.to_i64()], |row| {
            Ok(Known {
                text: hash(row, 0)?.short(),
                of: ItemId::from_i64(row.get(1)?),
                story: StoryId::from_i64(row.get(2)?),
                revision: 0,
                copy: level(row, 3)?,
            })
        })
        .optional()
}

fn hash(row: &Row<'_>, column: usize) -> engine::Result<ContentHash> {
    row.get::<_, [u8; 16]>(column).map(ContentHash::from_bytes)
}

fn level(row: &Row<'_>, column: usize) -> engine::Result<Option<SightingLevel>> {
    let name: String = row.get(column)?;
    Ok([SightingLevel::Exact, SightingLevel::Near].into_iter().find(|level| level.as_str() == name))
}

/// The last sequence number, and how the sources stand.
pub(super) fn recall_counts(connection: &Connection, ledger: &mut Ledger) -> engine::Result<()> {
    ledger.sequence = connection
        .query_row("SELECT coalesce(max(sequence), 0) FROM alerts", [], |row| row.get::<_, i64>(0))?
        .cast_unsigned();
    for health in super::feeds::all_health(connection)? {
        ledger.sources.insert(health.source.clone(), health);
    }
    Ok(())
}

/// Which story went up in which.
pub(super) fn merges(connection: &Connection) -> engine::Result<Vec<(StoryId, StoryId)>> {
    connection
        .prepare("SELECT id, merged_into FROM stories WHERE merged_into IS NOT NULL")?
        .query_map([], |row| Ok((StoryId::from_i64(row.get(0)?), StoryId::from_i64(row.get(1)?))))?
        .collect()
}

fn recall_merges(connection: &Connection, ledger: &mut Ledger) -> engine::Result<()> {
    for (from, into) in merges(connection)? {
        ledger.recall_merge(from, into);
    }
    Ok(())
}

/// Which items and copies: seen since a time, with a number after one and before another.
pub(super) struct Arrivals {
    pub(super) since: Timestamp,
    pub(super) after: i64,
    pub(super) before: i64,
}

/// Items and copies in one order, as they came: the memory ends up as it was.
pub(super) fn recall_arrivals(connection: &Connection, ledger: &mut Ledger, arrivals: &Arrivals) -> engine::Result<()> {
    let Arrivals { since, after, before } = *arrivals;
    let mut copies = connection.prepare(
        "SELECT s.seq, s.id, s.item, s.url, s.text_hash, s.seen_at, i.story, s.level
         FROM sightings s JOIN items i ON i.id = s.item WHERE s.seen_at >= ?1 AND s.seq > ?2 AND s.seq < ?3 ORDER BY s.seq",
    )?;
    let mut copies = copies.query_long([since.millis(), after, before])?;
    let mut copy = copies.next()?;
    let mut items = connection.prepare(
        "SELECT seq, id, source, story, first_seen, text_hash, text_hash_first, text_bytes, url, features, revision,
            version_hash
         FROM items WHERE seq >= (SELECT min(seq) FROM items INDEXED BY items_first_seen WHERE first_seen >= ?1)
            AND first_seen >= ?1 AND seq > ?2 AND seq < ?3 ORDER BY seq",
    )?;
    let mut items = items.query_long([since.millis(), after, before])?;
    while let Some(row) = items.next()? {
        let seq: i64 = row.get(0)?;
        while let Some(earlier) = copy.as_ref().filter(|c| c.get::<_, i64>(0).is_ok_and(|s| s < seq)) {
            recall_copy(earlier, ledger)?;
            copy = copies.next()?;
        }
        recall_item(&row, ledger)?;
    }
    while let Some(row) = copy {
        recall_copy(&row, ledger)?;
        copy = copies.next()?;
    }
    Ok(())
}

fn recall_copy(row: &Row<'_>, ledger: &mut Ledger) -> engine::Result<()> {
    let of = ItemId::from_i64(row.get(2)?);
    let (story, copy) = (StoryId::from_i64(row.get(6)?), level(row, 7)?);
    let known = Known { text: hash(row, 4)?.short(), of, story, revision: 0, copy };
    ledger.recall_known(ItemId::from_i64(row.get(1)?), known, Timestamp::from_millis(row.get(5)?));
    if let Some(url) = row.get::<_, Option<String>>(3)? {
        ledger.recall_link(&url, of);
    }
    Ok(())
}

fn recall_item(row: &Row<'_>, ledger: &mut Ledger) -> engine::Result<()> {
    let id = ItemId::from_i64(row.get(1)?);
    let now = hash(row, 5)?;
    let first = row.get::<_, Option<[u8; 16]>>(6)?.map_or(now, ContentHash::from_bytes);
    let features: Vec<u8> = row.get(9)?;
    let url: Option<String> = row.get(8)?;
    let features = Features::from_bytes(&features).unwrap_or_default();
    ledger.remember(&Remembered {
        id,
        story: StoryId::from_i64(row.get(3)?),
        at: Timestamp::from_millis(row.get(4)?),
        text_hash: first,
        text_bytes: row.get::<_, i64>(7)?.cast_unsigned(),
        url: url.as_deref(),
        features: &features,
        placed: None,
    });
    let version = row.get::<_, Option<[u8; 16]>>(11)?.map_or(now, ContentHash::from_bytes);
    ledger.revise(id, version, row.get(10)?);
    Ok(())
}

/// The states of the stories a condition selects: counts, outlets, topics hit, and what was said.
pub(super) fn recall_stories(
    connection: &Connection,
    ledger: &mut Ledger,
    condition: &'static str,
    value: i64,
) -> engine::Result<()> {
    let mut states: HashMap<StoryId, Box<StoryState>> = HashMap::new();
    let mut outlets = StoredOutlets::default();
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, title, first_seen, last_seen, items, sightings_exact, sightings_near, languages, on_topic_at, outlet
         FROM stories s WHERE {condition} AND merged_into IS NULL"
    ))?;
    let mut rows = statement.query([value])?;
    while let Some(row) = rows.next()? {
        let mut state = Box::new(StoryState::opened(row.get(1)?, Timestamp::from_millis(row.get(2)?)));
        state.last_seen = Timestamp::from_millis(row.get(3)?);
        state.items = row.get::<_, i64>(4)?.cast_unsigned();
        state.sightings_exact = row.get::<_, i64>(5)?.cast_unsigned();
        state.sightings_near = row.get::<_, i64>(6)?.cast_unsigned();
        for lang in row.get::<_, String>(7)?.split(',') {
            state.add_language(Lang::from_tag(lang));
        }
        state.on_topic_at = Timestamp::from_millis(row.get(8)?);
        if let Some(first) = row.get::<_, Option<String>>(9)? {
            state.add_outlet(&outlets.named(&first));
        }
        states.insert(StoryId::from_i64(row.get(0)?), state);
    }
    // What went up in another story was written over to that one.
    let condition = format!("{condition} AND s.merged_into IS NULL");
    let mut each = |sql: &str, take: &mut dyn FnMut(&Row<'_>, &mut StoryState) -> engine::Result<()>| {
        let mut statement = connection.prepare_cached(&sql.replace("{condition}", &condition))?;
        let mut rows = statement.query(params![value])?;
        while let Some(row) = rows.next()? {
            let id = ledger.resolve(StoryId::from_i64(row.get(0)?));
            if let Some(state) = states.get_mut(&id) {
                take(&row, state)?;
            }
        }
        Ok::<_, engine::EngineError>(())
    };
    each(
        "SELECT s.id, x.source FROM stories s JOIN story_sources x ON x.story = s.id WHERE {condition} ORDER BY s.id, x.position",
        &mut |row, state| {
            state.add_outlet(&outlets.named(&row.get::<_, String>(1)?));
            Ok(())
        },
    )?;
    each(
        "SELECT s.id, t.topic, t.score, t.threshold, t.severity
         FROM stories s JOIN story_topics t ON t.story = s.id WHERE {condition}",
        &mut recall_topic,
    )?;
    each(
        "SELECT s.id, x.topic, x.outlet FROM stories s JOIN topic_outlets x ON x.story = s.id WHERE {condition}",
        &mut |row, state| {
            let (topic, outlet): (String, String) = (row.get(1)?, row.get(2)?);
            if let Ok(topic) = TopicId::new(&topic) {
                state.recall_topic_outlet(&topic, outlets.named(&outlet));
            }
            Ok(())
        },
    )?;
    each(
        "SELECT s.id, t.endpoint, t.topics, t.severity, t.outlets, t.at, t.developed_at, t.facts
         FROM stories s JOIN story_told t ON t.story = s.id WHERE {condition}",
        &mut recall_told,
    )?;
    recall_merged_from(connection, &condition, value, &mut states)?;
    ledger.recall_stories(states);
    Ok(())
}

/// The stories that went up in those: a chain of merges ends at the story that is left.
fn recall_merged_from(
    connection: &Connection,
    condition: &str,
    value: i64,
    states: &mut HashMap<StoryId, Box<StoryState>>,
) -> engine::Result<()> {
    let mut merged = connection.prepare_cached(&format!(
        "WITH RECURSIVE gone (id, into_story) AS (
             SELECT m.id, s.id FROM stories s JOIN stories m ON m.merged_into = s.id WHERE {condition}
             UNION SELECT m.id, gone.into_story FROM gone JOIN stories m ON m.merged_into = gone.id)
         SELECT into_story, id FROM gone"
    ))?;
    let mut rows = merged.query(params![value])?;
    while let Some(row) = rows.next()? {
        if let Some(state) = states.get_mut(&StoryId::from_i64(row.get(0)?)) {
            state.add_merged(StoryId::from_i64(row.get(1)?));
        }
    }
    Ok(())
}

fn recall_topic(row: &Row<'_>, state: &mut StoryState) -> engine::Result<()> {
    let Ok(topic) = TopicId::new(&row.get::<_, String>(1)?) else { return Ok(()) };
    let severity: String = row.get(4)?;
    let severity = Severity::ALL.into_iter().find(|s| s.as_str() == severity).unwrap_or(Severity::Medium);
    let threshold = Score::from_hundredths(row.get(3)?);
    state.topic_mut(&topic, threshold, severity).score = Score::from_hundredths(row.get(2)?);
    Ok(())
}

fn recall_told(row: &Row<'_>, state: &mut StoryState) -> engine::Result<()> {
    if let Some((listener, told)) = listener_and_told(row, 1)? {
        state.tell(&listener, told);
    }
    Ok(())
}
