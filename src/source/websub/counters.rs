//! What comes from hubs and what of it is dropped, for metrics. Written by `content` and `desk`, read by anyone.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a push was dropped, or taken as no more than a hint to poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubDrop {
    /// Too many in a minute.
    Rate,
    /// More bytes than a feed may have.
    TooLarge,
    /// It has no signature.
    Unsigned,
    /// Its signature is wrong.
    BadSignature,
    /// Nothing in it can be read.
    Unreadable,
}

impl HubDrop {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Rate, Self::TooLarge, Self::Unsigned, Self::BadSignature, Self::Unreadable];

    /// The name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::TooLarge => "too-large",
            Self::Unsigned => "unsigned",
            Self::BadSignature => "bad-signature",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Totals since the start.
#[derive(Debug, Default)]
pub struct HubCounters {
    pushes: AtomicU64,
    items: AtomicU64,
    missed: AtomicU64,
    dropped: [AtomicU64; HubDrop::ALL.len()],
}

impl HubCounters {
    pub(super) fn pushed(&self, fresh: u64) {
        self.pushes.fetch_add(1, Ordering::Relaxed);
        self.items.fetch_add(fresh, Ordering::Relaxed);
    }

    pub(super) fn missed(&self, items: u64) {
        self.missed.fetch_add(items, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self, why: HubDrop) {
        let at = HubDrop::ALL.iter().position(|one| *one == why);
        if let Some(counter) = at.and_then(|at| self.dropped.get(at)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Pushes that were stored.
    #[must_use]
    pub fn pushes(&self) -> u64 {
        self.pushes.load(Ordering::Relaxed)
    }

    /// New items in them.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.items.load(Ordering::Relaxed)
    }

    /// New items that an active hub did not push.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Pushes that were not taken, by reason, every reason named.
    #[must_use]
    pub fn drops(&self) -> Vec<(HubDrop, u64)> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        HubDrop::ALL.into_iter().zip(self.dropped.iter().map(read)).collect()
    }
}
