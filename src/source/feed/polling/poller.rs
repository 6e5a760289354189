//! The one task for all feeds: a heap of due times, bounded fetches, a bound and a pause per host. No
//! feed has a task or timer of its own while it waits. A poll ends as a batch to `ingest`, and only
//! when that is durable is its state adopted: validators never run ahead of the items they cover.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{self, AbortHandle, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::counters::{PollCounters, PollFlow};
use super::pages::{self, KnownItems};
use super::queue::{PollLane, PollPacing, PollQueue};
use super::result::PollResult;
use super::rules::{PollRules, PollRulesSlot};
use super::schedule;
use super::tools::{PollTarget, PollTools};
use super::visit::visit;
use crate::clock::Clock;
use crate::failpoint::Failpoint;
use crate::model::{Cursor, FeedFailure, FeedState, FoundHubs, Origin, SourceId, SourceKind, Timestamp};
use crate::source::feed::last_documents::LastDocuments;
use crate::source::feed::{FeedConfig, PollingConfig, SpacingScope};
use crate::source::parser::Parser;
use crate::source::websub::{PollHubs, PolledNews};
use crate::source::{Batch, IngestSender, ParsedDocument, Receipt};

/// Polls that wait for their batch to become durable: many, so that they are committed together.
const SETTLING_MAX: usize = 256;

/// Words of fetches whose body is in, which the loop has not heard yet; one that finds no place keeps its slot until it is read.
const FETCHED_WHOLE_MAX: usize = 256;

/// A batch that was not accepted is fetched again after this.
const UNACCEPTED_WAIT: Duration = Duration::from_secs(30);

/// The loop turns at least this often, to be seen alive and to see that it is no longer held.
const TURN_MAX: Duration = Duration::from_secs(10);

/// How often it is looked whether the polls move.
const FLOW_EVERY: Duration = Duration::from_secs(5);

/// A clock that goes back by less is left alone.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// A 404 for this long is worth a second word.
const NOT_FOUND_WARN_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the poller is connected to.
pub struct PollerLinks {
    /// To `ingest`.
    pub ingest: IngestSender,
    /// Where documents are parsed.
    pub parser: Parser,
    /// The time.
    pub clock: Clock,
    /// While true, no poll begins: the disk is nearly full.
    pub hold: watch::Receiver<bool>,
    /// Counted here, read by metrics and health.
    pub counters: Arc<PollCounters>,
    /// PollSelection items need no page any more.
    pub known: KnownItems,
    /// The subscriptions at hubs, where there are any.
    pub hubs: Option<PollHubs>,
    /// What `ingest` remembers of documents: they are read without it. Empty where another process decides, which would
    /// not know what was left out.
    pub last_documents: LastDocuments,
}

/// Which feeds [`Poller::poll_once`] polls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PollSelection {
    /// Those whose time has come.
    Due,
    /// These, due or not, stopped or not.
    Named(HashSet<SourceId>),
}

/// What came of one feed's poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollReport {
    /// The feed.
    pub source: SourceId,
    /// Items in the document; `None` when there was no new document.
    pub items: Option<u64>,
    /// Why it failed, in words.
    pub failure: Option<(FeedFailure, String)>,
    /// What `ingest` made of it; `None` when it did not accept it.
    pub receipt: Option<Receipt>,
    /// When it is polled next.
    pub next_poll_at: Timestamp,
}

/// Which feeds' bodies are in, by the task that fetched them.
type FetchedWhole = (mpsc::Sender<(usize, task::Id)>, mpsc::Receiver<(usize, task::Id)>);

/// The task.
pub struct Poller {
    pub(super) tools: Arc<PollTools>,
    ingest: IngestSender,
    hold: watch::Receiver<bool>,
    counters: Arc<PollCounters>,
    known: KnownItems,
    pub(super) feeds: Vec<PolledFeed>,
    pub(super) queue: PollQueue,
    /// Where the rules of a reload come from.
    pub(super) reloads: PollRulesSlot,
    /// Slots of `feeds` whose feed was removed and that nothing points to any more.
    pub(super) free: Vec<usize>,
    fetching: JoinSet<(usize, PollResult, Duration)>,
    /// Polls that wait for the pages of their items.
    paging: JoinSet<(usize, PollResult)>,
    /// Fetches whose body is in: what is left of them is reading, which takes no slot of others.
    fetched_whole: FetchedWhole,
    settling: JoinSet<SettledPoll>,
    /// `Some`: every feed is polled once and reported here.
    reports: Option<Vec<PollReport>>,
    /// When the loop last turned, to notice a clock that is set back.
    turned_at: Timestamp,
    /// When it was last looked how the polls move, and when one last came to its end.
    flow_at: Timestamp,
    settled_at: Timestamp,
    /// `ingest` refused the last batch; said once.
    refused: bool,
    /// `ingest` is gone.
    closed: bool,
}

pub(super) struct PolledFeed {
    pub(super) target: Arc<PollTarget>,
    pub(super) state: Arc<FeedState>,
    /// Being fetched, or on the way to the disk.
    pub(super) busy: bool,
    /// When its poll under way, or the last one, began.
    begun_at: Timestamp,
    /// Ends its fetch.
    fetch: Option<AbortHandle>,
    /// Taken out by a reload: what is under way ends, nothing new begins.
    pub(super) removed: bool,
    /// The host that another process is to ask once that has ended.
    pub(super) leaving: Option<String>,
    /// A hub has said something meanwhile: whether the feed is to be polled for it.
    pub(super) hinted: Option<bool>,
}

struct SettledPoll {
    feed: usize,
    items: Option<u64>,
    next: Box<FeedState>,
    found: Option<FoundHubs>,
    accepted: Result<Receipt, BatchRefusal>,
}

enum BatchRefusal {
    Unaccepted,
    Closed,
}

impl Poller {
    /// A poller of these feeds; nothing is polled before [`Poller::run`] or [`Poller::poll_once`].
    #[must_use]
    pub fn new(rules: PollRules, links: PollerLinks) -> Self {
        let PollRules { feeds, polling, limits, client, states } = rules;
        let now = links.clock.now();
        let mut tools = PollTools::new(client, polling.clone(), limits, links.parser, links.clock);
        tools.hubs = links.hubs;
        tools.last_documents = links.last_documents;
        let mut poller = Self {
            tools: Arc::new(tools),
            ingest: links.ingest,
            hold: links.hold,
            counters: links.counters,
            known: links.known,
            feeds: Vec::with_capacity(feeds.len()),
            queue: PollQueue::default(),
            reloads: PollRulesSlot::default(),
            free: Vec::new(),
            fetching: JoinSet::new(),
            paging: JoinSet::new(),
            fetched_whole: mpsc::channel(FETCHED_WHOLE_MAX),
            settling: JoinSet::new(),
            reports: None,
            turned_at: now,
            flow_at: now,
            settled_at: now,
            refused: false,
            closed: false,
        };
        poller.take_over_feeds(feeds, states, &polling);
        poller
    }

    /// Takes over what is put there while it runs.
    #[must_use]
    pub fn following(mut self, reloads: PollRulesSlot) -> Self {
        self.reloads = reloads;
        self
    }

    /// Polls until cancelled, or until `ingest` is gone. Fetches under way are cut off at the end;
    /// nothing is lost by that, for their state has not moved.
    pub async fn run(mut self, cancel: CancellationToken) {
        let now = self.tools.clock.now();
        let due = self.feeds.iter().filter(|feed| feed.state.next_poll_at <= now).count();
        let spread = schedule::start_spread(self.tools.polling.start_spread, due);
        for index in 0..self.feeds.len() {
            self.wake_first(index, now, spread);
        }
        info!(feeds = self.feeds.len(), due, spread_s = spread.as_secs(), "polling started");
        self.turn(&cancel).await;
    }

    /// Polls each of these feeds once and reports, in no particular order.
    pub async fn poll_once(mut self, which: &PollSelection, cancel: &CancellationToken) -> Vec<PollReport> {
        let now = self.tools.clock.now();
        let mut asked = 0;
        for (index, feed) in self.feeds.iter().enumerate() {
            let wanted = match which {
                PollSelection::Due => !feed.state.gone && feed.state.next_poll_at <= now,
                PollSelection::Named(names) => names.contains(&feed.state.source),
            };
            if wanted {
                self.queue.wake(index, now, feed.lane());
                asked += 1;
            }
        }
        self.reports = Some(Vec::with_capacity(asked));
        self.turn(cancel).await;
        self.reports.unwrap_or_default()
    }

    /// The loop.
    async fn turn(&mut self, cancel: &CancellationToken) {
        while !self.closed && !cancel.is_cancelled() {
            let now = self.tools.clock.now();
            self.counters.turned(now);
            self.keep_pace(now);
            self.look_at_flow(now);
            self.start_due(now);
            let idle = self.fetching.is_empty() && self.paging.is_empty() && self.settling.is_empty();
            if self.reports.is_some() && idle && (self.queue.is_idle() || *self.hold.borrow()) {
                return;
            }
            let wake = self.next_wake(now);
            let reloads = self.reloads.clone();
            tokio::select! {
                () = cancel.cancelled() => return,
                Some(fetched) = self.fetching.join_next_with_id() => match fetched {
                    // Broken off, to be asked again later.
                    Err(error) if error.is_cancelled() => {}
                    fetched => {
                        let (id, (feed, visit, took)) = unwind(fetched);
                        // One that ended just as it was broken off does not count either.
                        if self.feeds[feed].fetch.as_ref().is_some_and(|fetch| fetch.id() == id) {
                            self.fetched(feed, visit, took);
                        }
                    }
                },
                Some((feed, fetch)) = self.fetched_whole.1.recv() => {
                    // Unless it has come to its end meanwhile, and another one has begun.
                    if self.feeds[feed].fetch.as_ref().is_some_and(|running| running.id() == fetch) {
                        self.queue.ended(feed, self.tools.clock.now(), &self.pacing());
                    }
                }
                Some(filled) = self.paging.join_next() => {
                    let (feed, visit) = unwind(filled);
                    self.settle(feed, visit);
                }
                Some(settled) = self.settling.join_next() => self.settled(unwind(settled)),
                () = reloads.filled() => {
                    self.apply_reload();
                    self.apply_hurry();
                    self.apply_hints();
                }
                () = self.tools.clock.sleep_until(wake) => {}
            }
        }
        if self.closed && !cancel.is_cancelled() {
            error!("polling stopped: nobody takes its items");
        }
    }

    /// A clock that is set back (hours, years) must not stretch anybody's wait: all times move with it.
    fn keep_pace(&mut self, now: Timestamp) {
        let back = self.turned_at.since(now);
        self.turned_at = now;
        if back < CLOCK_SLACK {
            return;
        }
        warn!(seconds = back.as_secs(), "clock set back, polling goes on at its pace");
        (self.flow_at, self.settled_at) = (now, now);
        self.queue.set_back(back);
    }

    /// Now and then, for it goes over all feeds: whether the polls move.
    fn look_at_flow(&mut self, now: Timestamp) {
        if now.since(self.flow_at) < FLOW_EVERY {
            return;
        }
        self.flow_at = now;
        let begun = self.feeds.iter().filter(|feed| feed.busy).map(|feed| feed.begun_at);
        let (in_hand, oldest) = begun.fold((0, now), |(count, oldest), at| (count + 1, oldest.min(at)));
        // While the disk is full nothing is to move.
        let held = *self.hold.borrow();
        let unmoved = if in_hand == 0 || held { Duration::ZERO } else { now.since(self.settled_at.max(oldest)) };
        let overdue = if held { Duration::ZERO } else { self.queue.overdue(now) };
        self.counters.moves(PollFlow { in_hand, in_hand_for: now.since(oldest), unmoved, overdue });
    }

    fn has_room(&self) -> bool {
        self.settling.len() < SETTLING_MAX && !*self.hold.borrow()
    }

    fn pacing(&self) -> PollPacing {
        let PollingConfig { fetches_max, fetches_per_host_max, host_spacing, .. } = self.tools.polling;
        PollPacing { fetches_max, per_host_max: fetches_per_host_max, spacing: host_spacing }
    }

    fn next_wake(&self, now: Timestamp) -> Timestamp {
        let turn = now.plus(TURN_MAX);
        let next = if self.has_room() { self.queue.next_at(&self.pacing()) } else { None };
        next.map_or(turn, |at| turn.min(at))
    }

    fn start_due(&mut self, now: Timestamp) {
        let pacing = self.pacing();
        for feed in self.queue.break_off(now, &pacing) {
            debug!(source = %self.feeds[feed].state.source, "slow feed broken off, asked again later");
            self.feeds[feed].busy = false;
            self.feeds[feed].fetch.take().inspect(AbortHandle::abort);
            self.heed_hint(feed);
            if self.feeds[feed].removed {
                self.queue.forget(&HashSet::from([feed]));
                self.has_ended(feed);
            }
        }
        while self.has_room()
            && let Some(start) = self.queue.start(now, &pacing)
        {
            self.counters.started(start.lag);
            let feed = &mut self.feeds[start.feed];
            (feed.busy, feed.begun_at) = (true, now);
            let (tools, target, state) = (self.tools.clone(), feed.target.clone(), feed.state.clone());
            let fetched_whole = self.fetched_whole.0.clone();
            let fetch = self.fetching.spawn(async move {
                let began = tokio::time::Instant::now();
                let task = task::id();
                let whole = || {
                    // Where it finds no place, the slot is held for as long as the document is read.
                    let _ = fetched_whole.try_send((start.feed, task));
                };
                let result = visit(&tools, &target, &state, whole).await;
                (start.feed, result, began.elapsed())
            });
            feed.fetch = Some(fetch);
        }
    }

    fn fetched(&mut self, feed: usize, mut visit: PollResult, took: Duration) {
        self.feeds[feed].fetch = None;
        self.queue.ended(feed, self.tools.clock.now(), &self.pacing());
        self.counters.polled(&visit, took);
        let target = self.feeds[feed].target.clone();
        if !pages::wanted(&target, &visit) {
            return self.settle(feed, visit);
        }
        if self.paging.len() >= pages::PAGING_MAX {
            pages::skip(&target, &mut visit, "too many feeds wait for pages at once");
            return self.settle(feed, visit);
        }
        let Some(mut waiting) = self.tools.waiting_room(visit.text_bytes()) else {
            pages::skip(&target, &mut visit, "its document is too large to wait for pages beside the others");
            return self.settle(feed, visit);
        };
        // Nobody else's document waits while this one does.
        visit.room = None;
        let (tools, known) = (self.tools.clone(), self.known.clone());
        self.paging.spawn(async move {
            pages::fill(&tools, &target, &mut visit, &known, &mut waiting).await;
            visit.room = Some(waiting.into_permit());
            (feed, visit)
        });
    }

    /// Sends what a poll brought on its way to the disk.
    fn settle(&mut self, feed: usize, mut visit: PollResult) {
        let quota = self.feeds[feed].target.config.bytes_per_day_max;
        visit.rejected.extend(schedule::spend_bytes(&mut visit.next, visit.page_bytes, quota));
        let PollResult { received, document, rejected, next, room, wire_bytes, hops, failed, links, .. } = visit;
        let source = next.source.clone();
        // A good poll is of interest to the subscription of its feed, wherever that is.
        let wanted = self.tools.hubs.as_ref().filter(|hubs| next.failure.is_none() && hubs.wants(&source));
        let before = self.feeds[feed].state.last_poll_at;
        let is_here = wanted.is_some_and(|hubs| hubs.desk().is_some());
        let found = wanted.map(|_| FoundHubs { links, before });
        let (found, hubs) = if is_here { (found, None) } else { (None, found) };
        debug!(%source, wire_bytes, hops, failure = failed.map(FeedFailure::as_str), "feed polled");
        let items = document.as_ref().map(ParsedDocument::item_count);
        let (items_found, unchanged, mut refused) =
            document.map_or_else(Default::default, |d| (d.items, d.unchanged, d.rejected));
        refused.extend(rejected);
        Failpoint::FeedRead.pass();
        let (receipt, received_back) = oneshot::channel();
        let batch = Batch {
            origin: Origin { source, kind: SourceKind::Feed, received },
            items: items_found,
            unchanged,
            rejected: refused,
            cursor: Cursor::Feed(next.clone()),
            receipt: Some(receipt),
            inbox: None,
            hubs,
        };
        let ingest = self.ingest.clone();
        self.settling.spawn(async move {
            let accepted = match ingest.send(batch.into()).await {
                Ok(()) => received_back.await.map_err(|_| BatchRefusal::Unaccepted),
                Err(_) => Err(BatchRefusal::Closed),
            };
            drop(room);
            SettledPoll { feed, items, next, found, accepted }
        });
    }

    /// The last poll of a feed that was taken out is over.
    fn has_ended(&mut self, feed: usize) {
        self.free.push(feed);
        if let Some(host) = self.feeds[feed].leaving.take() {
            self.reloads.has_left(&host);
        }
    }

    /// A batch is durable, or will never be.
    fn settled(&mut self, settled: SettledPoll) {
        let SettledPoll { feed: index, items, mut next, accepted, found } = settled;
        let now = self.tools.clock.now();
        self.feeds[index].busy = false;
        self.settled_at = now;
        if self.feeds[index].removed {
            self.has_ended(index);
            return;
        }
        let again_at = match &accepted {
            Ok(receipt) => {
                self.refused = false;
                schedule::note_receipt(&mut next, receipt);
                tell(&self.feeds[index].state, &next);
                if let (Some(found), Some(desk)) = (found, self.tools.hubs.as_ref().and_then(PollHubs::desk)) {
                    desk.polled(PolledNews::new(next.source.clone(), found, receipt));
                }
                self.feeds[index].state = Arc::from(next.clone());
                next.next_poll_at
            }
            Err(BatchRefusal::Unaccepted) => {
                if !std::mem::replace(&mut self.refused, true) {
                    warn!(source = %next.source, retry_s = UNACCEPTED_WAIT.as_secs(), "poll not stored, will be repeated");
                }
                now.plus(UNACCEPTED_WAIT)
            }
            Err(BatchRefusal::Closed) => {
                self.closed = true;
                now
            }
        };
        let hinted = self.heed_hint(index);
        if let Some(reports) = &mut self.reports {
            reports.push(PollReport {
                source: next.source.clone(),
                items,
                failure: next.failure.zip(next.error.clone()),
                receipt: accepted.ok(),
                next_poll_at: next.next_poll_at,
            });
        } else if !self.feeds[index].state.gone {
            // One whose documents take long to read holds its slot for as long: it waits with its like.
            let lane = match self.feeds[index].lane() {
                PollLane::Quick if self.tools.is_heavy(&self.feeds[index].state.source) => PollLane::Late,
                lane => lane,
            };
            let again_at = if hinted == Some(true) { self.soonest(index, now).min(again_at) } else { again_at };
            self.queue.wake(index, again_at, lane);
        }
    }
}

impl PolledFeed {
    pub(super) fn new(target: PollTarget, state: FeedState) -> Self {
        let begun_at = Timestamp::default();
        Self {
            target: Arc::new(target),
            state: Arc::new(state),
            busy: false,
            begun_at,
            fetch: None,
            removed: false,
            leaving: None,
            hinted: None,
        }
    }

    /// One that failed last time waits with its like.
    pub(super) fn lane(&self) -> PollLane {
        if self.state.failure.is_some() { PollLane::Slow } else { PollLane::Quick }
    }
}

/// Whose name a feed's requests are counted under.
pub(super) fn spared(feed: &FeedConfig, scope: SpacingScope) -> String {
    match scope {
        SpacingScope::Host => feed.url.host_str().unwrap_or("").to_owned(),
        SpacingScope::Feed => format!("feed {}", feed.id),
    }
}

/// A poll that panicked is a bug: it goes on up, and the process ends in order.
fn unwind<T>(joined: Result<T, JoinError>) -> T {
    joined.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => panic!("invariant: polls are only cut off together with the poller ({error})"),
    })
}

/// One line per change of a feed's health.
fn tell(before: &FeedState, after: &FeedState) {
    let source = &after.source;
    let error = after.error.as_deref().unwrap_or("");
    let next_poll_at = after.next_poll_at;
    let retry_s = next_poll_at.since(after.last_poll_at.unwrap_or(next_poll_at)).as_secs();
    match (before.failure, after.failure) {
        (_, Some(FeedFailure::Gone)) if after.gone && !before.gone => {
            error!(%source, "feed is gone, stopped until it is enabled again");
        }
        (None, Some(failure)) => warn!(%source, %failure, error, retry_s, %next_poll_at, "feed failing"),
        (Some(old), Some(failure)) if old != failure => {
            warn!(%source, %failure, error, retry_s, %next_poll_at, "feed failing in another way");
        }
        (Some(_), Some(failure @ FeedFailure::NotFound)) if crosses_week(before, after) => {
            warn!(%source, %failure, "feed not found for a week: remove it, or find its new address");
        }
        (Some(failure), None) => info!(%source, was = %failure, "feed recovered"),
        _ => {}
    }
}

fn crosses_week(before: &FeedState, after: &FeedState) -> bool {
    let Some(since) = after.failing_since else { return false };
    let lasted = |state: &FeedState| state.last_poll_at.map_or(Duration::ZERO, |at| at.since(since));
    lasted(before) < NOT_FOUND_WARN_AFTER && lasted(after) >= NOT_FOUND_WARN_AFTER
}
