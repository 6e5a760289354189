//! Alerts: the list, and why one was raised and who was told.

use serde_json::{Value, json};

use super::stories::{choices, given, told, turns};
use crate::http::asked::Asked;
use crate::http::cursor::Cursor;
use crate::http::look::Look;
use crate::http::refusal::Refusal;
use crate::http::{one as single, rows};
use crate::store::AlertRecord;

/// An alert without its payload, with what it is about in words.
pub(super) fn line(alert: &AlertRecord) -> Value {
    let payload: Value = serde_json::from_str(alert.payload.get()).unwrap_or_default();
    let data = &payload["data"];
    let said = [&data["item"]["title"], &data["summary"], &data["source"]["error"]];
    let title = said.iter().find_map(|text| text.as_str()).unwrap_or_default();
    json!({
        "id": alert.id, "sequence": alert.sequence, "kind": alert.r#type, "topics": alert.topics,
        "source": alert.source, "reason": alert.reason, "severity": alert.severity, "score": alert.score,
        "story": alert.story, "item": alert.item, "outlets": alert.outlets, "at": alert.at,
        "silenced_by": alert.silenced_by, "title": title, "outlet": data["item"]["outlet"],
    })
}

pub(super) fn list(look: &Look, asked: &Asked) -> Result<Value, Refusal> {
    let (found, _) = rows::alerts(look, asked)?;
    let next = found.rows.last().filter(|_| found.more);
    let next = next.map(|alert| Cursor { first: alert.sequence.cast_signed(), second: 0 });
    Ok(json!({
        "given": given(asked, &["topic", "story", "since"]),
        "choices": choices(look),
        "turns": turns(asked, next, look),
        "alerts": found.rows.iter().map(line).collect::<Vec<_>>(),
    }))
}

pub(super) fn one(look: &Look, asked: &Asked) -> Result<Value, Refusal> {
    let alert = single::alert(look, &asked.id)?;
    let payload: Value = serde_json::from_str(alert.payload.get()).unwrap_or_default();
    let list = |key: &str| if payload["data"][key].is_array() { payload["data"][key].clone() } else { json!([]) };
    let told = told(look, std::slice::from_ref(&alert))?.pop().unwrap_or_default();
    let named: Vec<&str> = told["deliveries"]
        .as_array()
        .map(|rows| rows.iter().filter_map(|row| row["endpoint"].as_str()).collect())
        .unwrap_or_default();
    let untold: Vec<Value> = look
        .config
        .endpoints
        .iter()
        .filter(|endpoint| !named.contains(&endpoint.id.as_str()))
        .map(|endpoint| {
            json!({
                "id": endpoint.id.as_str(),
                "why": if !endpoint.enabled {
                    "it is off in the config"
                } else if alert.silenced_by.is_some() {
                    "the alert fell under a silence"
                } else {
                    "its filters did not let it through, or it was not there yet"
                },
            })
        })
        .collect();
    Ok(json!({
        "alert": line(&alert),
        "deliveries": told["deliveries"],
        "untold": untold,
        "item": payload["data"]["item"],
        "story": payload["data"]["story"],
        "topics": list("topics"),
        "evidence": list("evidence"),
        "news": list("new"),
        "growth": payload["data"]["growth"],
        "previous": payload["data"]["previous"],
        "raw": serde_json::to_string_pretty(&payload).unwrap_or_default(),
    }))
}
