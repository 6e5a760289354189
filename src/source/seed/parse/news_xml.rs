//! What agencies send as XML: NITF documents, and NewsML-G2 items, alone or as a message of several. Reads the
//! few fields that make an article, by element names, in one pass without recursion; depth and attributes were
//! held to their caps before.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{DraftItem, FileContext, ItemDraft, rejected};
use crate::model::{RawText, RejectReason, Rejection};
use crate::source::feed::reading::parse::{attribute_of, check_xml};
use crate::text::{charset, date, html, work};

/// Reads one document.
pub(super) fn read(body: &str, file: &FileContext, draft: &mut ItemDraft) -> Result<(), Rejection> {
    let body = charset::after_declaration(body);
    check_xml(body, file.limits)?;
    let mut walk = NewsWalk { file, draft, path: Vec::new(), story: None, capture: None, withheld: 0, over_cap: 0 };
    let whole = walk.run(body);
    walk.end_story(whole);
    let (withheld, over_cap) = (walk.withheld, walk.over_cap);
    draft.count_over_cap(over_cap, file);
    if withheld > 0 {
        let detail = "items that their agency withholds or has withdrawn".to_owned();
        draft.rejected.push(Rejection { reason: RejectReason::Empty, detail, count: withheld });
    }
    if !whole {
        draft.rejected.push(rejected(RejectReason::Malformed, "broken XML, read as far as it goes"));
    }
    if draft.items.is_empty() {
        let first = draft.rejected.first().cloned();
        return Err(first.unwrap_or_else(|| rejected(RejectReason::Empty, "no article in this news document")));
    }
    Ok(())
}

/// What the text that is being gathered is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NewsField {
    Headline,
    /// `head/title`: where there is no headline.
    DocumentTitle,
    Byline,
    Summary,
    Publisher,
    Created,
    Updated,
    Paragraph,
    /// Text as a whole, or escaped HTML.
    Body,
}

struct FieldCapture {
    field: NewsField,
    depth: usize,
    text: String,
}

#[derive(Default)]
struct NewsStory {
    depth: usize,
    item: DraftItem,
    document_title: Option<String>,
    paragraphs: Vec<String>,
    is_withheld: bool,
}

struct NewsWalk<'a, 'f> {
    file: &'a FileContext<'f>,
    draft: &'a mut ItemDraft,
    /// Local names of the open elements, in lower case.
    path: Vec<String>,
    story: Option<NewsStory>,
    capture: Option<FieldCapture>,
    withheld: u64,
    over_cap: u64,
}

impl NewsWalk<'_, '_> {
    /// Whether the document ends where its root does.
    fn run(&mut self, body: &str) -> bool {
        let mut reader = Reader::from_str(body);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        loop {
            work::spend(1);
            match reader.read_event() {
                Ok(Event::Start(tag)) => self.start(&tag),
                Ok(Event::Empty(tag)) => {
                    self.start(&tag);
                    self.end();
                }
                Ok(Event::End(_)) => self.end(),
                Ok(Event::Text(text)) => self.text(&text),
                Ok(Event::CData(text)) => self.text(&text),
                Ok(Event::GeneralRef(reference)) => self.text(&html::unescape(&format!("&{};", &*reference))),
                Ok(Event::Eof) => return self.path.is_empty(),
                Err(_) => return false,
                Ok(_) => {}
            }
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>) {
        let name = tag.name();
        let local = name.as_ref().rsplit(':').next().unwrap_or_default().to_ascii_lowercase();
        self.path.push(local);
        let depth = self.path.len();
        let local = self.path[depth - 1].as_str();
        let attribute = |name: &str| attribute_of(tag, name).filter(|value| !value.trim().is_empty());
        if self.story.is_none() && matches!(local, "nitf" | "newsitem") {
            let mut story = NewsStory { depth, ..NewsStory::default() };
            story.item.id = attribute("guid");
            story.item.lang = attribute("xml:lang");
            self.story = Some(story);
            return;
        }
        let Some(story) = &mut self.story else { return };
        let item = &mut story.item;
        let written = |value: Option<String>| value.and_then(|value| date::parse(value.trim()));
        match local {
            "doc-id" => item.id = item.id.take().or_else(|| attribute("id-string")),
            "date.issue" | "date.release" => item.published = item.published.or_else(|| written(attribute("norm"))),
            "language" => item.lang = item.lang.take().or_else(|| attribute("tag")),
            "keyword" => item.tags.extend(attribute("key")),
            "doc.copyright" => item.publisher = item.publisher.take().or_else(|| attribute("holder")),
            "pubstatus" => {
                let status = attribute("qcode").unwrap_or_default().to_ascii_lowercase();
                story.is_withheld = status.contains("cancel") || status.contains("withheld");
            }
            "provider" => item.publisher = item.publisher.take().or_else(|| attribute("literal")),
            _ => {}
        }
        if self.capture.is_none()
            && let Some(field) = self.field()
        {
            self.capture = Some(FieldCapture { field, depth, text: String::new() });
        } else if let Some(capture) = &mut self.capture {
            // Elements within a field part words, unless they only mark some of them.
            let inline =
                ["em", "i", "b", "strong", "a", "span", "sup", "sub", "chron", "org", "person", "location", "q"];
            if !inline.contains(&self.path[depth - 1].as_str()) {
                capture.text.push(' ');
            }
        }
    }

    /// What the innermost open element holds.
    fn field(&self) -> Option<NewsField> {
        let within = |name: &str| self.path[..self.path.len() - 1].iter().any(|open| open == name);
        let local = self.path.last()?.as_str();
        let in_body = || {
            (within("body.content") || within("inlinexml"))
                && !["head", "media", "caption", "script"].iter().any(|name| within(name))
        };
        Some(match local {
            "headline" | "hl1" => NewsField::Headline,
            "title" if within("nitf") && within("head") => NewsField::DocumentTitle,
            "byline" | "by" => NewsField::Byline,
            "abstract" => NewsField::Summary,
            "description" if within("contentmeta") => NewsField::Summary,
            "distributor" => NewsField::Publisher,
            "name" if within("provider") || within("copyrightholder") => NewsField::Publisher,
            "contentcreated" | "firstcreated" => NewsField::Created,
            "versioncreated" | "contentmodified" => NewsField::Updated,
            "inlinedata" => NewsField::Body,
            "p" | "li" | "h1" | "h2" | "h3" | "h4" | "hl2" | "tr" | "blockquote" if in_body() => NewsField::Paragraph,
            _ => return None,
        })
    }

    fn text(&mut self, text: &str) {
        if let Some(capture) = &mut self.capture
            && capture.text.len() < self.file.limits.item_text_bytes_max
        {
            capture.text.push_str(text);
        }
    }

    fn end(&mut self) {
        let depth = self.path.len();
        if self.capture.as_ref().is_some_and(|capture| capture.depth >= depth)
            && let Some(capture) = self.capture.take()
        {
            self.keep(capture);
        }
        if self.story.as_ref().is_some_and(|story| story.depth >= depth) {
            self.end_story(true);
        }
        self.path.pop();
    }

    fn keep(&mut self, FieldCapture { field, text, .. }: FieldCapture) {
        let Some(story) = &mut self.story else { return };
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            return;
        }
        let item = &mut story.item;
        match field {
            NewsField::Headline => _ = item.title.get_or_insert_with(|| RawText::plain(line)),
            NewsField::DocumentTitle => story.document_title = Some(line),
            NewsField::Byline => {
                let name = line.strip_prefix("By ").or_else(|| line.strip_prefix("by ")).unwrap_or(&line);
                item.author.get_or_insert_with(|| name.to_owned());
            }
            NewsField::Summary => _ = item.summary.get_or_insert_with(|| RawText::plain(line)),
            NewsField::Publisher => _ = item.publisher.get_or_insert(line),
            NewsField::Created => item.published = item.published.or_else(|| date::parse(&line)),
            NewsField::Updated => item.updated = item.updated.or_else(|| date::parse(&line)),
            NewsField::Paragraph => story.paragraphs.push(line),
            NewsField::Body if html::looks_like_markup(&text) => story.paragraphs.push(html::to_text(&text)),
            NewsField::Body => {
                story.paragraphs.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
            }
        }
    }

    /// Takes what was gathered, unless the document broke off within it.
    fn end_story(&mut self, whole: bool) {
        let Some(mut story) = self.story.take() else { return };
        if story.is_withheld {
            self.withheld += 1;
            return;
        }
        if !whole {
            return;
        }
        story.item.title = story.item.title.or(story.document_title.map(RawText::plain));
        story.item.content = Some(story.paragraphs.join("\n")).filter(|text| !text.is_empty()).map(RawText::plain);
        story.item.published = story.item.published.or(story.item.updated);
        if !story.item.has_text() {
            self.draft.rejected.push(rejected(RejectReason::Empty, "an item without title and text"));
        } else if self.draft.items.len() >= self.file.limits.items_max {
            self.over_cap += 1;
        } else {
            self.draft.items.push(story.item);
        }
    }
}
