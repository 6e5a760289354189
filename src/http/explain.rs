//! Why an item alerts or does not: of a stored one, and of a text that is sent and not kept; and what a query would have
//! hit. The same documents as those of the commands.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::asked::AskedQuery;
use super::look::StoreLook;
use super::refusal::{AnswerRefusal, RefusalKind};
use super::sources::ListenerSources;
use crate::model::{ItemId, Origin, SourceKind, Timestamp};
use crate::pipeline::prepare;
use crate::source::seed::{FileContext, parse};
use crate::view::{ExplainError, ItemExplained, RecalledStories, RuleTrial, TrialError};

pub(super) const PATH: &str = "/v1/explain";
/// Bytes of a text.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Items of a text that are explained.
const ITEMS_MAX: usize = 20;
/// How far back a query is tried where nobody says.
const TRIAL_DAYS: u64 = 7;

/// Of a stored item.
pub(super) fn stored(look: &StoreLook, asked: &AskedQuery) -> Result<ItemExplained, AnswerRefusal> {
    let id = asked.parsed("item", ItemId::parse)?.ok_or_else(|| {
        AnswerRefusal::new(RefusalKind::BadQuery, "`item` says which, and is not given")
            .hint("or send a text: POST, as text/plain or application/json")
    })?;
    let explained =
        ItemExplained::of_stored(id, &look.store, &look.rules, &look.config).map_err(|error| match error {
            ExplainError::Store(error) => AnswerRefusal::from(error),
            ExplainError::Unread(_) => AnswerRefusal::new(RefusalKind::Gone, error.to_string()),
        })?;
    let mut explained = explained.ok_or_else(|| AnswerRefusal::not_found("item", &id.to_string()))?;
    keep_topic(&mut explained, asked.text("topic"));
    Ok(explained)
}

fn keep_topic(explained: &mut ItemExplained, only: Option<&str>) {
    let Some(only) = only else { return };
    explained.topics.retain(|topic| topic.topic.as_str() == only);
    explained.endpoints.retain(|hearing| hearing.topic == only);
}

/// What a query would have hit.
pub(super) fn trial(look: &StoreLook, asked: &AskedQuery) -> Result<RuleTrial, AnswerRefusal> {
    let query = asked
        .text("match")
        .ok_or_else(|| AnswerRefusal::new(RefusalKind::BadQuery, "`match` is the query to try, and is not given"))?;
    let days = std::time::Duration::from_secs(TRIAL_DAYS * 24 * 3600);
    let since = asked.since()?.unwrap_or_else(|| look.now.minus(days));
    RuleTrial::of(query, since, &look.store, &look.config).map_err(|error| match error {
        TrialError::Store(error) => error.into(),
        TrialError::Query { message, hint } => {
            let refusal = AnswerRefusal::new(RefusalKind::BadQuery, format!("`match`: {message}"));
            match hint {
                Some(hint) => refusal.hint(hint),
                None => refusal,
            }
        }
    })
}

/// Of a text that is sent.
pub(super) async fn explain_text(
    State(served): State<ListenerSources>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let now = served.clock.now();
    let asked = AskedQuery::read(PATH, String::new(), query.as_deref().unwrap_or_default(), &["topic"], now);
    let asked = match asked {
        Ok(asked) => asked,
        Err(refusal) => return refusal.problem(),
    };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("text/plain");
    // The name breaks ties between formats.
    let name = if kind.contains("json") { "text.json" } else { "text.txt" };
    let Ok(bytes) = axum::body::to_bytes(body, TEXT_BYTES_MAX).await else {
        let detail = format!("a text has at most {TEXT_BYTES_MAX} bytes, and comes whole");
        return AnswerRefusal::new(RefusalKind::TooLarge, detail).problem();
    };
    let made = served.reads.answer(move |look| text(look, &asked, &bytes, name, now)).await;
    match made {
        Ok(explained) => {
            let document = json!({"data": explained, "next": null});
            ([(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response()
        }
        Err(refusal) => refusal.problem(),
    }
}

fn text(
    look: &StoreLook,
    asked: &AskedQuery,
    bytes: &[u8],
    name: &str,
    now: Timestamp,
) -> Result<Vec<ItemExplained>, AnswerRefusal> {
    let unread = |detail: String| AnswerRefusal::new(RefusalKind::NothingTaken, detail);
    let (limits, mail) = (&look.config.limits, &look.config.seeds.mail);
    let context = FileContext { name, modified: now, received: now, limits, mail };
    let document = parse(bytes, &context).map_err(|rejection| unread(rejection.detail))?;
    let origin = Origin { source: look.config.seeds.id.clone(), kind: SourceKind::Seed, received: now };
    let mut memory = RecalledStories::of(&look.store, &look.config, now)?;
    let mut explained = Vec::new();
    for raw in document.items.iter().take(ITEMS_MAX) {
        let prepared = prepare(raw, &origin, &look.rules).map_err(|rejection| unread(rejection.detail))?;
        let mut one = ItemExplained::of_prepared(prepared, Some(&mut memory), &look.rules, now)?;
        keep_topic(&mut one, asked.text("topic"));
        explained.push(one);
    }
    Ok(explained)
}
