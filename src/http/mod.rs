//! The listener for people, programs and operators: the page, `/v1`, `/healthz` (the process lives), `/readyz` (it
//! works, or the reasons why not), `/readyz/serve` (it may be asked), `/metrics`. Loopback by default; `access` says who may do what, `limit` how long anybody
//! may take; every answer carries the headers of a closed door.

mod access;
mod api;
mod asked;
mod cursor;
mod explain;
mod feeds;
mod limit;
mod look;
mod one;
mod packed;
mod page;
mod push;
mod refusal;
mod refused;
mod rows;
mod sources;
mod stream;
mod trial;
mod verbs;
mod websub;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::telemetry::{Exposition, render};

use access::AccessDesk;
use access::guard::{self, GuardedRequest};
use refused::RefusalCounts;

pub use access::guard::GuardConfig;
pub use look::ReadSources;
pub use sources::{DaemonNudge, FeedLook, ListenerSources, Readiness, TrialRefusal, TrialWish};

/// Serves until cancelled.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, served: ListenerSources, cancel: CancellationToken) -> std::io::Result<()> {
    let app = Router::new()
        .route("/healthz", get(|| async { (StatusCode::OK, "alive\n") }))
        .route("/readyz", get(ready))
        .route("/readyz/serve", get(ready_to_serve))
        .route("/metrics", get(metrics))
        .merge(api::router())
        .merge(verbs::api_router())
        .merge(page::router())
        .merge(verbs::form_router())
        .merge(feeds::router())
        .merge(websub::router())
        .route(stream::PATH, get(stream::stream).layer(Extension(stream::StreamRoom::new(cancel.clone()))))
        .route(explain::PATH, post(explain::explain_text))
        .route(push::PATH, post(push::push).layer(Extension(push::PushRoom::new())))
        .fallback(page::no_such_page)
        .layer(middleware::from_fn_with_state((served.clone(), AccessDesk::new()), door))
        .layer(Extension(RefusalCounts::default()))
        .with_state(served);
    let listener = limit::LimitedListener::new(listener);
    let app = app.into_make_service_with_connect_info::<limit::ConnectionHold>();
    axum::serve(listener, app).with_graceful_shutdown(async move { cancel.cancelled().await }).await
}

/// Every request passes here, whatever it asks for; every answer too, errors included.
async fn door(
    State((served, desk)): State<(ListenerSources, AccessDesk)>,
    Extension(refused): Extension<RefusalCounts>,
    ConnectInfo(hold): ConnectInfo<limit::ConnectionHold>,
    mut request: Request,
    next: Next,
) -> Response {
    let config = (served.guard)();
    feeds::take_token(&mut request);
    let asked = GuardedRequest {
        method: request.method(),
        path: request.uri().path(),
        headers: request.headers(),
        from: hold.from(),
    };
    let unpacks = packed::is_wanted(request.headers());
    let response = match guard::check(asked, &config, &desk.sessions, served.clock.now()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(desk);
            next.run(request).await
        }
        Err(refusal) => {
            page::turned_away(&refusal, &served, &config, request.method(), request.uri(), request.headers())
        }
    };
    if let Some(kind) = response.extensions().get::<refusal::RefusalKind>() {
        refused.count(*kind);
    }
    closed(packed::packed(response, unpacks).await)
}

async fn ready(State(served): State<ListenerSources>) -> Response {
    let now = served.readiness.borrow().clone();
    said(&now, now.ready)
}

/// The same, for a proxy in front of several: whether it may ask here.
async fn ready_to_serve(State(served): State<ListenerSources>) -> Response {
    let now = served.readiness.borrow().clone();
    said(&now, now.serves)
}

fn said(now: &Readiness, holds: bool) -> Response {
    let status = if holds { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::to_string(now).expect("invariant: readiness is JSON");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics(
    State(served): State<ListenerSources>,
    Extension(refused): Extension<RefusalCounts>,
    headers: HeaderMap,
) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (exposition, kind) = if accept.contains("application/openmetrics-text") {
        (Exposition::OpenMetrics, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    } else {
        (Exposition::Prometheus, "text/plain; version=0.0.4; charset=utf-8")
    };
    let mut samples = (served.samples)(served.clock.now());
    samples.extend(refused.samples());
    let body = render(samples, exposition);
    (StatusCode::OK, [(header::CONTENT_TYPE, kind)], body).into_response()
}

/// Nothing here is to be framed, cached, sniffed or scripted.
fn closed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", "default-src 'none'"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        // A page may say more exactly what it may do, and an asset how long it keeps.
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    response
}
