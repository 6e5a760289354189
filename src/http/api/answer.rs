//! What there is to read, and an answer that is made.

use serde::Serialize;

use crate::http::asked::AskedQuery;
use crate::http::look::StoreLook;
use crate::http::refusal::{AnswerRefusal, RefusalKind};

/// One thing that can be read.
pub(super) struct ApiRoute {
    pub path: &'static str,
    pub summary: &'static str,
    /// Keys of its query.
    pub query: &'static [&'static str],
    /// What the answer is, as the OpenAPI document names it.
    pub shape: AnswerShape,
    pub read: fn(&StoreLook, &AskedQuery) -> Result<ApiAnswer, AnswerRefusal>,
}

/// Whether an answer is one thing or a part of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerShape {
    List,
    Document,
}

/// An answer that is made.
pub(super) struct ApiAnswer {
    pub body: Vec<u8>,
    pub next: Option<String>,
}

impl ApiAnswer {
    /// A document or a part of a list.
    pub fn document<T: Serialize>(value: &T) -> Result<Self, AnswerRefusal> {
        let body = serde_json::to_vec(value).map_err(|error| {
            AnswerRefusal::new(RefusalKind::StoreFailed, format!("the answer is not JSON: {error}"))
        })?;
        Ok(Self { body, next: None })
    }
}
