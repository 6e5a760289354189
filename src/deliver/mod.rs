//! [5] Outbox rows become signed requests: claim → sign → POST → record. `retry` is a pure function;
//! the exact body bytes were stored with the decision and are never rendered again.

pub mod console;
mod count;
mod queue;
pub mod receive;
mod record;
pub mod retry;
mod run;
pub mod secret;
mod send;
pub mod sign;

use std::path::PathBuf;
use std::time::Duration;

use crate::model::{EndpointId, Severity, SourceId, TopicId};
use crate::net::Cidr;

pub use count::{DeliveryCounters, DeliveryCounts};
pub use queue::QueueSummary;
pub use run::{Delivery, DeliveryError, DeliveryRules, DeliveryWaker};

/// How a payload is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PayloadFormat {
    /// Standard Webhooks JSON.
    Standard,
    /// For people, on the daemon's standard output; no URL, no secret.
    Console,
}

/// One `[[endpoints]]` entry, checked. Secrets stay in files and are read when delivery starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointConfig {
    /// Its name.
    pub id: EndpointId,
    /// Where to; `None` only for `console`.
    pub url: Option<url::Url>,
    /// How it is written.
    pub format: PayloadFormat,
    /// File with the `whsec_…` secret, absolute.
    pub secret_file: Option<PathBuf>,
    /// Name of a systemd credential that holds the secret.
    pub secret_credential: Option<String>,
    /// Used or not.
    pub enabled: bool,
    /// Only these topics; empty means all.
    pub topics: Vec<TopicId>,
    /// Only these sources; empty means all.
    pub sources: Vec<SourceId>,
    /// Only this severity and above.
    pub severity_min: Severity,
    /// Non-public addresses it may resolve to.
    pub allow_private: Vec<Cidr>,
    /// Requests at once.
    pub concurrency: usize,
    /// Whole request.
    pub timeout: Duration,
    /// Additional root certificates (PEM).
    pub ca_file: Option<PathBuf>,
}

/// The `[delivery]` section, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryConfig {
    /// Waits before each attempt; the first is usually zero. After the last the delivery is parked.
    pub schedule: Vec<Duration>,
    /// Each wait is stretched or shrunk by up to this share.
    pub jitter: f64,
    /// Time to connect, TLS included.
    pub connect_timeout: Duration,
    /// `User-Agent`, with a contact.
    pub user_agent: String,
}
