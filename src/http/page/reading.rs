//! `POST /feeds/ID/read`: the feed as wirewatch reads it now. Nothing is stored; it is no GET because it asks somebody
//! else's server.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{PageFrame, refused, send, template};
use crate::http::access::guard::RequestCaller;
use crate::http::limit::ConnectionHold;
use crate::http::refusal::{AnswerRefusal, RefusalKind};
use crate::http::sources::ListenerSources;

/// Feeds looked at once.
const LOOKS_MAX: usize = 2;
/// Items shown.
const ITEMS_SHOWN: usize = 100;

/// Places to look from; cheap to clone.
#[derive(Clone)]
pub(super) struct ReadingDesk(Arc<Semaphore>);

impl ReadingDesk {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(LOOKS_MAX)))
    }
}

pub(super) async fn read(
    State(served): State<ListenerSources>,
    Extension(caller): Extension<RequestCaller>,
    Extension(desk): Extension<ReadingDesk>,
    ConnectInfo(hold): ConnectInfo<ConnectionHold>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    // A slow server may take as long as a poll of it may.
    hold.lengthen();
    let frame = PageFrame::of(&served, &caller, &uri, &headers);
    let made = looked(&served, &desk, &id).await;
    let now = served.clock.now();
    match made.and_then(|model| template::render("feed_read.html", &frame.around(model, now))) {
        Ok(html) => send(StatusCode::OK, html),
        Err(refusal) => refused(&refusal, &frame, now),
    }
}

async fn looked(served: &ListenerSources, desk: &ReadingDesk, id: &str) -> Result<Value, AnswerRefusal> {
    let config = served.reads.config();
    let feed = config.feeds.iter().find(|feed| feed.id.as_str() == id).cloned();
    let feed = feed.ok_or_else(|| AnswerRefusal::not_found("feed in the config named", id))?;
    let place = desk.0.clone().try_acquire_owned();
    let _place = place.map_err(|_| AnswerRefusal::new(RefusalKind::Busy, "others look at feeds as well"))?;
    let looked = (served.feed_look)(config, feed).await;
    let mut reading = looked.map_err(|words| AnswerRefusal::new(RefusalKind::Conflict, words))?;
    let items = reading.items.len();
    reading.items.truncate(ITEMS_SHOWN);
    Ok(json!({"reading": reading, "items": items}))
}
