//! The pusher: sends articles to `POST /v1/items`, one after the other, each again and again until it is answered with
//! 200. What was answered so is the program's to keep, whatever happens to it afterwards.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::truth::{Article, Origin};

/// Where listeners are looked for: below the ports that the system gives to those who ask for any.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);
/// An answer that takes longer is none: it is asked again.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// What may be answered instead of 200: no room, too many, the same under way, or a stop.
const LATER: [u16; 5] = [408, 409, 429, 503, 507];

#[derive(Debug, Default)]
struct State {
    published: u64,
    answered: u64,
    /// Answers that no push of ours deserves.
    unexpected: Vec<String>,
}

/// The pusher; ends with the runtime.
#[derive(Clone)]
pub struct Pusher {
    /// Where the program is to listen.
    pub to: SocketAddr,
    seed: u64,
    state: Arc<Mutex<State>>,
}

impl Pusher {
    pub async fn start(seed: u64, token: String) -> io::Result<Self> {
        let pusher = Self { to: free_address().await?, seed, state: Arc::default() };
        let pushing = pusher.clone();
        tokio::spawn(async move {
            loop {
                if let Some(n) = pushing.next() {
                    pushing.push(n, &token).await;
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Ok(pusher)
    }

    /// So many more articles to send.
    pub fn publish(&self, more: u64) {
        self.state().published += more;
    }

    pub fn published(&self) -> u64 {
        self.state().published
    }

    /// How many were answered with 200: article 0 up to, without, this.
    pub fn answered(&self) -> u64 {
        self.state().answered
    }

    /// Everything once more, as whoever sends to a store that was set back has to.
    pub fn again(&self) {
        self.state().answered = 0;
    }

    pub fn unexpected(&self) -> Vec<String> {
        self.state().unexpected.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<u64> {
        let state = self.state();
        (state.answered < state.published).then_some(state.answered)
    }

    async fn push(&self, n: u64, token: &str) {
        let article = Article::of(self.seed, Origin::Pushes, n);
        let body = serde_json::json!({"id": article.name, "title": article.title, "text": article.text}).to_string();
        // Every other one has a key: then the program says again what it had said.
        let key = if n.is_multiple_of(2) { format!("idempotency-key: {}\r\n", article.name) } else { String::new() };
        let head = format!(
            "POST /v1/items HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\n{key}content-length: {}\r\n\r\n",
            body.len()
        );
        let asked = tokio::time::timeout(ANSWERS_WITHIN, ask(self.to, &[head, body].concat())).await;
        // Whoever is dead or about to die answers nothing.
        let Ok(Ok(answer)) = asked else { return };
        let status = answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        match status {
            // Of an answer that broke off only the status is known, and that it was meant.
            Some(200) => {
                let mut state = self.state();
                // Set back in the meantime.
                if state.answered == n {
                    state.answered += 1;
                }
            }
            Some(later) if LATER.contains(&later) => {}
            Some(other) => {
                let body = answer.rsplit("\r\n\r\n").next().unwrap_or_default();
                self.state().unexpected.push(format!("{}: {other}: {body:.200}", article.name));
            }
            None => {}
        }
    }
}

async fn ask(to: SocketAddr, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // A kill breaks the connection; what came until then counts.
    let read = stream.read_to_end(&mut answer).await;
    if answer.is_empty() {
        read?;
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// An address that nobody listens at, and that no connection of somebody else's will be given meanwhile.
async fn free_address() -> io::Result<SocketAddr> {
    let first = PORTS.start + (std::process::id() % u32::from(PORTS.end - PORTS.start)) as u16;
    for port in (first..PORTS.end).chain(PORTS.start..first) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).await.is_ok() {
            return Ok(address);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free"))
}
