//! `man`: the command line as manual pages, one per command, from the same definitions as the help.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::error::IO;
use super::{Cli, CliError};
use crate::text::clean;

/// Writes the manual pages into a folder, or prints the first: `wirewatch man | man -l -`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder, made if it is not there: wirewatch.1, wirewatch-run.1, …
    folder: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when a page cannot be written.
pub fn run(args: &ManArgs) -> Result<(), CliError> {
    let pages = pages()?;
    let Some(folder) = &args.folder else {
        return Ok(io::stdout().lock().write_all(&pages[0].1)?);
    };
    let fail = |path: &Path, error: &io::Error| {
        CliError::new(IO, format!("write {}: {error}", clean::one_line(&path.display().to_string())))
    };
    fs::create_dir_all(folder).map_err(|error| fail(folder, &error))?;
    for (name, page) in &pages {
        let path = folder.join(name);
        fs::write(&path, page).map_err(|error| fail(&path, &error))?;
    }
    errln!("wrote {} pages", pages.len());
    Ok(())
}

/// File names and texts, the page of the program itself first.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = Cli::command().long_version(None);
    command.build();
    let mut pages = Vec::new();
    add(&command, "wirewatch", &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let mut text = Vec::new();
    let title = name.to_uppercase();
    Man::new(command.clone()).title(title).manual("wirewatch").render(&mut text)?;
    pages.push((format!("{name}.1"), text));
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help" && !verb.is_hide_set()) {
        add(verb, &format!("{name}-{}", verb.get_name()), pages)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_one_for_each_command_and_verb_and_the_same_each_time() {
        let made = pages().expect("rendered");
        let names: Vec<&str> = made.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[0], "wirewatch.1");
        for name in ["wirewatch-run.1", "wirewatch-items-show.1", "wirewatch-man.1"] {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("help")), "{names:?}");
        assert_eq!(made, pages().expect("rendered"), "a package is the same when it is built twice");
        let first = String::from_utf8(made[0].1.clone()).expect("text");
        assert!(first.contains(".TH WIREWATCH 1") && first.contains("EX_CONFIG"), "{first}");
    }
}
