//! Text to the units stories are made of: stemmed word hashes with their kind (plain word, name,
//! number). Languages without spaces give character pairs. Decides nothing about weight or sameness.

use xxhash_rust::xxh3::xxh3_64;

use crate::text::tokens::{Token, Tokens};

/// Longest word that is looked at; the rest of a longer one is noise (base64, joined scripts).
const WORD_BYTES_MAX: usize = 64;

/// Bytes of a word that stays whole.
const SHORT_BYTES_MAX: usize = 4;

/// Bits of hash that identify a term: two terms of one pair of items collide once in 7,000 pairs.
pub const TERM_BITS: u32 = 22;

/// What sort of word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A word in lower case, or one that only a sentence or headline capitalises.
    Plain,
    /// Capitalised where nothing but a name is.
    Name,
    /// Holds a digit.
    Number,
}

/// One word of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Identity of the folded, stemmed form: [`TERM_BITS`] bits of hash.
    pub hash: u32,
    /// Whether it starts with a capital.
    pub capital: bool,
    /// Whether it holds a digit.
    pub number: bool,
    /// Whether a sentence starts here, so that the capital says nothing.
    pub opens_sentence: bool,
    /// Where the word stands in the original, in bytes.
    pub start: u32,
    /// Its end.
    pub end: u32,
}

/// Hash of a folded word after stemming: the identity of a term everywhere.
#[must_use]
pub fn term_hash(folded: &str) -> u32 {
    term_hash_of(folded, || xxh3_64(folded.as_bytes()))
}

/// [`term_hash`] of a word of a text, whose own hash is known: most words are their stem.
fn term_hash_of(folded: &str, hash: impl Fn() -> u64) -> u32 {
    let stem = stem(folded);
    let whole = stem.text.len() == folded.len();
    short((if whole { hash() } else { xxh3_64(stem.text.as_bytes()) }).wrapping_add(u64::from(stem.tail) << 24))
}

/// Calls `each` for the words of a text, at most `words_max` of them.
pub fn for_each_word(text: &str, tokens: &Tokens, words_max: usize, mut each: impl FnMut(Word)) {
    let mut previous: Option<Token<'_>> = None;
    for token in tokens.iter().take(words_max) {
        let gap = previous.map_or(0, |p| p.end)..token.start;
        let opens_sentence = previous.is_none() || (text.as_bytes()[gap.clone()] != *b" " && ends_sentence(&text[gap]));
        let first = match text.as_bytes()[token.start] {
            byte if byte.is_ascii() => char::from(byte),
            _ => text[token.start..].chars().next().unwrap_or(' '),
        };
        if !first.is_ascii() && is_unspaced(first) {
            unspaced(token, previous.filter(|p| p.end == token.start), opens_sentence, &mut each);
        } else {
            let folded = clip(token.folded);
            let hash = || if folded.len() == token.folded.len() { token.hash } else { xxh3_64(folded.as_bytes()) };
            let number = if folded.len() == token.folded.len() {
                token.has_digit() || is_number_word(folded)
            } else {
                folded.bytes().any(|b| b.is_ascii_digit())
            };
            each(Word {
                hash: if number { short(hash()) } else { term_hash_of(folded, hash) },
                capital: first.is_uppercase(),
                number,
                opens_sentence,
                start: token.start as u32,
                end: token.end as u32,
            });
        }
        previous = Some(token);
    }
}

/// Numbers that headlines spell out: a third package is not a second one.
fn is_number_word(folded: &str) -> bool {
    if !matches!(folded.as_bytes(), [b'd' | b'e' | b'f' | b'n' | b's' | b't', _, _, ..]) {
        return false;
    }
    match folded.len() {
        3 => matches!(folded, "two" | "six" | "ten"),
        4 => matches!(folded, "four" | "five" | "nine"),
        5 => matches!(
            folded,
            "three" | "seven" | "eight" | "third" | "fifth" | "sixth" | "ninth" | "tenth" | "dozen" | "twice"
        ),
        6 => matches!(folded, "eleven" | "twelve" | "second" | "fourth" | "eighth"),
        7 => folded == "seventh",
        _ => false,
    }
}

/// The words of a text that stand for those terms, as written, each term once: to show people what
/// two items share. Terms that the text lacks are left out.
#[must_use]
pub fn spell(text: &str, tokens: &Tokens, terms: &[u32]) -> Vec<String> {
    let mut found: Vec<Option<String>> = vec![None; terms.len()];
    for_each_word(text, tokens, usize::MAX, |word| {
        if let Some(at) = terms.iter().position(|term| *term == word.hash)
            && found[at].is_none()
        {
            found[at] = Some(text[word.start as usize..word.end as usize].to_owned());
        }
    });
    found.into_iter().flatten().collect()
}

/// Scripts written without spaces: words are not marked, so pairs of characters stand for them.
#[must_use]
pub fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF // Thai, Lao, Myanmar, Khmer
        | 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF)
}

/// The pairs of characters within a token, and the one that bridges to the token before it.
fn unspaced(token: Token<'_>, joined: Option<Token<'_>>, opens_sentence: bool, each: &mut impl FnMut(Word)) {
    let mut last = joined.and_then(|p| p.folded.chars().next_back()).filter(|c| is_unspaced(*c));
    for c in token.folded.chars().take(WORD_BYTES_MAX) {
        if let Some(before) = last {
            let mut bytes = [0; 8];
            let split = before.encode_utf8(&mut bytes).len();
            let len = split + c.encode_utf8(&mut bytes[split..]).len();
            each(Word {
                hash: short(xxh3_64(&bytes[..len])),
                capital: false,
                number: false,
                opens_sentence,
                start: joined.map_or(token.start, |p| p.start) as u32,
                end: token.end as u32,
            });
        }
        last = Some(c);
    }
}

fn short(hash: u64) -> u32 {
    hash as u32 >> (u32::BITS - TERM_BITS)
}

fn ends_sentence(gap: &str) -> bool {
    gap.chars().any(|c| matches!(c, '.' | '!' | '?' | ':' | '\n' | '“' | '”' | '"' | '`' | '•' | '|' | '«' | '…'))
}

fn clip(word: &str) -> &str {
    &word[..word.floor_char_boundary(WORD_BYTES_MAX)]
}

struct Stem<'a> {
    text: &'a str,
    tail: u8,
}

/// A light stemmer: plural, past and progressive endings of English, the endings of Cyrillic nouns
/// and names. It only has to bring the forms of one word together, not to be right.
fn stem(word: &str) -> Stem<'_> {
    let word = word.strip_suffix("'s").unwrap_or(word);
    // So short a word has no ending to lose in any script.
    if word.len() <= SHORT_BYTES_MAX {
        return Stem { text: word, tail: 0 };
    }
    if word.is_ascii() {
        return stem_ascii(word);
    }
    let letters = word.chars().count();
    let cyrillic = word.chars().next().is_some_and(|c| matches!(u32::from(c), 0x0400..=0x052F));
    if cyrillic && letters > 5 {
        let keep = if letters > 7 { letters - 3 } else { letters - 2 };
        let end = word.char_indices().nth(keep).map_or(word.len(), |(at, _)| at);
        return Stem { text: &word[..end], tail: 0 };
    }
    Stem { text: word, tail: 0 }
}

fn stem_ascii(word: &str) -> Stem<'_> {
    let mut w = word;
    let mut tail = 0;
    if w.len() > SHORT_BYTES_MAX {
        if let Some(base) = w.strip_suffix("ies") {
            w = base;
            tail = b'y';
        } else if w.ends_with("sses") {
            w = &w[..w.len() - 2];
        } else if w.ends_with('s') && !w.ends_with("ss") && !w.ends_with("us") && !w.ends_with("is") {
            w = &w[..w.len() - 1];
        }
        if w.len() > 5 && w.ends_with("ing") {
            w = &w[..w.len() - 3];
        } else if w.len() > 4 && w.ends_with("ed") {
            w = &w[..w.len() - 2];
        }
        if w.len() > 4 && w.ends_with('e') {
            w = &w[..w.len() - 1];
        }
        if w.len() > 4 && w.ends_with('y') {
            w = &w[..w.len() - 1];
            tail = b'y';
        }
        let b = w.as_bytes();
        if b.len() > 4 && b[b.len() - 1] == b[b.len() - 2] && !matches!(b[b.len() - 1], b's' | b'l') {
            w = &w[..w.len() - 1];
        }
    }
    Stem { text: w, tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        let mut out = Vec::new();
        for_each_word(text, &Tokens::of(text), usize::MAX, |w| out.push(w));
        out
    }

    #[test]
    fn term_hash_brings_forms_of_a_word_together() {
        for (a, b) in [
            ("deploys", "deployed"),
            ("deploying", "deploy"),
            ("companies", "company"),
            ("stopped", "stop"),
            ("minister's", "minister"),
            ("pledges", "pledged"),
        ] {
            assert_eq!(term_hash(a), term_hash(b), "{a} {b}");
        }
        for (a, b) in [("deploy", "depot"), ("france", "french"), ("ukraine", "ukrainian"), ("bus", "busy")] {
            assert_ne!(term_hash(a), term_hash(b), "{a} {b}");
        }
        let folded = |w: &str| crate::text::tokens::fold(w);
        assert_eq!(term_hash(&folded("Министерство")), term_hash(&folded("министерства")));
    }

    #[test]
    fn words_know_names_numbers_and_sentence_starts() {
        let seen = words("Floods hit Oldtown. Then 12 roads closed.");
        let flags: Vec<_> = seen.iter().map(|w| (w.capital, w.number, w.opens_sentence)).collect();
        assert_eq!(flags[0], (true, false, true));
        assert_eq!(flags[2], (true, false, false));
        assert_eq!(flags[3], (true, false, true));
        assert_eq!(flags[4], (false, true, false));
    }

    #[test]
    fn spell_gives_the_words_behind_terms_in_their_order() {
        let text = "Crews reopened both roads; the road stays open.";
        let terms = [term_hash("road"), term_hash("nowhere"), term_hash("reopen")];
        assert_eq!(spell(text, &Tokens::of(text), &terms), ["roads", "reopened"]);
    }

    #[test]
    fn words_of_unspaced_scripts_are_pairs_of_characters() {
        let seen = words("洪水警報");
        assert_eq!(seen.len(), 3);
        assert_eq!(words("水警")[0].hash, seen[1].hash);
    }
}
