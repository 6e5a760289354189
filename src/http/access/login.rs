//! The way in and out: a form with a name and a password, or the token as the password of any name; a session under
//! a cookie that is always a new one.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::AccessDesk;
use super::guard::{self, GuardConfig};
use super::sessions::{self, LoginSession, SessionProof};
use crate::config::{PASSWORD_BYTES_MAX, PasswordHash, is_user_name};
use crate::model::Timestamp;

/// What came of a try.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) enum LoginOutcome {
    /// The value of the new cookie.
    Open(String),
    /// Name or password are wrong: which of them is not said.
    Wrong,
    /// Too many were.
    Wait(Duration),
    /// The system has no randomness, or the token cannot be read.
    Broken,
}

/// From where a try counts: where a proxy is believed, the address that it names.
pub(in crate::http) fn counted_from(peer: IpAddr, headers: &HeaderMap, config: &GuardConfig) -> IpAddr {
    if !config.proxy_from.iter().any(|range| range.contains(peer)) {
        return peer;
    }
    let named = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    // The last one is what the proxy itself saw.
    named.and_then(|list| list.rsplit(',').next()?.trim().parse().ok()).unwrap_or(peer)
}

/// Tries a name and a password.
pub(in crate::http) async fn log_in(
    desk: &AccessDesk,
    config: &GuardConfig,
    (name, password): (String, String),
    from: IpAddr,
    now: Timestamp,
) -> LoginOutcome {
    if let Err(wait) = desk.throttle.begin(from, now) {
        return LoginOutcome::Wait(wait);
    }
    if !is_user_name(&name) || password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
        return LoginOutcome::Wrong;
    }
    let mut proof = None;
    if let Some(file) = &config.token_file {
        let Ok(token) = guard::token(file).await else { return LoginOutcome::Broken };
        if verify_slices_are_equal(password.as_bytes(), &token).is_ok() {
            proof = Some(SessionProof::Token(sessions::hashed(&token)));
        }
    }
    if proof.is_none() {
        let entry = guard::users(config).await.into_iter().find(|user| user.name == name);
        let hash = entry.map_or_else(PasswordHash::of_nobody, |entry| entry.password);
        let Ok(_turn) = desk.trying.acquire().await else { return LoginOutcome::Broken };
        let tried = tokio::task::spawn_blocking(move || hash.fits(&password).then_some(hash)).await;
        proof = tried.ok().flatten().map(SessionProof::Password);
    }
    let Some(proof) = proof else {
        tracing::warn!(%from, "a login failed");
        return LoginOutcome::Wrong;
    };
    desk.throttle.succeeded(from);
    match desk.sessions.open(LoginSession { name: name.clone(), proof }, now) {
        Some(cookie) => {
            tracing::info!(%name, %from, "logged in");
            LoginOutcome::Open(cookie)
        }
        None => LoginOutcome::Broken,
    }
}

/// Where to go on after the login: a place of this host, or its beginning.
pub(in crate::http) fn place_after(next: Option<&str>) -> &str {
    let inside = |path: &&str| {
        let second = path.as_bytes().get(1);
        path.starts_with('/')
            && !matches!(second, Some(b'/' | b'\\'))
            && !path.starts_with("/login")
            && path.bytes().all(|byte| byte.is_ascii_graphic())
    };
    next.filter(inside).unwrap_or("/")
}

/// Goes to another page; a browser asks for it by GET.
pub(in crate::http) fn see_other(place: &str) -> Response {
    let location = HeaderValue::from_str(place).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_leads_to_places_of_this_host_only() {
        for (next, place) in [
            (None, "/"),
            (Some("/stories/sty_1?x=1"), "/stories/sty_1?x=1"),
            (Some("//evil.example"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("https://evil.example"), "/"),
            (Some("/a\r\nset-cookie: x"), "/"),
            (Some("/login?next=/login"), "/"),
        ] {
            assert_eq!(place_after(next), place, "{next:?}");
        }
    }
}
