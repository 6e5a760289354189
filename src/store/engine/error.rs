//! Why a statement failed; `StoreError` sorts it by what the operator does about it.

use std::fmt::Display;

/// A failure below the store's operations.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A query gave no row where one was wanted.
    #[error("no row where there should be one")]
    NoRow,
    /// What is stored is not what it should be: a bug, or a database changed by hand.
    #[error("{0}")]
    Unreadable(String),
    /// What SQLite says.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
}

impl EngineError {
    /// For a value that is stored and cannot be used.
    pub fn unreadable(why: impl Display) -> Self {
        Self::Unreadable(why.to_string())
    }
}

impl From<rusqlite::Error> for EngineError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::QueryReturnedNoRows => Self::NoRow,
            error => Self::Sqlite(error),
        }
    }
}
