//! Slack incoming webhook: one `rich_text` block, whose texts and links are data and never markup or mentions,
//! and the small print beneath. Nothing in it is escaped, for nothing in it is read as markup; only the line for
//! notifications is. Limits: <https://docs.slack.dev/reference/block-kit/blocks/rich-text-block>,
//! <https://docs.slack.dev/reference/block-kit/composition-objects/text-object>

use serde_json::{Value, json};

use super::fit::{Unit, fit, plain, slack};
use super::message::Message;

/// A text object takes so many characters; whoever counts the whole block counts no less.
const BLOCK_MAX: usize = 3000;
const HEADLINE_MAX: usize = 300;
const LINE_MAX: usize = 500;
const ASIDE_MAX: usize = 150;
/// Stories of a digest shown.
const ENTRIES_MAX: usize = 30;

/// The sections of the block, and how many characters are left for them.
struct RichText {
    sections: Vec<Value>,
    left: usize,
}

/// Renders the message.
pub(super) fn render(message: &Message) -> Value {
    let mut rich = RichText { sections: Vec::new(), left: BLOCK_MAX - ASIDE_MAX };
    rich.linked(&or_dash(&message.headline), message.url.as_deref(), HEADLINE_MAX, true);
    rich.line(&message.byline);
    for paragraph in message.paragraphs() {
        rich.line(&paragraph);
    }
    for other in &message.headlines {
        rich.linked_entry(&other.title, other.url.as_deref(), &other.outlet);
    }
    let mut shown = 0;
    for entry in message.entries.iter().take(ENTRIES_MAX) {
        if !rich.linked_entry(&entry.title, entry.url.as_deref(), &entry.note) {
            break;
        }
        shown += 1;
    }
    rich.sections.extend(message.more(shown).map(|more| section(&[text(&more)])));
    let foot = json!({"type": "plain_text", "text": fit(&message.foot, ASIDE_MAX, Unit::Utf16, plain), "emoji": false});
    // What notifications show; markup is off and its characters are escaped all the same.
    let summary = fit(&or_dash(&message.summary()), BLOCK_MAX, Unit::Utf16, slack);
    json!({"text": summary, "mrkdwn": false, "unfurl_links": false, "unfurl_media": false, "blocks": [
        {"type": "rich_text", "elements": rich.sections},
        {"type": "context", "elements": [foot]},
    ]})
}

impl RichText {
    fn take(&mut self, words: &str, max: usize) -> Option<String> {
        let words = fit(words, max.min(self.left), Unit::Utf16, plain);
        // Asked after the cleaning: a text of nothing but direction marks is empty then, and an empty one is refused.
        if words.trim().is_empty() {
            return None;
        }
        self.left = self.left.saturating_sub(words.encode_utf16().count() + 1);
        Some(words)
    }

    fn line(&mut self, words: &str) {
        if let Some(words) = self.take(words, LINE_MAX) {
            self.sections.push(section(&[text(&words)]));
        }
    }

    fn linked(&mut self, words: &str, url: Option<&str>, max: usize, bold: bool) {
        if let Some(words) = self.take(words, max) {
            self.sections.push(section(&[link(&words, url, bold)]));
        }
    }

    /// A headline and what is to be said of it; whole or not at all.
    fn linked_entry(&mut self, title: &str, url: Option<&str>, note: &str) -> bool {
        if self.left < 2 * ASIDE_MAX + 40 {
            return false;
        }
        let Some(title) = self.take(title, ASIDE_MAX) else { return true };
        let note = self.take(note, ASIDE_MAX).map(|note| text(&format!(" — {note}")));
        self.left = self.left.saturating_sub(5);
        let elements: Vec<Value> = [text("• "), link(&title, url, false)].into_iter().chain(note).collect();
        self.sections.push(section(&elements));
        true
    }
}

/// Sections run into one another; each ends its line.
fn section(elements: &[Value]) -> Value {
    let ended: Vec<Value> = elements.iter().cloned().chain([text("\n")]).collect();
    json!({"type": "rich_text_section", "elements": ended})
}

fn text(words: &str) -> Value {
    json!({"type": "text", "text": words})
}

fn link(words: &str, url: Option<&str>, bold: bool) -> Value {
    let mut element = match url {
        Some(url) => json!({"type": "link", "url": url, "text": words}),
        None => text(words),
    };
    if bold {
        element["style"] = json!({"bold": true});
    }
    element
}

/// Slack refuses an empty text.
fn or_dash(text: &str) -> String {
    if crate::text::clean::one_line(text).is_empty() { "—".to_owned() } else { text.to_owned() }
}
