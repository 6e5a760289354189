//! Element, attribute and namespace names as feeds use and misuse them. Namespaces are told by URI,
//! and by their usual prefix where the URI is missing or misspelt.

use html5ever::data::NAMED_ENTITIES;
use quick_xml::events::BytesStart;

use super::sniff::RootElement;

/// Atom 1.0 (RFC 4287).
pub(super) const ATOM: &str = "http://www.w3.org/2005/Atom";

/// RSS 1.0, the default namespace of RDF feeds.
pub(super) const RSS1: &str = "http://purl.org/rss/1.0/";

/// NamespacePrefixes by which everybody knows these namespaces, as feed-rs wants them spelt.
pub(super) const USUAL: [(&str, &str); 6] = [
    ("atom", ATOM),
    ("content", "http://purl.org/rss/1.0/modules/content/"),
    ("dc", "http://purl.org/dc/elements/1.1/"),
    ("itunes", "http://www.itunes.com/dtds/podcast-1.0.dtd"),
    ("media", "http://search.yahoo.com/mrss/"),
    ("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"),
];

/// The namespaces a document has declared, wherever it did.
#[derive(Debug, Default)]
pub(super) struct NamespacePrefixes {
    /// Each with the usual prefix of its namespace, if there is one.
    declared: Vec<(String, Option<&'static str>)>,
    /// The prefix of the root: its elements are the format's own.
    root: Option<String>,
}

impl NamespacePrefixes {
    /// NamespacePrefixes remembered; a document with more is not a feed anybody wrote.
    const MAX: usize = 64;

    /// Takes in the declarations of a tag; true when a usual prefix stands for an unusual URI.
    pub(super) fn declare(&mut self, tag: &BytesStart<'_>) -> bool {
        let mut misspelt = false;
        for attribute in tag.html_attributes().with_checks(false).flatten() {
            let Some(prefix) = attribute.key.as_ref().strip_prefix("xmlns:") else { continue };
            misspelt |= USUAL.iter().any(|(usual, uri)| *usual == prefix && *uri != &*attribute.value);
            if self.declared.len() < Self::MAX && !self.declared.iter().any(|(known, _)| known == prefix) {
                let usual = match &*attribute.value {
                    RSS1 => Some(""),
                    value => USUAL.iter().find(|(_, uri)| *uri == value).map(|(usual, _)| *usual),
                };
                self.declared.push((prefix.to_owned(), usual));
            }
        }
        misspelt
    }

    /// What was declared so far, with the usual prefixes.
    pub(super) fn declared(&self) -> &[(String, Option<&'static str>)] {
        &self.declared
    }

    /// Whether this is a usual prefix that was not declared so far.
    pub(super) fn is_missing(&self, prefix: &str) -> bool {
        USUAL.iter().any(|(usual, _)| *usual == prefix) && !self.declared.iter().any(|(known, _)| known == prefix)
    }

    /// Takes the root's prefix for the format's own; true when feed-rs would not.
    pub(super) fn root(&mut self, prefix: &str, root: RootElement) -> bool {
        if prefix.is_empty() || root == RootElement::Rdf {
            return false;
        }
        self.root = Some(prefix.to_owned());
        let atom = self.declared.iter().any(|(known, usual)| known == prefix && *usual == Some("atom"));
        !(matches!(root, RootElement::Feed | RootElement::Entry) && atom)
    }

    /// The prefix everybody else would have used.
    pub(super) fn usual<'a>(&'a self, prefix: &'a str) -> &'a str {
        if self.root.as_deref() == Some(prefix) {
            return "";
        }
        self.declared.iter().find(|(known, _)| known == prefix).and_then(|(_, usual)| *usual).unwrap_or(prefix)
    }

    /// Whether a tag's default namespace is one that makes feed-rs see no items.
    #[expect(clippy::unused_self, reason = "reads as a question to what was declared")]
    pub(super) fn default_is_odd(&self, tag: &BytesStart<'_>, root: RootElement) -> bool {
        if !tag.attributes_raw().contains("xmlns") {
            return false;
        }
        let Some(uri) = attribute(tag, "xmlns") else { return false };
        match root {
            RootElement::Rss | RootElement::Rdf => uri != RSS1,
            RootElement::Feed | RootElement::Entry => uri != ATOM,
            RootElement::Urlset => false,
        }
    }
}

/// What a child of an item or channel holds, whatever the format calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FeedField {
    Title,
    Link,
    Id,
    Summary,
    Content,
    Published,
    Updated,
    Author,
    Category,
    /// Comments, ratings and the like: text, but not read.
    Other,
}

impl FeedField {
    /// By local name, in any case.
    pub(super) fn of(local: &str) -> Option<Self> {
        let known: [(&str, Self); 34] = [
            ("title", Self::Title),
            ("link", Self::Link),
            ("guid", Self::Id),
            ("id", Self::Id),
            ("description", Self::Summary),
            ("summary", Self::Summary),
            ("subtitle", Self::Summary),
            ("tagline", Self::Summary),
            ("abstract", Self::Summary),
            ("encoded", Self::Content),
            ("content", Self::Content),
            ("fullitem", Self::Content),
            ("fulltext", Self::Content),
            ("body", Self::Content),
            ("pubDate", Self::Published),
            ("published", Self::Published),
            ("issued", Self::Published),
            ("created", Self::Published),
            ("date", Self::Published),
            ("publication_date", Self::Published),
            ("updated", Self::Updated),
            ("modified", Self::Updated),
            ("lastBuildDate", Self::Updated),
            ("lastmod", Self::Updated),
            ("author", Self::Author),
            ("creator", Self::Author),
            ("managingEditor", Self::Author),
            ("category", Self::Category),
            ("subject", Self::Category),
            ("keywords", Self::Category),
            ("loc", Self::Link),
            ("origLink", Self::Link),
            ("rights", Self::Other),
            ("copyright", Self::Other),
        ];
        known.iter().find(|(name, _)| local.eq_ignore_ascii_case(name)).map(|(_, field)| *field)
    }

    /// A bit of its own, for sets; 0 for what is not read.
    pub(super) fn bit(self) -> u16 {
        match self {
            Self::Other => 0,
            field => 1 << field as u16,
        }
    }

    /// Whether feed-rs takes the field from this element of an item.
    pub(super) fn is_read_by_feed_rs(self, root: RootElement, prefix: &str, local: &str) -> bool {
        match (root, prefix) {
            (RootElement::Feed | RootElement::Entry, "" | "atom") => !matches!(
                local,
                "issued" | "created" | "modified" | "guid" | "description" | "tagline" | "subject" | "creator"
            ),
            (RootElement::Feed | RootElement::Entry, _) => false,
            (_, "content") => local == "encoded",
            (RootElement::Rdf, "dc") => matches!(local, "creator" | "date" | "description"),
            (_, "dc") => matches!(local, "creator" | "date"),
            (_, "" | "rss") => {
                matches!(self, Self::Title | Self::Link | Self::Id | Self::Author | Self::Category)
                    || matches!(local, "description" | "pubDate" | "updated")
            }
            (_, "atom") => local == "updated",
            // Through its media objects; the author and the original link through the scan's notes.
            (_, "itunes") => true,
            (_, "media") => !matches!(local, "title" | "description"),
            _ => local == "origLink",
        }
    }

    /// Whether Atom defines it as a text construct with a `type`.
    pub(super) fn is_atom_text(self) -> bool {
        matches!(self, Self::Title | Self::Summary | Self::Content | Self::Other)
    }
}

/// Whether a character may stand in a name, as generously as no lexer would misread it.
pub(super) fn is_name_character(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, ':' | '_' | '-' | '.')
}

/// Whether elements with this prefix may hold fields of an item; a stranger's `title` is not ours.
pub(super) fn field_is_known(prefix: &str) -> bool {
    is_own(prefix) || matches!(prefix, "dc" | "dcterms" | "feedburner" | "itunes" | "media" | "n" | "news" | "pheedo")
}

/// Whether elements with this prefix are the format's own, or as good as that.
pub(super) fn is_own(prefix: &str) -> bool {
    matches!(prefix, "" | "atom" | "body" | "content" | "rss" | "xhtml")
}

/// Whether an element of the frame is an item.
pub(super) fn is_item(root: RootElement, prefix: &str, local: &str) -> bool {
    let known: &[&str] = if root == RootElement::Urlset { &["url"] } else { &["item", "entry"] };
    matches!(prefix, "" | "atom" | "rss") && known.iter().any(|name| local.eq_ignore_ascii_case(name))
}

/// The name without its prefix.
pub(super) fn local_name(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// Elements HTML never closes.
pub(super) fn is_void(local: &str) -> bool {
    matches!(local, "br" | "hr" | "img" | "wbr" | "BR" | "HR" | "IMG" | "WBR")
}

/// Whether an element only holds the items, where feed-rs does not look; in RSS 1.0 it lists their addresses instead.
pub(super) fn is_list(root: RootElement, local: &str) -> bool {
    root == RootElement::Rss && local.eq_ignore_ascii_case("items")
}

/// An attribute's value, unescaped; the name is compared in any case.
pub(super) fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    if tag.attributes_raw().is_empty() {
        return None;
    }
    tag.html_attributes()
        .with_checks(false)
        .flatten()
        .find(|attribute| attribute.key.as_ref().eq_ignore_ascii_case(name))
        .map(|attribute| unescape(&attribute.value))
}

/// Resolves references, XML's and HTML's; what is none stays as it is.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((len, resolved)) = reference_at(rest) {
            out.push_str(&resolved);
            rest = &rest[len..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

/// The reference a text begins with: its length and what it stands for (nothing, when it names no
/// character).
pub(super) fn reference_at(text: &str) -> Option<(usize, String)> {
    let window = &text.as_bytes()[..text.len().min(40)];
    let end = window.iter().position(|b| *b == b';')?;
    let name = &text[1..end];
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        let digits = number.trim_start_matches(['x', 'X']);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        // A number too large for 32 bits names no character either.
        return Some((end + 1, code.ok().and_then(character).map(String::from).unwrap_or_default()));
    }
    if let Some(known) = quick_xml::escape::resolve_xml_entity(name) {
        return Some((end + 1, known.to_owned()));
    }
    let (first, second) = *NAMED_ENTITIES.get(&text[1..=end])?;
    let resolved = [first, second].into_iter().filter(|code| *code != 0).filter_map(char::from_u32).collect();
    Some((end + 1, resolved))
}

/// The character of a reference; C1 controls are windows-1252's (HTML, "numeric character reference
/// end state").
pub(super) fn character(code: u32) -> Option<char> {
    match code {
        0x80..=0x9f => {
            let byte = [code as u8];
            let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(&byte);
            text.chars().next().filter(|c| !c.is_control())
        }
        0xfffe | 0xffff => None,
        _ => char::from_u32(code).filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_known_bad_and_no_reference() {
        let cases = [
            ("&amp;x", Some((5, "&"))),
            ("&eacute;", Some((8, "é"))),
            ("&#8217; s", Some((7, "’"))),
            ("&#x1F600;", Some((9, "😀"))),
            ("&#150;", Some((6, "–"))),
            ("&#0;", Some((4, ""))),
            ("&#55357;", Some((8, ""))),
            ("&#99999999999999;", Some((17, ""))),
            ("&#xZZ;", None),
            ("&#;", None),
            ("& b;", None),
            ("&nosuchthing;", None),
            ("&", None),
            ("&é;", None),
        ];
        for (text, expected) in cases {
            assert_eq!(reference_at(text), expected.map(|(len, s)| (len, s.to_owned())), "{text}");
        }
    }

    #[test]
    fn unescape_leaves_what_is_no_reference() {
        assert_eq!(unescape("a&b=1&amp;c &copy; 2&x;"), "a&b=1&c © 2&x;");
    }

    #[test]
    fn field_names_are_read_in_any_case() {
        assert_eq!(FeedField::of("TITLE"), Some(FeedField::Title));
        assert_eq!(FeedField::of("pubdate"), Some(FeedField::Published));
        assert_eq!(FeedField::of("enclosure"), None);
    }
}
