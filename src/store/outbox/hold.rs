//! Deliveries that wait, and how they are let go: one by one, as one digest, or as one line that names
//! how many there were. Each step is one transaction, so a kill in the middle neither repeats nor drops.
//! What is due while it is quiet waits on, by the rules of now. Rows that went up in another stay listed as
//! `folded`, and a replay sends them by themselves.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::raise::raise;
use super::{DeliveryId, endpoint, optional_time};
use crate::model::{AlertId, AlertKind, EndpointId, Severity, Timestamp};
use crate::pipeline::alert::format::Format;
use crate::pipeline::alert::{Content, ENTRIES_MAX, Entry, Hold, ListedStories, Notice, Rate, Timing};
use crate::store::engine::{self, Connection, OptionalExtension, params};
use crate::text::counted;

/// Rows let go in one transaction; what is beyond goes into the next digest at once.
const RELEASE_ROWS_MAX: usize = 10_000;

/// Whose waiting rows to let go.
#[derive(Debug, Clone, Copy)]
pub struct Release<'a> {
    /// Whose.
    pub endpoint: &'a EndpointId,
    /// How its bodies are made.
    pub format: &'a Format,
    /// When it wants to hear.
    pub timing: &'a Timing,
    /// Part of every alert id.
    pub instance: &'a str,
    /// Rows that waited until then.
    pub now: Timestamp,
}

struct Waiting {
    id: DeliveryId,
    hold: Hold,
    alert: i64,
    /// Or what it is about, where it has none.
    topic: String,
    story: Option<i64>,
    severity: Severity,
}

/// Lets go what has waited long enough. Says how many rows waited.
///
/// # Errors
/// Those of SQLite.
pub fn release(connection: &Connection, what: &Release<'_>) -> engine::Result<usize> {
    let (waiting, quiet) = match what.timing.quiet_until(what.now) {
        None => (due(connection, what)?, None),
        Some(until) => {
            let urgent = |row: &Waiting| what.timing.is_urgent(row.severity);
            let (urgent, others): (Vec<_>, Vec<_>) = due(connection, what)?.into_iter().partition(urgent);
            (urgent, Some((until, others)))
        }
    };
    let mut rows = waiting.len();
    if let Some((until, others)) = quiet {
        rows += others.len();
        others.iter().try_for_each(|row| wait_on(connection, row, until))?;
    }
    for hold in Hold::ALL {
        let rows: Vec<&Waiting> = waiting.iter().filter(|row| row.hold == hold).collect();
        match (hold, rows.as_slice()) {
            (_, []) => {}
            (Hold::Group, rows) => rows.iter().try_for_each(|row| let_go_at_rate(connection, what, row))?,
            (Hold::Quiet | Hold::Digest, [one]) => let_go(connection, one.id)?,
            // What is beyond is due still, and goes into another one at once.
            (Hold::Quiet | Hold::Digest, rows) => {
                let (rows, beyond) = nameable(rows);
                fold(connection, what, &digest(connection, what, hold, &rows, beyond.len())?, &rows)?;
            }
            (Hold::Rate, rows) => release_held_back(connection, what, rows)?,
        }
    }
    Ok(rows)
}

/// The window is over. Where the next one has room for all that was held back, each is told by itself, as its story
/// stands now; otherwise one line names the stories, and what it has no room for waits for the next.
fn release_held_back(connection: &Connection, what: &Release<'_>, rows: &[&Waiting]) -> engine::Result<()> {
    if what.timing.rate.is_none_or(|rate| rows.len() <= rate.alerts as usize) {
        return rows.iter().try_for_each(|row| let_go_at_rate(connection, what, row));
    }
    let (named, beyond) = nameable(rows);
    fold(connection, what, &suppressed(connection, what, &named, beyond.len())?, &named)?;
    let until = what.now.plus(what.timing.rate.map_or(Duration::ZERO, |rate| rate.per));
    beyond.iter().try_for_each(|row| wait_on(connection, row, until))
}

/// The rows of as many stories as one list names, the most severe and the newest of them, and the other rows.
fn nameable<'a>(rows: &[&'a Waiting]) -> (Vec<&'a Waiting>, Vec<&'a Waiting>) {
    let mut stories: HashMap<i64, (Severity, i64)> = HashMap::new();
    for row in rows {
        let known = stories.entry(row.story_key()).or_insert((row.severity, row.alert));
        *known = (known.0.max(row.severity), known.1.max(row.alert));
    }
    let mut first: Vec<(i64, (Severity, i64))> = stories.into_iter().collect();
    first.sort_by_key(|(_, rank)| std::cmp::Reverse(*rank));
    let named: HashSet<i64> = first.iter().take(ENTRIES_MAX).map(|(story, _)| *story).collect();
    rows.iter().partition(|row| named.contains(&row.story_key()))
}

impl Waiting {
    /// What is about no story stands by itself.
    fn story_key(&self) -> i64 {
        self.story.map_or(!self.alert, |story| story)
    }
}

/// It is quiet: what waited for its story waits for the end of that, with everything else.
fn wait_on(connection: &Connection, row: &Waiting, until: Timestamp) -> engine::Result<()> {
    let hold = if row.hold == Hold::Group { Hold::Quiet } else { row.hold };
    connection
        .prepare_cached("UPDATE deliveries SET hold = ?2, due_at = ?3 WHERE id = ?1")?
        .execute(params![row.id.0, hold.as_str(), until.millis()])
        .map(|_| ())
}

/// What waited for its story counts against the rate when it goes.
fn let_go_at_rate(connection: &Connection, what: &Release<'_>, row: &Waiting) -> engine::Result<()> {
    let rate = what.timing.rate.filter(|_| !what.timing.is_urgent(row.severity));
    let over = rate.map_or(Ok(None), |rate| over_rate(connection, what.endpoint, rate, what.now))?;
    let Some(until) = over else { return let_go(connection, row.id) };
    connection
        .prepare_cached("UPDATE deliveries SET hold = ?2, due_at = ?3 WHERE id = ?1")?
        .execute(params![row.id.0, Hold::Rate.as_str(), until.millis()])
        .map(|_| ())
}

/// What waits for more of its story waits no longer: none comes any more. Says how many.
///
/// # Errors
/// Those of SQLite.
pub fn end_group_waits(connection: &Connection, endpoint: &EndpointId, now: Timestamp) -> engine::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE deliveries SET due_at = ?2
             WHERE endpoint = ?3 AND state = 'pending' AND hold IS NOT NULL AND hold = ?1 AND due_at > ?2",
        )?
        .execute(params![Hold::Group.as_str(), now.millis(), endpoint.as_str()])
}

/// Whether anything has waited long enough.
pub(super) fn any_due(connection: &Connection, endpoint: &EndpointId, now: Timestamp) -> engine::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM deliveries INDEXED BY deliveries_held
             WHERE endpoint = ?1 AND state = 'pending' AND hold IS NOT NULL AND due_at <= ?2 LIMIT 1",
        )?
        .exists(params![endpoint.as_str(), now.millis()])
}

/// Notes that a row went up in another.
pub(in crate::store) fn fold_into(
    connection: &Connection,
    row: DeliveryId,
    into: DeliveryId,
    now: Timestamp,
) -> engine::Result<()> {
    connection
        .prepare_cached(
            "UPDATE deliveries SET state = 'folded', hold = NULL, settled_at = ?3, folded_into = ?2 WHERE id = ?1",
        )?
        .execute(params![row.0, into.0, now.millis()])
        .map(|_| ())
}

/// Counts an alert against a rate; `Some` is the end of the window it does not fit in any more.
pub(in crate::store) fn over_rate(
    connection: &Connection,
    endpoint: &EndpointId,
    rate: Rate,
    now: Timestamp,
) -> engine::Result<Option<Timestamp>> {
    let known: Option<(Option<i64>, i64)> = connection
        .prepare_cached("SELECT rate_from, rate_count FROM endpoints WHERE endpoint = ?1")?
        .query_row([endpoint.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let window = known.and_then(|(from, count)| optional_time(from).map(|from| (from, count)));
    let (from, count) = match window {
        Some((from, count)) if now.since(from) < rate.per => (from, count),
        _ => (now, 0),
    };
    if count >= i64::from(rate.alerts) {
        return Ok(Some(from.plus(rate.per)));
    }
    connection
        .prepare_cached(
            "INSERT INTO endpoints (endpoint, throttled, rate_from, rate_count) VALUES (?1, 0, ?2, ?3)
             ON CONFLICT (endpoint) DO UPDATE SET rate_from = ?2, rate_count = ?3",
        )?
        .execute(params![endpoint.as_str(), from.millis(), count + 1])?;
    Ok(None)
}

fn due(connection: &Connection, what: &Release<'_>) -> engine::Result<Vec<Waiting>> {
    connection
        .prepare_cached(
            "SELECT d.id, d.hold, d.alert,
                coalesce((SELECT topic FROM alert_topics t WHERE t.alert = a.sequence ORDER BY score DESC, topic LIMIT 1), a.kind),
                a.severity, a.story
             FROM deliveries d INDEXED BY deliveries_held JOIN alerts a ON a.sequence = d.alert
             WHERE d.endpoint = ?1 AND d.state = 'pending' AND d.hold IS NOT NULL AND d.due_at <= ?2
             ORDER BY d.due_at, d.id LIMIT ?3",
        )?
        .query_map(params![what.endpoint.as_str(), what.now.millis(), RELEASE_ROWS_MAX as i64], |row| {
            let (hold, severity): (String, String) = (row.get(1)?, row.get(4)?);
            Ok(Waiting {
                id: DeliveryId(row.get(0)?),
                // A name from a newer version waits for nothing known: it is let go.
                hold: Hold::from_name(&hold).unwrap_or(Hold::Group),
                alert: row.get(2)?,
                topic: row.get(3)?,
                story: row.get(5)?,
                severity: Severity::ALL.into_iter().find(|s| s.as_str() == severity).unwrap_or(Severity::Medium),
            })
        })?
        .collect()
}

fn let_go(connection: &Connection, row: DeliveryId) -> engine::Result<()> {
    connection.prepare_cached("UPDATE deliveries SET hold = NULL WHERE id = ?1")?.execute([row.0]).map(|_| ())
}

fn fold(connection: &Connection, what: &Release<'_>, notice: &Notice, rows: &[&Waiting]) -> engine::Result<()> {
    if notice.kind == AlertKind::Digest
        && let Err(failure) = what.format.render(&notice.payload(0))
    {
        // No digest can be made of them, but each of them was written when it was raised.
        endpoint::note_unwritten(connection, what.endpoint, &failure.to_string())?;
        return rows.iter().try_for_each(|row| let_go(connection, row.id));
    }
    let to = [(what.endpoint.clone(), what.format.clone())];
    let raised = raise(connection, notice, &to, what.now)?;
    // Raised before, which only a damaged store could bring about: the rows go out by themselves.
    let Some(&into) = raised.first() else { return rows.iter().try_for_each(|row| let_go(connection, row.id)) };
    rows.iter().try_for_each(|row| fold_into(connection, row.id, into, what.now))
}

fn notice_id(what: &Release<'_>, hold: Hold, rows: &[&Waiting]) -> AlertId {
    let ends = [rows.first(), rows.last()].map(|row| row.map_or(0, |row| row.alert).to_le_bytes());
    AlertId::derive(&[
        what.instance.as_bytes(),
        hold.as_str().as_bytes(),
        what.endpoint.as_str().as_bytes(),
        &ends[0],
        &ends[1],
    ])
}

/// The stories of waiting alerts, each once with what was raised of it last; so many alerts are beyond that.
fn stories(connection: &Connection, rows: &[&Waiting], beyond: usize) -> engine::Result<ListedStories> {
    let mut newest: HashMap<i64, &Waiting> = HashMap::new();
    for row in rows {
        let known = newest.entry(row.story_key()).or_insert(row);
        *known = if row.alert > known.alert { row } else { known };
    }
    let mut listed: Vec<&Waiting> = newest.into_values().collect();
    listed.sort_by_key(|row| row.alert);
    // What is not written yet says of itself how its story stands; what is has the words of its format.
    let mut payload = connection.prepare_cached(
        "SELECT CASE WHEN d.content_type = '' THEN coalesce(d.body, a.payload) ELSE a.payload END
         FROM deliveries d JOIN alerts a ON a.sequence = d.alert WHERE d.id = ?1",
    )?;
    let mut entries = Vec::with_capacity(listed.len());
    for row in listed {
        let bytes: Vec<u8> = payload.query_row([row.id.0], |found| found.get(0))?;
        entries.extend(Entry::of(&bytes));
    }
    Ok(ListedStories { entries, omitted: beyond as u64 })
}

/// `2 stories`, or `2 stories in 5 alerts`
fn counted_stories(rows: &[&Waiting]) -> String {
    let stories: HashSet<i64> = rows.iter().map(|row| row.story_key()).collect();
    let what = if rows.iter().all(|row| row.story.is_some()) { "story" } else { "message" };
    let counted_stories = counted(stories.len() as u64, what);
    if rows.len() == stories.len() {
        return counted_stories;
    }
    format!("{counted_stories} in {}", counted(rows.len() as u64, "alert"))
}

fn digest(
    connection: &Connection,
    what: &Release<'_>,
    hold: Hold,
    rows: &[&Waiting],
    beyond: usize,
) -> engine::Result<Notice> {
    let after = if hold == Hold::Quiet { "from the quiet hours" } else { "since the last digest" };
    Ok(Notice {
        id: notice_id(what, hold, rows),
        kind: AlertKind::Digest,
        reason: hold.as_str(),
        severity: rows.iter().map(|row| row.severity).max().unwrap_or(Severity::Medium),
        at: what.now,
        summary: format!("{} {after}", counted_stories(rows)),
        content: Content::Digest { alerts: rows.len() as u64, stories: stories(connection, rows, beyond)? },
    })
}

fn suppressed(connection: &Connection, what: &Release<'_>, rows: &[&Waiting], beyond: usize) -> engine::Result<Notice> {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for row in rows {
        *counts.entry(&row.topic).or_default() += 1;
    }
    let mut topics: Vec<(String, u64)> = counts.into_iter().map(|(topic, count)| (topic.to_owned(), count)).collect();
    topics.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(Notice {
        id: notice_id(what, Hold::Rate, rows),
        kind: AlertKind::Suppressed,
        reason: Hold::Rate.as_str(),
        severity: rows.iter().map(|row| row.severity).max().unwrap_or(Severity::Medium),
        at: what.now,
        summary: format!("{} held back: more than the endpoint's rate", counted_stories(rows)),
        content: Content::Suppressed { alerts: rows.len() as u64, stories: stories(connection, rows, beyond)?, topics },
    })
}

#[cfg(test)]
#[path = "hold_tests.rs"]
mod tests;
