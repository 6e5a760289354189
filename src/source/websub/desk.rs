//! The one task that holds all subscriptions: what polls find, what hubs answer and what comes due becomes an event for
//! `state`, and what follows is stored before a hub hears of it. Others look on through a handle.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;

use super::ask::{HubMode, ask, host_of};
use super::counters::HubCounters;
use super::rules::SubscriptionRules;
use super::state::{self, SubscriptionAction, SubscriptionEvent};
use crate::clock::Clock;
use crate::model::{
    Cursor, FoundHubs, HubLinks, HubRecord, HubSecret, Origin, SourceId, SourceKind, Subscription, SubscriptionState,
    Timestamp, UnreliableHub,
};
use crate::source::{Batch, IngestMessage, IngestSender, Receipt};
use crate::text::clean::{excerpt, one_line};

/// Events that may wait; a poll that finds no room says the same next time.
const EVENTS_MAX: usize = 1024;
/// Hubs asked at once.
const ASKED_AT_ONCE_MAX: usize = 8;
/// Counts are stored so often; what a crash takes of them is no loss.
const COUNTS_EVERY: Duration = Duration::from_secs(30);
/// The task looks up at least this often.
const TURN_MAX: Duration = Duration::from_secs(60);
/// Letters and digits of a callback, five bits each.
const CALLBACK_CHARS: usize = 32;
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const HEX: &[u8; 16] = b"0123456789abcdef";
/// Bytes of a secret, before they are written as hex.
const SECRET_BYTES: usize = 32;

/// Stores a subscription, or forgets it (`false`); says whether that went well. It may block.
pub type SubscriptionKeeper = Arc<dyn Fn(&Subscription, bool) -> bool + Send + Sync>;

/// What a poll found, once it is durable.
#[derive(Debug, Clone)]
pub struct PolledNews {
    source: SourceId,
    found: FoundHubs,
    /// New items that were published long before they were found, …
    late: u64,
    /// … and just before.
    near: u64,
}

impl PolledNews {
    /// Of a feed, with what became of its items.
    #[must_use]
    pub fn new(source: SourceId, found: FoundHubs, receipt: &Receipt) -> Self {
        let late = receipt.late;
        Self { source, found, late, near: (receipt.new + receipt.sightings).saturating_sub(late) }
    }
}

/// A hub asks whether it was us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubVerification {
    /// `subscribe`, `unsubscribe` or `denied`.
    pub mode: String,
    /// What is subscribed to.
    pub topic: String,
    /// For so long.
    pub lease: Option<Duration>,
    /// Why not, where it is denied.
    pub reason: Option<String>,
}

enum DeskEvent {
    Polled(PolledNews),
    Verify { callback: String, asked: HubVerification, reply: oneshot::Sender<bool> },
    Content { callback: String, event: SubscriptionEvent },
}

/// A handle to the subscriptions; cheap to clone.
#[derive(Clone)]
pub struct SubscriptionDesk {
    events: mpsc::Sender<DeskEvent>,
    shared: Arc<DeskShared>,
}

struct DeskShared {
    table: Mutex<HashMap<String, Subscription>>,
    /// Feeds that may be polled less often.
    covered: RwLock<HashSet<SourceId>>,
    rules: watch::Receiver<Arc<SubscriptionRules>>,
    counters: HubCounters,
}

impl DeskShared {
    fn table(&self) -> MutexGuard<'_, HashMap<String, Subscription>> {
        self.table.lock()
    }
}

impl SubscriptionDesk {
    /// The handle and the task, with what the store remembers.
    #[must_use]
    pub fn new(
        known: Vec<Subscription>,
        rules: watch::Receiver<Arc<SubscriptionRules>>,
        ingest: &IngestSender,
        keeper: SubscriptionKeeper,
        clock: Clock,
    ) -> (Self, SubscriptionTask) {
        let (events, heard) = mpsc::channel(EVENTS_MAX);
        let covered = known.iter().filter(|one| one.covers()).map(|one| one.source.clone()).collect();
        let due = known.iter().filter_map(due_of).collect();
        let table = known.into_iter().map(|one| (one.callback.clone(), one)).collect();
        let shared = Arc::new(DeskShared {
            table: Mutex::new(table),
            covered: RwLock::new(covered),
            rules: rules.clone(),
            counters: HubCounters::default(),
        });
        let task = SubscriptionTask {
            heard,
            shared: shared.clone(),
            rules,
            ingest: ingest.downgrade(),
            keeper,
            clock,
            due,
            uncounted: HashSet::new(),
            counted_at: Timestamp::default(),
            asking: JoinSet::new(),
        };
        (Self { events, shared }, task)
    }

    /// Whether a hub pushes what this feed has new, so that it may be polled less often.
    #[must_use]
    pub fn covers(&self, source: &SourceId) -> bool {
        self.shared.covered.read().contains(source)
    }

    /// Whether it is of interest which hubs a feed names.
    #[must_use]
    pub fn wants(&self, source: &SourceId) -> bool {
        self.shared.rules.borrow().feeds.contains_key(source)
    }

    /// Tells what a poll found, once that is durable.
    pub fn polled(&self, news: PolledNews) {
        // Where there is no room the next poll says the same of hubs; of the tally a little is lost.
        let _ = self.events.try_send(DeskEvent::Polled(news));
    }

    /// A hub asks whether it was us; says what to answer, or nothing where the daemon stops.
    pub async fn verify(&self, callback: &str, asked: HubVerification) -> Option<bool> {
        let (reply, answer) = oneshot::channel();
        let event = DeskEvent::Verify { callback: callback.to_owned(), asked, reply };
        self.events.send(event).await.ok()?;
        answer.await.ok()
    }

    /// The subscription of a callback.
    #[must_use]
    pub fn of_callback(&self, callback: &str) -> Option<Subscription> {
        self.shared.table().get(callback).cloned()
    }

    /// So many subscriptions in each state.
    #[must_use]
    pub fn standing(&self) -> Vec<(&'static str, u64)> {
        let names = SubscriptionState::ALL.map(SubscriptionState::as_str).into_iter().chain(["unreliable"]);
        let table = self.shared.table();
        names.map(|name| (name, table.values().filter(|one| one.state_name() == name).count() as u64)).collect()
    }

    /// What came from hubs.
    #[must_use]
    pub fn counters(&self) -> &HubCounters {
        &self.shared.counters
    }

    pub(super) fn rules(&self) -> Arc<SubscriptionRules> {
        self.shared.rules.borrow().clone()
    }

    pub(super) async fn note(&self, callback: &str, event: SubscriptionEvent) {
        let _ = self.events.send(DeskEvent::Content { callback: callback.to_owned(), event }).await;
    }
}

/// The task.
pub struct SubscriptionTask {
    heard: mpsc::Receiver<DeskEvent>,
    shared: Arc<DeskShared>,
    rules: watch::Receiver<Arc<SubscriptionRules>>,
    ingest: mpsc::WeakSender<IngestMessage>,
    keeper: SubscriptionKeeper,
    clock: Clock,
    /// By when something is to be done.
    due: BTreeSet<(Timestamp, String)>,
    /// Whose counts are not stored yet.
    uncounted: HashSet<String>,
    counted_at: Timestamp,
    asking: JoinSet<(String, HubMode, Result<(), String>)>,
}

fn due_of(subscription: &Subscription) -> Option<(Timestamp, String)> {
    // A lapsed one waits for a poll.
    let waits = subscription.state == SubscriptionState::Lapsed;
    (!waits).then(|| (subscription.next_at, subscription.callback.clone()))
}

impl SubscriptionTask {
    /// Runs until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        self.counted_at = self.clock.now();
        self.follow_rules().await;
        while !cancel.is_cancelled() {
            let now = self.clock.now();
            self.start_due(now).await;
            self.store_counts(now, COUNTS_EVERY).await;
            let first = self.due.first().filter(|_| self.asking.len() < ASKED_AT_ONCE_MAX).map(|(at, _)| *at);
            let wake = first.map_or(now.plus(TURN_MAX), |at| at.min(now.plus(TURN_MAX)));
            tokio::select! {
                () = cancel.cancelled() => break,
                Some(event) = self.heard.recv() => self.hear(event).await,
                Some(Ok((callback, mode, answer))) = self.asking.join_next() => {
                    let event = match answer {
                        Ok(()) => SubscriptionEvent::Taken,
                        Err(why) => SubscriptionEvent::Refused(why),
                    };
                    tracing::debug!(mode = mode.as_str(), ?event, "hub asked");
                    self.step(&callback, &event).await;
                }
                Ok(()) = self.rules.changed() => self.follow_rules().await,
                () = self.clock.sleep_until(wake) => {}
            }
        }
        self.store_counts(self.clock.now(), Duration::ZERO).await;
    }

    async fn start_due(&mut self, now: Timestamp) {
        while self.asking.len() < ASKED_AT_ONCE_MAX
            && let Some((_, callback)) = self.due.first().filter(|(at, _)| *at <= now).cloned()
        {
            self.due.pop_first();
            self.step(&callback, &SubscriptionEvent::Due).await;
        }
    }

    async fn hear(&mut self, event: DeskEvent) {
        match event {
            DeskEvent::Polled(news) => self.polled(news).await,
            DeskEvent::Content { callback, event } => self.step(&callback, &event).await,
            DeskEvent::Verify { callback, asked, reply } => {
                let event = self.shared.table().get(&callback).and_then(|known| expected(known, &asked));
                if let Some(event) = &event {
                    self.step(&callback, event).await;
                }
                // A hub that has gone meanwhile asks again.
                let _ = reply.send(event.is_some());
            }
        }
    }

    /// What a poll says of hubs, and how it counts for the one that is asked.
    async fn polled(&mut self, news: PolledNews) {
        let PolledNews { source, found: FoundHubs { links, before }, late, near } = news;
        let rules = self.rules.borrow().clone();
        if !rules.feeds.contains_key(&source) {
            return;
        }
        if let Some(links) = links {
            self.offered(&source, &links, &rules).await;
        }
        for callback in self.callbacks_of(&source) {
            self.step(&callback, &SubscriptionEvent::Polled { before, late, near }).await;
        }
    }

    fn callbacks_of(&self, source: &SourceId) -> Vec<String> {
        let table = self.shared.table();
        let wanted = |one: &&Subscription| one.source == *source && one.state != SubscriptionState::Leaving;
        table.values().filter(wanted).map(|one| one.callback.clone()).collect()
    }

    /// Keeps the subscription that fits what a feed names, ends others, and begins one.
    async fn offered(&mut self, source: &SourceId, links: &HubLinks, rules: &SubscriptionRules) {
        let hubs = usable(links, rules);
        let base = rules.callback_base.as_deref().unwrap_or_default();
        let topic = links.topic.as_deref().filter(|_| !hubs.is_empty());
        let mut is_kept = false;
        for callback in self.callbacks_of(source) {
            let Some(known) = self.shared.table().get(&callback).cloned() else { continue };
            let fits = topic == Some(known.topic.as_str())
                && hubs.contains(&known.hub)
                && known.callback_url == format!("{base}{callback}");
            if !fits || is_kept {
                self.step(&callback, &SubscriptionEvent::Leave).await;
                continue;
            }
            is_kept = true;
            if known.hubs != hubs {
                self.adopt(Subscription { hubs: hubs.clone(), ..known }, true).await;
            }
        }
        if let (Some(topic), false) = (topic, is_kept) {
            let private = rules.private.get(source).is_some_and(|ranges| !ranges.is_empty());
            let now = self.clock.now();
            if let Some(fresh) = new_subscription(source, topic, hubs, base, private, now) {
                self.adopt(fresh, true).await;
            }
        }
    }

    /// Ends the subscriptions of feeds that are not to be pushed any more.
    async fn follow_rules(&mut self) {
        let rules = self.rules.borrow_and_update().clone();
        let unwanted: Vec<String> = {
            let table = self.shared.table();
            let leaves = |one: &&Subscription| {
                one.state != SubscriptionState::Leaving
                    && (!rules.feeds.contains_key(&one.source) || is_denied(&one.hub, &rules))
            };
            table.values().filter(leaves).map(|one| one.callback.clone()).collect()
        };
        for callback in unwanted {
            self.step(&callback, &SubscriptionEvent::Leave).await;
        }
    }

    /// One event for one subscription.
    async fn step(&mut self, callback: &str, event: &SubscriptionEvent) {
        let now = self.clock.now();
        let Some(before) = self.shared.table().get(callback).cloned() else { return };
        let (after, action) = state::next(&before, event, now);
        if let SubscriptionEvent::Polled { late, .. } = event {
            self.shared.counters.missed(if after.missed > before.missed { *late } else { 0 });
        }
        tell(&before, &after);
        let unreliable = action == Some(SubscriptionAction::TellUnreliable);
        let counts = matches!(
            event,
            SubscriptionEvent::Pushed { .. } | SubscriptionEvent::Dropped(_) | SubscriptionEvent::Polled { .. }
        );
        let is_count = counts && before.state_name() == after.state_name() && action.is_none();
        if action == Some(SubscriptionAction::Forget) {
            return self.forget(&before).await;
        }
        if unreliable {
            self.tell_unreliable(&after).await;
        }
        if before != after {
            self.adopt(after.clone(), !is_count).await;
        }
        match action {
            Some(SubscriptionAction::Subscribe) => self.ask(&after, HubMode::Subscribe),
            Some(SubscriptionAction::Unsubscribe) => self.ask(&after, HubMode::Unsubscribe),
            _ => {}
        }
    }

    /// From now on it stands like this; `stored`: at once, and not with the counts.
    async fn adopt(&mut self, after: Subscription, stored: bool) {
        if stored {
            self.keep(after.clone(), true).await;
            self.uncounted.remove(&after.callback);
        } else {
            self.uncounted.insert(after.callback.clone());
        }
        let source = after.source.clone();
        let due = due_of(&after);
        let before = self.shared.table().insert(after.callback.clone(), after);
        if let Some(old) = before.as_ref().and_then(due_of) {
            self.due.remove(&old);
        }
        self.due.extend(due);
        self.recover_cover(&source);
    }

    async fn forget(&mut self, subscription: &Subscription) {
        self.keep(subscription.clone(), false).await;
        self.shared.table().remove(&subscription.callback);
        self.uncounted.remove(&subscription.callback);
        if let Some(old) = due_of(subscription) {
            self.due.remove(&old);
        }
        self.recover_cover(&subscription.source);
    }

    fn recover_cover(&self, source: &SourceId) {
        let covers = self.shared.table().values().any(|one| one.source == *source && one.covers());
        let mut covered = self.shared.covered.write();
        if covers {
            covered.insert(source.clone());
        } else {
            covered.remove(source);
        }
    }

    async fn keep(&self, subscription: Subscription, stays: bool) {
        let keeper = self.keeper.clone();
        // A panic of the store is told where it happened; a subscription that is not stored is asked for anew.
        let _ = tokio::task::spawn_blocking(move || keeper(&subscription, stays)).await;
    }

    async fn store_counts(&mut self, now: Timestamp, every: Duration) {
        if self.uncounted.is_empty() || now.since(self.counted_at) < every {
            return;
        }
        self.counted_at = now;
        for callback in std::mem::take(&mut self.uncounted) {
            let known = self.shared.table().get(&callback).cloned();
            if let Some(known) = known {
                self.keep(known, true).await;
            }
        }
    }

    fn ask(&mut self, subscription: &Subscription, mode: HubMode) {
        let rules = self.rules.borrow().clone();
        let allow_private = rules.private.get(&subscription.source).cloned().unwrap_or_else(|| Arc::from([]));
        let subscription = subscription.clone();
        self.asking.spawn(async move {
            let answer = ask(&rules.client, &subscription, mode, &allow_private).await;
            (subscription.callback, mode, answer)
        });
    }

    /// Endpoints that want to hear of sources hear of it once.
    async fn tell_unreliable(&self, subscription: &Subscription) {
        let Some(ingest) = self.ingest.upgrade() else { return };
        let (source, now) = (subscription.source.clone(), self.clock.now());
        let unreliable = Some(UnreliableHub {
            hub: Url::parse(&subscription.hub).map_or_else(|_| "the hub".to_owned(), |url| host_of(&url)),
            pushed: subscription.pushed,
            missed: subscription.missed,
            since: now,
        });
        let batch = Batch {
            origin: Origin { source: source.clone(), kind: SourceKind::Hub, received: now },
            items: Vec::new(),
            unchanged: Vec::new(),
            rejected: Vec::new(),
            cursor: Cursor::Hub(Box::new(HubRecord { source, unreliable })),
            receipt: None,
            inbox: None,
            hubs: None,
        };
        // It fails only when the process ends.
        let _ = ingest.send(batch.into()).await;
    }
}

/// The event that a hub's question is, where it is one that we expect.
pub(super) fn expected(known: &Subscription, asked: &HubVerification) -> Option<SubscriptionEvent> {
    let leaving = known.state == SubscriptionState::Leaving;
    if known.topic != asked.topic {
        return None;
    }
    match asked.mode.as_str() {
        "subscribe" if !leaving => Some(SubscriptionEvent::Verified(asked.lease)),
        "unsubscribe" if leaving => Some(SubscriptionEvent::Left),
        "denied" if !leaving => {
            let reason = asked.reason.as_deref().map_or_else(|| "without a reason".to_owned(), |why| excerpt(why, 200));
            Some(SubscriptionEvent::Denied(format!("the hub denies it: {reason}")))
        }
        _ => None,
    }
}

/// Hubs that may be asked, those over https first.
fn usable(links: &HubLinks, rules: &SubscriptionRules) -> Vec<String> {
    let is_usable = |hub: &&String| {
        Url::parse(hub).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some())
            && !is_denied(hub, rules)
    };
    let mut hubs: Vec<String> = links.hubs.iter().filter(is_usable).cloned().collect();
    hubs.sort_by_key(|hub| !hub.starts_with("https:"));
    hubs
}

fn is_denied(hub: &str, rules: &SubscriptionRules) -> bool {
    let host = Url::parse(hub).ok().and_then(|url| url.host_str().map(str::to_ascii_lowercase)).unwrap_or_default();
    rules.hubs_deny.iter().any(|denied| {
        host.strip_suffix(denied.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// `None` where the system gives no random bytes.
pub(super) fn new_subscription(
    source: &SourceId,
    topic: &str,
    hubs: Vec<String>,
    base: &str,
    private: bool,
    now: Timestamp,
) -> Option<Subscription> {
    let hub = hubs.first()?.clone();
    let mut random = [0; CALLBACK_CHARS + SECRET_BYTES];
    aws_lc_rs::rand::fill(&mut random).ok()?;
    let (name, key) = random.split_at(CALLBACK_CHARS);
    let callback: String = name.iter().map(|byte| char::from(BASE32[usize::from(byte & 31)])).collect();
    let hex = |half: u8| char::from(HEX[usize::from(half)]);
    let secret: String = key.iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]).collect();
    // Over plain http anybody on the way would read it; one's own network is one's own business.
    let safe = private || hub.starts_with("https:");
    Some(Subscription {
        callback_url: format!("{base}{callback}"),
        callback,
        topic: topic.to_owned(),
        hub,
        hubs,
        secret: safe.then_some(HubSecret(secret)),
        ..Subscription::new(source.clone(), now)
    })
}

/// One line for each change of state.
fn tell(before: &Subscription, after: &Subscription) {
    if before.state_name() == after.state_name() {
        return;
    }
    let (source, hub, was, now) = (&after.source, one_line(&after.hub), before.state_name(), after.state_name());
    let (error, pushed, missed) = (after.error.as_deref().unwrap_or(""), after.pushed, after.missed);
    match now {
        "denied" | "lapsed" | "unreliable" => {
            warn!(%source, %hub, was, now, error, pushed, missed, "hub does not push, feed is polled as before");
        }
        // Prolonging is everyday.
        "renewing" => {}
        "active" if was == "renewing" => {}
        _ => info!(%source, %hub, was, now, "subscription at a hub"),
    }
}
