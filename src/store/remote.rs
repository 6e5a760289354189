//! A store in PostgreSQL: opened, decided for by one process, connected to again where the way to it was lost. What is
//! asked and written is the same as in a file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::acknowledged::Acknowledged;
use super::engine::{
    self, CommitWord, Connection, EngineError, OptionalExtension as _, POSTGRES_SCHEMA_VERSION as SCHEMA_VERSION,
    PostgresPlace,
};
use super::lease::{self, Lease, LeaseAnswer, LeaseKeeper, MemorySeen, NodeClock, NodeIdentity, NodeSession};
use super::open::{Access, DATABASE_FILE, LOCK_FILE, Opened, random_name, take_lock};
use super::private::make_directory;
use super::{Inner, NodeMark, Store, StoreError};
use crate::failpoint::Planted;

/// A session that ended holds its store a moment longer.
const HOLD_TRIES: u32 = 40;
const HOLD_PAUSE: Duration = Duration::from_millis(50);
/// Whoever writes beside the one that decides, and stands still in the middle of it, holds that one up no longer.
const BESIDE: &str = "SET idle_in_transaction_session_timeout = '8s'";
/// What became of a write is asked so often, so far apart.
const SETTLE_TRIES: u32 = 60;
const SETTLE_PAUSE: Duration = Duration::from_secs(1);
/// Whoever hears of what others commit looks so often whether the store is open still.
const HEAR_FOR: Duration = Duration::from_secs(1);
/// So often nothing may be heard in a row before it is looked whether the server answers.
const UNHEARD_MAX: u32 = 15;
/// After the way to the server was lost.
const HEAR_AGAIN: Duration = Duration::from_secs(1);

/// How to get to a store again.
#[derive(Debug)]
pub(super) struct RemoteStore {
    place: PostgresPlace,
    /// Of the process that decides.
    lease: Option<Lease>,
    /// Where that is one of several.
    keeper: Option<LeaseKeeper>,
    /// What this machine was told is written.
    acknowledged: Acknowledged,
    /// Claims deliveries, beside whoever writes; made when somebody claims first.
    claiming: Mutex<Option<Connection>>,
}

impl RemoteStore {
    fn new(
        place: PostgresPlace,
        lease: Option<Lease>,
        keeper: Option<LeaseKeeper>,
        acknowledged: Acknowledged,
    ) -> Self {
        Self { place, lease, keeper, acknowledged, claiming: Mutex::default() }
    }

    /// By what the sessions of this store are known.
    pub(super) fn mark(&self) -> &str {
        self.place.mark()
    }

    /// The session that claims deliveries; there when this returns.
    pub(super) fn claiming(&self, shown: &Path) -> Result<MutexGuard<'_, Option<Connection>>, StoreError> {
        let mut claiming = self.claiming.lock();
        claiming.take_if(|connection| connection.is_lost());
        if claiming.is_none() {
            let connected = Connection::to_postgres_to_claim(&self.place);
            *claiming = Some(connected.map_err(|error| StoreError::sql(shown, "connect to the store", error))?);
        }
        Ok(claiming)
    }

    pub(super) fn reader(&self, shown: &Path) -> Result<Connection, StoreError> {
        connect(&self.place, shown, false)
    }

    /// Connects whoever writes once more, where nobody else decides meanwhile, and the store has all that it had.
    pub(super) fn reconnect(&self, shown: &Path) -> Result<Connection, StoreError> {
        let connection = connect(&self.place, shown, true)?;
        let fail = |error| StoreError::sql(shown, "connect to the store again", error);
        let Some(lease) = &self.lease else {
            connection.execute_batch(BESIDE).map_err(fail)?;
            return Ok(connection);
        };
        // The server may not have seen yet that the session before is gone, and lets nobody write meanwhile.
        connection.end_writers(self.place.mark()).map_err(fail)?;
        let held = connection.prepare(&lease.fence()).and_then(|mut fence| fence.exists([])).map_err(fail)?;
        if !held && !Planted::FenceOff.is_in() {
            return Err(StoreError::SteppedDown { place: shown.to_owned() });
        }
        self.acknowledged.refuse_less(&connection, shown)?;
        connection.set_fence(lease.fence());
        Ok(connection)
    }

    /// Where it is, as it is shown.
    pub(super) fn shown(&self) -> PathBuf {
        PathBuf::from(self.place.shown())
    }

    /// A write was acknowledged.
    pub(super) fn note_committed(&self, connection: &Connection) {
        self.acknowledged.note_commit(connection);
    }

    /// Raised when another process decides; `None` where there is no other.
    pub(super) fn lost(&self) -> Option<watch::Receiver<bool>> {
        self.keeper.as_ref().map(|keeper| keeper.lost.subscribe())
    }

    /// What decides is another config now.
    pub(super) fn set_rules(&self, rules: &str) {
        if let Some(keeper) = &self.keeper {
            rules.clone_into(&mut keeper.rules.lock());
        }
    }
}

impl RemoteStore {
    /// Tells of what other processes commit, on a session of its own, for as long as the store is open.
    pub(super) fn hear_others(&self, store: &Arc<Inner>) -> Result<(), StoreError> {
        let (store, place, shown) = (Arc::downgrade(store), self.place.clone(), self.shown());
        let thread = std::thread::Builder::new().name("commits".to_owned());
        let failed = |source| StoreError::File { path: self.shown(), source };
        thread.spawn(move || hear(&store, &place, &shown)).map(|_| ()).map_err(failed)
    }
}

fn hear(store: &Weak<Inner>, place: &PostgresPlace, shown: &Path) {
    let (mut session, mut unheard): (Option<Connection>, u32) = (None, 0);
    // Not by the mark of those that hold the store: it looks a moment later whether that is open still.
    let listens = place.marked(&format!("{} listens", place.mark()));
    while store.strong_count() > 0 {
        let heard = match &session {
            Some(session) if !session.is_lost() => session.hears_of_others(place.mark(), HEAR_FOR),
            _ => {
                session = connect(&listens, shown, false).ok();
                // Something may have been said before it listened.
                session.as_ref().map_or(Ok(None), |session| session.listen().map(|()| Some(CommitWord::Anything)))
            }
        };
        match heard {
            Ok(Some(word)) => {
                unheard = 0;
                let Some(store) = store.upgrade() else { return };
                if word == CommitWord::Anything {
                    store.commits.send_modify(|count| *count += 1);
                }
                store.heard.count(word);
            }
            Ok(None) if session.is_some() => {
                // A way that is cut says nothing either.
                unheard += 1;
                if unheard % UNHEARD_MAX == 0 && session.as_ref().is_some_and(|session| !session.answers()) {
                    session = None;
                }
            }
            Ok(None) | Err(_) => {
                session = None;
                std::thread::sleep(HEAR_AGAIN);
            }
        }
    }
}

impl RemoteStore {
    /// Whether a transaction whose end was not heard was committed. Asked until the server answers: without that nobody
    /// can go on, neither by writing it again nor by taking it for written.
    pub(super) fn settle(&self, connection: &mut Connection, shown: &Path, number: &str) -> Result<bool, StoreError> {
        let mut last = None;
        for attempt in 0..SETTLE_TRIES {
            if attempt > 0 {
                std::thread::sleep(SETTLE_PAUSE);
            }
            let asked = self.reconnect(shown).and_then(|fresh| {
                let answer = fresh.was_committed(number);
                answer
                    .map(|answer| (fresh, answer))
                    .map_err(|error| StoreError::sql(shown, "see what became of a write", error))
            });
            match asked {
                Ok((fresh, Some(committed))) => {
                    *connection = fresh;
                    return Ok(committed);
                }
                Ok((_, None)) => {}
                Err(error) if error.is_passing() => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        let because = last.map(|error| format!(": {error}")).unwrap_or_default();
        let why =
            format!("nobody can say whether what was written last is there{because}; start again when it answers");
        Err(StoreError::Refused { place: shown.to_owned(), why })
    }
}

/// Where the tests put their stores, when they are to be in PostgreSQL: each state directory in a schema of its own.
#[cfg(debug_assertions)]
pub(super) fn of_tests(state_dir: &Path) -> Option<PostgresPlace> {
    let url = std::env::var("WIREWATCH_TEST_STORE").ok()?;
    let folder = std::path::absolute(state_dir).unwrap_or_else(|_| state_dir.to_owned());
    let name = xxhash_rust::xxh3::xxh3_64(folder.as_os_str().as_encoded_bytes());
    Some(PostgresPlace::read(&url).expect("a URL of a store").with_schema(&format!("t{name:016x}")))
}

pub(super) fn open(
    state_dir: &Path,
    place: &PostgresPlace,
    access: Access,
) -> Result<(Opened, RemoteStore), StoreError> {
    let shown = PathBuf::from(place.shown());
    let lock = if access.owns() { Some(lock_directory(state_dir)?) } else { None };
    let place = place.marked(&random_name());
    let mut connection = connect(&place, &shown, access != Access::Read)?;
    prepare(&mut connection, &place, &shown, access)?;
    let acknowledged =
        if access.owns() { Acknowledged::of(state_dir, &connection, &shown)? } else { Acknowledged::default() };
    let lease = if access.owns() { Some(take_now(&mut connection, place.mark(), &shown)?) } else { None };
    if let Some(lease) = &lease {
        connection.set_fence(lease.fence());
    } else if access != Access::Read {
        connection.execute_batch(BESIDE).map_err(|error| StoreError::sql(&shown, "connect to the store", error))?;
    }
    finish(state_dir, connection, RemoteStore::new(place, lease, None, acknowledged), lock, access)
}

/// What belongs to this machine alone is used by one process.
fn lock_directory(state_dir: &Path) -> Result<File, StoreError> {
    make_directory(state_dir)?;
    take_lock(&state_dir.join(LOCK_FILE))
}

/// Sees that there is a store of this program's schema; makes one where that is allowed.
fn prepare(connection: &mut Connection, place: &PostgresPlace, shown: &Path, access: Access) -> Result<(), StoreError> {
    let fail = |doing: &'static str| move |error: EngineError| StoreError::sql(shown, doing, error);
    let found = connection.schema_version().map_err(fail("read the schema's version"))?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::Newer { path: shown.to_owned(), found, known: SCHEMA_VERSION });
    }
    if found < SCHEMA_VERSION && !access.owns() {
        return Err(StoreError::not_current(shown, found, SCHEMA_VERSION));
    }
    if access.owns() {
        refuse_pooler(connection, place, shown)?;
        if found < SCHEMA_VERSION {
            make(connection).map_err(fail("make the schema"))?;
        }
    }
    Ok(())
}

fn finish(
    state_dir: &Path,
    connection: Connection,
    remote: RemoteStore,
    lock: Option<File>,
    access: Access,
) -> Result<(Opened, RemoteStore), StoreError> {
    let shown = PathBuf::from(remote.place.shown());
    let fail = |doing: &'static str| {
        let shown = shown.clone();
        move |error: EngineError| StoreError::sql(&shown, doing, error)
    };
    super::open::refuse_half_copied(&shown, &connection, access)?;
    let instance = connection
        .query_row("SELECT value FROM meta WHERE key = 'instance'", [], |row| row.get(0))
        .map_err(fail("read the instance name"))?;
    let epoch = connection
        .query_row("SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'epoch'", [], |row| row.get(0))
        .optional()
        .map_err(fail("read when it was restored"))?
        .unwrap_or(0);
    Ok((Opened { path: state_dir.join(DATABASE_FILE), connection, instance, epoch, lock }, remote))
}

/// A process that could decide for a store, and waits for its turn.
pub struct WaitingNode {
    state_dir: PathBuf,
    lock: File,
    acknowledged: Acknowledged,
    session: NodeSession,
}

/// Whose turn it is to decide.
pub enum NodeTurn {
    /// Another process decides.
    Theirs {
        /// Its name; none where it has none.
        node: String,
    },
    /// Nobody decides, and who did last did so by other rules than those of this process.
    OtherRules {
        /// Its name.
        node: String,
    },
    /// Nobody decides, and this process is none that does.
    Nobody,
    /// The server cannot be asked for now.
    Unknown {
        /// Why.
        why: String,
    },
    /// This process decides from now on, with the store to do so.
    Ours(Store),
}

impl WaitingNode {
    /// Takes the state directory and the name, and makes the store where there is none.
    ///
    /// # Errors
    /// [`StoreError`] where either is another process's, or the server is refused.
    pub fn enter(
        state_dir: &Path,
        place: &PostgresPlace,
        node: NodeIdentity,
        clock: NodeClock,
    ) -> Result<Self, StoreError> {
        let shown = PathBuf::from(place.shown());
        let lock = lock_directory(state_dir)?;
        let mark = random_name();
        let place = place.marked(&mark);
        let mut connection = connect(&place, &shown, true)?;
        prepare(&mut connection, &place, &shown, Access::Own)?;
        let acknowledged = Acknowledged::of(state_dir, &connection, &shown)?;
        let session = NodeSession::begin(place, shown, node, mark, clock)?;
        Ok(Self { state_dir: state_dir.to_owned(), lock, acknowledged, session })
    }

    /// As it is known where rights are written down.
    #[must_use]
    pub fn mark(&self) -> NodeMark {
        NodeMark { name: self.session.node.name.clone(), mark: self.session.mark.clone() }
    }

    /// The last line of what happened, as of its last [`Self::turn`].
    #[must_use]
    pub fn newest_change(&self) -> i64 {
        self.session.newest_change
    }

    /// The same with a config that was read again.
    pub fn set_rules(&mut self, rules: &str) {
        rules.clone_into(&mut self.session.node.rules);
    }

    /// Says that it is there and what it has seen, and takes its turn where nobody has it.
    ///
    /// # Errors
    /// [`StoreError`] where the server cannot be asked.
    pub fn turn(mut self, seen: MemorySeen) -> Result<(NodeTurn, Option<Self>), StoreError> {
        self.acknowledged.note_change(seen.change);
        let lease = match self.session.ask(seen) {
            Ok(LeaseAnswer::Given(lease)) => lease,
            Ok(LeaseAnswer::Held { node }) => return Ok((NodeTurn::Theirs { node }, Some(self))),
            Ok(LeaseAnswer::OtherRules { node }) => return Ok((NodeTurn::OtherRules { node }, Some(self))),
            Ok(LeaseAnswer::NotOurs) => return Ok((NodeTurn::Nobody, Some(self))),
            Err(error) if error.is_passing() => {
                return Ok((NodeTurn::Unknown { why: error.to_string() }, Some(self)));
            }
            Err(error) => return Err(error),
        };
        let Self { state_dir, lock, acknowledged, session } = self;
        let (place, shown) = (session.place.clone(), session.shown.clone());
        let keeper = session.keep(lease.clone())?;
        let connection = connect(&place, &shown, true)?;
        // It may be another server than the one that was followed.
        acknowledged.refuse_less(&connection, &shown)?;
        connection.set_fence(lease.fence());
        let remote = RemoteStore::new(place, Some(lease), Some(keeper), acknowledged);
        let (opened, remote) = finish(&state_dir, connection, remote, Some(lock), Access::Own)?;
        Ok((NodeTurn::Ours(Store::of(opened, Some(remote))), None))
    }
}

fn connect(place: &PostgresPlace, shown: &Path, writes: bool) -> Result<Connection, StoreError> {
    Connection::to_postgres(place, writes).map_err(|error| StoreError::sql(shown, "connect to the store", error))
}

/// A pooler that gives each transaction another session breaks what a session holds: what is set on one connection is
/// seen on another then, or is gone while that is busy.
fn refuse_pooler(connection: &Connection, place: &PostgresPlace, shown: &Path) -> Result<(), StoreError> {
    let fail = |error| StoreError::sql(shown, "see whether a pooler is between", error);
    let seen = |c: &Connection| -> engine::Result<Option<String>> {
        c.query_row("SELECT current_setting('wirewatch.probe', true)", [], |row| row.get(0))
    };
    let own = random_name();
    connection.execute_batch(&format!("SET wirewatch.probe = '{own}'")).map_err(fail)?;
    let other = connect(place, shown, false)?;
    let busy = other.snapshot().map_err(fail)?;
    let (theirs, ours) = (seen(&busy).map_err(fail)?, seen(connection).map_err(fail)?);
    if theirs.as_ref() == Some(&own) || ours.as_ref() != Some(&own) {
        let why = "a pooler between gives each transaction another session, and the store could be held by two; connect to the server itself, or let the pooler keep sessions (pool_mode = session)";
        return Err(StoreError::Refused { place: shown.to_owned(), why: why.to_owned() });
    }
    Ok(())
}

fn make(connection: &mut Connection) -> engine::Result<()> {
    let transaction = connection.transaction()?;
    // Another process may have made it since this one looked.
    let found = transaction.schema_version()?;
    if found < SCHEMA_VERSION {
        transaction.bring_schema_up(found)?;
    }
    if found == 0 {
        transaction.execute("INSERT INTO meta (key, value) VALUES ('instance', ?1)", [random_name()])?;
    }
    transaction.commit()
}

/// For a process that is not one of several: the store is its own, for as long as its session lasts.
fn take_now(connection: &mut Connection, mark: &str, shown: &Path) -> Result<Lease, StoreError> {
    let mut holder = None;
    for attempt in 0..HOLD_TRIES {
        if attempt > 0 {
            std::thread::sleep(HOLD_PAUSE);
        }
        let answer = lease::take(connection, None, mark);
        match answer.map_err(|error| StoreError::sql(shown, "take the lease", error))? {
            LeaseAnswer::Given(lease) => return Ok(lease),
            LeaseAnswer::Held { node } | LeaseAnswer::OtherRules { node } => holder = Some(node),
            // Only one with a name has roles.
            LeaseAnswer::NotOurs => {}
        }
    }
    Err(StoreError::Decided { place: shown.to_owned(), node: holder.filter(|node| !node.is_empty()) })
}

impl Store {
    /// What the sessions of this process are known by.
    #[must_use]
    pub fn session_mark(&self) -> Option<String> {
        self.0.remote.as_ref().map(|remote| remote.place.mark().to_owned())
    }

    /// Does something beside whoever writes, without waiting for the disk: what a server that falls over may forget.
    pub(super) fn beside<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> engine::Result<T>,
    ) -> Result<T, StoreError> {
        let fail = |error| StoreError::sql(self.place(), doing, error);
        let remote = self.0.remote.as_ref().ok_or_else(|| fail(EngineError::unreadable("a file has nobody beside")))?;
        let claiming = remote.claiming(self.place())?;
        work(claiming.as_ref().expect("invariant: it was connected just now")).map_err(fail)
    }

    /// What the store takes on its server.
    pub(super) fn remote_bytes(&self) -> Result<u64, StoreError> {
        self.read("see how large the store is", |c| {
            let sizes = "SELECT CAST(coalesce(sum(pg_total_relation_size(c.oid)), 0) AS BIGINT) FROM pg_class c
                         JOIN pg_namespace n ON n.oid = c.relnamespace
                         WHERE n.nspname = current_schema() AND c.relkind = 'r'";
            c.query_row(sizes, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
        })
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
