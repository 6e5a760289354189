//! How much is stored, for `status`: figures that the triggers of the schema keep, so that nobody counts a million rows.

use serde::Serialize;

use super::{Store, StoreError};
use crate::model::Timestamp;

/// What `status` tells of whole tables.
#[derive(Debug, Serialize)]
pub struct Totals {
    /// Items.
    pub items: u64,
    /// Further appearances.
    pub sightings: u64,
    /// Stories, merged ones left out.
    pub stories: u64,
    /// Alerts.
    pub alerts: u64,
    /// Seed files taken.
    pub seed_files: u64,
    /// Seed files refused.
    pub seed_files_refused: u64,
    /// The latest item.
    pub last_item_at: Option<Timestamp>,
}

impl Store {
    /// How much is stored.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn totals(&self) -> Result<Totals, StoreError> {
        self.read("read how much is stored", |c| {
            c.prepare_cached(
                "SELECT items, sightings, stories, alerts, seed_files, seed_files_refused,
                    (SELECT first_seen FROM items ORDER BY seq DESC LIMIT 1) FROM totals",
            )?
            .query_row([], |row| {
                let count = |column: usize| row.get::<_, i64>(column).map(i64::unsigned_abs);
                Ok(Totals {
                    items: count(0)?,
                    sightings: count(1)?,
                    stories: count(2)?,
                    alerts: count(3)?,
                    seed_files: count(4)?,
                    seed_files_refused: count(5)?,
                    last_item_at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::model::Timestamp;
    use crate::store::{Access, Ages, Store};

    fn kept(store: &Store) -> [u64; 6] {
        let totals = store.totals().expect("read");
        [totals.items, totals.sightings, totals.stories, totals.alerts, totals.seed_files, totals.seed_files_refused]
    }

    fn counted(store: &Store) -> [u64; 6] {
        [
            "items",
            "sightings WHERE level <> 'item'",
            "stories WHERE merged_into IS NULL",
            "alerts",
            "seed_files WHERE reason IS NULL",
            "seed_files WHERE reason IS NOT NULL",
        ]
        .map(|what| {
            let sql = format!("SELECT count(*) FROM {what}");
            let count = store.read("test", |c| c.query_row(&sql, [], |row| row.get::<_, i64>(0)));
            count.expect("counted").unsigned_abs()
        })
    }

    const FILLED: &str = "CREATE TEMP TABLE n AS WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 60)
             SELECT n, CAST(n AS BIGINT) * 86400000 AS at FROM n;
         INSERT INTO items (seq, id, source, key, revision, title, headline, first_seen, summary, text_source,
                            text_hash, text_bytes, quiet, story, features)
             SELECT 2 * n, n, 'outlet', 'k' || n, 0, 'harbour', 'harbour', at, '', 'summary', x'00', 20, 0, n / 5, x'' FROM n;
         INSERT INTO stories (id, title, first_seen, last_seen, items, sightings_exact, sightings_near)
             SELECT n / 5, 'harbour', min(at), max(at), count(*), 0, 0 FROM n GROUP BY n / 5;
         INSERT INTO sightings (seq, id, item, source, key, title, level, overlap, text_hash, seen_at)
             SELECT 2 * n + 1, n + 1000, n, 'wire', 'c' || n, 'harbour',
                    CASE WHEN n % 9 = 0 THEN 'item' WHEN n % 2 = 1 THEN 'exact' ELSE 'near' END, 0, x'00', at FROM n;
         INSERT INTO alerts (sequence, id, kind, story, item, reason, severity, score, outlets, at, payload)
             SELECT n, 'alr_' || n, 'item', n / 5, n, 'new', 'low', 5, 1, at, x'00' FROM n WHERE n % 10 = 0;
         INSERT INTO seed_files (hash, name, size, modified, seen_at, items, rejected, reason)
             SELECT CAST(n AS BLOB), 'n', 1, 1, at, 1, 0, CASE WHEN n % 3 = 0 THEN 'too-large' END FROM n;
         DROP TABLE n;";

    #[test]
    fn are_what_a_count_would_say_whatever_is_done_and_after_a_restart() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(dir.path(), Access::Own).expect("opens");
        let mut last = kept(&store);
        assert_eq!(last, [0; 6]);
        for (what, sql) in [
            ("filled", FILLED),
            ("a copy that becomes an item", "UPDATE sightings SET level = 'item' WHERE id IN (1001, 1009, 1002)"),
            ("unseen: an edited copy", "UPDATE sightings SET text_hash = x'01', level = level"),
            ("a merge", "UPDATE stories SET merged_into = 3 WHERE id IN (1, 2)"),
            ("a merge taken back", "UPDATE stories SET merged_into = NULL WHERE id = 2"),
            ("unseen: a merge into another", "UPDATE stories SET merged_into = 4 WHERE id = 1"),
            (
                "a file that is taken the second time",
                "UPDATE seed_files SET reason = NULL WHERE hash = CAST(3 AS BLOB)",
            ),
            (
                "a file that is refused the second time",
                "UPDATE seed_files SET reason = 'empty' WHERE hash = CAST(4 AS BLOB)",
            ),
            ("a file that is forgotten", "DELETE FROM seed_files WHERE hash IN (CAST(5 AS BLOB), CAST(6 AS BLOB))"),
            ("copies that go", "DELETE FROM sightings WHERE id IN (1018, 1019)"),
            ("an alert that goes", "DELETE FROM alerts WHERE sequence = 20"),
        ] {
            store.write("test", |tx| tx.fixture(sql)).expect("written");
            let now = kept(&store);
            assert_eq!(now, counted(&store), "{what}");
            assert_eq!(now == last, what.starts_with("unseen"), "{what}: {now:?}");
            last = now;
        }
        let month = Some(Duration::from_secs(30 * 86_400));
        let ages = Ages { texts: None, items: month, keys: None, deliveries: month, changes: None };
        store.prune(&ages, Timestamp::from_millis(60 * 86_400_000)).expect("pruned");
        let pruned = kept(&store);
        assert_eq!(pruned, counted(&store));
        assert!(pruned[0] < 40 && pruned[2] < last[2] && pruned[3] < last[3], "{last:?} → {pruned:?}");
        // What is taken back was never counted.
        let failed = store.write("test", |tx| {
            tx.execute_batch("DELETE FROM items")?;
            tx.execute_batch("DELETE FROM nothing")
        });
        assert!(failed.is_err());
        drop(store);
        store = Store::open(dir.path(), Access::Own).expect("opens again");
        assert_eq!(kept(&store), pruned);
    }
}
