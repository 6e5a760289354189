//! What every reader of this stage makes of a document: [`DocumentParts`] of [`FeedEntry`]s, one shape for
//! feed-rs, our own XML reader and JSON Feed. `finish` turns them into raw items, `key` names them.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use regex::Regex;
use url::Url;

use crate::model::{BytesHash, Dated, Markup, RawText};
use crate::source::feed::last_documents::ItemFingerprint;

/// A document as one of the readers saw it.
#[derive(Debug, Default)]
pub(super) struct DocumentParts {
    pub title: Option<RawText>,
    pub lang: Option<String>,
    pub authors: Vec<String>,
    /// The site the feed belongs to: relative links stand against it where there is no other base.
    pub site: Option<String>,
    pub entries: Vec<FeedEntry>,
    /// Items that could not be read.
    pub lost: u64,
    /// The document ends before its end.
    pub is_cut: bool,
    /// Items beyond the cap, left out while reading.
    pub over_cap: u64,
    /// Items that stand there as in the feed's last document, left out before reading.
    pub unchanged: Vec<ItemFingerprint>,
}

impl DocumentParts {
    /// Takes an item, and leaves out the oldest before many more than `items_max` are in memory.
    pub(super) fn push(&mut self, entry: FeedEntry, items_max: usize) {
        self.entries.push(entry);
        if self.entries.len() >= items_max.saturating_mul(2).max(2) {
            self.keep_newest(items_max);
        }
    }

    /// Leaves out all but the newest so many, in document order: some feeds list the oldest first. An item without a
    /// date is as old as the one before it; where none has a date, the first are taken.
    pub(super) fn keep_newest(&mut self, items_max: usize) {
        let over = self.entries.len().saturating_sub(items_max);
        if over == 0 {
            return;
        }
        let stated = |entry: &FeedEntry| entry.published.or(entry.updated).map(|dated| dated.at);
        let mut last = self.entries.iter().find_map(stated);
        let mut dates = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            last = stated(entry).or(last);
            dates.push(last);
        }
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        // Stable: of equal dates the first in the document stays.
        order.sort_by_key(|&at| std::cmp::Reverse(dates[at]));
        let mut is_taken = vec![false; self.entries.len()];
        for &at in order.iter().take(items_max) {
            is_taken[at] = true;
        }
        let mut taken = is_taken.into_iter();
        self.entries.retain(|_| taken.next().unwrap_or_default());
        self.over_cap += over as u64;
    }
}

/// One item as one of the readers saw it.
#[derive(Debug, Default)]
pub(super) struct FeedEntry {
    pub id: Option<String>,
    /// The id is a link to the item, as far as the feed says.
    pub id_is_link: bool,
    pub links: Vec<EntryLink>,
    pub title: Option<RawText>,
    pub summary: Option<RawText>,
    pub content: Option<RawText>,
    pub authors: Vec<String>,
    pub published: Option<Dated>,
    pub updated: Option<Dated>,
    pub lang: Option<String>,
    pub tags: Vec<String>,
    /// What it was read from.
    pub bytes: Option<BytesHash>,
}

/// A link of an item, resolved against the base that holds at its place, where there is one.
#[derive(Debug)]
pub(super) struct EntryLink {
    pub href: String,
    pub role: LinkRole,
}

/// What a link is to its item, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LinkRole {
    /// The publisher's own address behind a counting redirect (`feedburner:origLink`).
    Original,
    /// The coverage as a page.
    Page,
    /// The coverage in another form.
    Alternate,
    /// A page the item is about (JSON Feed's `external_url`).
    External,
    /// A recording or file that comes with the item: the coverage itself where there is no page of it.
    Enclosure,
    /// Comments, the entry's own document: no place to read it.
    Other,
}

impl LinkRole {
    /// From an Atom link's `rel` and `type`.
    pub(super) fn of_atom(rel: Option<&str>, media_type: Option<&str>) -> Self {
        let page = media_type.is_none_or(|kind| kind.contains("html"));
        match rel.map(|rel| rel.trim().rsplit('/').next().unwrap_or_default().to_ascii_lowercase()).as_deref() {
            None | Some("" | "alternate") => {
                if page {
                    Self::Page
                } else {
                    Self::Alternate
                }
            }
            Some("enclosure") => Self::of_enclosure(media_type),
            _ => Self::Other,
        }
    }

    /// From an enclosure's `type`: pictures, and what might be one, are not the coverage.
    pub(super) fn of_enclosure(media_type: Option<&str>) -> Self {
        match media_type.map(|kind| kind.trim().to_ascii_lowercase()) {
            Some(kind) if !kind.is_empty() && !kind.starts_with("image/") => Self::Enclosure,
            _ => Self::Other,
        }
    }
}

/// Resolves a link as written; only http and https are links to coverage. How long one may be is for `prepare`,
/// which counts what it drops.
pub(super) fn web_link(href: &str, base: Option<&Url>) -> Option<String> {
    let href = href.trim();
    if href.is_empty() {
        return None;
    }
    let url = match Url::parse(href) {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) if lacks_scheme(href, base) => {
            Url::parse(&format!("https://{href}")).ok()?
        }
        Err(url::ParseError::RelativeUrlWithoutBase) => base?.join(href).ok()?,
        Err(_) => return None,
    };
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    // As written where that is whole: the canonical form is made later, from this.
    let whole = href.starts_with("http") && !href.contains(|c: char| c.is_whitespace() || c.is_control());
    Some(if whole { href.to_owned() } else { url.into() })
}

/// Whether a link begins with a host name instead of a scheme: `www.` and a name, or the host of the site itself.
fn lacks_scheme(href: &str, base: Option<&Url>) -> bool {
    let host = href.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    if !host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-')) {
        return false;
    }
    let bare = |host: &str| host.strip_prefix("www.").unwrap_or(host).to_owned();
    let named = host.strip_prefix("www.").is_some_and(|rest| rest.trim_matches('.').contains('.'));
    named || (host.contains('.') && base.and_then(Url::host_str).is_some_and(|site| bare(site) == bare(&host)))
}

/// Takes away the marks of a CDATA section that was escaped once too often: what is left is the text that was
/// meant. In HTML they would be a comment that swallows it.
pub(super) fn without_cdata_marks(text: &mut String, is_html: bool) {
    const OPEN: &str = "<![CDATA[";
    if !text.contains(OPEN) {
        return;
    }
    if is_html {
        *text = text.replace(OPEN, "").replace("]]>", "");
        return;
    }
    let mut inner = text.trim();
    while let Some(rest) = inner.strip_prefix(OPEN) {
        inner = rest.trim();
        inner = inner.strip_suffix("]]>").unwrap_or(inner).trim();
    }
    *text = inner.to_owned();
}

/// A text in base 64, as Atom 0.3's `mode` and 1.0's unknown content types have it; `None` for pictures
/// and whatever else is no text.
pub(super) fn from_base64(text: &str) -> Option<RawText> {
    let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = STANDARD.decode(packed).ok()?;
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).map(guess_markup)
}

/// A text that says nothing about its markup: HTML if it reads like it.
pub(super) fn guess_markup(text: String) -> RawText {
    let markup = if reads_like_html(&text) { Markup::Html } else { Markup::Plain };
    RawText { markup, text }
}

/// Whether a text has an end tag, a tag HTML knows, or a character reference. `a < b`, `AT&T` and
/// `<a.b@c.d>` do not count.
fn reads_like_html(text: &str) -> bool {
    static HTML: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?xi) & (?: \#[0-9]{1,7} | \#x[0-9a-f]{1,6} | [a-z][a-z0-9]{1,31} ) ;
              | < / [a-z][a-z0-9]* \s* >
              | < (?: a | abbr | article | b | big | blockquote | br | center | cite | code | dd | del | div | dl | dt | em
                | figure | font | h[1-6] | hr | i | iframe | img | ins | li | mark | object | ol | p | pre | q | s | section
                | small | span | strike | strong | style | sub | sup | table | tbody | td | th | tr | tt | u | ul | video )
                (?: \s [^<>]* )? /? >
              | <!--",
        )
        .expect("invariant: the expression is constant")
    });
    text.contains(['<', '&']) && HTML.is_match(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guess_markup_sees_tags_and_references_only_where_they_are() {
        for html in ["a <b>c</b>", "x<br/>", "AT&amp;T", "it&#8217;s", "<img src='a'>", "<A HREF=x>y", "gone</p>"] {
            assert_eq!(guess_markup(html.to_owned()).markup, Markup::Html, "{html}");
        }
        for plain in ["a < b", "AT&T", "R&D; more", "mail <a.b@c.example>", "1 <2> 3", "", "Vec<T> & co"] {
            assert_eq!(guess_markup(plain.to_owned()).markup, Markup::Plain, "{plain}");
        }
    }

    #[test]
    fn web_link_keeps_http_resolves_relative_and_drops_the_rest() {
        let base = Url::parse("https://site.example/feeds/all.xml").ok();
        let resolve = |href| web_link(href, base.as_ref());
        assert_eq!(resolve(" http://a.example/b?c=1&d#e \n").as_deref(), Some("http://a.example/b?c=1&d#e"));
        assert_eq!(resolve("/x y").as_deref(), Some("https://site.example/x%20y"));
        assert_eq!(resolve("//cdn.example/x").as_deref(), Some("https://cdn.example/x"));
        assert_eq!(resolve("item"), Some("https://site.example/feeds/item".to_owned()));
        for bad in ["javascript:alert(1)", "mailto:a@b.example", "urn:uuid:1", "file:///etc/passwd", "", "http://"] {
            assert_eq!(resolve(bad), None, "{bad}");
        }
        assert_eq!(web_link("/x", None), None);
    }

    #[test]
    fn web_link_without_a_scheme_is_no_path() {
        let base = Url::parse("http://www.site.example/feed.xml").ok();
        let resolve = |href| web_link(href, base.as_ref());
        assert_eq!(resolve("www.site.example/news/1").as_deref(), Some("https://www.site.example/news/1"));
        assert_eq!(resolve("WWW.other.example").as_deref(), Some("https://www.other.example/"));
        assert_eq!(resolve("site.example?id=1").as_deref(), Some("https://site.example/?id=1"));
        assert_eq!(web_link("www.site.example/1", None).as_deref(), Some("https://www.site.example/1"));
        for path in ["www.html", "index.html", "news/www.site.example", "report.2.pdf"] {
            assert_eq!(resolve(path), Some(format!("http://www.site.example/{path}")), "{path}");
        }
    }

    #[test]
    fn atom_link_roles_prefer_the_page() {
        assert_eq!(LinkRole::of_atom(None, None), LinkRole::Page);
        assert_eq!(LinkRole::of_atom(Some("alternate"), Some("text/html")), LinkRole::Page);
        assert_eq!(LinkRole::of_atom(Some("alternate"), Some("application/json")), LinkRole::Alternate);
        assert_eq!(LinkRole::of_atom(Some("self"), None), LinkRole::Other);
        assert_eq!(LinkRole::of_atom(Some("enclosure"), Some("audio/mpeg")), LinkRole::Enclosure);
        assert_eq!(LinkRole::of_atom(Some("enclosure"), Some("image/png")), LinkRole::Other);
    }
}
