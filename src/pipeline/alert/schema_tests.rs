//! `docs/schema` says what is really sent: the files are generated from the types, and payloads as they
//! are rendered are checked against the files.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::schema_check_tests::{has_problems, problems};
use super::*;
use crate::model::{
    AlertDraft, AlertId, AlertKind, AlertNews, AlertReason, AlertTopic, EndpointId, Evidence, FeedFailure, FeedState,
    Field, Health, Item, ItemKey, Lang, Match, NewsKind, Origin, Phase, RawItem, RawText, RelatedStory, Score,
    Severity, SourceHealth, SourceId, SourceKind, StoryId, StorySummary, Timestamp, TopicId, UnreliableHub,
};

const NOW: Timestamp = Timestamp::from_seconds(1_742_198_531);

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/schema").join(name)
}

fn current(name: &str, schema: &Value) -> Value {
    let text = serde_json::to_string_pretty(schema).expect("JSON") + "\n";
    if std::env::var_os("WIREWATCH_WRITE").is_some() {
        std::fs::create_dir_all(file("")).expect("a folder");
        std::fs::write(file(name), &text).expect("written");
    }
    let written = std::fs::read_to_string(file(name)).unwrap_or_default();
    assert_eq!(text, written, "docs/schema/{name} is not what the types say: WIREWATCH_WRITE=1 writes it anew");
    serde_json::from_str(&text).expect("JSON")
}

/// Closes what is closed: words of a set, the form of ids and names, what goes with which type.
fn closed(schema: &schemars::Schema, rules: &[(&str, Value)], conditions: &[Value]) -> Value {
    let mut schema = schema.as_value().clone();
    for (pointer, rule) in rules {
        let field = schema.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}"));
        for (keyword, value) in rule.as_object().expect("keywords") {
            field[keyword] = value.clone();
        }
    }
    if !conditions.is_empty() {
        schema["allOf"] = conditions.to_vec().into();
    }
    schema
}

fn one_of<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> Value {
    json!({"enum": words.into_iter().map(|word| word.as_ref().to_owned()).collect::<Vec<_>>()})
}

fn severities() -> Value {
    one_of(Severity::ALL.map(Severity::as_str))
}

fn id_of(prefix: &str, digits: usize) -> Value {
    json!({"pattern": format!("^{prefix}[0-9a-hjkmnp-tv-z]{{{digits}}}$")})
}

fn alert_id() -> Value {
    id_of("alr_", 26)
}

fn named() -> Value {
    json!({"pattern": "^[a-z0-9._-]{1,64}$"})
}

fn link() -> Value {
    json!({"pattern": "^https?://"})
}

/// What goes with a type or a reason.
fn when(field: &[&str], is: &str, then: &Value) -> Value {
    let nested = field.iter().rev().fold(json!({"const": is}), |inner, name| json!({"properties": {*name: inner}}));
    json!({"if": nested, "then": then})
}

fn reasons(of: &[AlertReason]) -> Value {
    one_of(of.iter().map(|reason| reason.as_str()))
}

fn kinds(of: &[AlertKind]) -> Value {
    one_of(of.iter().map(|kind| kind.as_str()))
}

fn alert_schema() -> Value {
    use AlertReason as R;
    let updates = [R::Topic, R::Severity, R::Growth, R::Development, R::Revision];
    let told = [&[R::First, R::Correction, R::Withdrawal][..], &updates[..]].concat();
    let stories = [AlertKind::Matched, AlertKind::StoryUpdated, AlertKind::ItemCorrected, AlertKind::ItemWithdrawn];
    let fields = [Field::Title, Field::Body, Field::Url, Field::Tag, Field::Source, Field::Lang].map(Field::as_str);
    let phases = [0, 2, 10].map(|outlets| Phase::of_outlets(outlets).as_str());
    let data = |rule: Value| json!({"properties": {"data": {"properties": rule}}});
    let reason = |rule: Value| data(json!({"alert": {"properties": {"reason": rule}}}));
    let with_previous = |kind: &str| when(&["type"], kind, &data(json!({"previous": {"type": "object"}})));
    closed(
        &payload::schema(),
        &[
            ("/properties/type", kinds(&stories)),
            ("/$defs/AlertHead/properties/id", alert_id()),
            ("/$defs/AlertHead/properties/reason", reasons(&told)),
            ("/$defs/AlertHead/properties/severity", severities()),
            ("/$defs/TopicView/properties/id", named()),
            ("/$defs/TopicView/properties/severity", severities()),
            ("/$defs/StoryView/properties/id", id_of("sty_", 13)),
            ("/$defs/StoryView/properties/outlets", json!({"maxItems": 50})),
            ("/$defs/StoryView/properties/phase", one_of(phases)),
            ("/$defs/StoryView/properties/languages/items", json!({"pattern": "^[a-z]{2,3}$"})),
            ("/$defs/StoryView/properties/merged_from/items", id_of("sty_", 13)),
            ("/$defs/RelatedView/properties/id", id_of("sty_", 13)),
            ("/$defs/ItemView/properties/id", id_of("itm_", 13)),
            ("/$defs/ItemView/properties/url", link()),
            ("/$defs/ItemView/properties/source", named()),
            ("/$defs/ItemView/properties/lang", json!({"pattern": "^[a-z]{2,3}$"})),
            ("/$defs/EvidenceView/properties/topic", named()),
            ("/$defs/EvidenceView/properties/field", one_of(fields)),
            ("/$defs/NewsView/properties/kind", one_of(NewsKind::ALL.map(NewsKind::as_str))),
            ("/$defs/HeadlineView/properties/url", link()),
            ("/$defs/GrowthView/properties/headlines", json!({"maxItems": 2})),
            ("/$defs/PreviousView/properties/alert", alert_id()),
        ],
        &[
            when(&["type"], "alert.matched", &reason(json!({"const": "first"}))),
            when(&["type"], "alert.matched", &data(json!({"previous": {"type": "null"}}))),
            when(&["type"], "story.updated", &reason(reasons(&updates))),
            when(&["type"], "item.corrected", &reason(json!({"const": "correction"}))),
            when(&["type"], "item.withdrawn", &reason(json!({"const": "withdrawal"}))),
            when(&["data", "alert", "reason"], "growth", &data(json!({"growth": {"type": "object"}}))),
            with_previous("story.updated"),
            with_previous("item.corrected"),
            with_previous("item.withdrawn"),
        ],
    )
}

fn notice_schema() -> Value {
    let types = [
        AlertKind::Test,
        AlertKind::Digest,
        AlertKind::Suppressed,
        AlertKind::EndpointFailing,
        AlertKind::EndpointDisabled,
        AlertKind::EndpointRecovered,
    ];
    use AlertReason as R;
    let any = [
        R::First,
        R::Topic,
        R::Severity,
        R::Growth,
        R::Development,
        R::Revision,
        R::Correction,
        R::Withdrawal,
        R::SourceFailing,
        R::SourceRecovered,
        R::SourceSilent,
        R::SourceOverQuota,
        R::SourcePushUnreliable,
    ];
    let words = ["test", "quiet", "digest", "rate", "failing", "disabled", "recovered", "unwritten"];
    let needs =
        |kind: &str, fields: &[&str]| when(&["type"], kind, &json!({"properties": {"data": {"required": fields}}}));
    closed(
        &notice::schema(),
        &[
            ("/properties/type", kinds(&types)),
            ("/$defs/Head/properties/id", alert_id()),
            ("/$defs/Head/properties/reason", one_of(words)),
            ("/$defs/Head/properties/severity", severities()),
            ("/$defs/Named/properties/id", named()),
            ("/$defs/Count/properties/id", named()),
            ("/$defs/AlertHead/properties/id", alert_id()),
            ("/$defs/AlertHead/properties/severity", severities()),
            ("/$defs/AlertHead/properties/reason", reasons(&any)),
            ("/$defs/TopicView/properties/id", named()),
            ("/$defs/TopicView/properties/severity", severities()),
            ("/$defs/Entry/properties/type", kinds(&AlertKind::ALL)),
            ("/$defs/EntryStory/properties/id", id_of("sty_", 13)),
            ("/$defs/EntryItem/properties/id", id_of("itm_", 13)),
            ("/$defs/EntryItem/properties/url", link()),
        ],
        &[
            needs("alerts.digest", &["alerts", "entries", "omitted"]),
            needs("alerts.suppressed", &["alerts", "topics", "entries", "omitted"]),
            needs("endpoint.test", &["endpoint"]),
            needs("endpoint.failing", &["endpoint"]),
            needs("endpoint.disabled", &["endpoint"]),
            needs("endpoint.recovered", &["endpoint"]),
        ],
    )
}

fn source_schema() -> Value {
    use AlertReason as R;
    closed(
        &source::schema(),
        &[
            (
                "/properties/type",
                kinds(&[
                    AlertKind::SourceFailing,
                    AlertKind::SourceRecovered,
                    AlertKind::SourceSilent,
                    AlertKind::SourceOverQuota,
                    AlertKind::SourcePushUnreliable,
                ]),
            ),
            ("/$defs/Head/properties/id", alert_id()),
            (
                "/$defs/Head/properties/reason",
                reasons(&[
                    R::SourceFailing,
                    R::SourceRecovered,
                    R::SourceSilent,
                    R::SourceOverQuota,
                    R::SourcePushUnreliable,
                ]),
            ),
            ("/$defs/Head/properties/severity", severities()),
            ("/$defs/SourceView/properties/id", named()),
            ("/$defs/SourceView/properties/url", link()),
            ("/$defs/SourceView/properties/state", one_of(["failing", "silent", "ok", "over-quota", "gone"])),
        ],
        &[],
    )
}

/// Every place in a payload, with the value there.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Array(list) => list.iter().enumerate().for_each(|(n, v)| places(v, &format!("{at}/{n}"), out)),
        Value::Object(map) => map.iter().for_each(|(k, v)| places(v, &format!("{at}/{k}"), out)),
        _ => {}
    }
}

#[test]
fn schema_refuses_each_field_broken_once() {
    let mut broken = 0;
    for (schema, beginnings) in [
        (alert_schema(), &["alert.", "story.", "item."][..]),
        (notice_schema(), &["alerts.", "endpoint."]),
        (source_schema(), &["source."]),
    ] {
        let samples = format::sample_payloads();
        for payload in
            samples.iter().filter(|p| beginnings.iter().any(|b| p["type"].as_str().is_some_and(|t| t.starts_with(b))))
        {
            check(payload.to_string().as_bytes(), &schema);
            let mut all = Vec::new();
            places(payload, "", &mut all);
            for place in all.iter().filter(|place| !place.is_empty()) {
                let is = payload.pointer(place).expect("there");
                let closed = [
                    "/type",
                    "/reason",
                    "/severity",
                    "/phase",
                    "/field",
                    "/kind",
                    "/state",
                    "/id",
                    "/alert",
                    "/timestamp",
                    "/first_seen",
                    "/url",
                ];
                let wrong = match is {
                    Value::String(_) if closed.iter().any(|end| place.ends_with(end)) => json!("nonsense!"),
                    Value::String(_) | Value::Null | Value::Bool(_) => json!({"a": 1}),
                    Value::Number(_) => json!("seven"),
                    Value::Array(_) | Value::Object(_) => json!(7),
                };
                let mut changed = payload.clone();
                *changed.pointer_mut(place).expect("there") = wrong.clone();
                assert!(has_problems(&changed, &schema), "{}: {place} may be {wrong}", payload["type"]);
                broken += 1;
            }
        }
    }
    assert!(broken > 500, "{broken} places were broken");
}

#[test]
fn schema_refuses_what_does_not_go_together() {
    let schema = alert_schema();
    let samples = format::sample_payloads();
    let of = |reason: &str| samples.iter().find(|p| p["data"]["alert"]["reason"] == reason).expect(reason).clone();
    let (first, growth) = (of("first"), of("growth"));
    for (payload, place, value) in [
        (&first, "/data/alert/reason", json!("growth")),
        (&first, "/data/previous", growth["data"]["previous"].clone()),
        (&growth, "/data/alert/reason", json!("first")),
        (&growth, "/data/growth", Value::Null),
        (&growth, "/data/previous", Value::Null),
        (&first, "/data/alert/sequence", json!(-1)),
        (&first, "/data/evidence/0/start", json!(-4)),
        (&first, "/data/item/published", json!("yesterday")),
        (&first, "/data/item/url", json!("javascript:alert(1)")),
    ] {
        let mut changed = payload.clone();
        *changed.pointer_mut(place).expect("there") = value;
        assert!(has_problems(&changed, &schema), "{place}");
    }
    for name in ["topics", "story", "item", "evidence", "new", "growth", "previous"] {
        let mut changed = first.clone();
        changed["data"].as_object_mut().expect("an object").remove(name);
        assert!(has_problems(&changed, &schema), "no {name}");
    }
}

fn check(payload: &[u8], schema: &Value) {
    let value: Value = serde_json::from_slice(payload).expect("JSON");
    let mut found = Vec::new();
    problems(&value, schema, schema, "", &mut found);
    assert!(found.is_empty(), "{found:#?}\nin {value:#}");
}

fn item(raw: &RawItem) -> Item {
    let origin = Origin { source: SourceId::new("gazette").expect("a name"), kind: SourceKind::Feed, received: NOW };
    let rules =
        crate::pipeline::Rules::of_topics(crate::pipeline::classify::TopicSet::compile(&[], &[]).expect("no topics"));
    crate::pipeline::prepare(raw, &origin, &rules).expect("an item").item
}

fn alert(item: &Item, evidence: Vec<Evidence>) -> AlertDraft {
    AlertDraft {
        id: AlertId::derive(&[b"x"]),
        kind: AlertKind::Matched,
        reason: AlertReason::First,
        at: NOW,
        severity: Severity::High,
        topics: vec![AlertTopic {
            matched: Match {
                topic: TopicId::new("harbour-works").expect("a name"),
                score: Score::from_f64(8.5),
                threshold: Score::from_f64(5.0),
                severity: Severity::High,
                evidence,
            },
            new: true,
        }],
        item: item.id,
        story: StorySummary {
            id: StoryId::from_i64(7),
            title: "Two harbours close".to_owned(),
            first_seen: NOW,
            items: 1,
            outlets: vec!["gazette".to_owned()],
            languages: vec![Lang::EN],
            sightings_exact: 0,
            sightings_near: 1,
            related: vec![RelatedStory { id: StoryId::from_i64(6), title: "A harbour closes".to_owned() }],
            merged_from: vec![StoryId::from_i64(8)],
        },
        news: Vec::new(),
        grown_by: Vec::new(),
    }
}

#[test]
fn schema_alert_is_current_and_holds_for_what_is_sent() {
    let schema = current("alert.json", &alert_schema());
    let bare = RawItem { title: Some(RawText::plain("Two harbours close")), ..RawItem::new(ItemKey::new("1")) };
    let full = RawItem {
        url: Some("https://gazette.example/1".to_owned()),
        content: Some(RawText::plain("The old and the new harbour closed at noon because of the storm.")),
        author: Some("A. Author".to_owned()),
        ..bare.clone()
    };
    let evidence = vec![Evidence {
        rule: "close".to_owned(),
        field: Field::Title,
        text: "harbours close".to_owned(),
        start: 4,
        end: 18,
        weight: Score::from_f64(5.0),
    }];
    for raw in [bare, full] {
        let item = item(&raw);
        for evidence in [Vec::new(), evidence.clone()] {
            let alert = alert(&item, evidence);
            let full = AlertDraft {
                kind: AlertKind::StoryUpdated,
                reason: AlertReason::Growth,
                news: vec![AlertNews { kind: NewsKind::Nth, text: "second".to_owned(), was: Some("first".to_owned()) }],
                grown_by: vec!["herald".to_owned()],
                ..alert.clone()
            };
            for alert in [alert, full] {
                let input = PayloadInput { alert: &alert, item: &item, labels: &["Harbour works"] };
                let mut payload = AlertPayload::of(&input);
                if alert.kind != AlertKind::Matched {
                    let alert = AlertId::derive(&[b"y"]).to_string();
                    payload.data.previous = Some(PreviousView { alert, sequence: 1 });
                }
                check(&payload.to_bytes(), &schema);
                assert_eq!(
                    AlertPayload::from_bytes(&payload.to_bytes()).expect("ours"),
                    payload,
                    "reads what it wrote"
                );
            }
        }
    }
}

/// A story and a source, as a digest lists them.
fn listed() -> ListedStories {
    let samples = format::sample_payloads();
    let entries = ["alert.matched", "source.silent"].map(|kind| {
        let payload = samples.iter().find(|payload| payload["type"] == kind).expect(kind);
        Entry::of(payload.to_string().as_bytes()).expect("an alert")
    });
    ListedStories { entries: entries.into(), omitted: 1 }
}

#[test]
fn schema_notice_is_current_and_holds_for_every_kind() {
    let schema = current("notice.json", &notice_schema());
    let endpoint = EndpointId::new("desk").expect("a name");
    let contents = [
        Content::Endpoint { id: endpoint, detail: Some("answered 410".to_owned()) },
        Content::Digest { alerts: 2, stories: listed() },
        Content::Suppressed { alerts: 7, stories: listed(), topics: vec![("harbour-works".to_owned(), 7)] },
    ];
    let types = [AlertKind::EndpointDisabled, AlertKind::Digest, AlertKind::Suppressed];
    for (content, kind) in contents.into_iter().zip(types) {
        let notice = Notice {
            id: AlertId::derive(&[b"x"]),
            kind,
            reason: "quiet",
            severity: Severity::Low,
            at: NOW,
            summary: "s".to_owned(),
            content,
        };
        check(&notice.payload(3), &schema);
    }
}

#[test]
fn schema_source_is_current_and_holds_for_every_kind() {
    let schema = current("source.json", &source_schema());
    let id = SourceId::new("gazette").expect("a name");
    let rules = AlertRules {
        routes: vec![Route::everything(EndpointId::new("desk").expect("a name"))],
        ..AlertRules::default()
    };
    let cause = source::Cause { rules: &rules, instance: "i", sequence: 7, now: NOW };
    let well = FeedState::new(id.clone(), "https://gazette.example/feed?key=canary".to_owned(), NOW);
    let failing = FeedState {
        failure: Some(FeedFailure::ServerError),
        error: Some("answered 500".to_owned()),
        failing_since: Some(NOW),
        title: Some("Gazette".to_owned()),
        ..well.clone()
    };
    let gone = FeedState { gone: true, last_success_at: Some(NOW), ..failing.clone() };
    let mut health = SourceHealth::new(id);
    let mut kinds = Vec::new();
    let life = [
        (&failing, Health::Failing),
        (&well, Health::Ok),
        (&well, Health::Silent),
        (&well, Health::Ok),
        (&gone, Health::Failing),
    ];
    for (state, now_is) in life {
        let alert = source::tell(&mut health, state, now_is, &cause).expect("a change");
        check(&alert.payload, &schema);
        kinds.push(alert.kind.as_str());
        health.last_new_at = Some(NOW);
        health.period = Some(std::time::Duration::from_secs(3600));
    }
    assert_eq!(kinds, ["source.failing", "source.recovered", "source.silent", "source.recovered", "source.failing"]);
    let hub = UnreliableHub { hub: "hub.example".to_owned(), pushed: 1, missed: 3, since: NOW };
    let alert = source::tell_unreliable(&hub, &health, &well, &cause);
    check(&alert.payload, &schema);
    assert!(String::from_utf8_lossy(&alert.payload).contains("its hub hub.example pushed 1 of 4 new items"));
}

#[test]
fn schema_every_type_on_the_wire_has_one_in_the_docs() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guide/webhooks.md")).expect("the page");
    for kind in AlertKind::ALL {
        let row = page.lines().find(|line| line.starts_with("| `") && line.contains(&format!("`{}`", kind.as_str())));
        let row = row.unwrap_or_else(|| panic!("docs/guide/webhooks.md has no row for {}", kind.as_str()));
        let schema =
            row.split(['(', '|', ' ']).find_map(|part| part.strip_suffix(".json").or(part.strip_suffix(".json)")));
        assert!(schema.is_some(), "{row}");
    }
}
