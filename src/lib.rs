//! wirewatch watches the newswire: it reads a seed directory and feeds as they change, tells the same
//! item, the same text and the same story apart from news, classifies every item on the topics of the
//! config, keeps all of it in SQLite, and calls webhooks once per story and topic.
//!
//! ```text
//! source: fetch → scan → parse ──Batch──▶ ingest: prepare ∥ ──Ready──▶ decide → store.apply (ONE transaction) ──wake──▶ deliver: claim → sign → POST → record
//! ```
//!
//! Modules stand in the order of the flow; arrows go one way only (`tests/tidy.rs` holds them to it).

pub mod clock;
pub mod failpoint;
pub mod files;
pub mod model;
pub mod net;
pub mod niceness;
pub mod telemetry;
pub mod text;

pub mod source;

pub mod pipeline;

pub mod ingest;

pub mod store;

pub mod deliver;

pub mod receiver;

pub mod action;

pub mod http;

pub mod eval;

pub mod config;

pub mod view;

pub mod app;

pub mod cli;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

/// The Rust of docs/guide/webhooks.md must compile.
#[cfg(doctest)]
#[doc = include_str!("../docs/guide/webhooks.md")]
pub struct WebhooksPage;
