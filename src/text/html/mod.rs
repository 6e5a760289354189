//! HTML to readable text: [`to_text`] gives paragraphs one a line, [`inline`] a single line, [`plain`]
//! the same for text that is sold as plain. html5ever's tokenizer without a tree: linear in the input,
//! no recursion, no depth to overflow. Markup is never kept, run or fetched; entities are decoded once
//! more where a source encoded them twice.

mod entities;
pub mod links;
mod sink;
mod writer;

use std::cell::Cell;

use html5ever::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{BufferQueue, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};

use super::work;
use sink::{TextLayout, TextSink, TextStrictness};
use writer::TextWriter;

/// Bytes fed at a time, so that a tag without end is noticed.
const CHUNK_BYTES: usize = 8 << 10;
/// Possible attributes of one tag. html5ever compares each with all before it; this bounds that.
const TAG_SEPARATORS_MAX: usize = 4_096;
/// Markup inside markup is unpacked this often: escaped HTML within HTML is common, more is an attack.
const UNPACKED_MAX: usize = 2;

/// Elements that never have content nor an end tag (HTML, section 13.1.2).
pub(crate) fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Character references decoded; a bare `&` stays what it is.
#[must_use]
pub fn unescape(text: &str) -> std::borrow::Cow<'_, str> {
    entities::decode(text)
}

/// A fragment or page to paragraphs separated by `\n`, entities decoded, white space folded, harmful
/// characters gone. Scripts, styles, hidden parts, menus, buttons and picture captions are left out.
#[must_use]
pub fn to_text(html: &str) -> String {
    render(html, TextLayout::Paragraphs)
}

/// A headline or other short text to one line.
#[must_use]
pub fn inline(html: &str) -> String {
    render(html, TextLayout::Line)
}

/// Plain text to paragraphs: entities and tags that do not belong there are read as what they are,
/// lines that were wrapped at a fixed width are joined.
#[must_use]
pub fn plain(text: &str) -> String {
    let decoded = entities::decode(text);
    if looks_like_markup(&decoded) {
        return to_text(&decoded);
    }
    let wrapped = wrapped_at_a_width(&decoded);
    let mut writer = TextWriter::new(decoded.len());
    let mut blank_before = false;
    for line in decoded.split(['\n', '\r', '\u{2028}', '\u{2029}']) {
        work::spend(1 + line.len());
        let blank = line.trim().is_empty();
        if blank || blank_before || !wrapped {
            writer.line_break();
        } else {
            writer.space();
        }
        writer.text(line);
        blank_before = blank;
    }
    writer.finish()
}

/// Plain text to one line, entities and tags read as what they are.
#[must_use]
pub fn plain_inline(text: &str) -> String {
    let decoded = entities::decode(text);
    if looks_like_markup(&decoded) {
        return inline(&decoded);
    }
    let mut writer = TextWriter::new(decoded.len());
    writer.text(&decoded);
    writer.finish()
}

/// Whether a text holds tags that prose does not: a closing tag, or one that only pages use.
#[must_use]
pub fn looks_like_markup(text: &str) -> bool {
    const OPENINGS: [&str; 9] = ["br", "p", "img", "a", "div", "span", "ul", "li", "table"];
    const CLOSINGS: [&str; 20] = [
        "p",
        "a",
        "div",
        "span",
        "b",
        "i",
        "em",
        "strong",
        "li",
        "ul",
        "ol",
        "td",
        "h1",
        "h2",
        "h3",
        "h4",
        "font",
        "u",
        "script",
        "blockquote",
    ];
    // Looked for once: behind each `<` anew, a text of nothing but `<p ` would take the square of its length.
    let Some(last_end) = text.rfind('>') else { return false };
    text[..last_end].match_indices('<').any(|(at, _)| {
        work::spend(1);
        let rest = &text[at + 1..];
        let (rest, known): (&str, &[&str]) = match rest.strip_prefix('/') {
            Some(rest) => (rest, &CLOSINGS),
            None => (rest, &OPENINGS),
        };
        // No name is longer than the longest of these.
        let end = rest.bytes().take(16).position(|b| !b.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let ends_like_a_tag = matches!(rest.as_bytes().get(end), Some(b'>' | b'/' | b' ' | b'\n' | b'\t'));
        ends_like_a_tag && known.iter().any(|name| name.eq_ignore_ascii_case(&rest[..end]))
    })
}

/// Whether lines end where a page did, not where a paragraph does: blank lines part the blocks, and
/// the lines within are about equally long.
fn wrapped_at_a_width(text: &str) -> bool {
    const WIDTHS: std::ops::RangeInclusive<usize> = 45..=100;
    const LINES_MIN: usize = 3;
    if !text.contains("\n\n") && !text.contains("\n\r\n") {
        return false;
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    // The last line of a block may be short, the others not.
    let inner: Vec<usize> = lines
        .windows(2)
        .filter(|pair| !pair[0].is_empty() && !pair[1].is_empty())
        .map(|pair| pair[0].chars().count())
        .collect();
    inner.len() >= LINES_MIN && inner.iter().filter(|width| WIDTHS.contains(width)).count() * 10 >= inner.len() * 9
}

fn render(html: &str, layout: TextLayout) -> String {
    let mut text = unpack(html, layout);
    for _ in 1..UNPACKED_MAX {
        let decoded = entities::decode(&text);
        if looks_like_markup(&decoded) {
            text = unpack(&decoded, layout);
        } else if decoded.len() != text.len() {
            return fold(&decoded);
        } else {
            break;
        }
    }
    text
}

/// Decoding can bring white space and controls to light: folded once more, paragraphs kept.
fn fold(text: &str) -> String {
    let mut writer = TextWriter::new(text.len());
    for line in text.split('\n') {
        writer.line_break();
        writer.text(line);
    }
    writer.finish()
}

/// One pass. What is left out must have an end: when the text runs out inside, or nothing else was
/// there, the markup is broken or all there is, and only scripts and the like stay out.
fn unpack(html: &str, layout: TextLayout) -> String {
    if !html.contains(['<', '&']) {
        let mut writer = TextWriter::new(html.len());
        writer.text(html);
        return writer.finish();
    }
    let (text, left_out) = tokenize(html, layout, TextStrictness::LeaveOut);
    if left_out.at_end || (text.is_empty() && left_out.any) {
        return tokenize(html, layout, TextStrictness::KeepAll).0;
    }
    text
}

fn tokenize(html: &str, layout: TextLayout, strictness: TextStrictness) -> (String, sink::LeftOut) {
    run_tokenizer(html, TextSink::new(html.len(), layout, strictness)).finish()
}

/// Runs a sink over some HTML, in time linear in it whatever it holds.
pub(super) fn run_tokenizer<S: TokenSink<Handle = ()>>(html: &str, sink: S) -> S {
    let mut tokenizer = Tokenizer::new(CountedSink { sink, tokens: Cell::new(0) }, TokenizerOpts::default());
    let (mut at, mut separators) = (0, 0);
    while at < html.len() {
        let end = html.ceil_char_boundary(at + CHUNK_BYTES);
        let chunk = &html[at..end];
        work::spend(chunk.len());
        let tokens_before = tokenizer.sink.tokens.get();
        let queue = BufferQueue::default();
        queue.push_back(StrTendril::from_slice(chunk));
        // The tokenizer stops after each script and at a `<meta charset>`; both are nothing to us.
        while !matches!(tokenizer.feed(&queue), TokenizerResult::Done) {}
        at = end;
        if tokenizer.sink.tokens.get() != tokens_before {
            separators = 0;
            continue;
        }
        separators += chunk.bytes().filter(|b| matches!(b, b' ' | b'\n' | b'\t' | b'/' | b'"' | b'\'')).count();
        if separators > TAG_SEPARATORS_MAX {
            // No tag of a page is like this: dropped up to its next `>`, the rest is read afresh.
            at = html[at..].find('>').map_or(html.len(), |offset| at + offset + 1);
            separators = 0;
            tokenizer = Tokenizer::new(tokenizer.sink, TokenizerOpts::default());
        }
    }
    tokenizer.end();
    tokenizer.sink.sink
}

/// Counts tokens on their way, so that a tag without end is noticed.
struct CountedSink<S> {
    sink: S,
    tokens: Cell<u64>,
}

impl<S: TokenSink> TokenSink for CountedSink<S> {
    type Handle = S::Handle;

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<S::Handle> {
        self.tokens.set(self.tokens.get() + 1);
        work::spend(1);
        self.sink.process_token(token, line)
    }
}

#[cfg(test)]
mod tests;
