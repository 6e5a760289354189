//! The integration tests: one binary, real sockets, time moved by the clock seam.

mod app;
mod client;
mod corrections;
mod crash;
mod deliver;
mod etiquette;
mod exposed;
mod feed_access;
mod feed_server;
mod feed_tls;
mod hold;
mod hostile;
mod newsroom;
mod operate;
mod polling;
mod program;
mod receive;
mod receiver;
mod refused;
mod replay;
mod service;
mod sources;
mod strained;
mod top;
mod topics;
mod webhooks_doc;
