//! What other processes on the same store ask of the one that decides: they write it into the database, and it is heard of
//! from there. A replay, an endpoint that is enabled, a correction, a feed that is to be polled now.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::http::DaemonNudge;
use crate::store::{Store, StoreError};

/// Deeds that are looked at after a commit; the parts that are concerned find what else there is by themselves.
const DEEDS_MAX: usize = 50;

/// Tells the parts of this process what another one has committed.
/// `pause`: between two looks, where it is not urgent.
pub(super) async fn mind(
    store: Store,
    nudge: Arc<dyn Fn(DaemonNudge) + Send + Sync>,
    pause: Duration,
    cancel: CancellationToken,
) {
    let mut others = store.commits_of_others();
    let mut seen = store.blocking(newest_deed).await.unwrap_or_default();
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            heard = others.changed() => if heard.is_err() {
                return;
            },
        }
        if !pause.is_zero() {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(pause) => others.mark_unchanged(),
            }
        }
        nudge(DaemonNudge::Deliveries);
        nudge(DaemonNudge::Corrections);
        match store.blocking(move |store| asked_polls(store, seen)).await {
            Ok((newest, polls)) => {
                seen = newest;
                polls.into_iter().for_each(&*nudge);
            }
            // Those feeds come when they are due.
            Err(error) => debug!(%error, "what others asked for cannot be read"),
        }
    }
}

fn newest_deed(store: &Store) -> Result<i64, StoreError> {
    Ok(store.actions(None, None, 1)?.first().map_or(0, |deed| deed.number))
}

/// Feeds that somebody asked to be polled since a deed, and the newest deed.
fn asked_polls(store: &Store, seen: i64) -> Result<(i64, Vec<DaemonNudge>), StoreError> {
    let deeds = store.actions(None, None, DEEDS_MAX)?;
    let newest = deeds.first().map_or(seen, |deed| deed.number);
    let polls = deeds.into_iter().filter(|deed| deed.number > seen && deed.verb == "poll");
    let states = polls.map(|deed| store.feed(&deed.about)).collect::<Result<Vec<_>, _>>()?;
    Ok((newest, states.into_iter().flatten().map(|state| DaemonNudge::Feed(Box::new(state))).collect()))
}
