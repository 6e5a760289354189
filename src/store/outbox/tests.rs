//! The outbox on a real database.

use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::model::EndpointId;
use crate::store::engine::{self, Connection, params};
use crate::store::{Access, Store};

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn endpoint(name: &str) -> EndpointId {
    EndpointId::new(name).expect("a name")
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), Access::Own).expect("a store");
    (dir, store)
}

/// Adds an alert with one row per endpoint, due at once.
fn owe(connection: &Connection, sequence: i64, endpoints: &[&str], due: Timestamp) -> engine::Result<Vec<DeliveryId>> {
    connection.execute(
        "INSERT INTO alerts (sequence, id, kind, story, item, reason, severity, score, outlets, at, payload)
         VALUES (?1, ?2, 'alert.matched', 1, 1, 'first', 'high', 500, 1, ?3, ?4)",
        params![sequence, format!("alr_{sequence}"), due.millis(), format!("{{\"n\":{sequence}}}").into_bytes()],
    )?;
    endpoints
        .iter()
        .map(|name| {
            connection.query_row(
                "INSERT INTO deliveries (alert, webhook_id, endpoint, body, content_type, state, attempts, created_at, due_at)
                 VALUES (?1, ?2, ?3, NULL, 'application/json', 'pending', 0, ?4, ?4) RETURNING id",
                params![sequence, format!("alr_{sequence}"), name, due.millis()],
                |row| row.get(0).map(DeliveryId),
            )
        })
        .collect()
}

fn claim(connection: &Connection, name: &str, now: Timestamp, in_flight: &[DeliveryId]) -> Claim {
    let in_flight: HashSet<DeliveryId> = in_flight.iter().copied().collect();
    let endpoint = endpoint(name);
    let (rows_max, body_bytes_max, shared) = (2, 1 << 20, SharedClaim::default());
    let request = ClaimRequest { endpoint: &endpoint, now, rows_max, body_bytes_max, in_flight: &in_flight, shared };
    claim_due(connection, &request).expect("claimed")
}

fn attempt(delivery: DeliveryId, now: Timestamp, settle: Settle) -> AttemptRecord {
    let failed = settle != Settle::Delivered;
    AttemptRecord {
        delivery,
        endpoint: endpoint("desk"),
        at: now,
        outcome: if failed { "server_error" } else { "delivered" },
        status: Some(if failed { 500 } else { 200 }),
        latency: Duration::from_millis(7),
        excerpt: failed.then(|| "oops".to_owned()),
        error: failed.then(|| "answered 500".to_owned()),
        settle,
        gate: Gate::Unchanged,
        ends_outage: false,
        claim: None,
    }
}

#[test]
fn claim_due_rows_come_oldest_first_without_those_in_flight() {
    let (_dir, store) = store();
    store
        .write("test", |tx| {
            let a = owe(tx, 1, &["desk", "other"], at(10))?;
            let b = owe(tx, 2, &["desk"], at(9))?;
            let c = owe(tx, 3, &["desk"], at(11))?;
            owe(tx, 4, &["desk"], at(500))?;
            let first = claim(tx, "desk", at(20), &[]);
            assert_eq!(first.rows.iter().map(|r| r.id).collect::<Vec<_>>(), [b[0], a[0]]);
            assert!(first.more);
            assert_eq!(first.next_due_at, Some(at(500)));
            assert_eq!(first.rows[0].body, b"{\"n\":2}", "the alert's own payload");
            let second = claim(tx, "desk", at(20), &[a[0], b[0]]);
            assert_eq!(second.rows.iter().map(|r| r.id).collect::<Vec<_>>(), [c[0]]);
            assert!(!second.more);
            Ok(())
        })
        .expect("written");
}

#[test]
fn claim_body_bytes_are_bounded_but_one_row_always_fits() {
    let (_dir, store) = store();
    let (desk, in_flight) = (endpoint("desk"), HashSet::new());
    store
        .write("test", |tx| {
            (1..=3).try_for_each(|n| owe(tx, n, &["desk"], at(1)).map(|_| ()))?;
            let request = ClaimRequest {
                endpoint: &desk,
                now: at(1),
                rows_max: 100,
                body_bytes_max: 1,
                in_flight: &in_flight,
                shared: SharedClaim::default(),
            };
            let claim = claim_due(tx, &request)?;
            assert_eq!(claim.rows.len(), 1);
            assert!(claim.more);
            Ok(())
        })
        .expect("written");
}

#[test]
fn record_a_wait_for_this_machine_is_no_attempt_and_no_failing() {
    let (_dir, store) = store();
    store
        .write("test", |tx| {
            let id = owe(tx, 1, &["desk"], at(10))?[0];
            record(tx, &[attempt(id, at(11), Settle::WaitUntil(at(16)))])?;
            assert!(claim(tx, "desk", at(15), &[]).rows.is_empty());
            assert_eq!(state(tx, &endpoint("desk"))?.failing_since, None);
            assert_eq!(claim(tx, "desk", at(16), &[]).rows[0].attempts, 0);
            let shown = show(tx, id)?.expect("there");
            assert!(shown.attempts.is_empty());
            assert_eq!(shown.row.last_error.as_deref(), Some("answered 500"), "why it waits");
            Ok(())
        })
        .expect("written");
}

#[test]
fn record_retry_then_delivery_keeps_every_attempt() {
    let (_dir, store) = store();
    store
        .write("test", |tx| {
            let id = owe(tx, 1, &["desk"], at(10))?[0];
            record(tx, &[attempt(id, at(11), Settle::RetryAt(at(16)))])?;
            assert!(claim(tx, "desk", at(15), &[]).rows.is_empty());
            assert_eq!(state(tx, &endpoint("desk"))?.failing_since, Some(at(11)));
            assert_eq!(claim(tx, "desk", at(16), &[]).rows[0].attempts, 1);
            record(tx, &[attempt(id, at(16), Settle::Delivered)])?;
            let shown = show(tx, id)?.expect("there");
            assert_eq!(shown.row.state, DeliveryState::Delivered);
            assert_eq!(shown.row.settled_at, Some(at(16)));
            assert_eq!(shown.attempts.iter().map(|a| a.status).collect::<Vec<_>>(), [Some(500), Some(200)]);
            let state = state(tx, &endpoint("desk"))?;
            assert_eq!((state.failing_since, state.last_success_at), (None, Some(at(16))));
            Ok(())
        })
        .expect("written");
}

#[test]
fn record_success_among_failures_of_one_batch_restarts_the_failing() {
    let (_dir, store) = store();
    store
        .write("test", |tx| {
            let ids: Vec<DeliveryId> =
                (1..=3).map(|n| owe(tx, n, &["desk"], at(1)).map(|r| r[0])).collect::<Result<_, _>>()?;
            record(tx, &[attempt(ids[0], at(5), Settle::RetryAt(at(50)))])?;
            let batch = [
                attempt(ids[1], at(6), Settle::RetryAt(at(50))),
                attempt(ids[2], at(7), Settle::Delivered),
                attempt(ids[0], at(8), Settle::RetryAt(at(50))),
            ];
            record(tx, &batch)?;
            assert_eq!(state(tx, &endpoint("desk"))?.failing_since, Some(at(8)));
            assert_eq!(state(tx, &endpoint("desk"))?.last_success_at, Some(at(7)));
            Ok(())
        })
        .expect("written");
}

#[test]
fn record_cancelled_meanwhile_stays_cancelled_unless_it_arrived() {
    let (_dir, store) = store();
    store
        .write("test", |tx| {
            let ids = [owe(tx, 1, &["desk"], at(1))?[0], owe(tx, 2, &["desk"], at(1))?[0]];
            for id in ids {
                assert!(cancel(tx, id, at(2))?);
            }
            record(tx, &[attempt(ids[0], at(3), Settle::RetryAt(at(9))), attempt(ids[1], at(3), Settle::Delivered)])?;
            assert_eq!(show(tx, ids[0])?.map(|d| d.row.state), Some(DeliveryState::Cancelled));
            assert_eq!(show(tx, ids[1])?.map(|d| d.row.state), Some(DeliveryState::Delivered));
            Ok(())
        })
        .expect("written");
}

#[test]
fn gate_pause_and_disable_outlive_the_process_and_enable_opens() {
    let (_dir, store) = store();
    store
        .write("test", |tx| {
            let id = owe(tx, 1, &["desk"], at(1))?[0];
            let pause = AttemptRecord { gate: Gate::PauseUntil(at(100)), ..attempt(id, at(2), Settle::RetryAt(at(3))) };
            record(tx, &[pause])?;
            let paused = claim(tx, "desk", at(50), &[]);
            assert!(paused.rows.is_empty() && paused.state.throttled);
            assert_eq!(paused.next_due_at, Some(at(100)));
            assert_eq!(claim(tx, "desk", at(100), &[]).rows.len(), 1);
            let gone = AttemptRecord {
                gate: Gate::Disable { reason: "answered 410" },
                ..attempt(id, at(101), Settle::RetryAt(at(102)))
            };
            record(tx, &[gone])?;
            let disabled = claim(tx, "desk", at(1_000_000), &[]);
            assert_eq!(disabled.state.disabled, Some((at(101), "answered 410".to_owned())));
            assert!(disabled.rows.is_empty() && disabled.next_due_at.is_none());
            assert!(enable(tx, &endpoint("desk"))?);
            assert!(!enable(tx, &endpoint("desk"))?);
            assert_eq!(claim(tx, "desk", at(1_000_000), &[]).rows.len(), 1);
            Ok(())
        })
        .expect("written");
}

#[test]
fn park_orphans_and_replay_lose_nothing() {
    let (_dir, store) = store();
    store
        .write("test", |tx| {
            for n in 1..=3 {
                owe(tx, n, &["desk", "gone", "off"], at(1))?;
            }
            let parked = park_orphans(tx, &[endpoint("desk")], at(2))?;
            assert_eq!(parked, [("gone".to_owned(), 3), ("off".to_owned(), 3)]);
            assert_eq!(park_orphans(tx, &[endpoint("desk")], at(2))?, []);
            let figures = health(tx, &endpoint("gone"))?;
            assert_eq!((figures.pending, figures.parked), (0, 3));
            let figures = health(tx, &endpoint("desk"))?;
            assert_eq!((figures.pending, figures.parked, figures.oldest_pending_at), (3, 0, Some(at(1))));
            assert_eq!(replay(tx, &Replay::Parked, Some(&endpoint("gone")), at(9))?, 3);
            assert_eq!(claim(tx, "gone", at(9), &[]).rows[0].webhook_id, "alr_1");
            assert_eq!(replay(tx, &Replay::Since(at(0)), None, at(10))?, 9);
            let filter = DeliveryFilter { endpoint: Some(endpoint("gone")), rows_max: 2, ..DeliveryFilter::default() };
            let page = list(tx, &filter)?;
            assert_eq!(page.iter().map(|row| row.sequence).collect::<Vec<_>>(), [3, 2]);
            let rest = list(tx, &DeliveryFilter { before: page.last().map(|row| row.id), ..filter })?;
            assert_eq!(rest.iter().map(|row| row.sequence).collect::<Vec<_>>(), [1]);
            Ok(())
        })
        .expect("written");
}

#[test]
fn replay_one_restarts_the_schedule_and_keeps_the_history() {
    let (_dir, store) = store();
    store
        .write("test", |tx| {
            let id = owe(tx, 1, &["desk"], at(1))?[0];
            record(tx, &[attempt(id, at(2), Settle::Park)])?;
            assert_eq!(show(tx, id)?.map(|d| d.row.state), Some(DeliveryState::Parked));
            assert_eq!(replay(tx, &Replay::One(id), None, at(3))?, 1);
            assert_eq!(claim(tx, "desk", at(3), &[]).rows[0].attempts, 0);
            record(tx, &[attempt(id, at(3).plus(SECOND), Settle::Delivered)])?;
            let shown = show(tx, id)?.expect("there");
            assert_eq!(shown.attempts.iter().map(|a| a.attempt).collect::<Vec<_>>(), [1, 2]);
            Ok(())
        })
        .expect("written");
}

#[test]
fn queries_on_a_long_outbox_use_their_index() {
    let (_dir, store) = store();
    store
        .read("test", |connection| {
            for query in [
                "SELECT id FROM deliveries INDEXED BY deliveries_due
                 WHERE endpoint = 'a' AND state = 'pending' AND due_at <= 1 ORDER BY due_at, id LIMIT 1",
                "SELECT count(*) FROM deliveries WHERE state <> 'delivered' AND state = 'parked' AND endpoint = 'a'",
            ] {
                let plan: String =
                    connection.query_row(&format!("EXPLAIN QUERY PLAN {query}"), [], |row| row.get(3))?;
                assert!(plan.starts_with("SEARCH") && plan.contains("INDEX"), "{plan}");
            }
            Ok(())
        })
        .expect("read");
}

#[test]
fn delivery_id_reads_what_it_prints() {
    assert_eq!("dlv_12".parse(), Ok(DeliveryId(12)));
    assert_eq!(DeliveryId(12).to_string(), "dlv_12");
    assert_eq!("12".parse(), Ok(DeliveryId(12)), "its number alone will do");
    for bad in ["", "+12", "dlv_", "dlv_0", "dlv_-1", "alr_1"] {
        assert!(bad.parse::<DeliveryId>().is_err(), "{bad}");
    }
}
