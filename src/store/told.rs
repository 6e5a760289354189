//! What each endpoint was told of each story, as the decision left it, and which alert it had last: that one
//! takes in what comes while it is not sent, and is what a later one follows.

use super::engine::{self, Connection, OptionalExtension, Row, params};
use super::outbox;
use crate::failpoint::Planted;
use crate::model::{EndpointId, Outlet, Severity, StoryId, Timestamp, TopicId};
use crate::pipeline::{Listener, Told};

/// How a listener stands with a story.
pub(super) struct Standing {
    pub listener: Listener,
    pub told: Told,
    /// The number of the alert it had last; `None`: nobody in particular.
    pub alert: Option<i64>,
}

/// Writes how those that heard something stand; which alert that was is noted when it is written.
pub(super) fn write_told(c: &Connection, story: StoryId, told: &[(Listener, Told)]) -> engine::Result<()> {
    told.iter().try_for_each(|(listener, told)| {
        let elsewhere = EndpointId::new("elsewhere").ok().filter(|_| Planted::ToldElsewhere.is_in());
        let elsewhere = elsewhere.filter(|_| *listener != Listener::Record).map(Listener::Endpoint);
        write(c, story.to_i64(), elsewhere.as_ref().unwrap_or(listener), told, None)
    })
}

/// Notes the alert that an endpoint had last of a story.
pub(super) fn note_alert(c: &Connection, story: StoryId, endpoint: &EndpointId, alert: u64) -> engine::Result<()> {
    c.prepare_cached("UPDATE story_told SET alert = ?3 WHERE story = ?1 AND endpoint = ?2")?.defer(params![
        story.to_i64(),
        endpoint.as_str(),
        alert.cast_signed()
    ])
}

/// The alert that an endpoint had last of a story.
pub(super) fn last_alert(c: &Connection, story: StoryId, endpoint: &EndpointId) -> engine::Result<Option<i64>> {
    c.prepare_cached("SELECT alert FROM story_told WHERE story = ?1 AND endpoint = ?2")?
        .query_row(params![story.to_i64(), endpoint.as_str()], |row| row.get(0))
        .optional()
        .map(Option::flatten)
}

/// Two stories turned out to be one: what was told of either was told of both, and of two alerts that were
/// not sent yet one goes out.
pub(super) fn merge_told(c: &Connection, from: i64, into: i64, now: Timestamp) -> engine::Result<()> {
    for theirs in standings(c, from)? {
        let ours = standings(c, into)?.into_iter().find(|ours| ours.listener == theirs.listener);
        let (told, alert) = match ours {
            None => (theirs.told, theirs.alert),
            Some(ours) => {
                let alert = joined_alert(c, &ours, &theirs, now)?;
                (ours.told.absorb(theirs.told), alert)
            }
        };
        write(c, into, &theirs.listener, &told, alert)?;
    }
    c.prepare_cached("DELETE FROM story_told WHERE story = ?1")?.execute([from]).map(|_| ())
}

/// Which of two alerts an endpoint had last, now that they are about one story.
fn joined_alert(c: &Connection, ours: &Standing, theirs: &Standing, now: Timestamp) -> engine::Result<Option<i64>> {
    let (Listener::Endpoint(endpoint), Some(our), Some(their)) = (&ours.listener, ours.alert, theirs.alert) else {
        return Ok(ours.alert.or(theirs.alert));
    };
    let unsent = |alert: i64| outbox::unsent(c, endpoint, alert);
    let (first, second) = (our.min(their), our.max(their));
    match (unsent(our)?, unsent(their)?) {
        (None, None) => Ok(Some(second)),
        (Some(_), Some(_)) => {
            outbox::fold_row(c, endpoint, second, first, now)?;
            Ok(Some(first))
        }
        (waiting, _) => {
            let (waiting, sent) = if waiting.is_some() { (ours, theirs) } else { (theirs, ours) };
            let news = waiting.told.topics.iter().any(|topic| !sent.told.has(topic))
                || waiting.told.severity > sent.told.severity;
            let (Some(late), Some(had)) = (waiting.alert, sent.alert) else { return Ok(Some(second)) };
            outbox::follow(c, endpoint, late, had, news.then_some(&sent.told), now)?;
            Ok(Some(if news { late } else { had }))
        }
    }
}

/// Part of a story is a story of its own: what was told of the whole was told of both.
pub(super) fn split_told(c: &Connection, story: i64, into: i64) -> engine::Result<()> {
    let topics: Vec<String> = c
        .prepare_cached("SELECT topic FROM story_topics WHERE story = ?1")?
        .query_map([into], |row| row.get(0))?
        .collect::<engine::Result<_>>()?;
    for Standing { listener, mut told, alert } in standings(c, story)? {
        told.topics.retain(|topic| topics.iter().any(|of_it| of_it == topic.as_str()));
        if !told.topics.is_empty() {
            write(c, into, &listener, &told, alert)?;
        }
    }
    Ok(())
}

/// The listener and what it was told, from the columns of `story_told` after the first `skip`.
pub(super) fn listener_and_told(row: &Row<'_>, skip: usize) -> engine::Result<Option<(Listener, Told)>> {
    let Some(listener) = Listener::from_name(&row.get::<_, String>(skip)?) else { return Ok(None) };
    let names = |column: usize| -> engine::Result<Vec<String>> {
        Ok(serde_json::from_str(&row.get::<_, String>(column)?).unwrap_or_default())
    };
    let severity: String = row.get(skip + 2)?;
    let told = Told {
        topics: names(skip + 1)?.iter().filter_map(|name| TopicId::new(name).ok()).collect(),
        severity: Severity::ALL.into_iter().find(|s| s.as_str() == severity).unwrap_or(Severity::Medium),
        outlets: names(skip + 3)?.iter().map(|name| Outlet::from_stored(name)).collect(),
        at: Timestamp::from_millis(row.get(skip + 4)?),
        developed_at: row.get::<_, Option<i64>>(skip + 5)?.map(Timestamp::from_millis),
        facts: row.get::<_, Vec<u8>>(skip + 6)?.chunks_exact(8).map(key).collect(),
    };
    Ok(Some((listener, told)))
}

fn key(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("invariant: eight bytes"))
}

/// How everybody stands with a story.
pub(super) fn standings(c: &Connection, story: i64) -> engine::Result<Vec<Standing>> {
    let mut statement = c.prepare_cached(
        "SELECT endpoint, topics, severity, outlets, at, developed_at, facts, alert FROM story_told
         WHERE story = ?1 ORDER BY endpoint",
    )?;
    let mut rows = statement.query([story])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some((listener, told)) = listener_and_told(&row, 0)? {
            found.push(Standing { listener, told, alert: row.get(7)? });
        }
    }
    Ok(found)
}

fn write(c: &Connection, story: i64, listener: &Listener, told: &Told, alert: Option<i64>) -> engine::Result<()> {
    let list = |names: Vec<&str>| serde_json::to_string(&names).expect("invariant: strings are JSON");
    c.prepare_cached(
        "INSERT INTO story_told (story, endpoint, topics, severity, outlets, at, developed_at, facts, alert)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (story, endpoint) DO UPDATE SET topics = excluded.topics, severity = excluded.severity,
            outlets = excluded.outlets, at = excluded.at, developed_at = excluded.developed_at, facts = excluded.facts,
            alert = coalesce(excluded.alert, story_told.alert)",
    )?
    .defer(params![
        story,
        listener.as_str(),
        list(told.topics.iter().map(TopicId::as_str).collect()),
        told.severity.as_str(),
        list(told.outlets.iter().map(Outlet::as_str).collect()),
        told.at.millis(),
        told.developed_at.map(Timestamp::millis),
        told.facts.iter().flat_map(|fact| fact.to_le_bytes()).collect::<Vec<u8>>(),
        alert,
    ])
}

#[cfg(test)]
#[path = "told_tests.rs"]
mod tests;
