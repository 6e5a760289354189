//! The load bed: a deterministic feed server and drivers that put the real program under load, each
//! beside a lower bound that does the bare work in the same run. `load report` makes
//! docs/development/performance.md of what they found. Run by `proof/performance`; by hand:
//! `cargo run --release --example load -- poll --feeds 1000`.

mod bed;
#[cfg(test)]
mod bed_tests;
mod daemon;
mod documents;
mod figures;
mod files;
mod floor;
mod inputs;
mod live;
mod newsboat;
mod pages;
mod poll;
mod report;
mod retention;
mod server;
mod stock;
mod svg;
mod words;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Whatever went wrong, in words: a measurement that fails has no caller who could do better.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Puts the real program under load.
#[derive(Debug, Parser)]
struct Arguments {
    /// Figures are added to this file, a JSON object a line.
    #[arg(long, global = true)]
    figures: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The feed server, until standard input closes; prints its port.
    Serve(server::ServeArgs),
    /// The lower bound, once, against a running server.
    Floor(floor::FloorArgs),
    /// Feeds cold, all unchanged, and with new items; beside the lower bound.
    Poll(poll::PollArgs),
    /// The same feeds by newsboat, which must be installed.
    Newsboat(newsboat::NewsboatArgs),
    /// Many files dropped at once.
    Files(files::FilesArgs),
    /// Files dropped at a steady pace.
    Stream(files::StreamArgs),
    /// A store that grows: start, search, backup.
    Store(stock::StockArgs),
    /// The oldest month of a store that was kept, let go.
    Retention(retention::RetentionArgs),
    /// Every page over a store that has grown.
    Pages(pages::PagesArgs),
    /// What open tabs and streams cost.
    Live(live::LiveArgs),
    /// Matching as rules grow.
    Rules,
    /// docs/development/performance.md and its curves, from figures that were kept.
    Report(report::ReportArgs),
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let figures = figures::Figures::to(arguments.figures);
    match arguments.command {
        Command::Serve(args) => server::serve(args),
        Command::Floor(args) => floor::floor(&args),
        Command::Poll(args) => poll::poll(&args, &figures),
        Command::Newsboat(args) => newsboat::newsboat(&args, &figures),
        Command::Files(args) => files::files(&args, &figures),
        Command::Stream(args) => files::stream(&args, &figures),
        Command::Store(args) => stock::stock(&args, &figures),
        Command::Retention(args) => retention::retention(&args, &figures),
        Command::Pages(args) => pages::pages(&args, &figures),
        Command::Live(args) => live::live(&args, &figures),
        Command::Rules => stock::rules(&figures),
        Command::Report(args) => report::report(&args, &figures),
    }
}
