//! Severities as a query asks for them.

use crate::model::Severity;

/// The names of a severity and all above it, as a list for `json_each`.
pub(super) fn severities(least: Severity) -> String {
    let names = Severity::ALL.into_iter().filter(|severity| *severity >= least);
    format!("[{}]", names.map(|severity| format!("\"{}\"", severity.as_str())).collect::<Vec<_>>().join(","))
}
