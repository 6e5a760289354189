//! Feeds that a hub pushes (WebSub): `links` reads which hub a feed names, `state` says how a subscription goes on (pure),
//! `ask` talks to hubs, `desk` is the one task that holds all subscriptions, `signature` and `content` take what hubs
//! send, `entrance` is where that comes in, on the process that has the subscriptions or on another one; `polled` is what polls
//! see of them. Pushes come beside the polls, never instead of them: a hub that does not push costs an hour at most.

mod ask;
mod content;
mod counters;
mod desk;
mod entrance;
mod links;
mod polled;
mod rate;
mod rules;
mod signature;
pub mod state;

#[cfg(test)]
mod entrance_tests;
#[cfg(test)]
mod promise_tests;

pub use content::{FeedHint, HubAnswer, HubIntake, HubPush};
pub use counters::{HubCounters, HubDrop};
pub use desk::{HubVerification, PolledNews, SubscriptionDesk, SubscriptionKeeper, SubscriptionTask};
pub use entrance::{HubEntrance, HubForwarding, HubRelay, RelayedHubRequest, StoreUnreachable, SubscriptionLookup};
pub use polled::{HubCover, PollHubs};
pub use rules::{SubscriptionRules, WebSubConfig};
