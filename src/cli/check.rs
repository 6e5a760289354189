//! `check`: everything that is wrong with the config, at once, each at its place.

use clap::Args;

use super::error::CONFIG;
use super::{CliError, Context, output};
use crate::app::compile;
use crate::config;
use crate::text::counted;

/// Checks the config and runs its tests; prints every problem.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] with the exit code for a wrong config.
pub fn run(args: &CheckArgs, context: &Context) -> Result<(), CliError> {
    let report = config::check(&context.place(), &context.environment, compile::test_runner);
    if args.json {
        output::document(&report.to_json())?;
    } else {
        err!("{}", report.render(output::look()));
        match (report.errors(), report.warnings()) {
            (0, 0) => outln!("the config is good: {}", context.place_name()),
            (0, warnings) => {
                outln!(
                    "the config can be used, with {}: {}",
                    counted(warnings as u64, "warning"),
                    context.place_name()
                );
            }
            (errors, _) => outln!("the config has {}: {}", counted(errors as u64, "error"), context.place_name()),
        }
    }
    if report.is_ok() { Ok(()) } else { Err(CliError::reported(CONFIG)) }
}
