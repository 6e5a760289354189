//! The feed server: serves what was published, believes what a reader claims to have (its ETag) and never
//! gives that again but for a few, so a claim made too early loses items. Notes every request.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wirewatch::clock::Clock;

use super::truth::{Article, Origin};

/// Entries that a reader gets again although it has them.
const OVERLAP: u64 = 5;

/// A request, as it was answered.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub feed: usize,
    /// Milliseconds since 1970.
    pub at: i64,
    /// Which start of the program asked.
    pub life: u64,
}

#[derive(Debug, Default)]
struct State {
    published: Vec<u64>,
    claimed: Vec<u64>,
    asked: Vec<Asked>,
    life: u64,
}

/// The server; ends with the runtime.
#[derive(Clone)]
pub struct FeedServer {
    pub address: SocketAddr,
    seed: u64,
    state: Arc<Mutex<State>>,
}

impl FeedServer {
    pub async fn start(seed: u64, feeds: usize) -> std::io::Result<Self> {
        let listener = TcpListener::bind("0.0.0.0:0").await?;
        let state = State { published: vec![0; feeds], claimed: vec![0; feeds], ..State::default() };
        let server = Self {
            address: SocketAddr::from(([127, 0, 0, 1], listener.local_addr()?.port())),
            seed,
            state: Arc::new(Mutex::new(state)),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                // A reader that is killed breaks its connection: nothing to be said about that.
                tokio::spawn(async move { serving.converse(stream).await });
            }
        });
        Ok(server)
    }

    /// So many more articles in a feed.
    pub fn publish(&self, feed: usize, more: u64) {
        self.state().published[feed] += more;
    }

    pub fn published(&self) -> Vec<u64> {
        self.state().published.clone()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// From now on another start of the program is asking.
    pub fn next_life(&self, life: u64) {
        self.state().life = life;
    }

    /// A reader that was set back to an earlier state is served from there.
    pub fn forget_claims(&self) {
        self.state().claimed.fill(0);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        loop {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await?);
            }
            let answer = self.answer(&String::from_utf8_lossy(&head));
            stream.write_all(answer.as_bytes()).await?;
        }
    }

    fn answer(&self, head: &str) -> String {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let mut state = self.state();
        let feed = path.strip_prefix("/feed/").and_then(|n| n.parse().ok()).filter(|n| *n < state.published.len());
        let Some(feed) = feed else { return "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned() };
        let (at, life) = (Clock::system().now().millis(), state.life);
        state.asked.push(Asked { feed, at, life });
        let published = state.published[feed];
        let claim = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("if-none-match:").map(str::to_owned))
            .and_then(|tag| tag.trim().trim_matches('"').rsplit_once('-')?.1.parse::<u64>().ok());
        if let Some(claim) = claim {
            state.claimed[feed] = state.claimed[feed].max(claim);
        }
        let from = claim.unwrap_or(state.claimed[feed]).saturating_sub(OVERLAP);
        drop(state);
        let tag = format!("etag: \"{feed}-{published}\"\r\n");
        if claim == Some(published) {
            return format!("HTTP/1.1 304 Not Modified\r\n{tag}content-length: 0\r\n\r\n");
        }
        let mut body = format!("<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Feed {feed}</title>");
        for n in (from..published).rev() {
            body.push_str(&Article::of(self.seed, Origin::Feed(feed), n).rss());
        }
        body.push_str("</channel></rss>");
        let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-type: application/rss+xml\r\n{tag}");
        let _ = write!(answer, "content-length: {}\r\n\r\n{body}", body.len());
        answer
    }
}
