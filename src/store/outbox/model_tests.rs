//! The outbox against a model in a few maps: any order of owing, claiming, recording, cancelling, replaying
//! and parking leaves both in the same state, and what is claimed is what the model would send.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::EndpointId;
use crate::store::engine::{self, params};
use crate::store::{Access, Store};

const ENDPOINTS: [&str; 2] = ["desk", "wall"];
const ROWS_MAX: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Owe,
    /// Claims for an endpoint and records the first of it with this outcome.
    Try(usize, Outcome),
    Cancel(usize),
    ReplayOne(usize),
    ReplayParked,
    Enable(usize),
    /// An endpoint leaves the config.
    Remove(usize),
    Wait(i64),
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Delivered,
    RetryIn(i64),
    Park,
    RetryAndPause(i64),
    RetryAndDisable,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    endpoint: usize,
    state: DeliveryState,
    attempts: i64,
    due: i64,
}

#[derive(Debug, Default)]
struct Model {
    rows: BTreeMap<i64, Row>,
    disabled: [bool; 2],
    paused_until: [i64; 2],
    tried: i64,
}

impl Model {
    /// What a claim must give, oldest first.
    fn due(&self, endpoint: usize, now: i64) -> Vec<i64> {
        if self.disabled[endpoint] || self.paused_until[endpoint] > now {
            return Vec::new();
        }
        let mut due: Vec<(i64, i64)> = self
            .rows
            .iter()
            .filter(|(_, row)| row.endpoint == endpoint && row.state == DeliveryState::Pending && row.due <= now)
            .map(|(id, row)| (row.due, *id))
            .collect();
        due.sort_unstable();
        due.into_iter().map(|(_, id)| id).take(ROWS_MAX).collect()
    }

    fn record(&mut self, id: i64, outcome: Outcome, now: i64) {
        let row = self.rows.get_mut(&id).expect("claimed");
        row.attempts += 1;
        self.tried += 1;
        match outcome {
            Outcome::Delivered => row.state = DeliveryState::Delivered,
            Outcome::Park => row.state = DeliveryState::Parked,
            Outcome::RetryIn(wait) => row.due = now + wait,
            Outcome::RetryAndPause(wait) => {
                row.due = now + wait;
                let until = &mut self.paused_until[row.endpoint];
                *until = (*until).max(now + wait);
            }
            Outcome::RetryAndDisable => {
                row.due = now;
                self.disabled[row.endpoint] = true;
            }
        }
    }

    fn replay(&mut self, wanted: impl Fn(i64, &Row) -> bool, now: i64) {
        for (_, row) in self.rows.iter_mut().filter(|(id, row)| wanted(**id, row)) {
            (row.state, row.attempts, row.due) = (DeliveryState::Pending, 0, now);
        }
    }
}

struct Bench {
    _dir: tempfile::TempDir,
    store: Store,
    model: Model,
    now: i64,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Access::Own).expect("a store");
        Self { _dir: dir, store, model: Model::default(), now: 1_000 }
    }

    fn write<T>(&self, work: impl FnOnce(&engine::Connection) -> engine::Result<T>) -> T {
        self.store.write("test", |tx| work(tx)).expect("written")
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn owe(&mut self) {
        let sequence = self.model.rows.len() as i64 + 1;
        let now = self.now;
        let ids = self.write(|tx| {
            tx.execute(
                "INSERT INTO alerts (sequence, id, kind, reason, severity, score, outlets, at, payload)
                 VALUES (?1, ?2, 'alert.matched', 'first', 'high', 500, 1, ?3, ?4)",
                params![sequence, format!("alr_{sequence}"), now, b"{}".to_vec()],
            )?;
            ENDPOINTS.map(|endpoint| {
                tx.query_row(
                    "INSERT INTO deliveries (alert, webhook_id, endpoint, content_type, state, attempts, created_at, due_at)
                     VALUES (?1, ?2, ?3, 'application/json', 'pending', 0, ?4, ?4) RETURNING id",
                    params![sequence, format!("alr_{sequence}"), endpoint, now],
                    |row| row.get(0),
                )
            })
            .into_iter()
            .collect::<engine::Result<Vec<i64>>>()
        });
        for (endpoint, id) in ids.into_iter().enumerate() {
            self.model.rows.insert(id, Row { endpoint, state: DeliveryState::Pending, attempts: 0, due: now });
        }
    }

    fn attempt(&mut self, endpoint: usize, outcome: Outcome) -> Result<(), TestCaseError> {
        let id = EndpointId::new(ENDPOINTS[endpoint]).expect("a name");
        let nothing = HashSet::new();
        let request = ClaimRequest {
            endpoint: &id,
            now: self.now(),
            rows_max: ROWS_MAX,
            body_bytes_max: 1 << 20,
            in_flight: &nothing,
            shared: SharedClaim::default(),
        };
        let claim = self.store.read("test", |c| claim_due(c, &request)).expect("read");
        let claimed: Vec<i64> = claim.rows.iter().map(|row| row.id.to_i64()).collect();
        prop_assert_eq!(&claimed, &self.model.due(endpoint, self.now));
        let Some(first) = claimed.first() else { return Ok(()) };
        let later = |wait: i64| Timestamp::from_millis(self.now + wait);
        let (settle, gate) = match outcome {
            Outcome::Delivered => (Settle::Delivered, Gate::Unchanged),
            Outcome::Park => (Settle::Park, Gate::Unchanged),
            Outcome::RetryIn(wait) => (Settle::RetryAt(later(wait)), Gate::Unchanged),
            Outcome::RetryAndPause(wait) => (Settle::RetryAt(later(wait)), Gate::PauseUntil(later(wait))),
            Outcome::RetryAndDisable => (Settle::RetryAt(later(0)), Gate::Disable { reason: "gone" }),
        };
        let failed = settle != Settle::Delivered;
        let attempt = AttemptRecord {
            delivery: DeliveryId::from_i64(*first),
            endpoint: id.clone(),
            at: self.now(),
            outcome: if failed { "server_error" } else { "delivered" },
            status: None,
            latency: Duration::ZERO,
            excerpt: None,
            error: failed.then(|| "no".to_owned()),
            settle,
            gate,
            ends_outage: false,
            claim: None,
        };
        self.write(|tx| record(tx, &[attempt]));
        self.model.record(*first, outcome, self.now);
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let now = self.now();
        let pick = |n: usize| self.model.rows.keys().nth(n % self.model.rows.len().max(1)).copied();
        match step {
            Step::Owe => self.owe(),
            Step::Try(endpoint, outcome) => self.attempt(*endpoint, *outcome)?,
            Step::Cancel(n) => {
                let Some(id) = pick(*n) else { return Ok(()) };
                let done = self.write(|tx| cancel(tx, DeliveryId::from_i64(id), now));
                let row = self.model.rows.get_mut(&id).expect("picked");
                let may = matches!(row.state, DeliveryState::Pending | DeliveryState::Parked);
                prop_assert_eq!(done, may);
                if may {
                    row.state = DeliveryState::Cancelled;
                }
            }
            Step::ReplayOne(n) => {
                let Some(id) = pick(*n) else { return Ok(()) };
                self.write(|tx| replay(tx, &Replay::One(DeliveryId::from_i64(id)), None, now));
                self.model.replay(|row, _| row == id, self.now);
            }
            Step::ReplayParked => {
                self.write(|tx| replay(tx, &Replay::Parked, None, now));
                self.model.replay(|_, row| row.state == DeliveryState::Parked, self.now);
            }
            Step::Enable(endpoint) => {
                let id = EndpointId::new(ENDPOINTS[*endpoint]).expect("a name");
                self.write(|tx| enable(tx, &id));
                self.model.disabled[*endpoint] = false;
                self.model.paused_until[*endpoint] = 0;
            }
            Step::Remove(gone) => {
                let others = [EndpointId::new(ENDPOINTS[1 - gone]).expect("a name")];
                self.write(|tx| park_orphans(tx, &others, now));
                let owed = |row: &&mut Row| row.endpoint == *gone && row.state == DeliveryState::Pending;
                self.model.rows.values_mut().filter(owed).for_each(|row| row.state = DeliveryState::Parked);
            }
            Step::Wait(wait) => self.now += wait,
        }
        Ok(())
    }

    /// Every row as the database has it.
    fn rows(&self) -> BTreeMap<i64, Row> {
        self.store
            .read("test", |c| {
                let mut query = c.prepare("SELECT id, endpoint, state, attempts, due_at FROM deliveries")?;
                let rows = query.query_map([], |row| {
                    let (endpoint, state): (String, String) = (row.get(1)?, row.get(2)?);
                    let endpoint = ENDPOINTS.iter().position(|name| *name == endpoint).expect("ours");
                    let state = DeliveryState::from_name(&state).expect("a state");
                    Ok((row.get(0)?, Row { endpoint, state, attempts: row.get(3)?, due: row.get(4)? }))
                })?;
                rows.collect()
            })
            .expect("read")
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Delivered),
        3 => (0i64..50).prop_map(Outcome::RetryIn),
        1 => Just(Outcome::Park),
        1 => (0i64..50).prop_map(Outcome::RetryAndPause),
        1 => Just(Outcome::RetryAndDisable),
    ];
    prop_oneof![
        4 => Just(Step::Owe),
        8 => (0usize..2, outcome).prop_map(|(endpoint, outcome)| Step::Try(endpoint, outcome)),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::ReplayOne),
        1 => Just(Step::ReplayParked),
        2 => (0usize..2).prop_map(Step::Enable),
        1 => (0usize..2).prop_map(Step::Remove),
        3 => (0i64..60).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn outbox_any_history_is_that_of_the_model(steps in proptest::collection::vec(any_step(), 1..60)) {
        let mut bench = Bench::new();
        for step in &steps {
            bench.step(step)?;
            prop_assert_eq!(bench.rows(), bench.model.rows.clone(), "after {:?}", step);
        }
        let attempts: i64 =
            bench.store.read("test", |c| c.query_row("SELECT count(*) FROM attempts", [], |row| row.get(0))).expect("read");
        prop_assert_eq!(attempts, bench.model.tried, "no attempt is forgotten");
    }
}
