//! `ingest`: files through the whole pipeline into the store, now. For back-filling and for trying out;
//! beside a running daemon, drop the files into its seed directory instead.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::input::{InputFile, STDIN_NAME};
use super::output::{self, Table};
use super::{CliError, Context};
use crate::app::{App, IngestedFile, Parts};
use crate::deliver::console::Console;
use crate::text::clean;

/// Runs files, or standard input, through the pipeline into the store.
#[derive(Debug, Args)]
pub struct IngestArgs {
    /// Files of any format the seed directory takes; `-` reads standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Store only: raise no alerts.
    #[arg(long)]
    quiet: bool,
    /// Print JSON Lines, one per file.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct FileLine {
    file: String,
    new: u64,
    known: u64,
    copies: u64,
    revisions: u64,
    rejected: u64,
    alerts: u64,
    error: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when the store is held by a daemon, or a file could not be taken.
pub fn run(args: &IngestArgs, context: &Context) -> Result<(), CliError> {
    let config = context.load()?.config;
    super::run::start_quiet_logs(&config);
    let runtime = super::run::runtime(&config)?;
    let inputs: Vec<InputFile> = args.files.iter().map(|file| InputFile::of(file)).collect::<Result<_, _>>()?;
    let files: Vec<PathBuf> = inputs.iter().map(|input| input.path.clone()).collect();
    let bar = bar(files.len() as u64);
    let parts = Parts {
        config,
        place: context.place_name(),
        clock: context.clock.clone(),
        console: Console::beside(args.json),
    };
    let pushed = runtime
        .block_on(App::ingest_files(parts, &files, args.quiet, |_| bar.inc(1)))
        .map_err(|error| held(super::run::error(error), context))?;
    bar.finish_and_clear();
    let lines: Vec<FileLine> = pushed.into_iter().map(line).collect();
    let failed = lines.iter().filter(|line| line.error.is_some()).count();
    if args.json {
        output::lines(&lines)?;
    } else {
        table(&lines)?;
    }
    if failed == 0 { Ok(()) } else { Err(CliError::data(format!("take {failed} of {} files", lines.len()))) }
}

fn held(error: CliError, context: &Context) -> CliError {
    let seeds = context.load().ok().and_then(|loaded| loaded.config.seeds.dir);
    match seeds {
        Some(dir) if error.code() == super::error::UNAVAILABLE => {
            error.hint(format!("the daemon is running: copy the files into {}", dir.display()))
        }
        _ => error,
    }
}

fn bar(files: u64) -> ProgressBar {
    let bar = ProgressBar::new(files);
    if files < 20 || !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files, {per_sec}, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn line(pushed: IngestedFile) -> FileLine {
    let receipt = pushed.outcome.clone().unwrap_or_default();
    FileLine {
        file: if pushed.path.ends_with(STDIN_NAME) { "-".to_owned() } else { pushed.path.display().to_string() },
        new: receipt.new,
        known: receipt.known,
        copies: receipt.sightings,
        revisions: receipt.revisions,
        rejected: receipt.rejected,
        alerts: receipt.alerts,
        error: pushed.outcome.err().map(|r| format!("{}: {}", r.reason, clean::one_line(&r.detail))),
    }
}

fn table(lines: &[FileLine]) -> std::io::Result<()> {
    let mut table = Table::new(&["NEW", "KNOWN", "COPIES", "EDITED", "REJECTED", "ALERTS", "FILE"]);
    for line in lines {
        let error = line.error.as_ref().map(|error| format!("  {error}")).unwrap_or_default();
        let counts = [line.new, line.known, line.copies, line.revisions, line.rejected, line.alerts];
        table.row(counts.map(|n| n.to_string()).into_iter().chain([format!("{}{error}", line.file)]));
    }
    table.print("no files")
}
