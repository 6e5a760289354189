//! Rules that compile and still look wrong: they can never match, match nearly everything, say what
//! another says, or cost too much. For `check`; warnings, not errors, except for costly expressions.
//! Reads the compiled set, so aliases and folding are already what the matcher sees.

use std::collections::HashSet;
use std::time::Duration;

use super::compile::{RulePlace, RuleProblem};
use super::plan::{Node, NodeId, Plan};
use super::query::{self, Clause, Query, QueryProblem};
use super::{Gate, Rule, Topic, TopicConfig, TopicSet, pattern};

/// What looks wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LintKind {
    /// No item can meet this.
    NeverMatches,
    /// Nearly every item meets this.
    AlwaysMatches,
    /// Something else already says this.
    Redundant,
    /// Every item pays for this.
    Costly,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleLint {
    /// Which query.
    pub place: RulePlace,
    /// The rule's id, for terms.
    pub rule: Option<String>,
    /// What looks wrong.
    pub kind: LintKind,
    /// A lowercase fragment.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Shorter words than this are in nearly every text, and so are these.
const COMMON_WORDS: [&str; 40] = [
    "the", "a", "an", "of", "to", "and", "in", "is", "it", "for", "on", "that", "with", "as", "at", "by", "from",
    "was", "said", "der", "die", "das", "und", "von", "zu", "le", "la", "les", "de", "des", "et", "du", "в", "и", "на",
    "та", "з", "що", "не", "с",
];

impl TopicSet {
    /// Looks at every rule and gate.
    #[must_use]
    pub fn lint(&self) -> Vec<RuleLint> {
        let mut lints = Vec::new();
        let mut told = HashSet::new();
        for topic in &self.topics {
            self.lint_reach(topic, &mut lints);
            let rules = &self.rules[topic.rules.clone()];
            for (index, rule) in rules.iter().enumerate() {
                let place = RulePlace::Term { topic: topic.id.clone(), index };
                let mut lint = |kind, message: String, hint: &str| {
                    lints.push(RuleLint {
                        place: place.clone(),
                        rule: Some(rule.id.clone()),
                        kind,
                        message,
                        hint: Some(hint.to_owned()),
                    });
                };
                self.lint_rule(topic.rules.start + index, rule, &mut lint);
                self.lint_parts(rule, &mut told, &mut lint);
                self.lint_twins(rules, index, &mut lint);
            }
            let gates = [(true, &topic.require), (false, &topic.exclude)];
            for (require, gates) in gates {
                for (index, gate) in gates.iter().enumerate() {
                    lints.extend(self.lint_gate(topic, gate, require, index));
                }
            }
        }
        lints
    }

    fn lint_reach(&self, topic: &Topic, lints: &mut Vec<RuleLint>) {
        let rules: Vec<u32> = (topic.rules.start as u32..topic.rules.end as u32)
            .filter(|rule| self.rules[*rule as usize].weight > 0.0)
            .collect();
        if self.best_case(topic, &rules) < topic.threshold {
            let best = self.best_case(topic, &rules);
            lints.push(RuleLint {
                place: RulePlace::Topic { topic: topic.id.clone() },
                rule: None,
                kind: LintKind::NeverMatches,
                message: format!(
                    "all rules together bring at most {best} points, fewer than the threshold {}",
                    topic.threshold
                ),
                hint: Some("lower the threshold or raise the weights".to_owned()),
            });
        }
    }

    fn lint_rule(&self, number: usize, rule: &Rule, lint: &mut impl FnMut(LintKind, String, &str)) {
        let plan = &self.plan;
        if plan.is_impossible(rule.node) {
            lint(LintKind::NeverMatches, "no item can match this".into(), "it asks for something and for its absence");
        }
        if let Some(word) = plan.common_word(rule.node) {
            lint(
                LintKind::AlwaysMatches,
                format!("`{word}` is in nearly every item"),
                "add a rarer word with `AND` or `NEAR`",
            );
        }
        if self.always.contains(&(number as u32)) {
            let message = "this waits for no word, so every item pays for it".into();
            lint(LintKind::Costly, message, "add words with `AND`, or use the topic's `sources` and `languages`");
        }
    }

    /// Alternatives beside a wider one; each pair is told once, whichever rules share it through an alias.
    fn lint_parts(
        &self,
        rule: &Rule,
        told: &mut HashSet<(NodeId, NodeId)>,
        lint: &mut impl FnMut(LintKind, String, &str),
    ) {
        let mut pairs = Vec::new();
        self.plan.redundant_parts(rule.node, &mut pairs);
        for (narrow, wide) in pairs {
            if told.insert((narrow, wide)) {
                let message =
                    format!("{} adds nothing beside {}", self.plan.describe(narrow), self.plan.describe(wide));
                lint(LintKind::Redundant, message, "remove it");
            }
        }
    }

    /// Rules of one topic that hit together for the same reason count twice.
    fn lint_twins(&self, rules: &[Rule], index: usize, lint: &mut impl FnMut(LintKind, String, &str)) {
        let rule = &rules[index];
        for (other_index, other) in rules.iter().enumerate() {
            if other_index == index || !self.plan.implies(rule.node, other.node) {
                continue;
            }
            if rule.node == other.node && index > other_index {
                lint(
                    LintKind::Redundant,
                    format!("this is the same as rule `{}`", other.id),
                    "remove one, add its weight to the other",
                );
            }
        }
    }

    fn lint_gate(&self, topic: &Topic, gate: &Gate, require: bool, index: usize) -> Option<RuleLint> {
        let topic = topic.id.clone();
        let never = self.plan.is_impossible(gate.node);
        let always = self.plan.is_certain(gate.node) || self.plan.common_word(gate.node).is_some();
        let (kind, message) = match (require, never, always) {
            (true, true, _) => (LintKind::NeverMatches, "no item can meet this, so the topic never matches"),
            (true, _, true) => (LintKind::AlwaysMatches, "nearly every item meets this, so the gate is always open"),
            (false, true, _) => (LintKind::NeverMatches, "no item can meet this, so the gate is always open"),
            (false, _, true) => (LintKind::AlwaysMatches, "nearly every item meets this, so the topic never matches"),
            _ => return None,
        };
        let place = if require { RulePlace::Require { topic, index } } else { RulePlace::Exclude { topic, index } };
        Some(RuleLint { place, rule: None, kind, message: message.to_owned(), hint: None })
    }
}

impl Plan {
    /// Whether wherever the one holds the other holds, too. Says no when in doubt.
    fn implies(&self, narrow: NodeId, wide: NodeId) -> bool {
        if narrow == wide {
            return true;
        }
        let node = |id: NodeId| &self.nodes[id as usize];
        match (node(narrow), node(wide)) {
            (Node::Any(parts), _) => parts.iter().all(|part| self.implies(*part, wide)),
            (_, Node::All(parts)) => parts.iter().all(|part| self.implies(narrow, *part)),
            (Node::All(parts), _) => parts.iter().any(|part| self.implies(*part, wide)),
            (_, Node::Any(parts)) => parts.iter().any(|part| self.implies(narrow, *part)),
            (Node::Not(narrow), Node::Not(wide)) => self.implies(*wide, *narrow),
            (Node::Term { term, fields }, Node::Term { term: wide, fields: wider }) => {
                fields.within(*wider) && (term == wide || self.lexicon.implies(*term, *wide))
            }
            (Node::Row { terms, fields }, Node::Term { term: wide, fields: wider }) => {
                fields.within(*wider) && terms.iter().any(|term| term == wide || self.lexicon.implies(*term, *wide))
            }
            (Node::Row { terms, fields }, Node::Row { terms: wide, fields: wider }) => {
                let fits =
                    |part: &[u32]| part.iter().zip(wide.iter()).all(|(a, b)| a == b || self.lexicon.implies(*a, *b));
                fields.within(*wider) && wide.len() <= terms.len() && terms.windows(wide.len()).any(fits)
            }
            (Node::Near { words, order, left, right }, Node::Near { words: more, order: wider, left: a, right: b })
                if words <= more && (order == wider || *wider == query::Order::Any) =>
            {
                let straight = self.implies(*left, *a) && self.implies(*right, *b);
                straight || *wider == query::Order::Any && self.implies(*left, *b) && self.implies(*right, *a)
            }
            (Node::Near { left, right, .. }, _) => self.implies(*left, wide) || self.implies(*right, wide),
            (Node::Apart { left, .. }, _) => self.implies(*left, wide),
            _ => false,
        }
    }

    /// Whether no document can make this hold.
    fn is_impossible(&self, id: NodeId) -> bool {
        match &self.nodes[id as usize] {
            Node::Any(parts) => parts.iter().all(|part| self.is_impossible(*part)),
            Node::All(parts) => {
                parts.iter().any(|part| self.is_impossible(*part))
                    || parts.iter().any(|a| parts.iter().any(|b| self.exclude_each_other(*a, *b)))
            }
            Node::Near { left, right, .. } => self.is_impossible(*left) || self.is_impossible(*right),
            Node::Apart { left, right, .. } => {
                self.is_impossible(*left) || self.implies(*left, *right) && self.is_word(*left)
            }
            Node::Not(inner) => self.is_certain(*inner),
            _ => false,
        }
    }

    /// Whether every document makes this hold.
    fn is_certain(&self, id: NodeId) -> bool {
        match &self.nodes[id as usize] {
            Node::All(parts) => parts.iter().all(|part| self.is_certain(*part)),
            Node::Any(parts) => {
                let covers = |a: NodeId, b: NodeId| match self.nodes[b as usize] {
                    Node::Not(inner) => self.implies(inner, a),
                    _ => false,
                };
                parts.iter().any(|part| self.is_certain(*part))
                    || parts.iter().any(|a| parts.iter().any(|b| covers(*a, *b)))
            }
            Node::Not(inner) => self.is_impossible(*inner),
            _ => false,
        }
    }

    fn is_word(&self, id: NodeId) -> bool {
        matches!(self.nodes[id as usize], Node::Term { .. } | Node::Row { .. })
    }

    fn exclude_each_other(&self, a: NodeId, b: NodeId) -> bool {
        match (&self.nodes[a as usize], &self.nodes[b as usize]) {
            (_, Node::Not(inner)) => self.implies(a, *inner),
            (Node::Lang(a), Node::Lang(b)) => a != b,
            (Node::Source(query::SourcePattern::Name(a)), Node::Source(query::SourcePattern::Name(b))) => a != b,
            _ => false,
        }
    }

    /// A word so common that it alone makes the query hold nearly everywhere.
    fn common_word(&self, id: NodeId) -> Option<&str> {
        match &self.nodes[id as usize] {
            Node::Term { term, .. } => Some(self.lexicon.key(*term)).filter(|word| COMMON_WORDS.contains(word)),
            Node::Any(parts) => parts.iter().find_map(|part| self.common_word(*part)),
            Node::All(parts) => parts.iter().map(|part| self.common_word(*part)).reduce(Option::and).flatten(),
            _ => None,
        }
    }

    /// Alternatives that another alternative beside them already covers, with the wider one.
    fn redundant_parts(&self, id: NodeId, pairs: &mut Vec<(NodeId, NodeId)>) {
        match &self.nodes[id as usize] {
            Node::Any(parts) => {
                for (index, narrow) in parts.iter().enumerate() {
                    // Of two that say the same, the later one is too many.
                    let covers = |(other, wide): &(usize, &NodeId)| {
                        *other != index
                            && self.implies(*narrow, **wide)
                            && (*other < index || !self.implies(**wide, *narrow))
                    };
                    pairs.extend(parts.iter().enumerate().find(covers).map(|(_, wide)| (*narrow, *wide)));
                }
                parts.iter().for_each(|part| self.redundant_parts(*part, pairs));
            }
            Node::All(parts) => parts.iter().for_each(|part| self.redundant_parts(*part, pairs)),
            Node::Near { left, right, .. } | Node::Apart { left, right, .. } => {
                self.redundant_parts(*left, pairs);
                self.redundant_parts(*right, pairs);
            }
            Node::Not(inner) => self.redundant_parts(*inner, pairs),
            _ => {}
        }
    }

    fn describe(&self, id: NodeId) -> String {
        let key = |term: &u32| self.lexicon.shown(*term);
        match &self.nodes[id as usize] {
            Node::Term { term, .. } => format!("`{}`", key(term)),
            Node::Row { terms, .. } => format!("`\"{}\"`", terms.iter().map(key).collect::<Vec<_>>().join(" ")),
            Node::Near { left, right, .. } => format!("{} near {}", self.describe(*left), self.describe(*right)),
            Node::Any(parts) => match parts.first() {
                Some(first) => format!("{} and its alternatives", self.describe(*first)),
                None => String::new(),
            },
            _ => "one alternative".to_owned(),
        }
    }
}

/// Most time an expression may take on the longest text that is searched.
pub const PATTERN_COST_MAX: Duration = Duration::from_millis(50);

/// Times every expression of some topics on hostile texts; those over [`PATTERN_COST_MAX`] are refused with
/// what they cost. `elapsed` reads a clock that only goes forward.
pub fn probe_patterns(topics: &[TopicConfig], elapsed: &mut dyn FnMut() -> Duration) -> Vec<RuleProblem> {
    let mut problems = Vec::new();
    for topic in topics {
        let terms = topic.terms.iter().enumerate().map(|(index, term)| {
            (RulePlace::Term { topic: topic.id.clone(), index }, Some(term.id.clone()), &term.query)
        });
        let require = topic.require.iter().enumerate();
        let require = require.map(|(index, text)| (RulePlace::Require { topic: topic.id.clone(), index }, None, text));
        let exclude = topic.exclude.iter().enumerate();
        let exclude = exclude.map(|(index, text)| (RulePlace::Exclude { topic: topic.id.clone(), index }, None, text));
        for (place, rule, text) in terms.chain(require).chain(exclude) {
            let Ok(query) = query::parse(text) else { continue };
            for problem in costly_patterns(&query, elapsed) {
                problems.push(RuleProblem::of(place.clone(), rule.clone(), problem));
            }
        }
    }
    problems
}

fn costly_patterns(query: &Query, elapsed: &mut dyn FnMut() -> Duration) -> Vec<QueryProblem> {
    match &query.clause {
        Clause::Regex(text) => {
            let cost = pattern::worst_cost(text, elapsed);
            if cost <= PATTERN_COST_MAX {
                return Vec::new();
            }
            let message = format!(
                "this expression takes {} ms on a long text, more than {} ms",
                cost.as_millis(),
                PATTERN_COST_MAX.as_millis()
            );
            vec![QueryProblem::new(query.span.clone(), message).hint("use words with `NEAR/n`, or shorten its repeats")]
        }
        Clause::In(_, inner) | Clause::Not(inner) => costly_patterns(inner, elapsed),
        Clause::And(parts) | Clause::Or(parts) => {
            parts.iter().flat_map(|part| costly_patterns(part, elapsed)).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{compiled, topic};
    use super::*;

    fn kinds(queries: &[&str]) -> Vec<LintKind> {
        let terms: Vec<(&str, f64)> = queries.iter().map(|query| (*query, 1.0)).collect();
        compiled(&[topic("t", &terms)]).lint().into_iter().map(|lint| lint.kind).collect()
    }

    #[test]
    fn lint_sound_rules_pass() {
        for query in ["storm", "storm AND NOT film", "(storm OR flood*) NEAR/5 @bridge", "\"price cap\" OR prices"] {
            assert_eq!(kinds(&[query]), [], "{query}");
        }
        assert_eq!(kinds(&["storm", "storm*"]), []);
    }

    #[test]
    fn lint_names_what_is_wrong() {
        for (query, kind) in [
            ("storm AND NOT storm*", LintKind::NeverMatches),
            ("storm AND lang:en AND lang:de", LintKind::NeverMatches),
            ("storm NOT NEAR/3 storm*", LintKind::NeverMatches),
            ("the OR storm", LintKind::AlwaysMatches),
            ("storms OR storm*", LintKind::Redundant),
            ("\"storm tide\" OR storm", LintKind::Redundant),
            ("coast AND (a1 NEAR/2 b1 OR a1 NEAR/5 b1)", LintKind::Redundant),
            ("/st[o]rm/", LintKind::Costly),
        ] {
            assert!(kinds(&[query]).contains(&kind), "{query}: {:?}", kinds(&[query]));
        }
        assert_eq!(kinds(&["storm AND tide", "storm AND tide"]), [LintKind::Redundant]);
    }

    #[test]
    fn lint_topic_that_cannot_reach_its_threshold() {
        let mut config = topic("t", &[("storm", 1.0), ("tide", -9.0)]);
        config.threshold = 5.0;
        let lints = compiled(&[config]).lint();
        assert_eq!(lints[0].kind, LintKind::NeverMatches);
        assert!(lints[0].message.contains("at most 2 points"), "{}", lints[0].message);
    }

    #[test]
    fn lint_gates_that_are_always_open_or_always_closed() {
        let mut config = topic("t", &[("storm", 1.0)]);
        config.require = vec!["the OR storm".into(), "tide AND NOT tide".into()];
        config.exclude = vec!["tide OR NOT tide".into(), "film".into()];
        let kinds: Vec<_> = compiled(&[config]).lint().into_iter().map(|lint| lint.kind).collect();
        assert_eq!(kinds, [LintKind::AlwaysMatches, LintKind::NeverMatches, LintKind::AlwaysMatches]);
    }

    #[test]
    fn probe_refuses_with_the_measured_cost() {
        let config = [topic("t", &[("title:/st[o]rm/ AND tide", 1.0)])];
        let mut now = Duration::ZERO;
        let mut slow = || {
            now += Duration::from_millis(70);
            now
        };
        let problems = probe_patterns(&config, &mut slow);
        assert_eq!(problems[0].span, 6..15);
        assert!(problems[0].message.contains("takes 70 ms"), "{}", problems[0].message);
        assert_eq!(probe_patterns(&config, &mut || Duration::ZERO), []);
    }
}
