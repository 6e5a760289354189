//! The contents that were seen before, by hash: what makes a file under another name, or after a
//! restart, no news. Filled from the store at start; shared between the files in flight.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::files::FileStamp;
use crate::model::{ContentHash, SeedFile, SeedOutcome};

/// Contents remembered; beyond that a file read again is told apart by its items' keys instead.
const KNOWN_MAX: usize = 1_000_000;

/// What is known of files.
#[derive(Debug, Default)]
pub(super) struct KnownSeeds {
    outcomes: Mutex<HashMap<ContentHash, SeedOutcome>>,
    /// As the store had them at start, to hold kept files without reading them.
    at_start: HashMap<String, SeedFile>,
}

impl KnownSeeds {
    pub(super) fn new(files: impl IntoIterator<Item = SeedFile>) -> Self {
        let mut known = Self::default();
        for file in files.into_iter().take(KNOWN_MAX) {
            known.insert(file.hash, file.outcome.clone());
            if matches!(file.outcome, SeedOutcome::Taken { .. }) {
                known.at_start.insert(file.name.clone(), file);
            }
        }
        known
    }

    /// What became of this content.
    pub(super) fn outcome(&self, hash: ContentHash) -> Option<SeedOutcome> {
        self.outcomes.lock().get(&hash).cloned()
    }

    /// Remembers it, once it is durable.
    pub(super) fn insert(&self, hash: ContentHash, outcome: SeedOutcome) {
        let mut outcomes = self.outcomes.lock();
        if outcomes.len() < KNOWN_MAX {
            outcomes.insert(hash, outcome);
        }
    }

    /// Whether a file was taken by an earlier run under this name, size and time.
    pub(super) fn was_taken(&self, name: &str, stamp: &FileStamp) -> bool {
        self.at_start
            .get(name)
            .is_some_and(|file| file.size_bytes == stamp.size_bytes && file.modified == stamp.modified())
    }
}
