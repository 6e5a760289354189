//! The words around a hit that a person can judge it by: its sentence whole, or of a very long one the clauses
//! around the hit; and where an excerpt begins, after labels and bylines that are no sentence.

use crate::pipeline::normalize::sentence_at;
use crate::text::clean;

/// Longest passage; a sentence of more is cut to the clauses around the hit.
pub(super) const CHARS_MAX: usize = 320;
/// A first line of fewer words, without a full stop, is a label.
const LABEL_WORDS_MAX: usize = 5;
/// Labels passed over.
const LABELS_MAX: usize = 4;
/// Where one clause ends and another begins.
const CLAUSE_ENDS: [&str; 7] = ["; ", ": ", " — ", " – ", ", ", " (", ") "];

/// The passage of a text around `start..end`; offsets that are none give nothing.
pub(super) fn around(text: &str, start: usize, end: usize) -> Option<String> {
    text.get(start..end)?;
    let sentence = sentence_at(text, start);
    // A hit may run over the end of its sentence.
    let last = sentence_at(text, end.saturating_sub(1).max(start));
    let span = sentence.start..sentence.end.max(last.end);
    let whole = text.get(span.clone())?;
    if whole.chars().count() <= CHARS_MAX {
        return Some(clean::one_line(whole).into_owned());
    }
    Some(clauses(whole, start - span.start, end.min(span.end) - span.start))
}

/// As many clauses around the hit as there is room for, on both sides in turn; what is left out is marked.
fn clauses(sentence: &str, start: usize, end: usize) -> String {
    let mut ends: Vec<usize> =
        CLAUSE_ENDS.iter().flat_map(|mark| sentence.match_indices(mark).map(|(at, found)| at + found.len())).collect();
    ends.extend([0, sentence.len()]);
    ends.sort_unstable();
    ends.dedup();
    let room = |from: usize, to: usize| sentence[from..to].chars().count() <= CHARS_MAX - 2;
    let mut from = ends.iter().rev().copied().find(|at| *at <= start).unwrap_or(0);
    let mut to = ends.iter().copied().find(|at| *at >= end).unwrap_or(sentence.len());
    if !room(from, to) {
        // One clause of that length: the words around the hit.
        return clean::excerpt(&sentence[word_before(sentence, start)..], CHARS_MAX);
    }
    loop {
        let before = ends.iter().rev().copied().find(|at| *at < from).filter(|at| room(*at, to));
        from = before.unwrap_or(from);
        let after = ends.iter().copied().find(|at| *at > to).filter(|at| room(from, *at));
        to = after.unwrap_or(to);
        if before.is_none() && after.is_none() {
            break;
        }
    }
    let words = clean::one_line(&sentence[from..to]).trim_end_matches([',', ';', ':', '—', '–', '(', ' ']).to_owned();
    let (opens, closes) = (if from > 0 { "…" } else { "" }, if to < sentence.len() { "…" } else { "" });
    format!("{opens}{words}{closes}")
}

/// The start of a word some way before a place.
fn word_before(text: &str, at: usize) -> usize {
    let from = text[..at].char_indices().rev().nth(CHARS_MAX / 4).map_or(0, |(from, _)| from);
    text[from..at].find(' ').map_or(from, |space| from + space + 1)
}

/// The text from its first sentence on: what stands before is a label, a byline or a date line.
pub(super) fn lead(text: &str) -> &str {
    let mut rest = text;
    for _ in 0..LABELS_MAX {
        let Some((line, after)) = rest.split_once('\n') else { break };
        let ends = line.trim_end().ends_with(['.', '!', '?', '…', '。', '”', '"', '»']);
        if ends || line.split_whitespace().count() > LABEL_WORDS_MAX || after.trim().is_empty() {
            break;
        }
        rest = after;
    }
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str, words: &str) -> String {
        let start = text.find(words).expect("there");
        around(text, start, start + words.len()).expect("a passage")
    }

    #[test]
    fn around_is_the_whole_sentence() {
        let text = "Rain fell all night. The council voted to build a wall, and the mayor signed.\nThe ferry sails on.";
        assert_eq!(found(text, "wall"), "The council voted to build a wall, and the mayor signed.");
        assert_eq!(found(text, "ferry"), "The ferry sails on.");
        assert_eq!(
            found(text, "night. The council"),
            "Rain fell all night. The council voted to build a wall, and the mayor signed."
        );
        assert_eq!(around(text, 5, 4000), None);
        assert_eq!(around("Häfen zu", 2, 3), None, "inside a character");
    }

    #[test]
    fn around_a_long_sentence_keeps_whole_clauses_near_the_hit() {
        let filler = "the harbour master, who had been awake since four, read the list of ships aloud, ".repeat(6);
        let text = format!(
            "On Monday {filler}while the council voted to build a wall, although the union, which has nine hundred members, was against it."
        );
        let passage = found(&text, "voted to build a wall");
        assert!(passage.chars().count() <= CHARS_MAX, "{passage}");
        assert!(
            passage.starts_with('…') && passage.contains("while the council voted to build a wall, although"),
            "{passage}"
        );
        assert!(passage.ends_with("was against it."), "{passage}");
    }

    #[test]
    fn lead_passes_over_labels() {
        assert_eq!(lead("LIVE\nBy A. Author\nThe ferry sails on.\nMore."), "The ferry sails on.\nMore.");
        assert_eq!(lead("The ferry sails on.\nMore."), "The ferry sails on.\nMore.");
        assert_eq!(lead("A photo"), "A photo");
    }

    proptest! {
        #[test]
        fn around_any_hit_is_held_and_short(text in "([a-zé]{1,9}[ ,;.] ?){1,120}", from in 0usize..400, len in 1usize..30) {
            let start = text.ceil_char_boundary(from.min(text.len()));
            let end = text.ceil_char_boundary((start + len).min(text.len()));
            if let Some(passage) = around(&text, start, end) {
                prop_assert!(passage.chars().count() <= CHARS_MAX + 2, "{}", passage.chars().count());
            }
        }
    }
}
