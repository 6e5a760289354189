//! What polls ask and tell of hubs. Where this process has the subscriptions, they ask the desk; beside another one that has
//! them, they know which feeds are pushed, and what they find goes there with their batch.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::RwLock;

use super::desk::SubscriptionDesk;
use crate::model::SourceId;

/// The subscriptions, as polls see them; cheap to clone.
#[derive(Clone)]
pub enum PollHubs {
    /// They are this process's.
    Here(SubscriptionDesk),
    /// Another one has them.
    Elsewhere(HubCover),
}

impl PollHubs {
    /// Whether a hub pushes what this feed has new, so that it may be polled less often.
    #[must_use]
    pub fn covers(&self, source: &SourceId) -> bool {
        match self {
            Self::Here(desk) => desk.covers(source),
            Self::Elsewhere(cover) => cover.covers(source),
        }
    }

    /// Whether it is of interest which hubs a feed names.
    #[must_use]
    pub fn wants(&self, source: &SourceId) -> bool {
        match self {
            Self::Here(desk) => desk.wants(source),
            Self::Elsewhere(cover) => cover.0.wanted.contains(source),
        }
    }

    /// The subscriptions, where they are this process's.
    #[must_use]
    pub fn desk(&self) -> Option<&SubscriptionDesk> {
        match self {
            Self::Here(desk) => Some(desk),
            Self::Elsewhere(_) => None,
        }
    }
}

/// Which feeds hubs push for another process; cheap to clone.
#[derive(Clone)]
pub struct HubCover(Arc<KnownCover>);

struct KnownCover {
    /// Feeds that are to be pushed if they name a hub.
    wanted: HashSet<SourceId>,
    covered: RwLock<HashSet<SourceId>>,
}

impl HubCover {
    /// None is known to be pushed yet.
    #[must_use]
    pub fn new(wanted: HashSet<SourceId>) -> Self {
        Self(Arc::new(KnownCover { wanted, covered: RwLock::default() }))
    }

    /// A hub pushes a feed from here on, or does not.
    pub fn set(&self, source: SourceId, is_covered: bool) {
        let mut covered = self.0.covered.write();
        if is_covered {
            covered.insert(source);
        } else {
            covered.remove(&source);
        }
    }

    fn covers(&self, source: &SourceId) -> bool {
        self.0.covered.read().contains(source)
    }
}
