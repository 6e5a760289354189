//! Which files of a seed directory were closed a moment ago, heard by a process that does not take them: whoever takes them
//! from here on knows that they are complete, and need not see first whether they stand still.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::hints::{DirHint, DirHints};
use super::writers::UnclosedFiles;

/// Whatever is older stands still by itself.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Names that are kept.
const KEPT_MAX: usize = 4096;

/// Listens to a directory until it is dropped.
pub struct LatelyClosed {
    closed: Arc<Mutex<VecDeque<(Instant, OsString)>>>,
    unclosed: UnclosedFiles,
    _listening: AbortOnDropHandle<()>,
}

impl LatelyClosed {
    /// Where the directory cannot be listened to, nothing is known of it, and nothing is wrong.
    #[must_use]
    pub fn of(dir: PathBuf) -> Self {
        let (closed, unclosed) = (Arc::default(), UnclosedFiles::default());
        let listening = tokio::spawn(listen(dir, Arc::clone(&closed), unclosed.clone()));
        Self { closed, unclosed, _listening: AbortOnDropHandle::new(listening) }
    }

    /// The names of those that were closed, or renamed into the directory, within the last minute, and not written since.
    #[must_use]
    pub fn names(&self) -> Vec<OsString> {
        let closed = self.closed.lock();
        let young = closed.iter().filter(|(at, name)| at.elapsed() < KEPT_FOR && !self.unclosed.holds(name));
        young.map(|(_, name)| name.clone()).collect()
    }
}

async fn listen(dir: PathBuf, closed: Arc<Mutex<VecDeque<(Instant, OsString)>>>, unclosed: UnclosedFiles) {
    let Ok(Ok(mut hints)) = tokio::task::spawn_blocking(move || DirHints::of(&dir, unclosed)).await else { return };
    loop {
        match hints.next().await {
            DirHint::Closed(name) => {
                let mut closed = closed.lock();
                while closed.len() >= KEPT_MAX || closed.front().is_some_and(|(at, _)| at.elapsed() >= KEPT_FOR) {
                    closed.pop_front();
                }
                closed.push_back((Instant::now(), name));
            }
            // More happened than was heard of.
            DirHint::Scan => closed.lock().clear(),
            DirHint::Touched(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn closed_files_are_known_and_one_that_is_written_on_is_not() {
        use std::io::Write as _;

        let dir = tempfile::tempdir().expect("a directory");
        let lately = LatelyClosed::of(dir.path().to_owned());
        let until = async |names: &[&str]| {
            let heard = async {
                // Of the first there may be more to hear still.
                while lately.names().iter().filter(|name| *name != "first").ne(names) {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), heard).await.expect("heard of");
        };
        // It listens a moment later: what is put there again and again is heard of then.
        let first = dir.path().join("first");
        while lately.names().is_empty() {
            std::fs::write(&first, "1").expect("written");
            tokio::task::yield_now().await;
        }
        std::fs::write(dir.path().join("draft"), "2").expect("written");
        std::fs::rename(dir.path().join("draft"), dir.path().join("second")).expect("renamed");
        until(&["draft", "second"]).await;
        let mut open = std::fs::OpenOptions::new().append(true).open(dir.path().join("second")).expect("opened");
        open.write_all(b"more").expect("written");
        until(&["draft"]).await;
    }
}
