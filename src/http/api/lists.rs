//! Lists: a part of many, with a cursor to the next part. The rows are those that the command line prints.

use serde::Serialize;

use super::answer::ApiAnswer;
use crate::http::asked::AskedQuery;
use crate::http::cursor::{ChangeCursor, ListCursor};
use crate::http::look::StoreLook;
use crate::http::refusal::{AnswerRefusal, RefusalKind};
use crate::http::rows;
use crate::store::ListPart;
use crate::view::silences as all_silences;

/// A part of a list.
#[derive(Serialize)]
struct ListDocument<'a, T> {
    data: &'a [T],
    /// The next part, by `cursor`.
    next: Option<String>,
    /// Ask for what came after this part, by `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<String>,
    /// Rows of the whole list, up to 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    /// There are more than were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    capped: Option<bool>,
}

/// Rows of a whole list, and whether there are more.
type RowCount = Option<(usize, bool)>;

/// Counts a list where that is asked for.
fn counted<T>(
    asked: &AskedQuery,
    rows: impl FnOnce(&AskedQuery) -> Result<rows::RowsPart<T>, AnswerRefusal>,
) -> Result<RowCount, AnswerRefusal> {
    if !asked.choice("count", &[("1", true), ("0", false)])?.unwrap_or(false) {
        return Ok(None);
    }
    let all = rows(&asked.counting())?;
    Ok(Some((all.rows.len(), all.more)))
}

/// A list that is given whole: the config bounds it.
fn whole<T: Serialize>(rows: &[T]) -> Result<ApiAnswer, AnswerRefusal> {
    ApiAnswer::document(&ListDocument { data: rows, next: None, newest: None, count: None, capped: None })
}

/// A part of a list that goes on where `place` says.
fn part<T: Serialize>(
    look: &StoreLook,
    asked: &AskedQuery,
    rows: &rows::RowsPart<T>,
    place: impl Fn(&T) -> ListCursor,
    newest: Option<ListCursor>,
    count: RowCount,
) -> Result<ApiAnswer, AnswerRefusal> {
    let encode = |cursor: ListCursor| cursor.encode(asked, &look.lineage());
    let next = rows.rows.last().filter(|_| rows.more).map(|row| encode(place(row)));
    let document = ListDocument {
        data: &rows.rows,
        next: next.clone(),
        newest: newest.map(encode),
        count: count.map(|(count, _)| count),
        capped: count.map(|(_, capped)| capped),
    };
    let mut answer = ApiAnswer::document(&document)?;
    answer.next =
        next.map(|next| rows::query_with(asked, if asked.text("after").is_some() { "after" } else { "cursor" }, &next));
    Ok(answer)
}

/// Where the list that is asked for stands in the order of arrival.
fn newest<T>(rows: &[T], asked_part: ListPart, number: impl Fn(&T) -> i64) -> Option<ListCursor> {
    let at = match asked_part {
        ListPart::Newest => rows.first().map_or(0, &number),
        ListPart::After(after) => rows.last().map_or(after, &number),
        ListPart::Before(_) => return None,
    };
    Some(ListCursor { first: at, second: 0 })
}

pub(super) fn items(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    let (rows, asked_part) = rows::items(look, asked)?;
    let newest = newest(&rows.rows, asked_part, |item| item.seq);
    part(
        look,
        asked,
        &rows,
        |item| ListCursor { first: item.seq, second: 0 },
        newest,
        counted(asked, |all| Ok(rows::items(look, all)?.0))?,
    )
}

pub(super) fn stories(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    let rows = rows::stories(look, asked)?;
    part(look, asked, &rows, rows::story_place, None, counted(asked, |all| rows::stories(look, all))?)
}

pub(super) fn alerts(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    let (rows, asked_part) = rows::alerts(look, asked)?;
    let newest = newest(&rows.rows, asked_part, |alert| alert.sequence.cast_signed());
    part(
        look,
        asked,
        &rows,
        |alert| ListCursor { first: alert.sequence.cast_signed(), second: 0 },
        newest,
        counted(asked, |all| Ok(rows::alerts(look, all)?.0))?,
    )
}

pub(super) fn deliveries(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    let rows = rows::deliveries(look, asked)?;
    part(look, asked, &rows, rows::delivery_place, None, counted(asked, |all| rows::deliveries(look, all))?)
}

pub(super) fn search(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    if asked.text("q").is_none() {
        return Err(AnswerRefusal::new(RefusalKind::BadQuery, "`q` says what to look for, and is not given"));
    }
    let rows = rows::search(look, asked)?;
    part(look, asked, &rows, |hit| ListCursor { first: hit.item.seq, second: 0 }, None, None)
}

pub(super) fn actions(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    let rows = rows::actions(look, asked)?;
    part(look, asked, &rows, |action| ListCursor { first: action.number, second: 0 }, None, None)
}

pub(super) fn feeds(look: &StoreLook, _: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    whole(&rows::feeds(look)?)
}

pub(super) fn endpoints(look: &StoreLook, _: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    whole(&rows::endpoints(look)?)
}

pub(super) fn topics(look: &StoreLook, _: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    whole(&rows::topics(look)?)
}

pub(super) fn silences(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    let all = asked.choice("all", &[("true", true), ("false", false)])?.unwrap_or(false);
    whole(&all_silences(&look.config, &look.store, look.now, all)?)
}

/// `next` is always there: it is where to ask on from later.
pub(super) fn changes(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    let kinds = rows::change_kinds(asked)?;
    let after = match asked.text("after") {
        Some(text) => rows::known_change(look, ChangeCursor::decode(text, &look.store)?)?,
        None => 0,
    };
    let (rows, upto) = look.store.changes_after(after, &kinds, asked.limit()?)?;
    let next = ChangeCursor(upto).encode(&look.store);
    ApiAnswer::document(&ListDocument { data: &rows, next: Some(next), newest: None, count: None, capped: None })
}
