//! [3] Between the sources and the store: receive → prepare (a thread of its own, in parallel) → decide →
//! `store.apply` (one transaction) → receipts and a wake for delivery. While batches are decided and stored
//! the next are prepared, and what is ready by then commits together. Owns the memory; nobody else decides.

mod count;
mod filed;
mod judged;
mod outage;
mod prepared;
mod preparing;
mod pushed;
mod ready;
mod rekey;
mod snapshots;
mod source_alerts;
mod tell;
mod turns;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::failpoint::{Failpoint, Planted};
use crate::model::{
    Cursor, ItemId, Origin, RawItem, RawText, RejectReason, Rejection, SeedOutcome, SourceKind, Timestamp,
};
use crate::niceness;
use crate::pipeline::{Decision, Ledger, Prepared, Rules, Verdict, Withheld, decide};
use crate::source::feed::last_documents::LastDocuments;
use crate::source::feed::polling::schedule;
use crate::source::{Batch, IngestMessage, Receipt};
use crate::store::{BatchWrite, SilenceRecord, Store, StoreError};
use crate::telemetry::{Pulse, TAKEN};
use crate::text::clean;

pub use count::{IngestCounters, IngestCounts, TopicCounts};
pub use outage::Outage;
pub use tell::tell_waiting;

use outage::patiently;
use prepared::PreparedBatch;
use preparing::{PreparingStage, prepare_one};
use pushed::ItemFate;
use ready::{ReadyEnd, ReadyQueue};
use rekey::ItemFaces;
use snapshots::SnapshotSchedule;

/// How often what has left the window is forgotten.
const EXPIRE_EVERY: Duration = Duration::from_secs(600);

/// Why the loop ended.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The store failed for good: the process must stop and not acknowledge anything more.
    #[error("failed to {0}")]
    Store(#[from] StoreError),
    /// The system has no thread for it.
    #[error("failed to start the thread that prepares items: {0}")]
    Thread(#[source] std::io::Error),
}

/// Everything the loop needs.
pub struct Ingest {
    /// Where decisions become durable.
    pub store: Store,
    /// The current rules; replaced whole on reload.
    pub rules: watch::Receiver<Arc<Rules>>,
    /// What is known of the recent stream.
    pub ledger: Ledger,
    /// Items and copies that the snapshot it was recalled from did not know; `None`: there was no such snapshot.
    pub recalled_after: Option<u64>,
    /// How far back that reaches.
    pub window: Duration,
    /// The time.
    pub clock: Clock,
    /// Told after every commit that raised alerts.
    pub wake: Box<dyn Fn() + Send>,
    /// Threads for `prepare`.
    pub threads: usize,
    /// Raised on a reason to stop retrying.
    pub cancel: tokio_util::sync::CancellationToken,
    /// How it is seen from outside.
    pub links: IngestLinks,
    /// What need not be read again.
    pub last_documents: LastDocuments,
}

/// How the loop is seen, and held, from outside.
#[derive(Clone)]
pub struct IngestLinks {
    /// While true, nothing is taken: the disk is nearly full. Sources offer it again.
    pub hold: watch::Receiver<bool>,
    /// Whether it turns.
    pub pulse: Pulse,
    /// Whether the thread before it does.
    pub preparing: Pulse,
    /// What it counts.
    pub counters: IngestCounters,
    /// Why it waits for the store, if it does.
    pub outage: Outage,
}

impl Ingest {
    /// Runs until every sender is gone, or the store fails for good. Blocks: give it its own thread.
    ///
    /// # Errors
    /// [`IngestError`] when the store can no longer be trusted, or there is no thread to prepare on.
    pub fn run(mut self, messages: mpsc::Receiver<IngestMessage>) -> Result<(), IngestError> {
        let ready = Arc::new(ReadyQueue::default());
        let _end = ReadyEnd(&ready);
        let (preparing, theirs) = (self.preparing(), Arc::clone(&ready));
        let thread = std::thread::Builder::new()
            .name("prepare".to_owned())
            .spawn(move || {
                niceness::yield_by(niceness::BEFORE_INGEST);
                preparing.run(messages, &theirs);
            })
            .map_err(IngestError::Thread)?;
        let mut expired_at = self.clock.now();
        let mut snapshots = SnapshotSchedule::begun(self.recalled_after, self.clock.now());
        while let Some(group) = ready.take() {
            self.decide_and_store(group)?;
            let now = self.clock.now();
            if snapshots.is_due(self.store.arrivals(), self.ledger.len(), now) {
                self.keep_snapshot(&mut snapshots);
            }
            self.links.pulse.rest();
            if now.since(expired_at) >= EXPIRE_EVERY || self.ledger.is_crowded() {
                self.ledger.expire(now.minus(self.window));
                expired_at = now;
            }
        }
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if snapshots.is_worth_it(self.store.arrivals(), self.ledger.len()) {
            self.keep_snapshot(&mut snapshots);
        }
        Ok(())
    }

    /// Writes down what the memory holds, for the next start. Without it that takes longer, and nothing is lost.
    fn keep_snapshot(&self, snapshots: &mut SnapshotSchedule) {
        self.links.pulse.beat(self.clock.now());
        if !*self.links.hold.borrow() {
            match self.store.keep_snapshot(&self.ledger) {
                Ok(kept) => debug!(items = self.ledger.len(), bytes = kept.bytes, "snapshot of the memory written"),
                Err(error) => warn!(%error, "no snapshot of the memory: the next start takes longer"),
            }
        }
        snapshots.kept(self.store.arrivals(), self.clock.now());
    }

    /// Takes a group of batches at once: one transaction for all of them.
    ///
    /// # Errors
    /// [`IngestError`] when the store can no longer be trusted; no receipt was given then.
    pub fn take(&mut self, group: Vec<Batch>) -> Result<(), IngestError> {
        let prepared = self.preparing().prepare(group);
        self.decide_and_store(prepared)
    }

    fn preparing(&self) -> PreparingStage {
        PreparingStage {
            rules: self.rules.clone(),
            last_documents: self.last_documents.clone(),
            links: self.links.clone(),
            clock: self.clock.clone(),
            threads: self.threads,
        }
    }

    /// Decides on batches that are prepared, stores them, and says so. Called with none, it still does what
    /// people asked for meanwhile.
    fn decide_and_store(&mut self, group: Vec<PreparedBatch>) -> Result<(), IngestError> {
        let now = self.clock.now();
        self.links.pulse.beat(now);
        let (silences, waits) = patiently(&self.links, &self.clock, &self.cancel, || self.store.asked_by_hand())?;
        if self.ledger.silences_count != Some(silences) {
            self.reload_silences(now)?;
        }
        if waits {
            self.apply_corrections(now)?;
        }
        if group.is_empty() {
            return Ok(());
        }
        let ids: Vec<ItemId> = group.iter().flat_map(|batch| batch.marks.iter().map(|mark| mark.id)).collect();
        let mut removed =
            patiently(&self.links, &self.clock, &self.cancel, || self.store.recall_known(&ids, &mut self.ledger, now))?;
        let (mut writes, mut receipts) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
        for mut batch in group {
            self.links.pulse.beat(self.clock.now());
            removed.extend(self.recall_unbelieved(&mut batch, &writes, now)?);
            let (write, receipt) = self.decide_batch(batch, &removed, now)?;
            writes.push(write);
            receipts.push(receipt);
        }
        self.apply(&writes, now)?;
        Failpoint::AfterCommit.pass();
        let raised = |write: &BatchWrite| {
            write.source_alert.is_some() || write.decisions.iter().any(|decision| !decision.alerts.is_empty())
        };
        if writes.iter().any(raised) {
            (self.wake)();
        }
        for (write, PendingReceipt { received, receipt, reply }) in writes.iter().zip(receipts) {
            self.links.counters.batch(received, &receipt, &write.rejected);
            self.links.counters.decided(&write.decisions, now);
            report(write, receipt);
            if let Some(reply) = reply {
                // A source that has gone in the meantime needs no receipt.
                let _ = reply.send(receipt);
            }
        }
        Ok(())
    }

    /// Carries out what people said about stories since; what the disk has no room for waits on.
    fn apply_corrections(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let done = match self.store.carry_out_corrections(now) {
            Err(error) if error.is_passing() => return Ok(()),
            done => done?,
        };
        self.store.recall_corrected(&done, &mut self.ledger)?;
        for correction in &done {
            let (number, verb) = (correction.number, correction.verb.as_str());
            match &correction.refused {
                None => info!(number, verb, story = %correction.story, "stories corrected by hand"),
                Some(why) => warn!(number, verb, story = %correction.story, why, "correction by hand refused"),
            }
        }
        self.tell_waiting(now)
    }

    /// Tells what people asked for, after the stories are as they said.
    fn tell_waiting(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let rules = self.rules.borrow().clone();
        let done = match tell_waiting(&self.store, &mut self.ledger, &rules, now) {
            Err(error) if error.is_passing() => return Ok(()),
            done => done?,
        };
        for tell in &done {
            let (number, author, story) = (tell.number, clean::one_line(&tell.author), tell.story);
            match (&tell.refused, &tell.outcome) {
                (None, Some(outcome)) => {
                    info!(number, %author, %story, endpoints = outcome.told.join(","), "story told by hand");
                }
                (why, _) => warn!(number, %author, %story, why, "story not told by hand"),
            }
        }
        if done.iter().any(|tell| tell.refused.is_none()) {
            (self.wake)();
        }
        Ok(())
    }

    /// An operator's `silences add` in another process counts from the next batch on.
    fn reload_silences(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let known = self.ledger.silences_count;
        let changed = patiently(&self.links, &self.clock, &self.cancel, || self.store.silences_since(known, now))?;
        if let Some((count, silences)) = changed {
            self.ledger.silences = silences.iter().filter_map(SilenceRecord::matcher).collect();
            self.ledger.silences_count = Some(count);
        }
        Ok(())
    }

    /// `removed`: of its items, those that retention took away.
    fn decide_batch(
        &mut self,
        batch: PreparedBatch,
        removed: &HashSet<ItemId>,
        now: Timestamp,
    ) -> Result<(BatchWrite, PendingReceipt), StoreError> {
        let PreparedBatch { batch, marks, mut prepared, unchanged, unchanged_ids, rules } = batch;
        let rules = rules.as_ref();
        let Batch { origin, items, rejected, cursor, receipt: reply, inbox, unchanged: _, hubs: _ } = batch;
        // Notes are told beside what was not taken, but these items are.
        let (mut noted, mut rejected): (Vec<_>, Vec<_>) = rejected.into_iter().partition(|r| r.reason.is_note());
        let received = (items.len() + unchanged.len()) as u64 + rejected.iter().map(|r| r.count).sum::<u64>();
        self.keep_pages(&origin, &items, &mut prepared, rules)?;
        self.look_up_headlines(&mut prepared)?;
        self.quiet_rekeyed(&origin, &mut prepared, unchanged.len(), &mut noted)?;
        noted.extend(self.quiet_old(&origin, &mut prepared, rules));
        let mut decisions = Vec::with_capacity(prepared.len());
        let mut fates = Vec::with_capacity(prepared.len());
        let mut seen = unchanged_ids;
        for (outcome, id) in prepared.into_iter().zip(marks.iter().map(|mark| mark.id)) {
            let fate = match outcome {
                Ok(prepared) if !seen.insert(prepared.item.id) => Err(Rejection {
                    reason: RejectReason::DuplicateKey,
                    detail: format!("key {} twice in one document", prepared.item.key.as_str()),
                    count: 1,
                }),
                // Retention removed it: known, and no news.
                Ok(prepared) if removed.contains(&prepared.item.id) => Ok(ItemFate::Known(prepared.item.id)),
                Ok(prepared) => {
                    decisions.push(decide(prepared, &mut self.ledger, rules, now));
                    Ok(ItemFate::Decided(decisions.len() - 1))
                }
                // Nothing but a link, and known by the page behind it: its feed never carries more.
                Err(rejection)
                    if rejection.reason == RejectReason::Empty && self.is_known(id, removed) && seen.insert(id) =>
                {
                    Ok(ItemFate::Known(id))
                }
                Err(rejection) => Err(rejection),
            };
            fates.push(fate.unwrap_or_else(|rejection| {
                rejected.push(rejection);
                ItemFate::Rejected(rejected.len() - 1)
            }));
        }
        let quota = source_alerts::hold(&cursor, &mut decisions, rules, now);
        let mut receipt = Receipt { told: quota.told, over_quota: quota.held, ..count(&decisions, &rejected) };
        receipt.late = judged::late_of(&decisions, &origin);
        let known_removed = fates.iter().filter(|fate| matches!(fate, ItemFate::Known(_))).count();
        receipt.known += (known_removed + unchanged.len()) as u64;
        if received > 0 {
            // The first of its key counts; what was rejected is tried again next time.
            let taken = marks.into_iter().filter(|mark| seen.remove(&mark.id)).map(|mark| mark.fingerprint);
            self.last_documents.replace(&origin, unchanged.into_iter().chain(taken).collect());
        }
        noted.extend(decisions.iter().filter(|d| d.prepared.cut_bytes > 0).map(cut));
        noted.extend(decisions.iter().filter(|d| d.prepared.dropped_link_bytes > 0).map(without_link));
        if let Cursor::Push(push) = &cursor {
            pushed::answer(push, &fates, &decisions, &rejected, &noted, &receipt);
        }
        rejected.extend(noted);
        rejected.extend(decisions.iter().filter_map(withheld));
        let mut cursor = cursor;
        let (mut health, mut source_alert) = (None, None);
        if let Cursor::Feed(state) = &mut cursor {
            let reached = source_alerts::reached(state, &rejected, &receipt);
            schedule::note_receipt(state, &receipt);
            rejected.extend(source_alerts::note(quota, &origin, rules));
            (health, source_alert) = self.judge_source(state, receipt.new + receipt.sightings, reached, rules, now);
        }
        if let Cursor::Hub(hub) = &cursor {
            source_alert = self.judge_hub(hub, rules, now)?;
        }
        let inbox = inbox.map(|row| (row, serde_json::to_string(&receipt).expect("invariant: counts are JSON")));
        Ok((
            BatchWrite { origin, decisions, rejected, cursor, health, source_alert, inbox },
            PendingReceipt { received, receipt, reply },
        ))
    }

    fn is_known(&self, id: ItemId, removed: &HashSet<ItemId>) -> bool {
        removed.contains(&id) || self.ledger.known(id).is_some()
    }

    /// An edited item whose text is that of its page keeps it: its feed never carries it, and a page is
    /// fetched once.
    fn keep_pages(
        &self,
        origin: &Origin,
        items: &[RawItem],
        prepared: &mut [Result<Prepared, Rejection>],
        rules: &Rules,
    ) -> Result<(), StoreError> {
        for (raw, prepared) in items.iter().zip(prepared).filter(|(raw, _)| raw.page.is_none()) {
            let Ok(Prepared { item, .. }) = prepared else { continue };
            let known = self.ledger.known(item.id).filter(|known| known.of == item.id);
            if known.is_none_or(|known| known.text == item.version.short()) {
                continue;
            }
            if let Some(text) = self.store.page_text(item.id)? {
                let whole = RawItem { page: Some(RawText::plain(text)), ..raw.clone() };
                *prepared = prepare_one(&whole, origin, rules);
            }
        }
        Ok(())
    }

    /// What an edited item was called before: the decision asks no store.
    fn look_up_headlines(&self, prepared: &mut [Result<Prepared, Rejection>]) -> Result<(), StoreError> {
        for prepared in prepared.iter_mut().flatten() {
            let known = self.ledger.known(prepared.item.id).filter(|known| known.of == prepared.item.id);
            if known.is_some_and(|known| known.text != prepared.item.version.short()) {
                prepared.headline_before = self.store.headline(prepared.item.id)?;
            }
        }
        Ok(())
    }

    /// What a feed brings long after it was published is no news.
    fn quiet_old(
        &self,
        origin: &Origin,
        prepared: &mut [Result<Prepared, Rejection>],
        rules: &Rules,
    ) -> Option<Rejection> {
        if !matches!(origin.kind, SourceKind::Feed | SourceKind::Hub) {
            return None;
        }
        let items = prepared.iter_mut().flatten().map(|prepared| &mut prepared.item);
        let mut count = 0;
        for item in items.filter(|item| !item.quiet && rules.is_too_old(item)) {
            // One that is known came in time, or was counted.
            if self.ledger.known(item.id).is_none() {
                item.quiet = true;
                count += 1;
            }
        }
        let detail = "items published longer ago than `alerts.age_max`: stored, not alerted".to_owned();
        (count > 0).then_some(Rejection { reason: RejectReason::TooOld, detail, count })
    }

    /// A feed that gives all its items new ids at once has no news: what it had before stays quiet.
    fn quiet_rekeyed(
        &self,
        origin: &Origin,
        prepared: &mut [Result<Prepared, Rejection>],
        unchanged: usize,
        rejected: &mut Vec<Rejection>,
    ) -> Result<(), StoreError> {
        let items = || prepared.iter().flatten().map(|prepared| &prepared.item);
        let (unknown, all) =
            (items().filter(|item| self.ledger.known(item.id).is_none()).count(), unchanged + items().count());
        if origin.kind != SourceKind::Feed || !rekey::is_suspect(unknown, all) {
            return Ok(());
        }
        let faces = patiently(&self.links, &self.clock, &self.cancel, || {
            self.store.recent_faces(&origin.source, rekey::FACES_MAX)
        })?;
        let faces = ItemFaces::of(faces);
        let same: Vec<ItemId> = items().filter(|item| faces.contains(item)).map(|item| item.id).collect();
        if !rekey::is_rekey(same.len(), all) {
            return Ok(());
        }
        warn!(source = %origin.source, items = same.len(), "feed gave its items new ids, none of them alerts");
        for item in prepared.iter_mut().flatten().map(|prepared| &mut prepared.item) {
            item.quiet |= same.contains(&item.id);
        }
        rejected.push(Rejection {
            reason: RejectReason::Rekeyed,
            detail: "items came again under new ids: stored, not alerted".to_owned(),
            count: same.len() as u64,
        });
        Ok(())
    }

    /// Writes, and tries again for as long as the reason may pass: what was decided is not decided twice.
    fn apply(&self, writes: &[BatchWrite], now: Timestamp) -> Result<(), StoreError> {
        if Planted::EtagFirst.is_in() {
            let cursor = |write: &BatchWrite| BatchWrite {
                cursor: write.cursor.clone(),
                ..BatchWrite::new(write.origin.clone(), Vec::new())
            };
            self.store.apply(&writes.iter().map(cursor).collect::<Vec<_>>(), now)?;
        }
        let began = tokio::time::Instant::now();
        patiently(&self.links, &self.clock, &self.cancel, || self.store.apply(writes, now))?;
        self.links.counters.committed(began.elapsed());
        Ok(())
    }
}

impl Default for IngestLinks {
    /// Never held, seen by nobody.
    fn default() -> Self {
        Self {
            hold: watch::channel(false).1,
            pulse: Pulse::default(),
            preparing: Pulse::default(),
            counters: IngestCounters::default(),
            outage: Outage::default(),
        }
    }
}

/// What is told of a batch once it is durable, and to whom.
struct PendingReceipt {
    /// Items that came, with those that were not taken.
    received: u64,
    receipt: Receipt,
    reply: Option<oneshot::Sender<Receipt>>,
}

/// Whether an item is new to the store, or new in its text.
fn is_news(decision: &Decision) -> bool {
    matches!(decision.verdict, Verdict::New { .. } | Verdict::Revision { .. })
}

/// An item that was taken, but not whole.
fn cut(decision: &Decision) -> Rejection {
    let Prepared { item, cut_bytes, .. } = &decision.prepared;
    Rejection {
        reason: RejectReason::TextCut,
        detail: format!("{cut_bytes} bytes of item {} ({})", item.id, item.title),
        count: 1,
    }
}

/// An item that hits a topic and is left to what others report.
fn withheld(decision: &Decision) -> Option<Rejection> {
    let reason = match decision.withheld? {
        Withheld::Comment => RejectReason::CommentWithheld,
        Withheld::RoundUp => RejectReason::RoundUpWithheld,
    };
    let Prepared { item, .. } = &decision.prepared;
    Some(Rejection { reason, detail: format!("item {} ({})", item.id, item.headline()), count: 1 })
}

/// An item that was taken without its link.
fn without_link(decision: &Decision) -> Rejection {
    let Prepared { item, dropped_link_bytes, .. } = &decision.prepared;
    Rejection {
        reason: RejectReason::LinkDropped,
        detail: format!("{dropped_link_bytes} bytes of the link of item {} ({})", item.id, item.title),
        count: 1,
    }
}

fn count(decisions: &[Decision], rejected: &[Rejection]) -> Receipt {
    let mut receipt = Receipt { rejected: rejected.iter().map(|r| r.count).sum(), ..Receipt::default() };
    for decision in decisions {
        receipt.alerts += decision.alerts.len() as u64;
        match decision.verdict {
            Verdict::Unchanged | Verdict::Sighting { again: true, .. } => receipt.known += 1,
            Verdict::New { .. } => receipt.new += 1,
            Verdict::Revision { .. } => receipt.revisions += 1,
            Verdict::Sighting { again: false, .. } => receipt.sightings += 1,
        }
    }
    receipt
}

/// For whoever watches on a terminal.
fn taken(batch: &BatchWrite, receipt: Receipt) {
    let decisions = || batch.decisions.iter().filter(|decision| !matches!(decision.verdict, Verdict::Unchanged));
    match &batch.cursor {
        Cursor::SeedFile(file) if matches!(file.outcome, SeedOutcome::Taken { .. }) => {
            let topics: BTreeSet<&str> = decisions()
                .flat_map(|decision| &decision.prepared.matches)
                .map(|matched| matched.topic.as_str())
                .collect();
            debug!(
                target: TAKEN,
                file = file.name,
                items = receipt.new + receipt.sightings + receipt.revisions,
                known = receipt.known,
                topics = topics.into_iter().collect::<Vec<_>>().join(", "),
                alerts = receipt.alerts,
                item = decisions().next().map(|decision| decision.prepared.item.id.to_string()).unwrap_or_default(),
                "file taken"
            );
        }
        Cursor::Feed(_) if decisions().any(|decision| decision.prepared.item.quiet) => {
            let quiet = decisions().filter(|decision| decision.prepared.item.quiet).count();
            debug!(target: TAKEN, source = %batch.origin.source, items = quiet, "baseline stored");
        }
        _ => {}
    }
}

/// One line per batch that brought something, one per alert, one per rejection class.
fn report(batch: &BatchWrite, receipt: Receipt) {
    let Receipt { new, known, sightings, revisions, rejected, alerts, .. } = receipt;
    let source = &batch.origin.source;
    if new + sightings + revisions + rejected > 0 {
        debug!(%source, new, known, sightings, revisions, rejected, alerts, "batch stored");
    }
    taken(batch, receipt);
    for alert in batch.decisions.iter().flat_map(|d| &d.alerts) {
        info!(
            alert = %alert.draft.id,
            topics = alert.draft.topics.iter().map(|t| t.matched.topic.as_str()).collect::<Vec<_>>().join(","),
            story = %alert.draft.story.id,
            reason = %alert.draft.reason,
            endpoints = alert.endpoints.len(),
            "alert raised"
        );
    }
    if let Some(alert) = &batch.source_alert {
        info!(alert = %alert.id, %source, reason = %alert.reason, endpoints = alert.endpoints.len(), "source alert raised");
    }
    // A file that was refused whole is told of by its watcher, with what to do about it.
    let refused = matches!(&batch.cursor, Cursor::SeedFile(file) if matches!(file.outcome, SeedOutcome::Refused(_)));
    if batch.origin.kind == SourceKind::Seed && !refused {
        for rejection in batch.rejected.iter().filter(|one| !RejectReason::WITHHELD.contains(&one.reason)) {
            warn!(%source, reason = %rejection.reason, detail = %clean::excerpt(&rejection.detail, 200), "not taken");
        }
    }
}
