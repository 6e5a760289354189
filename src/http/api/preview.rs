//! `POST /v1/preview`: rules tried on what is stored; nothing is changed.

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::http::access::AccessDesk;
use crate::http::access::guard::RequestCaller;
use crate::http::refusal::{AnswerRefusal, RefusalKind};
use crate::http::sources::{ListenerSources, TrialWish};
use crate::http::trial::{self, WINDOW_USUAL};
use crate::http::verbs::{GivenFields, VerbField};
use crate::model::TopicId;

pub(super) const PATH: &str = "/v1/preview";
/// Bytes of rules.
const BODY_BYTES_MAX: usize = 64 << 10;
pub(super) const FIELDS: &[VerbField] = &[
    VerbField::one("topic", "The topic that is tried"),
    VerbField::one("text", "Its rules as TOML, as they would stand in the config"),
    VerbField::one("window", "From so long ago until now: `24h`, `7d` (the default), `30d` at most"),
];

pub(super) async fn preview(
    State(served): State<ListenerSources>,
    Extension(caller): Extension<RequestCaller>,
    Extension(desk): Extension<AccessDesk>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match tried(&served, &caller, &desk, &headers, body).await {
        Ok(found) => ([(header::CONTENT_TYPE, "application/json")], found.to_string()).into_response(),
        Err(refusal) => refusal.problem(),
    }
}

async fn tried(
    served: &ListenerSources,
    caller: &RequestCaller,
    desk: &AccessDesk,
    headers: &HeaderMap,
    body: Body,
) -> Result<Value, AnswerRefusal> {
    let too_large = |_| AnswerRefusal::new(RefusalKind::TooLarge, "the rules are more than 64 KiB");
    let bytes = to_bytes(body, BODY_BYTES_MAX).await.map_err(too_large)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = GivenFields::read(kind, &bytes, FIELDS)?;
    let topic = TopicId::new(given.required("topic")?)
        .map_err(|error| AnswerRefusal::new(RefusalKind::BadBody, format!("`topic`: {error}")))?;
    let wish = TrialWish {
        topic,
        text: given.required("text")?.to_owned(),
        window: trial::window(given.text("window").unwrap_or(WINDOW_USUAL))?,
        now: served.clock.now(),
    };
    let found = trial::run(served, &desk.trials, caller.author(), wish).await?;
    found.map_err(|words| AnswerRefusal::new(RefusalKind::BadBody, words))
}

/// How it is described.
pub(super) fn operation(body: &Value, problem: &Value) -> Value {
    json!({
        "summary": "Tries rules on what is stored: what they gain and lose, and what they would have told",
        "operationId": "post_preview",
        "security": [{"token": []}],
        "requestBody": {"required": true, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {
                "description": "What came of it",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Document"}}},
            },
            "400": problem, "401": problem, "403": problem, "413": problem, "415": problem, "422": problem, "503": problem,
        },
    })
}
