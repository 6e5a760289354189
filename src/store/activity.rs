//! What goes on right now, for `top`: rates, medians and counts over the last minute and hour. Every query
//! starts from an index or from the newest rows, so that looking once a second costs next to nothing.

use std::time::Duration;

use serde::Serialize;

use super::engine::{self, Connection, params};
use super::{Store, StoreError};
use crate::model::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Alerts and deliveries a median is taken of.
const MEDIAN_OF: i64 = 100;
/// Rows of the last hour that are counted; a figure that reaches it means "at least".
const COUNTED_MAX: i64 = 20_000;

/// The last minute and hour of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Activity {
    /// Items of the last minute.
    pub items_minute: u64,
    /// Items of the last hour.
    pub items_hour: u64,
    /// The newest item.
    pub last_item_at: Option<Timestamp>,
    /// Alerts of the last hour.
    pub alerts_hour: u64,
    /// Deliveries that arrived within the last minute.
    pub delivered_minute: u64,
    /// Topics hit within the last hour, most hits first.
    pub topics: Vec<TopicActivity>,
    /// From what an item says of its publication to its alert: the median of the latest alerts.
    pub published_to_alert_ms: Option<u64>,
    /// From the alert to the 2xx: the median of the latest deliveries.
    pub alert_to_delivered_ms: Option<u64>,
}

/// One topic's last hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TopicActivity {
    /// The topic.
    pub topic: String,
    /// Items that hit it.
    pub matches: u64,
    /// Alerts it raised.
    pub alerts: u64,
}

impl Store {
    /// Looks at the last minute and hour.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn activity(&self, now: Timestamp) -> Result<Activity, StoreError> {
        let (minute, hour) = (now.minus(MINUTE).millis(), now.minus(HOUR).millis());
        self.read("read what goes on", |c| {
            let count = |sql: &str, since: i64| {
                c.prepare_cached(sql)?
                    .query_row(params![since, COUNTED_MAX], |row| row.get::<_, i64>(0).map(i64::unsigned_abs))
            };
            let items = "SELECT count(*) FROM (SELECT 1 FROM items WHERE first_seen >= ?1 LIMIT ?2) AS found";
            Ok(Activity {
                items_minute: count(items, minute)?,
                items_hour: count(items, hour)?,
                last_item_at: newest(c)?,
                alerts_hour: count(
                    "SELECT count(*) FROM (SELECT 1 FROM alerts WHERE at >= ?1 LIMIT ?2) AS found",
                    hour,
                )?,
                delivered_minute: count(
                    "SELECT count(*) FROM (SELECT state FROM deliveries
                     WHERE settled_at >= ?1 AND settled_at IS NOT NULL LIMIT ?2) AS settled WHERE state = 'delivered'",
                    minute,
                )?,
                topics: topics(c, hour)?,
                published_to_alert_ms: median(
                    c,
                    "SELECT a.at - i.published FROM (SELECT at, item FROM alerts ORDER BY sequence DESC LIMIT ?1) a
                     JOIN items i ON i.id = a.item
                     WHERE i.published IS NOT NULL AND coalesce(i.published_certainty, 'exact') = 'exact'",
                )?,
                alert_to_delivered_ms: median(
                    c,
                    "SELECT settled_at - created_at FROM
                     (SELECT settled_at, created_at, state FROM deliveries WHERE settled_at IS NOT NULL
                      ORDER BY settled_at DESC LIMIT ?1) AS settled WHERE state = 'delivered'",
                )?,
            })
        })
    }
}

fn newest(c: &Connection) -> engine::Result<Option<Timestamp>> {
    let mut statement = c.prepare_cached("SELECT first_seen FROM items ORDER BY seq DESC LIMIT 1")?;
    let mut rows = statement.query_map([], |row| row.get(0).map(Timestamp::from_millis))?;
    rows.next().transpose()
}

fn topics(c: &Connection, since: i64) -> engine::Result<Vec<TopicActivity>> {
    let mut topics: Vec<TopicActivity> = Vec::new();
    let mut statement = c.prepare_cached(
        "SELECT m.topic, count(*) FROM (SELECT id FROM items WHERE first_seen >= ?1 LIMIT ?2) i
         JOIN matches m ON m.item = i.id GROUP BY m.topic",
    )?;
    let mut rows = statement.query(params![since, COUNTED_MAX])?;
    while let Some(row) = rows.next()? {
        topics.push(TopicActivity { topic: row.get(0)?, matches: row.get::<_, i64>(1)?.unsigned_abs(), alerts: 0 });
    }
    let mut statement = c.prepare_cached(
        "SELECT t.topic, count(*) FROM (SELECT sequence FROM alerts WHERE at >= ?1 LIMIT ?2) a
         JOIN alert_topics t ON t.alert = a.sequence GROUP BY t.topic",
    )?;
    let mut rows = statement.query(params![since, COUNTED_MAX])?;
    while let Some(row) = rows.next()? {
        let (topic, alerts): (String, i64) = (row.get(0)?, row.get(1)?);
        match topics.iter_mut().find(|known| known.topic == topic) {
            Some(known) => known.alerts = alerts.unsigned_abs(),
            None => topics.push(TopicActivity { topic, matches: 0, alerts: alerts.unsigned_abs() }),
        }
    }
    topics.sort_by(|a, b| (b.matches, b.alerts, &a.topic).cmp(&(a.matches, a.alerts, &b.topic)));
    Ok(topics)
}

fn median(c: &Connection, sql: &str) -> engine::Result<Option<u64>> {
    let mut statement = c.prepare_cached(sql)?;
    let mut spans: Vec<i64> = statement.query_map([MEDIAN_OF], |row| row.get(0))?.collect::<Result<_, _>>()?;
    spans.sort_unstable();
    // A publisher's clock may be ahead of ours.
    Ok(spans.get(spans.len() / 2).map(|span| span.max(&0).unsigned_abs()))
}
