//! What happens to a file after the commit: it stays, or moves to `done` or `error`. Never before
//! the commit, never over another file, and never when it was written again meanwhile. Blocks.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::files::{self, FileStamp};
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

/// A file that was moved, and whether its writer may have it open all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MovedFile {
    pub(super) path: PathBuf,
    pub(super) writer: WriterSign,
}

/// Moves a file into a folder, under its name or the next one free. `stamp` is the file that was
/// read; `None` for what was refused unread.
///
/// # Errors
/// [`SettleError`]; the file is then where it was.
pub(super) fn move_to(
    folder: &Path,
    path: &Path,
    stamp: Option<&FileStamp>,
    writers: &FileWriters,
) -> Result<MovedFile, SettleError> {
    let failed = |source| SettleError::Io { folder: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    if !is_still(path, stamp).map_err(failed)? {
        return Err(SettleError::Changed);
    }
    let name = path.file_name().unwrap_or_default();
    for attempt in 1..=NAMES_TRIED_MAX {
        let target = folder.join(numbered(name, attempt));
        match rename_new(path, &target) {
            Ok(()) => {
                // Asked after the move: from now on nobody opens it under its old name. A writer that has it open, or
                // reopened it between the check and the move, gets it back.
                let writer = stamp.map_or(WriterSign::None, |_| writers.of(name, &target));
                let refusal = if writer == WriterSign::Open {
                    Some(SettleError::HeldOpen)
                } else if is_still(&target, stamp).map_err(failed)? {
                    None
                } else {
                    Some(SettleError::Changed)
                };
                return match refusal {
                    Some(refusal) if rename_new(&target, path).is_ok() => Err(refusal),
                    _ => Ok(MovedFile { path: target, writer }),
                };
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "too many files of this name")))
}

/// Moves a file that was written on after it had been moved back to where it is read, under a name that is free.
///
/// # Errors
/// The system's error; the file is then where it was.
pub(super) fn move_back(moved: &Path, dir: &Path, name: &OsStr) -> io::Result<PathBuf> {
    for attempt in 1..=NAMES_TRIED_MAX {
        let target = dir.join(numbered(name, attempt));
        match rename_new(moved, &target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            renamed => return renamed.map(|()| target),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files of this name"))
}

/// Writes what was wrong beside a file in the error folder: of the whole file, or of some of its `items`.
///
/// # Errors
/// The system's error; the file itself is in place.
pub(super) fn write_sidecar(moved: &Path, refused: &FileRefusal, at: Timestamp) -> io::Result<PathBuf> {
    let mut text = format!("file:    {}\nat:      {at}\n", files::shown(moved.file_name().unwrap_or_default()));
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
    let mut name = moved.file_name().unwrap_or_default().to_owned();
    let suffix = ".error.txt";
    if name.len() + suffix.len() > NAME_BYTES_MAX {
        let kept = files::shown(&name).chars().take(40).filter(|c| *c != '/').collect::<String>();
        name = OsString::from(format!("{kept}-{at}"));
    }
    name.push(suffix);
    // Made anew, never opened: whatever lies under a note's name, a link or a FIFO, may be a stranger's.
    for attempt in 1..=NAMES_TRIED_MAX {
        let path = moved.with_file_name(numbered(&name, attempt));
        match fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(note) => return write_note(note, &path, &text).map(|()| path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many notes of this name"))
}

/// On a full disk the file is made and stays empty: a note that says nothing.
fn write_note(mut note: fs::File, path: &Path, text: &str) -> io::Result<()> {
    let written = note.write_all(text.as_bytes());
    if written.is_err() {
        _ = fs::remove_file(path);
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
        | RejectReason::RoundUpWithheld => "the items were taken; nothing needs to be done",
        RejectReason::HeldOpen => {
            "what was there was taken; write files under another name and rename them when they are whole"
        }
        RejectReason::DuplicateKey => "give each item an `id` of its own",
    }
}

fn is_still(path: &Path, stamp: Option<&FileStamp>) -> io::Result<bool> {
    let Some(stamp) = stamp else { return Ok(true) };
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(FileStamp::of(&meta).same_content_as(stamp)),
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

/// Renames without ever replacing, across filesystems too.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::XDEV) => copy_over(from, to),
        // Some network filesystems cannot refuse to replace by themselves.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if fs::symlink_metadata(to).is_err() => {
            fs::rename(from, to)
        }
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) => Err(error.into()),
    }
}

/// To another filesystem: the copy is durable before the original goes.
fn copy_over(from: &Path, to: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(from)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "only files can move to another filesystem"));
    }
    let mut source = fs::File::open(from)?;
    let mut copy = fs::OpenOptions::new().write(true).create_new(true).open(to)?;
    let copied = io::copy(&mut source, &mut copy).and_then(|_| copy.sync_all());
    if copied.is_err() {
        _ = fs::remove_file(to);
        return copied;
    }
    if let Ok(modified) = source.metadata().and_then(|meta| meta.modified()) {
        copy.set_modified(modified)?;
    }
    fs::remove_file(from)
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

    fn stamp(path: &Path) -> FileStamp {
        FileStamp::of(&fs::symlink_metadata(path).expect("metadata"))
    }

    fn moved(folder: &Path, path: &Path) -> Result<PathBuf, SettleError> {
        let before = fs::symlink_metadata(path).expect("metadata").is_file().then(|| stamp(path));
        move_to(folder, path, before.as_ref(), &FileWriters::default()).map(|moved| moved.path)
    }

    #[test]
    fn sidecar_that_a_full_disk_leaves_empty_is_taken_away() {
        let (_dir, file, _) = setup();
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("opened");
        let error = write_note(full, &file, "no words").expect_err("no space");
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
        rustix::fs::mknodat(CWD, &second, rustix::fs::FileType::Fifo, 0o644.into(), 0).expect("made");
        let rejection = Rejection { reason: RejectReason::Empty, detail: "no words".to_owned(), count: 1 };
        let written = write_sidecar(&file, &rejection.into(), Timestamp::from_seconds(0)).expect("written");
        assert_eq!(written, file.with_file_name("a.txt.error.3.txt"));
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
        let back = move_back(&there, dir.path(), "a.txt".as_ref()).expect("moved back");
        assert_eq!(back, dir.path().join("a.2.txt"));
        assert_eq!(fs::read_to_string(back).expect("read"), "one");
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
        assert!(matches!(move_to(&done, &file, Some(&before), &FileWriters::default()), Err(SettleError::Changed)));
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
        copy_over(&file, &done.join("a.txt")).expect("copied");
        assert_eq!(fs::read_to_string(done.join("a.txt")).expect("read"), "one");
        assert!(!file.exists());
        fs::write(&file, "two").expect("written");
        assert!(copy_over(&file, &done.join("a.txt")).is_err(), "must not replace");
        assert!(file.exists());
    }

    #[test]
    fn sidecar_says_what_is_wrong_and_what_to_do_and_cannot_be_forged() {
        let (dir, _, _) = setup();
        let rejection =
            Rejection { reason: RejectReason::Malformed, detail: "line 3\nreason:  none".to_owned(), count: 1 };
        let moved = dir.path().join("evil\nreason: none.json");
        let path = write_sidecar(&moved, &rejection.clone().into(), Timestamp::from_seconds(0)).expect("written");
        let text = fs::read_to_string(path).expect("read");
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.contains("malformed") && text.contains("line 3 reason: none") && text.contains("to mend:"));
        let long = dir.path().join("é".repeat(127));
        assert!(write_sidecar(&long, &rejection.into(), Timestamp::from_seconds(0)).is_ok());
    }
}
