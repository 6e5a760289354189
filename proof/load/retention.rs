//! Retention over a store with a past: its items are spread over thirteen months, the oldest of them falls due, and
//! while it goes, step by step as the keeper does it, somebody else writes: how long a step takes, and how long a
//! write waits.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use wirewatch::clock::Clock;
use wirewatch::model::Timestamp;
use wirewatch::store::{Access, Ages, DATABASE_FILE, LOG_BYTES, Pruning, Store};

use crate::Failure;
use crate::figures::{Figures, mib};

/// Which store.
#[derive(Debug, Clone, clap::Args)]
pub struct RetentionArgs {
    /// A state directory, such as `load store --keep DIR` leaves; it is changed.
    state: std::path::PathBuf,
}

const DAY: Duration = Duration::from_secs(86_400);
/// What the items are spread over, and what of it is kept.
const DAYS: u32 = 395;
const KEPT_DAYS: u32 = 365;
/// Between two steps, and between two writes of the other.
const STEP_PAUSE: Duration = Duration::from_millis(20);
const WRITE_PAUSE: Duration = Duration::from_millis(5);

/// Prunes a store that was kept.
pub fn retention(args: &RetentionArgs, figures: &Figures) -> Result<(), Failure> {
    let items = Store::open(&args.state, Access::Read)?.totals()?.items;
    measure(&args.state, items, figures)
}

/// Lets the oldest month of a store go.
pub fn measure(state: &Path, size: u64, figures: &Figures) -> Result<(), Failure> {
    let now = Clock::system().now();
    age(&state.join(DATABASE_FILE), now)?;
    let store = Store::open(state, Access::Own)?;
    while store.index_batch()? {}
    store.checkpoint()?;
    let days = |days: u32| Some(DAY * days);
    let ages = Ages {
        texts: days(KEPT_DAYS),
        items: days(KEPT_DAYS),
        keys: days(2 * KEPT_DAYS),
        deliveries: days(KEPT_DAYS),
        changes: days(7),
    };
    let (over, mut steps, mut pruning) = (AtomicBool::new(false), Vec::new(), Pruning::default());
    let began = Instant::now();
    let mut waits = std::thread::scope(|scope| -> Result<Vec<Duration>, Failure> {
        let writer = scope.spawn(|| writes(&store, &over));
        let pruned = prune(&store, &ages, now, &mut pruning, &mut steps);
        over.store(true, Ordering::Relaxed);
        let waits = writer.join().map_err(|_| "the other writer ended")??;
        pruned.map(|()| waits)
    })?;
    let wall = began.elapsed();
    let before = waits.len();
    // The same writer alone.
    over.store(false, Ordering::Relaxed);
    let mut alone = std::thread::scope(|scope| {
        let writer = scope.spawn(|| writes(&store, &over));
        std::thread::sleep(Duration::from_secs(2));
        over.store(true, Ordering::Relaxed);
        writer.join().map_err(|_| Failure::from("the other writer ended"))?
    })?;
    steps.sort_unstable();
    waits.sort_unstable();
    alone.sort_unstable();
    let ms = |sorted: &[Duration], share: usize| {
        let at = (sorted.len() * share / 1000).min(sorted.len().saturating_sub(1));
        sorted.get(at).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    };
    let busy: Duration = steps.iter().sum();
    let removed = pruning.pruned.items;
    if let Some(verdict) = store.integrity()? {
        return Err(verdict.into());
    }
    store.check_search()?;
    let values = [
        ("items", removed as f64),
        ("texts", pruning.pruned.texts as f64),
        ("wall_s", wall.as_secs_f64()),
        ("busy_s", busy.as_secs_f64()),
        ("steps", steps.len() as f64),
        ("step_p50_ms", ms(&steps, 500)),
        ("step_p99_ms", ms(&steps, 990)),
        ("step_max_ms", ms(&steps, 1000)),
        ("busy_s_per_100k", busy.as_secs_f64() * 1e5 / removed.max(1) as f64),
        ("writes", before as f64),
        ("write_p99_ms", ms(&waits, 990)),
        ("write_max_ms", ms(&waits, 1000)),
        ("write_alone_p99_ms", ms(&alone, 990)),
        ("write_alone_max_ms", ms(&alone, 1000)),
        ("database_mib", mib(store.database_bytes())),
    ];
    figures.tell("retention", size, &values)
}

fn prune(
    store: &Store,
    ages: &Ages,
    now: Timestamp,
    pruning: &mut Pruning,
    steps: &mut Vec<Duration>,
) -> Result<(), Failure> {
    loop {
        let began = Instant::now();
        let more = store.prune_step(pruning, ages, now)?;
        steps.push(began.elapsed());
        if !more {
            return Ok(());
        }
        if store.log_bytes() > LOG_BYTES {
            store.checkpoint_passive()?;
        }
        std::thread::sleep(STEP_PAUSE);
    }
}

/// Writes a small value again and again; how long each took.
fn writes(store: &Store, over: &AtomicBool) -> Result<Vec<Duration>, Failure> {
    let mut took = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        store.note("beside retention", "a write")?;
        took.push(began.elapsed());
        std::thread::sleep(WRITE_PAUSE);
    }
    Ok(took)
}

/// Spreads what is in the store over its days, in the order it came.
fn age(database: &Path, now: Timestamp) -> Result<(), Failure> {
    let connection = rusqlite::Connection::open(database)?;
    let now = now.millis();
    let span = i64::try_from((DAY * DAYS).as_millis())?;
    let last: i64 = connection.query_row("SELECT max(seq) FROM items", [], |row| row.get(0))?;
    let at = format!("{now} - ({last} - seq) * {} / 1000", span * 1000 / last.max(1));
    connection.execute_batch(&format!(
        "PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -400000; BEGIN;
         UPDATE items SET first_seen = {at};
         UPDATE text_blocks SET newest = (SELECT max(first_seen) FROM items WHERE seq BETWEEN text_blocks.seq AND last_seq);
         UPDATE sightings SET seen_at = {at};
         UPDATE stories SET first_seen = times.first, last_seen = times.last
             FROM (SELECT story, min(first_seen) AS first, max(first_seen) AS last FROM items GROUP BY story) AS times
             WHERE stories.id = times.story;
         UPDATE stories SET on_topic_at = last_seen;
         UPDATE alerts SET at = coalesce((SELECT first_seen FROM items WHERE id = alerts.item), at);
         COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"
    ))?;
    Ok(())
}
