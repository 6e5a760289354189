//! Alerts: who is told (`route`), in which words (`payload`) and in which form (`format`). Whether to tell at all is decided in
//! `decide`, where the story is known.

mod envelope;
mod fold;
pub mod format;
mod notice;
mod passage;
mod payload;
mod quota;
mod route;
#[cfg(test)]
mod schema_check_tests;
#[cfg(test)]
mod schema_tests;
mod silence;
pub mod source;
mod timing;

pub use fold::fold;
pub use notice::{Content, ENTRIES_MAX, Entry, ListedStories, Notice, renumber};
pub use payload::{AlertData, AlertPayload, HeadlineView, PayloadInput, PreviousView};
pub use quota::{QuotaOutcome, hold_beyond_quota};
pub use route::{AlertRules, Commentary, Developments, EndpointAlert, Offer, OnRevision, Refusal, RoundUps, Route};
pub use silence::{Loud, SILENCE_LASTS, Silence};
pub use timing::{DigestTimes, Held, Hold, QuietHours, Rate, Timing};
