//! A store on a server, tried against the one that `WIREWATCH_TEST_STORE` names (`proof/postgres`); without one there is nothing to try.

use super::super::on_a_server_tests::test_place;
use super::*;

fn administrator(place: &PostgresPlace) -> Connection {
    Connection::to_postgres(place, true).expect("connects")
}

fn refusal(place: &PostgresPlace) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    Store::open_remote(dir.path(), place, Access::Own).map(|_| ()).expect_err("refused").to_string()
}

#[test]
fn schema_of_another_program_is_refused_and_left_alone() {
    let Some(place) = test_place("another_program") else { return };
    let tables = "CREATE SCHEMA another_program; CREATE TABLE another_program.meta (id INTEGER)";
    administrator(&place).execute_batch(tables).expect("made");
    assert!(refusal(&place).contains("another program"), "{}", refusal(&place));
}

#[test]
fn schema_of_a_newer_program_is_refused() {
    let Some(place) = test_place("newer_program") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    drop(Store::open_remote(dir.path(), &place, Access::Own).expect("made"));
    let newer = "UPDATE newer_program.meta SET value = '99' WHERE key = 'schema_version'";
    administrator(&place).execute_batch(newer).expect("changed");
    assert!(refusal(&place).contains("version 99"), "{}", refusal(&place));
}

#[test]
fn user_without_the_rights_is_told_what_to_ask_for() {
    let Some(place) = test_place("no_rights") else { return };
    administrator(&place).execute_batch("CREATE ROLE reader LOGIN").expect("made");
    let url = std::env::var("WIREWATCH_TEST_STORE").expect("it is there").replace("wirewatch@", "reader@");
    let reader = PostgresPlace::read(&url).expect("a URL").with_schema("no_rights");
    assert!(refusal(&reader).contains("AUTHORIZATION"), "{}", refusal(&reader));
}

#[test]
fn database_in_another_encoding_is_refused() {
    let Some(place) = test_place("latin") else { return };
    let made = administrator(&place)
        .execute_batch("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    made.expect("made");
    let url = std::env::var("WIREWATCH_TEST_STORE").expect("it is there").replace("/postgres?", "/latin?");
    let latin = PostgresPlace::read(&url).expect("a URL");
    assert!(refusal(&latin).contains("LATIN1"), "{}", refusal(&latin));
}

#[test]
fn store_is_held_by_one_and_free_when_that_is_gone() {
    let Some(place) = test_place("held_by_one") else { return };
    let (one, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let first = Store::open_remote(one.path(), &place, Access::Own).expect("opens");
    let second = Store::open_remote(other.path(), &place, Access::Own).map(|_| ());
    assert!(matches!(second, Err(StoreError::Decided { .. })), "{second:?}");
    assert!(Store::open_remote(other.path(), &place, Access::Read).is_ok(), "reading goes on beside it");
    drop(first);
    drop(Store::open_remote(other.path(), &place, Access::Own).expect("it is free"));
}

#[test]
fn what_another_process_commits_is_heard_of_and_what_it_only_reads_is_not() {
    let Some(place) = test_place("heard_of") else { return };
    let (one, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let leader = Store::open_remote(one.path(), &place, Access::Own).expect("opens");
    let beside = Store::open_remote(other.path(), &place, Access::Share).expect("opens");
    let (mut heard, own) = (leader.commits_of_others(), leader.commits());
    leader.hear_others().expect("a thread");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut until = |count: u64| {
        let told = async { heard.wait_for(|heard| *heard >= count).await.map(|heard| *heard).expect("it is open") };
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), told).await }).expect("heard of")
    };
    // That it listens is said once.
    until(1);
    let add = "INSERT INTO tombstones (id, at) VALUES (7, 7)";
    leader.write("test", |tx| tx.execute(add, [])).expect("written");
    beside
        .read("test", |c| c.query_row("SELECT count(*) FROM tombstones", [], |row| row.get::<_, i64>(0)))
        .expect("read");
    beside.write("test", |tx| tx.execute("DELETE FROM tombstones", [])).expect("written");
    assert_eq!((until(2), *own.borrow()), (2, 3), "its own is its own");
}

#[test]
fn session_that_stood_still_in_a_transaction_is_begun_again() {
    let Some(place) = test_place("stood_still") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open_remote(dir.path(), &place, Access::Own).expect("opens");
    let others = administrator(&place);
    let is_there = |session: i64| {
        let mut asked = others.prepare_cached("SELECT 1 FROM pg_stat_activity WHERE pid = ?1").expect("prepared");
        asked.exists([session]).expect("asked")
    };
    let add = "INSERT INTO tombstones (id, at) VALUES (1, 1)";
    let ended = store.write("test", |tx| {
        let asked = "SELECT CAST(pg_backend_pid() AS BIGINT)";
        let own: i64 = tx.query_row(asked, [], |row| row.get(0))?;
        tx.execute_batch("SET LOCAL idle_in_transaction_session_timeout = '1ms'")?;
        while is_there(own) {
            std::thread::yield_now();
        }
        tx.execute(add, [])
    });
    assert!(matches!(&ended, Err(error) if error.is_passing()), "{ended:?}");
    store.write("test", |tx| tx.execute(add, [])).expect("connected again, and it was not there");
}

#[test]
fn session_that_the_server_ended_is_begun_again_and_nothing_is_half_written() {
    let Some(place) = test_place("ended_session") else { return };
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
    let Some(place) = test_place("replaced") else { return };
    let (one, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let first = Store::open_remote(one.path(), &place, Access::Own).expect("opens");
    let ended = first.write("test", |tx| tx.execute("SELECT pg_terminate_backend(pg_backend_pid())", []));
    assert!(ended.is_err());
    drop(Store::open_remote(other.path(), &place, Access::Own).expect("it is free"));
    let late = first.write("test", |tx| tx.execute("INSERT INTO tombstones (id, at) VALUES (1, 1)", []));
    assert!(matches!(late, Err(StoreError::SteppedDown { .. })), "{late:?}");
}

#[test]
fn what_became_of_a_write_is_known_afterwards() {
    let Some(place) = test_place("unheard_end") else { return };
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

#[test]
fn reading_goes_on_where_the_server_has_ended_the_session_between_two_reads() {
    let Some(place) = test_place("read_on") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open_remote(dir.path(), &place, Access::Own).expect("opens");
    let session = |c: &Connection| c.query_row("SELECT pg_backend_pid()::bigint", [], |row| row.get::<_, i64>(0));
    let of_a_moment = |c: &Connection| session(&*c.snapshot()?);
    let administrator = administrator(&place);
    for in_a_snapshot in [false, true, false] {
        let before = store.read("test", session).expect("read");
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = ?1";
        let is_there = || administrator.query_row(end, [before], |row| row.get::<_, i64>(0)).expect("asked") > 0;
        assert!(std::iter::repeat_n((), 100_000).any(|()| !is_there()), "it ends");
        let after =
            store.read("test", |c| if in_a_snapshot { of_a_moment(c) } else { session(c) }).expect("it goes on");
        assert_ne!(before, after);
        let stored = |c: &Connection| c.query_row("SELECT count(*) FROM tombstones", [], |row| row.get::<_, i64>(0));
        assert_eq!(store.read("test", stored).expect("in its schema"), 0);
    }
}

#[test]
fn those_look_whom_a_commit_concerns() {
    use super::super::{BatchContents, BatchWrite, RelayedCursor};
    use crate::model::{Cursor, FeedState, Origin, SourceId, SourceKind, Timestamp};

    let Some(place) = test_place("concerns") else { return };
    let (one, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let leader = Store::open_remote(one.path(), &place, Access::Own).expect("opens");
    let beside = Store::open_remote(other.path(), &place, Access::Share).expect("opens");
    let heard = |store: &Store| {
        [store.commits_of_others(), store.heard_fetched(), store.heard_pushed(), store.heard_answered()]
    };
    let (mut of_leader, mut of_beside) = (heard(&leader), heard(&beside));
    leader.hear_others().expect("a thread");
    beside.hear_others().expect("a thread");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    // They are told one after the other: all of those that are to hear are waited for.
    let until = |heard: &mut [watch::Receiver<u64>; 4], counts: [u64; 4]| {
        let told = async {
            for (one, count) in heard.iter_mut().zip(counts) {
                one.wait_for(|heard| *heard >= count).await.expect("it is open");
            }
        };
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), told).await }).expect("heard of");
        heard.each_ref().map(|heard| *heard.borrow())
    };
    // That it listens is said once, and is about anything.
    assert_eq!(until(&mut of_leader, [1, 1, 1, 1]), [1, 1, 1, 1]);
    assert_eq!(until(&mut of_beside, [1, 1, 1, 1]), [1, 1, 1, 1]);
    let (source, now) = (SourceId::new("gazette").expect("a name"), Timestamp::from_seconds(1_742_198_531));
    let origin = Origin { source: source.clone(), kind: SourceKind::Feed, received: now };
    let state = Box::new(FeedState::new(source, "http://a/".to_owned(), now));
    let cursor = RelayedCursor::Feed(state.clone());
    let poll = BatchContents { origin: origin.clone(), items: Vec::new(), rejected: Vec::new(), cursor, hubs: None }
        .written(None);
    let row = beside.put_batches(&[poll], now).expect("written")[0].expect("there is room");
    assert_eq!(until(&mut of_leader, [1, 2, 1, 1]), [1, 2, 1, 1], "only whoever takes what was fetched looks");
    let quiet = |inbox| BatchWrite {
        cursor: Cursor::Feed(state.clone()),
        inbox,
        ..BatchWrite::new(origin.clone(), Vec::new())
    };
    leader.apply(&[quiet(None)], now).expect("a poll of its own: nobody hears of it");
    leader.apply(&[quiet(Some((row, "{}".to_owned())))], now).expect("applied");
    assert_eq!(until(&mut of_beside, [1, 1, 1, 2]), [1, 1, 1, 2], "only whoever waits for an answer looks");
    leader.write("test", |tx| tx.execute("DELETE FROM tombstones", [])).expect("written");
    assert_eq!(until(&mut of_beside, [2, 2, 2, 3]), [2, 2, 2, 3], "everybody does");
}
