//! The query language: text → [`Query`], and back. A query is what one rule, gate or alias form says;
//! it knows nothing of topics, weights or documents. Errors point at bytes of the query. The next
//! step is `plan`, which resolves aliases and words. `docs/guide/topics.md` is the page for people.

mod doubts;
mod lex;
mod parse;
mod print;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub use doubts::{doubts, form_doubts};
pub use parse::{parse, parse_form};
#[cfg(test)]
pub(super) use tests::any_query;

/// Longest query, in bytes.
pub const QUERY_BYTES_MAX: usize = 16 * 1024;
/// Deepest nesting of parentheses, fields and `NOT`.
pub const DEPTH_MAX: usize = 32;
/// Largest distance of `NEAR` and `BEFORE`, in words between.
pub const NEAR_WORDS_MAX: u8 = 100;
/// Most words in one phrase.
pub const PHRASE_WORDS_MAX: usize = 20;

/// A part of a query with its place in the text. Two queries are equal when they say the same;
/// where they say it does not count.
#[derive(Debug, Clone)]
pub struct Query {
    /// What it says.
    pub clause: Clause,
    /// Bytes of the query text it was read from.
    pub span: Range<usize>,
}

impl PartialEq for Query {
    fn eq(&self, other: &Self) -> bool {
        self.clause == other.clause
    }
}

/// What a query can say.
#[derive(Debug, Clone, PartialEq)]
pub enum Clause {
    /// One word.
    Word(Word),
    /// Words in a row.
    Phrase(Vec<Word>),
    /// Any number within bounds, both included.
    Number(Bounds),
    /// `@name`.
    Alias(String),
    /// `/pattern/`, as written between the slashes, and the bytes of its program.
    Regex {
        /// Between the slashes.
        pattern: String,
        /// What all expressions of a config together are held to.
        program_bytes: usize,
    },
    /// `source:name`, or the start of a name with `*`.
    Source(SourcePattern),
    /// `lang:code`.
    Lang(String),
    /// Only there.
    In(Scope, Box<Query>),
    /// Both, with at most so many words between.
    Near { words: u8, order: Order, left: Box<Query>, right: Box<Query> },
    /// The left one where the right one is not within so many words.
    Apart { words: u8, left: Box<Query>, right: Box<Query> },
    /// Every one of them, anywhere.
    And(Vec<Query>),
    /// At least one of them.
    Or(Vec<Query>),
    /// Not that.
    Not(Box<Query>),
}

/// Where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The headline.
    Title,
    /// The headline and the first words of the text.
    Lead,
    /// The text.
    Body,
    /// The link.
    Url,
    /// Categories and keywords.
    Tag,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] = [Self::Title, Self::Lead, Self::Body, Self::Url, Self::Tag];

    /// As written before the colon.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Lead => "lead",
            Self::Body => "body",
            Self::Url => "url",
            Self::Tag => "tag",
        }
    }
}

/// One word of a query as written; it is folded when it is compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub text: String,
    /// What else it stands for.
    pub form: Form,
}

/// How far a word reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// This word only.
    Exact,
    /// `word*`: every word that starts like this.
    Prefix,
    /// `*part*`: every word that has this in it, or starts or ends with it.
    Inside,
    /// `*end`: every word that ends like this.
    Ending,
    /// `word~`: every word with the same stem in the item's language.
    Stem,
    /// `=Word`: this word in this very spelling, capitals and accents included.
    Written,
}

/// Bounds of `#`: none for `#`, `#1000..`, `#..50`, `#10..20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Smallest.
    pub from: Option<u64>,
    /// Largest.
    pub to: Option<u64>,
}

impl Bounds {
    /// Whether a number lies within.
    #[must_use]
    pub fn hold(self, number: f64) -> bool {
        self.from.is_none_or(|from| number >= from as f64) && self.to.is_none_or(|to| number <= to as f64)
    }
}

/// Which sources.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SourcePattern {
    /// This one.
    Name(String),
    /// All whose name starts like this.
    Start(String),
}

impl SourcePattern {
    /// Whether a source is meant.
    #[must_use]
    pub fn holds(&self, source: &str) -> bool {
        match self {
            Self::Name(name) => source == name,
            Self::Start(start) => source.starts_with(start.as_str()),
        }
    }
}

/// Whether the order of the two sides of `NEAR` matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// `NEAR/n`
    Any,
    /// `BEFORE/n`: the left side comes first.
    LeftFirst,
}

/// What is wrong with a query, where, and what might have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryProblem {
    /// Bytes of the query.
    pub span: Range<usize>,
    /// A lowercase fragment.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl QueryProblem {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Query {
    /// Every `source:` and `lang:` of it.
    #[must_use]
    pub fn name_filters(&self) -> Vec<&Self> {
        match &self.clause {
            Clause::Source(_) | Clause::Lang(_) => vec![self],
            Clause::In(_, inner) | Clause::Not(inner) => inner.name_filters(),
            Clause::Near { left, right, .. } | Clause::Apart { left, right, .. } => {
                [left.name_filters(), right.name_filters()].concat()
            }
            Clause::And(parts) | Clause::Or(parts) => parts.iter().flat_map(Self::name_filters).collect(),
            Clause::Word(_) | Clause::Phrase(_) | Clause::Number(_) | Clause::Alias(_) | Clause::Regex { .. } => {
                Vec::new()
            }
        }
    }

    /// Whether this has a place in the text, so that `NEAR` can measure from it.
    #[must_use]
    pub fn has_place(&self) -> bool {
        match &self.clause {
            Clause::Word(_)
            | Clause::Phrase(_)
            | Clause::Number(_)
            | Clause::Alias(_)
            | Clause::Near { .. }
            | Clause::Apart { .. } => true,
            Clause::Or(parts) => parts.iter().all(Self::has_place),
            Clause::In(_, inner) => inner.has_place(),
            Clause::Regex { .. } | Clause::Source(_) | Clause::Lang(_) | Clause::And(_) | Clause::Not(_) => false,
        }
    }
}

/// Characters of two words that are compared: the time it takes is their product.
const COMPARED_CHARS_MAX: usize = 64;

/// The candidate closest to what was written, if any is close enough to be a slip of the keyboard.
#[must_use]
pub fn closest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (written.chars().count() / 2).clamp(1, 3);
    let start = |word: &str| word.chars().take(COMPARED_CHARS_MAX).flat_map(char::to_lowercase).collect::<String>();
    let written = start(written);
    candidates
        .into_iter()
        .map(|candidate| (strsim::levenshtein(&written, &start(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
