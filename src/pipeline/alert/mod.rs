//! Alerts: who is told (`route`) and in which words (`payload`). Whether to tell at all is decided in
//! `decide`, where the story is known.

mod payload;
mod route;

pub use payload::{PayloadInput, render};
pub use route::{AlertRules, Route, RouteFormat};
