//! Places in a document and how `NEAR` combines them: minimal-interval semantics (Clarke, Cormack and
//! Burkowski 1995). A list holds no span that contains another, so lists stay as short as the text and
//! each operator is one pass.

use super::query::{Order, Scope};
use super::score::LEAD_WORDS;
use crate::model::Field;

/// Words `start..end` of a document. A position carries its field in its top two bits, so no span
/// and no distance reaches from one field into another.
///
/// What `NEAR` joined begins and ends with a match of its own; what lies between these two edges is free
/// for others: in `(a NEAR/5 b) NEAR/5 c` the `c` may stand between `a` and `b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub start: u32,
    pub end: u32,
    /// End of the match it begins with.
    pub head_end: u32,
    /// Start of the match it ends with.
    pub tail_start: u32,
}

impl Span {
    /// A match without gaps.
    pub fn solid(start: u32, end: u32) -> Self {
        Self { start, end, head_end: end, tail_start: start }
    }

    /// From the first edge of two matches to the last.
    fn around(a: Self, b: Self) -> Self {
        let (first, last) = (if b.start < a.start { b } else { a }, if b.end > a.end { b } else { a });
        Self { start: first.start, end: last.end, head_end: first.head_end, tail_start: last.tail_start }
    }

    fn edges(self) -> [(u32, u32); 2] {
        [(self.start, self.head_end), (self.tail_start, self.end)]
    }

    /// Whether an edge of one and an edge of the other have a word in common.
    fn shares_edge(self, other: Self) -> bool {
        self.edges().iter().any(|a| other.edges().iter().any(|b| a.0 < b.1 && b.0 < a.1))
    }
}

/// Fields a search may be limited to, a bit each, and one for the lead of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fields(u8);

const BODY_BIT: u8 = 0b0_0010;
const LEAD_BIT: u8 = 0b1_0000;

impl Fields {
    /// Where words are looked for when no field is named.
    pub const TEXT: Self = Self(0b0_0011);

    /// Where a query is told to look.
    pub fn of(scope: Scope) -> Self {
        match scope {
            Scope::Title => Self(0b0_0001),
            Scope::Lead => Self(0b1_0001),
            Scope::Body => Self(BODY_BIT),
            Scope::Url => Self(0b0_0100),
            Scope::Tag => Self(0b0_1000),
        }
    }

    /// Whether a position lies in one of these.
    pub fn hold(self, position: u32) -> bool {
        self.0 & (1 << (position >> FIELD_SHIFT)) != 0
            || self.0 & LEAD_BIT != 0 && place(position).0 == Field::Body && place(position).1 < LEAD_WORDS
    }

    /// Whether these are all among the others.
    pub fn within(self, others: Self) -> bool {
        let covered = if others.0 & BODY_BIT != 0 { others.0 | LEAD_BIT } else { others.0 };
        self.0 & !covered == 0
    }
}

const FIELD_SHIFT: u32 = 30;
/// Most words of one field that are looked at.
pub(super) const WORDS_MAX: usize = 1 << 20;

/// Source and language have no words; they never get a position.
fn number(field: Field) -> u32 {
    match field {
        Field::Title => 0,
        Field::Body => 1,
        Field::Url => 2,
        Field::Tag | Field::Source | Field::Lang => 3,
    }
}

/// The position of a word of a field.
pub(super) fn position(field: Field, word: usize) -> u32 {
    (number(field) << FIELD_SHIFT) | (word as u32 & ((1 << FIELD_SHIFT) - 1))
}

/// The field and the word of a position.
pub(super) fn place(position: u32) -> (Field, usize) {
    let field = match position >> FIELD_SHIFT {
        0 => Field::Title,
        1 => Field::Body,
        2 => Field::Url,
        _ => Field::Tag,
    };
    (field, (position & ((1 << FIELD_SHIFT) - 1)) as usize)
}

/// Sorts and drops every span that contains another.
pub(super) fn minimal(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable_by_key(|span| (span.end, std::cmp::Reverse(span.start), span.head_end, span.tail_start));
    let mut start_max = None;
    spans.retain(|span| {
        let keep = start_max.is_none_or(|start| span.start > start);
        if keep {
            start_max = Some(span.start);
        }
        keep
    });
    spans
}

/// Every `left` with the `right`s at most `words` before or behind it, or in a gap of it, or around it.
/// Matches that share a word are not near each other but the same.
pub(super) fn near(left: &[Span], right: &[Span], words: u8, order: Order) -> Vec<Span> {
    let mut found = Vec::new();
    let reach = u32::from(words);
    for a in left {
        let overlapping = right.partition_point(|b| b.end <= a.start);
        let behind = right.partition_point(|b| b.start < a.end);
        // Of those behind, the first makes the tightest span; of those before, the last.
        found.extend(right.get(behind).filter(|b| b.start - a.end <= reach).map(|b| Span::around(*a, *b)));
        if order == Order::LeftFirst {
            continue;
        }
        let before = overlapping.checked_sub(1).and_then(|last| right.get(last));
        found.extend(before.filter(|b| a.start - b.end <= reach).map(|b| Span::around(*a, *b)));
        let entangled = right.get(overlapping..behind).unwrap_or_default();
        found.extend(entangled.iter().filter(|b| !a.shares_edge(**b)).map(|b| Span::around(*a, *b)));
    }
    minimal(found)
}

/// Every `left` with no `right` that overlaps it or is at most `words` apart.
pub(super) fn apart(left: &[Span], right: &[Span], words: u8) -> Vec<Span> {
    let reach = u32::from(words);
    left.iter()
        .filter(|a| {
            // The first span that ends late enough to be near from the left is the only one to ask.
            let first = right.partition_point(|b| b.end.saturating_add(reach) < a.start);
            right.get(first).is_none_or(|b| b.start > a.end.saturating_add(reach))
        })
        .copied()
        .collect()
}

/// Where single words stand in a row, given the sorted positions of each.
pub(super) fn row(words: &[Vec<u32>]) -> Vec<Span> {
    let Some((rarest, positions)) = words.iter().enumerate().min_by_key(|(_, positions)| positions.len()) else {
        return Vec::new();
    };
    let starts_row = |at: &u32| {
        let start = at.checked_sub(rarest as u32)?;
        let fits = words
            .iter()
            .enumerate()
            .all(|(offset, positions)| positions.binary_search(&(start + offset as u32)).is_ok());
        fits.then(|| Span::solid(start, start + words.len() as u32))
    };
    positions.iter().filter_map(starts_row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(u32, u32)]) -> Vec<Span> {
        pairs.iter().map(|&(start, end)| Span::solid(start, end)).collect()
    }

    fn ends(spans: &[Span]) -> Vec<(u32, u32)> {
        spans.iter().map(|span| (span.start, span.end)).collect()
    }

    #[test]
    fn near_counts_the_words_between() {
        let (a, b) = (spans(&[(0, 1)]), spans(&[(4, 5)]));
        assert_eq!(ends(&near(&a, &b, 3, Order::Any)), [(0, 5)]);
        assert_eq!(ends(&near(&b, &a, 3, Order::Any)), [(0, 5)]);
        assert!(near(&a, &b, 2, Order::Any).is_empty());
        assert!(near(&b, &a, 3, Order::LeftFirst).is_empty());
        assert!(near(&a, &a, 3, Order::Any).is_empty());
    }

    #[test]
    fn near_keeps_the_tightest_spans() {
        let (a, b) = (spans(&[(0, 1), (2, 3)]), spans(&[(3, 4), (9, 10)]));
        assert_eq!(ends(&near(&a, &b, 100, Order::Any)), [(2, 4)]);
    }

    #[test]
    fn near_takes_what_stands_in_the_gap_but_no_word_twice() {
        let pair = near(&spans(&[(0, 1)]), &spans(&[(6, 7)]), 5, Order::Any);
        assert_eq!(ends(&near(&pair, &spans(&[(3, 4)]), 0, Order::Any)), [(0, 7)]);
        assert_eq!(ends(&near(&spans(&[(3, 4)]), &pair, 0, Order::Any)), [(0, 7)]);
        assert!(near(&pair, &spans(&[(6, 7)]), 9, Order::Any).is_empty());
        assert!(near(&pair, &spans(&[(3, 4)]), 9, Order::LeftFirst).is_empty());
        let crossed = near(&spans(&[(3, 4)]), &spans(&[(9, 10)]), 5, Order::Any);
        assert_eq!(ends(&near(&pair, &crossed, 0, Order::Any)), [(0, 10)]);
    }

    #[test]
    fn near_never_reaches_into_another_field() {
        let title = spans(&[(position(Field::Title, 3), position(Field::Title, 4))]);
        let body = spans(&[(position(Field::Body, 0), position(Field::Body, 1))]);
        assert!(near(&title, &body, 100, Order::Any).is_empty());
        assert_eq!(apart(&title, &body, 100), title);
    }

    #[test]
    fn apart_drops_overlaps_and_neighbours() {
        let a = spans(&[(0, 1), (10, 11), (20, 21)]);
        assert_eq!(apart(&a, &spans(&[(10, 12), (16, 17)]), 3), spans(&[(0, 1), (20, 21)][..1]));
        assert_eq!(apart(&a, &spans(&[(10, 12), (16, 17)]), 2), spans(&[(0, 1), (20, 21)]));
        assert_eq!(apart(&a, &[], 100), a);
    }

    #[test]
    fn row_finds_words_side_by_side() {
        assert_eq!(row(&[vec![0, 5, 9], vec![1, 7, 10]]), spans(&[(0, 2), (9, 11)]));
        assert!(row(&[vec![0], vec![]]).is_empty());
    }

    #[test]
    fn minimal_drops_what_contains_another() {
        assert_eq!(minimal(spans(&[(0, 5), (1, 3), (1, 3), (2, 7)])), spans(&[(1, 3), (2, 7)]));
    }
}
