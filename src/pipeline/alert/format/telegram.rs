//! Telegram, `sendMessage` of the Bot API: plain text, with bold and links as entities beside it, so that
//! nothing in the text is markup and nothing has to be escaped. Offsets count UTF-16 code units.
//! Limit: 4,096 characters. <https://core.telegram.org/bots/api#sendmessage>,
//! <https://core.telegram.org/bots/api#messageentity>

use serde_json::{Value, json};

use super::fit::{Unit, fit, without_mentions};
use super::message::Message;
use crate::model::Severity;

/// Characters of a message.
pub(super) const TEXT_MAX: usize = 4096;
const HEADLINE_MAX: usize = 300;
const LINE_MAX: usize = 600;
const ENTRY_MAX: usize = 150;
/// Room for the last lines.
const TAIL: usize = 320;
/// Of the small print, with the link that says why.
const FOOT_MAX: usize = 160;

/// A text and what stands out in it.
#[derive(Default)]
struct Written {
    text: String,
    units: usize,
    entities: Vec<Value>,
}

/// Renders the message for a chat.
pub(super) fn render(message: &Message, chat: &str) -> Value {
    let line = |text: &str, max: usize| fit(text, max, Unit::Utf16, without_mentions);
    let mut out = Written::default();
    let headline = line(&message.headline, HEADLINE_MAX);
    // An empty text is refused.
    let headline = if headline.trim().is_empty() { "—".to_owned() } else { headline };
    out.push_marked(&headline, message.url.as_deref(), true);
    let mut paragraphs = message.paragraphs();
    paragraphs.insert(0, message.byline.clone());
    for words in paragraphs.iter().map(|paragraph| line(paragraph, LINE_MAX)) {
        if !words.trim().is_empty() && out.has_room(&words) {
            out.push("\n");
            out.push(&words);
        }
    }
    for other in &message.headlines {
        out.entry(&line(&other.title, ENTRY_MAX), other.url.as_deref(), &line(&other.outlet, ENTRY_MAX));
    }
    let entries = message.entries.iter();
    let shown = entries
        .take_while(|e| out.entry(&line(&e.title, ENTRY_MAX), e.url.as_deref(), &line(&e.note, ENTRY_MAX)))
        .count();
    if let Some(more) = message.more(shown) {
        out.push(&format!("\n{more}"));
    }
    out.push(&format!("\n{}", line(&message.foot, FOOT_MAX)));
    json!({
        "chat_id": chat,
        "text": out.text,
        "entities": out.entities,
        "link_preview_options": {"is_disabled": true},
        // It arrives without a sound.
        "disable_notification": message.severity == Severity::Low,
    })
}

impl Written {
    fn push(&mut self, words: &str) {
        self.text.push_str(words);
        self.units += words.encode_utf16().count();
    }

    fn push_marked(&mut self, words: &str, url: Option<&str>, bold: bool) {
        let (offset, length) = (self.units, words.encode_utf16().count());
        if bold {
            self.entities.push(json!({"type": "bold", "offset": offset, "length": length}));
        }
        if let Some(url) = url {
            self.entities.push(json!({"type": "text_link", "offset": offset, "length": length, "url": url}));
        }
        self.push(words);
    }

    fn has_room(&self, words: &str) -> bool {
        self.units + words.encode_utf16().count() + TAIL <= TEXT_MAX
    }

    /// A headline and what is to be said of it; whole or not at all.
    fn entry(&mut self, title: &str, url: Option<&str>, note: &str) -> bool {
        let note = format!(" — {note}");
        // Telegram takes a hundred entities.
        if !self.has_room(&format!("\n• {title}{note}")) || self.entities.len() >= 90 {
            return false;
        }
        if !title.trim().is_empty() {
            self.push("\n• ");
            self.push_marked(title, url, false);
            self.push(&note);
        }
        true
    }
}
