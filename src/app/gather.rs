//! What a process takes in while another one decides: the feeds that are its share, and the files of its own seed directory.
//! It goes by the inbox, and what its source remembers of it is stored by the one that decides, with the items.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::error::AppError;
use super::hubs;
use super::others;
use super::relay::BatchRelay;
use super::shared_polling::{PollRights, SharedPolling};
use super::stages::known_items;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::DaemonNudge;
use crate::source::feed::last_documents::LastDocuments;
use crate::source::feed::polling::counters::PollCounters;
use crate::source::feed::polling::poller::{Poller, PollerLinks};
use crate::source::feed::polling::rules::{self, PollRules, PollRulesSlot};
use crate::source::parser::Parser;
use crate::source::seed::{LatelyClosed, SeedInputs, SeedStatus, SeedWatcher};
use crate::source::websub::{FeedHint, HubCover, PollHubs};
use crate::source::{IngestSender, MESSAGES_WAITING_MAX};
use crate::store::{NodeMark, NodeRecord, Store, StoreError};
use crate::telemetry::Pulse;

/// What is under way when this process's turn comes may take so long to end.
const ENDS_WITHIN: Duration = Duration::from_secs(1);
/// How often it is looked what somebody wants polled now.
const HURRY_PAUSE: Duration = Duration::from_secs(1);
/// After the store could not be asked.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The sources of a process that does not decide.
pub(super) struct GatheringNode {
    parts: GatheringParts,
    node: NodeMark,
    cancel: CancellationToken,
    relay: JoinHandle<()>,
    /// Heard also while another process takes the files: it may be this one's turn in a moment.
    closed: Option<LatelyClosed>,
    seeds: Option<(CancellationToken, JoinHandle<()>)>,
    polling: Vec<JoinHandle<()>>,
}

#[derive(Clone)]
struct GatheringParts {
    config: Arc<Config>,
    clock: Clock,
    store: Store,
    parser: Parser,
    to_inbox: IngestSender,
    slot: PollRulesSlot,
}

impl GatheringNode {
    /// Ready to take in; no file is taken before [`GatheringNode::mind`].
    pub(super) fn begin(
        node: NodeMark,
        config: Arc<Config>,
        clock: Clock,
        store: Store,
        parser: Parser,
    ) -> Result<Self, AppError> {
        let cancel = CancellationToken::new();
        let (to_inbox, messages) = mpsc::channel(MESSAGES_WAITING_MAX);
        let (held, rights) = (watch::Sender::new(false), PollRights::default());
        let (hold, lease_of) = (held.subscribe(), rights.clone());
        let relay = BatchRelay {
            store: store.clone(),
            clock: clock.clone(),
            messages,
            lease_of: Box::new(move |origin| lease_of.of(origin)),
            held,
        };
        let relay = tokio::spawn(relay.run(cancel.clone()));
        let slot = PollRulesSlot::default();
        let parts = GatheringParts { config, clock, store, parser, to_inbox, slot };
        let closed = parts.config.seeds.dir.clone().map(LatelyClosed::of);
        let polling = parts.poll(node.clone(), rights, hold, &cancel)?;
        Ok(Self { parts, node, cancel, relay, closed, seeds: None, polling })
    }

    /// How pollers hear what hubs say of feeds.
    pub(super) fn hint(&self) -> FeedHint {
        hubs::hint(&self.parts.store, self.parts.slot.clone(), Some(self.node.mark.clone()))
    }

    /// Takes what is this process's to take, of all that are there.
    pub(super) fn mind(&mut self, nodes: &[NodeRecord]) {
        if self.parts.config.seeds.dir.is_none() || nodes.is_empty() {
            return;
        }
        match (NodeRecord::takes_seeds(nodes, &self.node.name), self.seeds.take()) {
            (true, None) => {
                let cancel = self.cancel.child_token();
                let task = tokio::spawn(take_seeds(self.parts.clone(), self.lately_closed(), cancel.clone()));
                self.seeds = Some((cancel, task));
            }
            // Another one that sees the same files takes them from here on.
            (false, Some((cancel, _))) => {
                info!("the seed directory is taken by another node that sees it");
                cancel.cancel();
            }
            (_, seeds) => self.seeds = seeds,
        }
    }

    fn lately_closed(&self) -> Vec<OsString> {
        self.closed.as_ref().map(LatelyClosed::names).unwrap_or_default()
    }

    /// Ends at once; gives the files of the seed directory that were closed a moment ago. Whatever has no receipt yet is
    /// offered again, by whoever takes it next. `goes`: the hosts that this process asks are another one's from here on.
    pub(super) async fn end(self, goes: bool) -> Vec<OsString> {
        let lately_closed = self.lately_closed();
        let Self { parts, node, cancel, relay, seeds, polling, .. } = self;
        cancel.cancel();
        let tasks = [relay].into_iter().chain(seeds.map(|(_, task)| task)).chain(polling);
        let end = Instant::now() + ENDS_WITHIN;
        for mut task in tasks {
            if tokio::time::timeout_at(end, &mut task).await.is_err() {
                warn!("a source did not end in time, cut");
                task.abort();
                let _ = task.await;
            }
        }
        if goes {
            let gives = tokio::time::timeout(ENDS_WITHIN, async {
                parts.store.blocking(move |store| store.leave_nodes(&node)).await
            });
            if let Ok(Err(error)) = gives.await {
                debug!(%error, "the hosts of this node are free when it has been silent for a while");
            }
        }
        lately_closed
    }
}

impl GatheringParts {
    /// Polls what is this process's share of the feeds.
    fn poll(
        &self,
        node: NodeMark,
        rights: PollRights,
        hold: watch::Receiver<bool>,
        cancel: &CancellationToken,
    ) -> Result<Vec<JoinHandle<()>>, AppError> {
        let Self { config, clock, store, parser, to_inbox, slot } = self.clone();
        let client = rules::client(&config.polling)?;
        let counters = Arc::new(PollCounters::default());
        let cover = HubCover::new(hubs::rules(&config, client.clone()).wanted());
        let nothing = PollRules {
            feeds: Vec::new(),
            polling: config.polling.clone(),
            limits: config.limits,
            client: client.clone(),
            states: Vec::new(),
        };
        let links = PollerLinks {
            ingest: to_inbox,
            parser,
            clock,
            hold,
            counters: counters.clone(),
            known: known_items(&store),
            hubs: Some(PollHubs::Elsewhere(cover.clone())),
            last_documents: LastDocuments::default(),
        };
        let poller = Poller::new(nothing, links).following(slot.clone());
        // What was asked of another process to be polled now, and is this one's.
        let hurried = slot.clone();
        let nudge: Arc<dyn Fn(DaemonNudge) + Send + Sync> = Arc::new(move |nudge| {
            if let DaemonNudge::Feed(state) = nudge {
                hurried.hurry(*state);
            }
        });
        let minds = others::mind(store.clone(), nudge, HURRY_PAUSE, cancel.clone());
        // It does not change until it is begun anew.
        let (told, config) = watch::channel(config);
        let cover = Some(cover);
        let share = SharedPolling { store, node, config, client, slot, rights, counters, cover };
        let ends = cancel.clone();
        let share = async move {
            share.run(ends).await;
            drop(told);
        };
        Ok(vec![tokio::spawn(poller.run(cancel.clone())), tokio::spawn(share), tokio::spawn(minds)])
    }
}

async fn take_seeds(parts: GatheringParts, lately_closed: Vec<OsString>, cancel: CancellationToken) {
    let GatheringParts { config, clock, store, parser, to_inbox, .. } = parts;
    let (dir, now) = (config.seeds.dir.clone(), clock.now());
    let (known, watched_since) = loop {
        let dir = dir.clone();
        let read = move |store: &Store| -> Result<_, StoreError> {
            Ok((store.seed_files()?, store.watched_since(dir.as_deref(), now)?))
        };
        match store.blocking(read).await {
            Ok(read) => break read,
            Err(error) if error.is_passing() => debug!(%error, "seed files cannot be read from the store for now"),
            Err(error) => return error!(%error, "seed files cannot be read from the store"),
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(AGAIN_AFTER) => {}
        }
    };
    info!(dir = %dir.unwrap_or_default().display(), "this node takes the files of its seed directory");
    let inputs = SeedInputs {
        config: config.seeds.clone(),
        limits: config.limits,
        clock,
        parser,
        ingest: to_inbox,
        watched_since,
    };
    let status = watch::Sender::new(SeedStatus::default());
    SeedWatcher::new(inputs, known).after(lately_closed).telling(status, Pulse::default()).run(cancel).await;
}
