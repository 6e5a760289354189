//! The integration tests: one binary, real sockets, time moved by the clock seam.

mod api_faults;
mod app;
mod client;
mod commands;
mod corrections;
mod crash;
mod crowded;
mod deliver;
mod departed;
mod docs;
mod etiquette;
mod every_command;
mod exposed;
mod fault;
mod feed_access;
mod feed_faults;
mod feed_server;
mod feed_tls;
mod feeds_cli;
mod feeds_out;
mod guide;
mod hands;
mod hold;
mod hostile;
mod html_check;
mod hub;
#[cfg(feature = "email")]
mod mail;
mod mcp;
mod newsroom;
mod one_document;
mod operate;
mod page_and_api;
mod page_golden;
mod page_limits;
mod pages;
mod polling;
mod program;
mod push;
mod push_faults;
mod quarantined;
mod receive;
mod receiver;
mod refused;
mod replay;
mod repoll;
mod service;
mod sources;
mod strained;
mod terminal;
mod top;
mod top_screens;
mod topics;
mod transcripts;
mod untold;
mod waiting;
mod webhooks_doc;
mod websub;

/// A statement that makes every commit fail that adds a row to a table, as a disk does which fails at the end.
fn broken_commit(
    table: &'static str,
) -> impl FnOnce(&wirewatch::store::engine::Transaction<'_>) -> wirewatch::store::engine::Result<()> {
    // Triggers are what the databases write in their own ways.
    let is_remote = std::env::var_os("WIREWATCH_TEST_STORE").is_some();
    move |tx| {
        let insert = "INSERT INTO broken VALUES ('nowhere');";
        let trigger = if is_remote {
            format!(
                "CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {} RETURN NULL; END';
                 CREATE TRIGGER breaks AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION breaks();",
                insert.replace('\'', "''")
            )
        } else {
            format!("CREATE TRIGGER breaks AFTER INSERT ON {table} BEGIN {insert} END;")
        };
        tx.execute_batch(&format!(
            "CREATE TABLE broken (named TEXT REFERENCES meta (key) DEFERRABLE INITIALLY DEFERRED);
             {trigger}"
        ))
    }
}
