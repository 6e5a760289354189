//! Power cuts: everything the program writes is recorded; at each moment at which somebody was told
//! something (a webhook sent, an ETag sent back, a file moved, a delivery reported) the disk is rebuilt as a
//! power cut would leave it, and must hold what was told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::check::{self, Finding, Findings, Stored};
use super::disk::{Disk, Survives};
use super::room::ended_as;
use super::shim::{self, Event, Shim};
use super::stage::Stage;
use super::truth::{Article, Dice, Origin};

const PASS_MAX: Duration = Duration::from_secs(120);
/// Passes that are recorded: the second and third begin with a store, a log to recover, a checkpoint.
const PASSES: usize = 3;

/// What to run.
pub struct Plan<'a> {
    pub program: &'a Path,
    pub dir: &'a Path,
    pub seed: u64,
    pub planted: Option<String>,
    /// Images of each kind, beside the one that lost all and the one that lost nothing.
    pub random_images: u64,
    /// Images on which the program itself is started.
    pub starts: usize,
    pub stop_at_first: bool,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    pub seed: u64,
    pub events: usize,
    pub syncs: usize,
    /// Moments at which somebody was told something, by kind.
    pub told: BTreeMap<&'static str, u64>,
    pub images: u64,
    pub starts: usize,
    pub findings: Vec<Finding>,
}

/// What the outside has been told so far, and so must survive.
#[derive(Debug, Default)]
struct Promised {
    alerts: BTreeSet<String>,
    /// Feed → items that its ETag claims.
    claims: BTreeMap<usize, u64>,
    titles: BTreeSet<String>,
    delivered: BTreeSet<String>,
}

/// Runs it.
///
/// # Errors
/// Those of the surroundings, and of building the shim.
pub async fn run(plan: &Plan<'_>) -> io::Result<Outcome> {
    let tools = tempfile::tempdir_in(plan.dir)?;
    let shim = Shim::build(tools.path())?;
    let log = tools.path().join("events");
    let mut stage = Stage::new(plan.dir, plan.program, plan.seed, plan.planted.as_deref()).await?;
    for pass in 0..PASSES {
        stage.publish(2, 2)?;
        let mut command = stage.room.command(&["run", "--once"]);
        let noting = shim::Plan { log: Some(log.clone()), ..shim::Plan::default() };
        let mut program = stage.room.start_as(shim.around(&mut command, &stage.room.dir, &noting), "log")?;
        let status = program.ended(PASS_MAX).await;
        if status.and_then(|s| s.code()) != Some(0) {
            return Err(io::Error::other(format!("pass {pass}: {}: {}", ended_as(status), program.log())));
        }
        // Until the feeds are due again.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    let events = shim::read(&log)?;
    let image = tools.path().join("image");
    let mut replay = Replay {
        plan,
        stage: &stage,
        image: &image,
        disk: Disk::default(),
        promised: Promised::default(),
        dice: Dice::new(plan.seed, "power", 0),
        findings: Findings::default(),
        outcome: Outcome { seed: plan.seed, events: events.len(), ..Outcome::default() },
    };
    replay.all(&events).await?;
    let Replay { mut outcome, findings, .. } = replay;
    outcome.findings = findings.0;
    Ok(outcome)
}

struct Replay<'a> {
    plan: &'a Plan<'a>,
    stage: &'a Stage,
    image: &'a Path,
    disk: Disk,
    promised: Promised,
    dice: Dice,
    findings: Findings,
    outcome: Outcome,
}

impl Replay<'_> {
    async fn all(&mut self, events: &[Event]) -> io::Result<()> {
        let moments = events.iter().filter(|event| says(event).is_some()).count();
        let start_every = moments.div_ceil(self.plan.starts.max(1)).max(1);
        let mut moment = 0;
        for event in events {
            self.disk.take(event);
            self.outcome.syncs += usize::from(matches!(event, Event::SyncEnd { .. }));
            let Some(kind) = self.promise(event) else {
                // Between the moments the store must open, whatever is left of it.
                if matches!(event, Event::SyncBegin { .. } | Event::Truncate { .. }) {
                    self.images(&format!("event {event:.40?}"), false).await?;
                }
                continue;
            };
            *self.outcome.told.entry(kind).or_insert(0) += 1;
            moment += 1;
            self.images(kind, self.plan.starts > 0 && moment % start_every == 0).await?;
            if self.plan.stop_at_first && !self.findings.is_empty() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Notes what an event tells somebody.
    fn promise(&mut self, event: &Event) -> Option<&'static str> {
        let kind = says(event)?;
        match event {
            Event::Send { data } => {
                let head = String::from_utf8_lossy(data);
                let field = |name: &str| {
                    let line = head.lines().take_while(|line| !line.is_empty()).find(|line| line.starts_with(name));
                    line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.trim().to_owned())
                };
                if let Some(id) = field("webhook-id") {
                    self.promised.alerts.insert(id);
                }
                let tag = field("if-none-match").unwrap_or_default();
                if let Some((feed, claim)) = tag.trim_matches('"').split_once('-') {
                    self.promised.claims.insert(feed.parse().ok()?, claim.parse().ok()?);
                }
            }
            Event::Rename { from, .. } => {
                let name = Path::new(from).file_stem()?.to_string_lossy().into_owned();
                let n = name.strip_prefix("files-")?.parse().ok()?;
                self.promised.titles.insert(Article::of(self.plan.seed, Origin::Files, n).title);
            }
            Event::Print { text } => {
                let ids = text.split("alr_").skip(1).map(|rest| {
                    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
                    format!("alr_{}", &rest[..end])
                });
                self.promised.delivered.extend(ids);
            }
            _ => {}
        }
        Some(kind)
    }

    async fn images(&mut self, moment: &str, start: bool) -> io::Result<()> {
        for survives in Survives::ALL {
            let random = matches!(survives, Survives::Some | Survives::Torn);
            for _ in 0..if random { self.plan.random_images } else { 1 } {
                self.build(survives)?;
                self.outcome.images += 1;
                match check::read_store(self.image) {
                    Ok(stored) => self.compare(&stored, moment, survives),
                    Err(error) => self.findings.add("I7", format!("{moment}, {survives:?}: does not open: {error}")),
                }
            }
        }
        if start {
            self.outcome.starts += 1;
            self.build(Survives::Nothing)?;
            self.start(moment).await?;
        }
        Ok(())
    }

    fn build(&mut self, survives: Survives) -> io::Result<()> {
        if self.image.exists() {
            fs::remove_dir_all(self.image)?;
        }
        fs::create_dir(self.image)?;
        let state = self.stage.room.state();
        self.disk.image(&state.to_string_lossy(), survives, &mut self.dice, self.image)
    }

    fn compare(&mut self, stored: &Stored, moment: &str, survives: Survives) {
        let mut add = |what, detail: String| self.findings.add(what, format!("{moment}, {survives:?}: {detail}"));
        if stored.integrity != "ok" {
            add("I7", stored.integrity.clone());
        }
        for id in self.promised.alerts.difference(&stored.alerts) {
            add("P1", format!("alert {id} was sent and is lost"));
        }
        for id in self.promised.delivered.difference(&stored.delivered) {
            add("P1", format!("{id} was reported as delivered and is not recorded"));
        }
        for title in self.promised.titles.iter().filter(|title| !stored.files.contains_key(*title)) {
            add("P1", format!("the file of {title:?} was moved, its article is lost"));
        }
        for (feed, claim) in &self.promised.claims {
            let missing = (0..*claim).find(|n| !stored.keys.contains_key(&(format!("f{feed}"), format!("{feed}-{n}"))));
            if let Some(n) = missing {
                add(
                    "P1",
                    format!("the server was told that {claim} items of feed {feed} are here, {feed}-{n} is lost"),
                );
            }
        }
        let mut own = Findings::default();
        check::after_death(stored, &mut own);
        for Finding { what, detail } in own.0.into_iter().filter(|finding| finding.what == "I6") {
            add(what, detail);
        }
    }

    /// The program itself on the image: it must start, and finish what it owes.
    async fn start(&mut self, moment: &str) -> io::Result<()> {
        let room = super::room::Room::new(self.plan.dir, self.plan.program)?;
        room.configure(&self.stage.around, 0, "")?;
        fs::create_dir(room.state())?;
        for entry in fs::read_dir(self.image)? {
            let entry = entry?;
            fs::copy(entry.path(), room.state().join(entry.file_name()))?;
        }
        for arguments in [&["run", "--once"][..], &["doctor"][..]] {
            let mut program = room.start(arguments, "log")?;
            let status = program.ended(PASS_MAX).await;
            // `doctor` says by its code that there are things to say; what matters here is that it ends well.
            if !status
                .is_some_and(|s| s.code() == Some(0) || arguments[0] == "doctor" && s.code().is_some_and(|c| c < 64))
            {
                let text = format!("{moment}: {}: {}: {}", arguments[0], ended_as(status), program.log());
                self.findings.add("start", text);
            }
        }
        Ok(())
    }
}

/// What an event tells somebody, if it does.
fn says(event: &Event) -> Option<&'static str> {
    match event {
        Event::Send { data } if data.starts_with(b"POST ") => Some("webhook sent"),
        Event::Send { data } if data.starts_with(b"GET /feed/") => Some("feed asked"),
        Event::Rename { .. } => Some("file moved"),
        Event::Print { text } if text.contains("alert delivered") => Some("delivery reported"),
        _ => None,
    }
}
