//! Mattermost incoming webhook: one attachment. Its text is markdown and is escaped; its author, footer, fallback
//! and linked title are plain text and are not. Signs of mentions are broken up everywhere.
//! Limit: 16,383 characters a post. <https://developers.mattermost.com/integrate/reference/message-attachments/>

use serde_json::{Value, json};

use super::discord::{colour, linked};
use super::fit::{Unit, fit, markdown, without_mentions};
use super::message::Message;

const TITLE_MAX: usize = 300;
const LINE_MAX: usize = 600;
const ENTRY_MAX: usize = 150;
/// Characters of the text: what is written around it and escaped once more in JSON has room beside it.
const TEXT_MAX: usize = 12_000;

/// Renders the message.
pub(super) fn render(message: &Message) -> Value {
    let plain = |text: &str, max: usize| fit(text, max, Unit::Utf16, without_mentions);
    let marked = |text: &str, max: usize| fit(text, max, Unit::Utf16, markdown);
    let entry = |title: &str, url: Option<&str>, note: &str| {
        let (title, note) = (marked(title, ENTRY_MAX), marked(note, ENTRY_MAX));
        format!("• {} — {note}", linked(&title, url))
    };
    let mut lines: Vec<String> = vec![marked(&message.byline, LINE_MAX)];
    lines.extend(message.paragraphs().iter().map(|paragraph| marked(paragraph, LINE_MAX)));
    lines.extend(message.headlines.iter().map(|other| entry(&other.title, other.url.as_deref(), &other.outlet)));
    let mut used: usize = lines.iter().map(|line| line.encode_utf16().count() + 2).sum();
    let mut shown = 0;
    for line in message.entries.iter().map(|e| entry(&e.title, e.url.as_deref(), &e.note)) {
        used += line.encode_utf16().count() + 2;
        if used > TEXT_MAX {
            break;
        }
        lines.push(line);
        shown += 1;
    }
    lines.extend(message.more(shown));
    lines.retain(|line| !line.trim().is_empty());
    // A title without a link is read as markdown.
    let title = if message.url.is_some() { plain } else { marked };
    let mut attachment = json!({
        "fallback": plain(&message.summary(), TITLE_MAX),
        "color": format!("#{:06x}", colour(message.severity)),
        "title": title(&message.headline, TITLE_MAX),
        "text": lines.join("\n\n"),
        "footer": plain(&message.foot, TITLE_MAX),
    });
    if let Some(url) = &message.url {
        attachment["title_link"] = url.as_str().into();
    }
    json!({"username": "wirewatch", "attachments": [attachment]})
}
