//! One feed over HTTP: a conditional GET, its redirects followed hop by hop through the guard, and the
//! answer sorted into "here is a body", "not modified" and named failures. It neither decodes nor
//! parses the body (`visit` does, on a parser thread) and remembers nothing: `schedule` does.

use std::sync::Arc;
use std::time::Duration;

use std::borrow::Cow;

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION, SET_COOKIE, USER_AGENT,
};
use reqwest::{Method, StatusCode};
use tokio::time::Instant;
use url::Url;

use super::request::RequestExtras;
use super::schedule::{CacheValidators, PollFailure};
use crate::model::FeedFailure;
use crate::net::{self, BodyLimit, Cidr, Client, NetError, Request, Response};
use crate::text::clean::excerpt;

/// Feeds first, whatever else there is last: some servers choose by this.
const ACCEPT_FEEDS: &str = "application/atom+xml, application/rss+xml, application/feed+json, \
    application/rdf+xml;q=0.9, application/xml;q=0.8, text/xml;q=0.8, application/json;q=0.7, */*;q=0.1";

/// For the page behind an item.
const ACCEPT_PAGES: &str = "text/html, application/xhtml+xml, */*;q=0.1";

/// What `net::body` undoes.
const ENCODINGS: &str = "gzip, br, zstd, deflate";

/// CacheValidators longer than this are a server's mistake and are not kept.
const VALIDATOR_BYTES_MAX: usize = 1024;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedContent {
    /// A feed of any format.
    Feed,
    /// A web page.
    Page,
}

/// One fetch.
#[derive(Debug)]
pub struct FetchRequest<'a> {
    /// Where.
    pub url: &'a Url,
    /// What.
    pub accept: WantedContent,
    /// Sent back byte for byte; empty for an unconditional fetch.
    pub validators: &'a CacheValidators,
    /// Non-public addresses that are fine.
    pub allow_private: &'a Arc<[Cidr]>,
    /// Body bytes on the wire.
    pub wire_bytes_max: usize,
    /// Hops followed.
    pub redirects_max: usize,
    /// Redirects included.
    pub total_timeout: Duration,
    /// What its requests carry.
    pub carried: &'a RequestExtras,
}

/// What came of a fetch.
#[derive(Debug)]
pub struct FetchResult {
    /// The header of the last answer; empty when there was none.
    pub headers: HeaderMap,
    /// Where 301 and 308 alone led, without userinfo.
    pub moved_to: Option<Url>,
    /// The last address asked, without userinfo.
    pub url: Url,
    /// Redirects followed.
    pub hops: usize,
    /// The rest.
    pub content: Result<FetchedContent, PollFailure>,
}

/// A usable answer.
#[derive(Debug)]
pub enum FetchedContent {
    /// 200 to 203: bytes as they came over the wire.
    Body(Vec<u8>),
    /// 304.
    NotModified,
}

impl FetchResult {
    /// A fetch that never began.
    #[must_use]
    pub fn failed(mut url: Url, failure: PollFailure) -> Self {
        strip_userinfo(&mut url);
        Self { headers: HeaderMap::new(), moved_to: None, url, hops: 0, content: Err(failure) }
    }

    /// `FetchedContent-Type` in words, if it is any.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE)?.to_str().ok()
    }

    /// All `FetchedContent-Encoding` fields, joined.
    #[must_use]
    pub fn content_encoding(&self) -> Option<String> {
        let fields: Vec<_> =
            self.headers.get_all(CONTENT_ENCODING).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
        if fields.is_empty() { None } else { Some(fields.join(",")) }
    }

    /// CacheValidators of this answer, byte for byte.
    #[must_use]
    pub fn validators(&self) -> CacheValidators {
        let take = |name: HeaderName| {
            let value = self.headers.get(name)?.as_bytes();
            (!value.is_empty() && value.len() <= VALIDATOR_BYTES_MAX).then(|| value.to_vec())
        };
        CacheValidators { etag: take(ETAG), last_modified: take(LAST_MODIFIED) }
    }
}

/// Fetches a feed. Never an `Err`: every failure is a value with a class.
pub async fn fetch(client: &Client, what: &FetchRequest<'_>) -> FetchResult {
    let mut walk = RedirectWalk {
        url: what.url.clone(),
        same_host: true,
        moved_to: None,
        all_permanent: true,
        hops: 0,
        deadline: Instant::now() + what.total_timeout,
        plain: false,
    };
    strip_userinfo(&mut walk.url);
    let (headers, content) = match walk.run(client, what).await {
        Ok(response) => {
            let content = judge(&response, what);
            let Response { headers, body, .. } = response;
            (
                headers,
                content.map(|kind| {
                    if kind == AnswerKind::Body { FetchedContent::Body(body) } else { FetchedContent::NotModified }
                }),
            )
        }
        Err(failure) => (HeaderMap::new(), Err(failure)),
    };
    FetchResult { headers, moved_to: walk.moved_to, url: walk.url, hops: walk.hops, content }
}

/// Where a fetch stands.
struct RedirectWalk {
    url: Url,
    /// No redirect has led away from the feed's own scheme, host and port.
    same_host: bool,
    moved_to: Option<Url>,
    all_permanent: bool,
    hops: usize,
    deadline: Instant,
    /// Without optional headers, for servers that choke on them.
    plain: bool,
}

impl RedirectWalk {
    /// Asks, follows, and gives the first answer that is no redirect.
    async fn run(&mut self, client: &Client, what: &FetchRequest<'_>) -> Result<Response, PollFailure> {
        loop {
            let response = client.send(self.request(what)).await.map_err(|error| failure_of(&error))?;
            match response.status.as_u16() {
                301 | 302 | 303 | 307 | 308 => self.follow(&response, what)?,
                // Once without what is optional: some servers refuse what they do not know.
                400 | 406 | 415 if !self.plain => self.plain = true,
                _ => return Ok(response),
            }
        }
    }

    fn request<'a>(&'a self, what: &'a FetchRequest<'_>) -> Request<'a> {
        let mut headers = HeaderMap::with_capacity(5);
        if self.plain {
            headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        } else {
            let accept = if what.accept == WantedContent::Feed { ACCEPT_FEEDS } else { ACCEPT_PAGES };
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(ENCODINGS));
            let validators =
                [(IF_NONE_MATCH, &what.validators.etag), (IF_MODIFIED_SINCE, &what.validators.last_modified)];
            for (name, bytes) in validators {
                if let Some(value) = bytes.as_ref().and_then(|bytes| HeaderValue::from_bytes(bytes).ok()) {
                    headers.insert(name, value);
                }
            }
        }
        if let Some(value) = &what.carried.user_agent {
            headers.insert(USER_AGENT, value.clone());
        }
        if self.same_host {
            for (name, value) in &what.carried.headers {
                headers.insert(name, value.clone());
            }
            if let Some(value) = &what.carried.authorization {
                headers.insert(AUTHORIZATION, value.clone());
            }
        }
        Request {
            method: Method::GET,
            url: &self.url,
            headers,
            body: None,
            timeout: self.deadline.saturating_duration_since(Instant::now()),
            limit: BodyLimit::Whole(what.wire_bytes_max),
            allow_private: what.allow_private,
        }
    }

    /// One hop further.
    fn follow(&mut self, response: &Response, what: &FetchRequest<'_>) -> Result<(), PollFailure> {
        let refuse = |why: String| PollFailure::new(FeedFailure::Redirect, why);
        let from = net::display_url(&self.url);
        if self.hops >= what.redirects_max {
            return Err(refuse(format!("more than {} redirects, the last from {from}", what.redirects_max)));
        }
        let location = response.headers.get(LOCATION).map(|value| location_text(value.as_bytes()));
        let Some(mut to) = location.and_then(|text| self.url.join(text.trim()).ok()) else {
            return Err(refuse(format!("{from} redirects to nowhere ({})", response.status.as_u16())));
        };
        if !matches!(to.scheme(), "http" | "https") {
            return Err(refuse(format!("{from} redirects to a {} address", excerpt(to.scheme(), 20))));
        }
        if self.url.scheme() == "https" && to.scheme() == "http" {
            return Err(refuse(format!("{from} redirects from https to http, to {}", net::display_url(&to))));
        }
        // Credentials stay with the host they are for; none are taken from a redirect.
        strip_userinfo(&mut to);
        to.set_fragment(None);
        if to == self.url {
            let wants_cookie = response.headers.contains_key(SET_COOKIE);
            let why = if wants_cookie { ": it wants a cookie, and none are kept or sent" } else { "" };
            return Err(refuse(format!("{from} redirects to itself{why}")));
        }
        if to.origin() != self.url.origin() {
            self.same_host = false;
        }
        self.all_permanent &= matches!(response.status.as_u16(), 301 | 308);
        if self.all_permanent {
            self.moved_to = Some(to.clone());
        }
        self.url = to;
        self.hops += 1;
        Ok(())
    }
}

fn strip_userinfo(url: &mut Url) {
    // Both only fail for URLs that cannot have any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

/// A library failure as a feed's failure.
#[must_use]
pub fn failure_of(error: &NetError) -> PollFailure {
    PollFailure { class: error.failure(), temporary: error.is_temporary(), words: error.to_string() }
}

#[derive(PartialEq)]
enum AnswerKind {
    Body,
    NotModified,
}

fn judge(response: &Response, what: &FetchRequest<'_>) -> Result<AnswerKind, PollFailure> {
    let status = response.status;
    let fail = |class, words: &str| Err(PollFailure::new(class, format!("{words} ({})", show(status))));
    let challenged =
        response.headers.get("cf-mitigated").is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"challenge"));
    if challenged {
        return fail(
            FeedFailure::Challenge,
            "the server wants to be shown a person: ask its owner to let this feed be read",
        );
    }
    match status.as_u16() {
        // "Created" and "accepted" come from careless servers, with the feed.
        200..=203 if response.body.is_empty() => fail(FeedFailure::Parse, "the answer is empty"),
        200..=203 => Ok(AnswerKind::Body),
        304 => Ok(AnswerKind::NotModified),
        401 | 407 => fail(
            FeedFailure::Unauthorized,
            "the server wants credentials: give the feed a `basic_file` or `bearer_file`",
        ),
        403 => fail(FeedFailure::Unauthorized, "the server refuses us: check credentials and `user_agent`"),
        404 => fail(FeedFailure::NotFound, "there is no such page"),
        410 => fail(FeedFailure::Gone, "the feed is gone for good"),
        429 => fail(FeedFailure::RateLimited, "the server wants to be asked less often"),
        408 | 425 => fail(FeedFailure::Timeout, "the server gave up waiting"),
        500.. => fail(FeedFailure::ServerError, "the server is in trouble"),
        _ if what.validators == &CacheValidators::default() => {
            fail(FeedFailure::ClientError, "this makes no sense as the answer for a feed")
        }
        _ => fail(FeedFailure::ClientError, "this makes no sense as the answer to a conditional request"),
    }
}

fn show(status: StatusCode) -> String {
    status
        .canonical_reason()
        .map_or_else(|| status.as_str().to_owned(), |reason| format!("{} {reason}", status.as_str()))
}

/// A `Location` as browsers take it: UTF-8, else each byte beyond ASCII by its number (Latin-1 and the like).
fn location_text(value: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(value).map_or_else(
        |_| {
            let escaped = |&byte: &u8| {
                if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            };
            Cow::Owned(value.iter().map(escaped).collect())
        },
        Cow::Borrowed,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_in_latin_1_keeps_its_bytes() {
        assert_eq!(location_text(b"/caf\xe9/1"), "/caf%E9/1");
        assert_eq!(location_text("/café".as_bytes()), "/café");
    }
}
