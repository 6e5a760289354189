//! A model to what it makes of the seed articles: the five labelled ones in all their orders, and the
//! invented ones of `seeds/` in many. Says how near it came to another answer; decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use wirewatch::model::{ItemId, ItemKey, Origin, SourceId, SourceKind, StoryId, Timestamp};
use wirewatch::pipeline::classify::TopicSet;
use wirewatch::pipeline::features::Features;
use wirewatch::pipeline::memory::{Memory, MemoryConfig};
use wirewatch::pipeline::story::decision::Model;
use wirewatch::pipeline::{Rules, prepare};
use wirewatch::source::Limits;
use wirewatch::source::seed::{DEFAULT_MAIL_RULES, FileContext, parse};

use super::Failure;
use super::data::{SEED_STORIES, Sets};
use super::random::Random;

/// Orders of our own seeds that are tried.
const OWN_ORDERS: usize = 400;
/// Log-odds that every decision on a seed article keeps from the threshold.
const MARGIN_MIN: f32 = 0.02;
/// The events of our own seeds, by a word of the headline or opening. What is told of the battalion two
/// days later may be its story or one of its own.
const OWN_EVENTS: [(&str, &str); 9] = [
    ("first 300 soldiers to arrive", EITHER),
    ("battalion", "battalion"),
    ("1,200 more allied troops", "battalion"),
    ("within three weeks of a ceasefire", "force"),
    ("guarantee", "draft"),
    ("ferry", "ferry"),
    ("sanctions", "insurers"),
    ("choirs", "choirs"),
    ("lighthouse", "lighthouse"),
];
const EITHER: &str = "either";
const ARRIVAL: Timestamp = Timestamp::from_seconds(1_795_000_000);
/// One set of articles with the event of each.
type Articles = Vec<(String, Features)>;

/// How a model does on articles that are tried in several orders.
pub struct Orders {
    pub right: usize,
    pub all: usize,
    /// The least distance from the threshold to join.
    pub margin: f32,
    /// Two events that were wrongly made one, or one made two: in how many orders.
    wrong: BTreeMap<[String; 2], usize>,
}

impl Orders {
    /// The labelled articles in all orders.
    pub fn of_labelled(sets: &Sets, model: &'static Model) -> Self {
        let articles: Articles = SEED_STORIES.iter().map(|s| (*s).to_owned()).zip(sets.seeds.iter().cloned()).collect();
        let mut orders = Vec::new();
        permute(&mut (0..articles.len()).collect::<Vec<_>>(), 0, &mut orders);
        Self::of(&articles, &orders, model)
    }

    /// Our own in many.
    pub fn of_own(model: &'static Model) -> Result<Self, Failure> {
        let articles = own()?;
        let mut random = Random(5);
        let orders = (0..OWN_ORDERS).map(|_| shuffled(articles.len(), &mut random)).collect::<Vec<_>>();
        Ok(Self::of(&articles, &orders, model))
    }

    fn of(articles: &Articles, orders: &[Vec<usize>], model: &'static Model) -> Self {
        let mut result = Self { right: 0, all: orders.len(), margin: f32::INFINITY, wrong: BTreeMap::new() };
        for order in orders {
            let (found, margin) = stream(articles, order, model);
            let wrong = wrong_pairs(articles, order, &found);
            result.right += usize::from(wrong.is_empty());
            for pair in wrong {
                *result.wrong.entry(pair).or_default() += 1;
            }
            result.margin = result.margin.min(margin);
        }
        result
    }

    pub fn passed(&self) -> bool {
        self.wrong.is_empty() && self.margin >= MARGIN_MIN
    }

    pub fn row(&self, name: &str) -> String {
        let right = format!("{name}: {} of {} orders right", self.right, self.all);
        let wrong = if self.wrong.is_empty() { String::new() } else { format!("; wrong: {:?}", self.wrong) };
        format!("{right}, at least {:.2} from the threshold{wrong}", self.margin)
    }
}

/// The items of `seeds/` as the real reader reads them.
fn own() -> Result<Articles, Failure> {
    let rules = Rules::of_topics(TopicSet::compile(&[], &[]).map_err(|_| "no topics, no problems")?);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let mut paths: Vec<_> = std::fs::read_dir(dir)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.retain(|path| path.file_name().is_some_and(|name| name != "README.md"));
    paths.sort();
    let mut articles = Vec::new();
    for path in paths {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let file = FileContext {
            name,
            modified: ARRIVAL,
            received: ARRIVAL,
            limits: &Limits::SHIPPED,
            mail: &DEFAULT_MAIL_RULES,
        };
        let document = parse(&std::fs::read(&path)?, &file).map_err(|rejection| rejection.detail)?;
        for raw in &document.items {
            let origin = Origin { source: SourceId::new("own")?, kind: SourceKind::Seed, received: ARRIVAL };
            let prepared = prepare(raw, &origin, &rules).map_err(|rejection| rejection.detail)?;
            let headline = prepared.item.headline().to_lowercase();
            let opening: String = prepared.item.text.chars().take(300).collect::<String>().to_lowercase();
            let named = |text: &str| OWN_EVENTS.iter().find(|(word, _)| text.contains(word)).map(|(_, event)| *event);
            let event = named(&headline).or_else(|| named(&opening)).ok_or_else(|| format!("{name}: which event?"))?;
            articles.push((event.to_owned(), prepared.features));
        }
    }
    Ok(articles)
}

/// The story of each article of an order, and how near the nearest decision was to another one.
fn stream(articles: &Articles, order: &[usize], model: &'static Model) -> (Vec<StoryId>, f32) {
    let mut memory = Memory::new(MemoryConfig::default());
    memory.judge_by(model);
    let mut stories: Vec<StoryId> = Vec::new();
    let mut margin = f32::INFINITY;
    let mut now = ARRIVAL;
    for (article, number) in order.iter().map(|number| (&articles[*number], *number)) {
        now = now.plus(Duration::from_secs(1));
        memory.advance(now);
        if let Some(copy) = memory.nearest(&article.1) {
            stories.push(copy.story);
            continue;
        }
        let source = SourceId::new("own").expect("a name");
        let id = ItemId::of(&source, &ItemKey::new(&number.to_string()));
        let placement = memory.place(id, &article.1);
        if article.0 != EITHER {
            let near = placement.candidates.iter().filter(|c| c.shares_enough());
            margin = near.map(|c| (c.score - model.join).abs()).fold(margin, f32::min);
        }
        memory.insert(id, placement.story(), &article.1, now);
        if let Some(gone) = placement.merged {
            memory.merge(placement.story(), gone);
            stories.iter_mut().filter(|story| **story == gone).for_each(|story| *story = placement.story());
        }
        stories.push(placement.story());
    }
    (stories, margin)
}

fn wrong_pairs(articles: &Articles, order: &[usize], found: &[StoryId]) -> BTreeSet<[String; 2]> {
    let event = |at: usize| articles[order[at]].0.as_str();
    let pairs = (0..order.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    let judged = pairs.filter(|(a, b)| event(*a) != EITHER && event(*b) != EITHER);
    let wrong = judged.filter(|(a, b)| (found[*a] == found[*b]) != (event(*a) == event(*b)));
    wrong.map(|(a, b)| [event(a).min(event(b)).to_owned(), event(a).max(event(b)).to_owned()]).collect()
}

fn permute(order: &mut Vec<usize>, from: usize, all: &mut Vec<Vec<usize>>) {
    if from == order.len() {
        all.push(order.clone());
    }
    for at in from..order.len() {
        order.swap(from, at);
        permute(order, from + 1, all);
        order.swap(from, at);
    }
}

fn shuffled(len: usize, random: &mut Random) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    for at in (1..len).rev() {
        order.swap(at, random.below(at as u64 + 1) as usize);
    }
    order
}
