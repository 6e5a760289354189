//! A document's bytes become a [`ParsedDocument`]: decode, tell what it is, scan, mend where needed, then
//! feed-rs, then our own reader where feed-rs does not do. Pure; to be run on a `source::Parser` thread.
//! Every document either gives items or is refused with a reason; `poller` and the seed directory call it.

use memchr::memmem;
use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use super::entry::DocumentParts;
use super::finish::{DocumentTraits, finish};
use super::left_out::{self, ItemRanges};
use super::scan::{scan, scan_items};
use super::sniff::{RootElement, TextKind, kind};
use super::survey::{XmlQuirk, XmlSurvey};
use super::{json_feed, lenient, repair, upstream};
use crate::model::{RejectReason, Rejection};
#[cfg(any(test, fuzzing))]
use crate::source::feed::last_documents::ItemFingerprint;
use crate::source::feed::last_documents::{ItemsByBytes, LastDocument};
use crate::source::feed::{FeedContext, IdentifiedBy};
use crate::source::{DocumentFormat, Limits, ParsedDocument, PollHints};
use crate::text::charset::{self, DecodedText};

pub use super::sniff::{root_name, sniff};

/// Reads a feed of any format.
///
/// # Errors
/// A [`Rejection`] of the whole document: [`RejectReason::TooLarge`], [`RejectReason::TooDeep`],
/// [`RejectReason::TooManyAttributes`], [`RejectReason::Empty`], [`RejectReason::HtmlPage`],
/// [`RejectReason::NotAFeed`], [`RejectReason::NotText`] or [`RejectReason::Malformed`].
pub fn parse(bytes: &[u8], ctx: &FeedContext<'_>) -> Result<ParsedDocument, Rejection> {
    parse_after(bytes, ctx, &LastDocument::default())
}

/// Reads a feed's document without the items that its last one had byte for byte: they are in
/// [`ParsedDocument::unchanged`]. All else comes out as [`parse`] reads it; where that is not sure beforehand, it is
/// read whole.
///
/// # Errors
/// As [`parse`].
pub fn parse_after(bytes: &[u8], ctx: &FeedContext<'_>, last: &LastDocument) -> Result<ParsedDocument, Rejection> {
    if bytes.len() > ctx.limits.decoded_bytes_max {
        let detail = format!("{} bytes, the limit is {}", bytes.len(), ctx.limits.decoded_bytes_max);
        return Err(Rejection { reason: RejectReason::TooLarge, detail, count: 1 });
    }
    let decoded = charset::decode(bytes, ctx.content_type.and_then(charset::of_content_type));
    let last = last.by_bytes();
    if !last.is_empty()
        && let Some(document) = read(&decoded, ctx, &last)?
    {
        return Ok(document);
    }
    let whole = read(&decoded, ctx, &ItemsByBytes::none())?;
    Ok(whole.expect("invariant: no item was left out, so none shares its key with one that was"))
}

/// Reads a text; `None` where items were left out and all of them are needed to tell what they are called.
fn read(
    decoded: &DecodedText<'_>,
    ctx: &FeedContext<'_>,
    last: &ItemsByBytes,
) -> Result<Option<ParsedDocument>, Rejection> {
    let text = decoded.text.trim_start_matches('\u{feff}');
    let base = ctx.base_url.and_then(|base| Url::parse(base).ok());
    let mut known = DocumentTraits {
        format: DocumentFormat::JsonFeed,
        encoding: decoded.encoding,
        hints: PollHints::default(),
        warnings: Vec::new(),
    };
    if decoded.had_errors {
        known.warnings.push(format!("some bytes are not {}", decoded.encoding));
    }
    let parts = match kind(text) {
        TextKind::Xml(root) => {
            known.format = root.format();
            read_documents(text, root, &ReadSettings { base: base.as_ref(), ctx, last }, &mut known)?
        }
        TextKind::Json => json_feed::read(text.trim_start(), ctx.limits, &mut known.warnings)?,
        TextKind::Html => return Err(refuse(RejectReason::HtmlPage, "a web page where a feed was expected")),
        TextKind::Empty => return Err(refuse(RejectReason::Empty, "nothing in it")),
        TextKind::Other if text.contains('\0') => return Err(refuse(RejectReason::NotText, "binary data")),
        TextKind::Other => return Err(refuse(RejectReason::NotAFeed, "no known feed format")),
    };
    Ok(finish(parts, known, ctx))
}

/// Holds XML of any kind to the caps that feeds are held to.
///
/// # Errors
/// [`RejectReason::TooDeep`] and [`RejectReason::TooManyAttributes`] by the limits.
pub fn check_xml(text: &str, limits: &Limits) -> Result<(), Rejection> {
    scan(text, RootElement::Urlset, limits).map(drop)
}

/// The value of an attribute, references resolved.
#[must_use]
pub fn attribute_of(tag: &quick_xml::events::BytesStart<'_>, name: &str) -> Option<String> {
    super::names::attribute(tag, name)
}

fn refuse(reason: RejectReason, detail: &str) -> Rejection {
    Rejection { reason, detail: detail.to_owned(), count: 1 }
}

/// Documents in one body; more are left.
const DOCUMENTS_MAX: usize = 8;

/// What a document is read by, beside its text.
#[derive(Clone, Copy)]
struct ReadSettings<'a> {
    base: Option<&'a Url>,
    ctx: &'a FeedContext<'a>,
    last: &'a ItemsByBytes,
}

impl ReadSettings<'_> {
    /// A hash of all of it that decides how an item is read.
    fn hash(&self, root: RootElement) -> u64 {
        let Limits { depth_max, attributes_max, item_text_bytes_max, .. } = self.ctx.limits;
        let by_link = self.ctx.trust == IdentifiedBy::Link;
        let base = self.base.map_or("", Url::as_str);
        let all = format!("{root:?} {by_link} {depth_max} {attributes_max} {item_text_bytes_max} {base}");
        xxh3_64(all.as_bytes())
    }
}

/// The document, and others that a careless server sends behind it.
fn read_documents(
    text: &str,
    root: RootElement,
    settings: &ReadSettings<'_>,
    known: &mut DocumentTraits,
) -> Result<DocumentParts, Rejection> {
    let documents = split_documents(text);
    if let [alone] = documents[..] {
        return read_xml(alone, root, settings, known);
    }
    let (settings, mut documents) = (ReadSettings { last: &ItemsByBytes::none(), ..*settings }, documents.into_iter());
    let mut parts = read_xml(documents.next().unwrap_or(text), root, &settings, known)?;
    for further in documents {
        let TextKind::Xml(root) = kind(further) else { continue };
        match read_xml(further, root, &settings, known) {
            Ok(more) => {
                known.warnings.push("a further document behind the first was read as well".to_owned());
                parts.entries.extend(more.entries);
                parts.lost += more.lost;
                parts.over_cap += more.over_cap;
                parts.is_cut |= more.is_cut;
            }
            Err(rejection) => known.warnings.push(format!("a further document was not read: {}", rejection.detail)),
        }
    }
    // Which of them an item stands in is not seen by its bytes.
    parts.entries.iter_mut().for_each(|entry| entry.bytes = None);
    Ok(parts)
}

/// Parts of a text that begin with an XML declaration behind the end of a feed.
fn split_documents(text: &str) -> Vec<&str> {
    let (mut parts, mut from) = (Vec::new(), 0);
    for at in memmem::find_iter(text.as_bytes(), b"<?xml").filter(|at| *at > 0) {
        let before = text[from..at].trim_end();
        let ends = ["</rss>", "</feed>", "</rdf:RDF>"].iter().any(|end| before.ends_with(end));
        if ends && parts.len() + 1 < DOCUMENTS_MAX {
            parts.push(&text[from..at]);
            from = at;
        }
    }
    parts.push(&text[from..]);
    parts
}

fn read_xml(
    text: &str,
    root: RootElement,
    settings: &ReadSettings<'_>,
    known: &mut DocumentTraits,
) -> Result<DocumentParts, Rejection> {
    let text = charset::after_declaration(text);
    let ctx = settings.ctx;
    let base = settings.base.filter(|_| memmem::find(text.as_bytes(), b"xml:base").is_some());
    let hash = ReadSettings { base, ..*settings }.hash(root);
    let mut survey = scan_items(text, root, ctx.limits, ItemRanges::new(text, hash, settings.last))?;
    if !survey.left_out.is_empty() {
        if let Some(parts) = read_rest(text, &survey, base) {
            known.hints = survey.hints;
            return Ok(parts);
        }
        survey = scan_items(text, root, ctx.limits, ItemRanges::new(text, hash, &ItemsByBytes::none()))?;
    }
    if survey.quirks.is_empty() {
        known.hints = survey.hints.clone();
        return Ok(read_mended(text, &survey, root, base, ctx.limits.items_max));
    }
    let is_cut = survey.quirks.contains(&XmlQuirk::Truncated);
    known.warnings.extend(survey.quirks.iter().map(|quirk| quirk.as_str().to_owned()));
    let repaired = repair::repair(text, root);
    // What mending adds must pass the same limits; what it did not help against is read as far as it goes.
    let again = scan(&repaired.text, root, ctx.limits)?;
    known.hints = again.hints.clone();
    let mut parts = read_mended(&repaired.text, &again, root, base, ctx.limits.items_max);
    parts.lost += repaired.lost;
    parts.is_cut = is_cut;
    if parts.entries.is_empty()
        && again.items.is_empty()
        && survey.quirks.contains(&XmlQuirk::Unlexable)
        && parts.title.is_none()
    {
        return Err(refuse(RejectReason::Malformed, "broken XML with nothing readable in it"));
    }
    Ok(parts)
}

/// What is new in a document; `None` where something about it is odd, for items that were left out may be a part of that.
fn read_rest(text: &str, survey: &XmlSurvey, base: Option<&Url>) -> Option<DocumentParts> {
    let is_odd = !survey.quirks.is_empty() || survey.is_crowded || survey.own_fields;
    if is_odd || left_out::has_twice(&survey.left_out) {
        return None;
    }
    let mut parts = upstream::read(&left_out::rest(text, &survey.left_out), survey, base)?;
    parts.unchanged = survey.left_out.iter().map(|one| one.item).collect();
    Some(parts)
}

/// feed-rs where it reads what the scan saw, our own reader where it does not.
fn read_mended(
    text: &str,
    survey: &XmlSurvey,
    root: RootElement,
    base: Option<&Url>,
    items_max: usize,
) -> DocumentParts {
    // feed-rs makes a list of all items, however many there are.
    let own = root == RootElement::Urlset
        || survey.is_crowded
        || survey.own_fields
        || survey.quirks.iter().any(|quirk| quirk.needs_own_reader())
        || survey.quirks.contains(&XmlQuirk::OddNamespace);
    let first = if own { None } else { upstream::read(text, survey, base) };
    first.unwrap_or_else(|| lenient::read(text, root, base, items_max))
}

/// What the repair pass makes of a text, for fuzzing: `None` where there is no XML, or more than the
/// limits allow.
#[cfg(any(test, fuzzing))]
pub(crate) fn mended(text: &str, limits: &Limits) -> Option<MendedDocument> {
    let TextKind::Xml(root) = kind(text) else { return None };
    let text = charset::after_declaration(text);
    scan(text, root, limits).ok()?;
    let mended = repair::repair(text, root).text;
    let broken = [
        XmlQuirk::Mismatched,
        XmlQuirk::Truncated,
        XmlQuirk::StrayCharacter,
        XmlQuirk::Unlexable,
        XmlQuirk::BadReference,
    ];
    // What mending adds may go beyond the limits; then it is refused, not read.
    let left = scan(&mended, root, limits).map_or_else(
        |_| Vec::new(),
        |survey| broken.iter().filter(|quirk| survey.quirks.contains(quirk)).map(|quirk| quirk.as_str()).collect(),
    );
    Some(MendedDocument { text: mended, left })
}

/// A mended text and what the scan still has to say against it, which is nothing unless there is a mistake.
#[cfg(any(test, fuzzing))]
pub(crate) struct MendedDocument {
    pub text: String,
    pub left: Vec<&'static str>,
}

/// Whether a document that was read after its last one is what it is when it is read whole: what stands in
/// [`ParsedDocument::unchanged`] is read the same again, and nothing else is different.
#[cfg(any(test, fuzzing))]
pub(crate) fn assert_same(mut whole: ParsedDocument, read: &ParsedDocument) {
    assert_eq!(LastDocument::after(&whole), LastDocument::after(read));
    let mut left_out = read.unchanged.clone();
    whole.items.retain(|item| {
        let at = left_out.iter().position(|known| *known == ItemFingerprint::of(item));
        at.map(|at| left_out.swap_remove(at)).is_none()
    });
    whole.unchanged.clone_from(&read.unchanged);
    assert_eq!(&whole, read);
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "again_tests.rs"]
mod again_tests;
