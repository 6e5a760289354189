//! The last steps of a restore, on files alone: a note on the disk, then moves that can be finished by anybody who
//! finds it. Knows nothing of what is in a database.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::model::Timestamp;

/// From here on the restore is as good as done: what is left is moving files, and that is finished by whoever opens the
/// store, however often it is cut short.
pub(super) fn note_restore(path: &Path, now: Timestamp) -> Result<(), StoreError> {
    let (note, new) = (note_name(path), with_suffix(path, ".restoring.new"));
    fs::write(&new, stamp(now)).map_err(|source| io(&new, source))?;
    sync(&new)?;
    fs::rename(&new, &note).map_err(|source| io(&note, source))?;
    sync(folder(path))
}

/// Whether a restore was cut short and has to be finished.
pub(super) fn is_restoring(path: &Path) -> bool {
    note_name(path).exists()
}

/// Carries a restore through that was noted, if one was: the old database goes aside with its log, which belongs to it
/// and would ruin the restored one, and the copy, which is whole and checked, takes its place.
///
/// # Errors
/// [`StoreError::File`] when the disk refuses; the next call goes on where this one ended.
pub(super) fn finish_restore(path: &Path) -> Result<(), StoreError> {
    let (note, partial, state_dir) = (note_name(path), partial_name(path), folder(path));
    let stamp = match fs::read_to_string(&note) {
        Ok(stamp) => stamp,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(io(&note, source)),
    };
    // Without the copy it is in place already.
    if partial.exists() {
        let aside = aside_name(path, &stamp);
        for suffix in ["", "-wal", "-shm"] {
            let (from, to) = (with_suffix(path, suffix), with_suffix(&aside, suffix));
            if from.exists() {
                fs::rename(&from, &to).map_err(|source| io(&from, source))?;
            }
        }
        sync(state_dir)?;
        fs::rename(&partial, path).map_err(|source| io(path, source))?;
        sync(state_dir)?;
    }
    fs::remove_file(&note).map_err(|source| io(&note, source))?;
    sync(state_dir)
}

/// The time of a restore, as the name of what it replaced has it.
pub(super) fn stamp(now: Timestamp) -> String {
    now.to_string().chars().filter(char::is_ascii_digit).take(14).collect()
}

pub(super) fn aside_name(path: &Path, stamp: &str) -> PathBuf {
    path.with_extension(format!("replaced-{stamp}.db"))
}

pub(super) fn note_name(path: &Path) -> PathBuf {
    with_suffix(path, ".restoring")
}

pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|source| io(path, source))
}

pub(super) fn io(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::File { path: path.to_owned(), source }
}

pub(super) fn partial_name(path: &Path) -> PathBuf {
    with_suffix(path, ".partial")
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The state directory.
fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
