//! Which part of a long list: the arguments that lists have in common.

use clap::Args;

use super::{CliError, Since};
use crate::model::Timestamp;

/// Entries where nobody says.
const LIMIT: usize = 50;

/// The newest of a list.
#[derive(Debug, Clone, Args)]
pub struct Page {
    /// Only what came this long ago or since a time: 2h, 7d, 2025-03-17T00:00:00Z.
    #[arg(long, value_parser = super::since)]
    since: Option<Since>,
    /// At most so many.
    #[arg(long, default_value_t = LIMIT)]
    pub limit: usize,
}

impl Page {
    /// Whether any of it was asked for.
    pub fn is_given(&self) -> bool {
        self.since.is_some() || self.limit != LIMIT
    }

    /// Filters of a list before a verb that takes none there: to drop them in silence would show too much.
    pub fn refuse_before_verb(given: bool) -> Result<(), CliError> {
        if given {
            return Err(CliError::usage("use the filters: they stand after `list`, or without any verb"));
        }
        Ok(())
    }

    /// The moment it begins at.
    pub fn since(&self, now: Timestamp) -> Option<Timestamp> {
        self.since.map(|since| since.at(now))
    }
}
