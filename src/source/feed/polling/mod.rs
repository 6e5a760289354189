//! Asking feeds: `queue` says whose turn it is, `schedule` when a feed's next one comes, `visit` makes one
//! poll (`request` → `fetch` → `reading` → the state that follows), `pages` brings full texts, and `poller` is
//! the one task that drives them all by `rules`. A poll ends as a batch on its way to `ingest`.

pub mod counters;
mod fetch;
mod freshness;
pub mod look;
pub mod pages;
pub mod poller;
mod queue;
mod request;
pub mod rules;
pub mod schedule;
mod visit;
