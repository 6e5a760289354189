//! Alerts and their outbox rows, written in the transaction of what gave rise to them: an alert about an
//! item or about a source, once, and one row per endpoint with the exact bytes it gets or what it waits for.

use rusqlite::{Transaction, params};

use super::outbox::{self, NewDelivery, Waiting};
use crate::failpoint::Planted;
use crate::model::Timestamp;
use crate::pipeline::OutboxAlert;
use crate::pipeline::alert::source::SourceAlert;
use crate::pipeline::alert::{Held, Hold, Outgoing, renumber};

/// Writes an alert. One whose id is there already was raised before: after a restore, say. It is not
/// sent again.
pub(super) fn write_alert(tx: &Transaction<'_>, alert: &OutboxAlert, now: Timestamp) -> rusqlite::Result<()> {
    let draft = &alert.draft;
    // Digests, tests and notices take numbers too, so the decision's own count may be behind.
    let sequence = outbox::next_sequence(tx)?;
    let mut payload = alert.payload.clone();
    if sequence != alert.sequence {
        renumber(&mut payload, alert.sequence, sequence);
    }
    let mut id = draft.id.to_string();
    if Planted::RandomIds.is_in() {
        let random: String = tx.query_row("SELECT lower(hex(randomblob(8)))", [], |row| row.get(0))?;
        let text = String::from_utf8_lossy(&payload).replace(&id, &format!("alr_{random}"));
        (id, payload) = (format!("alr_{random}"), text.into_bytes());
    }
    let written = tx
        .prepare_cached(
            "INSERT OR IGNORE INTO alerts (sequence, id, kind, topic, story, item, reason, severity, score, sources, at,
                payload, silenced_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            sequence as i64,
            id,
            draft.kind.as_str(),
            draft.matched.topic.as_str(),
            draft.story.id.to_i64(),
            draft.item.to_i64(),
            draft.reason.as_str(),
            draft.matched.severity.as_str(),
            draft.matched.score.hundredths(),
            draft.story.sources.len() as i64,
            draft.at.millis(),
            payload,
            alert.silenced_by,
        ])?;
    if written == 0 {
        return Ok(());
    }
    let story = Some((draft.matched.topic.as_str(), draft.story.id.to_i64()));
    let row = Row { decided: alert.sequence, sequence, id: &id, payload: &payload, story };
    alert.endpoints.iter().try_for_each(|to| write_delivery(tx, row, to, now))
}

/// The same for an alert about a source.
pub(super) fn write_source_alert(tx: &Transaction<'_>, alert: &SourceAlert, now: Timestamp) -> rusqlite::Result<()> {
    let sequence = outbox::next_sequence(tx)?;
    let mut payload = alert.payload.clone();
    renumber(&mut payload, alert.sequence, sequence);
    let id = alert.id.to_string();
    let written = tx
        .prepare_cached(
            "INSERT OR IGNORE INTO alerts (sequence, id, kind, source, reason, severity, score, sources, at, payload)
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
    let row = Row { decided: alert.sequence, sequence, id: &id, payload: &payload, story: None };
    alert.endpoints.iter().try_for_each(|to| write_delivery(tx, row, to, now))
}

/// The alert as stored.
#[derive(Clone, Copy)]
struct Row<'a> {
    /// Its number as decided, and as given.
    decided: u64,
    sequence: u64,
    id: &'a str,
    payload: &'a [u8],
    /// Topic and story, if it belongs to any.
    story: Option<(&'a str, i64)>,
}

fn write_delivery(tx: &Transaction<'_>, row: Row<'_>, to: &Outgoing, now: Timestamp) -> rusqlite::Result<()> {
    let (topic, waiting) = match (&to.as_first, row.story) {
        (Some(_), Some((topic, story))) => (topic, outbox::waiting_for_story(tx, &to.endpoint, story)?),
        _ => ("", Vec::new()),
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
    let earlier: Vec<&Waiting> = waiting.iter().filter(|waiting| waiting.topic == topic).collect();
    if earlier.is_empty() {
        return delivery.insert(tx, &to.format, row.payload, None).map(|_| ());
    }
    // Its receiver has not heard of the story yet: the newest state is the first it hears.
    let mut own = to.as_first.clone().unwrap_or_default();
    renumber(&mut own, row.decided, row.sequence);
    let into = delivery.insert(tx, &to.format, row.payload, Some(&own))?;
    earlier.iter().try_for_each(|waiting| outbox::fold_into(tx, waiting.id, into, now))
}
