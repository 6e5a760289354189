//! A document's bytes become a [`ParsedDocument`]: decode, tell what it is, scan, mend where needed, then
//! feed-rs, then our own reader where feed-rs does not do. Pure; to be run on a `source::Parser` thread.
//! Every document either gives items or is refused with a reason; `poller` and the seed directory call it.

use url::Url;

use super::entry::DocumentParts;
use super::finish::{DocumentTraits, finish};
use super::scan::{XmlQuirk, XmlSurvey, scan};
use super::sniff::{RootElement, TextKind, kind};
use super::{json_feed, lenient, repair, upstream};
use crate::model::{RejectReason, Rejection};
use crate::source::feed::FeedContext;
use crate::source::{DocumentFormat, ParsedDocument, PollHints};
use crate::text::charset;

pub use super::sniff::{root_name, sniff};

/// Reads a feed of any format.
///
/// # Errors
/// A [`Rejection`] of the whole document: [`RejectReason::TooLarge`], [`RejectReason::TooDeep`],
/// [`RejectReason::TooManyAttributes`], [`RejectReason::Empty`], [`RejectReason::HtmlPage`],
/// [`RejectReason::NotAFeed`], [`RejectReason::NotText`] or [`RejectReason::Malformed`].
pub fn parse(bytes: &[u8], ctx: &FeedContext<'_>) -> Result<ParsedDocument, Rejection> {
    if bytes.len() > ctx.limits.decoded_bytes_max {
        let detail = format!("{} bytes, the limit is {}", bytes.len(), ctx.limits.decoded_bytes_max);
        return Err(Rejection { reason: RejectReason::TooLarge, detail, count: 1 });
    }
    let decoded = charset::decode(bytes, ctx.content_type.and_then(charset::of_content_type));
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
            read_documents(text, root, base.as_ref(), ctx, &mut known)?
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
pub fn check_xml(text: &str, limits: &crate::source::Limits) -> Result<(), Rejection> {
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

/// The document, and others that a careless server sends behind it.
fn read_documents(
    text: &str,
    root: RootElement,
    base: Option<&Url>,
    ctx: &FeedContext<'_>,
    known: &mut DocumentTraits,
) -> Result<DocumentParts, Rejection> {
    let mut documents = split_documents(text).into_iter();
    let mut parts = read_xml(documents.next().unwrap_or(text), root, base, ctx, known)?;
    for further in documents {
        let TextKind::Xml(root) = kind(further) else { continue };
        match read_xml(further, root, base, ctx, known) {
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
    Ok(parts)
}

/// Parts of a text that begin with an XML declaration behind the end of a feed.
fn split_documents(text: &str) -> Vec<&str> {
    let (mut parts, mut from) = (Vec::new(), 0);
    for (at, _) in text.match_indices("<?xml").filter(|(at, _)| *at > 0) {
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
    base: Option<&Url>,
    ctx: &FeedContext<'_>,
    known: &mut DocumentTraits,
) -> Result<DocumentParts, Rejection> {
    let text = charset::after_declaration(text);
    let base = base.filter(|_| text.contains("xml:base"));
    let survey = scan(text, root, ctx.limits)?;
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
pub(crate) fn mended(text: &str, limits: &crate::source::Limits) -> Option<MendedDocument> {
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

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
