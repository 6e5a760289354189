//! Queries → one graph of nodes that all rules share: equal parts become one node, aliases are resolved,
//! words become terms. Also says which terms a query waits for, so that a document wakes only the rules
//! it could match (the presearcher of Luwak). Evaluation is `search`.

use std::collections::HashMap;

use super::lexicon::{Lexicon, TermId};
use super::pattern::{self, LazyPattern};
use super::query::{Clause, Order, Query, QueryProblem, Scope, SourcePattern, closest};
use super::spans::Fields;
use crate::model::Lang;

/// A part of some query.
pub(super) type NodeId = u32;

/// Most terms one rule may wait for before it is cheaper to ask it every time.
const ANCHORS_MAX: usize = 4096;

/// What a part of a query asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Term { term: TermId, fields: Fields },
    Row { terms: Box<[TermId]>, fields: Fields },
    Near { words: u8, order: Order, left: NodeId, right: NodeId },
    Apart { words: u8, left: NodeId, right: NodeId },
    All(Box<[NodeId]>),
    Any(Box<[NodeId]>),
    Not(NodeId),
    Pattern { index: u32, fields: Fields },
    Source(SourcePattern),
    Lang(Lang),
}

/// The graph with its words.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub nodes: Vec<Node>,
    pub lexicon: Lexicon,
    pub patterns: Vec<LazyPattern>,
    /// Bytes of the programs of all of them.
    pub pattern_bytes: usize,
    /// Whether any query looks into links or tags.
    pub reads_url: bool,
    pub reads_tags: bool,
}

/// One form of an alias.
#[derive(Debug, Clone)]
pub(super) struct Form {
    pub query: Query,
    /// Sought only in items of this language, and of an unknown one.
    pub lang: Option<Lang>,
}

/// Builds a [`Plan`].
pub(super) struct Planner<'a> {
    pub plan: Plan,
    index: HashMap<Node, NodeId>,
    patterns: HashMap<String, u32>,
    aliases: &'a HashMap<String, Vec<Form>>,
    /// `None` while an alias is being resolved: meeting it again is a circle.
    resolved: HashMap<(String, Fields), Option<NodeId>>,
    anchors: HashMap<NodeId, Option<Anchors>>,
    /// The language of the form of an alias that is being read.
    lang: Option<Lang>,
}

/// Terms of which at least one occurs wherever the query matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Anchors {
    pub terms: Vec<TermId>,
    cost: u64,
}

impl<'a> Planner<'a> {
    pub fn new(aliases: &'a HashMap<String, Vec<Form>>) -> Self {
        Self {
            plan: Plan::default(),
            index: HashMap::new(),
            patterns: HashMap::new(),
            aliases,
            resolved: HashMap::new(),
            anchors: HashMap::new(),
            lang: None,
        }
    }

    /// Adds a query.
    ///
    /// # Errors
    /// An unknown or circular alias.
    pub fn add(&mut self, query: &Query) -> Result<NodeId, QueryProblem> {
        self.node(query, Fields::TEXT)
    }

    fn node(&mut self, query: &Query, fields: Fields) -> Result<NodeId, QueryProblem> {
        let node = match &query.clause {
            Clause::Word(word) => Node::Term { term: self.plan.lexicon.word(word, self.lang), fields },
            Clause::Phrase(words) => {
                Node::Row { terms: words.iter().map(|word| self.plan.lexicon.word(word, self.lang)).collect(), fields }
            }
            Clause::Number(bounds) => Node::Term { term: self.plan.lexicon.number(*bounds), fields },
            Clause::Alias(name) => return self.alias(name, query, fields),
            Clause::Regex { pattern, program_bytes } => {
                Node::Pattern { index: self.pattern(pattern, *program_bytes, query)?, fields }
            }
            Clause::Source(pattern) => Node::Source(pattern.clone()),
            Clause::Lang(code) => Node::Lang(
                Lang::from_tag(code)
                    .ok_or_else(|| QueryProblem::new(query.span.clone(), format!("`{code}` is not a language code")))?,
            ),
            Clause::In(scope, inner) => {
                self.plan.reads_url |= *scope == Scope::Url;
                self.plan.reads_tags |= *scope == Scope::Tag;
                return self.node(inner, Fields::of(*scope));
            }
            Clause::Near { words, order, left, right } => Node::Near {
                words: *words,
                order: *order,
                left: self.node(left, fields)?,
                right: self.node(right, fields)?,
            },
            Clause::Apart { words, left, right } => {
                Node::Apart { words: *words, left: self.node(left, fields)?, right: self.node(right, fields)? }
            }
            Clause::And(parts) => Node::All(self.parts(parts, fields)?),
            Clause::Or(parts) => Node::Any(self.parts(parts, fields)?),
            Clause::Not(inner) => Node::Not(self.node(inner, fields)?),
        };
        Ok(self.intern(node))
    }

    fn parts(&mut self, parts: &[Query], fields: Fields) -> Result<Box<[NodeId]>, QueryProblem> {
        parts.iter().map(|part| self.node(part, fields)).collect()
    }

    fn intern(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.index.get(&node) {
            return *id;
        }
        let id = self.plan.nodes.len() as NodeId;
        self.plan.nodes.push(node.clone());
        self.index.insert(node, id);
        id
    }

    fn alias(&mut self, name: &str, query: &Query, fields: Fields) -> Result<NodeId, QueryProblem> {
        let key = (name.to_owned(), fields);
        match self.resolved.get(&key) {
            Some(Some(id)) => return Ok(*id),
            Some(None) => {
                return Err(QueryProblem::new(query.span.clone(), format!("alias `@{name}` contains itself")));
            }
            None => {}
        }
        let Some(forms) = self.aliases.get(name) else {
            let problem = QueryProblem::new(query.span.clone(), format!("there is no alias `@{name}`"));
            return Err(match closest(name, self.aliases.keys().map(String::as_str)) {
                Some(near) => problem.hint(format!("did you mean `@{near}`?")),
                None => problem.hint(format!("add `[[aliases]]` with `name = \"{name}\"`")),
            });
        };
        self.resolved.insert(key.clone(), None);
        let ids = forms
            .iter()
            .map(|form| {
                let outer = std::mem::replace(&mut self.lang, form.lang);
                let node = self.node(&form.query, fields);
                self.lang = outer;
                node.map_err(|inner| QueryProblem { span: query.span.clone(), ..inner })
            })
            .collect::<Result<Vec<_>, _>>();
        let ids = match ids {
            Ok(ids) => ids,
            Err(problem) => {
                self.resolved.remove(&key);
                return Err(problem);
            }
        };
        let id = self.intern(Node::Any(ids.into()));
        self.resolved.insert(key, Some(id));
        Ok(id)
    }

    fn pattern(&mut self, text: &str, bytes: usize, query: &Query) -> Result<u32, QueryProblem> {
        if let Some(index) = self.patterns.get(text) {
            return Ok(*index);
        }
        let was_within = self.plan.pattern_bytes <= pattern::PROGRAMS_BYTES_MAX;
        self.plan.pattern_bytes += bytes;
        // Said of the first that is beyond, and not of the thousands behind it.
        if was_within && self.plan.pattern_bytes > pattern::PROGRAMS_BYTES_MAX {
            let (count, most) = (self.plan.patterns.len() + 1, pattern::PROGRAMS_BYTES_MAX >> 20);
            let what = format!("{count} expressions up to this one take more than {most} MiB together");
            return Err(QueryProblem::new(query.span.clone(), what).hint("use words with `NEAR/n` for some of them"));
        }
        let index = self.plan.patterns.len() as u32;
        self.plan.patterns.push(LazyPattern::new(text));
        self.patterns.insert(text.to_owned(), index);
        Ok(index)
    }

    /// What a query waits for; `None`: it must be asked for every document.
    pub fn anchors(&mut self, node: NodeId) -> Option<Anchors> {
        if let Some(known) = self.anchors.get(&node) {
            return known.clone();
        }
        let found = match self.plan.nodes[node as usize].clone() {
            Node::Term { term, .. } => Some(self.single(term)),
            Node::Row { terms, .. } => terms.iter().map(|term| self.single(*term)).min_by_key(|anchors| anchors.cost),
            Node::Near { left, right, .. } => cheapest([self.anchors(left), self.anchors(right)]),
            Node::Apart { left, .. } => self.anchors(left),
            Node::All(parts) => cheapest(parts.iter().map(|part| self.anchors(*part)).collect::<Vec<_>>()),
            Node::Any(parts) => self.any_anchors(&parts),
            Node::Not(_) | Node::Pattern { .. } | Node::Source(_) | Node::Lang(_) => None,
        };
        self.anchors.insert(node, found.clone());
        found
    }

    fn single(&self, term: TermId) -> Anchors {
        Anchors { terms: vec![term], cost: u64::from(self.plan.lexicon.commonness(term)) }
    }

    fn any_anchors(&mut self, parts: &[NodeId]) -> Option<Anchors> {
        let mut all = Anchors { terms: Vec::new(), cost: 0 };
        for part in parts {
            let anchors = self.anchors(*part)?;
            all.cost += anchors.cost;
            all.terms.extend(anchors.terms);
        }
        all.terms.sort_unstable();
        all.terms.dedup();
        (all.terms.len() <= ANCHORS_MAX).then_some(all)
    }
}

fn cheapest(anchors: impl IntoIterator<Item = Option<Anchors>>) -> Option<Anchors> {
    anchors.into_iter().flatten().min_by_key(|anchors| anchors.cost)
}

impl Plan {
    /// Whether a query can hold for a document that has none of its words: such a match has nothing to show.
    pub fn holds_without_words(&self, node: NodeId) -> bool {
        match &self.nodes[node as usize] {
            Node::Not(_) => true,
            Node::All(parts) => parts.iter().all(|part| self.holds_without_words(*part)),
            Node::Any(parts) => parts.iter().any(|part| self.holds_without_words(*part)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::query;
    use super::*;

    #[test]
    fn expressions_of_a_config_have_a_bound_together() {
        let aliases = HashMap::new();
        let mut planner = Planner::new(&aliases);
        planner.plan.pattern_bytes = pattern::PROGRAMS_BYTES_MAX - 10;
        let problem = planner.add(&query::parse("/su-[0-9]+/").expect("a query")).expect_err("beyond");
        assert!(problem.message.contains("1 expressions up to this one take more than 64 MiB"), "{}", problem.message);
        planner.add(&query::parse("/mi-[0-9]+/").expect("a query")).expect("said once");
    }
}
