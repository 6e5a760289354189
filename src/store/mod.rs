//! [4] SQLite, and the only user of it: what is accepted is in one transaction, fsynced, before anybody
//! is told. `open` refuses what cannot be trusted, `apply` is the one write of the pipeline, `outbox`
//! belongs to delivery, `recall` rebuilds the memory, `browse` answers the read commands.

#[cfg(feature = "postgres")]
mod acknowledged;
mod actions;
mod activity;
mod alerts;
mod apply;
mod backup;
mod browse;
mod care;
mod changes;
#[cfg(feature = "postgres")]
mod claims;
mod conditions;
mod copy;
mod corrections;
pub mod engine;
mod error;
mod feeds;
mod followed;
mod glance;
mod history;
#[cfg(feature = "postgres")]
mod hub_feeds;
mod ids;
#[cfg(feature = "postgres")]
mod inbox;
#[cfg(feature = "postgres")]
mod inbox_batches;
mod items;
mod labels;
#[cfg(feature = "postgres")]
mod lease;
mod membership;
#[cfg(test)]
mod membership_tests;
mod nodes;
mod notes;
#[cfg(all(test, feature = "postgres"))]
mod on_a_server_tests;
mod open;
mod operators;
pub mod outbox;
#[cfg(feature = "postgres")]
mod poll_leases;
mod private;
mod prune;
#[cfg(test)]
mod prune_tests;
mod pushes;
mod recall;
mod rejections;
#[cfg(feature = "postgres")]
mod remote;
mod restoring;
#[cfg(test)]
mod schema_tests;
mod search;
mod search_parts;
#[cfg(test)]
mod search_parts_tests;
#[cfg(feature = "postgres")]
mod search_postgres;
#[cfg(test)]
mod search_tests;
mod seeds;
mod silences;
mod snapshot;
mod stories;
mod subscriptions;
mod syndication;
mod tell;
mod texts;
#[cfg(test)]
mod texts_tests;
mod told;
mod topic_figures;
mod totals;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use engine::{CommitWord, Connection, EngineError, Transaction};

pub use actions::{ActionNote, ActionRecord, note_action};
pub use activity::{Activity, TopicActivity};
pub use apply::BatchWrite;
pub use backup::{BackupMade, Restored, restore};
pub use browse::{AlertFilter, AlertRecord, ItemFilter, ItemLine, ItemRecord, ListPart, RevisionRecord};
pub use care::{Checkpointed, Standing};
pub use changes::{ChangeKind, ChangeRow, ChangesKept};
pub use copy::StoreCopied;
pub use corrections::{Correction, CorrectionRecord, TellOutcome, UntoldEndpoint};
pub use engine::sqlite::LOG_BYTES;
pub use error::StoreError;
pub use feeds::FailureTotal;
pub use followed::FollowedMemory;
pub use glance::{AlsoHeadline, DayTally, HourTally, LastAlert, StoryGlance, StoryTopic};
pub use history::{PAGE_ITEMS, PastCopy, PastItem};
#[cfg(feature = "postgres")]
pub use hub_feeds::HubFeedNews;
#[cfg(feature = "postgres")]
pub use inbox::{InboxOutcome, InboxPush};
#[cfg(feature = "postgres")]
pub use inbox_batches::{
    BatchContents, InboxBatch, PollLease, RelayedCursor, WaitingBatch, is_all_that_is_read_at_once,
};
pub use labels::{ItemLabel, LabelledItem, Relevance};
#[cfg(feature = "postgres")]
pub use lease::{MemorySeen, NodeClock, NodeIdentity};
pub use nodes::{NodeRecord, NodeRole};
pub use open::{Access, DATABASE_FILE, LOCK_FILE, lock_holder};
pub use operators::SearchProblem;
#[cfg(feature = "postgres")]
pub use poll_leases::NodeMark;
pub use prune::{Ages, Pruned, Pruning};
pub use pushes::StoredPush;
pub use rejections::RejectionTotal;
#[cfg(feature = "postgres")]
pub use remote::{NodeTurn, WaitingNode};
pub use search::{Hit, SearchQuery};
pub use silences::{HeldBack, PastAlert, SilenceRecord};
pub use snapshot::{RecalledFrom, SNAPSHOT_FILE, SnapshotKept};
pub use stories::{StoryEvent, StoryFilter, StoryLine, StoryRecord, Why};
pub use syndication::{StoryReport, StoryReports};
pub use tell::{AskedTell, StoryHearing};
pub use texts::put_texts;
pub use topic_figures::{RuleHits, TopicFigures, TopicLabels};
pub use totals::Totals;

/// A cheap handle to the store: one connection writes, a few read.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    /// The database file; its folder holds what else is remembered here, wherever the database is.
    path: PathBuf,
    /// What it is called where something is told of it.
    place: PathBuf,
    #[cfg(feature = "postgres")]
    remote: Option<remote::RemoteStore>,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    /// Looks whether anybody committed; made when somebody asks first.
    looker: Mutex<Option<Connection>>,
    instance: String,
    epoch: i64,
    /// Items and copies stored since it was opened.
    arrivals: AtomicU64,
    /// Counts commits, for who waits for the next.
    commits: watch::Sender<u64>,
    /// Counts those of other processes, where they are heard of, by what they are about.
    heard: CommitsHeard,
    /// Held as long as the store is open for ingest; the kernel lets go of it when the process dies.
    _lock: Option<std::fs::File>,
}

/// Commits of other processes that were heard of: those that may be about anything count for whoever waits.
#[derive(Default)]
struct CommitsHeard {
    anything: watch::Sender<u64>,
    fetched: watch::Sender<u64>,
    pushed: watch::Sender<u64>,
    answered: watch::Sender<u64>,
}

impl CommitsHeard {
    #[cfg(feature = "postgres")]
    fn count(&self, word: CommitWord) {
        let Self { anything, fetched, pushed, answered } = self;
        let concerned: &[_] = match word {
            CommitWord::Anything => &[anything, fetched, pushed, answered],
            CommitWord::Fetched => &[fetched],
            CommitWord::Pushed => &[pushed],
            CommitWord::Answered => &[answered],
            CommitWord::Nothing => &[],
        };
        for one in concerned {
            one.send_modify(|count| *count += 1);
        }
    }
}

/// Idle read connections kept for reuse.
const READERS_IDLE_MAX: usize = 4;
/// A stop waits no longer than this for others that read the log.
const CLOSE_BUSY_TIMEOUT: Duration = Duration::from_millis(100);

impl Store {
    /// Does something with the store off the runtime's threads: everything that it does may block.
    pub async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> T {
        let store = self.clone();
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(done) => done,
            // The runtime is shutting down, and nobody waits for an answer; or a bug, which goes on up.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Opens the store in a state directory, creating or migrating it where `access` allows.
    ///
    /// # Errors
    /// [`StoreError`] when the directory or file cannot be used, is held by another instance, is newer
    /// than this program, or is damaged.
    pub fn open(state_dir: &Path, access: Access) -> Result<Self, StoreError> {
        #[cfg(all(feature = "postgres", debug_assertions))]
        if let Some(place) = remote::of_tests(state_dir) {
            return Self::open_remote(state_dir, &place, access);
        }
        let opened = open::open(state_dir, access)?;
        #[cfg(feature = "postgres")]
        let store = Self::of(opened, None);
        #[cfg(not(feature = "postgres"))]
        let store = Self::of(opened);
        Ok(store)
    }

    /// Opens a store in PostgreSQL; the state directory holds what belongs to this machine alone.
    ///
    /// # Errors
    /// [`StoreError`] when the server cannot be reached or is refused, the store is held by another instance, or is
    /// newer than this program.
    #[cfg(feature = "postgres")]
    pub fn open_remote(state_dir: &Path, place: &engine::PostgresPlace, access: Access) -> Result<Self, StoreError> {
        let (opened, remote) = remote::open(state_dir, place, access)?;
        Ok(Self::of(opened, Some(remote)))
    }

    fn of(opened: open::Opened, #[cfg(feature = "postgres")] remote: Option<remote::RemoteStore>) -> Self {
        let place = opened.path.clone();
        #[cfg(feature = "postgres")]
        let place = remote.as_ref().map_or(place, remote::RemoteStore::shown);
        Self(Arc::new(Inner {
            place,
            path: opened.path,
            #[cfg(feature = "postgres")]
            remote,
            writer: Mutex::new(opened.connection),
            readers: Mutex::new(Vec::new()),
            looker: Mutex::new(None),
            instance: opened.instance,
            epoch: opened.epoch,
            arrivals: AtomicU64::new(0),
            commits: watch::Sender::new(0),
            heard: CommitsHeard::default(),
            _lock: opened.lock,
        }))
    }

    /// Says when another process has taken this one's place; never, where there is no other.
    pub async fn stepped_down(&self) {
        #[cfg(feature = "postgres")]
        if let Some(mut lost) = self.0.remote.as_ref().and_then(remote::RemoteStore::lost)
            && lost.wait_for(|lost| *lost).await.is_ok()
        {
            return;
        }
        #[cfg(not(feature = "postgres"))]
        let _ = self;
        std::future::pending::<()>().await;
    }

    /// What decides is another config from now on, for those who stand by.
    pub fn set_rules(&self, rules: &str) {
        #[cfg(feature = "postgres")]
        if let Some(remote) = &self.0.remote {
            remote.set_rules(rules);
        }
        // A file has nobody that stands by.
        #[cfg(not(feature = "postgres"))]
        let _ = (self, rules);
    }

    /// Whether the database is a file of this machine.
    #[must_use]
    pub fn is_file(&self) -> bool {
        #[cfg(feature = "postgres")]
        return self.0.remote.is_none();
        #[cfg(not(feature = "postgres"))]
        true
    }

    fn elsewhere(&self, doing: &'static str, instead: &'static str) -> Result<(), StoreError> {
        if self.is_file() { Ok(()) } else { Err(StoreError::Elsewhere { place: self.0.place.clone(), doing, instead }) }
    }

    /// The random name this store got when it was made: a part of every alert id.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.0.instance
    }

    /// When it was last restored from a backup, 0: never. What whoever reads along saw before is not of its past.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.0.epoch
    }

    /// Items and copies stored since it was opened: how busy ingest is, for what gives way to it.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        self.0.arrivals.load(Ordering::Relaxed)
    }

    fn count_arrivals(&self, more: u64) {
        self.0.arrivals.fetch_add(more, Ordering::Relaxed);
    }

    /// Says when this process committed something; what others commit, only after [`Self::hear_others`].
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.0.commits.subscribe()
    }

    /// Says when another process committed something, after [`Self::hear_others`]; not where it is about the inbox alone.
    #[must_use]
    pub fn commits_of_others(&self) -> watch::Receiver<u64> {
        self.0.heard.anything.subscribe()
    }

    /// Says when another process put into the inbox what it fetched, or committed anything else.
    #[must_use]
    pub fn heard_fetched(&self) -> watch::Receiver<u64> {
        self.0.heard.fetched.subscribe()
    }

    /// Says when another process put into the inbox what was pushed there, or committed anything else.
    #[must_use]
    pub fn heard_pushed(&self) -> watch::Receiver<u64> {
        self.0.heard.pushed.subscribe()
    }

    /// Says when another process answered something of the inbox, or committed anything else.
    #[must_use]
    pub fn heard_answered(&self) -> watch::Receiver<u64> {
        self.0.heard.answered.subscribe()
    }

    /// From here on it is heard of what other processes commit, where the database tells; a file does not.
    ///
    /// # Errors
    /// [`StoreError`] where the system has no thread for it.
    pub fn hear_others(&self) -> Result<(), StoreError> {
        #[cfg(feature = "postgres")]
        if let Some(remote) = &self.0.remote {
            return remote.hear_others(&self.0);
        }
        #[cfg(not(feature = "postgres"))]
        let _ = self;
        Ok(())
    }

    /// What it is called where something is told of it: the database file, or where its server is.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.0.place
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Runs one write transaction: all of it or nothing, on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`] from the closure or the commit; nothing was written then.
    pub fn write<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, EngineError>,
    ) -> Result<T, StoreError> {
        self.write_saying(CommitWord::Anything, doing, work)
    }

    /// The same, where other processes are told what it is about, and those look whom it concerns.
    fn write_saying<T>(
        &self,
        word: CommitWord,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, EngineError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.writer();
        let fail = |error| StoreError::sql(&self.0.place, doing, error);
        #[cfg(feature = "postgres")]
        if let Some(remote) = &self.0.remote {
            connection.begin_ahead();
            if connection.is_lost() {
                *connection = remote.reconnect(&self.0.place)?;
            }
        }
        let transaction = connection.transaction().map_err(fail)?;
        let value = work(&transaction).map_err(fail)?;
        if let Err(error) = transaction.commit_saying(word) {
            self.settle(&mut connection, fail(error))?;
        }
        #[cfg(feature = "postgres")]
        if let Some(remote) = &self.0.remote {
            remote.note_committed(&connection);
        }
        self.0.commits.send_modify(|count| *count += 1);
        Ok(value)
    }

    /// What a commit that failed came to. Where the way to a server broke while it was under way, it may have been made
    /// all the same: then what was written is there, and to write it once more would be wrong.
    #[cfg_attr(not(feature = "postgres"), expect(clippy::unused_self, reason = "a file answers always"))]
    fn settle(&self, connection: &mut Connection, failure: StoreError) -> Result<(), StoreError> {
        #[cfg(feature = "postgres")]
        if let (Some(remote), Some(number)) = (&self.0.remote, connection.last_number())
            && connection.is_lost()
            && remote.settle(connection, &self.0.place, &number)?
        {
            return Ok(());
        }
        #[cfg(not(feature = "postgres"))]
        let _ = connection;
        Err(failure)
    }

    /// Runs a read on a connection of its own; it sees the last commit and blocks nobody.
    ///
    /// # Errors
    /// [`StoreError`] from the closure or from opening the connection.
    pub fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, EngineError>,
    ) -> Result<T, StoreError> {
        let mut idle = self.0.readers.lock().pop();
        idle.take_if(|connection| !connection.answers());
        let connection = match idle {
            Some(connection) => connection,
            None => self.reader()?,
        };
        let value = work(&connection).map_err(|error| StoreError::sql(&self.0.place, doing, error))?;
        let mut readers = self.0.readers.lock();
        if readers.len() < READERS_IDLE_MAX {
            readers.push(connection);
        }
        Ok(value)
    }

    /// A number that is another one after any commit, whoever made it; good for as long as this store is open.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be looked at.
    pub fn version(&self) -> Result<i64, StoreError> {
        let mut looker = self.0.looker.lock();
        let connection = match looker.take() {
            Some(connection) => connection,
            None => self.reader()?,
        };
        // SQLite says of others what this connection has not seen: so it must always be the same one.
        let version = connection.data_version();
        let version = version.map_err(|error| StoreError::sql(&self.0.place, "look for commits", error))?;
        *looker = Some(connection);
        Ok(version)
    }

    fn reader(&self) -> Result<Connection, StoreError> {
        #[cfg(feature = "postgres")]
        if let Some(remote) = &self.0.remote {
            return remote.reader(&self.0.place);
        }
        open::reader(&self.0.path)
    }

    /// Moves the write-ahead log into the database file, for a clean stop: the next start trusts it.
    ///
    /// # Errors
    /// [`StoreError`] when the checkpoint failed.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        if !self.is_file() {
            return Ok(());
        }
        let connection = self.writer();
        let close = |c: &Connection| {
            // Whoever else reads the log, such as a replica that follows it, may do so for good: what is in it
            // stays there then, and the next start takes it from there.
            c.wait_at_most(CLOSE_BUSY_TIMEOUT)?;
            c.execute(
                "INSERT INTO meta (key, value) VALUES ('stopped', 'clean')
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [],
            )?;
            c.move_log(true).map(|_| ())
        };
        close(&connection).map_err(|error| StoreError::sql(&self.0.path, "checkpoint the write-ahead log", error))
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        // A panic inside a transaction rolled it back: the connection is sound.
        self.0.writer.lock()
    }
}
