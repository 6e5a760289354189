//! An e-mail to one item, or to one for each headline that a newsletter links to. The crate takes the message apart;
//! what is the text of it, who sent it and who vouches for that is decided here. Runs on a parser thread, behind
//! [`survey`](survey::survey), which holds the message to its caps before anything is built of it.

mod anchors;
mod body;
mod survey;
mod trust;

#[cfg(test)]
mod mail_tests;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Addr, Encoding, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use super::{DraftItem, FileContext, ItemDraft, rejected, shown};
use crate::model::{RawText, RejectReason, Rejection};
use crate::text::{charset, clean, date, domain};
use anchors::{AnchoredText, TextAnchor};

/// A plain text with fewer words stands in for the HTML beside it.
const STUB_WORDS_MAX: usize = 30;
/// Words of a link that is a headline.
const HEADLINE_WORDS_MIN: usize = 4;
/// Lines behind a headline that belong to it.
const PARAGRAPH_LINES_MAX: usize = 12;
/// The tag of messages that nobody vouches for.
const UNAUTHENTICATED: &str = "unauthenticated";

/// Words on or before the link to the same text on a web page.
const BROWSER_WORDS: [&str; 16] = [
    "in your browser",
    "in browser",
    "in a browser",
    "view online",
    "read online",
    "web version",
    "webversion",
    "online version",
    "im browser",
    "onlineversion",
    "dans votre navigateur",
    "version en ligne",
    "en tu navegador",
    "en el navegador",
    "nel browser",
    "в браузере",
];

/// How a newsletter becomes items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MailSplit {
    /// A message is an item.
    #[default]
    Whole,
    /// Each link of the sender's own site with at least four words is an item.
    Links,
}

/// What the config says about e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailRules {
    /// How a newsletter becomes items.
    pub split: MailSplit,
    /// Methods that must have passed (`spf`, `dkim`, `dmarc`); otherwise the items are tagged `unauthenticated`.
    pub require_auth_results: Vec<String>,
    /// The name by which the receiver whose word counts calls itself.
    pub auth_results_by: Option<String>,
}

/// Reads a message.
pub(super) fn read(bytes: &[u8], file: &FileContext, draft: &mut ItemDraft) -> Result<(), Rejection> {
    let surveyed = survey::survey(bytes)?;
    let Some(message) = MessageParser::new().parse(&surveyed.bytes) else {
        return Err(rejected(RejectReason::Malformed, "an e-mail without a header"));
    };
    refuse_encrypted(&message)?;
    let content = MailContent::of(&message);
    let mut item = envelope(&message, file, &mut draft.warnings);
    if !trust::is_authenticated(&message, file.mail) {
        item.tags.push(UNAUTHENTICATED.to_owned());
    }
    let links = item.url.clone().or_else(|| content.browser_link());
    item.url = links;
    let unread = content.unread + surveyed.sealed;
    if unread > 0 {
        draft.warnings.push(format!("attachments that were not read: {unread}"));
    }
    let stories =
        if file.mail.split == MailSplit::Links { headlines(&message, &content, &item, file) } else { Vec::new() };
    if stories.is_empty() {
        let text = content.text();
        item.content = Some(text).filter(|text| !text.is_empty()).map(RawText::plain);
        if item.has_text() {
            draft.items.push(item);
        }
    } else {
        draft.take_capped(stories, file);
    }
    for feed in &content.feeds {
        read_feed(feed, file, draft);
    }
    if draft.items.is_empty() {
        return Err(rejected(RejectReason::Empty, "an e-mail without subject and text"));
    }
    Ok(())
}

/// The page of a saved web page (MHTML): the first HTML part, and where it was.
pub(super) fn saved_page(bytes: &[u8]) -> Result<(String, Option<String>), Rejection> {
    let surveyed = survey::survey(bytes)?;
    let message = MessageParser::new().parse(&surveyed.bytes);
    let page = message.as_ref().and_then(|message| {
        let part = message.parts.iter().find(|part| matches!(part.body, PartType::Html(_)))?;
        let place = part.content_location().map(str::to_owned);
        let place = place.or_else(|| Some(header_text(message, "Snapshot-Content-Location")?.trim().to_owned()));
        Some((part_text(message, part), place.filter(|place| place.starts_with("http"))))
    });
    page.ok_or_else(|| rejected(RejectReason::Empty, "a saved page (MHTML) without a page in it"))
}

fn refuse_encrypted(message: &Message) -> Result<(), Rejection> {
    let closed = message.parts.iter().any(|part| {
        part.content_type().is_some_and(|kind| {
            let subtype = kind.subtype().unwrap_or_default();
            let enveloped = || kind.attribute("smime-type").is_none_or(|kind| !kind.starts_with("signed"));
            kind.ctype().eq_ignore_ascii_case("multipart") && subtype.eq_ignore_ascii_case("encrypted")
                || subtype.to_ascii_lowercase().ends_with("pkcs7-mime") && enveloped()
        })
    });
    let armoured = message.parts.first().is_some_and(|part| match &part.body {
        PartType::Text(text) => text.trim_start().starts_with("-----BEGIN PGP MESSAGE-----"),
        _ => false,
    });
    if closed || armoured {
        return Err(rejected(RejectReason::NotText, "the e-mail is encrypted: hand it over decrypted"));
    }
    Ok(())
}

/// What the header says: title, names, date, link, key.
fn envelope(message: &Message, file: &FileContext, warnings: &mut Vec<String>) -> DraftItem {
    let from = message.from().and_then(|from| from.first()).or_else(|| message.sender().and_then(|from| from.first()));
    let list = header_text(message, "List-Id").map(|list| list_name(&list)).filter(|name| !name.is_empty());
    let written = header_text(message, "Date").and_then(|text| date::parse(text.trim()));
    let arrived = || {
        let received = header_text(message, "Received")?;
        date::parse(received.rsplit(';').next()?.trim())
    };
    if header_text(message, "Date").is_some() && written.is_none() {
        warnings.push("the date of the e-mail is no date".to_owned());
    }
    let archived = ["Archived-At", "List-Archive"].iter().find_map(|name| web_link(&header_text(message, name)?));
    let latest = file.latest();
    DraftItem {
        id: message.message_id().map(|id| clean::excerpt(id, 500)).filter(|id| !id.is_empty()),
        url: archived,
        title_original: message.subject().map(str::to_owned),
        title: message.subject().map(bare_subject).filter(|title| !title.is_empty()).map(RawText::plain),
        author: from.and_then(sender_name),
        publisher: list.or_else(|| from.and_then(domain_of)),
        published: written.or_else(arrived).map(|mut dated| {
            dated.at = dated.at.min(latest.plus(std::time::Duration::from_secs(86_400)));
            dated
        }),
        ..DraftItem::default()
    }
}

/// The first header of a name, unfolded, its encoded words read.
fn header_text(message: &Message, name: &str) -> Option<String> {
    let raw = message.headers_raw().find(|(found, _)| found.eq_ignore_ascii_case(name))?.1;
    Some(raw.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A subject without what programs and lists put before it.
fn bare_subject(subject: &str) -> String {
    const PREFIXES: [&str; 12] = ["re", "fw", "fwd", "aw", "wg", "tr", "rv", "enc", "sv", "vs", "i", "odp"];
    let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = subject.as_str();
    loop {
        let word = rest.split_once(':').filter(|(word, after)| {
            PREFIXES.contains(&word.trim().to_lowercase().as_str()) && !after.trim().is_empty()
        });
        let list = rest
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .filter(|(name, after)| !after.trim().is_empty() && name.chars().count() <= 40 && !name.contains('['));
        match (word, list) {
            (Some((_, after)), _) | (None, Some((_, after))) => rest = after.trim_start(),
            (None, None) => return rest.trim().to_owned(),
        }
    }
}

/// The name of a sender, without what a list makes of it: "Harbour Desk via Press List".
fn sender_name(from: &Addr) -> Option<String> {
    let name = clean::excerpt(from.name()?, 120);
    let name = name.trim().trim_matches(['"', '\'']).trim();
    let name = name.split(" via ").next().unwrap_or(name).trim();
    (!name.is_empty() && !name.contains('@')).then(|| name.to_owned())
}

fn domain_of(from: &Addr) -> Option<String> {
    let domain = from.address()?.rsplit_once('@')?.1.trim_matches(['>', '.', ' ']).to_ascii_lowercase();
    (!domain.is_empty()).then(|| clean::excerpt(&domain, 250))
}

/// `Press releases <press.lists.example>`: the words, else the name of the list.
fn list_name(list: &str) -> String {
    let (words, rest) = list.split_once('<').unwrap_or(("", list));
    let words = words.trim().trim_matches('"').trim();
    clean::excerpt(if words.is_empty() { rest.trim_end_matches('>').trim() } else { words }, 120)
}

/// The first web address in a header.
fn web_link(header: &str) -> Option<String> {
    let at = header.find("http://").or_else(|| header.find("https://"))?;
    let link = header[at..].split(['>', ' ', ',', '"']).next()?;
    (link.len() > 10).then(|| link.to_owned())
}

/// The texts of a message.
#[derive(Default)]
struct MailContent {
    plain: String,
    html: String,
    /// What calendar entries say.
    events: Vec<String>,
    /// Feeds that came as attachments.
    feeds: Vec<Vec<u8>>,
    /// What a forwarded message says that came as an attachment.
    forwarded: Option<String>,
    unread: usize,
}

impl MailContent {
    fn of(message: &Message) -> Self {
        let mut content = Self::default();
        for (at, part) in message.parts.iter().enumerate() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let kind = part.content_type();
            let named =
                |wanted: &str| kind.and_then(|kind| kind.subtype()).is_some_and(|s| s.eq_ignore_ascii_case(wanted));
            // A part without an end, or one that says it holds parts, is shown nowhere, and still the text.
            let broken = part.is_encoding_problem && kind.is_none_or(|kind| kind.ctype().eq_ignore_ascii_case("text"));
            let alone = message.parts.len() == 1;
            let is_shown = broken || alone || message.text_body.contains(&at) || message.html_body.contains(&at);
            match &part.body {
                PartType::Text(_) | PartType::Html(_) if named("calendar") => {
                    content.events.extend(calendar_lines(&part_text(message, part)));
                }
                _ if ["rss+xml", "atom+xml", "feed+json"].iter().any(|kind| named(kind)) => {
                    content.feeds.push(part.contents().to_vec());
                }
                PartType::Text(_) if is_shown && named("html") => {
                    push_text(&mut content.html, &part_text(message, part));
                }
                PartType::Text(_) if is_shown => {
                    let text = part_text(message, part);
                    let flows = kind.and_then(|kind| kind.attribute("format")) == Some("flowed");
                    push_text(&mut content.plain, &if flows { unflowed(&text) } else { text });
                }
                PartType::Html(_) if is_shown => push_text(&mut content.html, &part_text(message, part)),
                PartType::Message(inner) if content.forwarded.is_none() => {
                    content.forwarded = Some(Self::of(inner).text());
                }
                PartType::Multipart(_) => {}
                // The pictures of an HTML text are nothing that is missed.
                PartType::InlineBinary(_) | PartType::Binary(_) if part.content_id().is_some() => {}
                _ => content.unread += 1,
            }
        }
        content
    }

    /// The text of the message: the plain one unless it only stands in for the HTML; what was forwarded where there is
    /// little else; events.
    fn text(&self) -> String {
        let plain = own_text(&self.plain);
        let words = |text: &str| text.split_whitespace().count();
        let mut text = if words(&plain) > STUB_WORDS_MAX || self.html.trim().is_empty() {
            plain
        } else {
            let page = anchors::read(&self.html);
            let lines: Vec<&str> = page.lines.iter().map(String::as_str).collect();
            let html = body::text_lines(&lines).join("\n");
            if words(&html) > words(&plain) { html } else { plain }
        };
        if let Some(forwarded) = self.forwarded.as_ref().filter(|_| words(&text) <= STUB_WORDS_MAX) {
            push_text(&mut text, forwarded);
        }
        for line in &self.events {
            push_text(&mut text, line);
        }
        text
    }

    /// Where the message can be seen as a page.
    fn browser_link(&self) -> Option<String> {
        let says_so = |text: &str| {
            let lower = text.to_lowercase();
            BROWSER_WORDS.iter().any(|words| lower.contains(words))
        };
        let page = anchors::read(&self.html);
        let linked = page.anchors.iter().find(|anchor| {
            let line = &page.lines[anchor.line];
            says_so(&anchor.words) || line.chars().count() <= 120 && says_so(line)
        });
        let written = || {
            let lines: Vec<&str> = self.plain.lines().take(400).collect();
            let at = lines.iter().position(|line| line.chars().count() <= 200 && says_so(line))?;
            lines[at..].iter().take(2).find_map(|line| web_link(line))
        };
        linked.map(|anchor| anchor.href.clone()).or_else(written)
    }
}

fn push_text(text: &mut String, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push('\n');
    }
    text.push_str(more);
}

/// A text of `format=flowed` (RFC 3676): a line that ends in a space goes on in the next.
fn unflowed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        out.push_str(line.strip_prefix(' ').unwrap_or(line));
        if !line.ends_with(' ') || line == "-- " {
            out.push('\n');
        }
    }
    out
}

/// A plain text without quotes, signatures and small print, its paragraphs whole.
fn own_text(plain: &str) -> String {
    // "-- " loses its space in many programs.
    let lines: Vec<&str> = plain.lines().map(|line| if line == "-- " { line } else { line.trim_end() }).collect();
    let own = body::text_lines(&lines).join("\n");
    super::text::unwrapped(&own).into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A part as text, by our own decoder: valid UTF-8 is that whatever the part declares, and what is undeclared is detected.
fn part_text(message: &Message, part: &MessagePart) -> String {
    let (PartType::Text(text) | PartType::Html(text)) = &part.body else { return String::new() };
    if text.is_ascii() {
        return text.clone().into_owned();
    }
    let raw = message.raw_message.get(part.offset_body as usize..part.offset_end as usize).unwrap_or_default();
    let decoded = match part.encoding {
        Encoding::None => Some(raw.to_vec()),
        Encoding::QuotedPrintable => quoted_printable_decode(raw),
        Encoding::Base64 => base64_decode(raw),
    };
    let declared = part.content_type().and_then(|kind| kind.attribute("charset"));
    match decoded.filter(|decoded| !decoded.is_empty()) {
        Some(decoded) => charset::decode(&decoded, declared).text.into_owned(),
        None => text.clone().into_owned(),
    }
}

/// What a calendar entry says, for people.
fn calendar_lines(calendar: &str) -> Vec<String> {
    let unfolded = calendar.replace("\r\n ", "").replace("\n ", "").replace("\n\t", "");
    let mut lines = Vec::new();
    for line in unfolded.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = name.split(';').next().unwrap_or_default().to_ascii_uppercase();
        if matches!(name.as_str(), "SUMMARY" | "DTSTART" | "LOCATION" | "DESCRIPTION") && lines.len() < 40 {
            lines.push(value.replace("\\n", " ").replace("\\,", ",").replace("\\;", ";").trim().to_owned());
        }
    }
    lines
}

/// Items of a feed that came as an attachment.
fn read_feed(bytes: &[u8], file: &FileContext, draft: &mut ItemDraft) {
    match super::read_feed(bytes, file) {
        Ok(document) => {
            let items = document.items.into_iter().map(|item| DraftItem {
                title_original: item.title_original,
                id: Some(item.key.as_str().to_owned()),
                url: item.url,
                title: item.title,
                author: item.author,
                published: item.published,
                updated: item.updated,
                lang: item.lang,
                summary: item.summary,
                content: item.content,
                tags: item.tags,
                unread_bytes: 0,
                publisher: document.title.clone(),
            });
            draft.take_capped(items.collect(), file);
            draft.rejected.extend(document.rejected);
        }
        Err(rejection) => {
            draft.warnings.push(format!("a feed in the e-mail was not read: {}", shown(&rejection.detail)));
        }
    }
}

/// The headlines of a newsletter: links of the sender's own site with words enough, each with its paragraph.
fn headlines(message: &Message, content: &MailContent, whole: &DraftItem, file: &FileContext) -> Vec<DraftItem> {
    let AnchoredText { lines, anchors } = anchors::read(&content.html);
    let end = body::footer_at(&lines);
    let sender = message.from().and_then(|from| from.first()).and_then(domain_of);
    let page = whole.url.as_deref().and_then(host_of);
    let own: Vec<String> = [sender, page].into_iter().flatten().map(|host| registrable(&host)).collect();
    let is_headline = |anchor: &&TextAnchor| {
        anchor.line < end
            && anchor.words.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
                >= HEADLINE_WORDS_MIN
            && host_of(&anchor.href).is_some_and(|host| own.contains(&registrable(&host)))
    };
    let mut found: Vec<&TextAnchor> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for anchor in anchors.iter().filter(is_headline) {
        if known.insert(anchor.href.as_str()) {
            found.push(anchor);
        }
    }
    found.truncate(file.limits.items_max.saturating_add(1000));
    let paragraph = |at: usize, anchor: &TextAnchor| {
        let next = found.get(at + 1).map_or(end, |next| next.line.max(anchor.line + 1));
        // Where a line holds nothing but links, nobody knows which words belong to which.
        let alone = at.checked_sub(1).is_none_or(|before| found[before].line != anchor.line) && next > anchor.line;
        let alone = alone && found.get(at + 1).is_none_or(|after| after.line != anchor.line);
        let own = if alone { lines[anchor.line].replacen(&anchor.words, "", 1) } else { String::new() };
        let rest = lines[(anchor.line + 1).min(next)..next].iter().take(PARAGRAPH_LINES_MAX);
        let all: Vec<&str> = std::iter::once(own.trim()).chain(rest.map(String::as_str)).collect();
        all.join("\n").trim().to_owned()
    };
    let items = found.iter().enumerate().map(|(at, anchor)| DraftItem {
        url: Some(anchor.href.clone()),
        title: Some(RawText::plain(&anchor.words)),
        content: Some(paragraph(at, anchor)).filter(|text| !text.is_empty()).map(RawText::plain),
        author: whole.author.clone(),
        publisher: whole.publisher.clone(),
        published: whole.published,
        tags: whole.tags.clone(),
        ..DraftItem::default()
    });
    items.collect()
}

fn host_of(link: &str) -> Option<String> {
    url::Url::parse(link).ok()?.host_str().map(str::to_owned)
}

/// The part of a host that its owner registered.
fn registrable(host: &str) -> String {
    domain::registered(host).unwrap_or(host).to_owned()
}
