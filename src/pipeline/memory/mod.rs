//! What the pipeline remembers: items of the last days by their sketches and terms, and the stories
//! they form. Answers "is this text known?" and "which story is this?", and learns what it is told.
//!
//! Everything in it is a function of the remembered items in order of arrival: rebuilt from the
//! store it decides as if it had never been gone. It reads no clock and makes no query; the loop in
//! `ingest` owns it.

mod across;
#[cfg(test)]
mod across_tests;
mod chains;
mod groups;
mod place;
mod recognise;
#[cfg(test)]
mod recognise_tests;
mod records;
pub(super) mod snapshot;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use across::{Languages, Related};
pub use place::{Bar, Candidate, Outcome, Placement};
pub use recognise::Recognised;

use self::chains::Chains;
use self::groups::Groups;
use self::records::Records;
use crate::model::{ItemId, StoryId, Timestamp};
use crate::pipeline::dedupe::sketch::{KEYS as SKETCH_KEYS, Overlap};
use crate::pipeline::dedupe::verdict::{self, Headlines};
use crate::pipeline::facts::ItemFacts;
use crate::pipeline::features::Features;
use crate::pipeline::story::decision::Model;
use crate::pipeline::story::rarity::{Rarity, Weighted};
use crate::pipeline::story::signals::Query;

/// Number of an item in order of arrival.
pub type Slot = u32;

/// Terms per item under which others find it.
const STORY_KEYS: usize = 4;
/// Known texts that are compared with a new one.
const COPIES_COMPARED_MAX: usize = 32;
/// Slots are numbered anew from here, long before entries overflow.
const RENUMBER_AT: Slot = u32::MAX / 16;
/// Group number of an item that is its story's only one.
pub(crate) const ALONE: u32 = u32::MAX;
/// Bytes that are held for a remembered item, its story and all that finds them, for turning a byte limit into a count: 650 of
/// a million that each open a story (`load store --items 1000000`), less where there are copies, up to 900 where all of it is made to cost.
pub(super) const ITEM_BYTES: usize = 700;

/// How long and how much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryConfig {
    /// A copy of a text is recognised this long after the text came (default 14 days).
    pub copies_window: Duration,
    /// An item can join a story whose last items came within this time (default 7 days; never longer
    /// than `copies_window`).
    pub story_window: Duration,
    /// A story is one event: what came or was published longer after the report that opened it is another
    /// (default 3 days).
    pub story_span: Duration,
    /// Bytes for all that is remembered of items; the oldest are forgotten early when it is reached (default 256 MiB,
    /// about 380,000 items).
    pub bytes_max: usize,
    /// What is done with stories of different languages.
    pub languages: Languages,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 24 * 3600);
        Self {
            copies_window: days(14),
            story_window: days(7),
            story_span: days(3),
            bytes_max: 256 << 20,
            languages: Languages::default(),
        }
    }
}

/// A known text that a new item repeats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearDuplicate {
    /// The item that came first.
    pub item: ItemId,
    /// Its story now.
    pub story: StoryId,
    /// How much the two share.
    pub overlap: Overlap,
    /// How the headlines compare.
    pub headlines: Headlines,
}

/// The memory.
#[derive(Debug)]
pub struct Memory {
    config: MemoryConfig,
    items_max: u32,
    records: Records,
    by_shingle: Chains,
    by_term: Chains,
    /// Items by the story they would have opened.
    by_story: Chains,
    /// Items by the rarest of what they say.
    by_fact: Chains,
    fact_counts: across::FactCounts,
    rarity: Rarity,
    groups: Groups,
    /// What tells whether two items report one event.
    model: &'static Model,
    /// First slot whose text is still recognised.
    live: Slot,
    /// First slot that still counts for stories.
    story_live: Slot,
    /// Latest time seen: arrival never goes back.
    now: Timestamp,
}

impl Memory {
    /// An empty memory.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        let config = MemoryConfig { story_window: config.story_window.min(config.copies_window), ..config };
        Self {
            config,
            items_max: u32::try_from(config.bytes_max / ITEM_BYTES).unwrap_or(RENUMBER_AT).clamp(1, RENUMBER_AT / 2),
            records: Records::default(),
            by_shingle: Chains::new(SKETCH_KEYS),
            by_term: Chains::new(STORY_KEYS),
            by_story: Chains::new(1),
            by_fact: across::index(),
            fact_counts: across::FactCounts::default(),
            rarity: Rarity::default(),
            groups: Groups::default(),
            model: Model::shipped(),
            live: 0,
            story_live: 0,
            now: Timestamp::MIN,
        }
    }

    /// Decides by another model from now on: for fitting and measuring one.
    pub fn judge_by(&mut self, model: &'static Model) {
        self.model = model;
    }

    /// What it decides by.
    #[must_use]
    pub fn model(&self) -> &'static Model {
        self.model
    }

    /// Moves on to `now` and forgets what has left its window. Call before deciding on an item.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        let stories_from = self.now.minus(self.config.story_window);
        while self.story_live < self.records.end() && self.records.get(self.story_live).arrived() < stories_from {
            self.leave_story();
        }
        let copies_from = self.now.minus(self.config.copies_window);
        while self.live < self.records.end() && self.records.get(self.live).arrived() < copies_from {
            self.live += 1;
        }
        self.sweep();
    }

    /// The known text that an item repeats, if any: the one with the greatest overlap, the older of equals.
    #[must_use]
    pub fn nearest(&self, features: &Features) -> Option<NearDuplicate> {
        let mut found = Vec::new();
        self.by_shingle.find_each(&features.sketch.keys, &mut found);
        if found.is_empty() {
            return None;
        }
        let mut slots: Vec<Slot> = found.into_iter().map(|(_, slot)| slot).collect();
        slots.sort_unstable();
        slots.dedup();
        let mut query = None;
        let mut best: Option<(Slot, Overlap, Headlines)> = None;
        // The oldest candidates first: the original is more likely among them than among its updates.
        for slot in slots.into_iter().take(COPIES_COMPARED_MAX) {
            let record = self.records.get(slot);
            let overlap = features.sketch.overlap(record.sketch());
            if overlap.containment < verdict::CONTAINMENT_MIN {
                continue;
            }
            let query = query.get_or_insert_with(|| self.query(features));
            let headlines = Headlines::of(query, &record.terms());
            // Headlines that share nothing over one text: it vouches for both only where it takes them up.
            let furniture = headlines == Headlines::Disjoint && !(features.is_grounded() && record.is_grounded());
            let better = best.is_none_or(|(_, b, _)| overlap.containment > b.containment);
            if better
                && !furniture
                && verdict::is_copy(&overlap, headlines)
                && !verdict::is_template(&features.facts, &record.said(), features.is_of(record.facts().source))
            {
                best = Some((slot, overlap, headlines));
            }
        }
        best.map(|(slot, overlap, headlines)| {
            let record = self.records.get(slot);
            NearDuplicate { item: record.item(), story: self.groups.story_of(&record), overlap, headlines }
        })
    }

    /// Remembers an item as a member of a story. `at` is when it arrived.
    pub fn insert(&mut self, item: ItemId, story: StoryId, features: &Features, at: Timestamp) {
        self.insert_placed(item, story, features, at, None);
    }

    /// [`Memory::insert`] of an item that was just placed: what its terms weigh need not be found again. `placed` must come
    /// from [`Memory::place`] at that time, with nothing inserted since.
    pub fn insert_placed(
        &mut self,
        item: ItemId,
        story: StoryId,
        features: &Features,
        at: Timestamp,
        placed: Option<&Query>,
    ) {
        self.advance(at);
        if self.records.end() >= RENUMBER_AT {
            self.renumber();
        }
        let made = if placed.is_none() { Some(self.query(features)) } else { None };
        let query = placed.or(made.as_ref()).expect("invariant: it is made where it was not given");
        debug_assert_eq!(*query, self.query(features), "weighed when something else was remembered");
        let slot = self.records.push(item, features, query.terms(), self.now);
        self.by_shingle.push(features.sketch.keys.iter().copied());
        self.by_term.push(telling(query, STORY_KEYS).into_iter().map(|(term, _)| term_key(term)));
        self.rarity.add(query.terms().iter().map(|(term, _)| *term));
        let own = StoryId::opened_by(item);
        self.by_story.push([groups::story_key(own)]);
        // Without languages to bring together it stays empty.
        let facts = Some(&features.facts).filter(|_| self.config.languages != Languages::Apart);
        self.by_fact.push(facts.map_or_else(Vec::new, |facts| self.fact_counts.keys(facts)));
        self.fact_counts.add(&features.facts);
        // One that opens its story is alone in it until another comes.
        if story != own || self.groups.holds(story) {
            self.join(slot, story);
        }
        if self.records.end() - self.live > self.items_max {
            if self.story_live == self.live {
                self.leave_story();
            }
            self.live += 1;
            self.sweep();
        }
    }

    /// Makes two stories one: the members of `gone` become members of `keep`. Whether anything changed.
    pub fn merge(&mut self, keep: StoryId, gone: StoryId) -> bool {
        if keep == gone {
            return false;
        }
        self.groups.rename_apart(gone, keep);
        let moving = match self.groups.dissolve(gone) {
            Some(members) => members,
            None => self.opener(gone).into_iter().collect(),
        };
        for slot in &moving {
            self.records.set_group(*slot, ALONE);
            self.join(*slot, keep);
        }
        !moving.is_empty()
    }

    /// Moves items to another story (a split by hand). Returns how many of them are remembered.
    pub fn assign(&mut self, items: &[ItemId], story: StoryId) -> usize {
        let slots = self.story_live..self.records.end();
        let found: Vec<Slot> = slots.filter(|slot| items.contains(&self.records.get(*slot).item())).collect();
        for slot in &found {
            self.groups.leave(&mut self.records, *slot, true);
            self.join(*slot, story);
        }
        found.len()
    }

    /// Keeps two stories apart for good: no late merge joins them (they were split by hand).
    pub fn keep_apart(&mut self, a: StoryId, b: StoryId) {
        self.groups.keep_apart(a, b);
    }

    /// What a remembered item says, free of its language.
    #[must_use]
    pub fn said(&self, item: ItemId) -> Option<ItemFacts> {
        let mut slots = self.by_story.find(groups::story_key(StoryId::opened_by(item)));
        slots.find(|slot| self.records.get(*slot).item() == item).map(|slot| self.records.get(slot).said())
    }

    /// Items whose text is recognised.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.records.end() - self.live) as usize
    }

    /// Items that there is room for.
    #[must_use]
    pub fn items_max(&self) -> usize {
        self.items_max as usize
    }

    /// What arrived before this is forgotten, if it is full.
    #[must_use]
    pub fn crowded_out_before(&self) -> Option<Timestamp> {
        (self.len() >= self.items_max()).then(|| self.records.get(self.live).arrived())
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Items that stories can still grow from.
    #[must_use]
    pub fn story_items(&self) -> usize {
        (self.records.end() - self.story_live) as usize
    }

    /// Bytes held by all of it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.records.bytes()
            + self.by_shingle.bytes()
            + self.by_term.bytes()
            + self.by_fact.bytes()
            + self.fact_counts.bytes()
            + self.rarity.bytes()
            + self.groups.bytes()
    }

    fn query(&self, features: &Features) -> Query {
        let facts = features.circumstances((self.now.seconds() / 3600) as i32);
        Query::new(self.rarity.weigh(&features.profile), facts)
    }

    /// Puts a slot that is in no group into a story.
    fn join(&mut self, slot: Slot, story: StoryId) {
        let opener = if self.groups.holds(story) { None } else { self.opener(story) };
        self.groups.join(&mut self.records, slot, story, opener);
    }

    /// The remembered items of a story, oldest first.
    fn members_of(&self, story: StoryId) -> Vec<Slot> {
        self.groups.of(story).map_or_else(|| self.opener(story).into_iter().collect(), <[Slot]>::to_vec)
    }

    /// The remembered item that opened a story and is its only one.
    fn opener(&self, story: StoryId) -> Option<Slot> {
        self.by_story.find(groups::story_key(story)).find(|slot| {
            let record = self.records.get(*slot);
            record.group() == ALONE && StoryId::opened_by(record.item()) == story
        })
    }

    /// The oldest item that counts for stories no longer does.
    fn leave_story(&mut self) {
        let slot = self.story_live;
        let record = self.records.get(slot);
        self.rarity.remove(record.terms());
        self.fact_counts.remove(&record.said());
        self.groups.leave(&mut self.records, slot, false);
        self.story_live += 1;
    }

    fn sweep(&mut self) {
        self.live = self.live.min(self.story_live);
        self.by_shingle.forget_before(self.live);
        self.by_term.forget_before(self.story_live);
        self.by_story.forget_before(self.story_live);
        self.by_fact.forget_before(self.story_live);
        self.records.forget_before(self.live);
    }

    /// Slots start from zero again.
    fn renumber(&mut self) {
        let by = self
            .records
            .base()
            .min(self.by_shingle.base())
            .min(self.by_term.base())
            .min(self.by_story.base())
            .min(self.by_fact.base());
        self.records.renumber(by);
        self.by_shingle.renumber(by);
        self.by_term.renumber(by);
        self.by_story.renumber(by);
        self.by_fact.renumber(by);
        self.groups.renumber(by);
        self.live -= by;
        self.story_live -= by;
    }
}

/// The terms of an item, the most telling first, those of the headline before others; so many at most.
fn telling(query: &Query, most: usize) -> Vec<(Weighted, f32)> {
    // The bits of numbers that are not negative rise as they do; one number is compared, not two.
    let order = |term: Weighted| {
        let worth = term.weight() * (1.0 + 0.4 * f32::from(term.zone() as u8));
        u64::from(!worth.to_bits()) << 32 | u64::from(term.hash())
    };
    let mut terms: Vec<(u64, (Weighted, f32))> = query.terms().iter().map(|term| (order(term.0), *term)).collect();
    if terms.len() > most {
        terms.select_nth_unstable_by_key(most, |(order, _)| *order);
        terms.truncate(most);
    }
    terms.sort_unstable_by_key(|(order, _)| *order);
    terms.into_iter().map(|(_, term)| term).collect()
}

/// Spreads a term over the 32 bits of a key.
fn term_key(term: Weighted) -> u32 {
    term.hash().wrapping_mul(0x9E37_79B1).rotate_left(15)
}
