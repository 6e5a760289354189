//! What each endpoint would have heard along the past: how many messages, of what, by the rules that are tried and by
//! those they are compared with. Pure counting over stories as they are given.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::outbox::{PretendedOutbox, SentAlert};
use crate::model::{StoryId, Timestamp};
use crate::pipeline::alert::{Hold, Silence};
use crate::pipeline::memory::MemoryConfig;
use crate::pipeline::{Ledger, Prepared, Rules};

/// What one endpoint hears under one set of rules.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct HeardTally {
    /// Messages: a digest is one, and so is the line for what was more than the rate.
    pub messages: u64,
    /// Stories that it hears of.
    pub stories: u64,
    /// Alerts, by why they are raised.
    pub reasons: BTreeMap<String, u64>,
    #[serde(skip)]
    seen: BTreeSet<String>,
    /// The last message that stands for several.
    #[serde(skip)]
    joint: Option<(Timestamp, Hold)>,
}

/// What one endpoint hears, under both sets of rules.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct EndpointBacktest {
    /// Under the rules that are tried.
    pub now: HeardTally,
    /// Under those they are compared with.
    pub before: HeardTally,
}

impl HeardTally {
    fn count(&mut self, sent: &SentAlert) {
        let joint = match sent.hold {
            Some(hold @ (Hold::Quiet | Hold::Digest | Hold::Rate)) => Some((sent.at, hold)),
            _ => None,
        };
        if joint.is_none() || joint != self.joint {
            self.messages += 1;
        }
        self.joint = joint.or(self.joint);
        *self.reasons.entry(sent.payload.data.alert.reason.clone()).or_default() += 1;
        if self.seen.insert(sent.payload.data.story.id.clone()) {
            self.stories += 1;
        }
    }
}

/// One set of rules on its way through the past.
#[derive(Debug)]
pub struct PastHearing {
    ledger: Ledger,
    outbox: PretendedOutbox,
    tallies: BTreeMap<String, HeardTally>,
}

impl PastHearing {
    /// Endpoints that have heard nothing yet, with the silences that were given by hand.
    #[must_use]
    pub fn new(rules: &Rules, silences: Vec<Silence>) -> Self {
        let mut ledger = Ledger::new("backtest", MemoryConfig::default());
        ledger.silences = silences;
        let ids = rules.alert.routes.iter().map(|route| route.endpoint.as_str().to_owned());
        Self {
            ledger,
            outbox: PretendedOutbox::default(),
            tallies: ids.map(|id| (id, HeardTally::default())).collect(),
        }
    }

    /// The next item of the past, with its story and what it hits under these rules.
    pub fn hear(&mut self, prepared: &Prepared, story: StoryId, rules: &Rules) {
        self.hear_of(prepared, story, rules, false);
    }

    /// A copy of one, which counts as another outlet.
    pub fn hear_copy(&mut self, prepared: &Prepared, story: StoryId, rules: &Rules) {
        self.hear_of(prepared, story, rules, true);
    }

    fn hear_of(&mut self, prepared: &Prepared, story: StoryId, rules: &Rules, copy: bool) {
        if prepared.matches.is_empty() && self.ledger.story(story).is_none() {
            return;
        }
        let at = prepared.item.first_seen;
        self.send(Some(at));
        let (alerts, refreshed) = self.ledger.raise_again(prepared, story, rules, copy);
        self.outbox.take(&alerts, &refreshed, |story| story);
    }

    /// What each endpoint heard in all.
    #[must_use]
    pub fn end(mut self) -> BTreeMap<String, HeardTally> {
        self.send(None);
        self.tallies
    }

    fn send(&mut self, now: Option<Timestamp>) {
        for sent in self.outbox.send(now) {
            self.tallies.entry(sent.endpoint.as_str().to_owned()).or_default().count(&sent);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{EndpointId, ItemKey, Origin, RawItem, RawText, Severity, SourceId, SourceKind, TopicId};
    use crate::pipeline::alert::{Route, Timing};
    use crate::pipeline::classify::{TermConfig, TopicConfig, TopicSet};
    use crate::pipeline::prepare;

    fn rules(timings: &[(&str, Timing)]) -> Rules {
        let term =
            |query: &str| TermConfig { id: query.to_owned(), query: query.to_owned(), weight: 6.0, severity: None };
        let topic = TopicConfig {
            id: TopicId::new("levees").expect("a name"),
            label: "Levees".to_owned(),
            severity: Severity::High,
            severity_bands: Vec::new(),
            threshold: 5.0,
            title_boost: 1.0,
            lead_boost: 1.0,
            repeat_bonus: 0.0,
            terms: vec![term("levee")],
            require: Vec::new(),
            exclude: Vec::new(),
            languages: Vec::new(),
            sources: Vec::new(),
            model_weight: None,
        };
        let mut rules = Rules::of_topics(TopicSet::compile(&[topic], &[]).expect("good queries"));
        let route = |(id, timing): &(&str, Timing)| {
            let open = Route::everything(EndpointId::new(id).expect("a name"));
            Route { timing: timing.clone(), ..open }
        };
        rules.alert.routes = timings.iter().map(route).collect();
        rules
    }

    #[test]
    fn hearing_counts_copies_as_outlets_and_not_as_items() {
        let mut rules = rules(&[("desk", Timing::default())]);
        rules.alert.growth_steps = vec![3];
        let mut hearing = PastHearing::new(&rules, Vec::new());
        let mut raw = RawItem::new(ItemKey::new("1"));
        raw.title = Some(RawText::plain("The levee of the old quarter gave way".to_owned()));
        let outlet = |number: i64| {
            let source = SourceId::new(&format!("paper{number}")).expect("a name");
            let received = Timestamp::from_seconds(1_742_212_800 + 60 * number);
            let origin = Origin { source, kind: SourceKind::Feed, received };
            prepare(&raw, &origin, &rules).expect("readable")
        };
        let first = outlet(0);
        let story = StoryId::opened_by(first.item.id);
        hearing.hear(&first, story, &rules);
        hearing.hear_copy(&outlet(1), story, &rules);
        hearing.hear_copy(&outlet(2), story, &rules);
        let heard = hearing.end().remove("desk").expect("it heard");
        let reasons = BTreeMap::from([("first".to_owned(), 1), ("growth".to_owned(), 1)]);
        assert_eq!((heard.messages, heard.stories, heard.reasons), (2, 1, reasons));
    }

    #[test]
    fn hearing_counts_messages_as_each_endpoint_gets_them() {
        let rules = rules(&[
            ("plain", Timing::default()),
            ("grouped", Timing { group_wait: Duration::from_secs(120), ..Timing::default() }),
            ("rated", Timing { rate: Some("1/h".parse().expect("a rate")), ..Timing::default() }),
            ("daily", Timing { digest: Some("0 8 * * *".parse().expect("a schedule")), ..Timing::default() }),
        ]);
        let mut hearing = PastHearing::new(&rules, Vec::new());
        // Four stories a minute apart, each told by two feeds, and one of no topic.
        for (minute, word) in (0_u64..).zip(["levee", "levee", "levee", "levee", "bridge"]) {
            let mut story = None;
            for feed in ["gazette", "herald"] {
                let received = Timestamp::from_seconds(1_742_212_800).plus(Duration::from_secs(60 * minute));
                let source = SourceId::new(feed).expect("a name");
                let origin = Origin { source, kind: SourceKind::Feed, received };
                let mut raw = RawItem::new(ItemKey::new(&format!("{minute}")));
                raw.title = Some(RawText::plain(format!("The {word} of quarter {minute} gave way")));
                let prepared = prepare(&raw, &origin, &rules).expect("readable");
                let story = *story.get_or_insert(StoryId::opened_by(prepared.item.id));
                hearing.hear(&prepared, story, &rules);
            }
        }
        let heard: Vec<(String, u64, u64)> =
            hearing.end().into_iter().map(|(id, tally)| (id, tally.messages, tally.stories)).collect();
        // The rate lets one go, and one line names the other three.
        let expected = [("daily", 1, 4), ("grouped", 4, 4), ("plain", 4, 4), ("rated", 2, 4)];
        assert_eq!(heard, expected.map(|(id, messages, stories)| (id.to_owned(), messages, stories)));
    }
}
