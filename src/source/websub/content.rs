//! What a hub pushes: known callback, not too often, signed, read as a feed document, handed to `ingest`, and told of
//! only when it is durable. What is not signed is no more than a hint that the feed has something new.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use super::counters::HubDrop;
use super::desk::SubscriptionDesk;
use super::rules::PushedFeed;
use super::signature::{self, PushSignature};
use super::state::SubscriptionEvent;
use crate::clock::Clock;
use crate::model::{
    Cursor, HubRecord, Origin, RejectReason, Rejection, SourceId, SourceKind, Subscription, SubscriptionState,
    Timestamp,
};
use crate::net::body::decode;
use crate::source::feed::polling::mark_items;
use crate::source::feed::polling::rules::PollRulesSlot;
use crate::source::feed::reading::parse;
use crate::source::feed::{FeedContext, FullText};
use crate::source::parser::Parser;
use crate::source::quarantine::{DocumentOrigin, NamedDocument};
use crate::source::{Batch, IngestMessage, IngestSender, Limits, ParsedDocument};

/// Pushes of one subscription in a minute.
const PUSHES_MAX: u32 = 30;
const RATE_SPAN: Duration = Duration::from_secs(60);
/// So long a push waits for room on the way to `ingest`, and to be durable.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(2);
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(30);

/// What to answer a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubPushOutcome {
    /// It is durable.
    Stored,
    /// It was dropped, or taken as a hint: nothing more is said of it.
    Noted,
    /// The hub is to come again.
    Later,
}

/// The way in for what hubs push; cheap to clone. It keeps nobody from stopping.
#[derive(Clone)]
pub struct HubIntake {
    desk: SubscriptionDesk,
    ingest: mpsc::WeakSender<IngestMessage>,
    parser: Parser,
    hold: watch::Receiver<bool>,
    clock: Clock,
    polling: PollRulesSlot,
    rates: Arc<Mutex<HashMap<String, (Timestamp, u32)>>>,
}

/// What came of reading a push.
enum PushReading {
    Document(Box<ParsedDocument>),
    Unreadable,
}

impl HubIntake {
    /// Of a running daemon.
    #[must_use]
    pub fn new(
        desk: SubscriptionDesk,
        ingest: &IngestSender,
        parser: Parser,
        hold: watch::Receiver<bool>,
        clock: Clock,
        polling: PollRulesSlot,
    ) -> Self {
        Self { desk, ingest: ingest.downgrade(), parser, hold, clock, polling, rates: Arc::default() }
    }

    /// The subscriptions.
    #[must_use]
    pub fn desk(&self) -> &SubscriptionDesk {
        &self.desk
    }

    /// The subscription of a callback to which pushes may come; `None`: whoever pushes is to stop it.
    #[must_use]
    pub fn open(&self, callback: &str) -> Option<Subscription> {
        let known = self.desk.of_callback(callback)?;
        let wanted = known.state != SubscriptionState::Leaving && self.desk.wants(&known.source);
        wanted.then_some(known)
    }

    /// How many bytes a push may have.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.desk.rules().wire_bytes_max
    }

    /// Counts a push; `Err`: seconds until the next one may come.
    ///
    /// # Errors
    /// When there were too many in a minute.
    pub async fn count(&self, known: &Subscription) -> Result<(), u64> {
        let over = self.count_at(&known.callback, self.clock.now());
        if over.is_err() {
            self.drop_push(known, HubDrop::Rate).await;
        }
        over
    }

    fn count_at(&self, callback: &str, now: Timestamp) -> Result<(), u64> {
        let mut rates = self.rates.lock();
        // One of the future is of a clock that was set back.
        rates.retain(|_, (from, _)| *from <= now && now.since(*from) < RATE_SPAN);
        let window = rates.entry(callback.to_owned()).or_insert((now, 0));
        if window.1 < PUSHES_MAX {
            window.1 += 1;
            return Ok(());
        }
        Err(RATE_SPAN.saturating_sub(now.since(window.0)).as_secs() + 1)
    }

    /// A push that is not taken.
    pub async fn drop_push(&self, known: &Subscription, why: HubDrop) {
        self.desk.counters().dropped(why);
        self.desk.note(&known.callback, SubscriptionEvent::Dropped).await;
    }

    /// Takes what was pushed.
    ///
    /// The signature is over what came over the wire.
    pub async fn take(
        &self,
        known: &Subscription,
        signature: Option<&str>,
        encoding: Option<&str>,
        body: Vec<u8>,
    ) -> HubPushOutcome {
        let rules = self.desk.rules();
        let Some(feed) = rules.feeds.get(&known.source) else { return HubPushOutcome::Noted };
        let Some(secret) = &known.secret else {
            self.polling.hint(known.source.clone(), true);
            return HubPushOutcome::Noted;
        };
        let is_weak = match signature::check(secret, signature, &body) {
            PushSignature::Good => false,
            PushSignature::Weak => true,
            PushSignature::Wrong => {
                self.drop_push(known, HubDrop::BadSignature).await;
                return HubPushOutcome::Noted;
            }
            PushSignature::Missing => {
                self.drop_push(known, HubDrop::Unsigned).await;
                self.polling.hint(known.source.clone(), true);
                return HubPushOutcome::Noted;
            }
        };
        if *self.hold.borrow() {
            return HubPushOutcome::Later;
        }
        // Whose text is on the pages behind is read with them.
        let needs_pages = feed.config.full_text != FullText::Off;
        let document = match self.read(feed, rules.limits, encoding.map(str::to_owned), body).await {
            PushReading::Document(document) if !needs_pages && !document.items.is_empty() => *document,
            PushReading::Document(_) => {
                self.polling.hint(known.source.clone(), true);
                self.desk.note(&known.callback, SubscriptionEvent::Pushed { fresh: 0, is_weak }).await;
                return HubPushOutcome::Noted;
            }
            PushReading::Unreadable => {
                self.drop_push(known, HubDrop::Unreadable).await;
                self.polling.hint(known.source.clone(), true);
                return HubPushOutcome::Noted;
            }
        };
        let Some(fresh) = self.store(&known.source, document).await else { return HubPushOutcome::Later };
        self.desk.counters().pushed(fresh);
        // The next poll reads the document, whatever it remembers of it: a push may be a part.
        self.polling.hint(known.source.clone(), false);
        self.desk.note(&known.callback, SubscriptionEvent::Pushed { fresh, is_weak }).await;
        HubPushOutcome::Stored
    }

    async fn read(&self, feed: &PushedFeed, limits: Limits, encoding: Option<String>, body: Vec<u8>) -> PushReading {
        let received = self.clock.now();
        let named = NamedDocument::new(DocumentOrigin::Feed, feed.config.id.as_str(), &body);
        let Ok(permit) = self.parser.quarantine().enter(&named, received).await else { return PushReading::Unreadable };
        let config = feed.config.clone();
        let read = self.parser.run(limits.parse_time_max, move || {
            let _mark = permit.begin();
            let context = FeedContext {
                base_url: Some(config.url.as_str()),
                // What hubs send as the type is often not that of the document.
                content_type: None,
                trust: config.trust,
                limits: &limits,
                received,
            };
            let bytes = decode(&body, encoding.as_deref(), limits.decoded_bytes_max);
            let bytes = bytes.map_err(|error| Rejection {
                reason: RejectReason::Unreadable,
                detail: error.to_string(),
                count: 1,
            })?;
            let mut document = parse::parse(&bytes, &context)?;
            mark_items(&mut document.items, &config, true);
            Ok::<_, Rejection>(document)
        });
        match read.await {
            Ok(Ok(document)) => PushReading::Document(Box::new(document)),
            Ok(Err(_)) | Err(_) => PushReading::Unreadable,
        }
    }

    /// The number of new items, once they are durable.
    async fn store(&self, source: &SourceId, document: ParsedDocument) -> Option<u64> {
        let (receipt, told) = oneshot::channel();
        let batch = Batch {
            origin: Origin { source: source.clone(), kind: SourceKind::Hub, received: self.clock.now() },
            items: document.items,
            rejected: document.rejected,
            cursor: Cursor::Hub(Box::new(HubRecord { source: source.clone(), unreliable: None })),
            receipt: Some(receipt),
            inbox: None,
        };
        let ingest = self.ingest.upgrade()?;
        tokio::time::timeout(ROOM_WAIT_MAX, ingest.send(batch.into())).await.ok()?.ok()?;
        drop(ingest);
        let receipt = tokio::time::timeout(COMMIT_WAIT_MAX, told).await.ok()?.ok()?;
        Some(receipt.new + receipt.sightings)
    }
}
