//! A kill at every write: one pass of ingest and delivery is recorded, then made again and again with the
//! process killed at the first, second, … call that writes; each time everything must be there in the end.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::check::{Finding, Findings};
use super::room::ended_as;
use super::shim::{self, Event, Shim};
use super::stage::Stage;
use super::truth::Dice;

const PASS_MAX: Duration = Duration::from_secs(120);

/// What to run.
pub struct Plan<'a> {
    pub program: &'a Path,
    pub dir: &'a Path,
    pub seed: u64,
    /// So many of the writes; all when there are fewer, or none is given.
    pub sample: Option<u64>,
    pub planted: Option<String>,
    pub stop_at_first: bool,
    pub progress: bool,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    pub seed: u64,
    /// Calls that write in one pass, by kind.
    pub calls: BTreeMap<&'static str, u64>,
    pub writes: u64,
    pub kills: u64,
    /// Kill points that the pass did not reach: its writes differ a little from run to run.
    pub not_reached: u64,
    pub findings: Vec<Finding>,
}

/// Runs it.
///
/// # Errors
/// Those of the surroundings, and of building the shim.
pub async fn run(plan: &Plan<'_>) -> io::Result<Outcome> {
    let tools = tempfile::tempdir_in(plan.dir)?;
    let shim = Shim::build(tools.path())?;
    let mut outcome = Outcome { seed: plan.seed, ..Outcome::default() };
    let mut findings = Findings::default();
    for event in recorded(plan, &shim, tools.path()).await?.iter().filter(|event| event.counts()) {
        *outcome.calls.entry(name(event)).or_insert(0) += 1;
        outcome.writes += 1;
    }
    for at in points(plan, outcome.writes) {
        if killed_at(plan, &shim, at, &mut findings).await? {
            outcome.kills += 1;
        } else {
            outcome.not_reached += 1;
        }
        if plan.progress {
            eprintln!("write {at} of {}: {} findings", outcome.writes, findings.0.len());
        }
        if plan.stop_at_first && !findings.is_empty() {
            break;
        }
    }
    outcome.findings = findings.0;
    Ok(outcome)
}

/// Every write, or an even sample that another seed moves; spread out from the first on, so that a bug is
/// met early wherever it is.
fn points(plan: &Plan<'_>, writes: u64) -> Vec<u64> {
    let sample = plan.sample.map_or(writes, |sample| sample.min(writes));
    let start = Dice::new(plan.seed, "writes", 0).below(writes);
    // Steps of the golden ratio, moved on where two fall together.
    let mut points: Vec<u64> = Vec::new();
    for n in 0..sample {
        let mut at = (start + (n as f64 * 0.618_033_988_75 * writes as f64) as u64) % writes;
        while points.contains(&(at + 1)) {
            at = (at + 1) % writes;
        }
        points.push(at + 1);
    }
    points
}

async fn stage(plan: &Plan<'_>) -> io::Result<Stage> {
    let mut stage = Stage::new(plan.dir, plan.program, plan.seed, plan.planted.as_deref()).await?;
    stage.publish(2, 2)?;
    Ok(stage)
}

async fn recorded(plan: &Plan<'_>, shim: &Shim, tools: &Path) -> io::Result<Vec<Event>> {
    let stage = stage(plan).await?;
    let log = tools.join("events");
    let mut command = stage.room.command(&["run", "--once"]);
    let noting = shim::Plan { log: Some(log.clone()), ..shim::Plan::default() };
    let mut program = stage.room.start_as(shim.around(&mut command, &stage.room.dir, &noting), "log")?;
    let status = program.ended(PASS_MAX).await;
    if status.and_then(|s| s.code()) != Some(0) {
        return Err(io::Error::other(format!("the recorded pass: {}: {}", ended_as(status), program.log())));
    }
    shim::read(&log)
}

/// Whether the pass got there.
async fn killed_at(plan: &Plan<'_>, shim: &Shim, at: u64, findings: &mut Findings) -> io::Result<bool> {
    let mut stage = stage(plan).await?;
    let mut command = stage.room.command(&["run", "--once"]);
    let kill = shim::Plan { kill_at: Some(at), ..shim::Plan::default() };
    let mut program = stage.room.start_as(shim.around(&mut command, &stage.room.dir, &kill), "log")?;
    let status = program.ended(PASS_MAX).await;
    let killed = status.and_then(|s| s.signal()) == Some(9);
    let mut here = Findings::default();
    if !killed && status.and_then(|s| s.code()) != Some(0) {
        here.add("stop", format!("{}: {}", ended_as(status), program.log()));
    }
    stage.look(&mut here)?;
    stage.settle(1, &mut here).await?;
    if !here.is_empty() && plan.planted.is_none() {
        stage.room.keep = true;
    }
    for Finding { what, detail } in here.0 {
        findings.add(what, format!("killed at write {at} ({}): {detail}", stage.room.dir.display()));
    }
    Ok(killed)
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Write { .. } => "write",
        Event::Truncate { .. } => "truncate",
        Event::SyncBegin { .. } | Event::SyncEnd { .. } => "sync",
        Event::Create { .. } => "create",
        Event::Rename { .. } => "rename",
        Event::Unlink { .. } => "unlink",
        Event::Send { .. } => "send",
        Event::Print { .. } => "print",
    }
}
