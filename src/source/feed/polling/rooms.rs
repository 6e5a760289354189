//! The room in memory for documents in hand: by estimate from when they are fetched, by what they turned out to take from
//! when they are read until they are durable. Who waits for room holds what it waits with, and only few wait so at once.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::model::SourceId;

/// Documents in memory at once, by what they may grow to; the rest wait for the disk.
const IN_HAND_BYTES_MAX: usize = 16 << 20;

/// Those that turned out to take more than was set aside for them, by what they take.
const GROWN_BYTES_MAX: usize = 16 << 20;

/// Those that turned out to be large: most documents take more than was set aside for them, and must not wait for these.
const LARGE_BYTES_MAX: usize = 16 << 20;

/// From here on a document is large.
const LARGE_BYTES_MIN: usize = 512 << 10;

/// Texts of documents that wait for pages, which is long: none of the room above is held meanwhile.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// Of these, those of one document at most.
const WAITING_BYTES_PER_FEED_MAX: usize = 2 << 20;

/// For each thread that reads, documents that are being read, wait for it, or are read and have no room yet. Half of these
/// at most are of feeds whose last document was large or took long, so that others need not wait with them.
const TURNS_PER_THREAD: usize = 4;

/// Unit of these budgets.
const UNIT_BYTES: usize = 1 << 10;

/// Compressed text grows about so much; only the reservation rests on it, not a limit.
const GROWTH_TYPICAL: usize = 12;

/// Shared by all polls, across reloads.
#[derive(Debug)]
pub(crate) struct DocumentRooms {
    in_hand: Arc<Semaphore>,
    grown: Arc<Semaphore>,
    large: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    turns: Semaphore,
    turns_of_costly: Semaphore,
    /// Feeds whose last document was large.
    large_feeds: Mutex<HashSet<SourceId>>,
}

/// The right to read a document; kept until it is known what it takes, and there is room for that.
pub(crate) struct ReadTurn<'a> {
    _costly: Option<SemaphorePermit<'a>>,
    _any: SemaphorePermit<'a>,
}

/// What a document takes of the memory for those that wait for pages; given back when it is durable.
#[derive(Debug)]
pub(crate) struct WaitingRoom {
    waiting: Arc<Semaphore>,
    held: OwnedSemaphorePermit,
}

impl WaitingRoom {
    /// Room for so many bytes more, if there are any left, of all and of one feed's share.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let units = bytes.div_ceil(UNIT_BYTES);
        if self.held.num_permits() + units > WAITING_BYTES_PER_FEED_MAX / UNIT_BYTES {
            return false;
        }
        let more = u32::try_from(units).ok().and_then(|units| self.waiting.clone().try_acquire_many_owned(units).ok());
        more.map(|more| self.held.merge(more)).is_some()
    }

    pub fn into_permit(self) -> OwnedSemaphorePermit {
        self.held
    }
}

impl DocumentRooms {
    /// Where so many threads read.
    pub fn new(threads: usize) -> Self {
        let turns = TURNS_PER_THREAD * threads.max(1);
        let bytes = |bytes: usize| Arc::new(Semaphore::new(bytes / UNIT_BYTES));
        Self {
            in_hand: bytes(IN_HAND_BYTES_MAX),
            grown: bytes(GROWN_BYTES_MAX),
            large: bytes(LARGE_BYTES_MAX),
            waiting: bytes(WAITING_BYTES_MAX),
            turns: Semaphore::new(turns),
            turns_of_costly: Semaphore::new(turns / 2),
            large_feeds: Mutex::default(),
        }
    }

    /// Room for a document that is to wait for pages; without waiting, for whoever waits for it holds what others
    /// need.
    pub fn waiting_room(&self, bytes: usize) -> Option<WaitingRoom> {
        let held = self.waiting.clone().try_acquire_many_owned(0).ok()?;
        let mut room = WaitingRoom { waiting: self.waiting.clone(), held };
        room.grow(bytes).then_some(room)
    }

    /// Waits until there is room for a document of so many bytes on the wire, which may grow to its cap.
    pub async fn room(&self, wire_bytes: usize, encoded: bool, decoded_max: usize) -> Option<OwnedSemaphorePermit> {
        let grown = if encoded { wire_bytes.saturating_mul(GROWTH_TYPICAL) } else { wire_bytes };
        // Once as bytes, once as items.
        let bytes = grown.min(decoded_max).saturating_mul(2);
        self.in_hand.clone().acquire_many_owned(units(bytes, IN_HAND_BYTES_MAX)).await.ok()
    }

    /// Waits until a document of this feed may be read; `is_heavy`: its last one took long.
    pub async fn read_turn(&self, feed: &SourceId, is_heavy: bool) -> ReadTurn<'_> {
        const OPEN: &str = "invariant: the semaphores are never closed";
        let is_costly = is_heavy || self.large_feeds.lock().contains(feed);
        let costly = if is_costly { Some(self.turns_of_costly.acquire().await.expect(OPEN)) } else { None };
        ReadTurn { _costly: costly, _any: self.turns.acquire().await.expect(OPEN) }
    }

    /// What a document turned out to take: where it is more than it has room for, it waits for that among its like.
    pub async fn count(&self, feed: &SourceId, room: &mut Option<OwnedSemaphorePermit>, bytes: usize, _: ReadTurn<'_>) {
        let held = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let units = units(bytes, LARGE_BYTES_MAX);
        let is_large = bytes > LARGE_BYTES_MIN && units as usize > held;
        self.note(feed, is_large);
        if units as usize <= held {
            return;
        }
        let pool = if is_large { &self.large } else { &self.grown };
        if let Ok(counted) = pool.clone().acquire_many_owned(units).await {
            *room = Some(counted);
        }
    }

    fn note(&self, feed: &SourceId, is_large: bool) {
        let mut large = self.large_feeds.lock();
        if is_large {
            large.insert(feed.clone());
        } else {
            large.remove(feed);
        }
    }
}

/// What is larger than all there is waits until it is alone.
fn units(bytes: usize, most: usize) -> u32 {
    u32::try_from(bytes.min(most).div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREADS: usize = 2;
    const TURNS: usize = TURNS_PER_THREAD * THREADS;

    fn feed(name: &str) -> SourceId {
        SourceId::new(name).expect("a name")
    }

    /// Reads a document of so many bytes on the wire that takes `bytes`; its room.
    async fn read(rooms: &DocumentRooms, name: &str, wire: usize, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let mut room = rooms.room(wire, true, 10 << 20).await;
        let turn = rooms.read_turn(&feed(name), false).await;
        rooms.count(&feed(name), &mut room, bytes, turn).await;
        room
    }

    async fn is_ready<T>(future: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(std::time::Duration::ZERO, future).await.ok()
    }

    #[tokio::test]
    async fn documents_that_take_more_than_they_seemed_wait_for_each_other_and_not_others_for_them() {
        let rooms = DocumentRooms::new(THREADS);
        let mut held = Vec::new();
        for name in ["a", "b"] {
            held.push(is_ready(read(&rooms, name, 4 << 10, LARGE_BYTES_MAX / 2)).await.flatten().expect("room"));
        }
        assert!(is_ready(read(&rooms, "c", 4 << 10, 1 << 20)).await.is_none(), "there is no room for a third");
        // Those that wait hold no turn that the small ones need.
        let mut waiting: Vec<_> = (0..TURNS).map(|_| Box::pin(read(&rooms, "a", 4 << 10, 1 << 20))).collect();
        for one in &mut waiting {
            assert!(is_ready(one.as_mut()).await.is_none());
        }
        for _ in 0..100 {
            assert!(is_ready(read(&rooms, "small", 4 << 10, 20 << 10)).await.flatten().is_some());
        }
        // Nor do those that take more than they seemed, as nearly all do.
        for _ in 0..100 {
            assert!(is_ready(read(&rooms, "usual", 4 << 10, 200 << 10)).await.flatten().is_some());
        }
        drop(waiting);
        held.pop();
        assert!(is_ready(read(&rooms, "c", 4 << 10, 1 << 20)).await.flatten().is_some());
    }

    #[tokio::test]
    async fn large_feeds_leave_half_of_the_turns_to_others_until_they_are_small_again() {
        let rooms = DocumentRooms::new(THREADS);
        let held = read(&rooms, "a", 4 << 10, 4 << 20).await;
        drop(held);
        let large = feed("a");
        let mut turns = Vec::new();
        for _ in 0..TURNS / 2 {
            turns.push(is_ready(rooms.read_turn(&large, false)).await.expect("a turn"));
        }
        assert!(is_ready(rooms.read_turn(&large, false)).await.is_none());
        assert!(is_ready(rooms.read_turn(&feed("slow"), true)).await.is_none());
        assert!(is_ready(rooms.read_turn(&feed("b"), false)).await.is_some());
        turns.clear();
        drop(read(&rooms, "a", 4 << 10, 4 << 10).await);
        for _ in 0..TURNS {
            turns.push(is_ready(rooms.read_turn(&large, false)).await.expect("a turn"));
        }
    }

    #[tokio::test]
    async fn document_larger_than_all_there_is_gets_all_of_it() {
        let rooms = DocumentRooms::new(THREADS);
        let room = read(&rooms, "a", 4 << 10, usize::MAX).await.expect("room");
        assert_eq!(room.num_permits(), LARGE_BYTES_MAX / UNIT_BYTES);
        assert_eq!(
            rooms.in_hand.available_permits(),
            IN_HAND_BYTES_MAX / UNIT_BYTES,
            "what was set aside is free again"
        );
    }
}
