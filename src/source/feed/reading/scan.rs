//! One pass over a document's XML before any parser sees it, without recursion: refuses what would hurt
//! one (promise P8), lists what is wrong with it for `repair`, and notes what feed-rs does not report.
//! It takes the same lexer as feed-rs, so both see the same elements.

use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::hints::HintElement;
use super::left_out::ItemRanges;
use super::names::{FeedField, NamespacePrefixes, attribute, field_is_known, is_item, is_list, is_void, local_name};
use super::sniff::RootElement;
use super::survey::{ItemNotes, XmlQuirk, XmlSurvey};
use crate::model::{RejectReason, Rejection};
use crate::source::Limits;
use crate::text::charset::has_controls;
use crate::text::work;

/// Longest text noted (a link, a language, an hour).
const NOTE_BYTES_MAX: usize = 8 << 10;

/// Digits in a row that overflow feed-rs's durations.
const DIGITS_MAX: usize = 15;

/// Surveys a document.
///
/// # Errors
/// [`RejectReason::TooDeep`] and [`RejectReason::TooManyAttributes`] by the limits.
pub(super) fn scan(text: &str, root: RootElement, limits: &Limits) -> Result<XmlSurvey, Rejection> {
    scan_items(text, root, limits, ItemRanges::unasked(text))
}

/// The same, and leaves items out that are known by their bytes.
///
/// # Errors
/// As [`scan`].
pub(super) fn scan_items(
    text: &str,
    root: RootElement,
    limits: &Limits,
    ranges: ItemRanges<'_>,
) -> Result<XmlSurvey, Rejection> {
    let mut scanner = Scanner {
        text,
        root,
        limits,
        ranges,
        survey: XmlSurvey::default(),
        open: Vec::with_capacity(32),
        voids_open: 0,
        prefixes: NamespacePrefixes::default(),
        note: None,
        seen_root: false,
        fields: FieldSet::default(),
    };
    if has_controls(text.as_bytes()) {
        scanner.found(XmlQuirk::ControlCharacter);
    }
    scanner.walk()?;
    Ok(XmlSurvey { left_out: scanner.ranges.into_left_out(), ..scanner.survey })
}

/// A reader that goes on where XML would end.
pub(super) fn lenient_reader(text: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    reader
}

struct Scanner<'a> {
    text: &'a str,
    root: RootElement,
    limits: &'a Limits,
    ranges: ItemRanges<'a>,
    survey: XmlSurvey,
    open: Vec<OpenElement<'a>>,
    /// `<br>` and the like: never closed in tag soup, so they do not count as depth.
    voids_open: i64,
    prefixes: NamespacePrefixes,
    note: Option<FieldNote>,
    seen_root: bool,
    fields: FieldSet,
}

/// Which fields the open item has, as bits of [`FeedField`].
#[derive(Default)]
struct FieldSet {
    /// Where feed-rs reads them.
    read: u16,
    /// Anywhere.
    seen: u16,
}

#[derive(Clone, Copy)]
struct OpenElement<'a> {
    name: &'a str,
    place: ElementPlace,
}

/// Where in a feed an element stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ElementPlace {
    /// The root, or an RSS channel.
    Frame,
    Item,
    /// A child of an item or frame that holds text.
    Text,
    /// A child that may hold XHTML, or elements of its own.
    Structured,
    Other,
}

/// Text being gathered.
struct FieldNote {
    of: NoteOf,
    depth: usize,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NoteOf {
    Hint(HintElement),
    Lang,
    OriginalLink,
    Person,
    ItunesAuthor,
    Duration,
}

impl Scanner<'_> {
    fn found(&mut self, quirk: XmlQuirk) {
        self.survey.quirks.insert(quirk);
    }

    fn walk(&mut self) -> Result<(), Rejection> {
        let (mut reader, mut last) = (lenient_reader(self.text), 0);
        loop {
            let at = reader.buffer_position() as usize;
            work::spend(1 + at - std::mem::replace(&mut last, at));
            match reader.read_event() {
                Ok(Event::Start(tag)) => match self.left_out(&tag, at) {
                    Some(end) => {
                        let rest = end.saturating_sub(reader.buffer_position() as usize);
                        reader.stream().consume(rest);
                        last = end;
                    }
                    None => self.start(&tag, at, false)?,
                },
                Ok(Event::Empty(tag)) => self.start(&tag, at, true)?,
                Ok(Event::End(tag)) => self.end(tag.name().as_ref(), reader.buffer_position() as usize),
                Ok(Event::Text(text)) => self.characters(&text),
                Ok(Event::CData(text)) => self.gather(&text),
                Ok(Event::GeneralRef(reference)) => self.reference(&reference),
                Ok(Event::Decl(_)) if at > 0 => self.found(XmlQuirk::SecondDeclaration),
                Ok(Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_)) => {}
                Ok(Event::Eof) => break,
                Err(_) => {
                    self.found(XmlQuirk::Unlexable);
                    break;
                }
            }
        }
        self.item_ended();
        if !self.open.is_empty() {
            self.found(XmlQuirk::Truncated);
        }
        if self.voids_open != 0 {
            self.found(XmlQuirk::Mismatched);
        }
        Ok(())
    }

    /// Where an item ends that begins here and is left out: nothing of it is looked at then.
    fn left_out(&mut self, tag: &BytesStart<'_>, at: usize) -> Option<usize> {
        if self.open.last().is_none_or(|open| open.place != ElementPlace::Frame) {
            return None;
        }
        let name = tag.name();
        if !matches!(local_name(name.as_ref()), "item" | "entry") {
            return None;
        }
        if self.note.is_some() {
            // It takes in text of the item.
            self.ranges.forget();
            return None;
        }
        let end = self.ranges.item_begins(at, name.as_ref(), self.voids_open)?;
        self.survey.is_crowded |= self.items_count() > self.limits.items_max;
        Some(end)
    }

    fn items_count(&self) -> usize {
        self.survey.items.len() + self.ranges.left_out()
    }

    fn start(&mut self, tag: &BytesStart<'_>, at: usize, empty: bool) -> Result<(), Rejection> {
        let raw = tag.attributes_raw();
        // The shortest attribute takes two bytes, `a` and a blank: most tags need no count.
        if raw.len() > self.limits.attributes_max.saturating_mul(2) {
            let count = tag.html_attributes().with_checks(false).take(self.limits.attributes_max + 1).count();
            if count > self.limits.attributes_max {
                return Err(self.refusal(RejectReason::TooManyAttributes, "attributes on one tag", at));
            }
        }
        let name_len = tag.name().as_ref().len();
        let Some(name) = self.text.get(at + 1..at + 1 + name_len) else {
            self.found(XmlQuirk::Unlexable);
            return Ok(());
        };
        if !name.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | ':')) {
            self.found(XmlQuirk::StrayCharacter);
            return Ok(());
        }
        let local = local_name(name);
        if raw.contains("xmlns") {
            self.declare(tag);
        }
        if !self.seen_root {
            self.seen_root = true;
            self.root_tag(tag, name, local);
        }
        if is_void(local) {
            self.voids_open += i64::from(!empty);
            self.inside_text();
            return Ok(());
        }
        let place = self.place(tag, name, local);
        if empty {
            return Ok(());
        }
        if self.open.len() >= self.limits.depth_max {
            return Err(self.refusal(RejectReason::TooDeep, "elements within one another", at));
        }
        self.open.push(OpenElement { name, place });
        if place == ElementPlace::Frame {
            self.ranges.goes_on_under(name);
            self.ranges.goes_on_under(raw);
        }
        Ok(())
    }

    fn declare(&mut self, tag: &BytesStart<'_>) {
        let before = self.prefixes.declared().len();
        if self.prefixes.declare(tag) {
            self.found(XmlQuirk::UndeclaredPrefix);
        }
        for (prefix, usual) in &self.prefixes.declared()[before..] {
            self.ranges.goes_on_under(prefix);
            self.ranges.goes_on_under(usual.unwrap_or("?"));
        }
    }

    fn root_tag(&mut self, tag: &BytesStart<'_>, name: &str, local: &str) {
        if self.prefixes.root(prefix_of(name), self.root) {
            self.found(XmlQuirk::OddNamespace);
        }
        let lower = match self.root {
            RootElement::Rss => "rss",
            RootElement::Rdf => "RDF",
            RootElement::Feed => "feed",
            RootElement::Entry => "entry",
            RootElement::Urlset => "urlset",
        };
        if local != lower {
            self.found(XmlQuirk::UpperCase);
        }
        if self.root == RootElement::Rss
            && !matches!(attribute(tag, "version").as_deref(), Some("2.0" | "0.91" | "0.92"))
        {
            self.found(XmlQuirk::Version);
        }
    }

    /// Where a new element stands, and what is to be noted of it.
    fn place(&mut self, tag: &BytesStart<'_>, name: &str, local: &str) -> ElementPlace {
        let parent = self.open.last().map(|open| open.place);
        let listed = parent == Some(ElementPlace::Frame) && is_list(self.root, local);
        self.survey.own_fields |= listed;
        let place = match parent {
            None => {
                if self.root == RootElement::Entry {
                    self.item(tag);
                    ElementPlace::Item
                } else {
                    ElementPlace::Frame
                }
            }
            Some(ElementPlace::Frame) if listed || local.eq_ignore_ascii_case("channel") => ElementPlace::Frame,
            Some(ElementPlace::Frame) if self.is_item(name, local) => {
                self.item(tag);
                ElementPlace::Item
            }
            // An unclosed item before this one.
            Some(ElementPlace::Item)
                if self.is_item(name, local) && self.open.last().is_some_and(|open| open.name == name) =>
            {
                self.found(XmlQuirk::Mismatched);
                self.open.pop();
                self.item(tag);
                ElementPlace::Item
            }
            Some(ElementPlace::Frame | ElementPlace::Item) => self.child(tag, name, local),
            Some(ElementPlace::Text) => {
                self.inside_text();
                ElementPlace::Other
            }
            Some(ElementPlace::Structured | ElementPlace::Other) => ElementPlace::Other,
        };
        if matches!(place, ElementPlace::Frame | ElementPlace::Item) && self.prefixes.default_is_odd(tag, self.root) {
            self.found(XmlQuirk::OddNamespace);
        }
        if tag.attributes_raw().len() > DIGITS_MAX
            && matches!(local, "thumbnail" | "text")
            && risky(tag.attributes_raw())
        {
            self.found(XmlQuirk::RiskyValue);
        }
        let of = match local {
            "duration" => Some(NoteOf::Duration),
            "author" if name.starts_with("itunes:") && self.in_item() => Some(NoteOf::ItunesAuthor),
            "author" | "creator" | "managingEditor" | "webMaster" | "owner" => Some(NoteOf::Person),
            "origLink" if self.in_item() => Some(NoteOf::OriginalLink),
            "language" if self.in_item() => Some(NoteOf::Lang),
            _ if self.in_item() => None,
            _ => HintElement::of_element(local).map(NoteOf::Hint),
        };
        if let Some(of) = of {
            self.note = Some(FieldNote { of, depth: self.open.len(), text: String::new() });
        }
        place
    }

    fn item(&mut self, tag: &BytesStart<'_>) {
        self.item_ended();
        if self.items_count() >= self.limits.items_max {
            self.survey.is_crowded = true;
            return;
        }
        let notes = if tag.attributes_raw().is_empty() {
            ItemNotes::default()
        } else {
            ItemNotes { about: attribute(tag, "rdf:about"), lang: attribute(tag, "xml:lang"), ..ItemNotes::default() }
        };
        self.survey.items.push(notes);
    }

    fn is_item(&self, name: &str, local: &str) -> bool {
        is_item(self.root, self.prefixes.usual(prefix_of(name)), local)
    }

    /// Compares what the item before had with what feed-rs will have seen of it.
    fn item_ended(&mut self) {
        let FieldSet { read, seen } = std::mem::take(&mut self.fields);
        self.survey.own_fields |= seen & !read != 0;
    }

    /// A child of an item, channel or feed.
    fn child(&mut self, tag: &BytesStart<'_>, name: &str, local: &str) -> ElementPlace {
        if self.prefixes.is_missing(prefix_of(name)) {
            self.found(XmlQuirk::UndeclaredPrefix);
        }
        let field = FeedField::of(local);
        if field.is_some() && local.starts_with(|c: char| c.is_ascii_uppercase()) {
            self.found(XmlQuirk::UpperCase);
        }
        let in_item = self.in_item();
        let atom = matches!(self.root, RootElement::Feed | RootElement::Entry);
        let prefix = self.prefixes.usual(prefix_of(name));
        if let Some(field) = field.filter(|_| in_item && field_is_known(prefix)) {
            // An Atom link without an address in its place is one feed-rs leaves out.
            let missing = atom && field == FeedField::Link && !tag.attributes_raw().contains("href");
            self.fields.seen |= field.bit();
            if !missing && field.is_read_by_feed_rs(self.root, prefix, local) {
                self.fields.read |= field.bit();
            }
        }
        let (unprefixed, media) = (prefix.is_empty(), matches!(prefix, "media" | "itunes" | "podcast"));
        match field {
            Some(FeedField::Id) if !atom => {
                let is_link =
                    attribute(tag, "isPermaLink").is_none_or(|value| !value.trim().eq_ignore_ascii_case("false"));
                if let Some(notes) = self.survey.items.last_mut().filter(|_| in_item) {
                    notes.guid_is_link = is_link;
                }
                ElementPlace::Text
            }
            Some(field) if atom && unprefixed && field.is_atom_text() => {
                let (place, odd) = atom_text(tag, field == FeedField::Content);
                if odd {
                    self.found(XmlQuirk::OddType);
                }
                if in_item && tag.attributes_raw().contains("xml:lang") {
                    let lang = attribute(tag, "xml:lang");
                    if let Some(notes) = self.survey.items.last_mut() {
                        notes.lang = notes.lang.take().or(lang);
                    }
                }
                place
            }
            Some(FeedField::Author) if atom => ElementPlace::Structured,
            // RSS's own `category` nests only as itunes:category.
            Some(FeedField::Other) | None => ElementPlace::Structured,
            Some(_) if media => ElementPlace::Structured,
            Some(_) => ElementPlace::Text,
        }
    }

    fn in_item(&self) -> bool {
        self.open.iter().any(|open| open.place == ElementPlace::Item)
    }

    fn inside_text(&mut self) {
        if self.open.iter().rev().take(3).any(|open| open.place == ElementPlace::Text) {
            self.found(XmlQuirk::InlineMarkup);
        }
    }

    fn end(&mut self, name: &str, end: usize) {
        let name = name.trim_end();
        if is_void(local_name(name)) {
            self.voids_open -= 1;
            return;
        }
        if let Some(OpenElement { place, .. }) = self.open.pop_if(|open| open.name == name) {
            match place {
                ElementPlace::Frame => self.ranges.goes_on_under(""),
                ElementPlace::Item => {
                    let bytes = self.ranges.item_ends(end, self.voids_open);
                    if let Some(item) = self.survey.items.last_mut() {
                        item.bytes = bytes;
                    }
                }
                ElementPlace::Text | ElementPlace::Structured | ElementPlace::Other => {}
            }
        } else {
            self.found(XmlQuirk::Mismatched);
            if let Some(at) = self.open.iter().rposition(|open| open.name == name) {
                self.open.truncate(at);
            }
        }
        if self.note.as_ref().is_some_and(|note| note.depth >= self.open.len()) {
            self.noted();
        }
    }

    fn noted(&mut self) {
        let Some(FieldNote { of, text, .. }) = self.note.take() else { return };
        let item = self.survey.items.last_mut().filter(|_| !text.trim().is_empty());
        match of {
            NoteOf::Hint(hint) => hint.note(&text, &mut self.survey.hints),
            NoteOf::Lang => {
                if let Some(item) = item {
                    item.lang = Some(text.trim().to_owned());
                }
            }
            NoteOf::OriginalLink => {
                if let Some(item) = item {
                    item.original_link = Some(text.trim().to_owned());
                }
            }
            NoteOf::Person | NoteOf::ItunesAuthor => {
                if let Some(item) = item.filter(|_| of == NoteOf::ItunesAuthor) {
                    item.itunes_author = Some(text.trim().to_owned());
                }
                if text.contains('@') && !text.is_ascii() {
                    self.found(XmlQuirk::RiskyValue);
                }
            }
            NoteOf::Duration => {
                if risky(&text) {
                    self.found(XmlQuirk::RiskyValue);
                }
            }
        }
    }

    fn characters(&mut self, text: &str) {
        if text.contains('&') {
            self.found(XmlQuirk::StrayCharacter);
        }
        if self.open.is_empty() && !self.seen_root && !text.trim_matches(['\u{feff}', ' ', '\n', '\r', '\t']).is_empty()
        {
            self.found(XmlQuirk::LeadingJunk);
        }
        self.gather(text);
    }

    fn gather(&mut self, text: &str) {
        if let Some(note) = &mut self.note
            && note.text.len() + text.len() <= NOTE_BYTES_MAX
        {
            note.text.push_str(text);
        }
    }

    fn reference(&mut self, reference: &quick_xml::events::BytesRef<'_>) {
        let resolved = match reference.resolve_char_ref() {
            // References to C1 controls were meant for windows-1252.
            Ok(Some(c)) if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => None,
            Ok(Some(c)) => Some(c.to_string()),
            Ok(None) => {
                let known = quick_xml::escape::resolve_xml_entity(reference);
                if known.is_none() {
                    self.found(XmlQuirk::HtmlEntity);
                }
                known.map(str::to_owned)
            }
            Err(_) => None,
        };
        match resolved {
            Some(text) => self.gather(&text),
            None if reference.is_char_ref() => self.found(XmlQuirk::BadReference),
            None => {}
        }
    }

    fn refusal(&self, reason: RejectReason, what: &str, at: usize) -> Rejection {
        let limit = match reason {
            RejectReason::TooDeep => self.limits.depth_max,
            _ => self.limits.attributes_max,
        };
        Rejection { reason, detail: format!("more than {limit} {what}, at byte {at}"), count: 1 }
    }
}

/// The prefix of a name, or nothing.
fn prefix_of(name: &str) -> &str {
    name.rsplit_once(':').map_or("", |(prefix, _)| prefix)
}

/// Where an Atom text construct puts its children, and whether its type is one feed-rs refuses.
fn atom_text(tag: &BytesStart<'_>, content: bool) -> (ElementPlace, bool) {
    let kind = attribute(tag, "type");
    match kind.as_deref() {
        None | Some("text" | "html" | "text/html") => (ElementPlace::Text, false),
        Some("xhtml") => (ElementPlace::Structured, false),
        Some("text/plain") if content => (ElementPlace::Text, false),
        Some(_) => (ElementPlace::Structured, true),
    }
}

/// Digits feed-rs would take for a number it cannot hold.
fn risky(text: &str) -> bool {
    let mut run = 0;
    text.chars().any(|c| {
        run = if c.is_ascii_digit() { run + 1 } else { 0 };
        run > DIGITS_MAX || (c.is_numeric() && !c.is_ascii())
    })
}
