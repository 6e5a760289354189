//! What is remembered of each feed between polls and restarts: one row, written in the transaction of
//! the items it covers.

use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;

use super::engine::{self, Connection, OptionalExtension, Row, Transaction, params};
use crate::model::{
    ContentHash, DailyUse, FeedFailure, FeedState, Health, ItemId, MovedFeed, SourceHealth, SourceId, Timestamp,
};

use super::{Store, StoreError};

/// Failures of one feed of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureTotal {
    /// The class.
    pub class: String,
    /// How many.
    pub count: u64,
    /// When last.
    pub last_at: Timestamp,
}

impl Store {
    /// The state of every feed that was ever polled.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn feed_states(&self) -> Result<Vec<FeedState>, StoreError> {
        self.read("read feed states", |connection| {
            connection.prepare("SELECT * FROM feeds ORDER BY source")?.query_map([], feed_state)?.collect()
        })
    }

    /// The state of one feed.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn feed(&self, source: &str) -> Result<Option<FeedState>, StoreError> {
        self.read("read a feed", |c| {
            c.prepare_cached("SELECT * FROM feeds WHERE source = ?1")?.query_row([source], feed_state).optional()
        })
    }

    /// Titles and links of the newest items of a source, copies included: how a re-key is recognised.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn recent_faces(&self, source: &SourceId, limit: usize) -> Result<Vec<(String, Option<String>)>, StoreError> {
        self.read("read recent items of a source", |c| {
            let mut faces = Vec::new();
            for query in [
                "SELECT title, url FROM items WHERE source = ?1 ORDER BY seq DESC LIMIT ?2",
                // Without an index on the source of copies: at most so many of the newest of all.
                "SELECT title, url FROM (SELECT source, title, url FROM sightings ORDER BY seq DESC LIMIT ?2) AS copies
                 WHERE source = ?1",
            ] {
                let mut statement = c.prepare_cached(query)?;
                let rows =
                    statement.query_map(params![source.as_str(), limit as i64], |r| Ok((r.get(0)?, r.get(1)?)))?;
                for row in rows {
                    faces.push(row?);
                }
            }
            Ok(faces)
        })
    }

    /// Which of these items are known: kept, counted as copies, or removed by retention.
    ///
    /// # Errors
    /// [`StoreError`] when the tables cannot be read.
    pub fn known_items(&self, ids: &[ItemId]) -> Result<HashSet<ItemId>, StoreError> {
        self.read("look up known items", |c| {
            let mut statement = c.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM items WHERE id = ?1) OR EXISTS (SELECT 1 FROM sightings WHERE id = ?1)
                    OR EXISTS (SELECT 1 FROM tombstones WHERE id = ?1)",
            )?;
            let mut known = HashSet::new();
            for id in ids {
                if statement.query_row([id.to_i64()], |row| row.get(0))? {
                    known.insert(*id);
                }
            }
            Ok(known)
        })
    }

    /// The text of an item that came from the page it links to; `None` for any other.
    ///
    /// # Errors
    /// [`StoreError`] when the tables cannot be read.
    pub fn page_text(&self, id: ItemId) -> Result<Option<String>, StoreError> {
        self.read("read the text of a page", |c| {
            c.prepare_cached(
                "SELECT t.body FROM items i JOIN texts t ON t.seq = i.seq WHERE i.id = ?1 AND i.text_source = 'page'",
            )?
            .query_row([id.to_i64()], |row| row.get(0))
            .optional()
            .map(Option::flatten)
        })
    }

    /// How one source stands over many polls.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn source_health(&self, source: &str) -> Result<Option<SourceHealth>, StoreError> {
        self.read("read how a source stands", |c| {
            c.prepare_cached("SELECT * FROM source_health WHERE source = ?1")?
                .query_row([source], source_health)
                .optional()
                .map(Option::flatten)
        })
    }

    /// How often a feed failed in which way, the latest first.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn feed_failures(&self, source: &str) -> Result<Vec<FailureTotal>, StoreError> {
        self.read("read the failures of a feed", |c| {
            c.prepare_cached(
                "SELECT class, count, last_at FROM feed_failures WHERE source = ?1 ORDER BY last_at DESC, class",
            )?
            .query_map([source], |row| {
                let last_at = Timestamp::from_millis(row.get(2)?);
                Ok(FailureTotal { class: row.get(0)?, count: row.get::<_, i64>(1)?.cast_unsigned(), last_at })
            })?
            .collect()
        })
    }

    /// Has a feed polled as soon as whoever polls looks at the store again; says whether it may be.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be written.
    pub fn hurry_feed(&self, source: &SourceId, now: Timestamp) -> Result<bool, StoreError> {
        self.write("hurry a feed", |tx| {
            tx.execute(
                "UPDATE feeds SET next_poll_at = min(next_poll_at, ?2) WHERE source = ?1 AND gone = 0",
                params![source.as_str(), now.millis()],
            )
            .map(|rows| rows > 0)
        })
    }

    /// Lets a feed that answered 410 be polled again; says whether there was anything to do.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be written.
    pub fn revive_feed(&self, source: &SourceId, now: Timestamp) -> Result<bool, StoreError> {
        self.write("revive a feed", |tx| {
            tx.execute(
                "UPDATE feeds SET gone = 0, next_poll_at = ?2 WHERE source = ?1 AND gone <> 0",
                params![source.as_str(), now.millis()],
            )
            .map(|rows| rows > 0)
        })
    }
}

pub(super) fn write_health(tx: &Transaction<'_>, health: &SourceHealth) -> engine::Result<()> {
    tx.prepare_cached(
        "INSERT INTO source_health (source, told, told_at, arrivals, last_new_at, period, rate_milli)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (source) DO UPDATE SET told = excluded.told, told_at = excluded.told_at, arrivals =
            excluded.arrivals, last_new_at = excluded.last_new_at, period = excluded.period, rate_milli =
            excluded.rate_milli",
    )?
    .execute(params![
        health.source.as_str(),
        health.told.as_str(),
        health.told_at.map(Timestamp::millis),
        health.arrivals.cast_signed(),
        health.last_new_at.map(Timestamp::millis),
        health.period.map(millis),
        health.rate_milli.cast_signed(),
    ])
    .map(|_| ())
}

/// How every source stands. A name that is none any more is left out.
pub(super) fn all_health(connection: &Connection) -> engine::Result<Vec<SourceHealth>> {
    let mut statement = connection.prepare("SELECT * FROM source_health")?;
    let rows = statement.query_map([], source_health)?;
    rows.filter_map(Result::transpose).collect()
}

fn source_health(row: &Row<'_>) -> engine::Result<Option<SourceHealth>> {
    let Ok(source) = SourceId::new(&row.get::<_, String>("source")?) else { return Ok(None) };
    let time = |name: &str| row.get::<_, Option<i64>>(name).map(|t| t.map(Timestamp::from_millis));
    Ok(Some(SourceHealth {
        told: Health::from_name(&row.get::<_, String>("told")?).unwrap_or_default(),
        told_at: time("told_at")?,
        arrivals: row.get::<_, i64>("arrivals")?.cast_unsigned(),
        last_new_at: time("last_new_at")?,
        period: row.get::<_, Option<i64>>("period")?.map(|ms| Duration::from_millis(ms.cast_unsigned())),
        rate_milli: row.get::<_, i64>("rate_milli")?.cast_unsigned(),
        ..SourceHealth::new(source)
    }))
}

/// Counts a failed poll: its weight makes the sum rise, and nothing else does.
fn write_failure(tx: &Transaction<'_>, state: &FeedState) -> engine::Result<()> {
    let Some(failure) = state.failure else { return Ok(()) };
    tx.prepare_cached(
        "INSERT INTO feed_failures (source, class, count, last_at)
         SELECT ?1, ?2, 1, ?3
         WHERE ?4 > coalesce((SELECT failures_weighted FROM feeds WHERE source = ?1 AND url = ?5), 0)
         ON CONFLICT (source, class) DO UPDATE SET count = feed_failures.count + 1, last_at = excluded.last_at",
    )?
    .execute(params![
        state.source.as_str(),
        failure.as_str(),
        state.last_poll_at.map(Timestamp::millis).unwrap_or_default(),
        state.failures_weighted,
        state.url,
    ])
    .map(|_| ())
}

pub(super) fn write_feed(tx: &Transaction<'_>, state: &FeedState) -> engine::Result<()> {
    write_failure(tx, state)?;
    let moved = state.moved.as_ref();
    tx.prepare_cached(
        "INSERT INTO feeds (source, url, title, etag, last_modified, body_hash, next_poll_at, last_poll_at,
            last_success_at, last_new_item_at, failures_weighted, failure, error, failing_since, ttl, skip_hours,
            skip_days, full_fetch_at, moved_url, moved_polls, moved_since, moved_adopted, baselined, gone, polls,
            items_last, interval, seen_percent, used_day, used_bytes, used_alerts, bytes_over, alerts_over)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
            ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33)
         ON CONFLICT (source) DO UPDATE SET url = excluded.url, title = excluded.title, etag = excluded.etag,
            last_modified = excluded.last_modified, body_hash = excluded.body_hash, next_poll_at =
            excluded.next_poll_at, last_poll_at = excluded.last_poll_at, last_success_at =
            excluded.last_success_at, last_new_item_at = excluded.last_new_item_at, failures_weighted =
            excluded.failures_weighted, failure = excluded.failure, error = excluded.error, failing_since =
            excluded.failing_since, ttl = excluded.ttl, skip_hours = excluded.skip_hours, skip_days =
            excluded.skip_days, full_fetch_at = excluded.full_fetch_at, moved_url = excluded.moved_url,
            moved_polls = excluded.moved_polls, moved_since = excluded.moved_since, moved_adopted =
            excluded.moved_adopted, baselined = excluded.baselined, gone = excluded.gone, polls =
            excluded.polls, items_last = excluded.items_last, interval = excluded.interval, seen_percent =
            excluded.seen_percent, used_day = excluded.used_day, used_bytes = excluded.used_bytes, used_alerts =
            excluded.used_alerts, bytes_over = excluded.bytes_over, alerts_over = excluded.alerts_over",
    )?
    .defer(params![
        state.source.as_str(),
        state.url,
        state.title,
        state.etag,
        state.last_modified,
        state.body_hash.map(ContentHash::to_bytes),
        state.next_poll_at.millis(),
        state.last_poll_at.map(Timestamp::millis),
        state.last_success_at.map(Timestamp::millis),
        state.last_new_item_at.map(Timestamp::millis),
        state.failures_weighted,
        state.failure.map(FeedFailure::as_str),
        state.error,
        state.failing_since.map(Timestamp::millis),
        state.ttl.map(millis),
        state.skip_hours,
        state.skip_days,
        state.full_fetch_at.map(Timestamp::millis),
        moved.map(|m| m.url.as_str()),
        moved.map(|m| m.polls),
        moved.map(|m| m.since.millis()),
        moved.map(|m| m.adopted),
        state.baselined,
        state.gone,
        state.polls.cast_signed(),
        state.items_last.cast_signed(),
        state.interval.map(millis),
        state.seen_percent,
        state.used.day,
        state.used.bytes.cast_signed(),
        state.used.alerts.cast_signed(),
        state.used.bytes_over,
        state.used.alerts_over,
    ])
}

/// The next document of a feed is read in full.
pub(super) fn forget_body(tx: &Transaction<'_>, source: &SourceId) -> engine::Result<()> {
    tx.prepare_cached("UPDATE feeds SET body_hash = NULL WHERE source = ?1")?.execute([source.as_str()]).map(|_| ())
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn feed_state(row: &Row<'_>) -> engine::Result<FeedState> {
    let source: String = row.get("source")?;
    let source = SourceId::new(&source).map_err(engine::EngineError::unreadable)?;
    let time = |name: &str| row.get::<_, Option<i64>>(name).map(|t| t.map(Timestamp::from_millis));
    let span =
        |name: &str| row.get::<_, Option<i64>>(name).map(|ms| ms.map(|ms| Duration::from_millis(ms.cast_unsigned())));
    let moved = match row.get::<_, Option<String>>("moved_url")? {
        None => None,
        Some(url) => Some(MovedFeed {
            url,
            polls: row.get("moved_polls")?,
            since: time("moved_since")?.unwrap_or_default(),
            adopted: row.get("moved_adopted")?,
        }),
    };
    Ok(FeedState {
        source,
        url: row.get("url")?,
        title: row.get("title")?,
        etag: row.get("etag")?,
        last_modified: row.get("last_modified")?,
        body_hash: row.get::<_, Option<[u8; 16]>>("body_hash")?.map(ContentHash::from_bytes),
        next_poll_at: Timestamp::from_millis(row.get("next_poll_at")?),
        last_poll_at: time("last_poll_at")?,
        last_success_at: time("last_success_at")?,
        last_new_item_at: time("last_new_item_at")?,
        failures_weighted: row.get("failures_weighted")?,
        failure: row.get::<_, Option<String>>("failure")?.as_deref().and_then(FeedFailure::from_name),
        error: row.get("error")?,
        failing_since: time("failing_since")?,
        ttl: span("ttl")?,
        skip_hours: row.get("skip_hours")?,
        skip_days: row.get("skip_days")?,
        full_fetch_at: time("full_fetch_at")?,
        moved,
        baselined: row.get("baselined")?,
        gone: row.get("gone")?,
        polls: row.get::<_, i64>("polls")?.cast_unsigned(),
        items_last: row.get::<_, i64>("items_last")?.cast_unsigned(),
        interval: span("interval")?,
        seen_percent: row.get("seen_percent")?,
        used: DailyUse {
            day: row.get("used_day")?,
            bytes: row.get::<_, i64>("used_bytes")?.cast_unsigned(),
            alerts: row.get::<_, i64>("used_alerts")?.cast_unsigned(),
            bytes_over: row.get("bytes_over")?,
            alerts_over: row.get("alerts_over")?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::*;

    #[test]
    fn feed_that_begins_to_fail_and_works_again_is_told_of_once_each() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        let at = Timestamp::from_seconds;
        let works = FeedState::new(SourceId::new("a").expect("a name"), "https://a.example/".to_owned(), at(1));
        let fails = FeedState { failure: Some(FeedFailure::Tls), failures_weighted: 100, ..works.clone() };
        for (state, told) in [(&works, 0), (&fails, 1), (&fails, 1), (&works, 2), (&works, 2)] {
            store.write("test", |tx| write_feed(tx, state)).expect("writes");
            let (changes, _) = store.changes_after(0, &[crate::store::ChangeKind::Feed], 10).expect("read");
            assert_eq!(changes.len(), told, "{changes:?}");
            assert!(changes.iter().all(|change| change.id == "a"), "{changes:?}");
        }
    }

    #[test]
    fn feed_state_every_field_survives_the_store() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        let at = Timestamp::from_seconds;
        let state = FeedState {
            title: Some("T".to_owned()),
            etag: Some(b"W/\"\xff\"".to_vec()),
            last_modified: Some(b"yesterday".to_vec()),
            body_hash: Some(ContentHash::of(&[b"x"])),
            last_poll_at: Some(at(2)),
            last_success_at: Some(at(3)),
            last_new_item_at: Some(at(4)),
            failures_weighted: 150,
            failure: Some(FeedFailure::Tls),
            error: Some("refused".to_owned()),
            failing_since: Some(at(5)),
            ttl: Some(Duration::from_secs(60)),
            skip_hours: 0b1010,
            skip_days: 0b11,
            full_fetch_at: Some(at(6)),
            moved: Some(MovedFeed { url: "https://b.example/".to_owned(), polls: 2, since: at(7), adopted: true }),
            baselined: true,
            gone: true,
            polls: 9,
            items_last: 50,
            interval: Some(Duration::from_secs(1800)),
            seen_percent: Some(98),
            used: DailyUse { day: 20_164, bytes: 7, alerts: 8, bytes_over: true, alerts_over: false },
            ..FeedState::new(SourceId::new("a").expect("a name"), "https://a.example/".to_owned(), at(1))
        };
        store.write("test", |tx| write_feed(tx, &state)).expect("writes");
        assert_eq!(store.feed("a").expect("reads"), Some(state.clone()));
        assert_eq!(store.feed_states().expect("reads"), [state]);
        let revived =
            |source: &str| store.revive_feed(&SourceId::new(source).expect("a name"), at(99)).expect("writes");
        assert_eq!((revived("b"), revived("a"), revived("a")), (false, true, false));
        let revived = store.feed("a").expect("reads").expect("is there");
        assert_eq!((revived.gone, revived.next_poll_at), (false, at(99)));
    }

    #[test]
    fn known_items_and_pages_are_found_by_index() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Access::Own).expect("a store");
        assert_eq!(store.known_items(&[ItemId::from_i64(1)]).expect("read"), HashSet::new());
        assert_eq!(store.page_text(ItemId::from_i64(1)).expect("read"), None);
        for query in [
            "SELECT EXISTS (SELECT 1 FROM items WHERE id = ?1) OR EXISTS (SELECT 1 FROM sightings WHERE id = ?1)
                OR EXISTS (SELECT 1 FROM tombstones WHERE id = ?1)",
            "SELECT t.body FROM items i JOIN texts t ON t.seq = i.seq WHERE i.id = ?1 AND i.text_source = 'page'",
            "SELECT class, count, last_at FROM feed_failures WHERE source = ?1",
            "SELECT * FROM feeds WHERE source = ?1",
        ] {
            let plan: Vec<String> = store
                .read("explain", |c| {
                    c.prepare(&format!("EXPLAIN QUERY PLAN {query}"))?.query_map([1], |row| row.get(3))?.collect()
                })
                .expect("a plan");
            let scans = plan.iter().filter(|step| step.starts_with("SCAN") && !step.contains("CONSTANT")).count();
            assert_eq!(scans, 0, "{plan:?}");
        }
    }
}
