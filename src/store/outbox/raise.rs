//! Notices become alerts with outbox rows like any other: a test, a digest, an endpoint that stopped.
//! The number of each alert is given here or in `store::apply`, always inside the write transaction.

use super::{DeliveryId, endpoint};
use crate::model::{EndpointId, Timestamp};
use crate::pipeline::alert::Notice;
use crate::pipeline::alert::format::{Format, FormatError};
use crate::store::engine::{self, Connection, OptionalExtension, params};

/// The number the next alert gets.
pub(in crate::store) fn next_sequence(connection: &Connection) -> engine::Result<u64> {
    connection
        .prepare_cached("SELECT coalesce(max(sequence), 0) + 1 FROM alerts")?
        .query_row([], |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
}

/// The `content-type` of a row that has no bytes yet: it waits, or its template failed on it.
pub(super) const UNWRITTEN: &str = "";
/// That of the payload as it is.
const STANDARD_TYPE: &str = "application/json";

/// A row of the outbox, before it has its bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct NewDelivery<'a> {
    pub alert: u64,
    pub webhook_id: &'a str,
    pub endpoint: &'a EndpointId,
    /// Alerts of one story go out one after the other.
    pub story: Option<i64>,
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
    ) -> engine::Result<DeliveryId> {
        let (bytes, content_type, failure) = match format.render(payload) {
            Ok(Some(body)) => (Some(body.bytes), body.content_type, None),
            Ok(None) => (None, STANDARD_TYPE.to_owned(), None),
            Err(failure) => (None, UNWRITTEN.to_owned(), Some(FormatError::to_string(&failure))),
        };
        if let Some(failure) = failure.as_deref().filter(|_| self.counted) {
            endpoint::note_unwritten(connection, self.endpoint, failure)?;
        }
        self.insert_row(connection, bytes.as_deref(), &content_type, failure.as_deref())
    }

    /// Inserts without rendering: `own` is a payload that is not that of the alert.
    pub(in crate::store) fn insert_unwritten(
        &self,
        connection: &Connection,
        own: Option<&[u8]>,
    ) -> engine::Result<DeliveryId> {
        self.insert_row(connection, own, UNWRITTEN, None)
    }

    fn insert_row(
        &self,
        connection: &Connection,
        bytes: Option<&[u8]>,
        content_type: &str,
        failure: Option<&str>,
    ) -> engine::Result<DeliveryId> {
        let parked = failure.is_some();
        connection
            .prepare_cached(
                "INSERT INTO deliveries (alert, webhook_id, endpoint, body, content_type, state, attempts, created_at,
                    due_at, hold, settled_at, last_error, story)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10, ?11, ?12) RETURNING id",
            )?
            .query_row(
                params![
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
                    self.story,
                ],
                |row| row.get(0).map(DeliveryId),
            )
    }
}

/// Whether what is due now goes out now: nothing of the story is on its way, and the endpoint answers.
pub(in crate::store) fn is_idle(
    connection: &Connection,
    endpoint: &EndpointId,
    story: i64,
    now: Timestamp,
) -> engine::Result<bool> {
    let waits: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM deliveries INDEXED BY deliveries_story
                            WHERE story = ?2 AND endpoint = ?1 AND state = 'pending')
                 OR EXISTS (SELECT 1 FROM endpoints WHERE endpoint = ?1
                            AND (disabled_at IS NOT NULL OR not_before > ?3 OR failing_since IS NOT NULL))",
        )?
        .query_row(params![endpoint.as_str(), story, now.millis()], |row| row.get(0))?;
    Ok(!waits)
}

/// Writes what is sent right after this transaction.
pub(in crate::store) fn write_now(
    connection: &Connection,
    row: DeliveryId,
    format: &Format,
    now: Timestamp,
) -> engine::Result<()> {
    write_bodies(connection, &[row], format, now).map(|_| ())
}

/// Renders what is to be sent, once: from then on its bytes never change. Where a template fails, the row is
/// parked, to be rendered again once that is mended and somebody replays it. Says which are parked.
///
/// # Errors
/// Those of SQLite.
pub fn write_bodies(
    connection: &Connection,
    rows: &[DeliveryId],
    format: &Format,
    now: Timestamp,
) -> engine::Result<Vec<DeliveryId>> {
    let mut parked = Vec::new();
    for &row in rows {
        let found: Option<(Vec<u8>, String, bool)> = connection
            .prepare_cached(
                "SELECT coalesce(d.body, a.payload), d.endpoint, d.last_error IS NULL
                 FROM deliveries d JOIN alerts a ON a.sequence = d.alert
                 WHERE d.id = ?1 AND d.state = 'pending' AND d.content_type = ''",
            )?
            .query_row([row.0], |found| Ok((found.get(0)?, found.get(1)?, found.get(2)?)))
            .optional()?;
        // Cancelled, or gone up in another, since it was looked at.
        let Some((payload, endpoint, first_try)) = found else { continue };
        let (body, content_type) = match format.render(&payload) {
            Ok(Some(body)) => (Some(body.bytes), body.content_type),
            Ok(None) => (None, STANDARD_TYPE.to_owned()),
            Err(failure) => {
                let failure = failure.to_string();
                if let Some(endpoint) = EndpointId::new(&endpoint).ok().filter(|_| first_try) {
                    endpoint::note_unwritten(connection, &endpoint, &failure)?;
                }
                park_unwritten(connection, row, &failure, now)?;
                parked.push(row);
                continue;
            }
        };
        connection
            .prepare_cached("UPDATE deliveries SET body = coalesce(?2, body), content_type = ?3 WHERE id = ?1")?
            .defer(params![row.0, body, content_type])?;
    }
    Ok(parked)
}

fn park_unwritten(connection: &Connection, row: DeliveryId, failure: &str, now: Timestamp) -> engine::Result<()> {
    connection
        .prepare_cached(
            "UPDATE deliveries SET state = 'parked', settled_at = ?2, last_error = ?3, hold = NULL WHERE id = ?1",
        )?
        .execute(params![row.0, now.millis(), failure])
        .map(|_| ())
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
) -> engine::Result<Vec<DeliveryId>> {
    let sequence = next_sequence(connection)?;
    let payload = notice.payload(sequence);
    let id = notice.id.to_string();
    let written = connection
        .prepare_cached(
            "INSERT INTO alerts (sequence, id, kind, reason, severity, score, outlets, at, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?7)
             ON CONFLICT DO NOTHING",
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
            let (alert, webhook_id) = (sequence, id.as_str());
            let row = NewDelivery { alert, webhook_id, endpoint, story: None, hold: None, due_at: now, now, counted };
            row.insert(connection, format, &payload)
        })
        .collect()
}
