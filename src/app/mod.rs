//! Start, supervise, stop: the only place that knows every stage.
//!
//! Start: store → memory → delivery → ingest → sources → HTTP → ready. Stop runs against the flow, so
//! that nothing taken in is left undecided: sources → ingest drains → requests in flight → HTTP →
//! checkpoint.

pub mod compile;
mod daemon;
mod follow;
mod health;
mod keep;
mod measure;
pub mod models;
mod poll;
mod push;
mod reload;
#[cfg(test)]
mod reload_model;
mod signals;
mod start;
mod stop;
mod systemd;

pub use daemon::{Daemon, Request};
pub use health::Health;
pub use keep::ages;
pub use push::Pushed;
pub use reload::{RELOAD_FILE, Refusal, ReloadRecord, last_reload};
pub use signals::Signals;
pub use start::{App, AppError, Once, Parts};
pub use systemd::Systemd;
