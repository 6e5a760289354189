//! What only SQLite has: a file that is opened, checked, copied, moved on from its log and shrunk.

use std::path::Path;
use std::time::Duration;

pub(in crate::store) use rusqlite::ErrorCode;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{OpenFlags, ffi};

use super::{Connection, EngineError, Result, Session, text_block};
use crate::failpoint::Planted;

/// First SQLite without the write-ahead-log reset bug (sqlite.org/wal.html#walresetbug).
const VERSION_MIN: i32 = 3_051_003;
/// How long a statement waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements kept prepared.
const STATEMENTS_KEPT: usize = 64;
/// Size of a page of a new file. Most pages that are written are those of a random place, for one row each: half as large,
/// half as much goes to the disk.
const PAGE_BYTES: i64 = 2048;
/// The log is moved into the file from this size on: what is written again meanwhile is moved once.
pub const LOG_BYTES: u64 = 32 << 20;
/// From this size on a commit moves it itself.
const LOG_NET_BYTES: i64 = 128 << 20;
/// Page cache of a connection that only reads; negative, as SQLite wants kibibytes.
const READER_CACHE_KIB: i64 = -3072;
/// Pages copied between two words on progress.
const STEP_PAGES: i32 = 4096;
/// Steps that met a busy database until the copy is given up.
const BUSY_STEPS_MAX: u32 = 100;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// What became of the write-ahead log, in pages.
pub(in crate::store) struct LogMoved {
    /// Whether somebody else kept it from being moved whole.
    pub(in crate::store) was_busy: bool,
    pub(in crate::store) log_pages: i64,
    pub(in crate::store) moved_pages: i64,
}

/// The library's version, where it is one that can corrupt a log.
pub(in crate::store) fn unsound_library() -> Option<&'static str> {
    (rusqlite::version_number() < VERSION_MIN).then(rusqlite::version)
}

/// Opens a file as the store uses it.
pub(in crate::store) fn open(path: &Path, may_create: bool) -> Result<Connection> {
    let create = if may_create { OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::empty() };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | create | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Otherwise a value that a column is compared with is a reason to plan the statement anew at its next use.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    text_block::teach(&connection)?;
    if path.metadata().map_or(true, |meta| meta.len() == 0) {
        // Both count only in a file that is still empty, and before anything else. In any other it would take the
        // write lock for nothing: reading must not wait for whoever writes.
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    let page_bytes: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    for (name, value) in [
        ("journal_mode", "WAL"),
        // NORMAL loses acknowledged commits at a power cut; FULL does not.
        ("synchronous", synchronous()),
        ("foreign_keys", "ON"),
        ("trusted_schema", "OFF"),
        // What the log is cut to once all of it is moved.
        ("journal_size_limit", &LOG_BYTES.to_string()),
        // The keeper moves the log on and minds its errors; this is the net below it.
        ("wal_autocheckpoint", &(LOG_NET_BYTES / page_bytes).to_string()),
        // The system's own cache stands behind it.
        ("cache_size", "-8192"),
        ("temp_store", "MEMORY"),
    ] {
        run_to_its_end(&connection, &format!("PRAGMA {name} = {value}"))?;
    }
    // Where a file system has no shared memory for the log, SQLite stays with the old mode and calls that no error.
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(failure(ffi::SQLITE_IOERR, format!("the journal stays in mode `{mode}`")));
    }
    Ok(Connection(Session::Sqlite(connection)))
}

/// Opens a file that is there as it is.
pub(in crate::store) fn open_as_it_is(path: &Path) -> Result<Connection> {
    let connection = rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    Ok(Connection(Session::Sqlite(connection)))
}

/// A database of the moment, for tests.
#[cfg(test)]
pub(in crate::store) fn in_memory() -> Result<Connection> {
    Ok(Connection(Session::Sqlite(rusqlite::Connection::open_in_memory()?)))
}

fn synchronous() -> &'static str {
    if Planted::SyncOff.is_in() {
        "OFF"
    } else if Planted::SyncNormal.is_in() {
        "NORMAL"
    } else {
        "FULL"
    }
}

/// A change to the write-ahead log answers first and writes afterwards, so whoever reads only the answer misses that
/// the disk refused.
fn run_to_its_end(connection: &rusqlite::Connection, pragma: &str) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(pragma)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// A failure with one of SQLite's codes, in words of ours.
pub(in crate::store) fn failure(code: i32, words: String) -> EngineError {
    EngineError::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(words)))
}

/// Whether a code says that something could not be read now, and not that it is damaged.
pub(in crate::store) fn is_passing_code(code: i32) -> bool {
    matches!(code, ffi::SQLITE_IOERR | ffi::SQLITE_NOMEM | ffi::SQLITE_CANTOPEN)
}

impl EngineError {
    /// What SQLite calls it, where it is SQLite's.
    pub(in crate::store) fn sqlite_code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            _ => None,
        }
    }
}

impl Connection {
    fn file(&self) -> Result<&rusqlite::Connection> {
        self.sqlite().ok_or_else(|| EngineError::unreadable("only a store in a file can do this"))
    }

    /// From now on it cannot write.
    pub(in crate::store) fn only_read(&self) -> Result<()> {
        let file = self.file()?;
        file.pragma_update(None, "query_only", true)?;
        // Several of these may be open, and the system's own cache stands behind each.
        Ok(file.pragma_update(None, "cache_size", READER_CACHE_KIB)?)
    }

    /// How long a statement waits for another process.
    pub(in crate::store) fn wait_at_most(&self, most: Duration) -> Result<()> {
        Ok(self.file()?.busy_timeout(most)?)
    }

    /// Says of which version its schema is.
    pub(in crate::store) fn set_schema_version(&self, version: i64) -> Result<()> {
        Ok(self.file()?.pragma_update(None, "user_version", version)?)
    }

    /// Reads the whole file; `ok`, or what is wrong with it first.
    pub(in crate::store) fn quick_check(&self) -> Result<String> {
        Ok(self.file()?.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?)
    }

    /// Moves what it can from the write-ahead log into the file: all of it, waiting for those who read; or what makes
    /// nobody wait.
    pub(in crate::store) fn move_log(&self, all: bool) -> Result<LogMoved> {
        let how = if all { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "PRAGMA wal_checkpoint(PASSIVE)" };
        Ok(self.file()?.query_row(how, [], |row| {
            Ok(LogMoved { was_busy: row.get::<_, i64>(0)? != 0, log_pages: row.get(1)?, moved_pages: row.get(2)? })
        })?)
    }

    /// Pages of the file.
    pub(in crate::store) fn pages(&self) -> Result<i64> {
        Ok(self.file()?.query_row("PRAGMA page_count", [], |row| row.get(0))?)
    }

    /// Pages of the file that are free.
    pub(in crate::store) fn free_pages(&self) -> Result<i64> {
        Ok(self.file()?.query_row("PRAGMA freelist_count", [], |row| row.get(0))?)
    }

    /// Shrinks the file by so many pages that are free.
    pub(in crate::store) fn give_back(&self, pages: i64) -> Result<()> {
        Ok(run_to_its_end(self.file()?, &format!("PRAGMA incremental_vacuum({pages})"))?)
    }

    /// Copies everything of one moment into a file that is there and empty, while others go on writing; `told` hears
    /// the share done. The copy is one file, without a log beside it.
    pub(in crate::store) fn copy_to(&self, to: &Path, mut told: impl FnMut(f64)) -> Result<()> {
        let mut target = rusqlite::Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // One snapshot for the whole copy: nothing makes it begin anew.
        let snapshot = self.snapshot()?;
        snapshot.query_row("SELECT count(*) FROM meta", [], |_| Ok(()))?;
        let backup = Backup::new(snapshot.file()?, &mut target)?;
        let mut busy = 0;
        loop {
            match backup.step(STEP_PAGES)? {
                StepResult::Done => break,
                StepResult::Busy | StepResult::Locked if busy < BUSY_STEPS_MAX => {
                    busy += 1;
                    std::thread::sleep(BUSY_PAUSE);
                }
                StepResult::More => {
                    let progress = backup.progress();
                    let left = f64::from(progress.remaining) / f64::from(progress.pagecount.max(1));
                    told(1.0 - left);
                }
                _ => return Err(failure(ffi::SQLITE_BUSY, "others kept the database to themselves".to_owned())),
            }
        }
        drop(backup);
        Ok(target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?)
    }

    /// Closes the file; whether it could be.
    pub(in crate::store) fn close(self) -> Result<()> {
        match self.0 {
            Session::Sqlite(connection) => connection.close().map_err(|(_, error)| error.into()),
            #[cfg(feature = "postgres")]
            Session::Postgres(_) => Ok(()),
        }
    }
}
