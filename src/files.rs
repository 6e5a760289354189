//! Files as every room needs them: one replaced whole, so that whoever reads it sees the old one or the new
//! one, after a power cut as well; and whether the process can open more of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use rustix::io::Errno;

/// With fewer descriptors left, a file that could not be opened says nothing about the disk.
const DESCRIPTORS_SPARE: usize = 8;

/// Replaces a file in one step, with the permissions it had, or makes it.
///
/// # Errors
/// When its folder cannot be written; the file is then what it was.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    // One that was left by a crash: in a container the next process has the same number.
    let _ = fs::remove_file(&draft);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&draft)?;
        match fs::metadata(path) {
            Ok(old) => file.set_permissions(old.permissions())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&draft);
        return written;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Whether only a few more files could be opened: libraries do not tell this from a broken disk or an unknown
/// name. A few and not none, for another thread may have closed one since.
#[must_use]
pub fn descriptors_are_short() -> bool {
    let opened: Result<Vec<File>, _> = (0..DESCRIPTORS_SPARE).map(|_| File::open("/dev/null")).collect();
    opened.is_err_and(|error| is_shortage(&error))
}

/// Whether this machine is out of descriptors or memory: no fault of what was opened.
#[must_use]
pub fn is_shortage(error: &io::Error) -> bool {
    // Too many open files, here or in the system, have no stable kind.
    let number = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE].iter().any(|e| number == Some(e.raw_os_error()))
        || error.kind() == io::ErrorKind::OutOfMemory
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn replace_keeps_permissions_leaves_no_draft_and_survives_one_left_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.toml");
        replace(&path, b"one").expect("made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        fs::write(folder.path().join(format!(".a.toml.{}.new", std::process::id())), "half").expect("written");
        replace(&path, b"two").expect("replaced");
        assert_eq!(fs::read(&path).expect("reads"), b"two");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 1);
        assert!(replace(&folder.path().join("none/a.toml"), b"").is_err());
    }
}
