//! Places in a document and how `NEAR` combines them: minimal-interval semantics (Clarke, Cormack and
//! Burkowski 1995). A list holds no span that contains another, so lists stay as short as the text and
//! each operator is one pass.

use super::query::Order;
use crate::model::Field;

/// Words `start..end` of a document. A position carries its field in its top two bits, so no span
/// and no distance reaches from one field into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub start: u32,
    pub end: u32,
}

/// Fields a search may be limited to, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fields(u8);

impl Fields {
    /// Where words are looked for when no field is named.
    pub const TEXT: Self = Self(0b0011);

    /// One field with words.
    pub fn only(field: Field) -> Self {
        Self(1 << number(field))
    }

    /// Whether a position lies in one of these.
    pub fn hold(self, position: u32) -> bool {
        self.0 & (1 << (position >> FIELD_SHIFT)) != 0
    }

    /// Whether this field is one of these.
    pub fn has(self, field: Field) -> bool {
        self.0 & Self::only(field).0 != 0
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
    spans.sort_unstable_by_key(|span| (span.end, std::cmp::Reverse(span.start)));
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

/// Every `left` with its nearest `right`s at most `words` apart; spans that share a word are not near
/// each other but the same.
pub(super) fn near(left: &[Span], right: &[Span], words: u8, order: Order) -> Vec<Span> {
    let mut found = Vec::new();
    for a in left {
        let after = right.partition_point(|b| b.start < a.end);
        if let Some(b) = right.get(after)
            && b.start - a.end <= u32::from(words)
        {
            found.push(Span { start: a.start, end: b.end });
        }
        if order == Order::Any {
            let before = right.partition_point(|b| b.end <= a.start);
            if let Some(b) = before.checked_sub(1).and_then(|last| right.get(last))
                && a.start - b.end <= u32::from(words)
            {
                found.push(Span { start: b.start, end: a.end });
            }
        }
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
        fits.then_some(Span { start, end: start + words.len() as u32 })
    };
    positions.iter().filter_map(starts_row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(u32, u32)]) -> Vec<Span> {
        pairs.iter().map(|&(start, end)| Span { start, end }).collect()
    }

    #[test]
    fn near_counts_the_words_between() {
        let (a, b) = (spans(&[(0, 1)]), spans(&[(4, 5)]));
        assert_eq!(near(&a, &b, 3, Order::Any), spans(&[(0, 5)]));
        assert_eq!(near(&b, &a, 3, Order::Any), spans(&[(0, 5)]));
        assert_eq!(near(&a, &b, 2, Order::Any), []);
        assert_eq!(near(&b, &a, 3, Order::LeftFirst), []);
        assert_eq!(near(&a, &a, 3, Order::Any), []);
    }

    #[test]
    fn near_keeps_the_tightest_spans() {
        let (a, b) = (spans(&[(0, 1), (2, 3)]), spans(&[(3, 4), (9, 10)]));
        assert_eq!(near(&a, &b, 100, Order::Any), spans(&[(2, 4)]));
    }

    #[test]
    fn near_never_reaches_into_another_field() {
        let title = spans(&[(position(Field::Title, 3), position(Field::Title, 4))]);
        let body = spans(&[(position(Field::Body, 0), position(Field::Body, 1))]);
        assert_eq!(near(&title, &body, 100, Order::Any), []);
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
        assert_eq!(row(&[vec![0], vec![]]), []);
    }

    #[test]
    fn minimal_drops_what_contains_another() {
        assert_eq!(minimal(spans(&[(0, 5), (1, 3), (1, 3), (2, 7)])), spans(&[(1, 3), (2, 7)]));
    }
}
