//! The integration tests: one binary, real sockets, time moved by the clock seam.

mod client;
mod deliver;
mod feed_server;
mod measure;
mod polling;
mod receive;
mod receiver;
