//! Whether somebody still has a file open for writing: what the kernel told of writes without a close,
//! and the table of open files under `/proc` as far as we may see it. Blocks; `take` asks before it reads
//! a file that nobody closed and after it moved one.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::folder::OpenFolder;

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
}

impl FileWriters {
    /// Who writes the file that has this name in the folder, and was told of as `told`.
    pub(super) fn of(&self, told: &OsStr, folder: &OpenFolder, name: &OsStr) -> WriterSign {
        let asked = Instant::now();
        let Ok(stat) = folder.stat(name) else { return WriterSign::Unknown };
        let mut table = lock(&self.table);
        // Whoever waited for the walk of another shares it, when it began after the question.
        if table.as_ref().is_none_or(|table| table.began <= asked) {
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
            let Some(Ok(open)) = is_process.then(|| fs::read_dir(process.path().join("fd"))) else { continue };
            for file in open.flatten() {
                looked += 1;
                if looked > OPEN_FILES_MAX {
                    table.whole = false;
                    return table;
                }
                table.look_at(&process.path(), &file.path());
            }
        }
        table
    }

    fn look_at(&mut self, process: &Path, file: &Path) {
        let is_path = fs::read_link(file)
            .is_ok_and(|target| target.is_absolute() && !target.starts_with("/dev") && !target.starts_with("/proc"));
        let name = file.file_name().unwrap_or_default();
        if is_path
            && fs::read_to_string(process.join("fdinfo").join(name)).is_ok_and(|info| is_open_for_writing(&info))
            && let Ok(meta) = fs::metadata(file)
        {
            self.open.insert((meta.dev(), meta.ino()));
        }
    }

    /// Whether every process of this user, who owns the file, is in sight.
    fn sees(&self, owner: u32) -> bool {
        let ourselves = rustix::process::geteuid();
        self.whole && (ourselves.is_root() || ourselves.as_raw() == owner)
    }
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
    use super::*;

    #[test]
    fn writer_of_our_own_is_seen_until_it_closes() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.txt");
        let (writers, folder) = (FileWriters::default(), OpenFolder::open(dir.path()).expect("opened"));
        let sign = || writers.of("a.txt".as_ref(), &folder, "a.txt".as_ref());
        let writing = fs::File::create(&path).expect("made");
        assert_eq!(sign(), WriterSign::Open);
        drop(writing);
        assert_ne!(sign(), WriterSign::Open);
        let _reading = fs::File::open(&path).expect("opened");
        assert_ne!(sign(), WriterSign::Open, "a reader is no writer");
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
