//! Mends what keeps an XML lexer from seeing tags: references that stand for nothing, `&` and `<` that
//! are text, control characters, tags and sections that never end. Drops declarations and DOCTYPE.

use crate::source::feed::reading::names::{character, is_name_character, reference_at};
use crate::source::feed::reading::sniff::{doctype_end, head};
use crate::text::work;

/// A tag longer than this is text with a `<` in it.
const TAG_BYTES_MAX: usize = 256 << 10;

/// All that is white to XML; of the rest some is removed.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// Every `<` in the result begins a whole tag or CDATA section, every `&` a reference XML knows.
pub(super) fn lex(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    let mut rest = text;
    // Searches that found nothing are not repeated: the pass stays linear.
    let mut ends = Ends { cdata: true, comment: true, instruction: true };
    while let Some(at) = rest.find(['<', '&']) {
        work::spend(1 + at);
        push_clean(&rest[..at], &mut out);
        rest = &rest[at..];
        let taken = if rest.starts_with('&') {
            reference(rest, &mut out)
        } else if rest.starts_with("<!") || rest.starts_with("<?") {
            declaration(rest, &mut out, &mut ends)
        } else {
            tag(rest, &mut out)
        };
        if taken == 0 {
            out.push_str(if rest.starts_with('&') { "&amp;" } else { "&lt;" });
            rest = &rest[1..];
        } else {
            rest = &rest[taken..];
        }
    }
    push_clean(rest, &mut out);
    out
}

struct Ends {
    cdata: bool,
    comment: bool,
    instruction: bool,
}

/// Copies text without the characters XML 1.0 forbids; C1 controls were meant for windows-1252.
fn push_clean(text: &str, out: &mut String) {
    let clean = |c: char| !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) || matches!(c, '\t' | '\n' | '\r');
    if text.chars().all(clean) {
        out.push_str(text);
    } else {
        out.extend(text.chars().filter_map(|c| if clean(c) { Some(c) } else { character(c.into()) }));
    }
}

/// Writes the reference a text begins with; 0 when there is none.
fn reference(text: &str, out: &mut String) -> usize {
    // Emoji written as two UTF-16 halves.
    if let Some((len, c)) = surrogate_pair(text) {
        out.push(c);
        return len;
    }
    let Some((len, resolved)) = reference_at(text) else { return 0 };
    for c in resolved.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    len
}

fn surrogate_pair(text: &str) -> Option<(usize, char)> {
    let (high, high_len) = decimal(text)?;
    let (low, low_len) = decimal(&text[high_len..])?;
    let c = char::decode_utf16([u16::try_from(high).ok()?, u16::try_from(low).ok()?]).next()?.ok()?;
    (0xd800..0xdc00).contains(&high).then_some((high_len + low_len, c))
}

fn decimal(text: &str) -> Option<(u32, usize)> {
    let rest = text.strip_prefix("&#")?;
    let end = rest.bytes().take(6).position(|b| b == b';')?;
    Some((rest[..end].parse().ok()?, end + 3))
}

/// Sections and declarations; 0 when it is none, or never ends.
fn declaration(text: &str, out: &mut String, ends: &mut Ends) -> usize {
    if let Some(body) = text.strip_prefix("<![CDATA[") {
        let end = if ends.cdata { body.find("]]>") } else { None };
        ends.cdata = end.is_some();
        // A section that never ends: the document is cut off inside it.
        let body_len = end.unwrap_or(body.len());
        out.push_str("<![CDATA[");
        let mut clean = String::with_capacity(body_len);
        push_clean(&body[..body_len], &mut clean);
        // A character that had to go may have stood between the brackets of an end that is none.
        out.push_str(&clean.replace("]]>", "]]]]><![CDATA[>"));
        out.push_str("]]>");
        return text.len().min(9 + body_len + 3);
    }
    if let Some(body) = text.strip_prefix("<!--") {
        let end = if ends.comment { body.find("-->") } else { None };
        ends.comment = end.is_some();
        return end.map_or(0, |end| end + 7);
    }
    if text.starts_with("<?") {
        let end = if ends.instruction { text.find("?>") } else { None };
        ends.instruction = end.is_some();
        return end.map_or(0, |end| end + 2);
    }
    let name = text.get(2..9).unwrap_or_default();
    if name.eq_ignore_ascii_case("DOCTYPE") {
        let window = head(text, TAG_BYTES_MAX);
        return doctype_end(window).or_else(|| text.find('>').map(|end| end + 1)).unwrap_or(text.len());
    }
    0
}

/// Copies a tag; 0 when this `<` begins none.
fn tag(text: &str, out: &mut String) -> usize {
    let closing = text.starts_with("</");
    let name_at = 1 + usize::from(closing);
    let name_len = text[name_at..].find(|c| !is_name_character(c)).unwrap_or(text.len() - name_at);
    let name = &text[name_at..name_at + name_len];
    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return 0;
    }
    let window = head(text, TAG_BYTES_MAX);
    let Some((end, quoted_right)) = tag_end(window, name_at + name_len) else { return 0 };
    let attributes = &text[name_at + name_len..end];
    let ends_at = end + usize::from(text[end..].starts_with('>'));
    if closing {
        out.push_str("</");
        out.push_str(name);
        out.push('>');
        return ends_at;
    }
    out.push('<');
    out.push_str(name);
    // What follows a name without a blank of XML would be read as part of it.
    let stands_apart = attributes.trim_end() == "/" || attributes.is_empty() || attributes.starts_with(BLANKS);
    if quoted_right && stands_apart {
        push_clean(attributes.trim_end(), out);
    } else if attributes.trim_end().ends_with('/') {
        out.push('/');
    }
    out.push('>');
    ends_at
}

/// Where a tag ends (at its `>`, or at the `<` before which it was forgotten), and whether its quotes
/// are in order. `None` when it never ends or is no tag.
fn tag_end(text: &str, from: usize) -> Option<(usize, bool)> {
    let mut quote = None;
    let mut first_close = None;
    for (at, byte) in text.bytes().enumerate().skip(from) {
        match (quote, byte) {
            (Some(open), close) if open == close => quote = None,
            // No attribute holds `<`: the quote was never closed.
            (Some(_), b'<') => return first_close.map(|end| (end, false)),
            (Some(_), b'>') => first_close = first_close.or(Some(at)),
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return Some((at, true)),
            (None, b'<') => {
                let name_only = text[from..at].trim().is_empty();
                return name_only.then_some((at, true));
            }
            (Some(_) | None, _) => {}
        }
    }
    first_close.map(|end| (end, false))
}
