//! `/topics/ID/try`: the rules of a topic as a text to change, and what they would have found.

use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use axum::{Extension, http};
use serde_json::{Value, json};

use super::{PageFrame, charts, part, refused, send, template};
use crate::config::topic_text;
use crate::http::access::AccessDesk;
use crate::http::access::guard::RequestCaller;
use crate::http::look::StoreLook;
use crate::http::refusal::{AnswerRefusal, RefusalKind};
use crate::http::sources::{ListenerSources, TrialWish};
use crate::http::trial::{self, WINDOW_USUAL};
use crate::model::TopicId;

/// Bytes of rules and their form.
const FORM_BYTES_MAX: usize = 64 << 10;
/// Windows with so many items or fewer are tried while somebody types.
const SMALL_WINDOW_ITEMS: u64 = 20_000;

/// What the page shows around a run.
async fn setting(served: &ListenerSources, id: &str, window: &str) -> Result<Value, AnswerRefusal> {
    let (id, window) = (id.to_owned(), window.to_owned());
    let make = move |look: &StoreLook| {
        let topic = look.config.topics.iter().find(|topic| topic.id.as_str() == id);
        let topic = topic.ok_or_else(|| AnswerRefusal::not_found("topic in the config named", &id))?;
        let items = look.store.history_len(look.now.minus(trial::window(&window)?))?;
        Ok(json!({
            "topic": {"id": id, "label": topic.label}, "text": topic_text(topic), "window": window, "items": items,
            "small": items <= SMALL_WINDOW_ITEMS, "found": null, "wrong": null, "bars": null, "bars_before": null,
        }))
    };
    served.reads.answer(make).await
}

pub(super) async fn show(
    State(served): State<ListenerSources>,
    Extension(caller): Extension<RequestCaller>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let frame = PageFrame::of(&served, &caller, &uri, &headers);
    let made = setting(&served, &id, WINDOW_USUAL).await;
    answer(made, &frame, &served, None)
}

pub(super) async fn run(
    State(served): State<ListenerSources>,
    Extension(caller): Extension<RequestCaller>,
    Extension(desk): Extension<AccessDesk>,
    Path(id): Path<String>,
    request: http::Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    let frame = PageFrame::of(&served, &caller, &head.uri, &head.headers);
    let Ok(form) = to_bytes(body, FORM_BYTES_MAX).await else {
        let refusal = AnswerRefusal::new(RefusalKind::TooLarge, "the rules are more than 64 KiB");
        return refused(&refusal, &frame, served.clock.now());
    };
    let field = |name: &str| {
        url::form_urlencoded::parse(&form).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let window = field("window").unwrap_or_else(|| WINDOW_USUAL.to_owned());
    let only = field("part");
    let made = tried(&served, &desk, caller.author(), &id, field("text"), &window).await;
    answer(made, &frame, &served, only.as_deref())
}

async fn tried(
    served: &ListenerSources,
    desk: &AccessDesk,
    who: &str,
    id: &str,
    text: Option<String>,
    window: &str,
) -> Result<Value, AnswerRefusal> {
    let mut model = setting(served, id, window).await?;
    let topic = TopicId::new(id).map_err(|error| AnswerRefusal::new(RefusalKind::BadId, error.to_string()))?;
    let Some(text) = text else { return Ok(model) };
    // Browsers end lines as on a typewriter.
    let text = text.replace("\r\n", "\n");
    model["text"] = json!(text);
    let wish = TrialWish { topic, text, window: trial::window(window)?, now: served.clock.now() };
    match trial::run(served, &desk.trials, who, wish).await? {
        Err(words) => model["wrong"] = json!(words),
        Ok(found) => {
            let days = found["account"]["days"].as_object().cloned().unwrap_or_default();
            let bars = |key: &str, label: &str| {
                let counts: Vec<u64> = days.values().map(|day| day[key].as_u64().unwrap_or(0)).collect();
                charts::bars(&counts, label)
            };
            model["bars"] = json!(bars("matched", "matches by the day under these rules"));
            model["bars_before"] = json!(bars("matched_before", "matches by the day under the rules of the config"));
            model["found"] = found;
        }
    }
    Ok(model)
}

fn answer(
    made: Result<Value, AnswerRefusal>,
    frame: &PageFrame,
    served: &ListenerSources,
    only: Option<&str>,
) -> Response {
    let now = served.clock.now();
    match made.and_then(|model| template::render("try.html", &frame.around(model, now))) {
        Ok(html) => send(StatusCode::OK, only.map(|ids| part::cut(&html, ids)).unwrap_or(html)),
        Err(refusal) => refused(&refusal, frame, now),
    }
}
