//! Start: store → memory → delivery → ingest → sources → HTTP. What can fail is done before anything
//! runs; what runs is supervised: a part that ends unasked stops the process in order.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::health::{self, Gauges, Health};
use super::keep::Keeper;
use super::reload::{RELOAD_FILE, ReloadRecord};
use super::{compile, measure};
use crate::clock::Clock;
use crate::config::Config;
use crate::deliver::console::Console;
use crate::deliver::{Delivery, DeliveryCounters, DeliveryError, DeliveryRules, DeliveryWaker, QueueSummary};
use crate::http::{self, Readiness};
use crate::ingest::{Ingest, IngestError, IngestLinks};
use crate::model::Timestamp;
use crate::net::{Client, NetError};
use crate::pipeline::Rules;
use crate::source::feed::polling::counters::PollCounters;
use crate::source::feed::polling::pages::KnownItems;
use crate::source::feed::polling::poller::{self, PollReport, Poller, PollerConfig, PollerLinks, Which};
use crate::source::feed::polling::rules::PollRules;
use crate::source::parser::Parser;
use crate::source::seed::{ScanSummary, SeedInputs, SeedStatus, SeedWatcher};
use crate::source::{IngestMessage, IngestSender, MESSAGES_WAITING_MAX};
use crate::store::{Access, Store, StoreError};
use crate::text::clean;

/// Why wirewatch cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A query of the config cannot be compiled; `check` shows where.
    #[error("compile {0} of the config's queries")]
    Rules(usize),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The decision loop.
    #[error("{0}")]
    Ingest(#[from] IngestError),
    /// Delivery.
    #[error("{0}")]
    Delivery(#[from] DeliveryError),
    /// The HTTP client cannot be made.
    #[error("prepare the HTTP client: {0}")]
    Client(#[from] NetError),
    /// The HTTP listener.
    #[error("listen on {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The operating system refused a thread, a signal handler or a socket.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A part ended that should run on.
    #[error("the {0} ended unasked")]
    Ended(&'static str),
}

/// What an [`App`] is made of; tests pass their own.
pub struct Parts {
    /// The checked config.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// Where `console` endpoints print.
    pub console: Console,
}

/// A running wirewatch.
pub struct App {
    /// The store.
    pub store: Store,
    /// Where HTTP listens, if it does.
    pub http_address: Option<std::net::SocketAddr>,
    pub(super) poller: JoinHandle<()>,
    pub(super) watcher: Watcher,
    pub(super) sources_cancel: CancellationToken,
    pub(super) keeper: JoinHandle<Result<(), StoreError>>,
    pub(super) keeper_cancel: CancellationToken,
    pub(super) live: Live,
    pub(super) ingest: oneshot::Receiver<Result<(), IngestError>>,
    pub(super) ingest_cancel: CancellationToken,
    pub(super) delivery: JoinHandle<Result<(), DeliveryError>>,
    pub(super) delivery_cancel: CancellationToken,
    pub(super) http: Option<JoinHandle<std::io::Result<()>>>,
    pub(super) http_cancel: CancellationToken,
    pub(super) readiness: Arc<watch::Sender<Readiness>>,
    /// The part that ended unasked: nobody waits for it again.
    pub(super) ended: Option<Part>,
}

/// A part that should run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Poller,
    Watcher,
    Keeper,
    Ingest,
    Delivery,
}

/// What a reload changes, and what it needs for that.
pub(super) struct Live {
    pub(super) config: Arc<Config>,
    pub(super) config_told: watch::Sender<Arc<Config>>,
    pub(super) clock: Clock,
    pub(super) parser: Parser,
    /// For a new seed watcher; `None` once the stop has begun.
    pub(super) batches: Option<IngestSender>,
    pub(super) client: Client,
    pub(super) rules: watch::Sender<Arc<Rules>>,
    pub(super) delivery_rules: watch::Sender<Arc<DeliveryRules>>,
    pub(super) polling: watch::Sender<Arc<PollRules>>,
    pub(super) seeds: watch::Sender<SeedStatus>,
    pub(super) reload: watch::Sender<Option<ReloadRecord>>,
    pub(super) gauges: Gauges,
    pub(super) health: watch::Receiver<Health>,
}

/// The task that watches the seed directory; it waits where there is none.
pub(super) struct Watcher {
    pub(super) handle: JoinHandle<()>,
    pub(super) cancel: CancellationToken,
}

/// What `run --once` did.
#[derive(Debug)]
pub struct Once {
    /// The seed directory; `None` when seeds are off.
    pub seeds: Option<ScanSummary>,
    /// Every feed that was due.
    pub polls: Vec<PollReport>,
    /// Deliveries.
    pub deliveries: QueueSummary,
}

/// The stages up to the store, ready for sources to connect.
pub(super) struct Spine {
    pub(super) store: Store,
    pub(super) rules: watch::Sender<Arc<Rules>>,
    pub(super) delivery: Arc<DeliveryRules>,
    pub(super) waker: DeliveryWaker,
    pub(super) batches: IngestSender,
    pub(super) ingest: oneshot::Receiver<Result<(), IngestError>>,
    pub(super) ingest_cancel: CancellationToken,
    /// Raised while the disk is nearly full.
    pub(super) hold: watch::Sender<bool>,
    pub(super) links: IngestLinks,
}

impl App {
    /// Starts everything and returns when it works.
    ///
    /// # Errors
    /// [`AppError`]; nothing runs on then.
    pub async fn start(parts: Parts) -> Result<Self, AppError> {
        let Parts { config, clock, console } = parts;
        let config = Arc::new(config);
        let spine = Spine::open(&config, &clock)?;
        let listener = listen(&config).await?;
        let parser = Parser::new(threads(&config));
        let client = poller::client(&config.polling)?;
        let counters = Arc::new(PollCounters::default());
        let poller = new_poller(&config, &clock, &spine, &parser, (client.clone(), counters.clone()))?;
        let (polling, poll_rules) = watch::channel(Arc::new(poll_rules(&config, client.clone())));
        let (config_told, config_heard) = watch::channel(config.clone());
        let (reload, reloaded) = watch::channel(None);
        let (seeds, seeds_heard) = watch::channel(SeedStatus::default());
        let Spine { store, rules, delivery, waker, batches, ingest, ingest_cancel, hold, links } = spine;

        let (delivery_told, delivery_rules) = watch::channel(delivery);
        let delivery_counters = DeliveryCounters::default();
        let gauges = Gauges::new(&links, (counters, delivery_counters.clone()), (seeds_heard, reloaded), clock.now());
        let delivery_cancel = CancellationToken::new();
        let delivery = {
            let (store, clock, rules, counters) = (store.clone(), clock.clone(), delivery_rules, delivery_counters);
            Delivery { store, clock, rules, waker, console, counters }
        };
        let delivery = tokio::spawn(delivery.run(delivery_cancel.clone()));

        let readiness = Arc::new(watch::channel(Readiness::ready()).0);
        let kept = (store.clone(), clock.clone(), config_heard.clone(), gauges.clone());
        let (keeper, health) = Keeper::new(kept, (hold, batches.clone()), readiness.clone());
        let keeper_cancel = CancellationToken::new();
        let keeper = tokio::spawn(keeper.run(keeper_cancel.clone()));

        let sources_cancel = CancellationToken::new();
        let poller = tokio::spawn(poller.following(poll_rules).run(sources_cancel.clone()));
        let served = measure::served(config_heard, &readiness, &gauges, &health, clock.clone());
        let (http_address, http, http_cancel) = serve(listener, served);
        let live = Live {
            config,
            config_told,
            clock,
            parser,
            batches: Some(batches),
            client,
            rules,
            delivery_rules: delivery_told,
            polling,
            seeds,
            reload,
            gauges,
            health,
        };
        let watcher = live.watcher(&store, None, &sources_cancel);
        Ok(Self {
            store,
            http_address,
            poller,
            watcher,
            sources_cancel,
            keeper,
            keeper_cancel,
            live,
            ingest,
            ingest_cancel,
            delivery,
            delivery_cancel,
            http,
            http_cancel,
            readiness,
            ended: None,
        })
    }

    /// Scans the seeds, polls what is due, delivers what is due, and ends.
    ///
    /// # Errors
    /// [`AppError`] when a stage failed for good.
    pub async fn run_once(parts: Parts) -> Result<Once, AppError> {
        let Parts { config, clock, console } = parts;
        let spine = Spine::open(&config, &clock)?;
        let parser = Parser::new(threads(&config));
        let client = poller::client(&config.polling)?;
        let poller = new_poller(&config, &clock, &spine, &parser, (client, Arc::default()))?;
        let watcher = watcher(&config, &clock, &spine, &parser)?;
        let cancel = CancellationToken::new();
        let seeds = match watcher {
            Some(watcher) => Some(watcher.scan_once(cancel.clone()).await),
            None => None,
        };
        let polls = poller.poll_once(&Which::Due, &cancel).await;
        let Spine { store, delivery, waker, batches, ingest, .. } = spine;
        drop(batches);
        ingest.await.map_err(|_| AppError::Ended("decision loop"))??;
        let (_, rules) = watch::channel(delivery);
        let delivery =
            Delivery { store: store.clone(), clock, rules, waker, console, counters: DeliveryCounters::default() };
        let deliveries = delivery.deliver_due_once(cancel).await?;
        store.checkpoint()?;
        Ok(Once { seeds, polls, deliveries })
    }

    /// Returns when a part ended that should run on.
    pub async fn failed(&mut self) -> AppError {
        let (part, error) = tokio::select! {
            _ = &mut self.poller => (Part::Poller, AppError::Ended("poller")),
            _ = &mut self.watcher.handle => (Part::Watcher, AppError::Ended("seed watcher")),
            ended = &mut self.keeper => (Part::Keeper, match ended {
                Ok(Err(error)) => error.into(),
                Ok(Ok(())) | Err(_) => AppError::Ended("keeper of the store"),
            }),
            ended = &mut self.ingest => (Part::Ingest, match ended {
                Ok(Err(error)) => error.into(),
                Ok(Ok(())) | Err(_) => AppError::Ended("decision loop"),
            }),
            ended = &mut self.delivery => (Part::Delivery, match ended {
                Ok(Err(error)) => error.into(),
                Ok(Ok(())) | Err(_) => AppError::Ended("delivery"),
            }),
        };
        self.ended = Some(part);
        error
    }

    /// The loops that hang, by name.
    #[must_use]
    pub fn stuck(&self) -> Vec<&'static str> {
        self.live.gauges.stuck(self.live.clock.now())
    }

    /// How things stand, as a sentence for `systemctl status`.
    #[must_use]
    pub fn status_line(&self) -> String {
        health::sentence(&self.live.config, &self.live.health.borrow(), &self.stuck(), self.live.clock.now())
    }

    /// The filter for log lines that the config asks for.
    #[must_use]
    pub fn log_level(&self) -> &str {
        &self.live.config.daemon.log
    }

    /// Whether the config is reloaded when its files change.
    #[must_use]
    pub fn reloads_on_change(&self) -> bool {
        self.live.config.daemon.reload_on_change
    }

    /// The time as this wirewatch sees it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.live.clock.now()
    }

    /// The seed directory is followed by other rules from now on; what is in flight ends first.
    pub(super) fn replace_watcher(&mut self) {
        let idle = CancellationToken::new();
        let placeholder = Watcher { handle: tokio::spawn(async {}), cancel: idle };
        let old = std::mem::replace(&mut self.watcher, placeholder);
        self.watcher = self.live.watcher(&self.store, Some(old), &self.sources_cancel);
    }
}

impl Live {
    /// A watcher that begins when its predecessor has ended.
    fn watcher(&self, store: &Store, before: Option<Watcher>, sources_cancel: &CancellationToken) -> Watcher {
        let cancel = sources_cancel.child_token();
        let inputs = self.batches.clone().map(|batches| SeedInputs {
            config: self.config.seeds.clone(),
            limits: self.config.limits,
            clock: self.clock.clone(),
            parser: self.parser.clone(),
            batches,
        });
        let (store, seeds, pulse, ours) =
            (store.clone(), self.seeds.clone(), self.gauges.pulses.seeds.clone(), cancel.clone());
        let handle = tokio::spawn(async move {
            if let Some(before) = before {
                before.cancel.cancel();
                // However it ended, its successor begins.
                let _ = before.handle.await;
            }
            let Some(inputs) = inputs.filter(|inputs| inputs.config.dir.is_some()) else {
                seeds.send_replace(SeedStatus::default());
                return ours.cancelled().await;
            };
            match tokio::task::spawn_blocking(move || store.seed_files()).await {
                Ok(Ok(known)) => SeedWatcher::new(inputs, known).telling(seeds, pulse).run(ours).await,
                Ok(Err(error)) => error!(%error, "seed files cannot be read from the store"),
                Err(error) => error!(%error, "seed files cannot be read from the store"),
            }
        });
        Watcher { handle, cancel }
    }
}

impl Spine {
    pub(super) fn open(config: &Config, clock: &Clock) -> Result<Self, AppError> {
        let rules = compile::rules(config).map_err(|problems| AppError::Rules(problems.len()))?;
        for problem in compile::warnings(&rules, config) {
            warn!(problem = %clean::one_line(&problem.what), "config warning");
        }
        let store = Store::open(&config.daemon.state_dir, Access::Own)?;
        // A start takes the config whole: what a reload said before says nothing any more.
        let _ = std::fs::remove_file(config.daemon.state_dir.join(RELOAD_FILE));
        let window = config.memory.copies_window.max(config.memory.story_window);
        let corrected = store.carry_out_corrections(clock.now())?.len();
        if corrected > 0 {
            info!(corrected, "stories corrected by hand");
        }
        let mut ledger = store.recall(config.memory, clock.now().minus(window))?;
        if let Some(instance) = &config.daemon.instance {
            ledger.instance.clone_from(instance);
        }
        info!(items = ledger.len(), state_dir = %config.daemon.state_dir.display(), "store opened");
        let waker = DeliveryWaker::new();
        let (batches, receiver) = mpsc::channel::<IngestMessage>(MESSAGES_WAITING_MAX);
        let ingest_cancel = CancellationToken::new();
        let (rules_told, rules) = watch::channel::<Arc<Rules>>(Arc::new(rules));
        let (hold, held) = watch::channel(false);
        let links = IngestLinks { hold: held, ..IngestLinks::default() };
        let wake = waker.clone();
        let ingest = Ingest {
            store: store.clone(),
            rules,
            ledger,
            window,
            clock: clock.clone(),
            wake: Box::new(move || wake.wake()),
            threads: threads(config),
            cancel: ingest_cancel.clone(),
            links: links.clone(),
            unchanged: Arc::default(),
        };
        let (ended, ingest_end) = oneshot::channel();
        std::thread::Builder::new()
            .name("ingest".to_owned())
            .spawn(move || {
                // Nobody waits for the verdict only when the process is already ending.
                let _ = ended.send(ingest.run(receiver));
            })
            .map_err(|source| AppError::System { doing: "start the decision thread", source })?;
        let delivery = DeliveryRules { config: config.delivery.clone(), endpoints: config.endpoints.clone() };
        Ok(Self {
            store,
            rules: rules_told,
            delivery: Arc::new(delivery),
            waker,
            batches,
            ingest: ingest_end,
            ingest_cancel,
            hold,
            links,
        })
    }
}

pub(super) fn threads(config: &Config) -> usize {
    config.daemon.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(2)
}

fn poll_rules(config: &Config, client: Client) -> PollRules {
    // Nobody reads those of the start: the poller has its feeds, and heeds what comes after.
    PollRules { feeds: Vec::new(), polling: config.polling.clone(), limits: config.limits, client, states: Vec::new() }
}

pub(super) fn new_poller(
    config: &Config,
    clock: &Clock,
    spine: &Spine,
    parser: &Parser,
    (client, counters): (Client, Arc<PollCounters>),
) -> Result<Poller, AppError> {
    let states = spine.store.feed_states()?;
    let config = PollerConfig {
        feeds: config.feeds.iter().filter(|feed| feed.enabled).cloned().collect(),
        polling: config.polling.clone(),
        limits: config.limits,
        states,
    };
    let links = PollerLinks {
        batches: spine.batches.clone(),
        parser: parser.clone(),
        clock: clock.clone(),
        hold: spine.hold.subscribe(),
        counters,
        known: known_items(&spine.store),
    };
    Ok(Poller::with_client(config, links, client))
}

/// Which items need no page any more, as the poller asks.
fn known_items(store: &Store) -> KnownItems {
    let store = store.clone();
    Arc::new(move |ids| {
        let known = store.known_items(ids);
        known.map_err(|error| warn!(%error, "known items cannot be looked up, no pages are fetched")).ok()
    })
}

fn watcher(config: &Config, clock: &Clock, spine: &Spine, parser: &Parser) -> Result<Option<SeedWatcher>, AppError> {
    if config.seeds.dir.is_none() {
        return Ok(None);
    }
    let inputs = SeedInputs {
        config: config.seeds.clone(),
        limits: config.limits,
        clock: clock.clone(),
        parser: parser.clone(),
        batches: spine.batches.clone(),
    };
    Ok(Some(SeedWatcher::new(inputs, spine.store.seed_files()?)))
}

/// Where the listener is, its task, and its end.
type Serving = (Option<std::net::SocketAddr>, Option<JoinHandle<std::io::Result<()>>>, CancellationToken);

fn serve(listener: Option<TcpListener>, served: http::Served) -> Serving {
    let cancel = CancellationToken::new();
    let address = listener.as_ref().and_then(|l| l.local_addr().ok());
    let task = listener.map(|listener| tokio::spawn(http::serve(listener, served, cancel.clone())));
    (address, task, cancel)
}

async fn listen(config: &Config) -> Result<Option<TcpListener>, AppError> {
    let Some(address) = config.http.listen else { return Ok(None) };
    TcpListener::bind(address).await.map(Some).map_err(|source| AppError::Listen { address, source })
}
