//! File closed → webhook received, FULL sync, loopback: 1,000 drops at 200 a second into a running
//! wirewatch, beside the bare floor (write a row, sync, POST) in the same run. Then feed served → webhook
//! received, for feeds with a new item in every answer. Then the program itself: start to ready with an
//! empty store, and resident memory with 100 feeds. Figures, not checks: `cargo bench --bench latency`.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use wirewatch::app::{App, Parts};
use wirewatch::clock::Clock;
use wirewatch::config::{Config, ConfigPlace, Environment};
use wirewatch::deliver::console::{Console, Style};
use wirewatch::store::DATABASE_FILE;

const DROPS: usize = 1000;
const EVERY: Duration = Duration::from_millis(5);
const FEEDS: usize = 100;
/// Feeds that publish, each asked every second.
const FEEDS_PUBLISHING: usize = 50;
const PUBLISHED: usize = 1000;
const FEED_ITEMS: usize = 20;
const HANGS: Duration = Duration::from_secs(60);

/// What a receiver saw: a part of the body that names it, and when.
type Seen = (String, Instant);

fn main() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {}; {DROPS} drops, one every {EVERY:?}", load.trim());
    let floor = floor();
    show("floor: row + fsync + POST", &floor, None);
    for (name, how) in [("renamed in", HandOver::Rename), ("closed in place", HandOver::InPlace)] {
        show(&format!("file {name} → webhook"), &drops(how), Some(&floor));
    }
    show("feed served → webhook", &published(), Some(&floor));
    show("floor again", &floor_again(&floor), None);
    program();
}

fn floor_again(first: &[Duration]) -> Vec<Duration> {
    let again = floor();
    assert_eq!(again.len(), first.len());
    again
}

fn show(what: &str, sorted: &[Duration], floor: Option<&[Duration]>) {
    let at = |of: &[Duration], share: f64| of[((of.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|share| at(sorted, share));
    let ratio = floor.map_or_else(String::new, |floor| {
        format!("  = {:.1} and {:.1} × floor (p50, p99)", p50 / at(floor, 0.5), p99 / at(floor, 0.99))
    });
    println!(
        "{what:<32} n {:<5} p50 {p50:.2} ms  p90 {p90:.2} ms  p99 {p99:.2} ms  max {max:.2} ms{ratio}",
        sorted.len()
    );
}

/// How a writer hands a file over.
#[derive(Clone, Copy)]
enum HandOver {
    Rename,
    InPlace,
}

/// Runs `each` at its time, whatever the one before took.
fn at_pace(mut each: impl FnMut(usize)) {
    let begin = Instant::now();
    for n in 0..DROPS {
        let due = begin + EVERY * n as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        each(n);
    }
}

/// A running wirewatch in a directory of its own.
struct Running {
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    app: App,
}

impl Running {
    fn start(receiver: SocketAddr, more: &str) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        std::fs::create_dir(dir.path().join("seeds")).expect("made");
        let path = dir.path().join("wirewatch.toml");
        write_secret(dir.path());
        std::fs::write(&path, config(receiver, more)).expect("written");
        let loaded = Config::load(&ConfigPlace::File(path), &Environment::default()).expect("a sound config");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let console = Console::to(Box::new(std::io::sink()), Style::stdout());
        let parts = Parts { config: loaded.config, place: String::new(), clock: Clock::system(), console };
        let app = runtime.block_on(App::start(parts)).expect("it starts");
        Self { dir, runtime, app }
    }

    fn stop(self) {
        self.runtime.block_on(self.app.stop()).expect("it stops");
    }
}

/// From the last byte of a feed's answer to the webhook about the item that was new in it.
fn published() -> Vec<Duration> {
    let (address, seen) = receiver();
    let (tell, served) = sync_channel(PUBLISHED * 4);
    let running = Running::start(address, &entries(feed_server(Some(tell)), FEEDS_PUBLISHING, "1s"));
    let mut at = HashMap::new();
    let mut waits = Vec::with_capacity(PUBLISHED);
    while waits.len() < PUBLISHED {
        let (name, received): Seen = seen.recv_timeout(HANGS).expect("a webhook for every new item");
        while !at.contains_key(&name) {
            let (name, served): Seen = served.recv_timeout(HANGS).expect("nothing else is told of");
            at.insert(name, served);
        }
        waits.push(received.saturating_duration_since(at[&name]));
    }
    running.stop();
    waits.sort_unstable();
    waits
}

fn entries(server: SocketAddr, feeds: usize, interval: &str) -> String {
    let entry = |n| {
        format!(
            "[[feeds]]\nid = \"f{n}\"\nurl = \"http://{server}/{n}\"\ninterval = \"{interval}\"\n\
             allow_private = [\"127.0.0.0/8\"]\n"
        )
    };
    (0..feeds).map(entry).collect()
}

fn drops(how: HandOver) -> Vec<Duration> {
    let (address, seen) = receiver();
    let running = Running::start(address, "");
    let seeds = running.dir.path().join("seeds");
    hand_over(&seeds, "first", how);
    seen.recv_timeout(HANGS).expect("the first webhook");
    let mut closed = HashMap::new();
    at_pace(|n| {
        let name = format!("n{n:04}");
        closed.insert(name.clone(), hand_over(&seeds, &name, how));
    });
    let (began, mut waits) = (Instant::now(), Vec::with_capacity(DROPS));
    // Of a thousand made-up reports one or two may pass for another's story: that many alerts are not raised.
    while raised(&running.dir.path().join("state")).is_none_or(|alerts| waits.len() + 1 < alerts) {
        // Now and then it is looked again whether any more are raised.
        let Ok((name, at)) = seen.recv_timeout(Duration::from_secs(1)) else {
            assert!(began.elapsed() < HANGS, "a webhook for every alert: {} came", waits.len());
            continue;
        };
        waits.push(at.saturating_duration_since(closed[&name]));
    }
    running.stop();
    waits.sort_unstable();
    waits
}

/// Alerts that were raised, once every file is stored.
fn raised(state: &Path) -> Option<usize> {
    let stored = number(state, "SELECT count(*) FROM items")?;
    (stored > DROPS).then(|| number(state, "SELECT count(*) FROM alerts"))?
}

/// One number of a store; `None` while there is none.
fn number(state: &Path, query: &str) -> Option<usize> {
    let connection = rusqlite::Connection::open(state.join(DATABASE_FILE)).ok()?;
    connection.query_row(query, [], |row| row.get::<_, i64>(0)).ok().map(|number| number as usize)
}

/// Writes a file and hands it over; says when that was asked of the kernel.
fn hand_over(seeds: &Path, name: &str, how: HandOver) -> Instant {
    let (text, target) = (article(name), seeds.join(format!("{name}.txt")));
    let at;
    match how {
        HandOver::Rename => {
            let temporary = seeds.join(format!("{name}.tmp"));
            std::fs::write(&temporary, text).expect("written");
            at = Instant::now();
            std::fs::rename(temporary, target).expect("renamed");
        }
        HandOver::InPlace => {
            let mut file = std::fs::File::create(target).expect("made");
            file.write_all(text.as_bytes()).expect("written");
            at = Instant::now();
        }
    }
    at
}

/// What cannot be done without: one row in a database like ours, synced, and one request.
fn floor() -> Vec<Duration> {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let connection = rusqlite::Connection::open(dir.path().join("floor.db")).expect("opens");
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (body TEXT);")
        .expect("set up");
    let (address, seen) = receiver();
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_nodelay(true).expect("set");
    let mut waits = Vec::with_capacity(DROPS);
    at_pace(|n| {
        let body = format!("{{\"data\":{{\"item\":{{\"title\":\"n{n:04} \"}}}},\"x\":\"{}\"}}", "x".repeat(1200));
        let began = Instant::now();
        connection.prepare_cached("INSERT INTO t VALUES (?1)").expect("sound").execute([&body]).expect("committed");
        let request = format!("POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = [0; 256];
        assert!(stream.read(&mut answer).expect("answered") > 0);
        let (_, at) = seen.recv_timeout(HANGS).expect("received");
        waits.push(at.saturating_duration_since(began));
    });
    waits.sort_unstable();
    waits
}

/// Answers 200 to every request, and says what each was about.
fn receiver() -> (SocketAddr, Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (sender, seen) = sync_channel(DROPS * 2);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || converse(&stream, &sender));
        }
    });
    (address, seen)
}

fn converse(mut stream: &TcpStream, seen: &SyncSender<Seen>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 0) && line.trim() != "" {
            if let Some(("content-length", value)) = line.to_ascii_lowercase().split_once(':') {
                length = value.trim().parse().ok()?;
            }
            line.clear();
        }
        if length == 0 {
            return None;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let at = Instant::now();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
        let body: serde_json::Value = serde_json::from_slice(&body).ok()?;
        let title = body.pointer("/data/item/title")?.as_str()?.to_owned();
        seen.send((title.split(' ').next()?.to_owned(), at)).ok()?;
    }
}

fn config(receiver: SocketAddr, more: &str) -> String {
    format!(
        "include = [\"{}/config/topics/*.toml\"]\n[daemon]\nstate_dir = \"state\"\nlog = \"warn\"\n[seeds]\n\
         dir = \"seeds\"\n[http]\nlisten = \"off\"\n[polling]\nstart_spread = \"1s\"\nhost_spacing = \"0s\"\n\
         fetches_per_host_max = 16\n[[topics]]\nid = \"levee\"\nlabel = \"Levees\"\n\
         terms = [ {{ id = \"levee\", match = \"levee\", weight = 5.0 }} ]\n[[endpoints]]\nid = \"desk\"\n\
         url = \"http://{receiver}/hook\"\nsecret_file = \"secret\"\nallow_private = [\"127.0.0.0/8\"]\n{more}",
        env!("CARGO_MANIFEST_DIR")
    )
}

fn write_secret(dir: &Path) {
    let path = dir.join("secret");
    std::fs::write(&path, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("private");
}

/// Words of its own for every name, so that each article is its own story.
fn article(name: &str) -> String {
    let mut state = name.bytes().fold(7u64, |hash, byte| hash.wrapping_mul(1_000_003) ^ u64::from(byte));
    let mut word = || {
        let letters = (0..4).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let syllables = ["ba", "dre", "gi", "ko", "lu", "ma", "ne", "pri", "to", "vu"];
            syllables[((state >> 33) % 10) as usize]
        });
        letters.collect::<String>()
    };
    let mut text = format!("{name} levee holds near {} {}\n\n", word(), word());
    for _ in 0..12 {
        let words: Vec<String> = (0..10).map(|_| word()).collect();
        text.extend(["The ", &word(), " office said that ", &words.join(" "), ".\n"]);
    }
    text
}

/// The program as it is shipped, in a process of its own.
fn program() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    std::fs::create_dir(dir.path().join("seeds")).expect("made");
    write_secret(dir.path());
    let (address, _seen) = receiver();
    let mut starts: Vec<Duration> = (0..5)
        .map(|_| {
            let _ = std::fs::remove_dir_all(dir.path().join("state"));
            let (mut child, took) = start(dir.path(), &config(address, ""));
            let _ = child.kill();
            let _ = child.wait();
            took
        })
        .collect();
    starts.sort_unstable();
    let ms = |took: Duration| took.as_secs_f64() * 1e3;
    println!("start to ready, empty store: median {:.0} ms, worst of 5 {:.0} ms", ms(starts[2]), ms(starts[4]));

    let entries = entries(feed_server(None), FEEDS, "5s");
    let (mut child, _) = start(dir.path(), &config(address, &entries));
    let began = Instant::now();
    while polled(&dir.path().join("state")) < 2 * FEEDS {
        assert!(began.elapsed() < HANGS, "the feeds are not polled");
        std::thread::sleep(Duration::from_millis(50));
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("running");
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?").trim().to_owned();
    println!(
        "{FEEDS} feeds of {FEED_ITEMS} items, each polled twice: resident {}, peak {}",
        field("VmRSS:"),
        field("VmHWM:")
    );
    let _ = child.kill();
    let _ = child.wait();
}

/// Starts it and waits for the word that systemd would get.
fn start(dir: &Path, config: &str) -> (Child, Duration) {
    let file = dir.join("wirewatch.toml");
    std::fs::write(&file, config).expect("written");
    let socket = dir.join("notify");
    let _ = std::fs::remove_file(&socket);
    let notify = UnixDatagram::bind(&socket).expect("a socket");
    notify.set_read_timeout(Some(HANGS)).expect("set");
    let began = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirewatch"));
    command.arg("run").arg("--config").arg(&file).env("NOTIFY_SOCKET", &socket);
    #[expect(clippy::zombie_processes, reason = "the caller kills and waits; a failed start ends the bench")]
    let child = command.stdout(Stdio::null()).spawn().expect("the program starts");
    let mut word = [0; 512];
    loop {
        let read = notify.recv(&mut word).expect("ready in time");
        if word[..read].starts_with(b"READY=1") {
            return (child, began.elapsed());
        }
    }
}

fn polled(state: &Path) -> usize {
    number(state, "SELECT sum(min(polls, 2)) FROM feeds").unwrap_or(0)
}

/// Gives every path a feed of its own; with `tell` each answer has one new item, which is named there.
fn feed_server(tell: Option<SyncSender<Seen>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let polls: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
        for stream in listener.incoming().flatten() {
            let (tell, polls) = (tell.clone(), Arc::clone(&polls));
            std::thread::spawn(move || serve(stream, tell.as_ref(), &polls));
        }
    });
    address
}

fn serve(mut stream: TcpStream, tell: Option<&SyncSender<Seen>>, polls: &Mutex<HashMap<String, usize>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
        let Some(path) = line.strip_prefix("GET /").and_then(|rest| rest.split(' ').next()) else { continue };
        let newest = tell.map_or(0, |_| {
            let mut polls = polls.lock().unwrap_or_else(PoisonError::into_inner);
            let count = polls.entry(path.to_owned()).or_default();
            *count += 1;
            *count
        });
        let name = |n: usize| format!("{path}-{n}");
        let item = |n: usize| {
            let text = article(&name(n));
            let (title, body) = text.split_once("\n\n").unwrap_or_default();
            format!("<item><guid>{}</guid><title>{title}</title><description>{body}</description></item>", name(n))
        };
        let items: String = (newest..newest + FEED_ITEMS).map(item).collect();
        let body = format!("<rss version=\"2.0\"><channel><title>Feed {path}</title>{items}</channel></rss>");
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
        if let Some(tell) = tell {
            tell.send((name(newest + FEED_ITEMS - 1), Instant::now())).ok()?;
        }
    }
}
