//! Other wire formats: a standard payload becomes the body a chat service, an event bus or a template
//! asks for. Every word of a payload is somebody else's: it is data here, never markup, never a mention,
//! and cut to the published limits. Pure; the bytes are stored with the delivery.

mod cloudevents;
mod discord;
mod fit;
mod mattermost;
mod message;
mod ntfy;
mod sample;
mod slack;
mod teams;
mod template;

#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use template::{Template, TemplateProblem};

use message::Message;

/// How an endpoint wants its payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// The standard JSON payload, stored once for all who take it.
    Standard,
    /// CloudEvents 1.0, structured JSON.
    CloudEvents,
    /// Slack incoming webhook, blocks.
    Slack,
    /// Discord webhook, an embed.
    Discord,
    /// Microsoft Teams workflow, an adaptive card.
    Teams,
    /// Mattermost incoming webhook, an attachment.
    Mattermost,
    /// ntfy, published as JSON to this topic.
    Ntfy {
        /// ntfy's topic, from the last part of the endpoint's URL.
        topic: String,
    },
    /// A template of the operator's.
    Template(Template),
}

/// What goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The exact bytes.
    pub bytes: Vec<u8>,
    /// Their `content-type`.
    pub content_type: String,
}

/// Why there is no body: the delivery is parked with this reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The stored payload is not what it should be: a damaged store.
    #[error("render the alert: its stored payload is not JSON: {0}")]
    Payload(String),
    /// The template failed on this alert.
    #[error("render the alert: {0}")]
    Template(#[from] TemplateProblem),
}

impl Format {
    /// Renders a standard payload; `None` means that it goes out as it is.
    ///
    /// # Errors
    /// [`FormatError`]; only a template can fail on a payload of ours.
    pub fn render(&self, payload: &[u8]) -> Result<Option<Body>, FormatError> {
        if *self == Self::Standard {
            return Ok(None);
        }
        let value: Value = serde_json::from_slice(payload).map_err(|e| FormatError::Payload(e.to_string()))?;
        if let Self::Template(template) = self {
            return Ok(Some(template.render(&value)?));
        }
        let message = Message::of(&value);
        let (body, content_type) = match self {
            Self::CloudEvents => (cloudevents::render(&value), "application/cloudevents+json"),
            Self::Slack => (slack::render(&message), "application/json"),
            Self::Discord => (discord::render(&message), "application/json"),
            Self::Teams => (teams::render(&message), "application/json"),
            Self::Mattermost => (mattermost::render(&message), "application/json"),
            Self::Ntfy { topic } => (ntfy::render(&message, topic), "application/json"),
            Self::Standard | Self::Template(_) => unreachable!("invariant: returned above"),
        };
        Ok(Some(Body { bytes: body.to_string().into_bytes(), content_type: content_type.to_owned() }))
    }
}
