//! What is answered to a push: item by item what it was decided to be. Made before the transaction, so that the answer
//! is stored in it, and told after.

use crate::model::{ItemId, PushAnswer, PushOutcome, PushRecord, PushRejection, PushedItem, Rejection};
use crate::pipeline::{Decision, Verdict};
use crate::source::Receipt;

/// What became of one item of a batch: where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemFate {
    /// The decision of this number.
    Decided(usize),
    /// Known before anything was decided.
    Known(ItemId),
    /// The rejection of this number.
    Rejected(usize),
}

/// Leaves the answer in the record of the push.
pub(super) fn answer(
    push: &PushRecord,
    fates: &[ItemFate],
    decisions: &[Decision],
    rejected: &[Rejection],
    notes: &[Rejection],
    receipt: &Receipt,
) {
    let mut answer = PushAnswer {
        received: receipt.new + receipt.known + receipt.revisions + receipt.sightings + receipt.rejected,
        new: receipt.new,
        known: receipt.known,
        revisions: receipt.revisions,
        sightings: receipt.sightings,
        rejected: push.rejected.clone(),
        notes: notes.iter().map(|note| told(note, None)).collect(),
        items: Vec::with_capacity(fates.len()),
    };
    for (at, fate) in fates.iter().enumerate() {
        let line = push.lines.get(at).copied().flatten();
        match *fate {
            ItemFate::Decided(number) => answer.items.push(pushed(&decisions[number], line)),
            ItemFate::Known(id) => answer.items.push(known(id, line)),
            ItemFate::Rejected(number) => answer.rejected.push(told(&rejected[number], line)),
        }
    }
    // A repeat of what could not be written is decided anew, and a record is made once for each.
    let _ = push.answer.set(answer);
}

fn told(rejection: &Rejection, line: Option<u64>) -> PushRejection {
    let Rejection { reason, detail, count } = rejection;
    PushRejection { line, reason: *reason, detail: detail.clone(), count: *count }
}

fn known(id: ItemId, line: Option<u64>) -> PushedItem {
    PushedItem { line, id, outcome: PushOutcome::Known, story: None, topics: Vec::new(), alerts: Vec::new() }
}

fn pushed(decision: &Decision, line: Option<u64>) -> PushedItem {
    let outcome = match decision.verdict {
        Verdict::New { .. } => PushOutcome::New,
        Verdict::Unchanged | Verdict::Sighting { again: true, .. } => PushOutcome::Known,
        Verdict::Revision { .. } => PushOutcome::Revision,
        Verdict::Sighting { again: false, .. } => PushOutcome::Sighting,
    };
    PushedItem {
        line,
        id: decision.prepared.item.id,
        outcome,
        story: decision.story(),
        topics: decision.prepared.matches.iter().map(|matched| matched.topic.clone()).collect(),
        alerts: decision.alerts.iter().map(|alert| alert.draft.id).collect(),
    }
}
