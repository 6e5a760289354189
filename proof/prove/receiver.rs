//! The receiver: notes each request in a ledger and syncs it before it answers, so its record is worth more
//! than the program's. Answers 200 nine times in ten, else 500, a reset, or late; on request it kills the
//! program in the middle of a request.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::truth::Dice;

/// Requests that are no alert of ours are not read beyond this.
const BODY_BYTES_MAX: usize = 1 << 20;

/// When, in the course of a request, the program dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillAt {
    /// Its request was read; nothing was noted.
    Read,
    /// Noted, not answered.
    Noted,
    /// Answered with 200.
    Answered,
}

/// A kill at the n-th request from now.
#[derive(Debug, Clone, Copy)]
pub struct Trigger {
    pub at: KillAt,
    pub after: u64,
    pub pid: rustix::process::Pid,
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Ok,
    Error,
    Reset,
    Late,
}

/// One request, as the ledger has it.
#[derive(Debug, Clone)]
pub struct Request {
    pub id: String,
    pub timestamp: i64,
    pub signature: String,
    pub body: Arc<[u8]>,
    pub body_hash: String,
    /// 1 for the first of its id.
    pub attempt: u32,
    /// A 200 went out in full.
    pub accepted: bool,
    pub life: u64,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    attempts: HashMap<String, u32>,
    ledger: Option<File>,
    trigger: Option<Trigger>,
    calm: bool,
    life: u64,
    dice: Option<Dice>,
}

/// The receiver; ends with the runtime.
#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    pub async fn start(seed: u64, ledger: &Path) -> std::io::Result<Self> {
        let listener = TcpListener::bind("0.0.0.0:0").await?;
        let state = State {
            ledger: Some(File::create(ledger)?),
            dice: Some(Dice::new(seed, "answers", 0)),
            ..State::default()
        };
        let receiver = Self {
            address: SocketAddr::from(([127, 0, 0, 1], listener.local_addr()?.port())),
            state: Arc::new(Mutex::new(state)),
        };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move {
                    // A sender that is killed breaks its connection: that is what this is about.
                    let _ = serving.converse(stream).await;
                });
            }
        });
        Ok(receiver)
    }

    /// The program will be killed in the middle of a request.
    pub fn arm(&self, trigger: Option<Trigger>) {
        self.state().trigger = trigger;
    }

    /// From now on everything is answered with 200, at once.
    pub fn calm(&self) {
        self.state().calm = true;
    }

    pub fn next_life(&self, life: u64) {
        self.state().life = life;
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    pub fn count(&self) -> usize {
        self.state().requests.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        loop {
            let (head, body) = read_request(&mut stream).await?;
            if !self.take(&head, body, &mut stream).await? {
                return Ok(());
            }
        }
    }

    /// Notes and answers one request; says whether the connection goes on.
    async fn take(&self, head: &str, body: Vec<u8>, stream: &mut TcpStream) -> std::io::Result<bool> {
        self.pull(KillAt::Read);
        let (at, answer) = self.note(head, body)?;
        self.pull(KillAt::Noted);
        let status = match answer {
            Answer::Reset => {
                stream.set_zero_linger()?;
                return Ok(false);
            }
            Answer::Error => "500 Internal Server Error",
            Answer::Late => {
                let pause = self.state().dice.as_mut().map_or(0, |dice| dice.below(900));
                tokio::time::sleep(Duration::from_millis(300 + pause)).await;
                "200 OK"
            }
            Answer::Ok => "200 OK",
        };
        stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await?;
        if answer != Answer::Error {
            self.state().requests[at].accepted = true;
            self.pull(KillAt::Answered);
        }
        Ok(true)
    }

    /// Into the ledger, durably; then what to answer.
    fn note(&self, head: &str, body: Vec<u8>) -> std::io::Result<(usize, Answer)> {
        let field = |name: &str| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(n, _)| n.eq_ignore_ascii_case(name))
                .map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let id = field("webhook-id");
        let body_hash = STANDARD.encode(digest::digest(&digest::SHA256, &body));
        let mut state = self.state();
        let attempt = state.attempts.entry(id.clone()).or_insert(0);
        *attempt += 1;
        let request = Request {
            timestamp: field("webhook-timestamp").parse().unwrap_or(0),
            signature: field("webhook-signature"),
            id,
            body: body.into(),
            body_hash,
            attempt: *attempt,
            accepted: false,
            life: state.life,
        };
        let line = format!("{} {} {} {}\n", request.id, request.body_hash, request.attempt, request.life);
        if let Some(ledger) = &mut state.ledger {
            ledger.write_all(line.as_bytes())?;
            ledger.sync_data()?;
        }
        let calm = state.calm;
        let draw = state.dice.as_mut().filter(|_| !calm).map_or(0, |dice| dice.below(100));
        let answer = match draw {
            0..90 => Answer::Ok,
            90..94 => Answer::Error,
            94..97 => Answer::Reset,
            _ => Answer::Late,
        };
        state.requests.push(request);
        Ok((state.requests.len() - 1, answer))
    }

    /// Kills the program if this is the moment it was asked for.
    fn pull(&self, here: KillAt) {
        let mut state = self.state();
        let Some(trigger) = &mut state.trigger else { return };
        if trigger.at != here {
            return;
        }
        if trigger.after > 0 {
            trigger.after -= 1;
            return;
        }
        // It may be gone already; then there is nothing to kill.
        let _ = rustix::process::kill_process(trigger.pid, rustix::process::Signal::KILL);
        state.trigger = None;
    }
}

async fn read_request(stream: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok())
        .unwrap_or(0);
    let mut body = vec![0; length.min(BODY_BYTES_MAX)];
    stream.read_exact(&mut body).await?;
    Ok((head, body))
}
