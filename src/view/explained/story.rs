//! The part of `explain` about stories: which ones the item was held against, what spoke for and against
//! each, and why it won or lost. Runs on a memory rebuilt from the store; changes nothing.

use serde::Serialize;

use crate::config::Config;
use crate::model::{ItemId, Timestamp, TopicId};
use crate::pipeline::consider::{Consideration, Considered, ForeignStory, RecognisedStory, Repeats, Wording};
use crate::pipeline::{Ledger, Prepared};
use crate::store::{Store, StoreError};

/// The stories an item was held against, with names for people.
#[derive(Debug, Serialize)]
pub struct StoryExplained {
    /// `joined`, `opened` or `copy`.
    pub decision: &'static str,
    /// Log-odds that it takes to join.
    pub threshold: f32,
    /// The text that it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<NamedConsideration<Repeats>>,
    /// Stories, the nearest first.
    pub stories: Vec<NamedConsideration<Considered>>,
    /// The story on a topic of the item that it joins by what both say, where their words are too far apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recognised: Option<NamedConsideration<RecognisedStory>>,
    /// Stories of other languages.
    pub related: Vec<NamedConsideration<ForeignStory>>,
}

/// Something with the headline of the item it is about.
#[derive(Debug, Serialize)]
pub struct NamedConsideration<T> {
    /// That headline.
    pub nearest_title: String,
    /// What was considered.
    #[serde(flatten)]
    pub what: T,
}

/// The memory as it is now, for items that are not in the store.
pub struct RecalledStories {
    store: Store,
    ledger: Ledger,
}

impl RecalledStories {
    /// From the store.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn of(store: &Store, config: &Config, now: Timestamp) -> Result<Self, StoreError> {
        let window = config.memory.copies_window.max(config.memory.story_window);
        let (ledger, _) = store.recall_quickly(config.memory, now.minus(window))?;
        Ok(Self { store: store.clone(), ledger })
    }

    /// What would be considered if the item came now.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn consider(&mut self, prepared: &Prepared, now: Timestamp) -> Result<StoryExplained, StoreError> {
        let wording = Wording { title: &prepared.item.title, text: &prepared.item.text };
        let hits: Vec<TopicId> = prepared.matches.iter().map(|matched| matched.topic.clone()).collect();
        let considered = self.ledger.consider(prepared.item.id, &prepared.features, wording, &hits, now);
        named(considered, &self.store)
    }
}

/// What was considered when a stored item came, with stories as they are composed now.
pub(super) fn of_stored(
    id: ItemId,
    hits: &[TopicId],
    store: &Store,
    config: &Config,
) -> Result<Option<StoryExplained>, StoreError> {
    let Some(record) = store.item(id)? else { return Ok(None) };
    let Some((mut ledger, features, at)) = store.recall_before(config.memory, record.line.id)? else {
        return Ok(None);
    };
    let wording = Wording { title: &record.title, text: &record.text };
    let considered = ledger.consider(record.line.id, &features, wording, hits, at);
    named(considered, store).map(Some)
}

fn named(considered: Consideration, store: &Store) -> Result<StoryExplained, StoreError> {
    let title = |item: ItemId| store.item(item).map(|found| found.map(|record| record.line.title).unwrap_or_default());
    let decision = match (&considered.copy, considered.joins) {
        (Some(_), _) => "copy",
        (None, Some(_)) => "joined",
        (None, None) => "opened",
    };
    let copy = match considered.copy {
        Some(copy) => Some(NamedConsideration { nearest_title: title(copy.of)?, what: copy }),
        None => None,
    };
    let mut stories = Vec::with_capacity(considered.stories.len());
    for story in considered.stories {
        stories.push(NamedConsideration { nearest_title: title(story.nearest)?, what: story });
    }
    let mut related = Vec::with_capacity(considered.related.len());
    for story in considered.related {
        related.push(NamedConsideration { nearest_title: title(story.nearest)?, what: story });
    }
    let recognised = match considered.recognised {
        Some(found) => Some(NamedConsideration { nearest_title: title(found.nearest)?, what: found }),
        None => None,
    };
    Ok(StoryExplained { decision, threshold: considered.threshold, copy, stories, recognised, related })
}
