//! Who was told of a story, and reports that people asked to be told: what the decision needs of each, and what came of
//! it, written with the alert in one transaction. Who asks and who waits for the answer is `corrections`.

use super::alerts::write_telling;
use super::corrections::{TellOutcome, UntoldEndpoint, finish, resolve, tellable, waiting};
use super::engine::{self, Connection, OptionalExtension, params};
use super::items::{stored_item, stored_match};
use super::membership::IN_STORY;
use super::recall::recall_stories;
use super::told::{Standing, standings};
use super::{CorrectionRecord, Store, StoreError};
use crate::model::{EndpointId, ItemId, StoryId, Timestamp};
use crate::pipeline::features::Features;
use crate::pipeline::{Ledger, Listener, Prepared, TellDecision, TellRequest};

/// What the numbers of a story's own items and their copies are found by.
fn of_story() -> String {
    format!(
        "SELECT i.id FROM items i WHERE {IN_STORY}
         UNION SELECT s.id FROM sightings s JOIN items i ON i.id = s.item WHERE {IN_STORY}"
    )
}

/// What an endpoint was told of a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryHearing {
    /// Which.
    pub endpoint: String,
    /// The topics.
    pub topics: Vec<String>,
    /// The number of the alert it had last.
    pub alert: Option<u64>,
}

/// A report that people asked to be told.
#[derive(Debug)]
pub struct AskedTell {
    /// Who asked, and when.
    pub asked: CorrectionRecord,
    /// What the decision needs, or why it cannot be told.
    pub request: Result<TellRequest, String>,
}

impl Store {
    /// What each endpoint was told of a story.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn heard_of(&self, story: StoryId) -> Result<Vec<StoryHearing>, StoreError> {
        self.read("read who was told of a story", |c| {
            let standings = standings(c, resolve(c, story.to_i64())?)?.into_iter();
            let endpoints = standings.filter(|standing| standing.listener != Listener::Record);
            let hearing = |Standing { listener, told, alert }: Standing| StoryHearing {
                endpoint: listener.as_str().to_owned(),
                topics: told.topics.iter().map(|topic| topic.as_str().to_owned()).collect(),
                alert: alert.map(i64::cast_unsigned),
            };
            Ok(endpoints.map(hearing).collect())
        })
    }

    /// The oldest report that waits to be told, or why it cannot be.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn next_tell(&self) -> Result<Option<AskedTell>, StoreError> {
        self.read("look for reports to tell", |c| {
            let Some(asked) = waiting(c, "verb = 'tell'", 1)?.pop() else { return Ok(None) };
            let request = request(c, &asked)?;
            Ok(Some(AskedTell { asked, request }))
        })
    }

    /// Brings a story into a ledger that does not know it.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn recall_story(&self, story: StoryId, ledger: &mut Ledger) -> Result<(), StoreError> {
        self.read("recall a story", |c| recall_stories(c, ledger, "s.id = ?1", story.to_i64()))
    }

    /// Writes what came of it, with its alerts. Where nobody hears of it, it was refused, and that says why.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written then, and the same call may be made again.
    pub fn settle_tell(
        &self,
        asked: &CorrectionRecord,
        answer: Result<(&TellRequest, &TellDecision), &str>,
        now: Timestamp,
    ) -> Result<CorrectionRecord, StoreError> {
        self.write("tell a report", |tx| {
            let mut done = CorrectionRecord { done_at: Some(now), ..asked.clone() };
            match answer {
                Err(why) => done.refused = Some(why.to_owned()),
                Ok((request, telling)) => {
                    let outcome = outcome(telling);
                    done.story = request.story;
                    done.items = vec![request.prepared.item.id];
                    let items = serde_json::to_string(&[done.items[0].to_i64()]).expect("invariant: numbers are JSON");
                    tx.execute("UPDATE corrections SET items = ?2 WHERE id = ?1", params![asked.number, items])?;
                    done.refused = outcome.told.is_empty().then(|| refusal(&outcome));
                    if done.refused.is_none() {
                        write_telling(tx, telling, request.story, now)?;
                    }
                    done.outcome = Some(outcome);
                }
            }
            finish(tx, &done)?;
            Ok(done)
        })
    }
}

fn outcome(telling: &TellDecision) -> TellOutcome {
    let told = telling.alerts.iter().flat_map(|alert| &alert.endpoints);
    let untold = telling.untold.iter();
    TellOutcome {
        alerts: telling.alerts.iter().map(|alert| alert.draft.id.to_string()).collect(),
        told: told.map(|to| to.endpoint.as_str().to_owned()).collect(),
        untold: untold
            .map(|(endpoint, why)| UntoldEndpoint { endpoint: endpoint.as_str().to_owned(), why: why.to_string() })
            .collect(),
    }
}

fn refusal(outcome: &TellOutcome) -> String {
    if outcome.untold.is_empty() {
        return "no endpoint is configured, or all are disabled".to_owned();
    }
    let each: Vec<String> = outcome.untold.iter().map(|one| format!("{} ({})", one.endpoint, one.why)).collect();
    format!("no endpoint hears of it: {}", each.join(", "))
}

fn request(c: &Connection, asked: &CorrectionRecord) -> engine::Result<Result<TellRequest, String>> {
    let named = asked.items.first().copied();
    let (story, item) = match tellable(c, asked.story, named)? {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let Some(prepared) = prepared(c, item)? else { return Ok(Err(format!("{item} cannot be read from the store"))) };
    let had = heard(c, story, named)?;
    Ok(Ok(TellRequest { number: asked.number, prepared, story, whole_story: named.is_none(), had }))
}

/// The endpoints that have an alert raised by an item, or by any of a story; what was cancelled was not heard.
fn heard(c: &Connection, story: StoryId, item: Option<ItemId>) -> engine::Result<Vec<EndpointId>> {
    let (of, value) = match item {
        Some(item) => ("SELECT ?1".to_owned(), item.to_i64()),
        None => (of_story(), story.to_i64()),
    };
    let names: Vec<String> = c
        .prepare_cached(&format!(
            "SELECT DISTINCT d.endpoint FROM alerts a JOIN deliveries d ON d.alert = a.sequence
             WHERE a.item IN ({of}) AND d.state <> 'cancelled' ORDER BY d.endpoint"
        ))?
        .query_map([value], |row| row.get(0))?
        .collect::<engine::Result<_>>()?;
    Ok(names.iter().filter_map(|name| EndpointId::new(name).ok()).collect())
}

/// An item as it was decided on.
fn prepared(c: &Connection, id: ItemId) -> engine::Result<Option<Prepared>> {
    let found = c
        .prepare_cached("SELECT i.*, t.body FROM items i LEFT JOIN texts t ON t.seq = i.seq WHERE i.id = ?1")?
        .query_row([id.to_i64()], |row| Ok((stored_item(row)?, row.get::<_, Vec<u8>>("features")?)))
        .optional()?;
    let Some((item, features)) = found else { return Ok(None) };
    let matches = c
        .prepare_cached(
            "SELECT topic, score, threshold, severity, evidence FROM matches WHERE item = ?1 ORDER BY topic",
        )?
        .query_map([id.to_i64()], stored_match)?
        .filter_map(Result::transpose)
        .collect::<engine::Result<_>>()?;
    let features = Features::from_bytes(&features).unwrap_or_default();
    Ok(Some(Prepared { item, features, matches, headline_before: None, cut_bytes: 0, dropped_link_bytes: 0 }))
}
