//! ntfy, published as JSON: plain text with a title, a priority and a link.
//! Limit: 4,096 bytes a message, beyond which the server makes an attachment of it.
//! <https://docs.ntfy.sh/publish/#publish-as-json>, <https://docs.ntfy.sh/publish/#limitations>

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::fit::{Unit, fit, plain};
use super::message::Message;
use crate::model::Severity;

/// Bytes of the message.
pub(super) const MESSAGE_BYTES_MAX: usize = 4096;
/// Bytes of the title.
pub(super) const TITLE_BYTES_MAX: usize = 250;
const LINE_BYTES_MAX: usize = 900;
const ENTRY_BYTES_MAX: usize = 200;
/// Room for the last lines.
const TAIL_BYTES: usize = 320;
/// Of the small print, with the link that says why.
const FOOT_MAX: usize = 160;

/// Renders the message.
pub(super) fn render(message: &Message, topic: &str) -> Value {
    let line = |text: &str, max: usize| fit(text, max, Unit::Byte, plain);
    let mut out = String::new();
    let mut add = |words: &str| {
        let room = out.len() + words.len() + 1 + TAIL_BYTES <= MESSAGE_BYTES_MAX;
        if room && !words.trim().is_empty() {
            out.push_str(if out.is_empty() { "" } else { "\n" });
            out.push_str(words);
        }
        room
    };
    add(&line(&message.byline, ENTRY_BYTES_MAX));
    for paragraph in message.paragraphs() {
        add(&line(&paragraph, LINE_BYTES_MAX));
    }
    let entry =
        |title: &str, note: &str| format!("• {} — {}", line(title, ENTRY_BYTES_MAX), line(note, ENTRY_BYTES_MAX));
    for other in &message.headlines {
        add(&entry(&other.title, &other.outlet));
    }
    let shown = message.entries.iter().take_while(|e| add(&entry(&e.title, &e.note))).count();
    if let Some(more) = message.more(shown) {
        let _ = write!(out, "\n{more}");
    }
    let _ = write!(out, "{}{}", if out.is_empty() { "" } else { "\n" }, line(&message.foot, FOOT_MAX));
    // Names of emojis: the server shows any other word as it is.
    let (priority, tags) = match message.severity {
        Severity::Low => (2, json!([])),
        Severity::Medium => (3, json!([])),
        Severity::High => (4, json!(["warning"])),
        Severity::Critical => (5, json!(["rotating_light"])),
    };
    let mut body = json!({
        "topic": topic,
        "title": line(&message.headline, TITLE_BYTES_MAX),
        "message": out,
        "priority": priority,
        "tags": tags,
    });
    if let Some(url) = &message.url {
        body["click"] = url.as_str().into();
    }
    body
}
