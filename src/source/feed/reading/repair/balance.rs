//! Mends the tree of a lexically sound document: closes what is open, drops what was never opened,
//! ends an item where the next begins, keeps markup inside text fields as escaped HTML, and gives the
//! root the version and namespaces feed-rs looks for.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::RepairedText;
use crate::source::feed::reading::names::{FeedField, RSS1, USUAL, attribute, is_item, is_name_character, local_name};
use crate::source::feed::reading::scan::lenient_reader;
use crate::source::feed::reading::sniff::RootElement;
use crate::text::work;

/// Bytes that may be read again after a text field without an end, as a multiple of the document.
const REREAD_FACTOR: usize = 4;

/// Elements kept open at most; `scan` refuses far less deep documents afterwards.
const OPEN_MAX: usize = 1024;

/// Balances a document.
pub(super) fn balance(text: &str, root: RootElement) -> RepairedText {
    let mut balancer = Balancer {
        text,
        root,
        out: String::with_capacity(text.len() + text.len() / 16),
        open: Vec::with_capacity(32),
        item_at: None,
        lost: 0,
        reread_left: text.len().saturating_mul(REREAD_FACTOR),
    };
    let mut from = 0;
    while let Some(next) = balancer.walk(from) {
        from = next;
    }
    balancer.finish()
}

struct Balancer<'a> {
    text: &'a str,
    root: RootElement,
    out: String,
    open: Vec<&'a str>,
    /// Where in `out` the open item begins, and its depth.
    item_at: Option<(usize, usize)>,
    lost: u64,
    reread_left: usize,
}

/// What was found between the tags of a text field.
struct TextFieldContent {
    end: usize,
    next: usize,
    has_markup: bool,
}

impl<'a> Balancer<'a> {
    /// Walks from a byte offset; returns where to go on when a text field had to be cut short.
    fn walk(&mut self, from: usize) -> Option<usize> {
        let text = self.text;
        let mut reader = lenient_reader(&text[from..]);
        loop {
            let at = from + reader.buffer_position() as usize;
            let Ok(event) = reader.read_event() else { return None };
            let next = from + reader.buffer_position() as usize;
            work::spend(1 + next.saturating_sub(at));
            match event {
                Event::Start(tag) => {
                    let name = &text[at + 1..at + 1 + tag.name().as_ref().len()];
                    if self.is_second_entry(name) {
                        self.lost += 1;
                        return None;
                    }
                    self.before_start(name);
                    if self.is_text_field(&tag, name) {
                        let inner = self.inner(&mut reader, from, next, name);
                        self.out.push_str(&text[at..next]);
                        self.field_text(next, &inner);
                        self.end_tag(name);
                        if inner.next != from + reader.buffer_position() as usize {
                            return Some(inner.next);
                        }
                    } else {
                        self.start_tag(&tag, name, &text[at..next]);
                    }
                }
                Event::Empty(tag) => {
                    let name = &text[at + 1..at + 1 + tag.name().as_ref().len()];
                    if self.is_second_entry(name) {
                        self.lost += 1;
                        return None;
                    }
                    self.before_start(name);
                    if self.open.is_empty() {
                        self.start_tag(&tag, name, "");
                        self.close_to(0);
                        return None;
                    }
                    self.out.push_str(&text[at..next]);
                }
                Event::End(tag) => {
                    let name = tag.name();
                    if let Some(depth) = self.open.iter().rposition(|open| *open == name.as_ref()) {
                        self.close_to(depth);
                        if depth == 0 {
                            return None;
                        }
                    }
                }
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) if !self.open.is_empty() => {
                    self.out.push_str(&text[at..next]);
                }
                Event::Eof => return None,
                _ => {}
            }
        }
    }

    /// Whether an element is one item of the document, in whatever case and with whatever prefix.
    fn is_item(&self, name: &str) -> bool {
        is_item(self.root, "", local_name(name))
    }

    /// Whether another entry begins inside the one that is the whole document, which ends with it.
    fn is_second_entry(&self, name: &str) -> bool {
        self.root == RootElement::Entry && self.open == [name] && self.is_item(name)
    }

    /// An item ends where the next begins, and so does whatever its channel left open before it.
    fn before_start(&mut self, name: &str) {
        if !self.is_item(name) {
            return;
        }
        let Some((_, depth)) = self.item_at else {
            let frame = |open: &&str| {
                ["channel", "feed", "rss", "rdf", "urlset"]
                    .iter()
                    .any(|known| local_name(open).eq_ignore_ascii_case(known))
            };
            let frame = self.open.iter().rposition(frame).filter(|_| name == local_name(name));
            return frame.map_or((), |frame| self.close_to(frame + 1));
        };
        if self.open.get(depth).is_some_and(|open| *open == name) {
            self.close_to(depth);
        }
    }

    fn start_tag(&mut self, tag: &BytesStart<'_>, name: &'a str, verbatim: &str) {
        if self.open.len() >= OPEN_MAX {
            return;
        }
        if self.open.is_empty() {
            // A second root, or junk with tags before the first one.
            if !self.out.is_empty() || RootElement::from_name(local_name(name)).is_none() {
                return;
            }
            self.root_tag(tag, name);
            self.open.push(name);
            return;
        }
        if self.item_at.is_none() && self.is_item(name) {
            self.item_at = Some((self.out.len(), self.open.len()));
        }
        self.out.push_str(verbatim);
        self.open.push(name);
    }

    fn root_tag(&mut self, tag: &BytesStart<'_>, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
        let mut declared = Vec::new();
        for attribute in tag.html_attributes().with_checks(false).flatten() {
            let key = attribute.key.as_ref();
            let mut value: &str = &attribute.value;
            if let Some(prefix) = key.strip_prefix("xmlns:") {
                if let Some((_, uri)) = USUAL.iter().find(|(usual, _)| *usual == prefix) {
                    value = uri;
                }
            } else if key == "xmlns" && self.root == RootElement::Rss {
                continue;
            } else if key == "xmlns" && self.root == RootElement::Rdf {
                value = RSS1;
            } else if key.eq_ignore_ascii_case("version") && self.root == RootElement::Rss {
                continue;
            }
            // What quotes gone astray make of a tag is no name.
            if !key.chars().all(is_name_character) || declared.iter().any(|known: &String| known == key) {
                continue;
            }
            declared.push(key.to_owned());
            self.attribute(key, value);
        }
        if self.root == RootElement::Rss {
            self.attribute("version", "2.0");
        }
        for (prefix, uri) in USUAL {
            let key = format!("xmlns:{prefix}");
            if !declared.contains(&key) {
                self.attribute(&key, uri);
            }
        }
        self.out.push('>');
    }

    fn attribute(&mut self, key: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(key);
        self.out.push_str("=\"");
        for c in value.chars() {
            match c {
                '"' => self.out.push_str("&quot;"),
                '<' => self.out.push_str("&lt;"),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    /// Whether an element is a text field of an item or channel, whose inner markup is HTML.
    fn is_text_field(&self, tag: &BytesStart<'_>, name: &str) -> bool {
        let local = local_name(name);
        let Some(parent) = self.open.last().map(|open| local_name(open)) else { return false };
        let frame = ["channel", "feed", "item", "entry"].iter().any(|known| parent.eq_ignore_ascii_case(known));
        if !frame || !matches!(name.strip_suffix(local), Some("" | "content:" | "dc:" | "rss:" | "atom:")) {
            return false;
        }
        let atom = matches!(self.root, RootElement::Feed | RootElement::Entry);
        match FeedField::of(local) {
            Some(FeedField::Author) => !atom,
            // A link with attributes is Atom's, empty; one without holds an address.
            Some(FeedField::Link) => tag.attributes_raw().is_empty(),
            Some(field) => {
                let xml = attribute(tag, "type").is_some_and(|kind| kind.contains("xhtml") || kind.ends_with("xml"));
                !(atom && field.is_atom_text() && xml)
            }
            None => false,
        }
    }

    /// Reads to the end of a text field; where that end is missing, to the next field.
    fn inner(&mut self, reader: &mut Reader<&[u8]>, from: usize, start: usize, name: &str) -> TextFieldContent {
        let mut has_markup = false;
        let mut next_field = None;
        let item = self.item_at.and_then(|(_, depth)| self.open.get(depth)).copied();
        loop {
            let at = from + reader.buffer_position() as usize;
            let event = reader.read_event();
            let next = from + reader.buffer_position() as usize;
            match event {
                Ok(Event::End(tag)) if tag.name().as_ref() == name => {
                    return TextFieldContent { end: at, next, has_markup };
                }
                Ok(Event::Start(tag) | Event::Empty(tag)) => {
                    let inner_name = tag.name();
                    let local = local_name(inner_name.as_ref());
                    if self.is_item(local) {
                        return self.unended(start, at, next_field, has_markup);
                    }
                    if next_field.is_none() && is_feed_field(inner_name.as_ref()) {
                        next_field = Some((at, has_markup));
                    }
                    has_markup = true;
                }
                Ok(Event::End(tag))
                    if item == Some(tag.name().as_ref()) || tag.name().as_ref().eq_ignore_ascii_case("channel") =>
                {
                    return self.unended(start, at, next_field, has_markup);
                }
                Ok(Event::End(_)) => has_markup = true,
                Ok(Event::Eof) | Err(_) => return self.unended(start, at.min(self.text.len()), next_field, has_markup),
                Ok(_) => {}
            }
        }
    }

    /// A field without an end tag stops before the next field, as long as reading again is cheap.
    fn unended(
        &mut self,
        start: usize,
        end: usize,
        next_field: Option<(usize, bool)>,
        has_markup: bool,
    ) -> TextFieldContent {
        let (stop, markup_before) = next_field.unwrap_or((end, has_markup));
        let again = end - stop;
        if again <= self.reread_left && (stop > start || next_field.is_some()) {
            self.reread_left -= again;
            return TextFieldContent { end: stop, next: stop, has_markup: markup_before };
        }
        TextFieldContent { end, next: end, has_markup }
    }

    /// Copies a field's text; with markup inside, escaped as the HTML it was meant to be.
    fn field_text(&mut self, start: usize, inner: &TextFieldContent) {
        let mut rest = &self.text[start..inner.end];
        if !inner.has_markup {
            self.out.push_str(rest);
            return;
        }
        while let Some(at) = rest.find("<![CDATA[") {
            self.escaped(&rest[..at]);
            let body = &rest[at + 9..];
            let end = body.find("]]>").unwrap_or(body.len());
            self.escaped(&body[..end]);
            rest = &body[(end + 3).min(body.len())..];
        }
        self.escaped(rest);
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                c => self.out.push(c),
            }
        }
    }

    fn end_tag(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// Closes everything down to a depth.
    fn close_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            if let Some(name) = self.open.pop() {
                self.end_tag(name);
            }
        }
        if self.item_at.is_some_and(|(_, item)| item >= depth) {
            self.item_at = None;
        }
    }

    fn finish(mut self) -> RepairedText {
        if let Some((at, depth)) = self.item_at {
            // Cut off inside an item: its key may be in the missing half.
            self.out.truncate(at);
            self.open.truncate(depth);
            self.lost += 1;
        }
        self.close_to(0);
        RepairedText { text: self.out, lost: self.lost }
    }
}

/// Fields whose start tag ends a text field that was not closed. HTML has `title` and `link` too, but
/// not inside a paragraph.
fn is_feed_field(name: &str) -> bool {
    matches!(
        name,
        "title"
            | "link"
            | "guid"
            | "description"
            | "pubDate"
            | "category"
            | "author"
            | "comments"
            | "enclosure"
            | "source"
            | "content:encoded"
            | "dc:creator"
            | "dc:date"
            | "id"
            | "updated"
            | "published"
            | "summary"
            | "content"
    )
}
