//! Keeps the store from the other users of the machine: whoever can read the database reads what is secret in
//! payloads, whoever can open its shared memory can lock it, and whoever can write to its directory can put another
//! one in its place.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tracing::warn;

use super::StoreError;
use super::restoring::{io, with_suffix};

const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// Names that this program gives in a state directory begin so, but for these.
const OWN_PREFIXES: [&str; 2] = ["wirewatch.", "memory.snapshot"];
const OWN_NAMES: [&str; 3] = ["models", "reload.json", "reading"];

/// Makes the directory, and the database and lock in it, private. A directory that holds other people's files as well is left as it
/// is, unless others could replace the database there.
///
/// # Errors
/// [`StoreError::Exposed`] where others may write to the directory, [`StoreError::File`] where a mode cannot be set.
pub(super) fn make_private(state_dir: &Path, database: &str, lock: &str) -> Result<(), StoreError> {
    let failed = |source| StoreError::Directory { path: state_dir.to_owned(), source };
    let meta = state_dir.metadata().map_err(failed)?;
    let (mode, ours) = (meta.mode() & 0o7777, meta.uid() == rustix::process::geteuid().as_raw());
    if mode & OTHERS != 0 {
        if ours && holds_only_ours(state_dir).map_err(failed)? {
            warn!(directory = %state_dir.display(), was = format!("{mode:03o}"), "state directory made private");
            fs::set_permissions(state_dir, Permissions::from_mode(mode & !OTHERS)).map_err(failed)?;
        } else if mode & OTHERS_WRITE != 0 {
            return Err(StoreError::Exposed { path: state_dir.to_owned(), mode });
        }
    }
    let (database, lock) = (state_dir.join(database), state_dir.join(lock));
    let beside = |suffix| with_suffix(&database, suffix);
    // The log and its index are made with the mode of the database; these may be older.
    for path in [beside(""), beside("-wal"), beside("-shm"), lock] {
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_file() && meta.mode() & OTHERS != 0 && meta.uid() == rustix::process::geteuid().as_raw() {
            let private = Permissions::from_mode(meta.mode() & 0o600);
            fs::set_permissions(&path, private).map_err(|source| io(&path, source))?;
        }
    }
    Ok(())
}

/// Makes the state directory where it is missing, for us alone.
pub(super) fn make_directory(state_dir: &Path) -> Result<(), StoreError> {
    if state_dir.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)
        .map_err(|source| StoreError::Directory { path: state_dir.to_owned(), source })
}

fn holds_only_ours(state_dir: &Path) -> std::io::Result<bool> {
    for entry in fs::read_dir(state_dir)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if !OWN_PREFIXES.iter().any(|own| name.starts_with(own)) && !OWN_NAMES.contains(&&*name) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes a file that only its owner may open.
pub(super) fn create_private(path: &Path) -> Result<(), StoreError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(|_| ()).map_err(|e| io(path, e))
}

#[cfg(test)]
mod tests {
    use super::super::open::DATABASE_FILE;
    use super::super::{Access, Store};
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("there").mode() & 0o777
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
    }

    #[test]
    fn state_directory_made_by_hand_and_what_is_in_it_is_private() {
        let dir = tempfile::tempdir().expect("a directory");
        set(dir.path(), 0o755);
        let database = dir.path().join(DATABASE_FILE);
        let files = [database.clone(), with_suffix(&database, "-wal"), with_suffix(&database, "-shm")];
        let store = Store::open(dir.path(), Access::Own).expect("opened");
        store.write("test", |tx| tx.execute("INSERT INTO meta VALUES ('a', 'b')", [])).expect("written");
        assert_eq!(mode(dir.path()), 0o700);
        assert_eq!(files.each_ref().map(|path| mode(path)), [0o600; 3]);
        // As an older version left them.
        for path in [dir.path(), &files[0], &files[1], &files[2]] {
            set(path, 0o755);
        }
        drop(store);
        let _store = Store::open(dir.path(), Access::Own).expect("opened");
        assert_eq!(mode(dir.path()), 0o700);
        assert_eq!(mode(&files[0]), 0o600);
    }

    #[test]
    fn state_directory_among_other_files_is_left_alone_or_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("letter.txt"), "x").expect("written");
        set(dir.path(), 0o777);
        let refused = Store::open(dir.path(), Access::Own).map(|_| ()).expect_err("refused");
        assert!(refused.to_string().contains("chmod go-w"), "{refused}");
        assert!(!dir.path().join(DATABASE_FILE).exists());
        set(dir.path(), 0o755);
        drop(Store::open(dir.path(), Access::Own).expect("opened"));
        assert_eq!((mode(dir.path()), mode(&dir.path().join(DATABASE_FILE))), (0o755, 0o600));
    }
}
