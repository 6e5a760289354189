//! Endpoints that a reload took away: for an hour what is raised is kept for them as if they were there, so that a
//! config that was half written, or a name that was mistyped, costs nobody an alert. What comes back within the hour is
//! told; what does not is given up, and only what was owed before stays parked.

use std::time::Duration;

use tracing::{error, info};

use crate::config::Config;
use crate::deliver::EndpointConfig;
use crate::model::Timestamp;
use crate::pipeline::Rules;
use crate::store::{Store, outbox};

/// So long an endpoint may be gone without losing an alert.
const KEPT_FOR: Duration = Duration::from_secs(3600);

/// An endpoint that is no longer in the config.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DepartedEndpoint {
    pub(super) endpoint: EndpointConfig,
    pub(super) gone_at: Timestamp,
}

/// Those that are gone after a reload, and those that came back or stayed away for too long by it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Departures {
    pub(super) gone: Vec<DepartedEndpoint>,
    pub(super) returned: Vec<DepartedEndpoint>,
    pub(super) given_up: Vec<DepartedEndpoint>,
}

impl Departures {
    /// What becomes of those that were gone when another config takes over.
    pub(super) fn of(before: &[DepartedEndpoint], old: &Config, new: &Config, now: Timestamp) -> Self {
        let is_there = |endpoint: &EndpointConfig| new.endpoints.iter().any(|there| there.id == endpoint.id);
        let mut departures = Self::default();
        for departed in before {
            let list = match () {
                () if is_there(&departed.endpoint) => &mut departures.returned,
                () if is_over(departed, now) => &mut departures.given_up,
                () => &mut departures.gone,
            };
            list.push(departed.clone());
        }
        let leaving = old.endpoints.iter().filter(|endpoint| endpoint.enabled && !is_there(endpoint));
        departures.gone.extend(leaving.map(|endpoint| DepartedEndpoint { endpoint: endpoint.clone(), gone_at: now }));
        departures
    }

    /// Whether the rules have to be compiled anew for it.
    pub(super) fn changes_routes(&self) -> bool {
        !self.returned.is_empty() || !self.given_up.is_empty()
    }

    /// What is raised goes to those that are gone as well.
    pub(super) fn add_routes(&self, rules: &mut Rules) {
        rules.alert.routes.extend(self.gone.iter().map(|departed| departed.endpoint.route()));
    }

    /// Lets go what was kept for those that are back, and gives up what was kept for those that stayed away.
    pub(super) fn settle(&self, store: &Store, now: Timestamp) {
        for DepartedEndpoint { endpoint, gone_at } in &self.returned {
            let id = &endpoint.id;
            match store.write("let go what was kept", |tx| outbox::release_orphans(tx, id, *gone_at, now)) {
                Ok(deliveries) => {
                    info!(endpoint = %id, deliveries, "endpoint is back, what was parked meanwhile is sent");
                }
                Err(error) => {
                    error!(endpoint = %id, %error, "endpoint is back, what was parked stays so: `wirewatch deliveries replay --parked`");
                }
            }
        }
        for DepartedEndpoint { endpoint, gone_at } in &self.given_up {
            let id = &endpoint.id;
            match store.write("give up what was kept", |tx| outbox::give_up_orphans(tx, id, *gone_at, now)) {
                Ok(deliveries) => {
                    info!(endpoint = %id, deliveries, "endpoint stayed away for an hour, nothing is kept for it any more");
                }
                Err(error) => error!(endpoint = %id, %error, "what was kept for an endpoint could not be given up"),
            }
        }
    }
}

/// Whether it has been gone for too long.
pub(super) fn is_over(departed: &DepartedEndpoint, now: Timestamp) -> bool {
    now.since(departed.gone_at) >= KEPT_FOR
}

/// What a reload would take away that is hardly ever meant: endpoints that are owed something, and more than half of
/// the feeds or topics. Such a config is read twice.
pub(super) fn losses(old: &Config, new: &Config, store: &Store) -> Vec<String> {
    let mut losses = Vec::new();
    for endpoint in &old.endpoints {
        if new.endpoints.iter().any(|there| there.id == endpoint.id) {
            continue;
        }
        // What cannot be counted is not known to be nothing.
        let owed =
            store.read("count what is owed", |c| outbox::health(c, &endpoint.id)).map_or(1, |health| health.pending);
        if owed > 0 {
            losses.push(format!(
                "endpoint `{}` is gone from the config with {} owed to it",
                endpoint.id,
                crate::text::counted(owed, "delivery")
            ));
        }
    }
    let mut shrinks = |what: &str, before: usize, after: usize| {
        if before >= SHRINKING_MIN && after * 2 < before {
            losses.push(format!("of {before} {what} {after} are left in the config"));
        }
    };
    shrinks("feeds", old.feeds.len(), new.feeds.len());
    shrinks("topics", old.topics.len(), new.topics.len());
    losses
}

/// Lists of fewer entries shrink to less than half by a single change.
const SHRINKING_MIN: usize = 4;
