//! Talking HTTP to places we do not trust: one guarded client for feeds and webhooks. The address that
//! is connected to is checked, on every hop; redirects are never followed behind our back.

pub mod body;
mod cidr;
mod client;
mod error;
pub mod guard;
mod resolve;

pub use cidr::{Cidr, CidrError};
pub use client::{BodyLimit, Client, ClientConfig, Request, Response, check_roots, credentials, display_url};
pub use error::{NetError, WaitPhase};
