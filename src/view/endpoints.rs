//! How each endpoint of the config stands.

use serde::Serialize;

use crate::deliver::EndpointConfig;
use crate::store::outbox::EndpointHealth;

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
