//! The way of items from a process that does not decide: what its sources hand over goes into the inbox of the database, in
//! the order in which it came, and their receipts come back with the commit of the one that decides.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::failpoint::Failpoint;
use crate::model::{Cursor, FoundHubs, Origin, RawItem, SourceKind};
use crate::source::{Batch, IngestMessage, Receipt};
use crate::store::{BatchContents, InboxBatch, InboxOutcome, PollLease, RelayedCursor, Store, StoreError};

/// Batches that go into the inbox together.
const GROUP_MAX: usize = 32;
/// Batches that wait for their answer; more wait at their sources.
const WAITING_MAX: usize = 256;
/// Bytes of text in one row; what has more goes there in parts, one after the other.
const PART_BYTES_MAX: usize = 8 << 20;
/// How often it is looked for answers without a word of a commit.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Answers that come close upon each other are looked for together.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// A poll that brought nothing waits so long for others, or for so many: each takes a transaction here and one there.
const QUIET_WAIT: Duration = Duration::from_secs(2);
const QUIET_MAX: usize = 16;
/// After the inbox had no room, or could not be reached.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// By which right a feed is polled; `None` for a source that needs none.
pub(super) type LeaseOfSource = Box<dyn Fn(&Origin) -> Option<PollLease> + Send + Sync>;

/// Passes on what sources hand over.
pub(super) struct BatchRelay {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) messages: mpsc::Receiver<IngestMessage>,
    pub(super) lease_of: LeaseOfSource,
    /// Raised while there is no room in the inbox, or no way to it: nothing is polled meanwhile.
    pub(super) held: watch::Sender<bool>,
}

/// A batch on its way.
struct RelayedBatch {
    /// What is left of it, the next part first.
    parts: VecDeque<InboxBatch>,
    reply: Option<oneshot::Sender<Receipt>>,
    /// It has nothing to tell but what its source remembers.
    is_quiet: bool,
    /// What came of the parts before.
    receipt: Receipt,
}

impl BatchRelay {
    /// Passes on until cancelled. Who waits for a receipt then hears that there is none, and offers it again: what is in the
    /// inbox by then is stored all the same, and known.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let mut others = self.store.heard_answered();
        let (mut pending, mut waiting) = (VecDeque::new(), HashMap::new());
        let (mut look_at, mut put_at, mut not_before) = (Instant::now() + LOOK_EVERY, Instant::now(), Instant::now());
        loop {
            let has_room = pending.len() < GROUP_MAX && pending.len() + waiting.len() < WAITING_MAX;
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                () = tokio::time::sleep_until(put_at.max(not_before)), if !pending.is_empty() => {
                    let is_in = self.put(&mut pending, &mut waiting).await.unwrap_or_else(|error| {
                        warn!(%error, "what was fetched cannot be passed on for now");
                        false
                    });
                    if !is_in {
                        not_before = Instant::now() + AGAIN_AFTER;
                    }
                    self.held.send_if_modified(|held| std::mem::replace(held, !is_in) == is_in);
                }
                () = tokio::time::sleep_until(look_at), if !waiting.is_empty() => {
                    others.mark_unchanged();
                    look_at = Instant::now() + LOOK_EVERY;
                    match self.hear(&mut pending, &mut waiting).await {
                        // What is left of a large one goes at once.
                        Ok(true) => put_at = Instant::now(),
                        Ok(false) => {}
                        Err(error) => debug!(%error, "answers cannot be looked for"),
                    }
                }
                heard = others.changed() => match heard {
                    Ok(()) => look_at = look_at.min(Instant::now() + LOOK_PAUSE),
                    Err(_) => return,
                },
                message = self.messages.recv(), if has_room => match message {
                    Some(message) => if let Some(batch) = message.into_batch() {
                        let one = self.on_its_way(batch);
                        let wait = if one.is_quiet && pending.len() + 1 < QUIET_MAX { QUIET_WAIT } else { Duration::ZERO };
                        let at = Instant::now() + wait;
                        put_at = if pending.is_empty() { at } else { put_at.min(at) };
                        pending.push_back(one);
                    },
                    // Nobody hands over any more.
                    None if pending.is_empty() && waiting.is_empty() => return,
                    None => tokio::time::sleep(LOOK_PAUSE).await,
                },
            }
        }
    }

    fn on_its_way(&self, batch: Batch) -> RelayedBatch {
        let Batch { origin, items, rejected, cursor, receipt, hubs, .. } = batch;
        let lease = (self.lease_of)(&origin);
        let is_quiet = items.is_empty() && rejected.is_empty() && origin.kind == SourceKind::Feed;
        let cursor = match cursor {
            Cursor::Feed(state) => RelayedCursor::Feed(state),
            Cursor::SeedFile(file) => RelayedCursor::SeedFile(file),
            Cursor::Push(_) | Cursor::Hub(_) | Cursor::None => RelayedCursor::None,
        };
        let mut rest = parts(items);
        // The last one has the cursor: it is put there when all before it are stored.
        let last = rest.pop().unwrap_or_default();
        let before = rest.into_iter().map(|items| {
            let (origin, rejected) = (origin.clone(), Vec::new());
            // Whether a hub missed its items is asked of each part.
            let hubs = hubs.as_ref().map(|hubs| FoundHubs { links: None, ..hubs.clone() });
            BatchContents { origin, items, rejected, cursor: RelayedCursor::None, hubs }.written(lease.clone())
        });
        let mut parts: VecDeque<InboxBatch> = before.collect();
        let contents = BatchContents { origin: origin.clone(), items: last, rejected, cursor, hubs };
        parts.push_back(contents.written(lease.clone()));
        RelayedBatch { parts, reply: receipt, is_quiet, receipt: Receipt::default() }
    }

    /// Puts a group into the inbox; whether all of it found room.
    async fn put(
        &self,
        pending: &mut VecDeque<RelayedBatch>,
        waiting: &mut HashMap<i64, RelayedBatch>,
    ) -> Result<bool, StoreError> {
        let group: Vec<InboxBatch> =
            pending.iter().take(GROUP_MAX).filter_map(|one| one.parts.front().cloned()).collect();
        let now = self.clock.now();
        let rows = self.store.blocking(move |store| store.put_batches(&group, now)).await?;
        Failpoint::InInbox.pass();
        let mut all = true;
        for row in rows {
            let Some(row) = row else {
                all = false;
                break;
            };
            let Some(mut one) = pending.pop_front() else { break };
            one.parts.pop_front();
            waiting.insert(row, one);
        }
        Ok(all)
    }

    /// Hears what came of those that wait; whether something is to go on.
    async fn hear(
        &self,
        pending: &mut VecDeque<RelayedBatch>,
        waiting: &mut HashMap<i64, RelayedBatch>,
    ) -> Result<bool, StoreError> {
        let mut goes_on = false;
        let rows: Vec<i64> = waiting.keys().copied().collect();
        let answers = self.store.blocking(move |store| store.take_batch_answers(&rows)).await?;
        for (row, outcome) in answers {
            let Some(mut one) = waiting.remove(&row) else { continue };
            match outcome {
                InboxOutcome::Stored(answer) => match serde_json::from_str::<Receipt>(&answer) {
                    Ok(receipt) => {
                        one.receipt = one.receipt.and(receipt);
                        if one.parts.is_empty() {
                            // A source that has gone in the meantime needs no receipt.
                            let _ = one.reply.take().map(|reply| reply.send(one.receipt));
                        } else {
                            pending.push_front(one);
                            goes_on = true;
                        }
                    }
                    Err(error) => warn!(row, %error, "the answer to what was passed on cannot be read"),
                },
                // Its source offers it again.
                InboxOutcome::Refused(why) => warn!(row, why, "what was passed on was not taken"),
                InboxOutcome::Waits => {}
            }
        }
        Ok(goes_on)
    }
}

/// The items in parts of which none is too large.
fn parts(items: Vec<RawItem>) -> Vec<Vec<RawItem>> {
    let (mut parts, mut bytes) = (vec![Vec::new()], 0);
    for item in items {
        let its = item.text_bytes();
        if bytes + its > PART_BYTES_MAX && bytes > 0 {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += its;
        parts.last_mut().expect("invariant: there is one").push(item);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ItemKey, RawText};

    #[test]
    fn items_go_in_parts_that_are_not_too_large_and_none_is_left_out() {
        assert_eq!(parts(Vec::new()).len(), 1, "a poll without items moves its cursor as well");
        let item = |number: usize, bytes: usize| RawItem {
            content: Some(RawText::plain("x".repeat(bytes))),
            ..RawItem::new(ItemKey::new(&number.to_string()))
        };
        let small: Vec<RawItem> = (0..50).map(|number| item(number, 100)).collect();
        assert_eq!(parts(small.clone()), [small]);
        let large: Vec<RawItem> = [PART_BYTES_MAX - 1, 2, PART_BYTES_MAX + 1, 1, 1]
            .into_iter()
            .enumerate()
            .map(|(number, bytes)| item(number, bytes))
            .collect();
        let parted = parts(large.clone());
        assert_eq!(parted.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1, 2]);
        assert_eq!(parted.concat(), large);
    }
}
