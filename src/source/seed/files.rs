//! Reading files that others write while we look: no links followed, nothing blocking opened, never
//! more bytes than allowed, and a file that changed under the read is told from one that did not.
//! All of it blocks: callers run it off the runtime. What was read goes on to `parse`.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};

use super::folder::OpenFolder;
use crate::model::{RejectReason, Rejection, Timestamp};
use crate::text::clean;

/// Names taken from one directory listing; the rest waits for the next.
pub const LISTED_MAX: usize = 200_000;

/// Everything that tells whether a file is still the one that was looked at. Not its identity: that
/// is the hash of its content, because inodes and names are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileStamp {
    /// Device and inode.
    pub place: (u64, u64),
    /// Size in bytes.
    pub size_bytes: u64,
    /// Modification time, seconds and nanoseconds.
    modified: (i64, i64),
    /// Change time: unlike the modification time it cannot be set by hand.
    changed: (i64, i64),
}

impl FileStamp {
    /// From what the system says.
    #[must_use]
    pub fn of(stat: &Stat) -> Self {
        let time = |seconds, nanos: u64| (seconds, i64::try_from(nanos).unwrap_or(0));
        Self {
            place: (stat.st_dev, stat.st_ino),
            size_bytes: size_of(stat),
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            changed: time(stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// Modification time.
    #[must_use]
    pub fn modified(&self) -> Timestamp {
        Timestamp::from_millis(self.modified.0.saturating_mul(1000).saturating_add(self.modified.1 / 1_000_000))
    }

    /// Whether the content may have changed; a rename or chmod alone does not count.
    #[must_use]
    pub fn same_content_as(&self, other: &Self) -> bool {
        self.place == other.place && self.size_bytes == other.size_bytes && self.modified == other.modified
    }
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It went away: nothing to do.
    #[error("the file is gone")]
    Gone,
    /// It changed while it was read, or there is nothing to read it with: come again.
    #[error("the file changed while it was read")]
    Changed,
    /// It will not be read as it is.
    #[error("{}: {}", .0.reason, .0.detail)]
    Refused(Rejection),
}

/// A file that was read whole.
#[derive(Debug)]
pub struct FileContents {
    /// Every byte.
    pub bytes: Vec<u8>,
    /// The file at that time.
    pub stamp: FileStamp,
}

/// Looks at a file without opening it.
///
/// # Errors
/// [`ReadError`] when it is gone, no regular file, or larger than `bytes_max`. `Ok(None)` is a
/// directory.
pub fn look(folder: &OpenFolder, name: &OsStr, bytes_max: u64) -> Result<Option<FileStamp>, ReadError> {
    let stat = folder.stat(name).map_err(|e| read_error(&e))?;
    if FileType::from_raw_mode(stat.st_mode).is_dir() {
        return Ok(None);
    }
    check(&stat, bytes_max).map(|()| Some(FileStamp::of(&stat)))
}

/// Reads a file of the directory whole; a link is refused, for somebody else put it there.
///
/// # Errors
/// [`ReadError`]: gone, changed under the read, or refused with its reason.
pub fn read(folder: &OpenFolder, name: &OsStr, bytes_max: u64) -> Result<FileContents, ReadError> {
    let file = folder.open_file(name).map_err(|e| read_error(&e))?;
    read_opened(&file, bytes_max, || (), || folder.stat(name))
}

/// Reads a file that the user named, through a link as well.
///
/// # Errors
/// [`ReadError`]: gone, changed under the read, or refused with its reason.
pub fn read_named(path: &Path, bytes_max: u64) -> Result<FileContents, ReadError> {
    // O_NONBLOCK: opening a FIFO without a writer would wait for ever. Regular files ignore it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let opened = rustix::fs::openat(CWD, path, flags, Mode::empty());
    let file = File::from(opened.map_err(|e| read_error(&e.into()))?);
    read_opened(&file, bytes_max, || (), || Ok(rustix::fs::stat(path)?))
}

/// Reads what was opened; something may happen meanwhile, and at the end it must still be what has its name.
fn read_opened(
    file: &File,
    bytes_max: u64,
    meanwhile: impl FnOnce(),
    named: impl FnOnce() -> io::Result<Stat>,
) -> Result<FileContents, ReadError> {
    let stat = || rustix::fs::fstat(file).map_err(|e| read_error(&e.into()));
    // What was opened is judged, not what had the name a moment ago.
    let opened = stat()?;
    check(&opened, bytes_max)?;
    let before = FileStamp::of(&opened);
    let bytes = read_at_most(file, before.size_bytes, bytes_max)?;
    meanwhile();
    let after = FileStamp::of(&stat()?);
    let same_file = FileStamp::of(&named().map_err(|e| read_error(&e))?).place == before.place;
    if !same_file || !before.same_content_as(&after) || bytes.len() as u64 != after.size_bytes {
        return Err(ReadError::Changed);
    }
    Ok(FileContents { bytes, stamp: after })
}

/// A file name made fit for logs and reports.
#[must_use]
pub fn shown(name: &OsStr) -> String {
    clean::excerpt(&name.to_string_lossy(), 120)
}

fn check(stat: &Stat, bytes_max: u64) -> Result<(), ReadError> {
    let shape = FileType::from_raw_mode(stat.st_mode);
    if shape.is_symlink() {
        return Err(refused(RejectReason::Symlink, "a symbolic link is not followed; drop the file itself"));
    }
    if !shape.is_file() {
        return Err(refused(RejectReason::SpecialFile, "a directory, FIFO, socket or device is not read"));
    }
    if size_of(stat) > bytes_max {
        return Err(too_large(size_of(stat), bytes_max));
    }
    Ok(())
}

fn size_of(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// A file that grows meanwhile is read to its cap only; sparse ones never get here.
fn read_at_most(file: &File, expected: u64, bytes_max: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::with_capacity(usize::try_from(expected.saturating_add(1)).unwrap_or(0));
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| read_error(&e))?;
    if bytes.len() as u64 > bytes_max {
        return Err(too_large(bytes.len() as u64, bytes_max));
    }
    Ok(bytes)
}

fn read_error(error: &io::Error) -> ReadError {
    let link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    let special = error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error());
    let short = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE, rustix::io::Errno::NOMEM];
    match error.kind() {
        io::ErrorKind::NotFound => ReadError::Gone,
        // That we can open no more files is no fault of this one.
        _ if short.iter().any(|short| error.raw_os_error() == Some(short.raw_os_error())) => ReadError::Changed,
        _ if link => refused(RejectReason::Symlink, "a symbolic link is not followed; drop the file itself"),
        _ if special => refused(RejectReason::SpecialFile, "a directory, FIFO, socket or device is not read"),
        _ => refused(RejectReason::Unreadable, &format!("cannot be read: {error}")),
    }
}

fn too_large(size_bytes: u64, bytes_max: u64) -> ReadError {
    refused(RejectReason::TooLarge, &format!("{size_bytes} bytes, and the limit is {bytes_max}"))
}

fn refused(reason: RejectReason, detail: &str) -> ReadError {
    ReadError::Refused(Rejection { reason, detail: detail.to_owned(), count: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 1000;

    fn reason(error: &ReadError) -> Option<RejectReason> {
        match error {
            ReadError::Refused(rejection) => Some(rejection.reason),
            _ => None,
        }
    }

    fn folder(dir: &tempfile::TempDir) -> OpenFolder {
        OpenFolder::open(dir.path()).expect("opened")
    }

    #[test]
    fn read_regular_file_gives_all_bytes_and_its_stamp() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("a.txt"), "harbour").expect("written");
        std::fs::create_dir(dir.path().join("done")).expect("made");
        let contents = read(&folder(&dir), "a.txt".as_ref(), MAX).expect("read");
        assert_eq!(contents.bytes, b"harbour");
        assert_eq!(look(&folder(&dir), "a.txt".as_ref(), MAX).expect("looked"), Some(contents.stamp));
        assert_eq!(look(&folder(&dir), "done".as_ref(), MAX).expect("looked"), None);
    }

    #[test]
    fn read_links_fifos_and_directories_are_refused_without_waiting() {
        let dir = tempfile::tempdir().expect("a directory");
        let (link, fifo, file) = (dir.path().join("link"), dir.path().join("fifo"), dir.path().join("file"));
        std::fs::write(&file, "x").expect("written");
        std::fs::create_dir(dir.path().join("below")).expect("made");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, 0o644.into(), 0).expect("made");
        for (name, expected) in [("link", RejectReason::Symlink), ("fifo", RejectReason::SpecialFile)] {
            assert_eq!(reason(&read(&folder(&dir), name.as_ref(), MAX).expect_err("refused")), Some(expected));
            assert_eq!(reason(&look(&folder(&dir), name.as_ref(), MAX).expect_err("refused")), Some(expected));
        }
        let error = read(&folder(&dir), "below".as_ref(), MAX).expect_err("refused");
        assert_eq!(reason(&error), Some(RejectReason::SpecialFile));
        assert!(read_named(&link, MAX).is_ok());
        assert!(read_named(&fifo, MAX).is_err());
        assert!(read_named(Path::new("/dev/zero"), MAX).is_err());
    }

    #[test]
    fn read_sparse_terabyte_is_refused_unread() {
        let dir = tempfile::tempdir().expect("a directory");
        File::create(dir.path().join("sparse")).and_then(|f| f.set_len(1 << 40)).expect("made");
        let refused = read(&folder(&dir), "sparse".as_ref(), MAX).expect_err("refused");
        assert_eq!(reason(&refused), Some(RejectReason::TooLarge));
    }

    #[test]
    fn read_file_that_is_written_or_replaced_meanwhile_is_read_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        let written_again = || {
            // Of the same size, a moment later.
            std::fs::write(&path, "pier").expect("written");
            let written = std::fs::metadata(&path).and_then(|meta| meta.modified()).expect("a time");
            let later = written + std::time::Duration::from_secs(1);
            File::options().write(true).open(&path).and_then(|f| f.set_modified(later)).expect("set");
        };
        let grown = || std::fs::write(&path, "docks").expect("written");
        let replaced = || std::fs::rename(&other, &path).expect("renamed");
        let cases: [(&str, &dyn Fn()); 3] =
            [("written again", &written_again), ("grown", &grown), ("replaced", &replaced)];
        for (what, meanwhile) in cases {
            std::fs::write(&path, "dock").expect("written");
            std::fs::write(&other, "dock").expect("written");
            let (folder, name) = (folder(&dir), OsStr::new("a"));
            let file = folder.open_file(name).expect("opened");
            let read = read_opened(&file, MAX, meanwhile, || folder.stat(name));
            assert!(matches!(read, Err(ReadError::Changed)), "{what}: {read:?}");
        }
    }

    #[test]
    fn read_missing_file_is_gone_not_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(matches!(read(&folder(&dir), "a".as_ref(), MAX), Err(ReadError::Gone)));
        assert!(matches!(read_named(Path::new("/nonexistent/a"), MAX), Err(ReadError::Gone)));
    }

    #[test]
    fn read_cap_holds_while_reading_not_only_before() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a");
        std::fs::write(&path, vec![b'x'; 50]).expect("written");
        let file = File::open(&path).expect("opened");
        // The file said 5 bytes when it was looked at and holds 50 now.
        let error = read_at_most(&file, 5, 20).expect_err("refused");
        assert_eq!(reason(&error), Some(RejectReason::TooLarge));
    }

    #[test]
    fn stamp_tells_a_replacement_of_equal_size_and_time() {
        let dir = tempfile::tempdir().expect("a directory");
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::write(&a, "one").expect("written");
        std::fs::write(&b, "two").expect("written");
        let look = |name: &str| look(&folder(&dir), name.as_ref(), MAX).expect("looked").expect("a file");
        let before = look("a");
        let times =
            std::fs::FileTimes::new().set_modified(std::fs::metadata(&a).and_then(|m| m.modified()).expect("time"));
        File::options().write(true).open(&b).and_then(|f| f.set_times(times)).expect("set");
        std::fs::rename(&b, &a).expect("renamed");
        let after = look("a");
        assert_eq!((before.size_bytes, before.modified()), (after.size_bytes, after.modified()));
        assert!(!before.same_content_as(&after));
    }
}
