//! Which part of a long list: the arguments that lists have in common.

use clap::Args;

use super::Since;
use crate::model::{Severity, Timestamp};

/// The newest of a list.
#[derive(Debug, Clone, Args)]
pub struct Page {
    /// Only what came since: 2h, 7d, today, yesterday, 2025-03-17, 2025-03-17T06:00:00Z (UTC).
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

/// For lists of what has a severity.
#[derive(Debug, Clone, Args)]
pub struct SeverityArg {
    /// Only of this severity or above: low, medium, high, critical.
    #[arg(long, value_parser = severity)]
    pub severity: Option<Severity>,
}

fn severity(text: &str) -> Result<Severity, String> {
    let found = Severity::ALL.into_iter().find(|severity| severity.as_str() == text);
    found.ok_or_else(|| "use low, medium, high or critical".to_owned())
}
