//! What the topics come to, beside their hits by the day: stories told, alerts kept back, what people said of their
//! hits, and which of their rules hit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::engine::params;
use super::{Store, StoreError};
use crate::model::Timestamp;

/// Alerts, the newest, and labels that are counted at most: more would keep whoever looks waiting.
const COUNTED_MAX: i64 = 4_000;
/// Hits of a topic that are asked which rules they are of. They come by their ids, which are hashes: a fair draw.
const RULES_OF_MAX: i64 = 200;

/// What one topic comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TopicFigures {
    /// Stories that were told of it.
    pub stories: u64,
    /// Alerts that a silence kept back.
    pub silenced: u64,
    /// What people said.
    pub labels: TopicLabels,
}

/// What people said of the items of a topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TopicLabels {
    /// Items that are about it.
    pub about: u64,
    /// Items that are not.
    pub not_about: u64,
    /// Hits that are about it.
    pub hits_about: u64,
    /// Hits that are not.
    pub hits_not_about: u64,
}

impl TopicLabels {
    /// How many of a hundred labelled hits are about it.
    #[must_use]
    pub fn precision_percent(self) -> Option<u64> {
        (self.hits_about * 100).checked_div(self.hits_about + self.hits_not_about)
    }
}

/// How often each rule of a topic is among the reasons of a hit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleHits {
    /// Stored hits that were looked at.
    pub of: u64,
    /// By the rule's id; one that is not here has hit none of them.
    pub rules: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct HitReason {
    rule: String,
}

impl Store {
    /// What each topic, or one, came to since then, and what people said of its items ever; and whether all alerts since
    /// then were counted, not only the newest.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn topic_figures(
        &self,
        topic: Option<&str>,
        since: Timestamp,
    ) -> Result<(BTreeMap<String, TopicFigures>, bool), StoreError> {
        self.read("count by topic", |c| {
            let mut topics: BTreeMap<String, TopicFigures> = BTreeMap::new();
            let mut told = c.prepare_cached(
                "SELECT t.topic, count(DISTINCT CASE WHEN a.silenced_by IS NULL THEN a.story END),
                    count(a.silenced_by) FROM
                     (SELECT sequence, story, silenced_by FROM alerts WHERE at >= ?1 ORDER BY at DESC LIMIT ?2) a
                 JOIN alert_topics t ON t.alert = a.sequence WHERE (?3 = '' OR t.topic = ?3) GROUP BY t.topic",
            )?;
            let mut rows = told.query(params![since.millis(), COUNTED_MAX, topic.unwrap_or_default()])?;
            while let Some(row) = rows.next()? {
                let figures = topics.entry(row.get(0)?).or_default();
                figures.stories = row.get::<_, i64>(1)?.unsigned_abs();
                figures.silenced = row.get::<_, i64>(2)?.unsigned_abs();
            }
            let mut said = c.prepare_cached(
                "SELECT l.topic, l.about, EXISTS (SELECT 1 FROM matches m WHERE m.item = l.item AND m.topic = l.topic) AS hit,
                    count(*) FROM (SELECT item, topic, about FROM labels LIMIT ?1) l WHERE (?2 = '' OR l.topic = ?2) GROUP BY 1, 2, 3",
            )?;
            let mut rows = said.query(params![COUNTED_MAX, topic.unwrap_or_default()])?;
            while let Some(row) = rows.next()? {
                let (topic, is_about, is_hit): (String, bool, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let (labels, count) = (&mut topics.entry(topic).or_default().labels, row.get::<_, i64>(3)?.unsigned_abs());
                *(if is_about { &mut labels.about } else { &mut labels.not_about }) += count;
                if is_hit {
                    *(if is_about { &mut labels.hits_about } else { &mut labels.hits_not_about }) += count;
                }
            }
            let whole = c
                .prepare_cached(
                    "SELECT NOT EXISTS (SELECT 1 FROM (SELECT at FROM alerts ORDER BY at DESC LIMIT 1 OFFSET ?2) AS next
                     WHERE at >= ?1)",
                )?
                .query_row(params![since.millis(), COUNTED_MAX], |row| row.get(0))?;
            Ok((topics, whole))
        })
    }

    /// Which rules the hits of a topic are of, as far as hits are stored.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn rule_hits(&self, topic: &str) -> Result<RuleHits, StoreError> {
        self.read("count by rule", |c| {
            let mut hits = RuleHits::default();
            let mut statement =
                c.prepare_cached("SELECT evidence FROM matches WHERE topic = ?1 ORDER BY item LIMIT ?2")?;
            let mut rows = statement.query(params![topic, RULES_OF_MAX])?;
            while let Some(row) = rows.next()? {
                hits.of += 1;
                let evidence: String = row.get(0)?;
                let mut rules: Vec<String> = serde_json::from_str::<Vec<HitReason>>(&evidence)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|reason| reason.rule)
                    .collect();
                rules.sort_unstable();
                rules.dedup();
                for rule in rules {
                    *hits.rules.entry(rule).or_default() += 1;
                }
            }
            Ok(hits)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Access;

    #[test]
    fn topics_are_counted_by_story_silence_label_and_rule() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        store
            .write("test", |tx| {
                tx.fixture(
                    "INSERT INTO items (seq, id, source, key, revision, title, headline, first_seen, summary, text_source,
                                        text_hash, text_bytes, quiet, story, features)
                         SELECT column1, column1, 's', column1, 0, 'h', 'h', 1000, '', 'summary', x'00', 1, 0, 1, x''
                         FROM (VALUES (1), (2), (3), (4)) AS v;
                     INSERT INTO matches VALUES (1, 'levee', 5, 5, 'low', '[{\"rule\":\"a\"},{\"rule\":\"a\"},{\"rule\":\"b\"}]'),
                         (2, 'levee', 5, 5, 'low', '[{\"rule\":\"a\"}]'), (3, 'ferry', 5, 5, 'low', '[{\"rule\":\"c\"}]');
                     INSERT INTO labels VALUES (1, 'levee', 1, 1), (2, 'levee', 0, 1), (3, 'levee', 0, 1), (4, 'levee', 1, 1),
                         (1, 'ferry', 0, 1);
                     INSERT INTO alerts (sequence, id, kind, story, item, reason, severity, score, outlets, at, payload,
                                         silenced_by) VALUES
                         (1, 'a1', 'item', 1, 1, 'first', 'low', 5, 1, 2000, x'00', NULL),
                         (2, 'a2', 'item', 1, 2, 'growth', 'low', 5, 1, 2000, x'00', NULL),
                         (3, 'a3', 'item', 2, 2, 'first', 'low', 5, 1, 2000, x'00', 'quiet'),
                         (4, 'a4', 'item', 3, 2, 'first', 'low', 5, 1, 500, x'00', NULL);
                     INSERT INTO alert_topics SELECT sequence, 'levee', 5, 'low', 1 FROM alerts;",
                )
            })
            .expect("written");
        let since = Timestamp::from_millis(1000);
        let (figures, whole) = store.topic_figures(None, since).expect("counted");
        assert!(whole);
        let (one, _) = store.topic_figures(Some("ferry"), since).expect("counted");
        assert_eq!(one.into_iter().collect::<Vec<_>>(), [("ferry".to_owned(), figures["ferry"])]);
        let labels = TopicLabels { about: 2, not_about: 2, hits_about: 1, hits_not_about: 1 };
        assert_eq!(figures["levee"], TopicFigures { stories: 1, silenced: 1, labels });
        assert_eq!(labels.precision_percent(), Some(50));
        assert_eq!(figures["ferry"].labels.precision_percent(), None, "none of its hits was looked at");
        let hits = store.rule_hits("levee").expect("counted");
        assert_eq!((hits.of, hits.rules["a"], hits.rules["b"]), (2, 2, 1));
        assert_eq!(store.rule_hits("none").expect("counted"), RuleHits::default());
    }

    #[test]
    fn figures_say_when_only_the_newest_alerts_were_counted() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        let add = |from: i64, count: i64| {
            let end = from + count;
            let sql = format!(
                "WITH RECURSIVE n(k) AS (SELECT {from} UNION ALL SELECT k + 1 FROM n WHERE k + 1 < {end})
                 INSERT INTO alerts (sequence, id, kind, story, item, reason, severity, score, outlets, at, payload)
                 SELECT k, 'a' || k, 'item', k, k, 'first', 'low', 5, 1, k, x'00' FROM n"
            );
            store.write("test", |tx| tx.fixture(&sql)).expect("written");
        };
        let counted = |since: i64| {
            let (figures, whole) = store.topic_figures(None, Timestamp::from_millis(since)).expect("counted");
            (figures.values().map(|topic| topic.stories).sum::<u64>(), whole)
        };
        add(1, COUNTED_MAX);
        let topics = "INSERT INTO alert_topics SELECT sequence, 'levee', 5, 'low', 1 FROM alerts WHERE sequence > ?1";
        store.write("test", |tx| tx.execute(topics, [0])).expect("written");
        let all = COUNTED_MAX.unsigned_abs();
        assert_eq!(counted(1), (all, true));
        add(COUNTED_MAX + 1, 1);
        store.write("test", |tx| tx.execute(topics, [COUNTED_MAX])).expect("written");
        assert_eq!(counted(1), (all, false), "the newest of them");
        assert_eq!(counted(2), (all, true), "what is older is not asked for");
    }
}
