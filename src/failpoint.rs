//! Planned crashes and hangs: in a debug build, `WIREWATCH_FAILPOINT=name` kills the process without a word when
//! it gets to that point, `name:3` when it gets there for the third time. The crash tests start the
//! program with each of them. A release build has none of it.

/// Between which two writes the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failpoint {
    /// A seed file was read; `ingest` does not have it.
    SeedRead,
    /// A feed document was read; `ingest` does not have it.
    FeedRead,
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
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::SeedRead,
        Self::FeedRead,
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::SeedAccepted,
        Self::Answered,
        Self::Recorded,
    ];

    /// The name in the variable.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SeedRead => "seed-read",
            Self::FeedRead => "feed-read",
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

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Failpoint;

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
        let point = Failpoint::ALL.into_iter().find(|point| point.as_str() == name);
        point.zip(nth.parse().ok())
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::{Failpoint, armed};

    #[test]
    fn failpoint_is_read_with_its_count() {
        for point in Failpoint::ALL {
            assert_eq!(armed::parse(point.as_str()), Some((point, 1)));
            assert_eq!(armed::parse(&format!("{}:3", point.as_str())), Some((point, 3)));
        }
        for text in ["", "somewhere", "answered:", "answered:x"] {
            assert_eq!(armed::parse(text), None, "{text}");
        }
    }
}
