//! The result of the last reload, kept in the state directory for whoever asks another process.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files::replace;

/// The last result's name in the state directory.
pub const RELOAD_FILE: &str = "reload.json";

/// What came of a reload: for `wirewatch reload`, `status`, metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadRecord {
    /// When it began, in milliseconds since 1970.
    pub begun_ms: i64,
    /// Whether the new config is in force.
    pub taken: bool,
    /// In words: what changed, or why it was refused.
    pub summary: String,
    /// Every problem, one line each.
    pub problems: Vec<String>,
    /// The config in force now.
    pub fingerprint: String,
}

impl ReloadRecord {
    /// Writes it whole or not at all, for whoever reads it.
    ///
    /// # Errors
    /// When the file cannot be replaced.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        replace(path, &serde_json::to_vec(self)?)
    }
}

/// The result of the last reload of the daemon on this state directory.
#[must_use]
pub fn last_reload(state_dir: &Path) -> Option<ReloadRecord> {
    serde_json::from_slice(&std::fs::read(state_dir.join(RELOAD_FILE)).ok()?).ok()
}
