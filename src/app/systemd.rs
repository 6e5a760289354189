//! What systemd is told (sd_notify(3)): ready, stopping, how things stand, and that the loops still beat.
//! Does nothing outside systemd.

use std::time::Duration;

use sd_notify::NotifyState;

/// The notification socket, if there is one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Systemd;

impl Systemd {
    /// The service does its work now.
    pub fn ready(self, status: &str) {
        send(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// A reload has begun; [`Systemd::ready`] ends it, whether it was taken or refused. systemd 253 and
    /// later want the time with it, earlier ones ignore that.
    pub fn reloading(self) {
        let mut states = vec![NotifyState::Reloading];
        states.extend(NotifyState::monotonic_usec_now().ok());
        send(&states);
    }

    /// The service is going down in order.
    pub fn stopping(self) {
        send(&[NotifyState::Stopping, NotifyState::Status("stopping: work in flight ends")]);
    }

    /// One line for `systemctl status`.
    pub fn status(self, status: &str) {
        send(&[NotifyState::Status(status)]);
    }

    /// Everything that should move has moved.
    pub fn beat(self) {
        send(&[NotifyState::Watchdog]);
    }

    /// How often systemd wants a beat; a third of its limit, so that one late beat does no harm.
    #[must_use]
    pub fn beat_every(self) -> Option<Duration> {
        sd_notify::watchdog_enabled().map(|limit| limit / 3)
    }
}

/// A socket that has gone is told of when a state changes, not with every beat and sentence.
fn send(states: &[NotifyState<'_>]) {
    let Err(error) = sd_notify::notify(states) else { return };
    if matches!(states, [NotifyState::Status(_) | NotifyState::Watchdog]) {
        tracing::debug!(%error, "systemd could not be notified");
    } else {
        tracing::warn!(%error, "systemd could not be notified");
    }
}
