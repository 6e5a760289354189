//! A feed server on a port of its own that says what a test tells it to, broken HTTP included, and
//! remembers what it was asked. Raw sockets: no HTTP library would send most of this.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Asked {
    /// The first header field of this name, any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    pub fn header_text(&self, name: &str) -> Option<String> {
        self.header(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

/// What to say.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Status line, these fields, `Content-Length` unless given, body.
    Http { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// These bytes, then this piece again and again with a pause, until the client goes away.
    Endless { head: Vec<u8>, piece: Vec<u8>, pause: Duration },
    /// Nothing, for ever.
    Silent,
    /// The connection is reset.
    Reset,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::Http { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::Http { status: 200, headers: Vec::new(), body: body.into() }
    }

    pub fn redirect(status: u16, to: &str) -> Self {
        Self::status(status).with("Location", to)
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Http { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

type Answer = Box<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// The server; ends with the runtime.
pub struct FeedServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    routes: Mutex<HashMap<String, Answer>>,
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
    busy: AtomicUsize,
    busy_max: AtomicUsize,
}

impl FeedServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(converse(stream, serving.clone()));
            }
        });
        Self { address, shared }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers a path by a function of the request.
    pub fn on(&self, path: &str, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        self.shared.routes.lock().expect("lock").insert(path.to_owned(), Box::new(answer));
    }

    /// Answers a path with one reply after the other; the last one stays.
    pub fn script(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        self.on(path, move |_| {
            let mut replies = replies.lock().expect("lock");
            let reply = replies.front().cloned().unwrap_or(Reply::status(500));
            if replies.len() > 1 {
                replies.pop_front();
            }
            reply
        });
    }

    /// Serves a feed with an `ETag`, and 304 to whoever has it.
    pub fn feed(&self, path: &str, etag: &str, body: &str) {
        let (etag, body) = (etag.to_owned(), body.to_owned());
        self.on(path, move |asked| {
            if asked.header("if-none-match") == Some(etag.as_bytes()) {
                return Reply::status(304).with("ETag", &etag);
            }
            Reply::ok(body.clone()).with("Content-Type", "application/rss+xml").with("ETag", &etag)
        });
    }

    /// What a path was asked, oldest first.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        self.shared.asked.lock().expect("lock").iter().filter(|asked| asked.target == path).cloned().collect()
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// The most requests that were being answered at one time.
    pub fn busy_max(&self) -> usize {
        self.shared.busy_max.load(Ordering::Relaxed)
    }
}

/// An RSS document with one item per (guid, title).
pub fn rss(items: &[(&str, &str)]) -> String {
    let items: Vec<_> = items
        .iter()
        .map(|(guid, title)| {
            format!("<item><guid>{guid}</guid><title>{title}</title><link>https://example.org/{guid}</link></item>")
        })
        .collect();
    format!("<rss version=\"2.0\"><channel><title>Example wire</title>{}</channel></rss>", items.concat())
}

/// An RSS document with these articles.
pub fn rss_articles(numbers: impl IntoIterator<Item = u64>) -> String {
    let item = |n| {
        let (title, body) = (super::newsroom::title(n), super::newsroom::body(n));
        format!("<item><guid>{n}</guid><title>{title}</title><description>{body}</description></item>")
    };
    let items: String = numbers.into_iter().map(item).collect();
    format!("<rss version=\"2.0\"><channel><title>Levee wire</title>{items}</channel></rss>")
}

async fn converse(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    while let Some(asked) = read_request(&mut stream, &mut buffer).await {
        let reply = match shared.routes.lock().expect("lock").get(&asked.target) {
            Some(answer) => answer(&asked),
            None => Reply::status(404),
        };
        let busy = shared.busy.fetch_add(1, Ordering::Relaxed) + 1;
        shared.busy_max.fetch_max(busy, Ordering::Relaxed);
        shared.asked.lock().expect("lock").push(asked);
        let keep = say(&mut stream, reply).await;
        shared.busy.fetch_sub(1, Ordering::Relaxed);
        if !keep {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Asked> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        fill(stream, buffer).await?;
        // A TLS hello, for one: whoever sent it would wait for ever.
        if !buffer[0].is_ascii_uppercase() {
            return None;
        }
    };
    let head: Vec<u8> = buffer.drain(..head_end).collect();
    let mut lines = head.split(|&b| b == b'\n').map(<[u8]>::trim_ascii);
    let first = String::from_utf8_lossy(lines.next()?).into_owned();
    let mut words = first.split(' ').map(str::to_owned);
    let headers = lines.filter_map(|line| {
        let colon = line.iter().position(|&b| b == b':')?;
        Some((String::from_utf8_lossy(&line[..colon]).into_owned(), line[colon + 1..].trim_ascii().to_vec()))
    });
    let mut asked =
        Asked { method: words.next()?, target: words.next()?, headers: headers.collect(), body: Vec::new() };
    let length = asked.header_text("content-length").and_then(|text| text.parse().ok()).unwrap_or(0usize);
    while buffer.len() < length {
        fill(stream, buffer).await?;
    }
    asked.body = buffer.drain(..length).collect();
    Some(asked)
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 4096];
    let read = stream.read(&mut chunk).await.ok().filter(|&read| read > 0)?;
    buffer.extend_from_slice(&chunk[..read]);
    Some(())
}

/// Whether the connection can be used again.
async fn say(stream: &mut TcpStream, reply: Reply) -> bool {
    match reply {
        Reply::Http { status, headers, body } => {
            let mut out = format!("HTTP/1.1 {status} Reply\r\n");
            for (name, value) in &headers {
                let _ = write!(out, "{name}: {value}\r\n");
            }
            let bodyless = matches!(status, 204 | 304);
            if !bodyless && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
                let _ = write!(out, "Content-Length: {}\r\n", body.len());
            }
            out.push_str("\r\n");
            let mut bytes = out.into_bytes();
            bytes.extend_from_slice(&body);
            stream.write_all(&bytes).await.is_ok()
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            false
        }
        Reply::Endless { head, piece, pause } => {
            let mut sent = stream.write_all(&head).await;
            while sent.is_ok() {
                sent = stream.write_all(&piece).await;
                if pause.is_zero() {
                    tokio::task::yield_now().await;
                } else {
                    tokio::time::sleep(pause).await;
                }
            }
            false
        }
        Reply::Silent => {
            // Until the client hangs up.
            let mut rest = [0; 64];
            while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
            false
        }
        Reply::Reset => {
            // Unread or unsent data and no lingering: the kernel answers with RST.
            let _ = stream.set_zero_linger();
            false
        }
    }
}
