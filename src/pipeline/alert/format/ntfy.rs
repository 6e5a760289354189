//! ntfy, published as JSON: plain text with a title, a priority and a link.
//! Limit: 4,096 bytes a message, beyond which the server makes an attachment of it.
//! <https://docs.ntfy.sh/publish/#publish-as-json>

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::fit::{Unit, fit, plain};
use super::message::Message;
use crate::model::Severity;

/// Bytes of the message.
pub(super) const MESSAGE_BYTES_MAX: usize = 4096;
/// Bytes of the title.
pub(super) const TITLE_BYTES_MAX: usize = 250;
const LINE_BYTES_MAX: usize = 200;
const TEXT_BYTES_MAX: usize = 1500;

/// Renders the message.
pub(super) fn render(message: &Message, topic: &str) -> Value {
    let line = |text: &str, max: usize| fit(text, max, Unit::Byte, plain);
    let mut out = line(&message.head, LINE_BYTES_MAX);
    for text in [line(&message.text, TEXT_BYTES_MAX)]
        .into_iter()
        .chain(message.facts.iter().map(|(name, value)| line(&format!("{name}: {value}"), LINE_BYTES_MAX)))
    {
        if !text.is_empty() {
            out.push('\n');
            out.push_str(&text);
        }
    }
    let mut shown = 0;
    for entry in &message.entries {
        let text = line(&format!("{} — {}", entry.title, entry.note()), LINE_BYTES_MAX);
        if out.len() + text.len() + 40 > MESSAGE_BYTES_MAX {
            break;
        }
        out.push('\n');
        out.push_str(&text);
        shown += 1;
    }
    let hidden = message.omitted + (message.entries.len() - shown) as u64;
    if hidden > 0 {
        let _ = write!(out, "\nand {hidden} more");
    }
    let priority = match message.severity {
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    };
    let mut body = json!({
        "topic": topic,
        "title": line(&message.title, TITLE_BYTES_MAX),
        "message": out,
        "priority": priority,
        "tags": [message.severity.as_str(), message.kind],
    });
    if let Some(url) = &message.url {
        body["click"] = url.as_str().into();
    }
    body
}
