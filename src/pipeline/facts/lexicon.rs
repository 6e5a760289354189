//! The words that carry facts, in eight languages: read once from the tables in `data/`, looked up by
//! hash, word by word. A form is one word or several, each whole or up to an ending (`*`).

use std::collections::HashMap;
use std::sync::OnceLock;

use super::filter::{HashFilter, StemLengths};
use super::sound;
use crate::text::tokens::fold;

/// What a word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sense {
    /// A country; or a place in it (`city` is not 0), which may be its capital.
    Place { country: u16, city: u16 },
    /// An institution; the country it speaks for, or 0.
    Body { body: u16, country: u16 },
    /// A verb on one side of an opposition.
    Act { class: u8, positive: bool },
    /// The headline tells what was done (`firm`), or what is only meant.
    Stage { firm: bool },
    /// What is counted.
    Unit(u8),
    /// What is numbered.
    Numbered(u8),
    /// A number in words.
    Number(u16),
    /// A power of ten in words.
    Scale(u8),
    /// A place in an order, in words.
    Ordinal(u16),
    /// 1 is Monday.
    Weekday(u8),
    /// 1 is January.
    Month(u8),
    /// A round-up (0) or a live blog (1).
    Genre(u8),
    /// A person's title: the name follows.
    Title,
    /// Towards (or away from) what follows.
    Direction { from: bool },
    /// The opposite of what follows.
    Not,
    /// One of the user's aliases, by the hash of its name.
    Alias(u32),
    /// Says nothing.
    Stop,
}

impl Sense {
    /// Senses of one sort exclude each other at one place of a text: the longest form wins.
    fn sort(self) -> u8 {
        match self {
            Self::Place { .. } | Self::Body { .. } | Self::Alias(_) => 0,
            Self::Act { .. } => 1,
            Self::Stage { .. } => 2,
            Self::Unit(_) => 3,
            Self::Numbered(_) => 4,
            Self::Number(_) | Self::Scale(_) => 5,
            Self::Ordinal(_) => 6,
            Self::Weekday(_) | Self::Month(_) => 7,
            Self::Genre(_) => 8,
            Self::Title => 9,
            Self::Direction { .. } => 10,
            Self::Not => 11,
            Self::Stop => 12,
        }
    }
}

/// A word as it is looked up.
#[derive(Debug, Clone, Copy)]
pub struct Word<'a> {
    /// Folded, without an elided article before it or an English genitive behind it.
    pub folded: &'a str,
    /// Starts with a capital.
    pub capital: bool,
    /// Is all in capitals, and more than one letter.
    pub shouted: bool,
}

/// A form found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What it says.
    pub sense: Sense,
    /// Words it takes.
    pub words: u8,
    /// Letters that its last word was recognised by.
    stem: u8,
}

impl Found {
    /// Found by other means.
    #[must_use]
    pub fn of(sense: Sense, words: u8) -> Self {
        Self { sense, words, stem: 0 }
    }
}

/// The tables, laid out for looking up.
#[derive(Debug)]
pub struct Lexicon {
    /// Sorted by hash.
    entries: Vec<Entry>,
    /// One more than the first entry of a hash; 0 is free.
    slots: Vec<u32>,
    /// Nearly every word and beginning of one is in no table: few bits tell most of them.
    whole: HashFilter,
    /// The same for forms that an ending may follow.
    ending: HashFilter,
    /// How long those are.
    stems: StemLengths,
    countries: Vec<&'static str>,
    bodies: Vec<&'static str>,
    cities: Vec<&'static str>,
    /// Which of them are capitals.
    capitals: Vec<bool>,
    acts: Vec<&'static str>,
    units: Vec<&'static str>,
    numbered: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    hash: u64,
    /// `None`: the form goes on with the next word.
    sense: Option<Sense>,
    ending: bool,
    case: Case,
}

/// What a form asks of the case of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Any,
    Capital,
    Shouted,
}

/// Languages whose words are listed; `*` stands for all.
const EVERY: &str = "*";
/// The scope of place names as they sound.
const SOUNDS: &str = "~";
/// Letters that an ending may have.
const ENDING_MAX: usize = 6;
/// Letters of a word that are looked at.
const WORD_CHARS_MAX: usize = 24;

fn seed(scope: &str) -> u64 {
    step(0xcbf2_9ce4_8422_2325, scope.as_bytes())
}

fn step(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The state from which the next word of a form is hashed.
fn onward(hash: u64) -> u64 {
    hash.rotate_left(23) ^ 0x9e37_79b9_7f4a_7c15
}

/// A word without what elision puts before it (l'Ukraine, dell'Economia) and the English genitive: how
/// many bytes to leave at its start and at its end.
#[must_use]
pub fn bare(folded: &str) -> (usize, usize) {
    let end = if folded.ends_with("'s") || folded.ends_with("s'") && folded.len() > 4 {
        if folded.ends_with("'s") { 2 } else { 1 }
    } else {
        0
    };
    let start = match folded.find('\'') {
        Some(at) if at <= 5 && folded[..at].is_ascii() && at + 2 < folded.len() - end => at + 1,
        _ => 0,
    };
    (start, end)
}

impl Lexicon {
    /// The shipped tables.
    #[must_use]
    pub fn shipped() -> &'static Self {
        static LEXICON: OnceLock<Lexicon> = OnceLock::new();
        LEXICON.get_or_init(|| {
            let mut reader = TableReader::default();
            reader.countries(include_str!("data/countries.tsv"));
            reader.bodies(include_str!("data/bodies.tsv"));
            reader.cities(include_str!("data/exonyms.tsv"));
            reader.cities(include_str!("data/cities.tsv"));
            reader.words(include_str!("data/words.tsv"));
            reader.finish()
        })
    }

    /// The user's aliases: the hash of each one's name, and a form of it.
    #[must_use]
    pub fn of_aliases(aliases: &[(u32, &str)]) -> Self {
        let mut reader = TableReader::default();
        for (name, form) in aliases {
            reader.form(EVERY, &form.replace(' ', "_"), Sense::Alias(*name));
        }
        reader.finish()
    }

    /// What the word at a position says, alone or with those after it.
    pub fn find<'w>(&self, words: &impl Fn(usize) -> Option<Word<'w>>, at: usize, lang: &str, found: &mut Vec<Found>) {
        found.clear();
        self.walk(words, at, seed(EVERY), 1, found);
        if !lang.is_empty() {
            self.walk(words, at, seed(lang), 1, found);
        }
    }

    fn walk<'w>(
        &self,
        words: &impl Fn(usize) -> Option<Word<'w>>,
        at: usize,
        state: u64,
        taken: u8,
        found: &mut Vec<Found>,
    ) {
        let Some(word) = words(at) else { return };
        let bytes = word.folded.as_bytes();
        let ascii = bytes.is_ascii();
        let chars = if ascii { bytes.len() } else { word.folded.chars().count() };
        if chars == 0 || chars > WORD_CHARS_MAX {
            return;
        }
        // What is left of the word is an ending: not too long, and no longer by more than a letter than what it ends.
        let shortest = chars - ENDING_MAX.min(chars.div_ceil(2)).min(chars - 1);
        let lengths = self.stems.of(state, bytes) & ((1 << chars) - (1 << shortest));
        let (mut hash, mut from) = (state, 0);
        let mut hashes = [0u64; ENDING_MAX];
        let mut rest = lengths;
        while rest != 0 {
            let stem = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let end =
                if ascii { stem } else { word.folded.char_indices().nth(stem).map_or(bytes.len(), |(end, _)| end) };
            hash = step(hash, &bytes[from..end]);
            from = end;
            hashes[stem - shortest] = hash;
        }
        let whole = step(hash, &bytes[from..]);
        if self.whole.may_have(whole) {
            self.take(words, at, word, whole, (chars, true), taken, found);
        }
        let mut rest = lengths;
        while rest != 0 {
            let stem = rest.ilog2() as usize;
            rest ^= 1 << stem;
            let hash = hashes[stem - shortest];
            if self.ending.may_have(hash) {
                self.take(words, at, word, hash, (stem, false), taken, found);
            }
        }
    }

    /// What a beginning of the word at a position says, so many letters long, or the whole word.
    #[expect(clippy::too_many_arguments, reason = "the half of `walk` that most words never come to")]
    fn take<'w>(
        &self,
        words: &impl Fn(usize) -> Option<Word<'w>>,
        at: usize,
        word: Word<'w>,
        hash: u64,
        (stem, is_whole): (usize, bool),
        taken: u8,
        found: &mut Vec<Found>,
    ) {
        for entry in self.entries(hash) {
            let ends = is_whole || entry.ending;
            let case = match entry.case {
                Case::Any => true,
                Case::Capital => word.capital,
                Case::Shouted => word.shouted,
            };
            if !ends || !case {
                continue;
            }
            match entry.sense {
                None => self.walk(words, at + 1, onward(hash), taken + 1, found),
                Some(sense) => add(found, Found { sense, words: taken, stem: stem as u8 }),
            }
        }
    }

    /// The place whose name, as it sounds, starts at a position: what it is and how many words it takes.
    /// `inflected`: names take endings in this language.
    #[must_use]
    pub fn city<'s>(
        &self,
        sounds: impl Iterator<Item = &'s sound::Letters>,
        inflected: bool,
    ) -> Option<(Sense, usize)> {
        let mut best = None;
        let mut state = seed(SOUNDS);
        for (index, letters) in sounds.take(3).enumerate() {
            let word = letters.as_bytes();
            let hash = step(state, word);
            let ended = self.place(hash, inflected).or_else(|| {
                let stems =
                    ENDINGS.iter().filter(|_| inflected).filter_map(|ending| word.strip_suffix(ending.as_bytes()));
                stems.filter(|stem| stem.len() >= 3).find_map(|stem| self.place(step(state, stem), true))
            });
            if let Some(sense) = ended {
                best = Some((sense, index + 1));
            }
            state = onward(hash);
        }
        best
    }

    fn place(&self, hash: u64, inflected: bool) -> Option<Sense> {
        if !self.whole.may_have(hash) {
            return None;
        }
        self.entries(hash).iter().filter(|entry| inflected || !entry.ending).find_map(|entry| entry.sense)
    }

    fn entries(&self, hash: u64) -> &[Entry] {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != 0 {
            let first = self.slots[slot] as usize - 1;
            if self.entries[first].hash == hash {
                let same = self.entries[first..].iter().take_while(|entry| entry.hash == hash).count();
                return &self.entries[first..first + same];
            }
            slot = (slot + 1) & mask;
        }
        &[]
    }

    /// The country's code.
    #[must_use]
    pub fn country_name(&self, country: u16) -> &'static str {
        self.countries.get(usize::from(country)).copied().unwrap_or("?")
    }

    /// The institution's name.
    #[must_use]
    pub fn body_name(&self, body: u16) -> &'static str {
        self.bodies.get(usize::from(body)).copied().unwrap_or("?")
    }

    /// The place's name.
    #[must_use]
    pub fn city_name(&self, city: u16) -> &'static str {
        self.cities.get(usize::from(city)).copied().unwrap_or("?")
    }

    /// Whether a place is a capital.
    #[must_use]
    pub fn is_capital(&self, city: u16) -> bool {
        self.capitals.get(usize::from(city)).copied().unwrap_or(false)
    }

    /// The name of an opposition.
    #[must_use]
    pub fn act_name(&self, class: u8) -> &'static str {
        self.acts.get(usize::from(class)).copied().unwrap_or("?")
    }

    /// The name of what is counted.
    #[must_use]
    pub fn unit_name(&self, unit: u8) -> &'static str {
        self.units.get(usize::from(unit)).copied().unwrap_or("?")
    }

    /// The number of what is counted, by its name.
    #[must_use]
    pub fn unit(&self, name: &str) -> Option<u8> {
        self.units.iter().position(|unit| *unit == name).map(|at| at as u8)
    }

    /// The name of what is numbered.
    #[must_use]
    pub fn numbered_name(&self, class: u8) -> &'static str {
        self.numbered.get(usize::from(class)).copied().unwrap_or("?")
    }
}

/// Endings of place names as they sound, longest first.
const ENDINGS: [&str; 25] = [
    "iami", "iakh", "ovie", "ami", "iei", "iou", "iom", "oiu", "eiu", "ovi", "evi", "ie", "iu", "ia", "om", "em", "oi",
    "ei", "im", "a", "e", "i", "o", "u", "h",
];

/// Keeps the longest form of each sort.
fn add(found: &mut Vec<Found>, new: Found) {
    let same = |old: &Found| old.sense.sort() == new.sense.sort();
    let worth = |f: &Found| (f.words, f.stem);
    if let Some(best) = found.iter().filter(|old| same(old)).map(worth).max() {
        if worth(&new) < best || found.contains(&new) {
            return;
        }
        if worth(&new) > best {
            found.retain(|old| !same(old));
        }
    }
    found.push(new);
}

#[derive(Default)]
struct TableReader {
    entries: Vec<Entry>,
    stems: StemLengths,
    countries: Vec<&'static str>,
    bodies: Vec<&'static str>,
    cities: Vec<&'static str>,
    city_ids: HashMap<&'static str, u16>,
    capitals: Vec<bool>,
    acts: Vec<&'static str>,
    units: Vec<&'static str>,
    numbered: Vec<&'static str>,
}

/// The lines of a table that are no comments, cut at tabs.
fn rows(table: &'static str) -> impl Iterator<Item = [&'static str; 3]> {
    table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(|line| {
        let mut cells = line.splitn(3, '\t');
        [cells.next().unwrap_or(""), cells.next().unwrap_or(""), cells.next().unwrap_or("")]
    })
}

/// The place of a name in a list, put there where it is not yet; 0 is left free.
fn number(list: &mut Vec<&'static str>, name: &'static str) -> u16 {
    if list.is_empty() {
        list.push("");
    }
    let at = list.iter().position(|known| *known == name).unwrap_or_else(|| {
        list.push(name);
        list.len() - 1
    });
    at as u16
}

impl TableReader {
    fn countries(&mut self, table: &'static str) {
        for [code, forms, _] in rows(table) {
            let country = number(&mut self.countries, code);
            self.forms(EVERY, forms, Sense::Place { country, city: 0 });
        }
    }

    fn bodies(&mut self, table: &'static str) {
        for [name, code, forms] in rows(table) {
            let body = number(&mut self.bodies, name);
            let country = if code == "-" { 0 } else { number(&mut self.countries, code) };
            self.forms(EVERY, forms, Sense::Body { body, country });
        }
    }

    fn cities(&mut self, table: &'static str) {
        for [code, name, forms] in rows(table) {
            let country = number(&mut self.countries, code.trim_end_matches('!'));
            let next = self.cities.len().max(1) as u16;
            let city = *self.city_ids.entry(name).or_insert(next);
            if city == next {
                self.cities.resize(usize::from(next), "");
                self.cities.push(name);
            }
            self.capitals.resize(self.cities.len(), false);
            self.capitals[usize::from(city)] |= code.ends_with('!');
            let sense = Sense::Place { country, city };
            for form in forms.split(' ') {
                if form.ends_with('*') {
                    self.form(EVERY, form, sense);
                } else {
                    self.sounding(form, sense);
                }
            }
        }
    }

    fn words(&mut self, table: &'static str) {
        for [what, lang, forms] in rows(table) {
            let (what, which) = what.split_once(' ').unwrap_or((what, ""));
            let sense = match (what, which) {
                ("act", which) => {
                    let (name, side) = which.split_once(' ').unwrap_or((which, "+"));
                    Sense::Act { class: number(&mut self.acts, name) as u8, positive: side == "+" }
                }
                ("place", code) => Sense::Place { country: number(&mut self.countries, code), city: 0 },
                ("stage", which) => Sense::Stage { firm: which == "firm" },
                ("unit", name) => Sense::Unit(number(&mut self.units, name) as u8),
                ("nth", name) => Sense::Numbered(number(&mut self.numbered, name) as u8),
                ("number", n) => Sense::Number(n.parse().unwrap_or(0)),
                ("scale", n) => Sense::Scale(n.len() as u8 - 1),
                ("ordinal", n) => Sense::Ordinal(n.parse().unwrap_or(0)),
                ("weekday", n) => Sense::Weekday(n.parse().unwrap_or(0)),
                ("month", n) => Sense::Month(n.parse().unwrap_or(0)),
                ("genre", which) => Sense::Genre(u8::from(which == "live")),
                ("title", _) => Sense::Title,
                ("dir", which) => Sense::Direction { from: which == "from" },
                ("not", _) => Sense::Not,
                _ => Sense::Stop,
            };
            self.forms(lang, forms, sense);
        }
    }

    fn forms(&mut self, scope: &str, forms: &str, sense: Sense) {
        forms.split(' ').filter(|form| !form.is_empty()).for_each(|form| self.form(scope, form, sense));
    }

    fn form(&mut self, scope: &str, form: &str, sense: Sense) {
        let mut state = seed(scope);
        let parts: Vec<&str> = form.split(['_', '-']).filter(|part| !part.is_empty()).collect();
        for (index, part) in parts.iter().enumerate() {
            let ending = part.ends_with('*');
            let folded = fold(part.trim_end_matches('*'));
            let (start, end) = bare(&folded);
            let letters: Vec<char> = part.chars().skip(start).filter(|c| c.is_alphabetic()).collect();
            let case = match letters.first() {
                Some(first)
                    if first.is_uppercase() && letters.len() > 1 && letters.iter().all(|c| c.is_uppercase()) =>
                {
                    Case::Shouted
                }
                Some(first) if first.is_uppercase() => Case::Capital,
                _ => Case::Any,
            };
            let stem = &folded[start..folded.len() - end];
            if ending {
                self.stems.add(state, stem);
            }
            let hash = step(state, stem.as_bytes());
            let last = index + 1 == parts.len();
            let entry = Entry { hash, sense: last.then_some(sense), ending, case };
            self.entries.push(entry);
            state = onward(hash);
        }
    }

    /// A place name, by its sound.
    fn sounding(&mut self, form: &str, sense: Sense) {
        let mut state = seed(SOUNDS);
        let parts: Vec<&str> = form.split(['_', '-']).filter(|part| !part.is_empty()).collect();
        for (index, part) in parts.iter().enumerate() {
            let Some(sounds) = sound::latin(&fold(part)) else { return };
            let word = sounds.as_bytes();
            let hash = step(state, word);
            let last = index + 1 == parts.len();
            self.entries.push(Entry { hash, sense: last.then_some(sense), ending: false, case: Case::Capital });
            // The stem stands for what endings are put to.
            let stem = word.iter().rposition(|b| !matches!(b, b'a' | b'e' | b'i' | b'o' | b'u')).map_or(0, |at| at + 1);
            if last && stem >= 4 && stem < word.len() {
                let hash = step(state, &word[..stem]);
                self.entries.push(Entry { hash, sense: Some(sense), ending: true, case: Case::Capital });
            }
            state = onward(hash);
        }
    }

    fn finish(mut self) -> Lexicon {
        // What was read first stays first among equals: hand-written names before made ones.
        self.entries.sort_by_key(|entry| entry.hash);
        self.entries.dedup();
        let mut slots = vec![0u32; (self.entries.len() * 2).next_power_of_two()];
        let mask = slots.len() - 1;
        let (mut whole, mut ending) = (HashFilter::new(), HashFilter::new());
        for (index, entry) in self.entries.iter().enumerate() {
            whole.add(entry.hash);
            if entry.ending {
                ending.add(entry.hash);
            }
            if index > 0 && self.entries[index - 1].hash == entry.hash {
                continue;
            }
            let mut slot = entry.hash as usize & mask;
            while slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            slots[slot] = index as u32 + 1;
        }
        Lexicon {
            entries: self.entries,
            slots,
            whole,
            ending,
            stems: self.stems,
            countries: self.countries,
            bodies: self.bodies,
            cities: self.cities,
            capitals: self.capitals,
            acts: self.acts,
            units: self.units,
            numbered: self.numbered,
        }
    }
}
