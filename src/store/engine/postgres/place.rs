//! Where a store in PostgreSQL is: the URL of `[store] url`, read and refused by name.

use std::path::PathBuf;
use std::time::Duration;

use postgres::Config;
use postgres::config::{Host, SslMode};

use super::super::{EngineError, Result};
use super::tls::Secured;

/// The schema that is used where the URL names none.
const SCHEMA: &str = "wirewatch";
/// A name stays a name without quotes, and is no longer than PostgreSQL takes one.
const SCHEMA_CHARS_MAX: usize = 48;

/// Where a store in PostgreSQL is.
#[derive(Clone)]
pub struct PostgresPlace {
    config: Config,
    schema: String,
    /// By which the sessions of one process are known.
    mark: String,
    verified: bool,
    root_certificate: Option<PathBuf>,
}

/// What is wrong with a URL of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PostgresPlaceProblem(String);

impl std::fmt::Debug for PostgresPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl PostgresPlace {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`PostgresPlaceProblem`] for what it may not say.
    pub fn read(url: &str) -> Result<Self, PostgresPlaceProblem> {
        let problem = |why: &str| PostgresPlaceProblem(why.to_owned());
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(problem("it begins with postgres://"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut kept, mut schema, mut mode, mut root_certificate) = (Vec::new(), SCHEMA.to_owned(), None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "schema" => value.clone_into(&mut schema),
                "sslmode" => mode = Some(value.to_owned()),
                "sslrootcert" => root_certificate = Some(PathBuf::from(value)),
                "host" | "port" | "user" | "dbname" | "connect_timeout" => kept.push(pair),
                "password" => {
                    return Err(problem("it holds no password: that is in the file of `[store] password_file`"));
                }
                other => return Err(PostgresPlaceProblem(format!("`{other}` is no part of it"))),
            }
        }
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if schema.is_empty() || schema.len() > SCHEMA_CHARS_MAX || !schema.chars().all(is_name) {
            return Err(problem("the schema is a name of small letters, digits and `_`"));
        }
        let mut config: Config = format!("{base}?{}", kept.join("&"))
            .parse()
            .map_err(|error: postgres::Error| PostgresPlaceProblem(error.to_string()))?;
        if config.get_password().is_some() {
            return Err(problem("it holds no password: that is in the file of `[store] password_file`"));
        }
        if config.get_hosts().len() != 1 {
            return Err(problem("it names one host"));
        }
        if config.get_dbname().is_none() {
            return Err(problem("it names the database: postgres://USER@HOST/DATABASE"));
        }
        let is_local = config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        });
        let verified = match mode.as_deref() {
            None => !is_local,
            Some("disable") => false,
            Some("verify-full") => true,
            Some(other) => {
                return Err(PostgresPlaceProblem(format!(
                    "`sslmode={other}` does not say who answers: write `verify-full`, with `sslrootcert=FILE` for an authority of your own, or `disable`"
                )));
            }
        };
        config.ssl_mode(if verified { SslMode::Require } else { SslMode::Disable });
        config.keepalives_idle(Duration::from_secs(30));
        Ok(Self { config, schema, mark: String::new(), verified, root_certificate })
    }

    /// With a password.
    #[must_use]
    pub fn with_password(mut self, password: &[u8]) -> Self {
        self.config.password(password);
        self
    }

    /// The same, in another schema of the database.
    #[must_use]
    pub fn with_schema(mut self, schema: &str) -> Self {
        schema.clone_into(&mut self.schema);
        self
    }

    /// The same, for the sessions of one process.
    #[must_use]
    pub fn marked(&self, mark: &str) -> Self {
        Self { mark: mark.to_owned(), ..self.clone() }
    }

    /// By which the sessions of this process are known.
    #[must_use]
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// The schema that the store is in.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// As it is shown: without what is secret.
    #[must_use]
    pub fn shown(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => String::new(),
        };
        let port = self.config.get_ports().first().filter(|port| **port != 5432);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let schema = if self.schema == SCHEMA { String::new() } else { format!("?schema={}", self.schema) };
        format!("postgres://{host}{port}/{}{schema}", self.config.get_dbname().unwrap_or_default())
    }

    pub(super) fn config(&self) -> Config {
        self.config.clone()
    }

    pub(super) fn tls(&self) -> Result<Option<Secured>> {
        if !self.verified {
            return Ok(None);
        }
        Secured::new(self.root_certificate.as_deref()).map(Some).map_err(EngineError::unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_says_where_and_never_what_is_secret() {
        let place = PostgresPlace::read("postgres://news@db.example/wire?schema=desk_1").expect("read");
        assert_eq!(place.shown(), "postgres://db.example/wire?schema=desk_1");
        assert!(place.verified, "over the network it is seen who answers");
        let place = place.with_password(b"hush");
        assert!(!format!("{place:?}").contains("hush"));
        for (url, verified) in [
            ("postgres://news@localhost/wire", false),
            ("postgres://news@/wire?host=/run/postgresql", false),
            ("postgresql://news@[::1]:5433/wire?sslmode=verify-full", true),
            ("postgres://news@db.example/wire?sslmode=disable", false),
        ] {
            assert_eq!(PostgresPlace::read(url).expect(url).verified, verified, "{url}");
        }
    }

    #[test]
    fn url_that_says_what_it_may_not_is_refused_by_name() {
        for (url, why) in [
            ("mysql://db.example/wire", "postgres://"),
            ("postgres://news:hush@db.example/wire", "password"),
            ("postgres://news@db.example/wire?password=hush", "password"),
            ("postgres://news@db.example", "database"),
            ("postgres://news@a.example,b.example/wire", "one host"),
            ("postgres://news@db.example/wire?sslmode=require", "verify-full"),
            ("postgres://news@db.example/wire?schema=Desk-1", "small letters"),
            ("postgres://news@db.example/wire?options=x", "`options`"),
        ] {
            let problem = PostgresPlace::read(url).map(|_| ()).expect_err(url);
            assert!(problem.to_string().contains(why), "{url}: {problem}");
            assert!(!problem.to_string().contains("hush"), "{url}");
        }
    }
}
