//! A second look at an item on a topic that no story took in: whether one of the stories that were on that topic
//! lately tells of the same event in other words. Within a topic fewer events compete, so that what both name and
//! count may outweigh how they put it; what tells the two apart still does.

use super::place::sampled;
use super::{Languages, Memory, Slot};
use crate::model::{ItemId, StoryId};
use crate::pipeline::facts::kinship::{Kinship, kinship, prior_idf};
use crate::pipeline::facts::{Fact, ItemFacts, Separation, differences, fills_template};
use crate::pipeline::features::Features;
use crate::pipeline::story::signals::{Query, SAME_SOURCE};

/// Stories looked at, the latest first.
const STORIES_MAX: usize = 24;
/// Stories of more members take in nothing this way.
const MEMBERS_MAX: usize = 40;
/// Hours between two reports of one event.
const HOURS_MAX: f32 = 36.0;
/// Log-odds, by what both say, from which an item belongs to a story of its language, and to one of another.
const WITHIN_MIN: f32 = 1.0;
const ACROSS_MIN: f32 = 1.5;
/// Log-odds that the words of an item and a member have to bring beside it, where they are of one language.
const WORDS_MIN: f32 = 0.5;

/// A story on the topic of an item that tells of the same event.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognised {
    /// Which.
    pub story: StoryId,
    /// Its member that says most of the same.
    pub nearest: ItemId,
    /// Log-odds of being one event, by what both say.
    pub score: f32,
    /// Log-odds needed.
    pub threshold: f32,
    /// What both say, the rarest first.
    pub shared: Vec<Fact>,
}

impl Memory {
    /// The likeliest of these stories, if one is likely enough; `stories` are those on a topic of the item, the latest
    /// first.
    #[must_use]
    pub fn recognise(&self, features: &Features, stories: impl Iterator<Item = StoryId>) -> Option<Recognised> {
        let facts = &features.facts;
        if features.roundup || facts.is_collection() {
            return None;
        }
        let query = self.query(features);
        let mut best: Option<Recognised> = None;
        for story in stories.take(STORIES_MAX) {
            let members = self.members_of(story);
            let first = members.first().map(|first| self.records.get(*first).facts());
            let over = first.is_none_or(|first| self.beyond_span(query.facts(), first));
            if over || members.len() > MEMBERS_MAX {
                continue;
            }
            for slot in sampled(&members) {
                let found = self.recognise_by(features, &query, story, slot);
                best = match (best, found) {
                    (Some(best), Some(found)) if best.score >= found.score => Some(best),
                    (best, found) => found.or(best),
                };
            }
        }
        best
    }

    fn recognise_by(&self, features: &Features, query: &Query, story: StoryId, slot: Slot) -> Option<Recognised> {
        let record = self.records.get(slot);
        let (facts, said) = (&features.facts, record.said());
        if record.is_roundup() || said.is_collection() {
            return None;
        }
        let across = facts.lang != said.lang;
        if across && (self.config.languages != Languages::Together || facts.lang == 0 || said.lang == 0) {
            return None;
        }
        let hours = self.hours_since(features.published_h, record.facts());
        if hours > HOURS_MAX {
            return None;
        }
        // How rare a name is in the stream says nothing here: in a crisis all reports of its events name the same few.
        let kin = kinship(facts, &said, hours, prior_idf);
        let score = kin.log_odds();
        let threshold = if across { ACROSS_MIN } else { WITHIN_MIN };
        if score < threshold || tells_apart(facts, &said, features.is_of(record.facts().source)) {
            return None;
        }
        // Who published both is left out: an outlet follows its own report up, and what its template says is no fact.
        let words = || {
            let mut signals = query.signals(record.terms(), record.facts());
            signals[SAME_SOURCE] = 0.0;
            self.model.pair(&signals)
        };
        if !across && words() < WORDS_MIN {
            return None;
        }
        let Kinship { shared, .. } = kin;
        Some(Recognised { story, nearest: record.item(), score, threshold, shared })
    }
}

fn tells_apart(a: &ItemFacts, b: &ItemFacts, one_source: bool) -> bool {
    let found = differences(a, b);
    found.iter().any(|difference| difference.separation == Separation::Clear)
        || one_source && fills_template(a, b, &found)
}
