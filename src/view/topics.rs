//! How each topic of the config does: hits and alerts by the day, and its rules as read.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::model::Timestamp;
use crate::pipeline::classify::TopicConfig;
use crate::store::{DayTally, RuleHits, Store, StoreError, TopicFigures, TopicLabels};

/// As far as hits and alerts are shown by the day.
const FIGURES_AGE: Duration = Duration::from_secs(28 * 86_400);

/// One topic.
#[derive(Debug, Serialize)]
pub struct TopicLine {
    /// Its id in the config.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// What a match is at least.
    pub severity: String,
    /// Points an item needs.
    pub threshold: f64,
    /// Its rules.
    pub rules: usize,
    /// Items that hit it in the last 28 days, among the newest 20,000 of all.
    pub hits: u64,
    /// Alerts that name it in the last 28 days.
    pub alerts: u64,
    /// Stories that were told of it in the last 28 days, by the newest 4,000 alerts of all.
    pub stories: u64,
    /// Alerts on it that a silence kept back in the last 28 days, among the newest 4,000 of all.
    pub silenced: u64,
    /// The newest 4,000 alerts reach back 28 days.
    pub stories_whole: bool,
    /// What people said of its items.
    pub labels: TopicLabels,
    /// How many of a hundred labelled hits are about it.
    pub precision_percent: Option<u64>,
    /// Hits and alerts by the day, oldest first.
    pub days: DayTally,
    /// The newest 20,000 items reach back 28 days.
    pub days_whole: bool,
}

/// One topic with its rules.
#[derive(Debug, Serialize)]
pub struct TopicShown {
    /// The list's fields.
    #[serde(flatten)]
    pub line: TopicLine,
    /// Its rules.
    pub terms: Vec<TopicRule>,
    /// So many stored hits were asked which rules they are of.
    pub rule_hits_of: u64,
    /// Queries of which all must hit.
    pub require: Vec<String>,
    /// Queries of which none may hit.
    pub exclude: Vec<String>,
    /// Scores from which the severity rises.
    pub severity_bands: Vec<SeverityBand>,
    /// Only these languages; empty: all.
    pub languages: Vec<String>,
    /// Only these sources; empty: all.
    pub sources: Vec<String>,
}

/// A rule of a topic.
#[derive(Debug, Serialize)]
pub struct TopicRule {
    /// Its id within the topic.
    pub id: String,
    /// The query.
    pub r#match: String,
    /// Points.
    pub weight: f64,
    /// What a match is at least where this hits.
    pub severity: Option<String>,
    /// Of the hits that were asked, those that it is a reason of.
    pub hits: u64,
}

/// A score from which the severity rises.
#[derive(Debug, Serialize)]
pub struct SeverityBand {
    /// The score.
    pub score: f64,
    /// The severity from there on.
    pub severity: String,
}

impl TopicLine {
    /// All of the config, in its order; without a store nothing has hit any.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn all(topics: &[TopicConfig], store: Option<&Store>, now: Timestamp) -> Result<Vec<Self>, StoreError> {
        // One is counted alone.
        let only = if let [only] = topics { Some(only.id.as_str()) } else { None };
        let (mut days, whole) = store.map_or(Ok((BTreeMap::new(), true)), |store| store.days(only, now))?;
        let since = now.minus(FIGURES_AGE);
        let (figures, stories_whole) =
            store.map_or(Ok((BTreeMap::new(), true)), |store| store.topic_figures(only, since))?;
        let line = |topic: &TopicConfig| {
            let days = days.remove(topic.id.as_str()).unwrap_or_default();
            let TopicFigures { stories, silenced, labels } =
                figures.get(topic.id.as_str()).copied().unwrap_or_default();
            Self {
                id: topic.id.as_str().to_owned(),
                label: topic.label.clone(),
                severity: topic.severity.to_string(),
                threshold: topic.threshold,
                rules: topic.terms.len(),
                hits: days.hits.iter().sum(),
                alerts: days.alerts.iter().sum(),
                stories,
                silenced,
                stories_whole,
                labels,
                precision_percent: labels.precision_percent(),
                days,
                days_whole: whole,
            }
        };
        Ok(topics.iter().map(line).collect())
    }
}

impl TopicShown {
    /// One of the config; `None` where it has none of this name.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn find(
        id: &str,
        topics: &[TopicConfig],
        store: Option<&Store>,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let Some(topic) = topics.iter().find(|topic| topic.id.as_str() == id) else { return Ok(None) };
        let Some(line) = TopicLine::all(std::slice::from_ref(topic), store, now)?.pop() else { return Ok(None) };
        let hits = store.map_or(Ok(RuleHits::default()), |store| store.rule_hits(id))?;
        let rule = |term: &crate::pipeline::classify::TermConfig| TopicRule {
            id: term.id.clone(),
            r#match: term.query.clone(),
            weight: term.weight,
            severity: term.severity.map(|severity| severity.to_string()),
            hits: hits.rules.get(&term.id).copied().unwrap_or_default(),
        };
        let band = |(score, severity): &(f64, crate::model::Severity)| SeverityBand {
            score: *score,
            severity: severity.to_string(),
        };
        Ok(Some(Self {
            line,
            terms: topic.terms.iter().map(rule).collect(),
            rule_hits_of: hits.of,
            require: topic.require.clone(),
            exclude: topic.exclude.clone(),
            severity_bands: topic.severity_bands.iter().map(band).collect(),
            languages: topic.languages.iter().map(|lang| lang.as_str().to_owned()).collect(),
            sources: topic.sources.iter().map(|source| source.as_str().to_owned()).collect(),
        }))
    }
}
