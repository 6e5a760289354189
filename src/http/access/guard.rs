//! Looks at every request before anything else does: it must name this host (a page on the web that made its name point
//! here does not), must not come from another site's page, must say who asks where that is wanted, and must be let
//! change things if it does. Nothing is changed on GET, and there are no hidden tokens in forms: browsers say by
//! themselves from where a form was sent.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::{HeaderMap, Method, header};

use super::sessions::{self, SessionProof, SessionTable};
use crate::config::{USERS_BYTES_MAX, UserEntry, UserRole, is_user_name, read_users};
use crate::http::refusal::{AnswerRefusal, RefusalKind};
use crate::model::Timestamp;
use crate::net::Cidr;

/// Longest token file read.
const TOKEN_BYTES_MAX: u64 = 4096;
/// Below it are the callbacks of hubs: who knows one may use it.
const HUBS_FOLDER: &str = "/websub/";
/// What somebody who sends the token is called where they do not say.
const TOKEN_NAME: &str = "token";

/// Who may ask, as the config says. Files are read at each request, so that a new token or user needs no reload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardConfig {
    /// Names besides `localhost` and addresses.
    pub hosts: Vec<String>,
    /// The file with the token that reads and changes.
    pub token_file: Option<PathBuf>,
    /// The file with the token that reads.
    pub read_token_file: Option<PathBuf>,
    /// The file with those who may log in.
    pub users_file: Option<PathBuf>,
    /// The header in which a proxy says who asks.
    pub proxy_user_header: Option<String>,
    /// From where that is believed.
    pub proxy_from: Vec<Cidr>,
    /// Where people reach the page.
    pub public_url: Option<String>,
}

impl GuardConfig {
    /// Nothing is shown to who does not say who they are.
    pub(in crate::http) fn is_closed(&self) -> bool {
        self.token_file.is_some()
            || self.read_token_file.is_some()
            || self.users_file.is_some()
            || self.proxy_user_header.is_some()
    }

    /// There is a way to log in.
    pub(in crate::http) fn has_login(&self) -> bool {
        self.token_file.is_some() || self.users_file.is_some()
    }

    /// Whether a request came by the public address, and that is https.
    pub(in crate::http) fn is_secure(&self, headers: &HeaderMap) -> bool {
        let public = self.public_url.as_deref().and_then(|url| url.strip_prefix("https://"));
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        public.zip(host).is_some_and(|(public, host)| public.eq_ignore_ascii_case(host))
    }
}

/// How somebody showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum CallerProof {
    /// Not at all.
    Nothing,
    /// By a token in the request.
    Token,
    /// They logged in.
    Session,
    /// A proxy says so.
    Proxy,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) struct RequestCaller {
    pub name: Option<String>,
    pub proof: CallerProof,
    /// They may change things.
    pub may_write: bool,
    /// They may look: only the way in is shown to others.
    pub may_read: bool,
}

impl RequestCaller {
    /// What is written beside what they do.
    pub fn author(&self) -> &str {
        self.name.as_deref().unwrap_or(TOKEN_NAME)
    }
}

/// What is looked at of a request.
#[derive(Clone, Copy)]
pub(in crate::http) struct GuardedRequest<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    pub from: IpAddr,
}

impl GuardedRequest<'_> {
    fn text(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap_or("?"))
    }

    fn changes_something(&self) -> bool {
        !matches!(*self.method, Method::GET | Method::HEAD | Method::OPTIONS) && !self.explains()
    }

    /// A text is sent to be explained, and nothing of it is kept.
    fn explains(&self) -> bool {
        *self.method == Method::POST && self.path == "/v1/explain"
    }

    /// What anybody may ask for: the way in, and how it looks.
    fn is_for_all(&self) -> bool {
        matches!(self.path, "/login" | "/logout") || (!self.changes_something() && self.path.starts_with("/assets/"))
    }

    /// It is a form only because it is long: it changes nothing, and who may look may send it.
    fn only_looks(&self) -> bool {
        *self.method == Method::POST
            && (self.path == "/v1/preview" || (self.path.starts_with("/topics/") && self.path.ends_with("/try")))
    }

    /// It carries proof of its own, which is looked at where it is served.
    fn proves_itself(&self) -> bool {
        let is_hub = self.path.starts_with(HUBS_FOLDER) && matches!(*self.method, Method::GET | Method::POST);
        is_hub || *self.method == Method::POST && self.path == "/v1/items"
    }
}

/// Lets a request pass and says who asks, or says why not.
pub(in crate::http) async fn check(
    request: GuardedRequest<'_>,
    config: &GuardConfig,
    sessions: &SessionTable,
    now: Timestamp,
) -> Result<RequestCaller, AnswerRefusal> {
    check_place(request, &config.hosts)?;
    let bearer = request.text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let nobody =
        RequestCaller { name: None, proof: CallerProof::Nothing, may_write: false, may_read: !config.is_closed() };
    if request.proves_itself() {
        return Ok(nobody);
    }
    if request.changes_something() && !config.is_closed() && !request.is_for_all() {
        // A trial changes nothing, but it takes a processor for seconds.
        let what = if request.only_looks() { "trying rules" } else { "writing" };
        let detail = format!("{what} needs a token: `wirewatch init` makes one");
        return Err(AnswerRefusal::new(RefusalKind::Forbidden, detail)
            .hint("name it as `token_file` in [http], or let people log in: `wirewatch users add NAME`"));
    }
    if request.changes_something() {
        check_same_site(request, bearer.is_some())?;
    }
    if request.is_for_all() {
        // Who is logged in already is of interest there, and nothing that is wrong with it.
        return Ok(known_caller(request, config, sessions, bearer, now).await.ok().flatten().unwrap_or(nobody));
    }
    let caller = known_caller(request, config, sessions, bearer, now).await?.unwrap_or(nobody);
    if !caller.may_read {
        return Err(AnswerRefusal::new(RefusalKind::Unauthorized, "send the token as `Authorization: Bearer …`")
            .hint("in a browser: log in"));
    }
    if request.changes_something() && !caller.may_write && !request.only_looks() {
        return Err(AnswerRefusal::new(RefusalKind::Forbidden, "this login may look, and change nothing"));
    }
    Ok(caller)
}

/// It names this host, and no page of another site sent it.
fn check_place(request: GuardedRequest<'_>, hosts: &[String]) -> Result<(), AnswerRefusal> {
    // Which of two counts is a matter of taste between us and a proxy: neither does.
    if request.headers.get_all(header::HOST).iter().count() > 1 {
        return Err(AnswerRefusal::new(RefusalKind::BadRequest, "one Host header, please"));
    }
    if !request.text(header::HOST).is_some_and(|host| is_known(host, hosts)) {
        return Err(AnswerRefusal::new(RefusalKind::WrongHost, "unknown host; add it to `hosts` in [http]"));
    }
    // A page that says nothing of where it stands (`no-referrer`) sends its forms with the origin `null`; that it is one of
    // this host the browser says elsewhere, and no page can.
    let nameless =
        request.text(header::ORIGIN) == Some("null") && request.text("sec-fetch-site") == Some("same-origin");
    if let Some(origin) = request.text(header::ORIGIN).filter(|_| !nameless)
        && !origin.split_once("://").is_some_and(|(_, host)| is_known(host, hosts))
    {
        return Err(AnswerRefusal::new(RefusalKind::Forbidden, "requests from other sites are refused"));
    }
    Ok(())
}

/// A form is sent by a page of this host, or it is no browser that sends it and a token proves who does.
fn check_same_site(request: GuardedRequest<'_>, has_token: bool) -> Result<(), AnswerRefusal> {
    let refused = |detail: &str| Err(AnswerRefusal::new(RefusalKind::Forbidden, detail));
    match request.text("sec-fetch-site") {
        Some("same-origin") => Ok(()),
        Some("none") if has_token => Ok(()),
        Some(_) => refused("what changes something must be sent by a page of this host"),
        None => match request.text(header::ORIGIN) {
            Some(origin) => {
                let host = origin.split_once("://").map(|(_, host)| host);
                let same = host.zip(request.text(header::HOST)).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
                if same { Ok(()) } else { refused("what changes something must be sent by a page of this host") }
            }
            None if has_token => Ok(()),
            None => {
                refused("this does not say from where it is sent; a program sends the token: `Authorization: Bearer …`")
            }
        },
    }
}

async fn known_caller(
    request: GuardedRequest<'_>,
    config: &GuardConfig,
    sessions: &SessionTable,
    bearer: Option<&str>,
    now: Timestamp,
) -> Result<Option<RequestCaller>, AnswerRefusal> {
    let known =
        |name: Option<String>, proof, may_write| Ok(Some(RequestCaller { name, proof, may_write, may_read: true }));
    if let Some(name) = &config.proxy_user_header
        && let Some(user) = request.text(name.as_str())
    {
        // Whoever else sends it lies: it is refused, not passed over.
        let several = request.headers.get_all(name.as_str()).iter().count() > 1;
        if several || !is_user_name(user) || !config.proxy_from.iter().any(|range| range.contains(request.from)) {
            let detail = format!("the header `{name}` is believed once, and from the addresses of `proxy_from` only");
            return Err(AnswerRefusal::new(RefusalKind::Forbidden, detail));
        }
        return known(Some(user.to_owned()), CallerProof::Proxy, true);
    }
    if let Some(given) = bearer {
        for (file, may_write) in [(&config.token_file, true), (&config.read_token_file, false)] {
            let Some(file) = file else { continue };
            if verify_slices_are_equal(given.as_bytes(), &token(file).await?).is_ok() {
                return known(None, CallerProof::Token, may_write);
            }
        }
        if config.is_closed() {
            return Err(AnswerRefusal::new(RefusalKind::Unauthorized, "that token is not the one"));
        }
    }
    let cookie = sessions::cookie(request.headers, config.is_secure(request.headers));
    let Some(session) = cookie.and_then(|cookie| sessions.find(cookie, now)) else { return Ok(None) };
    match &session.proof {
        // It lasts as long as the password it was opened with.
        SessionProof::Password(hash) => {
            let users = users(config).await;
            let entry = users.into_iter().find(|user| user.name == session.name && user.password == *hash);
            let Some(entry) = entry else { return Ok(None) };
            known(Some(session.name), CallerProof::Session, entry.role == UserRole::Write)
        }
        SessionProof::Token(hash) => {
            let Some(file) = &config.token_file else { return Ok(None) };
            let same = sessions::hashed(&token(file).await?) == *hash;
            if same { known(Some(session.name), CallerProof::Session, true) } else { Ok(None) }
        }
    }
}

/// The token in a file, or that nobody may pass now.
pub(in crate::http) async fn token(path: &Path) -> Result<Vec<u8>, AnswerRefusal> {
    let Some(token) = read_token(path).await else {
        tracing::error!(path = %path.display(), "the token of the listener cannot be read, everybody is refused");
        return Err(AnswerRefusal::new(RefusalKind::SecretUnreadable, "the token cannot be read"));
    };
    Ok(token)
}

async fn read_token(path: &Path) -> Option<Vec<u8>> {
    let meta = tokio::fs::metadata(path).await.ok()?;
    if !meta.is_file() || meta.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let bytes = tokio::fs::read(path).await.ok()?;
    let token = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let token = token.strip_suffix(b"\r").unwrap_or(token).to_vec();
    (!token.is_empty()).then_some(token)
}

/// Those who may log in; nobody where that cannot be read.
pub(in crate::http) async fn users(config: &GuardConfig) -> Vec<UserEntry> {
    let Some(path) = &config.users_file else { return Vec::new() };
    let fits = tokio::fs::metadata(path).await.is_ok_and(|meta| meta.is_file() && meta.len() <= USERS_BYTES_MAX);
    let text = if fits { tokio::fs::read_to_string(path).await.ok() } else { None };
    let Some(text) = text else { return Vec::new() };
    read_users(&text).unwrap_or_else(|fault| {
        tracing::error!(path = %path.display(), %fault, "the users' file cannot be read, nobody is let in by it");
        Vec::new()
    })
}

/// Addresses cannot be made to point here by somebody else; names can, so they must be listed.
fn is_known(host: &str, hosts: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split_once(']').map_or("", |(address, _)| address),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.parse::<IpAddr>().is_ok() || hosts.contains(&name)
}
