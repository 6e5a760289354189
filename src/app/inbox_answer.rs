//! Waiting for the answer to what was put into the inbox of the database.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::store::{InboxOutcome, Store, StoreError};

/// So long an answer is waited for; it may come all the same, and a repeat finds out.
pub(super) const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// How often it is looked for without a word.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What could not be taken is taken up again after so long.
pub(super) const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What has become of something in the inbox, as soon as that is known; `None` where it is not in time. `others`: heard of
/// since before it was put there.
pub(super) async fn answer_of(
    store: &Store,
    clock: &Clock,
    row: i64,
    others: &mut watch::Receiver<u64>,
    patience: Duration,
) -> Result<Option<InboxOutcome>, StoreError> {
    let end = Instant::now() + patience;
    loop {
        others.mark_unchanged();
        match store.blocking(move |store| store.inbox_outcome(row)).await {
            Ok(InboxOutcome::Waits) => {}
            Ok(outcome) => {
                let (store, now) = (store.clone(), clock.now());
                tokio::spawn(async move { store.blocking(move |store| store.clear_inbox(row, now)).await });
                return Ok(Some(outcome));
            }
            // It may be there all the same.
            Err(error) if error.is_passing() => {}
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = tokio::time::sleep_until(end) => return Ok(None),
            _ = others.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
