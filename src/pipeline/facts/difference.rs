//! Two items' facts to what tells them apart.
//!
//! A difference needs a word on both sides: an item that is silent about a place does not contradict one
//! that names it. What stands in a headline is held against headline *and* lead of the other, so that
//! "Ottawa" and "Canada", or a town that the other mentions a sentence later, are no difference. Counts that
//! rise while an event unfolds (the dead, the injured, homes without power) are [`Separation::Rising`]: no
//! difference, but a development. Items whose headlines say the same words (templates: advisories, alerts,
//! market reports) are held against each other by their leads, too.

use super::lexicon::Lexicon;
use super::{Fact, ItemFacts, Sort, UNIT_HASHED};

/// What two items differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// Another country, city or region.
    Place,
    /// Another institution.
    Actor,
    /// Another person, company or thing with a name.
    Name,
    /// Another amount of the same thing.
    Quantity,
    /// Another number in a series: package, round, contingent.
    Nth,
    /// Another identifier: CVE, licence, road, score.
    Identifier,
    /// The opposite was done: imposed and lifted, approved and rejected.
    Polarity,
    /// Done here, only meant there.
    Stage,
    /// Another day.
    Date,
    /// One tells of many events.
    Genre,
    /// Nearly the same headline with another word in one place.
    Wording,
}

impl Aspect {
    /// The printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Actor => "actor",
            Self::Name => "name",
            Self::Quantity => "quantity",
            Self::Nth => "nth",
            Self::Identifier => "identifier",
            Self::Polarity => "polarity",
            Self::Stage => "stage",
            Self::Date => "date",
            Self::Genre => "genre",
            Self::Wording => "wording",
        }
    }
}

/// How much a difference says about two items being of two events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Separation {
    /// Nothing: a count of one thing went up. Worth telling, in one story.
    Rising,
    /// Something: count it as a signal.
    Weak,
    /// They report two events, or two stages of one that each deserve an alert.
    Clear,
}

/// One difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// In what.
    pub aspect: Aspect,
    /// What the first item says; `None` where its words are not kept (wording).
    pub ours: Option<Fact>,
    /// What the second item says.
    pub theirs: Option<Fact>,
    /// What that means.
    pub separation: Separation,
}

impl Difference {
    /// Whether an amount is of another size than all of its thing that the other item knows of: 500 soldiers that
    /// become 600 are one pledge, told more exactly.
    #[must_use]
    pub fn is_another_size(&self, known: &ItemFacts) -> bool {
        let Some(ours) = self.ours else { return false };
        let far = |theirs: Fact| {
            let (one, other) = (ours.amount().value(), theirs.amount().value());
            one.max(other) >= one.min(other) * ANOTHER_SIZE
        };
        known.of(Sort::Quantity).filter(|theirs| theirs.unit() == ours.unit()).all(far)
    }

    /// For people: `nth: package no. 16 / package no. 17`.
    #[must_use]
    pub fn spell(&self) -> String {
        match (self.ours, self.theirs) {
            (Some(ours), Some(theirs)) => format!("{}: {} / {}", self.aspect.as_str(), ours.spell(), theirs.spell()),
            (Some(one), None) | (None, Some(one)) => format!("{}: {}", self.aspect.as_str(), one.spell()),
            (None, None) => self.aspect.as_str().to_owned(),
        }
    }
}

/// Share of headline words from which two headlines are one template.
const TEMPLATE_SHARE_MIN: f32 = 0.75;
/// How many times as much is no correction of an amount.
const ANOTHER_SIZE: f64 = 2.0;
/// Headline words that a template has at least.
const TEMPLATE_WORDS_MIN: usize = 2;
/// Share of headline words from which another name beside a shared one separates.
const ALIKE_MIN: f32 = 0.5;
/// Amounts nearer than this are roundings of one.
const ROUNDING: f64 = 0.06;

/// What tells two items apart; empty where nothing does. Symmetric but for `ours` and `theirs`.
#[must_use]
pub fn differences(a: &ItemFacts, b: &ItemFacts) -> Vec<Difference> {
    let mut out = Vec::new();
    let alike = alikeness(a, b);
    genre(a, b, &mut out);
    for zone in [Zone::Title, Zone::Whole] {
        // The leads are asked where the headlines are the same and tell nothing.
        if zone == Zone::Whole
            && !(alike >= TEMPLATE_SHARE_MIN && out.iter().all(|d| d.separation != Separation::Clear))
        {
            break;
        }
        identifiers(a, b, zone, &mut out);
        numbered(a, b, zone, &mut out);
        places(a, b, zone, &mut out);
        actors(a, b, zone, &mut out);
        names(a, b, zone, &mut out);
        quantities(a, b, zone, &mut out);
        dates(a, b, zone, &mut out);
        if zone == Zone::Title {
            polarity(a, b, &mut out);
            stage(a, b, &mut out);
        }
    }
    wording(a, b, &mut out);
    doubt(a, b, alike, &mut out);
    out
}

/// Names that are translated rather than transcribed, words that are never compared: across languages
/// these are signals. And so are places and names of two headlines that share no other word, where no
/// lead was there to mention what the other headline does.
fn doubt(a: &ItemFacts, b: &ItemFacts, alike: f32, out: &mut [Difference]) {
    let across = a.lang != b.lang;
    let blind = !(a.has_lead && b.has_lead) && alike == 0.0;
    for difference in out.iter_mut().filter(|d| d.separation == Separation::Clear) {
        let doubtful = match difference.aspect {
            Aspect::Name | Aspect::Stage => across || blind,
            Aspect::Place | Aspect::Actor => blind && !across,
            _ => false,
        };
        if doubtful {
            difference.separation = Separation::Weak;
        }
    }
}

/// Whether two items of one source fill its template with different things: the headlines say the same words, and another
/// place, institution, name, number of a series or identifier stands in them, or in the leads where the headlines are
/// equal. What one source says each time is no evidence of anything; what it says otherwise is.
#[must_use]
pub fn fills_template(a: &ItemFacts, b: &ItemFacts, found: &[Difference]) -> bool {
    if a.frame.len().min(b.frame.len()) < TEMPLATE_WORDS_MIN || alikeness(a, b) < TEMPLATE_SHARE_MIN {
        return false;
    }
    let tells = |difference: &Difference| {
        difference.separation == Separation::Clear
            && matches!(
                difference.aspect,
                Aspect::Place | Aspect::Actor | Aspect::Name | Aspect::Nth | Aspect::Identifier | Aspect::Date
            )
    };
    found.iter().any(tells) || slot(a, b, Sort::Place, Fact::country) || slot(a, b, Sort::Name, Fact::value)
}

/// Whether one of two items goes on counting what the other began to: one place, victims in both, a headline that says
/// that they are more, and nothing that tells the two apart.
#[must_use]
pub fn goes_on_counting(a: &ItemFacts, b: &ItemFacts, found: &[Difference]) -> bool {
    let lexicon = Lexicon::shipped();
    let counts = |facts: &ItemFacts| {
        facts
            .of(Sort::Quantity)
            .any(|fact| fact.unit() < UNIT_HASHED && VICTIMS.contains(&lexicon.unit_name(fact.unit() as u8)))
    };
    let rises = |facts: &ItemFacts| {
        facts
            .in_title(Sort::Act)
            .any(|act| act.value() & 1 == 1 && lexicon.act_name((act.value() >> 1) as u8) == "raise")
    };
    let place = |one: Fact| b.of(Sort::Place).any(|other| one.city() != 0 && other.city() == one.city());
    found.iter().all(|difference| difference.separation != Separation::Clear)
        && counts(a)
        && counts(b)
        && (rises(a) || rises(b))
        && a.of(Sort::Place).any(place)
}

/// What a headline denies something by: somebody answers what was reported, which is news to whoever was told that.
#[must_use]
pub fn denial(item: &ItemFacts) -> Option<Fact> {
    let lexicon = Lexicon::shipped();
    item.in_title(Sort::Act).find(|act| act.value() & 1 == 0 && lexicon.act_name((act.value() >> 1) as u8) == "confirm")
}

/// Of whom there are more as an event unfolds.
const VICTIMS: [&str; 4] = ["dead", "hurt", "missing", "held"];

/// Each headline has something in the slot that the other headline has not, whatever the leads mention.
fn slot<T: PartialEq>(a: &ItemFacts, b: &ItemFacts, sort: Sort, what: impl Fn(Fact) -> T) -> bool {
    let lacks = |one: &ItemFacts, other: &ItemFacts| {
        one.in_title(sort).any(|fact| !other.in_title(sort).any(|known| what(known) == what(fact)))
    };
    lacks(a, b) && lacks(b, a)
}

/// Which facts speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    Title,
    Whole,
}

impl Zone {
    fn facts(self, of: &ItemFacts, sort: Sort) -> impl Iterator<Item = Fact> + Clone + '_ {
        of.of(sort).filter(move |fact| self == Self::Whole || fact.in_title())
    }
}

/// Share of headline words, names and numbers left out, that two headlines have in common, from 0 to 1.
#[must_use]
pub fn alikeness(a: &ItemFacts, b: &ItemFacts) -> f32 {
    let shared = shared_words(a, b);
    if shared == 0 { 0.0 } else { 2.0 * shared as f32 / (a.frame.len() + b.frame.len()) as f32 }
}

fn shared_words(a: &ItemFacts, b: &ItemFacts) -> usize {
    a.frame.iter().filter(|word| b.frame.contains(word)).count()
}

fn push(out: &mut Vec<Difference>, aspect: Aspect, pair: (Fact, Fact), separation: Separation) {
    let (ours, theirs) = pair;
    if !out.iter().any(|d| d.aspect == aspect) {
        out.push(Difference { aspect, ours: Some(ours), theirs: Some(theirs), separation });
    }
}

fn genre(a: &ItemFacts, b: &ItemFacts, out: &mut Vec<Difference>) {
    let of = |facts: &ItemFacts| facts.of(Sort::Genre).next();
    match (of(a), of(b)) {
        (Some(_), Some(_)) | (None, None) => {}
        (ours, theirs) => {
            out.push(Difference { aspect: Aspect::Genre, ours, theirs, separation: Separation::Clear });
        }
    }
}

/// Both name identifiers of one sort, and none is the same.
fn identifiers(a: &ItemFacts, b: &ItemFacts, zone: Zone, out: &mut Vec<Difference>) {
    let sort = |fact: Fact| fact.value() >> 20;
    let pair = disjoint(&zone.facts(a, Sort::Code), &zone.facts(b, Sort::Code), sort, Fact::value);
    if let Some(pair) = pair {
        push(out, Aspect::Identifier, pair, Separation::Clear);
    }
}

/// Both number a thing of one sort, and no number is the same.
fn numbered(a: &ItemFacts, b: &ItemFacts, zone: Zone, out: &mut Vec<Difference>) {
    let (ours, theirs) = (zone.facts(a, Sort::Nth), zone.facts(b, Sort::Nth));
    let class = |fact: Fact| fact.value() & 0xFF;
    let number = |fact: Fact| fact.value() >> 8;
    for one in ours.clone() {
        for other in theirs.clone() {
            let same_class = class(one) == class(other) || class(one) == 0 || class(other) == 0;
            let known = |facts: &ItemFacts, fact| facts.of(Sort::Nth).any(|f| number(f) == number(fact));
            if same_class && !known(b, one) && !known(a, other) {
                push(out, Aspect::Nth, (one, other), Separation::Clear);
            }
        }
    }
}

/// The first of each side where both sides have something of one class and nothing of it is the same.
fn disjoint(
    ours: &(impl Iterator<Item = Fact> + Clone),
    theirs: &(impl Iterator<Item = Fact> + Clone),
    class: impl Fn(Fact) -> u32,
    value: impl Fn(Fact) -> u32,
) -> Option<(Fact, Fact)> {
    for one in ours.clone() {
        let of_class = theirs.clone().filter(|other| class(*other) == class(one));
        if let Some(other) = of_class.clone().next()
            && !ours.clone().any(|one| of_class.clone().any(|other| value(other) == value(one)))
        {
            return Some((one, other));
        }
    }
    None
}

/// Each side names a place in its headline that the other mentions nowhere.
fn places(a: &ItemFacts, b: &ItemFacts, zone: Zone, out: &mut Vec<Difference>) {
    let ours = zone.facts(a, Sort::Place).find(|place| !mentions_place(b, *place));
    let theirs = zone.facts(b, Sort::Place).find(|place| !mentions_place(a, *place));
    if let (Some(ours), Some(theirs)) = (ours, theirs) {
        push(out, Aspect::Place, (ours, theirs), Separation::Clear);
    }
    // To a place and out of it.
    for one in zone.facts(a, Sort::Place) {
        let same = |other: &Fact| other.country() == one.country() && other.city() == one.city();
        for other in zone.facts(b, Sort::Place).filter(same) {
            if let (Some(from), Some(other_from)) = (one.from(), other.from())
                && from != other_from
            {
                push(out, Aspect::Polarity, (one, other), Separation::Weak);
            }
        }
    }
}

/// Whether an item mentions a place: itself, its country as a whole, or somebody who speaks for that.
fn mentions_place(facts: &ItemFacts, place: Fact) -> bool {
    let lexicon = Lexicon::shipped();
    let union =
        |fact: Fact| lexicon.country_name(fact.country()) == "EU" || lexicon.city_name(fact.city()) == "Brussels";
    let whole = |fact: Fact| fact.city() == 0 || lexicon.is_capital(fact.city());
    let place_like = |other: Fact| {
        other.country() == place.country() && (other.city() == place.city() || other.city() == 0 || place.city() == 0)
            || union(other) && union(place)
    };
    facts.of(Sort::Place).any(place_like)
        || whole(place) && facts.of(Sort::Body).any(|body| body.country() != 0 && body.country() == place.country())
}

/// Each side names an institution in its headline that the other mentions nowhere.
fn actors(a: &ItemFacts, b: &ItemFacts, zone: Zone, out: &mut Vec<Difference>) {
    let unknown_to = |facts: &ItemFacts, body: Fact| {
        let named = facts.of(Sort::Body).any(|other| other.body_id() == body.body_id());
        let country = facts.of(Sort::Place).any(|place| body.country() != 0 && place.country() == body.country());
        !named && !country
    };
    let ours = zone.facts(a, Sort::Body).find(|body| unknown_to(b, *body));
    let theirs = zone.facts(b, Sort::Body).find(|body| unknown_to(a, *body));
    if let (Some(ours), Some(theirs)) = (ours, theirs) {
        let common = |body: Fact| COMMON.contains(&Lexicon::shipped().body_name(body.body_id()));
        let separation = if common(ours) || common(theirs) { Separation::Weak } else { Separation::Clear };
        push(out, Aspect::Actor, (ours, theirs), separation);
    }
}

/// Institutions that every country has and every report may mention.
const COMMON: [&str; 6] = ["police", "parliament", "opposition", "prosecutors", "general-staff", "central-bank"];

/// Both headlines have names, and none of them is known to the other.
fn names(a: &ItemFacts, b: &ItemFacts, zone: Zone, out: &mut Vec<Difference>) {
    let known = |facts: &ItemFacts, name: Fact| facts.of(Sort::Name).any(|other| other.value() == name.value());
    let ours = zone.facts(a, Sort::Name).find(|name| !known(b, *name));
    let theirs = zone.facts(b, Sort::Name).find(|name| !known(a, *name));
    if let (Some(ours), Some(theirs)) = (ours, theirs) {
        let shared = a.of(Sort::Name).any(|name| known(b, name));
        let clear = !shared || alikeness(a, b) >= ALIKE_MIN;
        push(out, Aspect::Name, (ours, theirs), if clear { Separation::Clear } else { Separation::Weak });
    }
}

/// What goes up while an event unfolds.
const RISING: [&str; 7] = ["dead", "hurt", "missing", "held", "people", "homes", "cases"];

/// Both count the same thing, and differently.
fn quantities(a: &ItemFacts, b: &ItemFacts, zone: Zone, out: &mut Vec<Difference>) {
    let (ours, theirs) = (zone.facts(a, Sort::Quantity), zone.facts(b, Sort::Quantity));
    let near = |one: Fact, other: Fact| {
        let (one, other) = (one.amount().value(), other.amount().value());
        (one - other).abs() <= ROUNDING * one.max(other)
    };
    for one in ours {
        let same_unit = theirs.clone().filter(|other| other.unit() == one.unit());
        let Some(other) = same_unit.clone().next() else { continue };
        let agrees =
            |fact: Fact, facts: &ItemFacts| facts.of(Sort::Quantity).any(|f| f.unit() == fact.unit() && near(f, fact));
        if agrees(one, b) || agrees(other, a) {
            continue;
        }
        let unit = one.unit();
        let name = if unit < UNIT_HASHED { Lexicon::shipped().unit_name(unit as u8) } else { "" };
        let separation = match name {
            _ if RISING.contains(&name) => Separation::Rising,
            "" => Separation::Weak,
            _ => Separation::Clear,
        };
        let known = out.iter().position(|d| d.aspect == Aspect::Quantity);
        match known {
            Some(at) if out[at].separation < separation => {
                out[at] = Difference { aspect: Aspect::Quantity, ours: Some(one), theirs: Some(other), separation };
            }
            Some(_) => {}
            None => push(out, Aspect::Quantity, (one, other), separation),
        }
    }
}

/// Both name a day, and it is another.
fn dates(a: &ItemFacts, b: &ItemFacts, zone: Zone, out: &mut Vec<Difference>) {
    let class = |fact: Fact| u32::from(fact.value() < 8);
    if let Some(pair) = disjoint(&zone.facts(a, Sort::Day), &zone.facts(b, Sort::Day), class, Fact::value) {
        push(out, Aspect::Date, pair, Separation::Clear);
    }
}

/// One headline has one side of an opposition, the other the other, and neither has both.
fn polarity(a: &ItemFacts, b: &ItemFacts, out: &mut Vec<Difference>) {
    let has = |facts: &ItemFacts, value: u32| facts.in_title(Sort::Act).any(|act| act.value() == value);
    for one in a.in_title(Sort::Act) {
        let opposite = one.value() ^ 1;
        let other = b.in_title(Sort::Act).find(|act| act.value() == opposite);
        if let Some(other) = other.filter(|_| !has(a, opposite) && !has(b, one.value())) {
            push(out, Aspect::Polarity, (one, other), Separation::Clear);
        }
    }
}

/// One headline tells what was done, the other only what is meant.
fn stage(a: &ItemFacts, b: &ItemFacts, out: &mut Vec<Difference>) {
    let only = |facts: &ItemFacts| {
        let mut stages = facts.in_title(Sort::Stage);
        let first = stages.next()?;
        stages.next().is_none().then_some(first)
    };
    if let (Some(ours), Some(theirs)) = (only(a), only(b))
        && ours.value() != theirs.value()
    {
        let separation = if shared_words(a, b) > 0 { Separation::Clear } else { Separation::Weak };
        push(out, Aspect::Stage, (ours, theirs), separation);
    }
}

/// Nearly the same headline, with one or two words exchanged.
fn wording(a: &ItemFacts, b: &ItemFacts, out: &mut Vec<Difference>) {
    let shared = shared_words(a, b);
    let (ours, theirs) = (a.frame.len() - shared, b.frame.len().saturating_sub(shared));
    if shared >= 2 && (1..=2).contains(&ours) && (1..=2).contains(&theirs) && shared >= ours.max(theirs) {
        out.push(Difference { aspect: Aspect::Wording, ours: None, theirs: None, separation: Separation::Weak });
    }
}
