//! What happens to a file after the commit: it stays, or moves to `done` or `error`. Never before
//! the commit, never over another file, and never when it was written again meanwhile. Blocks.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FileType;
use tokio::time::Instant;

use super::files::{self, FileStamp};
use super::folder::OpenFolder;
use super::writers::{FileWriters, WriterSign};
use crate::model::{RejectReason, Rejection, Timestamp};
use crate::text::clean;

/// Names tried in a folder before giving up.
const NAMES_TRIED_MAX: u32 = 10_000;
/// Longest file name in bytes that filesystems take.
const NAME_BYTES_MAX: usize = 255;

/// What was wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileRefusal {
    pub(super) rejections: Vec<Rejection>,
    /// Items taken all the same; `None` when the file as a whole was refused.
    pub(super) items_taken: Option<u64>,
}

impl From<Rejection> for FileRefusal {
    fn from(rejection: Rejection) -> Self {
        Self { rejections: vec![rejection], items_taken: None }
    }
}

/// A file was not moved.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// It was replaced or written again: take it again.
    #[error("the file was written again before it could be moved")]
    Changed,
    /// Its writer has it open: what is written later must be found.
    #[error("its writer still has it open")]
    HeldOpen,
    /// The folder or the move failed.
    #[error("cannot move it to {}: {source}; check that the folder exists and is writable", folder.display())]
    Io {
        /// The target.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// A file of the directory that is to be moved into a folder.
#[derive(Debug)]
pub(super) struct FileToMove {
    pub(super) name: OsString,
    /// As it was read; `None` for what was refused unread.
    pub(super) stamp: Option<FileStamp>,
    pub(super) folder: PathBuf,
}

/// A file that was moved, and whether its writer may have it open all the same.
#[derive(Debug)]
pub(super) struct MovedFile {
    pub(super) folder: Arc<OpenFolder>,
    pub(super) name: OsString,
    pub(super) writer: WriterSign,
}

/// A file under its new name, and whether that is a copy, whose writers were asked about.
struct RenamedFile {
    folder: Arc<OpenFolder>,
    name: OsString,
    is_copy: bool,
}

/// Moves files of the directory into folders, each under its name or the next one free: all of them first, then one
/// look at the open files answers for them together. An error is of one file, which is then where it was.
pub(super) fn move_all(
    files: &[FileToMove],
    dir: &OpenFolder,
    writers: &FileWriters,
) -> Vec<Result<MovedFile, SettleError>> {
    let mut folders = Vec::new();
    let renamed: Vec<_> = files.iter().map(|file| rename_away(file, dir, &mut folders, writers)).collect();
    // Asked after the last move: from now on nobody opens them under their old names.
    let asked = Instant::now();
    let judged = files.iter().zip(renamed);
    judged.map(|(file, renamed)| renamed.and_then(|to| judge_moved(file, to, dir, writers, asked))).collect()
}

fn rename_away(
    file: &FileToMove,
    dir: &OpenFolder,
    folders: &mut Vec<(PathBuf, Arc<OpenFolder>)>,
    writers: &FileWriters,
) -> Result<RenamedFile, SettleError> {
    let FileToMove { name, stamp, folder } = file;
    let failed = |source| SettleError::Io { folder: folder.clone(), source };
    let to = if let Some((_, open)) = folders.iter().find(|(path, _)| path == folder) {
        Arc::clone(open)
    } else {
        let open = Arc::new(dir.folder(folder).map_err(failed)?);
        folders.push((folder.clone(), Arc::clone(&open)));
        open
    };
    if !is_still(dir, name, stamp.as_ref()).map_err(failed)? {
        return Err(SettleError::Changed);
    }
    for attempt in 1..=NAMES_TRIED_MAX {
        let target = numbered(name, attempt);
        match dir.rename_new(name, &to, &target) {
            Ok(()) => return Ok(RenamedFile { folder: to, name: target, is_copy: false }),
            // A copy has another place and change time; what was copied is judged by whoever copies.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                match copy_over(dir, name, &to, &target, stamp.as_ref(), Some(writers)) {
                    Ok(()) => return Ok(RenamedFile { folder: to, name: target, is_copy: true }),
                    Err(CopyError::Changed) => return Err(SettleError::Changed),
                    Err(CopyError::HeldOpen) => return Err(SettleError::HeldOpen),
                    Err(CopyError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(CopyError::Io(error)) => return Err(failed(error)),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "too many files of this name")))
}

/// A writer that has it open, or reopened it between the check and the move, gets it back.
fn judge_moved(
    file: &FileToMove,
    renamed: RenamedFile,
    dir: &OpenFolder,
    writers: &FileWriters,
    asked: Instant,
) -> Result<MovedFile, SettleError> {
    let RenamedFile { folder, name, is_copy } = renamed;
    if is_copy || file.stamp.is_none() {
        return Ok(MovedFile { folder, name, writer: WriterSign::None });
    }
    let writer = writers.of(&file.name, &folder, &name, asked);
    let is_still = is_still(&folder, &name, file.stamp.as_ref())
        .map_err(|source| SettleError::Io { folder: file.folder.clone(), source })?;
    let refusal = match writer {
        WriterSign::Open => Some(SettleError::HeldOpen),
        _ => (!is_still).then_some(SettleError::Changed),
    };
    match refusal {
        Some(refusal) if folder.rename_new(&name, dir, &file.name).is_ok() => Err(refusal),
        _ => Ok(MovedFile { folder, name, writer }),
    }
}

/// Moves a file that was written on after it had been moved back to where it is read, under a name that is free.
///
/// # Errors
/// The system's error; the file is then where it was.
pub(super) fn move_back(from: &OpenFolder, moved: &OsStr, dir: &OpenFolder, name: &OsStr) -> io::Result<OsString> {
    for attempt in 1..=NAMES_TRIED_MAX {
        let target = numbered(name, attempt);
        match from.rename_new(moved, dir, &target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                match copy_over(from, moved, dir, &target, None, None) {
                    Ok(()) => return Ok(target),
                    Err(CopyError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(CopyError::Io(error)) => return Err(error),
                    Err(CopyError::Changed | CopyError::HeldOpen) => return Err(io::ErrorKind::ResourceBusy.into()),
                }
            }
            renamed => return renamed.map(|()| target),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files of this name"))
}

/// Writes what was wrong beside a file in the error folder: of the whole file, or of some of its `items`.
///
/// # Errors
/// The system's error; the file itself is in place.
pub(super) fn write_sidecar(
    folder: &OpenFolder,
    moved: &OsStr,
    refused: &FileRefusal,
    at: Timestamp,
) -> io::Result<OsString> {
    let mut text = format!("file:    {}\nat:      {at}\n", files::shown(moved));
    if let Some(items) = refused.items_taken {
        let lost: u64 = refused.rejections.iter().map(|rejection| rejection.count).sum();
        _ = writeln!(text, "items:   {items} taken, {lost} refused");
    }
    for rejection in &refused.rejections {
        let count = if rejection.count > 1 { format!(" ({} ×)", rejection.count) } else { String::new() };
        _ = write!(
            text,
            "reason:  {}{count}\ndetail:  {}\nto mend: {}\n",
            rejection.reason,
            clean::excerpt(&rejection.detail, 500),
            hint(rejection.reason),
        );
    }
    let mut name = moved.to_owned();
    let suffix = ".error.txt";
    if name.len() + suffix.len() > NAME_BYTES_MAX {
        let kept = files::shown(&name).chars().take(40).filter(|c| *c != '/').collect::<String>();
        name = OsString::from(format!("{kept}-{at}"));
    }
    name.push(suffix);
    // Made anew, never opened: whatever lies under a note's name, a link or a FIFO, may be a stranger's.
    for attempt in 1..=NAMES_TRIED_MAX {
        let name = numbered(&name, attempt);
        match folder.create_new(&name) {
            Ok(note) => return write_note(note, folder, &name, &text).map(|()| name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many notes of this name"))
}

/// On a full disk the file is made and stays empty: a note that says nothing.
fn write_note(mut note: fs::File, folder: &OpenFolder, name: &OsStr, text: &str) -> io::Result<()> {
    let written = note.write_all(text.as_bytes());
    if written.is_err() {
        _ = folder.remove(name);
    }
    written
}

/// What to do about a refusal, for people.
#[must_use]
pub fn hint(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::Empty => "write the text into the file and drop it again",
        RejectReason::TooLarge => "split the file, or raise `file_max` in [seeds]",
        RejectReason::TextCut => "the item was taken; raise `text_max` in [limits] to keep more of its text",
        RejectReason::LinkDropped => "the item was taken; give it a shorter link",
        RejectReason::TooManyItems => "split the file into smaller ones",
        RejectReason::TooDeep | RejectReason::TooManyAttributes => {
            "the document is nested or built unusually; simplify it"
        }
        RejectReason::NotText => "save it as plain text, Markdown, HTML or JSON and drop it again",
        RejectReason::NotAFeed => "this XML is no RSS, RDF or Atom feed; drop an article or a feed",
        RejectReason::HtmlPage => "save the article itself rather than this page",
        RejectReason::Malformed => {
            "correct it at the place named and drop it again; `wirewatch parse FILE` shows what is read"
        }
        RejectReason::Symlink => "drop a copy of the file instead of a link",
        RejectReason::SpecialFile => "only regular files are read",
        RejectReason::Unreadable => "make it readable for the user wirewatch runs as (chmod, chown)",
        RejectReason::TimedOut => "the document takes too long to read; drop its text instead",
        RejectReason::Quarantined => {
            "drop its text instead; to have it read once more, touch the file, or `wirewatch quarantine release`"
        }
        RejectReason::ParserPanic => "this is a fault of wirewatch: please report it with the file",
        RejectReason::Rekeyed
        | RejectReason::TooOld
        | RejectReason::PageUnreachable
        | RejectReason::PageRefused
        | RejectReason::PageMissing
        | RejectReason::PageError
        | RejectReason::PageWithoutText
        | RejectReason::PageOverBudget
        | RejectReason::CommentWithheld
        | RejectReason::RoundUpWithheld
        | RejectReason::OverAlertQuota
        | RejectReason::OverByteQuota => "the items were taken; nothing needs to be done",
        RejectReason::HeldOpen => {
            "what was there was taken; write files under another name and rename them when they are whole"
        }
        RejectReason::IdNotBelieved => "the items were taken as new ones; give each item an `id` of its own",
        RejectReason::DuplicateKey => "give each item an `id` of its own",
    }
}

fn is_still(folder: &OpenFolder, name: &OsStr, stamp: Option<&FileStamp>) -> io::Result<bool> {
    let Some(stamp) = stamp else { return Ok(true) };
    match folder.stat(name) {
        Ok(stat) => Ok(FileStamp::of(&stat).same_content_as(stamp)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// `a.txt`, then `a.2.txt`, `a.3.txt`, …
fn numbered(name: &OsStr, attempt: u32) -> OsString {
    if attempt < 2 {
        return name.to_owned();
    }
    let path = Path::new(name);
    let mut out = path.file_stem().unwrap_or_default().to_owned();
    out.push(format!(".{attempt}"));
    if let Some(extension) = path.extension() {
        out.push(".");
        out.push(extension);
    }
    out
}

/// Why a file was not copied; it is where it was then.
#[derive(Debug)]
enum CopyError {
    /// It is not the file that was read, or became another meanwhile.
    Changed,
    /// Its writer has it open: what is written later must be found.
    HeldOpen,
    Io(io::Error),
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// To another filesystem: the copy is of the file that was read, and durable, before that file goes; whatever was put
/// under its name meanwhile stays.
fn copy_over(
    from: &OpenFolder,
    name: &OsStr,
    to: &OpenFolder,
    target: &OsStr,
    stamp: Option<&FileStamp>,
    writers: Option<&FileWriters>,
) -> Result<(), CopyError> {
    let only_files = || io::Error::new(io::ErrorKind::Unsupported, "only files can move to another filesystem");
    if !FileType::from_raw_mode(from.stat(name)?.st_mode).is_file() {
        return Err(only_files().into());
    }
    let mut source = from.open_file(name)?;
    let opened = rustix::fs::fstat(&source).map_err(io::Error::from)?;
    if !FileType::from_raw_mode(opened.st_mode).is_file() {
        return Err(only_files().into());
    }
    let opened = FileStamp::of(&opened);
    if stamp.is_some_and(|stamp| !stamp.same_content_as(&opened)) {
        return Err(CopyError::Changed);
    }
    let mut copy = to.create_new(target)?;
    let copied = io::copy(&mut source, &mut copy).and_then(|_| {
        if let Ok(modified) = source.metadata().and_then(|meta| meta.modified()) {
            copy.set_modified(modified)?;
        }
        copy.sync_all()
    });
    let removed = copied.map_err(CopyError::from).and_then(|()| remove_still(from, name, &source, &opened, writers));
    if removed.is_err() {
        _ = to.remove(target);
    }
    removed
}

/// Removes a name if it is still that of this file, unwritten: under another name first, which nobody else uses, so
/// that nothing can take its place between the look and the removal.
fn remove_still(
    folder: &OpenFolder,
    name: &OsStr,
    file: &fs::File,
    opened: &FileStamp,
    writers: Option<&FileWriters>,
) -> Result<(), CopyError> {
    let same = |stat: &rustix::fs::Stat| FileStamp::of(stat).same_content_as(opened);
    if !same(&rustix::fs::fstat(file).map_err(io::Error::from)?) || !same(&folder.stat(name)?) {
        return Err(CopyError::Changed);
    }
    for attempt in 1..=NAMES_TRIED_MAX {
        let aside = OsString::from(format!(".wirewatch-moved-{}-{attempt}", opened.place.1));
        match folder.rename_new(name, folder, &aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                let is_same = same(&folder.stat(&aside)?);
                let held = writers.is_some_and(|all| all.of(name, folder, &aside, Instant::now()) == WriterSign::Open);
                if is_same && !held {
                    return Ok(folder.remove(&aside)?);
                }
                // It gets its name back, or one beside whatever took that.
                move_back(folder, &aside, folder, name)?;
                return Err(if is_same { CopyError::HeldOpen } else { CopyError::Changed });
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files are being moved").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let (file, done) = (dir.path().join("a.txt"), dir.path().join("done"));
        fs::write(&file, "one").expect("written");
        (dir, file, done)
    }

    fn open(path: &Path) -> OpenFolder {
        OpenFolder::open(path.parent().expect("a folder")).expect("opened")
    }

    fn stamp(path: &Path) -> FileStamp {
        FileStamp::of(&open(path).stat(path.file_name().expect("a name")).expect("there"))
    }

    fn moved_as(folder: &Path, path: &Path, before: Option<&FileStamp>) -> Result<PathBuf, SettleError> {
        let name = path.file_name().expect("a name").to_owned();
        let file = FileToMove { name, stamp: before.copied(), folder: folder.to_owned() };
        let moved = move_all(&[file], &open(path), &FileWriters::default()).pop().expect("one");
        moved.map(|moved| moved.folder.path().join(moved.name))
    }

    fn moved(folder: &Path, path: &Path) -> Result<PathBuf, SettleError> {
        let before = fs::symlink_metadata(path).expect("metadata").is_file().then(|| stamp(path));
        moved_as(folder, path, before.as_ref())
    }

    /// A folder on another filesystem than the temporary files', if this machine has one to write to.
    fn elsewhere(dir: &Path) -> Option<tempfile::TempDir> {
        use std::os::unix::fs::MetadataExt;
        let other = tempfile::tempdir_in("/dev/shm").ok()?;
        let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
        (device(dir) != device(other.path())).then_some(other)
    }

    #[test]
    fn sidecar_that_a_full_disk_leaves_empty_is_taken_away() {
        let (_dir, file, _) = setup();
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("opened");
        let error = write_note(full, &open(&file), "a.txt".as_ref(), "no words").expect_err("no space");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(fs::symlink_metadata(&file).is_err());
    }

    #[test]
    fn sidecar_is_never_written_through_what_lies_under_its_name() {
        let (dir, file, _) = setup();
        let (precious, note) = (dir.path().join("precious"), file.with_file_name("a.txt.error.txt"));
        fs::write(&precious, "kept").expect("written");
        std::os::unix::fs::symlink(&precious, &note).expect("linked");
        let second = file.with_file_name("a.txt.error.2.txt");
        rustix::fs::mknodat(rustix::fs::CWD, &second, FileType::Fifo, 0o644.into(), 0).expect("made");
        let rejection = Rejection { reason: RejectReason::Empty, detail: "no words".to_owned(), count: 1 };
        let written = write_sidecar(&open(&file), "a.txt".as_ref(), &rejection.into(), Timestamp::from_seconds(0));
        assert_eq!(written.expect("written"), "a.txt.error.3.txt");
        assert_eq!(fs::read_to_string(&precious).expect("read"), "kept");
    }

    #[test]
    fn move_of_a_file_that_its_writer_has_open_is_undone() {
        let (_dir, file, done) = setup();
        let writer = fs::OpenOptions::new().append(true).open(&file).expect("opened");
        assert!(matches!(moved(&done, &file), Err(SettleError::HeldOpen)));
        assert!(file.exists() && !done.join("a.txt").exists());
        drop(writer);
        assert_eq!(moved(&done, &file).expect("moved"), done.join("a.txt"));
    }

    #[test]
    fn moved_file_comes_back_under_a_free_name() {
        let (dir, file, done) = setup();
        let there = moved(&done, &file).expect("moved");
        fs::write(&file, "another").expect("written");
        let back = move_back(&open(&there), "a.txt".as_ref(), &open(&file), "a.txt".as_ref()).expect("moved back");
        assert_eq!(back, "a.2.txt");
        assert_eq!(fs::read_to_string(dir.path().join(back)).expect("read"), "one");
    }

    #[test]
    fn move_makes_the_folder_and_never_replaces() {
        let (_dir, file, done) = setup();
        let first = moved(&done, &file).expect("moved");
        fs::write(&file, "two").expect("written");
        let second = moved(&done, &file).expect("moved");
        assert_eq!((first, second.clone()), (done.join("a.txt"), done.join("a.2.txt")));
        assert_eq!(fs::read_to_string(second).expect("read"), "two");
        assert!(!file.exists());
    }

    #[test]
    fn move_of_a_file_written_again_is_left_for_another_reading() {
        let (_dir, file, done) = setup();
        let before = stamp(&file);
        fs::write(&file, "longer than before").expect("written");
        assert!(matches!(moved_as(&done, &file, Some(&before)), Err(SettleError::Changed)));
        assert!(file.exists());
    }

    #[test]
    fn move_to_an_impossible_folder_says_where_and_keeps_the_file() {
        let (_dir, file, _) = setup();
        let folder = file.join("not-a-folder");
        let error = moved(&folder, &file).expect_err("refused");
        assert!(error.to_string().contains("not-a-folder"), "{error}");
        assert!(file.exists());
    }

    #[test]
    fn move_of_a_link_moves_the_link() {
        let (dir, file, done) = setup();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        let moved = moved(&done, &link).expect("moved");
        assert!(fs::symlink_metadata(moved).expect("there").is_symlink());
        assert!(file.exists());
    }

    #[test]
    fn copy_to_another_filesystem_leaves_one_file() {
        let (_dir, file, done) = setup();
        fs::create_dir(&done).expect("made");
        let (name, to) = (OsStr::new("a.txt"), OpenFolder::open(&done).expect("opened"));
        let copy = || copy_over(&open(&file), name, &to, name, Some(&stamp(&file)), None);
        copy().expect("copied");
        assert_eq!(fs::read_to_string(done.join("a.txt")).expect("read"), "one");
        assert!(!file.exists());
        fs::write(&file, "two").expect("written");
        assert!(copy().is_err(), "must not replace");
        assert!(file.exists());
    }

    #[test]
    fn copy_to_another_filesystem_is_of_what_was_read_and_of_nothing_put_in_its_place() {
        let (dir, file, done) = setup();
        fs::create_dir(&done).expect("made");
        let (name, to) = (OsStr::new("a.txt"), OpenFolder::open(&done).expect("opened"));
        let before = stamp(&file);
        let copy = || copy_over(&open(&file), name, &to, name, Some(&before), None);
        let other = dir.path().join("other");
        fs::write(&other, "not what was read").expect("written");
        fs::rename(&other, &file).expect("replaced");
        assert!(matches!(copy(), Err(CopyError::Changed)));
        fs::remove_file(&file).expect("removed");
        let precious = dir.path().join("precious");
        fs::write(&precious, "kept").expect("written");
        std::os::unix::fs::symlink(&precious, &file).expect("linked");
        assert!(copy().is_err());
        fs::remove_file(&file).expect("removed");
        rustix::fs::mknodat(rustix::fs::CWD, &file, FileType::Fifo, 0o644.into(), 0).expect("made");
        assert!(copy().is_err(), "and nobody waits for the other end of a FIFO");
        assert!(!done.join("a.txt").exists());
        assert_eq!(fs::read_to_string(&precious).expect("read"), "kept");
        // Exchanged between the copy and the removal, the other file stays.
        fs::remove_file(&file).expect("removed");
        fs::write(&file, "one").expect("written");
        let source = open(&file).open_file(name).expect("opened");
        let opened = stamp(&file);
        fs::write(&other, "came later").expect("written");
        fs::rename(&other, &file).expect("replaced");
        assert!(matches!(remove_still(&open(&file), name, &source, &opened, None), Err(CopyError::Changed)));
        assert_eq!(fs::read_to_string(&file).expect("read"), "came later");
    }

    #[test]
    fn move_to_another_filesystem_is_a_move() {
        let (dir, file, _) = setup();
        let Some(other) = elsewhere(dir.path()) else { return };
        let there = moved(other.path(), &file).expect("moved");
        assert_eq!(there, other.path().join("a.txt"));
        assert!(!file.exists() && there.exists());
        fs::write(&file, "two").expect("written");
        let writer = fs::OpenOptions::new().append(true).open(&file).expect("opened");
        assert!(matches!(moved(other.path(), &file), Err(SettleError::HeldOpen)));
        assert!(file.exists() && !other.path().join("a.2.txt").exists());
        drop(writer);
        assert_eq!(moved(other.path(), &file).expect("moved"), other.path().join("a.2.txt"));
    }

    #[test]
    fn move_into_a_folder_that_became_a_link_is_refused() {
        let (dir, file, done) = setup();
        let outside = tempfile::tempdir().expect("a directory");
        std::os::unix::fs::symlink(outside.path(), &done).expect("linked");
        let refused = moved(&done, &file).expect_err("refused");
        assert!(refused.to_string().contains("not followed"), "{refused}");
        assert!(file.exists() && dir.path().exists());
        assert_eq!(fs::read_dir(outside.path()).expect("read").count(), 0);
    }

    #[test]
    fn sidecar_says_what_is_wrong_and_what_to_do_and_cannot_be_forged() {
        let (dir, _, _) = setup();
        let rejection =
            Rejection { reason: RejectReason::Malformed, detail: "line 3\nreason:  none".to_owned(), count: 1 };
        let folder = OpenFolder::open(dir.path()).expect("opened");
        let write =
            |name: &str| write_sidecar(&folder, name.as_ref(), &rejection.clone().into(), Timestamp::from_seconds(0));
        let note = write("evil\nreason: none.json").expect("written");
        let text = fs::read_to_string(dir.path().join(note)).expect("read");
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.contains("malformed") && text.contains("line 3 reason: none") && text.contains("to mend:"));
        assert!(write(&"é".repeat(127)).is_ok());
    }
}
