//! Two items of different languages to the evidence that they report one event: what they name alike,
//! weighed by how rare it is, what each names that the other does not, whether their verbs agree. No text
//! is compared. What the evidence comes to is a small model's to say ([`Kinship::log_odds`]); what tells
//! the two apart is [`super::differences`]'s.

use super::lexicon::Lexicon;
use super::{Fact, ItemFacts, Sort, UNIT_HASHED};

/// How many views there are.
pub const VIEWS: usize = 10;
/// Their names, for explanations and for fitting.
pub const VIEW_NAMES: [&str; VIEWS] = [
    "shared",
    "rarest",
    "headline_in_other",
    "other_headline_in",
    "shared_names",
    "shared_numbers",
    "deeds",
    "kinds_shared",
    "days_apart",
    "silent",
];

/// Weights of the views, and of how much of the less covered headline the other item covers: fitted by
/// logistic regression to pairs of items of two languages (`examples/across.rs` prints them), rounded.
const WEIGHTS: [f32; VIEWS] = [1.7, 4.5, 0.0, 0.0, -2.6, 0.4, 1.5, 1.2, -2.4, -0.9];
/// The weights of the lesser and of the greater share of a headline that is in the other item.
const COVERED: [f32; 2] = [3.0, 1.2];
const BIAS: f32 = -8.3;
/// Log-odds from which two items are worth showing as related.
pub const RELATED_MIN: f32 = 0.5;
/// Log-odds from which they are one event, if what they share is held by few items.
const JOIN_MIN: f32 = 2.5;
/// The same if a crowd holds it: a saga, of whose events more has to agree.
const JOIN_IN_SAGA_MIN: f32 = 4.5;
/// Items that hold the rarest shared fact from which there is a crowd.
const CROWD_MIN: u32 = 12;

/// What speaks for two items being of one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Kinship {
    /// By [`VIEW_NAMES`].
    pub views: [f32; VIEWS],
    /// What both name, the rarest first.
    pub shared: Vec<Fact>,
}

/// Rarity of a fact before the stream has taught its own: natural logarithm of one over the share of
/// items that hold it.
#[must_use]
pub fn prior_idf(fact: Fact) -> f32 {
    let lexicon = Lexicon::shipped();
    match fact.sort() {
        Sort::Place if fact.city() == 0 => match lexicon.country_name(fact.country()) {
            "US" | "RU" | "UA" | "EU" => 2.0,
            "CN" | "DE" | "FR" | "GB" | "IL" | "PL" | "IT" | "ES" | "IR" => 3.0,
            _ => 4.5,
        },
        Sort::Place if lexicon.is_capital(fact.city()) => 4.0,
        Sort::Place | Sort::Nth => 6.0,
        Sort::Body => match lexicon.body_name(fact.body_id()) {
            "police" | "parliament" | "prosecutors" | "opposition" | "general-staff" => 3.0,
            "nato" | "un" | "kremlin" | "white-house" | "foreign-ministry" | "defence-ministry" => 3.5,
            _ => 5.0,
        },
        Sort::Name => 6.5,
        Sort::Code => 8.0,
        // Small numbers are met everywhere, long ones hardly ever.
        Sort::Quantity if fact.unit() < UNIT_HASHED => match fact.amount().digits {
            0..=3 => 4.0,
            4..=20 => 5.0,
            _ => 6.5,
        },
        Sort::Quantity => match fact.amount().digits {
            0..=9 => 0.5,
            10..=99 => 2.5,
            _ => 5.0,
        },
        // Most reports of a day name the same day of the week.
        Sort::Day if fact.value() < 8 => 1.0,
        Sort::Day => 4.5,
        Sort::Act | Sort::Stage | Sort::Genre => 0.0,
    }
}

/// Whether two items name the same thing: places by their country, amounts by what is near.
fn alike(one: Fact, other: Fact) -> bool {
    if one.sort() != other.sort() {
        return false;
    }
    match one.sort() {
        Sort::Place => {
            one.country() == other.country() && (one.city() == other.city() || one.city() == 0 || other.city() == 0)
        }
        Sort::Body => one.body_id() == other.body_id(),
        Sort::Quantity => {
            let unit = |fact: Fact| Some(fact.unit()).filter(|unit| *unit < UNIT_HASHED);
            let units = match (unit(one), unit(other)) {
                (Some(one), Some(other)) => one == other || are_people(one, other),
                _ => true,
            };
            let (a, b) = (one.amount().value(), other.amount().value());
            units && (a - b).abs() <= 0.02 * a.max(b)
        }
        _ => one.value() == other.value(),
    }
}

/// Whether two counts are of people, and one does not say more of them: what one language puts in a verb, another puts
/// in a noun.
fn are_people(one: u32, other: u32) -> bool {
    let lexicon = Lexicon::shipped();
    let [one, other] = [one, other].map(|unit| lexicon.unit_name(unit as u8));
    let befallen = |name: &str| matches!(name, "dead" | "hurt" | "missing" | "held");
    one == "people" && befallen(other) || befallen(one) && other == "people"
}

/// The evidence; `idf` says how rare a fact is, `hours` how far apart the two came.
#[must_use]
pub fn kinship(a: &ItemFacts, b: &ItemFacts, hours: f32, idf: impl Fn(Fact) -> f32) -> Kinship {
    let mut shared: Vec<(Fact, f32)> = Vec::new();
    let mut title = [[0.0f32; 2]; 2];
    let (mut names, mut numbers, mut kinds) = (0.0, 0.0, 0u32);
    for (side, (ours, theirs)) in [(a, b), (b, a)].into_iter().enumerate() {
        for fact in &ours.facts {
            let rare = idf(*fact);
            let other = theirs.facts.iter().find(|other| alike(*fact, **other));
            if fact.in_title() {
                title[side][1] += rare;
            }
            let Some(other) = other else { continue };
            // A city that the other only calls by its country is shared as the country.
            let worth = rare.min(idf(*other));
            if fact.in_title() {
                title[side][0] += worth;
            }
            if side == 0 && worth > 0.0 {
                shared.push((*fact, worth));
                // A day is said with everything that happens on it: it adds to what is shared and is no kind of its own.
                kinds |= if fact.sort() == Sort::Day { 0 } else { 1 << fact.sort() as u32 };
                match fact.sort() {
                    Sort::Name | Sort::Body => names += worth,
                    Sort::Quantity | Sort::Nth | Sort::Code => numbers += worth,
                    _ => {}
                }
            }
        }
    }
    shared.sort_by(|x, y| y.1.total_cmp(&x.1).then(x.0.cmp(&y.0)));
    let part = |[shared, whole]: [f32; 2]| if whole > 0.0 { shared / whole } else { 0.0 };
    let acts = |facts: &ItemFacts, value: u32| facts.in_title(Sort::Act).any(|act| act.value() == value);
    let same_deed = a.in_title(Sort::Act).filter(|act| acts(b, act.value())).count() as f32;
    let opposite = a.in_title(Sort::Act).filter(|act| acts(b, act.value() ^ 1)).count() as f32;
    let silent = title.iter().filter(|side| side[1] == 0.0).count() as f32;
    Kinship {
        views: [
            shared.iter().map(|(_, idf)| idf).sum::<f32>() / 10.0,
            shared.first().map_or(0.0, |(_, idf)| *idf) / 5.0,
            part(title[0]),
            part(title[1]),
            names / 10.0,
            numbers / 10.0,
            (same_deed - opposite).clamp(-2.0, 2.0),
            kinds.count_ones() as f32,
            (hours / 24.0).min(4.0),
            silent,
        ],
        shared: shared.into_iter().map(|(fact, _)| fact).collect(),
    }
}

impl Kinship {
    /// Log-odds of being of one event.
    #[must_use]
    pub fn log_odds(&self) -> f32 {
        let weighed: f32 = self.views.iter().zip(WEIGHTS).map(|(view, weight)| view * weight).sum();
        let (ours, theirs) = (self.views[2], self.views[3]);
        BIAS + weighed + COVERED[0] * ours.min(theirs) + COVERED[1] * ours.max(theirs)
    }

    /// Log-odds needed to be one story; `crowd`: items that hold the rarest fact that is shared.
    #[must_use]
    pub fn join_min(crowd: u32) -> f32 {
        if crowd < CROWD_MIN { JOIN_MIN } else { JOIN_IN_SAGA_MIN }
    }
}
