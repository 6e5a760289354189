//! What other processes have fetched, and taken from their seed directories: the one that decides takes it from the inbox in
//! the order in which it came, and it goes the way of everything else.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::source::websub::{PolledNews, SubscriptionDesk};
use crate::source::{Batch, IngestSender};
use crate::store::{BatchContents, Store, WaitingBatch, is_all_that_is_read_at_once};

/// How often it is looked without a word of a commit.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Batches that are on their way to the store at once.
const IN_HAND_MAX: usize = 128;
/// Batches that are read at once.
const READ_MAX: usize = 32;
/// A batch that could not be taken is taken up again after so long.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Takes what waits in the inbox.
pub(super) struct FetchedTaker {
    pub(super) store: Store,
    pub(super) ingest: IngestSender,
    /// Hears what polls found of hubs.
    pub(super) hubs: SubscriptionDesk,
}

impl FetchedTaker {
    /// Takes it until cancelled.
    pub(super) async fn run(self, cancel: CancellationToken) {
        let mut others = self.store.heard_fetched();
        let (mut in_hand, mut ends) = (Vec::new(), JoinSet::new());
        // Whether there may be something that was not looked at.
        let mut more = true;
        loop {
            let room = (IN_HAND_MAX - in_hand.len()).min(READ_MAX);
            let waiting = if more && room > 0 {
                others.mark_unchanged();
                let waiting = self.waiting(in_hand.clone(), room).await;
                // Whatever comes later is heard of.
                more = waiting.len() == room || is_all_that_is_read_at_once(&waiting);
                waiting
            } else {
                Vec::new()
            };
            for WaitingBatch { row, batch } in waiting {
                let contents = match BatchContents::read(&batch) {
                    Ok(contents) => contents,
                    Err(why) => {
                        warn!(row, source = batch.source, why, "what another node has fetched is not taken");
                        self.refuse(row, why).await;
                        continue;
                    }
                };
                let BatchContents { origin, items, rejected, cursor, hubs: found } = contents;
                let (desk, source) = (self.hubs.clone(), origin.source.clone());
                let (receipt, told) = oneshot::channel();
                let (cursor, receipt) = (cursor.into(), Some(receipt));
                let (unchanged, inbox) = (Vec::new(), Some(row));
                let batch = Batch { origin, items, unchanged, rejected, cursor, receipt, inbox, hubs: None };
                in_hand.push(row);
                tokio::select! {
                    () = cancel.cancelled() => return,
                    sent = self.ingest.send(batch.into()) => if sent.is_err() {
                        return;
                    },
                }
                ends.spawn(async move {
                    // Given back unread: the disk is full. It waits where it is.
                    let told = told.await;
                    match (&told, found) {
                        (Ok(receipt), Some(found)) => desk.polled(PolledNews::new(source, found, receipt)),
                        (Ok(_), None) => {}
                        (Err(_), _) => tokio::time::sleep(AGAIN_AFTER).await,
                    }
                    (row, told.is_ok())
                });
            }
            while let Some(end) = ends.try_join_next() {
                more |= ended(&mut in_hand, &ends, &end);
            }
            if more && in_hand.len() < IN_HAND_MAX {
                continue;
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                heard = others.changed() => if heard.is_err() {
                    return;
                } else {
                    more = true;
                },
                () = tokio::time::sleep(LOOK_EVERY) => more = true,
                Some(end) = ends.join_next() => more |= ended(&mut in_hand, &ends, &end),
            }
        }
    }

    async fn waiting(&self, in_hand: Vec<i64>, most: usize) -> Vec<WaitingBatch> {
        let waiting = self.store.blocking(move |store| store.waiting_batches(&in_hand, most)).await;
        waiting.unwrap_or_else(|error| {
            debug!(%error, "the inbox cannot be read");
            Vec::new()
        })
    }

    async fn refuse(&self, row: i64, why: String) {
        if let Err(error) = self.store.blocking(move |store| store.refuse_in_inbox(row, &why)).await {
            debug!(%error, "what is in the inbox cannot be refused");
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
}

/// Whether it waits still.
fn ended(
    in_hand: &mut Vec<i64>,
    ends: &JoinSet<(i64, bool)>,
    end: &Result<(i64, bool), tokio::task::JoinError>,
) -> bool {
    match end {
        Ok((row, is_stored)) => {
            in_hand.retain(|one| one != row);
            !is_stored
        }
        // Which of them panicked is not known: those that have not ended are known still.
        Err(_) if ends.is_empty() => {
            in_hand.clear();
            true
        }
        Err(_) => false,
    }
}
