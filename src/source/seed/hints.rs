//! The kernel's word that something changed in the directory, as hints that may be late, doubled or
//! lost: what does not fit is replaced by one order to scan. The callback runs on the notifier's
//! thread and never waits. `watch` decides what a hint means.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, mpsc};

use super::writers::UnclosedFiles;

/// DirHints that may wait; beyond that a scan is cheaper anyway.
const HINTS_WAITING_MAX: usize = 4096;

/// What may have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DirHint {
    /// A writer closed this file, or it was renamed into the directory.
    Closed(OsString),
    /// This file was created or its metadata changed.
    Touched(OsString),
    /// Anything: the queue ran over, or the directory itself went.
    Scan,
}

/// A watched directory; dropping it ends the watch.
pub(super) struct DirHints {
    waiting: mpsc::Receiver<DirHint>,
    overflow: Arc<Notify>,
    gone: Arc<AtomicBool>,
    overflows: Arc<AtomicU64>,
    _watcher: RecommendedWatcher,
}

impl DirHints {
    /// Watches a directory, not what lies below it, and keeps book of what is written and not closed. Blocks
    /// shortly.
    pub(super) fn of(dir: &Path, unclosed: UnclosedFiles) -> notify::Result<Self> {
        unclosed.clear();
        let (sender, waiting) = mpsc::channel(HINTS_WAITING_MAX);
        let overflow = Arc::new(Notify::new());
        let (gone, overflows) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let funnel = HintFunnel {
            dir: dir.to_owned(),
            sender,
            overflow: overflow.clone(),
            gone: gone.clone(),
            overflows: overflows.clone(),
            unclosed,
        };
        let mut watcher = notify::recommended_watcher(move |event| funnel.pour(event))?;
        watcher.watch(dir, RecursiveMode::NonRecursive)?;
        Ok(Self { waiting, overflow, gone, overflows, _watcher: watcher })
    }

    /// How often more was told than could be kept since this was asked last.
    pub(super) fn take_overflows(&self) -> u64 {
        self.overflows.swap(0, Ordering::Relaxed)
    }

    /// Whether the watched directory was removed or renamed: what has its name now is another one, even where the
    /// filesystem gave it the same inode, and this watch hears nothing of it.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// The next hint; cancel-safe.
    pub(super) async fn next(&mut self) -> DirHint {
        tokio::select! {
            biased;
            () = self.overflow.notified() => {
                // The scan covers whatever waits here.
                while self.waiting.try_recv().is_ok() {}
                DirHint::Scan
            }
            hint = self.waiting.recv() => match hint {
                Some(hint) => hint,
                None => std::future::pending().await,
            },
        }
    }
}

/// The notifier's side.
struct HintFunnel {
    dir: PathBuf,
    sender: mpsc::Sender<DirHint>,
    overflow: Arc<Notify>,
    gone: Arc<AtomicBool>,
    overflows: Arc<AtomicU64>,
    unclosed: UnclosedFiles,
}

impl HintFunnel {
    fn pour(&self, event: notify::Result<Event>) {
        match &event {
            Ok(event) if !event.need_rescan() => keep_book(event, &self.unclosed),
            _ => {
                self.overflows.fetch_add(1, Ordering::Relaxed);
                self.unclosed.clear();
            }
        }
        if event.as_ref().is_ok_and(|event| takes_away(event, &self.dir)) {
            self.gone.store(true, Ordering::Release);
        }
        let hint = event.map_or(Some(DirHint::Scan), |event| hint_of(&event, &self.dir));
        if hint.is_some_and(|hint| self.sender.try_send(hint).is_err()) {
            self.overflows.fetch_add(1, Ordering::Relaxed);
            self.overflow.notify_one();
        }
    }
}

/// A write that no close followed means that its writer still has the file open.
fn keep_book(event: &Event, unclosed: &UnclosedFiles) {
    for name in event.paths.iter().filter_map(|path| path.file_name()) {
        match event.kind {
            EventKind::Modify(ModifyKind::Data(_)) => unclosed.written(name),
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(_))
            | EventKind::Remove(_) => unclosed.closed(name),
            _ => {}
        }
    }
}

/// Whether the directory itself went.
fn takes_away(event: &Event, dir: &Path) -> bool {
    let went = matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
    went && event.paths.last().is_some_and(|path| path == dir)
}

/// Our own reading raises open and close events, and each write of a writer one more: only what can
/// mean a new file counts.
fn hint_of(event: &Event, dir: &Path) -> Option<DirHint> {
    if event.need_rescan() {
        return Some(DirHint::Scan);
    }
    let path = event.paths.last()?;
    if path == dir {
        return takes_away(event, dir).then_some(DirHint::Scan);
    }
    let name = path.file_name()?.to_owned();
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Some(DirHint::Closed(name)),
        // A folder is no file to come: ours for what is done, say.
        EventKind::Create(CreateKind::Folder) => None,
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Metadata(_)) => Some(DirHint::Touched(name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{DataChange, Flag, MetadataKind, RemoveKind};

    use super::*;

    #[test]
    fn hint_only_events_that_can_mean_a_new_file_count() {
        let table = [
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), "/s/a", None),
            (EventKind::Access(AccessKind::Close(AccessMode::Read)), "/s/a", None),
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), "/s/a", Some(DirHint::Closed("a".into()))),
            (EventKind::Modify(ModifyKind::Name(RenameMode::To)), "/s/a", Some(DirHint::Closed("a".into()))),
            (EventKind::Modify(ModifyKind::Name(RenameMode::From)), "/s/a", None),
            (EventKind::Modify(ModifyKind::Name(RenameMode::From)), "/s", Some(DirHint::Scan)),
            (EventKind::Remove(RemoveKind::Folder), "/s", Some(DirHint::Scan)),
            (EventKind::Remove(RemoveKind::File), "/s/a", None),
            (EventKind::Modify(ModifyKind::Data(DataChange::Any)), "/s/a", None),
            (EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), "/s/a", Some(DirHint::Touched("a".into()))),
            (EventKind::Create(CreateKind::Folder), "/s/done", None),
            (EventKind::Create(CreateKind::File), "/s/a", Some(DirHint::Touched("a".into()))),
        ];
        for (kind, path, expected) in table {
            let event = Event::new(kind).add_path(path.into());
            assert_eq!(hint_of(&event, Path::new("/s")), expected, "{kind:?} {path}");
        }
        assert_eq!(hint_of(&Event::new(EventKind::Other).set_flag(Flag::Rescan), Path::new("/s")), Some(DirHint::Scan));
    }

    #[test]
    fn book_is_kept_of_writes_without_a_close() {
        let unclosed = UnclosedFiles::default();
        let told = |kind: EventKind| {
            keep_book(&Event::new(kind).add_path("/s/a".into()), &unclosed);
            unclosed.holds("a".as_ref())
        };
        assert!(!told(EventKind::Create(CreateKind::File)), "a link made here has no writer");
        assert!(told(EventKind::Modify(ModifyKind::Data(DataChange::Any))));
        assert!(told(EventKind::Access(AccessKind::Close(AccessMode::Read))));
        assert!(!told(EventKind::Access(AccessKind::Close(AccessMode::Write))));
    }

    #[tokio::test]
    async fn hints_beyond_the_queue_become_one_scan_without_waiting() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut hints = DirHints::of(dir.path(), UnclosedFiles::default()).expect("watched");
        let (sender, waiting) = mpsc::channel(2);
        hints.waiting = waiting;
        let funnel = HintFunnel {
            dir: "/s".into(),
            sender,
            overflow: hints.overflow.clone(),
            gone: Arc::default(),
            overflows: hints.overflows.clone(),
            unclosed: UnclosedFiles::default(),
        };
        for n in 0..10 {
            let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
            funnel.pour(Ok(Event::new(closed).add_path(format!("/s/{n}").into())));
        }
        assert_eq!(hints.next().await, DirHint::Scan);
        assert_eq!((hints.take_overflows(), hints.take_overflows()), (8, 0));
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        funnel.pour(Ok(Event::new(closed).add_path("/s/late".into())));
        assert_eq!(hints.next().await, DirHint::Closed("late".into()));
    }

    #[tokio::test]
    async fn watch_of_a_directory_that_was_made_again_knows_that_it_is_of_the_old_one() {
        let parent = tempfile::tempdir().expect("a directory");
        let dir = parent.path().join("seeds");
        std::fs::create_dir(&dir).expect("made");
        let mut hints = DirHints::of(&dir, UnclosedFiles::default()).expect("watched");
        assert!(!hints.is_gone());
        std::fs::remove_dir(&dir).expect("removed");
        std::fs::create_dir(&dir).expect("made again, on most filesystems with the same inode");
        assert_eq!(hints.next().await, DirHint::Scan);
        assert!(hints.is_gone());
    }
}
