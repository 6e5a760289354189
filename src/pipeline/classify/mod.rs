//! Topics: rules from the config, compiled once, matched against every item.

use crate::model::{Lang, Severity, SourceId, TopicId};

/// One rule of a topic as written.
#[derive(Debug, Clone, PartialEq)]
pub struct TermConfig {
    /// Its id within the topic; generated from the query where none is written.
    pub id: String,
    /// The query.
    pub query: String,
    /// Points, negative ones too.
    pub weight: f64,
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
}

/// One `[[aliases]]` entry: `@name` in a query stands for any of the forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasConfig {
    /// The name, without `@`.
    pub name: String,
    /// Words or phrases.
    pub forms: Vec<String>,
}
#[derive(Debug, Default)]
pub struct TopicSet;
impl TopicSet {
    pub fn classify(
        &self,
        _: &crate::model::Item,
        _: &crate::text::tokens::Tokens,
        _: &crate::text::tokens::Tokens,
    ) -> Vec<crate::model::Match> {
        Vec::new()
    }
}
