//! Errors at the edge: one sentence that starts with "failed to", a hint where the user can act, and an
//! exit code (sysexits.h) that scripts and systemd can tell apart. Who asked for JSON gets the same as a last line of
//! standard output as well.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::action::ActionRefusal;
use crate::store::StoreError;
use crate::text::clean;

/// Wrong arguments.
pub const USAGE: u8 = 64;
/// Bad input data.
pub const DATA: u8 = 65;
/// Something needed is not there or busy; later may do.
pub const UNAVAILABLE: u8 = 69;
/// Reading or writing failed.
pub const IO: u8 = 74;
/// The config is wrong.
pub const CONFIG: u8 = 78;

/// A failed command.
#[derive(Debug)]
pub struct CliError {
    code: u8,
    message: String,
    hint: Option<String>,
    /// The message was printed already, in its own form.
    silent: bool,
}

impl CliError {
    /// An error with its exit code; the message is a fragment fit for "failed to …".
    #[must_use]
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, silent: false }
    }

    /// Wrong arguments.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    /// Bad input data.
    #[must_use]
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(DATA, message)
    }

    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.code
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An exit code for something that was already reported.
    #[must_use]
    pub fn reported(code: u8) -> Self {
        Self { code, message: String::new(), hint: None, silent: true }
    }

    /// Prints the error, for programs too where JSON was asked for, and gives its exit code.
    #[must_use]
    pub fn report(&self, for_programs: bool) -> ExitCode {
        if !self.silent {
            if for_programs {
                let hint = self.hint.as_deref().map(clean::one_line);
                print_json(&format!("failed to {}", clean::one_line(&self.message)), hint.as_deref(), self.code);
            }
            errln!("wirewatch: {self}");
        }
        ExitCode::from(self.code)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to {}", clean::one_line(&self.message))?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {}", clean::one_line(hint)),
            None => Ok(()),
        }
    }
}

impl From<ActionRefusal> for CliError {
    fn from(refusal: ActionRefusal) -> Self {
        let hint = refusal.hint().map(str::to_owned);
        let error = match refusal {
            ActionRefusal::Unknown { what, .. } | ActionRefusal::Conflict { what, .. } => Self::data(what),
            ActionRefusal::Invalid { what, .. } => Self::usage(what),
            ActionRefusal::Store(error) => return error.into(),
        };
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Missing { .. }
            | StoreError::Older { .. }
            | StoreError::Held { .. }
            | StoreError::Busy { .. }
            | StoreError::Shortage { .. }
            | StoreError::Restoring { .. }
            | StoreError::Unreachable { .. }
            | StoreError::Decided { .. }
            | StoreError::SteppedDown { .. }
            | StoreError::Refused { .. }
            | StoreError::Elsewhere { .. } => UNAVAILABLE,
            StoreError::Corrupt { .. } | StoreError::Newer { .. } | StoreError::Half { .. } => DATA,
            _ => IO,
        };
        let hint = match &error {
            StoreError::Missing { .. } => Some("start `wirewatch run` once, or name the right config with --config"),
            StoreError::Older { .. } => {
                Some("start `wirewatch run` once: it keeps a copy and brings the store up to date")
            }
            StoreError::Held { .. } => {
                Some("one instance per state directory; `wirewatch status` shows the one that runs")
            }
            StoreError::Busy { .. } => Some("close other programs that have the database open"),
            StoreError::Shortage { .. } => Some("raise the limits of the service: `LimitNOFILE`, `MemoryMax`"),
            StoreError::Half { .. } => Some(
                "put the database back beside its log, or take a backup: `wirewatch restore FILE`; to begin anew, which tells \
                 everything again, move the log away",
            ),
            StoreError::Restoring { .. } => Some(
                "`wirewatch run` finishes it at its start; so does `wirewatch restore FILE`, which then takes FILE",
            ),
            StoreError::Directory { source, .. } | StoreError::File { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some("use the account the service runs under, or root; what lies there must belong to it")
            }
            StoreError::Directory { source, .. }
                if matches!(source.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory) =>
            {
                Some("a file has that name: set another `state_dir` in [daemon], or move the file away")
            }
            _ => None,
        };
        Self { hint: hint.map(str::to_owned), ..Self::new(code, error.to_string()) }
    }
}

impl From<io::Error> for CliError {
    /// A reader that went away (`| head`) is no failure worth a message.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::reported(0);
        }
        Self::new(IO, format!("write the output: {error}"))
    }
}

/// One line, so that it can follow what was printed before.
fn print_json(error: &str, hint: Option<&str>, exit: u8) {
    let mut line = serde_json::json!({"error": error, "exit": exit});
    if let Some(hint) = hint {
        line["hint"] = hint.into();
    }
    outln!("{line}");
}

/// Clap's own messages, with our exit code for wrong usage.
#[must_use]
pub fn usage_exit(error: &clap::Error, for_programs: bool) -> ExitCode {
    if for_programs && error.use_stderr() {
        let words = error.render().to_string();
        // What is wrong stands before how it is used.
        let wrong = words.split("\n\nUsage:").next().unwrap_or(&words);
        let wrong = clean::one_line(wrong.trim_start_matches("error: "));
        print_json(&format!("failed to read the arguments: {}", wrong.trim_end()), None, USAGE);
    }
    // Nothing can be done when not even this can be printed.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}
