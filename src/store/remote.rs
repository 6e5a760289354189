//! A store in PostgreSQL: opened, held by one instance, connected to again where the way to it was lost. What is asked
//! and written is the same as in a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;

use super::engine::{self, Connection, EngineError, OptionalExtension as _, PostgresPlace};
use super::open::{Access, DATABASE_FILE, LOCK_FILE, Opened, SCHEMA_VERSION, random_name, take_lock};
use super::private::make_directory;
use super::{Store, StoreError};

/// A session that ended holds its locks a moment longer.
const HOLD_TRIES: u32 = 40;
const HOLD_PAUSE: Duration = Duration::from_millis(50);
/// What became of a write is asked so often, so far apart.
const SETTLE_TRIES: u32 = 60;
const SETTLE_PAUSE: Duration = Duration::from_secs(1);
/// Among the advisory locks of a database, whoever decides what goes into a schema.
const HOLDERS: i32 = 0x7769_7268;

/// How to get to a store again.
#[derive(Debug)]
pub(super) struct RemoteStore {
    place: PostgresPlace,
    /// The session that holds the store, by its number on the server and when it began.
    holding: Mutex<(i64, String)>,
    /// Whether this process is the one that decides, and by which mark in the store it knows that nobody else was.
    mark: Option<String>,
}

impl RemoteStore {
    pub(super) fn reader(&self, shown: &Path) -> Result<Connection, StoreError> {
        connect(&self.place, shown, false)
    }

    /// Connects whoever writes once more, where nobody else has written as the one that decides meanwhile.
    pub(super) fn reconnect(&self, shown: &Path) -> Result<Connection, StoreError> {
        let connection = connect(&self.place, shown, true)?;
        if let Some(mark) = &self.mark {
            let fail = |error| StoreError::sql(shown, "connect to the store again", error);
            // The server may not have seen yet that the session before is gone, which holds the store meanwhile.
            let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                       WHERE pid = ?1 AND backend_start::text = ?2 AND usename = current_user";
            let mut holding = self.holding.lock();
            connection.execute(end, engine::params![holding.0, holding.1]).map_err(fail)?;
            *holding = session(&connection).map_err(fail)?;
            hold(&connection, &self.place, shown)?;
            let now = marked(&connection).map_err(|error| StoreError::sql(shown, "see who holds the store", error))?;
            if now.as_ref() != Some(mark) {
                return Err(StoreError::Held { path: shown.to_owned(), holder: None });
            }
        }
        Ok(connection)
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
    let lock = match access {
        Access::Own | Access::Fill => {
            make_directory(state_dir)?;
            Some(take_lock(&state_dir.join(LOCK_FILE))?)
        }
        Access::Share | Access::Read => None,
    };
    let mut connection = connect(place, &shown, access != Access::Read)?;
    let fail = |doing: &'static str| {
        let shown = shown.clone();
        move |error: EngineError| StoreError::sql(&shown, doing, error)
    };
    let found = connection.schema_version().map_err(fail("read the schema's version"))?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::Newer { path: shown, found, known: SCHEMA_VERSION });
    }
    if found == 0 && !access.owns() {
        return Err(StoreError::Missing { path: shown });
    }
    let mut mark = None;
    let number = session(&connection).map_err(fail("see which session this is"))?;
    if access.owns() {
        refuse_pooler(&connection, place, &shown)?;
        hold(&connection, place, &shown)?;
        if found == 0 {
            let made = make(&mut connection);
            made.map_err(fail("make the schema"))?;
        }
        let own = random_name();
        let set = "INSERT INTO meta (key, value) VALUES ('holder', ?1)
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        connection.execute(set, [&own]).map_err(fail("note who holds the store"))?;
        mark = Some(own);
    }
    super::open::refuse_half_copied(&shown, &connection, access)?;
    let instance = connection
        .query_row("SELECT value FROM meta WHERE key = 'instance'", [], |row| row.get(0))
        .map_err(fail("read the instance name"))?;
    let epoch = connection
        .query_row("SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'epoch'", [], |row| row.get(0))
        .optional()
        .map_err(fail("read when it was restored"))?
        .unwrap_or(0);
    let opened = Opened { path: state_dir.join(DATABASE_FILE), connection, instance, epoch, lock };
    Ok((opened, RemoteStore { place: place.clone(), holding: Mutex::new(number), mark }))
}

fn connect(place: &PostgresPlace, shown: &Path, writes: bool) -> Result<Connection, StoreError> {
    Connection::to_postgres(place, writes).map_err(|error| StoreError::sql(shown, "connect to the store", error))
}

fn session(connection: &Connection) -> engine::Result<(i64, String)> {
    let own = "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    connection.query_row(own, [], |row| Ok((row.get(0)?, row.get(1)?)))
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
    transaction.create_schema(SCHEMA_VERSION)?;
    transaction.execute("INSERT INTO meta (key, value) VALUES ('instance', ?1)", [random_name()])?;
    transaction.commit()
}

/// Keeps every other instance from deciding for this store, as long as the session lasts.
fn hold(connection: &Connection, place: &PostgresPlace, shown: &Path) -> Result<(), StoreError> {
    let take = "SELECT pg_try_advisory_lock(?1::int, hashtext(?2))";
    for attempt in 0..HOLD_TRIES {
        if attempt > 0 {
            std::thread::sleep(HOLD_PAUSE);
        }
        let taken: bool = connection
            .query_row(take, engine::params![i64::from(HOLDERS), place.schema()], |row| row.get(0))
            .map_err(|error| StoreError::sql(shown, "hold the store", error))?;
        if taken {
            return Ok(());
        }
    }
    Err(StoreError::Held { path: shown.to_owned(), holder: None })
}

fn marked(connection: &Connection) -> engine::Result<Option<String>> {
    connection.query_row("SELECT value FROM meta WHERE key = 'holder'", [], |row| row.get(0)).optional()
}

impl Store {
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

/// Against a server that `WIREWATCH_TEST_STORE` names (`proof/postgres`); without one there is nothing to try.
#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Option<PostgresPlace> {
        let url = std::env::var("WIREWATCH_TEST_STORE").ok()?;
        Some(PostgresPlace::read(&url).expect("a URL of a store"))
    }

    fn administrator(place: &PostgresPlace) -> Connection {
        Connection::to_postgres(place, true).expect("connects")
    }

    fn refusal(place: &PostgresPlace) -> String {
        let dir = tempfile::tempdir().expect("a directory");
        Store::open_remote(dir.path(), place, Access::Own).map(|_| ()).expect_err("refused").to_string()
    }

    #[test]
    fn schema_of_another_program_is_refused_and_left_alone() {
        let Some(place) = server() else { return };
        let place = place.with_schema("another_program");
        let tables = "CREATE SCHEMA another_program; CREATE TABLE another_program.meta (id INTEGER)";
        administrator(&place).execute_batch(tables).expect("made");
        assert!(refusal(&place).contains("another program"), "{}", refusal(&place));
    }

    #[test]
    fn schema_of_a_newer_program_is_refused() {
        let Some(place) = server() else { return };
        let place = place.with_schema("newer_program");
        let dir = tempfile::tempdir().expect("a directory");
        drop(Store::open_remote(dir.path(), &place, Access::Own).expect("made"));
        let newer = "UPDATE newer_program.meta SET value = '99' WHERE key = 'schema_version'";
        administrator(&place).execute_batch(newer).expect("changed");
        assert!(refusal(&place).contains("version 99"), "{}", refusal(&place));
    }

    #[test]
    fn user_without_the_rights_is_told_what_to_ask_for() {
        let Some(place) = server() else { return };
        let place = place.with_schema("no_rights");
        administrator(&place).execute_batch("CREATE ROLE reader LOGIN").expect("made");
        let url = std::env::var("WIREWATCH_TEST_STORE").expect("it is there").replace("wirewatch@", "reader@");
        let reader = PostgresPlace::read(&url).expect("a URL").with_schema("no_rights");
        assert!(refusal(&reader).contains("AUTHORIZATION"), "{}", refusal(&reader));
    }

    #[test]
    fn database_in_another_encoding_is_refused() {
        let Some(place) = server() else { return };
        let made = administrator(&place)
            .execute_batch("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
        made.expect("made");
        let url = std::env::var("WIREWATCH_TEST_STORE").expect("it is there").replace("/postgres?", "/latin?");
        let latin = PostgresPlace::read(&url).expect("a URL");
        assert!(refusal(&latin).contains("LATIN1"), "{}", refusal(&latin));
    }

    #[test]
    fn store_is_held_by_one_and_free_when_that_is_gone() {
        let Some(place) = server() else { return };
        let place = place.with_schema("held_by_one");
        let (one, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let first = Store::open_remote(one.path(), &place, Access::Own).expect("opens");
        let second = Store::open_remote(other.path(), &place, Access::Own).map(|_| ());
        assert!(matches!(second, Err(StoreError::Held { .. })), "{second:?}");
        assert!(Store::open_remote(other.path(), &place, Access::Read).is_ok(), "reading goes on beside it");
        drop(first);
        drop(Store::open_remote(other.path(), &place, Access::Own).expect("it is free"));
    }

    #[test]
    fn session_that_the_server_ended_is_begun_again_and_nothing_is_half_written() {
        let Some(place) = server() else { return };
        let place = place.with_schema("ended_session");
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open_remote(dir.path(), &place, Access::Own).expect("opens");
        let add = "INSERT INTO tombstones (id, at) VALUES (1, 1)";
        let ended = store.write("test", |tx| {
            tx.execute(add, [])?;
            tx.execute("SELECT pg_terminate_backend(pg_backend_pid())", [])
        });
        assert!(matches!(&ended, Err(error) if error.is_passing()), "{ended:?}");
        store.write("test", |tx| tx.execute(add, [])).expect("connected again, and it was not there");
    }

    #[test]
    fn one_that_was_replaced_meanwhile_writes_no_more() {
        let Some(place) = server() else { return };
        let place = place.with_schema("replaced");
        let (one, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let first = Store::open_remote(one.path(), &place, Access::Own).expect("opens");
        let ended = first.write("test", |tx| tx.execute("SELECT pg_terminate_backend(pg_backend_pid())", []));
        assert!(ended.is_err());
        drop(Store::open_remote(other.path(), &place, Access::Own).expect("it is free"));
        let late = first.write("test", |tx| tx.execute("INSERT INTO tombstones (id, at) VALUES (1, 1)", []));
        assert!(matches!(late, Err(StoreError::Held { .. })), "{late:?}");
    }

    #[test]
    fn what_became_of_a_write_is_known_afterwards() {
        let Some(place) = server() else { return };
        let place = place.with_schema("unheard_end");
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open_remote(dir.path(), &place, Access::Own).expect("opens");
        let number = |committed: bool| {
            let mut number = None;
            let _ = store.write("test", |tx| {
                number = tx.last_number();
                tx.execute("DELETE FROM tombstones", [])?;
                if committed { Ok(()) } else { Err(EngineError::unreadable("given up")) }
            });
            number.expect("it has one")
        };
        for committed in [true, false] {
            let number = number(committed);
            let known = store.read("test", |c| c.was_committed(&number)).expect("asked");
            assert_eq!(known, Some(committed));
        }
    }
}
