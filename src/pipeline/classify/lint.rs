//! Rules that compile and still look wrong: they can never match, match nearly everything, say what
//! another says, or cost too much. Warnings of `check`, never errors: an expression that costs too much is
//! refused by the parser. Reads the compiled set, so aliases and folding are already what the matcher sees.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::compile::RulePlace;
use super::lexicon::TermId;
use super::plan::{Node, NodeId, Plan};
use super::query;
use super::spans::Fields;
use super::{Gate, Rule, Topic, TopicSet};
use crate::model::Score;

/// What looks wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LintKind {
    /// No item can meet this.
    NeverMatches,
    /// Nearly every item meets this.
    AlwaysMatches,
    /// Something else already says this.
    Redundant,
    /// Words of a language are missing.
    LacksLanguage,
    /// It is read otherwise than it is meant.
    Misread,
    /// Every item pays for this.
    Costly,
}

impl LintKind {
    /// In words, next to the rule.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverMatches => "never matches",
            Self::AlwaysMatches => "always matches",
            Self::Redundant => "says what another says",
            Self::LacksLanguage => "lacks a language",
            Self::Misread => "hardly means this",
            Self::Costly => "costs too much",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleLint {
    /// Which query.
    pub place: RulePlace,
    /// The rule's id, for terms.
    pub rule: Option<String>,
    /// Bytes of the query, where it is a part of it.
    pub span: Option<Range<usize>>,
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
            lints.extend(topic.lint_bands());
            let rules = &self.rules[topic.rules.clone()];
            let first = First::of(rules, &self.plan);
            for (index, rule) in rules.iter().enumerate() {
                let place = RulePlace::Term { topic: topic.id.clone(), index };
                let mut lint = |kind, message: String, hint: &str| {
                    lints.push(RuleLint {
                        place: place.clone(),
                        rule: Some(rule.id.clone()),
                        span: None,
                        kind,
                        message,
                        hint: Some(hint.to_owned()),
                    });
                };
                self.lint_rule(topic.rules.start + index, rule, &mut lint);
                self.lint_parts(rule, &mut told, &mut lint);
                self.lint_twins(topic, rule, &first, &mut lint);
            }
            let gates = [(true, &topic.require), (false, &topic.exclude)];
            for (require, gates) in gates {
                for (index, gate) in gates.iter().enumerate() {
                    lints.extend(self.lint_gate(topic, gate, require, index));
                }
            }
        }
        self.lint_languages(&mut lints);
        lints.extend(self.doubts.iter().cloned());
        lints
    }

    /// Once per concept, however many topics use it.
    fn lint_languages(&self, lints: &mut Vec<RuleLint>) {
        let mut told = HashSet::new();
        for gap in self.gaps.iter().filter(|gap| told.insert(&gap.alias)) {
            let codes = gap.missing.iter().map(|lang| format!("`{lang}`")).collect::<Vec<_>>().join(", ");
            let first = gap.missing.first().map(ToString::to_string).unwrap_or_default();
            lints.push(RuleLint {
                place: RulePlace::Alias { name: gap.alias.clone(), index: 0 },
                rule: None,
                span: None,
                kind: LintKind::LacksLanguage,
                message: format!("`@{}` has no words in {codes}, which topic `{}` reads", gap.alias, gap.topic),
                hint: Some(format!("add `{first} = [\"…\"]`, or `{first} = []` if none are needed")),
            });
        }
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
                span: None,
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
        if self.always.binary_search(&(number as u32)).is_ok() {
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

    /// Rules of one topic that hit the same words for the same reason count twice, and what hits only where
    /// the topic is closed counts never.
    fn lint_twins(&self, topic: &Topic, rule: &Rule, first: &First<'_>, lint: &mut impl FnMut(LintKind, String, &str)) {
        if let Some(same) = first.rules.get(&rule.node).filter(|same| same.id != rule.id) {
            let message = format!("this is the same as rule `{}`", same.id);
            lint(LintKind::Redundant, message, "remove one, add its weight to the other");
        } else if let Node::Term { term, fields } = self.plan.nodes[rule.node as usize] {
            let mut wider =
                self.plan.lexicon.wider(term).into_iter().filter_map(|wide| first.words.get(&(wide, fields)));
            if let Some(wider) = wider.find(|wider| (wider.weight > 0.0) == (rule.weight > 0.0)) {
                let message = format!("every word this hits is also one of rule `{}`: it counts twice", wider.id);
                lint(LintKind::Redundant, message, "remove it, or see to it that the sum of both is meant");
            }
        }
        if let Some(gate) = topic.exclude.iter().find(|gate| self.plan.implies(rule.node, gate.node)) {
            let message = format!("wherever this hits, `exclude` closes the topic: `{}`", gate.query.trim());
            lint(LintKind::NeverMatches, message, "remove the rule, or narrow the gate");
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
        Some(RuleLint { place, rule: None, span: None, kind, message: message.to_owned(), hint: None })
    }
}

impl Topic {
    /// Bands that say less than what counts anyway.
    fn lint_bands(&self) -> Option<RuleLint> {
        let mut below = (Score::ZERO, self.severity);
        for (score, severity) in &self.bands {
            if *severity <= below.1 {
                let message = format!(
                    "`severity_bands` says {severity} from {score} points on, but it is {} from {} points on: the highest counts",
                    below.1, below.0
                );
                return Some(RuleLint {
                    place: RulePlace::Topic { topic: self.id.clone() },
                    rule: None,
                    span: None,
                    kind: LintKind::Misread,
                    message,
                    hint: Some("let the severity rise with the score, or leave the band out".to_owned()),
                });
            }
            below = (*score, *severity);
        }
        None
    }
}

/// The first rule of a topic for each query, and for each single word.
struct First<'a> {
    rules: HashMap<NodeId, &'a Rule>,
    words: HashMap<(TermId, Fields), &'a Rule>,
}

impl<'a> First<'a> {
    fn of(rules: &'a [Rule], plan: &Plan) -> Self {
        let mut first = Self { rules: HashMap::new(), words: HashMap::new() };
        for rule in rules {
            first.rules.entry(rule.node).or_insert(rule);
            if let Node::Term { term, fields } = plan.nodes[rule.node as usize] {
                first.words.entry((term, fields)).or_insert(rule);
            }
        }
        first
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

    pub(super) fn describe(&self, id: NodeId) -> String {
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
        assert_eq!(kinds(&["storm tide", "storm*", "title:storm"]), []);
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
        assert_eq!(kinds(&["storms", "storm*"]), [LintKind::Redundant]);
    }

    #[test]
    fn lint_rule_behind_a_gate_that_it_closes_itself() {
        let mut config = topic("t", &[("film AND storm", 1.0), ("storm", 1.0)]);
        config.exclude = vec!["film*".into()];
        let lints = compiled(&[config]).lint();
        assert_eq!((lints.len(), lints[0].kind), (1, LintKind::NeverMatches));
        assert_eq!(lints[0].rule.as_deref(), Some("rule-0"));
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
}
