//! How each feed of the config stands.

use serde::Serialize;

use super::feed_push::FeedPush;
use crate::model::{FeedState, Health, Timestamp};
use crate::source::feed::FeedConfig;
use crate::store::{FailureTotal, RejectionTotal, Store, StoreError};

/// One feed as printed.
#[derive(Debug, Serialize)]
pub struct FeedLine {
    /// Its id in the config.
    pub id: String,
    /// Its address, without what may be secret in it.
    pub url: String,
    /// `ok`, `failing`, `over-quota`, `gone`, `new` or `off`.
    pub state: &'static str,
    /// What it calls itself.
    pub title: Option<String>,
    /// When it was asked last.
    pub last_poll_at: Option<Timestamp>,
    /// When that went well last.
    pub last_success_at: Option<Timestamp>,
    /// When it had news last.
    pub last_new_item_at: Option<Timestamp>,
    /// When it is asked next.
    pub next_poll_at: Option<Timestamp>,
    /// How often it was asked.
    pub polls: u64,
    /// Items in its last document.
    pub items_last: u64,
    /// The interval it is polled at now, in seconds.
    pub interval_s: Option<u64>,
    /// Share of those that were known.
    pub seen_percent: Option<u8>,
    /// The longest wait for news that is usual, in seconds.
    pub usual_period_s: Option<u64>,
    /// As of the last news.
    pub new_items_per_day: Option<f64>,
    /// What it brought on the day of its last poll, and what it may; `None` before the first.
    pub used: Option<DailyUseLine>,
    /// What was said of it last: ok, failing, silent.
    pub told: Option<Health>,
    /// Why the last poll failed.
    pub failure: Option<&'static str>,
    /// Since when it fails.
    pub failing_since: Option<Timestamp>,
    /// The last failure in words.
    pub error: Option<String>,
    /// Where it says it moved.
    pub moved_to: Option<String>,
    /// How it is pushed, where its hub was asked.
    pub push: Option<FeedPush>,
    /// Of all time, by class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureTotal>,
    /// What was not taken from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<RejectionTotal>,
}

/// What a feed brought on one day.
#[derive(Debug, Serialize)]
pub struct DailyUseLine {
    /// The day (UTC): its first moment.
    pub day: Timestamp,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Its quota.
    pub bytes_max: Option<u64>,
    /// Alerts that went to somebody.
    pub alerts: u64,
    /// Their quota.
    pub alerts_max: Option<u64>,
    /// Which of them are exhausted.
    pub over: Vec<&'static str>,
}

impl DailyUseLine {
    fn of(feed: &FeedConfig, state: &FeedState) -> Option<Self> {
        let used = state.used;
        let over = [("bytes", used.bytes_over), ("alerts", used.alerts_over)];
        state.last_poll_at.map(|_| Self {
            day: used.begins(),
            bytes: used.bytes,
            bytes_max: feed.bytes_per_day_max,
            alerts: used.alerts,
            alerts_max: feed.alerts_per_day_max,
            over: over.into_iter().filter(|(_, over)| *over).map(|(what, _)| what).collect(),
        })
    }
}

impl FeedLine {
    /// Looks one up; `whole`: with its failures and rejections.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn of(feed: &FeedConfig, store: Option<&Store>, whole: bool) -> Result<Self, StoreError> {
        let stored = match store {
            Some(store) => store.feed(feed.id.as_str())?.filter(|state| state.url == clean_url(&feed.url)),
            None => None,
        };
        let health = match store {
            Some(store) if whole => store.source_health(feed.id.as_str())?,
            _ => None,
        };
        let failures = match store {
            Some(store) if whole => store.feed_failures(feed.id.as_str())?,
            _ => Vec::new(),
        };
        let rejected = match store {
            Some(store) if whole => store.rejections(Some(feed.id.as_str()), 20)?,
            _ => Vec::new(),
        };
        let push = match store {
            Some(store) => FeedPush::of(store, feed.id.as_str())?,
            None => None,
        };
        let state = stored.as_ref();
        Ok(Self {
            id: feed.id.as_str().to_owned(),
            url: shown_url(&feed.url),
            state: state_name(feed, state),
            title: state.and_then(|s| s.title.clone()),
            last_poll_at: state.and_then(|s| s.last_poll_at),
            last_success_at: state.and_then(|s| s.last_success_at),
            last_new_item_at: state.and_then(|s| s.last_new_item_at),
            next_poll_at: state.filter(|s| !s.gone).map(|s| s.next_poll_at),
            polls: state.map_or(0, |s| s.polls),
            items_last: state.map_or(0, |s| s.items_last),
            interval_s: state.and_then(|s| s.interval).map(|interval| interval.as_secs()),
            seen_percent: state.and_then(|s| s.seen_percent),
            usual_period_s: health.as_ref().and_then(|h| h.period).map(|period| period.as_secs()),
            new_items_per_day: health.as_ref().filter(|h| h.period.is_some()).map(|h| h.rate_milli as f64 / 1000.0),
            used: state.and_then(|state| DailyUseLine::of(feed, state)),
            told: health.as_ref().map(|h| h.told),
            failure: state.and_then(|s| s.failure).map(crate::model::FeedFailure::as_str),
            failing_since: state.and_then(|s| s.failing_since),
            error: state.and_then(|s| s.error.clone()),
            moved_to: state
                .and_then(|s| s.moved.as_ref())
                .map(|m| url::Url::parse(&m.url).map_or_else(|_| "?".to_owned(), |url| shown_url(&url))),
            push,
            failures,
            rejected,
        })
    }
}

fn state_name(feed: &FeedConfig, state: Option<&FeedState>) -> &'static str {
    match state {
        _ if !feed.enabled => "off",
        None => "new",
        Some(state) if state.gone => "gone",
        Some(state) if state.failure.is_some() => "failing",
        Some(state) if state.used.bytes_over || state.used.alerts_over => "over-quota",
        Some(_) => "ok",
    }
}

/// Without what may be secret in a URL: its userinfo and its query.
fn shown_url(url: &url::Url) -> String {
    let mut url = url.clone();
    if url.query().is_some() {
        url.set_query(Some("…"));
    }
    clean_url(&url).replace("?%E2%80%A6", "?…")
}

/// The address as the store knows it: without userinfo.
#[must_use]
pub fn clean_url(url: &url::Url) -> String {
    let mut url = url.clone();
    // Fails only for URLs that cannot have them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}
