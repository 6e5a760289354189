//! How rare a word is in news at large: the idf to start from before the stream has taught its own.
//!
//! The table holds numbers only (word hash, idf): document counts over Reuters-21578 and 3,823 news
//! articles of 2017, function words of other languages at zero, and a gazetteer (countries, capitals,
//! institutions, months) capped. `examples/background.rs` makes it; no labelled set was counted.

use std::sync::OnceLock;

/// Idf of a word the table does not hold: rarer than one text in 2,000 or so.
pub const IDF_UNKNOWN: f32 = 9.6;
/// Entries are 22 bits of hash and 6 bits of idf in steps of this.
pub const IDF_STEP: f32 = 0.2;
/// Slots of the open-addressed table, a power of two.
pub const SLOTS: usize = 1 << 15;

static BYTES: &[u8] = include_bytes!("background.bin");

/// Natural logarithm of one over the share of texts that hold the word, from 0 to [`IDF_UNKNOWN`].
#[must_use]
pub fn idf(term: u32) -> f32 {
    static TABLE: OnceLock<Vec<u32>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        BYTES.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().expect("invariant: four bytes"))).collect()
    });
    let mut at = slot(term);
    for _ in 0..table.len() {
        let entry = table[at];
        if entry == 0 {
            break;
        }
        if entry >> 6 == term {
            return (entry & 63) as f32 * IDF_STEP;
        }
        at = (at + 1) & (SLOTS - 1);
    }
    IDF_UNKNOWN
}

/// The share of texts that hold a word of such an idf, which is one that [`idf`] gave.
#[must_use]
pub(super) fn share(idf: f32) -> f32 {
    static SHARES: OnceLock<[f32; 64]> = OnceLock::new();
    let shares = SHARES.get_or_init(|| std::array::from_fn(|step| (-(step as f32 * IDF_STEP)).exp()));
    let step = (idf / IDF_STEP).round() as usize;
    shares[step.min(shares.len() - 1)]
}

/// Builds the table from `(term, idf)`; later entries for one term are ignored. For the generator.
#[must_use]
pub fn build(entries: impl IntoIterator<Item = (u32, f32)>) -> Vec<u8> {
    let mut table = vec![0u32; SLOTS];
    for (term, idf) in entries.into_iter().take(SLOTS / 4 * 3) {
        let mut at = slot(term);
        while table[at] != 0 && table[at] >> 6 != term {
            at = (at + 1) & (SLOTS - 1);
        }
        if table[at] == 0 {
            table[at] = (term << 6) | (idf / IDF_STEP).round().clamp(0.0, 63.0) as u32;
        }
    }
    table.iter().flat_map(|entry| entry.to_le_bytes()).collect()
}

fn slot(term: u32) -> usize {
    term as usize & (SLOTS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::story::words::term_hash;

    #[test]
    fn idf_common_words_are_low_and_unknown_words_high() {
        assert!(idf(term_hash("the")) < 0.5);
        assert!(idf(term_hash("und")) < 0.5, "function words of other languages are in the table");
        assert!(idf(term_hash("government")) < 4.0);
        assert!(idf(term_hash("embankment")) > 5.0);
        assert!((idf(term_hash("qzxvkjw")) - IDF_UNKNOWN).abs() < f32::EPSILON);
    }

    #[test]
    fn share_is_what_the_idf_says() {
        for step in 0..64 {
            let idf = step as f32 * IDF_STEP;
            assert!((share(idf) - (-idf).exp()).abs() < f32::EPSILON, "{idf}");
        }
        assert!((share(IDF_UNKNOWN) - (-IDF_UNKNOWN).exp()).abs() < f32::EPSILON);
    }

    #[test]
    fn table_has_its_size_and_room_to_end_every_search() {
        assert_eq!(BYTES.len(), SLOTS * 4);
        let used = BYTES.chunks_exact(4).filter(|b| b.iter().any(|x| *x != 0)).count();
        assert!(used > 5_000 && used < SLOTS / 4 * 3, "{used}");
    }
}
