//! Opening the store: directory, lock, integrity, schema. What cannot be trusted is refused by name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use tracing::info;

use super::StoreError;
use super::engine::{Connection, OptionalExtension as _, sqlite};
use super::private::{create_private, make_directory, make_private};
use super::restoring::{finish_restore, is_restoring};
use super::texts::pack_version_2;

/// The database's name in the state directory.
pub const DATABASE_FILE: &str = "wirewatch.db";
/// The lock's name in the state directory.
pub const LOCK_FILE: &str = "wirewatch.lock";

/// One entry per schema version; an entry never changes once it is released.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")];
/// In this version texts stand in blocks, which SQL alone cannot make.
const TEXTS_PACKED: usize = 3;
/// The newest version of the schema that this program knows. PostgreSQL's is counted for itself.
const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// A database up to this size is checked at every start.
const CHECKED_ALWAYS_BYTES_MAX: u64 = 64 << 20;

/// A held lock is asked for so often, so far apart, before it counts as another daemon's.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// What the opener means to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Ingest and deliver: takes the lock, creates and migrates.
    Own,
    /// The same for who copies another store into it: one that is half copied is taken.
    Fill,
    /// Change a row beside a running daemon; the store must exist.
    Share,
    /// Read only; the store must exist.
    Read,
}

impl Access {
    /// Whether nobody else may own it meanwhile.
    pub(super) fn owns(self) -> bool {
        matches!(self, Self::Own | Self::Fill)
    }
}

/// What [`open`] hands over.
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
    pub(super) instance: String,
    pub(super) epoch: i64,
    pub(super) lock: Option<File>,
}

pub(super) fn open(state_dir: &Path, access: Access) -> Result<Opened, StoreError> {
    if let Some(version) = sqlite::unsound_library() {
        return Err(StoreError::Library { version: version.to_owned() });
    }
    let path = state_dir.join(DATABASE_FILE);
    let lock = match access {
        Access::Own | Access::Fill => {
            make_directory(state_dir)?;
            make_private(state_dir, DATABASE_FILE, LOCK_FILE)?;
            Some(take_lock(&state_dir.join(LOCK_FILE))?)
        }
        Access::Share | Access::Read if is_restoring(&path) => None,
        Access::Share | Access::Read => {
            // That nothing can be seen there does not mean that nothing is there.
            match path.try_exists() {
                Ok(true) => None,
                Ok(false) => return Err(StoreError::Missing { path }),
                Err(source) => return Err(StoreError::Directory { path: state_dir.to_owned(), source }),
            }
        }
    };
    if access.owns() {
        finish_restore(&path)?;
    } else if is_restoring(&path) {
        return Err(StoreError::Restoring { path });
    }
    refuse_foreign_file(&path)?;
    // That it cannot be seen does not mean that it is not there.
    let exists = path.try_exists().map_err(|source| StoreError::File { path: path.clone(), source })?;
    if access.owns() && !exists {
        refuse_half(&path)?;
        create(&path)?;
    }
    let mut connection = match access {
        Access::Own | Access::Fill => connect(&path, true)?,
        Access::Share => connect(&path, false)?,
        Access::Read => reader(&path)?,
    };
    if access.owns() && !was_stopped_cleanly(&path, &connection) {
        check_integrity(&path, &connection)?;
    }
    migrate(&path, &mut connection, access)?;
    if access.owns() {
        connection
            .execute("DELETE FROM meta WHERE key = 'stopped'", [])
            .map_err(|error| StoreError::sql(&path, "mark the store as in use", error))?;
    }
    refuse_half_copied(&path, &connection, access)?;
    let instance = connection
        .query_row("SELECT value FROM meta WHERE key = 'instance'", [], |row| row.get(0))
        .map_err(|error| StoreError::sql(&path, "read the instance name", error))?;
    let epoch = connection
        .query_row("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'epoch'", [], |row| row.get(0))
        .optional()
        .map_err(|error| StoreError::sql(&path, "read when it was restored", error))?
        .unwrap_or(0);
    Ok(Opened { path, connection, instance, epoch, lock })
}

/// A copy that was cut short holds a part of what was stored, and nothing says which.
pub(super) fn refuse_half_copied(path: &Path, connection: &Connection, access: Access) -> Result<(), StoreError> {
    let marked = connection
        .prepare("SELECT 1 FROM meta WHERE key = 'copying'")
        .and_then(|mut marked| marked.exists([]))
        .map_err(|error| StoreError::sql(path, "see whether it is whole", error))?;
    if marked && access != Access::Fill {
        let why = "copying another store into it was cut short; run `wirewatch store copy` again".to_owned();
        return Err(StoreError::Refused { place: path.to_owned(), why });
    }
    Ok(())
}

/// The process that holds the lock on a state directory, if one does.
#[must_use]
pub fn lock_holder(state_dir: &Path) -> Option<String> {
    let mut file = File::open(state_dir.join(LOCK_FILE)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(read_holder(&mut file).unwrap_or_else(|| "unknown".to_owned())),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// A connection that cannot write.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path, false)?;
    connection.only_read().map_err(|error| StoreError::sql(path, "open for reading", error))?;
    Ok(connection)
}

/// Takes the lock that keeps a second daemon out.
///
/// A lock can outlive its holder by a moment: a program that starts another one shares its descriptors with
/// it until the other is loaded. So a lock that is held is asked for a few times.
pub(super) fn take_lock(path: &Path) -> Result<File, StoreError> {
    take_lock_after(path, || std::thread::sleep(LOCK_PAUSE))
}

fn take_lock_after(path: &Path, mut pause: impl FnMut()) -> Result<File, StoreError> {
    let directory_error = |source| StoreError::Directory { path: path.to_owned(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(directory_error)?;
    let mut tries = 1;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                tries += 1;
                pause();
            }
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Held { path: path.to_owned(), holder: read_holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(directory_error(source)),
        }
    }
    file.set_len(0).map_err(directory_error)?;
    write!(file, "{}", std::process::id()).map_err(directory_error)?;
    Ok(file)
}

fn read_holder(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(20).read_to_string(&mut text).ok()?;
    let pid = text.trim();
    (!pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit())).then(|| pid.to_owned())
}

/// SQLite would take an empty file for a new database and report others late; say it at once.
pub(super) fn refuse_foreign_file(path: &Path) -> Result<(), StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        // SQLite would call it an error of the disk.
        Err(source) if source.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(StoreError::File { path: path.to_owned(), source });
        }
        Err(_) => return Ok(()),
    };
    let mut head = [0; 16];
    let corrupt = |detail: &str| StoreError::Corrupt { path: path.to_owned(), detail: detail.to_owned() };
    match file.read_exact(&mut head) {
        Ok(()) if &head == b"SQLite format 3\0" => Ok(()),
        Ok(()) => Err(corrupt("it is not an SQLite file")),
        Err(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => Err(corrupt("it is empty or cut short")),
        // What cannot be read now is not known to be damaged.
        Err(source) => Err(StoreError::File { path: path.to_owned(), source }),
    }
}

/// A log without its database is all that is left of a store, and no reason to begin a new one, which would tell
/// everything once more under other ids.
fn refuse_half(path: &Path) -> Result<(), StoreError> {
    if wal_exists(path) { Err(StoreError::Half { path: path.to_owned() }) } else { Ok(()) }
}

fn wal_exists(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    Path::new(&name).exists()
}

/// Makes the database under another name and puts it in place when it is whole and on disk: what is cut
/// short by a crash or a failing disk is begun again, and an empty database is always damage.
fn create(path: &Path) -> Result<(), StoreError> {
    let new = path.with_extension("db.new");
    for end in ["", "-journal", "-wal", "-shm"] {
        let mut left = new.as_os_str().to_owned();
        left.push(end);
        match fs::remove_file(&left) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::File { path: left.into(), source });
            }
            _ => {}
        }
    }
    create_private(&new)?;
    let mut connection = connect(&new, false)?;
    migrate(&new, &mut connection, Access::Own)?;
    let fail = |error| StoreError::sql(&new, "create the database", error);
    let moved = connection.move_log(true).map_err(fail)?;
    connection.close().map_err(fail)?;
    if moved.was_busy {
        return Err(StoreError::Busy { path: new, doing: "create the database" });
    }
    let in_place = || {
        File::open(&new)?.sync_all()?;
        fs::rename(&new, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    in_place().map_err(|source| StoreError::File { path: path.to_owned(), source })
}

fn connect(path: &Path, may_create: bool) -> Result<Connection, StoreError> {
    sqlite::open(path, may_create).map_err(|error| StoreError::sql(path, "open the database", error))
}

/// Reading a large database whole takes longer than a start may: after a clean stop it is trusted.
fn was_stopped_cleanly(path: &Path, connection: &Connection) -> bool {
    let large = path.metadata().is_ok_and(|meta| meta.len() > CHECKED_ALWAYS_BYTES_MAX);
    let mark = |c: &Connection| c.query_row("SELECT 1 FROM meta WHERE key = 'stopped'", [], |_| Ok(()));
    large && mark(connection).is_ok()
}

fn check_integrity(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let verdict = connection.quick_check().map_err(|error| StoreError::sql(path, "check the database", error))?;
    if verdict == "ok" { Ok(()) } else { Err(judged(path, verdict)) }
}

/// What a verdict of SQLite's check says: a page that could not be read is told among those that are damaged.
pub(super) fn judged(path: &Path, verdict: String) -> StoreError {
    let code = verdict.split_once("error code").and_then(|(_, rest)| {
        let digits = rest.trim_start_matches(['=', ' ']);
        digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())].parse::<i32>().ok()
    });
    match code.map(|code| code & 0xff) {
        Some(code) if sqlite::is_passing_code(code) => {
            StoreError::sql(path, "check the database", sqlite::failure(code, verdict))
        }
        _ => StoreError::Corrupt { path: path.to_owned(), detail: verdict },
    }
}

/// A database that a later version of this program has written.
pub(super) fn refuse_newer(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let known = SCHEMA_VERSION;
    let found =
        connection.schema_version().map_err(|error| StoreError::sql(path, "read the schema's version", error))?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

fn migrate(path: &Path, connection: &mut Connection, access: Access) -> Result<(), StoreError> {
    let fail = |error| StoreError::sql(path, "migrate the database", error);
    let known = SCHEMA_VERSION;
    let found = connection.schema_version().map_err(fail)?;
    refuse_newer(path, connection)?;
    if found == known {
        return Ok(());
    }
    if !access.owns() {
        return Err(StoreError::not_current(path, found, known));
    }
    if found > 0 {
        let copy = copy_name(path, found);
        info!(from = found, to = known, copy = %copy.display(), "bringing the store up to date, in one transaction; a copy of it is kept");
        keep_copy(path, connection, &copy)?;
    }
    let mut texts = 0;
    let transaction = connection.transaction().map_err(fail)?;
    for (before, migration) in MIGRATIONS.iter().enumerate().skip(found as usize) {
        transaction.execute_batch(migration).map_err(fail)?;
        if before + 1 == TEXTS_PACKED {
            texts = pack_version_2(&transaction).map_err(fail)?;
        }
    }
    if found == 0 {
        transaction.execute("INSERT INTO meta (key, value) VALUES ('instance', ?1)", [random_name()]).map_err(fail)?;
    }
    transaction.set_schema_version(known).map_err(fail)?;
    transaction.commit().map_err(fail)?;
    if found > 0 {
        info!(version = known, texts_packed = texts, "the store is up to date");
    }
    Ok(())
}

fn copy_name(path: &Path, version: i64) -> PathBuf {
    path.with_extension(format!("v{version}.db"))
}

/// Before a migration the old database is kept beside the new one.
fn keep_copy(path: &Path, connection: &Connection, copy: &Path) -> Result<(), StoreError> {
    if copy.exists() {
        return Ok(());
    }
    create_private(copy)?;
    connection
        .execute("VACUUM INTO ?1", [copy.to_string_lossy()])
        .map(|_| ())
        .map_err(|error| StoreError::sql(path, "keep a copy before migrating", error))
}

pub(super) fn random_name() -> String {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).expect("invariant: the system has randomness");
    format!("{:016x}", u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    fn dir() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    #[test]
    fn store_opened_twice_second_is_refused_with_the_holder() {
        let dir = dir();
        let first = Store::open(dir.path(), Access::Own).expect("opens");
        let Err(StoreError::Held { holder, .. }) = Store::open(dir.path(), Access::Own).map(|_| ()) else {
            panic!("the second instance should be refused");
        };
        assert_eq!(holder, Some(std::process::id().to_string()));
        assert_eq!(lock_holder(dir.path()), holder);
        drop(first);
        assert!(Store::open(dir.path(), Access::Own).is_ok());
        assert_eq!(lock_holder(&dir.path().join("another")), None);
    }

    #[test]
    fn lock_that_outlives_its_holder_by_a_moment_is_taken() {
        let dir = dir();
        let path = dir.path().join(LOCK_FILE);
        let mut lingering = Some(take_lock(&path).expect("taken"));
        assert!(take_lock_after(&path, || drop(lingering.take())).is_ok());
        let _holder = take_lock(&path).expect("taken");
        let mut pauses = 0;
        assert!(matches!(take_lock_after(&path, || pauses += 1), Err(StoreError::Held { .. })));
        assert_eq!(pauses, LOCK_TRIES - 1);
    }

    #[test]
    fn store_keeps_its_instance_name_across_restarts() {
        let dir = dir();
        let name = Store::open(dir.path(), Access::Own).expect("opens").instance().to_owned();
        assert_eq!(Store::open(dir.path(), Access::Read).expect("opens").instance(), name);
    }

    #[test]
    fn store_reads_without_a_store_are_told_so() {
        let dir = dir();
        assert!(matches!(Store::open(dir.path(), Access::Read).map(|_| ()), Err(StoreError::Missing { .. })));
        let file = dir.path().join("file");
        fs::write(&file, "").expect("written");
        let refused = Store::open(&file, Access::Read).map(|_| ());
        assert!(matches!(refused, Err(StoreError::Directory { .. })), "what cannot be looked into is not empty");
    }

    #[test]
    fn store_creation_cut_short_is_begun_again_and_leaves_no_half_database() {
        let dir = dir();
        let new = dir.path().join("wirewatch.db.new");
        fs::create_dir(&new).expect("made");
        assert!(Store::open(dir.path(), Access::Own).is_err(), "its place is taken");
        assert!(!dir.path().join(DATABASE_FILE).exists());
        fs::remove_dir(&new).expect("removed");
        for end in ["", "-wal", "-journal"] {
            fs::write(dir.path().join(format!("wirewatch.db.new{end}")), "half").expect("written");
        }
        drop(Store::open(dir.path(), Access::Own).expect("opens"));
        let names = fs::read_dir(dir.path()).expect("listed").flatten().map(|entry| entry.file_name());
        let left: Vec<_> = names.filter(|name| name.to_string_lossy().contains("new")).collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn store_damaged_or_newer_database_is_refused_and_left_alone() {
        let dir = dir();
        let path = dir.path().join(DATABASE_FILE);
        for bad in [&b""[..], b"short", b"this is certainly not a database file"] {
            fs::write(&path, bad).expect("writes");
            assert!(matches!(Store::open(dir.path(), Access::Own).map(|_| ()), Err(StoreError::Corrupt { .. })));
            assert_eq!(fs::read(&path).expect("reads"), bad);
        }
        fs::remove_file(&path).expect("removes");
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        store.write("test", |tx| tx.set_schema_version(99)).expect("writes");
        drop(store);
        assert!(matches!(Store::open(dir.path(), Access::Own).map(|_| ()), Err(StoreError::Newer { found: 99, .. })));
    }

    #[test]
    fn store_that_cannot_be_read_now_is_not_damaged() {
        let dir = dir();
        let path = dir.path().join(DATABASE_FILE);
        let unread = "*** in database main ***\nTree 5 page 9: btreeInitPage() returns error code 10";
        for (verdict, damaged) in [
            (unread, false),
            ("Tree 3 page 4: unable to get the page. error code=266", false),
            ("Tree 3 page 4: unable to get the page. error code=7", false),
            ("Tree 5 page 9: btreeInitPage() returns error code 11", true),
            ("row 3 missing from index items_source", true),
        ] {
            let judged = judged(&path, verdict.to_owned());
            assert_eq!(matches!(judged, StoreError::Corrupt { .. }), damaged, "{verdict}: {judged}");
        }
        // Reading it fails, though it is there: here because it is a folder.
        fs::create_dir(&path).expect("made");
        let refused = Store::open(dir.path(), Access::Own).map(|_| ());
        assert!(matches!(refused, Err(StoreError::File { .. })), "{refused:?}");
    }

    #[test]
    fn store_log_without_its_database_is_no_new_store() {
        let dir = dir();
        let path = dir.path().join(DATABASE_FILE);
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        store.write("test", |tx| tx.execute("INSERT INTO meta VALUES ('a', 'b')", [])).expect("written");
        let (database, log) = (fs::read(&path).expect("read"), fs::read(dir.path().join("wirewatch.db-wal")));
        let log = log.expect("a log while it is open");
        drop(store);
        for gone in ["", "empty"] {
            let _ = fs::remove_file(&path);
            if gone == "empty" {
                fs::write(&path, "").expect("written");
            }
            fs::write(dir.path().join("wirewatch.db-wal"), &log).expect("written");
            let refused = Store::open(dir.path(), Access::Own).map(|_| ());
            assert!(
                matches!(refused, Err(StoreError::Half { .. } | StoreError::Corrupt { .. })),
                "{gone}: {refused:?}"
            );
            assert_eq!(fs::read(dir.path().join("wirewatch.db-wal")).expect("still there"), log, "{gone}");
        }
        // With its database it is whole again.
        fs::write(&path, database).expect("written");
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        let kept: String = store
            .read("test", |c| c.query_row("SELECT value FROM meta WHERE key = 'a'", [], |row| row.get(0)))
            .expect("read");
        assert_eq!(kept, "b");
    }

    #[test]
    fn store_flipped_page_is_found_at_open() {
        let dir = dir();
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        store.checkpoint().expect("checkpoints");
        drop(store);
        let path = dir.path().join(DATABASE_FILE);
        let mut bytes = fs::read(&path).expect("reads");
        for byte in &mut bytes[4096..4096 + 512] {
            *byte ^= 0xff;
        }
        fs::write(&path, bytes).expect("writes");
        assert!(matches!(Store::open(dir.path(), Access::Own).map(|_| ()), Err(StoreError::Corrupt { .. })));
    }

    #[test]
    fn store_failed_write_leaves_nothing_behind() {
        let dir = dir();
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        let failed = store.write("test", |tx| {
            tx.execute("INSERT INTO meta VALUES ('a', 'b')", [])?;
            tx.execute("INSERT INTO nothing VALUES (1)", [])
        });
        assert!(failed.is_err());
        let rows: i64 = store
            .read("test", |c| c.query_row("SELECT count(*) FROM meta WHERE key = 'a'", [], |r| r.get(0)))
            .expect("reads");
        assert_eq!(rows, 0);
    }

    #[test]
    fn store_commit_that_fails_is_an_error_and_leaves_nothing_behind() {
        let dir = dir();
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        let made = "CREATE TABLE broken (row TEXT REFERENCES meta (key) DEFERRABLE INITIALLY DEFERRED)";
        store.write("test", |tx| tx.execute_batch(made)).expect("written");
        // Every statement goes well; what they leave is found at the end.
        let failed = store.write("test", |tx| {
            tx.execute("INSERT INTO meta VALUES ('a', 'b')", [])?;
            tx.execute("INSERT INTO broken VALUES ('nowhere')", [])
        });
        assert!(matches!(failed, Err(StoreError::Sql { .. })), "{failed:?}");
        let rows: i64 = store
            .read("test", |c| c.query_row("SELECT count(*) FROM meta WHERE key = 'a'", [], |r| r.get(0)))
            .expect("reads");
        assert_eq!(rows, 0);
        store.write("test", |tx| tx.execute("INSERT INTO meta VALUES ('a', 'b')", [])).expect("the next one goes well");
    }

    #[test]
    fn store_is_opened_and_read_while_another_program_writes() {
        let dir = dir();
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        let other = sqlite::open_as_it_is(store.path()).expect("opens");
        other.execute_batch("BEGIN IMMEDIATE").expect("locked");
        let beside = Store::open(dir.path(), Access::Read).expect("opens without waiting");
        assert_eq!(beside.instance(), store.instance());
        let mode: i64 = store.read("test", |c| c.query_row("PRAGMA auto_vacuum", [], |row| row.get(0))).expect("reads");
        assert_eq!(mode, 2, "incremental since it was made");
    }

    #[test]
    fn store_write_through_a_reader_is_refused() {
        let dir = dir();
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        assert!(store.read("test", |c| c.execute("DELETE FROM meta", [])).is_err());
    }
}
