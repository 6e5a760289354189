//! Start, supervise, stop: the only place that knows every stage.
//!
//! Start: store → memory → delivery → ingest → sources → HTTP → ready. Stop runs against the flow, so
//! that nothing taken in is left undecided: sources → ingest drains → requests in flight → HTTP →
//! checkpoint.

pub mod compile;
mod poll;
mod push;
mod signals;
mod start;
mod stop;
mod systemd;

pub use push::Pushed;
pub use signals::{Signals, Stop};
pub use start::{App, AppError, Once, Parts};
pub use systemd::Systemd;
