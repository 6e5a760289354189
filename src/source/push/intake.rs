//! From a push to durable items: one batch, told of after its commit. Nothing waits in memory but what the bounded way
//! to `ingest` holds; where that is full the sender is told so. Where another process decides, it is passed on as it came.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use super::{PushBody, PushConfig, PushDocument, PushReader};
use crate::clock::Clock;
use crate::failpoint::Planted;
use crate::model::{ContentHash, Cursor, Origin, PushAnswer, PushRecord, Rejection, SourceId, SourceKind};
use crate::source::parser::Parser;
use crate::source::{Batch, IngestMessage, IngestSender, Limits};

/// So long a push waits for room on the way to `ingest`.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(2);
/// So long it waits to be durable; it may be all the same, and a repeat finds out.
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(30);

/// What a repeat of a push is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushKey {
    /// As its sender gave it.
    pub key: String,
    /// Of the body.
    pub body_hash: ContentHash,
}

/// Why a push was not taken; the sender may come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushUntaken {
    /// Items come faster than they are stored.
    Full,
    /// The disk is nearly full, and nothing is taken until there is room.
    DiskLow,
    /// It did not become durable in time; whether it will is not known.
    Late,
    /// The daemon is stopping.
    Stopping,
    /// It could not be passed on to the process that decides.
    Unreachable,
    /// The process that decides does not take it: it knows no such sender.
    UnknownThere,
}

/// How the body of a push is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushForm {
    /// As a whole.
    Whole(PushBody),
    /// As lines, numbered from this one.
    Lines(u64),
}

/// A push for another process to decide on, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayedPush {
    /// Who sends.
    pub source: SourceId,
    /// How it is read.
    pub form: PushForm,
    /// What a repeat is known by.
    pub key: Option<PushKey>,
    /// What was sent.
    pub body: Vec<u8>,
}

/// Passes a push on and gives the answer, as JSON, once it is durable.
pub type PushRelay = Arc<dyn Fn(RelayedPush) -> BoxFuture<'static, Result<String, PushUntaken>> + Send + Sync>;

/// Where pushes go.
#[derive(Clone)]
enum PushWay {
    /// To the decision loop of this process.
    Here(mpsc::WeakSender<IngestMessage>),
    /// To another process.
    Elsewhere(PushRelay),
}

/// The way in for pushes; cheap to clone. It keeps nobody from stopping.
#[derive(Clone)]
pub struct PushIntake {
    way: PushWay,
    parser: Parser,
    hold: watch::Receiver<bool>,
    clock: Clock,
    /// Where in the inbox the answer goes.
    inbox: Option<i64>,
}

impl PushIntake {
    /// Of a running daemon.
    #[must_use]
    pub fn new(ingest: &IngestSender, parser: Parser, hold: watch::Receiver<bool>, clock: Clock) -> Self {
        Self { way: PushWay::Here(ingest.downgrade()), parser, hold, clock, inbox: None }
    }

    /// Of a process that does not decide.
    #[must_use]
    pub fn elsewhere(relay: PushRelay, parser: Parser, clock: Clock) -> Self {
        let (way, hold) = (PushWay::Elsewhere(relay), watch::channel(false).1);
        Self { way, parser, hold, clock, inbox: None }
    }

    /// Takes what another process has passed on, and answers there.
    ///
    /// # Errors
    /// [`PushUntaken`]; nothing is known to be stored then.
    pub async fn take_relayed(
        &self,
        config: &PushConfig,
        limits: Limits,
        push: RelayedPush,
        row: i64,
    ) -> Result<String, PushUntaken> {
        let answering = Self { inbox: Some(row), ..self.clone() };
        let RelayedPush { form, key, body, .. } = push;
        match form {
            PushForm::Whole(kind) => answering.take_body(config, limits, kind, body, key).await,
            PushForm::Lines(first) => {
                let lines = (first..).zip(body.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
                answering.take_lines(config, limits, lines.collect(), key).await
            }
        }
    }

    /// Reads a body and takes what it holds; the answer as JSON.
    ///
    /// # Errors
    /// [`PushUntaken`]; nothing is known to be stored then.
    pub async fn take_body(
        &self,
        config: &PushConfig,
        limits: Limits,
        kind: PushBody,
        bytes: Vec<u8>,
        key: Option<PushKey>,
    ) -> Result<String, PushUntaken> {
        if let PushWay::Elsewhere(relay) = &self.way {
            let (source, form) = (config.id.clone(), PushForm::Whole(kind));
            return relay(RelayedPush { source, form, key, body: bytes }).await;
        }
        self.is_open()?;
        let document = self.reader(config, limits).read(&self.parser, kind, bytes).await;
        self.take(config, document, key).await
    }

    /// Reads numbered lines, each one more than the one before, and takes what they hold; the answer as JSON.
    ///
    /// # Errors
    /// [`PushUntaken`]; nothing is known to be stored then.
    pub async fn take_lines(
        &self,
        config: &PushConfig,
        limits: Limits,
        lines: Vec<(u64, Vec<u8>)>,
        key: Option<PushKey>,
    ) -> Result<String, PushUntaken> {
        if let PushWay::Elsewhere(relay) = &self.way {
            let (source, form) = (config.id.clone(), PushForm::Lines(lines.first().map_or(1, |(first, _)| *first)));
            let body = lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>().join(&b'\n');
            return relay(RelayedPush { source, form, key, body }).await;
        }
        self.is_open()?;
        let document = self.reader(config, limits).read_lines(&self.parser, lines).await;
        self.take(config, document, key).await
    }

    fn reader(&self, config: &PushConfig, limits: Limits) -> PushReader {
        PushReader { config: config.clone(), limits, received: self.clock.now() }
    }

    fn is_open(&self) -> Result<(), PushUntaken> {
        if *self.hold.borrow() { Err(PushUntaken::DiskLow) } else { Ok(()) }
    }

    async fn take(
        &self,
        config: &PushConfig,
        document: PushDocument,
        key: Option<PushKey>,
    ) -> Result<String, PushUntaken> {
        let PushDocument { items, rejected } = document;
        let (lines, items) = items.into_iter().unzip();
        let (key, body_hash) =
            key.map_or((None, ContentHash::of(&[])), |PushKey { key, body_hash }| (Some(key), body_hash));
        let answer = Arc::new(OnceLock::new());
        let counted = rejected
            .iter()
            .map(|one| Rejection { reason: one.reason, detail: one.detail.clone(), count: one.count })
            .collect();
        let (source, inbox) = (config.id.clone(), self.inbox);
        let record = PushRecord { source, key, body_hash, lines, rejected, answer: answer.clone(), inbox };
        let (receipt, told) = oneshot::channel();
        let origin = Origin { source: config.id.clone(), kind: SourceKind::Push, received: self.clock.now() };
        let cursor = Cursor::Push(Box::new(record));
        let batch = Batch {
            origin,
            items,
            unchanged: Vec::new(),
            rejected: counted,
            cursor,
            receipt: Some(receipt),
            inbox: None,
            hubs: None,
        };
        if Planted::AnsweredFirst.is_in() {
            let late = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                late.send(batch).await
            });
            return Ok(as_json(&PushAnswer { received: 1, new: 1, ..PushAnswer::default() }));
        }
        self.send(batch).await?;
        match tokio::time::timeout(COMMIT_WAIT_MAX, told).await {
            Err(_) => return Err(PushUntaken::Late),
            // Given back unread: the disk filled up meanwhile, or the stop was quicker.
            Ok(Err(_)) if *self.hold.borrow() => return Err(PushUntaken::DiskLow),
            Ok(Err(_)) => return Err(PushUntaken::Stopping),
            Ok(Ok(_)) => {}
        }
        Ok(as_json(&answer.get().cloned().unwrap_or_default()))
    }

    async fn send(&self, batch: Batch) -> Result<(), PushUntaken> {
        let PushWay::Here(ingest) = &self.way else { return Err(PushUntaken::Unreachable) };
        let Some(ingest) = ingest.upgrade() else { return Err(PushUntaken::Stopping) };
        match tokio::time::timeout(ROOM_WAIT_MAX, ingest.send(batch.into())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(PushUntaken::Stopping),
            Err(_) => Err(PushUntaken::Full),
        }
    }
}

fn as_json(answer: &PushAnswer) -> String {
    serde_json::to_string(answer).expect("invariant: counts, names and text are JSON")
}
