//! What can go wrong with the store, by what the operator does about it.

use std::path::{Path, PathBuf};

use super::engine::EngineError;
use super::engine::sqlite::ErrorCode;
use crate::files::descriptors_are_short;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The state directory cannot be made or used.
    #[error("use the state directory {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Other users may write to the state directory.
    #[error(
        "use the state directory {path}: other users may write to it (mode {mode:03o}) and could put another database there; run: chmod go-w {path}, or set a `state_dir` of its own"
    )]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file beside the database, such as a backup, cannot be read or written.
    #[error("use the file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no store where one is needed for reading.
    #[error("find a store at {path}: nothing was ingested with this state directory yet")]
    Missing {
        /// The database file.
        path: PathBuf,
    },
    /// Another instance holds the store.
    #[error("lock {path}: another wirewatch{} is using this state directory", holder.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Its process id, as it wrote it.
        holder: Option<String>,
    },
    /// Another process decides for this store.
    #[error("hold {place}: {} decides for this store; give each process a `[node] name`, and the others stand by", node.as_ref().map_or_else(|| "another wirewatch".to_owned(), |node| format!("the node `{node}`")))]
    Decided {
        /// The database.
        place: PathBuf,
        /// Its name, where it has one.
        node: Option<String>,
    },
    /// Another process has taken this one's place.
    #[error("write to {place}: another process decides for this store now")]
    SteppedDown {
        /// The database.
        place: PathBuf,
    },
    /// The database was written by a newer program.
    #[error("open {path}: its schema is version {found}, this program knows up to {known}; upgrade wirewatch")]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Version in the file.
        found: i64,
        /// Newest version this program knows.
        known: i64,
    },
    /// The database was written by an older program, and only whoever holds it brings it up to date.
    #[error("open {path}: its schema is version {found}, this program needs {known}")]
    Older {
        /// The database file.
        path: PathBuf,
        /// Version in the file.
        found: i64,
        /// The version this program needs.
        known: i64,
    },
    /// The file is no database, or damaged. It is never recreated over the old one.
    #[error("open {path}: the database is damaged ({detail}); put a backup in its place with `wirewatch restore FILE`")]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What the check said.
        detail: String,
    },
    /// The database is gone, and its log is still there: what was in it is not to be begun anew.
    #[error("open {path}: the database is gone, but its log beside it ({}-wal) is there, which is of no use without it", path.display())]
    Half {
        /// The database file.
        path: PathBuf,
    },
    /// A restore was cut short; whoever owns the store carries it through.
    #[error("open {path}: a restore was cut short and is not finished")]
    Restoring {
        /// The database file.
        path: PathBuf,
    },
    /// The SQLite library has a bug that can corrupt the log.
    #[error("use SQLite {version}: versions before 3.51.3 can corrupt a write-ahead log")]
    Library {
        /// The library's version.
        version: String,
    },
    /// The disk is full.
    #[error("{doing}: no space left for {path}; free some, nothing is lost meanwhile")]
    Full {
        /// The database file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// The process may open no further files, or there is no memory: nothing is wrong with the disk.
    #[error("{doing}: too few file descriptors or too little memory for {path}; work waits until there are more")]
    Shortage {
        /// The database file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// Another program holds a lock on the database for too long.
    #[error("{doing}: {path} is locked by another program")]
    Busy {
        /// The database file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// Reading or writing the disk failed: what SQLite believes can no longer be trusted.
    #[error("{doing}: disk error on {path}: {source}")]
    Disk {
        /// The database file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: EngineError,
    },
    /// The database's server, or what is in it, cannot hold a store.
    #[error("use {place}: {why}")]
    Refused {
        /// The database.
        place: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// The database's server does not answer.
    #[error("{doing}: {place} does not answer: {source}; work waits until it does")]
    Unreachable {
        /// The database.
        place: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: EngineError,
    },
    /// What a store in a file can do, and one on a server leaves to the server.
    #[error("{doing}: the store is in {place}; {instead}")]
    Elsewhere {
        /// The database.
        place: PathBuf,
        /// What was to be done.
        doing: &'static str,
        /// What does it there.
        instead: &'static str,
    },
    /// Any other failure of a statement: a bug, or a database changed by hand.
    #[error("{doing} in {path}: {source}")]
    Sql {
        /// The database file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: EngineError,
    },
}

impl StoreError {
    /// A server that was put in the place of another has not all that was acknowledged: what was told already would be
    /// told again, under other numbers.
    pub(super) fn behind(place: &Path) -> Self {
        let why = "it has lost what it acknowledged, as a server does that stood by asynchronously; go back to the one before, and \
                   let synchronous standbys take over; or, to go on from what is there, remove the file wirewatch.acknowledged from the \
                   state directory";
        Self::Refused { place: place.to_owned(), why: why.to_owned() }
    }

    /// There is no store yet, or one of an older schema.
    pub(super) fn not_current(place: &Path, found: i64, known: i64) -> Self {
        let path = place.to_owned();
        if found == 0 { Self::Missing { path } } else { Self::Older { path, found, known } }
    }

    /// Sorts an error of the database by what it asks of the operator.
    pub(super) fn sql(path: &Path, doing: &'static str, source: EngineError) -> Self {
        let path = path.to_owned();
        match source {
            EngineError::Refused(why) => return Self::Refused { place: path, why },
            EngineError::SteppedDown => return Self::SteppedDown { place: path },
            #[cfg(feature = "postgres")]
            EngineError::NotNow(_) => return Self::Unreachable { place: path, doing, source },
            _ => {}
        }
        #[cfg(feature = "postgres")]
        if matches!(source, EngineError::Postgres(_)) {
            return Self::postgres(path, doing, source);
        }
        match source.sqlite_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path, doing },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path, doing },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path, detail: source.to_string() }
            }
            Some(ErrorCode::OutOfMemory) => Self::Shortage { path, doing },
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) if descriptors_are_short() => {
                Self::Shortage { path, doing }
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
                Self::Disk { path, doing, source }
            }
            _ => Self::Sql { path, doing, source },
        }
    }

    /// Sorts what PostgreSQL says, by the classes of its codes.
    #[cfg(feature = "postgres")]
    fn postgres(path: PathBuf, doing: &'static str, source: EngineError) -> Self {
        let state = source.sql_state().unwrap_or_default();
        match (state.get(..2).unwrap_or_default(), state.as_str()) {
            (_, "53100") => Self::Full { path, doing },
            ("53", _) => Self::Shortage { path, doing },
            ("40", _) | (_, "55P03" | "57014") => Self::Busy { path, doing },
            ("XX", "XX001" | "XX002") => Self::Corrupt { path, detail: source.to_string() },
            ("28" | "3D", _) | (_, "42501") => Self::Refused { place: path, why: source.to_string() },
            // Without a code it is the way to the server that failed.
            ("" | "08" | "57", _) | (_, "25006") => Self::Unreachable { place: path, doing, source },
            _ if source.ends_session() => Self::Unreachable { place: path, doing, source },
            _ => Self::Sql { path, doing, source },
        }
    }

    /// Whether the same transaction may succeed later, with nothing lost in between.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Busy { .. } | Self::Shortage { .. } | Self::Unreachable { .. })
    }
}
