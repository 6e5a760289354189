//! `completions`: the command line as a script that a shell completes from. Packages install them for every
//! user; by hand see the help.

use std::io::{self, Write};

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::{Generator, Shell};

use super::{Cli, CliError};

/// Prints completions for a shell.
///
/// For one user: bash: ~/.local/share/bash-completion/completions/wirewatch;
/// zsh: _wirewatch in a folder of $fpath; fish: ~/.config/fish/completions/wirewatch.fish.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell.
    shell: ShellName,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ShellName {
    Bash,
    Elvish,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
    Zsh,
}

impl From<ShellName> for Shell {
    fn from(name: ShellName) -> Self {
        match name {
            ShellName::Bash => Self::Bash,
            ShellName::Elvish => Self::Elvish,
            ShellName::Fish => Self::Fish,
            ShellName::PowerShell => Self::PowerShell,
            ShellName::Zsh => Self::Zsh,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when standard output is closed or full.
pub fn run(args: &CompletionsArgs) -> Result<(), CliError> {
    Ok(io::stdout().lock().write_all(&script(args.shell.into())?)?)
}

fn script(shell: Shell) -> io::Result<Vec<u8>> {
    let mut command = Cli::command();
    command.set_bin_name("wirewatch");
    command.build();
    let mut out = Vec::new();
    shell.try_generate(&command, &mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_of_every_shell_know_every_command() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell).expect("generated")).expect("text");
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
