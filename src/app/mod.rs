//! Start, supervise, stop: the only place that knows every stage.
//!
//! Start: store → memory → delivery → ingest → sources → HTTP → ready. Stop runs against the flow, so
//! that nothing taken in is left undecided: sources → ingest drains → requests in flight → HTTP →
//! checkpoint.

#[cfg(feature = "postgres")]
mod beside;
pub mod compile;
mod daemon;
mod departed;
mod error;
mod feed_look;
#[cfg(feature = "postgres")]
mod fetched;
mod follow;
#[cfg(feature = "postgres")]
mod gather;
mod health;
#[cfg(feature = "postgres")]
mod hub_inbox;
mod hubs;
#[cfg(feature = "postgres")]
mod inbox;
#[cfg(feature = "postgres")]
mod inbox_answer;
mod keep;
mod measure;
pub mod models;
mod once;
mod others;
#[cfg(feature = "postgres")]
mod relay;
mod reload;
#[cfg(test)]
mod reload_model;
#[cfg(feature = "postgres")]
mod sending;
#[cfg(feature = "postgres")]
mod shared_polling;
mod signals;
mod silences;
mod stages;
#[cfg(feature = "postgres")]
mod standby;
mod start;
mod stop;
mod systemd;
mod tell;
pub mod trial;

pub use daemon::{Daemon, DaemonRequest};
pub use error::{AppError, AppPart};
pub use health::AppHealth;
pub use keep::ages;
pub use once::{IngestedFile, OnceReport};
pub use reload::ReloadRefusal;
pub use signals::Signals;
pub use stages::Leadership;
#[cfg(feature = "postgres")]
pub use standby::{StoodBy, stand_by};
pub use start::{App, Parts};
pub use systemd::Systemd;
pub use tell::tell_now;
