//! What is remembered of seed files: the hash of their content, so that no name, inode or restart makes
//! an old file new.

use std::path::Path;

use super::engine::{self, Row, params};
use crate::model::{ContentHash, RejectReason, Rejection, SeedFile, SeedOutcome, Timestamp};

use super::{Store, StoreError};

impl Store {
    /// Every seed file that was seen.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn seed_files(&self) -> Result<Vec<SeedFile>, StoreError> {
        self.read("read seed files", |c| c.prepare("SELECT * FROM seed_files")?.query_map([], seed_file)?.collect())
    }

    /// When a seed directory was watched first: now, if it is the first time.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read or written.
    pub fn watched_since(&self, dir: Option<&Path>, now: Timestamp) -> Result<Timestamp, StoreError> {
        let Some(dir) = dir else { return Ok(now) };
        let key = format!("watched {}", dir.display());
        self.write("note since when a directory is watched", |tx| {
            tx.prepare_cached("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING")?
                .execute(params![key, now.millis().to_string()])?;
            let since: String =
                tx.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([&key], |row| row.get(0))?;
            Ok(since.parse().map_or(now, Timestamp::from_millis))
        })
    }
}

fn seed_file(row: &Row<'_>) -> engine::Result<SeedFile> {
    let reason: Option<String> = row.get("reason")?;
    let outcome = match reason.and_then(|name| RejectReason::ALL.into_iter().find(|r| r.as_str() == name)) {
        None => SeedOutcome::Taken {
            items: row.get::<_, i64>("items")?.cast_unsigned(),
            rejected: row.get::<_, i64>("rejected")?.cast_unsigned(),
        },
        Some(reason) => SeedOutcome::Refused(Rejection {
            reason,
            detail: row.get::<_, Option<String>>("detail")?.unwrap_or_default(),
            count: 1,
        }),
    };
    Ok(SeedFile {
        hash: ContentHash::from_bytes(row.get("hash")?),
        name: row.get("name")?,
        size_bytes: row.get::<_, i64>("size")?.cast_unsigned(),
        modified: Timestamp::from_millis(row.get("modified")?),
        outcome,
    })
}
