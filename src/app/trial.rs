//! Rules tried on what is stored, for the page: the same questions as `backtest` asks, newest first and within a few
//! seconds, on a thread of its own that gives way to everything else. Nothing is changed.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::compile;
use crate::config::{Config, Look, read_topic_text};
use crate::eval::backtest::{Asked, Backtest, NEAR_SHARE, TopicBacktest};
use crate::http::{TrialRefusal, TrialWish};
use crate::model::{Evidence, ItemId, Match, Score, StoryId, TopicId};
use crate::niceness;
use crate::pipeline::classify::{Document, TopicSet};
use crate::pipeline::{Prepared, Rules};
use crate::store::{PastCopy, PastItem, Store};
use crate::text::clean;
use crate::text::tokens::Tokens;

/// A run ends after so long with what it has.
const RUN_TIME_MAX: Duration = Duration::from_secs(3);
/// Steps by which a run yields: it takes what nobody wants.
const RUN_NICENESS: i32 = 10;
/// Examples shown of each list.
const EXAMPLES_SHOWN: usize = 25;
/// Characters of a text in a `[[tests]]` entry.
const TEST_TEXT_CHARACTERS: usize = 600;

/// A topic, the points an item has, and those it needs.
pub type NearTopic = (TopicId, Score, Score);

/// What both sets of rules say of an item of the past.
pub struct PastAnswer {
    /// In short.
    pub asked: Asked,
    /// The item, with what it hits under the rules that are tried.
    pub prepared: Prepared,
    /// What it hits under those they are compared with.
    pub before: Vec<Match>,
    /// What it hits and nearly hits under the rules that are tried.
    pub matches: Vec<Match>,
    /// Where the item's text appeared again.
    pub copies: Vec<PastCopy>,
}

impl PastAnswer {
    /// What was asked of an item, and found.
    #[must_use]
    pub fn of(prepared: Prepared, before: Vec<Match>, matches: Vec<Match>, story: StoryId) -> Self {
        let item = &prepared.item;
        let (now, near) = split(&matches);
        let asked = Asked {
            id: item.id,
            title: item.headline().into_owned(),
            source: item.source.clone(),
            at: item.first_seen,
            story,
            quiet: item.quiet,
            now,
            before: before.iter().map(|found| found.topic.clone()).collect(),
            near,
        };
        Self { asked, prepared, before, matches, copies: Vec::new() }
    }
}

/// Asks rules about an item of the past; `before` says what it is compared with, from what matches now and what
/// matched when it came.
pub fn ask(
    past: PastItem,
    tried: &TopicSet,
    before: impl FnOnce(&Document<'_>, &[Match], Vec<Match>) -> Vec<Match>,
) -> PastAnswer {
    let PastItem { item, features, story, matches: stored, copies, .. } = past;
    let (title, text) = (Tokens::of(&item.title), Tokens::of(&item.text));
    let document = Document::of(&item, &title, &text);
    let matches = tried.classify_from(&document, NEAR_SHARE);
    let now: Vec<Match> = matches.iter().filter(|found| found.score >= found.threshold).cloned().collect();
    let before = before(&document, &now, stored);
    let (headline_before, cut_bytes, dropped_link_bytes) = (None, 0, 0);
    let prepared = Prepared { item, features, matches: now, headline_before, cut_bytes, dropped_link_bytes };
    PastAnswer { copies, ..PastAnswer::of(prepared, before, matches, story) }
}

/// Topics that match, and those that nearly do.
fn split(matches: &[Match]) -> (Vec<TopicId>, Vec<NearTopic>) {
    let (now, near): (Vec<&Match>, Vec<&Match>) = matches.iter().partition(|found| found.score >= found.threshold);
    (
        now.into_iter().map(|found| found.topic.clone()).collect(),
        near.into_iter().map(|found| (found.topic.clone(), found.score, found.threshold)).collect(),
    )
}

/// What a run found.
#[derive(Debug, Serialize)]
struct TrialAccount {
    topic: TopicId,
    /// Items that were asked about, newest first.
    read: u64,
    /// Items in the window.
    of: u64,
    took_ms: u64,
    account: TopicBacktest,
    gained: Vec<TrialExample>,
    lost: Vec<TrialExample>,
    labels: TrialLabels,
    rules: Vec<TrialRule>,
}

/// An item that one set of rules matches and the other does not, with what hit.
#[derive(Debug, Serialize)]
struct TrialExample {
    id: ItemId,
    title: String,
    source: String,
    at: crate::model::Timestamp,
    alert: bool,
    evidence: Vec<TrialEvidence>,
    /// The same as an entry of the config's `[[tests]]`.
    as_test: String,
}

#[derive(Debug, Serialize)]
struct TrialEvidence {
    rule: String,
    text: String,
    field: &'static str,
    points: Score,
}

/// What people said, against what the rules say.
#[derive(Debug, Default, Serialize)]
struct TrialLabels {
    right: u64,
    wrong: Vec<TrialLabel>,
    right_before: u64,
    wrong_before: u64,
}

#[derive(Debug, Serialize)]
struct TrialLabel {
    id: ItemId,
    title: String,
    about: bool,
}

/// How often a rule hit; one that never does is no use, or wrong.
#[derive(Debug, Serialize)]
struct TrialRule {
    id: String,
    query: String,
    hits: u64,
}

/// One run.
///
/// # Errors
/// [`TrialRefusal`] when the rules cannot be read or the store cannot.
pub(super) fn run(store: &Store, config: &Config, wish: &TrialWish) -> Result<serde_json::Value, TrialRefusal> {
    niceness::yield_by(RUN_NICENESS);
    let begun = Instant::now();
    let (tried, before) = (compiled(config, wish)?, standing(config, &wish.topic)?);
    let labels: HashMap<ItemId, bool> =
        store.labels_for(&wish.topic).map_err(TrialRefusal::Store)?.into_iter().collect();
    let since = wish.now.minus(wish.window);
    let of = store.history_len(since).map_err(TrialRefusal::Store)?;
    let mut hits: BTreeMap<String, u64> = BTreeMap::new();
    let mut labelled = TrialLabels::default();
    let (mut gained, mut lost) = (Vec::new(), Vec::new());
    let mut asked: Vec<Asked> = Vec::new();
    let mut ahead = i64::MAX;
    // What it takes to get ready for it is not taken from the reading.
    let reading = Instant::now();
    while asked.is_empty() || reading.elapsed() < RUN_TIME_MAX {
        let page = store.history_newest(since, ahead).map_err(TrialRefusal::Store)?;
        let Some(last) = page.last() else { break };
        ahead = last.seq;
        for item in page {
            let text = (item.item.title.clone(), item.item.text.clone());
            let PastAnswer { asked: answer, before: then, matches, .. } =
                ask(item, &tried.topics, |document, _, _| before.classify(document));
            let evidence_before: Vec<Evidence> = then.into_iter().flat_map(|found| found.evidence).collect();
            for evidence in matches.iter().flat_map(|found| &found.evidence) {
                *hits.entry(evidence.rule.clone()).or_default() += 1;
            }
            count_label(&mut labelled, &labels, &answer);
            let (now, then) = (!answer.now.is_empty(), !answer.before.is_empty());
            if now && !then && gained.len() < EXAMPLES_SHOWN {
                let evidence = matches.iter().flat_map(|found| &found.evidence).map(shown).collect();
                gained.push(example(&answer, evidence, &text, &wish.topic, true));
            } else if then && !now && lost.len() < EXAMPLES_SHOWN {
                lost.push(example(&answer, evidence_before.iter().map(shown).collect(), &text, &wish.topic, false));
            }
            asked.push(answer);
        }
    }
    // The first report of a story is the one that alerts.
    let mut whole = Backtest::of([wish.topic.clone()]);
    asked.iter().rev().for_each(|item| whole.add(item));
    let account = whole.topics.remove(&wish.topic).unwrap_or_default();
    let raised: std::collections::HashSet<ItemId> =
        account.gained.iter().chain(&account.lost).filter(|one| one.alert).map(|one| one.id).collect();
    for one in gained.iter_mut().chain(&mut lost) {
        one.alert = raised.contains(&one.id);
    }
    let rules = tried_rules(config, wish)?
        .into_iter()
        .map(|(id, query)| TrialRule { hits: hits.get(&id).copied().unwrap_or(0), id, query })
        .collect();
    let read = asked.len() as u64;
    let took_ms = begun.elapsed().as_millis() as u64;
    let mut account = json!(TrialAccount {
        topic: wish.topic.clone(),
        read,
        of,
        took_ms,
        account,
        gained,
        lost,
        labels: labelled,
        rules,
    });
    // Shown above, with what hit.
    for list in ["gained", "lost", "near"] {
        account["account"][list] = json!([]);
    }
    Ok(account)
}

/// Only the topic that is tried: what others say is not asked.
fn compiled(config: &Config, wish: &TrialWish) -> Result<Rules, TrialRefusal> {
    let mut loaded = read_topic_text("rules", &wish.text).map_err(|report| TrialRefusal::Rules(report.to_string()))?;
    let mut tried = config.with_topics_of(loaded.config.clone());
    if !loaded.config.topics.iter().any(|topic| topic.id == wish.topic) {
        return Err(TrialRefusal::Rules(format!("the text holds no topic with the id `{}`", wish.topic)));
    }
    tried.topics.retain(|topic| topic.id == wish.topic);
    compile::rules(&tried).map_err(|problems| {
        loaded.add_query_problems(&problems);
        TrialRefusal::Rules(loaded.report.render(Look::Plain))
    })
}

/// The topic as the config has it.
fn standing(config: &Config, topic: &TopicId) -> Result<TopicSet, TrialRefusal> {
    let mut standing = config.clone();
    standing.topics.retain(|known| known.id == *topic);
    let rules = compile::rules(&standing);
    Ok(rules.map_err(|_| TrialRefusal::Rules("the rules of the config do not compile".to_owned()))?.topics)
}

fn tried_rules(config: &Config, wish: &TrialWish) -> Result<Vec<(String, String)>, TrialRefusal> {
    let loaded = read_topic_text("rules", &wish.text).map_err(|report| TrialRefusal::Rules(report.to_string()))?;
    let tried = config.with_topics_of(loaded.config);
    let topic = tried.topics.into_iter().find(|topic| topic.id == wish.topic);
    Ok(topic.map(|topic| topic.terms.into_iter().map(|term| (term.id, term.query)).collect()).unwrap_or_default())
}

fn count_label(labels: &mut TrialLabels, known: &HashMap<ItemId, bool>, item: &Asked) {
    let Some(&about) = known.get(&item.id) else { return };
    if about == item.now.is_empty() {
        labels.wrong.push(TrialLabel { id: item.id, title: item.title.clone(), about });
    } else {
        labels.right += 1;
    }
    if about == item.before.is_empty() {
        labels.wrong_before += 1;
    } else {
        labels.right_before += 1;
    }
}

fn shown(evidence: &Evidence) -> TrialEvidence {
    TrialEvidence {
        rule: evidence.rule.clone(),
        text: evidence.text.clone(),
        field: evidence.field.as_str(),
        points: evidence.weight,
    }
}

fn example(
    item: &Asked,
    evidence: Vec<TrialEvidence>,
    (title, text): &(String, String),
    topic: &TopicId,
    is_about: bool,
) -> TrialExample {
    TrialExample {
        id: item.id,
        title: item.title.clone(),
        source: item.source.as_str().to_owned(),
        at: item.at,
        alert: false,
        evidence,
        as_test: as_test(title, text, topic, is_about),
    }
}

/// An entry for the config's `[[tests]]`.
fn as_test(title: &str, text: &str, topic: &TopicId, is_about: bool) -> String {
    let quoted = |text: &str| toml::Value::String(clean::one_line(text).into_owned()).to_string();
    let text: String = text.chars().take(TEST_TEXT_CHARACTERS).collect();
    let topics = if is_about { format!("[\"{topic}\"]") } else { "[]".to_owned() };
    format!("[[tests]]\ntitle = {}\ntext = {}\ntopics = {topics}\n", quoted(title), quoted(&text))
}
