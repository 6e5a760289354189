//! What each name in the seed directory is waiting for: to stand still, to be read, to be accepted,
//! or for nothing. Pure: it is told what was seen and when, and says what to do; `watch` does it.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use tokio::time::Instant;

use super::files::FileStamp;

/// A file that was not accepted is offered again after this long, or with the next scan.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);
/// A modification time this many settle times ago means that nobody writes any more.
pub(super) const OLD_SETTLES: u32 = 15;
/// A file changed so shortly before it was read may change again within the clock's grain.
pub(super) const GRAIN: Duration = Duration::from_secs(2);

/// The names at hand.
#[derive(Debug)]
pub(super) struct FileTracker {
    settle: Duration,
    retry: Duration,
    files: HashMap<OsString, TrackedState>,
    ready: VecDeque<OsString>,
    due: BTreeSet<(Instant, OsString)>,
    in_flight: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TrackedState {
    /// Looked at again at `until`; taken when the stamp is the same then. It has stood still `since` then.
    Settling { stamp: Option<FileStamp>, until: Instant, since: Instant },
    /// In `ready`. `calm`: how it stood still, where nobody told that it was closed.
    Queued { calm: Option<CalmFile> },
    /// Being read, parsed, committed, moved. `again`: it was written meanwhile.
    InFlight { again: bool, calm: Option<CalmFile> },
    /// Its content is known and it stays where it is.
    Held { stamp: FileStamp, racy: bool },
    /// Not taken. `retry`: it was not read, so each scan tries again.
    Refused { stamp: Option<FileStamp>, retry: bool },
}

/// What became of a name that was in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileOutcome {
    /// Known and in place; `age` is how long before the reading it was modified.
    Held { stamp: FileStamp, age: Duration },
    /// No longer in the directory.
    Gone,
    /// It changed under the reading, or is empty and may be about to be written.
    Unsettled,
    /// Its writer may not have finished: it must stand still for longer.
    MaybeUnfinished { stamp: FileStamp },
    /// Nobody took the batch.
    NotAccepted,
    /// Its content was refused, or it could not be read or moved (`retry`).
    Refused { stamp: Option<FileStamp>, retry: bool },
}

/// A file that stood still, where nobody told that it was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CalmFile {
    /// Since when.
    pub(super) since: Instant,
    /// As it was when it was looked at last.
    pub(super) seen: Option<SeenFile>,
}

/// A file as it was at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeenFile {
    pub(super) stamp: FileStamp,
    /// Not before the look.
    pub(super) at: Instant,
}

/// A file as it was when it was looked at last, and since when it has been so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StillFile {
    pub(super) stamp: Option<FileStamp>,
    since: Instant,
}

impl FileTracker {
    pub(super) fn new(settle: Duration, rescan: Duration) -> Self {
        let retry = rescan.min(RETRY_AFTER_MAX);
        Self { settle, retry, files: HashMap::new(), ready: VecDeque::new(), due: BTreeSet::new(), in_flight: 0 }
    }

    /// A writer closed the file, or it was renamed to this name: it is complete.
    pub(super) fn closed(&mut self, name: &OsStr) {
        match self.files.get_mut(name) {
            Some(TrackedState::InFlight { again, .. }) => *again = true,
            Some(TrackedState::Queued { .. }) => {}
            _ => self.queue(name, None),
        }
    }

    /// The file was created or its metadata changed.
    pub(super) fn touched(&mut self, name: &OsStr, now: Instant) {
        match self.files.get(name) {
            None => self.wait(name, None, now + self.settle),
            // Permissions may have been mended.
            Some(TrackedState::Refused { .. }) => self.queue(name, Some(CalmFile { since: now, seen: None })),
            Some(_) => {}
        }
    }

    /// A scan saw a regular file, modified so long ago.
    pub(super) fn saw(&mut self, name: &OsStr, seen: FileStamp, age: Duration, now: Instant) {
        let calm =
            CalmFile { since: now.checked_sub(age).unwrap_or(now), seen: Some(SeenFile { stamp: seen, at: now }) };
        match self.files.get(name) {
            None if age >= self.settle * OLD_SETTLES => self.queue(name, Some(calm)),
            None => self.wait(name, Some(seen), now + self.settle),
            Some(TrackedState::Held { stamp, racy }) if *racy || *stamp != seen => {
                self.wait(name, Some(seen), now + self.settle);
            }
            Some(TrackedState::Refused { retry: true, .. }) => self.queue(name, Some(calm)),
            Some(TrackedState::Refused { stamp, .. }) if *stamp != Some(seen) => {
                self.wait(name, Some(seen), now + self.settle);
            }
            Some(_) => {}
        }
    }

    /// A scan saw something that will be refused unread.
    pub(super) fn saw_odd(&mut self, name: &OsStr, now: Instant) {
        if matches!(self.files.get(name), None | Some(TrackedState::Refused { .. } | TrackedState::Held { .. })) {
            self.queue(name, Some(CalmFile { since: now, seen: None }));
        }
    }

    /// The content of this file is known from an earlier run: it need not be read.
    pub(super) fn hold(&mut self, name: &OsStr, stamp: FileStamp) {
        self.set(name, TrackedState::Held { stamp, racy: false });
    }

    /// Whether a scan has news of this name.
    pub(super) fn is_tracked(&self, name: &OsStr) -> bool {
        self.files.contains_key(name)
    }

    /// It was heard before this began that a file was closed: it need not stand still first.
    pub(super) fn was_closed(&mut self, name: &OsStr) {
        if matches!(self.files.get(name), Some(TrackedState::Settling { .. })) {
            self.queue(name, None);
        }
    }

    /// Forgets kept files that a scan did not see. Others tell themselves when they are looked at.
    pub(super) fn forget_missing(&mut self, seen: &HashSet<OsString>) {
        self.files.retain(|name, state| {
            seen.contains(name) || !matches!(state, TrackedState::Held { .. } | TrackedState::Refused { .. })
        });
    }

    /// The next time a settling file must be looked at.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(until, _)| *until)
    }

    /// A settling file whose time has come, with the stamp it had and since when.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(OsString, StillFile)> {
        if self.next_due()? > now {
            return None;
        }
        let (_, name) = self.due.pop_first()?;
        match self.files.remove(&name) {
            Some(TrackedState::Settling { stamp, since, .. }) => Some((name, StillFile { stamp, since })),
            _ => None,
        }
    }

    /// A due file was looked at again.
    pub(super) fn looked(&mut self, name: &OsStr, before: StillFile, after: FileStamp, now: Instant) {
        if before.stamp == Some(after) {
            self.queue(name, Some(CalmFile { since: before.since, seen: Some(SeenFile { stamp: after, at: now }) }));
        } else {
            self.wait(name, Some(after), now + self.settle);
        }
    }

    /// The next file to take, and how it stood still where nobody told that it was closed.
    pub(super) fn start(&mut self) -> Option<(OsString, Option<CalmFile>)> {
        let name = self.ready.pop_front()?;
        let calm = match self.files.get(&name) {
            Some(TrackedState::Queued { calm }) => *calm,
            _ => None,
        };
        self.in_flight += 1;
        self.files.insert(name.clone(), TrackedState::InFlight { again: false, calm });
        Some((name, calm))
    }

    /// A file in flight has landed. Says whether this differs from how it landed before.
    pub(super) fn done(&mut self, name: &OsStr, done: FileOutcome, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let (again, calm) = match self.files.remove(name) {
            Some(TrackedState::InFlight { again, calm }) => (again, calm),
            _ => (false, None),
        };
        match done {
            _ if again => self.queue(name, None),
            FileOutcome::Held { stamp, age } => self.set(name, TrackedState::Held { stamp, racy: age < GRAIN }),
            FileOutcome::Gone => {}
            FileOutcome::Unsettled => self.wait(name, None, now + self.settle),
            FileOutcome::MaybeUnfinished { stamp } => {
                // The longer it has stood still, the less often it is worth a look.
                let since = calm.map_or(now, |calm| calm.since);
                let pause = self.settle.max(now.saturating_duration_since(since) / 8);
                self.wait_since(name, Some(stamp), now + pause, since);
            }
            FileOutcome::NotAccepted => self.wait(name, None, now + self.retry),
            FileOutcome::Refused { stamp, retry } => self.set(name, TrackedState::Refused { stamp, retry }),
        }
    }

    /// Names waiting to stand still or to be taken.
    pub(super) fn waiting(&self) -> usize {
        self.ready.len() + self.due.len()
    }

    /// Names being taken.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn queue(&mut self, name: &OsStr, calm: Option<CalmFile>) {
        self.set(name, TrackedState::Queued { calm });
        self.ready.push_back(name.to_owned());
    }

    fn wait(&mut self, name: &OsStr, stamp: Option<FileStamp>, until: Instant) {
        self.wait_since(name, stamp, until, until.checked_sub(self.settle).unwrap_or(until));
    }

    fn wait_since(&mut self, name: &OsStr, stamp: Option<FileStamp>, until: Instant, since: Instant) {
        self.set(name, TrackedState::Settling { stamp, until, since });
        self.due.insert((until, name.to_owned()));
    }

    fn set(&mut self, name: &OsStr, state: TrackedState) {
        if let Some(TrackedState::Settling { until, .. }) = self.files.insert(name.to_owned(), state) {
            self.due.remove(&(until, name.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(1);

    struct Bench {
        ledger: FileTracker,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { ledger: FileTracker::new(SETTLE, Duration::from_secs(60)), now: Instant::now() }
        }

        fn started(&mut self) -> Option<(String, bool)> {
            self.ledger.start().map(|(name, calm)| (name.to_string_lossy().into_owned(), calm.is_some()))
        }

        /// For how long the next file stood still.
        fn stood_still(&mut self) -> Option<Duration> {
            let (_, calm) = self.ledger.start()?;
            calm.map(|calm| self.now.saturating_duration_since(calm.since))
        }

        fn saw(&mut self, stamp: FileStamp) {
            self.ledger.saw("a".as_ref(), stamp, Duration::ZERO, self.now);
        }

        fn passes_settle(&mut self, after: FileStamp) {
            self.now += SETTLE;
            let (name, before) = self.ledger.pop_due(self.now).expect("due");
            self.ledger.looked(&name, before, after, self.now);
        }

        fn done(&mut self, done: FileOutcome) {
            self.ledger.done("a".as_ref(), done, self.now);
        }
    }

    fn stamp(text: &str) -> FileStamp {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        FileStamp::of(&rustix::fs::stat(file.path()).expect("there"))
    }

    fn held(stamp: FileStamp) -> FileOutcome {
        FileOutcome::Held { stamp, age: Duration::from_secs(60) }
    }

    #[tokio::test]
    async fn closed_file_is_taken_at_once_and_only_once() {
        let mut bench = Bench::new();
        bench.ledger.touched("a".as_ref(), bench.now);
        bench.ledger.closed("a".as_ref());
        bench.ledger.closed("a".as_ref());
        assert_eq!(bench.started(), Some(("a".to_owned(), false)));
        assert_eq!((bench.started(), bench.ledger.next_due()), (None, None));
    }

    #[tokio::test]
    async fn file_without_close_waits_until_it_stands_still() {
        let mut bench = Bench::new();
        let (one, two) = (stamp("1"), stamp("22"));
        bench.saw(one);
        assert_eq!(bench.started(), None);
        bench.passes_settle(two);
        assert_eq!(bench.started(), None);
        bench.passes_settle(two);
        assert_eq!(bench.started(), Some(("a".to_owned(), true)));
    }

    #[tokio::test]
    async fn file_that_may_be_unfinished_is_offered_again_with_the_time_it_has_stood_still() {
        let mut bench = Bench::new();
        let one = stamp("1");
        bench.saw(one);
        bench.passes_settle(one);
        assert_eq!(bench.stood_still(), Some(SETTLE));
        bench.done(FileOutcome::MaybeUnfinished { stamp: one });
        bench.passes_settle(one);
        assert_eq!(bench.stood_still(), Some(SETTLE * 2));
        bench.done(FileOutcome::MaybeUnfinished { stamp: one });
        bench.passes_settle(stamp("22"));
        bench.passes_settle(one);
        assert_eq!(bench.started(), None, "a write begins it anew");
    }

    #[tokio::test]
    async fn file_that_stood_still_is_offered_as_it_was_seen() {
        let mut bench = Bench::new();
        let (one, two) = (stamp("1"), stamp("22"));
        bench.ledger.saw("a".as_ref(), one, SETTLE * OLD_SETTLES, bench.now);
        let seen = |bench: &mut Bench| bench.ledger.start().and_then(|(_, calm)| calm?.seen);
        assert_eq!(seen(&mut bench), Some(SeenFile { stamp: one, at: bench.now }));
        bench.done(FileOutcome::Unsettled);
        bench.passes_settle(two);
        bench.passes_settle(two);
        assert_eq!(seen(&mut bench), Some(SeenFile { stamp: two, at: bench.now }));
    }

    #[tokio::test]
    async fn file_untouched_for_long_is_taken_at_once() {
        let mut bench = Bench::new();
        bench.ledger.saw("a".as_ref(), stamp("1"), SETTLE * OLD_SETTLES, bench.now);
        assert!(bench.started().is_some());
    }

    #[tokio::test]
    async fn file_written_while_in_flight_is_taken_again() {
        let mut bench = Bench::new();
        bench.ledger.closed("a".as_ref());
        bench.started().expect("started");
        bench.ledger.closed("a".as_ref());
        bench.done(held(stamp("1")));
        assert!(bench.started().is_some());
    }

    #[tokio::test]
    async fn kept_file_rests_until_its_stamp_differs() {
        let mut bench = Bench::new();
        let (one, two) = (stamp("1"), stamp("2"));
        bench.ledger.closed("a".as_ref());
        bench.started().expect("started");
        bench.done(held(one));
        bench.saw(one);
        assert_eq!(bench.ledger.waiting(), 0);
        bench.saw(two);
        assert_eq!(bench.ledger.waiting(), 1);
    }

    #[tokio::test]
    async fn kept_file_read_within_the_clocks_grain_is_read_once_more() {
        let mut bench = Bench::new();
        let one = stamp("1");
        bench.ledger.closed("a".as_ref());
        bench.started().expect("started");
        bench.done(FileOutcome::Held { stamp: one, age: Duration::from_millis(3) });
        bench.saw(one);
        bench.passes_settle(one);
        assert!(bench.started().is_some());
        bench.done(held(one));
        bench.saw(one);
        assert_eq!(bench.ledger.waiting(), 0);
    }

    #[tokio::test]
    async fn refused_content_rests_and_refused_unread_is_retried() {
        let mut bench = Bench::new();
        let one = stamp("1");
        bench.ledger.closed("a".as_ref());
        bench.started().expect("started");
        bench.done(FileOutcome::Refused { stamp: Some(one), retry: false });
        bench.saw(one);
        assert_eq!(bench.ledger.waiting(), 0);
        bench.ledger.touched("a".as_ref(), bench.now);
        bench.started().expect("permissions may be mended");
        bench.done(FileOutcome::Refused { stamp: None, retry: true });
        bench.saw(one);
        assert_eq!(bench.ledger.waiting(), 1);
    }

    #[tokio::test]
    async fn batch_not_accepted_is_offered_again_later() {
        let mut bench = Bench::new();
        bench.ledger.closed("a".as_ref());
        bench.started().expect("started");
        bench.done(FileOutcome::NotAccepted);
        assert_eq!((bench.started(), bench.ledger.next_due()), (None, Some(bench.now + RETRY_AFTER_MAX)));
    }

    #[tokio::test]
    async fn missing_kept_files_are_forgotten_and_pending_ones_are_not() {
        let mut bench = Bench::new();
        bench.ledger.hold("old".as_ref(), stamp("1"));
        bench.ledger.touched("new".as_ref(), bench.now);
        bench.ledger.forget_missing(&HashSet::new());
        assert!(!bench.ledger.is_tracked("old".as_ref()) && bench.ledger.is_tracked("new".as_ref()));
    }
}
