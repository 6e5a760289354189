//! Who decides, tried against a server that `WIREWATCH_TEST_STORE` names (`proof/postgres`); without one there is nothing to try.

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
    let refused = WaitingNode::enter(dir.path(), &place, node("one", "r"), clock()).map(|_| ()).expect_err("refused");
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
