//! Alerts and their outbox rows, written in the transaction of what gave rise to them: an alert about an
//! item or about a source, once, and one row per endpoint with the exact bytes it gets or what it waits for.

use super::engine::{self, OptionalExtension, Transaction, params};
use super::membership::IN_STORY;
use super::outbox::{self, DeliveryId, NewDelivery};
use super::told::{last_alert, note_alert, write_told};
use crate::failpoint::Planted;
use crate::model::{AlertKind, ItemId, StoryId, Timestamp};
use crate::pipeline::alert::format::Format;
use crate::pipeline::alert::source::SourceAlert;
use crate::pipeline::alert::{
    AlertData, AlertPayload, EndpointAlert, HeadlineView, Held, Hold, PreviousView, renumber,
};
use crate::pipeline::{Decision, RaisedAlert, TellDecision};

/// Headlines of other outlets in an alert that tells of growth.
const HEADLINES_MAX: usize = 2;

/// A delivery that is due at once, and how it is written.
pub(super) type DueRow = (DeliveryId, Format);

/// Writes what a decision gives rise to, and how those that hear of it stand with the story.
pub(super) fn write_decided(
    tx: &Transaction<'_>,
    decision: &Decision,
    now: Timestamp,
    due: &mut Vec<DueRow>,
) -> engine::Result<()> {
    let Some(story) = decision.story() else { return Ok(()) };
    write_told(tx, story, &decision.told)?;
    for alert in &decision.refreshed {
        for to in &alert.endpoints {
            if let Some(last) = last_alert(tx, story, &to.endpoint)? {
                outbox::fold_alert(tx, to, last, &alert.payload, now)?;
            }
        }
    }
    decision.alerts.iter().try_for_each(|alert| write_alert(tx, alert, story, now, due))
}

/// The same for a report that people asked to be told.
pub(super) fn write_telling(
    tx: &Transaction<'_>,
    telling: &TellDecision,
    story: StoryId,
    now: Timestamp,
) -> engine::Result<()> {
    let mut due = Vec::new();
    write_told(tx, story, &telling.told)?;
    telling.alerts.iter().try_for_each(|alert| write_alert(tx, alert, story, now, &mut due))?;
    due.iter().try_for_each(|(row, format)| outbox::write_now(tx, *row, format, now))
}

/// Writes an alert. One whose id is there already was raised before: after a restore, say. It is not
/// sent again.
fn write_alert(
    tx: &Transaction<'_>,
    alert: &RaisedAlert,
    story: StoryId,
    now: Timestamp,
    due: &mut Vec<DueRow>,
) -> engine::Result<()> {
    let mut payload = alert.payload.clone();
    add_headlines(tx, &mut payload, story, alert.draft.item)?;
    let mut owed: Vec<(&EndpointAlert, Option<i64>)> = Vec::with_capacity(alert.endpoints.len());
    for to in &alert.endpoints {
        let last = last_alert(tx, story, &to.endpoint)?;
        let folded = match last.filter(|_| to.folds) {
            Some(last) => outbox::fold_alert(tx, to, last, &payload, now)?,
            None => false,
        };
        if !folded {
            owed.push((to, last.filter(|_| alert.draft.kind != AlertKind::Matched)));
        }
    }
    if owed.is_empty() && !alert.endpoints.is_empty() {
        return Ok(());
    }
    let sequence = outbox::next_sequence(tx)?;
    payload.data.alert.sequence = sequence;
    if Planted::RandomIds.is_in() {
        payload.data.alert.id = format!("alr_{}", super::open::random_name());
    }
    payload.data.previous = previous(tx, owed.first().and_then(|(_, last)| *last))?;
    if !insert_alert(tx, alert, &payload)? {
        return Ok(());
    }
    for (to, last) in owed {
        let own = AlertPayload {
            data: AlertData { previous: previous(tx, last)?, ..payload.data.clone() },
            ..payload.clone()
        };
        let own = (own != payload).then(|| own.to_bytes());
        let owing = Owing { sequence, id: &payload.data.alert.id, story, own: own.as_deref() };
        due.extend(owe(tx, &owing, to, now)?);
        note_alert(tx, story, &to.endpoint, sequence)?;
    }
    Ok(())
}

/// Whether it is new.
fn insert_alert(tx: &Transaction<'_>, alert: &RaisedAlert, payload: &AlertPayload) -> engine::Result<bool> {
    let draft = &alert.draft;
    let (id, sequence) = (&payload.data.alert.id, payload.data.alert.sequence.cast_signed());
    let score = draft.topics.iter().map(|topic| topic.matched.score.hundredths()).max().unwrap_or(0);
    let written = tx
        .prepare_cached(
            "INSERT INTO alerts (sequence, id, kind, story, item, reason, severity, score, outlets, at,
                payload, silenced_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            sequence,
            id,
            draft.kind.as_str(),
            draft.story.id.to_i64(),
            draft.item.to_i64(),
            draft.reason.as_str(),
            draft.severity.as_str(),
            score,
            draft.story.outlets.len() as i64,
            draft.at.millis(),
            payload.to_bytes(),
            alert.silenced_by,
        ])?;
    for topic in draft.topics.iter().filter(|_| written > 0) {
        tx.prepare_cached(
            "INSERT INTO alert_topics (alert, topic, score, severity, is_new) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .defer(params![
            sequence,
            topic.matched.topic.as_str(),
            topic.matched.score.hundredths(),
            topic.matched.severity.as_str(),
            topic.new,
        ])?;
    }
    Ok(written > 0)
}

/// How a payload names an alert by its number.
fn previous(tx: &Transaction<'_>, alert: Option<i64>) -> engine::Result<Option<PreviousView>> {
    let Some(alert) = alert else { return Ok(None) };
    tx.prepare_cached("SELECT id FROM alerts WHERE sequence = ?1")?
        .query_row([alert], |row| Ok(PreviousView { alert: row.get(0)?, sequence: alert.cast_unsigned() }))
        .optional()
}

/// How outlets that took a story up put it, where an alert tells of its growth.
fn add_headlines(tx: &Transaction<'_>, payload: &mut AlertPayload, story: StoryId, item: ItemId) -> engine::Result<()> {
    let Some(growth) = &mut payload.data.growth else { return Ok(()) };
    let outlets = serde_json::to_string(&growth.outlets).expect("invariant: strings are JSON");
    let mut statement = tx.prepare_cached(&format!(
        "SELECT outlet, title, url FROM (
             SELECT i.seq, i.outlet, i.headline AS title, i.url FROM items i WHERE {IN_STORY} AND i.id <> ?2
             UNION ALL
             SELECT s.seq, s.outlet, s.title, s.url FROM sightings s JOIN items i ON i.id = s.item
             WHERE {IN_STORY} AND s.id <> ?2 AND s.title <> '') AS carried
         WHERE outlet IN (SELECT value FROM json_each(?3)) ORDER BY seq DESC LIMIT 100"
    ))?;
    let mut rows = statement.query(params![story.to_i64(), item.to_i64(), outlets])?;
    while let Some(row) = rows.next()?.filter(|_| growth.headlines.len() < HEADLINES_MAX) {
        let headline = HeadlineView { outlet: row.get(0)?, title: row.get(1)?, url: row.get(2)? };
        let said = |other: &HeadlineView| other.outlet == headline.outlet || other.title == headline.title;
        if headline.title != payload.data.item.title && !growth.headlines.iter().any(said) {
            growth.headlines.push(headline);
        }
    }
    Ok(())
}

/// The same for an alert about a source.
pub(super) fn write_source_alert(tx: &Transaction<'_>, alert: &SourceAlert, now: Timestamp) -> engine::Result<()> {
    let sequence = outbox::next_sequence(tx)?;
    let mut payload = alert.payload.clone();
    renumber(&mut payload, alert.sequence, sequence);
    let id = alert.id.to_string();
    let written = tx
        .prepare_cached(
            "INSERT INTO alerts (sequence, id, kind, source, reason, severity, score, outlets, at, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 1, ?7, ?8)
             ON CONFLICT DO NOTHING",
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
    alert.endpoints.iter().try_for_each(|to| {
        let row = new_delivery(tx, (sequence, &id, None), to, now)?;
        row.insert(tx, &to.format, &payload).map(|_| ())
    })
}

/// An alert that is owed to an endpoint.
struct Owing<'a> {
    sequence: u64,
    id: &'a str,
    story: StoryId,
    /// What this endpoint gets, where that is not what the others do.
    own: Option<&'a [u8]>,
}

/// Owes an alert of a story. It is written when it is sent, or with the end of this transaction where that is
/// now: what comes meanwhile goes up in it.
fn owe(tx: &Transaction<'_>, owing: &Owing<'_>, to: &EndpointAlert, now: Timestamp) -> engine::Result<Option<DueRow>> {
    let row = new_delivery(tx, (owing.sequence, owing.id, Some(owing.story)), to, now)?;
    let at_once = row.hold.is_none() && outbox::is_idle(tx, &to.endpoint, owing.story.to_i64(), now)?;
    let id = row.insert_unwritten(tx, owing.own)?;
    Ok(at_once.then(|| (id, to.format.clone())))
}

fn new_delivery<'a>(
    tx: &Transaction<'_>,
    (alert, webhook_id, story): (u64, &'a str, Option<StoryId>),
    to: &'a EndpointAlert,
    now: Timestamp,
) -> engine::Result<NewDelivery<'a>> {
    let held = match (to.held, to.rate) {
        (Some(held), _) => Some(held),
        (None, Some(rate)) => {
            outbox::over_rate(tx, &to.endpoint, rate, now)?.map(|until| Held { hold: Hold::Rate, until })
        }
        (None, None) => None,
    };
    Ok(NewDelivery {
        alert,
        webhook_id,
        endpoint: &to.endpoint,
        story: story.map(StoryId::to_i64),
        hold: held.map(|held| held.hold.as_str()),
        due_at: held.map_or(now, |held| held.until),
        now,
        counted: true,
    })
}
