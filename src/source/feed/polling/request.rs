//! What one feed's requests carry besides the usual: its own header fields, its credentials out of a
//! file, its `User-Agent`. Built anew for each poll; `fetch` sees to it that no other host gets any of it.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::schedule::PollFailure;
use crate::model::FeedFailure;
use crate::net;
use crate::source::feed::{Credentials, FeedConfig};

/// Bytes of a file with credentials; more is not a secret but the wrong file.
const SECRET_BYTES_MAX: usize = 4096;

/// Header fields of one feed's requests.
#[derive(Debug, Clone, Default)]
pub struct RequestExtras {
    /// `Authorization`, from a file or from the URL's userinfo.
    pub authorization: Option<HeaderValue>,
    /// Further fields, for the feed's own host.
    pub headers: HeaderMap,
    /// `User-Agent`, for every host.
    pub user_agent: Option<HeaderValue>,
}

/// Puts it together.
///
/// # Errors
/// A failure of class `unauthorized` when the file with the credentials cannot be used.
pub(super) async fn carried(feed: &FeedConfig) -> Result<RequestExtras, PollFailure> {
    let mut headers = HeaderMap::with_capacity(feed.fetch.headers.len());
    for (name, value) in &feed.fetch.headers {
        // The config has checked them; what cannot be sent is not sent.
        if let (Ok(name), Ok(mut value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            value.set_sensitive(true);
            headers.append(name, value);
        }
    }
    let authorization = match &feed.fetch.credentials {
        Some(credentials) => Some(authorization(credentials).await?),
        None => net::credentials(&feed.url),
    };
    let user_agent = feed.fetch.user_agent.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    Ok(RequestExtras { authorization, headers, user_agent })
}

async fn authorization(credentials: &Credentials) -> Result<HeaderValue, PollFailure> {
    use base64::Engine;
    let (Credentials::Basic(path) | Credentials::Bearer(path)) = credentials;
    let refuse =
        |why: String| PollFailure::new(FeedFailure::Unauthorized, format!("the secret file {} {why}", path.display()));
    let bytes = tokio::fs::read(path).await.map_err(|error| refuse(format!("cannot be read: {error}")))?;
    let secret = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
    if secret.is_empty() || secret.len() > SECRET_BYTES_MAX {
        return Err(refuse("holds no secret".to_owned()));
    }
    if secret.iter().any(u8::is_ascii_control) {
        return Err(refuse("must hold one line".to_owned()));
    }
    let text = match credentials {
        Credentials::Basic(_) if !secret.contains(&b':') => return Err(refuse("must hold user:password".to_owned())),
        Credentials::Basic(_) => format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(secret)),
        Credentials::Bearer(_) => format!("Bearer {}", String::from_utf8_lossy(secret)),
    };
    let mut value =
        HeaderValue::from_str(&text).map_err(|_| refuse("holds what cannot be sent in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
