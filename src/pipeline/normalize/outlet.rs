//! Which publisher an item is from. A feed is only a way to it: several feeds of one house are one outlet, and
//! one folder of articles is none. What the config says of a feed comes first, then the site the item links
//! to, then the publisher it names, then the feed's own site.

use ::url::{Host, Url};

use crate::model::{Origin, Outlet, SourceKind};
use crate::text::domain;

use super::NormalizeRules;

/// What is known of a feed's publisher before any item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedOutlet {
    /// As the config names it.
    pub given: Option<Outlet>,
    /// The site the feed is fetched from.
    pub site: Option<Outlet>,
}

/// Sites that many publish on: what stands before the domain is the publisher, or else the first part of the path.
/// (Many more have it in the public suffix list, and need no line here.)
#[rustfmt::skip]
const PLATFORMS: &[&str] = &[
    "substack.com", "medium.com", "wordpress.com", "blogspot.com", "blogger.com", "tumblr.com", "livejournal.com", "ghost.io",
    "beehiiv.com", "buttondown.email", "buttondown.com", "typepad.com", "hatenablog.com", "over-blog.com", "wixsite.com",
    "squarespace.com", "weebly.com", "webflow.io", "notion.site", "tilda.ws", "jimdofree.com", "mailchi.mp",
    "campaign-archive.com", "feedburner.com", "feedproxy.google.com", "feeds.feedburner.com", "sites.google.com",
    "rsshub.app", "rss.app", "fetchrss.com", "politepol.com", "kill-the-newsletter.com", "openrss.org", "telegra.ph",
    "t.me", "telegram.me", "x.com", "twitter.com", "facebook.com", "instagram.com", "threads.net", "threads.com",
    "vk.com", "ok.ru", "youtube.com", "reddit.com", "bsky.app", "mastodon.social", "linkedin.com", "patreon.com",
    "github.com", "gitlab.com", "dzen.ru", "naver.com", "soundcloud.com", "podbean.com", "buzzsprout.com", "libsyn.com",
    "firebaseapp.com", "herokuapp.com", "netlify.app", "vercel.app", "pages.dev", "github.io", "gitlab.io",
];
/// Sites that carry what others publish: their address says nothing about who.
#[rustfmt::skip]
const AGGREGATORS: &[&str] = &[
    "news.google.com", "msn.com", "news.yahoo.com", "newsbreak.com", "smartnews.com", "flipboard.com", "apple.news",
    "ground.news", "feedly.com", "inoreader.com", "allafrica.com",
];
/// First parts of a path that lead to a publisher's name.
#[rustfmt::skip]
const LEADING: &[&str] = &["~r", "~", "s", "r", "c", "u", "user", "users", "channel", "profile", "company", "in", "view", "site", "feeds", "feed", "pages", "pub"];
/// First parts of a path that are no name: what comes after them is one article.
#[rustfmt::skip]
const NO_NAMES: &[&str] = &["p", "watch", "status", "posts", "post", "story", "stories", "article", "articles", "news", "search", "shorts", "live", "i", "embed"];

/// The publisher of an item; `None` where nothing says who it is.
pub(super) fn outlet(
    link: Option<&str>,
    publisher: Option<&str>,
    origin: &Origin,
    rules: &NormalizeRules,
) -> Option<Outlet> {
    let feed = rules.outlets.get(&origin.source);
    if let Some(given) = feed.and_then(|feed| feed.given.clone()) {
        return Some(given);
    }
    let known = link.and_then(of_link).or_else(|| publisher.and_then(Outlet::named));
    match origin.kind {
        SourceKind::Seed | SourceKind::Push => known,
        SourceKind::Feed | SourceKind::Hub => {
            let site = || feed.and_then(|feed| feed.site.clone());
            known.or_else(site).or_else(|| Some(Outlet::of_feed(&origin.source)))
        }
    }
}

/// The publisher whose site a link leads to; `None` for an address without a name and for sites that only pass on.
#[must_use]
pub fn of_link(link: &str) -> Option<Outlet> {
    let url = Url::parse(link).ok()?;
    let Some(Host::Domain(host)) = url.host() else { return None };
    let host = host.trim_end_matches('.');
    // `localhost` and other names of one word are machines.
    if !host.contains('.') || AGGREGATORS.iter().any(|site| is_below(host, site)) {
        return None;
    }
    if let Some(platform) = PLATFORMS.iter().filter(|site| is_below(host, site)).max_by_key(|site| site.len()) {
        return Outlet::new(&on_platform(host, platform, url.path()));
    }
    Outlet::new(domain::registered(host).unwrap_or(host))
}

fn is_below(host: &str, site: &str) -> bool {
    host.strip_suffix(site).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// `name.platform`, or `platform/name`; the whole host where the path holds no name.
fn on_platform(host: &str, platform: &str, path: &str) -> String {
    let before = host.strip_suffix(platform).unwrap_or_default().trim_end_matches('.');
    if !matches!(before, "" | "www" | "m" | "feeds" | "rss" | "open" | "old" | "mobile") {
        return host.to_owned();
    }
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let name = parts.find(|part| !LEADING.contains(part)).filter(|part| !NO_NAMES.contains(part));
    match name {
        Some(name) => format!("{platform}/{}", name.trim_start_matches('@')),
        None => platform.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SourceId, Timestamp};

    #[test]
    fn of_link_is_the_registrable_domain_or_the_name_on_a_platform() {
        for (link, expected) in [
            ("https://www.gazette.example/a", Some("gazette.example")),
            ("https://feeds.news.gazette.co.uk/a", Some("gazette.co.uk")),
            ("https://Gazette.Example./a", Some("gazette.example")),
            ("https://harbour.substack.com/p/one", Some("harbour.substack.com")),
            ("https://open.substack.com/pub/harbour/p/one", Some("substack.com/harbour")),
            ("https://medium.com/@harbour/one-1", Some("medium.com/harbour")),
            ("https://harbour.blogspot.com/2025/01/one.html", Some("harbour.blogspot.com")),
            ("https://feeds.feedburner.com/~r/harbour/~3/x", Some("feeds.feedburner.com/harbour")),
            ("https://t.me/s/harbour/12", Some("t.me/harbour")),
            ("https://www.youtube.com/watch?v=1", Some("youtube.com")),
            ("https://www.reddit.com/r/harbour/comments/1", Some("reddit.com/harbour")),
            ("https://harbour.github.io/one", Some("harbour.github.io")),
            ("https://news.google.com/rss/articles/CB", None),
            ("https://127.0.0.1:8080/a", None),
            ("http://[::1]/a", None),
            ("http://localhost:9/a", None),
            ("not a link", None),
        ] {
            assert_eq!(of_link(link).as_ref().map(Outlet::as_str), expected, "{link}");
        }
    }

    #[test]
    fn outlet_goes_by_config_link_name_and_site_and_a_folder_is_none() {
        let origin =
            |kind| Origin { source: SourceId::new("wire-2").expect("a name"), kind, received: Timestamp::default() };
        let with = |given: Option<&str>, site: Option<&str>| NormalizeRules {
            outlets: [(
                SourceId::new("wire-2").expect("a name"),
                FeedOutlet { given: given.and_then(Outlet::new), site: site.and_then(Outlet::new) },
            )]
            .into(),
            ..NormalizeRules::default()
        };
        let feed = |link, publisher, rules: &NormalizeRules| {
            outlet(link, publisher, &origin(SourceKind::Feed), rules).map(|outlet| outlet.to_string())
        };
        let link = Some("https://www.gazette.example/a");
        let named = Some("The Herald");
        let is = |name: &str| Some(name.to_owned());
        assert_eq!(feed(link, named, &with(Some("House"), Some("site.example"))), is("house"));
        assert_eq!(feed(link, named, &with(None, Some("site.example"))), is("gazette.example"));
        assert_eq!(feed(None, named, &with(None, Some("site.example"))), is("the-herald"));
        let passed_on = Some("https://news.google.com/rss/articles/CB");
        assert_eq!(feed(passed_on, named, &with(None, None)), is("the-herald"));
        assert_eq!(feed(None, None, &with(None, Some("site.example"))), is("site.example"));
        assert_eq!(feed(None, None, &NormalizeRules::default()), is("wire-2"));
        let seed = |link, publisher| outlet(link, publisher, &origin(SourceKind::Seed), &NormalizeRules::default());
        assert_eq!(seed(None, None), None, "a folder publishes nothing");
        assert_eq!(seed(None, named).map(|o| o.to_string()), is("the-herald"));
        assert_eq!(seed(link, named).map(|o| o.to_string()), is("gazette.example"));
    }
}
