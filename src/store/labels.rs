//! What people said an item is about, and is not: the material for `tune`. Written by hand through `items
//! label`, beside a running daemon; nothing in the pipeline reads it. A label goes with its item.

use serde::Serialize;

use super::actions::{ActionNote, note_action};
use super::engine::{self, OptionalExtension, Row, params};
use super::{Store, StoreError};
use crate::model::{ItemId, Timestamp, TopicId};

/// Most labelled items that are read.
const LABELLED_MAX: usize = 100_000;

/// What a person said of an item and a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relevance {
    /// It is about it.
    About,
    /// It is not.
    NotAbout,
}

/// One item with everything people said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabelledItem {
    /// Its id.
    pub id: ItemId,
    /// Headline.
    pub title: String,
    /// Text.
    pub text: String,
    /// Link.
    pub url: Option<String>,
    /// Source.
    pub source: String,
    /// When it says it was published.
    pub published: Option<Timestamp>,
    /// Language.
    pub lang: Option<String>,
    /// Topics it is about.
    pub about: Vec<String>,
    /// Topics it is not about.
    pub not_about: Vec<String>,
}

/// What somebody said of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemLabel {
    /// The topic.
    pub topic: String,
    /// The item is about it, or is not.
    pub about: bool,
    /// When it was said.
    pub at: Timestamp,
}

impl Store {
    /// Notes what an item is about; `None` forgets it. A copy's id leads to the item it is a copy of.
    /// `None` comes back when there is no such item.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn label(
        &self,
        id: ItemId,
        labels: &[(TopicId, Option<Relevance>)],
        author: &str,
        now: Timestamp,
    ) -> Result<Option<ItemId>, StoreError> {
        self.write("label an item", |tx| {
            let of: Option<i64> = tx
                .prepare_cached(
                    "SELECT id FROM items WHERE id = ?1
                     UNION ALL SELECT item FROM sightings WHERE id = ?1 LIMIT 1",
                )?
                .query_row([id.to_i64()], |row| row.get(0))
                .optional()?;
            let Some(of) = of else { return Ok(None) };
            for (topic, relevance) in labels {
                match relevance {
                    Some(relevance) => tx.execute(
                        "INSERT INTO labels (item, topic, about, at) VALUES (?1, ?2, ?3, ?4)
                         ON CONFLICT (item, topic) DO UPDATE SET about = excluded.about, at = excluded.at",
                        params![of, topic.as_str(), *relevance == Relevance::About, now.millis()],
                    )?,
                    None => {
                        tx.execute("DELETE FROM labels WHERE item = ?1 AND topic = ?2", params![of, topic.as_str()])?
                    }
                };
                let said = match relevance {
                    Some(Relevance::About) => format!("about {topic}"),
                    Some(_) => format!("not about {topic}"),
                    None => format!("forget {topic}"),
                };
                let item = ItemId::from_i64(of).to_string();
                note_action(tx, &ActionNote { author, verb: "label", about: &item, detail: &said, at: now })?;
            }
            Ok(Some(ItemId::from_i64(of)))
        })
    }

    /// What people said of a topic: which items are about it, and which are not.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn labels_for(&self, topic: &TopicId) -> Result<Vec<(ItemId, bool)>, StoreError> {
        self.read("read the labels of a topic", |c| {
            c.prepare_cached("SELECT item, about FROM labels WHERE topic = ?1 LIMIT ?2")?
                .query_map(params![topic.as_str(), LABELLED_MAX as i64], |row| {
                    Ok((ItemId::from_i64(row.get(0)?), row.get(1)?))
                })?
                .collect()
        })
    }

    /// What people said of one item.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn labels_of(&self, item: ItemId) -> Result<Vec<ItemLabel>, StoreError> {
        self.read("read the labels of an item", |c| {
            c.prepare_cached("SELECT topic, about, at FROM labels WHERE item = ?1 ORDER BY topic")?
                .query_map([item.to_i64()], |row| {
                    let at = Timestamp::from_millis(row.get(2)?);
                    Ok(ItemLabel { topic: row.get(0)?, about: row.get(1)?, at })
                })?
                .collect()
        })
    }

    /// Items that people labelled, in order of arrival.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn labelled(&self) -> Result<Vec<LabelledItem>, StoreError> {
        self.read("read labels", |c| {
            c.prepare_cached(
                "SELECT i.*, t.body,
                    (SELECT string_agg(l.topic, '\n') FROM labels l WHERE l.item = i.id AND l.about <> 0) AS about,
                    (SELECT string_agg(l.topic, '\n') FROM labels l WHERE l.item = i.id AND l.about = 0) AS not_about
                 FROM items i LEFT JOIN texts t ON t.seq = i.seq
                 WHERE i.id IN (SELECT item FROM labels) ORDER BY i.seq LIMIT ?1",
            )?
            .query_map([LABELLED_MAX as i64], labelled_item)?
            .collect()
        })
    }
}

fn labelled_item(row: &Row<'_>) -> engine::Result<LabelledItem> {
    let list = |column: &str| -> engine::Result<Vec<String>> {
        let joined: Option<String> = row.get(column)?;
        Ok(joined.iter().flat_map(|joined| joined.lines()).map(str::to_owned).collect())
    };
    Ok(LabelledItem {
        id: ItemId::from_i64(row.get("id")?),
        title: row.get("headline")?,
        text: row.get::<_, Option<String>>("body")?.unwrap_or_default(),
        url: row.get("url")?,
        source: row.get("source")?,
        published: row.get::<_, Option<i64>>("published")?.map(Timestamp::from_millis),
        lang: row.get("lang")?,
        about: list("about")?,
        not_about: list("not_about")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Access;

    #[test]
    fn label_is_kept_changed_and_forgotten_with_its_item() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), Access::Own).expect("opens");
        let (storm, calm) = (TopicId::new("storm").expect("a name"), TopicId::new("calm").expect("a name"));
        let now = Timestamp::from_seconds(1);
        let id = ItemId::from_i64(7);
        let about = |topic: &TopicId| (topic.clone(), Some(Relevance::About));
        assert_eq!(store.label(id, &[about(&storm)], "desk", now).expect("answers"), None, "no such item");
        let zero = store.literal(&[0]);
        store
            .write("insert an item", |tx| {
                tx.execute_batch(&format!(
                    "INSERT INTO items (seq, id, source, key, revision, title, headline, first_seen, summary, text_source,
                        text_hash, text_bytes, quiet, story, outlet, features)
                     VALUES (1, 7, 'wire', 'k', 0, '', 'Storm', 0, '', 'content', {zero}, 1, 0, 1, 'wire', {zero})",
                ))
            })
            .expect("written");
        let labels = [about(&storm), (calm.clone(), Some(Relevance::NotAbout))];
        assert_eq!(store.label(id, &labels, "desk", now).expect("written"), Some(id));
        let labelled = store.labelled().expect("reads");
        assert_eq!(
            (labelled[0].about.as_slice(), labelled[0].not_about.as_slice()),
            (&["storm".to_owned()][..], &["calm".to_owned()][..])
        );
        store.label(id, &[(storm.clone(), None), about(&calm)], "desk", now).expect("written");
        assert_eq!(store.labelled().expect("reads")[0].about, ["calm"]);
        store.write("delete the item", |tx| tx.execute("DELETE FROM items", [])).expect("written");
        let left: i64 =
            store.read("count", |c| c.query_row("SELECT count(*) FROM labels", [], |r| r.get(0))).expect("reads");
        assert_eq!(left, 0);
    }
}
