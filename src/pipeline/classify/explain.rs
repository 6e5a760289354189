//! Why an item hit a topic, or why not: every rule that hit with all its places, the gates, the sum.
//! For every topic, also those far below their threshold. Slower than `classify`; for people.

use serde::Serialize;

use super::score::Worth;
use super::search::{Extras, Found, Search};
use super::{Document, Gate, MODEL_RULE, TELLING_MAX, Topic, TopicSet, learned_share, words_of};
use crate::model::{Field, Score, Severity, TopicId};

/// One topic and one item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopicExplanation {
    /// Which topic.
    pub topic: TopicId,
    /// Whether the item matches.
    pub matched: bool,
    /// Sum of the points of all rules, whatever the gates say.
    pub score: Score,
    /// Points needed.
    pub threshold: Score,
    /// Severity at this score.
    pub severity: Severity,
    /// Rules that hit, in config order.
    pub rules: Vec<RuleExplanation>,
    /// Every gate, open or closed.
    pub gates: Vec<GateExplanation>,
}

/// One rule that hit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleExplanation {
    /// Its id.
    pub rule: String,
    /// Its query.
    pub query: String,
    /// As in the config.
    pub weight: f64,
    /// What a match is at least where it hits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Factor of its best place.
    pub place: f64,
    /// Passages it hits.
    pub passages: usize,
    /// Factor for those.
    pub repeat: f64,
    /// weight × place × repeat.
    pub points: Score,
    /// Every place, in order.
    pub hits: Vec<HitExplanation>,
    /// For a learned score: the words that say most, for the topic or (negative) against it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub telling: Vec<TellingWord>,
}

/// A word that a learned score goes by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TellingWord {
    /// One or two words.
    pub word: String,
    /// How much it says.
    pub weight: f64,
}

/// One place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct HitExplanation {
    /// Which field.
    pub field: Field,
    /// Byte offset there.
    pub start: usize,
    /// Byte offset of its end.
    pub end: usize,
    /// The words as written.
    pub text: String,
}

/// What kind of gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GateKind {
    /// Must hit.
    Require,
    /// Must not hit.
    Exclude,
    /// The item's language.
    Language,
    /// The item's source.
    Source,
}

/// One gate of a topic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateExplanation {
    /// What kind.
    pub kind: GateKind,
    /// Its query, or the languages or sources let through.
    pub query: String,
    /// Whether it lets the item through.
    pub open: bool,
    /// Where its query hits.
    pub hits: Vec<HitExplanation>,
}

impl TopicSet {
    /// Explains every topic, in config order.
    #[must_use]
    pub fn explain(&self, document: &Document<'_>) -> Vec<TopicExplanation> {
        let extras = Extras::of(&self.plan, document);
        let mut search = Search::new(&self.plan, document, &extras);
        let mut explainer = Explainer { set: self, search: &mut search, document, extras: &extras };
        self.topics.iter().map(|topic| explainer.topic(topic)).collect()
    }
}

struct Explainer<'a, 's> {
    set: &'a TopicSet,
    search: &'s mut Search<'a>,
    document: &'a Document<'a>,
    extras: &'a Extras,
}

impl Explainer<'_, '_> {
    fn topic(&mut self, topic: &Topic) -> TopicExplanation {
        let mut rules = Vec::new();
        let mut score = Score::ZERO;
        for rule in &self.set.rules[topic.rules.clone()] {
            if !self.search.holds(rule.node) {
                continue;
            }
            let found = self.search.found(rule.node);
            let worth = Worth::of(&found, topic.boosts);
            let points = worth.points(rule.weight);
            score = score.plus(points);
            rules.push(RuleExplanation {
                rule: rule.id.clone(),
                query: rule.query.clone(),
                weight: rule.weight,
                severity: rule.severity,
                place: worth.place,
                passages: worth.passages,
                repeat: worth.repeat,
                points,
                hits: self.hits(&found),
                telling: Vec::new(),
            });
        }
        if let Some(learned) = self.learned(topic) {
            score = score.plus(learned.points);
            rules.push(learned);
        }
        let gates = self.gates(topic);
        TopicExplanation {
            topic: topic.id.clone(),
            matched: score >= topic.threshold && gates.iter().all(|gate| gate.open),
            score,
            threshold: topic.threshold,
            severity: topic.severity_at(score, rules.iter().filter_map(|rule| rule.severity)),
            rules,
            gates,
        }
    }

    /// The learned score as a rule; shown also where it brings nothing.
    fn learned(&self, topic: &Topic) -> Option<RuleExplanation> {
        let (model, weight) = (topic.model.as_ref()?, topic.model_weight?);
        let telling = model.telling(self.document, TELLING_MAX);
        let hits = telling.iter().filter(|telling| telling.weight > 0.0).map(|telling| {
            let whole = if telling.field == Field::Title { self.document.title } else { self.document.text };
            let text = whole.get(telling.start..telling.end).unwrap_or_default().to_owned();
            HitExplanation { field: telling.field, start: telling.start, end: telling.end, text }
        });
        Some(RuleExplanation {
            rule: MODEL_RULE.to_owned(),
            query: format!("learned from {} labelled items, {} of them about it", model.items, model.about),
            weight,
            severity: None,
            place: learned_share(model.probability(self.document)),
            passages: 1,
            repeat: 1.0,
            points: topic.learned(self.document),
            hits: hits.collect(),
            telling: telling.into_iter().map(|t| TellingWord { word: t.word, weight: t.weight }).collect(),
        })
    }

    fn gates(&mut self, topic: &Topic) -> Vec<GateExplanation> {
        let mut gates = Vec::new();
        for gate in &topic.require {
            gates.push(self.gate(GateKind::Require, gate));
        }
        for gate in &topic.exclude {
            gates.push(self.gate(GateKind::Exclude, gate));
        }
        if !topic.languages.is_empty() {
            let open = self.document.lang.is_some_and(|lang| topic.languages.contains(&lang));
            gates.push(GateExplanation { kind: GateKind::Language, query: list(&topic.languages), open, hits: vec![] });
        }
        if !topic.sources.is_empty() {
            let open = topic.sources.contains(self.document.source);
            gates.push(GateExplanation { kind: GateKind::Source, query: list(&topic.sources), open, hits: vec![] });
        }
        gates
    }

    fn gate(&mut self, kind: GateKind, gate: &Gate) -> GateExplanation {
        let holds = self.search.holds(gate.node);
        let found = if holds { self.search.found(gate.node) } else { Found::Absent };
        let open = holds == (kind == GateKind::Require);
        GateExplanation { kind, query: gate.query.clone(), open, hits: self.hits(&found) }
    }

    fn hits(&self, found: &Found) -> Vec<HitExplanation> {
        let mut hits: Vec<HitExplanation> = found
            .hits()
            .iter()
            .map(|hit| HitExplanation {
                field: hit.field,
                start: hit.start,
                end: hit.end,
                text: words_of(hit, self.document, self.extras).to_owned(),
            })
            .collect();
        hits.sort_unstable();
        hits.dedup();
        hits
    }
}

fn list<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
