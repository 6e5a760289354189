//! Small values that outlive the process, each under a name of its own.

use super::engine::{OptionalExtension, params};
use super::{Store, StoreError};

impl Store {
    /// What was noted under a name.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn noted(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read("read a note", |c| {
            c.prepare_cached("SELECT value FROM meta WHERE key = 'note ' || ?1")?
                .query_row([name], |row| row.get(0))
                .optional()
        })
    }

    /// Notes something under a name, in place of what was noted before.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be written.
    pub fn note(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.write("write a note", |tx| {
            tx.prepare_cached(
                "INSERT INTO meta (key, value) VALUES ('note ' || ?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )?
            .execute(params![name, value])
            .map(|_| ())
        })
    }
}
