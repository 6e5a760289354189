//! Feeds: `polling` says who is asked when and asks, `reading` makes raw items of the bytes that come; `last_documents`
//! is what both know of those that came before. Here is what a config says of a feed, which all go by.

pub mod last_documents;
pub mod polling;
pub mod reading;

use std::path::PathBuf;
use std::time::Duration;

use crate::model::SourceId;
use crate::net::Cidr;

/// What a new feed's first document means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backfill {
    /// Store everything, alert on nothing.
    None,
    /// Alert on the newest so many.
    Newest(usize),
    /// Alert on everything.
    All,
}

/// Whether the text of new items is fetched from the pages they link to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullText {
    /// Never: the feed's own text is all there is.
    Off,
    /// Always.
    On,
    /// Where the feed carries hardly any text.
    IfShort,
}

/// Which part of an item identifies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentifiedBy {
    /// Its guid, as it should be.
    Guid,
    /// Its link, for feeds that make up guids.
    Link,
}

/// What `parse` must know beside the bytes.
#[derive(Debug, Clone, Copy)]
pub struct FeedContext<'a> {
    /// Where the document came from, after redirects: relative links stand against it.
    pub base_url: Option<&'a str>,
    /// `Content-Type` of the answer; only its charset counts.
    pub content_type: Option<&'a str>,
    /// What identifies an item.
    pub trust: IdentifiedBy,
    /// The caps.
    pub limits: &'a crate::source::Limits,
    /// When the document arrived.
    pub received: crate::model::Timestamp,
}

/// What one feed's requests carry besides the usual. Nothing of it is sent on to another host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchConfig {
    /// Further header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Where its credentials are.
    pub credentials: Option<Credentials>,
    /// Instead of the section's `user_agent`; this one is for every host.
    pub user_agent: Option<String>,
    /// Instead of the section's `total_timeout`.
    pub timeout: Option<Duration>,
}

/// A file with credentials, read at each poll so that a change needs no restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// `user:password`.
    Basic(PathBuf),
    /// A token.
    Bearer(PathBuf),
}

/// One `[[feeds]]` entry, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedConfig {
    /// Its name.
    pub id: SourceId,
    /// Where it is.
    pub url: url::Url,
    /// Polled or not.
    pub enabled: bool,
    /// Shortest time between two polls.
    pub interval: Duration,
    /// Longest time between two good polls of a feed that seldom has news, unless it asks for longer.
    pub interval_max: Duration,
    /// Non-public addresses it may resolve to.
    pub allow_private: Vec<Cidr>,
    /// What the first document means.
    pub backfill: Backfill,
    /// What identifies an item.
    pub trust: IdentifiedBy,
    /// Never send validators: for servers that answer 304 wrongly.
    pub ignore_http_cache: bool,
    /// Whose text new items have.
    pub full_text: FullText,
    /// Language to assume where neither feed nor text says.
    pub lang: Option<crate::model::Lang>,
    /// Who publishes its items, whatever they link to.
    pub outlet: Option<crate::model::Outlet>,
    /// Tags given to every item.
    pub tags: Vec<String>,
    /// So many bytes on one day (UTC), and it is not polled any more before the next.
    pub bytes_per_day_max: Option<u64>,
    /// Alerts beyond so many on one day wait for the next digest.
    pub alerts_per_day_max: Option<u64>,
    /// Its hub is asked to push it, where `[websub]` is on.
    pub websub: bool,
    /// The region it is polled from, where several processes poll; `None`: from anywhere.
    pub via: Option<String>,
    /// What its requests carry.
    pub fetch: FetchConfig,
}

impl FeedConfig {
    /// A feed of which only the address is known, to look at it once.
    #[must_use]
    pub fn new(id: SourceId, url: url::Url) -> Self {
        Self {
            id,
            url,
            enabled: true,
            interval: Duration::from_secs(900),
            interval_max: Duration::from_secs(900),
            allow_private: Vec::new(),
            backfill: Backfill::None,
            trust: IdentifiedBy::Guid,
            ignore_http_cache: false,
            full_text: FullText::Off,
            lang: None,
            outlet: None,
            tags: Vec::new(),
            bytes_per_day_max: None,
            alerts_per_day_max: None,
            websub: true,
            via: None,
            fetch: FetchConfig::default(),
        }
    }
}

/// Whose requests keep their distance from one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpacingScope {
    /// All feeds of one host: polite to small servers.
    Host,
    /// Each feed by itself: for hosts that serve thousands of feeds and many customers.
    Feed,
}

/// The `[polling]` section, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollingConfig {
    /// Fetches at once.
    pub fetches_max: usize,
    /// Fetches at once to one host.
    pub fetches_per_host_max: usize,
    /// Pause between two fetches from one host.
    pub host_spacing: Duration,
    /// Who is spared by the two before.
    pub spacing_scope: SpacingScope,
    /// Pages fetched from one site in an hour, for `full_text`.
    pub pages_per_hour_max: usize,
    /// Pages fetched for one feed in an hour, whatever hosts it links to.
    pub pages_per_feed_max: usize,
    /// Never poll a feed more often, whatever its own settings, unless it is allowed a private address.
    pub interval_floor: Duration,
    /// Never wait longer than this, whatever a server asks.
    pub interval_ceiling: Duration,
    /// At start, due feeds are spread over this much time.
    pub start_spread: Duration,
    /// Time to connect, TLS included.
    pub connect_timeout: Duration,
    /// Longest pause between two reads.
    pub idle_timeout: Duration,
    /// Whole fetch, redirects included.
    pub total_timeout: Duration,
    /// Hops followed.
    pub redirects_max: usize,
    /// Body bytes on the wire.
    pub wire_bytes_max: usize,
    /// Header bytes.
    pub header_bytes_max: usize,
    /// `User-Agent`, with a contact.
    pub user_agent: String,
    /// Additional root certificates (PEM).
    pub ca_file: Option<PathBuf>,
    /// Everything is fetched through this HTTP proxy; it then decides what may be reached.
    pub proxy: Option<url::Url>,
}
