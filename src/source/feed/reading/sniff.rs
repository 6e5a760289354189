//! What a text is, by its first element or character: no file name, no content type. Reads a few
//! kilobytes at most; `parse` and the seed directory ask it.

use crate::source::DocumentFormat;
use crate::text::charset;

/// Junk before a document (warnings of the server's own software) is skipped up to here.
const JUNK_BYTES_MAX: usize = 4096;

/// Comments and a DOCTYPE may stand before the root for so long.
const PROLOG_BYTES_MAX: usize = 64 << 10;

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextKind {
    /// XML with a root that is read.
    Xml(RootElement),
    /// JSON; whether it is a JSON Feed shows when it is read.
    Json,
    /// A web page.
    Html,
    /// Nothing at all, white space apart.
    Empty,
    /// Anything else.
    Other,
}

/// The root elements that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RootElement {
    /// `<rss>`, or a bare `<channel>`.
    Rss,
    /// `<rdf:RDF>`.
    Rdf,
    /// `<feed>`.
    Feed,
    /// An Atom `<entry>` that stands alone.
    Entry,
    /// `<urlset>`.
    Urlset,
}

impl RootElement {
    /// The document format it stands for.
    pub(super) fn format(self) -> DocumentFormat {
        match self {
            Self::Rss => DocumentFormat::Rss,
            Self::Rdf => DocumentFormat::Rdf,
            Self::Feed | Self::Entry => DocumentFormat::Atom,
            Self::Urlset => DocumentFormat::Sitemap,
        }
    }

    /// From an element's local name, in any case.
    pub(super) fn from_name(local: &str) -> Option<Self> {
        let known = [
            ("rss", Self::Rss),
            ("channel", Self::Rss),
            ("rdf", Self::Rdf),
            ("feed", Self::Feed),
            ("entry", Self::Entry),
            ("urlset", Self::Urlset),
        ];
        known.iter().find(|(name, _)| local.eq_ignore_ascii_case(name)).map(|(_, root)| *root)
    }
}

/// Whether a document looks like a feed, and which.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Option<DocumentFormat> {
    let head = &bytes[..bytes.len().min(PROLOG_BYTES_MAX)];
    let head = charset::decode(head, None);
    match kind(&head.text) {
        TextKind::Xml(root) => Some(root.format()),
        TextKind::Json => {
            let start = self::head(&head.text, JUNK_BYTES_MAX);
            (start.contains("jsonfeed.org/version") || start.contains(r"jsonfeed.org\/version"))
                .then_some(DocumentFormat::JsonFeed)
        }
        TextKind::Html | TextKind::Empty | TextKind::Other => None,
    }
}

/// The name of the root element, prefix and all, of what looks like XML.
#[must_use]
pub fn root_name(text: &str) -> Option<&str> {
    match first_element(head(text, PROLOG_BYTES_MAX)) {
        FirstElement::Element { name, .. } => Some(name),
        FirstElement::Nothing { .. } => None,
    }
}

/// What a decoded text is.
pub(super) fn kind(text: &str) -> TextKind {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}');
    match text.chars().next() {
        None => TextKind::Empty,
        Some('{') => TextKind::Json,
        Some('<') => markup(text),
        Some(_) => after_junk(text),
    }
}

fn markup(text: &str) -> TextKind {
    let window = head(text, PROLOG_BYTES_MAX);
    match first_element(window) {
        FirstElement::Nothing { html_doctype: true } => TextKind::Html,
        FirstElement::Nothing { .. } => after_junk(text),
        FirstElement::Element { name, html_doctype } => {
            let local = name.rsplit(':').next().unwrap_or(name);
            match RootElement::from_name(local) {
                Some(root) => TextKind::Xml(root),
                None if html_doctype => TextKind::Html,
                None => match after_junk(text) {
                    TextKind::Other if is_page_element(local) => TextKind::Html,
                    other => other,
                },
            }
        }
    }
}

/// A root that follows junk: looked for where the junk is short. A page stays a page.
fn after_junk(text: &str) -> TextKind {
    let window = head(text, JUNK_BYTES_MAX);
    for (at, _) in window.match_indices('<') {
        let name = name_at(&window[at + 1..]);
        let local = name.rsplit(':').next().unwrap_or(name);
        if window[at..].starts_with("<?xml") {
            return match first_element(head(&text[at..], PROLOG_BYTES_MAX)) {
                FirstElement::Element { name, .. } => RootElement::from_name(name.rsplit(':').next().unwrap_or(name))
                    .map_or(TextKind::Other, TextKind::Xml),
                FirstElement::Nothing { .. } => TextKind::Other,
            };
        }
        if matches!(local, "rss" | "RDF" | "feed" | "urlset") {
            return RootElement::from_name(local).map_or(TextKind::Other, TextKind::Xml);
        }
        if local.eq_ignore_ascii_case("html") {
            return TextKind::Html;
        }
    }
    TextKind::Other
}

enum FirstElement<'a> {
    Element { name: &'a str, html_doctype: bool },
    Nothing { html_doctype: bool },
}

/// The first element after declarations, comments and a DOCTYPE. Some feeds carry HTML's.
fn first_element(text: &str) -> FirstElement<'_> {
    let mut rest = text;
    let mut html_doctype = false;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let end = if rest.starts_with("<!--") {
            rest.find("-->").map(|end| end + 3)
        } else if rest.starts_with("<?") {
            rest.find("?>").map(|end| end + 2)
        } else if let Some(declaration) = rest.strip_prefix("<!") {
            let name = declaration.split_whitespace().nth(1).unwrap_or_default();
            html_doctype |= name_at(name).eq_ignore_ascii_case("html");
            doctype_end(rest)
        } else {
            return FirstElement::Element { name: name_at(&rest[1..]), html_doctype };
        };
        let Some(end) = end else { break };
        rest = &rest[end..];
    }
    FirstElement::Nothing { html_doctype }
}

/// Where a `<!DOCTYPE …>` ends, its internal subset included.
pub(super) fn doctype_end(text: &str) -> Option<usize> {
    let mut depth = 0u32;
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), close) if open == close => quote = None,
            (None, b'"' | b'\'') if depth > 0 || at > 10 => quote = Some(byte),
            (None, b'<') => depth += 1,
            (None, b'>') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            (Some(_) | None, _) => {}
        }
    }
    None
}

/// The beginning of a text, cut on a character.
pub(super) fn head(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

fn name_at(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, ':' | '_' | '-' | '.'))).unwrap_or(text.len());
    &text[..end]
}

fn is_page_element(local: &str) -> bool {
    let known = [
        "a", "b", "body", "br", "center", "div", "form", "h1", "h2", "head", "html", "link", "main", "meta",
        "noscript", "p", "pre", "script", "span", "style", "table", "title",
    ];
    known.iter().any(|name| local.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sniff_names_the_format_by_content() {
        let cases: [(&str, Option<DocumentFormat>); 16] = [
            ("<rss version='2.0'>", Some(DocumentFormat::Rss)),
            ("\u{feff}\n<?xml version='1.0'?><!-- a <feed> --><RSS>", Some(DocumentFormat::Rss)),
            (
                "<?xml version='1.0'?><!DOCTYPE rss [<!ENTITY a \">\"> <!ELEMENT b ANY>]><rss>",
                Some(DocumentFormat::Rss),
            ),
            ("<rdf:RDF xmlns='x'>", Some(DocumentFormat::Rdf)),
            ("<atom:feed xmlns:atom='x'>", Some(DocumentFormat::Atom)),
            ("<entry/>", Some(DocumentFormat::Atom)),
            ("<urlset>", Some(DocumentFormat::Sitemap)),
            (r#"{"version": "https://jsonfeed.org/version/1.1"}"#, Some(DocumentFormat::JsonFeed)),
            (r#"{"version": "https:\/\/jsonfeed.org\/version\/1"}"#, Some(DocumentFormat::JsonFeed)),
            ("<br />\n<b>Warning</b>: x on line 3<br />\n<?xml version='1.0'?><rss>", Some(DocumentFormat::Rss)),
            ("Notice: oops\n<rss version='2.0'>", Some(DocumentFormat::Rss)),
            (r#"{"title": "an item"}"#, None),
            ("<!DOCTYPE html><html><body>&lt;rss></body></html>", None),
            ("<html><head><rss></html>", None),
            ("just text about <b>feeds</b>", None),
            ("", None),
        ];
        for (text, format) in cases {
            assert_eq!(sniff(text.as_bytes()), format, "{text}");
        }
    }

    #[test]
    fn kind_tells_pages_from_other_things() {
        assert_eq!(kind("<!doctype HTML><p>sign in"), TextKind::Html);
        assert_eq!(kind("<div>loading</div>"), TextKind::Html);
        assert_eq!(kind(" \n\t"), TextKind::Empty);
        assert_eq!(kind("<unheard-of/>"), TextKind::Other);
        assert_eq!(kind("<!DOCTYPE rss SYSTEM \"a.dtd\""), TextKind::Other);
    }
}
