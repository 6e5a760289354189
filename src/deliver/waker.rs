//! How delivery hears that there is something to do.

use tokio::sync::watch;

/// Tells every queue that the outbox has new rows; a cheap handle that never waits.
#[derive(Debug, Clone)]
pub struct DeliveryWaker(watch::Sender<u64>);

impl DeliveryWaker {
    /// A waker nobody listens to yet.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }

    /// Call after a commit that added rows.
    pub fn wake(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Default for DeliveryWaker {
    fn default() -> Self {
        Self::new()
    }
}
