//! An address to the feed behind it, without remembering anything: [`look`] reads what is there,
//! [`feeds_of_page`] what a web page declares as its feeds. Conservative: no address is ever guessed.
//! For `feeds add` and `feeds check`; the poller never comes here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::FeedConfig;
use super::fetch::{self, Accept, Content, Fetch};
use super::poll::PollerConfig;
use super::request::Carried;
use super::schedule::Validators;
use super::visit::{Target, Tools, Visit, visit};
use crate::clock::Clock;
use crate::model::{FeedFailure, FeedState};
use crate::net::{Client, body};
use crate::source::Document;
use crate::source::parser::Parser;
use crate::text::html::links::{Link, links};
use crate::text::{charset, clean};

/// Media types by which a page declares a feed.
const FEED_TYPES: [&str; 5] = [
    "application/rss+xml",
    "application/atom+xml",
    "application/feed+json",
    "application/rdf+xml",
    "application/json+feed",
];

/// Feeds of one page that are shown.
const DECLARED_MAX: usize = 20;

/// What a look needs.
#[derive(Clone)]
pub struct Looker {
    /// How to fetch and what to take.
    pub config: Arc<PollerConfig>,
    /// Fetches.
    pub client: Client,
    /// Parses.
    pub parser: Parser,
    /// The time.
    pub clock: Clock,
}

/// What one look at a feed shows.
#[derive(Debug)]
pub struct Looked {
    /// The address that answered, without userinfo and query.
    pub url: String,
    /// Redirects followed.
    pub hops: usize,
    /// Body bytes on the wire.
    pub wire_bytes: usize,
    /// From the first byte asked to the last item read.
    pub took: Duration,
    /// The feed as it was read, or why there is none.
    pub document: Result<Document, (FeedFailure, String)>,
}

/// A feed that a page declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Where it is.
    pub url: Url,
    /// What the page calls it; may be empty.
    pub title: String,
}

impl Looker {
    fn tools(&self) -> Tools {
        let PollerConfig { polling, limits, .. } = &*self.config;
        Tools::new(self.client.clone(), polling.clone(), *limits, self.parser.clone(), self.clock.clone())
    }

    /// Fetches and reads a feed.
    pub async fn look(&self, feed: FeedConfig) -> Looked {
        let begun = Instant::now();
        let target = Arc::new(Target::new(feed));
        let fresh = FeedState::new(target.config.id.clone(), target.stored_url(), self.clock.now());
        let Visit { url, hops, wire_bytes, document, next, .. } = visit(&self.tools(), &target, &fresh).await;
        let failure = || (next.failure.unwrap_or(FeedFailure::ClientError), next.error.clone().unwrap_or_default());
        Looked { url, hops, wire_bytes, took: begun.elapsed(), document: document.ok_or_else(failure) }
    }

    /// The feeds that the page at this address declares.
    ///
    /// # Errors
    /// Why there is no page to read.
    pub async fn declared(&self, feed: FeedConfig) -> Result<Vec<Declared>, (FeedFailure, String)> {
        let target = Target::new(feed);
        let polling = &self.config.polling;
        let fetched = fetch::fetch(
            &self.client,
            &Fetch {
                url: &target.config.url,
                accept: Accept::Page,
                validators: &Validators::default(),
                allow_private: &target.allow_private,
                wire_bytes_max: polling.wire_bytes_max,
                redirects_max: polling.redirects_max,
                total_timeout: polling.total_timeout,
                carried: &Carried::default(),
            },
        )
        .await;
        let (encoding, transport) = (fetched.content_encoding(), fetched.content_type().map(str::to_owned));
        let wire = match fetched.content {
            Ok(Content::Body(wire)) => wire,
            Ok(Content::NotModified) => return Ok(Vec::new()),
            Err(failure) => return Err((failure.class, failure.words)),
        };
        let (page_url, bytes_max) = (fetched.url, self.config.limits.decoded_bytes_max);
        let job = move || {
            let bytes = body::decode(&wire, encoding.as_deref(), bytes_max)
                .map_err(|error| (error.failure(), error.to_string()))?;
            let declared = transport.as_deref().and_then(charset::of_content_type);
            Ok(feeds_of_page(&charset::decode(&bytes, declared).text, &page_url))
        };
        let late =
            |reason: crate::model::RejectReason| (FeedFailure::Parse, format!("the page cannot be read ({reason})"));
        self.parser.run(self.config.limits.parse_time_max, job).await.map_err(late)?
    }
}

/// What a page declares by `<link rel="alternate">` with a feed's media type; comment feeds last, one
/// of several formats of the same feed only.
#[must_use]
pub fn feeds_of_page(page: &str, page_url: &Url) -> Vec<Declared> {
    let found = links(page);
    let base = found.base.and_then(|base| page_url.join(&base).ok()).unwrap_or_else(|| page_url.clone());
    let mut out: Vec<Declared> = Vec::new();
    for link in found.links.iter().filter(|link| declares_feed(link)) {
        let Ok(mut url) = base.join(&link.href) else { continue };
        url.set_fragment(None);
        if !matches!(url.scheme(), "http" | "https") || out.iter().any(|known| known.url == url) {
            continue;
        }
        let title = clean::excerpt(&link.title, 120);
        let formatless = without_format(&title);
        if !formatless.is_empty() && out.iter().any(|known| without_format(&known.title) == formatless) {
            continue;
        }
        out.push(Declared { url, title });
    }
    out.sort_by_key(of_comments);
    out.truncate(DECLARED_MAX);
    out
}

fn declares_feed(link: &Link) -> bool {
    let media_type = link.media_type.split(';').next().unwrap_or("").trim();
    link.rel.split_ascii_whitespace().any(|rel| rel == "alternate" || rel == "feed") && FEED_TYPES.contains(&media_type)
}

/// Whether a feed is of what readers write below articles: never what is meant.
#[must_use]
pub fn of_comments(feed: &Declared) -> bool {
    let title = feed.title.to_lowercase();
    title.contains("comment") || feed.url.path().to_ascii_lowercase().contains("comment")
}

/// `Example » RSS 2.0` and `Example » Atom` are one feed.
fn without_format(title: &str) -> String {
    let is_format = |word: &&str| {
        !matches!(*word, "rss" | "atom" | "json" | "feed" | "xml" | "rdf") && !word.chars().all(|c| c.is_ascii_digit())
    };
    let title = title.to_lowercase();
    let words = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.filter(is_format).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feeds(page: &str) -> Vec<String> {
        let url = "https://example.org/news/".parse().expect("a URL");
        feeds_of_page(page, &url).into_iter().map(|feed| feed.url.to_string()).collect()
    }

    fn link(kind: &str, title: &str, href: &str) -> String {
        format!("<link rel=\"alternate\" type=\"application/{kind}\" title=\"{title}\" href=\"{href}\">")
    }

    #[test]
    fn page_declares_feeds_by_type_alone() {
        let page = [
            "<link rel=stylesheet href=/feed.css>".to_owned(),
            "<link rel=alternate hreflang=de href=/de/feed>".to_owned(),
            "<a href=/rss.xml>RSS</a>".to_owned(),
            link("rss+xml; charset=utf-8", "News", "feed.xml#top"),
            link("json", "oEmbed", "/wp-json/oembed"),
        ];
        assert_eq!(feeds(&page.concat()), ["https://example.org/news/feed.xml"]);
    }

    #[test]
    fn page_one_feed_in_several_formats_counts_once_and_comments_come_last() {
        let page = [
            link("rss+xml", "Example » Comments Feed", "/comments/feed/"),
            link("rss+xml", "Example » RSS 2.0", "/feed/"),
            link("atom+xml", "Example » Atom", "/feed/atom/"),
            link("atom+xml", "Example » Sport", "/sport"),
            link("atom+xml", "", "/feed/"),
            link("rss+xml", "x", "javascript:alert(1)"),
        ];
        assert_eq!(
            feeds(&page.concat()),
            ["https://example.org/feed/", "https://example.org/sport", "https://example.org/comments/feed/"]
        );
        assert_eq!(
            feeds(&(link("rss+xml", "a", "a") + "<base href='https://b.example/x/'>")),
            ["https://b.example/x/a"]
        );
    }
}
