//! JSON and JSON Lines in the JsonItems format (`id title text url source published lang`) and under the
//! names other tools give these fields. Streamed: unknown fields are skipped unread, a wrapper such
//! as `{"items":[…]}` is looked through, a broken line costs that line only.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::super::fields::{ItemField, field_of, language};
use super::{DraftItem, FileContext, ItemDraft, rejected};
use crate::model::{DateCertainty, Dated, RawText, RejectReason, Rejection};
use crate::source::mend_json::mend;
use crate::text::{date, html, work};

/// JsonValues kept of one list field.
const LIST_MAX: usize = 100;
/// Dates that are further apart are of different moments.
const SAME_DAY: std::time::Duration = std::time::Duration::from_secs(36 * 3600);
/// Broken lines told one by one; the rest is counted together.
const REJECTIONS_TOLD_MAX: usize = 20;

/// Fields whose value holds the items.
const WRAPPERS: [&str; 16] = [
    "items",
    "articles",
    "results",
    "data",
    "entries",
    "documents",
    "docs",
    "hits",
    "_source",
    "stories",
    "news",
    "value",
    "response",
    "children",
    "posts",
    "records",
];

/// Fields whose value holds further fields of the same item.
const PARTS: [&str; 2] = ["fields", "attributes"];

/// Reads one item, an array of them, a wrapper around it, or several of these one after the other.
pub(super) fn read_document(body: &str, file: &FileContext, draft: &mut ItemDraft) -> Result<(), Rejection> {
    let mut sink = ItemSink::new(file);
    if read_value(body, &mut sink).is_err() {
        sink = ItemSink::new(file);
        read_mended(body, &mut sink);
    }
    sink.finish(draft)
}

/// Reads value after value, each mended where it has to be.
fn read_mended(body: &str, sink: &mut ItemSink) {
    let mut rest = body;
    let (mut line, mut counted) = (1, 0);
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ',' | '\u{1e}' | '\u{feff}'));
        if rest.is_empty() {
            return;
        }
        let at = body.len() - rest.len();
        line += body[counted..at].matches('\n').count();
        counted = at;
        let mended = if rest.starts_with(['{', '[']) { mend(rest) } else { None };
        let Some(mended) = mended else {
            return sink.reject(RejectReason::Malformed, &format!("from line {line} on it is no JSON, or cut off"));
        };
        if mended.was_broken {
            sink.tell_mended();
        }
        let before = sink.mark();
        if let Err(error) = read_value(&mended.text, sink) {
            sink.take_back(before);
            sink.reject(RejectReason::Malformed, &format!("in the value from line {line} on: {}", kind_of(&error)));
        }
        if mended.is_cut {
            sink.reject(RejectReason::Malformed, "the end is missing");
        }
        rest = &rest[mended.consumed..];
    }
}

/// What serde_json says, without a place that would be that of the mended text.
fn kind_of(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        _ if error.to_string().starts_with("recursion") => "too many containers within one another",
        serde_json::error::Category::Eof => "it is cut off",
        _ => "not valid JSON",
    }
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
        let before = sink.mark();
        let Err(error) = read_value(line, &mut sink) else { continue };
        sink.take_back(before);
        // Half of an item is none; and what goes on behind a value is no line of JSON.
        let mended = mend(line).filter(|mended| !mended.is_cut && line[mended.consumed..].trim().is_empty());
        if mended.is_some_and(|mended| read_value(&mended.text, &mut sink).is_ok()) {
            sink.tell_mended();
        } else {
            sink.take_back(before);
            sink.reject(RejectReason::Malformed, &format!("not valid JSON at column {}", error.column()));
        }
    }
    sink.finish(draft)
}

fn read_value(text: &str, sink: &mut ItemSink) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_str(text);
    JsonItems { sink, wrapped: false }.deserialize(&mut json).and_then(|()| json.end())
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

/// What a sink held at some moment.
#[derive(Clone, Copy)]
struct SinkMark {
    items: usize,
    rejected: usize,
    untold: u64,
    over_cap: u64,
}

impl<'a> ItemSink<'a> {
    fn new(file: &'a FileContext<'a>) -> Self {
        let (items, rejected, warnings) = (Vec::new(), Vec::new(), Vec::new());
        Self { file, line: None, items, rejected, untold: 0, over_cap: 0, warnings }
    }

    /// Items and rejections so far.
    fn seen(&self) -> u64 {
        (self.items.len() + self.rejected.len()) as u64 + self.untold + self.over_cap
    }

    fn mark(&self) -> SinkMark {
        SinkMark {
            items: self.items.len(),
            rejected: self.rejected.len(),
            untold: self.untold,
            over_cap: self.over_cap,
        }
    }

    /// Forgets what a line gave before it turned out broken.
    fn take_back(&mut self, before: SinkMark) {
        self.items.truncate(before.items);
        self.rejected.truncate(before.rejected);
        (self.untold, self.over_cap) = (before.untold, before.over_cap);
    }

    fn tell_mended(&mut self) {
        let told = "broken JSON was mended; what is whole was read";
        if !self.warnings.iter().any(|warning| warning == told) {
            self.warnings.push(told.to_owned());
        }
    }

    fn take(&mut self, item: DraftItem, wrapped: bool) {
        if item.title.as_ref().is_some_and(|title| title.text.eq_ignore_ascii_case("[removed]")) {
            self.reject(RejectReason::Empty, "an item that its publisher removed");
        } else if !item.has_text() {
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
        while seq.next_element_seed(JsonItems { sink: &mut *self.sink, wrapped: false })?.is_some() {
            work::spend(1);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut item = DraftItem::default();
        let mut wrapped = self.wrapped;
        let before = self.sink.seen();
        while let Some(key) = map.next_key::<String>()? {
            work::spend(1 + key.len());
            if WRAPPERS.contains(&key.to_ascii_lowercase().as_str()) {
                wrapped = true;
                map.next_value_seed(JsonItems { sink: &mut *self.sink, wrapped: true })?;
            } else if PARTS.contains(&key.to_ascii_lowercase().as_str()) {
                map.next_value_seed(JsonParts { item: &mut item, sink: &mut *self.sink })?;
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
        // The title and the date of a list are not those of an item, unless it has a text as well.
        if self.sink.seen() == before || item.content.is_some() {
            self.sink.take(item, wrapped);
        }
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
            self.sink.reject(RejectReason::Malformed, "no object, or one too broken to be mended");
        }
    }
}

/// Takes the fields of a value into an item; anything but an object has none.
struct JsonParts<'s, 'a> {
    item: &'s mut DraftItem,
    sink: &'s mut ItemSink<'a>,
}

impl<'de> DeserializeSeed<'de> for JsonParts<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Value::Object(fields) = Value::deserialize(deserializer)? else { return Ok(()) };
        for (key, value) in fields {
            if field_of(&key).is_some()
                && let Ok(JsonValues(values)) = LooseValue.deserialize(value)
            {
                assign(self.item, &key, &values, self.sink.file, &mut self.sink.warnings);
            }
        }
        Ok(())
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
            work::spend(1);
            values.truncate(LIST_MAX - all.len());
            all.append(&mut values);
        }
        Ok(JsonValues(all))
    }

    /// `{"name": "Jane Placeholder", "id": 7}`: the part that is the text of it.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonValues, A::Error> {
        let mut found = JsonValues(Vec::new());
        while let Some(key) = map.next_key::<String>()? {
            work::spend(1 + key.len());
            if matches!(
                key.as_str(),
                "name" | "title" | "value" | "text" | "content" | "#text" | "rendered" | "label" | "main" | "original"
            ) && found.0.is_empty()
            {
                found = map.next_value_seed(LooseValue)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
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
        ItemField::Id => _ = item.id.get_or_insert_with(|| first.to_owned()),
        ItemField::Title => _ = item.title.get_or_insert_with(|| marked(first)),
        ItemField::Text => _ = item.content.get_or_insert_with(|| marked(without_cut_mark(&values.join("\n")))),
        ItemField::Summary => _ = item.summary.get_or_insert_with(|| marked(first)),
        ItemField::Url => _ = item.url.get_or_insert_with(|| first.to_owned()),
        ItemField::Source => _ = item.publisher.get_or_insert_with(|| first.to_owned()),
        // Numbers stand for names that the document does not tell.
        ItemField::Author | ItemField::Tags if values.iter().all(|value| is_number(value)) => {}
        ItemField::Author => _ = item.author.get_or_insert_with(|| values.join(", ")),
        ItemField::Lang => _ = item.lang.get_or_insert_with(|| language(first).unwrap_or(first).to_owned()),
        ItemField::Published => {
            let mut found = dated(first, file, warnings);
            if let Some(found) = found.as_mut().filter(|found| found.certainty == DateCertainty::ZoneAssumed)
                && ["gmt", "utc"].iter().any(|zone| key.to_ascii_lowercase().ends_with(zone))
            {
                found.certainty = DateCertainty::Exact;
            }
            item.published = more_exact(item.published, found);
        }
        ItemField::Updated => item.updated = item.updated.or_else(|| dated(first, file, warnings)),
        ItemField::Tags if values.len() == 1 => item.tags.extend(first.split([',', ';']).map(|t| t.trim().to_owned())),
        ItemField::Tags => item.tags.extend_from_slice(values),
    }
}

fn is_number(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A text without the mark of services that cut it: `… [+2219 chars]`.
fn without_cut_mark(text: &str) -> &str {
    let cut = text.trim_end().strip_suffix(" chars]").and_then(|rest| rest.rsplit_once("[+"));
    cut.filter(|(_, number)| is_number(number)).map_or(text, |(kept, _)| kept.trim_end())
}

/// Of two dates of one item the first, unless the second says the same day more exactly.
fn more_exact(first: Option<Dated>, second: Option<Dated>) -> Option<Dated> {
    let rank = |dated: Dated| match dated.certainty {
        DateCertainty::Exact => 0,
        DateCertainty::ZoneAssumed => 1,
        _ => 2,
    };
    match (first, second) {
        (Some(first), Some(second)) => {
            let near = first.at.since(second.at).max(second.at.since(first.at)) < SAME_DAY;
            Some(if near && rank(second) < rank(first) { second } else { first })
        }
        (first, second) => first.or(second),
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
