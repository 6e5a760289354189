//! [1] The outside world becomes [`Batch`]es: documents are read into [`ParsedDocument`]s of raw items, and
//! what must be remembered of their source travels with them as a cursor. Nothing here decides what
//! is news; the next stage is `ingest`.

pub mod feed;
#[cfg(test)]
mod hostile_tests;
pub(crate) mod mend_json;
pub mod parser;
pub mod push;
pub mod quarantine;
pub mod seed;
pub mod websub;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::model::{Cursor, FoundHubs, Origin, RawItem, Rejection};
use feed::last_documents::ItemFingerprint;

/// Items of one document on their way to `ingest`, with what their source must remember once they
/// are durable. May be empty of items: a 304 or a failed poll also moves its cursor.
#[derive(Debug)]
pub struct Batch {
    /// Where from and when.
    pub origin: Origin,
    /// The items, in document order.
    pub items: Vec<RawItem>,
    /// Further ones, which are what its feed's last document had: they were not read again.
    pub unchanged: Vec<ItemFingerprint>,
    /// What was not taken, for the counters.
    pub rejected: Vec<Rejection>,
    /// Committed in the same transaction as the items.
    pub cursor: Cursor,
    /// Told after the commit; dropped without a word when the batch was not accepted.
    pub receipt: Option<oneshot::Sender<Receipt>>,
    /// Where it waits in the inbox, if it came by another process.
    pub inbox: Option<i64>,
    /// What its poll found of hubs, where another process holds the subscriptions.
    pub hubs: Option<FoundHubs>,
}

/// The word that a batch is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Receipt {
    /// Items that were new.
    pub new: u64,
    /// Items that were known already, unchanged.
    pub known: u64,
    /// Items that were further appearances of known ones.
    pub sightings: u64,
    /// Known items whose text changed.
    pub revisions: u64,
    /// Items that were not taken.
    pub rejected: u64,
    /// Alerts raised.
    pub alerts: u64,
    /// Of these, those that go to somebody …
    pub told: u64,
    /// … and those that wait for the next digest, since their feed has raised more on this day than its quota.
    pub over_quota: u64,
    /// Of the new items and further appearances, those that were published a good while before they came, but not long ago:
    /// what a hub should have pushed.
    pub late: u64,
}

impl Receipt {
    /// Together with what came of another part of the same document.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            new: self.new + other.new,
            known: self.known + other.known,
            sightings: self.sightings + other.sightings,
            revisions: self.revisions + other.revisions,
            rejected: self.rejected + other.rejected,
            alerts: self.alerts + other.alerts,
            told: self.told + other.told,
            over_quota: self.over_quota + other.over_quota,
            late: self.late + other.late,
        }
    }
}

/// What comes to `ingest`.
#[derive(Debug)]
pub enum IngestMessage {
    /// Items to decide on.
    Batch(Box<Batch>),
    /// No items: people asked something of the decision loop, and no batch may come to bring it round.
    Wake,
}

impl IngestMessage {
    /// The batch, if it is one.
    #[must_use]
    pub fn into_batch(self) -> Option<Batch> {
        match self {
            Self::Batch(batch) => Some(*batch),
            Self::Wake => None,
        }
    }
}

impl From<Batch> for IngestMessage {
    fn from(batch: Batch) -> Self {
        Self::Batch(Box::new(batch))
    }
}

/// The way to `ingest`: bounded, so a slow disk slows the sources instead of filling memory.
pub type IngestSender = mpsc::Sender<IngestMessage>;

/// Messages that may wait between the sources and `ingest`.
pub const MESSAGES_WAITING_MAX: usize = 256;

/// A document as read, before anything is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedDocument {
    /// Detected from the content.
    pub format: DocumentFormat,
    /// The encoding it was decoded from, by its WHATWG name.
    pub encoding: &'static str,
    /// Title of the feed or page.
    pub title: Option<String>,
    /// The items, in document order.
    pub items: Vec<RawItem>,
    /// Further ones, which stand there byte for byte as in the feed's last document and were not read again.
    pub unchanged: Vec<ItemFingerprint>,
    /// Items or parts that were not taken.
    pub rejected: Vec<Rejection>,
    /// What was odd or had to be repaired, for people.
    pub warnings: Vec<String>,
    /// What the feed says about when to come again.
    pub hints: PollHints,
    /// It ends before its format says that it ends: there may be more of it.
    pub is_cut: bool,
}

impl ParsedDocument {
    /// How many items it has.
    #[must_use]
    pub fn item_count(&self) -> u64 {
        (self.items.len() + self.unchanged.len()) as u64
    }
}

/// What a feed document says about polling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PollHints {
    /// RSS `<ttl>` or the syndication module's period.
    pub ttl: Option<Duration>,
    /// RSS `<skipHours>`, in UTC.
    pub skip_hours: Vec<u8>,
    /// RSS `<skipDays>`, Monday = 1.
    pub skip_days: Vec<u8>,
}

/// ParsedDocument formats, by content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentFormat {
    /// RSS 0.9x and 2.0.
    Rss,
    /// RSS 1.0 and 0.90.
    Rdf,
    /// Atom 0.3 and 1.0.
    Atom,
    /// JSON Feed.
    JsonFeed,
    /// A news sitemap.
    Sitemap,
    /// A web page.
    Html,
    /// Plain text.
    Text,
    /// Markdown, with or without front matter.
    Markdown,
    /// One JSON item or an array of them.
    Json,
    /// One JSON item a line.
    JsonLines,
    /// An e-mail.
    Mail,
    /// A web page saved as MHTML.
    Mhtml,
    /// CSV or TSV with a header line.
    Table,
    /// NITF or NewsML-G2.
    NewsXml,
    /// A text export of a press archive.
    PressArchive,
}

impl DocumentFormat {
    /// Every format.
    pub const ALL: [Self; 15] = [
        Self::Rss,
        Self::Rdf,
        Self::Atom,
        Self::JsonFeed,
        Self::Sitemap,
        Self::Html,
        Self::Text,
        Self::Markdown,
        Self::Json,
        Self::JsonLines,
        Self::Mail,
        Self::Mhtml,
        Self::Table,
        Self::NewsXml,
        Self::PressArchive,
    ];

    /// The printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rss => "rss",
            Self::Rdf => "rdf",
            Self::Atom => "atom",
            Self::JsonFeed => "json-feed",
            Self::Sitemap => "sitemap",
            Self::Html => "html",
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Json => "json",
            Self::JsonLines => "json-lines",
            Self::Mail => "mail",
            Self::Mhtml => "mhtml",
            Self::Table => "table",
            Self::NewsXml => "news-xml",
            Self::PressArchive => "press-archive",
        }
    }
}

/// Caps on one document (promise P8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes after decompression.
    pub decoded_bytes_max: usize,
    /// Items; more are counted and left.
    pub items_max: usize,
    /// Elements or containers within one another.
    pub depth_max: usize,
    /// Attributes on one tag.
    pub attributes_max: usize,
    /// Bytes of text kept per item.
    pub item_text_bytes_max: usize,
    /// Wall time for one document.
    pub parse_time_max: Duration,
}

impl Limits {
    /// Those of the default config, for what measures or tests without one; a test holds the two together.
    pub const SHIPPED: Self = Self {
        decoded_bytes_max: 10 << 20,
        items_max: 2000,
        depth_max: 128,
        attributes_max: 1000,
        item_text_bytes_max: 256 << 10,
        parse_time_max: Duration::from_secs(5),
    };
}
