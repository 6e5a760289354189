//! A text and the places where rules hit → its paragraphs in pieces, each with the topics that it is evidence for.
//! Places may overlap, and may be wrong in a store changed by hand: nothing here trusts them.

use serde::Serialize;

/// Pieces of one text; what follows is one more, unmarked.
const PIECES_MAX: usize = 2000;

/// A place that is evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MarkedPlace {
    pub start: usize,
    pub end: usize,
    /// The topic's number on the page, from 1.
    pub topic: usize,
}

/// A run of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct TextPiece {
    pub text: String,
    /// Numbers of the topics it is evidence for.
    pub topics: Vec<usize>,
    /// Those of them whose evidence ends here: that is where the number stands.
    pub ends: Vec<usize>,
}

/// Splits a text where marks begin and end, and into paragraphs where lines do.
pub(super) fn paragraphs(text: &str, places: &[MarkedPlace]) -> Vec<Vec<TextPiece>> {
    let fits = |place: &&MarkedPlace| {
        place.start < place.end && text.is_char_boundary(place.start) && text.is_char_boundary(place.end)
    };
    let places: Vec<&MarkedPlace> = places.iter().filter(fits).collect();
    let mut cuts: Vec<usize> = places.iter().flat_map(|place| [place.start, place.end]).collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    cuts.dedup();
    if cuts.len() > PIECES_MAX {
        cuts.truncate(PIECES_MAX);
        cuts.push(text.len());
    }
    let mut out: Vec<Vec<TextPiece>> = vec![Vec::new()];
    for pair in cuts.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let mut topics: Vec<usize> =
            places.iter().filter(|place| place.start <= from && to <= place.end).map(|place| place.topic).collect();
        topics.sort_unstable();
        topics.dedup();
        for (line, part) in text[from..to].split('\n').enumerate() {
            if line > 0 {
                out.push(Vec::new());
            }
            if !part.is_empty() {
                out.last_mut().expect("invariant: there is always a paragraph").push(TextPiece {
                    text: part.to_owned(),
                    topics: topics.clone(),
                    ends: Vec::new(),
                });
            }
        }
    }
    for paragraph in &mut out {
        for at in 0..paragraph.len() {
            let goes_on = paragraph.get(at + 1).map(|next| next.topics.clone()).unwrap_or_default();
            let piece = &mut paragraph[at];
            piece.ends = piece.topics.iter().copied().filter(|topic| !goes_on.contains(topic)).collect();
        }
    }
    out.retain(|paragraph| paragraph.iter().any(|piece| !piece.text.trim().is_empty()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, places: &[(usize, usize, usize)]) -> String {
        let places: Vec<MarkedPlace> =
            places.iter().map(|&(start, end, topic)| MarkedPlace { start, end, topic }).collect();
        let piece = |piece: &TextPiece| match piece.topics.as_slice() {
            [] => piece.text.clone(),
            topics => format!("[{}|{}]", piece.text, topics.iter().map(ToString::to_string).collect::<String>()),
        };
        let lines = paragraphs(text, &places);
        lines.iter().map(|line| line.iter().map(piece).collect::<String>()).collect::<Vec<_>>().join("/")
    }

    #[test]
    fn marks_may_overlap_and_lose_no_text() {
        assert_eq!(shown("the storm closed ports", &[(4, 16, 1), (10, 22, 2)]), "the [storm |1][closed|12][ ports|2]");
        assert_eq!(shown("one\n\ntwo three", &[(0, 8, 1)]), "[one|1]/[two|1] three");
        assert_eq!(shown("plain", &[]), "plain");
        assert_eq!(shown("", &[(0, 3, 1)]), "");
    }

    #[test]
    fn marks_that_fit_nowhere_are_left_out() {
        assert_eq!(shown("Zürich", &[(2, 3, 1), (5, 2, 1), (0, 99, 1), (3, 3, 2)]), "Zürich");
    }
}
