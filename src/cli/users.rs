//! `users`: who may log in to the page. Passwords are asked for, never given as arguments, and kept as hashes only.

use std::fs::OpenOptions;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::error::IO;
use super::output::{self, Output, Table};
use super::{CliError, Context};
use crate::config::{
    PASSWORD_BYTES_MAX, PASSWORD_CHARACTERS_MIN, PasswordHash, UserEntry, UserRole, is_user_name, read_users,
};
use crate::files;

/// Adds, lists or removes people who may log in to the page.
#[derive(Debug, Args)]
pub struct UsersArgs {
    #[command(subcommand)]
    verb: Option<UsersVerb>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum UsersVerb {
    /// Lists them.
    List,
    /// Adds one, or gives one another password or role; a running daemon heeds it at once.
    Add {
        /// The name: it stands in silences and corrections.
        name: String,
        /// What they may do.
        #[arg(long, value_enum, default_value_t = RoleArg::Write)]
        role: RoleArg,
    },
    /// Removes one; who is logged in is out at once.
    Remove {
        /// The name.
        name: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleArg {
    /// Look.
    Read,
    /// Look and change.
    Write,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when the config names no file for them, or it cannot be read or written.
pub fn run(args: &UsersArgs, context: &Context) -> Result<(), CliError> {
    let config = context.load()?.config;
    let path = config.http.users_file.ok_or_else(|| {
        CliError::data("find the users' file: the config names none")
            .hint("say users_file = \"secrets/users\" in [http], then do this again")
    })?;
    match &args.verb {
        None | Some(UsersVerb::List) => list(&path, Output::of(args.json)),
        Some(UsersVerb::Add { name, role }) => add(&path, name, *role),
        Some(UsersVerb::Remove { name }) => remove(&path, name),
    }
}

/// The file's text, empty where there is none yet.
fn text(path: &Path) -> Result<String, CliError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(CliError::new(IO, format!("read {}: {error}", path.display()))),
    }
}

fn entries(path: &Path, text: &str) -> Result<Vec<UserEntry>, CliError> {
    read_users(text).map_err(|fault| CliError::data(format!("read {}: {fault}", path.display())))
}

fn list(path: &Path, out: Output) -> Result<(), CliError> {
    let users = entries(path, &text(path)?)?;
    if out == Output::Json {
        let line = |user: &UserEntry| serde_json::json!({"name": user.name, "role": user.role.as_str()});
        return Ok(output::lines(&users.iter().map(line).collect::<Vec<_>>())?);
    }
    let mut table = Table::new(&["NAME", "ROLE"]);
    for user in users {
        table.row([user.name, user.role.as_str().to_owned()]);
    }
    Ok(table.print("nobody: `wirewatch users add NAME`")?)
}

fn add(path: &Path, name: &str, role: RoleArg) -> Result<(), CliError> {
    if !is_user_name(name) {
        return Err(CliError::usage(format!("add {name}: a name is one to 64 letters, digits and . _ - @")));
    }
    let before = text(path)?;
    let known = entries(path, &before)?.iter().any(|user| user.name == name);
    let password = new_password(name)?;
    let role = match role {
        RoleArg::Read => UserRole::Read,
        RoleArg::Write => UserRole::Write,
    };
    let hash = PasswordHash::new(&password)
        .map_err(|_| CliError::new(IO, "hash the password: the system gives no random bytes"))?;
    let entry = UserEntry { name: name.to_owned(), role, password: hash };
    write(path, &changed(&before, name, Some(&entry)))?;
    if known {
        outln!("{name} has a new password and may {}", may(role));
    } else {
        outln!("{name} may log in, and {}", may(role));
    }
    Ok(())
}

fn may(role: UserRole) -> &'static str {
    match role {
        UserRole::Read => "look",
        UserRole::Write => "look and change",
    }
}

fn remove(path: &Path, name: &str) -> Result<(), CliError> {
    let before = text(path)?;
    if !entries(path, &before)?.iter().any(|user| user.name == name) {
        return Err(CliError::data(format!("remove {name}: nobody of this name may log in")));
    }
    write(path, &changed(&before, name, None))?;
    outln!("{name} may not log in any more");
    Ok(())
}

/// The file's text with the line of one person replaced, added or taken out; all else stays, comments too.
fn changed(before: &str, name: &str, entry: Option<&UserEntry>) -> String {
    let is_of = |line: &str| line.trim().split_once(':').is_some_and(|(known, _)| known == name);
    let mut lines: Vec<String> = Vec::new();
    let mut new = entry.map(ToString::to_string);
    for line in before.lines() {
        if is_of(line) {
            lines.extend(new.take());
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.extend(new);
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let failed = |error: io::Error| CliError::new(IO, format!("write {}: {error}", path.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder).map_err(failed)?;
    }
    // The mode is set as the file is made: there is no moment in which others could open it.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let target: PathBuf = path.canonicalize().map_err(failed)?;
    files::replace(&target, text.as_bytes()).map_err(failed)
}

/// Asked for twice on a terminal and not shown, else the first line of standard input.
fn new_password(name: &str) -> Result<String, CliError> {
    let password = if io::stdin().is_terminal() {
        let first = hidden(&format!("Password of {name}: "))?;
        if hidden("Once more: ")? != first {
            return Err(CliError::data("take the password: the two differ"));
        }
        first
    } else {
        line()?
    };
    if password.chars().count() < PASSWORD_CHARACTERS_MIN || password.len() > PASSWORD_BYTES_MAX {
        return Err(CliError::data(format!(
            "take the password: it needs {PASSWORD_CHARACTERS_MIN} characters or more"
        )));
    }
    Ok(password)
}

fn line() -> Result<String, CliError> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

fn hidden(prompt: &str) -> Result<String, CliError> {
    let stdin = io::stdin();
    let shown = tcgetattr(&stdin).map_err(io::Error::from)?;
    let mut quiet = shown.clone();
    quiet.local_modes.remove(LocalModes::ECHO);
    quiet.local_modes.insert(LocalModes::ECHONL);
    err!("{prompt}");
    io::stderr().flush()?;
    tcsetattr(&stdin, OptionalActions::Flush, &quiet).map_err(io::Error::from)?;
    let read = line();
    tcsetattr(&stdin, OptionalActions::Flush, &shown).map_err(io::Error::from)?;
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_file_keeps_what_is_not_of_the_one_that_changes() {
        let entry = UserEntry { name: "ada".to_owned(), role: UserRole::Read, password: PasswordHash::of_nobody() };
        let before = "# the desk\nada:write:x\n\nbob:read:y\n";
        let after = changed(before, "ada", Some(&entry));
        assert_eq!(after, format!("# the desk\n{entry}\n\nbob:read:y\n"));
        assert_eq!(changed(&after, "bob", None), format!("# the desk\n{entry}\n\n"));
        assert_eq!(changed("", "ada", Some(&entry)), format!("{entry}\n"));
        assert_eq!(changed("adam:read:z", "ada", Some(&entry)), format!("adam:read:z\n{entry}\n"));
    }
}
