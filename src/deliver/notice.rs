//! What happens to an endpoint, told on the endpoints that the operator chose for that. Each change once,
//! kept in the store with the alert that tells it; never about an endpoint on itself, so nothing circles.

use crate::model::{AlertId, AlertKind, EndpointId, Severity, Timestamp};
use crate::pipeline::alert::format::Format;
use crate::pipeline::alert::{Content, Notice};
use crate::store::{Store, StoreError, outbox};

/// A change in how an endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It fails, and deliveries were given up or an hour has passed.
    Failing,
    /// It is not used any more until somebody enables it.
    Disabled,
    /// It works again.
    Recovered,
    /// Alerts were parked because its template failed on them.
    Unwritten,
}

/// A change to tell.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub change: Change,
    /// About which endpoint.
    pub endpoint: EndpointId,
    /// In words.
    pub detail: Option<String>,
    pub now: Timestamp,
}

impl Change {
    fn kind(self) -> AlertKind {
        match self {
            Self::Failing | Self::Unwritten => AlertKind::EndpointFailing,
            Self::Disabled => AlertKind::EndpointDisabled,
            Self::Recovered => AlertKind::EndpointRecovered,
        }
    }

    /// What the store keeps of it.
    pub(super) fn noticed(self) -> Option<&'static str> {
        match self {
            Self::Failing => Some("failing"),
            Self::Disabled => Some("disabled"),
            Self::Recovered | Self::Unwritten => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Disabled => "disabled",
            Self::Recovered => "recovered",
            Self::Unwritten => "unwritten",
        }
    }
}

/// Raises the alert, unless it was raised. Says whether there is something new in the outbox. Blocks.
pub(super) fn tell(store: &Store, told: &Told, to: &[(EndpointId, Format)]) -> Result<bool, StoreError> {
    let others: Vec<_> = to.iter().filter(|(id, _)| *id != told.endpoint).cloned().collect();
    store.write("tell of an endpoint", |tx| {
        let alerts = match told.change {
            // Nobody to tell: it stays on record for whoever asks.
            Change::Unwritten if others.is_empty() => 0,
            Change::Unwritten => outbox::take_unwritten(tx, &told.endpoint)?,
            change => u64::from(outbox::note(tx, &told.endpoint, change.noticed())?),
        };
        if alerts == 0 || others.is_empty() {
            return Ok(false);
        }
        outbox::raise(tx, &notice(store.instance(), told, alerts), &others, told.now).map(|rows| !rows.is_empty())
    })
}

fn notice(instance: &str, told: &Told, alerts: u64) -> Notice {
    let (change, endpoint) = (told.change, told.endpoint.as_str());
    let summary = match change {
        Change::Failing => format!("Endpoint {endpoint} fails: alerts for it wait"),
        Change::Disabled => format!("Endpoint {endpoint} is disabled: alerts for it wait until it is enabled"),
        Change::Recovered => format!("Endpoint {endpoint} works again"),
        Change::Unwritten => {
            format!("Endpoint {endpoint}: its template fails, {} parked", crate::text::counted(alerts, "alert"))
        }
    };
    let at = told.now.millis().to_le_bytes();
    Notice {
        id: AlertId::derive(&[instance.as_bytes(), change.word().as_bytes(), endpoint.as_bytes(), &at]),
        kind: change.kind(),
        reason: change.word(),
        severity: if change == Change::Recovered { Severity::Medium } else { Severity::High },
        at: told.now,
        summary,
        content: Content::Endpoint { id: told.endpoint.clone(), detail: told.detail.clone() },
    }
}
