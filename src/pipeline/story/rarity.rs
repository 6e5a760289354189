//! How rare a term is: in news at large (background) and among the items remembered now. A pure
//! function of the remembered items, so that a rebuilt memory weighs exactly as the old one did.

use serde::{Deserialize, Serialize};

use super::background;
use super::profile::{Profile, Term, Zone};
use super::words::Kind;

/// Slots of a counting row; two rows and the smaller count make a collision with a common term rare.
const ROW_SLOTS: usize = 1 << 17;
/// Texts the background table counts for against the stream.
const BACKGROUND_TEXTS: f32 = 1500.0;
/// Step of a stored weight.
const WEIGHT_STEP: f32 = 0.5;
/// One term as remembered: 22 bits of hash, place, kind and weight in four bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weighted(u32);

impl Weighted {
    fn new(term: Term, weight: f32) -> Self {
        let level = rounded(weight / WEIGHT_STEP).clamp(1, 63);
        Self((term.hash << 10) | ((term.zone as u32) << 8) | ((term.kind as u32) << 6) | level)
    }

    /// The term.
    #[must_use]
    pub fn hash(self) -> u32 {
        self.0 >> 10
    }

    /// Where the term stands.
    #[must_use]
    pub fn zone(self) -> Zone {
        match self.0 >> 8 & 3 {
            0 => Zone::Body,
            1 => Zone::Lead,
            _ => Zone::Title,
        }
    }

    /// Sort of word.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self.0 >> 6 & 3 {
            0 => Kind::Plain,
            1 => Kind::Name,
            _ => Kind::Number,
        }
    }

    /// Occurrences (damped) times idf when the item came.
    #[must_use]
    pub fn weight(self) -> f32 {
        (self.0 & 63) as f32 * WEIGHT_STEP
    }

    /// For the memory's storage.
    #[must_use]
    pub fn to_bits(self) -> u32 {
        self.0
    }

    /// Back from storage.
    #[must_use]
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

/// Counts of terms over the remembered items.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rarity {
    rows: [Vec<u32>; 2],
    items: u32,
}

impl Default for Rarity {
    fn default() -> Self {
        Self { rows: [vec![0; ROW_SLOTS], vec![0; ROW_SLOTS]], items: 0 }
    }
}

impl Rarity {
    /// Whether its rows have the length they must have: one that was read back may be anything.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.rows.iter().all(|row| row.len() == ROW_SLOTS)
    }

    /// Idf of a term now.
    #[must_use]
    pub fn idf(&self, hash: u32) -> f32 {
        let background = background::idf(hash);
        let [a, b] = slots(hash);
        let count = self.rows[0][a].min(self.rows[1][b]) as f32;
        let share = (count + BACKGROUND_TEXTS * background::share(background)) / (self.items as f32 + BACKGROUND_TEXTS);
        background.min(-share.ln()).max(0.0)
    }

    /// The terms of an item with their weight now.
    #[must_use]
    pub fn weigh(&self, profile: &Profile) -> Vec<(Weighted, f32)> {
        let weigh = |term: &Term| {
            let idf = self.idf(term.hash);
            (Weighted::new(*term, idf * (1.0 + f32::from(term.count.max(1)).ln())), idf)
        };
        profile.terms.iter().map(weigh).collect()
    }

    /// Counts an item that is remembered from now on.
    pub fn add(&mut self, terms: impl Iterator<Item = Weighted>) {
        self.items += 1;
        for term in terms {
            for (row, slot) in self.rows.iter_mut().zip(slots(term.hash())) {
                row[slot] += 1;
            }
        }
    }

    /// Takes an item back that is forgotten.
    pub fn remove(&mut self, terms: impl Iterator<Item = Weighted>) {
        self.items = self.items.saturating_sub(1);
        for term in terms {
            for (row, slot) in self.rows.iter_mut().zip(slots(term.hash())) {
                row[slot] = row[slot].saturating_sub(1);
            }
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.rows.iter().map(|row| row.capacity() * size_of::<u32>()).sum()
    }
}

/// `round` of a number that is not negative, where that is a call of its own for each.
fn rounded(number: f32) -> u32 {
    let whole = number as u32;
    whole + u32::from(number - whole as f32 >= 0.5)
}

fn slots(term: u32) -> [usize; 2] {
    let second = term.wrapping_mul(0x9E37_79B1) >> (32 - ROW_SLOTS.trailing_zeros());
    [term as usize & (ROW_SLOTS - 1), second as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounded_is_what_round_gives() {
        let near = |number: f32| [number.next_down(), number, number.next_up()];
        for number in (0..200).flat_map(|n| near(n as f32 / 2.0 + 0.5)) {
            assert_eq!(rounded(number), number.round() as u32, "{number}");
        }
        assert_eq!((rounded(0.0), rounded(-0.0)), (0, 0));
    }
}
