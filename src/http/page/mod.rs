//! The page: the read models as HTML that needs no script. One table says which pages there are, what their queries may
//! hold, and which template and model each is made of. Text from outside is cleaned and escaped where it is written
//! (`template`), and nowhere else.

mod alerts;
mod assets;
mod charts;
mod entrance;
mod items;
mod marks;
mod operations;
mod pace;
mod part;
mod parts;
mod reading;
mod shared;
mod stories;
mod template;
mod template_files;
#[cfg(debug_assertions)]
mod template_names;
mod trial;

use axum::extract::{ConnectInfo, RawPathParams, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Extension, Router};
use serde_json::{Map, Value, json};

use super::access::guard::{CallerProof, GuardConfig, RequestCaller};
use super::access::login::see_other;
use super::asked::AskedQuery;
use super::limit::ConnectionHold;
use super::look::StoreLook;
use super::refusal::{AnswerRefusal, RefusalKind};
use super::sources::{ListenerSources, Readiness};
use assets::{ICON, SCRIPT, STYLE};
use pace::PartPace;
use shared::{RenderingKey, SharedRenderings};

/// What a page may do: nothing but show itself, and ask this host.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types ww";
/// Bytes of a page.
const PAGE_BYTES_MAX: usize = 400 << 10;

/// One page.
struct PageRoute {
    path: &'static str,
    template: &'static str,
    /// Keys of its query.
    query: &'static [&'static str],
    model: fn(&StoreLook, &AskedQuery) -> Result<Value, AnswerRefusal>,
}

const ROUTES: &[PageRoute] = &[
    PageRoute {
        path: "/",
        template: "now.html",
        query: &["topic", "since", "outlets", "told", "cursor"],
        model: stories::now,
    },
    PageRoute {
        path: "/stories",
        template: "stories.html",
        query: &["topic", "since", "outlets", "told", "limit", "cursor"],
        model: stories::list,
    },
    PageRoute { path: "/stories/{id}", template: "story.html", query: &[], model: stories::one },
    PageRoute {
        path: "/items",
        template: "items.html",
        query: &["source", "topic", "since", "limit", "cursor"],
        model: items::list,
    },
    PageRoute { path: "/items/{id}", template: "item.html", query: &[], model: items::one },
    PageRoute {
        path: "/search",
        template: "search.html",
        query: &["q", "source", "topic", "story", "since", "limit", "cursor"],
        model: items::search,
    },
    PageRoute {
        path: "/alerts",
        template: "alerts.html",
        query: &["topic", "story", "since", "limit", "cursor"],
        model: alerts::list,
    },
    PageRoute { path: "/alerts/{id}", template: "alert.html", query: &[], model: alerts::one },
    PageRoute { path: "/topics", template: "topics.html", query: &[], model: operations::topics },
    PageRoute { path: "/topics/{id}", template: "topic.html", query: &[], model: operations::topic },
    PageRoute { path: "/feeds", template: "feeds.html", query: &["state"], model: operations::feeds },
    PageRoute { path: "/feeds/{id}", template: "feed.html", query: &[], model: operations::feed },
    PageRoute {
        path: "/deliveries",
        template: "deliveries.html",
        query: &["endpoint", "state", "since", "limit", "cursor"],
        model: operations::deliveries,
    },
    PageRoute { path: "/deliveries/{id}", template: "delivery.html", query: &[], model: operations::delivery },
    PageRoute { path: "/endpoints/{id}", template: "endpoint.html", query: &[], model: operations::endpoint },
    PageRoute { path: "/silences", template: "silences.html", query: &["all"], model: operations::silences },
    PageRoute {
        path: "/silences/new",
        template: "silence_new.html",
        query: &["topic", "source", "story", "text", "for", "comment"],
        model: operations::silence_new,
    },
    PageRoute { path: "/silences/{id}", template: "silence.html", query: &[], model: operations::silence },
    PageRoute { path: "/status", template: "status.html", query: &[], model: operations::status },
];

/// The routes of all pages and of what they load.
pub(super) fn router() -> Router<ListenerSources> {
    let pages = ROUTES.iter().fold(Router::new(), |router, route| router.route(route.path, showing(route)));
    let at = |name: &str| format!("{}/{name}", assets::folder());
    pages
        .route("/topics/{id}/try", get(trial::show).post(trial::run))
        .route("/feeds/{id}/read", axum::routing::post(reading::read).layer(Extension(reading::ReadingDesk::new())))
        .route("/login", get(entrance::show).post(entrance::log_in))
        .route("/logout", axum::routing::post(entrance::log_out))
        .route(&at("page.css"), asset("text/css; charset=utf-8", STYLE))
        .route(&at("live.js"), asset("text/javascript; charset=utf-8", SCRIPT))
        .route(&at("icon.svg"), asset("image/svg+xml", ICON))
        .layer(Extension(PartPace::default()))
        .layer(Extension(SharedRenderings::default()))
}

/// Its path has its hash: it never changes.
fn asset(kind: &'static str, text: &'static str) -> MethodRouter<ListenerSources> {
    get(move || async move {
        let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
        (headers, text).into_response()
    })
}

/// What every page has around its own.
#[derive(Debug, Clone)]
struct PageFrame {
    path: String,
    /// `light` or `dark` where the reader chose.
    theme: Option<&'static str>,
    readiness: Readiness,
    /// Who looks.
    caller: RequestCaller,
    has_login: bool,
    /// Somebody is asked who they are before they see anything.
    is_closed: bool,
}

impl PageFrame {
    fn of(served: &ListenerSources, caller: &RequestCaller, uri: &Uri, headers: &HeaderMap) -> Self {
        let readiness = served.readiness.borrow().clone();
        let config = (served.guard)();
        Self {
            path: uri.path().to_owned(),
            theme: chosen_theme(headers),
            readiness,
            caller: caller.clone(),
            has_login: config.has_login(),
            is_closed: config.is_closed(),
        }
    }

    /// A model with this around it.
    fn around(&self, model: Value, now: crate::model::Timestamp) -> Value {
        let mut whole = match model {
            Value::Object(map) => map,
            other => Map::from_iter([("data".to_owned(), other)]),
        };
        let section = self.path.split('/').nth(1).unwrap_or_default();
        let section = if section == "endpoints" { "deliveries" } else { section };
        whole.insert("section".to_owned(), json!(section));
        whole.insert("path".to_owned(), json!(self.path));
        whole.insert("theme".to_owned(), json!(self.theme));
        // Who does not say who they are learns nothing.
        let health = if self.caller.may_read { self.readiness.clone() } else { Readiness::ready() };
        whole.insert("health".to_owned(), json!(health));
        let logged_in = self.caller.proof == CallerProof::Session;
        whole.insert(
            "user".to_owned(),
            json!({
                "name": self.caller.name, "may_write": self.caller.may_write, "may_read": self.caller.may_read,
                "logged_in": logged_in, "may_log_in": self.has_login && !logged_in,
                "may_try": self.is_closed && self.caller.may_read,
            }),
        );
        whole.insert("now".to_owned(), json!(now));
        Value::Object(whole)
    }
}

fn chosen_theme(headers: &HeaderMap) -> Option<&'static str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let chosen = cookies.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix("ww_theme="));
    ["light", "dark"].into_iter().find(|theme| chosen == Some(theme))
}

fn showing(route: &'static PageRoute) -> MethodRouter<ListenerSources> {
    get(
        move |State(served): State<ListenerSources>,
              Extension(caller): Extension<RequestCaller>,
              Extension(pace): Extension<PartPace>,
              Extension(shared): Extension<SharedRenderings>,
              ConnectInfo(hold): ConnectInfo<ConnectionHold>,
              path: RawPathParams,
              RawQuery(query),
              uri: Uri,
              headers: HeaderMap| async move {
            let id = path.iter().next().map(|(_, value)| value.to_owned()).unwrap_or_default();
            let frame = PageFrame::of(&served, &caller, &uri, &headers);
            let now = served.clock.now();
            let known: Vec<&str> = route.query.iter().copied().chain(["part", "keys"]).collect();
            let asked = AskedQuery::read(route.path, id, query.as_deref().unwrap_or_default(), &known, now);
            let wanted = asked.as_ref().ok().and_then(|asked| asked.owned("part"));
            let made = match (asked, &wanted) {
                (Ok(asked), None) => served.reads.answer(page_maker(route, asked, frame.clone())).await,
                (Ok(asked), Some(ids)) => match pace.take(hold.from(), &caller, &headers, now) {
                    Ok(()) => {
                        let page = shared_page(&served, &shared, route, asked, &frame).await;
                        page.map(|html| part::cut(&html, ids))
                    }
                    Err(refusal) => Err(refusal),
                },
                (Err(refusal), _) => Err(refusal),
            };
            match made {
                Ok(html) => send(StatusCode::OK, html),
                Err(refusal) => refused(&refusal, &frame, now),
            }
        },
    )
}

/// What makes a page of the store.
fn page_maker(
    route: &'static PageRoute,
    asked: AskedQuery,
    frame: PageFrame,
) -> impl FnOnce(&StoreLook) -> Result<String, AnswerRefusal> + Send + 'static {
    move |look| {
        let model = (route.model)(look, &asked)?;
        template::render(route.template, &frame.around(model, look.now))
    }
}

/// A page for a tab that keeps it live, made once for all that show it alike.
async fn shared_page(
    served: &ListenerSources,
    shared: &SharedRenderings,
    route: &'static PageRoute,
    asked: AskedQuery,
    frame: &PageFrame,
) -> Result<std::sync::Arc<str>, AnswerRefusal> {
    let key = RenderingKey {
        path: frame.path.clone(),
        query: asked.given().filter(|(key, _)| key != "part").cloned().collect(),
        caller: frame.caller.name.clone(),
        logged_in: frame.caller.proof == CallerProof::Session,
        may_write: frame.caller.may_write,
        may_read: frame.caller.may_read,
    };
    let (reads, make) = (served.reads.clone(), page_maker(route, asked, frame.clone()));
    let render = move |start| async move {
        let make = |look: &StoreLook| {
            drop(start);
            make(look)
        };
        reads.answer_behind(make).await
    };
    shared.get(key, render).await
}

fn send(status: StatusCode, html: String) -> Response {
    let kind = (header::CONTENT_TYPE, "text/html; charset=utf-8");
    if html.len() > PAGE_BYTES_MAX {
        tracing::warn!(bytes = html.len(), "a page is larger than it should be");
    }
    let mut response = (status, [kind], html).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// Why there is nothing to show, and what to do next.
fn refused(refusal: &AnswerRefusal, frame: &PageFrame, now: crate::model::Timestamp) -> Response {
    let (_, mut status, title) = refusal.kind.parts();
    if refusal.kind == RefusalKind::Moved {
        // A browser may keep it: a story that was merged stays so.
        status = StatusCode::MOVED_PERMANENTLY;
    }
    let model = json!({
        "title": title,
        "detail": refusal.detail,
        "hint": refusal.hint,
        "again": matches!(refusal.kind, RefusalKind::Busy | RefusalKind::StoreFailed),
    });
    let html = template::render("refused.html", &frame.around(model, now)).unwrap_or_else(|_| title.to_owned());
    let mut response = send(status, html);
    refusal.add_headers(&mut response);
    response
}

/// What is not there: a page for people, a line for everybody else.
pub(super) async fn no_such_page(
    State(served): State<ListenerSources>,
    Extension(caller): Extension<RequestCaller>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if !wants_page(&headers) {
        return (StatusCode::NOT_FOUND, "not found\n").into_response();
    }
    let refusal = AnswerRefusal::new(RefusalKind::NotFound, "there is no page of this address");
    refused_page(&refusal, &served, &caller, &uri, &headers)
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepts.contains("text/html")
}

/// Why something is not done, as a page.
pub(super) fn refused_page(
    refusal: &AnswerRefusal,
    served: &ListenerSources,
    caller: &RequestCaller,
    uri: &Uri,
    headers: &HeaderMap,
) -> Response {
    refused(refusal, &PageFrame::of(served, caller, uri, headers), served.clock.now())
}

/// Whom the guard does not let pass: a person is shown the way in and comes back to where they were, a program is told.
pub(super) fn turned_away(
    refusal: &AnswerRefusal,
    served: &ListenerSources,
    config: &GuardConfig,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Response {
    if uri.path().starts_with("/v1") {
        return refusal.problem();
    }
    if !wants_page(headers) || refusal.kind == RefusalKind::WrongHost {
        return refusal.line();
    }
    let nobody =
        RequestCaller { name: None, proof: CallerProof::Nothing, may_write: false, may_read: !config.is_closed() };
    if refusal.kind == RefusalKind::Unauthorized && config.has_login() {
        if method != Method::GET {
            return see_other("/login");
        }
        // A link from elsewhere comes without the cookie, which is for this host's pages only; the same address asked for by
        // a page of ours comes with it.
        if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
            let frame = PageFrame::of(served, &nobody, uri, headers);
            let html = template::render("again.html", &frame.around(json!({}), served.clock.now()));
            return send(StatusCode::OK, html.unwrap_or_default());
        }
        let place = uri.path_and_query().map_or("/", |place| place.as_str());
        let next: String = url::form_urlencoded::byte_serialize(place.as_bytes()).collect();
        return see_other(&format!("/login?next={next}"));
    }
    refused_page(refusal, served, &nobody, uri, headers)
}
