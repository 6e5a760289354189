//! A copy of the store while it is in use, and the way back. A copy is checked before it gets its name;
//! a restore checks first, moves the old database aside, and never touches one that is in use. From a note on the disk
//! on it is carried through whatever happens: by whoever opens the store next, if need be.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use super::engine::sqlite;
use super::open::{DATABASE_FILE, LOCK_FILE, judged, refuse_foreign_file, take_lock};
use super::private::{create_private, make_directory, make_private};
use super::restoring::{aside_name, finish_restore, io, note_restore, partial_name, stamp, sync};
use super::{Store, StoreError};
use crate::model::Timestamp;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BackupMade {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Items in it.
    pub items: u64,
    /// Deliveries in it that are still owed.
    pub owed: u64,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    /// The database now.
    pub path: PathBuf,
    /// What was there before, moved aside.
    pub replaced: Option<PathBuf>,
    /// Items in it.
    pub items: u64,
    /// Deliveries in it that are owed: they are made again, with the same ids.
    pub owed: u64,
}

impl Store {
    /// Copies the store as it is at one moment, beside a daemon that goes on writing; `told` hears the
    /// share done. The file is for its owner only, and appears when it is whole and sound.
    ///
    /// # Errors
    /// [`StoreError`] when the copy cannot be made or does not pass its check; no file is left then.
    pub fn backup(&self, to: &Path, told: impl FnMut(f64)) -> Result<BackupMade, StoreError> {
        self.elsewhere("back up", "its server copies it: `pg_dump --schema`, or a base backup with its log")?;
        let partial = partial_name(to);
        let made = self.copy_to(&partial, told).and_then(|()| verify(&partial)).and_then(|(items, owed)| {
            sync(&partial)?;
            fs::rename(&partial, to).map_err(|source| io(to, source))?;
            if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                sync(folder)?;
            }
            let bytes = to.metadata().map_or(0, |meta| meta.len());
            Ok(BackupMade { path: to.to_owned(), bytes, items, owed })
        });
        if made.is_err() {
            // What is left of a copy that failed is of no use; that it cannot be removed changes nothing.
            let _ = fs::remove_file(&partial);
        }
        made
    }

    fn copy_to(&self, to: &Path, told: impl FnMut(f64)) -> Result<(), StoreError> {
        let _ = fs::remove_file(to);
        create_private(to)?;
        self.read("copy the database", |source| Ok(source.copy_to(to, told)))?
            .map_err(|error| StoreError::sql(to, "copy the database", error))
    }
}

/// Puts a backup in the place of the database of a state directory that no daemon uses.
///
/// # Errors
/// [`StoreError`] when the backup is not sound, the directory is in use, or the disk fails; the old
/// database is where it was then, or beside it under the name that is told.
pub fn restore(from: &Path, state_dir: &Path, now: Timestamp) -> Result<Restored, StoreError> {
    if !from.is_file() {
        return Err(StoreError::Missing { path: from.to_owned() });
    }
    refuse_foreign_file(from)?;
    make_directory(state_dir)?;
    make_private(state_dir, DATABASE_FILE, LOCK_FILE)?;
    let _lock = take_lock(&state_dir.join(LOCK_FILE))?;
    // One that was cut short comes first: its copy would be taken for this one's.
    let path = state_dir.join(DATABASE_FILE);
    finish_restore(&path)?;
    let partial = partial_name(&path);
    let _ = fs::remove_file(&partial);
    create_private(&partial)?;
    let mut source = File::open(from).map_err(|source| io(from, source))?;
    let mut target = OpenOptions::new().write(true).open(&partial).map_err(|source| io(&partial, source))?;
    std::io::copy(&mut source, &mut target).map_err(|source| io(&partial, source))?;
    drop(target);
    let (items, owed) = verify(&partial).inspect_err(|_| {
        let _ = fs::remove_file(&partial);
    })?;
    begin_epoch(&partial, now)?;
    keep_owner(state_dir, &partial)?;
    sync(&partial)?;
    let replaced = path.exists().then(|| aside_name(&path, &stamp(now)));
    note_restore(&path, now)?;
    finish_restore(&path)?;
    Ok(Restored { path, replaced, items, owed })
}

/// What happens from here on is another past than the one that whoever reads along has seen: their cursors are told from
/// those of this one.
fn begin_epoch(path: &Path, now: Timestamp) -> Result<(), StoreError> {
    let fail = |error| StoreError::sql(path, "mark the restored database", error);
    let connection = sqlite::open_as_it_is(path).map_err(fail)?;
    // A clock that went back makes no epoch twice.
    connection
        .execute(
            "INSERT INTO meta (key, value) VALUES ('epoch',
                max(?1, 1 + coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'epoch'), 0)))
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [now.millis()],
        )
        .map(|_| ())
        .map_err(fail)
}

/// Restored by root, the database still belongs to whoever the directory belongs to: systemd mends the owner
/// of a StateDirectory only where that of the directory itself is wrong, and the service could not open it.
fn keep_owner(state_dir: &Path, file: &Path) -> Result<(), StoreError> {
    let (theirs, ours) = (state_dir.metadata(), file.metadata());
    let (theirs, ours) = (theirs.map_err(|e| io(state_dir, e))?, ours.map_err(|e| io(file, e))?);
    if (theirs.uid(), theirs.gid()) == (ours.uid(), ours.gid()) {
        return Ok(());
    }
    let lock = state_dir.join(LOCK_FILE);
    for path in [file, &lock] {
        chown(path, Some(theirs.uid()), Some(theirs.gid())).map_err(|source| io(path, source))?;
    }
    Ok(())
}

/// Items and deliveries owed in a database that is sound and that this program knows.
fn verify(path: &Path) -> Result<(u64, u64), StoreError> {
    let fail = |error| StoreError::sql(path, "check the copy", error);
    let connection = sqlite::open_as_it_is(path).map_err(fail)?;
    let verdict = connection.quick_check().map_err(fail)?;
    if verdict != "ok" {
        return Err(judged(path, verdict));
    }
    super::open::refuse_newer(path, &connection)?;
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    let items = count("SELECT count(*) FROM items").map_err(fail)?;
    let owed = count("SELECT count(*) FROM deliveries WHERE state = 'pending'").map_err(fail)?;
    Ok((items, owed))
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::super::engine::Connection;
    use super::super::restoring::{is_restoring, with_suffix};
    use super::*;

    /// A store that somebody wrote into, its log beside it as a crash leaves it.
    fn crashed(state_dir: &Path, mark: &str) {
        let path = state_dir.join(DATABASE_FILE);
        let store = Store::open(state_dir, Access::Own).expect("opens");
        store
            .write("test", |tx| {
                tx.execute(
                    "INSERT INTO meta VALUES ('mark', ?1)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    [mark],
                )
            })
            .expect("written");
        let files = ["", "-wal"].map(|suffix| (suffix, fs::read(with_suffix(&path, suffix)).expect("read")));
        drop(store);
        for (suffix, bytes) in files {
            fs::write(with_suffix(&path, suffix), bytes).expect("written");
        }
    }

    fn mark(state_dir: &Path) -> Option<String> {
        let store = Store::open(state_dir, Access::Own).expect("opens");
        let read = |c: &Connection| c.query_row("SELECT value FROM meta WHERE key = 'mark'", [], |row| row.get(0));
        store.read("test", read).ok()
    }

    /// A restore as it stands after so many of its moves, as a kill or a power cut leaves it.
    fn cut_short(state_dir: &Path, backup: &Path, moves: usize) {
        let (path, now) = (state_dir.join(DATABASE_FILE), Timestamp::from_seconds(1));
        fs::copy(backup, partial_name(&path)).expect("copied");
        if moves == 0 {
            return;
        }
        note_restore(&path, now).expect("noted");
        let aside = aside_name(&path, &stamp(now));
        for suffix in ["", "-wal"].into_iter().take(moves - 1) {
            fs::rename(with_suffix(&path, suffix), with_suffix(&aside, suffix)).expect("moved");
        }
        if moves == 4 {
            fs::rename(partial_name(&path), &path).expect("moved");
        }
    }

    #[test]
    fn restore_that_is_cut_short_is_whole_or_not_at_all() {
        let made = tempfile::tempdir().expect("a directory");
        crashed(made.path(), "backup");
        let backup = made.path().join("copy.db");
        Store::open(made.path(), Access::Own).expect("opens").backup(&backup, |_| {}).expect("copied");
        for (moves, expected) in [(0, "before"), (1, "backup"), (2, "backup"), (3, "backup"), (4, "backup")] {
            let dir = tempfile::tempdir().expect("a directory");
            crashed(dir.path(), "before");
            cut_short(dir.path(), &backup, moves);
            let looked = Store::open(dir.path(), Access::Read).map(|_| ());
            assert_eq!(matches!(looked, Err(StoreError::Restoring { .. })), moves > 0, "{moves}: {looked:?}");
            assert_eq!(mark(dir.path()).as_deref(), Some(expected), "after {moves} moves");
            assert!(!is_restoring(&dir.path().join(DATABASE_FILE)), "{moves}: it is over");
            if moves > 0 {
                let replaced = dir.path().join("wirewatch.replaced-19700101000001.db");
                assert!(replaced.exists() && with_suffix(&replaced, "-wal").exists(), "{moves}: the old one is kept");
            }
        }
    }

    #[test]
    fn restore_beside_a_log_without_its_database_takes_the_log_aside() {
        let dir = tempfile::tempdir().expect("a directory");
        crashed(dir.path(), "before");
        let backup = dir.path().join("copy.db");
        Store::open(dir.path(), Access::Own).expect("opens").backup(&backup, |_| {}).expect("copied");
        crashed(dir.path(), "later");
        fs::remove_file(dir.path().join(DATABASE_FILE)).expect("removed");
        restore(&backup, dir.path(), Timestamp::from_seconds(1)).expect("restored");
        assert_eq!(mark(dir.path()).as_deref(), Some("before"), "nothing of the log that was left");
    }
}
