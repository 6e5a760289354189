//! `docs/schema` says what is really sent: the files are generated from the types, and payloads as they
//! are rendered are checked against the files.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::model::{
    AlertDraft, AlertId, AlertKind, AlertNews, AlertReason, AlertTopic, EndpointId, Evidence, FeedFailure, FeedState,
    Field, Health, Item, ItemKey, Lang, Match, NewsKind, Origin, RawItem, RawText, RelatedStory, Score, Severity,
    SourceHealth, SourceId, SourceKind, StoryId, StorySummary, Timestamp, TopicId,
};

const NOW: Timestamp = Timestamp::from_seconds(1_742_198_531);

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/schema").join(name)
}

fn current(name: &str, schema: &schemars::Schema) -> Value {
    let text = serde_json::to_string_pretty(schema.as_value()).expect("JSON") + "\n";
    if std::env::var_os("WIREWATCH_BLESS").is_some() {
        std::fs::create_dir_all(file("")).expect("a folder");
        std::fs::write(file(name), &text).expect("written");
    }
    let written = std::fs::read_to_string(file(name)).unwrap_or_default();
    assert_eq!(text, written, "docs/schema/{name} is not what the types say: WIREWATCH_BLESS=1 writes it anew");
    serde_json::from_str(&text).expect("JSON")
}

/// What a value has against a schema, for the keywords that the generator writes; others are an error.
fn problems(value: &Value, schema: &Value, root: &Value, at: &str, out: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else { return };
    for (keyword, rule) in keywords {
        match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().and_then(|r| r.strip_prefix('#')).expect("a local reference");
                problems(value, root.pointer(pointer).expect("a definition"), root, at, out);
            }
            "type" => {
                let names: Vec<&str> = rule.as_array().map_or_else(
                    || rule.as_str().into_iter().collect(),
                    |list| list.iter().filter_map(Value::as_str).collect(),
                );
                if !names.iter().any(|name| is(value, name)) {
                    out.push(format!("{at}: {value} is not {names:?}"));
                }
            }
            "required" => {
                for name in rule.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if value.is_object() && value.get(name).is_none() {
                        out.push(format!("{at}: no {name}"));
                    }
                }
            }
            "properties" => {
                for (name, part) in value.as_object().into_iter().flatten() {
                    match rule.get(name) {
                        Some(rule) => problems(part, rule, root, &format!("{at}/{name}"), out),
                        None => out.push(format!("{at}: {name} is not in the schema")),
                    }
                }
            }
            "items" => {
                for part in value.as_array().into_iter().flatten() {
                    problems(part, rule, root, &format!("{at}/*"), out);
                }
            }
            "anyOf" => {
                let fits = |rule: &Value| {
                    let mut found = Vec::new();
                    problems(value, rule, root, at, &mut found);
                    found.is_empty()
                };
                if !rule.as_array().into_iter().flatten().any(fits) {
                    out.push(format!("{at}: fits none of {rule}"));
                }
            }
            "$schema" | "$defs" | "title" | "description" | "format" | "minimum" | "default" => {}
            other => out.push(format!("{at}: this check does not know `{other}`")),
        }
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type is called {other}"),
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
    let schema = current("alert.json", &payload::schema());
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
                news: vec![AlertNews { kind: NewsKind::Nth, text: "second".to_owned(), was: Some("first".to_owned()) }],
                grown_by: vec!["herald".to_owned()],
                ..alert.clone()
            };
            for alert in [alert, full] {
                let input = PayloadInput { alert: &alert, item: &item, labels: &["Harbour works"] };
                let mut payload = AlertPayload::of(&input);
                payload.data.previous = Some(PreviousView { alert: "alr_1".to_owned(), sequence: 1 });
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

#[test]
fn schema_notice_is_current_and_holds_for_every_kind() {
    let schema = current("notice.json", &notice::schema());
    let endpoint = EndpointId::new("desk").expect("a name");
    let contents = [
        Content::Endpoint { id: endpoint, detail: Some("answered 410".to_owned()) },
        Content::Digest { alerts: 2, entries: vec![Entry::of(b"{}")] },
        Content::Suppressed { alerts: 7, topics: vec![("harbour-works".to_owned(), 7)] },
    ];
    for content in contents {
        let notice = Notice {
            id: AlertId::derive(&[b"x"]),
            kind: AlertKind::Digest,
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
    let schema = current("source.json", &source::schema());
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
}

#[test]
fn schema_every_type_on_the_wire_has_one_in_the_docs() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/webhooks.md")).expect("the page");
    for kind in AlertKind::ALL {
        let row = page.lines().find(|line| line.starts_with("| `") && line.contains(&format!("`{}`", kind.as_str())));
        let row = row.unwrap_or_else(|| panic!("docs/webhooks.md has no row for {}", kind.as_str()));
        let schema =
            row.split(['(', '|', ' ']).find_map(|part| part.strip_suffix(".json").or(part.strip_suffix(".json)")));
        assert!(schema.is_some(), "{row}");
    }
}

#[test]
fn schema_check_finds_what_does_not_fit() {
    let schema = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": ["string", "null"]}}});
    let mut found = Vec::new();
    problems(&json!({"a": 1, "b": 2}), &schema, &schema, "", &mut found);
    problems(&json!({}), &schema, &schema, "", &mut found);
    assert_eq!(found, ["/a: 1 is not [\"string\", \"null\"]", ": b is not in the schema", ": no a"]);
}
