//! Printing that outlives its reader: `wirewatch status | head` must neither panic nor fail, and what a command does
//! besides printing is still done. A full disk is another matter: the command ends there and says so.

use std::fmt;
use std::io::{self, Write};

/// Prints to standard output.
macro_rules! out {
    ($($words:tt)*) => { $crate::cli::printing::to_stdout(format_args!($($words)*)) };
}

/// Prints a line to standard output.
macro_rules! outln {
    () => { $crate::cli::printing::to_stdout(format_args!("\n")) };
    ($($words:tt)*) => { $crate::cli::printing::to_stdout(format_args!("{}\n", format_args!($($words)*))) };
}

/// Prints to standard error.
macro_rules! err {
    ($($words:tt)*) => { $crate::cli::printing::to_stderr(format_args!($($words)*)) };
}

/// Prints a line to standard error.
macro_rules! errln {
    ($($words:tt)*) => { $crate::cli::printing::to_stderr(format_args!("{}\n", format_args!($($words)*))) };
}

/// What `out!` does.
pub(super) fn to_stdout(words: fmt::Arguments<'_>) {
    if let Err(error) = io::stdout().lock().write_fmt(words)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        to_stderr(format_args!("wirewatch: failed to write the output: {error}\n"));
        std::process::exit(i32::from(super::error::IO));
    }
}

/// What `err!` does. Where even that cannot be printed, nobody is there to be told.
pub(super) fn to_stderr(words: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(words);
}
