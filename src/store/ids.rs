//! Ids as people type them: any beginning that only one thing has, and how much of an id that takes.

use std::ops::RangeInclusive;

use super::engine::{self, Connection, params};
use super::{Store, StoreError};
use crate::model::{ItemId, StoryId};

/// Fewer digits are not shown, even where they would do: tomorrow they would not.
const DIGITS_MIN: usize = 6;
/// All of them.
const DIGITS: usize = 13;
/// Ids that are named where a beginning is not enough.
const NAMED_MAX: i64 = 4;

impl Store {
    /// Items, and copies of items, whose number lies here; a few of them where there are many.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn items_between(&self, numbers: &RangeInclusive<i64>) -> Result<Vec<ItemId>, StoreError> {
        self.read("look up an item", |c| {
            let items = between(c, "items", numbers)?;
            let found = if items.is_empty() { between(c, "sightings", numbers)? } else { items };
            Ok(found.into_iter().map(ItemId::from_i64).collect())
        })
    }

    /// Stories whose number lies here, those that were merged into others as well.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn stories_between(&self, numbers: &RangeInclusive<i64>) -> Result<Vec<StoryId>, StoreError> {
        self.read("look up a story", |c| {
            Ok(between(c, "stories", numbers)?.into_iter().map(StoryId::from_i64).collect())
        })
    }

    /// Digits by which each of these items is told from every other.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn item_digits(&self, ids: impl IntoIterator<Item = ItemId>) -> Result<usize, StoreError> {
        self.read("shorten ids", |c| {
            let full = |id: i64| ItemId::from_i64(id).to_string();
            digits(c, "items", ids.into_iter().map(ItemId::to_i64), full, ItemId::PREFIX.len())
        })
    }

    /// The same for stories.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn story_digits(&self, ids: impl IntoIterator<Item = StoryId>) -> Result<usize, StoreError> {
        self.read("shorten ids", |c| {
            let full = |id: i64| StoryId::from_i64(id).to_string();
            digits(c, "stories", ids.into_iter().map(StoryId::to_i64), full, StoryId::PREFIX.len())
        })
    }
}

fn between(c: &Connection, table: &str, numbers: &RangeInclusive<i64>) -> engine::Result<Vec<i64>> {
    c.prepare_cached(&format!("SELECT id FROM {table} WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3"))?
        .query_map(params![numbers.start(), numbers.end(), NAMED_MAX], |row| row.get(0))?
        .collect()
}

/// An id differs from all others where it differs from the one before and the one after it.
fn digits(
    c: &Connection,
    table: &str,
    ids: impl Iterator<Item = i64>,
    full: impl Fn(i64) -> String,
    prefix: usize,
) -> engine::Result<usize> {
    let mut statement = c.prepare_cached(&format!(
        "SELECT (SELECT max(id) FROM {table} WHERE id < ?1), (SELECT min(id) FROM {table} WHERE id > ?1)"
    ))?;
    let mut digits = DIGITS_MIN;
    for id in ids {
        let near: [Option<i64>; 2] = statement.query_row([id], |row| Ok([row.get(0)?, row.get(1)?]))?;
        for other in near.into_iter().flatten() {
            let common = full(id).bytes().zip(full(other).bytes()).take_while(|(a, b)| a == b).count();
            digits = digits.max(common + 1 - prefix.min(common));
        }
    }
    Ok(digits.min(DIGITS))
}
