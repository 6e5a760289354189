//! Where items come from, and what is remembered of a source between polls and restarts.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::{ContentHash, PushRecord, SourceId, Timestamp};

/// The kinds of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "postgres", derive(serde::Deserialize))]
pub enum SourceKind {
    /// Polled over HTTP.
    Feed,
    /// Files dropped into the seed directory, or given to `ingest`.
    Seed,
    /// Sent to the listener by whoever has a `[[pushes]]` entry.
    Push,
    /// Sent to the listener by the hub of a feed.
    Hub,
}

impl SourceKind {
    /// The stored and printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Seed => "seed",
            Self::Push => "push",
            Self::Hub => "hub",
        }
    }
}

/// Where a batch came from and when.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "postgres", derive(serde::Serialize, serde::Deserialize))]
pub struct Origin {
    /// The source's name in the config.
    pub source: SourceId,
    /// Its kind.
    pub kind: SourceKind,
    /// When the document arrived.
    pub received: Timestamp,
}

/// Why a poll failed. A closed set: shown by `feeds`, log field, metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "postgres", derive(serde::Deserialize))]
pub enum FeedFailure {
    /// The name does not resolve, for now or at all.
    Dns,
    /// No connection.
    Connect,
    /// The certificate or handshake was refused.
    Tls,
    /// Slower than the configured time.
    Timeout,
    /// The connection broke.
    Reset,
    /// The address is not public and not allowed by `allow_private`.
    PrivateAddress,
    /// Too many redirects, or one to a place that is refused.
    Redirect,
    /// Body, headers or ratio above the cap.
    TooLarge,
    /// The body does not decode as its `Content-Encoding` says.
    Encoding,
    /// 401, 403, 407.
    Unauthorized,
    /// 404.
    NotFound,
    /// 410: stopped until an operator enables it again.
    Gone,
    /// 429.
    RateLimited,
    /// Another 4xx, or an answer that makes no sense for a feed.
    ClientError,
    /// 5xx.
    ServerError,
    /// A bot challenge instead of a feed.
    Challenge,
    /// A web page instead of a feed.
    HtmlPage,
    /// A document that could not be read as a feed.
    Parse,
}

impl FeedFailure {
    /// Every class, for tables that start at zero.
    pub const ALL: [Self; 18] = [
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Reset,
        Self::PrivateAddress,
        Self::Redirect,
        Self::TooLarge,
        Self::Encoding,
        Self::Unauthorized,
        Self::NotFound,
        Self::Gone,
        Self::RateLimited,
        Self::ClientError,
        Self::ServerError,
        Self::Challenge,
        Self::HtmlPage,
        Self::Parse,
    ];

    /// The stored and printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::PrivateAddress => "private-address",
            Self::Redirect => "redirect",
            Self::TooLarge => "too-large",
            Self::Encoding => "encoding",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not-found",
            Self::Gone => "gone",
            Self::RateLimited => "rate-limited",
            Self::ClientError => "client-error",
            Self::ServerError => "server-error",
            Self::Challenge => "challenge",
            Self::HtmlPage => "html-page",
            Self::Parse => "parse",
        }
    }

    /// What several feeds do that fail like this: "3 feeds …".
    #[must_use]
    pub fn of_several(self) -> &'static str {
        match self {
            Self::Dns => "do not resolve",
            Self::Connect => "cannot be reached",
            Self::Tls => "have no certificate that can be trusted",
            Self::Timeout => "do not answer in time",
            Self::Reset => "break the connection off",
            Self::PrivateAddress => "are on addresses that are not public",
            Self::Redirect => "redirect to where nobody follows",
            Self::TooLarge => "send more than is read",
            Self::Encoding => "send what does not decode",
            Self::Unauthorized => "ask for credentials",
            Self::NotFound => "are not found at their address",
            Self::Gone => "are gone for good",
            Self::RateLimited => "were asked too often",
            Self::ClientError => "refuse the request",
            Self::ServerError => "have a server in trouble",
            Self::Challenge => "ask whether we are a robot",
            Self::HtmlPage => "send a web page instead of a feed",
            Self::Parse => "send a document that is no feed",
        }
    }

    /// Whether it may be the way there that fails, and not whoever is asked: from elsewhere it may work.
    #[must_use]
    pub fn may_be_the_way(self) -> bool {
        matches!(self, Self::Dns | Self::Connect | Self::Timeout | Self::Reset)
    }

    /// Back from the store.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.as_str() == name)
    }
}

impl fmt::Display for FeedFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a feed answers that it has moved for good (301, 308).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "postgres", derive(serde::Serialize, serde::Deserialize))]
pub struct MovedFeed {
    /// The address it names.
    pub url: String,
    /// Polls in a row that named it and led to a valid feed.
    pub polls: u32,
    /// The first of them.
    pub since: Timestamp,
    /// Polled there now, without asking the configured address first.
    pub adopted: bool,
}

/// What a feed has brought on one day (UTC), held against its quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "postgres", derive(serde::Serialize, serde::Deserialize))]
pub struct DailyUse {
    /// The day, counted from 1970.
    pub day: i64,
    /// Bytes on the wire, of its documents and of the pages they link to.
    pub bytes: u64,
    /// Alerts that its items raised for somebody.
    pub alerts: u64,
    /// The bytes reached their quota: not polled any more on that day.
    pub bytes_over: bool,
    /// There were more alerts than their quota: further ones of that day wait for the next digest.
    pub alerts_over: bool,
}

impl DailyUse {
    const DAY_MS: i64 = 86_400_000;

    /// As it counts at a time: nothing of another day does.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        let day = now.millis().div_euclid(Self::DAY_MS);
        if self.day == day { self } else { Self { day, ..Self::default() } }
    }

    /// When the day begins.
    #[must_use]
    pub fn begins(self) -> Timestamp {
        Timestamp::from_millis(self.day.saturating_mul(Self::DAY_MS))
    }

    /// When the next day begins.
    #[must_use]
    pub fn ends(self) -> Timestamp {
        Timestamp::from_millis(self.day.saturating_add(1).saturating_mul(Self::DAY_MS))
    }
}

/// Everything remembered of a feed. The poller owns the live copy; the store keeps it in the same
/// transaction as the items it covers (promise P1).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "postgres", derive(serde::Serialize, serde::Deserialize))]
pub struct FeedState {
    /// The feed.
    pub source: SourceId,
    /// The URL this state belongs to: another URL in the config starts afresh.
    pub url: String,
    /// Title the feed gives itself.
    pub title: Option<String>,
    /// `ETag` of the last parsed 200, byte for byte.
    pub etag: Option<Vec<u8>>,
    /// `Last-Modified` of the last parsed 200, byte for byte.
    pub last_modified: Option<Vec<u8>>,
    /// Hash of the last parsed body.
    pub body_hash: Option<ContentHash>,
    /// Never polled before this, not even after a restart.
    pub next_poll_at: Timestamp,
    /// The last attempt of any outcome.
    pub last_poll_at: Option<Timestamp>,
    /// The last parsed 200 or 304.
    pub last_success_at: Option<Timestamp>,
    /// The last time a new item came.
    pub last_new_item_at: Option<Timestamp>,
    /// Failures since the last success, in hundredths (a soft failure counts half).
    pub failures_weighted: u32,
    /// Class of the last failure; `None` after a success.
    pub failure: Option<FeedFailure>,
    /// The last failure in words, cleaned; `None` after a success.
    pub error: Option<String>,
    /// The first failure since the last success.
    pub failing_since: Option<Timestamp>,
    /// What the last parsed document says about polling: its `ttl`, …
    pub ttl: Option<Duration>,
    /// … the hours of the day (UTC) not to poll in, bit 0 = midnight, …
    pub skip_hours: u32,
    /// … and the days of the week, bit 0 = Monday.
    pub skip_days: u8,
    /// The last answer that was a whole document rather than a 304.
    pub full_fetch_at: Option<Timestamp>,
    /// Where it says it has moved.
    pub moved: Option<MovedFeed>,
    /// The first poll is behind us: what is new now is news.
    pub baselined: bool,
    /// 410 was answered: not polled until enabled again.
    pub gone: bool,
    /// Polls so far.
    pub polls: u64,
    /// Items in the last parsed document.
    pub items_last: u64,
    /// The interval that fits how often it has news; `None` before the first poll.
    pub interval: Option<Duration>,
    /// Of the items at the last good poll, so many of a hundred were seen before.
    pub seen_percent: Option<u8>,
    /// What it brought on the day of the last poll.
    pub used: DailyUse,
}

impl FeedState {
    /// A feed that was never polled.
    #[must_use]
    pub fn new(source: SourceId, url: String, next_poll_at: Timestamp) -> Self {
        Self {
            source,
            url,
            title: None,
            etag: None,
            last_modified: None,
            body_hash: None,
            next_poll_at,
            last_poll_at: None,
            last_success_at: None,
            last_new_item_at: None,
            failures_weighted: 0,
            failure: None,
            error: None,
            failing_since: None,
            ttl: None,
            skip_hours: 0,
            skip_days: 0,
            full_fetch_at: None,
            moved: None,
            baselined: false,
            gone: false,
            polls: 0,
            items_last: 0,
            interval: None,
            seen_percent: None,
            used: DailyUse::default(),
        }
    }
}

/// What became of a seed file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "postgres", derive(serde::Serialize, serde::Deserialize))]
pub enum SeedOutcome {
    /// Read; so many items, so many rejected.
    Taken { items: u64, rejected: u64 },
    /// Not read at all.
    Refused(super::Rejection),
}

/// A seed file that was seen. Identity is the hash of the content, never the name or inode.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "postgres", derive(serde::Serialize, serde::Deserialize))]
pub struct SeedFile {
    /// Hash of the bytes (of name, size and time for a file that is refused unread).
    pub hash: ContentHash,
    /// File name within the directory, lossily decoded.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Modification time.
    pub modified: Timestamp,
    /// What became of it.
    pub outcome: SeedOutcome,
}

/// What a source must remember once the items before it are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// State after a poll, whatever its outcome.
    Feed(Box<FeedState>),
    /// A file that need not be read again.
    SeedFile(SeedFile),
    /// What was answered to a push.
    Push(Box<PushRecord>),
    /// A hub brought items of a feed, or there is something to say of it.
    Hub(Box<super::HubRecord>),
    /// Nothing to remember.
    None,
}
