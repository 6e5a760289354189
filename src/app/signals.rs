//! SIGTERM and SIGINT ask for an ordered stop; a second one cuts. SIGHUP asks for a reload.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::daemon::DaemonRequest;

/// Requests that wait: a reload that is asked for twice before it begins is one.
const WAITING_MAX: usize = 8;

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

    /// Passes them on as requests from here on.
    #[must_use]
    pub fn requests(mut self) -> mpsc::Receiver<DaemonRequest> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        tokio::spawn(async move { while sender.send(self.next().await).await.is_ok() {} });
        receiver
    }

    /// The next request.
    pub async fn next(&mut self) -> DaemonRequest {
        tokio::select! {
            _ = self.term.recv() => DaemonRequest::Stop,
            _ = self.int.recv() => DaemonRequest::Stop,
            _ = self.hup.recv() => DaemonRequest::Reload,
        }
    }
}
