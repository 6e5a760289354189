//! Retention: what is older than its age goes, in small transactions so that nobody waits. An item
//! leaves its key behind, so that what comes back is not taken for new; what is undelivered stays.
//! Every step is bounded in what it reads as well: a store of a million items is walked, never scanned.

use std::time::Duration;

use super::engine::{self, Connection, Transaction, params};
use crate::model::Timestamp;

use super::membership::IN_STORY;
use super::{Store, StoreError, search_parts, texts};

/// Rows that one transaction removes.
const BATCH_ROWS: i64 = 100;
/// The same of items: each is in several indexes, at a place of its own in most.
const BATCH_ITEMS: i64 = 50;
/// Rows that are looked at for them.
const LOOK_ROWS: i64 = 2000;
/// Free pages given back to the file system at once.
const VACUUM_PAGES: i64 = 200;
/// Fewer free pages than this are left for what comes next, as is this share of the file: each page that is given back
/// moves another into its place, and what comes takes as many anew.
const FREE_PAGES_MIN: i64 = 1000;
const FREE_SHARE: i64 = 20;

/// How long things are kept; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ages {
    /// Full texts, and earlier versions of edited items.
    pub texts: Option<Duration>,
    /// Items with their matches, copies and stories.
    pub items: Option<Duration>,
    /// Keys of items that are gone.
    pub keys: Option<Duration>,
    /// Deliveries that are settled, and their attempts.
    pub deliveries: Option<Duration>,
    /// The list of what happened, which streams and scripts read on in.
    pub changes: Option<Duration>,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Pruned {
    /// Texts and earlier versions.
    pub texts: u64,
    /// Items; their keys are kept.
    pub items: u64,
    /// Keys.
    pub keys: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// Lines of what happened.
    pub changes: u64,
}

impl Pruned {
    /// Whether anything was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One pass of retention, step by step: where it has come to. What a pass finds still owed it leaves to
/// the next; only texts, which are gone from most of the items, are not looked for twice.
#[derive(Debug, Clone, Default)]
pub struct Pruning {
    stage: Stage,
    /// The last row that was looked at in this stage: its time, its number.
    at: Place,
    texts_at: Place,
    /// Removed so far in this pass.
    pub pruned: Pruned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Deliveries,
    Texts,
    Versions,
    Items,
    Stories,
    Words,
    Keys,
    Changes,
    Pages,
    Over,
}

#[derive(Debug, Clone, Copy)]
struct Place(i64, i64);

impl Default for Place {
    fn default() -> Self {
        Self(i64::MIN, i64::MIN)
    }
}

/// What a step did: rows removed, and where the next goes on; `None` where there is no more.
type Step = engine::Result<(u64, Option<Place>)>;

impl Pruning {
    /// Another pass of the same store.
    #[must_use]
    pub fn again(self) -> Self {
        Self { texts_at: self.texts_at, ..Self::default() }
    }

    fn go_on(&mut self, next: Option<Place>) {
        use Stage::{Changes, Deliveries, Items, Keys, Over, Pages, Stories, Texts, Versions, Words};
        if let Some(place) = next {
            self.at = place;
            return;
        }
        let order = [Deliveries, Texts, Versions, Items, Stories, Words, Keys, Changes, Pages, Over];
        let index = order.iter().position(|stage| *stage == self.stage).map_or(order.len() - 1, |index| index + 1);
        self.stage = order[index.min(order.len() - 1)];
        self.at = if self.stage == Texts { self.texts_at } else { Place::default() };
    }
}

impl Store {
    /// One step of a pass: one small transaction at most; `true` while there is more to do.
    ///
    /// # Errors
    /// [`StoreError`]; the step that failed is wholly there, and can be tried again.
    pub fn prune_step(&self, pruning: &mut Pruning, ages: &Ages, now: Timestamp) -> Result<bool, StoreError> {
        let more = |more: bool| more.then(Place::default);
        let age = match pruning.stage {
            Stage::Deliveries => ages.deliveries,
            Stage::Texts | Stage::Versions => ages.texts,
            Stage::Items | Stage::Stories => ages.items,
            Stage::Keys => ages.keys,
            Stage::Changes => ages.changes,
            Stage::Words => {
                // In PostgreSQL each item was taken out of the one index there is.
                let left = self.is_file() && self.write("prune the search index", |tx| search_parts::let_go(tx))?;
                pruning.go_on(more(left));
                return Ok(true);
            }
            Stage::Pages => {
                pruning.go_on(more(self.give_back_pages()?));
                return Ok(pruning.stage != Stage::Over);
            }
            Stage::Over => return Ok(false),
        };
        let Some(age) = age else {
            pruning.go_on(None);
            return Ok(pruning.stage != Stage::Over);
        };
        let (before, at) = (now.minus(age).millis(), pruning.at);
        let (removed, next) = match pruning.stage {
            Stage::Deliveries => self.write("prune deliveries", |tx| deliveries(tx, before, at))?,
            Stage::Texts => self.old_texts(before, at)?,
            Stage::Versions => self.write("prune versions", |tx| versions(tx, before))?,
            Stage::Items => self.write("prune items", |tx| items(tx, before, at))?,
            Stage::Stories => self.old_stories(before, at)?,
            Stage::Keys => self.write("prune keys", |tx| keys(tx, before))?,
            Stage::Changes => self.write("prune what happened", |tx| changes(tx, before, at, now))?,
            Stage::Words | Stage::Pages | Stage::Over => (0, None),
        };
        let pruned = &mut pruning.pruned;
        match pruning.stage {
            Stage::Deliveries => pruned.deliveries += removed,
            Stage::Texts | Stage::Versions => pruned.texts += removed,
            Stage::Items => pruned.items += removed,
            Stage::Keys => pruned.keys += removed,
            Stage::Changes => pruned.changes += removed,
            Stage::Stories | Stage::Words | Stage::Pages | Stage::Over => {}
        }
        if pruning.stage == Stage::Texts {
            pruning.texts_at = next.unwrap_or(pruning.texts_at);
        }
        pruning.go_on(next);
        Ok(pruning.stage != Stage::Over)
    }

    /// A whole pass at once.
    ///
    /// # Errors
    /// [`StoreError`]; what went before it is removed.
    pub fn prune(&self, ages: &Ages, now: Timestamp) -> Result<Pruned, StoreError> {
        let mut pruning = Pruning::default();
        while self.prune_step(&mut pruning, ages, now)? {}
        Ok(pruning.pruned)
    }

    /// Looks beside the writer, which is needed only where there is something to remove.
    fn old_texts(&self, before: i64, at: Place) -> Result<(u64, Option<Place>), StoreError> {
        if self.is_file() {
            return self.old_text_blocks(before);
        }
        let (seqs, next) = self.read("find texts to prune", |c| old_texts(c, before, at))?;
        if seqs.is_empty() {
            return Ok((0, next));
        }
        let removed = self.write("prune texts", |tx| {
            let mut delete = tx.prepare_cached("DELETE FROM texts WHERE seq = ?1")?;
            seqs.iter().map(|seq| delete.execute([seq])).sum::<engine::Result<usize>>()
        })?;
        Ok((removed as u64, next))
    }

    /// The same where texts stand in blocks. Those that are removed are not there to be looked at again.
    fn old_text_blocks(&self, before: i64) -> Result<(u64, Option<Place>), StoreError> {
        let (blocks, more) = self.read("find texts to prune", |c| texts::old_blocks(c, before, BATCH_ROWS))?;
        if blocks.is_empty() {
            return Ok((0, None));
        }
        let removed = self.write("prune texts", |tx| {
            blocks.iter().map(|first| texts::forget_block(tx, *first)).sum::<engine::Result<u64>>()
        })?;
        Ok((removed, more.then(Place::default)))
    }

    fn old_stories(&self, before: i64, at: Place) -> Result<(u64, Option<Place>), StoreError> {
        let found = self.read("find stories to prune", |c| {
            let sql = "SELECT last_seen, id FROM stories WHERE last_seen < ?1 AND (last_seen, id) > (?2, ?3)
                       ORDER BY last_seen, id LIMIT ?4";
            places(c, sql, before, at, BATCH_ROWS)
        })?;
        let next = found.last().copied().filter(|_| found.len() as i64 == BATCH_ROWS);
        if !found.is_empty() {
            self.write("prune stories", |tx| found.iter().try_for_each(|Place(_, id)| forget_story(tx, *id, before)))?;
        }
        Ok((0, next))
    }

    /// Shrinks the file by some of the pages that are free; whether there are more.
    fn give_back_pages(&self) -> Result<bool, StoreError> {
        if !self.is_file() {
            return Ok(false);
        }
        let connection = self.writer();
        let shrink = |c: &Connection| {
            let (free, left) = (c.free_pages()?, FREE_PAGES_MIN.max(c.pages()? / FREE_SHARE));
            if free < left {
                return Ok(false);
            }
            c.give_back(VACUUM_PAGES)?;
            Ok(free - VACUUM_PAGES >= left)
        };
        shrink(&connection).map_err(|error| StoreError::sql(self.path(), "give free pages back", error))
    }
}

fn places(c: &Connection, sql: &str, before: i64, at: Place, rows: i64) -> engine::Result<Vec<Place>> {
    c.prepare_cached(sql)?
        .query_map(params![before, at.0, at.1, rows], |row| Ok(Place(row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Deliveries that are over, with their attempts; then alerts nobody has a delivery of, if their item is
/// gone as well: until then they are what was said about its story.
fn deliveries(tx: &Transaction<'_>, before: i64, at: Place) -> Step {
    let found = places(
        tx,
        "SELECT settled_at, id FROM deliveries WHERE settled_at < ?1 AND (settled_at, id) > (?2, ?3)
           AND state IN ('delivered', 'cancelled', 'folded') ORDER BY settled_at, id LIMIT ?4",
        before,
        at,
        BATCH_ROWS,
    )?;
    for Place(_, id) in &found {
        tx.prepare_cached("DELETE FROM attempts WHERE delivery = ?1")?.execute([id])?;
        let alert: i64 = tx
            .prepare_cached("DELETE FROM deliveries WHERE id = ?1 RETURNING alert")?
            .query_row([id], |row| row.get(0))?;
        // A story that only this alert kept goes with the stage of the stories.
        tx.prepare_cached(
            "DELETE FROM alerts WHERE sequence = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE alert = ?1)
               AND (item IS NULL OR NOT EXISTS (SELECT 1 FROM items WHERE id = alerts.item))",
        )?
        .execute([alert])?;
    }
    Ok((found.len() as u64, found.last().copied().filter(|_| found.len() as i64 == BATCH_ROWS)))
}

/// Texts of items that are too old: at most a batch, and where the look for them ended.
fn old_texts(c: &Connection, before: i64, at: Place) -> engine::Result<(Vec<i64>, Option<Place>)> {
    let mut statement = c.prepare_cached(
        "SELECT first_seen, seq, EXISTS (SELECT 1 FROM texts t WHERE t.seq = i.seq) FROM items i
         WHERE first_seen < ?1 AND (first_seen, seq) > (?2, ?3) ORDER BY first_seen, seq LIMIT ?4",
    )?;
    let mut rows = statement.query(params![before, at.0, at.1, LOOK_ROWS])?;
    let (mut seqs, mut last, mut looked) = (Vec::new(), None, 0);
    while let Some(row) = rows.next()? {
        let place = Place(row.get(0)?, row.get(1)?);
        looked += 1;
        last = Some(place);
        if row.get(2)? {
            seqs.push(place.1);
        }
        if seqs.len() as i64 == BATCH_ROWS {
            return Ok((seqs, last));
        }
    }
    Ok((seqs, last.filter(|_| looked == LOOK_ROWS)))
}

fn versions(tx: &Transaction<'_>, before: i64) -> Step {
    let removed = tx
        .prepare_cached(
            "DELETE FROM revisions WHERE (item, revision) IN (
                 SELECT item, revision FROM revisions WHERE at < ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute(params![before, BATCH_ROWS])?;
    Ok((removed as u64, (removed as i64 == BATCH_ROWS).then(Place::default)))
}

/// Lines of what happened carry no time: each pass notes how far they had come then, and what was there at a pass that is
/// old enough goes.
fn changes(tx: &Transaction<'_>, before: i64, at: Place, now: Timestamp) -> Step {
    if at.0 == Place::default().0 {
        tx.execute(
            "INSERT INTO change_marks (at, seq) SELECT ?1, max(seq) FROM changes
             HAVING max(seq) > coalesce((SELECT max(seq) FROM change_marks), 0)
             ON CONFLICT (at) DO UPDATE SET seq = excluded.seq",
            [now.millis()],
        )?;
    }
    let upto = "SELECT max(seq) FROM change_marks WHERE at < ?1";
    let removed = tx.execute(
        &format!(
            "DELETE FROM changes WHERE seq <= ({upto}) AND seq < (SELECT min(seq) FROM changes) + ?2
             AND seq < (SELECT max(seq) FROM changes)"
        ),
        params![before, LOOK_ROWS],
    )? as u64;
    if removed > 0 {
        return Ok((removed, Some(Place(0, 0))));
    }
    // The newest of those that are old enough says all that the others did.
    tx.execute(&format!("DELETE FROM change_marks WHERE at < ?1 AND seq < ({upto})"), [before])?;
    Ok((0, None))
}

fn keys(tx: &Transaction<'_>, before: i64) -> Step {
    let removed = tx
        .prepare_cached(
            "DELETE FROM tombstones WHERE id IN (SELECT id FROM tombstones WHERE at < ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute(params![before, BATCH_ROWS])?;
    Ok((removed as u64, (removed as i64 == BATCH_ROWS).then(Place::default)))
}

/// An item goes with its text, matches, copies and versions, unless an alert of it is still owed.
fn items(tx: &Transaction<'_>, before: i64, at: Place) -> Step {
    let found = places(
        tx,
        "SELECT first_seen, seq FROM items WHERE first_seen < ?1 AND (first_seen, seq) > (?2, ?3)
         ORDER BY first_seen, seq LIMIT ?4",
        before,
        at,
        BATCH_ITEMS,
    )?;
    let mut removed = 0;
    for &Place(_, seq) in &found {
        let (id, story, owed): (i64, i64, bool) = tx
            .prepare_cached(
                "SELECT id, story, EXISTS (SELECT 1 FROM alerts a JOIN deliveries d ON d.alert = a.sequence
                     WHERE a.item = items.id AND d.state IN ('pending', 'parked')) FROM items WHERE seq = ?1",
            )?
            .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        if owed {
            continue;
        }
        for sql in [
            "INSERT INTO tombstones (id, at) SELECT id, first_seen FROM items WHERE id = ?1 ON CONFLICT DO NOTHING",
            "INSERT INTO tombstones (id, at) SELECT id, seen_at FROM sightings WHERE item = ?1
             ON CONFLICT DO NOTHING",
            "DELETE FROM sightings WHERE item = ?1",
            "DELETE FROM matches WHERE item = ?1",
            "DELETE FROM revisions WHERE item = ?1",
            "DELETE FROM alerts WHERE item = ?1 AND NOT EXISTS
                 (SELECT 1 FROM deliveries d WHERE d.alert = alerts.sequence)",
            "DELETE FROM items WHERE id = ?1",
        ] {
            tx.prepare_cached(sql)?.execute([id])?;
        }
        texts::forget_with_item(tx, seq)?;
        super::search::forget(tx, seq)?;
        tx.prepare_cached("DELETE FROM search_stale WHERE seq = ?1")?.execute([seq])?;
        forget_story(tx, story, before)?;
        removed += 1;
    }
    Ok((removed, found.last().copied().filter(|_| found.len() as i64 == BATCH_ITEMS)))
}

/// A story without items goes, with those that were merged into it. One that was merged itself is the way
/// to the other, and stays as long as that.
fn forget_story(tx: &Transaction<'_>, story: i64, before: i64) -> engine::Result<()> {
    let left: bool = tx
        .prepare_cached(&format!(
            "SELECT EXISTS (SELECT 1 FROM items i WHERE {IN_STORY})
                 OR EXISTS (SELECT 1 FROM stories s WHERE s.id = ?1 AND (s.last_seen >= ?2
                            OR EXISTS (SELECT 1 FROM stories into_it WHERE into_it.id = s.merged_into)))
                 OR EXISTS (SELECT 1 FROM alerts WHERE story = ?1)"
        ))?
        .query_row([story, before], |row| row.get(0))?;
    if left {
        return Ok(());
    }
    for sql in [
        "DELETE FROM story_sources WHERE story IN (SELECT id FROM stories WHERE id = ?1 OR merged_into = ?1)",
        "DELETE FROM story_topics WHERE story IN (SELECT id FROM stories WHERE id = ?1 OR merged_into = ?1)",
        "DELETE FROM topic_outlets WHERE story IN (SELECT id FROM stories WHERE id = ?1 OR merged_into = ?1)",
        "DELETE FROM story_told WHERE story IN (SELECT id FROM stories WHERE id = ?1 OR merged_into = ?1)",
        "DELETE FROM stories WHERE id = ?1 OR merged_into = ?1",
    ] {
        tx.prepare_cached(sql)?.execute([story])?;
    }
    Ok(())
}
