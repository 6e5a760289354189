//! What three endpoints hear of a story, by what happened to it, their filters, the silences, and what each was told
//! before; and that whatever comes in whatever order, no endpoint hears an event twice and none loses one that
//! passed its filter.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::alert::Route;
use super::ledger::Ledger;
use super::raise_tests::{Desk, route, source, topic_id};
use super::{Decision, Listener};
use crate::model::{AlertKind, AlertReason, EndpointId, Score, Severity};

#[test]
fn raise_table_of_what_three_endpoints_hear() {
    // Endpoints; what they were told before; what happens; what each of the three hears of that. `all` takes
    // everything, `score` ten points and more, `critical` that severity, `only-b` source b, `german` that language,
    // `strikes` that topic. The port alone has six points and is high, the blocked port twelve and is critical.
    let rows: [(&str, &str, &str, [&str; 3]); 64] = [
        ("all score strikes", "", "a", ["first", "", ""]),
        ("all score strikes", "a", "a", ["", "", ""]),
        ("all score strikes", "a", "b+blocked", ["severity", "first", ""]),
        ("all score strikes", "a", "b+strike", ["topic", "", "first"]),
        ("all score strikes", "a+blocked", "b", ["", "", ""]),
        ("all score strikes", "a+blocked", "b+strike", ["topic", "", "first"]),
        ("all score strikes", "", "a+blocked+strike", ["first", "first", "first"]),
        ("all score strikes", "a+strike", "b+blocked+strike", ["severity", "first", ""]),
        ("all score strikes", "a b", "c", ["growth", "", ""]),
        ("all score strikes", "a b c", "d", ["", "", ""]),
        ("all score strikes", "a b c d", "e", ["growth", "", ""]),
        ("all score strikes", "a b+strike", "c+strike", ["growth", "", ""]),
        ("all score strikes", "a+strike b+strike", "c+strike", ["growth", "", "growth"]),
        ("all score strikes", "a+blocked b", "c", ["growth", "growth", ""]),
        ("all score strikes", "", "a b c", ["first growth", "", ""]),
        ("all score strikes", "a b c d e", "a b c d e", ["", "", ""]),
        ("critical only-b german", "", "a", ["", "", ""]),
        ("critical only-b german", "", "b", ["", "first", ""]),
        ("critical only-b german", "", "a/de", ["", "", "first"]),
        ("critical only-b german", "", "b/de", ["", "first", "first"]),
        ("critical only-b german", "a", "b+blocked/de", ["first", "first", "first"]),
        ("critical only-b german", "b", "a+blocked", ["first", "", ""]),
        ("critical only-b german", "a/de", "b", ["", "first", ""]),
        ("critical only-b german", "b", "b+strike", ["", "topic", ""]),
        ("critical only-b german", "b", "a+blocked b+blocked", ["first", "severity", ""]),
        ("critical only-b german", "b/de a", "c/de", ["", "", "growth"]),
        ("critical only-b german", "a+blocked", "b+strike/de", ["", "first", "first"]),
        ("all score strikes", "-ports a", "= b", ["first", "", ""]),
        ("all score strikes", "-ports", "a+strike", ["first", "", "first"]),
        ("all score strikes", "-ports a+strike", "= b+strike", ["topic", "", ""]),
        ("all score strikes", "a -ports", "b+blocked", ["", "", ""]),
        ("all score strikes", "a -ports b+blocked =", "c", ["growth", "first", ""]),
        ("all score strikes", "-@a a", "= b", ["first", "", ""]),
        ("all score strikes", "-@a", "a b", ["first", "", ""]),
        ("all score strikes", "-@a a+blocked", "b", ["first", "first", ""]),
        ("all score strikes", "-strikes", "a+strike", ["first", "", ""]),
        ("all score strikes", "-strikes a+strike =", "b+strike", ["topic", "", "first"]),
        ("all score strikes", "-ports -strikes", "a+strike+blocked", ["", "", ""]),
        ("all score strikes", "-ports -strikes a+strike+blocked =", "b", ["first", "first", ""]),
        ("all score strikes", "-ports a b c =", "d", ["first", "", ""]),
        ("all score strikes", "-ports a b c = d", "e", ["growth", "", ""]),
        ("all score strikes", "off:all a on:all", "b", ["first", "", ""]),
        ("all score strikes", "a off:all b on:all", "c", ["growth", "", ""]),
        ("all score strikes", "a off:all b+blocked on:all", "b+blocked", ["severity", "", ""]),
        ("all score strikes", "a off:all on:all", "b", ["", "", ""]),
        ("all only-b strikes", "a off:only-b b on:only-b", "a b", ["", "first", ""]),
        ("all score strikes", "a wait:1", "b", ["", "", ""]),
        ("all score strikes", "a wait:8", "b", ["first", "", ""]),
        ("all score strikes", "a", "copy:b", ["", "", ""]),
        ("all score strikes", "a b", "copy:c", ["growth", "", ""]),
        ("all score strikes", "-ports a =", "copy:b", ["first", "", ""]),
        ("all only-b strikes", "a", "copy:b", ["", "first", ""]),
        ("all score strikes", "a", "!z", ["correction", "", ""]),
        ("all score strikes", "a+blocked", "!z", ["correction", "correction", ""]),
        ("all score strikes", "a+strike", "!z", ["correction", "", "correction"]),
        ("all score strikes", "", "!z", ["first", "", ""]),
        ("all score strikes", "a !z", "!a", ["", "", ""]),
        ("all score strikes", "a", "?z", ["withdrawal", "", ""]),
        ("all score strikes", "a -ports", "!z", ["", "", ""]),
        ("all only-b german", "b", "!z", ["correction", "correction", ""]),
        ("all score strikes", "a", "edit+strike", ["revision", "", "first"]),
        ("all score strikes", "a", "edit+blocked", ["", "first", ""]),
        ("all score strikes", "a+strike", "edit", ["", "", ""]),
        ("all score strikes", "a edit+strike", "edit+strike+blocked", ["", "first", ""]),
    ];
    for (endpoints, before, happens, expected) in rows {
        let mut desk = Desk::new();
        let ids: Vec<EndpointId> = endpoints.split(' ').map(|id| EndpointId::new(id).expect("a name")).collect();
        desk.rules.alert.routes.retain(|route| ids.contains(&route.endpoint));
        desk.heard_by(&ids, before);
        assert_eq!(desk.heard_by(&ids, happens), expected, "{endpoints}: {before}, then {happens}");
    }
}

/// What an endpoint heard of a story, written down beside the ledger.
#[derive(Debug, Default)]
struct Notes {
    topics: BTreeSet<String>,
    severity: Option<Severity>,
    firsts: u32,
    /// Counts of outlets at which it was told that the story grew.
    grown: BTreeSet<usize>,
}

/// What may happen. Items name a source, whether they say more of the port, and whether they name the strike.
#[derive(Debug, Clone)]
enum Happening {
    Item(char, bool, bool, bool),
    Copy(char),
    SilenceTopic(bool),
    SilenceSource(char),
    SilencesEnd,
    Filters(usize, usize),
    Remove(usize),
    Restore,
    Hours(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let source = || prop::sample::select(vec!['a', 'b', 'c', 'd', 'e', 'f']);
    prop_oneof![
        8 => (source(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(s, b, t, g)| Happening::Item(s, b, t, g)),
        2 => source().prop_map(Happening::Copy),
        1 => any::<bool>().prop_map(Happening::SilenceTopic),
        1 => source().prop_map(Happening::SilenceSource),
        2 => Just(Happening::SilencesEnd),
        2 => (0..4_usize, 0..6_usize).prop_map(|(at, filter)| Happening::Filters(at, filter)),
        1 => (0..4_usize).prop_map(Happening::Remove),
        1 => Just(Happening::Restore),
        1 => (1..4_u64).prop_map(Happening::Hours),
    ]
}

/// One of six filters for an endpoint.
fn filtered(id: &str, filter: usize) -> Route {
    let open = route(id);
    match filter {
        0 => open,
        1 => Route { score_min: Score::from_f64(10.0), ..open },
        2 => Route { severity_min: Severity::Critical, ..open },
        3 => Route { sources: vec![source("b"), source("c")], ..open },
        4 => Route { languages: vec![crate::model::Lang::from_tag("de").expect("a language")], ..open },
        _ => Route { topics: vec![topic_id("strikes")], ..open },
    }
}

const IDS: [&str; 4] = ["one", "two", "three", "four"];

struct Watched {
    desk: Desk,
    notes: BTreeMap<(String, String), Notes>,
}

impl Watched {
    fn new() -> Self {
        let mut desk = Desk::new();
        desk.rules.alert.routes = IDS.iter().enumerate().map(|(at, id)| filtered(id, at)).collect();
        Self { desk, notes: BTreeMap::new() }
    }

    fn live(&mut self, what: &Happening) -> Result<(), TestCaseError> {
        let routes = &mut self.desk.rules.alert.routes;
        match *what {
            Happening::Item(from, blocked, strike, german) => {
                let (blocked, strike) = (if blocked { "+blocked" } else { "" }, if strike { "+strike" } else { "" });
                let step = format!("{from}{blocked}{strike}{}", if german { "/de" } else { "" });
                let decision = self.desk.step(&step).expect("a report");
                self.judge(&decision)?;
            }
            Happening::Copy(from) => {
                if self.desk.has_reported() {
                    let decision = self.desk.step(&format!("copy:{from}")).expect("a copy");
                    self.judge(&decision)?;
                }
            }
            Happening::SilenceTopic(ports) => {
                self.desk.step(if ports { "-ports" } else { "-strikes" });
            }
            Happening::SilenceSource(from) => {
                self.desk.step(&format!("-@{from}"));
            }
            Happening::SilencesEnd => self.desk.ledger.silences.clear(),
            Happening::Filters(at, filter) => {
                if let Some(route) = routes.iter_mut().find(|route| route.endpoint.as_str() == IDS[at]) {
                    *route = filtered(IDS[at], filter);
                }
            }
            Happening::Remove(at) => routes.retain(|route| route.endpoint.as_str() != IDS[at]),
            Happening::Restore => {
                for (at, id) in IDS.iter().enumerate() {
                    if routes.iter().all(|route| route.endpoint.as_str() != *id) {
                        routes.insert(0, filtered(id, at));
                    }
                }
            }
            Happening::Hours(hours) => self.desk.now = self.desk.now.plus(std::time::Duration::from_secs(3600 * hours)),
        }
        Ok(())
    }

    /// Holds what a report gave rise to against what each endpoint heard before.
    fn judge(&mut self, decision: &Decision) -> Result<(), TestCaseError> {
        let story = decision.story().expect("a story");
        let state = self.desk.ledger.story(story).expect("it is known").clone();
        for route in &self.desk.rules.alert.routes {
            let name = route.endpoint.as_str();
            let heard =
                decision.alerts.iter().filter(|alert| alert.endpoints.iter().any(|to| to.endpoint == route.endpoint));
            let heard: Vec<_> = heard.collect();
            prop_assert!(heard.len() <= 1, "{name} hears of one report by {} alerts", heard.len());
            let notes = self.notes.entry((name.to_owned(), story.to_string())).or_default();
            for alert in &heard {
                let draft = &alert.draft;
                if draft.kind == AlertKind::Matched {
                    notes.firsts += 1;
                    prop_assert!(notes.firsts == 1, "{name} hears of {story} for the first time twice");
                }
                prop_assert!(notes.firsts == 1, "{name} hears {} of {story} first", draft.reason);
                for topic in &draft.topics {
                    let known = !notes.topics.insert(topic.matched.topic.as_str().to_owned());
                    prop_assert!(topic.new != known, "{name}: {} new {} known {known}", topic.matched.topic, topic.new);
                }
                if draft.reason == AlertReason::Severity {
                    prop_assert!(Some(draft.severity) > notes.severity, "{name}: no more severe");
                }
                if draft.reason == AlertReason::Growth {
                    let of_told = state.topics.iter().filter(|topic| notes.topics.contains(topic.topic.as_str()));
                    let outlets: BTreeSet<_> = of_told.flat_map(|topic| &topic.outlets).collect();
                    let steps = self.desk.rules.alert.steps_passed(outlets.len());
                    prop_assert!(notes.grown.insert(steps), "{name}: grown to step {steps} twice");
                }
                notes.severity = notes.severity.max(Some(draft.severity));
            }
            // Whatever passes the filter and is under no silence is known to the endpoint from then on.
            let item = &decision.prepared.item;
            let from = |list: &[crate::model::SourceId]| list.is_empty() || list.contains(&item.source);
            let spoken = route.languages.is_empty() || item.lang.is_some_and(|lang| route.languages.contains(&lang));
            for matched in &decision.prepared.matches {
                let topic = state.topics.iter().find(|topic| topic.topic == matched.topic).expect("it is noted");
                let wanted = route.topics.is_empty() || route.topics.contains(&topic.topic);
                let enough = topic.score >= route.score_min && topic.severity >= route.severity_min;
                let silenced = |ledger: &Ledger| {
                    ledger
                        .silences
                        .iter()
                        .any(|silence| silence.topics.contains(&topic.topic) || silence.sources.contains(&item.source))
                };
                if wanted && enough && spoken && from(&route.sources) && !silenced(&self.desk.ledger) {
                    let known = notes.topics.contains(topic.topic.as_str());
                    prop_assert!(known, "{name} lost {} of {story}", topic.topic);
                    let listener = Listener::Endpoint(route.endpoint.clone());
                    let told = state.told(&listener).is_some_and(|told| told.has(&topic.topic));
                    prop_assert!(told, "{name} heard of {} and the ledger does not know", topic.topic);
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn raise_in_any_order_no_endpoint_hears_twice_and_none_loses(story in prop::collection::vec(happening(), 1..40)) {
        let mut watched = Watched::new();
        for happening in &story {
            watched.live(happening)?;
        }
    }
}
