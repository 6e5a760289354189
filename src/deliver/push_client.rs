//! Sends items to another wirewatch: one request under one key, signed or with a token, again and again until it is
//! answered or refused for good. For the command line; the daemon itself pushes nothing.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::Value;
use url::Url;

use super::secret::{AccessToken, Secret, SecretProblem};
use super::sign::{ID_HEADER, SIGNATURE_HEADER, Signer, TIMESTAMP_HEADER};
use crate::clock::Clock;
use crate::net::{BodyLimit, Cidr, Client, ClientConfig, NetError, Request};

/// For one request and its answer.
const TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait between two attempts, whatever was asked for.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 32 << 20;
const HEADER_BYTES_MAX: usize = 64 << 10;

/// Who sends.
pub enum PushAuth {
    /// Shows a token.
    Token(AccessToken),
    /// Signs.
    Secret(Secret),
}

/// One push.
#[derive(Debug, Clone, Copy)]
pub struct PushRequest<'a> {
    /// The same for every attempt.
    pub key: &'a str,
    /// What the body is.
    pub media_type: &'a str,
    /// What is sent.
    pub body: &'a [u8],
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushReply {
    /// As it came.
    pub body: String,
    /// It had been taken before.
    pub replayed: bool,
}

/// Why it was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRefused {
    /// For people.
    pub detail: String,
    /// Part by part, as the other side says.
    pub errors: Vec<Value>,
    /// Sending it again would change nothing.
    pub is_final: bool,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum PushClientError {
    /// The network side of it.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The key.
    #[error(transparent)]
    Secret(#[from] SecretProblem),
    /// Not to be sent as a header.
    #[error("the token cannot be sent in a header")]
    Token,
}

/// Sends pushes to one place.
pub struct PushClient {
    client: Client,
    url: Url,
    authorization: Option<HeaderValue>,
    signer: Option<Signer>,
    retries: u32,
    clock: Clock,
    allow_private: Arc<[Cidr]>,
}

impl PushClient {
    /// Prepares keys and connections. Any address may be sent to: whoever calls it names the place.
    ///
    /// # Errors
    /// [`PushClientError`].
    pub fn new(url: Url, auth: PushAuth, retries: u32, clock: Clock) -> Result<Self, PushClientError> {
        let client = Client::new(ClientConfig {
            user_agent: concat!("wirewatch-push/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
            idle_timeout: TIMEOUT,
            header_bytes_max: HEADER_BYTES_MAX,
            keep_alive: Duration::from_secs(30),
            idle_connections_per_host_max: 1,
            ca_file: None,
            proxy: None,
        })?;
        let (authorization, signer) = match auth {
            PushAuth::Token(token) => {
                let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
                let mut value = value.map_err(|_| PushClientError::Token)?;
                value.set_sensitive(true);
                (Some(value), None)
            }
            PushAuth::Secret(secret) => (None, Some(Signer::new(&[secret])?)),
        };
        let all = ["0.0.0.0/0", "::/0"].map(|range| Cidr::parse(range).expect("invariant: a range"));
        Ok(Self { client, url, authorization, signer, retries, clock, allow_private: Arc::from(all) })
    }

    /// Sends until there is an answer, under one key.
    ///
    /// # Errors
    /// [`PushRefused`].
    pub async fn push(&self, request: &PushRequest<'_>) -> Result<PushReply, PushRefused> {
        let mut attempt = 0;
        loop {
            let (refused, wait) = match self.attempt(request).await {
                Ok(reply) => return Ok(reply),
                Err(refused) => refused,
            };
            if refused.is_final || attempt >= self.retries {
                return Err(refused);
            }
            let usual = Duration::from_millis(500) * 2u32.saturating_pow(attempt.min(7));
            tokio::time::sleep(wait.unwrap_or(usual).min(WAIT_MAX)).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, request: &PushRequest<'_>) -> Result<PushReply, (PushRefused, Option<Duration>)> {
        let broken = |detail: String, is_final| (PushRefused { detail, errors: Vec::new(), is_final }, None);
        let headers = self.headers(request).ok_or_else(|| broken("the key or type is no header".to_owned(), true))?;
        let sent = Request {
            method: Method::POST,
            url: &self.url,
            headers,
            body: Some(request.body.to_vec()),
            timeout: TIMEOUT,
            limit: BodyLimit::Whole(ANSWER_BYTES_MAX),
            allow_private: &self.allow_private,
        };
        let response = self.client.send(sent).await.map_err(|error| broken(error.to_string(), false))?;
        let body = String::from_utf8_lossy(&response.body).into_owned();
        if response.status.is_success() {
            return Ok(PushReply { body, replayed: response.headers.contains_key("idempotent-replay") });
        }
        let seconds = response.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let problem: Value = serde_json::from_str(&body).unwrap_or_default();
        let said = problem["detail"].as_str().map_or_else(|| format!("answered {}", response.status), str::to_owned);
        let hint = problem["hint"].as_str().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let passing = response.status.is_server_error() || matches!(response.status.as_u16(), 408 | 409 | 429);
        let refused = PushRefused { detail: format!("{said}{hint}"), errors, is_final: !passing };
        Err((refused, seconds.map(Duration::from_secs)))
    }

    fn headers(&self, request: &PushRequest<'_>) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(request.media_type).ok()?);
        let key = HeaderValue::from_str(request.key).ok()?;
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
            headers.insert("idempotency-key", key.clone());
        }
        if let Some(signer) = &self.signer {
            // Signed anew at each attempt: an old signature is refused, and the id says that it is the same push.
            let now = self.clock.now();
            let signature = signer.sign(request.key, now, request.body);
            headers.insert(ID_HEADER, key);
            headers.insert(TIMESTAMP_HEADER, HeaderValue::from_str(&now.seconds().to_string()).ok()?);
            headers.insert(SIGNATURE_HEADER, HeaderValue::from_str(&signature).ok()?);
        }
        Some(headers)
    }
}
