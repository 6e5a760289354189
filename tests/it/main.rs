//! The integration tests: one binary, real sockets, time moved by the clock seam.

mod deliver;
mod receiver;
