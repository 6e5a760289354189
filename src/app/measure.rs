//! What the listener shows: counters and health become samples, readiness and the guard's settings are
//! passed on as they change. Reads only what is in memory, so that no caller can make the store work.

use std::sync::Arc;

use tokio::sync::watch;

use super::error::AppPart;
use super::health::{AppHealth, Gauges};
use crate::clock::Clock;
use crate::config::Config;
use crate::deliver::DeliveryCounters;
use crate::http::{DaemonNudge, GuardConfig, ListenerSources, ReadSources, Readiness};
use crate::model::Timestamp;
use crate::source::parser::Parser;
use crate::source::push::PushIntake;
use crate::source::seed::DirState;
use crate::source::websub::{HubCounters, HubEntrance, HubIntake, SubscriptionDesk};
use crate::store::NodeRecord;
use crate::telemetry::{Metric, Sample, lines_dropped};

/// Everything the listener needs.
pub(super) fn served(
    config: watch::Receiver<Arc<Config>>,
    readiness: &watch::Sender<Readiness>,
    gauges: &Gauges,
    health: &watch::Receiver<AppHealth>,
    (reads, pushes, hubs, parser): (ReadSources, PushIntake, HubIntake, Parser),
    clock: Clock,
    nudge: Arc<dyn Fn(DaemonNudge) + Send + Sync>,
) -> ListenerSources {
    let guard = guard(config.clone());
    let (gauges, health, ready) = (gauges.clone(), health.clone(), readiness.subscribe());
    let desk = hubs.desk().clone();
    let at = move |now: Timestamp| {
        let ready = ready.borrow().ready;
        let mut out = samples(&config.borrow(), &gauges, &health.borrow(), ready, now);
        pushed(&mut out, &desk);
        out
    };
    let feed_look = super::feed_look::looker(parser, clock.clone());
    ListenerSources {
        readiness: readiness.subscribe(),
        samples: Arc::new(at),
        guard,
        clock,
        reads,
        trial: Arc::new(super::trial::run),
        feed_look,
        nudge,
        pushes,
        hubs: HubEntrance::Here(hubs),
    }
}

/// Who may ask, as the config says now.
pub(super) fn guard(config: watch::Receiver<Arc<Config>>) -> Arc<dyn Fn() -> GuardConfig + Send + Sync> {
    Arc::new(move || {
        let config = config.borrow();
        let http = &config.http;
        GuardConfig {
            hosts: http.hosts.clone(),
            token_file: http.token_file.clone(),
            read_token_file: http.read_token_file.clone(),
            users_file: http.users_file.clone(),
            proxy_user_header: http.proxy_user_header.clone(),
            proxy_from: http.proxy_from.clone(),
            public_url: http.public_url.clone(),
        }
    })
}

fn samples(config: &Config, gauges: &Gauges, health: &AppHealth, ready: bool, now: Timestamp) -> Vec<Sample> {
    let seconds = |at: Timestamp| at.millis() as f64 / 1000.0;
    let flag = |holds: bool| f64::from(u8::from(holds));
    let mut out = vec![
        Sample::labelled(Metric::BuildInfo, "version", env!("CARGO_PKG_VERSION"), 1.0),
        Sample::new(Metric::StartTime, seconds(gauges.started_at)),
        Sample::new(Metric::Up, flag(ready)),
        Sample::new(Metric::StandingBy, 0.0),
        Sample::new(Metric::FeedsConfigured, config.feeds.iter().filter(|feed| feed.enabled).count() as f64),
        Sample::new(Metric::StoreDatabaseBytes, health.database_bytes as f64),
        Sample::new(Metric::StoreLogBytes, health.log_bytes as f64),
        Sample::new(Metric::StoreFreeBytes, health.free_bytes as f64),
        Sample::new(Metric::StoreHolding, flag(health.holding)),
        Sample::new(Metric::LogLinesDropped, lines_dropped() as f64),
        Sample::new(Metric::Quarantined, health.quarantined.len() as f64),
    ];
    sources(&mut out, gauges);
    ingest(&mut out, config, gauges);
    delivery(&mut out, config, gauges, health, now);
    let standing = &health.standing;
    out.extend([
        Sample::new(Metric::FeedsFailing, standing.feeds_failing as f64),
        Sample::new(Metric::FeedsGone, standing.feeds_gone as f64),
        Sample::new(Metric::FeedsOverQuota, standing.feeds_over_quota as f64),
        Sample::new(Metric::IngestLastItem, standing.last_item_at.map_or(0.0, seconds)),
        Sample::new(Metric::StoreSearchLag, standing.search_lag as f64),
    ]);
    out.push(Sample::new(Metric::SilencesActive, health.silences.len() as f64));
    out.extend(health.silences.iter().map(|silence| {
        Sample::labelled(Metric::SilencedAlerts, "silence", &silence.silence.id, silence.held_back as f64)
    }));
    nodes(&mut out, &health.nodes);
    let reload = gauges.reload.borrow();
    let reload_at = reload.as_ref().map_or(gauges.started_at, |record| Timestamp::from_millis(record.begun_ms));
    out.push(Sample::new(Metric::ConfigReloadOk, flag(reload.as_ref().is_none_or(|record| record.taken))));
    out.push(Sample::new(Metric::ConfigReloadTime, seconds(reload_at)));
    let stuck = gauges.stuck(now);
    out.extend(
        AppPart::LOOPS
            .map(|part| Sample::labelled(Metric::LoopStuck, "loop", part.as_str(), flag(stuck.contains(&part)))),
    );
    out
}

/// The processes that share the store, where several do.
pub(super) fn nodes(out: &mut Vec<Sample>, nodes: &[NodeRecord]) {
    for node in nodes {
        let flag = |holds: bool| f64::from(u8::from(holds));
        let seconds = |ms: f64| ms / 1000.0;
        out.extend(
            [
                (Metric::NodeUp, flag(node.is_there())),
                (Metric::NodeDecides, flag(node.decides)),
                (Metric::NodeSameRules, flag(node.same_rules)),
                (Metric::NodeBehindChanges, node.behind as f64),
                (Metric::NodeBehind, seconds(node.behind_ms as f64)),
                (Metric::NodeHosts, node.hosts as f64),
                (Metric::NodeClockApart, seconds(node.clock_apart_ms as f64)),
            ]
            .map(|(metric, value)| Sample::labelled(metric, "node", &node.name, value)),
        );
    }
}

fn sources(out: &mut Vec<Sample>, gauges: &Gauges) {
    let polls = gauges.polls.totals();
    out.extend([
        Sample::new(Metric::PollPolls, polls.polls as f64),
        Sample::new(Metric::PollDocuments, polls.documents as f64),
        Sample::new(Metric::PollUnchanged, polls.unchanged as f64),
        Sample::new(Metric::PollItems, polls.items as f64),
        Sample::new(Metric::PollWireBytes, polls.wire_bytes as f64),
        Sample::new(Metric::PollLate, polls.late as f64),
        Sample::new(Metric::PollLag, polls.lag.as_secs_f64()),
    ]);
    for (outcome, durations) in polls.durations {
        out.push(Sample::durations(Metric::PollDuration, durations).with("outcome", outcome));
    }
    for (class, count) in polls.failures {
        out.push(Sample::labelled(Metric::PollFailures, "class", class.as_str(), count as f64));
    }
    let seeds = *gauges.seeds.borrow();
    for (outcome, count) in [("taken", seeds.taken), ("refused", seeds.refused), ("known", seeds.known)] {
        out.push(Sample::labelled(Metric::SeedFiles, "outcome", outcome, count as f64));
    }
    let readable = !matches!(seeds.dir, DirState::Missing | DirState::Unreadable);
    out.push(Sample::new(Metric::SeedOverflows, seeds.overflows as f64));
    out.push(Sample::new(Metric::SeedWaiting, seeds.waiting as f64));
    out.push(Sample::new(Metric::SeedDirOk, f64::from(u8::from(readable))));
}

fn pushed(out: &mut Vec<Sample>, desk: &SubscriptionDesk) {
    let counters = desk.counters();
    for (state, count) in desk.standing() {
        out.push(Sample::labelled(Metric::HubSubscriptions, "state", state, count as f64));
    }
    out.extend([
        Sample::new(Metric::HubPushes, counters.pushes() as f64),
        Sample::new(Metric::HubItems, counters.items() as f64),
        Sample::new(Metric::HubMisses, counters.misses() as f64),
    ]);
    hub_drops(out, counters);
}

/// What hubs pushed to this process and was not taken.
pub(super) fn hub_drops(out: &mut Vec<Sample>, counters: &HubCounters) {
    for (why, count) in counters.drops() {
        out.push(Sample::labelled(Metric::HubRejections, "reason", why.as_str(), count as f64));
    }
}

fn ingest(out: &mut Vec<Sample>, config: &Config, gauges: &Gauges) {
    let counts = gauges.ingest.snapshot();
    let outcomes = counts.outcomes;
    out.extend([
        Sample::new(Metric::IngestBatches, counts.batches as f64),
        Sample::new(Metric::IngestHeldBatches, counts.held_batches as f64),
        Sample::new(Metric::IngestReceived, counts.received as f64),
        Sample::new(Metric::IngestAlerts, outcomes.alerts as f64),
        Sample::durations(Metric::IngestCommit, counts.commits),
    ]);
    for topic in &config.topics {
        let counts = gauges.ingest.topic(&topic.id);
        let named = |sample: Sample| sample.with("topic", topic.id.as_str());
        out.extend([
            named(Sample::new(Metric::IngestMatches, counts.matches as f64)),
            named(Sample::new(Metric::TopicAlerts, counts.alerts as f64)),
            named(Sample::durations(Metric::PublishedToAlert, counts.published_to_alert)),
        ]);
    }
    for (outcome, count) in [
        ("new", outcomes.new),
        ("known", outcomes.known),
        ("sighting", outcomes.sightings),
        ("revision", outcomes.revisions),
        ("rejected", outcomes.rejected),
    ] {
        out.push(Sample::labelled(Metric::IngestItems, "outcome", outcome, count as f64));
    }
    for (reason, count) in counts.reasons {
        out.push(Sample::labelled(Metric::IngestRejected, "reason", reason.as_str(), count as f64));
    }
}

/// What this process sent.
pub(super) fn attempts(out: &mut Vec<Sample>, config: &Config, counters: &DeliveryCounters) {
    for endpoint in &config.endpoints {
        let counts = counters.of(&endpoint.id);
        let named = |sample: Sample| sample.with("endpoint", endpoint.id.as_str());
        out.extend(counts.attempts.into_iter().map(|(outcome, count)| {
            named(Sample::new(Metric::DeliverAttempts, count as f64)).with("outcome", outcome)
        }));
        out.extend([
            named(Sample::new(Metric::DeliverParked, counts.parked as f64)),
            named(Sample::durations(Metric::AttemptDuration, counts.attempt_durations)),
            named(Sample::durations(Metric::AlertToDelivered, counts.to_delivered)),
        ]);
    }
}

fn delivery(out: &mut Vec<Sample>, config: &Config, gauges: &Gauges, health: &AppHealth, now: Timestamp) {
    attempts(out, config, &gauges.delivery);
    let standing = &health.standing;
    let oldest = standing.oldest_owed_at.map_or(0.0, |at| now.since(at).as_secs_f64());
    out.extend([
        Sample::new(Metric::DeliverMaybeReceived, gauges.delivery.maybe_received() as f64),
        Sample::new(Metric::DeliverOwed, standing.owed as f64),
        Sample::new(Metric::DeliverParkedNow, standing.parked as f64),
        Sample::new(Metric::DeliverOldestOwed, oldest),
        Sample::new(Metric::DeliverEndpointsDisabled, standing.endpoints_disabled.len() as f64),
        Sample::new(Metric::DeliverEndpointsFailing, standing.endpoints_failing.len() as f64),
    ]);
}
