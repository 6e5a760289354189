//! The help of the program by what people do, a line per command: a list of thirty in one piece is read by nobody.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

use super::Cli;

/// Commands by what they are for, in the order they are needed.
const GROUPS: [(&str, &[(&str, &str)]); 6] = [
    (
        "Start",
        &[
            ("init", "a config with topics, feeds and a fresh secret, in a folder"),
            ("run", "the daemon; --once: one round of everything"),
            ("receive", "a receiver that verifies what is sent and prints it"),
        ],
    ),
    (
        "Read",
        &[
            ("alerts", "what was raised, and who was told"),
            ("stories", "what was told together; split or merge them, and undo it"),
            ("items", "what was taken; labels for items"),
            ("search", "items by their text"),
            ("explain", "why an item or a file alerts or does not"),
            ("top", "what goes on, live"),
            ("mcp", "the same for an assistant, over standard input and output"),
        ],
    ),
    (
        "Sources",
        &[
            ("feeds", "how each stands; add, remove, check, poll, import, export"),
            ("ingest", "files, or standard input, through everything"),
            ("push", "files, or standard input, to a running daemon"),
            ("parse", "a feed or file as it is read, without any effect"),
        ],
    ),
    (
        "Telling",
        &[
            ("endpoints", "who hears of alerts; try one, switch it off and on"),
            ("deliveries", "what is owed and what came of it; replay, cancel"),
            ("silences", "what is not told for a while"),
            ("users", "who may log in to the page"),
        ],
    ),
    (
        "Rules",
        &[
            ("topics", "how each does; its rules"),
            ("check", "everything that is wrong with the config, at its place"),
            ("reload", "has the daemon take a changed config, whole or not at all"),
            ("backtest", "what rules gain and lose over what is stored"),
            ("tune", "what labels say of the rules, and better ones"),
            ("eval", "quality on labelled data"),
        ],
    ),
    (
        "Care",
        &[
            ("status", "how things stand, on one screen"),
            ("doctor", "looks for trouble and says what to do"),
            ("backup", "copies the store beside a running daemon"),
            ("restore", "puts a backup in its place"),
            ("store", "copies it to another database"),
            ("prune", "removes now what [retention] has removed later"),
            ("quarantine", "documents that ended the process; let one be read again"),
            ("completions", "for the shell"),
            ("man", "the manual pages"),
        ],
    ),
];

/// The definitions of the command line with this help.
pub(super) fn command() -> Command {
    let mut template = String::from("{about-with-newline}\n{usage-heading} {usage}\n");
    for (group, commands) in GROUPS {
        // Writing to a string cannot fail.
        let _ = write!(template, "\n{group}:\n");
        for (name, what) in commands {
            let _ = writeln!(template, "  {name:<12} {what}");
        }
    }
    template.push_str("\nOptions:\n{options}{after-help}");
    Cli::command().help_template(template)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group_and_fits_its_line() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, commands)| *commands).map(|(name, _)| *name).collect();
        grouped.sort_unstable();
        let all = Cli::command();
        let mut known: Vec<&str> = all.get_subcommands().map(Command::get_name).collect();
        known.sort_unstable();
        assert_eq!(grouped, known);
        let help = command().term_width(80).render_help().to_string();
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        assert!(help.contains("\nRead:\n  alerts       what was raised"), "{help}");
    }
}
