//! What tells most words of a text from those of the rules, before any is looked up: a bit for each word by its
//! hash, a bit for each start of one. A bit that is set says "maybe", one that is not says "no".

/// A bit for each two bytes that something starts with.
#[derive(Debug, Default)]
pub(super) struct StartSet(Vec<u64>);

impl StartSet {
    /// Adds the start of a word.
    pub fn insert(&mut self, word: &str) {
        self.0.resize((1 << 16) / 64, 0);
        let start = usize::from(start_of(word));
        self.0[start / 64] |= 1 << (start % 64);
    }

    /// Whether something starts like a word.
    pub fn has(&self, word: &str) -> bool {
        let start = usize::from(start_of(word));
        self.0.get(start / 64).is_some_and(|bits| bits >> (start % 64) & 1 != 0)
    }
}

/// A bit for each word, by its hash, and room for the next: where it is not set, the word is not there.
#[derive(Debug, Default)]
pub(super) struct WordFilter {
    bits: Vec<u64>,
    hashes: Vec<u64>,
}

impl WordFilter {
    /// Bits for each word: one in so many is set.
    const SPARSE: usize = 16;

    /// Adds a word by its hash.
    pub fn insert(&mut self, hash: u64) {
        self.hashes.push(hash);
        let room = (self.hashes.len() * Self::SPARSE).next_power_of_two().max(64) / 64;
        if room > self.bits.len() {
            self.bits = vec![0; room];
            self.hashes.iter().for_each(|hash| Self::set(&mut self.bits, *hash));
        } else {
            Self::set(&mut self.bits, hash);
        }
    }

    fn set(bits: &mut [u64], hash: u64) {
        let at = Self::word(bits, hash);
        bits[at] |= 1 << (hash % 64);
    }

    fn word(bits: &[u64], hash: u64) -> usize {
        (hash >> 6) as usize & bits.len().wrapping_sub(1)
    }

    /// Whether a word may be among them.
    pub fn may_have(&self, hash: u64) -> bool {
        self.bits.get(Self::word(&self.bits, hash)).is_some_and(|bits| bits >> (hash % 64) & 1 != 0)
    }
}

/// The first two bytes of a word, 0 for those it lacks.
pub(super) fn start_of(word: &str) -> u16 {
    let bytes = word.as_bytes();
    u16::from_le_bytes([bytes.first().copied().unwrap_or(0), bytes.get(1).copied().unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_miss_no_word_however_many_there_are() {
        let (mut words, mut starts) = (WordFilter::default(), StartSet::default());
        assert!(!words.may_have(0) && !starts.has(""));
        let hash = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for n in 0..1000 {
            words.insert(hash(n));
        }
        assert!((0..1000).all(|n| words.may_have(hash(n))));
        let others = (1000..11_000).filter(|n| words.may_have(hash(*n))).count();
        assert!(others < 1000, "{others} of 10,000 pass for words");
        starts.insert("é");
        starts.insert("ab");
        assert!(starts.has("éa") && starts.has("abc") && !starts.has("a") && !starts.has("ba"));
    }
}
