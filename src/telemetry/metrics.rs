//! Metrics as text: every name, its help and its kind in one list; values from counters that the stages
//! keep. Labels are closed sets, every member there from the start. Prometheus text or OpenMetrics.

use std::collections::BTreeMap;

use MetricKind::{Counter, Gauge, Histogram};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::family::DurationHistogram;

/// Name, kind, help.
const TABLE: &[(Metric, &str, MetricKind, &str)] = &[
    (Metric::BuildInfo, "wirewatch_build_info", Gauge, "Always 1; the version is a label."),
    (Metric::StartTime, "wirewatch_start_time_seconds", Gauge, "When the process started."),
    (Metric::Up, "wirewatch_ready", Gauge, "1 while /readyz says ready."),
    (Metric::StandingBy, "wirewatch_standing_by", Gauge, "1 while another node decides."),
    (Metric::PollPolls, "wirewatch_poll_polls_total", Counter, "Feed polls, answered or failed."),
    (Metric::PollDocuments, "wirewatch_poll_documents_total", Counter, "Feed documents that were parsed."),
    (Metric::PollUnchanged, "wirewatch_poll_unchanged_total", Counter, "Polls without news: 304 or the same bytes."),
    (Metric::PollItems, "wirewatch_poll_items_total", Counter, "Items in the parsed documents."),
    (Metric::PollWireBytes, "wirewatch_poll_wire_bytes_total", Counter, "Body bytes on the wire."),
    (Metric::PollLate, "wirewatch_poll_late_total", Counter, "Polls that began more than a second after their time."),
    (Metric::PollLag, "wirewatch_poll_lag_seconds_total", Counter, "Time between when polls were due and began."),
    (Metric::PollFailures, "wirewatch_poll_failures_total", Counter, "Failed polls by class."),
    (Metric::PollDuration, "wirewatch_poll_duration_seconds", Histogram, "How long polls took, by what came of them."),
    (Metric::FeedsConfigured, "wirewatch_feeds_configured", Gauge, "Feeds that are polled."),
    (Metric::FeedsFailing, "wirewatch_feeds_failing", Gauge, "Feeds whose last poll failed."),
    (Metric::FeedsGone, "wirewatch_feeds_gone", Gauge, "Feeds that answered 410 and are stopped."),
    (
        Metric::FeedsOverQuota,
        "wirewatch_feeds_over_quota",
        Gauge,
        "Feeds that reached a quota of bytes or alerts on the day of their last poll.",
    ),
    (Metric::HubSubscriptions, "wirewatch_websub_subscriptions", Gauge, "Subscriptions at hubs, by how they stand."),
    (Metric::HubPushes, "wirewatch_websub_pushes_total", Counter, "Pushes of hubs that were stored."),
    (Metric::HubItems, "wirewatch_websub_items_total", Counter, "New items that hubs pushed."),
    (
        Metric::HubMisses,
        "wirewatch_websub_misses_total",
        Counter,
        "New items that a hub should have pushed and did not.",
    ),
    (
        Metric::HubRejections,
        "wirewatch_websub_rejections_total",
        Counter,
        "Pushes that were dropped, or taken as a hint to poll, by reason.",
    ),
    (Metric::HttpRefusals, "wirewatch_http_refusals_total", Counter, "Requests refused, by the name of the refusal."),
    (Metric::SeedFiles, "wirewatch_seed_files_total", Counter, "Seed files by what became of them."),
    (Metric::SeedWaiting, "wirewatch_seed_waiting_files", Gauge, "Seed files that wait to stand still."),
    (Metric::SeedDirOk, "wirewatch_seed_directory_ok", Gauge, "1 while the seed directory can be read or is off."),
    (Metric::IngestBatches, "wirewatch_ingest_batches_total", Counter, "Batches that are durable."),
    (
        Metric::IngestHeldBatches,
        "wirewatch_ingest_held_batches_total",
        Counter,
        "Batches given back: the disk is nearly full, or another document of their feed came in between.",
    ),
    (
        Metric::IngestReceived,
        "wirewatch_ingest_received_items_total",
        Counter,
        "Items received: the sum of all outcomes.",
    ),
    (Metric::IngestItems, "wirewatch_ingest_items_total", Counter, "Items by what became of them."),
    (
        Metric::IngestRejected,
        "wirewatch_ingest_rejected_total",
        Counter,
        "What was not taken, was cut, or raised no alert by itself, by reason.",
    ),
    (Metric::IngestMatches, "wirewatch_ingest_matches_total", Counter, "Matches of new and edited items by topic."),
    (Metric::IngestAlerts, "wirewatch_ingest_alerts_total", Counter, "Alerts raised."),
    (
        Metric::TopicAlerts,
        "wirewatch_ingest_topic_alerts_total",
        Counter,
        "Alerts raised by topic; one with two topics counts for both.",
    ),
    (
        Metric::PublishedToAlert,
        "wirewatch_ingest_published_to_alert_seconds",
        Histogram,
        "From the time an item gives as that of its publication to the first alert of its story, by topic.",
    ),
    (Metric::IngestCommit, "wirewatch_ingest_commit_seconds", Histogram, "How long transactions with decisions took."),
    (Metric::IngestLastItem, "wirewatch_ingest_last_item_time_seconds", Gauge, "When the last item came; 0: never."),
    (
        Metric::DeliverAttempts,
        "wirewatch_deliver_attempts_total",
        Counter,
        "Delivery attempts by endpoint and outcome.",
    ),
    (Metric::DeliverParked, "wirewatch_deliver_parked_total", Counter, "Deliveries given up for now, by endpoint."),
    (
        Metric::AlertToDelivered,
        "wirewatch_deliver_alert_to_delivered_seconds",
        Histogram,
        "From the decision to the recorded success, by endpoint; waits that were asked for count as well.",
    ),
    (Metric::AttemptDuration, "wirewatch_deliver_attempt_seconds", Histogram, "How long attempts took, by endpoint."),
    (
        Metric::DeliverMaybeReceived,
        "wirewatch_deliver_maybe_received_total",
        Counter,
        "Attempts without an answer that may have arrived.",
    ),
    (Metric::DeliverOwed, "wirewatch_deliver_owed_deliveries", Gauge, "Deliveries not made yet."),
    (Metric::DeliverParkedNow, "wirewatch_deliver_parked_deliveries", Gauge, "Deliveries that are parked."),
    (
        Metric::DeliverOldestOwed,
        "wirewatch_deliver_oldest_owed_seconds",
        Gauge,
        "Age of the oldest delivery that is owed.",
    ),
    (
        Metric::DeliverEndpointsDisabled,
        "wirewatch_deliver_endpoints_disabled",
        Gauge,
        "Endpoints that take nothing until enabled.",
    ),
    (
        Metric::DeliverEndpointsFailing,
        "wirewatch_deliver_endpoints_failing",
        Gauge,
        "Endpoints whose last attempt failed.",
    ),
    (Metric::SilencesActive, "wirewatch_silences_active", Gauge, "Silences that hold now."),
    (
        Metric::SilencedAlerts,
        "wirewatch_silenced_alerts",
        Gauge,
        "Stored alerts that a silence which holds now kept from everybody, by silence.",
    ),
    (Metric::StoreDatabaseBytes, "wirewatch_store_database_bytes", Gauge, "Size of the database."),
    (Metric::StoreLogBytes, "wirewatch_store_log_bytes", Gauge, "Size of its write-ahead log."),
    (Metric::StoreFreeBytes, "wirewatch_store_free_bytes", Gauge, "Free bytes on its disk."),
    (Metric::StoreHolding, "wirewatch_store_holding", Gauge, "1 while nothing new is taken: the disk is nearly full."),
    (
        Metric::LogLinesDropped,
        "wirewatch_log_lines_dropped_total",
        Counter,
        "Log lines that were not written, for nobody read them.",
    ),
    (
        Metric::SeedOverflows,
        "wirewatch_seed_watch_overflows_total",
        Counter,
        "Times the kernel told of more changes in the seed directory than were kept; a scan made up for each.",
    ),
    (
        Metric::Quarantined,
        "wirewatch_quarantined_documents",
        Gauge,
        "Documents that are not read, for the process ended while they were.",
    ),
    (
        Metric::StoreSearchLag,
        "wirewatch_store_search_lag_items",
        Gauge,
        "Items that search does not know yet, counted up to 10,000.",
    ),
    (
        Metric::ConfigReloadOk,
        "wirewatch_config_last_reload_successful",
        Gauge,
        "1 when the last reload was taken, or none was asked for.",
    ),
    (
        Metric::ConfigReloadTime,
        "wirewatch_config_last_reload_time_seconds",
        Gauge,
        "When the last reload began, or the start.",
    ),
    (Metric::LoopStuck, "wirewatch_loop_stuck", Gauge, "1 while this loop hangs."),
    (Metric::NodeUp, "wirewatch_node_up", Gauge, "1 while this node on the store is heard of."),
    (Metric::NodeDecides, "wirewatch_node_decides", Gauge, "1 for the node that decides."),
    (
        Metric::NodeSameRules,
        "wirewatch_node_same_rules",
        Gauge,
        "1 where it decides by the rules of the one that does.",
    ),
    (Metric::NodeBehindChanges, "wirewatch_node_behind_changes", Gauge, "Changes that its memory lacks."),
    (Metric::NodeBehind, "wirewatch_node_behind_seconds", Gauge, "For how long its memory has not had everything."),
    (Metric::NodeHosts, "wirewatch_node_hosts", Gauge, "Hosts that it asks for feeds."),
    (
        Metric::NodeClockApart,
        "wirewatch_node_clock_apart_seconds",
        Gauge,
        "How far its clock is ahead of the database server's.",
    ),
];

/// A metric: its name is a promise to dashboards and alert rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    BuildInfo,
    StartTime,
    Up,
    StandingBy,
    PollPolls,
    PollDocuments,
    PollUnchanged,
    PollItems,
    PollWireBytes,
    PollLate,
    PollLag,
    PollFailures,
    PollDuration,
    FeedsConfigured,
    FeedsFailing,
    FeedsGone,
    FeedsOverQuota,
    HubSubscriptions,
    HubPushes,
    HubItems,
    HubMisses,
    HubRejections,
    HttpRefusals,
    SeedFiles,
    SeedWaiting,
    SeedDirOk,
    IngestBatches,
    IngestHeldBatches,
    IngestReceived,
    IngestItems,
    IngestRejected,
    IngestMatches,
    IngestAlerts,
    TopicAlerts,
    PublishedToAlert,
    IngestCommit,
    IngestLastItem,
    DeliverAttempts,
    DeliverParked,
    AlertToDelivered,
    AttemptDuration,
    DeliverMaybeReceived,
    DeliverOwed,
    DeliverParkedNow,
    DeliverOldestOwed,
    DeliverEndpointsDisabled,
    DeliverEndpointsFailing,
    SilencesActive,
    SilencedAlerts,
    StoreDatabaseBytes,
    StoreLogBytes,
    StoreFreeBytes,
    StoreHolding,
    LogLinesDropped,
    SeedOverflows,
    Quarantined,
    StoreSearchLag,
    ConfigReloadOk,
    ConfigReloadTime,
    NodeUp,
    NodeDecides,
    NodeSameRules,
    NodeBehindChanges,
    NodeBehind,
    NodeHosts,
    NodeClockApart,
    LoopStuck,
}

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only up, from zero at the start.
    Counter,
    /// Up and down.
    Gauge,
    /// How many took how long, in buckets of seconds.
    Histogram,
}

/// The form of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus text, version 0.0.4.
    Prometheus,
    /// OpenMetrics text, version 1.0.0.
    OpenMetrics,
}

/// What a sample is worth.
#[derive(Debug, Clone)]
pub enum SampleValue {
    /// Of a counter or gauge.
    Number(f64),
    /// Of a histogram.
    Durations(DurationHistogram),
}

/// One value.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Of what.
    pub metric: Metric,
    /// Its labels, each a member of a closed set.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: SampleValue,
}

impl Metric {
    /// Name, kind, help.
    #[must_use]
    pub fn describe(self) -> (&'static str, MetricKind, &'static str) {
        let row = TABLE.iter().find(|(metric, ..)| *metric == self);
        row.map_or(("wirewatch_unnamed", Gauge, ""), |&(_, name, kind, help)| (name, kind, help))
    }
}

impl Sample {
    /// A value without a label.
    #[must_use]
    pub fn new(metric: Metric, value: f64) -> Self {
        Self { metric, labels: Vec::new(), value: SampleValue::Number(value) }
    }

    /// A value of one member of a closed set.
    #[must_use]
    pub fn labelled(metric: Metric, name: &'static str, of: impl Into<String>, value: f64) -> Self {
        Self::new(metric, value).with(name, of)
    }

    /// Durations without a label.
    #[must_use]
    pub fn durations(metric: Metric, durations: DurationHistogram) -> Self {
        Self { metric, labels: Vec::new(), value: SampleValue::Durations(durations) }
    }

    /// With one label more.
    #[must_use]
    pub fn with(mut self, name: &'static str, of: impl Into<String>) -> Self {
        self.labels.push((name, of.into()));
        self
    }
}

/// Samples of one metric, as the library asks for them.
#[derive(Debug)]
struct SampleFamily {
    metric: Metric,
    samples: Vec<Sample>,
}

impl Collector for SampleFamily {
    fn encode(&self, mut encoder: DescriptorEncoder) -> std::fmt::Result {
        let (name, kind, help) = self.metric.describe();
        let kind = match kind {
            Counter => MetricType::Counter,
            Gauge => MetricType::Gauge,
            Histogram => MetricType::Histogram,
        };
        // The library puts the suffix behind the names of counters itself.
        let name = name.strip_suffix("_total").unwrap_or(name);
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for Sample { labels, value, .. } in &self.samples {
            let mut one = family.encode_family(labels)?;
            match (value, kind) {
                (SampleValue::Durations(durations), _) => durations.inner().encode(one)?,
                (SampleValue::Number(number), MetricType::Counter) => {
                    one.encode_counter::<NoLabelSet, f64, u64>(number, None)?;
                }
                (SampleValue::Number(number), _) => one.encode_gauge(number)?,
            }
        }
        Ok(())
    }
}

/// Writes samples, those of one metric together.
#[must_use]
pub fn render(samples: Vec<Sample>, exposition: Exposition) -> String {
    let mut families: BTreeMap<Metric, Vec<Sample>> = BTreeMap::new();
    for sample in samples {
        families.entry(sample.metric).or_default().push(sample);
    }
    let mut registry = Registry::default();
    for (metric, samples) in families {
        registry.register_collector(Box::new(SampleFamily { metric, samples }));
    }
    let mut out = String::new();
    let written = match exposition {
        Exposition::Prometheus => prometheus_text::encode(&mut out, &registry),
        Exposition::OpenMetrics => text::encode(&mut out, &registry),
    };
    written.expect("invariant: a string takes what is written to it");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_names_follow_the_house_and_say_their_kind() {
        let mut names = std::collections::BTreeSet::new();
        for &(metric, name, kind, help) in TABLE {
            assert!(names.insert(name), "{name} twice");
            assert!(name.starts_with("wirewatch_") && !help.is_empty(), "{metric:?}");
            assert_eq!(name.ends_with("_total"), kind == Counter, "{name}");
        }
        assert_eq!(names.len(), Metric::LoopStuck as usize + 1, "every metric is in the table");
    }

    #[test]
    fn metrics_in_dashboard_and_alert_rules_exist() {
        let shipped =
            [include_str!("../../docs/grafana-dashboard.json"), include_str!("../../docs/prometheus-alerts.yml")];
        for word in shipped.iter().flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')) {
            if word.starts_with("wirewatch_") {
                let exported = |&(_, name, kind, _): &(Metric, &str, MetricKind, &str)| match kind {
                    Histogram => ["_bucket", "_sum", "_count"].iter().any(|end| word.strip_suffix(end) == Some(name)),
                    Counter | Gauge => name == word,
                };
                assert!(TABLE.iter().any(exported), "no metric {word}");
            }
        }
    }

    #[test]
    fn metrics_are_grouped_and_escaped_in_both_forms() {
        let samples = vec![
            Sample::labelled(Metric::IngestItems, "outcome", "new", 2.0),
            Sample::new(Metric::StoreFreeBytes, 5e12),
            Sample::labelled(Metric::IngestItems, "outcome", "a\"b\nc\\", 0.0),
        ];
        let text = render(samples.clone(), Exposition::Prometheus);
        assert_eq!(text.matches("# TYPE wirewatch_ingest_items_total counter").count(), 1, "{text}");
        assert!(text.contains("wirewatch_ingest_items_total{outcome=\"new\"} 2.0\n"), "{text}");
        assert!(text.contains("{outcome=\"a\\\"b\\nc\\\\\"} 0.0\n"), "{text}");
        assert!(text.contains("wirewatch_store_free_bytes 5000000000000.0\n"), "{text}");
        let open = render(samples, Exposition::OpenMetrics);
        assert!(open.contains("# TYPE wirewatch_ingest_items counter\n") && open.ends_with("# EOF\n"), "{open}");
    }

    #[test]
    fn metrics_of_durations_have_buckets_per_label() {
        let durations = DurationHistogram::default();
        durations.observe(std::time::Duration::from_millis(300));
        let sample = Sample::durations(Metric::AttemptDuration, durations).with("endpoint", "desk");
        for exposition in [Exposition::Prometheus, Exposition::OpenMetrics] {
            let text = render(vec![sample.clone()], exposition);
            assert!(text.contains("# TYPE wirewatch_deliver_attempt_seconds histogram\n"), "{text}");
            let value = |bound: &str| {
                let bucket = |line: &&str| line.contains("_bucket{") && line.contains(&format!("le=\"{bound}\""));
                text.lines()
                    .find(bucket)
                    .filter(|line| line.contains("endpoint=\"desk\""))
                    .map(|line| line.ends_with(" 1"))
            };
            assert_eq!((value("0.1"), value("0.5"), value("+Inf")), (Some(false), Some(true), Some(true)), "{text}");
            assert!(text.contains("wirewatch_deliver_attempt_seconds_count{endpoint=\"desk\"} 1\n"), "{text}");
        }
    }
}
