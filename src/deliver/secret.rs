//! Signing secrets: a file or a systemd credential becomes a [`Secret`]. Reads only what the operator
//! named, refuses files that others may read, and never shows key bytes: not in Debug, not in errors.
//! `sign` turns a secret into signatures.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Symmetric keys, HMAC-SHA256 (Standard Webhooks `v1`).
const HMAC_PREFIX: &str = "whsec_";
/// Private signing keys, Ed25519 (Standard Webhooks `v1a`).
const ED25519_PREFIX: &str = "whsk_";
/// Length of a symmetric key that Standard Webhooks allows.
const HMAC_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// No secret is longer; a wrong path (a log, a disk) is not read into memory.
const FILE_BYTES_MAX: u64 = 4096;
/// Where systemd puts what `LoadCredential=` names.
const CREDENTIALS_VAR: &str = "CREDENTIALS_DIRECTORY";

/// Which algorithm a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// HMAC-SHA256, shared with the receiver.
    Hmac,
    /// Ed25519; the receiver holds the public half.
    Ed25519,
}

/// Key bytes. Not shown by Debug, overwritten when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    kind: SecretKind,
    bytes: Vec<u8>,
}

/// A token or password as a service gave it: a bot's, a mail account's. Not shown by Debug, overwritten when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(String);

/// Why there is no usable secret. The text never holds any part of the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be opened or read.
    #[error("read secret file {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// Everybody on the machine could read it.
    #[error("secret file {} is readable by others (mode {mode:03o}); run: chmod o= {}", path.display(), path.display())]
    ReadableByOthers { path: PathBuf, mode: u32 },
    /// A directory, a device, or far too long.
    #[error("secret file {} is not a regular file of at most {FILE_BYTES_MAX} bytes", path.display())]
    NotAFile { path: PathBuf },
    /// A credential is named, but systemd gave none.
    #[error(
        "no systemd credential `{name}`: ${CREDENTIALS_VAR} is not set; add LoadCredential={name}:PATH to the unit"
    )]
    NoCredentials { name: String },
    /// The name would leave the credentials directory.
    #[error("`{name}` cannot be the name of a systemd credential")]
    CredentialName { name: String },
    /// Nothing, or more than one line.
    #[error("secret file {} does not hold one line", path.display())]
    NotALine { path: PathBuf },
    /// The text is not a secret.
    #[error("{origin}: {problem}")]
    Malformed { origin: String, problem: SecretProblem },
}

/// What is wrong with the text of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretProblem {
    /// Neither kind of prefix.
    #[error(
        "a secret starts with `whsec_` (or `whsk_` for Ed25519); make one with: printf whsec_; openssl rand -base64 32"
    )]
    Prefix,
    /// Spaces, further lines, or a second newline at the end.
    #[error("a secret is one line: the file holds spaces or more than one newline")]
    Whitespace,
    /// The part after the prefix cannot be decoded.
    #[error("the part after the prefix is not base64")]
    Base64,
    /// The key is too short or too long.
    #[error("the key has {bytes} bytes; Standard Webhooks wants 24 to 64")]
    Length { bytes: usize },
    /// Not a usable Ed25519 key.
    #[error(
        "an Ed25519 signing key has 32 bytes, or 64 with its public half; this one has {bytes} or its halves do not fit"
    )]
    Ed25519 { bytes: usize },
}

impl Secret {
    /// Reads `whsec_<base64>` or `whsk_<base64>`.
    ///
    /// # Errors
    /// [`SecretProblem`] when prefix, base64 or length are wrong.
    pub fn parse(text: &str) -> Result<Self, SecretProblem> {
        if text.contains(|c: char| c.is_whitespace()) {
            return Err(SecretProblem::Whitespace);
        }
        let (kind, encoded) = if let Some(encoded) = text.strip_prefix(HMAC_PREFIX) {
            (SecretKind::Hmac, encoded)
        } else if let Some(encoded) = text.strip_prefix(ED25519_PREFIX) {
            (SecretKind::Ed25519, encoded)
        } else {
            return Err(SecretProblem::Prefix);
        };
        let secret = Self { kind, bytes: STANDARD.decode(encoded).map_err(|_| SecretProblem::Base64)? };
        let bytes = secret.bytes.len();
        match kind {
            SecretKind::Hmac if !HMAC_BYTES.contains(&bytes) => Err(SecretProblem::Length { bytes }),
            SecretKind::Ed25519 if bytes != 32 && bytes != 64 => Err(SecretProblem::Ed25519 { bytes }),
            _ => Ok(secret),
        }
    }

    /// Reads a secret file that only its owner and group may read.
    ///
    /// # Errors
    /// [`SecretError`] naming the path and what to do.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        read(path, Access::Checked)
    }

    /// Reads a credential that systemd placed for this service. Its directory is already private.
    ///
    /// # Errors
    /// [`SecretError`] when there is none of this name, or it is no secret.
    pub fn from_credential(name: &str) -> Result<Self, SecretError> {
        Self::from_credential_in(&credentials_directory(name)?, name)
    }

    fn from_credential_in(directory: &Path, name: &str) -> Result<Self, SecretError> {
        read(&credential_path(directory, name)?, Access::Unchecked)
    }

    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> SecretKind {
        self.kind
    }

    /// The key itself, for `sign` only.
    pub(super) fn expose(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.bytes.fill(0);
        // Keeps the compiler from leaving out a write to memory nobody reads again.
        std::hint::black_box(&self.bytes);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({:?}, redacted)", self.kind)
    }
}

impl AccessToken {
    /// Reads a file that only its owner and group may read.
    ///
    /// # Errors
    /// [`SecretError`] naming the path and what to do.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        Self::read(path, Access::Checked)
    }

    /// Reads a credential that systemd placed for this service.
    ///
    /// # Errors
    /// [`SecretError`] when there is none of this name, or it holds no line.
    pub fn from_credential(name: &str) -> Result<Self, SecretError> {
        Self::read(&credential_path(&credentials_directory(name)?, name)?, Access::Unchecked)
    }

    fn read(path: &Path, access: Access) -> Result<Self, SecretError> {
        let mut text = read_text(path, access)?;
        text.truncate(text.trim_end_matches(['\n', '\r']).len());
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err(SecretError::NotALine { path: path.to_owned() });
        }
        Ok(Self(text))
    }

    /// How long it is.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an empty one is refused when it is read")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether somebody else gave the same; says nothing by the time it takes.
    #[must_use]
    pub fn is(&self, given: &str) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), given.as_bytes()).is_ok()
    }

    /// The token itself, for requests only.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for AccessToken {
    fn drop(&mut self) {
        overwrite(std::mem::take(&mut self.0));
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(redacted)")
    }
}

fn credentials_directory(name: &str) -> Result<PathBuf, SecretError> {
    let directory = std::env::var_os(CREDENTIALS_VAR);
    directory.map(PathBuf::from).ok_or_else(|| SecretError::NoCredentials { name: name.to_owned() })
}

fn credential_path(directory: &Path, name: &str) -> Result<PathBuf, SecretError> {
    if name.is_empty() || name == "." || name == ".." || name.contains('/') {
        return Err(SecretError::CredentialName { name: name.to_owned() });
    }
    Ok(directory.join(name))
}

fn overwrite(text: String) {
    let mut spent = text.into_bytes();
    spent.fill(0);
    // Keeps the compiler from leaving out a write to memory nobody reads again.
    std::hint::black_box(&spent);
}

/// Whether the file's mode is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Checked,
    Unchecked,
}

fn read(path: &Path, access: Access) -> Result<Secret, SecretError> {
    let text = read_text(path, access)?;
    // Exactly one newline, as editors and `echo` leave it; anything else is somebody's mistake.
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let parsed = Secret::parse(line)
        .map_err(|problem| SecretError::Malformed { origin: format!("secret file {}", path.display()), problem });
    overwrite(text);
    parsed
}

fn read_text(path: &Path, access: Access) -> Result<String, SecretError> {
    let failed = |source| SecretError::Read { path: path.to_owned(), source };
    // Looked at before it is opened: opening a FIFO would wait for a writer.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(SecretError::NotAFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Err(SecretError::NotAFile { path: path.to_owned() });
    }
    let mode = metadata.permissions().mode() & 0o777;
    if access == Access::Checked && mode & 0o007 != 0 {
        return Err(SecretError::ReadableByOthers { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    const VALID: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("mode set");
        (dir, path)
    }

    #[test]
    fn parse_accepts_what_the_standard_allows_and_names_the_rest() {
        let sized = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        let cases = [
            (VALID.to_owned(), None),
            (sized(24), None),
            (sized(64), None),
            (sized(23), Some(SecretProblem::Length { bytes: 23 })),
            (sized(65), Some(SecretProblem::Length { bytes: 65 })),
            (String::new(), Some(SecretProblem::Prefix)),
            ("hunter2".to_owned(), Some(SecretProblem::Prefix)),
            ("whsec_not base64".to_owned(), Some(SecretProblem::Whitespace)),
            ("whsec_***".to_owned(), Some(SecretProblem::Base64)),
            (format!("whsk_{}", STANDARD.encode([1; 32])), None),
            (format!("whsk_{}", STANDARD.encode([1; 31])), Some(SecretProblem::Ed25519 { bytes: 31 })),
        ];
        for (text, problem) in cases {
            assert_eq!(Secret::parse(&text).err(), problem, "{text}");
        }
    }

    #[test]
    fn file_one_trailing_newline_is_stripped_and_nothing_else() {
        for (text, fine) in [
            (VALID.to_owned(), true),
            (format!("{VALID}\n"), true),
            (format!("{VALID}\n\n"), false),
            (format!(" {VALID}"), false),
        ] {
            let (_dir, path) = file(&text, 0o600);
            assert_eq!(Secret::from_file(&path).is_ok(), fine, "{text:?}");
        }
    }

    #[test]
    fn file_readable_by_others_is_refused_with_what_to_do() {
        let (_dir, path) = file(VALID, 0o644);
        let error = Secret::from_file(&path).expect_err("refused").to_string();
        assert!(error.contains("mode 644") && error.contains("chmod o="), "{error}");
        let (_dir, path) = file(VALID, 0o640);
        assert!(Secret::from_file(&path).is_ok(), "the group is the operator's choice");
    }

    #[test]
    fn file_missing_directory_or_huge_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(matches!(Secret::from_file(&dir.path().join("none")), Err(SecretError::Read { .. })));
        assert!(matches!(Secret::from_file(dir.path()), Err(SecretError::NotAFile { .. })));
        let (_dir, path) = file(&"x".repeat(5000), 0o600);
        assert!(matches!(Secret::from_file(&path), Err(SecretError::NotAFile { .. })));
    }

    #[test]
    fn credential_stays_inside_its_directory() {
        let (dir, _path) = file(&format!("{VALID}\n"), 0o444);
        assert!(Secret::from_credential_in(dir.path(), "secret").is_ok());
        for name in ["", "..", "../secret", "a/b"] {
            assert!(
                matches!(Secret::from_credential_in(dir.path(), name), Err(SecretError::CredentialName { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn token_is_one_line_and_never_shown() {
        let (_dir, path) = file("123:canary\n", 0o600);
        let token = AccessToken::from_file(&path).expect("a token");
        assert_eq!((token.expose(), format!("{token:?}").as_str()), ("123:canary", "AccessToken(redacted)"));
        for (text, mode) in [("", 0o600), ("\n", 0o600), ("a\nb", 0o600), ("123:canary", 0o644)] {
            let (_dir, path) = file(text, mode);
            let error = AccessToken::from_file(&path).expect_err("refused").to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn debug_and_errors_never_show_the_key() {
        let secret = Secret::parse(VALID).expect("valid");
        assert_eq!(format!("{secret:?}"), "Secret(Hmac, redacted)");
        let (_dir, path) = file("whsec_canary!canary", 0o600);
        let error = Secret::from_file(&path).expect_err("not base64");
        assert!(!format!("{error} {error:?}").contains("canary!"), "{error:?}");
    }
}
