//! Alerts and their outbox rows, written in the transaction of what gave rise to them: an alert about an
//! item or about a source, once, and one row per endpoint with the exact bytes it gets.

use rusqlite::{Transaction, params};

use crate::model::{AlertId, Timestamp};
use crate::pipeline::OutboxAlert;
use crate::pipeline::alert::Outgoing;
use crate::pipeline::alert::source::SourceAlert;

/// An alert whose id is there already was raised before: after a restore, say. It is not sent again.
pub(super) fn write_alert(tx: &Transaction<'_>, alert: &OutboxAlert, now: Timestamp) -> rusqlite::Result<()> {
    let draft = &alert.draft;
    let sequence = alert.sequence as i64;
    let written = tx
        .prepare_cached(
            "INSERT OR IGNORE INTO alerts (sequence, id, kind, topic, story, item, reason, severity, score, sources, at, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            sequence,
            draft.id.to_string(),
            draft.kind.as_str(),
            draft.matched.topic.as_str(),
            draft.story.id.to_i64(),
            draft.item.to_i64(),
            draft.reason.as_str(),
            draft.matched.severity.as_str(),
            draft.matched.score.hundredths(),
            draft.story.sources.len() as i64,
            draft.at.millis(),
            alert.payload,
        ])?;
    if written == 0 {
        return Ok(());
    }
    let row = Row { sequence: alert.sequence, id: draft.id, payload: &alert.payload };
    alert.endpoints.iter().try_for_each(|to| write_delivery(tx, &row, to, now))
}

/// An alert as an outbox row needs it.
struct Row<'a> {
    sequence: u64,
    id: AlertId,
    payload: &'a [u8],
}

/// One outbox row with the exact bytes. A template that fails on this one alert has its row parked with
/// the reason: the alert is listed and counted, and nothing else waits for it.
fn write_delivery(tx: &Transaction<'_>, alert: &Row<'_>, to: &Outgoing, now: Timestamp) -> rusqlite::Result<()> {
    let (body, failure) = match to.format.render(alert.payload) {
        Ok(body) => (body, None),
        Err(failure) => (None, Some(failure.to_string())),
    };
    let content_type = body.as_ref().map_or("application/json", |body| body.content_type.as_str());
    tx.prepare_cached(
        "INSERT INTO deliveries
            (alert, webhook_id, endpoint, body, content_type, state, attempts, created_at, due_at, settled_at, last_error)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?7, ?8, ?9)",
    )?
    .execute(params![
        alert.sequence as i64,
        alert.id.to_string(),
        to.endpoint.as_str(),
        body.as_ref().map(|body| &body.bytes),
        content_type,
        if failure.is_some() { "parked" } else { "pending" },
        now.millis(),
        failure.is_some().then(|| now.millis()),
        failure,
    ])
    .map(|_| ())
}

/// The same for an alert about a source.
pub(super) fn write_source_alert(tx: &Transaction<'_>, alert: &SourceAlert, now: Timestamp) -> rusqlite::Result<()> {
    let sequence = alert.sequence as i64;
    let id = alert.id.to_string();
    let written = tx
        .prepare_cached(
            "INSERT OR IGNORE INTO alerts (sequence, id, kind, source, reason, severity, score, sources, at, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 1, ?7, ?8)",
        )?
        .execute(params![
            sequence,
            id,
            alert.kind.as_str(),
            alert.source.as_str(),
            alert.reason.as_str(),
            alert.severity.as_str(),
            alert.at.millis(),
            alert.payload,
        ])?;
    if written == 0 {
        return Ok(());
    }
    let row = Row { sequence: alert.sequence, id: alert.id, payload: &alert.payload };
    alert.endpoints.iter().try_for_each(|to| write_delivery(tx, &row, to, now))
}
