//! The body of a push, whole: so many bytes, in such a time, and no more once it is inflated.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::StreamExt as _;
use tokio::time::Instant;

use crate::http::refusal::{AnswerRefusal, RefusalKind};
use crate::net::body::{self, BodyError};

/// Between two pieces of a body.
const PIECE_WAIT_MAX: Duration = Duration::from_secs(10);
/// Of a body that is refused.
const DISCARD_BYTES_MAX: usize = 1 << 20;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);
/// For all of a body that is read whole.
const BODY_TIME_MAX: Duration = Duration::from_secs(50);

/// Reads all of a body.
pub(in crate::http) async fn read(body: Body, bytes_max: usize) -> Result<Vec<u8>, AnswerRefusal> {
    let mut stream = body.into_data_stream();
    let ends = Instant::now() + BODY_TIME_MAX;
    let mut bytes = Vec::new();
    while let Some(piece) = next_piece(&mut stream, ends).await? {
        if bytes.len() + piece.len() > bytes_max {
            discard(&mut stream).await;
            return Err(too_large(bytes_max));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// The next piece of a body, if it comes in time.
pub(super) async fn next_piece(stream: &mut BodyDataStream, ends: Instant) -> Result<Option<Bytes>, AnswerRefusal> {
    let until = ends.min(Instant::now() + PIECE_WAIT_MAX);
    match tokio::time::timeout_at(until, stream.next()).await {
        Ok(piece) => piece.transpose().map_err(|_| {
            AnswerRefusal::new(RefusalKind::BadEncoding, "the body broke off before its end").hint("send it again")
        }),
        Err(_) => Err(AnswerRefusal::new(RefusalKind::TooSlow, "the body did not come in time")),
    }
}

/// Takes a little of what nobody wants: a connection that is closed with much of it unread takes the answer with it.
pub(super) async fn discard(stream: &mut BodyDataStream) {
    let ends = Instant::now() + DISCARD_TIME_MAX;
    let mut left = DISCARD_BYTES_MAX;
    while let Ok(Some(Ok(piece))) = tokio::time::timeout_at(ends, stream.next()).await {
        left = left.saturating_sub(piece.len());
        if left == 0 {
            return;
        }
    }
}

/// Undoes its `Content-Encoding`.
pub(super) fn decoded(bytes: &[u8], encoding: Option<&str>, bytes_max: usize) -> Result<Vec<u8>, AnswerRefusal> {
    let decoded = body::decode(bytes, encoding, bytes_max).map(std::borrow::Cow::into_owned);
    decoded.map_err(|error| match error {
        BodyError::TooLarge { .. } => too_large(bytes_max),
        BodyError::Ratio => AnswerRefusal::new(RefusalKind::TooLarge, error.to_string()),
        _ => AnswerRefusal::new(RefusalKind::BadEncoding, error.to_string()),
    })
}

pub(in crate::http) fn too_large(bytes_max: usize) -> AnswerRefusal {
    AnswerRefusal::new(RefusalKind::TooLarge, format!("a body has at most {bytes_max} bytes"))
        .hint("send it in parts, or as application/x-ndjson, which is taken line by line")
}
