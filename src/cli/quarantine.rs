//! `quarantine`: documents that are not read any more, for the process ended three times in a row while they were; and one
//! of them read again.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::error::USAGE;
use super::output::{self, Output};
use super::{CliError, Context};
use crate::model::Timestamp;
use crate::source::quarantine::{HeldDocument, held_documents, release};
use crate::text::{clean, counted};

/// Lists documents that are not read, for the process ended three times in a row while they were; lets one be read again.
#[derive(Debug, Args)]
pub struct QuarantineArgs {
    #[command(subcommand)]
    verb: Option<QuarantineVerb>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum QuarantineVerb {
    /// Lists them.
    List,
    /// Lets them be read again, each by itself; one that ends the process once more comes back here.
    Release {
        /// Their ids, as listed.
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// A held document as printed.
#[derive(Serialize)]
struct HeldLine<'a> {
    #[serde(flatten)]
    held: &'a HeldDocument,
    /// When a feed that has changed is read again at the earliest.
    tried_from: Option<Timestamp>,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when an id is not held, or its mark cannot be changed.
pub fn run(args: &QuarantineArgs, context: &Context) -> Result<(), CliError> {
    let (config, _) = context.load_to_look()?;
    let state_dir = &config.daemon.state_dir;
    match &args.verb {
        None | Some(QuarantineVerb::List) => list(&held_documents(state_dir), context.clock.now(), args.json),
        Some(QuarantineVerb::Release { ids }) => {
            for id in ids {
                if !release(state_dir, id)? {
                    let what = format!("release {id}: no document of this id is held");
                    return Err(CliError::new(USAGE, what).hint("`wirewatch quarantine` lists them"));
                }
                if !args.json {
                    outln!("{id} is read again: a feed at its next poll, a file at the next scan once it is touched");
                }
            }
            if args.json { list(&held_documents(state_dir), context.clock.now(), true) } else { Ok(()) }
        }
    }
}

fn list(held: &[HeldDocument], now: Timestamp, json: bool) -> Result<(), CliError> {
    if Output::of(json) == Output::Json {
        let lines: Vec<_> = held.iter().map(|held| HeldLine { held, tried_from: held.tried_from() }).collect();
        return Ok(output::document(&lines)?);
    }
    if held.is_empty() {
        outln!("no document is held");
    }
    for held in held {
        let at = output::ago(Timestamp::from_millis(held.at_ms), now);
        let (name, bytes) = (clean::one_line(&held.document.name), held.document.bytes);
        outln!(
            "{}  {name}  {bytes} bytes  the process ended {}, last {at}",
            held.id,
            counted(held.ends.into(), "time")
        );
        if let Some(from) = held.tried_from() {
            outln!("  tried again at the first poll after {} that brings another document", output::minute(from));
        }
    }
    Ok(())
}
