//! What people did by hand (silenced, sent again, called off, labelled …): who, when and what, written in the
//! transaction of the deed itself, so that there is no deed without a name.

use serde::Serialize;

use super::engine::{self, Row, Transaction, params};
use super::{Store, StoreError};
use crate::model::Timestamp;

/// A deed to be noted.
#[derive(Debug, Clone, Copy)]
pub struct ActionNote<'a> {
    /// Who.
    pub author: &'a str,
    /// What was done: `silence`, `replay`, `label` …
    pub verb: &'a str,
    /// The id or name of what it was done to.
    pub about: &'a str,
    /// More in words.
    pub detail: &'a str,
    /// When.
    pub at: Timestamp,
}

/// A deed as it was noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionRecord {
    /// Counted from 1.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub author: String,
    /// What was done.
    pub verb: String,
    /// The id or name of what it was done to.
    pub about: String,
    /// More in words.
    pub detail: String,
}

/// Notes a deed in the transaction that does it.
///
/// # Errors
/// Those of SQLite.
pub fn note_action(tx: &Transaction<'_>, note: &ActionNote<'_>) -> engine::Result<()> {
    tx.prepare_cached("INSERT INTO actions (at, author, verb, about, detail) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![note.at.millis(), note.author, note.verb, note.about, note.detail])
        .map(|_| ())
}

impl Store {
    /// What was done by hand, newest first; with a name only what was done to that, with a number only what was done
    /// before that one.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn actions(
        &self,
        about: Option<&str>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<ActionRecord>, StoreError> {
        let condition = if about.is_some() { "about = ?1" } else { "?1 IS NULL" };
        let query = format!("SELECT * FROM actions WHERE {condition} AND id < ?2 ORDER BY id DESC LIMIT ?3");
        self.read("read what was done by hand", |c| {
            let before = before.unwrap_or(i64::MAX);
            c.prepare_cached(&query)?.query_map(params![about, before, limit as i64], record)?.collect()
        })
    }
}

fn record(row: &Row<'_>) -> engine::Result<ActionRecord> {
    Ok(ActionRecord {
        number: row.get("id")?,
        at: Timestamp::from_millis(row.get("at")?),
        author: row.get("author")?,
        verb: row.get("verb")?,
        about: row.get("about")?,
        detail: row.get("detail")?,
    })
}
