//! Other wire formats: a standard payload becomes the body a chat service, an event bus, a mail server or a
//! template asks for. Every word of a payload is somebody else's: it is data here, never markup, never a
//! mention, and cut to the published limits. Pure; the bytes are stored with the delivery.

mod cloudevents;
mod discord;
mod email;
mod fit;
mod mattermost;
mod message;
mod ntfy;
mod sample;
mod slack;
mod teams;
mod telegram;
mod template;
mod template_bounds;
mod words;

#[cfg(test)]
mod email_tests;
#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;
use serde_json::Value;

pub use email::{MailRoute, Mailbox};
pub use message::{LinkedHeadline, Message, StoryEntry};
pub use template::{Template, TemplateProblem};

/// A payload of every type and reason, for tests of what is said of them elsewhere.
#[cfg(test)]
pub(super) fn sample_payloads() -> Vec<Value> {
    std::iter::once(sample::matched()).chain(sample::others()).collect()
}

/// How an endpoint wants its payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// The standard JSON payload, stored once for all who take it.
    Standard,
    /// CloudEvents 1.0, structured JSON.
    CloudEvents,
    /// A template of the operator's.
    Template(Template),
    /// For people, through a service.
    People(Service, TimeZone),
}

/// A service that shows alerts to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
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
    /// Telegram's Bot API.
    Telegram {
        /// The chat's number, or `@name` of a public one.
        chat: String,
    },
    /// Mail.
    Email(MailRoute),
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
        let json = |body: &Value, content_type: &str| Body {
            bytes: body.to_string().into_bytes(),
            content_type: content_type.to_owned(),
        };
        Ok(Some(match self {
            Self::Standard => unreachable!("invariant: returned above"),
            Self::CloudEvents => json(&cloudevents::render(&value), "application/cloudevents+json"),
            Self::Template(template) => template.render(&value)?,
            Self::People(Service::Email(route), zone) => Body {
                bytes: email::render(&Message::of(&value, zone), &value, route, zone),
                content_type: "message/rfc822".to_owned(),
            },
            Self::People(service, zone) => json(&service.render(&Message::of(&value, zone)), "application/json"),
        }))
    }
}

impl Service {
    fn render(&self, message: &Message) -> Value {
        match self {
            Self::Slack => slack::render(message),
            Self::Discord => discord::render(message),
            Self::Teams => teams::render(message),
            Self::Mattermost => mattermost::render(message),
            Self::Ntfy { topic } => ntfy::render(message, topic),
            Self::Telegram { chat } => telegram::render(message, chat),
            Self::Email(_) => unreachable!("invariant: mail is no JSON"),
        }
    }
}
