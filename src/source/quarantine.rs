//! Documents that ended the process while they were read: a mark lies on the disk for as long as one is being read, so
//! that the next start knows what was in hand when there was an end without a stop. What is found so is suspected and
//! read again by itself; what was in hand at three ends in a row is held: not read until people say so, or it changes.
//! A kill or a power cut hits a document by chance once, seldom twice: it must not silence a feed that does nothing.
//! A file for each that is suspected or held, so that another process can see and release it. What is being read stands in
//! a file for each thread that reads, written over again and again: to make and remove one takes twenty times as long.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tracing::{error, warn};

use crate::model::{ContentHash, RejectReason, Rejection, Timestamp};
use crate::text::clean;

/// The folder of the marks in the state directory.
pub const MARKS_FOLDER: &str = "reading";

/// Written over: what a thread reads now; it was being read when the process ended; it is not read any more.
const READING: &str = "now";
const SUSPECTED: &str = "suspect";
const HELD: &str = "held";

/// So many ends of the process in a row, each while it was read, are no chance.
const ENDS_BY_CHANCE_MAX: u32 = 2;

/// Documents held at most: beyond that the oldest are read again.
const HELD_MAX: usize = 1000;

/// A feed whose document has changed is read again after so long, twice as long after each further end, up to a day.
const FEED_WAIT: Duration = Duration::from_secs(3600);
const FEED_WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// What sort of document it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DocumentOrigin {
    /// What a feed's server answered.
    Feed,
    /// A file of the seed directory.
    Seed,
    /// A web page behind an item.
    Page,
}

/// A document in hand, as people know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedDocument {
    /// What it is.
    pub origin: DocumentOrigin,
    /// The feed's id, the file's name, the page's address.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Of its content.
    pub hash: String,
    /// When the file was modified: one that was touched since is read again.
    pub modified_ms: Option<i64>,
}

impl NamedDocument {
    /// With the hash of its content.
    #[must_use]
    pub fn new(origin: DocumentOrigin, name: &str, bytes: &[u8]) -> Self {
        Self::of_hash(origin, name, bytes.len() as u64, ContentHash::of(&[bytes]))
    }

    /// One whose content was hashed already.
    #[must_use]
    pub fn of_hash(origin: DocumentOrigin, name: &str, bytes: u64, hash: ContentHash) -> Self {
        Self { origin, name: clean::excerpt(name, 200), bytes, hash: hash.to_string(), modified_ms: None }
    }

    /// A feed is known by its name, for its next document may be as bad; all else by its content.
    fn id(&self) -> String {
        match self.origin {
            DocumentOrigin::Feed => format!("feed-{}", self.name),
            DocumentOrigin::Seed => format!("seed-{}", &self.hash[..self.hash.len().min(16)]),
            DocumentOrigin::Page => format!("page-{}", &self.hash[..self.hash.len().min(16)]),
        }
    }
}

/// What is kept of a document that ended the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldDocument {
    /// What it is released by.
    #[serde(default)]
    pub id: String,
    /// The document.
    #[serde(flatten)]
    pub document: NamedDocument,
    /// When it was last begun to be read.
    pub at_ms: i64,
    /// How often the process ended meanwhile.
    #[serde(default)]
    pub ends: u32,
}

impl HeldDocument {
    /// As it is counted and shown.
    #[must_use]
    pub fn rejection(&self) -> Rejection {
        let (at, ends, id) = (Timestamp::from_millis(self.at_ms), self.ends, &self.id);
        let until = match (self.tried_from(), self.document.origin) {
            (Some(from), _) => format!("it changes, then tried at its first poll after {from}"),
            (None, DocumentOrigin::Page) => "it changes".to_owned(),
            (None, _) => "it is touched".to_owned(),
        };
        let detail = format!(
            "the process ended {ends} times while it was read, last at {at}: not read until {until}, or until \
             `wirewatch quarantine release {id}`"
        );
        Rejection { reason: RejectReason::Quarantined, detail, count: 1 }
    }

    /// When a feed that has changed is read again at the earliest.
    #[must_use]
    pub fn tried_from(&self) -> Option<Timestamp> {
        let times = 1_u32 << self.ends.saturating_sub(ENDS_BY_CHANCE_MAX + 1).min(5);
        let wait = (FEED_WAIT * times).min(FEED_WAIT_MAX);
        (self.document.origin == DocumentOrigin::Feed).then(|| Timestamp::from_millis(self.at_ms).plus(wait))
    }
}

/// Keeps the marks; a cheap handle.
#[derive(Clone, Default)]
pub struct Quarantine {
    /// `None`: nothing is marked, as for a command that reads one file.
    folder: Option<PathBuf>,
    /// Suspects are read one at a time, so that the next end has one cause.
    alone: Arc<Mutex<()>>,
    marks: Arc<MarkFiles>,
}

/// The files that say what is being read: one for each document in hand, written over by the next.
#[derive(Default)]
struct MarkFiles {
    idle: parking_lot::Mutex<Vec<File>>,
    made: AtomicU32,
}

/// One of them, until it is free for the next document.
struct MarkFile {
    file: Option<File>,
    marks: Arc<MarkFiles>,
}

impl MarkFiles {
    /// One that nobody has.
    fn take(self: &Arc<Self>, folder: &Path) -> io::Result<MarkFile> {
        let idle = self.idle.lock().pop();
        let file = match idle {
            Some(file) => file,
            None => {
                File::create(with_end(&folder.join(self.made.fetch_add(1, Ordering::Relaxed).to_string()), READING))?
            }
        };
        Ok(MarkFile { file: Some(file), marks: Arc::clone(self) })
    }
}

impl MarkFile {
    /// A line: what a longer one before left behind it says nothing.
    fn write(&self, found: &HeldDocument) -> io::Result<()> {
        let mut line = serde_json::to_vec(found)?;
        line.push(b'\n');
        self.file.as_ref().map_or(Ok(()), |file| file.write_all_at(&line, 0))
    }
}

impl Drop for MarkFile {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        // An empty line names nothing. What stays is looked at by the next start; nothing can be done about it now.
        let _ = file.write_all_at(b"\n", 0);
        self.marks.idle.lock().push(file);
    }
}

/// A document may be read. Waiting for a thread with one of these is no reading: an end meanwhile is not its doing.
pub struct ReadingPermit {
    quarantine: Quarantine,
    document: NamedDocument,
    now: Timestamp,
    /// Held by a suspect until it was read.
    alone: Option<OwnedMutexGuard<()>>,
}

impl ReadingPermit {
    /// Reading begins; on the thread that does it.
    #[must_use]
    pub fn begin(self) -> ReadingMark {
        // Without a mark it is read all the same: a full disk must not keep the news out.
        let mark = self.quarantine.mark(&self.document, self.now).unwrap_or_default();
        ReadingMark { _mark: mark, permit: Some(self) }
    }
}

/// A document is being read while this lives.
pub struct ReadingMark {
    _mark: Option<MarkFile>,
    /// Gone once it is given back.
    permit: Option<ReadingPermit>,
}

impl ReadingMark {
    /// Reading rests, for the rest of it waits for a thread.
    #[must_use]
    pub fn pause(mut self) -> Option<ReadingPermit> {
        self.permit.take()
    }
}

impl Drop for ReadingMark {
    fn drop(&mut self) {
        // Read to its end, a suspect is none any more.
        let Some(permit) = self.permit.as_ref().filter(|permit| permit.alone.is_some()) else { return };
        if let Some(path) = permit.quarantine.path_of(&permit.document) {
            let _ = fs::remove_file(with_end(&path, SUSPECTED));
        }
    }
}

impl Quarantine {
    /// Looks at what was in hand when the process ended, and keeps marks from now on. Blocks.
    ///
    /// # Errors
    /// The system's error, when the folder cannot be made or listed.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let folder = state_dir.join(MARKS_FOLDER);
        fs::create_dir_all(&folder)?;
        let (mut marks, mut held) = (Vec::new(), 0);
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            match path.extension().and_then(|end| end.to_str()) {
                Some(READING) => marks.push(path),
                Some(HELD) => held += 1,
                _ => {}
            }
        }
        // One end of the process, however often a document was in hand.
        let in_hand: BTreeMap<_, _> =
            marks.iter().filter_map(|mark| read(mark)).map(|found| (found.document.id(), found)).collect();
        for mut found in in_hand.into_values() {
            let place = folder.join(found.document.id());
            let suspect = with_end(&place, SUSPECTED);
            let before = read(&suspect);
            found.ends = before.as_ref().map_or(0, |before| before.ends) + 1;
            let (id, name, bytes, ends) = (&found.id, &found.document.name, found.document.bytes, found.ends);
            if found.ends > ENDS_BY_CHANCE_MAX && held < HELD_MAX {
                error!(id, name, bytes, ends, "document held: the process ended again and again while it was read");
                write(&with_end(&place, HELD), &found)?;
                let _ = fs::remove_file(&suspect);
                held += 1;
            } else {
                warn!(id, name, bytes, ends, "document was being read when the process ended: read again by itself");
                write(&suspect, &found)?;
            }
        }
        for mark in marks {
            let _ = fs::remove_file(mark);
        }
        Ok(Self { folder: Some(folder), alone: Arc::default(), marks: Arc::default() })
    }

    /// A stop in order: what is still being read did not end the process.
    pub fn close(&self) {
        let Some(folder) = &self.folder else { return };
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|end| end == READING) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Lets a document be read, a suspect by itself; one that is held is not to be.
    ///
    /// # Errors
    /// What is known of a document that is held.
    pub async fn enter(&self, document: &NamedDocument, now: Timestamp) -> Result<ReadingPermit, Box<HeldDocument>> {
        let is_suspect = self.is_suspect(document, now)?;
        let alone = if is_suspect { Some(self.alone.clone().lock_owned().await) } else { None };
        Ok(self.permit(document, now, alone))
    }

    /// The same on a thread that may block.
    ///
    /// # Errors
    /// What is known of a document that is held.
    pub fn enter_blocking(&self, document: &NamedDocument, now: Timestamp) -> Result<ReadingPermit, Box<HeldDocument>> {
        let alone = self.is_suspect(document, now)?.then(|| self.alone.clone().blocking_lock_owned());
        Ok(self.permit(document, now, alone))
    }

    /// Whether something is known against a document that may be read.
    fn is_suspect(&self, document: &NamedDocument, now: Timestamp) -> Result<bool, Box<HeldDocument>> {
        let Some(path) = self.path_of(document) else { return Ok(false) };
        let (held, suspect) = (with_end(&path, HELD), with_end(&path, SUSPECTED));
        if let Some(found) = read(&held) {
            if !may_be_tried(&found, document, now) {
                return Err(Box::new(found));
            }
            // By itself, and with what is known against it.
            let _ = fs::rename(&held, &suspect);
        }
        Ok(suspect.exists())
    }

    /// Says that a document is being read, where that is said at all.
    fn mark(&self, document: &NamedDocument, now: Timestamp) -> io::Result<Option<MarkFile>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let mark = self.marks.take(folder)?;
        mark.write(&HeldDocument { id: document.id(), document: document.clone(), at_ms: now.millis(), ends: 0 })?;
        Ok(Some(mark))
    }

    fn permit(&self, document: &NamedDocument, now: Timestamp, alone: Option<OwnedMutexGuard<()>>) -> ReadingPermit {
        ReadingPermit { quarantine: self.clone(), document: document.clone(), now, alone }
    }

    /// Where what is known of a document lies, but for the ending.
    fn path_of(&self, document: &NamedDocument) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(document.id()))
    }
}

/// Whether what is held may be read once more: it was touched, or it is another document of the same feed.
fn may_be_tried(held: &HeldDocument, document: &NamedDocument, now: Timestamp) -> bool {
    match document.origin {
        DocumentOrigin::Feed => held.document.hash != document.hash && held.tried_from().is_none_or(|from| now >= from),
        DocumentOrigin::Seed => held.document.modified_ms != document.modified_ms,
        DocumentOrigin::Page => false,
    }
}

/// The documents that are held in a state directory, in the order of their ids.
#[must_use]
pub fn held_documents(state_dir: &Path) -> Vec<HeldDocument> {
    let mut held: Vec<HeldDocument> = fs::read_dir(state_dir.join(MARKS_FOLDER))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|end| end == HELD))
        .filter_map(|entry| read(&entry.path()))
        .collect();
    held.sort_by(|a, b| a.id.cmp(&b.id));
    held
}

/// Lets a document be read again; says whether it was held. If it ends the process once more, it is held again.
///
/// # Errors
/// The system's error.
pub fn release(state_dir: &Path, id: &str) -> io::Result<bool> {
    let path = state_dir.join(MARKS_FOLDER).join(id);
    if id.contains('/') {
        return Ok(false);
    }
    match fs::rename(with_end(&path, HELD), with_end(&path, SUSPECTED)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        renamed => renamed.map(|()| true),
    }
}

/// Names of feeds have points in them: an ending is added, never exchanged.
fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    PathBuf::from(name)
}

fn read(path: &Path) -> Option<HeldDocument> {
    let bytes = fs::read(path).ok()?;
    serde_json::from_slice(bytes.split(|&byte| byte == b'\n').next()?).ok()
}

/// Not synced: a process that ends leaves what it wrote to the system, and a power cut is nobody's document's doing.
fn write(path: &Path, found: &HeldDocument) -> io::Result<()> {
    fs::write(path, serde_json::to_vec(found)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_seconds(1_742_212_800 + hours * 3600)
    }

    fn seed(text: &str, modified_ms: i64) -> NamedDocument {
        let document = NamedDocument::new(DocumentOrigin::Seed, "bomb.html", text.as_bytes());
        NamedDocument { modified_ms: Some(modified_ms), ..document }
    }

    /// The process ends while these are read, and starts again.
    fn ends_while(dir: &Path, quarantine: &Quarantine, documents: &[&NamedDocument]) -> Quarantine {
        for document in documents {
            let permit =
                quarantine.enter_blocking(document, at(0)).map_err(|held| held.rejection()).expect("may be read");
            std::mem::forget(permit.begin());
        }
        Quarantine::open(dir).expect("opened")
    }

    fn read_whole(quarantine: &Quarantine, document: &NamedDocument) {
        drop(quarantine.enter_blocking(document, at(0)).map_err(|held| held.rejection()).expect("may be read").begin());
    }

    #[test]
    fn quarantine_holds_what_ended_the_process_again_and_lets_the_innocent_go() {
        let dir = tempfile::tempdir().expect("a directory");
        let (bomb, good, other) = (seed("bomb", 1), seed("good", 1), seed("other", 1));
        let first = Quarantine::open(dir.path()).expect("opened");
        let second = ends_while(dir.path(), &first, &[&bomb, &good]);
        let third = ends_while(dir.path(), &second, &[&good, &other]);
        let fourth = ends_while(dir.path(), &third, &[&bomb]);
        assert!(held_documents(dir.path()).is_empty(), "twice may be chance");
        // Suspects are read by themselves; these are read to their end.
        for document in [&good, &other] {
            read_whole(&fourth, document);
        }
        let fifth = ends_while(dir.path(), &fourth, &[&bomb]);
        let held = held_documents(dir.path());
        assert_eq!(
            held.iter().map(|held| (held.document.hash.as_str(), held.ends)).collect::<Vec<_>>(),
            [(&*bomb.hash, 3)]
        );
        let refused = fifth.enter_blocking(&bomb, at(0)).map(|_| ()).expect_err("held").rejection();
        assert_eq!(refused.reason, RejectReason::Quarantined);
        assert!(refused.detail.contains(&held[0].id), "{}", refused.detail);
        // Released by hand it is read once more, and by its next end held again.
        assert!(release(dir.path(), &held[0].id).expect("released"));
        assert!(!release(dir.path(), &held[0].id).expect("looked"));
        assert!(!release(dir.path(), "../secret").expect("looked"));
        let sixth = ends_while(dir.path(), &fifth, &[&bomb]);
        assert_eq!(held_documents(dir.path())[0].ends, 4);
        // Touched as well.
        read_whole(&sixth, &seed("bomb", 2));
        assert!(sixth.enter_blocking(&bomb, at(0)).is_ok(), "read to its end, nothing is left against it");
    }

    #[test]
    fn quarantine_of_a_feed_is_of_all_its_documents_for_a_while() {
        let dir = tempfile::tempdir().expect("a directory");
        let feed = |text: &str| NamedDocument::new(DocumentOrigin::Feed, "wire.one", text.as_bytes());
        let mut quarantine = Quarantine::open(dir.path()).expect("opened");
        for text in ["first", "second", "third"] {
            quarantine = ends_while(dir.path(), &quarantine, &[&feed(text)]);
        }
        let held = held_documents(dir.path());
        assert_eq!((held[0].id.as_str(), held[0].tried_from()), ("feed-wire.one", Some(at(1))));
        assert!(held[0].rejection().detail.contains(&at(1).to_string()), "{}", held[0].rejection().detail);
        let again = HeldDocument { ends: 4, ..held[0].clone() };
        assert_eq!(again.tried_from(), Some(at(2)), "twice as long after another end");
        assert!(quarantine.enter_blocking(&feed("fourth"), at(0)).is_err());
        assert!(quarantine.enter_blocking(&feed("third"), at(99)).is_err(), "the same again");
        assert!(quarantine.enter_blocking(&feed("fourth"), at(1)).is_ok());
        assert!(held_documents(dir.path()).is_empty());
    }

    #[test]
    fn quarantine_suspects_nothing_that_waits_to_be_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let (waiting, resting) = (seed("waiting", 1), seed("resting", 1));
        let quarantine = Quarantine::open(dir.path()).expect("opened");
        let enter = |document: &NamedDocument| {
            quarantine.enter_blocking(document, at(0)).map_err(|held| held.rejection()).expect("may be read")
        };
        std::mem::forget((enter(&waiting), enter(&resting).begin().pause()));
        Quarantine::open(dir.path()).expect("opened");
        let marks: Vec<_> = fs::read_dir(dir.path().join(MARKS_FOLDER)).expect("listed").collect();
        assert!(marks.is_empty(), "{marks:?}");
    }

    #[test]
    fn quarantine_marks_write_over_one_another_and_count_an_end_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let (long, short) = (seed("long", 1), NamedDocument { name: "b".to_owned(), ..seed("short", 1) });
        let first = Quarantine::open(dir.path()).expect("opened");
        let marks = || fs::read_dir(dir.path().join(MARKS_FOLDER)).expect("listed").count();
        for document in [&long, &short, &long] {
            read_whole(&first, document);
        }
        assert_eq!(marks(), 1, "the next document is written where the last one stood");
        let second = ends_while(dir.path(), &first, &[&short, &short]);
        assert_eq!(second.enter_blocking(&long, at(0)).map(|permit| permit.alone.is_some()).ok(), Some(false));
        assert_eq!(second.enter_blocking(&short, at(0)).map(|permit| permit.alone.is_some()).ok(), Some(true));
        let suspect = dir.path().join(MARKS_FOLDER).join(format!("{}.{SUSPECTED}", short.id()));
        assert_eq!(read(&suspect).map(|found| (found.document, found.ends)), Some((short, 1)), "one end, read twice");
    }

    #[tokio::test]
    async fn quarantine_reads_suspects_one_at_a_time_and_knows_an_ordered_stop() {
        let dir = tempfile::tempdir().expect("a directory");
        let (a, b, c) = (seed("a", 1), seed("b", 1), seed("c", 1));
        let first = Quarantine::open(dir.path()).expect("opened");
        for document in [&a, &b] {
            std::mem::forget(first.enter(document, at(0)).await.map(ReadingPermit::begin));
        }
        let second = Quarantine::open(dir.path()).expect("opened");
        let reading = second.enter(&a, at(0)).await.map_err(|held| held.rejection()).expect("may be read").begin();
        let waiting = tokio::time::timeout(Duration::from_millis(10), second.enter(&b, at(0))).await;
        assert!(waiting.is_err(), "another suspect is being read");
        assert!(second.enter(&c, at(0)).await.is_ok(), "which holds up nothing else");
        // While the rest of it waits for a thread, it is still its turn.
        let resting = reading.pause();
        let waiting = tokio::time::timeout(Duration::from_millis(10), second.enter(&b, at(0))).await;
        assert!(waiting.is_err(), "another suspect is not read to its end");
        drop(resting.map(ReadingPermit::begin));
        std::mem::forget(second.enter(&b, at(0)).await.map(ReadingPermit::begin));
        second.close();
        let third = Quarantine::open(dir.path()).expect("opened");
        assert!(held_documents(dir.path()).is_empty(), "stopped in order");
        assert!(third.enter(&a, at(0)).await.is_ok_and(|permit| permit.alone.is_none()), "it was read to its end");
        let nothing = Quarantine::default();
        assert!(nothing.enter(&a, at(0)).await.is_ok());
    }
}
