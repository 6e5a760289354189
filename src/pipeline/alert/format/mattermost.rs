//! Mattermost incoming webhook: one attachment, markdown escaped, signs of mentions broken up.
//! Limit: 16,383 characters a post. <https://developers.mattermost.com/integrate/reference/message-attachments/>

use serde_json::{Value, json};

use super::discord::colour;
use super::fit::{Unit, fit, markdown};
use super::message::Message;

/// Characters of a post, attachments included.
#[cfg(test)]
pub(super) const POST_MAX: usize = 16_383;
const TITLE_MAX: usize = 300;
const TEXT_MAX: usize = 1000;
const LINE_MAX: usize = 200;
/// Alerts of a digest shown.
const ENTRIES_MAX: usize = 40;

/// Renders the message.
pub(super) fn render(message: &Message) -> Value {
    let line = |text: &str, max: usize| fit(text, max, Unit::Utf16, markdown);
    let mut words: Vec<String> = vec![line(&message.text, TEXT_MAX)];
    words.extend(
        message.entries.iter().take(ENTRIES_MAX).map(|e| line(&format!("{} — {}", e.title, e.note()), LINE_MAX)),
    );
    let hidden = message.omitted + message.entries.len().saturating_sub(ENTRIES_MAX) as u64;
    if hidden > 0 {
        words.push(format!("and {hidden} more"));
    }
    words.retain(|line| !line.is_empty());
    let fields: Vec<Value> = message
        .facts
        .iter()
        .map(|(name, value)| json!({"title": name, "value": line(value, LINE_MAX), "short": true}))
        .collect();
    let mut attachment = json!({
        "fallback": line(&format!("{}: {}", message.head, message.title), TITLE_MAX),
        "color": format!("#{:06x}", colour(message.severity)),
        "pretext": line(&message.head, LINE_MAX),
        "title": line(&message.title, TITLE_MAX),
        "text": words.join("\n\n"),
        "fields": fields,
        "footer": line(&message.foot, LINE_MAX),
    });
    if let Some(url) = &message.url {
        attachment["title_link"] = url.as_str().into();
    }
    json!({"username": "wirewatch", "attachments": [attachment]})
}
