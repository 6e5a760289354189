//! Reads what is due for one endpoint, oldest first, with the exact bytes to send. Marks nothing: the
//! one daemon that delivers knows what it has in flight, and a crash must leave the rows as they are.
//! Where several could deliver (`store::claims`), what is read is claimed.

use std::collections::HashSet;
use std::time::Duration;

use super::{DeliveryId, EndpointState, endpoint, hold};
use crate::model::{EndpointId, Timestamp};
use crate::store::engine::{self, Connection, OptionalExtension, Row, params};
use crate::store::{Store, StoreError};

/// What to claim.
#[derive(Debug, Clone, Copy)]
pub struct ClaimRequest<'a> {
    /// For whom.
    pub endpoint: &'a EndpointId,
    /// Rows due until then.
    pub now: Timestamp,
    /// At most so many rows.
    pub rows_max: usize,
    /// Stop after so many bytes of bodies (the row that crosses the line is the last).
    pub body_bytes_max: usize,
    /// Rows that are being sent: pending still, but not to be sent twice. Taken *before* this read.
    pub in_flight: &'a HashSet<DeliveryId>,
    /// What only several processes on one store need to know.
    pub shared: SharedClaim,
}

/// How a process claims deliveries that others could make as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SharedClaim {
    /// So many may be on the wire at once, whoever sends them.
    pub slots: usize,
    /// Of those in flight so many are answered, and on the wire no more.
    pub answered: usize,
    /// For so long a claim lasts, whatever becomes of who has it.
    pub lasts: Duration,
    /// This process did not get through the last time: the others go first.
    pub unreached: bool,
}

/// The claim of one process on a delivery; none is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimNumber(pub(in crate::store) i64);

/// A delivery to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The row.
    pub id: DeliveryId,
    /// `webhook-id`: the alert's id.
    pub webhook_id: String,
    /// The alert's number.
    pub sequence: i64,
    /// The bytes, as stored with the decision.
    pub body: Vec<u8>,
    /// `content-type` of the bytes; empty: they are to be rendered first ([`super::write_bodies`]).
    pub content_type: String,
    /// Attempts made since the row was made or replayed.
    pub attempts: u32,
    /// When it was decided.
    pub created_at: Timestamp,
    /// By which it is this process's to send, where others could.
    pub claim: Option<ClaimNumber>,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations of what is due, not a state")]
pub struct Claim {
    /// Due rows, oldest first.
    pub rows: Vec<Claimed>,
    /// More may be due than was asked for.
    pub more: bool,
    /// More is due than one claim may hold.
    pub backlog: bool,
    /// When the next row that is not due yet will be.
    pub next_due_at: Option<Timestamp>,
    /// Rows have waited long enough and must be let go before the next claim.
    pub held_due: bool,
    /// A due row waits for an earlier one of its story.
    pub in_order: bool,
    /// What is known about the endpoint; nothing is claimed while it is disabled or paused.
    pub state: EndpointState,
}

impl Claimed {
    /// From the first seven columns: id, webhook id, alert, content type, attempts, time, bytes.
    pub(in crate::store) fn read(row: &Row<'_>) -> engine::Result<Self> {
        Ok(Self {
            id: DeliveryId(row.get(0)?),
            webhook_id: row.get(1)?,
            sequence: row.get(2)?,
            content_type: row.get(3)?,
            attempts: row.get(4)?,
            created_at: Timestamp::from_millis(row.get(5)?),
            body: row.get(6)?,
            claim: None,
        })
    }
}

impl Claim {
    /// One that found nothing to send.
    pub(in crate::store) fn nothing(state: EndpointState) -> Self {
        Self {
            rows: Vec::new(),
            more: false,
            backlog: false,
            next_due_at: None,
            held_due: false,
            in_order: false,
            state,
        }
    }
}

impl Store {
    /// What may be sent to an endpoint now. In a file one process sends, and knows what it has in flight; in a database
    /// that several share they are claimed.
    ///
    /// # Errors
    /// [`StoreError`] when the outbox cannot be read.
    pub fn claim_deliveries(&self, request: &ClaimRequest<'_>) -> Result<Claim, StoreError> {
        #[cfg(feature = "postgres")]
        if let Some(remote) = &self.0.remote {
            return remote.claim(self, request);
        }
        self.read("read due deliveries", |connection| claim_due(connection, request))
    }

    /// Lets go of what was claimed and is not sent.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be told; then their time runs out.
    pub fn let_go_of_claims(&self, claims: &[ClaimNumber]) -> Result<(), StoreError> {
        #[cfg(feature = "postgres")]
        if let Some(remote) = &self.0.remote {
            return remote.let_go(self, claims);
        }
        // A file knows of none.
        let _ = (self, claims);
        Ok(())
    }
}

/// Reads the due rows of an endpoint, whoever sends them.
///
/// # Errors
/// Those of SQLite.
pub fn claim_due(connection: &Connection, request: &ClaimRequest<'_>) -> engine::Result<Claim> {
    let state = endpoint::state(connection, request.endpoint)?;
    let mut claim = Claim::nothing(state);
    if claim.state.disabled.is_some() {
        return Ok(claim);
    }
    claim.next_due_at = next_due_at(connection, request.endpoint, request.now)?;
    if let Some(until) = claim.state.paused_until(request.now) {
        claim.next_due_at = Some(until);
        return Ok(claim);
    }
    claim.held_due = hold::any_due(connection, request.endpoint, request.now)?;
    read_due(connection, request, &mut claim)?;
    Ok(claim)
}

/// One statement for all of them; the bytes of a row that is in flight are not even looked at.
fn read_due(connection: &Connection, request: &ClaimRequest<'_>, claim: &mut Claim) -> engine::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT d.id, d.webhook_id, d.alert, d.content_type, d.attempts, d.created_at, coalesce(d.body, a.payload),
            d.story IS NOT NULL AND EXISTS (
                SELECT 1 FROM deliveries e INDEXED BY deliveries_story LEFT JOIN deliveries t ON t.id = e.folded_into
                WHERE e.story = d.story AND e.endpoint = d.endpoint AND e.id < d.id
                  AND (e.state = 'pending' OR e.state = 'folded' AND t.state = 'pending' AND t.id <> d.id))
         FROM deliveries d INDEXED BY deliveries_due CROSS JOIN alerts a ON a.sequence = d.alert
         WHERE d.endpoint = ?1 AND d.state = 'pending' AND d.due_at <= ?2 AND d.hold IS NULL ORDER BY d.due_at, d.id",
    )?;
    let mut rows = statement.query(params![request.endpoint.as_str(), request.now.millis()])?;
    let mut body_bytes = 0;
    while let Some(row) = rows.next()? {
        let id = DeliveryId(row.get(0)?);
        if request.in_flight.contains(&id) {
            continue;
        }
        // An earlier alert of its story is on its way: this one comes after it.
        if row.get(7)? {
            claim.in_order = true;
            continue;
        }
        if claim.rows.len() == request.rows_max || body_bytes >= request.body_bytes_max {
            (claim.more, claim.backlog) = (true, true);
            break;
        }
        let claimed = Claimed::read(&row)?;
        body_bytes += claimed.body.len();
        claim.rows.push(claimed);
    }
    Ok(())
}

fn next_due_at(connection: &Connection, endpoint: &EndpointId, now: Timestamp) -> engine::Result<Option<Timestamp>> {
    connection
        .prepare_cached(
            "SELECT due_at FROM deliveries INDEXED BY deliveries_due
             WHERE endpoint = ?1 AND state = 'pending' AND due_at > ?2 ORDER BY due_at LIMIT 1",
        )?
        .query_row(params![endpoint.as_str(), now.millis()], |row| row.get(0).map(Timestamp::from_millis))
        .optional()
}
