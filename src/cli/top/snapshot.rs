//! One look at the store and at the process that runs on it. Rows of each table are sorted and filtered
//! here; how they are drawn is `screen`'s business.

use std::cmp::Ordering;

use serde::Serialize;

use super::view::{Pane, SortKey, View};
use crate::cli::output;
use crate::clock::Clock;
use crate::config::Config;
use crate::model::{EndpointId, FeedState, Timestamp};
use crate::store::{Activity, Store, StoreError, lock_holder, outbox};

/// What is looked at.
pub(super) struct Looker {
    config: Config,
    store: Store,
    clock: Clock,
}

/// How things stand at one moment.
#[derive(Debug, Default, Serialize)]
pub(super) struct Snapshot {
    pub(super) at: Timestamp,
    /// The daemon's process, if one runs.
    pub(super) pid: Option<String>,
    /// Memory it has in RAM.
    pub(super) resident_bytes: Option<u64>,
    pub(super) activity: Activity,
    pub(super) feeds: Vec<Feed>,
    pub(super) endpoints: Vec<Endpoint>,
}

/// How a feed stands, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Standing {
    Failing,
    Gone,
    Due,
    New,
    Ok,
}

/// One feed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Feed {
    pub(super) id: String,
    pub(super) standing: Standing,
    pub(super) next_poll_at: Option<Timestamp>,
    pub(super) last_new_item_at: Option<Timestamp>,
    pub(super) items_last: u64,
    pub(super) error: Option<String>,
}

/// One endpoint.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Endpoint {
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
pub(super) struct Row {
    pub(super) cells: Vec<String>,
    /// It fails.
    pub(super) alarm: bool,
    /// It fails, is due or is owed something.
    attention: bool,
    urgency: u8,
    newest: Option<Timestamp>,
    most: u64,
}

fn compare(by: SortKey, a: &Row, b: &Row) -> Ordering {
    let first = match by {
        SortKey::Urgency => a.urgency.cmp(&b.urgency),
        SortKey::Name => Ordering::Equal,
        SortKey::Newest => b.newest.cmp(&a.newest),
        SortKey::Most => b.most.cmp(&a.most),
    };
    first.then_with(|| a.cells[0].cmp(&b.cells[0]))
}

impl Looker {
    pub(super) fn new(config: &Config, store: Store, clock: Clock) -> Self {
        Self { config: config.clone(), store, clock }
    }

    /// Looks once.
    pub(super) fn look(&self) -> Result<Snapshot, StoreError> {
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
        Ok(Snapshot { at, pid, resident_bytes, activity: self.store.activity(at)?, feeds, endpoints })
    }
}

fn feed_row(id: &str, state: Option<&FeedState>, now: Timestamp) -> Feed {
    let standing = match state {
        None => Standing::New,
        Some(state) if state.gone => Standing::Gone,
        Some(state) if state.failure.is_some() => Standing::Failing,
        Some(state) if state.next_poll_at <= now => Standing::Due,
        Some(_) => Standing::Ok,
    };
    let class = state.and_then(|state| state.failure);
    let error = state.and_then(|state| state.error.as_deref());
    Feed {
        id: id.to_owned(),
        standing,
        next_poll_at: state.filter(|state| !state.gone).map(|state| state.next_poll_at),
        last_new_item_at: state.and_then(|state| state.last_new_item_at),
        items_last: state.map_or(0, |state| state.items_last),
        error: class.map(|class| format!("{class}: {}", error.unwrap_or_default())),
    }
}

fn endpoint_row(id: &EndpointId, health: outbox::EndpointHealth) -> Endpoint {
    let failing = health.state.failing_since.and(health.state.last_error);
    Endpoint {
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

impl Snapshot {
    /// The rows of the table that is shown, in order.
    pub(super) fn rows(&self, view: &View) -> Vec<Row> {
        let mut rows = match view.pane {
            Pane::Feeds => self.feed_rows(),
            Pane::Topics => self.topic_rows(),
            Pane::Endpoints => self.endpoint_rows(),
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

    fn feed_rows(&self) -> Vec<Row> {
        let row = |feed: &Feed| {
            let state = match feed.standing {
                Standing::Failing => "FAILING",
                Standing::Gone => "GONE",
                Standing::Due => "due",
                Standing::New => "new",
                Standing::Ok => "ok",
            };
            let next = match feed.standing {
                Standing::Due => "now".to_owned(),
                _ => feed.next_poll_at.map_or_else(|| "-".to_owned(), |at| output::ago(at, self.at)),
            };
            Row {
                cells: vec![
                    feed.id.clone(),
                    state.to_owned(),
                    next,
                    self.ago(feed.last_new_item_at),
                    feed.items_last.to_string(),
                    feed.error.clone().unwrap_or_default(),
                ],
                alarm: feed.standing <= Standing::Gone,
                attention: feed.standing <= Standing::Due,
                urgency: feed.standing as u8,
                newest: feed.last_new_item_at,
                most: feed.items_last,
            }
        };
        self.feeds.iter().map(row).collect()
    }

    fn topic_rows(&self) -> Vec<Row> {
        let row = |topic: &crate::store::TopicActivity| Row {
            cells: vec![topic.topic.clone(), topic.matches.to_string(), topic.alerts.to_string()],
            alarm: false,
            attention: topic.alerts > 0,
            urgency: u8::from(topic.alerts == 0),
            newest: None,
            most: topic.matches,
        };
        self.activity.topics.iter().map(row).collect()
    }

    fn endpoint_rows(&self) -> Vec<Row> {
        let row = |endpoint: &Endpoint| Row {
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
            newest: endpoint.last_success_at,
            most: endpoint.owed,
        };
        self.endpoints.iter().map(row).collect()
    }
}
