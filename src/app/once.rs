//! What is done once, through the same stages as by the daemon: `run --once`, feeds polled by hand, files given
//! by hand.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::error::AppError;
use super::stages::{CoreStages, parser};
use super::start::{App, Parts};
use crate::deliver::QueueSummary;
use crate::model::{Cursor, Origin, RejectReason, Rejection, SourceId, SourceKind};
use crate::source::feed::polling::poller::{PollReport, PollSelection};
use crate::source::feed::polling::rules;
use crate::source::seed::{ScanSummary, parse_file};
use crate::source::{Batch, Receipt};

/// What `run --once` did.
#[derive(Debug)]
pub struct OnceReport {
    /// The seed directory; `None` when seeds are off.
    pub seeds: Option<ScanSummary>,
    /// Every feed that was due.
    pub polls: Vec<PollReport>,
    /// Deliveries.
    pub deliveries: QueueSummary,
}

/// What became of one file.
#[derive(Debug)]
pub struct IngestedFile {
    /// The file.
    pub path: PathBuf,
    /// Counts, or why nothing was taken.
    pub outcome: Result<Receipt, Rejection>,
}

impl App {
    /// Scans the seeds, polls what is due, delivers what is due, and ends.
    ///
    /// # Errors
    /// [`AppError`] when a stage failed for good.
    pub async fn run_once(parts: Parts) -> Result<OnceReport, AppError> {
        let Parts { config, clock, console, .. } = parts;
        let stages = CoreStages::open(&config, &clock)?;
        let parser = parser(&config);
        let client = rules::client(&config.polling)?;
        let poller = stages.poller(&config, config.feeds.clone(), &parser, client, Arc::default(), None)?;
        let watcher = stages.seed_watcher(&config, &parser)?;
        let cancel = CancellationToken::new();
        let seeds = match watcher {
            Some(watcher) => Some(watcher.scan_once(cancel.clone()).await),
            None => None,
        };
        let polls = poller.poll_once(&PollSelection::Due, &cancel).await;
        parser.quarantine().close();
        let deliveries = stages.finish_once(console, cancel).await?;
        Ok(OnceReport { seeds, polls, deliveries })
    }

    /// Polls these feeds into the store whether they are due or not, delivers what is due, and ends.
    ///
    /// # Errors
    /// [`AppError`] when the store is held by a daemon, or a stage failed for good.
    pub async fn poll_feeds(parts: Parts, feeds: HashSet<SourceId>) -> Result<Vec<PollReport>, AppError> {
        let Parts { config, clock, console, .. } = parts;
        let stages = CoreStages::open(&config, &clock)?;
        let client = rules::client(&config.polling)?;
        let parser = parser(&config);
        let poller = stages.poller(&config, config.feeds.clone(), &parser, client, Arc::default(), None)?;
        let cancel = CancellationToken::new();
        let reports = poller.poll_once(&PollSelection::Named(feeds), &cancel).await;
        parser.quarantine().close();
        stages.finish_once(console, cancel).await?;
        Ok(reports)
    }

    /// Takes files into the store one by one, delivers what is due, and ends. `done` is told of each.
    ///
    /// # Errors
    /// [`AppError`] when a stage failed for good.
    pub async fn ingest_files(
        parts: Parts,
        files: &[PathBuf],
        quiet: bool,
        mut done: impl FnMut(&Path),
    ) -> Result<Vec<IngestedFile>, AppError> {
        let Parts { config, clock, console, .. } = parts;
        let stages = CoreStages::open(&config, &clock)?;
        let parser = parser(&config);
        let mut ingested = Vec::with_capacity(files.len());
        for path in files {
            let received = clock.now();
            let read = parse_file(path, received, &config.limits, &config.seeds.mail, &parser).await;
            let outcome = match read {
                Err(rejection) => Err(rejection),
                Ok((mut document, file)) => {
                    document.items.iter_mut().for_each(|item| item.quiet |= quiet);
                    let origin = Origin { source: config.seeds.id.clone(), kind: SourceKind::Seed, received };
                    let (receipt, received) = oneshot::channel();
                    let batch = Batch {
                        origin,
                        items: document.items,
                        unchanged: Vec::new(),
                        rejected: document.rejected,
                        cursor: Cursor::SeedFile(file),
                        receipt: Some(receipt),
                        inbox: None,
                        hubs: None,
                    };
                    send(&stages, batch, received).await
                }
            };
            done(path);
            ingested.push(IngestedFile { path: path.clone(), outcome });
        }
        stages.finish_once(console, CancellationToken::new()).await?;
        Ok(ingested)
    }
}

async fn send(stages: &CoreStages, batch: Batch, received: oneshot::Receiver<Receipt>) -> Result<Receipt, Rejection> {
    let lost =
        || Rejection { reason: RejectReason::Unreadable, detail: "the store did not accept it".to_owned(), count: 1 };
    stages.to_ingest.send(batch.into()).await.map_err(|_| lost())?;
    received.await.map_err(|_| lost())
}
