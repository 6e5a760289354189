//! What happened, in the order of the commits, for whoever reads on from where they were: a stream, a page, a script.
//! The rows are written by triggers (`schema.sql`), so that none can be forgotten; the newest 200,000 are kept.

use serde::Serialize;

use super::engine::{self, Row, params};
use super::{Store, StoreError};
use crate::model::{ItemId, StoryId};

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// A new item.
    Item,
    /// An edit of an item.
    Revision,
    /// A further appearance of an item.
    Sighting,
    /// An alert.
    Alert,
    /// A delivery that was made or changed its state.
    Delivery,
    /// A feed that began to fail, works again, or is gone.
    Feed,
    /// An endpoint that began to fail, works again, was disabled or enabled.
    Endpoint,
    /// A silence that was given or ended.
    Silence,
    /// Stories that were split or merged by hand.
    Correction,
}

impl ChangeKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Item,
        Self::Revision,
        Self::Sighting,
        Self::Alert,
        Self::Delivery,
        Self::Feed,
        Self::Endpoint,
        Self::Silence,
        Self::Correction,
    ];

    /// Its name, in the store and outside.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Revision => "revision",
            Self::Sighting => "sighting",
            Self::Alert => "alert",
            Self::Delivery => "delivery",
            Self::Feed => "feed",
            Self::Endpoint => "endpoint",
            Self::Silence => "silence",
            Self::Correction => "correction",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeRow {
    /// Its number in the order of the commits.
    #[serde(skip)]
    pub seq: i64,
    /// What it is about.
    pub kind: ChangeKind,
    /// The id of that, as it is written everywhere; of a feed or an endpoint its name.
    pub id: String,
    /// Its story.
    pub story: Option<StoryId>,
}

/// Which changes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangesKept {
    /// The oldest.
    pub oldest: i64,
    /// The newest; 0 where nothing ever happened.
    pub newest: i64,
}

impl Store {
    /// What happened after a number, oldest first; and up to which number that is, also where nothing of these kinds did.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn changes_after(
        &self,
        after: i64,
        kinds: &[ChangeKind],
        limit: usize,
    ) -> Result<(Vec<ChangeRow>, i64), StoreError> {
        self.read("read what happened", |c| {
            let mut statement = c.prepare_cached(
                "SELECT c.seq, c.kind, c.ref, c.story, a.id, c.name FROM changes c
                 LEFT JOIN alerts a ON c.kind = 'alert' AND a.sequence = c.ref
                 WHERE c.seq > ?1 ORDER BY c.seq LIMIT ?2",
            )?;
            let mut rows = statement.query(params![after, limit as i64])?;
            let (mut found, mut upto) = (Vec::new(), after);
            while let Some(row) = rows.next()? {
                upto = row.get(0)?;
                if let Some(change) = change(&row)?.filter(|change| kinds.contains(&change.kind)) {
                    found.push(change);
                }
            }
            Ok((found, upto))
        })
    }

    /// The topics that an item hits, each with what that is worth.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn item_hits(&self, item: ItemId) -> Result<Vec<(String, String)>, StoreError> {
        self.read("read what an item hits", |c| {
            c.prepare_cached("SELECT topic, severity FROM matches WHERE item = ?1")?
                .query_map([item.to_i64()], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// Which changes are kept.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn changes_kept(&self) -> Result<ChangesKept, StoreError> {
        self.read("read what happened last", |c| {
            c.prepare_cached(
                "SELECT coalesce((SELECT min(seq) FROM changes), 0), coalesce((SELECT max(seq) FROM changes), 0)",
            )?
            .query_row([], |row| Ok(ChangesKept { oldest: row.get(0)?, newest: row.get(1)? }))
        })
    }
}

/// One as it is told outside; what only a store changed by hand has is left out.
fn change(row: &Row<'_>) -> engine::Result<Option<ChangeRow>> {
    let name: String = row.get(1)?;
    let Some(kind) = ChangeKind::from_name(&name) else { return Ok(None) };
    let number = row.get::<_, Option<i64>>(2)?.unwrap_or_default();
    let id = match kind {
        ChangeKind::Item | ChangeKind::Revision | ChangeKind::Sighting => ItemId::from_i64(number).to_string(),
        ChangeKind::Alert => row.get::<_, Option<String>>(4)?.unwrap_or_else(|| number.to_string()),
        ChangeKind::Delivery => format!("dlv_{number}"),
        ChangeKind::Silence => format!("sil_{number}"),
        ChangeKind::Correction => number.to_string(),
        ChangeKind::Feed | ChangeKind::Endpoint => row.get::<_, Option<String>>(5)?.unwrap_or_default(),
    };
    let story = row.get::<_, Option<i64>>(3)?.map(StoryId::from_i64);
    Ok(Some(ChangeRow { seq: row.get(0)?, kind, id, story }))
}
