//! Which part of a long list: the arguments that lists have in common.

use clap::Args;

use super::Since;
use crate::model::Timestamp;

/// The newest of a list.
#[derive(Debug, Clone, Args)]
pub struct Page {
    /// Only what came this long ago or since a time: 2h, 7d, 2025-03-17T00:00:00Z.
    #[arg(long, value_parser = super::since)]
    since: Option<Since>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
}

impl Page {
    /// The moment it begins at.
    pub fn since(&self, now: Timestamp) -> Option<Timestamp> {
        self.since.map(|since| since.at(now))
    }
}
