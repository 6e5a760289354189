//! Documents to the pairs that the model learns from. What is not labelled is taken for another event where it is
//! held against a labelled one, and where it is only middling like: a story that mixes costs. Decides nothing;
//! `train` and `score` do the rest.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use wirewatch::model::{ItemId, ItemKey, SourceId, Timestamp};
use wirewatch::pipeline::Prepared;
use wirewatch::pipeline::features::Features;
use wirewatch::pipeline::story::rarity::{Rarity, Weighted};
use wirewatch::pipeline::story::signals::{Facts, Query, SIGNALS};

use super::Failure;
use super::random::Random;
use super::read::{self, Reader};

/// Parts of the cross-validation.
pub const FOLDS: usize = 5;
/// The fold of what is in every training: the seed articles.
const EVERY_FOLD: usize = usize::MAX;
/// The story of each seed article in the order of their file names, from their README.
pub const SEED_STORIES: [&str; 5] = ["a", "b", "b", "a", "c"];
/// Signals that change places when two items do.
const SWAPPED: [(usize, usize); 4] = [(4, 5), (6, 7), (8, 9), (10, 11)];
/// Terms two items share before a search finds them.
const SHARED_MIN: usize = 2;
/// Other events held against each document: those that share most.
const NEGATIVES_MAX: usize = 16;
/// Of two documents without a label, those that share most may well be one event: these ranks after them are not.
const NOISE_RANKS: std::ops::Range<usize> = 6..14;
/// One document in so many of the largest set is held against others without a label.
const NOISE_SKIP: usize = 4;
/// Other events held against each document that share nothing with it.
const EASY: usize = 6;
/// Weight of two reports of one event that share nothing: no search finds them, but stories that hold one are compared.
const FAR_WEIGHT: f32 = 0.02;
/// Weight of two short items of different pairs, and the time between them.
const STRANGER_WEIGHT: f32 = 0.1;
const STRANGERS_APART: Duration = Duration::from_secs(6 * 3600);
/// Documents that came longer after each other are not compared.
const DAYS_MAX: i64 = 3;

/// A labelled set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    Ecb,
    May,
    Energy,
    February,
    January,
    /// Pairs of short items and the seed articles.
    Pairs,
    Seeds,
}

impl Set {
    pub const ALL: [Self; 6] = [Self::Ecb, Self::May, Self::Energy, Self::February, Self::January, Self::Pairs];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ecb => "ECB+",
            Self::May => "May 2025",
            Self::Energy => "energy",
            Self::February => "February 2022",
            Self::January => "January 2026",
            Self::Pairs => "short pairs",
            Self::Seeds => "seeds",
        }
    }

    pub fn file(self) -> &'static str {
        match self {
            Self::Ecb => "stories-ecbplus.jsonl",
            Self::May => "stories-may2025.jsonl",
            Self::Energy => "stories-energy-articles.jsonl",
            Self::February => "stream-2022-02.jsonl",
            Self::January => "stream-2026-01.jsonl",
            Self::Pairs | Self::Seeds => "pairs-short.jsonl",
        }
    }
}

/// What of a document is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Full,
    Lead,
    Title,
}

impl Cut {
    pub const ALL: [Self; 3] = [Self::Full, Self::Lead, Self::Title];

    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Lead => "lead",
            Self::Title => "title",
        }
    }
}

/// One document.
#[derive(Clone)]
pub struct Document {
    pub id: ItemId,
    pub name: String,
    pub features: Features,
    pub at: Timestamp,
    pub cluster: Option<String>,
    pub fold: usize,
}

impl Document {
    /// What stands together (by `group`) is in one fold.
    pub fn new(name: &str, prepared: Prepared, at: Timestamp, cluster: Option<String>, group: &str) -> Self {
        let (id, features) = (prepared.item.id, prepared.features);
        Self { id, name: name.to_owned(), features, at, cluster, fold: fold_of(group) }
    }
}

fn fold_of(group: &str) -> usize {
    let hash = group.bytes().fold(17usize, |h, b| h.wrapping_mul(31).wrapping_add(usize::from(b)));
    (hash ^ hash >> 7) % FOLDS
}

/// One set as it is read.
#[derive(Clone)]
pub struct Corpus {
    pub set: Set,
    pub cut: Cut,
    pub documents: Vec<Document>,
}

/// Two short items that come to an empty memory.
pub struct ShortPair {
    pub id: String,
    pub features: [Features; 2],
    pub at: [Timestamp; 2],
    pub same: bool,
    pub across: bool,
}

impl ShortPair {
    pub fn fold(&self) -> usize {
        fold_of(&self.id)
    }
}

/// Two documents of one class (a set as it is read) with the truth.
pub struct Pair {
    pub class: usize,
    pub set: Set,
    pub folds: [usize; 2],
    pub same: bool,
    pub weight: f32,
    /// Both ways round.
    pub signals: [[f32; SIGNALS]; 2],
}

/// Two names of articles, either way round, and whether they are one story.
type EnergyTruth = HashMap<(String, String), bool>;

/// Everything.
pub struct Sets {
    pub corpora: Vec<Corpus>,
    pub short: Vec<(Cut, Vec<ShortPair>)>,
    /// Names of two articles, and whether they are one story.
    pub energy: Vec<(String, String, bool)>,
    /// The seed articles, in the order of their file names.
    pub seeds: Vec<Features>,
    pub pairs: Vec<Pair>,
    /// What each class weighs.
    pub weights: Vec<f32>,
}

impl Sets {
    /// Reads all of them; `blocked`: folds of dated sets are blocks of time.
    pub fn read(shared: &Path, blocked: bool) -> Result<Self, Failure> {
        let reader = Reader::new()?;
        let mut corpora = Vec::new();
        let mut weights = Vec::new();
        for set in [Set::Ecb, Set::May, Set::Energy, Set::February, Set::January] {
            for cut in Cut::ALL {
                let weight = match (set, cut) {
                    (Set::Energy, Cut::Lead | Cut::Title) => 0.5,
                    // As feeds carry them: nothing to cut.
                    (Set::February | Set::January, Cut::Lead | Cut::Title) => continue,
                    (Set::January, Cut::Full) => 0.3,
                    _ => 1.0,
                };
                corpora.push(reader.corpus(shared, set, cut, blocked)?);
                weights.push(weight);
            }
        }
        let short = vec![
            (Cut::Lead, reader.short_pairs(shared, Cut::Full)?),
            (Cut::Title, reader.short_pairs(shared, Cut::Title)?),
        ];
        let (energy, seeds) = (read::energy_pairs(shared)?, read::seeds(&shared.join("seeds"))?);
        let mut sets = Self { corpora, short, energy, seeds, pairs: Vec::new(), weights };
        sets.pairs = sets.all_pairs();
        sets.weights.extend([1.5, 1.0, 1.0]);
        Ok(sets)
    }

    fn all_pairs(&self) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for (class, corpus) in self.corpora.iter().enumerate() {
            // As a memory with history weighs them and as an empty one does; the largest set is its own history.
            pairs.extend(corpus.pairs(class, &self.energy, true));
            if corpus.set != Set::January {
                pairs.extend(corpus.pairs(class, &self.energy, false));
            }
        }
        for (number, (_, short)) in self.short.iter().enumerate() {
            let class = self.corpora.len() + number;
            let one = |pair: &ShortPair| {
                let signals = alone(&pair.features[0], &pair.features[1], pair.at);
                Pair { class, set: Set::Pairs, folds: [pair.fold(); 2], same: pair.same, weight: 1.0, signals }
            };
            pairs.extend(short.iter().map(one));
            pairs.extend(strangers(class, short));
        }
        let class = self.corpora.len() + self.short.len();
        for (b, second) in self.seeds.iter().enumerate().take(SEED_STORIES.len()) {
            for (a, first) in self.seeds.iter().enumerate().take(b) {
                let signals = alone(first, second, [read::START; 2]);
                let same = SEED_STORIES[a] == SEED_STORIES[b];
                pairs.push(Pair { class, set: Set::Seeds, folds: [EVERY_FOLD; 2], same, weight: 1.0, signals });
            }
        }
        pairs
    }

    pub fn summary(&self) -> String {
        let count = |class: usize, same: bool| self.pairs.iter().filter(|p| p.class == class && p.same == same).count();
        let one = |(class, corpus): (usize, &Corpus)| {
            let (name, cut, documents) = (corpus.set.name(), corpus.cut.name(), corpus.documents.len());
            format!("{name} {cut}: {documents} documents, {} + {} pairs", count(class, true), count(class, false))
        };
        self.corpora.iter().enumerate().map(one).collect::<Vec<_>>().join("\n")
    }

    /// Each document up to six hours late.
    pub fn shuffled(&self) -> Vec<Corpus> {
        let mut random = Random(7);
        let mut corpora = self.corpora.clone();
        for document in corpora.iter_mut().flat_map(|corpus| &mut corpus.documents) {
            document.at = document.at.plus(Duration::from_secs(random.below(21_600)));
        }
        for corpus in &mut corpora {
            corpus.documents.sort_by_key(|document| document.at);
        }
        corpora
    }
}

impl Corpus {
    pub fn new(set: Set, cut: Cut, mut documents: Vec<Document>, blocked: bool) -> Self {
        if blocked && !matches!(set, Set::Ecb | Set::Energy) {
            let all = documents.len().max(1);
            let mut folds: HashMap<String, usize> = HashMap::new();
            for (number, document) in documents.iter_mut().enumerate() {
                let block = number * FOLDS / all;
                document.fold = match &document.cluster {
                    Some(cluster) => *folds.entry(cluster.clone()).or_insert(block),
                    None => block,
                };
            }
        }
        Self { set, cut, documents }
    }

    /// Whether two documents are one event; `None` where nobody said.
    fn truth(&self, energy: &EnergyTruth, a: usize, b: usize) -> Option<bool> {
        let (a, b) = (&self.documents[a], &self.documents[b]);
        if self.set == Set::Energy {
            return energy.get(&(a.name.clone(), b.name.clone())).copied();
        }
        match (&a.cluster, &b.cluster) {
            (Some(a), Some(b)) => Some(a == b),
            (None, None) => None,
            _ => Some(false),
        }
    }

    fn pairs(&self, class: usize, energy: &[(String, String, bool)], warm: bool) -> Vec<Pair> {
        let either_way = |(a, b, same): &'_ (String, String, bool)| {
            [((a.clone(), b.clone()), *same), ((b.clone(), a.clone()), *same)]
        };
        let energy: EnergyTruth = energy.iter().flat_map(either_way).collect();
        let mut gathered = Gathered { rarity: Rarity::default(), seen: Vec::new(), by_term: HashMap::new() };
        let mut pairs = Vec::new();
        for number in 0..self.documents.len() {
            let query = gathered.query(&self.documents[number]);
            for (other, same, weight) in self.opponents(&gathered, &query, number, &energy) {
                let (terms, facts) = &gathered.seen[other];
                pairs.push(Pair {
                    class,
                    set: self.set,
                    folds: [self.documents[number].fold, self.documents[other].fold],
                    same,
                    weight,
                    signals: both_ways(&query, terms, *facts),
                });
            }
            gathered.add(&query, &self.documents[number], warm);
        }
        pairs
    }

    /// The documents before that one is held against, with the truth and what it weighs.
    fn opponents(
        &self,
        gathered: &Gathered,
        query: &Query,
        number: usize,
        energy: &EnergyTruth,
    ) -> Vec<(usize, bool, f32)> {
        let document = &self.documents[number];
        let recent = |other: usize| document.at.seconds() - self.documents[other].at.seconds() <= DAYS_MAX * 86_400;
        let labelled = |at: usize| self.set == Set::Energy || self.documents[at].cluster.is_some();
        let mut out = Vec::new();
        let found = gathered.found(query);
        if labelled(number) {
            let mut random = Random(number as u64 + 1);
            for other in (0..number).filter(|other| recent(*other) && !found.contains(other)) {
                let drawn = random.below(number as u64) < EASY as u64;
                match self.truth(energy, number, other) {
                    Some(true) => out.push((other, true, FAR_WEIGHT)),
                    Some(false) if drawn => out.push((other, false, 1.0)),
                    _ => {}
                }
            }
        }
        let skipped = self.set == Set::January && !number.is_multiple_of(NOISE_SKIP);
        let (mut others, mut strangers, mut rank) = (0, 0, 0);
        for other in found.into_iter().filter(|other| recent(*other) && !self.documents[*other].features.roundup) {
            if !labelled(number) && !labelled(other) {
                rank += 1;
                if NOISE_RANKS.contains(&rank) && !skipped {
                    out.push((other, false, 1.0));
                }
                continue;
            }
            let Some(same) = self.truth(energy, number, other) else { continue };
            let count = if labelled(number) && labelled(other) { &mut others } else { &mut strangers };
            *count += usize::from(!same);
            if same || *count <= NEGATIVES_MAX {
                out.push((other, same, 1.0));
            }
        }
        if document.features.roundup { Vec::new() } else { out }
    }
}

/// What came before a document.
struct Gathered {
    rarity: Rarity,
    seen: Vec<(Vec<Weighted>, Facts)>,
    by_term: HashMap<u32, Vec<usize>>,
}

impl Gathered {
    fn query(&self, document: &Document) -> Query {
        Query::new(self.rarity.weigh(&document.features.profile), facts(&document.features, document.at))
    }

    fn add(&mut self, query: &Query, document: &Document, warm: bool) {
        let terms: Vec<Weighted> = query.terms().iter().map(|(term, _)| *term).collect();
        if warm {
            self.rarity.add(terms.iter().copied());
        }
        for term in &terms {
            self.by_term.entry(term.hash()).or_default().push(self.seen.len());
        }
        self.seen.push((terms, facts(&document.features, document.at)));
    }

    /// Documents that share terms, those that share most first.
    fn found(&self, query: &Query) -> Vec<usize> {
        let mut shared: HashMap<usize, (usize, f32)> = HashMap::new();
        for (term, idf) in query.terms() {
            for other in self.by_term.get(&term.hash()).into_iter().flatten() {
                let sum = shared.entry(*other).or_default();
                *sum = (sum.0 + 1, sum.1 + idf);
            }
        }
        let mut found: Vec<(usize, f32)> =
            shared.into_iter().filter(|(_, (terms, _))| *terms >= SHARED_MIN).map(|(at, (_, sum))| (at, sum)).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.into_iter().map(|(at, _)| at).collect()
    }
}

fn facts(features: &Features, at: Timestamp) -> Facts {
    features.circumstances((at.seconds() / 3600) as i32)
}

fn both_ways(query: &Query, terms: &[Weighted], facts: Facts) -> [[f32; SIGNALS]; 2] {
    let signals = query.signals(terms.iter().copied(), facts);
    let mut swapped = signals;
    for (a, b) in SWAPPED {
        swapped.swap(a, b);
    }
    [signals, swapped]
}

/// The signals of two items with nothing else remembered.
fn alone(first: &Features, second: &Features, at: [Timestamp; 2]) -> [[f32; SIGNALS]; 2] {
    let query = |features: &Features, at| Query::new(Rarity::default().weigh(&features.profile), facts(features, at));
    let terms: Vec<Weighted> = query(first, at[0]).terms().iter().map(|(term, _)| *term).collect();
    both_ways(&query(second, at[1]), &terms, facts(first, at[0]))
}

/// The items of short pairs against those of others: other news of one country, one company, one war.
fn strangers(class: usize, short: &[ShortPair]) -> Vec<Pair> {
    let hashes = |features: &Features| features.profile.terms.iter().map(|term| term.hash).collect::<Vec<_>>();
    let mut pairs = Vec::new();
    for (number, pair) in short.iter().enumerate() {
        for other in &short[..number] {
            for (a, b) in pair.features.iter().zip(&other.features) {
                let ours = hashes(a);
                if hashes(b).iter().any(|hash| ours.contains(hash)) {
                    let signals = alone(a, b, [read::START, read::START.plus(STRANGERS_APART)]);
                    let folds = [pair.fold(), other.fold()];
                    pairs.push(Pair { class, set: Set::Pairs, folds, same: false, weight: STRANGER_WEIGHT, signals });
                }
            }
        }
    }
    pairs
}

/// The id that an item of a test has.
pub fn item_id(name: &str) -> ItemId {
    ItemId::of(&SourceId::new("eval").expect("invariant: a valid name"), &ItemKey::new(name))
}
