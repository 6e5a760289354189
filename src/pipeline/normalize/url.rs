//! A link to its canonical form, so that the same page has the same link wherever it was found: no
//! fragment, no tracking keys, no default port, no AMP or mobile host. Only http and https; the link
//! as it came is kept by the caller. Nothing is fetched or resolved.

use std::net::IpAddr;

use url::{Host, Url};

use crate::model::LINK_BYTES_MAX;
use crate::text::domain::registered;

/// Query keys that only say how somebody got there (Miniflux's and Media Cloud's lists, and seen since).
#[rustfmt::skip]
const TRACKING_KEYS: &[&str] = &[
    "fbclid", "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "msclkid", "yclid", "ysclid", "ymclid", "twclid",
    "srsltid", "ttclid", "igshid", "igsh", "li_fat_id", "mc_cid", "mc_eid", "mkt_tok", "_hsenc", "_hsmi",
    "hsctatracking", "ga_source", "ga_medium", "ga_term", "ga_content", "ga_campaign", "ga_place",
    "__twitter_impression", "ref_src", "ref_url", "cmpid", "cmp", "ocid", "ncid", "smid", "sr_share", "guccounter",
    "guce_referrer", "guce_referrer_sig", "wt_mc", "wtmc", "wt.mc_id", "at_medium", "at_campaign", "at_format",
    "at_link_type", "at_link_id", "at_link_origin", "at_ptr_name", "at_bbc_team", "xtor", "traffic_source", "rss_id",
    "spm", "oft_id", "oft_k", "_openstat", "vero_id", "vero_conv", "wickedid", "rb_clickid", "s_cid", "__s", "trk",
    "trkcampaign", "soc_src", "soc_trk", "taid", "dicbo", "obclid", "erid", "_ga", "_gl", "mbid", "mibextid",
    "phpsessid", "jsessionid", "aspsessionid", "sessionid", "session_id", "sid", "zenid", "amp", "outputtype",
    "feature=youtu.be",
];
/// Prefixes of such keys.
#[rustfmt::skip]
const TRACKING_PREFIXES: &[&str] = &[
    "utm_", "mtm_", "pk_", "piwik_", "matomo_", "hsa_", "stm_", "itm_", "aspsessionid",
];

/// The canonical form; `None` for anything that is no http(s) link to a host.
///
/// # Errors
/// [`TooLong`] for what may be a link and is longer than [`LINK_BYTES_MAX`], as it came or in its canonical form.
pub(crate) fn canonical(text: &str) -> Result<Option<String>, TooLong> {
    let text = text.trim();
    if text.len() > LINK_BYTES_MAX {
        return Err(TooLong { bytes: text.len() });
    }
    match canonical_form(text) {
        Some(done) if done.len() > LINK_BYTES_MAX => Err(TooLong { bytes: done.len() }),
        done => Ok(done),
    }
}

/// A link that is too long to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong {
    /// Its length.
    pub bytes: usize,
}

fn canonical_form(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    url.set_fragment(None);
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    canonical_host(&mut url)?;
    canonical_path(&mut url);
    canonical_query(&mut url);
    Some(url.into())
}

/// The host without `www.`, for comparing a link with a name.
#[must_use]
pub(crate) fn host(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    Some(host.strip_prefix("www.").unwrap_or(host).to_owned())
}

fn canonical_host(url: &mut Url) -> Option<()> {
    let Host::Domain(domain) = url.host()? else { return Some(()) };
    let domain = domain.trim_end_matches('.');
    if domain.is_empty() || domain.parse::<IpAddr>().is_ok() {
        return None;
    }
    let plain = desktop_host(domain);
    if Some(plain.as_str()) != url.host_str() {
        url.set_host(Some(&plain)).ok()?;
    }
    Some(())
}

/// `m.example.org`, `amp.example.org` and `en.m.example.org` are other doors to the same house; so is
/// the AMP cache, whose host names spell the site's own.
fn desktop_host(domain: &str) -> String {
    if let Some(cached) = domain.strip_suffix(".cdn.ampproject.org") {
        let spelled = cached.replace("--", "\u{1}").replace('-', ".").replace('\u{1}', "-");
        if spelled.contains('.') {
            return desktop_host(&spelled);
        }
    }
    let labels: Vec<&str> = domain.split('.').collect();
    let registrable = registered(domain).map_or(labels.len(), |d| d.split('.').count());
    let (own, base) = labels.split_at(labels.len().saturating_sub(registrable));
    let kept: Vec<&str> =
        own.iter().copied().filter(|label| !matches!(*label, "m" | "amp" | "mobile" | "wap" | "touch")).collect();
    kept.iter().chain(base).copied().collect::<Vec<_>>().join(".")
}

fn canonical_path(url: &mut Url) {
    let mut path = unescape_unreserved(url.path());
    // The AMP cache repeats the site's address in its path: `/c/s/example.org/story`.
    for (prefix, host) in [("/c/s/", url.host_str()), ("/v/s/", url.host_str())] {
        if let Some(rest) = path.strip_prefix(prefix)
            && let Some(rest) = host.and_then(|host| rest.strip_prefix(host))
        {
            path = rest.to_owned();
            break;
        }
    }
    let amp =
        |path: &str| ["/amp/", "/amp", ".amp", "/amp.html", "//"].iter().find(|s| path.ends_with(**s)).map(|s| s.len());
    while let Some(suffix) = amp(&path).filter(|suffix| *suffix < path.len()) {
        path.truncate(path.len() - suffix);
    }
    if let Some(stem) = path.strip_suffix(".amp.html") {
        path = format!("{stem}.html");
    }
    // Session ids in the path: `;jsessionid=…`.
    if let Some(at) = path.to_ascii_lowercase().find(";jsessionid=") {
        path.truncate(at);
    }
    if path != url.path() {
        url.set_path(&path);
    }
}

fn canonical_query(url: &mut Url) {
    let Some(query) = url.query() else { return };
    let kept: Vec<String> =
        query.split('&').filter(|pair| !pair.is_empty() && !is_tracking(pair)).map(unescape_unreserved).collect();
    let kept = kept.join("&");
    url.set_query((!kept.is_empty()).then_some(&kept));
}

fn is_tracking(pair: &str) -> bool {
    let pair = pair.to_ascii_lowercase();
    let key = pair.split('=').next().unwrap_or_default();
    // Without a number, `sid` is a session; with one it is often the story.
    if key == "sid" {
        return pair.len() > "sid=".len() + 15;
    }
    TRACKING_KEYS.contains(&key)
        || TRACKING_KEYS.contains(&pair.as_str())
        || TRACKING_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// RFC 3986, 6.2.2: `%7e` is `~`, and escapes that stay are in upper case. The url crate leaves both.
fn unescape_unreserved(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut at, mut run) = (0, 0);
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let value =
            escape.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let (Some(value), Some(true)) = (value, escape.map(|hex| hex.iter().all(u8::is_ascii_hexdigit))) else {
            at += 1;
            continue;
        };
        out.push_str(&text[run..at]);
        if value.is_ascii_alphanumeric() || matches!(value, b'-' | b'_' | b'~') {
            out.push(char::from(value));
        } else {
            out.push_str(&text[at..at + 3].to_ascii_uppercase());
        }
        at += 3;
        run = at;
    }
    out.push_str(&text[run..]);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_same_page_same_link() {
        for (link, expected) in [
            ("https://news.example/a/b?id=1#top", "https://news.example/a/b?id=1"),
            ("https://news.example/a?utm_source=rss&id=1&fbclid=x", "https://news.example/a?id=1"),
            ("https://news.example/a?UTM_Campaign=x", "https://news.example/a"),
            ("http://News.Example:80/a", "http://news.example/a"),
            ("https://news.example:443", "https://news.example/"),
            ("https://news.example:8443/a", "https://news.example:8443/a"),
            ("https://user:secret@news.example/a", "https://news.example/a"),
            ("https://news.example./a", "https://news.example/a"),
            ("https://m.news.example/a", "https://news.example/a"),
            ("https://en.m.news.example/a", "https://en.news.example/a"),
            ("https://amp.news.example/a/amp/", "https://news.example/a"),
            ("https://news.example/a.amp.html?amp=1", "https://news.example/a.html"),
            ("https://www-news-example.cdn.ampproject.org/c/s/www.news.example/a", "https://www.news.example/a"),
            ("https://news.example/%7euser/%c3%a9", "https://news.example/~user/%C3%A9"),
            ("https://news.example/a;jsessionid=1A2B?x=1", "https://news.example/a?x=1"),
            ("https://news.example/a?sid=812", "https://news.example/a?sid=812"),
            ("https://news.example/a?sid=0123456789abcdef0123", "https://news.example/a"),
            ("https://news.example/a?q=b%26c&d", "https://news.example/a?q=b%26c&d"),
            ("  https://новини.example/а ", "https://xn--b1amarcd.example/%D0%B0"),
            ("https://[2001:db8::1]/a", "https://[2001:db8::1]/a"),
            ("https://m.example/a", "https://m.example/a"),
        ] {
            assert_eq!(canonical(link), Ok(Some(expected.to_owned())), "{link:?}");
        }
    }

    #[test]
    fn canonical_what_is_no_web_link_is_refused() {
        for link in [
            "",
            "mailto:a@b.example",
            "ftp://a.example/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "/relative",
            "http://",
            "https://./",
        ] {
            assert_eq!(canonical(link), Ok(None), "{link:?}");
        }
    }

    #[test]
    fn canonical_link_is_kept_up_to_the_longest_and_said_to_be_too_long_beyond() {
        let link = |letter: &str, bytes: usize| {
            let start = "https://a.example/";
            format!("{start}{}", letter.repeat((bytes - start.len()) / letter.len()))
        };
        for bytes in [4_096, 4_097, LINK_BYTES_MAX] {
            assert_eq!(canonical(&link("x", bytes)), Ok(Some(link("x", bytes))));
        }
        assert_eq!(canonical(&link("x", LINK_BYTES_MAX + 1)), Err(TooLong { bytes: LINK_BYTES_MAX + 1 }));
        // Short enough as it came, too long once it is written as links are.
        let escaped = canonical(&link("é", 4_000));
        assert!(matches!(escaped, Err(TooLong { bytes }) if bytes > LINK_BYTES_MAX), "{escaped:?}");
    }

    proptest! {
        #[test]
        fn canonical_is_stable(
            host in "(m|amp|www|en)\\.[a-z]{1,6}\\.(example|co\\.uk)\\.?",
            path in "(/[a-z%~2e.7E;=]{0,8}){0,4}(/amp/|/amp|\\.amp\\.html)?(/amp)?",
            query in "(\\?([a-z_]{1,4}|utm_x|sid|amp|%7e)(=[a-z0-9%&]{0,8})?)?",
        ) {
            if let Ok(Some(once)) = canonical(&format!("https://{host}{path}{query}")) {
                prop_assert_eq!(canonical(&once), Ok(Some(once)));
            }
        }

        #[test]
        fn canonical_never_panics(link in "(https?://)?\\PC{0,40}") {
            if let Ok(Some(once)) = canonical(&link) {
                prop_assert_eq!(canonical(&once), Ok(Some(once)));
            }
        }
    }
}
