//! Notices become alerts with outbox rows like any other: a test, a digest, an endpoint that stopped.
//! The number of each alert is given here or in `store::apply`, always inside the write transaction.

use rusqlite::{Connection, params};

use super::{DeliveryId, endpoint};
use crate::model::{EndpointId, Timestamp};
use crate::pipeline::alert::Notice;
use crate::pipeline::alert::format::{Format, FormatError};

/// The number the next alert gets.
pub(in crate::store) fn next_sequence(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT coalesce(max(sequence), 0) + 1 FROM alerts")?
        .query_row([], |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
}

/// The `content-type` of a row that has no bytes yet, because its template failed on it.
pub(super) const UNWRITTEN: &str = "";

/// A row of the outbox, before it has its bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct NewDelivery<'a> {
    pub alert: u64,
    pub webhook_id: &'a str,
    pub endpoint: &'a EndpointId,
    pub hold: Option<&'static str>,
    pub due_at: Timestamp,
    pub now: Timestamp,
    /// Whether it is told elsewhere when its template fails; not when it tells of an endpoint itself.
    pub counted: bool,
}

impl NewDelivery<'_> {
    /// Renders and inserts. A template that fails on this one alert has its row parked with the reason:
    /// listed and counted, and nothing else waits for it.
    pub(in crate::store) fn insert(
        &self,
        connection: &Connection,
        format: &Format,
        payload: &[u8],
        own: Option<&[u8]>,
    ) -> rusqlite::Result<DeliveryId> {
        let (bytes, content_type, failure) = match format.render(own.unwrap_or(payload)) {
            Ok(Some(body)) => (Some(body.bytes), body.content_type, None),
            Ok(None) => (own.map(<[u8]>::to_vec), "application/json".to_owned(), None),
            Err(failure) => (own.map(<[u8]>::to_vec), UNWRITTEN.to_owned(), Some(FormatError::to_string(&failure))),
        };
        let parked = failure.is_some();
        if let Some(failure) = failure.as_deref().filter(|_| self.counted) {
            endpoint::note_unwritten(connection, self.endpoint, failure)?;
        }
        connection
            .prepare_cached(
                "INSERT INTO deliveries (alert, webhook_id, endpoint, body, content_type, state, attempts, created_at,
                    due_at, hold, settled_at, last_error)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                self.alert as i64,
                self.webhook_id,
                self.endpoint.as_str(),
                bytes,
                content_type,
                if parked { "parked" } else { "pending" },
                self.now.millis(),
                self.due_at.millis(),
                self.hold.filter(|_| !parked),
                parked.then(|| self.now.millis()),
                failure,
            ])?;
        Ok(DeliveryId(connection.last_insert_rowid()))
    }
}

/// Renders what could not be rendered when it was raised: its template was mended, and somebody replays it. One
/// that still fails is parked again. Says which are parked.
///
/// # Errors
/// Those of SQLite.
pub fn write_bodies(
    connection: &Connection,
    rows: &[DeliveryId],
    format: &Format,
    now: Timestamp,
) -> rusqlite::Result<Vec<DeliveryId>> {
    let mut parked = Vec::new();
    for &row in rows {
        let payload: Vec<u8> = connection
            .prepare_cached(
                "SELECT coalesce(d.body, a.payload) FROM deliveries d JOIN alerts a ON a.sequence = d.alert WHERE d.id = ?1",
            )?
            .query_row([row.0], |found| found.get(0))?;
        let (body, content_type) = match format.render(&payload) {
            Ok(Some(body)) => (Some(body.bytes), body.content_type),
            Ok(None) => (Some(payload), "application/json".to_owned()),
            Err(failure) => {
                connection
                    .prepare_cached(
                        "UPDATE deliveries SET state = 'parked', settled_at = ?2, last_error = ?3
                         WHERE id = ?1 AND state = 'pending'",
                    )?
                    .execute(params![row.0, now.millis(), failure.to_string()])?;
                parked.push(row);
                continue;
            }
        };
        connection
            .prepare_cached("UPDATE deliveries SET body = ?2, content_type = ?3 WHERE id = ?1")?
            .execute(params![row.0, body, content_type])?;
    }
    Ok(parked)
}

/// Raises a notice to endpoints, due at once. Nothing happens when its id was raised before.
///
/// # Errors
/// Those of SQLite.
pub fn raise(
    connection: &Connection,
    notice: &Notice,
    to: &[(EndpointId, Format)],
    now: Timestamp,
) -> rusqlite::Result<Vec<DeliveryId>> {
    let sequence = next_sequence(connection)?;
    let payload = notice.payload(sequence);
    let id = notice.id.to_string();
    let written = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO alerts (sequence, id, kind, reason, severity, score, outlets, at, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?7)",
        )?
        .execute(params![
            sequence as i64,
            id,
            notice.kind.as_str(),
            notice.reason,
            notice.severity.as_str(),
            notice.at.millis(),
            payload,
        ])?;
    if written == 0 {
        return Ok(Vec::new());
    }
    to.iter()
        .map(|(endpoint, format)| {
            // An endpoint that cannot even be told of another one's trouble makes no news of its own: two such
            // would tell of one another for ever.
            let counted = !notice.kind.is_about_endpoint();
            let row = NewDelivery { alert: sequence, webhook_id: &id, endpoint, hold: None, due_at: now, now, counted };
            row.insert(connection, format, &payload, None)
        })
        .collect()
}
