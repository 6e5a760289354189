//! How things stand: gauges that the stages keep, and what the store says, become one [`AppHealth`], and
//! that a verdict for `/readyz`, a sentence for `systemctl status`, and figures for metrics.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use super::error::AppPart;
use crate::config::{Config, ReloadRecord};
use crate::deliver::DeliveryCounters;
use crate::http::Readiness;
use crate::ingest::{IngestCounters, Outage};
use crate::model::Timestamp;
use crate::source::feed::polling::counters::{PollCounters, PollFlow};
use crate::source::quarantine::HeldDocument;
use crate::source::seed::{DirState, SeedStatus};
use crate::store::{NodeRecord, Standing};
use crate::telemetry::Pulse;
use crate::text::{counted, span};
use crate::view::{SilenceTally, node_warnings, quarantined, region_warnings};

/// A loop that did not turn for so long hangs; each turns at least every ten seconds.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// What a poll may take beyond its fetch: a minute for pages, and the way to the disk.
const SETTLING_LONG: Duration = Duration::from_secs(120);

/// Deliveries that are owed for so long are worth a word.
const OWED_LONG: Duration = Duration::from_secs(3600);

/// Silences that a warning names.
const SILENCES_NAMED_MAX: usize = 5;

/// What the stages count and how they are seen to live; cheap to clone.
#[derive(Clone)]
pub(super) struct Gauges {
    pub(super) ingest: IngestCounters,
    pub(super) outage: Outage,
    pub(super) polls: Arc<PollCounters>,
    pub(super) delivery: DeliveryCounters,
    pub(super) pulses: Pulses,
    pub(super) seeds: watch::Receiver<SeedStatus>,
    pub(super) reload: watch::Receiver<Option<ReloadRecord>>,
    pub(super) started_at: Timestamp,
}

/// The heartbeats that no counter has.
#[derive(Clone)]
pub(super) struct Pulses {
    pub(super) preparing: Pulse,
    pub(super) ingest: Pulse,
    pub(super) seeds: Pulse,
    pub(super) delivery: Pulse,
}

/// How things stand, as last looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AppHealth {
    /// What the store says.
    #[serde(flatten)]
    pub standing: Standing,
    /// Silences that hold now.
    pub silences: Vec<SilenceTally>,
    /// The processes that share the store, where several do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeRecord>,
    /// Documents that are not read, for the process ended while they were.
    pub quarantined: Vec<HeldDocument>,
    /// Free bytes on the store's disk.
    pub free_bytes: u64,
    /// Bytes of the database.
    pub database_bytes: u64,
    /// Bytes of its write-ahead log.
    pub log_bytes: u64,
    /// Nothing new is taken: the disk is nearly full.
    pub holding: bool,
    /// Why the store could not be asked, kept or written, if it could not.
    pub store_error: Option<String>,
}

impl Gauges {
    /// The loops that hang.
    pub(super) fn stuck(&self, now: Timestamp) -> Vec<AppPart> {
        let polled = self.polls.totals().turned_at;
        let poller = if polled == Timestamp::default() { Duration::ZERO } else { now.since(polled) };
        let age = |part: AppPart| match part {
            AppPart::Poller => poller,
            AppPart::SeedWatcher => self.pulses.seeds.age(now),
            AppPart::Preparing => self.pulses.preparing.age(now),
            AppPart::Ingest => self.pulses.ingest.age(now),
            AppPart::Delivery => self.pulses.delivery.age(now),
            AppPart::Hubs | AppPart::Keeper | AppPart::Http => Duration::ZERO,
        };
        AppPart::LOOPS.into_iter().filter(|part| age(*part) > STUCK_AFTER).collect()
    }

    /// Whether all is well, and what an operator should look at.
    pub(super) fn readiness(&self, config: &Config, health: &AppHealth, now: Timestamp) -> Readiness {
        let mut reasons: Vec<String> = self.stuck(now).iter().map(|part| format!("the {part} hangs")).collect();
        let flow = self.polls.totals().flow;
        reasons.extend(unmoved(&flow, config));
        if health.holding {
            reasons.push(format!(
                "disk: {} MiB free, {} MiB are kept in reserve; nothing new is taken, deliveries go on",
                health.free_bytes >> 20,
                config.daemon.free_space_bytes_min >> 20
            ));
        }
        reasons.extend(health.store_error.as_ref().map(|error| format!("store: {error}")));
        let mut warnings = Vec::new();
        let standing = &health.standing;
        let seeds = self.seeds.borrow().dir;
        if matches!(seeds, DirState::Missing | DirState::Unreadable) {
            warnings.push("seeds: the directory is not there or cannot be read".to_owned());
        }
        warnings.extend(slow_flow(&flow, config));
        if standing.feeds_failing > 0 {
            warnings.push(format!(
                "sources: {} of {} failing",
                standing.feeds_failing,
                counted(feeds(config) as u64, "feed")
            ));
        }
        if standing.feeds_gone > 0 {
            warnings.push(format!("sources: {} gone (410)", counted(standing.feeds_gone, "feed")));
        }
        if standing.feeds_over_quota > 0 {
            warnings.push(format!("sources: {} feeds over a quota of the day", standing.feeds_over_quota));
        }
        if let Some(at) = standing.oldest_owed_at.filter(|at| now.since(*at) > OWED_LONG) {
            warnings.push(format!("delivery: {} owed, the oldest for {}", standing.owed, span(now.since(at))));
        }
        for endpoint in &standing.endpoints_disabled {
            warnings.push(format!("delivery: endpoint {endpoint} is disabled"));
        }
        for endpoint in &standing.endpoints_failing {
            warnings.push(format!("delivery: endpoint {endpoint} is failing"));
        }
        if standing.parked > 0 {
            warnings.push(format!("delivery: {} parked", standing.parked));
        }
        warnings.extend(quarantined(&health.quarantined));
        warnings.extend(silenced(&health.silences));
        if let Some(record) = self.reload.borrow().as_ref().filter(|record| !record.taken) {
            warnings.push(format!("config: the last reload was refused ({})", record.summary));
        }
        warnings.extend(node_warnings(&health.nodes));
        warnings.extend(region_warnings(&config.feeds, &health.nodes));
        Readiness { ready: reasons.is_empty(), reasons, warnings, serves: true, nodes: health.nodes.clone() }
    }
}

/// A poll takes as long as its fetch may, and its pages, and its way to the disk.
fn poll_span_max(config: &Config) -> Duration {
    let own = config.feeds.iter().filter_map(|feed| feed.fetch.timeout).max().unwrap_or_default();
    own.max(config.polling.total_timeout) + SETTLING_LONG
}

/// Polls that do not move, though some are under way.
fn unmoved(flow: &PollFlow, config: &Config) -> Option<String> {
    (flow.unmoved > poll_span_max(config)).then(|| {
        let under_way = counted(flow.in_hand, "poll");
        format!("sources: {under_way} under way, and none has come to its end for {}", span(flow.unmoved))
    })
}

/// Polls that take too long, or begin too late.
fn slow_flow(flow: &PollFlow, config: &Config) -> Option<String> {
    if flow.overdue > SETTLING_LONG {
        let slots = config.polling.fetches_max;
        return Some(format!("sources: feeds wait {} for their turn, {slots} at once are too few", span(flow.overdue)));
    }
    (flow.in_hand_for > poll_span_max(config))
        .then(|| format!("sources: a poll has been under way for {}", span(flow.in_hand_for)))
}

/// What is kept from people on purpose, lest it be forgotten.
fn silenced(silences: &[SilenceTally]) -> Option<String> {
    let held: u64 = silences.iter().map(|silence| silence.held_back).sum();
    let named = silences.iter().take(SILENCES_NAMED_MAX).map(|silence| {
        let until = silence.silence.ends.map_or_else(|| "for good".to_owned(), |ends| format!("until {ends}"));
        format!("{} {until}: {}", silence.silence.id, silence.held_back)
    });
    let mut named = named.collect::<Vec<_>>().join(", ");
    if silences.len() > SILENCES_NAMED_MAX {
        named.push_str(", …");
    }
    let count = counted(silences.len() as u64, "silence");
    (!silences.is_empty())
        .then(|| format!("silences: {count} in force, {} held back ({named})", counted(held, "alert")))
}

/// One line for `systemctl status` that reads like a sentence.
pub(super) fn sentence(config: &Config, health: &AppHealth, stuck: &[AppPart], now: Timestamp) -> String {
    if !stuck.is_empty() {
        let names: Vec<&str> = stuck.iter().map(|part| part.as_str()).collect();
        return format!("Not well: the {} hangs; the watchdog is not fed", names.join(" and the "));
    }
    let standing = &health.standing;
    let failing = match standing.feeds_failing + standing.feeds_gone {
        0 => String::new(),
        count => format!(" ({count} failing)"),
    };
    let seeds = if config.seeds.dir.is_some() { " and the seed directory" } else { "" };
    let last = match standing.last_item_at {
        Some(at) => format!("last item {} ago", span(now.since(at))),
        None => "no item yet".to_owned(),
    };
    let owed = match (standing.owed, standing.oldest_owed_at) {
        (0, _) | (_, None) => "nothing owed".to_owned(),
        (1, Some(at)) => format!("1 delivery owed for {}", span(now.since(at))),
        (owed, Some(at)) => format!("{owed} deliveries owed, the oldest for {}", span(now.since(at))),
    };
    let disk = match &health.store_error {
        _ if health.holding => {
            format!("; disk nearly full ({} MiB free), nothing new is taken", health.free_bytes >> 20)
        }
        Some(error) => format!("; the store cannot be used: {error}"),
        None => String::new(),
    };
    let (feeds, topics) = (counted(feeds(config) as u64, "feed"), counted(config.topics.len() as u64, "topic"));
    format!("Watching {feeds}{failing}{seeds} for {topics}; {last}; {owed}{disk}")
}

fn feeds(config: &Config) -> usize {
    config.feeds.iter().filter(|feed| feed.enabled).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigPlace, Environment};

    #[test]
    fn polls_that_do_not_move_are_no_health() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("wirewatch.toml");
        let text = "[[endpoints]]\nid = 'console'\nformat = 'console'\n[polling]\ntotal_timeout = '30s'\n";
        std::fs::write(&file, text).expect("written");
        let config = Config::load(&ConfigPlace::File(file), &Environment::default()).expect("sound").config;
        let seconds = Duration::from_secs;
        let flow = PollFlow { in_hand: 16, in_hand_for: seconds(149), unmoved: seconds(149), overdue: seconds(119) };
        assert_eq!((unmoved(&flow, &config), slow_flow(&flow, &config)), (None, None));
        let stuck = PollFlow { in_hand_for: seconds(151), unmoved: seconds(151), ..flow };
        let said = unmoved(&stuck, &config).expect("red");
        assert_eq!(said, "sources: 16 polls under way, and none has come to its end for 2 min");
        assert!(slow_flow(&stuck, &config).is_some_and(|said| said.contains("under way for 2 min")));
        let late = PollFlow { overdue: seconds(121), ..flow };
        assert!(slow_flow(&late, &config).is_some_and(|said| said.contains("wait 2 min for their turn")));
    }
}
