//! What goes on, story by story; and one story from its first report to the last.

use serde_json::{Value, json};

use super::charts;
use super::parts::{choices, given, told, turns};
use crate::http::asked::AskedQuery;
use crate::http::look::StoreLook;
use crate::http::refusal::AnswerRefusal;
use crate::http::{one as single, rows};
use crate::model::Timestamp;
use crate::store::{AlertFilter, StoryEvent, StoryGlance, StoryLine};
use crate::text::span;

/// What `/` shows where nothing else is asked for.
const NOW_HOURS: u64 = 24;
/// Alerts shown of a story.
const ALERTS_SHOWN: usize = 50;

pub(super) fn now(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let keys = ["topic", "since", "outlets", "told", "cursor"];
    let mut wide: Vec<(String, String)> =
        keys.iter().filter_map(|key| Some(((*key).to_owned(), asked.owned(key)?))).collect();
    if asked.text("since").is_none() {
        wide.push(("since".to_owned(), format!("{NOW_HOURS}h")));
    }
    wide.push(("limit".to_owned(), "30".to_owned()));
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&wide).finish();
    let all = ["topic", "since", "outlets", "told", "cursor", "limit"];
    let asked_wide = AskedQuery::read(asked.route, String::new(), &query, &all, asked.now)?;
    let found = rows::stories(look, &asked_wide)?;
    let activity = look.store.activity(look.now)?;
    let feeds = look.config.feeds.iter().filter(|feed| feed.enabled).map(|feed| &feed.id);
    let endpoints: Vec<_> =
        look.config.endpoints.iter().filter(|endpoint| endpoint.enabled).map(|endpoint| endpoint.id.clone()).collect();
    let standing = look.store.standing(feeds, &endpoints)?;
    let silences = crate::view::active_silences(&look.config, &look.store, look.now)?;
    Ok(json!({
        "hours": look.store.hours(look.now)?,
        "activity": activity,
        "standing": standing,
        "feeds": look.config.feeds.iter().filter(|feed| feed.enabled).count(),
        "silences": silences.len(),
        "given": given(&asked_wide, &keys),
        "choices": choices(look),
        "stories": story_rows(look, &found.rows)?,
        "turns": turns(&asked_wide, found.rows.last().filter(|_| found.more).map(rows::story_place), look),
    }))
}

pub(super) fn list(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let found = rows::stories(look, asked)?;
    Ok(json!({
        "given": given(asked, &["topic", "since", "outlets", "told"]),
        "choices": choices(look),
        "stories": story_rows(look, &found.rows)?,
        "turns": turns(asked, found.rows.last().filter(|_| found.more).map(rows::story_place), look),
    }))
}

/// Each with what is seen at a glance.
fn story_rows(look: &StoreLook, lines: &[StoryLine]) -> Result<Vec<Value>, AnswerRefusal> {
    let mut out = Vec::with_capacity(lines.len());
    for line in lines {
        let glance = look.store.glance(line.id, &line.title)?;
        out.push(json!({
            "line": line,
            "chart": charts::steps(&glance.growth, look.now, "outlets over time"),
            "severity": loudest(&glance),
            "glance": glance,
        }));
    }
    Ok(out)
}

fn loudest(glance: &StoryGlance) -> Option<&str> {
    let order = ["low", "medium", "high", "critical"];
    glance.topics.iter().map(|topic| topic.severity.as_str()).max_by_key(|name| order.iter().position(|o| o == name))
}

pub(super) fn one(look: &StoreLook, asked: &AskedQuery) -> Result<Value, AnswerRefusal> {
    let story = single::story(look, &asked.id)?;
    if story.merged_from.is_some() {
        return Err(AnswerRefusal::moved(format!("/stories/{}", story.line.id)));
    }
    let glance = look.store.glance(story.line.id, &story.line.title)?;
    let filter = AlertFilter { story: Some(story.line.id), limit: ALERTS_SHOWN, ..AlertFilter::default() };
    let alerts = look.store.alerts(&filter)?;
    let first = story.line.first_seen;
    let outlets: Vec<Value> = story
        .line
        .outlets
        .iter()
        .zip(&glance.growth)
        .map(|(outlet, at)| json!({"outlet": outlet, "at": at, "behind": behind(first, *at)}))
        .collect();
    Ok(json!({
        "story": story.line,
        "members": story.timeline.iter().filter(|event| matches!(event.what.as_str(), "opened" | "joined")).collect::<Vec<_>>(),
        "corrections": story.corrections,
        "silences": look.store.silences_of(story.line.id, look.now)?,
        "groups": groups(&story.timeline),
        "chart": charts::steps(&glance.growth, look.now, "outlets over time"),
        "severity": loudest(&glance),
        "glance": glance,
        "outlets": outlets,
        "alerts": told(look, &alerts)?,
    }))
}

fn behind(first: Timestamp, at: Timestamp) -> Option<String> {
    (at > first).then(|| span(at.since(first)))
}

/// Copies one after the other are one entry, folded.
fn groups(timeline: &[StoryEvent]) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    let mut copies: Vec<&StoryEvent> = Vec::new();
    let close = |copies: &mut Vec<&StoryEvent>, out: &mut Vec<Value>| {
        if !copies.is_empty() {
            out.push(json!({"copies": copies, "event": null}));
            copies.clear();
        }
    };
    for event in timeline {
        if event.what.ends_with(" copy") {
            copies.push(event);
        } else {
            close(&mut copies, &mut out);
            out.push(json!({"copies": null, "event": event}));
        }
    }
    close(&mut copies, &mut out);
    out
}
