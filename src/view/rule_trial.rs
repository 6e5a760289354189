//! What one query would have hit of what was taken: a rule tried before it is written down.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::config::Config;
use crate::model::{ItemId, Severity, StoryId, Timestamp, TopicId};
use crate::pipeline::classify::{Document, TermConfig, TopicConfig, TopicSet};
use crate::store::{ItemFilter, PastItem, Store, StoreError};
use crate::text::clean;
use crate::text::tokens::Tokens;

/// Newest items that are looked at.
const LOOKED_AT_MAX: i64 = 5000;
/// Examples that are shown.
const EXAMPLES_MAX: usize = 50;
/// Characters of a passage.
const PASSAGE_CHARS: usize = 160;

/// What became of a trial.
#[derive(Debug, Serialize)]
pub struct RuleTrial {
    /// The query.
    pub query: String,
    /// From then on.
    pub since: Timestamp,
    /// Items that were looked at: the newest since then.
    pub looked_at: u64,
    /// There are more since then than were looked at.
    pub cut: bool,
    /// Items it hits.
    pub matched: u64,
    /// Their stories.
    pub stories: u64,
    /// The newest of them.
    pub examples: Vec<TrialExample>,
}

/// An item that a query hits.
#[derive(Debug, Serialize)]
pub struct TrialExample {
    /// The item.
    pub id: ItemId,
    /// Its headline.
    pub title: String,
    /// Its source.
    pub source: String,
    /// When it was seen.
    pub at: Timestamp,
    /// Its story.
    pub story: StoryId,
    /// What was hit.
    pub passage: String,
}

/// Why a query cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The query itself: what is wrong, and what to write instead.
    #[error("{message}")]
    Query { message: String, hint: Option<String> },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RuleTrial {
    /// Tries a query against what was taken since a time.
    ///
    /// # Errors
    /// [`TrialError`] when the query is none, or the store cannot be read.
    pub fn of(query: &str, since: Timestamp, store: &Store, config: &Config) -> Result<Self, TrialError> {
        let topics = TopicSet::compile(&[topic(query)], &config.aliases).map_err(|problems| {
            let first = problems.into_iter().next();
            let (message, hint) = first.map_or_else(|| ("it is no query".to_owned(), None), |p| (p.message, p.hint));
            TrialError::Query { message, hint }
        })?;
        let newest = store.items(&ItemFilter { limit: 1, ..ItemFilter::default() })?;
        let mut behind = newest.first().map_or(0, |item| (item.seq - LOOKED_AT_MAX).max(0));
        let mut trial = Self {
            query: query.to_owned(),
            since,
            looked_at: 0,
            cut: false,
            matched: 0,
            stories: 0,
            examples: Vec::new(),
        };
        let mut stories = BTreeSet::new();
        loop {
            let page = store.history(since, behind)?;
            let Some(last) = page.last() else { break };
            behind = last.seq;
            trial.looked_at += page.len() as u64;
            for item in &page {
                if let Some(example) = hit(&topics, item) {
                    trial.matched += 1;
                    stories.insert(item.story);
                    trial.examples.push(example);
                }
            }
            // Only the newest are shown.
            let surplus = trial.examples.len().saturating_sub(EXAMPLES_MAX);
            trial.examples.drain(..surplus);
        }
        trial.cut = store.history_len(since)? > trial.looked_at;
        trial.stories = stories.len() as u64;
        trial.examples.reverse();
        Ok(trial)
    }
}

/// A topic of this query alone, whatever place it hits in.
fn topic(query: &str) -> TopicConfig {
    TopicConfig {
        id: TopicId::new("trial").expect("invariant: a valid name"),
        label: "Trial".to_owned(),
        severity: Severity::Low,
        severity_bands: Vec::new(),
        threshold: 1.0,
        title_boost: 1.0,
        lead_boost: 1.0,
        repeat_bonus: 0.0,
        terms: vec![TermConfig { id: "trial".to_owned(), query: query.to_owned(), weight: 1.0, severity: None }],
        require: Vec::new(),
        exclude: Vec::new(),
        languages: Vec::new(),
        sources: Vec::new(),
        model_weight: None,
    }
}

fn hit(topics: &TopicSet, past: &PastItem) -> Option<TrialExample> {
    let item = &past.item;
    let (title, text) = (Tokens::of(&item.title), Tokens::of(&item.text));
    let matched = topics.classify(&Document::of(item, &title, &text)).into_iter().next()?;
    Some(TrialExample {
        id: item.id,
        title: item.headline().into_owned(),
        source: item.source.to_string(),
        at: item.first_seen,
        story: past.story,
        passage: matched.evidence.first().map(|e| clean::excerpt(&e.text, PASSAGE_CHARS)).unwrap_or_default(),
    })
}
