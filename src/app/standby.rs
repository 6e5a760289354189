//! Standing by: a process that is one of several waits until nobody decides for the store, with a memory that follows
//! what the other one stores. It serves meanwhile what there is to see, and passes on what it is asked.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::beside::BesideParts;
use super::daemon::DaemonRequest;
use super::error::AppError;
use super::gather::GatheringNode;
use super::sending::BesideDelivery;
use super::stages::{Leadership, parser};
use super::systemd::Systemd;
use crate::clock::Clock;
use crate::config::Config;
use crate::deliver::DeliveryCounters;
use crate::http::{self, Readiness};
use crate::model::Timestamp;
use crate::source::parser::Parser;
use crate::source::websub::FeedHint;
use crate::store::{
    Access, FollowedMemory, MemorySeen, NodeClock, NodeRecord, NodeRole, NodeTurn, Store, StoreError, WaitingNode,
};
use crate::view::{node_warnings, region_warnings};

/// How often it is looked whether it is this one's turn.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What the other one commits in such a time is looked at together.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// What this process held before, as the one that decides, may be let go of a moment later.
const ENTER_TRIES: u32 = 60;
/// A listener that is asked to end may take so long.
const LISTENER_ENDS: Duration = Duration::from_secs(1);

/// Why it stands by no more.
pub enum StoodBy {
    /// It decides from now on; `None`: it is alone on its store and need not wait.
    Turn(Option<Leadership>),
    /// Somebody asked for the end.
    Stop,
    /// Somebody asked for the config to be read again.
    Reload,
}

/// Waits for this process's turn to decide; `again`: this process did before, and may still let go of what it
/// held then.
///
/// # Errors
/// [`AppError`] where it cannot be one of several: its name is taken, or the server is refused.
pub async fn stand_by(
    config: &Config,
    place: &str,
    clock: &Clock,
    again: bool,
    requests: &mut mpsc::Receiver<DaemonRequest>,
) -> Result<StoodBy, AppError> {
    let Some(name) = config.node.name.clone() else { return Ok(StoodBy::Turn(None)) };
    let Some((candidate, store)) = enter(config, clock, again).await? else { return Ok(StoodBy::Turn(None)) };
    store.hear_others()?;
    let heard = store.commits_of_others();
    let beside = BesideParts {
        config,
        place,
        clock,
        store: store.clone(),
        since: clock.now(),
        counters: DeliveryCounters::default(),
    };
    let (config_of, clock_of) = (Arc::new(config.clone()), clock.clone());
    let (parser, node) = (parser(config), candidate.mark());
    let gathering = GatheringNode::begin(node, Arc::clone(&config_of), clock.clone(), store.clone(), parser.clone())?;
    let mut around = AroundWaiting { parser, gathering, listener: None };
    let mut waiting = Some(Waiting {
        candidate,
        config: config_of,
        clock: clock_of,
        store,
        heard,
        follows: None,
        looked_at: Instant::now(),
    });
    let mut sending: Option<BesideDelivery> = None;
    let mut told: Option<String> = None;
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let looked = tokio::select! {
            biased;
            request = requests.recv() => Err(request),
            looked = next_look(&mut look, &mut waiting) => Ok(looked),
        };
        let Looked { turn, memory, nodes } = match looked {
            Ok(looked) => looked?,
            Err(request) => {
                around.end(true).await;
                BesideDelivery::end(sending).await;
                return Ok(match request {
                    Some(DaemonRequest::Reload) => StoodBy::Reload,
                    Some(DaemonRequest::Stop) | None => StoodBy::Stop,
                });
            }
        };
        let is_reached = !matches!(turn, NodeTurn::Unknown { .. });
        let because = match turn {
            NodeTurn::Ours(store) => {
                let lately_closed = around.end(false).await;
                BesideDelivery::end_behind(sending);
                info!(node = name, "this node decides from now on");
                let beside = beside.store;
                return Ok(StoodBy::Turn(Some(Leadership { store, memory, lately_closed, beside })));
            }
            NodeTurn::Theirs { node } if node.is_empty() => "standing by: another process decides".to_owned(),
            NodeTurn::Theirs { node } => format!("standing by: {node} decides"),
            NodeTurn::OtherRules { node } => format!(
                "nobody decides: {node}, which did last, had other topics, rules or endpoints; give this node the same, or \
                 set `[node] take_over_with_other_rules`"
            ),
            NodeTurn::Nobody => "nobody decides, and this node is none that does (`[node] roles`)".to_owned(),
            NodeTurn::Unknown { why } => format!("standing by: {why}"),
        };
        if let Some(own) = nodes.iter().find(|node| node.name == name) {
            sending = keep_sending(sending, &beside, own).await;
        }
        Systemd.beat();
        around.gathering.mind(&nodes);
        let mut warnings = node_warnings(&nodes);
        warnings.extend(region_warnings(&config.feeds, &nodes));
        let readiness = Readiness { serves: is_reached, warnings, nodes, ..Readiness::not(&because) };
        match &around.listener {
            Some(listener) => listener.tell(readiness),
            None => around.listener = around.listen(&beside, readiness).await?,
        }
        if told.as_ref() != Some(&because) {
            if because.starts_with("nobody decides") {
                error!(node = name, "{because}");
            } else {
                info!(node = name, "{because}");
            }
            Systemd.ready(&because);
            told = Some(because);
        }
    }
}

/// Sends while that is its role, and by the rules of the one that decides: with others an endpoint could be elsewhere.
async fn keep_sending(
    sending: Option<BesideDelivery>,
    beside: &BesideParts<'_>,
    own: &NodeRecord,
) -> Option<BesideDelivery> {
    if !own.same_rules || !beside.config.node.has(NodeRole::Deliver) {
        BesideDelivery::end_behind(sending);
        return None;
    }
    if let Some(mut sending) = sending
        && sending.is_at_it().await
    {
        return Some(sending);
    }
    Some(BesideDelivery::begin(beside))
}

/// Takes the name and the state directory, which an end of deciding may hold a moment longer.
async fn enter(config: &Config, clock: &Clock, again: bool) -> Result<Option<(WaitingNode, Store)>, AppError> {
    let mut tries = 0;
    loop {
        let (asked, raw, clock) = (config.clone(), clock.uncorrected(), clock.clone());
        // All of them go by the server's.
        let clock =
            NodeClock { now: Arc::new(move || raw.now()), correct: Arc::new(move |ahead_ms| clock.correct(ahead_ms)) };
        let entering = move || -> Result<_, StoreError> {
            let Some(entered) = asked.enter_node(clock)? else { return Ok(None) };
            // What people ask of this one it writes beside the one that decides.
            Ok(Some((entered, asked.open_store(Access::Share)?)))
        };
        match blocking(entering).await {
            Err(error)
                if tries < ENTER_TRIES && (error.is_passing() || again && matches!(error, StoreError::Held { .. })) =>
            {
                debug!(%error, "this node is not one of those that wait yet");
                tries += 1;
                tokio::time::sleep(LOOK_EVERY).await;
            }
            entered => return Ok(entered?),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => std::future::pending().await,
        },
    }
}

/// What a look came to.
struct Looked {
    turn: NodeTurn,
    /// That of whoever decides from now on.
    memory: Option<Box<FollowedMemory>>,
    nodes: Vec<NodeRecord>,
}

impl Looked {
    fn only(turn: NodeTurn) -> Self {
        Self { turn, memory: None, nodes: Vec::new() }
    }
}

async fn next_look(look: &mut tokio::time::Interval, waiting: &mut Option<Waiting>) -> Result<Looked, AppError> {
    let heard = waiting.as_ref().map(|waiting| waiting.heard.clone());
    // Where much is committed, it is looked at as often as where nothing is.
    let looked = waiting.as_ref().map_or(LOOK_EVERY, |waiting| waiting.looked_at.elapsed());
    let pause = LOOK_PAUSE.max(LOOK_EVERY.saturating_sub(looked));
    tokio::select! {
        _ = look.tick() => {}
        () = is_committed(heard) => tokio::time::sleep(pause).await,
    }
    // Whoever cuts this short waits no more.
    let Some(ours) = waiting.take() else { return std::future::pending().await };
    let (looked, back) = blocking(move || ours.look()).await;
    *waiting = back;
    Ok(looked?)
}

/// When another process commits: the one that decides has stored something, or gives its place up.
async fn is_committed(heard: Option<watch::Receiver<u64>>) {
    if let Some(mut heard) = heard
        && heard.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// The memory of a process that waits.
struct Follows {
    memory: Box<FollowedMemory>,
    /// When it last had everything.
    current: Timestamp,
}

/// What a process has that waits for its turn.
struct Waiting {
    candidate: WaitingNode,
    config: Arc<Config>,
    clock: Clock,
    store: Store,
    heard: watch::Receiver<u64>,
    follows: Option<Follows>,
    looked_at: Instant,
}

impl Waiting {
    /// Asks for its turn, and brings the memory to where the store is.
    fn look(self) -> (Result<Looked, StoreError>, Option<Self>) {
        let Self { candidate, config, clock, store, mut heard, mut follows, .. } = self;
        let looked_at = Instant::now();
        // What comes from here on is looked at next.
        heard.mark_unchanged();
        let seen = follows.as_ref().map_or_else(MemorySeen::default, |Follows { memory, current }| MemorySeen {
            change: memory.change_seen(),
            ago: Some(clock.now().since(*current)),
        });
        let (turn, candidate) = match candidate.turn(seen) {
            Ok((NodeTurn::Ours(store), _)) => {
                let memory = follows.map(|follows| follows.memory);
                return (Ok(Looked { memory, ..Looked::only(NodeTurn::Ours(store)) }), None);
            }
            Ok((turn, Some(candidate))) => (turn, candidate),
            Ok((turn, None)) => return (Ok(Looked::only(turn)), None),
            Err(error) => return (Err(error), None),
        };
        if matches!(turn, NodeTurn::Unknown { .. }) {
            // Whoever waits for a server that does not answer would wait once more for each thing that it asks.
            return (Ok(Looked::only(turn)), Some(Self { candidate, config, clock, store, heard, follows, looked_at }));
        }
        // One that never decides needs no memory.
        if config.node.has(NodeRole::Decide)
            && let Err(error) = follow(&config, (&clock, &store), candidate.newest_change(), &mut follows)
        {
            if !error.is_passing() {
                return (Err(error), None);
            }
            debug!(%error, "the memory does not follow for now");
        }
        // Who is there is known a second later then.
        let nodes = store.nodes().unwrap_or_default();
        (
            Ok(Looked { nodes, ..Looked::only(turn) }),
            Some(Self { candidate, config, clock, store, heard, follows, looked_at }),
        )
    }
}

fn follow(
    config: &Config,
    (clock, store): (&Clock, &Store),
    newest_change: i64,
    follows: &mut Option<Follows>,
) -> Result<(), StoreError> {
    let window = config.memory.copies_window.max(config.memory.story_window);
    let now = clock.now();
    let since = now.minus(window);
    if let Some(Follows { memory, current }) = follows {
        if memory.is_current(newest_change) {
            memory.expire(since);
        } else {
            store.keep_up(memory, since)?;
        }
        *current = now;
        return Ok(());
    }
    let memory = Box::new(store.follow(config.memory, since)?);
    info!(change = memory.change_seen(), "the memory is warm and follows");
    *follows = Some(Follows { memory, current: now });
    Ok(())
}

/// What a process does beside waiting.
struct AroundWaiting {
    parser: Parser,
    gathering: GatheringNode,
    listener: Option<WaitingListener>,
}

impl AroundWaiting {
    async fn listen(&self, beside: &BesideParts<'_>, ready: Readiness) -> Result<Option<WaitingListener>, AppError> {
        WaitingListener::begin(beside, ready, &self.parser, self.gathering.hint()).await
    }

    /// `goes`: this process does not decide next. Gives the files of the seed directory that were closed a moment ago.
    async fn end(self, goes: bool) -> Vec<OsString> {
        let Self { parser, gathering, listener } = self;
        let ((), lately_closed) = tokio::join!(WaitingListener::end(listener), gathering.end(goes));
        parser.quarantine().close();
        lately_closed
    }
}

/// What answers while this process waits.
struct WaitingListener {
    readiness: watch::Sender<Readiness>,
    cancel: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

impl WaitingListener {
    async fn begin(
        beside: &BesideParts<'_>,
        readiness: Readiness,
        parser: &Parser,
        hint: FeedHint,
    ) -> Result<Option<Self>, AppError> {
        let Some(address) = beside.config.http.listen else { return Ok(None) };
        let listener = TcpListener::bind(address).await.map_err(|source| AppError::Listen { address, source })?;
        let (readiness, told) = watch::channel(readiness);
        let served = beside.served(told, parser, hint)?;
        let cancel = CancellationToken::new();
        let serving = tokio::spawn(http::serve(listener, served, cancel.clone()));
        Ok(Some(Self { readiness, cancel, serving }))
    }

    fn tell(&self, readiness: Readiness) {
        self.readiness.send_replace(readiness);
    }

    /// The address is free when this returns.
    async fn end(listener: Option<Self>) {
        let Some(Self { cancel, mut serving, .. }) = listener else { return };
        cancel.cancel();
        if tokio::time::timeout(LISTENER_ENDS, &mut serving).await.is_err() {
            warn!("somebody keeps a connection open that this node answered while it waited: cut");
            serving.abort();
            let _ = serving.await;
        }
    }
}
