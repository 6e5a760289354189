//! The second reader, for what feed-rs refuses or does not know: Atom 0.3, odd versions, names in upper
//! case, news sitemaps. Reads mended XML by element names, case and namespace aside, in one pass without
//! recursion, and keeps every item that is whole.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use url::Url;

use super::entry::{DocumentParts, EntryLink, FeedEntry, LinkRole, from_base64, guess_markup, web_link};
use super::names::{FeedField, NamespacePrefixes, attribute, field_is_known, is_item, is_list, is_own, unescape};
use super::scan::lenient_reader;
use super::sniff::RootElement;
use crate::model::{Dated, Markup, RawText};
use crate::text::{date, work};

/// Reads a document as far as it goes.
pub(super) fn read(text: &str, root: RootElement, base: Option<&Url>, items_max: usize) -> DocumentParts {
    let mut walk = LenientWalk {
        text,
        root,
        items_max,
        reader: lenient_reader(text),
        bases: base.map(|base| vec![(0, base.clone())]).unwrap_or_default(),
        depth: 0,
        path: Vec::new(),
        parts: DocumentParts::default(),
        entry: None,
        prefixes: NamespacePrefixes::default(),
    };
    walk.run();
    if walk.entry.is_some() {
        walk.parts.lost += 1;
    }
    walk.parts
}

struct LenientWalk<'a> {
    text: &'a str,
    root: RootElement,
    items_max: usize,
    reader: Reader<&'a [u8]>,
    /// `xml:base` in force, with the depth it was set at.
    bases: Vec<(usize, Url)>,
    depth: usize,
    /// What the open elements are.
    path: Vec<ElementPart>,
    parts: DocumentParts,
    entry: Option<FeedEntry>,
    prefixes: NamespacePrefixes,
}

/// What an open element is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ElementPart {
    Frame,
    Item,
    /// Its children count as the item's where the item has none: `media:group`, `news:news`.
    Group,
    /// Its `name` is an author.
    Person,
}

/// The inside of an element.
struct ElementContent<'a> {
    /// Character data, references resolved.
    text: String,
    /// The source between the tags.
    raw: &'a str,
    has_markup: bool,
}

impl<'a> LenientWalk<'a> {
    fn run(&mut self) {
        loop {
            work::spend(1);
            match self.reader.read_event() {
                Ok(Event::Start(tag)) => self.start(&tag, false),
                Ok(Event::Empty(tag)) => self.start(&tag, true),
                Ok(Event::End(_)) => self.end(),
                Ok(Event::Eof) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>, empty: bool) {
        let name = tag.name();
        let (prefix, local) = name.as_ref().rsplit_once(':').unwrap_or(("", name.as_ref()));
        let lower = local.to_ascii_lowercase();
        if tag.attributes_raw().contains("xmlns") {
            self.prefixes.declare(tag);
        }
        if self.path.is_empty() {
            self.prefixes.root(prefix, self.root);
        }
        let prefix = self.prefixes.usual(prefix).to_owned();
        let prefix = prefix.as_str();
        self.base(tag);
        let part = match (self.path.last(), lower.as_str()) {
            (None, "entry") => ElementPart::Item,
            (None, _) | (Some(ElementPart::Frame), "channel") => ElementPart::Frame,
            (Some(ElementPart::Frame), _) if is_list(self.root, &lower) => ElementPart::Frame,
            (Some(ElementPart::Frame), _) if is_item(self.root, prefix, &lower) => ElementPart::Item,
            (Some(ElementPart::Item), "group" | "news") => ElementPart::Group,
            (Some(ElementPart::Group), "content" | "publication") if prefix != "atom" => ElementPart::Group,
            (Some(ElementPart::Item), "content") if prefix == "media" => ElementPart::Group,
            (Some(ElementPart::Frame | ElementPart::Item), "author")
                if !empty && matches!(self.root, RootElement::Feed | RootElement::Entry) =>
            {
                ElementPart::Person
            }
            (Some(ElementPart::Frame | ElementPart::Item | ElementPart::Group | ElementPart::Person), _) => {
                self.child(tag, prefix, &lower, empty);
                return;
            }
        };
        if part == ElementPart::Item {
            let about = attribute(tag, "rdf:about");
            let lang = attribute(tag, "xml:lang");
            let mut entry = FeedEntry { id_is_link: about.is_some(), id: about, lang, ..FeedEntry::default() };
            if let Some(href) = attribute(tag, "href") {
                self.link(&mut entry, &href, LinkRole::Page);
            }
            self.entry = Some(entry);
        } else if part == ElementPart::Frame && self.parts.lang.is_none() {
            self.parts.lang = attribute(tag, "xml:lang");
        }
        if empty {
            self.path.push(part);
            self.depth += 1;
            self.end();
        } else {
            self.path.push(part);
            self.depth += 1;
        }
    }

    fn end(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.bases.retain(|(at, _)| *at <= self.depth);
        if self.path.pop() == Some(ElementPart::Item)
            && let Some(entry) = self.entry.take()
        {
            self.parts.push(entry, self.items_max);
        }
    }

    fn base(&mut self, tag: &BytesStart<'_>) {
        if !tag.attributes_raw().contains("base") {
            return;
        }
        let Some(base) = attribute(tag, "xml:base") else { return };
        let resolved = match self.bases.last() {
            Some((_, outer)) => outer.join(&base).ok(),
            None => Url::parse(&base).ok(),
        };
        if let Some(resolved) = resolved {
            self.bases.push((self.depth + 1, resolved));
        }
    }

    fn link(&self, entry: &mut FeedEntry, href: &str, role: LinkRole) {
        let base = self.bases.last().map(|(_, base)| base);
        // Without a base of its own it may still be resolved against the site.
        let href = web_link(href, base).unwrap_or_else(|| href.trim().to_owned());
        if !href.is_empty() {
            entry.links.push(EntryLink { href, role });
        }
    }

    /// A child of an item or frame: read whole, then the walk goes on behind it.
    fn child(&mut self, tag: &BytesStart<'_>, prefix: &str, local: &str, empty: bool) {
        let inner =
            if empty { Some(ElementContent { text: String::new(), raw: "", has_markup: false }) } else { self.inner() };
        // Cut off inside: the item is lost with it.
        let Some(inner) = inner else { return };
        let grouped = self.path.last() == Some(&ElementPart::Group);
        let person = self.path.last() == Some(&ElementPart::Person);
        if let Some(mut entry) = self.entry.take() {
            if person {
                author(&mut entry.authors, local, &inner.text);
            } else {
                self.item_child(&mut entry, tag, (prefix, local), &inner, grouped);
            }
            self.entry = Some(entry);
        } else if person {
            author(&mut self.parts.authors, local, &inner.text);
        } else {
            self.frame_child(tag, local, &inner);
        }
        self.bases.retain(|(at, _)| *at <= self.depth);
    }

    fn frame_child(&mut self, tag: &BytesStart<'_>, local: &str, inner: &ElementContent<'_>) {
        let parts = &mut self.parts;
        match local {
            "title" if parts.title.is_none() => parts.title = construct(tag, inner, self.root),
            "language" if parts.lang.is_none() => parts.lang = Some(inner.text.trim().to_owned()),
            "link" if parts.site.is_none() => {
                let rel = attribute(tag, "rel");
                if rel.as_deref().is_none_or(|rel| rel == "alternate") {
                    parts.site =
                        attribute(tag, "href").or_else(|| Some(inner.text.trim().to_owned())).filter(|l| !l.is_empty());
                }
            }
            _ => {}
        }
    }

    fn item_child(
        &self,
        entry: &mut FeedEntry,
        tag: &BytesStart<'_>,
        name: (&str, &str),
        inner: &ElementContent<'_>,
        grouped: bool,
    ) {
        let (prefix, local) = name;
        if local == "language" || (local == "lang" && !inner.text.trim().is_empty()) {
            entry.lang = Some(inner.text.trim().to_owned());
            return;
        }
        if local == "enclosure" && is_own(prefix) {
            let role = LinkRole::of_enclosure(attribute(tag, "type").as_deref());
            if let Some(href) = attribute(tag, "url") {
                self.link(entry, &href, role);
            }
            return;
        }
        let Some(field) = FeedField::of(local).filter(|_| field_is_known(prefix)) else { return };
        // What extensions add counts only where the format's own field is missing.
        let extension = grouped || !is_own(prefix);
        match field {
            FeedField::Title if entry.title.is_none() || !extension => {
                let title = construct(tag, inner, self.root).filter(|title| !title.text.trim().is_empty());
                entry.title = title.or(entry.title.take());
            }
            FeedField::Summary if entry.summary.is_none() || !extension => {
                let summary = construct(tag, inner, self.root);
                // RSS 2.0 and Atom mixed: the longer text is the better one.
                let longer = |new: &RawText| entry.summary.as_ref().is_none_or(|old| old.text.len() < new.text.len());
                if let Some(summary) = summary.filter(longer) {
                    entry.summary = Some(summary);
                }
            }
            FeedField::Content
                if prefix != "media" && (entry.content.is_none() || local == "encoded" || prefix.is_empty()) =>
            {
                entry.content = construct(tag, inner, self.root).or(entry.content.take());
            }
            FeedField::Link
                if entry.links.iter().all(|link| link.role >= LinkRole::Enclosure)
                    || !extension
                    || local == "origlink" =>
            {
                self.item_link(entry, tag, local, inner);
            }
            FeedField::Id if !extension => self.item_id(entry, tag, inner),
            FeedField::Published => earlier(&mut entry.published, &inner.text, extension || local == "created"),
            FeedField::Updated => earlier(&mut entry.updated, &inner.text, extension),
            FeedField::Author if !extension || prefix == "dc" || entry.authors.is_empty() => {
                entry.authors.extend(person_name(&inner.text));
            }
            FeedField::Category => categories(entry, tag, local, &inner.text),
            _ => {}
        }
    }

    fn item_link(&self, entry: &mut FeedEntry, tag: &BytesStart<'_>, local: &str, inner: &ElementContent<'_>) {
        if local == "origlink" {
            return self.link(entry, &inner.text, LinkRole::Original);
        }
        match attribute(tag, "href") {
            Some(href) => {
                let role = LinkRole::of_atom(attribute(tag, "rel").as_deref(), attribute(tag, "type").as_deref());
                self.link(entry, &href, role);
            }
            None => self.link(entry, &inner.text, LinkRole::Page),
        }
    }

    fn item_id(&self, entry: &mut FeedEntry, tag: &BytesStart<'_>, inner: &ElementContent<'_>) {
        if inner.text.trim().is_empty() {
            return;
        }
        entry.id = Some(inner.text.trim().to_owned());
        let atom = matches!(self.root, RootElement::Feed | RootElement::Entry);
        entry.id_is_link =
            atom || attribute(tag, "isPermaLink").is_none_or(|value| !value.trim().eq_ignore_ascii_case("false"));
    }

    /// Reads to the end of the element just begun; `None` when the document ends first.
    fn inner(&mut self) -> Option<ElementContent<'a>> {
        let start = self.reader.buffer_position() as usize;
        let mut text = String::new();
        let mut depth = 0usize;
        let mut has_markup = false;
        loop {
            let at = self.reader.buffer_position() as usize;
            match self.reader.read_event() {
                Ok(Event::Start(_)) => {
                    depth += 1;
                    has_markup = true;
                }
                Ok(Event::Empty(_)) => has_markup = true,
                Ok(Event::End(_)) if depth == 0 => {
                    return Some(ElementContent {
                        text,
                        raw: self.text.get(start..at).unwrap_or_default(),
                        has_markup,
                    });
                }
                Ok(Event::End(_)) => depth -= 1,
                Ok(Event::Text(part)) => text.push_str(&part),
                Ok(Event::CData(part)) => text.push_str(&part),
                Ok(Event::GeneralRef(reference)) => text.push_str(&unescape(&format!("&{};", &*reference))),
                Ok(Event::Eof) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

/// A text with the markup its `type` (and Atom 0.3's `mode`) says, or that it shows.
fn construct(tag: &BytesStart<'_>, inner: &ElementContent<'_>, root: RootElement) -> Option<RawText> {
    let kind = attribute(tag, "type").unwrap_or_default().to_ascii_lowercase();
    let coded = attribute(tag, "mode").is_some_and(|mode| mode.eq_ignore_ascii_case("base64"));
    if coded || kind == "application/octet-stream" {
        return from_base64(&inner.text);
    }
    if kind.starts_with("image/") || kind.starts_with("audio/") || kind.starts_with("video/") {
        return None;
    }
    if inner.has_markup {
        return Some(RawText::html(inner.raw.replace("<![CDATA[", "").replace("]]>", "")));
    }
    if inner.text.trim().is_empty() {
        return None;
    }
    let text = inner.text.clone();
    let atom = matches!(root, RootElement::Feed | RootElement::Entry);
    Some(match kind.as_str() {
        "html" | "text/html" | "xhtml" | "application/xhtml+xml" => RawText { markup: Markup::Html, text },
        "text" | "text/plain" if atom => RawText::plain(text),
        _ => guess_markup(text),
    })
}

fn categories(entry: &mut FeedEntry, tag: &BytesStart<'_>, local: &str, text: &str) {
    let stated = attribute(tag, "label").or_else(|| attribute(tag, "term")).or_else(|| attribute(tag, "text"));
    match stated {
        Some(tag) => entry.tags.push(tag),
        None if local == "keywords" => entry.tags.extend(text.split(',').map(|word| word.trim().to_owned())),
        None => entry.tags.push(text.trim().to_owned()),
    }
}

fn earlier(slot: &mut Option<Dated>, text: &str, only_if_missing: bool) {
    if (slot.is_none() || !only_if_missing)
        && let Some(date) = date::parse(text.trim())
    {
        *slot = Some(date);
    }
}

fn author(authors: &mut Vec<String>, local: &str, text: &str) {
    if local == "name" && !text.trim().is_empty() {
        authors.push(text.trim().to_owned());
    }
}

/// The name of `jane@example.org (Jane Roe)`, `Jane Roe <jane@example.org>` or just `Jane Roe`.
fn person_name(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches("mailto:");
    let Some(at) = text.find('@') else { return (!text.is_empty()).then(|| text.to_owned()) };
    let in_address = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '%');
    let start =
        text[..at].rfind(|c| !in_address(c)).map_or(0, |i| i + text[i..].chars().next().map_or(1, char::len_utf8));
    let end = text[at + 1..].find(|c| !in_address(c)).map_or(text.len(), |i| at + 1 + i);
    let outer = |part: &str| {
        let part = part.trim_matches(|c: char| c.is_whitespace() || "()<>[]（）\"'、,;:".contains(c));
        (!part.is_empty()).then(|| part.to_owned())
    };
    outer(&text[end..]).or_else(|| outer(&text[..start])).or_else(|| outer(&text[start..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn person_name_without_address_in_every_script() {
        for (text, name) in [
            ("jane@example.org (Jane Roe)", "Jane Roe"),
            ("Jane Roe <jane@example.org>", "Jane Roe"),
            ("jane@example.org（名無し）", "名無し"),
            ("名無し、x@example.org", "名無し"),
            ("— x@example.org", "—"),
            ("Jane Roe", "Jane Roe"),
            ("mailto:jane@example.org", "jane@example.org"),
            ("@", "@"),
        ] {
            assert_eq!(person_name(text).as_deref(), Some(name), "{text}");
        }
        assert_eq!(person_name("  "), None);
    }

    #[test]
    fn read_atom_03_with_its_own_names_and_modes() {
        let text = r#"<feed version="0.3" xmlns="http://purl.org/atom/ns#" xml:lang="en"><title>Harbour news</title>
            <author><name>The desk</name></author>
            <entry><title mode="escaped" type="text/html">Ferry &lt;b&gt;late&lt;/b&gt;</title><id>tag:x,1</id>
            <link rel="alternate" type="text/html" href="/late"/><issued>2024-05-01T10:00:00Z</issued>
            <modified>2024-05-02T10:00:00Z</modified><content type="application/xhtml+xml"><div>Wind.</div></content></entry></feed>"#;
        let base = Url::parse("http://harbour.example/").ok();
        let parts = read(text, RootElement::Feed, base.as_ref(), 10);
        let entry = &parts.entries[0];
        assert_eq!(entry.title, Some(RawText::html("Ferry <b>late</b>")));
        assert_eq!(entry.links[0].href, "http://harbour.example/late");
        assert_eq!(entry.published.map(|d| d.at.to_string()).as_deref(), Some("2024-05-01T10:00:00Z"));
        assert_eq!(entry.content, Some(RawText::html("<div>Wind.</div>")));
        assert_eq!((parts.authors.as_slice(), parts.lang.as_deref()), (&["The desk".to_owned()][..], Some("en")));
    }

    #[test]
    fn read_news_sitemap_and_plain_sitemap_entries() {
        let text = r"<urlset xmlns:news='http://www.google.com/schemas/sitemap-news/0.9'>
            <url><loc>http://n.example/1</loc><news:news><news:publication><news:name>N</news:name>
            <news:language>uk</news:language></news:publication><news:title>Bridge &amp; road</news:title>
            <news:publication_date>2024-05-01T10:00:00Z</news:publication_date><news:keywords>roads, bridges</news:keywords>
            </news:news></url><url><loc>http://n.example/2</loc><lastmod>2024-05-01T00:00:00Z</lastmod></url></urlset>";
        let parts = read(text, RootElement::Urlset, None, 10);
        let first = &parts.entries[0];
        assert_eq!(first.title, Some(RawText::plain("Bridge & road")));
        assert_eq!(
            (first.lang.as_deref(), first.tags.as_slice()),
            (Some("uk"), &["roads".to_owned(), "bridges".to_owned()][..])
        );
        assert!(first.published.is_some());
        assert_eq!(parts.entries[1].links[0].href, "http://n.example/2");
    }
}
