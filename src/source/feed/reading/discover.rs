//! The feeds that a web page declares, and those of sites whose addresses are known to follow a rule. What a rule
//! gives is looked at like any other address: it counts only where there is a feed.

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
    if out.is_empty()
        && let Some(url) = youtube_channel(page, page_url)
    {
        out.push(DeclaredFeed { url, title: String::new() });
    }
    out.sort_by_key(of_comments);
    out.truncate(DECLARED_MAX);
    out
}

/// Where a well-known site keeps the feed of a page, and how people call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteFeed {
    /// By its rule.
    At(Url),
    /// The site has none; what to do instead.
    Missing(&'static str),
}

/// The feed behind a channel, profile or project, by the rule of its site; `None` for other sites.
#[must_use]
pub fn feed_of_site(page: &Url) -> Option<SiteFeed> {
    let host = page.host_str()?.to_ascii_lowercase();
    let host = ["www.", "m.", "mobile."].iter().find_map(|prefix| host.strip_prefix(prefix)).unwrap_or(&host);
    let parts: Vec<&str> = page.path_segments()?.filter(|part| !part.is_empty()).collect();
    let at = |address: String| Url::parse(&address).ok().map(SiteFeed::At);
    match (host, parts.as_slice()) {
        ("youtube.com", ["channel", id, ..]) => at(format!("https://www.youtube.com/feeds/videos.xml?channel_id={id}")),
        ("youtube.com", ["user", name, ..]) => at(format!("https://www.youtube.com/feeds/videos.xml?user={name}")),
        ("youtube.com", ["playlist" | "watch"]) => {
            let list = page.query_pairs().find(|(name, _)| name == "list")?.1.into_owned();
            at(format!("https://www.youtube.com/feeds/videos.xml?playlist_id={list}"))
        }
        // The page of a handle declares the feed of its channel.
        ("youtube.com" | "tiktok.com" | "threads.net" | "threads.com" | "substack.com" | "instagram.com", _) => None,
        ("bsky.app", ["profile", name]) => at(format!("https://bsky.app/profile/{name}/rss")),
        ("reddit.com" | "old.reddit.com" | "new.reddit.com", ["r" | "u" | "user", ..]) if !is_feed_path(page) => {
            at(format!("https://www.reddit.com/{}/.rss", parts.join("/")))
        }
        ("github.com", [owner, project, "tags", ..]) => at(format!("https://github.com/{owner}/{project}/tags.atom")),
        ("github.com", [owner, project, "commits", branch]) => {
            at(format!("https://github.com/{owner}/{project}/commits/{branch}.atom"))
        }
        ("github.com", [owner, project] | [owner, project, "releases", ..]) if !is_feed_path(page) => {
            at(format!("https://github.com/{owner}/{project}/releases.atom"))
        }
        ("medium.com", [name]) if name.starts_with('@') => at(format!("https://medium.com/feed/{name}")),
        ("t.me" | "telegram.me", [..]) => Some(SiteFeed::Missing(
            "Telegram has no feeds: run a bridge that makes one of t.me/s/NAME, or write the messages into the seed directory",
        )),
        ("x.com" | "twitter.com", [..]) => {
            Some(SiteFeed::Missing("X has no feeds: write the posts into the seed directory, or run a bridge"))
        }
        // A profile on Mastodon, on whichever server.
        (_, [name]) if name.starts_with('@') && name.len() > 1 && !is_feed_path(page) && !name[1..].contains('@') => {
            let mut feed = page.clone();
            feed.set_path(&format!("/{name}.rss"));
            feed.set_query(None);
            feed.set_fragment(None);
            Some(SiteFeed::At(feed))
        }
        _ => None,
    }
}

fn is_feed_path(url: &Url) -> bool {
    [".rss", ".atom", ".xml", ".json"].iter().any(|end| url.path().ends_with(end))
}

/// The channel that a page of YouTube is of, where it declares no feed: told in its data.
fn youtube_channel(page: &str, page_url: &Url) -> Option<Url> {
    let host = page_url.host_str()?;
    if host != "youtube.com" && !host.ends_with(".youtube.com") {
        return None;
    }
    let marks = ["\"externalId\":\"", "\"channelId\":\"", "itemprop=\"identifier\" content=\"", "/channel/"];
    let id = marks.iter().find_map(|mark| {
        let (_, rest) = page.split_once(mark)?;
        let id = rest.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))).next()?;
        (id.starts_with("UC") && id.len() == 24).then_some(id)
    })?;
    Url::parse(&format!("https://www.youtube.com/feeds/videos.xml?channel_id={id}")).ok()
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
    fn site_feeds_follow_the_rules_of_their_sites() {
        let youtube = "https://www.youtube.com/feeds/videos.xml";
        for (page, feed) in [
            (
                "https://www.youtube.com/channel/UCaaaaaaaaaaaaaaaaaaaaaa/videos",
                format!("{youtube}?channel_id=UCaaaaaaaaaaaaaaaaaaaaaa"),
            ),
            ("https://m.youtube.com/user/harbour", format!("{youtube}?user=harbour")),
            ("https://youtube.com/playlist?list=PL1", format!("{youtube}?playlist_id=PL1")),
            ("https://bsky.app/profile/port.example", "https://bsky.app/profile/port.example/rss".to_owned()),
            ("https://old.reddit.com/r/ports/", "https://www.reddit.com/r/ports/.rss".to_owned()),
            ("https://www.reddit.com/r/ports/new/?x=1", "https://www.reddit.com/r/ports/new/.rss".to_owned()),
            ("https://github.com/port/pier", "https://github.com/port/pier/releases.atom".to_owned()),
            ("https://github.com/port/pier/releases/tag/v1", "https://github.com/port/pier/releases.atom".to_owned()),
            ("https://github.com/port/pier/commits/main", "https://github.com/port/pier/commits/main.atom".to_owned()),
            ("https://social.example/@harbour?x=1#top", "https://social.example/@harbour.rss".to_owned()),
        ] {
            let url = page.parse().expect("a URL");
            assert_eq!(feed_of_site(&url), Some(SiteFeed::At(feed.parse().expect("a URL"))), "{page}");
        }
        for page in ["https://t.me/s/harbour", "https://x.com/harbour"] {
            assert!(matches!(feed_of_site(&page.parse().expect("a URL")), Some(SiteFeed::Missing(_))), "{page}");
        }
        for page in [
            "https://www.youtube.com/@harbour",
            "https://port.example/news",
            "https://www.reddit.com/r/ports/.rss",
            "https://social.example/@harbour.rss",
        ] {
            assert_eq!(feed_of_site(&page.parse().expect("a URL")), None, "{page}");
        }
    }

    #[test]
    fn page_of_a_channel_tells_its_feed_where_it_declares_none() {
        let url: Url = "https://www.youtube.com/@harbour".parse().expect("a URL");
        let page = r#"<html><script>var x = {"externalId":"UCaaaaaaaaaaaaaaaaaaaaaa"}</script>"#;
        let found = feeds_of_page(page, &url);
        assert_eq!(found[0].url.query(), Some("channel_id=UCaaaaaaaaaaaaaaaaaaaaaa"));
        let elsewhere: Url = "https://port.example/".parse().expect("a URL");
        assert!(feeds_of_page(page, &elsewhere).is_empty());
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
