//! Why a request gets no answer: a closed set, in words for people and as `application/problem+json` (RFC 9457)
//! for programs.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::store::StoreError;

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum RefusalKind {
    BadRequest,
    BadQuery,
    BadBody,
    WrongType,
    TooLarge,
    WrongHost,
    Unauthorized,
    Forbidden,
    SecretUnreadable,
    Conflict,
    BadId,
    BadCursor,
    CursorExpired,
    NotFound,
    Gone,
    Moved,
    Busy,
    StoreFailed,
    PushOff,
    BadSignature,
    StaleSignature,
    RateLimited,
    TooSlow,
    BadEncoding,
    BadKey,
    KeyReused,
    KeyInFlight,
    NothingTaken,
    DiskLow,
}

/// A refusal with what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AnswerRefusal {
    pub kind: RefusalKind,
    pub detail: String,
    pub hint: Option<String>,
    /// Where what was asked for is now.
    pub location: Option<String>,
    /// Seconds after which to ask again.
    pub retry_after: Option<u64>,
    /// What was wrong with each part of what was sent.
    pub errors: Vec<Value>,
}

impl RefusalKind {
    /// The stable word, the status, and the title.
    pub fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::BadRequest => ("bad-request", StatusCode::BAD_REQUEST, "The request cannot be read"),
            Self::BadBody => ("bad-body", StatusCode::UNPROCESSABLE_ENTITY, "What was sent cannot be used"),
            Self::WrongType => ("wrong-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "That type is not read here"),
            Self::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "Too much was sent"),
            Self::WrongHost => ("wrong-host", StatusCode::MISDIRECTED_REQUEST, "This is not that host"),
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "Say who you are"),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "That is not allowed"),
            Self::SecretUnreadable => {
                ("secret-unreadable", StatusCode::SERVICE_UNAVAILABLE, "Nobody can be let in now")
            }
            Self::Conflict => ("conflict", StatusCode::CONFLICT, "That does not go with how things stand"),
            Self::BadQuery => ("bad-query", StatusCode::BAD_REQUEST, "The query cannot be read"),
            Self::BadId => ("bad-id", StatusCode::NOT_FOUND, "That is no id"),
            Self::BadCursor => ("bad-cursor", StatusCode::BAD_REQUEST, "The cursor is not one of this list"),
            Self::CursorExpired => {
                ("cursor-expired", StatusCode::GONE, "What came after the cursor is not kept any more")
            }
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "There is no such thing"),
            Self::Gone => ("gone", StatusCode::GONE, "It was removed"),
            Self::Moved => ("moved", StatusCode::PERMANENT_REDIRECT, "It is somewhere else now"),
            Self::Busy => ("busy", StatusCode::SERVICE_UNAVAILABLE, "Too much is asked at once"),
            Self::StoreFailed => ("store-failed", StatusCode::SERVICE_UNAVAILABLE, "The store cannot be read"),
            Self::PushOff => ("push-off", StatusCode::FORBIDDEN, "Nobody may send items here"),
            Self::BadSignature => ("bad-signature", StatusCode::UNAUTHORIZED, "The signature does not fit"),
            Self::StaleSignature => {
                ("stale-signature", StatusCode::UNAUTHORIZED, "The signature is too old, or of the future")
            }
            Self::RateLimited => ("rate-limited", StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
            Self::TooSlow => ("too-slow", StatusCode::REQUEST_TIMEOUT, "The body came too slowly"),
            Self::BadEncoding => ("bad-encoding", StatusCode::BAD_REQUEST, "The body cannot be read"),
            Self::BadKey => ("bad-key", StatusCode::BAD_REQUEST, "That is no idempotency key"),
            Self::KeyReused => {
                ("key-reused", StatusCode::UNPROCESSABLE_ENTITY, "The idempotency key is of another body")
            }
            Self::KeyInFlight => ("key-in-flight", StatusCode::CONFLICT, "The same push is under way"),
            Self::NothingTaken => ("nothing-taken", StatusCode::UNPROCESSABLE_ENTITY, "Nothing of it was taken"),
            Self::DiskLow => ("disk-low", StatusCode::INSUFFICIENT_STORAGE, "The disk is nearly full"),
        }
    }
}

impl AnswerRefusal {
    pub fn new(kind: RefusalKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), hint: None, location: None, retry_after: None, errors: Vec::new() }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// When to ask again.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// What was wrong, part by part.
    pub fn errors(mut self, errors: Vec<Value>) -> Self {
        self.errors = errors;
        self
    }

    /// There is no such thing.
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(RefusalKind::NotFound, format!("there is no {what} `{id}`"))
    }

    /// What was asked for is there.
    pub fn moved(location: String) -> Self {
        let detail = format!("see {location}");
        Self { location: Some(location), ..Self::new(RefusalKind::Moved, detail) }
    }

    /// For whoever asks for health and figures: a line.
    pub fn line(&self) -> Response {
        let mut response = (self.kind.parts().1, format!("{}\n", self.detail)).into_response();
        self.add_headers(&mut response);
        response
    }

    /// For programs.
    pub fn as_json(&self) -> Value {
        let (word, status, title) = self.kind.parts();
        let mut body = json!({"type": word, "title": title, "status": status.as_u16(), "detail": self.detail});
        if let Some(hint) = &self.hint {
            body["hint"] = json!(hint);
        }
        if !self.errors.is_empty() {
            body["errors"] = json!(self.errors);
        }
        body
    }

    /// The same as an answer.
    pub fn problem(&self) -> Response {
        let status = self.kind.parts().1;
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (status, kind, self.as_json().to_string()).into_response();
        self.add_headers(&mut response);
        response
    }

    /// What goes with it, whoever reads it.
    pub fn add_headers(&self, response: &mut Response) {
        // For whoever counts answers on their way out.
        response.extensions_mut().insert(self.kind);
        if let Some(location) = self.location.as_deref().and_then(|to| HeaderValue::from_str(to).ok()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if self.kind == RefusalKind::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let passing = matches!(self.kind, RefusalKind::Busy | RefusalKind::StoreFailed | RefusalKind::SecretUnreadable);
        if let Some(seconds) = self.retry_after.or(passing.then_some(5)) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
}

impl From<StoreError> for AnswerRefusal {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a request could not be answered from the store");
        // Where its file is concerns the operator, not whoever asks.
        Self::new(RefusalKind::StoreFailed, "the store could not be read; the log says why")
    }
}
