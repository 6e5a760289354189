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
        "SELECT l.epoch, l.node, l.mark, l.rules, CASE WHEN l.until_at <= {NOW} THEN 1 WHEN NOT EXISTS (SELECT 1 FROM pg_stat_activity a
             WHERE a.application_name = 'wirewatch ' || l.mark) THEN 1 ELSE 0 END AS is_free FROM lease l"
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
        Ok(Self { place, shown, node, mark, clock, connection })
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
        self.be_there(seen).map_err(self.fail("say that this process is there"))?;
        let fail = self.fail("take the lease");
        take(&mut self.connection, Some(&self.node), &self.mark).map_err(fail)
    }

    fn be_there(&self, seen: MemorySeen) -> engine::Result<()> {
        let there = format!(
            "INSERT INTO nodes (name, version, rules, roles, address, seeds, mark, regions, change_seen, current_at, clock_apart, started_at, seen_at)
             VALUES (?1, ?2, ?3, ?8, ?4, ?9, ?10, ?11, ?5, {NOW} - greatest(?7, 0), ?6 - {NOW}, {NOW}, {NOW})
             ON CONFLICT (name) DO UPDATE SET version = excluded.version, rules = excluded.rules, roles = excluded.roles,
                 address = excluded.address,
                 seeds = excluded.seeds, regions = excluded.regions, mark = excluded.mark,
                 reaches = CASE WHEN nodes.mark = excluded.mark THEN nodes.reaches ELSE 1 END,
                 change_seen = excluded.change_seen, clock_apart = excluded.clock_apart, seen_at = excluded.seen_at,
                 current_at = CASE WHEN ?7 < 0 THEN nodes.current_at ELSE excluded.current_at END
             RETURNING clock_apart"
        );
        let NodeIdentity { name, roles, rules, address, seeds, regions, .. } = &self.node;
        let roles = roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",");
        let regions = regions.join(",");
        let (address, now) = (address.as_deref().unwrap_or_default(), (self.clock.now)().millis());
        let mut statement = self.connection.prepare_cached(&there)?;
        let ago = seen.ago.map_or(-1, |ago| i64::try_from(ago.as_millis()).unwrap_or(i64::MAX));
        let version = env!("CARGO_PKG_VERSION");
        let params = params![name, version, rules, address, seen.change, now, ago, roles, seeds, self.mark, regions];
        let ahead_ms: i64 = statement.query_row(params, |row| row.get(0))?;
        (self.clock.correct)(ahead_ms);
        Ok(())
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
        self.be_there(MemorySeen { change, ago: Some(Duration::ZERO) }).map_err(&fail)
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

/// Against a server that `WIREWATCH_TEST_STORE` names (`proof/postgres`); without one there is nothing to try.
#[cfg(test)]
mod tests {
    use super::super::on_a_server_tests::test_place;
    use super::super::remote::{NodeTurn, WaitingNode};
    use super::super::{Access, NodeRecord, Store};
    use super::*;

    const ADD: &str = "INSERT INTO tombstones (id, at) VALUES (1, 1)";

    fn node(name: &str, rules: &str) -> NodeIdentity {
        let (name, rules) = (name.to_owned(), rules.to_owned());
        NodeIdentity {
            name,
            address: None,
            roles: NodeRole::ALL.to_vec(),
            seeds: String::new(),
            regions: Vec::new(),
            rules,
            takes_over_with_other_rules: false,
        }
    }

    /// A clock that stands still, long ago.
    fn clock() -> NodeClock {
        NodeClock { now: Arc::new(|| Timestamp::from_seconds(1_742_198_531)), correct: Arc::new(|_| {}) }
    }

    fn entered(place: &PostgresPlace, name: &str, rules: &str) -> (tempfile::TempDir, WaitingNode) {
        let dir = tempfile::tempdir().expect("a directory");
        let candidate = WaitingNode::enter(dir.path(), place, node(name, rules), clock()).expect("entered");
        (dir, candidate)
    }

    /// It decides after the other one has been silent for ten seconds; that one may still say something in between.
    fn leads_after_silence(mut candidate: WaitingNode, place: &PostgresPlace) -> Store {
        loop {
            run_out(place);
            match candidate.turn(MemorySeen::default()).expect("asked") {
                (NodeTurn::Ours(store), _) => return store,
                (_, back) => candidate = back.expect("it waits"),
            }
        }
    }

    fn leads(candidate: WaitingNode) -> Store {
        match candidate.turn(MemorySeen::default()).expect("asked") {
            (NodeTurn::Ours(store), _) => store,
            _ => panic!("it is not its turn"),
        }
    }

    fn waits(candidate: WaitingNode) -> (String, WaitingNode) {
        match candidate.turn(MemorySeen::default()).expect("asked") {
            (NodeTurn::Theirs { node }, Some(candidate)) => (node, candidate),
            (NodeTurn::OtherRules { node }, Some(candidate)) => (format!("other rules than {node}"), candidate),
            _ => panic!("it is its turn"),
        }
    }

    /// As after ten seconds without a word of the one that decides.
    fn run_out(place: &PostgresPlace) {
        let other = Connection::to_postgres(place, true).expect("connects");
        other.execute("UPDATE lease SET until_at = 0", []).expect("changed");
    }

    #[test]
    fn one_decides_and_the_next_does_when_it_has_gone() {
        let Some(place) = test_place("lease_in_turn") else { return };
        let ((_a, one), (_b, two)) = (entered(&place, "one", "r"), entered(&place, "two", "r"));
        let first = leads(one);
        let (node, two) = waits(two);
        assert_eq!(node, "one");
        let nodes = first.nodes().expect("read");
        let names: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), node.decides, node.same_rules)).collect();
        assert_eq!(names, [("one", true, true), ("two", false, true)]);
        assert!(nodes.iter().all(NodeRecord::is_there), "{nodes:?}");
        assert!(nodes[1].has_other_time() && nodes[1].clock_apart_ms < 0, "its clock stands still: {nodes:?}");
        drop(first);
        let second = leads(two);
        second.write("test", |tx| tx.execute(ADD, [])).expect("it decides");
    }

    #[test]
    fn one_that_waits_says_how_far_its_memory_has_come() {
        let Some(place) = test_place("lease_lag") else { return };
        let ((_a, one), (_b, two)) = (entered(&place, "one", "r"), entered(&place, "two", "r"));
        let first = leads(one);
        let lines = "INSERT INTO changes (kind, ref) VALUES ('item', 1), ('item', 2), ('item', 3)";
        first.write("test", |tx| tx.execute(lines, [])).expect("written");
        let lag = |of: &Store| {
            let nodes = of.nodes().expect("read");
            let two = nodes.into_iter().find(|node| node.name == "two").expect("it is there");
            (two.behind, two.behind_ms / 60_000)
        };
        let newest = first.changes_kept().expect("read").newest;
        let ago = Some(Duration::from_secs(120));
        let (_, two) = two.turn(MemorySeen { change: newest - 2, ago }).expect("asked");
        assert_eq!(lag(&first), (2, 2));
        let (_, two) = two.expect("it waits").turn(MemorySeen { change: newest - 1, ago: None }).expect("asked");
        assert_eq!(lag(&first), (1, 2), "a look that failed makes it no newer");
        let _waits = two.expect("it waits").turn(MemorySeen { change: newest, ago: Some(Duration::ZERO) });
        assert_eq!(lag(&first), (0, 0));
    }

    #[test]
    fn whoever_was_silent_for_too_long_writes_nothing_more_and_hears_of_it() {
        let Some(place) = test_place("lease_fence") else { return };
        let ((_a, one), (_b, two)) = (entered(&place, "one", "r"), entered(&place, "two", "r"));
        let first = leads(one);
        let second = leads_after_silence(two, &place);
        let late = first.write("test", |tx| tx.execute(ADD, []));
        assert!(matches!(late, Err(StoreError::SteppedDown { .. })), "{late:?}");
        let count = "SELECT count(*) FROM tombstones";
        let stored: i64 = second.read("test", |c| c.query_row(count, [], |row| row.get(0))).expect("read");
        assert_eq!(stored, 0);
        second.write("test", |tx| tx.execute(ADD, [])).expect("the other one does");
    }

    #[test]
    fn lease_is_asked_for_in_each_transaction_and_not_once() {
        let Some(place) = test_place("lease_each_time") else { return };
        let (_a, one) = entered(&place, "one", "r");
        let first = leads(one);
        first.write("test", |tx| tx.execute(ADD, [])).expect("it decides");
        // The session lives on: nobody but the fence can tell.
        let other = Connection::to_postgres(&place, true).expect("connects");
        other.execute("UPDATE lease SET epoch = epoch + 1, mark = 'another'", []).expect("changed");
        let late = first.write("test", |tx| tx.execute("DELETE FROM tombstones", []));
        assert!(matches!(late, Err(StoreError::SteppedDown { .. })), "{late:?}");
    }

    #[test]
    fn lease_is_renewed_while_a_write_takes_its_time_and_goes_to_nobody_else() {
        let Some(place) = test_place("lease_long_write") else { return };
        let (_a, one) = entered(&place, "one", "r");
        let first = leads(one);
        let (renewed, given) = first
            .write("test", |tx| {
                tx.execute(ADD, [])?;
                let other = Connection::to_postgres(&place, true).expect("connects");
                other.execute_batch("SET lock_timeout = '300ms'").expect("set");
                let renewed = other.execute("UPDATE lease SET until_at = until_at + 1, rules = rules", []);
                let given = other.execute("UPDATE lease SET epoch = epoch + 1, mark = 'another'", []);
                Ok((renewed.is_ok(), given.is_ok()))
            })
            .expect("it decides");
        assert_eq!((renewed, given), (true, false));
    }

    #[test]
    fn one_that_stands_still_in_the_middle_of_a_write_holds_nobody_up() {
        let Some(place) = test_place("lease_stands_still") else { return };
        let ((_a, one), (_b, two)) = (entered(&place, "one", "r"), entered(&place, "two", "r"));
        let first = leads(one);
        let mut successor = None;
        let late = first.write("test", |tx| {
            tx.execute(ADD, [])?;
            // Its turn to write is held here, and its lease has run out: the row is locked, so the clock is.
            let place = place.clone();
            let taken = std::thread::scope(|scope| {
                scope
                    .spawn(move || {
                        let other = Connection::to_postgres(&place, true).expect("connects");
                        end_sessions(&other, &{
                            let mark = "SELECT mark FROM lease";
                            other.query_row(mark, [], |row| row.get::<_, String>(0)).expect("read")
                        })
                        .expect("ended");
                        leads_after_silence(two, &place)
                    })
                    .join()
            });
            successor = Some(taken.expect("the other one decides"));
            tx.execute("DELETE FROM tombstones", [])
        });
        assert!(late.is_err(), "{late:?}");
        let again = first.write("test", |tx| tx.execute(ADD, []));
        assert!(matches!(again, Err(StoreError::SteppedDown { .. })), "{again:?}");
        let count = "SELECT count(*) FROM tombstones";
        let second = successor.expect("it decides");
        let stored: i64 = second.read("test", |c| c.query_row(count, [], |row| row.get(0))).expect("read");
        assert_eq!(stored, 0, "nothing of the write that was cut");
    }

    #[test]
    fn second_process_of_a_name_is_refused() {
        let Some(place) = test_place("lease_names") else { return };
        let (_a, _one) = entered(&place, "one", "r");
        let dir = tempfile::tempdir().expect("a directory");
        let refused =
            WaitingNode::enter(dir.path(), &place, node("one", "r"), clock()).map(|_| ()).expect_err("refused");
        assert!(refused.to_string().contains("goes by the name `one`"), "{refused}");
    }

    #[test]
    fn one_that_is_not_to_decide_never_does_and_says_that_nobody_does() {
        let Some(place) = test_place("lease_roles") else { return };
        let dir = tempfile::tempdir().expect("a directory");
        let delivers = NodeIdentity { roles: vec![NodeRole::Deliver], ..node("one", "r") };
        let one = WaitingNode::enter(dir.path(), &place, delivers, clock()).expect("entered");
        let (turn, one) = one.turn(MemorySeen::default()).expect("asked");
        assert!(matches!(turn, NodeTurn::Nobody), "it must not take the lease");
        let (_b, two) = entered(&place, "two", "r");
        let second = leads(two);
        let (node, _one) = waits(one.expect("it waits"));
        assert_eq!(node, "two");
        let nodes = second.nodes().expect("read");
        let seen: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), node.decides, node.stands_by)).collect();
        assert_eq!(seen, [("one", false, false), ("two", true, false)]);
    }

    #[test]
    fn whoever_would_decide_otherwise_waits_until_told_to_take_over() {
        let Some(place) = test_place("lease_rules") else { return };
        let ((_a, one), (_b, two)) = (entered(&place, "one", "r"), entered(&place, "two", "other"));
        drop(leads(one));
        let (why, mut two) = waits(two);
        assert_eq!(why, "other rules than one");
        two.set_rules("r");
        drop(leads(two));
    }

    #[test]
    fn process_without_a_name_is_alone_on_its_store() {
        let Some(place) = test_place("lease_alone") else { return };
        let (_a, one) = entered(&place, "one", "r");
        let first = leads(one);
        let dir = tempfile::tempdir().expect("a directory");
        let refused = Store::open_remote(dir.path(), &place, Access::Own).map(|_| ()).expect_err("refused");
        assert!(refused.to_string().contains("the node `one` decides"), "{refused}");
        drop(first);
        let alone = Store::open_remote(dir.path(), &place, Access::Own).expect("nobody else is there");
        let (_b, two) = entered(&place, "two", "r");
        let (node, two) = waits(two);
        assert_eq!(node, "");
        drop(alone);
        // The server sees a moment later that its sessions are gone.
        let mut waiting = Some(two);
        let turns = std::iter::from_fn(|| {
            std::thread::sleep(NAME_PAUSE);
            let (turn, back) = waiting.take()?.turn(MemorySeen::default()).expect("asked");
            waiting = back;
            Some(turn)
        });
        assert!(turns.take(1_200).any(|turn| matches!(turn, NodeTurn::Ours(_))), "it is free");
    }
}
