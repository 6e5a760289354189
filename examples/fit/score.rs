//! Streams the sets through the memory with the model of each document's fold, and scores the stories.

use std::collections::HashMap;

use wirewatch::eval::Quality;
use wirewatch::eval::duplicates::PairCounts;
use wirewatch::eval::stories::{b_cubed, pairwise};
use wirewatch::model::StoryId;
use wirewatch::pipeline::memory::{Memory, MemoryConfig};
use wirewatch::pipeline::story::decision::Model;

use super::data::{Document, Sets};

/// What docs/stories.md quotes.
pub struct Scores {
    ecb: Quality,
    may: Quality,
    may_pairs: Quality,
    energy: Quality,
}

impl Scores {
    pub fn of(sets: &Sets, models: &[&'static Model]) -> Self {
        let found = [0, 1, 2].map(|set| stream(&sets.documents[set], models));
        let labelled = |set: usize| -> Vec<(&str, StoryId)> {
            let both = sets.documents[set].iter().zip(&found[set]);
            both.filter_map(|(document, story)| Some((document.cluster.as_deref()?, *story))).collect()
        };
        let story: HashMap<&str, StoryId> =
            sets.documents[2].iter().map(|d| d.name.as_str()).zip(found[2].iter().copied()).collect();
        let mut counts = PairCounts::default();
        for (a, b, same) in &sets.energy {
            let place = |name: &str| story.get(name);
            counts.add(*same, place(a).is_some() && place(a) == place(b));
        }
        let may = labelled(1);
        Self { ecb: b_cubed(&labelled(0)), may: b_cubed(&may), may_pairs: pairwise(&may), energy: counts.quality() }
    }

    /// The most that B-cubed differs on any set.
    pub fn change(&self, other: &Self) -> f64 {
        (self.may.f1 - other.may.f1).abs().max((self.ecb.f1 - other.ecb.f1).abs())
    }

    pub fn head() -> String {
        format!("{:<40} {:<20}  {:<20}  {:<20}  energy", "", "ECB+ B3 (P R)", "May B3 (P R)", "May pairs (P R)")
    }

    pub fn row(&self, name: &str) -> String {
        let three = |q: &Quality| format!("{:.3} ({:.3} {:.3})", q.f1, q.precision, q.recall);
        let all = [&self.ecb, &self.may, &self.may_pairs, &self.energy].map(three);
        format!("{name:<40} {:<20}  {:<20}  {:<20}  {}", all[0], all[1], all[2], all[3])
    }
}

/// The story of each document in the end, as `decide` would have it.
fn stream(documents: &[Document], models: &[&'static Model]) -> Vec<StoryId> {
    let mut memory = Memory::new(MemoryConfig::default());
    let mut stories: Vec<StoryId> = Vec::with_capacity(documents.len());
    for document in documents {
        memory.judge_by(models[document.fold]);
        memory.advance(document.at);
        if let Some(copy) = memory.nearest(&document.features) {
            stories.push(copy.story);
            continue;
        }
        let placement = memory.place(document.id, &document.features);
        memory.insert(document.id, placement.story(), &document.features, document.at);
        if let Some(gone) = placement.merged {
            memory.merge(placement.story(), gone);
            stories.iter_mut().filter(|story| **story == gone).for_each(|story| *story = placement.story());
        }
        stories.push(placement.story());
    }
    stories
}
