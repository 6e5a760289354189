//! Which story an item belongs to: candidates by shared telling terms, each story judged by its
//! nearest member and by all that are compared, the best one joined if it is near enough.

use super::{ALONE, Memory, Slot, term_key};
use crate::model::{ItemId, StoryId};
use crate::pipeline::features::Features;
use crate::pipeline::story::decision;
use crate::pipeline::story::signals::{Query, SIGNALS};

/// Remembered items looked at while gathering candidates.
const POSTINGS_MAX: usize = 192;
/// Items taken from those, by the weight of what they share.
const CANDIDATES_MAX: usize = 24;
/// Stories compared in full.
const STORIES_MAX: usize = 10;
/// Members compared per story: the first ones say what it began as, the last what it is now.
const MEMBERS_FIRST: usize = 4;
const MEMBERS_LAST: usize = 8;
/// Stories reported beside the best.
const RUNNERS_UP: usize = 3;
/// Terms an item needs to join anything: one-word items join by accident.
const TERMS_MIN: usize = 3;
/// Terms it must share with the nearest member.
const SHARED_MIN: usize = 3;

/// One story that was considered.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Which.
    pub story: StoryId,
    /// Its member nearest to the item.
    pub nearest: ItemId,
    /// Log-odds of belonging; joined at [`decision::JOIN`] or more.
    pub score: f32,
    /// Members compared.
    pub compared: usize,
    /// Signals with the nearest member.
    pub signals: [f32; SIGNALS],
    /// Terms shared with the nearest member, weightiest first.
    pub shared: Vec<u32>,
}

/// What happens to the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It belongs to the first candidate.
    Join(StoryId),
    /// It opens a story.
    Open(StoryId),
}

/// The decision with its grounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// Joined or opened.
    pub outcome: Outcome,
    /// Story that turned out to be one with the joined one: the older id is in `outcome`, this one goes.
    pub merged: Option<StoryId>,
    /// Stories considered, best first.
    pub candidates: Vec<Candidate>,
}

impl Placement {
    /// The story the item is in.
    #[must_use]
    pub fn story(&self) -> StoryId {
        match self.outcome {
            Outcome::Join(story) | Outcome::Open(story) => story,
        }
    }
}

impl Memory {
    /// Finds the story of an item that is no copy of a known one.
    #[must_use]
    pub fn place(&self, item: ItemId, features: &Features) -> Placement {
        let mut candidates = Vec::new();
        if features.profile.terms.len() >= TERMS_MIN {
            let query = self.query(features);
            let mut judged = self.judge(&query);
            judged.sort_by(|a, b| b.0.score.total_cmp(&a.0.score).then(a.1.cmp(&b.1)));
            candidates = judged.into_iter().map(|(candidate, _)| candidate).take(1 + RUNNERS_UP).collect();
        }
        let joins = |c: &&Candidate| c.score >= decision::JOIN && c.shared.len() >= SHARED_MIN;
        let outcome = match candidates.first().filter(joins) {
            Some(best) => Outcome::Join(best.story),
            None => Outcome::Open(StoryId::opened_by(item)),
        };
        Placement { outcome, merged: None, candidates }
    }

    /// Scores the stories that share telling terms with the item, each with its first member.
    fn judge(&self, query: &Query) -> Vec<(Candidate, Slot)> {
        let mut stories: Vec<(u32, Slot)> = Vec::new();
        let mut judged = Vec::new();
        for slot in self.gather(query) {
            let record = self.records.get(slot);
            let group = record.group();
            let known = |(g, s): &(u32, Slot)| if group == ALONE { *s == slot } else { *g == group };
            if stories.iter().any(known) {
                continue;
            }
            stories.push((group, slot));
            judged.push(self.judge_story(query, slot));
            if judged.len() == STORIES_MAX {
                break;
            }
        }
        judged
    }

    fn judge_story(&self, query: &Query, slot: Slot) -> (Candidate, Slot) {
        let record = self.records.get(slot);
        let members = self.groups.members(&slot, &record);
        let first = &members[..members.len().min(MEMBERS_FIRST)];
        let last = &members[first.len().max(members.len().saturating_sub(MEMBERS_LAST))..];
        let mut scores = Vec::with_capacity(first.len() + last.len());
        let mut nearest = (f32::NEG_INFINITY, slot, [0.0; SIGNALS]);
        for member in first.iter().chain(last) {
            let other = self.records.get(*member);
            let signals = query.signals(other.terms(), other.facts());
            let score = decision::pair(&signals);
            if score > nearest.0 {
                nearest = (score, *member, signals);
            }
            scores.push(score);
        }
        let near = self.records.get(nearest.1);
        let candidate = Candidate {
            story: self.groups.story_of(&record),
            nearest: near.item(),
            score: decision::story(&scores),
            compared: scores.len(),
            signals: nearest.2,
            shared: near.terms().map(|t| t.hash()).filter(|t| query.find(*t).is_some()).collect(),
        };
        (candidate, members.first().copied().unwrap_or(slot))
    }

    /// Items that share the item's telling terms, those that share the weightiest first.
    fn gather(&self, query: &Query) -> Vec<Slot> {
        let mut terms: Vec<_> = query.terms().to_vec();
        terms.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.hash().cmp(&b.0.hash())));
        let mut found: Vec<(Slot, f32)> = Vec::with_capacity(POSTINGS_MAX);
        for (term, idf) in terms {
            for slot in self.by_term.find(term_key(term)) {
                found.push((slot, idf));
            }
            if found.len() >= POSTINGS_MAX {
                break;
            }
        }
        found.sort_unstable_by_key(|(slot, _)| *slot);
        let mut summed: Vec<(Slot, f32)> = Vec::new();
        for (slot, idf) in found {
            match summed.last_mut() {
                Some(last) if last.0 == slot => last.1 += idf,
                _ => summed.push((slot, idf)),
            }
        }
        summed.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
        summed.into_iter().take(CANDIDATES_MAX).map(|(slot, _)| slot).collect()
    }
}
