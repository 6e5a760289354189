//! A fake receiver of webhooks on a real socket: records what arrives before it answers, and answers
//! as its script says. Written on bare TCP, because a server library cannot reset or fall silent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wirewatch::model::ContentHash;

/// What the receiver does with a request once it has read it.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status with headers (each line complete, without line end) and a body.
    Status(u16, Vec<String>, String),
    /// The same, later.
    After(Duration, Box<Answer>),
    /// Reset the connection without a word.
    Reset,
    /// Keep the connection open and say nothing.
    Silence,
    /// A status, then a body that never ends: a byte now and then, or as fast as it goes.
    Endless(u16, Option<Duration>),
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Self::Status(status, Vec::new(), String::new())
    }

    pub fn with(status: u16, header: &str) -> Self {
        Self::Status(status, vec![header.to_owned()], String::new())
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub id: String,
    pub timestamp: String,
    pub signature: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// How often this id came before, plus one.
    pub attempt: usize,
}

impl Received {
    pub fn body_hash(&self) -> ContentHash {
        ContentHash::of(&[&self.body])
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A handle; the server ends when it is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

struct Shared {
    received: Mutex<Vec<Received>>,
    script: Mutex<VecDeque<Answer>>,
    otherwise: Mutex<Answer>,
    count: watch::Sender<usize>,
    /// Requests read and not answered yet, now and at most.
    busy: AtomicUsize,
    busy_max: AtomicUsize,
}

impl Receiver {
    /// Answers 200 to everything until told otherwise.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            script: Mutex::default(),
            otherwise: Mutex::new(Answer::status(200)),
            count: watch::Sender::new(0),
            busy: AtomicUsize::new(0),
            busy_max: AtomicUsize::new(0),
        });
        let stop = CancellationToken::new();
        tokio::spawn({
            let (shared, stop) = (shared.clone(), stop.clone());
            async move {
                loop {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        accepted = listener.accept() => {
                            let Ok((stream, _)) = accepted else { continue };
                            let (shared, stop) = (shared.clone(), stop.clone());
                            tokio::spawn(async move {
                                tokio::select! {
                                    () = stop.cancelled() => {}
                                    _ = serve(stream, &shared) => {}
                                }
                            });
                        }
                    }
                }
            }
        });
        Self { address, shared, stop }
    }

    pub fn url(&self) -> url::Url {
        url::Url::parse(&format!("http://{}/hook", self.address)).expect("a url")
    }

    /// The next answers, in order; after them the standing one.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.script.lock().unwrap_or_else(PoisonError::into_inner).extend(answers);
    }

    /// The answer to everything the script does not cover.
    pub fn otherwise(&self, answer: Answer) {
        *self.shared.otherwise.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn count(&self) -> usize {
        *self.shared.count.borrow()
    }

    /// Requests that waited for their answer at the same time, at most.
    pub fn busy_max(&self) -> usize {
        self.shared.busy_max.load(Ordering::Relaxed)
    }

    /// Waits until so many requests have arrived in total.
    pub async fn wait_for(&self, count: usize) {
        let mut counted = self.shared.count.subscribe();
        let arrived = counted.wait_for(|&n| n >= count);
        // Longer than anything takes that does not hang, on however crowded a machine.
        let arrived = tokio::time::timeout(Duration::from_secs(180), arrived).await;
        assert!(arrived.is_ok(), "{} of {count} requests arrived", self.count());
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream).await? {
        let answer = record(shared, request);
        let busy = shared.busy.fetch_add(1, Ordering::Relaxed) + 1;
        shared.busy_max.fetch_max(busy, Ordering::Relaxed);
        let replied = reply(stream.get_mut(), answer).await;
        shared.busy.fetch_sub(1, Ordering::Relaxed);
        if !replied? {
            return Ok(());
        }
    }
    Ok(())
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Received>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) if head.is_empty() => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let headers: Vec<(String, String)> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    let find = |name: &str| {
        headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or_else(String::new, |(_, value)| value.clone())
    };
    let mut body = vec![0; find("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    let (id, timestamp, signature) = (find("webhook-id"), find("webhook-timestamp"), find("webhook-signature"));
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    Ok(Some(Received { id, timestamp, signature, path, headers, body, attempt: 0 }))
}

fn record(shared: &Shared, mut request: Received) -> Answer {
    let mut received = shared.received.lock().unwrap_or_else(PoisonError::into_inner);
    // Counted from the end only while it is short: a long run is not about repeated ids.
    if received.len() < 2_000 {
        request.attempt = received.iter().filter(|earlier| earlier.id == request.id).count() + 1;
    }
    received.push(request);
    let count = received.len();
    drop(received);
    let scripted = shared.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let answer = scripted.unwrap_or_else(|| shared.otherwise.lock().unwrap_or_else(PoisonError::into_inner).clone());
    // Another that came later may have been counted already.
    shared.count.send_modify(|counted| *counted = count.max(*counted));
    answer
}

/// Answers; says whether the connection goes on.
async fn reply(stream: &mut TcpStream, answer: Answer) -> std::io::Result<bool> {
    match answer {
        Answer::Status(status, headers, body) => {
            let headers: String = headers.into_iter().map(|line| line + "\r\n").collect();
            let text = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len());
            stream.write_all(text.as_bytes()).await?;
            Ok(true)
        }
        Answer::After(delay, answer) => {
            tokio::time::sleep(delay).await;
            Box::pin(reply(stream, *answer)).await
        }
        Answer::Reset => {
            stream.set_zero_linger()?;
            Ok(false)
        }
        Answer::Silence => std::future::pending().await,
        Answer::Endless(status, pause) => {
            stream.write_all(format!("HTTP/1.1 {status} Scripted\r\n\r\n").as_bytes()).await?;
            loop {
                match pause {
                    Some(pause) => {
                        stream.write_all(b"x").await?;
                        tokio::time::sleep(pause).await;
                    }
                    None => stream.write_all(&[b'x'; 8192]).await?,
                }
            }
        }
    }
}
