//! Who hears what: for each endpoint with filters of its own, what a story makes it hear, in order.

use std::time::Duration;

use super::alert::{AlertRules, Developments, OnRevision, Route, Silence};
use super::classify::{TermConfig, TopicConfig, TopicSet};
use super::memory::MemoryConfig;
use super::raise::{Cause, raise_alerts};
use super::*;
use crate::model::{
    EndpointId, ItemKey, Lang, Origin, RawItem, RawText, Score, Severity, SourceId, SourceKind, Timestamp, TopicId,
};

const PORT: &str = "Divers found long cracks below the waterline of the old port wall at Ostmouth on Monday morning. Engineers \
    will inspect the remaining basins this week, the council said. Lorries are sent across the northern dam, which adds \
    forty minutes to the way into town. Repairs may last until spring, and the council meets on Thursday to discuss who \
    pays for them.";
const HEADLINE: &str = "Cracks in the old port wall";
const BLOCKED: &str = " The basin was blocked.";
const STRIKE: &str = " Dockers called a strike.";

pub(super) fn topic_id(name: &str) -> TopicId {
    TopicId::new(name).expect("a name")
}

fn topic(id: &str, terms: &[&str]) -> TopicConfig {
    let term =
        |query: &&str| TermConfig { id: (*query).to_owned(), query: (*query).to_owned(), weight: 6.0, severity: None };
    TopicConfig {
        id: topic_id(id),
        label: id.to_uppercase(),
        severity: Severity::High,
        severity_bands: vec![(12.0, Severity::Critical)],
        threshold: 5.0,
        title_boost: 1.0,
        lead_boost: 1.0,
        repeat_bonus: 0.0,
        terms: terms.iter().map(term).collect(),
        require: Vec::new(),
        exclude: Vec::new(),
        languages: Vec::new(),
        sources: Vec::new(),
        model_weight: None,
    }
}

pub(super) fn route(id: &str) -> Route {
    Route::everything(EndpointId::new(id).expect("a name"))
}

pub(super) fn source(id: &str) -> SourceId {
    SourceId::new(id).expect("a name")
}

pub(super) fn silence() -> Silence {
    Silence {
        id: "s".to_owned(),
        topics: Vec::new(),
        sources: Vec::new(),
        story: None,
        text: None,
        starts: None,
        ends: None,
    }
}

/// A newsroom with six endpoints, which reports on cracks in a port wall reach one by one.
pub(super) struct Desk {
    pub ledger: Ledger,
    pub rules: Rules,
    pub now: Timestamp,
    keys: usize,
    /// The report before.
    last: Option<RawItem>,
    /// Endpoints that were taken out of the config.
    away: Vec<Route>,
}

impl Desk {
    pub fn new() -> Self {
        let topics = [topic("ports", &["port", "blocked"]), topic("strikes", &["strike"])];
        let routes = vec![
            route("all"),
            Route { score_min: Score::from_f64(10.0), ..route("score") },
            Route { severity_min: Severity::Critical, ..route("critical") },
            Route { sources: vec![source("b")], ..route("only-b") },
            Route { languages: vec![Lang::from_tag("de").expect("a language")], ..route("german") },
            Route { topics: vec![topic_id("strikes")], ..route("strikes") },
        ];
        let alert =
            AlertRules { growth_steps: vec![3, 5], routes, developments: Developments::Off, ..AlertRules::default() };
        let rules = Rules { alert, ..Rules::of_topics(TopicSet::compile(&topics, &[]).expect("good queries")) };
        let now = Timestamp::from_seconds(1_742_198_531);
        let ledger = Ledger::new("test", MemoryConfig::default());
        Self { ledger, rules, now, keys: 0, last: None, away: Vec::new() }
    }

    fn raw(&mut self, text: &str) -> RawItem {
        self.keys += 1;
        let mut raw = RawItem::new(ItemKey::new(&self.keys.to_string()));
        raw.title = Some(RawText::plain(HEADLINE.to_owned()));
        raw.content = Some(RawText::plain(text.to_owned()));
        raw
    }

    fn take(&mut self, from: &str, raw: &RawItem, before: Option<&str>) -> Decision {
        self.now = self.now.plus(Duration::from_secs(60));
        let origin = Origin { source: source(from), kind: SourceKind::Feed, received: self.now };
        let mut prepared = prepare(raw, &origin, &self.rules).expect("readable");
        prepared.headline_before = before.map(str::to_owned);
        // The words of these reports are English all the same.
        prepared.item.lang = raw.lang.as_deref().and_then(Lang::from_tag).or(prepared.item.lang);
        decide(prepared, &mut self.ledger, &self.rules, self.now)
    }

    /// `b+blocked+strike/de`: from source b, with these additions, in German. `copy:b`: the report before in b; `edit+strike`:
    /// it is edited; `!b`: b corrects it; `?b`: b takes it back. `-ports` silences a topic, `-@a` a source, `=` ends all
    /// silences. `off:all` takes an endpoint out of the config, `on:all` puts it back, `wait:8` lets days pass.
    pub fn step(&mut self, step: &str) -> Option<Decision> {
        let (verb, named) = step.split_once(':').unwrap_or((step, ""));
        match verb {
            "=" => self.ledger.silences.clear(),
            "off" => self.away.extend(self.rules.alert.routes.extract_if(.., |route| route.endpoint.as_str() == named)),
            "on" => self.rules.alert.routes.extend(self.away.extract_if(.., |route| route.endpoint.as_str() == named)),
            "wait" => self.now = self.now.plus(Duration::from_secs(86_400 * named.parse::<u64>().expect("days"))),
            "copy" => {
                let key = self.raw("").key;
                let raw = RawItem { key, ..self.last.clone().expect("a report before") };
                return Some(self.take(named, &raw, None));
            }
            _ if verb.starts_with("-@") => {
                self.ledger.silences.push(Silence { sources: vec![source(&verb[2..])], ..silence() });
            }
            _ if verb.starts_with('-') => {
                self.ledger.silences.push(Silence { topics: vec![topic_id(&verb[1..])], ..silence() });
            }
            _ => return Some(self.report(step)),
        }
        None
    }

    pub fn has_reported(&self) -> bool {
        self.last.is_some()
    }

    fn report(&mut self, step: &str) -> Decision {
        let (spec, lang) = step.split_once('/').unwrap_or((step, ""));
        let mut text = PORT.to_owned();
        let mut parts = spec.split('+');
        let from = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            text.push_str(if part == "strike" { STRIKE } else { BLOCKED });
        }
        if from == "edit" {
            let last = self.last.clone().expect("a report before");
            let raw = RawItem { content: Some(RawText::plain(text)), ..last };
            return self.take("a", &raw, Some(HEADLINE));
        }
        let mut raw = self.raw(&text);
        raw.lang = (!lang.is_empty()).then(|| lang.to_owned());
        let mark = if from.starts_with('!') { "Correction: " } else { "Retraction: " };
        let from = match from.strip_prefix(['!', '?']) {
            Some(from) => {
                raw.title = Some(RawText::plain(format!("{mark}{HEADLINE}")));
                from.to_owned()
            }
            None => from,
        };
        self.last = Some(raw.clone());
        self.take(&from, &raw, None)
    }

    /// What each endpoint hears along a few steps.
    pub fn hear(&mut self, steps: &str) -> Vec<String> {
        let ids: Vec<EndpointId> = self.rules.alert.routes.iter().map(|route| route.endpoint.clone()).collect();
        self.heard_by(&ids, steps)
    }

    /// The same for endpoints of which some may be out of the config meanwhile.
    pub fn heard_by(&mut self, ids: &[EndpointId], steps: &str) -> Vec<String> {
        let mut heard = vec![Vec::new(); ids.len()];
        for step in steps.split_whitespace() {
            let Some(decision) = self.step(step) else { continue };
            for alert in &decision.alerts {
                for (at, id) in ids.iter().enumerate() {
                    if alert.endpoints.iter().any(|to| to.endpoint == *id) {
                        heard[at].push(alert.draft.reason.as_str());
                    }
                }
            }
        }
        heard.into_iter().map(|reasons| reasons.join(" ")).collect()
    }
}

#[test]
fn raise_each_endpoint_hears_what_its_filters_let_through_and_nothing_twice() {
    // What happened: what is heard by all, score 10, critical, only b, German, strikes.
    let rows: [(&str, [&str; 6]); 16] = [
        ("a", ["first", "", "", "", "", ""]),
        ("a a a", ["first", "", "", "", "", ""]),
        ("a b", ["first", "", "", "first", "", ""]),
        ("a b+blocked", ["first severity", "first", "first", "first", "", ""]),
        ("a+blocked b", ["first", "first", "first", "first", "", ""]),
        ("a b+strike", ["first topic", "", "", "first", "", "first"]),
        ("a+strike b+strike", ["first", "", "", "first", "", "first"]),
        ("a b/de", ["first", "", "", "first", "first", ""]),
        ("a c/de b", ["first growth", "", "", "first", "first", ""]),
        ("a b c d", ["first growth", "", "", "first", "", ""]),
        ("a b c d e f", ["first growth growth", "", "", "first", "", ""]),
        ("-ports a = b", ["first", "", "", "first", "", ""]),
        ("-ports a+strike b+strike", ["first", "", "", "first", "", "first"]),
        ("-@a a b", ["first", "", "", "first", "", ""]),
        ("-ports a b c = d", ["first", "", "", "", "", ""]),
        ("-strikes a+strike = b+strike", ["first topic", "", "", "first", "", "first"]),
    ];
    for (steps, expected) in rows {
        assert_eq!(Desk::new().hear(steps), expected, "{steps}");
    }
}

#[test]
fn raise_growth_steps_passed_before_the_first_alert_are_not_told() {
    let mut desk = Desk::new();
    desk.rules.alert.routes.truncate(1);
    assert_eq!(desk.hear("-ports a b c d = e"), ["first"], "told with five outlets");
    assert_eq!(desk.hear("f"), [""], "which is the step it stands at");
}

#[test]
fn raise_endpoints_that_come_go_and_change_places_hear_once() {
    let mut desk = Desk::new();
    desk.rules.alert.routes = vec![route("one"), route("two")];
    assert_eq!(desk.hear("a"), ["first", "first"]);
    desk.rules.alert.routes = vec![route("new"), route("two"), route("one")];
    assert_eq!(desk.hear("b"), ["first", "", ""], "one that is new hears of the story when it goes on");
    desk.rules.alert.routes = vec![route("two")];
    assert_eq!(desk.hear("c"), ["growth"]);
    desk.rules.alert.routes = vec![route("one"), route("two")];
    assert_eq!(desk.hear("d"), ["growth", ""], "what it missed was not told to it");
}

#[test]
fn raise_development_is_told_once_in_its_pause_and_never_by_a_duplicate() {
    let mut desk = Desk::new();
    desk.rules.alert.routes = vec![route("one")];
    desk.rules.alert.developments = Developments::Alert;
    let report = |desk: &mut Desk, soldiers: &str| {
        let mut raw = desk.raw(PORT);
        raw.title = Some(RawText::plain(format!("Norway to send {soldiers} soldiers to the port in Chile")));
        raw
    };
    let raw = report(&mut desk, "500");
    let story = desk.take("a", &raw, None).story().expect("a story");
    let mut hear = |soldiers: &str, duplicate: bool, later: Duration| {
        desk.now = desk.now.plus(later);
        let raw = report(&mut desk, soldiers);
        let origin = Origin { source: source("a"), kind: SourceKind::Feed, received: desk.now };
        let prepared = prepare(&raw, &origin, &desk.rules).expect("readable");
        let cause = Cause { duplicate, ..Cause::of(&prepared, story, desk.now) };
        let raised = raise_alerts(&cause, &mut desk.ledger, &desk.rules);
        raised.alerts.iter().map(|alert| alert.draft.reason.as_str()).collect::<Vec<_>>()
    };
    let (soon, pause) = (Duration::from_secs(60), AlertRules::default().development_pause);
    assert_eq!(hear("500", false, soon), [""; 0], "nothing new");
    assert_eq!(hear("4,000", true, soon), [""; 0], "a duplicate says nothing new");
    assert_eq!(hear("4,000", false, soon), ["development"]);
    assert_eq!(hear("40,000", false, soon), [""; 0], "too soon after the last");
    assert_eq!(hear("40,000", false, pause), ["development"], "and not lost");
    assert_eq!(hear("40,000", false, pause), [""; 0]);
}

#[test]
fn raise_who_else_only_speaks_of_it_is_no_development() {
    let heard = |firm: Option<Severity>, title: &str| {
        let mut desk = Desk::new();
        let mut ports = topic("ports", &["soldiers", "send OR sends"]);
        ports.severity_bands.clear();
        ports.terms[1].severity = firm;
        desk.rules.topics = TopicSet::compile(&[ports], &[]).expect("good queries");
        desk.rules.alert.routes = vec![route("one")];
        desk.rules.alert.developments = Developments::Alert;
        let report = |desk: &mut Desk, title: &str| {
            let raw = desk.raw("");
            RawItem { title: Some(RawText::plain(title.to_owned())), lang: Some("en".to_owned()), ..raw }
        };
        let raw = report(&mut desk, "Norway to send soldiers to the port");
        let story = desk.take("a", &raw, None).story().expect("a story");
        let raw = report(&mut desk, title);
        let origin = Origin { source: source("b"), kind: SourceKind::Feed, received: desk.now };
        let prepared = prepare(&raw, &origin, &desk.rules).expect("readable");
        let raised = raise_alerts(&Cause::of(&prepared, story, desk.now), &mut desk.ledger, &desk.rules);
        raised.alerts.iter().map(|alert| alert.draft.reason.as_str()).collect::<Vec<_>>()
    };
    let (welcome, also) = ("Chile welcomes soldiers at the port", "Chile to send soldiers to the port");
    let critical = Some(Severity::Critical);
    assert_eq!(heard(critical, welcome), [""; 0], "by the rules of the topic nothing is done in it");
    assert_eq!(heard(critical, also), ["development"]);
    assert_eq!(heard(None, welcome), ["development"], "a topic that does not tell the two apart");
    let denies = "Norway denies that soldiers leave for the port";
    assert_eq!(heard(critical, denies), ["development"], "the opposite of what was told is news whoever says it");
}

#[test]
fn raise_merged_stories_are_told_as_one_to_each_endpoint() {
    let mut desk = Desk::new();
    desk.rules.alert.routes = vec![route("one")];
    let other = "A ferry rammed the mole of Sandhaven in thick fog on Sunday, and its passengers walked home over the port \
        bridge. Nobody was hurt, the harbour master said, but the mole lost forty metres and two of its lamps.";
    let first = desk.step("a").and_then(|decision| decision.story()).expect("a story");
    let mut raw = desk.raw(other);
    raw.title = Some(RawText::plain("Ferry rams the mole of Sandhaven".to_owned()));
    let second = desk.take("b", &raw, None);
    assert_eq!(second.alerts.len(), 1);
    let second = second.story().expect("a story");
    assert_ne!(first, second);
    desk.ledger.unite(second, first);
    assert_eq!(desk.hear("c"), ["growth"], "told of either is told of both; this is the third outlet");
    let mut again = desk.raw(&format!("{other} More follows."));
    again.title = raw.title.clone();
    assert!(desk.take("d", &again, None).alerts.is_empty());
}

#[test]
fn raise_a_rise_in_severity_that_scores_less_is_told_once() {
    let mut desk = Desk::new();
    let mut ports = topic("ports", &["port", "siren"]);
    ports.severity_bands.clear();
    ports.terms[0].weight = 20.0;
    ports.terms[1].severity = Some(Severity::Critical);
    desk.rules.topics = TopicSet::compile(&[ports], &[]).expect("good queries");
    desk.rules.alert.growth_steps.clear();
    desk.rules.alert.routes = vec![route("one")];
    let (first, sirens) = (desk.raw(PORT), format!("{} A siren sounded.", PORT.replace("port", "quay")));
    let (mut second, mut third) = (desk.raw(&sirens), desk.raw(&sirens));
    for (raw, title) in [(&mut second, "Cracks in the old quay wall"), (&mut third, "Cracks in the old quay wall")] {
        raw.title = Some(RawText::plain(title.to_owned()));
    }
    let told: Vec<(&str, Severity)> = [("a", &first), ("b", &second), ("c", &third)]
        .into_iter()
        .flat_map(|(from, raw)| desk.take(from, raw, None).alerts)
        .map(|alert| (alert.draft.reason.as_str(), alert.draft.severity))
        .collect();
    assert_eq!(told, [("first", Severity::High), ("severity", Severity::Critical)]);
}

#[test]
fn raise_edits_speak_as_on_revision_says() {
    for (rule, title, topic) in [(OnRevision::Never, 0, 0), (OnRevision::NewTopic, 0, 1), (OnRevision::Title, 1, 1)] {
        let mut desk = Desk::new();
        desk.rules.alert.routes = vec![route("one")];
        desk.rules.alert.on_revision = rule;
        let mut raw = desk.raw(PORT);
        let was = "Cracks in the old port wall";
        assert_eq!(desk.take("a", &raw, None).alerts.len(), 1);
        raw.title = Some(RawText::plain("Old port wall of Ostmouth: cracks".to_owned()));
        let edited = desk.take("a", &raw, Some(was));
        assert_eq!(edited.alerts.len(), title, "{rule:?}");
        // Back and forth is told once.
        raw.title = Some(RawText::plain(was.to_owned()));
        assert!(desk.take("a", &raw, Some("Old port wall of Ostmouth: cracks")).alerts.is_empty(), "{rule:?}");
        raw.content = Some(RawText::plain(format!("{PORT}{STRIKE}")));
        assert_eq!(desk.take("a", &raw, Some(was)).alerts.len(), topic, "{rule:?}");
    }
}

#[test]
fn raise_a_correction_reaches_exactly_those_that_were_told() {
    let mut desk = Desk::new();
    desk.rules.alert.growth_steps.clear();
    desk.hear("a");
    let mut raw = desk.raw(PORT);
    raw.title = Some(RawText::plain("Correction: Cracks in the old port wall".to_owned()));
    let decision = desk.take("z", &raw, None);
    let told: Vec<(&str, &str)> = decision
        .alerts
        .iter()
        .flat_map(|alert| alert.endpoints.iter().map(|to| (to.endpoint.as_str(), alert.draft.kind.as_str())))
        .collect();
    assert_eq!(told, [("all", "item.corrected")]);
    assert!(desk.take("y", &desk_raw_again(&raw), None).alerts.iter().all(|alert| alert.endpoints.is_empty()));
}

/// The same notice under another key.
fn desk_raw_again(raw: &RawItem) -> RawItem {
    RawItem { key: ItemKey::new("again"), ..raw.clone() }
}

const LIVE: &str = "Storm live: cracks in the old port wall";

/// A report of the desk under another headline.
fn titled(desk: &mut Desk, title: &str, text: &str) -> RawItem {
    RawItem { title: Some(RawText::plain(title.to_owned())), ..desk.raw(text) }
}

#[test]
fn raise_what_a_live_blog_has_on_top_waits_for_a_report_of_it() {
    let mut desk = Desk::new();
    desk.rules.alert.routes.truncate(1);
    let wait = desk.rules.alert.round_up_wait;
    let blog = titled(&mut desk, LIVE, &format!("11:32 {PORT}\n10:05 Dockers of Sandhaven called a strike."));
    let decision = desk.take("live", &blog, None);
    let raised: Vec<_> = decision.alerts.iter().flat_map(|alert| &alert.endpoints).collect();
    assert_eq!(raised.len(), 1);
    assert_eq!(raised[0].held.map(|held| held.until), Some(desk.now.plus(wait)));
    let topics: Vec<&str> = decision.alerts[0].draft.topics.iter().map(|t| t.matched.topic.as_str()).collect();
    assert_eq!(topics, ["ports"], "what happened before is another event");
    // The report of an agency goes up in it, and waits for nothing.
    let report = titled(&mut desk, HEADLINE, PORT);
    let decision = desk.take("a", &report, None);
    assert!(decision.alerts.is_empty(), "{:?}", decision.alerts);
    let newer: Vec<_> = decision.refreshed.iter().flat_map(|alert| &alert.endpoints).collect();
    assert_eq!(newer.iter().map(|to| to.held).collect::<Vec<_>>(), [None]);
}

#[test]
fn raise_round_ups_raise_nothing_and_live_blogs_as_the_config_says() {
    use super::alert::RoundUps::{Alone, Withheld as Off};
    for (title, way, withheld) in [
        (LIVE, Alone, None),
        (LIVE, Off, Some(Withheld::RoundUp)),
        ("Morning briefing: cracks in the old port wall", Alone, Some(Withheld::RoundUp)),
        ("Storm live: cracks in the port wall; strike called", Alone, Some(Withheld::RoundUp)),
    ] {
        let mut desk = Desk::new();
        desk.rules.alert.round_ups = way;
        let raw = titled(&mut desk, title, PORT);
        let decision = desk.take("live", &raw, None);
        assert_eq!((decision.withheld, decision.alerts.is_empty()), (withheld, withheld.is_some()), "{title} {way:?}");
    }
}

#[test]
fn raise_a_correction_of_something_else_tells_nobody() {
    let mut desk = Desk::new();
    assert_eq!(desk.hear("a")[0], "first");
    let recipe = "An earlier version of this recipe asked for salt where sugar was meant. Plums are halved and laid on the dough.";
    let raw = titled(&mut desk, "Correction: plum cake of the week", recipe);
    let decision = desk.take("z", &raw, None);
    assert!(decision.alerts.is_empty() && decision.refreshed.is_empty(), "{:?}", decision.alerts);
}

#[test]
fn raise_a_silence_on_a_word_leaves_the_report_that_lacks_it() {
    let mut desk = Desk::new();
    desk.rules.alert.routes.truncate(1);
    desk.ledger.silences.push(Silence { text: Some("divers".to_owned()), ..silence() });
    let raw = titled(&mut desk, "Divers find cracks in the old port wall", PORT);
    let silenced = desk.take("a", &raw, None);
    assert!(silenced.alerts.iter().all(|alert| alert.endpoints.is_empty() && alert.silenced_by.is_some()));
    assert_eq!(desk.hear("b"), ["first"], "the story was not used up");
}

#[test]
fn raise_an_edit_that_says_it_corrects_is_told_to_those_that_were_told() {
    for (rule, told) in [(OnRevision::NewTopic, true), (OnRevision::Never, false)] {
        let mut desk = Desk::new();
        desk.rules.alert.routes.truncate(1);
        desk.rules.alert.on_revision = rule;
        let raw = desk.raw(PORT);
        desk.take("a", &raw, None);
        let corrected = RawItem { title: Some(RawText::plain(format!("Corrected: {HEADLINE}"))), ..raw.clone() };
        let decision = desk.take("a", &corrected, Some(HEADLINE));
        let kinds: Vec<&str> = decision.alerts.iter().map(|alert| alert.draft.kind.as_str()).collect();
        assert_eq!(kinds, if told { vec!["item.corrected"] } else { Vec::new() }, "{rule:?}");
        // Edited again under that mark it is no other correction.
        let again = RawItem { content: Some(RawText::plain(format!("{PORT} More follows."))), ..corrected.clone() };
        assert!(desk.take("a", &again, None).alerts.is_empty());
    }
}

#[test]
fn raise_a_loud_report_of_few_points_is_told_as_loudly_as_it_is_and_once() {
    let mut desk = Desk::new();
    let term =
        |query: &str, weight, severity| TermConfig { id: query.to_owned(), query: query.to_owned(), weight, severity };
    let mut ports = topic("ports", &[]);
    ports.severity_bands.clear();
    ports.severity = Severity::Low;
    ports.terms =
        vec![term("port", 6.0, None), term("council", 9.0, None), term("closed", 1.0, Some(Severity::Critical))];
    desk.rules.topics = TopicSet::compile(&[ports], &[]).expect("good queries");
    desk.rules.alert.growth_steps.clear();
    let pager = Route { severity_min: Severity::Critical, ..route("pager") };
    desk.rules.alert.routes = vec![route("all"), pager];
    let heard = |desk: &mut Desk, text: &str| -> Vec<(String, Severity)> {
        let raw = desk.raw(text);
        let decision = desk.take("a", &raw, None);
        let alerts = decision.alerts.iter().filter(|alert| !alert.endpoints.is_empty());
        alerts.map(|alert| (alert.draft.reason.as_str().to_owned(), alert.draft.severity)).collect()
    };
    assert_eq!(heard(&mut desk, PORT), [("first".to_owned(), Severity::Low)]);
    let closed = PORT.replace("the council said", "and it is closed").replace("the council meets", "they meet");
    let twice = heard(&mut desk, &closed);
    assert!(twice.contains(&("severity".to_owned(), Severity::Critical)), "{twice:?}");
    assert!(twice.contains(&("first".to_owned(), Severity::Critical)), "the pager hears of it: {twice:?}");
    assert_eq!(heard(&mut desk, &format!("{closed} More follows.")), [], "and nobody twice");
}

#[test]
fn raise_merged_story_keeps_what_the_other_was_told() {
    let mut desk = Desk::new();
    desk.rules.alert.routes = vec![route("one")];
    let first = desk.step("a").and_then(|decision| decision.story()).expect("a story");
    let ferry = "A ferry rammed the mole of Sandhaven in thick fog on Sunday, and its passengers walked home over the port \
        bridge. Nobody was hurt, the harbour master said, but the mole lost forty metres and two of its lamps.";
    let mut raw = desk.raw(&format!("{ferry}{STRIKE}"));
    raw.title = Some(RawText::plain("Ferry rams the mole of Sandhaven".to_owned()));
    let second = desk.take("b", &raw, None).story().expect("a story");
    assert_ne!(first, second);
    desk.ledger.unite(second, first);
    assert_eq!(desk.hear("b+strike"), [""], "of the strike it heard by the other");
}

#[test]
fn raise_an_edit_is_told_first_but_where_edits_never_speak() {
    for (on_revision, heard) in [(OnRevision::NewTopic, "first"), (OnRevision::Never, "")] {
        let mut desk = Desk::new();
        desk.rules.alert.routes.truncate(1);
        desk.rules.alert.on_revision = on_revision;
        assert_eq!(desk.hear("-ports a = edit+blocked"), [heard], "{on_revision:?}");
    }
}

#[test]
fn decide_few_words_are_no_evidence_of_a_duplicate() {
    let mut desk = Desk::new();
    let mut report = |words: &str| {
        let mut raw = desk.raw(words);
        raw.title = Some(RawText::plain("Port news".to_owned()));
        desk.take("a", &raw, None);
        let raw = RawItem { key: desk.raw("").key, ..raw };
        matches!(desk.take("b", &raw, None).verdict, Verdict::Sighting { .. })
    };
    assert!(!report("Read more today"), "two notices of a few words each");
    assert!(report(PORT));
}
