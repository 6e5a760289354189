//! Topics as written → [`TopicSet`], or every problem found: nothing stops at the first one. The place
//! of a problem is a query and bytes in it; turning that into file, line and caret is for `config`.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::concepts::Concepts;
use super::lint::{LintKind, RuleLint};
use super::plan::{Form, NodeId, Planner};
use super::query::{self, Query, QueryProblem};
use super::score::Boosts;
use super::{AliasConfig, Gate, LanguageGap, Rule, Topic, TopicConfig, TopicSet};
use crate::model::{Score, TopicId};

/// Which query of the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulePlace {
    /// `terms[index]` of a topic.
    Term { topic: TopicId, index: usize },
    /// `require[index]` of a topic.
    Require { topic: TopicId, index: usize },
    /// `exclude[index]` of a topic.
    Exclude { topic: TopicId, index: usize },
    /// `forms[index]` of an alias.
    Alias { name: String, index: usize },
    /// The topic itself.
    Topic { topic: TopicId },
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// Which query.
    pub place: RulePlace,
    /// The rule's id, for terms.
    pub rule: Option<String>,
    /// Bytes of the query.
    pub span: Range<usize>,
    /// A lowercase fragment.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl RuleProblem {
    pub(super) fn of(place: RulePlace, rule: Option<String>, problem: QueryProblem) -> Self {
        Self { place, rule, span: problem.span, message: problem.message, hint: problem.hint }
    }
}

/// Compiles everything.
pub(super) fn compile(topics: &[TopicConfig], aliases: &[AliasConfig]) -> Result<TopicSet, Vec<RuleProblem>> {
    let mut problems = Vec::new();
    let forms = read_aliases(aliases, &mut problems);
    let mut compiler = Compiler {
        planner: Planner::new(&forms),
        rules: Vec::new(),
        waiting: Vec::new(),
        always: Vec::new(),
        problems,
        concepts: Concepts::of(aliases),
        gaps: Vec::new(),
        doubts: form_doubts(aliases),
    };
    compiler.ask_aliases(aliases);
    let compiled: Vec<Topic> =
        topics.iter().enumerate().map(|(index, topic)| compiler.topic(index as u32, topic)).collect();
    let Compiler { planner, rules, waiting, always, problems, gaps, doubts, .. } = compiler;
    if !problems.is_empty() {
        return Err(problems);
    }
    let wakes = Wakes::of(planner.plan.lexicon.len(), &waiting);
    Ok(TopicSet { topics: compiled, rules, wakes, always, plan: planner.plan, learned: Vec::new(), gaps, doubts })
}

fn read_aliases(aliases: &[AliasConfig], problems: &mut Vec<RuleProblem>) -> HashMap<String, Vec<Form>> {
    let mut read: HashMap<String, Vec<Form>> = HashMap::new();
    for alias in aliases {
        let mut forms = Vec::with_capacity(alias.forms.len());
        for (index, form) in alias.forms.iter().enumerate() {
            match query::parse_form(&form.text) {
                Ok(query) => forms.push(Form { query, lang: form.lang }),
                Err(problem) => {
                    let place = RulePlace::Alias { name: alias.name.clone(), index };
                    problems.push(RuleProblem::of(place, None, problem));
                }
            }
        }
        let place = || RulePlace::Alias { name: alias.name.clone(), index: 0 };
        if alias.forms.is_empty() {
            let problem = QueryProblem::new(0..0, format!("alias `@{}` has no forms", alias.name));
            problems.push(RuleProblem::of(place(), None, problem));
        }
        if read.insert(alias.name.clone(), forms).is_some() {
            let problem = QueryProblem::new(0..0, format!("there are two aliases `@{}`", alias.name));
            problems.push(RuleProblem::of(place(), None, problem));
        }
    }
    read
}

fn form_doubts(aliases: &[AliasConfig]) -> Vec<RuleLint> {
    let mut doubts = Vec::new();
    for alias in aliases {
        for (index, form) in alias.forms.iter().enumerate() {
            let place = || RulePlace::Alias { name: alias.name.clone(), index };
            doubts.extend(query::form_doubts(&form.text).into_iter().map(|doubt| doubted(place(), None, doubt)));
        }
    }
    doubts
}

fn doubted(place: RulePlace, rule: Option<&str>, doubt: QueryProblem) -> RuleLint {
    let QueryProblem { span, message, hint } = doubt;
    RuleLint { place, rule: rule.map(str::to_owned), span: Some(span), kind: LintKind::Misread, message, hint }
}

struct Compiler<'a> {
    planner: Planner<'a>,
    rules: Vec<Rule>,
    /// Which terms wake which rule.
    waiting: Vec<(u32, u32)>,
    always: Vec<u32>,
    problems: Vec<RuleProblem>,
    concepts: Concepts<'a>,
    gaps: Vec<LanguageGap>,
    doubts: Vec<RuleLint>,
}

impl Compiler<'_> {
    /// Aliases nobody uses are checked all the same.
    fn ask_aliases(&mut self, aliases: &[AliasConfig]) {
        let broken: HashSet<String> = self
            .problems
            .iter()
            .filter_map(|problem| match &problem.place {
                RulePlace::Alias { name, .. } => Some(name.clone()),
                _ => None,
            })
            .collect();
        for alias in aliases.iter().filter(|alias| !broken.contains(&alias.name)) {
            let query = Query { clause: query::Clause::Alias(alias.name.clone()), span: 0..0 };
            if let Err(problem) = self.planner.add(&query) {
                let place = RulePlace::Alias { name: alias.name.clone(), index: 0 };
                self.problems.push(RuleProblem::of(place, None, problem));
            }
        }
    }

    fn query(&mut self, text: &str, place: RulePlace, rule: Option<&str>) -> Option<(NodeId, Query)> {
        self.doubts.extend(query::doubts(text).into_iter().map(|doubt| doubted(place.clone(), rule, doubt)));
        let read = query::parse(text).and_then(|query| Ok((self.planner.add(&query)?, query)));
        read.map_err(|problem| self.problems.push(RuleProblem::of(place, rule.map(str::to_owned), problem))).ok()
    }

    fn topic(&mut self, number: u32, topic: &TopicConfig) -> Topic {
        let first = self.rules.len();
        let mut seen = HashSet::new();
        let mut read = Vec::new();
        for (index, term) in topic.terms.iter().enumerate() {
            let place = RulePlace::Term { topic: topic.id.clone(), index };
            if !seen.insert(term.id.as_str()) {
                self.refuse(&place, &term.id, "two rules of this topic have this id", "give each its own `id`");
            }
            if !term.weight.is_finite() || term.weight == 0.0 {
                self.refuse(&place, &term.id, "the weight must be a number other than 0", "write `weight = 1.0`");
            }
            let Some((node, query)) = self.query(&term.query, place.clone(), Some(&term.id)) else { continue };
            if self.planner.plan.holds_without_words(node) {
                let hint = "add a word with `AND`, or put it into `exclude`";
                self.refuse(&place, &term.id, "this matches items without any word to show for it", hint);
                continue;
            }
            let rule = self.rules.len() as u32;
            match self.planner.anchors(node) {
                Some(anchors) => self.waiting.extend(anchors.terms.iter().map(|term| (*term, rule))),
                None => self.always.push(rule),
            }
            self.rules.push(Rule {
                topic: number,
                id: term.id.clone(),
                query: query.to_string(),
                weight: term.weight,
                severity: term.severity,
                node,
            });
            read.push(query);
        }
        self.gaps.extend(self.concepts.gaps(topic, &read));
        let gates = |compiler: &mut Self, queries: &[String], require: bool| -> Vec<Gate> {
            let mut gates = Vec::with_capacity(queries.len());
            for (index, text) in queries.iter().enumerate() {
                let topic = topic.id.clone();
                let place =
                    if require { RulePlace::Require { topic, index } } else { RulePlace::Exclude { topic, index } };
                gates.extend(compiler.query(text, place, None).map(|(node, _)| Gate { node, query: text.clone() }));
            }
            gates
        };
        let require = gates(self, &topic.require, true);
        let exclude = gates(self, &topic.exclude, false);
        self.check_numbers(topic);
        let mut bands: Vec<_> =
            topic.severity_bands.iter().map(|(score, severity)| (Score::from_f64(*score), *severity)).collect();
        bands.sort_by_key(|(score, _)| *score);
        Topic {
            id: topic.id.clone(),
            severity: topic.severity,
            bands,
            threshold: Score::from_f64(topic.threshold),
            boosts: Boosts { title: topic.title_boost, lead: topic.lead_boost, repeat: topic.repeat_bonus },
            languages: topic.languages.clone(),
            sources: topic.sources.clone(),
            require,
            exclude,
            rules: first..self.rules.len(),
            model_weight: topic.model_weight,
            model: None,
        }
    }

    fn check_numbers(&mut self, topic: &TopicConfig) {
        let place = RulePlace::Topic { topic: topic.id.clone() };
        let mut refuse = |message: &str, hint: &str| {
            let problem = QueryProblem::new(0..0, message).hint(hint);
            self.problems.push(RuleProblem::of(place.clone(), None, problem));
        };
        if !(topic.threshold > 0.0 && topic.threshold.is_finite()) {
            refuse("the threshold must be more than 0", "an item without a hit scores 0 and must not match");
        }
        let factors = [("title_boost", topic.title_boost), ("lead_boost", topic.lead_boost)];
        for (name, factor) in factors {
            if !(0.0..=100.0).contains(&factor) {
                refuse(&format!("`{name}` must be from 0 to 100"), "1 is neutral, 2 counts a hit twice");
            }
        }
        if !(0.0..=10.0).contains(&topic.repeat_bonus) {
            refuse("`repeat_bonus` must be from 0 to 10", "0.25 lets repeats add at most a quarter");
        }
    }

    fn refuse(&mut self, place: &RulePlace, rule: &str, message: &str, hint: &str) {
        let problem = QueryProblem::new(0..0, message).hint(hint);
        self.problems.push(RuleProblem::of(place.clone(), Some(rule.to_owned()), problem));
    }
}

/// For each term the rules that wait for it, in one array.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    starts: Vec<u32>,
    rules: Vec<u32>,
}

impl Wakes {
    fn of(terms: usize, waiting: &[(u32, u32)]) -> Self {
        let mut starts = vec![0; terms + 1];
        for (term, _) in waiting {
            starts[*term as usize + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let mut rules = vec![0; waiting.len()];
        for (term, rule) in waiting {
            let slot = &mut next[*term as usize];
            rules[*slot as usize] = *rule;
            *slot += 1;
        }
        Self { starts, rules }
    }

    /// Rules that wait for a term.
    pub fn of_term(&self, term: u32) -> &[u32] {
        let term = term as usize;
        &self.rules[self.starts[term] as usize..self.starts[term + 1] as usize]
    }
}
