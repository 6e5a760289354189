//! `[store]`: where the store is, when it is not a file of the state directory; `[node]`: which of several processes on
//! it this one is.

use std::cell::Cell;
use std::path::PathBuf;

use super::found::{Fault, Found};
use super::problem::ProblemKind;
use super::section::Section;
use super::{Config, DaemonConfig};
#[cfg(feature = "postgres")]
use crate::store::engine::PostgresPlace;
use crate::store::{Access, NodeRole, Store, StoreError};
#[cfg(feature = "postgres")]
use crate::store::{NodeClock, NodeIdentity, WaitingNode};

/// The `[store]` section, checked. Changes need a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// A database in PostgreSQL; `None`: a file of the state directory.
    pub url: Option<String>,
    /// File with the password for it.
    pub password_file: Option<PathBuf>,
}

/// The `[node]` section, checked. Changes need a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// The name of this process; `None`: it is alone on its store.
    pub name: Option<String>,
    /// What it does.
    pub roles: Vec<NodeRole>,
    /// Where it polls from: feeds may name a region.
    pub regions: Vec<String>,
    /// Whether it decides by rules that differ from those of the one before.
    pub take_over_with_other_rules: bool,
}

impl NodeConfig {
    /// Whether it is to do that.
    #[must_use]
    pub fn has(&self, role: NodeRole) -> bool {
        self.roles.contains(&role)
    }
}

/// Characters of a node's name.
const NODE_NAME_CHARS_MAX: usize = 40;

pub(super) fn node(s: &Section<'_>, store: &StoreConfig) -> NodeConfig {
    let name = s.get("name", |found| {
        let name = found.text()?;
        if !is_plain_name(name) {
            let must = "must be a name of small letters, digits and `-`";
            return Err(Fault::new(ProblemKind::Value, must, "no name for this").hint("such as \"eu-1\""));
        }
        Ok(name.to_owned())
    });
    if let Some(place) = s.written("name").filter(|_| name.is_some() && store.url.is_none()) {
        let fault = Fault::new(ProblemKind::Missing, "needs `[store] url`", "a file has one process")
            .hint("several processes share a store in PostgreSQL only");
        s.fault("name", &place, fault);
    }
    let roles = roles(s);
    let alone = name.is_none() || store.url.is_none();
    if let Some(place) = s.written("roles").filter(|_| alone && NodeRole::ALL.iter().any(|role| !roles.contains(role)))
    {
        let fault =
            Fault::new(ProblemKind::Missing, "needs `[node] name` and `[store] url`", "alone, a process does all")
                .hint("roles are shared out among processes on one store in PostgreSQL only");
        s.fault("roles", &place, fault);
    }
    let regions = s.list("regions", region_name);
    if let Some(place) = s.written("regions").filter(|_| alone && !regions.is_empty()) {
        let fault = Fault::new(
            ProblemKind::Missing,
            "needs `[node] name` and `[store] url`",
            "alone, a process polls all feeds",
        )
        .hint("regions tell processes on one store in PostgreSQL apart");
        s.fault("regions", &place, fault);
    }
    NodeConfig { name, roles, regions, take_over_with_other_rules: s.flag("take_over_with_other_rules") }
}

fn roles(s: &Section<'_>) -> Vec<NodeRole> {
    let names = NodeRole::ALL.map(|role| (role.as_str(), role));
    let unknown = Cell::new(false);
    let named = s.list("roles", |found| found.choice(&names).inspect_err(|_| unknown.set(true)));
    if let Some(place) = s.written("roles").filter(|_| named.is_empty() && !unknown.get()) {
        let fault = Fault::new(ProblemKind::Value, "must name at least one role", "a process without one does nothing");
        s.fault("roles", &place, fault);
    }
    // What is refused already says nothing of who is alone.
    let refused = unknown.get() || named.is_empty();
    NodeRole::ALL.into_iter().filter(|role| refused || named.contains(role)).collect()
}

/// A region by its name; `off`: none.
pub(super) fn region(found: &Found<'_>) -> Result<Option<String>, Fault> {
    if found.text()? == "off" { Ok(None) } else { region_name(found).map(Some) }
}

fn region_name(found: &Found<'_>) -> Result<String, Fault> {
    let name = found.text()?;
    if name == "off" || !is_plain_name(name) {
        let must = "must be a name of small letters, digits and `-`";
        return Err(Fault::new(ProblemKind::Value, must, "no name of a region").hint("such as \"eu\""));
    }
    Ok(name.to_owned())
}

fn is_plain_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.len() <= NODE_NAME_CHARS_MAX && name.chars().all(fits)
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
    PostgresPlace::read(url).map(|_| ()).map_err(|problem| {
        let kind = if problem.to_string().contains("password") { ProblemKind::Secret } else { ProblemKind::Value };
        Fault::new(kind, "must be the address of a database in PostgreSQL", problem.to_string())
            .hint("such as \"postgres://wirewatch@db.example.org/news\"")
    })
}

/// What a directory is known by: the same text from every process that sees the same one on this machine.
#[cfg(feature = "postgres")]
fn seen_directory(dir: &std::path::Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(dir).ok()?;
    // Since its start the machine has one name that containers on it have as well.
    let machine = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(format!("{} {}:{}", machine.trim(), found.dev(), found.ino()))
}

impl Config {
    /// Opens the store that this config names.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be opened.
    pub fn open_store(&self, access: Access) -> Result<Store, StoreError> {
        let DaemonConfig { state_dir, .. } = &self.daemon;
        #[cfg(feature = "postgres")]
        if let Some(place) = self.store_place()? {
            return Store::open_remote(state_dir, &place, access);
        }
        Store::open(state_dir, access)
    }

    /// Whether several processes poll the feeds, each its share of them.
    #[must_use]
    pub fn shares_polling(&self) -> bool {
        self.node.name.is_some() && self.store.url.is_some()
    }

    #[cfg(feature = "postgres")]
    fn store_place(&self) -> Result<Option<PostgresPlace>, StoreError> {
        let Some(url) = &self.store.url else { return Ok(None) };
        let refused = |why: String| StoreError::Refused { place: PathBuf::from("[store] url"), why };
        let mut place = PostgresPlace::read(url).map_err(|problem| refused(problem.to_string()))?;
        if let Some(path) = &self.store.password_file {
            let password =
                std::fs::read_to_string(path).map_err(|source| StoreError::File { path: path.clone(), source })?;
            place = place.with_password(password.trim_end().as_bytes());
        }
        Ok(Some(place))
    }

    /// Enters this process among those that could decide for the store; `None` where it is alone on it.
    ///
    /// # Errors
    /// [`StoreError`] where its name or its state directory is another's, or the server is refused.
    #[cfg(feature = "postgres")]
    pub fn enter_node(&self, clock: NodeClock) -> Result<Option<WaitingNode>, StoreError> {
        let Some((name, place)) = self.node.name.clone().zip(self.store_place()?) else { return Ok(None) };
        let takes_over_with_other_rules = self.node.take_over_with_other_rules;
        let listens = self.http.listen.map(|address| format!("http://{address}"));
        let address = listens.map(|listens| self.http.public_url.clone().unwrap_or(listens));
        let seeds = self.seeds.dir.as_deref().and_then(seen_directory).unwrap_or_default();
        let (roles, regions, rules) = (self.node.roles.clone(), self.node.regions.clone(), self.rules_fingerprint());
        let node = NodeIdentity { name, address, roles, seeds, regions, rules, takes_over_with_other_rules };
        WaitingNode::enter(&self.daemon.state_dir, &place, node, clock).map(Some)
    }

    /// A hash of what decides: two processes with the same one come to the same alerts.
    #[must_use]
    pub fn rules_fingerprint(&self) -> String {
        let mut same = self.clone();
        same.topics.sort_by(|a, b| a.id.cmp(&b.id));
        same.aliases.sort_by(|a, b| a.name.cmp(&b.name));
        // What is owed is of the form that the one that decides gave it; the way to an endpoint may be each node's own.
        let enabled = same.endpoints.iter().filter(|one| one.enabled);
        let mut endpoints: Vec<_> = enabled.map(|one| (&one.id, one.format.as_str())).collect();
        endpoints.sort();
        let decides = format!("{:?}", (&same.topics, &same.aliases, &same.alerts, &same.memory, endpoints));
        format!("{:016x}", crate::model::ContentHash::of(&[decides.as_bytes()]).short())
    }
}
