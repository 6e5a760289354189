//! From a push to durable items: one batch, told of after its commit. Nothing waits in memory but what the bounded way
//! to `ingest` holds; where that is full the sender is told so.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::{PushBody, PushConfig, PushDocument, PushReader};
use crate::clock::Clock;
use crate::failpoint::Planted;
use crate::model::{ContentHash, Cursor, Origin, PushAnswer, PushRecord, Rejection, SourceKind};
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
}

/// The way in for pushes; cheap to clone. It keeps nobody from stopping.
#[derive(Clone)]
pub struct PushIntake {
    ingest: mpsc::WeakSender<IngestMessage>,
    parser: Parser,
    hold: watch::Receiver<bool>,
    clock: Clock,
}

impl PushIntake {
    /// Of a running daemon.
    #[must_use]
    pub fn new(ingest: &IngestSender, parser: Parser, hold: watch::Receiver<bool>, clock: Clock) -> Self {
        Self { ingest: ingest.downgrade(), parser, hold, clock }
    }

    /// Reads a body and takes what it holds.
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
    ) -> Result<PushAnswer, PushUntaken> {
        self.is_open()?;
        let document = self.reader(config, limits).read(&self.parser, kind, bytes).await;
        self.take(config, document, key).await
    }

    /// Reads numbered lines and takes what they hold.
    ///
    /// # Errors
    /// [`PushUntaken`]; nothing is known to be stored then.
    pub async fn take_lines(
        &self,
        config: &PushConfig,
        limits: Limits,
        lines: Vec<(u64, Vec<u8>)>,
        key: Option<PushKey>,
    ) -> Result<PushAnswer, PushUntaken> {
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
    ) -> Result<PushAnswer, PushUntaken> {
        let PushDocument { items, rejected } = document;
        let (lines, items) = items.into_iter().unzip();
        let (key, body_hash) =
            key.map_or((None, ContentHash::of(&[])), |PushKey { key, body_hash }| (Some(key), body_hash));
        let answer = Arc::new(OnceLock::new());
        let counted = rejected
            .iter()
            .map(|one| Rejection { reason: one.reason, detail: one.detail.clone(), count: one.count })
            .collect();
        let record = PushRecord { source: config.id.clone(), key, body_hash, lines, rejected, answer: answer.clone() };
        let (receipt, told) = oneshot::channel();
        let origin = Origin { source: config.id.clone(), kind: SourceKind::Push, received: self.clock.now() };
        let cursor = Cursor::Push(Box::new(record));
        let batch = Batch { origin, items, rejected: counted, cursor, receipt: Some(receipt) };
        if Planted::AnsweredFirst.is_in() {
            let late = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                late.send(batch).await
            });
            return Ok(PushAnswer { received: 1, new: 1, ..PushAnswer::default() });
        }
        self.send(batch).await?;
        match tokio::time::timeout(COMMIT_WAIT_MAX, told).await {
            Err(_) => return Err(PushUntaken::Late),
            // Given back unread: the disk filled up meanwhile, or the stop was quicker.
            Ok(Err(_)) if *self.hold.borrow() => return Err(PushUntaken::DiskLow),
            Ok(Err(_)) => return Err(PushUntaken::Stopping),
            Ok(Ok(_)) => {}
        }
        Ok(answer.get().cloned().unwrap_or_default())
    }

    async fn send(&self, batch: Batch) -> Result<(), PushUntaken> {
        let Some(ingest) = self.ingest.upgrade() else { return Err(PushUntaken::Stopping) };
        match tokio::time::timeout(ROOM_WAIT_MAX, ingest.send(batch.into())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(PushUntaken::Stopping),
            Err(_) => Err(PushUntaken::Full),
        }
    }
}
