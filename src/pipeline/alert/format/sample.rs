//! A payload of each type, as an example: templates are tried on them when they are loaded. Their words are
//! invented.

use serde_json::{Value, json};

/// An `alert.matched`.
pub(super) fn matched() -> Value {
    json!({
        "type": "alert.matched",
        "timestamp": "2025-03-17T08:02:11Z",
        "data": {
            "alert": {"id": "alr_00000000000000000000000001", "sequence": 812, "reason": "first", "severity": "high"},
            "topics": [
                {"id": "harbour-works", "label": "Harbour works", "score": 8.5, "threshold": 5, "severity": "high", "new": true},
                {"id": "budgets", "label": "Town budgets", "score": 6, "threshold": 5, "severity": "medium", "new": true}
            ],
            "story": {
                "id": "sty_0000000000001", "title": "Council to vote on harbour wall", "first_seen": "2025-03-16T18:30:00Z",
                "items": 4, "outlets": ["gazette.example", "herald.example", "ledger.example"], "outlets_total": 3,
                "languages": ["en"], "phase": "developing",
                "related": [{"id": "sty_0000000000002", "title": "Storm breaks the old harbour wall"}], "merged_from": []
            },
            "item": {
                "id": "itm_0000000000001", "title": "Town council approves new harbour wall",
                "url": "https://gazette.example/2025/harbour-wall", "outlet": "gazette.example", "source": "gazette-local",
                "publisher": "The Gazette", "author": "A. Author", "published": "2025-03-17T07:58:00Z",
                "date_suspect": false, "first_seen": "2025-03-17T08:02:11Z", "lang": "en",
                "excerpt": "After a long evening the mayor was tired. The council voted on Monday to build a new wall around the old harbour for 12 million crowns."
            },
            "evidence": [
                {"topic": "harbour-works", "rule": "wall", "field": "title", "text": "harbour wall", "start": 26, "end": 38,
                 "points": 5, "passage": "Town council approves new harbour wall"},
                {"topic": "harbour-works", "rule": "council", "field": "body", "text": "council voted", "start": 46, "end": 59,
                 "points": 3.5, "passage": "The council voted on Monday to build a new wall around the old harbour for 12 million crowns."}
            ],
            "sightings": {"exact": 1, "near": 2},
            "new": [], "growth": null, "previous": null
        }
    })
}

/// A `story.updated` or a correction, with what its reason brings.
fn updated(kind: &str, reason: &str, with: &[(&str, Value)]) -> Value {
    let mut payload = matched();
    payload["type"] = kind.into();
    payload["timestamp"] = "2025-03-17T09:30:00Z".into();
    payload["data"]["alert"] =
        json!({"id": "alr_00000000000000000000000002", "sequence": 813, "reason": reason, "severity": "high"});
    payload["data"]["previous"] = json!({"alert": "alr_00000000000000000000000001", "sequence": 812});
    for topic in payload["data"]["topics"].as_array_mut().into_iter().flatten() {
        topic["new"] = false.into();
    }
    for (pointer, value) in with {
        *payload.pointer_mut(pointer).expect("invariant: the sample has it") = value.clone();
    }
    payload
}

/// Every other type a template meets, and every reason.
pub(super) fn others() -> Vec<Value> {
    let alert = |reason: &str| json!({"id": "alr_00000000000000000000000003", "sequence": 814, "reason": reason, "severity": "medium"});
    let of = |kind: &str, data: Value| json!({"type": kind, "timestamp": "2025-03-17T09:00:00Z", "data": data});
    let endpoint = json!({"id": "desk"});
    let mut all = updates();
    all.extend([
        of("endpoint.test", json!({"alert": alert("test"), "summary": "A test of endpoint desk: nothing happened in the world", "endpoint": endpoint})),
        digest(),
        of(
            "alerts.suppressed",
            json!({"alert": alert("rate"), "summary": "2 alerts held back: more than 30/m", "alerts": 2,
                   "topics": [{"id": "harbour-works", "alerts": 2}], "entries": digest()["data"]["entries"], "omitted": 0}),
        ),
        of("endpoint.failing", json!({"alert": alert("failing"), "summary": "Endpoint desk fails: alerts for it wait", "endpoint": endpoint, "detail": "answered 500"})),
        of("endpoint.disabled", json!({"alert": alert("disabled"), "summary": "Endpoint desk is disabled: alerts for it wait until it is enabled", "endpoint": endpoint, "detail": "answered 410"})),
        of("endpoint.recovered", json!({"alert": alert("recovered"), "summary": "Endpoint desk works again", "endpoint": endpoint})),
    ]);
    all.extend(["failing", "recovered", "silent", "over_quota"].map(source));
    all
}

fn updates() -> Vec<Value> {
    let growth = json!({
        "outlets": ["courier.example", "mirror.example", "post.example", "tide.example", "wave.example"],
        "headlines": [
            {"outlet": "courier.example", "title": "A wall for the harbour, at last", "url": "https://courier.example/wall"},
            {"outlet": "mirror.example", "title": "Twelve million for stones", "url": null}
        ]
    });
    let news = json!([
        {"kind": "quantity", "text": "14 million crowns", "was": "12 million crowns"},
        {"kind": "actor", "text": "the fishers' union", "was": null}
    ]);
    let edited = json!([{"kind": "headline", "text": "Town council rejects new harbour wall", "was": "Town council approves new harbour wall"}]);
    vec![
        updated("story.updated", "topic", &[("/data/topics/1/new", true.into())]),
        updated("story.updated", "severity", &[("/data/alert/severity", "critical".into())]),
        updated("story.updated", "growth", &[("/data/growth", growth), ("/data/story/outlets_total", 8.into())]),
        updated("story.updated", "development", &[("/data/new", news)]),
        updated("story.updated", "revision", &[]),
        updated(
            "item.corrected",
            "correction",
            &[("/data/item/title", "Town council rejects new harbour wall".into()), ("/data/new", edited)],
        ),
        updated("item.withdrawn", "withdrawal", &[]),
    ]
}

/// An `alerts.digest` of two stories.
pub(super) fn digest() -> Value {
    let (first, update) = (matched(), updated("story.updated", "development", &[]));
    let entry = |payload: &Value| {
        let data = &payload["data"];
        let mut item = data["item"].clone();
        for unlisted in ["author", "lang", "excerpt"] {
            item.as_object_mut().expect("invariant: an item is an object").remove(unlisted);
        }
        json!({"type": payload["type"], "alert": data["alert"], "topics": data["topics"], "item": item,
               "story": {"id": data["story"]["id"], "title": data["story"]["title"], "items": 4, "outlets_total": 3},
               "summary": null})
    };
    let mut ferry = entry(&first);
    ferry["story"] = json!({"id": "sty_0000000000003", "title": "Ferry runs aground", "items": 1, "outlets_total": 1});
    ferry["item"]["title"] = "Ferry runs aground off the pier".into();
    ferry["item"]["url"] = Value::Null;
    ferry["alert"]["severity"] = "critical".into();
    json!({"type": "alerts.digest", "timestamp": "2025-03-18T07:00:00Z", "data": {
        "alert": {"id": "alr_00000000000000000000000004", "sequence": 815, "reason": "quiet", "severity": "critical"},
        "summary": "2 stories from the quiet hours", "alerts": 2, "entries": [entry(&update), ferry], "omitted": 0}})
}

fn source(state: &str) -> Value {
    let reason = format!("source_{state}");
    let (summary, failure) = match state {
        "failing" => ("The Gazette: cannot be read: timeout: no answer in 30 s", Some("timeout")),
        "silent" => ("The Gazette: no news for longer than usual", None),
        "over_quota" => (
            "The Gazette: has sent 1048576 KiB today, which reaches `bytes_per_day_max`: polled again from 2025-03-18T00:00:00Z on",
            None,
        ),
        _ => ("The Gazette: works again", None),
    };
    json!({"type": format!("source.{state}"), "timestamp": "2025-03-17T09:00:00Z", "data": {
        "summary": summary,
        "alert": {"id": "alr_00000000000000000000000005", "sequence": 816, "reason": reason, "severity": "medium"},
        "source": {"id": "gazette-local", "url": "https://gazette.example/feed", "title": "The Gazette",
                   "state": match state { "recovered" => "ok", "over_quota" => "over-quota", other => other }, "failure": failure, "error": failure.map(|_| "no answer in 30 s"),
                   "since": "2025-03-17T03:00:00Z", "last_success": null, "last_new_item": null, "usual_period_s": 3600,
                   "next_poll": "2025-03-17T10:00:00Z"}}})
}
