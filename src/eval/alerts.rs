//! What was told along a labelled stream → how much of it somebody wanted to hear: every post is useful
//! (a wanted event for the first time), a repeat, unwanted, or noise. Pure counting; `cli/eval` runs the stream.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use crate::model::{Severity, Timestamp};

/// What one post was worth to an analyst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PostVerdict {
    /// Tells a wanted event for the first time.
    Useful,
    /// Tells a wanted event again.
    Repeat,
    /// Tells an event on topic that nobody wanted to be told of.
    Unwanted,
    /// Tells no labelled event at all.
    Noise,
}

/// The event an item reports, as a person labelled it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledEvent {
    /// Its name; the same for every report of it.
    pub event: String,
    /// Whether an analyst wants to be told of it.
    pub wanted: bool,
}

/// One alert that reached the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Post {
    /// When it was raised.
    pub time: Timestamp,
    /// Type of the payload.
    #[serde(rename = "type")]
    pub kind: String,
    /// Why it was raised.
    pub reason: String,
    /// Who hears it.
    pub endpoint: String,
    /// Topics it names.
    pub topics: Vec<String>,
    /// How loud.
    pub severity: Severity,
    /// The story, as the stream ended.
    pub story: String,
    /// Id of the item that raised it.
    pub item: String,
    /// Headline of that item.
    pub title: String,
    /// That item, which `explain` reads.
    pub article: PostedArticle,
    /// What was new in it, where it follows an alert before.
    pub new: Vec<String>,
    /// The event that item reports.
    pub event: Option<String>,
    /// What it was worth.
    pub verdict: PostVerdict,
}

/// What an alert shows, as an article that can be read again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PostedArticle {
    /// Headline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Who carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When it was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// Its language, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
}

/// How well a stream was told.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AlertQuality {
    /// Wanted events in the stream.
    pub events_wanted: usize,
    /// Wanted events that were told.
    pub events_told: usize,
    /// Share of wanted events that were told.
    pub recall: f64,
    /// Share of posts that told a wanted event for the first time.
    pub precision: f64,
    /// Posts about wanted events for each one that was told.
    pub alerts_per_told_event: f64,
    /// All posts.
    pub posts: usize,
    /// Posts by what they were worth.
    pub verdicts: BTreeMap<PostVerdict, usize>,
    /// Posts by reason.
    pub reasons: BTreeMap<String, usize>,
    /// Repeats by reason.
    pub repeats: BTreeMap<String, usize>,
    /// Share of posts of each severity.
    pub severities: BTreeMap<&'static str, f64>,
    /// Seconds from an event's first item to the post that told it, half of them at most; `None`: nothing was told.
    pub delay_median_s: Option<u64>,
    /// Nine of ten at most.
    pub delay_p90_s: Option<u64>,
    /// Wanted events that nobody was told of, in the order of their first items.
    pub missed: Vec<String>,
    /// The largest stories, and what is in them.
    pub largest_stories: Vec<StorySize>,
    /// Stories of more than [`SAGA_ITEMS`] items that span two labelled events or more: sagas, which swallow news.
    pub sagas: usize,
}

/// Items from which a story that spans two events is a saga.
pub const SAGA_ITEMS: usize = 40;
/// Stories that are listed.
const LARGEST_MAX: usize = 5;

/// How large a story became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StorySize {
    /// The story, as the stream ended.
    pub story: String,
    /// Headline of its first item.
    pub title: String,
    /// Its items and copies.
    pub items: usize,
    /// Labelled events that they report, by the order of their first reports.
    pub events: Vec<String>,
}

impl AlertQuality {
    /// Adds what became of the stories.
    pub fn note_stories(&mut self, mut stories: Vec<StorySize>) {
        self.sagas = stories.iter().filter(|story| story.items > SAGA_ITEMS && story.events.len() > 1).count();
        stories.sort_by(|a, b| b.items.cmp(&a.items).then_with(|| a.story.cmp(&b.story)));
        stories.truncate(LARGEST_MAX);
        self.largest_stories = stories;
    }
}

/// Judges posts in the order in which they went out.
#[derive(Debug, Default)]
pub struct AlertJudge {
    /// Events in order of their first items, with the time of that.
    events: Vec<(LabelledEvent, Timestamp)>,
    places: HashMap<String, usize>,
    told: HashSet<String>,
}

impl AlertJudge {
    /// Notes that an item of the stream reports an event.
    pub fn note(&mut self, event: &LabelledEvent, at: Timestamp) {
        let next = self.events.len();
        let place = *self.places.entry(event.event.clone()).or_insert(next);
        if place == next {
            self.events.push((event.clone(), at));
        } else {
            self.events[place].0.wanted |= event.wanted;
        }
    }

    /// What a post is worth whose item reports this.
    pub fn judge(&mut self, event: Option<&LabelledEvent>) -> PostVerdict {
        match event {
            None => PostVerdict::Noise,
            Some(event) if !event.wanted => PostVerdict::Unwanted,
            Some(event) if self.told.insert(event.event.clone()) => PostVerdict::Useful,
            Some(_) => PostVerdict::Repeat,
        }
    }

    /// The account of a whole stream.
    #[must_use]
    pub fn quality(&self, posts: &[Post]) -> AlertQuality {
        let mut quality = AlertQuality { posts: posts.len(), ..AlertQuality::default() };
        let mut delays = Vec::new();
        for post in posts {
            *quality.verdicts.entry(post.verdict).or_default() += 1;
            *quality.reasons.entry(post.reason.clone()).or_default() += 1;
            *quality.severities.entry(post.severity.as_str()).or_default() += 1.0 / posts.len() as f64;
            match post.verdict {
                PostVerdict::Repeat => *quality.repeats.entry(post.reason.clone()).or_default() += 1,
                PostVerdict::Useful => {
                    let first = post.event.as_ref().and_then(|event| self.places.get(event));
                    delays.extend(first.map(|place| post.time.since(self.events[*place].1).as_secs()));
                }
                PostVerdict::Unwanted | PostVerdict::Noise => {}
            }
        }
        let wanted = self.events.iter().filter(|(event, _)| event.wanted);
        let (told, missed): (Vec<_>, Vec<_>) =
            wanted.map(|(event, _)| event.event.clone()).partition(|event| self.told.contains(event));
        let count = |verdict| quality.verdicts.get(&verdict).copied().unwrap_or(0) as f64;
        let share = |part: f64, whole: usize| if whole == 0 { 1.0 } else { part / whole as f64 };
        quality.events_wanted = told.len() + missed.len();
        quality.events_told = told.len();
        quality.recall = share(told.len() as f64, quality.events_wanted);
        quality.precision = share(count(PostVerdict::Useful), posts.len());
        quality.alerts_per_told_event = share(count(PostVerdict::Useful) + count(PostVerdict::Repeat), told.len());
        delays.sort_unstable();
        quality.delay_median_s = delays.get(delays.len().saturating_sub(1) / 2).copied();
        quality.delay_p90_s = delays.get((delays.len() * 9).div_ceil(10).saturating_sub(1)).copied();
        quality.missed = missed;
        quality
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, wanted: bool) -> LabelledEvent {
        LabelledEvent { event: name.to_owned(), wanted }
    }

    fn post(judge: &mut AlertJudge, minute: i64, event: Option<&LabelledEvent>, reason: &str) -> Post {
        Post {
            time: Timestamp::from_seconds(minute * 60),
            kind: "alert.matched".to_owned(),
            reason: reason.to_owned(),
            endpoint: "desk".to_owned(),
            topics: vec!["ports".to_owned()],
            severity: Severity::High,
            story: "sty_1".to_owned(),
            item: minute.to_string(),
            title: String::new(),
            article: PostedArticle::default(),
            new: Vec::new(),
            event: event.map(|event| event.event.clone()),
            verdict: judge.judge(event),
        }
    }

    #[test]
    fn alert_quality_matches_a_case_worked_by_hand() {
        let mut judge = AlertJudge::default();
        let (strike, opening, gossip) = (event("strike", true), event("opening", true), event("gossip", false));
        for (minute, event) in [(0, &strike), (5, &strike), (10, &opening), (20, &gossip)] {
            judge.note(event, Timestamp::from_seconds(minute * 60));
        }
        let posts = vec![
            post(&mut judge, 5, Some(&strike), "first"),
            post(&mut judge, 6, Some(&strike), "growth"),
            post(&mut judge, 7, None, "first"),
            post(&mut judge, 20, Some(&gossip), "first"),
        ];
        let verdicts: Vec<PostVerdict> = posts.iter().map(|post| post.verdict).collect();
        use PostVerdict::{Noise, Repeat, Unwanted, Useful};
        assert_eq!(verdicts, [Useful, Repeat, Noise, Unwanted]);
        let quality = judge.quality(&posts);
        assert_eq!((quality.events_wanted, quality.events_told), (2, 1));
        assert!((quality.recall - 0.5).abs() < 1e-9 && (quality.precision - 0.25).abs() < 1e-9);
        assert!((quality.alerts_per_told_event - 2.0).abs() < 1e-9);
        assert_eq!((quality.delay_median_s, quality.delay_p90_s), (Some(300), Some(300)));
        assert_eq!(quality.missed, ["opening"]);
        let size = |items: usize, events: &[&str]| StorySize {
            story: format!("sty_{items}"),
            title: String::new(),
            items,
            events: events.iter().map(|event| (*event).to_owned()).collect(),
        };
        let mut quality = quality;
        quality.note_stories(vec![size(9, &["a", "b"]), size(41, &["a"]), size(44, &["a", "b"]), size(300, &[])]);
        let sizes: Vec<usize> = quality.largest_stories.iter().map(|story| story.items).collect();
        assert_eq!((quality.sagas, sizes), (1, vec![300, 44, 41, 9]));
        assert_eq!(quality.repeats, BTreeMap::from([("growth".to_owned(), 1)]));
    }
}
