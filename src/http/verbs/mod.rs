//! What changes something, in two coats: verbs of `/v1` that take JSON and answer with the document that came of it, and
//! forms of the page that take fields and go on to where it is seen. One table says what there is; both coats and the
//! OpenAPI document are made of it. The deeds themselves are `action`'s.

mod deeds;
mod given;
mod waiting;

use axum::body::{Body, to_bytes};
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Router};
use serde_json::Value;

use super::access::guard::{CallerProof, RequestCaller};
use super::access::login::see_other;
use super::look::StoreLook;
use super::refusal::{AnswerRefusal, RefusalKind};
use super::sources::{DaemonNudge, ListenerSources};
use crate::action::{ActionRefusal, ActionScene};
use crate::config::is_user_name;
use crate::model::EndpointId;
use crate::store::outbox::DeliveryId;
pub(super) use deeds::silence_wish;
pub(super) use given::{GivenFields, VerbField};

/// Bytes of what is sent along.
const BODY_BYTES_MAX: usize = 64 << 10;

/// How a verb is asked for in `/v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VerbMethod {
    Post,
    Put,
    Delete,
}

impl VerbMethod {
    /// As OpenAPI writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Put => "put",
            Self::Delete => "delete",
        }
    }

    fn filter(self) -> MethodFilter {
        match self {
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// One verb.
pub(super) struct VerbRoute {
    pub method: VerbMethod,
    /// In `/v1`.
    pub path: &'static str,
    /// Where the form of the page is sent to.
    pub form: Option<&'static str>,
    pub summary: &'static str,
    pub fields: &'static [VerbField],
    act: fn(&VerbDeed<'_>) -> Result<VerbOutcome, AnswerRefusal>,
}

/// What a deed is made of.
pub(super) struct VerbDeed<'a> {
    pub look: &'a StoreLook,
    /// Who does it.
    pub author: &'a str,
    /// What stands in the path, in order.
    pub path: &'a [String],
    pub given: &'a GivenFields,
}

impl<'a> VerbDeed<'a> {
    /// The same for `action`.
    pub fn scene(&self) -> ActionScene<'_> {
        ActionScene { store: &self.look.store, config: &self.look.config, now: self.look.now, author: self.author }
    }

    /// What stands in the path at a place.
    pub fn id(&self, at: usize) -> &'a str {
        self.path.get(at).map_or("", String::as_str)
    }
}

/// What came of it.
pub(super) struct VerbOutcome {
    pub status: StatusCode,
    pub document: Value,
    /// Where a person sees it.
    pub seen_at: String,
    pub after: VerbAfter,
}

/// What is left to do once it is in the store.
pub(super) enum VerbAfter {
    Nothing,
    /// The daemon is told.
    Nudge(DaemonNudge),
    /// The daemon carries a correction out; that is waited for.
    Correction(i64),
    /// A test goes out; its end is waited for.
    Test(EndpointId, DeliveryId),
}

impl VerbOutcome {
    pub fn new(document: Value, seen_at: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, document, seen_at: seen_at.into(), after: VerbAfter::Nothing }
    }

    pub fn after(mut self, after: VerbAfter) -> Self {
        self.after = after;
        self
    }
}

impl From<ActionRefusal> for AnswerRefusal {
    fn from(refusal: ActionRefusal) -> Self {
        let hint = refusal.hint().map(str::to_owned);
        let kind = match refusal {
            ActionRefusal::Unknown { .. } => RefusalKind::NotFound,
            ActionRefusal::Invalid { .. } => RefusalKind::BadBody,
            ActionRefusal::Conflict { .. } => RefusalKind::Conflict,
            ActionRefusal::Store(error) => return error.into(),
        };
        Self { hint, ..Self::new(kind, format!("cannot {refusal}")) }
    }
}

/// Every verb.
pub(super) const VERBS: &[VerbRoute] = deeds::VERBS;

/// The verbs of `/v1`.
pub(super) fn api_router() -> Router<ListenerSources> {
    VERBS.iter().fold(Router::new(), |router, verb| router.route(verb.path, in_api(verb)))
}

/// The forms of the page.
pub(super) fn form_router() -> Router<ListenerSources> {
    let forms = VERBS.iter().filter_map(|verb| Some((verb.form?, verb)));
    forms.fold(Router::new(), |router, (form, verb)| router.route(form, on_page(verb)))
}

fn in_api(verb: &'static VerbRoute) -> MethodRouter<ListenerSources> {
    on(
        verb.method.filter(),
        move |State(served): State<ListenerSources>,
              Extension(caller): Extension<RequestCaller>,
              path: RawPathParams,
              headers: HeaderMap,
              body: Body| async move {
            let path = path.iter().map(|(_, value)| value.to_owned()).collect();
            match done(verb, &served, &caller, path, &headers, body).await {
                Ok(outcome) => {
                    let body = outcome.document.to_string();
                    let mut response =
                        (outcome.status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
                    if outcome.status == StatusCode::CREATED
                        && let Ok(place) = HeaderValue::from_str(&format!("/v1{}", outcome.seen_at))
                    {
                        response.headers_mut().insert(header::LOCATION, place);
                    }
                    response
                }
                Err(refusal) => refusal.problem(),
            }
        },
    )
}

fn on_page(verb: &'static VerbRoute) -> MethodRouter<ListenerSources> {
    on(
        MethodFilter::POST,
        move |State(served): State<ListenerSources>,
              Extension(caller): Extension<RequestCaller>,
              path: RawPathParams,
              uri: Uri,
              headers: HeaderMap,
              body: Body| async move {
            let path = path.iter().map(|(_, value)| value.to_owned()).collect();
            match done(verb, &served, &caller, path, &headers, body).await {
                Ok(outcome) => see_other(&outcome.seen_at),
                Err(refusal) => super::page::refused_page(&refusal, &served, &caller, &uri, &headers),
            }
        },
    )
}

async fn done(
    verb: &'static VerbRoute,
    served: &ListenerSources,
    caller: &RequestCaller,
    path: Vec<String>,
    headers: &HeaderMap,
    body: Body,
) -> Result<VerbOutcome, AnswerRefusal> {
    let bytes = to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| {
        AnswerRefusal::new(RefusalKind::TooLarge, format!("more than {} KiB were sent", BODY_BYTES_MAX >> 10))
    })?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut given = GivenFields::read(kind, &bytes, verb.fields)?;
    let author = author(caller, given.take("author"))?;
    let doing = author.clone();
    let act = move |look: &StoreLook| (verb.act)(&VerbDeed { look, author: &doing, path: &path, given: &given });
    let mut outcome = served.reads.answer(act).await?;
    tracing::info!(verb = verb.path, %author, "done by hand");
    waiting::follow(&mut outcome, served, &author).await?;
    Ok(outcome)
}

/// Who it is that does something. A program that sends the token may say for whom; everybody else is known.
fn author(caller: &RequestCaller, given: Option<String>) -> Result<String, AnswerRefusal> {
    match given {
        None => Ok(caller.author().to_owned()),
        Some(name) if caller.proof == CallerProof::Token && is_user_name(&name) => Ok(name),
        Some(_) if caller.proof == CallerProof::Token => {
            Err(AnswerRefusal::new(RefusalKind::BadBody, "`author` is not one to 64 letters, digits and . _ - @"))
        }
        Some(_) => Err(AnswerRefusal::new(RefusalKind::BadBody, "`author` is for programs that send the token")),
    }
}
