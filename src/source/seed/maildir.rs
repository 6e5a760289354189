//! A Maildir: programs deliver into `new` and move to `cur` what somebody has seen. Which of the two a message is in when
//! it is our turn is chance, so both are read, and a message is known by its content under whatever name.

use std::path::{Path, PathBuf};

use super::files::FileStamp;
use crate::model::{RawItem, Timestamp};

/// The folders of a Maildir that hold messages, where this is one or the `new` of one: `new`, then `cur`.
pub(super) fn folders(dir: &Path) -> Option<(PathBuf, PathBuf)> {
    let is_maildir = |root: &Path| ["new", "cur", "tmp"].iter().all(|name| root.join(name).is_dir());
    let root = if is_maildir(dir) {
        dir
    } else {
        dir.parent().filter(|root| dir.file_name().is_some_and(|name| name == "new") && is_maildir(root))?
    };
    Some((root.join("new"), root.join("cur")))
}

/// Whether a message in `cur` was there before anybody watched: read by its owner long ago, and no news.
pub(super) fn is_of_before(item: &RawItem, stamp: &FileStamp, watched_since: Timestamp) -> bool {
    let written = item.published.map_or(Timestamp::MAX, |dated| dated.at);
    stamp.modified().min(written) < watched_since
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maildir_is_known_by_its_three_folders() {
        let root = tempfile::tempdir().expect("a directory");
        let [new, cur] = ["new", "cur"].map(|name| root.path().join(name));
        for folder in [&new, &cur] {
            std::fs::create_dir(folder).expect("made");
        }
        assert_eq!((folders(root.path()), folders(&new)), (None, None), "without `tmp` these are any two folders");
        std::fs::create_dir(root.path().join("tmp")).expect("made");
        let both = Some((new.clone(), cur.clone()));
        assert_eq!((folders(root.path()), folders(&new)), (both.clone(), both));
        assert_eq!(folders(&cur), None, "whoever names `cur` alone means it");
    }
}
