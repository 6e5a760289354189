//! The rows of lists, read as the query asks: the same for `/v1` and for the page. One row more than asked for is
//! read, to know whether there are more.

use url::form_urlencoded::Serializer;

use super::asked::AskedQuery;
use super::cursor::{ChangePlace, ListCursor};
use super::look::StoreLook;
use super::refusal::{AnswerRefusal, RefusalKind};
use crate::model::{EndpointId, Severity, StoryId, Timestamp};
use crate::store::outbox::{self, DeliveryFilter, DeliveryId, DeliveryRow, DeliveryState};
use crate::store::{
    ActionRecord, AlertFilter, AlertRecord, ChangeKind, Hit, ItemFilter, ItemLine, ListPart, SearchQuery, StoryFilter,
    StoryLine,
};
use crate::view::{EndpointLine, FeedLine, TopicLine};

/// A part of a list.
pub(super) struct RowsPart<T> {
    pub rows: Vec<T>,
    /// There are more behind it.
    pub more: bool,
}

fn cut<T>(mut rows: Vec<T>, limit: usize) -> RowsPart<T> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    RowsPart { rows, more }
}

/// The query that was asked, at another place of the list.
pub(super) fn query_with(asked: &AskedQuery, key: &str, cursor: &str) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(asked.filters());
    if let Some(limit) = asked.text("limit") {
        query.append_pair("limit", limit);
    }
    query.append_pair(key, cursor).finish()
}

fn place(look: &StoreLook, asked: &AskedQuery, key: &str) -> Result<Option<ListCursor>, AnswerRefusal> {
    asked.text(key).map(|text| ListCursor::decode(text, asked, &look.lineage())).transpose()
}

fn list_part(look: &StoreLook, asked: &AskedQuery) -> Result<ListPart, AnswerRefusal> {
    match (place(look, asked, "cursor")?, place(look, asked, "after")?) {
        (Some(_), Some(_)) => Err(AnswerRefusal::new(RefusalKind::BadQuery, "`cursor` and `after` exclude each other")),
        (Some(cursor), None) => Ok(ListPart::Before(cursor.first)),
        (None, Some(after)) => Ok(ListPart::After(after.first)),
        (None, None) => Ok(ListPart::Newest),
    }
}

pub(super) fn items(look: &StoreLook, asked: &AskedQuery) -> Result<(RowsPart<ItemLine>, ListPart), AnswerRefusal> {
    let (part, limit) = (list_part(look, asked)?, asked.limit()?);
    let filter = ItemFilter {
        source: asked.owned("source"),
        topic: asked.owned("topic"),
        severity_min: severity_min(asked)?,
        since: asked.since()?,
        part,
        limit: limit + 1,
    };
    Ok((cut(look.store.items(&filter)?, limit), part))
}

pub(super) fn actions(look: &StoreLook, asked: &AskedQuery) -> Result<RowsPart<ActionRecord>, AnswerRefusal> {
    let limit = asked.limit()?;
    let before = place(look, asked, "cursor")?.map(|cursor| cursor.first);
    Ok(cut(look.store.actions(asked.text("about"), before, limit + 1)?, limit))
}

pub(super) fn stories(look: &StoreLook, asked: &AskedQuery) -> Result<RowsPart<StoryLine>, AnswerRefusal> {
    let limit = asked.limit()?;
    let before = place(look, asked, "cursor")?
        .map(|cursor| (Timestamp::from_millis(cursor.first), StoryId::from_i64(cursor.second)));
    let filter = StoryFilter {
        topic: asked.owned("topic"),
        since: asked.since()?,
        outlets_min: asked.parsed("outlets", str::parse::<u16>)?.map_or(0, usize::from),
        told: asked.choice("told", &[("yes", true), ("no", false)])?,
        before,
        limit: limit + 1,
    };
    Ok(cut(look.store.stories(&filter)?, limit))
}

/// Where a list of stories goes on.
pub(super) fn story_place(story: &StoryLine) -> ListCursor {
    ListCursor { first: story.last_seen.millis(), second: story.id.to_i64() }
}

pub(super) fn alerts(look: &StoreLook, asked: &AskedQuery) -> Result<(RowsPart<AlertRecord>, ListPart), AnswerRefusal> {
    let (part, limit) = (list_part(look, asked)?, asked.limit()?);
    let filter = AlertFilter {
        topic: asked.owned("topic"),
        severity_min: severity_min(asked)?,
        since: asked.since()?,
        story: asked.parsed("story", StoryId::parse)?,
        part,
        limit: limit + 1,
    };
    Ok((cut(look.store.alerts(&filter)?, limit), part))
}

pub(super) fn deliveries(look: &StoreLook, asked: &AskedQuery) -> Result<RowsPart<DeliveryRow>, AnswerRefusal> {
    let limit = asked.limit()?;
    let state = asked.parsed("state", |text| DeliveryState::from_name(text).ok_or("no state of a delivery"))?;
    let filter = DeliveryFilter {
        endpoint: asked.parsed("endpoint", EndpointId::new)?,
        state,
        topic: None,
        severity_min: severity_min(asked)?,
        since: asked.since()?,
        alert: None,
        before: place(look, asked, "cursor")?.map(|cursor| DeliveryId::from_number(cursor.first)),
        rows_max: limit + 1,
    };
    Ok(cut(look.store.read("list deliveries", |c| outbox::list(c, &filter))?, limit))
}

/// Where a list of deliveries goes on.
pub(super) fn delivery_place(row: &DeliveryRow) -> ListCursor {
    ListCursor { first: row.id.number(), second: 0 }
}

pub(super) fn search(look: &StoreLook, asked: &AskedQuery) -> Result<RowsPart<Hit>, AnswerRefusal> {
    let limit = asked.limit()?;
    let query = SearchQuery {
        text: asked.owned("q").unwrap_or_default(),
        topic: asked.owned("topic"),
        source: asked.owned("source"),
        story: asked.parsed("story", StoryId::parse)?,
        since: asked.since()?,
        before: place(look, asked, "cursor")?.map(|cursor| cursor.first),
        limit: limit + 1,
    };
    query.check().map_err(|problem| {
        let refusal = AnswerRefusal::new(RefusalKind::BadQuery, problem.to_string());
        match problem.hint {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    })?;
    Ok(cut(look.store.search(&query)?, limit))
}

pub(super) fn feeds(look: &StoreLook) -> Result<Vec<FeedLine>, AnswerRefusal> {
    let line = |feed| FeedLine::of(feed, Some(&look.store), false).map_err(AnswerRefusal::from);
    look.config.feeds.iter().map(|feed| line(feed)).collect()
}

pub(super) fn endpoints(look: &StoreLook) -> Result<Vec<EndpointLine>, AnswerRefusal> {
    let endpoints = &look.config.endpoints;
    Ok(look.store.read("read endpoints", |c| {
        endpoints.iter().map(|to| Ok(EndpointLine::of(to, outbox::health(c, &to.id)?))).collect()
    })?)
}

pub(super) fn topics(look: &StoreLook) -> Result<Vec<TopicLine>, AnswerRefusal> {
    Ok(TopicLine::all(&look.config.topics, Some(&look.store), look.now)?)
}

/// `severity_min`: only what is at least so severe.
pub(super) fn severity_min(asked: &AskedQuery) -> Result<Option<Severity>, AnswerRefusal> {
    asked.choice("severity_min", &Severity::ALL.map(|severity| (severity.as_str(), severity)))
}

/// Which kinds of changes: `kinds`, or all.
pub(super) fn change_kinds(asked: &AskedQuery) -> Result<Vec<ChangeKind>, AnswerRefusal> {
    let Some(text) = asked.text("kinds") else { return Ok(ChangeKind::ALL.to_vec()) };
    let read = |name: &str| {
        ChangeKind::from_name(name.trim()).ok_or_else(|| {
            let known: Vec<&str> = ChangeKind::ALL.iter().map(|kind| kind.as_str()).collect();
            AnswerRefusal::new(RefusalKind::BadQuery, format!("`{name}` is no kind of change"))
                .hint(format!("known are: {}", known.join(", ")))
        })
    };
    text.split(',').map(read).collect()
}

/// A place from which everything after it is still there.
pub(super) fn known_change(look: &StoreLook, place: ChangePlace) -> Result<i64, AnswerRefusal> {
    let kept = look.store.changes_kept()?;
    let after = match place {
        ChangePlace::After(after) => Some(after),
        ChangePlace::Restored => None,
    };
    let known = after.filter(|after| *after == 0 || *after <= kept.newest && after + 1 >= kept.oldest);
    known.ok_or_else(|| {
        let detail = "the store was restored since, or has forgotten what came after it";
        AnswerRefusal::new(RefusalKind::CursorExpired, detail).hint("list anew, then go on from `after=0`")
    })
}
