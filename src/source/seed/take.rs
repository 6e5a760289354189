//! One file from its name to its rest: read, recognised by hash, parsed, sent as a [`Batch`], and
//! after the receipt kept or moved. Says what became of it; `watch` keeps the books and logs.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::files::{self, FileContents, FileStamp, LinkPolicy, ReadError};
use super::known::KnownSeeds;
use super::ledger::FileOutcome;
use super::named::ParseJob;
use super::parse::{self, FileContext};
use super::settle::{self, SettleError};
use super::{AfterTaken, SeedInputs};
use crate::failpoint::{Failpoint, Planted};
use crate::model::{
    ContentHash, Cursor, Origin, RejectReason, Rejection, SeedFile, SeedOutcome, SourceKind, Timestamp,
};
use crate::source::{Batch, DocumentFormat, ParsedDocument, Receipt};

/// Files up to this size are read whenever their turn comes; larger ones a few at a time.
const SMALL_BYTES_MAX: u64 = 256 << 10;
/// Larger files held in memory at once.
pub(super) const LARGE_AT_ONCE_MAX: usize = 2;
/// Small files read at once: more would only queue at the disk.
pub(super) const READS_AT_ONCE_MAX: usize = 4;
/// KiB of files that are read and wait for their receipt.
pub(super) const WAITING_KIB_MAX: u32 = 16 << 10;

/// What every file in flight shares.
pub(super) struct FileTaker {
    pub dir: PathBuf,
    pub inputs: SeedInputs,
    pub known: KnownSeeds,
    pub large: Semaphore,
    pub reads: Semaphore,
    pub waiting: Semaphore,
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
    Taken { format: DocumentFormat, receipt: Receipt, warnings: Vec<String> },
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
}

enum FileReading {
    /// Its content is known.
    Known(SeedOutcome),
    /// Parsed at once: a light format, or refused.
    Parsed(Result<ParsedDocument, Rejection>),
    /// A heavy format, for a parser thread.
    Heavy(DocumentFormat, Vec<u8>),
}

/// Why a file did not open.
enum NotOpened {
    Failed(ReadError, Option<FileStamp>),
    Large,
}

impl FileTaker {
    /// Takes one file. `calm` says that it stood still, rather than being told closed.
    pub(super) async fn take(self: Arc<Self>, name: OsString, calm: bool) -> TakenFile {
        let (done, news) = match self.open(&name).await {
            Ok((opened, _room)) => self.commit(&name, opened, calm).await,
            Err((ReadError::Gone, _)) => (FileOutcome::Gone, FileNews::None),
            Err((ReadError::Changed, _)) => (FileOutcome::Unsettled, FileNews::None),
            Err((ReadError::Refused(rejection), stamp)) => self.refuse_unread(&name, stamp, rejection).await,
        };
        TakenFile { name, done, news }
    }

    /// Reads a file when it is its turn, and gives it the room it takes until it is done.
    async fn open(self: &Arc<Self>, name: &OsStr) -> Result<(OpenedFile, Room<'_>), (ReadError, Option<FileStamp>)> {
        let small = {
            let _turn = self.reads.acquire().await;
            self.open_into_room(name, SMALL_BYTES_MAX).await
        };
        let opened = match small {
            Err(NotOpened::Large) => {
                let _turn = self.large.acquire().await;
                self.open_into_room(name, u64::MAX).await
            }
            other => other,
        };
        opened.map_err(|closed| match closed {
            NotOpened::Failed(error, stamp) => (error, stamp),
            NotOpened::Large => (ReadError::Changed, None),
        })
    }

    /// What has no room yet keeps its turn meanwhile, so that no more is read than fits.
    async fn open_into_room(
        self: &Arc<Self>,
        name: &OsStr,
        bytes_max: u64,
    ) -> Result<(OpenedFile, Room<'_>), NotOpened> {
        let opened = self.open_blocking(name, bytes_max).await?;
        let kib = (opened.stamp.size_bytes >> 10).clamp(1, WAITING_KIB_MAX.into());
        let room = self.waiting.acquire_many(u32::try_from(kib).expect("invariant: capped")).await;
        Ok((opened, room.expect("invariant: nobody closes it")))
    }

    async fn open_blocking(self: &Arc<Self>, name: &OsStr, size_bytes_max: u64) -> Result<OpenedFile, NotOpened> {
        let (taker, name) = (self.clone(), name.to_owned());
        let job = tokio::task::spawn_blocking(move || taker.read_now(&name, size_bytes_max));
        job.await.unwrap_or_else(|_| {
            let detail = "reading it failed in a way that should not be possible".to_owned();
            let rejection = Rejection { reason: RejectReason::ParserPanic, detail, count: 1 };
            Err(NotOpened::Failed(ReadError::Refused(rejection), None))
        })
    }

    /// Blocks: looks, reads, hashes, and parses what is light.
    fn read_now(&self, name: &OsStr, size_bytes_max: u64) -> Result<OpenedFile, NotOpened> {
        let path = self.dir.join(name);
        let file_bytes_max = self.inputs.config.file_bytes_max;
        let seen = match files::look(&path, file_bytes_max) {
            Ok(Some(stamp)) => stamp,
            Ok(None) => return Err(NotOpened::Failed(ReadError::Gone, None)),
            Err(error) => return Err(NotOpened::Failed(error, None)),
        };
        if seen.size_bytes > size_bytes_max {
            return Err(NotOpened::Large);
        }
        let FileContents { bytes, stamp } = files::read(&path, file_bytes_max, LinkPolicy::Refused)
            .map_err(|error| NotOpened::Failed(error, Some(seen)))?;
        let hash = ContentHash::of(&[&bytes]);
        if let Some(outcome) = self.known.outcome(hash) {
            return Ok(OpenedFile { stamp, hash, read: FileReading::Known(outcome) });
        }
        let shown = name.to_string_lossy();
        let context = self.context(&shown, &stamp);
        let read = match parse::format_of(&bytes, &context) {
            Ok(format) if parse::is_heavy(format) => FileReading::Heavy(format, bytes),
            Ok(format) => FileReading::Parsed(parse::parse_as(format, &bytes, &context)),
            Err(rejection) => FileReading::Parsed(Err(rejection)),
        };
        Ok(OpenedFile { stamp, hash, read })
    }

    fn context<'a>(&'a self, name: &'a str, stamp: &FileStamp) -> FileContext<'a> {
        let received = self.inputs.clock.now();
        FileContext { name, modified: stamp.modified(), received, limits: &self.inputs.limits }
    }

    async fn commit(self: &Arc<Self>, name: &OsStr, opened: OpenedFile, calm: bool) -> (FileOutcome, FileNews) {
        let OpenedFile { stamp, hash, read } = opened;
        let parsed = match read {
            FileReading::Known(outcome) => return self.rest(name, stamp, outcome, FileNews::Known).await,
            FileReading::Parsed(Err(rejection)) if rejection.reason == RejectReason::Empty && stamp.size_bytes == 0 => {
                // It may have been made just now to be written next.
                return if calm {
                    self.refuse_unread(name, Some(stamp), rejection).await
                } else {
                    (FileOutcome::Unsettled, FileNews::None)
                };
            }
            FileReading::Parsed(parsed) => parsed,
            FileReading::Heavy(format, bytes) => self.parse_heavy(name, &stamp, format, bytes).await,
        };
        let (format, warnings, items, rejected) = match parsed {
            Ok(document) => (Some(document.format), document.warnings, document.items, document.rejected),
            Err(rejection) => (None, Vec::new(), Vec::new(), vec![about(name, &rejection)]),
        };
        let outcome = match (format, rejected.first()) {
            (None, Some(rejection)) => SeedOutcome::Refused(rejection.clone()),
            _ => SeedOutcome::Taken { items: items.len() as u64, rejected: rejected.iter().map(|r| r.count).sum() },
        };
        let file = seed_file(hash, name, &stamp, outcome.clone());
        Failpoint::SeedRead.pass();
        if Planted::MoveFirst.is_in() {
            let _ = self.rest(name, stamp, outcome.clone(), FileNews::None).await;
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
                FileNews::Taken { format: format.unwrap_or(DocumentFormat::Text), receipt, warnings }
            }
        };
        self.rest(name, stamp, outcome, news).await
    }

    async fn parse_heavy(
        &self,
        name: &OsStr,
        stamp: &FileStamp,
        format: DocumentFormat,
        bytes: Vec<u8>,
    ) -> Result<ParsedDocument, Rejection> {
        let job = ParseJob {
            format,
            bytes,
            name: name.to_string_lossy().into_owned(),
            modified: stamp.modified(),
            received: self.inputs.clock.now(),
            limits: self.inputs.limits,
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
        let batch = Batch { origin, items, rejected, cursor: Cursor::SeedFile(file), receipt: Some(receipt) };
        self.inputs.ingest.send(batch.into()).await.map_err(|_| FileNews::Closed)?;
        told.await.map_err(|_| FileNews::NotAccepted)
    }

    /// Records, once, that a file is refused without its content being known.
    async fn refuse_unread(
        &self,
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
                let moved = self.move_away(name, stamp, error.clone(), Some(rejection)).await;
                finished(moved, FileOutcome::Refused { stamp, retry: true }, news)
            }
        }
    }

    /// AfterTaken the commit: the file stays or moves.
    async fn rest(
        &self,
        name: &OsStr,
        stamp: FileStamp,
        outcome: SeedOutcome,
        news: FileNews,
    ) -> (FileOutcome, FileNews) {
        let refused = match outcome {
            SeedOutcome::Refused(rejection) => Some(rejection),
            SeedOutcome::Taken { .. } => None,
        };
        match &self.inputs.config.after {
            AfterTaken::Keep if refused.is_some() => (FileOutcome::Refused { stamp: Some(stamp), retry: false }, news),
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
        &self,
        name: &OsStr,
        stamp: Option<FileStamp>,
        folder: PathBuf,
        refused: Option<Rejection>,
    ) -> Result<(), SettleError> {
        let (path, at) = (self.dir.join(name), self.inputs.clock.now());
        let job = tokio::task::spawn_blocking(move || {
            let moved = settle::move_to(&folder, &path, stamp.as_ref())?;
            if let Some(rejection) = refused {
                settle::write_sidecar(&moved, &rejection, at).map_err(|source| SettleError::Io { folder, source })?;
            }
            Ok(())
        });
        job.await.unwrap_or(Err(SettleError::Changed))
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
