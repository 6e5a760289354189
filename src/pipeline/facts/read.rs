//! A headline and its first sentences to [`ItemFacts`].

mod names;
mod quantities;

use xxhash_rust::xxh3::xxh3_64;

use super::lexicon::{Found, Lexicon, Sense, Word, bare};
use super::{FACTS_MAX, FRAME_MAX, Fact, ItemFacts, Sort, sound};
use crate::model::Lang;
use crate::pipeline::classify::{AliasConfig, AliasForm};
use crate::text::tokens::{Token, Tokens};

/// Words of a headline that are read.
const TITLE_WORDS_MAX: usize = 32;
/// Words of the text that are read.
const LEAD_WORDS_MAX: usize = 60;
/// Words with a capital that there is room for at first.
const SOUNDS_ROOM: usize = 16;
/// Beyond this nothing is numbered; years and sums are.
const NTH_MAX: f64 = 60_000.0;
/// Forms up to which an alias of the user's is one thing; longer ones are lists.
const ALIAS_FORMS_MAX: usize = 8;
/// Letters of a word by which headlines are compared: its stem, near enough, in any language.
const FRAME_LETTERS: usize = 6;

/// The user's `[[aliases]]` as names: an alias that names no other one and has few forms is one thing,
/// however it is written.
#[derive(Debug, Default)]
pub struct KnownNames(Option<Lexicon>);

impl KnownNames {
    /// The aliases of the config.
    #[must_use]
    pub fn of(aliases: &[AliasConfig]) -> Self {
        let list = |form: &AliasForm| form.text.contains(['@', '(', '/', '~', '"', '?']);
        let one_thing = |alias: &&AliasConfig| alias.forms.len() <= ALIAS_FORMS_MAX && !alias.forms.iter().any(list);
        let known: Vec<(u32, &str)> = aliases
            .iter()
            .filter(one_thing)
            .flat_map(|alias| {
                let name = xxh3_64(alias.name.as_bytes()) as u32;
                alias.forms.iter().map(move |form| (name, form.text.as_str()))
            })
            .collect();
        Self((!known.is_empty()).then(|| Lexicon::of_aliases(&known)))
    }
}

/// One word with its place.
struct Spot<'a> {
    word: Word<'a>,
    start: usize,
    end: usize,
    opens_sentence: bool,
    /// Its number in [`Zone::sounds`].
    sounds: Option<u8>,
    /// Its senses in [`Zone::found`].
    senses: std::ops::Range<usize>,
    /// Something was elided before it (n'enverra, l'Ukraine).
    elided: bool,
    /// Part of something that started before it, or was used up.
    taken: bool,
}

/// One stretch of text, its words looked up.
struct Zone<'a> {
    text: &'a str,
    title: bool,
    lang: Option<Lang>,
    code: &'static str,
    spots: Vec<Spot<'a>>,
    /// How the words with a capital sound.
    sounds: Vec<sound::Letters>,
    found: Vec<Found>,
}

/// Reads an item.
#[must_use]
pub fn read(
    title: &str,
    title_tokens: &Tokens,
    text: &str,
    tokens: &Tokens,
    lang: Option<Lang>,
    names: &KnownNames,
) -> ItemFacts {
    let lang_number = LISTED.iter().position(|known| *known == listed(lang)).map_or(0, |at| at as u8 + 1);
    let mut out = ItemFacts { lang: lang_number, has_lead: !tokens.is_empty(), ..ItemFacts::default() };
    for (text, tokens, words_max, is_title) in
        [(title, title_tokens, TITLE_WORDS_MAX, true), (text, tokens, LEAD_WORDS_MAX, false)]
    {
        let mut zone = Zone::of(text, tokens, words_max, is_title, lang);
        zone.look_up(names);
        zone.tell(&mut out);
    }
    out
}

/// The languages whose words are in the tables.
const LISTED: [&str; 8] = ["en", "de", "fr", "it", "es", "pl", "uk", "ru"];

fn listed(lang: Option<Lang>) -> &'static str {
    let code = lang.as_ref().map_or("", Lang::as_str);
    LISTED.iter().find(|known| **known == code).copied().unwrap_or("")
}

impl<'a> Zone<'a> {
    fn of(text: &'a str, tokens: &'a Tokens, words_max: usize, title: bool, lang: Option<Lang>) -> Self {
        let mut spots: Vec<Spot<'a>> = Vec::with_capacity(tokens.len().min(words_max));
        let mut sounds = Vec::with_capacity(SOUNDS_ROOM);
        let mut before = 0;
        for token in tokens.iter().take(words_max) {
            let gap = &text[before..token.start];
            let opens_sentence = spots.is_empty()
                || gap != " " && gap.contains(['.', '!', '?', ':', '\n', '“', '"', '«', '„', '|', '•', '–', '—']);
            before = token.end;
            let mut spot = spot(text, token, opens_sentence);
            if let Some(letters) = if spot.word.capital { sound::latin(spot.word.folded) } else { None } {
                spot.sounds = Some(sounds.len() as u8);
                sounds.push(letters);
            }
            spots.push(spot);
        }
        Self { text, title, lang, code: listed(lang), spots, sounds, found: Vec::with_capacity(words_max * 2) }
    }

    /// Finds what each word says.
    fn look_up(&mut self, names: &KnownNames) {
        let lexicon = Lexicon::shipped();
        let (spots, sounds) = (&self.spots, &self.sounds);
        let words = |at: usize| spots.get(at).map(|spot| spot.word);
        let sound = |spot: &Spot<'_>| spot.sounds.map(|at| &sounds[usize::from(at)]);
        let inflected = matches!(self.code, "pl" | "uk" | "ru" | "");
        let (mut here, mut own) = (Vec::new(), Vec::new());
        let mut senses = Vec::with_capacity(spots.len());
        for (at, spot) in spots.iter().enumerate() {
            let from = self.found.len();
            let capital = spot.word.capital;
            lexicon.find(&words, at, self.code, &mut here);
            if inflected && capital && !spot.opens_sentence {
                // A town is called like the sixth in some languages, and these capitalise no number.
                here.retain(|f| !matches!(f.sense, Sense::Ordinal(_) | Sense::Number(_)));
            }
            let placed = here
                .iter()
                .filter(|f| matches!(f.sense, Sense::Place { .. } | Sense::Body { .. }))
                .map(|f| f.words)
                .max();
            if capital
                && let Some((sense, taken)) = lexicon.city(spots[at..].iter().map_while(sound), inflected)
                && placed.is_none_or(|words| taken > usize::from(words))
            {
                here.retain(|f| !matches!(f.sense, Sense::Place { .. } | Sense::Body { .. }));
                here.push(Found::of(sense, taken as u8));
            } else if placed.is_none()
                && let Some(aliases) = &names.0
            {
                aliases.find(&words, at, "", &mut own);
                here.append(&mut own);
            }
            self.found.append(&mut here);
            senses.push(from..self.found.len());
        }
        self.spots.iter_mut().zip(senses).for_each(|(spot, senses)| spot.senses = senses);
    }

    fn senses(&self, at: usize) -> &[Found] {
        self.spots.get(at).map_or(&[], |spot| &self.found[spot.senses.clone()])
    }

    fn has(&self, at: usize, is: impl Fn(Sense) -> bool) -> bool {
        self.senses(at).iter().any(|found| is(found.sense))
    }

    fn gap(&self, at: usize) -> &str {
        let from = at.checked_sub(1).map_or(0, |before| self.spots[before].end);
        &self.text[from..self.spots.get(at).map_or(self.text.len(), |spot| spot.start)]
    }

    /// Puts what was found into facts.
    fn tell(&mut self, out: &mut ItemFacts) {
        let mut facts = Facts { out, title: self.title };
        let shouted = self.spots.iter().filter(|spot| spot.word.shouted).count() * 2 > self.spots.len();
        let title_case = self.title && self.is_title_case();
        let mut at = 0;
        while at < self.spots.len() {
            if self.spots[at].taken {
                at += 1;
                continue;
            }
            let used = self.number(at, &mut facts).max(self.placed(at, &mut facts));
            if used > 0 {
                self.spots[at..at + used].iter_mut().for_each(|spot| spot.taken = true);
                at += used;
                continue;
            }
            self.day(at, &mut facts);
            self.deed(at, &mut facts);
            if !shouted {
                let run = self.name(at, title_case, &mut facts);
                if run > 0 {
                    self.spots[at..at + run].iter_mut().for_each(|spot| spot.taken = true);
                    at += run;
                    continue;
                }
            }
            if self.title {
                self.frame(at, facts.out);
            }
            at += 1;
        }
    }

    /// English headlines that capitalise every word: capitals say nothing then.
    fn is_title_case(&self) -> bool {
        let long = self
            .spots
            .iter()
            .filter(|spot| spot.word.folded.len() > 3 && !spot.word.folded.starts_with(|c: char| c.is_ascii_digit()));
        let (capital, all) =
            long.fold((0, 0), |(capital, all), spot| (capital + usize::from(spot.word.capital), all + 1));
        self.code != "de" && all >= 4 && capital * 10 >= all * 7
    }

    /// A place, an institution, one of the user's aliases: words used.
    fn placed(&self, at: usize, facts: &mut Facts<'_>) -> usize {
        for found in self.senses(at) {
            let fact = match found.sense {
                Sense::Place { country, city } => Fact::place(facts.title, country, city, self.role(at)),
                Sense::Body { body, country } => Fact::body(facts.title, body, country),
                Sense::Alias(hash) => Fact::new(Sort::Name, facts.title, hash),
                _ => continue,
            };
            facts.add(fact);
            return usize::from(found.words);
        }
        0
    }

    /// Whether something goes to the place at a position, or comes from it.
    fn role(&self, at: usize) -> Option<bool> {
        (1..=2).filter_map(|back| at.checked_sub(back)).find_map(|before| {
            self.senses(before).iter().find_map(|found| match found.sense {
                Sense::Direction { from } => Some(from),
                _ => None,
            })
        })
    }

    fn day(&self, at: usize, facts: &mut Facts<'_>) {
        for found in self.senses(at) {
            if let Sense::Weekday(day) = found.sense {
                facts.add(Fact::new(Sort::Day, facts.title, u32::from(day)));
            }
        }
    }

    /// Verbs and genres, which only a headline is believed in.
    fn deed(&self, at: usize, facts: &mut Facts<'_>) {
        if !facts.title {
            return;
        }
        // A German verb stands at the end, far from its negation; a French one carries it (n'enverra).
        let reach = if self.code == "de" { 6 } else { 2 };
        let not = (1..=reach)
            .filter_map(|back| at.checked_sub(back))
            .any(|before| self.has(before, |s| s == Sense::Not))
            || self.code == "fr" && self.text[self.spots[at].start..].starts_with(['n', 'N']) && self.spots[at].elided;
        for found in self.senses(at) {
            match found.sense {
                Sense::Act { class, positive } => {
                    facts.add(Fact::new(Sort::Act, true, u32::from(class) << 1 | u32::from(positive != not)));
                }
                Sense::Stage { firm } => facts.add(Fact::new(Sort::Stage, true, u32::from(firm))),
                Sense::Genre(genre) => facts.add(Fact::new(Sort::Genre, true, u32::from(genre))),
                _ => {}
            }
        }
    }

    /// A word of the headline that is nothing else.
    fn frame(&self, at: usize, out: &mut ItemFacts) {
        let word = self.spots[at].word.folded;
        let says_more = |found: &Found| {
            matches!(
                found.sense,
                Sense::Stop
                    | Sense::Not
                    | Sense::Direction { .. }
                    | Sense::Act { .. }
                    | Sense::Stage { .. }
                    | Sense::Weekday(_)
            )
        };
        if out.frame.len() == FRAME_MAX || word.chars().count() < 3 || self.senses(at).iter().any(says_more) {
            return;
        }
        let unit = self.senses(at).iter().find_map(|found| match found.sense {
            Sense::Unit(unit) => Some(u64::from(unit)),
            _ => None,
        });
        let end = word.char_indices().nth(FRAME_LETTERS).map_or(word.len(), |(end, _)| end);
        // What is counted is one thing under many names: soldiers, troops.
        let hash = unit.map_or_else(|| xxh3_64(&word.as_bytes()[..end]), |unit| xxh3_64(&unit.to_le_bytes()));
        let hash = (hash >> 48) as u16;
        if !out.frame.contains(&hash) {
            out.frame.push(hash);
        }
    }
}

fn spot<'a>(text: &'a str, token: Token<'a>, opens_sentence: bool) -> Spot<'a> {
    let (from, to) = if token.has_apostrophe() { bare(token.folded) } else { (0, 0) };
    let folded = &token.folded[from..token.folded.len() - to];
    let original = &text[token.start..token.end];
    let letters = original.chars().skip(from);
    let capital = letters.clone().next().is_some_and(char::is_uppercase);
    let shouted = capital
        && original.len() > 1
        && letters.clone().count() > 1
        && letters.filter(|c| c.is_alphabetic()).all(char::is_uppercase);
    Spot {
        word: Word { folded, capital, shouted },
        start: token.start,
        end: token.end,
        opens_sentence,
        sounds: None,
        senses: 0..0,
        elided: from > 0,
        taken: false,
    }
}

/// Facts being gathered, each once, within their bounds.
struct Facts<'a> {
    out: &'a mut ItemFacts,
    title: bool,
}

impl Facts<'_> {
    fn add(&mut self, fact: Fact) {
        let facts = &mut self.out.facts;
        let same = |old: &Fact| old.sort() == fact.sort() && old.value() == fact.value();
        if facts.len() == FACTS_MAX || facts.iter().any(same) {
            return;
        }
        if !self.title {
            let most = match fact.sort() {
                Sort::Place | Sort::Name | Sort::Quantity => 3,
                Sort::Body | Sort::Code => 2,
                Sort::Nth | Sort::Day => 1,
                Sort::Act | Sort::Stage | Sort::Genre => 0,
            };
            if facts.iter().filter(|old| !old.in_title() && old.sort() == fact.sort()).count() >= most {
                return;
            }
        }
        facts.push(fact);
    }
}
