//! What is below the store's operations: a connection, a transaction, statements and their rows, of whichever database
//! holds the store. The operations write their SQL once and name no database; what only one of them can do is in its
//! file here, and asked for by [`Connection::sqlite`].
//!
//! Placeholders are numbered (`?1`). Values are null, integers, reals, texts and bytes.

mod error;
mod params;
pub(super) mod sqlite;
mod statement;

use std::ops::Deref;

pub use error::EngineError;
pub use params::Params;
pub(crate) use params::params;
pub use rusqlite::types::{FromSql, ToSql};
pub use statement::{ColumnIndex, MappedRows, OptionalExtension, ResultRows, Row, Statement};

/// What a statement gives.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// A session with the database that holds the store.
#[derive(Debug)]
pub struct Connection(Session);

#[derive(Debug)]
enum Session {
    Sqlite(rusqlite::Connection),
}

impl Connection {
    /// A statement that is kept prepared for the next time.
    ///
    /// # Errors
    /// [`EngineError`] where the database does not take it.
    pub fn prepare_cached(&self, sql: &str) -> Result<Statement<'_>> {
        match &self.0 {
            Session::Sqlite(connection) => Ok(Statement::kept(connection.prepare_cached(sql)?)),
        }
    }

    /// A statement for this once.
    ///
    /// # Errors
    /// [`EngineError`] where the database does not take it.
    pub fn prepare(&self, sql: &str) -> Result<Statement<'_>> {
        match &self.0 {
            Session::Sqlite(connection) => Ok(Statement::once(connection.prepare(sql)?)),
        }
    }

    /// Runs a statement that gives no rows; how many rows it changed.
    ///
    /// # Errors
    /// [`EngineError`] where the database refuses.
    pub fn execute(&self, sql: &str, params: impl Params) -> Result<usize> {
        self.prepare(sql)?.execute(params)
    }

    /// Runs statements without parameters, one after the other.
    ///
    /// # Errors
    /// [`EngineError`] of the first that is refused.
    pub fn execute_batch(&self, sql: &str) -> Result<()> {
        match &self.0 {
            Session::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
        }
    }

    /// The first row that a query gives.
    ///
    /// # Errors
    /// [`EngineError::NoRow`] where there is none, or what the database says.
    pub fn query_row<T>(&self, sql: &str, params: impl Params, read: impl FnOnce(&Row<'_>) -> Result<T>) -> Result<T> {
        self.prepare(sql)?.query_row(params, read)
    }

    /// Everything that is read until it ends is of one moment.
    ///
    /// # Errors
    /// [`EngineError`] where none can begin.
    pub fn snapshot(&self) -> Result<Transaction<'_>> {
        Transaction::begin(self, "BEGIN DEFERRED")
    }

    /// All that is written until its commit is written together or not at all; nobody else writes meanwhile.
    ///
    /// # Errors
    /// [`EngineError`] where somebody else writes for too long.
    pub fn transaction(&mut self) -> Result<Transaction<'_>> {
        Transaction::begin(self, "BEGIN IMMEDIATE")
    }

    /// What only SQLite can do.
    #[must_use]
    pub fn sqlite(&self) -> Option<&rusqlite::Connection> {
        match &self.0 {
            Session::Sqlite(connection) => Some(connection),
        }
    }

    /// The same, to be changed.
    #[cfg(test)]
    #[expect(clippy::unnecessary_wraps, reason = "another engine has none of it")]
    pub(in crate::store) fn sqlite_mut(&mut self) -> Option<&mut rusqlite::Connection> {
        match &mut self.0 {
            Session::Sqlite(connection) => Some(connection),
        }
    }

    /// Whether no transaction is open.
    fn is_idle(&self) -> bool {
        match &self.0 {
            Session::Sqlite(connection) => connection.is_autocommit(),
        }
    }
}

/// A transaction; without a commit nothing of it was.
#[derive(Debug)]
pub struct Transaction<'c>(&'c Connection);

impl<'c> Transaction<'c> {
    fn begin(connection: &'c Connection, how: &str) -> Result<Self> {
        connection.execute_batch(how)?;
        Ok(Self(connection))
    }

    /// Everything since its beginning is on disk when this returns.
    ///
    /// # Errors
    /// [`EngineError`]; nothing was written then.
    pub fn commit(self) -> Result<()> {
        // Where it fails, the transaction may still be open: dropping rolls it back.
        self.0.execute_batch("COMMIT")
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.0.is_idle() {
            // Where even this fails, the database lets it go with the connection.
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> Connection {
        let connection = sqlite::in_memory().expect("opens");
        connection.execute_batch("CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL)").expect("made");
        connection
    }

    fn words(connection: &Connection) -> Vec<String> {
        let mut statement = connection.prepare_cached("SELECT word FROM words ORDER BY id").expect("prepared");
        let rows = statement.query_map([], |row| row.get("word")).expect("asked");
        rows.collect::<Result<_>>().expect("read")
    }

    #[test]
    fn transaction_without_a_commit_was_not() {
        let mut connection = scratch();
        let add = "INSERT INTO words (word) VALUES (?1)";
        let transaction = connection.transaction().expect("begun");
        transaction.execute(add, ["lost"]).expect("inserted");
        drop(transaction);
        let transaction = connection.transaction().expect("the one before is over");
        transaction.execute(add, ["kept"]).expect("inserted");
        transaction.commit().expect("committed");
        assert_eq!(words(&connection), ["kept"]);
    }

    #[test]
    fn row_that_is_not_there_is_told_from_one_that_cannot_be_read() {
        let connection = scratch();
        let one = "SELECT word FROM words WHERE id = ?1";
        let none: Result<String> = connection.query_row(one, [1], |row| row.get(0));
        assert!(matches!(none, Err(EngineError::NoRow)), "{none:?}");
        assert_eq!(none.optional().expect("no failure"), None);
        connection.execute("INSERT INTO words VALUES (1, 'one')", []).expect("inserted");
        let number: Result<i64> = connection.query_row(one, [1], |row| row.get(0));
        assert!(matches!(number, Err(EngineError::Sqlite(_))), "{number:?}");
        assert!(number.optional().is_err());
        assert!(connection.prepare(one).expect("prepared").exists([1]).expect("asked"));
    }

    #[test]
    fn error_of_whoever_reads_the_rows_goes_on_up() {
        let connection = scratch();
        connection.execute("INSERT INTO words VALUES (1, 'one')", []).expect("inserted");
        let mut statement = connection.prepare("SELECT word FROM words").expect("prepared");
        let refuse = |_: &Row<'_>| -> Result<i64> { Err(EngineError::unreadable("no number")) };
        let read: Result<Vec<i64>> = statement.query_map([], refuse).expect("asked").collect();
        assert_eq!(read.expect_err("refused").to_string(), "no number");
    }
}
