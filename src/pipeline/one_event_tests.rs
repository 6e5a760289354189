//! One event is told once however many outlets put it in other words; a hundred events of one template-loving feed are
//! a hundred.

use std::time::Duration;

use super::alert::{AlertRules, Developments, Route};
use super::classify::{TermConfig, TopicConfig, TopicSet};
use super::memory::MemoryConfig;
use super::*;
use crate::model::{EndpointId, ItemKey, Origin, RawItem, RawText, Severity, SourceId, SourceKind, Timestamp, TopicId};

/// A desk that asked for one topic.
struct TopicDesk {
    ledger: Ledger,
    rules: Rules,
    now: Timestamp,
}

impl TopicDesk {
    fn new(words: &[&str], developments: Developments) -> Self {
        let term =
            |word: &&str| TermConfig { id: (*word).to_owned(), query: (*word).to_owned(), weight: 6.0, severity: None };
        let topic = TopicConfig {
            id: TopicId::new("sea").expect("a name"),
            label: "Sea".to_owned(),
            severity: Severity::Medium,
            severity_bands: Vec::new(),
            threshold: 5.0,
            title_boost: 1.0,
            lead_boost: 1.0,
            repeat_bonus: 0.0,
            terms: words.iter().map(term).collect(),
            require: Vec::new(),
            exclude: Vec::new(),
            languages: Vec::new(),
            sources: Vec::new(),
            model_weight: None,
        };
        let routes = vec![Route::everything(EndpointId::new("desk").expect("a name"))];
        let alert = AlertRules { growth_steps: Vec::new(), developments, routes, ..AlertRules::default() };
        let topics = TopicSet::compile(&[topic], &[]).expect("good queries");
        let rules = Rules { alert, ..Rules::of_topics(topics) };
        let now = Timestamp::from_seconds(1_742_198_531);
        Self { ledger: Ledger::new("test", MemoryConfig::default()), rules, now }
    }

    /// How many alerts a report raises, which comes minutes after the one before.
    fn take(&mut self, outlet: &str, key: usize, (title, text): (&str, &str), minutes: u64) -> usize {
        self.now = self.now.plus(Duration::from_secs(minutes * 60));
        let mut raw = RawItem::new(ItemKey::new(&key.to_string()));
        raw.title = Some(RawText::plain(title.to_owned()));
        raw.content = Some(RawText::plain(text.to_owned()));
        let source = SourceId::new(outlet).expect("a name");
        let origin = Origin { source, kind: SourceKind::Feed, received: self.now };
        let prepared = prepare(&raw, &origin, &self.rules).expect("readable");
        decide(prepared, &mut self.ledger, &self.rules, self.now).alerts.len()
    }
}

const COUNTRIES: [&str; 20] = [
    "Norway", "Portugal", "Chile", "Kenya", "Japan", "Canada", "Greece", "Peru", "Ghana", "Iceland", "Ireland",
    "Malta", "Brazil", "Egypt", "India", "Mexico", "Morocco", "Oman", "Panama", "Sweden",
];
const DEEDS: [(&str, &str); 5] = [
    (
        "{} closes its ports to trawlers without a licence",
        "The fisheries ministry of {} said that the rule holds from May.",
    ),
    ("{} orders four patrol boats for its coast guard", "The yards of {} will deliver the boats within three years."),
    ("Strike stops all ferries in {}", "Crews in {} want higher pay for night crossings, their union said."),
    ("{} bans plastic nets in shallow waters", "Parliament in {} passed the law after a long debate about seals."),
    ("Tanker runs aground off {}", "Tugs sent by {} try to pull the vessel free before the weather turns."),
];

#[test]
fn one_summary_feed_tells_a_hundred_events_one_by_one() {
    let words = ["trawlers", "coast guard", "ferries", "nets", "tanker"].map(|word| format!("\"{word}\""));
    let mut desk = TopicDesk::new(&words.each_ref().map(String::as_str), Developments::Alert);
    let mut told = 0;
    for number in 0..COUNTRIES.len() {
        for (at, (title, text)) in DEEDS.iter().enumerate() {
            // Neighbours in the feed share neither country nor deed.
            let country = COUNTRIES[(number + at * 7) % COUNTRIES.len()];
            let report = (title.replace("{}", country), text.replace("{}", country));
            told += desk.take("ticker", number * 10 + at, (&report.0, &report.1), 20).min(1);
        }
    }
    assert!(told >= 95, "{told} of 100");
}

/// One event by four agencies.
const WORDINGS: [(&str, &str); 4] = [
    (
        "Norway shuts its ports to 62 trawlers of the Kestrel line",
        "Oslo closed its harbours on Tuesday to 62 trawlers of the Kestrel line that had fished off Svalbard, the fisheries \
         ministry said. Owners have ten days to object.",
    ),
    (
        "Kestrel trawlers barred from Norwegian ports over Svalbard catch",
        "All 62 trawlers of Kestrel are barred from ports in Norway because they fished off Svalbard, the ministry in Oslo said \
         on Tuesday.",
    ),
    (
        "Oslo hits Kestrel line, closes ports to 62 boats",
        "The trawlers had been seen off Svalbard in March. Norway had warned the owners of the Kestrel line twice.",
    ),
    (
        "Norway bans Kestrel fleet of 62 trawlers from its harbours",
        "The fisheries ministry in Oslo named Svalbard as the ground on Tuesday. The Kestrel line speaks of an error.",
    ),
];

#[test]
fn one_event_by_forty_outlets_in_four_wordings_is_told_once() {
    let mut desk = TopicDesk::new(&["trawlers", "ports"], Developments::Alert);
    let alerts: usize = (0..40)
        .map(|number| desk.take(&format!("outlet-{number}"), number, WORDINGS[number * 3 % WORDINGS.len()], 7))
        .sum();
    assert_eq!(alerts, 1);
}
