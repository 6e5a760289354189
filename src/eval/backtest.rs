//! Two sets of rules over the same past, item by item in order of arrival → what each matched, what the one
//! gains and loses against the other, and what each would have alerted: once per story and topic, never
//! for a baseline. Pure counting; `cli/backtest` reads the past and asks the rules.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::hearing::{EndpointBacktest, HeardTally};
use crate::model::{ItemId, Score, SourceId, StoryId, Timestamp, TopicId};

/// Examples kept per list; the rest is counted.
const EXAMPLES_MAX: usize = 1000;
/// Near misses kept.
const NEAR_MAX: usize = 100;
/// Below this share of the threshold an item is not near it.
pub const NEAR_SHARE: f64 = 0.6;

/// One item of the past, with what each set of rules says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its id.
    pub id: ItemId,
    /// Its headline.
    pub title: String,
    /// Its source.
    pub source: SourceId,
    /// When it was seen.
    pub at: Timestamp,
    /// Its story.
    pub story: StoryId,
    /// Part of a first-poll baseline: never alerted on.
    pub quiet: bool,
    /// Topics under the rules that are tried.
    pub now: Vec<TopicId>,
    /// Topics under the rules they are compared with.
    pub before: Vec<TopicId>,
    /// Topics that the rules that are tried nearly match, with their points and the points they need.
    pub near: Vec<(TopicId, Score, Score)>,
}

/// An item that came near a topic's threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    /// Its id.
    pub id: ItemId,
    /// Its headline.
    pub title: String,
    /// Its source.
    pub source: SourceId,
    /// When it was seen.
    pub at: Timestamp,
    /// What it got.
    pub score: Score,
    /// What it would have needed.
    pub threshold: Score,
}

/// An item that one set of rules matched and the other did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its id.
    pub id: ItemId,
    /// Its headline.
    pub title: String,
    /// Its source.
    pub source: SourceId,
    /// When it was seen.
    pub at: Timestamp,
    /// Whether it would have raised an alert.
    pub alert: bool,
}

/// One day, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Day {
    /// Items matched.
    pub matched: u64,
    /// Items matched before.
    pub matched_before: u64,
    /// Alerts.
    pub alerts: u64,
    /// Alerts before.
    pub alerts_before: u64,
}

/// One topic over the whole past.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TopicBacktest {
    /// Items matched.
    pub matched: u64,
    /// Items matched before.
    pub matched_before: u64,
    /// Alerts it would have raised: one per story.
    pub alerts: u64,
    /// Alerts before.
    pub alerts_before: u64,
    /// How many are matched now and were not.
    pub gained_count: u64,
    /// How many were matched and are not now.
    pub lost_count: u64,
    /// Those gained, in order of arrival; the first thousand.
    pub gained: Vec<Example>,
    /// Those lost; the first thousand.
    pub lost: Vec<Example>,
    /// How many nearly match: from [`NEAR_SHARE`] of the threshold on.
    pub near_count: u64,
    /// Those nearest to the threshold, nearest first.
    pub near: Vec<NearMiss>,
    /// By day (`2025-03-17`).
    pub days: BTreeMap<String, Day>,
}

/// The account of a backtest.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Backtest {
    /// Items asked about.
    pub items: u64,
    /// The first of them was seen then.
    pub from: Option<Timestamp>,
    /// And the last.
    pub to: Option<Timestamp>,
    /// By topic; those of either set of rules.
    pub topics: BTreeMap<TopicId, TopicBacktest>,
    /// By endpoint; those of either set of rules.
    pub endpoints: BTreeMap<String, EndpointBacktest>,
    #[serde(skip)]
    told: HashSet<(StoryId, TopicId)>,
    #[serde(skip)]
    told_before: HashSet<(StoryId, TopicId)>,
}

impl Backtest {
    /// An account of these topics, whether or not anything hits them.
    #[must_use]
    pub fn of(topics: impl IntoIterator<Item = TopicId>) -> Self {
        Self { topics: topics.into_iter().map(|topic| (topic, TopicBacktest::default())).collect(), ..Self::default() }
    }

    /// Notes what each endpoint heard, under the rules that are tried and under those they are compared with.
    pub fn endpoints(&mut self, now: BTreeMap<String, HeardTally>, before: BTreeMap<String, HeardTally>) {
        for (id, heard) in now {
            self.endpoints.entry(id).or_default().now = heard;
        }
        for (id, heard) in before {
            self.endpoints.entry(id).or_default().before = heard;
        }
    }

    /// Counts the next item. Order matters: the first item of a story is the one that alerts.
    pub fn add(&mut self, item: &Asked) {
        self.items += 1;
        self.from = Some(self.from.map_or(item.at, |from| from.min(item.at)));
        self.to = Some(self.to.map_or(item.at, |to| to.max(item.at)));
        let day = item.at.to_string().get(..10).unwrap_or_default().to_owned();
        for topic in &item.now {
            let alert = !item.quiet && self.told.insert((item.story, topic.clone()));
            let account = self.topics.entry(topic.clone()).or_default();
            let day = account.days.entry(day.clone()).or_default();
            account.matched += 1;
            day.matched += 1;
            account.alerts += u64::from(alert);
            day.alerts += u64::from(alert);
            if !item.before.contains(topic) {
                account.gained_count += 1;
                keep(&mut account.gained, item, alert);
            }
        }
        for (topic, score, threshold) in &item.near {
            let account = self.topics.entry(topic.clone()).or_default();
            account.near_count += 1;
            account.keep_near(item, *score, *threshold);
        }
        for topic in &item.before {
            let alert = !item.quiet && self.told_before.insert((item.story, topic.clone()));
            let account = self.topics.entry(topic.clone()).or_default();
            let day = account.days.entry(day.clone()).or_default();
            account.matched_before += 1;
            day.matched_before += 1;
            account.alerts_before += u64::from(alert);
            day.alerts_before += u64::from(alert);
            if !item.now.contains(topic) {
                account.lost_count += 1;
                keep(&mut account.lost, item, alert);
            }
        }
    }
}

impl TopicBacktest {
    /// The nearest ones, of equal ones those that came first.
    fn keep_near(&mut self, item: &Asked, score: Score, threshold: Score) {
        let at = self.near.partition_point(|known| known.score >= score);
        if at < NEAR_MAX {
            let Asked { id, title, source, at: seen, .. } = item.clone();
            self.near.insert(at, NearMiss { id, title, source, at: seen, score, threshold });
            self.near.truncate(NEAR_MAX);
        }
    }
}

fn keep(examples: &mut Vec<Example>, item: &Asked, alert: bool) {
    if examples.len() < EXAMPLES_MAX {
        let Asked { id, title, source, at, .. } = item.clone();
        examples.push(Example { id, title, source, at, alert });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ItemKey;

    fn topic(name: &str) -> TopicId {
        TopicId::new(name).expect("a name")
    }

    fn asked(number: u8, story: u8, now: &[&str], before: &[&str]) -> Asked {
        let source = SourceId::new("wire").expect("a name");
        let id = |n: u8| ItemId::of(&source, &ItemKey::new(&format!("key {n}")));
        Asked {
            id: id(number),
            title: format!("item {number}"),
            at: Timestamp::from_seconds(86_400 * i64::from(number)),
            story: StoryId::opened_by(id(story)),
            quiet: false,
            now: now.iter().map(|name| topic(name)).collect(),
            before: before.iter().map(|name| topic(name)).collect(),
            near: Vec::new(),
            source,
        }
    }

    #[test]
    fn backtest_alerts_once_per_story_and_topic() {
        let mut account = Backtest::of([topic("storm"), topic("calm")]);
        for item in [
            asked(1, 1, &["storm"], &[]),
            asked(2, 1, &["storm"], &["storm"]),
            asked(3, 3, &[], &["storm"]),
            Asked { quiet: true, ..asked(4, 4, &["storm"], &["storm"]) },
            asked(5, 4, &["storm"], &["storm"]),
        ] {
            account.add(&item);
        }
        let storm = &account.topics[&topic("storm")];
        assert_eq!((storm.matched, storm.matched_before), (4, 4));
        assert_eq!((storm.alerts, storm.alerts_before), (2, 3));
        assert_eq!((storm.gained_count, storm.lost_count), (1, 1));
        assert_eq!((storm.gained[0].title.as_str(), storm.gained[0].alert), ("item 1", true));
        assert_eq!((storm.lost[0].title.as_str(), storm.lost[0].alert), ("item 3", true));
        assert_eq!(storm.days["1970-01-02"], Day { matched: 1, matched_before: 0, alerts: 1, alerts_before: 0 });
        assert_eq!(account.topics[&topic("calm")], TopicBacktest::default());
        assert_eq!(account.items, 5);
    }

    #[test]
    fn backtest_near_misses_stand_nearest_first() {
        let mut account = Backtest::default();
        for (number, points) in [(1, 3.2), (2, 4.9), (3, 4.9), (4, 3.5)] {
            let near = vec![(topic("storm"), Score::from_f64(points), Score::from_f64(5.0))];
            account.add(&Asked { near, ..asked(number, number, &[], &[]) });
        }
        let storm = &account.topics[&topic("storm")];
        let titles: Vec<&str> = storm.near.iter().map(|near| near.title.as_str()).collect();
        assert_eq!((storm.near_count, storm.matched), (4, 0));
        assert_eq!(titles, ["item 2", "item 3", "item 4", "item 1"]);
    }

    #[test]
    fn backtest_the_same_rules_gain_and_lose_nothing() {
        let mut account = Backtest::default();
        for number in 0..50 {
            let topics: &[&str] = if number % 3 == 0 { &["a", "b"] } else { &["b"] };
            account.add(&asked(number, number / 4, topics, topics));
        }
        for account in account.topics.values() {
            assert_eq!((account.gained_count, account.lost_count), (0, 0));
            assert_eq!((account.matched, account.alerts), (account.matched_before, account.alerts_before));
        }
    }

    #[test]
    fn backtest_examples_are_capped_and_counted() {
        let mut account = Backtest::default();
        for _ in 0..EXAMPLES_MAX + 5 {
            account.add(&asked(1, 1, &["a"], &[]));
        }
        let a = &account.topics[&topic("a")];
        assert_eq!((a.gained.len() as u64, a.gained_count), (EXAMPLES_MAX as u64, EXAMPLES_MAX as u64 + 5));
    }
}
