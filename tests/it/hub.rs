//! A hub with switches: it takes subscriptions or does not, verifies them well, badly or never, and pushes what a test
//! gives it, signed in every way. It reaches the listener as a hub would through a proxy: under its public name.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::feed_server::{Asked, FeedServer, Reply};
use super::newsroom::until;

/// The name under which hubs reach the listener.
pub const PUBLIC: &str = "watch.example.org";

/// How it verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verifying {
    Once,
    Twice,
    Never,
    OtherTopic,
    OtherMode,
    Denying,
}

/// Its switches.
#[derive(Debug, Clone)]
pub struct HubSwitches {
    /// What it answers a request with.
    pub answer: Reply,
    pub verifying: Verifying,
    /// `hub.lease_seconds`, as it says it.
    pub lease: Option<String>,
}

/// What it asked the listener, and what it heard.
#[derive(Debug, Clone)]
pub struct HubHeard {
    pub status: u16,
    pub body: String,
}

/// A subscription as a hub knows it.
#[derive(Debug, Clone)]
pub struct HubRequest {
    pub mode: String,
    pub topic: String,
    pub callback: String,
    pub secret: Option<String>,
    pub lease: Option<String>,
}

#[derive(Debug)]
struct HubState {
    switches: HubSwitches,
    listener: Option<SocketAddr>,
    asked: Vec<HubRequest>,
    verified: Vec<HubHeard>,
}

/// The hub.
#[derive(Clone)]
pub struct Hub(Arc<Mutex<HubState>>);

impl Hub {
    /// At this path of a server.
    pub fn at(server: &FeedServer, path: &str) -> Self {
        let switches = HubSwitches { answer: Reply::status(202), verifying: Verifying::Once, lease: None };
        let state = HubState { switches, listener: None, asked: Vec::new(), verified: Vec::new() };
        let hub = Self(Arc::new(Mutex::new(state)));
        let serving = hub.clone();
        server.on(path, move |asked| serving.serve(asked));
        hub
    }

    pub fn switch(&self, change: impl FnOnce(&mut HubSwitches)) {
        change(&mut self.0.lock().expect("lock").switches);
    }

    /// Where the listener is.
    pub fn reaches(&self, listener: SocketAddr) {
        self.0.lock().expect("lock").listener = Some(listener);
    }

    pub fn asked(&self) -> Vec<HubRequest> {
        self.0.lock().expect("lock").asked.clone()
    }

    pub fn verified(&self) -> Vec<HubHeard> {
        self.0.lock().expect("lock").verified.clone()
    }

    /// Waits for the nth answer to a verification.
    pub async fn heard(&self, count: usize) -> Vec<HubHeard> {
        until("the hub hears an answer", || self.verified().len() >= count).await;
        self.verified()
    }

    /// Waits for the nth request.
    pub async fn was_asked(&self, count: usize) -> HubRequest {
        until("the hub is asked", || self.asked().len() >= count).await;
        self.asked()[count - 1].clone()
    }

    fn serve(&self, asked: &Asked) -> Reply {
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&asked.body).into_owned().collect();
        let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let request = HubRequest {
            mode: value("hub.mode").unwrap_or_default(),
            topic: value("hub.topic").unwrap_or_default(),
            callback: value("hub.callback").unwrap_or_default(),
            secret: value("hub.secret"),
            lease: value("hub.lease_seconds"),
        };
        let mut state = self.0.lock().expect("lock");
        state.asked.push(request.clone());
        let (switches, listener) = (state.switches.clone(), state.listener);
        drop(state);
        let accepts = matches!(switches.answer, Reply::Http { status: 200..=299, .. });
        if let Some(listener) = listener.filter(|_| accepts && switches.verifying != Verifying::Never) {
            let hub = self.clone();
            tokio::spawn(async move { hub.verify(listener, &switches, &request).await });
        }
        self.0.lock().expect("lock").switches.answer.clone()
    }

    async fn verify(&self, listener: SocketAddr, switches: &HubSwitches, request: &HubRequest) {
        let target = question(switches, request);
        for _ in 0..if switches.verifying == Verifying::Twice { 2 } else { 1 } {
            let heard = speak(listener, "GET", &target, "", b"").await;
            self.0.lock().expect("lock").verified.push(heard);
        }
    }
}

/// What a hub asks to know whether it was us.
fn question(switches: &HubSwitches, request: &HubRequest) -> String {
    let mode = match switches.verifying {
        Verifying::OtherMode if request.mode == "subscribe" => "unsubscribe",
        Verifying::OtherMode => "subscribe",
        Verifying::Denying => "denied",
        _ => &request.mode,
    };
    let topic = if switches.verifying == Verifying::OtherTopic { "https://other.example/" } else { &request.topic };
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("hub.mode", mode).append_pair("hub.topic", topic);
    if switches.verifying == Verifying::Denying {
        query.append_pair("hub.reason", "not on this hub");
    } else {
        query.append_pair("hub.challenge", "chal/lenge 7&");
        if let Some(lease) = &switches.lease {
            query.append_pair("hub.lease_seconds", lease);
        }
    }
    format!("{}?{}", path_of(&request.callback), query.finish())
}

/// The path of a callback.
pub fn path_of(callback: &str) -> String {
    url::Url::parse(callback).expect("a callback").path().to_owned()
}

/// One request to the listener, as through a proxy.
pub async fn speak(listener: SocketAddr, method: &str, target: &str, headers: &str, body: &[u8]) -> HubHeard {
    let length = if method == "POST" { format!("content-length: {}\r\n", body.len()) } else { String::new() };
    let head = format!("{method} {target} HTTP/1.1\r\nhost: {PUBLIC}\r\nconnection: close\r\n{length}{headers}\r\n");
    let Ok(mut stream) = TcpStream::connect(listener).await else {
        return HubHeard { status: 0, body: String::new() };
    };
    let _ = stream.write_all(head.as_bytes()).await;
    // One that is refused early may close before it has read everything.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    HubHeard { status, body: body.to_owned() }
}

/// The signature of a body: `method=hex`.
pub fn signature(method: &str, secret: &str, body: &[u8]) -> String {
    let algorithm = match method {
        "sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "sha512" => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), body);
    let hex: Vec<String> = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{method}={}", hex.concat())
}

/// Pushes a body with this signature, or none.
pub async fn push(listener: SocketAddr, request: &HubRequest, signed: Option<&str>, body: &[u8]) -> u16 {
    let signed = signed.map(|signed| format!("x-hub-signature: {signed}\r\n")).unwrap_or_default();
    let headers = format!("content-type: application/rss+xml\r\n{signed}");
    speak(listener, "POST", &path_of(&request.callback), &headers, body).await.status
}

/// Pushes a body, signed well.
pub async fn push_signed(listener: SocketAddr, request: &HubRequest, body: &[u8]) -> u16 {
    let secret = request.secret.as_deref().expect("a secret");
    push(listener, request, Some(&signature("sha256", secret, body)), body).await
}
