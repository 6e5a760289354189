//! Planned crashes, hangs and bugs: in a debug build, `WIREWATCH_FAILPOINT=name` kills the process without a
//! word when it gets to that point, `name:3` when it gets there for the third time; `WIREWATCH_PLANTED=name`
//! plants a bug, which the proofs must find. A release build has none of it.

/// Between which two writes the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failpoint {
    /// A document is being read.
    Reading,
    /// A seed file was read; `ingest` does not have it.
    SeedRead,
    /// A feed document was read; `ingest` does not have it.
    FeedRead,
    /// What was fetched, or taken from a seed directory, is in the inbox; nobody was told.
    InInbox,
    /// Everything is written; the transaction is not committed.
    BeforeCommit,
    /// The transaction is committed; nobody was told.
    AfterCommit,
    /// A seed file's items are durable; the file is where it was.
    SeedAccepted,
    /// The receiver answered; the attempt is not recorded.
    Answered,
    /// The attempt is on disk; the queue does not know.
    Recorded,
}

impl Failpoint {
    /// Those of one process.
    pub const ALL: [Self; 8] = [
        Self::Reading,
        Self::SeedRead,
        Self::FeedRead,
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::SeedAccepted,
        Self::Answered,
        Self::Recorded,
    ];

    /// Those of one that is not the only process on its store.
    pub const OF_SEVERAL: [Self; 1] = [Self::InInbox];

    /// The name in the variable.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::SeedRead => "seed-read",
            Self::FeedRead => "feed-read",
            Self::InInbox => "in-inbox",
            Self::BeforeCommit => "before-commit",
            Self::AfterCommit => "after-commit",
            Self::SeedAccepted => "seed-accepted",
            Self::Answered => "answered",
            Self::Recorded => "recorded",
        }
    }

    /// Dies here if this is the point and the time.
    #[inline]
    pub fn pass(self) {
        #[cfg(debug_assertions)]
        armed::pass(self);
    }
}

/// A bug that would break a promise, to see that the proofs notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// A feed's validators are stored before the items they cover.
    EtagFirst,
    /// Alerts get a random id instead of a derived one.
    RandomIds,
    /// A delivery is settled before it is sent.
    DeliveredFirst,
    /// A seed file moves before its items are committed.
    MoveFirst,
    /// A push is answered before its items are committed.
    AnsweredFirst,
    /// Outbox rows are written after the transaction of what they tell of.
    OutboxApart,
    /// What an endpoint was told is noted in a transaction of its own, before that of the alert.
    ToldFirst,
    /// What an endpoint was told is noted for another one.
    ToldElsewhere,
    /// SQLite does not sync at all.
    SyncOff,
    /// SQLite syncs only at checkpoints.
    SyncNormal,
    /// Nobody asks whether another process decides by now.
    FenceOff,
    /// That is asked once on each connection, not in each transaction.
    FenceOnce,
    /// The memory of a process that stood by is not brought up to date before it decides.
    ColdMemory,
    /// What came by the inbox is answered there before its items are committed.
    InboxFirst,
    /// What a process has claimed to send stays its own, though it is gone.
    ClaimWithoutTime,
}

impl Planted {
    /// Those of one process.
    pub const ALL: [Self; 10] = [
        Self::EtagFirst,
        Self::RandomIds,
        Self::DeliveredFirst,
        Self::MoveFirst,
        Self::AnsweredFirst,
        Self::OutboxApart,
        Self::ToldFirst,
        Self::ToldElsewhere,
        Self::SyncOff,
        Self::SyncNormal,
    ];

    /// Those of several processes on one store: `proof/cluster --planted` has to notice.
    pub const OF_SEVERAL: [Self; 5] =
        [Self::FenceOff, Self::FenceOnce, Self::ColdMemory, Self::InboxFirst, Self::ClaimWithoutTime];

    #[cfg(any(test, debug_assertions))]
    fn every() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().chain(Self::OF_SEVERAL)
    }

    /// The name in the variable.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EtagFirst => "etag-first",
            Self::RandomIds => "random-ids",
            Self::DeliveredFirst => "delivered-first",
            Self::MoveFirst => "move-first",
            Self::AnsweredFirst => "answered-first",
            Self::OutboxApart => "outbox-apart",
            Self::ToldFirst => "told-first",
            Self::ToldElsewhere => "told-elsewhere",
            Self::SyncOff => "sync-off",
            Self::SyncNormal => "sync-normal",
            Self::FenceOff => "fence-off",
            Self::FenceOnce => "fence-once",
            Self::ColdMemory => "cold-memory",
            Self::InboxFirst => "inbox-first",
            Self::ClaimWithoutTime => "claim-without-time",
        }
    }

    /// Whether this bug is in: never in a release build.
    #[inline]
    #[must_use]
    pub fn is_in(self) -> bool {
        #[cfg(debug_assertions)]
        return armed::planted() == Some(self);
        #[cfg(not(debug_assertions))]
        false
    }
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{Failpoint, Planted};

    static BUG: OnceLock<Option<Planted>> = OnceLock::new();
    static PLAN: OnceLock<Option<(Failpoint, u32)>> = OnceLock::new();
    static STALLS: OnceLock<bool> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);

    pub(super) fn pass(point: Failpoint) {
        let text = || std::env::var("WIREWATCH_FAILPOINT").ok();
        let plan = PLAN.get_or_init(|| parse(text()?.trim_start_matches("stall@")));
        if let Some((wanted, nth)) = *plan
            && wanted == point
            && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == nth
        {
            if *STALLS.get_or_init(|| text().is_some_and(|text| text.starts_with("stall@"))) {
                stall();
            }
            die();
        }
    }

    pub(super) fn planted() -> Option<Planted> {
        *BUG.get_or_init(|| {
            let name = std::env::var("WIREWATCH_PLANTED").ok()?;
            Planted::every().find(|bug| bug.as_str() == name)
        })
    }

    /// As a loop that hangs on something that never comes.
    fn stall() -> ! {
        loop {
            std::thread::park();
        }
    }

    /// As `kill -9` does it: nothing is flushed, dropped or unlocked by us.
    fn die() -> ! {
        // Another thread may be the one that is interrupted first; this one must not go on.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }

    pub(super) fn parse(text: &str) -> Option<(Failpoint, u32)> {
        let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
        let point = Failpoint::ALL.into_iter().chain(Failpoint::OF_SEVERAL).find(|point| point.as_str() == name);
        point.zip(nth.parse().ok())
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::{Failpoint, Planted, armed};

    #[test]
    fn planted_nothing_unless_asked_for_and_names_are_distinct() {
        assert!(Planted::every().all(|bug| !bug.is_in()));
        let names: std::collections::BTreeSet<&str> = Planted::every().map(Planted::as_str).collect();
        assert_eq!(names.len(), Planted::every().count());
    }

    #[test]
    fn failpoint_is_read_with_its_count() {
        for point in Failpoint::ALL.into_iter().chain(Failpoint::OF_SEVERAL) {
            assert_eq!(armed::parse(point.as_str()), Some((point, 1)));
            assert_eq!(armed::parse(&format!("{}:3", point.as_str())), Some((point, 3)));
        }
        for text in ["", "somewhere", "answered:", "answered:x"] {
            assert_eq!(armed::parse(text), None, "{text}");
        }
    }
}
