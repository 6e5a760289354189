//! The bytes of one seed file to a [`ParsedDocument`]. Each format has its reader here; feeds go to the
//! feed parser. Pure: no IO, no clock. Heavy formats ([`is_heavy`]) must run on a parser thread.
//! What comes out goes to `ingest`, whose `normalize` removes furniture.

mod archives;
mod dates;
mod headline;
mod html;
mod json;
mod mail;
mod markdown;
mod news_xml;
mod tables;
mod text;
mod wordpress;

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod tests;

use super::{detect, foreign};
use crate::model::{DateCertainty, Dated, ItemKey, RawItem, RawText, RejectReason, Rejection, Timestamp};
use crate::source::feed::FeedContext;
use crate::source::feed::IdentifiedBy;
use crate::source::{DocumentFormat, Limits, ParsedDocument, PollHints};
use crate::text::charset;

pub use mail::{MailRules, MailSplit};

/// A message is an item, and nobody has to vouch for it.
pub static DEFAULT_MAIL_RULES: MailRules =
    MailRules { split: MailSplit::Whole, require_auth_results: Vec::new(), auth_results_by: None };

/// Files dated before this have no believable time (1990-01-01): archives store 1970 or 1980.
const MODIFIED_MIN: Timestamp = Timestamp::from_seconds(631_152_000);

/// What a reader may know of a file besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct FileContext<'a> {
    /// Its name: breaks ties between formats; that of a Markdown file may begin with its day.
    pub name: &'a str,
    /// Its modification time: stands in for a date that is nowhere in the text.
    pub modified: Timestamp,
    /// When it was taken.
    pub received: Timestamp,
    /// Caps.
    pub limits: &'a Limits,
    /// How e-mail is read.
    pub mail: &'a MailRules,
}

impl FileContext<'_> {
    /// The latest time the text can be from: the file's, or now where the file's is not believable.
    fn latest(&self) -> Timestamp {
        if self.modified < MODIFIED_MIN || self.modified > self.received { self.received } else { self.modified }
    }

    /// As much of a text that is one item as may be kept of it, twice over since its marks go, and how many bytes are
    /// behind that: lines that are thrown away anyhow must not be held one by one first.
    fn readable<'t>(&self, text: &'t str) -> (&'t str, usize) {
        let end = text.floor_char_boundary(self.limits.item_text_bytes_max.saturating_mul(2));
        (&text[..end], text.len() - end)
    }

    /// The date of an item that has none.
    fn file_time(&self) -> Dated {
        Dated { at: self.latest(), certainty: DateCertainty::FileTime }
    }
}

/// Whether a document of this format must be parsed on a thread with a large stack and a budget.
#[must_use]
pub fn is_heavy(format: DocumentFormat) -> bool {
    !matches!(
        format,
        DocumentFormat::Text | DocumentFormat::Markdown | DocumentFormat::Json | DocumentFormat::JsonLines
    )
}

/// Names the format of a file, refusing what is none.
///
/// # Errors
/// [`Rejection`] for empty and binary files.
pub fn format_of(bytes: &[u8], file: &FileContext) -> Result<DocumentFormat, Rejection> {
    detect::refuse_binary(bytes)?;
    let decoded = charset::decode(bytes, None).text;
    let text = with_line_feeds(&decoded);
    let format = detect::detect(bytes, &text, file.name);
    // What has a format of its own was told apart by more than what would refuse it.
    if matches!(
        format,
        DocumentFormat::Text
            | DocumentFormat::Markdown
            | DocumentFormat::Json
            | DocumentFormat::JsonLines
            | DocumentFormat::Html
    ) {
        let is_unknown_table = format == DocumentFormat::Text && detect::is_unknown_table(&text, file.name);
        foreign::refuse(&text, format, is_unknown_table)?;
    }
    Ok(format)
}

/// Reads a file of any format.
///
/// # Errors
/// [`Rejection`] when nothing can be taken from it.
pub fn parse(bytes: &[u8], file: &FileContext) -> Result<ParsedDocument, Rejection> {
    let format = format_of(bytes, file)?;
    parse_as(format, bytes, file)
}

/// Reads a file whose format is known from [`format_of`].
///
/// # Errors
/// [`Rejection`] when nothing can be taken from it.
pub fn parse_as(format: DocumentFormat, bytes: &[u8], file: &FileContext) -> Result<ParsedDocument, Rejection> {
    if format == DocumentFormat::Rss
        && let Some(document) = wordpress::read(bytes, file)
    {
        return document;
    }
    if is_feed(format) {
        return read_feed(bytes, file);
    }
    let mut draft = ItemDraft::new(format, "UTF-8");
    match format {
        DocumentFormat::Mail => {
            mail::read(bytes, file, &mut draft)?;
            return Ok(draft.finish(bytes, file));
        }
        DocumentFormat::Mhtml => {
            let (page, place) = mail::saved_page(bytes)?;
            html::read(&page, place.as_deref(), file, &mut draft)?;
            return Ok(draft.finish(bytes, file));
        }
        _ => {}
    }
    let decoded = charset::decode(bytes, None);
    let text = with_line_feeds(&decoded.text);
    let body = text.trim_start_matches('\u{feff}');
    draft.encoding = decoded.encoding;
    if decoded.had_errors {
        draft.warnings.push(format!("some bytes are not valid {} and were replaced", decoded.encoding));
    }
    match format {
        DocumentFormat::Html => html::read(body, None, file, &mut draft)?,
        DocumentFormat::Markdown => markdown::read(body, file, &mut draft)?,
        DocumentFormat::Json => json::read_document(body, file, &mut draft)?,
        DocumentFormat::JsonLines => json::read_lines(body, file, &mut draft)?,
        DocumentFormat::Table => tables::read(body, file, &mut draft)?,
        DocumentFormat::NewsXml => news_xml::read(body, file, &mut draft)?,
        DocumentFormat::PressArchive => archives::read(body, file, &mut draft)?,
        _ => text::read(body, file, &mut draft)?,
    }
    Ok(draft.finish(bytes, file))
}

fn read_feed(bytes: &[u8], file: &FileContext) -> Result<ParsedDocument, Rejection> {
    let (trust, limits) = (IdentifiedBy::Guid, file.limits);
    let context = FeedContext { base_url: None, content_type: None, trust, limits, received: file.received };
    crate::source::feed::reading::parse::parse(bytes, &context)
}

/// A text whose lines end in carriage returns alone, as on old systems, with line feeds instead.
fn with_line_feeds(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\r') && !text.contains('\n') { text.replace('\r', "\n").into() } else { text.into() }
}

/// Whether the feed reader reads this format.
fn is_feed(format: DocumentFormat) -> bool {
    matches!(
        format,
        DocumentFormat::Rss
            | DocumentFormat::Rdf
            | DocumentFormat::Atom
            | DocumentFormat::JsonFeed
            | DocumentFormat::Sitemap
    )
}

/// A document in the making.
struct ItemDraft {
    format: DocumentFormat,
    encoding: &'static str,
    items: Vec<DraftItem>,
    rejected: Vec<Rejection>,
    warnings: Vec<String>,
}

/// One item in the making. Its key is made at the end, of what it turned out to have.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct DraftItem {
    id: Option<String>,
    url: Option<String>,
    title: Option<RawText>,
    title_original: Option<String>,
    author: Option<String>,
    publisher: Option<String>,
    published: Option<Dated>,
    updated: Option<Dated>,
    lang: Option<String>,
    summary: Option<RawText>,
    content: Option<RawText>,
    tags: Vec<String>,
    /// Bytes of the text that were not looked at.
    unread_bytes: usize,
}

impl ItemDraft {
    fn new(format: DocumentFormat, encoding: &'static str) -> Self {
        Self { format, encoding, items: Vec::new(), rejected: Vec::new(), warnings: Vec::new() }
    }

    /// Takes items as far as the cap allows.
    fn take_capped(&mut self, items: Vec<DraftItem>, file: &FileContext) {
        let room = file.limits.items_max.saturating_sub(self.items.len());
        let over = items.len().saturating_sub(room) as u64;
        self.items.extend(items.into_iter().take(room));
        self.count_over_cap(over, file);
    }

    fn count_over_cap(&mut self, count: u64, file: &FileContext) {
        if count > 0 {
            let detail = format!("the limit is {} items", file.limits.items_max);
            self.rejected.push(Rejection { reason: RejectReason::TooManyItems, detail, count });
        }
    }

    fn finish(self, bytes: &[u8], file: &FileContext) -> ParsedDocument {
        let one_item = matches!(
            self.format,
            DocumentFormat::Text
                | DocumentFormat::Markdown
                | DocumentFormat::Html
                | DocumentFormat::Mhtml
                | DocumentFormat::Mail
        );
        let whole_file = one_item && self.items.len() == 1;
        let mut rejected = self.rejected;
        let mut warnings = self.warnings;
        let title = match &*self.items {
            [only] if whole_file => only.title.as_ref().map(|t| t.text.clone()),
            _ => None,
        };
        let mut seen = std::collections::HashMap::new();
        let mut items = Vec::with_capacity(self.items.len());
        let mut repeated = 0;
        for draft in self.items {
            let content_key = if whole_file { ItemKey::of_content(&[bytes]) } else { draft.content_key() };
            let mut key = draft.named_key().unwrap_or_else(|| content_key.clone());
            match seen.insert(key.clone(), content_key.clone()) {
                Some(same) if same == content_key => {
                    repeated += 1;
                    continue;
                }
                // One id for two texts: the second would pass for an edit of the first.
                Some(_) => {
                    warnings.push(format!("the id {} stands for different items", shown(key.as_str())));
                    key = ItemKey::new(&format!("{}|{}", key.as_str(), content_key.as_str()));
                    if seen.insert(key.clone(), content_key).is_some() {
                        repeated += 1;
                        continue;
                    }
                }
                None => {}
            }
            items.push(draft.into_raw(key, file, &mut warnings));
        }
        if repeated > 0 {
            let detail = "items that stand in the file more than once".to_owned();
            rejected.push(Rejection { reason: RejectReason::DuplicateKey, detail, count: repeated });
        }
        warnings.truncate(WARNINGS_MAX);
        let (format, encoding) = (self.format, self.encoding);
        ParsedDocument {
            unchanged: Vec::new(),
            format,
            encoding,
            title,
            items,
            rejected,
            warnings,
            hints: PollHints::default(),
            is_cut: false,
        }
    }
}

/// Numbers of more digits were given by something that counts beyond one file.
const COUNTER_DIGITS_MAX: usize = 4;
/// Warnings kept per document.
const WARNINGS_MAX: usize = 50;

impl DraftItem {
    fn has_text(&self) -> bool {
        [&self.title, &self.summary, &self.content].into_iter().flatten().any(|t| !t.text.trim().is_empty())
    }

    /// The id the file gives, else the link. A bare number is an id only within its outlet, or together with link or
    /// title: two exports that both count from 1 must not pass for each other's edits.
    fn named_key(&self) -> Option<ItemKey> {
        let id = self.id.as_deref().map(str::trim).filter(|id| !id.is_empty());
        let url = self.url.clone().filter(|url| !url.trim().is_empty());
        let key = match (id, &self.publisher) {
            (Some(id), Some(outlet)) if id.bytes().all(|b| b.is_ascii_digit()) => format!("{outlet}:{id}"),
            (Some(id), None) if id.len() <= COUNTER_DIGITS_MAX && id.bytes().all(|b| b.is_ascii_digit()) => url
                .unwrap_or_else(|| {
                    let title = self.title.as_ref().map(|title| title.text.trim()).unwrap_or_default();
                    format!("{id}|{}", ItemKey::of_content(&[title.as_bytes()]).as_str())
                }),
            (Some(id), _) => id.to_owned(),
            (None, _) => url?,
        };
        Some(ItemKey::new(&key))
    }

    fn content_key(&self) -> ItemKey {
        let text = |t: &Option<RawText>| t.as_ref().map(|t| t.text.clone()).unwrap_or_default();
        let date = self.published.map(|d| d.at.to_string()).unwrap_or_default();
        let parts = [text(&self.title), text(&self.summary), text(&self.content), date];
        ItemKey::of_content(&parts.each_ref().map(String::as_bytes))
    }

    fn into_raw(self, key: ItemKey, file: &FileContext, warnings: &mut Vec<String>) -> RawItem {
        let mut item = RawItem::new(key);
        item.title = self.title;
        item.title_original = self.title_original;
        item.url = self.url;
        item.author = self.author;
        item.publisher = self.publisher;
        item.published = Some(self.published.unwrap_or_else(|| file.file_time()));
        item.updated = self.updated;
        item.lang = self.lang;
        item.summary = self.summary;
        item.tags = self.tags;
        item.content = self.content.map(|mut content| {
            let keep = content.text.floor_char_boundary(file.limits.item_text_bytes_max);
            let whole = content.text.len() + self.unread_bytes;
            if keep < whole {
                warnings.push(format!("a text of {whole} bytes was cut to {keep}"));
                content.text.truncate(keep);
            }
            content
        });
        item
    }
}

/// Text of a file as part of a message.
fn shown(text: &str) -> String {
    crate::text::clean::excerpt(text, 60)
}

fn rejected(reason: RejectReason, detail: impl Into<String>) -> Rejection {
    Rejection { reason, detail: detail.into(), count: 1 }
}
