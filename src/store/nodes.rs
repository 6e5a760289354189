//! The processes that share a store, and which of them decides.

use std::time::Duration;

use serde::Serialize;

use super::engine::{self, Row};
use super::{Store, StoreError};
use crate::model::Timestamp;

/// What one of several processes may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeRole {
    /// Decide, when it is its turn.
    Decide,
    /// Poll feeds and take seeds.
    Fetch,
    /// Send what is owed to endpoints.
    Deliver,
    /// Answer at `[http] listen`.
    Serve,
}

impl NodeRole {
    /// All of them, which is what a process does that was told nothing else.
    pub const ALL: [Self; 4] = [Self::Decide, Self::Fetch, Self::Deliver, Self::Serve];

    /// The name in the config and in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decide => "decide",
            Self::Fetch => "fetch",
            Self::Deliver => "deliver",
            Self::Serve => "serve",
        }
    }
}

/// A process that has a name, and is there.
#[expect(clippy::struct_excessive_bools, reason = "each says another thing of it, and people read them by name")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeRecord {
    /// Its name.
    pub name: String,
    /// Whether it decides.
    pub decides: bool,
    /// Whether it stands by: it decides when it is its turn.
    pub stands_by: bool,
    /// What it does now: `decide`, `fetch`, `deliver`, `serve`.
    pub roles: Vec<&'static str>,
    /// Where it serves, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Which seed directory it sees; empty: none.
    #[serde(skip)]
    pub seeds: String,
    /// Where it polls from.
    pub regions: Vec<String>,
    /// The hosts that it asks for feeds.
    pub hosts: u64,
    /// Whether its polls reach anybody, as far as is known.
    pub reaches: bool,
    /// Its version.
    pub version: String,
    /// Whether it decides by the rules of the one that does.
    pub same_rules: bool,
    /// Lines of what happened that its memory has not heard of.
    pub behind: u64,
    /// For how long its memory has not had everything, in milliseconds; 0: it has.
    pub behind_ms: u64,
    /// Milliseconds that its clock is ahead of the database server's; less than 0: behind it.
    pub clock_apart_ms: i64,
    /// When it came.
    pub started_at: Timestamp,
    /// How long ago it said that it is there, in milliseconds of the server's clock.
    pub silent_ms: u64,
    /// Whether it has a session with the server, as far as that can tell.
    #[serde(skip)]
    pub has_session: bool,
}

/// Whoever has been silent for longer is not there.
pub(super) const NODE_SILENT_MS_MAX: u64 = 15_000;
/// Nor is whoever has been silent for longer than this and has no session any more. It is more than a process may ask hosts for
/// without having seen that they are its own, and the time between two words of it: its sessions may have been cut.
pub(super) const NODE_ENDED_MS: u64 = 8_000;
/// Clocks that differ by more are worth a word.
const NODE_CLOCK_APART_MS_MAX: u64 = 5_000;

/// Whether a process has a session, by its mark.
pub(super) fn has_session(mark: &str) -> String {
    format!("EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.application_name = 'wirewatch ' || {mark})")
}

/// Who has been silent for a day is forgotten.
fn nodes_asked() -> String {
    format!("SELECT n.name, n.version, n.roles, n.address, n.seeds, n.regions, n.reaches,
        (SELECT count(*) FROM poll_leases p WHERE p.node = n.name AND p.mark = n.mark) AS hosts, n.change_seen, n.clock_apart, n.started_at,
        t.now - n.seen_at AS silent, t.now - n.current_at AS not_current,
        CASE WHEN l.node = n.name AND l.until_at > t.now THEN 1 ELSE 0 END AS decides,
        CASE WHEN l.rules = n.rules THEN 1 ELSE 0 END AS same_rules,
        (SELECT coalesce(max(seq), 0) FROM changes) AS newest, CASE WHEN {} THEN 1 ELSE 0 END AS has_session
     FROM nodes n JOIN (SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS now) AS t ON 1 = 1
     LEFT JOIN lease l ON l.only_row = 1
     WHERE n.seen_at > t.now - 86400000 ORDER BY n.name", has_session("n.mark"))
}

impl NodeRecord {
    fn read(row: &Row<'_>) -> engine::Result<Self> {
        let number = |name: &str| row.get::<_, i64>(name).map(|number| number.max(0).cast_unsigned());
        let (decides, address, roles): (bool, String, String) =
            (row.get("decides")?, row.get("address")?, row.get("roles")?);
        let same_rules: bool = row.get("same_rules")?;
        let may = |role: NodeRole| roles.split(',').any(|name| name == role.as_str());
        // What only the one that decides does; each fetches.
        let does = |role: NodeRole| match role {
            NodeRole::Serve => !address.is_empty(),
            NodeRole::Fetch => may(role),
            // By other rules than those of the one that decides it would send elsewhere.
            NodeRole::Deliver => may(role) && same_rules,
            NodeRole::Decide => decides,
        };
        let regions: String = row.get("regions")?;
        // What the one that decides stored itself it need not hear of.
        let behind = if decides || !may(NodeRole::Decide) {
            0
        } else {
            number("newest")?.saturating_sub(number("change_seen")?)
        };
        Ok(Self {
            name: row.get("name")?,
            decides,
            stands_by: !decides && may(NodeRole::Decide),
            roles: NodeRole::ALL.into_iter().filter(|role| does(*role)).map(NodeRole::as_str).collect(),
            address: Some(address).filter(|address| !address.is_empty()),
            seeds: row.get("seeds")?,
            regions: regions.split(',').filter(|region| !region.is_empty()).map(str::to_owned).collect(),
            hosts: number("hosts")?,
            reaches: row.get("reaches")?,
            version: row.get("version")?,
            same_rules,
            behind,
            behind_ms: if behind == 0 { 0 } else { number("not_current")? },
            clock_apart_ms: row.get("clock_apart")?,
            started_at: Timestamp::from_millis(row.get("started_at")?),
            silent_ms: number("silent")?,
            has_session: row.get("has_session")?,
        })
    }

    /// Whether it has been heard of lately, and has not ended since.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.is_there_for(Duration::ZERO)
    }

    /// Whether it is so for so long, also if nothing more is heard of it.
    #[must_use]
    pub fn is_there_for(&self, longer: Duration) -> bool {
        let until = if self.has_session { NODE_SILENT_MS_MAX } else { NODE_ENDED_MS };
        Duration::from_millis(self.silent_ms) + longer <= Duration::from_millis(until)
    }

    /// Whether the node of this name takes the files of its seed directory: it is the one that decides, or the first, of all
    /// that are there and see the same one.
    #[must_use]
    pub fn takes_seeds(nodes: &[Self], name: &str) -> bool {
        let Some(own) = nodes.iter().find(|node| node.name == name) else { return false };
        let others = nodes
            .iter()
            .filter(|node| node.name != name && node.fetches() && node.is_there() && !node.seeds.is_empty());
        let ahead = |other: &Self| other.decides || !own.decides && other.name < own.name;
        !others.into_iter().any(|other| other.seeds == own.seeds && ahead(other))
    }

    /// Whether it polls feeds and takes seeds.
    #[must_use]
    pub fn fetches(&self) -> bool {
        self.roles.contains(&NodeRole::Fetch.as_str())
    }

    /// Whether its clock is not that of the server.
    #[must_use]
    pub fn has_other_time(&self) -> bool {
        self.clock_apart_ms.unsigned_abs() > NODE_CLOCK_APART_MS_MAX
    }
}

impl Store {
    /// What other processes have taken in, and the one that decides has not: documents and pushes.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn inbox_waiting(&self) -> Result<u64, StoreError> {
        if self.is_file() {
            return Ok(0);
        }
        let waiting = "SELECT count(*) FROM inbox WHERE answer IS NULL AND refusal IS NULL";
        self.read("see what waits in the inbox", |c| {
            c.prepare_cached(waiting)?.query_row([], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
        })
    }

    /// Every process that has a name, by its name; none where the store is a file.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        if self.is_file() {
            return Ok(Vec::new());
        }
        self.read("read who shares the store", |c| {
            let mut statement = c.prepare_cached(&nodes_asked())?;
            let nodes = statement.query_map([], NodeRecord::read)?;
            nodes.collect()
        })
    }
}
