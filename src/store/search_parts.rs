//! Full text in SQLite: an index for each month or so of arrivals. When nothing of a month is left, its index goes page by
//! page and is dropped, where one index for ever would have to find the words of each item that retention removes and to be
//! merged anew. What is left of an item in an index whose month is not over finds nothing: hits are joined with the items.

use super::engine::{self, Connection, OptionalExtension, Row, params};

/// What the arrivals of one part span.
const PART_MS: u64 = 30 * 86_400_000;
/// A part has at least so many, as each search asks every part.
const PART_ARRIVALS_MIN: i64 = 1000;
/// Rows of an index that goes, and each is about a page, in one step.
const ROWS_A_STEP: i64 = 500;
/// Bytes of such a row: what goes into a page of the file.
const ROW_BYTES: i64 = 2000;

/// One index: the items that arrived between two numbers.
struct Part {
    number: i64,
    first: i64,
    last: i64,
}

/// What is looked for, in the index's own words.
pub(super) struct PartsQuery<'a> {
    pub(super) expression: &'a str,
    /// Between which arrivals.
    pub(super) from: i64,
    pub(super) to: i64,
    /// First seen at or after, in milliseconds.
    pub(super) since: i64,
    pub(super) story: Option<i64>,
    pub(super) limit: usize,
}

/// Hits, newest first.
pub(super) fn find<T>(
    c: &Connection,
    asked: &PartsQuery<'_>,
    mut read: impl FnMut(&Row<'_>) -> engine::Result<T>,
) -> engine::Result<Vec<T>> {
    let mut found = Vec::new();
    for part in parts(c)? {
        if part.first > asked.to || part.last < asked.from || found.len() == asked.limit {
            continue;
        }
        let mut statement = c.prepare_cached(&format!(
            "SELECT i.*, t.body FROM search_{n} s JOIN items i ON i.seq = s.rowid LEFT JOIN texts t ON t.seq = i.seq
             WHERE s.search_{n} MATCH ?1 AND s.rowid BETWEEN ?2 AND ?3 AND i.first_seen >= ?4
               AND (?5 IS NULL OR i.story = ?5)
             ORDER BY s.rowid DESC LIMIT ?6",
            n = part.number
        ))?;
        let left = (asked.limit - found.len()) as i64;
        let mut rows =
            statement.query(params![asked.expression, asked.from, asked.to, asked.since, asked.story, left])?;
        while let Some(row) = rows.next()? {
            found.push(read(&row)?);
        }
    }
    Ok(found)
}

/// Indexes the items between two arrivals, which are newer than all that are indexed.
pub(super) fn index(c: &Connection, from: i64, to: i64) -> engine::Result<()> {
    let at: Option<i64> = c
        .prepare_cached("SELECT first_seen FROM items WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT 1")?
        .query_row([from, to], |row| row.get(0))
        .optional()?;
    let Some(at) = at else { return Ok(()) };
    let newest: Option<(i64, i64, i64)> = c
        .prepare_cached(
            "SELECT number, first_seq, begun_at FROM search_parts WHERE is_going = 0 ORDER BY number DESC LIMIT 1",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let part = match newest {
        Some((number, first, begun)) if at.abs_diff(begun) < PART_MS || from - first < PART_ARRIVALS_MIN => number,
        _ => begin(c, from, at)?,
    };
    add(c, part, from, to)
}

/// Indexes an item anew that was edited.
pub(super) fn index_again(c: &Connection, seq: i64) -> engine::Result<()> {
    let part = parts(c)?.into_iter().find(|part| part.first <= seq);
    let Some(Part { number, .. }) = part else { return Ok(()) };
    c.prepare_cached(&format!("DELETE FROM search_{number} WHERE rowid = ?1"))?.execute([seq])?;
    add(c, number, seq, seq)
}

/// One step of removing the parts of which no item is left; whether there is more to do.
pub(super) fn let_go(c: &Connection) -> engine::Result<bool> {
    let going: Option<i64> = c
        .prepare_cached("SELECT number FROM search_parts WHERE is_going = 1 LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some(number) = going else { return retire_empty(c) };
    let removed = c
        .prepare_cached(&format!(
            "DELETE FROM search_gone_{number} WHERE id IN
                 (SELECT id FROM search_gone_{number} ORDER BY id DESC LIMIT ?1)"
        ))?
        .execute([ROWS_A_STEP])?;
    if removed == 0 {
        c.execute_batch(&format!("DROP TABLE search_gone_{number}; DELETE FROM search_parts WHERE number = {number}"))?;
    }
    Ok(true)
}

/// Whether every index is whole in itself.
pub(super) fn check(c: &Connection) -> engine::Result<()> {
    for Part { number, .. } in parts(c)? {
        c.execute(&format!("INSERT INTO search_{number} (search_{number}) VALUES ('integrity-check')"), [])?;
    }
    Ok(())
}

/// A part of which no item is left is no index from now on. The bulk of it becomes a table of its own, to go step by step:
/// an index that lacks rows would be found damaged by whoever checks the file meanwhile.
fn retire_empty(c: &Connection) -> engine::Result<bool> {
    for Part { number, first, last } in parts(c)? {
        let is_used = c.prepare_cached("SELECT 1 FROM items WHERE seq BETWEEN ?1 AND ?2")?.exists([first, last])?;
        if !is_used {
            // The rows that are copied are the index's own notes, without which it could not be opened and dropped.
            c.execute_batch(&format!(
                "ALTER TABLE search_{number}_data RENAME TO search_gone_{number};
                 CREATE TABLE search_{number}_data (id INTEGER PRIMARY KEY, block BLOB);
                 INSERT INTO search_{number}_data SELECT id, block FROM search_gone_{number} WHERE id <= 10;
                 DROP TABLE search_{number};
                 UPDATE search_parts SET is_going = 1 WHERE number = {number}"
            ))?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Those in use, newest first.
fn parts(c: &Connection) -> engine::Result<Vec<Part>> {
    let mut statement =
        c.prepare_cached("SELECT number, first_seq FROM search_parts WHERE is_going = 0 ORDER BY number DESC")?;
    let mut rows = statement.query([])?;
    let (mut parts, mut last) = (Vec::new(), i64::MAX);
    while let Some(row) = rows.next()? {
        let (number, first) = (row.get(0)?, row.get(1)?);
        parts.push(Part { number, first, last });
        last = first - 1;
    }
    Ok(parts)
}

fn begin(c: &Connection, first: i64, at: i64) -> engine::Result<i64> {
    let number = c.query_row("SELECT coalesce(max(number), 0) + 1 FROM search_parts", [], |row| row.get(0))?;
    c.execute(
        "INSERT INTO search_parts (number, first_seq, begun_at, is_going) VALUES (?1, ?2, ?3, 0)",
        [number, first, at],
    )?;
    c.execute_batch(&format!(
        "CREATE VIRTUAL TABLE search_{number} USING fts5 (title, body, facets, content = '', contentless_delete = 1,
             tokenize = 'unicode61 remove_diacritics 2');
         INSERT INTO search_{number} (search_{number}, rank) VALUES ('pgsz', {ROW_BYTES})"
    ))?;
    Ok(number)
}

fn add(c: &Connection, part: i64, from: i64, to: i64) -> engine::Result<()> {
    c.prepare_cached(&format!(
        "INSERT INTO search_{part} (rowid, title, body, facets)
         SELECT i.seq, i.title, coalesce(t.body, i.summary), 's' || hex(i.source) || coalesce(
             (SELECT ' t' || string_agg(hex(m.topic), ' t') FROM matches m WHERE m.item = i.id), '')
         FROM items i LEFT JOIN texts t ON t.seq = i.seq WHERE i.seq BETWEEN ?1 AND ?2"
    ))?
    .execute([from, to])
    .map(|_| ())
}
