//! Files are opened, read, recognised by their hash and, where that is light work, parsed: several in one go, since to
//! wake a thread takes longer than most files do. What is read has room in memory until it is done.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use super::SeedInputs;
use super::files::{self, FileContents, FileStamp, ReadError};
use super::folder::OpenFolder;
use super::known::KnownSeeds;
use super::ledger::{CalmFile, OLD_SETTLES};
use super::parse::{self, FileContext};
use super::writers::{FileWriters, WriterSign};
use crate::failpoint::Failpoint;
use crate::model::{ContentHash, RejectReason, Rejection, SeedOutcome};
use crate::source::parser::quietly;
use crate::source::quarantine::{DocumentOrigin, NamedDocument, ReadingPermit};
use crate::source::{DocumentFormat, ParsedDocument};

/// Files up to this size are read whenever their turn comes; larger ones a few at a time.
const SMALL_BYTES_MAX: u64 = 256 << 10;
/// Larger files held in memory at once.
const LARGE_AT_ONCE_MAX: usize = 2;
/// Small files read at once: more would only queue at the disk.
const READS_AT_ONCE_MAX: usize = 4;
/// Small files that are read in one go.
const READ_TOGETHER_MAX: usize = 16;
/// KiB of files that are read and wait for their receipt.
const WAITING_KIB_MAX: u32 = 16 << 10;

/// A file that its writer has open is read after this many settle times without a write, and not moved.
const OPEN_SETTLES: u32 = 300;

/// What may be read and held at once, of all folders that are watched together.
#[derive(Debug)]
pub(super) struct ReadingRooms {
    large: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Default for ReadingRooms {
    fn default() -> Self {
        Self {
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE_MAX)),
            reads: Arc::new(Semaphore::new(READS_AT_ONCE_MAX)),
            waiting: Arc::new(Semaphore::new(WAITING_KIB_MAX as usize)),
        }
    }
}

/// Files of a folder that wait to be read. Whoever gets a turn reads several of them, whosever they are.
#[derive(Default)]
struct ReadQueue(Mutex<VecDeque<WaitingRead>>);

struct WaitingRead {
    name: OsString,
    calm: Option<CalmFile>,
    told: oneshot::Sender<FileRead>,
}

impl ReadingRooms {
    /// Blocks until there is room for a file.
    fn room_of(&self, stamp: &FileStamp, runtime: &Handle) -> Room {
        let kib = (stamp.size_bytes >> 10).clamp(1, WAITING_KIB_MAX.into());
        let kib = u32::try_from(kib).expect("invariant: capped");
        let room = Arc::clone(&self.waiting).try_acquire_many_owned(kib);
        room.unwrap_or_else(|_| {
            let room = Arc::clone(&self.waiting).acquire_many_owned(kib);
            runtime.block_on(room).expect("invariant: nobody closes it")
        })
    }
}

impl ReadQueue {
    /// Those that are read in one go: fewer where few wait, so that they are read beside each other.
    fn take_some(&self) -> Vec<WaitingRead> {
        let mut waiting = self.0.lock();
        let some = waiting.len().div_ceil(READS_AT_ONCE_MAX).min(READ_TOGETHER_MAX);
        waiting.drain(..some).collect()
    }
}

/// Room in memory that a file has.
pub(super) type Room = OwnedSemaphorePermit;

type FileRead = Result<(OpenedFile, Room), NotOpened>;

/// A file as read, with what reading cost no more to find out.
pub(super) struct OpenedFile {
    pub stamp: FileStamp,
    pub hash: ContentHash,
    pub read: FileReading,
    /// Its writer has it open and has not written for very long.
    pub held_open: bool,
}

pub(super) enum FileReading {
    /// Its content is known.
    Known(SeedOutcome),
    /// Parsed at once: a light format, or refused.
    Parsed(Result<ParsedDocument, Rejection>),
    /// A heavy format, for a parser thread.
    Heavy(DocumentFormat, Vec<u8>, Option<ReadingPermit>),
}

/// Why a file did not open.
pub(super) enum NotOpened {
    Failed(ReadError, Option<FileStamp>),
    MaybeUnfinished(FileStamp),
    Large,
}

/// Reads the files of one folder.
pub(super) struct FileReader {
    pub dir: PathBuf,
    pub inputs: SeedInputs,
    pub known: Arc<KnownSeeds>,
    pub writers: FileWriters,
    rooms: Arc<ReadingRooms>,
    waiting: ReadQueue,
}

impl FileReader {
    pub(super) fn new(dir: PathBuf, inputs: SeedInputs, known: Arc<KnownSeeds>, rooms: Arc<ReadingRooms>) -> Self {
        let (writers, waiting) = (FileWriters::default(), ReadQueue::default());
        Self { dir, inputs, known, writers, rooms, waiting }
    }

    /// Reads a file when it is its turn, and gives it the room it takes until it is done.
    pub(super) async fn open(self: &Arc<Self>, name: &OsStr, calm: Option<CalmFile>) -> FileRead {
        match self.open_small(name, calm).await {
            Err(NotOpened::Large) => {
                let turn = turn_of(&self.rooms.large).await;
                let (told, answer) = oneshot::channel();
                self.read(vec![WaitingRead { name: name.to_owned(), calm, told }], u64::MAX, turn);
                answer.await.unwrap_or_else(|_| Err(broken()))
            }
            other => other,
        }
    }

    async fn open_small(self: &Arc<Self>, name: &OsStr, calm: Option<CalmFile>) -> FileRead {
        let (told, mut answer) = oneshot::channel();
        self.waiting.0.lock().push_back(WaitingRead { name: name.to_owned(), calm, told });
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.unwrap_or_else(|_| Err(broken())),
                turn = turn_of(&self.rooms.reads) => {
                    let some = self.waiting.take_some();
                    if some.is_empty() {
                        break;
                    }
                    self.read(some, SMALL_BYTES_MAX, turn);
                }
            }
        }
        // Somebody has it in hand.
        answer.await.unwrap_or_else(|_| Err(broken()))
    }

    /// Has some files read one after the other, and each told as it is read: the next may wait for what becomes of it. The
    /// turn is over when all of them have room, so that no more is read than fits.
    fn read(self: &Arc<Self>, files: Vec<WaitingRead>, size_bytes_max: u64, turn: OwnedSemaphorePermit) {
        let (reader, runtime) = (self.clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let dir = OpenFolder::open(&reader.dir);
            for WaitingRead { name, calm, told } in files {
                let read = match &dir {
                    Ok(dir) => {
                        let read = quietly(|| reader.read_now(dir, &name, calm, size_bytes_max));
                        read.unwrap_or_else(|_| Err(broken()))
                    }
                    Err(_) => Err(NotOpened::Failed(ReadError::Gone, None)),
                };
                // Whoever asked may be gone at a stop.
                _ = told.send(read.map(|opened| {
                    let room = reader.rooms.room_of(&opened.stamp, &runtime);
                    (opened, room)
                }));
            }
        });
    }

    /// Blocks: looks, reads, hashes, and parses what is light.
    fn read_now(
        &self,
        dir: &OpenFolder,
        name: &OsStr,
        calm: Option<CalmFile>,
        size_bytes_max: u64,
    ) -> Result<OpenedFile, NotOpened> {
        let file_bytes_max = self.inputs.config.file_bytes_max;
        let seen = match files::look(dir, name, file_bytes_max) {
            Ok(Some(stamp)) => stamp,
            Ok(None) => return Err(NotOpened::Failed(ReadError::Gone, None)),
            Err(error) => return Err(NotOpened::Failed(error, None)),
        };
        if seen.size_bytes > size_bytes_max {
            return Err(NotOpened::Large);
        }
        let FileContents { bytes, stamp } =
            files::read(dir, name, file_bytes_max).map_err(|error| NotOpened::Failed(error, Some(seen)))?;
        let hash = ContentHash::of(&[&bytes]);
        if let Some(outcome) = self.known.outcome(hash) {
            return Ok(OpenedFile { stamp, hash, read: FileReading::Known(outcome), held_open: false });
        }
        let held_open = self.is_held_open(dir, name, &stamp, calm).ok_or(NotOpened::MaybeUnfinished(stamp))?;
        let shown = name.to_string_lossy();
        let context = self.context(&shown, &stamp);
        let document = NamedDocument {
            modified_ms: Some(stamp.modified().millis()),
            ..NamedDocument::of_hash(DocumentOrigin::Seed, &shown, bytes.len() as u64, hash)
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
}

async fn turn_of(turns: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(turns).acquire_owned().await.expect("invariant: nobody closes it")
}

fn broken() -> NotOpened {
    let detail = "reading it failed in a way that should not be possible".to_owned();
    let rejection = Rejection { reason: RejectReason::ParserPanic, detail, count: 1 };
    NotOpened::Failed(ReadError::Refused(rejection), None)
}
