//! A subscription at a hub (WebSub): all that must be remembered of it across restarts. How it goes on is decided in
//! `source::websub::state`.

use std::fmt;

use super::{SourceId, Timestamp};

/// How a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscriptionState {
    /// The hub was asked, or will be; it has not confirmed.
    Asked,
    /// The hub confirmed it: what is new is pushed.
    Active,
    /// Active, and to be prolonged.
    Renewing,
    /// Its time ran out.
    Lapsed,
    /// The hub, or the publisher, does not want it.
    Denied,
    /// Nobody wants it any more; the hub is told so.
    Leaving,
}

impl SubscriptionState {
    /// Every one.
    pub const ALL: [Self; 6] = [Self::Asked, Self::Active, Self::Renewing, Self::Lapsed, Self::Denied, Self::Leaving];

    /// The stored and printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Active => "active",
            Self::Renewing => "renewing",
            Self::Lapsed => "lapsed",
            Self::Denied => "denied",
            Self::Leaving => "leaving",
        }
    }

    /// Back from the store.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// What a hub signs its pushes with. Not shown by Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct HubSecret(pub String);

impl fmt::Debug for HubSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HubSecret(redacted)")
    }
}

/// One subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The last part of its callback's path: nobody but the hub knows it, so it names the subscription.
    pub callback: String,
    /// The whole callback, as the hub was told.
    pub callback_url: String,
    /// The feed.
    pub source: SourceId,
    /// The feed's address as it gives it itself, byte for byte.
    pub topic: String,
    /// Where it is asked for.
    pub hub: String,
    /// All hubs that the feed names, in the order in which they are tried.
    pub hubs: Vec<String>,
    /// None over plain http: pushes are then hints to poll.
    pub secret: Option<HubSecret>,
    /// How it stands.
    pub state: SubscriptionState,
    /// A request is under way, or taken and not yet confirmed.
    pub awaits: bool,
    /// When the hub was asked last.
    pub asked_at: Option<Timestamp>,
    /// When it confirmed last.
    pub verified_at: Option<Timestamp>,
    /// Since when it is active without a gap.
    pub active_since: Option<Timestamp>,
    /// Until when the hub keeps it up.
    pub lease_until: Option<Timestamp>,
    /// When something is to be done about it.
    pub next_at: Timestamp,
    /// Requests in a row that led to nothing.
    pub refusals: u32,
    /// Why, in words.
    pub error: Option<String>,
    /// The last push that was signed well.
    pub last_push_at: Option<Timestamp>,
    /// Its pushes are signed with SHA-1.
    pub is_weak: bool,
    /// Since when its tally counts.
    pub tally_from: Timestamp,
    /// New items that were pushed.
    pub pushed: u64,
    /// New items that a poll found first, soon after they were published.
    pub near: u64,
    /// New items that a poll found long after they were published.
    pub missed: u64,
    /// Pushes that were dropped.
    pub dropped: u64,
    /// Since when its tally is bad: the feed is polled as if it had no hub.
    pub unreliable_since: Option<Timestamp>,
}

impl Subscription {
    /// One of a feed that nobody was asked for yet.
    #[must_use]
    pub fn new(source: SourceId, now: Timestamp) -> Self {
        Self {
            callback: String::new(),
            callback_url: String::new(),
            source,
            topic: String::new(),
            hub: String::new(),
            hubs: Vec::new(),
            secret: None,
            state: SubscriptionState::Asked,
            awaits: false,
            asked_at: None,
            verified_at: None,
            active_since: None,
            lease_until: None,
            next_at: now,
            refusals: 0,
            error: None,
            last_push_at: None,
            is_weak: false,
            tally_from: now,
            pushed: 0,
            near: 0,
            missed: 0,
            dropped: 0,
            unreliable_since: None,
        }
    }

    /// Whether the hub is taken to push what is new.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state, SubscriptionState::Active | SubscriptionState::Renewing)
    }

    /// Whether the feed may be polled less often for it.
    #[must_use]
    pub fn covers(&self) -> bool {
        self.is_active() && self.unreliable_since.is_none()
    }

    /// The name of its state for people.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        if self.is_active() && self.unreliable_since.is_some() { "unreliable" } else { self.state.as_str() }
    }
}

/// What a feed says of hubs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "postgres", derive(serde::Serialize, serde::Deserialize))]
pub struct HubLinks {
    /// Its hubs, in its order; none: nobody pushes it.
    pub hubs: Vec<String>,
    /// Its own address, byte for byte: what is subscribed to.
    pub topic: Option<String>,
}

/// What a good poll found of hubs, for whoever holds the subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "postgres", derive(serde::Serialize, serde::Deserialize))]
pub struct FoundHubs {
    /// What the document says; `None`: there was no new one.
    pub links: Option<HubLinks>,
    /// When the poll before was.
    pub before: Option<Timestamp>,
}

/// What came from a hub, or is to be said of one, beside the items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubRecord {
    /// The feed.
    pub source: SourceId,
    /// The hub does not push what it should: what is said of it.
    pub unreliable: Option<UnreliableHub>,
}

/// A hub that accepted a subscription and does not push all that is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreliableHub {
    /// Its host.
    pub hub: String,
    /// New items that it pushed.
    pub pushed: u64,
    /// New items that it did not.
    pub missed: u64,
    /// Since when.
    pub since: Timestamp,
}
