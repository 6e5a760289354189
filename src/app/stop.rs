//! Stop, against the flow: sources → ingest drains → requests in flight → HTTP → checkpoint. Bounded in
//! time; whoever is late is named. What was not finished is in the store or still at its source.

use std::time::Duration;

use tracing::{info, warn};

use super::error::{AppError, AppPart};
use super::start::App;
use crate::http::Readiness;

impl App {
    /// Stops everything in order.
    ///
    /// # Errors
    /// The failure of a part that mattered: the store above all.
    pub async fn stop(mut self) -> Result<(), AppError> {
        let deadline = tokio::time::Instant::now() + self.live.config.daemon.stop_timeout;
        self.keeper_cancel.cancel();
        self.sources_cancel.cancel();
        self.live.to_ingest = None;
        let runs = |part: AppPart| self.ended != Some(part);
        let kept = if runs(AppPart::Keeper) { finish(AppPart::Keeper, deadline, self.keeper).await } else { None };
        self.readiness.send_replace(Readiness::not("stopping"));
        if runs(AppPart::Poller) {
            finish(AppPart::Poller, deadline, self.poller).await;
        }
        if runs(AppPart::Hubs) {
            finish(AppPart::Hubs, deadline, self.subscriptions).await;
        }
        if runs(AppPart::SeedWatcher) {
            finish(AppPart::SeedWatcher, deadline, self.watcher.handle).await;
        }
        // The senders are gone with the sources: what they handed over is decided and committed now.
        let ingest =
            if runs(AppPart::Ingest) { tokio::time::timeout_at(deadline, self.ingest).await } else { Ok(Ok(Ok(()))) };
        self.ingest_cancel.cancel();
        self.delivery_cancel.cancel();
        let delivery = if runs(AppPart::Delivery) {
            finish(AppPart::Delivery, deadline.max(soon()), self.delivery).await
        } else {
            None
        };
        self.http_cancel.cancel();
        if let Some(http) = self.http {
            finish(AppPart::Http, deadline.max(soon()), http).await;
        }
        match ingest {
            Err(_) => warn!("decisions in flight were cut; their sources offer them again"),
            Ok(Ok(outcome)) => outcome?,
            Ok(Err(_)) => {}
        }
        if let Some(outcome) = delivery {
            outcome?;
        }
        if let Some(outcome) = kept {
            outcome?;
        }
        if self.ended.is_some() {
            // What failed may have been the disk: the next start checks the database.
            return Ok(());
        }
        self.live.parser.quarantine().close();
        self.store.checkpoint()?;
        info!("stopped");
        Ok(())
    }
}

/// Time for a part to notice that it is asked to stop, even when others used up the rest.
fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_millis(500)
}

async fn finish<T>(part: AppPart, deadline: tokio::time::Instant, handle: tokio::task::JoinHandle<T>) -> Option<T> {
    let abort = handle.abort_handle();
    match tokio::time::timeout_at(deadline, handle).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            warn!(%part, panicked = error.is_panic(), "part failed while stopping");
            None
        }
        Err(_) => {
            warn!(%part, "part did not end in time, cut");
            abort.abort();
            None
        }
    }
}
