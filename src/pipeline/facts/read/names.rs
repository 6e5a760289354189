//! Names that no table holds: capitals that the language does not ask for.

use xxhash_rust::xxh3::xxh3_64;

use super::super::lexicon::{Found, Sense};
use super::super::{Fact, Sort, sound};
use super::{Facts, Zone};
use crate::pipeline::story::background;
use crate::pipeline::story::words::term_hash;

/// Idf from which a capitalised English word that a sentence or headline may have capitalised is a name.
const NAME_IDF_MIN: f32 = 7.0;

impl Zone<'_> {
    /// A name that no table holds: words of the run it ends.
    pub(super) fn name(&self, at: usize, title_case: bool, facts: &mut Facts<'_>) -> usize {
        if !self.is_name(at, title_case) {
            return 0;
        }
        let mut end = at + 1;
        while end < self.spots.len() && end < at + 4 && self.gap(end) == " " && self.is_name(end, title_case) {
            end += 1;
        }
        // Whom a sentence opens with is a name if it goes on like one, or is no word of the language.
        let alone = end == at + 1;
        if alone && !self.stands_alone(at, title_case) {
            return 0;
        }
        let last = &self.spots[end - 1];
        if last.word.shouted {
            facts.add(Fact::new(Sort::Name, facts.title, xxh3_64(last.word.folded.as_bytes()) as u32));
        } else if let Some(bones) = sound::skeleton(last.word.folded, self.lang)
            && bones.as_bytes().len() >= 2
        {
            facts.add(Fact::new(Sort::Name, facts.title, xxh3_64(bones.as_bytes()) as u32));
        }
        end - at
    }

    fn is_name(&self, at: usize, title_case: bool) -> bool {
        let spot = &self.spots[at];
        let word = spot.word;
        let known = |found: &Found| {
            !matches!(found.sense, Sense::Act { .. } | Sense::Stage { .. } | Sense::Direction { .. })
                || self.code == "de"
        };
        if !word.capital || spot.taken || word.folded.chars().count() < 3 || self.senses(at).iter().any(known) {
            return false;
        }
        if word.folded.bytes().any(|b| b.is_ascii_digit()) {
            return false;
        }
        let rare = || background::idf(term_hash(word.folded)) >= NAME_IDF_MIN;
        match self.code {
            "de" => !is_german_noun(word.folded),
            "en" if title_case || spot.opens_sentence => word.shouted || rare(),
            _ => true,
        }
    }

    /// Whether a capitalised word that has no other beside it is a name.
    fn stands_alone(&self, at: usize, title_case: bool) -> bool {
        let spot = &self.spots[at];
        let after_title = at.checked_sub(1).is_some_and(|before| self.has(before, |sense| sense == Sense::Title));
        match self.code {
            // Every noun has a capital: only acronyms, and whom a title announces.
            "de" => spot.word.shouted || after_title,
            "en" => true,
            _ => (!spot.opens_sentence && !title_case) || spot.word.shouted,
        }
    }
}

/// Endings and lengths of what is a noun in German, not a name.
fn is_german_noun(word: &str) -> bool {
    const ENDINGS: [&str; 26] = [
        "ung",
        "ungen",
        "heit",
        "keit",
        "schaft",
        "tion",
        "tionen",
        "ismus",
        "tat",
        "chen",
        "nis",
        "tum",
        "enz",
        "anz",
        "ierung",
        "gruppe",
        "partei",
        "minister",
        "prasident",
        "chef",
        "gericht",
        "regierung",
        "ministerium",
        "land",
        "stadt",
        "krieg",
    ];
    word.chars().count() > 13 || ENDINGS.iter().any(|ending| word.len() > ending.len() && word.ends_with(ending))
}
