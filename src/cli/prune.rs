//! `prune`: retention now, instead of when the daemon comes to it; works beside it.

use clap::Args;

use super::output::{self, Output};
use super::{CliError, Context};
use crate::app::ages;
use crate::store::{Access, Pruned};

/// Removes what is older than [retention] says, now.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when there is no store or it cannot be written.
pub fn run(args: &PruneArgs, context: &Context) -> Result<(), CliError> {
    let config = context.load()?.config;
    let store = context.open_store(Access::Share)?;
    let (ages, before) = (ages(&config), store.database_bytes());
    let mut total = Pruned::default();
    loop {
        let pruned = store.prune_batch(&ages, context.clock.now())?;
        total.texts += pruned.texts;
        total.items += pruned.items;
        total.keys += pruned.keys;
        total.deliveries += pruned.deliveries;
        if !pruned.more {
            break;
        }
    }
    if Output::of(args.json) == Output::Json {
        return Ok(output::document(&total)?);
    }
    let Pruned { texts, items, keys, deliveries, .. } = total;
    println!("removed {texts} texts, {items} items (their keys stay), {keys} keys, {deliveries} deliveries");
    println!("the database has {} KiB, before {} KiB", store.database_bytes() >> 10, before >> 10);
    Ok(())
}
