//! Talking HTTP to places we do not trust: one guarded client for feeds and webhooks. The address that
//! is connected to is checked, on every hop; redirects are never followed behind our back.

mod cidr;

pub use cidr::{Cidr, CidrError};
