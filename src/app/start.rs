//! Start: store → memory → delivery → ingest → sources → HTTP. What can fail is done before anything
//! runs; what runs is supervised: a part that ends unasked stops the process in order.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::compile;
use crate::clock::Clock;
use crate::config::Config;
use crate::deliver::console::Console;
use crate::deliver::{Delivery, DeliveryCounters, DeliveryError, DeliveryRules, DeliveryWaker, QueueSummary};
use crate::http::{self, Readiness};
use crate::ingest::{Ingest, IngestError};
use crate::net::NetError;
use crate::pipeline::Rules;
use crate::source::feed::counters::PollCounters;
use crate::source::feed::poll::{PollReport, Poller, PollerConfig, PollerLinks, Which};
use crate::source::parser::Parser;
use crate::source::seed::{ScanSummary, SeedInputs, SeedWatcher};
use crate::source::{BATCHES_WAITING_MAX, Batch, BatchSender};
use crate::store::{Access, Store, StoreError};

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
    pub(super) sources: Vec<Task>,
    pub(super) sources_cancel: CancellationToken,
    pub(super) ingest: oneshot::Receiver<Result<(), IngestError>>,
    pub(super) ingest_cancel: CancellationToken,
    pub(super) delivery: JoinHandle<Result<(), DeliveryError>>,
    pub(super) delivery_cancel: CancellationToken,
    pub(super) http: Option<JoinHandle<std::io::Result<()>>>,
    pub(super) http_cancel: CancellationToken,
    pub(super) readiness: watch::Sender<Readiness>,
    pub(super) stop_timeout: Duration,
}

pub(super) struct Task {
    pub(super) name: &'static str,
    pub(super) handle: JoinHandle<()>,
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
    pub(super) rules: Arc<DeliveryRules>,
    pub(super) waker: DeliveryWaker,
    pub(super) batches: BatchSender,
    pub(super) ingest: oneshot::Receiver<Result<(), IngestError>>,
    pub(super) ingest_cancel: CancellationToken,
}

impl App {
    /// Starts everything and returns when it works.
    ///
    /// # Errors
    /// [`AppError`]; nothing runs on then.
    pub async fn start(parts: Parts) -> Result<Self, AppError> {
        let Parts { config, clock, console } = parts;
        let spine = Spine::open(&config, &clock)?;
        let listener = listen(&config).await?;
        let parser = Parser::new(threads(&config));
        let poller = poller(&config, &clock, &spine, &parser)?;
        let watcher = watcher(&config, &clock, &spine, &parser)?;
        let Spine { store, rules, waker, batches, ingest, ingest_cancel } = spine;
        // Only the sources hold senders: when they end, ingest drains and ends too.
        drop(batches);

        let delivery_cancel = CancellationToken::new();
        let (_, rules) = watch::channel(rules);
        let delivery =
            Delivery { store: store.clone(), clock, rules, waker, console, counters: DeliveryCounters::default() };
        let delivery = tokio::spawn(delivery.run(delivery_cancel.clone()));

        let sources_cancel = CancellationToken::new();
        let mut sources = vec![Task { name: "poller", handle: tokio::spawn(poller.run(sources_cancel.clone())) }];
        if let Some(watcher) = watcher {
            sources.push(Task { name: "seed watcher", handle: tokio::spawn(watcher.run(sources_cancel.clone())) });
        }

        let (readiness, ready) = watch::channel(Readiness::ready());
        let http_cancel = CancellationToken::new();
        let http_address = listener.as_ref().and_then(|l| l.local_addr().ok());
        let http = listener.map(|listener| tokio::spawn(http::serve(listener, ready, http_cancel.clone())));
        Ok(Self {
            store,
            http_address,
            sources,
            sources_cancel,
            ingest,
            ingest_cancel,
            delivery,
            delivery_cancel,
            http,
            http_cancel,
            readiness,
            stop_timeout: config.daemon.stop_timeout,
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
        let poller = poller(&config, &clock, &spine, &parser)?;
        let watcher = watcher(&config, &clock, &spine, &parser)?;
        let cancel = CancellationToken::new();
        let seeds = match watcher {
            Some(watcher) => Some(watcher.scan_once(cancel.clone()).await),
            None => None,
        };
        let polls = poller.poll_once(&Which::Due, &cancel).await;
        let Spine { store, rules, waker, batches, ingest, .. } = spine;
        drop(batches);
        ingest.await.map_err(|_| AppError::Ended("decision loop"))??;
        let (_, rules) = watch::channel(rules);
        let delivery =
            Delivery { store: store.clone(), clock, rules, waker, console, counters: DeliveryCounters::default() };
        let deliveries = delivery.deliver_due_once(cancel).await?;
        store.checkpoint()?;
        Ok(Once { seeds, polls, deliveries })
    }

    /// Returns when a part ended that should run on.
    pub async fn failed(&mut self) -> AppError {
        let source = async {
            let (ended, at, _) = futures_util::future::select_all(self.sources.iter_mut().map(|t| &mut t.handle)).await;
            (ended.is_ok(), at)
        };
        tokio::select! {
            (_, at) = source => AppError::Ended(self.sources[at].name),
            ended = &mut self.ingest => match ended {
                Ok(Err(error)) => error.into(),
                Ok(Ok(())) | Err(_) => AppError::Ended("decision loop"),
            },
            ended = &mut self.delivery => match ended {
                Ok(Err(error)) => error.into(),
                Ok(Ok(())) | Err(_) => AppError::Ended("delivery"),
            },
        }
    }
}

impl Spine {
    pub(super) fn open(config: &Config, clock: &Clock) -> Result<Self, AppError> {
        let rules = compile::rules(config).map_err(|problems| AppError::Rules(problems.len()))?;
        let store = Store::open(&config.daemon.state_dir, Access::Own)?;
        let window = config.memory.copies_window.max(config.memory.story_window);
        let mut ledger = store.recall(config.memory, clock.now().minus(window), &rules.alert)?;
        if let Some(instance) = &config.daemon.instance {
            ledger.instance.clone_from(instance);
        }
        info!(items = ledger.len(), state_dir = %config.daemon.state_dir.display(), "store opened");
        let waker = DeliveryWaker::new();
        let (batches, receiver) = mpsc::channel::<Batch>(BATCHES_WAITING_MAX);
        let ingest_cancel = CancellationToken::new();
        let (_, rules) = watch::channel::<Arc<Rules>>(Arc::new(rules));
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
        };
        let (ended, ingest_end) = oneshot::channel();
        std::thread::Builder::new()
            .name("ingest".to_owned())
            .spawn(move || {
                // Nobody waits for the verdict only when the process is already ending.
                let _ = ended.send(ingest.run(receiver));
            })
            .map_err(|source| AppError::System { doing: "start the decision thread", source })?;
        let rules = DeliveryRules { config: config.delivery.clone(), endpoints: config.endpoints.clone() };
        Ok(Self { store, rules: Arc::new(rules), waker, batches, ingest: ingest_end, ingest_cancel })
    }
}

pub(super) fn threads(config: &Config) -> usize {
    config.daemon.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(2)
}

pub(super) fn poller(config: &Config, clock: &Clock, spine: &Spine, parser: &Parser) -> Result<Poller, AppError> {
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
        hold: watch::channel(false).1,
        counters: Arc::new(PollCounters::default()),
    };
    Ok(Poller::new(config, links)?)
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

async fn listen(config: &Config) -> Result<Option<TcpListener>, AppError> {
    let Some(address) = config.http.listen else { return Ok(None) };
    TcpListener::bind(address).await.map(Some).map_err(|source| AppError::Listen { address, source })
}
