//! `store copy`: everything that is stored, from a state directory into PostgreSQL or back. Neither is in use meanwhile.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::output::{self, Output};
use super::{CliError, Context};
use crate::store::{Access, Store, StoreCopied, StoreError};

/// Moves the store to another database.
#[derive(Debug, Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    what: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    Copy(CopyArgs),
}

/// Copies everything that is stored into a store that is new; the daemon must be stopped.
#[derive(Debug, Args)]
struct CopyArgs {
    /// A state directory, or the address of a database: postgres://USER@HOST/DATABASE.
    #[arg(long)]
    from: String,
    /// The same, of one that nothing was ever stored in.
    #[arg(long)]
    to: String,
    /// File with the password for the database.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when either cannot be used, or something is stored in the second already.
pub fn run(args: &StoreArgs, context: &Context) -> Result<(), CliError> {
    let StoreCommand::Copy(args) = &args.what;
    if args.from == args.to {
        return Err(CliError::usage("copy a store into itself").hint("name two that differ"));
    }
    let from = open(&args.from, args, context, Access::Own)?;
    let to = open(&args.to, args, context, Access::Fill)?;
    let StoreCopied { rows, items, owed } = from.copy_into(&to, |_, _| {})?;
    to.checkpoint()?;
    if Output::of(args.json) == Output::Json {
        return Ok(output::document(&StoreCopied { rows, items, owed })?);
    }
    outln!("copied {rows} rows, {items} items and {owed} deliveries owed among them, to {}", to.place().display());
    outln!("the store copied from is as it was; only one of the two may be run from now on");
    Ok(())
}

fn open(place: &str, args: &CopyArgs, context: &Context, access: Access) -> Result<Store, CliError> {
    if !place.contains("://") {
        let path = Path::new(place);
        if access == Access::Own && !path.join(crate::store::DATABASE_FILE).exists() {
            return Err(StoreError::Missing { path: path.to_owned() }.into());
        }
        return Ok(Store::open(path, access)?);
    }
    remote(place, args, context, access)
}

#[cfg(not(feature = "postgres"))]
fn remote(place: &str, _: &CopyArgs, _: &Context, _: Access) -> Result<Store, CliError> {
    Err(CliError::usage(format!("use {place}: this build leaves PostgreSQL out"))
        .hint("build with --features postgres"))
}

/// What belongs to this machine alone is in the state directory of the config.
#[cfg(feature = "postgres")]
fn remote(place: &str, args: &CopyArgs, context: &Context, access: Access) -> Result<Store, CliError> {
    let mut config = context.load()?.config;
    config.store.url = Some(place.to_owned());
    if args.password_file.is_some() {
        config.store.password_file.clone_from(&args.password_file);
    }
    Ok(config.open_store(access)?)
}
