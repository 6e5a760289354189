//! Words to the profile of one item: its few dozen most telling terms, each with where it stands
//! (headline, lead, body) and what it is (word, name, number). Stateless; the weights by rarity in
//! the stream are added by the index.

use super::background;
use super::words::{Kind, Word, for_each_word};
use crate::text::tokens::Tokens;

/// Words of the body that are read: what a story is about stands in front.
const BODY_WORDS_MAX: usize = 500;
/// Words of the body that count as its lead.
const LEAD_WORDS: usize = 50;
/// How far into the body its start is looked for, and in which steps.
const LEAD_SEARCH_WORDS: usize = 300;
const LEAD_STEP: usize = 10;
/// Words of a headline that are read.
const TITLE_WORDS_MAX: usize = 40;
/// Terms kept per item.
pub const TERMS_MAX: usize = 32;
/// Background idf below which a word says nothing (it stands in more than one text of five).
const IDF_MIN: f32 = 1.6;

/// Background idf from which a word of a headline that capitalises everything is taken for a name.
const IDF_NAME_MIN: f32 = 9.0;

/// Where in the item a term stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Zone {
    /// Only in the body.
    Body,
    /// In the first words of the body.
    Lead,
    /// In the headline.
    Title,
}

/// One term of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Identity, from [`super::words::term_hash`].
    pub hash: u32,
    /// Most prominent place.
    pub zone: Zone,
    /// Sort of word.
    pub kind: Kind,
    /// Occurrences, up to 15.
    pub count: u8,
}

/// The telling terms of one item: those of the headline in their order, then the others, the most telling first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// At most [`TERMS_MAX`].
    pub terms: Vec<Term>,
    /// Words of title and body together, before any cut.
    pub words: u32,
}

/// What is known of one term while reading.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations of one word, not a state")]
struct Seen {
    hash: u32,
    count: u16,
    zone: Zone,
    number: bool,
    /// Capitalised in mid-sentence of the body.
    named: bool,
    /// Capitalised in the headline.
    title_capital: bool,
    /// Stands in the headline or after the start of the article proper.
    after_start: bool,
    /// Written small in the body.
    small: bool,
}

impl Profile {
    /// Reads an item's title and body.
    #[must_use]
    pub fn of(title: &str, title_tokens: &Tokens, text: &str, text_tokens: &Tokens) -> Self {
        Self::with_terms_max(title, title_tokens, text, text_tokens, TERMS_MAX)
    }

    fn with_terms_max(title: &str, title_tokens: &Tokens, text: &str, text_tokens: &Tokens, terms_max: usize) -> Self {
        let mut body: Vec<Word> = Vec::with_capacity(text_tokens.len().min(BODY_WORDS_MAX));
        for_each_word(text, text_tokens, BODY_WORDS_MAX, |word| {
            if body.len() < BODY_WORDS_MAX {
                body.push(word);
            }
        });
        let mut table = Table::with_words(body.len() + TITLE_WORDS_MAX);
        let mut position = 0;
        for_each_word(title, title_tokens, TITLE_WORDS_MAX, |word| {
            if position >= TITLE_WORDS_MAX {
                return;
            }
            position += 1;
            let seen = table.entry(word.hash);
            seen.count += 1;
            seen.zone = Zone::Title;
            seen.after_start = true;
            seen.number |= word.number;
            seen.title_capital |= word.capital;
        });
        let start = lead_start(&table, &body);
        for (position, word) in body.iter().enumerate() {
            let seen = table.entry(word.hash);
            seen.count = seen.count.saturating_add(1);
            if (start..start + LEAD_WORDS).contains(&position) {
                seen.zone = seen.zone.max(Zone::Lead);
            }
            if position >= start {
                seen.after_start = true;
            }
            seen.number |= word.number;
            seen.named |= word.capital && !word.opens_sentence;
            seen.small |= !word.capital;
        }
        let shouted = position > 3 && table.seen.iter().filter(|s| !s.title_capital).count() * 5 <= position;
        let mut ranked: Vec<Ranked> = Vec::with_capacity(table.seen.len());
        for (place, seen) in table.seen.into_iter().enumerate() {
            ranked.extend(rank(seen, shouted).map(|(worth, term)| Ranked::new(worth, place as u16, term)));
        }
        if ranked.len() > terms_max {
            ranked.select_nth_unstable_by_key(terms_max - 1, |ranked| ranked.order);
            ranked.truncate(terms_max);
        }
        // The headline in its order, so that two can be laid side by side; then the rest by worth.
        ranked.sort_unstable_by_key(|ranked| match ranked.term.zone {
            Zone::Title => (false, u64::from(ranked.place)),
            Zone::Lead | Zone::Body => (true, ranked.order),
        });
        let words = u32::try_from(title_tokens.len() + text_tokens.len()).unwrap_or(u32::MAX);
        Self { terms: ranked.into_iter().map(|ranked| ranked.term).collect(), words }
    }
}

/// Where the article proper begins: the first stretch of the body that takes up the headline. Before
/// it stand appeals, menus and other people's headlines; without a headline it begins at once.
fn lead_start(table: &Table, body: &[Word]) -> usize {
    let mut title: Vec<u32> = table.seen.iter().map(|s| s.hash).collect();
    title.retain(|hash| background::idf(*hash) >= IDF_MIN);
    title.truncate(TITLE_WORDS_MAX);
    if title.len() < 3 {
        return 0;
    }
    // One bit per term of the headline; a window covers the bits of its words.
    // Most words are in none: a mask of the hashes' last bits tells.
    let mask = title.iter().fold(0u64, |mask, hash| mask | 1 << (hash & 63));
    let place = |word: &Word| title.iter().position(|hash| *hash == word.hash);
    let bit = |word: &Word| if mask >> (word.hash & 63) & 1 == 0 { 0u64 } else { place(word).map_or(0, |at| 1 << at) };
    let bits: Vec<u64> = body.iter().take(LEAD_SEARCH_WORDS + LEAD_WORDS).map(bit).collect();
    let covered =
        |at: usize| bits[at..(at + LEAD_WORDS).min(bits.len())].iter().fold(0, |all, bit| all | bit).count_ones();
    let covers: Vec<u32> = (0..bits.len().min(LEAD_SEARCH_WORDS)).step_by(LEAD_STEP).map(covered).collect();
    let best = covers.iter().copied().max().unwrap_or(0);
    if best < 2 {
        return 0;
    }
    covers.iter().position(|covered| *covered >= (best * 2).div_ceil(3)).map_or(0, |step| step * LEAD_STEP)
}

/// A term with its rank and its place in order of appearance.
struct Ranked {
    /// Falls with the worth, then rises with the hash: one number to compare.
    order: u64,
    place: u16,
    term: Term,
}

impl Ranked {
    fn new(worth: f32, place: u16, term: Term) -> Self {
        // The bits of numbers that are not negative rise as they do.
        Self { order: u64::from(!worth.to_bits()) << 32 | u64::from(term.hash), place, term }
    }
}

/// The term with its worth, or nothing for words that say nothing. `shouted`: the headline capitalises all it
/// has, so that its capitals say nothing.
fn rank(seen: Seen, shouted: bool) -> Option<(f32, Term)> {
    let idf = background::idf(seen.hash);
    if idf < IDF_MIN || !seen.after_start {
        return None;
    }
    let kind = if seen.number {
        Kind::Number
    } else if seen.named || (seen.title_capital && !seen.small && (!shouted || idf >= IDF_NAME_MIN)) {
        Kind::Name
    } else {
        Kind::Plain
    };
    let zone_factor = match seen.zone {
        Zone::Title => 2.0,
        Zone::Lead => 1.4,
        Zone::Body => 1.0,
    };
    // A number in a headline tells a template's items apart: no wealth of rare words may push it out.
    let kind_factor = match kind {
        Kind::Number if seen.zone == Zone::Title => 100.0,
        Kind::Name => 1.3,
        Kind::Number | Kind::Plain => 1.0,
    };
    // Most stand once.
    let damped = if seen.count == 1 { 1.0 } else { 1.0 + f32::from(seen.count).ln() };
    let worth = idf * damped * zone_factor * kind_factor;
    Some((worth, Term { hash: seen.hash, zone: seen.zone, kind, count: seen.count.min(15) as u8 }))
}

/// What was seen, in order of appearance, with a small open-addressed table of places in it: hashes are
/// already mixed, deletions do not happen.
struct Table {
    seen: Vec<Seen>,
    /// One more than the place of a term; 0 is free.
    slots: Vec<u16>,
}

impl Table {
    /// For so many words at most.
    fn with_words(words: usize) -> Self {
        Self { seen: Vec::with_capacity(words), slots: vec![0; (words * 2).next_power_of_two().max(64)] }
    }

    fn entry(&mut self, hash: u32) -> &mut Seen {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != 0 && self.seen[usize::from(self.slots[slot]) - 1].hash != hash {
            slot = (slot + 1) & mask;
        }
        if self.slots[slot] == 0 {
            self.seen.push(Seen {
                hash,
                count: 0,
                zone: Zone::Body,
                number: false,
                named: false,
                title_capital: false,
                small: false,
                after_start: false,
            });
            self.slots[slot] = self.seen.len() as u16;
        }
        let at = usize::from(self.slots[slot]) - 1;
        &mut self.seen[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(title: &str, text: &str) -> Profile {
        Profile::of(title, &Tokens::of(title), text, &Tokens::of(text))
    }

    #[test]
    fn of_number_of_a_headline_stays_beside_any_wealth_of_rare_names() {
        // More names that no background knows than a profile has places, each in the lead or the body.
        let letter = |n: u8| char::from(b'a' + n % 26);
        let names: Vec<String> = (0..200).map(|n| format!("Qz{}vax{}", letter(n), letter(n / 26))).collect();
        let profile = profile("Notice for stretch 18 of the road", &format!("Among them are {}.", names.join(" and ")));
        assert_eq!(profile.terms.len(), TERMS_MAX);
        let numbers: Vec<Zone> = profile.terms.iter().filter(|t| t.kind == Kind::Number).map(|t| t.zone).collect();
        assert_eq!(numbers, [Zone::Title]);
    }
}
