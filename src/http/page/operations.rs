//! What an operator looks at: topics, feeds, deliveries, endpoints, silences, and how everything stands.

use serde_json::{Value, json};

use super::parts::{choices, given, turns};
use crate::action::{self, ActionScene};
use crate::http::asked::AskedQuery;
use crate::http::look::StoreLook;
use crate::http::refusal::{AnswerRefusal, RefusalKind};
use crate::http::verbs::{GivenFields, silence_wish};
use crate::http::{one, rows};
use crate::store::{ActionRecord, ItemFilter};
use crate::view::{Status, silences as all_silences};

/// What was done by hand to one thing, as far as it is shown.
const DEEDS_SHOWN: usize = 10;
/// Items and alerts shown of a topic or feed.
const SHOWN_OF_ONE: usize = 20;

pub(super) fn topics(look: &StoreLook, _: &AskedQuery) -> Result<Value, AnswerRefusal> {
    Ok(json!({"topics": rows::topics(look)?}))
}

pub(super) fn topic(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let topic = one::topic(look, &asked.id)?;
    let filter = ItemFilter { topic: Some(asked.id.clone()), limit: SHOWN_OF_ONE, ..ItemFilter::default() };
    Ok(json!({"topic": topic, "items": look.store.items(&filter)?}))
}

pub(super) fn feeds(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let state = asked.choice("state", &["failing", "gone", "new", "off", "ok"].map(|name| (name, name)))?;
    let mut feeds = rows::feeds(look)?;
    let urgency = |state: &str| ["failing", "gone", "new", "ok", "off"].iter().position(|known| *known == state);
    let mut counts = serde_json::Map::new();
    for feed in &feeds {
        let count = counts.get(feed.state).and_then(Value::as_u64).unwrap_or(0);
        counts.insert(feed.state.to_owned(), json!(count + 1));
    }
    feeds.retain(|feed| state.is_none_or(|state| feed.state == state));
    feeds.sort_by_key(|feed| urgency(feed.state));
    Ok(json!({"feeds": feeds, "counts": counts, "given": given(asked, &["state"])}))
}

pub(super) fn feed(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let feed = one::feed(look, &asked.id)?;
    let filter = ItemFilter { source: Some(asked.id.clone()), limit: SHOWN_OF_ONE, ..ItemFilter::default() };
    let mut feed = json!(feed);
    // Lists that are left out where they are empty.
    for list in ["failures", "rejected"] {
        if feed[list].is_null() {
            feed[list] = json!([]);
        }
    }
    Ok(json!({"feed": feed, "items": look.store.items(&filter)?, "actions": deeds(look, &asked.id)?}))
}

pub(super) fn deliveries(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let found = rows::deliveries(look, asked)?;
    let next = found.rows.last().filter(|_| found.more).map(rows::delivery_place);
    Ok(json!({
        "endpoints": rows::endpoints(look)?,
        "given": given(asked, &["endpoint", "state", "since"]),
        "choices": choices(look),
        "turns": turns(asked, next, look),
        "deliveries": found.rows,
    }))
}

pub(super) fn delivery(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let detail = one::delivery(look, &asked.id)?;
    let pretty =
        serde_json::from_str::<Value>(&detail.body).ok().and_then(|body| serde_json::to_string_pretty(&body).ok());
    Ok(json!({"actions": deeds(look, &detail.row.id.to_string())?, "delivery": detail, "pretty": pretty}))
}

pub(super) fn endpoint(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let (config, line) = one::endpoint(look, &asked.id)?;
    let names = |list: Vec<&str>| if list.is_empty() { "all".to_owned() } else { list.join(", ") };
    let filter = crate::store::outbox::DeliveryFilter {
        endpoint: Some(config.id.clone()),
        rows_max: SHOWN_OF_ONE,
        ..crate::store::outbox::DeliveryFilter::default()
    };
    let rows = look.store.read("list deliveries", |c| crate::store::outbox::list(c, &filter))?;
    Ok(json!({
        "endpoint": line,
        "filters": {
            "topics": names(config.topics.iter().map(crate::model::TopicId::as_str).collect()),
            "sources": names(config.sources.iter().map(crate::model::SourceId::as_str).collect()),
            "languages": names(config.languages.iter().map(crate::model::Lang::as_str).collect()),
            "severity": config.severity_min.to_string(),
            "score": config.score_min.to_string(),
        },
        "deliveries": rows,
        "actions": deeds(look, &asked.id)?,
    }))
}

pub(super) fn silences(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let all = asked.choice("all", &[("true", true), ("false", false)])?.unwrap_or(false);
    Ok(json!({"silences": all_silences(&look.config, &look.store, look.now, all)?, "all": all}))
}

pub(super) fn silence(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    Ok(json!({"silence": one::silence(look, &asked.id)?, "actions": deeds(look, &asked.id)?}))
}

/// A silence that is thought of: nothing is saved by looking at it.
pub(super) fn silence_new(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let keys = ["topic", "source", "story", "text", "for", "comment"];
    let mut model = json!({
        "given": given(asked, &keys), "choices": choices(look), "wrong": null, "preview": null, "silence": null,
        "story_title": null,
    });
    if ["topic", "source", "story", "text"].iter().all(|key| asked.text(key).is_none()) {
        return Ok(model);
    }
    let fields = GivenFields::of(&[
        ("topics", asked.text("topic")),
        ("sources", asked.text("source")),
        // As it is copied from the bar of the browser, too.
        ("story", asked.text("story").map(|story| story.rsplit('/').next().unwrap_or(story))),
        ("text", asked.text("text")),
        ("for", asked.text("for").filter(|length| *length != "ever")),
        ("forever", asked.text("for").filter(|length| *length == "ever").map(|_| "true")),
        ("comment", asked.text("comment")),
    ]);
    let scene = ActionScene { store: &look.store, config: &look.config, now: look.now, author: "" };
    let tried = silence_wish(&fields).and_then(|wish| Ok(action::preview_silence(&scene, &wish)?));
    match tried {
        Ok((silence, preview)) => {
            if let Some(story) = silence.story {
                model["story_title"] = json!(look.store.story(story)?.map(|story| story.line.title));
            }
            (model["silence"], model["preview"]) = (json!(silence), json!(preview));
        }
        Err(refusal) if refusal.kind == RefusalKind::StoreFailed => return Err(refusal),
        Err(refusal) => model["wrong"] = json!(refusal.detail),
    }
    Ok(model)
}

/// What was done by hand to one thing.
pub(super) fn deeds(look: &StoreLook, about: &str) -> Result<Vec<ActionRecord>, AnswerRefusal> {
    Ok(look.store.actions(Some(about), None, DEEDS_SHOWN)?)
}

pub(super) fn status(look: &StoreLook, _: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let mut status = json!(Status::of(&look.config, &look.store, &look.place, None, look.now)?);
    // Left out where the store is one process's alone.
    if status["nodes"].is_null() {
        status["nodes"] = json!([]);
    }
    let reload = crate::config::last_reload(&look.config.daemon.state_dir);
    Ok(json!({
        "status": status,
        "reload": reload.map(|record| json!({
            "at": crate::model::Timestamp::from_millis(record.begun_ms), "taken": record.taken,
            "summary": record.summary,
        })),
        "fingerprint": look.config.fingerprint().to_string(),
        "search_lag": look.store.search_lag()?,
        "free_bytes": look.store.free_bytes()?,
        "actions": look.store.actions(None, None, SHOWN_OF_ONE)?,
    }))
}
