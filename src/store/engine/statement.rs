//! A statement and the rows it gives.

use rusqlite::RowIndex;

use super::{EngineError, FromSql, Params, Result};

/// A prepared statement.
#[derive(Debug)]
pub struct Statement<'c>(Prepared<'c>);

enum Prepared<'c> {
    Kept(rusqlite::CachedStatement<'c>),
    Once(rusqlite::Statement<'c>),
}

impl std::fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kept(statement) => (**statement).fmt(f),
            Self::Once(statement) => statement.fmt(f),
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

    /// Runs it; how many rows it changed.
    ///
    /// # Errors
    /// [`EngineError`] where the database refuses.
    pub fn execute(&mut self, params: impl Params) -> Result<usize> {
        params.with(|values| match &mut self.0 {
            Prepared::Kept(statement) => Ok(statement.execute(values)?),
            Prepared::Once(statement) => Ok(statement.execute(values)?),
        })
    }

    /// Runs it and hands over the rows one by one.
    ///
    /// # Errors
    /// [`EngineError`] where the database refuses.
    pub fn query(&mut self, params: impl Params) -> Result<ResultRows<'_>> {
        params.with(|values| match &mut self.0 {
            Prepared::Kept(statement) => Ok(ResultRows(Cursor::Sqlite(statement.query(values)?))),
            Prepared::Once(statement) => Ok(ResultRows(Cursor::Sqlite(statement.query(values)?))),
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
}

impl Row<'_> {
    /// The value of a column, by its place or name.
    ///
    /// # Errors
    /// [`EngineError`] where there is no such column, or its value is of another type.
    pub fn get<I: ColumnIndex, T: FromSql>(&self, column: I) -> Result<T> {
        match self.0 {
            Columns::Sqlite(row) => Ok(row.get(column)?),
        }
    }
}

/// A column's place or name.
pub trait ColumnIndex: RowIndex {}

impl ColumnIndex for usize {}
impl ColumnIndex for &str {}

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
