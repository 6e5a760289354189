//! Single things, as the command line prints them.

use super::{ApiAnswer, openapi as description};
use crate::http::asked::Asked;
use crate::http::look::Look;
use crate::http::one;
use crate::http::refusal::Refusal;
use crate::view::Status;

pub(super) fn status(look: &Look, _: &Asked) -> Result<ApiAnswer, Refusal> {
    ApiAnswer::document(&Status::of(&look.config, &look.store, &look.place, None, look.now)?)
}

pub(super) fn item(look: &Look, asked: &Asked) -> Result<ApiAnswer, Refusal> {
    ApiAnswer::document(&one::item(look, &asked.id)?)
}

pub(super) fn story(look: &Look, asked: &Asked) -> Result<ApiAnswer, Refusal> {
    let story = one::story(look, &asked.id)?;
    if story.merged_from.is_some() {
        return Err(Refusal::moved(format!("/v1/stories/{}", story.line.id)));
    }
    ApiAnswer::document(&story)
}

pub(super) fn alert(look: &Look, asked: &Asked) -> Result<ApiAnswer, Refusal> {
    ApiAnswer::document(&one::alert(look, &asked.id)?)
}

pub(super) fn delivery(look: &Look, asked: &Asked) -> Result<ApiAnswer, Refusal> {
    ApiAnswer::document(&one::delivery(look, &asked.id)?)
}

pub(super) fn feed(look: &Look, asked: &Asked) -> Result<ApiAnswer, Refusal> {
    ApiAnswer::document(&one::feed(look, &asked.id)?)
}

pub(super) fn endpoint(look: &Look, asked: &Asked) -> Result<ApiAnswer, Refusal> {
    ApiAnswer::document(&one::endpoint(look, &asked.id)?.1)
}

pub(super) fn silence(look: &Look, asked: &Asked) -> Result<ApiAnswer, Refusal> {
    ApiAnswer::document(&one::silence(look, &asked.id)?)
}

pub(super) fn topic(look: &Look, asked: &Asked) -> Result<ApiAnswer, Refusal> {
    ApiAnswer::document(&one::topic(look, &asked.id)?)
}

pub(super) fn openapi(_: &Look, _: &Asked) -> Result<ApiAnswer, Refusal> {
    ApiAnswer::document(&description::document())
}
