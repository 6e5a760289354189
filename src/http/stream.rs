//! `/v1/stream`: what happens, as it is committed (server-sent events). A stream is a place in the table of changes and
//! no queue: who reads slowly holds nothing up and misses nothing, who comes back goes on from where they were.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::access::guard::{CallerProof, RequestCaller};
use super::asked::AskedQuery;
use super::cursor::{ChangeCursor, ChangePlace};
use super::limit::ConnectionHold;
use super::refusal::{AnswerRefusal, RefusalKind};
use super::rows;
use super::sources::ListenerSources;
use crate::model::{ItemId, Severity};
use crate::store::{ChangeKind, ChangeRow, Store, StoreError};

pub(super) const PATH: &str = "/v1/stream";
/// Streams at once, beside the connections of everybody else.
const STREAMS_MAX: usize = 32;
/// Changes read at once.
const READ_MAX: usize = 200;
/// Further behind than this, a reader is told to list anew.
const BEHIND_MAX: i64 = 10_000;
/// Other processes commit unheard: so often it is looked for what they did.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A line that says nothing, so that a dead reader shows and a proxy keeps the stream open.
const BEAT_EVERY: Duration = Duration::from_secs(15);
/// A stream ends after so long; its reader comes back by itself.
const STREAM_TIME_MAX: Duration = Duration::from_secs(3600);

/// Streams of one name, where those who ask say who they are.
const STREAMS_OF_ONE_MAX: usize = 8;

/// Reads for streams at once: what is decided and delivered meanwhile needs the processors as well.
const READS_AT_ONCE_MAX: usize = 1;

/// Readings that are kept for the other readers at the same place, and the longest of them.
const READINGS_KEPT_MAX: usize = 16;
const READING_KEPT_BYTES_MAX: usize = 256 << 10;

/// How far the table of changes has come, looked up once for all streams: most commits change nothing that they tell of.
#[derive(Clone)]
struct NewestChange {
    newest: Arc<watch::Sender<i64>>,
    is_followed: Arc<Mutex<bool>>,
    stop: CancellationToken,
}

impl NewestChange {
    fn new(stop: CancellationToken) -> Self {
        Self { newest: Arc::new(watch::Sender::new(0)), is_followed: Arc::default(), stop }
    }

    /// Says when there is more; follows the store while anybody listens.
    fn listen(&self, store: &Store) -> watch::Receiver<i64> {
        let newest = self.newest.subscribe();
        let mut is_followed = self.is_followed.lock();
        if !*is_followed {
            *is_followed = true;
            tokio::spawn(self.clone().follow(store.clone()));
        }
        newest
    }

    async fn follow(self, store: Store) {
        let mut commits = store.commits();
        loop {
            commits.mark_unchanged();
            match store.blocking(Store::changes_kept).await {
                Ok(kept) => {
                    self.newest.send_if_modified(|newest| std::mem::replace(newest, kept.newest) != kept.newest);
                }
                // Tried again in a moment; a stream that reads and cannot says so and ends.
                Err(error) => tracing::warn!(%error, "what happened last cannot be read"),
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.newest.closed() => {
                    let mut is_followed = self.is_followed.lock();
                    // Somebody may have come meanwhile.
                    if self.newest.receiver_count() == 0 {
                        *is_followed = false;
                        return;
                    }
                }
                _ = commits.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}

/// What streams read, once for all that stand at the same place and want the same: a commit wakes all of them.
#[derive(Clone)]
struct SharedReadings {
    turns: Arc<Semaphore>,
    kept: Arc<Mutex<HashMap<StreamPlace, StreamReading>>>,
}

/// From where, and what.
type StreamPlace = (i64, StreamFilter);

/// The events, and up to where they are all there is.
type StreamReading = (Bytes, i64);

impl SharedReadings {
    fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(READS_AT_ONCE_MAX)), kept: Arc::default() }
    }

    /// What happened after a place; what is kept of it stays true, though more may have happened since.
    async fn read(&self, store: &Store, place: StreamPlace) -> Result<StreamReading, StoreError> {
        let known = |kept: &Mutex<HashMap<StreamPlace, StreamReading>>| kept.lock().get(&place).cloned();
        if let Some(reading) = known(&self.kept) {
            return Ok(reading);
        }
        // Never closed; whoever waited may find that another has read it.
        let _turn = self.turns.acquire().await;
        if let Some(reading) = known(&self.kept) {
            return Ok(reading);
        }
        let (at, filter) = place.clone();
        let (text, upto) = store.blocking(move |store| events(store, at, &filter)).await?;
        let reading = (Bytes::from(text), upto);
        if upto > at && reading.0.len() <= READING_KEPT_BYTES_MAX {
            let mut kept = self.kept.lock();
            if kept.len() >= READINGS_KEPT_MAX {
                kept.clear();
            }
            kept.insert(place, reading.clone());
        }
        Ok(reading)
    }
}

/// Where streams have their place, and what ends them.
#[derive(Clone)]
pub(super) struct StreamRoom {
    places: Arc<Semaphore>,
    of_each: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
    readings: SharedReadings,
    newest: NewestChange,
    stop: CancellationToken,
}

impl StreamRoom {
    pub(super) fn new(stop: CancellationToken) -> Self {
        let places = Arc::new(Semaphore::new(STREAMS_MAX));
        let newest = NewestChange::new(stop.clone());
        Self { places, of_each: Arc::default(), readings: SharedReadings::new(), newest, stop }
    }
}

impl StreamRoom {
    /// A place among all, and among those of whoever asks.
    fn places(
        &self,
        caller: &RequestCaller,
    ) -> Result<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>), AnswerRefusal> {
        let full = |most: usize, whose: &str| {
            let detail = format!("{most} streams {whose} are open, and that is all there may be");
            AnswerRefusal::new(RefusalKind::Busy, detail)
        };
        let mut of_each = self.of_each.lock();
        // Who has none open is forgotten.
        of_each.retain(|_, places| places.available_permits() < STREAMS_OF_ONE_MAX);
        let own = if caller.proof == CallerProof::Nothing {
            None
        } else {
            let places = of_each.entry(caller.author().to_owned());
            let places = places.or_insert_with(|| Arc::new(Semaphore::new(STREAMS_OF_ONE_MAX)));
            let place = places.clone().try_acquire_owned();
            Some(place.map_err(|_| full(STREAMS_OF_ONE_MAX, "of this name"))?)
        };
        let place = self.places.clone().try_acquire_owned().map_err(|_| full(STREAMS_MAX, "of all"))?;
        Ok((place, own))
    }
}

/// What a reader wants to hear.
#[derive(Clone, PartialEq, Eq, Hash)]
struct StreamFilter {
    kinds: Vec<ChangeKind>,
    /// Only alerts and items on these topics; empty: everything.
    topics: Vec<String>,
    /// Only alerts and items that are at least so severe.
    severity_min: Option<Severity>,
    /// With the payload of each alert.
    whole: bool,
}

/// One reader.
struct ChangeStream {
    store: Store,
    readings: SharedReadings,
    filter: StreamFilter,
    at: i64,
    newest: watch::Receiver<i64>,
    stop: CancellationToken,
    ends: Instant,
    begun: bool,
    _places: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
}

/// Serves one stream.
pub(super) async fn stream(
    State(served): State<ListenerSources>,
    Extension(room): Extension<StreamRoom>,
    Extension(caller): Extension<RequestCaller>,
    ConnectInfo(hold): ConnectInfo<ConnectionHold>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let places = match room.places(&caller) {
        Ok(places) => places,
        Err(refusal) => return refusal.problem(),
    };
    let query = query.unwrap_or_default();
    let known = ["kinds", "topics", "severity_min", "after", "full"];
    let asked = AskedQuery::read(PATH, String::new(), &query, &known, served.clock.now());
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let store = served.reads.store().clone();
    let begun = match asked {
        Ok(asked) => store.blocking(move |store| begin(store, &asked, last.as_deref())).await,
        Err(refusal) => Err(refusal),
    };
    let (at, filter) = match begun {
        Ok(begun) => begun,
        Err(refusal) => return refusal.problem(),
    };
    hold.stay();
    let ends = Instant::now() + STREAM_TIME_MAX;
    let (newest, readings, stop) = (room.newest.listen(&store), room.readings, room.stop);
    let reader = ChangeStream { store, readings, filter, at, newest, stop, ends, begun: false, _places: places };
    let mut response = Body::from_stream(unfold(reader, ChangeStream::turn)).into_response();
    for (name, value) in [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Where a stream begins: after the event its reader had last, after a cursor, or now.
fn begin(store: &Store, asked: &AskedQuery, last: Option<&str>) -> Result<(i64, StreamFilter), AnswerRefusal> {
    let kinds = rows::change_kinds(asked)?;
    let topics = asked.text("topics").map(|topics| topics.split(',').map(|topic| topic.trim().to_owned()).collect());
    let severity_min = rows::severity_min(asked)?;
    let whole = asked.choice("full", &[("1", true), ("0", false)])?.unwrap_or(false);
    let at = match last.or(asked.text("after")) {
        None | Some("now") => store.changes_kept()?.newest,
        Some(text) => match ChangeCursor::decode(text, store)? {
            ChangePlace::After(seq) => seq,
            // Beyond all there is: its reader is told to list anew.
            ChangePlace::Restored => i64::MAX,
        },
    };
    Ok((at, StreamFilter { kinds, topics: topics.unwrap_or_default(), severity_min, whole }))
}

impl ChangeStream {
    /// The next bytes, when there are any; nothing once it is over.
    async fn turn(mut self) -> Option<(Result<Bytes, std::io::Error>, Self)> {
        if !self.begun {
            self.begun = true;
            // What happened before it began to listen is looked for at once.
            self.newest.mark_changed();
            return Some((Ok(Bytes::from_static(b"retry: 3000\n\n")), self));
        }
        let beat = Instant::now() + BEAT_EVERY;
        loop {
            let wake = tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.ends) => return None,
                () = tokio::time::sleep_until(beat) => return Some((Ok(Bytes::from_static(b": still here\n\n")), self)),
                changed = self.newest.changed() => changed,
            };
            wake.ok()?;
            match self.read().await {
                Ok(text) if !text.is_empty() => return Some((Ok(text), self)),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "a stream ends: what happened cannot be read");
                    return None;
                }
            }
        }
    }

    /// What happened since, as events; moves on past it.
    async fn read(&mut self) -> Result<Bytes, StoreError> {
        let (text, upto) = self.readings.read(&self.store, (self.at, self.filter.clone())).await?;
        self.at = upto;
        // So much is read at once that there may be more.
        if upto < *self.newest.borrow() {
            self.newest.mark_changed();
        }
        Ok(text)
    }
}

fn events(store: &Store, at: i64, filter: &StreamFilter) -> Result<(String, i64), StoreError> {
    let kept = store.changes_kept()?;
    // Restored to an earlier state, trimmed, or too far behind to be worth it.
    if at > kept.newest || (at + 1 < kept.oldest && at > 0) || kept.newest - at > BEHIND_MAX {
        let newest = ChangeCursor(kept.newest).encode(store);
        return Ok((format!("id: {newest}\nevent: reset\ndata: {newest}\n\n"), kept.newest));
    }
    let (rows, upto) = store.changes_after(at, &filter.kinds, READ_MAX)?;
    let mut text = String::new();
    for row in rows {
        let Some((name, data)) = event(store, &row, filter)? else { continue };
        let id = ChangeCursor(row.seq).encode(store);
        // Writing to a string cannot fail.
        let _ = write!(text, "id: {id}\nevent: {name}\ndata: {data}\n\n");
    }
    Ok((text, upto))
}

/// An alert goes by its type, and with its payload where that is asked for; JSON is on one line. Nothing for what the
/// filter leaves out.
fn event(store: &Store, row: &ChangeRow, filter: &StreamFilter) -> Result<Option<(String, String)>, StoreError> {
    let line = || serde_json::to_string(row).expect("invariant: ids are JSON");
    if row.kind != ChangeKind::Alert {
        return Ok(filter.takes_change(store, row)?.then(|| (row.kind.as_str().to_owned(), line())));
    }
    let Some(alert) = store.alert(&row.id)? else { return Ok(Some(("alert".to_owned(), line()))) };
    if !alert.topics.iter().any(|topic| filter.takes(topic, &alert.severity)) && !filter.takes_all() {
        return Ok(None);
    }
    let payload = alert.payload.get();
    let data = if filter.whole && !payload.contains(['\n', '\r']) { payload.to_owned() } else { line() };
    Ok(Some((alert.r#type, data)))
}

impl StreamFilter {
    fn takes_all(&self) -> bool {
        self.topics.is_empty() && self.severity_min.is_none()
    }

    fn takes(&self, topic: &str, severity: &str) -> bool {
        let loud = self.severity_min.is_none_or(|least| Severity::from_name(severity).is_some_and(|is| is >= least));
        loud && (self.topics.is_empty() || self.topics.iter().any(|wanted| wanted == topic))
    }

    /// What has no topic is left out where topics are asked for.
    fn takes_change(&self, store: &Store, row: &ChangeRow) -> Result<bool, StoreError> {
        if self.takes_all() {
            return Ok(true);
        }
        let is_item = matches!(row.kind, ChangeKind::Item | ChangeKind::Revision | ChangeKind::Sighting);
        let Some(item) = ItemId::parse(&row.id).ok().filter(|_| is_item) else { return Ok(false) };
        Ok(store.item_hits(item)?.iter().any(|(topic, severity)| self.takes(topic, severity)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str, proof: CallerProof) -> RequestCaller {
        RequestCaller { name: Some(name.to_owned()), proof, may_write: false, may_read: true }
    }

    #[test]
    fn streams_of_one_name_leave_room_for_others() {
        let room = StreamRoom::new(CancellationToken::new());
        let one = caller("one", CallerProof::Token);
        let mut held: Vec<_> = (0..STREAMS_OF_ONE_MAX).map(|_| room.places(&one).expect("free")).collect();
        assert_eq!(room.places(&one).expect_err("full").kind, RefusalKind::Busy);
        assert!(room.places(&caller("two", CallerProof::Session)).is_ok());
        held.pop();
        held.push(room.places(&one).expect("free again"));
        // Where nobody says who they are, only all together are counted.
        held.extend(
            (0..STREAMS_MAX - STREAMS_OF_ONE_MAX)
                .map(|_| room.places(&caller("", CallerProof::Nothing)).expect("free")),
        );
        assert_eq!(room.places(&caller("", CallerProof::Nothing)).expect_err("full").kind, RefusalKind::Busy);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn newest_change_is_followed_while_anybody_listens() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), crate::store::Access::Own).expect("opens");
        let change = |name: &str| {
            let sql = "INSERT INTO changes (kind, name) VALUES ('feed', ?1)";
            store.write("test", |tx| tx.execute(sql, [name])).expect("written");
            store.changes_kept().expect("read").newest
        };
        let newest = NewestChange::new(CancellationToken::new());
        for round in ["first", "second"] {
            let mut listeners = [newest.listen(&store), newest.listen(&store)];
            let first = change(round);
            for listener in &mut listeners {
                listener.wait_for(|seen| *seen >= first).await.expect("followed");
                // What changes nothing wakes nobody: the next that is heard is the next change.
                store.write("test", |tx| tx.execute("DELETE FROM meta WHERE key = 'none'", [])).expect("written");
                let last = change(round);
                listener.changed().await.expect("followed");
                assert_eq!(*listener.borrow_and_update(), last);
            }
            drop(listeners);
            while *newest.is_followed.lock() {
                tokio::task::yield_now().await;
            }
        }
    }
}
