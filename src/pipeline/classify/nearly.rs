//! Rules that nearly hit a document: all their words are there, but not so close or not in that place, or one
//! part is missing. For people who read a failing test or an item that was missed; the matcher never asks.

use std::fmt;

use super::plan::{Node, NodeId};
use super::search::{Extras, Search};
use super::{Document, TopicSet};
use crate::model::TopicId;

/// Rules shown.
const SHOWN_MAX: usize = 3;

/// What keeps a query that is near from holding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    /// Its words are there, but elsewhere or too far apart.
    Places,
    /// One part is not there.
    Part(NodeId),
}

/// A rule that does not hit, and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// Its id.
    pub rule: String,
    /// The part that is missing; `None`: its words are all there, but elsewhere or too far apart.
    pub lacks: Option<String>,
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.lacks {
            None => write!(f, "{} (its words stand too far apart, or elsewhere)", self.rule),
            Some(part) => write!(f, "{} (lacks {part})", self.rule),
        }
    }
}

impl TopicSet {
    /// The rules of a topic that come closest without hitting, closest first.
    #[must_use]
    pub fn near_misses(&self, document: &Document<'_>, topic: &TopicId) -> Vec<NearMiss> {
        let Some(topic) = self.topics.iter().find(|known| known.id == *topic) else { return Vec::new() };
        let extras = Extras::of(&self.plan, document);
        let mut search = Search::new(&self.plan, document, &extras);
        let mut near: Vec<NearMiss> = Vec::new();
        for rule in self.rules[topic.rules.clone()].iter().filter(|rule| rule.weight > 0.0) {
            if search.holds(rule.node) {
                continue;
            }
            if let Some(lacks) = self.lacking(rule.node, &mut search) {
                let lacks = match lacks {
                    Lack::Places => None,
                    Lack::Part(part) => Some(self.plan.describe(part)),
                };
                near.push(NearMiss { rule: rule.id.clone(), lacks });
            }
        }
        near.sort_by_key(|miss| miss.lacks.is_some());
        near.truncate(SHOWN_MAX);
        near
    }

    /// What a query lacks; nothing when it is further off than one part.
    fn lacking(&self, id: NodeId, search: &mut Search<'_>) -> Option<Lack> {
        let of_all = |parts: &[NodeId], search: &mut Search<'_>| {
            let missing: Vec<NodeId> = parts.iter().copied().filter(|part| !search.could(*part)).collect();
            match missing.as_slice() {
                [] => Some(Lack::Places),
                [one] => Some(Lack::Part(*one)),
                _ => None,
            }
        };
        match &self.plan.nodes[id as usize] {
            Node::Any(parts) => parts.iter().filter_map(|part| self.lacking(*part, search)).min(),
            Node::Near { left, right, .. } => of_all(&[*left, *right], search),
            Node::All(parts) => of_all(parts, search),
            Node::Apart { left, .. } => search.could(*left).then_some(Lack::Places),
            Node::Term { .. } | Node::Row { .. } => search.could(id).then_some(Lack::Places),
            Node::Not(_) | Node::Pattern { .. } | Node::Source(_) | Node::Lang(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Sample, compiled, topic};
    use super::*;

    fn nearly(query: &str, title: &str) -> Vec<String> {
        let set = compiled(&[topic("t", &[(query, 1.0)])]);
        let id = TopicId::new("t").expect("a name");
        Sample::of(title, "").with(|document| set.near_misses(document, &id)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn near_miss_says_what_is_missing_or_that_places_are_wrong() {
        assert_eq!(
            nearly("storm NEAR/1 coast", "storm far from any coast"),
            ["rule-0 (its words stand too far apart, or elsewhere)"]
        );
        assert_eq!(nearly("storm NEAR/1 coast", "a storm"), ["rule-0 (lacks `coast`)"]);
        assert_eq!(nearly("body:storm", "a storm").len(), 1);
        assert!(nearly("storm NEAR/1 coast", "calm").is_empty() && nearly("storm", "storm").is_empty());
    }
}
