//! People who may log in to the page: one line each in a file of its own, `name:role:hash`. A password is kept as
//! PBKDF2-HMAC-SHA256 only; made and checked here, for the command line and the listener alike.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Rounds of a new hash.
pub const HASH_ROUNDS: u32 = 600_000;
/// Rounds of a hash that is accepted: neither a joke nor a way to keep a core busy for minutes.
const ROUNDS_MIN: u32 = 100_000;
const ROUNDS_MAX: u32 = 10_000_000;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// Bytes of a password: longer ones are a mistake, or an attack.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Characters of a password that `users add` accepts.
pub const PASSWORD_CHARACTERS_MIN: usize = 8;
/// People in a file.
const USERS_MAX: usize = 1000;
/// Bytes of such a file.
pub const USERS_BYTES_MAX: u64 = 256 << 10;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserRole {
    /// Look.
    Read,
    /// Look, silence, send again, correct, label.
    Write,
}

impl UserRole {
    /// By its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "read" => Some(Self::Read),
            "write" => Some(Self::Write),
            _ => None,
        }
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The hash of a password with what it was made with.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

// A hash is no secret like a password, but it has no place in logs either.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl PasswordHash {
    /// Of a new password, with a salt of its own.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new(password: &str) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut salt = vec![0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt)?;
        let rounds = NonZeroU32::new(HASH_ROUNDS).expect("invariant: not nought");
        let mut hash = vec![0; HASH_BYTES];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut hash);
        Ok(Self { rounds, salt, hash })
    }

    /// One that no password fits, as costly to try as any: who asks for a name that is not there learns nothing from how
    /// long the answer takes.
    #[must_use]
    pub fn of_nobody() -> Self {
        let rounds = NonZeroU32::new(HASH_ROUNDS).expect("invariant: not nought");
        Self { rounds, salt: vec![0; SALT_BYTES], hash: vec![0; HASH_BYTES] }
    }

    /// Whether that is the password. Takes a good part of a second.
    #[must_use]
    pub fn fits(&self, password: &str) -> bool {
        password.len() <= PASSWORD_BYTES_MAX
            && pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, self.rounds, &self.salt, password.as_bytes(), &self.hash)
                .is_ok()
    }

    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("pbkdf2-sha256$")?;
        let [rounds, salt, hash] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
        let rounds: u32 = rounds.parse().ok().filter(|rounds| (ROUNDS_MIN..=ROUNDS_MAX).contains(rounds))?;
        let salt = STANDARD.decode(salt).ok().filter(|salt| (8..=64).contains(&salt.len()))?;
        let hash = STANDARD.decode(hash).ok().filter(|hash| hash.len() == HASH_BYTES)?;
        Some(Self { rounds: NonZeroU32::new(rounds)?, salt, hash })
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pbkdf2-sha256${}${}${}", self.rounds, STANDARD.encode(&self.salt), STANDARD.encode(&self.hash))
    }
}

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEntry {
    /// Their name, as it stands in silences and corrections.
    pub name: String,
    /// What they may do.
    pub role: UserRole,
    /// Their password's.
    pub password: PasswordHash,
}

impl fmt::Display for UserEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.name, self.role.as_str(), self.password)
    }
}

/// A line that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct UsersFault {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it; never what is in it.
    pub why: &'static str,
}

/// Whether that can be somebody's name: it is written into files, headers and alerts.
#[must_use]
pub fn is_user_name(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@');
    !name.is_empty() && name.chars().count() <= 64 && name.chars().all(fits)
}

/// Reads such a file; lines that are empty or begin with `#` are passed over.
///
/// # Errors
/// [`UsersFault`] at the first line that cannot be read.
pub fn read_users(text: &str) -> Result<Vec<UserEntry>, UsersFault> {
    let mut users: Vec<UserEntry> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let fault = |why| UsersFault { line: at + 1, why };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let [name, role, hash] = line
            .split(':')
            .collect::<Vec<_>>()
            .try_into()
            .map_err(|_| fault("it is not `name:role:hash`, as `wirewatch users add` writes it"))?;
        if !is_user_name(name) {
            return Err(fault("the name is not one to 64 letters, digits and . _ - @"));
        }
        let role = UserRole::from_name(role).ok_or_else(|| fault("the role is neither `read` nor `write`"))?;
        let password =
            PasswordHash::parse(hash).ok_or_else(|| fault("the hash is not one that `wirewatch users add` writes"))?;
        if users.iter().any(|known| known.name == name) {
            return Err(fault("the name stands there twice"));
        }
        if users.len() == USERS_MAX {
            return Err(fault("there are more than a thousand"));
        }
        users.push(UserEntry { name: name.to_owned(), role, password });
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_password_fits_its_hash_and_no_other() {
        let hash = PasswordHash::new("correct horse").expect("random");
        assert_ne!(hash, PasswordHash::new("correct horse").expect("random"), "a salt of its own");
        let entry = UserEntry { name: "ada".to_owned(), role: UserRole::Write, password: hash };
        let read = read_users(&format!("# people\n\n{entry}\n")).expect("read");
        assert_eq!(read, [entry]);
        assert!(read[0].password.fits("correct horse"));
        assert!(!read[0].password.fits("correct horse ") && !read[0].password.fits(""));
        assert!(!PasswordHash::of_nobody().fits(""));
        assert!(!format!("{read:?}").contains('$'), "a hash is not printed");
    }

    #[test]
    fn users_line_that_is_none_is_refused_by_its_number_and_not_shown() {
        let hash = "pbkdf2-sha256$600000$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert!(read_users(&format!("ada:write:{hash}")).is_ok());
        for (line, word) in [
            ("ada:write".to_owned(), "name:role:hash"),
            (format!("ada:admin:{hash}"), "role"),
            (format!("a da:read:{hash}"), "name"),
            (format!(":read:{hash}"), "name"),
            ("ada:read:CANARY".to_owned(), "hash"),
            (format!("ada:read:{}", hash.replace("600000", "1000")), "hash"),
            (format!("ada:read:{hash}\nada:write:{hash}"), "twice"),
        ] {
            let fault = read_users(&format!("\n{line}")).expect_err(&line).to_string();
            assert!(fault.contains(word) && fault.starts_with("line ") && !fault.contains("CANARY"), "{line}: {fault}");
        }
    }
}
