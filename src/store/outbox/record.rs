//! Settles attempts: every result that is ready goes into one transaction. A row that an operator
//! cancelled or parked meanwhile stays so, unless the attempt delivered it after all.

use std::collections::HashMap;
use std::time::Duration;

use super::{ClaimNumber, DeliveryId, Gate, Settle, endpoint};
use crate::model::{EndpointId, Timestamp};
use crate::store::engine::{self, Connection, params};

/// One attempt and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The row.
    pub delivery: DeliveryId,
    /// Its endpoint.
    pub endpoint: EndpointId,
    /// When the attempt ended.
    pub at: Timestamp,
    /// A name of a closed set (`deliver::retry::OutcomeKind`).
    pub outcome: &'static str,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// From connecting to the end of the answer.
    pub latency: Duration,
    /// The beginning of the answer's body, cleaned.
    pub excerpt: Option<String>,
    /// What went wrong, in words, with a hint; `None` for success.
    pub error: Option<String>,
    /// What becomes of the row.
    pub settle: Settle,
    /// What becomes of the endpoint.
    pub gate: Gate,
    /// The endpoint takes alerts again, which it has not for a while: what failed meanwhile is due now.
    pub ends_outage: bool,
    /// By which it was this process's to send, where others could.
    pub claim: Option<ClaimNumber>,
}

/// Writes attempts; call it inside one transaction for all of them. Says of which nothing but the attempt itself was
/// noted: another process has claimed those deliveries since, and what becomes of them is for that one to say.
///
/// # Errors
/// Those of SQLite.
pub fn record(connection: &Connection, records: &[AttemptRecord]) -> engine::Result<Vec<DeliveryId>> {
    let mut health: HashMap<&EndpointId, (Timestamp, Option<&str>)> = HashMap::new();
    let mut late = Vec::new();
    for record in records {
        if !end_claim(connection, record)? {
            insert_attempt(connection, record)?;
            late.push(record.delivery);
            continue;
        }
        settle(connection, record)?;
        if matches!(record.settle, Settle::WaitUntil(_)) {
            continue;
        }
        insert_attempt(connection, record)?;
        // Results are in the order they came in, so the last one says how the endpoint is; but one
        // success among failures ends the failing, so those are written at once.
        let error = record.error.as_deref();
        if let Some((at, earlier)) = health.insert(&record.endpoint, (record.at, error))
            && earlier.is_none() != error.is_none()
        {
            note_health(connection, &record.endpoint, at, earlier)?;
        }
        if record.ends_outage {
            try_again_now(connection, &record.endpoint, record.at)?;
        }
        // After the success that may stand before it in this batch: that one must not lift this pause.
        open_or_close(connection, record)?;
    }
    for (endpoint, (at, error)) in health {
        note_health(connection, endpoint, at, error)?;
    }
    Ok(late)
}

/// Whether what is known of an attempt counts: it does for whoever has the claim, where there are claims.
#[cfg(feature = "postgres")]
fn end_claim(connection: &Connection, record: &AttemptRecord) -> engine::Result<bool> {
    record.claim.map_or(Ok(true), |claim| crate::store::claims::end(connection, record.delivery, claim))
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unnecessary_wraps, reason = "a database has to be asked")]
fn end_claim(_: &Connection, _: &AttemptRecord) -> engine::Result<bool> {
    Ok(true)
}

/// The attempt's number counts on across replays, so the history stays whole.
fn insert_attempt(connection: &Connection, record: &AttemptRecord) -> engine::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO attempts (delivery, attempt, at, outcome, status, latency_ms, excerpt)
             VALUES (?1, (SELECT coalesce(max(attempt), 0) + 1 FROM attempts WHERE delivery = ?1), ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            record.delivery.0,
            record.at.millis(),
            record.outcome,
            record.status,
            i64::try_from(record.latency.as_millis()).unwrap_or(i64::MAX),
            record.excerpt,
        ])?;
    Ok(())
}

fn settle(connection: &Connection, record: &AttemptRecord) -> engine::Result<()> {
    let id = record.delivery.0;
    let at = record.at.millis();
    match record.settle {
        Settle::Delivered => connection
            .prepare_cached(
                "UPDATE deliveries SET state = 'delivered', attempts = attempts + 1, settled_at = ?2,
                 last_status = ?3, last_error = NULL WHERE id = ?1 AND state <> 'delivered'",
            )?
            .execute(params![id, at, record.status])?,
        Settle::RetryAt(due) => connection
            .prepare_cached(
                "UPDATE deliveries SET attempts = attempts + 1, due_at = ?2, last_status = ?3, last_error = ?4
                 WHERE id = ?1 AND state = 'pending'",
            )?
            .execute(params![id, due.millis(), record.status, record.error])?,
        Settle::WaitUntil(due) => connection
            .prepare_cached("UPDATE deliveries SET due_at = ?2, last_error = ?3 WHERE id = ?1 AND state = 'pending'")?
            .execute(params![id, due.millis(), record.error])?,
        Settle::Park => connection
            .prepare_cached(
                "UPDATE deliveries SET state = 'parked', attempts = attempts + 1, settled_at = ?2,
                 last_status = ?3, last_error = ?4 WHERE id = ?1 AND state = 'pending'",
            )?
            .execute(params![id, at, record.status, record.error])?,
    };
    Ok(())
}

/// What failed for the endpoint's sake need not wait for its place in the schedule. Refusals (4xx) are about the
/// delivery: they keep it.
fn try_again_now(connection: &Connection, endpoint: &EndpointId, now: Timestamp) -> engine::Result<()> {
    connection
        .prepare_cached(
            "UPDATE deliveries SET due_at = ?2
             WHERE endpoint = ?1 AND state = 'pending' AND hold IS NULL AND attempts > 0 AND due_at > ?2
               AND (last_status IS NULL OR last_status >= 500 OR last_status IN (408, 425, 429))",
        )?
        .execute(params![endpoint.as_str(), now.millis()])
        .map(|_| ())
}

fn open_or_close(connection: &Connection, record: &AttemptRecord) -> engine::Result<()> {
    match record.gate {
        Gate::Unchanged => Ok(()),
        Gate::PauseUntil(until) => connection
            .prepare_cached(
                "INSERT INTO endpoints (endpoint, not_before, paused_at, throttled) VALUES (?1, ?2, ?3, 1)
                 ON CONFLICT (endpoint) DO UPDATE SET throttled = 1, not_before = max(coalesce(endpoints.not_before, 0), ?2),
                     paused_at = CASE WHEN ?2 >= coalesce(endpoints.not_before, 0) THEN ?3 ELSE endpoints.paused_at END",
            )?
            .execute(params![record.endpoint.as_str(), until.millis(), record.at.millis()])
            .map(|_| ()),
        Gate::Disable { reason } => endpoint::disable(connection, &record.endpoint, reason, record.at),
    }
}

fn note_health(
    connection: &Connection,
    endpoint: &EndpointId,
    at: Timestamp,
    error: Option<&str>,
) -> engine::Result<()> {
    let statement = if error.is_none() {
        "INSERT INTO endpoints (endpoint, throttled, last_success_at) VALUES (?1, 0, ?2)
         ON CONFLICT (endpoint) DO UPDATE SET throttled = 0, last_success_at = ?2, failing_since = NULL, last_error = ?3"
    } else {
        "INSERT INTO endpoints (endpoint, throttled, failing_since, last_error) VALUES (?1, 0, ?2, ?3)
         ON CONFLICT (endpoint) DO UPDATE SET failing_since = coalesce(endpoints.failing_since, ?2), last_error = ?3"
    };
    connection.prepare_cached(statement)?.execute(params![endpoint.as_str(), at.millis(), error])?;
    Ok(())
}
