//! One attempt of a queue: send, judge, hand to the recorder.

use std::sync::Arc;
use std::time::Duration;

use super::console::Console;
use super::count::DeliveryCounters;
use super::record::{Recorder, RecorderStopped, Recording};
use super::retry::{Attempted, Outcome, RetryRules};
use super::send::{Answer, Channel};
use super::waker::DeliveryWaker;
use super::{DeliveryConfig, EndpointConfig};
use crate::clock::Clock;
use crate::failpoint::{Failpoint, Planted};
use crate::model::{EndpointId, Timestamp};
use crate::pipeline::alert::format::Format;
use crate::store::Store;
use crate::store::outbox::{AttemptRecord, Claimed, DeliveryId, Gate, OUTAGE_MIN, Settle};

/// What all queues share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) config: Arc<DeliveryConfig>,
    pub(super) retry: Arc<RetryRules>,
    pub(super) recorder: Recorder,
    pub(super) counters: DeliveryCounters,
    pub(super) console: Console,
    /// Who hears what happens to endpoints.
    pub(super) operations: Arc<[(EndpointId, Format)]>,
    pub(super) waker: DeliveryWaker,
}

/// An attempt that was made.
pub(super) struct SlotEnd {
    pub(super) id: DeliveryId,
    pub(super) webhook_id: String,
    pub(super) attempt: u32,
    pub(super) outcome: Outcome,
    pub(super) latency: Duration,
    /// Since the decision.
    pub(super) since_alert: Duration,
    pub(super) error: Option<String>,
    pub(super) settle: Settle,
    pub(super) gate: Gate,
}

/// One attempt: send, judge, record.
pub(super) async fn attempt(
    shared: Shared,
    endpoint: Arc<EndpointConfig>,
    channel: Result<Arc<Channel>, Answer>,
    mut row: Claimed,
    failing_since: Option<Timestamp>,
) -> Result<(SlotEnd, Recording), RecorderStopped> {
    if Planted::DeliveredFirst.is_in() {
        let settle = "UPDATE deliveries SET state = 'delivered' WHERE id = ?1";
        let _ = shared.store.write("settle", |tx| tx.execute(settle, [row.id.to_i64()]));
    }
    let began = tokio::time::Instant::now();
    let answer = match channel {
        Ok(channel) => channel.send(&mut row, shared.clock.now()).await,
        Err(answer) => answer,
    };
    Failpoint::Answered.pass();
    let latency = began.elapsed();
    let now = shared.clock.now();
    let attempt = row.attempts.saturating_add(1);
    let attempted = Attempted { delivery: row.id, attempts: attempt, now, owed_for: now.since(row.created_at) };
    let verdict = shared.retry.judge(&answer.outcome, attempted);
    let gate = match verdict.gate {
        Gate::Disable { .. } => verdict.gate,
        _ if !matches!(verdict.settle, Settle::Delivered | Settle::WaitUntil(_))
            && failing_since.is_some_and(|since| now.since(since) >= shared.config.disable_after) =>
        {
            Gate::Disable { reason: "not one success for as long as `disable_after` says" }
        }
        gate => gate,
    };
    let error = answer.error.map(|error| match verdict.hint {
        Some(hint) => format!("{error} ({hint})"),
        None => error,
    });
    let record = AttemptRecord {
        delivery: row.id,
        endpoint: endpoint.id.clone(),
        at: now,
        outcome: answer.outcome.name(),
        status: answer.outcome.status(),
        latency,
        excerpt: answer.excerpt,
        error: error.clone(),
        settle: verdict.settle.clone(),
        gate: gate.clone(),
        ends_outage: verdict.settle == Settle::Delivered
            && failing_since.is_some_and(|since| now.since(since) >= OUTAGE_MIN),
        claim: row.claim,
    };
    let recording = shared.recorder.record(record).await?;
    let end = SlotEnd {
        id: row.id,
        webhook_id: row.webhook_id,
        attempt,
        outcome: answer.outcome,
        latency,
        since_alert: now.since(row.created_at),
        error,
        settle: verdict.settle,
        gate,
    };
    Ok((end, recording))
}
