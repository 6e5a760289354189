//! Discord webhook: one embed. `allowed_mentions` calls nobody whatever the text says; markdown in it is
//! escaped. Limits: <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::fit::{Unit, fit, markdown, plain};
use super::message::Message;
use crate::model::Severity;

/// An embed's title.
const TITLE_MAX: usize = 256;
/// An embed's description.
const DESCRIPTION_MAX: usize = 4096;
/// A field's value.
const VALUE_MAX: usize = 1024;
/// All text of an embed together.
const TOTAL_MAX: usize = 6000;
/// Words of the item that are shown; the limits leave room for more than anybody reads.
const TEXT_MAX: usize = 1000;
const ENTRY_MAX: usize = 160;
const FACT_MAX: usize = 400;
const FOOT_MAX: usize = 200;

/// Renders the message.
pub(super) fn render(message: &Message) -> Value {
    let fields: Vec<Value> = message
        .facts
        .iter()
        .map(|(name, value)| json!({"name": name, "value": fit(value, FACT_MAX.min(VALUE_MAX), Unit::Utf16, markdown), "inline": true}))
        // Discord refuses an empty one.
        .filter(|field| field["value"] != "")
        .collect();
    let mut embed = json!({
        "author": {"name": fit(&message.head, FOOT_MAX, Unit::Utf16, plain)},
        "title": fit(&message.title, TITLE_MAX, Unit::Utf16, markdown),
        "description": description(message),
        "color": colour(message.severity),
        "fields": fields,
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
    let mut out = fit(&message.text, TEXT_MAX, Unit::Utf16, markdown);
    let mut shown = 0;
    for entry in &message.entries {
        let line = fit(&format!("{} — {}", entry.title, entry.note()), ENTRY_MAX, Unit::Utf16, markdown);
        // Leaves room for the other texts of the embed and for the last line.
        if out.encode_utf16().count() + line.encode_utf16().count() + 40 > DESCRIPTION_MAX.min(TOTAL_MAX - 2500) {
            break;
        }
        out.push_str(if out.is_empty() { "" } else { "\n" });
        out.push_str(&line);
        shown += 1;
    }
    let hidden = message.omitted + (message.entries.len() - shown) as u64;
    if hidden > 0 {
        let _ = write!(out, "\nand {hidden} more");
    }
    out
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
