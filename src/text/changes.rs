//! Two versions of a text to what changed between them, word by word: the changed words with a few words
//! around them. Bounded in what it reads and in what it gives; cleans what it gives.

use serde::Serialize;
use similar::{Algorithm, ChangeTag, capture_diff_slices};

use super::clean;

/// Words of each version that are compared; what follows counts as unread.
const WORDS_MAX: usize = 6000;
/// Words shown beside a change.
const CONTEXT_WORDS: usize = 6;
/// Pieces given at most.
const PIECES_MAX: usize = 120;
/// Characters of one piece.
const PIECE_CHARS_MAX: usize = 600;

/// What a piece of text is to the two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeOp {
    /// In both.
    Same,
    /// Only in the earlier one.
    Removed,
    /// Only in the later one.
    Added,
    /// Words that are left out here.
    Skipped,
}

/// A run of words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangePiece {
    /// What it is.
    pub op: ChangeOp,
    /// The words; for what is skipped, how many.
    pub text: String,
}

/// What changed, in reading order; nothing where the words are the same.
#[must_use]
pub fn changes(before: &str, after: &str) -> Vec<ChangePiece> {
    let (old, old_more) = words(before);
    let (new, new_more) = words(after);
    let mut runs: Vec<(ChangeTag, Vec<&str>)> = Vec::new();
    for change in capture_diff_slices(Algorithm::Myers, &old, &new).iter().flat_map(|op| op.iter_changes(&old, &new)) {
        match runs.last_mut() {
            Some((tag, run)) if *tag == change.tag() => run.push(change.value()),
            _ => runs.push((change.tag(), vec![change.value()])),
        }
    }
    if runs.iter().all(|(tag, _)| *tag == ChangeTag::Equal) && old_more == new_more {
        return Vec::new();
    }
    let last = runs.len().saturating_sub(1);
    let mut pieces = Vec::new();
    for (at, (tag, run)) in runs.iter().enumerate() {
        match tag {
            ChangeTag::Delete => pieces.push(piece(ChangeOp::Removed, run)),
            ChangeTag::Insert => pieces.push(piece(ChangeOp::Added, run)),
            ChangeTag::Equal => same(run, at == 0, at == last, &mut pieces),
        }
    }
    if old_more + new_more > 0 {
        pieces.push(skipped(old_more.max(new_more), "not compared"));
    }
    if pieces.len() > PIECES_MAX {
        let left = pieces.len() - PIECES_MAX;
        pieces.truncate(PIECES_MAX);
        pieces.push(ChangePiece { op: ChangeOp::Skipped, text: format!("{left} more pieces") });
    }
    pieces
}

/// The pieces in one line: `[-removed-]` and `{+added+}`, as word diffs are written.
#[must_use]
pub fn in_line(pieces: &[ChangePiece]) -> String {
    let show = |piece: &ChangePiece| match piece.op {
        ChangeOp::Same => piece.text.clone(),
        ChangeOp::Removed => format!("[-{}-]", piece.text),
        ChangeOp::Added => format!("{{+{}+}}", piece.text),
        ChangeOp::Skipped => format!("… {} …", piece.text),
    };
    pieces.iter().map(show).collect::<Vec<_>>().join(" ")
}

/// The words that are compared, and how many are not.
fn words(text: &str) -> (Vec<&str>, usize) {
    let mut all = text.split_whitespace();
    let read = all.by_ref().take(WORDS_MAX).collect();
    (read, all.count())
}

fn piece(op: ChangeOp, run: &[&str]) -> ChangePiece {
    ChangePiece { op, text: clean::excerpt(&run.join(" "), PIECE_CHARS_MAX) }
}

fn skipped(words: usize, how: &str) -> ChangePiece {
    ChangePiece { op: ChangeOp::Skipped, text: format!("{words} words {how}") }
}

/// Words in both: only those beside a change are shown.
fn same(run: &[&str], first: bool, last: bool, pieces: &mut Vec<ChangePiece>) {
    let head = if first { 0 } else { CONTEXT_WORDS.min(run.len()) };
    let tail = if last { 0 } else { CONTEXT_WORDS.min(run.len() - head) };
    let hidden = run.len() - head - tail;
    if hidden <= CONTEXT_WORDS && !(first && last) {
        return pieces.push(piece(ChangeOp::Same, run));
    }
    if head > 0 {
        pieces.push(piece(ChangeOp::Same, &run[..head]));
    }
    pieces.push(skipped(hidden, "alike"));
    if tail > 0 {
        pieces.push(piece(ChangeOp::Same, &run[run.len() - tail..]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(numbers: impl IntoIterator<Item = usize>) -> String {
        numbers.into_iter().fold(String::new(), |text, n| text + "w" + &n.to_string() + " ")
    }

    #[test]
    fn changes_show_words_with_their_neighbours() {
        let table = [
            ("The pier was closed.", "The pier will be closed.", "The pier [-was-] {+will be+} closed."),
            ("", "All new.", "{+All new.+}"),
            ("All gone.", "", "[-All gone.-]"),
            ("No change", "No \n change", ""),
        ];
        for (before, after, expected) in table {
            assert_eq!(in_line(&changes(before, after)), expected);
        }
        let long = numbered(0..100);
        assert_eq!(
            in_line(&changes(&format!("{long}old"), &format!("{long}new"))),
            "… 94 words alike … w94 w95 w96 w97 w98 w99 [-old-] {+new+}"
        );
    }

    #[test]
    fn changes_of_gigantic_and_hostile_texts_are_bounded_and_clean() {
        let words = |step: usize| numbered((0..400_000).map(|n| n * step % 7919));
        let pieces = changes(&words(1), &words(3));
        assert!(pieces.len() <= PIECES_MAX + 1, "{}", pieces.len());
        assert!(pieces.iter().all(|piece| piece.text.chars().count() <= PIECE_CHARS_MAX));
        let hostile = in_line(&changes("calm", "\u{1b}[2J \u{202e}evil"));
        assert!(!hostile.chars().any(clean::is_harmful), "{hostile:?}");
    }
}
