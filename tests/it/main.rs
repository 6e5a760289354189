//! The integration tests: one binary, real sockets, time moved by the clock seam.

mod app;
mod client;
mod crash;
mod crowded;
mod deliver;
mod etiquette;
mod feed_access;
mod feed_faults;
mod feed_server;
mod feed_tls;
mod feeds_cli;
mod hold;
mod hostile;
mod newsroom;
mod operate;
mod pages;
mod polling;
mod program;
mod receive;
mod receiver;
mod refused;
mod replay;
mod service;
mod sources;
mod top;
mod webhooks_doc;
