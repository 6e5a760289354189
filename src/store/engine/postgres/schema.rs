//! The schema of a store in PostgreSQL: made, looked at, and refused where it is not ours; and the server, where it does
//! not keep what it says it keeps.

use super::super::{EngineError, Result};
use super::session::Session;

/// Oldest server that has what the store uses.
const SERVER_MIN: i32 = 130_000;
/// One entry per schema version; an entry never changes once it is released.
const MIGRATIONS: &[&str] = &[include_str!("../../schema_postgres.sql"), include_str!("../../schema_postgres_2.sql")];

/// The newest version of the schema that this program knows. A file's is counted for itself.
pub(in crate::store) const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

impl Session {
    fn asked(&self, sql: &str) -> Result<Option<String>> {
        Ok(self.ask(|client| client.query_opt(sql, &[]))?.map(|row| row.get(0)))
    }

    fn setting(&self, name: &str) -> Result<String> {
        Ok(self.asked(&format!("SELECT current_setting('{name}')"))?.unwrap_or_default())
    }

    /// The version of the schema; 0: there is none yet.
    pub(in crate::store::engine) fn schema_version(&self) -> Result<i64> {
        let schema = &self.schema;
        let tables = format!("SELECT count(*)::text FROM pg_tables WHERE schemaname = '{schema}'");
        if self.asked(&tables)?.as_deref() == Some("0") {
            return Ok(0);
        }
        let ours = format!("SELECT to_regclass('\"{schema}\".meta')::text");
        let version = match self.asked(&ours) {
            Ok(Some(_)) => {
                self.asked(&format!("SELECT value FROM \"{schema}\".meta WHERE key = 'schema_version'")).ok().flatten()
            }
            _ => None,
        };
        version.and_then(|version| version.parse().ok()).ok_or_else(|| {
            EngineError::Refused(format!(
                "the schema `{schema}` has tables of another program; name one of its own: `?schema=NAME` at the end of the URL"
            ))
        })
    }

    /// Makes the schema and its tables, in a transaction of whoever calls.
    pub(in crate::store::engine) fn create_schema(&self) -> Result<()> {
        self.batch(&format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", self.schema)).map_err(|error| {
            if error.sql_state().as_deref() == Some("42501") {
                EngineError::Refused(format!(
                    "its user may not make the schema `{}`; an administrator runs: CREATE SCHEMA {0} AUTHORIZATION its user",
                    self.schema
                ))
            } else {
                error
            }
        })?;
        self.migrate_schema(0)
    }

    /// Brings the tables from a version of the schema to the newest, in a transaction of whoever calls.
    pub(in crate::store::engine) fn migrate_schema(&self, found: usize) -> Result<()> {
        MIGRATIONS[found..].iter().try_for_each(|migration| self.batch(migration))?;
        self.batch(&format!(
            "INSERT INTO meta (key, value) VALUES ('schema_version', '{}')
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            MIGRATIONS.len()
        ))
    }

    /// Refuses a server that would lose what it acknowledged, or cannot hold what is stored.
    pub(super) fn refuse_unsound(&self, to_write: bool) -> Result<()> {
        let number: i32 = self.setting("server_version_num")?.parse().unwrap_or_default();
        if number < SERVER_MIN {
            let version = self.setting("server_version")?;
            return Err(EngineError::Refused(format!("PostgreSQL {version} is too old: 13 is the first that will do")));
        }
        let encoding = self.setting("server_encoding")?;
        if encoding != "UTF8" {
            return Err(EngineError::Refused(format!(
                "its database is encoded in {encoding} and cannot hold every text: make one with ENCODING 'UTF8'"
            )));
        }
        if to_write && self.asked("SELECT pg_is_in_recovery()::text")?.as_deref() == Some("true") {
            return Err(EngineError::NotNow(
                "the server is a standby and takes no writes: name the one that leads, or promote this one".to_owned(),
            ));
        }
        for name in ["fsync", "full_page_writes"] {
            if self.setting(name)? == "off" {
                return Err(EngineError::Refused(format!(
                    "the server runs with `{name} = off` and can lose or break what it has acknowledged: set it to on"
                )));
            }
        }
        Ok(())
    }
}
