//! The links of an HTML text with the words that stand on them: marks of our own go into the markup before it becomes
//! text, and are read out of the lines again. So a link keeps its place among the words around it.

use crate::text::{html, work};

/// Before the number of a link, behind it, and where the link ends: characters that no text has, for any that do come
/// are taken out first.
const MARKS: [char; 3] = ['\u{f8d0}', '\u{f8d1}', '\u{f8d2}'];

/// Links looked at, broken ones among them.
const TAGS_MAX: usize = 20_000;
/// Links kept of one text.
const ANCHORS_MAX: usize = 5000;

/// A link and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextAnchor {
    /// Index of its line.
    pub line: usize,
    /// The words on it.
    pub words: String,
    /// Where it leads, as written, entities decoded.
    pub href: String,
}

/// The lines of an HTML text, and its links.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AnchoredText {
    pub lines: Vec<String>,
    pub anchors: Vec<TextAnchor>,
}

/// Reads them.
pub(super) fn read(markup: &str) -> AnchoredText {
    let (marked, hrefs) = marked(markup);
    let mut text = AnchoredText::default();
    // A link may go on over several lines.
    let mut open: Option<TextAnchor> = None;
    for line in html::to_text(&marked).lines() {
        let mut shown = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(at) = rest.find(MARKS) {
            let (words, mark) = (&rest[..at], rest[at..].chars().next().unwrap_or(MARKS[2]));
            push(&mut shown, &mut open, words);
            rest = &rest[at + mark.len_utf8()..];
            if mark == MARKS[0] {
                let end = rest.find(MARKS[1]).unwrap_or(0);
                let href = rest[..end].parse().ok().and_then(|number: usize| hrefs.get(number));
                rest = rest[end..].trim_start_matches(MARKS[1]);
                finish(&mut text.anchors, open.take());
                let href = href.cloned().unwrap_or_default();
                open = Some(TextAnchor { line: text.lines.len(), words: String::new(), href });
            } else {
                finish(&mut text.anchors, open.take());
            }
        }
        push(&mut shown, &mut open, rest);
        let line = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        if !line.is_empty() {
            text.lines.push(line);
        }
    }
    finish(&mut text.anchors, open);
    text.anchors.iter_mut().for_each(|anchor| anchor.line = anchor.line.min(text.lines.len().saturating_sub(1)));
    text
}

fn push(shown: &mut String, open: &mut Option<TextAnchor>, words: &str) {
    shown.push_str(words);
    if let Some(anchor) = open {
        anchor.words.push_str(words);
        anchor.words.push(' ');
    }
}

fn finish(anchors: &mut Vec<TextAnchor>, open: Option<TextAnchor>) {
    let Some(mut anchor) = open else { return };
    anchor.words = anchor.words.split_whitespace().collect::<Vec<_>>().join(" ");
    if !anchor.words.is_empty() && !anchor.href.is_empty() {
        anchors.push(anchor);
    }
}

/// The markup with marks at its links, and where these lead.
fn marked(markup: &str) -> (String, Vec<String>) {
    let markup = markup.replace(MARKS, "");
    let mut out = String::with_capacity(markup.len() + markup.len() / 8);
    let mut hrefs = Vec::new();
    let mut rest = markup.as_str();
    let mut tags = 0;
    while let Some(at) = rest.find('<').filter(|_| tags < TAGS_MAX) {
        work::spend(1 + at);
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let name: String = rest.chars().skip(1).take(2).flat_map(char::to_lowercase).collect();
        let opens = name.starts_with('a') && name.ends_with(char::is_whitespace);
        let closes = name == "/a" && rest[3..].trim_start().starts_with('>');
        tags += usize::from(opens);
        if closes {
            out.push(MARKS[2]);
        }
        let Some(end) = tag_end(rest).filter(|_| opens || closes) else {
            out.push('<');
            rest = &rest[1..];
            continue;
        };
        let tag = &rest[..end];
        out.push_str(tag);
        rest = &rest[end..];
        if opens
            && hrefs.len() < ANCHORS_MAX
            && let Some(href) = href_of(tag)
        {
            out.push(MARKS[0]);
            out.push_str(&hrefs.len().to_string());
            out.push(MARKS[1]);
            hrefs.push(href);
        }
    }
    out.push_str(rest);
    (out, hrefs)
}

/// Where a tag ends, a `>` within quotes aside; longer tags than a link has are not looked through.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate().take(16 << 10) {
        match (quote, byte) {
            (Some(open), close) if open == close => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn href_of(tag: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let at = lower.match_indices("href").find(|(at, _)| lower[..*at].ends_with(char::is_whitespace))?.0;
    let rest = tag[at + 4..].trim_start().strip_prefix('=')?.trim_start();
    let value = match rest.chars().next()? {
        quote @ ('"' | '\'') => rest[1..].split(quote).next()?,
        _ => rest.split(|c: char| c.is_whitespace() || c == '>').next()?,
    };
    let href = html::unescape(value.trim()).into_owned();
    (href.starts_with("http://") || href.starts_with("https://")).then_some(href)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_keep_their_words_and_their_place() {
        let text = read(
            "<p>Good morning.</p><p><A class=x HREF='https://wire.example/1?a=1&amp;b=2'>Second <b>ferry</b> leaves</A> at nine.</p>\
             <a name=top>Top</a><abbr>GB</abbr><a href=mailto:x@wire.example>Write</a><p><a href=https://wire.example/2>Port\
             <br>reopens</a></p>\u{f8d0}7\u{f8d1}",
        );
        assert_eq!(text.lines[1], "Second ferry leaves at nine.");
        let seen: Vec<_> = text.anchors.iter().map(|a| (a.line, a.words.as_str(), a.href.as_str())).collect();
        assert_eq!(seen[0], (1, "Second ferry leaves", "https://wire.example/1?a=1&b=2"));
        assert_eq!((seen.len(), seen[1].1, seen[1].2), (2, "Port reopens", "https://wire.example/2"));
        assert!(text.lines.iter().all(|line| !line.contains(MARKS)));
    }

    #[test]
    fn anchors_broken_or_very_many_stay_bounded() {
        for markup in ["<a href=", "<a href='x", "<a ", "</a", "<", "<a href=http://x>", "</a></a>"] {
            let text = read(&markup.repeat(3000));
            assert!(text.anchors.len() <= ANCHORS_MAX, "{markup}");
        }
        assert_eq!(read(&"<a href=https://wire.example/>x</a> ".repeat(6000)).anchors.len(), ANCHORS_MAX);
    }
}
