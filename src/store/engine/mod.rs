//! What is below the store's operations: a connection, a transaction, statements and their rows, of whichever database
//! holds the store. The operations write their SQL once and name no database; what only one of them can do is in its
//! file here, and asked for by [`Connection::sqlite`].
//!
//! Placeholders are numbered (`?1`). Values are null, integers, reals, texts and bytes.

mod error;
mod params;
#[cfg(feature = "postgres")]
mod postgres;
pub(super) mod sqlite;
mod statement;
pub(super) mod text_block;

use std::ops::Deref;

pub use error::EngineError;
pub use params::Params;
pub(crate) use params::params;
#[cfg(feature = "postgres")]
pub(in crate::store) use postgres::SCHEMA_VERSION as POSTGRES_SCHEMA_VERSION;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresPlace, PostgresPlaceProblem};
pub use rusqlite::types::{FromSql, ToSql, Value};
pub use statement::{ColumnIndex, MappedRows, OptionalExtension, ResultRows, Row, Statement};

/// What a statement gives.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// A session with the database that holds the store.
#[derive(Debug)]
pub struct Connection(Session);

#[derive(Debug)]
enum Session {
    Sqlite(rusqlite::Connection),
    #[cfg(feature = "postgres")]
    Postgres(Box<postgres::Session>),
}

impl Connection {
    /// A statement that is kept prepared for the next time.
    ///
    /// # Errors
    /// [`EngineError`] where the database does not take it.
    pub fn prepare_cached(&self, sql: &str) -> Result<Statement<'_>> {
        match &self.0 {
            Session::Sqlite(connection) => Ok(Statement::kept(connection.prepare_cached(sql)?)),
            #[cfg(feature = "postgres")]
            Session::Postgres(session) => Ok(Statement::postgres(session, sql)),
        }
    }

    /// A statement for this once.
    ///
    /// # Errors
    /// [`EngineError`] where the database does not take it.
    pub fn prepare(&self, sql: &str) -> Result<Statement<'_>> {
        match &self.0 {
            Session::Sqlite(connection) => Ok(Statement::once(connection.prepare(sql)?)),
            #[cfg(feature = "postgres")]
            Session::Postgres(session) => Ok(Statement::postgres(session, sql)),
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
            #[cfg(feature = "postgres")]
            Session::Postgres(session) => session.batch(sql),
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
        Transaction::begin(self, false)
    }

    /// All that is written until its commit is written together or not at all; nobody else writes meanwhile.
    ///
    /// # Errors
    /// [`EngineError`] where somebody else writes for too long.
    pub fn transaction(&mut self) -> Result<Transaction<'_>> {
        Transaction::begin(self, true)
    }

    /// What only SQLite can do.
    #[must_use]
    pub fn sqlite(&self) -> Option<&rusqlite::Connection> {
        match &self.0 {
            Session::Sqlite(connection) => Some(connection),
            #[cfg(feature = "postgres")]
            Session::Postgres(_) => None,
        }
    }

    /// The same, to be changed.
    #[cfg(test)]
    #[cfg_attr(not(feature = "postgres"), expect(clippy::unnecessary_wraps, reason = "another engine has none of it"))]
    pub(in crate::store) fn sqlite_mut(&mut self) -> Option<&mut rusqlite::Connection> {
        match &mut self.0 {
            Session::Sqlite(connection) => Some(connection),
            #[cfg(feature = "postgres")]
            Session::Postgres(_) => None,
        }
    }

    /// Connects to a store in PostgreSQL; one that only reads cannot write.
    ///
    /// # Errors
    /// [`EngineError`] where nobody answers, or the server is refused.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn to_postgres(place: &PostgresPlace, writes: bool) -> Result<Self> {
        let for_use = if writes { postgres::SessionUse::Write } else { postgres::SessionUse::Read };
        Ok(Self(Session::Postgres(Box::new(postgres::Session::connect(place, for_use)?))))
    }

    /// Connects to a store in PostgreSQL to claim what may be sent: beside whoever writes, and nobody is told.
    ///
    /// # Errors
    /// [`EngineError`] where nobody answers, or the server is refused.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn to_postgres_to_claim(place: &PostgresPlace) -> Result<Self> {
        Ok(Self(Session::Postgres(Box::new(postgres::Session::connect(place, postgres::SessionUse::Claim)?))))
    }

    /// What each transaction that writes asks first: without a row nothing is written.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn set_fence(&self, asked: String) {
        match &self.0 {
            Session::Sqlite(_) => {}
            Session::Postgres(session) => session.set_fence(asked),
        }
    }

    /// Begins what [`Self::transaction`] gives next, to see whether anybody answers.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn begin_ahead(&self) {
        match &self.0 {
            Session::Sqlite(_) => {}
            Session::Postgres(session) => session.begin_ahead(),
        }
    }

    /// Whether the database still answers.
    pub(in crate::store) fn answers(&self) -> bool {
        match &self.0 {
            Session::Sqlite(_) => true,
            #[cfg(feature = "postgres")]
            Session::Postgres(session) => session.answers(),
        }
    }

    /// Ends whatever of this process still holds the turn to write.
    ///
    /// # Errors
    /// [`EngineError`] where it cannot be asked for.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn end_writers(&self, mark: &str) -> Result<()> {
        match &self.0 {
            Session::Sqlite(_) => Ok(()),
            Session::Postgres(session) => session.end_writers(mark),
        }
    }

    /// The number of the last transaction that wrote, where its end may go unheard.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn last_number(&self) -> Option<String> {
        match &self.0 {
            Session::Sqlite(_) => None,
            Session::Postgres(session) => session.last_number(),
        }
    }

    /// The last line of what happened when the last transaction that wrote began; 0: nobody asked.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn change_before(&self) -> i64 {
        match &self.0 {
            Session::Sqlite(_) => 0,
            Session::Postgres(session) => session.change_before(),
        }
    }

    /// What became of a transaction whose end was not heard; `None`: it has not ended, or nobody knows any more.
    ///
    /// # Errors
    /// [`EngineError`] where it cannot be asked.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn was_committed(&self, number: &str) -> Result<Option<bool>> {
        match &self.0 {
            Session::Sqlite(_) => Ok(None),
            Session::Postgres(session) => session.was_committed(number),
        }
    }

    /// Hears from here on of what is committed.
    ///
    /// # Errors
    /// [`EngineError`] where it cannot be asked for.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn listen(&self) -> Result<()> {
        match &self.0 {
            Session::Sqlite(_) => Ok(()),
            Session::Postgres(session) => session.listen(),
        }
    }

    /// Waits for the word that another process than `own` has committed something, if it comes.
    ///
    /// # Errors
    /// [`EngineError`] where the way to the database is gone.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn hears_of_others(
        &self,
        own: &str,
        within: std::time::Duration,
    ) -> Result<Option<CommitWord>> {
        match &self.0 {
            Session::Sqlite(_) => Ok(None),
            Session::Postgres(session) => session.hears_of_others(own, within),
        }
    }

    /// Whether the way to the database is gone.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn is_lost(&self) -> bool {
        match &self.0 {
            Session::Sqlite(_) => false,
            Session::Postgres(session) => session.is_closed(),
        }
    }

    /// The version of its schema; 0: it has none yet.
    ///
    /// # Errors
    /// [`EngineError`] where it cannot be asked, or what is there is not ours.
    pub(in crate::store) fn schema_version(&self) -> Result<i64> {
        match &self.0 {
            Session::Sqlite(connection) => Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?),
            #[cfg(feature = "postgres")]
            Session::Postgres(session) => session.schema_version(),
        }
    }

    /// The highest number that a table which never gives one twice has given; 0: none yet.
    ///
    /// # Errors
    /// [`EngineError`] where it cannot be asked.
    pub(in crate::store) fn highest_change(&self) -> Result<i64> {
        // PostgreSQL's own count runs ahead of what is committed, and the newest change is never removed.
        let given = match &self.0 {
            Session::Sqlite(_) => "SELECT seq FROM sqlite_sequence WHERE name = 'changes'",
            #[cfg(feature = "postgres")]
            Session::Postgres(_) => "SELECT coalesce(max(seq), 0) FROM changes",
        };
        self.prepare_cached(given)?.query_row([], |row| row.get(0)).optional().map(|last| last.unwrap_or(0))
    }

    /// A number that is another one once somebody else has committed.
    ///
    /// # Errors
    /// [`EngineError`] where it cannot be asked.
    pub(in crate::store) fn data_version(&self) -> Result<i64> {
        match &self.0 {
            Session::Sqlite(connection) => Ok(connection.query_row("PRAGMA data_version", [], |row| row.get(0))?),
            // Whatever has ended since is in what a transaction that begins now may see.
            #[cfg(feature = "postgres")]
            Session::Postgres(_) => {
                let ended = "SELECT hashtextextended(pg_current_snapshot()::text, 0)";
                self.prepare_cached(ended)?.query_row([], |row| row.get(0))
            }
        }
    }

    /// Numbers the rows of a table on after the highest that is in it.
    ///
    /// # Errors
    /// [`EngineError`] where the database refuses.
    #[cfg_attr(not(feature = "postgres"), expect(clippy::unnecessary_wraps, reason = "another engine has to be asked"))]
    pub(in crate::store) fn number_on(&self, table: &str, column: &str) -> Result<()> {
        match &self.0 {
            // It looks for itself.
            Session::Sqlite(_) => {
                let _ = (table, column);
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Session::Postgres(session) => session.batch(&format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), coalesce(max({column}), 0) + 1, false) FROM {table}"
            )),
        }
    }

    /// Makes the schema of a store in PostgreSQL, or brings the one that was found to the newest version.
    ///
    /// # Errors
    /// [`EngineError`] where the server refuses.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn bring_schema_up(&self, found: i64) -> Result<()> {
        match (&self.0, usize::try_from(found).unwrap_or_default()) {
            (Session::Sqlite(_), _) => Err(EngineError::unreadable("only a store on a server is made this way")),
            (Session::Postgres(session), 0) => session.create_schema(),
            (Session::Postgres(session), found) => session.migrate_schema(found),
        }
    }

    fn begin(&self, writes: bool) -> Result<()> {
        match &self.0 {
            Session::Sqlite(connection) => {
                Ok(connection.execute_batch(if writes { "BEGIN IMMEDIATE" } else { "BEGIN DEFERRED" })?)
            }
            #[cfg(feature = "postgres")]
            Session::Postgres(session) => session.begin(writes),
        }
    }

    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "nobody listens to a file"))]
    fn commit(&self, word: CommitWord) -> Result<()> {
        match &self.0 {
            Session::Sqlite(connection) => Ok(connection.execute_batch("COMMIT")?),
            #[cfg(feature = "postgres")]
            Session::Postgres(session) => session.commit(word),
        }
    }

    /// Ends a transaction that is open, without anything of it. Where even this fails, the database lets it go with
    /// the connection.
    fn roll_back(&self) {
        match &self.0 {
            Session::Sqlite(connection) if connection.is_autocommit() => {}
            Session::Sqlite(connection) => {
                let _ = connection.execute_batch("ROLLBACK");
            }
            #[cfg(feature = "postgres")]
            Session::Postgres(session) => session.roll_back(),
        }
    }
}

#[cfg(test)]
impl Connection {
    /// Runs statements of a test, whose bytes (`x'00'`, `CAST(n AS BLOB)`) each database writes in its own words.
    pub(in crate::store) fn fixture(&self, sql: &str) -> Result<()> {
        match &self.0 {
            Session::Sqlite(_) => self.execute_batch(sql),
            #[cfg(feature = "postgres")]
            Session::Postgres(session) => {
                let with = |sql: &str, from: &str, to: &str| {
                    regex::Regex::new(from).expect("an expression").replace_all(sql, to).into_owned()
                };
                let sql = with(sql, r"\bx'([0-9a-f]*)'", r"'\x$1'::bytea");
                session.batch(&with(&sql, r"CAST\((\w+) AS BLOB\)", "convert_to(CAST($1 AS TEXT), 'UTF8')"))
            }
        }
    }
}

/// What a commit is about, for other processes on the store: those look whom it concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitWord {
    /// Whatever there is: everybody looks.
    Anything,
    /// What was fetched is in the inbox.
    Fetched,
    /// What was pushed is in the inbox.
    Pushed,
    /// Something of the inbox is answered.
    Answered,
    /// Nothing that anybody waits for: nobody is told.
    Nothing,
}

#[cfg(feature = "postgres")]
impl CommitWord {
    /// All that are said.
    pub(in crate::store) const SAID: [Self; 4] = [Self::Anything, Self::Fetched, Self::Pushed, Self::Answered];

    fn as_str(self) -> &'static str {
        match self {
            Self::Anything => "anything",
            Self::Fetched => "fetched",
            Self::Pushed => "pushed",
            Self::Answered => "answered",
            Self::Nothing => "nothing",
        }
    }

    /// What is not known may be anything.
    fn read(word: &str) -> Self {
        Self::SAID.into_iter().find(|one| one.as_str() == word).unwrap_or(Self::Anything)
    }
}

/// A transaction; without a commit nothing of it was.
#[derive(Debug)]
pub struct Transaction<'c>(&'c Connection);

impl<'c> Transaction<'c> {
    fn begin(connection: &'c Connection, writes: bool) -> Result<Self> {
        // From here on dropping ends what was begun, also where beginning it failed halfway.
        let transaction = Self(connection);
        connection.begin(writes)?;
        Ok(transaction)
    }

    /// Everything since its beginning is on disk when this returns.
    ///
    /// # Errors
    /// [`EngineError`]; nothing was written then.
    pub fn commit(self) -> Result<()> {
        self.commit_saying(CommitWord::Anything)
    }

    /// The same, where those who listen are told what it is about.
    ///
    /// # Errors
    /// [`EngineError`]; nothing was written then.
    pub fn commit_saying(self, word: CommitWord) -> Result<()> {
        // Where it fails, the transaction may still be open: dropping rolls it back.
        self.0.commit(word)
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
        self.0.roll_back();
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
