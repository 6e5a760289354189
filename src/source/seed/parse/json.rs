//! JSON and JSON Lines in the JsonItems format (`id title text url source published lang`) and under the
//! names other tools give these fields. Streamed: unknown fields are skipped unread, a wrapper such
//! as `{"items":[…]}` is looked through, a broken line costs that line only.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{DraftItem, FileContext, ItemDraft, rejected};
use crate::model::{Dated, RawText, RejectReason, Rejection};
use crate::text::{date, html};

/// JsonValues kept of one list field.
const LIST_MAX: usize = 100;
/// Broken lines told one by one; the rest is counted together.
const REJECTIONS_TOLD_MAX: usize = 20;

/// Fields whose value holds the items.
const WRAPPERS: [&str; 11] =
    ["items", "articles", "results", "data", "entries", "documents", "docs", "hits", "_source", "stories", "news"];

/// Reads one item, an array of them, or a wrapper around it.
pub(super) fn read_document(body: &str, file: &FileContext, draft: &mut ItemDraft) -> Result<(), Rejection> {
    let mut sink = ItemSink::new(file);
    let mut json = serde_json::Deserializer::from_str(body);
    let outcome = JsonItems { sink: &mut sink, wrapped: false }.deserialize(&mut json).and_then(|()| json.end());
    if let Err(error) = outcome {
        let detail = format!("not valid JSON at line {} column {}", error.line(), error.column());
        sink.reject(RejectReason::Malformed, &detail);
    }
    sink.finish(draft)
}

/// Reads one item a line.
pub(super) fn read_lines(body: &str, file: &FileContext, draft: &mut ItemDraft) -> Result<(), Rejection> {
    let mut sink = ItemSink::new(file);
    for (at, line) in body.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        sink.line = Some(at + 1);
        let mut json = serde_json::Deserializer::from_str(line);
        let before = sink.mark();
        let outcome = JsonItems { sink: &mut sink, wrapped: false }.deserialize(&mut json).and_then(|()| json.end());
        if let Err(error) = outcome {
            sink.take_back(before);
            sink.reject(RejectReason::Malformed, &format!("not valid JSON at column {}", error.column()));
        }
    }
    sink.finish(draft)
}

/// Where items and rejections gather.
struct ItemSink<'a> {
    file: &'a FileContext<'a>,
    line: Option<usize>,
    items: Vec<DraftItem>,
    rejected: Vec<Rejection>,
    untold: u64,
    over_cap: u64,
    warnings: Vec<String>,
}

impl<'a> ItemSink<'a> {
    fn new(file: &'a FileContext<'a>) -> Self {
        let (items, rejected, warnings) = (Vec::new(), Vec::new(), Vec::new());
        Self { file, line: None, items, rejected, untold: 0, over_cap: 0, warnings }
    }

    fn mark(&self) -> (usize, u64) {
        (self.items.len(), self.over_cap)
    }

    /// Forgets what a line gave before it turned out broken.
    fn take_back(&mut self, (items, over_cap): (usize, u64)) {
        self.items.truncate(items);
        self.over_cap = over_cap;
    }

    fn take(&mut self, item: DraftItem, wrapped: bool) {
        if !item.has_text() {
            // `{"data": {"page": 1}}`: an envelope's own fields are no item.
            if !wrapped {
                self.reject(RejectReason::Empty, "an item without title and text");
            }
        } else if self.items.len() >= self.file.limits.items_max {
            self.over_cap += 1;
        } else {
            self.items.push(item);
        }
    }

    fn reject(&mut self, reason: RejectReason, detail: &str) {
        if self.rejected.len() >= REJECTIONS_TOLD_MAX {
            self.untold += 1;
            return;
        }
        let place = self.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        self.rejected.push(rejected(reason, format!("{place}{detail}")));
    }

    fn finish(mut self, draft: &mut ItemDraft) -> Result<(), Rejection> {
        if self.untold > 0 {
            let detail = "further broken or empty items".to_owned();
            self.rejected.push(Rejection { reason: RejectReason::Malformed, detail, count: self.untold });
        }
        if self.over_cap > 0 {
            let detail = format!("the limit is {} items", self.file.limits.items_max);
            self.rejected.push(Rejection { reason: RejectReason::TooManyItems, detail, count: self.over_cap });
        }
        if self.items.is_empty() {
            let count = self.rejected.iter().map(|r| r.count).sum::<u64>().max(1);
            let none = || rejected(RejectReason::Empty, "no item with a `title` or `text` field");
            let first = self.rejected.into_iter().next().unwrap_or_else(none);
            return Err(Rejection { count, ..first });
        }
        draft.items = self.items;
        draft.rejected = self.rejected;
        draft.warnings.append(&mut self.warnings);
        Ok(())
    }
}

/// Takes the items of a value into the sink.
struct JsonItems<'s, 'a> {
    sink: &'s mut ItemSink<'a>,
    wrapped: bool,
}

impl<'de> DeserializeSeed<'de> for JsonItems<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonItems<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an item or a list of items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(JsonItems { sink: &mut *self.sink, wrapped: false })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut item = DraftItem::default();
        let mut wrapped = self.wrapped;
        while let Some(key) = map.next_key::<String>()? {
            if WRAPPERS.contains(&key.to_ascii_lowercase().as_str()) {
                wrapped = true;
                map.next_value_seed(JsonItems { sink: &mut *self.sink, wrapped: true })?;
            } else if field_of(&key).is_some() {
                match map.next_value_seed(LooseValue)? {
                    JsonValues(values) if !values.is_empty() => {
                        assign(&mut item, &key, &values, self.sink.file, &mut self.sink.warnings);
                    }
                    JsonValues(_) => {}
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        self.sink.take(item, wrapped);
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.no_item();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.no_item();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.no_item();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.no_item();
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.no_item();
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.no_item();
        Ok(())
    }
}

impl JsonItems<'_, '_> {
    fn no_item(self) {
        if !self.wrapped {
            self.sink.reject(RejectReason::Malformed, "not an object");
        }
    }
}

/// The texts in a value, whatever its shape; never an error, so that one odd field costs no item.
struct JsonValues(Vec<String>);

struct LooseValue;

impl<'de> DeserializeSeed<'de> for LooseValue {
    type Value = JsonValues;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<JsonValues, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for LooseValue {
    type Value = JsonValues;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<JsonValues, E> {
        Ok(JsonValues(vec![text.to_owned()]))
    }

    fn visit_u64<E>(self, number: u64) -> Result<JsonValues, E> {
        Ok(JsonValues(vec![number.to_string()]))
    }

    fn visit_i64<E>(self, number: i64) -> Result<JsonValues, E> {
        Ok(JsonValues(vec![number.to_string()]))
    }

    fn visit_f64<E>(self, number: f64) -> Result<JsonValues, E> {
        Ok(JsonValues(vec![number.to_string()]))
    }

    fn visit_bool<E>(self, _: bool) -> Result<JsonValues, E> {
        Ok(JsonValues(Vec::new()))
    }

    fn visit_unit<E>(self) -> Result<JsonValues, E> {
        Ok(JsonValues(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<JsonValues, A::Error> {
        let mut all = Vec::new();
        while let Some(JsonValues(mut values)) = seq.next_element_seed(LooseValue)? {
            values.truncate(LIST_MAX - all.len());
            all.append(&mut values);
        }
        Ok(JsonValues(all))
    }

    /// `{"name": "Jane Placeholder", "id": 7}`: the part that is the text of it.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonValues, A::Error> {
        let mut found = JsonValues(Vec::new());
        while let Some(key) = map.next_key::<String>()? {
            if matches!(key.as_str(), "name" | "title" | "value" | "text" | "content" | "#text" | "rendered" | "label")
                && found.0.is_empty()
            {
                found = map.next_value_seed(LooseValue)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum JsonField {
    Id,
    Title,
    Text,
    Summary,
    Url,
    Source,
    Author,
    Published,
    Updated,
    Lang,
    Tags,
}

/// The field a name stands for, in the JsonItems format or in that of others.
fn field_of(key: &str) -> Option<JsonField> {
    let name: String = key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(32).collect();
    Some(match name.as_str() {
        "id" | "guid" | "uid" | "uuid" | "articleid" => JsonField::Id,
        "title" | "headline" | "name" => JsonField::Title,
        "text" | "body" | "content" | "articlebody" | "fulltext" | "contenttext" | "contenthtml" | "bodytext"
        | "html" => JsonField::Text,
        "summary" | "description" | "abstract" | "excerpt" | "lead" | "standfirst" | "snippet" | "deck" => {
            JsonField::Summary
        }
        "url" | "link" | "permalink" | "canonicalurl" | "weburl" | "href" => JsonField::Url,
        "source" | "publisher" | "outlet" | "site" | "sitename" | "sourcename" | "agency" => JsonField::Source,
        "author" | "authors" | "byline" | "creator" => JsonField::Author,
        "published" | "date" | "publishedat" | "datepublished" | "pubdate" | "publishdate" | "publicationdate"
        | "publicationtime" | "created" | "createdat" | "timestamp" | "webpublicationdate" => JsonField::Published,
        "updated" | "modified" | "updatedat" | "datemodified" | "lastmodified" | "modifiedat" => JsonField::Updated,
        "lang" | "language" | "locale" | "inlanguage" => JsonField::Lang,
        "tags" | "keywords" | "categories" | "category" | "topics" | "labels" => JsonField::Tags,
        _ => return None,
    })
}

/// Puts the values of a named field where they belong; the first of several names for one field wins.
pub(super) fn assign(
    item: &mut DraftItem,
    key: &str,
    values: &[String],
    file: &FileContext,
    warnings: &mut Vec<String>,
) {
    let (Some(field), Some(first)) = (field_of(key), values.iter().find(|v| !v.trim().is_empty())) else { return };
    let first = first.trim();
    match field {
        JsonField::Id => _ = item.id.get_or_insert_with(|| first.to_owned()),
        JsonField::Title => _ = item.title.get_or_insert_with(|| marked(first)),
        JsonField::Text => _ = item.content.get_or_insert_with(|| marked(&values.join("\n"))),
        JsonField::Summary => _ = item.summary.get_or_insert_with(|| marked(first)),
        JsonField::Url => _ = item.url.get_or_insert_with(|| first.to_owned()),
        JsonField::Source => _ = item.publisher.get_or_insert_with(|| first.to_owned()),
        JsonField::Author => _ = item.author.get_or_insert_with(|| values.join(", ")),
        JsonField::Lang => _ = item.lang.get_or_insert_with(|| first.to_owned()),
        JsonField::Published => item.published = item.published.or_else(|| dated(first, file, warnings)),
        JsonField::Updated => item.updated = item.updated.or_else(|| dated(first, file, warnings)),
        JsonField::Tags if values.len() == 1 => item.tags.extend(first.split([',', ';']).map(|t| t.trim().to_owned())),
        JsonField::Tags => item.tags.extend_from_slice(values),
    }
}

fn dated(text: &str, file: &FileContext, warnings: &mut Vec<String>) -> Option<Dated> {
    let found = date::parse(text).or_else(|| Some(date::find(text)?.resolve(&[], file.latest())));
    if found.is_none() {
        warnings.push(format!("not a date: {}", super::shown(text)));
    }
    found
}

/// Text with tags in it is HTML; a stray `<` or `&` is not.
fn marked(text: &str) -> RawText {
    let tags = ["</", "<br", "<p>", "<img", "/>"];
    let entity = text.split_once('&').and_then(|(_, rest)| rest.split_once(';')).is_some_and(|(name, _)| {
        name.len() <= 8 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#') && !name.is_empty()
    });
    if tags.iter().any(|tag| text.contains(tag)) || entity && html::inline(text) != text {
        RawText::html(text)
    } else {
        RawText::plain(text)
    }
}
