//! `init`: a commented config to start from, with a secret of its own; or one more topic in it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::CliError;
use super::error::{IO, USAGE};
use crate::config::{self, InitError, ScaffoldError};
use crate::text::clean;

/// Writes a commented config and a fresh secret into a folder, or adds a topic to one; never overwrites.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder.
    #[arg(default_value = "config")]
    folder: PathBuf,
    /// Lay out one new topic in the config of the folder: tables of words to fill in, two rules, two tests.
    #[arg(long, value_name = "NAME", conflicts_with = "empty")]
    topic: Option<String>,
    /// Without the shipped topics.
    #[arg(long)]
    empty: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when something is there already or cannot be written.
pub fn run(args: &InitArgs) -> Result<(), CliError> {
    if let Some(name) = &args.topic {
        return topic(&args.folder, name);
    }
    let done = config::init(&args.folder, args.empty).map_err(|error| match error {
        InitError::Exists(_) => {
            CliError::new(USAGE, format!("write a config: {error}")).hint("name another folder: `wirewatch init DIR`")
        }
        error => CliError::new(IO, format!("write a config: {error}")),
    })?;
    for file in &done.files {
        outln!("wrote {}", clean::one_line(&file.display().to_string()));
    }
    outln!();
    for line in &done.next_steps {
        outln!("{line}");
    }
    Ok(())
}

/// Lays out one topic in a config that is there.
fn topic(folder: &Path, name: &str) -> Result<(), CliError> {
    let done = config::scaffold(folder, name).map_err(|error| {
        let what = format!("lay out a topic: {error}");
        match error {
            ScaffoldError::NoConfig(_) => {
                CliError::new(USAGE, what).hint("`wirewatch init` writes one; a folder elsewhere is named last")
            }
            ScaffoldError::Name(_) => {
                CliError::new(USAGE, what).hint("name it in Latin letters: `--topic \"port closures\"`")
            }
            ScaffoldError::Write(InitError::Exists(_)) => CliError::new(USAGE, what).hint("give it another name"),
            ScaffoldError::Write(_) => CliError::new(IO, what),
        }
    })?;
    outln!("wrote {} with topic `{}`", clean::one_line(&done.file.display().to_string()), done.id);
    outln!();
    for line in &done.next_steps {
        outln!("{}", clean::one_line(line));
    }
    Ok(())
}
