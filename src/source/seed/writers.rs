//! Whether somebody still has a file open for writing: what the kernel told of writes without a close,
//! and the table of open files under `/proc` as far as we may see it. Blocks; `take` asks before it reads
//! a file that nobody closed and after it moved some. A walk over that table costs as much as hundreds of files: it
//! answers every question that is older than its beginning.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tokio::time::Instant;

use super::files::FileStamp;
use super::folder::OpenFolder;
use super::ledger::{GRAIN, SeenFile};
use crate::model::Timestamp;

/// Names kept of files written to and not closed; those beyond are found by the table, or by standing still.
const UNCLOSED_MAX: usize = 10_000;
/// Open files looked at in one walk over `/proc`.
const OPEN_FILES_MAX: usize = 1_000_000;
/// The first PID namespace's own number: in any other one, processes outside are out of sight.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";
/// Filesystems whose files other machines, or programs behind FUSE, may be writing: NFS, SMB (three of them), FUSE,
/// 9P, AFS, Ceph, GFS2, OCFS2.
const SHARED_FILESYSTEMS: [u64; 10] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x6573_5546,
    0x0102_1997,
    0x5346_414f,
    0x00c3_6400,
    0x0116_1970,
    0x7461_636f,
];

/// What is known of a file's writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriterSign {
    /// Nobody has it open for writing.
    None,
    /// Somebody has.
    Open,
    /// Those who might are out of sight: other users, other containers, other machines.
    Unknown,
}

/// Files the kernel told a write of, and no close since. Shared with the watch that hears of it.
#[derive(Debug, Clone, Default)]
pub(super) struct UnclosedFiles(Arc<Mutex<HashSet<OsString>>>);

impl UnclosedFiles {
    /// Somebody wrote.
    pub(super) fn written(&self, name: &OsStr) {
        let mut names = lock(&self.0);
        if names.len() < UNCLOSED_MAX && !names.contains(name) {
            names.insert(name.to_owned());
        }
    }

    /// Somebody closed it, or the name went.
    pub(super) fn closed(&self, name: &OsStr) {
        lock(&self.0).remove(name);
    }

    /// Events were lost: what is left of them says nothing.
    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }

    pub(super) fn holds(&self, name: &OsStr) -> bool {
        lock(&self.0).contains(name)
    }
}

/// The writers of the seed directory's files.
#[derive(Debug, Default)]
pub(super) struct FileWriters {
    pub(super) unclosed: UnclosedFiles,
    table: Mutex<Option<WriterTable>>,
    #[cfg(test)]
    walks: std::sync::atomic::AtomicUsize,
}

impl FileWriters {
    /// From when on a walk tells who was writing a file that was read as `stamp`, by now. As it was seen before, where it
    /// has not been written since: whoever opened it after the walk has not written a byte of what was read. A write shows
    /// in the times, unless the last one is so young that the filesystem's clock may not tell the two apart.
    pub(super) fn question(&self, told: &OsStr, seen: Option<SeenFile>, stamp: &FileStamp, now: Timestamp) -> Instant {
        let asked = Instant::now();
        let Some(seen) = seen.filter(|seen| seen.stamp == *stamp && !self.unclosed.holds(told)) else { return asked };
        let stood_still = now.since(stamp.modified()).saturating_sub(asked.saturating_duration_since(seen.at));
        if stood_still >= GRAIN { seen.at } else { asked }
    }

    /// Who writes the file that has this name in the folder, and was told of as `told`, at `asked` or since.
    pub(super) fn of(&self, told: &OsStr, folder: &OpenFolder, name: &OsStr, asked: Instant) -> WriterSign {
        let Ok(stat) = folder.stat(name) else { return WriterSign::Unknown };
        let mut table = lock(&self.table);
        // Whoever waited for the walk of another shares it, when it began after the question.
        if table.as_ref().is_none_or(|table| table.began <= asked) {
            #[cfg(test)]
            self.walks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            *table = Some(WriterTable::walk());
        }
        let Some(table) = table.as_ref() else { return WriterSign::Unknown };
        if table.open.contains(&(stat.st_dev, stat.st_ino)) {
            return WriterSign::Open;
        }
        let shared = folder.filesystem().is_none_or(|magic| SHARED_FILESYSTEMS.contains(&magic));
        if table.sees(stat.st_uid) && !shared {
            return WriterSign::None;
        }
        if self.unclosed.holds(told) { WriterSign::Open } else { WriterSign::Unknown }
    }

    /// How often the table of open files was gone through.
    #[cfg(test)]
    pub(super) fn walks(&self) -> usize {
        self.walks.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// Every file that a process in sight has open for writing.
#[derive(Debug)]
struct WriterTable {
    began: Instant,
    open: HashSet<(u64, u64)>,
    /// All processes of the same user are in sight.
    whole: bool,
}

impl WriterTable {
    fn walk() -> Self {
        let began = Instant::now();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let mut table = Self { began, open: HashSet::new(), whole: namespace.as_os_str() == FIRST_PID_NAMESPACE };
        let mut looked = 0;
        let Ok(processes) = fs::read_dir("/proc") else { return Self { whole: false, ..table } };
        for process in processes.flatten() {
            let is_process = process.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit);
            // Of other users' processes nothing is shown.
            let Some(Ok(process)) = is_process.then(|| open_dir(CWD, process.path().as_os_str())) else { continue };
            let Ok(files) = open_dir(&process, OsStr::new("fd")) else { continue };
            let Ok(names) = rustix::fs::Dir::read_from(&files) else { continue };
            for file in names.flatten().filter(|file| file.file_name().to_bytes().first() != Some(&b'.')) {
                looked += 1;
                if looked > OPEN_FILES_MAX {
                    table.whole = false;
                    return table;
                }
                table.open.extend(place_if_written(&process, &files, OsStr::from_bytes(file.file_name().to_bytes())));
            }
        }
        table
    }

    /// Whether every process of this user, who owns the file, is in sight.
    fn sees(&self, owner: u32) -> bool {
        let ourselves = rustix::process::geteuid();
        self.whole && (ourselves.is_root() || ourselves.as_raw() == owner)
    }
}

/// Device and inode of an open file, if it is one that is open for writing.
fn place_if_written(process: &OwnedFd, files: &OwnedFd, number: &OsStr) -> Option<(u64, u64)> {
    // The rights of the link are those it was opened with; most are only read, and this is all that is asked of them.
    let link = rustix::fs::statat(files, number, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    if !Mode::from_raw_mode(link.st_mode).contains(Mode::WUSR) {
        return None;
    }
    let target = rustix::fs::readlinkat(files, number, Vec::new()).ok()?;
    let target = target.to_bytes();
    if !target.starts_with(b"/") || [&b"/dev/"[..], b"/proc/"].iter().any(|apart| target.starts_with(apart)) {
        return None;
    }
    let info = Path::new("fdinfo").join(number);
    let info = rustix::fs::openat(process, &info, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut flags = String::new();
    fs::File::from(info).read_to_string(&mut flags).ok()?;
    if !is_open_for_writing(&flags) {
        return None;
    }
    let file = rustix::fs::statat(files, number, AtFlags::empty()).ok()?;
    Some((file.st_dev, file.st_ino))
}

fn open_dir(at: impl AsFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// `flags: 0100001`: the two lowest bits say how it was opened.
fn is_open_for_writing(fdinfo: &str) -> bool {
    let flags = fdinfo.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 0o3 != 0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn writer_of_our_own_is_seen_until_it_closes() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.txt");
        let (writers, folder) = (FileWriters::default(), OpenFolder::open(dir.path()).expect("opened"));
        let sign = || writers.of("a.txt".as_ref(), &folder, "a.txt".as_ref(), Instant::now());
        let writing = fs::File::create(&path).expect("made");
        assert_eq!(sign(), WriterSign::Open);
        drop(writing);
        assert_ne!(sign(), WriterSign::Open);
        let _reading = fs::File::open(&path).expect("opened");
        assert_ne!(sign(), WriterSign::Open, "a reader is no writer");
    }

    #[test]
    fn one_walk_answers_every_question_that_is_older() {
        let dir = tempfile::tempdir().expect("a directory");
        let (writers, folder) = (FileWriters::default(), OpenFolder::open(dir.path()).expect("opened"));
        let names: Vec<OsString> = (0..9).map(|n| OsString::from(format!("{n}.txt"))).collect();
        for name in &names {
            fs::write(dir.path().join(name), "whole").expect("written");
        }
        let held = fs::OpenOptions::new().append(true).open(dir.path().join("3.txt")).expect("opened");
        let ask = |asked| -> Vec<bool> {
            names.iter().map(|name| writers.of(name, &folder, name, asked) == WriterSign::Open).collect()
        };
        let asked = Instant::now();
        assert_eq!(ask(asked).iter().position(|open| *open), Some(3));
        assert_eq!(ask(asked).iter().filter(|open| **open).count(), 1);
        assert_eq!(writers.walks(), 1);
        drop(held);
        let later = writers.of("3.txt".as_ref(), &folder, "3.txt".as_ref(), Instant::now());
        assert_eq!((later == WriterSign::Open, writers.walks()), (false, 2), "a later question is a new one");
    }

    #[test]
    fn question_is_as_old_as_the_last_look_at_a_file_that_was_not_written_since() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.txt");
        fs::write(&path, "whole").expect("written");
        let folder = OpenFolder::open(dir.path()).expect("opened");
        let stamp = || FileStamp::of(&folder.stat("a.txt".as_ref()).expect("there"));
        let (writers, told) = (FileWriters::default(), OsStr::new("a.txt"));
        let (before, seen) = (stamp(), SeenFile { stamp: stamp(), at: Instant::now() });
        let at = |after: Duration| before.modified().plus(after);
        let is_shared = |seen, stamp: &FileStamp, now| {
            let question = writers.question(told, seen, stamp, now);
            Some(question) == seen.map(|seen: SeenFile| seen.at)
        };
        let hour = Duration::from_secs(3600);
        assert!(is_shared(Some(seen), &before, at(hour)));
        assert!(!is_shared(None, &before, at(hour)), "nobody looked");
        assert!(!is_shared(Some(seen), &before, at(GRAIN / 2)), "a write within the clock's grain does not show");
        writers.unclosed.written(told);
        assert!(!is_shared(Some(seen), &before, at(hour)), "the kernel told of a write");
        writers.unclosed.closed(told);
        fs::write(&path, "whole, and more").expect("written");
        assert!(!is_shared(Some(seen), &stamp(), at(hour)), "it was written");
    }

    #[test]
    fn writes_without_a_close_are_remembered_until_one_comes() {
        let unclosed = UnclosedFiles::default();
        let (a, b) = (OsStr::new("a"), OsStr::new("b"));
        unclosed.written(a);
        unclosed.written(b);
        unclosed.closed(a);
        assert_eq!((unclosed.holds(a), unclosed.holds(b)), (false, true));
        unclosed.clear();
        assert!(!unclosed.holds(b));
    }

    #[test]
    fn flags_tell_writers_from_readers() {
        for (flags, writes) in [("0100000", false), ("0100001", true), ("02100002", true), ("", false)] {
            assert_eq!(is_open_for_writing(&format!("pos:\t0\nflags:\t{flags}\nmnt_id:\t29\n")), writes, "{flags}");
        }
    }
}
