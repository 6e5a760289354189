//! A payload of each type, as an example: templates are tried on them when they are loaded, and
//! `endpoints test` sends one. Their words are invented.

use serde_json::{Value, json};

/// An `alert.matched`.
pub(super) fn matched() -> Value {
    json!({
        "type": "alert.matched",
        "timestamp": "2025-03-17T08:02:11Z",
        "data": {
            "alert": {"id": "alr_00000000000000000000000000000001", "sequence": 812, "reason": "first", "severity": "high"},
            "topics": [{"id": "harbour-works", "label": "Harbour works", "score": 8.5, "threshold": 5, "severity": "high", "new": true}],
            "story": {
                "id": "sty_0000000000001", "title": "Town council approves new harbour wall",
                "first_seen": "2025-03-17T08:02:11Z", "items": 4, "outlets": ["gazette", "herald", "ledger"],
                "outlets_total": 3, "languages": ["en"], "phase": "developing", "related": [], "merged_from": []
            },
            "item": {
                "id": "itm_0000000000001", "title": "Town council approves new harbour wall",
                "url": "https://gazette.example/2025/harbour-wall", "outlet": "gazette", "source": "gazette", "publisher": "Gazette",
                "author": "A. Author", "published": "2025-03-17T07:58:00Z", "date_suspect": false,
                "first_seen": "2025-03-17T08:02:11Z", "lang": "en",
                "excerpt": "The council voted on Monday to build a new wall around the old harbour."
            },
            "evidence": [
                {"topic": "harbour-works", "rule": "wall", "field": "title", "text": "harbour wall", "start": 26, "end": 38, "points": 5},
                {"topic": "harbour-works", "rule": "council", "field": "body", "text": "council", "start": 4, "end": 11, "points": 3.5}
            ],
            "sightings": {"exact": 1, "near": 2},
            "new": [], "growth": null, "previous": null
        }
    })
}

/// Every other type a template meets.
pub(super) fn others() -> Vec<Value> {
    let alert = |reason: &str| json!({"id": "alr_00000000000000000000000000000002", "sequence": 813, "reason": reason, "severity": "medium"});
    let of = |kind: &str, data: Value| json!({"type": kind, "timestamp": "2025-03-17T09:00:00Z", "data": data});
    let sample = matched();
    let entry = json!({
        "type": "alert.matched", "alert": sample["data"]["alert"], "topics": [{"id": "harbour-works", "label": "Harbour works"}],
        "story": {"id": "sty_0000000000001", "title": "Town council approves new harbour wall", "items": 4, "outlets_total": 3},
        "item": {"title": "Town council approves new harbour wall", "url": null, "outlet": "gazette"}
    });
    let mut updated = sample.clone();
    updated["type"] = "story.updated".into();
    updated["data"]["alert"] = alert("growth");
    vec![
        updated,
        of(
            "endpoint.test",
            json!({"alert": alert("test"), "summary": "A test of endpoint desk", "endpoint": {"id": "desk"}}),
        ),
        of(
            "alerts.digest",
            json!({"alert": alert("digest"), "summary": "2 alerts", "alerts": 2, "entries": [entry, entry], "omitted": 0}),
        ),
        of(
            "alerts.suppressed",
            json!({"alert": alert("rate"), "summary": "7 alerts suppressed", "alerts": 7, "topics": [{"id": "harbour-works", "alerts": 7}]}),
        ),
        of(
            "endpoint.disabled",
            json!({"alert": alert("disabled"), "summary": "Endpoint desk is disabled", "endpoint": {"id": "desk"}, "detail": "answered 410"}),
        ),
        of(
            "source.failing",
            json!({"alert": alert("source_failing"), "source": {"id": "gazette"}, "detail": "timeout"}),
        ),
    ]
}
