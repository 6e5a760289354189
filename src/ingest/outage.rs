//! Work on the store that waits for as long as the reason of a failure may pass, and says meanwhile why it waits.
//! Where it cannot pass, the loop ends.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::IngestLinks;
use crate::clock::Clock;
use crate::store::StoreError;
use crate::text::clean;

/// Pause before a transaction that failed for a passing reason is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Letters of a reason.
const REASON_CHARS_MAX: usize = 200;

/// Why the store cannot be used for now, if it cannot; a cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Outage(watch::Sender<Option<String>>);

impl Outage {
    /// The reason, while work waits.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.0.borrow().clone()
    }
}

/// Tries for as long as the reason of a failure may pass: another program that holds the database, a full
/// disk. Waiting is not hanging, so the pulse beats on.
pub(super) fn patiently<T>(
    links: &IngestLinks,
    clock: &Clock,
    cancel: &CancellationToken,
    mut work: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut waits = false;
    loop {
        match work() {
            Err(error) if error.is_passing() && !cancel.is_cancelled() => {
                if !std::mem::replace(&mut waits, true) {
                    warn!(%error, "store cannot be used for now, ingest waits");
                    links.outage.0.send_replace(Some(clean::excerpt(&error.to_string(), REASON_CHARS_MAX)));
                }
                links.pulse.beat(clock.now());
                std::thread::sleep(RETRY_PAUSE);
            }
            done => {
                if waits {
                    links.outage.0.send_replace(None);
                    if done.is_ok() {
                        info!("store can be used again");
                    }
                }
                return done;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_that_is_full_for_a_while_is_named_until_the_work_is_done() {
        let links = IngestLinks::default();
        let full = || StoreError::Full { path: "/srv/state/wirewatch.db".into(), doing: "store items" };
        let mut told = Vec::new();
        let done = patiently(&links, &Clock::system(), &CancellationToken::new(), || {
            told.push(links.outage.reason());
            if told.len() < 2 { Err(full()) } else { Ok(7) }
        });
        assert_eq!(done.expect("it passes"), 7);
        let reason = told[1].as_deref().expect("a reason while it waits");
        assert!(reason.starts_with("store items: no space left for /srv/state/wirewatch.db"), "{reason}");
        assert_eq!((&told[0], links.outage.reason()), (&None, None));
    }
}
