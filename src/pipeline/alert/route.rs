//! Which endpoints hear of an alert.

use std::collections::HashMap;

use super::format::Format;
use super::silence::Silence;
use super::source::HealthRules;
use super::timing::{Held, Rate, Timing};
use crate::model::{AlertDraft, AlertKind, EndpointId, Severity, SourceId, Timestamp, TopicId};

/// When a story speaks again, and to whom.
#[derive(Debug, Clone, Default)]
pub struct AlertRules {
    /// Outlet counts at which a story already alerted is reported again.
    pub growth_steps: Vec<u64>,
    /// The endpoints, in config order.
    pub routes: Vec<Route>,
    /// When a source is worth an alert.
    pub health: HealthRules,
    /// Names of the topics for people.
    pub labels: HashMap<TopicId, String>,
    /// Silences of the config.
    pub silences: Vec<Silence>,
}

impl AlertRules {
    /// How many growth steps so many outlets have passed.
    #[must_use]
    pub fn steps_passed(&self, sources: usize) -> usize {
        self.growth_steps.iter().filter(|&&step| sources as u64 >= step).count()
    }

    /// A topic's name for people; its id where it has none.
    #[must_use]
    pub fn label<'a>(&'a self, topic: &'a TopicId) -> &'a str {
        self.labels.get(topic).map_or(topic.as_str(), String::as_str)
    }
}

/// An alert on its way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Its format.
    pub format: Format,
    /// What it waits for.
    pub held: Option<Held>,
    /// The rate it counts against; what is urgent counts against none.
    pub rate: Option<Rate>,
    /// Where an earlier alert of the same story and topic may still wait for the story to grow: what to
    /// say in its place, as the first alert this endpoint hears of.
    pub as_first: Option<Vec<u8>>,
}

/// One endpoint and what it wants to hear.
#[derive(Debug, Clone)]
pub struct Route {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Its format.
    pub format: Format,
    /// Only these topics; empty means all.
    pub topics: Vec<TopicId>,
    /// Only these sources; empty means all.
    pub sources: Vec<SourceId>,
    /// Only this severity and above.
    pub severity_min: Severity,
    /// Also alerts about sources that fail, recover or fall silent.
    pub source_alerts: bool,
    /// When it hears of it.
    pub timing: Timing,
}

impl Route {
    /// What a route makes of an alert that it takes. `as_first` renders it as the first of its story.
    #[must_use]
    pub fn outgoing(&self, alert: &AlertDraft, as_first: impl FnOnce() -> Vec<u8>) -> Outgoing {
        let severity = alert.matched.severity;
        let (timing, first) = (&self.timing, alert.kind == AlertKind::Matched);
        let urgent = timing.is_urgent(severity);
        let grows = !first && !timing.group_wait.is_zero() && !urgent;
        Outgoing {
            endpoint: self.endpoint.clone(),
            format: self.format.clone(),
            held: timing.hold(severity, first, alert.at),
            rate: timing.rate.filter(|_| !urgent),
            as_first: grows.then(as_first),
        }
    }

    /// The same for an alert that belongs to no story.
    #[must_use]
    pub fn outgoing_alone(&self, severity: Severity, at: Timestamp) -> Outgoing {
        Outgoing {
            endpoint: self.endpoint.clone(),
            format: self.format.clone(),
            held: self.timing.hold(severity, false, at),
            rate: self.timing.rate.filter(|_| !self.timing.is_urgent(severity)),
            as_first: None,
        }
    }

    /// A route that takes everything.
    #[must_use]
    pub fn everything(endpoint: EndpointId) -> Self {
        Self {
            endpoint,
            format: Format::Standard,
            topics: Vec::new(),
            sources: Vec::new(),
            severity_min: Severity::Low,
            source_alerts: true,
            timing: Timing::default(),
        }
    }

    /// Whether this endpoint hears of how a source stands.
    #[must_use]
    pub fn takes_source(&self, source: &SourceId) -> bool {
        self.source_alerts && (self.sources.is_empty() || self.sources.contains(source))
    }

    /// Whether this endpoint hears of an alert that an item from `source` raised.
    #[must_use]
    pub fn takes(&self, alert: &AlertDraft, source: &SourceId) -> bool {
        (self.topics.is_empty() || self.topics.contains(&alert.matched.topic))
            && (self.sources.is_empty() || self.sources.contains(source))
            && alert.matched.severity >= self.severity_min
    }
}
