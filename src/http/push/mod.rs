//! `POST /v1/items`: what others send us. Who sends is known before a byte is read, or by the signature over all of
//! them; the answer comes after the commit, and a repeat under the same key is told what was answered before.

pub(super) mod body;
mod keys;
mod sender;
mod stream;

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limit::ConnectionHold;
use super::refusal::{AnswerRefusal, RefusalKind};
use super::sources::ListenerSources;
use crate::config::Config;
use crate::model::ContentHash;
use crate::source::push::{PushBody, PushConfig, PushKey, PushUntaken};

use keys::{KeyHold, KeysInFlight};
use sender::SenderRates;

pub(super) const PATH: &str = "/v1/items";
/// Pushes at once of senders that showed a token, and of those that are known only when all is read; each may hold a
/// body in memory.
const PUSHES_MAX: usize = 16;
const SIGNED_MAX: usize = 8;
/// Longest key.
const KEY_BYTES_MAX: usize = 128;

/// What pushes share: places, keys in flight, and how often who came.
#[derive(Clone)]
pub(super) struct PushRoom {
    places: Arc<Semaphore>,
    signed_places: Arc<Semaphore>,
    keys: KeysInFlight,
    rates: SenderRates,
}

impl PushRoom {
    pub(super) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PUSHES_MAX)),
            signed_places: Arc::new(Semaphore::new(SIGNED_MAX)),
            keys: KeysInFlight::default(),
            rates: SenderRates::default(),
        }
    }
}

/// One push on its way.
struct PushRequest {
    served: ListenerSources,
    config: Arc<Config>,
    room: PushRoom,
    headers: HeaderMap,
    kind: PushBody,
}

/// Takes what is sent.
pub(super) async fn push(
    State(served): State<ListenerSources>,
    Extension(room): Extension<PushRoom>,
    ConnectInfo(hold): ConnectInfo<ConnectionHold>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    hold.lengthen();
    match begin(served, room, headers) {
        Ok(request) => request.take(body).await.unwrap_or_else(|refusal| refusal.problem()),
        Err(refusal) => refusal.problem(),
    }
}

/// What can be refused before anything of the body is read.
fn begin(served: ListenerSources, room: PushRoom, headers: HeaderMap) -> Result<PushRequest, AnswerRefusal> {
    let config = served.reads.config();
    if config.pushes.is_empty() {
        let refusal = AnswerRefusal::new(RefusalKind::PushOff, "nobody may send items here");
        return Err(refusal.hint("give whoever may a [[pushes]] entry in the config"));
    }
    let written = text(&headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let Some(kind) = PushBody::of_media_type(written) else {
        let detail = if written.is_empty() {
            "no `Content-Type` says what the body is".to_owned()
        } else {
            format!("a body of the type `{}` is not read", crate::text::clean::excerpt(written, 80))
        };
        let hint = format!("read are: {}", PushBody::media_types());
        return Err(AnswerRefusal::new(RefusalKind::WrongType, detail).hint(hint));
    };
    Ok(PushRequest { served, config, room, headers, kind })
}

fn place(places: &Arc<Semaphore>, most: usize) -> Result<OwnedSemaphorePermit, AnswerRefusal> {
    places.clone().try_acquire_owned().map_err(|_| {
        let detail = format!("{most} pushes are under way, and that is all there may be");
        AnswerRefusal::new(RefusalKind::Busy, detail).retry_after(2)
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"))
}

impl PushRequest {
    async fn take(self, body: Body) -> Result<Response, AnswerRefusal> {
        let bytes_max = self.config.limits.decoded_bytes_max;
        let encoding = text(&self.headers, header::CONTENT_ENCODING.as_str());
        if self.is_signed() {
            // The signature is over all of the body: it is read before anybody is believed.
            let _place = place(&self.room.signed_places, SIGNED_MAX)?;
            let bytes = body::read(body, bytes_max).await?;
            let (source, id) = sender::of_signature(&self.config, &self.headers, &bytes, self.served.clock.now())?;
            let source = source.clone();
            self.room.rates.count(&source)?;
            let bytes = body::decoded(&bytes, encoding, bytes_max)?;
            return self.take_whole(&source, bytes, Some(id)).await;
        }
        let source = sender::of_token(&self.config, &self.headers)?.clone();
        self.room.rates.count(&source)?;
        let key = self.key()?;
        let place = place(&self.room.places, PUSHES_MAX)?;
        if self.kind == PushBody::JsonLines && encoding.is_none() {
            return self.take_lines(source, body, key, place);
        }
        let bytes = body::decoded(&body::read(body, bytes_max).await?, encoding, bytes_max)?;
        self.take_whole(&source, bytes, key).await
    }

    fn is_signed(&self) -> bool {
        self.headers.contains_key(crate::deliver::sign::SIGNATURE_HEADER)
            && !self.headers.contains_key(header::AUTHORIZATION)
    }

    /// `Idempotency-Key`, if there is one.
    fn key(&self) -> Result<Option<String>, AnswerRefusal> {
        let Some(key) = text(&self.headers, "idempotency-key") else { return Ok(None) };
        if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let detail = format!("an `Idempotency-Key` has 1 to {KEY_BYTES_MAX} visible ASCII characters");
            return Err(AnswerRefusal::new(RefusalKind::BadKey, detail));
        }
        Ok(Some(key.to_owned()))
    }

    async fn take_whole(
        &self,
        source: &PushConfig,
        bytes: Vec<u8>,
        key: Option<String>,
    ) -> Result<Response, AnswerRefusal> {
        let key = key.map(|key| PushKey { key, body_hash: ContentHash::of(&[&bytes]) });
        let _hold = self.hold_key(source, key.as_ref())?;
        if let Some(answer) = self.answered(source, key.as_ref()).await? {
            return Ok(answered(&answer, true));
        }
        let taken = self.served.pushes.take_body(source, self.config.limits, self.kind, bytes, key).await;
        Ok(answered(&taken.map_err(untaken)?, false))
    }

    /// A key whose push is under way is not taken twice.
    fn hold_key(&self, source: &PushConfig, key: Option<&PushKey>) -> Result<Option<KeyHold>, AnswerRefusal> {
        let Some(key) = key else { return Ok(None) };
        self.room.keys.hold(&source.id, &key.key).map(Some).ok_or_else(|| {
            let detail = format!("a push with the key `{}` is under way", key.key);
            AnswerRefusal::new(RefusalKind::KeyInFlight, detail).retry_after(1)
        })
    }

    /// What was answered to the same push before.
    async fn answered(&self, source: &PushConfig, key: Option<&PushKey>) -> Result<Option<String>, AnswerRefusal> {
        let Some(PushKey { key, body_hash }) = key.cloned() else { return Ok(None) };
        let (id, now) = (source.id.clone(), self.served.clock.now());
        let shown = key.clone();
        let found = self.served.reads.store().blocking(move |store| store.answered_push(&id, &key, now)).await?;
        match found {
            None => Ok(None),
            Some(stored) if stored.body_hash == body_hash.to_bytes() => Ok(Some(stored.answer)),
            Some(_) => {
                let detail = format!("the key `{shown}` was used for another body in the last day");
                Err(AnswerRefusal::new(RefusalKind::KeyReused, detail).hint("a new push has a new key"))
            }
        }
    }
}

/// The answer to a push, or to its repeat: the same.
fn answered(answer: &str, again: bool) -> Response {
    let mut response = match refused(answer) {
        Some(refusal) => refusal.problem(),
        None => ([(header::CONTENT_TYPE, "application/json")], answer.to_owned()).into_response(),
    };
    if again {
        response.headers_mut().insert("idempotent-replay", HeaderValue::from_static("true"));
    }
    response
}

/// Something came and nothing of it was taken: why, one by one.
fn refused(answer: &str) -> Option<AnswerRefusal> {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let list = |name: &str| answer[name].as_array().filter(|list| !list.is_empty());
    let rejected = list("rejected").filter(|_| list("items").is_none())?;
    let count: u64 = rejected.iter().filter_map(|one| one["count"].as_u64()).sum();
    let detail = if count == 1 { "the item was not taken".to_owned() } else { format!("none of {count} was taken") };
    Some(AnswerRefusal::new(RefusalKind::NothingTaken, detail).errors(rejected.clone()))
}

/// Why it was not taken now.
fn untaken(why: PushUntaken) -> AnswerRefusal {
    match why {
        PushUntaken::Full => {
            AnswerRefusal::new(RefusalKind::Busy, "items come faster than they are stored").retry_after(2)
        }
        PushUntaken::DiskLow => {
            AnswerRefusal::new(RefusalKind::DiskLow, "the disk is nearly full, and nothing is taken").retry_after(60)
        }
        PushUntaken::Late => {
            let detail = "it was not stored in time, and may be all the same: send it again";
            AnswerRefusal::new(RefusalKind::Busy, detail).retry_after(5)
        }
        PushUntaken::Stopping => AnswerRefusal::new(RefusalKind::Busy, "the daemon is stopping").retry_after(5),
        PushUntaken::Unreachable => {
            let detail = "it could not be passed on to the node that decides: the database does not answer";
            AnswerRefusal::new(RefusalKind::Busy, detail).retry_after(5)
        }
        PushUntaken::UnknownThere => {
            let detail = "the node that decides knows no such sender";
            AnswerRefusal::new(RefusalKind::Busy, detail).retry_after(60).hint("give all nodes the same [[pushes]]")
        }
    }
}
