//! The command line: one file per command. Arguments in, text or JSON on standard output, errors as one
//! sentence with a hint on standard error, an exit code from sysexits.

// They panic when the reader goes away: `out!` and `outln!` do not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
mod printing;

mod alerts;
mod arguments;
mod backtest;
mod backup;
mod check;
mod completions;
mod deliveries;
mod doctor;
mod endpoints;
mod error;
mod eval;
mod explain;
mod export;
mod failing;
mod feeds;
mod groups;
mod ids;
mod ingest;
mod init;
mod input;
mod items;
mod labelled;
mod labels;
mod man;
#[cfg(feature = "mcp")]
mod mcp;
mod output;
mod page;
mod parse;
mod prune;
mod push;
mod quarantine;
mod receive;
mod reload;
mod run;
mod search;
mod silences;
mod status;
mod store;
mod stories;
mod top;
mod topics;
mod tune;
mod users;
mod version;

#[cfg(test)]
mod docs_tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{FromArgMatches, Parser, Subcommand};

pub use error::CliError;

use crate::app::compile;
use crate::clock::Clock;
use crate::config::{self, Config, ConfigPlace, Environment, Loaded, Report};
use crate::model::Timestamp;
use crate::pipeline::Rules;
use crate::store::{Access, Store};
use crate::text::counted;

/// Where things are and what exit codes mean: the end of the long help and of the manual page.
const AFTER_HELP: &str = "\
Files:
  ./config/wirewatch.toml, /etc/wirewatch/wirewatch.toml   the config; without one the built-in one
  /var/lib/wirewatch                                       the state directory of the service
Environment:
  WIREWATCH_CONFIG   the same as --config
  NO_COLOR           no colours on the terminal
Exit codes (sysexits.h); with --json a last line on standard output says `error`, `exit` and `hint`:
  0   fine
  64  EX_USAGE: wrong arguments
  65  EX_DATAERR: bad input, or a database that is damaged or newer than this program
  69  EX_UNAVAILABLE: something needed is not there or busy, or doctor found a problem
  74  EX_IOERR: reading or writing failed
  78  EX_CONFIG: the config is wrong; `wirewatch check` shows where
Start with `wirewatch init`, then docs/guide/quickstart.md.";

/// Watches the newswire: one signed, explained alert per story.
#[derive(Debug, Parser)]
#[command(name = "wirewatch", version, long_version = version::LONG, max_term_width = 100)]
#[command(after_long_help = AFTER_HELP)]
struct Cli {
    /// Config file [default: ./config/wirewatch.toml, else /etc/wirewatch/wirewatch.toml, else built in].
    #[arg(long, global = true, env = "WIREWATCH_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Parse(parse::ParseArgs),
    Ingest(ingest::IngestArgs),
    Push(push::PushArgs),
    Init(init::InitArgs),
    Explain(explain::ExplainArgs),
    Status(status::StatusArgs),
    Items(items::ItemsArgs),
    Stories(stories::StoriesArgs),
    Alerts(alerts::AlertsArgs),
    Deliveries(deliveries::DeliveriesArgs),
    Endpoints(endpoints::EndpointsArgs),
    Silences(silences::SilencesArgs),
    Feeds(feeds::FeedsArgs),
    Receive(receive::ReceiveArgs),
    Search(search::SearchArgs),
    Top(top::TopArgs),
    Reload(reload::ReloadArgs),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    Prune(prune::PruneArgs),
    Quarantine(quarantine::QuarantineArgs),
    Doctor(doctor::DoctorArgs),
    Eval(eval::EvalArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    #[cfg(feature = "mcp")]
    Mcp(mcp::McpArgs),
    Backtest(backtest::BacktestArgs),
    Tune(tune::TuneArgs),
    Users(users::UsersArgs),
    Topics(topics::TopicsArgs),
    Store(store::StoreArgs),
}

/// What every command is given.
pub struct Context {
    config: Option<PathBuf>,
    /// What the process finds around it.
    environment: Environment,
    /// The time.
    clock: Clock,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let given = arguments::given(std::env::args_os());
    let for_programs = arguments::ask_for_json(&given);
    let matches = groups::command().try_get_matches_from(given);
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return error::usage_exit(&error, for_programs),
    };
    let context = Context { config: cli.config, environment: Environment::of_process(), clock: Clock::system() };
    let done = match &cli.command {
        Command::Run(args) => run::run(args, &context),
        Command::Parse(args) => parse::run(args, &context),
        Command::Ingest(args) => ingest::run(args, &context),
        Command::Push(args) => push::run(args, &context),
        Command::Check(args) => check::run(args, &context),
        Command::Init(args) => init::run(args),
        Command::Items(args) => items::run(args, &context),
        Command::Stories(args) => stories::run(args, &context),
        Command::Alerts(args) => alerts::run(args, &context),
        Command::Explain(args) => explain::run(args, &context),
        Command::Eval(args) => eval::run(args, &context),
        Command::Backtest(args) => backtest::run(args, &context),
        Command::Tune(args) => tune::run(args, &context),
        Command::Status(args) => status::run(args, &context),
        Command::Endpoints(args) => endpoints::run(args, &context),
        Command::Silences(args) => silences::run(args, &context),
        Command::Deliveries(args) => deliveries::run(args, &context),
        Command::Feeds(args) => feeds::run(args, &context),
        Command::Receive(args) => receive::run(args, &context),
        Command::Search(args) => search::run(args, &context),
        Command::Top(args) => top::run(args, &context),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
        #[cfg(feature = "mcp")]
        Command::Mcp(args) => mcp::run(args, &context),
        Command::Reload(args) => reload::run(args, &context),
        Command::Backup(args) => backup::run(args, &context),
        Command::Restore(args) => backup::run_restore(args, &context),
        Command::Prune(args) => prune::run(args, &context),
        Command::Quarantine(args) => quarantine::run(args, &context),
        Command::Doctor(args) => doctor::run(args, &context),
        Command::Users(args) => users::run(args, &context),
        Command::Topics(args) => topics::run(args, &context),
        Command::Store(args) => store::run(args, &context),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(for_programs),
    }
}

impl Context {
    /// Where the config is.
    fn place(&self) -> ConfigPlace {
        config::locate(self.config.as_deref(), &self.environment)
    }

    /// The same for people.
    fn place_name(&self) -> String {
        match self.place() {
            ConfigPlace::File(path) => path.display().to_string(),
            ConfigPlace::BuiltIn { .. } => "the built-in one".to_owned(),
        }
    }

    /// The checked config; every problem is printed when it cannot be used.
    fn load(&self) -> Result<Loaded, CliError> {
        self.load_from(&self.place(), &self.place_name())
    }

    /// The same for another config.
    fn load_from(&self, place: &ConfigPlace, name: &str) -> Result<Loaded, CliError> {
        Config::load(place, &self.environment).map_err(|report| refused(&report, name))
    }

    /// The config for looking only, and its errors: one that cannot be used is taken as far as it can be read, for a
    /// daemon may run on with what it took before.
    fn load_to_look(&self) -> Result<(Config, Option<String>), CliError> {
        let place = self.place();
        let report = match Config::load(&place, &self.environment) {
            Ok(loaded) => return Ok((loaded.config, None)),
            Err(report) => report,
        };
        match Config::readable(&place, &self.environment) {
            Some(config) if config.open_store(Access::Read).is_ok() => {
                Ok((config, Some(counted(report.errors() as u64, "error"))))
            }
            _ => Err(refused(&report, &self.place_name())),
        }
    }

    /// The store of the config's state directory.
    fn open_store(&self, access: Access) -> Result<Store, CliError> {
        Ok(self.load()?.config.open_store(access)?)
    }

    /// The store, for reading beside a running daemon.
    fn read_store(&self) -> Result<Store, CliError> {
        self.open_store(Access::Read)
    }
}

fn refused(report: &Report, name: &str) -> CliError {
    err!("{}", report.render(output::look()));
    CliError::new(error::CONFIG, format!("use the config {name}")).hint("`wirewatch check` shows all of its problems")
}

/// Compiles the rules of a config; every problem is printed at its place when they cannot be used.
fn compiled(loaded: &mut Loaded, name: &str) -> Result<Rules, CliError> {
    compile::rules(&loaded.config).map_err(|problems| {
        loaded.add_query_problems(&problems);
        err!("{}", loaded.report.render(output::look()));
        CliError::new(error::CONFIG, format!("compile {} of the queries of {name}", problems.len()))
            .hint("`wirewatch check` shows each of them at its place")
    })
}

/// Reads `--since`: an age (`90m`, `2h`, `7d`) or an RFC 3339 time.
fn since(text: &str) -> Result<Since, String> {
    match text {
        "today" => return Ok(Since::Day { ago: 0 }),
        "yesterday" => return Ok(Since::Day { ago: 1 }),
        _ => {}
    }
    if let Ok(at) = Timestamp::parse(text).or_else(|_| Timestamp::parse(&format!("{text}T00:00:00Z"))) {
        return Ok(Since::Moment(at));
    }
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => 0,
    };
    match number.parse::<u32>() {
        Ok(number) if seconds > 0 => Ok(Since::Age(Duration::from_secs(u64::from(number) * seconds))),
        _ => Err("use an age such as 90m, 2h, 7d, a day such as today, yesterday or 2025-03-17, or a time such as 2025-03-17T06:00:00Z".to_owned()),
    }
}

const DAY_MILLIS: i64 = 86_400_000;

/// A point in time as people give it: an age, a day or a moment.
#[derive(Debug, Clone, Copy)]
pub enum Since {
    /// So long ago.
    Age(Duration),
    /// Then.
    Moment(Timestamp),
    /// From the beginning of a day, UTC.
    Day {
        /// Today is none, yesterday one.
        ago: u32,
    },
}

impl Since {
    /// The moment, given the time now.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Age(age) => now.minus(age),
            Self::Moment(at) => at,
            Self::Day { ago } => {
                let days = now.millis().div_euclid(DAY_MILLIS) - i64::from(ago);
                Timestamp::from_millis(days * DAY_MILLIS)
            }
        }
    }
}
