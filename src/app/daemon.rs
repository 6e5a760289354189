//! The life of the daemon after its start: requests, reloads, the watchdog and the status line, until
//! somebody asks for the end or a part fails for good; then an ordered stop.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tracing::{error, info, warn};

use super::error::{AppError, AppPart};
use super::follow::Follow;
use super::reload::{ReloadCandidate, ReloadRefusal};
use super::start::App;
use super::systemd::Systemd;
use crate::config::{ConfigPlace, Environment};
use crate::model::Timestamp;
use crate::telemetry::LogControl;

/// How often the status line is told anew.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// What somebody wants of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaemonRequest {
    /// End in order.
    Stop,
    /// Read the config again.
    Reload,
}

/// A running wirewatch with everything around it.
pub struct Daemon {
    /// The stages.
    pub app: App,
    /// Where its config is.
    pub place: ConfigPlace,
    /// What the process finds around it.
    pub environment: Environment,
    /// Whom to tell how things are.
    pub systemd: Systemd,
    /// The log's level follows the config.
    pub logs: Option<LogControl>,
    reloading: Option<ReloadUnderWay>,
    /// Another reload was asked for while one was under way.
    again: bool,
    /// The loops that hung when last looked.
    stuck: Vec<AppPart>,
    follow: Follow,
}

struct ReloadUnderWay {
    begun: Timestamp,
    prepared: JoinHandle<Result<ReloadCandidate, ReloadRefusal>>,
}

impl Daemon {
    /// Ready to run.
    #[must_use]
    pub fn new(app: App, place: ConfigPlace, environment: Environment) -> Self {
        let systemd = Systemd;
        let (logs, reloading, follow) = (None, None, Follow::default());
        Self { app, place, environment, systemd, logs, reloading, again: false, stuck: Vec::new(), follow }
    }

    /// Runs until asked to stop, then stops in order; a second request to stop cuts.
    ///
    /// # Errors
    /// The failure that ended it, or that of the stop.
    pub async fn run(mut self, requests: &mut mpsc::Receiver<DaemonRequest>) -> Result<(), AppError> {
        self.systemd.ready(&self.app.status_line());
        self.follow.follow(&self.place, self.app.reloads_on_change());
        let failure = self.watch(requests).await;
        self.systemd.stopping();
        info!("stopping: work in flight ends; a second signal cuts");
        let stopped = tokio::select! {
            stopped = self.app.stop() => stopped,
            () = second_stop(requests) => {
                warn!("second signal: cut");
                Ok(())
            }
        };
        failure.map_or(stopped, Err)
    }

    /// Waits for a reason to stop; `None` when somebody asked.
    async fn watch(&mut self, requests: &mut mpsc::Receiver<DaemonRequest>) -> Option<AppError> {
        let mut beat = self.systemd.beat_every().map(tokio::time::interval);
        let mut status = tokio::time::interval(STATUS_EVERY);
        loop {
            tokio::select! {
                failure = self.app.failed() => return Some(failure),
                request = requests.recv() => match request {
                    Some(DaemonRequest::Stop) | None => return None,
                    Some(DaemonRequest::Reload) => self.reload(),
                },
                () = self.follow.changed() => self.reload(),
                prepared = prepared(&mut self.reloading) => self.finish_reload(prepared),
                () = tick(&mut beat) => self.beat(),
                _ = status.tick() => {
                    self.systemd.status(&self.app.status_line());
                    if self.app.has_given_up_an_endpoint() && self.reloading.is_none() {
                        self.begin_reload();
                    }
                }
            }
        }
    }

    /// Now, or once more after the one that is under way.
    fn reload(&mut self) {
        if self.reloading.is_some() {
            self.again = true;
        } else {
            self.begin_reload();
        }
    }

    fn begin_reload(&mut self) {
        self.systemd.reloading();
        let prepared = self.app.begin_reload(&self.place, &self.environment);
        self.reloading = Some(ReloadUnderWay { begun: self.app.now(), prepared });
    }

    fn finish_reload(&mut self, prepared: Result<Result<ReloadCandidate, ReloadRefusal>, JoinError>) {
        let Some(reloading) = self.reloading.take() else { return };
        let prepared = prepared.unwrap_or_else(|error| {
            Err(ReloadRefusal { summary: format!("reading it failed: {error}"), problems: Vec::new() })
        });
        let record = self.app.finish_reload(reloading.begun, prepared);
        if let Some(logs) = self.logs.as_ref().filter(|_| record.taken) {
            logs.set_level(self.app.log_level());
        }
        self.systemd.ready(&self.app.status_line());
        self.follow.follow(&self.place, self.app.reloads_on_change());
        if std::mem::take(&mut self.again) {
            self.begin_reload();
        }
    }

    /// Feeds the watchdog while every loop turns; names those that do not, once.
    fn beat(&mut self) {
        let stuck = self.app.stuck();
        if stuck.is_empty() {
            self.systemd.beat();
        } else if stuck != self.stuck {
            error!(
                loops = stuck.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", "),
                "a loop hangs, the watchdog is not fed"
            );
            self.systemd.status(&self.app.status_line());
        }
        self.stuck = stuck;
    }
}

async fn prepared(reloading: &mut Option<ReloadUnderWay>) -> Result<Result<ReloadCandidate, ReloadRefusal>, JoinError> {
    match reloading {
        Some(reloading) => (&mut reloading.prepared).await,
        None => std::future::pending().await,
    }
}

async fn tick(beat: &mut Option<tokio::time::Interval>) {
    match beat {
        Some(beat) => {
            beat.tick().await;
        }
        None => std::future::pending().await,
    }
}

async fn second_stop(requests: &mut mpsc::Receiver<DaemonRequest>) {
    while let Some(request) = requests.recv().await {
        if request == DaemonRequest::Stop {
            return;
        }
    }
    std::future::pending::<()>().await;
}
