//! `mcp`: what was taken and decided, for an assistant, over standard input and output (the Model Context Protocol). It
//! reads the store beside a running daemon and changes nothing, unless it was started with the one tool that silences a
//! story: an article that gives orders has nobody to give them to.

mod arguments;
mod protocol;
mod shown;
mod tools;

#[cfg(test)]
mod tests;

use std::io::{self, BufRead as _, Read as _, Write as _};

use clap::Args;

use super::{CliError, Context};
use crate::store::Access;
use protocol::Server;
use tools::ToolBox;

/// Longest message that is read.
const MESSAGE_BYTES_MAX: u64 = 1 << 20;

/// Serves an assistant over standard input and output (Model Context Protocol); it can read, and nothing else.
#[derive(Debug, Args)]
pub struct McpArgs {
    /// One more tool, which silences a story for some hours: whatever an article talks the assistant into, this is all
    /// that it can do.
    #[arg(long)]
    allow_write: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when the config or its rules cannot be used, there is no store, or an end of the pipe breaks.
pub fn run(args: &McpArgs, context: &Context) -> Result<(), CliError> {
    let mut loaded = context.load()?;
    let rules = super::compiled(&mut loaded, &context.place_name())?;
    let access = if args.allow_write { Access::Share } else { Access::Read };
    let store = context.open_store(access)?;
    let server = Server::new(ToolBox {
        store,
        config: loaded.config,
        rules,
        clock: context.clock.clone(),
        may_write: args.allow_write,
    });
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    loop {
        let mut line = Vec::new();
        if input.by_ref().take(MESSAGE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        if let Some(answer) = server.answer(&line) {
            writeln!(output, "{answer}")?;
            output.flush()?;
        }
    }
}
