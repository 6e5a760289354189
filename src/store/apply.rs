//! The pipeline's one write: items, copies, revisions, stories, matches, alerts, outbox rows and the
//! cursors of their sources, in one transaction (promise P1). Writes only what a decision says.

use std::collections::HashSet;

use super::engine::{self, CommitWord, Connection, OptionalExtension, Transaction, params};
use crate::failpoint::{Failpoint, Planted};
use crate::model::{
    Cursor, Item, ItemId, Match, Origin, Outlet, Rejection, SeedFile, SeedOutcome, SourceHealth, SourceId, StoryId,
    Timestamp,
};
use crate::pipeline::alert::source::SourceAlert;
use crate::pipeline::{Decision, Prepared, SightingLevel, Verdict};
use crate::text::clean;

use super::alerts::{DueRow, write_decided, write_source_alert};
use super::feeds::{forget_body, write_feed, write_health};
use super::membership::{add_outlet, move_all};
use super::pushes::write_push;
use super::texts::{NewTexts, replace_text};
use super::told::{merge_told, write_told};
use super::{Store, StoreError, outbox};

/// Characters of a rejection's detail that are kept.
const DETAIL_CHARS_MAX: usize = 300;

/// A batch as it is written: everything that was decided about it.
#[derive(Debug)]
pub struct BatchWrite {
    /// Where it came from.
    pub origin: Origin,
    /// One decision per item taken.
    pub decisions: Vec<Decision>,
    /// What was not taken.
    pub rejected: Vec<Rejection>,
    /// What the source must remember.
    pub cursor: Cursor,
    /// How the source stands, where that changed.
    pub health: Option<SourceHealth>,
    /// Who is told of that.
    pub source_alert: Option<SourceAlert>,
    /// Where it waits in the inbox, and what is answered there.
    pub inbox: Option<(i64, String)>,
}

impl BatchWrite {
    /// Decisions alone.
    #[must_use]
    pub fn new(origin: Origin, decisions: Vec<Decision>) -> Self {
        Self {
            origin,
            decisions,
            rejected: Vec::new(),
            cursor: Cursor::None,
            health: None,
            source_alert: None,
            inbox: None,
        }
    }
}

impl Store {
    /// Writes batches that were decided together.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of any of them was written then, and the same call may be made again.
    pub fn apply(&self, batches: &[BatchWrite], now: Timestamp) -> Result<(), StoreError> {
        if Planted::ToldFirst.is_in() {
            self.write("store what was told", |tx| {
                let mut decisions = batches.iter().flat_map(|batch| &batch.decisions);
                decisions.try_for_each(|decision| match decision.story() {
                    Some(story) => write_told(tx, story, &decision.told),
                    None => Ok(()),
                })
            })?;
        }
        if Planted::InboxFirst.is_in() {
            self.write("answer the inbox", |tx| batches.iter().try_for_each(|batch| answer_inbox(tx, batch)))?;
        }
        let arrived = self.write_saying(word(batches), "store items", |tx| {
            let is_empty = batches.iter().all(|batch| batch.decisions.is_empty());
            let first = if is_empty { 0 } else { last_arrival(tx)? + 1 };
            let mut seq = first;
            let (mut due, mut texts) = (Vec::new(), NewTexts::default());
            let late = fetched_late(tx, batches)?;
            for batch in batches {
                for decision in &batch.decisions {
                    write_decision(tx, decision, &mut seq, now, (&mut due, &mut texts))?;
                }
                for rejection in &batch.rejected {
                    write_rejection(tx, batch.origin.source.as_str(), rejection, now)?;
                }
                batch.health.as_ref().map_or(Ok(()), |health| write_health(tx, health))?;
                batch.source_alert.as_ref().map_or(Ok(()), |alert| write_source_alert(tx, alert, now))?;
                match &batch.cursor {
                    // Another process asks its host by now, from what is remembered.
                    Cursor::Feed(_) if batch.inbox.as_ref().is_some_and(|(row, _)| late.contains(row)) => {}
                    Cursor::Feed(state) => write_feed(tx, state)?,
                    Cursor::SeedFile(file) => write_seed_file(tx, file, now)?,
                    Cursor::Push(push) => write_push(tx, push, now)?,
                    // What a hub brought may be a part: the next poll reads the document whatever it was before.
                    Cursor::Hub(hub) => {
                        forget_body(tx, &hub.source)?;
                        note_hub_push(tx, &hub.source)?;
                    }
                    Cursor::None => {}
                }
                answer_inbox(tx, batch)?;
            }
            texts.write(tx)?;
            // Only now: until here what came of their stories went up in them.
            due.iter().try_for_each(|(row, format)| outbox::write_now(tx, *row, format, now))?;
            Failpoint::BeforeCommit.pass();
            Ok(seq - first)
        })?;
        self.count_arrivals(arrived.unsigned_abs());
        if Planted::OutboxApart.is_in() {
            self.write("store alerts", |tx| {
                let mut due = Vec::new();
                for decision in batches.iter().flat_map(|batch| &batch.decisions) {
                    write_decided(tx, decision, now, &mut due)?;
                }
                due.iter().try_for_each(|(row, format)| outbox::write_now(tx, *row, format, now))
            })?;
        }
        Ok(())
    }
}

/// What it is about, for other processes: polls that brought nothing concern nobody but whoever made them.
fn word(batches: &[BatchWrite]) -> CommitWord {
    let is_quiet = |BatchWrite { decisions, rejected, cursor, health, source_alert, .. }: &BatchWrite| {
        let is_of_poll = matches!(cursor, Cursor::Feed(_) | Cursor::None);
        is_of_poll && decisions.is_empty() && rejected.is_empty() && health.is_none() && source_alert.is_none()
    };
    match (batches.iter().all(is_quiet), batches.iter().any(|batch| batch.inbox.is_some())) {
        (false, _) => CommitWord::Anything,
        (true, true) => CommitWord::Answered,
        (true, false) => CommitWord::Nothing,
    }
}

/// Batches of the inbox whose feed was asked by a right that is another one's by now.
#[cfg_attr(not(feature = "postgres"), expect(clippy::unnecessary_wraps, reason = "a file has no inbox"))]
fn fetched_late(tx: &Transaction<'_>, batches: &[BatchWrite]) -> engine::Result<HashSet<i64>> {
    #[cfg(feature = "postgres")]
    return super::poll_leases::fetched_late(
        tx,
        &batches.iter().filter_map(|batch| Some(batch.inbox.as_ref()?.0)).collect::<Vec<_>>(),
    );
    #[cfg(not(feature = "postgres"))]
    {
        let _ = (tx, batches);
        Ok(HashSet::new())
    }
}

/// Another process may poll the feed, with what it remembers of it.
#[cfg_attr(not(feature = "postgres"), expect(clippy::unnecessary_wraps, reason = "a file is one process's"))]
fn note_hub_push(tx: &Transaction<'_>, source: &SourceId) -> engine::Result<()> {
    #[cfg(feature = "postgres")]
    if tx.sqlite().is_none() {
        return super::hub_feeds::note_push(tx, source);
    }
    let _ = (tx, source);
    Ok(())
}

/// A batch that came by another process is answered where it waits.
#[cfg_attr(not(feature = "postgres"), expect(clippy::unnecessary_wraps, reason = "a file has no inbox"))]
fn answer_inbox(tx: &Transaction<'_>, batch: &BatchWrite) -> engine::Result<()> {
    #[cfg(feature = "postgres")]
    if let Some((row, answer)) = &batch.inbox {
        return super::inbox::answer(tx, *row, answer);
    }
    let _ = (tx, batch);
    Ok(())
}

/// The number of the latest item or copy: they share one order of arrival. Where retention has removed them all, it goes on
/// from what search knows: a number given twice would never be indexed, or be found by the words of another.
pub(super) fn last_arrival(c: &Connection) -> engine::Result<i64> {
    c.prepare_cached(
        "SELECT max(max(coalesce((SELECT max(seq) FROM items), 0), coalesce((SELECT max(seq) FROM sightings), 0)),
             coalesce((SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'search_seq'), 0))",
    )?
    .query_row([], |row| row.get(0))
}

fn write_decision(
    tx: &Transaction<'_>,
    decision: &Decision,
    seq: &mut i64,
    now: Timestamp,
    (due, texts): (&mut Vec<DueRow>, &mut NewTexts),
) -> engine::Result<()> {
    for &(from, into) in &decision.merges {
        write_merge(tx, from, into, now)?;
    }
    match &decision.verdict {
        Verdict::Unchanged => {}
        Verdict::New { story, opened } => {
            decision.promoted.map_or(Ok(()), |from| write_promotion(tx, decision.prepared.item.id, from))?;
            write_item(tx, decision, (*story, *opened), *seq)?;
            texts.add_of(tx, &decision.prepared.item, *seq)?;
            if *opened {
                write_opened(tx, &decision.prepared, *story, *seq, now)?;
            } else {
                write_joined(tx, &decision.prepared, *story, now)?;
            }
            write_matches(tx, decision.prepared.item.id, &decision.prepared.matches)?;
            *seq += 1;
        }
        Verdict::Revision { revision, .. } => {
            write_revision(tx, &decision.prepared, *revision, now, texts)?;
            write_matches(tx, decision.prepared.item.id, &decision.prepared.matches)?;
        }
        Verdict::Sighting { again: true, .. } => {
            tx.prepare_cached("UPDATE sightings SET text_hash = ?2 WHERE id = ?1")?
                .defer(params![decision.prepared.item.id.to_i64(), decision.prepared.item.version.to_bytes()])?;
        }
        Verdict::Sighting { again: false, .. } => {
            write_sighting(tx, decision, *seq, now)?;
            *seq += 1;
        }
    }
    write_story_topics(tx, decision, now)?;
    if Planted::OutboxApart.is_in() {
        return Ok(());
    }
    write_decided(tx, decision, now, due)
}

fn write_item(
    tx: &Transaction<'_>,
    decision: &Decision,
    (story, is_opener): (StoryId, bool),
    seq: i64,
) -> engine::Result<()> {
    let Decision { prepared, grounds, .. } = decision;
    let item = &prepared.item;
    tx.prepare_cached(
        "INSERT INTO items (seq, id, source, key, revision, title, headline, publisher, url, url_original, author, published,
            published_certainty, updated, first_seen, lang, summary, text_source, text_hash, text_bytes, tags, quiet,
            story, outlet, nearest, nearest_milli, features, version_hash, title_original, is_opener)
         VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
            ?24, ?25, ?26, ?27, ?28, ?29)",
    )?
    .defer(params![
        seq,
        item.id.to_i64(),
        item.source.as_str(),
        item.key.as_str(),
        item.title,
        item.headline(),
        item.publisher,
        item.url,
        item.url_original,
        item.author,
        item.published.map(|d| d.at.millis()),
        item.published.map(|d| d.certainty.as_str()),
        item.updated.map(|d| d.at.millis()),
        item.first_seen.millis(),
        item.lang.map(|l| l.to_string()),
        item.summary,
        item.text_source.as_str(),
        item.text_hash.to_bytes(),
        (item.title.len() + item.text.len()) as i64,
        tags_json(&item.tags),
        item.quiet,
        story.to_i64(),
        item.outlet.as_ref().map(Outlet::as_str),
        grounds.map(|grounds| grounds.nearest.to_i64()),
        grounds.and_then(|grounds| grounds.score).map(|score| (score * 1000.0).round() as i64),
        prepared.features.to_bytes(),
        own_version(item),
        item.title_original,
        is_opener,
    ])
}

/// Where it is another than the hash of the text.
fn own_version(item: &Item) -> Option<[u8; 16]> {
    (item.version != item.text_hash).then(|| item.version.to_bytes())
}

fn tags_json(tags: &[String]) -> Option<String> {
    (!tags.is_empty()).then(|| serde_json::to_string(tags).expect("invariant: strings are JSON"))
}

/// The story that an item opens: it names the item, and the item's outlet as its first.
fn write_opened(
    tx: &Transaction<'_>,
    prepared: &Prepared,
    story: StoryId,
    seq: i64,
    now: Timestamp,
) -> engine::Result<()> {
    tx.prepare_cached(
        "INSERT INTO stories (id, title, first_seen, last_seen, items, sightings_exact, sightings_near, languages,
            on_topic_at, opener, outlet)
         VALUES (?1, ?2, ?3, ?3, 1, 0, 0, ?4, ?3, ?5, ?6)",
    )?
    .defer(params![
        story.to_i64(),
        prepared.item.headline(),
        now.millis(),
        prepared.item.lang.map(|lang| lang.to_string()).unwrap_or_default(),
        seq,
        prepared.item.outlet.as_ref().map(Outlet::as_str),
    ])
}

fn write_joined(tx: &Transaction<'_>, prepared: &Prepared, story: StoryId, now: Timestamp) -> engine::Result<()> {
    tx.prepare_cached("UPDATE stories SET items = items + 1, last_seen = max(last_seen, ?2) WHERE id = ?1")?
        .defer(params![story.to_i64(), now.millis()])?;
    if let Some(lang) = prepared.item.lang {
        write_languages(tx, story.to_i64(), &lang.to_string())?;
    }
    add_outlet(tx, story, prepared.item.outlet.as_ref(), now)
}

/// Adds languages to those of a story; each stands there once, in order of appearance.
pub(super) fn write_languages(tx: &Transaction<'_>, story: i64, more: &str) -> engine::Result<()> {
    let known: String = tx
        .prepare_cached("SELECT languages FROM stories WHERE id = ?1")?
        .query_row([story], |row| row.get(0))
        .optional()?
        .unwrap_or_default();
    let mut all: Vec<&str> = known.split(',').filter(|lang| !lang.is_empty()).collect();
    let before = all.len();
    for lang in more.split(',').filter(|lang| !lang.is_empty()) {
        if !all.contains(&lang) {
            all.push(lang);
        }
    }
    if all.len() == before {
        return Ok(());
    }
    tx.prepare_cached("UPDATE stories SET languages = ?2 WHERE id = ?1")?.defer(params![story, all.join(",")])
}

/// A copy that is an item now is counted once. The row stays: its link still leads to the original.
fn write_promotion(tx: &Transaction<'_>, item: ItemId, (story, level): (StoryId, SightingLevel)) -> engine::Result<()> {
    tx.prepare_cached("UPDATE sightings SET level = 'item' WHERE id = ?1")?.defer([item.to_i64()])?;
    tx.prepare_cached(match level {
        SightingLevel::Exact => "UPDATE stories SET sightings_exact = max(sightings_exact - 1, 0) WHERE id = ?1",
        SightingLevel::Near => "UPDATE stories SET sightings_near = max(sightings_near - 1, 0) WHERE id = ?1",
    })?
    .defer([story.to_i64()])
}

/// Whatever the verdict: a copy can hit a topic better than the item it copies.
fn write_story_topics(tx: &Transaction<'_>, decision: &Decision, now: Timestamp) -> engine::Result<()> {
    let Some(story) = decision.story().filter(|_| !decision.prepared.matches.is_empty()) else { return Ok(()) };
    for matched in &decision.prepared.matches {
        tx.prepare_cached(
            "INSERT INTO story_topics (story, topic, score, threshold, severity) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (story, topic) DO UPDATE SET score = excluded.score, threshold = excluded.threshold,
                severity = excluded.severity WHERE excluded.score > story_topics.score",
        )?
        .defer(params![
            story.to_i64(),
            matched.topic.as_str(),
            matched.score.hundredths(),
            matched.threshold.hundredths(),
            matched.severity.as_str(),
        ])?;
        if let Some(outlet) = &decision.prepared.item.outlet {
            tx.prepare_cached(
                "INSERT INTO topic_outlets (story, topic, outlet) VALUES (?1, ?2, ?3)
             ON CONFLICT DO NOTHING",
            )?
            .defer(params![story.to_i64(), matched.topic.as_str(), outlet.as_str()])?;
        }
    }
    tx.prepare_cached("UPDATE stories SET on_topic_at = max(on_topic_at, ?2) WHERE id = ?1")?
        .defer(params![story.to_i64(), now.millis()])
}

/// The members, outlets, topics and alerts of `from` become those of `into`: what was told of either was
/// told of both.
pub(super) fn write_merge(tx: &Transaction<'_>, from: StoryId, into: StoryId, now: Timestamp) -> engine::Result<()> {
    let (from, into) = (from.to_i64(), into.to_i64());
    tx.prepare_cached(
        "UPDATE stories SET items = stories.items + f.items, sightings_exact = stories.sightings_exact + f.sightings_exact,
            sightings_near = stories.sightings_near + f.sightings_near, last_seen = max(stories.last_seen, f.last_seen),
            on_topic_at = max(stories.on_topic_at, f.on_topic_at)
         FROM (SELECT items, sightings_exact, sightings_near, last_seen, on_topic_at FROM stories WHERE id = ?1) AS f
         WHERE stories.id = ?2",
    )?
    .execute(params![from, into])?;
    tx.prepare_cached("UPDATE stories SET merged_into = ?2 WHERE id = ?1")?.execute(params![from, into])?;
    let languages: String = tx
        .prepare_cached("SELECT languages FROM stories WHERE id = ?1")?
        .query_row([from], |row| row.get(0))
        .optional()?
        .unwrap_or_default();
    write_languages(tx, into, &languages)?;
    tx.prepare_cached(
        "INSERT INTO story_topics (story, topic, score, threshold, severity)
         SELECT ?2, topic, score, threshold, severity FROM story_topics WHERE story = ?1
         ON CONFLICT (story, topic) DO UPDATE SET score = excluded.score, threshold = excluded.threshold,
            severity = excluded.severity WHERE excluded.score > story_topics.score",
    )?
    .execute(params![from, into])?;
    tx.prepare_cached(
        "INSERT INTO topic_outlets (story, topic, outlet)
         SELECT ?2, topic, outlet FROM topic_outlets WHERE story = ?1
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![from, into])?;
    tx.prepare_cached("UPDATE deliveries SET story = ?2 WHERE story = ?1")?.execute(params![from, into])?;
    merge_told(tx, from, into, now)?;
    tx.prepare_cached("UPDATE alerts SET story = ?2 WHERE story = ?1")?.execute(params![from, into])?;
    move_all(tx, from, into)
}

/// The version before is kept; features and first hash stay, so that the memory rebuilds the same.
fn write_revision(
    tx: &Transaction<'_>,
    prepared: &Prepared,
    revision: u32,
    now: Timestamp,
    texts: &mut NewTexts,
) -> engine::Result<()> {
    let item = &prepared.item;
    let id = item.id.to_i64();
    let found =
        tx.prepare_cached("SELECT seq FROM items WHERE id = ?1")?.query_row([id], |row| row.get(0)).optional()?;
    let Some(seq): Option<i64> = found else { return Ok(()) };
    texts.write_if_with(tx, seq)?;
    tx.prepare_cached(
        "INSERT INTO revisions (item, revision, at, title, body)
         SELECT i.id, ?2, ?3, i.title, coalesce(t.body, '') FROM items i LEFT JOIN texts t ON t.seq = i.seq WHERE i.id = ?1
         ON CONFLICT (item, revision) DO UPDATE SET at = excluded.at, title = excluded.title, body =
            excluded.body",
    )?
    .execute(params![id, revision, now.millis()])?;
    tx.prepare_cached(
        "UPDATE items SET revision = ?2, title = ?3, summary = ?4, author = ?5, updated = ?6,
            text_hash_first = coalesce(text_hash_first, text_hash), text_hash = ?7, tags = ?8, headline = ?9,
            version_hash = ?10, text_source = ?11
         WHERE id = ?1",
    )?
    .defer(params![
        id,
        revision,
        item.title,
        item.summary,
        item.author,
        item.updated.map(|d| d.at.millis()),
        item.text_hash.to_bytes(),
        tags_json(&item.tags),
        item.headline(),
        own_version(item),
        item.text_source.as_str(),
    ])?;
    tx.prepare_cached("INSERT INTO search_stale (seq) VALUES (?1) ON CONFLICT DO NOTHING")?.defer([seq])?;
    replace_text(tx, seq, &item.text)
}

fn write_sighting(tx: &Transaction<'_>, decision: &Decision, seq: i64, now: Timestamp) -> engine::Result<()> {
    let Verdict::Sighting { of, story, level, overlap, .. } = decision.verdict else { return Ok(()) };
    let item = &decision.prepared.item;
    tx.prepare_cached(
        "INSERT INTO sightings (seq, id, item, source, key, url, title, level, overlap, text_hash, seen_at, outlet)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .defer(params![
        seq,
        item.id.to_i64(),
        of.to_i64(),
        item.source.as_str(),
        item.key.as_str(),
        item.url,
        item.title,
        level.as_str(),
        (overlap * 1000.0).round() as i64,
        item.version.to_bytes(),
        now.millis(),
        item.outlet.as_ref().map(Outlet::as_str),
    ])?;
    let column = match level {
        SightingLevel::Exact => {
            "UPDATE stories SET sightings_exact = sightings_exact + 1, last_seen = max(last_seen, ?2) WHERE id = ?1"
        }
        SightingLevel::Near => {
            "UPDATE stories SET sightings_near = sightings_near + 1, last_seen = max(last_seen, ?2) WHERE id = ?1"
        }
    };
    tx.prepare_cached(column)?.defer(params![story.to_i64(), now.millis()])?;
    add_outlet(tx, story, item.outlet.as_ref(), now)
}

fn write_matches(tx: &Transaction<'_>, item: ItemId, matches: &[Match]) -> engine::Result<()> {
    tx.prepare_cached("DELETE FROM matches WHERE item = ?1")?.defer([item.to_i64()])?;
    for matched in matches {
        let evidence = serde_json::to_string(&matched.evidence).expect("invariant: evidence is JSON");
        tx.prepare_cached(
            "INSERT INTO matches (item, topic, score, threshold, severity, evidence) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .defer(params![
            item.to_i64(),
            matched.topic.as_str(),
            matched.score.hundredths(),
            matched.threshold.hundredths(),
            matched.severity.as_str(),
            evidence,
        ])?;
    }
    Ok(())
}

fn write_rejection(tx: &Transaction<'_>, source: &str, rejection: &Rejection, now: Timestamp) -> engine::Result<()> {
    tx.prepare_cached(
        "INSERT INTO rejections (source, reason, count, last_at, detail) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (source, reason) DO UPDATE SET count = rejections.count + excluded.count, last_at = excluded.last_at,
            detail = excluded.detail",
    )?
    .defer(params![
        source,
        rejection.reason.as_str(),
        rejection.count as i64,
        now.millis(),
        clean::excerpt(&rejection.detail, DETAIL_CHARS_MAX),
    ])
}

fn write_seed_file(tx: &Transaction<'_>, file: &SeedFile, now: Timestamp) -> engine::Result<()> {
    let (items, rejected, reason, detail) = match &file.outcome {
        SeedOutcome::Taken { items, rejected } => (*items as i64, *rejected as i64, None, None),
        SeedOutcome::Refused(r) => (0, 1, Some(r.reason.as_str()), Some(clean::excerpt(&r.detail, DETAIL_CHARS_MAX))),
    };
    tx.prepare_cached(
        "INSERT INTO seed_files (hash, name, size, modified, seen_at, items, rejected, reason, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (hash) DO UPDATE SET name = excluded.name, size = excluded.size, modified =
            excluded.modified, seen_at = excluded.seen_at, items = excluded.items, rejected = excluded.rejected,
            reason = excluded.reason, detail = excluded.detail",
    )?
    .defer(params![
        file.hash.to_bytes(),
        clean::one_line(&file.name),
        file.size_bytes as i64,
        file.modified.millis(),
        now.millis(),
        items,
        rejected,
        reason,
        detail,
    ])
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::super::Access;
    use super::super::membership::ADD_OUTLET;
    use super::*;

    #[test]
    fn statements_of_each_item_are_planned_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        let connection = store.writer();
        let file = connection.sqlite().expect("a file");
        let stories =
            "INSERT INTO stories (id, title, first_seen, last_seen, items, sightings_exact, sightings_near, outlet)
            VALUES (1, '', 0, 0, 1, 0, 0, 'first'), (2, '', 0, 0, 1, 0, 0, NULL), (3, '', 0, 0, 1, 0, 0, NULL)";
        file.execute(stories, []).expect("written");
        let mut add = file.prepare(ADD_OUTLET).expect("prepared");
        for story in [1, 1, 2, 2, 3, 1] {
            add.execute((story, format!("outlet {story}"), 0)).expect("added");
        }
        assert_eq!(add.execute((1, "first", 0)).expect("nothing to add"), 0);
        add.execute((1, "another", 0)).expect("added");
        let last: i64 = file
            .query_row("SELECT position FROM story_sources WHERE story = 1 AND source = 'another'", [], |row| {
                row.get(0)
            })
            .expect("found");
        assert_eq!(last, 2);
        assert_eq!(add.get_status(StatementStatus::RePrepare), 0);
        for asked in [
            "SELECT coalesce(max(attempt), 0) + 1 FROM attempts WHERE delivery = ?1",
            "SELECT due_at FROM deliveries WHERE endpoint = ?1 AND state = 'pending' AND due_at > 5 ORDER BY due_at LIMIT 1",
            "SELECT seq FROM items WHERE source = ?1 ORDER BY seq DESC LIMIT 9",
            "SELECT EXISTS (SELECT 1 FROM deliveries WHERE story = 1 AND endpoint = ?1 AND state = 'pending')",
        ] {
            for value in [0, 1, 7, 1, 0] {
                let mut statement = file.prepare_cached(asked).expect("prepared");
                assert!(statement.query([value]).expect("asked").next().is_ok());
            }
            let statement = file.prepare_cached(asked).expect("prepared");
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{asked}");
        }
    }
}
