//! Single things, as the command line prints them.

use super::answer::ApiAnswer;
use crate::http::asked::AskedQuery;
use crate::http::explain as explained;
use crate::http::look::StoreLook;
use crate::http::one;
use crate::http::refusal::{AnswerRefusal, RefusalKind};
use crate::view::{EndpointPreview, PreviewError, Status};

pub(super) fn status(look: &StoreLook, _: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    ApiAnswer::document(&Status::of(&look.config, &look.store, &look.place, None, look.now)?)
}

pub(super) fn item(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    ApiAnswer::document(&one::item(look, &asked.id)?)
}

pub(super) fn story(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    let story = one::story(look, &asked.id)?;
    if story.merged_from.is_some() {
        return Err(AnswerRefusal::moved(format!("/v1/stories/{}", story.line.id)));
    }
    ApiAnswer::document(&story)
}

pub(super) fn alert(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    ApiAnswer::document(&one::alert(look, &asked.id)?)
}

pub(super) fn delivery(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    ApiAnswer::document(&one::delivery(look, &asked.id)?)
}

pub(super) fn feed(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    ApiAnswer::document(&one::feed(look, &asked.id)?)
}

pub(super) fn endpoint(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    ApiAnswer::document(&one::endpoint(look, &asked.id)?.1)
}

pub(super) fn silence(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    ApiAnswer::document(&one::silence(look, &asked.id)?)
}

pub(super) fn topic(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    ApiAnswer::document(&one::topic(look, &asked.id)?)
}

pub(super) fn explain(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    ApiAnswer::document(&explained::stored(look, asked)?)
}

pub(super) fn trial(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    ApiAnswer::document(&explained::trial(look, asked)?)
}

pub(super) fn preview(look: &StoreLook, asked: &AskedQuery) -> Result<ApiAnswer, AnswerRefusal> {
    let endpoint = one::endpoint(look, &asked.id)?.0;
    let alert = asked
        .text("alert")
        .ok_or_else(|| AnswerRefusal::new(RefusalKind::BadQuery, "`alert` says which one, and is not given"))?;
    let preview = EndpointPreview::of(endpoint, &one::alert(look, alert)?, &look.store);
    ApiAnswer::document(&preview.map_err(|error| match error {
        PreviewError::Store(error) => AnswerRefusal::from(error),
        error @ PreviewError::Render(_) => AnswerRefusal::new(RefusalKind::NothingTaken, error.to_string()),
    })?)
}
