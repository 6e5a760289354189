//! One endpoint's queue: claims due rows, keeps a bounded number of attempts in flight, waits for the
//! next due time or a wake-up. A queue shares nothing with another but the store and the recorder, so
//! a dead receiver delays nobody else. What it must not do: keep a decision that is not in the store.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt, TryFutureExt};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::attempt::{Shared, SlotEnd, attempt};
use super::count::CountedAttempt;
use super::notice::{Change, Told, tell};
use super::record::{RecorderStopped, Recording};
use super::send::{Answer, Channel};
use super::summary::{QueueSummary, Until};
use super::{EndpointConfig, PayloadFormat};
use crate::model::Timestamp;
use crate::store::StoreError;
use crate::store::outbox::{
    self, Claim, ClaimNumber, ClaimRequest, Claimed, DeliveryId, Gate, Release, Settle, SharedClaim,
};
use crate::telemetry::Pulse;

/// Rows claimed at once, beyond those in flight.
const CLAIM_ROWS_MAX: usize = 256;
/// Bytes of bodies claimed at once.
const CLAIM_BYTES_MAX: usize = 1 << 20;
/// The store is looked at this often without being woken: an operator's command in another process
/// (`deliveries replay`, `endpoints enable`) wakes nobody here.
const IDLE_LOOK: Duration = Duration::from_secs(5);
/// Until a claim that met a busy database is tried again.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// While more is due than one claim holds, so many attempts may be on their way to the disk: without
/// that, a slow disk and not the receiver would set the pace of catching up. Otherwise no more than may
/// be on the wire, so a crash repeats next to nothing.
const UNRECORDED_BACKLOG_MAX: usize = 64;
/// An endpoint that fails for so long is told of on others, even if nothing was given up yet.
const TELL_AFTER: Duration = Duration::from_secs(3600);
/// A claim on a delivery outlasts its request by so much: what came of it is recorded by then.
const CLAIM_SLACK: Duration = Duration::from_secs(10);
/// The loop turns at least this often, to be seen alive.
const TURN_MAX: Duration = Duration::from_secs(10);
/// A clock that goes back by less is left alone.
const CLOCK_SLACK: Duration = Duration::from_mins(1);
/// Requests in flight may finish for so long once delivery is to stop.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// What ends a queue unasked.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueueError {
    /// The outbox cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Attempts are not recorded any more.
    #[error(transparent)]
    Recorder(#[from] RecorderStopped),
    /// A bug in an attempt.
    #[error("an attempt ended unasked: {0}")]
    Attempt(JoinError),
}

/// One endpoint's queue.
#[expect(clippy::struct_excessive_bools, reason = "independent observations of what is due, not a state")]
pub(super) struct Queue {
    endpoint: Arc<EndpointConfig>,
    shared: Shared,
    wake: watch::Receiver<u64>,
    until: Until,
    /// Claimed, not started.
    ready: VecDeque<Claimed>,
    /// Claimed and not recorded yet: `ready`, `slots` and `recording` together.
    in_flight: HashSet<DeliveryId>,
    /// On the wire.
    slots: JoinSet<Result<(SlotEnd, Recording), RecorderStopped>>,
    /// Answered, on the way to the disk.
    recording: FuturesUnordered<BoxFuture<'static, Result<SlotEnd, RecorderStopped>>>,
    /// How many of those close the gate: until the store knows, nothing more is sent.
    closing: usize,
    /// More was due than one claim holds.
    backlog: bool,
    /// Something due waits for an earlier alert of its story.
    in_order: bool,
    channel: Option<Arc<Channel>>,
    /// Claimed, and not sent by this process after all.
    returned: Vec<ClaimNumber>,
    /// The last attempt did not get through from here.
    unreached: bool,
    /// Something may be due that is not in flight.
    look: bool,
    /// When to look again without being woken.
    look_at: Timestamp,
    /// One at a time until one succeeds.
    throttled: bool,
    /// Since when it fails, and what was told of that.
    failing_since: Option<Timestamp>,
    noticed: Option<String>,
    /// When it was last told that its template fails.
    unwritten_told_at: Option<Timestamp>,
    /// A change to tell on other endpoints.
    news: Option<(Change, Option<String>)>,
    /// When the loop last turned, to notice a clock that is set back. `None`, at a start and when it was: what is
    /// stored may lie in a future that the clock only claimed.
    turned_at: Option<Timestamp>,
    /// What the log last said: a change is news, its continuation is not.
    said: Said,
    summary: QueueSummary,
    /// Whether the loop turns.
    pulse: Pulse,
}

/// How the log last described the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Working,
    Failing,
    /// Not it, but this machine.
    Short,
    Disabled,
}

impl Queue {
    pub(super) fn new(endpoint: Arc<EndpointConfig>, shared: Shared, wake: watch::Receiver<u64>, until: Until) -> Self {
        let look_at = shared.clock.now();
        let pulse = Pulse::default();
        pulse.beat(look_at);
        Self {
            endpoint,
            shared,
            wake,
            until,
            ready: VecDeque::new(),
            in_flight: HashSet::new(),
            slots: JoinSet::new(),
            recording: FuturesUnordered::new(),
            closing: 0,
            backlog: false,
            in_order: false,
            channel: None,
            returned: Vec::new(),
            unreached: false,
            look: true,
            look_at,
            throttled: false,
            failing_since: None,
            noticed: None,
            unwritten_told_at: None,
            news: None,
            turned_at: None,
            said: Said::Working,
            summary: QueueSummary::default(),
            pulse,
        }
    }

    /// For whoever watches over the queues.
    pub(super) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    pub(super) async fn run(mut self, cancel: CancellationToken) -> Result<QueueSummary, QueueError> {
        while !cancel.is_cancelled() {
            self.tell().await?;
            self.mind_clock();
            if self.has_room() {
                if let Some(row) = self.ready.pop_front() {
                    self.start(row).await;
                    continue;
                }
                if self.look {
                    self.claim().await?;
                    continue;
                }
            }
            if self.until != Until::Cancelled && self.in_flight.is_empty() && !self.look {
                return Ok(self.summary);
            }
            self.wait(&cancel).await?;
        }
        self.drain().await?;
        Ok(self.summary)
    }

    /// A clock that is set back leaves due times behind that would come in hours or years.
    fn mind_clock(&mut self) {
        let now = self.shared.clock.now();
        if self.turned_at.is_some_and(|turned_at| turned_at.since(now) >= CLOCK_SLACK) {
            (self.turned_at, self.look) = (None, true);
        }
        self.turned_at = self.turned_at.map(|_| now);
        self.pulse.beat(now);
    }

    fn has_room(&self) -> bool {
        let now = self.shared.clock.now();
        let one_by_one = outbox::is_tried_one_by_one(self.throttled, self.failing_since, now);
        let slots_max = if one_by_one { 1 } else { self.slots() };
        let unrecorded_max = if self.backlog { UNRECORDED_BACKLOG_MAX.max(slots_max) } else { slots_max };
        self.closing == 0 && self.slots.len() < slots_max && self.slots.len() + self.recording.len() < unrecorded_max
    }

    /// So many requests are on the wire at once while it works. Lines for people stand in the order of their alerts: no
    /// story grows before it is told.
    fn slots(&self) -> usize {
        if self.endpoint.format == PayloadFormat::Console { 1 } else { self.endpoint.concurrency.max(1) }
    }

    async fn wait(&mut self, cancel: &CancellationToken) -> Result<(), QueueError> {
        let idle = !self.look && self.until == Until::Cancelled;
        let clock = self.shared.clock.clone();
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            Some(answered) = self.slots.join_next() => self.answered(answered)?,
            Some(recorded) = self.recording.next() => self.recorded(&recorded?),
            // The other side lives as long as the delivery that owns this queue.
            _ = self.wake.changed(), if idle => self.look = true,
            () = clock.sleep_until(self.look_at), if idle => self.look = true,
            () = tokio::time::sleep(TURN_MAX) => {}
        }
        Ok(())
    }

    async fn claim(&mut self) -> Result<(), QueueError> {
        // Before the read: a commit after this wakes us again.
        self.wake.mark_unchanged();
        let now = match self.until {
            Until::Cancelled => self.shared.clock.now(),
            Until::NothingDue(at) => at,
        };
        self.look = false;
        self.look_at = now.plus(IDLE_LOOK);
        if self.turned_at.is_none() && self.mend_clock(now).await? {
            self.turned_at = Some(now);
        }
        self.let_go().await?;
        match self.read_due(now).await {
            Ok(mut claim) => {
                self.write_bodies(&mut claim, now).await?;
                // What is let go now was not in this claim.
                claim.more |= claim.held_due && self.release(now).await?;
                self.take(claim);
            }
            Err(failure) if failure.is_passing() && self.until == Until::Cancelled => {
                warn!(endpoint = %self.endpoint.id, error = %failure, "due deliveries not read, will try again");
                self.look_at = now.plus(BUSY_PAUSE);
            }
            Err(failure) => return Err(failure.into()),
        }
        Ok(())
    }

    async fn read_due(&mut self, now: Timestamp) -> Result<Claim, StoreError> {
        let (endpoint, in_flight) = (self.endpoint.id.clone(), self.in_flight.clone());
        let shared = SharedClaim {
            slots: self.slots(),
            answered: self.recording.len(),
            lasts: self.endpoint.timeout + CLAIM_SLACK,
            unreached: self.unreached,
        };
        let read = self.shared.store.blocking(move |store| {
            let request = ClaimRequest {
                endpoint: &endpoint,
                now,
                rows_max: CLAIM_ROWS_MAX,
                body_bytes_max: CLAIM_BYTES_MAX,
                in_flight: &in_flight,
                shared,
            };
            store.claim_deliveries(&request)
        });
        read.await
    }

    /// Gives claims back; where that cannot be said now, their time runs out.
    async fn let_go(&mut self) -> Result<(), StoreError> {
        if self.returned.is_empty() {
            return Ok(());
        }
        let claims = std::mem::take(&mut self.returned);
        match self.shared.store.blocking(move |store| store.let_go_of_claims(&claims)).await {
            Err(failure) if !failure.is_passing() => Err(failure),
            _ => Ok(()),
        }
    }

    /// Whether the store took it: waits that began while the clock was ahead begin anew.
    async fn mend_clock(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let endpoint = self.endpoint.id.clone();
        let mended = self
            .shared
            .store
            .blocking(move |store| store.write("mend due times", |tx| outbox::mend_clock(tx, &endpoint, now)));
        match mended.await {
            Ok(0) => Ok(true),
            Ok(deliveries) => {
                warn!(endpoint = %self.endpoint.id, deliveries, "clock was ahead, deliveries wait from now on");
                Ok(true)
            }
            Err(failure) if failure.is_passing() => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// What could not be written when it was raised is written now, or parked again with the reason.
    async fn write_bodies(&mut self, claim: &mut Claim, now: Timestamp) -> Result<(), StoreError> {
        let unwritten = claim.rows.iter().filter(|row| row.content_type.is_empty());
        let rows: Vec<DeliveryId> = unwritten.map(|row| row.id).collect();
        if rows.is_empty() {
            return Ok(());
        }
        // They are claimed again once they are written.
        self.returned.extend(claim.rows.extract_if(.., |row| row.content_type.is_empty()).filter_map(|row| row.claim));
        let (format, count) = (self.endpoint.wire_format(), rows.len());
        let written = self.shared.store.blocking(move |store| {
            store.write("write deliveries again", |tx| outbox::write_bodies(tx, &rows, &format, now))
        });
        match written.await {
            Ok(parked) => {
                self.summary.parked += parked.len() as u64;
                claim.more |= parked.len() < count;
                debug!(endpoint = %self.endpoint.id, count, parked = parked.len(), "deliveries written again");
                Ok(())
            }
            Err(failure) if failure.is_passing() => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Lets go what has waited long enough; the next look finds it due.
    async fn release(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let endpoint = self.endpoint.clone();
        let released = self.shared.store.blocking(move |store| {
            let format = endpoint.wire_format();
            store.write("let waiting deliveries go", |tx| {
                let instance = store.instance();
                let (endpoint, timing) = (&endpoint.id, &endpoint.timing);
                outbox::release(tx, &Release { endpoint, format: &format, timing, instance, now })
            })
        });
        match released.await {
            Ok(rows) => {
                debug!(endpoint = %self.endpoint.id, rows, "waiting deliveries let go");
                Ok(rows > 0)
            }
            Err(failure) if failure.is_passing() => {
                warn!(endpoint = %self.endpoint.id, error = %failure, "waiting deliveries not let go yet, will try again");
                Ok(false)
            }
            Err(failure) => Err(failure),
        }
    }

    fn take(&mut self, claim: Claim) {
        self.look = claim.more;
        self.backlog = claim.backlog;
        self.in_order = claim.in_order;
        self.look_at = claim.next_due_at.map_or(self.look_at, |due| due.min(self.look_at));
        self.throttled = claim.state.throttled;
        self.failing_since = claim.state.failing_since;
        self.noticed.clone_from(&claim.state.noticed);
        let now = self.shared.clock.now();
        if claim.state.unwritten > 0 && self.unwritten_told_at.is_none_or(|at| now.since(at) >= TELL_AFTER) {
            self.unwritten_told_at = Some(now);
            self.news = Some((Change::Unwritten, claim.state.last_error.clone()));
        }
        if let Some((_, reason)) = &claim.state.disabled {
            self.change(Change::Disabled, Some(reason.clone()));
        }
        match &claim.state.disabled {
            Some((since, reason)) if self.said != Said::Disabled => {
                warn!(endpoint = %self.endpoint.id, %since, reason, "endpoint is disabled, its deliveries wait");
                self.said = Said::Disabled;
            }
            None if self.said == Said::Disabled => self.said = Said::Working,
            Some(_) | None => {}
        }
        self.in_flight.extend(claim.rows.iter().map(|row| row.id));
        self.ready.extend(claim.rows);
    }

    async fn start(&mut self, row: Claimed) {
        let channel = self.channel().await;
        let failing_since = self.failing_since;
        self.slots.spawn(attempt(self.shared.clone(), self.endpoint.clone(), channel, row, failing_since));
    }

    /// The way to the endpoint; opened again after a failure, so a mended secret file is enough.
    async fn channel(&mut self) -> Result<Arc<Channel>, Answer> {
        if let Some(channel) = &self.channel {
            return Ok(channel.clone());
        }
        let (endpoint, config, console) =
            (self.endpoint.clone(), self.shared.config.clone(), self.shared.console.clone());
        let opened = tokio::task::spawn_blocking(move || Channel::open(&endpoint, &config, &console))
            .await
            .expect("invariant: opening a channel does not panic");
        match opened {
            Ok(channel) => Ok(self.channel.insert(Arc::new(channel)).clone()),
            Err(error) => Err(error.as_answer()),
        }
    }

    fn answered(
        &mut self,
        answered: Result<Result<(SlotEnd, Recording), RecorderStopped>, JoinError>,
    ) -> Result<(), QueueError> {
        let (end, recording) = answered.map_err(QueueError::Attempt)??;
        if end.gate != Gate::Unchanged {
            self.closing += 1;
            // What was claimed goes back to the store, which will know until when it has to wait.
            self.give_back_ready();
        }
        self.recording.push(recording.done().map_ok(|()| end).boxed());
        Ok(())
    }

    fn give_back_ready(&mut self) {
        for row in self.ready.drain(..) {
            self.in_flight.remove(&row.id);
            self.returned.extend(row.claim);
        }
    }

    fn recorded(&mut self, end: &SlotEnd) {
        self.in_flight.remove(&end.id);
        self.unreached = !end.outcome.got_through();
        self.shared.counters.attempt(CountedAttempt {
            endpoint: &self.endpoint.id,
            outcome: &end.outcome,
            settle: &end.settle,
            took: end.latency,
            since_alert: end.since_alert,
        });
        self.follow(end);
        match end.settle {
            Settle::Delivered => {
                self.summary.delivered += 1;
                self.throttled = false;
            }
            Settle::RetryAt(due) => {
                self.summary.failed += 1;
                self.look_at = self.look_at.min(due);
            }
            Settle::WaitUntil(due) => self.look_at = self.look_at.min(due),
            Settle::Park => self.summary.parked += 1,
        }
        // What waited for this one may go now.
        self.look |= self.in_order && !matches!(end.settle, Settle::RetryAt(_) | Settle::WaitUntil(_));
        if end.gate != Gate::Unchanged {
            self.closing -= 1;
            self.look = true;
        }
        self.log(end);
    }

    /// Notes what an attempt says about the endpoint itself.
    fn follow(&mut self, end: &SlotEnd) {
        if end.settle == Settle::Delivered {
            // What failed meanwhile may be due now.
            self.look |= self.failing_since.is_some();
            self.failing_since = None;
            self.change(Change::Recovered, None);
            return;
        }
        if matches!(end.settle, Settle::WaitUntil(_)) {
            return;
        }
        let now = self.shared.clock.now();
        let since = *self.failing_since.get_or_insert(now);
        if let Gate::Disable { reason } = end.gate {
            self.change(Change::Disabled, Some(reason.to_owned()));
        } else if end.settle == Settle::Park || end.outcome.needs_operator() || now.since(since) >= TELL_AFTER {
            self.change(Change::Failing, end.error.clone());
        }
    }

    /// A change is told once; a disabled endpoint is not told of as failing again.
    fn change(&mut self, change: Change, detail: Option<String>) {
        let told = self.noticed.as_deref();
        if told == change.noticed() || (told == Some("disabled") && change == Change::Failing) {
            return;
        }
        self.noticed = change.noticed().map(str::to_owned);
        self.news = Some((change, detail));
    }

    /// Tells what changed; where the store cannot take it now, the next attempt brings it up again.
    async fn tell(&mut self) -> Result<(), StoreError> {
        let Some((change, detail)) = self.news.take() else { return Ok(()) };
        let told = Told { change, endpoint: self.endpoint.id.clone(), detail, now: self.shared.clock.now() };
        let operations = self.shared.operations.clone();
        match self.shared.store.blocking(move |store| tell(store, &told, &operations)).await {
            Ok(true) => self.shared.waker.wake(),
            Ok(false) => {}
            Err(failure) if failure.is_passing() => self.noticed = None,
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    fn log(&mut self, end: &SlotEnd) {
        let (endpoint, alert, attempt) = (&self.endpoint.id, &end.webhook_id, end.attempt);
        let latency_ms = end.latency.as_millis() as u64;
        match (&end.settle, &end.error) {
            (Settle::Delivered, _) => {
                if self.said != Said::Working {
                    info!(%endpoint, "endpoint works again");
                    self.said = Said::Working;
                }
                info!(%endpoint, alert, attempt, latency_ms, "alert delivered");
            }
            (Settle::WaitUntil(_), reason) => {
                if self.said != Said::Short {
                    warn!(%endpoint, alert, reason, "this machine is short of descriptors or memory, deliveries wait");
                }
                self.said = Said::Short;
            }
            (Settle::Park, reason) => {
                error!(%endpoint, alert, attempt, reason, "delivery parked after its last attempt");
            }
            (Settle::RetryAt(retry_at), reason) => {
                if self.said == Said::Failing {
                    debug!(%endpoint, alert, attempt, latency_ms, reason, %retry_at, "delivery failed, will try again");
                } else {
                    warn!(%endpoint, alert, attempt, latency_ms, reason, %retry_at, "delivery failed, will try again");
                }
                self.said = Said::Failing;
            }
        }
        if let Gate::Disable { reason } = end.gate {
            error!(%endpoint, reason, "endpoint disabled");
            self.said = Said::Disabled;
        }
    }

    /// Lets requests in flight finish; cuts those that do not. They will be made again (promise P6).
    async fn drain(&mut self) -> Result<(), QueueError> {
        self.give_back_ready();
        self.let_go().await?;
        let finish = async {
            loop {
                tokio::select! {
                    Some(answered) = self.slots.join_next() => self.answered(answered)?,
                    Some(recorded) = self.recording.next() => self.recorded(&recorded?),
                    else => return Ok(()),
                }
            }
        };
        if let Ok(finished) = tokio::time::timeout(DRAIN_MAX, finish).await {
            return finished;
        }
        let attempts = self.slots.len() + self.recording.len();
        warn!(endpoint = %self.endpoint.id, attempts, "attempts cut while stopping, will be made again");
        self.slots.shutdown().await;
        Ok(())
    }
}
