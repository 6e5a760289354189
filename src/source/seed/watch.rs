//! The task that keeps the seed directory read: hints are followed at once, a full scan at start
//! and every `rescan` is the truth, and every file taken rests where the config says after its
//! commit. This loop decides and logs; `ledger` keeps the books, `take` handles one file.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::AfterTaken;
use super::SeedInputs;
use super::files::{self, FileStamp, ReadError};
use super::folder::OpenFolder;
use super::hints::{DirHint, DirHints};
use super::known::KnownSeeds;
use super::ledger::FileTracker;
use super::maildir;
use super::names::NameRules;
use super::reading::{FileReader, ReadingRooms};
use super::take::{FileNews, FileTaker, MoveQueue, TakenFile};
use crate::model::{RejectReason, SeedFile, Timestamp};
use crate::telemetry::Pulse;
use crate::text::clean;

/// Files between reading and receipt: enough that a group of them is read and prepared while another is stored.
const IN_FLIGHT_MAX: usize = 1024;
/// Without a watch, or without a directory, a scan must do more often.
const SCAN_UNWATCHED_EVERY: Duration = Duration::from_secs(5);
/// The loop turns at least this often, to be seen alive.
const TURN_MAX: Duration = Duration::from_secs(10);
/// At a stop, files in flight have this long for their receipt.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// How many settle times a single scan waits for files that are still being written.
const ONCE_SETTLES_MAX: u32 = 20;

/// Whether the directory is there and how it is followed; from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirState {
    /// Not looked at yet, or seeds are off.
    #[default]
    Off,
    /// Changes are told by the kernel.
    Watched,
    /// The kernel cannot tell: scanned often.
    Polled,
    /// Not there.
    Missing,
    /// There, but it cannot be listed.
    Unreadable,
}

/// The state of the seed directory, for health and `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct SeedStatus {
    /// The directory.
    pub dir: DirState,
    /// Files waiting to stand still or to be taken.
    pub waiting: u64,
    /// Files being taken.
    pub in_flight: u64,
    /// Files taken since the start.
    pub taken: u64,
    /// Files refused since the start.
    pub refused: u64,
    /// Files whose content was known.
    pub known: u64,
    /// Files read while their writers had them open, or written on after they were moved.
    pub held_open: u64,
    /// Times the kernel told of more than was kept; a scan made up for each.
    pub overflows: u64,
    /// It holds more names than a scan sees.
    pub crowded: bool,
    /// Full scans since the start.
    pub scans: u64,
    /// The last of them.
    pub scanned_at: Option<Timestamp>,
}

impl SeedStatus {
    /// Together with the folder beside it: of the two, the directory is as the worse one is.
    fn with(self, other: &Self) -> Self {
        Self {
            dir: self.dir.max(other.dir),
            waiting: self.waiting + other.waiting,
            in_flight: self.in_flight + other.in_flight,
            taken: self.taken + other.taken,
            refused: self.refused + other.refused,
            known: self.known + other.known,
            held_open: self.held_open + other.held_open,
            overflows: self.overflows + other.overflows,
            crowded: self.crowded || other.crowded,
            scans: self.scans.min(other.scans),
            scanned_at: self.scanned_at.min(other.scanned_at),
        }
    }
}

/// What one scan did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScanSummary {
    /// Counts, as for the running task.
    pub status: SeedStatus,
    /// New items.
    pub new_items: u64,
    /// Files that did not stand still or were not accepted.
    pub left: u64,
}

/// The seed directory's task.
pub struct SeedWatcher {
    taker: Arc<FileTaker>,
    names: NameRules,
    ledger: FileTracker,
    jobs: JoinSet<TakenFile>,
    hints: Option<DirHints>,
    watched_place: Option<(u64, u64)>,
    next_scan: Instant,
    stuck: HashSet<OsString>,
    new_items: u64,
    status: SeedStatus,
    told: watch::Sender<SeedStatus>,
    pulse: Pulse,
    ingest_gone: bool,
    /// The `cur` of a Maildir whose `new` this one watches.
    beside: Option<Box<SeedWatcher>>,
    beside_status: Option<watch::Receiver<SeedStatus>>,
    /// Files that were closed a moment before this began.
    lately_closed: Vec<OsString>,
}

/// A directory as a scan found it.
struct DirScan {
    place: (u64, u64),
    names: Vec<(OsString, Result<Option<FileStamp>, ReadError>)>,
    crowded: bool,
    /// Files written on after they were moved, brought back to be read again.
    returned: Vec<OsString>,
}

impl SeedWatcher {
    /// `known` is what the store remembers of seed files.
    #[must_use]
    pub fn new(inputs: SeedInputs, known: impl IntoIterator<Item = SeedFile>) -> Self {
        let (known, rooms) = (Arc::new(KnownSeeds::new(known)), Arc::<ReadingRooms>::default());
        let Some((new, cur)) = inputs.config.dir.as_deref().and_then(maildir::folders) else {
            let dir = inputs.config.dir.clone().unwrap_or_default();
            return Self::of(dir, inputs, known, rooms, None);
        };
        let since = inputs.watched_since;
        let beside = Self::of(cur, inputs.clone(), Arc::clone(&known), Arc::clone(&rooms), Some(since));
        let beside_status = Some(beside.status());
        Self { beside: Some(Box::new(beside)), beside_status, ..Self::of(new, inputs, known, rooms, None) }
    }

    fn of(
        dir: PathBuf,
        inputs: SeedInputs,
        known: Arc<KnownSeeds>,
        rooms: Arc<ReadingRooms>,
        quiet_before: Option<Timestamp>,
    ) -> Self {
        let names = NameRules::new(&inputs.config.include, &inputs.config.ignore);
        let ledger = FileTracker::new(inputs.config.settle, inputs.config.rescan);
        let taker = Arc::new(FileTaker {
            reader: Arc::new(FileReader::new(dir, inputs, known, rooms)),
            quiet_before,
            moves: MoveQueue::default(),
            moved: Mutex::default(),
        });
        Self {
            taker,
            names,
            ledger,
            jobs: JoinSet::new(),
            hints: None,
            watched_place: None,
            next_scan: Instant::now(),
            stuck: HashSet::new(),
            new_items: 0,
            status: SeedStatus::default(),
            told: watch::channel(SeedStatus::default()).0,
            pulse: Pulse::default(),
            ingest_gone: false,
            beside: None,
            beside_status: None,
            lately_closed: Vec::new(),
        }
    }

    /// It was heard of these that they were closed a moment ago: they are taken at once.
    #[must_use]
    pub fn after(mut self, lately_closed: Vec<OsString>) -> Self {
        self.lately_closed = lately_closed;
        self
    }

    /// Follows the state from elsewhere.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<SeedStatus> {
        self.told.subscribe()
    }

    /// Tells its state and its heartbeat to whoever outlives it, so that a reload can replace it.
    #[must_use]
    pub fn telling(mut self, status: watch::Sender<SeedStatus>, pulse: Pulse) -> Self {
        self.told = status;
        self.pulse = pulse;
        self
    }

    /// Reads the directory until cancelled, then waits shortly for what is in flight.
    pub async fn run(mut self, cancel: CancellationToken) {
        match self.beside.take() {
            Some(beside) => {
                tokio::join!(beside.run_alone(cancel.clone()), self.run_alone(cancel));
            }
            None => self.run_alone(cancel).await,
        }
    }

    async fn run_alone(mut self, cancel: CancellationToken) {
        if self.taker.reader.inputs.config.dir.is_none() {
            cancel.cancelled().await;
            return;
        }
        while !self.ingest_gone {
            self.pulse.beat(self.taker.reader.inputs.clock.now());
            self.start_jobs();
            self.tell();
            let due = self.ledger.next_due();
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some(landed) = self.jobs.join_next() => self.landed(landed),
                hint = next_hint(&mut self.hints) => self.hinted(&hint),
                () = sleep_until(due) => self.look_at_due().await,
                () = tokio::time::sleep(TURN_MAX) => {}
                () = tokio::time::sleep_until(self.next_scan) => {
                    let every = self.scan(true).await;
                    self.next_scan = Instant::now() + every;
                }
            }
        }
        self.drain().await;
        self.pulse.rest();
    }

    /// Takes what is in the directory now, waits until it is durable, and returns.
    pub async fn scan_once(mut self, cancel: CancellationToken) -> ScanSummary {
        let Some(beside) = self.beside.take() else { return self.scan_alone_once(cancel).await };
        // First what was moved already: while that is read, more of `new` may be.
        let (new, cur) = (self.scan_alone_once(cancel.clone()).await, beside.scan_alone_once(cancel).await);
        ScanSummary {
            status: new.status.with(&cur.status),
            new_items: new.new_items + cur.new_items,
            left: new.left + cur.left,
        }
    }

    async fn scan_alone_once(mut self, cancel: CancellationToken) -> ScanSummary {
        if self.taker.reader.inputs.config.dir.is_none() {
            return ScanSummary::default();
        }
        let patience = Instant::now() + self.taker.reader.inputs.config.settle * ONCE_SETTLES_MAX;
        self.scan(false).await;
        loop {
            self.start_jobs();
            let due = self.ledger.next_due().filter(|_| Instant::now() < patience);
            let idle = self.ledger.in_flight() == 0 && due.is_none();
            if self.ingest_gone || idle {
                break;
            }
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some(landed) = self.jobs.join_next() => self.landed(landed),
                () = sleep_until(due) => self.look_at_due().await,
            }
        }
        self.drain().await;
        self.tell();
        ScanSummary { status: self.status, new_items: self.new_items, left: self.ledger.waiting() as u64 }
    }

    /// As if this file had just been moved.
    #[cfg(test)]
    pub(super) fn watch_moved(&self, name: OsString, folder: PathBuf, stamp: FileStamp) {
        let until = self.taker.reader.inputs.clock.now().plus(Duration::from_secs(60));
        let moved_as = name.clone();
        self.taker.watch_moved(super::take::WatchedMove { name, folder, moved_as, stamp, until });
    }

    /// Counts the looks at the open files.
    #[cfg(test)]
    pub(super) fn walks(&self) -> impl Fn() -> usize + use<> {
        let taker = Arc::clone(&self.taker);
        move || taker.reader.writers.walks()
    }

    fn start_jobs(&mut self) {
        while self.jobs.len() < IN_FLIGHT_MAX {
            let Some((name, calm)) = self.ledger.start() else { break };
            self.jobs.spawn(self.taker.clone().take(name, calm));
        }
    }

    fn hinted(&mut self, hint: &DirHint) {
        match hint {
            DirHint::Closed(name) if self.takes(name) => self.ledger.closed(name),
            DirHint::Touched(name) if self.takes(name) => self.ledger.touched(name, Instant::now()),
            DirHint::Scan => self.next_scan = Instant::now(),
            DirHint::Closed(_) | DirHint::Touched(_) => {}
        }
    }

    fn takes(&self, name: &OsStr) -> bool {
        self.names.takes(&name.to_string_lossy())
    }

    /// Looks again at the files whose settle time is over.
    async fn look_at_due(&mut self) {
        let mut due = Vec::new();
        while let Some(next) = self.ledger.pop_due(Instant::now()) {
            due.push(next);
        }
        let taker = self.taker.clone();
        let job = tokio::task::spawn_blocking(move || {
            let max = taker.reader.inputs.config.file_bytes_max;
            // Without the directory there is nothing to look at; a scan finds out and says so.
            let Ok(dir) = OpenFolder::open(&taker.reader.dir) else { return Vec::new() };
            let look = |(name, before): (OsString, _)| (files::look(&dir, &name, max), name, before);
            due.into_iter().map(look).collect::<Vec<_>>()
        });
        let Ok(looks) = job.await else { return };
        for (look, name, before) in looks {
            match look {
                Ok(Some(after)) => self.ledger.looked(&name, before, after, Instant::now()),
                Ok(None) | Err(ReadError::Gone) => {}
                Err(_) => self.ledger.saw_odd(&name, Instant::now()),
            }
        }
    }

    /// Lists and looks at everything, watching first so that nothing falls in between. Returns when
    /// to come again.
    async fn scan(&mut self, watching: bool) -> Duration {
        self.status.overflows += self.hints.as_ref().map_or(0, DirHints::take_overflows);
        let config = &self.taker.reader.inputs.config;
        let (rescan, unwatched) = (config.rescan, config.rescan.min(SCAN_UNWATCHED_EVERY));
        let state = if watching { self.watch_anew().await } else { Ok(DirState::Polled) };
        let scan = match state {
            Ok(state) => self.list().await.map(|scan| (state, scan)),
            Err(error) => Err(error),
        };
        match scan {
            Ok((state, scan)) => {
                self.enter(state);
                self.compare(scan);
                if state == DirState::Watched { rescan } else { unwatched }
            }
            Err(error) => {
                self.hints = None;
                self.watched_place = None;
                let missing = error.kind() == io::ErrorKind::NotFound;
                self.enter_failed(if missing { DirState::Missing } else { DirState::Unreadable }, &error);
                unwatched
            }
        }
    }

    /// Watches the directory that has the name now: after a delete and a new `mkdir` the old watch
    /// is on a dead inode and tells nothing.
    async fn watch_anew(&mut self) -> io::Result<DirState> {
        let meta = tokio::fs::metadata(&self.taker.reader.dir).await?;
        if !meta.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is not a directory"));
        }
        let place = (meta.dev(), meta.ino());
        let alive = self.hints.as_ref().is_some_and(|hints| !hints.is_gone());
        if alive && self.watched_place == Some(place) {
            return Ok(DirState::Watched);
        }
        self.hints = None;
        let (dir, unclosed) = (self.taker.reader.dir.clone(), self.taker.reader.writers.unclosed.clone());
        let watched = tokio::task::spawn_blocking(move || DirHints::of(&dir, unclosed)).await;
        match watched {
            Ok(Ok(hints)) => {
                self.hints = Some(hints);
                self.watched_place = Some(place);
                Ok(DirState::Watched)
            }
            Ok(Err(error)) => {
                if self.status.dir != DirState::Polled {
                    let error = clean::excerpt(&error.to_string(), 200);
                    warn!(dir = %self.shown_dir(), error, "seed directory cannot be watched; scanning it often instead");
                }
                Ok(DirState::Polled)
            }
            Err(_) => Ok(DirState::Polled),
        }
    }

    async fn list(&self) -> io::Result<DirScan> {
        let (taker, names, now) = (self.taker.clone(), self.names.clone(), self.taker.reader.inputs.clock.now());
        let job = tokio::task::spawn_blocking(move || {
            let returned = taker.bring_back(now);
            let dir = OpenFolder::open(&taker.reader.dir)?;
            let listed = dir.names(files::LISTED_MAX)?;
            let crowded = listed.len() >= files::LISTED_MAX;
            let max = taker.reader.inputs.config.file_bytes_max;
            let looked = listed.into_iter().filter(|name| names.takes(&name.to_string_lossy())).map(|name| {
                let look = files::look(&dir, &name, max);
                (name, look)
            });
            Ok(DirScan { place: dir.place()?, names: looked.collect(), crowded, returned })
        });
        job.await.map_err(io::Error::other)?
    }

    fn compare(&mut self, scan: DirScan) {
        // Replaced between the watch and the listing: come again at once.
        if self.watched_place.is_some_and(|place| place != scan.place) {
            self.watched_place = None;
        }
        if scan.crowded && !self.status.crowded {
            let max = files::LISTED_MAX;
            warn!(dir = %self.shown_dir(), max, "seed directory holds more files than a scan sees; move taken files away");
        }
        self.status.crowded = scan.crowded;
        for name in &scan.returned {
            self.status.held_open += 1;
            let (file, hint) = (files::shown(name), super::hint(RejectReason::HeldOpen));
            warn!(file, hint, "seed file was written on after it was moved: brought back and read again");
        }
        let (now, wall) = (Instant::now(), self.taker.reader.inputs.clock.now());
        let keep = self.taker.reader.inputs.config.after == AfterTaken::Keep;
        let mut seen = HashSet::with_capacity(scan.names.len());
        for (name, look) in scan.names {
            match look {
                Ok(Some(stamp)) => {
                    let age = wall.since(stamp.modified());
                    let known = || self.taker.reader.known.was_taken(&name.to_string_lossy(), &stamp);
                    if keep && !self.ledger.is_tracked(&name) && known() {
                        self.ledger.hold(&name, stamp);
                    } else {
                        self.ledger.saw(&name, stamp, age, now);
                    }
                }
                Ok(None) | Err(ReadError::Gone) => continue,
                Err(_) => self.ledger.saw_odd(&name, Instant::now()),
            }
            seen.insert(name);
        }
        for name in std::mem::take(&mut self.lately_closed) {
            self.ledger.was_closed(&name);
        }
        self.ledger.forget_missing(&seen);
        self.stuck.retain(|name| seen.contains(name));
        self.status.scans += 1;
        self.status.scanned_at = Some(wall);
    }

    fn landed(&mut self, landed: Result<TakenFile, tokio::task::JoinError>) {
        // A job that panicked is a bug; its name is found again by the next scan.
        let Ok(TakenFile { name, done, news }) = landed else { return };
        self.ledger.done(&name, done, Instant::now());
        let file = files::shown(&name);
        match news {
            FileNews::None => {}
            FileNews::Known => {
                self.status.known += 1;
                debug!(file, "seed file with known content");
            }
            FileNews::Taken { format, receipt, warnings, held_open } => {
                if held_open {
                    self.status.held_open += 1;
                    let hint = super::hint(RejectReason::HeldOpen);
                    warn!(file, hint, "seed file read while its writer has it open: it may be half");
                }
                self.status.taken += 1;
                self.new_items += receipt.new;
                let warnings = clean::excerpt(&warnings.join("; "), 300);
                debug!(file, ?format, new = receipt.new, known = receipt.known, warnings, "seed file taken");
            }
            FileNews::Refused(rejection) => {
                self.status.refused += 1;
                let detail = clean::excerpt(&rejection.detail, 300);
                let hint = super::hint(rejection.reason);
                warn!(file, reason = %rejection.reason, detail, hint, "seed file refused");
            }
            FileNews::NotMoved(error) => {
                if self.stuck.insert(name) {
                    let error = clean::excerpt(&error.to_string(), 300);
                    warn!(file, error, "seed file taken but not moved; trying again at each scan");
                }
            }
            FileNews::NotAccepted => debug!(file, "seed file not accepted; offering it again"),
            FileNews::Closed => self.ingest_gone = true,
        }
    }

    async fn drain(&mut self) {
        let until = Instant::now() + DRAIN_MAX;
        while let Ok(Some(landed)) = tokio::time::timeout_at(until, self.jobs.join_next()).await {
            self.landed(landed);
        }
        self.jobs.abort_all();
    }

    fn enter(&mut self, state: DirState) {
        if state != self.status.dir && state == DirState::Watched {
            info!(dir = %self.shown_dir(), "seed directory watched");
        }
        self.status.dir = state;
    }

    fn enter_failed(&mut self, state: DirState, error: &io::Error) {
        if state != self.status.dir {
            let error = clean::excerpt(&error.to_string(), 200);
            warn!(dir = %self.shown_dir(), error, "seed directory cannot be read; looking again until it can");
        }
        self.status.dir = state;
    }

    fn shown_dir(&self) -> String {
        shown_path(&self.taker.reader.dir)
    }

    fn tell(&mut self) {
        self.status.waiting = self.ledger.waiting() as u64;
        self.status.in_flight = self.ledger.in_flight() as u64;
        let status = self.beside_status.as_ref().map_or(self.status, |beside| self.status.with(&beside.borrow()));
        self.told.send_if_modified(|told| std::mem::replace(told, status) != status);
    }
}

fn shown_path(path: &Path) -> String {
    clean::excerpt(&path.to_string_lossy(), 200)
}

async fn next_hint(hints: &mut Option<DirHints>) -> DirHint {
    match hints {
        Some(hints) => hints.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
