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
use crate::source::websub::{HubDrop, HubPushOutcome, HubVerification};

/// Longest challenge that is given back.
const CHALLENGE_BYTES_MAX: usize = 4096;

pub(super) fn router() -> Router<ListenerSources> {
    Router::new().route("/websub/{callback}", get(verify).post(push))
}

/// What hubs say is for the process that decides.
fn elsewhere() -> AnswerRefusal {
    AnswerRefusal::new(RefusalKind::Busy, "this node stands by: the one that decides takes what hubs push")
        .retry_after(30)
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
    let unknown = || AnswerRefusal::new(RefusalKind::NotFound, "no such subscription was asked for").problem();
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
    let Some(hubs) = &served.hubs else { return elsewhere().problem() };
    match hubs.desk().verify(&callback, asked).await {
        Some(true) => {
            let kind = [(header::CONTENT_TYPE, "text/plain")];
            (StatusCode::OK, kind, challenge.unwrap_or_default()).into_response()
        }
        Some(false) => unknown(),
        None => AnswerRefusal::new(RefusalKind::Busy, "the daemon is stopping").retry_after(30).problem(),
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
    let Some(hubs) = &served.hubs else { return elsewhere().problem() };
    let Some(known) = hubs.open(&callback) else {
        return AnswerRefusal::new(RefusalKind::Gone, "nobody wants this subscription any more").problem();
    };
    if let Err(seconds) = hubs.count(&known).await {
        return AnswerRefusal::new(RefusalKind::RateLimited, "too many pushes in a minute")
            .retry_after(seconds)
            .problem();
    }
    hold.lengthen();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bytes = match body::read(body, hubs.bytes_max()).await {
        Ok(bytes) => bytes,
        Err(refusal) => {
            if refusal.kind == RefusalKind::TooLarge {
                hubs.drop_push(&known, HubDrop::TooLarge).await;
            }
            return refusal.problem();
        }
    };
    let encoding = text(header::CONTENT_ENCODING.as_str());
    match hubs.take(&known, text("x-hub-signature"), encoding, bytes).await {
        HubPushOutcome::Stored => StatusCode::OK.into_response(),
        HubPushOutcome::Noted => StatusCode::ACCEPTED.into_response(),
        HubPushOutcome::Later => {
            AnswerRefusal::new(RefusalKind::Busy, "it cannot be stored now").retry_after(30).problem()
        }
    }
}
