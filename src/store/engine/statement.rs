//! A statement and the rows it gives.

#[cfg(feature = "postgres")]
use std::sync::Arc;

use rusqlite::RowIndex;

#[cfg(feature = "postgres")]
use super::postgres;
use super::{EngineError, FromSql, Params, Result};

/// A prepared statement.
#[derive(Debug)]
pub struct Statement<'c>(Prepared<'c>);

enum Prepared<'c> {
    Kept(rusqlite::CachedStatement<'c>),
    Once(rusqlite::Statement<'c>),
    #[cfg(feature = "postgres")]
    Postgres(&'c postgres::Session, Arc<postgres::Translated>),
}

impl std::fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kept(statement) => (**statement).fmt(f),
            Self::Once(statement) => statement.fmt(f),
            #[cfg(feature = "postgres")]
            Self::Postgres(_, statement) => statement.fmt(f),
        }
    }
}

impl<'c> Statement<'c> {
    pub(super) fn kept(statement: rusqlite::CachedStatement<'c>) -> Self {
        Self(Prepared::Kept(statement))
    }

    pub(super) fn once(statement: rusqlite::Statement<'c>) -> Self {
        Self(Prepared::Once(statement))
    }

    #[cfg(feature = "postgres")]
    pub(super) fn postgres(session: &'c postgres::Session, sql: &str) -> Self {
        Self(Prepared::Postgres(session, session.prepare(sql)))
    }

    /// The names of the columns it gives.
    ///
    /// # Errors
    /// [`EngineError`] where the database refuses it.
    #[cfg_attr(not(feature = "postgres"), expect(clippy::unnecessary_wraps, reason = "another engine has to be asked"))]
    pub(in crate::store) fn column_names(&self) -> Result<Vec<String>> {
        let of = |statement: &rusqlite::Statement<'_>| statement.column_names().map(str::to_owned).collect();
        match &self.0 {
            Prepared::Kept(statement) => Ok(of(statement)),
            Prepared::Once(statement) => Ok(of(statement)),
            #[cfg(feature = "postgres")]
            Prepared::Postgres(session, statement) => session.column_names(statement),
        }
    }

    /// Runs it; how many rows it changed.
    ///
    /// # Errors
    /// [`EngineError`] where the database refuses.
    pub fn execute(&mut self, params: impl Params) -> Result<usize> {
        params.with(|values| match &mut self.0 {
            Prepared::Kept(statement) => Ok(statement.execute(values)?),
            Prepared::Once(statement) => Ok(statement.execute(values)?),
            #[cfg(feature = "postgres")]
            Prepared::Postgres(session, statement) => session.execute(statement, values),
        })
    }

    /// Runs it, where nobody needs to know how many rows it changed: on a server with what is asked next, and what is
    /// wrong with it is heard then. In a transaction only, which a commit ends after all of them.
    ///
    /// # Errors
    /// [`EngineError`] where the database refuses.
    pub fn defer(&mut self, params: impl Params) -> Result<()> {
        params.with(|values| match &mut self.0 {
            Prepared::Kept(statement) => Ok(statement.execute(values).map(|_| ())?),
            Prepared::Once(statement) => Ok(statement.execute(values).map(|_| ())?),
            #[cfg(feature = "postgres")]
            Prepared::Postgres(session, statement) => session.defer(statement, values),
        })
    }

    /// The same as [`Self::query`] for a result that may be too long to be held whole: in a transaction a server gives it
    /// page by page.
    ///
    /// # Errors
    /// [`EngineError`] where the database refuses.
    pub fn query_long(&mut self, params: impl Params) -> Result<ResultRows<'_>> {
        match &self.0 {
            #[cfg(feature = "postgres")]
            Prepared::Postgres(session, statement) if session.is_in_transaction() => {
                let name = params.with(|values| session.open_cursor(statement, values))?;
                let rows = session.fetch(&name)?;
                let is_last = rows.len() < postgres::CURSOR_PAGE_ROWS;
                Ok(ResultRows(Cursor::Paged(ServerCursor { session, name, rows, next: 0, is_last })))
            }
            _ => self.query(params),
        }
    }

    /// Runs it and hands over the rows one by one.
    ///
    /// # Errors
    /// [`EngineError`] where the database refuses.
    pub fn query(&mut self, params: impl Params) -> Result<ResultRows<'_>> {
        params.with(|values| match &mut self.0 {
            Prepared::Kept(statement) => Ok(ResultRows(Cursor::Sqlite(statement.query(values)?))),
            Prepared::Once(statement) => Ok(ResultRows(Cursor::Sqlite(statement.query(values)?))),
            #[cfg(feature = "postgres")]
            Prepared::Postgres(session, statement) => {
                Ok(ResultRows(Cursor::Postgres { rows: session.query(statement, values)?, next: 0 }))
            }
        })
    }

    /// Runs it and reads each row.
    ///
    /// # Errors
    /// [`EngineError`] where the database refuses.
    pub fn query_map<T, F>(&mut self, params: impl Params, read: F) -> Result<MappedRows<'_, F>>
    where
        F: FnMut(&Row<'_>) -> Result<T>,
    {
        Ok(MappedRows { rows: self.query(params)?, read })
    }

    /// Runs it and reads the first row.
    ///
    /// # Errors
    /// [`EngineError::NoRow`] where there is none, or what the database says.
    pub fn query_row<T>(&mut self, params: impl Params, read: impl FnOnce(&Row<'_>) -> Result<T>) -> Result<T> {
        let mut rows = self.query(params)?;
        let row = rows.next()?.ok_or(EngineError::NoRow)?;
        read(&row)
    }

    /// Whether it gives a row at all.
    ///
    /// # Errors
    /// [`EngineError`] where the database refuses.
    pub fn exists(&mut self, params: impl Params) -> Result<bool> {
        Ok(self.query(params)?.next()?.is_some())
    }
}

/// The rows of a query, one at a time.
pub struct ResultRows<'s>(Cursor<'s>);

enum Cursor<'s> {
    Sqlite(rusqlite::Rows<'s>),
    #[cfg(feature = "postgres")]
    Postgres {
        rows: Vec<::postgres::Row>,
        next: usize,
    },
    #[cfg(feature = "postgres")]
    Paged(ServerCursor<'s>),
}

/// A result that its server holds.
#[cfg(feature = "postgres")]
struct ServerCursor<'s> {
    session: &'s postgres::Session,
    name: String,
    rows: Vec<::postgres::Row>,
    next: usize,
    is_last: bool,
}

#[cfg(feature = "postgres")]
impl ServerCursor<'_> {
    fn next(&mut self) -> Result<Option<&::postgres::Row>> {
        if self.next == self.rows.len() && !self.is_last {
            self.rows = self.session.fetch(&self.name)?;
            self.next = 0;
            self.is_last = self.rows.len() < postgres::CURSOR_PAGE_ROWS;
        }
        self.next += 1;
        Ok(self.rows.get(self.next - 1))
    }
}

#[cfg(feature = "postgres")]
impl Drop for ServerCursor<'_> {
    fn drop(&mut self) {
        self.session.close_cursor(&self.name);
    }
}

impl ResultRows<'_> {
    /// The next row; `None` after the last.
    ///
    /// # Errors
    /// [`EngineError`] where the database fails.
    #[expect(clippy::should_implement_trait, reason = "each row borrows from the rows, as an Iterator's may not")]
    pub fn next(&mut self) -> Result<Option<Row<'_>>> {
        match &mut self.0 {
            Cursor::Sqlite(rows) => Ok(rows.next()?.map(|row| Row(Columns::Sqlite(row)))),
            #[cfg(feature = "postgres")]
            Cursor::Postgres { rows, next } => {
                *next += 1;
                Ok(rows.get(*next - 1).map(|row| Row(Columns::Postgres(row))))
            }
            #[cfg(feature = "postgres")]
            Cursor::Paged(cursor) => Ok(cursor.next()?.map(|row| Row(Columns::Postgres(row)))),
        }
    }
}

/// The rows of a query, each read.
pub struct MappedRows<'s, F> {
    rows: ResultRows<'s>,
    read: F,
}

impl<T, F: FnMut(&Row<'_>) -> Result<T>> Iterator for MappedRows<'_, F> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.rows.next() {
            Ok(Some(row)) => Some((self.read)(&row)),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// A row, as long as its statement stands on it.
pub struct Row<'r>(Columns<'r>);

#[derive(Clone, Copy)]
enum Columns<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    #[cfg(feature = "postgres")]
    Postgres(&'r ::postgres::Row),
}

impl Row<'_> {
    /// The value of a column, by its place or name.
    ///
    /// # Errors
    /// [`EngineError`] where there is no such column, or its value is of another type.
    pub fn get<I: ColumnIndex, T: FromSql>(&self, column: I) -> Result<T> {
        match self.0 {
            Columns::Sqlite(row) => Ok(row.get(column)?),
            #[cfg(feature = "postgres")]
            Columns::Postgres(row) => postgres::read(row, column.place_in(row)?),
        }
    }
}

/// A column's place or name.
pub trait ColumnIndex: RowIndex {
    /// Its place in a row of PostgreSQL.
    ///
    /// # Errors
    /// [`EngineError`] where there is no such column.
    #[cfg(feature = "postgres")]
    fn place_in(&self, row: &::postgres::Row) -> Result<usize>;
}

impl ColumnIndex for usize {
    #[cfg(feature = "postgres")]
    fn place_in(&self, _: &::postgres::Row) -> Result<usize> {
        Ok(*self)
    }
}

impl ColumnIndex for &str {
    #[cfg(feature = "postgres")]
    fn place_in(&self, row: &::postgres::Row) -> Result<usize> {
        postgres::place_of(row, self)
    }
}

/// For who can do without a row.
pub trait OptionalExtension<T> {
    /// `None` in place of [`EngineError::NoRow`].
    ///
    /// # Errors
    /// Every other error.
    fn optional(self) -> Result<Option<T>>;
}

impl<T> OptionalExtension<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(EngineError::NoRow) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
