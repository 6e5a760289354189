//! Who is logged in: random cookies, kept in memory as hashes only, so that a restart asks again and a dump of the
//! process opens nothing. A session ends when it is not used, is logged out, or its password changed.

use std::collections::HashMap;

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::{Mutex, MutexGuard};

use crate::config::PasswordHash;
use crate::model::Timestamp;

/// An unused session ends after so long.
const SESSION_IDLE_MAX: Duration = Duration::from_hours(12);
/// Sessions at once; of more, the one that was not used for longest ends.
const SESSIONS_MAX: usize = 100;
const COOKIE_BYTES: usize = 16;
/// Over https, where a browser holds it to this host and to https.
const COOKIE_SECURE: &str = "__Host-ww";
const COOKIE_PLAIN: &str = "ww";

/// What a session was opened with, and lasts as long as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) enum SessionProof {
    /// A password of the users' file.
    Password(PasswordHash),
    /// The token of `token_file`, as its hash.
    Token([u8; 32]),
}

/// Somebody who logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) struct LoginSession {
    pub name: String,
    pub proof: SessionProof,
}

/// All of them.
#[derive(Default)]
pub(in crate::http) struct SessionTable(Mutex<HashMap<[u8; 32], (LoginSession, Timestamp)>>);

/// SHA-256.
pub(in crate::http) fn hashed(secret: &[u8]) -> [u8; 32] {
    digest(&SHA256, secret).as_ref().try_into().expect("invariant: 32 bytes")
}

impl SessionTable {
    fn table(&self) -> MutexGuard<'_, HashMap<[u8; 32], (LoginSession, Timestamp)>> {
        self.0.lock()
    }

    /// Opens one under a name that nobody had before; `None` where the system has no randomness.
    pub fn open(&self, session: LoginSession, now: Timestamp) -> Option<String> {
        let mut bytes = [0; COOKIE_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        let cookie = URL_SAFE_NO_PAD.encode(bytes);
        let mut table = self.table();
        table.retain(|_, (_, used_at)| now.since(*used_at) <= SESSION_IDLE_MAX);
        while table.len() >= SESSIONS_MAX {
            let oldest = table.iter().min_by_key(|(_, (_, used_at))| *used_at).map(|(key, _)| *key);
            let Some(oldest) = oldest else { break };
            table.remove(&oldest);
        }
        table.insert(hashed(cookie.as_bytes()), (session, now));
        Some(cookie)
    }

    /// Whose it is, and that it was used now.
    pub fn find(&self, cookie: &str, now: Timestamp) -> Option<LoginSession> {
        let key = hashed(cookie.as_bytes());
        let mut table = self.table();
        let (session, used_at) = table.get_mut(&key)?;
        if now.since(*used_at) > SESSION_IDLE_MAX {
            table.remove(&key);
            return None;
        }
        *used_at = now.max(*used_at);
        Some(session.clone())
    }

    /// Ends one.
    pub fn close(&self, cookie: &str) {
        self.table().remove(&hashed(cookie.as_bytes()));
    }
}

/// The session cookie of a request. Over https only the one that no other host can have set counts.
pub(in crate::http) fn cookie(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let name = if secure { COOKIE_SECURE } else { COOKIE_PLAIN };
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(given, value)| *given == name && !value.is_empty() && value.len() <= 64).map(|(_, value)| value)
}

/// What sets the cookie, or takes it away where there is no value.
pub(in crate::http) fn set_cookie(value: Option<&str>, secure: bool) -> String {
    let (name, more) = if secure { (COOKIE_SECURE, "; Secure") } else { (COOKIE_PLAIN, "") };
    let ends = if value.is_some() { "" } else { "; Max-Age=0" };
    format!("{name}={}; Path=/; HttpOnly; SameSite=Strict{more}{ends}", value.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(name: &str) -> LoginSession {
        LoginSession { name: name.to_owned(), proof: SessionProof::Token([0; 32]) }
    }

    #[test]
    fn session_slides_and_ends_when_it_is_not_used() {
        let table = SessionTable::default();
        let mut now = Timestamp::from_seconds(1_742_198_531);
        let cookie = table.open(session("ada"), now).expect("random");
        assert!(cookie.len() >= 22, "128 bits: {cookie}");
        for _ in 0..4 {
            now = now.plus(Duration::from_hours(11));
            assert_eq!(table.find(&cookie, now), Some(session("ada")));
        }
        // A clock that is set back makes no session older or younger.
        assert!(table.find(&cookie, now.minus(Duration::from_hours(30))).is_some());
        now = now.plus(Duration::from_secs(12 * 3600 + 1));
        assert_eq!(table.find(&cookie, now), None);
        assert!(table.table().is_empty());
    }

    #[test]
    fn sessions_are_so_many_and_the_idle_one_goes() {
        let table = SessionTable::default();
        let at = |n: i64| Timestamp::from_seconds(1_742_198_531 + n);
        let cookies: Vec<String> = (0..100).map(|n| table.open(session("ada"), at(n)).expect("random")).collect();
        assert!(table.find(&cookies[0], at(200)).is_some());
        let more = table.open(session("eve"), at(201)).expect("random");
        assert!(table.find(&cookies[0], at(202)).is_some() && table.find(&more, at(202)).is_some());
        assert_eq!(table.find(&cookies[1], at(202)), None);
        table.close(&more);
        assert_eq!(table.find(&more, at(203)), None);
    }
}
