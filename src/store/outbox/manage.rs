//! What operators do with the outbox: list, show, replay, cancel, and park what has no endpoint any
//! more. Nothing is deleted; every state can be seen and undone by a replay.

use serde::{Serialize, Serializer};

use super::{DeliveryId, DeliveryState, optional_time};
use crate::model::{EndpointId, Severity, Timestamp};
use crate::store::conditions::severities;
use crate::store::engine::{self, Connection, OptionalExtension, Row, params};

/// Rows in one answer of [`list`], whatever is asked for.
const LIST_ROWS_MAX: usize = 10_000;

/// Which deliveries to list; newest first.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only this endpoint's.
    pub endpoint: Option<EndpointId>,
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only decided at this time or later.
    pub since: Option<Timestamp>,
    /// Only of alerts on this topic.
    pub topic: Option<String>,
    /// Only of alerts of this severity or above.
    pub severity_min: Option<Severity>,
    /// Only of the alert with this number.
    pub alert: Option<i64>,
    /// Only before this row: the last one of the page before.
    pub before: Option<DeliveryId>,
    /// At most so many.
    pub rows_max: usize,
}

/// A delivery as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryRow {
    /// The row.
    pub id: DeliveryId,
    /// The alert's id, `webhook-id` on the wire.
    pub alert: String,
    /// The alert's number.
    pub sequence: i64,
    /// For whom.
    pub endpoint: String,
    /// Where it stands.
    #[serde(serialize_with = "as_text")]
    pub state: DeliveryState,
    /// Attempts since it was made or replayed.
    pub attempts: u32,
    /// When it was decided.
    pub created_at: Timestamp,
    /// When it is tried next, while pending.
    pub due_at: Timestamp,
    /// When it was delivered, parked or cancelled.
    pub settled_at: Option<Timestamp>,
    /// The last answer's status.
    pub last_status: Option<u16>,
    /// The last failure, in words.
    pub last_error: Option<String>,
    /// What it waits for, while pending: `group`, `quiet`, `digest` or `rate`.
    pub hold: Option<String>,
    /// The row it went up in.
    pub folded_into: Option<DeliveryId>,
}

/// One attempt, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptRow {
    /// Its number, counting from 1 across replays.
    pub attempt: u32,
    /// When it ended.
    pub at: Timestamp,
    /// Its outcome by name.
    pub outcome: String,
    /// The answer's status.
    pub status: Option<u16>,
    /// How long it took.
    pub latency_ms: u64,
    /// The beginning of the answer.
    pub excerpt: Option<String>,
}

/// A delivery with everything about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryDetail {
    /// As listed.
    pub row: DeliveryRow,
    /// Every attempt, oldest first.
    pub attempts: Vec<AttemptRow>,
    /// `content-type` of the body.
    pub content_type: String,
    /// The bytes that go out, as text.
    pub body: String,
}

/// What to send again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// This one, whatever its state.
    One(DeliveryId),
    /// Everything parked.
    Parked,
    /// Everything parked that was decided since then.
    ParkedSince(Timestamp),
    /// Everything decided since then, delivered or not.
    Since(Timestamp),
}

const COLUMNS: &str = "id, webhook_id, alert, endpoint, state, attempts, created_at, due_at, settled_at, last_status, last_error, hold, folded_into";

/// Lists deliveries, newest first.
///
/// # Errors
/// Those of SQLite.
pub fn list(connection: &Connection, filter: &DeliveryFilter) -> engine::Result<Vec<DeliveryRow>> {
    let rows_max = filter.rows_max.min(LIST_ROWS_MAX);
    // Spelled out where it holds: the few rows that are not delivered have an index of their own.
    let undelivered = match filter.state {
        Some(DeliveryState::Delivered) | None => "",
        Some(_) => "state <> 'delivered' AND",
    };
    let state = if filter.state.is_some() { "state = ?2" } else { "?2 IS NULL" };
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM deliveries
             WHERE {undelivered} (?1 IS NULL OR endpoint = ?1) AND {state}
               AND (?3 IS NULL OR created_at >= ?3) AND id < ?4 AND (?6 IS NULL OR alert = ?6)
               AND (?7 IS NULL OR EXISTS (SELECT 1 FROM alert_topics t WHERE t.topic = ?7 AND t.alert = deliveries.alert))
               AND (?8 IS NULL OR (SELECT severity FROM alerts a WHERE a.sequence = deliveries.alert)
                    IN (SELECT value FROM json_each(?8)))
             ORDER BY id DESC LIMIT ?5"
        ))?
        .query_map(
            params![
                filter.endpoint.as_ref().map(EndpointId::as_str),
                filter.state.map(DeliveryState::as_str),
                filter.since.map(Timestamp::millis),
                filter.before.map_or(i64::MAX, |id| id.0),
                i64::try_from(rows_max).unwrap_or(i64::MAX),
                filter.alert,
                filter.topic,
                filter.severity_min.map(severities),
            ],
            read_row,
        )?
        .collect()
}

/// Everything about one delivery, or `None` when there is no such row.
///
/// # Errors
/// Those of SQLite.
pub fn show(connection: &Connection, id: DeliveryId) -> engine::Result<Option<DeliveryDetail>> {
    let row = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM deliveries WHERE id = ?1"))?
        .query_row([id.0], read_row)
        .optional()?;
    let Some(row) = row else { return Ok(None) };
    let attempts = connection
        .prepare_cached(
            "SELECT attempt, at, outcome, status, latency_ms, excerpt FROM attempts WHERE delivery = ?1 ORDER BY attempt",
        )?
        .query_map([id.0], |row| {
            Ok(AttemptRow {
                attempt: row.get(0)?,
                at: Timestamp::from_millis(row.get(1)?),
                outcome: row.get(2)?,
                status: row.get(3)?,
                latency_ms: row.get::<_, i64>(4)?.unsigned_abs(),
                excerpt: row.get(5)?,
            })
        })?
        .collect::<engine::Result<_>>()?;
    let (content_type, body): (String, Vec<u8>) = connection
        .prepare_cached(
            "SELECT d.content_type, coalesce(d.body, a.payload)
             FROM deliveries d JOIN alerts a ON a.sequence = d.alert WHERE d.id = ?1",
        )?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Some(DeliveryDetail { row, attempts, content_type, body: String::from_utf8_lossy(&body).into_owned() }))
}

/// What an endpoint is owed of an alert: its payload there, and the body with its `content-type` once it was written.
///
/// # Errors
/// Those of SQLite.
pub fn owed(
    connection: &Connection,
    alert: &str,
    endpoint: &EndpointId,
) -> engine::Result<Option<(Vec<u8>, Option<String>)>> {
    connection
        .prepare_cached(
            "SELECT coalesce(d.body, a.payload), nullif(d.content_type, '') FROM deliveries d
             JOIN alerts a ON a.sequence = d.alert WHERE d.webhook_id = ?1 AND d.endpoint = ?2",
        )?
        .query_row(params![alert, endpoint.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Makes rows due now, with a new schedule and the same id and bytes. Says how many.
///
/// # Errors
/// Those of SQLite.
pub fn replay(
    connection: &Connection,
    what: &Replay,
    endpoint: Option<&EndpointId>,
    now: Timestamp,
) -> engine::Result<usize> {
    let (condition, value) = match what {
        Replay::One(id) => ("id = ?3", id.0),
        Replay::Parked => ("state <> 'delivered' AND state = 'parked' AND ?3 = 0", 0),
        Replay::ParkedSince(at) => ("state <> 'delivered' AND state = 'parked' AND created_at >= ?3", at.millis()),
        // What went up in another went out with it.
        Replay::Since(at) => ("created_at >= ?3 AND state <> 'folded'", at.millis()),
    };
    connection
        .prepare_cached(&format!(
            "UPDATE deliveries SET state = 'pending', attempts = 0, due_at = ?1, settled_at = NULL, hold = NULL, folded_into = NULL
             WHERE (?2 IS NULL OR endpoint = ?2) AND {condition}"
        ))?
        .execute(params![now.millis(), endpoint.map(EndpointId::as_str), value])
}

/// Gives up a delivery that is pending or parked. Says whether there was one.
///
/// # Errors
/// Those of SQLite.
pub fn cancel(connection: &Connection, id: DeliveryId, now: Timestamp) -> engine::Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE deliveries SET state = 'cancelled', settled_at = ?2 WHERE id = ?1 AND state IN ('pending', 'parked')",
        )?
        .execute(params![id.0, now.millis()])?;
    Ok(changed > 0)
}

/// Why what is owed to an endpoint that is gone is parked.
const ORPHANED: &str = "the endpoint is disabled or no longer in the config";

/// Makes due what was parked because its endpoint went, since then. Says how many.
///
/// # Errors
/// Those of SQLite.
pub fn release_orphans(
    connection: &Connection,
    endpoint: &EndpointId,
    gone_at: Timestamp,
    now: Timestamp,
) -> engine::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE deliveries SET state = 'pending', attempts = 0, due_at = ?1, settled_at = NULL, hold = NULL
             WHERE endpoint = ?2 AND state <> 'delivered' AND state = 'parked' AND settled_at >= ?3 AND last_error = ?4",
        )?
        .execute(params![now.millis(), endpoint.as_str(), gone_at.millis(), ORPHANED])
}

/// Cancels what was raised for an endpoint since it went. Says how many.
///
/// # Errors
/// Those of SQLite.
pub fn give_up_orphans(
    connection: &Connection,
    endpoint: &EndpointId,
    gone_at: Timestamp,
    now: Timestamp,
) -> engine::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE deliveries SET state = 'cancelled', settled_at = ?1,
                 last_error = 'its endpoint was not in the config, and did not come back within an hour'
             WHERE endpoint = ?2 AND state IN ('pending', 'parked') AND created_at >= ?3",
        )?
        .execute(params![now.millis(), endpoint.as_str(), gone_at.millis()])
}

/// Parks what is owed to endpoints that are not in `active`, with a reason. Says which and how many.
///
/// # Errors
/// Those of SQLite.
pub fn park_orphans(
    connection: &Connection,
    active: &[EndpointId],
    now: Timestamp,
) -> engine::Result<Vec<(String, usize)>> {
    // A loose index scan: one step per endpoint, however many rows each has.
    let owed: Vec<String> = connection
        .prepare_cached(
            "WITH RECURSIVE owed (endpoint) AS (
                 SELECT min(endpoint) FROM deliveries INDEXED BY deliveries_due WHERE state = 'pending'
                 UNION ALL
                 SELECT (SELECT min(d.endpoint) FROM deliveries d INDEXED BY deliveries_due
                         WHERE d.state = 'pending' AND d.endpoint > owed.endpoint)
                 FROM owed WHERE owed.endpoint IS NOT NULL)
             SELECT endpoint FROM owed WHERE endpoint IS NOT NULL",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<engine::Result<_>>()?;
    let mut parked = Vec::new();
    for endpoint in owed.into_iter().filter(|owed| active.iter().all(|id| id.as_str() != owed)) {
        let rows = connection
            .prepare_cached(
                "UPDATE deliveries SET state = 'parked', settled_at = ?2,
                     last_error = ?3
                 WHERE endpoint = ?1 AND state = 'pending'",
            )?
            .execute(params![endpoint, now.millis(), ORPHANED])?;
        parked.push((endpoint, rows));
    }
    Ok(parked)
}

fn read_row(row: &Row<'_>) -> engine::Result<DeliveryRow> {
    let state: String = row.get(4)?;
    Ok(DeliveryRow {
        id: DeliveryId(row.get(0)?),
        alert: row.get(1)?,
        sequence: row.get(2)?,
        endpoint: row.get(3)?,
        state: DeliveryState::from_name(&state)
            .ok_or_else(|| engine::EngineError::unreadable(format!("a delivery is in no state named `{state}`")))?,
        attempts: row.get(5)?,
        created_at: Timestamp::from_millis(row.get(6)?),
        due_at: Timestamp::from_millis(row.get(7)?),
        settled_at: optional_time(row.get(8)?),
        last_status: row.get(9)?,
        last_error: row.get(10)?,
        hold: row.get(11)?,
        folded_into: row.get::<_, Option<i64>>(12)?.map(DeliveryId),
    })
}

fn as_text<T: ToString, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}
