//! Words, headlines and articles of a language that nobody speaks: a Zipf vocabulary made from syllables,
//! with English function words at its head as in any English text. The same number gives the same
//! article on every machine. Next: `documents` wraps them as feeds.

use std::fmt::Write as _;

/// Words that carry no news; they take the first ranks.
const FUNCTION_WORDS: &[&str] = &[
    "the", "of", "and", "to", "in", "a", "that", "for", "on", "with", "as", "by", "was", "is", "at", "from", "it",
    "be", "has", "had", "its", "were", "will", "an", "not", "are", "this", "but", "which", "said", "they", "would",
    "after", "who", "more", "have", "been", "their", "when", "over", "than", "last", "about", "into", "before",
    "between",
];

const SYLLABLES: &[&str] = &[
    "ba", "be", "bo", "bra", "ca", "co", "cri", "da", "de", "dor", "du", "fa", "fen", "fi", "ga", "gel", "go", "gri",
    "ha", "hel", "hi", "ja", "jo", "ka", "kel", "ki", "kor", "la", "le", "lin", "lo", "ma", "mer", "mi", "mo", "na",
    "ne", "nor", "nu", "pa", "pel", "pi", "por", "ra", "re", "rin", "ro", "sa", "sel", "si", "sol", "ta", "ten", "ti",
    "tor", "tu", "va", "vel", "vi", "vo", "wa", "wen", "za", "zo",
];

/// Words known to the language.
const VOCABULARY: usize = 30_000;
/// Slots of the table that a random number picks a rank from.
const SLOTS: usize = 1 << 16;
/// One of so many words is another in a syndicated copy: 2 %.
const EDIT_EVERY: u64 = 50;
/// Syndicated copies among the articles: one of so many.
const COPY_EVERY: u64 = 10;
/// So many feeds carry one syndicated text.
const COPIES_EACH: u64 = 5;

/// A stream of numbers that depends on its seed alone (splitmix64, Steele and others 2014).
#[derive(Debug, Clone)]
pub struct Numbers(u64);

impl Numbers {
    /// The stream of a seed.
    pub fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// An article before it is wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// Six to eleven words.
    pub title: String,
    /// Paragraphs of plain text.
    pub paragraphs: Vec<String>,
}

/// The language.
pub struct Language {
    words: Vec<String>,
    ranks: Vec<u16>,
}

impl Language {
    /// Makes the vocabulary and the table of ranks (Zipf with exponent 1).
    pub fn new() -> Self {
        let mut numbers = Numbers::of(1);
        let mut words: Vec<String> = FUNCTION_WORDS.iter().map(|word| (*word).to_owned()).collect();
        let mut known: std::collections::HashSet<String> = words.iter().cloned().collect();
        while words.len() < VOCABULARY {
            let length = 2 + numbers.below(3);
            let word: String = (0..length).map(|_| SYLLABLES[numbers.below(SYLLABLES.len())]).collect();
            if known.insert(word.clone()) {
                words.push(word);
            }
        }
        let total: f64 = (1..=VOCABULARY).map(|rank| 1.0 / rank as f64).sum();
        let mut ranks = Vec::with_capacity(SLOTS);
        let (mut rank, mut share) = (0usize, 1.0 / total);
        for slot in 0..SLOTS {
            while share < (slot as f64 + 0.5) / SLOTS as f64 && rank + 1 < VOCABULARY {
                rank += 1;
                share += 1.0 / ((rank + 1) as f64 * total);
            }
            ranks.push(rank as u16);
        }
        Self { words, ranks }
    }

    /// The word of a rank; 0 is the most frequent.
    pub fn word(&self, rank: usize) -> &str {
        &self.words[rank % self.words.len()]
    }

    /// A word as often as the language uses it.
    pub fn any_word(&self, numbers: &mut Numbers) -> &str {
        let slot = numbers.below(SLOTS);
        // What a slot of the table cannot tell apart, the tail, is spread by a further number.
        match usize::from(self.ranks[slot]) {
            rank if rank < 2000 => self.word(rank),
            _ => self.word(2000 + numbers.below(VOCABULARY - 2000)),
        }
    }

    /// Article `item` of feed `feed`: one in ten is a syndicated text, lightly edited, the rest their own.
    pub fn article(&self, feed: usize, item: u64) -> Article {
        let own = ((feed as u64) << 32) | item;
        let mut lot = Numbers::of(own ^ 0xc0ff_ee00);
        if !lot.next().is_multiple_of(COPY_EVERY) {
            return self.unshared(own);
        }
        // Feeds that are neighbours carry the same text at the same place.
        let pool = (1u64 << 63) | ((feed as u64 / (COPIES_EACH * COPY_EVERY)) << 40) | item;
        self.compose(pool, Some(own))
    }

    /// An article that is a copy of none: its story is its own.
    pub fn unshared(&self, number: u64) -> Article {
        self.compose(number, None)
    }

    fn compose(&self, seed: u64, edited_by: Option<u64>) -> Article {
        let mut numbers = Numbers::of(seed);
        let mut edits = edited_by.map(Numbers::of);
        let length = 500 + numbers.below(2300);
        let title = {
            let count = 6 + numbers.below(6);
            let words: Vec<&str> = (0..count).map(|_| self.any_word(&mut numbers)).collect();
            capital(&words.join(" "))
        };
        let (mut paragraphs, mut bytes) = (Vec::new(), 0);
        while bytes < length {
            let mut text = String::with_capacity(480);
            for _ in 0..2 + numbers.below(3) {
                let mut sentence = String::with_capacity(160);
                for at in 0..9 + numbers.below(14) {
                    let mut word = self.any_word(&mut numbers);
                    if let Some(edits) = &mut edits
                        && edits.next().is_multiple_of(EDIT_EVERY)
                    {
                        word = self.any_word(edits);
                    }
                    let _ = write!(sentence, "{}{word}", if at > 0 { " " } else { "" });
                }
                let _ = write!(text, "{}{}.", if text.is_empty() { "" } else { " " }, capital(&sentence));
            }
            bytes += text.len() + 7;
            paragraphs.push(text);
        }
        Article { title, paragraphs }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
