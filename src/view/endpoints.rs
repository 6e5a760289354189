//! How each endpoint of the config stands.

use serde::Serialize;

use crate::deliver::EndpointConfig;
use crate::store::outbox::{self, EndpointHealth};
use crate::store::{AlertRecord, Store, StoreError};

/// One endpoint.
#[derive(Debug, Serialize)]
pub struct EndpointLine {
    /// Its id in the config.
    pub id: String,
    /// How it is written to.
    pub format: &'static str,
    /// Without user info and query, which may be secrets.
    pub url: Option<String>,
    /// Used or not.
    pub enabled: bool,
    /// Its figures.
    #[serde(flatten)]
    pub health: EndpointHealth,
}

impl EndpointLine {
    /// From the config and what the store says.
    #[must_use]
    pub fn of(endpoint: &EndpointConfig, health: EndpointHealth) -> Self {
        let url = endpoint.url.as_ref().map(|url| {
            let host = url.host_str().unwrap_or_default();
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            // A chat service's path is its secret.
            let path = if endpoint.format.is_chat() { "/…" } else { url.path() };
            format!("{}://{host}{port}{path}", url.scheme())
        });
        let id = endpoint.id.as_str().to_owned();
        Self { id, format: endpoint.format.as_str(), url, enabled: endpoint.enabled, health }
    }
}

/// Exactly what an endpoint is sent of an alert, or would be.
#[derive(Debug, Serialize)]
pub struct EndpointPreview {
    /// The endpoint.
    pub endpoint: String,
    /// The alert.
    pub alert: String,
    /// What kind of alert it is.
    pub r#type: String,
    /// What the body is; empty where it is printed.
    pub content_type: String,
    /// How long it is.
    pub bytes: usize,
    /// The body, byte for byte: all of them are text.
    pub body: String,
    /// The payload before it is put into the endpoint's form.
    #[serde(skip)]
    pub payload: Vec<u8>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The endpoint's template fails on it.
    #[error("{0}")]
    Render(String),
}

impl EndpointPreview {
    /// Of one alert.
    ///
    /// # Errors
    /// [`PreviewError`] when the store cannot be read or the body cannot be made.
    pub fn of(endpoint: &EndpointConfig, alert: &AlertRecord, store: &Store) -> Result<Self, PreviewError> {
        // What it is owed may say less than the alert: only its topics, and what it was told before. Once written, the
        // bytes are those, whatever the config says now.
        let owed = store.read("read what is owed", |c| outbox::owed(c, &alert.id, &endpoint.id))?;
        let (payload, written) = owed.unwrap_or_else(|| (alert.payload.get().as_bytes().to_vec(), None));
        let rendered = match written {
            Some(content_type) => Some((payload.clone(), content_type)),
            None => endpoint
                .wire_format()
                .render(&payload)
                .map_err(|error| PreviewError::Render(error.to_string()))?
                .map(|body| (body.bytes, body.content_type)),
        };
        let (bytes, content_type) = rendered.unwrap_or_else(|| (payload.clone(), "application/json".to_owned()));
        Ok(Self {
            endpoint: endpoint.id.as_str().to_owned(),
            alert: alert.id.clone(),
            r#type: alert.r#type.clone(),
            content_type,
            bytes: bytes.len(),
            body: String::from_utf8_lossy(&bytes).into_owned(),
            payload,
        })
    }
}
