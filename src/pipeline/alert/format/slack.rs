//! Slack incoming webhook: blocks whose words are `plain_text`, which knows neither markup nor mentions;
//! the one `mrkdwn` holds our own words around a checked link.
//! Limits: <https://docs.slack.dev/reference/block-kit/blocks>

use serde_json::{Value, json};

use super::fit::{Unit, fit, slack, slack_plain};
use super::message::Message;

/// Header block.
const HEADER_MAX: usize = 150;
/// Text of a section block.
const SECTION_MAX: usize = 3000;
/// Elements of a context block.
const CONTEXT_ELEMENTS_MAX: usize = 10;
/// Blocks of a message.
const BLOCKS_MAX: usize = 50;
/// Characters of an element that is only an aside.
const ASIDE_MAX: usize = 300;
/// Alerts of a digest shown; each takes one block.
const ENTRIES_MAX: usize = 30;

/// Renders the message.
pub(super) fn render(message: &Message) -> Value {
    let head = fit(&message.head, ASIDE_MAX, Unit::Utf16, slack_plain);
    let mut blocks = vec![
        json!({"type": "context", "elements": [text(&head)]}),
        json!({"type": "header", "text": text(&or_dash(fit(&message.title, HEADER_MAX, Unit::Utf16, slack_plain)))}),
    ];
    // Asked after the cleaning: a text of nothing but direction marks is empty then.
    let words = fit(&message.text, SECTION_MAX.min(600), Unit::Utf16, slack_plain);
    if !words.trim().is_empty() {
        blocks.push(section(&words));
    }
    for entry in message.entries.iter().take(ENTRIES_MAX) {
        let line = format!("{} — {}", entry.title, entry.note());
        blocks.push(section(&fit(&line, ASIDE_MAX, Unit::Utf16, slack_plain)));
    }
    let hidden = message.omitted + message.entries.len().saturating_sub(ENTRIES_MAX) as u64;
    if hidden > 0 {
        blocks.push(section(&format!("and {hidden} more")));
    }
    if let Some(url) = &message.url {
        let link = format!("<{}|Read it>", url.replace('&', "&amp;"));
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": link}}));
    }
    let mut asides: Vec<Value> = message
        .facts
        .iter()
        .map(|(name, value)| text(&fit(&format!("{name}: {value}"), ASIDE_MAX, Unit::Utf16, slack_plain)))
        .collect();
    asides.push(text(&fit(&message.foot, ASIDE_MAX, Unit::Utf16, slack_plain)));
    asides.truncate(CONTEXT_ELEMENTS_MAX);
    blocks.push(json!({"type": "context", "elements": asides}));
    blocks.truncate(BLOCKS_MAX);
    // What notifications show; markup is off and its characters are escaped all the same.
    let summary = fit(&format!("{}: {}", message.head, message.title), SECTION_MAX, Unit::Utf16, slack);
    json!({"text": summary, "mrkdwn": false, "unfurl_links": false, "unfurl_media": false, "blocks": blocks})
}

fn text(text: &str) -> Value {
    json!({"type": "plain_text", "text": text, "emoji": false})
}

fn section(words: &str) -> Value {
    json!({"type": "section", "text": text(words)})
}

/// Slack refuses an empty text.
fn or_dash(text: String) -> String {
    if text.is_empty() { "—".to_owned() } else { text }
}
