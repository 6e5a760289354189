//! How things stand, on one screen: is it running, what is stored, what fails, what is owed, what was not taken.

use serde::Serialize;

use super::feed_push::HubsStatus;
use super::nodes::region_warnings;
use super::silences::{SilenceTally, active_silences};
use crate::config::{Config, last_reload};
use crate::model::{EndpointId, FeedFailure, FeedState, Timestamp};
use crate::source::quarantine::{HeldDocument, held_documents};
use crate::store::{NodeRecord, RejectionTotal, Store, StoreError, Totals, lock_holder, outbox};
use crate::text::counted;

/// Less than this is no room at all: a transaction and its log do not fit.
pub const DISK_FULL_BYTES: u64 = 512 << 10;

/// So much in the inbox is worth a word: it takes twice as much of either kind.
const INBOX_WAITING_MANY: u64 = 256;

/// Documents in quarantine that a line names.
const QUARANTINED_NAMED_MAX: usize = 5;

/// Rejection rows shown.
const REJECTED_MAX: usize = 10;

/// Everything at a glance.
#[derive(Debug, Serialize)]
pub struct Status {
    /// A daemon holds the store.
    pub running: bool,
    /// Its process.
    pub pid: Option<String>,
    /// The config's file.
    pub config: String,
    /// What an operator should look at first.
    pub attention: Vec<String>,
    /// Where everything is remembered.
    pub state_dir: String,
    /// The processes that share the store, where several do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeRecord>,
    /// What other nodes have taken in, and the one that decides has not.
    #[serde(skip_serializing_if = "is_none")]
    pub inbox_waiting: u64,
    /// The directory that is watched.
    pub seed_dir: Option<String>,
    /// What is stored.
    pub totals: Totals,
    /// How the feeds stand.
    pub feeds: FeedsStatus,
    /// What endpoints are owed.
    pub endpoints: Vec<EndpointStatus>,
    /// Those that hold now.
    pub silences: Vec<SilenceTally>,
    /// What was not taken, latest first.
    pub rejected: Vec<RejectionTotal>,
    /// What hit a topic and raised no alert by itself.
    pub withheld: Vec<RejectionTotal>,
}

/// How the feeds stand.
#[derive(Debug, Default, Serialize)]
pub struct FeedsStatus {
    /// Feeds that are polled.
    pub configured: usize,
    /// Whose last poll went well.
    pub ok: usize,
    /// Whose last poll failed.
    pub failing: Vec<FailingFeed>,
    /// That answered 410.
    pub gone: Vec<String>,
    /// That have reached a quota of today: not polled (`bytes`), or their alerts wait (`alerts`).
    pub over_quota: Vec<OverQuotaFeed>,
    /// That were not asked yet.
    pub never_polled: usize,
    /// How hubs push them, where any was asked.
    pub hubs: Option<HubsStatus>,
}

/// A feed that has reached a quota of today.
#[derive(Debug, Serialize)]
pub struct OverQuotaFeed {
    /// Its id in the config.
    pub id: String,
    /// Its bytes did.
    pub bytes: bool,
    /// Its alerts did.
    pub alerts: bool,
    /// When the next day begins.
    pub until: Timestamp,
}

/// A feed whose last poll failed.
#[derive(Debug, Serialize)]
pub struct FailingFeed {
    /// Its id in the config.
    pub id: String,
    /// Why.
    pub class: FeedFailure,
    /// Since when.
    pub since: Option<Timestamp>,
    /// In words.
    pub error: String,
}

/// What an endpoint is owed.
#[derive(Debug, Serialize)]
pub struct EndpointStatus {
    /// Its id in the config.
    pub id: String,
    /// Rows owed.
    pub pending: u64,
    /// Rows given up for now.
    pub parked: u64,
    /// When the oldest row still owed was decided.
    pub oldest_pending_at: Option<Timestamp>,
    /// The last 2xx.
    pub last_success_at: Option<Timestamp>,
    /// Why nothing is sent.
    pub disabled: Option<String>,
    /// The last failure, in words.
    pub last_error: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Status {
    /// Looks; `errors`: what is wrong with the config as it stands in its file, if anything is.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn of(
        config: &Config,
        store: &Store,
        place: &str,
        errors: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut attention = attention(config, store, errors);
        let nodes = store.nodes()?;
        attention.extend(region_warnings(&config.feeds, &nodes));
        let inbox_waiting = store.inbox_waiting()?;
        if inbox_waiting >= INBOX_WAITING_MANY {
            attention.push(format!(
                "nodes: {} of other nodes wait to be decided on; beyond 512 nothing more is fetched",
                counted(inbox_waiting, "document")
            ));
        }
        let pid = lock_holder(&config.daemon.state_dir);
        let mut feeds = FeedsStatus {
            configured: config.feeds.iter().filter(|f| f.enabled).count(),
            hubs: HubsStatus::of(store)?,
            ..FeedsStatus::default()
        };
        for feed in config.feeds.iter().filter(|f| f.enabled) {
            match store.feed(feed.id.as_str())? {
                Some(state) if state.used.at(now).bytes_over || state.used.at(now).alerts_over => {
                    let (id, used) = (feed.id.as_str().to_owned(), state.used);
                    let (bytes, alerts, until) = (used.bytes_over, used.alerts_over, used.ends());
                    feeds.over_quota.push(OverQuotaFeed { id, bytes, alerts, until });
                    feeds.note(feed.id.as_str(), state);
                }
                Some(state) => feeds.note(feed.id.as_str(), state),
                None => feeds.never_polled += 1,
            }
        }
        let ids: Vec<EndpointId> = config.endpoints.iter().filter(|e| e.enabled).map(|e| e.id.clone()).collect();
        let endpoints = store.read("read endpoints", |c| {
            ids.iter()
                .map(|id| {
                    let health = outbox::health(c, id)?;
                    Ok(EndpointStatus {
                        id: id.as_str().to_owned(),
                        pending: health.pending,
                        parked: health.parked,
                        oldest_pending_at: health.oldest_pending_at,
                        last_success_at: health.state.last_success_at,
                        disabled: health.state.disabled.map(|(_, reason)| reason),
                        last_error: health.state.last_error,
                    })
                })
                .collect()
        })?;
        let silences = active_silences(config, store, now)?;
        Ok(Self {
            nodes,
            inbox_waiting,
            silences,
            running: pid.is_some(),
            pid,
            config: place.to_owned(),
            attention,
            state_dir: config.daemon.state_dir.display().to_string(),
            seed_dir: config.seeds.dir.as_ref().map(|dir| dir.display().to_string()),
            totals: store.totals()?,
            feeds,
            endpoints,
            rejected: store.rejections(None, REJECTED_MAX)?,
            withheld: store.withheld()?,
        })
    }
}

impl FeedsStatus {
    fn note(&mut self, id: &str, state: FeedState) {
        let id = id.to_owned();
        match state.failure {
            _ if state.gone => self.gone.push(id),
            None => self.ok += 1,
            Some(class) => {
                let (since, error) = (state.failing_since, state.error.unwrap_or_default());
                self.failing.push(FailingFeed { id, class, since, error });
            }
        }
    }
}

/// Documents that are not read, for they ended the process more than once: how many, and some of them.
#[must_use]
pub fn quarantined(held: &[HeldDocument]) -> Option<String> {
    let named = held.iter().take(QUARANTINED_NAMED_MAX).map(|held| format!("{} ({})", held.document.name, held.id));
    let mut named = named.collect::<Vec<_>>().join(", ");
    if held.len() > QUARANTINED_NAMED_MAX {
        named.push_str(", …");
    }
    let count = if held.len() == 1 { "1 document".to_owned() } else { format!("{} documents", held.len()) };
    (!held.is_empty()).then(|| {
        format!(
            "quarantine: {count} not read, for the process ended while they were: {named}; see `wirewatch quarantine`"
        )
    })
}

/// What stands in the way of the whole service, with the way out of it.
fn attention(config: &Config, store: &Store, errors: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(errors) = errors {
        lines.push(format!(
            "the config has {errors} (`wirewatch check` shows them): a daemon keeps to what it took before, a start fails"
        ));
    } else if let Some(record) = last_reload(&config.daemon.state_dir).filter(|record| !record.taken) {
        lines.push(format!("the last reload was refused ({}): mend it, then `wirewatch reload`", record.summary));
    }
    let reserve = config.daemon.free_space_bytes_min;
    match store.free_bytes() {
        Ok(free) if free < DISK_FULL_BYTES => {
            lines.push(format!("the disk of the database is full ({} KiB free): nothing can be stored", free >> 10));
        }
        Ok(free) if free < reserve => lines.push(format!(
            "disk nearly full: {} MiB free, {} MiB are kept in reserve; nothing new is taken, deliveries go on",
            free >> 20,
            reserve >> 20
        )),
        Ok(_) => {}
        Err(error) => lines.push(error.to_string()),
    }
    lines.extend(quarantined(&held_documents(&config.daemon.state_dir)));
    if let Some(Err(error)) = config.seeds.dir.as_ref().map(std::fs::read_dir) {
        lines.push(format!("the seed directory cannot be read: {error}"));
    }
    lines
}
