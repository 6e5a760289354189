//! `prove`: tries the promises on the built program, as a black box. Each command is one way to break them:
//! kills, a kill at every write, power cuts, broken disks, starved resources; and planted bugs, to see that
//! all of that would notice.

mod check;
mod cycles;
mod disk;
mod faults;
mod feeds;
mod mutants;
mod power;
mod proxy;
mod pusher;
mod reaper;
mod receiver;
mod room;
mod shim;
mod stage;
mod truth;
mod writes;

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
    /// Kills the program at every call that writes
    Writes {
        /// So many of them, evenly chosen; left out: all.
        #[arg(long)]
        sample: Option<u64>,
        /// A bug to plant in a debug build.
        #[arg(long)]
        planted: Option<String>,
    },
    /// Rebuilds the disk as power cuts would leave it, at every moment somebody was told something
    Power {
        /// Random images at each moment, of two kinds.
        #[arg(long, default_value_t = 3)]
        random: u64,
        /// A bug to plant in a debug build.
        #[arg(long)]
        planted: Option<String>,
    },
    /// Breaks disk, resources and network around the running program
    Faults {
        /// Only cases whose name begins with one of these.
        cases: Vec<String>,
        /// How long trouble lasts where it can last.
        #[arg(long, default_value_t = 4)]
        trouble_seconds: u64,
    },
    /// Plants bugs, one after the other, and sees that each is noticed (debug builds)
    Mutants,
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
            show(arguments.json, &outcome, print_cycles)?;
            Ok(outcome.is_clean())
        }
        Command::Writes { sample, planted } => {
            let plan = writes::Plan {
                program: &program,
                dir: &dir,
                seed: arguments.seed,
                sample: *sample,
                planted: planted.clone(),
                stop_at_first: planted.is_some(),
                progress: arguments.verbose,
            };
            let outcome = writes::run(&plan).await?;
            show(arguments.json, &outcome, print_writes)?;
            Ok(outcome.findings.is_empty())
        }
        Command::Power { random, planted } => {
            let plan = power::Plan {
                program: &program,
                dir: &dir,
                seed: arguments.seed,
                planted: planted.clone(),
                random_images: *random,
                starts: if planted.is_some() { 0 } else { 12 },
                stop_at_first: planted.is_some(),
            };
            let outcome = power::run(&plan).await?;
            show(arguments.json, &outcome, print_power)?;
            Ok(outcome.findings.is_empty())
        }
        Command::Faults { cases, trouble_seconds } => {
            let trouble = std::time::Duration::from_secs(*trouble_seconds);
            let plan = faults::Plan { program: &program, dir: &dir, seed: arguments.seed, trouble };
            let mut verdicts = Vec::new();
            for case in faults::CASES {
                if cases.is_empty() || cases.iter().any(|wanted| case.starts_with(wanted.as_str())) {
                    let verdict = faults::run(case, plan).await?;
                    if arguments.verbose {
                        eprintln!("{verdict:?}");
                    }
                    verdicts.push(verdict);
                }
            }
            show(arguments.json, &verdicts, |verdicts| print_faults(verdicts))?;
            Ok(verdicts.iter().all(|verdict| verdict.findings.is_empty()))
        }
        Command::Mutants => {
            let verdicts = mutants::run(&program, &dir, arguments.seed, arguments.verbose).await?;
            show(arguments.json, &verdicts, print_mutants)?;
            Ok(verdicts.iter().all(|verdict| verdict.caught.is_some()))
        }
    }
}

fn show<T: serde::Serialize>(json: bool, outcome: &T, print: impl Fn(&T)) -> std::io::Result<()> {
    if json {
        println!("{}", serde_json::to_string(outcome)?);
    } else {
        print(outcome);
    }
    Ok(())
}

fn print_findings(findings: &[check::Finding], holds: &str) {
    for finding in findings {
        println!("  FOUND {}: {}", finding.what, finding.detail);
    }
    println!("  {}", if findings.is_empty() { holds } else { "FAILED" });
}

fn print_writes(outcome: &writes::Outcome) {
    println!("a kill at every write: seed {}, {} calls that write in one pass", outcome.seed, outcome.writes);
    for (call, count) in &outcome.calls {
        println!("  {count:>6}  {call}");
    }
    println!("  {:>6}  kills, {} points not reached", outcome.kills, outcome.not_reached);
    print_findings(&outcome.findings, "everything was there after each");
}

fn print_mutants(verdicts: &Vec<mutants::Verdict>) {
    println!("planted bugs: {}", verdicts.len());
    for verdict in verdicts {
        match &verdict.caught {
            Some((way, said)) => println!("  caught by {way:<7} {:<16} {said:.140}", verdict.bug),
            None => println!("  MISSED            {}", verdict.bug),
        }
    }
}

fn print_faults(verdicts: &[faults::Verdict]) {
    println!("faults: {} cases", verdicts.len());
    for faults::Verdict { case, skipped, seen, findings } in verdicts {
        let verdict = match (findings.is_empty(), skipped) {
            (false, _) => "FAILED",
            (true, Some(_)) => "skipped",
            (true, None) => "held",
        };
        println!("  {verdict:<8} {case:<26} {}{}", skipped.as_deref().unwrap_or_default(), seen.join(", "));
        for finding in findings {
            println!("           FOUND {}: {}", finding.what, finding.detail);
        }
    }
}

fn print_power(outcome: &power::Outcome) {
    println!("power cuts: seed {}, {} events, {} syncs", outcome.seed, outcome.events, outcome.syncs);
    for (kind, count) in &outcome.told {
        println!("  {count:>6}  {kind}");
    }
    println!("  {:>6}  images of the disk, {} of them started", outcome.images, outcome.starts);
    print_findings(&outcome.findings, "all that was told had survived, every image opened");
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
        (outcome.pushes, "of them pushed"),
        (outcome.alerts_expected as u64, "alerts expected"),
        (outcome.requests as u64, "requests received"),
        (outcome.requests_again as u64, "of them again: retries and repeats"),
        (outcome.repeats_after_200 as u64, "of those although a 200 had gone out"),
        (outcome.repeats_most as u64, "of those after one kill, at most"),
        (outcome.repeats_most_in_backlog as u64, "of those after one kill with more than 256 due, at most"),
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
    println!("  {}", if outcome.is_clean() { "I1 to I10 hold" } else { "FAILED" });
}
