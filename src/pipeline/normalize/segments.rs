//! A text as units that are kept or dropped whole: its sentences, each with its paragraph. Units are byte ranges of the text, so that nothing is copied until something is dropped.

use std::ops::Range;

use super::cues;

/// Units looked at; a text of more is cut off by its byte cap long before.
const UNITS_MAX: usize = 20_000;
/// Bytes of a short sentence.
const UNIT_BYTES: usize = 64;

/// One sentence, or what stands for one: a headline, a label, a caption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    pub span: Range<usize>,
    pub words: usize,
    /// Sum of the cues in it.
    pub score: u8,
    /// The strongest of them.
    pub strongest: u8,
    /// The paragraph it stands in, counted from 0.
    pub paragraph: usize,
    /// It is all of its paragraph.
    pub alone: bool,
}

/// The units of a text in order.
pub(super) fn units(text: &str) -> Vec<Unit> {
    // One scratch list for all paragraphs, and room for sentences of usual length: growing costs more than filling.
    let (mut units, mut sentences) = (Vec::with_capacity(text.len() / UNIT_BYTES + 4), Vec::new());
    let mut at = 0;
    for (number, paragraph) in text.split('\n').enumerate() {
        let start = at;
        at += paragraph.len() + 1;
        if units.len() >= UNITS_MAX {
            // What is not looked at is kept as it is.
            units.push(unit(start..text.len(), text, number, true));
            break;
        }
        sentences.clear();
        push_sentences(paragraph, &mut sentences);
        let alone = sentences.len() == 1;
        units.extend(sentences.iter().map(|s| unit(start + s.start..start + s.end, text, number, alone)));
    }
    let mut cues = cues::find(text).into_iter().peekable();
    for unit in &mut units {
        while let Some((_, weight)) = cues.next_if(|(at, _)| *at < unit.span.end) {
            unit.score = unit.score.saturating_add(weight);
            unit.strongest = unit.strongest.max(weight);
        }
    }
    units
}

fn unit(span: Range<usize>, text: &str, paragraph: usize, alone: bool) -> Unit {
    let words = word_count(&text[span.clone()]);
    Unit { span, words, score: 0, strongest: 0, paragraph, alone }
}

/// The sentence that holds a place of a text; its paragraph where that is no sentence.
pub(crate) fn sentence_at(text: &str, at: usize) -> Range<usize> {
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |line| line + 1);
    let end = text.get(at..).and_then(|after| after.find('\n')).map_or(text.len(), |line| at + line);
    let within = sentences(&text[start..end]).into_iter().map(|s| start + s.start..start + s.end);
    within.rev().find(|sentence| sentence.start <= at).unwrap_or(start..end)
}

/// The sentences of a paragraph.
fn sentences(paragraph: &str) -> Vec<Range<usize>> {
    let mut sentences = Vec::new();
    push_sentences(paragraph, &mut sentences);
    sentences
}

/// Adds the sentences of a paragraph, blanks between them left out. Errs on the side of too few.
fn push_sentences(paragraph: &str, sentences: &mut Vec<Range<usize>>) {
    let (mut start, mut from) = (0, 0);
    while let Some((at, end)) = next_stop(paragraph, from) {
        from = end;
        if at < start {
            continue;
        }
        let tail = &paragraph[end..];
        let closing = tail.len() - tail.trim_start_matches(['"', '”', '’', '»', ')', ']', '\'']).len();
        let after = &tail[closing..];
        let next = after.trim_start();
        if next.len() == after.len() || next.is_empty() {
            continue;
        }
        let opens = next.chars().next().is_some_and(|c| !c.is_lowercase() && !matches!(c, ')' | ',' | ';' | ':'));
        if opens && !(paragraph[at..end] == *"." && is_abbreviation(&paragraph[start..at])) {
            sentences.push(start..end + closing);
            start = paragraph.len() - next.len();
        }
    }
    if !paragraph[start..].trim().is_empty() {
        sentences.push(start..paragraph.len());
    }
}

/// Where the next `.`, `!`, `?` or `…` stands, and where it ends.
fn next_stop(paragraph: &str, mut from: usize) -> Option<(usize, usize)> {
    const ELLIPSIS: &[u8] = "…".as_bytes();
    const STEP: usize = 32;
    // Without a branch, and over steps of one size: the compiler makes wide instructions of that.
    let is = |byte: u8, stop: u8| u8::from(byte == stop);
    let stops = |byte: &u8| is(*byte, b'.') | is(*byte, b'!') | is(*byte, b'?') | is(*byte, ELLIPSIS[0]);
    let without = |step: &&[u8]| step.iter().fold(0, |found, byte| found | stops(byte)) == 0;
    let bytes = paragraph.as_bytes();
    loop {
        from += bytes[from..].chunks_exact(STEP).take_while(without).count() * STEP;
        let at = from + bytes[from..].iter().position(|byte| stops(byte) != 0)?;
        if bytes[at].is_ascii() {
            return Some((at, at + 1));
        }
        if bytes[at..].starts_with(ELLIPSIS) {
            return Some((at, at + ELLIPSIS.len()));
        }
        from = at + 1;
    }
}

/// As many as `split_whitespace` gives.
fn word_count(text: &str) -> usize {
    if text.is_ascii() {
        // Likewise, over steps whose sum a byte holds.
        const STEP: usize = 128;
        let white = |byte: u8| u8::from(byte == b' ') | u8::from(byte.wrapping_sub(b'\t') < 5);
        let begin = |before: &[u8], here: &[u8]| -> u8 {
            before.iter().zip(here).map(|(before, here)| white(*before) & (white(*here) ^ 1)).sum()
        };
        let Some((first, rest)) = text.as_bytes().split_first() else { return 0 };
        let steps = text.as_bytes().chunks(STEP).zip(rest.chunks(STEP));
        return usize::from(white(*first) ^ 1) + steps.map(|(a, b)| usize::from(begin(a, b))).sum::<usize>();
    }
    let (mut words, mut white_before) = (0, true);
    for c in text.chars() {
        let white = if c.is_ascii() { matches!(c, ' ' | '\t'..='\r') } else { c.is_whitespace() };
        words += usize::from(white_before && !white);
        white_before = white;
    }
    words
}

fn is_abbreviation(before: &str) -> bool {
    let word = before.rsplit([' ', '(', '“', '"', '.']).next().unwrap_or_default();
    let single = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    single
        || matches!(
            word,
            "Mr" | "Mrs"
                | "Ms"
                | "Dr"
                | "St"
                | "Gen"
                | "Col"
                | "Lt"
                | "Sen"
                | "Rep"
                | "Gov"
                | "Prof"
                | "No"
                | "Jr"
                | "vs"
                | "Inc"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        sentences(text).into_iter().map(|span| &text[span]).collect()
    }

    #[test]
    fn sentences_end_where_a_new_one_begins() {
        assert_eq!(split("One two. Three “four.” Five? six."), ["One two.", "Three “four.”", "Five? six."]);
        assert_eq!(
            split("Mr. A. Smith of St. Ives paid 3.5 million. Done"),
            ["Mr. A. Smith of St. Ives paid 3.5 million.", "Done"]
        );
        assert_eq!(split("Кінець. Початок"), ["Кінець.", "Початок"]);
        assert!(split("").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn next_stop_is_the_first_one(text in "[a-z “”—é]{0,70}([.!?…]|[a-z“]{0,40}){0,3}", from in 0usize..3) {
            let from = text.char_indices().nth(from).map_or(0, |(at, _)| at);
            let stop = text[from..].find(['.', '!', '?', '…']).map(|at| from + at);
            let end = stop.and_then(|at| Some(at + text[at..].chars().next()?.len_utf8()));
            proptest::prop_assert_eq!(next_stop(&text, from), stop.zip(end));
        }

        #[test]
        fn word_count_is_that_of_split_whitespace(text in "([a-z.,é漢]|[ \t\n\r\u{b}\u{1c}\u{85}\u{a0}\u{3000}]){0,30}") {
            proptest::prop_assert_eq!(word_count(&text), text.split_whitespace().count());
        }
    }

    #[test]
    fn units_cover_the_text_and_carry_their_cues() {
        let long = "The port reopened after the storm. ".repeat(12);
        let text = format!("Short line\n{long}All rights reserved.\nEnd");
        let units = units(&text);
        assert!(units[0].alone && !units[1].alone && units[1].paragraph == 1);
        let cued: Vec<_> = units.iter().filter(|u| u.score > 0).map(|u| &text[u.span.clone()]).collect();
        assert_eq!(cued, ["All rights reserved."]);
    }
}
