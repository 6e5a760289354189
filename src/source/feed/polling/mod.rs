//! Asking feeds: `queue` says whose turn it is, `schedule` when a feed's next one comes, `visit` makes one
//! poll (`request` → `fetch` → `reading` → the state that follows), `pages` brings full texts, and `poller` is
//! the one task that drives them all by `rules`, which `reload` takes over. A poll ends as a batch for `ingest`.

pub mod counters;
mod fetch;
pub(crate) mod freshness;
pub mod look;
mod page_budget;
pub mod pages;
pub mod poller;
mod queue;
mod reload;
mod request;
mod result;
pub mod rules;
pub mod schedule;
pub mod share;
mod tools;
mod visit;

pub(crate) use visit::mark_items;
