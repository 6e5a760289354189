//! A store copied whole into another, between a file and PostgreSQL, either way. The copy is marked until it is whole: one
//! that was cut short is refused by name and begun again.

use super::engine::{self, Connection, ToSql, Transaction};
use super::{Store, StoreError, texts};

/// Rows that are read and written at once.
const ROWS: usize = 500;
/// What a store that is being copied into has in `meta`.
pub(super) const COPYING: &str = "copying";

/// A table in PostgreSQL, and a view in a file, where what it gives stands packed.
const TEXTS: &str = "texts";

/// A table, and the columns that order it.
pub(super) struct StoredTable {
    pub(super) name: &'static str,
    pub(super) key: &'static [&'static str],
    /// Whether the database numbers its rows.
    pub(super) is_numbered: bool,
}

const fn table(name: &'static str, key: &'static [&'static str]) -> StoredTable {
    StoredTable { name, key, is_numbered: false }
}

const fn numbered(name: &'static str, key: &'static [&'static str]) -> StoredTable {
    StoredTable { name, key, is_numbered: true }
}

/// Every table, each after those it refers to; `changes` last, since what is written into the others adds to it.
pub(super) const TABLES: &[StoredTable] = &[
    table("meta", &["key"]),
    table("feeds", &["source"]),
    table("feed_failures", &["source", "class"]),
    table("source_health", &["source"]),
    table("seed_files", &["hash"]),
    table("pushes", &["source", "key"]),
    table("subscriptions", &["callback"]),
    table("items", &["seq"]),
    table(TEXTS, &["seq"]),
    table("sightings", &["seq"]),
    table("revisions", &["item", "revision"]),
    table("matches", &["item", "topic"]),
    table("stories", &["id"]),
    table("story_sources", &["story", "source"]),
    table("story_topics", &["story", "topic"]),
    table("topic_outlets", &["story", "topic", "outlet"]),
    table("story_told", &["story", "endpoint"]),
    numbered("corrections", &["id"]),
    table("alerts", &["sequence"]),
    table("alert_topics", &["alert", "topic"]),
    numbered("deliveries", &["id"]),
    table("attempts", &["delivery", "attempt"]),
    table("endpoints", &["endpoint"]),
    table("labels", &["item", "topic"]),
    numbered("silences", &["id"]),
    numbered("actions", &["id"]),
    table("config_silences", &["id"]),
    table("rejections", &["source", "reason"]),
    table("tombstones", &["id"]),
    table("search_stale", &["seq"]),
    table("change_marks", &["at"]),
    numbered("changes", &["seq"]),
];

/// Keys of `meta` that belong to the store they are in: who holds it, how it was stopped, of which version its schema is,
/// what its search index knows.
const OWN_KEYS: &[&str] = &["schema_version", "stopped", "search_seq", "snapshot", COPYING];

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StoreCopied {
    /// Rows, of all tables.
    pub rows: u64,
    /// Items among them.
    pub items: u64,
    /// Deliveries among them that are owed.
    pub owed: u64,
}

impl Store {
    /// Copies everything into a store that nothing was ever put into; `told` hears each table and its rows so far.
    /// What is in the search index is not copied: it is made anew by whoever holds the copy.
    ///
    /// # Errors
    /// [`StoreError`] where either fails; the copy is of no use then, and is refused until it is made anew.
    pub fn copy_into(&self, target: &Self, mut told: impl FnMut(&str, u64)) -> Result<StoreCopied, StoreError> {
        let begun = target.write("begin a copy", |tx| {
            let mark = "SELECT count(*) FROM meta WHERE key = 'copying'";
            let is_marked = tx.query_row(mark, [], |row| row.get::<_, i64>(0))? > 0;
            let used =
                tx.query_row("SELECT (SELECT count(*) FROM items) + (SELECT count(*) FROM feeds)", [], |row| {
                    row.get::<_, i64>(0)
                })?;
            if used > 0 && !is_marked {
                return Ok(false);
            }
            for table in TABLES.iter().rev().filter(|table| table.name != "meta") {
                if table.name == TEXTS {
                    texts::clear(tx)?;
                } else {
                    tx.execute_batch(&format!("DELETE FROM {}", table.name))?;
                }
            }
            tx.execute_batch("INSERT INTO meta (key, value) VALUES ('copying', '1') ON CONFLICT (key) DO NOTHING")?;
            Ok(true)
        })?;
        if !begun {
            let why = "something is stored there already; copy into a new one".to_owned();
            return Err(StoreError::Refused { place: target.place().to_owned(), why });
        }
        let mut copied = StoreCopied { rows: 0, items: 0, owed: 0 };
        self.read("read the store to copy", |from| {
            let moment = from.snapshot()?;
            for table in TABLES {
                let rows = copy_table(&moment, table, target, |rows| told(table.name, rows))?;
                match rows {
                    Ok(rows) => copied.rows += rows,
                    Err(error) => return Ok(Err(error)),
                }
            }
            copied.items = count(&moment, "SELECT count(*) FROM items")?;
            copied.owed = count(&moment, "SELECT count(*) FROM deliveries WHERE state = 'pending'")?;
            Ok(Ok(()))
        })??;
        target.write("end a copy", |tx| {
            for table in TABLES.iter().filter(|table| table.is_numbered) {
                tx.number_on(table.name, table.key[0])?;
            }
            tx.execute("DELETE FROM meta WHERE key = 'copying'", []).map(|_| ())
        })?;
        Ok(copied)
    }
}

fn count(c: &Connection, sql: &str) -> engine::Result<u64> {
    c.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

/// Copies one table in the order of its key; how many rows.
fn copy_table(
    from: &Connection,
    table: &StoredTable,
    target: &Store,
    mut told: impl FnMut(u64),
) -> engine::Result<Result<u64, StoreError>> {
    if table.name == "changes" {
        // What writing the other tables has put there is not what happened.
        if let Err(error) = target.write("begin a copy", |tx| tx.execute_batch("DELETE FROM changes")) {
            return Ok(Err(error));
        }
    }
    let mut after: Option<Vec<engine::Value>> = None;
    let mut copied = 0;
    loop {
        let (columns, rows) = next_rows(from, table, after.as_deref())?;
        let Some(last) = rows.last() else { return Ok(Ok(copied)) };
        let at = |key: &&str| columns.iter().position(|column| column == key).map(|at| last[at].clone());
        after = Some(table.key.iter().filter_map(at).collect());
        copied += rows.len() as u64;
        if let Err(error) = target.write("copy rows", |tx| write_rows(tx, table, &columns, &rows)) {
            return Ok(Err(error));
        }
        told(copied);
    }
}

type ReadRows = (Vec<String>, Vec<Vec<engine::Value>>);

fn next_rows(from: &Connection, table: &StoredTable, after: Option<&[engine::Value]>) -> engine::Result<ReadRows> {
    let key = table.key.join(", ");
    let places: Vec<String> = (1..=table.key.len()).map(|at| format!("?{at}")).collect();
    let beyond = after.map(|_| format!("WHERE ({key}) > ({})", places.join(", "))).unwrap_or_default();
    let there = if table.name == TEXTS { "(SELECT * FROM texts WHERE body IS NOT NULL) AS texts" } else { table.name };
    let sql = format!("SELECT * FROM {there} {beyond} ORDER BY {key} LIMIT {ROWS}");
    let mut statement = from.prepare_cached(&sql)?;
    let columns = statement.column_names()?;
    let values: Vec<&dyn ToSql> = after.unwrap_or_default().iter().map(|value| value as &dyn ToSql).collect();
    let read = |row: &engine::Row<'_>| (0..columns.len()).map(|at| row.get(at)).collect::<engine::Result<Vec<_>>>();
    let rows = statement.query_map(&values[..], read)?.collect::<engine::Result<Vec<_>>>()?;
    Ok((columns, rows))
}

fn write_rows(
    to: &Transaction<'_>,
    table: &StoredTable,
    columns: &[String],
    rows: &[Vec<engine::Value>],
) -> engine::Result<()> {
    if table.name == TEXTS {
        return write_texts(to, rows);
    }
    let places: Vec<String> = (1..=columns.len()).map(|at| format!("?{at}")).collect();
    // In `meta` the name of the store is there already, and is another.
    let replaced = if table.name == "meta" { "ON CONFLICT (key) DO UPDATE SET value = excluded.value" } else { "" };
    let sql = format!("INSERT INTO {} ({}) VALUES ({}) {replaced}", table.name, columns.join(", "), places.join(", "));
    let mut statement = to.prepare_cached(&sql)?;
    for row in rows {
        let is_own = matches!(&row[0], engine::Value::Text(key) if OWN_KEYS.contains(&key.as_str()));
        if table.name == "meta" && is_own {
            continue;
        }
        let values: Vec<&dyn ToSql> = row.iter().map(|value| value as &dyn ToSql).collect();
        statement.execute(&values[..])?;
    }
    Ok(())
}

fn write_texts(to: &Transaction<'_>, rows: &[Vec<engine::Value>]) -> engine::Result<()> {
    let texts = rows.iter().filter_map(|row| match row.as_slice() {
        [engine::Value::Integer(seq), engine::Value::Text(text)] => Some((*seq, text.as_str())),
        _ => None,
    });
    texts::put_texts(to, texts)
}

#[cfg(test)]
mod tests {
    use super::super::outbox;
    use super::super::{Access, ChangeKind, StoreError};
    use super::*;
    use crate::model::{SourceId, Timestamp};

    fn filled(dir: &std::path::Path) -> Store {
        let store = Store::open(dir, Access::Own).expect("opens");
        store
            .write("test", |tx| {
                for n in 1..=1201_i64 {
                    tx.execute("INSERT INTO tombstones (id, at) VALUES (?1, ?2)", [n * 7 - 4000, n])?;
                }
                tx.execute(
                    "INSERT INTO alerts (sequence, id, kind, reason, severity, score, outlets, at, payload)
                     VALUES (1, 'alr_1', 'alert.matched', 'first', 'high', 500, 1, 0, ?1)",
                    [b"{}".to_vec()],
                )?;
                tx.execute_batch(
                    "INSERT INTO deliveries (alert, webhook_id, endpoint, content_type, state, attempts, created_at, due_at)
                         VALUES (1, 'alr_1', 'desk', '', 'pending', 0, 1, 2);
                     INSERT INTO meta (key, value) VALUES ('snapshot', 'of the file beside it')",
                )
            })
            .expect("written");
        let feed = crate::model::FeedState::new(
            SourceId::new("a").expect("a name"),
            "https://a.example/".to_owned(),
            Timestamp::from_seconds(1),
        );
        store.write("test", |tx| super::super::feeds::write_feed(tx, &feed)).expect("written");
        store
    }

    #[test]
    fn copy_has_everything_and_goes_on_with_the_numbers() {
        let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let source = filled(from.path());
        let target = Store::open(to.path(), Access::Fill).expect("opens");
        let copied = source.copy_into(&target, |_, _| {}).expect("copied");
        assert_eq!((copied.items, copied.owed), (0, 1));
        drop(target);
        let target = Store::open(to.path(), Access::Own).expect("whole");
        assert_eq!(target.instance(), source.instance(), "the same ids of alerts");
        let count = |store: &Store, sql: &'static str| -> i64 {
            store.read("test", |c| c.query_row(sql, [], |row| row.get(0))).expect("read")
        };
        let sums = "SELECT CAST(sum(id) AS BIGINT) + count(*) FROM tombstones";
        assert_eq!(count(&target, sums), count(&source, sums));
        assert_eq!(count(&target, "SELECT count(*) FROM meta WHERE key = 'snapshot'"), 0, "that is of another store");
        assert_eq!(format!("{:?}", target.totals()), format!("{:?}", source.totals()), "what triggers count");
        assert_eq!(target.feed_states().expect("read"), source.feed_states().expect("read"));
        let changes = |store: &Store| store.changes_after(0, &ChangeKind::ALL, 10).expect("read");
        assert_eq!(changes(&target), changes(&source), "what happened, and nothing that the copying did");
        let next =
            "INSERT INTO deliveries (alert, webhook_id, endpoint, content_type, state, attempts, created_at, due_at)
                    VALUES (1, 'alr_1', 'other', '', 'pending', 0, 1, 2) RETURNING id";
        let next: i64 = target.write("test", |tx| tx.query_row(next, [], |row| row.get(0))).expect("numbered on");
        assert_eq!(next, 2);
        assert!(target.read("test", |c| outbox::show(c, outbox::DeliveryId::from_i64(1))).expect("read").is_some());
    }

    #[test]
    fn copy_that_was_cut_short_is_refused_and_begun_again() {
        let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let source = filled(from.path());
        let target = Store::open(to.path(), Access::Own).expect("opens");
        target
            .write("test", |tx| {
                tx.execute_batch("INSERT INTO meta (key, value) VALUES ('copying', '1')")?;
                tx.execute("INSERT INTO tombstones (id, at) VALUES (1, 1)", [])
            })
            .expect("written");
        drop(target);
        for access in [Access::Own, Access::Share, Access::Read] {
            let refused = Store::open(to.path(), access).map(|_| ());
            assert!(
                matches!(&refused, Err(StoreError::Refused { why, .. }) if why.contains("store copy")),
                "{refused:?}"
            );
        }
        let target = Store::open(to.path(), Access::Fill).expect("opens");
        source.copy_into(&target, |_, _| {}).expect("copied");
        drop(target);
        drop(Store::open(to.path(), Access::Own).expect("whole"));
    }

    #[test]
    fn copy_into_a_store_that_is_used_is_refused() {
        let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let (source, target) = (filled(from.path()), filled(to.path()));
        let refused = source.copy_into(&target, |_, _| {}).map(|_| ());
        assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    }
}
