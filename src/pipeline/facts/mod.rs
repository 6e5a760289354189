//! What an item says, free of its language: the places, institutions and people it names, its numbers and
//! what they count, what is the how-manieth, which side of an opposition its verb is on, and whether that
//! is done or only meant. Read from headline and first sentences with tables of eight languages (`data/`);
//! in other languages, what needs no words: numbers, codes, names by their sound.
//!
//! Two items of one event agree in this however they are worded; two events that share a template differ
//! in it: [`difference::differences`] says in what. No decision is made here.

pub mod difference;
#[cfg(test)]
mod difference_tests;
mod filter;
pub mod kinship;
mod lexicon;
mod numbers;
mod read;
pub mod sound;
#[cfg(test)]
mod sound_tests;
#[cfg(test)]
mod tests;

use self::lexicon::Lexicon;

pub use self::difference::{Aspect, Difference, Separation, denial, differences, fills_template, goes_on_counting};
pub use self::read::{KnownNames, read};

/// Facts kept of one item: those of the headline before those of the lead.
pub const FACTS_MAX: usize = 14;
/// Words of the headline kept beside them.
pub const FRAME_MAX: usize = 8;

/// What one item says: at most [`FACTS_MAX`] facts and [`FRAME_MAX`] words, 72 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemFacts {
    /// In order of appearance.
    pub facts: Vec<Fact>,
    /// What the headline says beside them: short hashes of its other content words, in their order.
    pub frame: Vec<u16>,
    /// The language it was read in: its place in the list of those with tables, from 1; 0 for others.
    pub lang: u8,
    /// Whether there was a text behind the headline.
    pub has_lead: bool,
}

/// One fact in four bytes: its sort, where it stands, what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact(u32);

/// Sorts of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Sort {
    /// A country, or a place in one.
    Place = 1,
    /// An institution.
    Body = 2,
    /// A name that no table holds, by its sound; or one of the user's aliases.
    Name = 3,
    /// So many of something.
    Quantity = 4,
    /// The how-manieth of something.
    Nth = 5,
    /// An identifier: a CVE, a licence, a road, a score.
    Code = 6,
    /// A verb on one side of an opposition.
    Act = 7,
    /// Done, or only meant.
    Stage = 8,
    /// A day of the week, or of a month.
    Day = 9,
    /// A round-up or a live blog: it tells of many events.
    Genre = 10,
}

const SORTS: [Sort; 10] = [
    Sort::Place,
    Sort::Body,
    Sort::Name,
    Sort::Quantity,
    Sort::Nth,
    Sort::Code,
    Sort::Act,
    Sort::Stage,
    Sort::Day,
    Sort::Genre,
];

const TITLE_BIT: u32 = 1 << 27;
const VALUE_MASK: u32 = TITLE_BIT - 1;
/// A number of no unit that is known: counted things by their short hash from here.
const UNIT_HASHED: u32 = 128;
/// Decimal digits kept of a number.
const DIGITS_MAX: u32 = 10_000;

impl Fact {
    fn new(sort: Sort, title: bool, value: u32) -> Self {
        Self((sort as u32) << 28 | if title { TITLE_BIT } else { 0 } | (value & VALUE_MASK))
    }

    fn place(title: bool, country: u16, city: u16, from: Option<bool>) -> Self {
        let role = match from {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        };
        Self::new(Sort::Place, title, role << 25 | u32::from(country & 0x1FF) << 13 | u32::from(city & 0x1FFF))
    }

    fn body(title: bool, body: u16, country: u16) -> Self {
        Self::new(Sort::Body, title, u32::from(country & 0x1FF) << 13 | u32::from(body & 0x1FFF))
    }

    fn quantity(title: bool, amount: Amount, unit: u32) -> Self {
        Self::new(Sort::Quantity, title, (unit & 0xFF) << 19 | amount.pack())
    }

    /// As a number, to be kept.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Back from a number that was kept; `None` where it never was a fact.
    #[must_use]
    pub fn from_bits(bits: u32) -> Option<Self> {
        (1..=SORTS.len()).contains(&((bits >> 28) as usize)).then_some(Self(bits))
    }

    /// What sort of fact it is.
    #[must_use]
    pub fn sort(self) -> Sort {
        SORTS[((self.0 >> 28) as usize).clamp(1, SORTS.len()) - 1]
    }

    /// Whether it stands in the headline.
    #[must_use]
    pub fn in_title(self) -> bool {
        self.0 & TITLE_BIT != 0
    }

    /// What it is, wherever it stands: equal values of equal sorts are the same fact.
    #[must_use]
    pub fn value(self) -> u32 {
        self.0 & VALUE_MASK
    }

    /// A key under which items of all languages find each other; `None` where that means nothing.
    #[must_use]
    pub fn key(self) -> Option<u32> {
        match self.sort() {
            // A place in a country is its own key, whatever the preposition before it.
            Sort::Place => Some((self.0 & !TITLE_BIT) & !(3 << 25)),
            Sort::Body | Sort::Name | Sort::Nth | Sort::Code => Some(self.0 & !TITLE_BIT),
            Sort::Quantity if self.unit() < UNIT_HASHED => Some(self.0 & !TITLE_BIT),
            Sort::Quantity | Sort::Act | Sort::Stage | Sort::Day | Sort::Genre => None,
        }
    }

    /// The country that a place is in, as a fact of its own; `None` for anything else.
    #[must_use]
    pub fn country_alone(self) -> Option<Self> {
        (self.sort() == Sort::Place && self.city() != 0).then(|| Self::place(false, self.country(), 0, None))
    }

    fn country(self) -> u16 {
        (self.value() >> 13 & 0x1FF) as u16
    }

    fn city(self) -> u16 {
        (self.value() & 0x1FFF) as u16
    }

    fn body_id(self) -> u16 {
        (self.value() & 0x1FFF) as u16
    }

    fn from(self) -> Option<bool> {
        match self.value() >> 25 & 3 {
            1 => Some(false),
            2 => Some(true),
            _ => None,
        }
    }

    fn unit(self) -> u32 {
        self.value() >> 19
    }

    fn amount(self) -> Amount {
        Amount::unpack(self.value() & 0x7_FFFF)
    }

    /// For people: `UA/Odesa`, `nato`, `300 troops`, `17th package`, `approve`, `not approve`.
    #[must_use]
    pub fn spell(self) -> String {
        let lexicon = Lexicon::shipped();
        let value = self.value();
        match self.sort() {
            Sort::Place if self.city() == 0 => lexicon.country_name(self.country()).to_owned(),
            Sort::Place => {
                format!("{}/{}", lexicon.country_name(self.country()), lexicon.city_name(self.city()).replace('_', " "))
            }
            Sort::Body => lexicon.body_name(self.body_id()).to_owned(),
            Sort::Name => format!("name {value:07x}"),
            Sort::Quantity if self.unit() < UNIT_HASHED => {
                format!("{} {}", self.amount().spell(), lexicon.unit_name(self.unit() as u8)).trim_end().to_owned()
            }
            Sort::Quantity => self.amount().spell(),
            Sort::Nth => {
                let (n, class) = (value >> 8, (value & 0xFF) as u8);
                if class == 0 { format!("no. {n}") } else { format!("{} no. {n}", lexicon.numbered_name(class)) }
            }
            Sort::Code => format!("identifier {:05x}", value & 0xF_FFFF),
            Sort::Act => {
                let name = lexicon.act_name((value >> 1) as u8);
                let words = ACT_WORDS.iter().find(|(known, ..)| *known == name);
                let word = words.map(|(_, done, undone)| if value & 1 == 1 { *done } else { *undone });
                word.unwrap_or(name).to_owned()
            }
            Sort::Stage => if value == 1 { "done" } else { "only meant" }.to_owned(),
            Sort::Day if value < 8 => WEEKDAYS[(value as usize).saturating_sub(1) % 7].to_owned(),
            Sort::Day => format!("day {} of month {}", value & 31, value >> 5),
            Sort::Genre => if value == 0 { "a round-up" } else { "a live blog" }.to_owned(),
        }
    }
}

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A number by its first four digits and its size: 1,250 and 1.25 thousand are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Amount {
    digits: u32,
    /// Power of ten of the last digit, from -3.
    power: i8,
}

impl Amount {
    const NONE: Self = Self { digits: 0, power: 0 };

    /// From digits and a power of ten; trailing zeros move into the power.
    fn new(mut digits: u64, mut power: i32) -> Self {
        if digits == 0 {
            return Self::NONE;
        }
        while digits >= u64::from(DIGITS_MAX) || digits.is_multiple_of(10) {
            digits /= 10;
            power += 1;
        }
        Self { digits: digits as u32, power: power.clamp(-3, 28) as i8 }
    }

    fn times_ten_to(self, power: u8) -> Self {
        Self::new(u64::from(self.digits), i32::from(self.power) + i32::from(power))
    }

    fn pack(self) -> u32 {
        (self.power + 3) as u32 & 31 | self.digits << 5
    }

    fn unpack(bits: u32) -> Self {
        Self { digits: bits >> 5, power: (bits & 31) as i8 - 3 }
    }

    fn value(self) -> f64 {
        f64::from(self.digits) * 10f64.powi(i32::from(self.power))
    }

    fn spell(self) -> String {
        let value = self.value();
        if value.fract() == 0.0 {
            format!("{value:.0}")
        } else {
            format!("{value:.3}").trim_end_matches('0').to_owned()
        }
    }
}

/// How people say an opposition, and its opposite.
const ACT_WORDS: [(&str, &str, &str); 15] = [
    ("allow", "allowed", "banned"),
    ("appoint", "appointed", "dismissed"),
    ("approve", "approved", "rejected"),
    ("buy", "bought", "sold"),
    ("confirm", "confirmed", "denied"),
    ("extend", "extended", "ended"),
    ("hold", "held", "released"),
    ("impose", "imposed", "lifted"),
    ("join", "joined", "left"),
    ("open", "opened", "closed"),
    ("raise", "raised", "lowered"),
    ("send", "sent", "withdrawn"),
    ("supply", "supplied", "withheld"),
    ("treaty", "signed", "negotiated"),
    ("win", "won", "lost"),
];

impl ItemFacts {
    /// The stored form.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.facts.len() as u8 | self.lang << 4);
        out.push(self.frame.len() as u8 | u8::from(self.has_lead) << 7);
        out.extend(self.facts.iter().flat_map(|fact| fact.0.to_le_bytes()));
        out.extend(self.frame.iter().flat_map(|word| word.to_le_bytes()));
    }

    /// Reads what [`ItemFacts::write`] wrote, and gives what follows it; `None` if it is damaged.
    #[must_use]
    pub fn read_from(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&[first, second], rest) = bytes.split_first_chunk::<2>()?;
        let (facts, lang, frame, has_lead) = (first & 15, first >> 4, second & 0x7F, second & 0x80 != 0);
        if usize::from(facts) > FACTS_MAX || usize::from(frame) > FRAME_MAX {
            return None;
        }
        let (facts, rest) = rest.split_at_checked(usize::from(facts) * 4)?;
        let (frame, rest) = rest.split_at_checked(usize::from(frame) * 2)?;
        let fact = |b: &[u8]| Fact(u32::from_le_bytes(b.try_into().expect("invariant: four bytes")));
        let word = |b: &[u8]| u16::from_le_bytes(b.try_into().expect("invariant: two bytes"));
        let facts = facts.chunks_exact(4).map(fact).collect();
        Some((Self { facts, frame: frame.chunks_exact(2).map(word).collect(), lang, has_lead }, rest))
    }

    /// The facts of a sort.
    pub fn of(&self, sort: Sort) -> impl Iterator<Item = Fact> + Clone + '_ {
        self.facts.iter().copied().filter(move |fact| fact.sort() == sort)
    }

    /// The facts of a sort that stand in the headline.
    pub fn in_title(&self, sort: Sort) -> impl Iterator<Item = Fact> + Clone + '_ {
        self.of(sort).filter(|fact| fact.in_title())
    }

    /// Whether it tells of many events, or keeps telling of one: no representative of a story.
    #[must_use]
    pub fn is_collection(&self) -> bool {
        self.of(Sort::Genre).next().is_some()
    }

    /// The keys under which items of all languages find it.
    pub fn keys(&self) -> impl Iterator<Item = u32> + '_ {
        self.facts.iter().filter_map(|fact| fact.key())
    }
}
