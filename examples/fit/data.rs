//! Labelled sets to documents as the pipeline reads them, and to the pairs that the model learns from.
//! Decides nothing; `train` and `score` do the rest.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use wirewatch::model::{ItemId, ItemKey, Origin, RawItem, RawText, SourceId, SourceKind, Timestamp};
use wirewatch::pipeline::classify::TopicSet;
use wirewatch::pipeline::features::Features;
use wirewatch::pipeline::story::rarity::{Rarity, Weighted};
use wirewatch::pipeline::story::signals::{Facts, Query, SIGNALS};
use wirewatch::pipeline::{Rules, prepare};
use wirewatch::text::date;
use wirewatch::text::tokens::Tokens;

use super::Failure;
use super::random::Random;

/// Parts of the cross-validation.
pub const FOLDS: usize = 5;
/// The sets, in the order of their numbers.
pub const NAMES: [&str; 3] = ["ECB+", "May 2025", "energy"];
/// The number that the seed articles have as a set: five articles of three stories, learned with a small weight.
pub const SEEDS: usize = 3;
/// The story of each seed article in the order of their file names, from their README.
pub const SEED_STORIES: [&str; 5] = ["a", "b", "b", "a", "c"];
/// Signals that change places when two items do.
const SWAPPED: [(usize, usize); 4] = [(4, 5), (6, 7), (8, 9), (10, 11)];
/// Terms two items share before they are compared at all.
const SHARED_MIN: usize = 3;
const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

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

/// Two documents of one set with the truth.
pub struct Pair {
    pub set: usize,
    documents: [usize; 2],
    pub same: bool,
    /// Both ways round.
    pub signals: [[f32; SIGNALS]; 2],
}

/// Everything.
pub struct Sets {
    pub documents: [Vec<Document>; 3],
    /// Names of two articles, and whether they are one story.
    pub energy: Vec<(String, String, bool)>,
    pub pairs: Vec<Pair>,
    /// The seed articles, in the order of their file names.
    pub seeds: Vec<Features>,
}

impl Sets {
    pub fn read(shared: &Path) -> Result<Self, Failure> {
        let eval = shared.join("eval");
        let ecb = documents(&eval.join("stories-ecbplus.jsonl"), |item, _| item["topic"].to_string())?;
        let alone =
            |item: &Value, number: usize| item["cluster"].as_str().map_or(format!("alone {number}"), str::to_owned);
        let may = documents(&eval.join("stories-may2025.jsonl"), alone)?;
        let energy_items = documents(&eval.join("stories-energy-articles.jsonl"), |_, number| number.to_string())?;
        let energy = lines(&eval.join("stories-energy-pairs.jsonl"))?
            .iter()
            .map(|pair| {
                let name = |side: &str| pair[side].as_str().unwrap_or_default().to_owned();
                (name("a"), name("b"), pair["same_story"].as_bool().unwrap_or_default())
            })
            .collect();
        let seeds = seed_features(&shared.join("seeds"))?;
        let mut sets = Self { documents: [ecb, may, energy_items], energy, pairs: Vec::new(), seeds };
        for set in 0..3 {
            let pairs = sets.pairs_of(set);
            sets.pairs.extend(pairs);
        }
        sets.pairs.extend(seed_pairs(&sets.seeds));
        Ok(sets)
    }

    pub fn summary(&self) -> String {
        let count = |set: usize, same: bool| self.pairs.iter().filter(|p| p.set == set && p.same == same).count();
        let one = |set: usize| {
            let documents = self.documents[set].len();
            format!("{}: {documents} documents, {} + {} pairs", NAMES[set], count(set, true), count(set, false))
        };
        [one(0), one(1), one(2)].join("; ")
    }

    /// The parts a pair touches; the seed articles belong to none.
    pub fn folds_of(&self, pair: &Pair) -> [usize; 2] {
        if pair.set == SEEDS {
            return [usize::MAX; 2];
        }
        pair.documents.map(|number| self.documents[pair.set][number].fold)
    }

    /// The dated set with each document up to six hours late.
    pub fn shuffled(&self) -> Self {
        let mut random = Random(7);
        let documents = self.documents.clone().map(|mut documents| {
            for document in &mut documents {
                document.at = document.at.plus(Duration::from_secs(random.below(21_600)));
            }
            documents.sort_by_key(|document| document.at);
            documents
        });
        Self { documents, energy: self.energy.clone(), pairs: Vec::new(), seeds: self.seeds.clone() }
    }

    fn pairs_of(&self, set: usize) -> Vec<Pair> {
        let documents = &self.documents[set];
        let mut rarity = Rarity::default();
        let mut seen: Vec<(Vec<Weighted>, Facts)> = Vec::new();
        let mut pairs = Vec::new();
        for (number, document) in documents.iter().enumerate() {
            let facts = Facts {
                words: document.features.profile.words,
                published_h: document.features.published_h,
                arrived_h: (document.at.seconds() / 3600) as i32,
            };
            let query = Query::new(rarity.weigh(&document.features.profile), facts);
            for (other, (terms, other_facts)) in seen.iter().enumerate() {
                let Some(same) = self.truth(set, number, other) else { continue };
                if terms.iter().filter(|t| query.find(t.hash()).is_some()).count() < SHARED_MIN {
                    continue;
                }
                let signals = query.signals(terms.iter().copied(), *other_facts);
                let mut swapped = signals;
                for (a, b) in SWAPPED {
                    swapped.swap(a, b);
                }
                pairs.push(Pair { set, documents: [number, other], same, signals: [signals, swapped] });
            }
            let terms: Vec<Weighted> = query.terms().iter().map(|(term, _)| *term).collect();
            rarity.add(terms.iter().copied());
            seen.push((terms, facts));
        }
        pairs
    }

    /// Whether two documents are one story, where that is known.
    fn truth(&self, set: usize, a: usize, b: usize) -> Option<bool> {
        let documents = &self.documents[set];
        if set == 2 {
            let names = [documents[a].name.as_str(), documents[b].name.as_str()];
            let is = |x: &str, y: &str| names == [x, y] || names == [y, x];
            return self.energy.iter().find(|(x, y, _)| is(x, y)).map(|(_, _, same)| *same);
        }
        match (&documents[a].cluster, &documents[b].cluster) {
            (Some(a), Some(b)) => Some(a == b),
            _ => None,
        }
    }
}

/// The five seed articles; their heads are read more simply than by the real reader.
fn seed_features(dir: &Path) -> Result<Vec<Features>, Failure> {
    let mut paths: Vec<_> = std::fs::read_dir(dir)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    paths.sort();
    let mut features = Vec::new();
    for path in &paths {
        let raw = std::fs::read_to_string(path)?;
        let mut text = raw.trim();
        let mut published_h = None;
        if let Some(rest) = text.strip_prefix("date ") {
            published_h = rest.get(..10).and_then(date::parse).map(|date| (date.at.seconds() / 3600) as i32);
            text = rest.get(10..).unwrap_or_default().trim();
        }
        let headline = text.split_once('\n').filter(|(line, _)| line.split_whitespace().count() < 20);
        let (title, body) = headline.unwrap_or(("", text));
        features.push(Features::of_text(title, &Tokens::of(title), body, &Tokens::of(body), published_h));
    }
    Ok(features)
}

/// The seed articles against each other, with nothing else remembered.
fn seed_pairs(seeds: &[Features]) -> Vec<Pair> {
    let arrived_h = (START.seconds() / 3600) as i32;
    let query = |features: &Features| {
        let facts = Facts { words: features.profile.words, published_h: features.published_h, arrived_h };
        (Query::new(Rarity::default().weigh(&features.profile), facts), facts)
    };
    let queries: Vec<_> = seeds.iter().map(query).collect();
    let mut pairs = Vec::new();
    for (b, (query, facts)) in queries.iter().enumerate().take(SEED_STORIES.len()) {
        for (a, (other, other_facts)) in queries.iter().enumerate().take(b) {
            let terms = |query: &Query| query.terms().iter().map(|(term, _)| *term).collect::<Vec<_>>();
            let signals = [
                query.signals(terms(other).into_iter(), *other_facts),
                other.signals(terms(query).into_iter(), *facts),
            ];
            pairs.push(Pair { set: SEEDS, documents: [b, a], same: SEED_STORIES[a] == SEED_STORIES[b], signals });
        }
    }
    pairs
}

pub fn lines(path: &Path) -> Result<Vec<Value>, Failure> {
    std::fs::read_to_string(path)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Documents in order of arrival; what stands together (by `group`) is in one fold.
fn documents(path: &Path, group: impl Fn(&Value, usize) -> String) -> Result<Vec<Document>, Failure> {
    let rules = Rules::of_topics(TopicSet::compile(&[], &[]).map_err(|_| "no topics, no problems")?);
    let mut items = lines(path)?;
    items.sort_by_key(|item| item["published"].as_str().unwrap_or_default().to_owned());
    let mut now = START;
    let mut documents = Vec::new();
    for (number, item) in items.iter().enumerate() {
        let published = item["published"].as_str().and_then(date::parse);
        now = published.map_or_else(|| now.plus(Duration::from_secs(1)), |date| date.at).max(now);
        let text = |name: &str| item[name].as_str().filter(|s| !s.is_empty()).map(|s| RawText::plain(s.to_owned()));
        let mut raw = RawItem::new(ItemKey::new(&number.to_string()));
        raw.title = text("title");
        raw.content = text("text");
        raw.summary = text("summary");
        raw.url = item["url"].as_str().map(str::to_owned);
        raw.lang = item["lang"].as_str().map(str::to_owned);
        raw.published = published;
        let origin = Origin { source: SourceId::new("eval")?, kind: SourceKind::Feed, received: now };
        let Ok(prepared) = prepare(&raw, &origin, &rules) else { continue };
        let hash = group(item, number).bytes().fold(17usize, |h, b| h.wrapping_mul(31).wrapping_add(usize::from(b)));
        documents.push(Document {
            id: prepared.item.id,
            name: item["id"].as_str().unwrap_or_default().to_owned(),
            features: prepared.features,
            at: now,
            cluster: item["cluster"].as_str().map(str::to_owned),
            fold: (hash ^ hash >> 7) % FOLDS,
        });
    }
    Ok(documents)
}
