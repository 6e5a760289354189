//! What a hub pushes: known callback, not too often, signed, read as a feed document, handed to `ingest`, and told of
//! only when it is durable. What is not signed is no more than a hint that the feed has something new.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::counters::HubDrop;
use super::desk::{HubVerification, SubscriptionDesk};
use super::rate::PushRates;
use super::rules::PushedFeed;
use super::signature::{PushBelief, believe};
use super::state::SubscriptionEvent;
use crate::clock::Clock;
use crate::model::{
    Cursor, HubRecord, Origin, RejectReason, Rejection, SourceId, SourceKind, Subscription, SubscriptionState,
};
use crate::net::body::decode;
use crate::source::feed::polling::mark_items;
use crate::source::feed::reading::parse;
use crate::source::feed::{FeedContext, FullText};
use crate::source::parser::Parser;
use crate::source::quarantine::{DocumentOrigin, NamedDocument};
use crate::source::{Batch, IngestMessage, IngestSender, Limits, ParsedDocument};

/// So long a push waits for room on the way to `ingest`, and to be durable.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(2);
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(30);

/// What a hub is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubAnswer {
    /// It was us.
    Confirmed,
    /// Nobody asked for that.
    Unknown,
    /// What it pushed is durable.
    Stored,
    /// It was dropped, or taken as a hint: nothing more is said of it.
    Noted,
    /// Nobody wants this subscription any more.
    Gone,
    /// There were too many in a minute; the next may come in so many seconds.
    TooMany(u64),
    /// It has more bytes than a feed may have.
    TooLarge,
    /// The hub is to come again.
    Later,
}

/// Says that what is remembered of a feed's document does not hold any more; `true`: and that it is to be polled.
pub type FeedHint = Arc<dyn Fn(SourceId, bool) + Send + Sync>;

/// A push, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubPush {
    /// `X-Hub-Signature`.
    pub signature: Option<String>,
    /// `Content-Encoding`.
    pub encoding: Option<String>,
    /// What the signature is over.
    pub body: Vec<u8>,
}

/// The way in for what hubs push; cheap to clone. It keeps nobody from stopping.
#[derive(Clone)]
pub struct HubIntake {
    desk: SubscriptionDesk,
    ingest: mpsc::WeakSender<IngestMessage>,
    parser: Parser,
    hold: watch::Receiver<bool>,
    clock: Clock,
    hint: FeedHint,
    rates: PushRates,
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
        hint: FeedHint,
    ) -> Self {
        Self { desk, ingest: ingest.downgrade(), parser, hold, clock, hint, rates: PushRates::default() }
    }

    /// The subscriptions.
    #[must_use]
    pub fn desk(&self) -> &SubscriptionDesk {
        &self.desk
    }

    /// A hub asks whether it was us.
    pub async fn verify(&self, callback: &str, asked: HubVerification) -> HubAnswer {
        match self.desk.verify(callback, asked).await {
            Some(true) => HubAnswer::Confirmed,
            Some(false) => HubAnswer::Unknown,
            // It stops.
            None => HubAnswer::Later,
        }
    }

    /// The subscription of a callback, to which a push may come now; that is counted.
    ///
    /// # Errors
    /// [`HubAnswer`] where none is taken: nobody wants it any more, or there were too many in a minute.
    pub async fn admit(&self, callback: &str) -> Result<Subscription, HubAnswer> {
        let known = self.open(callback).ok_or(HubAnswer::Gone)?;
        if let Err(seconds) = self.rates.count(callback, self.clock.now()) {
            self.drop_push(&known, HubDrop::Rate).await;
            return Err(HubAnswer::TooMany(seconds));
        }
        Ok(known)
    }

    fn open(&self, callback: &str) -> Option<Subscription> {
        let known = self.desk.of_callback(callback)?;
        let wanted = known.state != SubscriptionState::Leaving && self.desk.wants(&known.source);
        wanted.then_some(known)
    }

    /// How many bytes a push may have.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.desk.rules().wire_bytes_max
    }

    /// A push that is not taken.
    pub async fn drop_push(&self, known: &Subscription, why: HubDrop) {
        self.desk.counters().dropped(why);
        self.desk.note(&known.callback, SubscriptionEvent::Dropped(1)).await;
    }

    /// So many pushes were not taken by another process, which has counted why.
    pub async fn note_dropped(&self, callback: &str, pushes: u64) {
        self.desk.note(callback, SubscriptionEvent::Dropped(pushes)).await;
    }

    /// Takes what another process has passed on, and answers where it waits when its items are stored. `is_counted`: it was
    /// taken up before, and could not be stored.
    pub async fn take_relayed(&self, callback: &str, push: HubPush, row: i64, is_counted: bool) -> HubAnswer {
        let known = match self.admit_relayed(callback, is_counted).await {
            Ok(known) => known,
            Err(answer) => return answer,
        };
        if push.body.len() > self.bytes_max() {
            self.drop_push(&known, HubDrop::TooLarge).await;
            return HubAnswer::TooLarge;
        }
        self.take_as(&known, push, Some(row)).await
    }

    async fn admit_relayed(&self, callback: &str, is_counted: bool) -> Result<Subscription, HubAnswer> {
        if is_counted { self.open(callback).ok_or(HubAnswer::Gone) } else { self.admit(callback).await }
    }

    /// Takes what was pushed.
    pub async fn take(&self, known: &Subscription, push: HubPush) -> HubAnswer {
        self.take_as(known, push, None).await
    }

    async fn take_as(&self, known: &Subscription, push: HubPush, inbox: Option<i64>) -> HubAnswer {
        let rules = self.desk.rules();
        let Some(feed) = rules.feeds.get(&known.source) else { return HubAnswer::Noted };
        let HubPush { signature, encoding, body } = push;
        let is_weak = match believe(known.secret.as_ref(), signature.as_deref(), &body) {
            PushBelief::Signed { is_weak } => is_weak,
            PushBelief::Not { dropped, is_hint } => {
                if let Some(why) = dropped {
                    self.drop_push(known, why).await;
                }
                if is_hint {
                    (self.hint)(known.source.clone(), true);
                }
                return HubAnswer::Noted;
            }
        };
        if *self.hold.borrow() {
            return HubAnswer::Later;
        }
        // Whose text is on the pages behind is read with them.
        let needs_pages = feed.config.full_text != FullText::Off;
        let document = match self.read(feed, rules.limits, encoding, body).await {
            PushReading::Document(document) if !needs_pages && !document.items.is_empty() => *document,
            PushReading::Document(_) => {
                (self.hint)(known.source.clone(), true);
                self.desk.note(&known.callback, SubscriptionEvent::Pushed { fresh: 0, is_weak }).await;
                return HubAnswer::Noted;
            }
            PushReading::Unreadable => {
                self.drop_push(known, HubDrop::Unreadable).await;
                (self.hint)(known.source.clone(), true);
                return HubAnswer::Noted;
            }
        };
        let Some(fresh) = self.store(&known.source, document, inbox).await else { return HubAnswer::Later };
        self.desk.counters().pushed(fresh);
        // The next poll reads the document, whatever it remembers of it: a push may be a part.
        (self.hint)(known.source.clone(), false);
        self.desk.note(&known.callback, SubscriptionEvent::Pushed { fresh, is_weak }).await;
        HubAnswer::Stored
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
    async fn store(&self, source: &SourceId, document: ParsedDocument, inbox: Option<i64>) -> Option<u64> {
        let (receipt, told) = oneshot::channel();
        let batch = Batch {
            origin: Origin { source: source.clone(), kind: SourceKind::Hub, received: self.clock.now() },
            items: document.items,
            unchanged: Vec::new(),
            rejected: document.rejected,
            cursor: Cursor::Hub(Box::new(HubRecord { source: source.clone(), unreliable: None })),
            receipt: Some(receipt),
            inbox,
            hubs: None,
        };
        let ingest = self.ingest.upgrade()?;
        tokio::time::timeout(ROOM_WAIT_MAX, ingest.send(batch.into())).await.ok()?.ok()?;
        drop(ingest);
        let receipt = tokio::time::timeout(COMMIT_WAIT_MAX, told).await.ok()?.ok()?;
        Some(receipt.new + receipt.sightings)
    }
}
