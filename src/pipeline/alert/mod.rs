//! Alerts: who is told (`route`), in which words (`payload`) and in which form (`format`). Whether to tell at all is decided in
//! `decide`, where the story is known.

mod envelope;
pub mod format;
mod notice;
mod passage;
mod payload;
mod route;
#[cfg(test)]
mod schema_tests;
mod silence;
pub mod source;
mod timing;

pub use notice::{Content, ENTRIES_MAX, Entry, Notice, renumber};
pub use payload::{AlertPayload, PayloadInput};
pub use route::{AlertRules, EndpointAlert, Offer, Refusal, Route};
pub use silence::{Loud, Silence};
pub use timing::{DigestTimes, Held, Hold, QuietHours, Rate, Timing};
