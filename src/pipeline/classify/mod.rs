//! Topics: rules from the config, compiled once into one plan, matched against every item. `query` reads
//! the language, `plan` and `lexicon` share all words and parts between rules, `search` asks a document,
//! `score` turns places into points, `explain` shows all of it. Pure; nothing is kept between items.
//! The matches go on to `alert`.

mod compile;
mod concepts;
mod effort;
mod explain;
mod filter;
mod lexicon;
mod lint;
pub mod model;
mod nearly;
mod pattern;
mod plan;
pub mod quality;
pub mod query;
mod score;
mod search;
mod spans;
mod stem;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

pub use compile::{RulePlace, RuleProblem};
pub use explain::{GateExplanation, GateKind, HitExplanation, RuleExplanation, TellingWord, TopicExplanation};
pub use lint::{LintKind, RuleLint};
pub use nearly::NearMiss;
pub use score::{HALF_WORTH_WORDS, LEAD_WORDS, PASSAGE_WORDS};

use crate::model::{Evidence, Field, Item, Lang, Match, Score, Severity, SourceId, TopicId};
use crate::text::tokens::Tokens;
use compile::Wakes;
use model::LinearModel;
use plan::{NodeId, Plan};
use score::{Boosts, Worth};
use search::{Extras, Found, Hit, Search};

/// What evidence of the learned score is called.
pub const MODEL_RULE: &str = "model";
/// Words of a learned score that are shown.
const TELLING_MAX: usize = 8;

/// One rule of a topic as written.
#[derive(Debug, Clone, PartialEq)]
pub struct TermConfig {
    /// Its id within the topic; generated from the query where none is written.
    pub id: String,
    /// The query.
    pub query: String,
    /// Points, negative ones too.
    pub weight: f64,
    /// What a match is at least where this hits: the kind of evidence it is.
    pub severity: Option<Severity>,
}

/// One `[[topics]]` entry, read but not compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    /// Its name.
    pub id: TopicId,
    /// Its name for people.
    pub label: String,
    /// Severity of a match at the threshold.
    pub severity: Severity,
    /// Scores from which the severity rises: `(score, severity)`.
    pub severity_bands: Vec<(f64, Severity)>,
    /// Points needed.
    pub threshold: f64,
    /// Factor for hits in the title.
    pub title_boost: f64,
    /// Factor for hits in the lead (first paragraphs).
    pub lead_boost: f64,
    /// Most that further passages add to a rule's points, as a share of them.
    pub repeat_bonus: f64,
    /// The rules.
    pub terms: Vec<TermConfig>,
    /// Queries of which all must hit somewhere.
    pub require: Vec<String>,
    /// Queries of which none may hit.
    pub exclude: Vec<String>,
    /// Only these languages; empty means all.
    pub languages: Vec<Lang>,
    /// Only these sources; empty means all.
    pub sources: Vec<SourceId>,
    /// Most points of the learned score, where there is to be one.
    pub model_weight: Option<f64>,
}

impl TopicConfig {
    /// The loudest that it can be.
    #[must_use]
    pub fn severity_max(&self) -> Severity {
        let bands = self.severity_bands.iter().map(|(_, severity)| *severity);
        let terms = self.terms.iter().filter_map(|term| term.severity);
        bands.chain(terms).fold(self.severity, Severity::max)
    }
}

/// One `[[aliases]]` entry: `@name` in a query stands for any of the forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasConfig {
    /// The name, without `@`.
    pub name: String,
    /// What it stands for.
    pub forms: Vec<AliasForm>,
    /// Languages it has a list for, an empty one too: then it is known to have no words there.
    pub languages: Vec<Lang>,
}

/// One form of an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasForm {
    /// A word, a phrase without quotes, or `@name` of another alias.
    pub text: String,
    /// Sought only in items of this language, and of an unknown one.
    pub lang: Option<Lang>,
}

/// What is classified: an item's texts with their words. The words must be those of the texts.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// Headline.
    pub title: &'a str,
    /// Its words.
    pub title_words: &'a Tokens,
    /// Body.
    pub text: &'a str,
    /// Its words.
    pub text_words: &'a Tokens,
    /// Link.
    pub url: Option<&'a str>,
    /// Categories and keywords.
    pub tags: &'a [String],
    /// Who published it.
    pub source: &'a SourceId,
    /// Language.
    pub lang: Option<Lang>,
}

impl<'a> Document<'a> {
    /// An item with the words of its title and text.
    #[must_use]
    pub fn of(item: &'a Item, title_words: &'a Tokens, text_words: &'a Tokens) -> Self {
        Self {
            title: &item.title,
            title_words,
            text: &item.text,
            text_words,
            url: item.url.as_deref(),
            tags: &item.tags,
            source: &item.source,
            lang: item.lang,
        }
    }
}

/// All topics, ready to match. Immutable; share it behind an `Arc`.
#[derive(Debug)]
pub struct TopicSet {
    topics: Vec<Topic>,
    rules: Vec<Rule>,
    wakes: Wakes,
    /// Rules that wait for no word.
    always: Vec<u32>,
    plan: Plan,
    /// Topics with a learned score, in order.
    learned: Vec<u32>,
    /// Concepts without words in a language that a topic reads.
    gaps: Vec<LanguageGap>,
    /// Queries that hardly mean what they say.
    doubts: Vec<RuleLint>,
}

/// An alias that has no list for some languages in which a topic that uses it matches otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LanguageGap {
    alias: String,
    topic: TopicId,
    missing: Vec<Lang>,
}

#[derive(Debug)]
struct Topic {
    id: TopicId,
    severity: Severity,
    bands: Vec<(Score, Severity)>,
    threshold: Score,
    boosts: Boosts,
    languages: Vec<Lang>,
    sources: Vec<SourceId>,
    require: Vec<Gate>,
    exclude: Vec<Gate>,
    rules: Range<usize>,
    model_weight: Option<f64>,
    model: Option<Arc<LinearModel>>,
}

#[derive(Debug)]
struct Rule {
    topic: u32,
    id: String,
    query: String,
    weight: f64,
    severity: Option<Severity>,
    node: NodeId,
}

#[derive(Debug)]
struct Gate {
    node: NodeId,
    query: String,
}

/// Sizes of a compiled set, for `check` and the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TopicSetSize {
    /// Topics.
    pub topics: usize,
    /// Rules of all topics.
    pub rules: usize,
    /// Different words, prefixes, stems and number ranges.
    pub terms: usize,
    /// Different parts of queries.
    pub nodes: usize,
    /// Rules that wait for no word and so are asked for every item.
    pub always: usize,
}

impl TopicSet {
    /// Compiles topics and aliases.
    ///
    /// # Errors
    /// Every problem of every query, not only the first.
    pub fn compile(topics: &[TopicConfig], aliases: &[AliasConfig]) -> Result<Self, Vec<RuleProblem>> {
        compile::compile(topics, aliases)
    }

    /// Gives a topic its learned score. Does nothing for a topic that wants none.
    pub fn set_model(&mut self, topic: &TopicId, model: LinearModel) {
        let number = self.topics.iter().position(|known| known.id == *topic && known.model_weight.is_some());
        if let Some(number) = number {
            self.topics[number].model = Some(Arc::new(model));
            self.learned.push(number as u32);
            self.learned.sort_unstable();
            self.learned.dedup();
        }
    }

    /// Whether an item hit none of the rules by which its topic tells what is done or planned (those that raise the
    /// severity) from what is only spoken of. `false` where a topic has no such rules.
    #[must_use]
    pub fn is_only_spoken(&self, hit: &Match) -> bool {
        let Some(topic) = self.topics.iter().find(|topic| topic.id == hit.topic) else { return false };
        let mut severities = self.rules[topic.rules.clone()].iter().filter_map(|rule| rule.severity);
        hit.severity == topic.severity && severities.any(|severity| severity > topic.severity)
    }

    /// Whether a topic wants a learned score and has none.
    #[must_use]
    pub fn lacks_model(&self, topic: &TopicId) -> bool {
        self.topics.iter().any(|known| known.id == *topic && known.model_weight.is_some() && known.model.is_none())
    }

    /// How large this set is.
    #[must_use]
    pub fn size(&self) -> TopicSetSize {
        TopicSetSize {
            topics: self.topics.len(),
            rules: self.rules.len(),
            terms: self.plan.lexicon.len(),
            nodes: self.plan.nodes.len(),
            always: self.always.len(),
        }
    }

    /// The topics an item hits, in config order.
    #[must_use]
    pub fn classify(&self, document: &Document<'_>) -> Vec<Match> {
        self.classify_from(document, 1.0)
    }

    /// The same from a share of each threshold on: what is below 1 came near and does not match.
    #[must_use]
    pub fn classify_from(&self, document: &Document<'_>, share: f64) -> Vec<Match> {
        let extras = Extras::of(&self.plan, document);
        let mut search = Search::new(&self.plan, document, &extras);
        let hit = self.rules_that_hit(&mut search);
        let topic_of = |rule: &u32| self.rules[*rule as usize].topic;
        let mut matches = Vec::new();
        // A learned score may hit where no rule does.
        let mut learned = self.learned.iter().copied().peekable();
        for rules in hit.chunk_by(|a, b| topic_of(a) == topic_of(b)) {
            let number = topic_of(&rules[0]);
            while let Some(alone) = learned.next_if(|alone| *alone < number) {
                matches.extend(self.topic_match(alone, &[], share, &mut search, document, &extras));
            }
            learned.next_if_eq(&number);
            matches.extend(self.topic_match(number, rules, share, &mut search, document, &extras));
        }
        for alone in learned {
            matches.extend(self.topic_match(alone, &[], share, &mut search, document, &extras));
        }
        matches
    }

    /// Asks only the rules that wait for a word of the document; in config order.
    fn rules_that_hit(&self, search: &mut Search<'_>) -> Vec<u32> {
        let mut asked = vec![0u64; self.rules.len().div_ceil(64)];
        let mut awake: Vec<u32> = self.always.clone();
        for term in search.terms() {
            for rule in self.wakes.of_term(term) {
                let (slot, bit) = ((rule / 64) as usize, 1 << (rule % 64));
                if asked[slot] & bit == 0 {
                    asked[slot] |= bit;
                    awake.push(*rule);
                }
            }
        }
        awake.retain(|rule| search.holds(self.rules[*rule as usize].node));
        awake.sort_unstable();
        awake
    }

    fn topic_match(
        &self,
        number: u32,
        rules: &[u32],
        share: f64,
        search: &mut Search<'_>,
        document: &Document<'_>,
        extras: &Extras,
    ) -> Option<Match> {
        let topic = &self.topics[number as usize];
        if !topic.takes(document) || !topic.is_open(search) {
            return None;
        }
        let least = Score::from_f64(topic.threshold.to_f64() * share);
        if self.hoped_for(topic, rules, search) < least {
            return None;
        }
        let mut score = Score::ZERO;
        let mut hits = Vec::with_capacity(rules.len());
        for rule in rules {
            let rule = &self.rules[*rule as usize];
            let found = search.found(rule.node);
            let points = Worth::of(&found, topic.boosts).points(rule.weight);
            score = score.plus(points);
            hits.push((rule, points, best_hit(&found, topic.boosts)));
        }
        let learned = topic.learned(document);
        score = score.plus(learned);
        if score < least {
            return None;
        }
        let severity = topic.severity_at(score, hits.iter().filter_map(|(rule, ..)| rule.severity));
        let evidence = hits.into_iter().filter_map(|(rule, points, hit)| {
            let hit = hit?;
            Some(Evidence {
                rule: rule.id.clone(),
                field: hit.field,
                text: words_of(&hit, document, extras).to_owned(),
                start: hit.start,
                end: hit.end,
                weight: points,
            })
        });
        Some(Match {
            topic: topic.id.clone(),
            score,
            threshold: topic.threshold,
            severity,
            evidence: evidence.chain(topic.learned_evidence(learned, document)).collect(),
        })
    }

    /// A quick bound on the score from the first places of single words: most topics are done here.
    fn hoped_for(&self, topic: &Topic, rules: &[u32], search: &Search<'_>) -> Score {
        rules.iter().fold(topic.learned_max(), |sum, rule| {
            let rule = &self.rules[*rule as usize];
            let factor = match search.first_place(rule.node) {
                // The title comes first, then the lead: no later place is better than this.
                Some((hit, times)) => topic.boosts.best_from(&hit, times),
                None => topic.boosts.best(),
            };
            sum.plus(Score::from_f64((rule.weight * factor).max(0.0)))
        })
    }

    /// No place or repetition lifts these rules above this.
    fn best_case(&self, topic: &Topic, rules: &[u32]) -> Score {
        let best = topic.boosts.best();
        rules.iter().fold(topic.learned_max(), |sum, rule| {
            sum.plus(Score::from_f64((self.rules[*rule as usize].weight * best).max(0.0)))
        })
    }
}

impl Topic {
    fn takes(&self, document: &Document<'_>) -> bool {
        let lang = self.languages.is_empty() || document.lang.is_some_and(|lang| self.languages.contains(&lang));
        let source = self.sources.is_empty() || self.sources.contains(document.source);
        lang && source
    }

    fn is_open(&self, search: &mut Search<'_>) -> bool {
        self.require.iter().all(|gate| search.holds(gate.node))
            && !self.exclude.iter().any(|gate| search.holds(gate.node))
    }

    /// The most its learned score can bring.
    fn learned_max(&self) -> Score {
        let weight = self.model_weight.filter(|_| self.model.is_some());
        Score::from_f64(weight.unwrap_or(0.0))
    }

    /// Points of its learned score: none up to an even chance, its weight when it is sure.
    fn learned(&self, document: &Document<'_>) -> Score {
        let (Some(model), Some(weight)) = (&self.model, self.model_weight) else { return Score::ZERO };
        Score::from_f64(weight * learned_share(model.probability(document)))
    }

    /// The word that says most.
    fn learned_evidence(&self, points: Score, document: &Document<'_>) -> Option<Evidence> {
        let model = self.model.as_ref().filter(|_| points > Score::ZERO)?;
        let telling = model.telling(document, TELLING_MAX).into_iter().find(|telling| telling.weight > 0.0)?;
        let hit = Hit { field: telling.field, word: telling.at, start: telling.start, end: telling.end };
        let whole = if hit.field == Field::Title { document.title } else { document.text };
        Some(Evidence {
            rule: MODEL_RULE.to_owned(),
            field: hit.field,
            text: whole.get(hit.start..hit.end).unwrap_or_default().to_owned(),
            start: hit.start,
            end: hit.end,
            weight: points,
        })
    }

    /// The highest that the topic, one of the rules that hit, or the band of the score says.
    fn severity_at(&self, score: Score, of_rules: impl Iterator<Item = Severity>) -> Severity {
        let banded = self.bands.iter().filter(|(from, _)| score >= *from).map(|(_, severity)| *severity);
        of_rules.chain(banded).fold(self.severity, Severity::max)
    }
}

/// What a probability is worth, as a share of the weight.
fn learned_share(probability: f64) -> f64 {
    (2.0 * probability - 1.0).max(0.0)
}

/// The hit to show: the best placed one, the first of those.
fn best_hit(found: &Found, boosts: Boosts) -> Option<Hit> {
    let mut best: Option<(f64, Hit)> = None;
    for hit in found.hits() {
        let place = score::place(&hit, boosts);
        if best.as_ref().is_none_or(|(known, _)| place > *known) {
            best = Some((place, hit));
        }
    }
    best.map(|(_, hit)| hit)
}

/// The words of a hit as written.
fn words_of<'a>(hit: &Hit, document: &'a Document<'_>, extras: &'a Extras) -> &'a str {
    let text = match hit.field {
        Field::Title => document.title,
        Field::Body => document.text,
        // Signs of a link are single bytes and so are the blanks read for them: offsets agree.
        Field::Url => document.url.unwrap_or_default(),
        Field::Tag => extras.tags_text(),
        Field::Source => return document.source.as_str(),
        Field::Lang => return document.lang.as_ref().map_or("", Lang::as_str),
    };
    text.get(hit.start..hit.end).unwrap_or_default()
}
