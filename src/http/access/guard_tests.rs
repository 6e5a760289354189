//! Who passes and who does not: one table of what a request may carry, against each way of saying who may ask.

use std::os::unix::fs::PermissionsExt as _;

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::guard::{self, CallerProof, GuardConfig, GuardedRequest};
use super::sessions::{LoginSession, SessionProof, SessionTable, hashed};
use crate::config::{PasswordHash, UserEntry, UserRole};
use crate::model::Timestamp;
use crate::net::Cidr;

/// Which of the keys are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listener {
    /// None: loopback, without anything.
    Open,
    /// Tokens, users and a proxy.
    Closed,
    /// The same by its public address.
    Public,
}

use Listener::{Closed, Open, Public};

const NONE: Option<&str> = None;
const GET: Method = Method::GET;
const POST: Method = Method::POST;
const DELETE: Method = Method::DELETE;

/// Listener, method, path, Host, Origin, Sec-Fetch-Site, what proves who asks, from where; and what comes of it: a status,
/// or who passes (`-` nobody known) and whether they may write.
type GuardRow = (
    Listener,
    Method,
    &'static str,
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    &'static str,
    &'static str,
    Result<(&'static str, bool), u16>,
);

const LOCAL: &str = "127.0.0.1";
const NEAR: &str = "10.0.0.2";
const FAR: &str = "203.0.113.9";

const ROWS: &[GuardRow] = &[
    // Which host is asked.
    (Open, GET, "/", "127.0.0.1:7411", NONE, NONE, "", LOCAL, Ok(("-", false))),
    (Open, GET, "/", "[::1]:7411", NONE, NONE, "", LOCAL, Ok(("-", false))),
    (Open, GET, "/", "localhost", NONE, NONE, "", LOCAL, Ok(("-", false))),
    (Open, GET, "/", "Watch.Example.org:80", NONE, NONE, "", LOCAL, Ok(("-", false))),
    (Open, GET, "/", "watch.example.org.", NONE, NONE, "", LOCAL, Ok(("-", false))),
    (Open, GET, "/", "evil.example", NONE, NONE, "", LOCAL, Err(421)),
    (Open, GET, "/", "127.0.0.1.evil.example", NONE, NONE, "", LOCAL, Err(421)),
    (Open, GET, "/", "", NONE, NONE, "", LOCAL, Err(421)),
    (Closed, GET, "/login", "evil.example", NONE, NONE, "", LOCAL, Err(421)),
    // What a hub asks and pushes carries its proof in its path and its signature.
    (Closed, GET, "/websub/abc", "localhost", NONE, NONE, "", FAR, Ok(("-", false))),
    (Closed, POST, "/websub/abc", "localhost", NONE, NONE, "", FAR, Ok(("-", false))),
    (Closed, DELETE, "/websub/abc", "localhost", NONE, NONE, "", FAR, Err(403)),
    (Closed, POST, "/websub/abc", "evil.example", NONE, NONE, "", FAR, Err(421)),
    (Closed, POST, "/websub/abc", "localhost", Some("https://evil.example"), NONE, "", FAR, Err(403)),
    (Closed, GET, "/websubs", "localhost", NONE, NONE, "", FAR, Err(401)),
    // From which page.
    (Open, GET, "/", "localhost", Some("http://localhost:7411"), NONE, "", LOCAL, Ok(("-", false))),
    (Open, GET, "/", "localhost", Some("https://evil.example"), NONE, "", LOCAL, Err(403)),
    (Open, GET, "/", "localhost", Some("null"), NONE, "", LOCAL, Err(403)),
    (Open, GET, "/", "localhost", NONE, Some("cross-site"), "", LOCAL, Ok(("-", false))),
    // Without anything set, everybody here may look and nobody may change anything.
    (Open, GET, "/v1/items", "localhost", NONE, NONE, "", LOCAL, Ok(("-", false))),
    (Open, GET, "/metrics", "localhost", NONE, NONE, "", LOCAL, Ok(("-", false))),
    (Open, POST, "/silences", "localhost", NONE, Some("same-origin"), "", LOCAL, Err(403)),
    (Open, POST, "/v1/silences", "localhost", NONE, NONE, "", LOCAL, Err(403)),
    (Open, DELETE, "/v1/silences/sil_1", "localhost", NONE, NONE, "any token", LOCAL, Err(403)),
    (Open, POST, "/silences", "localhost", NONE, Some("cross-site"), "", LOCAL, Err(403)),
    (Open, GET, "/v1/items", "localhost", NONE, NONE, "any token", LOCAL, Ok(("-", false))),
    // Once something is set, only the way in is shown.
    (Closed, GET, "/", "localhost", NONE, NONE, "", LOCAL, Err(401)),
    (Closed, GET, "/v1/items", "localhost", NONE, NONE, "", LOCAL, Err(401)),
    (Closed, GET, "/metrics", "localhost", NONE, NONE, "", LOCAL, Err(401)),
    (Closed, GET, "/healthz", "localhost", NONE, NONE, "", LOCAL, Err(401)),
    (Closed, GET, "/login", "localhost", NONE, NONE, "", LOCAL, Ok(("-", false))),
    (Closed, GET, "/assets/1/page.css", "localhost", NONE, NONE, "", LOCAL, Ok(("-", false))),
    (Closed, GET, "/loginx", "localhost", NONE, NONE, "", LOCAL, Err(401)),
    (Closed, POST, "/silences", "localhost", NONE, Some("same-origin"), "", LOCAL, Err(401)),
    (Closed, POST, "/assets/1/page.css", "localhost", NONE, Some("same-origin"), "", LOCAL, Err(401)),
    // Tokens.
    (Closed, GET, "/v1/items", "localhost", NONE, NONE, "token", LOCAL, Ok(("-", true))),
    (Closed, GET, "/v1/items", "localhost", NONE, NONE, "read token", LOCAL, Ok(("-", false))),
    (Closed, GET, "/v1/items", "localhost", NONE, NONE, "half token", LOCAL, Err(401)),
    (Closed, GET, "/v1/items", "localhost", NONE, NONE, "long token", LOCAL, Err(401)),
    (Closed, GET, "/v1/items", "localhost", NONE, NONE, "bare token", LOCAL, Err(401)),
    (Closed, GET, "/v1/items", "localhost", NONE, NONE, "empty token", LOCAL, Err(401)),
    (Closed, POST, "/v1/silences", "localhost", NONE, NONE, "token", LOCAL, Ok(("-", true))),
    (Closed, POST, "/v1/silences", "localhost", NONE, Some("none"), "token", LOCAL, Ok(("-", true))),
    (Closed, POST, "/v1/silences", "localhost", NONE, Some("cross-site"), "token", LOCAL, Err(403)),
    (Closed, POST, "/v1/silences", "localhost", NONE, NONE, "read token", LOCAL, Err(403)),
    (Closed, DELETE, "/v1/silences/sil_1", "localhost", NONE, NONE, "token", LOCAL, Ok(("-", true))),
    (Closed, GET, "/login", "localhost", NONE, NONE, "half token", LOCAL, Ok(("-", false))),
    // Who logged in.
    (Closed, GET, "/", "localhost", NONE, NONE, "ww=writer", LOCAL, Ok(("ada", true))),
    (Closed, GET, "/", "localhost", NONE, NONE, "ww=reader", LOCAL, Ok(("bob", false))),
    (Closed, GET, "/", "localhost", NONE, NONE, "ww=by token", LOCAL, Ok(("eve", true))),
    (Closed, GET, "/", "localhost", NONE, NONE, "ww=nobody", LOCAL, Err(401)),
    (Closed, GET, "/", "localhost", NONE, NONE, "ww=removed", LOCAL, Err(401)),
    (Closed, GET, "/", "localhost", NONE, NONE, "ww=old password", LOCAL, Err(401)),
    (Closed, POST, "/silences", "localhost", NONE, Some("same-origin"), "ww=writer", LOCAL, Ok(("ada", true))),
    (Closed, POST, "/silences", "localhost", Some("http://localhost"), NONE, "ww=writer", LOCAL, Ok(("ada", true))),
    (Closed, POST, "/silences", "localhost", Some("http://localhost:1"), NONE, "ww=writer", LOCAL, Err(403)),
    (Closed, POST, "/silences", "localhost", Some("null"), Some("same-origin"), "ww=writer", LOCAL, Ok(("ada", true))),
    (Closed, POST, "/silences", "localhost", Some("null"), Some("cross-site"), "ww=writer", LOCAL, Err(403)),
    (Closed, POST, "/silences", "localhost", Some("null"), NONE, "ww=writer", LOCAL, Err(403)),
    (Closed, POST, "/silences", "localhost", NONE, Some("same-site"), "ww=writer", LOCAL, Err(403)),
    (Closed, POST, "/silences", "localhost", NONE, Some("cross-site"), "ww=writer", LOCAL, Err(403)),
    (Closed, POST, "/silences", "localhost", NONE, Some("none"), "ww=writer", LOCAL, Err(403)),
    (Closed, POST, "/silences", "localhost", NONE, NONE, "ww=writer", LOCAL, Err(403)),
    (Closed, POST, "/silences", "localhost", NONE, Some("same-origin"), "ww=reader", LOCAL, Err(403)),
    (Closed, POST, "/topics/levee/try", "localhost", NONE, Some("same-origin"), "ww=reader", LOCAL, Ok(("bob", false))),
    (Closed, POST, "/v1/preview", "localhost", NONE, NONE, "read token", LOCAL, Ok(("-", false))),
    (Closed, POST, "/topics/levee/try", "localhost", NONE, Some("cross-site"), "ww=reader", LOCAL, Err(403)),
    (Closed, POST, "/topics/levee/try", "localhost", NONE, Some("same-origin"), "", LOCAL, Err(401)),
    (Open, POST, "/topics/levee/try", "localhost", NONE, Some("same-origin"), "", LOCAL, Err(403)),
    (Closed, POST, "/login", "localhost", NONE, Some("cross-site"), "", LOCAL, Err(403)),
    (Closed, POST, "/login", "localhost", NONE, Some("same-origin"), "", LOCAL, Ok(("-", false))),
    (Closed, POST, "/logout", "localhost", NONE, NONE, "ww=writer", LOCAL, Err(403)),
    (Public, GET, "/", "watch.example.org", NONE, NONE, "__Host-ww=writer", NEAR, Ok(("ada", true))),
    (Public, GET, "/", "watch.example.org", NONE, NONE, "ww=writer", NEAR, Err(401)),
    (Closed, GET, "/", "localhost", NONE, NONE, "__Host-ww=writer", LOCAL, Err(401)),
    // What a proxy says.
    (Closed, GET, "/", "localhost", NONE, NONE, "proxy dora", NEAR, Ok(("dora", true))),
    (Closed, GET, "/", "localhost", NONE, NONE, "proxy dora", FAR, Err(403)),
    (Closed, GET, "/", "localhost", NONE, NONE, "proxy dora", LOCAL, Err(403)),
    (Closed, GET, "/", "localhost", NONE, NONE, "proxy a b", NEAR, Err(403)),
    (Closed, GET, "/", "localhost", NONE, NONE, "", NEAR, Err(401)),
    (Closed, POST, "/silences", "localhost", NONE, Some("same-origin"), "proxy dora", NEAR, Ok(("dora", true))),
    (Closed, POST, "/silences", "localhost", NONE, Some("cross-site"), "proxy dora", NEAR, Err(403)),
    (Open, GET, "/", "localhost", NONE, NONE, "proxy dora", FAR, Ok(("-", false))),
    // What carries proof of its own.
    (Closed, POST, "/v1/items", "localhost", NONE, NONE, "", FAR, Ok(("-", false))),
    (Closed, POST, "/v1/items", "evil.example", NONE, NONE, "", FAR, Err(421)),
];

struct GuardBench {
    dir: tempfile::TempDir,
    sessions: SessionTable,
    cookies: Vec<(&'static str, String)>,
    now: Timestamp,
}

fn hash(n: u8) -> PasswordHash {
    let fixed = format!("pbkdf2-sha256$600000${}$", "AAAAAAAAAAAAAAAAAAAAAA==");
    let line = format!("x:read:{fixed}{}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", if n == 0 { "A" } else { "B" });
    crate::config::read_users(&line).expect("a line").remove(0).password
}

impl GuardBench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("private");
        };
        write("token", "s3cret-token\n");
        write("read", "l00k-token\r\n");
        let user = |name: &str, role| UserEntry { name: name.to_owned(), role, password: hash(0) };
        write("users", &format!("{}\n{}\n", user("ada", UserRole::Write), user("bob", UserRole::Read)));
        let (sessions, now) = (SessionTable::default(), Timestamp::from_seconds(1_742_198_531));
        let open =
            |name: &str, proof| sessions.open(LoginSession { name: name.to_owned(), proof }, now).expect("random");
        let password = |n| SessionProof::Password(hash(n));
        let cookies = vec![
            ("writer", open("ada", password(0))),
            ("reader", open("bob", password(0))),
            ("by token", open("eve", SessionProof::Token(hashed(b"s3cret-token")))),
            ("removed", open("gone", password(0))),
            ("old password", open("ada", password(1))),
            ("nobody", "AAAAAAAAAAAAAAAAAAAAAA".to_owned()),
        ];
        Self { dir, sessions, cookies, now }
    }

    fn config(&self, listener: Listener) -> GuardConfig {
        let hosts = vec!["watch.example.org".to_owned()];
        if listener == Open {
            return GuardConfig { hosts, ..GuardConfig::default() };
        }
        let file = |name: &str| Some(self.dir.path().join(name));
        GuardConfig {
            hosts,
            token_file: file("token"),
            read_token_file: file("read"),
            users_file: file("users"),
            proxy_user_header: Some("x-forwarded-user".to_owned()),
            proxy_from: vec![Cidr::parse("10.0.0.0/8").expect("a range")],
            public_url: (listener == Public).then(|| "https://watch.example.org".to_owned()),
        }
    }

    fn proof(&self, words: &str) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match words {
            "" => return None,
            "token" => (header::AUTHORIZATION, "Bearer s3cret-token".to_owned()),
            "read token" => (header::AUTHORIZATION, "Bearer l00k-token".to_owned()),
            "half token" => (header::AUTHORIZATION, "Bearer s3cret".to_owned()),
            "long token" => (header::AUTHORIZATION, "Bearer s3cret-token ".to_owned()),
            "bare token" => (header::AUTHORIZATION, "s3cret-token".to_owned()),
            "empty token" => (header::AUTHORIZATION, "Bearer ".to_owned()),
            "any token" => (header::AUTHORIZATION, "Bearer x".to_owned()),
            words => {
                if let Some((name, whose)) = words.split_once('=') {
                    let cookie = &self.cookies.iter().find(|(known, _)| *known == whose).expect("a cookie").1;
                    (header::COOKIE, format!("ww_theme=dark; {name}={cookie}"))
                } else {
                    let name = words.strip_prefix("proxy ").expect("a proxy's word");
                    (HeaderName::from_static("x-forwarded-user"), name.to_owned())
                }
            }
        };
        // The server cuts what stands behind a value.
        Some((name, HeaderValue::from_str(&value).expect("a value")))
    }
}

#[tokio::test]
async fn guard_lets_pass_whom_the_table_says() {
    let bench = GuardBench::new();
    assert!(ROWS.len() >= 60, "{}", ROWS.len());
    for row in ROWS {
        let (listener, method, path, host, origin, site, proof, from, outcome) = row;
        let mut headers = header::HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        if let Some(site) = site {
            headers.insert("sec-fetch-site", HeaderValue::from_static(site));
        }
        if let Some((name, value)) = bench.proof(proof) {
            headers.insert(name, value);
        }
        let request = GuardedRequest { method, path, headers: &headers, from: from.parse().expect("an address") };
        let made = guard::check(request, &bench.config(*listener), &bench.sessions, bench.now).await;
        let told = made
            .map(|caller| (caller.name.unwrap_or_else(|| "-".to_owned()), caller.may_write))
            .map_err(|refusal| refusal.kind.parts().1.as_u16());
        assert_eq!(told, outcome.map(|(name, may_write)| (name.to_owned(), may_write)), "{row:?}");
    }
}

#[tokio::test]
async fn guard_refuses_two_hosts_and_none_and_a_proxy_that_says_two_names() {
    let bench = GuardBench::new();
    let config = bench.config(Closed);
    let mut headers = header::HeaderMap::new();
    let status = async |headers: &header::HeaderMap| {
        let from = NEAR.parse().expect("an address");
        let request = GuardedRequest { method: &Method::GET, path: "/", headers, from };
        guard::check(request, &config, &bench.sessions, bench.now).await.map_err(|refusal| refusal.kind.parts().1)
    };
    assert_eq!(status(&headers).await, Err(StatusCode::MISDIRECTED_REQUEST), "no host at all");
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    headers.insert("x-forwarded-user", HeaderValue::from_static("dora"));
    assert_eq!(status(&headers).await.map(|caller| caller.proof), Ok(CallerProof::Proxy));
    headers.append("x-forwarded-user", HeaderValue::from_static("eve"));
    assert_eq!(status(&headers).await, Err(StatusCode::FORBIDDEN));
    headers.remove("x-forwarded-user");
    headers.append(header::HOST, HeaderValue::from_static("evil.example"));
    assert_eq!(status(&headers).await, Err(StatusCode::BAD_REQUEST), "two hosts");
}

#[tokio::test]
async fn guard_lets_nobody_in_by_an_empty_or_missing_token() {
    let bench = GuardBench::new();
    let config = GuardConfig { users_file: None, ..bench.config(Closed) };
    let mut headers = header::HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer "));
    let request =
        GuardedRequest { method: &Method::GET, path: "/", headers: &headers, from: LOCAL.parse().expect("an address") };
    for change in [Some("\n"), None] {
        match change {
            Some(text) => std::fs::write(bench.dir.path().join("token"), text).expect("written"),
            None => std::fs::remove_file(bench.dir.path().join("token")).expect("removed"),
        }
        let refusal = guard::check(request, &config, &bench.sessions, bench.now).await.expect_err("refused");
        assert_eq!(refusal.kind.parts().1, StatusCode::SERVICE_UNAVAILABLE, "{change:?}");
    }
}
