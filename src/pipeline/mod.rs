//! [2] The whole decision, pure: `prepare` reads one raw item (stateless, runs in parallel), `decide`
//! places it among what is remembered (serial, cheap, deterministic). No IO, no clock, no queries.

pub mod classify;
pub mod dedupe;
pub mod features;
pub mod memory;
pub mod normalize;
pub mod story;
