//! What an endpoint was told of a story, and what of it still waits: the log that is looked at before an alert
//! goes out. Stories that went up in others count as those, whenever that happened.

use rusqlite::{Connection, OptionalExtension, params};

use super::DeliveryId;
use crate::model::{EndpointId, Timestamp};

/// Steps from a story to the one it went up in; a damaged store may have a circle.
const MERGES_MAX: usize = 64;

/// The story and every one that went up in it.
const SAME: &str = "WITH RECURSIVE same (id) AS
    (SELECT ?2 UNION SELECT s.id FROM stories s JOIN same ON s.merged_into = same.id)";

/// An alert that waits for its story to grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Waiting {
    pub id: DeliveryId,
    pub until: Timestamp,
}

/// What of a story waits at an endpoint for the story to grow, oldest first.
pub(in crate::store) fn waiting_for_story(
    connection: &Connection,
    endpoint: &EndpointId,
    story: i64,
) -> rusqlite::Result<Vec<Waiting>> {
    let story = resolve(connection, story)?;
    connection
        .prepare_cached(&format!(
            "{SAME} SELECT d.id, d.due_at
             FROM same CROSS JOIN alerts a ON a.story = same.id CROSS JOIN deliveries d ON d.alert = a.sequence
             WHERE d.endpoint = ?1 AND d.state = 'pending' AND d.hold = 'group' ORDER BY d.id"
        ))?
        .query_map(params![endpoint.as_str(), story], |row| {
            let until = Timestamp::from_millis(row.get(1)?);
            Ok(Waiting { id: DeliveryId(row.get(0)?), until })
        })?
        .collect()
}

/// A delivery that told an endpoint of a story, or is on its way to; by itself or in a digest.
pub(super) fn told_of_story(
    connection: &Connection,
    endpoint: &EndpointId,
    story: i64,
) -> rusqlite::Result<Option<DeliveryId>> {
    let story = resolve(connection, story)?;
    connection
        .prepare_cached(&format!(
            "{SAME} SELECT d.id
             FROM same CROSS JOIN alerts a ON a.story = same.id CROSS JOIN deliveries d ON d.alert = a.sequence
             LEFT JOIN deliveries t ON t.id = d.folded_into
             WHERE d.endpoint = ?1
               AND (d.state = 'delivered' OR d.state = 'pending' AND d.hold IS NULL OR t.state = 'delivered')
             ORDER BY d.id DESC LIMIT 1"
        ))?
        .query_row(params![endpoint.as_str(), story], |row| row.get(0).map(DeliveryId))
        .optional()
}

/// The story that a story is today.
fn resolve(connection: &Connection, mut story: i64) -> rusqlite::Result<i64> {
    let mut into = connection.prepare_cached("SELECT merged_into FROM stories WHERE id = ?1")?;
    for _ in 0..MERGES_MAX {
        match into.query_row([story], |row| row.get::<_, Option<i64>>(0)).optional()?.flatten() {
            Some(next) => story = next,
            None => break,
        }
    }
    Ok(story)
}
