//! A clock that was ahead and is right again: what was noted meanwhile waits for a future that nobody meant. Each such
//! wait begins anew, as long as it was meant to be. Run at the start of a queue and when the clock is seen to go back.

use std::time::Duration;

use crate::model::{EndpointId, Timestamp};
use crate::store::engine::{self, Connection, params};

/// Stored moments may be ahead by so much: clocks are set right by seconds.
const SLACK: Duration = Duration::from_mins(1);

/// Brings due times and the pause of an endpoint back from a future that the clock only claimed. Says how many
/// deliveries had waited for it.
///
/// # Errors
/// Those of SQLite.
pub fn mend_clock(connection: &Connection, endpoint: &EndpointId, now: Timestamp) -> engine::Result<usize> {
    let (name, now_ms, ahead) = (endpoint.as_str(), now.millis(), now.plus(SLACK).millis());
    connection
        .prepare_cached(
            "UPDATE endpoints SET not_before = ?2 + not_before - paused_at, paused_at = ?2
             WHERE endpoint = ?1 AND paused_at > ?3 AND not_before >= paused_at",
        )?
        .execute(params![name, now_ms, ahead])?;
    // Both are only ever compared with now: of the future they would hold for as long as it takes to come.
    connection
        .prepare_cached(
            "UPDATE endpoints SET failing_since = min(failing_since, ?2), rate_from = min(rate_from, ?2)
             WHERE endpoint = ?1 AND (failing_since > ?3 OR rate_from > ?3)",
        )?
        .execute(params![name, now_ms, ahead])?;
    // The wait counts from the last attempt, or from when the row was made. One that lies before that has been
    // brought back already.
    connection
        .prepare_cached(
            "WITH noted AS (
                 SELECT d.id, d.due_at, max(d.created_at,
                     coalesce((SELECT max(at) FROM attempts WHERE delivery = d.id), d.created_at)) AS at
                 FROM deliveries d INDEXED BY deliveries_due
                 WHERE d.endpoint = ?1 AND d.state = 'pending' AND d.due_at > ?3)
             UPDATE deliveries SET due_at = ?2 + noted.due_at - noted.at FROM noted
             WHERE deliveries.id = noted.id AND noted.at > ?3 AND noted.due_at >= noted.at",
        )?
        .execute(params![name, now_ms, ahead])
}
