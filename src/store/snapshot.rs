//! The memory beside the database, so that a start need not learn a million items anew: one file, written at the stop
//! and now and then, stamped with the last change it knows. A start takes it over and recalls only what came after.
//! It is never needed: whatever is odd about it, the memory is rebuilt from the database, which alone is the truth.
//!
//! The file is a list of pieces: four bytes of length, eight of hash (XXH3, seeded with the number of the piece), then
//! the piece. The first is the stamp, as JSON; the last is empty.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::apply::last_arrival;
use super::engine::{self, Connection, OptionalExtension, params};
use super::recall::{self, Arrivals};
use super::{Store, StoreError};
use crate::model::{ItemId, StoryId, Timestamp};
use crate::pipeline::memory::MemoryConfig;
use crate::pipeline::{Ledger, LedgerPieces};

/// Its name in the state directory.
pub const SNAPSHOT_FILE: &str = "memory.snapshot";
/// Counts up when the layout of the file changes.
const FORMAT: u32 = 1;
/// What the code that decides is made of: features and places of other code are not these.
const DECIDES: &str = env!("WIREWATCH_BUILD_DECIDES");
/// Longest piece that is read back; those written are a tenth of it.
const PIECE_BYTES_MAX: usize = 64 << 20;
const BUFFER_BYTES: usize = 1 << 20;

/// What a snapshot was taken of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    format: u32,
    decides: String,
    /// Of the store, and of this snapshot: a database put in another's place knows another one.
    instance: String,
    id: String,
    /// The windows, as they are printed.
    config: String,
    /// The last change, and the last arrival, it knows.
    change: i64,
    arrival: i64,
}

/// How the memory came to stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecalledFrom {
    /// From a snapshot, and this many items and copies that came after it.
    Snapshot {
        /// Items and copies.
        after: u64,
    },
    /// From the database, item by item.
    Database {
        /// What is wrong with the snapshot that is there.
        because: Option<String>,
    },
    /// Kept by this process while it stood by, and this many items and copies that came last.
    Followed {
        /// Items and copies.
        after: u64,
    },
}

/// A snapshot that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotKept {
    /// Its size.
    pub bytes: u64,
}

impl Store {
    /// Writes down what the ledger knows, which is all that was stored so far.
    ///
    /// # Errors
    /// [`StoreError`]; the snapshot before is of no use then, and nothing else has changed.
    pub fn keep_snapshot(&self, ledger: &Ledger) -> Result<SnapshotKept, StoreError> {
        let id = super::open::random_name();
        let SeenSoFar { change, arrival } = self.read("read what happened last", SeenSoFar::of)?;
        let stamp = Stamp {
            format: FORMAT,
            decides: DECIDES.to_owned(),
            instance: self.instance().to_owned(),
            id: id.clone(),
            config: shown(ledger.memory_config()),
            change,
            arrival,
        };
        let path = self.snapshot_path();
        let draft = path.with_extension("new");
        let file_error = |source| StoreError::File { path: path.clone(), source };
        let written = write_pieces(&draft, &stamp, ledger).and_then(|bytes| {
            fs::rename(&draft, &path)?;
            Ok(bytes)
        });
        let bytes = written.map_err(|error| {
            let _ = fs::remove_file(&draft);
            file_error(error)
        })?;
        self.write("note the snapshot of the memory", |tx| {
            tx.execute(
                "INSERT INTO meta (key, value) VALUES ('snapshot', ?1)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [&id],
            )
        })?;
        Ok(SnapshotKept { bytes })
    }

    /// The memory of everything seen since `since`: from the snapshot, if it can be used.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn recall_quickly(&self, config: MemoryConfig, since: Timestamp) -> Result<(Ledger, RecalledFrom), StoreError> {
        let because = match self.take_over(config)? {
            Ok((mut ledger, after)) => {
                ledger.expire(since);
                return Ok((ledger, RecalledFrom::Snapshot { after }));
            }
            Err(because) => because,
        };
        Ok((self.recall(config, since)?, RecalledFrom::Database { because }))
    }

    /// The snapshot with what came after it, or why not; no reason where there is none.
    fn take_over(&self, config: MemoryConfig) -> Result<Result<(Ledger, u64), Option<String>>, StoreError> {
        let noted: Option<String> = self.read("look for a snapshot of the memory", |c| {
            c.query_row("SELECT value FROM meta WHERE key = 'snapshot'", [], |row| row.get(0)).optional()
        })?;
        let Some(noted) = noted else { return Ok(Err(None)) };
        let (stamp, mut ledger) = match read_pieces(&self.snapshot_path(), self.instance(), config, &noted) {
            Ok(read) => read,
            Err(because) => return Ok(Err(Some(because))),
        };
        self.read("recall what came after the snapshot", |connection| {
            let snapshot = connection.snapshot()?;
            Ok(match catch_up(&snapshot, &mut ledger, &stamp.seen())? {
                Ok(after) => Ok((ledger, after)),
                Err(because) => Err(Some(because.to_owned())),
            })
        })
    }

    fn snapshot_path(&self) -> PathBuf {
        self.path().with_file_name(SNAPSHOT_FILE)
    }
}

fn shown(config: MemoryConfig) -> String {
    format!("{config:?}")
}

impl Stamp {
    fn seen(&self) -> SeenSoFar {
        SeenSoFar { change: self.change, arrival: self.arrival }
    }
}

/// What a memory knows of its store: the last change and the last arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeenSoFar {
    pub(super) change: i64,
    pub(super) arrival: i64,
}

impl SeenSoFar {
    pub(super) fn of(c: &Connection) -> engine::Result<Self> {
        Ok(Self { change: last_change(c)?, arrival: last_arrival(c)? })
    }
}

fn last_change(c: &Connection) -> engine::Result<i64> {
    // What was given last, also when the newest were removed.
    c.highest_change()
}

fn write_pieces(path: &Path, stamp: &Stamp, ledger: &Ledger) -> io::Result<u64> {
    let _ = fs::remove_file(path);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let (mut number, mut bytes) = (0, 0);
    let mut put = |piece: &[u8]| {
        out.write_all(&(piece.len() as u32).to_le_bytes())?;
        out.write_all(&xxh3_64_with_seed(piece, number).to_le_bytes())?;
        out.write_all(piece)?;
        number += 1;
        bytes += piece.len() as u64 + 12;
        Ok::<_, io::Error>(())
    };
    put(&serde_json::to_vec(stamp).expect("invariant: a stamp is JSON"))?;
    for piece in ledger.pieces() {
        put(&piece)?;
    }
    put(&[])?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(bytes)
}

/// The stamp and the ledger of a snapshot, or what is wrong with it.
fn read_pieces(path: &Path, instance: &str, config: MemoryConfig, id: &str) -> Result<(Stamp, Ledger), String> {
    let file = File::open(path).map_err(|error| format!("it cannot be opened ({error})"))?;
    let mut from = BufReader::with_capacity(BUFFER_BYTES, file);
    let mut piece = Vec::new();
    read_piece(&mut from, 0, &mut piece)?;
    let stamp: Stamp = serde_json::from_slice(&piece).map_err(|_| "its stamp cannot be read".to_owned())?;
    if stamp.format != FORMAT || stamp.decides != DECIDES {
        return Err("another version of wirewatch wrote it".to_owned());
    }
    if stamp.instance != instance || stamp.id != id {
        return Err("it is of another state of the database".to_owned());
    }
    if stamp.config != shown(config) {
        return Err("it was taken under another [memory]".to_owned());
    }
    let mut pieces = LedgerPieces::new(instance, config);
    for number in 1.. {
        read_piece(&mut from, number, &mut piece)?;
        if piece.is_empty() {
            break;
        }
        pieces.take(&piece).map_err(|error| error.to_string())?;
    }
    Ok((stamp, pieces.complete().map_err(|error| error.to_string())?))
}

fn read_piece(from: &mut impl Read, number: u64, piece: &mut Vec<u8>) -> Result<(), String> {
    let broken = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends before its end".to_owned(),
        _ => format!("it cannot be read ({error})"),
    };
    let (mut length, mut hash) = ([0; 4], [0; 8]);
    from.read_exact(&mut length).map_err(broken)?;
    from.read_exact(&mut hash).map_err(broken)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > PIECE_BYTES_MAX {
        return Err("it is damaged".to_owned());
    }
    piece.resize(length, 0);
    from.read_exact(piece).map_err(broken)?;
    if xxh3_64_with_seed(piece, number) == u64::from_le_bytes(hash) { Ok(()) } else { Err("it is damaged".to_owned()) }
}

/// Brings a ledger from where its snapshot was taken to where the database is. Tells how many items and copies came
/// in between, or why that cannot be known.
pub(super) fn catch_up(
    c: &Connection,
    ledger: &mut Ledger,
    stamp: &SeenSoFar,
) -> engine::Result<Result<u64, &'static str>> {
    let newest = last_change(c)?;
    if newest < stamp.change {
        return Ok(Err("it knows more than the database"));
    }
    let kept_from: i64 = c.query_row("SELECT coalesce(min(seq), ?1 + 1) FROM changes", [newest], |row| row.get(0))?;
    if kept_from > stamp.change + 1 {
        return Ok(Err("too much came after it"));
    }
    let corrected =
        c.prepare("SELECT 1 FROM changes WHERE seq > ?1 AND kind = 'correction'")?.exists([stamp.change])?;
    if corrected {
        return Ok(Err("stories were corrected by hand after it"));
    }
    recall::recall_counts(c, ledger)?;
    ledger.recall_merges_since(recall::merges(c)?);
    let arrivals = Arrivals { since: Timestamp::MIN, after: stamp.arrival, before: i64::MAX };
    recall::recall_arrivals(c, ledger, &arrivals)?;
    revise(c, ledger, stamp)?;
    let mut touched: HashSet<StoryId> = HashSet::new();
    let mut stories = c.prepare("SELECT DISTINCT story FROM changes WHERE seq > ?1 AND story IS NOT NULL")?;
    let mut rows = stories.query([stamp.change])?;
    while let Some(row) = rows.next()? {
        touched.insert(ledger.resolve(StoryId::from_i64(row.get(0)?)));
    }
    for story in touched {
        recall::recall_stories(c, ledger, "s.id = ?1", story.to_i64())?;
    }
    Ok(Ok((last_arrival(c)? - stamp.arrival).max(0).cast_unsigned()))
}

/// Items and copies whose words are others since.
fn revise(c: &Connection, ledger: &mut Ledger, stamp: &SeenSoFar) -> engine::Result<()> {
    let edited = "SELECT DISTINCT ref FROM changes WHERE seq > ?1 AND kind IN ('revision', 'copy')";
    let mut statement = c.prepare(edited)?;
    let mut rows = statement.query(params![stamp.change])?;
    while let Some(row) = rows.next()? {
        let id = ItemId::from_i64(row.get(0)?);
        if let Some(known) = recall::lookup(c, id)? {
            ledger.recall_version(id, known);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::{Access, BatchWrite};
    use super::*;
    use crate::model::{ItemKey, Origin, RawItem, RawText, SourceId, SourceKind};
    use crate::pipeline::{Rules, classify, decide, prepare};

    const START: Timestamp = Timestamp::from_seconds(1_742_198_531);

    /// A store of some items, and the ledger that decided on them.
    fn stored(dir: &Path, items: std::ops::Range<usize>, ledger: Option<Ledger>) -> (Store, Ledger) {
        let store = Store::open(dir, Access::Own).expect("a store");
        let rules = Rules::of_topics(classify::TopicSet::compile(&[], &[]).expect("no topics"));
        let mut ledger = ledger.unwrap_or_else(|| Ledger::new(store.instance(), MemoryConfig::default()));
        let source = SourceId::new("gazette").expect("a name");
        for item in items {
            let origin = Origin { source: source.clone(), kind: SourceKind::Feed, received: START };
            let mut raw = RawItem::new(ItemKey::new(&item.to_string()));
            raw.title = Some(RawText::plain(format!("Ferry number {item} stays in port {}", item * 7)));
            raw.content =
                Some(RawText::plain(format!("The harbour master said ferry {item} waits for quay {}.", item * 3)));
            let prepared = prepare(&raw, &origin, &rules).expect("readable");
            let decision = decide(prepared, &mut ledger, &rules, START);
            store.apply(&[BatchWrite::new(origin, vec![decision])], START).expect("applied");
        }
        (store, ledger)
    }

    fn why(store: &Store, config: MemoryConfig) -> Option<String> {
        match store.recall_quickly(config, Timestamp::MIN).expect("recalled").1 {
            RecalledFrom::Snapshot { .. } | RecalledFrom::Followed { .. } => None,
            RecalledFrom::Database { because } => Some(because.unwrap_or_else(|| "there is none".to_owned())),
        }
    }

    #[test]
    fn snapshot_is_taken_over_with_what_came_after_and_is_nobody_elses() {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, ledger) = stored(dir.path(), 0..40, None);
        assert_eq!(why(&store, MemoryConfig::default()).as_deref(), Some("there is none"));
        let kept = store.keep_snapshot(&ledger).expect("kept");
        let file = fs::metadata(dir.path().join(SNAPSHOT_FILE)).expect("there");
        assert_eq!((file.len(), file.permissions().mode() & 0o777), (kept.bytes, 0o600));
        drop(store);
        let (store, ledger) = stored(dir.path(), 40..47, Some(ledger));
        let (again, recalled) = store.recall_quickly(MemoryConfig::default(), Timestamp::MIN).expect("recalled");
        assert_eq!(recalled, RecalledFrom::Snapshot { after: 7 });
        assert_eq!((again.len(), again.memory_len()), (ledger.len(), ledger.memory_len()));
    }

    #[test]
    fn snapshot_that_is_odd_in_any_way_is_left_and_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, ledger) = stored(dir.path(), 0..40, None);
        store.keep_snapshot(&ledger).expect("kept");
        let path = dir.path().join(SNAPSHOT_FILE);
        let sound = fs::read(&path).expect("reads");
        assert_eq!(why(&store, MemoryConfig::default()), None);
        let other = MemoryConfig { bytes_max: 1 << 20, ..MemoryConfig::default() };
        assert_eq!(why(&store, other).as_deref(), Some("it was taken under another [memory]"));
        // Cut anywhere, or with a bit turned anywhere: told, and never believed.
        for at in (0..sound.len()).step_by(sound.len() / 12) {
            fs::write(&path, &sound[..at]).expect("written");
            assert_eq!(why(&store, MemoryConfig::default()).as_deref(), Some("it ends before its end"), "{at}");
            let mut turned = sound.clone();
            turned[at] ^= 1 << (at % 8);
            fs::write(&path, &turned).expect("written");
            assert!(why(&store, MemoryConfig::default()).is_some(), "{at}");
        }
        fs::remove_file(&path).expect("removed");
        assert!(why(&store, MemoryConfig::default()).is_some_and(|why| why.starts_with("it cannot be opened")));
    }

    #[test]
    fn snapshot_that_knows_more_or_is_of_before_a_correction_is_not_caught_up_with() {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, mut ledger) = stored(dir.path(), 0..5, None);
        let mut caught_up =
            |stamp: &SeenSoFar| store.read("catch up", |c| catch_up(c, &mut ledger, stamp)).expect("read");
        let now = store.read("read what happened last", SeenSoFar::of).expect("read");
        assert_eq!(caught_up(&now), Ok(0));
        let ahead = SeenSoFar { change: now.change + 1, arrival: now.arrival };
        assert_eq!(caught_up(&ahead), Err("it knows more than the database"));
        let corrected = "INSERT INTO changes (kind, ref) VALUES ('correction', 1)";
        store.write("correct", |tx| tx.execute(corrected, [])).expect("written");
        assert_eq!(caught_up(&now), Err("stories were corrected by hand after it"));
        let after = store.read("read what happened last", SeenSoFar::of).expect("read");
        assert_eq!(caught_up(&after), Ok(0));
    }

    #[test]
    fn snapshot_of_another_time_line_is_left() {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, ledger) = stored(dir.path(), 0..20, None);
        store.keep_snapshot(&ledger).expect("kept");
        let database = dir.path().join(super::super::DATABASE_FILE);
        store.checkpoint().expect("checkpointed");
        drop(store);
        let before = fs::read(&database).expect("reads");
        let (store, ledger) = stored(dir.path(), 20..30, Some(ledger));
        store.keep_snapshot(&ledger).expect("kept");
        store.checkpoint().expect("checkpointed");
        drop(store);
        // A backup is put in its place, and life goes on from there.
        fs::write(&database, before).expect("put back");
        let (store, _) = stored(dir.path(), 50..70, None);
        assert_eq!(why(&store, MemoryConfig::default()).as_deref(), Some("it is of another state of the database"));
    }
}
