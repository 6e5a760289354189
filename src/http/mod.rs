//! The listener for machines and operators: `/healthz` (the process lives) and `/readyz` (it works, or
//! the reasons why not). Loopback by default; every answer carries the headers of a closed door.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What `/readyz` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Everything that should run does.
    pub ready: bool,
    /// Why not, in words.
    pub reasons: Vec<String>,
}

impl Readiness {
    /// All is well.
    #[must_use]
    pub fn ready() -> Self {
        Self { ready: true, reasons: Vec::new() }
    }

    /// Not now.
    #[must_use]
    pub fn not(reason: &str) -> Self {
        Self { ready: false, reasons: vec![reason.to_owned()] }
    }
}

/// Serves until cancelled.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    readiness: watch::Receiver<Readiness>,
    cancel: CancellationToken,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/healthz", get(|| async { closed((StatusCode::OK, "alive\n").into_response()) }))
        .route("/readyz", get(ready))
        .fallback(|| async { closed((StatusCode::NOT_FOUND, "not found\n").into_response()) })
        .with_state(readiness);
    axum::serve(listener, app).with_graceful_shutdown(async move { cancel.cancelled().await }).await
}

async fn ready(State(readiness): State<watch::Receiver<Readiness>>) -> Response {
    let now = readiness.borrow().clone();
    let status = if now.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::to_string(&now).expect("invariant: readiness is JSON");
    closed((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Nothing here is to be framed, cached, sniffed or scripted.
fn closed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", "default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
