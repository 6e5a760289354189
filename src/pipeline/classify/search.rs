//! One document against the plan: reads its words once, then answers whether a node holds and where.
//! Lives as long as one call; keeps nothing between documents.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::rc::Rc;

use super::Document;
use super::lexicon::{LexiconReading, TermId, WordHasher};
use super::pattern;
use super::plan::{Node, NodeId, Plan};
use super::spans::{self, Fields, Span, WORDS_MAX};
use crate::model::Field;
use crate::text::tokens::Tokens;

/// Most places of one expression in one field that are looked at.
const PATTERN_HITS_MAX: usize = 64;
/// Distance between tags, so that no `NEAR` reaches from one into the next, and most words read of them.
const TAG_GAP_WORDS: usize = 1000;

/// A place where a rule hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit {
    pub field: Field,
    /// Number of the first word in the field.
    pub word: usize,
    /// Bytes in the field; in the tags' case, of the tags joined by a line break each.
    pub start: usize,
    pub end: usize,
}

/// Why a query holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    /// Something is not there: no place to show.
    Absent,
    /// At any of these places, in order.
    Places(Vec<Hit>),
    /// All of these together.
    All(Vec<Found>),
    /// Each of these alone.
    Any(Vec<Found>),
}

impl Found {
    /// Alternatives that are mere places become one list.
    fn any(parts: Vec<Self>) -> Self {
        let mut places = Vec::new();
        let mut others = Vec::new();
        for part in parts {
            match part {
                Self::Absent => {}
                Self::Places(hits) => places.extend(hits),
                other => others.push(other),
            }
        }
        places.sort_unstable();
        places.dedup();
        match (places.is_empty(), others.is_empty()) {
            (true, true) => Self::Absent,
            (false, true) => Self::Places(places),
            (true, false) => Self::Any(others),
            (false, false) => {
                others.push(Self::Places(places));
                Self::Any(others)
            }
        }
    }

    fn name(field: Field, name: &str) -> Self {
        Self::Places(vec![Hit { field, word: 0, start: 0, end: name.len() }])
    }

    /// Every place.
    pub fn hits(&self) -> Vec<Hit> {
        match self {
            Self::Absent => Vec::new(),
            Self::Places(hits) => hits.clone(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::hits).collect(),
        }
    }
}

/// A text of the document with its words.
struct Part<'a> {
    field: Field,
    text: &'a str,
    words: &'a Tokens,
}

/// Link and tags as texts with words, made only where a rule asks for them.
pub(super) struct Extras {
    url: Option<(String, Tokens)>,
    tags: Option<(String, Tokens)>,
}

impl Extras {
    pub fn of(plan: &Plan, document: &Document<'_>) -> Self {
        let url = document.url.filter(|_| plan.reads_url).map(|url| {
            // Words of a link stand between any signs: `bbc.com` is two.
            let text = url.replace(|c: char| !c.is_alphanumeric() && c.len_utf8() == 1, " ");
            let words = Tokens::of(&text);
            (text, words)
        });
        let tags = (plan.reads_tags && !document.tags.is_empty()).then(|| {
            let text = document.tags.join("\n");
            let words = Tokens::of(&text);
            (text, words)
        });
        Self { url, tags }
    }

    /// The tags as one text.
    pub fn tags_text(&self) -> &str {
        self.tags.as_ref().map_or("", |(text, _)| text)
    }
}

/// Where each term occurs.
#[derive(Default)]
struct Occurrences {
    /// Open addressing by term: 0 for a free place, else its number in `terms` plus 1. As large as the document
    /// asks for, not as the rules: ten thousand of these cost nothing where none of their words occurs.
    slots: Vec<u32>,
    /// Bits of a hash that are too many.
    shift: u32,
    terms: Vec<Occurring>,
    /// Positions, those of one term together and in order.
    positions: Vec<u32>,
}

struct Occurring {
    term: TermId,
    start: u32,
    end: u32,
}

impl Occurrences {
    /// Groups occurrences by term: counts, then places. They come in the order of the text.
    fn take(&mut self, found: &[(TermId, u32)]) {
        let places = (found.len() * 2).next_power_of_two().max(16);
        self.slots = vec![0; places];
        self.shift = u32::BITS - places.trailing_zeros();
        for (term, _) in found {
            let place = self.place(*term);
            if self.slots[place] == 0 {
                self.terms.push(Occurring { term: *term, start: 0, end: 0 });
                self.slots[place] = self.terms.len() as u32;
            }
            self.terms[self.slots[place] as usize - 1].end += 1;
        }
        let mut next = 0;
        for occurring in &mut self.terms {
            let count = occurring.end;
            (occurring.start, occurring.end) = (next, next);
            next += count;
        }
        self.positions.resize(next as usize, 0);
        for (term, at) in found {
            let place = self.place(*term);
            let occurring = &mut self.terms[self.slots[place] as usize - 1];
            let end = occurring.end as usize;
            // Two forms of one token can be the same term.
            if occurring.start < occurring.end && self.positions[end - 1] == *at {
                continue;
            }
            self.positions[end] = *at;
            occurring.end += 1;
        }
    }

    /// Where a term's number is, or the free place where it would be. Half of the places are always free.
    fn place(&self, term: TermId) -> usize {
        let mut place = (term.wrapping_mul(0x9e37_79b1) >> self.shift) as usize;
        loop {
            let slot = self.slots[place];
            if slot == 0 || self.terms[slot as usize - 1].term == term {
                return place;
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
    }

    fn has(&self, term: TermId) -> bool {
        self.slots[self.place(term)] != 0
    }

    fn of(&self, term: TermId) -> &[u32] {
        match self.slots[self.place(term)].checked_sub(1) {
            None => &[],
            Some(slot) => {
                let Occurring { start, end, .. } = self.terms[slot as usize];
                &self.positions[start as usize..end as usize]
            }
        }
    }
}

/// A document ready to be asked.
pub(super) struct Search<'a> {
    plan: &'a Plan,
    document: &'a Document<'a>,
    extras: &'a Extras,
    occurrences: Occurrences,
    memo: HashMap<NodeId, Rc<[Span]>, BuildHasherDefault<WordHasher>>,
}

impl<'a> Search<'a> {
    pub fn new(plan: &'a Plan, document: &'a Document<'a>, extras: &'a Extras) -> Self {
        let mut search = Self { plan, document, extras, occurrences: Occurrences::default(), memo: HashMap::default() };
        let mut found = Vec::with_capacity(512);
        let reading = plan.lexicon.reading(document.lang);
        for field in [Field::Title, Field::Body, Field::Url, Field::Tag] {
            search.read(field, &reading, &mut found);
        }
        search.occurrences.take(&found);
        search
    }

    fn part(&self, field: Field) -> Option<Part<'a>> {
        let (text, words) = match field {
            Field::Title => (self.document.title, self.document.title_words),
            Field::Body => (self.document.text, self.document.text_words),
            Field::Url => self.extras.url.as_ref().map(|(text, words)| (text.as_str(), words))?,
            Field::Tag => self.extras.tags.as_ref().map(|(text, words)| (text.as_str(), words))?,
            Field::Source | Field::Lang => return None,
        };
        Some(Part { field, text, words })
    }

    fn read(&self, field: Field, reading: &LexiconReading<'_>, found: &mut Vec<(TermId, u32)>) {
        let Some(part) = self.part(field) else { return };
        let mut tag = 0;
        let mut last_end = 0;
        let words_max = if field == Field::Tag { TAG_GAP_WORDS } else { WORDS_MAX };
        for (index, token) in part.words.iter().enumerate().take(words_max) {
            if field == Field::Tag {
                tag += part.text[last_end..token.start].matches('\n').count();
                last_end = token.end;
            }
            let at = spans::position(field, index + tag * TAG_GAP_WORDS);
            reading.look_up(&token, part.text, |term| found.push((term, at)));
        }
    }

    /// Terms that occur, each once.
    pub fn terms(&self) -> impl Iterator<Item = TermId> + '_ {
        self.occurrences.terms.iter().map(|occurring| occurring.term)
    }

    fn is_present(&self, term: TermId) -> bool {
        self.occurrences.has(term)
    }

    fn positions(&self, term: TermId, fields: Fields) -> impl Iterator<Item = u32> + '_ {
        self.occurrences.of(term).iter().copied().filter(move |at| fields.hold(*at))
    }

    /// Where a node that is a single word first stands, and how often at most; `None` for the others.
    pub fn first_place(&self, id: NodeId) -> Option<(Hit, usize)> {
        let Node::Term { term, fields } = &self.plan.nodes[id as usize] else { return None };
        let (field, word) = spans::place(self.positions(*term, *fields).next()?);
        Some((Hit { field, word, start: 0, end: 0 }, self.occurrences.of(*term).len()))
    }

    /// Whether a node holds for this document.
    pub fn holds(&mut self, id: NodeId) -> bool {
        let plan = self.plan;
        match &plan.nodes[id as usize] {
            Node::Term { term, fields } => self.is_present(*term) && self.positions(*term, *fields).next().is_some(),
            Node::Row { .. } | Node::Near { .. } | Node::Apart { .. } => self.could(id) && !self.spans(id).is_empty(),
            Node::All(parts) => {
                parts.iter().all(|part| self.could(*part)) && parts.iter().all(|part| self.holds(*part))
            }
            Node::Any(parts) => parts.iter().any(|part| self.holds(*part)),
            Node::Not(inner) => !self.holds(*inner),
            Node::Pattern { index, fields } => self.pattern_hits(*index, *fields, 1).next().is_some(),
            Node::Source(pattern) => pattern.holds(self.document.source.as_str()),
            Node::Lang(lang) => self.document.lang == Some(*lang),
        }
    }

    /// Whether the words of a node occur at all: a cheap check before positions are compared.
    pub fn could(&self, id: NodeId) -> bool {
        match &self.plan.nodes[id as usize] {
            Node::Term { term, .. } => self.is_present(*term),
            Node::Row { terms, .. } => terms.iter().all(|term| self.is_present(*term)),
            Node::Near { left, right, .. } => self.could(*left) && self.could(*right),
            Node::Apart { left, .. } => self.could(*left),
            Node::All(parts) => parts.iter().all(|part| self.could(*part)),
            Node::Any(parts) => parts.iter().any(|part| self.could(*part)),
            Node::Not(_) | Node::Pattern { .. } | Node::Source(_) | Node::Lang(_) => true,
        }
    }

    /// Where a node with a place holds; empty for the others.
    fn spans(&mut self, id: NodeId) -> Rc<[Span]> {
        if let Some(known) = self.memo.get(&id) {
            return Rc::clone(known);
        }
        let plan = self.plan;
        let spans: Vec<Span> = match &plan.nodes[id as usize] {
            Node::Term { term, fields } => {
                self.positions(*term, *fields).map(|start| Span::solid(start, start + 1)).collect()
            }
            Node::Row { terms, fields } => {
                let positions: Vec<Vec<u32>> =
                    terms.iter().map(|term| self.positions(*term, *fields).collect()).collect();
                spans::row(&positions)
            }
            Node::Near { words, order, left, right } => {
                let (left, right) = (self.spans(*left), self.spans(*right));
                spans::near(&left, &right, *words, *order)
            }
            Node::Apart { words, left, right } => {
                let (left, right) = (self.spans(*left), self.spans(*right));
                spans::apart(&left, &right, *words)
            }
            Node::Any(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    if self.could(*part) {
                        all.extend_from_slice(&self.spans(*part));
                    }
                }
                spans::minimal(all)
            }
            Node::All(_) | Node::Not(_) | Node::Pattern { .. } | Node::Source(_) | Node::Lang(_) => Vec::new(),
        };
        let spans: Rc<[Span]> = spans.into();
        self.memo.insert(id, Rc::clone(&spans));
        spans
    }

    fn pattern_hits(&self, index: u32, fields: Fields, hits_max: usize) -> impl Iterator<Item = Hit> + '_ {
        let regex = self.plan.patterns[index as usize].regex();
        [Field::Title, Field::Body, Field::Url, Field::Tag]
            .into_iter()
            .filter(move |field| fields.hold(spans::position(*field, 0)))
            .filter_map(|field| self.part(field))
            .flat_map(move |part| {
                let found = regex.find_iter(pattern::start_of(part.text)).map(move |found| Hit {
                    field: part.field,
                    word: part.words.word_at(found.start()),
                    start: found.start(),
                    end: found.end(),
                });
                found.take_while(move |hit| fields.hold(spans::position(hit.field, hit.word))).take(hits_max)
            })
    }

    /// Where a node holds. Ask only for one that does.
    pub fn found(&mut self, id: NodeId) -> Found {
        let plan = self.plan;
        match &plan.nodes[id as usize] {
            Node::All(parts) => {
                let mut found: Vec<Found> = parts.iter().map(|part| self.found(*part)).collect();
                found.retain(|part| *part != Found::Absent);
                Found::All(found)
            }
            Node::Any(parts) => {
                let mut found = Vec::new();
                for part in parts {
                    if self.holds(*part) {
                        found.push(self.found(*part));
                    }
                }
                Found::any(found)
            }
            Node::Not(_) => Found::Absent,
            Node::Pattern { index, fields } => {
                Found::Places(self.pattern_hits(*index, *fields, PATTERN_HITS_MAX).collect())
            }
            Node::Source(_) => Found::name(Field::Source, self.document.source.as_str()),
            Node::Lang(lang) => Found::name(Field::Lang, lang.as_str()),
            Node::Term { term, fields } => {
                let spans = self.positions(*term, *fields).map(|start| Span::solid(start, start + 1));
                Found::Places(spans.filter_map(|span| self.hit(span)).collect())
            }
            Node::Row { .. } | Node::Near { .. } | Node::Apart { .. } => {
                let spans = self.spans(id);
                Found::Places(spans.iter().filter_map(|span| self.hit(*span)).collect())
            }
        }
    }

    fn hit(&self, span: Span) -> Option<Hit> {
        let (field, word) = spans::place(span.start);
        let part = self.part(field)?;
        let index = if field == Field::Tag { word % TAG_GAP_WORDS } else { word };
        let words = (span.end - span.start) as usize;
        let first = part.words.get(index)?;
        let last = part.words.get(index + words - 1)?;
        Some(Hit { field, word: index, start: first.start, end: last.end })
    }
}
