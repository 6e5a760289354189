//! The texts of items. PostgreSQL compresses large values by itself and has a row for each; in a file those that come in one
//! transaction stand packed in blocks, and a view of the same name gives them one by one. A block is read and forgotten as a
//! whole, and written anew where one of its texts is edited.

use super::engine::text_block::{self, BlockTexts};
use super::engine::{self, Connection, OptionalExtension, Transaction, params};
use crate::model::Item;

/// Texts of a transaction that are not written yet.
#[derive(Debug, Default)]
pub(super) struct NewTexts {
    block: BlockTexts,
    /// When the newest of their items was seen, in milliseconds.
    newest: i64,
}

impl NewTexts {
    /// The text of an item that is new, where it has one.
    pub(super) fn add_of(&mut self, tx: &Connection, item: &Item, seq: i64) -> engine::Result<()> {
        if item.text.is_empty() { Ok(()) } else { self.add(tx, seq, item.first_seen.millis(), &item.text) }
    }

    /// The text of an item that comes after all that were added. It is there once [`Self::write`] was called.
    pub(super) fn add(&mut self, tx: &Connection, seq: i64, seen: i64, text: &str) -> engine::Result<()> {
        if tx.sqlite().is_none() {
            return tx.prepare_cached("INSERT INTO texts (seq, body) VALUES (?1, ?2)")?.defer(params![seq, text]);
        }
        if self.block.is_full_for(text.len()) {
            self.write(tx)?;
        }
        self.newest = if self.block.span().is_none() { seen } else { self.newest.max(seen) };
        self.block.push(seq, text);
        Ok(())
    }

    /// Writes what is left.
    pub(super) fn write(&mut self, tx: &Connection) -> engine::Result<()> {
        let Some((first, last)) = self.block.span() else { return Ok(()) };
        tx.prepare_cached(
            "INSERT INTO text_blocks (seq, last_seq, texts, newest, packed) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![first, last, self.block.len() as i64, self.newest, self.block.packed()])?;
        self.block.clear();
        Ok(())
    }

    /// Writes what is left where an item is among them whose text is asked for now.
    pub(super) fn write_if_with(&mut self, tx: &Connection, seq: i64) -> engine::Result<()> {
        if self.block.span().is_some_and(|(first, _)| first <= seq) { self.write(tx) } else { Ok(()) }
    }
}

/// Writes the texts of items that are stored and have none, in the order of their numbers.
///
/// # Errors
/// [`engine::EngineError`] where the database refuses, or an item is not there.
pub fn put_texts<'t>(tx: &Transaction<'_>, texts: impl IntoIterator<Item = (i64, &'t str)>) -> engine::Result<()> {
    let mut new = NewTexts::default();
    for (seq, text) in texts {
        let seen = first_seen(tx, seq)?.ok_or(engine::EngineError::NoRow)?;
        new.add(tx, seq, seen, text)?;
    }
    new.write(tx)
}

fn first_seen(c: &Connection, seq: i64) -> engine::Result<Option<i64>> {
    c.prepare_cached("SELECT first_seen FROM items WHERE seq = ?1")?.query_row([seq], |row| row.get(0)).optional()
}

/// Another text for an item that is stored; what it had is gone.
pub(super) fn replace_text(tx: &Connection, seq: i64, text: &str) -> engine::Result<()> {
    if tx.sqlite().is_none() {
        return tx
            .prepare_cached(
                "INSERT INTO texts (seq, body) VALUES (?1, ?2)
                 ON CONFLICT (seq) DO UPDATE SET body = excluded.body",
            )?
            .defer(params![seq, text]);
    }
    let found = tx
        .prepare_cached(
            "SELECT seq, last_seq, newest, packed FROM text_blocks WHERE seq <= ?1 ORDER BY seq DESC LIMIT 1",
        )?
        .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let found = found.filter(|(_, last, _, _): &(i64, i64, i64, Vec<u8>)| *last >= seq);
    let mut new = NewTexts::default();
    // Its text is forgotten, or it never had one.
    let Some((first, _, newest, packed)) = found else {
        let Some(seen) = first_seen(tx, seq)? else { return Ok(()) };
        new.add(tx, seq, seen, text)?;
        return new.write(tx);
    };
    let mut texts = text_block::texts_of(first, &packed).map_err(|damage| text_block::damaged(first, damage))?;
    match texts.binary_search_by_key(&seq, |(seq, _)| *seq) {
        Ok(at) => text.clone_into(&mut texts[at].1),
        Err(at) => texts.insert(at, (seq, text.to_owned())),
    }
    forget_block(tx, first)?;
    for (seq, text) in &texts {
        new.add(tx, *seq, newest, text)?;
    }
    new.write(tx)
}

/// Blocks of which all texts are of items seen before a time, with so many texts or a few more; whether there are others.
pub(super) fn old_blocks(c: &Connection, before: i64, texts_max: i64) -> engine::Result<(Vec<i64>, bool)> {
    let mut statement =
        c.prepare_cached("SELECT seq, texts FROM text_blocks WHERE newest < ?1 ORDER BY newest LIMIT ?2")?;
    let mut rows = statement.query([before, texts_max])?;
    let (mut blocks, mut texts) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        blocks.push(row.get(0)?);
        texts += row.get::<_, i64>(1)?.max(1);
        if texts >= texts_max {
            return Ok((blocks, true));
        }
    }
    Ok((blocks, false))
}

/// Removes a block; how many texts were in it.
pub(super) fn forget_block(tx: &Connection, first: i64) -> engine::Result<u64> {
    let removed: Option<i64> = tx
        .prepare_cached("DELETE FROM text_blocks WHERE seq = ?1 RETURNING texts")?
        .query_row([first], |row| row.get(0))
        .optional()?;
    Ok(removed.unwrap_or(0).unsigned_abs())
}

/// Removes the block of an item that is gone, once the last of its items is. PostgreSQL's row went with the item.
pub(super) fn forget_with_item(tx: &Connection, seq: i64) -> engine::Result<()> {
    if tx.sqlite().is_none() {
        return Ok(());
    }
    tx.prepare_cached(
        "DELETE FROM text_blocks WHERE seq = (SELECT max(seq) FROM text_blocks WHERE seq <= ?1) AND last_seq >= ?1
           AND NOT EXISTS (SELECT 1 FROM items i WHERE i.seq BETWEEN text_blocks.seq AND text_blocks.last_seq)",
    )?
    .execute([seq])
    .map(|_| ())
}

/// Removes all texts.
pub(super) fn clear(tx: &Connection) -> engine::Result<()> {
    tx.execute_batch(if tx.sqlite().is_none() { "DELETE FROM texts" } else { "DELETE FROM text_blocks" })
}

/// The first block that is not as it was written, as an error.
pub(super) fn check(c: &Connection) -> engine::Result<()> {
    let mut statement = c.prepare("SELECT seq, packed FROM text_blocks ORDER BY seq")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let first = row.get(0)?;
        text_block::check(&row.get::<_, Vec<u8>>(1)?).map_err(|damage| text_block::damaged(first, damage))?;
    }
    Ok(())
}

/// Packs what version 2 had in a row each, one block in memory at a time; how many texts.
pub(super) fn pack_version_2(tx: &Transaction<'_>) -> engine::Result<u64> {
    let mut packed = 0;
    {
        let mut statement = tx.prepare(
            "SELECT t.seq, i.first_seen, t.body FROM texts_2 t JOIN items i ON i.seq = t.seq ORDER BY t.seq",
        )?;
        let mut rows = statement.query([])?;
        let mut new = NewTexts::default();
        while let Some(row) = rows.next()? {
            new.add(tx, row.get(0)?, row.get(1)?, &row.get::<_, String>(2)?)?;
            packed += 1;
        }
        new.write(tx)?;
    }
    tx.execute_batch("DROP TABLE texts_2")?;
    Ok(packed)
}
