//! What is not sent yet of a story: it takes in what comes meanwhile, under its own id, until it is written.
//! From then on its bytes never change.

use super::{DeliveryId, fold_into};
use crate::model::{EndpointId, Timestamp};
use crate::pipeline::Told;
use crate::pipeline::alert::{AlertPayload, EndpointAlert, Hold, fold};
use crate::store::engine::{self, Connection, OptionalExtension, params};

/// A delivery without bytes of its own.
#[derive(Debug, Clone)]
pub(in crate::store) struct Unsent {
    pub id: DeliveryId,
    alert: i64,
    payload: AlertPayload,
    due_at: Timestamp,
    /// It waits for more of its story.
    grouped: bool,
}

/// The delivery of an alert to an endpoint, if nothing of it may have left.
pub(in crate::store) fn unsent(
    connection: &Connection,
    endpoint: &EndpointId,
    alert: i64,
) -> engine::Result<Option<Unsent>> {
    let found = connection
        .prepare_cached(
            "SELECT d.id, d.due_at, coalesce(d.body, a.payload), d.hold
             FROM deliveries d INDEXED BY deliveries_alert JOIN alerts a ON a.sequence = d.alert
             WHERE d.alert = ?1 AND d.endpoint = ?2 AND d.state = 'pending' AND d.content_type = ''",
        )?
        .query_row(params![alert, endpoint.as_str()], |row| {
            let hold: Option<String> = row.get(3)?;
            let grouped = hold.as_deref() == Some(Hold::Group.as_str());
            Ok((DeliveryId(row.get(0)?), Timestamp::from_millis(row.get(1)?), row.get::<_, Vec<u8>>(2)?, grouped))
        })
        .optional()?;
    // What cannot be read is not changed: it goes out as it is.
    Ok(found.and_then(|(id, due_at, bytes, grouped)| {
        let payload = AlertPayload::from_bytes(&bytes).ok()?;
        Some(Unsent { id, alert, payload, due_at, grouped })
    }))
}

/// An unsent alert takes in a later one of the same story. Says whether there was one.
pub(in crate::store) fn fold_alert(
    connection: &Connection,
    to: &EndpointAlert,
    alert: i64,
    later: &AlertPayload,
    now: Timestamp,
) -> engine::Result<bool> {
    let of_story = |row: &Unsent| row.payload.data.story.id == later.data.story.id;
    let Some(row) = unsent(connection, &to.endpoint, alert)?.filter(of_story) else { return Ok(false) };
    rewrite(connection, &row, &fold(&row.payload, later))?;
    let due_at = to.held.map_or(now, |held| held.until);
    // What waited for another report of its event has it now.
    if (to.urgent || row.grouped) && due_at < row.due_at {
        connection.prepare_cached("UPDATE deliveries SET hold = ?2, due_at = ?3 WHERE id = ?1")?.execute(params![
            row.id.0,
            to.held.map(|held| held.hold.as_str()),
            due_at.millis()
        ])?;
    }
    Ok(true)
}

/// Of two unsent alerts of what is one story now, the earlier takes in the later.
pub(in crate::store) fn fold_row(
    connection: &Connection,
    endpoint: &EndpointId,
    later: i64,
    into: i64,
    now: Timestamp,
) -> engine::Result<()> {
    let (Some(later), Some(into)) = (unsent(connection, endpoint, later)?, unsent(connection, endpoint, into)?) else {
        return Ok(());
    };
    rewrite(connection, &into, &fold(&into.payload, &later.payload))?;
    fold_into(connection, later.id, into.id, now)
}

/// The endpoint has heard of the story by another alert: what waits says what that did not (`told`), or goes up
/// in it where it says nothing more.
pub(in crate::store) fn follow(
    connection: &Connection,
    endpoint: &EndpointId,
    waiting: i64,
    had: i64,
    told: Option<&Told>,
    now: Timestamp,
) -> engine::Result<()> {
    let Some(row) = unsent(connection, endpoint, waiting)? else { return Ok(()) };
    if let Some(told) = told {
        let id: String = connection
            .prepare_cached("SELECT id FROM alerts WHERE sequence = ?1")?
            .query_row([had], |row| row.get(0))?;
        return rewrite(connection, &row, &row.payload.clone().following(&id, had.cast_unsigned(), told));
    }
    let into: Option<i64> = connection
        .prepare_cached("SELECT id FROM deliveries WHERE alert = ?1 AND endpoint = ?2")?
        .query_row(params![had, endpoint.as_str()], |row| row.get(0))
        .optional()?;
    into.map_or(Ok(()), |into| fold_into(connection, row.id, DeliveryId(into), now))
}

/// Notes what an unsent alert says now. The alert itself follows where nobody else has a part in it.
fn rewrite(connection: &Connection, row: &Unsent, payload: &AlertPayload) -> engine::Result<()> {
    let bytes = payload.to_bytes();
    let shared: bool = connection
        .prepare_cached("SELECT 1 FROM deliveries WHERE alert = ?1 AND id <> ?2 LIMIT 1")?
        .exists(params![row.alert, row.id.0])?;
    let own = shared.then_some(&bytes);
    connection.prepare_cached("UPDATE deliveries SET body = ?2 WHERE id = ?1")?.execute(params![row.id.0, own])?;
    if shared {
        return Ok(());
    }
    let hundredths = |score: &serde_json::Number| score.as_f64().map_or(0, |points| (points * 100.0).round() as i64);
    let data = &payload.data;
    connection
        .prepare_cached(
            "UPDATE alerts SET kind = ?2, reason = ?3, severity = ?4, score = ?5, outlets = ?6, payload = ?7
             WHERE sequence = ?1",
        )?
        .execute(params![
            row.alert,
            payload.r#type,
            data.alert.reason,
            data.alert.severity,
            data.topics.iter().map(|topic| hundredths(&topic.score)).max().unwrap_or(0),
            data.story.outlets_total as i64,
            bytes,
        ])?;
    for topic in &data.topics {
        connection
            .prepare_cached(
                "INSERT INTO alert_topics (alert, topic, score, severity, is_new) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (alert, topic) DO UPDATE SET score = excluded.score, severity =
                    excluded.severity, is_new = excluded.is_new",
            )?
            .execute(params![row.alert, topic.id, hundredths(&topic.score), topic.severity, topic.new])?;
    }
    Ok(())
}
