//! SIGTERM and SIGINT ask for an ordered stop; a second one cuts. SIGHUP asks for a reload.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// End in order.
    Ordered,
    /// Read the config again.
    Reload,
}

/// The signals of this process.
#[derive(Debug)]
pub struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    /// Takes over the signals; call it before anything that needs an ordered stop.
    ///
    /// # Errors
    /// When the handlers cannot be set.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// The next request.
    pub async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.term.recv() => Stop::Ordered,
            _ = self.int.recv() => Stop::Ordered,
            _ = self.hup.recv() => Stop::Reload,
        }
    }
}
