//! One file from its name to its rest: read (`reading`), parsed, sent as a [`Batch`], and after the receipt kept or
//! moved. Says what became of it; `watch` keeps the books and logs.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::AfterTaken;
use super::files::{self, FileStamp, ReadError};
use super::folder::OpenFolder;
use super::ledger::{CalmFile, FileOutcome};
use super::maildir;
use super::named::ParseJob;
use super::reading::{FileReader, FileReading, NotOpened, OpenedFile};
use super::settle::{self, FileRefusal, FileToMove, MovedFile, SettleError};
use super::writers::WriterSign;
use crate::failpoint::{Failpoint, Planted};
use crate::model::{
    ContentHash, Cursor, Origin, RejectReason, Rejection, SeedFile, SeedOutcome, SourceKind, Timestamp,
};
use crate::source::quarantine::ReadingPermit;
use crate::source::{Batch, DocumentFormat, ParsedDocument, Receipt};

/// Moved files whose writers were out of sight are looked at for this long, and so many of them.
const WATCHED_FOR: Duration = Duration::from_secs(3600);
const WATCHED_MAX: usize = 10_000;

/// What every file in flight shares.
pub(super) struct FileTaker {
    pub reader: Arc<FileReader>,
    /// It is the `cur` of a Maildir: what was there before this is no news.
    pub quiet_before: Option<Timestamp>,
    pub moves: MoveQueue,
    /// Files that were moved though their writers were out of sight.
    pub moved: Mutex<VecDeque<WatchedMove>>,
}

/// Files whose turn to be moved has come. Whoever gets the turn moves all that wait, so that files whose receipts come
/// together share one look at the open files.
#[derive(Debug, Default)]
pub(super) struct MoveQueue {
    waiting: Mutex<Vec<WaitingMove>>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct WaitingMove {
    file: FileToMove,
    refused: Option<FileRefusal>,
    told: oneshot::Sender<Result<(), SettleError>>,
}

/// A moved file that is looked at again.
#[derive(Debug)]
pub(super) struct WatchedMove {
    pub name: OsString,
    /// Where it went, and under which name there.
    pub folder: PathBuf,
    pub moved_as: OsString,
    pub stamp: FileStamp,
    pub until: Timestamp,
}

/// What became of one file.
#[derive(Debug)]
pub(super) struct TakenFile {
    pub name: OsString,
    pub done: FileOutcome,
    pub news: FileNews,
}

/// What there is to say about it.
#[derive(Debug)]
pub(super) enum FileNews {
    /// Nothing: it went away, was known, or will be looked at again.
    None,
    /// Its content was known already.
    Known,
    /// Its items are durable.
    Taken { format: DocumentFormat, receipt: Receipt, warnings: Vec<String>, held_open: bool },
    /// It was refused, and that is recorded.
    Refused(Rejection),
    /// It is durable but could not be moved.
    NotMoved(SettleError),
    /// The batch was dropped unanswered.
    NotAccepted,
    /// `ingest` is gone.
    Closed,
}

impl FileTaker {
    /// Takes one file. `calm` says how it stood still, where it was not told closed.
    pub(super) async fn take(self: Arc<Self>, name: OsString, calm: Option<CalmFile>) -> TakenFile {
        let (done, news) = match self.reader.open(&name, calm).await {
            Ok((opened, _room)) => self.commit(&name, opened, calm.is_some()).await,
            Err(NotOpened::Failed(ReadError::Gone, _)) => (FileOutcome::Gone, FileNews::None),
            Err(NotOpened::Failed(ReadError::Changed, _) | NotOpened::Large) => {
                (FileOutcome::Unsettled, FileNews::None)
            }
            Err(NotOpened::MaybeUnfinished(stamp)) => (FileOutcome::MaybeUnfinished { stamp }, FileNews::None),
            Err(NotOpened::Failed(ReadError::Refused(rejection), stamp)) => {
                self.refuse_unread(&name, stamp, rejection).await
            }
        };
        TakenFile { name, done, news }
    }

    async fn commit(self: &Arc<Self>, name: &OsStr, opened: OpenedFile, calm: bool) -> (FileOutcome, FileNews) {
        let OpenedFile { stamp, hash, read, held_open } = opened;
        let parsed = match read {
            FileReading::Known(outcome) => {
                let refused = known_refusal(&outcome);
                return self.rest(name, stamp, refused, FileNews::Known).await;
            }
            FileReading::Parsed(Err(rejection)) if rejection.reason == RejectReason::Empty && stamp.size_bytes == 0 => {
                // It may have been made just now to be written next.
                return if calm {
                    self.refuse_unread(name, Some(stamp), rejection).await
                } else {
                    (FileOutcome::Unsettled, FileNews::None)
                };
            }
            FileReading::Parsed(parsed) => parsed,
            FileReading::Heavy(format, bytes, permit) => self.parse_heavy(name, &stamp, format, bytes, permit).await,
        };
        let (format, warnings, mut items, mut rejected) = match parsed {
            Ok(document) => (Some(document.format), document.warnings, document.items, document.rejected),
            Err(rejection) => (None, Vec::new(), Vec::new(), vec![about(name, &rejection)]),
        };
        if let Some(since) = self.quiet_before {
            for item in &mut items {
                item.quiet |= maildir::is_of_before(item, &stamp, since);
            }
        }
        let lost: Vec<_> = rejected.iter().filter(|rejection| is_lost(rejection.reason)).cloned().collect();
        let (outcome, refused) = if let (None, Some(rejection)) = (format, rejected.first()) {
            (SeedOutcome::Refused(rejection.clone()), Some(rejection.clone().into()))
        } else {
            let items_taken = items.len() as u64;
            let outcome = SeedOutcome::Taken { items: items_taken, rejected: lost.iter().map(|r| r.count).sum() };
            let partly = FileRefusal { rejections: lost, items_taken: Some(items_taken) };
            (outcome, Some(partly).filter(|partly| !partly.rejections.is_empty()))
        };
        if held_open {
            let detail = "read while its writer had it open".to_owned();
            rejected.push(about(name, &Rejection { reason: RejectReason::HeldOpen, detail, count: 1 }));
        }
        let file = seed_file(hash, name, &stamp, outcome.clone());
        Failpoint::SeedRead.pass();
        if Planted::MoveFirst.is_in() {
            let _ = self.rest(name, stamp, refused.clone(), FileNews::None).await;
        }
        let receipt = match self.send(file, items, rejected).await {
            Ok(receipt) => receipt,
            Err(news) => return (FileOutcome::NotAccepted, news),
        };
        Failpoint::SeedAccepted.pass();
        self.reader.known.insert(hash, outcome.clone());
        let news = match (format, &outcome) {
            (_, SeedOutcome::Refused(rejection)) => FileNews::Refused(rejection.clone()),
            (format, SeedOutcome::Taken { .. }) => {
                FileNews::Taken { format: format.unwrap_or(DocumentFormat::Text), receipt, warnings, held_open }
            }
        };
        self.rest(name, stamp, refused, news).await
    }

    async fn parse_heavy(
        &self,
        name: &OsStr,
        stamp: &FileStamp,
        format: DocumentFormat,
        bytes: Vec<u8>,
        permit: Option<ReadingPermit>,
    ) -> Result<ParsedDocument, Rejection> {
        let job = ParseJob {
            format,
            bytes,
            name: name.to_string_lossy().into_owned(),
            modified: stamp.modified(),
            received: self.reader.inputs.clock.now(),
            limits: self.reader.inputs.limits,
            mail: self.reader.inputs.config.mail.clone(),
            permit,
        };
        job.run(&self.reader.inputs.parser).await
    }

    async fn send(
        &self,
        file: SeedFile,
        items: Vec<crate::model::RawItem>,
        rejected: Vec<Rejection>,
    ) -> Result<Receipt, FileNews> {
        let (receipt, told) = oneshot::channel();
        let origin = Origin {
            source: self.reader.inputs.config.id.clone(),
            kind: SourceKind::Seed,
            received: self.reader.inputs.clock.now(),
        };
        let batch = Batch {
            origin,
            items,
            unchanged: Vec::new(),
            rejected,
            cursor: Cursor::SeedFile(file),
            receipt: Some(receipt),
            inbox: None,
            hubs: None,
        };
        self.reader.inputs.ingest.send(batch.into()).await.map_err(|_| FileNews::Closed)?;
        told.await.map_err(|_| FileNews::NotAccepted)
    }

    /// Records, once, that a file is refused without its content being known.
    async fn refuse_unread(
        self: &Arc<Self>,
        name: &OsStr,
        stamp: Option<FileStamp>,
        rejection: Rejection,
    ) -> (FileOutcome, FileNews) {
        let rejection = about(name, &rejection);
        let size_bytes = stamp.map_or(0, |s| s.size_bytes);
        let modified = stamp.map_or(Timestamp::from_seconds(0), |s| s.modified());
        let hash = ContentHash::of(&[
            b"unread",
            name.as_encoded_bytes(),
            &size_bytes.to_le_bytes(),
            &modified.millis().to_le_bytes(),
            rejection.reason.as_str().as_bytes(),
        ]);
        let outcome = SeedOutcome::Refused(rejection.clone());
        let mut news = FileNews::None;
        if self.reader.known.outcome(hash).is_none() {
            let name = name.to_string_lossy().into_owned();
            let file = SeedFile { hash, name, size_bytes, modified, outcome: outcome.clone() };
            if let Err(news) = self.send(file, Vec::new(), vec![rejection.clone()]).await {
                return (FileOutcome::NotAccepted, news);
            }
            self.reader.known.insert(hash, outcome);
            news = FileNews::Refused(rejection.clone());
        }
        let retry = rejection.reason != RejectReason::Empty;
        // What cannot be read now may be mended in place; all else only gets in the way.
        if rejection.reason == RejectReason::Unreadable {
            return (FileOutcome::Refused { stamp, retry }, news);
        }
        match &self.reader.inputs.config.after {
            AfterTaken::Keep => (FileOutcome::Refused { stamp, retry }, news),
            AfterTaken::Move { error, .. } => {
                let moved = self.move_away(name, stamp, error.clone(), Some(rejection.into())).await;
                finished(moved, FileOutcome::Refused { stamp, retry: true }, news)
            }
        }
    }

    /// After the commit: the file stays or moves.
    async fn rest(
        self: &Arc<Self>,
        name: &OsStr,
        stamp: FileStamp,
        refused: Option<FileRefusal>,
        news: FileNews,
    ) -> (FileOutcome, FileNews) {
        let wholly = refused.as_ref().is_some_and(|refused| refused.items_taken.is_none());
        match &self.reader.inputs.config.after {
            AfterTaken::Keep if wholly => (FileOutcome::Refused { stamp: Some(stamp), retry: false }, news),
            AfterTaken::Keep => {
                let age = self.reader.inputs.clock.now().since(stamp.modified());
                (FileOutcome::Held { stamp, age }, news)
            }
            AfterTaken::Move { done, error } => {
                let folder = if refused.is_some() { error } else { done };
                let moved = self.move_away(name, Some(stamp), folder.clone(), refused).await;
                finished(moved, FileOutcome::Refused { stamp: Some(stamp), retry: true }, news)
            }
        }
    }

    async fn move_away(
        self: &Arc<Self>,
        name: &OsStr,
        stamp: Option<FileStamp>,
        folder: PathBuf,
        refused: Option<FileRefusal>,
    ) -> Result<(), SettleError> {
        let (told, mut answer) = oneshot::channel();
        let file = FileToMove { name: name.to_owned(), stamp, folder };
        self.moves.waiting.lock().push(WaitingMove { file, refused, told });
        tokio::select! {
            biased;
            answer = &mut answer => return answer.unwrap_or(Err(SettleError::Changed)),
            _turn = self.moves.turn.lock() => {
                // Others of the same transaction are about to come.
                tokio::task::yield_now().await;
                let waiting = std::mem::take(&mut *self.moves.waiting.lock());
                if !waiting.is_empty() {
                    let taker = self.clone();
                    _ = tokio::task::spawn_blocking(move || taker.move_waiting(waiting)).await;
                }
            }
        }
        answer.await.unwrap_or(Err(SettleError::Changed))
    }

    /// Blocks.
    fn move_waiting(&self, waiting: Vec<WaitingMove>) {
        let at = self.reader.inputs.clock.now();
        let (files, askers): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|waiting| (waiting.file, (waiting.refused, waiting.told))).unzip();
        let moved = match OpenFolder::open(&self.reader.dir) {
            Ok(dir) => settle::move_all(&files, &dir, &self.reader.writers),
            Err(error) => {
                let failed = |file: &FileToMove| {
                    let source = error.raw_os_error().map_or(error.kind().into(), std::io::Error::from_raw_os_error);
                    Err(SettleError::Io { folder: file.folder.clone(), source })
                };
                files.iter().map(failed).collect()
            }
        };
        for ((file, (refused, told)), moved) in files.into_iter().zip(askers).zip(moved) {
            // Whoever asked may be gone at a stop.
            _ = told.send(moved.and_then(|moved| self.after_move(file, &moved, refused, at)));
        }
    }

    fn after_move(
        &self,
        file: FileToMove,
        moved: &MovedFile,
        refused: Option<FileRefusal>,
        at: Timestamp,
    ) -> Result<(), SettleError> {
        let FileToMove { name, stamp, folder } = file;
        if let Some(stamp) = stamp.filter(|_| moved.writer != WriterSign::None) {
            let (folder, moved_as) = (folder.clone(), moved.name.clone());
            self.watch_moved(WatchedMove { name, folder, moved_as, stamp, until: at.plus(WATCHED_FOR) });
        }
        if let Some(refused) = refused {
            settle::write_sidecar(&moved.folder, &moved.name, &refused, at)
                .map_err(|source| SettleError::Io { folder, source })?;
        }
        Ok(())
    }

    pub(super) fn watch_moved(&self, moved: WatchedMove) {
        let mut watched = self.moved.lock();
        if watched.len() >= WATCHED_MAX {
            watched.pop_front();
        }
        watched.push_back(moved);
    }

    /// Brings back what was written on after it was moved, so that the rest of it is read. Blocks.
    pub(super) fn bring_back(&self, now: Timestamp) -> Vec<OsString> {
        let mut watched = self.moved.lock();
        let mut back = Vec::new();
        let Ok(dir) = OpenFolder::open(&self.reader.dir) else { return back };
        watched.retain(|moved| {
            let Ok(folder) = dir.folder(&moved.folder) else { return false };
            let Ok(stat) = folder.stat(&moved.moved_as) else { return false };
            // Whatever else has the name now is not what was moved.
            if FileStamp::of(&stat).place != moved.stamp.place {
                return false;
            }
            if FileStamp::of(&stat).same_content_as(&moved.stamp) {
                return now < moved.until;
            }
            let returned = settle::move_back(&folder, &moved.moved_as, &dir, &moved.name);
            if returned.is_ok() {
                back.push(moved.name.clone());
            }
            returned.is_err()
        });
        back
    }
}

/// Whether items were lost for this reason: a note or a repetition costs nothing.
fn is_lost(reason: RejectReason) -> bool {
    !reason.is_note() && reason != RejectReason::DuplicateKey
}

/// What was wrong with a file whose content was seen before; of its items only the number is known by now.
fn known_refusal(outcome: &SeedOutcome) -> Option<FileRefusal> {
    match outcome {
        SeedOutcome::Refused(rejection) => Some(rejection.clone().into()),
        SeedOutcome::Taken { rejected: 0, .. } => None,
        SeedOutcome::Taken { items, rejected } => {
            let detail = "when this content was read first; `wirewatch parse FILE` shows which items".to_owned();
            let rejection = Rejection { reason: RejectReason::Malformed, detail, count: *rejected };
            Some(FileRefusal { rejections: vec![rejection], items_taken: Some(*items) })
        }
    }
}

fn finished(moved: Result<(), SettleError>, stays: FileOutcome, news: FileNews) -> (FileOutcome, FileNews) {
    match moved {
        Ok(()) => (FileOutcome::Gone, news),
        Err(SettleError::Changed) => (FileOutcome::Unsettled, news),
        Err(error) => (stays, FileNews::NotMoved(error)),
    }
}

fn seed_file(hash: ContentHash, name: &OsStr, stamp: &FileStamp, outcome: SeedOutcome) -> SeedFile {
    let (size_bytes, modified) = (stamp.size_bytes, stamp.modified());
    SeedFile { hash, name: name.to_string_lossy().into_owned(), size_bytes, modified, outcome }
}

/// Puts the file's name before what is wrong with it.
fn about(name: &OsStr, rejection: &Rejection) -> Rejection {
    let detail = format!("{}: {}", files::shown(name), rejection.detail);
    Rejection { reason: rejection.reason, detail, count: rejection.count }
}
