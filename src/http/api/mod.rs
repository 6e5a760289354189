//! `/v1`: the read models as JSON. One table says what there is; the router and the OpenAPI document are made of it,
//! so that neither can know more than the other.

mod answer;
mod documents;
mod known;
mod lists;
mod openapi;
mod preview;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::{RawPathParams, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use xxhash_rust::xxh3::xxh3_64;

use super::sources::ListenerSources;
use answer::{AnswerShape, ApiAnswer, ApiRoute};
use known::{AnswerBasis, KnownAnswers};

use super::asked::AskedQuery;
use super::look::StoreLook;
use super::refusal::{AnswerRefusal, RefusalKind};
use super::verbs::VERBS;

/// Everything that can be read.
const ROUTES: &[ApiRoute] = &[
    ApiRoute {
        path: "/v1/status",
        summary: "How things stand: what is stored, what fails, what is owed, what was not taken",
        query: &[],
        shape: AnswerShape::Document,
        read: documents::status,
    },
    ApiRoute {
        path: "/v1/items",
        summary: "Items, newest first; with `after` oldest first",
        query: &["source", "topic", "severity_min", "since", "count", "limit", "cursor", "after"],
        shape: AnswerShape::List,
        read: lists::items,
    },
    ApiRoute {
        path: "/v1/items/{id}",
        summary: "One item with its text, matches and further appearances; a copy's id leads to the item",
        query: &[],
        shape: AnswerShape::Document,
        read: documents::item,
    },
    ApiRoute {
        path: "/v1/stories",
        summary: "Stories, the latest first",
        query: &["topic", "since", "outlets", "told", "count", "limit", "cursor"],
        shape: AnswerShape::List,
        read: lists::stories,
    },
    ApiRoute {
        path: "/v1/stories/{id}",
        summary: "One story with its timeline; one that was merged leads to the one that stayed",
        query: &[],
        shape: AnswerShape::Document,
        read: documents::story,
    },
    ApiRoute {
        path: "/v1/alerts",
        summary: "Alerts, newest first; with `after` oldest first",
        query: &["topic", "story", "severity_min", "since", "count", "limit", "cursor", "after"],
        shape: AnswerShape::List,
        read: lists::alerts,
    },
    ApiRoute {
        path: "/v1/alerts/{id}",
        summary: "One alert with its payload as stored, by its id or its number",
        query: &[],
        shape: AnswerShape::Document,
        read: documents::alert,
    },
    ApiRoute {
        path: "/v1/deliveries",
        summary: "Deliveries, newest first",
        query: &["endpoint", "state", "severity_min", "since", "count", "limit", "cursor"],
        shape: AnswerShape::List,
        read: lists::deliveries,
    },
    ApiRoute {
        path: "/v1/deliveries/{id}",
        summary: "One delivery with its attempts and the exact body",
        query: &[],
        shape: AnswerShape::Document,
        read: documents::delivery,
    },
    ApiRoute {
        path: "/v1/feeds",
        summary: "Every feed of the config and how it stands",
        query: &[],
        shape: AnswerShape::List,
        read: lists::feeds,
    },
    ApiRoute {
        path: "/v1/feeds/{id}",
        summary: "One feed with its failures and what was not taken from it",
        query: &[],
        shape: AnswerShape::Document,
        read: documents::feed,
    },
    ApiRoute {
        path: "/v1/endpoints",
        summary: "Every endpoint of the config and how it stands",
        query: &[],
        shape: AnswerShape::List,
        read: lists::endpoints,
    },
    ApiRoute {
        path: "/v1/endpoints/{id}",
        summary: "One endpoint",
        query: &[],
        shape: AnswerShape::Document,
        read: documents::endpoint,
    },
    ApiRoute {
        path: "/v1/silences",
        summary: "Silences that hold or will hold; with `all=true` those that have ended as well",
        query: &["all"],
        shape: AnswerShape::List,
        read: lists::silences,
    },
    ApiRoute {
        path: "/v1/silences/{id}",
        summary: "One silence and the newest alerts that it held back",
        query: &[],
        shape: AnswerShape::Document,
        read: documents::silence,
    },
    ApiRoute {
        path: "/v1/actions",
        summary: "What was done by hand, newest first: who, when, what and to what; the newest 10,000 are kept",
        query: &["about", "limit", "cursor"],
        shape: AnswerShape::List,
        read: lists::actions,
    },
    ApiRoute {
        path: "/v1/topics",
        summary: "Every topic of the config with its hits and alerts by the day",
        query: &[],
        shape: AnswerShape::List,
        read: lists::topics,
    },
    ApiRoute {
        path: "/v1/topics/{id}",
        summary: "One topic with its rules",
        query: &[],
        shape: AnswerShape::Document,
        read: documents::topic,
    },
    ApiRoute {
        path: "/v1/search",
        summary: "Items by their text, newest first",
        query: &["q", "source", "topic", "story", "since", "limit", "cursor"],
        shape: AnswerShape::List,
        read: lists::search,
    },
    ApiRoute {
        path: "/v1/changes",
        summary: "What happened, in the order of the commits, oldest first: each once, resumable by `after`",
        query: &["kinds", "limit", "after"],
        shape: AnswerShape::List,
        read: lists::changes,
    },
    ApiRoute {
        path: "/v1/explain",
        summary: "Why a stored item alerted or did not: the rules that hit, the sum, the stories it was held against",
        query: &["item", "topic"],
        shape: AnswerShape::Document,
        read: documents::explain,
    },
    ApiRoute {
        path: "/v1/preview",
        summary: "What a query would have hit of the newest items",
        query: &["match", "since"],
        shape: AnswerShape::Document,
        read: documents::trial,
    },
    ApiRoute {
        path: "/v1/endpoints/{id}/preview",
        summary: "Exactly what an endpoint is sent of an alert, or would be",
        query: &["alert"],
        shape: AnswerShape::Document,
        read: documents::preview,
    },
    ApiRoute {
        path: "/v1/openapi.json",
        summary: "This description",
        query: &[],
        shape: AnswerShape::Document,
        read: description,
    },
];

fn description(_: &StoreLook, _: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    ApiAnswer::document(&openapi::document(ROUTES, VERBS))
}

/// The routes of all of it.
pub(super) fn router() -> Router<ListenerSources> {
    let known = KnownAnswers::default();
    let routes = ROUTES.iter().fold(Router::new(), |router, route| router.route(route.path, reading(route, &known)));
    let routes = routes.route(preview::PATH, axum::routing::post(preview::preview));
    routes.route("/v1/{*rest}", get(no_such_path))
}

async fn no_such_path() -> Response {
    AnswerRefusal::new(RefusalKind::NotFound, "the API has no such path").hint("see /v1/openapi.json").problem()
}

/// What depends on the time is made anew each time: an age, a day, a silence that holds now.
const TIMED: &[&str] = &[
    "/v1/status",
    "/v1/topics",
    "/v1/topics/{id}",
    "/v1/silences",
    "/v1/silences/{id}",
    "/v1/endpoints",
    "/v1/endpoints/{id}",
    "/v1/endpoints/{id}/preview",
    "/v1/explain",
    "/v1/preview",
];

fn reading(route: &'static ApiRoute, known: &KnownAnswers) -> MethodRouter<ListenerSources> {
    let known = known.clone();
    get(
        move |State(served): State<ListenerSources>, path: RawPathParams, RawQuery(query), headers: HeaderMap| async move {
            let id = path.iter().next().map(|(_, value)| value.to_owned()).unwrap_or_default();
            let query = query.unwrap_or_default();
            let place = route.path.replace("{id}", &id);
            // Before the answer is made: a commit meanwhile makes it one that is not known.
            let basis = basis(&served, route, &query).await;
            if let Some(tag) = basis.as_ref().and_then(|basis| known.tag(&place, &query, basis))
                && has(&headers, &tag)
            {
                return unchanged(&tag);
            }
            let asked = AskedQuery::read(route.path, id, &query, route.query, served.clock.now());
            let made = match asked {
                Ok(asked) => served.reads.answer(move |look| (route.read)(look, &asked)).await,
                Err(refusal) => Err(refusal),
            };
            match made {
                Ok(answer) => {
                    let tag = format!("W/\"{:016x}\"", xxh3_64(&answer.body));
                    if let Some(basis) = basis {
                        known.keep(&place, &query, basis, tag.clone());
                    }
                    send(answer, route.path, &tag, &headers)
                }
                Err(refusal) => refusal.problem(),
            }
        },
    )
}

/// What an answer is made of now; nothing where it depends on the time as well.
async fn basis(served: &ListenerSources, route: &ApiRoute, query: &str) -> Option<AnswerBasis> {
    if TIMED.contains(&route.path) || query.contains("since") {
        return None;
    }
    let config = served.reads.config();
    let version = served.reads.store().blocking(|store| store.version().ok()).await?;
    Some(AnswerBasis { version, config })
}

/// Whether who asks has the answer with this validator.
fn has(asked: &HeaderMap, tag: &str) -> bool {
    let given = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(',').map(str::trim).any(|one| one == tag || one == "*")
}

fn unchanged(tag: &str) -> Response {
    validated(StatusCode::NOT_MODIFIED.into_response(), tag)
}

fn validated(mut response: Response, tag: &str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_str(tag).expect("invariant: hexadecimal"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// With a validator: who asks again is told that nothing changed in a few bytes.
fn send(answer: ApiAnswer, path: &str, tag: &str, asked: &HeaderMap) -> Response {
    let mut response = if has(asked, tag) {
        unchanged(tag)
    } else {
        validated(([(header::CONTENT_TYPE, "application/json")], answer.body).into_response(), tag)
    };
    let headers = response.headers_mut();
    if let Some(next) = answer.next
        && let Ok(link) = HeaderValue::from_str(&format!("<{path}?{next}>; rel=\"next\""))
    {
        headers.insert(header::LINK, link);
    }
    response
}
