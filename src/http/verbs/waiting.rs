//! What follows a deed: the daemon is told, and where it carries something out itself, that is waited for a little while.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;

use super::{VerbAfter, VerbOutcome};
use crate::action::{self, ActionScene};
use crate::http::look::StoreLook;
use crate::http::refusal::{AnswerRefusal, RefusalKind};
use crate::http::sources::{DaemonNudge, ListenerSources};
use crate::model::EndpointId;
use crate::store::CorrectionRecord;
use crate::store::outbox::{self, DeliveryDetail, DeliveryId, DeliveryState};

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Looks for a correction: the decision loop is woken for it, and may be in the middle of a batch.
const CORRECTION_LOOKS_MAX: u32 = 100;
/// Looks for the end of a test: as long as an endpoint may take.
const TEST_LOOKS_MAX: u32 = 600;

/// Brings an outcome to its end.
pub(super) async fn follow(
    outcome: &mut VerbOutcome,
    served: &ListenerSources,
    author: &str,
) -> Result<(), AnswerRefusal> {
    match std::mem::replace(&mut outcome.after, VerbAfter::Nothing) {
        VerbAfter::Nothing => {}
        VerbAfter::Nudge(nudge) => (served.nudge)(nudge),
        VerbAfter::Correction(number) => {
            (served.nudge)(DaemonNudge::Corrections);
            let done = corrected(served, number).await?;
            if let Some(why) = &done.refused {
                return Err(AnswerRefusal::new(RefusalKind::Conflict, format!("cannot {}: {why}", done.verb)));
            }
            if done.done_at.is_none() {
                outcome.status = StatusCode::ACCEPTED;
            }
            // A split is seen where it was made; a merge where the two are now.
            let seen = done.into.filter(|_| done.verb == "merge").unwrap_or(done.story);
            outcome.seen_at = format!("/stories/{seen}");
            outcome.document = json!(done);
        }
        VerbAfter::Test(endpoint, id) => {
            (served.nudge)(DaemonNudge::Deliveries);
            outcome.document = json!(tested(served, author, endpoint, id).await?);
        }
    }
    Ok(())
}

async fn corrected(served: &ListenerSources, number: i64) -> Result<CorrectionRecord, AnswerRefusal> {
    let mut looks = CORRECTION_LOOKS_MAX;
    loop {
        let found = served.reads.store().blocking(move |store| store.correction(number)).await?;
        let found = found.ok_or_else(|| AnswerRefusal::not_found("correction", &number.to_string()))?;
        if found.done_at.is_some() || looks == 0 {
            return Ok(found);
        }
        looks -= 1;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The delivery as it ended: whoever asked for a test hears what came of it, and none is left behind.
async fn tested(
    served: &ListenerSources,
    author: &str,
    endpoint: EndpointId,
    id: DeliveryId,
) -> Result<DeliveryDetail, AnswerRefusal> {
    let show = move |look: &StoreLook| {
        let found = look.store.read("read a delivery", |c| outbox::show(c, id))?;
        found.ok_or_else(|| AnswerRefusal::not_found("delivery", &id.to_string()))
    };
    let mut looks = TEST_LOOKS_MAX;
    let detail = loop {
        let detail = served.reads.answer(show).await?;
        if !detail.attempts.is_empty() || detail.row.state != DeliveryState::Pending || looks == 0 {
            break detail;
        }
        looks -= 1;
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let arrived = detail.row.state == DeliveryState::Delivered;
    let author = author.to_owned();
    let settle = move |look: &StoreLook| {
        let scene = ActionScene { store: &look.store, config: &look.config, now: look.now, author: &author };
        action::settle_test(&scene, &endpoint, id, arrived)?;
        show(look)
    };
    let detail = served.reads.answer(settle).await?;
    (served.nudge)(DaemonNudge::Deliveries);
    Ok(detail)
}
