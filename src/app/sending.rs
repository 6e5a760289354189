//! Sending beside the one that decides: what is owed to endpoints goes out from any process that may deliver, claimed
//! row by row, as soon as it is heard that something was committed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::beside::BesideParts;
use crate::deliver::console::Console;
use crate::deliver::{Delivery, DeliveryError, DeliveryPart, DeliveryRules, DeliveryWaker};
use crate::store::Store;

/// What is committed in such a time is looked at together: whoever decides sends most of it by itself.
const LISTEN_PAUSE: Duration = Duration::from_millis(100);

/// Deliveries that a process sends while another one decides.
pub(super) struct BesideDelivery {
    cancel: CancellationToken,
    sending: JoinHandle<Result<(), DeliveryError>>,
    /// Ends with whoever owns this.
    _listening: AbortOnDropHandle<()>,
}

impl BesideDelivery {
    pub(super) fn begin(beside: &BesideParts<'_>) -> Self {
        let BesideParts { config, store, clock, counters, .. } = beside;
        let rules = DeliveryRules { config: config.delivery.clone(), endpoints: config.endpoints.clone() };
        let (waker, cancel) = (DeliveryWaker::new(), CancellationToken::new());
        let listening = tokio::spawn(listen(store.clone(), waker.clone()));
        let delivery = Delivery {
            store: store.clone(),
            clock: (*clock).clone(),
            // They do not change until it is begun anew.
            rules: watch::channel(Arc::new(rules)).1,
            waker,
            console: Console::stdout(),
            counters: counters.clone(),
            part: DeliveryPart::Beside,
        };
        info!("this node sends what is owed to endpoints");
        let sending = tokio::spawn(delivery.run(cancel.clone()));
        Self { cancel, sending, _listening: AbortOnDropHandle::new(listening) }
    }

    /// Whether it sends still; what ended it is in the log then.
    pub(super) async fn is_at_it(&mut self) -> bool {
        if !self.sending.is_finished() {
            return true;
        }
        match (&mut self.sending).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "sending ended, and begins anew"),
            Err(error) => warn!(%error, "sending ended, and begins anew"),
        }
        false
    }

    /// What is on the wire may end, behind what comes next.
    pub(super) fn end_behind(this: Option<Self>) {
        if let Some(Self { cancel, sending, .. }) = this {
            cancel.cancel();
            // It is bounded: what it does not end is claimed by another process later.
            drop(sending);
        }
    }

    /// The same, waited for.
    pub(super) async fn end(this: Option<Self>) {
        if let Some(Self { cancel, sending, .. }) = this {
            cancel.cancel();
            // However it ended, nothing is owed by it.
            let _ = sending.await;
        }
    }
}

async fn listen(store: Store, waker: DeliveryWaker) {
    let mut heard = store.commits_of_others();
    while heard.changed().await.is_ok() {
        waker.wake();
        tokio::time::sleep(LISTEN_PAUSE).await;
    }
}
