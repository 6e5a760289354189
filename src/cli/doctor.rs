//! `doctor`: looks at everything an operator would look at, and says of each finding what to do.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::error::UNAVAILABLE;
use super::failing::{FeedInTrouble, grouped};
use super::output::{self, Output};
use super::{CliError, Context};
use crate::app::compile;
use crate::config::{self, Config, last_reload};
use crate::model::{EndpointId, Timestamp};
use crate::store::{Access, NodeRole, Store, StoreError, lock_holder, outbox};
use crate::text::{clean, counted};
use crate::view::{DISK_FULL_BYTES, active_silences, regions_without_nodes};

/// A clock that is behind the newest item by more was set back.
const CLOCK_SLACK_SECONDS: u64 = 3600;
/// Failing feeds named.
const NAMED_MAX: usize = 20;
/// Items search may lag behind.
const SEARCH_LAG_MAX: u64 = 10_000;
/// Memory a full window and the rules need beyond `memory.bytes_max`.
const MEMORY_OWN_BYTES: u64 = 96 << 20;

/// Looks for trouble and says what to do about it.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Ok,
    Warning,
    Problem,
}

#[derive(Debug, Serialize)]
struct Finding {
    grade: Grade,
    area: &'static str,
    what: String,
    /// What to do; empty where all is well.
    remedy: String,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, area: &'static str, what: impl Into<String>) {
        self.0.push(Finding { grade: Grade::Ok, area, what: what.into(), remedy: String::new() });
    }

    fn add(&mut self, grade: Grade, area: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Finding { grade, area, what: what.into(), remedy: remedy.into() });
    }
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] with exit code 69 when something does not work.
pub fn run(args: &DoctorArgs, context: &Context) -> Result<(), CliError> {
    let mut findings = Findings::default();
    if let Some(config) = examine_config(&mut findings, context) {
        let now = context.clock.now();
        examine_daemon(&mut findings, &config);
        examine_permissions(&mut findings, &config);
        examine_memory(&mut findings, &config);
        match config.open_store(Access::Read) {
            Ok(store) => {
                examine_disk(&mut findings, &config, &store);
                if let Err(error) = examine_store(&mut findings, &config, &store, now) {
                    let remedy = "stop the daemon and restore a backup: wirewatch restore FILE";
                    findings.add(Grade::Problem, "store", error.to_string(), remedy);
                }
            }
            // No trouble, but before the first run; or the wrong directory.
            Err(error @ StoreError::Missing { .. }) => {
                let CliParts { what, remedy } = parts(&error.into());
                findings.add(Grade::Warning, "store", what, remedy);
            }
            Err(error) => {
                let CliParts { what, remedy } = parts(&error.into());
                findings.add(Grade::Problem, "store", what, remedy);
            }
        }
    }
    let worst = findings.0.iter().map(|finding| finding.grade).max().unwrap_or(Grade::Ok);
    if Output::of(args.json) == Output::Json {
        output::document(&findings.0)?;
    } else {
        print(&findings.0);
    }
    if worst == Grade::Problem { Err(CliError::reported(UNAVAILABLE)) } else { Ok(()) }
}

struct CliParts {
    what: String,
    remedy: String,
}

fn parts(error: &CliError) -> CliParts {
    let text = error.to_string();
    let (what, hint) = text.split_once("\nhint: ").unwrap_or((&text, "see the log: journalctl -u wirewatch"));
    CliParts { what: what.to_owned(), remedy: hint.to_owned() }
}

fn print(findings: &[Finding]) {
    for finding in findings {
        let mark = match finding.grade {
            Grade::Ok => "ok     ",
            Grade::Warning => "warning",
            Grade::Problem => "PROBLEM",
        };
        outln!("{mark}  {:<10} {}", finding.area, clean::one_line(&finding.what));
        if !finding.remedy.is_empty() {
            outln!("                    → {}", clean::one_line(&finding.remedy));
        }
    }
    let count = |grade| findings.iter().filter(|finding| finding.grade == grade).count();
    let graded = |grade, what| counted(count(grade) as u64, what);
    outln!("\n{}, {}", graded(Grade::Problem, "problem"), graded(Grade::Warning, "warning"));
}

fn examine_config(findings: &mut Findings, context: &Context) -> Option<Config> {
    let report = config::check(&context.place(), &context.environment, compile::test_runner);
    let name = context.place_name();
    let remedy = "wirewatch check shows each at its place";
    match (report.errors(), report.warnings()) {
        (0, 0) => findings.ok("config", format!("{name} is good")),
        (0, warnings) => {
            let what = format!("{name}: {}", counted(warnings as u64, "warning"));
            findings.add(Grade::Warning, "config", what, remedy);
        }
        (errors, _) => {
            let what = format!("{name}: {}", counted(errors as u64, "error"));
            findings.add(Grade::Problem, "config", what, remedy);
        }
    }
    Config::readable(&context.place(), &context.environment)
}

fn examine_daemon(findings: &mut Findings, config: &Config) {
    match lock_holder(&config.daemon.state_dir) {
        Some(pid) => findings.ok("daemon", format!("runs (process {pid})")),
        None => findings.add(Grade::Warning, "daemon", "does not run", "systemctl start wirewatch, or wirewatch run"),
    }
    if let Some(record) = last_reload(&config.daemon.state_dir) {
        let fingerprint = config.fingerprint().to_string();
        if !record.taken {
            let what = format!("the last reload was refused: {}", record.summary);
            findings.add(Grade::Warning, "config", what, "mend it, then wirewatch reload");
        } else if record.fingerprint != fingerprint {
            let what = "the file says other than the last reload took";
            findings.add(Grade::Warning, "config", what, "wirewatch reload takes it");
        }
    }
}

/// Whoever shares the store with others wants them there, able to take over, and with the same rules.
fn examine_nodes(findings: &mut Findings, config: &Config, store: &Store) -> Result<(), StoreError> {
    let nodes = store.nodes()?;
    let (there, silent): (Vec<_>, Vec<_>) = nodes.iter().partition(|node| node.is_there());
    for node in &silent {
        let what = format!("node {} has been silent for {} s", node.name, node.silent_ms / 1000);
        findings.add(Grade::Warning, "nodes", what, "look at its machine; who is silent for a day is forgotten");
    }
    for node in there.iter().filter(|node| !node.same_rules) {
        let what = format!("node {} has other topics, rules or endpoints than the one that decides", node.name);
        findings.add(Grade::Warning, "nodes", what, "give all of them the same; it does not take over as it is");
    }
    for node in there.iter().filter(|node| node.has_other_time()) {
        let (seconds, way) =
            (node.clock_apart_ms.unsigned_abs() / 1000, if node.clock_apart_ms > 0 { "ahead of" } else { "behind" });
        let what = format!("the clock of node {} is {seconds} s {way} the database server's", node.name);
        let remedy = "set the clocks: timedatectl set-ntp true; who decides does not hang on them, dates of items do";
        findings.add(Grade::Warning, "nodes", what, remedy);
    }
    for node in there.iter().filter(|node| !node.reaches) {
        let what = format!("the polls of node {} reach nobody", node.name);
        findings.add(
            Grade::Warning,
            "nodes",
            what,
            "look at its network; others ask its hosts, and it tries again by itself",
        );
    }
    for (region, feeds) in regions_without_nodes(&config.feeds, &nodes) {
        let what = format!("{} to be polled via {region}, where no node is", counted(feeds, "feed"));
        findings.add(
            Grade::Warning,
            "feeds",
            what,
            "start a node with this region in [node] regions, or take `via` out",
        );
    }
    let Some(leader) = there.iter().find(|node| node.decides) else {
        if !nodes.is_empty() {
            let what = "nobody decides: nothing is taken and nobody is told";
            findings.add(Grade::Problem, "nodes", what, "start a node; the log of one that waits says why it does");
        }
        return Ok(());
    };
    if !there.iter().any(|node| node.roles.contains(&NodeRole::Deliver.as_str())) {
        let what = "nobody sends what is owed to endpoints";
        findings.add(Grade::Problem, "nodes", what, "give a node with the same rules the role `deliver`");
    }
    let stand_by = there.iter().filter(|node| node.stands_by).count();
    if stand_by == 0 {
        let what = format!("node {} decides, and nobody stands by", leader.name);
        findings.add(Grade::Warning, "nodes", what, "start another node, so that one death does not mean silence");
    } else {
        findings.ok("nodes", format!("{} decides; others that stand by: {stand_by}", leader.name));
    }
    Ok(())
}

fn examine_permissions(findings: &mut Findings, config: &Config) {
    let others = |path: &Path| path.metadata().is_ok_and(|meta| meta.mode() & 0o077 != 0);
    let state = &config.daemon.state_dir;
    if others(state) {
        let what = format!("{} can be entered by others", state.display());
        findings.add(Grade::Warning, "access", what, format!("chmod 700 {}", state.display()));
    } else {
        findings.ok("access", format!("{} is closed to others", state.display()));
    }
    if let Some(dir) = &config.seeds.dir {
        match std::fs::read_dir(dir) {
            Ok(_) => findings.ok("seeds", format!("{} can be read", dir.display())),
            Err(error) => findings.add(
                Grade::Problem,
                "seeds",
                format!("{} cannot be read: {error}", dir.display()),
                "make it, or give the service's account read access; under systemd see ReadWritePaths in the unit",
            ),
        }
    }
}

/// What the config allows against what the machine, or the service's limit, has.
fn examine_memory(findings: &mut Findings, config: &Config) {
    let kib = |text: &str, key: &str| -> Option<u64> {
        text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
    };
    let available = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| kib(&text, "MemAvailable:"));
    let needed = config.memory.bytes_max as u64 + MEMORY_OWN_BYTES;
    let Some(available) = available.map(|kib| kib << 10) else { return };
    let (needed_mib, available_mib) = (needed >> 20, available >> 20);
    if available < needed && lock_holder(&config.daemon.state_dir).is_none() {
        let what = format!("may need {needed_mib} MiB, {available_mib} MiB are available");
        findings.add(
            Grade::Warning,
            "memory",
            what,
            "lower memory.bytes_max: the oldest items are compared with no more",
        );
    } else {
        findings.ok("memory", format!("up to {needed_mib} MiB by the config, {available_mib} MiB available"));
    }
}

fn examine_disk(findings: &mut Findings, config: &Config, store: &Store) {
    let reserve = config.daemon.free_space_bytes_min;
    match store.free_bytes() {
        Ok(free) if free < DISK_FULL_BYTES => findings.add(
            Grade::Problem,
            "disk",
            format!("full ({} KiB free): nothing can be stored, ingest waits", free >> 10),
            "free some space; it goes on by itself, nothing is lost",
        ),
        Ok(free) if free < reserve => findings.add(
            Grade::Problem,
            "disk",
            format!("{} MiB free, below the reserve of {} MiB: nothing new is taken", free >> 20, reserve >> 20),
            "free some space, shorten [retention] and run wirewatch prune, or lower limits.free_space_min",
        ),
        Ok(free) => findings.ok("disk", format!("{} MiB free, {} MiB used", free >> 20, store.database_bytes() >> 20)),
        Err(error) => findings.add(Grade::Problem, "disk", error.to_string(), "mount it, or mend its permissions"),
    }
}

fn examine_store(findings: &mut Findings, config: &Config, store: &Store, now: Timestamp) -> Result<(), StoreError> {
    examine_nodes(findings, config, store)?;
    match store.integrity()? {
        None if !store.is_file() => {
            findings
                .ok("store", format!("{} answers; its server keeps it whole and copies it", store.place().display()));
        }
        None => findings.ok("store", "the database is whole"),
        Some(detail) => findings.add(
            Grade::Problem,
            "store",
            format!("the database is damaged: {detail}"),
            "stop the daemon, then wirewatch restore FILE with the last backup",
        ),
    }
    let lag = store.search_lag()?;
    if lag > SEARCH_LAG_MAX {
        let what = format!("not indexed yet: {}", counted(lag, "item"));
        findings.add(Grade::Warning, "search", what, "the running daemon catches up; start it");
    }
    let latest = store.latest_stamp()?;
    if let Some(latest) = latest.filter(|latest| latest.since(now).as_secs() > CLOCK_SLACK_SECONDS) {
        let what = format!("the clock says {now}, but an item is stored as of {latest}: it is behind, or was ahead");
        let remedy = "set the clock: timedatectl set-ntp true; if it is right now, nothing more is to be done";
        findings.add(Grade::Problem, "clock", what, remedy);
    } else {
        findings.ok("clock", "agrees with what is stored");
    }
    examine_feeds(findings, config, store)?;
    examine_endpoints(findings, config, store)?;
    examine_silences(findings, config, store, now)
}

/// What nobody is told on purpose: right as long as somebody remembers it.
fn examine_silences(findings: &mut Findings, config: &Config, store: &Store, now: Timestamp) -> Result<(), StoreError> {
    let silences = active_silences(config, store, now)?;
    if silences.is_empty() {
        findings.ok("silences", "none is in force");
    }
    for silence in silences {
        let remedy = format!("see what it kept from people: wirewatch silences show {}", silence.silence.id);
        findings.add(Grade::Warning, "silences", super::silences::in_a_line(&silence, now), remedy);
    }
    Ok(())
}

fn examine_feeds(findings: &mut Findings, config: &Config, store: &Store) -> Result<(), StoreError> {
    let (mut failing, mut unpolled, mut feeds) = (Vec::new(), 0, 0);
    for feed in config.feeds.iter().filter(|feed| feed.enabled) {
        feeds += 1;
        let Some(state) = store.feed(feed.id.as_str())? else {
            unpolled += 1;
            continue;
        };
        let Some(class) = state.failure else { continue };
        let (id, error) = (feed.id.to_string(), state.error.unwrap_or_default());
        failing.push(FeedInTrouble { id, class, error, gone: state.gone });
    }
    match failing.len() {
        0 if unpolled > 0 => findings.ok("feeds", format!("none fails; {unpolled} were not polled yet")),
        0 => findings.ok("feeds", "none fails"),
        _ => {}
    }
    let groups = grouped(failing, feeds);
    for group in groups.iter().take(NAMED_MAX) {
        let remedy = match (group.gone, group.ids.as_slice()) {
            (true, [id]) => {
                format!("take it out (wirewatch feeds remove {id}), or ask again: wirewatch feeds enable {id}")
            }
            (true, _) => "take them out (wirewatch feeds remove), or ask again: wirewatch feeds enable".to_owned(),
            (false, [id]) => format!("it is tried again by itself; more: wirewatch feeds show {id}"),
            (false, _) => "they are tried again by themselves; each of them: wirewatch feeds".to_owned(),
        };
        findings.add(Grade::Warning, "feeds", group.words.clone(), remedy);
    }
    if groups.len() > NAMED_MAX {
        let what = format!("… and {} more fail", groups.len() - NAMED_MAX);
        findings.add(Grade::Warning, "feeds", what, "wirewatch feeds lists them all");
    }
    Ok(())
}

fn examine_endpoints(findings: &mut Findings, config: &Config, store: &Store) -> Result<(), StoreError> {
    let ids: Vec<EndpointId> = config.endpoints.iter().filter(|e| e.enabled).map(|e| e.id.clone()).collect();
    for id in ids {
        let health = store.read("read an endpoint", |c| outbox::health(c, &id))?;
        if let Some((_, reason)) = &health.state.disabled {
            let what = format!("{id} is disabled: {reason}");
            let remedy = format!("mend the receiver or its URL, then: wirewatch endpoints enable {id}");
            findings.add(Grade::Problem, "endpoints", what, remedy);
        } else if health.state.failing_since.is_some() {
            let error = clean::excerpt(&health.state.last_error.unwrap_or_default(), 160);
            let what = format!("{id} fails, {} owed: {error}", health.pending);
            let remedy = format!("nothing is lost, it is tried again; try it now: wirewatch endpoints test {id}");
            findings.add(Grade::Warning, "endpoints", what, remedy);
        } else {
            findings.ok("endpoints", format!("{id} works, {} owed", health.pending));
        }
        if health.parked > 0 {
            let what = format!("parked: {} to {id}", counted(health.parked, "delivery"));
            findings.add(
                Grade::Warning,
                "endpoints",
                what,
                format!("wirewatch deliveries replay --failed --endpoint {id}"),
            );
        }
    }
    Ok(())
}
