//! Discord webhook: one embed. `allowed_mentions` calls nobody whatever the text says; markdown is escaped where
//! it is read and only there. Limits: <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::fit::{Unit, fit, markdown, plain};
use super::message::Message;
use crate::model::Severity;

/// An embed's title.
const TITLE_MAX: usize = 256;
/// Characters of the description that are used: all texts of an embed together may have 6,000.
const DESCRIPTION_MAX: usize = 3500;
const LINE_MAX: usize = 600;
const ENTRY_MAX: usize = 150;
/// Room for the line that says what is left out.
const MORE_MAX: usize = 140;
const FOOT_MAX: usize = 200;

/// Renders the message.
pub(super) fn render(message: &Message) -> Value {
    let mut embed = json!({
        "title": fit(&message.headline, TITLE_MAX, Unit::Utf16, markdown),
        "description": description(message),
        "color": colour(message.severity),
        "footer": {"text": fit(&message.foot, FOOT_MAX, Unit::Utf16, plain)},
    });
    if let Some(url) = &message.url {
        embed["url"] = url.as_str().into();
    }
    if !message.at.is_empty() {
        embed["timestamp"] = message.at.as_str().into();
    }
    json!({"embeds": [embed], "allowed_mentions": {"parse": []}})
}

fn description(message: &Message) -> String {
    let line = |text: &str, max: usize| fit(text, max, Unit::Utf16, markdown);
    let mut out = String::new();
    let mut add = |words: String| {
        let room = out.encode_utf16().count() + words.encode_utf16().count() + MORE_MAX <= DESCRIPTION_MAX;
        if room && !words.trim().is_empty() {
            out.push_str(if out.is_empty() { "" } else { "\n" });
            out.push_str(&words);
        }
        room
    };
    let mut paragraphs = message.paragraphs();
    paragraphs.insert(0, message.byline.clone());
    for paragraph in &paragraphs {
        add(line(paragraph, LINE_MAX));
    }
    let entry = |title: &str, url: Option<&str>, note: &str| {
        let (title, note) = (line(title, ENTRY_MAX), line(note, ENTRY_MAX));
        format!("• {} — {note}", linked(&title, url))
    };
    for other in &message.headlines {
        add(entry(&other.title, other.url.as_deref(), &other.outlet));
    }
    let shown = message.entries.iter().take_while(|e| add(entry(&e.title, e.url.as_deref(), &e.note))).count();
    if let Some(more) = message.more(shown) {
        let _ = write!(out, "\n{more}");
    }
    out
}

/// A link whose words are escaped already and whose address holds nothing that could end it.
pub(super) fn linked(words: &str, url: Option<&str>) -> String {
    match url {
        Some(url) if !words.trim().is_empty() => format!("[{words}]({url})"),
        _ => words.to_owned(),
    }
}

/// The embed's bar.
pub(super) fn colour(severity: Severity) -> u32 {
    match severity {
        Severity::Low => 0x8a_8a_8a,
        Severity::Medium => 0xc9_a2_27,
        Severity::High => 0xd9_53_1e,
        Severity::Critical => 0xb0_00_20,
    }
}
