//! Microsoft Teams workflow: an adaptive card of text runs, which know no markdown; a mention needs an
//! entity that is never written here. Limit: 28 KB a message.
//! <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook>,
//! <https://learn.microsoft.com/adaptive-cards/schema-explorer/text-run>

use serde_json::{Value, json};

use super::fit::{Unit, card, fit};
use super::message::Message;
use crate::model::Severity;

const TITLE_MAX: usize = 300;
const TEXT_MAX: usize = 500;
const LINE_MAX: usize = 140;
/// Stories of a digest shown: with the longest texts in four-byte characters and the longest links they still fit.
const ENTRIES_MAX: usize = 8;
/// A link of a digest's story longer than this is left out: eight of the longest would not fit.
const ENTRY_URL_MAX: usize = 500;

/// Renders the message.
pub(super) fn render(message: &Message) -> Value {
    let line = |text: &str, max: usize| fit(text, max, Unit::Utf16, card);
    let headline =
        json!({"type": "TextRun", "text": line(&message.headline, TITLE_MAX), "size": "Large", "weight": "Bolder"});
    let mut body = vec![rich(&[opening(headline, message.url.as_deref())])];
    let mut add = |words: String, look: Value| {
        if !words.trim().is_empty() {
            let mut run = look;
            run["type"] = "TextRun".into();
            run["text"] = words.into();
            body.push(rich(&[run]));
        }
    };
    add(line(&message.byline, LINE_MAX), json!({"isSubtle": true, "size": "Small"}));
    for paragraph in message.paragraphs() {
        let look = if paragraph == message.subject { json!({"color": colour(message.severity)}) } else { json!({}) };
        add(line(&paragraph, TEXT_MAX), look);
    }
    let entry = |title: &str, url: Option<&str>, note: &str| {
        let url = url.filter(|url| url.len() <= ENTRY_URL_MAX);
        let title = opening(json!({"type": "TextRun", "text": line(title, LINE_MAX)}), url);
        rich(&[title, json!({"type": "TextRun", "text": format!(" — {}", line(note, LINE_MAX)), "isSubtle": true})])
    };
    body.extend(message.headlines.iter().map(|other| entry(&other.title, other.url.as_deref(), &other.outlet)));
    body.extend(message.entries.iter().take(ENTRIES_MAX).map(|e| entry(&e.title, e.url.as_deref(), &e.note)));
    let more = message.more(ENTRIES_MAX);
    body.extend(more.map(|more| rich(&[json!({"type": "TextRun", "text": more})])));
    let foot = json!({"type": "TextRun", "text": line(&message.foot, LINE_MAX), "isSubtle": true, "size": "Small"});
    body.push(rich(&[foot]));
    let mut content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": line(&message.summary(), TITLE_MAX),
        "body": body,
    });
    if let Some(url) = &message.url {
        content["actions"] = json!([{"type": "Action.OpenUrl", "title": "Read it", "url": url}]);
    }
    json!({"type": "message", "attachments": [
        {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": content},
    ]})
}

fn rich(runs: &[Value]) -> Value {
    json!({"type": "RichTextBlock", "inlines": runs})
}

/// A run that opens a link.
fn opening(mut run: Value, url: Option<&str>) -> Value {
    if let Some(url) = url {
        run["selectAction"] = json!({"type": "Action.OpenUrl", "url": url});
    }
    run
}

fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "Default",
        Severity::Medium => "Warning",
        Severity::High | Severity::Critical => "Attention",
    }
}
