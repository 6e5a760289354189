//! `[store]`: where the store is, when it is not a file of the state directory.

use std::path::PathBuf;

use super::found::Fault;
use super::problem::ProblemKind;
use super::section::Section;
use super::{Config, DaemonConfig};
use crate::store::{Access, Store, StoreError};

/// The `[store]` section, checked. Changes need a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// A database in PostgreSQL; `None`: a file of the state directory.
    pub url: Option<String>,
    /// File with the password for it.
    pub password_file: Option<PathBuf>,
}

pub(super) fn store(s: &Section<'_>) -> StoreConfig {
    StoreConfig {
        url: s.get("url", |found| {
            let text = found.text()?;
            check(text)?;
            Ok(text.to_owned())
        }),
        password_file: s.secret_file("password_file"),
    }
}

#[cfg(not(feature = "postgres"))]
fn check(_: &str) -> Result<(), Fault> {
    let fault = Fault::new(ProblemKind::Value, "asks for PostgreSQL, which this build leaves out", "not in this build");
    Err(fault.hint("build with --features postgres"))
}

#[cfg(feature = "postgres")]
fn check(url: &str) -> Result<(), Fault> {
    crate::store::engine::PostgresPlace::read(url).map(|_| ()).map_err(|problem| {
        let kind = if problem.to_string().contains("password") { ProblemKind::Secret } else { ProblemKind::Value };
        Fault::new(kind, "must be the address of a database in PostgreSQL", problem.to_string())
            .hint("such as \"postgres://wirewatch@db.example.org/news\"")
    })
}

impl Config {
    /// Opens the store that this config names.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be opened.
    pub fn open_store(&self, access: Access) -> Result<Store, StoreError> {
        let DaemonConfig { state_dir, .. } = &self.daemon;
        #[cfg(feature = "postgres")]
        if let Some(url) = &self.store.url {
            let refused = |why: String| StoreError::Refused { place: PathBuf::from("[store] url"), why };
            let mut place =
                crate::store::engine::PostgresPlace::read(url).map_err(|problem| refused(problem.to_string()))?;
            if let Some(path) = &self.store.password_file {
                let password =
                    std::fs::read_to_string(path).map_err(|source| StoreError::File { path: path.clone(), source })?;
                place = place.with_password(password.trim_end().as_bytes());
            }
            return Store::open_remote(state_dir, &place, access);
        }
        Store::open(state_dir, access)
    }
}
