//! One look at the store and at the process that runs on it. Rows of each table are sorted and filtered
//! here; how they are drawn is `screen`'s business.

use std::cmp::Ordering;
use std::time::Duration;

use serde::Serialize;

use super::view::{SortKey, TopPane, TopView};
use crate::cli::{export, output};
use crate::clock::Clock;
use crate::config::Config;
use crate::model::{EndpointId, FeedState, Severity, Timestamp};
use crate::store::{
    Activity, AlertFilter, AlertRecord, NodeRecord, Store, StoreError, StoryFilter, StoryLine, lock_holder, outbox,
};
use crate::view::{SilenceTally, active_silences, node_warnings};

/// What is looked at.
pub(super) struct SnapshotReader {
    config: Config,
    store: Store,
    clock: Clock,
}

/// How things stand at one moment.
#[derive(Debug, Default, Serialize)]
pub(super) struct TopSnapshot {
    pub(super) at: Timestamp,
    /// The daemon's process, if one runs.
    pub(super) pid: Option<String>,
    /// Memory it has in RAM.
    pub(super) resident_bytes: Option<u64>,
    pub(super) activity: Activity,
    pub(super) feeds: Vec<TopFeed>,
    pub(super) endpoints: Vec<TopEndpoint>,
    /// The processes that share the store, where several do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) nodes: Vec<NodeRecord>,
    /// Silences that hold now.
    pub(super) silences: Vec<SilenceTally>,
    /// The latest, newest first.
    pub(super) alerts: Vec<TopAlert>,
    /// Those with the latest news, newest first.
    pub(super) stories: Vec<TopStory>,
}

/// One alert.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TopAlert {
    pub(super) number: u64,
    pub(super) at: Timestamp,
    pub(super) severity: String,
    pub(super) topics: String,
    pub(super) outlet: String,
    pub(super) title: String,
}

/// One story.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TopStory {
    pub(super) id: String,
    pub(super) last_seen: Timestamp,
    pub(super) items: u64,
    pub(super) outlets: String,
    pub(super) alerted: String,
    pub(super) title: String,
}

/// Alerts and stories that can be scrolled through; the lists have them all.
const LATEST_MAX: usize = 200;

/// How a feed stands, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TopStanding {
    Failing,
    Gone,
    Due,
    New,
    Ok,
}

/// One feed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TopFeed {
    pub(super) id: String,
    pub(super) standing: TopStanding,
    pub(super) next_poll_at: Option<Timestamp>,
    pub(super) last_new_item_at: Option<Timestamp>,
    pub(super) items_last: u64,
    pub(super) error: Option<String>,
}

/// One endpoint.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TopEndpoint {
    pub(super) id: String,
    pub(super) owed: u64,
    pub(super) parked: u64,
    pub(super) oldest_owed_at: Option<Timestamp>,
    pub(super) last_success_at: Option<Timestamp>,
    /// Why nothing is sent, or the last failure.
    pub(super) trouble: Option<String>,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableRow {
    pub(super) cells: Vec<String>,
    /// It fails.
    pub(super) alarm: bool,
    /// It fails, is due or is owed something.
    attention: bool,
    urgency: u8,
    /// Its place where nothing else decides.
    place: usize,
    newest: Option<Timestamp>,
    most: u64,
}

fn compare(by: SortKey, a: &TableRow, b: &TableRow) -> Ordering {
    let first = match by {
        SortKey::Urgency => a.urgency.cmp(&b.urgency),
        SortKey::Name => return a.cells[0].cmp(&b.cells[0]),
        SortKey::Newest => b.newest.cmp(&a.newest),
        SortKey::Most => b.most.cmp(&a.most),
    };
    first.then_with(|| a.place.cmp(&b.place)).then_with(|| a.cells[0].cmp(&b.cells[0]))
}

impl SnapshotReader {
    pub(super) fn new(config: &Config, store: Store, clock: Clock) -> Self {
        Self { config: config.clone(), store, clock }
    }

    /// Looks once.
    pub(super) fn look(&self) -> Result<TopSnapshot, StoreError> {
        let at = self.clock.now();
        let pid = lock_holder(&self.config.daemon.state_dir);
        let states = self.store.feed_states()?;
        let feeds = self.config.feeds.iter().filter(|feed| feed.enabled).map(|feed| {
            let known = states.binary_search_by(|state| state.source.as_str().cmp(feed.id.as_str())).ok();
            feed_row(feed.id.as_str(), known.map(|at| &states[at]), at)
        });
        let feeds = feeds.collect();
        let ids: Vec<EndpointId> =
            self.config.endpoints.iter().filter(|endpoint| endpoint.enabled).map(|e| e.id.clone()).collect();
        let endpoints = self.store.read("read endpoints", |c| {
            ids.iter().map(|id| outbox::health(c, id).map(|health| endpoint_row(id, health))).collect()
        })?;
        let resident_bytes = pid.as_deref().and_then(resident_bytes);
        let silences = active_silences(&self.config, &self.store, at)?;
        let activity = self.store.activity(at)?;
        let (alerts, stories) = (self.alerts()?, self.stories()?);
        let nodes = self.store.nodes()?;
        Ok(TopSnapshot { at, pid, resident_bytes, activity, feeds, endpoints, nodes, silences, alerts, stories })
    }

    fn alerts(&self) -> Result<Vec<TopAlert>, StoreError> {
        let filter = AlertFilter { limit: LATEST_MAX, ..AlertFilter::default() };
        let row = |alert: &AlertRecord| {
            let payload = serde_json::from_str(alert.payload.get()).unwrap_or_default();
            TopAlert {
                number: alert.sequence,
                at: alert.at,
                severity: alert.severity.clone(),
                topics: alert.topics.join(", "),
                outlet: export::alert_outlet(alert, &payload),
                title: export::alert_title(alert, &payload),
            }
        };
        Ok(self.store.alerts(&filter)?.iter().map(row).collect())
    }

    fn stories(&self) -> Result<Vec<TopStory>, StoreError> {
        let filter = StoryFilter { limit: LATEST_MAX, ..StoryFilter::default() };
        let stories = self.store.stories(&filter)?;
        let digits = self.store.story_digits(stories.iter().map(|story| story.id))?;
        let row = |story: StoryLine| TopStory {
            id: story.id.short(digits),
            last_seen: story.last_seen,
            items: story.items,
            outlets: output::first_of(&story.outlets),
            alerted: story.alerted.join(", "),
            title: story.title,
        };
        Ok(stories.into_iter().map(row).collect())
    }
}

fn feed_row(id: &str, state: Option<&FeedState>, now: Timestamp) -> TopFeed {
    let standing = match state {
        None => TopStanding::New,
        Some(state) if state.gone => TopStanding::Gone,
        Some(state) if state.failure.is_some() => TopStanding::Failing,
        Some(state) if state.next_poll_at <= now => TopStanding::Due,
        Some(_) => TopStanding::Ok,
    };
    let class = state.and_then(|state| state.failure);
    let error = state.and_then(|state| state.error.as_deref());
    TopFeed {
        id: id.to_owned(),
        standing,
        next_poll_at: state.filter(|state| !state.gone).map(|state| state.next_poll_at),
        last_new_item_at: state.and_then(|state| state.last_new_item_at),
        items_last: state.map_or(0, |state| state.items_last),
        error: class.map(|class| format!("{class}: {}", error.unwrap_or_default())),
    }
}

fn endpoint_row(id: &EndpointId, health: outbox::EndpointHealth) -> TopEndpoint {
    let failing = health.state.failing_since.and(health.state.last_error);
    TopEndpoint {
        id: id.to_string(),
        owed: health.pending,
        parked: health.parked,
        oldest_owed_at: health.oldest_pending_at,
        last_success_at: health.state.last_success_at,
        trouble: health.state.disabled.map(|(_, reason)| format!("disabled: {reason}")).or(failing),
    }
}

fn resident_bytes(pid: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kib.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

impl TopSnapshot {
    /// The rows of the table that is shown, in order.
    pub(super) fn rows(&self, view: &TopView) -> Vec<TableRow> {
        let mut rows = match view.pane {
            TopPane::Alerts => self.alert_rows(),
            TopPane::Stories => self.story_rows(),
            TopPane::Feeds => self.feed_rows(),
            TopPane::Topics => self.topic_rows(),
            TopPane::Endpoints => self.endpoint_rows(),
            TopPane::Nodes => self.node_rows(),
        };
        let filter = view.filter.to_lowercase();
        rows.retain(|row| {
            (filter.is_empty() || row.cells.iter().any(|cell| cell.to_lowercase().contains(&filter)))
                && (row.attention || !view.attention)
        });
        rows.sort_by(|a, b| compare(view.sort, a, b));
        if view.reverse {
            rows.reverse();
        }
        rows
    }

    fn ago(&self, at: Option<Timestamp>) -> String {
        at.map_or_else(|| "-".to_owned(), |at| output::ago(at, self.at))
    }

    fn alert_rows(&self) -> Vec<TableRow> {
        let row = |(place, alert): (usize, &TopAlert)| TableRow {
            cells: vec![
                alert.number.to_string(),
                output::age(alert.at, self.at),
                alert.severity.clone(),
                alert.topics.clone(),
                alert.outlet.clone(),
                alert.title.clone(),
            ],
            alarm: alert.severity == Severity::Critical.as_str(),
            attention: alert.severity == Severity::Critical.as_str() || alert.severity == Severity::High.as_str(),
            urgency: 0,
            place,
            newest: Some(alert.at),
            most: alert.number,
        };
        self.alerts.iter().enumerate().map(row).collect()
    }

    fn story_rows(&self) -> Vec<TableRow> {
        let row = |(place, story): (usize, &TopStory)| TableRow {
            cells: vec![
                story.id.clone(),
                output::age(story.last_seen, self.at),
                story.items.to_string(),
                story.outlets.clone(),
                story.alerted.clone(),
                story.title.clone(),
            ],
            alarm: false,
            attention: !story.alerted.is_empty(),
            urgency: 0,
            place,
            newest: Some(story.last_seen),
            most: story.items,
        };
        self.stories.iter().enumerate().map(row).collect()
    }

    fn feed_rows(&self) -> Vec<TableRow> {
        let row = |feed: &TopFeed| {
            let state = match feed.standing {
                TopStanding::Failing => "FAILING",
                TopStanding::Gone => "GONE",
                TopStanding::Due => "due",
                TopStanding::New => "new",
                TopStanding::Ok => "ok",
            };
            let next = match feed.standing {
                TopStanding::Due => "now".to_owned(),
                _ => feed.next_poll_at.map_or_else(|| "-".to_owned(), |at| output::ago(at, self.at)),
            };
            TableRow {
                cells: vec![
                    feed.id.clone(),
                    state.to_owned(),
                    next,
                    self.ago(feed.last_new_item_at),
                    feed.items_last.to_string(),
                    feed.error.clone().unwrap_or_default(),
                ],
                alarm: feed.standing <= TopStanding::Gone,
                attention: feed.standing <= TopStanding::Due,
                urgency: feed.standing as u8,
                place: 0,
                newest: feed.last_new_item_at,
                most: feed.items_last,
            }
        };
        self.feeds.iter().map(row).collect()
    }

    fn topic_rows(&self) -> Vec<TableRow> {
        let row = |topic: &crate::store::TopicActivity| TableRow {
            cells: vec![topic.topic.clone(), topic.matches.to_string(), topic.alerts.to_string()],
            alarm: false,
            attention: topic.alerts > 0,
            urgency: u8::from(topic.alerts == 0),
            place: 0,
            newest: None,
            most: topic.matches,
        };
        self.activity.topics.iter().map(row).collect()
    }

    fn node_rows(&self) -> Vec<TableRow> {
        let row = |node: &NodeRecord| {
            let warnings = node_warnings(std::slice::from_ref(node)).into_iter();
            let warnings = warnings.filter_map(|line| line.strip_prefix("nodes: ").map(str::to_owned));
            // Some are of all nodes, and this one is not all of them.
            let trouble: Vec<String> = warnings.filter(|line| !line.starts_with("nobody")).collect();
            let state = match node {
                node if !node.is_there() => "SILENT",
                node if node.decides => "decides",
                node if node.stands_by => "stands by",
                _ => "-",
            };
            let of = |names: String| if names.is_empty() { "-".to_owned() } else { names };
            let seen = Duration::from_millis(node.silent_ms);
            TableRow {
                cells: vec![
                    node.name.clone(),
                    state.to_owned(),
                    node.hosts.to_string(),
                    of(node.regions.join(", ")),
                    of(node.roles.join(", ")),
                    output::ago(self.at.minus(seen), self.at),
                    node.behind.to_string(),
                    trouble.join("; "),
                ],
                alarm: !node.is_there(),
                attention: !trouble.is_empty(),
                urgency: u8::from(trouble.is_empty()),
                place: 0,
                newest: Some(self.at.minus(seen)),
                most: node.hosts,
            }
        };
        self.nodes.iter().map(row).collect()
    }

    fn endpoint_rows(&self) -> Vec<TableRow> {
        let row = |endpoint: &TopEndpoint| TableRow {
            cells: vec![
                endpoint.id.clone(),
                endpoint.owed.to_string(),
                self.ago(endpoint.oldest_owed_at),
                endpoint.parked.to_string(),
                self.ago(endpoint.last_success_at),
                endpoint.trouble.clone().unwrap_or_default(),
            ],
            alarm: endpoint.trouble.is_some(),
            attention: endpoint.trouble.is_some() || endpoint.owed + endpoint.parked > 0,
            urgency: u8::from(endpoint.trouble.is_none()) * 2 + u8::from(endpoint.owed + endpoint.parked == 0),
            place: 0,
            newest: endpoint.last_success_at,
            most: endpoint.owed,
        };
        self.endpoints.iter().map(row).collect()
    }
}
