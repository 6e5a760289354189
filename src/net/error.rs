//! What can go wrong between us and a server, in classes that somebody acts on differently and in
//! words for people. No text here holds userinfo or a query: hosts only.

use std::error::Error as StdError;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::files::is_shortage;
use crate::model::FeedFailure;
use crate::text::clean::excerpt;

/// Characters of foreign text kept in a message.
const DETAIL_CHARS_MAX: usize = 160;

/// A request that brought no usable answer, or a client that could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The URL cannot be requested at all.
    #[error("cannot request {what}: {detail}")]
    Url { what: String, detail: &'static str },
    /// The host is, or resolves only to, addresses that are not public.
    #[error("{host} is at {address}, which is not public: list its range in `allow_private` if that is intended")]
    PrivateAddress { host: String, address: IpAddr },
    /// The name does not resolve; `temporary` when the resolver says that it may later.
    #[error("{host} does not resolve: {detail}")]
    Dns { host: String, temporary: bool, detail: String },
    /// No connection.
    #[error("no connection to {host}: {detail}")]
    Connect { host: String, detail: String },
    /// This machine is out of files, ports or memory: not the server's fault.
    #[error("no connection to {host}, this machine lacks resources: {detail}")]
    Local { host: String, detail: String },
    /// The handshake or certificate was refused.
    #[error("no secure connection to {host}: {detail}")]
    Tls { host: String, detail: String },
    /// Slower than allowed.
    #[error("{host} was too slow: no {phase} within {}", show_span(*.limit))]
    Timeout { host: String, phase: WaitPhase, limit: Duration },
    /// The connection broke, or what came over it is not HTTP.
    #[error("the connection to {host} broke: {detail}")]
    Reset { host: String, detail: String },
    /// The server sends more than the cap.
    #[error("{host} sends {what} of more than {limit_bytes} bytes")]
    TooLarge { host: String, what: &'static str, limit_bytes: usize },
    /// The additional root certificates cannot be used.
    #[error("cannot use the certificates in {}: {detail}", path.display())]
    CaFile { path: PathBuf, detail: String },
    /// The client cannot be built: in practice, a host without root certificates.
    #[error("cannot set up HTTPS: {detail}; install the `ca-certificates` package or set `ca_file`")]
    Setup { detail: String },
}

/// Which wait was too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitPhase {
    /// Name, TCP and TLS.
    Connection,
    /// The next bytes of an answer.
    Data,
    /// The complete answer.
    Answer,
}

impl std::fmt::Display for WaitPhase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection",
            Self::Data => "data",
            Self::Answer => "complete answer",
        })
    }
}

impl NetError {
    /// The class a feed shows.
    #[must_use]
    pub fn failure(&self) -> FeedFailure {
        match self {
            Self::Url { .. } => FeedFailure::ClientError,
            Self::PrivateAddress { .. } => FeedFailure::PrivateAddress,
            Self::Dns { .. } => FeedFailure::Dns,
            Self::Connect { .. } | Self::Local { .. } => FeedFailure::Connect,
            Self::Tls { .. } | Self::CaFile { .. } | Self::Setup { .. } => FeedFailure::Tls,
            Self::Timeout { .. } => FeedFailure::Timeout,
            Self::Reset { .. } => FeedFailure::Reset,
            Self::TooLarge { .. } => FeedFailure::TooLarge,
        }
    }

    /// Whether the trouble is likely to pass by itself within minutes and says nothing of the server.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Dns { temporary: true, .. } | Self::Local { .. })
    }

    /// Whether the server may have acted on the request although no answer was read.
    #[must_use]
    pub fn may_have_been_received(&self) -> bool {
        match self {
            Self::Timeout { phase, .. } => *phase != WaitPhase::Connection,
            Self::Reset { .. } | Self::TooLarge { .. } => true,
            _ => false,
        }
    }
}

/// What the resolver refuses; travels through the HTTP library and is found again by [`classify`].
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    #[error("not public: {address}")]
    Private { address: IpAddr },
    #[error("{detail}")]
    Unknown { temporary: bool, detail: String },
    /// The name was not looked up: this machine could not open what that takes.
    #[error("{detail}")]
    Shortage { detail: String },
}

/// The request a library error belongs to.
pub(super) struct ConnectAttempt<'a> {
    pub host: &'a str,
    pub https: bool,
    pub connect_timeout: Duration,
    pub idle_timeout: Duration,
    pub header_bytes_max: usize,
    /// Through a proxy: whoever is connected to is the proxy.
    pub proxied: bool,
}

impl ConnectAttempt<'_> {
    /// Turns a library error into one of ours.
    pub fn classify(&self, error: &reqwest::Error) -> NetError {
        let host = self.host.to_owned();
        if let Some(refused) = chain(error).find_map(|e| e.downcast_ref::<ResolveError>()) {
            return match refused {
                ResolveError::Private { address } => NetError::PrivateAddress { host, address: *address },
                ResolveError::Unknown { temporary, detail } => {
                    NetError::Dns { host, temporary: *temporary, detail: detail.clone() }
                }
                ResolveError::Shortage { detail } => NetError::Local { host, detail: detail.clone() },
            };
        }
        if error.is_timeout() {
            let (phase, limit) = if error.is_connect() {
                (WaitPhase::Connection, self.connect_timeout)
            } else {
                (WaitPhase::Data, self.idle_timeout)
            };
            return NetError::Timeout { host, phase, limit };
        }
        let detail = excerpt(&root_text(error), DETAIL_CHARS_MAX);
        // hyper is no dependency of ours: its text is the only way to tell this case.
        if chain(error).any(|e| e.to_string().contains("message head is too large")) {
            return NetError::TooLarge { host, what: "headers", limit_bytes: self.header_bytes_max };
        }
        if !error.is_connect() {
            return NetError::Reset { host, detail };
        }
        let io = chain(error).find_map(|e| e.downcast_ref::<std::io::Error>());
        if io.is_some_and(is_shortage) {
            return NetError::Local { host, detail };
        }
        let handshake =
            io.is_none_or(|e| matches!(e.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::Other));
        if self.https && handshake { NetError::Tls { host, detail } } else { NetError::Connect { host, detail } }
    }
}

/// An error and what caused it, outermost first; bounded, for a chain could be a ring.
fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(Some(error as &(dyn StdError + 'static)), |&e| e.source()).take(16)
}

/// The innermost text: the outer ones repeat the URL, which may hold secrets.
fn root_text(error: &reqwest::Error) -> String {
    chain(error).skip(1).last().map_or_else(|| "unknown error".to_owned(), ToString::to_string)
}

/// `1.5 s`, `10 s`.
fn show_span(span: Duration) -> String {
    format!("{} s", span.as_millis() as f64 / 1000.0)
}
