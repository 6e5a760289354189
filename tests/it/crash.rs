//! The real program, killed between any two writes and at random: after the next start every alert
//! arrives, under one id with one body, no file is lost, and the database is sound.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use wirewatch::failpoint::Failpoint;

use super::feed_server::{FeedServer, Reply, rss_articles};
use super::newsroom::{Newsroom, article, firsts, integrity, number, pending, told, until};
use super::receiver::Receiver;

/// Articles 0.. come as files, 100.. in a feed.
const FILES: u64 = 6;
const FEED: std::ops::Range<u64> = 100..104;
/// What a crash may send again (promise P6): what was on the wire or not recorded yet.
const REPEATS_PER_KILL_MAX: usize = 4;

/// A running program; killed when the test gives up.
pub struct Daemon(Child);

impl Daemon {
    pub fn start(room: &Newsroom, failpoint: Option<&str>) -> Self {
        let log = std::fs::File::create(room.path("log")).expect("a log");
        let mut command = command(room);
        command.arg("run").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if let Some(plan) = failpoint {
            command.env("WIREWATCH_FAILPOINT", plan);
        }
        Self(command.spawn().expect("the program starts"))
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).expect("signalled");
    }

    pub fn pid(&self) -> i32 {
        rustix::process::Pid::from_child(&self.0).as_raw_nonzero().get()
    }

    pub fn lives(&mut self) -> bool {
        self.0.try_wait().expect("waited").is_none()
    }

    /// Waits until it says that it is ready: before that it is cut rather than stopped.
    pub async fn ready(&mut self, room: &Newsroom) {
        until("the program is ready", || {
            assert!(self.0.try_wait().expect("waited").is_none(), "it ended at once");
            std::fs::read_to_string(room.path("log")).expect("a log").contains("wirewatch is ready")
        })
        .await;
    }

    pub async fn ended(&mut self) -> std::process::ExitStatus {
        let mut status = None;
        until("the program ends", || {
            status = self.0.try_wait().expect("waited");
            status.is_some()
        })
        .await;
        status.expect("ended")
    }

    /// SIGTERM, and the exit code.
    pub async fn stop(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.ended().await.code()
    }

    pub async fn kill(mut self) {
        self.signal(rustix::process::Signal::KILL);
        assert_eq!(self.ended().await.signal(), Some(9));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program with this room's config and nothing of ours around it.
pub fn command(room: &Newsroom) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirewatch"));
    command.env_clear().env("HOME", room.dir.path()).env("WIREWATCH_CONFIG", room.config_file());
    // Where a bug is planted (`proof/mutants`), it is in this process as well; where stores are in PostgreSQL
    // (`proof/postgres`), its store is there.
    for name in ["WIREWATCH_MUTANT", "WIREWATCH_TEST_STORE"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.current_dir(room.dir.path());
    command
}

fn serve(feeds: &FeedServer) -> String {
    feeds.on("/feed", |asked| {
        if asked.header("if-none-match") == Some(b"\"v1\"") {
            return Reply::status(304).with("ETag", "\"v1\"");
        }
        Reply::ok(rss_articles(FEED)).with("Content-Type", "application/rss+xml").with("ETag", "\"v1\"")
    });
    format!(
        "[[feeds]]\nid = \"wire\"\nurl = \"{}\"\ninterval = \"1s\"\nbackfill = \"all\"\nallow_private = [\"127.0.0.0/8\"]\n",
        feeds.url("/feed")
    )
}

/// Everything arrived; the program stops in order; nothing is missing, doubled or damaged.
async fn settle(room: &Newsroom, receiver: &Receiver, mut daemon: Daemon, files: u64, kills: usize) {
    let expected: std::collections::BTreeSet<_> = firsts((0..files).chain(FEED));
    until("every alert arrives", || told(&receiver.received(), None).alerts().len() >= expected.len()).await;
    daemon.ready(room).await;
    let store = room.store();
    until("all recorded", || pending(&store) == 0).await;
    drop(store);
    assert_eq!(daemon.stop().await, Some(0));
    let told = told(&receiver.received(), None);
    assert_eq!(told.alerts(), expected);
    assert!(told.repeats <= kills * REPEATS_PER_KILL_MAX, "{} repeats after {kills} kills", told.repeats);
    assert_eq!(integrity(&room.path("state")), "ok");
    let store = room.store();
    let count = |query| number(&store, query);
    assert_eq!(count("SELECT count(*) FROM seed_files WHERE reason IS NULL"), files as i64);
    assert_eq!(count("SELECT count(*) FROM items"), expected.len() as i64);
    assert_eq!(count("SELECT count(*) FROM sightings"), 0);
    assert_eq!(count("SELECT count(*) FROM deliveries WHERE state = 'delivered'"), expected.len() as i64);
    assert_eq!(count("SELECT count(*) FROM deliveries"), expected.len() as i64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_at_every_point_loses_nothing_and_doubles_nothing() {
    for point in Failpoint::ALL {
        for nth in [1, 3] {
            // The feed is read once.
            let nth = if point == Failpoint::FeedRead { 1 } else { nth };
            let receiver = Receiver::start().await;
            let feeds = FeedServer::start().await;
            let room = Newsroom::new(&receiver, &serve(&feeds));
            room.reconfigure("dir = \"seeds\"", "dir = \"seeds\"\nafter = \"move\"");
            for n in 0..FILES {
                room.drop_file(&format!("{n}.txt"), &article(n));
            }
            let plan = format!("{}:{nth}", point.as_str());
            let mut daemon = Daemon::start(&room, Some(&plan));
            assert_eq!(daemon.ended().await.signal(), Some(9), "it never got to {plan}");
            let daemon = Daemon::start(&room, None);
            until("all files have moved", || {
                let left = std::fs::read_dir(room.path("seeds")).expect("listed").flatten();
                left.into_iter().all(|entry| entry.path().is_dir())
            })
            .await;
            settle(&room, &receiver, daemon, FILES, 1).await;
            let done = std::fs::read_dir(room.seed("done")).expect("listed").count();
            assert_eq!(done as u64, FILES, "after {plan}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_at_random_moments_loses_nothing_and_doubles_nothing() {
    const KILLS: u64 = 8;
    const FILES_PER_LIFE: u64 = 5;
    let receiver = Receiver::start().await;
    let feeds = FeedServer::start().await;
    let room = Newsroom::new(&receiver, &serve(&feeds));
    let mut dropped = 0;
    for life in 0..KILLS {
        let daemon = Daemon::start(&room, None);
        for _ in 0..FILES_PER_LIFE {
            room.drop_file(&format!("{dropped}.txt"), &article(dropped));
            dropped += 1;
        }
        // Killed at a moment that the program's own work decides: so many webhooks, so far through.
        let arrived = (dropped * life / KILLS) as usize;
        until("some arrive", || receiver.count() >= arrived).await;
        daemon.kill().await;
    }
    let daemon = Daemon::start(&room, None);
    settle(&room, &receiver, daemon, dropped, KILLS as usize).await;
    assert!(dropped >= 40, "too little to mean anything");
}
