//! The ledger in pieces, and back from them: so that a start takes over what the last run knew, instead of learning
//! it from the store again. Pieces are bytes of a few megabytes at most; whoever keeps them sees to it that they come
//! back unharmed, in order, and to the very same rules of features (`store`).

use serde::{Deserialize, Serialize};
use thin_vec::ThinVec;

use super::decide::SightingLevel;
use super::ledger::{Known, Ledger, StoryState, TopicState};
use super::memory::MemoryConfig;
use super::memory::snapshot::{MemoryPiece, MemoryPieces, in_chunks};
use super::told::{Listener, Told};
use crate::model::{ItemId, Lang, Outlet, Score, Severity, StoredOutlets, StoryId, Timestamp, TopicId};

/// Entries of a table in one piece.
const ENTRIES_A_PIECE: usize = 1 << 14;
/// Stories in one piece: a story of many outlets is a few kilobytes.
const STORIES_A_PIECE: usize = 1 << 10;

/// Why pieces are no ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes of a piece say nothing.
    #[error("a piece cannot be read ({0})")]
    Piece(postcard::Error),
    /// Some are missing, or do not belong together.
    #[error("its pieces do not fit together")]
    Incomplete,
}

#[derive(Debug, Serialize, Deserialize)]
enum LedgerPiece<'a> {
    Known(Vec<KnownEntry>),
    Exact(Vec<(u64, i64)>),
    Arrivals(Vec<(i64, i64)>),
    Redirects(Vec<(i64, i64)>),
    Stories(Vec<StoryEntry>),
    #[serde(borrow)]
    Memory(MemoryPiece<'a>),
}

#[derive(Debug, Serialize, Deserialize)]
struct KnownEntry {
    id: i64,
    text: u64,
    of: i64,
    story: i64,
    revision: u32,
    copy: u8,
    heard_ms: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoryEntry {
    id: i64,
    title: String,
    first_seen_ms: i64,
    last_seen_ms: i64,
    items: u64,
    outlets: Vec<String>,
    languages: Vec<String>,
    merged_from: Vec<i64>,
    sightings_exact: u64,
    sightings_near: u64,
    topics: Vec<TopicEntry>,
    on_topic_at_ms: i64,
    told: Vec<ToldEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TopicEntry {
    topic: String,
    score: i32,
    threshold: i32,
    severity: u8,
    outlets: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ToldEntry {
    listener: String,
    topics: Vec<String>,
    severity: u8,
    outlets: Vec<String>,
    at_ms: i64,
    developed_at_ms: Option<i64>,
    facts: Vec<u64>,
}

impl Ledger {
    /// What its memory is made for.
    #[must_use]
    pub fn memory_config(&self) -> MemoryConfig {
        self.memory.config()
    }

    /// All that it learned from items, in pieces. What is not among them (the last sequence number, how the sources
    /// stand, silences) is a short read of the store.
    pub fn pieces(&self) -> impl Iterator<Item = Vec<u8>> {
        let known = self.known.iter().map(|(id, (known, heard))| KnownEntry::of(*id, known, *heard));
        let exact = self.exact.iter().map(|(key, id)| (*key, id.to_i64()));
        let arrivals = self.arrivals.iter().map(|(at, id)| (at.millis(), id.to_i64()));
        let redirects = self.redirects.iter().map(|(from, into)| (from.to_i64(), into.to_i64()));
        let stories = self.stories.iter().map(|(id, state)| StoryEntry::of(*id, state));
        in_chunks(known, ENTRIES_A_PIECE)
            .map(LedgerPiece::Known)
            .chain(in_chunks(exact, ENTRIES_A_PIECE).map(LedgerPiece::Exact))
            .chain(in_chunks(arrivals, ENTRIES_A_PIECE).map(LedgerPiece::Arrivals))
            .chain(in_chunks(redirects, ENTRIES_A_PIECE).map(LedgerPiece::Redirects))
            .chain(in_chunks(stories, STORIES_A_PIECE).map(LedgerPiece::Stories))
            .chain(self.memory.pieces().map(LedgerPiece::Memory))
            .map(|piece| postcard::to_stdvec(&piece).expect("invariant: a vector takes whatever is written to it"))
    }
}

/// Pieces on their way to being a ledger again.
#[derive(Debug)]
pub struct LedgerPieces {
    ledger: Ledger,
    memory: MemoryPieces,
    outlets: StoredOutlets,
}

impl LedgerPieces {
    /// None so far.
    #[must_use]
    pub fn new(instance: &str, config: MemoryConfig) -> Self {
        Self {
            ledger: Ledger::new(instance, config),
            memory: MemoryPieces::default(),
            outlets: StoredOutlets::default(),
        }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// [`SnapshotError`] when it is none.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let ledger = &mut self.ledger;
        match postcard::from_bytes(bytes).map_err(SnapshotError::Piece)? {
            LedgerPiece::Known(entries) => ledger.known.extend(entries.into_iter().map(KnownEntry::back)),
            LedgerPiece::Exact(entries) => {
                ledger.exact.extend(entries.into_iter().map(|(key, id)| (key, ItemId::from_i64(id))));
            }
            LedgerPiece::Arrivals(entries) => {
                let back = |(at, id)| (Timestamp::from_millis(at), ItemId::from_i64(id));
                ledger.arrivals.extend(entries.into_iter().map(back));
            }
            LedgerPiece::Redirects(entries) => {
                let back = |(from, into)| (StoryId::from_i64(from), StoryId::from_i64(into));
                ledger.redirects.extend(entries.into_iter().map(back));
            }
            LedgerPiece::Stories(entries) => {
                for entry in entries {
                    let (id, state) = entry.back(&mut self.outlets).ok_or(SnapshotError::Incomplete)?;
                    let on_topic_at = state.on_topic_at;
                    ledger.stories.insert(id, state);
                    ledger.note_on_topic(id, on_topic_at);
                }
            }
            LedgerPiece::Memory(piece) => self.memory.take(piece).ok_or(SnapshotError::Incomplete)?,
        }
        Ok(())
    }

    /// The ledger, as far as it was in pieces.
    ///
    /// # Errors
    /// [`SnapshotError::Incomplete`] when some are missing.
    pub fn complete(self) -> Result<Ledger, SnapshotError> {
        let config = self.ledger.memory.config();
        let memory = self.memory.complete(config).ok_or(SnapshotError::Incomplete)?;
        Ok(Ledger { memory, ..self.ledger })
    }
}

impl KnownEntry {
    fn of(id: ItemId, known: &Known, heard: Timestamp) -> Self {
        let Known { text, of, story, revision, copy } = *known;
        let copy = match copy {
            None => 0,
            Some(SightingLevel::Exact) => 1,
            Some(SightingLevel::Near) => 2,
        };
        let heard_ms = heard.millis();
        Self { id: id.to_i64(), text, of: of.to_i64(), story: story.to_i64(), revision, copy, heard_ms }
    }

    fn back(self) -> (ItemId, (Known, Timestamp)) {
        let Self { id, text, of, story, revision, copy, heard_ms } = self;
        let copy = match copy {
            0 => None,
            1 => Some(SightingLevel::Exact),
            _ => Some(SightingLevel::Near),
        };
        let known = Known { text, of: ItemId::from_i64(of), story: StoryId::from_i64(story), revision, copy };
        (ItemId::from_i64(id), (known, Timestamp::from_millis(heard_ms)))
    }
}

impl StoryEntry {
    fn of(id: StoryId, state: &StoryState) -> Self {
        let StoryState {
            title,
            first_seen,
            last_seen,
            items,
            outlets,
            languages,
            merged_from,
            sightings_exact,
            sightings_near,
            topics,
            on_topic_at,
            told,
        } = state;
        Self {
            id: id.to_i64(),
            title: title.to_string(),
            first_seen_ms: first_seen.millis(),
            last_seen_ms: last_seen.millis(),
            items: *items,
            outlets: names(outlets),
            languages: languages.iter().map(|lang| lang.as_str().to_owned()).collect(),
            merged_from: merged_from.iter().map(|story| story.to_i64()).collect(),
            sightings_exact: *sightings_exact,
            sightings_near: *sightings_near,
            topics: topics.iter().map(TopicEntry::of).collect(),
            on_topic_at_ms: on_topic_at.millis(),
            told: told.iter().map(|(listener, told)| ToldEntry::of(listener, told)).collect(),
        }
    }

    fn back(self, known: &mut StoredOutlets) -> Option<(StoryId, Box<StoryState>)> {
        let topics: Option<ThinVec<TopicState>> = self.topics.into_iter().map(|topic| topic.back(known)).collect();
        let told: Option<ThinVec<(Listener, Told)>> = self.told.into_iter().map(|told| told.back(known)).collect();
        let state = StoryState {
            title: self.title.into_boxed_str(),
            first_seen: Timestamp::from_millis(self.first_seen_ms),
            last_seen: Timestamp::from_millis(self.last_seen_ms),
            items: self.items,
            outlets: self.outlets.iter().map(|name| known.named(name)).collect(),
            languages: self.languages.iter().filter_map(|tag| Lang::from_tag(tag)).collect(),
            merged_from: self.merged_from.into_iter().map(StoryId::from_i64).collect(),
            sightings_exact: self.sightings_exact,
            sightings_near: self.sightings_near,
            topics: topics?,
            on_topic_at: Timestamp::from_millis(self.on_topic_at_ms),
            told: told?,
        };
        Some((StoryId::from_i64(self.id), Box::new(state)))
    }
}

impl TopicEntry {
    fn of(state: &TopicState) -> Self {
        let TopicState { topic, score, threshold, severity, outlets } = state;
        Self {
            topic: topic.as_str().to_owned(),
            score: score.hundredths(),
            threshold: threshold.hundredths(),
            severity: severity_number(*severity),
            outlets: names(outlets),
        }
    }

    fn back(self, known: &mut StoredOutlets) -> Option<TopicState> {
        Some(TopicState {
            topic: TopicId::new(&self.topic).ok()?,
            score: Score::from_hundredths(self.score),
            threshold: Score::from_hundredths(self.threshold),
            severity: *Severity::ALL.get(usize::from(self.severity))?,
            outlets: outlets(&self.outlets, known),
        })
    }
}

impl ToldEntry {
    fn of(listener: &Listener, told: &Told) -> Self {
        let Told { topics, severity, outlets, at, developed_at, facts } = told;
        Self {
            listener: listener.as_str().to_owned(),
            topics: topics.iter().map(|topic| topic.as_str().to_owned()).collect(),
            severity: severity_number(*severity),
            outlets: names(outlets),
            at_ms: at.millis(),
            developed_at_ms: developed_at.map(Timestamp::millis),
            facts: facts.clone(),
        }
    }

    fn back(self, known: &mut StoredOutlets) -> Option<(Listener, Told)> {
        let topics: Result<Vec<TopicId>, _> = self.topics.iter().map(|name| TopicId::new(name)).collect();
        let told = Told {
            topics: topics.ok()?,
            severity: *Severity::ALL.get(usize::from(self.severity))?,
            outlets: outlets(&self.outlets, known),
            at: Timestamp::from_millis(self.at_ms),
            developed_at: self.developed_at_ms.map(Timestamp::from_millis),
            facts: self.facts,
        };
        Some((Listener::from_name(&self.listener)?, told))
    }
}

fn severity_number(severity: Severity) -> u8 {
    Severity::ALL.iter().position(|known| *known == severity).unwrap_or(0) as u8
}

fn names(outlets: &[Outlet]) -> Vec<String> {
    outlets.iter().map(|outlet| outlet.as_str().to_owned()).collect()
}

fn outlets(names: &[String], known: &mut StoredOutlets) -> Vec<Outlet> {
    names.iter().map(|name| known.named(name)).collect()
}
