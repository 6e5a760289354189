//! What tells most words of a text from those of the tables, before any is looked up. What is set says "maybe", what
//! is not says "no".

/// Ten times as many as there are forms, and no more than the nearest cache holds.
const FILTER_BITS: usize = 1 << 17;

/// Two bits for each hash, by some of its own bits: where one is not set, the hash is not there.
#[derive(Debug)]
pub(super) struct HashFilter(Vec<u64>);

impl HashFilter {
    /// Without any.
    pub fn new() -> Self {
        Self(vec![0; FILTER_BITS / 64])
    }

    fn place(hash: u64) -> (usize, u64) {
        // Other bits than those that choose the slot.
        let word = (hash >> 46) as usize & (FILTER_BITS / 64 - 1);
        (word, 1 << (hash >> 40 & 63) | 1 << (hash >> 34 & 63))
    }

    /// Adds a hash.
    pub fn add(&mut self, hash: u64) {
        let (word, bits) = Self::place(hash);
        self.0[word] |= bits;
    }

    /// Whether a hash may be among them.
    pub fn may_have(&self, hash: u64) -> bool {
        let (word, bits) = Self::place(hash);
        self.0[word] & bits == bits
    }
}

/// How many letters the forms have that an ending may follow, a bit each, by the first two bytes of a word and what it is
/// hashed on from: of most beginnings of a word there is none of that length, and they need no hash.
#[derive(Debug)]
pub(super) struct StemLengths(Vec<u32>);

impl Default for StemLengths {
    fn default() -> Self {
        Self(vec![0; 1 << Self::BITS])
    }
}

impl StemLengths {
    const BITS: u32 = 12;

    fn place(state: u64, first: u8, second: u8) -> usize {
        let start = u64::from(u16::from_le_bytes([first, second]));
        ((state ^ start).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - Self::BITS)) as usize
    }

    /// Adds a form.
    pub fn add(&mut self, state: u64, stem: &str) {
        let bit = 1 << stem.chars().count().min(31);
        match *stem.as_bytes() {
            [] => {}
            [only] => (0..=u8::MAX).for_each(|second| self.0[Self::place(state, only, second)] |= bit),
            [first, second, ..] => self.0[Self::place(state, first, second)] |= bit,
        }
    }

    /// The lengths of those that may begin like a word.
    pub fn of(&self, state: u64, word: &[u8]) -> u32 {
        match *word {
            [first, second, ..] => self.0[Self::place(state, first, second)],
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_miss_nothing_that_was_added() {
        let mut hashes = HashFilter::new();
        let hash = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..10_000).for_each(|n| hashes.add(hash(n)));
        assert!((0..10_000).all(|n| hashes.may_have(hash(n))));
        let others = (10_000..20_000).filter(|n| hashes.may_have(hash(*n))).count();
        assert!(others < 1_000, "{others} of 10,000 pass for others");
    }

    #[test]
    fn stem_lengths_are_in_letters_and_by_the_first_two_bytes() {
        let mut lengths = StemLengths::default();
        for stem in ["sanction", "санкц", "a", ""] {
            lengths.add(7, stem);
        }
        assert_eq!(lengths.of(7, b"sanctions") & 1 << 8, 1 << 8);
        assert_eq!(lengths.of(7, "санкції".as_bytes()) & 1 << 5, 1 << 5);
        assert_eq!(lengths.of(7, b"an") & 1 << 1, 1 << 1);
        assert_eq!((lengths.of(7, b"s"), lengths.of(7, b"")), (0, 0));
    }
}
