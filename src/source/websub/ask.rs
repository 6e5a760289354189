//! One request to a hub: subscribe or unsubscribe, as a form. Redirects are followed by hand, each through the guard; what
//! a hub answers instead of "accepted" is kept for people.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use url::Url;

use super::state::LEASE_ASKED;
use crate::model::Subscription;
use crate::net::{BodyLimit, Cidr, Client, Request};
use crate::text::clean::excerpt;

const TIMEOUT: Duration = Duration::from_secs(10);
const HOPS_MAX: usize = 2;
/// Of an answer that refuses.
const WORDS_BYTES_MAX: usize = 400;

/// What a hub is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HubMode {
    Subscribe,
    Unsubscribe,
}

impl HubMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
        }
    }
}

/// Asks; gives in words why the hub did not take it.
pub(super) async fn ask(
    client: &Client,
    subscription: &Subscription,
    mode: HubMode,
    allow_private: &Arc<[Cidr]>,
) -> Result<(), String> {
    let mut url = Url::parse(&subscription.hub).map_err(|error| format!("the hub's address is none: {error}"))?;
    let body = form(subscription, mode);
    for _ in 0..=HOPS_MAX {
        let says_secret = mode == HubMode::Subscribe && subscription.secret.is_some();
        if says_secret && url.scheme() != "https" && allow_private.is_empty() {
            return Err("the hub leads to plain http, and the secret goes over https only".to_owned());
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let request = Request {
            method: Method::POST,
            url: &url,
            headers,
            body: Some(body.clone().into_bytes()),
            timeout: TIMEOUT,
            limit: BodyLimit::Excerpt(WORDS_BYTES_MAX),
            allow_private,
        };
        let answer = client.send(request).await.map_err(|error| error.to_string())?;
        match answer.status.as_u16() {
            200..=299 => return Ok(()),
            301 | 302 | 307 | 308 => {
                let to = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
                let Some(to) = to.and_then(|to| url.join(to).ok()) else {
                    return Err(format!("{} redirects to nowhere", host_of(&url)));
                };
                url = to;
            }
            status => {
                let words = excerpt(&String::from_utf8_lossy(&answer.body), WORDS_BYTES_MAX);
                let host = host_of(&url);
                return Err(if words.is_empty() {
                    format!("{host} answers {status}")
                } else {
                    format!("{host} answers {status}: {words}")
                });
            }
        }
    }
    Err(format!("more than {HOPS_MAX} redirects, the last to {}", host_of(&url)))
}

fn form(subscription: &Subscription, mode: HubMode) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("hub.callback", &subscription.callback_url)
        .append_pair("hub.mode", mode.as_str())
        .append_pair("hub.topic", &subscription.topic);
    if mode == HubMode::Subscribe {
        form.append_pair("hub.lease_seconds", &LEASE_ASKED.as_secs().to_string());
        if let Some(secret) = &subscription.secret {
            form.append_pair("hub.secret", &secret.0);
        }
    }
    form.finish()
}

/// For people.
pub(super) fn host_of(url: &Url) -> String {
    excerpt(url.host_str().unwrap_or("the hub"), 100)
}
