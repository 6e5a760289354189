//! Changes of the config's files to one word that it is time to reload, once they stand still. Events are
//! only hints: whether anything changed, and whether it is whole, is `reload`'s to find out. Off by default.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind, MetadataKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::config::{self, ConfigPlace};

/// Nothing may have happened for so long (an editor writes, renames and removes within it); but files that
/// change all the time are looked at after so long all the same.
const QUIET: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// Folders watched at most.
const FOLDERS_MAX: usize = 64;

/// The watch over the config's files.
pub(super) struct Follow {
    quiet: (Duration, Duration),
    hints: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    /// The first and the last hint that nobody acted on yet.
    waiting: Option<(Instant, Instant)>,
}

impl Default for Follow {
    fn default() -> Self {
        let (hints, watcher, folders) = (Arc::default(), None, BTreeSet::new());
        Self { quiet: QUIET, hints, watcher, folders, waiting: None }
    }
}

impl Follow {
    /// Watches the folders of the config's files, or nothing. Called again after each reload: what is
    /// included may have changed.
    pub(super) fn follow(&mut self, place: &ConfigPlace, on: bool) {
        if !on {
            *self = Self::default();
            return;
        }
        let files = config::files_of(place);
        // A config that cannot be read right now names fewer folders than the one that runs.
        let mut folders: BTreeSet<PathBuf> = self.folders.iter().filter(|dir| dir.is_dir()).cloned().collect();
        folders.extend(files.iter().flat_map(|file| folders_of(file)));
        let folders: BTreeSet<PathBuf> = folders.into_iter().take(FOLDERS_MAX).collect();
        let extensions: BTreeSet<OsString> =
            files.iter().filter_map(|file| file.extension()).map(ToOwned::to_owned).collect();
        match watch(&folders, extensions, self.hints.clone()) {
            Ok(watcher) => {
                if self.watcher.is_none() {
                    info!(folders = folders.len(), "config is reloaded when its files change");
                }
                (self.watcher, self.folders) = (Some(watcher), folders);
            }
            Err(error) => {
                warn!(%error, "changes of the config cannot be watched, it is reloaded on request only");
                self.watcher = None;
            }
        }
    }

    /// Returns when something changed and then stood still; loses nothing when it is cancelled.
    pub(super) async fn changed(&mut self) {
        loop {
            let (quiet, quiet_max) = self.quiet;
            let due = self.waiting.map(|(first, last)| (last + quiet).min(first + quiet_max));
            let still = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.hints.notified() => {
                    let now = Instant::now();
                    self.waiting = Some((self.waiting.map_or(now, |(first, _)| first), now));
                }
                () = still => {
                    self.waiting = None;
                    return;
                }
            }
        }
    }
}

/// The folder a file is named in, and the one it really lies in where that is another.
fn folders_of(file: &Path) -> Vec<PathBuf> {
    let named = std::path::absolute(file).ok();
    let real = std::fs::canonicalize(file).ok();
    [named, real].into_iter().flatten().filter_map(|file| file.parent().map(Path::to_owned)).collect()
}

fn watch(
    folders: &BTreeSet<PathBuf>,
    extensions: BTreeSet<OsString>,
    hints: Arc<Notify>,
) -> notify::Result<RecommendedWatcher> {
    let ours = folders.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.map_or(true, |event| matters(&event, &ours, &extensions)) {
            hints.notify_one();
        }
    })?;
    for folder in folders {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// Our own reading opens and closes these files; other files may lie beside them, the database even.
fn matters(event: &Event, folders: &BTreeSet<PathBuf>, extensions: &BTreeSet<OsString>) -> bool {
    let written = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Create(_) | EventKind::Remove(_) => true,
        EventKind::Modify(ModifyKind::Metadata(MetadataKind::AccessTime)) | EventKind::Access(_) => false,
        EventKind::Modify(_) => true,
        _ => event.need_rescan(),
    };
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        // A folder of links that are switched all at once, as containers mount configs: `..data`.
        folders.contains(path)
            || name.starts_with(b"..")
            || path.extension().is_some_and(|extension| extensions.contains(extension))
    };
    written && (event.need_rescan() || event.paths.iter().any(named))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, Flag, RemoveKind, RenameMode};

    use super::*;

    #[test]
    fn events_that_can_mean_another_config_matter_and_our_own_reading_does_not() {
        let folders = BTreeSet::from([PathBuf::from("/c")]);
        let extensions = BTreeSet::from([OsString::from("toml")]);
        for (kind, path, expected) in [
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), "/c/a.toml", true),
            (EventKind::Access(AccessKind::Close(AccessMode::Read)), "/c/a.toml", false),
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), "/c/a.toml", false),
            (EventKind::Modify(ModifyKind::Data(DataChange::Any)), "/c/a.toml", true),
            (EventKind::Modify(ModifyKind::Name(RenameMode::To)), "/c/a.toml", true),
            (EventKind::Remove(RemoveKind::File), "/c/a.toml", true),
            (EventKind::Create(CreateKind::File), "/c/.a.toml.swp", false),
            (EventKind::Modify(ModifyKind::Data(DataChange::Any)), "/c/wirewatch.db-wal", false),
            (EventKind::Modify(ModifyKind::Name(RenameMode::To)), "/c/..data", true),
            (EventKind::Remove(RemoveKind::Folder), "/c", true),
        ] {
            let event = Event::new(kind).add_path(path.into());
            assert_eq!(matters(&event, &folders, &extensions), expected, "{kind:?} {path}");
        }
        let lost = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert!(matters(&lost, &folders, &extensions));
    }

    /// Tenths of a second instead of seconds.
    fn quick() -> Follow {
        Follow { quiet: (Duration::from_millis(200), Duration::from_secs(1)), ..Follow::default() }
    }

    #[tokio::test]
    async fn changes_are_told_once_and_only_when_they_stand_still() {
        let mut follow = quick();
        let begun = Instant::now();
        let hints = follow.hints.clone();
        for _ in 0..5 {
            hints.notify_one();
            // Cancelled again and again, as in the daemon's loop.
            let told = tokio::time::timeout(Duration::from_millis(20), follow.changed()).await;
            assert!(told.is_err(), "told while it changed");
        }
        while tokio::time::timeout(Duration::from_millis(30), follow.changed()).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "never told");
        }
        assert!(begun.elapsed() >= follow.quiet.0, "{:?}", begun.elapsed());
        let again = tokio::time::timeout(follow.quiet.1, follow.changed()).await;
        assert!(again.is_err(), "told twice");
    }

    #[tokio::test]
    async fn changes_without_end_are_told_all_the_same() {
        let mut follow = quick();
        let hints = follow.hints.clone();
        let endless = tokio::spawn(async move {
            loop {
                hints.notify_one();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        tokio::time::timeout(Duration::from_secs(60), follow.changed()).await.expect("told");
        endless.abort();
    }
}
