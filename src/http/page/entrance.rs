//! The way in: a form, what became of a try, and the way out.

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use axum::{Extension, http};
use serde_json::json;

use super::{PageFrame, send, template};
use crate::http::access::guard::{GuardConfig, RequestCaller};
use crate::http::access::login::{self, LoginOutcome, place_after, see_other};
use crate::http::access::{AccessDesk, sessions};
use crate::http::limit::ConnectionHold;
use crate::http::sources::ListenerSources;

/// Bytes of a name, a password and a place.
const FORM_BYTES_MAX: usize = 8 << 10;

fn field(form: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn page(
    served: &ListenerSources,
    caller: &RequestCaller,
    (uri, headers): (&Uri, &HeaderMap),
    (status, next, wrong): (StatusCode, &str, Option<String>),
) -> Response {
    let config = (served.guard)();
    let frame = PageFrame::of(served, caller, uri, headers);
    let model = json!({
        "next": next, "wrong": wrong, "by_token": config.token_file.is_some(), "by_name": config.users_file.is_some(),
    });
    match template::render("login.html", &frame.around(model, served.clock.now())) {
        Ok(html) => send(status, html),
        Err(refusal) => refusal.line(),
    }
}

pub(super) async fn show(
    State(served): State<ListenerSources>,
    Extension(caller): Extension<RequestCaller>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let next = field(query.unwrap_or_default().as_bytes(), "next");
    page(&served, &caller, (&uri, &headers), (StatusCode::OK, place_after(next.as_deref()), None))
}

pub(super) async fn log_in(
    State(served): State<ListenerSources>,
    Extension(caller): Extension<RequestCaller>,
    Extension(desk): Extension<AccessDesk>,
    ConnectInfo(hold): ConnectInfo<ConnectionHold>,
    request: http::Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    let (uri, headers) = (&head.uri, &head.headers);
    let form = to_bytes(body, FORM_BYTES_MAX).await.unwrap_or_default();
    let next = field(&form, "next");
    let next = place_after(next.as_deref());
    let text = |name| field(&form, name).unwrap_or_default();
    let (name, password) = (text("name").trim().to_owned(), text("password"));
    let config = (served.guard)();
    let from = login::counted_from(hold.from(), headers, &config);
    let (status, wrong) = match login::log_in(&desk, &config, (name, password), from, served.clock.now()).await {
        LoginOutcome::Open(cookie) => {
            let secure = config.is_secure(headers);
            // One that was brought along was not given by us, or is of no use any more.
            if let Some(old) = sessions::cookie(headers, secure) {
                desk.sessions.close(old);
            }
            return with_cookie(see_other(next), Some(&cookie), secure);
        }
        LoginOutcome::Wrong => (StatusCode::FORBIDDEN, "The name or the password is wrong.".to_owned()),
        LoginOutcome::Wait(wait) => {
            let seconds = wait.as_secs().max(1);
            let said = format!("Too many tries were wrong. Wait {seconds} seconds, then try again.");
            let mut response =
                page(&served, &caller, (uri, headers), (StatusCode::TOO_MANY_REQUESTS, next, Some(said)));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            return response;
        }
        LoginOutcome::Broken => {
            (StatusCode::SERVICE_UNAVAILABLE, "Nobody can be let in now; the log says why.".to_owned())
        }
    };
    page(&served, &caller, (uri, headers), (status, next, Some(wrong)))
}

pub(super) async fn log_out(
    State(served): State<ListenerSources>,
    Extension(desk): Extension<AccessDesk>,
    headers: HeaderMap,
) -> Response {
    let config: GuardConfig = (served.guard)();
    let secure = config.is_secure(&headers);
    if let Some(cookie) = sessions::cookie(&headers, secure) {
        desk.sessions.close(cookie);
    }
    with_cookie(see_other(if config.is_closed() { "/login" } else { "/" }), None, secure)
}

fn with_cookie(mut response: Response, value: Option<&str>, secure: bool) -> Response {
    let set = HeaderValue::from_str(&sessions::set_cookie(value, secure)).expect("invariant: letters and digits");
    response.headers_mut().insert(header::SET_COOKIE, set);
    response
}
