//! `prove`: tries the promises on the built program, as a black box. Each command is one way to break them:
//! kills, a kill at every write, power cuts, broken disks, starved resources; and planted bugs, to see that
//! all of that would notice.

mod check;
mod cycles;
mod feeds;
mod reaper;
mod receiver;
mod room;
mod truth;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tries the promises of wirewatch on the built program.
#[derive(Debug, Parser)]
#[command(name = "prove", arg_required_else_help = true)]
struct Arguments {
    /// The program; left out, the one built beside this.
    #[arg(long, global = true, env = "PROVE_PROGRAM")]
    program: Option<PathBuf>,
    /// Where throw-away directories are made.
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
    /// The seed: the same gives the same plan.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    /// Print the outcome as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Say what happens as it happens.
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts and kills the program again and again, and counts what arrived
    Cycles {
        /// Starts and deaths.
        #[arg(long, default_value_t = 200)]
        cycles: u64,
        /// A bug to plant in a debug build.
        #[arg(long)]
        planted: Option<String>,
    },
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("prove: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> std::io::Result<bool> {
    let program = program(arguments)?;
    let dir = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    match &arguments.command {
        Command::Cycles { cycles, planted } => {
            let plan = cycles::Plan {
                program: &program,
                dir: &dir,
                seed: arguments.seed,
                cycles: *cycles,
                planted: planted.clone(),
                stop_at_first: planted.is_some(),
                progress: arguments.verbose,
            };
            let outcome = cycles::run(&plan).await?;
            if arguments.json {
                println!("{}", serde_json::to_string(&outcome)?);
            } else {
                print_cycles(&outcome);
            }
            Ok(outcome.is_clean())
        }
    }
}

/// The program beside this one: `target/debug/examples/prove` tries `target/debug/wirewatch`.
fn program(arguments: &Arguments) -> std::io::Result<PathBuf> {
    let beside = || {
        let own = std::env::current_exe().ok()?;
        Some(own.parent()?.parent()?.join("wirewatch"))
    };
    let path = arguments.program.clone().or_else(beside).unwrap_or_default();
    let missing = |error| std::io::Error::new(std::io::ErrorKind::NotFound, format!("{}: {error}", path.display()));
    path.canonicalize().map_err(missing)
}

fn print_cycles(outcome: &cycles::Outcome) {
    println!("kills: {} cycles, seed {}, {} s", outcome.cycles, outcome.seed, outcome.seconds);
    for (death, count) in &outcome.deaths {
        println!("  {count:>6}  {death}");
    }
    let rows = [
        (outcome.items, "items published"),
        (outcome.alerts_expected as u64, "alerts expected"),
        (outcome.requests as u64, "requests received"),
        (outcome.requests_again as u64, "of them again: retries and repeats"),
        (outcome.repeats_after_200 as u64, "of those although a 200 had gone out"),
        (outcome.kills_with_work, "kills with work in flight"),
        (outcome.restored_again as u64, "requests after restoring the backup of the middle"),
        (outcome.slowest_open_ms, "ms to open the database, at worst"),
    ];
    for (count, what) in rows {
        println!("  {count:>6}  {what}");
    }
    for finding in &outcome.findings {
        println!("  FOUND {}: {}", finding.what, finding.detail);
    }
    for small in &outcome.too_small {
        println!("  TOO LITTLE TO MEAN ANYTHING: {small}");
    }
    if let Some(kept) = &outcome.kept {
        println!("  kept: {kept}");
    }
    println!("  {}", if outcome.is_clean() { "I1 to I8 hold" } else { "FAILED" });
}
