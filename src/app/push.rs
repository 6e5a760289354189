//! Files given by hand: through the same stages as everything else, without watching or polling.

use std::path::{Path, PathBuf};

use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::start::{App, AppError, Parts, Spine, threads};
use crate::deliver::{Delivery, DeliveryCounters};
use crate::model::{Cursor, Origin, RejectReason, Rejection, SourceKind};
use crate::source::parser::Parser;
use crate::source::seed::parse_file;
use crate::source::{Batch, Receipt};

/// What became of one file.
#[derive(Debug)]
pub struct Pushed {
    /// The file.
    pub path: PathBuf,
    /// Counts, or why nothing was taken.
    pub outcome: Result<Receipt, Rejection>,
}

impl App {
    /// Takes files into the store one by one, delivers what is due, and ends. `done` is told of each.
    ///
    /// # Errors
    /// [`AppError`] when a stage failed for good.
    pub async fn push_files(
        parts: Parts,
        files: &[PathBuf],
        quiet: bool,
        mut done: impl FnMut(&Path),
    ) -> Result<Vec<Pushed>, AppError> {
        let Parts { config, clock, console } = parts;
        let spine = Spine::open(&config, &clock)?;
        let parser = Parser::new(threads(&config));
        let mut pushed = Vec::with_capacity(files.len());
        for path in files {
            let received = clock.now();
            let read = parse_file(path, received, &config.limits, &parser).await;
            let outcome = match read {
                Err(rejection) => Err(rejection),
                Ok((mut document, file)) => {
                    document.items.iter_mut().for_each(|item| item.quiet |= quiet);
                    let origin = Origin { source: config.seeds.id.clone(), kind: SourceKind::Seed, received };
                    let (receipt, received) = oneshot::channel();
                    let batch = Batch {
                        origin,
                        items: document.items,
                        rejected: document.rejected,
                        cursor: Cursor::SeedFile(file),
                        receipt: Some(receipt),
                    };
                    send(&spine, batch, received).await
                }
            };
            done(path);
            pushed.push(Pushed { path: path.clone(), outcome });
        }
        let Spine { store, delivery, waker, batches, ingest, .. } = spine;
        drop(batches);
        ingest.await.map_err(|_| AppError::Ended("decision loop"))??;
        let (_, rules) = watch::channel(delivery);
        let delivery =
            Delivery { store: store.clone(), clock, rules, waker, console, counters: DeliveryCounters::default() };
        delivery.deliver_due_once(CancellationToken::new()).await?;
        store.checkpoint()?;
        Ok(pushed)
    }
}

async fn send(spine: &Spine, batch: Batch, received: oneshot::Receiver<Receipt>) -> Result<Receipt, Rejection> {
    let lost =
        || Rejection { reason: RejectReason::Unreadable, detail: "the store did not accept it".to_owned(), count: 1 };
    spine.batches.send(batch.into()).await.map_err(|_| lost())?;
    received.await.map_err(|_| lost())
}
