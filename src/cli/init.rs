//! `init`: a commented config to start from, with a secret of its own.

use std::path::PathBuf;

use clap::Args;

use super::CliError;
use super::error::{IO, USAGE};
use crate::config::{self, InitError};
use crate::text::clean;

/// Writes a commented config and a fresh secret into a folder; never overwrites.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder.
    #[arg(default_value = "config")]
    folder: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when something is there already or cannot be written.
pub fn run(args: &InitArgs) -> Result<(), CliError> {
    let done = config::init(&args.folder).map_err(|error| match error {
        InitError::Exists(_) => {
            CliError::new(USAGE, format!("write a config: {error}")).hint("name another folder: `wirewatch init DIR`")
        }
        error => CliError::new(IO, format!("write a config: {error}")),
    })?;
    for file in &done.files {
        println!("wrote {}", clean::one_line(&file.display().to_string()));
    }
    println!();
    for line in &done.next_steps {
        println!("{line}");
    }
    Ok(())
}
