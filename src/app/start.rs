//! Start: store → memory → delivery → ingest → sources → HTTP. What can fail is done before anything
//! runs; what runs is supervised: a part that ends unasked stops the process in order.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::departed::{self, DepartedEndpoint};
use super::error::{AppError, AppPart};
use super::health::{self, AppHealth, Gauges, Pulses};
use super::hubs;
use super::keep::{Keeper, KeeperLinks};
use super::measure;
use super::others;
use super::stages::{CoreStages, Leadership, parser};
use crate::clock::Clock;
use crate::config::{Config, ReloadRecord};
use crate::deliver::console::Console;
use crate::deliver::{Delivery, DeliveryCounters, DeliveryError, DeliveryPart, DeliveryRules, DeliveryWaker};
use crate::http::{self, DaemonNudge, ReadSources, Readiness};
use crate::ingest::{IngestError, IngestLinks};
use crate::model::Timestamp;
use crate::net::Client;
use crate::pipeline::Rules;
use crate::source::feed::polling::counters::PollCounters;
use crate::source::feed::polling::rules::{self, PollRulesSlot};
use crate::source::parser::Parser;
use crate::source::push::PushIntake;
use crate::source::seed::{SeedInputs, SeedStatus, SeedWatcher};
use crate::source::websub::{HubIntake, PollHubs, SubscriptionRules};
use crate::source::{IngestMessage, IngestSender};
use crate::store::{NodeRole, Store, StoreError};
use crate::telemetry::Pulse;

/// What an [`App`] is made of; tests pass their own.
pub struct Parts {
    /// The checked config.
    pub config: Config,
    /// Where it was read from, for people.
    pub place: String,
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
    pub(super) subscriptions: JoinHandle<()>,
    pub(super) watcher: SeedTask,
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
    pub(super) ended: Option<AppPart>,
}

/// What a reload changes, and what it needs for that.
pub(super) struct Live {
    pub(super) config: Arc<Config>,
    pub(super) config_told: watch::Sender<Arc<Config>>,
    pub(super) clock: Clock,
    pub(super) parser: Parser,
    /// For a new seed watcher; `None` once the stop has begun.
    pub(super) to_ingest: Option<IngestSender>,
    pub(super) client: Client,
    pub(super) rules: watch::Sender<Arc<Rules>>,
    pub(super) delivery_rules: watch::Sender<Arc<DeliveryRules>>,
    pub(super) hub_rules: watch::Sender<Arc<SubscriptionRules>>,
    pub(super) polling: PollRulesSlot,
    pub(super) seeds: watch::Sender<SeedStatus>,
    pub(super) reload: watch::Sender<Option<ReloadRecord>>,
    /// Endpoints that a reload took away within the hour.
    pub(super) departed: Vec<DepartedEndpoint>,
    pub(super) gauges: Gauges,
    pub(super) health: watch::Receiver<AppHealth>,
}

/// The task that watches the seed directory; it waits where there is none.
pub(super) struct SeedTask {
    pub(super) handle: JoinHandle<()>,
    pub(super) cancel: CancellationToken,
}

impl App {
    /// Starts everything and returns when it works.
    ///
    /// # Errors
    /// [`AppError`]; nothing runs on then.
    pub async fn start(parts: Parts) -> Result<Self, AppError> {
        Self::start_as(parts, None).await
    }

    /// The same for a process that stood by until its turn came.
    ///
    /// # Errors
    /// [`AppError`]; nothing runs on then.
    pub async fn start_as(parts: Parts, leadership: Option<Leadership>) -> Result<Self, AppError> {
        let Parts { config, place, clock, console } = parts;
        let config = Arc::new(config);
        let stages = CoreStages::open_as(&config, &clock, leadership)?;
        let listener = listen(&config).await?;
        let parser = parser(&config);
        let client = rules::client(&config.polling)?;
        let poll_counters = Arc::new(PollCounters::default());
        let (desk, subscriptions, hub_rules) = hubs::open(&stages, hubs::rules(&config, client.clone()))?;
        // One of several hears which of them are its own.
        let feeds = if config.shares_polling() { Vec::new() } else { config.feeds.clone() };
        let hubs = Some(PollHubs::Here(desk.clone()));
        let poller = stages.poller(&config, feeds, &parser, client.clone(), poll_counters.clone(), hubs)?;
        let (config_told, config_heard) = watch::channel(config.clone());
        let (reload, reloaded) = watch::channel(None);
        let (seeds, seeds_heard) = watch::channel(SeedStatus::default());
        let (outbox, lately_closed) = (stages.outbox.clone(), stages.lately_closed.clone());
        let CoreStages {
            store, rules, delivery, waker, to_ingest, ingest, ingest_cancel, hold, links, departed, ..
        } = stages;
        let (delivery_told, delivery_rules) = watch::channel(delivery);
        let counters = DeliveryCounters::default();
        let gauges = gauges(&links, poll_counters, &counters, (seeds_heard, reloaded), clock.now());
        let delivery_cancel = CancellationToken::new();
        let nudge_waker = waker.clone();
        let part = DeliveryPart::Decider { store: store.clone(), sends: config.node.has(NodeRole::Deliver) };
        let delivery =
            Delivery { store: outbox, clock: clock.clone(), rules: delivery_rules, waker, console, counters, part };
        let delivery = tokio::spawn(delivery.run(delivery_cancel.clone()));

        let pushes = PushIntake::new(&to_ingest, parser.clone(), hold.subscribe(), clock.clone());
        let polling = PollRulesSlot::default();
        let (held, hint) = (hold.subscribe(), hubs::hint(&store, polling.clone(), mark_of(&store, &config)));
        let hubs = HubIntake::new(desk, &to_ingest, parser.clone(), held, clock.clone(), hint);
        let readiness = Arc::new(watch::channel(Readiness::ready()).0);
        let (health_told, health) = watch::channel(AppHealth::default());
        let keeper = Keeper::new(KeeperLinks {
            store: store.clone(),
            clock: clock.clone(),
            config: config_heard.clone(),
            gauges: gauges.clone(),
            hold,
            to_ingest: to_ingest.clone(),
            readiness: readiness.clone(),
            health: health_told,
        });
        store.hear_others()?;
        let keeper_cancel = CancellationToken::new();
        let keeper = tokio::spawn(keeper.run(keeper_cancel.clone()));

        let sources_cancel = CancellationToken::new();
        let subscriptions = tokio::spawn(subscriptions.run(sources_cancel.clone()));
        let poller = tokio::spawn(poller.following(polling.clone()).run(sources_cancel.clone()));
        let reads = ReadSources::new(store.clone(), config_heard.clone(), rules.subscribe(), &place, clock.clone());
        let nudge = nudge(nudge_waker, &to_ingest, polling.clone());
        share_polling(&store, &config_heard, (&client, &polling, &gauges.polls), &sources_cancel);
        mind_others(&store, &nudge, (&config_heard, &pushes, &hubs, &to_ingest, &clock), &sources_cancel);
        let handed = (reads, pushes, hubs, parser.clone());
        let served = measure::served(config_heard, &readiness, &gauges, &health, handed, clock.clone(), nudge);
        let http_cancel = CancellationToken::new();
        let http_address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let http = listener.map(|listener| tokio::spawn(http::serve(listener, served, http_cancel.clone())));
        let live = Live {
            config,
            config_told,
            clock,
            parser,
            to_ingest: Some(to_ingest),
            client,
            rules,
            delivery_rules: delivery_told,
            hub_rules,
            polling,
            seeds,
            reload,
            departed,
            gauges,
            health,
        };
        let watcher = live.watcher(&store, None, lately_closed, &sources_cancel);
        Ok(Self {
            store,
            http_address,
            poller,
            subscriptions,
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

    /// Returns when a part ended that should run on.
    pub async fn failed(&mut self) -> AppError {
        let (part, error) = tokio::select! {
            _ = &mut self.poller => (AppPart::Poller, None),
            _ = &mut self.subscriptions => (AppPart::Hubs, None),
            _ = &mut self.watcher.handle => (AppPart::SeedWatcher, None),
            ended = &mut self.keeper => (AppPart::Keeper, ended.ok().and_then(Result::err).map(AppError::from)),
            ended = &mut self.ingest => (AppPart::Ingest, ended.ok().and_then(Result::err).map(AppError::from)),
            ended = &mut self.delivery => (AppPart::Delivery, ended.ok().and_then(Result::err).map(AppError::from)),
            () = self.store.stepped_down() => {
                return AppError::Store(StoreError::SteppedDown { place: self.store.place().to_owned() });
            }
        };
        self.ended = Some(part);
        error.unwrap_or(AppError::Ended(part))
    }

    /// The loops that hang.
    #[must_use]
    pub fn stuck(&self) -> Vec<AppPart> {
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

    /// Whether an endpoint that a reload took away has been gone for so long that nothing is kept for it any more.
    #[must_use]
    pub fn has_given_up_an_endpoint(&self) -> bool {
        let now = self.now();
        self.live.departed.iter().any(|departed| departed::is_over(departed, now))
    }

    /// The time as this wirewatch sees it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.live.clock.now()
    }

    /// The seed directory is followed by other rules from now on; what is in flight ends first.
    pub(super) fn replace_watcher(&mut self) {
        let idle = CancellationToken::new();
        let placeholder = SeedTask { handle: tokio::spawn(async {}), cancel: idle };
        let old = std::mem::replace(&mut self.watcher, placeholder);
        self.watcher = self.live.watcher(&self.store, Some(old), Vec::new(), &self.sources_cancel);
    }
}

impl Live {
    /// A watcher that begins when its predecessor has ended, or after a process whose files these are no more.
    fn watcher(
        &self,
        store: &Store,
        before: Option<SeedTask>,
        lately_closed: Vec<OsString>,
        sources_cancel: &CancellationToken,
    ) -> SeedTask {
        let cancel = sources_cancel.child_token();
        let inputs = self.to_ingest.clone().map(|ingest| SeedInputs {
            config: self.config.seeds.clone(),
            limits: self.config.limits,
            clock: self.clock.clone(),
            parser: self.parser.clone(),
            ingest,
            watched_since: self.clock.now(),
        });
        let store = store.clone();
        let (seeds, pulse) = (self.seeds.clone(), self.gauges.pulses.seeds.clone());
        let ours = cancel.clone();
        let handle = tokio::spawn(async move {
            if let Some(before) = before {
                before.cancel.cancel();
                // However it ended, its successor begins.
                let _ = before.handle.await;
            }
            let Some(mut inputs) = inputs.filter(|inputs| inputs.config.dir.is_some()) else {
                seeds.send_replace(SeedStatus::default());
                return ours.cancelled().await;
            };
            let (dir, now) = (inputs.config.dir.clone(), inputs.watched_since);
            let read = move |store: &Store| -> Result<_, StoreError> {
                Ok((store.seed_files()?, store.watched_since(dir.as_deref(), now)?))
            };
            let known = store.blocking(read).await.map(|(known, since)| {
                inputs.watched_since = since;
                known
            });
            match known {
                Ok(known) => SeedWatcher::new(inputs, known).after(lately_closed).telling(seeds, pulse).run(ours).await,
                Err(error) => error!(%error, "seed files cannot be read from the store"),
            }
        });
        SeedTask { handle, cancel }
    }
}

/// What is counted and seen of everything that runs.
fn gauges(
    links: &IngestLinks,
    polls: Arc<PollCounters>,
    delivery: &DeliveryCounters,
    (seeds, reload): (watch::Receiver<SeedStatus>, watch::Receiver<Option<ReloadRecord>>),
    started_at: Timestamp,
) -> Gauges {
    let pulses = Pulses {
        preparing: links.preparing.clone(),
        ingest: links.pulse.clone(),
        seeds: Pulse::default(),
        delivery: delivery.pulse().clone(),
    };
    let (ingest, outage, delivery) = (links.counters.clone(), links.outage.clone(), delivery.clone());
    Gauges { ingest, outage, polls, delivery, pulses, seeds, reload, started_at }
}

/// By what this process is known to others that poll; none where it polls alone.
fn mark_of(store: &Store, config: &Config) -> Option<String> {
    #[cfg(feature = "postgres")]
    return store.session_mark().filter(|_| config.shares_polling());
    #[cfg(not(feature = "postgres"))]
    {
        let _ = (store, config);
        None
    }
}

/// Where several processes poll, this one asks its share of the hosts, now as before.
fn share_polling(
    store: &Store,
    config: &watch::Receiver<Arc<Config>>,
    (client, slot, counters): (&Client, &PollRulesSlot, &Arc<PollCounters>),
    cancel: &CancellationToken,
) {
    #[cfg(feature = "postgres")]
    let name = config.borrow().node.name.clone();
    #[cfg(feature = "postgres")]
    if let Some((name, mark)) = name.zip(store.session_mark()) {
        let share = super::shared_polling::SharedPolling {
            store: store.clone(),
            node: crate::store::NodeMark { name, mark },
            config: config.clone(),
            client: client.clone(),
            slot: slot.clone(),
            rights: super::shared_polling::PollRights::default(),
            counters: counters.clone(),
            cover: None,
        };
        tokio::spawn(share.run(cancel.clone()));
    }
    #[cfg(not(feature = "postgres"))]
    let _ = (store, config, client, slot, counters, cancel);
}

/// What other processes on the store ask of this one, where there are others.
fn mind_others(
    store: &Store,
    nudge: &Arc<dyn Fn(DaemonNudge) + Send + Sync>,
    (config, pushes, hubs, to_ingest, clock): (
        &watch::Receiver<Arc<Config>>,
        &PushIntake,
        &HubIntake,
        &IngestSender,
        &Clock,
    ),
    cancel: &CancellationToken,
) {
    if store.is_file() {
        return;
    }
    tokio::spawn(others::mind(store.clone(), nudge.clone(), Duration::ZERO, cancel.clone()));
    #[cfg(feature = "postgres")]
    let taker = super::inbox::InboxTaker {
        store: store.clone(),
        config: config.clone(),
        pushes: pushes.clone(),
        hubs: hubs.clone(),
        clock: clock.clone(),
    };
    #[cfg(feature = "postgres")]
    tokio::spawn(taker.run(cancel.clone()));
    #[cfg(feature = "postgres")]
    let hubs = hubs.desk().clone();
    #[cfg(feature = "postgres")]
    let fetched = super::fetched::FetchedTaker { store: store.clone(), ingest: to_ingest.clone(), hubs };
    #[cfg(feature = "postgres")]
    tokio::spawn(fetched.run(cancel.clone()));
    #[cfg(not(feature = "postgres"))]
    let _ = (config, pushes, hubs, to_ingest, clock);
}

/// How whoever does something by hand tells the parts that are concerned.
fn nudge(
    waker: DeliveryWaker,
    to_ingest: &IngestSender,
    polling: PollRulesSlot,
) -> Arc<dyn Fn(DaemonNudge) + Send + Sync> {
    let to_ingest = to_ingest.downgrade();
    Arc::new(move |nudge| match nudge {
        DaemonNudge::Deliveries => waker.wake(),
        DaemonNudge::Corrections => {
            // A queue that is full brings it round as well; one that is gone has ended.
            if let Some(to_ingest) = to_ingest.upgrade() {
                let _ = to_ingest.try_send(IngestMessage::Wake);
            }
        }
        DaemonNudge::Feed(state) => polling.hurry(*state),
    })
}

async fn listen(config: &Config) -> Result<Option<TcpListener>, AppError> {
    let Some(address) = config.http.listen else { return Ok(None) };
    TcpListener::bind(address).await.map(Some).map_err(|source| AppError::Listen { address, source })
}
