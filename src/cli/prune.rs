//! `prune`: retention now, instead of when the daemon comes to it; works beside it.

use clap::Args;

use super::output::{self, Output};
use super::{CliError, Context};
use crate::app::ages;
use crate::store::{Access, Pruned, Pruning, lock_holder};
use crate::text::counted;

/// Between two steps, where a daemon wants its turns.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(25);

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
    let beside_daemon = lock_holder(&config.daemon.state_dir).is_some();
    let mut pruning = Pruning::default();
    while store.prune_step(&mut pruning, &ages, context.clock.now())? {
        if beside_daemon {
            std::thread::sleep(PAUSE);
        }
    }
    let total = pruning.pruned;
    if Output::of(args.json) == Output::Json {
        return Ok(output::document(&total)?);
    }
    let Pruned { texts, items, keys, deliveries, changes } = total;
    let [texts, items, keys, deliveries] =
        [(texts, "text"), (items, "item"), (keys, "key"), (deliveries, "delivery")].map(|(n, what)| counted(n, what));
    outln!("removed {texts}, {items} (their keys stay), {keys}, {deliveries}");
    if changes > 0 {
        outln!("and {} of what happened, for streams that read on", counted(changes, "line"));
    }
    outln!("the database has {} KiB, before {} KiB", store.database_bytes() >> 10, before >> 10);
    Ok(())
}
