//! The invariants I1 to I10 over a copy of the state directory, the receiver's record and the feed server's:
//! what is stored is the ground truth, what was told is what had to be told.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, OpenFlags};
use tokio::time::Instant;

use super::receiver::Request;
use super::room::{PUSHES, SECRET};
use super::truth::{Expected, Origin, Published};

/// The database must open within this.
const OPENS_WITHIN: Duration = Duration::from_secs(2);
/// What a reader's and a server's clock may differ by within one machine, and rounding.
const EARLY_MS_MAX: i64 = 20;
/// Findings of one kind that are kept.
const FINDINGS_MAX: usize = 8;

/// What is wrong.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Finding {
    /// `I1` to `I10`, or the name of what else was looked at.
    pub what: &'static str,
    pub detail: String,
}

/// Findings, a few of each kind.
#[derive(Debug, Clone, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    pub fn add(&mut self, what: &'static str, detail: String) {
        if self.0.iter().filter(|f| f.what == what).count() < FINDINGS_MAX {
            self.0.push(Finding { what, detail });
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What the database says.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// Source and key of items and copies, with how often each is there.
    pub keys: BTreeMap<(String, String), u32>,
    /// Titles of items from files.
    pub files: BTreeMap<String, u32>,
    /// What the stored ETag of each feed claims.
    pub claims: BTreeMap<String, u64>,
    /// When each feed is next to be polled.
    pub next_poll_at: BTreeMap<String, i64>,
    /// Deliveries by state, with the webhook ids that are settled as delivered.
    pub delivered: BTreeSet<String>,
    pub pending: usize,
    pub other_state: usize,
    /// Ids of alerts.
    pub alerts: BTreeSet<String>,
    /// Stories of which an endpoint is said to have been told by an alert that is not there, or is not owed to it.
    pub told_of_nothing: Vec<String>,
    /// How long opening took.
    pub opened_in: Duration,
    /// `ok`, or what SQLite finds wrong.
    pub integrity: String,
}

/// Copies database and log aside: looking at the originals would repair them before the program does.
///
/// # Errors
/// Those of the file system.
pub fn copy_store(state: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for name in ["wirewatch.db", "wirewatch.db-wal"] {
        match fs::copy(state.join(name), to.join(name)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => _ = fs::remove_file(to.join(name)),
            Err(error) => return Err(error),
        }
    }
    _ = fs::remove_file(to.join("wirewatch.db-shm"));
    Ok(())
}

/// Reads a store that nobody runs on. One that was never begun is empty.
///
/// # Errors
/// SQLite's, when it does not open: a finding.
pub fn read_store(dir: &Path) -> rusqlite::Result<Stored> {
    let path = dir.join("wirewatch.db");
    if !path.exists() {
        return Ok(Stored { integrity: "ok".to_owned(), ..Stored::default() });
    }
    let began = Instant::now();
    let connection = Connection::open(path)?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let opened_in = began.elapsed();
    let integrity = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    let mut stored = Stored { opened_in, integrity, ..Stored::default() };
    // Killed before the first transaction.
    if tables > 0 {
        read_rows(&connection, &mut stored)?;
    }
    Ok(stored)
}

/// Looks at a store that the program runs on: deliveries owed and items there.
pub fn peek(state: &Path) -> Option<(u64, u64)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(state.join("wirewatch.db"), flags).ok()?;
    connection.busy_timeout(Duration::from_secs(2)).ok()?;
    let count = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).ok().map(|n| n as u64);
    let pending = count("SELECT count(*) FROM deliveries WHERE state = 'pending'")?;
    let items = count("SELECT (SELECT count(*) FROM items) + (SELECT count(*) FROM sightings)")?;
    Some((pending, items))
}

fn read_rows(connection: &Connection, stored: &mut Stored) -> rusqlite::Result<()> {
    let mut query = connection
        .prepare("SELECT source, key, title FROM items UNION ALL SELECT source, key, title FROM sightings")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (source, key, title): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if source == "seeds" {
            *stored.files.entry(title).or_insert(0) += 1;
        } else {
            *stored.keys.entry((source, key)).or_insert(0) += 1;
        }
    }
    let mut query = connection.prepare("SELECT source, etag, next_poll_at FROM feeds")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (source, tag, next): (String, Option<Vec<u8>>, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let tag = tag.map(|tag| String::from_utf8_lossy(&tag).into_owned());
        let claim = tag.as_deref().and_then(|tag| tag.trim_matches('"').rsplit_once('-')?.1.parse().ok());
        if let Some(claim) = claim {
            stored.claims.insert(source.clone(), claim);
        }
        stored.next_poll_at.insert(source, next);
    }
    let mut query = connection.prepare("SELECT webhook_id, state FROM deliveries")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (id, state): (String, String) = (row.get(0)?, row.get(1)?);
        match state.as_str() {
            "delivered" => _ = stored.delivered.insert(id),
            "pending" => stored.pending += 1,
            _ => stored.other_state += 1,
        }
    }
    let mut query = connection.prepare("SELECT id FROM alerts")?;
    stored.alerts = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut query = connection.prepare(
        "SELECT t.endpoint || ' of story ' || t.story FROM story_told t WHERE t.endpoint <> '' AND NOT EXISTS (
             SELECT 1 FROM alerts a JOIN deliveries d ON d.alert = a.sequence
             WHERE a.sequence = t.alert AND d.endpoint = t.endpoint)",
    )?;
    stored.told_of_nothing = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(())
}

/// I6, I7, I9 and what else holds at any moment: after each death, before the next start.
pub fn after_death(stored: &Stored, findings: &mut Findings) {
    if stored.integrity != "ok" {
        findings.add("I7", format!("integrity check: {}", stored.integrity));
    }
    if stored.opened_in > OPENS_WITHIN {
        findings.add("I7", format!("the database took {:?} to open", stored.opened_in));
    }
    for ((source, key), count) in &stored.keys {
        if *count != 1 {
            findings.add("I1", format!("{key} of {source} is stored {count} times"));
        }
    }
    for told in &stored.told_of_nothing {
        findings.add("I9", format!("{told} is noted as told, and nothing says so to it"));
    }
    for (source, claim) in &stored.claims {
        for n in 0..*claim {
            let feed = source.trim_start_matches('f');
            if !stored.keys.contains_key(&(source.clone(), format!("{feed}-{n}"))) {
                findings
                    .add("I6", format!("the stored ETag of {source} claims {claim} items, {feed}-{n} is not stored"));
            }
        }
    }
}

/// Files that have left the seed directory must be in the store.
pub fn moved_files(done: &Path, stored: &Stored, seed: u64, findings: &mut Findings) {
    let Ok(entries) = fs::read_dir(done) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let n = name.strip_prefix("files-").and_then(|n| n.split('.').next()).and_then(|n| n.parse::<u64>().ok());
        let Some(n) = n else { continue };
        let title = super::truth::Article::of(seed, Origin::Files, n).title;
        if !stored.files.contains_key(&title) {
            findings.add("I1", format!("{name} was moved, its article is not stored"));
        }
    }
}

/// I10: every push that was answered with 200 is stored.
pub fn answered_pushes(stored: &Stored, answered: u64, findings: &mut Findings) {
    for n in 0..answered {
        let key = (PUSHES.to_owned(), format!("push-{n}"));
        if !stored.keys.contains_key(&key) {
            findings.add("I10", format!("{} was answered with 200 and is not stored", key.1));
        }
    }
}

/// I1: every article is stored, once, and nothing else is.
pub fn stored_is_published(stored: &Stored, published: &Published, seed: u64, findings: &mut Findings) {
    for (origin, article) in published.articles(seed) {
        let count = match origin {
            Origin::Files => stored.files.get(&article.title).copied(),
            Origin::Feed(feed) => stored.keys.get(&(format!("f{feed}"), article.name.clone())).copied(),
            Origin::Pushes => stored.keys.get(&(PUSHES.to_owned(), article.name.clone())).copied(),
        };
        match count {
            Some(1) => {}
            None => findings.add("I1", format!("{} is not stored", article.name)),
            Some(count) => findings.add("I1", format!("{} is stored {count} times", article.name)),
        }
    }
    let rows = stored.keys.len() + stored.files.len();
    if rows as u64 > published.total() {
        findings.add("I1", format!("{rows} items are stored, {} were published", published.total()));
    }
}

/// What the receiver's record says of each alert.
#[derive(Debug, Default)]
pub struct Told {
    pub ids: BTreeMap<Expected, BTreeSet<String>>,
    pub accepted: BTreeSet<Expected>,
    /// Requests that came again after a 200 had gone out, by the life that had had the 200: its death lost the
    /// record of it. Later lives may die before they get to repeat it.
    pub repeats: HashMap<u64, usize>,
    /// Requests beyond the first of their id.
    pub again: usize,
}

/// I2 to I5 over the receiver's record. I5 allows so many repeats after the kill of a life.
pub fn told(
    requests: &[Request],
    expected: &BTreeSet<Expected>,
    repeats_max: impl Fn(u64) -> usize,
    findings: &mut Findings,
) -> Told {
    let mut told = Told::default();
    let mut bodies: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    let mut accepted: HashMap<&str, u64> = HashMap::new();
    let mut lost: BTreeSet<(u64, &str)> = BTreeSet::new();
    let mut latest: HashMap<&str, i64> = HashMap::new();
    for request in requests {
        if !genuine(request) {
            findings.add("I4", format!("the signature of {} is not ours", request.id));
        }
        let before = latest.insert(&request.id, request.timestamp);
        if before.is_some_and(|before| before > request.timestamp) {
            findings.add("I4", format!("the timestamps of {} go back", request.id));
        }
        told.again += usize::from(before.is_some());
        if let Some(life) = accepted.get(request.id.as_str()) {
            // A repeat that is then answered 500 comes once more, but nothing else was lost.
            if lost.insert((*life, request.id.as_str())) {
                *told.repeats.entry(*life).or_insert(0) += 1;
            }
        }
        bodies.entry(&request.id).or_default().insert(&request.body_hash);
        let Some(alert) = alert_of(request) else {
            findings.add("I2", format!("{} is no alert: {}", request.id, String::from_utf8_lossy(&request.body)));
            continue;
        };
        if !expected.contains(&alert) {
            findings.add("I2", format!("nobody expects {} on {}", alert.1, alert.0));
        }
        told.ids.entry(alert.clone()).or_default().insert(request.id.clone());
        if request.accepted {
            accepted.insert(&request.id, request.life);
            told.accepted.insert(alert);
        }
    }
    for missing in expected.difference(&told.accepted) {
        findings.add("I2", format!("{} on {} was never told", missing.1, missing.0));
    }
    for (alert, ids) in told.ids.iter().filter(|(_, ids)| ids.len() > 1) {
        findings.add("I3", format!("{} on {} came as {ids:?}", alert.1, alert.0));
    }
    for (id, bodies) in bodies.iter().filter(|(_, bodies)| bodies.len() > 1) {
        findings.add("I3", format!("{id} came with {} bodies", bodies.len()));
    }
    for (life, repeats) in told.repeats.iter().filter(|(life, repeats)| **repeats > repeats_max(**life)) {
        findings.add("I5", format!("{repeats} requests that life {life} had delivered came again"));
    }
    told
}

/// I8: no feed was asked before the time that was stored when the program died.
pub fn polled_in_time(feed: usize, at: i64, next_poll_at: Option<i64>, findings: &mut Findings) {
    if let Some(next) = next_poll_at.filter(|next| at + EARLY_MS_MAX < *next) {
        findings.add("I8", format!("f{feed} was polled {} ms before its time", next - at));
    }
}

/// The alert a request is about, if it is one.
pub fn alert_of(request: &Request) -> Option<Expected> {
    let body: serde_json::Value = serde_json::from_slice(&request.body).ok()?;
    let text = |at: &str| body.pointer(at).and_then(|v| v.as_str()).map(str::to_owned);
    if text("/data/alert/id")? != request.id || text("/data/alert/reason")? != "first" {
        return None;
    }
    let mut topics: Vec<_> =
        body.pointer("/data/topics")?.as_array()?.iter().filter_map(|t| t["id"].as_str()).collect();
    topics.sort_unstable();
    Some((topics.join(" and "), text("/data/item/title")?))
}

/// As docs/guide/webhooks.md tells receivers to verify.
fn genuine(request: &Request) -> bool {
    let Some(key) = SECRET.strip_prefix("whsec_").and_then(|s| STANDARD.decode(s).ok()) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = [format!("{}.{}.", request.id, request.timestamp).as_bytes(), &request.body].concat();
    request
        .signature
        .split(' ')
        .filter_map(|s| s.strip_prefix("v1,"))
        .filter_map(|s| STANDARD.decode(s).ok())
        .any(|signature| hmac::verify(&key, &signed, &signature).is_ok())
}
