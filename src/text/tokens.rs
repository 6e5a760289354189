//! Text to words: UAX #29 word boundaries, folded (lower case, no accents, one width), with the
//! place of each word in the original. Made once per item; dedupe, stories and topics all read it.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;
use xxhash_rust::xxh3::xxh3_64;

use super::{letters, work};

/// Bits of [`KINDS`]: what makes a word, and what joins two letters or two digits within one (the bit of what it
/// joins, shifted).
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const JOINT: u8 = 4;
const APOSTROPHE: u8 = 8;
const JOINS: u8 = 4;
/// What is in a word wherever it stands.
const CORE: u8 = LETTER | DIGIT | JOINT;

/// What ASCII characters are to words: the classes of UAX #29, table 3, of which ASCII has members.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0u8;
    while byte < 128 {
        kinds[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'_' => JOINT,
            b':' => LETTER << JOINS,
            b',' | b';' => DIGIT << JOINS,
            b'.' => (LETTER | DIGIT) << JOINS,
            b'\'' => (LETTER | DIGIT) << JOINS | APOSTROPHE,
            _ => 0,
        };
        byte += 1;
    }
    kinds
};

/// The words of one text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    folded: String,
    spans: Vec<TokenSpan>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TokenSpan {
    hash: u64,
    traits: TokenTraits,
    start: u32,
    end: u32,
    folded_start: u32,
    folded_end: u32,
}

/// What a folded word holds, a bit each: those who read it need not look for that again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TokenTraits(u8);

/// One word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// Folded form.
    pub folded: &'a str,
    /// XXH3 of it, made once: what is stored of sketches and terms rests on this hash.
    pub hash: u64,
    /// Byte offset in the original.
    pub start: usize,
    /// Byte offset of its end.
    pub end: usize,
    traits: TokenTraits,
}

impl Token<'_> {
    const BEYOND_ASCII: u8 = 1 << 7;

    /// Whether its folded form holds a digit of ASCII.
    #[must_use]
    pub fn has_digit(&self) -> bool {
        self.traits.0 & DIGIT != 0
    }

    /// Whether its folded form holds a plain apostrophe.
    #[must_use]
    pub fn has_apostrophe(&self) -> bool {
        self.traits.0 & APOSTROPHE != 0
    }

    /// Whether its folded form is ASCII.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.traits.0 & Self::BEYOND_ASCII == 0
    }
}

impl Tokens {
    /// Splits and folds. Texts beyond 4 GiB are cut there (callers cap far lower).
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut tokens = Self { folded: String::with_capacity(text.len()), spans: Vec::with_capacity(text.len() / 5) };
        for (at, piece) in pieces(text) {
            work::spend(1 + piece.len());
            if u32::try_from(at + piece.len()).is_err() || u32::try_from(tokens.folded.len() + piece.len()).is_err() {
                break;
            }
            if piece.is_ascii() {
                tokens.push_ascii(at, piece);
                continue;
            }
            for (start, word) in piece.unicode_word_indices() {
                let folded_start = tokens.folded.len();
                fold_into(word, &mut tokens.folded);
                let bits = |byte: u8| if byte.is_ascii() { KINDS[usize::from(byte)] } else { Token::BEYOND_ASCII };
                let traits = tokens.folded[folded_start..].bytes().fold(0, |all, byte| all | bits(byte));
                tokens.push(at + start..at + start + word.len(), folded_start..tokens.folded.len(), traits);
            }
        }
        tokens
    }

    /// The words of a piece in which all is ASCII: what UAX #29 comes down to there. The piece is folded whole, what
    /// stands between the words with it: no span points there.
    fn push_ascii(&mut self, at: usize, piece: &str) {
        let folded_at = self.folded.len();
        self.folded.push_str(piece);
        self.folded[folded_at..].make_ascii_lowercase();
        let bytes = piece.as_bytes();
        let kind = |at: usize| bytes.get(at).map_or(0, |byte| KINDS[usize::from(*byte)]);
        let mut end = 0;
        while end < bytes.len() {
            let (start, mut kinds) = (end, 0);
            loop {
                let letters = letters::count_leading(&bytes[end..]);
                end += letters;
                kinds |= if letters > 0 { LETTER } else { 0 };
                while kind(end) & CORE != 0 {
                    kinds |= kind(end);
                    end += 1;
                }
                let joint = kind(end);
                if end == start || joint & kind(end - 1) << JOINS & kind(end + 1) << JOINS == 0 {
                    break;
                }
                kinds |= joint;
                end += 1;
            }
            if kinds & (LETTER | DIGIT) != 0 {
                self.push(at + start..at + end, folded_at + start..folded_at + end, kinds & (DIGIT | APOSTROPHE));
            }
            // What ended it belongs to no word.
            end += 1;
        }
    }

    fn push(&mut self, place: Range<usize>, folded: Range<usize>, traits: u8) {
        self.spans.push(TokenSpan {
            hash: xxh3_64(&self.folded.as_bytes()[folded.clone()]),
            traits: TokenTraits(traits),
            start: place.start as u32,
            end: place.end as u32,
            folded_start: folded.start as u32,
            folded_end: folded.end as u32,
        });
    }

    /// How many words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no word at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The word at a position.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Token<'_>> {
        self.spans.get(index).map(|span| self.token(*span))
    }

    /// The first word that ends after a byte of the original; `len` behind the last one.
    #[must_use]
    pub fn word_at(&self, byte: usize) -> usize {
        self.spans.partition_point(|span| span.end as usize <= byte)
    }

    /// The words in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Token<'_>> + Clone {
        self.spans.iter().map(|span| self.token(*span))
    }

    fn token(&self, span: TokenSpan) -> Token<'_> {
        Token {
            folded: &self.folded[span.folded_start as usize..span.folded_end as usize],
            hash: span.hash,
            traits: span.traits,
            start: span.start as usize,
            end: span.end as usize,
        }
    }
}

/// Cuts a text at spaces and line ends, where words end whatever stands around (UAX #29, WB3a to WB999),
/// so that what is ASCII stands apart from what is not: telling its words is several times cheaper.
fn pieces(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = text.as_bytes();
    let gap_from = |from: usize| {
        bytes[from..].iter().position(|byte| matches!(byte, b' ' | b'\n')).map_or(bytes.len(), |at| from + at)
    };
    let mut from = 0;
    std::iter::from_fn(move || {
        let begin = from;
        let foreign =
            begin + bytes.get(begin..)?.iter().position(|byte| !byte.is_ascii()).unwrap_or(bytes.len() - begin);
        // The word with the foreign letter is left to the next piece, unless it is the first.
        let before = bytes[begin..foreign].iter().rposition(|byte| matches!(byte, b' ' | b'\n'));
        from = match before {
            _ if foreign == bytes.len() => foreign,
            Some(at) => begin + at + 1,
            None => {
                let mut end = gap_from(foreign);
                while bytes.get(end + 1).is_some_and(|byte| !byte.is_ascii()) {
                    end = gap_from(end + 1);
                }
                end
            }
        };
        (from > begin).then(|| (begin, &text[begin..from]))
    })
}

/// The characters of a text that are not ASCII; those that are cost next to nothing.
pub fn beyond_ascii(text: &str) -> impl Iterator<Item = char> + '_ {
    const STEP: usize = 16;
    let mut rest = text;
    std::iter::from_fn(move || {
        let bytes = rest.as_bytes();
        let plain = bytes.chunks(STEP).take_while(|chunk| chunk.is_ascii()).count() * STEP;
        let from = plain.min(bytes.len());
        let at = from + bytes[from..].iter().position(|byte| !byte.is_ascii())?;
        let c = rest[at..].chars().next()?;
        rest = &rest[at + c.len_utf8()..];
        Some(c)
    })
}

/// Folds a word: lower case, compatibility forms and accents gone, typographic apostrophes plain.
#[must_use]
pub fn fold(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    fold_into(word, &mut out);
    out
}

/// [`fold`], appending.
pub fn fold_into(word: &str, out: &mut String) {
    if word.is_ascii() {
        let start = out.len();
        out.push_str(word);
        out[start..].make_ascii_lowercase();
        return;
    }
    for c in word.nfkd() {
        match c {
            '\u{2019}' | '\u{2bc}' | '\u{ff07}' | '\u{60}' | '\u{b4}' => out.push('\''),
            // й and ї decompose like accented letters but are letters of their own: fold them alike everywhere.
            c if is_combining_mark(c) => {}
            'ß' | 'ẞ' => out.push_str("ss"),
            'ł' | 'Ł' => out.push('l'),
            'ø' | 'Ø' => out.push('o'),
            'đ' | 'Đ' => out.push('d'),
            'æ' | 'Æ' => out.push_str("ae"),
            'œ' | 'Œ' => out.push_str("oe"),
            c => out.extend(c.to_lowercase().filter(|c| !is_combining_mark(*c))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Tokens::of(text).iter().map(|t| t.folded.to_owned()).collect()
    }

    #[test]
    fn tokens_fold_case_accents_and_width() {
        assert_eq!(words("La Dépêche, ＮＡＴＯ Straße!"), ["la", "depeche", "nato", "strasse"]);
        assert_eq!(words("Зеленський"), ["зеленськии"]);
        assert_eq!(words("Russia’s 26,000"), ["russia's", "26,000"]);
    }

    #[test]
    fn tokens_know_what_they_hold() {
        let tokens = Tokens::of("l'Ukraine d’été 26,000 Été ８８ Зима2 a.b");
        let of = |word: Token<'_>| (word.has_apostrophe(), word.has_digit(), word.is_ascii());
        let traits: Vec<_> = tokens.iter().map(of).collect();
        let plain = (false, false, true);
        let (quoted, number) = ((true, false, true), (false, true, true));
        assert_eq!(traits, [quoted, quoted, number, plain, number, (false, true, false), plain]);
    }

    #[test]
    fn tokens_keep_the_place_in_the_original() {
        let text = "«Été» à Kyiv";
        let tokens = Tokens::of(text);
        let places: Vec<_> = tokens.iter().map(|t| &text[t.start..t.end]).collect();
        assert_eq!(places, ["Été", "à", "Kyiv"]);
        assert_eq!([0, 2, 7, 10, 99].map(|byte| tokens.word_at(byte)), [0, 0, 1, 1, 3]);
    }

    proptest::proptest! {
        #[test]
        fn tokens_are_the_words_of_uax29_however_the_text_is_cut(
            text in "([a-zA-Z0-9.,;'\"’:_ \r\n\t-]|[éЖ中א\u{301}\u{200d}\u{200e}\u{a0}\u{2019}\u{3000}🇫👩]){0,40}"
        ) {
            let whole: Vec<(usize, &str)> = text.unicode_word_indices().collect();
            let tokens = Tokens::of(&text);
            let cut: Vec<(usize, &str)> = tokens.iter().map(|t| (t.start, &text[t.start..t.end])).collect();
            proptest::prop_assert_eq!(cut, whole);
        }
    }

    #[test]
    fn beyond_ascii_gives_every_other_character_in_order() {
        for filling in [0, 1, 15, 16, 17, 40] {
            let text = format!("é{0}ж{0}漢字{0}", "a".repeat(filling));
            assert_eq!(beyond_ascii(&text).collect::<String>(), "éж漢字", "{filling}");
        }
        assert_eq!(beyond_ascii("only ASCII").count(), 0);
    }

    #[test]
    fn tokens_empty_and_symbols_only_give_none() {
        assert!(Tokens::of("").is_empty());
        assert!(Tokens::of(" — … ?! ").is_empty());
    }
}
