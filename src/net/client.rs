//! One HTTP client for feeds and webhooks: http(s) only, no redirects, proxies, cookies or referer of
//! its own, every address guarded, headers and body capped, every wait bounded. It does not decode
//! bodies (`body` does) and does not retry: whoever calls it has a schedule for that.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{CONTENT_LENGTH, HeaderMap};
use reqwest::{Certificate, Method, StatusCode};
use url::{Host, Url};

use super::error::{ConnectAttempt, WaitPhase};
use super::resolve::{GuardedResolver, NameLookups};
use super::{Cidr, NetError, guard};
use crate::text::clean::excerpt;

/// Connection pools kept, one per distinct allow-list. A pool must not be shared between lists: a
/// connection opened for one that allows an address would be reused for one that does not.
const POOLS_MAX: usize = 32;

/// Header fields in one answer; bytes are capped by [`ClientConfig::header_bytes_max`].
const HEADER_FIELDS_MAX: usize = 512;

/// Room made for a body before any of it came, however much is announced.
const BODY_RESERVED_BYTES_MAX: usize = 256 << 10;

/// An excerpt is read for so long after the head of the answer.
const EXCERPT_SPAN_MAX: Duration = Duration::from_secs(2);

/// How a client behaves towards every server.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `User-Agent`, with a contact.
    pub user_agent: String,
    /// Name, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Longest pause between two reads.
    pub idle_timeout: Duration,
    /// Names and values of all header fields of an answer.
    pub header_bytes_max: usize,
    /// An unused connection is kept so long.
    pub keep_alive: Duration,
    /// Unused connections kept per host.
    pub idle_connections_per_host_max: usize,
    /// Additional root certificates (PEM).
    pub ca_file: Option<PathBuf>,
    /// An HTTP proxy for every request. It resolves the names, so it and not the guard decides what may
    /// be reached; addresses written as such are still refused here.
    pub proxy: Option<Url>,
}

/// How much of an answer's body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLimit {
    /// All of it; more bytes than this, or a body that breaks off, is an error.
    Whole(usize),
    /// Its beginning; what follows, or breaks, is not looked at.
    Excerpt(usize),
}

/// One request.
#[derive(Debug)]
pub struct Request<'a> {
    /// GET, POST.
    pub method: Method,
    /// Where to; userinfo is not sent (see [`credentials`]).
    pub url: &'a Url,
    /// Header fields besides `User-Agent` and `Host`.
    pub headers: HeaderMap,
    /// What is sent.
    pub body: Option<Vec<u8>>,
    /// For connection, request and whole answer together; an excerpt may take two seconds more.
    pub timeout: Duration,
    /// What is read.
    pub limit: BodyLimit,
    /// Non-public addresses that are fine.
    pub allow_private: &'a Arc<[Cidr]>,
}

/// One answer, of whatever status.
#[derive(Debug)]
pub struct Response {
    /// Status.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
    /// Body as it came over the wire, still encoded.
    pub body: Vec<u8>,
    /// The body was longer than the excerpt asked for, or broke off.
    pub cut: bool,
    /// Who answered.
    pub address: IpAddr,
}

/// A cheap handle to the connection pools.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    config: ClientConfig,
    roots: Vec<Certificate>,
    lookups: NameLookups,
    /// Least recently used first.
    pools: Mutex<Vec<(Arc<[Cidr]>, reqwest::Client)>>,
}

impl Client {
    /// Reads the additional roots and sets up TLS.
    ///
    /// # Errors
    /// [`NetError::CaFile`] when that file is unreadable or holds no certificate, [`NetError::Setup`]
    /// when the host has no root certificates at all.
    pub fn new(config: ClientConfig) -> Result<Self, NetError> {
        let roots = config.ca_file.as_ref().map_or(Ok(Vec::new()), read_roots)?;
        let inner = Inner { config, roots, lookups: NameLookups::new(), pools: Mutex::new(Vec::new()) };
        let client = Self(Arc::new(inner));
        // Made at once, so that a host without roots is told at start and not at the first request.
        client.pool(&Arc::from([]))?;
        Ok(client)
    }

    /// Sends one request and reads its answer. Every status is an answer; redirects are not followed.
    ///
    /// # Errors
    /// [`NetError`] when there is no answer, or none that the caps let through.
    pub async fn send(&self, request: Request<'_>) -> Result<Response, NetError> {
        let host = check_url(request.url, request.allow_private)?;
        let pool = self.pool(request.allow_private)?;
        let (timeout, config) = (request.timeout, &self.0.config);
        let attempt = ConnectAttempt {
            host: &host,
            https: request.url.scheme() == "https",
            connect_timeout: config.connect_timeout,
            idle_timeout: config.idle_timeout,
            header_bytes_max: config.header_bytes_max,
            proxied: config.proxy.is_some(),
        };
        // An excerpt ends by its own clock: a status that is known is worth more than the text after it.
        let whole_span = match request.limit {
            BodyLimit::Whole(_) => timeout,
            BodyLimit::Excerpt(_) => timeout.saturating_add(EXCERPT_SPAN_MAX),
        };
        match tokio::time::timeout(whole_span, exchange(&pool, request, &attempt)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(too_slow(&attempt, timeout)),
        }
    }

    /// The pool for an allow-list, made if it is not there.
    fn pool(&self, allow_private: &Arc<[Cidr]>) -> Result<reqwest::Client, NetError> {
        let mut pools = self.0.pools.lock();
        if let Some(at) =
            pools.iter().rposition(|(allow, _)| Arc::ptr_eq(allow, allow_private) || allow == allow_private)
        {
            if at + 1 == pools.len() {
                return Ok(pools[at].1.clone());
            }
            let pool = pools.remove(at);
            pools.push(pool.clone());
            return Ok(pool.1);
        }
        let built = self.0.build(allow_private)?;
        if pools.len() >= POOLS_MAX {
            pools.remove(0);
        }
        pools.push((allow_private.clone(), built.clone()));
        Ok(built)
    }
}

impl Inner {
    fn build(&self, allow_private: &Arc<[Cidr]>) -> Result<reqwest::Client, NetError> {
        let config = &self.config;
        let resolver = GuardedResolver { lookups: self.lookups.clone(), allow_private: allow_private.clone() };
        let mut builder = reqwest::Client::builder()
            .user_agent(&config.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(config.connect_timeout)
            .read_timeout(config.idle_timeout)
            .pool_idle_timeout(config.keep_alive)
            .pool_max_idle_per_host(config.idle_connections_per_host_max)
            .http1_max_headers(HEADER_FIELDS_MAX)
            // One bad line among the headers costs that line, as in browsers.
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http2_max_header_list_size(u32::try_from(config.header_bytes_max).unwrap_or(u32::MAX));
        builder = match &config.proxy {
            Some(proxy) => builder.proxy(
                reqwest::Proxy::all(proxy.as_str())
                    .map_err(|error| NetError::Setup { detail: format!("the proxy cannot be used: {error}") })?,
            ),
            None => builder.dns_resolver(resolver),
        };
        if !self.roots.is_empty() {
            builder = builder.tls_certs_merge(self.roots.iter().cloned());
        }
        builder.build().map_err(|error| {
            let detail = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            match &config.ca_file {
                Some(path) => NetError::CaFile { path: path.clone(), detail },
                None => NetError::Setup { detail },
            }
        })
    }
}

/// Userinfo of a URL as a Basic `Authorization` value, so that it is never part of a request line.
#[must_use]
pub fn credentials(url: &Url) -> Option<reqwest::header::HeaderValue> {
    use base64::Engine;
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_decode(text.as_bytes());
    let mut plain = decode(url.username());
    plain.push(b':');
    plain.extend(decode(url.password().unwrap_or("")));
    let text = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(plain));
    let mut value = reqwest::header::HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let hex = |b: u8| char::from(b).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let pair = (text.get(at + 1).copied().and_then(hex), text.get(at + 2).copied().and_then(hex));
        if let (b'%', (Some(high), Some(low))) = (byte, pair) {
            out.push((high * 16 + low) as u8);
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    out
}

/// A URL for people and logs: scheme, host and path, without userinfo, query and fragment.
#[must_use]
pub fn display_url(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    excerpt(&format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or(""), url.path()), 200)
}

/// Whether a file holds root certificates that can be used.
///
/// # Errors
/// [`NetError::CaFile`] with what is wrong with it.
pub fn check_roots(path: &std::path::Path) -> Result<(), NetError> {
    read_roots(&path.to_owned()).map(|_| ())
}

fn read_roots(path: &PathBuf) -> Result<Vec<Certificate>, NetError> {
    let refuse = |detail: String| NetError::CaFile { path: path.clone(), detail };
    let pem = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let roots = Certificate::from_pem_bundle(&pem).map_err(|_| refuse("it is not PEM".to_owned()))?;
    if roots.is_empty() {
        return Err(refuse("it holds no certificate".to_owned()));
    }
    Ok(roots)
}

/// Refuses what must not be requested; gives the host for messages. An address in any notation
/// (`0x7f.1`, `2130706433`, full-width digits) has been folded by the URL parser.
fn check_url(url: &Url, allow_private: &[Cidr]) -> Result<String, NetError> {
    let what = || display_url(url);
    if !matches!(url.scheme(), "http" | "https") {
        return Err(NetError::Url { what: what(), detail: "only http and https are fetched" });
    }
    let host = excerpt(url.host_str().unwrap_or(""), 100);
    let literal = match url.host() {
        None => return Err(NetError::Url { what: what(), detail: "it has no host" }),
        Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
        Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
        Some(Host::Domain(_)) => return Ok(host),
    };
    if guard::is_allowed(literal, allow_private) {
        Ok(host)
    } else {
        Err(NetError::PrivateAddress { host, address: literal })
    }
}

async fn exchange(
    pool: &reqwest::Client,
    request: Request<'_>,
    attempt: &ConnectAttempt<'_>,
) -> Result<Response, NetError> {
    let mut url = request.url.clone();
    // Both only fail for URLs that cannot have them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    let mut out = reqwest::Request::new(request.method, url);
    *out.headers_mut() = request.headers;
    if let Some(body) = request.body {
        *out.body_mut() = Some(body.into());
    }
    let response = tokio::time::timeout(request.timeout, pool.execute(out))
        .await
        .map_err(|_| too_slow(attempt, request.timeout))?
        .map_err(|error| attempt.classify(&error))?;
    let address = response.remote_addr().map(|a| a.ip());
    let Some(address) = address else {
        return Err(NetError::Reset { host: attempt.host.to_owned(), detail: "its address is unknown".to_owned() });
    };
    // The last word: whatever the resolver and the library did, this is who we are talking to.
    if !attempt.proxied && !guard::is_allowed(address, request.allow_private) {
        return Err(NetError::PrivateAddress { host: attempt.host.to_owned(), address });
    }
    let header_bytes: usize =
        response.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if header_bytes > attempt.header_bytes_max {
        return Err(too_large(attempt, "headers", attempt.header_bytes_max));
    }
    read(response, address, request.limit, attempt).await
}

async fn read(
    mut response: reqwest::Response,
    address: IpAddr,
    limit: BodyLimit,
    attempt: &ConnectAttempt<'_>,
) -> Result<Response, NetError> {
    let (BodyLimit::Whole(bytes_max) | BodyLimit::Excerpt(bytes_max)) = limit;
    let whole = matches!(limit, BodyLimit::Whole(_));
    let announced = announced_bytes(response.headers());
    if whole && announced.is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(too_large(attempt, "a body", bytes_max));
    }
    let reserve = announced.unwrap_or(0).min(bytes_max as u64).min(BODY_RESERVED_BYTES_MAX as u64);
    let mut body = Vec::with_capacity(reserve as usize);
    let mut cut = false;
    let excerpt_ends = tokio::time::Instant::now() + EXCERPT_SPAN_MAX;
    loop {
        let chunk = if whole {
            response.chunk().await
        } else {
            // A body that trickles is cut like one that is long.
            let Ok(chunk) = tokio::time::timeout_at(excerpt_ends, response.chunk()).await else {
                cut = true;
                break;
            };
            chunk
        };
        match chunk {
            Ok(None) => break,
            Ok(Some(chunk)) if body.len() + chunk.len() <= bytes_max => body.extend_from_slice(&chunk),
            Ok(Some(_)) if whole => return Err(too_large(attempt, "a body", bytes_max)),
            Ok(Some(chunk)) => {
                body.extend_from_slice(&chunk[..bytes_max - body.len()]);
                cut = true;
                break;
            }
            Err(error) if whole => return Err(attempt.classify(&error)),
            Err(_) => {
                cut = true;
                break;
            }
        }
    }
    Ok(Response { status: response.status(), headers: std::mem::take(response.headers_mut()), body, cut, address })
}

fn too_slow(attempt: &ConnectAttempt<'_>, limit: Duration) -> NetError {
    NetError::Timeout { host: attempt.host.to_owned(), phase: WaitPhase::Answer, limit }
}

fn too_large(attempt: &ConnectAttempt<'_>, what: &'static str, limit_bytes: usize) -> NetError {
    NetError::TooLarge { host: attempt.host.to_owned(), what, limit_bytes }
}

/// `Content-Length`; digits beyond u64 count as endless.
fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_private_address_in_any_notation_is_refused() {
        for text in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://①②⑦.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[fe80::1]/",
            "http://0/",
            "http://169.254.169.254/latest",
            "http://[2002:7f00:1::]/",
            "http://127.0.0.1./",
            "http://user:pw@10.0.0.1/",
        ] {
            let url = Url::parse(text).expect(text);
            assert!(matches!(check_url(&url, &[]), Err(NetError::PrivateAddress { .. })), "{text}");
        }
    }

    #[test]
    fn url_other_schemes_are_refused_without_their_query() {
        for text in ["ftp://example.org/a?key=secret", "file:///etc/passwd", "data:text/xml,a", "gopher://example.org/"]
        {
            let refused = check_url(&Url::parse(text).expect(text), &[]).expect_err(text);
            assert!(matches!(refused, NetError::Url { .. }), "{text}");
            assert!(!refused.to_string().contains("secret"), "{refused}");
        }
    }

    #[test]
    fn display_url_shows_neither_userinfo_nor_query() {
        let url = Url::parse("https://user:canary@example.org:8443/feed?token=canary#canary").expect("url");
        assert_eq!(display_url(&url), "https://example.org:8443/feed");
    }

    #[test]
    fn credentials_are_decoded_and_kept_out_of_debug() {
        let value = credentials(&Url::parse("https://a%40b:p%25w@example.org/").expect("url")).expect("some");
        assert_eq!(value.as_bytes(), b"Basic YUBiOnAldw==");
        assert_eq!(format!("{value:?}"), "Sensitive");
        assert_eq!(credentials(&Url::parse("https://example.org/").expect("url")), None);
    }

    #[test]
    fn announced_length_beyond_any_number_is_endless() {
        let headers = |text: &str| HeaderMap::from_iter([(CONTENT_LENGTH, text.parse().expect("value"))]);
        assert_eq!(announced_bytes(&headers("1000000000000")), Some(1_000_000_000_000));
        assert_eq!(announced_bytes(&headers("99999999999999999999999")), Some(u64::MAX));
        assert_eq!(announced_bytes(&headers("-5")), None);
    }

    #[test]
    fn ca_file_without_certificates_is_refused_by_path() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("roots.pem");
        assert!(matches!(read_roots(&path), Err(NetError::CaFile { .. })));
        std::fs::write(&path, "no certificate").expect("write");
        let refused = read_roots(&path).expect_err("empty");
        assert!(refused.to_string().contains("roots.pem"), "{refused}");
    }
}
