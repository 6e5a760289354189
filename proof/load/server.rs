//! The feed server, in a process of its own so that its work counts for nobody: documents rendered and
//! compressed beforehand, ETags, new items and faults on demand over `/control/…`, and `/sink` for
//! webhooks. Listens on one port of 127.0.0.1 to 127.0.0.`hosts`: so many hosts.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use wirewatch::clock::Clock;
use wirewatch::model::Timestamp;

use crate::Failure;
use crate::documents::{self, Feed, Format};
use crate::words::{Language, Numbers};

/// What is served.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Feeds, at /feed/0 and so on.
    #[arg(long, default_value_t = 100)]
    pub feeds: usize,
    /// Items each of them shows.
    #[arg(long, default_value_t = 50)]
    pub items: u64,
    /// Loopback addresses it listens on, 127.0.0.1 and up.
    #[arg(long, default_value_t = 16)]
    pub hosts: u8,
    /// Its port; 0: a free one, printed.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Every answer waits so long.
    #[arg(long, default_value_t = 0)]
    pub delay_ms: u64,
}

/// Longest request head that is read.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// A connection that hangs on purpose hangs so long.
const HANG: Duration = Duration::from_secs(120);

/// A document as it goes out.
struct Ready {
    etag: String,
    answer: Vec<u8>,
    unchanged: Vec<u8>,
}

/// What a share of the answers suffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// 503.
    Error,
    /// Half a body, then the end of the connection.
    Cut,
    /// No answer for two minutes.
    Hang,
    /// 200 with bytes that are no feed.
    Garbage,
    /// 410.
    Gone,
}

impl Fault {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "error" => Self::Error,
            "cut" => Self::Cut,
            "hang" => Self::Hang,
            "garbage" => Self::Garbage,
            "gone" => Self::Gone,
            _ => return None,
        })
    }
}

struct Bed {
    language: Language,
    args: ServeArgs,
    begins: Timestamp,
    newest: AtomicU64,
    ready: RwLock<Arc<Vec<Ready>>>,
    fault: RwLock<Option<(Fault, u64)>>,
    counts: Counts,
    began: Instant,
}

/// Since the last reset; times in microseconds since the server began, 0: never.
#[derive(Default)]
struct Counts {
    full: AtomicU64,
    unchanged: AtomicU64,
    faults: AtomicU64,
    posts: AtomicU64,
    connections: AtomicU64,
    bytes: AtomicU64,
    first_us: AtomicU64,
    last_us: AtomicU64,
}

/// Serves until its standard input closes: it ends with whoever started it.
pub fn serve(args: ServeArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async move {
        let first = TcpListener::bind(("127.0.0.1", args.port)).await?;
        let port = first.local_addr()?.port();
        let mut listeners = vec![first];
        for host in 2..=args.hosts {
            listeners.push(TcpListener::bind((std::net::Ipv4Addr::new(127, 0, 0, host), port)).await?);
        }
        let bed = Arc::new(Bed::new(args));
        for listener in listeners {
            tokio::spawn(accept(listener, bed.clone()));
        }
        println!("{port}");
        std::io::stdout().flush()?;
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
        Ok(())
    })
}

async fn accept(listener: TcpListener, bed: Arc<Bed>) {
    while let Ok((stream, _)) = listener.accept().await {
        bed.counts.connections.fetch_add(1, Ordering::Relaxed);
        let bed = bed.clone();
        tokio::spawn(async move { converse(stream, &bed).await });
    }
}

/// One connection, request by request; `None` at its end.
async fn converse(mut stream: TcpStream, bed: &Bed) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut buffer = Vec::with_capacity(2048);
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if buffer.len() > HEAD_BYTES_MAX || stream.read_buf(&mut buffer).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let length: usize = field(&head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        while buffer.len() < end + length {
            if stream.read_buf(&mut buffer).await.ok()? == 0 {
                return None;
            }
        }
        buffer.drain(..end + length);
        let path = head.split(' ').nth(1)?;
        match path.strip_prefix("/feed/") {
            Some(number) => bed.answer_feed(&mut stream, number, field(&head, "if-none-match")).await?,
            None => stream.write_all(&bed.answer(path)).await.ok()?,
        }
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn plain(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

impl Bed {
    fn new(args: ServeArgs) -> Self {
        let now = Clock::system().now();
        // Whole hours, and far enough back that no item is of the future.
        let begins = Timestamp::from_seconds(now.millis() / 3_600_000 * 3600).minus(Duration::from_secs(60 * 240));
        let newest = args.items.saturating_sub(1);
        let bed = Self {
            language: Language::new(),
            args,
            begins,
            newest: AtomicU64::new(newest),
            ready: RwLock::default(),
            fault: RwLock::default(),
            counts: Counts::default(),
            began: Instant::now(),
        };
        bed.render();
        bed
    }

    /// All documents anew, on two threads.
    fn render(&self) {
        let newest = self.newest.load(Ordering::Relaxed);
        let half = self.args.feeds.div_ceil(2);
        let part =
            |range: std::ops::Range<usize>| range.map(|number| self.document(number, newest)).collect::<Vec<_>>();
        let all = std::thread::scope(|scope| {
            let second = scope.spawn(|| part(half..self.args.feeds));
            let mut all = part(0..half);
            all.extend(second.join().expect("invariant: rendering does not panic"));
            all
        });
        *self.ready.write().expect("invariant: no holder panics") = Arc::new(all);
    }

    fn document(&self, number: usize, newest: u64) -> Ready {
        let feed = Feed { number, items: self.args.items, newest, begins: self.begins };
        let text = documents::render(&self.language, feed);
        let mut gzip = GzEncoder::new(Vec::with_capacity(text.len() / 2), Compression::new(5));
        let body = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish()).expect("invariant: memory takes it");
        let etag = format!("\"{number}-{newest}\"");
        let kind = match Format::of(number) {
            Format::Rss => "application/rss+xml",
            Format::Atom => "application/atom+xml",
            Format::Rdf => "application/rdf+xml",
        };
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Encoding: gzip\r\nETag: {etag}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        answer.extend(body);
        let unchanged = format!("HTTP/1.1 304 Not Modified\r\nETag: {etag}\r\n\r\n").into_bytes();
        Ready { etag, answer, unchanged }
    }

    async fn answer_feed(&self, stream: &mut TcpStream, number: &str, known: Option<&str>) -> Option<()> {
        let counts = &self.counts;
        let _ = counts.first_us.compare_exchange(0, self.micros(), Ordering::Relaxed, Ordering::Relaxed);
        if self.args.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.args.delay_ms)).await;
        }
        let ready = self.ready.read().expect("invariant: no holder panics").clone();
        let number: usize = number.parse().ok()?;
        let Some(document) = ready.get(number) else {
            return stream.write_all(&plain("404 Not Found", "")).await.ok();
        };
        if let Some(fault) = self.fault_of(number) {
            counts.faults.fetch_add(1, Ordering::Relaxed);
            return suffer(stream, fault, document).await;
        }
        let answer = if known == Some(document.etag.as_str()) {
            counts.unchanged.fetch_add(1, Ordering::Relaxed);
            &document.unchanged
        } else {
            counts.full.fetch_add(1, Ordering::Relaxed);
            &document.answer
        };
        stream.write_all(answer).await.ok()?;
        counts.bytes.fetch_add(answer.len() as u64, Ordering::Relaxed);
        counts.last_us.store(self.micros(), Ordering::Relaxed);
        Some(())
    }

    /// The same feeds fail each time, so that a run can be repeated.
    fn fault_of(&self, number: usize) -> Option<Fault> {
        let (fault, percent) = (*self.fault.read().expect("invariant: no holder panics"))?;
        (Numbers::of(number as u64 ^ 0xfa_u64).next() % 100 < percent).then_some(fault)
    }

    fn micros(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    /// Everything that is no feed.
    fn answer(&self, path: &str) -> Vec<u8> {
        let mut parts = path.trim_start_matches('/').split('/');
        let (first, second) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        match (first, second) {
            ("sink", _) => {
                self.counts.posts.fetch_add(1, Ordering::Relaxed);
                plain("200 OK", "")
            }
            ("control", "") => plain("200 OK", &self.told()),
            ("control", "reset") => {
                self.counts.reset();
                plain("200 OK", "")
            }
            ("control", "new") => {
                let more = parts.next().and_then(|k| k.parse().ok()).unwrap_or(1);
                self.newest.fetch_add(more, Ordering::Relaxed);
                self.render();
                plain("200 OK", "")
            }
            ("control", "fault") => {
                let fault = parts.next().and_then(Fault::named);
                let percent = parts.next().and_then(|p| p.parse().ok()).unwrap_or(100);
                *self.fault.write().expect("invariant: no holder panics") = fault.map(|fault| (fault, percent));
                plain("200 OK", "")
            }
            _ => plain("404 Not Found", ""),
        }
    }

    fn told(&self) -> String {
        let Counts { full, unchanged, faults, posts, connections, bytes, first_us, last_us } = &self.counts;
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        serde_json::json!({
            "full": get(full), "unchanged": get(unchanged), "faults": get(faults), "posts": get(posts),
            "connections": get(connections), "bytes": get(bytes), "first_us": get(first_us),
            "last_us": get(last_us), "now_us": self.micros(),
        })
        .to_string()
    }
}

impl Counts {
    fn reset(&self) {
        let Self { full, unchanged, faults, posts, connections, bytes, first_us, last_us } = self;
        for count in [full, unchanged, faults, posts, connections, bytes, first_us, last_us] {
            count.store(0, Ordering::Relaxed);
        }
    }
}

async fn suffer(stream: &mut TcpStream, fault: Fault, document: &Ready) -> Option<()> {
    match fault {
        Fault::Error => stream.write_all(&plain("503 Service Unavailable", "")).await.ok(),
        Fault::Gone => stream.write_all(&plain("410 Gone", "")).await.ok(),
        Fault::Garbage => stream.write_all(&plain("200 OK", "<rss><channel><item>\u{0}&&&</channel")).await.ok(),
        Fault::Cut => {
            let _ = stream.write_all(&document.answer[..document.answer.len() / 2]).await;
            None
        }
        Fault::Hang => {
            tokio::time::sleep(HANG).await;
            None
        }
    }
}
