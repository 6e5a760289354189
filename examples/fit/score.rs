//! Streams the sets through the memory with the model of each document's fold, and scores the stories.

use std::collections::HashMap;

use wirewatch::eval::Quality;
use wirewatch::eval::duplicates::PairCounts;
use wirewatch::eval::stories::{b_cubed, pairwise};
use wirewatch::model::StoryId;
use wirewatch::pipeline::memory::{Memory, MemoryConfig};
use wirewatch::pipeline::story::decision::Model;

use super::data::{Corpus, Cut, Document, Set, Sets, ShortPair, item_id};

/// One set as it was read, with its figures.
pub struct Row {
    pub set: Set,
    cut: Cut,
    /// B-cubed, or the only score there is.
    pub main: Quality,
    pairs: Option<Quality>,
    /// Share of the members of labelled stories that belong to another event or to none.
    foreign: f64,
    largest: usize,
}

/// Short pairs told right, of how many: different events, one event in one language, in two.
#[derive(Default)]
pub struct ShortScore {
    counts: [[u32; 2]; 3],
}

/// What docs/development/stories.md quotes.
pub struct Scores {
    pub rows: Vec<Row>,
    short: Vec<(Cut, ShortScore)>,
}

impl Scores {
    /// All sets, or one.
    pub fn of(sets: &Sets, corpora: &[Corpus], models: &[&'static Model], only: Option<Set>) -> Self {
        let wanted = |set: Set| only.is_none_or(|only| only == set);
        let rows = corpora.iter().filter(|corpus| wanted(corpus.set)).map(|corpus| row(sets, corpus, models)).collect();
        let short = sets.short.iter().filter(|_| wanted(Set::Pairs)).map(|(cut, pairs)| (*cut, short(pairs, models)));
        Self { rows, short: short.collect() }
    }

    pub fn print(&self, name: &str) {
        println!("{name}\n{:<14} {:<6} {:<20}  {:<20}  mixed  largest", "", "", "B-cubed (P R)", "pairwise (P R)");
        let three = |q: &Quality| format!("{:.3} ({:.3} {:.3})", q.f1, q.precision, q.recall);
        for row in &self.rows {
            let pairs = row.pairs.as_ref().map(three).unwrap_or_default();
            let (name, cut) = (row.set.name(), row.cut.name());
            println!("{name:<14} {cut:<6} {:<20}  {pairs:<20}  {:.3}  {}", three(&row.main), row.foreign, row.largest);
        }
        for (cut, score) in &self.short {
            let [apart, joined, across] = score.counts.map(|[right, all]| format!("{right} of {all}"));
            println!(
                "{:<14} {:<6} kept apart {apart}, joined {joined}, in two languages {across}",
                "short pairs",
                cut.name()
            );
        }
        println!("mean {:.4}", self.mean());
    }

    /// Over all sets: for comparing two recipes, not for quoting.
    pub fn mean(&self) -> f64 {
        let share = |[right, all]: [u32; 2]| f64::from(right) / f64::from(all.max(1));
        let short = self.short.iter().flat_map(|(_, score)| score.counts[..2].iter().map(|count| share(*count)));
        let all: Vec<f64> = self.rows.iter().map(|row| row.main.f1).chain(short).collect();
        all.iter().sum::<f64>() / all.len().max(1) as f64
    }

    /// The most that a set of whole texts differs.
    pub fn change(&self, other: &Self) -> f64 {
        let whole = |row: &&Row| row.cut == Cut::Full && matches!(row.set, Set::Ecb | Set::May);
        let both = self.rows.iter().filter(whole).zip(other.rows.iter().filter(whole));
        both.map(|(a, b)| (a.main.f1 - b.main.f1).abs()).fold(0.0, f64::max)
    }
}

fn row(sets: &Sets, corpus: &Corpus, models: &[&'static Model]) -> Row {
    let found = stream(&corpus.documents, models);
    let mut members: HashMap<StoryId, HashMap<Option<&str>, usize>> = HashMap::new();
    for (document, story) in corpus.documents.iter().zip(&found) {
        *members.entry(*story).or_default().entry(document.cluster.as_deref()).or_default() += 1;
    }
    let largest = members.values().map(|clusters| clusters.values().sum()).max().unwrap_or(0);
    let (mut foreign, mut all) = (0, 0);
    for clusters in members.values().filter(|clusters| clusters.keys().any(Option::is_some)) {
        let size: usize = clusters.values().sum();
        all += size;
        foreign += size - clusters.iter().filter(|(cluster, _)| cluster.is_some()).map(|(_, n)| *n).max().unwrap_or(0);
    }
    let (main, pairs) = if corpus.set == Set::Energy {
        (energy(sets, corpus, &found), None)
    } else {
        let both = corpus.documents.iter().zip(&found);
        let labelled: Vec<(&str, StoryId)> =
            both.filter_map(|(document, story)| Some((document.cluster.as_deref()?, *story))).collect();
        (b_cubed(&labelled), Some(pairwise(&labelled)))
    };
    Row { set: corpus.set, cut: corpus.cut, main, pairs, foreign: foreign as f64 / all.max(1) as f64, largest }
}

fn energy(sets: &Sets, corpus: &Corpus, found: &[StoryId]) -> Quality {
    let story: HashMap<&str, StoryId> =
        corpus.documents.iter().map(|d| d.name.as_str()).zip(found.iter().copied()).collect();
    let mut counts = PairCounts::default();
    for (a, b, same) in &sets.energy {
        let place = |name: &str| story.get(name);
        counts.add(*same, place(a).is_some() && place(a) == place(b));
    }
    counts.quality()
}

fn short(pairs: &[ShortPair], models: &[&'static Model]) -> ShortScore {
    let mut score = ShortScore::default();
    for pair in pairs {
        let count = &mut score.counts[usize::from(pair.same) + usize::from(pair.same && pair.across)];
        count[0] += u32::from(joins(pair, models[pair.fold()]) == pair.same);
        count[1] += 1;
    }
    score
}

/// Whether the second of a pair becomes a copy of the first or joins its story.
fn joins(pair: &ShortPair, model: &'static Model) -> bool {
    let mut memory = Memory::new(MemoryConfig::default());
    memory.judge_by(model);
    let [first, second] = ["a", "b"].map(item_id);
    memory.insert(first, StoryId::opened_by(first), &pair.features[0], pair.at[0]);
    memory.advance(pair.at[1]);
    memory.nearest(&pair.features[1]).is_some()
        || memory.place(second, &pair.features[1]).story() != StoryId::opened_by(second)
}

/// The story of each document in the end, as `decide` would have it.
fn stream(documents: &[Document], models: &[&'static Model]) -> Vec<StoryId> {
    let mut memory = Memory::new(MemoryConfig::default());
    let mut stories: Vec<StoryId> = Vec::with_capacity(documents.len());
    let mut merged: HashMap<StoryId, StoryId> = HashMap::new();
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
            merged.insert(gone, placement.story());
        }
        stories.push(placement.story());
    }
    // A story goes up in an older one only: every chain ends.
    for story in &mut stories {
        while let Some(into) = merged.get(story) {
            *story = *into;
        }
    }
    stories
}
