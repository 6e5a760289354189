//! Stop, against the flow: sources → ingest drains → requests in flight → HTTP → checkpoint. Bounded in
//! time; whoever is late is named. What was not finished is in the store or still at its source.

use std::time::Duration;

use tracing::{info, warn};

use super::start::{App, AppError};
use crate::http::Readiness;

impl App {
    /// Stops everything in order.
    ///
    /// # Errors
    /// The failure of a part that mattered: the store above all.
    pub async fn stop(self) -> Result<(), AppError> {
        let deadline = tokio::time::Instant::now() + self.stop_timeout;
        self.readiness.send_replace(Readiness::not("stopping"));
        self.sources_cancel.cancel();
        for source in self.sources {
            finish(source.name, deadline, source.handle).await;
        }
        // The senders are gone with the sources: what they handed over is decided and committed now.
        let ingest = tokio::time::timeout_at(deadline, self.ingest).await;
        self.ingest_cancel.cancel();
        self.delivery_cancel.cancel();
        let delivery = finish("delivery", deadline.max(soon()), self.delivery).await;
        self.http_cancel.cancel();
        if let Some(http) = self.http {
            finish("http", deadline.max(soon()), http).await;
        }
        match ingest {
            Err(_) => warn!("decisions in flight were cut; their sources offer them again"),
            Ok(Ok(outcome)) => outcome?,
            Ok(Err(_)) => {}
        }
        if let Some(outcome) = delivery {
            outcome?;
        }
        self.store.checkpoint()?;
        info!("stopped");
        Ok(())
    }
}

/// Time for a part to notice that it is asked to stop, even when others used up the rest.
fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_millis(500)
}

async fn finish<T>(name: &str, deadline: tokio::time::Instant, handle: tokio::task::JoinHandle<T>) -> Option<T> {
    let abort = handle.abort_handle();
    match tokio::time::timeout_at(deadline, handle).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            warn!(part = name, panicked = error.is_panic(), "part failed while stopping");
            None
        }
        Err(_) => {
            warn!(part = name, "part did not end in time, cut");
            abort.abort();
            None
        }
    }
}
