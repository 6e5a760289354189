//! A line to numbers, words and marks, with their places: what the date grammar reads. White space is
//! not a lexeme; whether there was some is kept. Linear, and capped in bytes by the caller.

use std::ops::Range;

use crate::text::tokens::fold;

/// One lexeme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DateLexeme<'t> {
    pub kind: LexemeKind,
    /// As written.
    pub text: &'t str,
    /// Bytes in the line.
    pub span: Range<usize>,
    /// Nothing stands between this and the lexeme before.
    pub glued: bool,
}

/// What a lexeme is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LexemeKind {
    /// ASCII digits: value (saturating) and how many.
    Number(u64, usize),
    /// Letters, apostrophes within; a single character in scripts that write no spaces.
    Word,
    /// Anything else.
    Mark(char),
}

/// Splits a line; at most `lexemes_max`, the rest is not looked at.
pub(super) fn lex(line: &str, lexemes_max: usize) -> Vec<DateLexeme<'_>> {
    let mut lexemes = Vec::with_capacity(16);
    let mut chars = line.char_indices().peekable();
    let mut previous_end = 0;
    while let Some((start, first)) = chars.next() {
        if first.is_whitespace() || is_invisible(first) {
            continue;
        }
        let same_kind: fn(char) -> bool = if first.is_ascii_digit() {
            |c| c.is_ascii_digit()
        } else if first.is_alphabetic() && !is_unspaced(first) {
            |c| (c.is_alphabetic() && !is_unspaced(c)) || matches!(c, '\u{300}'..='\u{36f}' | '\'' | '’')
        } else {
            |_| false
        };
        let mut end = start + first.len_utf8();
        while let Some((at, c)) = chars.next_if(|(_, c)| same_kind(*c)) {
            end = at + c.len_utf8();
        }
        if lexemes.len() == lexemes_max {
            break;
        }
        let text = &line[start..end];
        let kind = if first.is_ascii_digit() {
            LexemeKind::Number(text.parse().unwrap_or(u64::MAX), text.len())
        } else if first.is_alphabetic() {
            LexemeKind::Word
        } else {
            LexemeKind::Mark(first)
        };
        lexemes.push(DateLexeme { kind, text, span: start..end, glued: previous_end == start && start > 0 });
        previous_end = end;
    }
    lexemes
}

impl DateLexeme<'_> {
    /// The word in the form the tables use; Korean and Chinese marks stay as they are written.
    pub fn folded(&self) -> String {
        if self.text.chars().next().is_some_and(is_unspaced) { self.text.to_owned() } else { fold(self.text) }
    }

    pub fn is_mark(&self, marks: &[char]) -> bool {
        matches!(self.kind, LexemeKind::Mark(c) if marks.contains(&c))
    }

    pub fn is_word(&self) -> bool {
        self.kind == LexemeKind::Word
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{ad}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Kana, Han and Hangul: a date's words there are single characters among others.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}
