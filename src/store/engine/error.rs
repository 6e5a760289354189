//! Why a statement failed; `StoreError` sorts it by what the operator does about it.

use std::fmt::Display;

use super::text_block;

#[cfg(feature = "postgres")]
use postgres::error::Severity;

/// A failure below the store's operations.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A query gave no row where one was wanted.
    #[error("no row where there should be one")]
    NoRow,
    /// What is stored is not what it should be: a bug, or a database changed by hand.
    #[error("{0}")]
    Unreadable(String),
    /// The server or what is in it cannot hold a store: why, and what to do.
    #[error("{0}")]
    Refused(String),
    /// It cannot be used for now: a server that may lead later, or a machine that is out of something.
    #[error("{0}")]
    NotNow(String),
    /// The right to write is another process's by now.
    #[error("another process decides for this store now")]
    SteppedDown,
    /// What SQLite says.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    /// What PostgreSQL says.
    #[cfg(feature = "postgres")]
    #[error("{}", told(.0))]
    Postgres(#[source] Box<postgres::Error>),
}

/// What a server said goes into the line; else only that it was the server is known.
#[cfg(feature = "postgres")]
fn told(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => said.to_string(),
        None => error.to_string(),
    }
}

impl EngineError {
    /// For a value that is stored and cannot be used.
    pub fn unreadable(why: impl Display) -> Self {
        Self::Unreadable(why.to_string())
    }
}

#[cfg(feature = "postgres")]
impl EngineError {
    /// The five characters by which PostgreSQL names what is wrong.
    pub(in crate::store) fn sql_state(&self) -> Option<String> {
        match self {
            Self::Postgres(error) => error.code().map(|state| state.code().to_owned()),
            _ => None,
        }
    }

    /// Whether the server has ended the session with it: at its own end, or because nothing came for too long.
    pub(in crate::store) fn ends_session(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        let severity = error.as_db_error().and_then(postgres::error::DbError::parsed_severity);
        matches!(severity, Some(Severity::Fatal | Severity::Panic))
    }
}

#[cfg(feature = "postgres")]
impl From<postgres::Error> for EngineError {
    fn from(error: postgres::Error) -> Self {
        Self::Postgres(Box::new(error))
    }
}

impl From<rusqlite::Error> for EngineError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::QueryReturnedNoRows => Self::NoRow,
            error => Self::Sqlite(text_block::told(error)),
        }
    }
}
