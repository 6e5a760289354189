//! A directory held open, and everything done in it done by that handle: whoever may write to the seed directory can
//! put links, FIFOs and other files under any name at any moment, so nothing below it is reached by a path, through
//! a link, or by an open that waits. Blocks.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

/// For directories.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// For files: opening a FIFO without a writer would wait for ever. Regular files ignore it.
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

/// A directory held open.
#[derive(Debug)]
pub(super) struct OpenFolder {
    handle: OwnedFd,
    path: PathBuf,
}

impl OpenFolder {
    /// The directory of this path, which the operator named: links on the way to it are his.
    ///
    /// # Errors
    /// The system's error: it is missing, no directory, or may not be read.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let handle = rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty())?;
        Ok(Self { handle, path: path.to_owned() })
    }

    /// A folder for files that were taken, made where it is missing. Below this directory no part of it may be a link;
    /// elsewhere it is the operator's, like the directory itself.
    ///
    /// # Errors
    /// The system's error, or that a link is in the way.
    pub(super) fn folder(&self, path: &Path) -> io::Result<Self> {
        let Ok(below) = path.strip_prefix(&self.path) else {
            fs::create_dir_all(path)?;
            return Self::open(path);
        };
        let mut folder = Self { handle: self.handle.try_clone()?, path: self.path.clone() };
        for part in below.components() {
            let Component::Normal(name) = part else {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "its path leads out of the seed directory"));
            };
            match rustix::fs::mkdirat(&folder.handle, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let opened = rustix::fs::openat(&folder.handle, name, DIRECTORY.union(OFlags::NOFOLLOW), Mode::empty());
            let handle = opened.map_err(|error| folder.instead_of_a_folder(name, error))?;
            folder = Self { handle, path: folder.path.join(name) };
        }
        Ok(folder)
    }

    fn instead_of_a_folder(&self, name: &OsStr, error: Errno) -> io::Error {
        match self.stat(name) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_symlink() => io::Error::new(
                io::ErrorKind::InvalidInput,
                "a link has its name, and links in the seed directory are not followed: name where it leads as `done` \
                 or `error` in [seeds]",
            ),
            _ => error.into(),
        }
    }

    /// As the operator named it.
    #[cfg(test)]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Device and inode.
    ///
    /// # Errors
    /// The system's error.
    pub(super) fn place(&self) -> io::Result<(u64, u64)> {
        let stat = rustix::fs::fstat(&self.handle)?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// What a name is, without opening it; of a link the link itself.
    ///
    /// # Errors
    /// The system's error.
    pub(super) fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Opens a file for reading, not through a link and without waiting for whoever is at the other end.
    ///
    /// # Errors
    /// The system's error.
    pub(super) fn open_file(&self, name: &OsStr) -> io::Result<File> {
        Ok(rustix::fs::openat(&self.handle, name, FILE.union(OFlags::NOFOLLOW), Mode::empty())?.into())
    }

    /// Makes a file for writing; whatever has the name already is left alone.
    ///
    /// # Errors
    /// The system's error; [`io::ErrorKind::AlreadyExists`] where the name is taken.
    pub(super) fn create_new(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.handle, name, flags, Mode::from_raw_mode(0o666))?.into())
    }

    /// Removes a name.
    ///
    /// # Errors
    /// The system's error.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    /// Renames without ever replacing, within one filesystem.
    ///
    /// # Errors
    /// The system's error; [`io::ErrorKind::AlreadyExists`] where the name is taken,
    /// [`io::ErrorKind::CrossesDevices`] where the folders are on different filesystems.
    pub(super) fn rename_new(&self, name: &OsStr, to: &Self, target: &OsStr) -> io::Result<()> {
        match rustix::fs::renameat_with(&self.handle, name, &to.handle, target, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            // Some network filesystems cannot refuse to replace by themselves.
            Err(Errno::INVAL | Errno::NOSYS) if to.stat(target).is_err() => {
                Ok(rustix::fs::renameat(&self.handle, name, &to.handle, target)?)
            }
            Err(Errno::INVAL | Errno::NOSYS) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Its names, at most so many.
    ///
    /// # Errors
    /// The system's error when it cannot be listed.
    pub(super) fn names(&self, most: usize) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.handle)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if names.len() >= most {
                break;
            }
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// The filesystem's magic number, as far as the system tells.
    pub(super) fn filesystem(&self) -> Option<u64> {
        rustix::fs::fstatfs(&self.handle).ok().and_then(|stat| u64::try_from(stat.f_type).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, OpenFolder) {
        let dir = tempfile::tempdir().expect("a directory");
        let open = OpenFolder::open(dir.path()).expect("opened");
        (dir, open)
    }

    #[test]
    fn folder_below_is_made_and_never_reached_through_a_link() {
        let (dir, open) = folder();
        let outside = tempfile::tempdir().expect("a directory");
        let below = open.folder(&dir.path().join("a/done")).expect("made");
        below.create_new("x".as_ref()).expect("made");
        assert!(dir.path().join("a/done/x").exists());
        std::os::unix::fs::symlink(outside.path(), dir.path().join("error")).expect("linked");
        let refused = open.folder(&dir.path().join("error")).expect_err("refused");
        assert!(refused.to_string().contains("links in the seed directory are not followed"), "{refused}");
        std::os::unix::fs::symlink(outside.path(), dir.path().join("b")).expect("linked");
        assert!(open.folder(&dir.path().join("b/done")).is_err());
        assert!(open.folder(&dir.path().join("../elsewhere")).is_err());
        assert_eq!(fs::read_dir(outside.path()).expect("read").count(), 0);
        // Elsewhere it is the operator's to link.
        let link = outside.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).expect("linked");
        assert!(open.folder(&link).is_ok());
    }

    #[test]
    fn folder_that_was_exchanged_is_not_followed_to_another_place() {
        let (dir, open) = folder();
        fs::create_dir(dir.path().join("done")).expect("made");
        let done = open.folder(&dir.path().join("done")).expect("opened");
        let outside = tempfile::tempdir().expect("a directory");
        fs::rename(dir.path().join("done"), dir.path().join("old")).expect("renamed");
        std::os::unix::fs::symlink(outside.path(), dir.path().join("done")).expect("linked");
        done.create_new("note".as_ref()).expect("made");
        assert!(dir.path().join("old/note").exists() && !outside.path().join("note").exists());
    }

    #[test]
    fn folder_names_files_and_takes_no_link_or_fifo() {
        let (dir, open) = folder();
        fs::write(dir.path().join("file"), "x").expect("written");
        std::os::unix::fs::symlink(dir.path().join("file"), dir.path().join("link")).expect("linked");
        rustix::fs::mknodat(CWD, dir.path().join("fifo"), FileType::Fifo, 0o644.into(), 0).expect("made");
        let mut names = open.names(9).expect("listed");
        names.sort();
        assert_eq!(names, ["fifo", "file", "link"]);
        assert_eq!(open.names(2).expect("listed").len(), 2);
        assert!(open.open_file("file".as_ref()).is_ok());
        assert!(open.open_file("link".as_ref()).is_err());
        // Without a writer it opens at once, and is then seen not to be a file.
        assert!(open.open_file("fifo".as_ref()).is_ok());
        for taken in ["file", "link", "fifo"] {
            assert_eq!(
                open.create_new(taken.as_ref()).expect_err("taken").kind(),
                io::ErrorKind::AlreadyExists,
                "{taken}"
            );
        }
    }
}
