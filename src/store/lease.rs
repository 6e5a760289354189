//! Who decides, where several processes could: one row of the database says which, until when, on the server's clock.
//! Every write of the one that decides asks for that row first, in its own transaction: a process that was paused, cut
//! off or slow while another took its place writes nothing any more.
//!
//! A process that is one of several has a name, held by a session of its own, which renews the lease as well.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::engine::{self, Connection, EngineError, OptionalExtension as _, PostgresPlace, params};
use super::nodes::has_session;
use super::{NodeRole, StoreError};
use crate::failpoint::Planted;
use crate::model::Timestamp;

/// How long a lease lasts that is not renewed.
const LEASE_MS: i64 = 10_000;
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// After a renewal that failed for a reason that may pass.
const RENEW_AGAIN: Duration = Duration::from_secs(1);
/// A process alone on its store holds it for as long as it has a session.
const FOR_GOOD: i64 = i64::MAX;
/// A session that ended holds its locks a moment longer.
const NAME_TRIES: u32 = 40;
const NAME_PAUSE: Duration = Duration::from_millis(50);
/// Nothing is sent: that nobody could any more is what is heard.
const STOPS_WAITING_MAX: usize = 1;
/// Among the advisory locks of a database, the names of processes.
const NAMES: i32 = 0x7769_726e;
/// The server's clock, in milliseconds.
pub(super) const NOW: &str = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";

/// The right to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    epoch: i64,
    /// The process it was given to.
    mark: String,
}

impl Lease {
    /// What each transaction of its holder asks first. Renewing changes nothing of the key (`epoch`), so it waits for no
    /// write; giving the lease to another one does, and waits for all of them.
    pub(super) fn fence(&self) -> String {
        let Self { epoch, mark } = self;
        format!("SELECT 'held' FROM lease WHERE epoch = {epoch} AND mark = '{mark}' FOR KEY SHARE")
    }
}

/// Whether somebody has the lease: it has not run out, and its holder has a session.
fn is_held() -> String {
    format!("(l.until_at > {NOW} AND {})", has_session("l.mark"))
}

/// What asking for the lease gave.
#[derive(Debug)]
pub(super) enum LeaseAnswer {
    Given(Lease),
    /// Another process has it; without a name it is one that is alone on its store.
    Held {
        node: String,
    },
    /// It is free, and who had it decided by other rules.
    OtherRules {
        node: String,
    },
    /// It is free, and this process is none that decides.
    NotOurs,
}

/// Takes the lease where it is free: never given, run out, given back, or its holder has no session any more.
pub(super) fn take(
    connection: &mut Connection,
    node: Option<&NodeIdentity>,
    mark: &str,
) -> engine::Result<LeaseAnswer> {
    let standing = format!(
        "SELECT l.epoch, l.node, l.mark, l.rules, CASE WHEN {} THEN 0 ELSE 1 END AS is_free FROM lease l",
        is_held()
    );
    let found: Option<(i64, String, String, String, bool)> = connection
        .prepare_cached(&standing)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let minds = node.filter(|node| !node.takes_over_with_other_rules);
    let epoch_before = match found {
        Some((_, node, _, _, false)) => return Ok(LeaseAnswer::Held { node }),
        _ if node.is_some_and(|node| !node.roles.contains(&NodeRole::Decide)) => return Ok(LeaseAnswer::NotOurs),
        Some((_, before, _, rules, true))
            if !rules.is_empty() && minds.is_some_and(|node| node.name != before && node.rules != rules) =>
        {
            return Ok(LeaseAnswer::OtherRules { node: before });
        }
        Some((epoch, _, mark_before, _, true)) => {
            // A process that stands still in the middle of a write holds what is needed here.
            end_sessions(connection, &mark_before)?;
            epoch
        }
        None => 0,
    };
    let until = if node.is_some() { format!("{NOW} + {LEASE_MS}") } else { FOR_GOOD.to_string() };
    let give = format!(
        "INSERT INTO lease (only_row, epoch, node, mark, rules, taken_at, until_at) VALUES (1, 1, ?1, ?2, ?4, {NOW}, {until})
         ON CONFLICT (only_row) DO UPDATE SET epoch = lease.epoch + 1, node = excluded.node, mark = excluded.mark,
             rules = excluded.rules, taken_at = excluded.taken_at, until_at = excluded.until_at WHERE lease.epoch = ?3 RETURNING epoch"
    );
    let (name, rules) = node.map_or(("", ""), |node| (node.name.as_str(), node.rules.as_str()));
    let transaction = connection.transaction()?;
    let given: Option<i64> = transaction
        .prepare_cached(&give)?
        .query_row(params![name, mark, epoch_before, rules], |row| row.get(0))
        .optional()?;
    transaction.commit()?;
    Ok(match given {
        Some(epoch) => LeaseAnswer::Given(Lease { epoch, mark: mark.to_owned() }),
        // Somebody was quicker.
        None => LeaseAnswer::Held { node: String::new() },
    })
}

/// Ends the sessions of a process that has lost its lease, or this one's own from before.
fn end_sessions(connection: &Connection, mark: &str) -> engine::Result<()> {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE application_name = 'wirewatch ' || ?1 AND usename = current_user AND pid <> pg_backend_pid()";
    connection.query_row(end, [mark], |_| Ok(()))
}

/// How far the memory of a process that waits has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemorySeen {
    /// The last line of what happened that it has.
    pub change: i64,
    /// How long ago it had everything; `None`: never yet.
    pub ago: Option<Duration>,
}

/// The time as a process sees it, held against the server's.
#[derive(Clone)]
pub struct NodeClock {
    /// Its machine's.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Hears by how many milliseconds that is ahead of the server's.
    pub correct: Arc<dyn Fn(i64) + Send + Sync>,
}

/// A process among several that may decide for a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeIdentity {
    /// Its name, which no other has.
    pub name: String,
    /// Where it serves, if it does.
    pub address: Option<String>,
    /// What it may do.
    pub roles: Vec<NodeRole>,
    /// Which seed directory it sees: the same text from whoever sees the same one; empty: none.
    pub seeds: String,
    /// Where it polls from.
    pub regions: Vec<String>,
    /// What of its config decides, as a hash.
    pub rules: String,
    /// Whether it decides by rules that differ from those of the one before.
    pub takes_over_with_other_rules: bool,
}

/// The session that a named process is known by: holds the name, tells of it, and renews the lease.
pub(super) struct NodeSession {
    pub(super) place: PostgresPlace,
    pub(super) shown: PathBuf,
    pub(super) node: NodeIdentity,
    pub(super) mark: String,
    clock: NodeClock,
    connection: Connection,
    /// The last line of what happened, as it was when this process last said that it is there.
    pub(super) newest_change: i64,
}

impl NodeSession {
    /// # Errors
    /// [`StoreError::Refused`] where another process goes by that name.
    pub(super) fn begin(
        place: PostgresPlace,
        shown: PathBuf,
        node: NodeIdentity,
        mark: String,
        clock: NodeClock,
    ) -> Result<Self, StoreError> {
        let connection = named(&place, &shown, &node.name)?;
        Ok(Self { place, shown, node, mark, clock, connection, newest_change: 0 })
    }

    fn fail(&self, doing: &'static str) -> impl Fn(EngineError) -> StoreError + use<> {
        let shown = self.shown.clone();
        move |error| StoreError::sql(&shown, doing, error)
    }

    /// Asks for the lease, and says that this process is there.
    pub(super) fn ask(&mut self, seen: MemorySeen) -> Result<LeaseAnswer, StoreError> {
        if self.connection.is_lost() {
            self.connection = named(&self.place, &self.shown, &self.node.name)?;
        }
        let fail = self.fail("say that this process is there");
        if let Some(node) = self.be_there(seen).map_err(fail)? {
            return Ok(LeaseAnswer::Held { node });
        }
        let fail = self.fail("take the lease");
        take(&mut self.connection, Some(&self.node), &self.mark).map_err(fail)
    }

    /// Says that this process is there; gives who decides, if anybody does. One statement, since it is what waiting costs.
    fn be_there(&mut self, seen: MemorySeen) -> engine::Result<Option<String>> {
        let there = format!(
            "INSERT INTO nodes (name, version, rules, roles, address, seeds, mark, regions, change_seen, current_at, clock_apart, started_at, seen_at)
             VALUES (?1, ?2, ?3, ?8, ?4, ?9, ?10, ?11, ?5, {NOW} - greatest(?7, 0), ?6 - {NOW}, {NOW}, {NOW})
             ON CONFLICT (name) DO UPDATE SET version = excluded.version, rules = excluded.rules, roles = excluded.roles,
                 address = excluded.address,
                 seeds = excluded.seeds, regions = excluded.regions, mark = excluded.mark,
                 reaches = CASE WHEN nodes.mark = excluded.mark THEN nodes.reaches ELSE 1 END,
                 change_seen = excluded.change_seen, clock_apart = excluded.clock_apart, seen_at = excluded.seen_at,
                 current_at = CASE WHEN ?7 < 0 THEN nodes.current_at ELSE excluded.current_at END
             RETURNING clock_apart, (SELECT coalesce(max(seq), 0) FROM changes), (SELECT l.node FROM lease l WHERE {})",
            is_held()
        );
        let NodeIdentity { name, roles, rules, address, seeds, regions, .. } = &self.node;
        let roles = roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",");
        let regions = regions.join(",");
        let (address, now) = (address.as_deref().unwrap_or_default(), (self.clock.now)().millis());
        let mut statement = self.connection.prepare_cached(&there)?;
        let ago = seen.ago.map_or(-1, |ago| i64::try_from(ago.as_millis()).unwrap_or(i64::MAX));
        let version = env!("CARGO_PKG_VERSION");
        let params = params![name, version, rules, address, seen.change, now, ago, roles, seeds, self.mark, regions];
        let (ahead_ms, newest_change, decides): (i64, i64, Option<String>) =
            statement.query_row(params, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        (self.clock.correct)(ahead_ms);
        self.newest_change = newest_change;
        Ok(decides)
    }

    /// From here on it renews the lease, until it is dropped.
    pub(super) fn keep(self, lease: Lease) -> Result<LeaseKeeper, StoreError> {
        self.connection.set_fence(lease.fence());
        let (stop, stopped) = mpsc::sync_channel(STOPS_WAITING_MAX);
        let lost = watch::Sender::new(false);
        let rules = Arc::new(Mutex::new(self.node.rules.clone()));
        let (told, shown, by) = (lost.clone(), self.shown.clone(), Arc::clone(&rules));
        let thread = std::thread::Builder::new()
            .name("lease".to_owned())
            .spawn(move || self.renew_until(&lease, &stopped, &told, &by))
            .map_err(|source| StoreError::File { path: shown, source })?;
        Ok(LeaseKeeper { stop: Some(stop), thread: Some(thread), lost, rules })
    }

    fn renew_until(
        mut self,
        lease: &Lease,
        stopped: &mpsc::Receiver<()>,
        lost: &watch::Sender<bool>,
        rules: &Mutex<String>,
    ) {
        let mut pause = RENEW_EVERY;
        while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            self.node.rules.clone_from(&rules.lock());
            pause = match self.renew(lease) {
                Ok(()) => RENEW_EVERY,
                Err(StoreError::SteppedDown { .. }) => {
                    lost.send_replace(true);
                    return;
                }
                Err(_) => RENEW_AGAIN,
            };
        }
        // Where even this fails, it runs out.
        let _ = self.give_back(lease);
    }

    fn renew(&mut self, lease: &Lease) -> Result<(), StoreError> {
        if self.connection.is_lost() {
            self.connection = named(&self.place, &self.shown, &self.node.name)?;
            self.connection.set_fence(lease.fence());
        }
        let fail = self.fail("renew the lease");
        let renewed =
            format!("UPDATE lease SET until_at = {NOW} + {LEASE_MS}, rules = ?3 WHERE epoch = ?1 AND mark = ?2");
        // By itself: a write that takes longer than the lease lasts holds up whoever waits for its turn to write.
        let held = self
            .connection
            .prepare_cached(&renewed)
            .and_then(|mut statement| statement.execute(params![lease.epoch, lease.mark, self.node.rules]))
            .map_err(&fail)?;
        if held == 0 && !Planted::FenceOff.is_in() && !Planted::FenceOnce.is_in() {
            return Err(StoreError::SteppedDown { place: self.shown.clone() });
        }
        let change = self.connection.highest_change().map_err(&fail)?;
        // What it stores is what it knows.
        self.be_there(MemorySeen { change, ago: Some(Duration::ZERO) }).map(|_| ()).map_err(&fail)
    }

    fn give_back(&mut self, lease: &Lease) -> engine::Result<()> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "UPDATE lease SET until_at = 0 WHERE epoch = ?1 AND mark = ?2",
            params![lease.epoch, lease.mark],
        )?;
        transaction.execute("DELETE FROM nodes WHERE name = ?1", [&self.node.name])?;
        transaction.commit()
    }
}

/// A connection that holds the name of a process.
fn named(place: &PostgresPlace, shown: &Path, name: &str) -> Result<Connection, StoreError> {
    let fail = |error| StoreError::sql(shown, "hold the name of this process", error);
    let connection = Connection::to_postgres(place, true).map_err(fail)?;
    let take = "SELECT pg_try_advisory_lock(?1::int, hashtext(?2))";
    let whole = format!("{}/{name}", place.schema());
    for attempt in 0..NAME_TRIES {
        if attempt > 0 {
            std::thread::sleep(NAME_PAUSE);
        }
        let taken: bool =
            connection.query_row(take, params![i64::from(NAMES), whole], |row| row.get(0)).map_err(fail)?;
        if taken {
            return Ok(connection);
        }
    }
    let why = format!("another process goes by the name `{name}`; give each its own `[node] name`");
    Err(StoreError::Refused { place: shown.to_owned(), why })
}

/// Renews a lease until it is dropped, then gives it back.
#[derive(Debug)]
pub(super) struct LeaseKeeper {
    stop: Option<mpsc::SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Raised when another process decides.
    pub(super) lost: watch::Sender<bool>,
    /// What decides, as a hash: another one after a reload.
    pub(super) rules: Arc<Mutex<String>>,
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
