//! `top` in a real terminal (a pseudo-terminal of this test): what it shows, that it follows keys and
//! sizes, and that the terminal is as it was on every way out.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use super::newsroom::{Newsroom, article, stop, until};
use super::receiver::Receiver;
use wirewatch::clock::Clock;

/// A terminal with `top` in it.
pub struct Screen {
    master: File,
    slave: OwnedFd,
    before: String,
    child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Screen {
    pub fn start(room: &Newsroom, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("text");
        let slave = OwnedFd::from(File::options().read(true).write(true).open(name).expect("the other side"));
        resize(&slave, 80, 24);
        let mut command = Command::new(env!("CARGO_BIN_EXE_wirewatch"));
        command.args(["top", "--every", "0.1", "--config"]).arg(room.config_file()).args(arguments);
        command.env("TERM", "xterm").envs(environment.iter().copied());
        let side = || Stdio::from(slave.try_clone().expect("the same terminal"));
        let before = settings(&slave);
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("it starts");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, all) = (File::from(master.try_clone().expect("the same terminal")), seen.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                all.lock().expect("no panic").extend_from_slice(&bytes[..length]);
            }
        });
        Self { master: File::from(master), slave, before, child, seen }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("no panic")).into_owned()
    }

    /// Waits until this is shown, looking only at what came since the last call.
    async fn shows(&self, what: &str) {
        until(&format!("`{what}` is shown"), || self.text().contains(what)).await;
        self.seen.lock().expect("no panic").clear();
    }

    pub fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("typed");
    }

    /// The terminal has another size from now on.
    pub fn is_resized(&self, columns: u16, rows: u16) {
        resize(&self.slave, columns, rows);
        self.signal(Signal::WINCH);
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).expect("signalled");
    }

    /// Ended, and the terminal is as it was.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let mut status = None;
        until("it ends", || {
            status = self.child.try_wait().expect("asked");
            status.is_some()
        })
        .await;
        until("the terminal is left", || self.text().contains("\x1b[?1049l")).await;
        assert_eq!(settings(&self.slave), self.before, "the terminal's settings");
        let text = self.text();
        let left = text.split("\x1b[?1049h").last().unwrap_or_default();
        assert!(left.contains("\x1b[?25h"), "the cursor is back: {left:?}");
        (status.expect("a status"), text)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(terminal: &OwnedFd, columns: u16, rows: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).expect("resized");
}

fn settings(terminal: &OwnedFd) -> String {
    format!("{:?}", tcgetattr(terminal).expect("read"))
}

/// Two feeds, one of which fails, and one alert.
async fn room() -> (Newsroom, Receiver) {
    let receiver = Receiver::start().await;
    let feed = "[[feeds]]\nid = \"wire\"\nurl = \"http://127.0.0.1:1/feed\"\nallow_private = [\"127.0.0.0/8\"]\n\
                [[feeds]]\nid = \"gazette\"\nurl = \"http://127.0.0.1:1/other\"\nenabled = false\n";
    let room = Newsroom::new(&receiver, feed);
    room.drop_file("1.txt", &article(1));
    let app = room.start(&Clock::system()).await;
    receiver.wait_for(1).await;
    until("the feed failed", || app.store.feed("wire").expect("read").is_some_and(|feed| feed.failure.is_some())).await;
    stop(app).await;
    (room, receiver)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn top_shows_follows_keys_and_sizes_and_quits() {
    let (room, _receiver) = room().await;
    let mut screen = Screen::start(&room, &[], &[]);
    screen.shows("NOT RUNNING").await;
    let app = room.start(&Clock::system()).await;
    screen.shows("running (process").await;
    screen.press("2");
    screen.shows("sty_").await;
    screen.press("4");
    screen.shows("levee").await;
    screen.press("5");
    screen.shows("desk").await;
    screen.press("3/nothing\r");
    screen.shows("0 rows, with `nothing`").await;
    screen.press("\x1b");
    screen.shows("wire").await;
    screen.press("?");
    screen.shows("closes this").await;
    resize(&screen.slave, 120, 50);
    screen.signal(Signal::WINCH);
    screen.shows("\x1b[50;1H").await;
    stop(app).await;
    screen.shows("NOT RUNNING").await;
    screen.press("q");
    let (status, _) = screen.ended().await;
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn top_leaves_the_terminal_as_it_was_whatever_ends_it() {
    let (room, _receiver) = room().await;
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let screen = Screen::start(&room, &[], &[]);
        screen.shows("1 failing").await;
        screen.signal(signal);
        let (status, _) = screen.ended().await;
        assert!(status.success(), "{signal:?}");
    }
    let mut screen = Screen::start(&room, &[], &[]);
    screen.shows("1 failing").await;
    screen.press("\x03");
    assert!(screen.ended().await.0.success());
    if cfg!(debug_assertions) {
        let mut screen = Screen::start(&room, &[], &[]);
        screen.shows("1 failing").await;
        screen.press("\x18");
        let (status, text) = screen.ended().await;
        assert!(!status.success());
        let after = text.split("\x1b[?1049l").nth(1).unwrap_or_default();
        assert!(after.contains("a panic was asked for"), "the message is on the screen that stays: {text:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn top_without_colour_or_terminal_says_the_same() {
    let (room, _receiver) = room().await;
    for (environment, absent) in [(("NO_COLOR", "1"), "\x1b[31m"), (("TERM", "dumb"), "\x1b[1m")] {
        let mut screen = Screen::start(&room, &[], &[environment]);
        until("it is shown", || screen.text().contains("1 failing")).await;
        assert!(!screen.text().contains(absent), "{environment:?}");
        screen.press("q");
        assert!(screen.ended().await.0.success());
    }
    let run = |arguments: &'static [&'static str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wirewatch"));
        let command = command.arg("--config").arg(room.config_file()).args(arguments).stdin(Stdio::null());
        let output = command.output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let text = run(&["top"]);
    assert!(text.contains("1 failing") && !text.contains('\x1b'), "{text}");
    let json: serde_json::Value = serde_json::from_str(&run(&["top", "--json"])).expect("JSON");
    assert_eq!(json["feeds"][0]["standing"], "failing");
    assert_eq!(json["activity"]["topics"][0]["topic"], "levee");
    assert_eq!(json["activity"]["items_hour"], 1);
}
