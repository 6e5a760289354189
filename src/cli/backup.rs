//! `backup` and `restore`: a copy of the store beside a running daemon, and the way back into a state
//! directory that no daemon uses.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{self, Output};
use super::{CliError, Context};
use crate::store::{BackupMade, StoreError, restore};
use crate::text::counted;

/// Copies the store into a file, beside a running daemon.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to write; for its owner only.
    file: PathBuf,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Puts a backup in the place of the store; the daemon must be stopped.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A file that `wirewatch backup` wrote.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `backup`.
///
/// # Errors
/// [`CliError`] when there is no store, or the copy cannot be made or does not pass its check.
pub fn run(args: &BackupArgs, context: &Context) -> Result<(), CliError> {
    let store = context.read_store()?;
    if args.file.exists() && !args.force {
        return Err(CliError::usage(format!("write {}: it is there already", args.file.display()))
            .hint("name another file, or --force to replace it"));
    }
    let made = store.backup(&args.file, |_| {})?;
    if Output::of(args.json) == Output::Json {
        return Ok(output::document(&made)?);
    }
    let BackupMade { path, bytes, items, owed } = made;
    let (items, owed) = (counted(items, "item"), counted(owed, "delivery"));
    outln!("backed up {items} and {owed} owed to {} ({} KiB, checked)", path.display(), bytes >> 10);
    Ok(())
}

/// Runs `restore`.
///
/// # Errors
/// [`CliError`] when the backup is not sound, the daemon runs, or the disk fails.
pub fn run_restore(args: &RestoreArgs, context: &Context) -> Result<(), CliError> {
    let state_dir = context.load()?.config.daemon.state_dir;
    let restored = restore(&args.file, &state_dir, context.clock.now()).map_err(|error| refused(error, &args.file))?;
    if Output::of(args.json) == Output::Json {
        return Ok(output::document(&restored)?);
    }
    outln!("restored {} to {}", counted(restored.items, "item"), restored.path.display());
    if let Some(replaced) = &restored.replaced {
        outln!("the database before is kept as {}", replaced.display());
    }
    if restored.owed > 0 {
        let owed = counted(restored.owed, "delivery");
        outln!("owed in it: {owed}, sent at the next start under the same ids");
    }
    Ok(())
}

/// What stands in the way of a restore, told of the backup rather than of the store it was to become.
fn refused(error: StoreError, file: &Path) -> CliError {
    let name = file.display();
    match error {
        StoreError::Missing { .. } => CliError::new(super::error::UNAVAILABLE, format!("restore {name}: no such file"))
            .hint("name a file that `wirewatch backup` wrote"),
        StoreError::Corrupt { detail, .. } => {
            CliError::data(format!("restore {name}: it is no sound backup ({detail})"))
                .hint("nothing was changed; take another one")
        }
        StoreError::Newer { found, known, .. } => {
            CliError::data(format!("restore {name}: its schema is version {found}, this program knows up to {known}"))
                .hint("nothing was changed; upgrade wirewatch first")
        }
        StoreError::Held { .. } => CliError::from(error)
            .hint("stop it first (`systemctl stop wirewatch`): a backup is made beside a daemon, but not put back"),
        other => other.into(),
    }
}
