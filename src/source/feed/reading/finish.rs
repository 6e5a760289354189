//! The last step of a document: [`DocumentParts`] become raw items with links chosen, authors inherited, caps
//! applied and keys set. What is cut or left out is counted; the next stage is `ingest`.

use std::sync::LazyLock;

use url::Url;

use super::entry::{DocumentParts, EntryLink, FeedEntry, LinkRole, web_link, without_cdata_marks};
use super::key::{self, KeyCandidate};
use super::sniff::head;
use crate::model::{ItemKey, Markup, RawItem, RawText, RejectReason, Rejection};
use crate::source::feed::FeedContext;
use crate::source::{DocumentFormat, ParsedDocument, PollHints};

/// Headlines are cut here.
const TITLE_BYTES_MAX: usize = 4 << 10;

/// Names, languages and tags are cut here.
const WORD_BYTES_MAX: usize = 256;

/// Tags and authors kept per item.
const WORDS_MAX: usize = 32;

/// What is known of a document beside its parts.
#[derive(Debug)]
pub(super) struct DocumentTraits {
    pub format: DocumentFormat,
    pub encoding: &'static str,
    pub hints: PollHints,
    pub warnings: Vec<String>,
}

/// Makes the document; `None` where items were left out of which one may share its key with another that was read: what
/// they are called shows only when all of them are.
pub(super) fn finish(mut parts: DocumentParts, known: DocumentTraits, ctx: &FeedContext<'_>) -> Option<ParsedDocument> {
    let mut rejected = Vec::new();
    if parts.lost > 0 {
        let detail = "items that are cut off or unreadable".to_owned();
        rejected.push(Rejection { reason: RejectReason::Malformed, detail, count: parts.lost });
    }
    parts.keep_newest(ctx.limits.items_max);
    let DocumentParts { title, lang, authors, site, entries, over_cap, is_cut, unchanged, .. } = parts;
    if over_cap > 0 {
        let total = entries.len() as u64 + over_cap;
        let detail = format!("{total} items in one document, the newest {} are taken", entries.len());
        rejected.push(Rejection { reason: RejectReason::TooManyItems, detail, count: over_cap });
    }
    // What has an `xml:base` is resolved already. Feeds are often served from another host than the
    // site they link into, so the site they name comes first.
    let document = ctx.base_url.and_then(|base| Url::parse(base).ok());
    let site = site.and_then(|site| Url::parse(&web_link(&site, document.as_ref())?).ok());
    let base = site.or(document);
    let mut cut = 0u64;
    let candidates = entries.into_iter().map(|mut entry| {
        if entry.authors.is_empty() {
            entry.authors.clone_from(&authors);
        }
        entry.lang = entry.lang.filter(|lang| !lang.trim().is_empty()).or_else(|| lang.clone());
        candidate(entry, base.as_ref(), ctx.limits.item_text_bytes_max, &mut cut)
    });
    let named = key::assign(candidates.collect(), ctx.trust, &unchanged);
    if named.is_ambiguous {
        return None;
    }
    rejected.extend(named.rejected);
    let mut warnings = known.warnings;
    warnings.extend(named.warnings);
    if cut > 0 {
        warnings.push(format!("{cut} texts are longer than {} bytes and were cut", ctx.limits.item_text_bytes_max));
    }
    Some(ParsedDocument {
        format: known.format,
        encoding: known.encoding,
        title: title.map(|title| head(title.text.trim(), TITLE_BYTES_MAX).to_owned()).filter(|title| !title.is_empty()),
        items: named.items,
        unchanged,
        rejected,
        warnings,
        hints: known.hints,
        is_cut,
    })
}

fn candidate(mut entry: FeedEntry, base: Option<&Url>, text_bytes_max: usize, cut: &mut u64) -> KeyCandidate {
    for link in &mut entry.links {
        without_cdata_marks(&mut link.href, false);
    }
    if let Some(id) = &mut entry.id {
        without_cdata_marks(id, false);
    }
    let mut item = RawItem::new(ItemKey::new(""));
    let cut_before = *cut;
    item.url = url(&entry, base);
    let is_linked_alone = is_linked_alone(&entry, item.url.as_deref());
    item.title = entry.title.and_then(|title| text(title, TITLE_BYTES_MAX, cut));
    item.author = Some(words(entry.authors).join(", ")).filter(|author| !author.is_empty());
    item.published = entry.published;
    item.updated = entry.updated;
    item.lang = entry.lang.map(|lang| head(lang.trim(), WORD_BYTES_MAX).to_owned());
    item.summary = entry.summary.and_then(|summary| text(summary, text_bytes_max, cut));
    item.content = entry.content.and_then(|content| text(content, text_bytes_max, cut));
    item.tags = words(entry.tags);
    // What was cut is said of the document each time.
    item.bytes = entry.bytes.filter(|_| is_linked_alone && *cut == cut_before);
    KeyCandidate { guid: entry.id, item }
}

/// The best link; the guid where there is none and the feed does not deny that it is one; then the recording.
fn url(entry: &FeedEntry, base: Option<&Url>) -> Option<String> {
    let of_id = || {
        let id = entry.id.as_deref().filter(|_| entry.id_is_link)?;
        // A bare number resolves against any base, and is no link.
        let absolute = id.trim_start().starts_with("http") || id.trim_start().starts_with('/');
        web_link(id, base).filter(|_| absolute)
    };
    let enclosed = || {
        let link = entry.links.iter().find(|link| link.role == LinkRole::Enclosure)?;
        web_link(&link.href, base)
    };
    best_link(entry).and_then(|link| web_link(&link.href, base)).or_else(of_id).or_else(enclosed)
}

/// Whether an item has this link whatever its document says of the site that it belongs to.
fn is_linked_alone(entry: &FeedEntry, url: Option<&str>) -> bool {
    static ELSEWHERE: LazyLock<Url> =
        LazyLock::new(|| Url::parse("https://elsewhere.invalid/").expect("invariant: the address is constant"));
    let is_whole = |link: &EntryLink| {
        let href = link.href.trim();
        Some(href) == url && (href.starts_with("https://") || href.starts_with("http://"))
    };
    best_link(entry).is_some_and(is_whole) || self::url(entry, None) == self::url(entry, Some(&ELSEWHERE))
}

fn best_link(entry: &FeedEntry) -> Option<&EntryLink> {
    entry.links.iter().filter(|link| link.role < LinkRole::Enclosure).min_by_key(|link| link.role)
}

fn text(mut raw: RawText, bytes_max: usize, cut: &mut u64) -> Option<RawText> {
    without_cdata_marks(&mut raw.text, raw.markup == Markup::Html);
    if raw.text.trim().is_empty() {
        return None;
    }
    if raw.text.len() > bytes_max {
        raw.text.truncate(raw.text.floor_char_boundary(bytes_max));
        raw.text.shrink_to_fit();
        *cut += 1;
    }
    Some(raw)
}

fn words(words: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for word in words {
        let word = head(word.trim(), WORD_BYTES_MAX);
        if !word.is_empty() && !kept.iter().any(|known| known == word) && kept.len() < WORDS_MAX {
            kept.push(word.to_owned());
        }
    }
    kept
}
