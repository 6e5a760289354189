//! `/websub/{callback}`: a hub asks whether a subscription is ours (GET), and pushes what its feed has new (POST). The
//! callback is the proof of who asks; what is pushed is signed. Nothing is said of why a push was dropped.

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::limit::ConnectionHold;
use super::push::body;
use super::refusal::{AnswerRefusal, RefusalKind};
use super::sources::ListenerSources;
use crate::source::websub::{HubAnswer, HubPush, HubVerification};

/// Longest challenge that is given back.
const CHALLENGE_BYTES_MAX: usize = 4096;

pub(super) fn router() -> Router<ListenerSources> {
    Router::new().route("/websub/{callback}", get(verify).post(push))
}

/// A hub asks whether it was us.
async fn verify(
    State(served): State<ListenerSources>,
    Path(callback): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let value = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let (Some(mode), Some(topic)) = (value("hub.mode"), value("hub.topic")) else { return unknown() };
    let challenge = value("hub.challenge");
    let fits = challenge.as_ref().is_some_and(|text| text.len() <= CHALLENGE_BYTES_MAX);
    // What is denied carries none.
    if !fits && mode != "denied" {
        return unknown();
    }
    let lease =
        value("hub.lease_seconds").and_then(|text| text.trim().parse().ok()).map(std::time::Duration::from_secs);
    let asked = HubVerification { mode, topic, lease, reason: value("hub.reason") };
    match served.hubs.verify(&callback, asked).await {
        HubAnswer::Confirmed => {
            let kind = [(header::CONTENT_TYPE, "text/plain")];
            (StatusCode::OK, kind, challenge.unwrap_or_default()).into_response()
        }
        answer => answered(answer, served.hubs.bytes_max()),
    }
}

/// A hub pushes.
async fn push(
    State(served): State<ListenerSources>,
    Path(callback): Path<String>,
    ConnectInfo(hold): ConnectInfo<ConnectionHold>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let hubs = &served.hubs;
    let bytes_max = hubs.bytes_max();
    let known = match hubs.admit(&callback).await {
        Ok(known) => known,
        Err(answer) => return answered(answer, bytes_max),
    };
    hold.lengthen();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = match body::read(body, bytes_max).await {
        Ok(body) => body,
        Err(refusal) => {
            if refusal.kind == RefusalKind::TooLarge {
                hubs.drop_too_large(&known).await;
            }
            return refusal.problem();
        }
    };
    let (signature, encoding) = (text("x-hub-signature"), text(header::CONTENT_ENCODING.as_str()));
    answered(hubs.take(&known, HubPush { signature, encoding, body }).await, bytes_max)
}

/// The answer but for what a hub wants given back.
fn answered(answer: HubAnswer, bytes_max: usize) -> Response {
    match answer {
        HubAnswer::Confirmed | HubAnswer::Stored => StatusCode::OK.into_response(),
        HubAnswer::Noted => StatusCode::ACCEPTED.into_response(),
        HubAnswer::Unknown => unknown(),
        HubAnswer::Gone => AnswerRefusal::new(RefusalKind::Gone, "nobody wants this subscription any more").problem(),
        HubAnswer::TooMany(seconds) => {
            AnswerRefusal::new(RefusalKind::RateLimited, "too many requests in a minute").retry_after(seconds).problem()
        }
        HubAnswer::TooLarge => body::too_large(bytes_max).problem(),
        HubAnswer::Later => AnswerRefusal::new(RefusalKind::Busy, "it cannot be taken now").retry_after(30).problem(),
    }
}

fn unknown() -> Response {
    AnswerRefusal::new(RefusalKind::NotFound, "no such subscription was asked for").problem()
}
