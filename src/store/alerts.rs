//! Alerts and their outbox rows, written in the transaction of what gave rise to them: an alert about an
//! item or about a source, once, and one row per endpoint with the exact bytes it gets or what it waits for.

use rusqlite::{OptionalExtension, Transaction, params};

use super::outbox::{self, NewDelivery};
use crate::failpoint::Planted;
use crate::model::Timestamp;
use crate::pipeline::RaisedAlert;
use crate::pipeline::alert::source::SourceAlert;
use crate::pipeline::alert::{AlertPayload, EndpointAlert, Held, Hold, renumber};

/// Writes an alert. One whose id is there already was raised before: after a restore, say. It is not
/// sent again.
pub(super) fn write_alert(tx: &Transaction<'_>, alert: &RaisedAlert, now: Timestamp) -> rusqlite::Result<()> {
    let draft = &alert.draft;
    let sequence = outbox::next_sequence(tx)?;
    let mut id = draft.id.to_string();
    if Planted::RandomIds.is_in() {
        let random: String = tx.query_row("SELECT lower(hex(randomblob(8)))", [], |row| row.get(0))?;
        id = format!("alr_{random}");
    }
    let payload = numbered(tx, &alert.payload, &id, sequence)?;
    let score = draft.topics.iter().map(|topic| topic.matched.score.hundredths()).max().unwrap_or(0);
    let written = tx
        .prepare_cached(
            "INSERT OR IGNORE INTO alerts (sequence, id, kind, story, item, reason, severity, score, outlets, at,
                payload, silenced_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            sequence as i64,
            id,
            draft.kind.as_str(),
            draft.story.id.to_i64(),
            draft.item.to_i64(),
            draft.reason.as_str(),
            draft.severity.as_str(),
            score,
            draft.story.outlets.len() as i64,
            draft.at.millis(),
            payload,
            alert.silenced_by,
        ])?;
    if written == 0 {
        return Ok(());
    }
    for topic in &draft.topics {
        tx.prepare_cached(
            "INSERT INTO alert_topics (alert, topic, score, severity, is_new) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            sequence as i64,
            topic.matched.topic.as_str(),
            topic.matched.score.hundredths(),
            topic.matched.severity.as_str(),
            topic.new,
        ])?;
    }
    let row = Row { sequence, id: &id, payload: &payload, story: Some(draft.story.id.to_i64()) };
    alert.endpoints.iter().try_for_each(|to| write_delivery(tx, row, to, now))
}

/// The payload with the numbers that the store gives: digests, tests and notices take numbers too.
fn numbered(tx: &Transaction<'_>, payload: &AlertPayload, id: &str, sequence: u64) -> rusqlite::Result<Vec<u8>> {
    let mut payload = payload.clone();
    id.clone_into(&mut payload.data.alert.id);
    payload.data.alert.sequence = sequence;
    if let Some(previous) = &mut payload.data.previous {
        let number: Option<i64> = tx
            .prepare_cached("SELECT sequence FROM alerts WHERE id = ?1")?
            .query_row([&previous.alert], |row| row.get(0))
            .optional()?;
        previous.sequence = number.map_or(0, i64::cast_unsigned);
    }
    Ok(payload.to_bytes())
}

/// The same for an alert about a source.
pub(super) fn write_source_alert(tx: &Transaction<'_>, alert: &SourceAlert, now: Timestamp) -> rusqlite::Result<()> {
    let sequence = outbox::next_sequence(tx)?;
    let mut payload = alert.payload.clone();
    renumber(&mut payload, alert.sequence, sequence);
    let id = alert.id.to_string();
    let written = tx
        .prepare_cached(
            "INSERT OR IGNORE INTO alerts (sequence, id, kind, source, reason, severity, score, outlets, at, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 1, ?7, ?8)",
        )?
        .execute(params![
            sequence as i64,
            id,
            alert.kind.as_str(),
            alert.source.as_str(),
            alert.reason.as_str(),
            alert.severity.as_str(),
            alert.at.millis(),
            payload,
        ])?;
    if written == 0 {
        return Ok(());
    }
    let row = Row { sequence, id: &id, payload: &payload, story: None };
    alert.endpoints.iter().try_for_each(|to| write_delivery(tx, row, to, now))
}

/// The alert as stored.
#[derive(Clone, Copy)]
struct Row<'a> {
    sequence: u64,
    id: &'a str,
    payload: &'a [u8],
    /// Its story, if it belongs to any.
    story: Option<i64>,
}

fn write_delivery(tx: &Transaction<'_>, row: Row<'_>, to: &EndpointAlert, now: Timestamp) -> rusqlite::Result<()> {
    let waiting = match (&to.as_first, row.story) {
        (Some(_), Some(story)) => outbox::waiting_for_story(tx, &to.endpoint, story)?,
        _ => Vec::new(),
    };
    // Whatever of its story still waits: nothing overtakes it.
    let until = waiting.iter().map(|waiting| waiting.until).min();
    let held = match (until, to.held, to.rate) {
        (Some(until), _, _) => Some(Held { hold: Hold::Group, until }),
        (None, Some(held), _) => Some(held),
        (None, None, Some(rate)) => {
            outbox::over_rate(tx, &to.endpoint, rate, now)?.map(|until| Held { hold: Hold::Rate, until })
        }
        (None, None, None) => None,
    };
    let delivery = NewDelivery {
        alert: row.sequence,
        webhook_id: row.id,
        endpoint: &to.endpoint,
        hold: held.map(|held| held.hold.as_str()),
        due_at: held.map_or(now, |held| held.until),
        now,
        counted: true,
    };
    let Some(as_first) = to.as_first.as_ref().filter(|_| !waiting.is_empty()) else {
        return delivery.insert(tx, &to.format, row.payload, None).map(|_| ());
    };
    // Its receiver has not heard of the story yet: the newest state is the first it hears.
    let own = numbered(tx, as_first, row.id, row.sequence)?;
    let into = delivery.insert(tx, &to.format, row.payload, Some(&own))?;
    waiting.iter().try_for_each(|waiting| outbox::fold_into(tx, waiting.id, into, now))
}
