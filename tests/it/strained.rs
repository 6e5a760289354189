//! The program when the machine is short of something: descriptors, time, the database. Nothing is lost,
//! nothing is told twice, and afterwards it works as before.

use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use wirewatch::clock::Clock;
use wirewatch::model::Timestamp;
use wirewatch::niceness::BEFORE_INGEST;
use wirewatch::store::{Access, DATABASE_FILE, SearchQuery, Store};

use super::crash::{Daemon, command};
use super::newsroom::{Newsroom, article, body, firsts, integrity, number, pending, stop, title, told, until};
use super::receiver::Receiver;

/// Files of one test.
const FILES: u64 = 40;
/// Longer than a statement waits for a lock (5 s), so that every kind of wait is tried.
const LOCKED_FOR: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptors_64_are_enough_for_files_feeds_and_webhooks() {
    let receiver = Receiver::start().await;
    let dead = (0..80)
        .map(|n| {
            format!(
                "[[feeds]]\nid = \"f{n}\"\nurl = \"http://127.0.0.{}:1/\"\nallow_private = [\"127.0.0.0/8\"]\n",
                n + 1
            )
        })
        .collect::<Vec<_>>()
        .concat();
    let room = Newsroom::new(&receiver, &dead);
    for n in 0..FILES {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    let log = std::fs::File::create(room.path("log")).expect("a log");
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 64 && exec \"$0\" run --config \"$1\"", env!("CARGO_BIN_EXE_wirewatch")]);
    limited.arg(room.config_file()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut child = limited.spawn().expect("it starts");
    receiver.wait_for(FILES as usize).await;
    let store = room.store();
    until("all recorded", || pending(&store) == 0).await;
    until("every feed was tried", || number(&store, "SELECT count(*) FROM feeds WHERE polls > 0") == 80).await;
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).expect("signalled");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(told(&receiver.received(), None).alerts(), firsts(0..FILES));
}

/// How far the thread of a name yields, if there is one (the nineteenth field of its `stat`, proc(5)).
fn niceness(pid: i32, name: &str) -> Option<i32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let mut stats = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    let rest = stats.find_map(|stat| stat.split_once(&format!("({name}) ")).map(|(_, rest)| rest.to_owned()))?;
    rest.split(' ').nth(16)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_prepares_yields_to_what_decides_and_stores() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    room.drop_file("one.txt", &article(1));
    receiver.wait_for(1).await;
    let of = |name| niceness(daemon.pid(), name).unwrap_or_else(|| panic!("no thread is called {name}"));
    let own = of("ingest");
    assert_eq!([of("record"), of("prepare")], [own, (own + BEFORE_INGEST).min(19)]);
    assert_eq!(daemon.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptors_that_run_out_are_waited_for_and_nothing_is_refused_meanwhile() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    let pid = rustix::process::Pid::from_raw(daemon.pid()).expect("a process");
    let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).expect("listed").count() as u64;
    let limit = |most: u64| {
        let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let new = rustix::process::Rlimit { current: Some(most), maximum: limits.maximum };
        rustix::process::prlimit(Some(pid), rustix::process::Resource::Nofile, new).expect("limited")
    };
    let before = limit(open);
    for n in 0..FILES {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    // Longer than the keeper looks at the store, and than everything is tried again.
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(daemon.lives(), "a shortage is no reason to end");
    }
    limit(before.current.expect("a limit"));
    receiver.wait_for(FILES as usize).await;
    let store = room.store();
    until("all recorded", || pending(&store) == 0).await;
    assert_eq!(number(&store, "SELECT count(*) FROM rejections"), 0, "no file was at fault");
    assert_eq!(daemon.stop().await, Some(0));
    assert_eq!(told(&receiver.received(), None).alerts(), firsts(0..FILES));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_stopped_for_a_while_goes_on_where_it_was() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    room.drop_file("0.txt", &article(0));
    receiver.wait_for(1).await;
    daemon.signal(Signal::STOP);
    for n in 1..FILES {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(receiver.count(), 1, "it stands still");
    daemon.signal(Signal::CONT);
    receiver.wait_for(FILES as usize).await;
    let store = room.store();
    until("all recorded", || pending(&store) == 0).await;
    assert_eq!(daemon.stop().await, Some(0));
    let told = told(&receiver.received(), None);
    assert_eq!(told.alerts(), firsts(0..FILES));
    assert_eq!(told.repeats, 0);
    let log = std::fs::read_to_string(room.path("log")).expect("a log");
    assert!(!log.contains("hangs"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_locked_by_another_program_is_waited_for() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    room.drop_file("0.txt", &article(0));
    receiver.wait_for(1).await;
    let other = rusqlite::Connection::open(room.path("state").join(DATABASE_FILE)).expect("opens");
    other.busy_timeout(Duration::from_secs(60)).expect("set");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    for n in 1..10 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    tokio::time::sleep(LOCKED_FOR).await;
    assert_eq!(receiver.count(), 1, "nothing is told before it is stored");
    let mut beside = command(&room);
    let beside = beside.arg("status").stdin(Stdio::null()).output().expect("it runs");
    assert!(beside.status.success(), "reading goes on");
    let mut prune = command(&room);
    let prune = prune.arg("prune").stdin(Stdio::null()).output().expect("it runs");
    assert_eq!(prune.status.code(), Some(69), "{}", String::from_utf8_lossy(&prune.stderr));
    assert!(String::from_utf8_lossy(&prune.stderr).contains("locked by another program"));
    other.execute_batch("ROLLBACK").expect("let go");
    receiver.wait_for(10).await;
    let store = room.store();
    until("all recorded", || pending(&store) == 0).await;
    drop((other, store));
    assert_eq!(daemon.stop().await, Some(0));
    assert_eq!(told(&receiver.received(), None).alerts(), firsts(0..10));
    assert_eq!(integrity(&room.path("state")), "ok");
    let log = std::fs::read_to_string(room.path("log")).expect("a log");
    assert!(log.contains("for now"), "the wait is in the log once it is long: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clock_that_jumps_years_loses_and_doubles_nothing() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let clock = Clock::manual(Timestamp::from_seconds(1_742_198_531));
    let app = room.start(&clock).await;
    let years = |n: u64| Duration::from_secs(n * 365 * 86_400);
    for (n, jump) in [(0, years(0)), (1, years(5)), (2, years(20)), (3, Duration::from_secs(1))] {
        clock.advance(jump);
        room.drop_file(&format!("{n}.txt"), &article(n));
        until("it is delivered", || {
            clock.advance(Duration::from_secs(1));
            receiver.count() > n as usize
        })
        .await;
    }
    until("all recorded", || pending(&app.store) == 0).await;
    stop(app).await;
    // Back to where it was: what was stored in the future does not hold up what comes now.
    let clock = Clock::manual(Timestamp::from_seconds(1_742_200_000));
    let app = room.start(&clock).await;
    room.drop_file("4.txt", &article(4));
    until("it is delivered", || {
        clock.advance(Duration::from_secs(1));
        receiver.count() > 4
    })
    .await;
    until("all recorded", || pending(&app.store) == 0).await;
    stop(app).await;
    let told = told(&receiver.received(), None);
    assert_eq!(told.alerts(), firsts(0..5));
    assert_eq!(told.repeats, 0);
    let mut doctor = command(&room);
    let doctor = doctor.arg("doctor").stdin(Stdio::null()).output().expect("it runs");
    let text = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(text.contains("timedatectl"), "doctor names a clock that was wrong: {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_of_1901_and_9999_are_stored_told_and_listed() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let app = room.start(&Clock::system()).await;
    let dates = ["1901-12-13T20:45:52Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z"];
    for (n, date) in dates.iter().enumerate() {
        let n = n as u64;
        let item = serde_json::json!({"title": title(n), "text": body(n), "published": date, "id": n.to_string()});
        room.drop_file(&format!("{n}.json"), &item.to_string());
    }
    receiver.wait_for(dates.len()).await;
    until("all recorded", || pending(&app.store) == 0).await;
    stop(app).await;
    assert_eq!(told(&receiver.received(), None).alerts(), firsts(0..4));
    let store = Store::open(&room.path("state"), Access::Share).expect("opens");
    while store.index_batch().expect("indexed") {}
    let query = SearchQuery { text: "levee".to_owned(), limit: 10, ..SearchQuery::default() };
    assert_eq!(store.search(&query).expect("searched").len(), dates.len());
    drop(store);
    for arguments in [
        &["items"][..],
        &["items", "--json"],
        &["items", "--format", "csv"],
        &["items", "--format", "rss"],
        &["items", "--format", "atom"],
        &["stories"],
        &["alerts", "--json"],
        &["search", "levee"],
        &["top", "--once"],
        &["status"],
        &["prune"],
    ] {
        let run = command(&room).args(arguments).stdin(Stdio::null()).output().expect("it runs");
        assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    }
    assert_eq!(number(&room.store(), "SELECT count(*) FROM items"), 4, "prune goes by arrival");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_that_is_damaged_or_newer_ends_with_65_and_is_left_as_it_is() {
    let room = Newsroom::silent("");
    let path = room.path("state").join(DATABASE_FILE);
    let store = Store::open(&room.path("state"), Access::Own).expect("a store");
    store.checkpoint().expect("one file");
    let sound = std::fs::read(&path).expect("read");
    store.write("a later program", |tx| tx.execute_batch("PRAGMA user_version = 99")).expect("written");
    store.checkpoint().expect("one file");
    drop(store);
    let newer = std::fs::read(&path).expect("read");
    std::fs::write(room.path("newer.db"), &newer).expect("written");
    let mut flipped = sound.clone();
    flipped[4096..4096 + 512].iter_mut().for_each(|byte| *byte ^= 0xff);
    let foreign = b"this is certainly not a database".to_vec();
    let cut = sound[..sound.len() / 2].to_vec();
    for (what, bad, word) in [
        ("flipped", &flipped, "damaged"),
        ("foreign", &foreign, "not an SQLite file"),
        ("cut short", &cut, "damaged"),
        ("newer", &newer, "upgrade wirewatch"),
    ] {
        std::fs::write(&path, bad).expect("written");
        // Not 74: another try would find the same, so the unit must not start it again and again.
        let run = command(&room).args(["run", "--once"]).stdin(Stdio::null()).output().expect("it runs");
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(65), "{what}: {said}");
        assert!(said.contains(word), "{what}: no `{word}` in {said}");
        assert!(&std::fs::read(&path).expect("read") == bad, "{what}: it was changed");
    }
    // A backup that a later program made, or that is damaged, is not put in the place of a store that works.
    std::fs::write(&path, &sound).expect("written");
    std::fs::write(room.path("flipped.db"), &flipped).expect("written");
    for (backup, word) in [("newer.db", "upgrade wirewatch"), ("flipped.db", "no sound backup")] {
        let run = command(&room).args(["restore", backup]).stdin(Stdio::null()).output().expect("it runs");
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(run.status.code() == Some(65) && said.contains(word), "{backup}: {said}");
        assert!(std::fs::read(&path).expect("read") == sound, "{backup}: the store is where it was");
    }
    let left = std::fs::read_dir(room.path("state")).expect("listed").flatten().map(|e| e.file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("partial")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backup_prune_and_restore_by_hand_beside_a_daemon() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    for n in 0..10 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    receiver.wait_for(10).await;
    let store = room.store();
    until("all recorded", || pending(&store) == 0).await;
    drop(store);
    // Arguments, exit code, and a word of either output.
    for (arguments, code, word) in [
        (&["backup", "copy.db"][..], 0, "backed up 10 items and 0 deliveries owed"),
        (&["backup", "copy.db"], 64, "--force"),
        (&["backup", "copy.db", "--force", "--json"], 0, "\"items\": 10"),
        (&["backup", "no/such/folder/copy.db"], 74, "no/such/folder"),
        (&["prune"], 0, "removed 0 texts, 0 items"),
        (&["restore", "copy.db"], 69, "hint:"),
        (&["restore", "missing.db"], 69, "missing.db"),
        (&["restore", "wirewatch.toml"], 65, "not an SQLite file"),
    ] {
        let run = command(&room).args(arguments).stdin(Stdio::null()).output().expect("it runs");
        let text = [run.stdout, run.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert_eq!(run.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(word), "{arguments:?}: no `{word}` in {text}");
    }
    assert_eq!(daemon.stop().await, Some(0));
    let restored = command(&room).args(["restore", "copy.db"]).stdin(Stdio::null()).output().expect("it runs");
    let text = String::from_utf8_lossy(&restored.stdout).into_owned();
    assert!(restored.status.success() && text.contains("restored 10 items") && text.contains("kept as"), "{text}");
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    room.drop_file("10.txt", &article(10));
    receiver.wait_for(11).await;
    assert_eq!(daemon.stop().await, Some(0));
    assert_eq!(told(&receiver.received(), None).alerts(), firsts(0..11));
}
