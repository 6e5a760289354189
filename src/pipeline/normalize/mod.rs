//! Raw item to [`Item`]: plain clean text, canonical link, title without its publisher, dates that
//! can be true, a language. Everything after this stage rests on its quality. Pure: the same raw item
//! gives the same item; nothing is fetched, nothing remembered.

mod boilerplate;
mod cues;
mod dates;
mod fields;
pub mod outlet;
mod segments;
mod shapes;
mod title;
mod url;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::model::{
    ContentHash, Item, ItemId, Lang, Markup, Origin, RawItem, RawText, RejectReason, Rejection, SourceId, TextSource,
};
use crate::text::{html, lang, letters, tokens};

use outlet::FeedOutlet;

pub(crate) use segments::sentence_at;

/// Characters of an unreadable text that its refusal quotes.
const REMNANT_CHARS_MAX: usize = 40;

/// What normalising needs to know from the config.
#[derive(Debug, Clone)]
pub struct NormalizeRules {
    /// Language to assume where neither declaration nor detection says.
    pub lang_default: Option<Lang>,
    /// Bytes of text kept per item; more is cut and reported.
    pub text_bytes_max: usize,
    /// Whose feeds they are.
    pub outlets: BTreeMap<SourceId, FeedOutlet>,
}

impl Default for NormalizeRules {
    /// For tests and one-off use; the daemon takes its numbers from the config.
    fn default() -> Self {
        Self { lang_default: None, text_bytes_max: 256 << 10, outlets: BTreeMap::new() }
    }
}

/// An item as read, and what reading it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalized {
    /// The item.
    pub item: Item,
    /// Bytes of plain text beyond the cap that were left away: to be counted and shown.
    pub cut_bytes: usize,
    /// Bytes of page furniture taken out of the text.
    pub furniture_bytes: usize,
    /// Bytes of a link that was too long to be kept: to be counted and shown; 0 where there was none.
    pub dropped_link_bytes: usize,
}

/// The body, chosen and cleaned.
struct Body {
    text: String,
    source: TextSource,
    summary: String,
    /// What the source itself carries, where `text` is that of the page.
    own: Option<String>,
    cut_bytes: usize,
    furniture_bytes: usize,
}

/// Reads a raw item.
///
/// # Errors
/// A [`Rejection`] with [`RejectReason::Empty`] when nothing readable is left of it.
pub fn normalize(raw: &RawItem, origin: &Origin, rules: &NormalizeRules) -> Result<Normalized, Rejection> {
    let given = raw.url.as_deref().map(str::trim).filter(|url| !url.is_empty());
    let (url, url_original, dropped_link_bytes) = match given.map(url::canonical) {
        Some(Err(url::TooLong { bytes })) => (None, None, bytes),
        Some(Ok(canonical)) => (canonical, given.map(str::to_owned), 0),
        None => (None, None, 0),
    };
    let headline = raw.title.as_ref().map(|title| fields::line(title, fields::TITLE_CHARS_MAX)).unwrap_or_default();
    let headline = title::split(&headline, url.as_deref(), &origin.source);
    let body = body(raw, &headline.title, rules.text_bytes_max);
    if ![&headline.title, &body.text].into_iter().any(|text| text.chars().any(char::is_alphanumeric)) {
        return Err(Rejection {
            reason: RejectReason::Empty,
            detail: format!("item {} has no words{}", raw.key.as_str(), remnant(raw)),
            count: 1,
        });
    }
    let publisher = raw.publisher.as_deref().and_then(fields::author).or(headline.publisher);
    let outlet = outlet::outlet(url.as_deref(), publisher.as_deref(), origin, rules);
    let lang = lang::detect(&headline.title, &body.text, raw.lang.as_deref()).or(rules.lang_default);
    let hash = text_hash(&headline.title, &body.text);
    let item = Item {
        id: ItemId::of(&origin.source, &raw.key),
        source: origin.source.clone(),
        key: raw.key.clone(),
        text_hash: hash,
        version: body.own.as_deref().map_or(hash, |own| text_hash(&headline.title, own)),
        title_original: title_original(raw, &headline.title),
        title: headline.title,
        outlet,
        publisher,
        url,
        url_original,
        author: raw.author.as_deref().and_then(fields::author),
        published: raw.published.map(|dated| dates::clamp(dated, origin.received)),
        updated: raw.updated.map(|dated| dates::clamp(dated, origin.received)),
        first_seen: origin.received,
        lang,
        summary: body.summary,
        text: body.text,
        text_source: body.source,
        tags: fields::tags(&raw.tags),
        quiet: raw.quiet,
    };
    let Body { cut_bytes, furniture_bytes, .. } = body;
    Ok(Normalized { item, cut_bytes, furniture_bytes, dropped_link_bytes })
}

/// The headline as it came, cleaned, where that is another than the title.
fn title_original(raw: &RawItem, title: &str) -> Option<String> {
    let line = fields::line(&RawText::plain(raw.title_original.as_deref()?), fields::TITLE_CHARS_MAX);
    Some(line).filter(|line| !line.is_empty() && line != title)
}

/// What stands where words should, so that whoever wrote it finds it again.
fn remnant(raw: &RawItem) -> String {
    let given = [&raw.title, &raw.content, &raw.summary].into_iter().flatten();
    let mut lines = given.map(|text| fields::line(text, REMNANT_CHARS_MAX));
    lines.find(|line| !line.is_empty()).map_or_else(String::new, |line| format!(": “{line}”"))
}

/// The text of the page where there is one; else what the source carries.
fn body(raw: &RawItem, title: &str, text_bytes_max: usize) -> Body {
    let own = own_body(raw, title, text_bytes_max);
    let page = raw.page.as_ref().map(|page| paragraphs(page, title, text_bytes_max));
    let Some(page) = page.filter(|page| !page.text.is_empty()) else { return own };
    // The feed's text is the publisher's summary of the page.
    let summary = if own.summary.is_empty() { own.text.clone() } else { own.summary };
    Body {
        text: page.text,
        source: TextSource::Page,
        summary,
        own: Some(own.text),
        cut_bytes: page.cut_bytes,
        furniture_bytes: page.furniture_bytes,
    }
}

/// Content before summary, unless the content is a stub of what the summary says.
fn own_body(raw: &RawItem, title: &str, text_bytes_max: usize) -> Body {
    let read =
        |text: &Option<RawText>| text.as_ref().map(|text| paragraphs(text, title, text_bytes_max)).unwrap_or_default();
    let (content, summary) = (read(&raw.content), read(&raw.summary));
    let cut_bytes = content.cut_bytes.max(summary.cut_bytes);
    let (chosen, source, rest) = if content.text.is_empty() || content.text.len() * 2 < summary.text.len() {
        let source = if summary.text.is_empty() { TextSource::Title } else { TextSource::Summary };
        (summary, source, String::new())
    } else {
        let rest = if summary.text == content.text { String::new() } else { summary.text };
        (content, TextSource::Content, rest)
    };
    let furniture_bytes = chosen.furniture_bytes;
    Body { text: chosen.text, source, summary: rest, own: None, cut_bytes, furniture_bytes }
}

#[derive(Default)]
struct Paragraphs {
    text: String,
    cut_bytes: usize,
    furniture_bytes: usize,
}

fn paragraphs(raw: &RawText, title: &str, text_bytes_max: usize) -> Paragraphs {
    let text = match raw.markup {
        Markup::Html => html::to_text(&raw.text),
        Markup::Plain => html::plain(&raw.text),
    };
    let mut text = fields::composed(text);
    let whole = text.len();
    if whole > text_bytes_max {
        let mut end = text_bytes_max;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.truncate(text.trim_end().len());
    }
    let cut_bytes = whole - text.len();
    let len = text.len();
    if let Cow::Owned(stripped) = boilerplate::strip(&text, title) {
        text = stripped;
    }
    Paragraphs { furniture_bytes: len - text.len(), text, cut_bytes }
}

/// Hash of the words of title and text, folded: white space, case, accents and punctuation make no
/// difference, so the same text from any source has the same hash.
#[must_use]
pub fn text_hash(title: &str, text: &str) -> ContentHash {
    ContentHash::of(&[&folded_words(title), &folded_words(text)])
}

/// The words, each followed by a blank. What is ASCII goes byte by byte without a choice on the way; a word with an
/// apostrophe or another letter is taken back and read as a whole.
fn folded_words(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = vec![0; bytes.len() + 1];
    let (mut at, mut end, mut last) = (0, 0, b' ');
    while at < bytes.len() {
        // All letters of a word at once; what is written behind them is written over by what follows.
        if let (Some(eight), Some(here)) = (bytes[at..].first_chunk(), out[end..].first_chunk_mut()) {
            let (small, len) = letters::leading(*eight);
            if len > 0 {
                *here = small.to_le_bytes();
                (at, end, last) = (at + len as usize, end + len as usize, b'a');
                continue;
            }
        }
        let folded = FOLDED[usize::from(bytes[at])];
        if folded != 0 {
            out[end] = folded;
            end += usize::from(folded != b' ' || last != b' ');
            last = folded;
            at += 1;
            continue;
        }
        let begun = out[..end].iter().rev().take_while(|byte| **byte != b' ').count();
        let start = at - begun;
        let stop = text[start..].find(parts_words).map_or(bytes.len(), |len| start + len);
        out.truncate(end - begun);
        push_whole(&text[start..stop], &mut out);
        at = stop + text[stop..].chars().next().map_or(0, char::len_utf8);
        (end, last) = (out.len(), b' ');
        out.resize(end + bytes.len() - at + 1, 0);
    }
    if last != b' ' {
        out[end] = b' ';
        end += 1;
    }
    out.truncate(end);
    out
}

/// What becomes of an ASCII character: itself in small, a blank, or 0 for what takes a look at the whole word.
const FOLDED: [u8; 256] = {
    let mut folded = [0; 256];
    let mut byte = 0u8;
    while byte < 128 {
        folded[byte as usize] = match byte {
            b'\'' => 0,
            _ if byte.is_ascii_alphanumeric() => byte.to_ascii_lowercase(),
            _ => b' ',
        };
        byte += 1;
    }
    folded
};

/// Any word, without the apostrophes around it.
fn push_whole(word: &str, out: &mut Vec<u8>) {
    let word = word.trim_matches(['\'', '’']);
    if !word.is_empty() {
        out.extend_from_slice(tokens::fold(word).as_bytes());
        out.push(b' ');
    }
}

fn parts_words(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, '\'' | '’' | '\u{300}'..='\u{36f}')
}

#[cfg(test)]
mod tests;
