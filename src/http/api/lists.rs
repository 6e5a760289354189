//! Lists: a part of many, with a cursor to the next part. The rows are those that the command line prints.

use serde::Serialize;

use super::ApiAnswer;
use crate::http::asked::Asked;
use crate::http::cursor::Cursor;
use crate::http::look::Look;
use crate::http::refusal::{Refusal, RefusalKind};
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
}

/// A list that is given whole: the config bounds it.
fn whole<T: Serialize>(rows: &[T]) -> Result<ApiAnswer, Refusal> {
    ApiAnswer::document(&ListDocument { data: rows, next: None, newest: None })
}

/// A part of a list that goes on where `place` says.
fn part<T: Serialize>(
    look: &Look,
    asked: &Asked,
    rows: &rows::RowsPart<T>,
    place: impl Fn(&T) -> Cursor,
    newest: Option<Cursor>,
) -> Result<ApiAnswer, Refusal> {
    let encode = |cursor: Cursor| cursor.encode(asked, look.store.instance());
    let next = rows.rows.last().filter(|_| rows.more).map(|row| encode(place(row)));
    let document = ListDocument { data: &rows.rows, next: next.clone(), newest: newest.map(encode) };
    let mut answer = ApiAnswer::document(&document)?;
    answer.next =
        next.map(|next| rows::query_with(asked, if asked.text("after").is_some() { "after" } else { "cursor" }, &next));
    Ok(answer)
}

/// Where the list that is asked for stands in the order of arrival.
fn newest<T>(rows: &[T], asked_part: ListPart, number: impl Fn(&T) -> i64) -> Option<Cursor> {
    let at = match asked_part {
        ListPart::Newest => rows.first().map_or(0, &number),
        ListPart::After(after) => rows.last().map_or(after, &number),
        ListPart::Before(_) => return None,
    };
    Some(Cursor { first: at, second: 0 })
}

pub(super) fn items(look: &Look, asked: &Asked) -> Result<ApiAnswer, Refusal> {
    let (rows, asked_part) = rows::items(look, asked)?;
    let newest = newest(&rows.rows, asked_part, |item| item.seq);
    part(look, asked, &rows, |item| Cursor { first: item.seq, second: 0 }, newest)
}

pub(super) fn stories(look: &Look, asked: &Asked) -> Result<ApiAnswer, Refusal> {
    let rows = rows::stories(look, asked)?;
    part(look, asked, &rows, rows::story_place, None)
}

pub(super) fn alerts(look: &Look, asked: &Asked) -> Result<ApiAnswer, Refusal> {
    let (rows, asked_part) = rows::alerts(look, asked)?;
    let newest = newest(&rows.rows, asked_part, |alert| alert.sequence.cast_signed());
    part(look, asked, &rows, |alert| Cursor { first: alert.sequence.cast_signed(), second: 0 }, newest)
}

pub(super) fn deliveries(look: &Look, asked: &Asked) -> Result<ApiAnswer, Refusal> {
    let rows = rows::deliveries(look, asked)?;
    part(look, asked, &rows, rows::delivery_place, None)
}

pub(super) fn search(look: &Look, asked: &Asked) -> Result<ApiAnswer, Refusal> {
    if asked.text("q").is_none() {
        return Err(Refusal::new(RefusalKind::BadQuery, "`q` says what to look for, and is not given"));
    }
    let rows = rows::search(look, asked)?;
    part(look, asked, &rows, |hit| Cursor { first: hit.item.seq, second: 0 }, None)
}

pub(super) fn feeds(look: &Look, _: &Asked) -> Result<ApiAnswer, Refusal> {
    whole(&rows::feeds(look)?)
}

pub(super) fn endpoints(look: &Look, _: &Asked) -> Result<ApiAnswer, Refusal> {
    whole(&rows::endpoints(look)?)
}

pub(super) fn topics(look: &Look, _: &Asked) -> Result<ApiAnswer, Refusal> {
    whole(&rows::topics(look)?)
}

pub(super) fn silences(look: &Look, asked: &Asked) -> Result<ApiAnswer, Refusal> {
    let all = asked.choice("all", &[("true", true), ("false", false)])?.unwrap_or(false);
    whole(&all_silences(&look.config, &look.store, look.now, all)?)
}
