//! What several queries ask for: a severity and all above it, and what came since a time.

use super::engine::{self, Connection, OptionalExtension};
use crate::model::{Severity, Timestamp};

/// The names of a severity and all above it, as a list for `json_each`.
pub(super) fn severities(least: Severity) -> String {
    let names = Severity::ALL.into_iter().filter(|severity| *severity >= least);
    format!("[{}]", names.map(|severity| format!("\"{}\"", severity.as_str())).collect::<Vec<_>>().join(","))
}

/// Where in the order of arrival the items since a time begin. An item that came while the clock was wrong
/// is where it came.
pub(super) fn first_since(c: &Connection, since: Timestamp) -> engine::Result<Option<i64>> {
    c.prepare_cached("SELECT seq FROM items WHERE first_seen >= ?1 ORDER BY first_seen LIMIT 1")?
        .query_row([since.millis()], |row| row.get(0))
        .optional()
}
