//! Microsoft Teams workflow: an adaptive card of text runs, which know no markdown; a mention needs an
//! entity that is never written here. Limit: 28 KB a message.
//! <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>

use serde_json::{Value, json};

use super::fit::{Unit, card, fit};
use super::message::Message;
use crate::model::Severity;

/// Bytes of a message.
#[cfg(test)]
pub(super) const MESSAGE_BYTES_MAX: usize = 28 * 1024;
const TITLE_MAX: usize = 300;
const TEXT_MAX: usize = 800;
const LINE_MAX: usize = 160;
/// Alerts of a digest shown: with the longest texts in four-byte characters they still fit.
const ENTRIES_MAX: usize = 15;

/// Renders the message.
pub(super) fn render(message: &Message) -> Value {
    let line = |text: &str, max: usize| fit(text, max, Unit::Utf16, card);
    let mut body = vec![
        rich(
            &json!({"type": "TextRun", "text": line(&message.head, LINE_MAX), "size": "Small", "color": colour(message.severity), "weight": "Bolder"}),
        ),
        rich(&json!({"type": "TextRun", "text": line(&message.title, TITLE_MAX), "size": "Large", "weight": "Bolder"})),
    ];
    if !message.text.trim().is_empty() {
        body.push(rich(&json!({"type": "TextRun", "text": line(&message.text, TEXT_MAX)})));
    }
    for entry in message.entries.iter().take(ENTRIES_MAX) {
        body.push(rich(
            &json!({"type": "TextRun", "text": line(&format!("{} — {}", entry.title, entry.note()), LINE_MAX)}),
        ));
    }
    let hidden = message.omitted + message.entries.len().saturating_sub(ENTRIES_MAX) as u64;
    if hidden > 0 {
        body.push(rich(&json!({"type": "TextRun", "text": format!("and {hidden} more")})));
    }
    for (name, value) in &message.facts {
        body.push(rich(&json!({"type": "TextRun", "text": line(&format!("{name}: {value}"), LINE_MAX), "isSubtle": true, "size": "Small"})));
    }
    body.push(rich(
        &json!({"type": "TextRun", "text": line(&message.foot, LINE_MAX), "isSubtle": true, "size": "Small"}),
    ));
    let mut content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": line(&format!("{}: {}", message.head, message.title), TITLE_MAX),
        "body": body,
    });
    if let Some(url) = &message.url {
        content["actions"] = json!([{"type": "Action.OpenUrl", "title": "Read it", "url": url}]);
    }
    json!({"type": "message", "attachments": [
        {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": content},
    ]})
}

fn rich(run: &Value) -> Value {
    json!({"type": "RichTextBlock", "inlines": [run]})
}

fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "Default",
        Severity::Medium => "Warning",
        Severity::High | Severity::Critical => "Attention",
    }
}
