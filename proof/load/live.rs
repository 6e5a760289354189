//! What watching costs: how long a dropped file takes to its webhook with and without ten tabs of the page open, while
//! feeds are polled; and whether 32 streams hear everything and keep no scraper of the metrics waiting. A tab does what
//! the page's script does: it holds a stream, and asks for parts of the page at most once a second when something happens.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

use crate::Failure;
use crate::bed::Bed;
use crate::daemon::{HANGS, Place};
use crate::figures::Figures;
use crate::words::Language;

/// How much is watched.
#[derive(Debug, Clone, clap::Args)]
pub struct LiveArgs {
    /// Feeds that are polled meanwhile, each once a minute.
    #[arg(long, default_value_t = 1000)]
    feeds: usize,
    /// Tabs of the page.
    #[arg(long, default_value_t = 10)]
    tabs: usize,
    /// Streams of the second part.
    #[arg(long, default_value_t = 32)]
    streams: usize,
    /// Files dropped in each round.
    #[arg(long, default_value_t = 100)]
    drops: usize,
    /// Rounds without tabs, and as many with them, in turn.
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// Files dropped a second.
    #[arg(long, default_value_t = 5)]
    per_second: u32,
}

/// What no article of the bed says.
const WORD: &str = "quaysidelantern";
/// The blocks of the page that may change.
const PARTS: &str = "/?part=strip,stories";
/// The script of the page waits so long after something happened, and so long between two questions.
const SOON: Duration = Duration::from_millis(150);
const PART_EVERY: Duration = Duration::from_secs(1);

/// So long nothing that was dropped takes to its webhook.
const UNTOLD: Duration = Duration::from_secs(60);

/// What is dropped is carried by no feed.
const NO_FEED: u64 = 3 << 62;

/// When the webhook of each dropped file came.
type Arrivals = Arc<Mutex<HashMap<usize, Instant>>>;

/// Both parts.
pub fn live(args: &LiveArgs, figures: &Figures) -> Result<(), Failure> {
    let mut bed = Bed::start(args.feeds, 5, 16)?;
    let place = Place::new()?;
    place.configure(&bed, args.feeds, "60s")?;
    let (sink, arrivals) = receiver()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let config = place.dir.path().join("wirewatch.toml");
    let text = std::fs::read_to_string(&config)?
        .replace("listen = \"off\"", &format!("listen = \"127.0.0.1:{port}\""))
        .replace(&format!("http://127.0.0.1:{}/sink", bed.port), &format!("http://127.0.0.1:{sink}/sink"));
    let topic = format!(
        "[[topics]]\nid = \"lantern\"\nlabel = \"Lantern\"\nterms = [ {{ match = \"{WORD}\", weight = 9.0 }} ]\n"
    );
    std::fs::write(&config, text + &topic)?;
    let daemon = place.start()?;
    // Polled once, and from then on spread over the minute.
    let served = args.feeds as u64;
    let began = Instant::now();
    while place.number("SELECT count(*) FROM feeds WHERE polls > 0")? < served {
        if began.elapsed() > HANGS {
            return Err("the first wave of polls does not end".into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut drops = Drops { place: &place, arrivals: &arrivals, language: Language::new(), next: 0 };
    drops.round(args.drops.min(20), args.per_second)?;
    let (mut alone, mut watched) = (Vec::new(), Vec::new());
    let (mut parts, mut refused) = (0, 0);
    for _ in 0..args.rounds {
        bed.publish(1)?;
        alone.extend(drops.round(args.drops, args.per_second)?);
        bed.publish(1)?;
        let tabs = Watchers::open(args.tabs, port, true)?;
        watched.extend(drops.round(args.drops, args.per_second)?);
        let heard = tabs.close()?;
        (parts, refused) = (parts + heard.parts, refused + heard.refused);
    }
    let (alone, watched) = (Spread::of(alone), Spread::of(watched));
    let values = [
        ("alone_p50_ms", alone.p50),
        ("alone_p99_ms", alone.p99),
        ("watched_p50_ms", watched.p50),
        ("watched_p99_ms", watched.p99),
        ("p99_ratio", watched.p99 / alone.p99.max(0.001)),
        ("parts", parts as f64),
        ("parts_refused", refused as f64),
    ];
    figures.tell("live.tabs", args.tabs as u64, &values)?;
    streams(args, port, &mut drops, figures)?;
    daemon.stop()
}

/// Streams, and a scraper beside them.
fn streams(args: &LiveArgs, port: u16, drops: &mut Drops<'_>, figures: &Figures) -> Result<(), Failure> {
    let scraper = Scraper::start(port);
    drops.round(args.drops, args.per_second)?;
    let alone = scraper.stop()?;
    let listening = Watchers::open(args.streams, port, false)?;
    let scraper = Scraper::start(port);
    drops.round(args.drops, args.per_second)?;
    let beside = scraper.stop()?;
    let heard = listening.close()?;
    let expected = (args.drops * args.streams) as u64;
    let values = [
        ("scrapes", beside.count as f64),
        ("scrape_alone_p95_ms", alone.p95),
        ("scrape_beside_p95_ms", beside.p95),
        ("scrape_beside_worst_ms", beside.worst),
        ("heard", heard.drops as f64),
        ("expected", expected as f64),
    ];
    figures.tell("live.streams", args.streams as u64, &values)?;
    if heard.drops != expected {
        return Err(format!("{} of {expected} alerts were heard on the streams", heard.drops).into());
    }
    Ok(())
}

/// Values in order.
struct Spread {
    p50: f64,
    p95: f64,
    p99: f64,
    worst: f64,
    count: usize,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |share: usize| values.get((values.len() * share / 100).min(values.len().saturating_sub(1))).copied();
        let [p50, p95, p99, worst] = [50, 95, 99, 100].map(|share| at(share).unwrap_or(f64::NAN));
        Self { p50, p95, p99, worst, count: values.len() }
    }
}

/// Files on their way to a webhook.
struct Drops<'a> {
    place: &'a Place,
    arrivals: &'a Arrivals,
    language: Language,
    next: usize,
}

impl Drops<'_> {
    /// Drops so many at a pace; milliseconds of each from its drop to its webhook.
    fn round(&mut self, count: usize, per_second: u32) -> Result<Vec<f64>, Failure> {
        let seeds = self.place.dir.path().join("seeds");
        let (began, from) = (Instant::now(), self.next);
        let mut dropped = Vec::with_capacity(count);
        for nth in 0..count {
            let number = self.next;
            self.next += 1;
            let article = self.language.unshared(NO_FEED | number as u64);
            let (ready, there) = (seeds.join(format!(".{number}.tmp")), seeds.join(format!("drop-{number}.txt")));
            let text = format!("{} {WORD} drop{number}\n\n{}\n", article.title, article.paragraphs.join("\n\n"));
            std::fs::write(&ready, text)?;
            let due = began + Duration::from_secs(1) * nth as u32 / per_second.max(1);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            dropped.push(Instant::now());
            std::fs::rename(ready, there)?;
        }
        let last = Instant::now();
        loop {
            let arrived = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if (from..self.next).all(|number| arrived.contains_key(&number)) {
                let took = |(nth, at): (usize, Instant)| (arrived[&(from + nth)] - at).as_secs_f64() * 1e3;
                return Ok(dropped.into_iter().enumerate().map(took).collect());
            }
            if last.elapsed() > UNTOLD {
                let missing: Vec<String> =
                    (from..self.next).filter(|n| !arrived.contains_key(n)).map(|n| n.to_string()).collect();
                return Err(format!("dropped and not told within a minute: {}", missing.join(", ")).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Takes webhooks and notes when that of each drop came.
fn receiver() -> Result<(u16, Arrivals), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let arrivals = Arrivals::default();
    let noted = arrivals.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let noted = noted.clone();
            std::thread::spawn(move || take(stream, &noted));
        }
    });
    Ok((port, arrivals))
}

fn take(stream: TcpStream, noted: &Arrivals) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some(("content-length", value)) = line.to_ascii_lowercase().split_once(':') {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let now = Instant::now();
        if let Some(number) = dropped(&String::from_utf8_lossy(&body)) {
            noted.lock().unwrap_or_else(PoisonError::into_inner).entry(number).or_insert(now);
        }
        reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
    }
}

/// The number of the drop that an alert is about: other stories that it names are of other drops.
fn dropped(payload: &str) -> Option<usize> {
    let payload: serde_json::Value = serde_json::from_str(payload.trim_start_matches("data:").trim()).ok()?;
    let title = payload["data"]["item"]["title"].as_str()?;
    let behind = title.split_once(&format!("{WORD} drop"))?.1;
    behind[..behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len())].parse().ok()
}

/// What they heard and asked.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    drops: u64,
    parts: u64,
    refused: u64,
}

/// Streams that are read, each by a thread; tabs ask for parts as well.
struct Watchers {
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Option<Heard>>>,
}

impl Watchers {
    fn open(count: usize, port: u16, are_tabs: bool) -> Result<Self, Failure> {
        let (ends, open) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut threads = Vec::with_capacity(count);
        for tab in 0..count {
            let (ends, open) = (ends.clone(), open.clone());
            threads.push(std::thread::spawn(move || watch(port, are_tabs.then_some(tab), &ends, &open)));
        }
        let began = Instant::now();
        while open.load(Ordering::Relaxed) < count as u64 {
            if began.elapsed() > HANGS || threads.iter().any(JoinHandle::is_finished) {
                return Err("a stream cannot be opened".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { ends, threads })
    }

    fn close(self) -> Result<Heard, Failure> {
        // What was told is on its way to them too.
        std::thread::sleep(Duration::from_secs(1));
        self.ends.store(true, Ordering::Relaxed);
        let mut all = Heard::default();
        for thread in self.threads {
            let heard = thread.join().map_err(|_| "a watcher panicked")?.ok_or("a stream broke off")?;
            all.drops += heard.drops;
            all.parts += heard.parts;
            all.refused += heard.refused;
        }
        Ok(all)
    }
}

/// One stream, and the parts of one tab.
fn watch(port: u16, tab: Option<usize>, ends: &AtomicBool, open: &AtomicU64) -> Option<Heard> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(50))).ok()?;
    // A tab listens to everything; the others only to alerts, whole, to count them.
    let kinds = if tab.is_some() { "" } else { "?kinds=alert&full=1" };
    write!(stream, "GET /v1/stream{kinds} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n").ok()?;
    let (mut reader, mut line) = (BufReader::new(stream), Vec::new());
    let (mut heard, mut due, mut last) = (Heard::default(), None, Instant::now() - PART_EVERY);
    let mut is_open = false;
    while !ends.load(Ordering::Relaxed) {
        match reader.read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                if !is_open {
                    if !text.starts_with("HTTP/1.1 200") {
                        return None;
                    }
                    is_open = true;
                    open.fetch_add(1, Ordering::Relaxed);
                } else if text.starts_with("event:") {
                    due.get_or_insert((last + PART_EVERY).max(Instant::now() + SOON));
                } else if text.starts_with("data:") && dropped(&text).is_some() {
                    heard.drops += 1;
                }
                line.clear();
            }
            // The rest of a line comes with the next read.
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => return None,
        }
        if let Some(tab) = tab
            && due.is_some_and(|due| due <= Instant::now())
        {
            (due, last) = (None, Instant::now());
            let answer = ask(port, PARTS, &format!("accept: text/html\r\nwirewatch-tab: t{tab}\r\n"))?;
            heard.parts += 1;
            heard.refused += u64::from(!answer.starts_with("HTTP/1.1 200"));
        }
    }
    Some(heard)
}

fn ask(port: u16, path: &str, headers: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}connection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// Asks for the metrics as Prometheus does, more often.
struct Scraper {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Option<Vec<f64>>>,
}

impl Scraper {
    fn start(port: u16) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let told = ends.clone();
        let thread = std::thread::spawn(move || {
            let mut took = Vec::new();
            while !told.load(Ordering::Relaxed) {
                let began = Instant::now();
                let answer = ask(port, "/metrics", "accept: application/openmetrics-text\r\n")?;
                took.push(began.elapsed().as_secs_f64() * 1e3);
                if !answer.starts_with("HTTP/1.1 200") || !answer.contains("wirewatch_") {
                    return None;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            Some(took)
        });
        Self { ends, thread }
    }

    fn stop(self) -> Result<Spread, Failure> {
        self.ends.store(true, Ordering::Relaxed);
        let took = self.thread.join().map_err(|_| "the scraper panicked")?;
        Ok(Spread::of(took.ok_or("a scrape was not answered")?))
    }
}
