//! The feeds that a web page declares. Conservative: no address is ever guessed.

use url::Url;

use crate::text::clean;
use crate::text::html::links::{PageLink, links};

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

/// A feed that a page declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredFeed {
    /// Where it is.
    pub url: Url,
    /// What the page calls it; may be empty.
    pub title: String,
}

/// What a page declares by `<link rel="alternate">` with a feed's media type; comment feeds last, one
/// of several formats of the same feed only.
#[must_use]
pub fn feeds_of_page(page: &str, page_url: &Url) -> Vec<DeclaredFeed> {
    let found = links(page);
    let base = found.base.and_then(|base| page_url.join(&base).ok()).unwrap_or_else(|| page_url.clone());
    let mut out: Vec<DeclaredFeed> = Vec::new();
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
        out.push(DeclaredFeed { url, title });
    }
    out.sort_by_key(of_comments);
    out.truncate(DECLARED_MAX);
    out
}

fn declares_feed(link: &PageLink) -> bool {
    let media_type = link.media_type.split(';').next().unwrap_or("").trim();
    link.rel.split_ascii_whitespace().any(|rel| rel == "alternate" || rel == "feed") && FEED_TYPES.contains(&media_type)
}

/// Whether a feed is of what readers write below articles: never what is meant.
#[must_use]
pub fn of_comments(feed: &DeclaredFeed) -> bool {
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
