//! `reload`: asks the running daemon to take the changed config, waits, and says what came of it.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use rustix::process::Pid;

use super::error::{CONFIG, UNAVAILABLE};
use super::output::{self, Output};
use super::{CliError, Context};
use crate::config::{ReloadRecord, last_reload};
use crate::store::lock_holder;
use crate::text::clean;

/// How often the result is looked for, and for how long.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Makes the running daemon take the changed config; waits for the result.
#[derive(Debug, Args)]
pub struct ReloadArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when no daemon runs, it does not answer, or it refused the config.
pub fn run(args: &ReloadArgs, context: &Context) -> Result<(), CliError> {
    let record = ask(context)?;
    if Output::of(args.json) == Output::Json {
        output::document(&record)?;
    } else {
        print(&record);
    }
    if record.taken { Ok(()) } else { Err(CliError::reported(CONFIG)) }
}

/// The daemon on the config's state directory, if one runs.
pub(super) fn daemon(state_dir: &Path) -> Option<Pid> {
    lock_holder(state_dir).and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw)
}

/// Asks the running daemon to reload, and waits for the result.
///
/// # Errors
/// [`CliError`] when no daemon runs or it does not answer.
pub(super) fn ask(context: &Context) -> Result<ReloadRecord, CliError> {
    // Not checked here: whether it can be used is the daemon's to say, of what it reads itself.
    let state_dir = context.load().map(|loaded| loaded.config.daemon.state_dir)?;
    let asked = context.clock.now();
    let Some(pid) = daemon(&state_dir) else {
        return Err(CliError::new(UNAVAILABLE, format!("find a daemon on {}", state_dir.display()))
            .hint("nothing to reload: `wirewatch run` reads the config when it starts"));
    };
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).map_err(|error| {
        CliError::new(UNAVAILABLE, format!("signal the daemon (process {}): {error}", pid.as_raw_nonzero()))
            .hint("use the account it runs under, or `systemctl reload wirewatch`")
    })?;
    let mut waited = Duration::ZERO;
    loop {
        match last_reload(&state_dir) {
            Some(record) if record.begun_ms >= asked.millis() => return Ok(record),
            _ if waited >= WAIT_MAX => {
                return Err(CliError::new(UNAVAILABLE, "hear from the daemon within a minute")
                    .hint("its log says what it is doing: journalctl -u wirewatch"));
            }
            _ => std::thread::sleep(LOOK_EVERY),
        }
        waited += LOOK_EVERY;
    }
}

fn print(record: &ReloadRecord) {
    if record.taken {
        outln!("reloaded: {}", clean::one_line(&record.summary));
        return;
    }
    outln!("refused, the old rules stay: {}", clean::one_line(&record.summary));
    for problem in &record.problems {
        outln!("  {}", clean::one_line(problem));
    }
    errln!("hint: `wirewatch check` shows each problem at its place");
}
