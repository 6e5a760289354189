//! Alerts: who is told (`route`), in which words (`payload`) and in which form (`format`). Whether to tell at all is decided in
//! `decide`, where the story is known.

pub mod format;
mod payload;
mod route;
pub mod source;

pub use payload::{PayloadInput, render};
pub use route::{AlertRules, Outgoing, Route};
