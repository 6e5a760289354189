//! A standard payload as people read it: headline, link, a few facts, the beginning of the text. What
//! the chat formats have in common. Fields are raw text: each format escapes and cuts for itself.

use std::fmt::Write as _;

use serde_json::Value;

use crate::model::Severity;

/// Outlets named before the rest is counted.
const SOURCES_MAX: usize = 4;
/// Pieces of evidence named.
const EVIDENCE_MAX: usize = 6;
/// Longest link that is passed on; a longer one is left out whole, for a cut one is worth nothing.
const URL_BYTES_MAX: usize = 1024;
/// Alerts of a digest that are looked at.
const ENTRIES_MAX: usize = 100;

/// One alert for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub kind: String,
    pub severity: Severity,
    /// One line: `HIGH · Harbour works · 8.5 of 5`.
    pub head: String,
    pub title: String,
    /// Checked: http or https, without characters that end a link in any markup.
    pub url: Option<String>,
    /// The beginning of the text, or what an operational message says.
    pub text: String,
    /// Names and values.
    pub facts: Vec<(&'static str, String)>,
    pub at: String,
    /// The alert's number and id.
    pub foot: String,
    /// The alerts of a digest.
    pub entries: Vec<Entry>,
    /// Alerts of a digest that are not in it.
    pub omitted: u64,
}

/// One line of a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub severity: Severity,
    pub title: String,
    pub topic: String,
    pub url: Option<String>,
    pub outlets: u64,
}

impl Message {
    /// Reads a payload of any type; what is missing stays empty.
    pub fn of(payload: &Value) -> Self {
        let kind = text(payload, "/type");
        let severity = severity(&text(payload, "/data/alert/severity"));
        let story = payload.pointer("/data/story").is_some();
        let title = if story {
            first(payload, &["/data/story/title", "/data/item/title"])
        } else {
            first(payload, &["/data/summary", "/data/source/id", "/data/endpoint/id", "/type"])
        };
        let label = first(payload, &["/data/topics/0/label", "/data/topics/0/id"]);
        let mut head = severity.as_str().to_uppercase();
        for part in [if label.is_empty() { kind.clone() } else { label }, score(payload)] {
            if !part.is_empty() {
                head = format!("{head} · {part}");
            }
        }
        let entries: Vec<Entry> = list(payload, "/data/entries").iter().take(ENTRIES_MAX).map(Entry::of).collect();
        Self {
            kind,
            severity,
            head,
            title,
            url: link(&text(payload, "/data/item/url")),
            text: first(payload, &["/data/item/excerpt", "/data/detail", "/data/error"]),
            facts: facts(payload),
            at: text(payload, "/timestamp"),
            foot: foot(payload),
            entries,
            omitted: count(payload, "/data/omitted"),
        }
    }
}

impl Entry {
    fn of(entry: &Value) -> Self {
        Self {
            severity: severity(&text(entry, "/alert/severity")),
            title: first(entry, &["/story/title", "/item/title"]),
            topic: first(entry, &["/topics/0/label", "/topics/0/id"]),
            url: link(&text(entry, "/item/url")),
            outlets: count(entry, "/story/outlets_total"),
        }
    }

    /// `HIGH · Harbour works · 3 outlets`
    pub fn note(&self) -> String {
        let outlets = if self.outlets == 1 { "1 outlet".to_owned() } else { format!("{} outlets", self.outlets) };
        format!("{} · {} · {outlets}", self.severity.as_str().to_uppercase(), self.topic)
    }
}

fn facts(payload: &Value) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let sources: Vec<&str> =
        list(payload, "/data/story/outlets").iter().filter_map(Value::as_str).take(SOURCES_MAX).collect();
    let total = count(payload, "/data/story/outlets_total");
    if total > 0 {
        let beyond = total.saturating_sub(sources.len() as u64);
        let more = if beyond > 0 { format!(" +{beyond}") } else { String::new() };
        facts.push(("Outlets", format!("{total}: {}{more}", sources.join(", "))));
    }
    let mut words: Vec<String> = Vec::new();
    for word in list(payload, "/data/evidence").iter().map(|hit| text(hit, "/text")) {
        if !word.is_empty() && !words.contains(&word) && words.len() < EVIDENCE_MAX {
            words.push(word);
        }
    }
    if !words.is_empty() {
        facts.push(("Words", words.join(", ")));
    }
    let reason = text(payload, "/data/alert/reason");
    if !reason.is_empty() {
        facts.push(("Why now", reason.replace('_', " ")));
    }
    facts
}

fn score(payload: &Value) -> String {
    let number = |pointer| payload.pointer(pointer).filter(|v| v.is_number()).map(ToString::to_string);
    match (number("/data/topics/0/score"), number("/data/topics/0/threshold")) {
        (Some(score), Some(threshold)) => format!("{score} of {threshold}"),
        _ => String::new(),
    }
}

fn foot(payload: &Value) -> String {
    match (text(payload, "/data/alert/id"), count(payload, "/data/alert/sequence")) {
        (id, _) if id.is_empty() => "wirewatch".to_owned(),
        (id, sequence) => format!("wirewatch · #{sequence} · {id}"),
    }
}

fn severity(name: &str) -> Severity {
    Severity::ALL.into_iter().find(|severity| severity.as_str() == name).unwrap_or(Severity::Medium)
}

/// A link that any markup can hold: parsed, http or https, nothing in it that could end it.
fn link(written: &str) -> Option<String> {
    let url = url::Url::parse(written).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let mut out = String::with_capacity(url.as_str().len());
    for c in url.as_str().chars() {
        match c {
            '|' | '<' | '>' | '(' | ')' | '[' | ']' | '"' | '\'' | '\\' | '`' | '*' | '{' | '}' | '@' => {
                let _ = write!(out, "%{:02X}", c as u32);
            }
            c => out.push(c),
        }
    }
    (out.len() <= URL_BYTES_MAX).then_some(out)
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn first(value: &Value, pointers: &[&str]) -> String {
    pointers.iter().map(|pointer| text(value, pointer)).find(|text| !text.trim().is_empty()).unwrap_or_default()
}

fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
