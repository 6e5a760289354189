//! Two items to the signals that tell whether they report one event: how much of what each holds
//! dear (headline, lead, names, numbers) the other has too. No decision yet.

use super::profile::Zone;
use super::rarity::Weighted;
use super::words::Kind;

/// How many signals there are.
pub const SIGNALS: usize = 20;
/// Their names, for tables and explanations.
pub const NAMES: [&str; SIGNALS] = [
    "body",
    "names",
    "words",
    "lead",
    "title_in_other",
    "other_title_in",
    "title_in_lead",
    "other_title_in_lead",
    "lead_names_in_other",
    "other_lead_names_in",
    "lead_numbers_in_other",
    "other_lead_numbers_in",
    "rarest",
    "rare",
    "names_differ",
    "numbers_differ",
    "length",
    "length_ratio",
    "near_in_time",
    "far_in_time",
];
/// The signals by what they look at, for explanations and for the ablation of docs/stories.md.
pub const VIEWS: [(&str, &[usize]); 7] = [
    ("words", &[0, 2, 3]),
    ("headline", &[4, 5, 6, 7]),
    ("names", &[1, 8, 9, 14]),
    ("numbers", &[10, 11, 15]),
    ("rare terms", &[12, 13]),
    ("length", &[16, 17]),
    ("time", &[18, 19]),
];
/// Slots of the lookup table: several times the terms of an item.
const LOOKUP_SLOTS: usize = 128;

/// What is known of an item beside its terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Words in it.
    pub words: u32,
    /// Hours since 1970 it was published, where that can be trusted.
    pub published_h: Option<i32>,
    /// Hours since 1970 it arrived.
    pub arrived_h: i32,
}

/// Sums over the terms of one item, per view.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    square: f32,
    square_names: f32,
    square_words: f32,
    square_lead: f32,
    title: f32,
    lead_names: f32,
    lead_numbers: f32,
    has_lead_name: bool,
    has_lead_number: bool,
}

impl Sums {
    fn of(terms: impl Iterator<Item = Weighted>) -> Self {
        let mut sums = Self::default();
        for term in terms {
            let w = term.weight();
            let lead = term.zone() >= Zone::Lead;
            sums.square += w * w;
            match term.kind() {
                Kind::Name => sums.square_names += w * w,
                Kind::Plain => sums.square_words += w * w,
                Kind::Number => {}
            }
            if lead {
                sums.square_lead += w * w;
            }
            if term.zone() == Zone::Title {
                sums.title += w;
            }
            if lead && term.kind() == Kind::Name {
                sums.lead_names += w;
                sums.has_lead_name = true;
            }
            if lead && term.kind() == Kind::Number {
                sums.lead_numbers += w;
                sums.has_lead_number = true;
            }
        }
        sums
    }
}

/// The item that is being placed, laid out for many comparisons.
#[derive(Debug)]
pub struct Query {
    terms: Vec<(Weighted, f32)>,
    lookup: [u8; LOOKUP_SLOTS],
    sums: Sums,
    facts: Facts,
}

impl Query {
    /// Lays out the weighted terms (with their idf now).
    #[must_use]
    pub fn new(terms: Vec<(Weighted, f32)>, facts: Facts) -> Self {
        let mut lookup = [u8::MAX; LOOKUP_SLOTS];
        for (index, (term, _)) in terms.iter().enumerate().take(LOOKUP_SLOTS / 2) {
            let mut at = term.hash() as usize % LOOKUP_SLOTS;
            while lookup[at] != u8::MAX {
                at = (at + 1) % LOOKUP_SLOTS;
            }
            lookup[at] = index as u8;
        }
        let sums = Sums::of(terms.iter().map(|(term, _)| *term));
        Self { terms, lookup, sums, facts }
    }

    /// Its terms.
    #[must_use]
    pub fn terms(&self) -> &[(Weighted, f32)] {
        &self.terms
    }

    /// Its term with that hash.
    #[must_use]
    pub fn find(&self, hash: u32) -> Option<(Weighted, f32)> {
        let mut at = hash as usize % LOOKUP_SLOTS;
        while self.lookup[at] != u8::MAX {
            let (term, idf) = self.terms[self.lookup[at] as usize];
            if term.hash() == hash {
                return Some((term, idf));
            }
            at = (at + 1) % LOOKUP_SLOTS;
        }
        None
    }

    /// Compares with a remembered item.
    #[must_use]
    pub fn signals(&self, other: impl Iterator<Item = Weighted> + Clone, facts: Facts) -> [f32; SIGNALS] {
        let q = &self.sums;
        let o = Sums::of(other.clone());
        let mut shared = Shared::default();
        for theirs in other {
            if let Some((ours, idf)) = self.find(theirs.hash()) {
                shared.add(ours, theirs, idf);
            }
        }
        let cosine = |dot: f32, a: f32, b: f32| if dot > 0.0 { dot / (a * b).sqrt() } else { 0.0 };
        let part = |shared: f32, whole: f32| if whole > 0.0 { shared / whole } else { 0.0 };
        let flag = |set: bool| if set { 1.0 } else { 0.0 };
        let (near, far) = time(self.facts, facts);
        let (short, long) = (self.facts.words.min(facts.words) as f32, self.facts.words.max(facts.words) as f32);
        let [rarest, rare] = shared.rarest();
        [
            cosine(shared.dot, q.square, o.square),
            cosine(shared.dot_names, q.square_names, o.square_names),
            cosine(shared.dot_words, q.square_words, o.square_words),
            cosine(shared.dot_lead, q.square_lead, o.square_lead),
            part(shared.title_ours, q.title),
            part(shared.title_theirs, o.title),
            part(shared.title_ours_in_lead, q.title),
            part(shared.title_theirs_in_lead, o.title),
            part(shared.names_ours, q.lead_names),
            part(shared.names_theirs, o.lead_names),
            part(shared.numbers_ours, q.lead_numbers),
            part(shared.numbers_theirs, o.lead_numbers),
            rarest,
            rare,
            flag(q.has_lead_name && o.has_lead_name && shared.names_ours == 0.0 && shared.names_theirs == 0.0),
            flag(q.has_lead_number && o.has_lead_number && shared.numbers_ours == 0.0 && shared.numbers_theirs == 0.0),
            short.min(400.0).ln_1p(),
            ((1.0 + long.min(400.0)) / (1.0 + short.min(400.0))).ln(),
            near,
            far,
        ]
    }
}

/// Sums over the terms two items share.
#[derive(Debug, Default)]
struct Shared {
    dot: f32,
    dot_names: f32,
    dot_words: f32,
    dot_lead: f32,
    title_ours: f32,
    title_theirs: f32,
    title_ours_in_lead: f32,
    title_theirs_in_lead: f32,
    names_ours: f32,
    names_theirs: f32,
    numbers_ours: f32,
    numbers_theirs: f32,
    /// Highest idf first.
    top: [f32; 15],
}

impl Shared {
    fn add(&mut self, ours: Weighted, theirs: Weighted, idf: f32) {
        let product = ours.weight() * theirs.weight();
        let name = ours.kind() == Kind::Name || theirs.kind() == Kind::Name;
        let (ours_lead, theirs_lead) = (ours.zone() >= Zone::Lead, theirs.zone() >= Zone::Lead);
        self.dot += product;
        if ours.kind() == Kind::Name && theirs.kind() == Kind::Name {
            self.dot_names += product;
        } else if !name && ours.kind() == Kind::Plain {
            self.dot_words += product;
        }
        if ours_lead && theirs_lead {
            self.dot_lead += product;
        }
        if ours.zone() == Zone::Title {
            self.title_ours += ours.weight();
            self.title_ours_in_lead += if theirs_lead { ours.weight() } else { 0.0 };
        }
        if theirs.zone() == Zone::Title {
            self.title_theirs += theirs.weight();
            self.title_theirs_in_lead += if ours_lead { theirs.weight() } else { 0.0 };
        }
        match ours.kind() {
            Kind::Name if ours_lead => self.names_ours += ours.weight(),
            Kind::Number if ours_lead => self.numbers_ours += ours.weight(),
            _ => {}
        }
        match theirs.kind() {
            Kind::Name if theirs_lead => self.names_theirs += theirs.weight(),
            Kind::Number if theirs_lead => self.numbers_theirs += theirs.weight(),
            _ => {}
        }
        self.rank(idf);
    }

    fn rank(&mut self, mut idf: f32) {
        for slot in &mut self.top {
            if idf > *slot {
                std::mem::swap(slot, &mut idf);
            }
        }
    }

    /// Mean idf of the five rarest shared terms, and of the ten after them; missing ones count as 0.
    fn rarest(&self) -> [f32; 2] {
        [self.top[..5].iter().sum::<f32>() / 5.0, self.top[5..].iter().sum::<f32>() / 10.0]
    }
}

/// Nearness (1 at once, falling over days, 0 where either date is unknown) and distance in weeks
/// beyond two days.
fn time(a: Facts, b: Facts) -> (f32, f32) {
    let (hours, dated) = match (a.published_h, b.published_h) {
        (Some(a), Some(b)) => (a.abs_diff(b), true),
        (None, None) => (a.arrived_h.abs_diff(b.arrived_h), false),
        // One date and one arrival say nothing about each other: an old article can arrive today.
        _ => return (0.0, 0.0),
    };
    let days = hours as f32 / 24.0;
    (if dated { (-days / 2.0).exp() } else { 0.0 }, ((days - 2.0).max(0.0) / 7.0).min(2.0))
}
