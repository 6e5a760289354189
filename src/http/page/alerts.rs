//! Alerts: the list, and why one was raised and who was told.

use serde_json::{Value, json};

use super::parts::{alert_line, choices, given, told, turns};
use crate::http::asked::AskedQuery;
use crate::http::cursor::ListCursor;
use crate::http::look::StoreLook;
use crate::http::refusal::AnswerRefusal;
use crate::http::{one as single, rows};
use crate::view::untold;

pub(super) fn list(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let (found, _) = rows::alerts(look, asked)?;
    let next = found.rows.last().filter(|_| found.more);
    let next = next.map(|alert| ListCursor { first: alert.sequence.cast_signed(), second: 0 });
    Ok(json!({
        "given": given(asked, &["topic", "story", "since"]),
        "choices": choices(look),
        "turns": turns(asked, next, look),
        "alerts": found.rows.iter().map(alert_line).collect::<Vec<_>>(),
    }))
}

pub(super) fn one(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let alert = single::alert(look, &asked.id)?;
    let payload: Value = serde_json::from_str(alert.payload.get()).unwrap_or_default();
    let list = |key: &str| if payload["data"][key].is_array() { payload["data"][key].clone() } else { json!([]) };
    let told = told(look, std::slice::from_ref(&alert))?.pop().unwrap_or_default();
    let rows = told["deliveries"].as_array().into_iter().flatten();
    let named: Vec<String> = rows.filter_map(|row| row["endpoint"].as_str().map(str::to_owned)).collect();
    let untold = untold(&look.store, &look.config, &alert, &named)?;
    Ok(json!({
        "alert": alert_line(&alert),
        "deliveries": told["deliveries"],
        "untold": untold,
        "item": payload["data"]["item"],
        "story": payload["data"]["story"],
        "topics": list("topics"),
        "evidence": by_passage(&list("evidence")),
        "news": list("new"),
        "growth": payload["data"]["growth"],
        "previous": payload["data"]["previous"],
        "raw": serde_json::to_string_pretty(&payload).unwrap_or_default(),
    }))
}

/// What rules found, passage by passage: one that several found is shown once.
fn by_passage(evidence: &Value) -> Vec<Value> {
    let mut passages: Vec<(&str, Vec<&Value>)> = Vec::new();
    for hit in evidence.as_array().into_iter().flatten() {
        let text = hit["passage"].as_str().or(hit["text"].as_str()).unwrap_or_default();
        match passages.iter_mut().find(|(known, _)| *known == text) {
            Some((_, hits)) => hits.push(hit),
            None => passages.push((text, vec![hit])),
        }
    }
    passages.into_iter().map(|(text, hits)| json!({"passage": text, "hits": hits})).collect()
}
