//! What keeps a store well while it is in use: room on its disk, a write-ahead log that stays small, and
//! what health wants to know. Every failure is told; none is logged here.

use std::collections::{HashMap, HashSet};

use super::engine::OptionalExtension;
use super::engine::sqlite::ErrorCode;
use super::outbox;
use super::texts;
use super::{Store, StoreError};
use crate::model::{EndpointId, SourceId, Timestamp};

/// Feeds that fail or are gone, by their index.
const TROUBLED: &str = "SELECT source, gone FROM feeds WHERE failure IS NOT NULL OR gone <> 0";

/// Feeds that brought more on the day of their last poll than a quota, likewise.
const OVER_QUOTA: &str = "SELECT source FROM feeds WHERE bytes_over <> 0 OR alerts_over <> 0";

/// What is owed and what fails, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    /// Configured feeds whose last poll failed.
    pub feeds_failing: u64,
    /// Configured feeds that answered 410.
    pub feeds_gone: u64,
    /// Configured feeds that are over a quota of the day.
    pub feeds_over_quota: u64,
    /// Deliveries not made yet.
    pub owed: u64,
    /// Since when the oldest of them is owed.
    pub oldest_owed_at: Option<Timestamp>,
    /// Deliveries given up for now.
    pub parked: u64,
    /// Endpoints that take nothing until an operator enables them.
    pub endpoints_disabled: Vec<String>,
    /// Endpoints whose last attempt failed.
    pub endpoints_failing: Vec<String>,
    /// When the last item came.
    pub last_item_at: Option<Timestamp>,
    /// Items that search does not know yet.
    pub search_lag: u64,
}

/// What a checkpoint did, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpointed {
    /// Pages in the log.
    pub log_pages: i64,
    /// Pages of them that are in the database now.
    pub moved_pages: i64,
}

impl Store {
    /// Bytes that are free for us on the store's disk.
    ///
    /// # Errors
    /// [`StoreError::Directory`] when the disk cannot be asked.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        let folder = self.path().parent().unwrap_or(self.path());
        let stat = rustix::fs::statvfs(folder)
            .map_err(|error| StoreError::Directory { path: folder.to_owned(), source: error.into() })?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Reads the whole database; what is wrong with it, if something is.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read at all.
    pub fn integrity(&self) -> Result<Option<String>, StoreError> {
        if !self.is_file() {
            return Ok(None);
        }
        self.read("check the database", |connection| {
            let verdict = connection.quick_check()?;
            if verdict != "ok" {
                return Ok(Some(verdict));
            }
            match texts::check(connection) {
                Err(error) if error.sqlite_code() == Some(ErrorCode::DatabaseCorrupt) => Ok(Some(error.to_string())),
                checked => checked.map(|()| None),
            }
        })
    }

    /// The latest time that anything was stored under: the future, where the clock was wrong.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn latest_stamp(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read("read the latest time", |connection| {
            connection
                .query_row("SELECT max(first_seen) FROM items", [], |row| row.get::<_, Option<i64>>(0))
                .map(|at| at.map(Timestamp::from_millis))
        })
    }

    /// Bytes of the database file.
    #[must_use]
    pub fn database_bytes(&self) -> u64 {
        #[cfg(feature = "postgres")]
        if !self.is_file() {
            return self.remote_bytes().unwrap_or_default();
        }
        self.path().metadata().map_or(0, |meta| meta.len())
    }

    /// Bytes of the write-ahead log.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        let mut name = self.path().as_os_str().to_owned();
        name.push("-wal");
        std::path::Path::new(&name).metadata().map_or(0, |meta| meta.len())
    }

    /// Moves what it can from the write-ahead log into the database without making anybody wait. An error
    /// here is an error of the disk: SQLite's own checkpoints would keep it to themselves.
    ///
    /// # Errors
    /// [`StoreError`]; the process must not go on with one that is not passing.
    pub fn checkpoint_passive(&self) -> Result<Checkpointed, StoreError> {
        if !self.is_file() {
            return Ok(Checkpointed { log_pages: 0, moved_pages: 0 });
        }
        self.read("checkpoint the write-ahead log", |connection| {
            let moved = connection.move_log(false)?;
            Ok(Checkpointed { log_pages: moved.log_pages, moved_pages: moved.moved_pages })
        })
    }

    /// Asks the store what health wants to know. The feeds are only gone through where one of them fails.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn standing<'a>(
        &self,
        feeds: impl Iterator<Item = &'a SourceId>,
        endpoints: &[EndpointId],
    ) -> Result<Standing, StoreError> {
        let search_lag = self.search_lag()?;
        self.read("read how things stand", |connection| {
            let mut standing = Standing { search_lag, ..Standing::default() };
            let troubled: HashMap<String, bool> = connection
                .prepare_cached(TROUBLED)?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            let over: HashSet<String> =
                connection.prepare_cached(OVER_QUOTA)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            if !troubled.is_empty() || !over.is_empty() {
                for feed in feeds {
                    match troubled.get(feed.as_str()) {
                        Some(true) => standing.feeds_gone += 1,
                        Some(false) => standing.feeds_failing += 1,
                        None => {}
                    }
                    standing.feeds_over_quota += u64::from(over.contains(feed.as_str()));
                }
            }
            for endpoint in endpoints {
                let health = outbox::health(connection, endpoint)?;
                standing.owed += health.pending;
                standing.parked += health.parked;
                standing.oldest_owed_at = match (standing.oldest_owed_at, health.oldest_pending_at) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
                if health.state.disabled.is_some() {
                    standing.endpoints_disabled.push(endpoint.to_string());
                } else if health.state.failing_since.is_some() {
                    standing.endpoints_failing.push(endpoint.to_string());
                }
            }
            standing.last_item_at = connection
                .prepare_cached("SELECT first_seen FROM items ORDER BY seq DESC LIMIT 1")?
                .query_row([], |row| row.get(0).map(Timestamp::from_millis))
                .optional()?;
            Ok(standing)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Access;

    #[test]
    fn standing_asks_for_failing_feeds_by_index() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Access::Own).expect("a store");
        let plan: Vec<String> = store
            .read("explain", |c| {
                c.prepare(&format!("EXPLAIN QUERY PLAN {TROUBLED}"))?.query_map([], |row| row.get(3))?.collect()
            })
            .expect("a plan");
        let over: Vec<String> = store
            .read("explain", |c| {
                c.prepare(&format!("EXPLAIN QUERY PLAN {OVER_QUOTA}"))?.query_map([], |row| row.get(3))?.collect()
            })
            .expect("a plan");
        assert!(over.iter().all(|step| step.contains("feeds_over_quota")), "{over:?}");
        assert!(plan.iter().all(|step| step.contains("feeds_troubled")), "{plan:?}");
        let standing = store.standing([].iter(), &[]).expect("read");
        assert_eq!(standing, Standing::default());
    }
}
