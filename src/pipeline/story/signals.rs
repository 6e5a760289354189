//! Two items to the signals that tell whether they report one event: how much of what each holds
//! dear (headline, lead, names, numbers) the other has too. No decision yet.

use super::profile::Zone;
use super::rarity::Weighted;
use super::words::Kind;

/// How many signals there are.
pub const SIGNALS: usize = 32;
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
    "other_name_in_place",
    "other_number_in_place",
    "other_word_in_place",
    "headlines_alike",
    "rarest_term",
    "second_rarest_term",
    "rarest_name",
    "names_of_their_own",
    "leads_of_their_own",
    "same_source",
    "other_weekday",
    "headline_missing",
];
/// The signals by what they look at, for explanations and for the ablation of docs/development/stories.md.
pub const VIEWS: [(&str, &[usize]); 9] = [
    ("words", &[0, 2, 3]),
    ("headline", &[4, 5, 6, 7]),
    ("names", &[1, 8, 9, 14, 27]),
    ("numbers", &[10, 11, 15]),
    ("rare terms", &[12, 13, 24, 25, 26]),
    ("length", &[16, 17, 28, 31]),
    ("time", &[18, 19, 30]),
    ("what stands in place of another", &[20, 21, 22, 23]),
    ("source", &[29]),
];
/// The two rarest shared terms among the signals, each a tenth of its idf.
pub const RAREST: [usize; 2] = [24, 25];
/// Whether both are of one source, among the signals.
pub const SAME_SOURCE: usize = 29;
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
    /// Who published it; 0: not known.
    pub source: u32,
    /// Weekdays that its headline and lead name, a bit each.
    pub weekdays: u8,
}

/// Sums over the terms of one item, per view.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sums {
    square: f32,
    square_names: f32,
    square_words: f32,
    square_lead: f32,
    title: f32,
    /// Terms of the headline.
    titles: usize,
    lead: f32,
    lead_names: f32,
    lead_numbers: f32,
    has_lead_name: bool,
    has_lead_number: bool,
}

impl Sums {
    fn add(&mut self, term: Weighted) {
        let w = term.weight();
        let lead = term.zone() >= Zone::Lead;
        self.square += w * w;
        match term.kind() {
            Kind::Name => self.square_names += w * w,
            Kind::Plain => self.square_words += w * w,
            Kind::Number => {}
        }
        if !lead {
            return;
        }
        self.square_lead += w * w;
        self.lead += w;
        if term.zone() == Zone::Title {
            self.title += w;
            self.titles += 1;
        }
        if term.kind() == Kind::Name {
            self.lead_names += w;
            self.has_lead_name = true;
        }
        if term.kind() == Kind::Number {
            self.lead_numbers += w;
            self.has_lead_number = true;
        }
    }
}

/// The item that is being placed, laid out for many comparisons.
#[derive(Debug, Clone, PartialEq)]
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
        let mut sums = Sums::default();
        for (term, _) in &terms {
            sums.add(*term);
        }
        Self { terms, lookup, sums, facts }
    }

    /// What else is known of it.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// Its terms.
    #[must_use]
    pub fn terms(&self) -> &[(Weighted, f32)] {
        &self.terms
    }

    /// Its term with that hash.
    #[must_use]
    pub fn find(&self, hash: u32) -> Option<(Weighted, f32)> {
        self.place(hash).map(|at| self.terms[at])
    }

    fn place(&self, hash: u32) -> Option<usize> {
        let mut at = hash as usize % LOOKUP_SLOTS;
        while self.lookup[at] != u8::MAX {
            let index = usize::from(self.lookup[at]);
            if self.terms[index].0.hash() == hash {
                return Some(index);
            }
            at = (at + 1) % LOOKUP_SLOTS;
        }
        None
    }

    /// Compares with a remembered item.
    #[must_use]
    pub fn signals(&self, other: impl Iterator<Item = Weighted>, facts: Facts) -> [f32; SIGNALS] {
        let q = &self.sums;
        let mut o = Sums::default();
        let mut shared = Shared::default();
        let mut headline = Headline::default();
        for theirs in other {
            o.add(theirs);
            let found = self.place(theirs.hash());
            if let Some(at) = found {
                let (ours, idf) = self.terms[at];
                shared.add(ours, theirs, idf);
                headline.matched |= 1 << at;
            }
            if theirs.zone() == Zone::Title {
                headline.push(found, theirs);
            }
        }
        let cosine = |dot: f32, a: f32, b: f32| if dot > 0.0 { dot / (a * b).sqrt() } else { 0.0 };
        let part = |shared: f32, whole: f32| if whole > 0.0 { shared / whole } else { 0.0 };
        let flag = |set: bool| if set { 1.0 } else { 0.0 };
        let (near, far) = time(self.facts, facts);
        let (short, long) = (self.facts.words.min(facts.words) as f32, self.facts.words.max(facts.words) as f32);
        let [rarest, rare] = shared.rarest();
        let other = headline.differences(&self.terms, q.titles);
        let own_names = (q.lead_names - shared.names_ours).min(o.lead_names - shared.names_theirs).max(0.0);
        let own_lead = (q.lead - shared.lead_ours).min(o.lead - shared.lead_theirs).max(0.0);
        let same_source = facts.source != 0 && facts.source == self.facts.source;
        let (ours_days, their_days) = (self.facts.weekdays, facts.weekdays);
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
            other.names,
            other.numbers,
            other.any,
            other.anchored,
            shared.top[0] / 10.0,
            shared.top[1] / 10.0,
            shared.top_name / 10.0,
            own_names.min(60.0) / 20.0,
            own_lead.min(200.0) / 60.0,
            flag(same_source),
            flag(ours_days != 0 && their_days != 0 && ours_days & their_days == 0),
            flag(q.titles == 0 || headline.theirs == 0),
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
    lead_ours: f32,
    lead_theirs: f32,
    /// Highest idf of a name.
    top_name: f32,
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
        self.lead_ours += if ours_lead { ours.weight() } else { 0.0 };
        self.lead_theirs += if theirs_lead { theirs.weight() } else { 0.0 };
        if name {
            self.top_name = self.top_name.max(idf);
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

/// Terms of a headline that are laid beside another one.
const HEADLINE_TERMS_MAX: usize = 20;

/// A remembered headline in its order, to be laid beside that of the item.
#[derive(Debug, Default)]
struct Headline {
    terms: [(u8, Weighted); HEADLINE_TERMS_MAX],
    theirs: usize,
    /// Terms of the item that the other one has too, a bit each.
    matched: u64,
}

/// What stands in one headline where the other, alike around it, has something else.
#[derive(Debug, Default)]
struct Differences {
    names: f32,
    numbers: f32,
    any: f32,
    /// Share of the shorter headline that both have in the same order.
    anchored: f32,
}

/// The weightiest term of a stretch, per kind, of those that the other item lacks.
#[derive(Debug, Default, Clone, Copy)]
struct Stretch {
    name: f32,
    number: f32,
    any: f32,
}

impl Stretch {
    fn add(&mut self, term: Weighted) {
        let weight = term.weight().min(10.0);
        match term.kind() {
            Kind::Name => self.name = self.name.max(weight),
            Kind::Number => self.number = self.number.max(weight),
            Kind::Plain => {}
        }
        self.any = self.any.max(weight);
    }
}

impl Headline {
    fn push(&mut self, found: Option<usize>, term: Weighted) {
        if self.theirs < HEADLINE_TERMS_MAX {
            self.terms[self.theirs] = (found.map_or(u8::MAX, |at| at as u8), term);
            self.theirs += 1;
        }
    }

    /// Goes through both headlines from one common term to the next.
    fn differences(&self, ours: &[(Weighted, f32)], titles: usize) -> Differences {
        let mut out = Differences::default();
        let titles = titles.min(HEADLINE_TERMS_MAX);
        if titles == 0 || self.theirs == 0 {
            return out;
        }
        let mut from = 0;
        let mut anchors = 0;
        let mut theirs = Stretch::default();
        let mut close = |range: std::ops::Range<usize>, theirs: Stretch| {
            let mut own = Stretch::default();
            range.filter(|at| self.matched >> at & 1 == 0).for_each(|at| own.add(ours[at].0));
            out.names += own.name.min(theirs.name) / 10.0;
            out.numbers += own.number.min(theirs.number) / 10.0;
            out.any += own.any.min(theirs.any) / 10.0;
        };
        for (found, term) in &self.terms[..self.theirs] {
            let found = usize::from(*found);
            if found == usize::from(u8::MAX) {
                theirs.add(*term);
            } else if found >= from && found < titles {
                close(from..found, theirs);
                theirs = Stretch::default();
                from = found + 1;
                anchors += 1;
            }
        }
        close(from..titles, theirs);
        let anchored = anchors as f32 / titles.min(self.theirs) as f32;
        let [names, numbers, any] = [out.names, out.numbers, out.any].map(|sum| sum.min(2.0) * anchored);
        Differences { names, numbers, any, anchored }
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
