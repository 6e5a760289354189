//! Whole sessions at a terminal, as a person sees them: through a real pseudo-terminal of 80 and 120 columns, held
//! against what is written down in `tests/golden/terminal`. With `WIREWATCH_WRITE=1` they are written anew.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::crash::command;
use super::newsroom::{Newsroom, article, title, until};
use super::program::run;
use super::receiver::Receiver;

/// A command in a terminal of its own.
struct Session {
    child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Session {
    fn start(room: &Newsroom, arguments: &[&str], columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("text");
        let slave = OwnedFd::from(File::options().read(true).write(true).open(name).expect("the other side"));
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).expect("resized");
        let mut command = command(room);
        command.args(arguments).env("TERM", "xterm").env("NO_COLOR", "1");
        let side = || Stdio::from(slave.try_clone().expect("the same terminal"));
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("it starts");
        drop(command);
        drop(slave);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut master, all) = (File::from(master), seen.clone());
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = master.read(&mut bytes) {
                all.lock().expect("no panic").extend_from_slice(&bytes[..length]);
            }
        });
        Self { child, seen, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("no panic")).replace("\r\n", "\n")
    }

    async fn shows(&self, what: &str) {
        until(&format!("`{what}` is shown after {}", self.text()), || self.text().contains(what)).await;
    }

    async fn ended(mut self) -> String {
        until("it ends", || self.child.try_wait().expect("asked").is_some()).await;
        let reader = self.reader.take().expect("once");
        tokio::task::spawn_blocking(|| reader.join()).await.expect("no panic").expect("no panic");
        self.text()
    }

    fn interrupt(&self) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), Signal::INT).expect("signalled");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn typed(room: &Newsroom, arguments: &[&str], columns: u16) -> String {
    let shown = Session::start(room, arguments, columns).ended().await;
    for line in shown.lines() {
        let width = unicode_width::UnicodeWidthStr::width(line);
        assert!(width <= usize::from(columns), "{arguments:?} at {columns}: {width} columns in `{line}`");
    }
    format!("$ wirewatch {}\n{shown}\n", arguments.join(" "))
}

/// What is another at each run is made the same.
pub fn steady(text: &str, room: &Newsroom) -> String {
    let mut out = String::new();
    let text = text.replace(&room.dir.path().display().to_string(), "DIR");
    let patterns = [
        (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?Z?)?", "TIME"),
        (r"\d+\.\d+/s", "N/s"),
        (r"today \d\d:\d\d UTC", "today TIME"),
        (r"\d+ ms", "N ms"),
        (r"process \d+", "process N"),
        (r"127\.0\.0\.1:\d+", "HOST"),
        (r"\d+ (MiB|KiB)", "N $1"),
        (r"\b\d+ (s|min)\b", "N s"),
    ];
    // A longer age takes the room of the blanks behind it; on a busy machine seconds become minutes.
    let age = regex::Regex::new(r"\b(\d+) (s|min)( ago)?( {2,})").expect("a pattern");
    for line in text.lines() {
        let padded = |found: &regex::Captures<'_>| {
            let ago = found.get(3).map_or("", |ago| ago.as_str());
            let longer = found[1].len() + found[2].len() - "Ns".len();
            format!("N s{ago}{}{}", &found[4], " ".repeat(longer))
        };
        let mut line = age.replace_all(line, padded).into_owned();
        for (pattern, stands_for) in patterns {
            line = regex::Regex::new(pattern).expect("a pattern").replace_all(&line, stands_for).into_owned();
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

pub fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/terminal").join(name);
    if std::env::var_os("WIREWATCH_WRITE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, text).expect("written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{} says otherwise", path.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_run_offline_reads_like_this() {
    let feed = |n: u32| {
        format!("[[feeds]]\nid = \"wire-{n}\"\nurl = \"http://127.0.0.1:1/{n}\"\nallow_private = [\"127.0.0.0/8\"]\n")
    };
    for columns in [80, 120] {
        let room = Newsroom::silent(&(0..5).map(feed).collect::<String>());
        let session = Session::start(&room, &["run"], columns);
        session.shows("Ctrl-C stops").await;
        session.shows("5 of 5 feeds").await;
        room.drop_file("1.txt", &article(1));
        session.shows("alert 1").await;
        room.drop_file(
            "council.txt",
            "Council paints the town hall\n\nThe town hall will be blue from May, the council said.\n",
        );
        session.shows("council.txt").await;
        session.interrupt();
        session.shows("stopped").await;
        let text = session.ended().await;
        assert!(!text.contains("INFO") && !text.contains("WARN"), "no log: {text}");
        assert!(text.contains(&title(1)) || columns == 80, "{text}");
        golden(&format!("first-run-{columns}.txt"), &steady(&text, &room));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn run_tells_of_a_feed_s_first_good_poll_and_of_what_is_sent() {
    let receiver = Receiver::start().await;
    let feeds = super::feed_server::FeedServer::start().await;
    feeds.on("/feed", |_| {
        super::feed_server::Reply::ok(super::feed_server::rss_articles(100..104))
            .with("Content-Type", "application/rss+xml")
    });
    let wire = format!(
        "[[feeds]]\nid = \"wire\"\nurl = \"{}\"\ninterval = \"1s\"\nallow_private = [\"127.0.0.0/8\"]\n",
        feeds.url("/feed")
    );
    let room = Newsroom::new(&receiver, &wire);
    let session = Session::start(&room, &["run"], 80);
    session.shows("wire: 4 stored as a baseline; what comes from now on can alert").await;
    room.drop_file("1.txt", &article(1));
    session.shows("sent to desk in ").await;
    session.interrupt();
    assert!(session.ended().await.contains("\nstopped\n"));
    // Whoever wants the log gets it.
    let session = Session::start(&room, &["run", "--log"], 80);
    session.shows("INFO wirewatch is ready").await;
    session.interrupt();
    session.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_run_online_reads_like_this() {
    for columns in [80, 120] {
        let feeds = super::feed_server::FeedServer::start().await;
        let entries = Arc::new(Mutex::new(vec![100, 101, 102]));
        let served = entries.clone();
        feeds.on("/feed", move |_| {
            super::feed_server::Reply::ok(super::feed_server::rss_articles(served.lock().expect("no panic").clone()))
                .with("Content-Type", "application/rss+xml")
        });
        let wire = format!(
            "[[feeds]]\nid = \"wire\"\nurl = \"{}\"\ninterval = \"1s\"\nallow_private = [\"127.0.0.0/8\"]\n",
            feeds.url("/feed")
        );
        let room = Newsroom::silent(&wire);
        let session = Session::start(&room, &["run"], columns);
        session.shows("Ctrl-C stops").await;
        session.shows("wire: 3 stored as a baseline").await;
        // What comes from now on is news.
        entries.lock().expect("no panic").insert(0, 103);
        session.shows("alert 1").await;
        session.interrupt();
        session.shows("stopped").await;
        let text = session.ended().await;
        assert!(!text.contains("INFO") && !text.contains("alert 2"), "{text}");
        golden(&format!("first-run-online-{columns}.txt"), &steady(&text, &room));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_with_three_troubles_says_what_to_do_about_each() {
    let feed = |n: u32| {
        format!("[[feeds]]\nid = \"wire-{n}\"\nurl = \"http://127.0.0.1:1/{n}\"\nallow_private = [\"127.0.0.0/8\"]\n")
    };
    let desk = "[[endpoints]]\nid = \"desk\"\nurl = \"http://127.0.0.1:1/\"\nsecret_file = \"secret\"\nallow_private = [\"127.0.0.0/8\"]\n";
    let room = Newsroom::silent(&format!("{desk}{}", (0..4).map(feed).collect::<String>()));
    std::fs::write(room.path("1.txt"), article(1)).expect("written");
    run(&room, &["ingest", "1.txt"]).await;
    run(&room, &["run", "--once"]).await;
    std::fs::remove_dir_all(room.path("seeds")).expect("removed");
    for columns in [80, 120] {
        // Messages with names and paths in them are not cut.
        let shown = Session::start(&room, &["doctor"], columns).ended().await;
        for trouble in ["desk", "feeds", "seeds"] {
            assert!(shown.contains(trouble), "nothing about {trouble}: {shown}");
        }
        golden(&format!("doctor-{columns}.txt"), &steady(&shown, &room));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn top_once_fits_the_terminal() {
    let receiver = Receiver::start().await;
    let feed = "[[feeds]]\nid = \"wire\"\nurl = \"http://127.0.0.1:1/feed\"\nallow_private = [\"127.0.0.0/8\"]\n";
    let room = Newsroom::new(&receiver, feed);
    for n in 1..=3 {
        std::fs::write(room.path(&format!("{n}.txt")), article(n)).expect("written");
    }
    typed(&room, &["ingest", "1.txt", "2.txt", "3.txt"], 120).await;
    typed(&room, &["run", "--once"], 120).await;
    for columns in [80, 120] {
        golden(&format!("top-{columns}.txt"), &steady(&typed(&room, &["top", "--once"], columns).await, &room));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_fit_the_terminal_one_row_a_line() {
    let receiver = Receiver::start().await;
    let feed = "[[feeds]]\nid = \"wire\"\nurl = \"http://127.0.0.1:1/feed\"\nallow_private = [\"127.0.0.0/8\"]\n";
    let room = Newsroom::new(&receiver, feed);
    for n in 1..=3 {
        std::fs::write(room.path(&format!("{n}.txt")), article(n)).expect("written");
    }
    let other = serde_json::json!({"title": "Ferry to the islands stops for a week", "url": "https://gazette.example/ferry",
        "publisher": "Gazette", "published": "2025-03-17T08:00:00Z", "text": "The ferry will not run before Monday."});
    std::fs::write(room.path("4.json"), other.to_string()).expect("written");
    typed(&room, &["ingest", "1.txt", "2.txt", "3.txt", "4.json"], 120).await;
    typed(&room, &["run", "--once"], 120).await;
    for columns in [80, 120] {
        let mut shown = String::new();
        let lists: [&[&str]; 12] = [
            &["items"],
            &["items", "--topic", "ferry", "--since", "today"],
            &["items", "--severity", "high", "--limit", "1"],
            &["stories"],
            &["alerts"],
            &["alerts", "--severity", "high", "--since", "yesterday", "--limit", "2"],
            &["deliveries"],
            &["deliveries", "--topic", "ferry"],
            &["endpoints"],
            &["feeds"],
            &["silences"],
            &["search", "ferry", "-levee", "--limit", "2"],
        ];
        for arguments in lists {
            shown.push_str(&typed(&room, arguments, columns).await);
        }
        golden(&format!("lists-{columns}.txt"), &steady(&shown, &room));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_are_followed_go_on_with_what_comes() {
    let room = Newsroom::silent("");
    std::fs::write(room.path("1.txt"), article(1)).expect("written");
    typed(&room, &["ingest", "1.txt"], 120).await;
    let sessions = [("items", "itm_"), ("alerts", "levee"), ("deliveries", "delivered")]
        .map(|(list, word)| (Session::start(&room, &[list, "--follow"], 120), word));
    for (session, word) in &sessions {
        session.shows(word).await;
    }
    std::fs::write(room.path("2.txt"), article(2)).expect("written");
    typed(&room, &["ingest", "2.txt"], 120).await;
    for (session, word) in &sessions {
        until("the second one is shown", || session.text().matches(word).count() >= 2).await;
        assert_eq!(session.text().matches("AGE").count(), 1, "one head: {}", session.text());
    }
}
