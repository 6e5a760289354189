//! The task that keeps the store: looks at the disk and holds the sources when it is nearly full, moves
//! the write-ahead log on, indexes for search, removes what is too old, and tells how things stand.
//! A failure of the disk ends it, and with it the process; nothing else does.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::health::{AppHealth, Gauges};
use crate::clock::Clock;
use crate::config::Config;
use crate::http::Readiness;
use crate::model::EndpointId;
use crate::source::quarantine::held_documents;
use crate::source::{IngestMessage, IngestSender};
use crate::store::{Ages, LOG_BYTES, Pruned, Pruning, Store, StoreError};
use crate::text::clean;
use crate::view::active_silences;

/// How often disk, log and backlog are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often retention runs; the first time soon after the start, but not in its way.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
const PRUNE_FIRST_AFTER: Duration = Duration::from_secs(120);
/// Between two steps of retention, so that ingest has its turns.
const STEP_PAUSE: Duration = Duration::from_millis(20);
/// The same between the small batches of the index.
const INDEX_PAUSE: Duration = Duration::from_millis(10);
/// So many items stored between two looks are a burst. The index would take the writer and a core from it,
/// so it waits for the next look, but not more often than this in a row: its lag stays bounded.
const BURST_ITEMS: u64 = 200;
const GIVE_WAY_MAX: u32 = 8;
/// Batches of the index in one turn.
const INDEX_BATCHES_MAX: usize = 150;
/// A log this long means that something reads for too long, or the disk is too slow.
const LOG_BYTES_WARN: u64 = 256 << 20;
/// The hold ends only with so much more than the reserve free, or it would flap.
const HOLD_ENDS_AT_PERCENT: u64 = 110;

/// What the keeper is connected to.
pub(super) struct KeeperLinks {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) gauges: Gauges,
    pub(super) hold: watch::Sender<bool>,
    /// The way to the decision loop, to wake it for what people asked of it.
    pub(super) to_ingest: IngestSender,
    pub(super) readiness: Arc<watch::Sender<Readiness>>,
    pub(super) health: watch::Sender<AppHealth>,
}

/// The task.
pub(super) struct Keeper {
    links: KeeperLinks,
    /// The store's last passing trouble: said once.
    troubled: bool,
    log_warned: bool,
    /// What the store had taken when the index was last held back by it, and how often in a row that was.
    arrivals: u64,
    gave_way: u32,
    /// The last pass of retention, or the one under way: it goes on between looks at the disk, step by step,
    /// however long it takes.
    pruning: Pruning,
    prunes: bool,
}

impl Keeper {
    pub(super) fn new(links: KeeperLinks) -> Self {
        Self {
            links,
            troubled: false,
            log_warned: false,
            arrivals: 0,
            gave_way: 0,
            pruning: Pruning::default(),
            prunes: false,
        }
    }

    /// Keeps the store until cancelled.
    ///
    /// # Errors
    /// [`StoreError`] when the store can no longer be trusted.
    pub(super) async fn run(mut self, cancel: CancellationToken) -> Result<(), StoreError> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut prune = tokio::time::interval_at(tokio::time::Instant::now() + PRUNE_FIRST_AFTER, PRUNE_EVERY);
        loop {
            let turned = tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                _ = look.tick() => self.look(&cancel).await,
                _ = prune.tick() => {
                    self.begin_retention();
                    Ok(())
                }
                () = tokio::time::sleep(STEP_PAUSE), if self.prunes => {
                    self.retention_step().await
                }
            };
            match turned {
                Ok(()) => self.troubled = false,
                Err(error) if error.is_passing() => {
                    if !std::mem::replace(&mut self.troubled, true) {
                        warn!(%error, "store cannot be kept for now, will try again");
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn look(&mut self, cancel: &CancellationToken) -> Result<(), StoreError> {
        let config = self.links.config.borrow().clone();
        let endpoints: Vec<EndpointId> = config.endpoints.iter().filter(|e| e.enabled).map(|e| e.id.clone()).collect();
        let (asked, now) = (config.clone(), self.links.clock.now());
        let looked = self.links.store.blocking(move |store| {
            let free = store.free_bytes();
            let checkpointed =
                if store.log_bytes() > LOG_BYTES { store.checkpoint_passive().map(|_| ()) } else { Ok(()) };
            let feeds = asked.feeds.iter().filter(|feed| feed.enabled).map(|feed| &feed.id);
            let standing = store.standing(feeds, &endpoints);
            let standing =
                standing.and_then(|standing| Ok((standing, active_silences(&asked, store, now)?, store.nodes()?)));
            (free, checkpointed, standing, store.corrections_waiting(), store.database_bytes(), store.log_bytes())
        });
        let (free, checkpointed, standing, corrections, database_bytes, log_bytes) = looked.await;
        let error =
            [free.as_ref().err(), checkpointed.as_ref().err(), standing.as_ref().err()].into_iter().flatten().next();
        let mut health = AppHealth {
            standing: self.links.health.borrow().standing.clone(),
            silences: self.links.health.borrow().silences.clone(),
            nodes: self.links.health.borrow().nodes.clone(),
            quarantined: held_documents(&config.daemon.state_dir),
            free_bytes: self.links.health.borrow().free_bytes,
            database_bytes,
            log_bytes,
            holding: *self.links.hold.borrow(),
            store_error: error
                .map(|error| clean::excerpt(&error.to_string(), 200))
                .or_else(|| self.links.gauges.outage.reason()),
        };
        if let Ok(free) = &free {
            health.free_bytes = *free;
            health.holding = self.hold(*free, config.daemon.free_space_bytes_min);
        }
        self.mind_log(log_bytes);
        if let Ok((standing, silences, nodes)) = &standing {
            health.standing.clone_from(standing);
            health.silences.clone_from(silences);
            health.nodes.clone_from(nodes);
        }
        let readiness = self.links.gauges.readiness(&config, &health, self.links.clock.now());
        self.links.readiness.send_if_modified(|told| std::mem::replace(told, readiness.clone()) != readiness);
        self.wake_for(corrections?);
        let lag = health.standing.search_lag;
        self.links.health.send_replace(health);
        free?;
        checkpointed?;
        standing?;
        if lag > 0 { self.index(cancel).await } else { Ok(()) }
    }

    /// The decision loop carries out corrections before each batch; it is woken for them when none comes.
    fn wake_for(&self, corrections: bool) {
        if corrections {
            // A queue that is full brings it round as well.
            let _ = self.links.to_ingest.try_send(IngestMessage::Wake);
        }
    }

    /// Holds or releases the sources; says so once.
    fn hold(&self, free_bytes: u64, reserve_bytes: u64) -> bool {
        let holding = *self.links.hold.borrow();
        let hold = is_short(holding, free_bytes, reserve_bytes);
        if hold != holding {
            let (free_mib, reserve_mib) = (free_bytes >> 20, reserve_bytes >> 20);
            if hold {
                error!(free_mib, reserve_mib, "disk nearly full, nothing new is taken until there is room");
            } else {
                info!(free_mib, reserve_mib, "room on the disk again, new items are taken");
            }
            self.links.hold.send_replace(hold);
        }
        hold
    }

    fn mind_log(&mut self, log_bytes: u64) {
        let long = log_bytes >= LOG_BYTES_WARN;
        if long && !self.log_warned {
            warn!(mib = log_bytes >> 20, "write-ahead log does not shrink: is another program reading the database?");
        }
        self.log_warned = long;
    }

    async fn index(&mut self, cancel: &CancellationToken) -> Result<(), StoreError> {
        if self.gives_way() {
            return Ok(());
        }
        for _ in 0..INDEX_BATCHES_MAX {
            if cancel.is_cancelled() || *self.links.hold.borrow() {
                return Ok(());
            }
            if !self.links.store.blocking(Store::index_batch).await? {
                self.gave_way = 0;
                return Ok(());
            }
            tokio::time::sleep(INDEX_PAUSE).await;
            if self.gives_way() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether much was stored since this was last found, and the index may still wait.
    fn gives_way(&mut self) -> bool {
        let arrivals = self.links.store.arrivals();
        if arrivals - self.arrivals < BURST_ITEMS || self.gave_way >= GIVE_WAY_MAX {
            return false;
        }
        self.arrivals = arrivals;
        self.gave_way += 1;
        true
    }

    /// Its time has come; a pass that is still under way goes on instead.
    fn begin_retention(&mut self) {
        if !std::mem::replace(&mut self.prunes, true) {
            self.pruning = std::mem::take(&mut self.pruning).again();
        }
    }

    async fn retention_step(&mut self) -> Result<(), StoreError> {
        let (mut pruning, ages, now) =
            (std::mem::take(&mut self.pruning), ages(&self.links.config.borrow()), self.links.clock.now());
        let step = move |store: &Store| (store.prune_step(&mut pruning, &ages, now), pruning);
        let (more, pruning) = self.links.store.blocking(step).await;
        let pruned @ Pruned { texts, items, keys, deliveries, changes } = pruning.pruned;
        self.pruning = pruning;
        if more.as_ref().is_ok_and(|more| *more) {
            return Ok(());
        }
        // What a failure cut short goes on in an hour.
        self.prunes = false;
        if pruned.is_empty() {
            debug!("nothing is older than its retention");
        } else {
            info!(texts, items, keys, deliveries, changes, "removed what was older than its retention");
        }
        more.map(|_| ())
    }
}

/// Whether the disk has too little room to take anything new; where that was so, a little more is wanted.
fn is_short(holding: bool, free_bytes: u64, reserve_bytes: u64) -> bool {
    let wanted = if holding { reserve_bytes.saturating_mul(HOLD_ENDS_AT_PERCENT) / 100 } else { reserve_bytes };
    free_bytes < wanted
}

/// The config's ages, as the store knows them.
#[must_use]
pub fn ages(config: &Config) -> Ages {
    let kept = &config.retention;
    Ages { texts: kept.texts, items: kept.items, keys: kept.keys, deliveries: kept.deliveries, changes: kept.changes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hold_begins_below_the_reserve_and_ends_a_tenth_above_it() {
        let mut holding = false;
        for (free, expected) in
            [(1000, false), (999, true), (1000, true), (1099, true), (1100, false), (1000, false), (999, true)]
        {
            holding = is_short(holding, free, 1000);
            assert_eq!(holding, expected, "{free} bytes free of a reserve of 1000");
        }
        assert!(!is_short(false, 0, 0) && !is_short(true, 0, 0), "no reserve, no hold");
    }
}
