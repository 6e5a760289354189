//! Places of a rule's hits → its points. One rule counts once, at its best place, plus a bounded bonus
//! for coming up again elsewhere; a hit far down a long text counts less. Nothing depends on the
//! length of the text, so words added behind the last hit never change a score. `docs/guide/topics.md`
//! states the formula.

use super::search::{Found, Hit};
use crate::model::{Field, Score};

/// Words of the text that count as its lead.
pub const LEAD_WORDS: usize = 80;
/// Words behind the lead after which a hit is worth half.
pub const HALF_WORTH_WORDS: usize = 1500;
/// Words between two hits that make them two passages rather than one.
pub const PASSAGE_WORDS: usize = 25;

/// The factors of a topic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Boosts {
    pub title: f64,
    pub lead: f64,
    pub repeat: f64,
}

impl Boosts {
    /// No hit is worth more than this times its weight.
    pub fn best(self) -> f64 {
        self.best_place() * (1.0 + self.repeat)
    }

    /// No rule with this first hit, in the order of the fields, and so many hits is worth more.
    pub fn best_from(self, first: &Hit, hits: usize) -> f64 {
        let place = if first.field == Field::Body && first.word >= LEAD_WORDS { 1.0 } else { self.best_place() };
        let place = if first.field == Field::Body { place.min(self.lead.max(1.0)) } else { place };
        if hits > 1 { place * (1.0 + self.repeat) } else { place }
    }

    fn best_place(self) -> f64 {
        self.title.max(self.lead).max(1.0)
    }
}

/// What a rule's hits are worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Worth {
    /// Factor of the best place.
    pub place: f64,
    /// Passages in which the rule hits.
    pub passages: usize,
    /// Factor for the passages.
    pub repeat: f64,
}

impl Worth {
    /// The worth of a rule. Of parts that must all hold the worst placed and the rarest decide, of
    /// alternatives the best placed and the most frequent.
    pub fn of(found: &Found, boosts: Boosts) -> Self {
        let (place, passages) = measure(found, boosts).unwrap_or((1.0, 1));
        Self { place, passages, repeat: repeat(passages, boosts.repeat) }
    }

    /// Points for a rule of this weight.
    pub fn points(self, weight: f64) -> Score {
        Score::from_f64(weight * self.place * self.repeat)
    }
}

/// Factor of the best place and number of passages; `None` for what has no place.
fn measure(found: &Found, boosts: Boosts) -> Option<(f64, usize)> {
    match found {
        Found::Absent => None,
        Found::Places(hits) => {
            let best = hits.iter().map(|hit| place(hit, boosts)).reduce(f64::max)?;
            Some((best, passages(hits)))
        }
        Found::All(parts) => {
            parts.iter().filter_map(|part| measure(part, boosts)).reduce(|a, b| (a.0.min(b.0), a.1.min(b.1)))
        }
        Found::Any(parts) => {
            parts.iter().filter_map(|part| measure(part, boosts)).reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))
        }
    }
}

/// Factor for one place.
pub(super) fn place(hit: &Hit, boosts: Boosts) -> f64 {
    match hit.field {
        Field::Title => boosts.title,
        Field::Body if hit.word < LEAD_WORDS => boosts.lead,
        Field::Body => {
            let depth = (hit.word - LEAD_WORDS) as f64;
            HALF_WORTH_WORDS as f64 / (HALF_WORTH_WORDS as f64 + depth)
        }
        Field::Url | Field::Tag | Field::Source | Field::Lang => 1.0,
    }
}

/// 1, then nearer and nearer to `1 + bonus`: each further passage adds half of what the one before added.
fn repeat(passages: usize, bonus: f64) -> f64 {
    let further = i32::try_from(passages.saturating_sub(1)).unwrap_or(i32::MAX);
    1.0 + bonus * (1.0 - 0.5f64.powi(further))
}

/// How many hits stand well apart, field by field.
fn passages(hits: &[Hit]) -> usize {
    let mut sorted: Vec<&Hit> = hits.iter().collect();
    sorted.sort_unstable();
    let mut count = 0;
    let mut last: Option<&Hit> = None;
    for hit in sorted {
        if last.is_none_or(|last| last.field != hit.field || hit.word - last.word > PASSAGE_WORDS) {
            count += 1;
            last = Some(hit);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOSTS: Boosts = Boosts { title: 2.0, lead: 1.5, repeat: 0.5 };

    fn hit(field: Field, word: usize) -> Hit {
        Hit { field, word, start: 0, end: 1 }
    }

    #[test]
    fn place_title_and_lead_count_more_and_depth_less() {
        assert!((place(&hit(Field::Title, 3), BOOSTS) - 2.0).abs() < 1e-9);
        assert!((place(&hit(Field::Body, LEAD_WORDS - 1), BOOSTS) - 1.5).abs() < 1e-9);
        assert!((place(&hit(Field::Body, LEAD_WORDS), BOOSTS) - 1.0).abs() < 1e-9);
        assert!((place(&hit(Field::Body, LEAD_WORDS + HALF_WORTH_WORDS), BOOSTS) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn repeats_in_one_passage_count_once_and_the_bonus_is_bounded() {
        let same: Vec<Hit> = (0..20).map(|word| hit(Field::Body, LEAD_WORDS + word)).collect();
        assert_eq!(passages(&same), 1);
        let spread: Vec<Hit> = (0..50).map(|n| hit(Field::Body, 100 + n * 40)).collect();
        assert_eq!(passages(&spread), 50);
        let worth = Worth::of(&Found::Places(spread), BOOSTS);
        assert!(worth.repeat > 1.49 && worth.repeat <= 1.5);
        assert_eq!(Worth::of(&Found::Places(same), BOOSTS).points(4.0), Score::from_f64(4.0));
    }

    #[test]
    fn worth_of_all_is_that_of_the_weakest_part_and_of_any_that_of_the_best() {
        let parts = || vec![Found::Places(vec![hit(Field::Title, 0)]), Found::Places(vec![hit(Field::Body, 10)])];
        assert!((Worth::of(&Found::All(parts()), BOOSTS).place - 1.5).abs() < 1e-9);
        assert!((Worth::of(&Found::Any(parts()), BOOSTS).place - 2.0).abs() < 1e-9);
        assert!((Worth::of(&Found::Absent, BOOSTS).place - 1.0).abs() < 1e-9);
    }
}
