//! E-mail: a whole message as RFC 5322 has it, plain text and HTML side by side. Everything is derived from the
//! payload, so each attempt and each restart sends the same bytes under the same Message-ID. What others wrote
//! reaches a header only as one clean line, encoded where it is more than ASCII (RFC 2047).

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::fit::{Unit, fit, plain};
use super::message::Message;
use super::words::{self, list_of, text_of};
use crate::model::{ContentHash, EndpointId, Timestamp};
use crate::text::clean;

/// Characters of a subject.
pub(super) const SUBJECT_MAX: usize = 120;
/// Characters of a paragraph.
const PARAGRAPH_MAX: usize = 1000;
/// Bytes of text in one encoded word: with its frame it stays under the 75 characters that RFC 2047 allows.
const ENCODED_BYTES_MAX: usize = 36;
/// Characters of a base 64 line (RFC 2045, 6.8).
const BASE64_LINE: usize = 76;
/// Ids of merged stories that are referred to.
const REFERENCES_MAX: usize = 10;

/// A person or list with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The name shown, if any.
    pub name: Option<String>,
    /// `desk@example.org`, checked.
    pub address: String,
}

/// Whom mail is from and to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailRoute {
    /// The endpoint: each has threads of its own.
    pub endpoint: EndpointId,
    /// The sender.
    pub from: Mailbox,
    /// The recipients.
    pub to: Vec<Mailbox>,
}

impl Mailbox {
    /// Reads `desk@example.org` or `News desk <desk@example.org>`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.chars().any(clean::is_harmful) {
            return Err("it holds control characters");
        }
        let (name, address) = match text.trim().strip_suffix('>').and_then(|rest| rest.split_once('<')) {
            Some((name, address)) => (name.trim().trim_matches('"').trim(), address.trim()),
            None => ("", text.trim()),
        };
        let Some((local, domain)) = address.rsplit_once('@') else { return Err("it has no @") };
        let atom = |c: u8| c.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(&c);
        let dots = |part: &str| part.starts_with('.') || part.ends_with('.') || part.contains("..");
        if local.is_empty() || local.len() > 64 || !local.bytes().all(atom) || dots(local) {
            return Err("the part before the @ is none");
        }
        let host = |c: u8| c.is_ascii_alphanumeric() || b".-".contains(&c);
        if domain.is_empty() || domain.len() > 253 || !domain.bytes().all(host) || dots(domain) {
            return Err("the part after the @ is no host name");
        }
        Ok(Self { name: (!name.is_empty()).then(|| name.to_owned()), address: address.to_owned() })
    }

    fn header(&self) -> String {
        match &self.name {
            Some(name) => format!("{} <{}>", phrase(name), self.address),
            None => self.address.clone(),
        }
    }

    fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("wirewatch.invalid", |(_, domain)| domain)
    }
}

/// Renders the whole message.
pub(super) fn render(message: &Message, payload: &Value, route: &MailRoute, zone: &TimeZone) -> Vec<u8> {
    let id = text_of(payload, "/data/alert/id");
    let boundary = format!("wirewatch-{}", ContentHash::of(&[id.as_bytes()]).to_string().trim_start_matches("h_"));
    let mut out = headers(message, payload, route, zone);
    let _ = write!(out, "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"{boundary}\"\r\n\r\n");
    for (kind, body) in [("plain", text(message)), ("html", html(message))] {
        let _ = write!(
            out,
            "--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            base64_lines(&body)
        );
    }
    let _ = write!(out, "--{boundary}--\r\n");
    out.into_bytes()
}

fn headers(message: &Message, payload: &Value, route: &MailRoute, zone: &TimeZone) -> String {
    let at = Timestamp::parse(&message.at).unwrap_or_default().to_jiff().to_zoned(zone.clone());
    let to: Vec<String> = route.to.iter().map(Mailbox::header).collect();
    let mut out = String::new();
    let mut header = |name: &str, value: &str| {
        let _ = write!(out, "{name}: {value}\r\n");
    };
    header("From", &route.from.header());
    header("To", &to.join(",\r\n "));
    header("Date", &jiff::fmt::rfc2822::to_string(&at).unwrap_or_default());
    header("Subject", &encoded(&subject(message, payload)));
    header("Message-ID", &message_id(payload, route));
    let thread = thread(payload, route);
    if !thread.is_empty() {
        header("In-Reply-To", &thread[0]);
        header("References", &thread.join("\r\n "));
    }
    header("List-Id", &format!("<{}.wirewatch.{}>", route.endpoint, route.from.domain()));
    // No out-of-office note comes back (RFC 3834).
    header("Auto-Submitted", "auto-generated");
    header("X-Wirewatch-Type", &token(&message.kind));
    header("X-Wirewatch-Severity", message.severity.as_str());
    let topics: Vec<String> =
        list_of(payload, "/data/topics").iter().map(|topic| token(&text_of(topic, "/id"))).collect();
    if !topics.is_empty() {
        header("X-Wirewatch-Topics", &topics.join(", "));
    }
    for (name, pointer) in [("X-Wirewatch-Story", "/data/story/id"), ("X-Wirewatch-Alert", "/data/alert/id")] {
        let value = token(&text_of(payload, pointer));
        if !value.is_empty() {
            header(name, &value);
        }
    }
    out
}

/// The first mail of a story is known by the story, so that those after it can refer to it without having seen
/// it: to an endpoint, a story has one such alert. Any other is known by its alert.
fn message_id(payload: &Value, route: &MailRoute) -> String {
    let story = token(&text_of(payload, "/data/story/id"));
    if text_of(payload, "/type") == "alert.matched" && !story.is_empty() {
        return story_message_id(&story, route);
    }
    format!("<{}.{}@{}>", token(&text_of(payload, "/data/alert/id")), route.endpoint, route.from.domain())
}

fn story_message_id(story: &str, route: &MailRoute) -> String {
    format!("<{story}.{}@{}>", route.endpoint, route.from.domain())
}

/// What a mail about a story refers to: the first of that story, and of those that went up in it.
fn thread(payload: &Value, route: &MailRoute) -> Vec<String> {
    let story = token(&text_of(payload, "/data/story/id"));
    if story.is_empty() || text_of(payload, "/type") == "alert.matched" {
        return Vec::new();
    }
    let merged = list_of(payload, "/data/story/merged_from").iter().filter_map(Value::as_str).map(token);
    let all = std::iter::once(story).chain(merged.filter(|id| !id.is_empty())).take(REFERENCES_MAX);
    all.map(|story| story_message_id(&story, route)).collect()
}

/// `[High] Harbour works: Town council approves new harbour wall (3 outlets)`
fn subject(message: &Message, payload: &Value) -> String {
    let before = match (payload.pointer("/data/story"), list_of(payload, "/data/topics").first()) {
        (Some(_), Some(topic)) => {
            format!("[{}] {}: ", words::severity_word(message.severity), words::first(topic, &["/label", "/id"]))
        }
        _ => String::new(),
    };
    let after = match words::count(payload, "/data/story/outlets_total") {
        0 | 1 => String::new(),
        outlets => format!(" ({outlets} outlets)"),
    };
    let before = fit(&before, SUBJECT_MAX / 2, Unit::Utf16, plain);
    let before = if before.is_empty() { before } else { format!("{before} ") };
    let room = SUBJECT_MAX - before.encode_utf16().count() - after.encode_utf16().count();
    format!("{before}{}{after}", fit(&message.headline, room, Unit::Utf16, plain))
}

/// Ids and types hold only these characters; whatever else a payload of somebody else's holds is left out.
fn token(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')).take(100).collect()
}

/// A header value of free words: as it is where it is plain ASCII, else in encoded words, a line each.
fn encoded(words: &str) -> String {
    let line = clean::one_line(words);
    if line.bytes().all(|b| (b' '..=b'~').contains(&b)) && !line.contains("=?") {
        return line.into_owned();
    }
    let mut pieces: Vec<String> = Vec::new();
    let mut piece = String::new();
    for c in line.chars() {
        if piece.len() + c.len_utf8() > ENCODED_BYTES_MAX {
            pieces.push(std::mem::take(&mut piece));
        }
        piece.push(c);
    }
    pieces.push(piece);
    let encode = |piece: &String| format!("=?utf-8?B?{}?=", STANDARD.encode(piece));
    pieces.iter().map(encode).collect::<Vec<_>>().join("\r\n ")
}

/// A name before an address: its commas and brackets would be read as addresses.
fn phrase(name: &str) -> String {
    let written = encoded(name);
    if written.starts_with("=?") { written } else { format!("\"{}\"", written.replace(['"', '\\'], "'")) }
}

fn base64_lines(text: &str) -> String {
    let encoded = STANDARD.encode(text);
    let mut out = String::with_capacity(encoded.len() + encoded.len() / 38 + 2);
    // Base 64 is ASCII: it can be cut anywhere.
    for line in encoded.as_bytes().chunks(BASE64_LINE) {
        out.push_str(std::str::from_utf8(line).expect("invariant: base 64 is ASCII"));
        out.push_str("\r\n");
    }
    out
}

fn paragraph(text: &str) -> String {
    fit(text, PARAGRAPH_MAX, Unit::Utf16, plain)
}

fn text(message: &Message) -> String {
    let mut blocks = vec![
        [paragraph(&message.headline), paragraph(&message.byline), message.url.clone().unwrap_or_default()]
            .into_iter()
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join("\n"),
    ];
    blocks.extend(message.paragraphs().iter().map(|p| paragraph(p)));
    let entry = |title: &str, note: &str, url: Option<&str>| {
        let link = url.map(|url| format!("\n  {url}")).unwrap_or_default();
        format!("* {} — {}{link}", paragraph(title), paragraph(note))
    };
    blocks.extend(message.headlines.iter().map(|other| entry(&other.title, &other.outlet, other.url.as_deref())));
    blocks.extend(message.entries.iter().map(|e| entry(&e.title, &e.note, e.url.as_deref())));
    blocks.extend(message.more(message.entries.len()));
    blocks.push(format!("-- \n{}", message.foot));
    blocks.join("\n\n") + "\n"
}

fn html(message: &Message) -> String {
    let words = |text: &str| escape(&paragraph(text));
    let linked = |text: &str, url: Option<&str>| match url {
        Some(url) => format!("<a href=\"{}\">{}</a>", escape(url), words(text)),
        None => words(text),
    };
    let mut out = String::from(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><style>body{font-family:sans-serif;max-width:40em}\
         h1{font-size:1.2em}.by,.foot{color:#666;font-size:.9em}</style></head><body>\n",
    );
    let _ = writeln!(out, "<h1>{}</h1>", linked(&message.headline, message.url.as_deref()));
    if !message.byline.is_empty() {
        let _ = writeln!(out, "<p class=\"by\">{}</p>", words(&message.byline));
    }
    for text in message.paragraphs() {
        let _ = writeln!(out, "<p>{}</p>", words(&text));
    }
    let others = message.headlines.iter().map(|other| (&other.title, other.url.as_deref(), &other.outlet));
    let entries = message.entries.iter().map(|entry| (&entry.title, entry.url.as_deref(), &entry.note));
    let lines: Vec<String> = others
        .chain(entries)
        .map(|(title, url, note)| format!("<li>{} — {}</li>\n", linked(title, url), words(note)))
        .collect();
    if !lines.is_empty() {
        let _ = write!(out, "<ul>\n{}</ul>\n", lines.concat());
    }
    if let Some(more) = message.more(message.entries.len()) {
        let _ = writeln!(out, "<p>{}</p>", escape(&more));
    }
    let _ = writeln!(out, "<p class=\"foot\">{}</p>\n</body></html>", escape(&message.foot));
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
