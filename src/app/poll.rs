//! Feeds polled by hand: through the same stages as by the daemon, once, whether they are due or not.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::start::{App, AppError, Parts, Spine, new_poller, threads};
use crate::deliver::{Delivery, DeliveryCounters};
use crate::model::SourceId;
use crate::source::feed::polling::poller;
use crate::source::feed::polling::poller::{PollReport, Which};
use crate::source::parser::Parser;

impl App {
    /// Polls these feeds into the store, delivers what is due, and ends.
    ///
    /// # Errors
    /// [`AppError`] when the store is held by a daemon, or a stage failed for good.
    pub async fn poll_feeds(parts: Parts, feeds: HashSet<SourceId>) -> Result<Vec<PollReport>, AppError> {
        let Parts { config, clock, console } = parts;
        let spine = Spine::open(&config, &clock)?;
        let client = poller::client(&config.polling)?;
        let parser = Parser::new(threads(&config));
        let poller = new_poller(&config, &clock, &spine, &parser, (client, Arc::default()))?;
        let cancel = CancellationToken::new();
        let reports = poller.poll_once(&Which::Named(feeds), &cancel).await;
        let Spine { store, delivery, waker, batches, ingest, .. } = spine;
        drop(batches);
        ingest.await.map_err(|_| AppError::Ended("decision loop"))??;
        let (_, rules) = watch::channel(delivery);
        let delivery =
            Delivery { store: store.clone(), clock, rules, waker, console, counters: DeliveryCounters::default() };
        delivery.deliver_due_once(cancel).await?;
        store.checkpoint()?;
        Ok(reports)
    }
}
