//! Attempts become rows, durably: a thread of its own writes every result that is ready in one
//! transaction. Queues bound how many of their attempts may be on the way, which bounds what a crash
//! repeats (promise P6). Waiting for the disk never holds up the runtime.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::failpoint::Failpoint;
use crate::store::outbox::{self, AttemptRecord};
use crate::store::{Store, StoreError};

/// Results in one transaction: bounds how long the writer is held.
const BATCH_MAX: usize = 256;
/// Results waiting; every endpoint's requests together are usually far fewer.
const QUEUE_MAX: usize = 1024;
/// Between two tries while the disk is full or another program holds the database.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A handle for whoever makes attempts.
#[derive(Debug, Clone)]
pub(super) struct Recorder(mpsc::Sender<RecordEntry>);

#[derive(Debug)]
struct RecordEntry {
    record: AttemptRecord,
    written: oneshot::Sender<()>,
}

/// An attempt on its way to the disk.
#[derive(Debug)]
pub(super) struct Recording(oneshot::Receiver<()>);

/// The recorder ended: the attempt is not recorded and will be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("record an attempt: the recorder has stopped")]
pub(super) struct RecorderStopped;

impl Recorder {
    /// Starts the thread. It ends when every handle is gone, or with the error of a store that cannot
    /// be trusted any more; the receiver tells which.
    pub(super) fn start(
        store: Store,
        cancel: CancellationToken,
    ) -> Result<(Self, oneshot::Receiver<Result<(), StoreError>>), std::io::Error> {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let (ended, end) = oneshot::channel();
        std::thread::Builder::new().name("record".to_owned()).spawn(move || {
            // Nobody listens any more only when the whole delivery was dropped.
            let _ = ended.send(write_batches(&store, receiver, &cancel));
        })?;
        Ok((Self(sender), end))
    }

    /// Hands an attempt over; what comes back resolves once it is on disk.
    pub(super) async fn record(&self, record: AttemptRecord) -> Result<Recording, RecorderStopped> {
        let (written, wait) = oneshot::channel();
        self.0.send(RecordEntry { record, written }).await.map_err(|_| RecorderStopped)?;
        Ok(Recording(wait))
    }
}

impl Recording {
    /// Returns once the attempt is on disk.
    pub(super) async fn done(self) -> Result<(), RecorderStopped> {
        self.0.await.map_err(|_| RecorderStopped)
    }
}

fn write_batches(
    store: &Store,
    mut entries: mpsc::Receiver<RecordEntry>,
    cancel: &CancellationToken,
) -> Result<(), StoreError> {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while entries.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
        let (records, waiting): (Vec<_>, Vec<_>) = batch.drain(..).map(|e| (e.record, e.written)).unzip();
        write(store, &records, cancel)?;
        Failpoint::Recorded.pass();
        for written in waiting {
            // Whoever waited may have been cut at shutdown; the row is written all the same.
            let _ = written.send(());
        }
    }
    Ok(())
}

/// A full disk is waited out: until there is room no slot is free, so nothing more is sent.
fn write(store: &Store, records: &[AttemptRecord], cancel: &CancellationToken) -> Result<(), StoreError> {
    let mut waited = false;
    loop {
        match store.write("record delivery attempts", |tx| outbox::record(tx, records)) {
            Ok(late) => {
                for delivery in late {
                    warn!(%delivery, "another node has claimed this delivery since: what came of it is for that one to say");
                }
                if waited {
                    info!(attempts = records.len(), "delivery attempts recorded after waiting");
                }
                return Ok(());
            }
            Err(failure) if failure.is_passing() && !cancel.is_cancelled() => {
                if !waited {
                    error!(error = %failure, attempts = records.len(), "delivery attempts wait to be recorded");
                }
                waited = true;
                std::thread::sleep(RETRY_PAUSE);
            }
            Err(failure) => return Err(failure),
        }
    }
}
