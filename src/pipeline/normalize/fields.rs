//! The short fields of an item: one-line titles, bylines, tags; and characters brought to one form.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::model::{Markup, RawText};
use crate::text::tokens::beyond_ascii;
use crate::text::{clean, html};

/// Longer headlines are cut with an ellipsis.
pub(super) const TITLE_CHARS_MAX: usize = 500;
const AUTHOR_CHARS_MAX: usize = 200;
const TAG_CHARS_MAX: usize = 100;
const TAGS_MAX: usize = 64;

/// A text as one clean line.
pub(super) fn line(raw: &RawText, chars_max: usize) -> String {
    let line = match raw.markup {
        Markup::Html => html::inline(&raw.text),
        Markup::Plain => html::plain_inline(&raw.text),
    };
    clean::excerpt(&composed(line), chars_max)
}

/// Letters with their accents as one character; full-width, ligature and mathematical look-alikes as
/// the letters they are (NFKC for these alone: in prose it would turn `½` and `…` into other text).
pub(super) fn composed(text: String) -> String {
    if text.is_ascii() {
        return text;
    }
    // Only look-alikes and rarer characters begin with such a byte.
    let text = if text.bytes().fold(0, u8::max) >= 0xef && text.chars().any(is_look_alike) {
        text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
            if is_look_alike(c) {
                out.extend([c].into_iter().nfkc());
            } else {
                out.push(c);
            }
            out
        })
    } else {
        text
    };
    // What is ASCII never needs composing, and to leave it out can only make the rest look less composed. Nor do
    // the letters of Western Europe and the quotes and dashes of all (UAX #15, 9).
    let plain = |c: char| matches!(c, '\u{80}'..='\u{2ff}' | '\u{2010}'..='\u{2027}');
    if beyond_ascii(&text).all(plain) || is_nfc_quick(beyond_ascii(&text)) == IsNormalized::Yes {
        text
    } else {
        text.nfc().collect()
    }
}

fn is_look_alike(c: char) -> bool {
    matches!(c, '\u{fb00}'..='\u{fb06}' | '\u{ff01}'..='\u{ff5e}' | '\u{ff66}'..='\u{ff9f}' | '\u{1d400}'..='\u{1d7ff}')
}

/// A byline without `By`, markup and addresses; `None` when nothing is left.
pub(super) fn author(text: &str) -> Option<String> {
    let line = html::plain_inline(text);
    let line = line.trim();
    let line = ["By ", "by ", "BY ", "Von ", "Par "].iter().find_map(|by| line.strip_prefix(by)).unwrap_or(line);
    // RSS asks for `jane@example.com (Jane Example)`; some write it the other way round.
    let named = match line.split_once(['(', '<']) {
        Some((address, name)) if address.contains('@') => name.trim_end_matches([')', '>']),
        Some((name, address)) if address.contains('@') => name,
        _ => line,
    };
    let named = clean::excerpt(&composed(named.trim().to_owned()), AUTHOR_CHARS_MAX);
    (named.chars().any(char::is_alphanumeric)).then_some(named)
}

/// Tags as clean lines, each once, in order.
pub(super) fn tags(raw: &[String]) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for tag in raw {
        let tag = clean::excerpt(&composed(html::plain_inline(tag)), TAG_CHARS_MAX);
        if !tag.is_empty() && !tags.contains(&tag) {
            tags.push(tag);
        }
        if tags.len() == TAGS_MAX {
            break;
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_look_alikes_become_letters_and_typography_stays() {
        assert_eq!(composed("ＮＡＴＯ ﬁnds 𝐛𝐨𝐥𝐝 ½ … №".to_owned()), "NATO finds bold ½ … №");
        assert_eq!(composed("e\u{301}te\u{301}".to_owned()), "été");
    }

    #[test]
    fn composed_what_is_taken_for_composed_is() {
        for c in ('\u{80}'..='\u{2ff}').chain('\u{2010}'..='\u{2027}') {
            for text in [format!("a{c}b"), format!("{c}{c}")] {
                assert_eq!(text.nfc().collect::<String>(), text, "{c:?}");
            }
        }
    }

    #[test]
    fn author_is_a_name() {
        for (text, expected) in [
            ("By A. Example", Some("A. Example")),
            ("desk@news.example (A. Example)", Some("A. Example")),
            ("A. Example <desk@news.example>", Some("A. Example")),
            ("<a href='/x'>A. Example</a>", Some("A. Example")),
            (" ", None),
            ("（—）", None),
        ] {
            assert_eq!(author(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn tags_are_clean_and_distinct() {
        let raw = ["Ports &amp; ships", "Ports & ships", "", "a\nb"].map(str::to_owned);
        assert_eq!(tags(&raw), ["Ports & ships", "a b"]);
        assert_eq!(tags(&vec!["x".to_owned(); 1000]).len(), 1);
    }
}
