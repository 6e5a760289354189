//! One file from its name to its rest: read, recognised by hash, parsed, sent as a [`Batch`], and
//! after the receipt kept or moved. Says what became of it; `watch` keeps the books and logs.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::Instant;

use super::files::{self, FileContents, FileStamp, ReadError};
use super::folder::OpenFolder;
use super::known::KnownSeeds;
use super::ledger::{CalmFile, FileOutcome, OLD_SETTLES};
use super::maildir;
use super::named::ParseJob;
use super::parse::{self, FileContext};
use super::settle::{self, FileRefusal, FileToMove, MovedFile, SettleError};
use super::writers::{FileWriters, WriterSign};
use super::{AfterTaken, SeedInputs};
use crate::failpoint::{Failpoint, Planted};
use crate::model::{
    ContentHash, Cursor, Origin, RejectReason, Rejection, SeedFile, SeedOutcome, SourceKind, Timestamp,
};
use crate::source::quarantine::{DocumentOrigin, NamedDocument, ReadingPermit};
use crate::source::{Batch, DocumentFormat, ParsedDocument, Receipt};

/// Files up to this size are read whenever their turn comes; larger ones a few at a time.
const SMALL_BYTES_MAX: u64 = 256 << 10;
/// Larger files held in memory at once.
const LARGE_AT_ONCE_MAX: usize = 2;
/// Small files read at once: more would only queue at the disk.
const READS_AT_ONCE_MAX: usize = 4;
/// KiB of files that are read and wait for their receipt.
const WAITING_KIB_MAX: u32 = 16 << 10;

/// A file that its writer has open is read after this many settle times without a write, and not moved.
const OPEN_SETTLES: u32 = 300;
/// Moved files whose writers were out of sight are looked at for this long, and so many of them.
const WATCHED_FOR: Duration = Duration::from_secs(3600);
const WATCHED_MAX: usize = 10_000;

/// What every file in flight shares.
pub(super) struct FileTaker {
    pub dir: PathBuf,
    pub inputs: SeedInputs,
    pub known: Arc<KnownSeeds>,
    pub rooms: Arc<ReadingRooms>,
    /// It is the `cur` of a Maildir: what was there before this is no news.
    pub quiet_before: Option<Timestamp>,
    pub writers: FileWriters,
    pub moves: MoveQueue,
    /// Files that were moved though their writers were out of sight.
    pub moved: Mutex<VecDeque<WatchedMove>>,
}

/// What may be read and held at once, of all folders that are watched together.
#[derive(Debug)]
pub(super) struct ReadingRooms {
    pub large: Semaphore,
    pub reads: Semaphore,
    pub waiting: Semaphore,
}

impl Default for ReadingRooms {
    fn default() -> Self {
        Self {
            large: Semaphore::new(LARGE_AT_ONCE_MAX),
            reads: Semaphore::new(READS_AT_ONCE_MAX),
            waiting: Semaphore::new(WAITING_KIB_MAX as usize),
        }
    }
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

/// Room in memory that a file has.
type Room<'a> = SemaphorePermit<'a>;

/// A file as read, with what reading cost no more to find out.
struct OpenedFile {
    stamp: FileStamp,
    hash: ContentHash,
    read: FileReading,
    /// Its writer has it open and has not written for very long.
    held_open: bool,
}

enum FileReading {
    /// Its content is known.
    Known(SeedOutcome),
    /// Parsed at once: a light format, or refused.
    Parsed(Result<ParsedDocument, Rejection>),
    /// A heavy format, for a parser thread.
    Heavy(DocumentFormat, Vec<u8>, Option<ReadingPermit>),
}

/// Why a file did not open.
enum NotOpened {
    Failed(ReadError, Option<FileStamp>),
    MaybeUnfinished(FileStamp),
    Large,
}

impl FileTaker {
    /// Takes one file. `calm` says how it stood still, where it was not told closed.
    pub(super) async fn take(self: Arc<Self>, name: OsString, calm: Option<CalmFile>) -> TakenFile {
        let (done, news) = match self.open(&name, calm).await {
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

    /// Reads a file when it is its turn, and gives it the room it takes until it is done.
    async fn open(self: &Arc<Self>, name: &OsStr, calm: Option<CalmFile>) -> Result<(OpenedFile, Room<'_>), NotOpened> {
        let small = {
            let _turn = self.rooms.reads.acquire().await;
            self.open_into_room(name, calm, SMALL_BYTES_MAX).await
        };
        match small {
            Err(NotOpened::Large) => {
                let _turn = self.rooms.large.acquire().await;
                self.open_into_room(name, calm, u64::MAX).await
            }
            other => other,
        }
    }

    /// What has no room yet keeps its turn meanwhile, so that no more is read than fits.
    async fn open_into_room(
        self: &Arc<Self>,
        name: &OsStr,
        calm: Option<CalmFile>,
        bytes_max: u64,
    ) -> Result<(OpenedFile, Room<'_>), NotOpened> {
        let opened = self.open_blocking(name, calm, bytes_max).await?;
        let kib = (opened.stamp.size_bytes >> 10).clamp(1, WAITING_KIB_MAX.into());
        let room = self.rooms.waiting.acquire_many(u32::try_from(kib).expect("invariant: capped")).await;
        Ok((opened, room.expect("invariant: nobody closes it")))
    }

    async fn open_blocking(
        self: &Arc<Self>,
        name: &OsStr,
        calm: Option<CalmFile>,
        size_bytes_max: u64,
    ) -> Result<OpenedFile, NotOpened> {
        let (taker, name) = (self.clone(), name.to_owned());
        let job = tokio::task::spawn_blocking(move || taker.read_now(&name, calm, size_bytes_max));
        job.await.unwrap_or_else(|_| {
            let detail = "reading it failed in a way that should not be possible".to_owned();
            let rejection = Rejection { reason: RejectReason::ParserPanic, detail, count: 1 };
            Err(NotOpened::Failed(ReadError::Refused(rejection), None))
        })
    }

    /// Blocks: looks, reads, hashes, and parses what is light.
    fn read_now(&self, name: &OsStr, calm: Option<CalmFile>, size_bytes_max: u64) -> Result<OpenedFile, NotOpened> {
        let Ok(dir) = OpenFolder::open(&self.dir) else { return Err(NotOpened::Failed(ReadError::Gone, None)) };
        let file_bytes_max = self.inputs.config.file_bytes_max;
        let seen = match files::look(&dir, name, file_bytes_max) {
            Ok(Some(stamp)) => stamp,
            Ok(None) => return Err(NotOpened::Failed(ReadError::Gone, None)),
            Err(error) => return Err(NotOpened::Failed(error, None)),
        };
        if seen.size_bytes > size_bytes_max {
            return Err(NotOpened::Large);
        }
        let FileContents { bytes, stamp } =
            files::read(&dir, name, file_bytes_max).map_err(|error| NotOpened::Failed(error, Some(seen)))?;
        let hash = ContentHash::of(&[&bytes]);
        if let Some(outcome) = self.known.outcome(hash) {
            return Ok(OpenedFile { stamp, hash, read: FileReading::Known(outcome), held_open: false });
        }
        let held_open = self.is_held_open(&dir, name, &stamp, calm).ok_or(NotOpened::MaybeUnfinished(stamp))?;
        let shown = name.to_string_lossy();
        let context = self.context(&shown, &stamp);
        let document = NamedDocument {
            modified_ms: Some(stamp.modified().millis()),
            ..NamedDocument::new(DocumentOrigin::Seed, &shown, &bytes)
        };
        let permit = self.inputs.parser.quarantine().enter_blocking(&document, self.inputs.clock.now());
        let mark = permit.map_err(|held| NotOpened::Failed(ReadError::Refused(held.rejection()), Some(stamp)))?.begin();
        Failpoint::Reading.pass();
        let read = match parse::format_of(&bytes, &context) {
            Ok(format) if parse::is_heavy(format) => FileReading::Heavy(format, bytes, mark.pause()),
            Ok(format) => FileReading::Parsed(parse::parse_as(format, &bytes, &context)),
            Err(rejection) => FileReading::Parsed(Err(rejection)),
        };
        Ok(OpenedFile { stamp, hash, read, held_open })
    }

    /// Whether a file is taken though its writer has it open; `None` when it is better left for later.
    fn is_held_open(&self, dir: &OpenFolder, name: &OsStr, stamp: &FileStamp, calm: Option<CalmFile>) -> Option<bool> {
        let settle = self.inputs.config.settle;
        let Some(calm) = calm else {
            // Told closed; but another writer may have written since.
            return (!self.writers.unclosed.holds(name)).then_some(false);
        };
        let asked = self.writers.question(name, calm.seen, stamp, self.inputs.clock.now());
        let still = Instant::now().saturating_duration_since(calm.since);
        match self.writers.of(name, dir, name, asked) {
            WriterSign::None => Some(false),
            WriterSign::Open => (still >= settle * OPEN_SETTLES).then_some(true),
            WriterSign::Unknown => (still >= settle * OLD_SETTLES).then_some(false),
        }
    }

    fn context<'a>(&'a self, name: &'a str, stamp: &FileStamp) -> FileContext<'a> {
        let received = self.inputs.clock.now();
        let (limits, mail) = (&self.inputs.limits, &self.inputs.config.mail);
        FileContext { name, modified: stamp.modified(), received, limits, mail }
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
        self.known.insert(hash, outcome.clone());
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
            received: self.inputs.clock.now(),
            limits: self.inputs.limits,
            mail: self.inputs.config.mail.clone(),
            permit,
        };
        job.run(&self.inputs.parser).await
    }

    async fn send(
        &self,
        file: SeedFile,
        items: Vec<crate::model::RawItem>,
        rejected: Vec<Rejection>,
    ) -> Result<Receipt, FileNews> {
        let (receipt, told) = oneshot::channel();
        let origin =
            Origin { source: self.inputs.config.id.clone(), kind: SourceKind::Seed, received: self.inputs.clock.now() };
        let batch =
            Batch { origin, items, rejected, cursor: Cursor::SeedFile(file), receipt: Some(receipt), inbox: None };
        self.inputs.ingest.send(batch.into()).await.map_err(|_| FileNews::Closed)?;
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
        if self.known.outcome(hash).is_none() {
            let name = name.to_string_lossy().into_owned();
            let file = SeedFile { hash, name, size_bytes, modified, outcome: outcome.clone() };
            if let Err(news) = self.send(file, Vec::new(), vec![rejection.clone()]).await {
                return (FileOutcome::NotAccepted, news);
            }
            self.known.insert(hash, outcome);
            news = FileNews::Refused(rejection.clone());
        }
        let retry = rejection.reason != RejectReason::Empty;
        // What cannot be read now may be mended in place; all else only gets in the way.
        if rejection.reason == RejectReason::Unreadable {
            return (FileOutcome::Refused { stamp, retry }, news);
        }
        match &self.inputs.config.after {
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
        match &self.inputs.config.after {
            AfterTaken::Keep if wholly => (FileOutcome::Refused { stamp: Some(stamp), retry: false }, news),
            AfterTaken::Keep => {
                let age = self.inputs.clock.now().since(stamp.modified());
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
        let at = self.inputs.clock.now();
        let (files, askers): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|waiting| (waiting.file, (waiting.refused, waiting.told))).unzip();
        let moved = match OpenFolder::open(&self.dir) {
            Ok(dir) => settle::move_all(&files, &dir, &self.writers),
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
        let Ok(dir) = OpenFolder::open(&self.dir) else { return back };
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
