//! What is known about an endpoint beyond its config: disabled, paused, failing since when; and the
//! figures that `status` shows for it.

use std::time::Duration;

use serde::Serialize;

use super::{DeliveryId, optional_time};
use crate::model::{EndpointId, Timestamp};
use crate::store::engine::{self, Connection, OptionalExtension, params};

/// An endpoint that fails for so long is out of order: it is tried one request at a time, since what it costs is not for
/// the others to pay, and its first success sends what failed meanwhile.
pub const OUTAGE_MIN: Duration = Duration::from_secs(60);

/// The kept state of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct EndpointState {
    /// Since when and why nothing is sent to it.
    pub disabled: Option<(Timestamp, String)>,
    /// Nothing is sent before then.
    pub not_before: Option<Timestamp>,
    /// One request at a time until one succeeds.
    pub throttled: bool,
    /// Last 2xx.
    pub last_success_at: Option<Timestamp>,
    /// First failure after the last success.
    pub failing_since: Option<Timestamp>,
    /// The last failure, in words.
    pub last_error: Option<String>,
    /// What was last told about it on another endpoint; `None` while it works.
    pub noticed: Option<String>,
    /// Alerts parked because its template failed on them, which nobody was told of yet.
    pub unwritten: u64,
}

/// An endpoint's figures.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct EndpointHealth {
    /// The kept state.
    pub state: EndpointState,
    /// Rows owed.
    pub pending: u64,
    /// Rows given up for now.
    pub parked: u64,
    /// When the oldest row still owed was decided.
    pub oldest_pending_at: Option<Timestamp>,
}

/// Whether one request at a time is sent to an endpoint until one succeeds.
#[must_use]
pub fn is_tried_one_by_one(throttled: bool, failing_since: Option<Timestamp>, now: Timestamp) -> bool {
    throttled || failing_since.is_some_and(|since| now.since(since) >= OUTAGE_MIN)
}

impl EndpointState {
    /// Until when it is paused, if it still is.
    #[must_use]
    pub fn paused_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.not_before.filter(|&until| until > now)
    }
}

/// Reads the kept state; an endpoint that was never tried has none, which is the default.
///
/// # Errors
/// Those of SQLite.
pub fn state(connection: &Connection, endpoint: &EndpointId) -> engine::Result<EndpointState> {
    let state = connection
        .prepare_cached(
            "SELECT disabled_at, disabled_reason, not_before, throttled, last_success_at, failing_since, last_error, noticed,
                unwritten
             FROM endpoints WHERE endpoint = ?1",
        )?
        .query_row([endpoint.as_str()], |row| {
            let reason: Option<String> = row.get(1)?;
            Ok(EndpointState {
                disabled: optional_time(row.get(0)?).map(|at| (at, reason.unwrap_or_default())),
                not_before: optional_time(row.get(2)?),
                throttled: row.get(3)?,
                last_success_at: optional_time(row.get(4)?),
                failing_since: optional_time(row.get(5)?),
                last_error: row.get(6)?,
                noticed: row.get(7)?,
                unwritten: row.get::<_, i64>(8)?.unsigned_abs(),
            })
        })
        .optional()?;
    Ok(state.unwrap_or_default())
}

/// Reads an endpoint's figures. Costs one index range over its pending rows and the parked rows.
///
/// # Errors
/// Those of SQLite.
pub fn health(connection: &Connection, endpoint: &EndpointId) -> engine::Result<EndpointHealth> {
    let (pending, oldest): (i64, Option<i64>) = connection
        .prepare_cached(
            "SELECT count(*), min(id) FROM deliveries INDEXED BY deliveries_due
             WHERE endpoint = ?1 AND state = 'pending'",
        )?
        .query_row([endpoint.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let parked: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM deliveries WHERE state <> 'delivered' AND state = 'parked' AND endpoint = ?1",
        )?
        .query_row([endpoint.as_str()], |row| row.get(0))?;
    let oldest_pending_at = match oldest {
        Some(id) => connection
            .prepare_cached("SELECT created_at FROM deliveries WHERE id = ?1")?
            .query_row([id], |row| row.get(0).map(Timestamp::from_millis))
            .optional()?,
        None => None,
    };
    Ok(EndpointHealth {
        state: state(connection, endpoint)?,
        pending: pending.unsigned_abs(),
        parked: parked.unsigned_abs(),
        oldest_pending_at,
    })
}

/// Stops sending to an endpoint; its rows stay pending.
///
/// # Errors
/// Those of SQLite.
pub fn disable(connection: &Connection, endpoint: &EndpointId, reason: &str, now: Timestamp) -> engine::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO endpoints (endpoint, disabled_at, disabled_reason, throttled) VALUES (?1, ?2, ?3, 0)
             ON CONFLICT (endpoint) DO UPDATE SET disabled_at = coalesce(endpoints.disabled_at, ?2),
                 disabled_reason = CASE WHEN endpoints.disabled_at IS NULL THEN ?3 ELSE endpoints.disabled_reason END",
        )?
        .execute(params![endpoint.as_str(), now.millis(), reason])?;
    Ok(())
}

/// Counts an alert that an endpoint's template failed on.
pub(super) fn note_unwritten(connection: &Connection, endpoint: &EndpointId, failure: &str) -> engine::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO endpoints (endpoint, throttled, unwritten, last_error) VALUES (?1, 0, 1, ?2)
             ON CONFLICT (endpoint) DO UPDATE SET unwritten = endpoints.unwritten + 1, last_error = ?2",
        )?
        .execute(params![endpoint.as_str(), failure])
        .map(|_| ())
}

/// Takes that count, to tell of it.
///
/// # Errors
/// Those of SQLite.
pub fn take_unwritten(connection: &Connection, endpoint: &EndpointId) -> engine::Result<u64> {
    let count = state(connection, endpoint)?.unwritten;
    connection
        .prepare_cached("UPDATE endpoints SET unwritten = 0 WHERE endpoint = ?1 AND unwritten > 0")?
        .execute([endpoint.as_str()])?;
    Ok(count)
}

/// Keeps what was told about an endpoint on others. Says whether that is news.
///
/// # Errors
/// Those of SQLite.
pub fn note(connection: &Connection, endpoint: &EndpointId, noticed: Option<&str>) -> engine::Result<bool> {
    connection
        .prepare_cached(
            "INSERT INTO endpoints (endpoint, throttled, noticed) VALUES (?1, 0, ?2)
             ON CONFLICT (endpoint) DO UPDATE SET noticed = excluded.noticed
                 WHERE endpoints.noticed IS DISTINCT FROM excluded.noticed",
        )?
        .execute(params![endpoint.as_str(), noticed])
        .map(|changed| changed > 0)
}

/// Ends a pause, so that one try can be made now.
///
/// # Errors
/// Those of SQLite.
pub fn lift_pause(connection: &Connection, endpoint: &EndpointId) -> engine::Result<()> {
    connection
        .prepare_cached("UPDATE endpoints SET not_before = NULL WHERE endpoint = ?1 AND not_before IS NOT NULL")?
        .execute([endpoint.as_str()])
        .map(|_| ())
}

/// Has a delivery go out before all others of its endpoint.
///
/// # Errors
/// Those of SQLite.
pub fn put_first(connection: &Connection, row: DeliveryId) -> engine::Result<()> {
    connection
        .prepare_cached("UPDATE deliveries SET due_at = 0 WHERE id = ?1 AND state = 'pending'")?
        .execute([row.0])
        .map(|_| ())
}

/// Makes due what waits for another try: the endpoint was seen to work. What is held for its hours or its story
/// stays held. Says how many.
///
/// # Errors
/// Those of SQLite.
pub fn send_now(connection: &Connection, endpoint: &EndpointId, now: Timestamp) -> engine::Result<usize> {
    lift_pause(connection, endpoint)?;
    connection
        .prepare_cached(
            "UPDATE deliveries SET due_at = ?2
             WHERE endpoint = ?1 AND state = 'pending' AND hold IS NULL AND attempts > 0 AND due_at > ?2",
        )?
        .execute(params![endpoint.as_str(), now.millis()])
}

/// Sends again: not disabled, not paused, failing from now on at the earliest. Says whether it was disabled.
///
/// # Errors
/// Those of SQLite.
pub fn enable(connection: &Connection, endpoint: &EndpointId) -> engine::Result<bool> {
    let was_disabled = state(connection, endpoint)?.disabled.is_some();
    connection
        .prepare_cached(
            "UPDATE endpoints SET disabled_at = NULL, disabled_reason = NULL, not_before = NULL, failing_since = NULL
             WHERE endpoint = ?1",
        )?
        .execute([endpoint.as_str()])?;
    Ok(was_disabled)
}
