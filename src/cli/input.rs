//! Files and standard input as commands read them: whole, or not at all.

use std::fs::DirBuilder;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::CliError;
use super::error::IO;

/// Bytes read from standard input.
const STDIN_BYTES_MAX: u64 = 64 << 20;

/// Name of what came by standard input.
pub(super) const STDIN_NAME: &str = "standard-input";

/// A file to read: one that was named, or standard input in a folder of its own, which goes when this does.
pub(super) struct InputFile {
    pub(super) path: PathBuf,
    folder: Option<PathBuf>,
}

impl InputFile {
    pub(super) fn of(file: &Path) -> Result<Self, CliError> {
        if file != Path::new("-") {
            return Ok(Self { path: file.to_owned(), folder: None });
        }
        let bytes = read_whole(std::io::stdin(), STDIN_BYTES_MAX, file)?;
        let random = RandomState::new().build_hasher().finish();
        let folder = std::env::temp_dir().join(format!("wirewatch-{random:016x}"));
        let path = folder.join(STDIN_NAME);
        // Made by us and for us alone: what somebody else has put there in advance is refused.
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .and_then(|()| std::fs::write(&path, bytes))
            .map_err(|e| CliError::new(IO, format!("write {}: {e}", path.display())))?;
        Ok(Self { path, folder: Some(folder) })
    }
}

impl Drop for InputFile {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // Whatever is left of it lies where such things are swept away.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// All that is to be read, which is refused where it is more than may be: a part of a document is another document.
pub(super) fn read_whole(from: impl Read, bytes_max: u64, file: &Path) -> Result<Vec<u8>, CliError> {
    let name = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let mut bytes = Vec::new();
    from.take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| CliError::new(IO, format!("read {name}: {error}")))?;
    if bytes.len() as u64 > bytes_max {
        return Err(CliError::data(format!("read {name}: it is longer than {} MiB", bytes_max >> 20))
            .hint("split it, and give the parts one after the other"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_that_is_too_long_is_refused_and_never_cut() {
        let file = Path::new("-");
        assert_eq!(read_whole(&[7u8; 8][..], 8, file).expect("fits"), [7; 8]);
        let refused = read_whole(&[7u8; 9][..], 8, file).expect_err("a byte too many");
        assert!(refused.to_string().contains("standard input"), "{refused}");
    }
}
