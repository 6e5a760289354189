//! The way to one endpoint: a stored body becomes a signed POST through the guarded client, or a block
//! on the console, and whatever comes back becomes an [`Answer`]. Judging it is `retry`'s.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use url::Url;

use super::console::Console;
use super::hidden::HiddenTexts;
#[cfg(feature = "email")]
use super::mail::MailServer;
use super::retry::{Failure, Outcome, RetryAfter};
use super::secret::{AccessToken, Secret, SecretError, SecretProblem};
use super::sign::{ID_HEADER, SIGNATURE_HEADER, Signer, TIMESTAMP_HEADER};
use super::{DeliveryConfig, EndpointConfig, PayloadFormat};
use crate::files::is_shortage;
use crate::model::Timestamp;
use crate::net::{BodyLimit, Cidr, Client, ClientConfig, NetError, Request};
use crate::store::outbox::Claimed;
use crate::text::clean;

/// Bytes of an answer that are read, whatever it says.
const ANSWER_BYTES_MAX: usize = 16 << 10;
/// Header bytes of an answer.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// Characters of an answer that are kept with the attempt.
const EXCERPT_CHARS_MAX: usize = 200;
/// Unused connections are closed before most servers would close them on us.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A way to an endpoint, opened.
pub(super) enum Channel {
    /// Over HTTP; boxed, for it is far larger.
    Webhook(Box<Webhook>),
    /// On our own output.
    Console(Console),
    /// By mail.
    #[cfg(feature = "email")]
    Mail(Box<MailServer>),
}

/// What HTTP delivery needs.
pub(super) struct Webhook {
    client: Client,
    url: Url,
    signer: Option<Signer>,
    /// With the key that is on its way out beside the new one, and until when.
    rotating: Option<(Signer, Timestamp)>,
    headers: HeaderMap,
    timeout: Duration,
    allow_private: Arc<[Cidr]>,
    /// What no answer may show.
    withheld: HiddenTexts,
}

/// Why there is no way to an endpoint for now.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChannelError {
    /// No usable secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The key pair is broken.
    #[error("use the signing secret: {0}")]
    Key(#[from] SecretProblem),
    /// No HTTP client: certificate file, host without roots.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The config refuses these.
    #[error("the header `{0}` cannot be sent")]
    Header(String),
    /// Only `console` does without.
    #[error("the endpoint has no `url`")]
    NoUrl,
    /// Mail cannot be sent as configured.
    #[error("send mail: {0}")]
    Mail(String),
    /// A bot is known by its token.
    #[error("the endpoint has no token: set `secret_file` or `secret_credential`")]
    NoToken,
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// For `retry`.
    pub(super) outcome: Outcome,
    /// The beginning of the answer, cleaned.
    pub(super) excerpt: Option<String>,
    /// What went wrong, in words; `None` for a 2xx.
    pub(super) error: Option<String>,
}

impl Channel {
    /// Reads the secret and sets up the client. Blocks on small files; costs milliseconds.
    pub(super) fn open(
        endpoint: &EndpointConfig,
        config: &DeliveryConfig,
        console: &Console,
    ) -> Result<Self, ChannelError> {
        if endpoint.format == PayloadFormat::Console {
            return Ok(Self::Console(console.in_zone(&endpoint.timing.zone)));
        }
        if endpoint.format == PayloadFormat::Telegram {
            return Self::telegram(endpoint, config);
        }
        if endpoint.format == PayloadFormat::Email {
            return Self::mail(endpoint);
        }
        let secret = match (&endpoint.secret_file, &endpoint.secret_credential) {
            (Some(path), _) => Some(Secret::from_file(path)?),
            (None, Some(name)) => Some(Secret::from_credential(name)?),
            (None, None) => None,
        };
        let client = Client::new(client_config(config, endpoint.ca_file.clone(), endpoint.concurrency))?;
        let rotating = match (&secret, &endpoint.secret_old) {
            (Some(secret), Some((path, until))) => {
                Some((Signer::new(&[secret.clone(), Secret::from_file(path)?])?, *until))
            }
            _ => None,
        };
        let url = endpoint.post_url().ok_or(ChannelError::NoUrl)?;
        // Of the whole address: what a service takes at its root may still be named in its answer.
        let mut withheld = HiddenTexts::of_request(endpoint.url.as_ref().unwrap_or(&url), &endpoint.headers);
        withheld.also(&HiddenTexts::of_request(&url, &[]));
        Ok(Self::Webhook(Box::new(Webhook {
            client,
            withheld,
            url,
            signer: secret.map(|secret| Signer::new(&[secret])).transpose()?,
            rotating,
            headers: own_headers(&endpoint.headers)?,
            timeout: endpoint.timeout,
            allow_private: endpoint.allow_private.clone().into(),
        })))
    }

    /// The bot's token is a part of the path, which no error or log shows.
    fn telegram(endpoint: &EndpointConfig, config: &DeliveryConfig) -> Result<Self, ChannelError> {
        let token = token(endpoint)?.ok_or(ChannelError::NoToken)?;
        let mut url = endpoint.url.clone().ok_or(ChannelError::NoUrl)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(&format!("bot{}", token.expose())).push("sendMessage");
        }
        Ok(Self::Webhook(Box::new(Webhook {
            client: Client::new(client_config(config, endpoint.ca_file.clone(), endpoint.concurrency))?,
            withheld: HiddenTexts::of_request(&url, &endpoint.headers),
            url,
            signer: None,
            rotating: None,
            headers: own_headers(&endpoint.headers)?,
            timeout: endpoint.timeout,
            allow_private: endpoint.allow_private.clone().into(),
        })))
    }

    #[cfg(feature = "email")]
    fn mail(endpoint: &EndpointConfig) -> Result<Self, ChannelError> {
        Ok(Self::Mail(Box::new(MailServer::open(endpoint, token(endpoint)?)?)))
    }

    #[cfg(not(feature = "email"))]
    fn mail(_: &EndpointConfig) -> Result<Self, ChannelError> {
        Err(ChannelError::Mail("this build leaves mail out".to_owned()))
    }

    /// Makes one attempt.
    pub(super) async fn send(&self, row: &mut Claimed, now: Timestamp) -> Answer {
        match self {
            Self::Webhook(webhook) => webhook.post(row, now).await,
            Self::Console(console) => print(console.clone(), std::mem::take(&mut row.body)).await,
            #[cfg(feature = "email")]
            Self::Mail(server) => server.send(row).await,
        }
    }
}

/// What a service gave to be known by.
fn token(endpoint: &EndpointConfig) -> Result<Option<AccessToken>, SecretError> {
    match (&endpoint.secret_file, &endpoint.secret_credential) {
        (Some(path), _) => AccessToken::from_file(path).map(Some),
        (None, Some(name)) => AccessToken::from_credential(name).map(Some),
        (None, None) => Ok(None),
    }
}

fn client_config(config: &DeliveryConfig, ca_file: Option<PathBuf>, concurrency: usize) -> ClientConfig {
    ClientConfig {
        user_agent: config.user_agent.clone(),
        connect_timeout: config.connect_timeout,
        idle_timeout: Duration::from_secs(60),
        header_bytes_max: HEADER_BYTES_MAX,
        keep_alive: KEEP_ALIVE,
        idle_connections_per_host_max: concurrency,
        ca_file,
        proxy: None,
    }
}

fn own_headers(headers: &[(String, String)]) -> Result<HeaderMap, ChannelError> {
    let bad = |name: &str| ChannelError::Header(name.to_owned());
    let pair = |(name, value): &(String, String)| {
        let mut value = HeaderValue::from_str(value).map_err(|_| bad(name))?;
        // Some receivers want a key here: it never shows in a log.
        value.set_sensitive(true);
        Ok((HeaderName::try_from(name).map_err(|_| bad(name))?, value))
    };
    headers.iter().map(pair).collect()
}

impl Webhook {
    async fn post(&self, row: &mut Claimed, now: Timestamp) -> Answer {
        let headers = match self.headers(row, now) {
            Ok(headers) => headers,
            Err(problem) => return failed(Failure::Endpoint, problem),
        };
        let request = Request {
            method: Method::POST,
            url: &self.url,
            headers,
            body: Some(std::mem::take(&mut row.body)),
            timeout: self.timeout,
            limit: BodyLimit::Excerpt(ANSWER_BYTES_MAX),
            allow_private: &self.allow_private,
        };
        match self.client.send(request).await {
            Ok(response) => answered(response.status.as_u16(), &response.headers, &response.body, &self.withheld),
            Err(error) => failed(failure_of(&error), self.withheld.hide(&error.to_string())),
        }
    }

    fn headers(&self, row: &Claimed, now: Timestamp) -> Result<HeaderMap, String> {
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| "a header value is not printable".to_owned());
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, value(&row.content_type)?);
        headers.insert(HeaderName::from_static(ID_HEADER), value(&row.webhook_id)?);
        headers.insert(HeaderName::from_static(TIMESTAMP_HEADER), HeaderValue::from(now.seconds()));
        let signer = match &self.rotating {
            Some((both, until)) if now < *until => Some(both),
            _ => self.signer.as_ref(),
        };
        if let Some(signer) = signer {
            headers.insert(
                HeaderName::from_static(SIGNATURE_HEADER),
                value(&signer.sign(&row.webhook_id, now, &row.body))?,
            );
        }
        Ok(headers)
    }
}

impl ChannelError {
    /// As the answer of an attempt that was not made.
    pub(super) fn as_answer(&self) -> Answer {
        let failure = match self {
            Self::Secret(SecretError::Read { source, .. }) if is_shortage(source) => Failure::Shortage,
            Self::Secret(_) | Self::Key(_) | Self::NoToken => Failure::Secret,
            Self::Net(_) | Self::NoUrl | Self::Header(_) | Self::Mail(_) => Failure::Endpoint,
        };
        failed(failure, self.to_string())
    }
}

fn answered(status: u16, headers: &HeaderMap, body: &[u8], withheld: &HiddenTexts) -> Answer {
    // Before it is cut short: half a secret is one, too.
    let excerpt = clean::excerpt(&withheld.hide(&String::from_utf8_lossy(body)), EXCERPT_CHARS_MAX);
    let excerpt = (!excerpt.is_empty()).then_some(excerpt);
    if (200..300).contains(&status) {
        return Answer { outcome: Outcome::Answered { status, retry_after: None }, excerpt, error: None };
    }
    let retry_after = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(RetryAfter::parse)
        .or_else(|| if status == 429 { retry_after_in_body(body) } else { None });
    let error = match (&excerpt, headers.get(reqwest::header::LOCATION).is_some()) {
        (_, true) => format!("answered {status}, a redirect"),
        (Some(excerpt), false) => format!("answered {status}: {excerpt}"),
        (None, false) => format!("answered {status}"),
    };
    Answer { outcome: Outcome::Answered { status, retry_after }, excerpt, error: Some(error) }
}

/// Discord and Telegram say it in the body, in seconds; Discord with a fraction.
fn retry_after_in_body(body: &[u8]) -> Option<RetryAfter> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let seconds = answer.get("retry_after").or_else(|| answer.pointer("/parameters/retry_after"))?.as_f64()?;
    Duration::try_from_secs_f64(seconds).ok().map(RetryAfter::Delay)
}

pub(super) fn failed(failure: Failure, error: String) -> Answer {
    Answer { outcome: Outcome::Failed(failure), excerpt: None, error: Some(error) }
}

fn failure_of(error: &NetError) -> Failure {
    match error {
        NetError::Url { .. } | NetError::CaFile { .. } | NetError::Setup { .. } => Failure::Endpoint,
        NetError::PrivateAddress { .. } => Failure::ForbiddenAddress,
        NetError::Dns { .. } => Failure::Dns,
        NetError::Connect { .. } => Failure::Connect,
        NetError::Local { .. } => Failure::Shortage,
        NetError::Tls { .. } => Failure::Tls,
        // Too slow to connect is no connection: nothing can have been received.
        NetError::Timeout { .. } if !error.may_have_been_received() => Failure::Connect,
        NetError::Timeout { .. } => Failure::Timeout,
        NetError::Reset { .. } => Failure::Reset,
        NetError::TooLarge { .. } => Failure::Protocol,
    }
}

/// A terminal or pipe may block, so it is written to off the runtime.
async fn print(console: Console, payload: Vec<u8>) -> Answer {
    let printed = tokio::task::spawn_blocking(move || console.print(&payload)).await;
    match printed {
        Ok(Ok(())) => {
            Answer { outcome: Outcome::Answered { status: 200, retry_after: None }, excerpt: None, error: None }
        }
        Ok(Err(error)) => failed(Failure::Output, format!("write to the console: {error}")),
        Err(error) => failed(Failure::Output, format!("write to the console: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, headers: &HeaderMap, body: &[u8]) -> Answer {
        super::answered(status, headers, body, &HiddenTexts::default())
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn answer_excerpt_is_cleaned_and_short() {
        let answer = answered(500, &headers(&[]), "bad\r\n\u{1b}[31mERROR forged".as_bytes());
        assert_eq!(answer.excerpt.as_deref(), Some("bad [31mERROR forged"));
        assert_eq!(answer.error.as_deref(), Some("answered 500: bad [31mERROR forged"));
        let long = answered(500, &headers(&[]), "ж".repeat(5000).as_bytes());
        assert_eq!(long.excerpt.map(|text| text.chars().count()), Some(EXCERPT_CHARS_MAX));
        assert_eq!(answered(204, &headers(&[]), b"").error, None);
    }

    #[test]
    fn answer_retry_after_comes_from_header_or_discord_body() {
        let delay = |answer: Answer| match answer.outcome {
            Outcome::Answered { retry_after: Some(RetryAfter::Delay(delay)), .. } => Some(delay),
            _ => None,
        };
        let body = br#"{"message":"You are being rate limited.","retry_after":1.5,"global":false}"#;
        assert_eq!(delay(answered(429, &headers(&[("retry-after", "7")]), body)), Some(Duration::from_secs(7)));
        assert_eq!(delay(answered(429, &headers(&[]), body)), Some(Duration::from_millis(1500)));
        assert_eq!(delay(answered(500, &headers(&[]), body)), None, "only where it means something");
        assert_eq!(delay(answered(429, &headers(&[]), br#"{"retry_after":-1}"#)), None);
        assert_eq!(delay(answered(429, &headers(&[]), b"not json")), None);
        let telegram = br#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 9","parameters":{"retry_after":9}}"#;
        assert_eq!(delay(answered(429, &headers(&[]), telegram)), Some(Duration::from_secs(9)));
    }

    #[test]
    fn answer_redirect_is_named_without_following() {
        let answer = answered(302, &headers(&[("location", "http://10.0.0.1/?token=canary")]), b"moved");
        assert_eq!(answer.error.as_deref(), Some("answered 302, a redirect"));
    }
}
