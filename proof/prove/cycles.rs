//! The crash harness: the built program is started and killed again and again while feeds, files, pushes and a
//! failing receiver go on; after each death the store is looked at, at the end everything is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde::Serialize;

use super::check::{self, Finding, Findings, Stored};
use super::feeds::FeedServer;
use super::pusher::Pusher;
use super::reaper::Death;
use super::receiver::{Receiver, Trigger};
use super::room::{Around, HANGS, PUSH_TOKEN, Program, Room, config, ended_as, until};
use super::truth::{Dice, Published};

/// Feeds of the server.
const FEEDS: usize = 6;
/// What a crash may send again: what was on the wire or not recorded yet (the endpoint's `concurrency`).
const REPEATS_PER_KILL_MAX: usize = 4;
/// The same while more is due than the program claims at once: then attempts are recorded in larger groups.
const REPEATS_PER_KILL_IN_BACKLOG_MAX: usize = 64;
/// So many due make a backlog.
const BACKLOG: usize = 256;
/// With so much owed nothing new is published: lives on a slow machine are too short to deliver it all.
const OWED_MAX: usize = 120;
/// A stop in order ends within this.
const STOPS_WITHIN: Duration = Duration::from_secs(15);
/// A kill that waits for a request comes anyhow after this.
const TRIGGER_WAIT: Duration = Duration::from_secs(5);

/// What to run.
pub struct Plan<'a> {
    pub program: &'a Path,
    pub dir: &'a Path,
    pub seed: u64,
    pub cycles: u64,
    pub planted: Option<String>,
    /// A kill too many is a finding only in a real run, not when a bug is planted.
    pub stop_at_first: bool,
    pub progress: bool,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    pub seed: u64,
    pub cycles: u64,
    pub items: u64,
    /// Those of them that were pushed.
    pub pushes: u64,
    pub alerts_expected: usize,
    pub requests: usize,
    /// Requests beyond the first of their id: retries and repeats.
    pub requests_again: usize,
    /// Requests that came again although a 200 had gone out.
    pub repeats_after_200: usize,
    /// Most of them after one kill; and after one in a backlog of more than 256 due.
    pub repeats_most: usize,
    pub repeats_most_in_backlog: usize,
    pub kills: u64,
    /// Kills that left something owed or not yet stored.
    pub kills_with_work: u64,
    pub deaths: BTreeMap<&'static str, u64>,
    pub slowest_open_ms: u64,
    pub restored_again: usize,
    pub seconds: u64,
    pub findings: Vec<Finding>,
    /// Counts too small to mean anything.
    pub too_small: Vec<String>,
    /// Where the state is kept when something was found.
    pub kept: Option<String>,
}

impl Outcome {
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.too_small.is_empty()
    }
}

struct Run<'a> {
    plan: &'a Plan<'a>,
    room: Room,
    feeds: FeedServer,
    receiver: Receiver,
    pusher: Pusher,
    around: Around,
    dice: Dice,
    files: u64,
    version: u64,
    findings: Findings,
    outcome: Outcome,
    /// What was stored for each feed when the last life ended.
    next_poll_at: BTreeMap<String, i64>,
    backup: Option<(Published, usize)>,
    /// Owed when the last life ended.
    owed: usize,
    /// Lives that began with a backlog.
    in_backlog: BTreeSet<u64>,
}

/// Runs the harness.
///
/// # Errors
/// Those of the surroundings: ports, files. What the program does wrong is a finding.
pub async fn run(plan: &Plan<'_>) -> io::Result<Outcome> {
    let began = tokio::time::Instant::now();
    let mut room = Room::new(plan.dir, plan.program)?;
    room.planted.clone_from(&plan.planted);
    let feeds = FeedServer::start(plan.seed, FEEDS).await?;
    let receiver = Receiver::start(plan.seed, &room.path("ledger")).await?;
    let pusher = Pusher::start(plan.seed, PUSH_TOKEN.to_owned()).await?;
    let around =
        Around { feeds: feeds.address, feed_count: FEEDS, receiver: receiver.address, pushes: Some(pusher.to) };
    room.configure(&around, 0, "")?;
    let mut run = Run {
        plan,
        room,
        feeds,
        receiver,
        pusher,
        around,
        dice: Dice::new(plan.seed, "run", 0),
        files: 0,
        version: 0,
        findings: Findings::default(),
        outcome: Outcome { seed: plan.seed, cycles: plan.cycles, ..Outcome::default() },
        next_poll_at: BTreeMap::new(),
        backup: None,
        owed: 0,
        in_backlog: BTreeSet::new(),
    };
    for life in 0..plan.cycles {
        run.life(life).await?;
        if plan.progress {
            let (items, requests) = (run.published().total(), run.receiver.count());
            eprintln!("cycle {:>3}: {items} items, {requests} requests, {:?}", life + 1, Death::plan(plan.seed, life));
        }
        if plan.stop_at_first && !run.findings.is_empty() {
            break;
        }
    }
    if !plan.stop_at_first || run.findings.is_empty() {
        run.settle().await?;
    }
    if !plan.stop_at_first || run.findings.is_empty() {
        run.restore().await?;
    }
    run.outcome.seconds = began.elapsed().as_secs();
    Ok(run.finish())
}

impl Run<'_> {
    fn published(&self) -> Published {
        Published { feeds: self.feeds.published(), files: self.files, pushes: self.pusher.published() }
    }

    /// One start of the program and its death.
    async fn life(&mut self, life: u64) -> io::Result<()> {
        self.feeds.next_life(life);
        self.receiver.next_life(life);
        let death = Death::plan(self.plan.seed, life);
        let mut program = self.room.start(&["run"], &format!("log-{life}"))?;
        self.publish()?;
        if !matches!(death, Death::Start { .. }) && !program.ready().await {
            self.findings.add("start", format!("life {life} did not get ready: {}", last_lines(&program)));
        }
        if life == self.plan.cycles / 2 {
            self.take_backup()?;
        }
        self.kill(&mut program, death, life).await?;
        *self.outcome.deaths.entry(death.name()).or_insert(0) += 1;
        self.receiver.arm(None);
        self.room.configure(&self.around, self.version, "")?;
        self.look(&program, death, life)
    }

    fn publish(&mut self) -> io::Result<()> {
        if self.owed > OWED_MAX {
            return Ok(());
        }
        for feed in 0..FEEDS {
            self.feeds.publish(feed, self.dice.below(6));
        }
        self.pusher.publish(self.dice.below(6));
        for _ in 0..=self.dice.below(3) {
            self.room.drop_file(self.plan.seed, self.files)?;
            self.files += 1;
        }
        Ok(())
    }

    async fn kill(&mut self, program: &mut Program, death: Death, life: u64) -> io::Result<()> {
        let pause = |ms| tokio::time::sleep(Duration::from_millis(ms));
        match death {
            Death::Random { after_ms } => {
                pause(after_ms / 2).await;
                self.publish()?;
                pause(after_ms.div_ceil(2)).await;
            }
            Death::Request { at, nth } => {
                self.receiver.arm(Some(Trigger { at, after: nth, pid: program.pid() }));
                self.publish()?;
                if program.ended(TRIGGER_WAIT).await.is_some() {
                    return Ok(());
                }
            }
            Death::Reload { after_ms, broken } => {
                self.version += 1;
                let text = config(&self.around, self.version);
                let cut = if broken { text.len() / 2 } else { text.len() };
                self.room.write_config(&text[..cut])?;
                self.publish()?;
                program.signal(Signal::HUP);
                pause(after_ms).await;
            }
            Death::Term { after_ms } => {
                pause(after_ms / 2).await;
                self.publish()?;
                pause(after_ms.div_ceil(2)).await;
                program.signal(Signal::TERM);
                let status = program.ended(STOPS_WITHIN).await;
                if status.and_then(|status| status.code()) != Some(0) {
                    self.findings.add("stop", format!("SIGTERM in life {life}: {}", ended_as(status)));
                }
                return Ok(());
            }
            Death::Start { after_ms } => pause(after_ms).await,
        }
        program.signal(Signal::KILL);
        if program.ended(HANGS).await.is_none() {
            self.findings.add("stop", format!("life {life} does not die"));
        }
        Ok(())
    }

    /// What the dead program left behind.
    fn look(&mut self, program: &Program, death: Death, life: u64) -> io::Result<()> {
        let answered = self.pusher.answered();
        let aside = self.room.path("aside");
        check::copy_store(&self.room.state(), &aside)?;
        self.polls_of(life);
        let stored = match check::read_store(&aside) {
            Ok(stored) => stored,
            Err(error) => {
                self.findings.add("I7", format!("after life {life} the database does not open: {error}"));
                return Ok(());
            }
        };
        let published = self.published();
        check::after_death(&stored, &mut self.findings);
        check::answered_pushes(&stored, answered, &mut self.findings);
        check::moved_files(&self.room.path("seeds/done"), &stored, self.plan.seed, &mut self.findings);
        self.outcome.slowest_open_ms = self.outcome.slowest_open_ms.max(stored.opened_in.as_millis() as u64);
        if program.log().contains("panicked") {
            self.findings.add("panic", last_lines(program));
        }
        if !matches!(death, Death::Term { .. }) {
            self.outcome.kills += 1;
            let here = stored.keys.len() + stored.files.len();
            self.outcome.kills_with_work += u64::from(stored.pending > 0 || (here as u64) < published.total());
        }
        self.owed = stored.pending;
        if self.owed > BACKLOG {
            self.in_backlog.extend([life, life + 1]);
        }
        self.next_poll_at = stored.next_poll_at;
        Ok(())
    }

    /// I8, for the first request of each feed in this life.
    fn polls_of(&mut self, life: u64) {
        let asked = self.feeds.asked();
        for feed in 0..FEEDS {
            if let Some(first) = asked.iter().find(|asked| asked.life == life && asked.feed == feed) {
                let next = self.next_poll_at.get(&format!("f{feed}")).copied();
                check::polled_in_time(feed, first.at, next, &mut self.findings);
            }
        }
    }

    /// Beside the running program.
    fn take_backup(&mut self) -> io::Result<()> {
        let file = self.room.path("backup.db");
        let made = self.room.output(&["backup", &file.to_string_lossy()])?;
        if made.status.success() {
            self.backup = Some((self.published(), self.receiver.count()));
        } else {
            self.findings.add("backup", String::from_utf8_lossy(&made.stderr).into_owned());
        }
        Ok(())
    }

    /// A last life, with nothing in its way; then everything must be there.
    async fn settle(&mut self) -> io::Result<()> {
        self.receiver.calm();
        let life = self.plan.cycles;
        let stored = self.calm_life(life).await?;
        let published = self.published();
        let expected = published.expected(self.plan.seed);
        check::after_death(&stored, &mut self.findings);
        check::stored_is_published(&stored, &published, self.plan.seed, &mut self.findings);
        let requests = self.receiver.requests();
        let repeats_max = |life| {
            if self.in_backlog.contains(&life) { REPEATS_PER_KILL_IN_BACKLOG_MAX } else { REPEATS_PER_KILL_MAX }
        };
        let told = check::told(&requests, &expected, repeats_max, &mut self.findings);
        if stored.pending + stored.other_state > 0 || stored.delivered.len() != expected.len() {
            let Stored { pending, other_state, delivered, .. } = &stored;
            let text = format!("{} delivered, {pending} pending, {other_state} otherwise", delivered.len());
            self.findings.add("I2", format!("the outbox says {text}; {} were expected", expected.len()));
        }
        let (waiting, done) = self.room.files()?;
        if waiting > 0 || done as u64 != self.files {
            self.findings.add("I1", format!("{waiting} files wait, {done} of {} were moved", self.files));
        }
        for answer in self.pusher.unexpected() {
            self.findings.add("push", answer);
        }
        self.outcome.items = published.total();
        self.outcome.pushes = published.pushes;
        self.outcome.alerts_expected = expected.len();
        self.outcome.requests = requests.len();
        self.outcome.requests_again = told.again;
        self.outcome.repeats_after_200 = told.repeats.values().sum();
        let most = |backlog| {
            let lives = told.repeats.iter().filter(|(life, _)| self.in_backlog.contains(life) == backlog);
            lives.map(|(_, repeats)| *repeats).max().unwrap_or(0)
        };
        (self.outcome.repeats_most, self.outcome.repeats_most_in_backlog) = (most(false), most(true));
        Ok(())
    }

    /// Starts, waits until nothing is left to do, stops in order.
    async fn calm_life(&mut self, life: u64) -> io::Result<Stored> {
        self.feeds.next_life(life);
        self.receiver.next_life(life);
        let mut program = self.room.start(&["run"], &format!("log-{life}"))?;
        if !program.ready().await {
            self.findings.add("start", format!("the last life did not get ready: {}", last_lines(&program)));
        }
        let total = self.published().total();
        let state = self.room.state();
        until(HANGS, || check::peek(&state).is_some_and(|(pending, items)| pending == 0 && items >= total)).await;
        // Pushes are answered and files move after the commit that peek saw.
        until(HANGS, || self.pusher.answered() == self.pusher.published()).await;
        until(HANGS, || self.room.files().is_ok_and(|(waiting, _)| waiting == 0)).await;
        program.signal(Signal::TERM);
        let status = program.ended(STOPS_WITHIN).await;
        if status.and_then(|status| status.code()) != Some(0) {
            self.findings.add("stop", format!("the last stop: {}", ended_as(status)));
        }
        self.polls_of(life);
        let aside = self.room.path("aside");
        check::copy_store(&state, &aside)?;
        check::read_store(&aside).map_err(io::Error::other)
    }

    /// The backup of the middle in place of the store: what was told since is told again, under the same ids.
    async fn restore(&mut self) -> io::Result<()> {
        let Some((then, _)) = self.backup.take() else { return Ok(()) };
        let requests_before = self.receiver.requests();
        let backup = self.room.path("backup.db");
        let made = self.room.output(&["restore", &backup.to_string_lossy()])?;
        if !made.status.success() {
            self.findings.add("P12", String::from_utf8_lossy(&made.stderr).into_owned());
            return Ok(());
        }
        // What an operator has to do: offer again the files that came after the backup.
        for n in 0..self.files {
            let name = format!("files-{n}.txt");
            std::fs::rename(self.room.path("seeds/done").join(&name), self.room.path("seeds").join(&name))?;
        }
        // The same for what was pushed.
        self.pusher.again();
        self.feeds.forget_claims();
        self.next_poll_at.clear();
        let stored = self.calm_life(self.plan.cycles + 1).await?;
        let published = self.published();
        check::stored_is_published(&stored, &published, self.plan.seed, &mut self.findings);
        let requests = self.receiver.requests();
        let mut ids: BTreeMap<_, String> = BTreeMap::new();
        let later = &requests[requests_before.len()..];
        let either = published.raised_by_either(self.plan.seed);
        for (at, request) in requests.iter().enumerate() {
            let Some(alert) = check::alert_of(request) else { continue };
            let known = ids.entry(alert.clone()).or_insert_with(|| request.id.clone());
            if *known != request.id && !(at >= requests_before.len() && either.contains(&alert)) {
                let when = if at < requests_before.len() { "before" } else { "after" };
                self.findings.add("P12", format!("{when} the restore {} came as {known} and {}", alert.1, request.id));
            }
        }
        if stored.pending > 0 || (then.total() < published.total() && later.is_empty()) {
            self.findings.add("P12", format!("after the restore {} came and {} are owed", later.len(), stored.pending));
        }
        self.outcome.restored_again = later.len();
        Ok(())
    }

    fn finish(mut self) -> Outcome {
        self.outcome.findings = std::mem::take(&mut self.findings.0);
        if !self.outcome.findings.is_empty() && self.plan.planted.is_none() {
            self.room.keep = true;
            self.outcome.kept = Some(self.room.dir.display().to_string());
        }
        self.outcome.too_small = too_small(&self.outcome);
        self.outcome
    }
}

/// A run that saw next to nothing proves nothing: 2,000 items, 50 kills with work in flight and 20 repeats
/// for 200 cycles, and as much for each cycle in shorter runs.
fn too_small(outcome: &Outcome) -> Vec<String> {
    let share = (outcome.cycles as f64 / 200.0).min(1.0);
    let floor = |full: f64| (full * share).floor() as u64;
    [
        ("items", outcome.items, floor(2000.0)),
        ("kills with work in flight", outcome.kills_with_work, floor(50.0)),
        ("requests repeated after a 200", outcome.repeats_after_200 as u64, floor(20.0)),
    ]
    .into_iter()
    .filter(|(_, seen, floor)| seen < floor)
    .map(|(what, seen, floor)| format!("only {seen} {what}, {floor} are needed"))
    .collect()
}

fn last_lines(program: &Program) -> String {
    let log = program.log();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(5)..].join(" / ")
}
