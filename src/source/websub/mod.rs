//! Feeds that a hub pushes (WebSub): `links` reads which hub a feed names, `state` says how a subscription goes on (pure),
//! `ask` talks to hubs, `desk` is the one task that holds all subscriptions, `signature` and `content` take what hubs
//! send. Pushes come beside the polls, never instead of them: a hub that does not push costs an hour at most.

mod ask;
mod content;
mod counters;
mod desk;
mod links;
mod rules;
mod signature;
pub mod state;

#[cfg(test)]
mod promise_tests;

pub use content::{HubIntake, HubPushOutcome};
pub use counters::{HubCounters, HubDrop};
pub use desk::{HubVerification, PolledNews, SubscriptionDesk, SubscriptionKeeper, SubscriptionTask};
pub use links::HubLinks;
pub use rules::{SubscriptionRules, WebSubConfig};
