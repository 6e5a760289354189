//! The stages up to the store, ready for sources to connect: what a daemon and a command that runs once have
//! in common. A command connects its sources, waits for them, and calls [`CoreStages::finish_once`].

use std::ffi::OsString;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::departed::{DepartedEndpoint, Departures};
use super::error::{AppError, AppPart};
use super::{compile, silences};
use crate::clock::Clock;
use crate::config::{Config, RELOAD_FILE};
use crate::deliver::console::Console;
use crate::deliver::{
    Delivery, DeliveryCounters, DeliveryPart, DeliveryRules, DeliveryWaker, PayloadFormat, QueueSummary,
};
use crate::failpoint::Planted;
use crate::ingest::{Ingest, IngestError, IngestLinks};
use crate::model::Timestamp;
use crate::net::Client;
use crate::pipeline::Ledger;
use crate::pipeline::Rules;
use crate::source::feed::FeedConfig;
use crate::source::feed::last_documents::LastDocuments;
use crate::source::feed::polling::counters::PollCounters;
use crate::source::feed::polling::pages::KnownItems;
use crate::source::feed::polling::poller::{Poller, PollerLinks};
use crate::source::feed::polling::rules::PollRules;
use crate::source::parser::Parser;
use crate::source::quarantine::Quarantine;
use crate::source::seed::{SeedInputs, SeedWatcher};
use crate::source::websub::PollHubs;
use crate::source::{IngestMessage, IngestSender, MESSAGES_WAITING_MAX};
use crate::store::{Access, FollowedMemory, RecalledFrom, Store, StoreError, outbox};
use crate::text::clean;

/// Store, decision loop, and what delivery will need.
pub(super) struct CoreStages {
    pub(super) store: Store,
    /// By which what is sent is claimed and recorded.
    pub(super) outbox: Store,
    pub(super) clock: Clock,
    pub(super) rules: watch::Sender<Arc<Rules>>,
    pub(super) delivery: Arc<DeliveryRules>,
    pub(super) waker: DeliveryWaker,
    pub(super) to_ingest: IngestSender,
    pub(super) ingest: oneshot::Receiver<Result<(), IngestError>>,
    pub(super) ingest_cancel: CancellationToken,
    /// Raised while the disk is nearly full.
    pub(super) hold: watch::Sender<bool>,
    pub(super) links: IngestLinks,
    /// What of the feeds' documents need not be read again.
    pub(super) last_documents: LastDocuments,
    /// Endpoints that are not in the config any more, and for which alerts are kept.
    pub(super) departed: Vec<DepartedEndpoint>,
    /// The files of the seed directory that were closed a moment before.
    pub(super) lately_closed: Vec<OsString>,
}

/// What a process brings that stood by until its turn came.
pub struct Leadership {
    /// The store, for the one that decides.
    pub(super) store: Store,
    /// The memory that followed it, where there was time for one.
    pub(super) memory: Option<Box<FollowedMemory>>,
    /// The files of the seed directory that were closed a moment ago.
    pub(super) lately_closed: Vec<OsString>,
    /// The store to write into beside whoever decides: what is sent is recorded there, whoever that is by then.
    pub(super) beside: Store,
}

impl CoreStages {
    pub(super) fn open(config: &Config, clock: &Clock) -> Result<Self, AppError> {
        Self::open_as(config, clock, None)
    }

    /// The same for who stood by.
    pub(super) fn open_as(config: &Config, clock: &Clock, leadership: Option<Leadership>) -> Result<Self, AppError> {
        let mut rules = compile::rules(config).map_err(|problems| AppError::Rules(problems.len()))?;
        for problem in compile::warnings(&rules, config) {
            warn!(problem = %clean::one_line(&problem.what), "config warning");
        }
        let (store, outbox, followed, lately_closed) =
            if let Some(Leadership { store, memory, lately_closed, beside }) = leadership {
                (store, beside, memory, lately_closed)
            } else {
                let store = config.open_store(Access::Own)?;
                (store.clone(), store, None, Vec::new())
            };
        // A start takes the config whole: what a reload said before says nothing any more.
        let _ = std::fs::remove_file(config.daemon.state_dir.join(RELOAD_FILE));
        silences::date(&mut rules.alert.silences, config, &store, clock.now())?;
        let departures = Departures::at_start(&store, config, clock.now())?;
        departures.settle(&store, clock.now());
        departures.note(&store, config)?;
        departures.add_routes(&mut rules);
        let window = config.memory.copies_window.max(config.memory.story_window);
        let corrected = store.carry_out_corrections(clock.now())?.len();
        if corrected > 0 {
            info!(corrected, "stories corrected by hand");
        }
        let (mut ledger, recalled) = recall(&store, config, followed, clock.now().minus(window))?;
        if let Some(instance) = &config.daemon.instance {
            ledger.instance.clone_from(instance);
        }
        let recalled_after = report_recalled(&recalled);
        info!(items = ledger.len(), state_dir = %config.daemon.state_dir.display(), "store opened");
        let waker = DeliveryWaker::new();
        let (to_ingest, messages) = mpsc::channel::<IngestMessage>(MESSAGES_WAITING_MAX);
        let ingest_cancel = CancellationToken::new();
        let (rules_told, rules) = watch::channel::<Arc<Rules>>(Arc::new(rules));
        let (hold, held) = watch::channel(false);
        let links = IngestLinks { hold: held, ..IngestLinks::default() };
        let wake = waker.clone();
        let last_documents = LastDocuments::default();
        let ingest = Ingest {
            store: store.clone(),
            rules,
            ledger,
            recalled_after,
            window,
            clock: clock.clone(),
            wake: Box::new(move || wake.wake()),
            threads: threads(config),
            cancel: ingest_cancel.clone(),
            links: links.clone(),
            last_documents: last_documents.clone(),
        };
        let (ended, ingest_end) = oneshot::channel();
        std::thread::Builder::new()
            .name("ingest".to_owned())
            .spawn(move || {
                // Nobody waits for the verdict only when the process is already ending.
                let _ = ended.send(ingest.run(messages));
            })
            .map_err(|source| AppError::System { doing: "start the decision thread", source })?;
        let delivery = DeliveryRules { config: config.delivery.clone(), endpoints: config.endpoints.clone() };
        Ok(Self {
            store,
            outbox,
            clock: clock.clone(),
            rules: rules_told,
            delivery: Arc::new(delivery),
            waker,
            to_ingest,
            ingest: ingest_end,
            ingest_cancel,
            hold,
            links,
            last_documents,
            departed: departures.gone,
            lately_closed,
        })
    }

    /// A poller of these feeds of the config, with what the store remembers of them.
    pub(super) fn poller(
        &self,
        config: &Config,
        feeds: Vec<Arc<FeedConfig>>,
        parser: &Parser,
        client: Client,
        counters: Arc<PollCounters>,
        hubs: Option<PollHubs>,
    ) -> Result<Poller, AppError> {
        let rules = PollRules {
            feeds,
            polling: config.polling.clone(),
            limits: config.limits,
            client,
            states: self.store.feed_states()?,
        };
        let links = PollerLinks {
            ingest: self.to_ingest.clone(),
            parser: parser.clone(),
            clock: self.clock.clone(),
            hold: self.hold.subscribe(),
            counters,
            known: known_items(&self.store),
            hubs,
            last_documents: self.last_documents.clone(),
        };
        Ok(Poller::new(rules, links))
    }

    /// A watcher of the seed directory, if there is one.
    pub(super) fn seed_watcher(&self, config: &Config, parser: &Parser) -> Result<Option<SeedWatcher>, AppError> {
        if config.seeds.dir.is_none() {
            return Ok(None);
        }
        let inputs = SeedInputs {
            config: config.seeds.clone(),
            limits: config.limits,
            clock: self.clock.clone(),
            parser: parser.clone(),
            ingest: self.to_ingest.clone(),
            watched_since: self.store.watched_since(config.seeds.dir.as_deref(), self.clock.now())?,
        };
        Ok(Some(SeedWatcher::new(inputs, self.store.seed_files()?)))
    }

    /// Once the sources have ended: what they handed over is decided and stored, what is due is delivered.
    pub(super) async fn finish_once(
        self,
        console: Console,
        cancel: CancellationToken,
    ) -> Result<QueueSummary, AppError> {
        drop(self.to_ingest);
        self.ingest.await.map_err(|_| AppError::Ended(AppPart::Ingest))??;
        // Whoever sits before the terminal is shown what this run brought: no more of its stories comes.
        let now = self.clock.now();
        self.store.write("end the wait for stories", |tx| {
            let shown = self.delivery.endpoints.iter().filter(|endpoint| endpoint.format == PayloadFormat::Console);
            shown.map(|endpoint| outbox::end_group_waits(tx, &endpoint.id, now)).collect::<Result<Vec<_>, _>>()
        })?;
        let delivery = Delivery {
            store: self.store.clone(),
            clock: self.clock,
            rules: watch::channel(self.delivery).1,
            waker: self.waker,
            console,
            counters: DeliveryCounters::default(),
            part: DeliveryPart::whole(&self.store),
        };
        let summary = delivery.deliver_due_once(cancel).await?;
        self.store.checkpoint()?;
        Ok(summary)
    }
}

/// The memory as the store has it now; one that followed has all but what came last.
fn recall(
    store: &Store,
    config: &Config,
    followed: Option<Box<FollowedMemory>>,
    since: Timestamp,
) -> Result<(Ledger, RecalledFrom), StoreError> {
    let Some(mut memory) = followed else { return store.recall_quickly(config.memory, since) };
    let after = if Planted::ColdMemory.is_in() { 0 } else { store.keep_up(&mut memory, since)? };
    Ok((memory.into_ledger(), RecalledFrom::Followed { after }))
}

fn threads(config: &Config) -> usize {
    config.daemon.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(2)
}

/// Says how the memory came to stand; the arrivals that a snapshot did not know, if it was one.
fn report_recalled(recalled: &RecalledFrom) -> Option<u64> {
    match recalled {
        RecalledFrom::Snapshot { after } => {
            debug!(after, "memory taken over from its snapshot");
            Some(*after)
        }
        RecalledFrom::Followed { after } => {
            info!(after, "memory followed the store while this node stood by");
            Some(*after)
        }
        RecalledFrom::Database { because } => {
            if let Some(because) = because {
                info!(because, "memory rebuilt from the database: its snapshot is of no use");
            }
            None
        }
    }
}

/// The threads for documents, with marks on the disk while they are at it.
pub(super) fn parser(config: &Config) -> Parser {
    let quarantine = Quarantine::open(&config.daemon.state_dir).unwrap_or_else(|error| {
        warn!(%error, "documents are read without marks: one that ends the process will not be known by the next start");
        Quarantine::default()
    });
    Parser::new(threads(config)).marking(quarantine)
}

/// Which items need no page any more, as the poller asks.
pub(super) fn known_items(store: &Store) -> KnownItems {
    let store = store.clone();
    Arc::new(move |ids| {
        let known = store.known_items(ids);
        known.map_err(|error| warn!(%error, "known items cannot be looked up, no pages are fetched")).ok()
    })
}
