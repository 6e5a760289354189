//! Items: the list, what a search finds, and one with its evidence marked where it stands.

use serde_json::{Value, json};

use super::marks::{MarkedPlace, paragraphs};
use super::parts::{choices, given, turns};
use crate::http::asked::AskedQuery;
use crate::http::cursor::ListCursor;
use crate::http::look::StoreLook;
use crate::http::refusal::AnswerRefusal;
use crate::http::{one as single, rows};
use crate::store::ItemRecord;

pub(super) fn list(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let (found, _) = rows::items(look, asked)?;
    let next = found.rows.last().filter(|_| found.more).map(|item| ListCursor { first: item.seq, second: 0 });
    Ok(json!({
        "given": given(asked, &["source", "topic", "since"]),
        "choices": choices(look),
        "turns": turns(asked, next, look),
        "items": found.rows,
    }))
}

pub(super) fn search(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let (hits, next) = if asked.text("q").is_some() {
        let found = rows::search(look, asked)?;
        let next = found.rows.last().filter(|_| found.more).map(|hit| ListCursor { first: hit.item.seq, second: 0 });
        (Some(found.rows), next)
    } else {
        (None, None)
    };
    Ok(json!({
        "given": given(asked, &["q", "source", "topic", "since"]),
        "choices": choices(look),
        "turns": turns(asked, next, look),
        "hits": hits,
        "lag": look.store.search_lag()?,
    }))
}

/// A rule that hit, as it is stored.
struct StoredHit {
    field: String,
    place: MarkedPlace,
}

fn hits(item: &ItemRecord) -> Vec<StoredHit> {
    let mut out = Vec::new();
    for (at, matched) in item.matches.iter().enumerate() {
        let rules: Vec<Value> = serde_json::from_str(matched.evidence.get()).unwrap_or_default();
        for rule in rules {
            let number = |key: &str| rule[key].as_u64().and_then(|n| usize::try_from(n).ok());
            if let (Some(start), Some(end)) = (number("start"), number("end")) {
                let field = rule["field"].as_str().unwrap_or_default().to_owned();
                out.push(StoredHit { field, place: MarkedPlace { start, end, topic: at + 1 } });
            }
        }
    }
    out
}

pub(super) fn one(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let item = single::item(look, &asked.id)?;
    let hits = hits(&item);
    let places = |field: &str| -> Vec<MarkedPlace> {
        hits.iter().filter(|hit| hit.field == field).map(|hit| hit.place).collect()
    };
    let body = if item.text.is_empty() { &item.summary } else { &item.text };
    let matches: Vec<Value> = item
        .matches
        .iter()
        .enumerate()
        .map(|(at, matched)| {
            let rules: Value = serde_json::from_str(matched.evidence.get()).unwrap_or_else(|_| json!([]));
            json!({
                "number": at + 1, "topic": matched.topic, "score": matched.score, "threshold": matched.threshold,
                "severity": matched.severity, "rules": rules,
            })
        })
        .collect();
    let alerts = look.store.alerts_of_item(item.line.id)?;
    let path = if !alerts.is_empty() {
        "alert"
    } else if item.quiet {
        "quiet"
    } else if item.matches.is_empty() {
        "no topic"
    } else {
        "told before"
    };
    let raw = serde_json::to_string_pretty(&item).unwrap_or_default();
    let id = item.line.id;
    let mut shown = json!(item);
    // A list that is left out where it is empty.
    if shown["revisions"].is_null() {
        shown["revisions"] = json!([]);
    }
    Ok(json!({
        "headline": paragraphs(&item.title, &places("title")),
        "paragraphs": paragraphs(body, &places("body")),
        "matches": matches,
        "alerts": alerts.iter().map(|(id, silence)| json!({"id": id, "silence": silence})).collect::<Vec<_>>(),
        "fate": path,
        "labels": look.store.labels_of(id)?,
        "choices": choices(look),
        "actions": super::operations::deeds(look, &id.to_string())?,
        "raw": raw,
        "item": shown,
    }))
}
