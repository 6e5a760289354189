//! Feeds out, for feed readers: stories of a topic, all stories, the reports of one, and the stories that somebody was
//! told of. One entry per story, which changes as the story grows. A reader cannot send headers: on these paths the token
//! may be in the address.

use axum::Router;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use xxhash_rust::xxh3::xxh3_64;

use super::asked::AskedQuery;
use super::look::StoreLook;
use super::one;
use super::refusal::{AnswerRefusal, RefusalKind};
use super::sources::ListenerSources;
use crate::model::Timestamp;
use crate::store::{StoryFilter, StoryLine, StoryReport, StoryReports};
use crate::view::{FeedDocument, FeedForm, SyndicatedEntry};

/// Entries of a feed.
const ENTRIES_MAX: usize = 50;
/// Outlets named in a line.
const OUTLETS_NAMED: usize = 8;
/// Where they are.
const FOLDER: &str = "/feeds/";

/// Which feed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum FeedOut {
    Stories,
    Told,
    Topic(String),
    Story(String),
}

/// The routes of all of them.
pub(super) fn router() -> Router<ListenerSources> {
    Router::new()
        .route("/feeds/stories.atom", fixed(FeedOut::Stories))
        .route("/feeds/alerts.atom", fixed(FeedOut::Told))
        .route("/feeds/topics/{file}", named(&["atom", "rss", "json"], FeedOut::Topic))
        .route("/feeds/stories/{file}", named(&["atom"], FeedOut::Story))
}

/// A reader cannot send a header: the token in the address counts as one, on these paths alone.
pub(super) fn take_token(request: &mut Request) {
    if !request.uri().path().starts_with(FOLDER) || request.headers().contains_key(header::AUTHORIZATION) {
        return;
    }
    let query = request.uri().query().unwrap_or_default();
    let given = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "token");
    if let Some((_, token)) = given
        && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {token}"))
    {
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
}

fn fixed(feed: FeedOut) -> MethodRouter<ListenerSources> {
    get(move |State(served): State<ListenerSources>, RawQuery(query): RawQuery, headers: HeaderMap| async move {
        answer(served, feed.clone(), FeedForm::Atom, query, headers).await
    })
}

fn named(extensions: &'static [&'static str], make: fn(String) -> FeedOut) -> MethodRouter<ListenerSources> {
    get(
        move |State(served): State<ListenerSources>,
              Path(file): Path<String>,
              RawQuery(query): RawQuery,
              headers: HeaderMap| async move {
            let parts = file.rsplit_once('.').filter(|(_, extension)| extensions.contains(extension));
            match parts.and_then(|(id, extension)| Some((id, FeedForm::of_extension(extension)?))) {
                Some((id, form)) => answer(served, make(id.to_owned()), form, query, headers).await,
                None => AnswerRefusal::new(RefusalKind::NotFound, format!("there is no feed `{file}`"))
                    .hint(format!("its name ends in one of: {}", extensions.join(", ")))
                    .problem(),
            }
        },
    )
}

async fn answer(
    served: ListenerSources,
    feed: FeedOut,
    form: FeedForm,
    query: Option<String>,
    headers: HeaderMap,
) -> Response {
    let asked =
        AskedQuery::read(FOLDER, String::new(), query.as_deref().unwrap_or_default(), &["token"], served.clock.now());
    if let Err(refusal) = asked {
        return refusal.problem();
    }
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let made = served.reads.answer(move |look| make(look, &feed, form, known.as_deref())).await;
    match made {
        Ok((tag, body)) => {
            let mut response = match body {
                Some(body) => ([(header::CONTENT_TYPE, form.media_type())], body).into_response(),
                None => StatusCode::NOT_MODIFIED.into_response(),
            };
            let headers = response.headers_mut();
            headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("invariant: hexadecimal"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
            response
        }
        Err(refusal) => refusal.problem(),
    }
}

/// The document, or nothing where its reader has it: nothing happened since.
fn make(
    look: &StoreLook,
    feed: &FeedOut,
    form: FeedForm,
    known: Option<&str>,
) -> Result<(String, Option<Vec<u8>>), AnswerRefusal> {
    let newest = look.store.changes_kept()?.newest;
    let of = format!("{feed:?} {form:?} {} {:?}", look.store.instance(), look.config.http.public_url);
    let tag = format!("W/\"{newest:x}-{:016x}\"", xxh3_64(of.as_bytes()));
    if known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag)) {
        return Ok((tag, None));
    }
    let mut body = Vec::new();
    // Writing to memory cannot fail.
    let _ = document(look, feed, form)?.write(&mut body, form);
    Ok((tag, Some(body)))
}

fn document(look: &StoreLook, feed: &FeedOut, form: FeedForm) -> Result<FeedDocument, AnswerRefusal> {
    let (name, title, entries) = match feed {
        FeedOut::Stories => ("stories".to_owned(), "Stories".to_owned(), stories(look, None, None)?),
        FeedOut::Told => ("alerts".to_owned(), "Stories that were told".to_owned(), stories(look, None, Some(true))?),
        FeedOut::Topic(topic) => {
            let label = one::topic(look, topic)?.line.label;
            (format!("topics/{topic}"), label, stories(look, Some(topic), None)?)
        }
        FeedOut::Story(id) => {
            let story = one::story(look, id)?;
            if story.merged_from.is_some() {
                return Err(AnswerRefusal::moved(format!("/feeds/stories/{}.atom", story.line.id)));
            }
            let told = look.store.story_reports(story.line.id, true, ENTRIES_MAX)?;
            (format!("stories/{id}"), story.line.title, told.reports.iter().map(report).collect())
        }
    };
    let extension = match form {
        FeedForm::Atom => "atom",
        FeedForm::Rss => "rss",
        FeedForm::Json => "json",
    };
    let public = look.config.http.public_url.as_deref();
    Ok(FeedDocument {
        id: format!("urn:wirewatch:{}:{name}", look.store.instance()),
        title: format!("wirewatch: {title}"),
        address: public.map(|url| format!("{url}{FOLDER}{name}.{extension}")),
        updated: entries
            .iter()
            .map(|entry: &SyndicatedEntry| entry.updated)
            .max()
            .unwrap_or(Timestamp::from_seconds(0)),
        entries,
    })
}

fn stories(look: &StoreLook, topic: Option<&str>, told: Option<bool>) -> Result<Vec<SyndicatedEntry>, AnswerRefusal> {
    let filter = StoryFilter { topic: topic.map(str::to_owned), told, limit: ENTRIES_MAX, ..StoryFilter::default() };
    let public = look.config.http.public_url.as_deref();
    let lines = look.store.stories(&filter)?;
    let entry = |line: &StoryLine| {
        let reports = look.store.story_reports(line.id, false, ENTRIES_MAX)?;
        Ok(story(line, &reports, public, told == Some(true)))
    };
    lines.iter().map(entry).collect()
}

/// An entry that grows with its story.
fn story(line: &StoryLine, told: &StoryReports, public: Option<&str>, is_told: bool) -> SyndicatedEntry {
    let named = line.outlets.iter().take(OUTLETS_NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = line.outlets.len().saturating_sub(OUTLETS_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let first = told.reports.iter().find_map(|report| report.url.clone());
    let changed = [Some(line.last_seen), told.edited_at, told.alerted_at.filter(|_| is_told)];
    SyndicatedEntry {
        id: format!("urn:wirewatch:{}", line.id),
        title: line.title.clone(),
        link: public.map(|url| format!("{url}/stories/{}", line.id)).or(first),
        related: told
            .reports
            .iter()
            .filter_map(|report| Some((format!("{}: {}", report.outlet, report.title), report.url.clone()?)))
            .collect(),
        carried: match line.outlets.len() {
            0 => String::new(),
            count => format!("carried by {count}: {named}{more}"),
        },
        text: told.excerpt.clone(),
        author: line.outlets.first().cloned().unwrap_or_else(|| "wirewatch".to_owned()),
        published: line.first_seen,
        updated: changed.into_iter().flatten().max().unwrap_or(line.last_seen),
        categories: told.topics.clone(),
    }
}

/// One report of a story.
fn report(report: &StoryReport) -> SyndicatedEntry {
    SyndicatedEntry {
        id: format!("urn:wirewatch:{}", report.id),
        title: report.title.clone(),
        link: report.url.clone(),
        related: Vec::new(),
        carried: String::new(),
        text: report.excerpt.clone(),
        author: report.outlet.clone(),
        published: report.at,
        updated: report.at,
        categories: Vec::new(),
    }
}
