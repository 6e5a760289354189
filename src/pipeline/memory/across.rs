//! Stories across languages: which remembered stories of another language an item belongs to, by what
//! both name, count and do. Within a language words decide; between languages there are none in common,
//! so only facts speak, and only strong evidence is believed.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::chains::Chains;
use super::records::Record;
use super::{ALONE, Memory, Slot};
use crate::model::{ItemId, StoryId};
use crate::pipeline::facts::kinship::{Kinship, kinship, prior_idf};
use crate::pipeline::facts::{Difference, Fact, ItemFacts, Separation, differences};
use crate::pipeline::features::Features;
use crate::pipeline::story::signals::Facts;

/// Facts under which an item is found by items of other languages: its rarest.
pub(super) const FACT_KEYS: usize = 4;
/// Rarity below which a fact finds nothing: half of the news names it.
const KEY_IDF_MIN: f32 = 3.0;
/// Items of other languages compared.
const COMPARED_MAX: usize = 12;
/// Stories reported.
const RELATED_MAX: usize = 4;
/// Further apart in time, two reports are not of one event.
const HOURS_MAX: f32 = 72.0;
/// Stories with more members take nothing in from another language: they are sagas.
const MEMBERS_MAX: usize = 200;
/// Items that the prior rarity of a fact counts for against those of the stream.
const PRIOR_ITEMS: f32 = 1500.0;

/// What is done with stories of different languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Languages {
    /// Nothing: each language has its own stories.
    Apart,
    /// They are shown as related.
    Related,
    /// They become one where the evidence is strong, and are shown as related where it is not.
    #[default]
    Together,
}

/// A story of another language that may be of the same event.
#[derive(Debug, Clone, PartialEq)]
pub struct Related {
    /// Which.
    pub story: StoryId,
    /// Its member that says most of the same.
    pub nearest: ItemId,
    /// Log-odds of being one event.
    pub score: f32,
    /// Whether that is enough to be one story.
    pub joins: bool,
    /// What both say, the rarest first.
    pub shared: Vec<Fact>,
    /// What tells the two apart, if anything does.
    pub kept_apart_by: Option<Difference>,
    /// First member of the story, for comparing ages.
    pub(super) first: Slot,
}

/// How many remembered items hold each fact.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::pipeline) struct FactCounts {
    counts: HashMap<u32, u32>,
    items: u32,
}

impl FactCounts {
    pub(super) fn add(&mut self, facts: &ItemFacts) {
        self.items += 1;
        each_key(facts, |key| *self.counts.entry(key).or_default() += 1);
    }

    pub(super) fn remove(&mut self, facts: &ItemFacts) {
        self.items = self.items.saturating_sub(1);
        each_key(facts, |key| {
            if let Some(count) = self.counts.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&key);
                }
            }
        });
    }

    fn of(&self, fact: Fact) -> u32 {
        fact.key().and_then(|key| self.counts.get(&key)).copied().unwrap_or(0)
    }

    /// Rarity of a fact now: what is known beforehand, or less where the stream holds it more often. The item that is
    /// compared holds it anyway: an empty store decides as a full one.
    fn idf(&self, fact: Fact) -> f32 {
        let prior = prior_idf(fact);
        if prior <= 0.0 || fact.key().is_none() {
            return prior;
        }
        let others = self.of(fact).saturating_sub(1) as f32;
        let share = (others + PRIOR_ITEMS * (-prior).exp()) / (self.items as f32 + PRIOR_ITEMS);
        prior.min(-share.ln()).max(0.0)
    }

    pub(super) fn bytes(&self) -> usize {
        self.counts.capacity() * (size_of::<(u32, u32)>() + 1)
    }

    /// The keys under which an item is found, the rarest first.
    pub(super) fn keys(&self, facts: &ItemFacts) -> Vec<u32> {
        let mut keys: Vec<(u32, f32)> = Vec::with_capacity(facts.facts.len());
        for fact in facts.facts.iter().flat_map(|fact| [Some(*fact), fact.country_alone()]).flatten() {
            let idf = self.idf(fact);
            if let Some(key) = fact.key().filter(|_| idf >= KEY_IDF_MIN)
                && !keys.iter().any(|(known, _)| *known == key)
            {
                keys.push((key, idf));
            }
        }
        keys.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        keys.into_iter().map(|(key, _)| spread(key)).collect()
    }
}

/// Each key of an item once.
fn each_key(facts: &ItemFacts, mut each: impl FnMut(u32)) {
    let mut seen: Vec<u32> = Vec::with_capacity(facts.facts.len() * 2);
    for key in facts.facts.iter().flat_map(|fact| [fact.key(), fact.country_alone().and_then(Fact::key)]).flatten() {
        if !seen.contains(&key) {
            seen.push(key);
            each(key);
        }
    }
}

/// Spreads a key over its 32 bits.
fn spread(key: u32) -> u32 {
    key.wrapping_mul(0x9E37_79B1).rotate_left(15)
}

impl Memory {
    /// Stories of other languages that an item may belong to, the likeliest first.
    #[must_use]
    pub fn related(&self, features: &Features) -> Vec<Related> {
        let facts = &features.facts;
        if self.config.languages == Languages::Apart || facts.lang == 0 || facts.is_collection() {
            return Vec::new();
        }
        let mut found: Vec<Related> = Vec::new();
        for slot in self.of_other_languages(facts) {
            let record = self.records.get(slot);
            let related = self.relate(facts, features.published_h, slot, &record);
            match found.iter_mut().find(|known| known.story == related.story) {
                Some(known) if related.score > known.score => *known = related,
                Some(_) => {}
                None => found.push(related),
            }
        }
        found.retain(|related| related.score >= crate::pipeline::facts::kinship::RELATED_MIN);
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.first.cmp(&b.first)));
        found.truncate(RELATED_MAX);
        found
    }

    /// Items of other languages that share rare facts, those that share most first.
    fn of_other_languages(&self, facts: &ItemFacts) -> Vec<Slot> {
        let keys = self.fact_counts.keys(facts);
        let mut postings = Vec::new();
        self.by_fact.find_each(&keys, &mut postings);
        let mut slots: Vec<(Slot, u32)> = Vec::new();
        for (_, slot) in postings {
            let lang = self.records.get(slot).lang();
            if slot < self.story_live || lang == 0 || lang == facts.lang {
                continue;
            }
            match slots.iter_mut().find(|(known, _)| *known == slot) {
                Some((_, count)) => *count += 1,
                None => slots.push((slot, 1)),
            }
        }
        slots.sort_by(|a, b| b.1.cmp(&a.1).then(b.0.cmp(&a.0)));
        slots.into_iter().take(COMPARED_MAX).map(|(slot, _)| slot).collect()
    }

    /// Hours between an item that comes now and a remembered one.
    pub(super) fn hours_since(&self, published_h: Option<i32>, theirs: Facts) -> f32 {
        let now_h = (self.now.seconds() / 3600) as i32;
        let hours = match (published_h, theirs.published_h) {
            (Some(ours), Some(theirs)) => ours.abs_diff(theirs),
            _ => now_h.abs_diff(theirs.arrived_h),
        };
        hours as f32
    }

    fn relate(&self, facts: &ItemFacts, published_h: Option<i32>, slot: Slot, record: &Record<'_>) -> Related {
        let said = record.said();
        let hours = self.hours_since(published_h, record.facts());
        let Kinship { shared, views } = kinship(facts, &said, hours, |fact| self.fact_counts.idf(fact));
        // What is not counted (a day, a number of things that no table holds) is not rare for that.
        let counted = shared.iter().filter(|fact| fact.key().is_some());
        let crowd = counted.map(|fact| self.fact_counts.of(*fact)).min().unwrap_or(u32::MAX);
        let evidence = Kinship { views, shared };
        let score = evidence.log_odds();
        let kept_apart_by = differences(facts, &said).into_iter().find(|d| d.separation == Separation::Clear);
        let members = self.groups.members(&slot, record);
        let joins = kept_apart_by.is_none()
            && !said.is_collection()
            && hours <= HOURS_MAX
            && (record.group() == ALONE || members.len() <= MEMBERS_MAX)
            && score >= Kinship::join_min(crowd);
        Related {
            story: self.groups.story_of(record),
            nearest: record.item(),
            score,
            joins,
            shared: evidence.shared,
            kept_apart_by,
            first: members.first().copied().unwrap_or(slot),
        }
    }
}

/// The index of facts, for [`Memory::new`].
pub(super) fn index() -> Chains {
    Chains::new(FACT_KEYS)
}
