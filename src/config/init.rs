//! `wirewatch init`: the shipped config, with its comments, into a folder, and a fresh secret that only
//! its owner can read. Never overwrites anything.

use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::embedded;

/// Bytes of a generated secret; Standard Webhooks asks for 24 to 64.
const SECRET_BYTES: usize = 32;
/// The secret's file, as the commented endpoint in the main file names it.
const SECRET_NAME: &str = "secrets/desk";

/// The token of the listener, as the commented key in the main file names it.
const TOKEN_NAME: &str = "secrets/http";

/// The names that topics share: useful to any topic, and never a topic itself.
const NAMES_NAME: &str = "topics/names.toml";

/// Why nothing, or not everything, was written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is something already: it stays as it is, and nothing else was written.
    #[error("{} is there already: nothing was written", .0.display())]
    Exists(PathBuf),
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gave no random bytes.
    #[error("cannot make a secret: the system gives no random bytes")]
    Random,
}

/// What was written, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialised {
    /// The files, in the order they were written.
    pub files: Vec<PathBuf>,
    /// Lines for people.
    pub next_steps: Vec<String>,
}

/// Writes a config to start from into `folder`; an empty one has the shared names but no topics.
///
/// # Errors
/// [`InitError`]; with [`InitError::Exists`] nothing has been touched.
pub fn init(folder: &Path, empty: bool) -> Result<Initialised, InitError> {
    let installed = folder.starts_with("/etc");
    let mut contents = vec![(embedded::MAIN_NAME, starter(installed))];
    let kept = |path: &str| !empty || !path.starts_with("topics/") || path == NAMES_NAME;
    let included = embedded::INCLUDED.iter().filter(|(path, _)| kept(path));
    contents.extend(included.map(|(path, text)| (*path, (*text).to_owned())));
    contents.push((SECRET_NAME, format!("{}\n", generated_secret()?)));
    contents.push((TOKEN_NAME, format!("{}\n", generated_token()?)));
    for (name, _) in &contents {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() {
            return Err(InitError::Exists(path));
        }
    }
    let mut files = Vec::new();
    for (name, content) in &contents {
        let path = folder.join(name);
        let secret = [SECRET_NAME, TOKEN_NAME].contains(name);
        write_new(&path, content, secret).map_err(|source| InitError::Write { path: path.clone(), source })?;
        files.push(path);
    }
    if !installed {
        let seeds = folder.join("seeds");
        std::fs::create_dir_all(&seeds).map_err(|source| InitError::Write { path: seeds, source })?;
    }
    let mut next_steps = next_steps(folder, installed);
    if empty {
        next_steps.insert(0, format!("wirewatch init --topic \"harbour closures\" {}", folder.display()));
    }
    Ok(Initialised { files, next_steps })
}

/// The main file, its folders moved to where they belong.
fn starter(installed: bool) -> String {
    let [state, seeds] =
        if installed { ["/var/lib/wirewatch", "/var/lib/wirewatch/seeds"] } else { ["state", "seeds"] };
    embedded::MAIN
        .replace("state_dir = \"../state\"", &format!("state_dir = \"{state}\""))
        .replace("dir = \"../seeds\"", &format!("dir = \"{seeds}\""))
        .replace("\"../seeds/", &format!("\"{seeds}/"))
}

fn generated_secret() -> Result<String, InitError> {
    let mut bytes = [0; SECRET_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| InitError::Random)?;
    Ok(format!("whsec_{}", STANDARD.encode(bytes)))
}

fn generated_token() -> Result<String, InitError> {
    let mut bytes = [0; SECRET_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| InitError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

pub(super) fn write_new(path: &Path, content: &str, secret: bool) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(if secret { 0o700 } else { 0o755 }).create(parent)?;
    }
    // The mode is set as the file is made: there is no moment in which others could open it.
    let mode = if secret { 0o600 } else { 0o644 };
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

fn next_steps(folder: &Path, installed: bool) -> Vec<String> {
    let main = folder.join(embedded::MAIN_NAME);
    let (main, folder) = (main.display(), folder.display());
    let mut steps = vec![
        format!("look through {main}, {folder}/feeds.toml and {folder}/topics"),
        format!("wirewatch check --config {main}"),
    ];
    if installed {
        steps.push("systemctl enable --now wirewatch".to_owned());
        steps.push(format!(
            "to call a webhook: put LoadCredential=desk:{folder}/{SECRET_NAME} into `systemctl edit wirewatch`,"
        ));
        steps.push(format!("uncomment the endpoint in {main}, and say secret_credential = \"desk\""));
    } else {
        steps.push(format!("wirewatch run --config {main}"));
        steps.push(format!(
            "to call a webhook: uncomment the endpoint in {main}; its secret is in {folder}/{SECRET_NAME}"
        ));
    }
    let token = format!(
        "to silence and correct on the page: uncomment token_file in {main}; log in with {folder}/{TOKEN_NAME}"
    );
    steps.push(token);
    steps
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::{Config, ConfigPlace, Environment};
    use super::*;

    #[test]
    fn init_writes_a_config_that_is_valid_and_a_private_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("watch");
        std::fs::create_dir_all(target.join("topics")).expect("made");
        std::fs::write(target.join("topics/own.toml"), "# mine, and not in the way").expect("written");
        let done = init(&target, false).expect("written");
        let loaded = Config::load(&ConfigPlace::File(done.files[0].clone()), &Environment::default())
            .unwrap_or_else(|report| panic!("{report}"));
        let real = target.canonicalize().expect("there");
        assert_eq!(loaded.config.daemon.state_dir, real.join("state"));
        assert_eq!(loaded.config.seeds.dir, Some(real.join("seeds")));
        let secret = target.join(SECRET_NAME);
        let text = std::fs::read_to_string(&secret).expect("there");
        assert!(text.starts_with("whsec_") && text.len() == 6 + 44 + 1, "{}", text.len());
        assert_eq!(secret.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        assert!(!done.next_steps.concat().contains(text.trim()));
        let token = target.join(TOKEN_NAME);
        assert_eq!(std::fs::read_to_string(&token).expect("there").len(), 43 + 1);
        assert_eq!(token.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn init_over_anything_there_writes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("feeds.toml"), "# mine").expect("written");
        assert!(matches!(init(folder.path(), false), Err(InitError::Exists(path)) if path.ends_with("feeds.toml")));
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[test]
    fn starter_for_a_service_uses_the_state_directory_of_the_unit() {
        let text = starter(true);
        assert!(
            text.contains("state_dir = \"/var/lib/wirewatch\"") && text.contains("dir = \"/var/lib/wirewatch/seeds\"")
        );
        assert!(!text.contains("\"../"), "every relative path of the shipped file is moved");
        assert_ne!(generated_secret().ok(), generated_secret().ok());
    }
}
