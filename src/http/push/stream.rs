//! A body of lines, taken as it comes: so many lines or so many milliseconds become one batch, and what became of its
//! lines is told before the next is read. So a body of any size needs the memory of one batch, and comes only as fast
//! as it is stored.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::body::{discard, next_piece};
use super::{KeyHold, PushRequest, untaken};
use crate::http::refusal::{AnswerRefusal, RefusalKind};
use crate::model::ContentHash;
use crate::source::push::{PushConfig, PushKey};

/// Lines of one batch.
const BATCH_LINES: usize = 100;
/// Bytes of one batch: with more, fewer lines.
const BATCH_BYTES: usize = 512 << 10;
/// So long a batch waits for more lines, where it has no key.
const BATCH_WAIT: Duration = Duration::from_millis(50);
/// Longest line.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Lines of one request.
const LINES_MAX: u64 = 100_000;
/// For all of a request.
pub(super) const LINES_TIME_MAX: Duration = Duration::from_secs(600);

/// One request, as far as it is read.
struct LinePush {
    request: PushRequest,
    source: PushConfig,
    body: BodyDataStream,
    key: Option<String>,
    _hold: Option<KeyHold>,
    _place: OwnedSemaphorePermit,
    /// What came of a line that is not whole yet.
    rest: Vec<u8>,
    /// Whole lines that wait for their batch, with their numbers.
    lines: Vec<(u64, Vec<u8>)>,
    lines_bytes: usize,
    last_line: u64,
    batches: u64,
    ends: Instant,
    received: u64,
    rejected: u64,
    ended: bool,
    over: bool,
}

impl PushRequest {
    /// Answers line by line.
    pub(super) fn take_lines(
        self,
        source: PushConfig,
        body: Body,
        key: Option<String>,
        place: OwnedSemaphorePermit,
    ) -> Result<Response, AnswerRefusal> {
        let whole = key.clone().map(|key| PushKey { key, body_hash: ContentHash::of(&[]) });
        let hold = self.hold_key(&source, whole.as_ref())?;
        let push = LinePush {
            request: self,
            source,
            body: body.into_data_stream(),
            key,
            _hold: hold,
            _place: place,
            rest: Vec::new(),
            lines: Vec::new(),
            lines_bytes: 0,
            last_line: 0,
            batches: 0,
            ends: Instant::now() + LINES_TIME_MAX,
            received: 0,
            rejected: 0,
            ended: false,
            over: false,
        };
        let mut response = Body::from_stream(unfold(push, LinePush::turn)).into_response();
        let kind = HeaderValue::from_static("application/x-ndjson");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        Ok(response)
    }
}

impl LinePush {
    /// The answer to the next batch; after the last one a line that sums up.
    async fn turn(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.over {
            return None;
        }
        let told = match self.next_batch().await {
            Ok(told) => told,
            Err(refusal) => {
                self.over = true;
                discard(&mut self.body).await;
                // What is durable by then was told; this says where it ended.
                line_of(&json!({"error": refusal.as_json(), "after_line": self.told_upto()}))
            }
        };
        Some((Ok(Bytes::from(told)), self))
    }

    fn told_upto(&self) -> u64 {
        self.last_line - self.lines.len() as u64
    }

    async fn next_batch(&mut self) -> Result<String, AnswerRefusal> {
        self.fill().await?;
        if self.lines.is_empty() {
            self.over = true;
            let (received, rejected) = (self.received, self.rejected);
            return Ok(line_of(&json!({"done": true, "received": received, "rejected": rejected})));
        }
        self.batches += 1;
        let key = self.key.as_ref().map(|key| PushKey {
            key: format!("{key}#{}", self.batches),
            body_hash: ContentHash::of(&self.lines.iter().map(|(_, line)| line.as_slice()).collect::<Vec<_>>()),
        });
        if let Some(answer) = self.request.answered(&self.source, key.as_ref()).await? {
            self.forget();
            return Ok(self.tell(&serde_json::from_str(&answer).unwrap_or_default()));
        }
        let limits = self.request.config.limits;
        let lines = self.lines.clone();
        let answer = self.request.served.pushes.take_lines(&self.source, limits, lines, key).await.map_err(untaken)?;
        self.forget();
        Ok(self.tell(&serde_json::from_str(&answer).unwrap_or_default()))
    }

    fn forget(&mut self) {
        self.lines.clear();
        self.lines_bytes = 0;
    }

    /// Reads lines until they make a batch. Where a repeat must find the same batches, time does not cut them.
    async fn fill(&mut self) -> Result<(), AnswerRefusal> {
        let mut until: Option<Instant> = None;
        loop {
            self.split()?;
            if self.ended || self.is_full() {
                return Ok(());
            }
            if self.key.is_none() && !self.lines.is_empty() {
                until.get_or_insert_with(|| Instant::now() + BATCH_WAIT);
            }
            let piece = next_piece(&mut self.body, self.ends);
            let piece = match until {
                None => piece.await?,
                Some(until) => match tokio::time::timeout_at(until, piece).await {
                    Ok(piece) => piece?,
                    Err(_) => return Ok(()),
                },
            };
            if let Some(piece) = piece {
                self.rest.extend_from_slice(&piece);
            } else {
                self.ended = true;
                if !self.rest.is_empty() {
                    self.rest.push(b'\n');
                }
            }
        }
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= BATCH_LINES || self.lines_bytes >= BATCH_BYTES
    }

    /// Takes whole lines out of what came, as many as a batch has.
    fn split(&mut self) -> Result<(), AnswerRefusal> {
        let mut from = 0;
        while !self.is_full() {
            let Some(length) = self.rest[from..].iter().position(|byte| *byte == b'\n') else {
                if self.rest.len() - from > LINE_BYTES_MAX {
                    let detail = format!("line {} has more than {LINE_BYTES_MAX} bytes", self.last_line + 1);
                    return Err(AnswerRefusal::new(RefusalKind::TooLarge, detail));
                }
                break;
            };
            if self.last_line == LINES_MAX {
                let detail = format!("a request has at most {LINES_MAX} lines");
                return Err(AnswerRefusal::new(RefusalKind::TooLarge, detail).hint("the rest is a new request"));
            }
            self.last_line += 1;
            self.lines_bytes += length;
            self.lines.push((self.last_line, self.rest[from..from + length].to_vec()));
            from += length + 1;
        }
        self.rest.drain(..from);
        Ok(())
    }

    /// A line for each item, and for each that was not taken.
    fn tell(&mut self, answer: &Value) -> String {
        let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
        let mut out = String::new();
        for item in list("items") {
            out.push_str(&line_of(&item));
        }
        for note in list("notes") {
            out.push_str(&line_of(&json!({"note": note})));
        }
        for rejected in list("rejected") {
            self.rejected += rejected["count"].as_u64().unwrap_or(0);
            out.push_str(&line_of(&json!({"rejected": rejected})));
        }
        self.received += answer["received"].as_u64().unwrap_or(0);
        out
    }
}

fn line_of(value: &Value) -> String {
    format!("{value}\n")
}
