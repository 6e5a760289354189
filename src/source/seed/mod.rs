//! The seed directory: `detect` names a file's format by its content, `parse` makes raw items of it,
//! `watch` is the task that turns hints and rescans into batches and settles files after the commit.

mod archive_marks;
mod detect;
mod fields;
mod files;
mod folder;
pub mod foreign;
mod hints;
mod known;
mod lately;
mod ledger;
mod maildir;
#[cfg(test)]
mod moved_tests;
mod named;
mod names;
mod parse;
pub mod read_formats;
mod reading;
#[cfg(test)]
mod reading_tests;
mod rows;
mod settle;
mod take;
mod watch;
#[cfg(test)]
mod watch_tests;
mod writers;

use std::path::PathBuf;
use std::time::Duration;

use super::parser::Parser;
use super::{IngestSender, Limits};
use crate::clock::Clock;
use crate::model::{SourceId, Timestamp};

pub use lately::LatelyClosed;
pub use named::{NamedBytes, parse_file};
pub use parse::{DEFAULT_MAIL_RULES, FileContext, MailRules, MailSplit, format_of, parse, parse_as};
pub use settle::hint;
pub use watch::{DirState, ScanSummary, SeedStatus, SeedWatcher};

/// What the seed tasks are given.
#[derive(Clone)]
pub struct SeedInputs {
    /// The `[seeds]` section.
    pub config: SeedConfig,
    /// Caps on one document.
    pub limits: Limits,
    /// The time.
    pub clock: Clock,
    /// Threads for heavy formats.
    pub parser: Parser,
    /// The way to `ingest`.
    pub ingest: IngestSender,
    /// When this directory was watched first: what lay in the `cur` of a Maildir before is stored and not told.
    pub watched_since: Timestamp,
}

/// What happens to a file once it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterTaken {
    /// It stays; its hash is remembered.
    Keep,
    /// It moves: taken files to `done`, refused ones to `error` with a sidecar that says why.
    Move {
        /// Folder for taken files.
        done: PathBuf,
        /// Folder for refused files.
        error: PathBuf,
    },
}

/// The `[seeds]` section, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedConfig {
    /// The source's name.
    pub id: SourceId,
    /// The directory; `None` when seeds are off.
    pub dir: Option<PathBuf>,
    /// File name patterns taken; empty means all.
    pub include: Vec<String>,
    /// File name patterns left alone.
    pub ignore: Vec<String>,
    /// What happens to taken files.
    pub after: AfterTaken,
    /// Size and time must stand still this long where no close event was seen.
    pub settle: Duration,
    /// Full rescans happen this often: events are only hints.
    pub rescan: Duration,
    /// Largest file read.
    pub file_bytes_max: u64,
    /// How e-mail is read.
    pub mail: MailRules,
}
