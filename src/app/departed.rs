//! Endpoints that a reload or a restart took away: for an hour what is raised is kept for them as if they were there, so
//! that a config that was half written, or a name that was mistyped, costs nobody an alert. What comes back within the hour
//! is told; what does not is given up, and only what was owed before stays parked. Who was there, and who has gone, is noted in
//! the store: a restart in between changes nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

use crate::config::Config;
use crate::deliver::EndpointConfig;
use crate::model::{EndpointId, Lang, Score, Severity, SourceId, Timestamp, TopicId};
use crate::pipeline::Rules;
use crate::pipeline::alert::{Route, Timing};
use crate::store::{Store, StoreError, outbox};

/// So long an endpoint may be gone without losing an alert.
const KEPT_FOR: Duration = Duration::from_secs(3600);

/// An endpoint that is no longer in the config.
#[derive(Debug, Clone)]
pub(super) struct DepartedEndpoint {
    pub(super) route: Route,
    pub(super) gone_at: Timestamp,
}

/// Under this name the endpoints are noted in the store.
const NOTED_AS: &str = "endpoints";

/// So long what is raised for it after a restart waits unwritten for its story: until it is back and says how it is
/// written, or given up.
const UNWRITTEN_FOR: Duration = KEPT_FOR.saturating_mul(2);

/// An endpoint as it is noted: what it wants to hear, and when it went, if it has.
#[derive(Debug, Serialize, Deserialize)]
struct NotedEndpoint {
    id: String,
    gone_ms: Option<i64>,
    topics: Vec<String>,
    sources: Vec<String>,
    languages: Vec<String>,
    severity_min: String,
    score_min: f64,
    source_alerts: bool,
}

impl NotedEndpoint {
    fn of(route: &Route, gone_at: Option<Timestamp>) -> Self {
        Self {
            id: route.endpoint.to_string(),
            gone_ms: gone_at.map(Timestamp::millis),
            topics: route.topics.iter().map(ToString::to_string).collect(),
            sources: route.sources.iter().map(ToString::to_string).collect(),
            languages: route.languages.iter().map(ToString::to_string).collect(),
            severity_min: route.severity_min.as_str().to_owned(),
            score_min: route.score_min.to_f64(),
            source_alerts: route.source_alerts,
        }
    }

    /// What it wants to hear; nothing of it is written before it is back and says how.
    fn route(&self) -> Option<Route> {
        Some(Route {
            topics: self.topics.iter().filter_map(|topic| TopicId::new(topic).ok()).collect(),
            sources: self.sources.iter().filter_map(|source| SourceId::new(source).ok()).collect(),
            languages: self.languages.iter().filter_map(|lang| Lang::from_tag(lang)).collect(),
            severity_min: Severity::from_name(&self.severity_min)?,
            score_min: Score::from_f64(self.score_min),
            source_alerts: self.source_alerts,
            timing: Timing { group_wait: UNWRITTEN_FOR, ..Timing::default() },
            ..Route::everything(EndpointId::new(&self.id).ok()?)
        })
    }
}

/// Those that are gone after a reload, and those that came back or stayed away for too long by it.
#[derive(Debug, Clone, Default)]
pub(super) struct Departures {
    pub(super) gone: Vec<DepartedEndpoint>,
    pub(super) returned: Vec<DepartedEndpoint>,
    pub(super) given_up: Vec<DepartedEndpoint>,
}

impl Departures {
    /// What becomes of those that were gone when another config takes over.
    pub(super) fn of(before: &[DepartedEndpoint], old: &Config, new: &Config, now: Timestamp) -> Self {
        let mut departures = Self::default();
        for departed in before {
            departures.sort(departed.clone(), new, now);
        }
        let leaving = old.endpoints.iter().filter(|endpoint| endpoint.enabled && !is_there(&endpoint.id, new));
        departures.gone.extend(leaving.map(|left| DepartedEndpoint { route: left.route(), gone_at: now }));
        departures
    }

    /// The same at a start, by what was noted before it.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub(super) fn at_start(store: &Store, config: &Config, now: Timestamp) -> Result<Self, StoreError> {
        let mut departures = Self::default();
        let Some(text) = store.noted(NOTED_AS)? else { return Ok(departures) };
        let noted: Vec<NotedEndpoint> = serde_json::from_str(&text).unwrap_or_else(|error| {
            warn!(%error, "which endpoints there were is noted in a form that is not known here");
            Vec::new()
        });
        for noted in noted {
            let Some(route) = noted.route() else { continue };
            if noted.gone_ms.is_none() && is_there(&route.endpoint, config) {
                continue;
            }
            let gone_at = noted.gone_ms.map_or(now, Timestamp::from_millis);
            departures.sort(DepartedEndpoint { route, gone_at }, config, now);
        }
        for departed in &departures.gone {
            let endpoint = &departed.route.endpoint;
            warn!(%endpoint, "endpoint is gone from the config: what is raised is kept for it for an hour");
        }
        Ok(departures)
    }

    fn sort(&mut self, departed: DepartedEndpoint, config: &Config, now: Timestamp) {
        let list = match () {
            () if is_there(&departed.route.endpoint, config) => &mut self.returned,
            () if is_over(&departed, now) => &mut self.given_up,
            () => &mut self.gone,
        };
        list.push(departed);
    }

    /// Notes who is there and who has gone, for the next start.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be written.
    pub(super) fn note(&self, store: &Store, config: &Config) -> Result<(), StoreError> {
        let there = config.endpoints.iter().filter(|endpoint| endpoint.enabled).map(EndpointConfig::route);
        let mut noted: Vec<NotedEndpoint> = there.map(|route| NotedEndpoint::of(&route, None)).collect();
        noted.extend(self.gone.iter().map(|departed| NotedEndpoint::of(&departed.route, Some(departed.gone_at))));
        store.note(NOTED_AS, &serde_json::to_string(&noted).expect("invariant: words and numbers are JSON"))
    }

    /// Whether the rules have to be compiled anew for it.
    pub(super) fn changes_routes(&self) -> bool {
        !self.returned.is_empty() || !self.given_up.is_empty()
    }

    /// What is raised goes to those that are gone as well.
    pub(super) fn add_routes(&self, rules: &mut Rules) {
        rules.alert.routes.extend(self.gone.iter().map(|departed| departed.route.clone()));
    }

    /// Lets go what was kept for those that are back, and gives up what was kept for those that stayed away.
    pub(super) fn settle(&self, store: &Store, now: Timestamp) {
        for DepartedEndpoint { route, gone_at } in &self.returned {
            let id = &route.endpoint;
            let let_go = store.write("let go what was kept", |tx| {
                outbox::end_group_waits(tx, id, now)?;
                outbox::release_orphans(tx, id, *gone_at, now)
            });
            match let_go {
                Ok(deliveries) => {
                    info!(endpoint = %id, deliveries, "endpoint is back, what was parked meanwhile is sent");
                }
                Err(error) => {
                    error!(endpoint = %id, %error, "endpoint is back, what was parked stays so: `wirewatch deliveries replay --parked`");
                }
            }
        }
        for DepartedEndpoint { route, gone_at } in &self.given_up {
            let id = &route.endpoint;
            match store.write("give up what was kept", |tx| outbox::give_up_orphans(tx, id, *gone_at, now)) {
                Ok(deliveries) => {
                    info!(endpoint = %id, deliveries, "endpoint stayed away for an hour, nothing is kept for it any more");
                }
                Err(error) => error!(endpoint = %id, %error, "what was kept for an endpoint could not be given up"),
            }
        }
    }
}

fn is_there(endpoint: &EndpointId, config: &Config) -> bool {
    config.endpoints.iter().any(|there| there.id == *endpoint)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_over_a_restart_waits_until_its_endpoint_says_how_it_is_written() {
        let route = Route::everything(EndpointId::new("desk").expect("a name"));
        let kept = NotedEndpoint::of(&route, None).route().expect("an endpoint");
        let now = Timestamp::from_seconds(1_742_198_531);
        let held = kept.timing.hold(Severity::Critical, true, now).expect("held");
        assert!(held.until.since(now) > KEPT_FOR);
    }
}
