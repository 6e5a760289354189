//! What is told, when, and when not: the decision on streams of a few items.

use std::time::Duration;

use super::alert::{AlertRules, Commentary, Route, Silence};
use super::classify::{TermConfig, TopicConfig, TopicSet};
use super::memory::{ITEM_BYTES, MemoryConfig};
use super::*;
use crate::model::{
    AlertKind, AlertReason, EndpointId, ItemKey, Origin, Outlet, RawItem, RawText, Severity, SourceId, SourceKind,
    StoryId, Timestamp, TopicId,
};

const BRIDGE: &str = "The old swing bridge over the harbour of Ostmouth was closed on Monday after divers found cracks in two \
    of its five piers. Engineers will inspect the remaining piers this week, the port authority said. Lorries are sent \
    across the northern dam, which adds forty minutes to the way into town. Repairs may last until spring, and the council \
    meets on Thursday to discuss who pays for them.";
const CHOIR: &str = "Nine choirs sang in the empty shipyard of Lindhaven on Saturday night. The concert ended with a piece written \
    for cranes and voices. Tickets had been gone within an hour, and the organisers want to come back next summer with an \
    orchestra and twice as many seats.";

struct Desk {
    ledger: Ledger,
    rules: Rules,
    now: Timestamp,
}

impl Desk {
    fn new() -> Self {
        let topic = |id: &str, query: &str| TopicConfig {
            id: TopicId::new(id).expect("a name"),
            label: id.to_uppercase(),
            severity: Severity::High,
            severity_bands: Vec::new(),
            threshold: 5.0,
            title_boost: 1.0,
            lead_boost: 1.0,
            repeat_bonus: 0.0,
            terms: vec![TermConfig { id: id.to_owned(), query: query.to_owned(), weight: 6.0, severity: None }],
            require: Vec::new(),
            exclude: Vec::new(),
            languages: Vec::new(),
            sources: Vec::new(),
            model_weight: None,
        };
        let topics = [topic("bridges", "bridge"), topic("strikes", "strike"), topic("music", "choirs")];
        let route = Route::everything(EndpointId::new("desk").expect("a name"));
        let rules = Rules {
            alert: AlertRules { growth_steps: vec![3], routes: vec![route], ..AlertRules::default() },
            ..Rules::of_topics(TopicSet::compile(&topics, &[]).expect("good queries"))
        };
        Self {
            ledger: Ledger::new("test", MemoryConfig::default()),
            rules,
            now: Timestamp::from_seconds(1_742_198_531),
        }
    }

    /// One item; what it turned out to be, and which alerts it raised.
    fn take(&mut self, source: &str, key: &str, text: &str) -> (Verdict, Vec<(String, AlertKind, AlertReason)>) {
        self.take_raw(source, &item(key, text))
    }

    fn take_raw(&mut self, source: &str, raw: &RawItem) -> (Verdict, Vec<(String, AlertKind, AlertReason)>) {
        self.now = self.now.plus(Duration::from_secs(60));
        let source = SourceId::new(source).expect("a name");
        let origin = Origin { source, kind: SourceKind::Feed, received: self.now };
        let prepared = prepare(raw, &origin, &self.rules).expect("readable");
        let decision = decide(prepared, &mut self.ledger, &self.rules, self.now);
        let alert = |a: &RaisedAlert| {
            let new: Vec<&str> = a.draft.topics.iter().filter(|t| t.new).map(|t| t.matched.topic.as_str()).collect();
            (new.join("+"), a.draft.kind, a.draft.reason)
        };
        (decision.verdict.clone(), decision.alerts.iter().map(alert).collect())
    }
}

fn item(key: &str, text: &str) -> RawItem {
    let mut raw = RawItem::new(ItemKey::new(key));
    raw.title = Some(RawText::plain(text.split(['.', ',']).next().unwrap_or_default().to_owned()));
    raw.content = Some(RawText::plain(text.to_owned()));
    raw
}

fn first(topic: &str) -> Vec<(String, AlertKind, AlertReason)> {
    vec![(topic.to_owned(), AlertKind::Matched, AlertReason::First)]
}

#[test]
fn decide_one_story_is_told_once_and_grows_at_its_step() {
    let mut desk = Desk::new();
    let (verdict, alerts) = desk.take("a", "1", BRIDGE);
    assert!(matches!(verdict, Verdict::New { opened: true, .. }));
    assert_eq!(alerts, first("bridges"));
    let (verdict, alerts) = desk.take("b", "1", BRIDGE);
    assert!(matches!(verdict, Verdict::Sighting { level: SightingLevel::Exact, again: false, .. }), "{verdict:?}");
    assert_eq!(alerts, []);
    let edited = BRIDGE.replace("forty minutes", "about forty minutes");
    let (verdict, alerts) = desk.take("c", "1", &edited);
    assert!(matches!(verdict, Verdict::Sighting { level: SightingLevel::Near, .. }), "{verdict:?}");
    assert_eq!(alerts, [(String::new(), AlertKind::StoryUpdated, AlertReason::Growth)]);
    assert_eq!(desk.take("d", "1", BRIDGE).1, [], "the next step is far");
}

#[test]
fn decide_the_same_document_again_changes_nothing() {
    let mut desk = Desk::new();
    desk.take("a", "1", BRIDGE);
    assert_eq!(desk.take("a", "1", BRIDGE), (Verdict::Unchanged, Vec::new()));
}

#[test]
fn decide_another_story_on_the_same_topic_is_told() {
    let mut desk = Desk::new();
    desk.take("a", "1", BRIDGE);
    let other = "A footbridge of glass opened in the hills above Sandfjord on Sunday. The bridge hangs two hundred metres over \
        the gorge, and the mayor walked it barefoot. Visitors pay nine crowns and may not jump.";
    let (verdict, alerts) = desk.take("a", "2", other);
    assert!(matches!(verdict, Verdict::New { opened: true, .. }), "{verdict:?}");
    assert_eq!(alerts, first("bridges"));
}

#[test]
fn decide_baseline_is_silent_until_another_source_carries_the_story() {
    let mut desk = Desk::new();
    let quiet = RawItem { quiet: true, ..item("1", BRIDGE) };
    let (verdict, alerts) = desk.take_raw("a", &quiet);
    assert!(matches!(verdict, Verdict::New { .. }));
    assert_eq!(alerts, []);
    // Nobody was told yet, and this source is not at its first poll: better told late than never.
    assert_eq!(desk.take("b", "1", BRIDGE).1, first("bridges"));
}

#[test]
fn decide_a_copy_that_brings_a_topic_is_kept_and_told() {
    let mut desk = Desk::new();
    desk.take("a", "1", BRIDGE);
    let with_strike = format!("{BRIDGE} Dockers called a strike.");
    let (verdict, alerts) = desk.take("b", "1", &with_strike);
    assert!(matches!(verdict, Verdict::New { opened: false, .. }), "{verdict:?}");
    assert_eq!(alerts, [("strikes".to_owned(), AlertKind::StoryUpdated, AlertReason::Topic)]);
}

#[test]
fn decide_an_edit_is_a_revision_and_told_only_for_a_new_topic() {
    let mut desk = Desk::new();
    desk.take("a", "1", BRIDGE);
    let edited = BRIDGE.replace("until spring", "until summer");
    let (verdict, alerts) = desk.take("a", "1", &edited);
    assert!(matches!(verdict, Verdict::Revision { revision: 1, .. }), "{verdict:?}");
    assert_eq!(alerts, []);
    let (verdict, alerts) = desk.take("a", "1", &format!("{edited} Dockers called a strike."));
    assert!(matches!(verdict, Verdict::Revision { revision: 2, .. }), "{verdict:?}");
    assert_eq!(alerts, [("strikes".to_owned(), AlertKind::StoryUpdated, AlertReason::Revision)]);
}

#[test]
fn decide_marks_of_an_agency_make_no_other_text() {
    let mut desk = Desk::new();
    let report = |key: &str, title: &str| {
        let mut raw = item(key, BRIDGE);
        raw.title = Some(RawText::plain(title.to_owned()));
        raw
    };
    desk.take_raw("wire", &report("1", "URGENT: Old swing bridge in Ostmouth closed over cracks - Harper"));
    let update = "UPDATE 1-Old swing bridge in Ostmouth closed over cracks, Harper says";
    let (verdict, alerts) = desk.take_raw("wire", &report("2", update));
    assert!(matches!(verdict, Verdict::Sighting { .. }), "{verdict:?}");
    assert_eq!(alerts, []);
}

#[test]
fn decide_one_link_for_everything_makes_no_copies() {
    let mut desk = Desk::new();
    let linked =
        |key: &str, text: &str| RawItem { url: Some("https://paper.example/live".to_owned()), ..item(key, text) };
    desk.take_raw("a", &linked("1", BRIDGE));
    let (verdict, alerts) = desk.take_raw("a", &linked("2", CHOIR));
    assert!(matches!(verdict, Verdict::New { opened: true, .. }), "{verdict:?}");
    assert_eq!(alerts, first("music"));
}

#[test]
fn decide_a_copy_that_becomes_an_item_is_counted_once() {
    let mut desk = Desk::new();
    desk.take("a", "1", BRIDGE);
    let (verdict, _) = desk.take("b", "1", BRIDGE);
    let Verdict::Sighting { story, .. } = verdict else { panic!("{verdict:?}") };
    let counts = |desk: &Desk| {
        let state = desk.ledger.story(story).expect("a story");
        (state.items, state.sightings_exact, state.sightings_near)
    };
    assert_eq!(counts(&desk), (1, 1, 0));
    let (verdict, _) = desk.take("b", "1", &format!("{BRIDGE} Dockers called a strike."));
    assert!(matches!(verdict, Verdict::New { opened: false, .. }), "{verdict:?}");
    assert_eq!(counts(&desk), (2, 0, 0));
}

#[test]
fn decide_what_was_heard_of_again_is_known_for_as_long_as_from_then() {
    let mut desk = Desk::new();
    let edited = format!("{BRIDGE} Dockers called a strike.");
    desk.take("a", "1", BRIDGE);
    desk.take("b", "1", BRIDGE);
    let between = desk.now.plus(Duration::from_secs(1));
    desk.take("b", "1", &edited);
    desk.ledger.expire(between);
    assert_eq!(desk.take("b", "1", &edited).0, Verdict::Unchanged);
    assert_ne!(desk.take("a", "1", BRIDGE).0, Verdict::Unchanged);
}

#[test]
fn decide_what_there_is_no_room_for_is_forgotten_with_its_story() {
    const ROOM: usize = 64;
    let mut desk = Desk::new();
    desk.ledger = Ledger::new("test", MemoryConfig { bytes_max: ROOM * ITEM_BYTES, ..MemoryConfig::default() });
    assert_eq!(desk.ledger.memory.items_max(), ROOM);
    let text = |n: u64| {
        let words: Vec<String> = (0..40).map(|word| format!("w{}", (n * 7919 + word * 104_729) % 500_009)).collect();
        format!("Report {n} of {}, {}", words[0], words.join(" "))
    };
    for n in 0..400 {
        let (verdict, _) = desk.take("a", &n.to_string(), &text(n));
        assert!(matches!(verdict, Verdict::New { opened: true, .. }), "{n}: {verdict:?}");
        if desk.ledger.is_crowded() {
            // Nothing of it is old.
            desk.ledger.expire(Timestamp::MIN);
        }
        let known = (desk.ledger.len(), desk.ledger.stories.len());
        assert!(known.0 <= ROOM * 17 / 16 + 1 && known.1 == known.0, "{n}: {known:?}");
    }
    assert_eq!(desk.take("a", "399", &text(399)).0, Verdict::Unchanged);
    assert_ne!(desk.take("a", "0", &text(0)).0, Verdict::Unchanged);
}

#[test]
fn decide_items_with_next_to_nothing_in_them_stand_alone_or_are_refused() {
    let mut desk = Desk::new();
    let source = SourceId::new("a").expect("a name");
    let raw = |key: usize, title: &str, text: &str| {
        let mut raw = RawItem::new(ItemKey::new(&key.to_string()));
        raw.title = Some(RawText::plain(title.to_owned()));
        raw.content = Some(RawText::plain(text.to_owned()));
        raw
    };
    for (key, (title, text)) in
        [("", ""), (" \u{a0} ", "\n"), ("…", "— — —"), ("\u{0}\u{1}\u{2}", "\u{fffd}\u{7f}")].into_iter().enumerate()
    {
        let origin = Origin { source: source.clone(), kind: SourceKind::Feed, received: desk.now };
        let refused = prepare(&raw(key, title, text), &origin, &desk.rules).expect_err("nothing readable");
        assert_eq!((refused.reason, refused.count), (crate::model::RejectReason::Empty, 1));
    }
    let mut stories = std::collections::HashSet::new();
    let noise: String = (0..3000u32).filter_map(|n| char::from_u32(0x2500 + n * 7 % 255)).collect();
    let small = [
        ("Update", ""),
        ("Update", ""),
        ("Live", "Live"),
        ("", "bridge"),
        ("", "bridge"),
        ("x", &noise),
        ("x", &noise[..300]),
    ];
    for (number, (title, text)) in small.into_iter().enumerate() {
        let (verdict, _) = desk.take_raw("a", &raw(100 + number, title, text));
        let Verdict::New { story, opened: true } = verdict else { panic!("{title} {text:.20}: {verdict:?}") };
        assert!(stories.insert(story));
    }
}

#[test]
fn decide_a_few_short_words_that_are_equal_are_no_copy() {
    let mut desk = Desk::new();
    for source in ["a", "b"] {
        let mut raw = RawItem::new(ItemKey::new("1"));
        raw.title = Some(RawText::plain("Live updates, day 5, all in one".to_owned()));
        let (verdict, _) = desk.take_raw(source, &raw);
        assert!(matches!(verdict, Verdict::New { .. }), "{source}: {verdict:?}");
    }
}

#[test]
fn decide_a_flood_changes_nothing_for_later_items() {
    let mut desk = Desk::new();
    for n in 0..300 {
        desk.take("flood", &n.to_string(), BRIDGE);
    }
    assert_eq!((desk.ledger.memory_len(), desk.ledger.len()), (1, 300));
    let (verdict, alerts) = desk.take("a", "1", CHOIR);
    assert!(matches!(verdict, Verdict::New { opened: true, .. }), "{verdict:?}");
    assert_eq!(alerts, first("music"));
}

#[test]
fn decide_ids_and_bodies_repeat() {
    let alerts = || {
        let mut desk = Desk::new();
        let mut all = Vec::new();
        for (key, text) in [("1", BRIDGE), ("2", CHOIR)] {
            desk.now = desk.now.plus(Duration::from_secs(60));
            let origin =
                Origin { source: SourceId::new("a").expect("a name"), kind: SourceKind::Feed, received: desk.now };
            let prepared = prepare(&item(key, text), &origin, &desk.rules).expect("readable");
            all.extend(decide(prepared, &mut desk.ledger, &desk.rules, desk.now).alerts);
        }
        all
    };
    assert_eq!(alerts(), alerts());
    assert!(alerts().windows(2).all(|pair| pair[0].draft.id != pair[1].draft.id));
}

#[test]
fn decide_silence_on_a_story_holds_after_it_went_up_in_another() {
    for merges in [&[][..], &[(1, 0)], &[(1, 2), (2, 0)]] {
        let mut desk = Desk::new();
        let story = |number: i64| StoryId::from_i64(number);
        let kept = match desk.take("a", "1", CHOIR).0 {
            Verdict::New { story, .. } => story,
            other => panic!("{other:?}"),
        };
        let named = |number: i64| if number == 0 { kept } else { story(number) };
        for (from, into) in merges {
            desk.ledger.recall_merge(named(*from), named(*into));
        }
        let silence = Silence {
            id: "sil_1".to_owned(),
            topics: Vec::new(),
            sources: Vec::new(),
            story: Some(story(1)),
            text: None,
            starts: None,
            ends: None,
        };
        desk.ledger.silences.push(silence);
        let with_bridge = item("2", &format!("{CHOIR} The bridge was closed for it."));
        desk.now = desk.now.plus(Duration::from_secs(60));
        let origin = Origin { source: SourceId::new("b").expect("a name"), kind: SourceKind::Feed, received: desk.now };
        let prepared = prepare(&with_bridge, &origin, &desk.rules).expect("readable");
        let decision = decide(prepared, &mut desk.ledger, &desk.rules, desk.now);
        let said: Vec<_> = decision.alerts.iter().map(|a| (a.silenced_by.as_deref(), a.endpoints.len())).collect();
        let wanted = if merges.is_empty() { (None, 1) } else { (Some("sil_1"), 0) };
        assert_eq!(said, [wanted], "{merges:?}");
    }
}

#[test]
fn decide_feeds_of_one_publisher_are_one_outlet() {
    let mut desk = Desk::new();
    let raw = |key: &str, host: &str| RawItem { url: Some(format!("https://{host}/{key}")), ..item(key, BRIDGE) };
    desk.take_raw("gazette-top", &raw("1", "www.gazette.example"));
    for feed in ["gazette-world", "gazette-local"] {
        let (verdict, alerts) = desk.take_raw(feed, &raw("1", "news.gazette.example"));
        assert!(matches!(verdict, Verdict::Sighting { again: false, .. }), "{verdict:?}");
        assert_eq!(alerts, [], "three feeds, one outlet: nothing grew");
    }
    let story = desk.ledger.stories.values().next().expect("a story");
    let outlets: Vec<&str> = story.outlets.iter().map(Outlet::as_str).collect();
    assert_eq!((outlets, story.items, story.sightings_exact), (vec!["gazette.example"], 1, 2));
}

#[test]
fn decide_what_follows_an_event_days_later_names_the_story_before_it() {
    let mut desk = Desk::new();
    let (Verdict::New { story: before, .. }, _) = desk.take("alpha", "1", BRIDGE) else { panic!("news") };
    desk.now = desk.now.plus(Duration::from_secs(4 * 24 * 3600));
    let source = SourceId::new("beta").expect("a name");
    let origin = Origin { source, kind: SourceKind::Feed, received: desk.now };
    let text = BRIDGE.replace("was closed on Monday", "stays closed").replace("two of its", "all of its");
    let prepared = prepare(&item("2", &text), &origin, &desk.rules).expect("readable");
    let mut prepared = prepared;
    // Worded alike, and no copy of it.
    prepared.features.sketch = dedupe::sketch::Sketch::default();
    let decision = decide(prepared, &mut desk.ledger, &desk.rules, desk.now);
    assert!(matches!(decision.verdict, Verdict::New { opened: true, .. }), "{:?}", decision.verdict);
    let related = &decision.alerts[0].draft.story.related;
    assert_eq!(related.iter().map(|story| story.id).collect::<Vec<_>>(), [before]);
    assert!(related[0].title.starts_with("The old swing bridge"), "{related:?}");
}

#[test]
fn decide_a_comment_is_told_by_the_report_that_follows_it() {
    let mut desk = Desk::new();
    let comment = BRIDGE.replacen("The old", "Opinion: the old", 1);
    let (Verdict::New { story, .. }, alerts) = desk.take("alpha", "1", &comment) else { panic!("news") };
    assert_eq!(alerts, [], "it comments");
    let (verdict, alerts) = desk.take("beta", "2", &BRIDGE.replace("after divers found", "when divers saw"));
    assert!(matches!(verdict, Verdict::New { story: of, .. } | Verdict::Sighting { story: of, .. } if of == story));
    assert_eq!(alerts, first("bridges"), "the report is told, copy or not");
    desk.rules.alert.commentary = Commentary::Alert;
    let (_, alerts) = desk.take("alpha", "3", &CHOIR.replacen("Nine choirs", "Opinion: nine choirs", 1));
    assert_eq!(alerts, first("music"));
}
