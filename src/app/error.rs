//! Why wirewatch cannot start, or had to stop; and the parts that can fail, each by one name.

use std::fmt;

use crate::deliver::DeliveryError;
use crate::ingest::IngestError;
use crate::net::NetError;
use crate::store::StoreError;

/// A part of the running process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppPart {
    /// Polls feeds.
    Poller,
    /// Keeps up the subscriptions at hubs.
    Hubs,
    /// Watches the seed directory.
    SeedWatcher,
    /// Prepares items, before the decision loop.
    Preparing,
    /// Decides and stores.
    Ingest,
    /// Sends alerts.
    Delivery,
    /// Looks after the store.
    Keeper,
    /// Answers probes and scrapes.
    Http,
}

impl AppPart {
    /// Those that loop and are watched over: one that hangs starves the watchdog.
    pub(super) const LOOPS: [Self; 5] =
        [Self::Poller, Self::SeedWatcher, Self::Preparing, Self::Ingest, Self::Delivery];

    /// Its name in logs, metrics and the status line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poller => "poller",
            Self::Hubs => "hub subscriptions",
            Self::SeedWatcher => "seed watcher",
            Self::Preparing => "item preparation",
            Self::Ingest => "decision loop",
            Self::Delivery => "delivery",
            Self::Keeper => "store keeper",
            Self::Http => "http listener",
        }
    }
}

impl fmt::Display for AppPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AppError {
    /// Whether it ends because another process has taken this one's place.
    #[must_use]
    pub fn is_stepped_down(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::SteppedDown { .. })
                | Self::Ingest(IngestError::Store(StoreError::SteppedDown { .. }))
                | Self::Delivery(DeliveryError::Store(StoreError::SteppedDown { .. }))
        )
    }
}

/// Why wirewatch cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A query of the config cannot be compiled; `check` shows where.
    #[error("compile {0} of the config's queries")]
    Rules(usize),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The decision loop.
    #[error("{0}")]
    Ingest(#[from] IngestError),
    /// Delivery.
    #[error("{0}")]
    Delivery(#[from] DeliveryError),
    /// The HTTP client cannot be made.
    #[error("prepare the HTTP client: {0}")]
    Client(#[from] NetError),
    /// The HTTP listener.
    #[error("listen on {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The operating system refused a thread, a signal handler or a socket.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A part ended that should run on.
    #[error("the {0} ended unasked")]
    Ended(AppPart),
}
