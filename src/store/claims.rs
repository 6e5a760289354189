//! Which of several processes sends what: a claim on each delivery that is on its way, with an end on the server's clock.
//! What a process that is gone had claimed comes back: when that time is over, or as soon as it has no session any more.
//! What was recorded of an attempt counts only for whoever has the claim still. Claims of an endpoint are made one at a
//! time, so that all processes together send no more at once than it takes, and none while it is paused.

use std::time::Duration;

use super::engine::{self, Connection, params};
use super::lease::NOW;
use super::nodes::{NODE_SILENT_MS_MAX, has_session};
use super::outbox::{Claim, ClaimNumber, ClaimRequest, Claimed, DeliveryId, is_tried_one_by_one, state};
use super::remote::RemoteStore;
use super::{NodeRole, Store, StoreError};
use crate::failpoint::Planted;
use crate::model::{EndpointId, Timestamp};

/// Among the advisory locks of a database, whoever claims deliveries of an endpoint.
const CLAIMS: i32 = 0x7769_7263;
/// A process that did not get through lets the others go first for so long.
const HEAD_START: Duration = Duration::from_secs(2);
/// What others have claimed is looked at again after this time: they may be gone.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// That nobody is at it any more: its time is over, or its process has no session.
fn is_dead() -> String {
    if Planted::ClaimWithoutTime.is_in() {
        return "FALSE".to_owned();
    }
    format!("(c.until_at <= {NOW} OR NOT {})", has_session("c.holder"))
}

impl RemoteStore {
    /// Claims what may be sent now, for this process.
    pub(super) fn claim(&self, store: &Store, request: &ClaimRequest<'_>) -> Result<Claim, StoreError> {
        let fail = |error| StoreError::sql(store.place(), "claim deliveries", error);
        let mut claiming = self.claiming(store.place())?;
        let connection = claiming.as_mut().expect("invariant: it was connected just now");
        claim(connection, request, self.mark()).map_err(fail)
    }

    /// Lets go of claims whose deliveries were not sent.
    pub(super) fn let_go(&self, store: &Store, claims: &[ClaimNumber]) -> Result<(), StoreError> {
        let fail = |error| StoreError::sql(store.place(), "let go of deliveries", error);
        let mut claiming = self.claiming(store.place())?;
        let connection = claiming.as_mut().expect("invariant: it was connected just now");
        connection
            .prepare_cached("DELETE FROM claims WHERE number IN (SELECT CAST(value AS BIGINT) FROM json_each(?1))")
            .and_then(|mut statement| statement.execute([json(claims.iter().map(|claim| claim.0))]))
            .map(|_| ())
            .map_err(fail)
    }
}

/// Settles who has a claim: whether it still is this one, which then is over.
pub(super) fn end(connection: &Connection, delivery: DeliveryId, claim: ClaimNumber) -> engine::Result<bool> {
    connection
        .prepare_cached("DELETE FROM claims WHERE delivery = ?1 AND number = ?2")?
        .execute(params![delivery.to_i64(), claim.0])
        .map(|ended| ended > 0)
}

fn json(numbers: impl Iterator<Item = i64>) -> String {
    numbers.collect::<serde_json::Value>().to_string()
}

/// What is owed to an endpoint.
struct Owed {
    first_due_at: Option<Timestamp>,
    next_due_at: Option<Timestamp>,
    held_due: bool,
}

fn owed(connection: &Connection, endpoint: &EndpointId, now: Timestamp) -> engine::Result<Owed> {
    let pending = "FROM deliveries d WHERE d.endpoint = ?1 AND d.state = 'pending'";
    let sql = format!(
        "SELECT (SELECT d.due_at {pending} ORDER BY d.due_at LIMIT 1),
            (SELECT d.due_at {pending} AND d.due_at > ?2 ORDER BY d.due_at LIMIT 1),
            EXISTS (SELECT 1 {pending} AND d.hold IS NOT NULL AND d.due_at <= ?2)"
    );
    let at = |millis: Option<i64>| millis.map(Timestamp::from_millis);
    connection.prepare_cached(&sql)?.query_row(params![endpoint.as_str(), now.millis()], |row| {
        Ok(Owed { first_due_at: at(row.get(0)?), next_due_at: at(row.get(1)?), held_due: row.get(2)? })
    })
}

fn claim(connection: &mut Connection, request: &ClaimRequest<'_>, holder: &str) -> engine::Result<Claim> {
    let ClaimRequest { endpoint, now, .. } = *request;
    let mut claim = Claim::nothing(state(connection, endpoint)?);
    if claim.state.disabled.is_some() {
        return Ok(claim);
    }
    let owed = owed(connection, endpoint, now)?;
    if let Some(until) = claim.state.paused_until(now) {
        claim.next_due_at = Some(until);
        return Ok(claim);
    }
    claim.next_due_at = owed.next_due_at;
    claim.held_due = owed.held_due;
    let Some(first) = owed.first_due_at.filter(|first| *first <= now) else { return Ok(claim) };
    // Whatever keeps it from being claimed now is over soon, and nobody may say so.
    let again = now.plus(LOOK_AGAIN);
    claim.next_due_at = Some(claim.next_due_at.map_or(again, |next| next.min(again)));
    claim.in_order = true;
    let due_by = if request.shared.unreached && others_deliver(connection)? { now.minus(HEAD_START) } else { now };
    if first <= due_by {
        claim_rows(connection, request, (holder, due_by), &mut claim)?;
    }
    Ok(claim)
}

/// Whether there are others to leave it to.
fn others_deliver(connection: &Connection) -> engine::Result<bool> {
    let sql = format!("SELECT count(*) FROM nodes WHERE seen_at > {NOW} - {NODE_SILENT_MS_MAX} AND roles LIKE ?1");
    let delivering = format!("%{}%", NodeRole::Deliver.as_str());
    connection.prepare_cached(&sql)?.query_row([delivering], |row| row.get::<_, i64>(0)).map(|nodes| nodes > 1)
}

fn claim_rows(
    connection: &mut Connection,
    request: &ClaimRequest<'_>,
    (holder, due_by): (&str, Timestamp),
    claim: &mut Claim,
) -> engine::Result<()> {
    let (endpoint, now) = (request.endpoint.as_str(), request.now);
    let dead = is_dead();
    let transaction = connection.transaction()?;
    transaction
        .prepare_cached(&format!("SELECT pg_advisory_xact_lock({CLAIMS}, hashtext(current_schema() || '/' || ?1))"))?
        .query_row([endpoint], |_| Ok(()))?;
    // Another process may have heard since that it is to be left alone.
    claim.state = state(&transaction, request.endpoint)?;
    if claim.state.disabled.is_some() || claim.state.paused_until(now).is_some() {
        return Ok(());
    }
    let count = format!(
        "SELECT count(*), coalesce(sum(CASE WHEN {dead} THEN 1 ELSE 0 END), 0)::bigint FROM claims c WHERE c.endpoint = ?1"
    );
    let (all, over): (i64, i64) =
        transaction.prepare_cached(&count)?.query_row([endpoint], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if over > 0 {
        // Those of what is owed still are taken over below.
        let settled = format!(
            "DELETE FROM claims c WHERE c.endpoint = ?1 AND {dead}
             AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = c.delivery AND d.state = 'pending')"
        );
        transaction.prepare_cached(&settled)?.execute([endpoint])?;
    }
    let slots = if is_tried_one_by_one(claim.state.throttled, claim.state.failing_since, now) {
        1
    } else {
        request.shared.slots.max(1)
    };
    // What was answered already is on the wire no more.
    let on_the_wire = usize::try_from(all - over).unwrap_or(0).saturating_sub(request.shared.answered);
    let free = slots.saturating_sub(on_the_wire).min(request.rows_max);
    if free > 0 {
        take(&transaction, request, (holder, due_by, free), &dead, claim)?;
        claim.more = claim.rows.len() == free;
        claim.backlog = claim.more && is_backlog(&transaction, request)?;
    }
    transaction.commit()
}

/// Whether more is due than one claim may hold in a file.
fn is_backlog(connection: &Connection, request: &ClaimRequest<'_>) -> engine::Result<bool> {
    let beyond =
        "SELECT 1 FROM deliveries WHERE endpoint = ?1 AND state = 'pending' AND due_at <= ?2 OFFSET ?3 LIMIT 1";
    let params = params![request.endpoint.as_str(), request.now.millis(), request.rows_max as i64];
    connection.prepare_cached(beyond)?.exists(params)
}

fn take(
    connection: &Connection,
    request: &ClaimRequest<'_>,
    (holder, due_by, free): (&str, Timestamp, usize),
    dead: &str,
    claim: &mut Claim,
) -> engine::Result<()> {
    let sql = format!(
        "WITH due AS (
             SELECT d.id FROM deliveries d
             WHERE d.endpoint = ?1 AND d.state = 'pending' AND d.due_at <= ?4 AND d.hold IS NULL
               AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.delivery = d.id AND NOT {dead})
               AND d.id NOT IN (SELECT CAST(value AS BIGINT) FROM json_each(?5))
               AND (d.story IS NULL OR NOT EXISTS (
                   SELECT 1 FROM deliveries e LEFT JOIN deliveries t ON t.id = e.folded_into
                   WHERE e.story = d.story AND e.endpoint = d.endpoint AND e.id < d.id
                     AND (e.state = 'pending' OR e.state = 'folded' AND t.state = 'pending' AND t.id <> d.id)))
             ORDER BY d.due_at, d.id LIMIT ?6 FOR UPDATE OF d SKIP LOCKED),
         claimed AS (
             INSERT INTO claims (delivery, endpoint, holder, until_at) SELECT due.id, ?1, ?2, {NOW} + ?3 FROM due
             ON CONFLICT (delivery) DO UPDATE SET number = excluded.number, holder = excluded.holder,
                 until_at = excluded.until_at
             RETURNING delivery, number)
         SELECT d.id, d.webhook_id, d.alert, d.content_type, d.attempts, d.created_at, coalesce(d.body, a.payload), claimed.number
         FROM claimed JOIN deliveries d ON d.id = claimed.delivery JOIN alerts a ON a.sequence = d.alert
         ORDER BY d.due_at, d.id"
    );
    let in_flight = json(request.in_flight.iter().map(|id| id.to_i64()));
    let lasts = i64::try_from(request.shared.lasts.as_millis()).unwrap_or(i64::MAX / 2);
    let mut statement = connection.prepare_cached(&sql)?;
    let params = params![request.endpoint.as_str(), holder, lasts, due_by.millis(), in_flight, free as i64];
    let claimed = statement
        .query_map(params, |row| Ok(Claimed { claim: Some(ClaimNumber(row.get(7)?)), ..Claimed::read(row)? }))?;
    claim.rows = claimed.collect::<engine::Result<_>>()?;
    Ok(())
}

/// Against a server that `WIREWATCH_TEST_STORE` names (`proof/postgres`); without one there is nothing to try.
#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::engine::PostgresPlace;
    use super::super::on_a_server_tests::test_place;
    use super::super::outbox::{AttemptRecord, Gate, Settle, SharedClaim, record};
    use super::super::{Access, Store};
    use super::*;

    /// A store in a schema of its own, and processes that send from it.
    struct Desk {
        place: PostgresPlace,
        owner: Store,
        dir: tempfile::TempDir,
    }

    fn desk(schema: &str) -> Option<Desk> {
        let place = test_place(schema)?;
        let dir = tempfile::tempdir().expect("a directory");
        let owner = Store::open_remote(dir.path(), &place, Access::Own).expect("opens");
        Some(Desk { place, owner, dir })
    }

    impl Desk {
        fn process(&self) -> Store {
            Store::open_remote(self.dir.path(), &self.place, Access::Share).expect("opens")
        }

        fn owe(&self, alerts: std::ops::RangeInclusive<i64>) {
            let add = |tx: &Connection| {
                for n in alerts.clone() {
                    tx.execute(
                        "INSERT INTO alerts (sequence, id, kind, reason, severity, score, outlets, at, payload)
                         VALUES (?1, ?2, 'story.new', 'new', 'low', 0, 0, 1, ?3)",
                        params![n, format!("alr_{n}"), b"{}".to_vec()],
                    )?;
                    tx.execute(
                        "INSERT INTO deliveries (id, alert, webhook_id, endpoint, content_type, state, attempts, created_at, due_at)
                         VALUES (?1, ?1, ?2, 'desk', 'application/json', 'pending', 0, 1, ?1)",
                        params![n, format!("alr_{n}")],
                    )?;
                }
                Ok(())
            };
            self.owner.write("test", |tx| add(tx)).expect("written");
        }

        fn count(&self, what: &str) -> i64 {
            let sql = format!("SELECT count(*) FROM {what}");
            self.owner.read("test", |c| c.query_row(&sql, [], |row| row.get(0))).expect("read")
        }

        /// As after half a minute on the server's clock.
        fn run_out(&self) {
            self.owner.write("test", |tx| tx.execute("UPDATE claims SET until_at = 0", [])).expect("changed");
        }
    }

    const NOW_SECONDS: i64 = 1_742_198_531;

    fn now() -> Timestamp {
        Timestamp::from_seconds(NOW_SECONDS)
    }

    fn claims(store: &Store, shared: SharedClaim) -> Claim {
        let (endpoint, in_flight) = (EndpointId::new("desk").expect("a name"), HashSet::new());
        let lasts = Duration::from_secs(30);
        let shared = SharedClaim { lasts, ..shared };
        let request = ClaimRequest {
            endpoint: &endpoint,
            now: now(),
            rows_max: 100,
            body_bytes_max: 1 << 20,
            in_flight: &in_flight,
            shared,
        };
        store.claim_deliveries(&request).expect("asked")
    }

    fn claimed(store: &Store, slots: usize) -> Vec<(i64, Option<ClaimNumber>)> {
        let claim = claims(store, SharedClaim { slots, ..SharedClaim::default() });
        claim.rows.into_iter().map(|row| (row.id.to_i64(), row.claim)).collect()
    }

    fn ids(claimed: &[(i64, Option<ClaimNumber>)]) -> Vec<i64> {
        claimed.iter().map(|(id, _)| *id).collect()
    }

    fn end_of((delivery, claim): (i64, Option<ClaimNumber>), settle: Settle, gate: Gate) -> AttemptRecord {
        let failed = settle != Settle::Delivered;
        AttemptRecord {
            delivery: DeliveryId::from_i64(delivery),
            endpoint: EndpointId::new("desk").expect("a name"),
            at: now(),
            outcome: "delivered",
            status: Some(200),
            latency: Duration::from_millis(7),
            excerpt: None,
            error: failed.then(|| "answered 500".to_owned()),
            settle,
            gate,
            ends_outage: false,
            claim,
        }
    }

    fn recorded(store: &Store, attempt: AttemptRecord) -> usize {
        store.write("test", |tx| record(tx, &[attempt])).expect("written").len()
    }

    #[test]
    fn processes_share_what_an_endpoint_takes_at_once_and_keep_its_order() {
        let Some(desk) = desk("claims_shared") else { return };
        desk.owe(1..=9);
        let (one, two) = (desk.process(), desk.process());
        let first = claimed(&one, 3);
        assert_eq!(ids(&first), [1, 2, 3]);
        assert!(claimed(&two, 3).is_empty(), "it takes no more at once");
        assert_eq!(recorded(&one, end_of(first[1], Settle::Delivered, Gate::Unchanged)), 0);
        assert_eq!(ids(&claimed(&two, 3)), [4], "what is next, by whoever has room");
        let answered = SharedClaim { slots: 3, answered: 1, ..SharedClaim::default() };
        let rows = claims(&one, answered).rows;
        assert_eq!(rows.iter().map(|row| row.id.to_i64()).collect::<Vec<_>>(), [5], "what is answered is off the wire");
        one.let_go_of_claims(&rows.iter().filter_map(|row| row.claim).collect::<Vec<_>>()).expect("let go");
        assert_eq!(desk.count("claims"), 3);
    }

    #[test]
    fn claims_at_the_same_time_never_share_a_row_or_go_beyond_what_it_takes() {
        let Some(desk) = desk("claims_at_once") else { return };
        desk.owe(1..=40);
        let stores: Vec<Store> = (0..4).map(|_| desk.process()).collect();
        let taken: Vec<i64> = std::thread::scope(|scope| {
            let threads: Vec<_> = stores.iter().map(|store| scope.spawn(|| ids(&claimed(store, 5)))).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("it claims")).collect()
        });
        assert_eq!(taken.len(), 5, "{taken:?}");
        assert_eq!(taken.iter().collect::<HashSet<_>>().len(), 5, "{taken:?}");
    }

    #[test]
    fn what_a_process_that_is_gone_had_claimed_comes_back() {
        let Some(desk) = desk("claims_of_the_dead") else { return };
        desk.owe(1..=2);
        let (one, two) = (desk.process(), desk.process());
        assert_eq!(ids(&claimed(&one, 4)), [1, 2]);
        assert!(claimed(&two, 4).is_empty());
        drop(one);
        // The server sees a moment later that the sessions are gone.
        let deadline = std::iter::repeat_n(Duration::from_millis(50), 1_200);
        let back = deadline.map(|pause| {
            std::thread::sleep(pause);
            claimed(&two, 4)
        });
        let back = back.into_iter().find(|claimed| !claimed.is_empty()).expect("they come back");
        assert_eq!(ids(&back), [1, 2]);
    }

    #[test]
    fn claim_whose_time_is_over_goes_to_another_and_what_is_recorded_by_it_then_counts_no_more() {
        let Some(desk) = desk("claims_run_out") else { return };
        desk.owe(1..=1);
        let (one, two) = (desk.process(), desk.process());
        let first = claimed(&one, 1);
        desk.run_out();
        let second = claimed(&two, 1);
        assert_eq!((ids(&first), ids(&second)), (vec![1], vec![1]));
        let park = end_of(first[0], Settle::Park, Gate::PauseUntil(now().plus(Duration::from_secs(60))));
        assert_eq!(recorded(&one, park), 1, "it is told that it is late");
        assert_eq!(desk.count("attempts"), 1, "it was made all the same");
        assert_eq!(desk.count("deliveries WHERE state = 'pending'"), 1);
        assert_eq!(desk.count("endpoints"), 0, "nor does it pause the endpoint");
        assert_eq!(recorded(&two, end_of(second[0], Settle::Delivered, Gate::Unchanged)), 0);
        assert_eq!(desk.count("deliveries WHERE state = 'delivered'"), 1);
        assert_eq!(desk.count("claims"), 0);
    }

    #[test]
    fn claim_that_ran_out_and_nobody_took_counts_still() {
        let Some(desk) = desk("claims_late") else { return };
        desk.owe(1..=1);
        let one = desk.process();
        let first = claimed(&one, 1);
        desk.run_out();
        assert_eq!(recorded(&one, end_of(first[0], Settle::Delivered, Gate::Unchanged)), 0);
        assert_eq!(desk.count("deliveries WHERE state = 'delivered'"), 1);
    }

    #[test]
    fn pause_of_an_endpoint_is_every_process_s() {
        let Some(desk) = desk("claims_paused") else { return };
        desk.owe(1..=3);
        let (one, two) = (desk.process(), desk.process());
        let first = claimed(&one, 1);
        let later = now().plus(Duration::from_secs(60));
        recorded(&one, end_of(first[0], Settle::RetryAt(later), Gate::PauseUntil(later)));
        let paused = claims(&two, SharedClaim { slots: 4, ..SharedClaim::default() });
        assert_eq!((paused.rows.len(), paused.next_due_at), (0, Some(later)));
        desk.owner.write("test", |tx| tx.execute("UPDATE endpoints SET not_before = NULL", [])).expect("changed");
        assert_eq!(ids(&claimed(&two, 4)), [2], "and then one at a time, until one succeeds");
        assert!(claimed(&one, 4).is_empty());
    }

    #[test]
    fn whoever_did_not_get_through_lets_others_go_first_where_there_are_others() {
        let Some(desk) = desk("claims_unreached") else { return };
        desk.owe(1..=1);
        let due = "UPDATE deliveries SET due_at = ?1";
        let just_now = now().minus(Duration::from_millis(500)).millis();
        desk.owner.write("test", |tx| tx.execute(due, [just_now])).expect("changed");
        let one = desk.process();
        let unreached = SharedClaim { slots: 1, unreached: true, ..SharedClaim::default() };
        let alone = claims(&one, unreached);
        assert_eq!(alone.rows.len(), 1, "there is nobody to leave it to");
        one.let_go_of_claims(&[alone.rows[0].claim.expect("claimed")]).expect("let go");
        let nodes = format!(
            "INSERT INTO nodes (name, version, rules, roles, address, seeds, mark, regions, change_seen, current_at, clock_apart,
                started_at, seen_at)
             SELECT name, '1', '', 'decide,deliver', '', '', name, '', 0, 0, 0, 0, {NOW} FROM (VALUES ('a'), ('b')) AS names (name)"
        );
        desk.owner.write("test", |tx| tx.execute(&nodes, [])).expect("written");
        let patient = claims(&one, unreached);
        assert!(patient.rows.is_empty() && patient.next_due_at.is_some(), "{patient:?}");
        assert_eq!(ids(&claimed(&desk.process(), 1)), [1]);
    }
}
