//! Sending again, and calling off.

use super::{ActionRefusal, ActionScene};
use crate::model::EndpointId;
use crate::store::outbox::{self, DeliveryId, DeliveryState, Replay};
use crate::store::{ActionNote, note_action};

/// Makes deliveries due again, with the same id and bytes. Says how many.
///
/// # Errors
/// [`ActionRefusal`] when a single one is not there, or the store cannot be written.
pub fn replay_deliveries(
    scene: &ActionScene<'_>,
    what: &Replay,
    endpoint: Option<&EndpointId>,
) -> Result<usize, ActionRefusal> {
    let &ActionScene { store, now, author, .. } = scene;
    let (about, which) = match what {
        Replay::One(id) => (id.to_string(), String::new()),
        Replay::Parked => (String::new(), "all that is parked".to_owned()),
        Replay::ParkedSince(at) => (String::new(), format!("what is parked since {at}")),
        Replay::Since(at) => (String::new(), format!("all since {at}")),
    };
    let about = match endpoint {
        Some(endpoint) if about.is_empty() => endpoint.to_string(),
        _ => about,
    };
    let count = store.write("replay deliveries", |tx| {
        let count = outbox::replay(tx, what, endpoint, now)?;
        let detail = if which.is_empty() { String::new() } else { format!("{which}: {count}") };
        if count > 0 || !which.is_empty() {
            note_action(tx, &ActionNote { author, verb: "replay", about: &about, detail: &detail, at: now })?;
        }
        Ok(count)
    })?;
    match what {
        Replay::One(id) if count == 0 => Err(ActionRefusal::unknown(format!("find {id}: no such delivery"))),
        _ => Ok(count),
    }
}

/// Calls a delivery off that is owed; says whether it was, for one that is off already stays so.
///
/// # Errors
/// [`ActionRefusal`] when there is no such delivery, it is not owed, or the store cannot be written.
pub fn cancel_delivery(scene: &ActionScene<'_>, id: DeliveryId) -> Result<bool, ActionRefusal> {
    let &ActionScene { store, now, author, .. } = scene;
    let cancelled = store.write("cancel a delivery", |tx| {
        let cancelled = outbox::cancel(tx, id, now)?;
        if cancelled {
            note_action(tx, &ActionNote { author, verb: "cancel", about: &id.to_string(), detail: "", at: now })?;
        }
        Ok(cancelled)
    })?;
    if cancelled {
        return Ok(true);
    }
    match store.read("read a delivery", |c| outbox::show(c, id))?.map(|detail| detail.row.state) {
        None => Err(ActionRefusal::unknown(format!("find {id}: no such delivery"))),
        Some(DeliveryState::Cancelled) => Ok(false),
        Some(state) => Err(ActionRefusal::conflict(format!("cancel {id}: it is not owed, it is {state}"))),
    }
}
